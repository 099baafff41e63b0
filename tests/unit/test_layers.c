// test_layers.c: the layers of specs/std, as the compiler reads them, against PyTorch's numbers (tests/parity/layers.json, made by
// make_layers.py there): heads, losses, and all weights after 20 steps, in float32 and float64; with all tables that are multiplied by
// weights pushed through their gathers, and with none.
#include "parity.h"

// The spec's graph, for batches of the file's size.
static Graph *graph_of(const Run *r, Arena *a, Diag *d) {
  const char *text = json_string_value(field(r->file, "spec"));
  Sources *s = sources_new(a);
  const Ast *t = parse(a, s, source_add(s, r->name, text, strlen(text)), d);
  Model *m = diag_errors(d) ? NULL : resolve(a, s, t, r->name, SOURCE_STD, d);
  if (!m || diag_errors(d)) return NULL;
  m->train.batch = integer(r->file, "capacity");
  Graph *g = build(m, r->p->dtype, d);
  size_t n = json_object_size(field(r->file, "weights"));
  if (!g || diag_errors(d)) return NULL;
  for (int i = 0; i < g->slots.n; i++)
    if (!json_object_get(field(r->file, "weights"), g->slots.data[i].path)) fail_msg("%s: PyTorch has no %s", r->name, g->slots.data[i].path);
  assert_int_equal(g->slots.n, n);
  assert_int_equal(m->data.dense_width, integer(r->file, "dense"));
  assert_int_equal(m->data.n_ids, integer(r->file, "ids"));
  return g;
}

static void test_layer(void **state) {
  const json_t *file = *state, *runs = field(file, "runs");
  bool host = strstr(json_string_value(field(file, "spec")), "lazy = true");   // ids are sorted by a C routine
  static const char *const push[] = { "off", "on" };
  for (int i = 0; i < COUNT_OF(push); i++) {
    assert_int_equal(setenv("MTLC_PUSH", push[i], 1), 0);
    for (int k = 0; k < N_PRECISIONS * (int)json_array_size(runs); k++) {       // by the best target: that all give the same is test_parity's
      const json_t *run = json_array_get(runs, (size_t)k / N_PRECISIONS);
      check_run((Run){ file, run, &precisions[k % N_PRECISIONS], target_detect(), json_string_value(field(file, "model")), NULL }, graph_of, host);
    }
  }
}

int main(void) {
  json_t *file = reference_file("layers");
  const json_t *cases = json_object_get(file, "cases");
  size_t n = json_array_size(cases);
  struct CMUnitTest *tests = xcalloc(n, sizeof *tests);
  for (size_t i = 0; i < n; i++) {
    json_t *one = json_array_get(cases, i);
    tests[i] = (struct CMUnitTest){ json_string_value(json_object_get(one, "model")), test_layer, NULL, NULL, one };
  }
  int failed = n ? _cmocka_run_group_tests("layers", tests, n, NULL, NULL) : 1;
  free(tests);
  json_decref(file);
  return failed;
}
