// test_plan.c: graphs are scheduled and the schedule is run point by point (sched_run.h), in any order of items, against the
// slow interpreter of graphs in double: all roots and slots, several steps, full and short batches, memory poisoned with
// NaN. Then the shape of plain training; and graphs drawn at random.
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "sched_run.h"

enum { DENSE = 6, IDS = 2, LABELS = 3, VOCAB = 7 };
typedef struct { Arena *a; Graph *g; Diag *d; } Case;

static Case new_case(DType t, int64_t capacity) {
  Case c = {.a = arena_new()};
  c.d = diag_new(c.a, NULL);
  c.g = graph_new(c.a, t, capacity, c.d);
  return c;
}

static int slot(Case *c, const char *path, int rank, int64_t a, int64_t b) {
  AxisId axis[2] = {axis_fixed(c->g, a), axis_fixed(c->g, b)};
  return graph_slot(c->g, path, SLOT_PARAM, c->g->dtype, rank, axis, (Init){INIT_NORMAL, 0, 0.3}, (Place){0});
}
static NodeId param(Case *c, const char *path, int rank, int64_t a, int64_t b) {
  return g_read(c->g, slot(c, path, rank, a, b));
}

static NodeId layer(Case *c, NodeId x, int64_t in, int64_t out, const char *name) {
  NodeId w = param(c, arena_printf(c->a, "%s.w", name), 2, in, out),
         b = param(c, arena_printf(c->a, "%s.b", name), 1, out, 1);
  NodeId z = g_dot(c->g, x, w, "rk,kn>rn");
  return g_map2(c->g, OP_ADD, z, b);
}
static NodeId relu_layer(Case *c, NodeId x, int64_t in, int64_t out, const char *name) {
  return g_map1(c->g, OP_RELU, layer(c, x, in, out, name));
}

// L = Σ w·ℓ / Σ w over rows, 0 where Σ w = 0
static void add_loss(Case *c, const char *name, NodeId l, int label) {
  Graph *g = c->g;
  NodeId w = g_column(g, OP_KNOWN, label), masked = g_select(g, w, l, g_const(g, 0));
  NodeId sum = g_sum(g, masked, 0), weight = g_sum(g, w, 0), safe = g_map2(g, OP_MAX, weight, g_const(g, 1));
  NodeId mean = g_map2(g, OP_DIV, sum, safe);
  graph_out(g, arena_printf(c->a, "sum:%s", name), sum);
  graph_out(g, arena_printf(c->a, "weight:%s", name), weight);
  g->loss = g->loss ? g_map2(g, OP_ADD, g->loss, mean) : mean;
}

static void task(Case *c, const char *name, const char *loss, NodeId head, int label) {
  int row = 0;
  while (strcmp(loss_rows[row].name, loss)) row++;
  NodeId y = g_column(c->g, OP_LABEL, label);
  graph_out(c->g, arena_printf(c->a, "head:%s", name), head);
  add_loss(c, name, loss_build(c->g, row, head, y, NULL), label);
}

// Gradients and updates of all parameters.
static void train_by(Case *c, const char *name) {
  Graph *g = c->g;
  int row = 0, n = 0, *slots = NEW_ARRAY(c->a, int, g->slots.n + 1);
  NodeId *reads = NEW_ARRAY(c->a, NodeId, g->slots.n + 1), *grads = NEW_ARRAY(c->a, NodeId, g->slots.n + 1);
  while (strcmp(optim_rows[row].name, name)) row++;
  for (int i = 0; i < g->slots.n; i++)
    if (g->slots.data[i].role == SLOT_PARAM) slots[n] = i, reads[n++] = g_read(g, i);
  grad(g, g->loss, reads, n, grads);
  optim(g, row, optim_rows[row].def, slots, grads, n);
}

// ---------------------------------------------------------------- running one case
static double noise(uint64_t i) { return (double)(hash_bytes(&i, sizeof i, 3) >> 11) * 0x1p-52 - 1; }

typedef struct { double *dense, *y, *w; uint32_t *ids; } Batch;

static Batch new_batch(Arena *a, int64_t n, uint64_t seed) {
  Batch b = {NEW_ARRAY(a, double, n * DENSE + 1), NEW_ARRAY(a, double, n * LABELS + 1), NEW_ARRAY(a, double, n * LABELS + 1),
             NEW_ARRAY(a, uint32_t, n * IDS + 1)};
  for (int64_t i = 0; i < n * DENSE; i++) b.dense[i] = (float)noise(seed * 7919 + (uint64_t)i);
  for (int64_t i = 0; i < n; i++) b.dense[i * DENSE + DENSE - 1] = floor((b.dense[i * DENSE + DENSE - 1] + 1) * 1.4999);   // 0, 1, 2: a length
  for (int64_t i = 0; i < n * IDS; i++) b.ids[i] = (uint32_t)((noise(seed * 31 + (uint64_t)i) + 1) * 0.4999 * VOCAB);
  for (int64_t i = 0; i < n * LABELS; i++) {
    double u = noise(seed * 131 + (uint64_t)i), l = (double)(i / n);
    b.w[i] = noise(seed * 977 + (uint64_t)i) > -0.6;
    b.y[i] = b.w[i] == 0 ? 0 : l == 1 ? (float)(u * 0.5 + 0.5) : l == 2 ? floor((u + 1) * 2.4999) : u > 0.2;
  }
  return b;
}

static void load(SchedMemory *m, const Batch *b, int64_t n) {
  int dense = sched_buffer(m->s, BUF_DENSE, NULL), ids = sched_buffer(m->s, BUF_IDS, NULL);
  int y = sched_buffer(m->s, BUF_Y, NULL), w = sched_buffer(m->s, BUF_W, NULL);
  for (int64_t r = 0; r < n; r++) {
    for (int j = 0; j < DENSE; j++) sched_put(m, dense, r, j, b->dense[r * DENSE + j]);
    for (int j = 0; j < IDS; j++) sched_put(m, ids, r, j, b->ids[r * IDS + j]);
    for (int l = 0; l < LABELS; l++) sched_put(m, y, l, r, b->y[l * n + r]), sched_put(m, w, l, r, b->w[l * n + r]);
  }
}

static int64_t slot_elements(const Schedule *s, int i) {
  const Buffer *b = &s->buffers.data[s->slots.data[i].buffer];
  return b->rows_a * b->cols;
}
static double slot_at(const SchedMemory *m, int i, int64_t k) {
  int b = m->s->slots.data[i].buffer;
  int64_t cols = m->s->buffers.data[b].cols;
  return sched_get(m, b, k / cols, k % cols);
}

static void first_values(SchedMemory *m) {
  memset(m->slots, 0xff, (size_t)m->s->slot_bytes);             // the paddings stay NaN
  for (int i = 0; i < m->s->slots.n; i++) {
    const PlanSlot *x = &m->s->slots.data[i];
    int64_t cols = m->s->buffers.data[x->buffer].cols;
    for (int64_t k = 0; k < slot_elements(m->s, i); k++) {
      double v = x->init.kind == INIT_ZEROS ? 0 : x->init.kind == INIT_ONES ? 1 : 0.3 * noise((uint64_t)(1000003 * i + k));
      sched_put(m, x->buffer, k / cols, k % cols, v);
    }
  }
}

static const char *trouble;                                      // graph and schedule, shown where a comparison fails
#define FAIL(...) do { fputs(trouble ? trouble : "", stderr); fail_msg(__VA_ARGS__); } while (0)
static void close_to(double got, double want, double tolerance, const char *what, int64_t i) {
  if (isnan(want) && isnan(got)) return;
  if (got == want) return;
  if (!(fabs(got - want) <= tolerance * (1 + fabs(want))))
    FAIL("%s[%lld]: %.9g, want %.9g", what, (long long)i, got, want);
}

static void compare(const SchedMemory *m, const Graph *g, double **outs, double **slots, int64_t n, double tolerance) {
  for (int i = 0; i < g->roots.n; i++) {
    const Root *r = &g->roots.data[i];
    if (r->slot >= 0) continue;
    int b = sched_buffer(m->s, BUF_OUT, r->name);
    const Buffer *x = &m->s->buffers.data[b];
    int64_t rows = has_rows(g, r->value) ? n : x->rows_a;
    for (int64_t k = 0; k < rows * x->cols; k++)
      close_to(sched_get(m, b, k / x->cols, k % x->cols), outs[i][k], tolerance, r->name, k);
  }
  for (int i = 0; i < m->s->slots.n; i++)
    for (int64_t k = 0; k < slot_elements(m->s, i); k++)
      close_to(slot_at(m, i, k), slots[i][k], tolerance, m->s->slots.data[i].path, k);
}

