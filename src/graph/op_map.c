// op_map.c: elementwise ops: the one broadcasting rule, and for each op its scalar function and its gradient, side by side.
// A gradient rule gives the adjoint in the output's shape; GIVE sums it over the axes along which the input was repeated.
// C leaves the order of arguments open, and the order of nodes must not depend on the compiler: at most one argument of a
// call adds nodes.
#include "graph_int.h"
#include <math.h>

// ---------------------------------------------------------------- shape
bool broadcast_axes(const Graph *g, const NodeId *in, int n, uint8_t *rank, AxisId *axis, AxisId bad[2]) {
  AxisId last_first[MAX_RANK] = {0};
  int item = 0, rows = 0;
  for (int k = 0; k < n; k++) {
    AxisId mine[MAX_RANK];
    int m = item_axes(g, in[k], mine);
    rows |= has_rows(g, in[k]);
    for (int i = 0; i < m; i++) {
      AxisId *r = &last_first[i], x = mine[m - 1 - i];
      if (i >= item || *r == AXIS_OF_ONE) *r = x;
      else if (x != AXIS_OF_ONE && x != *r) return bad[0] = *r, bad[1] = x, false;
    }
    if (m > item) item = m;
  }
  if (item + rows > MAX_RANK) return bad[0] = bad[1] = 0, false;
  *rank = (uint8_t)(item + rows);
  if (rows) axis[0] = AXIS_OF_ROWS;
  for (int i = 0; i < item; i++) axis[rows + i] = last_first[item - 1 - i];
  return true;
}

bool axes_fit(const Graph *g, NodeId from, int rank, const AxisId *axis) {
  AxisId mine[MAX_RANK];
  int n = item_axes(g, from, mine), rows = rank > 0 && axis[0] == AXIS_OF_ROWS;
  if (has_rows(g, from) > rows || n > rank - rows) return false;
  for (int i = 1; i <= n; i++)
    if (mine[n - i] != AXIS_OF_ONE && mine[n - i] != axis[rank - i]) return false;
  return true;
}

bool shape_broadcast(Graph *g, Node *out, const NodeId *in, int n_in) {
  AxisId bad[2];
  out->dtype = node(g, in[n_in - 1])->dtype;
  for (int i = 0; i < n_in; i++) {
    DType t = (DType)node(g, in[i])->dtype;
    if (t != F32 && t != F64) return shape_error(g, out, "`%s` needs numbers, not ids", op_rows[out->op].name);
    CHECK(t == out->dtype);   // builders cast
  }
  if (broadcast_axes(g, in, n_in, &out->rank, out->axis, bad)) return true;
  Text t = {0};
  for (int i = 0; i < n_in; i++) text_printf(&t, "%s%s", i ? " and " : "", shape_text(g, in[i], g->arena));
  shape_error(g, out, "`%s`: shapes %s do not fit", op_rows[out->op].name, t.data);
  text_free(&t);
  return false;
}

// The operands are whole numbers of any type: see random_uniform01.
bool shape_random(Graph *g, Node *out, const NodeId *in, int n_in) {
  AxisId bad[2];
  out->dtype = (uint8_t)g->dtype;
  if (broadcast_axes(g, in, n_in, &out->rank, out->axis, bad)) return true;
  return shape_error(g, out, "`random`: the shapes do not fit");
}

bool shape_cast(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  const Node *a = node(g, in[0]);
  CHECK(a->dtype != I64 && (out->attr.i[0] == F32 || out->attr.i[0] == F64 || out->attr.i[0] == U32));
  out->dtype = (uint8_t)out->attr.i[0];
  out->rank = a->rank;
  memcpy(out->axis, a->axis, sizeof out->axis);
  return true;
}

// ---------------------------------------------------------------- helpers of the rules
#define RULE(f) void grad_##f(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din)
#define FOLD(f) double fold_##f(const double *x, const Attr *attr)
#define A node_in(g, n, 0)
#define B node_in(g, n, 1)
#define C node_in(g, n, 2)
#define R n
#define GIVE(i, v)                                                  \
  do {                                                              \
    if (want[i]) din[i] = g_like(g, (v), node_in(g, n, (i)));       \
  } while (0)

static NodeId sub(Graph *g, NodeId a, NodeId b) { return g_map2(g, OP_SUB, a, b); }
static NodeId mul(Graph *g, NodeId a, NodeId b) { return g_map2(g, OP_MUL, a, b); }
static NodeId quo(Graph *g, NodeId a, NodeId b) { return g_map2(g, OP_DIV, a, b); }
static NodeId neg(Graph *g, NodeId a) { return g_map1(g, OP_NEG, a); }
static NodeId num(Graph *g, double v, NodeId like) { return g_const_like(g, v, like); }

// ---------------------------------------------------------------- arithmetic
FOLD(add) { (void)attr; return x[0] + x[1]; }
RULE(add) { GIVE(0, dy); GIVE(1, dy); }
FOLD(sub) { (void)attr; return x[0] - x[1]; }
RULE(sub) { GIVE(0, dy); GIVE(1, neg(g, dy)); }

