// reduce.c: reductions over axes of an item, over lists and records; over the batch; softmax. All are composed of the graph's
// sums, maxima and elementwise ops, so that they have gradients of any order.
#include "builtin_int.h"
#include <math.h>

static const double most = 3e38, few = 1e-30;   // within float32

// ---------------------------------------------------------------- one axis
// mask, [.., n], as x sees it: axes of size 1 behind.
static NodeId mask_like(Graph *g, NodeId mask, NodeId x) {
  int more = item_rank(g, x) - item_rank(g, mask);
  return more > 0 ? add_axes(g, mask, node(g, mask)->rank, more) : mask;
}

static NodeId count_of(Graph *g, NodeId x, int axis) {     // of items, where the size is not known yet
  AxisId a = node(g, x)->axis[axis];
  if (axis_size(g, a) > 0 && a != AXIS_OF_ROWS) return g_const(g, (double)axis_size(g, a));
  return g_sum(g, g_broadcast(g, g_const(g, 1), 1, &a), 0);
}

static NodeId sum_axis(Graph *g, NodeId x, int axis, NodeId mask) {
  return g_sum(g, mask ? g_select(g, mask, x, g_const(g, 0)) : x, axis);
}

static NodeId mean_axis(Graph *g, NodeId x, int axis, NodeId mask) {
  int64_t size = axis_size(g, node(g, x)->axis[axis]);
  NodeId sum = sum_axis(g, x, axis, mask);
  if (!sum) return 0;
  if (!mask && size > 0 && node(g, x)->axis[axis] != AXIS_OF_ROWS)
    return g_map2(g, OP_MUL, sum, g_const(g, 1.0 / (double)size));
  NodeId n = mask ? g_sum(g, mask, axis) : count_of(g, x, axis), one = g_const(g, 1);
  return g_map2(g, OP_DIV, sum, mask ? g_map2(g, OP_MAX, n, one) : n);
}

static NodeId max_axis(Graph *g, NodeId x, int axis, NodeId mask) {
  if (!mask) return g_max(g, x, axis);
  NodeId max = g_max(g, g_select(g, mask, x, g_const(g, -most)), axis);
  return g_select(g, g_max(g, mask, axis), max, g_const(g, 0));
}

// By halves: log₂ n products, and a gradient without divisions.
static NodeId prod_axis(Graph *g, NodeId x, int axis, NodeId mask) {
  if (mask) x = g_select(g, mask, x, g_const(g, 1));
  for (int64_t n = x ? axis_size(g, node(g, x)->axis[axis]) : 1; n > 1; n = n / 2 + n % 2) {
    NodeId low = g_slice(g, x, axis, 0, n / 2), high = g_slice(g, x, axis, n / 2, 2 * (n / 2));
    NodeId half = g_map2(g, OP_MUL, low, high);
    x = n % 2 ? g_concat(g, (NodeId[]){half, g_slice(g, x, axis, n - 1, n)}, 2, axis) : half;
    if (!x) return 0;
  }
  return x ? g_drop(g, x, axis) : 0;
}

static NodeId var_axis(Graph *g, NodeId x, int axis, NodeId mask) {
  bool rows = node(g, x)->axis[axis] == AXIS_OF_ROWS;
  NodeId mean = mean_axis(g, x, axis, mask);
  NodeId gap = g_map2(g, OP_SUB, x, rows ? mean : g_expand(g, mean, axis));
  return mean_axis(g, g_map2(g, OP_MUL, gap, gap), axis, mask);
}

static NodeId min_axis(Graph *g, NodeId x, int axis, NodeId mask) {
  return g_map1(g, OP_NEG, max_axis(g, g_map1(g, OP_NEG, x), axis, mask));
}

NodeId reduce_axis(Graph *g, Reduction r, NodeId x, int axis, NodeId mask) {
  static NodeId (*const by[])(Graph *, NodeId, int, NodeId) = {
    [REDUCE_SUM] = sum_axis, [REDUCE_MEAN] = mean_axis, [REDUCE_MAX] = max_axis,
    [REDUCE_MIN] = min_axis, [REDUCE_PROD] = prod_axis, [REDUCE_VAR] = var_axis,
  };
  if (!x) return 0;
  if (r != REDUCE_PROD || axis_size(g, node(g, x)->axis[axis]) > 0)
    return by[r](g, x, axis, mask ? mask_like(g, mask, x) : 0);
  const Node as = {.op = OP_MUL, .at = g->at};
  if (g->diag) diag_error(g->diag, "shape-mismatch", as.at, "`prod` needs an axis of known size, which %s has not there",
                          shape_text(g, x, g->arena));
  return 0;
}

