// test_emit.c: handmade schedules, compiled for every target that this machine runs, against a plain C evaluation.
// Where only additions, products and fma are involved, the bits must be equal, at every width and tile.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../../src/jit/module.h"

// ---------------------------------------------------------------- a schedule under construction, with its memory
enum { MAX_BUFFERS = 16, CAPACITY = 300 };
typedef struct {
  Arena *a;
  Schedule s;
  void *mem[MAX_BUFFERS];
  size_t bytes[MAX_BUFFERS];
  Phase phase;
  Call calls[8];
  int64_t n, from;                                       // from: first row of the group at hand
} Bench;

enum { BAG_IDS = 3, BAG_IDS_BUFFER = 1 };               // of a spread of a bag: the matrix of ids whose lists it reads

static size_t size_of(DType t) { return t == F32 || t == U32 ? 4 : 8; }
static uint64_t seed = 1;
static double uniform(void) {                            // in (−1, 1)
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(int64_t)(seed >> 11) / (double)(1ull << 52) - 1;
}

static int buffer(Bench *b, DType t, int64_t elements, const char *name) {
  int i = b->s.buffers.n;
  Buffer buf = {.name = name, .role = i ? BUF_ROWS : BUF_RT_INT, .dtype = t, .rows_a = 1, .cols = elements, .ld = elements};
  vec_push(b->a, &b->s.buffers, buf);
  b->bytes[i] = (size_t)elements * size_of(t);
  b->mem[i] = aligned_alloc(64, (b->bytes[i] + 63) / 64 * 64);
  for (int64_t e = 0; e < elements; e++) {
    if (t == F32) ((float *)b->mem[i])[e] = (float)uniform();
    if (t == F64) ((double *)b->mem[i])[e] = uniform();
    if (t == U32) ((uint32_t *)b->mem[i])[e] = (uint32_t)((uniform() + 1) * 5);     // 0 … 9
    if (t == I64) ((int64_t *)b->mem[i])[e] = 0;
  }
  return i;
}

static Bench *bench_new(DType dtype, int64_t n) {
  Arena *a = arena_new();
  Bench *b = NEW(a, Bench);
  b->a = a;
  b->n = n;
  b->s = (Schedule){.arena = a, .dtype = dtype, .capacity = CAPACITY, .block = 64};
  b->phase = (Phase){.symbol = "train_0", .group = 32, .calls = b->calls};
  b->s.programs[PROG_TRAIN] = (SchedProgram){.phases = &b->phase, .n_phases = 1};
  ((int64_t *)b->mem[buffer(b, I64, RT_INTS, "rt")])[RT_N] = n;
  return b;
}

static void bench_free(Bench *b) {
  for (int i = 0; i < b->s.buffers.n; i++) free(b->mem[i]);
  arena_free(b->a);
}

static Call *call(Bench *b, CallKind kind, const char *name) {
  Call *c = &b->calls[b->phase.n_calls++];
  *c = (Call){.kind = kind, .name = name, .anchor = -1, .reduce_op = OP_SUM, .items = 1, .item_rows = 1};
  c->vals = NEW_ARRAY(b->a, Val, 24);
  c->inputs = NEW_ARRAY(b->a, Input, 12);
  c->outputs = NEW_ARRAY(b->a, Output, 4);
  return c;
}

static void dim(Call *c, bool rows, int64_t size) { c->dims[c->n_dims++] = (Dim){.is_rows = rows, .size = rows ? CAPACITY : size}; }

static int val(Call *c, Val v) { c->vals[c->n_vals] = v; return c->n_vals++; }
static int input(Call *c, DType t, int prologue, int buf, int64_t offset, int64_t s0, int64_t s1, int64_t s2) {
  c->inputs[c->n_inputs] = (Input){.buffer = buf, .offset = offset, .stride = {s0, s1, s2}, .dtype = t, .index = -1};
  return val(c, (Val){.kind = VAL_INPUT, .dtype = t, .prologue = (uint8_t)prologue, .input = c->n_inputs++});
}
static int op(Call *c, OpId id, DType t, int prologue, int x, int y, int z) {
  return val(c, (Val){.kind = VAL_OP, .op = id, .dtype = t, .prologue = (uint8_t)prologue, .in = {x, y, z},
                      .n_in = z >= 0 ? 3 : y >= 0 ? 2 : 1});
}
static int constant(Call *c, DType t, double f) { return val(c, (Val){.kind = VAL_CONST, .dtype = t, .f = f}); }
static int anchor(Call *c, DType t, int operand) {
  return c->anchor = val(c, (Val){.kind = VAL_ANCHOR, .dtype = t, .in = {operand}, .n_in = operand >= 0});
}
static void output(Call *c, DType t, int v, int buf, int64_t offset, int64_t s0, int64_t s1, int64_t s2) {
  c->outputs[c->n_outputs++] = (Output){.val = v, .buffer = buf, .offset = offset, .stride = {s0, s1, s2}, .dtype = t};
}

// ---------------------------------------------------------------- reference: one point at a time
static double round_to(DType t, double v) { return t == F32 ? (double)(float)v : v; }
static double fma_in(DType t, double a, double b, double c) {
  return t == F32 ? (double)fmaf((float)a, (float)b, (float)c) : fma(a, b, c);
}
static double softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }

static double op_value(OpId id, DType t, const double *x) {
  switch ((int)id) {
    case OP_ADD: return round_to(t, x[0] + x[1]);
    case OP_SUB: return round_to(t, x[0] - x[1]);
    case OP_MUL: return round_to(t, x[0] * x[1]);
    case OP_DIV: return round_to(t, x[0] / x[1]);
    case OP_MIN: return x[0] < x[1] ? x[0] : x[1];
    case OP_MAX: return x[0] > x[1] ? x[0] : x[1];
    case OP_FMA: return fma_in(t, x[0], x[1], x[2]);
    case OP_NEG: return -x[0];
    case OP_ABS: return fabs(x[0]);
    case OP_EXP: return round_to(t, exp(x[0]));
    case OP_LOG: return round_to(t, log(x[0]));
    case OP_SQRT: return round_to(t, sqrt(x[0]));
    case OP_RECIP: return round_to(t, 1 / x[0]);
    case OP_RELU: return x[0] > 0 ? x[0] : 0;
    case OP_SIGMOID: return round_to(t, 1 / (1 + exp(-x[0])));
    case OP_TANH: return round_to(t, tanh(x[0]));
    case OP_SOFTPLUS: return round_to(t, softplus(x[0]));
    case OP_LT: return x[0] < x[1];
    case OP_LE: return x[0] <= x[1];
    case OP_EQ: return x[0] == x[1];
    case OP_NOT: return x[0] == 0;
    case OP_SELECT: return x[0] != 0 ? x[1] : x[2];
    case OP_STOP: case OP_CAST: return round_to(t, x[0]);
  }
  abort();
}

static double get(Bench *b, int buf, DType t, int64_t at) {
  const void *m = b->mem[buf];
  return t == F32 ? (double)((const float *)m)[at] : t == F64 ? ((const double *)m)[at]
       : t == U32 ? (double)((const uint32_t *)m)[at] : (double)((const int64_t *)m)[at];
}
static void put(Bench *b, int buf, DType t, int64_t at, double v) {
  if (t == F32) ((float *)b->mem[buf])[at] = (float)v;
  else ((double *)b->mem[buf])[at] = v;
}

static int64_t extent(Bench *b, Dim d) { return d.groups_of ? (b->n + d.groups_of - 1) / d.groups_of : d.is_rows ? b->n : d.size; }

static double ref_input(Bench *b, const Call *c, int i, const int64_t *at, int rank) {
  const Input *in = &c->inputs[i];
  int64_t where = in->offset;
  for (int d = 0; d < rank; d++) where += at[d] * in->stride[d];
  if (in->index >= 0) where += (int64_t)ref_input(b, c, in->index, at, rank) * in->index_stride;
  return get(b, in->buffer, in->dtype, where);
}

static double ref_val(Bench *b, const Call *c, int v, const int64_t *at, int rank, double anchor_value) {
  const Val *x = &c->vals[v];
  double arg[3];
  if (x->kind == VAL_CONST) return round_to(x->dtype, x->f);
  if (x->kind == VAL_ANCHOR) return anchor_value;
  if (x->kind == VAL_IOTA) return x->dim < 0 ? 0 : (double)at[x->dim];
  if (x->kind == VAL_INPUT) return round_to(x->dtype, ref_input(b, c, x->input, at, rank));
  for (int i = 0; i < x->n_in; i++) arg[i] = ref_val(b, c, x->in[i], at, rank, anchor_value);
  return op_value(x->op, x->dtype, arg);
}

