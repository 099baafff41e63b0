// test_gradcheck.c: gradients of compiled code, by looping over the tables: every op with a gradient and every loss. A row
// without a case fails.
// Each row becomes one graph: its variants, each reduced to a number in which every element weighs differently, summed.
//   f64: the compiled gradients against central differences of the compiled loss (eps 1e-6, atol 1e-5, rtol 1e-3)
//   f32 and f64: the compiled gradients and loss against the interpreter in double (2e-5, 1e-11)
// on every target that runs here. Then each row's gradient is itself a value: of its square's gradients by the parameters, squared and
// summed, f64, on the best target, so that every rule is differentiated in its turn. Rows: more than a block of sums, and no multiple of any width of lanes.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "buffers.h"
#include "src/compile.h"
#include "runtime/train.h"

HostFn *const *const routines_used = host_rows;                // so that the interpreter finds them in this program

enum { CAPACITY = 80, ROWS = 71, DENSE = 13, LENGTH = 12, ONE_ID = 2, LIST = 4, IDS = ONE_ID + LIST, LABELS = 3, VOCAB = 5, CLASSES = 4, MAX_SLOTS = 64 };
enum { LABEL_REAL_1, LABEL_YES_NO, LABEL_GRADE };             // the three labels
#define F32_TOLERANCE 2e-5
static const Place nowhere;

// ---------------------------------------------------------------- a graph with random inputs
typedef struct {
  Arena *a;
  Graph *g;
  Diag *d;
  NodeId total;                   // the sum of the variants
  double **slots;                 // [MAX_SLOTS], row-major
  int used;                       // columns of the dense input taken by per_row in this variant
  bool twice; int variant_slot;   // the variants are their own gradients, squared; its first parameter
  double lo, hi, grid;            // of new parameters; grid: they are multiples of it, 0: any float32
  uint64_t seed;
  InterpInput in;
} Bench;

static double uniform(Bench *b, double lo, double hi) {       // a float32 number
  b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
  return (float)(lo + (hi - lo) * (double)(b->seed >> 11) * 0x1p-53);
}

static double *numbers(Bench *b, int64_t n, double lo, double hi) {
  double *x = NEW_ARRAY(b->a, double, n + 1);
  for (int64_t i = 0; i < n; i++) x[i] = uniform(b, lo, hi);
  return x;
}

static void fill(Bench *b) {
  double *y = numbers(b, LABELS * ROWS, 0.2, 1), *w = NEW_ARRAY(b->a, double, LABELS * ROWS);
  uint32_t *ids = NEW_ARRAY(b->a, uint32_t, ROWS * IDS);
  for (int i = 0; i < ROWS * IDS; i++) ids[i] = (uint32_t)uniform(b, 0, VOCAB - 1);   // the last id occurs in no row
  for (int i = 0; i < ROWS; i++) {
    y[LABEL_YES_NO * ROWS + i] = i % 3 == 0;
    y[LABEL_GRADE * ROWS + i] = (double)((i * 3) % CLASSES);
    for (int l = 0; l < LABELS; l++) w[l * ROWS + i] = uniform(b, 0, 1) < 0.8;
  }
  double *dense = numbers(b, ROWS * DENSE, 0.5, 1.5);
  for (int i = 0; i < ROWS; i++) dense[i * DENSE + LENGTH] = i * 7 % (LIST + 1);   // of the list in the last LIST ids
  b->in = (InterpInput){ ROWS, dense, ids, y, w, DENSE, IDS, LABELS, 1, 0.1, b->slots, 0, 0 };
}

static Bench bench_new(DType dtype, uint64_t seed) {
  Bench b = { .a = arena_new(), .lo = -1.5, .hi = 1.5, .seed = seed };
  b.d = diag_new(b.a, NULL);
  b.g = graph_new(b.a, dtype, CAPACITY, b.d);
  b.slots = NEW_ARRAY(b.a, double *, MAX_SLOTS);
  fill(&b);
  return b;
}

static NodeId param(Bench *b, int rank, int64_t d0, int64_t d1, int64_t d2) {
  int64_t size[] = { d0, d1, d2 }, total = 1;
  AxisId axis[3];
  for (int i = 0; i < rank; i++) axis[i] = axis_fixed(b->g, size[i]), total *= size[i];
  const char *path = arena_printf(b->a, "p%d", b->g->slots.n);
  int slot = graph_slot(b->g, path, SLOT_PARAM, b->g->dtype, rank, axis, (Init){0}, nowhere);
  assert_true(slot < MAX_SLOTS);
  b->slots[slot] = numbers(b, total, b->lo, b->hi);
  for (int64_t i = 0; b->grid > 0 && i < total; i++) b->slots[slot][i] = b->grid * round(b->slots[slot][i] / b->grid);
  return g_read(b->g, slot);
}
static NodeId vector(Bench *b, int64_t n) { return param(b, 1, n, 0, 0); }
static NodeId matrix(Bench *b, int64_t m, int64_t n) { return param(b, 2, m, n, 0); }

