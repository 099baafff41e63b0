// test_graph.c: the graph against the interpreter: every op with a gradient and every loss by finite differences in double
// (first and second derivatives), optimizers against plain loops, tidy, printing, shape errors.
// The op and loss tests loop over the tables: a row without a case fails.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../src/graph/graph.h"
#include <math.h>

HostFn *const *const routines_used = host_rows;                // so that the interpreter finds them in this program

enum { N_ROWS = 5, WIDTH = 13, LENGTH = 12, ONE_ID = 2, LIST = 3, N_IDS = ONE_ID + LIST, N_LABELS = 3, MAX_SLOTS = 32, CLASSES = 4 };
static const Place nowhere;

// ---------------------------------------------------------------- a graph with random inputs
typedef struct {
  Arena *arena;
  Graph *g;
  InterpInput in;
  double **slots;                 // [MAX_SLOTS]
  int used;                       // columns of the dense input taken by per_row
  double lo, hi;                  // of new parameters
  uint64_t seed;
} Bench;

static double uniform(Bench *b, double lo, double hi) {
  b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
  return lo + (hi - lo) * (double)(b->seed >> 11) * 0x1p-53;
}

static double *numbers(Bench *b, int64_t n, double lo, double hi) {
  double *x = NEW_ARRAY(b->arena, double, n);
  for (int64_t i = 0; i < n; i++) x[i] = uniform(b, lo, hi);
  return x;
}

static Bench bench_new(uint64_t seed, Diag *d) {
  Bench b = {.arena = arena_new(), .lo = -1.5, .hi = 1.5, .seed = seed};
  b.g = graph_new(b.arena, F64, 8, d);
  b.slots = NEW_ARRAY(b.arena, double *, MAX_SLOTS);
  uint32_t *ids = NEW_ARRAY(b.arena, uint32_t, N_ROWS * N_IDS);
  for (int i = 0; i < N_ROWS * N_IDS; i++) ids[i] = (uint32_t)(uniform(&b, 0, 3));   // below 3: rows share ids
  double *y = numbers(&b, N_LABELS * N_ROWS, 0.2, 1), *w = numbers(&b, N_LABELS * N_ROWS, 0.5, 1);
  for (int i = 0; i < N_ROWS; i++) {
    y[N_ROWS + i] = i % 2;                                  // label 1: binary
    y[2 * N_ROWS + i] = (double)((i * 3) % CLASSES);        // label 2: class
  }
  double *dense = numbers(&b, N_ROWS * WIDTH, 0.5, 1.5);
  for (int i = 0; i < N_ROWS; i++) dense[i * WIDTH + LENGTH] = i % (LIST + 1);   // of the list in the last LIST ids
  b.in = (InterpInput){N_ROWS, dense, ids, y, w, WIDTH, N_IDS, N_LABELS, 1, 0.1, b.slots, 0, 0};
  return b;
}

static NodeId param(Bench *b, int rank, int64_t d0, int64_t d1, int64_t d2) {
  int64_t size[] = {d0, d1, d2}, total = 1;
  AxisId axis[3];
  for (int i = 0; i < rank; i++) axis[i] = axis_fixed(b->g, size[i]), total *= size[i];
  char path[16];
  snprintf(path, sizeof path, "p%d", b->g->slots.n);
  int slot = graph_slot(b->g, path, SLOT_PARAM, F64, rank, axis, (Init){0}, nowhere);
  b->slots[slot] = numbers(b, total, b->lo, b->hi);
  return g_read(b->g, slot);
}

// [rows, n]: columns of the input times a parameter, so that its adjoint is visible
static NodeId per_row(Bench *b, int64_t n) {
  NodeId x = g_dense(b->g, b->used, n);
  b->used += (int)n;
  return g_map2(b->g, OP_MUL, x, param(b, 1, n, 0, 0));
}

// A scalar in which every element of v has another weight.
static NodeId weighted_sum(Bench *b, NodeId v) {
  Graph *g = b->g;
  int rank = node(g, v)->rank, rows = has_rows(g, v);
  int64_t size[3] = {0};
  for (int i = rows; i < rank; i++) size[i - rows] = axis_size(g, node(g, v)->axis[i]);
  double lo = b->lo, hi = b->hi;
  b->lo = 0.5, b->hi = 2;
  if (!rows || rank > 1) v = g_map2(g, OP_MUL, v, param(b, rank - rows, size[0], size[1], size[2]));
  b->lo = lo, b->hi = hi;
  if (rows) {
    NodeId per = g_column(g, OP_LABEL, 0);
    for (int i = 1; i < rank; i++) per = g_expand(g, per, -1);
    v = g_map2(g, OP_MUL, v, per);
  }
  while (node(g, v)->rank) v = g_sum(g, v, -1);
  return v;
}

static double value(Bench *b, NodeId scalar) {
  Arena *a = arena_new();
  double v = interp(b->g, scalar, &b->in, a)[0];
  arena_free(a);
  return v;
}

static void assert_close(double got, double want, double atol, double rtol, const char *what) {
  if (fabs(got - want) <= atol + rtol * fabs(want)) return;
  fail_msg("%s: %.12g, expected %.12g", what, got, want);
}

// d of/d slot for all slots below n_slots, against central differences.
static int check_gradients(Bench *b, NodeId of, int n_slots, const char *what) {
  NodeId wrt[MAX_SLOTS] = {0}, d[MAX_SLOTS];
  const double eps = 1e-6;
  int reached = 0;
  for (int i = 0; i < n_slots; i++) wrt[i] = g_read(b->g, i);
  grad(b->g, of, wrt, n_slots, d);
  graph_check(b->g);
  for (int i = 0; i < n_slots; i++) {
    double *got = d[i] ? interp(b->g, d[i], &b->in, b->arena) : NULL;
    reached += d[i] != 0;
    for (int64_t k = 0; k < item_elements(b->g, wrt[i]); k++) {
      double keep = b->slots[i][k], up, down;
      b->slots[i][k] = keep + eps, up = value(b, of);
      b->slots[i][k] = keep - eps, down = value(b, of);
      b->slots[i][k] = keep;
      assert_close(got ? got[k] : 0, (up - down) / (2 * eps), 1e-5, 1e-3, what);
    }
  }
  return reached;
}

// A scalar made of the gradients of `of`, to be differentiated again; 0 where there is none.
static NodeId gradient_scalar(Bench *b, NodeId of, int n_slots) {
  NodeId wrt[MAX_SLOTS] = {0}, d[MAX_SLOTS], sum = 0;
  for (int i = 0; i < n_slots; i++) wrt[i] = g_read(b->g, i);
  grad(b->g, of, wrt, n_slots, d);
  for (int i = 0; i < n_slots; i++) {
    if (!d[i]) continue;
    NodeId s = weighted_sum(b, g_map2(b->g, OP_MUL, d[i], d[i]));
    sum = sum ? g_map2(b->g, OP_ADD, sum, s) : s;
  }
  return sum;
}

// tidy keeps values.
static void check_tidy(Bench *b, NodeId scalar, const char *what) {
  graph_out(b->g, "scalar", scalar);
  Graph *t = tidy(b->g, (const char *[]){"scalar"}, 1);
  graph_check(t);
  for (NodeId n = 1; n < (NodeId)t->nodes.n; n++) assert_int_not_equal(node(t, n)->op, OP_STOP);
  double got = interp(t, t->roots.data[0].value, &b->in, b->arena)[0];
  assert_close(got, value(b, scalar), 1e-12, 1e-12, what);
}

// ---------------------------------------------------------------- every op
// A case gives the op's node for a variant, 0 after the last one.
typedef NodeId Case(Bench *b, OpId op, int variant);

static NodeId case_unary(Bench *b, OpId op, int variant) {
  if (variant > 1) return 0;
  return g_map1(b->g, op, variant ? per_row(b, 3) : param(b, 2, 3, 4, 0));
}

static NodeId case_binary(Bench *b, OpId op, int variant) {
  NodeId x, y;
  switch (variant) {
  case 0: x = param(b, 2, 3, 4, 0), y = param(b, 2, 3, 4, 0); break;
  case 1: x = param(b, 2, 3, 4, 0), y = param(b, 1, 4, 0, 0); break;
  case 2: x = param(b, 2, 3, 1, 0), y = param(b, 2, 1, 4, 0); break;
  case 3: x = per_row(b, 4), y = param(b, 1, 4, 0, 0); break;
  case 4: x = per_row(b, 1), y = per_row(b, 4); break;
  case 5: x = param(b, 0, 0, 0, 0), y = per_row(b, 4); break;
  case 6: x = y = param(b, 1, 4, 0, 0); break;
  case 7: x = g_reshape(b->g, per_row(b, 1), 0, NULL), y = param(b, 1, 4, 0, 0); break;   // [rows] + [4]: rows set aside
  default: return 0;
  }
  return g_map2(b->g, op, x, y);
}

static NodeId case_fma(Bench *b, OpId op, int variant) {
  if (variant > 1) return 0;
  if (variant) return g_map3(b->g, op, per_row(b, 3), param(b, 0, 0, 0, 0), param(b, 1, 3, 0, 0));
  return g_map3(b->g, op, param(b, 2, 2, 3, 0), param(b, 1, 3, 0, 0), param(b, 2, 2, 1, 0));
}

