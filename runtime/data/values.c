// values.c: rows of values in memory, prepared into the input buffers of a batch: what apply.c does for the rows of files, for a caller who has the
// values themselves and cannot wait. All that can be known before is worked out once; then a row is three loops: numbers that are only scaled, single
// ids, and the inputs that need more than that.
#include <float.h>
#include <math.h>
#include "data_int.h"

typedef struct { int from, to, n, first, last; } Run;        // numbers from … to columns to … of dense; of inputs first … last
typedef struct { int from, to; uint32_t limit; int input; } SingleId;
struct ValuesPlan {
  double *shift, *factor;                                    // [dense_width]
  VEC(Run) runs;
  VEC(SingleId) ids;
  VEC(int) others;                                           // inputs
};

// ---------------------------------------------------------------- what a row consists of
static bool is_id_field(const DataInput *in) { return in->id_at >= 0 && !is_bucketized(in); }

static int field_width(const DataInput *in) {
  return in->kind == INPUT_LIST ? (int)in->max : has_number(in) || in->id_at >= 0 ? 1 : in->width;
}

static uint32_t id_limit(const RowValues *v, const DataInput *in) {   // ids are below it
  return item_kind(in) == INPUT_ID ? (uint32_t)in->buckets : (uint32_t)vocabulary_of(v->plan, v->prep, in)->n + 1;
}

static bool is_scaled_only(const DataInput *in) {
  bool numbers = in->kind == INPUT_REAL || in->kind == INPUT_VECTOR;
  return numbers && !in->prep.has_clip && in->prep.map == MAP_NONE && !in->prep.indicator;
}

static void add_run(RowValues *v, const DataInput *in, int at, Arena *a) {
  Run r = {v->field[at].at, in->dense_at, in->width, at, at}, *last = v->how->runs.n ? &v->how->runs.data[v->how->runs.n - 1] : NULL;
  for (int c = in->dense_at; c < in->dense_at + in->width; c++) {
    v->how->shift[c] = v->prep->dense[c].shift;
    v->how->factor[c] = v->prep->dense[c].factor;
  }
  if (last && last->from + last->n == r.from && last->to + last->n == r.to && last->last == at - 1) last->n += r.n, last->last = at;
  else vec_push(a, &v->how->runs, r);
}

RowValues *values_new(const DataPlan *p, const PrepState *s, Arena *a) {
  RowValues *v = NEW(a, RowValues);
  *v = (RowValues){.plan = p, .prep = s, .field = NEW_ARRAY(a, ValueField, p->n_inputs + 1), .how = NEW(a, struct ValuesPlan)};
  v->how->shift = NEW_ARRAY(a, double, p->dense_width + 1);
  v->how->factor = NEW_ARRAY(a, double, p->dense_width + 1);
  for (int i = 0; i < p->n_inputs; i++) {
    const DataInput *in = &p->inputs[i];
    bool is_id = is_id_field(in);
    int *end = is_id ? &v->ids : &v->numbers;
    v->field[i] = (ValueField){in->name, is_id, *end, field_width(in)};
    *end += v->field[i].width;
    if (is_id && in->kind != INPUT_LIST) vec_push(a, &v->how->ids, ((SingleId){v->field[i].at, in->id_at, id_limit(v, in), i}));
    else if (is_scaled_only(in)) add_run(v, in, i, a);
    else vec_push(a, &v->how->others, i);
  }
  return v;
}

// ---------------------------------------------------------------- the ids of a cell
// What stands for a missing cell, or one out of a vocabulary that must not be left: no id.
static uint32_t id_for(const RowValues *v, const DataInput *in, const char *s) {
  const Vocabulary *vocabulary = vocabulary_of(v->plan, v->prep, in);
  bool missing = !s || !*s;
  if (missing && refuses_missing(&in->prep)) return VALUE_NO_ID;
  uint32_t id = missing && in->prep.missing == MISSING_MODE ? mode_id(vocabulary) : id_of(in, vocabulary, missing ? "" : s);
  return id == 0 && item_kind(in) == INPUT_CATEGORY && in->unknown == UNKNOWN_ERROR ? VALUE_NO_ID : id;
}

static bool list_ids(const RowValues *v, const DataInput *in, const char *cell, uint32_t *ids) {
  bool missing = !cell || !*cell;
  CellItems items = {0};
  CellFit fit = missing ? CELL_FINE : cell_items(in, cell, &items);
  int64_t from, n = kept_items(in, &items, &from);
  for (int64_t i = 0; i < in->max; i++) ids[i] = i < n ? id_for(v, in, items_at(&items, from + i)) : VALUE_END;
  if (missing && refuses_missing(&in->prep)) ids[0] = VALUE_NO_ID;
  items_free(&items);
  return fit == CELL_FINE;
}

bool values_ids(const RowValues *v, int input, const char *cell, uint32_t *ids) {
  const DataInput *in = &v->plan->inputs[input];
  CHECK(input >= 0 && input < v->plan->n_inputs && v->field[input].is_id);
  if (in->kind == INPUT_LIST) return list_ids(v, in, cell, ids);
  *ids = id_for(v, in, cell);
  return true;
}

// ---------------------------------------------------------------- a row
typedef struct { const double *numbers; const uint32_t *ids; float *dense; uint32_t *to; ValueError *error; } Row;

static bool refuse(Row *r, const DataInput *in, const char *fmt, ...) PRINTF_LIKE(3, 4);
static bool refuse(Row *r, const DataInput *in, const char *fmt, ...) {
  int n = snprintf(r->error->text, sizeof r->error->text, "`%s` ", in->name);
  va_list ap;
  va_start(ap, fmt);
  if (n > 0 && n < (int)sizeof r->error->text) vsnprintf(r->error->text + n, sizeof r->error->text - (size_t)n, fmt, ap);
  va_end(ap);
  return false;
}

