// gradient.c: `grad(y, x)`, ∂y/∂x of one number, with the structure of x: a tensor, a tree of parameters, a list of such. It is made
// of nodes of the same graph, so it differentiates again.
#include "builtin_int.h"

// x with the next of `nodes` in each leaf: the gradient of y by it.
static Value *refill(Build *b, Value *y, Value *x, const NodeId **nodes, Place at) {
  if (x->kind == V_TENSOR) {
    Value *v = v_tensor(b, *(*nodes)++, at);
    v->mask = x->mask;
    return formula_apply(b, v, (Formula){.op = "grad"}, (Value *[]){y, x}, 2);
  }
  Value *v = x->kind == V_RECORD ? v_record(b, x->n, at) : v_list(b, x->n, at);
  v->tree = true;
  for (int i = 0; i < x->n; i++) {
    v->items[i] = refill(b, y, x->items[i], nodes, at);
    if (v->keys) v->keys[i] = x->keys[i];
  }
  return v;
}

static NodeId zeros_like(Graph *g, NodeId x) {
  AxisId axis[MAX_RANK];
  memcpy(axis, node(g, x)->axis, sizeof axis);
  return g_broadcast(g, g_const_like(g, 0, x), node(g, x)->rank, axis);
}

// Columns lo … hi−1 of the dense input that a leaf reads: an input and its neighbours that are concatenated are one leaf.
static bool columns_of(const Graph *g, NodeId n, int64_t *lo, int64_t *hi) {
  *lo = node(g, n)->attr.i[0], *hi = *lo + node(g, n)->attr.i[1];
  return node(g, n)->op == OP_DENSE;
}

// The part of dy, the gradient by the columns from, to …, that falls on the columns lo … hi−1; 0: none.
static NodeId overlap(Graph *g, NodeId dy, int64_t from, int64_t to, int64_t lo, int64_t hi) {
  int64_t a = from > lo ? from : lo, b = to < hi ? to : hi;
  if (!dy || a >= b) return 0;
  NodeId part = a == from && b == to ? dy : g_slice(g, dy, 1, a - from, b - from);
  return a == lo && b == hi ? part : g_pad(g, part, 1, a - lo, hi - b);
}

// grad() of nodes that may be leaves of the dense input: what flows to any leaf of the same columns counts.
static void gradients(Build *b, NodeId y, const NodeId *of, int n, NodeId *out) {
  Graph *g = b->g;
  VEC(NodeId) wrt = {0};
  int64_t lo, hi, from, to;
  for (int i = 0; i < n; i++) vec_push(b->a, &wrt, of[i]);
  bool dense = false;
  for (int i = 0; i < n; i++) dense |= columns_of(g, of[i], &lo, &hi);
  for (NodeId id = 1; dense && id <= y; id++)
    if (columns_of(g, id, &lo, &hi)) vec_push(b->a, &wrt, id);
  NodeId *flows = NEW_ARRAY(b->a, NodeId, wrt.n);
  grad(g, y, wrt.data, wrt.n, flows);
  for (int i = 0; i < n; i++) {
    out[i] = flows[i];
    if (!columns_of(g, of[i], &lo, &hi)) continue;
    out[i] = 0;
    for (int k = n; k < wrt.n; k++) {
      columns_of(g, wrt.data[k], &from, &to);
      NodeId part = overlap(g, flows[k], from, to, lo, hi);
      if (part) out[i] = out[i] ? g_map2(g, OP_ADD, out[i], part) : part;
    }
  }
}

Value *fn_grad(BuiltinCall *c) {
  Build *b = c->b;
  Graph *g = b->g;
  Value *y = c->arg[0], *x = c->arg[1];
  Flat all = {0};
  fn_begin(c);
  NodeId of_y = y->kind == V_TENSOR ? without_units(g, y->node) : 0;
  if (!of_y || node(g, of_y)->rank) {
    fn_misfit(c, y, "one number to differentiate");
    if (y->kind == V_TENSOR)
      diag_help(b->d, has_rows(g, y->node) ? "take its mean over the batch: `grad(batch_mean(y), …)`" : "take its sum: `grad(sum(y), …)`");
    return &bad_value;
  }
  if (!flatten(b, c->env, x, &all, c->at)) return &bad_value;
  NodeId *of = NEW_ARRAY(b->a, NodeId, all.n + 1), *out = NEW_ARRAY(b->a, NodeId, all.n + 1);
  for (int i = 0; i < all.n; i++) {
    if (all.data[i]->kind != V_TENSOR) return fn_misfit(c, all.data[i], "parameters or tensors as its second argument");
    of[i] = all.data[i]->node;
  }
  gradients(b, of_y, of, all.n, out);
  bool reached = false;
  for (int i = 0; i < all.n; i++) reached |= out[i] != 0;
  if (!reached) {
    build_error(b, c->env, "no-gradient", c->at, "no gradient flows from the first argument to the second");
    if (y->at.file) diag_note(b->d, y->at, "this does not depend on it by way of differentiable functions");
    return &bad_value;
  }
  for (int i = 0; i < all.n; i++)
    if (!out[i]) out[i] = zeros_like(g, of[i]);
  const NodeId *next = out;
  return refill(b, y, x, &next, place_of(c->env, c->at));
}
