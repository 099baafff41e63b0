// op_index.c: rows of a table by id, and their sum back. Each is the other's gradient. Ids are one per row, or a list: then
// items that a row does not have read 0, and nothing of theirs is summed. Or they are the distinct ids of a batch, once each; and what is
// computed for these is read for the batch by numbers, which one of them an id is. A bag is the sum of the rows that a matrix of ids names.
#include "graph_int.h"

static bool is_named(const Graph *g, NodeId ids) {                 // the ids that a sort_ids names, once each
  while (node(g, ids)->op == OP_RESHAPE || node(g, ids)->op == OP_SLICE) ids = node_in(g, ids, 0);
  return node(g, ids)->op == OP_SORT_IDS;
}

NodeId ids_of_batch(const Graph *g, NodeId ids) {
  if (node(g, ids)->op == OP_NUMBER) ids = node_in(g, ids, 0);
  if (node(g, ids)->op == OP_SORT_IDS) return sorted_ids(g, ids, 0);
  return node(g, ids)->op == OP_DISTINCT ? node_in(g, ids, 0) : ids;
}

int64_t most_places(const Graph *g, NodeId ids) {
  return axis_size(g, AXIS_OF_ROWS) * (node(g, ids)->rank > 1 ? axis_size(g, node(g, ids)->axis[1]) : 1);
}

int64_t most_distinct(const Graph *g, const NodeId *ids, int n, int64_t v) {
  int64_t places = 0;
  for (int i = 0; i < n; i++) places += most_places(g, ids[i]);
  return places >= v ? v : places > 2 ? places : 2;                  // an axis of size 1 is none
}

