// prep.c: what is learned from the training rows: replacements of missing values, scales, vocabularies, classes.
// Order of a number's preparation: missing, clip, map, scale. Means and deviations (population) in double, two passes, in
// row order; so the same rows give the same bits.
#include <math.h>
#include <utf8proc.h>
#include "data_int.h"

double clip_and_map(const Prep *p, double v) {
  if (p->has_clip) v = v < p->clip_lo ? p->clip_lo : v > p->clip_hi ? p->clip_hi : v;
  switch (p->map) {
  case MAP_LOG1P: return log1p(v);
  case MAP_SQRT: return sqrt(v);
  case MAP_ABS: return fabs(v);
  default: return v;
  }
}

void prep_new(const DataPlan *p, PrepState *s, Arena *a) {
  s->dense = NEW_ARRAY(a, Affine, p->dense_width + 1);
  s->vocab = NEW_ARRAY(a, Vocabulary, p->n_ids + 1);
  s->label = NEW_ARRAY(a, Affine, p->n_labels + 1);
  s->label_class = NEW_ARRAY(a, Vocabulary, p->n_labels + 1);
}

// ---------------------------------------------------------------- missing values
static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double most_frequent(const double *sorted, int64_t n) {          // the least of them where several are
  double best = sorted[0];
  int64_t most = 0;
  for (int64_t i = 0, j; i < n; i = j) {
    for (j = i; j < n && sorted[j] == sorted[i]; j++) continue;
    if (j - i > most) {
      most = j - i;
      best = sorted[i];
    }
  }
  return best;
}

static double mean_of(const double *v, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += v[i];
  return sum / (double)n;
}

static double replacement(const Prep *p, double *known, int64_t n) {    // n > 0; may sort `known`
  if (p->missing == MISSING_CONSTANT) return p->missing_value;
  if (p->missing == MISSING_MEAN) return mean_of(known, n);
  if (p->missing != MISSING_MEDIAN && p->missing != MISSING_MODE) return 0;
  qsort(known, (size_t)n, sizeof *known, by_value);
  return p->missing == MISSING_MODE ? most_frequent(known, n) : known[(n - 1) / 2] / 2 + known[n / 2] / 2;
}

// ---------------------------------------------------------------- scales
// A constant column has no scale: it becomes 0 (factor 1), and *constant is set.
static Affine scaling(ScaleKind kind, const double *v, int64_t n, bool *constant) {
  Affine a = {0, 0, 1};
  if (kind == SCALE_NONE || !n) return a;
  double square = 0, lo = v[0], hi = v[0];
  for (int64_t i = 0; i < n; i++) {
    if (v[i] < lo) lo = v[i];
    if (v[i] > hi) hi = v[i];
  }
  a.shift = lo;
  *constant = lo == hi;
  if (*constant) return a;
  double spread = hi - lo;
  if (kind == SCALE_ZSCORE) {
    a.shift = mean_of(v, n);
    for (int64_t i = 0; i < n; i++) square += (v[i] - a.shift) * (v[i] - a.shift);
    spread = sqrt(square / (double)n);
  }
  if (spread > 0 && isfinite(spread) && isfinite(1 / spread)) a.factor = 1 / spread;
  return a;
}

typedef struct {
  const double *value; const uint8_t *known;               // known NULL: where the value is no NaN
  const char *column, *name;
} Numbers;

