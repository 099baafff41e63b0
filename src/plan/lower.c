// lower.c: a copy of the graph shaped for scheduling.
// Needs: a tidied graph. Gives: (1) operands of a concat are computed values, each written by one concat alone; PAD is a
// concat with zeros; (2) roots are computed values; (3) the right operand of a dot has the result's last axis as its
// last; a transposed copy is made where it has not; (4) every copy is an explicit STOP.
#include "plan_int.h"

bool is_unit(const Graph *g, AxisId a) { return g->axes.data[a].kind == AXIS_FIXED && g->axes.data[a].size == 1; }

int domain_of(const Graph *g, NodeId n, AxisId *out) {
  int k = 0;
  for (int i = 0; i < node(g, n)->rank; i++)
    if (!is_unit(g, node(g, n)->axis[i])) out[k++] = node(g, n)->axis[i];
  return k;
}

static bool same_domain(const Graph *g, NodeId a, NodeId b) {
  AxisId x[MAX_RANK], y[MAX_RANK];
  int n = domain_of(g, a, x), m = domain_of(g, b, y);
  return n == m && !memcmp(x, y, sizeof *x * (size_t)n);
}

bool is_unit_move(const Graph *g, NodeId n) {
  const Node *x = node(g, n);
  if (x->op != OP_RESHAPE && x->op != OP_SUM && x->op != OP_AMAX && x->op != OP_TRANSPOSE && x->op != OP_BROADCAST) return false;
  if (x->op == OP_TRANSPOSE && domain_of(g, n, (AxisId[MAX_RANK]){0}) > 1) return false;
  return same_domain(g, n, node_in(g, n, 0));
}

NodeId see_through(const Graph *g, NodeId n) {
  while (is_unit_move(g, n)) n = node_in(g, n, 0);
  return n;
}

int operand_axis(const Graph *g, NodeId u, NodeId x, int i) {
  const Node *a = node(g, u), *b = node(g, x);
  bool a_rows = has_rows(g, u), b_rows = has_rows(g, x);
  if (a_rows && i == 0) return b_rows ? 0 : -1;
  int at = b->rank - (a->rank - i);
  if (at < (b_rows ? 1 : 0)) return -1;
  return is_unit(g, b->axis[at]) && !is_unit(g, a->axis[i]) ? -1 : at;
}

// ---------------------------------------------------------------- copies
typedef struct { Graph *t; bool *claimed; int serial; } Lower;     // claimed: by node of t, written into a concat or a root

static NodeId fresh_copy(Lower *l, NodeId x, Place at) {           // attr i3 makes each copy a node of its own
  return graph_add(l->t, OP_STOP, &x, 1, (Attr){ .i = { 0, 0, 0, ++l->serial } }, at);
}

static bool is_claimed(const Lower *l, NodeId x) { return l->claimed[x]; }

static NodeId own_value(Lower *l, NodeId x, Place at) {            // a computed value that nobody else places
  Graph *t = l->t;
  bool computed = !is_leaf(t, x) && !is_view(t, x) && node(t, x)->op != OP_SPREAD;
  if (!computed || is_claimed(l, x)) x = fresh_copy(l, x, at);
  l->claimed[x] = true;
  return x;
}

static NodeId lower_concat(Lower *l, NodeId *in, int n, int64_t axis, Place at) {
  for (int i = 0; i < n; i++) in[i] = own_value(l, in[i], at);
  return graph_add(l->t, OP_CONCAT, in, n, (Attr){ .i = { axis } }, at);
}

static NodeId zeros(Lower *l, NodeId like, int axis, int64_t size, Place at) {
  Graph *t = l->t;
  AxisId axes[MAX_RANK];
  memcpy(axes, node(t, like)->axis, sizeof axes);
  axes[axis] = axis_fixed(t, size);
  g_at(t, at);
  return g_broadcast(t, g_const_like(t, 0, like), node(t, like)->rank, axes);
}

static NodeId lower_pad(Lower *l, NodeId x, const Attr *a, Place at) {
  NodeId parts[3];
  int n = 0, axis = (int)a->i[0];
  if (a->i[1] > 0) parts[n++] = zeros(l, x, axis, a->i[1], at);
  parts[n++] = x;
  if (a->i[2] > 0) parts[n++] = zeros(l, x, axis, a->i[2], at);
  return n == 1 ? x : lower_concat(l, parts, n, axis, at);
}

// ---------------------------------------------------------------- dots
static int label_at(const char *labels, char c) {
  const char *p = c ? strchr(labels, c) : NULL;
  return p ? (int)(p - labels) : -1;
}

