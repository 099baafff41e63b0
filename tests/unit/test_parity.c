// test_parity.c: the compiled step against PyTorch's numbers, kept in tests/parity/*.json (made by make_reference.py there):
// the same initial weights and batches; every batch's heads and loss sums before training, and all weights after 20 steps,
// on every target that runs here, in float32 and float64. The models are built as nodes.
#include "parity.h"

static const Place nowhere;

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

// ---------------------------------------------------------------- the tests
static Graph *graph_of(const Run *r, Arena *a, Diag *d) {
  Case c = { .a = a, .file = r->file, .g = graph_new(a, r->p->dtype, integer(r->file, "capacity"), d) };
  (*(Builder **)r->ctx)(&c);
  return c.g;
}

static void check_model(Builder *model, const char *name, bool host) {
  json_t *file = reference_file(name);
  check_case(file, name, graph_of, &model, host);
  json_decref(file);
}

static void test_mlp(void **state) { (void)state; check_model(mlp, "mlp", false); }
static void test_softmax(void **state) { (void)state; check_model(softmax, "softmax", false); }
static void test_esmm(void **state) { (void)state; check_model(esmm, "esmm", false); }
static void test_mmoe(void **state) { (void)state; check_model(mmoe, "mmoe", false); }
static void test_embeddings(void **state) { (void)state; check_model(embeddings, "embeddings", false); }

// All gradients of weights by OpenBLAS.
static void test_blas(void **state) {
  (void)state;
  if (!blas_for(target_detect())) skip();
  setenv("MTLC_BLAS", "on", 1);
  check_model(mlp, "mlp", true);
  check_model(mmoe, "mmoe", true);
  unsetenv("MTLC_BLAS");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_mlp), cmocka_unit_test(test_softmax), cmocka_unit_test(test_esmm), cmocka_unit_test(test_mmoe),
    cmocka_unit_test(test_embeddings), cmocka_unit_test(test_blas),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
