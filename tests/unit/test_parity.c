// test_parity.c: the compiled step against PyTorch's numbers, kept in tests/parity/*.json (made by make_reference.py there):
// the same initial weights and batches; every batch's heads and loss sums before training, and all weights after 20 steps,
// on every target that runs here, in float32 and float64.
// Bounds, want being PyTorch's number in the same precision:
//   forward   |got − want| ≤ 1e-6 · max(1, |want|)         f64: 1e-10
//   weights   |got − want| ≤ 1e-5 · max(|want|, SMALL)     f64: 1e-10
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include "src/compile.h"
#include "runtime/train.h"

#define SMALL 1e-3                              // a weight nearer 0 than this is compared absolutely, to 1e-8 (f64: 1e-13)
typedef struct { DType dtype; const char *name; double forward, weights; } Precision;
static const Precision precisions[] = { { F32, "f32", 1e-6, 1e-5 }, { F64, "f64", 1e-10, 1e-10 } };
static const Place nowhere;

// ---------------------------------------------------------------- the files
static json_t *field(const json_t *j, const char *key) {
  json_t *v = json_object_get(j, key);
  if (!v) fail_msg("the file lacks `%s`", key);
  return v;
}
static int64_t integer(const json_t *j, const char *key) { return json_integer_value(field(j, key)); }

static json_t *open_case(const char *model) {
  const char *top = getenv("srcdir");
  char path[4096];
  json_error_t error;
  snprintf(path, sizeof path, "%s/tests/parity/%s.json", top ? top : ".", model);
  json_t *j = json_load_file(path, 0, &error);
  if (!j) fail_msg("%s: %s", path, error.text);
  return j;
}

// n hex floats apart by blanks
static double *numbers(const json_t *text, int64_t n, Arena *a) {
  double *x = NEW_ARRAY(a, double, n + 1);
  const char *s = json_string_value(text);
  char *end = NULL;
  assert_non_null(s);
  for (int64_t i = 0; i < n; i++, s = end) {
    x[i] = strtod(s, &end);
    if (end == s) fail_msg("%lld numbers instead of %lld", (long long)i, (long long)n);
  }
  assert_true(s[strspn(s, " ")] == 0);
  return x;
}

// ---------------------------------------------------------------- the same models as nodes
typedef struct { Arena *a; Graph *g; const json_t *file; } Case;
typedef void Builder(Case *c);

static NodeId weight(Case *c, const char *path) {
  const json_t *shape = field(field(field(c->file, "weights"), path), "shape");
  AxisId axis[MAX_RANK];
  int rank = (int)json_array_size(shape);
  for (int i = 0; i < rank; i++) axis[i] = axis_fixed(c->g, json_integer_value(json_array_get(shape, (size_t)i)));
  return g_read(c->g, graph_slot(c->g, arena_strdup(c->a, path), SLOT_PARAM, c->g->dtype, rank, axis, (Init){0}, nowhere));
}

static NodeId dense(Case *c, NodeId x, const char *name) {   // [rows, k] → [rows, n]
  NodeId w = weight(c, arena_printf(c->a, "%s.w", name)), b = weight(c, arena_printf(c->a, "%s.b", name));
  NodeId z = g_dot(c->g, x, w, "rk,kn>rn");
  return g_map2(c->g, OP_ADD, z, b);
}
static NodeId relu(Case *c, NodeId x, const char *name) { return g_map1(c->g, OP_RELU, dense(c, x, name)); }
static NodeId sigmoid(Case *c, NodeId x, const char *name) { return g_map1(c->g, OP_SIGMOID, dense(c, x, name)); }
static NodeId input(Case *c) { return g_dense(c->g, 0, integer(c->file, "dense")); }

static int row_named(const char *name, bool is_loss) {
  for (int i = 0; i < (is_loss ? n_loss_rows : n_optim_rows); i++)
    if (!strcmp(is_loss ? loss_rows[i].name : optim_rows[i].name, name)) return i;
  fail_msg("no loss or optimizer %s", name);
  return -1;
}

