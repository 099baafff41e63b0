// emit_reduce.c: sums and maxima.
//
// Sums over rows, and every long sum, go by blocks of s->block elements from position 0. The partial sum of block b is
// made ascending; the partials are combined by the aligned binary tree, which a counter walks:
//   acc = partial(b); for (t = b; t is odd; t /= 2) acc = stack[--sp] + acc; stack[sp++] = acc;
// and after the last block instead: while (sp > 0) acc = stack[--sp] + acc. The lower rows are always the left operand.
// A sum along lanes has 16 canonical lanes (element i goes to lane i mod 16, ascending from 0), folded by halves:
// lane j + lane j+8, then +4, +2, +1. Neither depends on the target's width.
#include "emit_int.h"
#include <math.h>

// ---------------------------------------------------------------- the tree
static Value partial_slot(const Partials *p, Value level, int i) {
  LL *l = &p->k->e->l;
  return ll_at(l, p->t, p->mem, ll_add(l, ll_mul(l, level, ll_i64(l, p->level)), ll_i64(l, i)));
}

static unsigned type_align(Type t, LL *l) {
  unsigned bytes = (unsigned)ll_width(t) * (ll_elem(t) == l->f64 ? 8 : 4);
  return bytes > 64 ? 64 : bytes;
}

// while ((t & 1) && sp > 0) { sp--; acc = stack[sp] + acc; t >>= 1; }   returns sp
static Value fold(const Partials *p, Value t, Value sp, Value *acc) {
  LL *l = &p->k->e->l;
  Block from = ll_here(l), head = ll_block(l, "tree"), body = ll_block(l, "tree.add"), done = ll_block(l, "tree.done");
  ll_br(l, head);
  ll_go(l, head);
  Value t_phi = ll_phi(l, l->i64, "t"), sp_phi = ll_phi(l, l->i64, "sp"), a[MAX_TILE];
  for (int i = 0; i < p->n; i++) a[i] = ll_phi(l, p->t, "");
  Value odd = ll_icmp(l, LLVMIntNE, ll_and(l, t_phi, ll_i64(l, 1)), ll_i64(l, 0));
  ll_if(l, ll_and(l, odd, ll_icmp(l, LLVMIntSGT, sp_phi, ll_i64(l, 0))), body, done);
  ll_go(l, body);
  Value sp_next = ll_sub(l, sp_phi, ll_i64(l, 1));
  Value t_next = LLVMBuildAShr(l->b, t_phi, ll_i64(l, 1), "");
  for (int i = 0; i < p->n; i++) {
    Value sum = ll_fadd(l, ll_load(l, p->t, partial_slot(p, sp_next, i), type_align(p->t, l), ""), a[i]);
    ll_from(a[i], acc[i], from);
    ll_from(a[i], sum, body);
    acc[i] = a[i];
  }
  ll_from(t_phi, t, from);
  ll_from(t_phi, t_next, body);
  ll_from(sp_phi, sp, from);
  ll_from(sp_phi, sp_next, body);
  ll_br(l, head);
  ll_go(l, done);
  return sp_phi;
}

// Before block b the stack holds a partial sum for each bit of b.
Block tree_step(const Partials *p, Value b, Value more, Value *acc) {
  LL *l = &p->k->e->l;
  Value depth = fold(p, ll_select(l, more, b, ll_i64(l, -1)), ll_intrinsic(l, "llvm.ctpop", &l->i64, 1, &b, 1), acc);
  Block push = ll_block(l, "push"), last = ll_block(l, "sum");
  ll_if(l, more, push, last);
  ll_go(l, push);
  for (int i = 0; i < p->n; i++) ll_store(l, acc[i], partial_slot(p, depth, i), type_align(p->t, l));
  ll_go(l, last);
  return push;
}

void tree_sum(Kernel *k, Value from_row, Value to, Type t, int n, PartialFn *partial, void *ctx, Value *acc) {
  LL *l = &k->e->l;
  Partials p = {k, t, n, kernel_alloca(k, t, (int64_t)n * k->e->tree_levels, "partials"), n};
  Value zero = ll_i64(l, 0), rows = ll_i64(l, k->c->reduced.groups_of ? 1 : k->e->s->block);
  Block from = ll_here(l), head = ll_block(l, "block");
  ll_br(l, head);
  ll_go(l, head);
  Value row = ll_phi(l, l->i64, "row"), b = ll_phi(l, l->i64, "b"), next_row = ll_add(l, row, rows);
  partial(k, row, ll_min(l, next_row, to), acc, ctx);
  Block push = tree_step(&p, b, ll_icmp(l, LLVMIntSLT, next_row, to), acc), done = ll_here(l);
  ll_go(l, push);
  ll_from(row, from_row, from);
  ll_from(row, next_row, push);
  ll_from(b, zero, from);
  ll_from(b, ll_add(l, b, ll_i64(l, 1)), push);
  ll_br(l, head);
  ll_go(l, done);
}

