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

static Value cell_value(Raw *r, int64_t row, const RowExpr *e, const char *s) {
  double v;
  if (!s) return (Value){0};
  if (!e->numeric && !e->time) return (Value){VALUE_TEXT, 0, s};
  if (e->time ? parse_time(s, e->format, &v) : parse_cell(s, &v)) return (Value){VALUE_NUMBER, v, s};
  if (e->time) time_error(r, row, e->index, s, e->format);
  else cell_error(r, row, 1, "not-a-number", e->index, NULL, "`%s` is no number", shown(r, s));
  return (Value){0};
}

static void column_values(Raw *r, int64_t row, int n, const RowExpr *e, Value *out) {
  Cells c = cells_of(r, e->index);
  for (int i = 0; i < n; i++) out[i] = cell_value(r, row + i, e, cell_at(&c, row + i));
}

static Value label_value(Raw *r, int64_t row, const RowExpr *e) {
  if (!r->known[e->index][row]) return (Value){0};
  double v = r->label[e->index][row];
  const DataLabel *l = &r->plan->labels[e->index];
  if (!isnan(v)) return (Value){l->kind == LABEL_BINARY ? VALUE_BOOL : VALUE_NUMBER, v, NULL};
  row_error(r, row, 1, "class-is-text", label_column(r->plan, l),
            "the label `%s` is read as a number elsewhere in the spec, but its classes are texts", l->name);
  return (Value){0};
}

// ---------------------------------------------------------------- operators
static Value truth(bool v) { return (Value){VALUE_BOOL, v, NULL}; }

static Value logic(RowOp op, Value a, Value b) {
  bool decides = op == RX_OR;                              // the value of one side that settles the whole
  if ((a.kind && (a.number != 0) == decides) || (b.kind && (b.number != 0) == decides)) return truth(decides);
  return a.kind && b.kind ? truth(!decides) : (Value){0};
}

static bool holds(RowOp op, int order) {                   // order: sign of a − b
  switch (op) {
  case RX_EQ: return order == 0;
  case RX_NE: return order != 0;
  case RX_LT: return order < 0;
  case RX_LE: return order <= 0;
  case RX_GT: return order > 0;
  default: return order >= 0;
  }
}

static Value comparison(RowOp op, Value a, Value b) {
  if (!a.kind || !b.kind) return (Value){0};
  if (a.kind == VALUE_TEXT && b.kind == VALUE_TEXT) return truth(holds(op, strcmp(a.text, b.text)));
  return truth(holds(op, (a.number > b.number) - (a.number < b.number)));
}

static double remainder_of(double x, double y) {          // of whole numbers without the cost of fmod
  enum { LARGE = 1 << 30 };
  if (x >= 0 && x < LARGE && y >= 1 && y < LARGE && x == (int32_t)x && y == (int32_t)y) return (int32_t)x % (int32_t)y;
  return fmod(x, y);
}

// A quotient by zero, and what is too large for a double, is unknown.
static Value arithmetic(RowOp op, Value a, Value b) {
  if (!a.kind || !b.kind) return (Value){0};
  double x = a.number, y = b.number, v = 0;
  switch (op) {
  case RX_ADD: v = x + y; break;
  case RX_SUB: v = x - y; break;
  case RX_MUL: v = x * y; break;
  case RX_DIV: v = x / y; break;
  case RX_MOD: v = remainder_of(x, y); break;
  default: BUG("row operator %d", (int)op);
  }
  if (op == RX_MOD && v != 0 && (v < 0) != (y < 0)) v += y;              // the sign of the divisor
  return isfinite(v) ? (Value){VALUE_NUMBER, v, NULL} : (Value){0};
}

static Value unary(const RowExpr *e, Value a) {
  if (!a.kind) return a;
  if (e->op == RX_NEG) return (Value){VALUE_NUMBER, -a.number, NULL};
  if (e->op == RX_PART) return (Value){VALUE_NUMBER, time_part((TimePart)e->index, a.number), NULL};
  return truth(a.number == 0);
}

static Value binary(RowOp op, Value a, Value b) {
  if (op == RX_AND || op == RX_OR) return logic(op, a, b);
  return op >= RX_EQ && op <= RX_GE ? comparison(op, a, b) : arithmetic(op, a, b);
}

// ---------------------------------------------------------------- expressions
static bool is_constant(const RowExpr *e) { return e->op == RX_NUMBER || e->op == RX_TEXT || e->op == RX_BOOL; }

static Value constant(const RowExpr *e) {
  if (e->op == RX_TEXT) return (Value){VALUE_TEXT, 0, e->text};
  return e->op == RX_BOOL ? truth(e->number != 0) : (Value){VALUE_NUMBER, e->number, NULL};
}

// In rows row … row + n − 1, n ≤ VALUE_ROWS.
static void values(Raw *r, int64_t row, int n, const RowExpr *e, Value *out) {
  Value b[VALUE_ROWS];
  int step = e->b && !is_constant(e->b);
  if (e->a) values(r, row, n, e->a, out);
  if (e->b) values(r, row, step ? n : 1, e->b, b);
  switch (e->op) {
  case RX_COLUMN: column_values(r, row, n, e, out); break;
  case RX_LABEL:
    for (int i = 0; i < n; i++) out[i] = label_value(r, row + i, e);
    break;
  case RX_ROW:
    for (int i = 0; i < n; i++) out[i] = (Value){VALUE_NUMBER, (double)(row + i), NULL};
    break;
  case RX_NUMBER:
  case RX_TEXT:
  case RX_BOOL:
    for (int i = 0; i < n; i++) out[i] = constant(e);
    break;
  case RX_NEG:
  case RX_PART:
  case RX_NOT:
    for (int i = 0; i < n; i++) out[i] = unary(e, out[i]);
    break;
  default:
    for (int i = 0; i < n; i++) out[i] = binary(e->op, out[i], b[i * step]);
  }
}

Value row_value(Raw *r, int64_t row, const RowExpr *e) {
  Value v;
  values(r, row, 1, e, &v);
  return v;
}

void look_ahead(Raw *r, Ahead *a, int64_t row) {
  bool mute = r->mute;
  int64_t faults = r->faults;
  a->from = row;
  a->to = r->n - row < VALUE_ROWS ? r->n : row + VALUE_ROWS;
  r->mute = true;
  values(r, row, (int)(a->to - row), a->e, a->value);
  r->mute = mute;
  a->clean = r->faults == faults;
  r->faults = faults;
}
