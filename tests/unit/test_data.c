// test_data.c: the data side: CSV, typed columns, splits, learned preparation, its JSON, shuffling, batches, made rows.
// MTLC_DATA names a folder with adult.data, adult.test, hillstrom.csv, shoppers.csv; without it, the test of these is
// skipped.
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>
#include "diag_text.h"
#include "runtime/data/data_int.h"

// ---------------------------------------------------------------- files, errors
static char folder[] = "/tmp/mtlc-data-XXXXXX";
typedef struct { Arena *arena; Diag *diag; } Test;

static Test begin(void) {
  Arena *a = arena_new();
  return (Test){a, diag_new(a, NULL)};
}
static void end(Test t) { arena_free(t.arena); }

static char *path_of(Test t, const char *name) { return arena_printf(t.arena, "%s/%s", folder, name); }

static char *file_n(Test t, const char *name, const char *text, size_t n) {
  char *path = path_of(t, name);
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(text, 1, n, f), n);
  fclose(f);
  return path;
}
static char *file(Test t, const char *name, const char *text) { return file_n(t, name, text, strlen(text)); }

static char *kept(Test t, const char *name) {                // a file of tests/data
  const char *src = getenv("srcdir");
  return arena_printf(t.arena, "%s/tests/data/%s", src ? src : ".", name);
}

static char *messages(Test t) { return diag_text(t.diag, t.arena); }
static void says_at(Test t, const char *part, int line) {
  char *s = messages(t);
  if (!strstr(s, part)) fail_msg("line %d: no `%s` in:\n%s", line, part, s);
}
#define says(t, part) says_at(t, part, __LINE__)
static void clean_at(Test t, int line) {
  if (diag_errors(t.diag)) fail_msg("line %d: %s", line, messages(t));
}
#define clean(t) clean_at(t, __LINE__)

// A training file, and one of held-out rows or NULL.
#define FILES(path, held_out) (&(DataFiles){.source = (const char *const[]){path}, .test = held_out})

// ---------------------------------------------------------------- a plan: amounts of a shop
static const char *const empty_na[] = {""};
enum { C_AGE, C_CITY, C_USER, C_BOUGHT, C_SPENT, C_GOOD, C_PART, N_COLUMNS };
static const RawColumn columns[] = {{"age", 0}, {"city", 0}, {"user", 0}, {"bought", 0}, {"spent", 0}, {"good", 0}, {"part", 0}};
#define COLUMN(i, n) {.op = RX_COLUMN, .index = (i), .numeric = (n)}
static const RowExpr x_age = COLUMN(C_AGE, true), x_city = COLUMN(C_CITY, false), x_user = COLUMN(C_USER, false),
                     x_bought = COLUMN(C_BOUGHT, false), x_spent = COLUMN(C_SPENT, true), x_good = COLUMN(C_GOOD, false),
                     x_is_bought = {.op = RX_LABEL, .index = 0};
enum { L_BOUGHT, L_SPENT, L_GOOD };

typedef struct { DataPlan plan; DataSource source; DataInput input[3]; DataLabel label[3]; } Shop;

// age: real, zscore; city: category; user: id(1000). bought: binary; spent: real where bought; good: class(3), all by file
// order.
static Shop *shop(Test t) {
  Shop *s = NEW(t.arena, Shop);
  s->source = (DataSource){.name = "shop", .na = empty_na, .n_na = 1};
  s->input[0] =
      (DataInput){.name = "age", .kind = INPUT_REAL, .from = &x_age, .width = 1, .prep.scale = SCALE_ZSCORE, .id_at = -1};
  s->input[1] = (DataInput){.name = "city", .kind = INPUT_CATEGORY, .from = &x_city, .min_count = 1, .dense_at = -1,
                            .prep.missing = MISSING_CONSTANT};
  s->input[2] = (DataInput){.name = "user", .kind = INPUT_ID, .from = &x_user, .buckets = 1000, .dense_at = -1, .id_at = 1,
                            .prep.missing = MISSING_CONSTANT};
  s->label[0] = (DataLabel){.name = "bought", .kind = LABEL_BINARY, .from = &x_bought};
  s->label[1] = (DataLabel){.name = "spent", .kind = LABEL_REAL, .from = &x_spent, .where = &x_is_bought};
  s->label[2] = (DataLabel){.name = "good", .kind = LABEL_CLASS, .classes = 3, .from = &x_good};
  s->plan = (DataPlan){.sources = &s->source, .n_sources = 1, .columns = columns, .n_columns = C_PART, .inputs = s->input,
                       .n_inputs = 3, .labels = s->label, .n_labels = 3, .dense_width = 1, .n_ids = 2, .seed = 5};
  s->plan.split = (Split){.kind = SPLIT_FRACTION, .fraction = {0.6, 0.2, 0.2}, .file_order = true};
  return s;
}

static const char rows10[] = "age,city,user,bought,spent,good\n"
  "1,Rome,u1,1,10,0\n2,Oslo,u2,0,,1\n3,Rome,u1,yes,20,2\n4,Bonn,u3,No,,0\n5,Rome,u4,TRUE,30,1\n6,Oslo,u5,false,,2\n"
  "7,Rome,u6,1,40,0\n8,Lima,u7,0,,1\n9,Oslo,u1,1,50,2\n100,Rome,u9,0,,0\n";

static Dataset *prepared(Test t, const Shop *s, const char *text) {
  return data_prepare(&s->plan, FILES(file(t, "shop.csv", text), NULL), t.diag);
}

// ---------------------------------------------------------------- numbers
static void numbers(void **state) {
  (void)state;
  static const struct { const char *text; double value; } good[] = {
    {"0", 0}, {"-0", -0.0}, {"+7", 7}, {"1.5", 1.5}, {".5", .5}, {"5.", 5}, {"1e3", 1000}, {"-2.5E-3", -2.5e-3},
    {"0.1", 0.1}, {"123456789012345678", 123456789012345678.0}, {"0.000000000000000000000000000001", 1e-30},
    {"2.2250738585072014e-308", 2.2250738585072014e-308}, {"9007199254740993", 9007199254740992.0},
    {"179769313486231570000000000000000000000", 1.7976931348623157e38}, {"00012", 12}, {"12345678", 12345678},
    {"100000000000000000000000000000000000000000000000000000000000000000000", 1e68}, {"0.00000000000000000000000000", 0},
    {"00000000000000000000000000000000000000000000000000000000000000000000001", 1}, {"0.1234567890123456789", 0.12345678901234568},
    {"1e-400", 0}, {"0e999", 0}, {"1e22", 1e22}, {"1e23", 1e23}, {"9007199254740993e-27", 9007199254740993e-27}, {".5E+2", 50},
    {"1.7976931348623157e308", 1.7976931348623157e308}, {"4.9e-324", 4.9e-324}, {"18446744073709551615", 18446744073709551616.0},
    {"18446744073709551616", 18446744073709551616.0}, {"9999999999999999999", 1e19},
  };
  static const char *const bad[] = {"",   " ",  "abc",   "inf", "-inf", "nan", "NaN", "0x10",  "1,5",   "1e",    "--1",
                                    "1 ", " 1", "1e999", ".",   "-",    "+",   "e5",  "1.2.3", "1_000", "1e5.5", "Infinity",
                                    "1e+", "12345678x", "1234567\xb0", "1.2345678:", ".e1", "1/2", "1e1e1", "+.", "1.-2", "12345678e"};
  for (int i = 0; i < COUNT_OF(good); i++) {
    double v = 99;
    assert_true(parse_number(good[i].text, &v));
    assert_memory_equal(&v, &good[i].value, sizeof v);
  }
  for (int i = 0; i < COUNT_OF(bad); i++) {
    double v;
    if (parse_number(bad[i], &v)) fail_msg("`%s` is taken for the number %g", bad[i], v);
  }
}

static void numbers_know_no_locale(void **state) {
  (void)state;
  static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
  bool found = false;
  for (int i = 0; i < COUNT_OF(names) && !found; i++) found = setlocale(LC_ALL, names[i]) != NULL;
  if (!found) skip();
  double v;
  Text t = {0};
  bool ok = parse_number("1.25e0", &v) && v == 1.25 && !parse_number("1,25", &v);
  print_number(&t, 2.5, 6);
  ok = ok && !strcmp(t.data, "2.5");
  text_free(&t);
  setlocale(LC_ALL, "C");
  assert_true(ok);
}

