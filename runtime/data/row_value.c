#define _GNU_SOURCE
// row_value.c: the value of an expression over one row. Unknown spreads through arithmetic and comparison; and, or are
// three-valued (Kleene).
#include "data_int.h"

#include <locale.h>
#include <stdlib.h>
#include <math.h>

static double pow10_exact(int e) {
  static const double p[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
  return p[e];
}

static bool slow_number(const char *s, double *v) {
  static locale_t c_locale;
  if (!c_locale) c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  char *end;
  *v = strtod_l(s, &end, c_locale);
  return end != s && !*end && isfinite(*v);
}

// Fast: up to 15 digits and a power of ten up to 22 are exact in double (Clinger 1990). Everything else: strtod.
bool parse_number(const char *s, double *v) {
  const char *p = s;
  bool negative = *p == '-';
  if (*p == '-' || *p == '+') p++;
  uint64_t m = 0;
  int digits = 0, scale = 0, seen = 0;
  for (; *p >= '0' && *p <= '9'; p++, seen++)
    if (m || *p != '0') m = m * 10 + (uint64_t)(*p - '0'), digits++;
  if (*p == '.')
    for (p++; *p >= '0' && *p <= '9'; p++, seen++) {
      if (m || *p != '0') m = m * 10 + (uint64_t)(*p - '0'), digits++;
      scale++;
    }
  if (!seen) return false;                                 // also inf, nan, hexadecimal
  if (*p || digits > 15 || scale > 22) {
    for (const char *q = s; *q; q++)
      if (!strchr("0123456789+-.eE", *q)) return false;
    return slow_number(s, v);
  }
  *v = (double)m / pow10_exact(scale);
  if (negative) *v = -*v;
  return true;
}

void row_error(const RowContext *c, const char *code, const char *column, const char *fmt, ...) {
  if ((*c->errors)++ >= MAX_DATA_ERRORS) return;
  Text t = {0};
  va_list ap;
  va_start(ap, fmt);
  text_vprintf(&t, fmt, ap);
  va_end(ap);
  diag_data(c->diag, code, c->table->path, c->row + 1, c->table->line[c->row], column, "%s", t.data);
  text_free(&t);
}

const char *row_cell(const RowContext *c, int column, bool *missing) {
  *missing = true;
  if (c->column[column] < 0) return "";
  const char *s = c->table->cell[c->row * c->table->n_columns + c->column[column]];
  *missing = !*s;
  const DataSource *f = &c->plan->sources[0];
  for (int i = 0; i < f->n_na && !*missing; i++) *missing = !strcmp(s, f->na[i]);
  return s;
}

static Value column_value(const RowContext *c, const RowExpr *e) {
  bool missing;
  const char *s = row_cell(c, e->index, &missing);
  if (missing) return (Value){0};
  if (!e->numeric) return (Value){ VALUE_TEXT, 0, s };
  double v;
  if (parse_number(s, &v)) return (Value){ VALUE_NUMBER, v, s };
  row_error(c, "not-a-number", c->plan->columns[e->index].name, "`%.40s` is no number", s);
  return (Value){0};
}

static Value logic(const RowContext *c, const RowExpr *e) {
  double decides = e->op == RX_OR;                         // the value of one side that settles the whole
  Value a = row_value(c, e->a), b = row_value(c, e->b);
  if ((a.kind && (a.number != 0) == decides) || (b.kind && (b.number != 0) == decides)) return (Value){ VALUE_BOOL, decides, NULL };
  return a.kind && b.kind ? (Value){ VALUE_BOOL, !decides, NULL } : (Value){0};
}

static bool compare(RowOp op, double order) {              // order: sign of a − b
  switch (op) {
  case RX_EQ: return order == 0;
  case RX_NE: return order != 0;
  case RX_LT: return order < 0;
  case RX_LE: return order <= 0;
  case RX_GT: return order > 0;
  default: return order >= 0;
  }
}

static Value comparison(const RowExpr *e, Value a, Value b) {
  if (!a.kind || !b.kind) return (Value){0};
  if (!e->numeric && a.kind == VALUE_TEXT && b.kind == VALUE_TEXT) return (Value){ VALUE_BOOL, compare(e->op, strcmp(a.text, b.text)), NULL };
  double x = a.number, y = b.number;
  return (Value){ VALUE_BOOL, compare(e->op, x < y ? -1 : x > y), NULL };
}

static Value arithmetic(const RowExpr *e, Value a, Value b) {
  if (!a.kind || !b.kind) return (Value){0};
  double x = a.number, y = b.number, r;
  switch (e->op) {
  case RX_ADD: r = x + y; break;
  case RX_SUB: r = x - y; break;
  case RX_MUL: r = x * y; break;
  case RX_DIV: r = x / y; break;
  default: r = x - y * floor(x / y); break;                // %: the sign of the divisor
  }
  return isfinite(r) ? (Value){ VALUE_NUMBER, r, NULL } : (Value){0};
}

Value row_value(const RowContext *c, const RowExpr *e) {
  switch (e->op) {
  case RX_COLUMN: return column_value(c, e);
  case RX_LABEL: return c->label_known[e->index] ? (Value){ VALUE_NUMBER, c->label[e->index], NULL } : (Value){0};
  case RX_ROW: return (Value){ VALUE_NUMBER, (double)c->row, NULL };
  case RX_NUMBER: return (Value){ VALUE_NUMBER, e->number, NULL };
  case RX_TEXT: return (Value){ VALUE_TEXT, 0, e->text };
  case RX_BOOL: return (Value){ VALUE_BOOL, e->number != 0, NULL };
  case RX_AND: case RX_OR: return logic(c, e);
  default: break;
  }
  Value a = row_value(c, e->a), b = e->b ? row_value(c, e->b) : (Value){0};
  if (e->op == RX_NEG) return a.kind ? (Value){ VALUE_NUMBER, -a.number, NULL } : a;
  if (e->op == RX_NOT) return a.kind ? (Value){ VALUE_BOOL, a.number == 0, NULL } : a;
  if (e->op >= RX_EQ && e->op <= RX_GE) return comparison(e, a, b);
  return arithmetic(e, a, b);
}
