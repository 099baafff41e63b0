// metric.c: what a task's predictions are worth, over all rows of a split at once; never a mean of batch values. A row
// counts w times, and not at all where w = 0. Sums in double, in row order. Those that rank rows: metric_rank.c.
#include <math.h>
#include "train_int.h"

#define HELD 1e-7                                            // what a deviance takes for a prediction of 0: as the losses do
static double ratio(double a, double b) { return b > 0 ? a / b : NAN; }

// ---------------------------------------------------------------- likelihood
// −log of the probability of what was true, mean over rows; probabilities held at 1e-15 or more (scikit-learn's old clamp).
// Classes: a true class that the head does not have counts as probability 0.
static double metric_logloss(const Scored *s) {
  double sum = 0, rows = 0;
  for (int64_t i = 0; i < s->n; i++) {
    if (s->w[i] == 0) continue;
    double q;
    if (s->width == 1) q = is_positive(s->y[i]) ? (double)s->p[i] : 1 - (double)s->p[i];
    else q = s->y[i] >= 0 && s->y[i] < (float)s->width ? (double)s->p[i * s->width + (int64_t)s->y[i]] : 0;
    if (isnan(q)) return NAN;
    sum -= (double)s->w[i] * log(q < 1e-15 ? 1e-15 : q);
    rows += (double)s->w[i];
  }
  return ratio(sum, rows);
}

// logloss / (−b·log b − (1 − b)·log(1 − b)), b the share of positives in these rows: 1 is as good as knowing b alone. NAN
// with one class only. He et al. 2014, "Practical Lessons from Predicting Clicks on Ads at Facebook"
static double metric_normalised_entropy(const Scored *s) {
  double yes = 0, rows = 0;
  for (int64_t i = 0; i < s->n; i++) {
    rows += (double)s->w[i];
    yes += is_positive(s->y[i]) ? (double)s->w[i] : 0;
  }
  double b = ratio(yes, rows);
  return b > 0 && b < 1 && s->width == 1 ? metric_logloss(s) / (-b * log(b) - (1 - b) * log(1 - b)) : NAN;
}

// ---------------------------------------------------------------- decisions
// Binary: yes where p > at (Keras's rule). Classes: the largest score, the first of equals.
typedef struct { double tp, fp, fn, tn, rows, right; bool number; } Counts;

static int64_t largest(const float *p, int width) {          // −1: a score is NaN
  int64_t best = 0;
  for (int64_t j = 0; j < width; j++) {
    if (isnan(p[j])) return -1;
    if (p[j] > p[best]) best = j;
  }
  return best;
}

static Counts count(const Scored *s) {
  Counts c = { .number = true };
  for (int64_t i = 0; i < s->n; i++) {
    double w = (double)s->w[i];
    if (w == 0) continue;
    c.rows += w;
    if (s->width > 1) {
      int64_t k = largest(s->p + i * s->width, s->width);
      if (k < 0) c.number = false;
      c.right += (double)s->y[i] == (double)k ? w : 0;
      continue;
    }
    if (isnan(s->p[i])) c.number = false;
    bool yes = (double)s->p[i] > s->arg, is = is_positive(s->y[i]);
    *(yes ? is ? &c.tp : &c.fp : is ? &c.fn : &c.tn) += w;
    c.right += yes == is ? w : 0;
  }
  return c;
}

void confusion_of(const Scored *s, Arena *a, Confusion *c) {
  int size = s->width > 1 ? s->width : 2;
  *c = (Confusion){ .size = size, .rows = NEW_ARRAY(a, double, (size_t)size * (size_t)size), .defined = true };
  for (int64_t i = 0; i < s->n; i++) {
    double w = (double)s->w[i];
    if (w == 0) continue;
    int64_t said = s->width > 1 ? largest(s->p + i * s->width, s->width) : isnan(s->p[i]) ? -1 : (double)s->p[i] > s->arg;
    bool known = s->width == 1 || (s->y[i] >= 0 && s->y[i] < (float)size);
    int64_t is = s->width > 1 ? known ? (int64_t)s->y[i] : 0 : is_positive(s->y[i]);
    if (said < 0) c->defined = false;
    else if (known) c->rows[is * size + said] += w;
    else c->beyond += w;
  }
  if (c->defined) return;
  memset(c->rows, 0, sizeof *c->rows * (size_t)size * (size_t)size);
  c->beyond = 0;
}

static double metric_accuracy(const Scored *s) {             // right / rows
  Counts c = count(s);
  return c.number ? ratio(c.right, c.rows) : NAN;
}
static double metric_precision(const Scored *s) {            // tp / (tp + fp); NAN where nothing is predicted
  Counts c = count(s);
  return c.number && s->width == 1 ? ratio(c.tp, c.tp + c.fp) : NAN;
}
static double metric_recall(const Scored *s) {               // tp / (tp + fn); NAN where nothing is true
  Counts c = count(s);
  return c.number && s->width == 1 ? ratio(c.tp, c.tp + c.fn) : NAN;
}
// 2tp / (2tp + fp + fn): 0 where nothing is found, NAN where nothing is to be
static double metric_f1(const Scored *s) {
  Counts c = count(s);
  return c.number && s->width == 1 ? ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn) : NAN;
}