static void one_step(SchedMemory *m, const Graph *g, int64_t n, uint64_t seed, double tolerance, Arena *a) {
  Batch b = new_batch(a, n, seed);
  double **slots = NEW_ARRAY(a, double *, m->s->slots.n + 1), **outs = NEW_ARRAY(a, double *, g->roots.n + 1);
  for (int i = 0; i < m->s->slots.n; i++) {
    slots[i] = NEW_ARRAY(a, double, slot_elements(m->s, i) + 1);
    for (int64_t k = 0; k < slot_elements(m->s, i); k++) slots[i][k] = slot_at(m, i, k);
  }
  InterpInput in = {n, b.dense, b.ids, b.y, b.w, DENSE, IDS, LABELS, (int64_t)seed, 0.01, slots, 0, 0};
  interp_roots(g, &in, outs, a);
  sched_poison(m);
  load(m, &b, n);
  sched_run(m, PROG_TRAIN, n, (int64_t)seed, 0.01, seed % 3);
  compare(m, g, outs, slots, n, tolerance);
}

static Buffer *first_local(Schedule *s) {
  for (int i = 0; i < s->buffers.n; i++)
    if (s->buffers.data[i].role == BUF_LOCAL) return &s->buffers.data[i];
  return NULL;
}

static Schedule *schedule_case(Case *c, const Graph **g) {
  const Graph *graphs[N_PROGRAMS] = {0};
  Text text = {0};
  graphs[PROG_TRAIN] = *g = tidy(c->g, NULL, 0);
  graph_check(*g);
  Schedule *s = diag_errors(c->d) ? NULL : schedule(c->a, graphs, DENSE, IDS, LABELS);
  diag_print(c->d, &text, false);
  if (!s) FAIL("%s", text.data);
  text_free(&text);
  return s;
}

static char *shown(Case *c, const Schedule *s, const Graph *g) {
  Text text = {0};
  graph_print(g, &text);
  schedule_print(s, &text);
  char *p = arena_strdup(c->a, text.data);
  text_free(&text);
  return p;
}

static void run_case(Case *c, double tolerance) {
  const Graph *g;
  Schedule *s = schedule_case(c, &g);
  trouble = shown(c, s, g);
  schedule_check(s);
  StepPlan plan;
  schedule_plan(s, &plan);
  for (int i = 0; i < plan.programs[PROG_TRAIN].n_phases; i++)
    assert_true(plan.programs[PROG_TRAIN].phases[i].flops >= 0 && plan.programs[PROG_TRAIN].phases[i].bytes > 0);
  SchedMemory *m = sched_memory_new(s);
  first_values(m);
  const int64_t sizes[] = {s->capacity, 1, 3, s->capacity - 1, 65, 33};
  for (int i = 0; i < COUNT_OF(sizes); i++)
    if (sizes[i] <= s->capacity) one_step(m, g, sizes[i], (uint64_t)i + 1, tolerance, c->a);
  sched_memory_free(m);
  trouble = NULL;
  arena_free(c->a);
}

// ---------------------------------------------------------------- models
static void mlp(Case *c) {
  NodeId x = g_dense(c->g, 0, DENSE), h = relu_layer(c, x, DENSE, 40, "wide"), t = relu_layer(c, h, 40, 19, "narrow");
  task(c, "click", "bce", g_map1(c->g, OP_SIGMOID, layer(c, t, 19, 1, "click")), 0);
  task(c, "spend", "mse", g_map1(c->g, OP_SIGMOID, layer(c, t, 19, 1, "spend")), 1);
}

static void softmax_and_product(Case *c) {
  NodeId x = g_dense(c->g, 0, DENSE), h = g_map1(c->g, OP_TANH, layer(c, x, DENSE, 24, "h"));
  task(c, "good", "cross_entropy", g_softmax(c->g, layer(c, h, 24, 5, "good")), 2);
  NodeId p = g_map1(c->g, OP_SIGMOID, layer(c, h, 24, 1, "p")), q = g_map1(c->g, OP_SIGMOID, layer(c, h, 24, 1, "q"));
  task(c, "visit", "bce", p, 0);
  task(c, "both", "bce", g_map2(c->g, OP_MUL, p, q), 0);
}

static NodeId embedding(Case *c, int column, int64_t width, const char *name) {
  NodeId table = param(c, name, 2, VOCAB, width), ids = g_column(c->g, OP_IDS, column);
  return g_gather(c->g, table, ids);
}

static void experts(Case *c) {
  Graph *g = c->g;
  NodeId e0 = embedding(c, 0, 4, "a.table"), e1 = embedding(c, 1, 1, "b.table"), num = g_dense(g, 1, 3);
  NodeId x = g_concat(g, (NodeId[]){e0, num, e1, e0}, 4, 1), expert[3];
  for (int i = 0; i < 3; i++) expert[i] = relu_layer(c, x, 12, 17, arena_printf(c->a, "pool[%d]", i));
  for (int k = 0; k < 2; k++) {
    NodeId gate = g_softmax(g, layer(c, x, 12, 3, arena_printf(c->a, "gate%d", k))), mix = 0;
    for (int i = 0; i < 3; i++) {
      NodeId part = g_map2(g, OP_MUL, g_slice(g, gate, 1, i, i + 1), expert[i]);
      mix = mix ? g_map2(g, OP_ADD, mix, part) : part;
    }
    task(c, k ? "two" : "one", "bce", g_map1(g, OP_SIGMOID, layer(c, mix, 17, 1, arena_printf(c->a, "tower%d", k))), 0);
  }
}

// The same mixture as one value [rows, experts, width]: reshape, a sum over the middle axis.
static void stacked_experts(Case *c) {
  Graph *g = c->g;
  NodeId x = g_dense(g, 0, DENSE), h = relu_layer(c, x, DENSE, 3 * 10, "pool");
  NodeId stack = g_reshape(g, h, 2, (AxisId[]){axis_fixed(g, 3), axis_fixed(g, 10)});
  NodeId gate = g_expand(g, g_softmax(g, layer(c, x, DENSE, 3, "gate")), 2),
         mix = g_sum(g, g_map2(g, OP_MUL, gate, stack), 1);
  task(c, "one", "bce", g_map1(g, OP_SIGMOID, layer(c, mix, 10, 1, "tower")), 0);
}

// A dense layer over the items of [rows, 3, 6], then two experts as an axis of one weight.
static void items(Case *c) {
  Graph *g = c->g;
  NodeId x = g_reshape(g, layer(c, g_dense(g, 0, DENSE), DENSE, 18, "in"), 2, (AxisId[]){axis_fixed(g, 3), axis_fixed(g, 6)});
  NodeId w = param(c, "w", 2, 6, 10), h = g_map1(g, OP_TANH, g_dot(g, x, w, "rik,kn>rin"));
  NodeId sum = g_sum(g, h, 1);
  AxisId axis[] = {axis_fixed(g, 2), axis_fixed(g, 10), axis_fixed(g, 5)};
  int pool = graph_slot(g, "pool", SLOT_PARAM, g->dtype, 3, axis, (Init){INIT_NORMAL, 0, 0.3}, (Place){0});
  NodeId experts = g_map1(g, OP_RELU, g_dot(g, sum, g_read(g, pool), "rk,ekn>ren"));
  task(c, "one", "bce", g_map1(g, OP_SIGMOID, layer(c, g_sum(g, experts, 1), 5, 1, "tower")), 0);
}

static void batch_norm(Case *c) {                                // statistics across rows: more phases; a state slot
  Graph *g = c->g;
  NodeId x = layer(c, g_dense(g, 0, DENSE), DENSE, 18, "h"), one = g_const(g, 1);
  NodeId n = g_sum(g, g_broadcast(g, one, 1, (AxisId[]){AXIS_OF_ROWS}), 0);
  NodeId mean = g_map2(g, OP_DIV, g_sum(g, x, 0), n), d = g_map2(g, OP_SUB, x, mean), square = g_map2(g, OP_MUL, d, d);
  NodeId var = g_map2(g, OP_DIV, g_sum(g, square, 0), n), wide = g_map2(g, OP_ADD, var, g_const(g, 1e-3));
  NodeId y = g_map2(g, OP_MUL, d, g_map1(g, OP_RECIP, g_map1(g, OP_SQRT, wide)));
  AxisId k = axis_fixed(g, 18);
  int state = graph_slot(g, "bn.mean", SLOT_STATE, g->dtype, 1, &k, (Init){.kind = INIT_ZEROS}, (Place){0});
  NodeId before = g_read(g, state), change = g_map2(g, OP_SUB, mean, before);
  graph_assign(g, state, g_map3(g, OP_FMA, change, g_const(g, 0.1), before));
  graph_out(g, "output:before", before);
  task(c, "click", "bce", g_map1(g, OP_SIGMOID, layer(c, y, 18, 1, "click")), 0);
}