// ---------------------------------------------------------------- one step of a sum or maximum
static bool is_max(const Kernel *k) { return k->c->reduce_op == OP_AMAX; }

static Value combine(Kernel *k, Value acc, Value x) {      // max: x > acc ? x : acc
  LL *l = &k->e->l;
  return is_max(k) ? ll_select(l, ll_fcmp(l, LLVMRealOGT, x, acc), x, acc) : ll_fadd(l, acc, x);
}

static Value neutral(Kernel *k, Type t) {
  return ll_real(t, is_max(k) ? -INFINITY : 0);
}

static Type sum_type(Kernel *k, int width) { return ll_vec(emit_type(k->e, k->c->vals[k->c->anchor].dtype), width); }

static Value operand(Kernel *k, Point *p) {
  const Val *a = &k->c->vals[k->c->anchor];
  return convert(k->e, eval(k, p, a->in[0]), k->c->vals[a->in[0]].dtype, a->dtype);
}

static void finish(Kernel *k, Point *p, Value sum) {
  p->memo[k->c->anchor] = sum;
  eval_outputs(k, p);
}

// ---------------------------------------------------------------- along lanes: 16 canonical lanes over from … to−1
// What is left after full vectors: one masked vector, or element by element into the lanes kept in memory.
static Value lanes_rest(Kernel *k, Value from, Value to, Value acc) {
  Emit *e = k->e;
  LL *l = &e->l;
  Type t = LLVMTypeOf(acc), elem = ll_elem(t);
  if (e->has_mask) {
    Loop lp;
    loop_begin(e, &lp, from, to, CANONICAL_LANES, "tail", 1, &acc);
    State back = kernel_enter(k, AXIS_REDUCED, lp.i);
    Point p = point_new(k, CANONICAL_LANES, AXIS_REDUCED, lane_mask(e, CANONICAL_LANES, ll_sub(l, to, lp.i)));
    Value next = ll_select(l, p.mask, combine(k, lp.carried[0], operand(k, &p)), lp.carried[0]);
    kernel_leave(k, back);
    loop_end(e, &lp, &next);
    return lp.carried[0];
  }
  Value mem = kernel_alloca(k, t, 1, "lanes16");
  unsigned align = dtype_bytes(k->c->vals[k->c->anchor].dtype);
  ll_store(l, acc, mem, type_align(t, l));
  Loop lp;
  loop_begin(e, &lp, from, to, 1, "tail", 0, NULL);
  State back = kernel_enter(k, AXIS_REDUCED, lp.i);
  kernel_resolve(k, -1);
  Point p = point_new(k, 1, -1, NULL);
  Value slot = ll_at(l, elem, mem, ll_sub(l, lp.i, from));
  ll_store(l, combine(k, ll_load(l, elem, slot, align, ""), operand(k, &p)), slot, align);
  kernel_leave(k, back);
  loop_end(e, &lp, NULL);
  return ll_load(l, t, mem, type_align(t, l), "");
}

static Value fold_halves(Kernel *k, Value v) {
  LL *l = &k->e->l;
  for (int w = CANONICAL_LANES / 2; w >= 1; w /= 2) v = combine(k, ll_half(l, v, 0, w), ll_half(l, v, w, w));
  return v;
}

static Value sum_along_lanes(Kernel *k, Value from, Value to) {
  Emit *e = k->e;
  LL *l = &e->l;
  Value acc = neutral(k, sum_type(k, CANONICAL_LANES));
  Value whole = ll_add(l, from, ll_and(l, ll_sub(l, to, from), ll_i64(l, -CANONICAL_LANES)));
  Loop lp;
  loop_begin(e, &lp, from, whole, CANONICAL_LANES, "lanes", 1, &acc);
  State back = kernel_enter(k, AXIS_REDUCED, lp.i);
  Point p = point_new(k, CANONICAL_LANES, AXIS_REDUCED, NULL);
  Value next = combine(k, lp.carried[0], operand(k, &p));
  kernel_leave(k, back);
  loop_end(e, &lp, &next);
  return fold_halves(k, lanes_rest(k, whole, to, lp.carried[0]));
}

