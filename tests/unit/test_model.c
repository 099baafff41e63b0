// test_model.c: from text to the typed model and its forward graph: the data side, names of parameters, sharing, values of
// layers
// against plain arithmetic, the shipped specs, sizes bound to a preparation, and that no text brings it down.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "src/model/model.h"
#include <glob.h>
#include <math.h>
#ifndef SOURCE_STD
#define SOURCE_STD "specs/std"
#endif

// ---------------------------------------------------------------- a spec and all that belongs to it
typedef struct { Arena *arena; Sources *sources; Diag *diag; Model *m; Graph *g; } Built;

static Model *resolve_text(Built *b, const char *path, const char *text, size_t n) {
  uint32_t file = source_add(b->sources, path, text, n);
  return resolve(b->arena, b->sources, parse(b->arena, b->sources, file, b->diag), path, SOURCE_STD, b->diag);
}

static Built build_bytes(const char *path, const char *text, size_t n) {
  Built b = {.arena = arena_new()};
  b.sources = sources_new(b.arena);
  b.diag = diag_new(b.arena, b.sources);
  b.m = resolve_text(&b, path, text, n);
  b.g = b.m ? build(b.m, F64, b.diag) : NULL;
  return b;
}

static char *errors_of(const Built *b) {
  Text t = {0};
  diag_print(b->diag, &t, false);
  return t.data ? t.data : strdup("");
}

static Built build_clean(const char *text) {
  Built b = build_bytes("t.mtl", text, strlen(text));
  char *errors = errors_of(&b);
  assert_string_equal(errors, "");
  free(errors);
  graph_check(b.g);
  return b;
}

static void assert_error(const char *text, const char *code, const char *part) {
  Built b = build_bytes("t.mtl", text, strlen(text));
  char *errors = errors_of(&b), *mark = arena_printf(b.arena, "error[%s]", code);
  if (!strstr(errors, mark) || !strstr(errors, part)) fail_msg("no %s with \"%s\" in:\n%s", mark, part, errors);
  free(errors);
  arena_free(b.arena);
}

static int slot_of(const Graph *g, const char *path) {
  for (int i = 0; i < g->slots.n; i++)
    if (strcmp(g->slots.data[i].path, path) == 0) return i;
  return -1;
}

static void assert_slots(const Graph *g, const char *const *paths, int n) {
  for (int i = 0; i < n; i++)
    if (slot_of(g, paths[i]) < 0) fail_msg("no parameter `%s`", paths[i]);
  assert_int_equal(g->slots.n, n);
}

static NodeId root_of(const Graph *g, const char *name) {
  for (int i = 0; i < g->roots.n; i++)
    if (strcmp(g->roots.data[i].name, name) == 0) return g->roots.data[i].value;
  fail_msg("no root `%s`", name);
  return 0;
}

#define HEAD "model t\nedition 2026\n"
#define TAIL "\ntrain { batch = 8 }\n"

// ---------------------------------------------------------------- the data side
static void test_inputs(void **state) {
  (void)state;
  Built b = build_clean(HEAD
    "source shop {\n  file = \"a.csv\"  columns = [\"x\", \"y\", \"z\", \"v_0\", \"v_1\", \"v_2\", \"u\", \"c\"]\n"
    "  trim = true  na = [\"\", \"?\"]  delimiter = \";\"\n}\n"
    "input x : real { scale = zscore, map = log1p, clip = -1..inf, missing = median }\n"
    "input city : category = shop.c { min_count = 5, unseen = error }\n"
    "input v : vector(3) { scale = minmax, missing = 0.5 }\n"
    "input u : id { buckets = 1_000, missing = drop }\n"
    "input sum : real = shop.y + 2 * shop.z\n"
    "label y : binary\n"
    "accept LABEL_AS_INPUT sum \"part of a sum alone\" until 2\n"
    "let all = concat(x, v, sum, embed(city, 2) as cities, embed(u, 3) as users)\n"
    "task t { head = all |> dense(1) |> sigmoid, loss = bce(y) }" TAIL);
  const DataPlan *p = &b.m->data;
  assert_int_equal(p->n_sources, 1);
  assert_int_equal(p->sources[0].n_header, 8);
  assert_int_equal(p->sources[0].n_na, 2);
  assert_int_equal(p->sources[0].delimiter, ';');
  assert_true(p->sources[0].trim);
  assert_int_equal(p->n_inputs, 5);
  assert_int_equal(p->dense_width, 5);
  assert_int_equal(p->n_ids, 2);
  const DataInput *x = &p->inputs[0], *city = &p->inputs[1], *v = &p->inputs[2], *u = &p->inputs[3], *sum = &p->inputs[4];
  assert_int_equal(x->prep.missing, MISSING_MEDIAN);
  assert_true(x->prep.has_clip && x->prep.clip_lo == -1 && isinf(x->prep.clip_hi));
  assert_int_equal(x->prep.map, MAP_LOG1P);
  assert_int_equal(x->prep.scale, SCALE_ZSCORE);
  assert_true(x->from->op == RX_COLUMN && x->from->numeric);
  assert_int_equal(x->dense_at, 0);
  assert_int_equal(city->id_at, 0);
  assert_true(city->from->op == RX_COLUMN && !city->from->numeric);
  assert_string_equal(p->columns[city->from->index].name, "c");
  assert_int_equal(city->min_count, 5);
  assert_int_equal(city->unknown, UNKNOWN_ERROR);
  assert_int_equal(city->prep.missing, MISSING_CONSTANT);
  assert_int_equal(v->width, 3);
  assert_int_equal(v->dense_at, 1);
  assert_string_equal(p->columns[v->first_column + 2].name, "v_2");
  assert_true(v->prep.missing == MISSING_CONSTANT && v->prep.missing_value == 0.5);
  assert_int_equal(u->buckets, 1000);
  assert_int_equal(u->id_at, 1);
  assert_int_equal(sum->from->op, RX_ADD);
  assert_int_equal(sum->dense_at, 4);
  arena_free(b.arena);
}