static bool last_of_its_domain(const Graph *t, NodeId x, int axis) {   // axes behind it are of size 1
  for (int i = axis + 1; i < node(t, x)->rank; i++)
    if (!is_unit(t, node(t, x)->axis[i])) return false;
  return true;
}

// x with `axis` moved to the end, and its labels likewise; a copy, so that lanes run over contiguous elements.
static NodeId lanes_last(Lower *l, NodeId x, char *labels, int axis, Place at) {
  Graph *t = l->t;
  int rank = node(t, x)->rank, perm[MAX_RANK], k = 0;
  char moved[8] = {0};
  for (int i = 0; i < rank; i++)
    if (i != axis) perm[k++] = i;
  perm[k] = axis;
  for (int i = 0; i < rank; i++) moved[i] = labels[perm[i]];
  memcpy(labels, moved, sizeof moved);
  g_at(t, at);
  NodeId v = g_transpose(t, x, perm);
  return graph_add(t, OP_STOP, &v, 1, (Attr){0}, at);
}

static NodeId lower_dot(Lower *l, const Node *n, NodeId *in) {
  Graph *t = l->t;
  Attr a = n->attr;
  char *result = a.label[2], lane = result[0] ? result[strlen(result) - 1] : 0;
  if (label_at(a.label[1], lane) < 0 || (label_at(a.label[0], lane) >= 0)) {       // the lanes are the right operand's
    if (label_at(a.label[0], lane) >= 0 && !(strlen(result) == 1 && n->rank == 1 && n->axis[0] == AXIS_OF_ROWS)) {
      char swap[8];
      memcpy(swap, a.label[0], 8), memcpy(a.label[0], a.label[1], 8), memcpy(a.label[1], swap, 8);
      NodeId x = in[0];
      in[0] = in[1], in[1] = x;
    }
  }
  for (int i = 0; i < 2; i++)
    if (node(t, in[i])->op == OP_BROADCAST || node(t, in[i])->op == OP_CONST) in[i] = graph_add(t, OP_STOP, &in[i], 1, (Attr){0}, n->at);
  int at = label_at(a.label[1], lane);
  if (at >= 0 && !is_unit(t, node(t, in[1])->axis[at]) && !last_of_its_domain(t, in[1], at))
    in[1] = lanes_last(l, in[1], a.label[1], at, n->at);
  return graph_add(t, OP_DOT, in, 2, a, n->at);
}

// ---------------------------------------------------------------- the copy
static Graph *empty_like(const Graph *g) {
  Graph *t = graph_new(g->arena, g->dtype, axis_size(g, AXIS_OF_ROWS), g->diag);
  for (int i = t->axes.n; i < g->axes.n; i++) vec_push(t->arena, &t->axes, g->axes.data[i]);
  for (int i = 0; i < g->slots.n; i++) {
    vec_push(t->arena, &t->slots, g->slots.data[i]);
    t->slots.data[i].read = 0;
  }
  return t;
}

static NodeId lower_node(Lower *l, const Graph *g, NodeId id, const NodeId *now) {
  const Node *n = node(g, id);
  NodeId *in = NEW_ARRAY(g->arena, NodeId, n->n_in + 1);
  for (int i = 0; i < n->n_in; i++) in[i] = now[node_in(g, id, i)];
  switch (n->op) {
  case OP_CONCAT: return n->n_in == 1 ? in[0] : lower_concat(l, in, n->n_in, n->attr.i[0], n->at);
  case OP_PAD: return lower_pad(l, in[0], &n->attr, n->at);
  case OP_DOT: return lower_dot(l, n, in);
  case OP_READ: return graph_read(l->t, (int)n->attr.i[0], n->at);
  default: return graph_add(l->t, (OpId)n->op, in, n->n_in, n->attr, n->at);
  }
}

Graph *lower(const Graph *g) {
  Lower l = { .t = empty_like(g) };
  l.claimed = NEW_ARRAY(g->arena, bool, 8 * (size_t)g->nodes.n + 1024);
  NodeId *now = NEW_ARRAY(g->arena, NodeId, g->nodes.n);
  for (NodeId id = 1; id < (NodeId)g->nodes.n; id++) {
    now[id] = lower_node(&l, g, id, now);
    CHECK(now[id] && l.t->nodes.n < 8 * g->nodes.n + 1000);
  }
  for (int i = 0; i < g->roots.n; i++) {
    Root r = g->roots.data[i];
    NodeId v = now[r.value];
    r.value = is_leaf(l.t, v) || is_view(l.t, v) || node(l.t, v)->op == OP_CONCAT || node(l.t, v)->op == OP_SPREAD
                ? fresh_copy(&l, v, node(g, r.value)->at) : v;
    vec_push(l.t->arena, &l.t->roots, r);
  }
  return l.t;
}
