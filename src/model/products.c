// products.c: contractions as built-in functions: matmul, dot, outer, contract by labels, and convolution over the items of a
// list. Labels are the item's axes; the batch axis, where an operand has it, is in the result by itself.
#include "builtin_int.h"

static bool two_tensors(BuiltinCall *c) {
  for (int i = 0; i < 2; i++)
    if (c->arg[i]->kind != V_TENSOR) return fn_misfit(c, c->arg[i], "two tensors"), false;
  return true;
}

// The labels of an operand or a result: `rows` for the batch axis, where that is not 0, then those of the items' axes.
static void put_labels(char *to, char rows, const char *items) {
  if (rows) *to++ = rows;
  for (int i = 0; items[i] && i < MAX_RANK; i++) *to++ = items[i];
}

static NodeId contraction(Graph *g, NodeId a, NodeId b, const char *left, const char *right, const char *out) {
  Attr attr = {0};
  if (!a || !b) return 0;
  char rows = strchr(left, 'r') || strchr(right, 'r') ? 'R' : 'r';
  put_labels(attr.label[0], has_rows(g, a) ? rows : 0, left);
  put_labels(attr.label[1], has_rows(g, b) ? rows : 0, right);
  put_labels(attr.label[2], has_rows(g, a) || has_rows(g, b) ? rows : 0, out);
  return graph_add(g, OP_DOT, (NodeId[]){a, b}, 2, attr, g->at);
}

// ---------------------------------------------------------------- matmul
// [.., m, k] · [.., k, n] → [.., m, n]; the axes in front are the same. [k] stands for a row on the left, a column on the right.
// A matrix on the right serves any number of axes in front of k.
Value *fn_matmul(BuiltinCall *c) {
  Graph *g = c->b->g;
  static const char front[] = "abcdef";
  char left[16] = {0}, right[16] = {0}, out[16] = {0};
  if (!two_tensors(c)) return &bad_value;
  NodeId x = c->arg[0]->node, w = c->arg[1]->node;
  bool sums_items = node(g, x)->rank == 2;              // of a list on the left: its axis is k
  int n = item_rank(g, x), m = item_rank(g, w), shared = m > 2 ? m - 2 : 0, free = n > 1 ? n - 1 : 0;
  int before = fn_begin(c);
  if (n < 1 || m < 1 || (shared > 0 && shared != (n > 1 ? n - 2 : 0))) {
    build_error(c->b, c->env, "shape-mismatch", c->at, "`matmul` needs [.., m, k] and [.., k, n], not %s and %s",
                value_text(c->b, c->arg[0]), value_text(c->b, c->arg[1]));
    return &bad_value;
  }
  snprintf(left, sizeof left, "%.*sk", free, front);
  if (m == 1) snprintf(right, sizeof right, "k"), snprintf(out, sizeof out, "%.*s", free, front);
  else {
    snprintf(right, sizeof right, "%.*skn", shared, front);
    snprintf(out, sizeof out, "%.*sn", free, front);
  }
  if (sums_items) x = only_items(g, c->arg[0]);
  w = only_items(g, c->arg[1]);
  return with_mask(fn_result(c, contraction(g, x, w, left, right, out), before), sums_items ? 0 : c->arg[0]->mask);
}

// Σ over the last axis of a · b.
Value *fn_dot(BuiltinCall *c) {
  Graph *g = c->b->g;
  if (!two_tensors(c)) return &bad_value;
  int before = fn_begin(c);
  Value product = {.kind = V_TENSOR, .node = g_map2(g, OP_MUL, c->arg[0]->node, c->arg[1]->node)};
  if (product.node && item_rank(g, product.node) == 0) return fn_misfit(c, c->arg[0], "tensors with an axis");
  if (product.node) keep_mask(c->b, &product, c->arg, 2);
  bool sums_items = product.node && node(g, product.node)->rank == 2;
  NodeId sum = product.node ? g_sum(g, sums_items ? only_items(g, &product) : product.node, -1) : 0;
  return with_mask(fn_result(c, sum, before), sums_items ? 0 : product.mask);
}

// [m], [n] → [m, n]
Value *fn_outer(BuiltinCall *c) {
  Graph *g = c->b->g;
  if (!two_tensors(c)) return &bad_value;
  int before = fn_begin(c);
  for (int i = 0; i < 2; i++)
    if (item_rank(g, c->arg[i]->node) != 1) return fn_misfit(c, c->arg[i], "two vectors");
  NodeId column = g_expand(g, c->arg[0]->node, -1), row = g_expand(g, c->arg[1]->node, -2);
  return fn_result(c, g_map2(g, OP_MUL, column, row), before);
}

// ---------------------------------------------------------------- contract("ik,kn->in", a, b)
static Value *bad_labels(BuiltinCall *c, const char *why) {
  build_error(c->b, c->env, "bad-value", blame(c->b, c->env, c->arg[0], c->at), "%s", why);
  diag_help(c->b->d, "write one letter for each axis of an item: `contract(\"ik,kn->in\", a, b)`");
  return &bad_value;
}

// Splits "left,right->out" into lower-case letters; false: it is not of this form.
static bool split_labels(const char *s, char part[3][8]) {
  int k = 0, n = 0;
  for (; *s; s++) {
    if (*s == ' ') continue;
    if (k == 0 && *s == ',') k = 1, n = 0;
    else if (k == 1 && s[0] == '-' && s[1] == '>') k = 2, n = 0, s++;
    else if (*s >= 'a' && *s <= 'z' && n < MAX_RANK) part[k][n++] = *s;
    else return false;
  }
  return k == 2;
}

