// test_tensors.c: the functions of the language against PyTorch's numbers in tests/parity/tensors.json (made by
// make_tensors.py there). A case is the body of a layer; all stand in one spec, each with an output. Its values and the
// gradients of Σ_rj weight(r, j)·y_rj by every parameter are compared: in float64 on the portable target, in float32 on the
// widest that runs here (test_gradcheck.c takes every op to every target).
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "buffers.h"
#include "reference.h"
#include "src/compile.h"
#include "runtime/train.h"
#ifndef SOURCE_STD
#define SOURCE_STD "specs/std"
#endif

typedef struct { DType dtype; const char *name; double bound; } Precision;     // error ≤ bound · max(1, |want|)
static const Precision f64 = {F64, "f64", 1e-10}, f32 = {F32, "f32", 3e-5};

// ---------------------------------------------------------------- all cases, compiled
typedef struct {
  Arena *a;
  const json_t *file;
  Graph *g;
  Compiled out;
  StepCode code;
  Engine *e;
  double bound;
  const char *what;
} Bench;

static NodeId root_of(const Graph *g, const char *name) {
  for (int i = 0; i < g->roots.n; i++)
    if (strcmp(g->roots.data[i].name, name) == 0) return g->roots.data[i].value;
  fail_msg("no root `%s`", name);
  return 0;
}

// Σ over rows and columns of y · ((r mod 7)/4 + 0.5) · (j/8 + 0.5); the first factor is label 0.
static NodeId weighted_sum(Graph *g, NodeId y) {
  NodeId j = g_map2(g, OP_MUL, g_iota(g, axis_size(g, node(g, y)->axis[1])), g_const(g, 1 / 8.0));
  NodeId by_row = g_expand(g, g_column(g, OP_LABEL, 0), 1), weight = g_map2(g, OP_ADD, j, g_const(g, 0.5));
  NodeId x = g_map2(g, OP_MUL, g_map2(g, OP_MUL, y, weight), by_row);
  return g_sum(g, g_sum(g, x, 1), 0);
}

static void assert_clean(const Bench *c, const Diag *d) {
  Text t = {0};
  diag_print(d, &t, false);
  if (diag_errors(d)) fail_msg("%s:\n%s", c->what, t.data);
  text_free(&t);
}

static char *spec_of(const json_t *file) {
  Text t = {0};
  int width = (int)integer(file, "width"), vocabulary = (int)integer(file, "vocabulary");
  text_printf(&t, "model t\nedition 2026\ninput signed, positive : vector(%d)\ninput a : id { buckets = %d }\n"
              "input h : list(id) { like = a, max = %d }\nlabel l : binary\ntask k { head = signed |> dense(1) |> sigmoid, loss = bce(l) }\ntrain { batch = 32 }\n",
              width, vocabulary, (int)integer(field(file, "list"), "max"));
  size_t i;
  json_t *c;
  json_array_foreach(field(file, "cases"), i, c)
    text_printf(&t, "%s\nlayer case_%d(x, a, h) {\n%s\n}\noutput y%d = case_%d(%s, a, h)\n", json_string_value(field(c,
              "layers")),
                (int)i, json_string_value(field(c, "body")), (int)i, (int)i, json_string_value(field(c, "x")));
  return t.data;
}

static void build_all(Bench *c, DType dtype, Diag *d, Sources *s) {
  char *text = spec_of(c->file);
  uint32_t file = source_add(s, "cases.mtl", text, strlen(text));
  free(text);
  Model *m = resolve(c->a, s, parse(c->a, s, file, d), "cases.mtl", SOURCE_STD, d);
  assert_clean(c, d);
  c->g = build(m, dtype, d);
  assert_clean(c, d);
  c->g->loss = 0;
  for (int i = 0; i < (int)json_array_size(field(c->file, "cases")); i++) {
    NodeId y = root_of(c->g, arena_printf(c->a, "output:y%d", i)), sum = weighted_sum(c->g, y);
    c->g->loss = c->g->loss ? g_map2(c->g, OP_ADD, c->g->loss, sum) : sum;
    graph_out(c->g, arena_printf(c->a, "sum:y%d", i), y);
  }
  if (!compile_graph(c->g, -1, NULL, m->data.dense_width, m->data.n_ids, m->data.n_labels, &c->out, d)) assert_clean(c, d);
}

