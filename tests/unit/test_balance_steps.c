// test_balance_steps.c: task balancing in a step: 20 steps of a model of three tasks under every method against numbers that
// an independent program made (tests/parity/make_balance_reference.py): the weights of each step and all parameters at the
// end. In the interpreter (float64) for every run, compiled (float32, float64) for some. Then the two-parameter problem of
// CAGrad and Nash-MTL, compiled.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "reference.h"
#include "src/compile.h"
#include "src/graph/balance.h"
#include "runtime/train/train_int.h"

static const Place nowhere;
enum { MAX_SLOTS = 128, LABELS = 3, WIDTH = 6 };

// ---------------------------------------------------------------- the file
static const char *text_of(const json_t *j, const char *key) { return json_string_value(field(j, key)); }

static int read_numbers(const char *text, double *x, int most) {   // hex floats apart by blanks; how many
  int n = 0;
  for (char *end = NULL; *(text += strspn(text, " ")); text = end) {
    assert_true(n < most);
    x[n++] = strtod(text, &end);
    assert_true(end != text);
  }
  return n;
}

// ---------------------------------------------------------------- the model of the file
typedef struct {
  Arena *a; Graph *g; const json_t *file, *run; struct BalanceSpec spec;
  int optimizer; double args[8], lr;
  bool wants_gram;
} Case;

static NodeId weight(Case *c, const char *path) {
  const json_t *shape = field(field(field(c->file, "weights"), path), "shape");
  AxisId axis[2];
  int rank = (int)json_array_size(shape);
  for (int i = 0; i < rank; i++) axis[i] = axis_fixed(c->g, json_integer_value(json_array_get(shape, (size_t)i)));
  return g_read(c->g, graph_slot(c->g, path, SLOT_PARAM, c->g->dtype, rank, axis, (Init){0}, nowhere));
}

static NodeId dense(Case *c, NodeId x, const char *name) {
  NodeId w = weight(c, arena_printf(c->a, "%s.w", name)), b = weight(c, arena_printf(c->a, "%s.b", name));
  NodeId z = g_dot(c->g, x, w, "rk,kn>rn");
  return g_map2(c->g, OP_ADD, z, b);
}

static NodeId task(Case *c, NodeId h, const char *name, int label) {
  Graph *g = c->g;
  NodeId y = g_column(g, OP_LABEL, label), w = g_column(g, OP_KNOWN, label), head = dense(c, h, name);
  bool binary = label < 2;
  if (binary) head = g_map1(g, OP_SIGMOID, head);
  NodeId l = loss_build(g, row_named(binary ? "bce" : "mse", true), head, y, NULL);
  NodeId zero = g_const(g, 0), one = g_const(g, 1);
  NodeId sum = g_sum(g, g_select(g, w, l, zero), 0), known = g_sum(g, w, 0);
  NodeId mean = g_map2(g, OP_DIV, sum, g_select(g, known, known, one));
  graph_out(g, arena_printf(c->a, "task:%s", name), mean);
  graph_out(g, arena_printf(c->a, "known:%s", name), known);
  graph_out(g, arena_printf(c->a, "sum:%s", name), sum);
  return g->loss = g->loss ? g_map2(g, OP_ADD, g->loss, mean) : mean;
}

static int method_named(const char *name) {
  for (int i = 0; i < n_balance_rows; i++)
    if (!strcmp(balance_rows[i].name, name)) return i;
  return -1;
}

static void build_case(Case *c, DType dtype, Diag *d) {
  const json_t *args = field(c->run, "arguments");
  c->g = graph_new(c->a, dtype, 24, d);
  NodeId h = g_map1(c->g, OP_RELU, dense(c, g_dense(c->g, 0, WIDTH), "h")), mid = g_map1(c->g, OP_RELU, dense(c, h, "mid"));
  task(c, mid, "a", 0), task(c, mid, "b", 1);
  if (integer(c->run, "tasks") == 3) task(c, h, "c", 2);
  c->spec = (struct BalanceSpec){ .row = method_named(text_of(c->run, "method")) };
  for (int i = 0; c->spec.row >= 0 && i < BALANCE_ARGS; i++) c->spec.arg[i] = balance_rows[c->spec.row].arg[i].def;
  for (size_t i = 0; i < json_array_size(args); i++) c->spec.arg[i] = json_number_value(json_array_get(args, i));
  c->spec.on_representation = !strcmp(text_of(c->run, "on"), "representation");
  if (c->spec.row >= 0) c->g->balance = &c->spec;
  c->g->wants_gram = c->wants_gram;
  c->optimizer = row_named(text_of(c->run, "optimizer"), false);
  memcpy(c->args, optim_rows[c->optimizer].def, sizeof c->args);
  c->lr = json_number_value(field(field(c->file, "lr"), text_of(c->run, "optimizer")));
}

