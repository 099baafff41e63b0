// tidy.c: a new graph with what the roots reach, each node rebuilt through `simplify`, which knows the identities.
// Values stay the same bits (but for the sign of a zero); 0·x is kept, for x may be NaN or infinite.
// Needs: gradients taken (stop_gradient goes). Gives: no dead node; slots, axes and their indices as before.
#include "graph_int.h"

typedef NodeId Simplify(Graph *g, const NodeId *in, int n_in, const Attr *attr);   // the node to use instead, or 0

static bool is_const(const Graph *g, NodeId n, double v) {
  double x;
  return const_value(g, n, &x) && x == v;
}
static NodeId made_by(const Graph *g, NodeId n, OpId op) { return node(g, n)->op == op ? n : 0; }

// `keep` where it already has the shape that it has together with `other`.
static NodeId if_shape_stays(const Graph *g, NodeId keep, NodeId other) {
  uint8_t rank;
  AxisId axis[MAX_RANK], bad[2];
  if (!broadcast_axes(g, (NodeId[]){keep, other}, 2, &rank, axis, bad)) return 0;
  const Node *k = node(g, keep);
  return k->rank == rank && memcmp(k->axis, axis, sizeof *axis * rank) == 0 ? keep : 0;
}

// ---------------------------------------------------------------- elementwise
static NodeId simplify_add(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)n_in, (void)attr;
  if (is_const(g, in[1], 0)) return if_shape_stays(g, in[0], in[1]);
  if (is_const(g, in[0], 0)) return if_shape_stays(g, in[1], in[0]);
  if (made_by(g, in[1], OP_NEG)) return g_map2(g, OP_SUB, in[0], node_in(g, in[1], 0));
  if (made_by(g, in[0], OP_NEG)) return g_map2(g, OP_SUB, in[1], node_in(g, in[0], 0));
  return in[0] == in[1] ? g_map2(g, OP_MUL, g_const_like(g, 2, in[0]), in[0]) : 0;
}

static NodeId simplify_sub(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)n_in, (void)attr;
  if (is_const(g, in[1], 0)) return if_shape_stays(g, in[0], in[1]);
  if (made_by(g, in[1], OP_NEG)) return g_map2(g, OP_ADD, in[0], node_in(g, in[1], 0));
  return is_const(g, in[0], 0) && if_shape_stays(g, in[1], in[0]) ? g_map1(g, OP_NEG, in[1]) : 0;
}

static NodeId simplify_mul(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)n_in, (void)attr;
  for (int i = 0; i < 2; i++) {
    NodeId other = in[1 - i];
    if (is_const(g, in[i], 1)) return if_shape_stays(g, other, in[i]);
    if (is_const(g, in[i], -1) && if_shape_stays(g, other, in[i])) return g_map1(g, OP_NEG, other);
    if (made_by(g, in[i], OP_NEG))   // a sum further up takes the sign
      return g_map1(g, OP_NEG, g_map2(g, OP_MUL, node_in(g, in[i], 0), other));
  }
  return 0;
}

static NodeId simplify_div(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)n_in, (void)attr;
  return is_const(g, in[1], 1) ? if_shape_stays(g, in[0], in[1]) : 0;
}

static NodeId simplify_fma(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)n_in, (void)attr;
  for (int i = 0; i < 2; i++)
    if (is_const(g, in[i], 1)) return g_map2(g, OP_ADD, in[1 - i], in[2]);
  return 0;
}

static NodeId simplify_neg(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)n_in, (void)attr;
  return made_by(g, in[0], OP_NEG) ? node_in(g, in[0], 0) : 0;
}

static NodeId simplify_select(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)n_in, (void)attr;
  double c;
  if (in[1] == in[2]) return if_shape_stays(g, in[1], in[0]);
  if (!const_value(g, in[0], &c)) return 0;
  uint8_t rank;
  AxisId axis[MAX_RANK], bad[2];
  return broadcast_axes(g, in, 3, &rank, axis, bad) ? g_broadcast(g, c != 0 ? in[1] : in[2], rank, axis) : 0;
}

static NodeId simplify_stop(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)g, (void)n_in, (void)attr;
  return in[0];
}

static NodeId simplify_cast(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)n_in;
  double v;
  if (node(g, in[0])->dtype == attr->i[0]) return in[0];
  return const_value(g, in[0], &v) ? g_const_of(g, v, (DType)attr->i[0]) : 0;
}

// ---------------------------------------------------------------- sums, moves
static NodeId simplify_reduce(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)n_in;
  int axis = (int)attr->i[0];
  return node(g, in[0])->axis[axis] == AXIS_OF_ONE ? g_drop(g, in[0], axis) : 0;
}