static double step(const Call *c, DType t, double acc, double x) {
  return c->reduce_op == OP_AMAX ? (x > acc ? x : acc) : round_to(t, acc + x);
}

// The operand of the anchor at position r of the reduced axis.
static double ref_operand(Bench *b, const Call *c, const int64_t *at, int64_t r) {
  int64_t p[MAX_DIMS + 1];
  bool first = c->kind == CALL_REDUCE_ROWS;
  for (int d = 0; d < c->n_dims; d++) p[d + first] = at[d];
  p[first ? 0 : c->n_dims] = r;
  return ref_val(b, c, c->vals[c->anchor].in[0], p, c->n_dims + 1, 0);
}

static double ref_lanes(Bench *b, const Call *c, const int64_t *at, int64_t from, int64_t to) {
  DType t = c->vals[c->anchor].dtype;
  double lane[16];
  for (int i = 0; i < 16; i++) lane[i] = c->reduce_op == OP_AMAX ? -INFINITY : 0;
  for (int64_t r = from; r < to; r++) lane[(r - from) % 16] = step(c, t, lane[(r - from) % 16], ref_operand(b, c, at, r));
  for (int w = 8; w >= 1; w /= 2)
    for (int i = 0; i < w; i++) lane[i] = step(c, t, lane[i], lane[i + w]);
  return lane[0];
}

static double ref_chain(Bench *b, const Call *c, const int64_t *at, int64_t from, int64_t to) {
  DType t = c->vals[c->anchor].dtype;
  double acc = c->reduce_op == OP_AMAX ? -INFINITY : 0;
  if (c->kind == CALL_REDUCE_ROWS && c->n_dims == 0) return ref_lanes(b, c, at, from, to);
  for (int64_t r = from; r < to; r++) {
    if (c->kind == CALL_REDUCE_ROWS) { acc = step(c, t, acc, ref_operand(b, c, at, r)); continue; }
    double x = get(b, c->left.buffer, c->left.dtype, c->left.offset + at[0] * c->left.stride_mn + r * c->left.stride_k);
    double y = get(b, c->right.buffer, c->right.dtype, c->right.offset + at[1] * c->right.stride_mn + r * c->right.stride_k);
    acc = fma_in(t, x, y, acc);
  }
  return acc;
}

static double ref_anchor(Bench *b, const Call *c, const int64_t *at) {
  int64_t from = c->by_group ? b->from : 0, n = extent(b, c->reduced), block = c->reduced.groups_of ? 1 : b->s.block;
  DType t = c->vals[c->anchor].dtype;
  if (c->by_group && from + c->by_group < n) n = from + c->by_group;
  if (c->kind == CALL_REDUCE_LANES) return ref_lanes(b, c, at, 0, n);
  if (c->reduce_op == OP_AMAX || (c->kind == CALL_DOT && !c->reduced.is_rows)) return ref_chain(b, c, at, 0, n);
  double stack[40], acc = 0;
  int sp = 0;
  for (int64_t i = 0, r = from; r < n || i == 0; i++, r += block) {
    acc = ref_chain(b, c, at, r, r + block < n ? r + block : n);
    for (int64_t k = i; k & 1; k >>= 1) acc = round_to(t, stack[--sp] + acc);
    stack[sp++] = acc;
  }
  for (acc = stack[--sp]; sp > 0;) acc = round_to(t, stack[--sp] + acc);
  return acc;
}

static void ref_spread(Bench *b, const Call *c) {
  const Output *o = &c->outputs[0];
  int64_t width = c->n_dims > 1 ? c->dims[1].size : 1, items = c->n_dims > 2 ? c->dims[2].size : 1;
  for (int64_t v = 0; v < c->dims[0].size; v++)
    for (int64_t j = 0; j < width; j++) {
      double sum = 0;
      for (int64_t r = 0; r < b->n; r++)
        for (int64_t i = 0; i < items; i++) {
          int64_t at[4] = {r, 0, j, i};
          if (c->n_dims > 2 && (double)i >= ref_input(b, c, 2, at, 4)) break;
          if ((int64_t)ref_input(b, c, 0, at, 4) == v) sum = round_to(o->dtype, sum + ref_input(b, c, 1, at, 4));
        }
      put(b, o->buffer, o->dtype, o->offset + v * o->stride[0] + j * o->stride[1], sum);
    }
}

static void ref_bag(Bench *b, const Call *c) {
  const Output *o = &c->outputs[0];
  for (int64_t j = 0; j < c->dims[0].size; j++)
    for (int64_t r = 0; r < b->n; r++) {
      double sum = ref_input(b, c, 1, (int64_t[]){0, j, r}, 3);
      for (int64_t i = 1; i < c->reduced.size; i++) sum = round_to(o->dtype, sum + ref_input(b, c, 1, (int64_t[]){i, j, r}, 3));
      for (int64_t i = 0; c->n_dims > 2 && i < c->dims[2].size; i++) {
        int64_t at[] = {0, j, r, i};
        sum = fma_in(o->dtype, ref_input(b, c, 2, at, 4), ref_input(b, c, 3, at, 4), sum);
      }
      put(b, o->buffer, o->dtype, o->offset + j * o->stride[0] + r * o->stride[1], sum);
    }
}

static void ref_spread_bag(Bench *b, const Call *c) {
  const Output *o = &c->outputs[0];
  for (int64_t j = 0; j < c->dims[0].size; j++)
    for (int64_t v = 0; v < c->dims[1].size; v++) {
      double sum = 0;
      for (int64_t r = 0; r < b->n; r++)
        for (int64_t i = 0; i < BAG_IDS; i++)
          if ((int64_t)get(b, BAG_IDS_BUFFER, U32, r * BAG_IDS + i) == v) sum = round_to(o->dtype, sum + ref_input(b, c, 0, (int64_t[]){r, j, v}, 3));
      put(b, o->buffer, o->dtype, o->offset + j * o->stride[0] + v * o->stride[1], sum);
    }
}

static void ref_call(Bench *b, const Call *c) {
  int64_t at[MAX_DIMS + 1] = {0}, total = 1;
  if (c->kind == CALL_SPREAD) { ref_spread(b, c); return; }
  if (c->kind == CALL_BAG) { ref_bag(b, c); return; }
  if (c->kind == CALL_SPREAD_BAG) { ref_spread_bag(b, c); return; }
  for (int d = 0; d < c->n_dims; d++) total *= extent(b, c->dims[d]);
  for (int64_t i = 0; i < total; i++) {
    int64_t rest = i;
    double value[4];
    for (int d = c->n_dims - 1; d >= 0; d--) { at[d] = rest % extent(b, c->dims[d]); rest /= extent(b, c->dims[d]); }
    double anchor_value = c->anchor >= 0 ? ref_anchor(b, c, at) : 0;
    for (int o = 0; o < c->n_outputs; o++) value[o] = ref_val(b, c, c->outputs[o].val, at, c->n_dims, anchor_value);
    for (int o = 0; o < c->n_outputs; o++) {
      int64_t where = c->outputs[o].offset;
      for (int d = 0; d < c->n_dims; d++) where += at[d] * c->outputs[o].stride[d];
      put(b, c->outputs[o].buffer, c->outputs[o].dtype, where, value[o]);
    }
  }
}

static void ref_groups(Bench *b, Call *c) {
  if (!c->by_group) { ref_call(b, c); return; }
  int64_t first = c->outputs[0].offset;
  for (b->from = 0; b->from < b->n; b->from += c->by_group, c->outputs[0].offset += c->group_stride) ref_call(b, c);
  c->outputs[0].offset = first;
}

// ---------------------------------------------------------------- compiled
// In one, two and three parts, as a step and as a prediction, by turns.
static Image load(const Schedule *train, TargetId t, PhaseFn **fn) {
  static int turn;
  int parts = 1 + turn++ % 3;
  Schedule predict = *train, *s = &predict;
  if (turn % 2) s->programs[PROG_PREDICT] = train->programs[PROG_TRAIN], s->programs[PROG_TRAIN] = (SchedProgram){0};
  char *part[MAX_PARTS], *error = NULL;
  size_t bytes[MAX_PARTS], size;
  Image im;
  Diag *d = diag_new(s->arena, NULL);
  for (int i = 0; i < parts; i++) {
    part[i] = mtlc_emit(s, t, EMIT_OBJECT, (Part){i, parts}, &bytes[i], &error);
    if (error) print_message("%s\n", error);
    assert_non_null(part[i]);
    assert_null(error);
  }
  char *object = parts > 1 ? parts_join(part, bytes, parts, &size) : part[0];
  assert_true(image_load(object, parts > 1 ? size : bytes[0], &im, d));
  *(void **)fn = image_symbol(&im, "train_0");
  assert_non_null(*(void **)fn);
  for (int i = 0; i < parts; i++) free(part[i]);
  if (parts > 1) free(object);
  return im;
}