static bool put_number(Row *r, const DataInput *in, const Affine *f, double v, float *out) {
  double large;
  switch (prepared_number(&in->prep, f, v, out, &large)) {
  case NUMBER_OUTSIDE:
    return isfinite(v) ? refuse(r, in, "is %g, which has no %s", v, map_name(&in->prep)) : refuse(r, in, "is %g, which is no number", v);
  case NUMBER_LARGE: return refuse(r, in, "is %g and becomes %g, which is too large for a 32-bit number", v, large);
  default: return true;
  }
}

static bool put_numbers(const RowValues *v, Row *r, const DataInput *in, const double *x) {
  for (int c = 0; c < in->width; c++) {
    const Affine *f = &v->prep->dense[in->dense_at + c];
    float *out = r->dense + in->dense_at + c;
    bool missing = isnan(x[c]);
    if (in->prep.indicator) out[in->width] = missing;
    if (missing && refuses_missing(&in->prep)) return refuse(r, in, "is missing");
    if (!put_number(r, in, f, missing ? f->missing : x[c], out)) return false;
  }
  return true;
}

static bool put_time(Row *r, const DataInput *in, double t) {
  if (isnan(t) && refuses_missing(&in->prep)) return refuse(r, in, "is missing");
  time_points(in, t, r->dense + in->dense_at);
  return true;
}

static bool put_bucket(const RowValues *v, Row *r, const DataInput *in, double x) {
  const Affine *f = &v->prep->vocab[in->id_at].number;
  if (isnan(x) && refuses_missing(&in->prep)) return refuse(r, in, "is missing");
  if (isnan(x) && in->prep.missing == MISSING_MODE) x = f->missing;
  r->to[in->id_at] = bucket_id(in, f, x);
  return true;
}

static bool put_id(Row *r, const DataInput *in, uint32_t id, uint32_t limit, uint32_t *to) {
  *to = id;
  if (id < limit) return true;
  if (id == VALUE_NO_ID) return refuse(r, in, "is missing, or new");
  return refuse(r, in, "has the id %u; they are below %u", (unsigned)id, (unsigned)limit);
}

static bool put_list(const RowValues *v, Row *r, const DataInput *in, const ValueField *f) {
  uint32_t limit = f->is_id ? id_limit(v, in) : 0;
  int n = 0;
  if (f->is_id) {
    for (; n < f->width && r->ids[f->at + n] != VALUE_END; n++)
      if (!put_id(r, in, r->ids[f->at + n], limit, &r->to[in->id_at + n])) return false;
    memset(&r->to[in->id_at + n], 0, sizeof *r->to * (size_t)(f->width - n));
  } else {
    for (; n < f->width && !isnan(r->numbers[f->at + n]); n++)
      if (!put_number(r, in, &v->prep->dense[in->dense_at], r->numbers[f->at + n], &r->dense[in->dense_at + n])) return false;
    memset(&r->dense[in->dense_at + n], 0, sizeof *r->dense * (size_t)(f->width - n));
  }
  r->dense[in->length_at] = (float)n;
  return true;
}

static bool put_input(const RowValues *v, Row *r, int at) {
  const DataInput *in = &v->plan->inputs[at];
  const ValueField *f = &v->field[at];
  if (in->kind == INPUT_LIST) return put_list(v, r, in, f);
  if (in->kind == INPUT_TIME) return put_time(r, in, r->numbers[f->at]);
  if (is_bucketized(in)) return put_bucket(v, r, in, r->numbers[f->at]);
  return put_numbers(v, r, in, r->numbers + f->at);
}

// As put_numbers, where all is as it should be; false: something is not.
static bool put_run(const struct ValuesPlan *how, const Run *run, const Row *r) {
  const double *x = r->numbers + run->from, *shift = how->shift + run->to, *factor = how->factor + run->to;
  float *out = r->dense + run->to;
  bool fine = true;
  for (int i = 0; i < run->n; i++) {
    double y = (x[i] - shift[i]) * factor[i];
    out[i] = (float)y;
    fine &= fabs(y) <= FLT_MAX;                              // false for NaN
  }
  return fine;
}

static bool put_row(const RowValues *v, Row *r) {
  const struct ValuesPlan *how = v->how;
  for (int i = 0; i < how->runs.n; i++) {
    const Run *run = &how->runs.data[i];
    if (put_run(how, run, r)) continue;
    for (int k = run->first; k <= run->last; k++)
      if (!put_input(v, r, k)) return false;
  }
  for (int i = 0; i < how->ids.n; i++) {
    const SingleId *s = &how->ids.data[i];
    uint32_t id = r->to[s->to] = r->ids[s->from];
    if (id >= s->limit) return put_id(r, &v->plan->inputs[s->input], id, s->limit, &r->to[s->to]);
  }
  for (int i = 0; i < how->others.n; i++)
    if (!put_input(v, r, how->others.data[i])) return false;
  return true;
}

int64_t values_fill(const RowValues *v, int64_t n, const double *numbers, const uint32_t *ids, const BatchInputs *to, ValueError *error) {
  for (int64_t i = 0; i < n; i++) {
    Row r = {numbers + i * v->numbers, ids + i * v->ids, to->dense + i * to->dense_ld, to->ids + i * to->ids_ld, error};
    if (!put_row(v, &r)) return i;
  }
  return n;
}
