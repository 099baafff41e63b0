// test_reading.c: what the reading of text stands on, beside references that look at one byte, one value after the other: numbers beside strtod,
// the marks of a text, its cells and errors beside a plain reader of the same rules, the texts of a column, expressions of many rows, and what
// becomes of cells in prepared rows. MTLC_FUZZ: how many of each.
#define _GNU_SOURCE
#include <ftw.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>
#include "diag_text.h"
#include "runtime/data/data_int.h"

static int times_of(int often) {
  const char *wish = getenv("MTLC_FUZZ");
  return wish ? atoi(wish) : often;
}

static uint64_t draw(uint64_t *x) { return mix64(*x += 0x9e3779b97f4a7c15u); }
static int below(uint64_t *x, int n) { return (int)(draw(x) % (uint64_t)n); }

// ---------------------------------------------------------------- numbers
static void same_as_strtod(const char *text) {
  double got = 99, want = strtod(text, NULL);
  if (!parse_number(text, &got) || memcmp(&got, &want, sizeof got)) fail_msg("`%s` is read as %.17g, not %.17g", text, got, want);
}

// Digits of any number with a dot among them, with and without an exponent; then doubles as they are printed.
static void numbers_are_rounded_right(void **state) {
  (void)state;
  uint64_t x = 1;
  for (int i = 0; i < times_of(60000); i++) {
    static const char *const signs[] = {"", "-", "+", "-0", "000"};
    char text[64], digits[24];
    uint64_t m = draw(&x) >> below(&x, 64);
    int n = snprintf(digits, sizeof digits, "%" PRIu64, m), dot = below(&x, n + 1);
    n = snprintf(text, sizeof text, "%s%.*s.%s", signs[below(&x, 5)], dot, digits, digits + dot);
    same_as_strtod(text);
    snprintf(text + n, sizeof text - (size_t)n, "e%+d", below(&x, 80) - 40);
    same_as_strtod(text);
    snprintf(text, sizeof text, "%.*g", 1 + below(&x, 17), ldexp((double)m, below(&x, 128) - 90));
    same_as_strtod(text);
  }
}

// m · 10^-e, and its neighbours.
static void and_beside(unsigned __int128 m, int e) {
  char text[64];
  if (m >> 63) return;                                       // more digits than are taken at once
  for (int64_t beside = -1; beside <= 1; beside++) {
    snprintf(text, sizeof text, "%" PRIu64 "e-%d", (uint64_t)m + (uint64_t)beside, e);
    same_as_strtod(text);
  }
}

// What lies in the middle between two doubles goes to the even one, what lies beside it to its side.
static void middles_go_to_even(void **state) {
  (void)state;
  uint64_t x = 2;
  for (int i = 0; i < times_of(20000); i++) {
    uint64_t middle = (uint64_t)1 << 53 | draw(&x) >> 11 | 1, five = 1;      // of 54 bits: 53 and a half
    char text[64];
    and_beside((unsigned __int128)middle << below(&x, 10), 0);
    for (int e = 0; e < 5; e++, five *= 5) and_beside((unsigned __int128)middle * five, e);
    int halves = 1 + below(&x, 3);
    snprintf(text, sizeof text, "%" PRIu64 ".%s", middle >> halves, halves == 1 ? "5" : halves == 2 ? "75" : "125");
    same_as_strtod(text);
  }
}

// ---------------------------------------------------------------- marks
static void marks_of_any_bytes(void **state) {
  (void)state;
  static const char alphabet[] = "ab,;\t\"\n\r \x80\xff\x8a\xa2#-./";
  enum { LONGEST = 300 };
  uint64_t x = 3;
  for (int i = 0; i < times_of(3000); i++) {
    char text[LONGEST + 64] = {0}, delimiter = ",;\t|\xac"[below(&x, 5)];
    uint64_t plain[LONGEST / 64 + 1], fast[LONGEST / 64 + 1];
    int n = below(&x, LONGEST + 1);
    for (int k = 0; k < n; k++) text[k] = i % 7 ? alphabet[below(&x, sizeof alphabet - 1)] : (char)draw(&x);
    scan_plain(text, (size_t)n, delimiter, plain);
    scan_marks(text, (size_t)n, delimiter, fast);
    for (int k = 0; k < n; k++) {
      bool want = text[k] == delimiter || text[k] == '\n' || text[k] == '"';
      if ((plain[k / 64] >> k % 64 & 1) != want) fail_msg("text %d, byte %d, in plain C", i, k);
      if ((fast[k / 64] >> k % 64 & 1) != want) fail_msg("text %d, byte %d", i, k);
    }
  }
}