// [rows, n]: columns of the input times a parameter, so that its adjoint is visible
static NodeId per_row(Bench *b, int64_t n) {
  NodeId x = g_dense(b->g, b->used, n), p = vector(b, n);
  b->used += (int)n;
  return g_map2(b->g, OP_MUL, x, p);
}

// Six axes, of which no two can be read as one: x and, back to front, y.
static NodeId six_axes(Bench *b, bool reversed) {
  AxisId two = axis_fixed(b->g, 2), axes[] = { two, two, two, two, two, two };
  NodeId x = g_reshape(b->g, matrix(b, 8, 8), 6, axes);
  return reversed ? g_transpose(b->g, x, (int[]){ 5, 4, 3, 2, 1, 0 }) : x;
}
static NodeId rows_and_five_axes(Bench *b, bool reversed) {
  AxisId two = axis_fixed(b->g, 2), axes[] = { two, two, two, two, two };
  NodeId x = per_row(b, 2), w = param(b, 3, 2, 4, 8);
  NodeId y = g_reshape(b->g, g_dot(b->g, x, w, "ra,abc>rbc"), 5, axes);
  return reversed ? g_transpose(b->g, y, (int[]){ 0, 5, 4, 3, 2, 1 }) : y;
}

// A scalar in which every element of v has another weight: a fixed one by position, and a label by row.
static NodeId weighted_sum(Bench *b, NodeId v) {
  Graph *g = b->g;
  double step = 1;
  for (int i = node(g, v)->rank - 1; i >= has_rows(g, v); i--) {
    int64_t n = axis_size(g, node(g, v)->axis[i]);
    NodeId w = g_map2(g, OP_MUL, g_iota(g, n), g_const(g, step / 8));
    w = g_map2(g, OP_ADD, w, g_const(g, 0.5));
    for (int k = i + 1; k < node(g, v)->rank; k++) w = g_expand(g, w, -1);
    v = g_map2(g, OP_MUL, v, w);
    step *= 0.6;
  }
  if (has_rows(g, v)) {
    NodeId by_row = g_column(g, OP_LABEL, LABEL_REAL_1);
    for (int i = 1; i < node(g, v)->rank; i++) by_row = g_expand(g, by_row, -1);
    v = g_map2(g, OP_MUL, v, by_row);
  }
  while (node(g, v)->rank) v = g_sum(g, v, -1);
  return v;
}

// log(1 + Σ ‖∂s²/∂p‖²) over the variant's parameters p; the logarithm keeps variants of one size, which differences need.
static NodeId own_gradients(Bench *b, NodeId scalar) {
  Graph *g = b->g;
  NodeId s = g_map2(g, OP_MUL, scalar, g_const(g, 1.0 / ROWS)), square = g_map2(g, OP_MUL, s, s), sum = 0;
  NodeId of[MAX_SLOTS], out[MAX_SLOTS];
  int n = g->slots.n - b->variant_slot;
  for (int i = 0; i < n; i++) of[i] = g_read(g, b->variant_slot + i);
  grad(g, square, of, n, out);
  for (int i = 0; i < n; i++) {
    assert_true(out[i] != 0);
    NodeId x = g_map2(g, OP_MUL, out[i], out[i]);
    while (node(g, x)->rank) x = g_sum(g, x, -1);
    sum = sum ? g_map2(g, OP_ADD, sum, x) : x;
  }
  b->variant_slot = g->slots.n;
  return g_map1(g, OP_LOG, g_map2(g, OP_ADD, sum, g_const(g, 1)));
}

static void add_variant(Bench *b, NodeId scalar) {
  if (b->twice) scalar = own_gradients(b, scalar);
  b->total = b->total ? g_map2(b->g, OP_ADD, b->total, scalar) : scalar;
  b->used = 0;
}

// ---------------------------------------------------------------- every op
// A case gives the op's node for a variant, 0 after the last one.
typedef NodeId OpCase(Bench *b, OpId op, int variant);

static NodeId case_unary(Bench *b, OpId op, int variant) {
  NodeId x;
  switch (variant) {
  case 0: x = matrix(b, 3, 4); break;
  case 1: x = per_row(b, 5); break;
  case 2: x = param(b, 0, 0, 0, 0); break;
  default: return 0;
  }
  return g_map1(b->g, op, x);
}

