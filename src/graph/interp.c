// interp.c: the slow reference: every node in double, one element after the other, row-major with true extents.
// It stands for what each op means; emitters and gradients are tested against it.
#include "graph_int.h"
#include <math.h>

typedef struct { const Graph *g; const InterpInput *in; Arena *arena; double **value; } Run;   // value[node]

static int64_t extent(const Run *r, AxisId a) {
  int64_t n = a == AXIS_OF_ROWS ? r->in->n : axis_size(r->g, a);
  CHECK(n >= 0);   // symbols are bound
  return n;
}

static int64_t count(const Run *r, int rank, const AxisId *axis) {
  int64_t n = 1;
  for (int i = 0; i < rank; i++) n *= extent(r, axis[i]);
  return n;
}

// Row-major strides of a node's own axes.
static void strides(const Run *r, const Node *n, int64_t *stride) {
  int64_t s = 1;
  for (int i = n->rank - 1; i >= 0; i--) stride[i] = s, s *= extent(r, n->axis[i]);
}

// Strides of operand x under the axes of a result that it broadcasts to: 0 where it repeats.
static void broadcast_strides(const Run *r, const Node *x, int rank, const AxisId *axis, int64_t *stride) {
  int64_t own[MAX_RANK];
  int x_rows = x->rank > 0 && x->axis[0] == AXIS_OF_ROWS, rows = rank > 0 && axis[0] == AXIS_OF_ROWS;
  strides(r, x, own);
  for (int i = 0; i < rank; i++) stride[i] = 0;
  if (x_rows) stride[0] = own[0];
  for (int k = 1; k <= x->rank - x_rows; k++) {
    int mine = x->rank - k, theirs = rank - k;
    CHECK(theirs >= rows);
    if (x->axis[mine] == axis[theirs]) stride[theirs] = own[mine];
  }
}

// Counts through a box: pos is the odometer, at[k] the offset of operand k. false after the last point.
typedef struct { int rank; int64_t size[2 * MAX_RANK], pos[2 * MAX_RANK], stride[4][2 * MAX_RANK], at[4]; } Walk;
static bool step(Walk *w) {
  for (int i = w->rank - 1; i >= 0; i--) {
    bool carry = ++w->pos[i] == w->size[i];
    for (int k = 0; k < 4; k++) w->at[k] += carry ? -(w->size[i] - 1) * w->stride[k][i] : w->stride[k][i];
    if (!carry) return true;
    w->pos[i] = 0;
  }
  return false;
}

static void walk_axes(const Run *r, Walk *w, int rank, const AxisId *axis) {
  w->rank = rank;
  for (int i = 0; i < rank; i++) w->size[i] = extent(r, axis[i]);
}

// ---------------------------------------------------------- one function per kind of op: x[i] are the operands' values
typedef void Eval(const Run *r, NodeId id, const double *const *x, double *y);

static void eval_leaf(const Run *r, NodeId id, const double *const *x, double *y) {
  (void)x;
  const Node *n = node(r->g, id);
  const InterpInput *in = r->in;
  int64_t i0 = n->attr.i[0], total = count(r, n->rank, n->axis), ids = n->attr.i[1] > 0 ? n->attr.i[1] : 1;
  for (int64_t k = 0; k < total; k++) {
    switch (n->op) {
    case OP_DENSE: y[k] = in->dense[k / n->attr.i[1] * in->dense_width + i0 + k % n->attr.i[1]]; break;
    case OP_IDS: y[k] = in->ids[k / ids * in->n_ids + i0 + k % ids]; break;
    case OP_LABEL: y[k] = in->y[i0 * in->n + k]; break;
    case OP_KNOWN: y[k] = in->w[i0 * in->n + k]; break;
    case OP_READ: y[k] = in->slots[i0][k]; break;
    case OP_CONST: y[k] = n->attr.f; break;
    case OP_RT_REAL:
      y[k] = i0 == RT_LR ? in->lr : i0 == RT_EPOCH ? (double)in->epoch : random_key(in->seed, in->step, r->g->sites.data[i0 - RT_REALS]);
      break;
    case OP_IOTA: y[k] = (double)k; break;
    default: BUG("no leaf");
    }
  }
}

static void eval_map(const Run *r, NodeId id, const double *const *x, double *y) {
  const Node *n = node(r->g, id);
  int64_t total = count(r, n->rank, n->axis);
  Walk w = {0};
  walk_axes(r, &w, n->rank, n->axis);
  for (int k = 0; k < n->n_in; k++) broadcast_strides(r, node(r->g, node_in(r->g, id, k)), n->rank, n->axis, w.stride[k]);
  for (int64_t i = 0; i < total; i++, step(&w)) {
    double v[3];
    for (int k = 0; k < n->n_in; k++) v[k] = x[k][w.at[k]];
    y[i] = op_rows[n->op].fold(v, &n->attr);
  }
}

