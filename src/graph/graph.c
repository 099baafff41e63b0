// graph.c: the array of nodes: adding with hash-consing, axes, slots, roots, shapes, and the shorthand of all builders.
#include "graph_int.h"

// ---------------------------------------------------------------- graph, axes
Graph *graph_new(Arena *a, DType dtype, int64_t capacity, Diag *d) {
  Graph *g = NEW(a, Graph);
  g->arena = a;
  g->dtype = dtype;
  g->diag = d;
  vec_push(a, &g->nodes, (Node){0});
  vec_push(a, &g->ins, 0);   // unused: ins.data is never NULL
  vec_push(a, &g->axes, (Axis){0});
  vec_push(a, &g->axes, ((Axis){AXIS_ROWS, capacity, "rows", 0}));
  vec_push(a, &g->axes, ((Axis){AXIS_FIXED, 1, NULL, 0}));
  g->table_size = 256;
  g->table = NEW_ARRAY(a, uint32_t, g->table_size);
  return g;
}

AxisId axis_fixed(Graph *g, int64_t size) {
  CHECK(size >= 1);
  for (int i = 1; i < g->axes.n; i++)
    if (g->axes.data[i].kind == AXIS_FIXED && g->axes.data[i].size == size) return (AxisId)i;
  vec_push(g->arena, &g->axes, ((Axis){AXIS_FIXED, size, NULL, 0}));
  return (AxisId)(g->axes.n - 1);
}

AxisId axis_named(Graph *g, int64_t size, double expected) {
  CHECK(size >= 1);
  vec_push(g->arena, &g->axes, ((Axis){AXIS_NAMED, size, "distinct", expected}));
  return (AxisId)(g->axes.n - 1);
}

AxisId axis_symbol(Graph *g, const char *name, int64_t size_or_minus_1) {
  for (int i = 1; i < g->axes.n; i++) {
    Axis *x = &g->axes.data[i];
    if (x->kind != AXIS_SYMBOL || strcmp(x->name, name) != 0) continue;
    if (size_or_minus_1 >= 0) x->size = size_or_minus_1;
    return (AxisId)i;
  }
  vec_push(g->arena, &g->axes, ((Axis){AXIS_SYMBOL, size_or_minus_1, arena_strdup(g->arena, name), 0}));
  return (AxisId)(g->axes.n - 1);
}

int64_t axis_size(const Graph *g, AxisId a) { return g->axes.data[a].size; }

double axis_expected(const Graph *g, AxisId a) {
  const Axis *x = &g->axes.data[a];
  return x->kind == AXIS_NAMED ? x->expected : (double)x->size;
}

bool has_rows(const Graph *g, NodeId n) { return node(g, n)->rank > 0 && node(g, n)->axis[0] == AXIS_OF_ROWS; }

bool same_shape(const Graph *g, NodeId a, NodeId b) {
  const Node *x = node(g, a), *y = node(g, b);
  return x->rank == y->rank && memcmp(x->axis, y->axis, sizeof x->axis[0] * x->rank) == 0;
}

int item_axes(const Graph *g, NodeId a, AxisId *axis) {
  int from = has_rows(g, a), n = node(g, a)->rank - from;
  memcpy(axis, node(g, a)->axis + from, sizeof *axis * (size_t)n);
  return n;
}

// Product of the sizes of axes, an unbound symbol counting 1; −1 above MAX_ELEMENTS.
static int64_t elements(const Graph *g, int rank, const AxisId *axis) {
  int64_t n = 1;
  for (int i = 0; i < rank; i++) {
    int64_t size = axis_size(g, axis[i]);
    if (axis[i] == AXIS_OF_ROWS || size < 0) continue;
    if (__builtin_mul_overflow(n, size, &n) || n > MAX_ELEMENTS) return -1;
  }
  return n;
}

int64_t item_elements(const Graph *g, NodeId n) { return elements(g, node(g, n)->rank, node(g, n)->axis); }

// ---------------------------------------------------------------- adding a node
bool shape_error(Graph *g, const Node *out, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *text = arena_vprintf(g->arena, fmt, ap);
  va_end(ap);
  if (!g->diag) BUG("%s: %s", op_rows[out->op].name, text);
  diag_error(g->diag, "shape-mismatch", out->at, "%s", text);
  return false;
}