// ---------------------------------------------------------------- distances
typedef struct { double absolute, square, y, p, rows; } Errors;

static Errors errors(const Scored *s) {
  Errors e = {0};
  for (int64_t i = 0; i < s->n && s->width == 1; i++) {
    double w = (double)s->w[i], d = (double)s->p[i] - (double)s->y[i];
    if (w == 0) continue;
    e.absolute += w * fabs(d);
    e.square += w * (d * d);
    e.y += w * (double)s->y[i];
    e.p += w * (double)s->p[i];
    e.rows += w;
  }
  return e;
}

static double metric_mae(const Scored *s) {                  // mean |p − y|
  Errors e = errors(s);
  return ratio(e.absolute, e.rows);
}
static double metric_rmse(const Scored *s) {                 // √ mean (p − y)²
  Errors e = errors(s);
  return sqrt(ratio(e.square, e.rows));
}
static double metric_brier(const Scored *s) {                // mean (p − y)². Brier 1950
  Errors e = errors(s);
  return ratio(e.square, e.rows);
}
static double metric_calibration(const Scored *s) {          // Σ p / Σ y: above 1, too much is predicted. NAN where Σ y = 0
  Errors e = errors(s);
  return ratio(e.p, e.y);
}
// 1 − Σ (p − y)² / Σ (y − ȳ)², ȳ of these rows; NAN where y is constant
static double metric_r2(const Scored *s) {
  Errors e = errors(s);
  double mean = ratio(e.y, e.rows), spread = 0;
  for (int64_t i = 0; i < s->n; i++)
    if (s->w[i] != 0) spread += (double)s->w[i] * (((double)s->y[i] - mean) * ((double)s->y[i] - mean));
  return s->width == 1 && spread > 0 ? 1 - e.square / spread : NAN;
}

// Expected calibration error: Σ_b w_b/w · |mean y − mean p| over `bins` of equal width, bin b being ((b − 1)/bins, b/bins].
// NAN where p is no probability. Naeini, Cooper, Hauskrecht 2015; Guo et al. 2017
static double metric_ece(const Scored *s) {
  int64_t bins = (int64_t)s->arg;
  double *gap = xcalloc((size_t)bins, sizeof *gap), sum = 0, rows = 0;
  bool fits = s->width == 1;
  for (int64_t i = 0; i < s->n && fits; i++) {
    double w = (double)s->w[i], p = (double)s->p[i];
    if (w == 0) continue;
    fits = p >= 0 && p <= 1;
    int64_t b = fits && p > 0 ? (int64_t)ceil(p * (double)bins) - 1 : 0;
    gap[b] += w * ((is_positive(s->y[i]) ? 1 : 0) - p);
    rows += w;
  }
  for (int64_t b = 0; b < bins; b++) sum += fabs(gap[b]);
  free(gap);
  return fits ? ratio(sum, rows) : NAN;
}

// ---------------------------------------------------------------- deviances
// 2·(log likelihood of p = y less that of p), mean over rows; p held at 1e-7 or more. NAN where a label is below 0 (of
// gamma: 0 or below). Jørgensen 1987
static double unit_deviance(double k, double y, double p) {
  if (k == 1) return 2 * ((y > 0 ? y * log(y / p) : 0) - y + p);
  if (k == 2) return 2 * (log(p / y) + y / p - 1);
  return 2 * (pow(y, 2 - k) / ((1 - k) * (2 - k)) - y * pow(p, 1 - k) / (1 - k) + pow(p, 2 - k) / (2 - k));
}

static double deviance(const Scored *s, double power) {
  double sum = 0, rows = 0;
  for (int64_t i = 0; i < s->n && s->width == 1; i++) {
    double w = (double)s->w[i], y = (double)s->y[i], p = (double)s->p[i];
    if (w == 0) continue;
    if (y < 0 || (power == 2 && y == 0) || isnan(p)) return NAN;
    sum += w * unit_deviance(power, y, p < HELD ? HELD : p);
    rows += w;
  }
  return ratio(sum, rows);
}

static double metric_poisson_deviance(const Scored *s) { return deviance(s, 1); }
static double metric_gamma_deviance(const Scored *s) { return deviance(s, 2); }
static double metric_tweedie_deviance(const Scored *s) { return deviance(s, s->arg); }

// ---------------------------------------------------------------- the table
typedef double MetricFn(const Scored *s);
#define METRIC(id, name, labels, flags, arg, format) { #name, labels, flags, arg, format },
const MetricRow metric_rows[N_METRICS] = {
#include "metric.def"
};
#undef METRIC
#define METRIC(id, name, labels, flags, arg, format) metric_##name,
static MetricFn *const functions[N_METRICS] = {
#include "metric.def"
};
#undef METRIC

double metric_of(MetricKind k, const Scored *s) {
  CHECK(!(metric_rows[k].flags & METRIC_BY) || s->group);
  return functions[k](s);
}
