// sqlite.c: a table, a view or a query of an SQLite database as blocks of cells: `shop.db:events`, `shop.db:SELECT …`. Read
// in one pass, in one transaction that only reads, so that the rows are of one moment. Numbers become texts (a REAL the
// shortest one that gives it back), NULL is missing; a BLOB is an error. Rows have a number, and no line.
#include "config.h"
#include <strings.h>
#include "data_int.h"

#ifndef HAVE_SQLITE
Reader *sqlite_open(const char *path, const char *what, const DataSource *format, int64_t rows, Diag *d) {
  (void)what, (void)format, (void)rows;
  diag_data(d, "no-sqlite", path, 0, 0, NULL, "this is an SQLite database, which this mtlc is built without");
  diag_help(d, "install libsqlite3-dev (Debian), then configure and build again");
  return NULL;
}
#else
#include <sqlite3.h>

typedef struct {
  Reader reader;
  sqlite3 *db; sqlite3_stmt *stmt;
  bool trim, done;
  Arena *cells;                // texts of the block
  int64_t row, cap;
} Sql;

static bool sql_error(Sql *s) {
  s->reader.failed = true;
  const char *why = s->db ? sqlite3_errmsg(s->db) : "no memory";
  diag_data(s->reader.diag, "sql", s->reader.table.path, 0, 0, NULL, "SQLite says: %s", why);
  return false;
}

// ---------------------------------------------------------------- what is asked for
static bool begins_with(const char *s, const char *word) {
  size_t n = strlen(word);
  return !strncasecmp(s, word, n) && (s[n] == ' ' || s[n] == '\n' || s[n] == '\t' || s[n] == '(');
}

static bool is_query(const char *what) {
  what += strspn(what, " \n\t");
  return begins_with(what, "SELECT") || begins_with(what, "WITH") || begins_with(what, "VALUES");
}

typedef struct { const char **name; int n; Arena *arena; } Names;

static Names table_names(Sql *s) {
  static const char query[] = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' "
                              "ORDER BY name LIMIT 1000";
  Names t = {NEW_ARRAY(s->reader.table.arena, const char *, 1000), 0, s->reader.table.arena};
  sqlite3_stmt *q;
  if (sqlite3_prepare_v2(s->db, query, -1, &q, NULL) != SQLITE_OK) return t;
  while (sqlite3_step(q) == SQLITE_ROW && t.n < 1000)
    t.name[t.n++] = arena_strdup(t.arena, (const char *)sqlite3_column_text(q, 0));
  sqlite3_finalize(q);
  return t;
}

static void list_tables(Sql *s, const Names *t, const char *word) {
  Text all = {0};
  const char *near = word ? nearest(word, t->name, t->n) : NULL;
  for (int i = 0; i < t->n && i < 40; i++) text_printf(&all, "%s`%s`", i ? ", " : "", t->name[i]);
  if (near) diag_help(s->reader.diag, "did you mean `%s`?", near);
  if (t->n) diag_help(s->reader.diag, "its tables are %s%s", all.data, t->n > 40 ? ", …" : "");
  else diag_help(s->reader.diag, "it has no table");
  text_free(&all);
}

static bool has_table(const Names *t, const char *name) {
  for (int i = 0; i < t->n; i++)
    if (!sqlite3_stricmp(t->name[i], name)) return true;
  return false;
}

// The query for a table; NULL: there is none of this name.
static char *query_of(Sql *s, const char *what) {
  if (what && is_query(what)) return arena_strdup(s->reader.table.arena, what);
  Names t = table_names(s);
  if (what && has_table(&t, what)) {
    char *quoted = sqlite3_mprintf("SELECT * FROM \"%w\"", what);
    char *copy = arena_strdup(s->reader.table.arena, quoted ? quoted : "");
    sqlite3_free(quoted);
    return copy;
  }
  const char *path = s->reader.table.path;
  if (what) diag_data(s->reader.diag, "unknown-table", path, 0, 0, NULL, "the database has no table `%s`", what);
  else diag_data(s->reader.diag, "no-table", path, 0, 0, NULL, "this is an SQLite database: which table, or query?");
  list_tables(s, &t, what);
  if (!what) diag_help(s->reader.diag, "write %s:TABLE, or '%s:SELECT …'", path, path);
  return NULL;
}

static bool prepare(Sql *s, const char *query) {
  const char *rest = "";
  if (sqlite3_prepare_v2(s->db, query, -1, &s->stmt, &rest) != SQLITE_OK) return sql_error(s);
  const char *why = !s->stmt || !sqlite3_stmt_readonly(s->stmt) || !sqlite3_column_count(s->stmt) ? "it is no query"
                    : rest[strspn(rest, " ;\n\t")] ? "more than one query" : NULL;
  if (!why) return true;
  diag_data(s->reader.diag, "sql", s->reader.table.path, 0, 0, NULL, "cannot be read: %s", why);
  s->reader.failed = true;
  return false;
}