static NodeId case_select(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant > 1) return 0;
  NodeId cond = g_map2(b->g, OP_LT, g_dense(b->g, 8, 4), g_const(b->g, 1));
  if (variant) return g_select(b->g, cond, param(b, 0, 0, 0, 0), per_row(b, 4));
  return g_select(b->g, cond, per_row(b, 4), param(b, 1, 4, 0, 0));
}

static NodeId case_cast(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant > 0) return 0;
  NodeId x = g_cast(b->g, param(b, 1, 3, 0, 0), F32);
  return g_cast(b->g, g_map2(b->g, OP_MUL, x, x), F64);
}

static NodeId case_reduce(Bench *b, OpId op, int variant) {
  if (variant > 4) return 0;
  NodeId x = variant < 3 ? param(b, 3, 2, 3, 4) : per_row(b, 4);
  int axis = variant < 3 ? variant : variant - 3;
  return graph_add(b->g, op, &x, 1, (Attr){.i = {axis}}, nowhere);
}

static NodeId case_dot(Bench *b, OpId op, int variant) {
  (void)op;
  switch (variant) {
  case 0: return g_dot(b->g, per_row(b, 3), param(b, 2, 3, 4, 0), "rk,kn>rn");
  case 1: return g_dot(b->g, per_row(b, 3), param(b, 3, 3, 2, 4), "rk,ken>ren");
  case 2: return g_dot(b->g, param(b, 2, 2, 3, 0), param(b, 2, 4, 3, 0), "kp,lp>kl");
  case 3: return g_dot(b->g, per_row(b, 3), per_row(b, 2), "rk,rn>kn");
  case 4: return g_dot(b->g, param(b, 1, 3, 0, 0), param(b, 1, 3, 0, 0), "k,k>");
  case 5: {
    NodeId x = param(b, 2, 3, 3, 0);
    return g_dot(b->g, x, x, "ij,jk>ik");
  }
  default: return 0;
  }
}

static NodeId list_of_ids(Bench *b) { return g_ids(b->g, ONE_ID, LIST, LENGTH); }

static NodeId case_gather(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant > 3) return 0;
  NodeId table = variant == 3 ? param(b, 1, 4, 0, 0) : param(b, 2, 4, 3, 0);
  return g_gather(b->g, table, variant < ONE_ID ? g_column(b->g, OP_IDS, variant) : list_of_ids(b));
}

static NodeId case_spread(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant > 3) return 0;
  NodeId x = per_row(b, 3);
  if (variant == 3) x = g_map2(b->g, OP_MUL, g_expand(b->g, x, 2), param(b, 2, LIST, 2, 0));
  return g_spread(b->g, x, variant < ONE_ID ? g_column(b->g, OP_IDS, variant) : list_of_ids(b), axis_fixed(b->g, 4));
}

// Rows of two tables of 4, one below the other: u32 [rows, 2].
static NodeId two_ids(Bench *b) {
  NodeId in[2];
  for (int i = 0; i < 2; i++) {
    NodeId id = g_cast(b->g, g_expand(b->g, g_column(b->g, OP_IDS, i), 1), (DType)b->g->dtype), above = g_const(b->g, i * 4);
    in[i] = g_cast(b->g, g_map2(b->g, OP_ADD, id, above), U32);
  }
  return g_concat(b->g, in, 2, 1);
}

static NodeId case_bag(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant > 1) return 0;
  NodeId table = param(b, 2, 8, 3, 0), ids = two_ids(b);
  if (!variant) return g_bag(b->g, table, ids);
  NodeId x = per_row(b, 2), w = param(b, 2, 2, 3, 0);
  return g_bag_and_product(b->g, table, ids, x, w);
}

static NodeId case_spread_bag(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant > 0) return 0;
  NodeId x = per_row(b, 3);
  return g_spread_bag(b->g, x, two_ids(b), axis_fixed(b->g, 8));
}

static NodeId case_concat(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant > 2) return 0;
  NodeId same = per_row(b, 2);
  if (variant == 0) return g_concat(b->g, (NodeId[]){same, per_row(b, 3), same}, 3, 1);
  if (variant == 1) return g_concat(b->g, (NodeId[]){param(b, 2, 2, 3, 0), param(b, 2, 1, 3, 0)}, 2, 0);
  return g_concat(b->g, (NodeId[]){param(b, 3, 2, 1, 2), param(b, 3, 2, 2, 2)}, 2, 1);
}

static NodeId case_slice(Bench *b, OpId op, int variant) {
  (void)op;
  NodeId x, low, high;
  switch (variant) {
  case 0: return g_slice(b->g, per_row(b, 4), 1, 1, 3);
  case 1: return g_slice(b->g, param(b, 2, 4, 3, 0), 0, 2, 4);
  case 2:   // pieces that tile, pieces with gaps, pieces that overlap
    x = per_row(b, 6);
    return g_map2(b->g, OP_MUL, g_slice(b->g, x, 1, 0, 3), g_slice(b->g, x, 1, 3, 6));
  case 3:
    x = per_row(b, 6);
    return g_map2(b->g, OP_MUL, g_slice(b->g, x, 1, 4, 5), g_slice(b->g, x, 1, 1, 3));
  case 4:
    x = per_row(b, 6);
    low = g_slice(b->g, x, 1, 0, 4), high = g_slice(b->g, x, 1, 2, 6);
    return g_map2(b->g, OP_MUL, low, g_map2(b->g, OP_ADD, high, low));
  case 5:   // whole and in pieces
    x = param(b, 2, 2, 4, 0);
    return g_map2(b->g, OP_MUL, x, g_concat(b->g, (NodeId[]){g_slice(b->g, x, 1, 2, 4), g_slice(b->g, x, 1, 0, 2)}, 2, 1));
  default: return 0;
  }
}

static NodeId case_pad(Bench *b, OpId op, int variant) {
  (void)op;
  return variant == 0 ? g_pad(b->g, per_row(b, 2), 1, 1, 2) : variant == 1 ? g_pad(b->g, param(b, 2, 2, 3, 0), 0, 0, 1) : 0;
}

static NodeId case_transpose(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant > 1) return 0;
  if (variant) return g_transpose(b->g, g_dot(b->g, per_row(b, 2), param(b, 2, 3, 4, 0), "ra,bc>rabc"), (int[]){0, 3, 1, 2});
  return g_transpose(b->g, param(b, 3, 2, 3, 4), (int[]){2, 0, 1});
}

static NodeId case_reshape(Bench *b, OpId op, int variant) {
  (void)op;
  AxisId two = axis_fixed(b->g, 2), six = axis_fixed(b->g, 6);
  if (variant == 0) return g_reshape(b->g, per_row(b, 4), 2, (AxisId[]){two, two});
  return variant == 1 ? g_reshape(b->g, param(b, 3, 2, 3, 2), 2, (AxisId[]){six, two}) : 0;
}

static NodeId case_broadcast(Bench *b, OpId op, int variant) {
  (void)op;
  AxisId two = axis_fixed(b->g, 2), four = axis_fixed(b->g, 4);
  if (variant == 0) return g_broadcast(b->g, param(b, 1, 4, 0, 0), 2, (AxisId[]){AXIS_OF_ROWS, four});
  if (variant == 1) return g_broadcast(b->g, per_row(b, 1), 3, (AxisId[]){AXIS_OF_ROWS, two, four});
  return variant == 2 ? g_broadcast(b->g, param(b, 2, 2, 1, 0), 2, (AxisId[]){two, four}) : 0;
}

// Its gradient's gradient is checked too; there is no third.
static NodeId case_pairs(Bench *b, OpId op, int variant) {
  static const struct { PairKind kind; double margin; } variants[] = {{PAIR_LOGISTIC, 0}, {PAIR_HINGE, 0.5}};
  if (variant >= COUNT_OF(variants)) return 0;
  NodeId score = g_drop(b->g, per_row(b, 1), 1), y = g_column(b->g, OP_LABEL, 0), known = g_map2(b->g, OP_EQ, y, y);
  const NodeId in[] = {score, y, known, g_column(b->g, OP_LABEL, 1)};
  Attr attr = {.i = {variants[variant].kind, 0}, .f = variants[variant].margin};
  return g_slice(b->g, graph_add(b->g, op, in, 4, attr, (Place){0}), 1, 0, 1);
}

static Case *const by_kind[] = {[KIND_MAP] = case_unary, [KIND_REDUCE] = case_reduce};
static Case *const by_op[N_OPS] = {
    [OP_FMA] = case_fma,       [OP_SELECT] = case_select, [OP_CAST] = case_cast,     [OP_DOT] = case_dot,
    [OP_GATHER] = case_gather, [OP_SPREAD] = case_spread, [OP_CONCAT] = case_concat, [OP_SLICE] = case_slice,
    [OP_PAD] = case_pad,       [OP_TRANSPOSE] = case_transpose, [OP_RESHAPE] = case_reshape, [OP_BROADCAST] = case_broadcast,
    [OP_PAIRS] = case_pairs,   [OP_BAG] = case_bag,       [OP_SPREAD_BAG] = case_spread_bag,
};

