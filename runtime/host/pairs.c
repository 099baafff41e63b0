// pairs.c: losses over pairs of rows of one group, and their derivatives (host.h). Rows are put in order of their groups by a counting
// sort; then each pair of a group is looked at once. All sums are in double, in an order that the batch alone decides.
#include <math.h>
#include "../host.h"

// ---------------------------------------------------------------- exp, log: by arithmetic alone, so alike on any machine
// exp(−x), x ≥ 0: 2^−k·exp(r), |r| ≤ ½ log 2, Taylor's series to r^13 (error below 1e-17). 0 where it is below 2^−1000.
static double exp_minus(double x) {
  static const double LOG2_HI = 0x1.62e42feep-1, LOG2_LO = 0x1.a39ef35793c76p-33;
  if (!(x < 690)) return isnan(x) ? x : 0;
  double k = floor(x / (LOG2_HI + LOG2_LO) + 0.5), r = k * LOG2_HI - x + k * LOG2_LO, sum = 1;
  for (int i = 13; i > 0; i--) sum = 1 + sum * r / i;
  return ldexp(sum, -(int)k);
}

// log(1 + t), 0 ≤ t ≤ 1: 2·atanh(z), z = t/(2 + t) ≤ 1/3; terms to z^33 (error below 1e-16 of the result)
static double log_1_plus(double t) {
  double z = t / (2 + t), w = z * z, sum = 0;
  for (int i = 33; i > 0; i -= 2) sum = sum * w + 1.0 / i;
  return 2 * z * sum;
}

// φ and its derivatives at d. Logistic: φ = log(1 + e^−d), φ' = −σ(−d), φ'' = σ(d)·σ(−d).
typedef struct { double value, first, second; } Phi;

static Phi phi(PairKind kind, double margin, double d) {
  if (kind == PAIR_HINGE) return (Phi){ d < margin ? margin - d : isnan(d) ? d : 0, d < margin ? -1 : isnan(d) ? d : 0, 0 };
  double e = exp_minus(fabs(d)), small = e / (1 + e), large = 1 / (1 + e);        // σ(−|d|), σ(|d|)
  return (Phi){ (d < 0 ? -d : 0) + log_1_plus(e), d < 0 ? -large : -small, small * large };
}

// ---------------------------------------------------------------- rows by group
typedef struct { double s, y, u, v, out[2]; int64_t row; } Scored;

static double of_row(void *const *buf, const HostArgs *a, int in, int64_t row) {
  return in < a->n_in ? host_get(buf, &a->in[in], (int64_t[]){ row }) : 0;
}

// 1 + the row's group, from 0 to n; 0: the row is in no pair.
static int64_t bucket(void *const *buf, const HostArgs *a, int64_t n, int64_t row) {
  double group = of_row(buf, a, 3, row);
  return of_row(buf, a, 2, row) != 0 && group >= 0 && group < (double)n ? 1 + (int64_t)group : 0;
}

// at [n + 2]: then those of bucket b stand in x[at[b] … at[b + 1] − 1], in the batch's order.
static void sort_rows(void *const *buf, const HostArgs *a, int64_t n, int64_t *at, Scored *x) {
  for (int64_t i = 0; i < n; i++) at[bucket(buf, a, n, i) + 1]++;
  for (int64_t b = 0; b <= n; b++) at[b + 1] += at[b];
  for (int64_t i = 0; i < n; i++)
    x[at[bucket(buf, a, n, i)]++] =
      (Scored){ of_row(buf, a, 0, i), of_row(buf, a, 1, i), of_row(buf, a, 4, i), of_row(buf, a, 5, i), { 0 }, i };
  for (int64_t b = n + 1; b > 0; b--) at[b] = at[b - 1];
  at[0] = 0;
}

static void add_pair(const HostArgs *a, Scored *i, Scored *j) {              // y_i > y_j
  Phi f = phi((PairKind)a->i[0], a->f, i->s - j->s);
  switch (a->i[1]) {
  case 0: i->out[0] += f.value, i->out[1] += 1; break;
  case 1: i->out[0] += i->u * f.first, j->out[0] -= i->u * f.first; break;
  default: {
    double d = i->v - j->v, bend = i->u * f.second * d;
    i->out[0] += bend, j->out[0] -= bend;
    i->out[1] += f.first * d;
  }
  }
}

void host_pairs(void *const *buf, const HostArgs *a, int64_t n, int64_t lo, int64_t hi) {
  (void)lo, (void)hi;
  int64_t *at = xcalloc((size_t)n + 2, sizeof *at);
  Scored *x = xmalloc(sizeof *x * (size_t)(n + 1));
  sort_rows(buf, a, n, at, x);
  for (int64_t b = 1; b <= n; b++)
    for (int64_t i = at[b]; i < at[b + 1]; i++)
      for (int64_t j = i + 1; j < at[b + 1]; j++) {
        if (x[i].y > x[j].y) add_pair(a, &x[i], &x[j]);
        if (x[j].y > x[i].y) add_pair(a, &x[j], &x[i]);
      }
  for (int64_t k = 0; k < n; k++)
    for (int c = 0; c < 2; c++) host_put(buf, &a->out, (int64_t[]){ x[k].row, c }, x[k].out[c]);
  free(at);
  free(x);
}