static void load_inputs(Bench *c) {
  static const char *const names[] = {"signed", "positive"};
  Engine *e = c->e;
  int64_t rows = integer(c->file, "rows"), width = integer(c->file, "width"), ld = e->plan->buffers[e->dense].ld;
  for (int i = 0; i < 2; i++) {
    const double *x = numbers(field(field(c->file, "x"), names[i]), rows * width, c->a);
    for (int64_t k = 0; k < rows * width; k++) put(e, e->dense, k / width * ld + i * width + k % width, x[k]);
  }
  const json_t *list = field(c->file, "list"), *ids = field(list, "ids");
  int64_t max = integer(list, "max");
  for (int64_t r = 0; r < rows; r++) {
    uint32_t *to = (uint32_t *)e->buf[e->ids] + r * e->plan->buffers[e->ids].ld;
    put(e, e->dense, r * ld + 2 * width, json_number_value(json_array_get(field(list, "lengths"), (size_t)r)));
    for (int64_t j = 0; j < max; j++) to[1 + j] = (uint32_t)json_integer_value(json_array_get(ids, (size_t)(r * max + j)));
    put(e, e->y, r, (double)(r % 7) / 4 + 0.5);
    put(e, e->w, r, 1);
    to[0] = (uint32_t)json_integer_value(json_array_get(field(c->file, "ids"), (size_t)r));
  }
}

static void load_parameter(Bench *c, const char *path, const json_t *value) {
  for (int i = 0; i < c->e->plan->n_slots; i++) {
    const PlanSlot *s = &c->e->plan->slots[i];
    const Buffer *b = &c->e->plan->buffers[s->buffer];
    if (strcmp(s->path, path) != 0) continue;
    const double *x = numbers(value, b->rows_a * b->cols, c->a);
    for (int64_t k = 0; k < b->rows_a * b->cols; k++) put(c->e, s->buffer, k / b->cols * b->ld + k % b->cols, x[k]);
    return;
  }
  fail_msg("%s: no parameter %s", c->what, path);
}

static void compare(const Bench *c, const char *name, const json_t *want, int64_t n) {
  int buffer = out_named(&c->out.plan, name);
  if (buffer < 0) fail_msg("%s: no %s", c->what, name);
  int64_t cols = c->e->plan->buffers[buffer].cols;
  const double *x = numbers(want, n, c->a);
  for (int64_t k = 0; k < n; k++) {
    double got = engine_out(c->e, buffer, k / cols, k % cols);
    if (fabs(got - x[k]) <= c->bound * fmax(1, fabs(x[k]))) continue;
    fail_msg("%s, %s[%lld]: %.12g, PyTorch %.12g", c->what, name, (long long)k, got, x[k]);
  }
}

static const char *path_of(Bench *c, size_t i, const char *name) {
  return arena_printf(c->a, "y%d.case_%d.%s", (int)i, (int)i, name);
}

static void check_case(Bench *c, size_t i, const json_t *json) {
  const char *name, *all = c->what;
  json_t *param;
  c->what = arena_printf(c->a, "%s, %s", json_string_value(field(json, "name")), all);
  compare(c, arena_printf(c->a, "sum:y%d", (int)i), field(json, "y"), integer(c->file, "rows") * integer(json, "width"));
  json_object_foreach(field(json, "params"), name, param) {
    int64_t n = 1;
    for (size_t k = 0; k < json_array_size(field(param, "shape")); k++)
      n *= json_integer_value(json_array_get(field(param, "shape"), k));
    compare(c, arena_printf(c->a, "grad:%s", path_of(c, i, name)), field(param, "grad"), n);
  }
  c->what = all;
}

