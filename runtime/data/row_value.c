// row_value.c: the value of an expression over one row. Unknown spreads through arithmetic and comparison; and, or are
// three-valued (Kleene). Also the errors of a cell.
#include <math.h>
#include "data_int.h"

// ---------------------------------------------------------------- errors of a cell
int64_t row_line(const Raw *r, int64_t row) {
  const Table *t = r->table;
  if (row >= t->first && row < t->first + t->n_rows) return t->line[row - t->first];
  int lo = 0, hi = r->lines.n - 1;
  while (lo < hi) {                                        // the last that begins at or before the row
    int mid = lo + (hi - lo + 1) / 2;
    if (r->lines.data[mid].row <= row) lo = mid;
    else hi = mid - 1;
  }
  return hi < 0 ? 0 : r->lines.data[lo].line + (row - r->lines.data[lo].row);
}

static bool report(Raw *r, const char *code, int64_t count, const char *path, int64_t row, int64_t line, const char *column,
                   const char *fmt, va_list ap) {
  r->faults++;
  if (r->mute) return false;
  r->errors += count;
  if (r->reports == MAX_DATA_ERRORS) return false;
  r->reports++;
  r->shown += count;
  diag_data(r->diag, code, path, row + 1, line, column, "%s", arena_vprintf(r->arena, fmt, ap));
  return true;
}

bool row_error(Raw *r, int64_t row, int64_t count, const char *code, const char *column, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  bool told = report(r, code, count, r->table->path, row, row_line(r, row), column, fmt, ap);
  va_end(ap);
  return told;
}

static void told_grow(Raw *r) {
  size_t old = r->told.cap, cap = old ? 2 * old : 64;
  uint64_t *slot = xcalloc(cap, sizeof *slot);
  for (size_t i = 0; i < old; i++) {
    if (!r->told.slot[i]) continue;
    size_t k = r->told.slot[i] & (cap - 1);
    while (slot[k]) k = (k + 1) & (cap - 1);
    slot[k] = r->told.slot[i];
  }
  free(r->told.slot);
  r->told.slot = slot;
  r->told.cap = cap;
}

// Is it the first error of a cell of a joined source? Marks it.
static bool first_time(Raw *r, int64_t row, int column) {
  uint64_t key = mix64((uint64_t)row * (uint64_t)r->plan->n_columns + (uint64_t)column + 1);
  if (2 * r->told.n >= r->told.cap) told_grow(r);
  size_t k = key & (r->told.cap - 1);
  for (; r->told.slot[k]; k = (k + 1) & (r->told.cap - 1))
    if (r->told.slot[k] == key) return false;
  r->told.slot[k] = key;
  r->told.n++;
  return true;
}

bool cell_error(Raw *r, int64_t row, int64_t count, const char *code, int column, const char *name, const char *fmt, ...) {
  const RawColumn *c = column >= 0 ? &r->plan->columns[column] : NULL;
  const Joined *j = c && r->joined && c->source ? &r->joined[c->source] : NULL;
  const Table *t = r->table;
  int64_t line = 0;
  if (j && j->table && j->match[row] >= 0) {
    row = j->match[row];
    t = j->table;
    line = t->line[row];
    r->faults++;
    if (!r->mute && !first_time(r, row, column)) return false;
  } else {
    line = row_line(r, row);
  }
  va_list ap;
  va_start(ap, fmt);
  bool told = report(r, code, count, t->path, row, line, c ? c->name : name, fmt, ap);
  va_end(ap);
  return told;
}

const char *shown(Raw *r, const char *s) {
  enum { LONGEST = 40 };
  size_t n = strlen(s);
  if (n <= LONGEST) return s;
  for (n = LONGEST; n > LONGEST - 4 && ((unsigned char)s[n] & 0xC0) == 0x80;) n--;      // not within a character
  return arena_printf(r->arena, "%.*s…", (int)n, s);
}

const char *label_column(const DataPlan *p, const DataLabel *l) {
  return l->from->op == RX_COLUMN ? p->columns[l->from->index].name : l->name;
}

const char *input_column(const DataPlan *p, const DataInput *in, int k) {
  if (in->kind == INPUT_VECTOR) return p->columns[in->first_column + (in->packed ? 0 : k)].name;
  return in->from->op == RX_COLUMN ? p->columns[in->from->index].name : in->name;
}

void time_error(Raw *r, int64_t row, int column, const char *s, const char *format) {
  const char *as = format ? arena_printf(r->arena, " as \"%s\"", format) : "";
  bool told = cell_error(r, row, 1, "not-a-time", column, NULL, "`%s` is no time%s", shown(r, s), as);
  if (told && !format)
    diag_help(r->diag, "that is `2024-05-01`, `2024-05-01 13:30`, or seconds since 1970; else an input says how it is "
              "written: `format = \"%%d.%%m.%%Y\"`");
}

int expr_column(const RowExpr *e) { return e->op == RX_COLUMN ? e->index : -1; }

int input_cell(const DataInput *in, int k) {
  if (in->kind == INPUT_VECTOR) return in->first_column + (in->packed ? 0 : k);
  return expr_column(in->from);
}