// Adds Σ w·ℓ / Σ w, 0 where no label is known, to the total.
static void task(Case *c, const char *name, const char *loss, NodeId head, int label) {
  Graph *g = c->g;
  NodeId y = g_column(g, OP_LABEL, label), w = g_column(g, OP_KNOWN, label);
  NodeId l = loss_build(g, row_named(loss, true), head, y, NULL), zero = g_const(g, 0), one = g_const(g, 1);
  NodeId sum = g_sum(g, g_select(g, w, l, zero), 0), known = g_sum(g, w, 0);
  NodeId mean = g_map2(g, OP_DIV, sum, g_select(g, known, known, one));
  graph_out(g, arena_printf(c->a, "head:%s", name), head);
  graph_out(g, arena_printf(c->a, "sum:%s", name), sum);
  graph_out(g, arena_printf(c->a, "weight:%s", name), known);
  g->loss = g->loss ? g_map2(g, OP_ADD, g->loss, mean) : mean;
}

static void mlp(Case *c) {
  NodeId wide = relu(c, input(c), "wide"), h = relu(c, wide, "narrow");
  task(c, "click", "bce", sigmoid(c, h, "click"), 0);
  task(c, "spend", "mse", dense(c, h, "spend"), 1);
}

static void softmax(Case *c) {
  NodeId h = g_map1(c->g, OP_TANH, dense(c, input(c), "h"));
  task(c, "grade", "cross_entropy", g_softmax(c->g, dense(c, h, "grade")), 0);
  task(c, "click", "bce", sigmoid(c, h, "click"), 1);
}

static void esmm(Case *c) {
  NodeId h = relu(c, input(c), "h"), visit = sigmoid(c, h, "visit"), buy = sigmoid(c, h, "buy");
  task(c, "visit", "bce", visit, 0);
  task(c, "both", "bce", g_map2(c->g, OP_MUL, visit, buy), 1);
}

static void mmoe(Case *c) {
  static const char *const tower[] = { "one", "two" };
  Graph *g = c->g;
  NodeId x = input(c), expert[3];
  for (int i = 0; i < 3; i++) expert[i] = relu(c, x, arena_printf(c->a, "expert%d", i));
  for (int k = 0; k < 2; k++) {
    NodeId gate = g_softmax(g, dense(c, x, arena_printf(c->a, "gate%d", k))), mix = 0;
    for (int i = 0; i < 3; i++) {
      NodeId part = g_map2(g, OP_MUL, g_slice(g, gate, 1, i, i + 1), expert[i]);
      mix = mix ? g_map2(g, OP_ADD, mix, part) : part;
    }
    task(c, tower[k], "bce", sigmoid(c, mix, tower[k]), k);
  }
}

static void embeddings(Case *c) {
  Graph *g = c->g;
  NodeId a = weight(c, "a.table"), b = weight(c, "b.table");
  NodeId first = g_gather(g, a, g_column(g, OP_IDS, 0)), second = g_gather(g, b, g_column(g, OP_IDS, 1)), x = input(c);
  NodeId h = relu(c, g_concat(g, (NodeId[]){ first, second, x }, 3, 1), "h");
  task(c, "click", "bce", sigmoid(c, h, "click"), 0);
  task(c, "spend", "mse", dense(c, h, "spend"), 1);
}

// ---------------------------------------------------------------- an engine with the file's numbers
static void put(Engine *e, int buffer, int64_t at, double v) {
  if (e->plan->buffers[buffer].dtype == F64) ((double *)e->buf[buffer])[at] = v;
  else ((float *)e->buf[buffer])[at] = (float)v;
}

// The optimizer's slots by their initialisers, the parameters from the file.
static void load_weights(Engine *e, const json_t *file, Arena *a) {
  engine_init(e, 1);
  for (int i = 0; i < e->plan->n_slots; i++) {
    const PlanSlot *s = &e->plan->slots[i];
    const Buffer *b = &e->plan->buffers[s->buffer];
    if (s->role != SLOT_PARAM) continue;
    const double *x = numbers(field(field(field(file, "weights"), s->path), "value"), b->rows_a * b->cols, a);
    for (int64_t k = 0; k < b->rows_a * b->cols; k++) put(e, s->buffer, k / b->cols * b->ld + k % b->cols, x[k]);
  }
}

