// prep.c: what is learned from the training rows, and its application to any rows. Order: missing, clip, map, scale.
// Means and deviations (population) in double, two passes, in row order.
#include <math.h>
#include "data_int.h"

// ---------------------------------------------------------------- one column
static double clip_and_map(const Prep *p, double v) {
  if (p->has_clip) v = v < p->clip_lo ? p->clip_lo : v > p->clip_hi ? p->clip_hi : v;
  switch (p->map) {
  case MAP_LOG1P: return log1p(v);                          // v ≤ −1: not finite, reported by the caller
  case MAP_SQRT: return sqrt(v);
  case MAP_ABS: return fabs(v);
  default: return v;
  }
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double most_frequent(const double *sorted, int64_t n) {
  double best = sorted[0];
  int64_t most = 0;
  for (int64_t i = 0, j; i < n; i = j) {
    for (j = i; j < n && sorted[j] == sorted[i]; j++) continue;
    if (j - i > most) most = j - i, best = sorted[i];
  }
  return best;
}

static double replacement(const Prep *p, double *known, int64_t n) {    // sorts `known`
  double sum = 0;
  switch (p->missing) {
  case MISSING_CONSTANT: return p->missing_value;
  case MISSING_MEAN:
    for (int64_t i = 0; i < n; i++) sum += known[i];
    return n ? sum / (double)n : 0;
  case MISSING_MEDIAN: case MISSING_MODE:
    qsort(known, (size_t)n, sizeof *known, by_value);
    if (!n) return 0;
    return p->missing == MISSING_MODE ? most_frequent(known, n) : (known[(n - 1) / 2] + known[n / 2]) / 2;
  default: return 0;
  }
}

static Affine scaling(ScaleKind kind, const double *v, int64_t n) {
  Affine a = { 0, 0, 1 };
  if (kind == SCALE_NONE || !n) return a;
  double sum = 0, square = 0, lo = v[0], hi = v[0];
  for (int64_t i = 0; i < n; i++) {
    sum += v[i];
    if (v[i] < lo) lo = v[i];
    if (v[i] > hi) hi = v[i];
  }
  double mean = sum / (double)n;
  for (int64_t i = 0; i < n; i++) square += (v[i] - mean) * (v[i] - mean);
  double spread = kind == SCALE_ZSCORE ? sqrt(square / (double)n) : hi - lo;
  a.shift = kind == SCALE_ZSCORE ? mean : lo;
  a.factor = spread > 0 ? 1 / spread : 1;                   // a constant column becomes 0
  return a;
}

// Learns one column from values[i] of training rows; NaN: missing.
static Affine learn_column(const Prep *p, const double *values, const int8_t *split, const uint8_t *known, int64_t n, Arena *a, int64_t *seen) {
  double *x = NEW_ARRAY(a, double, n + 1);
  int64_t k = 0, missing = 0;
  for (int64_t i = 0; i < n; i++) {
    if (split[i] != 0 || (known && !known[i])) continue;
    if (isnan(values[i])) missing++;
    else x[k++] = values[i];
  }
  *seen = k;
  double fill = replacement(p, x, k);
  k = 0;
  for (int64_t i = 0; i < n; i++) {
    if (split[i] != 0 || (known && !known[i]) || (isnan(values[i]) && p->missing == MISSING_DROP)) continue;
    x[k++] = clip_and_map(p, isnan(values[i]) ? fill : values[i]);
  }
  Affine f = scaling(p->scale, x, k);
  f.missing = fill;
  return f;
}

// ---------------------------------------------------------------- vocabularies
static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static Vocabulary learn_vocabulary(const char **cells, const int8_t *split, int64_t n, int64_t min_count, Arena *a) {
  const char **sorted = NEW_ARRAY(a, const char *, n + 1);
  int64_t k = 0;
  for (int64_t i = 0; i < n; i++)
    if (split[i] == 0 && cells[i]) sorted[k++] = cells[i];
  qsort(sorted, (size_t)k, sizeof *sorted, by_text);
  Vocabulary v = { 0, NEW_ARRAY(a, const char *, k + 1), NEW_ARRAY(a, int64_t, k + 1) };
  for (int64_t i = 0, j; i < k; i = j) {
    for (j = i; j < k && !strcmp(sorted[i], sorted[j]); j++) continue;
    if (j - i < min_count) continue;
    v.values[v.n] = arena_strdup(a, sorted[i]);
    v.counts[v.n++] = j - i;
  }
  return v;
}

static int64_t position(const Vocabulary *v, const char *s) {           // −1: not in it
  int64_t lo = 0, hi = v->n - 1;
  while (lo <= hi) {
    int64_t mid = (lo + hi) / 2;
    int order = strcmp(s, v->values[mid]);
    if (!order) return mid;
    if (order < 0) hi = mid - 1;
    else lo = mid + 1;
  }
  return -1;
}

// FNV-1a 64 with the finaliser of splitmix64
static uint32_t hashed(const char *s, int64_t buckets) {
  uint64_t h = 0xcbf29ce484222325u;
  for (; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
  h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
  h ^= h >> 31;
  return (uint32_t)(h % (uint64_t)buckets);
}

// ---------------------------------------------------------------- learning
static const char *column_of(const DataPlan *p, const DataInput *in, int k) {
  if (in->kind == INPUT_VECTOR) return p->columns[in->first_column + (in->packed ? 0 : k)].name;
  return in->from->op == RX_COLUMN ? p->columns[in->from->index].name : in->name;
}

static void all_missing(Raw *r, const char *column) {
  diag_data(r->diag, "all-missing", r->table->path, 0, 0, column, "every training row misses this value");
}

static void drop_rows(const DataPlan *p, Raw *r) {                      // missing = drop
  for (int i = 0; i < p->n_inputs; i++) {
    const DataInput *in = &p->inputs[i];
    if (in->prep.missing != MISSING_DROP) continue;
    for (int64_t row = 0; row < r->n; row++) {
      bool gone = in->id_at >= 0 && !r->id[in->id_at][row];
      for (int k = 0; k < in->width; k++) gone |= isnan(r->dense[in->dense_at + k][row]);
      if (gone && r->split[row] >= 0) r->split[row] = -2;
    }
  }
}

static void learn_inputs(const DataPlan *p, Raw *r, PrepState *s, Arena *a) {
  for (int i = 0; i < p->n_inputs; i++) {
    const DataInput *in = &p->inputs[i];
    for (int k = 0; k < in->width; k++) {
      int64_t seen;
      s->dense[in->dense_at + k] = learn_column(&in->prep, r->dense[in->dense_at + k], r->split, NULL, r->n, r->arena, &seen);
      if (!seen) all_missing(r, column_of(p, in, k));
    }
    if (in->kind != INPUT_CATEGORY) continue;
    s->vocab[in->id_at] = learn_vocabulary(r->id[in->id_at], r->split, r->n, in->min_count > 0 ? in->min_count : 1, a);
    bool any = false;
    for (int64_t row = 0; row < r->n && !any; row++) any = r->split[row] == 0 && r->id[in->id_at][row];
    if (!any) all_missing(r, column_of(p, in, 0));
  }
}

static bool is_numeric_class(const Raw *r, int l) {                     // no training row needed the text
  for (int64_t i = 0; i < r->n; i++)
    if (r->known[l][i] && r->label[l][i] < 0) return false;
  return true;
}

static void learn_labels(const DataPlan *p, Raw *r, PrepState *s, Arena *a) {
  for (int l = 0; l < p->n_labels; l++) {
    const DataLabel *x = &p->labels[l];
    Prep prep = x->prep;
    prep.scale = x->kind == LABEL_REAL ? x->scale : SCALE_NONE;
    int64_t seen;
    s->label[l] = learn_column(&prep, r->label[l], r->split, r->known[l], r->n, r->arena, &seen);
    const char *name = x->from->op == RX_COLUMN ? p->columns[x->from->index].name : x->name;
    if (!seen) all_missing(r, name);
    if (x->kind != LABEL_CLASS || is_numeric_class(r, l)) continue;
    s->label_class[l] = learn_vocabulary(r->label_text[l], r->split, r->n, 1, a);
    if (s->label_class[l].n > x->classes)
      diag_data(r->diag, "too-many-classes", r->table->path, 0, 0, name, "%lld distinct values, but the label says class(%lld)",
                (long long)s->label_class[l].n, (long long)x->classes);
  }
}

bool prep_learn(const DataPlan *p, Raw *r, PrepState *s, Arena *a, Diag *d) {
  s->dense = NEW_ARRAY(a, Affine, p->dense_width + 1);
  s->vocab = NEW_ARRAY(a, Vocabulary, p->n_ids + 1);
  s->label = NEW_ARRAY(a, Affine, p->n_labels + 1);
  s->label_class = NEW_ARRAY(a, Vocabulary, p->n_labels + 1);
  drop_rows(p, r);
  int64_t train = 0;
  for (int64_t i = 0; i < r->n; i++) train += r->split[i] == 0;
  if (!train) {
    diag_data(d, "no-training-rows", r->table->path, 0, 0, NULL, "the split leaves no row to train on");
    return false;
  }
  int before = diag_errors(d);
  learn_inputs(p, r, s, a);
  learn_labels(p, r, s, a);
  return diag_errors(d) == before;
}

// ---------------------------------------------------------------- applying
typedef struct { const DataPlan *p; const PrepState *s; Raw *r; int split; Rows *out; DataSummary *sum; } Apply;

static void apply_real(Apply *k, int i, RowContext *c, int64_t to) {
  const DataInput *in = &k->p->inputs[i];
  for (int j = 0; j < in->width; j++) {
    double v = k->r->dense[in->dense_at + j][c->row];
    const Affine *f = &k->s->dense[in->dense_at + j];
    if (isnan(v)) {
      if (in->prep.missing == MISSING_ERROR || in->prep.missing == MISSING_DROP)
        row_error(c, "missing-value", column_of(k->p, in, j), "the value of `%s` is missing; to allow it: { missing = mean }, median, mode, a number, or drop", in->name);
      k->sum->input[i].missing++;
      v = f->missing;
    }
    if (in->prep.has_clip && (v < in->prep.clip_lo || v > in->prep.clip_hi)) k->sum->input[i].clipped++;
    double m = clip_and_map(&in->prep, v);
    if (!isfinite(m)) row_error(c, "out-of-domain", column_of(k->p, in, j), "%g has no %s", v, in->prep.map == MAP_SQRT ? "square root" : "log(1 + x)");
    k->out->dense[to * k->p->dense_width + in->dense_at + j] = (float)((m - f->shift) * f->factor);
  }
}

static void apply_id(Apply *k, int i, RowContext *c, int64_t to) {
  const DataInput *in = &k->p->inputs[i];
  const char *s = k->r->id[in->id_at][c->row];
  uint32_t id = 0;
  if (!s) {
    k->sum->input[i].missing++;
    if (in->prep.missing == MISSING_ERROR)
      row_error(c, "missing-value", column_of(k->p, in, 0), "the value of `%s` is missing; to allow it: { missing = \"none\" }, mode or drop", in->name);
    s = "";
  }
  if (in->kind == INPUT_ID) id = hashed(s, in->buckets);
  else {
    int64_t at = position(&k->s->vocab[in->id_at], s);
    id = (uint32_t)(at + 1);
    if (at < 0) {
      k->sum->input[i].unknown[k->split]++;
      if (in->unknown == UNKNOWN_ERROR) row_error(c, "unknown-category", column_of(k->p, in, 0), "`%.40s` does not occur in the training rows", s);
    }
  }
  k->out->ids[to * k->p->n_ids + in->id_at] = id;
}

static void apply_labels(Apply *k, RowContext *c, int64_t to) {
  for (int l = 0; l < k->p->n_labels; l++) {
    const DataLabel *x = &k->p->labels[l];
    bool known = k->r->known[l][c->row];
    double v = known ? k->r->label[l][c->row] : 0;
    const Vocabulary *classes = &k->s->label_class[l];
    if (known && x->kind == LABEL_CLASS && classes->n) {
      int64_t at = k->r->label_text[l][c->row] ? position(classes, k->r->label_text[l][c->row]) : -1;
      if (at < 0) row_error(c, "not-a-class", x->name, "`%.40s` does not occur in the training rows", k->r->label_text[l][c->row] ? k->r->label_text[l][c->row] : "");
      v = (double)at;
    } else if (known && x->kind == LABEL_REAL) v = (clip_and_map(&x->prep, v) - k->s->label[l].shift) * k->s->label[l].factor;
    k->out->y[l * k->out->n + to] = (float)v;
    k->out->w[l * k->out->n + to] = known;
    if (!known) k->sum->label[l].unknown[k->split]++;
    else k->sum->label[l].mean[k->split] += k->r->label[l][c->row];
  }
}

bool prep_apply(const DataPlan *p, const PrepState *s, Raw *r, int split, Rows *out, DataSummary *sum, Arena *a, Diag *d) {
  int64_t n = 0;
  for (int64_t i = 0; i < r->n; i++) n += r->split[i] == split;
  *out = (Rows){ .n = n, .dense = NEW_ARRAY(a, float, n * p->dense_width + 1), .ids = NEW_ARRAY(a, uint32_t, n * p->n_ids + 1),
                 .y = NEW_ARRAY(a, float, n * p->n_labels + 1), .w = NEW_ARRAY(a, float, n * p->n_labels + 1), .row = NEW_ARRAY(a, int64_t, n + 1) };
  Apply k = { p, s, r, split, out, sum };
  int before = r->errors;
  for (int64_t row = 0, to = 0; row < r->n; row++) {
    if (r->split[row] != split) continue;
    RowContext c = raw_context(r, row);
    for (int i = 0; i < p->n_inputs; i++) (p->inputs[i].id_at >= 0 ? apply_id : apply_real)(&k, i, &c, to);
    apply_labels(&k, &c, to);
    out->row[to++] = row + 1;
  }
  for (int l = 0; l < p->n_labels; l++) {
    double known = (double)(n - sum->label[l].unknown[split]);
    sum->label[l].mean[split] = known > 0 ? sum->label[l].mean[split] / known : NAN;
  }
  sum->rows[split] = n;
  if (r->errors > MAX_DATA_ERRORS && before <= MAX_DATA_ERRORS)
    diag_data(d, "more-errors", r->table->path, 0, 0, NULL, "and %d more errors", r->errors - MAX_DATA_ERRORS);
  return r->errors == before;
}
