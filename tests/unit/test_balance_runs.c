// test_balance_runs.c: every balancing method from a spec, on rows that mtlc makes: all losses and mean weights are finite,
// the weights of the tasks add up to what the method says, and a run that is stopped in the middle of an epoch and resumed ends
// with the weights, to the byte, and the figures of one that was not.
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>
#include "src/graph/balance.h"
#include "src/jit/jit.h"
#include "src/mtl.h"

enum { TASKS = 3, EPOCHS = 6 };
static const char spec_text[] =
  "model balanced\n"
  "edition 2026\n"
  "input x : vector(6)\n"
  "label a, b : binary\n"
  "label c : real\n"
  "shared trunk = x |> dense(8, relu)\n"
  "task one { head = trunk |> dense(1) |> sigmoid, loss = bce(a) }\n"
  "task two { head = trunk |> dense(1) |> sigmoid, loss = bce(b), weight = 2 }\n"
  "task three { head = trunk |> dense(1), loss = mse(c) }\n"
  "train { balance = %s, batch = 32, epochs = 6, split = fraction(train = 0.8, valid = 0.2) }\n";

static char folder[4096];

static char *path_of(const char *name) {                     // in a ring: good for a few uses
  static char paths[8][4400];
  static int next;
  char *p = paths[next++ % 8];
  snprintf(p, sizeof paths[0], "%s/%s", folder, name);
  return p;
}

static void write_spec(const char *method) {
  FILE *f = fopen(path_of("spec.mtl"), "w");
  assert_non_null(f);
  fprintf(f, spec_text, method);
  assert_int_equal(fclose(f), 0);
}

static char *read_all(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  if (!f) fail_msg("%s: %s", path, strerror(errno));
  char *s = malloc(1 << 20);
  *n = fread(s, 1, 1 << 20, f);
  fclose(f);
  return s;
}

static int remove_folder(void **state) {
  char command[4300];
  (void)state;
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return folder[0] ? system(command) : 0;
}

static int make_rows(void **state) {
  const char *tmp = getenv("TMPDIR");
  (void)state;
  snprintf(folder, sizeof folder, "%s/mtlc-balance.XXXXXX", tmp ? tmp : "/tmp");
  if (!mkdtemp(folder)) return -1;
  write_spec("static");
  mtl_context *c = mtl_new();
  int code = mtl_synth(c, path_of("spec.mtl"), 300, 5, path_of("rows.csv"));
  mtl_free(c);
  return code;
}

// ---------------------------------------------------------------- runs
typedef struct { volatile int stop; const char *at; } Stopper;

static void stop_at(void *ctx, const char *line) {
  Stopper *s = ctx;
  if (s->at && !strncmp(line, s->at, strlen(s->at))) s->stop = 1;
}

// The report as JSON; at: the run is to stop a step after this line.
static json_t *run(const char *out, const char *resume, const char *at, int want) {
  mtl_context *c = mtl_new();
  Stopper s = { 0, at };
  char *report = NULL;
  const char *const rows[] = { path_of("rows.csv"), NULL };
  mtl_run_options o = { .spec = resume ? NULL : path_of("spec.mtl"), .data = resume ? NULL : rows, .out = out,
                        .resume = resume, .json = true, .stop = &s.stop, .message = stop_at, .ctx = &s };
  int code = mtl_run(c, &o, &report);
  if (code != want) fail_msg("exit %d, not %d: %s", code, want, mtl_errors(c, false));
  json_t *j = json_loads(report, 0, NULL);
  assert_non_null(j);
  mtl_text_free(report);
  mtl_free(c);
  return j;
}

static double figure(const json_t *report, size_t epoch, const char *task, const char *name) {
  const json_t *e = json_array_get(json_object_get(report, "epochs"), epoch);
  const json_t *v = json_object_get(json_object_get(json_object_get(e, "tasks"), task), name);
  return json_is_number(v) ? json_number_value(v) : NAN;
}

static void remove_runs(void) {
  char command[8900];
  snprintf(command, sizeof command, "rm -rf '%s' '%s'", path_of("whole"), path_of("cut"));
  assert_int_equal(system(command), 0);
}

static const char *const tasks[TASKS] = { "one", "two", "three" };

