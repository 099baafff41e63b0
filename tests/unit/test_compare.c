// test_compare.c: Student's distribution against SciPy 1.16 (scipy.stats.t), paired differences and their two errors against
// formulas; which tasks a variant of a model learns.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "src/compare/compare.h"

static void near(double got, double want, double tolerance) {
  if (!(fabs(got - want) <= tolerance * (1 + fabs(want)))) fail_msg("%.17g, want %.17g", got, want);
}

static void student(void **unused) {
  (void)unused;
  near(student_p(2.776445105, 4), 0.05000000001011946, 1e-12);
  near(student_p(1, 1), 0.5, 1e-12);
  near(student_p(-3.5, 7), 0.009993040881885549, 1e-12);
  near(student_p(0.3, 19), 0.7674346603392634, 1e-12);
  near(student_p(12, 2.9), 0.00687293367715846, 1e-12);              // rounded down to 2
  near(student_t(0.05 / 18, 4), 6.56970047759578, 1e-9);
  near(student_t(0.001, 9), 4.780912585931139, 1e-9);
  near(student_t(0.05, 1), 12.706204736174705, 1e-9);
  assert_true(isnan(student_p(NAN, 3)) && isnan(student_t(0.05, NAN)) && student_p(INFINITY, 3) == 0);
}

static Score flat(double v) {                                        // held-out rows say nothing
  Score s = {.value = v};
  for (int b = 0; b < BLOCKS; b++) s.without[b] = v;
  return s;
}

static void by_seed(void **unused) {
  (void)unused;
  const Score a[] = {flat(0.7), flat(0.72), flat(0.69)}, b[] = {flat(0.6), flat(0.65), flat(0.58)};
  Difference d = paired_difference(a, b, 3, false), e = paired_difference(a, b, 3, true);
  near(d.mean, 0.28 / 3, 1e-12);
  near(d.sd, sqrt((pow(0.1 - d.mean, 2) + pow(0.07 - d.mean, 2) + pow(0.11 - d.mean, 2)) / 2), 1e-9);
  near(d.by_seeds, d.sd / sqrt(3), 1e-9);
  near(d.by_rows, 0, 1e-9);
  near(difference_half(&d, 0.05), d.by_seeds * student_t(0.05, 2), 1e-9);
  near(difference_p(&d), student_p(d.mean / d.by_seeds, 2), 1e-6);
  near(e.mean, -d.mean, 1e-12);
}

// The jackknife of a mean over rows is the variance of the blocks' means, over their number.
static void by_rows(void **unused) {
  (void)unused;
  Score a = {0}, b = flat(0);
  double block[BLOCKS], mean = 0, squares = 0;
  for (int k = 0; k < BLOCKS; k++) mean += (block[k] = sin(k) + 3) / BLOCKS;
  for (int k = 0; k < BLOCKS; k++) squares += pow(block[k] - mean, 2);
  a.value = mean;
  for (int k = 0; k < BLOCKS; k++) a.without[k] = (mean * BLOCKS - block[k]) / (BLOCKS - 1);
  const Score x[] = {a, a}, y[] = {b, b};
  Difference d = paired_difference(x, y, 2, false);
  near(d.sd, 0, 1e-12);
  near(d.by_rows, sqrt(squares / (BLOCKS - 1) / BLOCKS), 1e-12);
  near(difference_half(&d, 0.01), d.by_rows * student_t(0.01, BLOCKS - 1), 1e-9);
}

static void undefined(void **unused) {
  (void)unused;
  Score a[] = {flat(1), flat(NAN), flat(3)}, b[] = {flat(1), flat(1), flat(1)};
  Difference d = paired_difference(a, b, 3, false);
  assert_int_equal(d.n, 2);
  near(d.mean, 1, 1e-12);
  d = paired_difference(a, b, 1, false);                             // one pair: no spread, nothing to tell
  assert_true(d.n == 1 && d.mean == 0 && isnan(difference_p(&d)) && isnan(difference_half(&d, 0.05)));
  d = paired_difference(b, b, 3, false);                             // the same to the bit
  assert_true(d.mean == 0 && difference_p(&d) == 1);
  a[0].without[7] = NAN;                                             // a block holds all that makes it defined
  d = paired_difference(a, b, 3, false);
  assert_true(isnan(difference_p(&d)));
}

// ---------------------------------------------------------------- variants
static const char spec[] =
  "model m\nedition 2026\ninput x : vector(3)\nlabel p, q, r : binary\n"
  "shared trunk = x |> dense(4, relu)\nlet own = trunk |> dense(2)\noutput pair = trunk |> dense(1)\n"
  "task a { head = own |> dense(1) |> sigmoid, loss = bce(p) }\n"
  "task b { head = a * (pair |> sigmoid), loss = bce(q), metric = [auc] }\n"
  "task c { head = trunk |> dense(1) |> sigmoid, loss = bce(r), metric = [auc] }\n"
  "train { stop = patience(2, auc(b) + auc(c)), penalty = 0.1 * sum_sq(params(trunk)) + 0.2 * sum_sq(params(own)) }\n";

static bool has_slot(const Graph *g, const char *path) {
  for (int i = 0; i < g->slots.n; i++)
    if (!strcmp(g->slots.data[i].path, path)) return true;
  return false;
}

static void variants(void **unused) {
  (void)unused;
  mtl_context *c = mtl_new();
  Model *m = open_spec_text(c, "spec", "spec", spec, sizeof spec - 1);
  assert_true(check_spec(c, m));
  Model *only_c = model_variant(m, c->arena, (const bool[]){false, false, true});
  Graph *g = build(only_c, F32, c->diag);
  assert_int_equal(diag_errors(c->diag), 0);
  assert_true(only_c->n_tasks == 1 && !strcmp(only_c->tasks[0].name, "c") && !strcmp(only_c->train.tasks[0].name, "c"));
  assert_true(has_slot(g, "trunk.dense.w") || has_slot(g, "trunk.w"));
  assert_true(!has_slot(g, "own.dense.w") && !has_slot(g, "own.w"));              // a's alone: not built
  assert_true(only_c->n_penalty == 1 && only_c->train.n_terms == 1);               // that of `own` goes with it
  assert_true(only_c->train.stop.n_terms == 1 && only_c->train.stop.terms[0].task == 0);
  Model *only_b = model_variant(m, c->arena, (const bool[]){false, true, false});   // reads a's head and an output
  g = build(only_b, F32, c->diag);
  assert_int_equal(diag_errors(c->diag), 0);
  assert_true(only_b->n_penalty == 2);
  assert_true(g->loss && (has_slot(g, "own.dense.w") || has_slot(g, "own.w")));
  Model *only_a = model_variant(m, c->arena, (const bool[]){true, false, false});   // no term of its figure is left: its loss
  assert_true(only_a->train.stop.n_terms == 1 && only_a->train.stop.terms[0].is_loss && only_a->train.stop.minimise);
  Model *all = model_variant(m, c->arena, NULL);
  assert_true(variant_balance(all, "cagrad(c = 0.25)", c->diag) && all->balance.spec.row >= 0);
  near(all->balance.spec.arg[0], 0.25, 0);
  assert_true(all->n_tasks == 3 && m->balance.spec.row < 0 && m->n_tasks == 3);     // the model itself is as it was
  assert_false(variant_balance(all, "cagrad(", c->diag));
  mtl_free(c);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(student), cmocka_unit_test(by_seed), cmocka_unit_test(by_rows), cmocka_unit_test(undefined),
                                     cmocka_unit_test(variants)};
  return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
