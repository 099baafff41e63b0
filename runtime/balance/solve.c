// solve.c: small dense problems of task balancing, in double precision: a linear system, eigenvalues, a convex problem on
// the simplex, M w = w^−p. Each ends after a bounded number of steps on any numbers, NaN among them.
#include <math.h>
#include "../balance.h"

// ---------------------------------------------------------------- A x = b
// Gauss with row pivots.
bool solve_linear(int n, double *a, double *b) {
  double largest = 0;
  for (int i = 0; i < n * n; i++) largest = fmax(largest, fabs(a[i]));
  for (int k = 0; k < n; k++) {
    int pivot = k;
    for (int i = k + 1; i < n; i++)
      if (fabs(a[i * n + k]) > fabs(a[pivot * n + k])) pivot = i;
    if (!(fabs(a[pivot * n + k]) > 1e-13 * largest)) return false;
    for (int j = 0; j < n && pivot != k; j++) {
      double x = a[k * n + j];
      a[k * n + j] = a[pivot * n + j];
      a[pivot * n + j] = x;
    }
    double x = b[k];
    b[k] = b[pivot];
    b[pivot] = x;
    for (int i = k + 1; i < n; i++) {
      double f = a[i * n + k] / a[k * n + k];
      for (int j = k; j < n; j++) a[i * n + j] -= f * a[k * n + j];
      b[i] -= f * b[k];
    }
  }
  for (int k = n - 1; k >= 0; k--) {
    for (int j = k + 1; j < n; j++) b[k] -= a[k * n + j] * b[j];
    b[k] /= a[k * n + k];
  }
  return true;
}

// ---------------------------------------------------------------- eigenvalues
// One rotation of rows and columns p, q that makes m[p, q] zero (Jacobi 1846; the stable formula of Rutishauser 1966).
static void rotate(int n, double *m, double *v, int p, int q) {
  double theta = (m[q * n + q] - m[p * n + p]) / (2 * m[p * n + q]);
  double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
  double c = 1 / sqrt(t * t + 1), s = t * c;
  for (int k = 0; k < n; k++) {
    double x = m[k * n + p], y = m[k * n + q];
    m[k * n + p] = c * x - s * y;
    m[k * n + q] = s * x + c * y;
  }
  for (int k = 0; k < n; k++) {
    double x = m[p * n + k], y = m[q * n + k];
    m[p * n + k] = c * x - s * y;
    m[q * n + k] = s * x + c * y;
  }
  for (int k = 0; k < n; k++) {
    double x = v[k * n + p], y = v[k * n + q];
    v[k * n + p] = c * x - s * y;
    v[k * n + q] = s * x + c * y;
  }
}

static bool is_diagonal(int n, const double *m) {
  double off = 0, on = 0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) *(i == j ? &on : &off) += m[i * n + j] * m[i * n + j];
  return !(off > 1e-30 * on);
}

void solve_eigen(int n, double *m, double *value, double *v) {
  enum { SWEEPS = 50 };                                      // quadratic at the end: six to ten are usual
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) v[i * n + j] = i == j;
  for (int sweep = 0; sweep < SWEEPS && !is_diagonal(n, m); sweep++)
    for (int p = 0; p < n; p++)
      for (int q = p + 1; q < n; q++)
        if (m[p * n + q] != 0) rotate(n, m, v, p, q);
  for (int i = 0; i < n; i++) value[i] = m[i * n + i];
  for (int i = 0; i < n; i++) {                              // ascending, columns along
    int least = i;
    for (int j = i + 1; j < n; j++)
      if (value[j] < value[least]) least = j;
    double x = value[i];
    value[i] = value[least];
    value[least] = x;
    for (int k = 0; k < n && least != i; k++) {
      x = v[k * n + i];
      v[k * n + i] = v[k * n + least];
      v[k * n + least] = x;
    }
  }
}

// ---------------------------------------------------------------- aᵀw + b·√(wᵀMw) on the simplex
// The t of 0 … most that minimises p·t + b·√(q0 + 2·q1·t + q2·t²), which falls at 0. With u = q1 + q2·t the derivative is 0
// where p·√(u² + q0·q2 − q1²) = −b·u·√q2.
static double line_minimum(double p, double b, double q0, double q1, double q2, double most) {
  double rest = fmax(q0 * q2 - q1 * q1, 0), room = q2 * b * b - p * p;
  if (!(q2 > 0) || !(room > 0)) return most;                 // it falls all the way
  double t = (-p * sqrt(rest / room) - q1) / q2;
  return t < most ? fmax(t, 0) : most;
}