static int64_t item_count(const Bench *b) {
  int64_t n = 0;
  if (b->phase.over_rows) return (b->n + b->phase.group - 1) / b->phase.group;
  for (int i = 0; i < b->phase.n_calls; i++) n += b->calls[i].items;
  return n;
}

static double distance(DType t, double a, double b) {     // in units of the last place of b
  if (a == b || (isnan(a) && isnan(b))) return 0;
  double ulp = t == F32 ? (double)(nextafterf(fabsf((float)b), INFINITY) - fabsf((float)b))
                        : nextafter(fabs(b), INFINITY) - fabs(b);
  return fabs(a - b) / ulp;
}

static void compare(Bench *b, void *const *want, double ulps, TargetId t) {
  for (int i = 1; i < b->s.buffers.n; i++) {
    DType dt = b->s.buffers.data[i].dtype;
    void *mine = b->mem[i];
    for (int64_t e = 0; e < (int64_t)(b->bytes[i] / size_of(dt)); e++) {
      double got = get(b, i, dt, e);
      b->mem[i] = want[i];
      double expect = get(b, i, dt, e);
      b->mem[i] = mine;
      if (!(distance(dt, got, expect) <= ulps))
        fail_msg("%s: buffer %s element %lld: %.17g, expected %.17g", targets[t].name, b->s.buffers.data[i].name,
                 (long long)e, got, expect);
    }
  }
}

static void **snapshot(Bench *b) {
  void **m = NEW_ARRAY(b->a, void *, b->s.buffers.n);
  for (int i = 0; i < b->s.buffers.n; i++) {
    m[i] = NEW_ARRAY(b->a, char, b->bytes[i] + 64);
    memcpy(m[i], b->mem[i], b->bytes[i]);
  }
  return m;
}

// Reference once; then every usable target from the same start, in two ranges of items. ulps 0: equal bits.
static void check(Bench *b, double ulps) {
  void **start = snapshot(b);
  for (int i = 0; i < b->phase.n_calls; i++) ref_groups(b, &b->calls[i]);
  void **want = snapshot(b);
  for (int t = 0; t < N_TARGETS; t++) {
    if (!target_usable((TargetId)t)) continue;
    PhaseFn *fn;
    for (int i = 0; i < b->s.buffers.n; i++) memcpy(b->mem[i], start[i], b->bytes[i]);
    Image im = load(&b->s, (TargetId)t, &fn);
    int64_t items = item_count(b), mid = items / 2;
    fn(b->mem, mid, items, 0);
    fn(b->mem, 0, mid, 0);
    compare(b, want, ulps, (TargetId)t);
    image_free(&im);
  }
  bench_free(b);
}

// ---------------------------------------------------------------- MAP
static void map_steps(Call *c, DType t, int x, int y, int out, int64_t ld) {
  int d = op(c, OP_FMA, t, 0, x, y, x), s = op(c, OP_SUB, t, 0, d, y, -1);
  int m = op(c, OP_MAX, t, 0, s, constant(c, t, 0.25), -1), lt = op(c, OP_LT, t, 0, x, y, -1);
  output(c, t, op(c, OP_SELECT, t, 0, lt, m, op(c, OP_DIV, t, 0, s, y, -1)), out, 0, ld, 1, 0);
}

static void map_of(DType t, int64_t n, int64_t width) {   // a row-strided x, a bias y along lanes
  Bench *b = bench_new(t, n);
  int x = buffer(b, t, CAPACITY * 50, "x"), y = buffer(b, t, 64, "y"), o = buffer(b, t, CAPACITY * 48, "o");
  Call *c = call(b, CALL_MAP, "map");
  b->phase.over_rows = true;
  dim(c, true, 0);
  dim(c, false, width);
  map_steps(c, t, input(c, t, 0, x, 3, 50, 1, 0), input(c, t, 0, y, 1, 0, 1, 0), o, 48);
  check(b, 0);
}

static void test_map_rows(void **state) {
  (void)state;
  for (int64_t width = 1; width <= 33; width += 8) map_of(F32, 77, width);
  map_of(F32, 1, 16);
  map_of(F64, 77, 13);
}

// x lies the other way around, beside a bias along lanes; outer: dims before the two.
static void transposed_map(DType t, int64_t outer, int64_t n, int64_t m, bool rows) {
  Bench *b = bench_new(t, n);
  int64_t ld = CAPACITY, to = 72;
  int x = buffer(b, t, outer * 72 * ld, "x"), y = buffer(b, t, 80, "y"), o = buffer(b, t, outer * CAPACITY * to, "o");
  Call *c = call(b, CALL_MAP, "transposed");
  b->phase.over_rows = rows;
  if (outer > 1) dim(c, false, outer);
  dim(c, rows, n);
  dim(c, false, m);
  c->items = outer > 1 ? outer : n;
  if (outer > 1) map_steps(c, t, input(c, t, 0, x, 0, 72 * ld, 1, ld), input(c, t, 0, y, 1, 0, 0, 1), o, 0);
  else map_steps(c, t, input(c, t, 0, x, 2, 1, ld, 0), input(c, t, 0, y, 1, 0, 1, 0), o, to);
  if (outer > 1) memcpy(c->outputs[0].stride, (int64_t[]){CAPACITY * to, to, 1}, 3 * sizeof(int64_t));
  check(b, 0);
}

static void test_map_transposed(void **state) {           // squares, what is left of them either way, and none
  (void)state;
  static const int64_t sizes[] = {1, 5, 8, 16, 21, 37, 64};
  for (int n = 0; n < COUNT_OF(sizes); n++)
    for (int m = 1; m < COUNT_OF(sizes); m++) transposed_map(F32, 1, sizes[n], sizes[m], n & 1);
  transposed_map(F32, 3, 37, 21, false);
  transposed_map(F32, 2, 16, 16, false);
  transposed_map(F64, 1, 37, 21, true);
}

static void test_map_strided_and_uniform(void **state) {  // lanes over rows with a stride; a scalar; an iota
  (void)state;
  for (int64_t n = 1; n <= 41; n += 8) {
    Bench *b = bench_new(F32, n);
    int x = buffer(b, F32, CAPACITY * 16, "x"), s = buffer(b, F64, 1, "s"), o = buffer(b, F32, CAPACITY * 3, "o");
    Call *c = call(b, CALL_MAP, "strided");
    b->phase.over_rows = true;
    dim(c, true, 0);
    int wide = op(c, OP_MUL, F64, 0, input(c, F64, 0, s, 0, 0, 0, 0), constant(c, F64, 3), -1);
    int scale = op(c, OP_CAST, F32, 0, wide, -1, -1);
    int i = val(c, (Val){.kind = VAL_IOTA, .dtype = F32, .dim = 0});
    output(c, F32, op(c, OP_FMA, F32, 0, input(c, F32, 0, x, 2, 16, 0, 0), scale, i), o, 1, 3, 0, 0);
    check(b, 0);
  }
}

static void test_map_indexed(void **state) {              // rows of a table by id; and an id along lanes
  (void)state;
  Bench *b = bench_new(F32, 61);
  int table = buffer(b, F32, 10 * 20, "table"), ids = buffer(b, U32, CAPACITY * 3, "ids");
  int o = buffer(b, F32, CAPACITY * 20, "o"), flat = buffer(b, F32, CAPACITY, "flat");
  b->phase.over_rows = true;
  for (int along = 0; along < 2; along++) {
    Call *c = call(b, CALL_MAP, "gather");
    dim(c, true, 0);
    if (!along) dim(c, false, 19);
    int v = input(c, F32, 0, table, 0, 0, !along, 0);
    c->inputs[0].index = 1;
    c->inputs[0].index_stride = 20;
    c->inputs[c->n_inputs++] = (Input){.buffer = ids, .offset = 1, .stride = {3}, .dtype = U32, .index = -1};
    output(c, F32, v, along ? flat : o, 0, along ? 1 : 20, !along, 0);
  }
  check(b, 0);
}

