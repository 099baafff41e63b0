// moves.c: built-in functions that take parts, join and reshape: no element changes. And the constants that go with them.
// Axes count those of an item: 0 is its first, `last` its last; the batch axis is never named.
#include "builtin_int.h"
#include <math.h>

// ---------------------------------------------------------------- axes
int item_rank(const Graph *g, NodeId n) { return node(g, n)->rank - has_rows(g, n); }

int fn_axis(BuiltinCall *c, const Value *axis, const Value *x) {
  Graph *g = c->b->g;
  int rows = has_rows(g, x->node), items = item_rank(g, x->node);
  if (items == 0) {
    build_error(c->b, c->env, "shape-mismatch", c->at,
                "%s has no axis to go over; the batch axis is crossed by losses alone", value_text(c->b, x));
    return -1;
  }
  if (!axis) return rows;
  if (axis->kind == V_LAST) return rows + items - 1;
  double a = whole_number(axis) ? axis->number < 0 ? axis->number + items : axis->number : -1;
  if (a >= 0 && a < items) return rows + (int)a;
  build_error(c->b, c->env, "bad-value", blame(c->b, c->env, axis, c->at), "%s has the axes 0 to %d, and `last`",
              value_text(c->b, x), items - 1);
  return -1;
}

NodeId add_axes(Graph *g, NodeId n, int axis, int times) {
  for (int i = 0; i < times; i++) n = g_expand(g, n, axis);
  return n;
}

NodeId with_rows(Graph *g, NodeId n) {
  AxisId axis[MAX_RANK] = {AXIS_OF_ROWS};
  if (!n || has_rows(g, n) || node(g, n)->rank == MAX_RANK) return n;
  memcpy(axis + 1, node(g, n)->axis, sizeof *axis * node(g, n)->rank);
  return g_broadcast(g, n, node(g, n)->rank + 1, axis);
}

static bool tensor_arg(BuiltinCall *c, int i, const char *needs) {
  return c->arg[i]->kind == V_TENSOR || (fn_misfit(c, c->arg[i], needs), false);
}

// Argument i, a whole number from lo; otherwise where it was left out. false: an error was given.
static bool whole_arg(BuiltinCall *c, int i, int64_t lo, int64_t otherwise, int64_t *n) {
  const Value *v = c->arg[i];
  *n = otherwise;
  if (!v) return true;
  if (whole_number(v) && v->number >= (double)lo) return *n = (int64_t)v->number, true;
  build_error(c->b, c->env, v->kind == V_NUMBER ? "bad-value" : "type-mismatch", blame(c->b, c->env, v, c->at),
              "`%s` of `%s` is a whole number%s, not %s", c->f->args[i], c->f->name,
              lo > 0 ? arena_printf(c->b->a, " from %lld", (long long)lo) : "", value_text(c->b, v));
  return false;
}

// ---------------------------------------------------------------- concat, stack
// x as [rows, n]: one number a row becomes a column.
static NodeId as_vector(Graph *g, NodeId n) { return node(g, n)->rank == has_rows(g, n) ? g_expand(g, n, -1) : n; }

// Columns of the inputs that lie side by side are one slice: how many of parts[from …] are.
static int side_by_side(const Graph *g, const NodeId *parts, int n) {
  int k = 1;
  while (k < n && node(g, parts[k])->op == OP_DENSE && node(g, parts[k - 1])->op == OP_DENSE &&
         node(g, parts[k - 1])->attr.i[0] + node(g, parts[k - 1])->attr.i[1] == node(g, parts[k])->attr.i[0])
    k++;
  return k;
}

static int join_slices(Graph *g, NodeId *parts, int n) {
  int joined = 0;
  for (int i = 0, k; i < n; i += k) {
    k = side_by_side(g, parts + i, n - i);
    int64_t first = node(g, parts[i])->attr.i[0], width = 0;
    for (int j = i; k > 1 && j < i + k; j++) width += node(g, parts[j])->attr.i[1];
    parts[joined++] = k > 1 ? g_dense(g, first, width) : parts[i];
  }
  return joined;
}