static void times(void **state) {
  (void)state;
  static const struct { const char *text; double value; } good[] = {
    {"1970-01-01", 0}, {"2024-02-29", 1709164800}, {"1969-12-31 23:59:59", -1}, {"2024-05-01T13:30", 1714570200},
    {"2024-05-01 13:30:15.25Z", 1714570215.25}, {"2024-05-01 13:30:15+02:00", 1714563015}, {"0000-03-01", -62162035200},
    {"2000-03-01T00:00:00-0530", 951888600}, {"1714570200", 1714570200}, {"1714570200000", 1714570200},
    {"2024-05-01 13:30+02", 1714563000},
  };
  static const char *const bad[] = {
    "", "2023-02-29", "2024-13-01", "2024-00-10", "2024-05-32", "2024-5-1", "24-05-01", "2024-05-01 ", "2024-05-01 25:00",
    "2024-05-01 13:60", "2024-05-01 13", "2024-05-01 13:30:", "2024-05-01x13:30", "2024-05-01 13:30 UTC", "yesterday",
    "2024-05-01 13:30+2", "2024-05-01 13:30:15.",
  };
  for (int i = 0; i < COUNT_OF(good); i++) {
    double v = 99;
    assert_true(parse_time(good[i].text, NULL, &v));
    if (v != good[i].value) fail_msg("`%s` is %.17g, not %.17g", good[i].text, v, good[i].value);
  }
  for (int i = 0; i < COUNT_OF(bad); i++) {
    double v;
    if (parse_time(bad[i], NULL, &v)) fail_msg("`%s` is taken for the time %g", bad[i], v);
  }
}

// ---------------------------------------------------------------- CSV
static const DataSource plain = {.name = "data", .na = empty_na, .n_na = 1};

static void expect_cells(const Table *t, int rows, int width, const char *const *cells) {
  assert_non_null(t);
  assert_int_equal(t->n_rows, rows);
  assert_int_equal(t->n_columns, width);
  for (int i = 0; i < rows * width; i++) assert_string_equal(t->cell[i], cells[i]);
}

static void csv_torture(void **state) {
  (void)state;
  Test t = begin();
  Table *x = csv_read(kept(t, "torture.csv"), &plain, t.diag);
  clean(t);
  static const char *const cells[] = {"Ann \"A\" Lee", "1.5", "two\r\nlines", "6) $750 - $1,000", "2", "a,b", "",
                                      " 3 ",           "last"};
  expect_cells(x, 3, 3, cells);
  assert_string_equal(x->names[0], "name");                  // no BOM in it
  assert_string_equal(x->names[2], "note");
  assert_int_equal(x->line[0], 2);
  assert_int_equal(x->line[1], 5);                           // behind a field of two lines and a blank line
  assert_int_equal(x->line[2], 6);
  table_free(x);
  end(t);
}

static void csv_blanks_and_no_header(void **state) {
  (void)state;
  Test t = begin();
  static const char *const header[] = {"age", "work", "status", "income"};
  DataSource f = {.header = header, .n_header = 4, .trim = true};
  Table *x = csv_read(kept(t, "blanks.data"), &f, t.diag);
  clean(t);
  static const char *const cells[] = {"39", "State-gov", "?", "<=50K", "50", "Private", "Never-married", ">50K",
                                      "28", "Private", "x, y", ">50K."};
  expect_cells(x, 3, 4, cells);
  table_free(x);
  end(t);
}

static void csv_tabs(void **state) {
  (void)state;
  Test t = begin();
  Table *x = csv_read(kept(t, "tabs.tsv"), &plain, t.diag);  // a line of one tab is a row of two empty cells
  clean(t);
  expect_cells(x, 2, 2, (const char *const[]){"1", "x,y", "", ""});
  table_free(x);
  DataSource f = {.delimiter = ';'};
  x = csv_read(file(t, "semicolon.csv", "a;b\n1;2,5\n"), &f, t.diag);
  expect_cells(x, 1, 2, (const char *const[]){"1", "2,5"});
  table_free(x);
  end(t);
}

static void gzip(Test t, const char *name, const char *text, size_t n) {
  gzFile z = gzopen(path_of(t, name), "wb");
  assert_int_equal(gzwrite(z, text, (unsigned)n), n);
  gzclose(z);
}

// The same rows by LF, CRLF, CR, with a BOM, compressed (whatever the name), without a last line end.
static void csv_variants(void **state) {
  (void)state;
  Test t = begin();
  static const char *const cells[] = {"1", "x", "2", "y z"};
  static const struct { const char *text; bool packed;
  } variants[] = {
      {"a,b\n1,x\n2,y z\n", false},
      {"a,b\r\n1,x\r\n2,y z\r\n", false},
      {"a,b\r1,x\r2,y z\r", false},
      {"a,b\n1,x\n2,y z", false},
      {"\xef\xbb\xbf\"a\",b\n1,x\n2,\"y z\"\n", false},
      {"\n\na,b\n\n1,x\n \n2,y z\n\n\n", false},
      {"a,b\n1,x\n2,y z\n", true},
      {"\xef\xbb\xbf"
       "a,b\r\n\"1\",x\r\n2,y z",
       true},
      {"a,b\n1,x\n2,\"y z\"\r\n", false},
      {" a , b \n1,x\n2,y z\n", false},
  };
  for (int i = 0; i < COUNT_OF(variants); i++) {
    const char *s = variants[i].text;
    if (variants[i].packed) gzip(t, "v.csv", s, strlen(s));
    else file(t, "v.csv", s);
    Table *x = csv_read(path_of(t, "v.csv"), &plain, t.diag);
    clean(t);
    expect_cells(x, 2, 2, cells);
    assert_string_equal(x->names[0], "a");
    assert_string_equal(x->names[1], "b");
    table_free(x);
  }
  end(t);
}

static void csv_errors(void **state) {
  (void)state;
  static const struct { const char *text, *says; } cases[] = {
    {"", "error[empty-file]"},
    {"\n \n", "error[empty-file]"},
    {"a,b\n", "error[no-rows]"},
    {"a,b\n1\n", "row 1, line 2: error[wrong-fields]: 1 field, but the header names 2 columns"},
    {"a,b\n1,2\n\n1,2,3\n", "row 2, line 4: error[wrong-fields]: 3 fields"},
    {"a,b\n1,\"x\n\n2,3\n", "row 1, line 2: error[open-quote]"},
    {"a,b\n\"1\"x,2\n", "row 1, line 2: error[after-quote]"},
    {"a,b,a\n1,2,3\n", "column \"a\": error[duplicate-column]"},
    {"\xff\xfe" "a", "error[not-text]: the file is in UTF-16"},
  };
  for (int i = 0; i < COUNT_OF(cases); i++) {
    Test t = begin();
    assert_null(csv_read(file(t, "e.csv", cases[i].text), &plain, t.diag));
    says(t, cases[i].says);
    assert_int_equal(diag_exit_code(t.diag), DIAG_DATA);
    end(t);
  }
  Test t = begin();
  assert_null(csv_read(path_of(t, "none.csv"), &plain, t.diag));
  says(t, "error[cannot-read]");
  assert_null(csv_read(folder, &plain, t.diag));
  says(t, "it is a folder");
  assert_null(csv_read(file_n(t, "nul.csv", "a\n\0\n", 4), &plain, t.diag));
  says(t, "byte 3 is NUL");
  assert_null(csv_read(kept(t, "fields.csv"), &plain, t.diag));
  says(t, "row 2, line 3: error[wrong-fields]: 1 field");
  says(t, "row 3, line 4: error[wrong-fields]: 3 fields");
  assert_null(csv_read(kept(t, "open_quote.csv"), &plain, t.diag));
  says(t, "row 1, line 2: error[open-quote]");
  end(t);
}