// [rows, cols] of x into an IN buffer; −1: the plan reads no such input
static void put_matrix(Engine *e, int buffer, const double *x, int64_t rows, int64_t cols) {
  int64_t ld = buffer < 0 ? 0 : e->plan->buffers[buffer].ld;
  for (int64_t k = 0; buffer >= 0 && k < rows * cols; k++) put(e, buffer, k / cols * ld + k % cols, x[k]);
}

static int64_t load_batch(Engine *e, const json_t *file, size_t at, Arena *a) {
  const json_t *batch = json_array_get(field(file, "batches"), at), *ids = field(batch, "ids");
  int64_t n = integer(batch, "n"), width = integer(file, "dense");
  int64_t labels = integer(file, "labels"), n_ids = integer(file, "ids");
  put_matrix(e, e->dense, numbers(field(batch, "dense"), n * width, a), n, width);
  put_matrix(e, e->y, numbers(field(batch, "y"), labels * n, a), labels, n);
  put_matrix(e, e->w, numbers(field(batch, "w"), labels * n, a), labels, n);
  assert_int_equal(json_array_size(ids), n * n_ids);
  for (int64_t k = 0; k < n * n_ids; k++) {
    uint32_t *to = e->buf[e->ids];
    to[k / n_ids * e->plan->buffers[e->ids].ld + k % n_ids] = (uint32_t)json_integer_value(json_array_get(ids, (size_t)k));
  }
  return n;
}

// ---------------------------------------------------------------- comparison
typedef struct { double bound, small, worst; const char *what; } Comparison;   // worst: the largest error seen

static void compare(Comparison *c, Engine *e, int buffer, const json_t *want, int64_t rows, Arena *a) {
  const Buffer *b = &e->plan->buffers[buffer];
  const double *x = numbers(want, rows * b->cols, a);
  for (int64_t k = 0; k < rows * b->cols; k++) {
    double got = engine_out(e, buffer, k / b->cols, k % b->cols), error = fabs(got - x[k]) / fmax(fabs(x[k]), c->small);
    if (!(error <= c->bound)) fail_msg("%s, %s[%lld]: %.17g, PyTorch %.17g", c->what, b->name, (long long)k, got, x[k]);
    c->worst = fmax(c->worst, error);
  }
}

static int out_named(const StepPlan *p, const char *name) {
  for (int i = 0; i < p->n_buffers; i++)
    if (p->buffers[i].role == BUF_OUT && !strcmp(p->buffers[i].name, name)) return i;
  fail_msg("no output %s", name);
  return -1;
}

static void check_forward(Comparison *c, Engine *e, const json_t *file, const char *precision, Arena *a) {
  const json_t *all = field(field(file, "forward"), precision);
  for (size_t i = 0; i < json_array_size(all); i++) {
    const char *name;
    json_t *want;
    int64_t n = load_batch(e, file, i, a);
    engine_run(e, PROG_EVAL, n, 0);
    json_object_foreach(json_array_get(all, i), name, want) {
      compare(c, e, out_named(e->plan, name), want, strncmp(name, "head:", 5) ? 1 : n, a);
    }
  }
}

// The compiled program of one run of a file, and what is being compared.
typedef struct {
  Builder *model; const json_t *file, *run; const Precision *p; TargetId target;
  double args[8]; char what[96];
} Run;

static void train_20(Engine *e, const Run *r, Arena *a) {
  size_t batches = json_array_size(field(r->file, "batches"));
  for (size_t i = 0; i < (size_t)integer(r->run, "steps"); i++) {
    int64_t n = load_batch(e, r->file, i % batches, a);
    engine_run(e, PROG_TRAIN, n, r->args[0]);
  }
}

static void check_weights(Comparison *c, Engine *e, const Run *r, Arena *a) {
  const json_t *want = field(field(r->run, "weights"), r->p->name);
  size_t found = 0;
  for (int i = 0; i < e->plan->n_slots; i++) {
    const PlanSlot *s = &e->plan->slots[i];
    if (s->role != SLOT_PARAM) continue;
    compare(c, e, s->buffer, field(want, s->path), e->plan->buffers[s->buffer].rows_a, a);
    found++;
  }
  assert_int_equal(found, json_object_size(want));
}

