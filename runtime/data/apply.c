// apply.c: a learned preparation, applied to the rows of one split. What does not fit is an error with row and column;
// what a policy allows is counted.
#include <float.h>
#include <math.h>
#include "data_int.h"

typedef struct { bool made; uint32_t *of_text, missing; } IdMap;   // of_text: of each text of a category; NULL: its code is the id
typedef struct {
  Raw *r;
  const PrepState *prep;
  int split;
  int64_t *row;                // [n]: row of the file, from 0: of a piece of the rows
  int64_t n, next;             // next: where the next piece begins in the file
  IdMap *ids;                  // [n_inputs]
  double *sum_known; int64_t *known;   // [n_labels]
  Rows *out;                   // what of them is the piece's; out->n is that of all
  DataSummary *sum;
  Arena *arena;
} Apply;

// ---------------------------------------------------------------- numbers
typedef struct { int column; const char *name; } Cell;       // where a value stands, for errors: cell_error

// (map(clip(v)) − shift) · factor as float32; false: an error was met.
static bool prepare_number(Apply *k, int64_t row, const Prep *p, const Affine *f, Cell at, double v, float *out) {
  double large;
  NumberFit fit = prepared_number(p, f, v, out, &large);
  if (fit == NUMBER_OUTSIDE) cell_error(k->r, row, 1, "out-of-domain", at.column, at.name, "%g has no %s", v, map_name(p));
  if (fit == NUMBER_LARGE)
    cell_error(k->r, row, 1, "out-of-range", at.column, at.name, "%g becomes %g, which is too large for a 32-bit number", v, large);
  return fit == NUMBER_FINE;
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

// Numbers that all fit, without a limit or a map that looks at each. false: they must be looked at one by one.
static bool plain_numbers(Apply *k, int at, int column) {
  const DataInput *in = &k->r->plan->inputs[at];
  const Affine *f = &k->prep->dense[in->dense_at + column];
  const double *value = k->r->dense[in->dense_at + column];
  float *out = k->out->dense + in->dense_at + column;
  int64_t missing = 0;
  bool fits = true, maps = in->prep.map == MAP_LOG1P;
  if (in->prep.indicator || in->prep.has_clip || (in->prep.map != MAP_NONE && !maps)) return false;
  for (int64_t i = 0; i < k->n; i++, out += k->r->plan->dense_width) {
    double v = value[k->row[i]], x;
    missing += isnan(v);
    v = isnan(v) ? f->missing : v;
    x = ((maps ? log1p(v) : v) - f->shift) * f->factor;
    fits &= fabs(x) <= FLT_MAX;                              // neither of NaN nor of what is infinite
    *out = (float)x;
  }
  if (!fits || (missing && refuses_missing(&in->prep))) return false;
  k->sum->input[at].missing += missing;
  return true;
}

static void apply_numbers(Apply *k, int at, int column) {
  if (plain_numbers(k, at, column)) return;
  const DataInput *in = &k->r->plan->inputs[at];
  const Affine *f = &k->prep->dense[in->dense_at + column];
  const double *value = k->r->dense[in->dense_at + column];
  Cell cell = {input_cell(in, column), in->name};
  bool first = true;
  float *out = k->out->dense + in->dense_at + column;
  for (int64_t i = 0; i < k->n; i++, out += k->r->plan->dense_width) {
    double v = value[k->row[i]];
    if (in->prep.indicator) out[in->width] = isnan(v);
    if (isnan(v)) {
      k->sum->input[at].missing++;
      if (refuses_missing(&in->prep)) {
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
uint32_t mode_id(const Vocabulary *v) {
  int64_t best = -1;
  for (int64_t i = 0; i < v->n; i++)
    if (best < 0 || v->counts[i] > v->counts[best]) best = i;
  return (uint32_t)(best + 1);
}

uint32_t id_of(const DataInput *in, const Vocabulary *v, const char *s) {
  return item_kind(in) == INPUT_ID ? bucket_of(in, s) : (uint32_t)(vocabulary_find(v, s) + 1);
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

uint32_t bucket_id(const DataInput *in, const Affine *f, double v) {
  return isnan(v) ? 0 : 1 + (uint32_t)clip_and_map(&in->prep, f, v);
}

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
    k->sum->input[at].clipped += in->prep.has_clip && (v < f->lo || v > f->hi);
    *out = bucket_id(in, f, v);
  }
}

void time_points(const DataInput *in, double t, float *out) {
  for (int p = 0; p < in->n_parts; p++) {
    double angle = isnan(t) ? 0 : 2 * M_PI * time_position(in->part[p], t);
    out[2 * p] = (float)sin(angle);
    out[2 * p + 1] = isnan(t) ? 0 : (float)cos(angle);
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
    time_points(in, t, out);
  }
}

static IdMap *id_map(Apply *k, int at) {
  const DataInput *in = &k->r->plan->inputs[at];
  const Distinct *d = &k->r->id[in->id_at];
  const Vocabulary *v = vocabulary_of(k->r->plan, k->prep, in);
  IdMap *m = &k->ids[at];
  if (m->made) return m;
  *m = (IdMap){.made = true, .missing = in->prep.missing == MISSING_MODE ? mode_id(v) : id_of(in, v, "")};
  if (item_kind(in) == INPUT_ID) return m;
  m->of_text = xmalloc(sizeof *m->of_text * (size_t)(d->n + 1));
  for (int64_t c = 0; c < d->n; c++) m->of_text[c] = (uint32_t)(vocabulary_find(v, d->value[c]) + 1);
  return m;
}

// Where a missing or unknown value is counted and no more. false: one is an error.
static bool plain_ids(Apply *k, int at, const IdMap *map) {
  const DataInput *in = &k->r->plan->inputs[at];
  const int32_t *code = k->r->id[in->id_at].code;
  uint32_t *out = k->out->ids + in->id_at;
  int64_t missing = 0, unknown = 0;
  for (int64_t i = 0; i < k->n; i++, out += k->r->plan->n_ids) {
    int32_t c = code[k->row[i]];
    *out = c < 0 ? map->missing : map->of_text ? map->of_text[c] : (uint32_t)c;
    missing += c < 0;
    unknown += *out == 0;
  }
  if (in->kind != INPUT_CATEGORY) unknown = 0;
  if ((missing && in->prep.missing == MISSING_ERROR) || (unknown && in->unknown == UNKNOWN_ERROR)) return false;
  k->sum->input[at].missing += missing;
  k->sum->input[at].unknown[k->split] += unknown;
  return true;
}

static void apply_ids(Apply *k, int at) {
  const DataInput *in = &k->r->plan->inputs[at];
  const Distinct *d = &k->r->id[in->id_at];
  const IdMap *map = id_map(k, at);
  const uint32_t *id = map->of_text;
  if (plain_ids(k, at, map)) return;
  bool first = true;
  uint32_t *out = k->out->ids + in->id_at;
  for (int64_t i = 0; i < k->n; i++, out += k->r->plan->n_ids) {
    int32_t code = d->code[k->row[i]];
    *out = code < 0 ? map->missing : id ? id[code] : (uint32_t)code;
    k->sum->input[at].missing += code < 0;
    if (code < 0 && in->prep.missing == MISSING_ERROR) {
      missing_value(k, k->row[i], in, (Cell){input_cell(in, 0), in->name}, first);
      first = false;
    } else if (*out == 0 && in->kind == INPUT_CATEGORY) {
      unknown_category(k, at, k->row[i], code);
    }
  }
}

// ---------------------------------------------------------------- lists
static void apply_item_ids(Apply *k, int at) {
  const DataInput *in = &k->r->plan->inputs[at];
  const ItemList *l = &k->r->list[at];
  const uint32_t *id = id_map(k, at)->of_text;
  for (int64_t i = 0; i < k->n; i++) {
    uint32_t *out = k->out->ids + i * k->r->plan->n_ids + in->id_at;
    for (int64_t j = items_from(l, k->row[i]); j < l->end[k->row[i]]; j++) {
      *out = id ? id[l->code[j]] : (uint32_t)l->code[j];
      if (!*out++ && in->item == INPUT_CATEGORY) unknown_category(k, at, k->row[i], l->code[j]);
    }
  }
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
  store_touch(&k->r->list[at].items, k->n * in->max * k->r->list[at].items.row_bytes);
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

static bool plain_binary(Apply *k, int at) {
  const uint8_t *known = k->r->known[at];
  float *y = k->out->y + at * k->out->n, *w = k->out->w + at * k->out->n;
  int64_t sum = 0, n = 0;
  if (k->r->weight) return false;
  for (int64_t i = 0; i < k->n; i++) {
    uint8_t label = known[k->row[i]];
    y[i] = label / LABEL_TRUE;
    w[i] = label & LABEL_KNOWN;
    sum += label / LABEL_TRUE;
    n += label & LABEL_KNOWN;
  }
  k->sum_known[at] += (double)sum;                           // as exact as one by one
  k->known[at] += n;
  return true;
}

// Of rows without a weight, and where all numbers fit. false: they must be looked at one by one.
static bool plain_label(Apply *k, int at) {
  const DataLabel *l = &k->r->plan->labels[at];
  if (l->kind == LABEL_BINARY) return plain_binary(k, at);
  const Affine scale = l->kind == LABEL_REAL ? k->prep->label[at] : (Affine){.factor = 1};
  const double *label = k->r->label[at];
  const uint8_t *known = k->r->known[at];
  float *y = k->out->y + at * k->out->n, *w = k->out->w + at * k->out->n;
  double sum = k->sum_known[at];
  int64_t n = 0;
  bool fits = true;
  if (k->r->weight || (l->kind == LABEL_REAL && (l->prep.has_clip || l->prep.map != MAP_NONE))) return false;
  for (int64_t i = 0; i < k->n; i++) {
    bool has = known[k->row[i]];
    double v = label[k->row[i]], x = (v - scale.shift) * scale.factor;        // v: 0 where it is unknown
    fits &= (fabs(x) <= FLT_MAX) | !has;
    y[i] = has ? (float)x : 0;
    w[i] = has;
    sum += v;
    n += has;
  }
  if (!fits) return false;
  k->sum_known[at] = sum;
  k->known[at] += n;
  return true;
}

static void apply_label(Apply *k, int at) {
  const DataLabel *l = &k->r->plan->labels[at];
  Cell cell = {expr_column(l->from), l->name};
  float *y = k->out->y + at * k->out->n, *w = k->out->w + at * k->out->n;
  if (plain_label(k, at)) return;
  for (int64_t i = 0; i < k->n; i++) {
    int64_t row = k->row[i];
    if (!k->r->known[at][row]) continue;
    double v = k->r->label[at] ? k->r->label[at][row] : k->r->known[at][row] / LABEL_TRUE;
    y[i] = (float)v;
    w[i] = 1;
    if (l->kind == LABEL_REAL) w[i] = prepare_number(k, row, &l->prep, &k->prep->label[at], cell, v, &y[i]);
    if (k->r->weight) w[i] *= (float)k->r->weight[row];
    k->sum_known[at] += v;
    k->known[at]++;
  }
}

// ---------------------------------------------------------------- the whole
enum { PIECE = 1 << 16, CACHED = 1 << 16 };      // rows, where they lie in a file; bytes of prepared rows that stay in a core's cache

static bool open_rows(Apply *k, Rows *out) {
  const Store *s = &k->r->store;
  int64_t n = 0;
  for (int64_t i = 0; i < k->r->n; i++) n += k->r->split[i] == k->split;
  bool fits = s->fd < 0 && s->cap * s->row_bytes + rows_bytes(k->r->plan, k->r->n) <= s->limit;
  return rows_open(k->r->plan, n, fits ? NULL : s->folder, s->limit, out, k->arena, k->r->diag);
}

// The next rows of the split, at most `most`.
static void take_rows(Apply *k, int64_t most) {
  int64_t n = 0, next = k->next;
  for (; n < most && next < k->r->n; next++) {               // no branch, which the rows of a split at random would mislead
    k->row[n] = next;
    n += k->r->split[next] == k->split;
  }
  for (int64_t i = 0; i < n; i++) k->out->row[i] = k->row[i] + 1;
  k->n = n;
  k->next = next;
}

static void apply_input(Apply *k, int at) {
  const DataInput *in = &k->r->plan->inputs[at];
  if (in->kind == INPUT_LIST) apply_list(k, at);
  else if (in->kind == INPUT_TIME) apply_time(k, at);
  else if (is_bucketized(in)) apply_buckets(k, at);
  else if (in->id_at >= 0) apply_ids(k, at);
  for (int c = 0; c < in->width; c++) apply_numbers(k, at, c);
}

static void apply_group(Apply *k, int at) {
  uint64_t *group = k->out->group + at * k->out->n;
  for (int64_t i = 0; i < k->n; i++) group[i] = k->r->group_key[at][k->row[i]];
}

static void apply_piece(Apply *k) {
  const DataPlan *p = k->r->plan;
  for (int i = 0; i < p->n_inputs; i++) {
    apply_input(k, i);
  }
  for (int i = 0; i < p->n_labels; i++) apply_label(k, i);
  for (int i = 0; i < p->n_groups; i++) apply_group(k, i);
}

static void count_labels(const Apply *k, int64_t n) {
  for (int i = 0; i < k->r->plan->n_labels; i++) {
    k->sum->label[i].unknown[k->split] = n - k->known[i];
    k->sum->label[i].mean[k->split] = k->known[i] ? k->sum_known[i] / (double)k->known[i] : NAN;
  }
}

static Rows behind(const DataPlan *p, const Rows *r, int64_t at) {
  return (Rows){r->n, r->dense + at * p->dense_width, r->ids + at * p->n_ids, r->y + at, r->w + at, r->group + at, r->row + at,
                NULL};
}

// Piece by piece into a file: each is made in the same memory, then written.
static void write_pieces(Apply *k, Rows *out, int64_t most) {
  const DataPlan *p = k->r->plan;
  Arena *a = arena_new();
  Rows piece;
  int64_t faults = k->r->faults;
  rows_open(p, most, NULL, 0, &piece, a, k->r->diag);
  k->row = NEW_ARRAY(a, int64_t, most + 1);
  k->out = &piece;
  k->next = 0;
  for (int64_t at = 0; at < out->n && k->r->faults == faults; at += k->n) {
    if (at) rows_clear(p, &piece);
    take_rows(k, most);
    apply_piece(k);
    rows_write(p, out, at, &piece, k->n);
    store_touch(&k->r->store, k->n * k->r->store.row_bytes);
  }
  arena_free(a);
}

static void apply_pieces(Apply *k, Rows *out, int64_t most, bool quietly) {
  const DataPlan *p = k->r->plan;
  Rows piece;
  int64_t faults = k->r->faults;
  k->row = xmalloc(sizeof *k->row * (size_t)(most + 1));
  k->out = &piece;
  k->next = 0;
  for (int64_t at = 0; at < out->n && !(quietly && k->r->faults != faults); at += k->n) {
    piece = behind(p, out, at);
    take_rows(k, most);
    apply_piece(k);
    rows_touch(out, rows_bytes(p, k->n));
    store_touch(&k->r->store, k->n * k->r->store.row_bytes);
  }
  free(k->row);
}

// In small pieces as long as there is no error. With one, nothing is prepared: then again in large ones, which tell of each input at a time.
static void apply_split(Apply *k, Rows *out) {
  Raw *r = k->r;
  int64_t faults = r->faults, few = CACHED / (4 * (int64_t)(r->plan->dense_width + r->plan->n_ids) + 1) + 64;
  bool mute = r->mute;
  r->mute = true;
  if (out->file) write_pieces(k, out, few);
  else apply_pieces(k, out, few, true);
  r->mute = mute;
  if (r->faults == faults) return;
  r->faults = faults;
  apply_pieces(k, out, out->file ? PIECE : out->n, false);
}

bool prep_apply(Raw *r, const PrepState *s, int split, Rows *out, DataSummary *sum, Arena *a) {
  const DataPlan *p = r->plan;
  Apply k = {.r = r, .prep = s, .split = split, .sum = sum, .arena = a};
  if (!open_rows(&k, out)) return false;
  k.ids = xcalloc((size_t)p->n_inputs + 1, sizeof *k.ids);
  k.sum_known = xcalloc((size_t)p->n_labels + 1, sizeof *k.sum_known);
  k.known = xcalloc((size_t)p->n_labels + 1, sizeof *k.known);
  apply_split(&k, out);
  count_labels(&k, out->n);
  sum->rows[split] = out->n;
  for (int i = 0; i < p->n_inputs; i++) free(k.ids[i].of_text);
  free(k.ids);
  free(k.sum_known);
  free(k.known);
  return true;
}