static void check_all(const json_t *file, const Precision *p, TargetId target) {
  Bench c = {.a = arena_new(), .file = file, .bound = p->bound};
  c.what = arena_printf(c.a, "%s, %s", p->name, targets[target].name);
  Sources *s = sources_new(c.a);
  Diag *d = diag_new(c.a, s);
  JitInfo info;
  size_t i;
  const char *name;
  json_t *json, *param;
  build_all(&c, p->dtype, d, s);
  if (!jit(c.out.schedule, target, c.a, &c.code, &info, d)) assert_clean(&c, d);
  c.e = engine_new(&c.out.plan, &c.code);
  engine_init(c.e, 1);
  load_inputs(&c);
  json_array_foreach(field(file, "cases"), i, json)
    json_object_foreach(field(json, "params"), name, param) load_parameter(&c, path_of(&c, i, name), field(param, "value"));
  engine_run(c.e, PROG_GRADS, integer(file, "rows"), 0);
  json_array_foreach(field(file, "cases"), i, json) check_case(&c, i, json);
  engine_free(c.e);
  jit_free(&c.code);
  arena_free(c.a);
}

static void test_cases(void **state) {
  (void)state;
  json_t *file = reference_file("tensors");
  TargetId widest = 0;
  for (TargetId t = 0; t < N_TARGETS; t++)
    if (target_usable(t)) widest = t;
  check_all(file, &f64, 0);
  check_all(file, &f32, widest);
  json_decref(file);
}

// ---------------------------------------------------------------- random numbers
enum { ROWS = 71, SIDE = 5, STEPS = 3 };

// u [rows, 7, 5] of two sites; what the compiled step draws, against the formula, bit by bit, for each step.
static void check_draws(DType dtype, TargetId target) {
  Bench c = {.a = arena_new(), .what = targets[target].name};
  Diag *d = diag_new(c.a, NULL);
  JitInfo info;
  Graph *g = c.g = graph_new(c.a, dtype, 80, d);
  AxisId item[] = {axis_fixed(g, 7), axis_fixed(g, SIDE)};
  NodeId u = g_random(g, 11, 2, item), v = g_random(g, 12, 2, item);
  int slot = graph_slot(g, "p", SLOT_PARAM, dtype, 0, NULL, (Init){.kind = INIT_ONES}, (Place){0});
  NodeId x = g_map2(g, OP_MUL, g_map2(g, OP_MUL, u, v), g_read(g, slot));
  while (node(g, x)->rank) x = g_sum(g, x, -1);
  graph_out(g, "sum:u", u);
  graph_out(g, "sum:v", v);
  g->loss = x;
  bool ok = compile_graph(g, 0, (double[]){0.1}, 0, 0, 0, &c.out, d) && jit(c.out.schedule, target, c.a, &c.code, &info, d);
  if (!ok) assert_clean(&c, d);
  c.e = engine_new(&c.out.plan, &c.code);
  engine_init(c.e, 77);
  for (int64_t step = 1; step <= STEPS; step++) {
    engine_run(c.e, PROG_TRAIN, ROWS, 0.1);
    for (int site = 0; site < 2; site++) {
      int buffer = out_named(&c.out.plan, site ? "sum:v" : "sum:u");
      assert_true(buffer >= 0);
      for (uint32_t r = 0; r < ROWS; r++)
        for (uint32_t k = 0; k < 7 * SIDE; k++)
          assert_true(engine_out(c.e, buffer, r, k) == random_uniform01(r, k, random_key(77, step, 11 + (uint64_t)site)));
    }
  }
  engine_free(c.e);
  jit_free(&c.code);
  arena_free(c.a);
}

static void test_draws(void **state) {
  (void)state;
  for (TargetId t = 0; t < N_TARGETS; t++)
    for (int i = 0; i < 2; i++)
      if (target_usable(t)) check_draws(i ? F64 : F32, t);
}

