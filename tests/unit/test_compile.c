// test_compile.c: whole graphs through gradients, updates, schedule, emitter, loader and engine, against the slow
// interpreter in double: every root and every slot, several steps, full and short batches, memory poisoned with NaN.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "buffers.h"
#include "src/compile.h"
#include "runtime/train.h"

enum { CAPACITY = 96, DENSE = 6, IDS = 2, LABELS = 3, VOCAB = 7 };
typedef struct { Arena *a; Graph *g; Diag *d; } Case;

static NodeId dense_layer(Case *c, NodeId x, int64_t in, int64_t out, const char *name) {
  Graph *g = c->g;
  AxisId k = axis_fixed(g, in), n = axis_fixed(g, out);
  int w = graph_slot(g, arena_printf(c->a, "%s.w", name), SLOT_PARAM, g->dtype, 2, (AxisId[]){ k, n }, (Init){ INIT_GLOROT_UNIFORM, 0, 0 }, (Place){0});
  int b = graph_slot(g, arena_printf(c->a, "%s.b", name), SLOT_PARAM, g->dtype, 1, (AxisId[]){ n }, (Init){ INIT_NORMAL, 0, 0.1 }, (Place){0});
  NodeId wr = g_read(g, w), br = g_read(g, b), z = g_dot(g, x, wr, "rk,kn>rn");
  return g_map2(g, OP_ADD, z, br);
}

static NodeId embedding(Case *c, int column, int64_t width, const char *name) {
  Graph *g = c->g;
  int t = graph_slot(g, name, SLOT_PARAM, g->dtype, 2, (AxisId[]){ axis_fixed(g, VOCAB), axis_fixed(g, width) }, (Init){ INIT_NORMAL, 0, 0.3 }, (Place){0});
  NodeId table = g_read(g, t), ids = g_column(g, OP_IDS, column);
  return g_gather(g, table, ids);
}

// L = Σ w·ℓ / Σ w over rows, 0 where Σ w = 0
static void task(Case *c, const char *name, int loss, NodeId head, int label) {
  Graph *g = c->g;
  NodeId y = g_column(g, OP_LABEL, label), w = g_column(g, OP_KNOWN, label);
  NodeId l = loss_build(g, loss, head, y, NULL), zero = g_const(g, 0), one = g_const(g, 1);
  NodeId masked = g_select(g, w, l, zero), sum = g_sum(g, masked, 0), weight = g_sum(g, w, 0);
  NodeId safe = g_map2(g, OP_MAX, weight, one), mean = g_map2(g, OP_DIV, sum, safe);
  graph_out(g, arena_printf(c->a, "head:%s", name), head);
  graph_out(g, arena_printf(c->a, "sum:%s", name), sum);
  graph_out(g, arena_printf(c->a, "weight:%s", name), weight);
  g->loss = g->loss ? g_map2(g, OP_ADD, g->loss, mean) : mean;
}

static int loss_row(const char *name) {
  for (int i = 0; i < n_loss_rows; i++)
    if (!strcmp(loss_rows[i].name, name)) return i;
  fail_msg("no loss %s", name);
  return -1;
}
static int optim_row(const char *name) {
  for (int i = 0; i < n_optim_rows; i++)
    if (!strcmp(optim_rows[i].name, name)) return i;
  fail_msg("no optimizer %s", name);
  return -1;
}

// ---------------------------------------------------------------- models
static void mlp(Case *c) {
  Graph *g = c->g;
  NodeId x = g_dense(g, 0, DENSE), h = g_map1(g, OP_RELU, dense_layer(c, x, DENSE, 40, "wide"));
  NodeId t = g_map1(g, OP_RELU, dense_layer(c, h, 40, 19, "narrow"));
  task(c, "click", loss_row("bce"), g_map1(g, OP_SIGMOID, dense_layer(c, t, 19, 1, "click")), 0);
  task(c, "spend", loss_row("mse"), g_map1(g, OP_SIGMOID, dense_layer(c, t, 19, 1, "spend")), 1);
}