static Case *case_of(OpId op) {
  if (by_op[op]) return by_op[op];
  if (op_rows[op].kind == KIND_MAP && op_rows[op].arity == 2) return case_binary;
  return op_rows[op].kind < COUNT_OF(by_kind) ? by_kind[op_rows[op].kind] : NULL;
}

// true: there was such a variant
static bool check_op(OpId op, int variant) {
  Bench b = bench_new((uint64_t)op * 100 + (uint64_t)variant, NULL);
  bool positive = op == OP_LOG || op == OP_SQRT || op == OP_RECIP || op == OP_DIV;
  if (positive) b.lo = 0.4, b.hi = 2;
  char what[64];
  snprintf(what, sizeof what, "%s, variant %d", op_rows[op].name, variant);
  NodeId v = case_of(op)(&b, op, variant);
  if (v) {
    int n_slots = b.g->slots.n;
    NodeId once = weighted_sum(&b, v);
    assert_true(check_gradients(&b, once, n_slots, what) > 0);
    NodeId twice = gradient_scalar(&b, once, n_slots);
    check_gradients(&b, twice, n_slots, what);
    check_tidy(&b, twice, what);
  }
  arena_free(b.arena);
  return v != 0;
}

static void test_every_op(void **state) {
  (void)state;
  for (OpId op = 0; op < N_OPS; op++) {
    if (!op_rows[op].grad) continue;
    if (!case_of(op)) fail_msg("%s has a gradient and no case", op_rows[op].name);
    int n = 0;
    while (check_op(op, n)) n++;
    assert_true(n > 0);
  }
}

// ---------------------------------------------------------------- values of ops that the gradient test cannot see
static void test_values(void **state) {
  (void)state;
  const struct { OpId op; double x[3], want; } rows[] = {
      {OP_LT, {1, 2}, 1},           {OP_LT, {2, 2}, 0},          {OP_LE, {2, 2}, 1},         {OP_EQ, {2, 2}, 1},
      {OP_EQ, {2, 3}, 0},           {OP_NOT, {0}, 1},            {OP_NOT, {5}, 0},           {OP_SELECT, {0, NAN, 3}, 3},
      {OP_SELECT, {1, 4, NAN}, 4},  {OP_RELU, {-1}, 0},          {OP_RELU, {2}, 2},          {OP_SIGMOID, {-800}, 0},
      {OP_SIGMOID, {0}, 0.5},       {OP_SOFTPLUS, {800}, 800},   {OP_SOFTPLUS, {-800}, 0},   {OP_MIN, {1, 2}, 1},
      {OP_MAX, {1, 2}, 2},          {OP_FMA, {2, 3, 4}, 10},     {OP_STOP, {3}, 3},          {OP_ABS, {-3}, 3},
  };
  for (int i = 0; i < COUNT_OF(rows); i++) assert_true(op_rows[rows[i].op].fold(rows[i].x, &(Attr){0}) == rows[i].want);
}

static void test_amax_shares_ties(void **state) {
  (void)state;
  Bench b = bench_new(1, NULL);
  NodeId p = param(&b, 1, 4, 0, 0), d;
  memcpy(b.slots[0], (double[]){3, 1, 3, 2}, 4 * sizeof(double));
  grad(b.g, g_max(b.g, p, 0), &p, 1, &d);
  double *got = interp(b.g, d, &b.in, b.arena);
  assert_true(got[0] == 0.5 && got[1] == 0 && got[2] == 0.5 && got[3] == 0);
  arena_free(b.arena);
}

// ---------------------------------------------------------------- losses
typedef struct { const char *loss; NodeId (*head)(Bench *b); int label; } LossCase;
static NodeId logit(Bench *b) { return g_dot(b->g, per_row(b, 3), param(b, 2, 3, 1, 0), "rk,kn>rn"); }
static NodeId logits(Bench *b) { return g_dot(b->g, per_row(b, 3), param(b, 2, 3, CLASSES, 0), "rk,kn>rn"); }
static NodeId head_sigmoid(Bench *b) { return g_map1(b->g, OP_SIGMOID, logit(b)); }
static NodeId head_flat(Bench *b) { return g_drop(b->g, head_sigmoid(b), 1); }
static NodeId head_product(Bench *b) {
  NodeId first = head_sigmoid(b);
  return g_map2(b->g, OP_MUL, first, head_sigmoid(b));
}
static NodeId head_softmax(Bench *b) { return g_softmax(b->g, logits(b)); }
static NodeId head_mixed(Bench *b) {
  NodeId first = head_softmax(b), half = g_const(b->g, 0.5);
  return g_map2(b->g, OP_MUL, g_map2(b->g, OP_ADD, first, head_softmax(b)), half);
}
static NodeId head_exp(Bench *b) { return g_map1(b->g, OP_EXP, logit(b)); }
static NodeId head_softplus(Bench *b) { return g_map1(b->g, OP_SOFTPLUS, logit(b)); }
static NodeId head_three(Bench *b) { return g_dot(b->g, per_row(b, 3), param(b, 2, 3, 3, 0), "rk,kn>rn"); }
static const LossCase loss_cases[] = {
    {"focal", head_sigmoid, 1}, {"focal", head_product, 1}, {"huber", logit, 0}, {"huber", head_exp, 1},
    {"quantile", logit, 0}, {"log_cosh", logit, 0}, {"poisson", head_exp, 0}, {"poisson", head_softplus, 1}, {"tweedie", head_exp, 0},
    {"tweedie", head_softplus, 1}, {"ziln", head_three, 0}, {"ziln", head_three, 1},
    {"bce", head_sigmoid, 1},  {"bce", head_flat, 1}, {"bce", head_product, 1}, {"cross_entropy", head_softmax, 2},
    {"cross_entropy", head_mixed, 2}, {"mse", logit, 0}, {"mse", head_sigmoid, 1},  {"mae", logit, 0},
    {"bpr", logit, 0}, {"bpr", head_sigmoid, 1}, {"pairwise", logit, 0}, {"pairwise", head_sigmoid, 1},
};

// Over all pairs of the rows, of which all are known and in one group.
static double pairs_by_hand(const LossCase *c, const double *p, const double *y, int row) {
  double sum = 0;
  for (int j = 0; j < N_ROWS; j++) {
    bool logit = c->head == head_sigmoid;
    double d = logit ? log(p[row] / (1 - p[row])) - log(p[j] / (1 - p[j])) : p[row] - p[j];
    if (y[row] > y[j]) sum += strcmp(c->loss, "bpr") == 0 ? log1p(exp(-d)) : fmax(0, 1 - d);
  }
  return sum;
}

static double ziln_by_hand(const double *x, double y) {
  double p = 1 / (1 + exp(-x[0])), sigma = fmax(log1p(exp(x[2])), 1e-3);
  if (y <= 0) return -log(1 - p);
  double d = (log(y) - x[1]) / sigma;
  return -log(p) + log(y * sigma * sqrt(2 * M_PI)) + d * d / 2;
}

// Plain definitions, with the defaults of losses.def.
static double loss_by_hand(const char *name, const double *p, double y) {
  double d = fabs(p[0] - y), right = y != 0 ? p[0] : 1 - p[0];
  if (strcmp(name, "focal") == 0) return -(y != 0 ? 0.25 : 0.75) * pow(1 - right, 2) * log(right);
  if (strcmp(name, "huber") == 0) return d <= 1 ? d * d / 2 : d - 0.5;
  if (strcmp(name, "quantile") == 0) return d / 2;
  if (strcmp(name, "log_cosh") == 0) return log(cosh(d));
  if (strcmp(name, "poisson") == 0) return p[0] - y * log(p[0]);
  if (strcmp(name, "tweedie") == 0) return 2 * sqrt(p[0]) + 2 * y / sqrt(p[0]);
  if (strcmp(name, "ziln") == 0) return ziln_by_hand(p, y);
  if (strcmp(name, "bce") == 0) return -(y * log(p[0]) + (1 - y) * log(1 - p[0]));
  if (strcmp(name, "cross_entropy") == 0) return -log(p[(int)y]);
  return strcmp(name, "mse") == 0 ? (p[0] - y) * (p[0] - y) : fabs(p[0] - y);
}

static void check_loss(const LossCase *c, int row) {
  Bench b = bench_new(77 + (uint64_t)row, NULL);
  NodeId head = c->head(&b), y = g_column(b.g, OP_LABEL, c->label);
  int n_slots = b.g->slots.n;
  NodeId l = loss_build(b.g, row, head, y, NULL);
  assert_true(same_shape(b.g, l, y));
  double *got = interp(b.g, l, &b.in, b.arena), *p = interp(b.g, head, &b.in, b.arena);
  int64_t width = item_elements(b.g, head);
  const double *labels = b.in.y + c->label * N_ROWS;
  bool pairs = loss_rows[row].flags & LOSS_PAIRS;
  for (int r = 0; r < N_ROWS; r++)
    assert_close(got[r], pairs ? pairs_by_hand(c, p, labels, r) : loss_by_hand(c->loss, p + r * width, labels[r]), 1e-12, 1e-12, c->loss);
  NodeId once = weighted_sum(&b, l);
  assert_true(check_gradients(&b, once, n_slots, c->loss) == n_slots);
  NodeId twice = gradient_scalar(&b, once, n_slots);
  check_gradients(&b, twice, n_slots, c->loss);
  check_tidy(&b, twice, c->loss);
  arena_free(b.arena);
}