// ---------------------------------------------------------------- axes as an argument
static bool add_axis_of(BuiltinCall *c, const Value *axis, const Value *x, bool *taken) {
  int a = fn_axis(c, axis, x);
  if (a >= 0) taken[a] = true;
  return a >= 0;
}

// Marks the node's axes to go over: `axis` is left out, a number, `last`, or a list of such.
static bool axes_of(BuiltinCall *c, const Value *axis, const Value *x, bool *taken) {
  bool listed = axis && axis->kind == V_LIST && axis->n > 0;
  for (int i = 0; listed && i < axis->n; i++)
    if (!add_axis_of(c, axis->items[i], x, taken)) return false;
  if (!listed && !add_axis_of(c, axis && axis->kind == V_LIST ? NULL : axis, x, taken)) return false;
  for (int i = 0; i < MAX_RANK; i++)
    if (taken[i]) fn_how(c, "axis %d", i - has_rows(c->b->g, x->node));
  return true;
}

// ---------------------------------------------------------------- lists
static Value *reduce_list(BuiltinCall *c, Reduction r) {
  static const OpId ops[] = {[REDUCE_SUM] = OP_ADD, [REDUCE_MEAN] = OP_ADD, [REDUCE_MAX] = OP_MAX, [REDUCE_MIN] = OP_MIN,
                             [REDUCE_PROD] = OP_MUL};
  Build *b = c->b;
  Flat all = {0};
  if (r == REDUCE_VAR) return fn_misfit(c, c->arg[0], "a tensor");
  if (!flatten(b, c->env, c->arg[0], &all, c->at)) return &bad_value;
  if (all.n == 0) return fn_misfit(c, c->arg[0], "items");
  for (int i = 0; i < all.n; i++)
    if (all.data[i]->kind != V_TENSOR && !is_scalar(all.data[i])) return fn_misfit(c, all.data[i], "tensors or numbers");
  int before = fn_begin(c);
  NodeId n = v_node(b, all.data[0]);
  for (int i = 1; i < all.n; i++) {
    NodeId next = v_node(b, all.data[i]);
    n = g_map2(b->g, ops[r], n, next);
  }
  if (r == REDUCE_MEAN && n) n = g_map2(b->g, OP_DIV, n, g_const(b->g, all.n));
  return tensor_result(b, c->env, n, c->at, before, all.data, all.n);
}

// ---------------------------------------------------------------- the functions
static Value *not_two(BuiltinCall *c, Reduction r) {
  build_error(c->b, c->env, "type-mismatch", c->at, "this reduces one tensor over an axis");
  diag_help(c->b->d, "`%s(a, b)` compares two", r == REDUCE_MAX ? "maximum" : "minimum");
  return &bad_value;
}

static Value *reduce(BuiltinCall *c, Reduction r) {
  Graph *g = c->b->g;
  bool taken[MAX_RANK] = {false};
  if (is_tree(c->arg[0])) return reduce_tree(c, r);
  if (c->arg[0]->kind == V_LIST || c->arg[0]->kind == V_RECORD)
    return c->arg[0]->n && is_tree(c->arg[0]->items[0]) ? reduce_trees(c, r) : reduce_list(c, r);
  if (c->arg[0]->kind != V_TENSOR) return fn_misfit(c, c->arg[0], "a tensor or a list");
  if (c->arg[1] && c->arg[1]->kind == V_TENSOR && (r == REDUCE_MAX || r == REDUCE_MIN)) return not_two(c, r);
  NodeId x = c->arg[0]->node;
  if (!axes_of(c, c->arg[1], c->arg[0], taken)) return &bad_value;
  int before = fn_begin(c);
  for (int axis = MAX_RANK - 1; axis >= 0 && x; axis--)
    if (taken[axis]) x = reduce_axis(g, r, x, axis, items_mask(c->arg[0], axis));
  return with_mask(fn_result(c, x, before), taken[1] ? 0 : c->arg[0]->mask);
}
Value *fn_sum(BuiltinCall *c) { return reduce(c, REDUCE_SUM); }
Value *fn_mean(BuiltinCall *c) { return reduce(c, REDUCE_MEAN); }
Value *fn_max(BuiltinCall *c) { return reduce(c, REDUCE_MAX); }
Value *fn_min(BuiltinCall *c) { return reduce(c, REDUCE_MIN); }
Value *fn_prod(BuiltinCall *c) { return reduce(c, REDUCE_PROD); }
Value *fn_var(BuiltinCall *c) { return reduce(c, REDUCE_VAR); }

