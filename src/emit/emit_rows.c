// emit_rows.c: a table's update by the ids of a batch: for each distinct id v, anchor[j] = Σ of the values at v's places, rows and then
// items ascending, as a spread sums them; then the program at row v. What is not named is not read or written: the cost knows the
// batch, not the table. Rows lie anywhere: those of an id some way ahead are fetched meanwhile.
#include "emit_int.h"

enum { AHEAD = 8 };

typedef struct { Value from, to, rows, items; } Places;              // entries from … to−1 of the two lists

static Value word(Kernel *k, Value list, Value i) {                  // list[i] as i64
  LL *l = &k->e->l;
  return LLVMBuildZExt(l->b, ll_load(l, l->i32, ll_at(l, l->i32, list, i), 4, ""), l->i64, "");
}

static Value value_at(Kernel *k, const Point *p, const Places *x, Value entry) {
  LL *l = &k->e->l;
  State back = kernel_enter(k, AXIS_REDUCED, word(k, x->rows, entry));
  Type t = emit_type(k->e, k->c->inputs[0].dtype);
  k->st.in[0] = ll_at(l, t, k->st.in[0], ll_mul(l, word(k, x->items, entry), k->item_stride));
  Value v = load_input(k, p, 0);
  kernel_leave(k, back);
  return convert(k->e, v, k->c->inputs[0].dtype, k->c->vals[k->c->anchor].dtype);
}

static void at_row(Kernel *k, Point *p, void *ctx) {
  const Places *x = ctx;
  LL *l = &k->e->l;
  Value acc = ll_real(ll_vec(emit_type(k->e, k->c->vals[k->c->anchor].dtype), p->width), 0);
  Loop entry;
  loop_begin(k->e, &entry, x->from, x->to, 1, "entry", 1, &acc);
  acc = ll_fadd(l, entry.carried[0], value_at(k, p, x, entry.i));
  loop_end(k->e, &entry, &acc);
  p->memo[k->c->anchor] = entry.carried[0];
  eval_outputs(k, p);
}

static void fetch(Kernel *k, Value v) {                               // row v of all that is read there
  LL *l = &k->e->l;
  unsigned id = LLVMLookupIntrinsicID("llvm.prefetch", 13);
  for (int i = 1; i < k->c->n_inputs; i++) {
    if (!k->in_stride[i][0]) continue;
    Value p = ll_at(l, emit_type(k->e, k->c->inputs[i].dtype), k->st.in[i], ll_mul(l, v, k->in_stride[i][0]));
    Value f = LLVMGetIntrinsicDeclaration(l->m, id, &l->ptr, 1);
    Value args[] = {p, ll_i32(l, 0), ll_i32(l, 3), ll_i32(l, 1)};
    LLVMBuildCall2(l->b, LLVMIntrinsicGetType(l->cx, id, &l->ptr, 1), f, args, 4, "");
  }
}

void emit_rows(Kernel *k) {
  Emit *e = k->e;
  LL *l = &e->l;
  if (k->c->n_dims < 1 || k->c->n_dims > 2) {
    emit_error(e, "call %s: an update by ids has dims [V] or [V, d]", k->c->name ? k->c->name : "");
    return;
  }
  Value ids = ll_at(l, l->i32, k->sorted, ll_i64(l, SORTED_IDS)), starts = ll_at(l, l->i32, ids, k->distinct);
  Places x = {.rows = ll_at(l, l->i32, starts, ll_add(l, k->distinct, ll_i64(l, 1)))};
  x.items = ll_at(l, l->i32, x.rows, k->ids);
  Value end = ll_min(l, k->hi, word(k, k->sorted, ll_i64(l, 0))), last = ll_sub(l, end, ll_i64(l, 1));
  Loop id;
  loop_begin(e, &id, k->lo, end, 1, "id", 0, NULL);
  fetch(k, word(k, ids, ll_min(l, ll_add(l, id.i, ll_i64(l, AHEAD)), last)));
  x.from = word(k, starts, id.i);
  x.to = word(k, starts, ll_add(l, id.i, ll_i64(l, 1)));
  State back = kernel_enter(k, 0, word(k, ids, id.i));
  kernel_resolve(k, k->c->n_dims > 1 ? 1 : -1);
  kernel_hoist(k, k->c->n_dims > 1 ? 1 : -1);
  if (k->c->n_dims > 1) lanes(k, 1, ll_i64(l, 0), k->extent[1], at_row, &x);
  else {
    Point p = point_new(k, 1, -1, NULL);
    at_row(k, &p, &x);
  }
  kernel_leave(k, back);
  loop_end(e, &id, NULL);
}