static void test_map_scalar(void **state) {               // no dims: one point
  (void)state;
  Bench *b = bench_new(F32, 5);
  int s = buffer(b, F32, 4, "s");
  Call *c = call(b, CALL_MAP, "scalar");
  output(c, F32, op(c, OP_DIV, F32, 0, input(c, F32, 0, s, 0, 0, 0, 0), input(c, F32, 0, s, 1, 0, 0, 0), -1), s, 2, 0, 0, 0);
  check(b, 0);
}

// ---------------------------------------------------------------- accuracy of the functions of one argument
typedef struct { OpId op; double from, to, ulps; } Range;
static void fill_range(float *x, int n, const Range *r) {
  for (int i = 0; i < n; i++) x[i] = (float)(r->from + (r->to - r->from) * i / (n - 1));
  const float special[] = {0, -0.0f, INFINITY, -INFINITY, NAN, 1, -1, 1e-30f, -1e-30f, 3e38f, -3e38f, 1e-7f, -1e-7f, 88.72f};
  for (int i = 0; i < COUNT_OF(special); i++) x[i] = special[i];
}

static double worst_of(Bench *b, int x, int o, int n, const Range *r) {
  double worst = 0;
  for (int i = 0; i < n; i++) {
    double in = get(b, x, F32, i), got = get(b, o, F32, i), exact;
    exact = r->op == OP_EXP ? exp(in) : r->op == OP_LOG ? log(in) : r->op == OP_TANH ? tanh(in)
          : r->op == OP_SIGMOID ? 1 / (1 + exp(-in)) : softplus(in);
    if (got == exact || (float)exact == (float)got || (isnan(exact) && isnan(got))) continue;
    double size = fmax(fabs(exact), 0x1p-126), d = fabs(got - exact) / ldexp(1, ilogb(size) - 23);
    if (!(d <= r->ulps)) fail_msg("op %d at %.9g: %.9g, exact %.17g (%.2f ulp)", (int)r->op, in, got, exact, d);
    if (d > worst) worst = d;
  }
  return worst;
}

static void accuracy(const Range *r, TargetId t, uint32_t *bits) {
  enum { N = 20011 };
  Bench *b = bench_new(F32, 1);
  int x = buffer(b, F32, N, "x"), o = buffer(b, F32, N, "o");
  Call *c = call(b, CALL_MAP, "function");
  dim(c, false, N);
  c->items = 1;
  c->item_rows = N;
  fill_range(b->mem[x], N, r);
  output(c, F32, op(c, r->op, F32, 0, input(c, F32, 0, x, 0, 1, 0, 0), -1, -1), o, 0, 1, 0, 0);
  PhaseFn *fn;
  Image im = load(&b->s, t, &fn);
  fn(b->mem, 0, 1, 0);
  double worst = worst_of(b, x, o, N, r);
  print_message("%-8s op %2d on [%g, %g]: %.2f ulp\n", targets[t].name, (int)r->op, r->from, r->to, worst);
  uint32_t sum = 0;
  for (int i = 0; i < N; i++) {
    uint32_t u = ((uint32_t *)b->mem[o])[i];
    sum = sum * 31 + ((u & 0x7FFFFFFF) > 0x7F800000 ? 0x7FC00000 : u);       // a NaN's sign is no one's business
  }
  if (*bits) assert_int_equal(sum, *bits);
  *bits = sum;
  image_free(&im);
  bench_free(b);
}

static void test_functions_f32(void **state) {
  static const Range ranges[] = {
    {OP_EXP, -104, 89, 1.5}, {OP_EXP, -1, 1, 1.5}, {OP_LOG, 1e-6, 4, 1.5}, {OP_LOG, 1e-37, 1e-36, 1.5},
    {OP_LOG, 1, 1e30, 1.5},
    {OP_TANH, -10, 10, 5}, {OP_TANH, -0.7, 0.7, 5}, {OP_SIGMOID, -30, 30, 5}, {OP_SIGMOID, -104, 0, 5},
    {OP_SOFTPLUS, -20, 20, 5}, {OP_SOFTPLUS, -87, 100, 5}, {OP_SOFTPLUS, -2, 2, 5}};
  (void)state;
  for (int i = 0; i < COUNT_OF(ranges); i++) {
    uint32_t bits = 0;
    for (int t = 0; t < N_TARGETS; t++)
      if (target_usable((TargetId)t)) accuracy(&ranges[i], (TargetId)t, &bits);
  }
}

static void test_functions_f64(void **state) {
  static const OpId ops[] = {OP_EXP, OP_TANH, OP_SIGMOID, OP_SOFTPLUS, OP_ABS, OP_SQRT};
  (void)state;
  for (int i = 0; i < COUNT_OF(ops); i++) {
    Bench *b = bench_new(F64, 1);
    int x = buffer(b, F64, 77, "x"), o = buffer(b, F64, 77, "o");
    Call *c = call(b, CALL_MAP, "function");
    dim(c, false, 77);
    c->item_rows = 77;
    int v = op(c, OP_MUL, F64, 0, input(c, F64, 0, x, 0, 1, 0, 0), constant(c, F64, 8), -1);
    if (ops[i] == OP_SQRT) v = op(c, OP_ABS, F64, 0, v, -1, -1);
    output(c, F64, op(c, ops[i], F64, 0, v, -1, -1), o, 0, 1, 0, 0);
    check(b, ops[i] == OP_SIGMOID || ops[i] == OP_SOFTPLUS ? 4 : 0);
  }
}

// ---------------------------------------------------------------- DOT
typedef struct { int64_t n, m_size, k, width; bool m_rows, k_rows, transposed, heavy; } DotCase;

static void dot_program(Call *c, DType t, int acc, int bias, int other, bool heavy, int o1, int o2, int64_t ld) {
  int v = op(c, OP_ADD, t, 0, acc, bias, -1);
  output(c, t, op(c, OP_RELU, t, 0, v, -1, -1), o1, 0, ld, 1, 0);
  if (!heavy) return;
  int w = op(c, OP_FMA, t, 0, v, other, acc), q = op(c, OP_MUL, t, 0, w, w, -1);
  int r = op(c, OP_DIV, t, 0, w, op(c, OP_ADD, t, 0, op(c, OP_SQRT, t, 0, q, -1, -1), constant(c, t, 0.5), -1), -1);
  output(c, t, op(c, OP_SUB, t, 0, r, op(c, OP_MUL, t, 0, other, constant(c, t, 0.1), -1), -1), o2, 0, ld, 1, 0);
}

static void dot_of(DType t, DotCase d) {
  Bench *b = bench_new(t, d.n);
  enum { LD = 144 };
  int left = buffer(b, t, CAPACITY * LD, "left"), right = buffer(b, t, CAPACITY * LD, "right");
  int bias = buffer(b, t, LD, "bias"), other = buffer(b, t, CAPACITY * LD, "other");
  int o1 = buffer(b, t, CAPACITY * LD, "o1");
  Call *c = call(b, CALL_DOT, "dot");
  dim(c, d.m_rows, d.m_size);
  dim(c, false, d.width);
  c->reduced = (Dim){.is_rows = d.k_rows, .size = d.k_rows ? CAPACITY : d.k};
  c->left.buffer = left;
  c->left.dtype = c->right.dtype = t;
  c->left.stride_mn = d.transposed ? 1 : LD;
  c->left.stride_k = d.transposed ? LD : 1;
  c->right.buffer = right;
  c->right.stride_mn = 1;
  c->right.stride_k = LD;
  int a = anchor(c, t, -1);
  dot_program(c, t, a, input(c, t, 0, bias, 0, 0, 1, 0), input(c, t, 0, other, 0, LD, 1, 0), d.heavy, o1, other, LD);
  b->phase.over_rows = d.m_rows;
  c->item_rows = 16;
  c->items = (d.m_size + 15) / 16;
  check(b, 0);
}

static void test_dot(void **state) {
  (void)state;
  dot_of(F32, (DotCase){.n = 77, .k = 30, .width = 64, .m_rows = true});
  dot_of(F32, (DotCase){.n = 32, .k = 64, .width = 45, .m_rows = true, .heavy = true});
  dot_of(F32, (DotCase){.n = 13, .k = 7, .width = 1, .m_rows = true});
  dot_of(F32, (DotCase){.n = 3, .k = 1, .width = 33, .m_rows = true});
  dot_of(F32, (DotCase){.n = 45, .k = 7, .width = 1, .m_rows = true, .heavy = true});
  dot_of(F32, (DotCase){.n = 77, .k = 37, .width = 1, .m_rows = true, .heavy = true});     // squares, rows and columns behind them
  dot_of(F32, (DotCase){.n = 64, .k = 64, .width = 1, .m_rows = true});
  dot_of(F32, (DotCase){.n = 1, .m_size = 53, .k = 16, .width = 1});
  dot_of(F32, (DotCase){.n = 45, .k = 7, .width = 16, .m_rows = true, .heavy = true});
  dot_of(F32, (DotCase){.n = 45, .k = 7, .width = 65, .m_rows = true});
  dot_of(F64, (DotCase){.n = 19, .k = 11, .width = 21, .m_rows = true, .heavy = true});
  dot_of(F64, (DotCase){.n = 19, .k = 11, .width = 1, .m_rows = true});
}

