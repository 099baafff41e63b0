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
#include <jansson.h>
#include "src/compile.h"
#include "runtime/train.h"
#ifndef SOURCE_STD
#define SOURCE_STD "specs/std"
#endif

typedef struct { DType dtype; const char *name; double bound; } Precision;     // error ≤ bound · max(1, |want|)
static const Precision f64 = {F64, "f64", 1e-10}, f32 = {F32, "f32", 3e-5};

static json_t *open_file(void) {
  const char *top = getenv("srcdir");
  char path[4096];
  json_error_t error;
  snprintf(path, sizeof path, "%s/tests/parity/tensors.json", top ? top : ".");
  json_t *j = json_load_file(path, 0, &error);
  if (!j) fail_msg("%s: %s", path, error.text);
  return j;
}

static json_t *field(const json_t *j, const char *key) {
  json_t *v = json_object_get(j, key);
  if (!v) fail_msg("the file lacks `%s`", key);
  return v;
}
static int64_t integer(const json_t *j, const char *key) { return json_integer_value(field(j, key)); }

static double *numbers(const json_t *text, int64_t n, Arena *a) {              // n hex floats apart by blanks
  double *x = NEW_ARRAY(a, double, n + 1);
  const char *s = json_string_value(text);
  char *end = NULL;
  assert_non_null(s);
  for (int64_t i = 0; i < n; i++, s = end) {
    x[i] = strtod(s, &end);
    if (end == s) fail_msg("%lld numbers instead of %lld", (long long)i, (long long)n);
  }
  return x;
}

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
              "label l : binary\ntask k { head = signed |> dense(1) |> sigmoid, loss = bce(l) }\ntrain { batch = 32 }\n",
              width, vocabulary);
  size_t i;
  json_t *c;
  json_array_foreach(field(file, "cases"), i, c)
    text_printf(&t, "%s\nlayer case_%d(x, a) {\n%s\n}\noutput y%d = case_%d(%s, a)\n", json_string_value(field(c, "layers")),
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

static int out_named(const Bench *c, const char *name) {
  const StepPlan *p = &c->out.plan;
  for (int i = 0; i < p->n_buffers; i++)
    if (p->buffers[i].role == BUF_OUT && !strcmp(p->buffers[i].name, name)) return i;
  return -1;
}

static void put(Engine *e, int buffer, int64_t at, double v) {
  if (e->plan->buffers[buffer].dtype == F64) ((double *)e->buf[buffer])[at] = v;
  else ((float *)e->buf[buffer])[at] = (float)v;
}

static void load_inputs(Bench *c) {
  static const char *const names[] = {"signed", "positive"};
  Engine *e = c->e;
  int64_t rows = integer(c->file, "rows"), width = integer(c->file, "width"), ld = e->plan->buffers[e->dense].ld;
  for (int i = 0; i < 2; i++) {
    const double *x = numbers(field(field(c->file, "x"), names[i]), rows * width, c->a);
    for (int64_t k = 0; k < rows * width; k++) put(e, e->dense, k / width * ld + i * width + k % width, x[k]);
  }
  for (int64_t r = 0; r < rows; r++) {
    put(e, e->y, r, (double)(r % 7) / 4 + 0.5);
    put(e, e->w, r, 1);
    ((uint32_t *)e->buf[e->ids])[r * e->plan->buffers[e->ids].ld] =
        (uint32_t)json_integer_value(json_array_get(field(c->file, "ids"), (size_t)r));
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
  int buffer = out_named(c, name);
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
  json_t *file = open_file();
  TargetId widest = 0;
  for (TargetId t = 0; t < N_TARGETS; t++)
    if (target_usable(t)) widest = t;
  check_all(file, &f64, 0);
  check_all(file, &f32, widest);
  json_decref(file);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