// A label that refers to others comes after them; a loss's own expression makes an anonymous one; equal ones are one.
static void test_labels(void **state) {
  (void)state;
  Built b = build_clean(HEAD
    "source shop\ninput x : vector(2)\n"
    "label late  : binary = first and shop.b != \"no\" where second\n"
    "label second: binary = not first\n"
    "label first : binary = shop.a { positive = \"yes\" }\n"
    "label kind  : class(3)\n"
    "label worth : real where first { scale = zscore, clip = 0..9 }\n"
    "let h = x |> dense(4)\n"
    "task a { head = h |> dense(1) |> sigmoid, loss = bce(late) + 0.5 * bce(first and second), target = late }\n"
    "task b { head = h |> dense(1) |> sigmoid, loss = bce(first and second), weight = 2 }\n"
    "task c { head = h |> dense(3) |> softmax, loss = cross_entropy(kind) }\n"
    "task d { head = h |> dense(1), loss = 3 * mae(worth) / 2 }" TAIL);
  const DataPlan *p = &b.m->data;
  const char *const order[] = {"first", "second", "late", "kind", "worth", "first and second"};
  assert_int_equal(p->n_labels, COUNT_OF(order));
  for (int i = 0; i < COUNT_OF(order); i++) assert_string_equal(p->labels[i].name, order[i]);
  assert_string_equal(p->labels[0].positive, "yes");
  assert_int_equal(p->labels[0].missing, MISSING_ERROR);
  assert_int_equal(p->labels[1].missing, MISSING_DROP);            // unknown where `first` is
  assert_true(p->labels[2].from->op == RX_AND && p->labels[2].from->a->index == 0);
  assert_true(p->labels[2].from->b->op == RX_NE && !p->labels[2].from->b->numeric);
  assert_true(p->labels[2].where->op == RX_LABEL && p->labels[2].where->index == 1);
  assert_int_equal(p->labels[3].classes, 3);
  assert_true(p->labels[4].from->numeric && p->labels[4].scale == SCALE_ZSCORE && p->labels[4].prep.has_clip);
  assert_true(p->labels[5].anonymous && p->labels[5].kind == LABEL_BINARY);
  assert_int_equal(b.m->tasks[0].n_terms, 2);
  assert_int_equal(b.m->tasks[0].terms[1].label, 5);
  assert_true(b.m->tasks[0].terms[1].factor == 0.5 && b.m->tasks[3].terms[0].factor == 1.5);
  assert_int_equal(b.m->train.tasks[1].label, 5);
  assert_true(b.m->train.tasks[1].weight == 2);
  arena_free(b.arena);
}