// Learns one column of numbers from the training rows; all must be missing for an error.
static Affine learn_numbers(Raw *r, const Prep *p, ScaleKind scale, Numbers c) {
  double *x = xmalloc(sizeof *x * (size_t)r->n);
  int64_t known = 0, missing = 0;
  for (int64_t i = 0; i < r->n; i++) {
    if (r->split[i] != 0) continue;
    bool has = c.known ? c.known[i] : !isnan(c.value[i]);
    if (has) x[known++] = c.value[i];
    else missing += !c.known;
  }
  if (!known) {
    free(x);
    diag_data(r->diag, "all-missing", r->table->path, 0, 0, c.column, "every training row misses `%s`", c.name);
    return (Affine){0, 0, 1};
  }
  double fill = replacement(p, x, known);
  bool fills = missing && p->missing != MISSING_ERROR && p->missing != MISSING_DROP, constant = false;
  int64_t n = 0;
  for (int64_t i = 0; i < r->n; i++) {
    if (r->split[i] != 0) continue;
    if (c.known ? c.known[i] : !isnan(c.value[i])) x[n++] = clip_and_map(p, c.value[i]);
    else if (fills) x[n++] = clip_and_map(p, fill);
  }
  Affine f = scaling(scale, x, n, &constant);
  f.missing = fill;
  free(x);
  if (constant)
    diag_warn(r->diag, "constant-column", (Place){0}, "`%s` is the same in every training row: it carries nothing", c.name);
  return f;
}

// ---------------------------------------------------------------- vocabularies
typedef struct { const char *value; int64_t count; } Counted;
static int by_text(const void *a, const void *b) { return strcmp(((const Counted *)a)->value, ((const Counted *)b)->value); }

int64_t vocabulary_find(const Vocabulary *v, const char *s) {
  int64_t lo = 0, hi = v->n - 1;
  while (lo <= hi) {
    int64_t mid = lo + (hi - lo) / 2;
    int order = strcmp(s, v->values[mid]);
    if (!order) return mid;
    if (order < 0) hi = mid - 1;
    else lo = mid + 1;
  }
  return -1;
}

static bool is_utf8(const char *s) {
  utf8proc_int32_t point;
  for (utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(s), step; left > 0; s += step, left -= step)
    if ((step = utf8proc_iterate((const utf8proc_uint8_t *)s, left, &point)) <= 0) return false;
  return true;
}

// The first row that holds the text of a number.
static int64_t first_row(const Raw *r, const Distinct *d, int64_t code) {
  for (int64_t i = 0; i < r->n; i++)
    if (d->code[i] == code) return i;
  return 0;
}

// Sorted by bytes; rarer values than min_count are left out. with_missing: a missing cell is the value "".
static Vocabulary learn_vocabulary(Raw *r, const Distinct *d, int64_t min_count, bool with_missing, const char *column,
                                   Arena *a) {
  int64_t *count = xcalloc((size_t)d->n + 1, sizeof *count), missing = 0, n = 0;
  for (int64_t i = 0; i < r->n; i++) {
    if (r->split[i] != 0) continue;
    if (d->code[i] >= 0) count[d->code[i]]++;
    else missing++;
  }
  Counted *kept = xmalloc(sizeof *kept * (size_t)(d->n + 1));
  if (with_missing && missing) kept[n++] = (Counted){"", missing};
  for (int64_t k = 0; k < d->n; k++) {
    if (!count[k]) continue;
    if (is_utf8(d->value[k])) kept[n++] = (Counted){d->value[k], count[k]};
    else row_error(r, first_row(r, d, k), 1, "not-utf8", column, "`%s` is not in UTF-8", shown(r, d->value[k]));
  }
  qsort(kept, (size_t)n, sizeof *kept, by_text);
  Vocabulary v = {0, NEW_ARRAY(a, const char *, n + 1), NEW_ARRAY(a, int64_t, n + 1)};
  for (int64_t k = 0; k < n; k++) {
    if (kept[k].count < min_count) continue;
    v.values[v.n] = arena_strdup(a, kept[k].value);
    v.counts[v.n++] = kept[k].count;
  }
  free(kept);
  free(count);
  return v;
}

static bool has_training_value(const Raw *r, const Distinct *d) {
  for (int64_t i = 0; i < r->n; i++)
    if (r->split[i] == 0 && d->code[i] >= 0) return true;
  return false;
}

