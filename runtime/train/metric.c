// metric.c: what a task's predictions are worth, over all rows of a split at once; never a mean of batch values. A row
// counts when w ≠ 0. Sums in double, in row order.
#include <math.h>
#include "../train.h"

typedef struct { double at; const float *y, *w, *p; int64_t n; int width; } Scored;

static bool positive(float y) { return y > 0.5f; }
static double ratio(double a, double b) { return b > 0 ? a / b : NAN; }

// ---------------------------------------------------------------- ranks
// A key of p that sorts as p does (any order of finite floats; −0 = +0), in the upper half; the label below.
static uint64_t rank_key(float p, bool y) {
  uint32_t bits;
  p += 0.0f;                                                 // −0 becomes +0
  memcpy(&bits, &p, sizeof bits);
  bits = bits >> 31 ? ~bits : bits | 0x80000000u;
  return (uint64_t)bits << 32 | y;
}

// By the upper 32 bits: three passes of 11 bits, least significant first. tmp: n more.
static uint64_t *radix_sort(uint64_t *a, uint64_t *tmp, int64_t n) {
  enum { BITS = 11, SIZE = 1 << BITS };
  for (int shift = 32; shift < 64; shift += BITS) {
    int64_t at[SIZE] = {0}, sum = 0;
    for (int64_t i = 0; i < n; i++) at[a[i] >> shift & (SIZE - 1)]++;
    for (int b = 0; b < SIZE; b++) {
      int64_t count = at[b];
      at[b] = sum;
      sum += count;
    }
    for (int64_t i = 0; i < n; i++) tmp[at[a[i] >> shift & (SIZE - 1)]++] = a[i];
    uint64_t *swap = a;
    a = tmp, tmp = swap;
  }
  return a;
}

// Twice the number of pairs (negative, positive) in the right order, ties as half. keys sorted. Exact: integers.
static uint64_t doubled_wins(const uint64_t *keys, int64_t n) {
  uint64_t wins = 0, below = 0;                              // below: negatives of smaller keys
  for (int64_t i = 0, j; i < n; i = j) {
    uint64_t pos = 0, neg = 0;
    for (j = i; j < n && keys[j] >> 32 == keys[i] >> 32; j++) *(keys[j] & 1 ? &pos : &neg) += 1;
    wins += pos * (2 * below + neg);
    below += neg;
  }
  return wins;
}

// Area under the ROC curve: the part of all pairs (positive, negative) in which the positive scores higher, ties as half
// (Mann–Whitney). NAN with one class only.
static double metric_auc(const Scored *s) {
  uint64_t *keys = xmalloc((size_t)s->n * 2 * sizeof *keys);
  int64_t n = 0, pos = 0;
  bool number = s->width == 1;
  for (int64_t i = 0; i < s->n && number; i++) {
    if (s->w[i] == 0) continue;
    number = !isnan(s->p[i]);
    pos += positive(s->y[i]);
    keys[n++] = rank_key(s->p[i], positive(s->y[i]));
  }
  double auc = NAN;
  if (number && pos && pos < n)
    auc = (double)doubled_wins(radix_sort(keys, keys + s->n, n), n) / (2.0 * (double)pos * (double)(n - pos));
  free(keys);
  return auc;
}

// ---------------------------------------------------------------- likelihood
// −log of the probability of what was true, mean over rows; probabilities held at 1e-15 or more (scikit-learn's old clamp).
// Classes: a true class that the head does not have counts as probability 0.
static double metric_logloss(const Scored *s) {
  double sum = 0, rows = 0;
  for (int64_t i = 0; i < s->n; i++) {
    if (s->w[i] == 0) continue;
    double q;
    if (s->width == 1) q = positive(s->y[i]) ? (double)s->p[i] : 1 - (double)s->p[i];
    else q = s->y[i] >= 0 && s->y[i] < (float)s->width ? (double)s->p[i * s->width + (int64_t)s->y[i]] : 0;
    if (isnan(q)) return NAN;
    sum -= log(q < 1e-15 ? 1e-15 : q);
    rows++;
  }
  return ratio(sum, rows);
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
    if (s->w[i] == 0) continue;
    c.rows++;
    if (s->width > 1) {
      int64_t k = largest(s->p + i * s->width, s->width);
      if (k < 0) c.number = false;
      c.right += (double)s->y[i] == (double)k;
      continue;
    }
    if (isnan(s->p[i])) c.number = false;
    bool yes = s->p[i] > s->at, is = positive(s->y[i]);
    *(yes ? is ? &c.tp : &c.fp : is ? &c.fn : &c.tn) += 1;
    c.right += yes == is;
  }
  return c;
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
typedef struct { double absolute, square, y, rows; } Errors;