static uint64_t node_hash(const Node *n, const NodeId *in) {
  uint64_t h = hash_bytes(&n->attr, sizeof n->attr, (uint64_t)n->op << 8 | n->dtype);
  return hash_bytes(in, sizeof *in * n->n_in, h);
}

// A leaf's shape is part of what it is (READ: of its slot), so op, dtype, inputs and attributes say all.
static bool node_equal(const Graph *g, const Node *a, const NodeId *in, const Node *b) {
  return a->op == b->op && a->dtype == b->dtype && a->n_in == b->n_in && memcmp(&a->attr, &b->attr, sizeof a->attr) == 0 &&
         (a->n_in == 0 || memcmp(in, &g->ins.data[b->in_at], sizeof *in * a->n_in) == 0);
}

static void table_put(uint32_t *table, int size, uint64_t h, NodeId id) {
  uint64_t i = h & (uint64_t)(size - 1);
  while (table[i]) i = (i + 1) & (uint64_t)(size - 1);
  table[i] = id;
}

static void table_grow(Graph *g) {
  int size = g->table_size * 2;
  uint32_t *table = NEW_ARRAY(g->arena, uint32_t, size);
  for (NodeId n = 1; n < (NodeId)g->nodes.n; n++)
    table_put(table, size, node_hash(node(g, n), g->ins.data + node(g, n)->in_at), n);
  g->table = table;
  g->table_size = size;
}

static NodeId find_or_append(Graph *g, Node *n, const NodeId *in) {
  uint64_t h = node_hash(n, in), mask = (uint64_t)(g->table_size - 1);
  for (uint64_t i = h & mask; g->table[i]; i = (i + 1) & mask)
    if (node_equal(g, n, in, node(g, g->table[i]))) return g->table[i];
  n->in_at = (uint32_t)g->ins.n;
  for (int i = 0; i < n->n_in; i++) vec_push(g->arena, &g->ins, in[i]);
  vec_push(g->arena, &g->nodes, *n);
  NodeId id = (NodeId)(g->nodes.n - 1);
  if (g->nodes.n * 2 > g->table_size) table_grow(g);   // the new node is put with all the others
  else table_put(g->table, g->table_size, h, id);
  return id;
}

NodeId graph_add(Graph *g, OpId op, const NodeId *in, int n_in, Attr attr, Place at) {
  const OpRow *row = &op_rows[op];
  CHECK(row->arity < 0 ? n_in > 0 && n_in < UINT16_MAX : n_in == row->arity);
  for (int i = 0; i < n_in; i++) {
    if (!in[i]) return 0;
    CHECK(in[i] < (NodeId)g->nodes.n);
  }
  Node n = {.op = (uint16_t)op, .dtype = (uint8_t)g->dtype, .n_in = (uint16_t)n_in, .attr = attr, .at = at};
  if (!row->shape(g, &n, in, n_in)) return 0;
  if (elements(g, n.rank, n.axis) >= 0) return find_or_append(g, &n, in);
  if (!g->diag) BUG("%s: too many elements", row->name);
  diag_error(g->diag, "size-overflow", at, "this tensor has too many elements (more than 2^40 a row)");
  return 0;
}

// ---------------------------------------------------------------- slots, roots
int graph_slot(Graph *g, const char *path, SlotRole role, DType dtype, int rank, const AxisId *axis, Init init, Place at) {
  CHECK(rank >= 0 && rank <= MAX_RANK);
  Slot s = {.path = arena_strdup(g->arena, path), .role = role, .dtype = dtype, .rank = rank, .init = init, .at = at, .rule = STEP_RULE_PLAIN};
  for (int i = 0; i < rank; i++) s.axis[i] = axis[i];
  vec_push(g->arena, &g->slots, s);
  return g->slots.n - 1;
}

// Open addressing by path; slots that came since the last question are added first.
int graph_slot_named(Graph *g, const char *path) {
  if (2 * g->slots.n >= g->slot_table_size) {
    g->slot_table_size = 4 * g->slots.n + 64;
    g->slot_table = NEW_ARRAY(g->arena, int, g->slot_table_size);
    g->slots_in_table = 0;
  }
  uint64_t size = (uint64_t)g->slot_table_size;
  for (; g->slots_in_table < g->slots.n; g->slots_in_table++) {
    const char *name = g->slots.data[g->slots_in_table].path;
    uint64_t at = hash_bytes(name, strlen(name), 0) % size;
    while (g->slot_table[at]) at = (at + 1) % size;
    g->slot_table[at] = g->slots_in_table + 1;
  }
  for (uint64_t at = hash_bytes(path, strlen(path), 0) % size; g->slot_table[at]; at = (at + 1) % size)
    if (!strcmp(g->slots.data[g->slot_table[at] - 1].path, path)) return g->slot_table[at] - 1;
  return -1;
}

