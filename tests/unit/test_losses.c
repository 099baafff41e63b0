// test_losses.c: losses and their gradients, row by row, against PyTorch's numbers in float64: tests/parity/losses.json,
// made by make_losses.py there. The graph is evaluated by the interpreter; that compiled code does the same, in float32 too,
// is test_gradcheck.c's. Bound: |got − want| ≤ 1e-10 · max(1, |want|).
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "reference.h"
#include "src/graph/graph.h"

HostFn *const *const routines_used = host_rows;                // so that the interpreter finds them in this program

static NodeId head_of(Graph *g, const char *end, NodeId z) {
  static const struct { const char *name; OpId op; } ends[] = {
    {"sigmoid", OP_SIGMOID}, {"exp", OP_EXP}, {"softplus", OP_SOFTPLUS}};
  if (strcmp(end, "softmax") == 0) return g_softmax(g, z);
  for (int i = 0; i < COUNT_OF(ends); i++)
    if (strcmp(ends[i].name, end) == 0) return g_map1(g, ends[i].op, z);
  assert_string_equal(end, "");
  return z;
}

static LossArgs args_of(const json_t *c, int row, Arena *a) {
  LossArgs args = {0};
  const json_t *given = field(c, "args"), *weights = json_object_get(c, "weights");
  assert_int_equal(json_array_size(given), loss_arg_count(row));
  for (int i = 0; i < loss_arg_count(row); i++) args.number[i] = json_number_value(json_array_get(given, (size_t)i));
  if (!weights) return args;
  double *w = NEW_ARRAY(a, double, json_array_size(weights));
  for (size_t i = 0; i < json_array_size(weights); i++) w[i] = json_number_value(json_array_get(weights, i));
  args.class_weight = w;
  return args;
}

static void compare(const char *what, const double *got, const double *want, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (!(fabs(got[i] - want[i]) <= 1e-10 * fmax(1, fabs(want[i]))))
      fail_msg("%s[%lld]: %.17g, PyTorch %.17g", what, (long long)i, got[i], want[i]);
}

static void check_case(const json_t *c, int64_t rows) {
  Arena *a = arena_new();
  Graph *g = graph_new(a, F64, rows, diag_new(a, NULL));
  int64_t width = json_integer_value(field(c, "width"));
  int row = row_named(json_string_value(field(c, "loss")), true);
  LossArgs args = args_of(c, row, a);
  NodeId z = g_dense(g, 0, width), y = g_column(g, OP_LABEL, 0), dz;
  NodeId head = head_of(g, json_string_value(field(c, "head")), z);
  NodeId loss = loss_build(g, row, head, y, &args);
  assert_true(loss != 0);
  grad(g, g_sum(g, loss, 0), &z, 1, &dz);
  InterpInput in = {.n = rows, .dense = numbers(field(c, "z"), rows * width, a), .y = numbers(field(c, "y"), rows, a),
                    .dense_width = (int)width, .n_labels = 1};
  char what[64];
  snprintf(what, sizeof what, "%s of %s", loss_rows[row].name, json_string_value(field(c, "head")));
  compare(what, interp(g, loss, &in, a), numbers(field(c, "value"), rows, a), rows);
  compare(what, interp(g, dz, &in, a), numbers(field(c, "dz"), rows * width, a), rows * width);
  arena_free(a);
}

static void as_pytorch(void **state) {
  (void)state;
  json_t *file = reference_file("losses");
  const json_t *cases = field(file, "cases");
  bool *seen = test_calloc((size_t)n_loss_rows, sizeof *seen);
  for (size_t i = 0; i < json_array_size(cases); i++) {
    const json_t *c = json_array_get(cases, i);
    check_case(c, json_integer_value(field(file, "rows")));
    seen[row_named(json_string_value(field(c, "loss")), true)] = true;
  }
  for (int i = 0; i < n_loss_rows; i++)
    if (!seen[i]) fail_msg("the loss %s has no case in losses.json", loss_rows[i].name);
  test_free(seen);
  json_decref(file);
}

// The logits of what is impossible: finite losses, and the right ones.
static void far_from_0(void **state) {
  (void)state;
  static const double z[] = {-800, 800, -800, 800}, y[] = {0, 0, 1, 1}, bce[] = {0, 800, 800, 0};
  Arena *a = arena_new();
  Graph *g = graph_new(a, F64, 4, diag_new(a, NULL));
  NodeId p = g_map1(g, OP_SIGMOID, g_dense(g, 0, 1)), label = g_column(g, OP_LABEL, 0);
  InterpInput in = {.n = 4, .dense = z, .y = y, .dense_width = 1, .n_labels = 1};
  LossArgs weighted = {.number = {0, 2}}, focal = {.number = {2, 0.25}};
  double *got = interp(g, loss_build(g, row_named("bce", true), p, label, &weighted), &in, a);
  for (int i = 0; i < 4; i++) assert_true(got[i] == bce[i] * (y[i] != 0 ? 2 : 1));
  got = interp(g, loss_build(g, row_named("focal", true), p, label, &focal), &in, a);
  for (int i = 0; i < 4; i++) assert_true(got[i] == bce[i] * (y[i] != 0 ? 0.25 : 0.75));
  arena_free(a);
}

static void mean_of_ziln(void **state) {
  (void)state;
  static const double z[] = {0, 1, 0.5, -2, 0.3, -1};
  Arena *a = arena_new();
  Graph *g = graph_new(a, F64, 2, diag_new(a, NULL));
  NodeId head = g_dense(g, 0, 3), mean = loss_prediction(g, row_named("ziln", true), head);
  InterpInput in = {.n = 2, .dense = z, .dense_width = 3};
  double *got = interp(g, mean, &in, a);
  assert_int_equal(item_elements(g, mean), 1);
  for (int i = 0; i < 2; i++) {
    const double *x = z + 3 * i;
    double sigma = log1p(exp(x[2])), want = exp(x[1] + sigma * sigma / 2) / (1 + exp(-x[0]));
    assert_true(fabs(got[i] - want) < 1e-14);
  }
  assert_true(loss_prediction(g, row_named("mse", true), head) == head);
  arena_free(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_pytorch), cmocka_unit_test(far_from_0), cmocka_unit_test(mean_of_ziln)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