static Errors errors(const Scored *s) {
  Errors e = {0};
  for (int64_t i = 0; i < s->n; i++) {
    if (s->w[i] == 0) continue;
    double d = (double)s->p[i] - (double)s->y[i];
    e.absolute += fabs(d);
    e.square += d * d;
    e.y += (double)s->y[i];
    e.rows++;
  }
  return e;
}

static double metric_mae(const Scored *s) {                  // mean |p − y|
  Errors e = errors(s);
  return s->width == 1 ? ratio(e.absolute, e.rows) : NAN;
}
static double metric_rmse(const Scored *s) {                 // √ mean (p − y)²
  Errors e = errors(s);
  return s->width == 1 ? sqrt(ratio(e.square, e.rows)) : NAN;
}
// 1 − Σ (p − y)² / Σ (y − ȳ)², ȳ of these rows; NAN where y is constant
static double metric_r2(const Scored *s) {
  Errors e = errors(s);
  double mean = ratio(e.y, e.rows), spread = 0;
  for (int64_t i = 0; i < s->n; i++)
    if (s->w[i] != 0) spread += ((double)s->y[i] - mean) * ((double)s->y[i] - mean);
  return s->width == 1 && spread > 0 ? 1 - e.square / spread : NAN;
}

// ---------------------------------------------------------------- the table
enum { ON_BINARY = 1 << LABEL_BINARY, ON_CLASS = 1 << LABEL_CLASS, ON_REAL = 1 << LABEL_REAL };
typedef double MetricFn(const Scored *s);
typedef struct { const char *name; MetricFn *fn; int labels; bool probability, minimise; const char *format; } Row;
static const Row rows[N_METRICS] = {
  [METRIC_AUC]       = { "auc",       metric_auc,       ON_BINARY,            false, false, "%.4f" },
  [METRIC_LOGLOSS]   = { "logloss",   metric_logloss,   ON_BINARY | ON_CLASS, true,  true,  "%.4f" },
  [METRIC_ACCURACY]  = { "accuracy",  metric_accuracy,  ON_BINARY | ON_CLASS, false, false, "%.4f" },
  [METRIC_PRECISION] = { "precision", metric_precision, ON_BINARY,            false, false, "%.4f" },
  [METRIC_RECALL]    = { "recall",    metric_recall,    ON_BINARY,            false, false, "%.4f" },
  [METRIC_F1]        = { "f1",        metric_f1,        ON_BINARY,            false, false, "%.4f" },
  [METRIC_MAE]       = { "mae",       metric_mae,       ON_BINARY | ON_REAL,  false, true,  "%.5g" },
  [METRIC_RMSE]      = { "rmse",      metric_rmse,      ON_BINARY | ON_REAL,  false, true,  "%.5g" },
  [METRIC_R2]        = { "r2",        metric_r2,        ON_BINARY | ON_REAL,  false, false, "%.4f" },
};

double metric_value(MetricKind k, double at, const float *y, const float *w, const float *p, int64_t n, int width) {
  return rows[k].fn(&(Scored){ at, y, w, p, n, width });
}
const char *metric_name(MetricKind k) { return rows[k].name; }
bool metric_minimise(MetricKind k) { return rows[k].minimise; }
bool metric_fits(MetricKind k, LabelKind label, bool probability) {
  return (rows[k].labels >> label & 1) && (probability || !rows[k].probability);
}
const char *metric_format(MetricKind k) { return rows[k].format; }