static void csv_gzip_cut_off(void **state) {
  (void)state;
  Test t = begin();
  Text long_text = {0};
  text_add(&long_text, "a,b\n");
  for (int i = 0; i < 20000; i++) text_printf(&long_text, "%d,%d\n", i * 7919 % 10007, i);
  gzip(t, "full.gz", long_text.data, long_text.n);
  char *bytes = xmalloc(1 << 20);
  FILE *f = fopen(path_of(t, "full.gz"), "rb");
  size_t n = fread(bytes, 1, 1 << 20, f);
  fclose(f);
  assert_null(csv_read(file_n(t, "cut.gz", bytes, n / 2), &plain, t.diag));
  says(t, "error[cannot-read]");
  free(bytes);
  text_free(&long_text);
  end(t);
}

static void csv_many_wrong_rows(void **state) {
  (void)state;
  Test t = begin();
  Text text = {0};
  text_add(&text, "a,b\n");
  for (int i = 0; i < 100; i++) text_add(&text, "1\n");
  assert_null(csv_read(file(t, "many.csv", text.data), &plain, t.diag));
  assert_int_equal(diag_errors(t.diag), MAX_DATA_ERRORS + 1);
  says(t, "and 80 more rows");
  text_free(&text);
  end(t);
}

// Any bytes: an answer, never a crash (run it with sanitizers).
static void csv_any_bytes(void **state) {
  (void)state;
  static const char alphabet[] = "ab1,,\"\"\n\n\r \t.-;\xe2\x82\xac\xff";
  uint64_t x = 7;
  for (int i = 0; i < 1500; i++) {
    Test t = begin();
    char text[65];
    size_t n = (size_t)(i % 64);
    for (size_t k = 0; k < n; k++) {
      x = x * 6364136223846793005u + 1442695040888963407u;
      text[k] = alphabet[(x >> 33) % (sizeof alphabet - 1)];
    }
    DataSource f = {.trim = i & 1};
    Table *y = csv_read(file_n(t, "any.csv", text, n), &f, t.diag);
    assert_true((y != NULL) == (diag_errors(t.diag) == 0));
    if (y)
      for (int64_t k = 0; k < y->n_rows * y->n_columns; k++) assert_true(y->cell[k] >= y->text && y->cell[k] <= y->text + n);
    table_free(y);
    end(t);
  }
}

// ---------------------------------------------------------------- expressions
static Raw one_row(Test t, const char *text) {               // columns of the shop
  Shop *s = shop(t);
  Raw r = {.plan = &s->plan, .arena = t.arena, .diag = t.diag, .n = 1, .column = NEW_ARRAY(t.arena, int, N_COLUMNS)};
  r.table = csv_read(file(t, "one.csv", text), &plain, t.diag);
  assert_non_null(r.table);
  for (int i = 0; i < N_COLUMNS; i++) r.column[i] = i < r.table->n_columns ? i : -1;
  return r;
}

static void logic_has_three_values(void **state) {
  (void)state;
  Test t = begin();
  Raw r = one_row(t, "age,city\n,x\n");
  static const RowExpr no = {.op = RX_BOOL, .number = 0}, yes = {.op = RX_BOOL, .number = 1},
                       five = {.op = RX_NUMBER, .number = 5};
  RowExpr unknown = {.op = RX_GT, .numeric = true, .a = &x_age, .b = &five};
  const RowExpr *value[] = {&no, &yes, &unknown};             // 0, 1, 2: unknown
  static const int and_table[3][3] = {{0, 0, 0}, {0, 1, 2}, {0, 2, 2}}, or_table[3][3] = {{0, 1, 2}, {1, 1, 1}, {2, 1, 2}};
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      Value a = row_value(&r, 0, &(RowExpr){.op = RX_AND, .a = value[i], .b = value[j]});
      Value o = row_value(&r, 0, &(RowExpr){.op = RX_OR, .a = value[i], .b = value[j]});
      assert_int_equal(a.kind ? (int)a.number : 2, and_table[i][j]);
      assert_int_equal(o.kind ? (int)o.number : 2, or_table[i][j]);
    }
  assert_int_equal(row_value(&r, 0, &(RowExpr){.op = RX_NOT, .a = &unknown}).kind, VALUE_UNKNOWN);
  assert_int_equal(row_value(&r, 0, &(RowExpr){.op = RX_MUL, .a = &x_age, .b = &no}).kind, VALUE_UNKNOWN);
  table_free(r.table);
  end(t);
}

static void arithmetic_of_rows(void **state) {
  (void)state;
  Test t = begin();
  Raw r = one_row(t, "age,city\n7.5,x\n");
  static const struct { RowOp op; double a, b, want; } cases[] = {
    {RX_ADD, 1, 2, 3}, {RX_SUB, 1, 2, -1}, {RX_MUL, 3, 4, 12}, {RX_DIV, 1, 4, .25}, {RX_MOD, 13, 10, 3}, {RX_MOD, -3, 10, 7},
    {RX_MOD, 3, -10, -7}, {RX_DIV, 1, 0, NAN}, {RX_MOD, 1, 0, NAN}, {RX_MUL, 1e200, 1e200, NAN},
  };
  for (int i = 0; i < COUNT_OF(cases); i++) {
    RowExpr a = {.op = RX_NUMBER, .number = cases[i].a}, b = {.op = RX_NUMBER, .number = cases[i].b};
    Value v = row_value(&r, 0, &(RowExpr){.op = cases[i].op, .a = &a, .b = &b});
    if (isnan(cases[i].want)) assert_int_equal(v.kind, VALUE_UNKNOWN);
    else assert_true(v.number == cases[i].want);
  }
  static const RowExpr text = {.op = RX_TEXT, .text = "x"}, row = {.op = RX_ROW};
  assert_true(row_value(&r, 0, &(RowExpr){.op = RX_EQ, .a = &x_city, .b = &text}).number == 1);
  assert_true(row_value(&r, 0, &(RowExpr){.op = RX_NE, .a = &x_city, .b = &text}).number == 0);
  assert_true(row_value(&r, 0, &row).number == 0);
  assert_true(row_value(&r, 0, &(RowExpr){.op = RX_NEG, .a = &x_age}).number == -7.5);
  table_free(r.table);
  end(t);
}

// ---------------------------------------------------------------- preparation
static void prepares_rows(void **state) {
  (void)state;
  Test t = begin();
  Shop *s = shop(t);
  Dataset *d = prepared(t, s, rows10);
  clean(t);
  assert_int_equal(d->split[0].n, 6);
  assert_int_equal(d->split[1].n, 2);
  assert_int_equal(d->split[2].n, 2);
  double mean = 3.5, sd = sqrt(17.5 / 6);                     // of ages 1 … 6 alone, population
  assert_true(d->prep.dense[0].shift == mean && fabs(d->prep.dense[0].factor * sd - 1) < 1e-15);
  for (int i = 0; i < 6; i++) assert_float_equal(d->split[0].dense[i], (i + 1 - mean) / sd, 1e-6);
  assert_float_equal(d->split[2].dense[1], (100 - mean) / sd, 1e-4);
  const Vocabulary *v = &d->prep.vocab[0];
  assert_int_equal(v->n, 3);                                  // Bonn, Oslo, Rome: sorted; Lima is not in the training rows
  assert_string_equal(v->values[0], "Bonn");
  assert_string_equal(v->values[2], "Rome");
  assert_int_equal(v->counts[2], 3);
  assert_int_equal(d->split[0].ids[0], 3);
  assert_int_equal(d->split[0].ids[2], 2);
  assert_int_equal(d->split[1].ids[2], 0);                    // Lima
  assert_int_equal(d->summary.input[1].unknown[1], 1);
  assert_int_equal(d->split[0].ids[1], d->split[0].ids[5]);   // u1 twice
  assert_int_equal(d->split[2].row[1], 10);
  static const float bought[] = {1, 0, 1, 0, 1, 0}, spent[] = {10, 0, 20, 0, 30, 0}, good[] = {0, 1, 2, 0, 1, 2};
  for (int i = 0; i < 6; i++) {
    assert_true(d->split[0].y[L_BOUGHT * 6 + i] == bought[i] && d->split[0].w[L_BOUGHT * 6 + i] == 1);
    assert_true(d->split[0].y[L_SPENT * 6 + i] == spent[i] && d->split[0].w[L_SPENT * 6 + i] == bought[i]);
    assert_true(d->split[0].y[L_GOOD * 6 + i] == good[i]);
  }
  assert_int_equal(d->summary.label[L_SPENT].unknown[0], 3);
  assert_true(d->summary.label[L_SPENT].mean[0] == 20);
  data_free(d);
  end(t);
}