// ---------------------------------------------------------------- all inputs, all labels
static void learn_input(Raw *r, const DataInput *in, PrepState *s, Arena *a) {
  for (int k = 0; k < in->width; k++) {
    const char *column = input_column(r->plan, in, k), *name = in->width > 1 ? column : in->name;
    if (in->packed) name = arena_printf(r->arena, "%s[%d]", in->name, k);
    Numbers numbers = {r->dense[in->dense_at + k], NULL, column, name};
    s->dense[in->dense_at + k] = learn_numbers(r, &in->prep, in->prep.scale, numbers);
  }
  if (in->id_at < 0) return;
  const Distinct *d = &r->id[in->id_at];
  const char *column = input_column(r->plan, in, 0);
  if (!has_training_value(r, d))
    diag_data(r->diag, "all-missing", r->table->path, 0, 0, column, "every training row misses `%s`", in->name);
  if (in->kind == INPUT_CATEGORY)
    s->vocab[in->id_at] = learn_vocabulary(r, d, in->min_count, in->prep.missing == MISSING_CONSTANT, column, a);
}

// Numbers 0 … n−1 where every known value of the file is a number, else the texts of the training rows.
static void learn_classes(Raw *r, int at, PrepState *s, Arena *a) {
  const DataLabel *l = &r->plan->labels[at];
  bool numbers = true;
  for (int64_t k = 0; k < r->classes[at].n && numbers; k++) numbers = parse_number(r->classes[at].value[k], &(double){0});
  if (numbers) return;
  s->label_class[at] = learn_vocabulary(r, &r->classes[at], 1, false, label_column(r->plan, l), a);
  if (s->label_class[at].n > l->classes)
    diag_data(r->diag, "too-many-classes", r->table->path, 0, 0, label_column(r->plan, l),
              "%lld different texts in the training rows, but `%s` is a class(%lld)", (long long)s->label_class[at].n,
              l->name, (long long)l->classes);
}

static void warn_single_class(Raw *r, int at) {
  const DataLabel *l = &r->plan->labels[at];
  const double *y = r->label[at];
  const Distinct *d = l->kind == LABEL_CLASS ? &r->classes[at] : NULL;
  int64_t first = -1;
  for (int64_t i = 0; i < r->n; i++) {
    if (r->split[i] != 0 || !r->known[at][i]) continue;
    if (first < 0) first = i;
    else if (d ? d->code[i] != d->code[first] : y[i] != y[first]) return;
  }
  if (first < 0) return;
  const char *value = d ? d->value[d->code[first]] : y[first] != 0 ? "true" : "false";
  diag_warn(r->diag, "single-class", (Place){0}, "`%s` is %s in every training row: nothing can be learned from it", l->name,
            shown(r, value));
}

static void learn_label(Raw *r, int at, PrepState *s, Arena *a) {
  const DataLabel *l = &r->plan->labels[at];
  s->label[at] = learn_numbers(r, &l->prep, l->kind == LABEL_REAL ? l->scale : SCALE_NONE,
                               (Numbers){r->label[at], r->known[at], label_column(r->plan, l), l->name});
  if (l->kind == LABEL_CLASS) learn_classes(r, at, s, a);
  if (l->kind == LABEL_BINARY || l->kind == LABEL_CLASS) warn_single_class(r, at);
}

bool prep_learn(Raw *r, PrepState *s, Arena *a) {
  int before = diag_errors(r->diag);
  int64_t train = 0;
  for (int64_t i = 0; i < r->n; i++) train += r->split[i] == 0;
  if (!train) {
    diag_data(r->diag, "no-training-rows", r->table->path, 0, 0, NULL, "the split leaves none of %lld rows to train on",
              (long long)r->n);
    return false;
  }
  prep_new(r->plan, s, a);
  for (int i = 0; i < r->plan->n_inputs; i++) learn_input(r, &r->plan->inputs[i], s, a);
  for (int i = 0; i < r->plan->n_labels; i++) learn_label(r, i, s, a);
  return raw_finish(r) && diag_errors(r->diag) == before;
}