static void test_dot_of_few_rows(void **state) {          // fewer than a tile has: of a batch, of a matrix
  (void)state;
  for (int64_t rows = 1; rows <= 9; rows++)
    for (int64_t width = 16; width <= 70; width += 27) {
      dot_of(F32, (DotCase){.n = rows, .k = 9, .width = width, .m_rows = true});
      dot_of(F32, (DotCase){.n = 70, .m_size = rows, .width = width, .k_rows = true, .transposed = true});
      dot_of(F32, (DotCase){.n = 1, .m_size = rows, .k = 9, .width = width});
    }
  dot_of(F64, (DotCase){.n = 2, .k = 9, .width = 30, .m_rows = true});
  dot_of(F64, (DotCase){.n = 70, .m_size = 1, .width = 70, .k_rows = true, .heavy = true});
}

// The last group is short, and before its rows, which are local, there is no memory that may be read.
static void own_rows(int64_t left_over, int64_t width) {
  enum { K = 12, LD = 16, OUT = 72, GROUP = 32 };
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  Bench *b = bench_new(F32, GROUP + left_over);
  int left = buffer(b, F32, GROUP * LD, "left"), right = buffer(b, F32, K * OUT, "right"), o = buffer(b, F32, CAPACITY * OUT, "o");
  Call *c = call(b, CALL_DOT, "dot");
  b->s.buffers.data[left].role = BUF_LOCAL;
  b->s.buffers.data[left].rows_a = GROUP, b->s.buffers.data[left].cols = K, b->s.buffers.data[left].ld = LD;
  b->phase.over_rows = true, b->phase.group = GROUP;
  dim(c, true, 0);
  dim(c, false, width);
  c->reduced = (Dim){.is_rows = false, .size = K};
  c->left.buffer = left, c->right.buffer = right;
  c->left.dtype = c->right.dtype = F32;
  c->left.stride_mn = LD, c->right.stride_k = OUT;
  c->left.stride_k = c->right.stride_mn = 1;
  output(c, F32, anchor(c, F32, -1), o, 0, OUT, 1, 0);
  void *filled = b->mem[left];
  char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(pages != MAP_FAILED && b->bytes[left] <= page && !mprotect(pages, page, PROT_NONE));
  b->mem[left] = memcpy(pages + page, filled, b->bytes[left]);
  for (int t = 0; t < N_TARGETS; t++) {
    if (!target_usable((TargetId)t)) continue;
    PhaseFn *fn;
    Image im = load(&b->s, (TargetId)t, &fn);
    memset(b->mem[o], 0, b->bytes[o]);
    fn(b->mem, 1, 2, 0);
    for (int64_t r = 0; r < left_over; r++)
      for (int64_t j = 0; j < width; j++)
        assert_true(get(b, o, F32, (GROUP + r) * OUT + j) == ref_chain(b, c, (int64_t[]){r, j}, 0, K));
    for (int64_t i = 0; i < GROUP * OUT; i++) assert_true(get(b, o, F32, i) == 0);
    image_free(&im);
  }
  munmap(pages, 2 * page);
  b->mem[left] = filled;
  bench_free(b);
}

static void test_dot_of_a_groups_own_rows(void **state) {
  (void)state;
  static const int64_t widths[] = {1, 5, 16, 45, 64};
  for (int64_t rows = 1; rows <= 9; rows++)
    for (int i = 0; i < COUNT_OF(widths); i++) own_rows(rows, widths[i]);
}

static void test_dot_with_gather(void **state) {          // a row of a table by the id of each row, in the program
  (void)state;
  enum { LD = 48, V = 10 };
  for (int64_t n = 3; n <= 40; n += 37) {
    Bench *b = bench_new(F32, n);
    int left = buffer(b, F32, CAPACITY * LD, "left"), right = buffer(b, F32, LD * LD, "right"), o = buffer(b, F32, CAPACITY * LD, "o");
    int table = buffer(b, F32, V * LD, "table"), ids = buffer(b, U32, CAPACITY * 2, "ids");
    Call *c = call(b, CALL_DOT, "dot");
    b->phase.over_rows = true;
    dim(c, true, 0);
    dim(c, false, 40);
    c->reduced = (Dim){.is_rows = false, .size = 5};
    c->left.buffer = left, c->right.buffer = right;
    c->left.dtype = c->right.dtype = F32;
    c->left.stride_mn = c->right.stride_k = LD;
    c->left.stride_k = c->right.stride_mn = 1;
    int a = anchor(c, F32, -1), row = input(c, F32, 0, table, 0, 0, 1, 0);
    c->inputs[0].index = 1;
    c->inputs[0].index_stride = LD;
    c->inputs[c->n_inputs++] = (Input){.buffer = ids, .offset = 1, .stride = {2}, .dtype = U32, .index = -1};
    output(c, F32, op(c, OP_ADD, F32, 0, a, row, -1), o, 0, LD, 1, 0);
    check(b, 0);
  }
}

static void test_dot_over_rows(void **state) {            // dW: k is rows, in blocks of 64
  (void)state;
  static const int64_t rows[] = {0, 1, 64, 65, 128, 192, 200, 256, 300};
  for (int i = 0; i < COUNT_OF(rows); i++)
    for (int64_t width = 1; width <= 40; width += 13)
      dot_of(F32, (DotCase){.n = rows[i], .m_size = 30, .width = width, .k_rows = true, .transposed = true, .heavy = i & 1});
  dot_of(F32, (DotCase){.n = 70, .m_size = 30, .width = 1, .k_rows = true, .heavy = true});
  dot_of(F32, (DotCase){.n = 200, .m_size = 103, .width = 141, .k_rows = true, .transposed = true});     // several spans each way
  dot_of(F64, (DotCase){.n = 200, .m_size = 49, .width = 129, .k_rows = true, .transposed = true});
  dot_of(F64, (DotCase){.n = 300, .m_size = 9, .width = 10, .k_rows = true, .transposed = true, .heavy = true});
}

// dW in two parts: sums of groups of one block or two; then of these, with a program, in rows of `width`.
static void sums_of_groups(DType t, int64_t n, int64_t m, int64_t width, int64_t group) {
  enum { LD = 80, BLOCKS = 5, PLACE = 100 * LD };
  Bench *b = bench_new(t, n);
  int left = buffer(b, t, CAPACITY * LD, "left"), right = buffer(b, t, CAPACITY * LD, "right"), sums = buffer(b, t, BLOCKS * PLACE, "sums");
  int bias = buffer(b, t, BLOCKS * LD, "bias");
  Call *c = call(b, CALL_DOT, "dot"), *r = call(b, CALL_REDUCE_ROWS, "bias");
  b->phase.over_rows = true, b->phase.group = group;
  dim(c, false, m), dim(c, false, width), dim(r, false, width);
  c->reduced = r->reduced = (Dim){.is_rows = true, .size = CAPACITY};
  c->by_group = r->by_group = group;
  c->group_stride = PLACE, r->group_stride = LD;
  c->left.buffer = left, c->right.buffer = right;
  c->left.dtype = c->right.dtype = t;
  c->left.stride_mn = c->right.stride_mn = 1;
  c->left.stride_k = c->right.stride_k = LD;
  output(c, t, anchor(c, t, -1), sums, 0, LD, 1, 0);
  output(r, t, anchor(r, t, op(r, OP_MUL, t, 1, input(r, t, 1, right, 0, LD, 1, 0), constant(r, t, 0.5), -1)), bias, 0, 1, 0, 0);
  check(b, 0);
}