static void hash_of_ids(void **state) {                       // values by another implementation
  (void)state;
  Test t = begin();
  Shop *s = shop(t);
  Dataset *d = prepared(
      t, s, "age,city,user,bought,spent,good\n1,a,u1,1,1,0\n2,b,u2,0,1,1\n3,a,商品,1,1,2\n4,b,,0,1,2\n5,b,u1,0,1,2\n");
  clean(t);
  static const uint32_t want[] = {175, 680, 675};
  for (int i = 0; i < 3; i++) assert_int_equal(d->split[0].ids[2 * i + 1], want[i]);
  assert_int_equal(d->split[1].ids[1], 203);           // a missing id is the text ""
  data_free(d);
  end(t);
}

static void only_training_rows_teach(void **state) {
  (void)state;
  Test t = begin();
  Shop *s = shop(t);
  s->input[0].prep.missing = MISSING_MEAN;
  s->label[L_SPENT].scale = SCALE_ZSCORE;
  Text changed = {0};
  const char *tail = strstr(rows10, "7,Rome");
  text_addn(&changed, rows10, (size_t)(tail - rows10));
  text_add(&changed, "-5000,New,z,0,,0\n,New,z,1,9999,0\n1e6,Newer,z,1,-7,0\n0,Old,z,1,5,0\n");
  Dataset *a = prepared(t, s, rows10), *b = prepared(t, s, changed.data);
  clean(t);
  Text one = {0}, two = {0};
  assert_true(prep_save(&s->plan, &a->prep, &one) && prep_save(&s->plan, &b->prep, &two));
  assert_string_equal(one.data, two.data);
  text_free(&one);
  text_free(&two);
  text_free(&changed);
  data_free(a);
  data_free(b);
  end(t);
}

// One column of ages under a preparation; the values of the training rows (all of them).
static Dataset *ages(Test t, Prep prep, const char *const *age, int n) {
  Shop *s = shop(t);
  Text text = {0};
  text_add(&text, "age,city,user,bought,spent,good\n");
  for (int i = 0; i < n; i++) text_printf(&text, "%s,c,u,%d,1,%d\n", age[i], i % 2, i % 3);
  s->input[0].prep = prep;
  s->plan.split = (Split){.kind = SPLIT_NONE};
  Dataset *d = prepared(t, s, text.data);
  text_free(&text);
  return d;
}

static void order_of_preparation(void **state) {              // missing, clip, map, scale
  (void)state;
  static const char *const age[] = {"0", "", "3", "1000", "-4"};
  static const struct { Prep prep; double want[5];
  } cases[] = {
      {{.missing = MISSING_CONSTANT, .missing_value = 5}, {0, 5, 3, 1000, -4}},
      {{.missing = MISSING_MEAN}, {0, 249.75, 3, 1000, -4}},
      {{.missing = MISSING_MEDIAN}, {0, 1.5, 3, 1000, -4}},
      {{.missing = MISSING_MODE}, {0, -4, 3, 1000, -4}},
      {{.missing = MISSING_MEAN, .has_clip = true, .clip_hi = 100}, {0, 100, 3, 100, 0}},
      {{.missing = MISSING_CONSTANT, .missing_value = 8, .map = MAP_ABS}, {0, 8, 3, 1000, 4}},
      {{.missing = MISSING_CONSTANT,
        .missing_value = 4,
        .has_clip = true,
        .clip_hi = 9,
        .map = MAP_SQRT,
        .scale = SCALE_MINMAX},
       {0, 2 / 3., 1.7320508075688772 / 3, 1, 0}},
      {{.missing = MISSING_CONSTANT, .missing_value = 0, .has_clip = true, .clip_hi = 3, .map = MAP_LOG1P},
       {0, 0, 1.3862943611198906, 1.3862943611198906, 0}},
  };
  for (int i = 0; i < COUNT_OF(cases); i++) {
    Test t = begin();
    Dataset *d = ages(t, cases[i].prep, age, 5);
    clean(t);
    for (int k = 0; k < 5; k++) assert_float_equal(d->split[0].dense[k], cases[i].want[k], 1e-4);
    assert_int_equal(d->summary.input[0].missing, 1);
    data_free(d);
    end(t);
  }
}

static void scales(void **state) {
  (void)state;
  Test t = begin();
  static const char *const age[] = {"2", "4", "4", "4", "5", "5", "7", "9"};            // mean 5, deviation 2
  Dataset *d = ages(t, (Prep){.scale = SCALE_ZSCORE}, age, 8);
  assert_true(d->prep.dense[0].shift == 5 && d->prep.dense[0].factor == 0.5);
  data_free(d);
  d = ages(t, (Prep){.scale = SCALE_MINMAX}, age, 8);
  assert_true(d->prep.dense[0].shift == 2 && d->prep.dense[0].factor == 1 / 7.);
  data_free(d);
  clean(t);
  static const char *const same[] = {"0.1", "0.1", "0.1", "0.1", "0.1", "0.1"};
  for (int kind = SCALE_ZSCORE; kind <= SCALE_MINMAX; kind++) {
    d = ages(t, (Prep){.scale = (ScaleKind)kind}, same, 6);
    assert_non_null(d);
    for (int i = 0; i < 6; i++) assert_true(d->split[0].dense[i] == 0);
    says(t, "warning[constant-column]");
    data_free(d);
  }
  end(t);
}

static void drop_takes_the_row_out(void **state) {
  (void)state;
  Test t = begin();
  static const char *const age[] = {"1", "", "3", "4"};
  Dataset *d = ages(t, (Prep){.missing = MISSING_DROP}, age, 4);
  clean(t);
  assert_int_equal(d->split[0].n, 3);
  assert_int_equal(d->split[0].row[1], 3);                    // still the row of the file
  assert_int_equal(d->summary.dropped, 1);
  data_free(d);
  end(t);
}

static void missing_categories(void **state) {
  (void)state;
  static const char text[] =
      "age,city,user,bought,spent,good\n1,b,u,1,1,0\n2,,u,0,1,1\n3,b,u,1,1,2\n4,?,u,1,1,2\n5,a,u,0,1,1\n";
  static const char *const na[] = {"?"};
  static const struct { MissingPolicy policy; uint32_t want[5]; int64_t n; } cases[] = {
    {MISSING_CONSTANT, {3, 1, 3, 1, 2}, 3}, {MISSING_MODE, {2, 2, 2, 2, 1}, 2},
  };
  for (int i = 0; i < COUNT_OF(cases); i++) {
    Test t = begin();
    Shop *s = shop(t);
    s->source.na = na;
    s->plan.split = (Split){.kind = SPLIT_NONE};
    s->input[1].prep.missing = cases[i].policy;
    Dataset *d = prepared(t, s, text);
    clean(t);
    assert_int_equal(d->prep.vocab[0].n, cases[i].n);
    for (int k = 0; k < 5; k++) assert_int_equal(d->split[0].ids[2 * k], cases[i].want[k]);
    assert_int_equal(d->summary.input[1].missing, 2);
    data_free(d);
    end(t);
  }
}

static void rare_categories(void **state) {
  (void)state;
  Test t = begin();
  Shop *s = shop(t);
  s->input[1].min_count = 2;
  Dataset *d = prepared(t, s, rows10);
  clean(t);
  assert_int_equal(d->prep.vocab[0].n, 2);                    // Bonn occurs once
  assert_int_equal(d->split[0].ids[2 * 3], 0);
  assert_int_equal(d->summary.input[1].unknown[0], 1);
  data_free(d);
  s->input[1].unknown = UNKNOWN_ERROR;                        // not of training rows
  assert_null(prepared(t, s, rows10));
  says(t, "row 8, line 9, column \"city\": error[unknown-category]: `Lima`");
  assert_int_equal(diag_errors(t.diag), 1);
  end(t);
}

