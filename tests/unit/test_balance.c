// test_balance.c: task balancing. The solvers alone against what their papers prove of them; every method's weights and 20
// steps of training against numbers that an independent program made (tests/parity/make_balance_reference.py); the
// two-parameter problem of CAGrad and Nash-MTL; resuming in the middle.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "runtime/balance.h"

// ---------------------------------------------------------------- rows and gradients
#define BALANCE(id, flags, per_task, per_pair, again, args) {#id, flags, per_task, per_pair, again, args},
static const BalanceRow rows[] = {
#include "runtime/balance/balance.def"
};
#undef BALANCE

static int row_named(const char *name) {
  for (int i = 0; i < COUNT_OF(rows); i++)
    if (!strcmp(rows[i].name, name)) return i;
  fail_msg("no method %s", name);
  return -1;
}

enum { P = 7, MOST = 5 };
typedef struct { int n; double g[MOST][P], m[MOST * MOST], loss[MOST], known[MOST]; } Tasks;

static double uniform(uint64_t *state) { return (double)(mix64(++*state) >> 11) * 0x1p-53 * 2 - 1; }
static double dot(const double *a, const double *b) {
  double sum = 0;
  for (int i = 0; i < P; i++) sum += a[i] * b[i];
  return sum;
}

static void fill_gram(Tasks *t) {
  for (int i = 0; i < t->n; i++)
    for (int j = 0; j < t->n; j++) t->m[i * t->n + j] = dot(t->g[i], t->g[j]);
}

// Random gradients of lengths apart by up to 100.
static Tasks random_tasks(int n, uint64_t seed) {
  Tasks t = { .n = n };
  uint64_t state = seed * 1000;
  for (int i = 0; i < n; i++) {
    double scale = pow(10, uniform(&state));
    for (int k = 0; k < P; k++) t.g[i][k] = scale * uniform(&state);
    t.loss[i] = 1 + 0.9 * uniform(&state);
    t.known[i] = 1;
  }
  fill_gram(&t);
  return t;
}

// Weights of one step without a memory of earlier ones; the memory afterwards in `memory` where it is not NULL.
static void weights(const Tasks *t, const char *method, double arg, double *c) {
  double memory[2 + MOST * 8 + MOST * MOST] = {0}, args[BALANCE_ARGS] = { arg, 0.01, 0 };
  int id = row_named(method);
  BalanceStep s = { .id = id, .n_tasks = t->n, .arg = args, .loss = t->loss, .known = t->known, .lr = 0.01,
                    .key = 37, .epoch = 1, .gram = rows[id].flags & BALANCE_GRAM ? t->m : NULL };
  assert_true(balance_memory(rows[id].per_task, rows[id].per_pair, t->n) <= COUNT_OF(memory));
  balance_step(&s, memory, c);
}

static void direction(const Tasks *t, const double *c, double *d) {   // Σ c_k g_k
  for (int k = 0; k < P; k++) {
    d[k] = 0;
    for (int i = 0; i < t->n; i++) d[k] += c[i] * t->g[i][k];
  }
}

static void near_to(double got, double want, double tolerance) {
  if (!(fabs(got - want) <= tolerance * fmax(1, fabs(want)))) fail_msg("%.17g instead of %.17g", got, want);
}

// ---------------------------------------------------------------- oracles
static void test_mgda_two(void **state) {   // γ = (g₂ − g₁)·g₂/‖g₁ − g₂‖², within 0 … 1
  (void)state;
  for (uint64_t seed = 1; seed < 50; seed++) {
    Tasks t = random_tasks(2, seed);
    double c[2], gap = t.m[0] + t.m[3] - 2 * t.m[1], gamma = (t.m[3] - t.m[1]) / gap;
    weights(&t, "mgda", 0, c);
    near_to(c[0], fmin(fmax(gamma, 0), 1), 1e-12);
    near_to(c[0] + c[1], 1, 1e-12);
  }
}