static int loss_row(const char *name) {
  for (int i = 0; i < n_loss_rows; i++)
    if (strcmp(loss_rows[i].name, name) == 0) return i;
  fail_msg("no loss %s", name);
  return -1;
}

static void test_every_loss(void **state) {
  (void)state;
  for (int row = 0; row < n_loss_rows; row++) {
    int n = 0;
    for (int i = 0; i < COUNT_OF(loss_cases); i++) {
      if (strcmp(loss_cases[i].loss, loss_rows[row].name) != 0) continue;
      check_loss(&loss_cases[i], row);
      n++;
    }
    if (!n) fail_msg("loss %s has no case", loss_rows[row].name);
  }
}

// Logits of ±1000: the loss is finite and right where the probability is 0 in any precision.
static void test_losses_are_stable(void **state) {
  (void)state;
  Bench b = bench_new(5, NULL);
  NodeId scale = param(&b, 0, 0, 0, 0), y = g_column(b.g, OP_LABEL, 1), d[2];
  b.slots[0][0] = 1000;
  NodeId z = g_map2(b.g, OP_MUL, g_dense(b.g, 0, 1), scale);
  NodeId l = loss_build(b.g, loss_row("bce"), g_map1(b.g, OP_SIGMOID, z), y, NULL);
  double *got = interp(b.g, l, &b.in, b.arena);
  for (int r = 0; r < N_ROWS; r++) assert_close(got[r], r % 2 ? 0 : 1000 * b.in.dense[r * WIDTH], 1e-9, 1e-12, "bce");

  NodeId zs = g_map2(b.g, OP_MUL, g_dense(b.g, 0, CLASSES), scale), match;
  NodeId p = g_softmax(b.g, zs);
  assert_true(match_softmax(b.g, p, &match) && match == zs);
  assert_false(match_softmax(b.g, zs, &match));
  l = loss_build(b.g, loss_row("cross_entropy"), p, g_column(b.g, OP_LABEL, 2), NULL);
  got = interp(b.g, l, &b.in, b.arena);
  grad(b.g, g_sum(b.g, l, 0), &scale, 1, d);
  double slope = interp(b.g, d[0], &b.in, b.arena)[0];
  for (int r = 0; r < N_ROWS; r++) {   // e^-1000 is nothing beside 1: log Σ e^z is the largest z, but for near ties
    const double *x = b.in.dense + r * WIDTH;
    double top = x[0], sum = 0;
    for (int k = 1; k < CLASSES; k++) top = fmax(top, x[k]);
    for (int k = 0; k < CLASSES; k++) sum += exp(1000 * (x[k] - top));
    assert_close(got[r], 1000 * (top - x[(int)b.in.y[2 * N_ROWS + r]]) + log(sum), 1e-9, 1e-12, "cross_entropy");
  }
  assert_true(isfinite(slope));
  arena_free(b.arena);
}

// ---------------------------------------------------------------- optimizers against plain loops
enum { N_W = 3, STEPS = 6 };
typedef struct { double m[N_W], v[N_W], most[N_W]; } OptState;
static double length(const double *x) {
  double sum = 0;
  for (int i = 0; i < N_W; i++) sum += x[i] * x[i];
  return sqrt(sum);
}

// m, v: z, n.
static void ftrl_by_hand(const double *a, double lr, double *p, double g, double *z, double *n) {
  if (*n == 0) *z = -(*p * (a[1] / lr + a[3]) + (*p > 0 ? a[2] : *p < 0 ? -a[2] : 0));
  double more = *n + g * g;
  *z += g - (sqrt(more) - sqrt(*n)) / lr * *p;
  *n = more;
  *p = fabs(*z) <= a[2] ? 0 : -(*z - copysign(a[2], *z)) / ((a[1] + sqrt(*n)) / lr + a[3]);
}

static void lamb_by_hand(const double *a, int t, double lr, double *p, const double *g, OptState *s) {
  double u[N_W];
  for (int i = 0; i < N_W; i++) {
    s->m[i] = a[1] * s->m[i] + (1 - a[1]) * g[i];
    s->v[i] = a[2] * s->v[i] + (1 - a[2]) * g[i] * g[i];
    u[i] = s->m[i] / (1 - pow(a[1], t)) / (sqrt(s->v[i] / (1 - pow(a[2], t))) + a[3]) + a[4] * p[i];
  }
  double trust = length(p) / length(u);
  for (int i = 0; i < N_W; i++) p[i] -= lr * trust * u[i];
}

static void step_by_hand(const char *name, const double *a, int t, double lr, double *p, const double *g, OptState *s) {
  if (strcmp(name, "lamb") == 0) {
    lamb_by_hand(a, t, lr, p, g, s);
    return;
  }
  for (int i = 0; i < N_W; i++) {
    if (strcmp(name, "sgd") == 0) {
      p[i] -= lr * g[i];
    } else if (strcmp(name, "ftrl") == 0) {
      ftrl_by_hand(a, lr, &p[i], g[i], &s->m[i], &s->v[i]);
    } else if (strcmp(name, "nesterov") == 0) {
      s->m[i] = a[1] * s->m[i] + g[i];
      p[i] -= lr * (g[i] + a[1] * s->m[i]);
    } else if (strcmp(name, "adagrad") == 0 || strcmp(name, "rowwise_adagrad") == 0) {   // of one axis: rows of one element
      s->v[i] += g[i] * g[i];
      p[i] -= lr * g[i] / (sqrt(s->v[i]) + a[1]);
    } else if (strcmp(name, "rmsprop") == 0) {
      s->v[i] = a[1] * s->v[i] + (1 - a[1]) * g[i] * g[i];
      s->m[i] = a[3] * s->m[i] + g[i] / (sqrt(s->v[i]) + a[2]);
      p[i] -= lr * s->m[i];
    } else if (strcmp(name, "momentum") == 0) {
      s->m[i] = a[1] * s->m[i] + g[i];
      p[i] -= lr * (a[2] != 0 ? g[i] + a[1] * s->m[i] : s->m[i]);
    } else {
      if (strcmp(name, "adamw") == 0) p[i] *= 1 - lr * a[4];
      s->m[i] = a[1] * s->m[i] + (1 - a[1]) * g[i];
      s->v[i] = a[2] * s->v[i] + (1 - a[2]) * g[i] * g[i];
      double m = s->m[i] / (1 - pow(a[1], t)), v = s->v[i] / (1 - pow(a[2], t));
      s->most[i] = fmax(s->most[i], s->v[i]);
      if (strcmp(name, "amsgrad") == 0) v = s->most[i] / (1 - pow(a[2], t));
      p[i] -= lr * m / (sqrt(v) + a[3]);
    }
  }
}

static int optimizer(const char *name) {
  for (int i = 0; i < n_optim_rows; i++)
    if (strcmp(optim_rows[i].name, name) == 0) return i;
  fail_msg("no optimizer %s", name);
  return -1;
}

// at, value: an argument that is not as by default; at 0: none.
static void check_optimizer(int row, int at, double value) {
  const OptimRow *o = &optim_rows[row];
  Bench b = bench_new(9, NULL);
  double args[8], want[N_W];
  memcpy(args, o->def, sizeof args);
  if (at) args[at] = value;
  NodeId p = param(&b, 1, N_W, 0, 0), frozen = param(&b, 1, N_W, 0, 0), unreached = param(&b, 0, 0, 0, 0), d[3];
  b.g->slots.data[1].frozen = true;
  NodeId target = g_map2(b.g, OP_ADD, frozen, g_const(b.g, 3)), e = g_map2(b.g, OP_SUB, p, target);
  b.g->loss = g_sum(b.g, g_map2(b.g, OP_MUL, e, e), 0);
  grad(b.g, b.g->loss, (NodeId[]){p, frozen, unreached}, 3, d);
  assert_int_equal(d[2], 0);
  optim(b.g, row, args, (int[]){0, 1, 2}, d, 3);
  graph_check(b.g);
  Graph *g = tidy(b.g, NULL, 0);
  graph_check(g);
  for (int i = 3; i < g->slots.n; i++) {   // optimizer state
    const Slot *s = &g->slots.data[i];
    b.slots[i] = NEW_ARRAY(b.arena, double, N_W);
    for (int k = 0; k < N_W; k++) b.slots[i][k] = s->init.kind == INIT_ONES;
    assert_true(s->role == SLOT_OPT);
  }
  double *fixed = numbers(&b, N_W, 0, 0);
  memcpy(fixed, b.slots[1], N_W * sizeof(double));
  memcpy(want, b.slots[0], sizeof want);
  OptState s = {0};
  for (int t = 1; t <= STEPS; t++) {
    double gradient[N_W];
    b.in.lr = 0.1 / t;   // a schedule reaches every use
    for (int i = 0; i < N_W; i++) gradient[i] = 2 * (want[i] - (fixed[i] + 3));
    step_by_hand(o->name, args, t, b.in.lr, want, gradient, &s);
    interp_roots(g, &b.in, NULL, b.arena);
    for (int i = 0; i < N_W; i++) assert_close(b.slots[0][i], want[i], 1e-12, 1e-10, o->name);
  }
  assert_memory_equal(fixed, b.slots[1], N_W * sizeof(double));
  arena_free(b.arena);
}