static void classes_by_text(void **state) {
  (void)state;
  static const char text[] = "age,city,user,bought,spent,good\n1,b,u,1,1,red\n2,b,u,0,1,10\n3,b,u,1,1,blue\n4,a,u,0,1,red\n";
  Test t = begin();
  Shop *s = shop(t);
  s->plan.split = (Split){.kind = SPLIT_NONE};
  Dataset *d = prepared(t, s, text);
  clean(t);
  static const float want[] = {2, 0, 1, 2};                   // "10" < "blue" < "red"
  for (int i = 0; i < 4; i++) assert_true(d->split[0].y[L_GOOD * 4 + i] == want[i]);
  assert_null(data_apply(&s->plan, &d->prep, FILES(file(t, "new.csv", "age,city,user,bought,spent,good\n1,b,u,1,1,green\n"), NULL), true,
                         t.diag));
  says(t, "column \"good\": error[not-a-class]: `green` does not occur in the training rows");
  data_free(d);
  s->label[L_GOOD].classes = 2;
  assert_null(prepared(t, s, text));
  says(t, "error[too-many-classes]: 3 different texts");
  end(t);
}

// ---------------------------------------------------------------- errors of values
static void value_errors(void **state) {
  (void)state;
  static const char head[] = "age,city,user,bought,spent,good\n";
  static const struct { const char *rows, *says;
  } cases[] = {
      {"1,\"a\nb\",u,1,1,0\nabc,b,u,0,1,1\n", "row 2, line 4, column \"age\": error[not-a-number]: `abc` is no number"},
      {"1,a,u,1,1,0\ninf,b,u,0,1,1\n", "row 2, line 3, column \"age\": error[not-a-number]: `inf`"},
      {"1,a,u,1,1,0\n,b,u,0,1,1\n", "row 2, line 3, column \"age\": error[missing-value]"},
      {"1,a,u,1,1,0\n,b,u,0,1,1\n", "`missing =` mean, median, mode, drop, or a number"},
      {",a,u,1,1,0\n,b,u,0,1,1\n", "column \"age\": error[all-missing]"},
      {"1,,u,1,1,0\n2,,u,0,1,1\n", "column \"city\": error[all-missing]"},
      {"1,a,u,1,1,0\n2,b,u,2,1,1\n3,b,u,2,1,1\n",
       "row 2, line 3, column \"bought\": error[not-binary]: `2` is none of 0/1, true/false, yes/no (2 rows)"},
      {"1,a,u,Y,1,0\n2,b,u,N,1,1\n3,b,u,N,1,1\n", "error[not-binary]: the values of `bought` are `Y` and `N`"},
      {"1,a,u,Y,1,0\n2,b,u,N,1,1\n", "binary = … == \"N\""},
      {"1,a,u,1,1,0\n2,b,u,,1,1\n", "row 2, line 3, column \"bought\": error[missing-label]"},
      {"1,a,u,1,x,0\n2,b,u,0,1,1\n", "column \"spent\": error[not-a-number]"},
      {"1,a,u,1,1,0\n2,b,u,0,1,3\n", "column \"good\": error[not-a-class]: `3` is no class: they are 0 … 2"},
      {"1,a,u,1,1,0\n2,b,u,0,1,1.5\n", "`1.5` is no class"},
      {"1e300,a,u,1,1,0\n-1e300,b,u,0,1,1\n", "error[out-of-range]"},
      {"1,\xff\xfe,u,1,1,0\n2,b,u,0,1,1\n", "row 1, line 2, column \"city\": error[not-utf8]"},
      {"12345678901234567890123456789012345678901234567890x,a,u,1,1,0\n1,b,u,0,1,1\n",
       "`1234567890123456789012345678901234567890…` is no number"},
  };
  for (int i = 0; i < COUNT_OF(cases); i++) {
    Test t = begin();
    Shop *s = shop(t);
    s->plan.split = (Split){.kind = SPLIT_NONE};
    if (i == 13) s->input[0].prep.scale = SCALE_NONE;
    Dataset *d = prepared(t, s, arena_printf(t.arena, "%s%s", head, cases[i].rows));
    says(t, cases[i].says);
    assert_null(d);
    assert_int_equal(diag_exit_code(t.diag), DIAG_DATA);
    end(t);
  }
}

static void domain_of_maps(void **state) {
  (void)state;
  static const char *const age[] = {"1", "-1.5", "2"};
  Test t = begin();
  assert_null(ages(t, (Prep){.map = MAP_LOG1P}, age, 3));
  says(t, "row 2, line 3, column \"age\": error[out-of-domain]: -1.5 has no log(1 + x)");
  assert_null(ages(t, (Prep){.map = MAP_SQRT}, age, 3));
  says(t, "-1.5 has no square root");
  end(t);
}

static void errors_are_counted(void **state) {
  (void)state;
  Test t = begin();
  Text text = {0};
  text_add(&text, "age,city,user,bought,spent,good\n");
  for (int i = 0; i < 100; i++) text_printf(&text, "a%d,c,u,1,1,0\n", i);
  assert_null(prepared(t, shop(t), text.data));
  assert_int_equal(diag_errors(t.diag), MAX_DATA_ERRORS + 1);
  says(t, "and 80 more errors");
  text_free(&text);
  end(t);
}

static void missing_columns(void **state) {
  (void)state;
  Test t = begin();
  assert_null(prepared(t, shop(t), "agee,city,user,bought,spent,good\n1,a,u,1,1,0\n"));
  says(t, "column \"age\": error[missing-column]");
  says(t, "did you mean `agee`?");
  says(t, "the file's columns are agee, city, user, bought, spent, good");
  end(t);
}

static void warns_of_a_single_class(void **state) {
  (void)state;
  Test t = begin();
  Dataset *d = prepared(
      t, shop(t), "age,city,user,bought,spent,good\n1,a,u,1,1,0\n2,b,u,1,1,1\n3,b,u,1,1,2\n4,b,u,0,1,1\n5,b,u,0,1,1\n");
  clean(t);
  says(t, "warning[single-class]: `bought` is true in every training row");
  data_free(d);
  end(t);
}

// ---------------------------------------------------------------- new rows
static void apply_without_labels(void **state) {
  (void)state;
  Test t = begin();
  Shop *s = shop(t);
  Dataset *d = prepared(t, s, rows10), *e;
  static const char *const texts[] = {"user,age,city\nu1,1,Rome\n", "age,city,user,bought,spent,good\n1,Rome,u1,,,\n",
                                      "age,city,user,bought,spent,good\n1,Rome,u1,what,x,blue\n"};
  for (int i = 0; i < COUNT_OF(texts); i++) {
    e = data_apply(&s->plan, &d->prep, FILES(file(t, "new.csv", texts[i]), NULL), false, t.diag);
    clean(t);
    assert_int_equal(e->split[2].n, 1);
    assert_memory_equal(e->split[2].dense, d->split[0].dense, sizeof(float));
    assert_memory_equal(e->split[2].ids, d->split[0].ids, 2 * sizeof(uint32_t));
    for (int l = 0; l < 3; l++) assert_true(e->split[2].w[l] == 0 && e->split[2].y[l] == 0);
    data_free(e);
  }
  assert_null(data_apply(&s->plan, &d->prep, FILES(file(t, "new.csv", texts[0]), NULL), true, t.diag));
  says(t, "column \"bought\": error[missing-column]");
  data_free(d);
  end(t);
}

static void same_split_again(void **state) {
  (void)state;
  Test t = begin();
  Shop *s = shop(t);
  s->plan.split.file_order = false;
  Dataset *a = prepared(t, s, rows10), *b = data_split_again(&s->plan, &a->prep, FILES(path_of(t, "shop.csv"), NULL), t.diag);
  clean(t);
  for (int k = 0; k < 3; k++) {
    assert_int_equal(a->split[k].n, b->split[k].n);
    assert_memory_equal(a->split[k].row, b->split[k].row, sizeof(int64_t) * (size_t)a->split[k].n);
    assert_memory_equal(a->split[k].dense, b->split[k].dense, sizeof(float) * (size_t)a->split[k].n);
    assert_memory_equal(a->split[k].y, b->split[k].y, 3 * sizeof(float) * (size_t)a->split[k].n);
  }
  data_free(a);
  data_free(b);
  end(t);
}

