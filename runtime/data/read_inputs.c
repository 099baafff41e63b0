// read_inputs.c: the inputs of a block of rows, a column at a time: cells become numbers and codes. Where a cell does not fit its type, the
// rows of the block are looked at again, one after the other, so that errors come in the order of the file.
#include <math.h>
#include "data_int.h"

// ---------------------------------------------------------------- numbers
// Of a plan column; NaN: missing. false: a cell is no number.
static bool read_numbers(const Raw *r, int column, double *out) {
  Cells c = cells_of(r, column);
  for (int64_t row = r->from; row < r->n; row++) {
    const char *s = r->gone[row] ? NULL : cell_at(&c, row);
    out[row] = NAN;
    if (s && !parse_cell(s, &out[row])) return false;
  }
  return true;
}

static double cell_number(Raw *r, int64_t row, int column) {             // NaN: missing
  bool missing;
  const char *s = row_cell(r, row, column, &missing);
  double x = NAN;
  if (missing || r->gone[row] || parse_cell(s, &x)) return x;
  cell_error(r, row, 1, "not-a-number", column, NULL, "`%s` is no number", shown(r, s));
  return NAN;
}

static double real_value(Raw *r, int64_t row, const DataInput *in, Ahead *from) {   // NaN: missing
  Value v = value_ahead(r, from, row);
  double x = v.number;
  if (!v.kind) return NAN;
  if (v.kind != VALUE_TEXT || parse_number(v.text, &x)) return x;
  cell_error(r, row, 1, "not-a-number", input_cell(in, 0), in->name, "`%s` is no number", shown(r, v.text));
  return NAN;
}

static void read_real(Raw *r, const DataInput *in, double *out) {
  Ahead from = {.e = in->from};
  if (in->from->op == RX_COLUMN && in->from->numeric && read_numbers(r, in->from->index, out)) return;
  for (int64_t row = r->from; row < r->n; row++) out[row] = r->gone[row] ? NAN : real_value(r, row, in, &from);
}

// ---------------------------------------------------------------- vectors
static void read_vector(Raw *r, const DataInput *in) {
  bool fine = true;
  for (int k = 0; k < in->width && fine; k++) fine = read_numbers(r, in->first_column + k, r->dense[in->dense_at + k]);
  for (int64_t row = r->from; row < r->n && !fine; row++)
    for (int k = 0; k < in->width; k++) r->dense[in->dense_at + k][row] = cell_number(r, row, in->first_column + k);
}

// The next number of a packed vector; *s moves behind it. false: `word` (a text) is none.
static bool next_number(const char **s, char word[64], double *x) {
  size_t n = strcspn(*s, " ;,\t");
  snprintf(word, 64, "%.*s", (int)(n < 63 ? n : 63), *s);
  *s += n;
  *s += strspn(*s, " ;,\t");
  return n < 63 && parse_number(word, x);
}

static void packed_value(Raw *r, int64_t row, const DataInput *in) {
  bool missing;
  const char *s = row_cell(r, row, in->first_column, &missing);
  for (int k = 0; k < in->width; k++) r->dense[in->dense_at + k][row] = NAN;
  if (missing || r->gone[row]) return;
  int64_t k = 0;
  for (s += strspn(s, " \t"); *s; k++) {
    char word[64];
    double x;
    if (!next_number(&s, word, &x)) {
      cell_error(r, row, 1, "not-a-number", in->first_column, NULL, "`%s` is no number", shown(r, word));
      return;
    }
    if (k < in->width) r->dense[in->dense_at + k][row] = x;
  }
  if (k != in->width)
    cell_error(r, row, 1, "wrong-length", in->first_column, NULL, "%lld numbers, but `%s` is a vector(%d)", (long long)k,
               in->name, in->width);
}

static void read_packed(Raw *r, const DataInput *in) {
  for (int64_t row = r->from; row < r->n; row++) packed_value(r, row, in);
}

// ---------------------------------------------------------------- ids
uint32_t bucket_of(const DataInput *in, const char *s) {
  return (uint32_t)(hash_bytes(s, strlen(s), in->hash_seed) % (uint64_t)in->buckets);
}

int32_t text_code(Raw *r, const DataInput *in, const char *s) {
  return item_kind(in) == INPUT_ID ? (int32_t)bucket_of(in, s) : distinct_add(&r->id[in->id_at], s);
}

static int32_t id_value(Raw *r, int64_t row, const DataInput *in, Ahead *from) {
  Value v = value_ahead(r, from, row);
  char number[40];
  if (v.kind && v.kind != VALUE_TEXT) snprintf(number, sizeof number, "%.17g", v.number);
  return v.kind ? text_code(r, in, v.kind == VALUE_TEXT ? v.text : number) : -1;
}

static void read_categories(Raw *r, int column, Distinct *d) {
  Cells c = cells_of(r, column);
  for (int64_t row = r->from; row < r->n; row++) {
    const char *s = r->gone[row] ? NULL : cell_at(&c, row);
    d->code[row] = s ? distinct_add_cell(d, s) : -1;
  }
}

static void read_ids(Raw *r, const DataInput *in) {
  Distinct *d = &r->id[in->id_at];
  const RowExpr *e = in->from;
  Ahead from = {.e = e};
  if (in->kind == INPUT_CATEGORY && e->op == RX_COLUMN && !e->numeric && !e->time) {
    read_categories(r, e->index, d);
    return;
  }
  for (int64_t row = r->from; row < r->n; row++) d->code[row] = r->gone[row] ? -1 : id_value(r, row, in, &from);
}

// ---------------------------------------------------------------- all of them
void read_inputs(Raw *r) {
  for (int i = 0; i < r->plan->n_inputs; i++) {
    const DataInput *in = &r->plan->inputs[i];
    if (in->kind == INPUT_LIST) read_list(r, i);
    else if (has_number(in)) read_real(r, in, r->number[i]);
    else if (in->id_at >= 0) read_ids(r, in);
    else if (in->kind == INPUT_REAL) read_real(r, in, r->dense[in->dense_at]);
    else if (in->packed) read_packed(r, in);
    else read_vector(r, in);
  }
}