static void softmax_and_product(Case *c) {
  Graph *g = c->g;
  NodeId x = g_dense(g, 0, DENSE), h = g_map1(g, OP_TANH, dense_layer(c, x, DENSE, 24, "h"));
  task(c, "good", loss_row("cross_entropy"), g_softmax(g, dense_layer(c, h, 24, 5, "good")), 2);
  NodeId p = g_map1(g, OP_SIGMOID, dense_layer(c, h, 24, 1, "p")), q = g_map1(g, OP_SIGMOID, dense_layer(c, h, 24, 1, "q"));
  task(c, "visit", loss_row("bce"), p, 0);
  task(c, "both", loss_row("bce"), g_map2(g, OP_MUL, p, q), 0);
}

static void embeddings_and_experts(Case *c) {
  Graph *g = c->g;
  NodeId e0 = embedding(c, 0, 4, "a.table"), e1 = embedding(c, 1, 4, "b.table"), num = g_dense(g, 1, 3);
  NodeId x = g_concat(g, (NodeId[]){ e0, e1, num }, 3, 1), experts[3];
  for (int i = 0; i < 3; i++) experts[i] = g_map1(g, OP_RELU, dense_layer(c, x, 11, 17, arena_printf(c->a, "pool[%d]", i)));
  for (int k = 0; k < 2; k++) {
    NodeId gate = g_softmax(g, dense_layer(c, x, 11, 3, arena_printf(c->a, "gate%d", k))), mix = 0;
    for (int i = 0; i < 3; i++) {
      NodeId part = g_map2(g, OP_MUL, g_slice(g, gate, 1, i, i + 1), experts[i]);
      mix = mix ? g_map2(g, OP_ADD, mix, part) : part;
    }
    task(c, k ? "two" : "one", loss_row("bce"), g_map1(g, OP_SIGMOID, dense_layer(c, mix, 17, 1, arena_printf(c->a, "tower%d", k))), 0);
  }
}

// ---------------------------------------------------------------- one case
static double noise(uint64_t i) { return (double)(hash_bytes(&i, sizeof i, 3) >> 11) * 0x1p-52 - 1; }

typedef struct { double dense[CAPACITY * DENSE], y[LABELS * CAPACITY], w[LABELS * CAPACITY]; uint32_t ids[CAPACITY * IDS]; } Batch;

static void fill(Batch *b, int64_t n, uint64_t seed) {
  for (int64_t r = 0; r < n; r++) {
    for (int j = 0; j < DENSE; j++) b->dense[r * DENSE + j] = (float)noise(seed * 7919 + (uint64_t)(r * DENSE + j));
    for (int j = 0; j < IDS; j++) b->ids[r * IDS + j] = (uint32_t)((noise(seed * 31 + (uint64_t)(r * IDS + j)) + 1) * 0.4999 * VOCAB);
    for (int l = 0; l < LABELS; l++) {
      double u = noise(seed * 131 + (uint64_t)(r * LABELS + l));
      b->y[l * n + r] = l == 1 ? (float)(u * 0.5 + 0.5) : l == 2 ? floor((u + 1) * 2.4999) : u > 0.2;
      b->w[l * n + r] = noise(seed * 977 + (uint64_t)(r * LABELS + l)) > -0.6;
      if (b->w[l * n + r] == 0) b->y[l * n + r] = 0;
    }
  }
}

static void poison(Engine *e) {                               // what a step must not read before it writes it
  memset(e->rows, 0xff, (size_t)e->plan->rows_bytes);
  memset(e->local, 0xff, (size_t)e->plan->local_bytes);
  for (int i = 0; i < e->plan->n_buffers; i++) {
    const Buffer *b = &e->plan->buffers[i];
    if (b->role != BUF_DENSE && b->role != BUF_IDS && b->role != BUF_Y && b->role != BUF_W && b->role != BUF_OUT) continue;
    size_t width = b->dtype == F64 ? 8 : 4;
    memset(e->buf[i], 0xff, (size_t)(b->rows_a + b->rows_b * e->plan->capacity) * (size_t)b->ld * width);
  }
}

