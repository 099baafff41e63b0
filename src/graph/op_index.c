// op_index.c: rows of a table by id, and their sum back. Each is the other's gradient. Ids are one per row, or a list: then
// items that a row does not have read 0, and nothing of theirs is summed.
#include "graph_int.h"

static bool ids_fit(Graph *g, const Node *out, NodeId ids) {
  const Node *b = node(g, ids);
  if (b->op == OP_IDS) return true;
  return shape_error(g, out, "`%s` needs ids of the batch, not %s", op_rows[out->op].name, shape_text(g, ids, g->arena));
}

// A [V, …], B ids [rows] or [rows, m] → [rows, …] or [rows, m, …]
bool shape_gather(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  const Node *a = node(g, in[0]), *b = node(g, in[1]);
  if (!ids_fit(g, out, in[1])) return false;
  if (a->rank < 1 || has_rows(g, in[0]))
    return shape_error(g, out, "`gather` needs a table, not %s", shape_text(g, in[0], g->arena));
  if (b->rank + a->rank - 1 > MAX_RANK)
    return shape_error(g, out, "`gather`: the table %s has too many axes for a list", shape_text(g, in[0], g->arena));
  out->dtype = a->dtype;
  out->rank = b->rank + a->rank - 1;
  memcpy(out->axis, b->axis, sizeof *out->axis * b->rank);
  memcpy(out->axis + b->rank, a->axis + 1, sizeof *out->axis * (size_t)(a->rank - 1));
  return true;
}

void grad_gather(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  NodeId table = node_in(g, n, 0);
  if (want[0]) din[0] = g_spread(g, dy, node_in(g, n, 1), node(g, table)->axis[0]);
}

// A [rows, …] or [rows, m, …], B ids [rows] or [rows, m] → [V, …], V = axis i0
bool shape_spread(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  const Node *a = node(g, in[0]), *b = node(g, in[1]);
  if (!ids_fit(g, out, in[1])) return false;
  if (out->op == OP_ROWS && (node(g, in[2])->op != OP_SORT_IDS || node(g, in[2])->attr.i[0] != out->attr.i[0]))
    return shape_error(g, out, "`rows` needs its ids sorted");
  if (a->rank < b->rank || memcmp(a->axis, b->axis, sizeof *a->axis * b->rank) != 0)
    return shape_error(g, out, "`spread` needs a value for each id of %s, not %s", shape_text(g, in[1], g->arena),
                       shape_text(g, in[0], g->arena));
  out->dtype = a->dtype;
  out->rank = a->rank - b->rank + 1;
  out->axis[0] = (AxisId)out->attr.i[0];
  memcpy(out->axis + 1, a->axis + b->rank, sizeof *out->axis * (size_t)(a->rank - b->rank));
  return true;
}

// ids → [V], V = axis i0
bool shape_touched(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  if (!ids_fit(g, out, in[0])) return false;
  out->dtype = (uint8_t)g->dtype;
  out->rank = 1;
  out->axis[0] = (AxisId)out->attr.i[0];
  return true;
}

bool shape_sort_ids(Graph *g, Node *out, const NodeId *in, int n_in) {
  int lists = node(g, in[0])->rank == 2;
  if (!ids_fit(g, out, in[0])) return false;
  if (n_in != 1 + lists) return shape_error(g, out, "`sort_ids` of a list needs its lengths");
  out->dtype = U32;
  out->rank = 1;
  out->axis[0] = axis_fixed(g, out->attr.i[2]);
  return true;
}

void grad_spread(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  if (want[0]) din[0] = g_gather(g, dy, node_in(g, n, 1));
}