// ---------------------------------------------------------------- a plain reader: of a text, its header behind it, cells and errors
typedef struct {
  const char *p; char delimiter; bool trim;
  int line, row, fields;                                     // row, fields: of the row at hand
  Text cells, errors;                                        // cells of whole rows: `LINE[CELL][CELL]` and a line end
  int wrong;
} Plain;

static bool blank(const Plain *c, char x) { return (x == ' ' || x == '\t') && x != c->delimiter; }
static bool ends(const char *p) { return !*p || *p == '\n'; }

static bool wrong(Plain *c, const char *code, int line) {
  if (strcmp(code, "wrong-fields") != 0 || ++c->wrong <= MAX_DATA_ERRORS)
    text_printf(&c->errors, "row %d, line %d: error[%s]\n", c->row, line, code);
  return false;
}

static bool quoted(Plain *c, Text *out) {
  int opened = c->line;
  for (c->p++; *c->p && (*c->p != '"' || c->p[1] == '"'); c->p++) {
    text_char(out, *c->p);
    c->line += *c->p == '\n';
    c->p += *c->p == '"';
  }
  if (!*c->p++) return wrong(c, "open-quote", opened);
  while (blank(c, *c->p) || (*c->p == '\r' && ends(c->p + 1))) c->p++;
  return ends(c->p) || *c->p == c->delimiter || wrong(c, "after-quote", c->line);
}

static bool field(Plain *c, Text *out) {
  while (c->trim && blank(c, *c->p)) c->p++;
  if (*c->p == '"') return quoted(c, out);
  const char *from = c->p, *to;
  while (!ends(c->p) && *c->p != c->delimiter) c->p++;
  to = c->p;
  if (to > from && to[-1] == '\r' && ends(c->p)) to--;
  while (c->trim && to > from && blank(c, to[-1])) to--;
  text_addn(out, from, (size_t)(to - from));
  return true;
}

// false: no more can be read.
static bool row(Plain *c, int width) {
  size_t before = c->cells.n;
  int line = c->line;
  text_printf(&c->cells, "%d", line);
  for (c->fields = 0;; c->p++) {
    text_char(&c->cells, '[');
    c->fields++;
    if (!field(c, &c->cells)) return false;
    text_char(&c->cells, ']');
    if (ends(c->p)) break;
  }
  text_char(&c->cells, '\n');
  if (c->fields != width) c->cells.n = before, wrong(c, "wrong-fields", line);
  c->line += *c->p == '\n';
  c->p += *c->p == '\n';
  return true;
}

static bool skip_blank_line(Plain *c) {
  const char *p = c->p;
  while (blank(c, *p) || *p == '\r') p++;
  if (!ends(p)) return false;
  c->line += *p == '\n';
  c->p = p + (*p == '\n');
  return true;
}

static void read_plainly(Plain *c, int width) {
  while (*c->p) {
    if (skip_blank_line(c)) continue;
    c->row++;
    if (!row(c, width)) return;
  }
  if (c->wrong > MAX_DATA_ERRORS) text_add(&c->errors, "error[more-errors]\n");
  if (!c->row) text_add(&c->errors, "error[no-rows]\n");
}

// ---------------------------------------------------------------- texts
// A field of three letters and marks, or quoted; whatever happens to it.
static void put_field(Text *t, uint64_t *x, char delimiter) {
  static const char *const bare[] = {"", "7", "-1.5", "ab\"c", "x y", "  ", " z ", "\xc3\xa9", "a long field with no mark in it but many bytes"};
  static const char *const inside[] = {"", "q", "\"\"", "\n", "\r\n", " ", "\"\"\"\"", "a long part that has no mark in it, but many more bytes"};
  if (below(x, 3)) {
    text_add(t, bare[below(x, COUNT_OF(bare))]);
    return;
  }
  if (!below(x, 4)) text_char(t, ' ');
  text_char(t, '"');
  for (int k = below(x, 5); k > 0; k--) {
    text_add(t, inside[below(x, COUNT_OF(inside))]);
    if (!below(x, 3)) text_char(t, delimiter);
  }
  text_char(t, '"');
  if (!below(x, 4)) text_char(t, ' ');
}

