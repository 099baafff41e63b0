// raw.c: a table's cells as typed columns. A value that does not fit its type is an error with row and column.
#include <math.h>
#include "data_int.h"

// ---------------------------------------------------------------- columns
static bool uses_label(const RowExpr *e, int column) {
  return e && ((e->op == RX_COLUMN && e->index == column) || uses_label(e->a, column) || uses_label(e->b, column));
}

// Is the column wanted by an input or by the split, and not by labels alone?
static bool wanted_without_labels(const DataPlan *p, int column) {
  for (int i = 0; i < p->n_inputs; i++) {
    const DataInput *in = &p->inputs[i];
    int n = in->packed ? 1 : in->width;
    if (in->kind == INPUT_VECTOR && column >= in->first_column && column < in->first_column + n) return true;
    if (uses_label(in->from, column)) return true;
  }
  return false;
}

static void missing_column(Raw *r, int column) {
  const Table *t = r->table;
  const char *name = r->plan->columns[column].name, *near = nearest(name, t->names, t->n_columns);
  diag_data(r->diag, "missing-column", t->path, 0, 0, name, "the file has no such column");
  r->errors++;
  if (near) { diag_help(r->diag, "did you mean `%s`?", near); return; }
  Text all = {0};
  for (int i = 0; i < t->n_columns && i < 40; i++) text_printf(&all, "%s%s", i ? ", " : "", t->names[i]);
  diag_help(r->diag, "its columns: %s%s", all.data ? all.data : "none", t->n_columns > 40 ? ", …" : "");
  text_free(&all);
}

static void find_columns(Raw *r, bool need_labels) {
  const DataPlan *p = r->plan;
  r->column = NEW_ARRAY(r->arena, int, p->n_columns + 1);
  for (int i = 0; i < p->n_columns; i++) {
    r->column[i] = -1;
    for (int k = 0; k < r->table->n_columns && r->column[i] < 0; k++)
      if (!strcmp(r->table->names[k], p->columns[i].name)) r->column[i] = k;
    if (r->column[i] < 0 && (need_labels || wanted_without_labels(p, i))) missing_column(r, i);
  }
}

RowContext raw_context(Raw *r, int64_t row) {
  return (RowContext){ .plan = r->plan, .table = r->table, .column = r->column, .row = row, .diag = r->diag, .errors = &r->errors };
}

// ---------------------------------------------------------------- inputs
static double real_value(RowContext *c, const DataInput *in) {          // NaN: missing
  Value v = row_value(c, in->from);
  if (!v.kind) return NAN;
  if (v.kind != VALUE_TEXT) return v.number;
  double x;
  if (parse_number(v.text, &x)) return x;
  row_error(c, "not-a-number", in->from->op == RX_COLUMN ? c->plan->columns[in->from->index].name : in->name, "`%.40s` is no number", v.text);
  return NAN;
}

static void read_vector(RowContext *c, Raw *r, const DataInput *in, int64_t row) {
  for (int k = 0; k < in->width; k++) {
    int column = in->first_column + k;
    bool missing;
    const char *s = row_cell(c, column, &missing);
    double x = NAN;
    if (!missing && !parse_number(s, &x)) row_error(c, "not-a-number", c->plan->columns[column].name, "`%.40s` is no number", s);
    r->dense[in->dense_at + k][row] = x;
  }
}

static void read_packed(RowContext *c, Raw *r, const DataInput *in, int64_t row) {
  bool missing;
  const char *s = row_cell(c, in->first_column, &missing), *name = c->plan->columns[in->first_column].name;
  int k = 0;
  while (!missing && *s) {
    size_t n = strcspn(s, " ;,");
    char word[64];
    double x;
    snprintf(word, sizeof word, "%.*s", (int)(n < 60 ? n : 60), s);
    if (n && !parse_number(word, &x)) { row_error(c, "not-a-number", name, "`%s` is no number", word); return; }
    if (n && k < in->width) r->dense[in->dense_at + k][row] = x;
    k += n > 0;
    s += n + (s[n] != 0);
  }
  if (k != in->width) row_error(c, "wrong-length", name, "%d numbers, expected %d", k, in->width);
}

static void read_inputs(Raw *r) {
  const DataPlan *p = r->plan;
  for (int i = 0; i < p->n_inputs; i++) {
    const DataInput *in = &p->inputs[i];
    for (int64_t row = 0; row < r->n; row++) {
      RowContext c = raw_context(r, row);
      if (in->kind == INPUT_REAL) r->dense[in->dense_at][row] = real_value(&c, in);
      else if (in->kind == INPUT_VECTOR) (in->packed ? read_packed : read_vector)(&c, r, in, row);
      else {
        Value v = row_value(&c, in->from);
        char number[40];
        if (v.kind == VALUE_NUMBER || v.kind == VALUE_BOOL) {
          snprintf(number, sizeof number, "%.17g", v.number);
          v.text = arena_strdup(r->arena, number);
        }
        r->id[in->id_at][row] = v.kind ? v.text : NULL;
      }
    }
  }
}

// ---------------------------------------------------------------- labels
static bool equal_fold(const char *a, const char *b) {
  for (; *a && *b; a++, b++)
    if ((*a | 32) != *b) return false;
  return !*a && !*b;
}

static int truth(const char *s) {                                      // 1, 0, or −1: neither
  static const char *const yes[] = { "1", "true", "yes" }, *const no[] = { "0", "false", "no" };
  double v;
  for (int i = 0; i < 3; i++) {
    if (equal_fold(s, yes[i])) return 1;
    if (equal_fold(s, no[i])) return 0;
  }
  return parse_number(s, &v) && (v == 0 || v == 1) ? v == 1 : -1;
}

