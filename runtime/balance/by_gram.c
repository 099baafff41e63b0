// by_gram.c: the methods that weigh gradients by their Gram matrix M, M_ij = g_i · g_j alone: d = Σ c_k g_k. All tasks given
// have M_kk > 0.
#include <math.h>
#include "../balance.h"

static double gram(const BalanceInput *in, int i, int j) { return in->gram[i * in->n + j]; }

// ---------------------------------------------------------------- MGDA: min ‖Σ c_k g_k‖ over the simplex
void balance_mgda(const BalanceInput *in, double *c) { solve_simplex(in->n, in->gram, NULL, 1, c); }

// ---------------------------------------------------------------- CAGrad
// d = (g₀ + c·‖g₀‖·g_w/‖g_w‖) / (1 + c²), g₀ = Σ g_k/K, w of the simplex minimising g_w·g₀ + c·‖g₀‖·‖g_w‖, g_w = Σ w_k g_k.
void balance_cagrad(const BalanceInput *in, double *c) {
  int n = in->n;
  double with_mean[BALANCE_TASKS], w[BALANCE_TASKS], mean = 0, along = 0;
  for (int i = 0; i < n; i++) {
    with_mean[i] = 0;
    for (int j = 0; j < n; j++) with_mean[i] += gram(in, i, j) / n;
    mean += with_mean[i] / n;
  }
  double reach = in->arg[0] * sqrt(fmax(mean, 0));           // c·‖g₀‖
  for (int i = 0; i < n; i++) w[i] = 0;
  if (reach > 0) solve_simplex(n, in->gram, with_mean, reach, w);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) along += w[i] * w[j] * gram(in, i, j);
  double factor = along > 0 ? reach / sqrt(along) : 0;
  for (int i = 0; i < n; i++) c[i] = (1.0 / n + factor * w[i]) / (1 + in->arg[0] * in->arg[0]);
}

// ---------------------------------------------------------------- Nash-MTL: M c = 1/c. FairGrad: M c = c^(−1/α)
void balance_nash_mtl(const BalanceInput *in, double *c) { solve_power(in->n, in->gram, 1, (int)in->arg[0], c); }
void balance_fairgrad(const BalanceInput *in, double *c) { solve_power(in->n, in->gram, 1 / in->arg[0], 100, c); }

// ---------------------------------------------------------------- PCGrad, GradVac
static uint64_t random_bits(const BalanceInput *in, int64_t i) {          // a function of the key and i alone
  return mix64(in->key + (uint64_t)(i + 1) * 0x9e3779b97f4a7c15u);
}

static void random_order(const BalanceInput *in, int i, int *order) {     // Fisher, Yates
  for (int k = 0; k < in->n; k++) order[k] = k;
  for (int k = in->n - 1; k > 0; k--) {
    int j = (int)(random_bits(in, (int64_t)i * in->n + k) % (uint64_t)(k + 1)), x = order[k];
    order[k] = order[j];
    order[j] = x;
  }
}

// ĝ = Σ a_k g_k: its product with g_j.
static double product(const BalanceInput *in, const double *a, int j) {
  double sum = 0;
  for (int k = 0; k < in->n; k++) sum += a[k] * gram(in, k, j);
  return sum;
}

// What is added to ĝ_i along g_j, given ĝ_i·g_j.
typedef double Repair(const BalanceInput *in, const double *a, int i, int j, double product);

// Each task's gradient is repaired against every other's, in a random order; c: Σ_i ĝ_i = Σ_k c_k g_k.
static void repair_all(const BalanceInput *in, Repair *repair, double *c) {
  int order[BALANCE_TASKS];
  for (int i = 0; i < in->n; i++) c[i] = 0;
  for (int i = 0; i < in->n; i++) {
    double a[BALANCE_TASKS] = {0};
    a[i] = 1;
    random_order(in, i, order);
    for (int k = 0; k < in->n; k++) {
      int j = order[k];
      if (j != i) a[j] += repair(in, a, i, j, product(in, a, j));
    }
    for (int k = 0; k < in->n; k++) c[k] += a[k];
  }
}