static void put_rows(Text *t, uint64_t *x, char delimiter, int rows, bool whole) {      // whole: all of two fields
  static const char *const line_end[] = {"\n", "\n", "\r\n", "\n\n", "\r\n \n"};
  for (int i = 0; i < rows; i++) {
    put_field(t, x, delimiter);
    for (int k = whole || below(x, 30) ? 1 : below(x, 4); k > 0; k--) {
      text_char(t, delimiter);
      put_field(t, x, delimiter);
    }
    text_add(t, line_end[below(x, COUNT_OF(line_end))]);
  }
  if (below(x, 2)) t->data[--t->n] = 0;                      // the last line has no end
}

// Some bytes become others.
static void spoil(Text *t, size_t from, uint64_t *x, char delimiter) {
  const char other[] = {delimiter, '"', '\n', '\r', ' ', 'a'};
  for (int k = below(x, 3); k > 0 && t->n > from; k--) t->data[from + draw(x) % (t->n - from)] = other[below(x, COUNT_OF(other))];
}

static char path[] = "/tmp/mtlc-reading-XXXXXX";

static void write_text(const Text *t) {
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(t->data, 1, t->n, f), t->n);
  fclose(f);
}

// ---------------------------------------------------------------- cells
// As the plain reader writes them, and the errors. rows: of a block.
static void read_blocks(const DataSource *format, int64_t rows, Text *cells, Diag *d) {
  Reader *r = reader_open(path, format, rows, d);
  assert_non_null(r);
  while (r->next(r))
    for (int64_t i = 0; i < r->table.n_rows; i++) {
      text_printf(cells, "%lld", (long long)r->table.line[i]);
      for (int k = 0; k < r->table.width; k++) text_printf(cells, "[%s]", r->table.cell[i * r->table.width + k]);
      text_char(cells, '\n');
    }
  r->close(r);
}

static void same_errors(const char *want, Diag *d, Arena *a, int at) {
  char *got = diag_text(d, a);
  int n = 0;
  for (const char *end; *want && (end = strchr(want, '\n')); want = end + 1, n++)
    if (!strstr(got, arena_strndup(a, want, (size_t)(end - want)))) fail_msg("text %d: no `%.*s` in:\n%s", at, (int)(end - want), want, got);
  if (diag_errors(d) != n) fail_msg("text %d: %d errors, not %d:\n%s", at, diag_errors(d), n, got);
}

static void same_as_plain(uint64_t *x, int rows, int at) {
  Arena *a = arena_new();
  Diag *d = diag_new(a, NULL);
  DataSource format = {.delimiter = ",;\t"[below(x, 3)], .trim = below(x, 2)};
  Text text = {0}, cells = {0};
  text_printf(&text, "a%cb\n", format.delimiter);
  bool whole = below(x, 2);
  put_rows(&text, x, format.delimiter, rows, whole);
  if (!whole) spoil(&text, 4, x, format.delimiter);
  write_text(&text);
  Plain c = {.p = text.data + 4, .delimiter = format.delimiter, .trim = format.trim, .line = 2};
  read_plainly(&c, 2);
  read_blocks(&format, below(x, 3) ? 1 + below(x, 20) : below(x, 2) ? 2048 : 0, &cells, d);
  same_errors(c.errors.data ? c.errors.data : "", d, a, at);
  if (!c.errors.n && (cells.n != c.cells.n || memcmp(cells.data, c.cells.data, cells.n))) fail_msg("text %d: other cells:\n%.2000s", at, text.data);
  text_free(&text);
  text_free(&cells);
  text_free(&c.cells);
  text_free(&c.errors);
  arena_free(a);
}

static void cells_of_any_text(void **state) {
  (void)state;
  uint64_t x = 4;
  int n = times_of(1000);
  for (int i = 0; i < n; i++) same_as_plain(&x, 1 + below(&x, 30), i);
}