static NodeId case_binary(Bench *b, OpId op, int variant) {
  NodeId x, y;
  switch (variant) {
  case 0: x = matrix(b, 3, 4), y = matrix(b, 3, 4); break;
  case 1: x = matrix(b, 3, 4), y = vector(b, 4); break;
  case 2: x = matrix(b, 3, 1), y = matrix(b, 1, 4); break;
  case 3: x = per_row(b, 5), y = vector(b, 5); break;
  case 4: x = per_row(b, 1), y = per_row(b, 5); break;
  case 5: x = param(b, 0, 0, 0, 0), y = per_row(b, 4); break;
  case 6: x = g_drop(b->g, per_row(b, 1), 1), y = vector(b, 4); break;   // [rows] and [4]: [rows, 4]
  case 7: x = six_axes(b, false), y = six_axes(b, true); break;
  case 8: x = rows_and_five_axes(b, false), y = rows_and_five_axes(b, true); break;
  default: return 0;
  }
  return g_map2(b->g, op, x, y);
}

static NodeId case_fma(Bench *b, OpId op, int variant) {
  NodeId x, y, z;
  switch (variant) {
  case 0: x = matrix(b, 2, 3), y = vector(b, 3), z = matrix(b, 2, 1); break;
  case 1: x = per_row(b, 3), y = param(b, 0, 0, 0, 0), z = vector(b, 3); break;
  default: return 0;
  }
  return g_map3(b->g, op, x, y, z);
}

static NodeId case_select(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant > 1) return 0;
  NodeId one = g_const(b->g, 1), cond = g_map2(b->g, OP_LT, g_dense(b->g, 8, 4), one);
  NodeId x = variant ? param(b, 0, 0, 0, 0) : vector(b, 4), y = per_row(b, 4);
  return variant ? g_select(b->g, cond, x, y) : g_select(b->g, cond, y, x);
}

// To the other type and back. Values and eps are multiples of 1/256 and the loss is linear: differences are exact in float32.
static NodeId case_cast(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant > 1) return 0;
  DType own = (DType)b->g->dtype;
  b->grid = 0x1p-8;
  NodeId x = g_cast(b->g, variant ? vector(b, 5) : matrix(b, 3, 4), own == F64 ? F32 : F64);
  return g_cast(b->g, x, own);
}

static NodeId case_reduce(Bench *b, OpId op, int variant) {
  if (variant > 10) return 0;
  NodeId x = variant < 3 ? param(b, 3, 2, 3, 4) : variant < 5 ? per_row(b, 5) : six_axes(b, false);
  if (variant >= 5) x = g_map2(b->g, OP_MUL, x, six_axes(b, true));
  int axis = variant < 3 ? variant : variant < 5 ? variant - 3 : variant - 5;
  return graph_add(b->g, op, &x, 1, (Attr){ .i = { axis } }, nowhere);
}

static NodeId case_dot(Bench *b, OpId op, int variant) {
  (void)op;
  NodeId x, y;
  switch (variant) {
  case 0: x = per_row(b, 3), y = matrix(b, 3, 4); return g_dot(b->g, x, y, "rk,kn>rn");
  case 1: x = per_row(b, 3), y = param(b, 3, 3, 2, 4); return g_dot(b->g, x, y, "rk,ken>ren");
  case 2: x = matrix(b, 2, 3), y = matrix(b, 4, 3); return g_dot(b->g, x, y, "kp,lp>kl");
  case 3: x = per_row(b, 3), y = per_row(b, 2); return g_dot(b->g, x, y, "rk,rn>kn");
  case 4: x = vector(b, 3), y = vector(b, 3); return g_dot(b->g, x, y, "k,k>");
  case 5: x = matrix(b, 3, 3); return g_dot(b->g, x, x, "ij,jk>ik");
  case 6: x = per_row(b, 7), y = matrix(b, 7, 35); return g_dot(b->g, x, y, "rk,kn>rn");   // tiles and their tails
  default: return 0;
  }
}

static NodeId list_of_ids(Bench *b) { return g_ids(b->g, ONE_ID, LIST, LENGTH); }

// Rows of the distinct ids, and by number those of them that the batch names.
static NodeId by_number(Bench *b, NodeId table, NodeId ids) {
  NodeId distinct = g_distinct(b->g, ids, VOCAB, VOCAB), rows = g_gather(b->g, table, distinct);
  return g_gather(b->g, rows, g_number(b->g, distinct));
}

static NodeId case_gather(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant >= 7) return 0;
  NodeId table = variant == 4 ? vector(b, VOCAB) : matrix(b, VOCAB, variant % 2 ? 17 : 3);
  if (variant > 4) return by_number(b, table, variant == 5 ? g_column(b->g, OP_IDS, 0) : list_of_ids(b));
  return g_gather(b->g, table, variant < ONE_ID ? g_column(b->g, OP_IDS, variant) : list_of_ids(b));
}