// All tensors among the arguments, those without rows repeated where another has them. NULL: an error was given.
static NodeId *joined_parts(BuiltinCall *c, Flat *all) {
  Build *b = c->b;
  for (int i = 0; i < c->n_args; i++)
    if (!flatten(b, c->env, c->arg[i], all, c->at)) return NULL;
  bool rows = false;
  for (int i = 0; i < all->n; i++) {
    if (all->data[i]->kind == V_BAD) return NULL;
    if (all->data[i]->kind != V_TENSOR) return fn_misfit(c, all->data[i], "tensors"), NULL;
    rows |= has_rows(b->g, all->data[i]->node);
  }
  if (all->n == 0) {
    build_error(b, c->env, "bad-value", c->at, "`%s` needs a tensor at least", c->f->name);
    return NULL;
  }
  NodeId *parts = NEW_ARRAY(b->a, NodeId, all->n);
  for (int i = 0; i < all->n; i++) parts[i] = rows ? with_rows(b->g, all->data[i]->node) : all->data[i]->node;
  return parts;
}

// Are the parts of one rank? A list beside a vector is the mistake that is made.
static bool same_ranks(BuiltinCall *c, const Flat *all, const NodeId *parts) {
  Build *b = c->b;
  for (int i = 1; i < all->n; i++) {
    int r = item_rank(b->g, parts[0]), k = item_rank(b->g, parts[i]);
    if (r == k) continue;
    build_error(b, c->env, "shape-mismatch", c->at, "`%s` joins tensors of as many axes, and these have %d and %d", c->f->name,
                r, k);
    diag_note(b->d, all->data[0]->at, "this is %s", value_text(b, all->data[0]));
    diag_note(b->d, all->data[i]->at, "this is %s", value_text(b, all->data[i]));
    help_list_of_items(b, all->data[0]->mask ? all->data[0] : all->data[i]);
    return false;
  }
  return true;
}

Value *fn_concat(BuiltinCall *c) {
  Build *b = c->b;
  Graph *g = b->g;
  Flat all = {0};
  Value last = {.kind = V_LAST};
  NodeId *parts = joined_parts(c, &all);
  if (!parts) return &bad_value;
  int before = fn_begin(c);
  for (int i = 0; i < all.n; i++) parts[i] = as_vector(g, parts[i]);
  if (!same_ranks(c, &all, parts)) return &bad_value;
  Value first = {.kind = V_TENSOR, .node = parts[0]};
  int axis = fn_axis(c, c->named[0] ? c->named[0] : &last, &first);
  if (axis < 0) return &bad_value;
  fn_how(c, "axis %d", axis - has_rows(g, parts[0]));
  NodeId mask = axis == 1 ? concat_masks(g, all.data, parts, all.n) : 0;
  int n = axis == 1 && node(g, parts[0])->rank == 2 ? join_slices(g, parts, all.n) : all.n;
  Value *v = tensor_result(b, c->env, g_concat(g, parts, n, axis), c->at, before, all.data, all.n);
  return axis == 1 ? with_mask(v, mask) : v;
}

// A new axis over equal tensors.
Value *fn_stack(BuiltinCall *c) {
  Build *b = c->b;
  Graph *g = b->g;
  Flat all = {0};
  NodeId *parts = joined_parts(c, &all);
  if (!parts) return &bad_value;
  int before = fn_begin(c);
  Value grown = {.kind = V_TENSOR, .node = g_expand(g, parts[0], -1)};       // the axis counts the new one
  int axis = grown.node ? fn_axis(c, c->named[0], &grown) : -1, rank = item_rank(g, parts[0]);
  if (axis < 0) return &bad_value;
  fn_how(c, "axis %d", axis - has_rows(g, parts[0]));
  for (int i = 0; i < all.n; i++) {
    if (item_rank(g, parts[i]) == rank) {
      parts[i] = g_expand(g, parts[i], axis);
      continue;
    }
    build_error(b, c->env, "shape-mismatch", c->at, "`stack` needs tensors of one shape");
    diag_note(b->d, all.data[0]->at, "this is %s", value_text(b, all.data[0]));
    diag_note(b->d, all.data[i]->at, "this is %s", value_text(b, all.data[i]));
    return &bad_value;
  }
  Value *v = tensor_result(b, c->env, g_concat(g, parts, all.n, axis), c->at, before, all.data, all.n);
  return with_mask(v, axis > 1 ? all.data[0]->mask : 0);
}

