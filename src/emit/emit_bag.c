// emit_bag.c: sums of the rows that ids name, and sums of rows by id. Both go through all rows for a few columns at a time, whose sums are
// held in registers: what is read again and again, these columns of the table or of the values, then stays in a cache.
#include "emit_int.h"

enum { FEWEST_VECTORS = 4, FEWEST_COLUMNS = 32, MOST_VECTORS = 16 };   // of a full block: sums that do not wait for one another

typedef struct { int n; Point p; } Strip;                            // n vectors side by side; the kernel has entered axis 0
typedef Value LoadFn(Kernel *k, const Point *p, int operand);
typedef void StripFn(Kernel *k, const Strip *x);

// ---------------------------------------------------------------- vectors of a strip
static State enter_vector(Kernel *k, const Strip *x, int i) { return kernel_enter(k, 0, ll_i64(&k->e->l, (int64_t)i * x->p.width)); }

static void load_strip(Kernel *k, const Strip *x, LoadFn *load, int operand, Value *out) {
  for (int i = 0; i < x->n; i++) {
    State back = enter_vector(k, x, i);
    out[i] = load(k, &x->p, operand);
    kernel_leave(k, back);
  }
}

static void store_strip(Kernel *k, const Strip *x, const Value *v) {
  for (int i = 0; i < x->n; i++) {
    State back = enter_vector(k, x, i);
    store_output(k, &x->p, 0, v[i]);
    kernel_leave(k, back);
  }
}

static void add_strip(Kernel *k, const Strip *x, int input, const Value *sum, Value *out) {
  load_strip(k, x, load_input, input, out);
  for (int i = 0; i < x->n; i++) out[i] = ll_fadd(&k->e->l, sum[i], out[i]);
}

// ---------------------------------------------------------------- all strips of columns lo … hi−1
// Strips of n vectors from column `from` on, as many as there are whole ones; gives the first column left.
static Value strips(Kernel *k, int n, int width, Value from, StripFn *body) {
  LL *l = &k->e->l;
  int64_t columns = (int64_t)n * width;
  Value whole = ll_add(l, from, ll_and(l, ll_sub(l, k->hi, from), ll_i64(l, -columns)));
  Loop lp;
  loop_begin(k->e, &lp, from, whole, columns, "strip", 0, NULL);
  State back = kernel_enter(k, 0, lp.i);
  Strip x = {n, point_new(k, width, 0, NULL)};
  body(k, &x);
  kernel_leave(k, back);
  loop_end(k->e, &lp, NULL);
  return whole;
}

static void masked_strip(Kernel *k, Value from, StripFn *body) {     // what is left of less than a vector
  LL *l = &k->e->l;
  Loop lp;
  loop_begin(k->e, &lp, from, k->hi, k->width, "tail", 0, NULL);
  State back = kernel_enter(k, 0, lp.i);
  Strip x = {1, point_new(k, k->width, 0, lane_mask(k->e, k->width, ll_sub(l, k->hi, lp.i)))};
  body(k, &x);
  kernel_leave(k, back);
  loop_end(k->e, &lp, NULL);
}

static void all_strips(Kernel *k, StripFn *body) {
  int n = FEWEST_COLUMNS / k->width;
  if (n < FEWEST_VECTORS) n = FEWEST_VECTORS;
  CHECK(n <= MOST_VECTORS);
  Value from = k->lo;
  for (; n > 0; n /= 2) from = strips(k, n, k->width, from, body);
  if (k->e->has_mask) masked_strip(k, from, body);
  else strips(k, 1, 1, from, body);
}

// ---------------------------------------------------------------- rows named by ids
// Enters item i of the row: input 1 is then the row of the table that it names.
static State enter_item(Kernel *k, Value i) {
  LL *l = &k->e->l;
  State back = kernel_enter(k, AXIS_REDUCED, i);
  Value id = LLVMBuildZExt(l->b, ll_load(l, l->i32, k->st.in[0], 4, "id"), l->i64, "");
  k->st.in[1] = ll_at(l, emit_type(k->e, k->c->inputs[1].dtype), k->st.in[1], ll_mul(l, id, k->index_stride[1]));
  k->st.resolved[1] = true;
  return back;
}

static void bag_strip(Kernel *k, const Strip *x) {
  LL *l = &k->e->l;
  Value sum[MOST_VECTORS], next[MOST_VECTORS];
  Loop r, i;
  loop_begin(k->e, &r, ll_i64(l, 0), k->extent[1], 1, "r", 0, NULL);
  State back = kernel_enter(k, 1, r.i), item = enter_item(k, ll_i64(l, 0));
  load_strip(k, x, load_input, 1, sum);
  kernel_leave(k, item);
  loop_begin(k->e, &i, ll_i64(l, 1), k->extent[AXIS_REDUCED], 1, "i", x->n, sum);
  item = enter_item(k, i.i);
  add_strip(k, x, 1, i.carried, next);
  kernel_leave(k, item);
  loop_end(k->e, &i, next);
  store_strip(k, x, i.carried);
  kernel_leave(k, back);
  loop_end(k->e, &r, NULL);
}

void emit_bag(Kernel *k) { all_strips(k, bag_strip); }

// ---------------------------------------------------------------- rows by id
// One chunk: begin[v] says where v's rows begin in the list. A sum goes on from where the chunk before left it.
static void add_chunk(Kernel *k, const Strip *x, Value chunk, Value begin) {
  LL *l = &k->e->l;
  Value rows = ll_at(l, l->i32, begin, ll_add(l, k->extent[1], ll_i64(l, by_id_rows(0))));
  Value first = ll_icmp(l, LLVMIntEQ, chunk, ll_i64(l, 0)), sum[MOST_VECTORS], next[MOST_VECTORS];
  Loop v, entry;
  loop_begin(k->e, &v, ll_i64(l, 0), k->extent[1], 1, "v", 0, NULL);
  State back = kernel_enter(k, 1, v.i);
  load_strip(k, x, load_output, 0, sum);
  for (int i = 0; i < x->n; i++) sum[i] = ll_select(l, first, ll_real(LLVMTypeOf(sum[i]), 0), sum[i]);
  Value from = word(k, begin, v.i), to = word(k, begin, ll_add(l, v.i, ll_i64(l, 1)));
  loop_begin(k->e, &entry, from, to, 1, "entry", x->n, sum);
  State row = kernel_enter(k, AXIS_REDUCED, word(k, rows, entry.i));
  add_strip(k, x, 0, entry.carried, next);
  kernel_leave(k, row);
  loop_end(k->e, &entry, next);
  store_strip(k, x, entry.carried);
  kernel_leave(k, back);
  loop_end(k->e, &v, NULL);
}

static void spread_bag_strip(Kernel *k, const Strip *x) {
  LL *l = &k->e->l;
  Value up = ll_sub(l, k->list_rows, ll_i64(l, 1)), chunks = LLVMBuildUDiv(l->b, ll_add(l, k->extent[AXIS_REDUCED], up), k->list_rows, "chunks");
  Loop c;
  loop_begin(k->e, &c, ll_i64(l, 0), chunks, 1, "chunk", 0, NULL);
  add_chunk(k, x, c.i, ll_at(l, l->i32, k->lists, ll_mul(l, c.i, k->list_words)));
  loop_end(k->e, &c, NULL);
}

void emit_spread_bag(Kernel *k) { all_strips(k, spread_bag_strip); }
