// prep.c: what is learned from the training rows: replacements of missing values, scales, vocabularies, classes.
// Order of a number's preparation: missing, clip, map, scale. Means and deviations (population) in double, two passes, in
// row order; so the same rows give the same bits.
#include <float.h>
#include <math.h>
#include "data_int.h"

double clip_and_map(const Prep *p, const Affine *f, double v) {
  if (p->has_clip) v = v < f->lo ? f->lo : v > f->hi ? f->hi : v;
  switch (p->map) {
  case MAP_LOG1P: return log1p(v);
  case MAP_SQRT: return sqrt(v);
  case MAP_ABS: return fabs(v);
  case MAP_BUCKETIZE: break;
  default: return v;
  }
  int lo = 0, hi = f->n_bounds;                              // how many bounds are ≤ v
  while (lo < hi) {
    int mid = (lo + hi) / 2;
    if (f->bounds[mid] <= v) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

const char *map_name(const Prep *p) { return p->map == MAP_SQRT ? "square root" : "log(1 + x)"; }

NumberFit prepared_number(const Prep *p, const Affine *f, double v, float *out, double *large) {
  double m = clip_and_map(p, f, v), x = (m - f->shift) * f->factor;
  *out = 0;
  *large = x;
  if (!isfinite(m)) return NUMBER_OUTSIDE;
  if (fabs(x) > FLT_MAX) return NUMBER_LARGE;
  *out = (float)x;
  return NUMBER_FINE;
}

void prep_new(const DataPlan *p, PrepState *s, Arena *a) {
  s->dense = NEW_ARRAY(a, Affine, p->dense_width + 1);
  s->vocab = NEW_ARRAY(a, Vocabulary, p->n_ids + 1);
  s->label = NEW_ARRAY(a, Affine, p->n_labels + 1);
  s->label_class = NEW_ARRAY(a, Vocabulary, p->n_labels + 1);
}

// ---------------------------------------------------------------- missing values
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

static double replacement(const Prep *p, double *known, int64_t n) {    // n > 0; may sort `known`
  double sum = 0;
  if (p->missing == MISSING_CONSTANT) return p->missing_value;
  if (p->missing != MISSING_MEAN && p->missing != MISSING_MEDIAN && p->missing != MISSING_MODE) return 0;
  for (int64_t i = 0; i < n; i++) sum += known[i];
  if (p->missing == MISSING_MEAN) return sum / (double)n;
  qsort(known, (size_t)n, sizeof *known, by_value);
  return p->missing == MISSING_MODE ? most_frequent(known, n) : known[(n - 1) / 2] / 2 + known[n / 2] / 2;
}

// ---------------------------------------------------------------- columns of numbers
static void warn_constant(Raw *r, const char *name) {
  diag_warn(r->diag, "constant-column", (Place){0}, "`%s` is the same in every training row: it carries nothing", name);
}

typedef struct {
  const double *value; const uint8_t *known;               // known NULL: where the value is no NaN
  const char *column, *name;
} Numbers;

static double clipped(const Prep *p, const Affine *f, double v) {
  return !p->has_clip ? v : v < f->lo ? f->lo : v > f->hi ? f->hi : v;
}

static bool limits_fit(Raw *r, const Prep *p, double *known, int64_t n, Affine *f, const char *column, const char *name) {
  if (learn_limits(p, known, n, f)) return true;
  diag_data(r->diag, "no-range", r->table->path, 0, 0, column, "`clip` of `%s` would go from %g to %g in the training rows",
            name, f->lo, f->hi);
  return false;
}

// n > 0 values with missing ones replaced and clipped, which are changed: boundaries, then the scale of what map makes.
static void learn_map_and_scale(Raw *r, const Prep *p, ScaleKind scale, double *x, int64_t n, const char *name, Affine *f,
                                Arena *a) {
  bool constant = false;
  learn_bounds(p, x, n, f, a);
  for (int64_t i = 0; i < n && (p->has_clip || p->map != MAP_NONE); i++) x[i] = clip_and_map(p, f, x[i]);
  learn_scale(scale, x, n, f, &constant);
  if (constant) warn_constant(r, name);
}

// Values of the training rows; fill, where it is not NULL, stands for missing ones, which are left out else, and counted. Without branches,
// which the rows of a split at random would mislead.
static int64_t training_values(const Raw *r, Numbers c, const double *fill, double *x, int64_t *missing) {
  int64_t n = 0;
  bool fills = fill && !c.known;
  double other = fill ? *fill : 0;
  for (int64_t i = 0; i < r->n; i++) {
    bool train = r->split[i] == 0, has = c.known ? c.known[i] : !isnan(c.value[i]);
    x[n] = has ? c.value[i] : other;
    n += train & (has | fills);
    *missing += train & !has & !c.known;
  }
  return n;
}

static bool has_value(const Raw *r, Numbers c) {
  for (int64_t i = 0; i < r->n; i++)
    if (r->split[i] == 0 && (c.known ? c.known[i] : !isnan(c.value[i]))) return true;
  return false;
}

// Learns one column of numbers from the training rows; all must be missing for an error.
static Affine learn_numbers(Raw *r, const Prep *p, ScaleKind scale, Numbers c, Arena *a) {
  Affine f = {0, 0, 1, 0, 0, NULL, 0};
  bool sorts = p->has_clip || p->missing == MISSING_MEDIAN || p->missing == MISSING_MODE;        // or may
  if (!has_value(r, c)) {
    diag_data(r->diag, "all-missing", r->table->path, 0, 0, c.column, "every training row misses `%s`", c.name);
    return f;
  }
  if (scale == SCALE_NONE && p->map != MAP_BUCKETIZE && p->missing != MISSING_MEAN && !sorts) {
    f.missing = replacement(p, NULL, 0);                     // the values teach nothing
    return f;
  }
  double *x = r->room;
  int64_t missing = 0, n = training_values(r, c, NULL, x, &missing);
  if (!limits_fit(r, p, x, n, &f, c.column, c.name)) return f;
  f.missing = replacement(p, x, n);
  bool fills = missing && p->missing != MISSING_ERROR && p->missing != MISSING_DROP;
  if (fills || sorts) n = training_values(r, c, fills ? &f.missing : NULL, x, &missing);
  for (int64_t i = 0; i < n && p->has_clip; i++) x[i] = clipped(p, &f, x[i]);
  learn_map_and_scale(r, p, scale, x, n, c.name, &f, a);
  return f;
}

// All items of a list(real) in the training rows are one column.
static int64_t training_items(const Raw *r, const ItemList *l, double *x) {
  int64_t n = 0;
  for (int64_t row = 0; row < r->n; row++)
    for (int64_t i = items_from(l, row); r->split[row] == 0 && i < l->end[row]; i++) x[n++] = l->value[i];
  return n;
}

static Affine learn_items(Raw *r, int at, Arena *a) {
  const DataInput *in = &r->plan->inputs[at];
  const ItemList *l = &r->list[at];
  double *x = xmalloc(sizeof *x * (size_t)(l->n + 1));
  int64_t n = training_items(r, l, x);
  Affine f = {0, 0, 1, 0, 0, NULL, 0};
  if (n && limits_fit(r, &in->prep, x, n, &f, input_column(r->plan, in, 0), in->name)) {
    n = training_items(r, l, x);
    for (int64_t i = 0; i < n; i++) x[i] = clipped(&in->prep, &f, x[i]);
    learn_map_and_scale(r, &in->prep, in->prep.scale, x, n, in->name, &f, a);
  }
  free(x);
  return f;
}

// The buckets of a category by bucketize; a missing value is none of them, unless it is replaced by the most frequent one.
static void learn_buckets(Raw *r, int at, PrepState *s, Arena *a) {
  const DataInput *in = &r->plan->inputs[at];
  Prep p = in->prep;
  if (p.missing != MISSING_MODE) p.missing = MISSING_DROP;
  Vocabulary *v = &s->vocab[in->id_at];
  v->number = learn_numbers(r, &p, SCALE_NONE, (Numbers){r->number[at], NULL, input_column(r->plan, in, 0), in->name}, a);
  v->n = v->number.n_bounds + 1;
}

static void check_times(Raw *r, int at) {
  const DataInput *in = &r->plan->inputs[at];
  for (int64_t i = 0; i < r->n; i++)
    if (r->split[i] == 0 && !isnan(r->number[at][i])) return;
  diag_data(r->diag, "all-missing", r->table->path, 0, 0, input_column(r->plan, in, 0), "every training row misses `%s`",
            in->name);
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

// What is counted for a vocabulary: a column of texts (list NULL), or the items of lists.
typedef struct { const Distinct *d; const ItemList *list; } Texts;

// The first row that holds the text of a number.
static int64_t first_row(const Raw *r, Texts t, int64_t code) {
  for (int64_t row = 0; row < r->n; row++) {
    if (!t.list && t.d->code[row] == code) return row;
    for (int64_t i = t.list ? items_from(t.list, row) : 0; t.list && i < t.list->end[row]; i++)
      if (t.list->code[i] == code) return row;
  }
  return 0;
}

// How often each text occurs in the training rows; returns how many of these miss the cell (an empty list misses nothing).
static int64_t count_texts(const Raw *r, Texts t, int64_t *count) {
  int64_t missing = 0;
  for (int64_t row = 0; row < r->n; row++) {
    if (r->split[row] != 0) continue;
    if (t.list)
      for (int64_t i = items_from(t.list, row); i < t.list->end[row]; i++) count[t.list->code[i]]++;
    else if (t.d->code[row] >= 0) count[t.d->code[row]]++;
    else missing++;
  }
  return missing;
}

// Sorted by bytes; rarer values than min_count are left out. with_missing: a missing cell is the value "".
static Vocabulary learn_vocabulary(Raw *r, Texts t, int64_t min_count, bool with_missing, const char *column, Arena *a) {
  const Distinct *d = t.d;
  int64_t *count = xcalloc((size_t)d->n + 1, sizeof *count), missing = count_texts(r, t, count), n = 0;
  Counted *kept = xmalloc(sizeof *kept * (size_t)(d->n + 1));
  if (with_missing && missing) kept[n++] = (Counted){"", missing};
  for (int64_t k = 0; k < d->n; k++) {
    if (!count[k]) continue;
    if (valid_utf8(d->value[k])) kept[n++] = (Counted){d->value[k], count[k]};
    else row_error(r, first_row(r, t, k), 1, "not-utf8", column, "`%s` is not in UTF-8", shown(r, d->value[k]));
  }
  qsort(kept, (size_t)n, sizeof *kept, by_text);
  Vocabulary v = {.values = NEW_ARRAY(a, const char *, n + 1), .counts = NEW_ARRAY(a, int64_t, n + 1)};
  for (int64_t k = 0; k < n; k++) {
    if (kept[k].count < min_count) continue;
    v.values[v.n] = arena_strdup(a, kept[k].value);
    v.counts[v.n++] = kept[k].count;
  }
  free(kept);
  free(count);
  return v;
}

// The values of the spec or of a file, with a missing cell as the value "": of a file, where training rows have such.
static Vocabulary count_given(Raw *r, Texts t, const DataInput *in, bool with_missing, Arena *a) {
  const char **values;
  int64_t n, *count = xcalloc((size_t)t.d->n + 1, sizeof *count), missing = count_texts(r, t, count);
  Vocabulary v = {0};
  if (given_vocabulary(in, &values, &n, a, r->diag)) {
    v.values = NEW_ARRAY(a, const char *, n + 2);
    v.counts = NEW_ARRAY(a, int64_t, n + 2);
    if (with_missing && (missing || !in->vocab_file) && *values[0]) v.values[v.n] = "", v.counts[v.n++] = missing;
    for (int64_t i = 0; i < n; i++) v.values[v.n++] = values[i];
    for (int64_t k = 0; k < t.d->n; k++) {
      int64_t at = vocabulary_find(&v, t.d->value[k]);
      if (at >= 0) v.counts[at] += count[k];
    }
  }
  free(count);
  return v;
}

static bool has_training_value(const Raw *r, Texts t) {
  for (int64_t i = 0; i < r->n; i++)
    if (r->split[i] == 0 && (t.list ? items_from(t.list, i) < t.list->end[i] : t.d->code[i] >= 0)) return true;
  return false;
}

// ---------------------------------------------------------------- all inputs, all labels
static void learn_input(Raw *r, int at, PrepState *s, Arena *a) {
  const DataInput *in = &r->plan->inputs[at];
  const ItemList *list = in->kind == INPUT_LIST ? &r->list[at] : NULL;
  for (int k = 0; k < in->width; k++) {
    const char *column = input_column(r->plan, in, k), *name = in->width > 1 ? column : in->name;
    if (in->packed) name = arena_printf(r->arena, "%s[%d]", in->name, k);
    Numbers numbers = {r->dense[in->dense_at + k], NULL, column, name};
    s->dense[in->dense_at + k] = learn_numbers(r, &in->prep, in->prep.scale, numbers, a);
  }
  if (in->width) return;
  if (is_bucketized(in)) learn_buckets(r, at, s, a);
  if (in->kind == INPUT_TIME) check_times(r, at);
  if (has_number(in)) return;
  Texts t = {in->id_at >= 0 ? &r->id[in->id_at] : NULL, list};
  const char *column = input_column(r->plan, in, 0);
  if (!has_training_value(r, t))
    diag_data(r->diag, "all-missing", r->table->path, 0, 0, column, list ? "`%s` has no item in any training row"
              : "every training row misses `%s`", in->name);
  if (list && in->item == INPUT_REAL) s->dense[in->dense_at] = learn_items(r, at, a);
  if (item_kind(in) != INPUT_CATEGORY || in->like) return;
  bool given = in->vocab_file || in->n_vocab, with_missing = !list && in->prep.missing == MISSING_CONSTANT;
  s->vocab[in->id_at] = given ? count_given(r, t, in, with_missing, a)
                              : learn_vocabulary(r, t, in->min_count, with_missing, column, a);
}

// Numbers 0 … n−1 where every known value of the file is a number, else the texts of the training rows.
static void learn_classes(Raw *r, int at, PrepState *s, Arena *a) {
  const DataLabel *l = &r->plan->labels[at];
  bool numbers = true;
  for (int64_t k = 0; k < r->classes[at].n && numbers; k++) numbers = parse_number(r->classes[at].value[k], &(double){0});
  if (numbers) return;
  s->label_class[at] = learn_vocabulary(r, (Texts){&r->classes[at], NULL}, 1, false, label_column(r->plan, l), a);
  if (s->label_class[at].n > l->classes)
    diag_data(r->diag, "too-many-classes", r->table->path, 0, 0, label_column(r->plan, l),
              "%lld different texts in the training rows, but `%s` is a class(%lld)", (long long)s->label_class[at].n,
              l->name, (long long)l->classes);
}

static void warn_single_class(Raw *r, int at) {
  const DataLabel *l = &r->plan->labels[at];
  const uint8_t *y = r->known[at];
  const Distinct *d = l->kind == LABEL_CLASS ? &r->classes[at] : NULL;
  int64_t first = -1;
  for (int64_t i = 0; i < r->n; i++) {
    if (r->split[i] != 0 || !y[i]) continue;
    if (first < 0) first = i;
    else if (d ? d->code[i] != d->code[first] : y[i] != y[first]) return;
  }
  if (first < 0) return;
  const char *value = d ? d->value[d->code[first]] : y[first] & LABEL_TRUE ? "true" : "false";
  diag_warn(r->diag, "single-class", (Place){0}, "`%s` is %s in every training row: nothing can be learned from it", l->name,
            shown(r, value));
}

static void learn_label(Raw *r, int at, PrepState *s, Arena *a) {
  static const Prep none;
  const DataLabel *l = &r->plan->labels[at];
  s->label[at] = learn_numbers(r, l->kind == LABEL_BINARY ? &none : &l->prep, l->kind == LABEL_REAL ? l->scale : SCALE_NONE,
                               (Numbers){r->label[at], r->known[at], label_column(r->plan, l), l->name}, a);
  if (l->kind == LABEL_CLASS) learn_classes(r, at, s, a);
  if (l->kind == LABEL_BINARY || l->kind == LABEL_CLASS) warn_single_class(r, at);
}

bool prep_learn(Raw *r, const GivenPrep *given, PrepState *s, Arena *a) {
  int before = diag_errors(r->diag);
  int64_t train = 0;
  for (int64_t i = 0; i < r->n; i++) train += r->split[i] == 0;
  if (!train) {
    diag_data(r->diag, "no-training-rows", r->table->path, 0, 0, NULL, "the split leaves none of %lld rows to train on",
              (long long)r->n);
    return false;
  }
  prep_new(r->plan, s, a);
  Arena *room = arena_new();
  r->room = NEW_ARRAY(room, double, r->n + 1);
  s->given = given ? given_digest(given) : 0;
  for (int i = 0; i < r->plan->n_inputs; i++) {
    if (!given_input(given, r->plan, i, s)) learn_input(r, i, s, a);
    store_touch(&r->store, r->n * (int64_t)sizeof(double) * (r->plan->inputs[i].width + 1));
  }
  for (int i = 0; i < r->plan->n_labels; i++) {
    if (!given_label(given, i, s)) learn_label(r, i, s, a);
    store_touch(&r->store, r->n * (int64_t)(2 * sizeof(double)));
  }
  arena_free(room);
  r->room = NULL;
  return raw_finish(r) && diag_errors(r->diag) == before;
}