static void reduce_lanes_body(Kernel *k, Point *p, void *ctx) {
  (void)ctx;
  finish(k, p, sum_along_lanes(k, ll_i64(&k->e->l, 0), k->extent[AXIS_REDUCED]));
}

void emit_reduce_lanes(Kernel *k) { nest(k, k->c->n_dims, reduce_lanes_body, NULL); }

// ---------------------------------------------------------------- across rows, lanes along the last dim
// Columns side by side: an addition waits for the one before it, those of other vectors do not.
enum { SIDE_BY_SIDE = 4, LIGHT_COST = 8 };

// The v-th vector of those that stand at a point.
static Point vector_of(Kernel *k, const Point *at, int v, State *back) {
  *back = v ? kernel_enter(k, at->lane_axis, ll_i64(&k->e->l, (int64_t)v * at->width)) : kernel_keep(k);
  return point_new(k, at->width, at->lane_axis, at->mask);
}

static void rows_partial(Kernel *k, Value from, Value to, Value *acc, void *ctx) {
  Point *at = ctx;
  Emit *e = k->e;
  int lane_axis = at->width > 1 ? at->lane_axis : -1;
  Value next[SIDE_BY_SIDE];
  for (int v = 0; v < at->vectors; v++) acc[v] = neutral(k, sum_type(k, at->width));
  Loop lp;
  loop_begin(e, &lp, from, to, 1, "r", at->vectors, acc);
  State back = kernel_enter(k, AXIS_REDUCED, lp.i), row;
  kernel_resolve(k, lane_axis);
  for (int v = 0; v < at->vectors; v++) {
    Point p = vector_of(k, at, v, &row);
    next[v] = combine(k, lp.carried[v], operand(k, &p));
    kernel_leave(k, row);
  }
  kernel_leave(k, back);
  loop_end(e, &lp, next);
  memcpy(acc, lp.carried, sizeof *acc * (size_t)at->vectors);
}

// Other cores have what they made: the rows some iterations from here are fetched meanwhile.
static void fetch_later(Kernel *k) {
  enum { AHEAD = 8 };
  LL *l = &k->e->l;
  int last = k->c->n_dims - 1;
  for (int i = 0; i < k->c->n_inputs && last > 0; i++) {
    DType t = k->c->inputs[i].dtype;
    if (!k->in_prologue[i] || !k->in_stride[i][last - 1]) continue;
    Value ahead = ll_at(l, emit_type(k->e, t), k->st.in[i], ll_mul(l, k->in_stride[i][last - 1], ll_i64(l, AHEAD)));
    fetch_elements(k, t, ahead, ll_i64(l, k->width));
  }
}

// A group's sum that is there, one vector of it.
static void group_partial(Kernel *k, Value from, Value to, Value *acc, void *ctx) {
  const Point *at = ctx;
  State back = kernel_enter(k, AXIS_REDUCED, from);
  Point p = point_new(k, at->width, at->lane_axis, at->mask);
  (void)to;
  fetch_later(k);
  acc[0] = operand(k, &p);
  kernel_leave(k, back);
}

static void scalar_partial(Kernel *k, Value from, Value to, Value *acc, void *ctx) {
  (void)ctx;
  acc[0] = sum_along_lanes(k, from, to);
}

static void reduce_rows_body(Kernel *k, Point *at, void *ctx) {
  Value acc[SIDE_BY_SIDE];
  PartialFn *partial = k->c->reduced.groups_of ? group_partial : k->c->n_dims == 0 ? scalar_partial : rows_partial;
  State back;
  (void)ctx;
  if (is_max(k) || is_block(k)) partial(k, k->from, k->to, acc, at);
  else tree_sum(k, k->from, k->to, sum_type(k, at->width), at->vectors, partial, at, acc);
  for (int v = 0; v < at->vectors; v++) {
    Point p = vector_of(k, at, v, &back);
    finish(k, &p, acc[v]);
    kernel_leave(k, back);
  }
}

// The sums of groups come a vector at a time: they are few, and side by side the update would be there as many times.
void emit_reduce_rows(Kernel *k) {
  k->side_by_side = !k->c->reduced.groups_of && program_cost(k->c, true) <= LIGHT_COST ? SIDE_BY_SIDE : 1;
  nest(k, k->c->n_dims - 1, reduce_rows_body, NULL);
}