static void sum_over_groups(DType t, int64_t n, int64_t m, int64_t width, int64_t group, int calls) {
  enum { LD = 80, BLOCKS = 5, PLACE = 100 * LD };
  Bench *b = bench_new(t, n);
  int sums = buffer(b, t, BLOCKS * PLACE, "sums"), state = buffer(b, t, calls * PLACE, "state"), o1 = buffer(b, t, calls * PLACE, "o1");
  for (int i = 0; i < calls; i++) {
    Call *c = call(b, CALL_REDUCE_ROWS, "groups");
    dim(c, false, m), dim(c, false, width);
    c->item_rows = 32, c->items = (m + 31) / 32;
    c->reduced = (Dim){.groups_of = group, .size = (CAPACITY + group - 1) / group};
    int a = anchor(c, t, input(c, t, 1, sums, i, PLACE, LD, 1)), s = input(c, t, 0, state, i * PLACE, LD, 1, 0);
    output(c, t, op(c, OP_FMA, t, 0, a, constant(c, t, 0.5), s), state, i * PLACE, LD, 1, 0);
    output(c, t, op(c, OP_SUB, t, 0, a, s, -1), o1, i * PLACE, LD, 1, 0);
  }
  check(b, 0);
}

static void test_sums_of_groups(void **state) {
  (void)state;
  static const int64_t rows[] = {1, 63, 64, 65, 128, 200, 256, 300};
  for (int i = 0; i < COUNT_OF(rows); i++)
    for (int64_t m = 1; m <= 64; m += 21)
      for (int64_t width = 2; width <= 66; width += 16) {
        sums_of_groups(F32, rows[i], m, width, i & 1 ? 64 : 128);
        sum_over_groups(F32, rows[i], m, width, i & 1 ? 64 : 128, 1 + i % 4);
      }
  sums_of_groups(F64, 200, 30, 64, 128);
  sum_over_groups(F64, 300, 30, 64, 64, 1);
}

// dW of a narrow layer: what is read and written has its rows one behind the other.
static void flat_dot(DType t, int64_t n, int64_t m, int64_t width) {
  Bench *b = bench_new(t, n);
  enum { LD = 80 };
  int left = buffer(b, t, CAPACITY * LD, "left"), right = buffer(b, t, CAPACITY * LD, "right");
  int rate = buffer(b, t, 1, "rate"), state = buffer(b, t, m * width, "state"), o1 = buffer(b, t, m * width, "o1");
  Call *c = call(b, CALL_DOT, "dot");
  dim(c, false, m);
  dim(c, false, width);
  c->reduced = (Dim){.is_rows = true, .size = CAPACITY};
  c->left.buffer = left, c->right.buffer = right;
  c->left.dtype = c->right.dtype = t;
  c->left.stride_mn = c->right.stride_mn = 1;
  c->left.stride_k = c->right.stride_k = LD;
  int a = anchor(c, t, -1);
  dot_program(c, t, a, input(c, t, 0, rate, 0, 0, 0, 0), input(c, t, 0, state, 0, width, 1, 0), true, o1, state, width);
  c->item_rows = 32;
  c->items = (m + 31) / 32;
  check(b, 0);
}

static void test_flat_dot(void **state) {
  (void)state;
  static const int64_t rows[] = {1, 32, 65, 300};
  for (int i = 0; i < COUNT_OF(rows); i++)
    for (int64_t m = 7; m <= 73; m += 11)
      for (int64_t width = 2; width <= 17; width += 1 + i) flat_dot(F32, rows[i], m, width);
  flat_dot(F64, 70, 37, 3);
  flat_dot(F64, 70, 64, 8);
}

// ---------------------------------------------------------------- REDUCE
static void lanes_of(DType t, OpId reduce, int64_t n, int64_t width, int64_t stride) {
  Bench *b = bench_new(t, n);
  int x = buffer(b, t, CAPACITY * 60, "x"), y = buffer(b, t, 64, "y"), o = buffer(b, t, CAPACITY * 2, "o");
  Call *c = call(b, CALL_REDUCE_LANES, "lanes");
  b->phase.over_rows = true;
  dim(c, true, 0);
  c->reduce_op = reduce;
  c->reduced = (Dim){.is_rows = false, .size = width};
  int v = op(c, OP_FMA, t, 1, input(c, t, 1, x, 1, 60, stride, 0), input(c, t, 1, y, 0, 0, 1, 0), constant(c, t, 0.5));
  int a = anchor(c, t, v);
  output(c, t, op(c, OP_MUL, t, 0, a, input(c, t, 0, o, 1, 2, 0, 0), -1), o, 0, 2, 0, 0);
  check(b, 0);
}

static void test_reduce_lanes(void **state) {
  (void)state;
  static const int64_t widths[] = {1, 5, 16, 17, 32, 45};
  for (int i = 0; i < COUNT_OF(widths); i++) lanes_of(F32, i & 1 ? OP_AMAX : OP_SUM, 37, widths[i], 1);
  lanes_of(F32, OP_SUM, 9, 19, 3);
  lanes_of(F64, OP_SUM, 37, 45, 1);
}

static void rows_of(DType t, OpId reduce, int64_t n, int64_t width) {
  Bench *b = bench_new(t, n);
  int x = buffer(b, t, CAPACITY * 150, "x"), w = buffer(b, t, CAPACITY, "w"), o = buffer(b, t, 160, "o");
  Call *c = call(b, CALL_REDUCE_ROWS, "rows");
  if (width) dim(c, false, width);
  c->item_rows = 16;
  c->items = width ? (width + 15) / 16 : 1;
  c->reduce_op = reduce;
  c->reduced = (Dim){.is_rows = true, .size = CAPACITY};
  int v = op(c, OP_MUL, t, 1, input(c, t, 1, x, 0, 150, 1, 0), input(c, t, 1, w, 0, 1, 0, 0), -1);
  int a = anchor(c, t, v);
  output(c, t, op(c, OP_ADD, t, 0, a, input(c, t, 0, o, 0, width ? 1 : 0, 0, 0), -1), o, 0, width ? 1 : 0, 0, 0);
  check(b, 0);
}

static void test_reduce_rows(void **state) {
  (void)state;
  static const int64_t rows[] = {0, 1, 63, 64, 129, 200, 300};
  for (int i = 0; i < COUNT_OF(rows); i++) {
    rows_of(F32, OP_SUM, rows[i], 45);
    rows_of(F32, OP_SUM, rows[i], 0);
    rows_of(F32, OP_SUM, rows[i], 149);                    // vectors side by side, on every target
  }
  rows_of(F32, OP_AMAX, 100, 20);
  rows_of(F32, OP_AMAX, 100, 150);
  rows_of(F32, OP_AMAX, 100, 0);
  rows_of(F64, OP_SUM, 300, 21);
  rows_of(F64, OP_SUM, 300, 0);
}

// ---------------------------------------------------------------- SPREAD, phases, errors, text
static void test_spread(void **state) {
  (void)state;
  for (int64_t width = 1; width <= 19; width += 6) {
    Bench *b = bench_new(F32, 100);
    int ids = buffer(b, U32, CAPACITY * 3, "ids"), x = buffer(b, F32, CAPACITY * 20, "x"), o = buffer(b, F32, 10 * 24, "o");
    Call *c = call(b, CALL_SPREAD, "spread");
    dim(c, false, 10);
    if (width > 1) dim(c, false, width);
    c->reduced = (Dim){.is_rows = true, .size = CAPACITY};
    c->inputs[c->n_inputs++] = (Input){.buffer = ids, .offset = 2, .stride = {3}, .dtype = U32, .index = -1};
    c->inputs[c->n_inputs++] = (Input){.buffer = x, .stride = {20, 0, width > 1}, .dtype = F32, .index = -1};
    output(c, F32, 0, o, 0, 24, width > 1, 0);
    c->items = 3;
    c->item_rows = 4;
    check(b, 0);
  }
}

static void test_spread_of_lists(void **state) {
  enum { ITEMS = 5 };
  (void)state;
  for (int64_t width = 1; width <= 19; width += 6) {
    Bench *b = bench_new(F32, 100);
    int ids = buffer(b, U32, CAPACITY * (ITEMS + 1), "ids"), x = buffer(b, F32, CAPACITY * ITEMS * 20, "x");
    int lengths = buffer(b, F32, CAPACITY * 2, "lengths"), o = buffer(b, F32, 10 * 24, "o");
    for (int64_t r = 0; r < CAPACITY; r++) put(b, lengths, F32, 2 * r + 1, (double)(r * 3 % (ITEMS + 2)));   // one is too long
    Call *c = call(b, CALL_SPREAD, "spread");
    dim(c, false, 10);
    dim(c, false, width);
    dim(c, false, ITEMS);
    c->reduced = (Dim){.is_rows = true, .size = CAPACITY};
    c->inputs[c->n_inputs++] = (Input){.buffer = ids, .offset = 1, .stride = {ITEMS + 1, 0, 0, 1}, .dtype = U32, .index = -1};
    c->inputs[c->n_inputs++] = (Input){.buffer = x, .stride = {ITEMS * 20, 0, 1, 20}, .dtype = F32, .index = -1};
    c->inputs[c->n_inputs++] = (Input){.buffer = lengths, .offset = 1, .stride = {2}, .dtype = F32, .index = -1};
    output(c, F32, 0, o, 0, 24, 1, 0);
    c->items = 3;
    c->item_rows = 4;
    check(b, 0);
  }
}

