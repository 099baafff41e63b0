// statistics.c: what a preparation takes from a column of numbers: limits, boundaries of buckets, scales. Means and
// deviations (population) in double, two passes, in the order of the values; so the same rows give the same bits.
#include <math.h>
#include "data_int.h"

int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// At p · (n − 1), between its neighbours; from the nearer one, as numpy does.
double quantile(const double *sorted, int64_t n, double p) {
  double at = p * (double)(n - 1);
  int64_t i = (int64_t)floor(at);
  if (i >= n - 1) return sorted[n - 1];
  double t = at - (double)i, step = sorted[i + 1] - sorted[i];
  return t < 0.5 ? sorted[i] + step * t : sorted[i + 1] - step * (1 - t);
}

static double mean_of(const double *v, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += v[i];
  return sum / (double)n;
}

static double deviation_of(const double *v, int64_t n, double mean) {
  double square = 0;
  for (int64_t i = 0; i < n; i++) square += (v[i] - mean) * (v[i] - mean);
  return sqrt(square / (double)n);
}

static double limit(ClipEnd at, double value, const double *sorted, int64_t n, double mean, double deviation) {
  if (at == CLIP_AT_NUMBER) return value;
  return at == CLIP_AT_QUANTILE ? quantile(sorted, n, value) : mean + value * deviation;
}

bool learn_limits(const Prep *p, double *v, int64_t n, Affine *f) {
  if (!p->has_clip) return true;
  double mean = mean_of(v, n), deviation = deviation_of(v, n, mean);          // in the order of the rows
  if (p->clip_at_lo == CLIP_AT_QUANTILE || p->clip_at_hi == CLIP_AT_QUANTILE) qsort(v, (size_t)n, sizeof *v, by_value);
  f->lo = limit(p->clip_at_lo, p->clip_lo, v, n, mean, deviation);
  f->hi = limit(p->clip_at_hi, p->clip_hi, v, n, mean, deviation);
  return f->lo <= f->hi;
}

void learn_bounds(const Prep *p, double *v, int64_t n, Affine *f, Arena *a) {
  if (p->map != MAP_BUCKETIZE) return;
  f->bounds = p->bounds;
  f->n_bounds = p->n_bounds;
  if (p->n_bounds) return;
  double *bounds = NEW_ARRAY(a, double, p->buckets);
  qsort(v, (size_t)n, sizeof *v, by_value);
  for (int64_t k = 1; k < p->buckets; k++) {                                  // equal ones are one: a value that is frequent
    double x = quantile(v, n, (double)k / (double)p->buckets);
    if (!f->n_bounds || x > bounds[f->n_bounds - 1]) bounds[f->n_bounds++] = x;
  }
  f->bounds = bounds;
}

void learn_scale(ScaleKind kind, double *v, int64_t n, Affine *f, bool *constant) {
  f->shift = 0, f->factor = 1;
  if (kind == SCALE_NONE) return;
  double lo = v[0], hi = v[0], sum = 0;
  for (int64_t i = 0; i < n; i++) {
    lo = v[i] < lo ? v[i] : lo;
    hi = v[i] > hi ? v[i] : hi;
    sum += v[i];
  }
  f->shift = lo;
  *constant = lo == hi;
  if (*constant) return;
  double spread = hi - lo;
  if (kind == SCALE_ZSCORE) {
    f->shift = sum / (double)n;
    spread = deviation_of(v, n, f->shift);
  } else if (kind == SCALE_ROBUST) {
    qsort(v, (size_t)n, sizeof *v, by_value);
    f->shift = quantile(v, n, 0.5);
    spread = quantile(v, n, 0.75) - quantile(v, n, 0.25);
  }
  if (spread > 0 && isfinite(spread) && isfinite(1 / spread)) f->factor = 1 / spread;
}