// ---------------------------------------------------------------- leaves
Cells cells_of(const Raw *r, int column) {
  int at = r->column[column], source = r->joined ? r->plan->columns[column].source : 0;
  const Table *t = source ? r->joined[source].table : r->table;
  Cells c = {.width = 1, .source = &r->plan->sources[source]};
  if (at >= 0) c = (Cells){t->cell + at, t->width, t->first, source ? r->joined[source].match : NULL, c.source};
  return c;
}

// One of a row that nothing is joined to is missing.
const char *row_cell(const Raw *r, int64_t row, int column, bool *missing) {
  Cells c = cells_of(r, column);
  const char *s = cell_text(&c, row);
  *missing = !s || is_missing(c.source, s);
  return s ? s : "";
}

// A column's value from its cell; NULL: missing.
static Value cell_value(Raw *r, int64_t row, const RowExpr *e, const char *s) {
  double v;
  if (!s) return (Value){0};
  if (!e->numeric && !e->time) return (Value){VALUE_TEXT, 0, s};
  if (e->time ? parse_time(s, e->format, &v) : parse_cell(s, &v)) return (Value){VALUE_NUMBER, v, NULL};
  if (e->time) time_error(r, row, e->index, s, e->format);
  else cell_error(r, row, 1, "not-a-number", e->index, NULL, "`%s` is no number", shown(r, s));
  return (Value){0};
}

static inline void set_value(ValueBlock *out, int i, Value v) {
  out->kind[i] = (uint8_t)v.kind;
  out->number[i] = v.number;
  out->text[i] = v.text;
}

static void column_values(Raw *r, int64_t row, int n, const RowExpr *e, ValueBlock *out) {
  Cells c = cells_of(r, e->index);
  for (int i = 0; i < n; i++) set_value(out, i, cell_value(r, row + i, e, cell_at(&c, row + i)));
}

// A class that is a text has no number.
static void text_class(Raw *r, int64_t row, const RowExpr *e) {
  const DataLabel *l = &r->plan->labels[e->index];
  row_error(r, row, 1, "class-is-text", label_column(r->plan, l),
            "the label `%s` is read as a number elsewhere in the spec, but its classes are texts", l->name);
}

static void label_values(Raw *r, int64_t row, int n, const RowExpr *e, ValueBlock *out) {
  const uint8_t *known = r->known[e->index] + row;
  const double *label = r->label[e->index];
  bool binary = r->plan->labels[e->index].kind == LABEL_BINARY;
  for (int i = 0; i < n && binary; i++) {
    out->kind[i] = (uint8_t)((known[i] & LABEL_KNOWN) * VALUE_BOOL);
    out->number[i] = known[i] / LABEL_TRUE;
  }
  for (int i = 0; i < n && !binary; i++) {
    out->kind[i] = (uint8_t)(known[i] * VALUE_NUMBER);
    out->number[i] = label[row + i];                         // 0 where it is unknown
    if (!isnan(label[row + i]) || !known[i]) continue;
    text_class(r, row + i, e);
    out->kind[i] = VALUE_UNKNOWN, out->number[i] = 0;
  }
}

static void row_numbers(int64_t row, int n, ValueBlock *out) {
  for (int i = 0; i < n; i++) {
    out->kind[i] = VALUE_NUMBER;
    out->number[i] = (double)(row + i);
  }
}

// ---------------------------------------------------------------- operators
// Each over n rows, a op b → a; b may be a constant (step 0). Without branches on what is random.
static inline void set_truth(ValueBlock *out, int i, unsigned known, unsigned v) {       // 0 or 1
  out->kind[i] = (uint8_t)(known * VALUE_BOOL);
  out->number[i] = (int)(known & v);
}

static void logic(RowOp op, int n, ValueBlock *a, const ValueBlock *b, int step) {
  bool decides = op == RX_OR;                              // the value of one side that settles the whole
  for (int i = 0; i < n; i++) {
    unsigned has_a = a->kind[i] != 0, has_b = b->kind[i * step] != 0;
    unsigned settled = (has_a & ((a->number[i] != 0) == decides)) | (has_b & ((b->number[i * step] != 0) == decides));
    set_truth(a, i, settled | (has_a & has_b), settled == decides);
  }
}

// Bit 1 + the sign of a − b: does the comparison hold?
static int holds(RowOp op) {
  switch (op) {
  case RX_EQ: return 2;
  case RX_NE: return 5;
  case RX_LT: return 1;
  case RX_LE: return 3;
  case RX_GT: return 4;
  default: return 6;
  }
}

static int order_of(const char *a, const char *b) {         // of texts; they mostly differ in their first byte
  int order = *a != *b ? (unsigned char)*a - (unsigned char)*b : strcmp(a, b);
  return (order > 0) - (order < 0);
}