// Columns: whole strips, what is left of them, less than a vector; in pieces, as items of threads are.
static void test_bag(void **state) {
  static const int64_t columns[] = {1, 7, 35, 64, 135};
  (void)state;
  for (int i = 0; i < 4 * COUNT_OF(columns); i++) {
    DType t = i % 2 ? F64 : F32;
    bool product = i >= 2 * COUNT_OF(columns);
    Bench *b = bench_new(t, i % 4 < 2 ? 100 : 1);
    int ids = buffer(b, U32, CAPACITY * 5, "ids"), table = buffer(b, t, 10 * 140, "table"), o = buffer(b, t, CAPACITY * 144, "o");
    Call *c = call(b, CALL_BAG, "bag");
    int64_t width = columns[i / 2 % COUNT_OF(columns)];
    dim(c, false, width);
    dim(c, true, 0);
    c->reduced = (Dim){.is_rows = false, .size = 3};
    c->inputs[c->n_inputs++] = (Input){.buffer = ids, .offset = 2, .stride = {1, 0, 5}, .dtype = U32, .index = -1};
    c->inputs[c->n_inputs++] = (Input){.buffer = table, .stride = {0, 1, 0}, .dtype = t, .index = 0, .index_stride = 140};
    if (product) {
      int x = buffer(b, t, CAPACITY * 9, "x"), w = buffer(b, t, 7 * 150, "w");
      dim(c, false, 7);
      c->inputs[c->n_inputs++] = (Input){.buffer = x, .offset = 1, .stride = {0, 0, 9, 1}, .dtype = t, .index = -1};
      c->inputs[c->n_inputs++] = (Input){.buffer = w, .offset = 2, .stride = {0, 1, 0, 150}, .dtype = t, .index = -1};
    }
    output(c, t, 0, o, 3, 1, 144, 0);
    c->item_rows = 32;
    c->items = (width + 31) / 32;
    check(b, 0);
  }
}

static void fill_lists(Bench *b, const Call *c) {
  uint32_t *words = b->mem[c->lists.buffer];
  HostOperand ids = {.buffer = BAG_IDS_BUFFER, .dtype = U32, .rank = 2, .rows = true, .extent = {CAPACITY, BAG_IDS}, .stride = {BAG_IDS, 1}};
  int64_t chunks = (CAPACITY + c->lists.rows - 1) / c->lists.rows;
  HostArgs a = {.in = &ids, .n_in = 1, .i = {0, c->lists.rows},
                .out = {.buffer = c->lists.buffer, .dtype = U32, .rank = 2, .extent = {chunks, c->lists.words}, .stride = {c->lists.words, 1}}};
  memset(words, 0xff, b->bytes[c->lists.buffer]);
  host_by_id(b->mem, &a, b->n, 0, chunks);
}

static void test_spread_bag(void **state) {
  static const int64_t columns[] = {1, 7, 35, 64, 135}, rows[] = {100, 1, 32, 33};
  (void)state;
  for (int i = 0; i < COUNT_OF(columns); i++)
    for (int k = 0; k < COUNT_OF(rows); k++) {
      DType t = (i + k) % 2 ? F64 : F32;
      Bench *b = bench_new(t, rows[k]);
      int ids = buffer(b, U32, CAPACITY * BAG_IDS, "ids"), x = buffer(b, t, CAPACITY * 140, "x"), o = buffer(b, t, 12 * 144, "o");
      Call *c = call(b, CALL_SPREAD_BAG, "spread_bag");
      assert_int_equal(ids, BAG_IDS_BUFFER);
      dim(c, false, columns[i]);
      dim(c, false, 11);                                     // the last of them is no row's
      c->reduced = (Dim){.is_rows = true, .size = CAPACITY};
      c->lists.rows = 32, c->lists.words = by_id_words(11, 32 * BAG_IDS);
      c->lists.buffer = buffer(b, U32, (CAPACITY / 32 + 1) * c->lists.words, "lists");
      fill_lists(b, c);
      c->inputs[c->n_inputs++] = (Input){.buffer = x, .offset = 1, .stride = {140, 1, 0}, .dtype = t, .index = -1};
      output(c, t, 0, o, 3, 1, 144, 0);
      c->item_rows = 32;
      c->items = (columns[i] + 31) / 32;
      check(b, 0);
    }
}

static char *text_of(Bench *b, EmitWhat what) {
  size_t size;
  char *error = NULL, *text = mtlc_emit(&b->s, TARGET_AVX2, what, (Part){0, 1}, &size, &error);
  assert_non_null(text);
  assert_int_equal(strlen(text), size);
  return text;
}

static int count(const char *text, const char *word) {
  int n = 0;
  for (const char *p = text; (p = strstr(p, word)); p++) n++;
  return n;
}

static Bench *equal_calls(int n) {
  static const char *const names[] = {"expert1.wide", "expert2.wide", "tower.wide"};
  Bench *b = bench_new(F32, 50);
  int x = buffer(b, F32, CAPACITY * 50, "x"), y = buffer(b, F32, 64, "y"), o = buffer(b, F32, CAPACITY * 48, "o");
  b->phase.over_rows = true;
  for (int i = 0; i < n; i++) {
    Call *c = call(b, CALL_MAP, names[i]);
    dim(c, true, 0);
    dim(c, false, 10 + i);
    map_steps(c, F32, input(c, F32, 0, x, i, 50, 1, 0), input(c, F32, 0, y, 1, 0, 1, 0), o, 48);
    c->outputs[0].offset = 16 * i;
  }
  return b;
}

static void test_equal_calls_are_one_kernel(void **state) {
  (void)state;
  Bench *b = equal_calls(2);
  char *text = text_of(b, EMIT_LLVM), *code = text_of(b, EMIT_ASM);
  assert_int_equal(count(text, "define internal"), 1);
  assert_int_equal(count(text, "call void @map.expert1.wide"), 2);
  assert_non_null(strstr(text, "; serves: expert1.wide, expert2.wide\n"));
  assert_non_null(strstr(code, "train_0:"));
  free(text);
  free(code);
  check(b, 0);
}

// Three or more in a row are a loop over a table: one call, whose arguments are read from it.
static void test_runs_of_calls_are_a_loop(void **state) {
  (void)state;
  Bench *b = equal_calls(3);
  char *text = text_of(b, EMIT_LLVM);
  assert_int_equal(count(text, "define internal"), 1);
  assert_int_equal(count(text, "call void @map.expert1.wide"), 1);
  assert_int_equal(count(text, "private constant ["), 1);
  assert_non_null(strstr(text, "; serves: expert1.wide, expert2.wide, tower.wide\n"));
  free(text);
  check(b, 0);
  // fixed calls: another kernel between them goes behind them
  b = bench_new(F32, 50);
  int x = buffer(b, F32, 400, "x"), y = buffer(b, F32, 400, "y"), o = buffer(b, F32, 4 * 128, "o");
  for (int i = 0; i < 4; i++) {
    Call *c = call(b, CALL_MAP, "part");
    dim(c, false, 9);
    if (i != 1) dim(c, false, 5 + i);
    bool flat = i == 1;
    map_steps(c, F32, input(c, F32, 0, x, 3 * i, flat ? 1 : 40, flat ? 0 : 1, 0), input(c, F32, 0, y, i, flat ? 1 : 30, flat ? 0 : 1, 0), o, flat ? 1 : 7);
    if (!flat) c->outputs[0].stride[1] = 1, c->outputs[0].stride[0] = 5 + i > 7 ? 5 + i : 7;
    c->outputs[0].offset = 128 * i;
    c->items = 3;
    c->item_rows = 3;
  }
  text = text_of(b, EMIT_LLVM);
  assert_int_equal(count(text, "define internal"), 2);
  assert_int_equal(count(text, "private constant ["), 1);
  free(text);
  check(b, 0);
}