// d is the shortest of the hull: d·g_k ≥ ‖d‖² for every task, equal where it has weight.
static void test_mgda_optimal(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed < 50; seed++) {
    Tasks t = random_tasks(2 + (int)(seed % 4), seed);
    double c[MOST], d[P];
    weights(&t, "mgda", 0, c);
    direction(&t, c, d);
    for (int i = 0; i < t.n; i++) {
      assert_true(c[i] >= 0);
      assert_true(dot(d, t.g[i]) >= dot(d, d) - 1e-9 * sqrt(dot(d, d) * t.m[i * t.n + i]));
      if (c[i] > 1e-6) near_to(dot(d, t.g[i]) / dot(d, d), 1, 1e-6);
    }
  }
}

static void test_imtl_g(void **state) {   // d·u_k is the same for all k; Σ c = 1
  (void)state;
  for (uint64_t seed = 1; seed < 50; seed++) {
    Tasks t = random_tasks(2 + (int)(seed % 4), seed);
    double c[MOST], d[P], sum = 0;
    weights(&t, "imtl_g", 0, c);
    direction(&t, c, d);
    for (int i = 0; i < t.n; i++) sum += c[i];
    near_to(sum, 1, 1e-9);
    for (int i = 1; i < t.n; i++)
      near_to(dot(d, t.g[i]) / sqrt(t.m[i * t.n + i]), dot(d, t.g[0]) / sqrt(t.m[0]), 1e-8 * (1 + sqrt(dot(d, d))));
  }
}

static void test_nash(void **state) {   // M c = 1/c; FairGrad(1) is the same; M c = c^(−1/α)
  (void)state;
  static const double alphas[] = { 0.3, 0.5, 1, 2, 8 };
  for (uint64_t seed = 1; seed < 50; seed++) {
    Tasks t = random_tasks(2 + (int)(seed % 4), seed);
    double nash[MOST], fair[MOST];
    weights(&t, "nash_mtl", 20, nash);
    weights(&t, "fairgrad", 1, fair);
    for (int i = 0; i < t.n; i++) near_to(fair[i], nash[i], 1e-10);
    for (int k = 0; k < COUNT_OF(alphas); k++) {
      weights(&t, "fairgrad", alphas[k], fair);
      for (int i = 0; i < t.n; i++) {
        double sum = 0;
        assert_true(fair[i] > 0);
        for (int j = 0; j < t.n; j++) sum += t.m[i * t.n + j] * fair[j];
        near_to(sum * pow(fair[i], 1 / alphas[k]), 1, 1e-8);
      }
    }
  }
}

static void test_pcgrad(void **state) {   // of two tasks none is made worse; without a conflict the plain sum
  (void)state;
  int conflicts = 0;
  for (uint64_t seed = 1; seed < 100; seed++) {
    Tasks t = random_tasks(2, seed);
    double c[2], d[P];
    weights(&t, "pcgrad", 0, c);
    direction(&t, c, d);
    conflicts += t.m[1] < 0;
    for (int i = 0; i < 2; i++) assert_true(dot(d, t.g[i]) >= -1e-12 * t.m[3 * i]);
    if (t.m[1] >= 0) assert_true(c[0] == 1 && c[1] == 1);
    else near_to(c[0], 1 - t.m[1] / t.m[0], 1e-12);
  }
  assert_true(conflicts > 20);
}

static void test_upgrad(void **state) {   // no task is made worse, of any number; without a conflict the mean
  (void)state;
  for (uint64_t seed = 1; seed < 100; seed++) {
    Tasks t = random_tasks(2 + (int)(seed % 4), seed);
    double c[MOST], d[P];
    bool conflict = false;
    weights(&t, "upgrad", 0, c);
    direction(&t, c, d);
    for (int i = 0; i < t.n * t.n; i++) conflict |= t.m[i] < 0;
    for (int i = 0; i < t.n; i++) {
      assert_true(dot(d, t.g[i]) >= -1e-9 * sqrt(dot(d, d) * t.m[i * t.n + i]));
      if (!conflict) near_to(c[i], 1.0 / t.n, 1e-12);
    }
  }
}