static NodeId case_spread(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant >= 4) return 0;
  NodeId x = per_row(b, variant == 3 ? LIST : 3), ids = variant < ONE_ID ? g_column(b->g, OP_IDS, variant) : list_of_ids(b);
  if (variant == 2) x = g_map2(b->g, OP_MUL, g_expand(b->g, x, 1), matrix(b, LIST, 3));
  return g_spread(b->g, x, ids, axis_fixed(b->g, VOCAB));
}

// Rows of two tables of VOCAB, one below the other: u32 [rows, 2].
static NodeId two_ids(Bench *b) {
  NodeId in[2];
  for (int i = 0; i < 2; i++) {
    NodeId id = g_cast(b->g, g_expand(b->g, g_column(b->g, OP_IDS, i), 1), (DType)b->g->dtype), above = g_const(b->g, i * VOCAB);
    in[i] = g_cast(b->g, g_map2(b->g, OP_ADD, id, above), U32);
  }
  return g_concat(b->g, in, 2, 1);
}

// Columns: full strips and one lane, less than a vector, full strips of every target.
static NodeId case_bag(Bench *b, OpId op, int variant) {
  static const int64_t columns[] = { 35, 3, 64 };
  (void)op;
  if (variant > COUNT_OF(columns)) return 0;
  bool product = variant == COUNT_OF(columns);
  int64_t width = columns[product ? 0 : variant];
  NodeId table = matrix(b, 2 * VOCAB, width), ids = two_ids(b);
  if (!product) return g_bag(b->g, table, ids);
  NodeId x = per_row(b, 4), v = matrix(b, 4, 3), w = matrix(b, 3, width);
  return g_bag_and_product(b->g, table, ids, g_dot(b->g, x, v, "rk,kn>rn"), w);
}

static NodeId case_spread_bag(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant >= 2) return 0;
  NodeId x = per_row(b, 3);
  if (variant) x = g_dot(b->g, x, matrix(b, 3, 37), "rk,kn>rn");
  return g_spread_bag(b->g, x, two_ids(b), axis_fixed(b->g, 2 * VOCAB));
}

static NodeId case_concat(Bench *b, OpId op, int variant) {
  (void)op;
  NodeId x, y;
  switch (variant) {
  case 0: x = per_row(b, 2), y = per_row(b, 3); return g_concat(b->g, (NodeId[]){ x, y, x }, 3, 1);
  case 1: x = matrix(b, 2, 3), y = matrix(b, 1, 3); return g_concat(b->g, (NodeId[]){ x, y }, 2, 0);
  case 2: x = param(b, 3, 2, 1, 2), y = param(b, 3, 2, 2, 2); return g_concat(b->g, (NodeId[]){ x, y }, 2, 1);
  default: return 0;
  }
}

static NodeId case_slice(Bench *b, OpId op, int variant) {
  (void)op;
  NodeId x, low, high;
  switch (variant) {
  case 0: return g_slice(b->g, per_row(b, 4), 1, 1, 3);
  case 1: return g_slice(b->g, matrix(b, 4, 3), 0, 2, 4);
  case 2: x = per_row(b, 6), low = g_slice(b->g, x, 1, 0, 3), high = g_slice(b->g, x, 1, 3, 6); break;   // tiles
  case 3: x = per_row(b, 6), low = g_slice(b->g, x, 1, 1, 3), high = g_slice(b->g, x, 1, 4, 5); break;   // gaps
  case 4: x = per_row(b, 6), low = g_slice(b->g, x, 1, 0, 4), high = g_slice(b->g, x, 1, 2, 6); break;   // overlaps
  default: return 0;
  }
  return g_map2(b->g, OP_MUL, low, high);
}

static NodeId case_pad(Bench *b, OpId op, int variant) {
  (void)op;
  return variant == 0 ? g_pad(b->g, per_row(b, 2), 1, 1, 2) : variant == 1 ? g_pad(b->g, matrix(b, 2, 3), 0, 0, 1) : 0;
}

static NodeId case_transpose(Bench *b, OpId op, int variant) {
  (void)op;
  if (variant > 1) return 0;
  if (!variant) return g_transpose(b->g, param(b, 3, 2, 3, 4), (int[]){ 2, 0, 1 });
  NodeId x = per_row(b, 2), y = param(b, 3, 2, 3, 4);
  return g_transpose(b->g, g_dot(b->g, x, y, "ra,abc>rbc"), (int[]){ 0, 2, 1 });
}

static NodeId case_reshape(Bench *b, OpId op, int variant) {
  (void)op;
  AxisId two = axis_fixed(b->g, 2), six = axis_fixed(b->g, 6);
  if (variant == 0) return g_reshape(b->g, per_row(b, 4), 2, (AxisId[]){ two, two });
  return variant == 1 ? g_reshape(b->g, param(b, 3, 2, 3, 2), 2, (AxisId[]){ six, two }) : 0;
}

