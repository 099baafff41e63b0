// grad.c: adjoints by one walk down the nodes. Only nodes that lead from `of` to something asked for get one.
// Contributions to a node are added in the order in which its users are met (descending ids), a fixed order.
// Needs: stop_gradient still there. Gives: more nodes of the same graph, differentiable again.
#include "graph_int.h"

typedef VEC(NodeId) Parts;

// ---------------------------------------------------------------- slices of one node: their adjoints side by side
typedef struct { int64_t from, to; NodeId value; } Piece;

static int by_start(const void *a, const void *b) {
  const Piece *x = a, *y = b;
  return x->from < y->from ? -1 : x->from > y->from;
}

// Pieces among the parts: PADs along `axis`. Taken out of parts only when the join is made.
static int pieces_along(const Graph *g, const Parts *parts, int axis, Piece *pieces) {
  int n = 0;
  for (int i = 0; i < parts->n; i++) {
    const Node *p = node(g, parts->data[i]);
    if (p->op != OP_PAD || p->attr.i[0] != axis) continue;
    int64_t size = axis_size(g, p->axis[axis]);
    pieces[n++] = (Piece){p->attr.i[1], size - p->attr.i[2], node_in(g, parts->data[i], 0)};
  }
  qsort(pieces, (size_t)n, sizeof *pieces, by_start);
  return n;
}

static NodeId zeros_like_slice(Graph *g, NodeId like, int axis, int64_t size) {
  AxisId axes[MAX_RANK];
  memcpy(axes, node(g, like)->axis, sizeof axes);
  axes[axis] = axis_fixed(g, size);
  return g_broadcast(g, g_const_like(g, 0, like), node(g, like)->rank, axes);
}

// The pieces, disjoint and in order, with zeros in the gaps, as one CONCAT of `size` along the axis.
static NodeId join(Graph *g, const Piece *pieces, int n, int axis, int64_t size) {
  NodeId *in = NEW_ARRAY(g->arena, NodeId, 2 * n + 1);
  int n_in = 0;
  int64_t at = 0;
  for (int i = 0; i < n; i++) {
    if (pieces[i].from > at) in[n_in++] = zeros_like_slice(g, pieces[i].value, axis, pieces[i].from - at);
    in[n_in++] = pieces[i].value;
    at = pieces[i].to;
  }
  if (at < size) in[n_in++] = zeros_like_slice(g, pieces[0].value, axis, size - at);
  return g_concat(g, in, n_in, axis);
}

// Replaces two or more PADs along one axis whose ranges do not overlap by one CONCAT.
static void join_slices(Graph *g, Parts *parts, int axis) {
  Piece *pieces = NEW_ARRAY(g->arena, Piece, parts->n);
  int n = pieces_along(g, parts, axis, pieces), kept = 0;
  for (int i = 1; i < n; i++)
    if (pieces[i].from < pieces[i - 1].to) return;
  if (n < 2) return;
  NodeId joined = 0;
  for (int i = 0; i < parts->n; i++) {
    NodeId p = parts->data[i];
    if (node(g, p)->op != OP_PAD || node(g, p)->attr.i[0] != axis) parts->data[kept++] = p;
    else if (!joined) parts->data[kept++] = joined = join(g, pieces, n, axis, axis_size(g, node(g, p)->axis[axis]));
  }
  parts->n = kept;
}

static NodeId sum_of(Graph *g, Parts *parts) {
  for (int axis = 0; parts->n > 1 && axis < node(g, parts->data[0])->rank; axis++) join_slices(g, parts, axis);
  NodeId sum = parts->n ? parts->data[0] : 0;
  for (int i = 1; i < parts->n; i++) sum = g_map2(g, OP_ADD, sum, parts->data[i]);
  return sum;
}

// ---------------------------------------------------------------- the walk
// Nodes from which something asked for can be reached through ops that have a gradient.
static bool *leads_to(const Graph *g, NodeId of, const NodeId *wrt, int n) {
  bool *leads = NEW_ARRAY(g->arena, bool, of + 1);
  for (int i = 0; i < n; i++)
    if (wrt[i] && wrt[i] <= of) leads[wrt[i]] = true;
  for (NodeId id = 1; id <= of; id++)
    for (int i = 0; op_rows[node(g, id)->op].grad && i < node(g, id)->n_in; i++) leads[id] |= leads[node_in(g, id, i)];
  return leads;
}

static void pass_down(Graph *g, NodeId id, NodeId dy, const bool *leads, Parts *parts) {
  int n_in = node(g, id)->n_in;
  bool *want = NEW_ARRAY(g->arena, bool, n_in + 1);
  NodeId *din = NEW_ARRAY(g->arena, NodeId, n_in + 1);
  bool any = false;
  for (int i = 0; i < n_in; i++) any |= want[i] = leads[node_in(g, id, i)];
  if (!any || !op_rows[node(g, id)->op].grad) return;
  g->at = node(g, id)->at;
  op_rows[node(g, id)->op].grad(g, id, dy, want, din);
  for (int i = 0; i < n_in; i++) {
    if (!want[i] || !din[i]) continue;
    CHECK(same_shape(g, din[i], node_in(g, id, i)) && node(g, din[i])->dtype == node(g, node_in(g, id, i))->dtype);
    vec_push(g->arena, &parts[node_in(g, id, i)], din[i]);
  }
}

void grad(Graph *g, NodeId of, const NodeId *wrt, int n, NodeId *grad_of) {
  for (int i = 0; i < n; i++) grad_of[i] = 0;
  if (!of) return;
  CHECK(node(g, of)->rank == 0);
  Place at = g->at;
  bool *leads = leads_to(g, of, wrt, n);
  Parts *parts = NEW_ARRAY(g->arena, Parts, of + 1);
  NodeId *adjoint = NEW_ARRAY(g->arena, NodeId, of + 1);
  if (leads[of]) vec_push(g->arena, &parts[of], g_const_like(g, 1, of));
  for (NodeId id = of; id > 0; id--) {
    if (!parts[id].n) continue;
    g->at = node(g, id)->at;
    adjoint[id] = sum_of(g, &parts[id]);
    pass_down(g, id, adjoint[id], leads, parts);
  }
  for (int i = 0; i < n; i++) grad_of[i] = wrt[i] && wrt[i] <= of ? adjoint[wrt[i]] : 0;
  g->at = at;
}