static void load(Engine *e, const Batch *b, int64_t n) {
  for (int i = 0; i < e->plan->n_buffers; i++) {
    const Buffer *x = &e->plan->buffers[i];
    for (int64_t r = 0; r < n; r++) {
      for (int j = 0; x->role == BUF_DENSE && j < DENSE; j++) put(e, i, r * x->ld + j, b->dense[r * DENSE + j]);
      for (int j = 0; x->role == BUF_IDS && j < IDS; j++) ((uint32_t *)e->buf[i])[r * x->ld + j] = b->ids[r * IDS + j];
      for (int l = 0; x->role == BUF_Y && l < LABELS; l++) put(e, i, l * x->ld + r, b->y[l * n + r]);
      for (int l = 0; x->role == BUF_W && l < LABELS; l++) put(e, i, l * x->ld + r, b->w[l * n + r]);
    }
  }
}

static void close_to(double got, double want, double tolerance, const char *what, int64_t i) {
  if (!(fabs(got - want) <= tolerance * (1 + fabs(want)))) fail_msg("%s[%lld]: %.9g, want %.9g", what, (long long)i, got, want);
}

static double **slot_values(Engine *e, Arena *a) {
  double **s = NEW_ARRAY(a, double *, e->plan->n_slots + 1);
  for (int i = 0; i < e->plan->n_slots; i++) {
    const Buffer *b = &e->plan->buffers[e->plan->slots[i].buffer];
    s[i] = NEW_ARRAY(a, double, b->rows_a * b->cols + 1);
    for (int64_t r = 0; r < b->rows_a; r++)
      for (int64_t c = 0; c < b->cols; c++) s[i][r * b->cols + c] = engine_out(e, e->plan->slots[i].buffer, r, c);
  }
  return s;
}

static void compare(Engine *e, const Compiled *c, ProgramId prog, double **outs, double **slots, int64_t n, double tolerance) {
  const Graph *g = c->program[prog];
  for (int i = 0; i < g->roots.n; i++) {
    const Root *r = &g->roots.data[i];
    if (r->slot >= 0) continue;
    int b = out_named(e->plan, r->name);
    int64_t cols = e->plan->buffers[b].cols, rows = has_rows(g, r->value) ? n : e->plan->buffers[b].rows_a;
    for (int64_t k = 0; k < rows * cols; k++) close_to(engine_out(e, b, k / cols, k % cols), outs[i][k], tolerance, r->name, k);
  }
  for (int i = 0; prog == PROG_TRAIN && i < e->plan->n_slots; i++) {
    const Buffer *b = &e->plan->buffers[e->plan->slots[i].buffer];
    for (int64_t k = 0; k < b->rows_a * b->cols; k++)
      close_to(engine_out(e, e->plan->slots[i].buffer, k / b->cols, k % b->cols), slots[i][k], tolerance, e->plan->slots[i].path, k);
  }
}

static void run_program(Engine *e, const Compiled *c, ProgramId prog, int64_t n, uint64_t seed, double tolerance, Arena *a) {
  static Batch b;
  fill(&b, n, seed);
  poison(e);
  load(e, &b, n);
  double **slots = slot_values(e, a), **outs = NEW_ARRAY(a, double *, c->program[prog]->roots.n + 1);
  InterpInput in = { n, b.dense, b.ids, b.y, b.w, DENSE, IDS, LABELS, e->step + (prog == PROG_TRAIN), 0.01, slots, 0, 0 };
  interp_roots(c->program[prog], &in, outs, a);
  engine_run(e, prog, n, 0.01);
  compare(e, c, prog, outs, slots, n, tolerance);
}