static void test_training(void **state) {
  (void)state;
  Built b = build_clean(HEAD
    "input x : vector(2)\nlabel y : binary\nlabel z : real\n"
    "let rate = 0.1 / 10\n"
    "task a { head = x |> dense(1) |> sigmoid, loss = bce(y), metric = [auc, f1(at = 0.3)] }\n"
    "task b { head = x |> dense(1), loss = mse(z), metric = rmse }\n"
    "train {\n  optimizer = adam(rate, eps = 1e-7)  batch = 64  epochs = 3  seed = 9  shuffle = false\n"
    "  split = rule(train = row % 10 < 8, test = true)\n}\n"
    "require f1(a, at = 0.3) >= 0.5 \"floor\"\nrequire r2(b) > -1\nrequire always(b <= a)\n");
  const TrainPlan *t = &b.m->train;
  assert_string_equal(optim_rows[b.m->optimizer.of.row].name, "adam");
  assert_true(b.m->optimizer.of.args[0] == 0.1 / 10 && b.m->optimizer.of.args[1] == 0.9 && b.m->optimizer.of.args[3] == 1e-7);
  assert_string_equal(t->optimizer, "adam(rate, eps = 1e-7)");
  assert_true(t->batch == 64 && t->epochs == 3 && t->seed == 9 && !t->shuffle && t->best.n_terms == 0);
  assert_int_equal(b.m->data.split.kind, SPLIT_RULE);
  assert_true(b.m->data.split.rule[0]->op == RX_LT && !b.m->data.split.rule[1] && b.m->data.split.rule[2]->op == RX_BOOL);
  assert_int_equal(t->n_requires, 3);
  assert_int_equal(t->tasks[0].n_metrics, 2);
  assert_true(t->requires[0].task == 0 && t->requires[0].metric == 1 && t->requires[0].op == RX_GE &&
              t->requires[0].bound == 0.5);
  assert_string_equal(t->requires[0].reason, "floor");
  assert_true(t->tasks[1].n_metrics == 2 && t->tasks[1].metrics[1].kind == METRIC_R2);       // `require` adds what it judges
  assert_true(t->requires[2].metric == -1 && t->requires[2].task == 1 && t->requires[2].other_task == 0 &&
              t->requires[2].op == RX_LE);
  arena_free(b.arena);
}

static void test_stopping(void **state) {
  (void)state;
  Built b = build_clean(HEAD
    "input x : vector(2)\nlabel y : binary\nlabel z : binary\n"
    "task a { head = x |> dense(1) |> sigmoid, loss = bce(y) }\ntask b { head = x |> dense(1) |> sigmoid, loss = bce(z) }\n"
    "train { stop = patience(4, auc(a) + 2 * auc(b) - loss(b)), split = files(valid = 0.1) }\n");
  const TrainPlan *t = &b.m->train;
  assert_int_equal(t->patience, 4);
  assert_int_equal(t->stop.n_terms, 3);
  assert_false(t->stop.minimise);
  assert_true(t->stop.terms[1].task == 1 && t->stop.terms[1].factor == 2 && !t->stop.terms[1].is_loss);
  assert_true(t->stop.terms[2].is_loss && t->stop.terms[2].task == 1 && t->stop.terms[2].factor == -1);
  assert_int_equal(t->best.n_terms,
                   3);                                                       // by default the figure of `stop`
  assert_true(b.m->data.split.kind == SPLIT_FILES && b.m->data.split.valid_fraction == 0.1);
  arena_free(b.arena);
}

// ---------------------------------------------------------------- names of parameters, sharing
static void test_paths(void **state) {
  (void)state;
  Built b = build_clean(HEAD "import \"std/moe.mtl\" as moe\n"
    "input x : vector(6)\ninput city, kind : category\nlabel y, z : binary\n"
    "layer pair(x) {\n  left = x |> dense(2)\n  right = x |> dense(3, bias = false)\n  scale = param([3], ones)\n"
    "  out = concat(left, right * scale)\n}\n"
    "let a    = x |> dense(8)\n"
    "let enc  = instance dense(8)\n"
    "let both = concat(x |> enc, (x * 2) |> enc)\n"
    "let deep = x |> dense(5) as wide |> dense(4) as narrow\n"
    "let pool = repeat(2, x |> dense(8))\n"
    "let gate = repeat(k in [\"p\", \"q\"], x |> dense(4))\n"
    "let cats = concat(repeat(c in [city, kind], embed(c, 3)))\n"
    "let own  = param([6], zeros)\n"
    "let made = x |> pair\n"
    "let mix1 = x |> moe.omoe(2, [3])\n"
    "let all  = concat(a, both, deep, pool, gate.p, gate.q, cats, x * own, made, mix1)\n"
    "task p { head = all |> dense(1) |> sigmoid, loss = bce(y) }\n"
    "task q { head = all |> mlp([2]) |> dense(1) as unit |> sigmoid, loss = bce(z) }" TAIL);
  const char *const paths[] = {
    "a.dense.w", "a.dense.b", "enc.w", "enc.b", "deep.wide.w", "deep.wide.b", "deep.narrow.w", "deep.narrow.b",
    "pool[0].dense.w", "pool[0].dense.b", "pool[1].dense.w", "pool[1].dense.b", "gate.p.dense.w", "gate.p.dense.b",
    "gate.q.dense.w", "gate.q.dense.b", "cats.city.embed.table", "cats.kind.embed.table", "own", "made.pair.left.dense.w",
    "made.pair.left.dense.b", "made.pair.right.dense.w", "made.pair.scale", "mix1.omoe.pool[0].mlp[0].dense.w",
    "mix1.omoe.pool[0].mlp[0].dense.b", "mix1.omoe.pool[1].mlp[0].dense.w", "mix1.omoe.pool[1].mlp[0].dense.b",
    "mix1.omoe.gate.dense.w", "mix1.omoe.gate.dense.b", "p.dense.w", "p.dense.b", "q.mlp[0].dense.w", "q.mlp[0].dense.b",
    "q.unit.w", "q.unit.b"};
  assert_slots(b.g, paths, COUNT_OF(paths));
  const Slot *table = &b.g->slots.data[slot_of(b.g, "cats.city.embed.table")];
  assert_int_equal(b.g->axes.data[table->axis[0]].kind, AXIS_SYMBOL);
  assert_true(table->init.kind == INIT_NORMAL && table->init.b == 0.05);
  assert_int_equal(b.g->slots.data[slot_of(b.g, "a.dense.w")].init.kind, INIT_GLOROT_UNIFORM);
  assert_int_equal(b.g->slots.data[slot_of(b.g, "made.pair.scale")].init.kind, INIT_ONES);
  arena_free(b.arena);
}