static int root_named(const Graph *g, const char *name) {
  for (int i = 0; i < g->roots.n; i++)
    if (!strcmp(g->roots.data[i].name, name)) return i;
  return -1;
}

// |got − want| ≤ bound · max(|want|, small)
static void close_to(double got, double want, double bound, double small, const char *what, const char *name) {
  if (!(fabs(got - want) <= bound * fmax(fabs(want), small))) fail_msg("%s, %s: %.17g, not %.17g", what, name, got, want);
}

// ---------------------------------------------------------------- interpreted
typedef struct { InterpInput in; double x[24 * WIDTH], y[LABELS * 24], w[LABELS * 24]; } Batch;

static void load_batch(const json_t *file, int step, Batch *b) {
  const json_t *all = field(file, "batches"), *j = json_array_get(all, (size_t)step % json_array_size(all));
  b->in.n = integer(j, "rows");
  assert_int_equal(read_numbers(text_of(j, "x"), b->x, COUNT_OF(b->x)), b->in.n * WIDTH);
  assert_int_equal(read_numbers(text_of(j, "y"), b->y, COUNT_OF(b->y)), b->in.n * LABELS);
  assert_int_equal(read_numbers(text_of(j, "w"), b->w, COUNT_OF(b->w)), b->in.n * LABELS);
}

static int64_t slot_elements(const Graph *g, int slot) {
  const Slot *s = &g->slots.data[slot];
  int64_t n = 1;
  for (int i = 0; i < s->rank; i++) n *= axis_size(g, s->axis[i]);
  return n;
}

static void start_slots(Case *c, double **slots) {
  for (int i = 0; i < c->g->slots.n; i++) {
    const Slot *s = &c->g->slots.data[i];
    int64_t n = slot_elements(c->g, i);
    slots[i] = NEW_ARRAY(c->a, double, n + 1);
    for (int64_t k = 0; k < n; k++) slots[i][k] = s->init.kind == INIT_ONES;
    if (s->role == SLOT_PARAM) read_numbers(text_of(field(field(c->file, "weights"), s->path), "values"), slots[i], (int)n);
  }
}

// What the training loop does after a step for a method that looks again.
static void interpret_again(const Case *c, const Graph *g, const InterpInput *in, double *memory) {
  double loss[BALANCE_TASKS], known[BALANCE_TASKS];
  TaskLoss t[BALANCE_TASKS];
  int n = balance_tasks(g, t);
  for (int k = 0; k < n; k++) {
    loss[k] = *interp(g, t[k].loss, in, c->a);
    known[k] = *interp(g, t[k].known, in, c->a);
  }
  balance_again(&(BalanceStep){ .id = c->spec.row, .n_tasks = n, .arg = c->spec.arg, .loss = loss, .known = known,
                                .lr = in->lr, .epoch = in->epoch }, memory);
}

static void compare_end(const Case *c, double **slots, double bound, const char *what) {
  const char *path;
  json_t *want;
  json_object_foreach(field(c->run, "after"), path, want) {
    double x[64];
    int n = read_numbers(json_string_value(want), x, COUNT_OF(x));
    for (int i = 0; i < c->g->slots.n; i++)
      for (int k = 0; !strcmp(c->g->slots.data[i].path, path) && k < n; k++)
        close_to(slots[i][k], x[k], bound, 1e-3, what, path);
  }
}

static const char *describe(const Case *c, const char *how) {
  char *args = json_dumps(field(c->run, "arguments"), 0);
  const char *s = arena_printf(c->a, "%s%s on %s, %s, %s", text_of(c->run, "method"), args, text_of(c->run, "on"),
                               text_of(c->run, "optimizer"), how);
  free(args);
  return s;
}