static void test_every_optimizer(void **state) {
  (void)state;
  for (int row = 0; row < n_optim_rows; row++) check_optimizer(row, 0, 0);
  check_optimizer(optimizer("momentum"), 2, 1);
  check_optimizer(optimizer("rmsprop"), 3, 0.9);
  check_optimizer(optimizer("ftrl"), 2, 0.7);
  check_optimizer(optimizer("ftrl"), 3, 0.3);
}

// One step of sgd on two parameters, one of them frozen: by the norm of the other's gradient alone, and by value.
static void test_clipping(void **state) {
  (void)state;
  const Clip clips[] = {{CLIP_NONE, 0}, {CLIP_NORM, 0.5}, {CLIP_NORM, 1e6}, {CLIP_VALUE, 0.25}};
  for (int c = 0; c < COUNT_OF(clips); c++) {
    Bench b = bench_new(9, NULL);
    NodeId p = param(&b, 1, N_W, 0, 0), q = param(&b, 0, 0, 0, 0), frozen = param(&b, 1, N_W, 0, 0), d[3];
    b.g->slots.data[2].frozen = true;
    b.g->clip = clips[c];
    NodeId e = g_map2(b.g, OP_MUL, p, q), f = g_map2(b.g, OP_ADD, e, frozen);
    b.g->loss = g_sum(b.g, g_map2(b.g, OP_MUL, f, f), 0);
    grad(b.g, b.g->loss, (NodeId[]){p, q, frozen}, 3, d);
    optim(b.g, optimizer("sgd"), optim_rows[0].def, (int[]){0, 1, 2}, d, 3);
    double before[N_W + 1], g[N_W + 1], square = 0;
    for (int i = 0; i < N_W; i++) {
      before[i] = b.slots[0][i];
      double at = before[i] * b.slots[1][0] + b.slots[2][i];
      g[i] = 2 * at * b.slots[1][0];
      g[N_W] = (i ? g[N_W] : 0) + 2 * at * before[i];
    }
    before[N_W] = b.slots[1][0];
    for (int i = 0; i <= N_W; i++) square += g[i] * g[i];
    assert_true(square > 0.25);
    double factor = clips[c].kind == CLIP_NORM ? fmin(1, clips[c].bound / (sqrt(square) + 1e-6)) : 1;
    b.in.lr = 0.1;
    Graph *t = tidy(b.g, NULL, 0);
    interp_roots(t, &b.in, NULL, b.arena);
    for (int i = 0; i <= N_W; i++) {
      double want = factor * g[i];
      if (clips[c].kind == CLIP_VALUE) want = fmax(-clips[c].bound, fmin(clips[c].bound, want));
      assert_close(i < N_W ? b.slots[0][i] : b.slots[1][0], before[i] - 0.1 * want, 1e-12, 1e-12, "clip");
    }
    arena_free(b.arena);
  }
}

static void test_optimizer_state_names(void **state) {
  (void)state;
  Bench b = bench_new(9, NULL);
  NodeId p = param(&b, 1, N_W, 0, 0), d;
  grad(b.g, g_sum(b.g, g_map2(b.g, OP_MUL, p, p), 0), &p, 1, &d);
  optim(b.g, 2, optim_rows[2].def, (int[]){0}, &d, 1);
  const char *const want[] = {"p0", "adam.beta1_power", "adam.beta2_power", "p0:adam.m", "p0:adam.v"};
  assert_int_equal(b.g->slots.n, COUNT_OF(want));
  for (int i = 0; i < COUNT_OF(want); i++) assert_string_equal(b.g->slots.data[i].path, want[i]);
  arena_free(b.arena);
}

// ---------------------------------------------------------------- structure
static int count_op(const Graph *g, OpId op) {
  int n = 0;
  for (NodeId i = 1; i < (NodeId)g->nodes.n; i++) n += node(g, i)->op == op;
  return n;
}

static void test_equal_nodes_are_one(void **state) {
  (void)state;
  Bench b = bench_new(1, NULL);
  NodeId x = g_dense(b.g, 0, 4), y = g_map1(b.g, OP_RELU, x);
  assert_int_equal(y, g_map1(b.g, OP_RELU, x));
  assert_int_not_equal(y, g_map1(b.g, OP_TANH, x));
  assert_int_not_equal(g_const(b.g, 1), g_const(b.g, 2));
  assert_int_equal(g_const_of(b.g, 1, F64), g_const(b.g, 1));
  assert_int_not_equal(g_const_of(b.g, 1, F32), g_const(b.g, 1));
  NodeId ids[2000];
  for (int i = 0; i < 2000; i++) ids[i] = g_map2(b.g, OP_MUL, x, g_const(b.g, i));   // the table grows
  for (int i = 0; i < 2000; i++) assert_int_equal(ids[i], g_map2(b.g, OP_MUL, x, g_const(b.g, i)));
  assert_int_equal(g_map1(b.g, OP_RELU, 0), 0);
  graph_check(b.g);
  arena_free(b.arena);
}

// Slices that tile an axis: their adjoints become one concat, no sum of pads.
static void test_slices_join(void **state) {
  (void)state;
  Bench b = bench_new(3, NULL);
  NodeId p = param(&b, 2, 3, 6, 0), x = g_dot(b.g, g_dense(b.g, 0, 3), p, "rk,kn>rn"), sum = 0, d;
  for (int i = 2; i >= 0; i--) {
    NodeId part = g_map1(b.g, OP_TANH, g_slice(b.g, x, 1, 2 * i, 2 * i + 2));
    sum = sum ? g_map2(b.g, OP_MUL, sum, part) : part;
  }
  grad(b.g, weighted_sum(&b, sum), &p, 1, &d);
  graph_out(b.g, "d", d);
  Graph *t = tidy(b.g, NULL, 0);
  assert_int_equal(count_op(t, OP_PAD), 0);
  assert_int_equal(count_op(t, OP_CONCAT), 1);
  arena_free(b.arena);
}

// Nothing is built for a leaf that nobody asks for.
static void test_only_what_is_asked(void **state) {
  (void)state;
  Bench b = bench_new(3, NULL);
  NodeId w = param(&b, 2, 3, 2, 0), v = param(&b, 2, 2, 1, 0), d;
  NodeId h = g_map1(b.g, OP_RELU, g_dot(b.g, g_dense(b.g, 0, 3), w, "rk,kn>rn"));
  NodeId f = g_sum(b.g, g_sum(b.g, g_dot(b.g, h, v, "rk,kn>rn"), 1), 0);
  int dots = count_op(b.g, OP_DOT);
  grad(b.g, f, &v, 1, &d);
  assert_int_equal(count_op(b.g, OP_DOT), dots + 1);   // hᵀ·dy alone
  NodeId stopped = g_sum(b.g, g_sum(b.g, g_stop(b.g, h), 1), 0);
  grad(b.g, stopped, &w, 1, &d);
  assert_int_equal(d, 0);
  arena_free(b.arena);
}

static void test_tidy(void **state) {
  (void)state;
  Bench b = bench_new(3, NULL);
  Graph *g = b.g;
  NodeId dead = param(&b, 1, 2, 0, 0), p = param(&b, 2, 2, 3, 0), zero = g_const(g, 0), one = g_const(g, 1);
  NodeId x = g_map2(g, OP_ADD, g_map2(g, OP_MUL, one, p), zero);
  x = g_map2(g, OP_SUB, g_map2(g, OP_MUL, x, one), zero);
  x = g_transpose(g, g_transpose(g, x, (int[]){1, 0}), (int[]){1, 0});
  AxisId six = axis_fixed(g, 6), two = axis_fixed(g, 2), three = axis_fixed(g, 3);
  x = g_reshape(g, g_reshape(g, x, 1, &six), 2, (AxisId[]){two, three});
  x = g_stop(g, x);
  NodeId c = g_map2(g, OP_MUL, g_const(g, 2), g_map1(g, OP_NEG, g_const(g, 3)));
  graph_out(g, "head:a", x);
  graph_out(g, "head:b", c);
  graph_out(g, "sum:a", g_sum(g, dead, 0));
  graph_assign(g, 1, g_map1(g, OP_NEG, g_map1(g, OP_NEG, x)));
  Graph *t = tidy(g, (const char *[]){"head:*", TIDY_ASSIGNS}, 2);
  graph_check(t);
  assert_int_equal(t->nodes.n - 1, 2);   // read p, const −6
  assert_int_equal(t->roots.n, 3);
  assert_int_equal(node(t, t->roots.data[0].value)->op, OP_READ);
  assert_true(node(t, t->roots.data[1].value)->attr.f == -6);
  assert_int_equal(t->roots.data[0].value, t->roots.data[2].value);
  assert_int_equal(t->slots.n, 2);
  assert_int_equal(t->slots.data[0].read, 0);
  assert_int_equal(t->slots.data[1].read, t->roots.data[0].value);
  arena_free(b.arena);
}

