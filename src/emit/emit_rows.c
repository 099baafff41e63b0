// emit_rows.c: the gradient of a table's rows that the batch names: for each distinct id v, anchor[j] = Σ over the lists of places of (Σ of the
// values at v's places, rows and then items ascending), as spreads and their sum give it; then the program, whose slots are read and
// written at row v. What is not named is not looked at: the cost knows the batch, not the table. Rows lie anywhere: those of an id some
// way ahead are fetched meanwhile.
#include "emit_int.h"

enum { AHEAD = 8 };

typedef struct {
  Value ids, starts, rows, items;                                    // lists: see host.h
  Value bound[SORT_SOURCES + 1];                                     // of the id at hand: entries of source s are bound[s] … bound[s + 1] − 1
} Places;

static Value word(Kernel *k, Value list, Value i) {                  // list[i] as i64
  LL *l = &k->e->l;
  return LLVMBuildZExt(l->b, ll_load(l, l->i32, ll_at(l, l->i32, list, i), 4, ""), l->i64, "");
}

static Places places(Kernel *k) {
  LL *l = &k->e->l;
  Places x = {.ids = ll_at(l, l->i32, k->sorted, ll_i64(l, SORTED_IDS))};
  x.starts = ll_at(l, l->i32, x.ids, k->distinct);
  Value starts = ll_mul(l, k->distinct, ll_i64(l, k->c->sorted.sources));
  x.rows = ll_at(l, l->i32, x.starts, ll_add(l, starts, ll_i64(l, 1)));
  x.items = ll_at(l, l->i32, x.rows, k->ids);
  return x;
}

static void find_bounds(Kernel *k, Places *x, Value u) {
  LL *l = &k->e->l;
  Value first = ll_mul(l, u, ll_i64(l, k->c->sorted.sources));
  for (int s = 0; s <= k->c->sorted.sources; s++) x->bound[s] = word(k, x->starts, ll_add(l, first, ll_i64(l, s)));
}

static Value value_at(Kernel *k, const Point *p, const Places *x, int source, Value entry) {
  LL *l = &k->e->l;
  DType t = k->c->inputs[source].dtype;
  State back = kernel_enter(k, AXIS_REDUCED, word(k, x->rows, entry));
  Value item = ll_mul(l, word(k, x->items, entry), k->item_stride[source]);
  k->st.in[source] = ll_at(l, emit_type(k->e, t), k->st.in[source], item);
  Value v = load_input(k, p, source);
  kernel_leave(k, back);
  return convert(k->e, v, t, k->c->vals[k->c->anchor].dtype);
}

static Value zero(Kernel *k, const Point *p) { return ll_real(ll_vec(emit_type(k->e, k->c->vals[k->c->anchor].dtype), p->width), 0); }

static Value sum_of_source(Kernel *k, const Point *p, const Places *x, int source) {
  Value acc = zero(k, p);
  Loop entry;
  loop_begin(k->e, &entry, x->bound[source], x->bound[source + 1], 1, "entry", 1, &acc);
  acc = ll_fadd(&k->e->l, entry.carried[0], value_at(k, p, x, source, entry.i));
  loop_end(k->e, &entry, &acc);
  return entry.carried[0];
}

static void at_row(Kernel *k, Point *p, void *ctx) {
  const Places *x = ctx;
  Value sum = sum_of_source(k, p, x, 0);
  for (int s = 1; s < k->c->sorted.sources; s++) sum = ll_fadd(&k->e->l, sum, sum_of_source(k, p, x, s));
  p->memo[k->c->anchor] = sum;
  eval_outputs(k, p);
}

// Behind the last id: what goes to no row of a table is made of a sum of nothing.
static void behind(Kernel *k, Point *p, void *ctx) {
  (void)ctx;
  const Call *c = k->c;
  p->memo[c->anchor] = zero(k, p);
  for (int i = 0; i < c->n_outputs; i++)
    if (!c->outputs[i].by) store_output(k, p, i, convert(k->e, eval(k, p, c->outputs[i].val), c->vals[c->outputs[i].val].dtype, c->outputs[i].dtype));
}

static void at_id(Kernel *k, Value u, BodyFn *body, Places *x) {
  int lane_axis = k->c->n_dims > 1 ? 1 : -1;
  State back = kernel_enter(k, 0, u);
  kernel_resolve(k, lane_axis);
  kernel_hoist(k, lane_axis);
  if (lane_axis > 0) lanes(k, 1, ll_i64(&k->e->l, 0), k->extent[1], body, x);
  else {
    Point p = point_new(k, 1, -1, NULL);
    body(k, &p, x);
  }
  kernel_leave(k, back);
}

static void fetch(Kernel *k, Value id) {                              // the rows that are read there
  LL *l = &k->e->l;
  unsigned prefetch = LLVMLookupIntrinsicID("llvm.prefetch", 13);
  for (int i = 0; i < k->c->n_inputs; i++) {
    if (k->c->inputs[i].index < 0) continue;
    Value p = ll_at(l, emit_type(k->e, k->c->inputs[i].dtype), k->st.in[i], ll_mul(l, id, k->index_stride[i]));
    Value f = LLVMGetIntrinsicDeclaration(l->m, prefetch, &l->ptr, 1);
    Value args[] = {p, ll_i32(l, 0), ll_i32(l, 3), ll_i32(l, 1)};
    LLVMBuildCall2(l->b, LLVMIntrinsicGetType(l->cx, prefetch, &l->ptr, 1), f, args, 4, "");
  }
}

void emit_rows(Kernel *k) {
  Emit *e = k->e;
  LL *l = &e->l;
  if (k->c->n_dims < 1 || k->c->n_dims > 2) {
    emit_error(e, "call %s: a sum by ids has dims [C] or [C, d]", k->c->name ? k->c->name : "");
    return;
  }
  Places x = places(k);
  Value end = ll_min(l, k->hi, named_rows(k)), last = ll_sub(l, end, ll_i64(l, 1));
  Loop id;
  loop_begin(e, &id, k->lo, end, 1, "id", 0, NULL);
  fetch(k, word(k, x.ids, ll_min(l, ll_add(l, id.i, ll_i64(l, AHEAD)), last)));
  find_bounds(k, &x, id.i);
  at_id(k, id.i, at_row, &x);
  loop_end(e, &id, NULL);
  bool others = false;
  for (int i = 0; i < k->c->n_outputs; i++) others |= !k->c->outputs[i].by;
  if (!others) return;
  loop_begin(e, &id, ll_max(l, k->lo, end), k->hi, 1, "behind", 0, NULL);
  at_id(k, id.i, behind, &x);
  loop_end(e, &id, NULL);
}