// Longer than the pieces that are read at once, which so end at any byte of a row.
static void cells_of_long_texts(void **state) {
  (void)state;
  uint64_t x = 5;
  int n = times_of(800) / 100;
  for (int i = 0; i < n; i++) same_as_plain(&x, 30000 + below(&x, 3000), i);
}

// Of the columns that are asked for, in the order in which they are.
static void cells_that_are_asked_for(void **state) {
  (void)state;
  static const int want[][3] = {{0}, {2}, {1, 0}, {2, 0, 1}};
  static const int n_want[] = {1, 1, 2, 3};
  Text text = {0};
  text_add(&text, "a,b,c\n");
  for (int i = 0; i < 300; i++) text_printf(&text, i % 17 ? "a%d,b%d, c%d\r\n" : "\"a%d\",\"b%d\",\" c%d\"\n", i, i, i);
  write_text(&text);
  for (int k = 0; k < COUNT_OF(want); k++) {
    Arena *a = arena_new();
    Reader *r = reader_open(path, &(DataSource){.delimiter = ','}, 100, diag_new(a, NULL));
    assert_non_null(r);
    r->want = want[k], r->n_want = n_want[k];
    int64_t rows = 0;
    for (; r->next(r); rows += r->table.n_rows)
      for (int64_t i = 0; i < r->table.n_rows; i++)
        for (int c = 0; c < n_want[k]; c++) {
          const char *cell = r->table.cell[i * r->table.width + c];
          assert_string_equal(cell, arena_printf(a, "%s%lld", (const char *const[]){"a", "b", " c"}[want[k][c]], (long long)(rows + i)));
          assert_int_equal(r->table.line[i], rows + i + 2);
        }
    assert_int_equal(rows, 300);
    r->close(r);
    arena_free(a);
  }
  text_free(&text);
}

// ---------------------------------------------------------------- texts of a column
// Of any length, alike up to their last byte, with bytes of all kinds; more than the slots that hold the latest.
static void texts_are_numbered_as_they_come(void **state) {
  (void)state;
  enum { MOST = 2000, LONGEST = 40 };
  uint64_t x = 6;
  Arena *a = arena_new();
  Distinct d;
  const char *seen[MOST];
  int n = 0;
  distinct_init(&d, a, 0);
  d.copies = a;
  for (int i = 0; i < times_of(20000); i++) {
    char *s = arena_strdup(a, "a text that is the same but for its end,");
    int length = below(&x, LONGEST + 1);
    s[length] = 0;                                           // what stands behind it does not count
    for (int k = length; k > 0 && k > length - 2; k--) s[k - 1] = "ab\x01\x80\xff"[below(&x, 5)];
    int number = 0;
    while (number < n && strcmp(seen[number], s) != 0) number++;
    if (number == n && n < MOST) seen[n++] = s;
    int got = below(&x, 5) ? distinct_add_cell(&d, s) : distinct_add(&d, s);
    if (got != number) fail_msg("`%s` is number %d, not %d", s, got, number);
    assert_string_equal(d.value[got], s);
  }
  distinct_free(&d);
  arena_free(a);
}

// ---------------------------------------------------------------- expressions
enum { EXPR_ROWS = 200, EXPR_DEPTH = 4 };
static char *expr_cells[EXPR_ROWS * 2];                      // a number or none; a text or none
static RowExpr *random_expr(uint64_t *x, Arena *a, int depth, bool truth);

static RowExpr *expr_leaf(uint64_t *x, Arena *a) {
  RowExpr *e = NEW(a, RowExpr);
  switch (below(x, 3)) {
  case 0: *e = (RowExpr){.op = RX_COLUMN, .index = 0, .numeric = true}; break;
  case 1: *e = (RowExpr){.op = RX_ROW}; break;
  default: *e = (RowExpr){.op = RX_NUMBER, .number = below(x, 9) - 3};
  }
  return e;
}

static RowExpr *expr_of_texts(uint64_t *x, Arena *a) {
  RowExpr *e = NEW(a, RowExpr), *column = NEW(a, RowExpr), *text = NEW(a, RowExpr);
  *column = (RowExpr){.op = RX_COLUMN, .index = 1};
  *text = (RowExpr){.op = RX_TEXT, .text = (const char *const[]){"a", "ab", "b", "\xc3"}[below(x, 4)]};
  *e = (RowExpr){.op = (RowOp)(RX_EQ + below(x, 6)), .a = column, .b = below(x, 4) ? text : column};
  return e;
}