static void eval_reduce(const Run *r, NodeId id, const double *const *x, double *y) {
  const Node *n = node(r->g, id), *a = node(r->g, node_in(r->g, id, 0));
  int axis = (int)n->attr.i[0];
  int64_t before = count(r, axis, a->axis), size = extent(r, a->axis[axis]);
  int64_t after = count(r, a->rank - axis - 1, a->axis + axis + 1);
  for (int64_t i = 0; i < before * after; i++) {
    const double *from = x[0] + i / after * size * after + i % after;
    double v = n->op == OP_SUM ? 0 : -INFINITY;
    for (int64_t k = 0; k < size; k++) v = n->op == OP_SUM ? v + from[k * after] : v > from[k * after] ? v : from[k * after];
    y[i] = v;
  }
}

// Axes of the walk: the result's, then those summed over; strides by letter.
static void eval_dot(const Run *r, NodeId id, const double *const *x, double *y) {
  const Node *n = node(r->g, id);
  char letters[2 * MAX_RANK + 1] = {0};
  strcpy(letters, n->attr.label[2]);
  for (const char *c = n->attr.label[0]; *c; c++)
    if (!strchr(letters, *c)) letters[strlen(letters)] = *c;
  Walk w = {.rank = (int)strlen(letters)};
  int64_t inner = 1, total = count(r, n->rank, n->axis);
  for (int k = 0; k < 2; k++) {
    const Node *in = node(r->g, node_in(r->g, id, k));
    int64_t own[MAX_RANK];
    strides(r, in, own);
    for (int i = 0; i < w.rank; i++) {
      const char *at = strchr(n->attr.label[k], letters[i]);
      if (!at) continue;
      w.stride[k][i] = own[at - n->attr.label[k]];
      w.size[i] = extent(r, in->axis[at - n->attr.label[k]]);
    }
  }
  for (int i = n->rank; i < w.rank; i++) inner *= w.size[i];
  for (int64_t i = 0; i < total; i++) {
    y[i] = 0;
    for (int64_t k = 0; k < inner; k++, step(&w)) y[i] = fma(x[0][w.at[0]], x[1][w.at[1]], y[i]);
  }
}

static void eval_touched(const Run *r, NodeId id, const double *const *x, double *y) {
  const Node *n = node(r->g, id);
  memset(y, 0, sizeof *y * (size_t)count(r, n->rank, n->axis));
  for (int k = 0; k < n->n_in; k++) {
    const Attr *a = &node(r->g, node_in(r->g, id, k))->attr;
    int64_t items = a->i[1] > 0 ? a->i[1] : 1;
    for (int64_t i = 0; i < r->in->n * items; i++)
      if (!a->i[1] || (double)(i % items) < r->in->dense[i / items * r->in->dense_width + a->i[2]]) y[(int64_t)x[k][i]] = 1;
  }
}

static void add_product(const Run *r, const Node *left, const double *a, const double *b, int64_t width, double *y) {   // [rows, k] · [k, width]
  int64_t inner = extent(r, left->axis[1]);
  for (int64_t i = 0; i < r->in->n; i++)
    for (int64_t j = 0; j < width; j++)
      for (int64_t k = 0; k < inner; k++) y[i * width + j] = fma(a[i * inner + k], b[k * width + j], y[i * width + j]);
}

static void eval_bag(const Run *r, NodeId id, const double *const *x, double *y) {
  const Node *n = node(r->g, id), *ids = node(r->g, node_in(r->g, id, 1));
  const Node *table = n->op == OP_BAG ? node(r->g, node_in(r->g, id, 0)) : n;
  int64_t width = extent(r, n->axis[1]), vocabulary = extent(r, table->axis[0]), items = extent(r, ids->axis[1]);
  memset(y, 0, sizeof *y * (size_t)count(r, n->rank, n->axis));
  for (int64_t i = 0; i < r->in->n * items; i++) {
    int64_t v = (int64_t)x[1][i], row = i / items;
    CHECK(v >= 0 && v < vocabulary);
    for (int64_t j = 0; j < width; j++) {
      if (n->op == OP_BAG) y[row * width + j] += x[0][v * width + j];
      else y[v * width + j] += x[0][row * width + j];
    }
  }
  if (n->n_in == 4) add_product(r, node(r->g, node_in(r->g, id, 2)), x[2], x[3], width, y);
}

// Is item i of these ids, counted through all rows, there?
static bool is_there(const Run *r, NodeId ids, int64_t i) {
  const Node *of = node(r->g, ids_of_batch(r->g, ids));
  int64_t items = of->attr.i[1];
  if (node(r->g, ids)->op == OP_DISTINCT || !items) return true;
  return (double)(i % items) < r->in->dense[i / items * r->in->dense_width + of->attr.i[2]];
}

