// apply.c: a learned preparation, applied to the rows of one split. What does not fit is an error with row and column;
// what a policy allows is counted.
#include <float.h>
#include <math.h>
#include "data_int.h"

typedef struct {
  Raw *r;
  const PrepState *prep;
  int split;
  int64_t *row;                // [n]: row of the file, from 0
  int64_t n;
  Rows *out;
  DataSummary *sum;
  Arena *arena;
} Apply;

// ---------------------------------------------------------------- numbers
static const char *map_name(const Prep *p) { return p->map == MAP_SQRT ? "square root" : "log(1 + x)"; }

// (map(clip(v)) − shift) · factor as float32; false: an error was met.
typedef struct { int column; const char *name; } Cell;       // where a value stands, for errors: cell_error

static bool prepare_number(Apply *k, int64_t row, const Prep *p, const Affine *f, Cell at, double v, float *out) {
  double m = clip_and_map(p, f, v), x = (m - f->shift) * f->factor;
  *out = 0;
  if (!isfinite(m)) {
    cell_error(k->r, row, 1, "out-of-domain", at.column, at.name, "%g has no %s", v, map_name(p));
    return false;
  }
  if (fabs(x) > FLT_MAX) {
    cell_error(k->r, row, 1, "out-of-range", at.column, at.name, "%g becomes %g, which is too large for a 32-bit number", v,
               x);
    return false;
  }
  *out = (float)x;
  return true;
}

static void missing_value(Apply *k, int64_t row, const DataInput *in, Cell at, bool first) {
  bool told = cell_error(k->r, row, 1, "missing-value", at.column, at.name, "`%s` is missing", in->name);
  if (told && first)
    diag_help(k->r->diag, "say in the spec what to do: `missing =` %s",
              in->kind == INPUT_TIME   ? "own (no point of the circle) or drop"
              : in->kind == INPUT_LIST ? "empty or drop"
              : in->id_at >= 0         ? "own, mode (of a category) or drop"
                                       : "mean, median, mode, drop, or a number");
}

static void apply_numbers(Apply *k, int at, int column) {
  const DataInput *in = &k->r->plan->inputs[at];
  const Affine *f = &k->prep->dense[in->dense_at + column];
  const double *value = k->r->dense[in->dense_at + column];
  Cell cell = {input_cell(in, column), in->name};
  bool fills = in->prep.missing != MISSING_ERROR && in->prep.missing != MISSING_DROP, first = true;
  float *out = k->out->dense + in->dense_at + column;
  for (int64_t i = 0; i < k->n; i++, out += k->r->plan->dense_width) {
    double v = value[k->row[i]];
    if (in->prep.indicator) out[in->width] = isnan(v);
    if (isnan(v)) {
      k->sum->input[at].missing++;
      if (!fills) {
        missing_value(k, k->row[i], in, cell, first);
        first = false;
        continue;
      }
      v = f->missing;
    }
    k->sum->input[at].clipped += in->prep.has_clip && (v < f->lo || v > f->hi);
    prepare_number(k, k->row[i], &in->prep, f, cell, v, out);
  }
}

// ---------------------------------------------------------------- ids
static uint32_t bucket(const DataInput *in, const char *s) {
  return (uint32_t)(hash_bytes(s, strlen(s), in->hash_seed) % (uint64_t)in->buckets);
}

static uint32_t mode_id(const Vocabulary *v) {               // of the most frequent value; the first of several
  int64_t best = -1;
  for (int64_t i = 0; i < v->n; i++)
    if (best < 0 || v->counts[i] > v->counts[best]) best = i;
  return (uint32_t)(best + 1);
}

static uint32_t id_of(const DataInput *in, const Vocabulary *v, const char *s) {
  return item_kind(in) == INPUT_ID ? bucket(in, s) : (uint32_t)(vocabulary_find(v, s) + 1);
}

// An unknown category: row 0 of its table, counted; an error where the spec says so, but for rare values of training rows.
static void unknown_category(Apply *k, int at, int64_t row, int32_t code) {
  const DataInput *in = &k->r->plan->inputs[at];
  k->sum->input[at].unknown[k->split]++;
  if (in->unknown != UNKNOWN_ERROR || (k->split == 0 && !in->like)) return;
  const char *s = code < 0 ? "" : k->r->id[in->id_at].value[code];
  cell_error(k->r, row, 1, "unknown-category", input_cell(in, 0), in->name, "`%s` does not occur in the training rows",
            shown(k->r, s));
}

// A category by bucketize: 1 + the bucket, 0 for a missing value.
static void apply_buckets(Apply *k, int at) {
  const DataInput *in = &k->r->plan->inputs[at];
  const Affine *f = &k->prep->vocab[in->id_at].number;
  bool first = true;
  uint32_t *out = k->out->ids + in->id_at;
  for (int64_t i = 0; i < k->n; i++, out += k->r->plan->n_ids) {
    double v = k->r->number[at][k->row[i]];
    k->sum->input[at].missing += isnan(v);
    if (isnan(v) && in->prep.missing == MISSING_ERROR) {
      missing_value(k, k->row[i], in, (Cell){input_cell(in, 0), in->name}, first);
      first = false;
    }
    if (isnan(v) && in->prep.missing == MISSING_MODE) v = f->missing;
    if (isnan(v)) continue;
    k->sum->input[at].clipped += in->prep.has_clip && (v < f->lo || v > f->hi);
    *out = 1 + (uint32_t)clip_and_map(&in->prep, f, v);
  }
}