static void interpret(const json_t *file, const json_t *run) {
  Case c = { .a = arena_new(), .file = file, .run = run };
  double *slots[MAX_SLOTS], want[LABELS];
  Batch *b = NEW(c.a, Batch);
  Graph *g;
  build_case(&c, F64, NULL);
  g = c.g;
  int n = 0, params[MAX_SLOTS];
  NodeId reads[MAX_SLOTS], grads[MAX_SLOTS];
  for (int i = 0; i < g->slots.n; i++) params[n] = i, reads[n++] = graph_read(g, i, nowhere);
  step_gradients(g, params, reads, n, grads);
  optim(g, c.optimizer, c.args, params, grads, n);
  graph_check(g);
  assert_true(g->slots.n < MAX_SLOTS);
  start_slots(&c, slots);
  int weights = root_named(g, "balance"), memory = 0;
  while (memory < g->slots.n && strncmp(g->slots.data[memory].path, "balance.", 8)) memory++;
  const char *what = describe(&c, "interpreted");
  b->in = (InterpInput){ .dense = b->x, .y = b->y, .w = b->w, .dense_width = WIDTH, .n_labels = LABELS, .lr = c.lr,
                         .slots = slots };
  for (int step = 0; step < integer(file, "steps"); step++) {
    double **outs = NEW_ARRAY(c.a, double *, g->roots.n);
    load_batch(file, step, b);
    b->in.epoch = step / integer(file, "epoch") + 1;
    interp_roots(g, &b->in, outs, c.a);
    int tasks = read_numbers(json_string_value(json_array_get(field(run, "c"), (size_t)step)), want, LABELS);
    for (int k = 0; weights >= 0 && k < tasks; k++) close_to(outs[weights][k], want[k], 1e-7, 1e-3, what, "weight");
    if (c.spec.row >= 0 && balance_rows[c.spec.row].again) interpret_again(&c, g, &b->in, slots[memory]);
  }
  compare_end(&c, slots, 1e-8, what);
  arena_free(c.a);
}

static void test_interpreted(void **state) {
  (void)state;
  json_t *file = reference_file("balance");
  const json_t *runs = field(file, "runs");
  bool *seen = calloc((size_t)n_balance_rows, sizeof *seen);
  for (size_t r = 0; r < json_array_size(runs); r++) {
    int row = method_named(text_of(json_array_get(runs, r), "method"));
    if (row >= 0) seen[row] = true;
    interpret(file, json_array_get(runs, r));
  }
  for (int i = 0; i < n_balance_rows; i++)
    if (!seen[i] && strcmp(balance_rows[i].name, "rlw")) fail_msg("no reference of %s", balance_rows[i].name);
  free(seen);
  json_decref(file);
}

// ---------------------------------------------------------------- compiled
static void put(Engine *e, int buffer, int64_t row, int64_t col, double v) {
  const Buffer *b = &e->plan->buffers[buffer];
  if (b->dtype == F64) ((double *)e->buf[buffer])[row * b->ld + col] = v;
  else ((float *)e->buf[buffer])[row * b->ld + col] = (float)v;
}

static void put_all(Engine *e, int buffer, const double *x, int64_t rows, int64_t cols) {
  for (int64_t i = 0; buffer >= 0 && i < rows * cols; i++) put(e, buffer, i / cols, i % cols, x[i]);
}

static void put_weights(const Case *c, Engine *e) {
  engine_init(e, 1);
  for (int i = 0; i < e->plan->n_slots; i++) {
    const PlanSlot *s = &e->plan->slots[i];
    double x[64];
    if (s->role != SLOT_PARAM) continue;
    read_numbers(text_of(field(field(c->file, "weights"), s->path), "values"), x, COUNT_OF(x));
    put_all(e, s->buffer, x, e->plan->buffers[s->buffer].rows_a, e->plan->buffers[s->buffer].cols);
  }
}

static Engine *compile_case(Case *c, DType dtype, TargetId target, Compiled *out, StepCode *code) {
  Diag *d = diag_new(c->a, NULL);
  Text text = {0};
  JitInfo info;
  build_case(c, dtype, d);
  bool ok = compile_graph(c->g, c->optimizer, c->args, WIDTH, 0, LABELS, out, d) &&
            jit(out->schedule, target, c->a, code, &info, d);
  diag_print(d, &text, false);
  if (!ok) fail_msg("%s", text.data);
  text_free(&text);
  return engine_new(&out->plan, code);
}

