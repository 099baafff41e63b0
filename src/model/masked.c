// masked.c: lists in the model. A list has a node [rows, m, …] with room for all of its items and a mask [rows, m], 1 where
// the row has the item. Elementwise functions and layers over the last axis keep the mask; what goes over axis 0 of the
// items, sums, means, maxima, softmax, leaves out the items that are not there: by a select, never by a product, so that
// nothing that stands in their place is seen, by values or by gradients.
#include "model_int.h"

void help_list_of_items(Build *b, const Value *v) {
  if (v->mask) diag_help(b->d, "a list becomes one vector a row by `mean(…)`, `sum(…)`, `max(…)` or by attention");
}

static bool keeps(const Graph *g, const Value *v, NodeId n) {
  if (!v || !v->mask || !has_rows(g, n) || node(g, n)->rank < 2) return false;
  bool aligned = v->kind == V_IDS || node(g, v->node)->rank == node(g, n)->rank;
  return aligned && node(g, n)->axis[1] == node(g, v->mask)->axis[1];
}

void keep_mask(Build *b, Value *v, Value *const *operands, int n) {
  if (v->kind != V_TENSOR) return;
  for (int i = 0; i < n; i++) {
    if (!keeps(b->g, operands[i], v->node) || operands[i]->mask == v->mask) continue;
    v->mask = v->mask ? g_map2(b->g, OP_MUL, v->mask, operands[i]->mask) : operands[i]->mask;
  }
}

Value *with_mask(Value *v, NodeId mask) {
  if (v->kind == V_TENSOR) v->mask = mask;
  return v;
}

NodeId items_mask(const Value *v, int axis) { return v->mask && axis == 1 ? v->mask : 0; }

NodeId items_beside(Graph *g, const Value *v, int axis) {
  NodeId mask = items_mask(v, axis);
  for (int i = node(g, v->node)->rank; mask && i > 2; i--) mask = g_expand(g, mask, -1);
  return mask;
}

NodeId only_items(Graph *g, const Value *v) {
  NodeId mask = items_beside(g, v, 1);
  return mask ? g_select(g, mask, v->node, g_const_like(g, 0, v->node)) : v->node;
}

NodeId mask_of_windows(Graph *g, NodeId mask, int64_t n, int64_t stride) {
  NodeId length, *part = NEW_ARRAY(g->arena, NodeId, n);
  if (stride == 1) return g_slice(g, mask, 1, 0, n);
  if (match_list_mask(g, mask, &length))
    return g_map2(g, OP_LT, g_map2(g, OP_MUL, g_iota(g, n), g_const(g, (double)stride)), length);
  for (int64_t i = 0; i < n; i++) part[i] = g_slice(g, mask, 1, i * stride, i * stride + 1);
  return g_concat(g, part, (int)n, 1);
}

// Lists one behind the other: all items of what is no list are there.
NodeId concat_masks(Graph *g, Value *const *parts, const NodeId *nodes, int n) {
  NodeId *mask = NEW_ARRAY(g->arena, NodeId, n + 1), one = g_const(g, 1);
  bool any = false;
  for (int i = 0; i < n; i++) any |= parts[i]->mask != 0;
  for (int i = 0; any && i < n; i++) {
    AxisId axis[2] = {AXIS_OF_ROWS, node(g, nodes[i])->axis[has_rows(g, nodes[i])]};
    mask[i] = parts[i]->mask ? parts[i]->mask : g_broadcast(g, one, 2, axis);
  }
  return any ? g_concat(g, mask, n, 1) : 0;
}
