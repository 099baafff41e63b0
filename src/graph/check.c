// check.c: invariants of a graph, checked between passes. A broken one is our own mistake.
#include "graph_int.h"

static void check_node(Graph *g, NodeId id) {
  const Node *n = node(g, id);
  if (n->op >= N_OPS) BUG("%%%u: no such op", id);
  const OpRow *row = &op_rows[n->op];
  if (row->arity >= 0 && n->n_in != row->arity) BUG("%%%u: %s with %d inputs", id, row->name, n->n_in);
  for (int i = 0; i < n->n_in; i++)
    if (node_in(g, id, i) == 0 || node_in(g, id, i) >= id) BUG("%%%u: input %d does not lie below it", id, i);
  if (n->rank > MAX_RANK) BUG("%%%u: rank %d", id, n->rank);
  for (int i = 0; i < n->rank; i++) {
    if (n->axis[i] == 0 || n->axis[i] >= (AxisId)g->axes.n) BUG("%%%u: axis %d is none", id, i);
    if (n->axis[i] == AXIS_OF_ROWS && i > 0) BUG("%%%u: the batch axis is not the first", id);
  }
}

// The shape rule gives what the node says, and the node is the one of its kind.
static void check_shape(Graph *g, NodeId id) {
  Node n = {.op = node(g, id)->op, .dtype = (uint8_t)g->dtype, .n_in = node(g, id)->n_in, .attr = node(g, id)->attr};
  const Node *is = node(g, id);
  if (!op_rows[n.op].shape(g, &n, g->ins.data + is->in_at, n.n_in)) BUG("%%%u: inputs do not fit", id);
  if (n.rank != is->rank || n.dtype != is->dtype || memcmp(n.axis, is->axis, sizeof n.axis[0] * n.rank) != 0)
    BUG("%%%u: shape or dtype is not what its rule gives", id);
  if (graph_add(g, (OpId)n.op, g->ins.data + is->in_at, n.n_in, n.attr, is->at) != id) BUG("%%%u is there twice", id);
}

static void check_assign(const Graph *g, const Root *r, bool *assigned) {
  const Slot *s = &g->slots.data[r->slot];
  const Node *v = node(g, r->value);
  if (r->slot >= g->slots.n) BUG("assign to slot %d", r->slot);
  if (assigned[r->slot]) BUG("%s is assigned twice", s->path);
  assigned[r->slot] = true;
  if (s->frozen) BUG("%s is frozen, and assigned", s->path);
  if (v->dtype != s->dtype || v->rank != s->rank || memcmp(v->axis, s->axis, sizeof v->axis[0] * v->rank) != 0)
    BUG("%s: the value assigned has another shape or dtype", s->path);
}

void graph_check(const Graph *g) {
  Graph *own = (Graph *)g;   // graph_add below finds what is there already: nothing changes
  int before = g->nodes.n;
  for (NodeId n = 1; n < (NodeId)before; n++) check_node(own, n);
  for (NodeId n = 1; n < (NodeId)before; n++) check_shape(own, n);
  CHECK(g->nodes.n == before);
  for (int i = 0; i < g->slots.n; i++) {
    NodeId r = g->slots.data[i].read;
    if (r >= (NodeId)before || (r && (node(g, r)->op != OP_READ || node(g, r)->attr.i[0] != i)))
      BUG("slot %s: its read is another node", g->slots.data[i].path);
  }
  bool *assigned = xcalloc((size_t)g->slots.n + 1, sizeof *assigned);
  for (int i = 0; i < g->roots.n; i++) {
    const Root *r = &g->roots.data[i];
    if (r->value == 0 || r->value >= (NodeId)before) BUG("root %s has no value", r->name);
    if (r->slot >= 0) check_assign(g, r, assigned);
  }
  free(assigned);
  if (g->loss && (g->loss >= (NodeId)before || node(g, g->loss)->rank != 0)) BUG("the loss is no scalar");
}