// ---------------------------------------------------------------- splits
static void label_of_rows(Dataset *d, int *part, int n) {     // part[row] = split, −1: none; each row at most once
  for (int i = 0; i < n; i++) part[i] = -1;
  for (int k = 0; k < 3; k++)
    for (int64_t i = 0; i < d->split[k].n; i++) {
      int64_t row = d->split[k].row[i] - 1;
      assert_true(row >= 0 && row < n);
      assert_int_equal(part[row], -1);
      part[row] = k;
    }
}

static void split_by_fraction(void **state) {
  (void)state;
  Test t = begin();
  Shop *s = shop(t);
  int file_order[10], first[10], again[10], other[10];
  Dataset *d = prepared(t, s, rows10);
  label_of_rows(d, file_order, 10);
  for (int i = 0; i < 10; i++) assert_int_equal(file_order[i], i < 6 ? 0 : i < 8 ? 1 : 2);
  data_free(d);
  s->plan.split.file_order = false;
  int *of[] = {first, again, other};
  for (int k = 0; k < 3; k++) {
    s->plan.seed = k == 2 ? 77 : 5;
    assert_non_null(d = prepared(t, s, rows10));
    assert_int_equal(d->split[0].n, 6);
    assert_int_equal(d->split[1].n, 2);
    label_of_rows(d, of[k], 10);
    data_free(d);
  }
  assert_memory_equal(first, again, sizeof first);
  assert_memory_not_equal(first, other, sizeof first);
  assert_memory_not_equal(first, file_order, sizeof first);
  s->plan.split.fraction[2] = 0.1;                            // a tenth is not used
  d = prepared(t, s, rows10);
  assert_int_equal(d->summary.unused, 1);
  data_free(d);
  clean(t);
  end(t);
}

static void split_by_rule(void **state) {
  (void)state;
  Test t = begin();
  Shop *s = shop(t);
  static const RowExpr row = {.op = RX_ROW}, ten = {.op = RX_NUMBER, .number = 10}, eight = {.op = RX_NUMBER, .number = 8},
                       nine = {.op = RX_NUMBER, .number = 9}, mod = {.op = RX_MOD, .a = &row, .b = &ten},
                       train = {.op = RX_LT, .numeric = true, .a = &mod, .b = &eight},
                       valid = {.op = RX_EQ, .numeric = true, .a = &mod, .b = &eight},
                       test = {.op = RX_EQ, .numeric = true, .a = &mod, .b = &nine};
  s->plan.split = (Split){.kind = SPLIT_RULE, .rule = {&train, &valid, &test}};
  Dataset *d = prepared(t, s, rows10);
  clean(t);
  assert_int_equal(d->split[0].n, 8);
  assert_int_equal(d->split[1].row[0], 9);
  assert_int_equal(d->split[2].row[0], 10);
  data_free(d);
  s->plan.split = (Split){.kind = SPLIT_RULE, .rule = {NULL, NULL, &test}};
  assert_null(prepared(t, s, rows10));
  says(t, "error[no-training-rows]");
  end(t);
}

static void split_by_label(void **state) {                    // a rule may read a label
  (void)state;
  Test t = begin();
  Shop *s = shop(t);
  static const RowExpr all = {.op = RX_BOOL, .number = 1};
  s->plan.split = (Split){.kind = SPLIT_RULE, .rule = {&x_is_bought, &all, NULL}};
  Dataset *d = prepared(t, s, rows10);
  clean(t);
  assert_int_equal(d->split[0].n, 5);
  assert_int_equal(d->split[1].n, 5);
  data_free(d);
  end(t);
}

static void split_by_column(void **state) {
  (void)state;
  Test t = begin();
  Shop *s = shop(t);
  s->plan.n_columns = N_COLUMNS;
  s->plan.split = (Split){.kind = SPLIT_COLUMN, .column = C_PART, .value = {"train", "valid", "test"}};
  Dataset *d = prepared(t, s,
                        "age,city,user,bought,spent,good,part\n1,a,u,1,1,0,train\n2,a,u,0,1,1,test\n3,a,u,0,1,2,train\n"
                        "4,a,u,1,1,0,what\n5,a,u,1,1,0,\n6,a,u,1,1,0,valid\n");
  clean(t);
  int part[6];
  static const int want[] = {0, 2, 0, -1, -1, 1};
  label_of_rows(d, part, 6);
  assert_memory_equal(part, want, sizeof part);
  assert_int_equal(d->summary.unused, 2);
  Dataset *e =
      data_apply(&s->plan, &d->prep, FILES(file(t, "new.csv", "age,city,user,bought,spent,good\n1,a,u,1,1,0\n"), NULL), true, t.diag);
  clean(t);                                                   // new rows need no such column
  data_free(e);
  data_free(d);
  end(t);
}

static void split_by_files(void **state) {
  (void)state;
  Test t = begin();
  Shop *s = shop(t);
  s->plan.split = (Split){.kind = SPLIT_FILES, .valid_fraction = 0.3};
  char *test = file(t, "test.csv", "age,city,user,bought,spent,good\n1,Rome,u1,0,,1\n2,Nowhere,u1,1,3,1\n");
  Dataset *d = data_prepare(&s->plan, FILES(file(t, "shop.csv", rows10), test), t.diag);
  clean(t);
  assert_int_equal(d->split[0].n, 7);
  assert_int_equal(d->split[1].n, 3);
  assert_int_equal(d->split[2].n, 2);
  assert_int_equal(d->summary.input[1].unknown[2], 1);
  assert_int_equal(d->prep.rows[2], 2);
  data_free(d);
  assert_null(data_prepare(&s->plan, FILES(path_of(t, "shop.csv"), NULL), t.diag));
  says(t, "error[no-test-file]");
  end(t);
}

// ---------------------------------------------------------------- vectors
static void vectors(void **state) {
  (void)state;
  static const RawColumn packed_columns[] = {{"v", 0}, {"y", 0}},
                         wide_columns[] = {{"v_0", 0}, {"v_1", 0}, {"v_2", 0}, {"y", 0}};
  for (int packed = 0; packed < 2; packed++) {
    Test t = begin();
    RowExpr y = COLUMN(packed ? 1 : 3, false);
    DataInput in = {
        .name = "v", .kind = INPUT_VECTOR, .width = 3, .packed = packed, .id_at = -1, .prep.missing = MISSING_CONSTANT};
    DataLabel l = {.name = "y", .kind = LABEL_BINARY, .from = &y};
    DataPlan p = {.sources = &plain,
                  .n_sources = 1,
                  .columns = packed ? packed_columns : wide_columns,
                  .n_columns = packed ? 2 : 4,
                  .inputs = &in,
                  .n_inputs = 1,
                  .labels = &l,
                  .n_labels = 1,
                  .dense_width = 3,
                  .split.kind = SPLIT_NONE};
    char *path = file(t, "v.csv", packed ? "v,y\n1 2 3,0\n\"4, 5;6\",1\n,1\n" : "v_2,v_1,v_0,y\n3,2,1,0\n6,5,4,1\n,,,1\n");
    Dataset *d = data_prepare(&p, FILES(path, NULL), t.diag);
    clean(t);
    for (int i = 0; i < 9; i++) assert_true(d->split[0].dense[i] == (i < 6 ? i + 1 : 0));
    data_free(d);
    if (packed) {
      assert_null(data_prepare(&p, FILES(file(t, "v.csv", "v,y\n1 2,0\n1 x 3,1\n"), NULL), t.diag));
      says(t, "row 1, line 2, column \"v\": error[wrong-length]: 2 numbers, but `v` is a vector(3)");
      says(t, "row 2, line 3, column \"v\": error[not-a-number]: `x`");
    }
    end(t);
  }
}

// ---------------------------------------------------------------- prep.json
static char *saved(Test t, const Shop *s, const PrepState *p) {
  Text json = {0};
  assert_true(prep_save(&s->plan, p, &json));
  char *copy = arena_strdup(t.arena, json.data);
  text_free(&json);
  return copy;
}