NodeId graph_read(Graph *g, int slot, Place at) {
  CHECK(slot >= 0 && slot < g->slots.n);
  Slot *s = &g->slots.data[slot];
  if (!s->read) s->read = graph_add(g, OP_READ, NULL, 0, (Attr){.i = {slot}}, at);
  return s->read;
}

void graph_out(Graph *g, const char *name, NodeId v) {
  if (v) vec_push(g->arena, &g->roots, ((Root){arena_strdup(g->arena, name), v, -1, 0}));
}

void graph_assign(Graph *g, int slot, NodeId v) {
  CHECK(slot >= 0 && slot < g->slots.n);
  if (v) vec_push(g->arena, &g->roots, ((Root){g->slots.data[slot].path, v, slot, 0}));
}

// ---------------------------------------------------------------- attributes
void pack_axes(Attr *attr, int n, const AxisId *axis) {
  CHECK(n <= MAX_RANK);
  attr->i[0] = n;
  for (int i = 0; i < n; i++) attr->i[1 + i / 2] |= (int64_t)((uint64_t)axis[i] << (i % 2 ? 32 : 0));
}

int unpack_axes(const Attr *attr, AxisId *axis) {
  for (int i = 0; i < (int)attr->i[0]; i++) axis[i] = (AxisId)((uint64_t)attr->i[1 + i / 2] >> (i % 2 ? 32 : 0));
  return (int)attr->i[0];
}

NodeId const_value(const Graph *g, NodeId n, double *v) {
  if (node(g, n)->op != OP_CONST) return 0;
  *v = node(g, n)->attr.f;
  return n;
}

// ---------------------------------------------------------------- shorthand
void g_at(Graph *g, Place at) { g->at = at; }

static NodeId add1(Graph *g, OpId op, NodeId a, Attr attr) { return graph_add(g, op, &a, 1, attr, g->at); }
static NodeId leaf(Graph *g, OpId op, Attr attr) { return graph_add(g, op, NULL, 0, attr, g->at); }
static int from_start(const Graph *g, NodeId a, int axis) { return axis < 0 ? axis + node(g, a)->rank : axis; }

NodeId g_const_of(Graph *g, double v, DType t) {
  return leaf(g, OP_CONST, (Attr){.f = v, .i = {t == g->dtype ? 0 : 1 + (int64_t)t}});
}
NodeId g_const(Graph *g, double v) { return g_const_of(g, v, g->dtype); }
NodeId g_const_like(Graph *g, double v, NodeId like) { return like ? g_const_of(g, v, (DType)node(g, like)->dtype) : 0; }
NodeId g_dense(Graph *g, int64_t first, int64_t width) { return leaf(g, OP_DENSE, (Attr){.i = {first, width}}); }
NodeId g_column(Graph *g, OpId op, int64_t i) { return leaf(g, op, (Attr){.i = {i}}); }
NodeId g_ids(Graph *g, int64_t first, int64_t n, int64_t length) { return leaf(g, OP_IDS, (Attr){.i = {first, n, length}}); }
NodeId g_rt(Graph *g, int i) { return leaf(g, OP_RT_REAL, (Attr){.i = {i}}); }
NodeId g_training(Graph *g) { return leaf(g, OP_TRAINING, (Attr){0}); }
NodeId g_iota(Graph *g, int64_t n) { return leaf(g, OP_IOTA, (Attr){.i = {n}}); }
NodeId g_count(Graph *g, AxisId axis) {
  bool fixed = g->axes.data[axis].kind == AXIS_FIXED;
  return fixed ? g_iota(g, axis_size(g, axis)) : leaf(g, OP_IOTA, (Attr){.i = {0, axis}});
}
NodeId g_read(Graph *g, int slot) { return graph_read(g, slot, g->at); }