static void clipped_and_decayed(Case *c) {   // Σ g² over parameters between dW and the update; l2 in the loss
  Graph *g = c->g;
  int w = slot(c, "w", 2, DENSE, 21), v = slot(c, "v", 1, 21, 1);
  NodeId h = g_map1(g, OP_TANH, g_dot(g, g_dense(g, 0, DENSE), g_read(g, w), "rk,kn>rn")),
         z = g_dot(g, h, g_read(g, v), "rk,k>r");
  NodeId y = g_column(g, OP_LABEL, 1), e = g_map2(g, OP_SUB, z, y), read[2] = {g_read(g, w), g_read(g, v)}, dp[2];
  add_loss(c, "spend", g_map2(g, OP_MUL, e, e), 1);
  NodeId l2 = g_sum(g, g_sum(g, g_map2(g, OP_MUL, read[0], read[0]), 1), 0);
  g->loss = g_map3(g, OP_FMA, l2, g_const(g, 0.01), g->loss);
  grad(g, g->loss, read, 2, dp);
  NodeId norm = g_map2(g, OP_ADD, g_sum(g, g_sum(g, g_map2(g, OP_MUL, dp[0], dp[0]), 1), 0),
                       g_sum(g, g_map2(g, OP_MUL, dp[1], dp[1]), 0));
  NodeId scale = g_map2(g, OP_MIN, g_const(g, 1), g_map1(g, OP_RECIP, g_map1(g, OP_SQRT, norm)));
  for (int i = 0; i < 2; i++) {
    NodeId step = g_map2(g, OP_MUL, dp[i], scale);
    graph_assign(g, i ? v : w, g_map3(g, OP_FMA, step, g_const(g, -0.1), read[i]));
  }
}

static void moves(Case *c) {   // views and copies of all kinds, roots that are no computed values
  Graph *g = c->g;
  NodeId w = param(c, "w", 2, 20, 12), b = param(c, "b", 1, 12, 1), x = g_dense(g, 0, DENSE), y = g_column(g, OP_LABEL, 1);
  AxisId a5 = axis_fixed(g, 5), a48 = axis_fixed(g, 48), a240 = axis_fixed(g, 240), a3 = axis_fixed(g, 3),
         a2 = axis_fixed(g, 2);
  NodeId flat = g_reshape(g, w, 1, &a240), cube = g_reshape(g, flat, 2, (AxisId[]){a5, a48});
  NodeId turned = g_transpose(g, w, (int[]){1, 0}), column = g_drop(g, g_slice(g, w, 1, 3, 4), 1);
  graph_out(g, "output:slot", w);
  graph_out(g, "output:input", x);
  graph_out(g, "output:label", y);
  graph_out(g, "output:constant", g_const(g, 3));
  graph_out(g, "output:iota", g_iota(g, 7));
  graph_out(g, "output:flat", flat);
  graph_out(g, "output:cube", cube);
  graph_out(g, "output:turned", turned);
  graph_out(g, "output:column", column);
  graph_out(g, "output:lr", g_rt(g, RT_LR));
  graph_out(g, "output:pad", g_pad(g, g_slice(g, w, 0, 2, 9), 1, 2, 3));
  graph_out(g, "output:pad.rows", g_pad(g, x, 1, 0, 2));
  graph_out(g, "output:repeated", g_broadcast(g, b, 2, (AxisId[]){AXIS_OF_ROWS, node(g, b)->axis[0]}));
  graph_out(g, "output:ones", g_map1(g, OP_NEG, g_broadcast(g, g_const(g, 1), 2, (AxisId[]){AXIS_OF_ROWS, a3})));
  graph_out(g, "output:cut", g_slice(g, g_broadcast(g, g_iota(g, 3), 2, (AxisId[]){a5, a3}), 0, 1, 4));
  graph_out(g, "output:dot.column", g_dot(g, turned, column, "nk,k>n"));
  graph_out(g, "output:outer", g_dot(g, column, b, "k,n>kn"));
  graph_out(g, "output:inner", g_dot(g, column, column, "k,k>"));
  graph_out(g, "output:matrices", g_dot(g, turned, w, "nk,km>nm"));
  graph_out(g, "output:gram", g_dot(g, w, w, "kn,km>nm"));
  graph_out(g, "output:rows", g_dot(g, x, x, "rk,rk>r"));
  graph_out(g, "output:covariance", g_dot(g, x, x, "rk,rl>kl"));
  NodeId items = g_reshape(g, x, 2, (AxisId[]){a3, a2});
  graph_out(g, "output:batched", g_dot(g, items, items, "rka,rla>rkl"));
  graph_out(
      g, "output:matrix.each",
      g_dot(g, items, g_slice(g, g_reshape(g, flat, 3, (AxisId[]){a2, a3, axis_fixed(g, 40)}), 2, 1, 6), "rka,akn>rkn"));
  graph_out(g, "output:merged", g_dot(g, items, g_slice(g, w, 0, 4, 6), "rka,an>rkn"));
  graph_out(g, "output:both", g_dot(g, items, items, "rka,rkb>ab"));
  graph_out(g, "output:middle", g_sum(g, items, 1));
  graph_out(g, "output:middle.max", g_max(g, cube, 0));
  graph_out(g, "output:sum.rows", g_sum(g, items, 0));
  graph_out(g, "output:turned.rows", g_reshape(g, g_transpose(g, items, (int[]){0, 2, 1}), 1, (AxisId[]){axis_fixed(g, 6)}));
  NodeId parts[3] = {g_slice(g, x, 1, 1, 3), g_expand(g, y, 1), g_slice(g, x, 1, 1, 3)};
  graph_out(g, "output:concat", g_concat(g, parts, 3, 1));
  graph_out(g, "output:concat.slots", g_concat(g, (NodeId[]){g_expand(g, column, 1), w}, 2, 1));
  graph_out(g, "output:again", g_slice(g, g_concat(g, parts, 3, 1), 1, 1, 4));
}

// C routines: their operands are inputs, slots, pieces and constants; their results roots, pieces, state, operands of others.
static void host_calls(Case *c) {
  Graph *g = c->g;
  NodeId x = g_dense(g, 0, DENSE), h = relu_layer(c, x, DENSE, 20, "h"), w = param(c, "w", 2, 7, 20);
  NodeId call = graph_add(g, OP_GEMM, (NodeId[]){x, h}, 2, (Attr){0}, (Place){0});                    // [6, 20]
  NodeId ones = g_broadcast(g, g_const(g, 1), 2, (AxisId[]){axis_fixed(g, 7), axis_fixed(g, 3)});
  NodeId of_slot = graph_add(g, OP_GEMM, (NodeId[]){w, ones}, 2, (Attr){0}, (Place){0});              // [20, 3]
  NodeId piece = g_slice(g, h, 1, 2, 11);
  NodeId of_piece = graph_add(g, OP_GEMM, (NodeId[]){piece, piece}, 2, (Attr){0}, (Place){0});        // [9, 9]
  NodeId again = graph_add(g, OP_GEMM, (NodeId[]){call, g_slice(g, w, 0, 1, 7)}, 2, (Attr){0}, (Place){0});
  AxisId axis[2] = {axis_fixed(g, 6), axis_fixed(g, 20)};
  int state = graph_slot(g, "state", SLOT_BALANCE, g->dtype, 2, axis, (Init){.kind = INIT_ZEROS}, (Place){0});
  int copy = graph_slot(g, "copy", SLOT_BALANCE, g->dtype, 2, axis, (Init){.kind = INIT_ONES}, (Place){0});
  graph_out(g, "output:call", call);
  graph_out(g, "output:joined", g_concat(g, (NodeId[]){call, call, g_read(g, copy)}, 3, 0));
  graph_out(g, "output:slot", of_slot);
  graph_out(g, "output:piece", g_slice(g, of_piece, 1, 4, 9));
  graph_out(g, "output:again", again);
  graph_assign(g, state, g_map3(g, OP_FMA, g_read(g, state), g_const(g, 0.9), call));
  graph_assign(g, copy, call);
  NodeId weights = g_slice(g, g_slice(g, call, 0, 0, 1), 1, 0, 20);
  task(c, "click", "bce", g_map1(g, OP_SIGMOID, g_dot(g, h, weights, "rk,ak>ra")), 0);                // no gradient to w
}

// Sums of all pairs of rows of two tables, as rows of one: places are reckoned, nothing is copied.
static void pairs_of_rows(Case *c) {
  Graph *g = c->g;
  NodeId a = param(c, "a", 2, 3, 20), b = param(c, "b", 2, 5, 20), e = param(c, "e", 2, 4, 6), w = param(c, "w", 2, 6, 20);
  NodeId first = g_expand(g, a, 1), second = g_expand(g, b, 0), sums = g_map2(g, OP_ADD, first, second), low = g_dot(g, e, w, "kn,nm>km");
  NodeId pairs = g_reshape(g, sums, 2, (AxisId[]){axis_fixed(g, 15), axis_fixed(g, 20)}), id = g_column(g, OP_IDS, 0);
  NodeId table = g_concat(g, (NodeId[]){pairs, low}, 2, 0), row = g_cast(g, g_cast(g, g_expand(g, id, 1), (DType)g->dtype), U32);
  task(c, "click", "bce", g_map1(g, OP_SIGMOID, layer(c, g_map1(g, OP_TANH, g_bag(g, table, row)), 20, 1, "click")), 0);
  graph_out(g, "output:squares", g_map2(g, OP_MUL, pairs, pairs));
}