static void apply_time(Apply *k, int at) {
  const DataInput *in = &k->r->plan->inputs[at];
  bool first = true;
  for (int64_t i = 0; i < k->n; i++) {
    double t = k->r->number[at][k->row[i]];
    float *out = k->out->dense + i * k->r->plan->dense_width + in->dense_at;
    k->sum->input[at].missing += isnan(t);
    if (isnan(t) && in->prep.missing == MISSING_ERROR) {
      missing_value(k, k->row[i], in, (Cell){input_cell(in, 0), in->name}, first);
      first = false;
    }
    for (int p = 0; p < in->n_parts && !isnan(t); p++) {
      double angle = 2 * M_PI * time_position(in->part[p], t);
      out[2 * p] = (float)sin(angle);
      out[2 * p + 1] = (float)cos(angle);
    }
  }
}

static void apply_ids(Apply *k, int at) {
  const DataInput *in = &k->r->plan->inputs[at];
  const Distinct *d = &k->r->id[in->id_at];
  const Vocabulary *v = vocabulary_of(k->r->plan, k->prep, in);
  uint32_t *id = xmalloc(sizeof *id * (size_t)(d->n + 1)), missing;
  for (int64_t c = 0; c < d->n; c++) id[c] = id_of(in, v, d->value[c]);
  missing = in->prep.missing == MISSING_MODE ? mode_id(v) : id_of(in, v, "");
  bool first = true;
  uint32_t *out = k->out->ids + in->id_at;
  for (int64_t i = 0; i < k->n; i++, out += k->r->plan->n_ids) {
    int32_t code = d->code[k->row[i]];
    *out = code < 0 ? missing : id[code];
    k->sum->input[at].missing += code < 0;
    if (code < 0 && in->prep.missing == MISSING_ERROR) {
      missing_value(k, k->row[i], in, (Cell){input_cell(in, 0), in->name}, first);
      first = false;
    } else if (*out == 0 && in->kind == INPUT_CATEGORY) {
      unknown_category(k, at, k->row[i], code);
    }
  }
  free(id);
}

// ---------------------------------------------------------------- lists
static void apply_item_ids(Apply *k, int at) {
  const DataInput *in = &k->r->plan->inputs[at];
  const Distinct *d = &k->r->id[in->id_at];
  const ItemList *l = &k->r->list[at];
  const Vocabulary *v = vocabulary_of(k->r->plan, k->prep, in);
  uint32_t *id = xmalloc(sizeof *id * (size_t)(d->n + 1));
  for (int64_t c = 0; c < d->n; c++) id[c] = id_of(in, v, d->value[c]);
  for (int64_t i = 0; i < k->n; i++) {
    uint32_t *out = k->out->ids + i * k->r->plan->n_ids + in->id_at;
    for (int64_t j = items_from(l, k->row[i]); j < l->end[k->row[i]]; j++) {
      *out++ = id[l->code[j]];
      if (in->item == INPUT_CATEGORY && !id[l->code[j]]) unknown_category(k, at, k->row[i], l->code[j]);
    }
  }
  free(id);
}

static void apply_item_numbers(Apply *k, int at) {
  const DataInput *in = &k->r->plan->inputs[at];
  const Affine *f = &k->prep->dense[in->dense_at];
  const ItemList *l = &k->r->list[at];
  Cell cell = {input_cell(in, 0), in->name};
  for (int64_t i = 0; i < k->n; i++) {
    float *out = k->out->dense + i * k->r->plan->dense_width + in->dense_at;
    for (int64_t j = items_from(l, k->row[i]); j < l->end[k->row[i]]; j++, out++) {
      double v = l->value[j];
      k->sum->input[at].clipped += in->prep.has_clip && (v < f->lo || v > f->hi);
      prepare_number(k, k->row[i], &in->prep, f, cell, v, out);
    }
  }
}

static void apply_list(Apply *k, int at) {
  const DataInput *in = &k->r->plan->inputs[at];
  const ItemList *l = &k->r->list[at];
  bool first = true;
  for (int64_t i = 0; i < k->n; i++) {
    int64_t row = k->row[i];
    k->out->dense[i * k->r->plan->dense_width + in->length_at] = (float)(l->end[row] - items_from(l, row));
    k->sum->input[at].missing += (l->flag[row] & ITEMS_MISSING) != 0;
    k->sum->input[at].cut += (l->flag[row] & ITEMS_CUT) != 0;
    if (!(l->flag[row] & ITEMS_MISSING) || in->prep.missing != MISSING_ERROR) continue;
    missing_value(k, row, in, (Cell){input_cell(in, 0), in->name}, first);
    first = false;
  }
  if (in->item == INPUT_REAL) apply_item_numbers(k, at);
  else apply_item_ids(k, at);
}

