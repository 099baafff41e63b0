// paired.c: differences of paired figures, their two errors and what Student's distribution says of them.
#include <math.h>
#include "compare.h"

// Abramowitz and Stegun 1964, 26.7.3 and 26.7.4, with θ = atan(t / √ν): finite sums for whole ν.
double student_p(double t, double df) {
  if (isnan(t) || isnan(df)) return NAN;
  if (isinf(t)) return 0;
  int nu = df < 1 ? 1 : df > 1000 ? 1000 : (int)df, odd = nu % 2;
  double theta = atan(fabs(t) / sqrt(nu)), c = cos(theta), s = sin(theta), term = odd ? c : 1, sum = nu > 1 ? term : 0;
  for (int k = odd ? 3 : 2; k <= nu - 2; k += 2) sum += term *= c * c * (k - 1) / k;
  double inside = odd ? 2 / acos(-1) * (theta + s * sum) : s * sum;
  return fmin(fmax(1 - inside, 0), 1);
}

double student_t(double p, double df) {
  double lo = 0, hi = 1;
  if (isnan(p) || isnan(df)) return NAN;
  while (student_p(hi, df) > p && hi < 1e12) hi *= 2;
  for (int i = 0; i < 200 && hi - lo > 1e-12 * hi; i++) {
    double mid = (lo + hi) / 2;
    if (student_p(mid, df) > p) lo = mid;
    else hi = mid;
  }
  return (lo + hi) / 2;
}

static double rows_variance(const double *sum, int n) {      // sum[b]: Σ over n seeds of the difference without block b
  double mean = 0, squares = 0;
  for (int b = 0; b < BLOCKS; b++) mean += sum[b] / n / BLOCKS;
  for (int b = 0; b < BLOCKS; b++) squares += (sum[b] / n - mean) * (sum[b] / n - mean);
  return squares * (BLOCKS - 1) / BLOCKS;
}

Difference paired_difference(const Score *a, const Score *b, int n_seeds, bool minimise) {
  Difference d = {.mean = NAN, .sd = NAN, .by_seeds = NAN, .by_rows = NAN};
  double sign = minimise ? -1 : 1, sum = 0, squares = 0, without[BLOCKS] = {0};
  for (int s = 0; s < n_seeds; s++) {
    if (!isfinite(a[s].value) || !isfinite(b[s].value)) continue;
    d.n++;
    sum += sign * (a[s].value - b[s].value);
    for (int k = 0; k < BLOCKS; k++) without[k] += sign * (a[s].without[k] - b[s].without[k]);
  }
  if (d.n) d.mean = sum / d.n;
  if (d.n < 2) return d;
  for (int s = 0; s < n_seeds; s++) {
    double x = sign * (a[s].value - b[s].value) - d.mean;
    if (isfinite(x)) squares += x * x;
  }
  d.sd = sqrt(squares / (d.n - 1));
  d.by_seeds = d.sd / sqrt(d.n);
  d.by_rows = sqrt(rows_variance(without, d.n));
  return d;
}

double difference_half(const Difference *d, double alpha) {
  if (isnan(d->by_seeds) || isnan(d->by_rows)) return NAN;
  return hypot(d->by_seeds * student_t(alpha, d->n - 1), d->by_rows * student_t(alpha, BLOCKS - 1));
}

double difference_p(const Difference *d) {
  double lo = 1e-12, hi = 1;
  if (isnan(difference_half(d, 0.5))) return NAN;
  if (d->mean == 0) return 1;
  if (fabs(d->mean) > difference_half(d, lo)) return 0;
  for (int i = 0; i < 60; i++) {
    double mid = sqrt(lo * hi);
    if (difference_half(d, mid) > fabs(d->mean)) lo = mid;
    else hi = mid;
  }
  return hi;
}