static NodeId ids_below(Graph *g, int n);
static void bags(Case *c) {                                      // more than a strip of columns; two bags that share an id's row
  Graph *g = c->g;
  NodeId table = param(c, "table", 2, 2 * VOCAB, 75), other = param(c, "other", 2, VOCAB, 3), ids = ids_below(g, 2), w = param(c, "w", 2, 75, 9);
  NodeId x = g_dense(g, 0, DENSE), v = param(c, "v", 2, DENSE, 3), one = ids_below(g, 1);
  NodeId sum = g_bag(g, table, ids), last = g_bag_and_product(g, other, one, x, v), flat = g_dot(g, sum, w, "rk,kn>rn");
  task(c, "click", "bce", g_map1(g, OP_SIGMOID, layer(c, g_map1(g, OP_TANH, sum), 75, 1, "click")), 0);
  task(c, "spend", "mse", g_map1(g, OP_SIGMOID, layer(c, g_map1(g, OP_TANH, last), 3, 1, "spend")), 1);
  graph_out(g, "output:sum", sum);
  graph_out(g, "output:spread", g_spread_bag(g, flat, ids, axis_fixed(g, 2 * VOCAB)));
}

static void tables(Case *c) {                                    // gathers and spreads by themselves
  Graph *g = c->g;
  NodeId bias = param(c, "bias", 1, VOCAB, 1), table = param(c, "table", 2, VOCAB, 5), ids = g_column(g, OP_IDS, 1);
  NodeId picked = g_gather(g, bias, ids), row = g_gather(g, table, ids), made = g_map1(g, OP_EXP, table);
  graph_out(g, "output:bias", g_map1(g, OP_EXP, picked));
  graph_out(g, "output:row", row);
  graph_out(g, "output:made", g_gather(g, made, ids));
  AxisId v = axis_fixed(g, VOCAB);
  graph_out(g, "output:counts", g_spread(g, g_broadcast(g, g_const(g, 1), 1, (AxisId[]){AXIS_OF_ROWS}), ids, v));
  graph_out(g, "output:sums", g_spread(g, g_dense(g, 2, 4), ids, v));
  graph_out(g, "output:scaled", g_map2(g, OP_MUL, g_spread(g, picked, ids, v), bias));
  graph_out(g, "output:normed", g_map2(g, OP_DIV, row, g_expand(g, g_sum(g, g_map1(g, OP_EXP, row), 1), 1)));
}

static void hazards(Case *c) {   // assigns whose old value is read otherwise than point by point
  Graph *g = c->g;
  int a = slot(c, "a", 2, 9, 9), b = slot(c, "b", 2, 9, 9), p = slot(c, "p", 1, 9, 1), q = slot(c, "q", 1, 9, 1),
      k = slot(c, "k", 0, 1, 1);
  NodeId ra = g_read(g, a), rb = g_read(g, b), rp = g_read(g, p), rq = g_read(g, q), rk = g_read(g, k),
         half = g_const(g, 0.5);
  graph_assign(g, a, g_map2(g, OP_ADD, g_map2(g, OP_MUL, ra, half), g_transpose(g, ra, (int[]){1, 0})));
  graph_assign(g, b, g_map2(g, OP_MUL, half, g_dot(g, rb, rb, "kn,nm>km")));
  graph_assign(g, p, rq);                                        // swapped
  graph_assign(g, q, rp);
  NodeId half_k = g_map2(g, OP_MUL, half, rk), sum = g_sum(g, g_map2(g, OP_MUL, rp, half_k), 0);
  graph_assign(g, k, half_k);
  graph_out(g, "output:sum", g_map2(g, OP_ADD, sum, rk));
  graph_out(g, "output:power",
            g_map2(g, OP_MUL, g_dot(g, g_dense(g, 0, DENSE), g_slice(g, rb, 0, 0, DENSE), "rk,kn>rn"), rk));
}

// ---------------------------------------------------------------- graphs drawn at random
typedef struct { Case c; uint64_t seed; VEC(NodeId) pool; int n_slots; } Draw;
enum { MOST_ITEMS = 400, MOST_AXES = 3 };

static int below(Draw *d, int n) {
  d->seed++;
  return (int)(hash_bytes(&d->seed, sizeof d->seed, 77) % (uint64_t)n);
}
static NodeId any(Draw *d) { return d->pool.data[d->pool.n - 1 - below(d, below(d, 3) ? d->pool.n / 3 + 1 : d->pool.n)]; }

static bool small(const Graph *g, NodeId n) {
  return item_elements(g, n) <= MOST_ITEMS && node(g, n)->rank - has_rows(g, n) <= MOST_AXES;
}

static void keep(Draw *d, NodeId n) {
  if (n && small(d->c.g, n) && node(d->c.g, n)->dtype == d->c.g->dtype) vec_push(d->c.a, &d->pool, n);
}

static bool fits(const Graph *g, NodeId a, NodeId b) {           // do they broadcast to something small?
  const Node *x = node(g, a), *y = node(g, b);
  int i = x->rank - has_rows(g, a), j = y->rank - has_rows(g, b);
  int64_t n = 1;
  for (int k = 1; k <= (i > j ? i : j); k++) {
    AxisId p = k <= i ? x->axis[x->rank - k] : AXIS_OF_ONE, q = k <= j ? y->axis[y->rank - k] : AXIS_OF_ONE;
    if (p != q && p != AXIS_OF_ONE && q != AXIS_OF_ONE) return false;
    n *= axis_size(g, p == AXIS_OF_ONE ? q : p);
  }
  return n <= MOST_ITEMS;
}

static int item_axis(Draw *d, NodeId n) {                        // −1: there is none
  int rows = has_rows(d->c.g, n), rank = node(d->c.g, n)->rank - rows;
  return rank ? rows + below(d, rank) : -1;
}

static int64_t size_at(Draw *d, NodeId n, int axis) { return axis_size(d->c.g, node(d->c.g, n)->axis[axis]); }

static NodeId draw_map(Draw *d) {
  static const OpId one[] = {OP_RELU, OP_TANH, OP_NEG, OP_ABS, OP_SIGMOID}, two[] = {OP_ADD, OP_SUB, OP_MUL, OP_MAX, OP_MIN};
  Graph *g = d->c.g;
  NodeId a = any(d), b = any(d), x = any(d);
  if (below(d, 3) == 0) return g_map1(g, one[below(d, COUNT_OF(one))], a);
  if (!fits(g, a, b)) return 0;
  NodeId v = g_map2(g, two[below(d, COUNT_OF(two))], a, b);
  return below(d, 4) == 0 && fits(g, v, x) ? g_select(g, g_map2(g, OP_LT, a, b), v, x) : v;
}

static NodeId draw_sum(Draw *d) {
  NodeId a = any(d);
  int rank = node(d->c.g, a)->rank;
  if (!rank) return 0;
  int axis = below(d, rank);
  if (below(d, 4) == 0) return g_max(d->c.g, a, axis);
  return g_map2(d->c.g, OP_MUL, g_sum(d->c.g, a, axis), g_const(d->c.g, 0.25));
}

// Letters: equal axes of both sides are joined or, now and then, kept or apart; each side's own axes stay.
static NodeId draw_dot(Draw *d) {
  Graph *g = d->c.g;
  NodeId in[2] = {any(d), any(d)};
  char label[3][16] = {{0}}, used = 0;
  const Node *a = node(g, in[0]), *b = node(g, in[1]);
  for (int i = 0; i < a->rank; i++) label[0][i] = (char)('a' + used++);
  for (int j = 0; j < b->rank; j++) {
    for (int i = 0; i < a->rank && !label[1][j]; i++) {
      bool must = b->axis[j] == AXIS_OF_ROWS;
      if (a->axis[i] == b->axis[j] && !strchr(label[1], label[0][i]) && (must || below(d, 4))) label[1][j] = label[0][i];
    }
    if (!label[1][j]) label[1][j] = (char)('a' + used++);
  }
  int n = 0;
  for (int rows = 1; rows >= 0; rows--)
    for (int side = 0; side < 2; side++)
      for (int i = 0; label[side][i]; i++) {
        char c = label[side][i];
        bool shared = strchr(label[0], c) && strchr(label[1], c), is_rows = node(g, in[side])->axis[i] == AXIS_OF_ROWS;
        if (is_rows != rows || strchr(label[2], c) || (shared && (side == 1 || below(d, 3)))) continue;
        if (n < MAX_RANK) label[2][n++] = c;
      }
  if (below(d, 2) && n > 1 && node(g, in[0])->axis[0] != AXIS_OF_ROWS && node(g, in[1])->axis[0] != AXIS_OF_ROWS) {
    char c = label[2][0];
    memmove(label[2], label[2] + 1, (size_t)n - 1);
    label[2][n - 1] = c;
  }
  char *spec = arena_printf(d->c.a, "%s,%s>%s", label[0], label[1], label[2]);
  if (used > 6) return 0;
  int64_t size = 1;
  for (int i = 0; i < n; i++)
    for (int side = 0; side < 2; side++) {
      const char *at = strchr(label[side], label[2][i]);
      AxisId x = at ? node(g, in[side])->axis[at - label[side]] : 0;
      if (at && x != AXIS_OF_ROWS && (side == 0 || !strchr(label[0], label[2][i]))) size *= axis_size(g, x);
    }
  return size > MOST_ITEMS ? 0 : g_map1(g, OP_TANH, g_dot(g, in[0], in[1], spec));
}