static void compare_weights(const Case *c, Engine *e, int step, double bound, const char *what, const PlanBalance *b) {
  double want[LABELS];
  int tasks = read_numbers(json_string_value(json_array_get(field(c->run, "c"), (size_t)step)), want, LABELS);
  for (int k = 0; b->weights >= 0 && k < tasks; k++)
    close_to(engine_out(e, b->weights, 0, k), want[k], bound, 1e-1, what, "weight");
}

static void run_compiled(const json_t *file, const json_t *run, DType dtype, TargetId target, double bound) {
  Case c = { .a = arena_new(), .file = file, .run = run };
  Compiled out;
  StepCode code;
  Engine *e = compile_case(&c, dtype, target, &out, &code);
  const char *what = describe(&c, dtype == F64 ? "f64" : "f32");
  Batch *b = NEW(c.a, Batch);
  put_weights(&c, e);
  for (int step = 0; step < integer(file, "steps"); step++) {
    load_batch(file, step, b);
    int64_t n = b->in.n;
    put_all(e, e->dense, b->x, n, WIDTH);
    put_all(e, e->y, b->y, LABELS, n);
    put_all(e, e->w, b->w, LABELS, n);
    e->epoch = step / integer(file, "epoch") + 1;
    engine_run(e, PROG_TRAIN, n, c.lr);
    look_again(e, &out.balance, (int)integer(run, "tasks"), n, c.lr);
    compare_weights(&c, e, step, 10 * bound, what, &out.balance);
  }
  const char *path;
  json_t *want;
  json_object_foreach(field(run, "after"), path, want) {
    double x[64];
    read_numbers(json_string_value(want), x, COUNT_OF(x));
    for (int i = 0; i < e->plan->n_slots; i++) {
      const Buffer *slot = &e->plan->buffers[e->plan->slots[i].buffer];
      for (int64_t k = 0; !strcmp(e->plan->slots[i].path, path) && k < slot->rows_a * slot->cols; k++)
        close_to(engine_out(e, e->plan->slots[i].buffer, k / slot->cols, k % slot->cols), x[k], bound, 1e-2, what, path);
    }
  }
  engine_free(e);
  jit_free(&code);
  arena_free(c.a);
}

// Every method once in float32, on the widest target.
static void test_compiled(void **state) {
  (void)state;
  json_t *file = reference_file("balance");
  const json_t *runs = field(file, "runs");
  for (size_t r = 0; r < json_array_size(runs); r++) {
    const json_t *run = json_array_get(runs, r);
    bool representation = !strcmp(text_of(run, "on"), "representation"), first = true;
    for (size_t i = 0; i < r; i++) first &= strcmp(text_of(json_array_get(runs, i), "method"), text_of(run, "method")) != 0;
    if (first || representation) run_compiled(file, run, F32, target_detect(), 1e-5);
  }
  json_decref(file);
}

// ---------------------------------------------------------------- what is not balanced
// A table outside of `over` goes along the sum of its losses' gradients, spread once; under a method that scales all, along
// the weighted sum.
static NodeId over_task(Case *c, NodeId h, const char *name, int label) {
  Graph *g = c->g;
  AxisId axis[] = { axis_fixed(g, 3), axis_fixed(g, 1) };
  NodeId w = g_read(g, graph_slot(g, name, SLOT_PARAM, F64, 2, axis, (Init){0}, nowhere)), z = g_dot(g, h, w, "rk,kn>rn");
  NodeId d = g_map2(g, OP_SUB, g_drop(g, z, 1), g_column(g, OP_LABEL, label)), loss = g_sum(g, g_map2(g, OP_MUL, d, d), 0);
  graph_out(g, arena_printf(c->a, "task:%s", name), loss);
  graph_out(g, arena_printf(c->a, "known:%s", name), g_const(g, 1));
  return g->loss = g->loss ? g_map2(g, OP_ADD, g->loss, loss) : loss;
}