static void prep_round_trip(void **state) {
  (void)state;
  static const double nasty[] = {
      0.1, 1 / 3., -0.0, 5e-324, 1.7976931348623157e308, -2.2250738585072014e-308, 3, 1e22, 123456789.123456789};
  Test t = begin();
  Shop *s = shop(t);
  Dataset *d = prepared(
      t, s,
      "age,city,user,bought,spent,good\n1,\"a\"\"\\\n\t,\",u,1,1,a\n2,商品,u,0,1,b\n3,ü,u,1,1,c\n4,,u,0,1,a\n5,b,u,0,1,a\n");
  clean(t);
  for (int i = 0; i < COUNT_OF(nasty); i++) {
    d->prep.dense[0] = (Affine){.missing = nasty[i], .shift = nasty[(i + 1) % COUNT_OF(nasty)], .factor = nasty[(i + 2) % COUNT_OF(nasty)]};
    d->prep.label[L_SPENT] = (Affine){.shift = nasty[i], .factor = nasty[(i + 3) % COUNT_OF(nasty)]};
    char *json = saved(t, s, &d->prep);
    PrepState back;
    assert_true(prep_load(&s->plan, &back, json, strlen(json), t.arena, t.diag));
    assert_memory_equal(back.dense, d->prep.dense, sizeof(Affine));
    assert_memory_equal(&back.label[L_SPENT], &d->prep.label[L_SPENT], sizeof(Affine));
    assert_memory_equal(back.rows, d->prep.rows, sizeof back.rows);
    assert_int_equal(back.vocab[0].n, d->prep.vocab[0].n);
    for (int64_t k = 0; k < back.vocab[0].n; k++) assert_string_equal(back.vocab[0].values[k], d->prep.vocab[0].values[k]);
    assert_int_equal(back.label_class[L_GOOD].n, 3);
    assert_string_equal(saved(t, s, &back), json);
  }
  data_free(d);
  end(t);
}

static char *replaced(Test t, const char *text, const char *from, const char *to) {
  const char *at = strstr(text, from);
  if (!at) fail_msg("no `%s` in:\n%s", from, text);
  return arena_printf(t.arena, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void prep_that_does_not_fit(void **state) {
  (void)state;
  static const struct { const char *from, *to, *says; } cases[] = {
    {"{\"format\": 1", "{\"format\": 9", "its format is not 1"},
    {"{", "", "no JSON"},
    {"\"train\": 6", "\"train\": \"six\"", "rows.train"},
    {"\"name\": \"age\"", "\"name\": \"agee\"", "input 1 is `agee` here, `age` in the spec"},
    {"\"kind\": \"real\"", "\"kind\": \"id\"", "the input `age` is of type id here, real in the spec"},
    {"\"buckets\": 1000", "\"buckets\": 10", "`user` has 10 buckets here, 1000 in the spec"},
    {"\"factor\"", "\"fuctor\"", "`age` needs the numbers missing, shift and factor"},
    {"[\"Bonn\", 1]", "[\"Bonn\"]", "value 1 of `city`"},
    {"[\"Bonn\", 1]", "[\"Zug\", 1]", "the values of `city` are not in order"},
    {"\"classes\": 3", "\"classes\": 4", "`good` has 4 classes here, 3 in the spec"},
    {"\"labels\": [", "\"labels\": [{}, ", "4 labels here, 3 in the spec"},
  };
  Test t = begin();
  Shop *s = shop(t);
  Dataset *d = prepared(t, s, rows10);
  char *json = saved(t, s, &d->prep);
  data_free(d);
  for (int i = 0; i < COUNT_OF(cases); i++) {
    Test u = begin();
    char *bad = replaced(u, json, cases[i].from, cases[i].to);
    PrepState back;
    assert_false(prep_load(&s->plan, &back, bad, strlen(bad), u.arena, u.diag));
    says(u, "error[bad-preparation]");
    says(u, cases[i].says);
    end(u);
  }
  end(t);
}

// ---------------------------------------------------------------- shuffling
static void shuffle_takes_each_row_once(void **state) {
  (void)state;
  static const int64_t sizes[] = {0, 1, 2, 3, 17, 1000};
  int64_t order[1000], again[1000];
  for (int k = 0; k < COUNT_OF(sizes); k++)
    for (int64_t epoch = 0; epoch < 20; epoch++) {
      bool seen[1000] = {false};
      shuffle_epoch(3, epoch, sizes[k], order);
      shuffle_epoch(3, epoch, sizes[k], again);
      assert_memory_equal(order, again, sizeof *order * (size_t)sizes[k]);
      for (int64_t i = 0; i < sizes[k]; i++) {
        assert_true(order[i] >= 0 && order[i] < sizes[k] && !seen[order[i]]);
        seen[order[i]] = true;
      }
    }
}

static void shuffle_differs(void **state) {                   // by epoch and by seed: about one row in place
  (void)state;
  enum { N = 1000 };
  int64_t a[N], b[N], c[N];
  for (int64_t epoch = 0; epoch < 10; epoch++) {
    shuffle_epoch(1, epoch, N, a);
    shuffle_epoch(1, epoch + 1, N, b);
    shuffle_epoch(2, epoch, N, c);
    int same = 0, other = 0, fixed = 0;
    for (int i = 0; i < N; i++) same += a[i] == b[i], other += a[i] == c[i], fixed += a[i] == i;
    assert_true(same < 12 && other < 12 && fixed < 12);
  }
}

// Every row at every place equally often, and every pair of neighbours: χ² within 6 deviations of its mean.
static void shuffle_is_uniform(void **state) {
  (void)state;
  enum { N = 20, EPOCHS = 20000 };
  static int at[N][N], next[N][N];
  int64_t order[N];
  for (int64_t e = 0; e < EPOCHS; e++) {
    shuffle_epoch(11, e, N, order);
    for (int i = 0; i < N; i++) at[order[i]][i]++;
    for (int i = 0; i + 1 < N; i++) next[order[i]][order[i + 1]]++;
  }
  double places = 0, pairs = 0, place = (double)EPOCHS / N, pair = (double)EPOCHS / N;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      places += (at[i][j] - place) * (at[i][j] - place) / place;
      if (i != j) pairs += (next[i][j] - pair) * (next[i][j] - pair) / pair;
    }
  double free_places = (N - 1) * (N - 1), free_pairs = N * (N - 1);
  assert_true(fabs(places - free_places) < 6 * sqrt(2 * free_places));
  assert_true(fabs(pairs - free_pairs) < 6 * sqrt(2 * free_pairs));
}

// ---------------------------------------------------------------- batches
static void batches(void **state) {
  (void)state;
  enum { N = 5, D = 7, F = 2, L = 2, B = 4 };
  float dense[N * D], y[L * N], w[L * N];
  uint32_t ids[N * F];
  for (int i = 0; i < N * D; i++) dense[i] = (float)i + 0.25f;
  for (int i = 0; i < N * F; i++) ids[i] = 100u + (uint32_t)i;
  for (int i = 0; i < L * N; i++) y[i] = (float)i, w[i] = (float)(i % 2);
  Rows r = {.n = N, .dense = dense, .ids = ids, .y = y, .w = w};
  static const int64_t order[] = {4, 0, 3, 1, 2};
  for (int in_place = 0; in_place < 2; in_place++)
    for (int wide = 0; wide < 2; wide++) {
      float d32[B * 8], y32[L * B], w32[L * B];
      double d64[B * 8], y64[L * B], w64[L * B];
      uint32_t out[B * 5];
      BatchBuffers to = {wide ? F64 : F32, D, F, L, wide ? (void *)d64 : d32, 8, out, 5, wide ? (void *)y64 : y32, wide ? (void *)w64 : w32, B};
      batch_fill(&r, in_place ? NULL : order, 1, 2, B, &to);            // in two parts
      batch_fill(&r, in_place ? NULL : order, 1, 0, 2, &to);
      for (int i = 0; i < B; i++) {
        int64_t row = in_place ? i + 1 : order[i + 1];
        for (int k = 0; k < D; k++) assert_true((wide ? d64[i * 8 + k] : d32[i * 8 + k]) == dense[row * D + k]);
        for (int k = 0; k < F; k++) assert_int_equal(out[i * 5 + k], ids[row * F + k]);
        for (int l = 0; l < L; l++) {
          assert_true((wide ? y64[l * B + i] : y32[l * B + i]) == y[l * N + row]);
          assert_true((wide ? w64[l * B + i] : w32[l * B + i]) == w[l * N + row]);
        }
      }
    }
}

// ---------------------------------------------------------------- made rows
static double correlation(const float *a, const float *b, int64_t n) {
  double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  for (int64_t i = 0; i < n; i++) x += a[i], y += b[i], xx += a[i] * a[i], yy += b[i] * b[i], xy += a[i] * b[i];
  return ((double)n * xy - x * y) / sqrt(((double)n * xx - x * x) * ((double)n * yy - y * y));
}

static void made_rows_fit(void **state) {
  (void)state;
  Test t = begin();
  Shop *s = shop(t);
  static const RowExpr rome = {.op = RX_TEXT, .text = "Rome"}, in_rome = {.op = RX_EQ, .a = &x_city, .b = &rome};
  s->label[L_GOOD] = (DataLabel){.name = "roman", .kind = LABEL_BINARY, .from = &in_rome};
  s->plan.n_columns = N_COLUMNS;
  s->plan.split = (Split){.kind = SPLIT_COLUMN, .column = C_PART, .value = {"train", "valid", "test"}};
  char *path = path_of(t, "made.csv");
  assert_true(synth_write(&s->plan, 3000, 4, path, t.diag));
  Dataset *d = data_prepare(&s->plan, FILES(path, NULL), t.diag);
  clean(t);
  Rows *r = &d->split[0];
  assert_true(r->n > 2200 && d->split[1].n > 200 && d->split[2].n > 200);
  int64_t bought = 0, roman = 0;
  for (int64_t i = 0; i < r->n; i++) {
    assert_true(r->w[L_SPENT * r->n + i] == r->y[L_BOUGHT * r->n + i]);
    bought += r->y[L_BOUGHT * r->n + i] != 0;
    roman += r->y[L_GOOD * r->n + i] != 0;
    if (r->w[L_SPENT * r->n + i] != 0) assert_true(r->y[L_SPENT * r->n + i] > 0);
  }
  assert_true(bought > r->n / 5 && bought < r->n * 4 / 5 && roman > r->n / 5 && roman < r->n * 4 / 5);
  assert_true(correlation(r->y + L_BOUGHT * r->n, r->y + L_GOOD * r->n, r->n) > 0.2);      // they share a signal
  data_free(d);
  Table *x = csv_read(path, &plain, t.diag);                  // and outside of its condition, a label is 0
  for (int64_t i = 0; i < x->n_rows; i++)
    if (!strcmp(x->cell[i * x->n_columns + C_BOUGHT], "0")) assert_string_equal(x->cell[i * x->n_columns + C_SPENT], "0");
  table_free(x);
  end(t);
}

static char *whole(Test t, const char *path) {
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  Text text = {0};
  char piece[4096];
  for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;) text_addn(&text, piece, n);
  fclose(f);
  char *s = arena_strdup(t.arena, text.data);
  text_free(&text);
  return s;
}