static void test_freeze(void **state) {
  (void)state;
  Built b = build_clean(HEAD "input x : vector(6)\nlabel y, z : binary\n"
    "shared trunk = x |> dense(4) { freeze = true }\n"
    "task p { head = trunk |> dense(1) |> sigmoid, loss = bce(y), freeze = true }\n"
    "task q { head = trunk |> dense(1) |> sigmoid, loss = bce(z) }" TAIL);
  assert_true(b.g->slots.data[slot_of(b.g, "trunk.dense.w")].frozen);
  assert_true(b.g->slots.data[slot_of(b.g, "p.dense.b")].frozen);
  assert_false(b.g->slots.data[slot_of(b.g, "q.dense.w")].frozen);
  arena_free(b.arena);
}

// Inputs that lie side by side are one slice; a mix of others is concatenated in order.
static void test_dense_slices(void **state) {
  (void)state;
  Built b = build_clean(HEAD "input a, b, c, d : real\ninput v : vector(4)\nlabel y : binary\n"
    "output one = concat(a, b, [c, d], v)\noutput two = concat(b, a, c)\n"
    "task p { head = a |> dense(1) |> sigmoid, loss = bce(y) }" TAIL);
  const Node *one = node(b.g, root_of(b.g, "output:one")), *two = node(b.g, root_of(b.g, "output:two"));
  assert_int_equal(one->op, OP_DENSE);
  assert_true(one->attr.i[0] == 0 && one->attr.i[1] == 8);
  assert_int_equal(two->op, OP_CONCAT);
  assert_int_equal(two->n_in, 3);
  assert_int_equal(b.m->train.outputs[0].width, 8);
  arena_free(b.arena);
}

// ---------------------------------------------------------------- values
enum { ROWS = 3 };
static const double dense_rows[ROWS * 2] = {1, -2, 0.5, 3, -1, 0.25};
static const uint32_t id_rows[ROWS] = {2, 0, 2};
static const double y_rows[2 * ROWS] = {1, 0, 1, 0.5, -1, 2}, w_rows[2 * ROWS] = {1, 1, 0, 0, 1, 1};

static double *value_of(const Built *b, const char *root, double **slots) {
  InterpInput in = {ROWS, dense_rows, id_rows, y_rows, w_rows, 2, 1, 2, 1, 0.1, slots, 0, 0};
  return interp(b->g, root_of(b->g, root), &in, b->arena);
}

static void assert_near(double a, double b) {
  if (fabs(a - b) > 1e-12 * fmax(1, fabs(b))) fail_msg("%.17g is not %.17g", a, b);
}

static double **numbered_slots(const Built *b) {           // parameter i has the values 0.1·(i+1), 0.1·(i+2) …
  double **slots = NEW_ARRAY(b->arena, double *, b->g->slots.n);
  for (int i = 0; i < b->g->slots.n; i++) {
    slots[i] = NEW_ARRAY(b->arena, double, 256);
    for (int k = 0; k < 256; k++) slots[i][k] = 0.1 * (i + k + 1);
  }
  return slots;
}

static double logistic(double x) { return 1 / (1 + exp(-x)); }