static NodeId draw_piece(Draw *d) {
  NodeId a = any(d);
  int axis = item_axis(d, a);
  if (axis < 0) return 0;
  int64_t n = size_at(d, a, axis), from = below(d, (int)n), to = from + 1 + below(d, (int)(n - from));
  return below(d, 3) ? g_slice(d->c.g, a, axis, from, to) : g_pad(d->c.g, a, axis, below(d, 3), below(d, 3));
}

static NodeId draw_concat(Draw *d) {
  Graph *g = d->c.g;
  NodeId in[3] = {any(d)};
  int axis = item_axis(d, in[0]), n = 1;
  for (int tries = 0; axis >= 0 && tries < 20 && n < 3; tries++) {
    NodeId x = any(d);
    bool ok = node(g, x)->rank == node(g, in[0])->rank && has_rows(g, x) == has_rows(g, in[0]);
    for (int i = 0; ok && i < node(g, x)->rank; i++) ok = i == axis || node(g, x)->axis[i] == node(g, in[0])->axis[i];
    if (ok) in[n++] = x;
  }
  return n > 1 ? g_concat(g, in, n, axis) : 0;
}

static NodeId draw_view(Draw *d) {
  Graph *g = d->c.g;
  NodeId a = any(d);
  int rows = has_rows(g, a), rank = node(g, a)->rank, item = rank - rows, perm[MAX_RANK];
  AxisId to[MAX_RANK];
  for (int i = 0; i < rank; i++) perm[i] = i, to[i] = node(g, a)->axis[i];
  int64_t n = item_elements(g, a), divisor = 2 + below(d, 4);
  switch (below(d, 5)) {
  case 0:
    for (int i = rank - 1; i > rows; i--) {
      int j = rows + below(d, i - rows + 1), t = perm[i];
      perm[i] = perm[j], perm[j] = t;
    }
    return g_transpose(g, a, perm);
  case 1: return g_expand(g, a, rows + below(d, item + 1));
  case 2: return g_reshape(g, a, 1, (AxisId[]){axis_fixed(g, n)});
  case 3: return n % divisor ? 0 : g_reshape(g, a, 2, (AxisId[]){axis_fixed(g, divisor), axis_fixed(g, n / divisor)});
  default:
    if (rows || item > 2) return 0;
    for (int i = rank; i > 0; i--) to[i] = to[i - 1];
    to[0] = below(d, 2) ? (AxisId)AXIS_OF_ROWS : axis_fixed(g, 3);
    return g_broadcast(g, a, rank + 1, to);
  }
}

// Rows of n tables, one below the other.
static NodeId ids_below(Graph *g, int n) {
  NodeId in[IDS];
  for (int i = 0; i < n; i++) {
    NodeId id = g_cast(g, g_expand(g, g_column(g, OP_IDS, i), 1), (DType)g->dtype), above = g_const(g, i * VOCAB);
    in[i] = g_cast(g, g_map2(g, OP_ADD, id, above), U32);
  }
  return g_concat(g, in, n, 1);
}

static NodeId draw_bag(Draw *d) {
  Graph *g = d->c.g;
  NodeId a = any(d);
  int n = 1 + below(d, IDS);
  if (node(g, a)->rank != 2) return 0;
  if (has_rows(g, a)) return g_spread_bag(g, a, ids_below(g, n), axis_fixed(g, n * VOCAB));
  return size_at(d, a, 0) >= n * VOCAB ? g_bag(g, a, ids_below(g, n)) : 0;
}

static NodeId draw_index(Draw *d) {
  Graph *g = d->c.g;
  if (below(d, 2)) return draw_bag(d);
  NodeId a = any(d), ids = g_column(g, OP_IDS, below(d, IDS));
  if (has_rows(g, a)) return g_spread(g, a, ids, axis_fixed(g, VOCAB));
  return node(g, a)->rank > 0 && size_at(d, a, 0) >= VOCAB ? g_gather(g, a, ids) : 0;
}

static void draw_leaves(Draw *d) {
  static const int64_t sizes[] = {1, 2, 3, 5, 7, 17, 20};
  Graph *g = d->c.g;
  for (int i = 0; i < 6; i++) {
    int64_t a = sizes[below(d, COUNT_OF(sizes))], b = sizes[below(d, COUNT_OF(sizes))];
    keep(d, param(&d->c, arena_printf(d->c.a, "slot%d", i), below(d, 4) ? 2 : below(d, 2), a, b));
  }
  keep(d, param(&d->c, "table", 2, VOCAB, sizes[below(d, COUNT_OF(sizes))]));
  for (int i = 0; i < 3; i++) {
    int first = below(d, DENSE);
    keep(d, g_dense(g, first, 1 + below(d, DENSE - first)));
  }
  keep(d, g_column(g, OP_LABEL, 0));
  keep(d, g_column(g, OP_KNOWN, 1));
  keep(d, g_const(g, 0.5));
  keep(d, g_iota(g, sizes[below(d, COUNT_OF(sizes))]));
}

static void draw_roots(Draw *d) {
  Graph *g = d->c.g;
  for (int i = 0; i < 6; i++) graph_out(g, arena_printf(d->c.a, "output:%d", i), any(d));
  NodeId loss = any(d);
  while (node(g, loss)->rank) loss = g_sum(g, loss, below(d, node(g, loss)->rank));
  g->loss = g_map2(g, OP_MUL, loss, g_const(g, 1e-3));
  if (below(d, 2)) { train_by(&d->c, below(d, 2) ? "sgd" : "momentum"); return; }
  for (int s = 0; s < g->slots.n; s++)                           // anything of its shape is a new value
    for (int tries = 0; tries < 40; tries++) {
      NodeId v = d->pool.data[below(d, d->pool.n)];
      if (!same_shape(g, v, g_read(g, s)) || v == g_read(g, s)) continue;
      graph_assign(g, s, v);
      break;
    }
}

static void draw_and_run(uint64_t seed) {
  static NodeId (*const draws[])(Draw *) = {draw_map,   draw_map,    draw_map,  draw_sum,  draw_dot,
                                            draw_piece, draw_concat, draw_view, draw_index};
  Draw d = {.c = new_case(F64, 70), .seed = seed * 1000003};
  draw_leaves(&d);
  for (int i = 0; i < 40; i++) keep(&d, draws[below(&d, COUNT_OF(draws))](&d));
  draw_roots(&d);
  trouble = arena_printf(d.c.a, "graph %llu\n", (unsigned long long)seed);
  run_case(&d.c, 1e-9);
}

static void test_random(void **state) {
  const char *one = getenv("PLAN_SEED"), *many = getenv("PLAN_SEEDS");
  (void)state;
  for (int i = 0; !one && i < (many ? atoi(many) : 150); i++) draw_and_run((uint64_t)i);
  if (one) draw_and_run((uint64_t)atoll(one));
}

// ---------------------------------------------------------------- tests
static void test_mlp(void **state) {
  (void)state;
  static const char *const names[] = {"sgd", "momentum", "adam"};
  for (int i = 0; i < COUNT_OF(names); i++) {
    Case c = new_case(i == 2 ? F64 : F32, i ? 96 : 201);
    mlp(&c);
    train_by(&c, names[i]);
    run_case(&c, i == 2 ? 1e-11 : 1e-5);
  }
}

typedef void Model(Case *c);

// Sums over rows in two parts: groups of whole blocks, gradients of weights summed where their operands are made, and then over blocks.
static void check_groups(const Schedule *s, int64_t group, int parts) {
  const SchedProgram *g = &s->programs[PROG_TRAIN];
  int by_group = 0, groups_of = 0;
  for (int i = 0; i < g->n_phases; i++)
    for (int c = 0; c < g->phases[i].n_calls; c++) {
      const Call *x = &g->phases[i].calls[c];
      if (x->by_group) assert_true(g->phases[i].over_rows && g->phases[i].group == group);
      by_group += x->by_group > 0, groups_of += x->reduced.groups_of > 0;
    }
  assert_int_equal(by_group, parts);
  assert_int_equal(groups_of, parts);
}

static void summed_in_groups(Model *model, DType t, int64_t capacity, int64_t group, int parts) {
  const Graph *g;
  Case c = new_case(t, capacity);
  model(&c);
  train_by(&c, "adam");
  check_groups(schedule_case(&c, &g), group, parts);
  run_case(&c, t == F64 ? 1e-11 : 1e-5);
}

static void test_sums_of_groups(void **state) {
  (void)state;
  summed_in_groups(mlp, F32, 700, 64, 6);
  summed_in_groups(mlp, F64, 1030, 128, 6);
  summed_in_groups(mlp, F32, 2100, 256, 6);
  summed_in_groups(softmax_and_product, F64, 700, 64, 6);
  summed_in_groups(mlp, F64, 128, 0, 0);                                // too few blocks
}

// What a group's rows make for themselves is as long as a group: as much for 32,768 rows as for 16,384.
static void test_memory_of_a_group(void **state) {
  int64_t bytes[2];
  (void)state;
  for (int i = 0; i < 2; i++) {
    Case c = new_case(F32, 16384 << i);
    mlp(&c);
    train_by(&c, "adam");
    const Graph *g;
    Schedule *s = schedule_case(&c, &g);
    const Buffer *b = first_local(s);
    assert_non_null(b);
    assert_int_equal(b->rows_a, s->programs[PROG_TRAIN].phases[1].group);
    bytes[i] = s->local_bytes;
    arena_free(c.a);
  }
  assert_true(bytes[0] > 0);
  assert_int_equal(bytes[0], bytes[1]);
}