// Φ(random_normal) is the uniform number that it was made of; dropout keeps or drops by the same numbers.
static void test_normal(void **state) {
  (void)state;
  static const char text[] = "model t\nedition 2026\ninput x : vector(12)\nlabel l : binary\n"
                             "output y = select(training, random_normal([40]), spread(x[0], param([40], zeros)))\n"
                             "output z = param([12], ones) * (x |> dropout(0.25))\n"
                             "task k { head = x |> dense(1) |> sigmoid, loss = bce(l) }\ntrain { batch = 80 }\n";
  Bench c = {.a = arena_new(), .what = "random_normal"};
  Sources *s = sources_new(c.a);
  Diag *d = diag_new(c.a, s);
  JitInfo info;
  Model *m = resolve(c.a, s, parse(c.a, s, source_add(s, "t.mtl", text, strlen(text)), d), "t.mtl", SOURCE_STD, d);
  assert_clean(&c, d);
  Graph *g = c.g = build(m, F32, d);
  assert_clean(&c, d);
  NodeId y = root_of(g, "output:y"), z = root_of(g, "output:z");
  graph_out(g, "sum:y", y);
  graph_out(g, "sum:z", z);
  g->loss = g_sum(g, g_sum(g, z, 1), 0);
  bool ok = compile_graph(g, -1, NULL, m->data.dense_width, m->data.n_ids, m->data.n_labels, &c.out, d) &&
            jit(c.out.schedule, 0, c.a, &c.code, &info, d);
  if (!ok) assert_clean(&c, d);
  c.e = engine_new(&c.out.plan, &c.code);
  engine_init(c.e, 5);
  c.e->step = 9;
  for (int64_t k = 0; k < ROWS * 12; k++) put(c.e, c.e->dense, k / 12 * c.e->plan->buffers[c.e->dense].ld + k % 12, 1);
  engine_run(c.e, PROG_GRADS, ROWS, 0);
  assert_int_equal(g->sites.n, 2);
  int kept = 0;
  for (uint32_t r = 0; r < ROWS; r++)
    for (uint32_t k = 0; k < 40; k++) {
      double u = random_uniform01(r, k, random_key(5, 9, g->sites.data[0])) + 0x1p-25;
      double got = engine_out(c.e, out_named(&c.out.plan, "sum:y"), r, k);
      if (fabs(0.5 * erfc(-got / sqrt(2)) - u) > 1e-6) fail_msg("%g at u = %g", got, u);
      if (k >= 12) continue;
      double v = random_uniform01(r, k, random_key(5, 9, g->sites.data[1])), want = v >= 0.25 ? 1 / 0.75 : 0;
      assert_true(fabs(engine_out(c.e, out_named(&c.out.plan, "sum:z"), r, k) - want) < 1e-6);
      kept += want > 0;
    }
  assert_in_range(kept, ROWS * 12 * 0.68, ROWS * 12 * 0.82);
  engine_free(c.e);
  jit_free(&c.code);
  arena_free(c.a);
}

// Mean 1/2, variance 1/12, and no correlation with the next element, row, step, site or seed: each within 5 standard errors.
static void test_uniform(void **state) {
  (void)state;
  enum { ROW = 400, ITEM = 256, N = ROW * ITEM };
  static const int64_t next[][5] = {{0, 1, 0, 0, 0}, {1, 0, 0, 0, 0}, {0, 0, 1, 0, 0}, {0, 0, 0, 1, 0}, {0, 0, 0, 0, 1}};
  double sum = 0, square = 0, both[COUNT_OF(next)] = {0};
  for (uint32_t r = 0; r < ROW; r++)
    for (uint32_t k = 0; k < ITEM; k++) {
      double u = random_uniform01(r, k, random_key(1, 5, 9)) - 0.5;
      sum += u, square += u * u;
      for (int i = 0; i < COUNT_OF(next); i++) {
        double key = random_key(1 + (uint64_t)next[i][4], 5 + next[i][2], 9 + (uint64_t)next[i][3]);
        both[i] += u * (random_uniform01(r + (uint32_t)next[i][0], k + (uint32_t)next[i][1], key) - 0.5);
      }
    }
  assert_true(fabs(sum / N) < 5 * sqrt(1 / 12.0 / N));
  assert_true(fabs(square / N - 1 / 12.0) < 5 * sqrt(1 / 180.0 / N));
  for (int i = 0; i < COUNT_OF(next); i++) assert_true(fabs(both[i] / N) < 5 / 12.0 / sqrt(N));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_draws),
            cmocka_unit_test(test_normal),
                                     cmocka_unit_test(test_uniform)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
