// test_reading.c: what the reading of text stands on, beside references that look at one byte after the other: numbers beside strtod,
// the marks of a text, and its cells and errors beside a plain reader of the same rules. MTLC_FUZZ: how many of each.
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
  };
  return cmocka_run_group_tests(tests, make_file, remove_file);
}