static bool ids_fit(Graph *g, const Node *out, NodeId ids) {
  const Node *b = node(g, ids);
  bool moves = out->op == OP_GATHER || out->op == OP_SPREAD;
  if (b->op == OP_IDS || (moves && (b->op == OP_DISTINCT || b->op == OP_NUMBER || is_named(g, ids)))) return true;
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
static bool spread_one(Graph *g, Node *out, NodeId values, NodeId ids) {
  const Node *a = node(g, values), *b = node(g, ids);
  if (!ids_fit(g, out, ids)) return false;
  if (a->rank < b->rank || memcmp(a->axis, b->axis, sizeof *a->axis * b->rank) != 0)
    return shape_error(g, out, "`%s` needs a value for each id of %s, not %s", op_rows[out->op].name, shape_text(g, ids, g->arena),
                       shape_text(g, values, g->arena));
  out->dtype = a->dtype;
  out->rank = a->rank - b->rank + 1;
  out->axis[0] = (AxisId)out->attr.i[0];
  memcpy(out->axis + 1, a->axis + b->rank, sizeof *out->axis * (size_t)(a->rank - b->rank));
  return true;
}

bool shape_spread(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  return spread_one(g, out, in[0], in[1]);
}

NodeId sorted_ids(const Graph *g, NodeId sorted, int source) {
  int at = 0;
  for (; source > 0 && at < node(g, sorted)->n_in; source--) at += node(g, node_in(g, sorted, at))->rank;   // a list has lengths
  return at < node(g, sorted)->n_in ? node_in(g, sorted, at) : 0;
}

// A sort_ids; B, C, … a value for each of its ids, all of one item → [C, …], C = axis i0
bool shape_rows(Graph *g, Node *out, const NodeId *in, int n_in) {
  if (n_in < 2 || node(g, in[0])->op != OP_SORT_IDS) return shape_error(g, out, "`rows` needs its ids sorted");
  for (int i = 1; i < n_in; i++) {
    Node before = *out;
    NodeId ids = sorted_ids(g, in[0], i - 1);
    if (!ids) return shape_error(g, out, "`rows` has values of more than the ids that are sorted");
    if (!spread_one(g, out, in[i], ids)) return false;
    if (i > 1 && (before.rank != out->rank || before.dtype != out->dtype || memcmp(before.axis, out->axis, sizeof *out->axis * out->rank)))
      return shape_error(g, out, "`rows` adds values of one shape");
  }
  return !sorted_ids(g, in[0], n_in - 1) || shape_error(g, out, "`rows` needs a value for all ids that are sorted");
}

// ids → [V], V = axis i0
bool shape_touched(Graph *g, Node *out, const NodeId *in, int n_in) {
  for (int i = 0; i < n_in; i++)
    if (!ids_fit(g, out, in[i])) return false;
  out->dtype = (uint8_t)g->dtype;
  out->rank = 1;
  out->axis[0] = (AxisId)out->attr.i[0];
  return true;
}

bool shape_sort_ids(Graph *g, Node *out, const NodeId *in, int n_in) {
  int at = 0;
  for (; at < n_in; at += node(g, in[at])->rank)
    if (!ids_fit(g, out, in[at])) return false;
  if (at != n_in) return shape_error(g, out, "`sort_ids` of a list needs its lengths");
  out->dtype = U32;
  out->rank = 1;
  out->axis[0] = axis_fixed(g, out->attr.i[2]);
  return true;
}

bool shape_distinct(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  if (!ids_fit(g, out, in[0])) return false;
  out->dtype = U32;
  out->rank = 1;
  out->axis[0] = (AxisId)out->attr.i[0];
  return true;
}

bool shape_number(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  OpId op = (OpId)node(g, in[0])->op;
  if (op != OP_DISTINCT && op != OP_SORT_IDS) return shape_error(g, out, "`number` needs the distinct ids of a batch");
  const Node *ids = node(g, ids_of_batch(g, in[0]));
  out->dtype = U32;
  out->rank = ids->rank;
  memcpy(out->axis, ids->axis, sizeof *out->axis * ids->rank);
  return true;
}

void grad_spread(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  if (want[0]) din[0] = g_gather(g, dy, node_in(g, n, 1));
}

// ---------------------------------------------------------------- bags
static bool is_matrix_of_ids(const Graph *g, NodeId n) {
  const Node *x = node(g, n);
  return x->dtype == U32 && x->rank == 2 && has_rows(g, n) && x->op != OP_IDS;
}

static bool is_product(const Graph *g, const NodeId *in, AxisId columns) {   // of rows with a matrix
  const Node *a = node(g, in[0]), *b = node(g, in[1]);
  return a->rank == 2 && b->rank == 2 && has_rows(g, in[0]) && !has_rows(g, in[1]) && a->axis[1] == b->axis[0] && b->axis[1] == columns &&
         a->dtype == b->dtype;
}

bool shape_bag(Graph *g, Node *out, const NodeId *in, int n_in) {
  const Node *a = node(g, in[0]);
  if (n_in != 2 && (n_in != 4 || !is_product(g, in + 2, a->axis[1])))
    return shape_error(g, out, "`bag` adds one product of rows, as wide as its table %s", shape_text(g, in[0], g->arena));
  if (a->rank != 2 || has_rows(g, in[0]) || !is_matrix_of_ids(g, in[1]))
    return shape_error(g, out, "`bag` needs a table and a matrix of its rows, not %s and %s", shape_text(g, in[0], g->arena),
                       shape_text(g, in[1], g->arena));
  out->dtype = a->dtype;
  out->rank = 2;
  out->axis[0] = AXIS_OF_ROWS;
  out->axis[1] = a->axis[1];
  return true;
}

void grad_bag(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  NodeId table = node_in(g, n, 0);
  if (want[0]) din[0] = g_spread_bag(g, dy, node_in(g, n, 1), node(g, table)->axis[0]);
  if (node(g, n)->n_in < 4) return;
  if (want[2]) din[2] = g_dot(g, dy, node_in(g, n, 3), "rn,kn>rk");
  if (want[3]) din[3] = g_dot(g, node_in(g, n, 2), dy, "rk,rn>kn");
}

bool shape_spread_bag(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  const Node *a = node(g, in[0]);
  if (a->rank != 2 || !has_rows(g, in[0]) || !(is_matrix_of_ids(g, in[1]) || node(g, in[1])->op == OP_BY_ID))
    return shape_error(g, out, "`spread_bag` needs a value for each row and a matrix of ids, not %s and %s",
                       shape_text(g, in[0], g->arena), shape_text(g, in[1], g->arena));
  out->dtype = a->dtype;
  out->rank = 2;
  out->axis[0] = (AxisId)out->attr.i[0];
  out->axis[1] = a->axis[1];
  return true;
}

void grad_spread_bag(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  if (want[0]) din[0] = g_bag(g, dy, node_in(g, n, 1));
}

bool shape_by_id(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  if (!is_matrix_of_ids(g, in[0])) return shape_error(g, out, "`by_id` needs a matrix of ids");
  int64_t rows = axis_size(g, AXIS_OF_ROWS), chunk = out->attr.i[1], m = axis_size(g, node(g, in[0])->axis[1]);
  out->dtype = U32;
  out->rank = 2;
  out->axis[0] = axis_fixed(g, (rows + chunk - 1) / chunk);
  out->axis[1] = axis_fixed(g, by_id_words(axis_size(g, (AxisId)out->attr.i[0]), chunk * m));
  return true;
}