// ---------------------------------------------------------------- parts
Value *fn_slice(BuiltinCall *c) {
  int64_t from, to;
  if (!tensor_arg(c, 0, "a tensor")) return &bad_value;
  int axis = fn_axis(c, c->arg[3], c->arg[0]);
  if (axis < 0 || !whole_arg(c, 1, INT32_MIN, 0, &from) || !whole_arg(c, 2, INT32_MIN, 0, &to)) return &bad_value;
  int64_t size = axis_size(c->b->g, node(c->b->g, c->arg[0]->node)->axis[axis]);
  if (size > 0 && from < 0) from += size;
  if (size > 0 && to < 0) to += size;
  fn_how(c, "axis %d from %lld to %lld", axis - has_rows(c->b->g, c->arg[0]->node), (long long)from, (long long)to);
  int before = fn_begin(c);
  Value *v = fn_result(c, g_slice(c->b->g, c->arg[0]->node, axis, from, to), before);
  NodeId mask = items_mask(c->arg[0], axis);
  return mask && v->kind == V_TENSOR ? with_mask(v, g_slice(c->b->g, mask, 1, from, to)) : v;
}

Value *fn_pad(BuiltinCall *c) {
  int64_t front, back;
  if (!tensor_arg(c, 0, "a tensor")) return &bad_value;
  int axis = fn_axis(c, c->arg[3], c->arg[0]);
  if (axis < 0 || !whole_arg(c, 1, 0, 0, &front) || !whole_arg(c, 2, 0, 0, &back)) return &bad_value;
  fn_how(c, "axis %d before %lld after %lld", axis - has_rows(c->b->g, c->arg[0]->node), (long long)front, (long long)back);
  int before = fn_begin(c);
  NodeId mask = items_mask(c->arg[0], axis), x = mask ? only_items(c->b->g, c->arg[0]) : c->arg[0]->node;
  Value *v = fn_result(c, g_pad(c->b->g, x, axis, front, back), before);
  return mask ? with_mask(v, g_pad(c->b->g, mask, 1, front, back)) : v;
}

// ---------------------------------------------------------------- shapes
// The sizes of a list as axes; one −1 stands for what is left over. false: an error was given.
static bool new_shape(BuiltinCall *c, const Value *shape, NodeId x, int *rank, AxisId *axis) {
  Graph *g = c->b->g;
  double elements = 1;
  int open = -1;
  int64_t have = item_elements(g, x);
  if (shape->kind != V_LIST) return fn_misfit(c, shape, "a list of sizes"), false;
  *rank = shape->n;
  if (*rank + has_rows(g, x) > MAX_RANK) {
    build_error(c->b, c->env, "bad-value", c->at, "a tensor has at most %d axes", MAX_RANK);
    return false;
  }
  for (int i = 0; i < *rank; i++) {
    const Value *v = shape->items[i];
    if (v->kind == V_NUMBER && v->number == -1 && open < 0) open = i;
    else if (!size_axis(c, v, &axis[i], &elements)) return false;
  }
  if (open < 0) return true;
  if (have % (int64_t)elements != 0 || have < elements) {
    build_error(c->b, c->env, "shape-mismatch", c->at, "%s has not a whole number of %.0f elements",
                value_text(c->b, c->arg[0]), elements);
    return false;
  }
  axis[open] = axis_fixed(g, have / (int64_t)elements);
  return true;
}

Value *fn_reshape(BuiltinCall *c) {
  AxisId axis[MAX_RANK] = {0};
  int rank;
  if (!tensor_arg(c, 0, "a tensor") || !new_shape(c, c->arg[1], c->arg[0]->node, &rank, axis)) return &bad_value;
  fn_how(c, "shape [%s]", fn_axes_text(c, rank, axis));
  int before = fn_begin(c);
  Value *v = fn_result(c, g_reshape(c->b->g, c->arg[0]->node, rank, axis), before);
  NodeId mask = c->arg[0]->mask;
  bool kept = mask && rank > 0 && axis[0] == node(c->b->g, mask)->axis[1];       // each item by itself
  return with_mask(v, kept ? mask : 0);
}