static RowExpr *random_expr(uint64_t *x, Arena *a, int depth, bool truth) {
  RowExpr *e = NEW(a, RowExpr);
  if (!truth && (!depth || !below(x, 4))) return expr_leaf(x, a);
  if (truth && (!depth || !below(x, 4))) return expr_of_texts(x, a);
  bool one = !below(x, 5), of_truths = truth && below(x, 2);
  if (one) *e = (RowExpr){.op = truth ? RX_NOT : RX_NEG, .a = random_expr(x, a, depth - 1, truth)};
  else {
    e->op = of_truths ? (RowOp)(RX_AND + below(x, 2)) : truth ? (RowOp)(RX_EQ + below(x, 6)) : (RowOp)(RX_ADD + below(x, 5));
    e->a = random_expr(x, a, depth - 1, of_truths);
    e->b = random_expr(x, a, depth - 1, of_truths);
  }
  return e;
}

static Value known(ValueKind kind, double v) { return (Value){kind, v, NULL}; }

static Value plain_logic(RowOp op, Value a, Value b) {
  bool decides = op == RX_OR;
  if ((a.kind && (a.number != 0) == decides) || (b.kind && (b.number != 0) == decides)) return known(VALUE_BOOL, decides);
  return a.kind && b.kind ? known(VALUE_BOOL, !decides) : (Value){0};
}

static Value plain_comparison(RowOp op, Value a, Value b) {
  int order = a.kind == VALUE_TEXT ? strcmp(a.text, b.text) : (a.number > b.number) - (a.number < b.number);
  bool holds = op == RX_EQ ? order == 0 : op == RX_NE ? order != 0 : op == RX_LT ? order < 0 : op == RX_LE ? order <= 0 : op == RX_GT ? order > 0 : order >= 0;
  return known(VALUE_BOOL, holds);
}

static double plain_remainder(double x, double y) {          // of whole numbers one of whole numbers: −0 has none
  bool whole = x >= 0 && x < 1 << 30 && y >= 1 && y < 1 << 30 && x == floor(x) && y == floor(y);
  return whole ? (double)((int64_t)x % (int64_t)y) : fmod(x, y);
}

static Value plain_arithmetic(RowOp op, double x, double y) {
  double v = op == RX_ADD ? x + y : op == RX_SUB ? x - y : op == RX_MUL ? x * y : op == RX_DIV ? x / y : plain_remainder(x, y);
  if (op == RX_MOD && v != 0 && (v < 0) != (y < 0)) v += y;
  return isfinite(v) ? known(VALUE_NUMBER, v) : (Value){0};
}

// One row, one operator after the other.
static Value plain_value(const RowExpr *e, int64_t row) {
  const char *cell = e->op == RX_COLUMN ? expr_cells[2 * row + e->index] : "";
  if (e->op == RX_COLUMN) return !*cell ? (Value){0} : e->numeric ? known(VALUE_NUMBER, strtod(cell, NULL)) : (Value){VALUE_TEXT, 0, cell};
  if (e->op == RX_ROW) return known(VALUE_NUMBER, (double)row);
  if (e->op == RX_NUMBER) return known(VALUE_NUMBER, e->number);
  if (e->op == RX_TEXT) return (Value){VALUE_TEXT, 0, e->text};
  Value a = plain_value(e->a, row), b = e->b ? plain_value(e->b, row) : a;
  if (e->op == RX_AND || e->op == RX_OR) return plain_logic(e->op, a, b);
  if (!a.kind || !b.kind) return (Value){0};
  if (e->op == RX_NOT) return known(VALUE_BOOL, a.number == 0);
  if (e->op == RX_NEG) return known(VALUE_NUMBER, -a.number);
  return e->op >= RX_EQ && e->op <= RX_GE ? plain_comparison(e->op, a, b) : plain_arithmetic(e->op, a.number, b.number);
}

static void same_values(Raw *r, const RowExpr *e, int at) {
  Ahead ahead = {.e = e};
  for (int64_t row = 0; row < r->n; row++) {
    Value got = value_ahead(r, &ahead, row), want = plain_value(e, row);
    if (got.kind != want.kind || memcmp(&got.number, &want.number, sizeof got.number))
      fail_msg("expression %d, row %d: %d %.17g, not %d %.17g", at, (int)row, got.kind, got.number, want.kind, want.number);
  }
}