static void times(int n, const double *m, const double *w, double *v) {   // v = M w
  for (int i = 0; i < n; i++) {
    v[i] = 0;
    for (int j = 0; j < n; j++) v[i] += m[i * n + j] * w[j];
  }
}

// Weight moves from the task with the steepest ascent to the one with the steepest descent, by exact line search, until the
// two slopes are equal (pairwise conditional gradient: Lacoste-Julien, Jaggi 2015). One step is enough for two tasks.
void solve_simplex(int n, const double *m, const double *a, double b, double *w) {
  enum { MOST = 20000 };
  double v[BALANCE_TASKS], slope[BALANCE_TASKS];
  for (int i = 0; i < n; i++) w[i] = 1.0 / n;
  for (int k = 0; k < MOST; k++) {
    double q = 0, scale = 0;
    int up = -1, down = 0;
    times(n, m, w, v);
    for (int i = 0; i < n; i++) q += w[i] * v[i];
    if (!(q > 0)) return;                                    // the mean is 0: nothing is steeper
    for (int i = 0; i < n; i++) {
      slope[i] = (a ? a[i] : 0) + b * v[i] / sqrt(q);
      scale = fmax(scale, fabs(slope[i]));
      if (slope[i] < slope[down]) down = i;
      if (w[i] > 0 && (up < 0 || slope[i] > slope[up])) up = i;
    }
    if (up < 0 || !(slope[up] - slope[down] > 1e-13 * scale)) return;
    double p = a ? a[down] - a[up] : 0, q2 = m[down * n + down] + m[up * n + up] - 2 * m[up * n + down];
    double t = line_minimum(p, b, q, v[down] - v[up], q2, w[up]);
    if (!(t > 0)) return;
    w[down] += t;
    w[up] = t == w[up] ? 0 : w[up] - t;
  }
}

// ---------------------------------------------------------------- M w = w^−p
// The minimum of the convex φ(w) = ½ wᵀMw − Σ ∫ w^−p, by Newton's method with halved steps.
static double phi(int n, const double *m, double p, const double *w) {
  double v[BALANCE_TASKS], sum = 0;
  times(n, m, w, v);
  for (int i = 0; i < n; i++) {
    if (!(w[i] > 0)) return INFINITY;
    sum += 0.5 * w[i] * v[i] - (p == 1 ? log(w[i]) : pow(w[i], 1 - p) / (1 - p));
  }
  return sum;
}

// The next w in `to`; false: w is as good as it gets.
static bool newton(int n, const double *m, double p, const double *w, double *to) {
  double h[BALANCE_TASKS * BALANCE_TASKS], d[BALANCE_TASKS], v[BALANCE_TASKS], decrement = 0, worst = 0, t = 1;
  times(n, m, w, v);
  memcpy(h, m, sizeof *h * (size_t)(n * n));
  for (int i = 0; i < n; i++) {
    double power = pow(w[i], -p), r = v[i] - power;
    worst = fmax(worst, fabs(r) / power);
    h[i * n + i] += p * power / w[i];
    d[i] = -r;
  }
  if (!(worst > 1e-14) || !solve_linear(n, h, d)) return false;
  for (int i = 0; i < n; i++) decrement += d[i] * (pow(w[i], -p) - v[i]);
  double now = phi(n, m, p, w);
  for (int halved = 0; halved < 60; halved++, t /= 2) {
    for (int i = 0; i < n; i++) to[i] = w[i] + t * d[i];
    double next = phi(n, m, p, to);
    bool close = decrement < 1e-6 && isfinite(next);         // here φ is too flat to be compared
    if (close || next < now - 1e-4 * t * decrement) return true;
  }
  return false;
}

void solve_power(int n, const double *m, double p, int iterations, double *w) {
  double scaled[BALANCE_TASKS * BALANCE_TASKS], next[BALANCE_TASKS], scale = 0;
  for (int i = 0; i < n; i++) scale += m[i * n + i] / n;
  for (int i = 0; i < n * n; i++) scaled[i] = m[i] / scale;
  for (int i = 0; i < n; i++) w[i] = pow(scaled[i * n + i], -1 / (1 + p));   // the solution where no two gradients meet
  for (int k = 0; k < iterations && newton(n, scaled, p, w, next); k++) memcpy(w, next, sizeof *w * (size_t)n);
  for (int i = 0; i < n; i++) w[i] *= pow(scale, -1 / (1 + p));              // M/s has the solution s^(1/(1+p))·w
}