// Item axes in another order; without one, the last two change places.
Value *fn_transpose(BuiltinCall *c) {
  Graph *g = c->b->g;
  if (!tensor_arg(c, 0, "a tensor")) return &bad_value;
  const Value *order = c->arg[1];
  NodeId x = c->arg[0]->node;
  int rows = has_rows(g, x), n = item_rank(g, x), perm[MAX_RANK] = {0};
  unsigned seen = 0;
  if (order && order->kind != V_LIST) return fn_misfit(c, order, "a list of axes");
  bool fits = order ? order->n == n : n >= 2;
  for (int i = 0; fits && i < n; i++) {
    int swapped = i < n - 2 ? i : i == n - 1 ? n - 2 : n - 1;
    int64_t from = !order ? swapped : whole_number(order->items[i]) ? (int64_t)order->items[i]->number : -1;
    fits = from >= 0 && from < n && !(seen >> from & 1);
    if (fits) seen |= 1u << from, perm[rows + i] = rows + (int)from;
  }
  if (!fits) {
    build_error(c->b, c->env, "bad-value", c->at, order ? "an order of %s names each of its %d axes once"
                                                        : "%s has not two axes to change (it has %d)",
                value_text(c->b, c->arg[0]), n);
    return &bad_value;
  }
  for (int i = rows; i < rows + n; i++) fn_how(c, "axis %d", perm[i] - rows);
  int before = fn_begin(c);
  return with_mask(fn_result(c, g_transpose(g, x, perm), before), perm[rows] == rows ? c->arg[0]->mask : 0);
}

// An axis of size 1.
Value *fn_expand(BuiltinCall *c) {
  Graph *g = c->b->g;
  if (!tensor_arg(c, 0, "a tensor")) return &bad_value;
  Value last = {.kind = V_LAST}, grown = {.kind = V_TENSOR, .node = g_expand(g, c->arg[0]->node, -1)};
  int axis = grown.node ? fn_axis(c, c->arg[1] ? c->arg[1] : &last, &grown) : -1;
  if (axis < 0) return &bad_value;
  fn_how(c, "axis %d", axis - has_rows(g, c->arg[0]->node));
  int before = fn_begin(c);
  return with_mask(fn_result(c, g_expand(g, c->arg[0]->node, axis), before), axis > 1 ? c->arg[0]->mask : 0);
}

// x repeated to the shape of `like`.
Value *fn_spread(BuiltinCall *c) {
  Graph *g = c->b->g;
  if (!tensor_arg(c, 0, "a tensor") || !tensor_arg(c, 1, "a tensor")) return &bad_value;
  AxisId axis[MAX_RANK];
  NodeId x = c->arg[0]->node, like = has_rows(g, x) ? with_rows(g, c->arg[1]->node) : c->arg[1]->node;
  memcpy(axis, node(g, like)->axis, sizeof axis);
  int before = fn_begin(c);
  return fn_result(c, g_broadcast(g, x, node(g, like)->rank, axis), before);
}

// ---------------------------------------------------------------- windows
static int node_items(const Graph *g, NodeId n, AxisId *item) {
  int rows = has_rows(g, n), rank = item_rank(g, n);
  memcpy(item, node(g, n)->axis + rows, sizeof *item * (size_t)rank);
  return rank;
}

// The windows of `size` items: [L, ..] → [L', size, ..], L' = (L − size) / stride + 1; window i begins at item i·stride.
static NodeId windows(Graph *g, NodeId x, int64_t size, int64_t stride) {
  int axis = has_rows(g, x), n_parts = 0;
  int64_t length = axis_size(g, node(g, x)->axis[axis]), n = length - size + 1, kept = (n - 1) / stride + 1;
  NodeId *parts = NEW_ARRAY(g->arena, NodeId, size);
  AxisId item[MAX_RANK];
  for (int64_t k = 0; k < size; k++) {     // items k, k + stride, …: the first of each group of `stride`
    NodeId part = g_slice(g, x, axis, k, k + n);
    if (stride > 1 && part) {
      part = n > kept * stride ? g_slice(g, part, axis, 0, kept * stride) : g_pad(g, part, axis, 0, kept * stride - n);
      int rank = node_items(g, part, item);
      memmove(item + 2, item + 1, sizeof *item * (size_t)(rank - 1));
      item[0] = axis_fixed(g, kept), item[1] = axis_fixed(g, stride);
      part = g_drop(g, g_slice(g, g_reshape(g, part, rank + 1, item), axis + 1, 0, 1), axis + 1);
    }
    parts[n_parts++] = g_expand(g, part, axis + 1);
    if (!parts[n_parts - 1]) return 0;
  }
  return g_concat(g, parts, n_parts, axis + 1);
}