static void train_model(Model *model, const char *optimizer) {
  for (int t = 0; t < 2; t++) {
    Case c = new_case(t ? F64 : F32, t ? 67 : 96);
    model(&c);
    train_by(&c, t ? "adamw" : optimizer);
    run_case(&c, t ? 1e-11 : 1e-5);
  }
}
static void just_run(Model *model) {
  for (int t = 0; t < 2; t++) {
    Case c = new_case(t ? F64 : F32, t ? 67 : 96);
    model(&c);
    run_case(&c, t ? 1e-12 : 1e-5);
  }
}
// Tables whose rows are updated where a batch names them: one for each row, one of width 1, one of a list, two named by two inputs and a
// list, of width 4 and of none, and one whose rows are matrices. The list has as many items as column 5 says.
static void lazy_tables(Case *c) {
  Graph *g = c->g;
  struct { const char *path; int64_t width; } tables[] = {
    {"user.table", 5}, {"item.table", 1}, {"bag.table", 3}, {"both.table", 4}, {"bias.table", 0}};
  NodeId t[COUNT_OF(tables)];
  for (int i = 0; i < COUNT_OF(tables); i++) {
    int s = slot(c, tables[i].path, tables[i].width ? 2 : 1, 1000, tables[i].width ? tables[i].width : 1);
    g->slots.data[s].lazy = true;
    t[i] = g_read(g, s);
  }
  NodeId first = g_column(g, OP_IDS, 0), second = g_column(g, OP_IDS, 1), list = g_ids(g, 0, 2, 5);
  NodeId user = g_gather(g, t[0], first), item = g_gather(g, t[1], second), bag = g_sum(g, g_gather(g, t[2], list), 1);
  NodeId all[2];
  for (int i = 0; i < 2; i++) {
    NodeId one = g_gather(g, t[3 + i], first), two = g_gather(g, t[3 + i], second), both = g_map2(g, OP_MUL, one, two);
    NodeId rest = g_sum(g, g_gather(g, t[3 + i], list), 1);
    all[i] = g_map2(g, OP_ADD, both, rest);
  }
  AxisId axes[4] = {axis_fixed(g, 1000), axis_fixed(g, 2), axis_fixed(g, 3), axis_fixed(g, 6)};
  int s = graph_slot(g, "cube.table", SLOT_PARAM, g->dtype, 3, axes, (Init){INIT_NORMAL, 0, 0.3}, (Place){0});
  g->slots.data[s].lazy = true;
  NodeId cube = g_reshape(g, g_gather(g, g_read(g, s), first), 1, &axes[3]);
  NodeId x = g_concat(g, (NodeId[]){user, item, bag, all[0], g_expand(g, all[1], -1), cube}, 6, 1);
  task(c, "click", "bce", g_map1(g, OP_SIGMOID, layer(c, relu_layer(c, x, 20, 20, "h"), 20, 1, "click")), 0);
}

// The same, drawn to zero and at rates of their own: which costs no whole table either.
static void decayed_tables(Case *c) {
  static const Optim own = {.args = {0.02}};                                 // sgd
  lazy_tables(c);
  for (int i = 0; i < c->g->slots.n; i++)
    c->g->slots.data[i].rule = (StepRule){.l2 = i % 3 ? 0.03 : 0, .l1 = i % 2 ? 0.01 : 0, .rate = i % 4 == 1 ? 0.5 : 1, i % 7 == 6 ? &own : NULL};
}

// The same, clipped by the norm of all gradients.
static void clipped_tables(Case *c) {
  decayed_tables(c);
  c->g->clip = (Clip){CLIP_NORM, 0.01};
}

// A step of lazy tables is about rows alone: nothing in it is as long as a table. `sums`: by ids, `stored`: those of them that another call reads.
static void check_by_rows(const Schedule *s, int sums, int stored, int assigned) {
  int by_rows = 0, sorts = 0, kept = 0, rows = 0;
  for (int p = 0; p < s->programs[PROG_TRAIN].n_phases; p++)
    for (int k = 0; k < s->programs[PROG_TRAIN].phases[p].n_calls; k++) {
      const Call *x = &s->programs[PROG_TRAIN].phases[p].calls[k];
      by_rows += x->kind == CALL_ROWS;
      sorts += x->kind == CALL_HOST;
      for (int o = 0; o < x->n_outputs; o++) rows += x->outputs[o].by > 0, kept += x->kind == CALL_ROWS && !x->outputs[o].by;
      bool whole = x->kind != CALL_HOST && ((x->n_dims && x->dims[0].size == 1000) || x->reduced.size == 1000);
      if (whole) FAIL("%s looks at its whole table", x->name);
    }
  assert_int_equal(by_rows, sums);
  assert_int_equal(sorts, 4);
  assert_int_equal(kept, stored);
  assert_int_equal(rows, sums * assigned);
}

static void test_lazy_tables(void **state) {
  (void)state;
  // assigned: the parameter and its state. stored: sums that other calls read; the cube's, a matrix for each row, always is
  static const struct { const char *optimizer; int assigned, stored; } cases[] = {
    {"sgd", 1, 1}, {"momentum", 2, 1}, {"adam", 3, 1}, {"adamw", 3, 1}, {"nesterov", 2, 1}, {"adagrad", 2, 1},
    {"rowwise_adagrad", 2, 4}, {"rmsprop", 2, 1}, {"amsgrad", 4, 1}, {"ftrl", 3, 1}};
  static Model *const models[] = {lazy_tables, decayed_tables, clipped_tables};
  for (int i = 0; i < 3 * COUNT_OF(cases); i++) {
    const char *optimizer = cases[i / 3].optimizer;
    Model *model = models[i % 3];
    train_model(model, optimizer);
    Case c = new_case(F32, 96);
    model(&c);
    train_by(&c, optimizer);
    const Graph *g;
    Schedule *s = schedule_case(&c, &g);
    check_by_rows(s, 6, model == clipped_tables ? 6 : cases[i / 3].stored, cases[i / 3].assigned);
    trouble = NULL;
    arena_free(c.a);
  }
}

// Products by distinct ids: of two lazy tables with the same ids, of one that is not lazy, of two lists side by side, of a list alone; the
// gradient of the first comes from beside the products, too.
static void distinct_ids(Case *c) {
  Graph *g = c->g;
  NodeId first = g_column(g, OP_IDS, 0), list = g_ids(g, 0, 2, 5), table[5];
  static const struct { const char *path; int64_t rows, width; } tables[] = {
    {"user.table", 1000, 5}, {"bias.table", 1000, 1}, {"item.table", VOCAB, 3}, {"list.table", 1000, 4}, {"more.table", 1000, 6}};
  for (int i = 0; i < COUNT_OF(tables); i++) {
    int s = slot(c, tables[i].path, 2, tables[i].rows, tables[i].width);
    g->slots.data[s].lazy = i != 2;
    table[i] = g_read(g, s);
  }
  NodeId user = g_gather(g, table[0], first), bias = g_gather(g, table[1], first), item = g_gather(g, table[2], g_column(g, OP_IDS, 1));
  NodeId x = g_concat(g, (NodeId[]){user, g_dense(g, 0, 3), bias, item}, 4, 1), h = relu_layer(c, x, 12, 33, "h");
  NodeId gate = g_map1(g, OP_SIGMOID, layer(c, x, 12, 5, "gate")), own = g_sum(g, g_map2(g, OP_MUL, gate, user), 1);
  NodeId items = g_gather(g, table[3], list), more = g_gather(g, table[4], list), both = g_concat(g, (NodeId[]){items, more}, 2, 2);
  NodeId w = param(c, "items.w", 2, 10, 17), v = param(c, "more.w", 2, 6, 2);
  NodeId hidden = g_sum(g, g_map1(g, OP_TANH, g_dot(g, both, w, "rmk,kn>rmn")), 1), two = g_sum(g, g_dot(g, more, v, "rmk,kn>rmn"), 1);
  NodeId all = g_concat(g, (NodeId[]){h, hidden, two, g_expand(g, own, 1)}, 4, 1);
  task(c, "click", "bce", g_map1(g, OP_SIGMOID, layer(c, all, 53, 1, "click")), 0);
  c->g = push_gathers(g, &(PushRule){.never = true, .distinct = &(DistinctRule){.always = true}}, NULL);
}

static void clipped_distinct_ids(Case *c) {
  distinct_ids(c);
  c->g->clip = (Clip){CLIP_NORM, 0.01};
}