static void eval_distinct(const Run *r, NodeId id, const double *const *x, double *y) {
  const Node *n = node(r->g, id);
  NodeId ids = node_in(r->g, id, 0);
  int64_t found = 0, places = count(r, node(r->g, ids)->rank, node(r->g, ids)->axis);
  memset(y, 0, sizeof *y * (size_t)count(r, n->rank, n->axis));
  for (int64_t v = 0; v < n->attr.i[1]; v++)
    for (int64_t i = 0; i < places; i++)
      if (x[0][i] == (double)v && is_there(r, ids, i)) { y[found++] = (double)v; break; }
}

static void eval_number(const Run *r, NodeId id, const double *const *x, double *y) {
  NodeId ids = ids_of_batch(r->g, id);
  for (int64_t i = 0; i < count(r, node(r->g, id)->rank, node(r->g, id)->axis); i++) {
    y[i] = 0;
    if (is_there(r, ids, i)) while (x[0][(int64_t)y[i]] != r->value[ids][i]) y[i]++;
  }
}

static void eval_index(const Run *r, NodeId id, const double *const *x, double *y) {
  OpId op = (OpId)node(r->g, id)->op;
  CHECK(op != OP_ROWS);   // of a lowered graph alone
  if (op == OP_DISTINCT) { eval_distinct(r, id, x, y); return; }
  if (op == OP_NUMBER) { eval_number(r, id, x, y); return; }
  if (op == OP_TOUCHED) { eval_touched(r, id, x, y); return; }
  if (op == OP_BAG || op == OP_SPREAD_BAG) { eval_bag(r, id, x, y); return; }
  const Node *n = node(r->g, id), *table = n->op == OP_GATHER ? node(r->g, node_in(r->g, id, 0)) : n;
  NodeId ids = node_in(r->g, id, 1);
  int64_t width = count(r, table->rank - 1, table->axis + 1), vocabulary = extent(r, table->axis[0]);
  memset(y, 0, sizeof *y * (size_t)count(r, n->rank, n->axis));
  for (int64_t i = 0; i < count(r, node(r->g, ids)->rank, node(r->g, ids)->axis); i++) {
    if (!is_there(r, ids, i)) continue;
    int64_t v = (int64_t)x[1][i];
    CHECK(v >= 0 && v < vocabulary);
    for (int64_t j = 0; j < width; j++) {
      if (n->op == OP_GATHER) y[i * width + j] = x[0][v * width + j];
      else y[v * width + j] += x[0][i * width + j];
    }
  }
}

// Copies x, the shape of node `from`, to y at `shift` along `axis`; y has `size` there.
static void place(const Run *r, const Node *from, const double *x, double *y, int axis, int64_t size, int64_t shift) {
  int64_t before = count(r, axis, from->axis), mine = extent(r, from->axis[axis]);
  int64_t after = count(r, from->rank - axis - 1, from->axis + axis + 1);
  for (int64_t i = 0; i < before; i++)
    memcpy(y + (i * size + shift) * after, x + i * mine * after, sizeof *y * (size_t)(mine * after));
}

static void eval_concat(const Run *r, NodeId id, const double *const *x, double *y) {
  const Node *n = node(r->g, id);
  int axis = (int)n->attr.i[0];
  int64_t shift = 0;
  for (int k = 0; k < n->n_in; k++) {
    const Node *in = node(r->g, node_in(r->g, id, k));
    place(r, in, x[k], y, axis, extent(r, n->axis[axis]), shift);
    shift += extent(r, in->axis[axis]);
  }
}

// slice, transpose, broadcast: the result's walk with the operand's strides. reshape: the elements as they lie.
static void eval_view(const Run *r, NodeId id, const double *const *x, double *y) {
  const Node *n = node(r->g, id), *a = node(r->g, node_in(r->g, id, 0));
  int64_t own[MAX_RANK], total = count(r, n->rank, n->axis), from = 0;
  Walk w = {0};
  walk_axes(r, &w, n->rank, n->axis);
  strides(r, a, own);
  if (n->op == OP_RESHAPE) {
    memcpy(y, x[0], sizeof *y * (size_t)total);
    return;
  }
  if (n->op == OP_BROADCAST) broadcast_strides(r, a, n->rank, n->axis, w.stride[0]);
  else for (int i = 0; i < n->rank; i++) w.stride[0][i] = own[n->op == OP_TRANSPOSE ? n->attr.i[0] >> (3 * i) & 7 : i];
  if (n->op == OP_SLICE) from = n->attr.i[1] * own[n->attr.i[0]];
  for (int64_t i = 0; i < total; i++, step(&w)) y[i] = x[0][from + w.at[0]];
}