static void check_over(const char *method, bool scaled) {
  Case c = { .a = arena_new() };
  double table[15], mix[9], one[3], two[3], memory[64] = {0}, *slots[] = { table, mix, one, two, memory }, y[8];
  const double known[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
  const uint32_t ids[] = { 3, 0, 3, 1 };
  bool over[] = { false, true, false, false };
  NodeId reads[4], grads[4], plain[2];
  int params[] = { 0, 1, 2, 3 };
  Graph *g = c.g = graph_new(c.a, F64, 4, NULL);
  AxisId a3 = axis_fixed(g, 3), axes[] = { axis_fixed(g, 5), a3 }, square[] = { a3, a3 };
  for (int i = 0; i < 15; i++) table[i] = sin(i + 1);
  for (int i = 0; i < 9; i++) mix[i] = cos(2 * i);
  for (int i = 0; i < 3; i++) one[i] = 0.5 - i, two[i] = 0.7 * i - 0.2;
  for (int i = 0; i < 8; i++) y[i] = sin(5 * i);
  NodeId rows = g_gather(g, g_read(g, graph_slot(g, "table", SLOT_PARAM, F64, 2, axes, (Init){0}, nowhere)), g_column(g, OP_IDS, 0));
  NodeId h = g_dot(g, rows, g_read(g, graph_slot(g, "mix", SLOT_PARAM, F64, 2, square, (Init){0}, nowhere)), "rk,kn>rn");
  over_task(&c, h, "one", 0), over_task(&c, h, "two", 1);
  c.spec = (struct BalanceSpec){ .row = method_named(method), .arg = { 1.5, 0.025 }, .over = over, .n_over = 4 };
  g->balance = &c.spec;
  for (int i = 0; i < 4; i++) reads[i] = graph_read(g, i, nowhere);
  step_gradients(g, params, reads, 4, grads);
  assert_int_equal(node(g, grads[0])->op, OP_SPREAD);
  InterpInput in = { .n = 4, .ids = ids, .n_ids = 1, .y = y, .w = known, .n_labels = 2, .slots = slots, .epoch = 1, .step = 1 };
  TaskLoss t[BALANCE_TASKS];
  assert_int_equal(balance_tasks(g, t), 2);
  double *c_k = interp(g, g->roots.data[root_named(g, "balance")].value, &in, c.a), *got = interp(g, grads[0], &in, c.a);
  for (int k = 0; k < 2; k++) grad(g, t[k].loss, reads, 1, &plain[k]);
  double *first = interp(g, plain[0], &in, c.a), *second = interp(g, plain[1], &in, c.a);
  for (int i = 0; i < 15; i++) {
    double want = scaled ? c_k[0] * first[i] + c_k[1] * second[i] : first[i] + second[i];
    close_to(got[i], want, 1e-12, 1, method, "table");
  }
  arena_free(c.a);
}

static void test_over(void **state) {
  (void)state;
  check_over("mgda", false);
  check_over("gradnorm", true);
}

// ---------------------------------------------------------------- cosines of gradients
// Over two batches of 12 rows, from M of the program GRAM; against gradients taken apart in the interpreter.
static double *flat_gradient(const Case *c, NodeId loss, const int *params, const NodeId *reads, int n, const InterpInput *in,
                             int *size) {
  NodeId of[MAX_SLOTS];
  double *flat = NEW_ARRAY(c->a, double, 1000);
  grad(c->g, loss, reads, n, of);
  *size = 0;
  for (int i = 0; i < n; i++) {
    double *x = of[i] ? interp(c->g, of[i], in, c->a) : NULL;
    for (int64_t k = 0; k < slot_elements(c->g, params[i]); k++) flat[(*size)++] = x ? x[k] : 0;
  }
  return flat;
}

static double cosine_of(const double *a, const double *b, int n) {
  double aa = 0, ab = 0, bb = 0;
  for (int i = 0; i < n; i++) aa += a[i] * a[i], ab += a[i] * b[i], bb += b[i] * b[i];
  return ab / sqrt(aa * bb);
}

// The mean of the batches' cosines between two tasks at the initial weights.
static double wanted_cosine(const json_t *file, const json_t *run, const Batch *b, int i, int j) {
  Case c = { .a = arena_new(), .file = file, .run = run };
  double *slots[MAX_SLOTS], y[LABELS * 12], w[LABELS * 12], sum = 0;
  TaskLoss t[BALANCE_TASKS];
  build_case(&c, F64, NULL);
  start_slots(&c, slots);
  balance_tasks(c.g, t);
  int params[4] = {0, 1, 2, 3}, size;                         // h and mid, in the order in which the model makes them
  NodeId reads[4];
  for (int k = 0; k < 4; k++) reads[k] = graph_read(c.g, k, nowhere);
  for (int first = 0; first < 24; first += 12) {
    for (int l = 0; l < LABELS; l++)
      for (int r = 0; r < 12; r++) y[l * 12 + r] = b->y[l * 24 + first + r], w[l * 12 + r] = b->w[l * 24 + first + r];
    InterpInput in = { .n = 12, .dense = b->x + first * WIDTH, .y = y, .w = w, .dense_width = WIDTH, .n_labels = LABELS,
                       .slots = slots };
    double *gi = flat_gradient(&c, t[i].loss, params, reads, 4, &in, &size);
    double *gj = flat_gradient(&c, t[j].loss, params, reads, 4, &in, &size);
    sum += cosine_of(gi, gj, size) / 2;
  }
  arena_free(c.a);
  return sum;
}

static void test_cosines(void **state) {
  (void)state;
  json_t *file = reference_file("balance");
  const json_t *run = json_array_get(field(file, "runs"), 0);
  Case c = { .a = arena_new(), .file = file, .run = run, .wants_gram = true };
  Compiled out;
  StepCode code;
  Batch *b = NEW(c.a, Batch);
  float x[24 * WIDTH], y[LABELS * 24], w[LABELS * 24];
  double got[LABELS * LABELS];
  Engine *e = compile_case(&c, F32, target_detect(), &out, &code);
  put_weights(&c, e);
  load_batch(file, 0, b);
  assert_int_equal(b->in.n, 24);
  for (int i = 0; i < COUNT_OF(x); i++) x[i] = (float)b->x[i];
  for (int i = 0; i < COUNT_OF(y); i++) y[i] = (float)b->y[i], w[i] = (float)b->w[i];
  Rows rows = { .n = 24, .dense = x, .y = y, .w = w };
  DataPlan data = { .dense_width = WIDTH, .n_labels = LABELS };
  TrainPlan plan = { .batch = 12, .n_tasks = LABELS, .balance = out.balance };
  assert_true(gradient_cosines(e, &data, &plan, &rows, 0, got));
  for (int i = 0; i < LABELS; i++)
    for (int j = 0; j < LABELS; j++) {
      close_to(got[i * LABELS + j], i == j ? 1 : wanted_cosine(file, run, b, i, j), 1e-5, 0.1, "cosine", "M");
      assert_true(got[i * LABELS + j] == got[j * LABELS + i]);
    }
  engine_free(e);
  jit_free(&code);
  arena_free(c.a);
  json_decref(file);
}

// ---------------------------------------------------------------- the problem of CAGrad and Nash-MTL
// Two parameters, two losses (section 5 of both papers; the formulas stand in each line). Its best mean is at (0, −8).
typedef struct { Graph *g; NodeId x1, x2, c1, c2; } Toy;
static NodeId num(Toy *t, double v) { return g_const(t->g, v); }
static NodeId plus(Toy *t, NodeId a, double b) { return g_map2(t->g, OP_ADD, a, num(t, b)); }
static NodeId times(Toy *t, double a, NodeId b) { return g_map2(t->g, OP_MUL, num(t, a), b); }
static NodeId square(Toy *t, NodeId a) { return g_map2(t->g, OP_MUL, a, a); }

static NodeId parameter(Toy *t, const char *name) {
  return g_read(t->g, graph_slot(t->g, name, SLOT_PARAM, F64, 0, NULL, (Init){0}, nowhere));
}

static NodeId gate(Toy *t, double sign) {                     // max(tanh(±x₂/2), 0)
  NodeId h = g_map1(t->g, OP_TANH, times(t, sign * 0.5, t->x2));
  return g_map2(t->g, OP_MAX, h, num(t, 0));
}

// c₁·[log max(|½(a − x₁) + s·tanh(−x₂) + b|, 5e-6) + 6] + c₂·[((x₁ + d)² + 0.1·(x₂ + 8)²)/10 − 20]
static void toy_task(Toy *t, const char *name, double a, double s, double b, double d) {
  Graph *g = t->g;
  NodeId tanh_x2 = g_map1(g, OP_TANH, g_map1(g, OP_NEG, t->x2)), half = times(t, -0.5, plus(t, t->x1, -a));
  NodeId inner = plus(t, g_map2(g, OP_ADD, half, times(t, s, tanh_x2)), b);
  NodeId high = plus(t, g_map1(g, OP_LOG, g_map2(g, OP_MAX, g_map1(g, OP_ABS, inner), num(t, 5e-6))), 6);
  NodeId along = square(t, plus(t, t->x1, d)), across = times(t, 0.1, square(t, plus(t, t->x2, 8)));
  NodeId low = plus(t, times(t, 0.1, g_map2(g, OP_ADD, along, across)), -20);
  NodeId left = g_map2(g, OP_MUL, t->c1, high), loss = g_map2(g, OP_ADD, left, g_map2(g, OP_MUL, t->c2, low));
  graph_out(g, arena_printf(g->arena, "task:%s", name), loss);
  graph_out(g, arena_printf(g->arena, "known:%s", name), num(t, 1));
  graph_out(g, arena_printf(g->arena, "sum:%s", name), loss);
  g->loss = g->loss ? g_map2(g, OP_ADD, g->loss, loss) : loss;
}

typedef struct { Arena *a; Compiled out; StepCode code; Engine *e; struct BalanceSpec spec; } ToyRun;

static void toy_compile(ToyRun *r, const char *method, const double *arg) {
  Diag *d = diag_new(r->a = arena_new(), NULL);
  Toy t = { .g = graph_new(r->a, F64, 1, d) };
  JitInfo info;
  t.x1 = parameter(&t, "x1"), t.x2 = parameter(&t, "x2"), t.c1 = gate(&t, 1), t.c2 = gate(&t, -1);
  toy_task(&t, "one", -7, -1, 0, -7);
  toy_task(&t, "two", 3, 1, 2, 7);
  r->spec = (struct BalanceSpec){ .row = method_named(method) };
  if (arg) memcpy(r->spec.arg, arg, sizeof r->spec.arg);
  if (r->spec.row >= 0) t.g->balance = &r->spec;
  int adam = row_named("adam", false);
  assert_true(compile_graph(t.g, adam, optim_rows[adam].def, 0, 0, 0, &r->out, d));
  assert_true(jit(r->out.schedule, target_detect(), r->a, &r->code, &info, d));
  r->e = engine_new(&r->out.plan, &r->code);
}

// The mean of both losses after Adam's steps from a start.
static double toy_end(ToyRun *r, double x1, double x2) {
  enum { STEPS = 100000 };
  engine_init(r->e, 1);
  for (int i = 0; i < r->e->plan->n_slots; i++) {
    const PlanSlot *s = &r->e->plan->slots[i];
    if (s->role == SLOT_PARAM) put(r->e, s->buffer, 0, 0, strcmp(s->path, "x1") ? x2 : x1);
  }
  for (int i = 0; i < STEPS; i++) engine_run(r->e, PROG_TRAIN, 1, 1e-3);
  double sum = 0;
  for (int i = 0; i < r->e->plan->n_buffers; i++)
    if (!strncmp(r->e->plan->buffers[i].name, "sum:", 4)) sum += engine_out(r->e, i, 0, 0);
  return sum / 2;
}

static void test_toy(void **state) {
  (void)state;
  static const double starts[3][2] = { { -8.5, 7.5 }, { -8.5, -5 }, { 9, 9 } };
  static const double best = -15.1 * 0.99932929973906704;    // · tanh(4)
  static const struct { const char *method; double arg[3]; bool reaches_all; double within; } cases[] = {
    { "static", {0}, false, 0.1 }, { "cagrad", { 0.5 }, true, 0.1 }, { "nash_mtl", { 20 }, true, 5 },
  };
  for (int i = 0; i < COUNT_OF(cases); i++) {
    ToyRun r = {0};
    int reached = 0;
    toy_compile(&r, cases[i].method, cases[i].arg);
    for (int k = 0; k < 3; k++) {
      double end = toy_end(&r, starts[k][0], starts[k][1]);
      print_message("%s from (%g, %g): %.4f\n", cases[i].method, starts[k][0], starts[k][1], end);
      reached += end < best + cases[i].within;
    }
    assert_true((reached == 3) == cases[i].reaches_all);
    engine_free(r.e);
    jit_free(&r.code);
    arena_free(r.a);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_interpreted), cmocka_unit_test(test_compiled), cmocka_unit_test(test_cosines), cmocka_unit_test(test_over),
    cmocka_unit_test(test_toy),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