// Heads, masked losses, their sums: every number of a small spec.
static void test_forward(void **state) {
  (void)state;
  Built b = build_clean(HEAD "input x : vector(2)\nlabel y : binary\nlabel z : real\n"
    "shared h = x |> dense(2, relu)\n"
    "task p { head = h |> dense(1) |> sigmoid, loss = 2 * bce(y), weight = 3 }\n"
    "task q { head = h |> dense(1), loss = mse(z) }" TAIL);
  double **s = numbered_slots(&b);
  const double *w = s[slot_of(b.g, "h.dense.w")], *c = s[slot_of(b.g, "h.dense.b")];
  const double *wp = s[slot_of(b.g, "p.dense.w")], *cp = s[slot_of(b.g, "p.dense.b")];
  const double *wq = s[slot_of(b.g, "q.dense.w")], *cq = s[slot_of(b.g, "q.dense.b")];
  double *p = value_of(&b, "head:p", s), *q = value_of(&b, "head:q", s), sum_p = 0, sum_q = 0;
  for (int r = 0; r < ROWS; r++) {
    double h[2];
    for (int j = 0; j < 2; j++) h[j] = fmax(0, dense_rows[2 * r] * w[j] + dense_rows[2 * r + 1] * w[2 + j] + c[j]);
    double pr = logistic(h[0] * wp[0] + h[1] * wp[1] + cp[0]), qr = h[0] * wq[0] + h[1] * wq[1] + cq[0];
    assert_near(p[r], pr);
    assert_near(q[r], qr);
    sum_p += w_rows[r] * -(y_rows[r] * log(pr) + (1 - y_rows[r]) * log(1 - pr));
    sum_q += w_rows[ROWS + r] * (qr - y_rows[ROWS + r]) * (qr - y_rows[ROWS + r]);
  }
  assert_near(*value_of(&b, "sum:p", s), 2 * sum_p);
  assert_near(*value_of(&b, "weight:p", s), 2);
  assert_near(*value_of(&b, "sum:q", s), sum_q);
  InterpInput in = {ROWS, dense_rows, id_rows, y_rows, w_rows, 2, 1, 2, 1, 0.1, s, 0, 0};
  assert_near(*interp(b.g, b.g->loss, &in, b.arena), 3 * 2 * sum_p / 2 + sum_q / 2);
  arena_free(b.arena);
}

// Terms over different labels, and a batch in which no label is known: the loss is 0, not 0 / 0.
static void test_masks(void **state) {
  (void)state;
  Built b = build_clean(HEAD "input x : vector(2)\nlabel y : binary\nlabel z : binary\n"
    "task p { head = x |> dense(1) |> sigmoid, loss = bce(y) + 0.5 * bce(z), target = y }" TAIL);
  static const double y[2 * ROWS] = {1, 0, 1, 0, 1, 1}, w[2 * ROWS] = {1, 0, 0, 0, 1, 1}, none[2 * ROWS] = {0};
  double **s = numbered_slots(&b), p[ROWS], l[2] = {0};
  for (int r = 0; r < ROWS; r++) {
    p[r] = logistic(dense_rows[2 * r] * s[0][0] + dense_rows[2 * r + 1] * s[0][1] + s[1][0]);
    for (int k = 0; k < 2; k++) l[k] -= w[k * ROWS + r] * (y[k * ROWS + r] != 0 ? log(p[r]) : log(1 - p[r]));
  }
  double loss = l[0] / 1 + 0.5 * l[1] / 2;
  InterpInput in = {ROWS, dense_rows, id_rows, y, w, 2, 1, 2, 1, 0.1, s, 0, 0};
  assert_near(*interp(b.g, b.g->loss, &in, b.arena), loss);
  assert_near(*interp(b.g, root_of(b.g, "sum:p"), &in, b.arena), loss * 1);       // weight of the first term
  in.w = none;
  assert_near(*interp(b.g, b.g->loss, &in, b.arena), 0);
  arena_free(b.arena);
}

static void assert_output(const char *expression, int width, const double *expected) {
  char text[1024];
  snprintf(text, sizeof text, HEAD "input x : vector(2)\ninput c : id { buckets = 3 }\nlabel y : binary\nlabel z : real\n"
           "output o = %s\ntask p { head = x |> dense(1) |> sigmoid, loss = bce(y) }" TAIL, expression);
  Built b = build_bytes("t.mtl", text, strlen(text));
  if (diag_errors(b.diag)) fail_msg("%s", errors_of(&b));
  double *v = value_of(&b, "output:o", numbered_slots(&b));
  assert_int_equal(b.m->train.outputs[0].width, width);
  for (int i = 0; i < width * ROWS; i++) assert_near(v[i], expected[i]);
  arena_free(b.arena);
}