static void expressions_of_many_rows(void **state) {
  (void)state;
  static const char *const number[] = {"", "0", "-0", "1", "-7", "2.5", "1e300", "1073741824", "12"}, *const word[] = {"", "a", "ab", "b", "\xc3\xa9"};
  static const RawColumn columns[] = {{"x", 0}, {"s", 0}};
  static const DataSource source = {.name = "f"};
  DataPlan p = {.sources = &source, .n_sources = 1, .columns = columns, .n_columns = 2};
  Arena *a = arena_new();
  uint64_t x = 7;
  for (int i = 0; i < EXPR_ROWS; i++) {
    expr_cells[2 * i] = arena_strdup(a, number[below(&x, COUNT_OF(number))]);
    expr_cells[2 * i + 1] = arena_strdup(a, word[below(&x, COUNT_OF(word))]);
  }
  Table t = {.path = "f", .n_columns = 2, .width = 2, .n_rows = EXPR_ROWS, .cell = expr_cells, .line = NEW_ARRAY(a, int64_t, EXPR_ROWS)};
  Raw r = {.plan = &p, .table = &t, .arena = a, .diag = diag_new(a, NULL), .n = EXPR_ROWS, .column = (int[]){0, 1}};
  for (int i = 0; i < times_of(2000); i++) same_values(&r, random_expr(&x, a, 1 + below(&x, EXPR_DEPTH), below(&x, 2)), i);
  arena_free(a);
}

// ---------------------------------------------------------------- cells, as they are in prepared rows
typedef struct { double amount, spend; int kind, bought; } Sale;       // NaN, −1: missing
static const RowExpr sale_amount = {.op = RX_COLUMN, .index = 0, .numeric = true}, sale_kind = {.op = RX_COLUMN, .index = 1},
                     sale_bought = {.op = RX_COLUMN, .index = 2}, sale_spend = {.op = RX_COLUMN, .index = 3, .numeric = true},
                     sale_is_bought = {.op = RX_LABEL, .index = 0};

// `odd`: cells that only a look at each row can tell.
static void put_sale(Text *t, uint64_t *x, Sale *s, bool odd) {
  static const char *const truth[] = {"0", "1", "no", "TRUE", "0.0", "1e0"};
  *s = (Sale){below(x, 9) ? below(x, 2000) / 8.0 - 50 : NAN, (double)below(x, 1000) / 4, below(x, 9) - 1, below(x, 3) - 1};
  if (!isnan(s->amount)) text_printf(t, "%.*f", 3 + 3 * below(x, 2), s->amount);
  if (s->kind < 0) text_add(t, ",,");
  else text_printf(t, s->kind % 2 ? ",k%d," : ",a kind of a longer name %d,", s->kind);
  if (s->bought >= 0) text_add(t, truth[s->bought + 2 * (odd ? below(x, 3) : 0)]);
  text_printf(t, ",%.2f\n", s->spend);
}

static void same_sale(const Dataset *d, const Rows *r, int64_t i, const Sale *s) {
  const Affine *f = &d->prep.dense[0], *g = &d->prep.label[1];
  double v = isnan(s->amount) ? f->missing : s->amount;
  float dense = (float)((v - f->shift) * f->factor), spend = s->bought == 1 ? (float)((s->spend - g->shift) * g->factor) : 0;
  assert_memory_equal(&r->dense[i], &dense, sizeof dense);
  assert_true(r->y[i] == (s->bought == 1) && r->w[i] == (s->bought >= 0));
  assert_memory_equal(&r->y[r->n + i], &spend, sizeof spend);
  assert_true(r->w[r->n + i] == (s->bought == 1));
  const char *name = s->kind < 0 ? "" : d->prep.vocab[0].values[r->ids[i] - 1];
  assert_true(s->kind < 0 ? r->ids[i] == 1 : atoi(name + strlen(name) - 1) == s->kind);
}