// Slices of a concat and of slices, concats of concats: each straight from where the numbers lie, values as before.
static void test_tidy_moves(void **state) {
  (void)state;
  Bench b = bench_new(3, NULL);
  Graph *g = b.g;
  NodeId x = param(&b, 2, 2, 3, 0), y = param(&b, 2, 2, 5, 0);
  NodeId both = g_concat(g, (NodeId[]){x, y}, 2, 1), twice = g_concat(g, (NodeId[]){both, x}, 2, 1);
  NodeId within = g_slice(g, both, 1, 4, 7), across = g_slice(g, both, 1, 2, 5);
  NodeId of_slice = g_slice(g, g_slice(g, y, 1, 1, 5), 1, 1, 3);
  NodeId turned = g_transpose(g, g_transpose(g, g_expand(g, y, 0), (int[]){2, 0, 1}), (int[]){2, 0, 1});
  NodeId values[] = {both, twice, within, across, of_slice, turned};
  for (int i = 0; i < COUNT_OF(values); i++) graph_out(g, "v", values[i]);
  Graph *t = tidy(g, NULL, 0);
  graph_check(t);
  for (int i = 0; i < COUNT_OF(values); i++) {
    double *was = interp(g, values[i], &b.in, b.arena), *is = interp(t, t->roots.data[i].value, &b.in, b.arena);
    assert_true(item_elements(g, values[i]) == item_elements(t, t->roots.data[i].value));
    assert_memory_equal(was, is, sizeof *was * (size_t)item_elements(g, values[i]));
  }
  const struct { int root; OpId op; int n_in; OpId from; } want[] = {
      {1, OP_CONCAT, 3, OP_READ}, {2, OP_SLICE, 1, OP_READ}, {3, OP_SLICE, 1, OP_CONCAT}, {4, OP_SLICE, 1, OP_READ},
      {5, OP_TRANSPOSE, 1, OP_RESHAPE}};
  for (int i = 0; i < COUNT_OF(want); i++) {
    NodeId n = t->roots.data[want[i].root].value;
    assert_int_equal(node(t, n)->op, want[i].op);
    assert_int_equal(node(t, n)->n_in, want[i].n_in);
    assert_int_equal(node(t, node_in(t, n, 0))->op, want[i].from);
  }
  arena_free(b.arena);
}

// ---------------------------------------------------------------- products pushed through gathers
// Two products of one concat, in which one table is gathered twice, once behind a stop_gradient: values and gradients are the same.
static NodeId two_products(Bench *b, NodeId *slot, NodeId *y) {
  Graph *g = b->g;
  NodeId a = slot[0] = param(b, 2, 3, 4, 0), c = slot[1] = param(b, 2, 5, 2, 0), w = slot[2] = param(b, 2, 13, 2, 0), v = slot[3] = param(b, 2, 13, 3, 0);
  NodeId id0 = g_column(g, OP_IDS, 0), id1 = g_column(g, OP_IDS, 1), first = g_gather(g, a, id0);
  NodeId inner[] = {first, g_dense(g, 0, 3)};
  NodeId nested = g_concat(g, inner, 2, 1), stopped = g_stop(g, g_gather(g, a, id1)), second = g_gather(g, c, id1);
  NodeId x = g_concat(g, (NodeId[]){nested, second, stopped}, 3, 1);
  y[0] = g_dot(g, x, w, "rk,kn>rn"), y[1] = g_dot(g, x, v, "rk,kn>rn");
  NodeId one = weighted_sum(b, g_map1(g, OP_TANH, y[0])), two = weighted_sum(b, g_map1(g, OP_SIGMOID, y[1]));
  NodeId beside = weighted_sum(b, g_map1(g, OP_TANH, first)), sum = g_map2(g, OP_ADD, one, two);
  return g_map2(g, OP_ADD, sum, beside);
}

static void roots_with_gradients(Graph *g) {
  NodeId read[4], d[4];
  for (int i = 0; i < 4; i++) read[i] = graph_read(g, i, nowhere);
  grad(g, g->loss, read, 4, d);
  for (int i = 0; i < 4; i++) graph_out(g, "d", d[i]);
}

static void test_push(void **state) {
  (void)state;
  Bench b = bench_new(11, NULL);
  NodeId slot[4], y[2];
  b.g->loss = two_products(&b, slot, y);
  graph_out(b.g, "y", y[0]);
  graph_out(b.g, "y", y[1]);
  PushReport r;
  Graph *pushed = push_gathers(b.g, &(PushRule){.always = true}, &r);
  assert_ptr_not_equal(pushed, b.g);
  assert_int_equal(r.tables, 2);
  assert_int_equal(r.products, 2);
  assert_int_equal(r.pairs, 1);
  assert_true(r.before == 8 * 13 * 5 && r.after == (3 * 4 + 5 * 2 + 8 * 7) * 5);   // 8 rows; of 13 columns 6 are gathered
  roots_with_gradients(b.g);
  roots_with_gradients(pushed);
  for (int i = 0; i < b.g->roots.n; i++) {
    NodeId was = b.g->roots.data[i].value, is = pushed->roots.data[i].value;
    double *want = interp(b.g, was, &b.in, b.arena), *got = interp(pushed, is, &b.in, b.arena);
    int64_t n = item_elements(b.g, was) * (has_rows(b.g, was) ? N_ROWS : 1);
    assert_int_equal(item_elements(b.g, was), item_elements(pushed, is));
    for (int64_t k = 0; k < n; k++)
      if (!(fabs(got[k] - want[k]) <= 1e-12 * fmax(1, fabs(want[k])))) fail_msg("root %d, element %d: %.17g, not %.17g", i, (int)k, got[k], want[k]);
  }
  arena_free(b.arena);
}

static void test_push_where_it_pays(void **state) {
  (void)state;
  Bench b = bench_new(11, NULL);
  Graph *g = b.g;
  NodeId slot[4], y[2];
  PushReport r;
  g->loss = two_products(&b, slot, y);
  assert_ptr_equal(push_gathers(g, NULL, NULL), g);
  assert_ptr_equal(push_gathers(g, &(PushRule){.row = 1000}, &r), g);
  assert_int_equal(r.tables, 0);
  // 3 · 8 rows · 4 > 3 · 3 · 4 + 7 · 8 holds for the first table; 3 · 8 · 2 > 3 · 5 · 2 + 7 · 8 does not for the second
  assert_ptr_not_equal(push_gathers(g, &(PushRule){.row = 7}, &r), g);
  assert_int_equal(r.tables, 1);
  Graph *u = graph_new(b.arena, F32, 1024, NULL);           // a vocabulary that is not known yet
  int table = graph_slot(u, "t", SLOT_PARAM, F32, 2, (AxisId[]){axis_symbol(u, "city", -1), axis_fixed(u, 16)}, (Init){INIT_ZEROS, 0, 0}, nowhere);
  int weight = graph_slot(u, "w", SLOT_PARAM, F32, 2, (AxisId[]){axis_fixed(u, 17), axis_fixed(u, 4)}, (Init){INIT_ZEROS, 0, 0}, nowhere);
  NodeId row = g_gather(u, g_read(u, table), g_column(u, OP_IDS, 0)), dense = g_dense(u, 0, 1);
  NodeId x = g_concat(u, (NodeId[]){row, dense}, 2, 1), w = g_read(u, weight), z = g_dot(u, x, w, "rk,kn>rn");
  u->loss = g_sum(u, g_sum(u, z, 1), 0);
  assert_ptr_equal(push_gathers(u, &(PushRule){.always = true}, &r), u);
  axis_symbol(u, "city", 40);
  assert_ptr_not_equal(push_gathers(u, &(PushRule){.row = 12}, &r), u);
  assert_int_equal(r.tables, 1);
  arena_free(b.arena);
}

// Rows of a batch of 8 name ids 0, 1, 2; the list has from 0 to all of its items.
static void test_push_by_distinct_ids(void **state) {
  (void)state;
  Bench b = bench_new(11, NULL);
  Graph *g = b.g;
  NodeId slot[4], y[2];
  g->loss = two_products(&b, slot, y);
  NodeId list = g_ids(g, N_IDS - LIST, LIST, LENGTH), items = g_gather(g, param(&b, 2, 3, 2, 0), list), v = param(&b, 2, 2, 3, 0);
  NodeId product = g_dot(g, items, v, "rmk,kn>rmn");
  g->loss = g_map2(g, OP_ADD, g->loss, weighted_sum(&b, g_map1(g, OP_TANH, product)));
  graph_out(g, "y", y[0]);
  graph_out(g, "y", y[1]);
  graph_out(g, "items", product);
  const DistinctRule always = {.always = true};
  PushReport r;
  Graph *pushed = push_gathers(g, &(PushRule){.never = true, .distinct = &always}, &r);
  assert_int_equal(r.tables, 0);
  assert_int_equal(r.distinct.tables, 3);                  // two of the products (a stopped row stays), the list
  assert_int_equal(r.distinct.products, 3);
  int n_slots = g->slots.n;
  NodeId read[MAX_SLOTS], was[MAX_SLOTS], is[MAX_SLOTS];
  for (int i = 0; i < n_slots; i++) read[i] = graph_read(g, i, nowhere);
  grad(g, g->loss, read, n_slots, was);
  for (int i = 0; i < n_slots; i++) read[i] = graph_read(pushed, i, nowhere);
  grad(pushed, pushed->loss, read, n_slots, is);
  for (int i = 0; i < n_slots + g->roots.n; i++) {
    NodeId a = i < n_slots ? was[i] : g->roots.data[i - n_slots].value, p = i < n_slots ? is[i] : pushed->roots.data[i - n_slots].value;
    if (!a && !p) continue;                                // an id that is behind a stop_gradient
    double *want = interp(g, a, &b.in, b.arena), *got = interp(pushed, p, &b.in, b.arena);
    int64_t n = item_elements(g, a) * (has_rows(g, a) ? N_ROWS : 1);
    assert_int_equal(item_elements(g, a), item_elements(pushed, p));
    for (int64_t k = 0; k < n; k++)
      if (!(fabs(got[k] - want[k]) <= 1e-12 * fmax(1, fabs(want[k])))) fail_msg("value %d, element %d: %.17g, not %.17g", i, (int)k, got[k], want[k]);
  }
  arena_free(b.arena);
}