// concat of concats along one axis is one
static NodeId simplify_concat(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  int total = 0, n = 0;
  bool nested = false;
  for (int i = 0; i < n_in; i++) {
    bool inner = made_by(g, in[i], OP_CONCAT) && node(g, in[i])->attr.i[0] == attr->i[0];
    nested |= inner;
    total += inner ? node(g, in[i])->n_in : 1;
  }
  if (n_in == 1) return in[0];
  if (!nested || total >= UINT16_MAX) return 0;
  NodeId *flat = NEW_ARRAY(g->arena, NodeId, total);
  for (int i = 0; i < n_in; i++) {
    bool inner = made_by(g, in[i], OP_CONCAT) && node(g, in[i])->attr.i[0] == attr->i[0];
    for (int k = 0; k < (inner ? node(g, in[i])->n_in : 1); k++) flat[n++] = inner ? node_in(g, in[i], k) : in[i];
  }
  return g_concat(g, flat, n, (int)attr->i[0]);
}

// a slice within one operand of a concat is a slice of that operand
static NodeId slice_of_concat(Graph *g, NodeId concat, const Attr *attr) {
  int axis = (int)attr->i[0];
  int64_t start = 0;
  for (int k = 0; k < node(g, concat)->n_in; k++) {
    NodeId part = node_in(g, concat, k);
    int64_t end = start + axis_size(g, node(g, part)->axis[axis]);
    if (attr->i[1] >= start && attr->i[2] <= end) return g_slice(g, part, axis, attr->i[1] - start, attr->i[2] - start);
    start = end;
  }
  return 0;
}

static NodeId simplify_slice(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)n_in;
  const Node *a = node(g, in[0]);
  int axis = (int)attr->i[0];
  if (attr->i[3]) return 0;                                       // a piece along a vocabulary
  if (attr->i[1] == 0 && attr->i[2] == axis_size(g, a->axis[axis])) return in[0];
  if (a->op == OP_CONCAT && a->attr.i[0] == axis) return slice_of_concat(g, in[0], attr);
  if (a->op != OP_SLICE || a->attr.i[0] != axis) return 0;
  return g_slice(g, node_in(g, in[0], 0), axis, a->attr.i[1] + attr->i[1], a->attr.i[1] + attr->i[2]);
}

static NodeId simplify_transpose(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)n_in;
  const Node *a = node(g, in[0]);
  int perm[MAX_RANK];
  bool same = true;
  for (int k = 0; k < a->rank; k++) {
    perm[k] = (int)(attr->i[0] >> (3 * k) & 7);
    same &= perm[k] == k;
  }
  if (same) return in[0];
  if (a->op != OP_TRANSPOSE) return 0;
  for (int k = 0; k < a->rank; k++) perm[k] = (int)(a->attr.i[0] >> (3 * perm[k]) & 7);
  return g_transpose(g, node_in(g, in[0], 0), perm);
}

static NodeId simplify_reshape(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)n_in;
  AxisId item[MAX_RANK], now[MAX_RANK];
  int n = unpack_axes(attr, item);
  if (n == item_axes(g, in[0], now) && memcmp(item, now, sizeof *item * (size_t)n) == 0) return in[0];
  return made_by(g, in[0], OP_RESHAPE) ? g_reshape(g, node_in(g, in[0], 0), n, item) : 0;
}

static NodeId simplify_broadcast(Graph *g, const NodeId *in, int n_in, const Attr *attr) {
  (void)n_in;
  AxisId axis[MAX_RANK];
  int rank = unpack_axes(attr, axis);
  const Node *a = node(g, in[0]);
  if (a->rank == rank && memcmp(a->axis, axis, sizeof *axis * (size_t)rank) == 0) return in[0];
  return a->op == OP_BROADCAST ? g_broadcast(g, node_in(g, in[0], 0), rank, axis) : 0;
}

static Simplify *const rules[N_OPS] = {
    [OP_ADD] = simplify_add,         [OP_SUB] = simplify_sub,       [OP_MUL] = simplify_mul,
    [OP_DIV] = simplify_div,         [OP_FMA] = simplify_fma,       [OP_NEG] = simplify_neg,
    [OP_SELECT] = simplify_select,   [OP_STOP] = simplify_stop,     [OP_CAST] = simplify_cast,
    [OP_SUM] = simplify_reduce,      [OP_AMAX] = simplify_reduce,   [OP_CONCAT] = simplify_concat,
    [OP_SLICE] = simplify_slice,     [OP_PAD] = NULL,               [OP_TRANSPOSE] = simplify_transpose,
    [OP_RESHAPE] = simplify_reshape, [OP_BROADCAST] = simplify_broadcast,
};

