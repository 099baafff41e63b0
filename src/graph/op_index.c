// op_index.c: rows of a table by id, and their sum back. Each is the other's gradient.
#include "graph_int.h"

static bool ids_fit(Graph *g, const Node *out, NodeId ids) {
  const Node *b = node(g, ids);
  if (b->dtype == U32 && b->rank == 1 && has_rows(g, ids)) return true;
  return shape_error(g, out, "`%s` needs one id per row, not %s", op_rows[out->op].name, shape_text(g, ids, g->arena));
}

// A [V, …], B ids [rows] → [rows, …]
bool shape_gather(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  const Node *a = node(g, in[0]);
  if (!ids_fit(g, out, in[1])) return false;
  if (a->rank < 1 || has_rows(g, in[0]))
    return shape_error(g, out, "`gather` needs a table, not %s", shape_text(g, in[0], g->arena));
  out->dtype = a->dtype;
  out->rank = a->rank;
  memcpy(out->axis, a->axis, sizeof out->axis);
  out->axis[0] = AXIS_OF_ROWS;
  return true;
}

void grad_gather(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  NodeId table = node_in(g, n, 0);
  if (want[0]) din[0] = g_spread(g, dy, node_in(g, n, 1), node(g, table)->axis[0]);
}

// A [rows, …], B ids [rows] → [V, …], V = axis i0
bool shape_spread(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  const Node *a = node(g, in[0]);
  if (!ids_fit(g, out, in[1])) return false;
  if (!has_rows(g, in[0]))
    return shape_error(g, out, "`spread` needs a value per row, not %s", shape_text(g, in[0], g->arena));
  out->dtype = a->dtype;
  out->rank = a->rank;
  memcpy(out->axis, a->axis, sizeof out->axis);
  out->axis[0] = (AxisId)out->attr.i[0];
  return true;
}

void grad_spread(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  if (want[0]) din[0] = g_gather(g, dy, node_in(g, n, 1));
}