static Graph *one_product(Arena *a, int64_t batch, int64_t v, int64_t width, bool lazy, bool twice) {
  Graph *g = graph_new(a, F32, batch, NULL);
  int table = graph_slot(g, "t", SLOT_PARAM, F32, 2, (AxisId[]){axis_fixed(g, v), axis_fixed(g, width)}, (Init){INIT_ZEROS, 0, 0}, nowhere);
  int weight = graph_slot(g, "w", SLOT_PARAM, F32, 2, (AxisId[]){axis_fixed(g, width + 1), axis_fixed(g, 256)}, (Init){INIT_ZEROS, 0, 0}, nowhere);
  g->slots.data[table].lazy = lazy;
  NodeId row = g_gather(g, g_read(g, table), g_column(g, OP_IDS, 0)), x = g_concat(g, (NodeId[]){row, g_dense(g, 0, 1)}, 2, 1);
  NodeId z = g_dot(g, x, g_read(g, weight), "rk,kn>rn");
  g->loss = g_sum(g, g_sum(g, z, 1), 0);
  if (!twice) return g;
  NodeId other = g_gather(g, g_read(g, table), g_column(g, OP_IDS, 1));
  g->loss = g_map2(g, OP_ADD, g->loss, g_sum(g, g_sum(g, other, 1), 0));
  return g;
}

static PushReport pushed_by_distinct(Graph *g) {
  PushReport r;
  push_gathers(g, &(PushRule){.never = true, .distinct = &(DistinctRule){.row = 14, .id = 600}}, &r);
  return r;
}

static void test_distinct_ids_where_it_pays(void **state) {
  (void)state;
  Arena *a = arena_new();
  // 2,048 ids of 100,000 by Zipf's law: Σ 1 − e^(−2048 / (12.09 v)) = 1,152; is_seen() is 2 % from that at most
  PushReport r = pushed_by_distinct(one_product(a, 2048, 100000, 32, false, false));
  assert_int_equal(r.distinct.tables, 1);
  assert_true(r.ids == 2048 && fabs(r.distinct_ids - 1152) < 0.02 * 1152);
  assert_int_equal(pushed_by_distinct(one_product(a, 2048, 100000, 4, false, false)).distinct.tables, 0);    // too narrow
  // counted: 50 ids make all the rows but one in ten, which are no value's and so id 0
  Graph *g = one_product(a, 2048, 100000, 16, true, false);
  int64_t counts[50];
  for (int i = 0; i < 50; i++) counts[i] = 1800;
  const Vocabulary counted = {.n = 50, .counts = counts}, *of[] = {&counted};
  g->known_ids = &(KnownIds){of, 1, 100000};
  r = pushed_by_distinct(g);
  assert_true(r.distinct.tables == 1 && fabs(r.distinct_ids - 51) < 0.1);
  for (int i = 0; i < 50; i++) counts[i] = 1;                // each in one row of 100,000: 50 · 2,048 / 100,000, and id 0
  g = one_product(a, 2048, 100000, 16, true, false);
  g->known_ids = &(KnownIds){of, 1, 100000};
  assert_true(fabs(pushed_by_distinct(g).distinct_ids - 2.024) < 1e-9);
  // rows that another input reads, too: of a lazy table, or one larger than a batch, they are not
  assert_int_equal(pushed_by_distinct(one_product(a, 2048, 2000, 64, false, true)).distinct.tables, 1);
  assert_int_equal(pushed_by_distinct(one_product(a, 2048, 2000, 64, true, true)).distinct.tables, 0);
  assert_int_equal(pushed_by_distinct(one_product(a, 2048, 100000, 64, false, true)).distinct.tables, 0);
  g = one_product(a, 2048, 100000, 64, false, false);
  g->slots.data[0].frozen = true;
  assert_int_equal(pushed_by_distinct(g).distinct.tables, 0);
  arena_free(a);
}

// A frozen layer under one that trains; values of one number, of a list, and of the whole batch beside it.
typedef struct { Graph *g; int frozen, list, trained; NodeId hidden, items, centred; } Frozen;

static Frozen frozen_under_trained(Bench *b) {
  static const Init none = {INIT_ZEROS, 0, 0};
  Graph *g = b->g = graph_new(b->arena, F32, 8, NULL);
  Frozen f = {.g = g};
  f.frozen = graph_slot(g, "frozen", SLOT_PARAM, F32, 2, (AxisId[]){axis_fixed(g, 4), axis_fixed(g, 6)}, none, nowhere);
  f.list = graph_slot(g, "list", SLOT_PARAM, F32, 2, (AxisId[]){axis_fixed(g, 3), axis_fixed(g, 2)}, none, nowhere);
  f.trained = graph_slot(g, "trained", SLOT_PARAM, F32, 2, (AxisId[]){axis_fixed(g, 6), axis_fixed(g, 2)}, none, nowhere);
  b->slots[f.frozen] = numbers(b, 24, -1, 1), b->slots[f.list] = numbers(b, 6, -1, 1), b->slots[f.trained] = numbers(b, 12, -1, 1);
  NodeId x = g_dense(g, 0, 4), w = g_read(g, f.frozen), z = g_dot(g, x, w, "rk,kn>rn");
  f.hidden = g_map1(g, OP_TANH, z);                                   // [rows, 6]
  NodeId ids = g_ids(g, ONE_ID, LIST, LENGTH), items = g_gather(g, g_read(g, f.list), ids);
  f.items = g_map1(g, OP_EXP, items);                                 // [rows, 3, 2]
  NodeId row = g_map1(g, OP_SQRT, g_sum(g, g_map2(g, OP_MUL, x, x), 1));              // [rows]
  NodeId mean = g_sum(g, z, 0);
  f.centred = g_map2(g, OP_SUB, z, mean);                             // of the batch: never kept
  NodeId read = g_read(g, f.trained), y = g_dot(g, f.hidden, read, "rk,kn>rn");
  NodeId label = g_column(g, OP_LABEL, 0), per_row = g_map2(g, OP_MUL, g_sum(g, y, 1), g_map2(g, OP_ADD, row, label));
  NodeId more = g_sum(g, g_sum(g, g_map2(g, OP_MUL, f.items, g_expand(g, y, 1)), 2), 1), dist = g_sum(g, g_map2(g, OP_MUL, f.centred, f.hidden), 1);
  NodeId all = g_map2(g, OP_ADD, g_map2(g, OP_ADD, per_row, more), dist), d;
  g->loss = g_sum(g, all, 0);
  graph_out(g, "sum:a", g->loss);
  grad(g, g->loss, &read, 1, &d);
  graph_assign(g, f.trained, g_map2(g, OP_SUB, read, d));
  return f;
}

static bool reads_slot(const Graph *g, int slot) {
  for (NodeId n = 1; n < (NodeId)g->nodes.n; n++)
    if (node(g, n)->op == OP_READ && node(g, n)->attr.i[0] == slot) return true;
  return false;
}

// The rows' numbers, with what `once` computes of them behind.
static InterpInput with_columns(Bench *b, const Kept *kept) {
  InterpInput in = b->in;
  int width = kept->first + kept->width, first = kept->first;
  double *dense = NEW_ARRAY(b->arena, double, N_ROWS * width);
  for (int r = 0; r < N_ROWS; r++) memcpy(dense + r * width, b->in.dense + r * WIDTH, sizeof *dense * WIDTH);
  for (int i = 0; i < kept->once->roots.n; i++) {
    NodeId v = kept->once->roots.data[i].value;
    int64_t n = item_elements(kept->once, v);
    double *got = interp(kept->once, v, &b->in, b->arena);
    for (int r = 0; r < N_ROWS; r++) memcpy(dense + r * width + first, got + r * n, sizeof *dense * (size_t)n);
    first += (int)n;
  }
  assert_int_equal(first, width);
  in.dense = dense, in.dense_width = width;
  return in;
}