static void eval_move(const Run *r, NodeId id, const double *const *x, double *y) {
  const Node *n = node(r->g, id);
  if (n->op == OP_CONCAT) {
    eval_concat(r, id, x, y);
  } else if (n->op == OP_PAD) {
    int axis = (int)n->attr.i[0];
    memset(y, 0, sizeof *y * (size_t)count(r, n->rank, n->axis));
    place(r, node(r->g, node_in(r->g, id, 0)), x[0], y, axis, extent(r, n->axis[axis]), n->attr.i[1]);
  } else {
    eval_view(r, id, x, y);
  }
}

// ---------------------------------------------------------------- C routines
// The table of the program, which the emitter's module, that has this file too, does not see.
extern HostFn *const host_rows[N_HOST] __attribute__((weak));

// A whole value as an operand: buffer `buffer`, row-major, in double.
static HostOperand whole(const Run *r, NodeId id, int buffer) {
  const Node *n = node(r->g, id);
  HostOperand o = {.buffer = buffer, .dtype = F64, .rank = n->rank, .rows = has_rows(r->g, id)};
  strides(r, n, o.stride);
  for (int i = 0; i < n->rank; i++) o.extent[i] = extent(r, n->axis[i]);
  return o;
}

static void eval_call(const Run *r, NodeId id, const double *const *x, double *y) {
  const Node *n = node(r->g, id);
  HostOperand *in = NEW_ARRAY(r->arena, HostOperand, n->n_in + 1);
  void **buf = NEW_ARRAY(r->arena, void *, n->n_in + 1);
  for (int i = 0; i < n->n_in; i++) in[i] = whole(r, node_in(r->g, id, i), i), buf[i] = (void *)x[i];
  buf[n->n_in] = y;
  HostArgs a = {.id = host_of_op((OpId)n->op), .name = op_rows[n->op].name, .in = in, .n_in = n->n_in, .f = n->attr.f,
                .out = whole(r, id, n->n_in), .items = 1};
  memcpy(a.i, n->attr.i, sizeof a.i);
  a.item_rows = a.out.rank ? a.out.extent[0] : 1;
  CHECK(host_rows);
  host_run(host_rows, buf, &a, 1, r->in->n, 0, 1);
}

static Eval *const evals[] = {
    [KIND_LEAF] = eval_leaf, [KIND_MAP] = eval_map,     [KIND_REDUCE] = eval_reduce,
    [KIND_DOT] = eval_dot,   [KIND_INDEX] = eval_index, [KIND_MOVE] = eval_move,
    [KIND_CALL] = eval_call,
};

// ---------------------------------------------------------------- a whole graph
static void eval(const Run *r, NodeId id) {
  const Node *n = node(r->g, id);
  const double **x = NEW_ARRAY(r->arena, const double *, n->n_in + 1);
  for (int i = 0; i < n->n_in; i++) x[i] = r->value[node_in(r->g, id, i)];
  r->value[id] = NEW_ARRAY(r->arena, double, count(r, n->rank, n->axis) + 1);
  evals[op_rows[n->op].kind](r, id, x, r->value[id]);
}

// Values of all nodes that `wanted` (indexed by node) marks or that those need.
static Run run(const Graph *g, bool *wanted, const InterpInput *in, Arena *a) {
  Run r = {g, in, a, NEW_ARRAY(a, double *, g->nodes.n)};
  for (NodeId n = (NodeId)g->nodes.n - 1; n > 0; n--)
    for (int i = 0; wanted[n] && i < node(g, n)->n_in; i++) wanted[node_in(g, n, i)] = true;
  for (NodeId n = 1; n < (NodeId)g->nodes.n; n++)
    if (wanted[n]) eval(&r, n);
  return r;
}

double *interp(const Graph *g, NodeId n, const InterpInput *in, Arena *a) {
  bool *wanted = NEW_ARRAY(a, bool, g->nodes.n);
  wanted[n] = true;
  return run(g, wanted, in, a).value[n];
}

void interp_roots(const Graph *g, InterpInput *in, double **outs, Arena *a) {
  bool *wanted = NEW_ARRAY(a, bool, g->nodes.n);
  for (int i = 0; i < g->roots.n; i++) wanted[g->roots.data[i].value] = true;
  Run r = run(g, wanted, in, a);
  for (int i = 0; i < g->roots.n; i++) {
    const Root *root = &g->roots.data[i];
    const Node *v = node(g, root->value);
    if (outs) outs[i] = r.value[root->value];
    if (root->slot < 0) continue;
    memcpy(in->slots[root->slot], r.value[root->value], sizeof(double) * (size_t)count(&r, v->rank, v->axis));
  }
}