// What the weights of a step add up to, every task being known; 0: it depends.
static double sum_of(const char *method) {
  static const struct { const char *method; double sum; } sums[] = {
    { "mgda", 1 }, { "imtl_g", 1 }, { "rlw", 1 }, { "famo", 1 }, { "dwa", TASKS }, { "gradnorm", TASKS },
  };
  for (int i = 0; i < COUNT_OF(sums); i++)
    if (!strncmp(sums[i].method, method, strlen(sums[i].method))) return sums[i].sum;
  return 0;
}

static void check_figures(const json_t *report, const char *method) {
  assert_int_equal(json_array_size(json_object_get(report, "epochs")), EPOCHS);
  bool fixed = !strcmp(method, "static");
  for (size_t e = 0; e < EPOCHS; e++) {
    double sum = 0;
    for (int k = 0; k < TASKS; k++) {
      double loss = figure(report, e, tasks[k], "loss"), weight = figure(report, e, tasks[k], "weight");
      if (!isfinite(loss) || isfinite(weight) == fixed)
        fail_msg("%s, epoch %zu: loss %g, weight %g", method, e, loss, weight);
      sum += weight;
    }
    if (sum_of(method) > 0 && !(fabs(sum - sum_of(method)) < 1e-6)) fail_msg("%s: the weights add up to %g", method, sum);
  }
  for (int k = 0; k < TASKS; k++)                              // it trains
    if (!(figure(report, EPOCHS - 1, tasks[k], "loss") < figure(report, 0, tasks[k], "loss")))
      fail_msg("%s: %s does not get better", method, tasks[k]);
}

static void same_figures(const json_t *a, const json_t *b, const char *method) {
  for (size_t e = 0; e < EPOCHS; e++)
    for (int k = 0; k < TASKS; k++)
      for (int i = 0; i < 2; i++) {
        const char *name = i ? "weight" : "loss";
        double x = figure(a, e, tasks[k], name), y = figure(b, e, tasks[k], name);
        if (x != y && !(isnan(x) && isnan(y))) fail_msg("%s resumed, epoch %zu: %s %g, not %g", method, e, name, y, x);
      }
}

static void check_method(const char *method) {
  size_t n, m;
  write_spec(method);
  json_t *whole = run(path_of("whole"), NULL, NULL, 0);
  check_figures(whole, method);
  json_decref(run(path_of("cut"), NULL, "epoch 3/", 130));
  json_t *resumed = run(NULL, path_of("cut"), NULL, 0);
  same_figures(whole, resumed, method);
  char *a = read_all(path_of("whole/weights.safetensors"), &n), *b = read_all(path_of("cut/weights.safetensors"), &m);
  if (n != m || memcmp(a, b, n)) fail_msg("%s: resumed, other weights", method);
  free(a), free(b);
  json_decref(whole), json_decref(resumed);
  remove_runs();
}

static void test_methods(void **state) {
  (void)state;
  check_method("static");
  for (int i = 0; i < n_balance_rows; i++) check_method(balance_rows[i].name);
}

static void test_variants(void **state) {
  (void)state;
  check_method("stch(warmup = 2)");                           // past its warm-up when it is cut
  check_method("gradnorm(on = representation, alpha = 0.5)");
  check_method("cagrad(c = 0.2, over = params(trunk))");
}

// Equal bits on every target that this machine runs.
static void test_targets(void **state) {
  static const char *const methods[] = { "cagrad", "gradnorm(on = representation)", "uncertainty" };
  static const char *const targets[] = { "portable", "avx2", "avx512", "neon" };
  const char *before = getenv("MTLC_TARGET");
  (void)state;
  for (int m = 0; m < COUNT_OF(methods); m++) {
    char *first = NULL;
    size_t n = 0, size;
    write_spec(methods[m]);
    for (int t = 0; t < COUNT_OF(targets); t++) {
      setenv("MTLC_TARGET", targets[t], 1);
      if (target_detect() == N_TARGETS) continue;
      json_decref(run(path_of("whole"), NULL, NULL, 0));
      char *weights = read_all(path_of("whole/weights.safetensors"), &size);
      if (first && (size != n || memcmp(first, weights, n))) fail_msg("%s: other weights on %s", methods[m], targets[t]);
      if (!first) first = weights, n = size;
      else free(weights);
      remove_runs();
    }
    free(first);
  }
  if (before) setenv("MTLC_TARGET", before, 1);
  else unsetenv("MTLC_TARGET");
}

int main(void) {
  const struct CMUnitTest all[] = { cmocka_unit_test(test_methods), cmocka_unit_test(test_variants),
                                    cmocka_unit_test(test_targets) };
  return cmocka_run_group_tests(all, make_rows, remove_folder);
}