static void test_keep(void **state) {
  (void)state;
  Bench b = bench_new(13, NULL);
  Frozen f = frozen_under_trained(&b);
  Kept kept;
  Graph *g = tidy(f.g, NULL, 0), *t = keep_fixed(g, 16, &(KeepRule){.always = true}, &kept);
  assert_ptr_not_equal(t, g);
  assert_int_equal(kept.first, 16);
  assert_int_equal(kept.width, 6 + 6 + 6 + 2 + 1);                    // z (of which the batch takes its sum), hidden, items, their sum (in y's gradient), row
  assert_true(reads_slot(kept.once, f.frozen) && reads_slot(kept.once, f.list) && !reads_slot(kept.once, f.trained));
  assert_true(!reads_slot(t, f.frozen) && !reads_slot(t, f.list) && reads_slot(t, f.trained));
  InterpInput in = with_columns(&b, &kept);
  for (int i = 0; i < g->roots.n; i++) {
    double *want = interp(g, g->roots.data[i].value, &b.in, b.arena), *got = interp(t, t->roots.data[i].value, &in, b.arena);
    assert_string_equal(g->roots.data[i].name, t->roots.data[i].name);
    assert_memory_equal(got, want, sizeof *got * (size_t)item_elements(g, g->roots.data[i].value));
  }
  arena_free(b.arena);
}

static void test_keep_where_it_pays(void **state) {
  (void)state;
  Bench b = bench_new(13, NULL);
  Frozen f = frozen_under_trained(&b);
  Kept kept;
  Graph *g = tidy(f.g, NULL, 0);
  assert_ptr_equal(keep_fixed(g, 16, NULL, &kept), g);
  assert_true(kept.width == 0 && !kept.once);
  assert_ptr_equal(keep_fixed(g, 16, &(KeepRule){.column = 2000}, &kept), g);
  // FLOPs of each, a map as 4: z 2 · 4 · 6; hidden 48 + 4 · 6; items 2 · 6 + 4 · 6; their sum 12 more; row 4 · 4 + 4 + 4
  assert_ptr_not_equal(keep_fixed(g, 16, &(KeepRule){.column = 10}, &kept), g);
  assert_int_equal(kept.width, 6 + 2 + 1);
  assert_ptr_not_equal(keep_fixed(g, 16, &(KeepRule){.column = 30}, &kept), g);
  assert_int_equal(kept.width, 2);
  assert_ptr_equal(keep_fixed(g, 16, &(KeepRule){.column = 30, .least = 200}, &kept), g);
  assert_int_equal(kept.width, 0);
  graph_assign(f.g, f.frozen, g_map2(f.g, OP_ADD, g_read(f.g, f.frozen), g_const(f.g, 1)));      // it is not frozen, then
  keep_fixed(tidy(f.g, NULL, 0), 16, &(KeepRule){.always = true}, &kept);
  assert_int_equal(kept.width, 6 + 2 + 1);
  arena_free(b.arena);
}

static void test_print(void **state) {
  (void)state;
  Bench b = bench_new(3, NULL);
  Graph *g = graph_new(b.arena, F32, 32, NULL);
  int w = graph_slot(g, "trunk.wide.w", SLOT_PARAM, F32, 2, (AxisId[]){axis_fixed(g, 30), axis_fixed(g, 64)},
                     (Init){INIT_GLOROT_UNIFORM, 0, 0}, nowhere);
  NodeId x = g_dense(g, 0, 30), h = g_map1(g, OP_RELU, g_dot(g, x, g_read(g, w), "rk,kn>rn"));
  g->loss = g_sum(g, g_sum(g, h, -1), 0);
  graph_out(g, "head:a", g_slice(g, h, 1, 0, 2));
  optim(g, 0, optim_rows[0].def, &w, (NodeId[]){g_read(g, w)}, 1);
  Text t = {0};
  graph_print(g, &t);
  assert_string_equal(t.data,
                      "graph f32, at most 32 rows\n"
                      "slot trunk.wide.w : param f32 [30, 64]\n"
                      "%1 = dense_input 0..30 : [rows, 30]\n"
                      "%2 = read trunk.wide.w : [30, 64]\n"
                      "%3 = dot %1, %2 \"rk,kn>rn\" : [rows, 64]   # trunk.wide.w\n"
                      "%4 = relu %3 : [rows, 64]\n"
                      "%5 = sum %4 axis 1 : [rows]\n"
                      "%6 = sum %5 axis 0 : []\n"
                      "%7 = slice %4 axis 1, 0..2 : [rows, 2]\n"
                      "%8 = rt lr : f64 []\n"
                      "%9 = neg %8 : f64 []\n"
                      "%10 = cast %9 : []\n"
                      "%11 = fma %10, %2, %2 : [30, 64]   # trunk.wide.w, trunk.wide.w\n"
                      "loss = %6\n"
                      "out head:a = %7\n"
                      "assign trunk.wide.w = %11\n");
  text_free(&t);
  arena_free(b.arena);
}

// ---------------------------------------------------------------- shape errors
static void expect_error(NodeId (*build)(Bench *b), const char *code, const char *part) {
  Arena *a = arena_new();
  Diag *d = diag_new(a, NULL);
  Bench b = bench_new(1, d);
  assert_int_equal(build(&b), 0);
  assert_int_equal(diag_errors(d), 1);
  Text t = {0};
  diag_print(d, &t, false);
  if (!strstr(t.data, code) || !strstr(t.data, part)) fail_msg("expected %s, %s in: %s", code, part, t.data);
  text_free(&t);
  arena_free(b.arena);
  arena_free(a);
}

static NodeId bad_add(Bench *b) { return g_map2(b->g, OP_ADD, g_dense(b->g, 0, 4), g_dense(b->g, 0, 3)); }
static NodeId bad_dot(Bench *b) { return g_dot(b->g, g_dense(b->g, 0, 4), param(b, 2, 3, 2, 0), "rk,kn>rn"); }
static NodeId lone_dot(Bench *b) { return g_dot(b->g, g_dense(b->g, 0, 4), param(b, 1, 3, 0, 0), "rk,n>rn"); }
static NodeId bad_slice(Bench *b) { return g_slice(b->g, g_dense(b->g, 0, 4), 1, 2, 9); }
static NodeId bad_concat(Bench *b) {
  return g_concat(b->g, (NodeId[]){g_dense(b->g, 0, 4), g_column(b->g, OP_LABEL, 0)}, 2, 1);
}
static NodeId bad_ids(Bench *b) { return g_map1(b->g, OP_RELU, g_column(b->g, OP_IDS, 0)); }
static NodeId bad_head(Bench *b) {
  return loss_build(b->g, loss_row("mse"), g_dense(b->g, 0, 4), g_column(b->g, OP_LABEL, 0), NULL);
}
static NodeId bad_axis(Bench *b) { return g_sum(b->g, g_dense(b->g, 0, 4), 2); }
static NodeId bad_symbol(Bench *b) {   // two vocabularies of one size are two axes
  Graph *g = b->g;
  Init init = {0};
  NodeId x = g_read(g, graph_slot(g, "x", SLOT_PARAM, F64, 1, (AxisId[]){axis_symbol(g, "user", 5)}, init, nowhere));
  NodeId y = g_read(g, graph_slot(g, "y", SLOT_PARAM, F64, 1, (AxisId[]){axis_symbol(g, "city", 5)}, init, nowhere));
  return g_map2(g, OP_ADD, x, y);
}
static NodeId huge(Bench *b) {
  AxisId big = axis_fixed(b->g, 1 << 30);
  return g_broadcast(b->g, g_const(b->g, 1), 2, (AxisId[]){big, big});
}

static void test_shape_errors(void **state) {
  (void)state;
  expect_error(bad_add, "shape-mismatch", "shapes [rows, 4] and [rows, 3] do not fit");
  expect_error(bad_dot, "shape-mismatch", "inner sizes differ: 4 against 3 in [rows, 4] · [3, 2]");
  expect_error(lone_dot, "shape-mismatch", "axis k of [rows, 4] is neither");
  expect_error(bad_slice, "shape-mismatch", "slice 2..9 is not within [rows, 4]");
  expect_error(bad_concat, "shape-mismatch", "");
  expect_error(bad_ids, "shape-mismatch", "needs numbers, not ids");
  expect_error(bad_head, "shape-mismatch", "`mse` needs one number: the head is [rows, 4]");
  expect_error(bad_axis, "shape-mismatch", "no such axis");
  expect_error(bad_symbol, "shape-mismatch", "[user] and [city]");
  expect_error(huge, "size-overflow", "too many elements");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_values),          cmocka_unit_test(test_every_op),
      cmocka_unit_test(test_amax_shares_ties), cmocka_unit_test(test_every_loss),
      cmocka_unit_test(test_losses_are_stable), cmocka_unit_test(test_every_optimizer),
      cmocka_unit_test(test_clipping), cmocka_unit_test(test_optimizer_state_names), cmocka_unit_test(test_equal_nodes_are_one),
      cmocka_unit_test(test_slices_join),     cmocka_unit_test(test_only_what_is_asked),
      cmocka_unit_test(test_tidy),            cmocka_unit_test(test_print),
      cmocka_unit_test(test_shape_errors),    cmocka_unit_test(test_tidy_moves),
      cmocka_unit_test(test_push),            cmocka_unit_test(test_push_where_it_pays),
      cmocka_unit_test(test_push_by_distinct_ids), cmocka_unit_test(test_distinct_ids_where_it_pays),
      cmocka_unit_test(test_keep),            cmocka_unit_test(test_keep_where_it_pays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