// kept: NULL, or a folder for rows that do not fit into a byte of memory.
static void sales(uint64_t *x, int rows, bool odd, const char *kept) {
  static const RawColumn columns[] = {{"amount", 0}, {"kind", 0}, {"bought", 0}, {"spend", 0}};
  static const DataSource source = {.name = "f", .delimiter = ','};
  const DataInput input[] = {{.name = "amount", .kind = INPUT_REAL, .from = &sale_amount, .width = 1, .id_at = -1,
                              .prep = {.scale = SCALE_ZSCORE, .missing = MISSING_MEAN}},
                             {.name = "kind", .kind = INPUT_CATEGORY, .from = &sale_kind, .min_count = 1, .dense_at = -1,
                              .prep.missing = MISSING_CONSTANT}};
  const DataLabel label[] = {{.name = "bought", .kind = LABEL_BINARY, .from = &sale_bought, .missing = MISSING_DROP},
                             {.name = "spend", .kind = LABEL_REAL, .from = &sale_spend, .where = &sale_is_bought, .scale = SCALE_ZSCORE}};
  const RowExpr two = {.op = RX_NUMBER, .number = 3}, row = {.op = RX_ROW}, third = {.op = RX_MOD, .a = &row, .b = &two},
                zero = {.op = RX_NUMBER}, one = {.op = RX_NUMBER, .number = 1};
  const RowExpr rule[3] = {{.op = RX_GE, .a = &third, .b = &one}, {.op = RX_EQ, .a = &third, .b = &zero}, {.op = RX_BOOL}};
  DataPlan p = {.sources = &source, .n_sources = 1, .columns = columns, .n_columns = 4, .inputs = input, .n_inputs = 2, .labels = label,
                .n_labels = 2, .dense_width = 1, .n_ids = 1, .split = {.kind = SPLIT_RULE, .rule = {&rule[0], &rule[1], &rule[2]}}};
  Arena *a = arena_new();
  Diag *diag = diag_new(a, NULL);
  Sale *s = NEW_ARRAY(a, Sale, rows);
  Text text = {0};
  text_add(&text, "amount,kind,bought,spend\n");
  for (int i = 0; i < rows; i++) put_sale(&text, x, &s[i], odd);
  write_text(&text);
  p.seed = draw(x);                                          // nothing that is kept fits
  Dataset *d = data_prepare(&p, &(DataFiles){.source = (const char *const[]){path}, .memory = kept != NULL, .folder = kept}, diag);
  if (!d) fail_msg("%s", diag_text(diag, a));
  assert_int_equal(d->split[0].n, rows - (rows + 2) / 3);
  assert_int_equal(d->split[1].n, (rows + 2) / 3);
  for (int k = 0; k < 2; k++)
    for (int64_t i = 0; i < d->split[k].n; i++) {
      int64_t at = d->split[k].row[i] - 1;
      assert_true(at % 3 == 0 ? k == 1 : k == 0);
      same_sale(d, &d->split[k], i, &s[at]);
    }
  assert_true((d->split[0].file != NULL) == (kept != NULL));
  data_free(d);
  text_free(&text);
  arena_free(a);
}

static int take_away(const char *name, const struct stat *st, int kind, struct FTW *at) {
  (void)st, (void)kind, (void)at;
  return remove(name);
}

static void prepared_as_each_row_is(void **state) {
  (void)state;
  uint64_t x = 8;
  char folder[] = "/tmp/mtlc-reading-rows-XXXXXX";
  assert_non_null(mkdtemp(folder));
  for (int i = 0; i < times_of(40); i++) sales(&x, 200 + below(&x, 6000), i % 2, i % 3 ? NULL : folder);
  nftw(folder, take_away, 8, FTW_DEPTH | FTW_PHYS);
}

static int make_file(void **state) {
  (void)state;
  int fd = mkstemp(path);
  return fd < 0 ? -1 : close(fd);
}
static int remove_file(void **state) {
  (void)state;
  return unlink(path);
}

#define T(f) cmocka_unit_test(f)
int main(void) {
  const struct CMUnitTest tests[] = {
      T(numbers_are_rounded_right), T(middles_go_to_even), T(marks_of_any_bytes), T(cells_of_any_text), T(cells_of_long_texts),
      T(cells_that_are_asked_for), T(texts_are_numbered_as_they_come), T(expressions_of_many_rows), T(prepared_as_each_row_is),
  };
  return cmocka_run_group_tests(tests, make_file, remove_file);
}