static void test_operators(void **state) {
  (void)state;
  const double *x = dense_rows;
  double e[2 * ROWS];
  for (int i = 0; i < 2 * ROWS; i++) e[i] = (x[i] * 2 - 1) / 4;
  assert_output("(x * 2 - 1) / 4", 2, e);
  for (int i = 0; i < 2 * ROWS; i++) e[i] = x[i] * x[i] * x[i] + 1 / (x[i] * x[i]);
  assert_output("x ^ 3 + x ^ -2", 2, e);
  for (int i = 0; i < 2 * ROWS; i++) e[i] = x[i] >= 0.5 && !(x[i] == 3) ? x[i] : -1;
  assert_output("select(x >= 0.5 and x != 3, x, -1)", 2, e);
  for (int i = 0; i < 2 * ROWS; i++) e[i] = fmin(fmax(x[i], -1), 2);
  assert_output("minimum(maximum(x, -1), 2)", 2, e);
  for (int i = 0; i < 2 * ROWS; i++) e[i] = x[i] > 1 || x[i] < -1;
  assert_output("x > 1 or x < -1", 2, e);
  for (int i = 0; i < 2 * ROWS; i++) e[i] = fabs(x[i]) - exp(x[i]) + sqrt(fabs(x[i])) + tanh(x[i]) + log(fabs(x[i]));
  assert_output("abs(x) - exp(x) + abs(x) ^ 0.5 + tanh(x) + log(abs(x))", 2, e);
}

static void test_reductions(void **state) {
  (void)state;
  double e[2 * ROWS];
  for (int r = 0; r < ROWS; r++) e[r] = dense_rows[2 * r] + dense_rows[2 * r + 1];
  assert_output("sum(x)", 1, e);
  for (int r = 0; r < ROWS; r++) e[r] /= 2;
  assert_output("mean(x, axis = last)", 1, e);
  for (int r = 0; r < ROWS; r++) e[r] = fmax(dense_rows[2 * r], dense_rows[2 * r + 1]) - fmin(dense_rows[2 * r],
        dense_rows[2 * r + 1]);
  assert_output("max(x, 0) - min(x)", 1, e);
  for (int i = 0; i < 2 * ROWS; i++) e[i] = 2 * dense_rows[i];
  assert_output("sum([x, x / 2, x / 2])", 2, e);
  for (int r = 0; r < ROWS; r++) {
    double a = exp(dense_rows[2 * r]), b = exp(dense_rows[2 * r + 1]);
    e[2 * r] = a / (a + b);
    e[2 * r + 1] = b / (a + b);
  }
  assert_output("softmax(x)", 2, e);
  for (int r = 0; r < ROWS; r++) e[2 * r] = e[2 * r] * 3 * dense_rows[2 * r] + e[2 * r + 1] * 5 * dense_rows[2 * r],
                                 e[2 * r + 1] = dense_rows[2 * r + 1] * (e[2 * r + 1] * 5 + (1 - e[2 * r + 1]) * 3);
  assert_output("mix(x |> softmax, [x * 3, x * 5])", 2, e);
}

// Layers of the library: embedding, norm, activations; parameters are numbered: slot 0 is the output's first.
static void test_library(void **state) {
  (void)state;
  double e[2 * ROWS];
  for (int r = 0; r < ROWS; r++)                              // the task's dense is made first: slots 0 and 1
    for (int j = 0; j < 2; j++) e[2 * r + j] = 0.1 * (2 + (int)id_rows[r] * 2 + j + 1);
  assert_output("embed(c, 2)", 2, e);
  for (int i = 0; i < 2 * ROWS; i++) e[i] = dense_rows[i] * logistic(dense_rows[i]);
  assert_output("silu(x)", 2, e);
  for (int r = 0; r < ROWS; r++) {
    double a = dense_rows[2 * r], b = dense_rows[2 * r + 1], mid = (a + b) / 2,
        var = ((a - mid) * (a - mid) + (b - mid) * (b - mid)) / 2;
    for (int j = 0; j < 2; j++)
      e[2 * r + j] = 0.1 * (3 + j) * (dense_rows[2 * r + j] - mid) / sqrt(var + 1e-5) + 0.1 * (4 + j);
  }
  assert_output("x |> layer_norm", 2, e);
  for (int i = 0; i < 2 * ROWS; i++) e[i] = dense_rows[i];
  assert_output("x |> dropout(0) |> identity", 2, e);
}

static void test_compile_time(void **state) {
  (void)state;
  double e[2 * ROWS];
  for (int i = 0; i < 2 * ROWS; i++) e[i] = dense_rows[i] * 8;
  assert_output("fold(h = x, i in 3, h * 2)", 2, e);
  assert_output("x * (left = 3, right = [5, 8]).right[1]", 2, e);
  assert_output("sum(repeat(i in 4, x * (i + 0.5)))", 2, e);
  assert_output("x * (size([1, 2]) + dim(x) * 3)", 2, e);
  assert_output("x * shape(x)[0] * 4", 2, e);
  assert_output("sum(chain([x, x], [x * 6]))", 2, e);
  assert_output("select(2 > 1 and not false, x * 8, dense(x, 7))", 2, e);
  assert_output("sum(repeat(k in [\"a\", \"b\"], u in [3, 5], x * u))", 2, e);
}

