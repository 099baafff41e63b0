// raw.c: a table's cells as typed columns. A value that does not fit its type is an error with row and column.
#include <math.h>
#include "data_int.h"

// ---------------------------------------------------------------- columns
static bool reads_column(const RowExpr *e, int column) {
  if (!e) return false;
  return (e->op == RX_COLUMN && e->index == column) || reads_column(e->a, column) || reads_column(e->b, column);
}

// Do the inputs need the column, not labels or the split alone?
static bool inputs_read(const DataPlan *p, int column) {
  for (int i = 0; i < p->n_inputs; i++) {
    const DataInput *in = &p->inputs[i];
    int n = in->packed ? 1 : in->width;
    if (in->kind == INPUT_VECTOR && column >= in->first_column && column < in->first_column + n) return true;
    if (reads_column(in->from, column)) return true;
  }
  return false;
}

static void missing_column(Raw *r, const char *name) {
  const Table *t = r->table;
  if (r->reports++ >= MAX_DATA_ERRORS) return;
  r->shown++;
  diag_data(r->diag, "missing-column", t->path, 0, 0, name, "the file has no such column");
  const char *near = nearest(name, t->names, t->n_columns);
  if (near) diag_help(r->diag, "did you mean `%s`?", near);
  Text all = {0};
  for (int i = 0; i < t->n_columns && i < 40; i++) text_printf(&all, "%s%s", i ? ", " : "", t->names[i]);
  diag_help(r->diag, "the file's columns are %s%s", all.data ? all.data : "", t->n_columns > 40 ? ", …" : "");
  text_free(&all);
}

typedef struct { const char *name; int at; } Named;
static int by_name(const void *a, const void *b) { return strcmp(((const Named *)a)->name, ((const Named *)b)->name); }

static bool labels_read(const DataPlan *p, int column) {
  for (int i = 0; i < p->n_labels; i++)
    if (reads_column(p->labels[i].from, column) || reads_column(p->labels[i].where, column)) return true;
  return false;
}

static bool is_needed(const DataPlan *p, int column, RawNeed need) {
  return need == NEED_ALL || inputs_read(p, column) || (need == NEED_LABELS && labels_read(p, column));
}

static void find_columns(Raw *r, RawNeed need) {
  const DataPlan *p = r->plan;
  const Table *t = r->table;
  Named *names = xmalloc(sizeof *names * (size_t)(t->n_columns + 1));
  for (int i = 0; i < t->n_columns; i++) names[i] = (Named){t->names[i], i};
  qsort(names, (size_t)t->n_columns, sizeof *names, by_name);
  r->column = NEW_ARRAY(r->arena, int, p->n_columns + 1);
  for (int i = 0; i < p->n_columns; i++) {
    const Named *found = bsearch(&(Named){p->columns[i].name, 0}, names, (size_t)t->n_columns, sizeof *names, by_name);
    r->column[i] = found ? found->at : -1;
    if (found || !is_needed(p, i, need)) continue;
    r->errors++;
    missing_column(r, p->columns[i].name);
  }
  free(names);
}

// ---------------------------------------------------------------- inputs
static double real_value(Raw *r, int64_t row, const DataInput *in) {    // NaN: missing
  Value v = row_value(r, row, in->from);
  double x = v.number;
  if (!v.kind) return NAN;
  if (v.kind != VALUE_TEXT || parse_number(v.text, &x)) return x;
  row_error(r, row, 1, "not-a-number", input_column(r->plan, in, 0), "`%s` is no number", shown(r, v.text));
  return NAN;
}

static void read_vector(Raw *r, int64_t row, const DataInput *in) {
  for (int k = 0; k < in->width; k++) {
    bool missing;
    const char *s = row_cell(r, row, in->first_column + k, &missing);
    double x = NAN;
    if (!missing && !parse_number(s, &x))
      row_error(r, row, 1, "not-a-number", input_column(r->plan, in, k), "`%s` is no number", shown(r, s));
    r->dense[in->dense_at + k][row] = x;
  }
}

// The next number of a packed vector; *s moves behind it. false: `word` (a text) is none.
static bool next_number(const char **s, char word[64], double *x) {
  size_t n = strcspn(*s, " ;,\t");
  snprintf(word, 64, "%.*s", (int)(n < 63 ? n : 63), *s);
  *s += n;
  *s += strspn(*s, " ;,\t");
  return n < 63 && parse_number(word, x);
}

static void read_packed(Raw *r, int64_t row, const DataInput *in) {
  const char *name = input_column(r->plan, in, 0);
  bool missing;
  const char *s = row_cell(r, row, in->first_column, &missing);
  for (int k = 0; k < in->width; k++) r->dense[in->dense_at + k][row] = NAN;
  if (missing) return;
  int64_t k = 0;
  for (s += strspn(s, " \t"); *s; k++) {
    char word[64];
    double x;
    if (!next_number(&s, word, &x)) {
      row_error(r, row, 1, "not-a-number", name, "`%s` is no number", shown(r, word));
      return;
    }
    if (k < in->width) r->dense[in->dense_at + k][row] = x;
  }
  if (k != in->width)
    row_error(r, row, 1, "wrong-length", name, "%lld numbers, but `%s` is a vector(%d)", (long long)k, in->name, in->width);
}