FOLD(mul) { (void)attr; return x[0] * x[1]; }
RULE(mul) {
  if (A == B) {   // a square: 2·A·dy, once
    GIVE(0, mul(g, dy, mul(g, num(g, 2, A), A)));
    return;
  }
  GIVE(0, mul(g, dy, B));
  GIVE(1, mul(g, dy, A));
}

FOLD(div) { (void)attr; return x[0] / x[1]; }
RULE(div) {
  GIVE(0, quo(g, dy, B));
  GIVE(1, neg(g, quo(g, mul(g, dy, R), B)));
}

FOLD(fma) { (void)attr; return fma(x[0], x[1], x[2]); }
RULE(fma) {
  GIVE(0, mul(g, dy, B));
  GIVE(1, mul(g, dy, A));
  GIVE(2, dy);
}

FOLD(neg) { (void)attr; return -x[0]; }
RULE(neg) { GIVE(0, neg(g, dy)); }
FOLD(abs) { (void)attr; return fabs(x[0]); }
RULE(abs) {   // 0 at 0
  NodeId zero = num(g, 0, A);
  NodeId above = g_select(g, g_map2(g, OP_LT, zero, A), dy, zero), down = neg(g, dy);
  GIVE(0, g_select(g, g_map2(g, OP_LT, A, zero), down, above));
}

// min and max: at a tie the gradient goes to A
FOLD(min) { (void)attr; return x[0] < x[1] ? x[0] : x[1]; }
FOLD(max) { (void)attr; return x[0] > x[1] ? x[0] : x[1]; }
RULE(minmax) {
  NodeId zero = num(g, 0, A);
  NodeId takes_b = node(g, n)->op == OP_MIN ? g_map2(g, OP_LT, B, A) : g_map2(g, OP_LT, A, B);
  GIVE(0, g_select(g, takes_b, zero, dy));
  GIVE(1, g_select(g, takes_b, dy, zero));
}

// ---------------------------------------------------------- functions of one variable, by their output where that is cheap
FOLD(exp) { (void)attr; return exp(x[0]); }
RULE(exp) { GIVE(0, mul(g, dy, R)); }
FOLD(log) { (void)attr; return log(x[0]); }
RULE(log) { GIVE(0, quo(g, dy, A)); }
FOLD(sqrt) { (void)attr; return sqrt(x[0]); }
RULE(sqrt) { GIVE(0, quo(g, mul(g, dy, num(g, 0.5, A)), R)); }
FOLD(recip) { (void)attr; return 1 / x[0]; }
RULE(recip) { GIVE(0, neg(g, mul(g, dy, mul(g, R, R)))); }

FOLD(relu) { (void)attr; return x[0] > 0 ? x[0] : 0; }
RULE(relu) {
  NodeId zero = num(g, 0, R);
  GIVE(0, g_select(g, g_map2(g, OP_LT, zero, R), dy, zero));
}

FOLD(sigmoid) {
  (void)attr;
  double e = exp(-fabs(x[0]));
  return x[0] >= 0 ? 1 / (1 + e) : e / (1 + e);
}
RULE(sigmoid) { GIVE(0, mul(g, dy, mul(g, R, sub(g, num(g, 1, R), R)))); }   // dy·R·(1 − R)

FOLD(tanh) { (void)attr; return tanh(x[0]); }
RULE(tanh) {   // dy·(1 − R²)
  NodeId one = num(g, 1, R);
  GIVE(0, mul(g, dy, sub(g, one, mul(g, R, R))));
}

FOLD(floor) { (void)attr; return floor(x[0]); }

FOLD(softplus) { (void)attr; return (x[0] > 0 ? x[0] : 0) + log1p(exp(-fabs(x[0]))); }
RULE(softplus) { GIVE(0, mul(g, dy, g_map1(g, OP_SIGMOID, A))); }

FOLD(random) { (void)attr; return random_uniform01((uint32_t)x[0], (uint32_t)x[1], x[2]); }

// ---------------------------------------------------------------- comparison, choice, conversion
FOLD(lt) { (void)attr; return x[0] < x[1]; }
FOLD(le) { (void)attr; return x[0] <= x[1]; }
FOLD(eq) { (void)attr; return x[0] == x[1]; }
FOLD(not) { (void)attr; return x[0] == 0; }

FOLD(select) { (void)attr; return x[0] != 0 ? x[1] : x[2]; }
RULE(select) {
  NodeId zero = num(g, 0, B);
  GIVE(1, g_select(g, A, dy, zero));
  GIVE(2, g_select(g, A, zero, dy));
}

FOLD(stop) { (void)attr; return x[0]; }   // also of CAST: constants are kept as double
RULE(cast) { GIVE(0, g_cast(g, dy, (DType)node(g, A)->dtype)); }