// Each ids' distinct ones are found once, and no call is as long as a lazy table.
static void test_distinct_ids(void **state) {
  (void)state;
  static const char *const optimizers[] = {"sgd", "adam", "rowwise_adagrad"};
  static Model *const models[] = {distinct_ids, clipped_distinct_ids};
  for (int i = 0; i < 2 * COUNT_OF(optimizers); i++) {
    train_model(models[i % 2], optimizers[i / 2]);
    Case c = new_case(F32, 96);
    models[i % 2](&c);
    train_by(&c, optimizers[i / 2]);
    const Graph *g;
    Schedule *s = schedule_case(&c, &g);
    int sorts = 0;
    for (int p = 0; p < s->programs[PROG_TRAIN].n_phases; p++)
      for (int k = 0; k < s->programs[PROG_TRAIN].phases[p].n_calls; k++) {
        const Call *x = &s->programs[PROG_TRAIN].phases[p].calls[k];
        sorts += x->kind == CALL_HOST;
        if (x->kind != CALL_HOST && ((x->n_dims && x->dims[0].size == 1000) || x->reduced.size == 1000)) FAIL("%s looks at its whole table", x->name);
      }
    assert_int_equal(sorts, 3);
    trouble = NULL;
    arena_free(c.a);
  }
}

static void test_softmax(void **state) { (void)state; train_model(softmax_and_product, "sgd"); }
static void test_experts(void **state) { (void)state; train_model(experts, "momentum"); }
static void test_stacked_experts(void **state) { (void)state; train_model(stacked_experts, "sgd"); }
// No Adam here: the gradient of a bias before a normalisation is zero, and Adam's first step is its sign.
static void test_batch_norm(void **state) {
  (void)state;
  for (int t = 0; t < 2; t++) {
    Case c = new_case(t ? F64 : F32, t ? 67 : 96);
    batch_norm(&c);
    train_by(&c, "sgd");
    run_case(&c, t ? 1e-11 : 1e-5);
  }
}
static void test_clipping(void **state) { (void)state; just_run(clipped_and_decayed); }
static void test_moves(void **state) { (void)state; just_run(moves); }
static void test_tables(void **state) { (void)state; just_run(tables); }
static void test_bags(void **state) { (void)state; train_model(bags, "momentum"); }

static void test_pairs_of_rows(void **state) {
  (void)state;
  train_model(pairs_of_rows, "sgd");
  Case c = new_case(F32, 96);
  pairs_of_rows(&c);
  train_by(&c, "sgd");
  const Graph *g;
  Schedule *s = schedule_case(&c, &g);
  for (int p = 0; p < s->programs[PROG_TRAIN].n_phases; p++)
    for (int k = 0; k < s->programs[PROG_TRAIN].phases[p].n_calls; k++) {
      const Call *x = &s->programs[PROG_TRAIN].phases[p].calls[k];
      int64_t points = 1;
      for (int d = 0; d < x->n_dims; d++) points *= x->dims[d].size;
      if (x->kind == CALL_MAP && points >= 15 * 20 && x->vals[x->n_vals - 1].op == OP_STOP) FAIL("the pairs are copied by %s", x->name);
    }
  trouble = NULL;
  arena_free(c.a);
}

static void test_hazards(void **state) { (void)state; just_run(hazards); }

// Plain training: transposes, scalars, Σw; forward, loss, dX over rows; dW and db with the update in the epilogue, loss
// sums.
static void test_phases_of_an_mlp(void **state) {
  (void)state;
  Case c = new_case(F32, 96);
  mlp(&c);
  train_by(&c, "adam");
  const Graph *g;
  Schedule *s = schedule_case(&c, &g);
  const SchedProgram *p = &s->programs[PROG_TRAIN];
  trouble = shown(&c, s, g);
  if (p->n_phases != 3) FAIL("%d phases", p->n_phases);
  assert_false(p->phases[0].over_rows);
  assert_true(p->phases[1].over_rows);
  assert_false(p->phases[2].over_rows);
  for (int i = 0; i < 3; i++) assert_string_equal(p->phases[i].symbol, arena_printf(c.a, "train_%d", i));
  assert_int_equal(p->phases[1].group % 16, 0);
  int dots = 0, sums = 0;
  for (int i = 0; i < p->phases[2].n_calls; i++) {
    const Call *x = &p->phases[2].calls[i];
    dots += x->kind == CALL_DOT;
    sums += x->kind == CALL_REDUCE_ROWS;
    assert_true(x->kind == CALL_DOT || x->kind == CALL_REDUCE_ROWS);
    for (int o = 0; o < x->n_outputs; o++) {
      BufferRole r = s->buffers.data[x->outputs[o].buffer].role;
      assert_true(r == BUF_SLOT || r == BUF_OUT);               // dW and db are never stored
    }
  }
  assert_int_equal(dots, 4);
  assert_int_equal(sums, 4 + 2);                                // db of four layers, two sums of losses
  for (int i = 0; i < p->phases[0].n_calls; i++) assert_true(p->phases[0].calls[i].kind != CALL_DOT);
  trouble = NULL;
  arena_free(c.a);
}

// After the spread, the tables' updates; and what only a loss reads makes no phase of its own.
static void test_phases_of_others(void **state) {
  static const struct {
    Model *model;
    int n_phases;
  } cases[] = {{experts, 4}, {softmax_and_product, 3}, {stacked_experts, 3}};
  (void)state;
  for (int k = 0; k < COUNT_OF(cases); k++) {
    Case c = new_case(F32, 96);
    cases[k].model(&c);
    train_by(&c, "adam");
    const Graph *g;
    Schedule *s = schedule_case(&c, &g);
    const SchedProgram *p = &s->programs[PROG_TRAIN];
    trouble = shown(&c, s, g);
    if (p->n_phases != cases[k].n_phases) FAIL("%d phases", p->n_phases);
    for (int i = 0; i < p->n_phases; i++) assert_int_equal(p->phases[i].over_rows, i == 1);
    trouble = NULL;
    arena_free(c.a);
  }
}

// Products with an axis more are products of matrices, item by item: none is left that multiplies and sums by hand.
static void test_items(void **state) {
  (void)state;
  train_model(items, "adam");
  Case c = new_case(F32, 96);
  items(&c);
  train_by(&c, "sgd");
  const Graph *g;
  Schedule *s = schedule_case(&c, &g);
  int dots = 0;
  for (int i = 0; i < s->programs[PROG_TRAIN].n_phases; i++)
    for (int k = 0; k < s->programs[PROG_TRAIN].phases[i].n_calls; k++) {
      const Call *call = &s->programs[PROG_TRAIN].phases[i].calls[k];
      dots += call->kind == CALL_DOT;
      assert_true(call->kind == CALL_DOT || call->n_dims <= 3);     // no product over [rows, i, k, n]
    }
  assert_int_equal(dots, 2 + 3 * 3 + 3 * 2 + 3);                    // forward, to the weights, to the operands but for the input
  arena_free(c.a);
}

static Schedule *quietly(Case *c) {
  const Graph *graphs[N_PROGRAMS] = {0};
  graphs[PROG_TRAIN] = tidy(c->g, NULL, 0);
  return schedule(c->a, graphs, DENSE, IDS, LABELS);
}

static void test_host_calls(void **state) {
  (void)state;
  for (DType t = F32; t <= F64; t++) {
    Case c = new_case(t, 96);
    host_calls(&c);
    train_by(&c, "sgd");
    const Graph *g;
    Schedule *s = schedule_case(&c, &g);
    int n_host = 0;
    for (int i = 0; i < s->programs[PROG_TRAIN].n_phases; i++) n_host += s->programs[PROG_TRAIN].phases[i].is_host;
    assert_true(n_host >= 2);
    for (int i = 0; i < c.g->slots.n; i++) {                     // a routine's value is a constant to gradients
      bool trained = false;
      for (int k = 0; k < c.g->roots.n; k++) trained |= c.g->roots.data[k].slot == i;
      assert_int_equal(trained, strcmp(c.g->slots.data[i].path, "w") != 0);
    }
    run_case(&c, t == F32 ? 2e-5 : 1e-12);
  }
}

static void test_gemm(void **state) {                            // every gradient of a matrix of weights is a routine's
  static const GemmRule every_one = {0};
  static void (*const models[])(Case *) = {mlp, softmax_and_product, experts, clipped_and_decayed, moves};
  (void)state;
  for (int i = 0; i < COUNT_OF(models); i++) {
    Case c = new_case(F32, 96);
    models[i](&c);
    if (c.g->loss && models[i] != clipped_and_decayed) train_by(&c, "adam");
    c.g->gemm = &every_one;
    const Graph *g;
    Schedule *s = schedule_case(&c, &g);
    int dots = 0, calls = 0;
    for (int k = 0; k < g->nodes.n; k++) dots += k > 0 && suits_gemm(g, (NodeId)k, &every_one);
    for (int k = 0; k < s->programs[PROG_TRAIN].n_phases; k++)
      calls += s->programs[PROG_TRAIN].phases[k].is_host ? s->programs[PROG_TRAIN].phases[k].n_calls : 0;
    assert_true(dots > 0 && calls == dots);
    run_case(&c, 2e-4);
  }
}

static void test_errors(void **state) {                          // what cannot be scheduled is said, and nothing crashes
  (void)state;
  Case c = new_case(F32, (int64_t)1 << 40);
  NodeId w = param(&c, "w", 2, DENSE, 1 << 20), h = g_dot(c.g, g_dense(c.g, 0, DENSE), w, "rk,kn>rn");
  graph_out(c.g, "output:h", h);
  assert_null(quietly(&c));
  assert_int_equal(diag_errors(c.d), 1);
  arena_free(c.a);
}

