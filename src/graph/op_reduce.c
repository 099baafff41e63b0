// op_reduce.c: sum and maximum over one axis, which is dropped.
#include "graph_int.h"

bool shape_reduce(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  const Node *a = node(g, in[0]);
  int64_t axis = out->attr.i[0];
  if (a->dtype != F32 && a->dtype != F64) return shape_error(g, out, "`%s` needs numbers, not ids", op_rows[out->op].name);
  if (axis < 0 || axis >= a->rank)
    return shape_error(g, out, "`%s`: %s has no such axis", op_rows[out->op].name, shape_text(g, in[0], g->arena));
  out->dtype = a->dtype;
  out->rank = a->rank - 1;
  for (int i = 0; i < out->rank; i++) out->axis[i] = a->axis[i + (i >= axis)];
  return true;
}

// v, of the shape without `axis`, as a view that broadcasts against `like`, the shape with it. The batch axis needs no view:
// it repeats by itself.
static NodeId along(Graph *g, NodeId v, NodeId like, int axis) {
  return axis == 0 && has_rows(g, like) ? v : g_expand(g, v, axis);
}

static NodeId repeated(Graph *g, NodeId v, NodeId like, int axis) {
  AxisId axes[MAX_RANK];
  memcpy(axes, node(g, like)->axis, sizeof axes);
  return g_broadcast(g, along(g, v, like, axis), node(g, like)->rank, axes);
}

void grad_sum(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  if (want[0]) din[0] = repeated(g, dy, node_in(g, n, 0), (int)node(g, n)->attr.i[0]);
}

// dy · (A == R) / Σ(A == R): elements that attain the maximum together share it equally.
void grad_amax(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  if (!want[0]) return;
  NodeId a = node_in(g, n, 0), zero = g_const_like(g, 0, a);
  int axis = (int)node(g, n)->attr.i[0];
  NodeId is_max = g_map2(g, OP_EQ, a, along(g, n, a, axis));
  NodeId share = g_map2(g, OP_DIV, dy, g_sum(g, is_max, axis));
  din[0] = g_select(g, is_max, along(g, share, a, axis), zero);
}