static void run_case(void (*model)(Case *), const char *optimizer, DType dtype, TargetId target) {
  Case c = { .a = arena_new() };
  c.d = diag_new(c.a, NULL);
  c.g = graph_new(c.a, dtype, CAPACITY, c.d);
  model(&c);
  int row = optim_row(optimizer);
  Compiled out;
  Text text = {0};
  bool ok = compile_graph(c.g, row, optim_rows[row].def, DENSE, IDS, LABELS, &out, c.d);
  StepCode code;
  JitInfo info;
  ok = ok && jit(out.schedule, target, c.a, &code, &info, c.d);
  diag_print(c.d, &text, false);
  if (!ok) fail_msg("%s", text.data);
  text_free(&text);
  Engine *e = engine_new(&out.plan, &code);
  engine_init(e, 5);
  const int64_t sizes[] = { CAPACITY, 1, 3, CAPACITY - 1, 64, 65, 33 };
  double tolerance = dtype == F64 ? 1e-10 : 3e-5;
  for (int i = 0; i < COUNT_OF(sizes); i++) {
    run_program(e, &out, PROG_EVAL, sizes[i], (uint64_t)i + 50, tolerance, c.a);
    run_program(e, &out, PROG_PREDICT, sizes[i], (uint64_t)i + 90, tolerance, c.a);
    if (dtype == F64) run_program(e, &out, PROG_GRADS, sizes[i], (uint64_t)i + 30, tolerance, c.a);
    run_program(e, &out, PROG_TRAIN, sizes[i], (uint64_t)i + 1, tolerance, c.a);
  }
  engine_free(e);
  jit_free(&code);
  arena_free(c.a);
}

static void all_targets(void (*model)(Case *), const char *optimizer) {
  for (int t = 0; t < N_TARGETS; t++)
    if (target_usable((TargetId)t)) {
      run_case(model, optimizer, F32, (TargetId)t);
      run_case(model, optimizer, F64, (TargetId)t);
    }
}

static void test_mlp(void **state) { (void)state; all_targets(mlp, "adam"); }
static void test_mlp_momentum(void **state) { (void)state; all_targets(mlp, "momentum"); }
static void test_softmax(void **state) { (void)state; all_targets(softmax_and_product, "adamw"); }
// Adam's first step is the sign of a gradient: in f32 that of a sum which cancels may differ, so Adam is compared in f64.
static void test_experts(void **state) {
  (void)state;
  all_targets(embeddings_and_experts, "momentum");
  for (int t = 0; t < N_TARGETS; t++)
    if (target_usable((TargetId)t)) run_case(embeddings_and_experts, "adam", F64, (TargetId)t);
}

// Plain training has three phases: transposes, scalars and Σw; forward, loss and dX over rows; dW with the update.
static void test_phases_of_an_mlp(void **state) {
  (void)state;
  Case c = { .a = arena_new() };
  c.d = diag_new(c.a, NULL);
  c.g = graph_new(c.a, F32, CAPACITY, c.d);
  mlp(&c);
  int row = optim_row("adam");
  Compiled out;
  assert_true(compile_graph(c.g, row, optim_rows[row].def, DENSE, IDS, LABELS, &out, c.d));
  const SchedProgram *p = &out.schedule->programs[PROG_TRAIN];
  Text shown = {0};
  schedule_print(out.schedule, &shown);
  if (p->n_phases != 3) fail_msg("%d phases:\n%s", p->n_phases, shown.data);
  text_free(&shown);
  assert_false(p->phases[0].over_rows);
  assert_true(p->phases[1].over_rows);
  assert_false(p->phases[2].over_rows);
  int dots = 0;
  for (int i = 0; i < p->phases[2].n_calls; i++) dots += p->phases[2].calls[i].kind == CALL_DOT;
  assert_int_equal(dots, 4);                                  // one dW per layer, the update in its epilogue
  for (int i = 0; i < p->phases[2].n_calls; i++)
    if (p->phases[2].calls[i].kind == CALL_DOT)
      for (int o = 0; o < p->phases[2].calls[i].n_outputs; o++)
        assert_int_equal(out.schedule->buffers.data[p->phases[2].calls[i].outputs[o].buffer].role, BUF_SLOT);
  arena_free(c.a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_phases_of_an_mlp), cmocka_unit_test(test_mlp), cmocka_unit_test(test_mlp_momentum),
    cmocka_unit_test(test_softmax), cmocka_unit_test(test_experts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