// Calls that differ by a constant, in f32, f64 and u32: from the third on one kernel takes it as an argument.
static Bench *constants_in(int n) {
  Bench *b = bench_new(F32, 50);
  int x = buffer(b, F32, CAPACITY * 8, "x"), o = buffer(b, F32, CAPACITY * 8, "o");
  b->phase.over_rows = true;
  for (int i = 0; i < n; i++) {
    Call *c = call(b, CALL_MAP, "scaled");
    dim(c, true, 0);
    dim(c, false, 3);
    int in = input(c, F32, 0, x, i, 8, 1, 0), s = op(c, OP_MUL, F32, 0, in, constant(c, F32, 0.7 + i / 3.0), -1);
    int d = op(c, OP_ADD, F64, 0, op(c, OP_CAST, F64, 0, s, -1, -1), constant(c, F64, -1e-9 * i), -1);
    int u = op(c, OP_CAST, F32, 0, constant(c, U32, 4000000000.0 + i), -1, -1);
    output(c, F32, op(c, OP_ADD, F32, 0, op(c, OP_CAST, F32, 0, d, -1, -1), u, -1), o, i, 8, 1, 0);
  }
  return b;
}

static void test_constants_as_arguments(void **state) {
  (void)state;
  for (int n = 1; n <= 5; n++) {
    Bench *b = constants_in(n);
    char *text = text_of(b, EMIT_LLVM);
    assert_int_equal(count(text, "define internal"), n < 3 ? n : 1);
    free(text);
    check(b, 0);
  }
}

// ---------------------------------------------------------------- six axes: nothing can be merged, for y is read back to front
enum { AXES = MAX_DIMS, LONG = 1 << AXES };
static void set_strides(int64_t *stride, bool reversed) {
  for (int d = 0; d < AXES; d++) stride[d] = (int64_t)1 << (reversed ? d : AXES - 1 - d);
}

static void test_six_axes(void **state) {
  (void)state;
  for (int t = F32; t <= F64; t++) {
    Bench *b = bench_new((DType)t, 1);
    int x = buffer(b, (DType)t, LONG, "x"), y = buffer(b, (DType)t, LONG, "y"), o = buffer(b, (DType)t, LONG, "o");
    Call *c = call(b, CALL_MAP, "six");
    for (int d = 0; d < AXES; d++) dim(c, false, 2);
    int vx = input(c, (DType)t, 0, x, 0, 0, 0, 0), vy = input(c, (DType)t, 0, y, 0, 0, 0, 0);
    map_steps(c, (DType)t, vx, vy, o, 0);
    set_strides(c->inputs[0].stride, false);
    set_strides(c->inputs[1].stride, true);
    set_strides(c->outputs[0].stride, false);
    c->items = 2;
    check(b, 0);
  }
}

// A sum over the last of six axes (lanes) or the first (rows): the result has five.
static void test_sums_of_six_axes(void **state) {
  (void)state;
  for (int rows = 0; rows < 2; rows++) {
    Bench *b = bench_new(F32, 1);
    int x = buffer(b, F32, LONG, "x"), y = buffer(b, F32, LONG, "y"), o = buffer(b, F32, LONG / 2, "o");
    Call *c = call(b, rows ? CALL_REDUCE_ROWS : CALL_REDUCE_LANES, "six");
    for (int d = 1; d < AXES; d++) dim(c, false, 2);
    c->reduced = (Dim){.is_rows = false, .size = 2};
    int vx = input(c, F32, 1, x, 0, 0, 0, 0), vy = input(c, F32, 1, y, 0, 0, 0, 0);
    output(c, F32, anchor(c, F32, op(c, OP_MUL, F32, 1, vx, vy, -1)), o, 0, 0, 0, 0);
    set_strides(c->inputs[0].stride, false);
    set_strides(c->inputs[1].stride, true);
    for (int d = 1; d < AXES; d++) c->outputs[0].stride[d - 1] = (int64_t)1 << (AXES - 1 - d);
    c->items = 2;
    check(b, 0);
  }
}

// ---------------------------------------------------------------- the key of a cached object
static char *key_of(Bench *b) {
  Text t = {0};
  schedule_key(&b->s, &t);
  char *s = arena_strdup(b->a, t.data);
  text_free(&t);
  return s;
}

// An op stands in the key by its name: its number moves as rows are added to the table, and the object stays.
static void test_key_names_ops(void **state) {
  (void)state;
  for (int i = 0; i < N_OPS; i++) {
    if (op_rows[i].kind != KIND_MAP) continue;
    Bench *b = bench_new(F32, 5);
    int x = buffer(b, F32, 64, "x");
    Call *c = call(b, CALL_MAP, "one");
    dim(c, false, 8);
    int v = input(c, F32, 0, x, 0, 1, 0, 0);
    output(c, F32, op(c, (OpId)i, F32, 0, v, v, v), x, 0, 1, 0, 0);
    if (!strstr(key_of(b), arena_printf(b->a, " op %s ", op_rows[i].name))) fail_msg("no name of `%s` in: %s", op_rows[i].name, key_of(b));
    bench_free(b);
  }
  for (int max = 0; max < 2; max++) {
    Bench *b = bench_new(F32, 5);
    Call *c = call(b, CALL_REDUCE_LANES, "all");
    c->reduced = (Dim){.is_rows = false, .size = 8};
    c->reduce_op = max ? OP_AMAX : OP_SUM;
    anchor(c, F32, input(c, F32, 1, buffer(b, F32, 64, "x"), 0, 1, 0, 0));
    assert_non_null(strstr(key_of(b), max ? " red d8 max " : " red d8 sum "));
    bench_free(b);
  }
}

static char *object_of(Bench *b, int part, int parts, size_t *bytes) {
  char *error = NULL, *object = mtlc_emit(&b->s, TARGET_PORTABLE, EMIT_OBJECT, (Part){part, parts}, bytes, &error);
  assert_non_null(object);
  return object;
}

static void test_parts_that_are_broken(void **state) {
  (void)state;
  Bench *b = equal_calls(3);
  size_t bytes[2], size;
  char *part[2] = {object_of(b, 0, 2, &bytes[0]), object_of(b, 1, 2, &bytes[1])}, *all = parts_join(part, bytes, 2, &size);
  Diag *d = diag_new(b->a, NULL);
  Image im;
  for (size_t n = 0; n < size; n += n < 128 ? 1 : 97) {          // cut
    assert_false(image_load(all, n, &im, d));
    assert_null(im.base);
  }
  for (size_t i = 8; i < 32; i++) {                              // another number of objects, other lengths
    all[i] ^= 0x55;
    assert_false(image_load(all, size, &im, d));
    all[i] ^= 0x55;
  }
  assert_false(image_load(part[0], bytes[0], &im, d) && image_load(part[1], bytes[1], &im, d));   // one calls the other
  assert_true(image_load(all, size, &im, d));
  image_free(&im);
  free(all), free(part[0]), free(part[1]);
  bench_free(b);
}

static void test_broken_schedule_is_an_error(void **state) {
  (void)state;
  Bench *b = bench_new(F32, 5);
  int x = buffer(b, F32, 64, "x");
  Call *c = call(b, CALL_MAP, "bad");
  dim(c, false, 8);
  output(c, F32, op(c, OP_DOT, F32, 0, input(c, F32, 0, x, 0, 1, 0, 0), -1, -1), x, 0, 1, 0, 0);
  size_t size;
  char *error = NULL;
  assert_null(mtlc_emit(&b->s, TARGET_AVX2, EMIT_OBJECT, (Part){0, 1}, &size, &error));
  assert_non_null(error);
  free(error);
  bench_free(b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_map_rows), cmocka_unit_test(test_map_transposed), cmocka_unit_test(test_map_strided_and_uniform), cmocka_unit_test(test_map_indexed),
    cmocka_unit_test(test_map_scalar), cmocka_unit_test(test_functions_f32), cmocka_unit_test(test_functions_f64),
    cmocka_unit_test(test_dot), cmocka_unit_test(test_dot_of_few_rows),
    cmocka_unit_test(test_dot_of_a_groups_own_rows),
    cmocka_unit_test(test_dot_with_gather), cmocka_unit_test(test_dot_over_rows), cmocka_unit_test(test_sums_of_groups),
    cmocka_unit_test(test_flat_dot), cmocka_unit_test(test_reduce_lanes),
    cmocka_unit_test(test_reduce_rows), cmocka_unit_test(test_spread), cmocka_unit_test(test_spread_of_lists), cmocka_unit_test(test_bag), cmocka_unit_test(test_spread_bag), cmocka_unit_test(test_equal_calls_are_one_kernel), cmocka_unit_test(test_runs_of_calls_are_a_loop), cmocka_unit_test(test_constants_as_arguments),
    cmocka_unit_test(test_six_axes), cmocka_unit_test(test_sums_of_six_axes), cmocka_unit_test(test_key_names_ops),
    cmocka_unit_test(test_broken_schedule_is_an_error), cmocka_unit_test(test_parts_that_are_broken)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