static void read_id(Raw *r, int64_t row, const DataInput *in) {
  Value v = row_value(r, row, in->from);
  const char *s = v.kind == VALUE_TEXT || !v.kind ? v.text : arena_printf(r->arena, "%.17g", v.number);
  r->id[in->id_at].code[row] = s ? distinct_add(&r->id[in->id_at], s) : -1;
}

static void read_inputs(Raw *r) {
  for (int i = 0; i < r->plan->n_inputs; i++) {
    const DataInput *in = &r->plan->inputs[i];
    for (int64_t row = 0; row < r->n; row++) {
      if (in->id_at >= 0) read_id(r, row, in);
      else if (in->kind == INPUT_REAL) r->dense[in->dense_at][row] = real_value(r, row, in);
      else if (in->packed) read_packed(r, row, in);
      else read_vector(r, row, in);
    }
  }
}

// ---------------------------------------------------------------- labels
// Values of a binary label that are neither true nor false, each with its first row: told once, with all of their number.
typedef struct { const char *value; int64_t row, count; } BadValue;
typedef struct { BadValue bad[MAX_DATA_ERRORS]; int n_bad; int64_t good; } Binary;

static void bad_value(Raw *r, Binary *b, int64_t row, const DataLabel *l, const char *s) {
  for (int i = 0; i < b->n_bad; i++)
    if (strcmp(b->bad[i].value, s) == 0) {
      b->bad[i].count++;
      return;
    }
  if (b->n_bad < MAX_DATA_ERRORS) b->bad[b->n_bad++] = (BadValue){s, row, 1};
  else row_error(r, row, 1, "not-binary", label_column(r->plan, l), "`%s` is neither true nor false", shown(r, s));
}

static bool binary_value(Raw *r, Binary *b, int64_t row, const DataLabel *l, Value v, double *x) {
  if (v.kind == VALUE_TEXT && l->positive) *x = strcmp(v.text, l->positive) == 0;
  else {
    *x = v.kind == VALUE_TEXT ? parse_truth(v.text) : v.number;
    if (*x != 0 && *x != 1) {
      bad_value(r, b, row, l, v.kind == VALUE_TEXT ? v.text : arena_printf(r->arena, "%.17g", v.number));
      return false;
    }
  }
  b->good++;
  return true;
}

static void report_binary(Raw *r, const Binary *b, const DataLabel *l) {
  const char *column = label_column(r->plan, l);
  const BadValue *x = b->bad;
  if (b->n_bad == 2 && !b->good) {
    bool told = row_error(r, x[0].row, x[0].count + x[1].count, "not-binary", column,
                          "the values of `%s` are `%s` and `%s`: the spec must say which one is true", l->name,
                          shown(r, x[0].value), shown(r, x[1].value));
    if (told) diag_help(r->diag, "compare it in the spec: `label %s : binary = … == \"%s\"`", l->name, shown(r, x[1].value));
    return;
  }
  for (int i = 0; i < b->n_bad; i++) {
    const char *more = x[i].count > 1 ? arena_printf(r->arena, " (%lld rows)", (long long)x[i].count) : "";
    bool told = row_error(r, x[i].row, x[i].count, "not-binary", column, "`%s` is none of 0/1, true/false, yes/no%s",
                          shown(r, x[i].value), more);
    if (told && i == 0)
      diag_help(r->diag, "a label that is spelled otherwise is compared in the spec: `… == \"%s\"`", shown(r, x[i].value));
  }
}

static bool class_value(Raw *r, int at, int64_t row, Value v, double *x) {
  const char *s = v.kind == VALUE_TEXT ? v.text : arena_printf(r->arena, "%.17g", v.number);
  r->classes[at].code[row] = distinct_add(&r->classes[at], s);
  if (!parse_number(s, x)) *x = NAN;
  return true;
}

// A number; of a count or a rank a whole one from 0, of a loss of amounts one from 0.
static bool real_label(Raw *r, int64_t row, const DataLabel *l, Value v, double *x) {
  const char *column = label_column(r->plan, l);
  *x = v.number;
  if (v.kind == VALUE_TEXT && !parse_number(v.text, x)) {
    row_error(r, row, 1, "not-a-number", column, "`%s` is no number", shown(r, v.text));
    return false;
  }
  bool whole = l->kind == LABEL_COUNT || l->kind == LABEL_RANK;
  if (whole && (*x < 0 || *x != floor(*x))) {
    row_error(r, row, 1, "not-a-count", column, "%g is no %s: that is 0, 1, 2 …", *x, l->kind == LABEL_RANK ? "rank" : "count");
    return false;
  }
  if (!l->not_below_0 || *x >= 0) return true;
  row_error(r, row, 1, "below-0", column, "%g is below 0, where the loss `%s` of `%s` ends", *x, l->not_below_0, l->name);
  return false;
}