static NodeId case_broadcast(Bench *b, OpId op, int variant) {
  (void)op;
  AxisId two = axis_fixed(b->g, 2), four = axis_fixed(b->g, 4);
  if (variant == 0) return g_broadcast(b->g, vector(b, 4), 2, (AxisId[]){ AXIS_OF_ROWS, four });
  if (variant == 1) return g_broadcast(b->g, per_row(b, 1), 3, (AxisId[]){ AXIS_OF_ROWS, two, four });
  return variant == 2 ? g_broadcast(b->g, matrix(b, 2, 1), 2, (AxisId[]){ two, four }) : 0;
}

static OpCase *const by_kind[] = { [KIND_MAP] = case_unary, [KIND_REDUCE] = case_reduce };
// Pairs within groups, and rows of none: one label less the first class. Its gradient's gradient is checked too; there is no third.
static NodeId case_pairs(Bench *b, OpId op, int variant) {
  static const struct { PairKind kind; double margin; } variants[] = { { PAIR_LOGISTIC, 0 }, { PAIR_HINGE, 0.5 } };
  if (variant >= COUNT_OF(variants)) return 0;
  NodeId x = per_row(b, 3), w = matrix(b, 3, 1), score = g_drop(b->g, g_dot(b->g, x, w, "rk,kn>rn"), 1);
  NodeId y = g_column(b->g, OP_LABEL, LABEL_REAL_1), known = g_column(b->g, OP_KNOWN, LABEL_REAL_1);
  NodeId grade = g_column(b->g, OP_LABEL, LABEL_GRADE), group = g_map2(b->g, OP_SUB, grade, g_const(b->g, 1));
  const NodeId in[] = { score, y, known, group };
  Attr attr = { .i = { variants[variant].kind, 0 }, .f = variants[variant].margin };
  return g_slice(b->g, graph_add(b->g, op, in, 4, attr, nowhere), 1, 0, 1);
}

static OpCase *const by_op[N_OPS] = {
  [OP_FMA] = case_fma,       [OP_SELECT] = case_select, [OP_CAST] = case_cast,           [OP_DOT] = case_dot,
  [OP_GATHER] = case_gather, [OP_SPREAD] = case_spread, [OP_CONCAT] = case_concat,       [OP_SLICE] = case_slice,
  [OP_PAD] = case_pad,       [OP_RESHAPE] = case_reshape, [OP_TRANSPOSE] = case_transpose, [OP_BROADCAST] = case_broadcast,
  [OP_PAIRS] = case_pairs,   [OP_BAG] = case_bag,       [OP_SPREAD_BAG] = case_spread_bag,
};

static OpCase *case_of(OpId op) {
  if (by_op[op]) return by_op[op];
  if (op_rows[op].kind == KIND_MAP && op_rows[op].arity == 2) return case_binary;
  return op_rows[op].kind < COUNT_OF(by_kind) ? by_kind[op_rows[op].kind] : NULL;
}

static void build_op(Bench *b, int row) {
  OpId op = (OpId)row;
  if (op == OP_LOG || op == OP_SQRT || op == OP_RECIP || op == OP_DIV) b->lo = 0.4, b->hi = 2;
  NodeId v;
  for (int variant = 0; (v = case_of(op)(b, op, variant)); variant++) add_variant(b, weighted_sum(b, v));
  assert_true(b->total != 0);
}