// ---------------------------------------------------------------- vocabularies
static void test_bind(void **state) {
  (void)state;
  Built b = build_clean(HEAD "input city : category\nlabel y : binary\n"
    "task p { head = embed(city, 4) |> dense(1) |> sigmoid, loss = bce(y) }" TAIL);
  int slot = slot_of(b.g, "p.city.table");
  assert_int_equal(axis_size(b.g, b.g->slots.data[slot].axis[0]), -1);
  Vocabulary vocab = {.n = 41};
  PrepState prep = {.vocab = &vocab};
  model_bind(b.m, &prep);
  Graph *g = build(b.m, F32, b.diag);
  assert_int_equal(diag_errors(b.diag), 0);
  assert_int_equal(axis_size(g, g->slots.data[slot].axis[0]), 42);       // and one for what is out of it
  assert_int_equal(g->nodes.n, b.g->nodes.n);
  arena_free(b.arena);
}

// ---------------------------------------------------------------- the shipped specs
static char *read_file(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  if (!f) fail_msg("cannot read %s", path);
  Text t = {0};
  char piece[4096];
  size_t got;
  while ((got = fread(piece, 1, sizeof piece, f)) > 0) text_addn(&t, piece, got);
  fclose(f);
  *n = t.n;
  return t.data;
}

static void check_spec(const char *path) {
  size_t n;
  char *text = read_file(path, &n);
  Built b = build_bytes(path, text, n);
  char *errors = errors_of(&b);
  assert_string_equal(errors, "");
  free(errors);
  free(text);
  graph_check(b.g);
  Text out = {0};
  model_print(b.m, &out);
  model_explain(b.m, b.g, &out, false);
  model_explain(b.m, b.g, &out, true);
  assert_non_null(strstr(out.data, "\"tasks\": ["));
  text_free(&out);
  Model *again = resolve_text(&b, path, b.m->resolved, strlen(b.m->resolved));     // the resolved text makes the same model
  Graph *g = build(again, F64, b.diag);
  assert_int_equal(diag_errors(b.diag), 0);
  assert_int_equal(g->nodes.n, b.g->nodes.n);
  arena_free(b.arena);
}

static void test_specs(void **state) {
  (void)state;
  glob_t found = {0};
  assert_int_equal(glob(SOURCE_STD "/../*.mtl", 0, NULL, &found), 0);
  assert_true(found.gl_pathc >= 9);
  for (size_t i = 0; i < found.gl_pathc; i++) check_spec(found.gl_pathv[i]);
  globfree(&found);
}

// Nothing trains: no gradient, no update, and explain still counts.
static void test_frozen(void **state) {
  (void)state;
  Built b = build_clean(HEAD "input x : vector(10)\nlabel y : binary\n"
    "task p { head = x |> dense(1) |> sigmoid, loss = bce(y), freeze = true }\n"
    "task q { head = x |> dense(1) |> sigmoid, loss = bce(y) }" TAIL);
  Text out = {0};
  model_explain(b.m, b.g, &out, false);
  assert_non_null(strstr(out.data, "22 (2 tensors frozen)"));
  text_free(&out);
  arena_free(b.arena);
  assert_error(HEAD "input x : vector(10)\nlabel y : binary\n"
    "task p { head = x |> dense(1) |> sigmoid, loss = bce(y), freeze = true }\n", "nothing-to-train", "all parameters");
}

// Short specs that mean enormous values: errors in time.
static void test_doubling(void **state) {
  (void)state;
  Text t = {0};
  text_add(&t, HEAD "input x : vector(2)\nlabel y : binary\nlet l0 = [x, x]\nlet n0 = 1\n");
  for (int i = 0; i < 60; i++) text_printf(&t, "let l%d = [l%d, l%d]\nlet n%d = n%d + n%d\n", i + 1, i, i, i + 1, i, i);
  text_add(&t, "let all = concat(l60)\ntask p { head = x |> dense(1) |> sigmoid, loss = bce(y), weight = n60 }\n");
  assert_error(t.data, "too-large", "60000 items");
  assert_error(t.data, "bad-value", "weight must be a number");
  text_free(&t);
}

static void test_explain(void **state) {
  (void)state;
  Built b = build_clean(HEAD "input x : vector(10)\ninput c : category\nlabel y : binary\n"
    "task p { head = concat(x, embed(c, 6)) |> dense(4, relu) |> dense(1) as unit |> sigmoid, loss = bce(y) }" TAIL);
  Text out = {0};
  model_explain(b.m, b.g, &out, false);
  assert_non_null(strstr(out.data, "parameters       73 + 6·|c|"));
  assert_non_null(strstr(out.data, "optimizer state  148 + 12·|c|"));              // and two powers of Adam's betas
  assert_non_null(strstr(out.data, "bce(y) from logits"));
  assert_non_null(strstr(out.data, "c.min_count = 1"));
  assert_non_null(strstr(out.data, "split = fraction(train = 0.8, valid = 0.1, test = 0.1)"));
  text_free(&out);
  arena_free(b.arena);
}

