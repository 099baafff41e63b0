// emit_spread.c: out[v, j] = Σ over rows r ascending with ids[r] = v of in[r, j]: the gradient of a gather.
// The caller owns rows lo … hi−1 of out: the kernel zeroes them, reads all ids, and adds the rows that are its own.
// Inputs have the domain [rows] + dims; they do not vary along V. dims may be [V] alone (d = 1). Of lists, dims = [V, d, m]:
// a row adds its items, as many as input 2 says, one after the other.
#include "emit_int.h"

static void zero_body(Kernel *k, Point *p, void *ctx) {
  (void)ctx;
  store_output(k, p, 0, ll_real(ll_vec(emit_type(k->e, k->c->outputs[0].dtype), p->width), 0));
}

static void add_body(Kernel *k, Point *p, void *ctx) {
  DType t = k->c->outputs[0].dtype;
  (void)ctx;
  Value x = convert(k->e, load_input(k, p, 1), k->c->inputs[1].dtype, t);
  store_output(k, p, 0, ll_fadd(&k->e->l, load_output(k, p, 0), x));
}

// The row's items: lanes over dims[1], or one scalar.
static void over_row(Kernel *k, BodyFn *body) {
  Point p = point_new(k, 1, -1, NULL);
  if (k->c->n_dims < 2) body(k, &p, NULL);
  else lanes(k, 1, ll_i64(&k->e->l, 0), k->extent[1], body, NULL);
}

// Adds in[r, …] to the row of its id, if that is the caller's.
static void add_item(Kernel *k) {
  Emit *e = k->e;
  LL *l = &e->l;
  Value id = ll_load(l, l->i32, k->st.in[0], 4, "id");
  id = LLVMBuildZExt(l->b, id, l->i64, "v");
  Value mine = ll_and(l, ll_icmp(l, LLVMIntSGE, id, k->lo), ll_icmp(l, LLVMIntSLT, id, k->hi));
  Block add = ll_block(l, "add"), next = ll_block(l, "next");
  ll_if(l, mine, add, next);
  ll_go(l, add);
  State row = kernel_enter(k, 0, id);
  over_row(k, add_body);
  kernel_leave(k, row);
  ll_br(l, next);
  ll_go(l, next);
}

static void add_items(Kernel *k) {
  Emit *e = k->e;
  LL *l = &e->l;
  DType t = k->c->inputs[2].dtype;
  Value length = convert(e, ll_load(l, emit_type(e, t), k->st.in[2], dtype_bytes(t), "length"), t, I64);
  Loop i;
  loop_begin(e, &i, ll_i64(l, 0), ll_min(l, length, k->extent[2]), 1, "i", 0, NULL);
  State back = kernel_enter(k, 2, i.i);
  add_item(k);
  kernel_leave(k, back);
  loop_end(e, &i, NULL);
}

static void add_rows(Kernel *k) {
  Emit *e = k->e;
  LL *l = &e->l;
  Loop r;
  loop_begin(e, &r, ll_i64(l, 0), k->extent[AXIS_REDUCED], 1, "r", 0, NULL);
  State back = kernel_enter(k, AXIS_REDUCED, r.i);
  if (k->c->n_dims > 2) add_items(k);
  else add_item(k);
  kernel_leave(k, back);
  loop_end(e, &r, NULL);
}

void emit_spread(Kernel *k) {
  Emit *e = k->e;
  bool lists = k->c->n_dims == 3;
  if (k->c->n_inputs != 2 + lists || k->c->n_outputs != 1 || k->c->n_dims < 1 || k->c->n_dims > 3) {
    emit_error(e, "call %s: a spread has two inputs, one output and dims [V] or [V, d], or of lists three and [V, d, m]",
               k->c->name ? k->c->name : "");
    return;
  }
  Loop v;
  loop_begin(e, &v, k->lo, k->hi, 1, "v", 0, NULL);
  State back = kernel_enter(k, 0, v.i);
  over_row(k, zero_body);
  kernel_leave(k, back);
  loop_end(e, &v, NULL);
  add_rows(k);
}