// ---------------------------------------------------------------- every loss
static NodeId logits(Bench *b, int64_t n) {
  NodeId x = per_row(b, 3), w = matrix(b, 3, n);
  return g_dot(b->g, x, w, "rk,kn>rn");
}
static NodeId head_logit(Bench *b) { return logits(b, 1); }
static NodeId head_sigmoid(Bench *b) { return g_map1(b->g, OP_SIGMOID, logits(b, 1)); }
static NodeId head_softmax(Bench *b) { return g_softmax(b->g, logits(b, CLASSES)); }
static NodeId head_product(Bench *b) {
  NodeId first = head_sigmoid(b), second = head_sigmoid(b);
  return g_map2(b->g, OP_MUL, first, second);
}
static NodeId head_mixed(Bench *b) {
  NodeId first = head_softmax(b), second = head_softmax(b), half = g_const(b->g, 0.5);
  return g_map2(b->g, OP_MUL, g_map2(b->g, OP_ADD, first, second), half);
}
static NodeId head_exp(Bench *b) { return g_map1(b->g, OP_EXP, logits(b, 1)); }
static NodeId head_softplus(Bench *b) { return g_map1(b->g, OP_SOFTPLUS, logits(b, 1)); }
static NodeId head_three(Bench *b) { return logits(b, 3); }
static const double class_weights[CLASSES] = { 1, 0.5, 0, 3 };
typedef struct { const char *loss; NodeId (*head)(Bench *b); int label; const LossArgs *args; } LossCase;   // args NULL: defaults
static const LossCase loss_cases[] = {
  { "bce", head_sigmoid, LABEL_YES_NO, &(const LossArgs){ .number = { 0.1, 3 } } },
  { "bce", head_product, LABEL_YES_NO, &(const LossArgs){ .number = { 0.1, 3 } } },
  { "focal", head_sigmoid, LABEL_YES_NO, NULL }, { "focal", head_product, LABEL_YES_NO, NULL },
  { "focal", head_sigmoid, LABEL_YES_NO, &(const LossArgs){ .number = { 0, 0.5 } } },
  { "cross_entropy", head_softmax, LABEL_GRADE, &(const LossArgs){ .number = { 0.1 }, .class_weight = class_weights } },
  { "cross_entropy", head_mixed, LABEL_GRADE, &(const LossArgs){ .number = { 0.1 } } },
  { "cross_entropy", head_softmax, LABEL_GRADE, &(const LossArgs){ .class_weight = class_weights } },
  { "huber", head_logit, LABEL_REAL_1, NULL }, { "huber", head_logit, LABEL_REAL_1, &(const LossArgs){ .number = { 0.3 } } },
  { "quantile", head_logit, LABEL_REAL_1, &(const LossArgs){ .number = { 0.9 } } },
  { "log_cosh", head_logit, LABEL_REAL_1, NULL }, { "log_cosh", head_sigmoid, LABEL_YES_NO, NULL },
  { "poisson", head_exp, LABEL_REAL_1, NULL }, { "poisson", head_softplus, LABEL_YES_NO, NULL },
  { "tweedie", head_exp, LABEL_REAL_1, NULL }, { "tweedie", head_softplus, LABEL_YES_NO, NULL },
  { "ziln", head_three, LABEL_REAL_1, NULL }, { "ziln", head_three, LABEL_YES_NO, NULL },
  { "bce", head_sigmoid, LABEL_YES_NO, NULL }, { "bce", head_product, LABEL_YES_NO, NULL },
  { "cross_entropy", head_softmax, LABEL_GRADE, NULL }, { "cross_entropy", head_mixed, LABEL_GRADE, NULL },
  { "mse", head_logit, LABEL_REAL_1, NULL }, { "mse", head_sigmoid, LABEL_YES_NO, NULL },
  { "mae", head_logit, LABEL_REAL_1, NULL },
  { "bpr", head_logit, LABEL_REAL_1, NULL }, { "bpr", head_sigmoid, LABEL_YES_NO, NULL },
  { "pairwise", head_logit, LABEL_GRADE, &(const LossArgs){ .number = { 0.5 } } }, { "pairwise", head_sigmoid, LABEL_REAL_1, NULL },
};

// Σ w·ℓ / Σ w over the rows whose label is known
static NodeId masked_mean(Bench *b, NodeId loss, int label) {
  NodeId w = g_column(b->g, OP_KNOWN, label), zero = g_const(b->g, 0), sum = g_sum(b->g, g_select(b->g, w, loss, zero), 0);
  return g_map2(b->g, OP_DIV, sum, g_sum(b->g, w, 0));
}

static void build_loss(Bench *b, int row) {
  for (int i = 0; i < COUNT_OF(loss_cases); i++) {
    const LossCase *c = &loss_cases[i];
    if (strcmp(c->loss, loss_rows[row].name)) continue;
    NodeId head = c->head(b), y = g_column(b->g, OP_LABEL, c->label);
    add_variant(b, masked_mean(b, loss_build(b->g, row, head, y, c->args), c->label));
  }
  if (!b->total) fail_msg("the loss %s has no case", loss_rows[row].name);
}

static void build_op_twice(Bench *b, int row) { b->twice = true, build_op(b, row); }
static void build_loss_twice(Bench *b, int row) { b->twice = true, build_loss(b, row); }

// ---------------------------------------------------------------- compiled
typedef struct { Bench b; Compiled out; StepCode code; Engine *e; int loss; char what[64]; } Check;

static void put_slot(Engine *e, int slot, int64_t k, double v) {
  const Buffer *b = &e->plan->buffers[e->plan->slots[slot].buffer];
  put(e, e->plan->slots[slot].buffer, k / b->cols * b->ld + k % b->cols, v);
}