Value *fn_unfold(BuiltinCall *c) {
  Graph *g = c->b->g;
  int64_t size, stride;
  if (!tensor_arg(c, 0, "a tensor") || !whole_arg(c, 1, 1, 1, &size) || !whole_arg(c, 2, 1, 1, &stride)) return &bad_value;
  fn_how(c, "size %lld stride %lld", (long long)size, (long long)stride);
  NodeId x = c->arg[0]->node;
  int axis = fn_axis(c, NULL, c->arg[0]);
  if (axis < 0) return &bad_value;
  int64_t length = axis_size(g, node(g, x)->axis[axis]);
  bool room = node(g, x)->rank + (stride > 1) < MAX_RANK;
  if (!room || length < size) {
    build_error(c->b, c->env, "shape-mismatch", c->at, room ? "%s has no window of %lld items" : "%s has too many axes",
                value_text(c->b, c->arg[0]), (long long)size);
    return &bad_value;
  }
  int before = fn_begin(c);
  NodeId mask = c->arg[0]->mask;
  if (mask) x = only_items(g, c->arg[0]), mask = mask_of_windows(g, mask, (length - size) / stride + 1, stride);
  return with_mask(fn_result(c, windows(g, x, size, stride), before), mask);
}

// ---------------------------------------------------------------- constants
Value *fn_iota(BuiltinCall *c) {
  double elements = 1;
  AxisId axis;
  if (!size_axis(c, c->arg[0], &axis, &elements)) return &bad_value;
  fn_how(c, "n %s", fn_axes_text(c, 1, &axis));
  int before = fn_begin(c);
  return fn_result(c, g_count(c->b->g, axis), before);
}

// 1 at the place that x gives, 0 elsewhere: [..] → [.., n]. Of an id or a category, n is how many values it has.
Value *fn_one_hot(BuiltinCall *c) {
  Build *b = c->b;
  Graph *g = b->g;
  Value *x = c->arg[0];
  AxisId axis = 0;
  double elements = 1;
  if (x->kind != V_IDS && x->kind != V_TENSOR) return fn_misfit(c, x, "class numbers, or an input of type `id` or `category`");
  if (x->kind == V_TENSOR && !c->arg[1]) {
    build_error(b, c->env, "missing-argument", c->at, "`one_hot` of a tensor needs `n`: how many classes there are");
    return &bad_value;
  }
  if (c->arg[1] && !size_axis(c, c->arg[1], &axis, &elements)) return &bad_value;
  if (!c->arg[1]) axis = cardinality_axis(b, x);
  fn_how(c, "n %s", fn_axes_text(c, 1, &axis));
  int before = fn_begin(c);
  NodeId at = g_expand(g, x->kind == V_IDS ? g_cast(g, x->node, g->dtype) : x->node, -1), count = g_count(g, axis);
  return fn_result(c, g_map2(g, OP_EQ, at, count), before);
}

// [n, bits]: row i is i in binary, the lowest bit first; bits = ⌈log₂ n⌉, 1 at least.
Value *fn_binary_codes(BuiltinCall *c) {
  Graph *g = c->b->g;
  int64_t n;
  int bits = 1;
  if (!whole_arg(c, 0, 1, 1, &n)) return &bad_value;
  if (n > 1 << 20) {
    build_error(c->b, c->env, "too-large", c->at, "`binary_codes` goes to 2^20");
    return &bad_value;
  }
  while ((int64_t)1 << bits < n) bits++;
  fn_how(c, "n %lld", (long long)n);
  int before = fn_begin(c);
  NodeId column[32], i = g_expand(g, g_count(g, axis_fixed(g, n)), 1), two = g_const(g, 2);
  for (int k = 0; k < bits; k++) {         // ⌊i / 2^k⌋ − 2·⌊i / 2^(k+1)⌋
    NodeId low = g_map1(g, OP_FLOOR, g_map2(g, OP_MUL, i, g_const(g, ldexp(1, -k))));
    NodeId high = g_map1(g, OP_FLOOR, g_map2(g, OP_MUL, i, g_const(g, ldexp(1, -k - 1))));
    column[k] = g_map2(g, OP_SUB, low, g_map2(g, OP_MUL, two, high));
  }
  return fn_result(c, g_concat(g, column, bits, 1), before);
}

// [m]: 1 where the row has the item of a list; of another tensor's first axis all are there.
Value *fn_mask(BuiltinCall *c) {
  const Value *x = c->arg[0];
  Graph *g = c->b->g;
  bool items = x->kind == V_TENSOR && item_rank(g, x->node) > 0;
  if (!x->mask && !items) return fn_misfit(c, x, "a list, or a tensor with an axis");
  int before = fn_begin(c);
  if (!x->mask) return fn_result(c, g_broadcast(g, g_const(g, 1), 1, &node(g, x->node)->axis[has_rows(g, x->node)]), before);
  return with_mask(fn_result(c, x->mask, before), x->mask);
}