static void made_rows_repeat(void **state) {
  (void)state;
  Test t = begin();
  Shop *s = shop(t);
  assert_true(synth_write(&s->plan, 50, 1, path_of(t, "a.csv"), t.diag) &&
              synth_write(&s->plan, 80, 1, path_of(t, "b.csv"), t.diag));
  assert_true(synth_write(&s->plan, 50, 2, path_of(t, "c.csv"), t.diag));
  char *a = whole(t, path_of(t, "a.csv")), *b = whole(t, path_of(t, "b.csv")), *c = whole(t, path_of(t, "c.csv"));
  assert_memory_equal(a, b, strlen(a));                       // a row depends on its number alone
  assert_string_not_equal(a, c);
  static const char *const header[] = {"good", "spare", "age", "city", "user", "bought", "spent"};
  s->source.header = header;
  s->source.n_header = 7;
  assert_true(synth_write(&s->plan, 50, 1, path_of(t, "d.csv"), t.diag));
  Dataset *d = data_prepare(&s->plan, FILES(path_of(t, "d.csv"), NULL), t.diag);
  clean(t);
  assert_int_equal(d->split[0].n + d->split[1].n + d->split[2].n, 50);
  data_free(d);
  assert_false(synth_write(&s->plan, 5, 1, path_of(t, "none/there.csv"), t.diag));
  assert_int_equal(diag_exit_code(t.diag), DIAG_MACHINE);
  end(t);
}

// ---------------------------------------------------------------- real files, where they are
static void real_files(void **state) {
  (void)state;
  static const struct { const char *name; int rows, width; bool header;
  } files[] = {{"adult.data", 32561, 15, false},
               {"adult.test", 16281, 15, false},
               {"hillstrom.csv", 64000, 12, true},
               {"shoppers.csv", 12330, 18, true}};
  const char *dir = getenv("MTLC_DATA");
  if (!dir) skip();
  static const char *header[15];
  for (int i = 0; i < 15; i++) header[i] = &"abcdefghijklmno"[i];
  Test t = begin();
  for (int i = 0; i < COUNT_OF(files); i++) {
    DataSource f = {.trim = true, .header = files[i].header ? NULL : header, .n_header = files[i].header ? 0 : 15};
    Table *x = csv_read(arena_printf(t.arena, "%s/%s", dir, files[i].name), &f, t.diag);
    clean(t);
    assert_int_equal(x->n_rows, files[i].rows);
    assert_int_equal(x->n_columns, files[i].width);
    int64_t quoted = 0, asked = 0;
    for (int64_t k = 0; k < x->n_rows * x->n_columns; k++)
      quoted += strchr(x->cell[k], ',') != NULL, asked += !strcmp(x->cell[k], "?");
    if (i == 2) assert_int_equal(quoted, 3167);
    if (i == 0) assert_int_equal(asked, 1836 + 1843 + 583);
    table_free(x);
  }
  end(t);
}

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}
static int remove_folder(void **state) {
  (void)state;
  static const char *const names[] = {"shop.csv",      "one.csv",  "v.csv",   "e.csv",   "nul.csv",  "full.gz",
                                      "cut.gz",        "many.csv", "any.csv", "new.csv", "test.csv", "made.csv",
                                      "semicolon.csv", "a.csv",    "b.csv",   "c.csv",   "d.csv"};
  char path[256];
  for (int i = 0; i < COUNT_OF(names); i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    unlink(path);
  }
  return rmdir(folder);                                       // fails where a temporary file was left
}

#define T(f) cmocka_unit_test(f)
int main(void) {
  const struct CMUnitTest tests[] = {
      T(numbers),
      T(numbers_know_no_locale),
      T(times),
      T(csv_torture),
      T(csv_blanks_and_no_header),
      T(csv_tabs),
      T(csv_variants),
      T(csv_errors),
      T(csv_gzip_cut_off),
      T(csv_many_wrong_rows),
      T(csv_any_bytes),
      T(logic_has_three_values),
      T(arithmetic_of_rows),
      T(prepares_rows),
      T(hash_of_ids),
      T(only_training_rows_teach),
      T(order_of_preparation),
      T(scales),
      T(drop_takes_the_row_out),
      T(missing_categories),
      T(rare_categories),
      T(classes_by_text),
      T(value_errors),
      T(domain_of_maps),
      T(errors_are_counted),
      T(missing_columns),
      T(warns_of_a_single_class),
      T(apply_without_labels),
      T(same_split_again),
      T(split_by_fraction),
      T(split_by_rule),
      T(split_by_label),
      T(split_by_column),
      T(split_by_files),
      T(vectors),
      T(prep_round_trip),
      T(prep_that_does_not_fit),
      T(shuffle_takes_each_row_once),
      T(shuffle_differs),
      T(shuffle_is_uniform),
      T(batches),
      T(made_rows_fit),
      T(made_rows_repeat),
      T(real_files),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