static void load(Check *c) {
  Engine *e = c->e;
  const InterpInput *in = &c->b.in;
  put_matrix(e, e->dense, in->dense, ROWS, DENSE);
  put_matrix(e, e->y, in->y, LABELS, ROWS);
  put_matrix(e, e->w, in->w, LABELS, ROWS);
  for (int64_t k = 0; e->ids >= 0 && k < ROWS * IDS; k++)
    ((uint32_t *)e->buf[e->ids])[k / IDS * e->plan->buffers[e->ids].ld + k % IDS] = in->ids[k];
  for (int i = 0; i < e->plan->n_slots; i++)
    for (int64_t k = 0; k < item_elements(c->b.g, c->b.g->slots.data[i].read); k++) put_slot(e, i, k, c->b.slots[i][k]);
}

static void start(Check *c, void (*build_row)(Bench *, int), int row, const char *name, DType dtype, TargetId target) {
  Text text = {0};
  JitInfo info;
  snprintf(c->what, sizeof c->what, "%s, %s, %s", name, dtype == F64 ? "f64" : "f32", targets[target].name);
  c->b = bench_new(dtype, 100 + (uint64_t)row);
  build_row(&c->b, row);
  c->b.g->loss = c->b.total;
  graph_out(c->b.g, "sum:loss", c->b.total);
  bool ok = compile_graph(c->b.g, -1, NULL, DENSE, IDS, LABELS, &c->out, c->b.d);
  ok = ok && jit(c->out.schedule, target, c->b.a, &c->code, &info, c->b.d);
  diag_print(c->b.d, &text, false);
  if (!ok) fail_msg("%s: %s", c->what, text.data);
  text_free(&text);
  c->e = engine_new(&c->out.plan, &c->code);
  c->loss = out_named(&c->out.plan, "sum:loss");
  assert_true(c->loss >= 0);
  load(c);
}

static void finish(Check *c) {
  engine_free(c->e);
  jit_free(&c->code);
  arena_free(c->b.a);
}

static double loss_of(Check *c) {
  engine_run(c->e, PROG_EVAL, ROWS, 0);
  return engine_out(c->e, c->loss, 0, 0);
}

static void close_to(const Check *c, const char *path, int64_t k, double got, double want, double atol, double rtol) {
  if (fabs(got - want) <= atol + rtol * fabs(want)) return;
  fail_msg("%s, %s[%lld]: %.12g, expected %.12g", c->what, path, (long long)k, got, want);
}

// The compiled gradient of slot i, [elements]; every slot of these graphs has one.
static double *gradient(Check *c, int i, int64_t n) {
  const char *path = c->b.g->slots.data[i].path;
  int buffer = out_named(&c->out.plan, arena_printf(c->b.a, "grad:%s", path));
  if (buffer < 0) fail_msg("%s: no gradient reaches %s", c->what, path);
  int64_t cols = c->out.plan.buffers[buffer].cols;
  double *x = NEW_ARRAY(c->b.a, double, n + 1);
  for (int64_t k = 0; k < n; k++) x[k] = engine_out(c->e, buffer, k / cols, k % cols);
  return x;
}

static void check_differences(Check *c) {
  double eps = c->b.grid > 0 ? c->b.grid : 1e-6;
  engine_run(c->e, PROG_GRADS, ROWS, 0);
  for (int i = 0; i < c->e->plan->n_slots; i++) {
    int64_t n = item_elements(c->b.g, c->b.g->slots.data[i].read);
    double *got = gradient(c, i, n);
    for (int64_t k = 0; k < n; k++) {
      double keep = c->b.slots[i][k], up, down;
      put_slot(c->e, i, k, keep + eps), up = loss_of(c);
      put_slot(c->e, i, k, keep - eps), down = loss_of(c);
      put_slot(c->e, i, k, keep);
      close_to(c, c->b.g->slots.data[i].path, k, got[k], (up - down) / (2 * eps), 1e-5, 1e-3);
    }
  }
}

static void check_interpreter(Check *c, double tolerance) {
  const Graph *g = c->out.program[PROG_GRADS];
  engine_run(c->e, PROG_GRADS, ROWS, 0);
  double **want = NEW_ARRAY(c->b.a, double *, g->roots.n + 1);
  interp_roots(g, &c->b.in, want, c->b.a);
  for (int r = 0; r < g->roots.n; r++) {
    const char *name = g->roots.data[r].name;
    int buffer = out_named(&c->out.plan, name);
    assert_true(buffer >= 0);
    int64_t n = item_elements(g, g->roots.data[r].value), cols = c->out.plan.buffers[buffer].cols;
    for (int64_t k = 0; k < n; k++)
      close_to(c, name, k, engine_out(c->e, buffer, k / cols, k % cols), want[r][k], tolerance, tolerance);
  }
}

