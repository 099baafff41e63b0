// test_sqlite.c: tables, views and queries of an SQLite database as sources, and what can be wrong with them.
#include "config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>
#include "diag_text.h"
#include "runtime/data/data_int.h"
#ifdef HAVE_SQLITE
#include <sqlite3.h>
#endif

static char database[] = "/tmp/mtlc-sqlite-XXXXXX";
static const DataSource plain = {.name = "data"};
typedef struct { Arena *arena; Diag *diag; } Test;

static Test begin(void) {
  Arena *a = arena_new();
  return (Test){a, diag_new(a, NULL)};
}

static char *messages(Test t) { return diag_text(t.diag, t.arena); }

static void says(Test t, const char *part) {
  char *s = messages(t);
  if (!strstr(s, part)) fail_msg("no `%s` in:\n%s", part, s);
}

static Table *whole(Test t, const char *what, const DataSource *format) {
  Reader *r = reader_open(arena_printf(t.arena, "%s%s", database, what), format, 0, t.diag);
  return r ? reader_table(r) : NULL;
}

#ifdef HAVE_SQLITE
static int make_database(void **state) {
  (void)state;
  static const char sql[] =
      "CREATE TABLE \"the events\" (id TEXT, price REAL, n INTEGER, at TEXT);"
      "INSERT INTO \"the events\" VALUES ('p1', 0.1, 9007199254740993, ' x '), ('007', 1e300, NULL, '');"
      "INSERT INTO \"the events\" VALUES (NULL, -2.5, -1, 'y');"
      "CREATE TABLE pictures (id INTEGER, data BLOB); INSERT INTO pictures VALUES (1, x'00ff');"
      "CREATE TABLE empty_one (id INTEGER);"
      "CREATE VIEW cheap AS SELECT id, price FROM \"the events\" WHERE price < 1;"
      "CREATE TABLE many (n INTEGER);"
      "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 4999) INSERT INTO many SELECT i FROM c;";
  int fd = mkstemp(database);
  sqlite3 *db;
  if (fd < 0 || close(fd) || sqlite3_open(database, &db) || sqlite3_exec(db, sql, NULL, NULL, NULL)) return -1;
  return sqlite3_close(db);
}

static void cells_of_a_table(void **state) {
  (void)state;
  Test t = begin();
  static const char *const cells[] = {"p1", "0.1", "9007199254740993", " x ", "007", "1e+300", "", "", "", "-2.5", "-1", "y"};
  Table *x = whole(t, ":the events", &plain);
  assert_int_equal(diag_errors(t.diag), 0);
  assert_int_equal(x->n_rows, 3);
  assert_int_equal(x->n_columns, 4);
  assert_string_equal(x->names[3], "at");
  for (int i = 0; i < COUNT_OF(cells); i++) assert_string_equal(x->cell[i], cells[i]);
  table_free(x);
  x = whole(t, ":the events", &(DataSource){.trim = true});
  assert_string_equal(x->cell[3], "x");
  table_free(x);
  arena_free(t.arena);
}

static void queries_and_views(void **state) {
  (void)state;
  Test t = begin();
  Table *x = whole(t, ":cheap", &plain);
  assert_int_equal(x->n_rows, 2);
  table_free(x);
  x = whole(t, ":select n + 1 as m from many where n < 3 order by n desc", &plain);
  assert_string_equal(x->names[0], "m");
  assert_string_equal(x->cell[0], "3");
  assert_string_equal(x->cell[2], "1");
  table_free(x);
  assert_int_equal(diag_errors(t.diag), 0);
  arena_free(t.arena);
}

static void blocks(void **state) {
  (void)state;
  Test t = begin();
  Reader *r = reader_open(arena_printf(t.arena, "%s:many", database), &plain, 2000, t.diag);
  int64_t next = 0;
  int n = 0;
  for (; r->next(r); n++) {
    assert_int_equal(r->table.first, next);
    for (int64_t i = 0; i < r->table.n_rows; i++, next++) assert_int_equal(atoi(r->table.cell[i]), next);
  }
  assert_int_equal(n, 3);
  assert_int_equal(next, 5000);
  r->close(r);
  arena_free(t.arena);
}

static void errors(void **state) {
  (void)state;
  static const struct { const char *what, *says; } cases[] = {
    {"", "error[no-table]: this is an SQLite database: which table, or query?"},
    {"", "its tables are `cheap`, `empty_one`, `many`, `pictures`, `the events`"},
    {":evens", "error[unknown-table]: the database has no table `evens`"},
    {":pictuers", "did you mean `pictures`?"},
    {":SELECT * FRM many", "error[sql]: SQLite says: near \"FRM\": syntax error"},
    {":SELECT m FROM many", "error[sql]: SQLite says: no such column: m"},
    {":SELECT n FROM many; DROP TABLE many", "more than one query"},
    {":WITH a AS (SELECT 1) INSERT INTO many SELECT * FROM a", "it is no query"},
    {":SELECT n, n FROM many", "column \"n\": error[duplicate-column]"},
    {":pictures", "row 1, column \"data\": error[not-text]: the value is a BLOB"},
    {":empty_one", "error[no-rows]"},
    {":SELECT abs(-9223372036854775808)", "error[sql]: SQLite says: integer overflow"},
  };
  for (int i = 0; i < COUNT_OF(cases); i++) {
    Test t = begin();
    assert_null(whole(t, cases[i].what, &plain));
    says(t, cases[i].says);
    assert_int_equal(diag_exit_code(t.diag), DIAG_DATA);
    arena_free(t.arena);
  }
}
#else
static int make_database(void **state) {
  (void)state;
  int fd = mkstemp(database);
  return fd < 0 || write(fd, "SQLite format 3", 16) != 16 || close(fd) ? -1 : 0;
}

static void built_without(void **state) {
  (void)state;
  Test t = begin();
  assert_null(whole(t, ":many", &plain));
  says(t, "error[no-sqlite]: this is an SQLite database, which this mtlc is built without");
  arena_free(t.arena);
}
#endif

static int remove_database(void **state) {
  (void)state;
  return unlink(database);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#ifdef HAVE_SQLITE
    cmocka_unit_test(cells_of_a_table),
    cmocka_unit_test(queries_and_views),
    cmocka_unit_test(blocks),
    cmocka_unit_test(errors),
#else
    cmocka_unit_test(built_without),
#endif
  };
  return cmocka_run_group_tests(tests, make_database, remove_database);
}