// Where they conflict, ĝ_i loses its part along g_j.
static double project(const BalanceInput *in, const double *a, int i, int j, double product) {
  (void)a, (void)i;
  return product < 0 ? -product / gram(in, j, j) : 0;
}
void balance_pcgrad(const BalanceInput *in, double *c) { repair_all(in, project, c); }

// Where their cosine is below its running mean φ̂, ĝ_i is turned so that it is φ̂: equation 3 of the paper.
static double turn(const BalanceInput *in, const double *a, int i, int j, double along) {
  double square = 0, *target = balance_pair(in, i, j), goal = fmin(fmax(*target, -1), 1);
  for (int k = 0; k < in->n; k++) square += a[k] * product(in, a, k);
  double norm = sqrt(fmax(square, 0)), other = sqrt(gram(in, j, j)), sine = sqrt(1 - goal * goal);
  double cosine = norm > 0 ? fmin(fmax(along / (norm * other), -1), 1) : 0;
  *target += in->arg[0] * (cosine - *target);                // φ̂ ← (1 − β)·φ̂ + β·φ
  if (!(cosine < goal) || !(sine > 0)) return 0;
  return norm * (goal * sqrt(1 - cosine * cosine) - cosine * sine) / (other * sine);
}
void balance_gradvac(const BalanceInput *in, double *c) { repair_all(in, turn, c); }

// ---------------------------------------------------------------- IMTL-G
// Σ c_k = 1 and d·u_k equal for all k, u_k = g_k/‖g_k‖: Σ_j c_j·(g_j·u_1 − g_j·u_k) = 0. Where gradients are parallel many
// c do: then the mean.
void balance_imtl_g(const BalanceInput *in, double *c) {
  int n = in->n;
  double a[BALANCE_TASKS * BALANCE_TASKS];
  for (int k = 0; k < n; k++)
    for (int j = 0; j < n; j++)
      a[k * n + j] = k == 0 ? 1 : gram(in, j, 0) / gram(in, 0, 0) - gram(in, j, k) / sqrt(gram(in, k, k) * gram(in, 0, 0));
  for (int k = 0; k < n; k++) c[k] = k == 0;
  if (solve_linear(n, a, c)) return;
  for (int k = 0; k < n; k++) c[k] = 1.0 / n;
}

// ---------------------------------------------------------------- Aligned-MTL
// c = √λ_min · V Λ^−½ Vᵀ 𝟏 with M = V Λ Vᵀ, over the eigenvalues that are not zero.
void balance_aligned_mtl(const BalanceInput *in, double *c) {
  int n = in->n, first = 0;
  double m[BALANCE_TASKS * BALANCE_TASKS], v[BALANCE_TASKS * BALANCE_TASKS], value[BALANCE_TASKS];
  memcpy(m, in->gram, sizeof *m * (size_t)(n * n));
  solve_eigen(n, m, value, v);
  while (first < n - 1 && !(value[first] > 1e-7 * value[n - 1])) first++;   // M comes of float32 products
  for (int i = 0; i < n; i++) c[i] = 0;
  for (int j = first; j < n; j++) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += v[i * n + j];
    for (int i = 0; i < n; i++) c[i] += v[i * n + j] * sum * sqrt(value[first] / value[j]);
  }
}

// ---------------------------------------------------------------- UPGrad
// c = Σ_i v_i / K: Σ_k v_ik g_k is the nearest to g_i of all directions that make no task worse: v_i minimises vᵀMv with
// v ≥ e_i. One coordinate after the other (Hildreth 1957).
void balance_upgrad(const BalanceInput *in, double *c) {
  enum { MOST = 10000 };
  for (int k = 0; k < in->n; k++) c[k] = 0;
  for (int i = 0; i < in->n; i++) {
    double v[BALANCE_TASKS] = {0}, moved = INFINITY, norm = sqrt(gram(in, i, i));
    v[i] = 1;
    for (int turn = 0; turn < MOST && moved > 1e-13 * norm; turn++) {
      moved = 0;
      for (int j = 0; j < in->n; j++) {
        double before = v[j];
        v[j] = fmax(before - product(in, v, j) / gram(in, j, j), j == i);
        moved = fmax(moved, fabs(v[j] - before) * sqrt(gram(in, j, j)));
      }
    }
    for (int k = 0; k < in->n; k++) c[k] += v[k] / in->n;
  }
}
