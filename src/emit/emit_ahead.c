// emit_ahead.c: rows of large tables lie anywhere in memory: those that a loop comes to some iterations later are fetched meanwhile.
// What is fetched decides no value: an address may be any.
#include "emit_int.h"

enum { AHEAD = 16, LINE = 64, MOST_LINES = 4 };   // iterations; bytes; a longer row is left to what the processor itself foresees

void fetch_elements(Kernel *k, DType t, Value p, Value elements) {
  LL *l = &k->e->l;
  Value bytes = ll_min(l, ll_mul(l, elements, ll_i64(l, dtype_bytes(t))), ll_i64(l, MOST_LINES * LINE));
  Type byte = LLVMInt8TypeInContext(l->cx);
  if (LLVMIsAConstantInt(bytes)) {
    for (int64_t at = 0; at < LLVMConstIntGetSExtValue(bytes); at += LINE) ll_prefetch(l, ll_at(l, byte, p, ll_i64(l, at)), TO_L1);
    return;
  }
  Loop line;
  loop_begin(k->e, &line, ll_i64(l, 0), bytes, LINE, "line", 0, NULL);
  ll_prefetch(l, ll_at(l, byte, p, line.i), TO_L1);
  loop_end(k->e, &line, NULL);
}

Value position_ahead(Kernel *k, Value i, Value to) {
  LL *l = &k->e->l;
  return ll_min(l, ll_add(l, i, ll_i64(l, AHEAD)), ll_sub(l, to, ll_i64(l, 1)));
}

static Value last_extent(Kernel *k) { return k->c->n_dims > 1 ? k->extent[k->c->n_dims - 1] : ll_i64(&k->e->l, 1); }

// A near cache does not hold them all.
bool is_far(const Emit *e, const Input *in) {
  enum { NEAR_BYTES = 1 << 20 };
  const Buffer *b = &e->s->buffers.data[in->buffer];
  return in->index >= 0 && b->rows_a * b->ld * dtype_bytes(b->dtype) > NEAR_BYTES;
}

// Is it such a row, selected along this axis alone?
static bool is_far_along(const Kernel *k, int input, int axis) {
  int ix = k->c->inputs[input].index;
  if (!is_far(k->e, &k->c->inputs[input]) || k->st.resolved[input] || !k->in_stride[ix][axis]) return false;
  for (int a = 0; a < N_AXES; a++)
    if (a != axis && k->in_stride[ix][a]) return false;
  return true;
}

static bool is_fetched(const Kernel *k, int axis) {
  for (int i = 0; i < k->c->n_inputs; i++)
    if (is_far_along(k, i, axis)) return true;
  return false;
}

static void fetch_rows(Kernel *k, int axis, Value at) {
  LL *l = &k->e->l;
  for (int i = 0; i < k->c->n_inputs; i++) {
    if (!is_far_along(k, i, axis)) continue;
    int ix = k->c->inputs[i].index;
    Value id = ll_load(l, l->i32, ll_at(l, l->i32, k->st.in[ix], ll_mul(l, at, k->in_stride[ix][axis])), 4, "ahead");
    Value row = ll_mul(l, LLVMBuildZExt(l->b, id, l->i64, ""), k->index_stride[i]);
    fetch_elements(k, k->c->inputs[i].dtype, ll_at(l, emit_type(k->e, k->c->inputs[i].dtype), k->st.in[i], row), last_extent(k));
  }
}

void fetch_first(Kernel *k, int axis, Value from, Value to) {
  LL *l = &k->e->l;
  if (!is_fetched(k, axis)) return;
  Loop first;
  loop_begin(k->e, &first, from, ll_min(l, to, ll_add(l, from, ll_i64(l, AHEAD))), 1, "first", 0, NULL);
  fetch_rows(k, axis, first.i);
  loop_end(k->e, &first, NULL);
}

void fetch_next(Kernel *k, int axis, Value i, Value to) {
  if (is_fetched(k, axis)) fetch_rows(k, axis, position_ahead(k, i, to));
}