static void siblings(Case *c) {
  NodeId h = layer(c, g_dense(c->g, 0, DENSE), DENSE, 24, "h"), one = g_slice(c->g, h, 1, 0, 12), two = g_slice(c->g, h, 1, 12, 24);
  graph_out(c->g, "output:first", g_map1(c->g, OP_RELU, one));
  graph_out(c->g, "output:other", g_map1(c->g, OP_RELU, two));
  graph_out(c->g, "output:again", g_map1(c->g, OP_TANH, one));
}

static void test_of_slots(void **state) {                        // what no row has a part in, in a program that changes no slot
  (void)state;
  Case c = new_case(F32, 70);
  NodeId w = param(&c, "w", 2, 9, 5), v = param(&c, "v", 2, 5, 12), product = g_dot(c.g, w, v, "ik,kn>in");
  NodeId y = g_gather(c.g, product, g_column(c.g, OP_IDS, 0));
  graph_out(c.g, "output:y", g_dot(c.g, y, param(&c, "last", 2, 12, 3), "rk,kn>rn"));
  const Graph *g;
  const Schedule *s = schedule_case(&c, &g);
  schedule_check(s);
  const SchedProgram *p = &s->programs[PROG_TRAIN];
  assert_int_equal(p->n_phases, 2);
  assert_true(p->phases[0].of_slots && !p->phases[1].of_slots);
  graph_assign(c.g, 0, g_map2(c.g, OP_MUL, w, g_const(c.g, 0.5)));
  p = &schedule_case(&c, &g)->programs[PROG_TRAIN];
  for (int i = 0; i < p->n_phases; i++) assert_false(p->phases[i].of_slots);
  arena_free(c.a);
}

static void test_siblings(void **state) {                       // values join where they read the same, not for their size
  (void)state;
  just_run(siblings);
  Case c = new_case(F32, 70);
  siblings(&c);
  const Graph *g;
  const SchedProgram *p = &schedule_case(&c, &g)->programs[PROG_TRAIN];
  int calls[3] = {0};                                           // by the number of outputs
  for (int i = 0; i < p->n_phases; i++)
    for (int k = 0; k < p->phases[i].n_calls; k++) {
      const Call *x = &p->phases[i].calls[k];
      if (x->kind == CALL_MAP && x->n_outputs < COUNT_OF(calls)) calls[x->n_outputs]++;
    }
  assert_int_equal(calls[1], 1);
  assert_int_equal(calls[2], 1);
  arena_free(c.a);
}

static void test_six_axes(void **state) {                       // as many as a tensor can have
  (void)state;
  Case c = new_case(F32, 70);
  AxisId a[MAX_RANK] = {AXIS_OF_ROWS, axis_fixed(c.g, 2), axis_fixed(c.g, 2), axis_fixed(c.g, 3), axis_fixed(c.g, 4), axis_fixed(c.g, 5)};
  NodeId x = g_broadcast(c.g, param(&c, "w", 2, 4, 5), MAX_RANK, a), by_row = g_column(c.g, OP_LABEL, 0);
  for (int i = 1; i < MAX_RANK; i++) by_row = g_expand(c.g, by_row, -1);
  NodeId y = g_transpose(c.g, g_map1(c.g, OP_EXP, g_map2(c.g, OP_MUL, x, by_row)), (int[]){0, 3, 1, 5, 2, 4});
  graph_out(c.g, "output:y", g_map1(c.g, OP_TANH, y));
  while (node(c.g, y)->rank) y = g_sum(c.g, y, 0);
  c.g->loss = g_map2(c.g, OP_MUL, y, g_const(c.g, 1e-4));
  train_by(&c, "adam");
  run_case(&c, 1e-5);
}

static void test_deep(void **state) {                            // many layers: time grows gently
  (void)state;
  enum { LAYERS = 200 };
  Case c = new_case(F32, 32);
  NodeId x = g_dense(c.g, 0, DENSE);
  for (int i = 0; i < LAYERS; i++) x = relu_layer(&c, x, i ? 16 : DENSE, 16, arena_printf(c.a, "layer%d", i));
  task(&c, "click", "bce", g_map1(c.g, OP_SIGMOID, layer(&c, x, 16, 1, "click")), 0);
  train_by(&c, "adam");
  double start = monotonic_seconds();
  const Graph *g;
  Schedule *s = schedule_case(&c, &g);
  schedule_check(s);
  assert_true(monotonic_seconds() - start < 10);                 // a second or so
  if (getenv("PLAN_TIME")) print_message("%d nodes: %.3f s\n", g->nodes.n, monotonic_seconds() - start);
  assert_int_equal(s->programs[PROG_TRAIN].n_phases, 3);
  arena_free(c.a);
}

// ---------------------------------------------------------------- the checker finds what is broken
static void swap_phases(Schedule *s) {
  Phase *p = s->programs[PROG_TRAIN].phases, t = p[1];
  p[1] = p[2], p[2] = t;
}
static void drop_a_call(Schedule *s) {                           // what it wrote is read later
  Phase *p = &s->programs[PROG_TRAIN].phases[1];
  p->calls++, p->n_calls--;
}
static void reverse_rows(Schedule *s) {
  Phase *p = &s->programs[PROG_TRAIN].phases[1];
  Call t = p->calls[0];
  memmove(p->calls, p->calls + 1, sizeof t * (size_t)(p->n_calls - 1));
  p->calls[p->n_calls - 1] = t;
}
static void update_twice(Schedule *s) {
  Phase *p = &s->programs[PROG_TRAIN].phases[2];
  p->calls[p->n_calls - 1] = p->calls[p->n_calls - 2];
}
static void leave_the_buffer(Schedule *s) {
  s->programs[PROG_TRAIN].phases[1].calls[0].outputs[0].offset += s->capacity * 1000;
}
static void touch_another_row(Schedule *s) { s->programs[PROG_TRAIN].phases[1].calls[0].outputs[0].stride[0] *= 2; }
static void too_few_items(Schedule *s) { s->programs[PROG_TRAIN].phases[2].calls[0].item_rows = 0; }
static void share_all_memory(Schedule *s) {
  for (int i = 0; i < s->buffers.n; i++)
    if (s->buffers.data[i].role == BUF_ROWS) s->buffers.data[i].offset = 0;
}
static void share_a_workers_memory(Schedule *s) {
  for (int i = 0; i < s->buffers.n; i++)
    if (s->buffers.data[i].role == BUF_LOCAL) s->buffers.data[i].offset = 0;
}
static void shorten_a_group(Schedule *s) {
  Buffer *b = first_local(s);
  if (b) b->rows_a /= 2;
}
static void make_all_local(Schedule *s) {                        // what the updates read, too
  for (int i = 0; i < s->buffers.n; i++)
    if (s->buffers.data[i].role == BUF_ROWS && s->buffers.data[i].rows_b == 1) s->buffers.data[i].role = BUF_LOCAL;
}

static void test_checker(void **state) {
  static void (*const breaks[])(Schedule *) = {swap_phases,      drop_a_call,       reverse_rows,  update_twice,
                                               leave_the_buffer, touch_another_row, too_few_items, share_all_memory,
                                               share_a_workers_memory, shorten_a_group, make_all_local};
  (void)state;
  for (int i = -1; i < COUNT_OF(breaks); i++) {
    Case c = new_case(F32, 96);
    mlp(&c);
    train_by(&c, "adam");
    const Graph *g;
    Schedule *s = schedule_case(&c, &g);
    if (i >= 0) breaks[i](s);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {                                            // BUG aborts
      if (!freopen("/dev/null", "w", stderr)) _exit(1);
      signal(SIGABRT, SIG_DFL);
      schedule_check(s);
      _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (i < 0 ? status != 0 : !(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT))
      fail_msg("broken schedule %d: status %d", i, status);
    arena_free(c.a);
  }
}

int main(int argc, char **argv) {
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_mlp), cmocka_unit_test(test_sums_of_groups), cmocka_unit_test(test_memory_of_a_group), cmocka_unit_test(test_softmax), cmocka_unit_test(test_experts),
    cmocka_unit_test(test_stacked_experts), cmocka_unit_test(test_items), cmocka_unit_test(test_lazy_tables), cmocka_unit_test(test_distinct_ids), cmocka_unit_test(test_batch_norm), cmocka_unit_test(test_clipping),
    cmocka_unit_test(test_moves), cmocka_unit_test(test_tables), cmocka_unit_test(test_bags), cmocka_unit_test(test_pairs_of_rows), cmocka_unit_test(test_hazards),
    cmocka_unit_test(test_random),
    cmocka_unit_test(test_phases_of_an_mlp), cmocka_unit_test(test_phases_of_others),
    cmocka_unit_test(test_host_calls), cmocka_unit_test(test_gemm), cmocka_unit_test(test_errors), cmocka_unit_test(test_siblings), cmocka_unit_test(test_of_slots),
    cmocka_unit_test(test_six_axes), cmocka_unit_test(test_deep),
    cmocka_unit_test(test_checker)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