static bool take_names(Sql *s) {
  Table *t = &s->reader.table;
  t->n_columns = sqlite3_column_count(s->stmt);
  t->names = NEW_ARRAY(t->arena, const char *, t->n_columns + 1);
  for (int i = 0; i < t->n_columns; i++) t->names[i] = arena_strdup(t->arena, sqlite3_column_name(s->stmt, i));
  for (int i = 0; i < t->n_columns; i++)
    for (int k = 0; k < i; k++) {
      if (strcmp(t->names[i], t->names[k]) != 0) continue;
      diag_data(s->reader.diag, "duplicate-column", t->path, 0, 0, t->names[i], "the query has two columns of this name");
      diag_help(s->reader.diag, "name one otherwise: `… AS other`");
      return false;
    }
  return true;
}

// ---------------------------------------------------------------- rows
static char *trimmed(char *s) {
  while (*s == ' ' || *s == '\t') s++;
  size_t n = strlen(s);
  while (n && (s[n - 1] == ' ' || s[n - 1] == '\t')) s[--n] = 0;
  return s;
}

static char empty[1 + READ_AHEAD];

static char *no_text(Sql *s, int column, const char *what) {
  Table *t = &s->reader.table;
  diag_data(s->reader.diag, "not-text", t->path, s->row, 0, t->names[column], "the value is %s", what);
  s->reader.failed = true;
  return empty;
}

static char *shortest(Arena *a, double v) {
  Text t = {0};
  double back;
  for (int digits = 15; digits <= 17; digits++) {
    t.n = 0;
    print_number(&t, v, digits);
    if (parse_number(t.data, &back) && back == v) break;
  }
  char *s = arena_strdup(a, t.data);
  text_free(&t);
  return s;
}

static char *cell_of(Sql *s, int column) {
  int type = sqlite3_column_type(s->stmt, column);
  if (type == SQLITE_NULL) return empty;
  if (type == SQLITE_BLOB) return no_text(s, column, "a BLOB, which is neither a number nor a text");
  if (type == SQLITE_FLOAT) return shortest(s->cells, sqlite3_column_double(s->stmt, column));
  const char *text = (const char *)sqlite3_column_text(s->stmt, column);
  if (!text) return no_text(s, column, "too large for the memory");
  if (strlen(text) != (size_t)sqlite3_column_bytes(s->stmt, column)) return no_text(s, column, "a text with a NUL in it");
  char *copy = arena_strdup(s->cells, text);
  return s->trim ? trimmed(copy) : copy;
}

static void keep_row(Sql *s) {
  Table *t = &s->reader.table;
  if (t->n_rows == s->cap) {
    s->cap = s->cap ? 2 * s->cap : 256;
    t->cell = xrealloc(t->cell, sizeof *t->cell * ((size_t)s->cap * (size_t)t->width + 1));
    t->line = xrealloc(t->line, sizeof *t->line * (size_t)s->cap);
  }
  char **cell = t->cell + t->n_rows * t->width;
  for (int k = 0; k < t->width && !s->reader.failed; k++) cell[k] = cell_of(s, s->reader.want ? s->reader.want[k] : k);
  t->line[t->n_rows++] = 0;
}

static bool sql_next(Reader *r) {
  Sql *s = (Sql *)r;
  Table *t = &r->table;
  int code = SQLITE_ROW;
  t->first = s->row;
  t->width = r->want ? r->n_want : t->n_columns;
  t->n_rows = 0;
  arena_free(s->cells);
  s->cells = arena_new();
  while (!s->done && !r->failed && (!r->rows || t->n_rows < r->rows) && (code = sqlite3_step(s->stmt)) == SQLITE_ROW) {
    if (++s->row == INT32_MAX) {
      diag_data(r->diag, "too-many-rows", t->path, s->row, 0, NULL, "a source has at most %d rows here", INT32_MAX - 1);
      r->failed = true;
    }
    keep_row(s);
  }
  if (code != SQLITE_ROW) s->done = true;
  if (code != SQLITE_ROW && code != SQLITE_DONE) return sql_error(s);
  if (s->done && !s->row) {
    diag_data(r->diag, "no-rows", t->path, 0, 0, NULL, "there is no row in it");
    r->failed = true;
  }
  return t->n_rows > 0 && !r->failed;
}

// ---------------------------------------------------------------- the database
static void sql_close(Reader *r) {
  Sql *s = (Sql *)r;
  sqlite3_finalize(s->stmt);
  sqlite3_close(s->db);                                      // ends the transaction
  arena_free(s->cells);
  free(r->table.cell);
  free(r->table.line);
  arena_free(r->table.arena);
  free(s);
}

static bool open_database(Sql *s, const char *path) {
  enum { PATIENCE_MS = 5000 };
  if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) return sql_error(s);
  sqlite3_busy_timeout(s->db, PATIENCE_MS);                  // another program is writing
  return sqlite3_exec(s->db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK || sql_error(s);
}

Reader *sqlite_open(const char *path, const char *what, const DataSource *format, int64_t rows, Diag *d) {
  Sql *s = xcalloc(1, sizeof *s);
  Arena *a = arena_new();
  *s = (Sql){.trim = format->trim, .cells = arena_new()};
  s->reader = (Reader){.rows = rows, .next = sql_next, .close = sql_close, .diag = d, .table = {.arena = a}};
  s->reader.table.path = what ? arena_printf(a, "%s:%s", path, what) : arena_strdup(a, path);
  char *query = open_database(s, path) ? query_of(s, what) : NULL;
  if (query && prepare(s, query) && take_names(s)) return &s->reader;
  sql_close(&s->reader);
  return NULL;
}
#endif