// ---------------------------------------------------------------- MAP nodes in general
static NodeId fold_constants(Graph *g, OpId op, const NodeId *in, int n_in, const Attr *attr) {
  double x[3];
  for (int i = 0; i < n_in; i++)
    if (!const_value(g, in[i], &x[i])) return 0;
  return g_const_like(g, op_rows[op].fold(x, attr), in[n_in - 1]);
}

// MAP repeats its operands itself: a BROADCAST before it goes where the others give the shape all the same.
static void drop_broadcasts(const Graph *g, NodeId *in, int n_in) {
  uint8_t rank, without_rank;
  AxisId axis[MAX_RANK], without_axis[MAX_RANK], bad[2];
  if (!broadcast_axes(g, in, n_in, &rank, axis, bad)) return;
  for (int i = 0; i < n_in; i++) {
    NodeId with = in[i];
    if (node(g, with)->op != OP_BROADCAST) continue;
    in[i] = node_in(g, with, 0);
    bool same = broadcast_axes(g, in, n_in, &without_rank, without_axis, bad) && rank == without_rank &&
                memcmp(axis, without_axis, sizeof *axis * rank) == 0;
    if (!same) in[i] = with;
  }
}

typedef enum { AS_IT_IS = -1, IN_USE, IN_TRAINING } Mode;

static NodeId rebuild(Graph *g, const Node *old, NodeId *in, Mode mode) {
  OpId op = (OpId)old->op;
  NodeId simple = 0;
  g->at = old->at;
  if (op == OP_TRAINING && mode != AS_IT_IS) return g_const(g, mode == IN_TRAINING);
  if (op_rows[op].kind == KIND_MAP && op != OP_CAST) {
    drop_broadcasts(g, in, old->n_in);
    simple = fold_constants(g, op, in, old->n_in, &old->attr);
  }
  if (!simple && rules[op]) simple = rules[op](g, in, old->n_in, &old->attr);
  return simple ? simple : op == OP_READ ? graph_read(g, (int)old->attr.i[0], old->at)
                                         : graph_add(g, op, in, old->n_in, old->attr, old->at);
}

// ---------------------------------------------------------------- the pass
static bool chosen(const Root *r, const char *const *names, int n) {
  if (!names) return true;
  for (int i = 0; i < n; i++) {
    size_t len = strlen(names[i]);
    if (strcmp(names[i], TIDY_ASSIGNS) == 0 && r->slot >= 0) return true;
    if (strcmp(names[i], r->name) == 0) return true;
    if (len && names[i][len - 1] == '*' && strncmp(names[i], r->name, len - 1) == 0) return true;
  }
  return false;
}

static Graph *sweep(const Graph *g, const char *const *names, int n_names, Mode mode) {
  Graph *t = graph_empty_like(g);
  bool *live = NEW_ARRAY(g->arena, bool, g->nodes.n);
  NodeId *now = NEW_ARRAY(g->arena, NodeId, g->nodes.n);
  for (int i = 0; i < g->roots.n; i++) live[g->roots.data[i].value] |= chosen(&g->roots.data[i], names, n_names);
  if (!names) live[g->loss] = true;
  for (NodeId id = (NodeId)g->nodes.n - 1; id > 0; id--)
    for (int i = 0; live[id] && i < node(g, id)->n_in; i++) live[node_in(g, id, i)] = true;
  for (NodeId id = 1; id < (NodeId)g->nodes.n; id++) {
    if (!live[id]) continue;
    NodeId *in = NEW_ARRAY(g->arena, NodeId, node(g, id)->n_in + 1);
    for (int i = 0; i < node(g, id)->n_in; i++) in[i] = now[node_in(g, id, i)];
    now[id] = rebuild(t, node(g, id), in, mode);
    CHECK(now[id]);
  }
  for (int i = 0; i < g->roots.n; i++) {
    Root r = g->roots.data[i];
    if (!chosen(&r, names, n_names)) continue;
    r.value = now[r.value];
    vec_push(t->arena, &t->roots, r);
  }
  t->loss = now[g->loss];   // 0 where no chosen root reaches it
  return t;
}

static Graph *tidy_as(const Graph *g, const char *const *root_names, int n, Mode mode) {
  enum { MAX_SWEEPS = 8 };   // each sweep may make nodes dead or show a new identity; two or three are usual
  Graph *t = sweep(g, root_names, n, mode);
  for (int i = 1; i < MAX_SWEEPS; i++) {
    Graph *next = sweep(t, root_names, n, mode);
    bool same = next->nodes.n == t->nodes.n;
    t = next;
    if (same) break;
  }
  return t;
}

Graph *tidy(const Graph *g, const char *const *root_names, int n) { return tidy_as(g, root_names, n, AS_IT_IS); }
Graph *tidy_for(const Graph *g, const char *const *root_names, int n, bool training) {
  return tidy_as(g, root_names, n, training ? IN_TRAINING : IN_USE);
}