static void comparison(RowOp op, int n, ValueBlock *a, const ValueBlock *b, int step) {
  int when = holds(op);
  for (int i = 0; i < n; i++) {
    double x = a->number[i], y = b->number[i * step];
    int order = (x > y) - (x < y);
    if ((a->kind[i] == VALUE_TEXT) & (b->kind[i * step] == VALUE_TEXT)) order = order_of(a->text[i], b->text[i * step]);
    set_truth(a, i, (a->kind[i] != 0) & (b->kind[i * step] != 0), (unsigned)when >> (order + 1) & 1);
  }
}

static inline bool is_small_whole(double x) { return x >= 0 && x < 1 << 30 && x == (int32_t)x; }

static double remainder_of(double x, double y) {            // with the sign of the divisor
  double v = fmod(x, y);
  return v != 0 && (v < 0) != (y < 0) ? v + y : v;
}

// Of whole numbers without the cost of fmod: x / y is far enough from the next whole number for its rounded quotient to be cut to the right one.
static void remainders(int n, ValueBlock *a, const ValueBlock *b, int step) {
  bool whole_b = is_small_whole(b->number[0]) && b->number[0] != 0;
  for (int i = 0; i < n; i++) {
    double x = a->number[i], y = b->number[i * step];
    if (step) whole_b = is_small_whole(y) && y != 0;
    bool whole = whole_b && is_small_whole(x);
    double v = whole ? (int32_t)x - (int32_t)(x / y) * (int32_t)y : remainder_of(x, y);
    unsigned known = (a->kind[i] != 0) & (b->kind[i * step] != 0) & (whole || isfinite(v));
    a->kind[i] = (uint8_t)(known * VALUE_NUMBER);
    a->number[i] = known ? v : 0;
  }
}

static inline double result_of(RowOp op, double x, double y) {
  switch (op) {
  case RX_ADD: return x + y;
  case RX_SUB: return x - y;
  case RX_MUL: return x * y;
  case RX_DIV: return x / y;
  default: BUG("row operator %d", (int)op);
  }
}

// A quotient by zero, and what is too large for a double, is unknown.
static void arithmetic(RowOp op, int n, ValueBlock *a, const ValueBlock *b, int step) {
  for (int i = 0; i < n; i++) {
    double v = result_of(op, a->number[i], b->number[i * step]);
    bool known = a->kind[i] && b->kind[i * step] && isfinite(v);
    a->kind[i] = known ? VALUE_NUMBER : VALUE_UNKNOWN;
    a->number[i] = known ? v : 0;
  }
}

static void unary(const RowExpr *e, int n, ValueBlock *a) {
  for (int i = 0; i < n; i++) {
    if (!a->kind[i]) continue;
    if (e->op == RX_NOT) set_truth(a, i, true, a->number[i] == 0);
    else a->kind[i] = VALUE_NUMBER, a->number[i] = e->op == RX_NEG ? -a->number[i] : time_part((TimePart)e->index, a->number[i]);
  }
}

// ---------------------------------------------------------------- expressions
static bool is_constant(const RowExpr *e) { return e->op == RX_NUMBER || e->op == RX_TEXT || e->op == RX_BOOL; }

static Value constant(const RowExpr *e) {
  if (e->op == RX_TEXT) return (Value){VALUE_TEXT, 0, e->text};
  return e->op == RX_BOOL ? (Value){VALUE_BOOL, e->number != 0, NULL} : (Value){VALUE_NUMBER, e->number, NULL};
}

// In rows row … row + n − 1, n ≤ VALUE_ROWS.
static void values(Raw *r, int64_t row, int n, const RowExpr *e, ValueBlock *out) {
  ValueBlock b;
  int step = e->b && !is_constant(e->b);
  if (e->a) values(r, row, n, e->a, out);
  if (e->b) values(r, row, step ? n : 1, e->b, &b);
  switch (e->op) {
  case RX_COLUMN: column_values(r, row, n, e, out); break;
  case RX_LABEL: label_values(r, row, n, e, out); break;
  case RX_ROW: row_numbers(row, n, out); break;
  case RX_NUMBER:
  case RX_TEXT:
  case RX_BOOL:
    for (int i = 0; i < n; i++) set_value(out, i, constant(e));
    break;
  case RX_NEG:
  case RX_PART:
  case RX_NOT: unary(e, n, out); break;
  case RX_AND:
  case RX_OR: logic(e->op, n, out, &b, step); break;
  case RX_EQ:
  case RX_NE:
  case RX_LT:
  case RX_LE:
  case RX_GT:
  case RX_GE: comparison(e->op, n, out, &b, step); break;
  case RX_MOD: remainders(n, out, &b, step); break;
  default: arithmetic(e->op, n, out, &b, step);
  }
}

Value row_value(Raw *r, int64_t row, const RowExpr *e) {
  ValueBlock v;
  values(r, row, 1, e, &v);
  return value_of(&v, 0);
}

bool look_ahead(Raw *r, Ahead *a, int64_t row) {
  bool mute = r->mute;
  int64_t faults = r->faults;
  a->from = row;
  a->to = r->n - row < VALUE_ROWS ? r->n : row + VALUE_ROWS;
  r->mute = true;
  values(r, row, (int)(a->to - row), a->e, &a->value);
  r->mute = mute;
  a->clean = r->faults == faults;
  r->faults = faults;
  return a->clean;
}