static const char *label_column(const RowContext *c, const DataLabel *l) {
  return l->from->op == RX_COLUMN ? c->plan->columns[l->from->index].name : l->name;
}

static double binary_value(RowContext *c, const DataLabel *l, Value v) {
  if (v.kind == VALUE_TEXT && l->positive) return !strcmp(v.text, l->positive);
  int t = v.kind == VALUE_TEXT ? truth(v.text) : v.number == 0 || v.number == 1 ? v.number == 1 : -1;
  if (t >= 0) return t;
  if (v.kind == VALUE_TEXT) row_error(c, "not-binary", label_column(c, l), "`%.40s` is none of 0/1, true/false, yes/no: a binary label that is spelled otherwise names its positive value, as in `== \"%.40s\"`", v.text, v.text);
  else row_error(c, "not-binary", label_column(c, l), "%g is neither 0 nor 1", v.number);
  return 0;
}

static double class_value(RowContext *c, Raw *r, const DataLabel *l, int at, Value v) {
  double x = v.number;
  if (v.kind == VALUE_TEXT && !parse_number(v.text, &x)) {
    r->label_text[at][c->row] = v.text;
    return -1;
  }
  if (x != floor(x) || x < 0 || x >= (double)l->classes)
    row_error(c, "not-a-class", label_column(c, l), "%g is no class: 0 … %lld", x, (long long)l->classes - 1);
  if (v.kind == VALUE_TEXT) r->label_text[at][c->row] = v.text;
  return x;
}

static double label_number(RowContext *c, Raw *r, const DataLabel *l, int at, Value v) {
  double x = v.number;
  if (l->kind == LABEL_BINARY) return binary_value(c, l, v);
  if (l->kind == LABEL_CLASS) return class_value(c, r, l, at, v);
  if (v.kind == VALUE_TEXT && !parse_number(v.text, &x)) {
    row_error(c, "not-a-number", label_column(c, l), "`%.40s` is no number", v.text);
    return 0;
  }
  return x;
}

static bool absent(const Raw *r, const RowExpr *e) {
  if (!e) return false;
  if (e->op == RX_COLUMN) return r->column[e->index] < 0;
  if (e->op == RX_LABEL) return absent(r, r->plan->labels[e->index].from);
  return absent(r, e->a) || absent(r, e->b);
}

static void read_label(Raw *r, int at, RowContext *c, double *values, bool *known) {
  const DataLabel *l = &r->plan->labels[at];
  int64_t row = c->row;
  c->label = values;
  c->label_known = known;
  known[at] = false;
  values[at] = 0;
  bool counts = true;
  if (l->where) {
    Value w = row_value(c, l->where);
    counts = w.kind && w.number != 0;
  }
  Value v = counts && !absent(r, l->from) ? row_value(c, l->from) : (Value){0};
  if (v.kind) {
    values[at] = label_number(c, r, l, at, v);
    known[at] = true;
  } else if (counts && l->missing == MISSING_ERROR && !l->anonymous && l->from->op == RX_COLUMN && !absent(r, l->from))
    row_error(c, "missing-label", label_column(c, l), "the label `%s` is missing; where it may be, say so: { missing = drop }, or `where`", l->name);
  r->label[at][row] = values[at];
  r->known[at][row] = known[at];
}

static void read_labels(Raw *r) {
  int n = r->plan->n_labels;
  double *values = NEW_ARRAY(r->arena, double, n + 1);
  bool *known = NEW_ARRAY(r->arena, bool, n + 1);
  for (int64_t row = 0; row < r->n; row++) {
    RowContext c = raw_context(r, row);
    for (int i = 0; i < n; i++) read_label(r, i, &c, values, known);
  }
}

// ---------------------------------------------------------------- the whole
static void make_room(Raw *r) {
  const DataPlan *p = r->plan;
  Arena *a = r->arena;
  r->n = r->table->n_rows;
  r->split = NEW_ARRAY(a, int8_t, r->n);
  r->dense = NEW_ARRAY(a, double *, p->dense_width + 1);
  r->id = NEW_ARRAY(a, const char **, p->n_ids + 1);
  r->label = NEW_ARRAY(a, double *, p->n_labels + 1);
  r->known = NEW_ARRAY(a, uint8_t *, p->n_labels + 1);
  r->label_text = NEW_ARRAY(a, const char **, p->n_labels + 1);
  for (int i = 0; i < p->dense_width; i++) r->dense[i] = NEW_ARRAY(a, double, r->n);
  for (int i = 0; i < p->n_ids; i++) r->id[i] = NEW_ARRAY(a, const char *, r->n);
  for (int i = 0; i < p->n_labels; i++) {
    r->label[i] = NEW_ARRAY(a, double, r->n);
    r->known[i] = NEW_ARRAY(a, uint8_t, r->n);
    if (p->labels[i].kind == LABEL_CLASS) r->label_text[i] = NEW_ARRAY(a, const char *, r->n);
  }
}

Raw *raw_read(const DataPlan *p, const char *path, bool need_labels, Diag *d) {
  Table *t = csv_read(path, &p->sources[0], d);
  if (!t) return NULL;
  Raw *r = xcalloc(1, sizeof *r);
  r->plan = p, r->table = t, r->diag = d, r->arena = arena_new();
  find_columns(r, need_labels);
  if (!r->errors) {
    make_room(r);
    read_inputs(r);
    read_labels(r);
  }
  if (!r->errors) return r;
  if (r->errors > MAX_DATA_ERRORS) diag_data(d, "more-errors", path, 0, 0, NULL, "and %d more errors", r->errors - MAX_DATA_ERRORS);
  raw_free(r);
  return NULL;
}

void raw_free(Raw *r) {
  if (!r) return;
  table_free(r->table);
  arena_free(r->arena);
  free(r);
}