// ---------------------------------------------------------------- labels
static void no_class(Raw *r, int at, const Distinct *d, int64_t code, bool by_text) {
  const DataLabel *l = &r->plan->labels[at];
  int64_t first = -1, count = 0;
  for (int64_t i = 0; i < r->n; i++) {
    if (d->code[i] != code || r->split[i] < 0) continue;
    if (first < 0) first = i;
    count++;
  }
  if (!count) return;
  const char *s = shown(r, d->value[code]), *column = label_column(r->plan, l);
  const char *more = count > 1 ? arena_printf(r->arena, " (%lld rows)", (long long)count) : "";
  if (by_text) row_error(r, first, count, "not-a-class", column, "`%s` does not occur in the training rows%s", s, more);
  else row_error(r, first, count, "not-a-class", column, "`%s` is no class: they are 0 … %lld%s", s,
                 (long long)l->classes - 1, more);
}

void classes_apply(Raw *r, const PrepState *s) {
  for (int at = 0; at < r->plan->n_labels; at++) {
    const DataLabel *l = &r->plan->labels[at];
    const Distinct *d = &r->classes[at];
    if (l->kind != LABEL_CLASS) continue;
    const Vocabulary *v = &s->label_class[at];
    double *number = xmalloc(sizeof *number * (size_t)(d->n + 1));
    for (int64_t c = 0; c < d->n; c++) {
      double x = -1;
      if (v->n) x = (double)vocabulary_find(v, d->value[c]);
      else if (!parse_number(d->value[c], &x) || x != floor(x) || x >= (double)l->classes) x = -1;
      number[c] = x;
      if (x < 0) no_class(r, at, d, c, v->n > 0);
    }
    for (int64_t i = 0; i < r->n; i++) {
      if (!r->known[at][i]) continue;
      double x = number[d->code[i]];
      r->known[at][i] = x >= 0;
      r->label[at][i] = x >= 0 ? x : 0;
    }
    free(number);
  }
}

static void apply_label(Apply *k, int at) {
  const DataLabel *l = &k->r->plan->labels[at];
  Cell cell = {expr_column(l->from), l->name};
  float *y = k->out->y + at * k->n, *w = k->out->w + at * k->n;
  double sum = 0;
  int64_t known = 0;
  for (int64_t i = 0; i < k->n; i++) {
    int64_t row = k->row[i];
    if (!k->r->known[at][row]) continue;
    double v = k->r->label[at][row];
    y[i] = (float)v;
    w[i] = 1;
    if (l->kind == LABEL_REAL) w[i] = prepare_number(k, row, &l->prep, &k->prep->label[at], cell, v, &y[i]);
    if (k->r->weight) w[i] *= (float)k->r->weight[row];
    sum += v;
    known++;
  }
  k->sum->label[at].unknown[k->split] = k->n - known;
  k->sum->label[at].mean[k->split] = known ? sum / (double)known : NAN;
}

// ---------------------------------------------------------------- the whole
static void take_rows(Apply *k) {
  const DataPlan *p = k->r->plan;
  Arena *a = k->arena;
  for (int64_t i = 0; i < k->r->n; i++) k->n += k->r->split[i] == k->split;
  size_t n = (size_t)k->n;
  *k->out = (Rows){.n = k->n,
                   .dense = NEW_ARRAY(a, float, n * (size_t)p->dense_width + 1),
                   .ids = NEW_ARRAY(a, uint32_t, n * (size_t)p->n_ids + 1),
                   .y = NEW_ARRAY(a, float, n * (size_t)p->n_labels + 1),
                   .w = NEW_ARRAY(a, float, n * (size_t)p->n_labels + 1),
                   .row = NEW_ARRAY(a, int64_t, n + 1)};
  k->row = xmalloc(sizeof *k->row * (n + 1));
  int64_t to = 0;
  for (int64_t i = 0; i < k->r->n; i++) {
    if (k->r->split[i] != k->split) continue;
    k->row[to] = i;
    k->out->row[to++] = i + 1;
  }
}

void prep_apply(Raw *r, const PrepState *s, int split, Rows *out, DataSummary *sum, Arena *a) {
  Apply k = {.r = r, .prep = s, .split = split, .out = out, .sum = sum, .arena = a};
  take_rows(&k);
  for (int i = 0; i < r->plan->n_inputs; i++) {
    if (r->plan->inputs[i].kind == INPUT_LIST) apply_list(&k, i);
    else if (r->plan->inputs[i].kind == INPUT_TIME) apply_time(&k, i);
    else if (is_bucketized(&r->plan->inputs[i])) apply_buckets(&k, i);
    else if (r->plan->inputs[i].id_at >= 0) apply_ids(&k, i);
    for (int c = 0; c < r->plan->inputs[i].width; c++) apply_numbers(&k, i, c);
  }
  for (int i = 0; i < r->plan->n_labels; i++) apply_label(&k, i);
  sum->rows[split] = k.n;
  free(k.row);
}