// No d within c·‖g₀‖ of g₀ has a better worst task: against many random ones.
static void test_cagrad(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed < 30; seed++) {
    Tasks t = random_tasks(2 + (int)(seed % 4), seed);
    uint64_t random = seed * 77777;
    double c[MOST], d[P], mean[P] = {0}, worst = INFINITY, k = 0.2 + 0.2 * (double)(seed % 4), away = 0;
    weights(&t, "cagrad", k, c);
    direction(&t, c, d);
    for (int j = 0; j < P; j++) {
      for (int i = 0; i < t.n; i++) mean[j] += t.g[i][j] / t.n;
      d[j] *= 1 + k * k;
      away += (d[j] - mean[j]) * (d[j] - mean[j]);
    }
    double norm = sqrt(dot(mean, mean));
    near_to(sqrt(away) / norm, k, 1e-7);
    for (int i = 0; i < t.n; i++) worst = fmin(worst, dot(d, t.g[i]));
    for (int tries = 0; tries < 300; tries++) {
      double e[P], size = 0, other = INFINITY;
      for (int j = 0; j < P; j++) e[j] = uniform(&random) + (tries % 3 ? 2 * (d[j] - mean[j]) / norm : 0);
      for (int j = 0; j < P; j++) size += e[j] * e[j];
      for (int j = 0; j < P; j++) e[j] = mean[j] + k * norm * e[j] / sqrt(size);
      for (int i = 0; i < t.n; i++) other = fmin(other, dot(e, t.g[i]));
      assert_true(other <= worst + 1e-7 * norm * norm);
    }
  }
}

// The directions V Λ^−½ Vᵀ g_k, scaled: their Gram matrix is λ_min·I.
static void test_aligned(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed < 50; seed++) {
    Tasks t = random_tasks(2 + (int)(seed % 4), seed);
    double c[MOST], d[P], m[MOST * MOST], v[MOST * MOST], value[MOST];
    memcpy(m, t.m, sizeof m);
    solve_eigen(t.n, m, value, v);
    weights(&t, "aligned_mtl", 0, c);
    direction(&t, c, d);
    near_to(dot(d, d) / (t.n * value[0]), 1, 1e-6);         // ‖Σ of n orthogonal vectors of length √λ_min‖² = n·λ_min
  }
}

static void test_gradvac(void **state) {   // from a target of 0 a conflict is turned until it is orthogonal
  (void)state;
  for (uint64_t seed = 1; seed < 100; seed++) {
    Tasks t = random_tasks(2, seed);
    double c[2], pc[2];
    weights(&t, "gradvac", 0.5, c);
    weights(&t, "pcgrad", 0, pc);
    for (int i = 0; i < 2; i++) near_to(c[i], pc[i], 1e-9);
  }
}

// ---------------------------------------------------------------- losses
static void test_losses(void **state) {
  (void)state;
  Tasks t = random_tasks(4, 5);
  double c[4], sum = 0, product = 1, zero = 0;
  weights(&t, "gls", 0, c);
  for (int i = 0; i < 4; i++) product *= t.loss[i];
  for (int i = 0; i < 4; i++) near_to(c[i], pow(product, 0.25) / (4 * t.loss[i]), 1e-12);
  weights(&t, "uncertainty", -0.5, c);
  for (int i = 0; i < 4; i++) near_to(c[i], 0.5 * exp(0.5), 1e-12);
  weights(&t, "imtl_l", 0, c);
  for (int i = 0; i < 4; i++) near_to(c[i], 1, 1e-12);
  weights(&t, "dwa", 2, c);
  for (int i = 0; i < 4; i++) near_to(c[i], 1, 1e-12);
  weights(&t, "rlw", 0, c);
  for (int i = 0; i < 4; i++) sum += c[i], zero += c[i] == 0.25;
  near_to(sum, 1, 1e-12);
  assert_true(zero == 0);
}

