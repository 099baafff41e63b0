// row_changes.c: the rows of a data file in run.json, and what of them a changed file has otherwise: columns, rows, their order, values. A
// database is its rows: its bytes have other tables, too, and free pages.
#include <inttypes.h>
#include "registry.h"

json_t *rows_json(Arena *a, const char *path, const DataSource *s) {
  RowDigest d;
  char delimiter[2] = {csv_delimiter(path, s)}, sum[33], order[17];
  if (!row_digest(path, *delimiter, s->trim, s->n_header == 0, &d, a)) return NULL;
  snprintf(sum, sizeof sum, "%016" PRIx64 "%016" PRIx64, d.sum[0], d.sum[1]);
  snprintf(order, sizeof order, "%016" PRIx64, d.order);
  json_t *columns = json_array();
  for (int i = 0; i < d.columns.n; i++)
    json_array_append_new(columns, json_string(d.columns.data[i]));
  if (d.database)
    return json_pack("{s:I, s:s, s:s, s:o, s:b}", "n", (json_int_t)d.rows, "digest", sum, "order", order, "columns", columns, "database", true);
  return json_pack("{s:I, s:s, s:s, s:o, s:s, s:b, s:b}", "n", (json_int_t)d.rows, "digest", sum, "order", order, "columns", columns, "delimiter",
                   delimiter, "trim", s->trim, "header", s->n_header == 0);
}

static const char *text_of(const json_t *j, const char *key) {
  const char *s = json_string_value(json_object_get(j, key));
  return s ? s : "";
}

static bool has_column(const json_t *columns, const char *name) {
  for (size_t i = 0; i < json_array_size(columns); i++)
    if (json_is_string(json_array_get(columns, i)) && !strcmp(json_string_value(json_array_get(columns, i)), name)) return true;
  return false;
}

// Those of x that y has not, the first few by name; their number.
static size_t columns_beyond(const json_t *x, const json_t *y, const char *what, Text *out) {
  enum { SHOWN = 5 };
  size_t n = 0;
  for (size_t i = 0; i < json_array_size(x); i++) {
    const char *name = json_string_value(json_array_get(x, i));
    if (!name || has_column(y, name)) continue;
    if (n < SHOWN) text_printf(out, "%s `%s`", n ? "," : what, name);
    n++;
  }
  if (n > SHOWN) text_printf(out, " and %zu more", n - SHOWN);
  return n;
}

static bool say_columns(const json_t *was, const json_t *now, Text *out) {
  if (json_equal(was, now)) return false;
  size_t n = columns_beyond(now, was, "; new columns", out) + columns_beyond(was, now, "; gone are the columns", out);
  if (!n) text_add(out, json_array_size(was) == json_array_size(now) ? "; its columns in another order" : "; other columns");
  return true;
}

static void say_count(long long was, long long now, Text *out) {
  long long d = now > was ? now - was : was - now;
  text_printf(out, "; %lld row%s %s: %lld, and had %lld", d, d == 1 ? "" : "s", now > was ? "more" : "fewer", now, was);
}

bool rows_of_database(const json_t *rows) { return json_is_true(json_object_get(rows, "database")); }

// The rows of the file, read as they were then; NULL: they cannot be told.
static json_t *rows_now(Arena *a, const char *path, const json_t *was) {
  bool text = json_is_object(was) && strlen(text_of(was, "delimiter")) == 1;
  DataSource form = {.delimiter = text_of(was, "delimiter")[0], .trim = json_is_true(json_object_get(was, "trim")),
                     .n_header = text && !json_is_true(json_object_get(was, "header"))};
  return text || rows_of_database(was) ? rows_json(a, path, &form) : NULL;
}

bool rows_are_same(Arena *a, const char *path, const json_t *was) {
  json_t *now = rows_now(a, path, was);
  bool same = json_equal(was, now);
  json_decref(now);
  return same;
}

const char *row_changes(Arena *a, const char *path, const json_t *was) {
  json_t *now = rows_now(a, path, was);
  if (!now) return "";
  long long before = (long long)json_integer_value(json_object_get(was, "n")), after = (long long)json_integer_value(json_object_get(now, "n"));
  Text t = {0};
  text_add(&t, "");
  bool columns = say_columns(json_object_get(was, "columns"), json_object_get(now, "columns"), &t);
  if (before != after) say_count(before, after, &t);
  else if (columns) text_printf(&t, "; %lld rows, as before", after);
  else if (strcmp(text_of(was, "digest"), text_of(now, "digest"))) text_printf(&t, "; %lld rows, as before, with other values", after);
  else if (strcmp(text_of(was, "order"), text_of(now, "order"))) text_printf(&t, "; the same %lld rows in another order", after);
  else text_printf(&t, "; the same %lld rows, written otherwise: line ends, blank lines or compression", after);
  const char *s = arena_strdup(a, t.data);
  text_free(&t);
  json_decref(now);
  return s;
}