// ---------------------------------------------------------------- loops over the tables
static void check_row(void (*build_row)(Bench *, int), int row, const char *name) {
  for (TargetId t = 0; t < N_TARGETS; t++) {
    if (!target_usable(t)) continue;
    Check c = {0};
    start(&c, build_row, row, name, F64, t);
    check_differences(&c);
    check_interpreter(&c, c.b.grid > 0 ? F32_TOLERANCE : 1e-11);   // a cast: what passes through float32 is rounded to it
    finish(&c);
    start(&c, build_row, row, name, F32, t);
    check_interpreter(&c, F32_TOLERANCE);
    finish(&c);
  }
}

static void test_every_op(void **state) {
  (void)state;
  for (int op = 0; op < N_OPS; op++) {
    if (!op_rows[op].grad) continue;
    if (!case_of((OpId)op)) fail_msg("%s has a gradient and no case", op_rows[op].name);
    check_row(build_op, op, op_rows[op].name);
  }
}

static void test_every_loss(void **state) {
  (void)state;
  for (int row = 0; row < n_loss_rows; row++) check_row(build_loss, row, loss_rows[row].name);
}

static void check_twice(void (*build_row)(Bench *, int), int row, const char *name) {
  Check c = {0};
  start(&c, build_row, row, name, F64, target_detect());
  check_differences(&c);
  check_interpreter(&c, 1e-10);
  finish(&c);
}

static void test_second_order(void **state) {
  (void)state;
  for (int op = 0; op < N_OPS; op++)
    if (op_rows[op].grad && op != OP_CAST) check_twice(build_op_twice, op, op_rows[op].name);   // float32's steps have no second difference
  for (int row = 0; row < n_loss_rows; row++) check_twice(build_loss_twice, row, loss_rows[row].name);
}

// Products of rows that ids name, of one id, of a list, of two lists side by side, and of a row alone; one table's rows are read beside them.
static void build_products_of_rows(Bench *b, int row) {
  (void)row;
  Graph *g = b->g;
  NodeId id[2] = { g_column(g, OP_IDS, 0), g_column(g, OP_IDS, 1) }, list = list_of_ids(b), table[5], w[5], y[5], sum = 0;
  for (int i = 0; i < 5; i++) table[i] = matrix(b, VOCAB, (int[]){ 3, 2, 1, 4, 2 }[i]);
  for (int i = 0; i < 5; i++) w[i] = matrix(b, (int[]){ 8, 8, 4, 8, 2 }[i], (int[]){ 17, 2, 9, 3, 1 }[i]);
  NodeId first = g_gather(g, table[0], id[0]), second = g_gather(g, table[1], id[1]), third = g_gather(g, table[2], id[0]);
  NodeId numbers = per_row(b, 2), x = g_concat(g, (NodeId[]){ first, numbers, second, third }, 4, 1);
  NodeId items = g_gather(g, table[3], list), more = g_gather(g, table[4], list), both = g_concat(g, (NodeId[]){ more, items, more }, 3, 2);
  y[0] = g_dot(g, x, w[0], "rk,kn>rn");
  y[1] = g_map2(g, OP_MUL, g_dot(g, x, w[1], "rk,kn>rn"), g_slice(g, first, 1, 0, 2));
  y[2] = g_dot(g, items, w[2], "rmk,kn>rmn");
  y[3] = g_dot(g, both, w[3], "rmk,kn>rmn");
  y[4] = g_dot(g, second, w[4], "rk,kn>rn");
  for (int i = 0; i < 5; i++) {
    NodeId one = weighted_sum(b, g_map1(g, OP_TANH, y[i]));
    sum = sum ? g_map2(g, OP_ADD, sum, one) : one;
  }
  add_variant(b, sum);
}
static void build_products_of_rows_twice(Bench *b, int row) { b->twice = true, build_products_of_rows(b, row); }

static void test_products_of_rows(void **state) {
  (void)state;
  static const char *const ways[] = { "off", "on" };
  for (int i = 0; i < 4; i++) {
    setenv("MTLC_PUSH", ways[i / 2], 1), setenv("MTLC_DISTINCT", ways[i % 2], 1);
    const char *name = (const char *[]){ "products of rows", "by distinct ids", "with whole tables", "with whole tables and by distinct ids" }[i];
    check_row(build_products_of_rows, 7, name);
    check_twice(build_products_of_rows_twice, 7, name);
  }
  unsetenv("MTLC_PUSH"), unsetenv("MTLC_DISTINCT");
}

static void test_dots_by_blas(void **state) {
  (void)state;
  if (!blas_for(target_detect())) skip();
  setenv("MTLC_BLAS", "on", 1);
  check_row(build_op, OP_DOT, "dot by BLAS");
  check_row(build_loss, 0, "a loss over layers, by BLAS");
  unsetenv("MTLC_BLAS");
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_op), cmocka_unit_test(test_every_loss), cmocka_unit_test(test_second_order),
                                      cmocka_unit_test(test_products_of_rows), cmocka_unit_test(test_dots_by_blas) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