NodeId g_map1(Graph *g, OpId op, NodeId a) { return add1(g, op, a, (Attr){0}); }
NodeId g_map2(Graph *g, OpId op, NodeId a, NodeId b) { return graph_add(g, op, (NodeId[]){a, b}, 2, (Attr){0}, g->at); }
NodeId g_map3(Graph *g, OpId op, NodeId a, NodeId b, NodeId c) {
  return graph_add(g, op, (NodeId[]){a, b, c}, 3, (Attr){0}, g->at);
}
NodeId g_select(Graph *g, NodeId cond, NodeId a, NodeId b) { return g_map3(g, OP_SELECT, cond, a, b); }
NodeId g_stop(Graph *g, NodeId a) { return g_map1(g, OP_STOP, a); }
NodeId g_cast(Graph *g, NodeId a, DType t) {
  return !a || node(g, a)->dtype == t ? a : add1(g, OP_CAST, a, (Attr){.i = {t}});
}

NodeId g_sum(Graph *g, NodeId a, int axis) { return a ? add1(g, OP_SUM, a, (Attr){.i = {from_start(g, a, axis)}}) : 0; }
NodeId g_max(Graph *g, NodeId a, int axis) { return a ? add1(g, OP_AMAX, a, (Attr){.i = {from_start(g, a, axis)}}) : 0; }

NodeId g_dot(Graph *g, NodeId a, NodeId b, const char *spec) {
  Attr attr = {0};
  int part = 0, at = 0;
  for (const char *s = spec; *s; s++) {
    if (*s == (part == 0 ? ',' : '>')) {
      part++;
      at = 0;
      CHECK(part <= 2);
    } else {
      CHECK(at < MAX_RANK);
      attr.label[part][at++] = *s;
    }
  }
  CHECK(part == 2);
  return graph_add(g, OP_DOT, (NodeId[]){a, b}, 2, attr, g->at);
}

NodeId g_gather(Graph *g, NodeId table, NodeId ids) {
  return graph_add(g, OP_GATHER, (NodeId[]){table, ids}, 2, (Attr){0}, g->at);
}
NodeId g_spread(Graph *g, NodeId a, NodeId ids, AxisId v) {
  return graph_add(g, OP_SPREAD, (NodeId[]){a, ids}, 2, (Attr){.i = {v}}, g->at);
}

NodeId g_bag(Graph *g, NodeId table, NodeId ids) { return graph_add(g, OP_BAG, (NodeId[]){table, ids}, 2, (Attr){0}, g->at); }
NodeId g_bag_and_product(Graph *g, NodeId table, NodeId ids, NodeId x, NodeId w) {
  return graph_add(g, OP_BAG, (NodeId[]){table, ids, x, w}, 4, (Attr){0}, g->at);
}
NodeId g_spread_bag(Graph *g, NodeId a, NodeId ids, AxisId v) {
  return graph_add(g, OP_SPREAD_BAG, (NodeId[]){a, ids}, 2, (Attr){.i = {v}}, g->at);
}
NodeId g_distinct(Graph *g, NodeId ids, int64_t v, double expected) {
  return graph_add(g, OP_DISTINCT, &ids, 1, (Attr){.i = {axis_named(g, most_distinct(g, &ids, 1, v), expected), v}}, g->at);
}
NodeId g_number(Graph *g, NodeId distinct) { return add1(g, OP_NUMBER, distinct, (Attr){0}); }
NodeId g_touched(Graph *g, const NodeId *ids, int n, AxisId v) { return graph_add(g, OP_TOUCHED, ids, n, (Attr){.i = {v}}, g->at); }

NodeId g_list_mask(Graph *g, int64_t n, int64_t length) {
  NodeId j = g_iota(g, n), have = g_dense(g, length, 1);
  return g_map2(g, OP_LT, j, have);
}
bool match_list_mask(const Graph *g, NodeId n, NodeId *length) {
  if (!n || node(g, n)->op != OP_LT || node(g, node_in(g, n, 0))->op != OP_IOTA) return false;
  *length = node_in(g, n, 1);
  return node(g, *length)->op == OP_DENSE && node(g, *length)->attr.i[1] == 1;
}