static void compile_run(Case *c, Run *r, Compiled *out, StepCode *code) {
  Diag *d = diag_new(c->a, NULL);
  Text text = {0};
  JitInfo info;
  int row = row_named(json_string_value(field(r->run, "optimizer")), false), width = (int)integer(r->file, "dense");
  const json_t *given = field(r->run, "args");
  assert_int_equal(json_array_size(given), optim_rows[row].n_args);
  for (int i = 0; i < optim_rows[row].n_args; i++) r->args[i] = json_number_value(json_array_get(given, (size_t)i));
  c->g = graph_new(c->a, r->p->dtype, integer(r->file, "capacity"), d);
  r->model(c);
  bool ok = compile_graph(c->g, row, r->args, width, (int)integer(r->file, "ids"), (int)integer(r->file, "labels"), out, d);
  ok = ok && jit(out->schedule, r->target, c->a, code, &info, d);
  diag_print(d, &text, false);
  if (!ok) fail_msg("%s", text.data);
  text_free(&text);
}

static void check_run(Run r) {
  Case c = { .a = arena_new(), .file = r.file };
  Compiled out;
  StepCode code;
  const char *model = json_string_value(field(r.file, "model")), *optimizer = json_string_value(field(r.run, "optimizer"));
  compile_run(&c, &r, &out, &code);
  snprintf(r.what, sizeof r.what, "%s, %s(%g), %s, %s", model, optimizer, r.args[0], r.p->name, targets[r.target].name);
  int n_host = 0;
  for (int i = 0; i < out.plan.programs[PROG_TRAIN].n_phases; i++) n_host += out.plan.programs[PROG_TRAIN].phases[i].n_host;
  assert_true(getenv("MTLC_BLAS") ? n_host > 0 : n_host == 0);
  Engine *e = engine_new(&out.plan, &code);
  load_weights(e, r.file, c.a);
  Comparison forward = { r.p->forward, 1, 0, r.what }, weights = { r.p->weights, SMALL, 0, r.what };
  check_forward(&forward, e, r.file, r.p->name, c.a);
  train_20(e, &r, c.a);
  check_weights(&weights, e, &r, c.a);
  print_message("%-44s forward %.1e, weights %.1e\n", r.what, forward.worst, weights.worst);
  engine_free(e);
  jit_free(&code);
  arena_free(c.a);
}

static void check_model(Builder *model, const char *name) {
  json_t *file = open_case(name);
  const json_t *runs = field(file, "runs");
  for (size_t r = 0; r < json_array_size(runs); r++)
    for (int p = 0; p < COUNT_OF(precisions); p++)
      for (TargetId t = 0; t < N_TARGETS; t++)
        if (target_usable(t)) check_run((Run){ model, file, json_array_get(runs, r), &precisions[p], t, {0}, {0} });
  json_decref(file);
}

static void test_mlp(void **state) { (void)state; check_model(mlp, "mlp"); }
static void test_softmax(void **state) { (void)state; check_model(softmax, "softmax"); }
static void test_esmm(void **state) { (void)state; check_model(esmm, "esmm"); }
static void test_mmoe(void **state) { (void)state; check_model(mmoe, "mmoe"); }
static void test_embeddings(void **state) { (void)state; check_model(embeddings, "embeddings"); }

// All gradients of weights by OpenBLAS.
static void test_blas(void **state) {
  (void)state;
  if (!blas_for(target_detect())) skip();
  setenv("MTLC_BLAS", "on", 1);
  check_model(mlp, "mlp");
  check_model(mmoe, "mmoe");
  unsetenv("MTLC_BLAS");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_mlp), cmocka_unit_test(test_softmax), cmocka_unit_test(test_esmm), cmocka_unit_test(test_mmoe),
    cmocka_unit_test(test_embeddings), cmocka_unit_test(test_blas),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
