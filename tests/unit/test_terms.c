// test_terms.c: values in losses. Against PyTorch's numbers in tests/parity/terms.json (made by make_terms.py there): specs with soft
// sharing, gradients in the loss, ESCM² and distillation, forward and after 20 steps, in both precisions, on every target that runs here.
// Then gradients by inputs that the graph reads as parts of others, against differences.
#include "diag_text.h"
#include "parity.h"
#include "src/model/model.h"
#ifndef SOURCE_STD
#define SOURCE_STD "specs/std"
#endif

static Model *model_of(Arena *a, const char *text, Diag **d) {
  Sources *s = sources_new(a);
  *d = diag_new(a, s);
  uint32_t file = source_add(s, "case.mtl", text, strlen(text));
  Model *m = resolve(a, s, parse(a, s, file, *d), "case.mtl", SOURCE_STD, *d);
  return m;
}

static Graph *graph_of_spec(Arena *a, const char *text, DType dtype) {
  Diag *d;
  Model *m = model_of(a, text, &d);
  Graph *g = m ? build(m, dtype, d) : NULL;
  if (diag_errors(d)) fail_msg("%s", diag_text(d, a));
  assert_non_null(g);
  return g;
}

// ---------------------------------------------------------------- PyTorch
static Graph *graph_of(const Run *r, Arena *a, Diag *d) {
  (void)d;
  return graph_of_spec(a, json_string_value(field(r->file, "spec")), r->p->dtype);
}

static void test_pytorch(void **state) {
  (void)state;
  json_t *file = reference_file("terms");
  const json_t *cases = field(file, "cases");
  assert_true(json_array_size(cases) >= 3);
  for (size_t i = 0; i < json_array_size(cases); i++) {
    const json_t *c = json_array_get(cases, i);
    check_case(c, json_string_value(field(c, "name")), graph_of, NULL, false);
  }
  json_decref(file);
}

// ---------------------------------------------------------------- gradients by inputs
// `both` is one leaf of five columns, `features` and `price` are leaves of their own: each one's gradient is gathered from all.
static const char by_inputs[] =
  "model inputs\nedition 2026\n"
  "input features : vector(4)\ninput price : real\nlabel click : binary\n"
  "let both = concat(features, price)\n"
  "let y = sum(both |> dense(3, tanh)) + sum(features |> dense(2, sigmoid)) + sum(price |> dense(2, tanh)) * features[1]\n"
  "task t { head = both |> dense(1) |> sigmoid, target = click, loss = bce(click) + batch_sum(y)\n"
  "  + batch_sum(sum(grad(batch_sum(y), both) * (iota(5) + 1)))\n"
  "  + batch_sum(sum(grad(batch_sum(y), features) * (iota(4) + 1)))\n"
  "  + batch_sum(sum(grad(batch_sum(y), price) * 5))\n"
  "  + batch_sum(sum(concat(grad(batch_sum(y), [price, features])[1], grad(batch_sum(y), [price, features])[0]) * (iota(5) + 1))) }\n"
  "train { batch = 8 }\n";

static NodeId root_of(const Graph *g, const char *name) {
  for (int i = 0; i < g->roots.n; i++)
    if (strcmp(g->roots.data[i].name, name) == 0) return g->roots.data[i].value;
  fail_msg("no root `%s`", name);
  return 0;
}

static double noise(uint64_t i) { return (double)(hash_bytes(&i, sizeof i, 3) >> 11) * 0x1p-52 - 1; }

static void test_by_inputs(void **state) {
  enum { ROWS = 7, WIDTH = 5, MAX_SLOTS = 16 };
  const double eps = 1e-6;
  (void)state;
  Arena *a = arena_new();
  Graph *g = graph_of_spec(a, by_inputs, F64);
  double dense[ROWS * WIDTH], y[ROWS] = {0}, w[ROWS] = {1, 1, 1, 1, 1, 1, 1}, *slots[MAX_SLOTS], along[2][3];
  InterpInput in = {.n = ROWS, .dense = dense, .y = y, .w = w, .dense_width = WIDTH, .n_labels = 1, .slots = slots};
  assert_true(g->slots.n <= MAX_SLOTS);
  for (int i = 0; i < g->slots.n; i++) {
    slots[i] = NEW_ARRAY(a, double, item_elements(g, g->slots.data[i].read));
    for (int64_t k = 0; k < item_elements(g, g->slots.data[i].read); k++) slots[i][k] = noise((uint64_t)(100 * i + k));
  }
  // batch_sum(y) with a step of eps · (1, 2, 3, 4, 5) in all columns, in those of `features`, in that of `price`
  for (int sign = 0; sign < 2; sign++)
    for (int part = 0; part < 3; part++) {
      for (int k = 0; k < ROWS * WIDTH; k++) {
        bool moves = part == 0 || (part == 1) == (k % WIDTH < 4);
        dense[k] = noise((uint64_t)k + 5000) + moves * (sign ? eps : -eps) * (k % WIDTH + 1);
      }
      along[sign][part] = *interp(g, root_of(g, "term:0"), &in, a);
    }
  for (int k = 0; k < ROWS * WIDTH; k++) dense[k] = noise((uint64_t)k + 5000);
  for (int i = 0; i < 4; i++) {
    double want = (along[1][i % 3] - along[0][i % 3]) / (2 * eps), got = *interp(g, root_of(g, arena_printf(a, "term:%d", i + 1)), &in, a);
    if (!(fabs(want) > 0.01 && fabs(got - want) < 1e-6 * fmax(1, fabs(want)))) fail_msg("term %d: %.12g, by differences %.12g", i + 1, got, want);
  }
  arena_free(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_pytorch), cmocka_unit_test(test_by_inputs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