NodeId g_slice(Graph *g, NodeId a, int axis, int64_t from, int64_t to) {
  if (!a) return 0;
  axis = from_start(g, a, axis);
  bool whole = axis >= 0 && axis < node(g, a)->rank && from == 0 && to == axis_size(g, node(g, a)->axis[axis]);
  return whole ? a : add1(g, OP_SLICE, a, (Attr){.i = {axis, from, to}});
}
NodeId g_pad(Graph *g, NodeId a, int axis, int64_t before, int64_t after) {
  if (!a || (before == 0 && after == 0)) return a;
  return add1(g, OP_PAD, a, (Attr){.i = {from_start(g, a, axis), before, after}});
}
NodeId g_concat(Graph *g, const NodeId *in, int n, int axis) {
  CHECK(n > 0);
  if (n == 1 || !in[0]) return in[0];
  return graph_add(g, OP_CONCAT, in, n, (Attr){.i = {from_start(g, in[0], axis)}}, g->at);
}
NodeId g_transpose(Graph *g, NodeId a, const int *perm) {
  if (!a) return 0;
  int64_t digits = 0;
  for (int k = node(g, a)->rank - 1; k >= 0; k--) digits = digits * 8 + perm[k];
  return add1(g, OP_TRANSPOSE, a, (Attr){.i = {digits}});
}

NodeId g_reshape(Graph *g, NodeId a, int item_rank, const AxisId *item) {
  if (!a) return 0;
  AxisId now[MAX_RANK];
  int n = item_axes(g, a, now);
  if (n == item_rank && memcmp(now, item, sizeof *item * (size_t)n) == 0) return a;
  Attr attr = {0};
  pack_axes(&attr, item_rank, item);
  return add1(g, OP_RESHAPE, a, attr);
}

NodeId g_expand(Graph *g, NodeId a, int axis) {
  if (!a) return 0;
  AxisId now[MAX_RANK], item[MAX_RANK + 1];
  int n = item_axes(g, a, now), at = (axis < 0 ? axis + node(g, a)->rank + 1 : axis) - has_rows(g, a);
  CHECK(at >= 0 && at <= n);
  if (n + 1 + has_rows(g, a) > MAX_RANK) {
    const Node as = {.op = OP_RESHAPE, .at = g->at};
    shape_error(g, &as, "%s has too many axes to take one more", shape_text(g, a, g->arena));
    return 0;
  }
  memcpy(item, now, sizeof *item * (size_t)at);
  item[at] = AXIS_OF_ONE;
  memcpy(item + at + 1, now + at, sizeof *item * (size_t)(n - at));
  return g_reshape(g, a, n + 1, item);
}

NodeId g_drop(Graph *g, NodeId a, int axis) {
  if (!a) return 0;
  AxisId item[MAX_RANK];
  int n = item_axes(g, a, item), at = from_start(g, a, axis) - has_rows(g, a);
  CHECK(at >= 0 && at < n && item[at] == AXIS_OF_ONE);
  memmove(item + at, item + at + 1, sizeof *item * (size_t)(n - at - 1));
  return g_reshape(g, a, n - 1, item);
}

NodeId g_broadcast(Graph *g, NodeId a, int rank, const AxisId *axis) {
  if (!a) return 0;
  if (node(g, a)->rank == rank && memcmp(node(g, a)->axis, axis, sizeof *axis * (size_t)rank) == 0) return a;
  Attr attr = {0};
  pack_axes(&attr, rank, axis);
  return add1(g, OP_BROADCAST, a, attr);
}

// Sums v over the axes that `like` lacks or has with size 1 (last axes first, the batch axis last), then repeats it where
// `like` is the larger.
NodeId g_like(Graph *g, NodeId v, NodeId like) {
  if (!v || !like || same_shape(g, v, like)) return v;
  AxisId want[MAX_RANK];
  int n = item_axes(g, like, want);
  for (int back = 1; back <= node(g, v)->rank - has_rows(g, v); back++) {
    int axis = node(g, v)->rank - back;
    bool one = back <= n && want[n - back] == AXIS_OF_ONE, one_here = node(g, v)->axis[axis] == AXIS_OF_ONE;
    if (!one || one_here) continue;
    v = g_expand(g, g_sum(g, v, axis), axis);
    if (!v) return 0;
  }
  while (node(g, v)->rank - has_rows(g, v) > n) v = g_sum(g, v, has_rows(g, v));
  if (has_rows(g, v) && !has_rows(g, like)) v = g_sum(g, v, 0);
  Node *l = node(g, like);
  AxisId axis[MAX_RANK];
  memcpy(axis, l->axis, sizeof axis);
  return g_broadcast(g, v, l->rank, axis);
}