// Is the value of a column absent because the file lacks the column?
static bool lacks(const Raw *r, const RowExpr *e) {
  if (!e) return false;
  if (e->op == RX_COLUMN) return r->column[e->index] < 0;
  return lacks(r, e->a) || lacks(r, e->b);
}

static void missing_label(Raw *r, int64_t row, const DataLabel *l, bool first) {
  bool told = row_error(r, row, 1, "missing-label", label_column(r->plan, l), "the label `%s` is missing", l->name);
  if (told && first)
    diag_help(r->diag, "where it may be missing, say `{ missing = drop }`: the row then counts for the other tasks only");
}

void raw_label(Raw *r, int at) {
  const DataLabel *l = &r->plan->labels[at];
  Binary b = {0};
  int64_t missing = 0;
  for (int64_t row = 0; row < r->n; row++) {
    Value w = l->where ? row_value(r, row, l->where) : (Value){VALUE_BOOL, 1, NULL};
    int64_t errors = r->errors;
    Value v = w.kind && w.number != 0 ? row_value(r, row, l->from) : (Value){0};
    double x = 0;
    bool known = v.kind != VALUE_UNKNOWN;
    if (known && l->kind == LABEL_BINARY) known = binary_value(r, &b, row, l, v, &x);
    else if (known && l->kind == LABEL_CLASS) known = class_value(r, at, row, v, &x);
    else if (known) known = real_label(r, row, l, v, &x);
    else if (w.kind && w.number != 0 && l->missing == MISSING_ERROR && !l->anonymous && r->errors == errors)
      missing_label(r, row, l, !missing++);
    r->label[at][row] = known ? x : 0;
    r->known[at][row] = known;
  }
  report_binary(r, &b, l);
}

static void read_labels(Raw *r) {
  for (int i = 0; i < r->plan->n_labels; i++)
    if (!lacks(r, r->plan->labels[i].from) && !lacks(r, r->plan->labels[i].where)) raw_label(r, i);
}

// ---------------------------------------------------------------- the whole
static void make_room(Raw *r) {
  const DataPlan *p = r->plan;
  Arena *a = r->arena;
  r->split = NEW_ARRAY(a, int8_t, r->n + 1);
  r->dense = NEW_ARRAY(a, double *, p->dense_width + 1);
  r->id = NEW_ARRAY(a, Distinct, p->n_ids + 1);
  r->label = NEW_ARRAY(a, double *, p->n_labels + 1);
  r->known = NEW_ARRAY(a, uint8_t *, p->n_labels + 1);
  r->classes = NEW_ARRAY(a, Distinct, p->n_labels + 1);
  for (int i = 0; i < p->dense_width; i++) r->dense[i] = NEW_ARRAY(a, double, r->n);
  for (int i = 0; i < p->n_ids; i++) distinct_init(&r->id[i], a, r->n);
  for (int i = 0; i < p->n_labels; i++) {
    r->label[i] = NEW_ARRAY(a, double, r->n);
    r->known[i] = NEW_ARRAY(a, uint8_t, r->n);
    if (p->labels[i].kind == LABEL_CLASS) distinct_init(&r->classes[i], a, r->n);
  }
}

Raw *raw_read(const DataPlan *p, const char *path, RawNeed need, Diag *d) {
  Table *t = csv_read(path, &p->sources[0], d);
  if (!t) return NULL;
  Raw *r = xcalloc(1, sizeof *r);
  *r = (Raw){.plan = p, .table = t, .n = t->n_rows, .diag = d, .arena = arena_new()};
  find_columns(r, need);
  if (!r->errors) {
    make_room(r);
    r->mute = need == NEED_INPUTS;
    read_labels(r);                                          // first: inputs and rules may read them
    r->mute = false;
    read_inputs(r);
  }
  if (raw_finish(r)) return r;
  raw_free(r);
  return NULL;
}

void raw_drop(Raw *r) {
  for (int i = 0; i < r->plan->n_inputs; i++) {
    const DataInput *in = &r->plan->inputs[i];
    if (in->prep.missing != MISSING_DROP) continue;
    for (int64_t row = 0; row < r->n; row++) {
      bool gone = in->id_at >= 0 && r->id[in->id_at].code[row] < 0;
      for (int k = 0; k < in->width; k++) gone |= isnan(r->dense[in->dense_at + k][row]);
      if (gone && r->split[row] >= 0) r->split[row] = SPLIT_DROPPED;
    }
  }
}

bool raw_finish(Raw *r) {
  if (r->errors > r->shown)
    diag_data(r->diag, "more-errors", r->table->path, 0, 0, NULL, "and %lld more errors of this kind or others",
              (long long)(r->errors - r->shown));
  r->shown = r->errors;
  return r->errors == 0;
}

void raw_free(Raw *r) {
  if (!r) return;
  for (int i = 0; r->id && i < r->plan->n_ids; i++) distinct_free(&r->id[i]);
  for (int i = 0; r->classes && i < r->plan->n_labels; i++) distinct_free(&r->classes[i]);
  table_free(r->table);
  arena_free(r->arena);
  free(r);
}