// Σ of squares over all axes of an item, of all tensors in it.
Value *fn_sum_sq(BuiltinCall *c) {
  Build *b = c->b;
  Graph *g = b->g;
  Flat all = {0};
  if (!flatten(b, c->env, c->arg[0], &all, c->at)) return &bad_value;
  if (all.n == 0) return fn_misfit(c, c->arg[0], "tensors");
  int before = fn_begin(c);
  NodeId sum = 0;
  for (int i = 0; i < all.n; i++) {
    if (all.data[i]->kind != V_TENSOR && !is_scalar(all.data[i])) return fn_misfit(c, all.data[i], "tensors or numbers");
    NodeId x = all.data[i]->mask ? only_items(g, all.data[i]) : v_node(b, all.data[i]);
    x = g_map2(g, OP_MUL, x, x);
    while (x && item_rank(g, x)) x = g_sum(g, x, -1);
    sum = i ? g_map2(g, OP_ADD, sum, x) : x;
  }
  return tensor_result(b, c->env, sum, c->at, before, all.data, all.n);
}

// ---------------------------------------------------------------- across rows
static Value *over_rows(BuiltinCall *c, Reduction r) {
  Graph *g = c->b->g;
  if (c->arg[0]->kind != V_TENSOR && !is_scalar(c->arg[0])) return fn_misfit(c, c->arg[0], "a tensor");
  int before = fn_begin(c);
  NodeId x = with_rows(g, v_node(c->b, c->arg[0]));
  return fn_result(c, reduce_axis(g, r, x, 0, 0), before);
}
Value *fn_batch_mean(BuiltinCall *c) { return over_rows(c, REDUCE_MEAN); }
Value *fn_batch_sum(BuiltinCall *c) { return over_rows(c, REDUCE_SUM); }

// ---------------------------------------------------------------- softmax
// mask: 0, or 0 and 1, broadcast against x. Where no item of an axis counts, all are 0 (log_softmax: −log of few).
static NodeId softmax_axis(Graph *g, NodeId x, int axis, NodeId mask, bool log) {
  if (!mask && !log && axis == node(g, x)->rank - 1) return g_softmax(g, x);
  NodeId zero = g_const(g, 0), z = mask ? g_select(g, mask, x, g_const(g, -most)) : x;
  NodeId shifted = g_map2(g, OP_SUB, z, g_expand(g, g_stop(g, g_max(g, z, axis)), axis)), e = g_map1(g, OP_EXP, shifted);
  if (mask) e = g_select(g, mask, e, zero);
  NodeId sum = g_expand(g, g_sum(g, e, axis), axis);
  if (mask) sum = g_map2(g, OP_MAX, sum, g_const(g, few));
  return log ? g_map2(g, OP_SUB, shifted, g_map1(g, OP_LOG, sum)) : g_map2(g, OP_DIV, e, sum);
}

static Value *softmax(BuiltinCall *c, bool log) {
  Value last = {.kind = V_LAST}, *mask = c->arg[2];
  if (c->arg[0]->kind != V_TENSOR) return fn_misfit(c, c->arg[0], "a tensor");
  if (mask && mask->kind != V_TENSOR) return fn_misfit(c, mask, "a tensor of 0 and 1 as its mask");
  int axis = fn_axis(c, c->arg[1] ? c->arg[1] : &last, c->arg[0]);
  if (axis < 0) return &bad_value;
  fn_how(c, "axis %d", axis - has_rows(c->b->g, c->arg[0]->node));
  int before = fn_begin(c);
  NodeId items = items_beside(c->b->g, c->arg[0], axis), given = mask ? mask->node : 0;
  NodeId counts = given && items ? g_map2(c->b->g, OP_MUL, given, items) : given ? given : items;
  return fn_result(c, softmax_axis(c->b->g, c->arg[0]->node, axis, counts, log), before);
}
Value *fn_softmax(BuiltinCall *c) { return softmax(c, false); }
Value *fn_log_softmax(BuiltinCall *c) { return softmax(c, true); }