// RLW: softmax of normal numbers: its logarithms, less those of another task, have mean 0 and variance 2; no step is as
// another.
static void test_rlw(void **state) {
  (void)state;
  enum { STEPS = 20000 };
  Tasks t = random_tasks(3, 5);
  int id = row_named("rlw");
  double memory[2] = {0}, c[3], last = 0, mean = 0, square = 0;
  BalanceStep s = { .id = id, .n_tasks = 3, .loss = t.loss, .known = t.known, .epoch = 1 };
  for (int i = 0; i < STEPS; i++) {
    s.key = random_key(5, i, 9);
    balance_step(&s, memory, c);
    assert_true(c[0] != last);
    last = c[0];
    mean += log(c[0] / c[1]) / STEPS;
    square += pow(log(c[0] / c[1]), 2) / STEPS;
  }
  assert_true(fabs(mean) < 0.05);
  assert_true(fabs(square - 2) < 0.1);
}

// ---------------------------------------------------------------- tasks that do not count
// Weights of the others are as if it did not exist; it has none.
static void test_absent(void **state) {
  (void)state;
  for (int id = 0; id < COUNT_OF(rows); id++) {
    if (!strcmp(rows[id].name, "rlw")) continue;              // random numbers belong to the task
    bool by_order = !strcmp(rows[id].name, "pcgrad") || !strcmp(rows[id].name, "gradvac");
    for (int how = 0; how < 2; how++) {
      if (how == 1 && !(rows[id].flags & BALANCE_GRAM)) continue;
      Tasks all = random_tasks(3, 9), two = { .n = 2 };
      double c[3], want[2];
      if (how == 0) all.known[1] = 0, all.loss[1] = 0;
      else memset(all.g[1], 0, sizeof all.g[1]);
      fill_gram(&all);
      for (int i = 0; i < 2; i++) {
        memcpy(two.g[i], all.g[2 * i], sizeof two.g[i]);
        two.loss[i] = all.loss[2 * i], two.known[i] = 1;
      }
      fill_gram(&two);
      weights(&all, rows[id].name, 1, c);
      weights(&two, rows[id].name, 1, want);
      assert_true(c[1] == 0);
      for (int i = 0; i < 2; i++) near_to(c[2 * i], want[i], by_order ? 1e-9 : 1e-12);
    }
  }
}

// Nothing known, equal gradients, opposite ones, a NaN: every method ends, and gives numbers where there is an answer.
static void test_degenerate(void **state) {
  (void)state;
  for (int id = 0; id < COUNT_OF(rows); id++)
    for (int how = 0; how < 5; how++) {
      Tasks t = random_tasks(3, 4);
      double c[3];
      for (int i = 1; i < 3; i++)
        for (int k = 0; k < P; k++) t.g[i][k] = (how == 1 ? -1 : 1) * t.g[0][k];
      if (how == 2) for (int i = 0; i < 3; i++) t.known[i] = 0;
      if (how == 3) for (int i = 1; i < 3; i++) t.known[i] = 0;
      fill_gram(&t);
      if (how == 4) t.m[1] = t.m[3] = NAN, t.loss[1] = NAN;
      weights(&t, rows[id].name, 1, c);
      for (int i = 0; i < 3; i++) assert_true(how == 4 || isfinite(c[i]));
      for (int i = 0; i < 3; i++) assert_true(how != 2 || c[i] == 0);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_mgda_two), cmocka_unit_test(test_mgda_optimal), cmocka_unit_test(test_imtl_g),
    cmocka_unit_test(test_nash), cmocka_unit_test(test_pcgrad), cmocka_unit_test(test_upgrad),
    cmocka_unit_test(test_cagrad),
    cmocka_unit_test(test_aligned),
    cmocka_unit_test(test_gradvac), cmocka_unit_test(test_losses), cmocka_unit_test(test_rlw), cmocka_unit_test(test_absent),
    cmocka_unit_test(test_degenerate),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
