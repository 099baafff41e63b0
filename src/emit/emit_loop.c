// emit_loop.c: loops, vector tails, loop nests.
// A lane loop runs over full vectors; what is left is one masked vector where the target has masks, else a loop
// over single lanes. Both give the bits of the full vector.
#include "emit_int.h"

void loop_begin(Emit *e, Loop *lp, Value from, Value to, int64_t step, const char *name, int n, const Value *init) {
  LL *l = &e->l;
  *lp = (Loop){.to = to, .step = ll_i64(l, step), .n = n};
  lp->init = NEW_ARRAY(e->arena, Value, n + 1);
  lp->carried = NEW_ARRAY(e->arena, Value, n + 1);
  if (n) memcpy(lp->init, init, sizeof(Value) * (size_t)n);
  lp->body = ll_block(l, name);
  lp->exit = ll_block(l, "then");
  lp->pre = ll_here(l);
  ll_if(l, ll_icmp(l, LLVMIntSLT, from, to), lp->body, lp->exit);
  ll_go(l, lp->body);
  lp->i = ll_phi(l, l->i64, name);
  ll_from(lp->i, from, lp->pre);
  for (int i = 0; i < n; i++) {
    lp->carried[i] = ll_phi(l, LLVMTypeOf(init[i]), "");
    ll_from(lp->carried[i], init[i], lp->pre);
  }
}

void loop_end(Emit *e, Loop *lp, const Value *next) {
  LL *l = &e->l;
  Block latch = ll_here(l);
  Value i = ll_add(l, lp->i, lp->step);
  ll_if(l, ll_icmp(l, LLVMIntSLT, i, lp->to), lp->body, lp->exit);
  ll_from(lp->i, i, latch);
  LLVMMoveBasicBlockAfter(lp->exit, latch);
  ll_go(l, lp->exit);
  for (int c = 0; c < lp->n; c++) {
    ll_from(lp->carried[c], next[c], latch);
    Value result = ll_phi(l, LLVMTypeOf(next[c]), "");
    ll_from(result, lp->init[c], lp->pre);
    ll_from(result, next[c], latch);
    lp->carried[c] = result;
  }
}

Value lane_mask(Emit *e, int width, Value left) {
  LL *l = &e->l;
  Value n = LLVMBuildTrunc(l->b, ll_min(l, left, ll_i64(l, width)), l->i32, "");
  return LLVMBuildICmp(l->b, LLVMIntSLT, ll_lanes(l, l->i32, width), ll_splat(l, n, width), "mask");
}

static void at(Kernel *k, int axis, Value i, int width, Value mask, int vectors, BodyFn *body, void *ctx) {
  State back = kernel_enter(k, axis, i);
  Point p = point_new(k, width, axis, mask);
  p.vectors = vectors;
  if (width == 1) kernel_resolve(k, -1);
  body(k, &p, ctx);
  kernel_leave(k, back);
}

int whole_row(const Kernel *k, Value to) {
  if (!LLVMIsAConstantInt(to)) return 0;
  int64_t n = LLVMConstIntGetSExtValue(to), vectors = (n + k->width - 1) / k->width;
  return vectors <= MAX_ROW_VECTORS && (k->e->has_mask || n % k->width == 0) ? (int)vectors : 0;
}

Value row_mask(Kernel *k, int vector, Value to) {
  int64_t left = LLVMConstIntGetSExtValue(to) - (int64_t)vector * k->width;
  return left < k->width ? lane_mask(k->e, k->width, ll_i64(&k->e->l, left)) : NULL;
}

void lanes(Kernel *k, int axis, Value from, Value to, BodyFn *body, void *ctx) {
  Emit *e = k->e;
  LL *l = &e->l;
  Loop full, rest;
  int vectors = ll_is_const(from, 0) ? whole_row(k, to) : 0;
  for (int v = 0; v < vectors; v++) at(k, axis, ll_i64(l, (int64_t)v * k->width), k->width, row_mask(k, v, to), 1, body, ctx);
  if (vectors) return;
  if (k->side_by_side > 1) {
    int64_t step = (int64_t)k->side_by_side * k->width;
    Value blocks = ll_add(l, from, ll_and(l, ll_sub(l, to, from), ll_i64(l, -step)));
    loop_begin(e, &full, from, blocks, step, "side.by.side", 0, NULL);
    at(k, axis, full.i, k->width, NULL, k->side_by_side, body, ctx);
    loop_end(e, &full, NULL);
    from = blocks;
  }
  Value whole = ll_add(l, from, ll_and(l, ll_sub(l, to, from), ll_i64(l, -(int64_t)k->width)));
  loop_begin(e, &full, from, whole, k->width, "lanes", 0, NULL);
  at(k, axis, full.i, k->width, NULL, 1, body, ctx);
  loop_end(e, &full, NULL);
  loop_begin(e, &rest, whole, to, e->has_mask ? k->width : 1, "tail", 0, NULL);
  if (e->has_mask) at(k, axis, rest.i, k->width, lane_mask(e, k->width, ll_sub(l, to, rest.i)), 1, body, ctx);
  else at(k, axis, rest.i, 1, NULL, 1, body, ctx);
  loop_end(e, &rest, NULL);
}

// Scalar loops over dims d … n_scalar−1, then, if a dim is left, lanes over it.
static void nest_at(Kernel *k, int d, int n_scalar, BodyFn *body, void *ctx) {
  LL *l = &k->e->l;
  Value from = d == 0 ? k->lo : ll_i64(l, 0), to = d == 0 ? k->hi : d < k->c->n_dims ? k->extent[d] : NULL;
  if (d >= n_scalar && d < k->c->n_dims) { lanes(k, d, from, to, body, ctx); return; }
  if (d >= n_scalar) {
    Point p = point_new(k, 1, -1, NULL);
    body(k, &p, ctx);
    return;
  }
  static const char *const names[MAX_DIMS] = {"d0", "d1", "d2", "d3", "d4", "d5"};
  Loop lp;
  fetch_first(k, d, from, to);
  loop_begin(k->e, &lp, from, to, 1, names[d], 0, NULL);
  fetch_next(k, d, lp.i, to);
  State back = kernel_enter(k, d, lp.i);
  kernel_resolve(k, -1);
  kernel_hoist(k, -1);
  nest_at(k, d + 1, n_scalar, body, ctx);
  kernel_leave(k, back);
  loop_end(k->e, &lp, NULL);
}

void nest(Kernel *k, int n_scalar, BodyFn *body, void *ctx) { nest_at(k, 0, n_scalar < 0 ? 0 : n_scalar, body, ctx); }