// Sums the axes of an operand whose letters are neither in the other operand nor in the result.
static NodeId sum_alone(Graph *g, NodeId x, char *mine, const char *other, const char *out) {
  for (int i = (int)strlen(mine) - 1; i >= 0 && x; i--) {
    if (strchr(other, mine[i]) || strchr(out, mine[i])) continue;
    x = g_sum(g, x, i + has_rows(g, x));
    memmove(mine + i, mine + i + 1, strlen(mine + i));
  }
  return x;
}

Value *fn_contract(BuiltinCall *c) {
  Graph *g = c->b->g;
  char part[3][8] = {{0}};
  if (c->arg[0]->kind != V_STRING) return fn_misfit(c, c->arg[0], "its labels as a text first");
  NodeId in[2];
  for (int i = 0; i < 2; i++)
    if (c->arg[1 + i]->kind != V_TENSOR) return fn_misfit(c, c->arg[1 + i], "two tensors");
  if (!split_labels(c->arg[0]->text, part)) return bad_labels(c, "these are no labels of a contraction");
  fn_how(c, "%s,%s->%s", part[0], part[1], part[2]);
  int before = fn_begin(c);
  for (int i = 0; i < 2; i++) {
    in[i] = c->arg[1 + i]->node;
    if ((int)strlen(part[i]) != item_rank(g, in[i]))
      return bad_labels(c, arena_printf(c->b->a, "\"%s\" names %d axes, and this is %s", part[i], (int)strlen(part[i]),
                                        value_text(c->b, c->arg[1 + i])));
  }
  for (int i = 0; i < 2; i++)
    for (const char *s = part[i]; *s; s++)
      if (strchr(s + 1, *s)) return bad_labels(c, arena_printf(c->b->a, "the axis %c stands twice in \"%s\"", *s, part[i]));
  NodeId mask = 0;
  for (int i = 0; i < 2; i++) {                          // a list's axis is summed over, or the result's first, or a list's no more
    if (!c->arg[1 + i]->mask) continue;
    if (!strchr(part[2], part[i][0])) in[i] = only_items(g, c->arg[1 + i]);
    else if (part[2][0] == part[i][0]) mask = c->arg[1 + i]->mask;
  }
  for (int i = 0; i < 2; i++) in[i] = sum_alone(g, in[i], part[i], part[1 - i], part[2]);
  return with_mask(fn_result(c, contraction(g, in[0], in[1], part[0], part[1], part[2]), before), mask);
}

// ---------------------------------------------------------------- convolution
// x [L, d], w [size, d, n] → [L', n]: Σ over a window's items and their numbers. `same`: zeros around, so that L' = ⌈L / stride⌉.
Value *fn_conv1d(BuiltinCall *c) {
  Graph *g = c->b->g;
  if (!two_tensors(c)) return &bad_value;
  NodeId x = c->arg[0]->node, w = c->arg[1]->node;
  const Value *stride = c->arg[2], *same = c->arg[3];
  if (item_rank(g, x) != 2) return fn_misfit(c, c->arg[0], "[length, d] on its left");
  if (item_rank(g, w) != 3 || has_rows(g, w)) return fn_misfit(c, c->arg[1], "weights [size, d, n] without rows");
  if (same && same->kind != V_BOOL) return fn_misfit(c, same, "`true` or `false` as `same`");
  int64_t size = axis_size(g, node(g, w)->axis[0]);
  int before = fn_begin(c);
  x = only_items(g, c->arg[0]);
  if (same && same->number != 0) x = g_pad(g, x, has_rows(g, x), (size - 1) / 2, size - 1 - (size - 1) / 2);
  if (!x) return &bad_value;
  Value padded = *c->arg[0], width = {.kind = V_NUMBER, .number = (double)size, .at = c->arg[1]->at};
  padded.node = x;
  padded.mask = 0;
  Value *args[COUNT_OF(c->f->args) + 1] = {&padded, &width, (Value *)stride};
  BuiltinCall inner = *c;
  inner.arg = args;
  Value *window = fn_unfold(&inner);
  if (window->kind == V_BAD) return window;
  fn_how(c, "stride %lld same %d", stride ? (long long)stride->number : 1, same && same->number != 0);
  AxisId flat = axis_fixed(g, size * axis_size(g, node(g, w)->axis[1])), n = node(g, w)->axis[2];
  AxisId length = node(g, window->node)->axis[has_rows(g, x)];
  NodeId mask = c->arg[0]->mask;
  if (mask) mask = mask_of_windows(g, mask, axis_size(g, length), stride ? (int64_t)stride->number : 1);
  if (node(g, w)->axis[1] == node(g, x)->axis[node(g, x)->rank - 1]) {      // one product of matrices
    NodeId row = g_reshape(g, window->node, 2, (AxisId[]){length, flat}), matrix = g_reshape(g, w, 2, (AxisId[]){flat, n});
    return with_mask(fn_result(c, contraction(g, row, matrix, "lk", "kn", "ln"), before), mask);
  }
  return with_mask(fn_result(c, contraction(g, window->node, w, "lsd", "sdn", "ln"), before), mask);   // says what does not fit
}