// ---------------------------------------------------------------- limits
static char *deep_chain(Arena *a, int n) {               // let a1 = a2 + 1 … : each needs the next
  Text t = {0};
  text_add(&t, HEAD "input x : vector(2)\nlabel y : binary\n");
  for (int i = 0; i < n; i++) text_printf(&t, "let a%d = a%d + 1\n", i, i + 1);
  text_printf(&t, "let a%d = x\ntask p { head = a0 |> dense(1) |> sigmoid, loss = bce(y) }\n", n);
  char *s = arena_strdup(a, t.data);
  text_free(&t);
  return s;
}

static char *nested_layers(Arena *a, int n, int calls) { // layer f0(x) = f1(x) … , each called so often
  Text t = {0};
  text_add(&t, HEAD "input x : vector(2)\nlabel y : binary\n");
  for (int i = 0; i < n; i++) {
    text_printf(&t, "layer f%d(h) = ", i);
    for (int k = 0; k < calls; k++) text_printf(&t, "%sf%d(h)", k ? " + " : "", i + 1);
    text_char(&t, '\n');
  }
  text_printf(&t, "layer f%d(h) = h\ntask p { head = x |> f0 |> dense(1) |> sigmoid, loss = bce(y) }\n", n);
  char *s = arena_strdup(a, t.data);
  text_free(&t);
  return s;
}

static void test_limits(void **state) {
  (void)state;
  Arena *a = arena_new();
  Built fine = build_clean(nested_layers(a, 150, 1));
  arena_free(fine.arena);
  assert_error(nested_layers(a, 250, 1), "too-deep", "more than 200 deep");
  assert_error(nested_layers(a, 40, 2), "too-large", "calls of layers");
  assert_error(deep_chain(a, 3000), "too-deep", "more than 2000 steps");
  assert_error(HEAD "input x : vector(2)\nlet w = x |> dense(3e9)\n", "size-overflow", "2^31");
  assert_error(HEAD "input x : vector(100_000_000)\n", "bad-value", "1048576");
  assert_error(HEAD, "no-task", "a spec needs a task");
  assert_error("", "no-model", "declares nothing");
  arena_free(a);
}

// ---------------------------------------------------------------- any text
static uint64_t next_random(uint64_t *s) {
  *s ^= *s << 13;
  *s ^= *s >> 7;
  *s ^= *s << 17;
  return *s;
}

// Words swapped, doubled and dropped: errors, but no crash; what passes has a sound graph.
static void test_mutations(void **state) {
  (void)state;
  enum { TIMES = 40 };
  glob_t found = {0};
  uint64_t seed = 88172645463325252u;
  assert_int_equal(glob(SOURCE_STD "/../*.mtl", 0, NULL, &found), 0);
  for (int i = 0; i < TIMES; i++) {
    size_t n, from, length;
    char *text = read_file(found.gl_pathv[next_random(&seed) % found.gl_pathc], &n);
    Text t = {0};
    from = next_random(&seed) % n;
    length = next_random(&seed) % 12;
    size_t to = from + length < n ? from + length : n, other = next_random(&seed) % n, more = next_random(&seed) % 12;
    text_addn(&t, text, from);
    if (i % 3) text_addn(&t, text + other, other + more < n ? more : n - other);
    text_addn(&t, text + to, n - to);
    Built b = build_bytes(SOURCE_STD "/../t.mtl", t.data, t.n);
    if (diag_errors(b.diag) == 0) graph_check(b.g);
    arena_free(b.arena);
    text_free(&t);
    free(text);
  }
  globfree(&found);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_inputs),     cmocka_unit_test(test_labels),       cmocka_unit_test(test_training),
        cmocka_unit_test(test_stopping),
    cmocka_unit_test(test_paths),      cmocka_unit_test(test_freeze),       cmocka_unit_test(test_dense_slices),
        cmocka_unit_test(test_forward),
    cmocka_unit_test(test_masks),      cmocka_unit_test(test_operators),    cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_library),
    cmocka_unit_test(test_compile_time), cmocka_unit_test(test_bind),       cmocka_unit_test(test_specs),
        cmocka_unit_test(test_explain),
    cmocka_unit_test(test_frozen), cmocka_unit_test(test_doubling),
    cmocka_unit_test(test_limits),     cmocka_unit_test(test_mutations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