// The element is counted in reals: an item of more than 2^24 elements repeats itself in float32.
NodeId g_random(Graph *g, uint64_t site, int item_rank, const AxisId *item) {
  NodeId row = g_count(g, AXIS_OF_ROWS), element = 0;
  double stride = 1;
  for (int i = item_rank - 1; i >= 0; i--) {
    NodeId at = g_count(g, item[i]);
    if (stride != 1) at = g_map2(g, OP_MUL, at, g_const(g, stride));
    for (int k = i + 1; k < item_rank; k++) at = g_expand(g, at, -1);
    element = element ? g_map2(g, OP_ADD, element, at) : at;
    stride *= axis_size(g, item[i]) > 0 ? (double)axis_size(g, item[i]) : 1;
  }
  for (int i = 0; i < item_rank; i++) row = g_expand(g, row, -1);
  if (!element) element = g_const(g, 0);
  vec_push(g->arena, &g->sites, site);
  return g_map3(g, OP_RANDOM, row, element, g_rt(g, RT_REALS + g->sites.n - 1));
}

// softmax over the last axis, composed: e / Σe with e = exp(z − max z); the maximum has no part in the gradient.
NodeId g_softmax(Graph *g, NodeId z) {
  if (!z) return 0;
  NodeId max = g_expand(g, g_stop(g, g_max(g, z, -1)), -1);
  NodeId e = g_map1(g, OP_EXP, g_map2(g, OP_SUB, z, max));
  return g_map2(g, OP_DIV, e, g_expand(g, g_sum(g, e, -1), -1));
}

static NodeId if_op(const Graph *g, NodeId n, OpId op, int i) { return n && node(g, n)->op == op ? node_in(g, n, i) : 0; }

bool match_softmax(const Graph *g, NodeId n, NodeId *z) {
  NodeId e = if_op(g, n, OP_DIV, 0), sum = if_op(g, if_op(g, n, OP_DIV, 1), OP_RESHAPE, 0);
  NodeId shifted = if_op(g, e, OP_EXP, 0), from = if_op(g, shifted, OP_SUB, 0);
  NodeId max = if_op(g, if_op(g, if_op(g, shifted, OP_SUB, 1), OP_RESHAPE, 0), OP_STOP, 0);
  if (!from || if_op(g, sum, OP_SUM, 0) != e || if_op(g, max, OP_AMAX, 0) != from) return false;
  int last = node(g, from)->rank - 1;
  if (node(g, sum)->attr.i[0] != last || node(g, max)->attr.i[0] != last) return false;
  *z = from;
  return true;
}

Graph *graph_empty_like(const Graph *g) {
  Graph *t = graph_new(g->arena, g->dtype, axis_size(g, AXIS_OF_ROWS), g->diag);
  for (int i = t->axes.n; i < g->axes.n; i++) vec_push(t->arena, &t->axes, g->axes.data[i]);
  for (int i = 0; i < g->sites.n; i++) vec_push(t->arena, &t->sites, g->sites.data[i]);
  for (int i = 0; i < g->slots.n; i++) {
    vec_push(t->arena, &t->slots, g->slots.data[i]);
    t->slots.data[i].read = 0;
  }
  t->gemm = g->gemm;
  t->balance = g->balance;
  return t;
}

NodeId graph_copy_node(Graph *t, const Graph *g, NodeId id, const NodeId *now) {
  const Node *x = node(g, id);
  if (x->op == OP_READ) return graph_read(t, (int)x->attr.i[0], x->at);
  NodeId *in = NEW_ARRAY(t->arena, NodeId, x->n_in + 1);
  for (int i = 0; i < x->n_in; i++) in[i] = now[node_in(g, id, i)];
  return graph_add(t, (OpId)x->op, in, x->n_in, x->attr, x->at);
}

void graph_copy_roots(Graph *t, const Graph *g, const NodeId *now) {
  for (int i = 0; i < g->roots.n; i++) {
    Root r = g->roots.data[i];
    r.value = now[r.value];
    vec_push(t->arena, &t->roots, r);
  }
  t->loss = now[g->loss];
}
