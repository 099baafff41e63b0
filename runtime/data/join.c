// join.c: sources joined to the rows of the first, many to one. A joined source is read whole into memory, of its columns
// those that the spec reads; its keys become numbers (distinct.c), and each row of the first source finds its row there by
// the text of its `match` columns, which may themselves stand in a source joined before.
#include "data_int.h"

// ---------------------------------------------------------------- keys
typedef const char *CellFn(const Raw *r, int64_t row, int column, bool *missing);

// One text for the cells of a key: of one column the cell itself, of several their lengths and texts. NULL: one is missing.
static const char *key_of(const Raw *r, Text *room, int n, CellFn *cell, int64_t row,
                          const int *column) {
  room->n = 0;
  for (int k = 0; k < n; k++) {
    bool missing;
    const char *s = cell(r, row, column[k], &missing);
    if (missing) return NULL;
    if (n == 1) return s;
    text_printf(room, "%zu:", strlen(s));
    text_add(room, s);
  }
  return room->data;
}

// The cell of a joined source's own row.
static const char *own_cell(const Raw *r, int64_t row, int column, bool *missing) {
  int source = r->plan->columns[column].source;
  const Table *t = r->joined[source].table;
  const char *s = t->cell[row * t->width + r->column[column]];
  *missing = is_missing(&r->plan->sources[source], s);
  return s;
}

// A key as a person writes it: `7`, or `de`, `7`.
static const char *key_text(Raw *r, int n, CellFn *cell, int64_t row, const int *column) {
  Text t = {0};
  for (int k = 0; k < n; k++) {
    bool missing;
    text_printf(&t, "%s`%s`", k ? ", " : "", shown(r, cell(r, row, column[k], &missing)));
  }
  char *s = arena_strdup(r->arena, t.data);
  text_free(&t);
  return s;
}

static void repeated_key(Raw *r, int source, int64_t row, int64_t before) {
  const DataSource *s = &r->plan->sources[source];
  const Table *t = r->joined[source].table;
  r->errors++;
  if (r->reports == MAX_DATA_ERRORS) return;
  r->reports++;
  r->shown++;
  diag_data(r->diag, "repeated-key", t->path, row + 1, t->line[row], r->plan->columns[s->key[0]].name,
            "the key %s of `%s` stands in row %lld already%s", key_text(r, s->n_key, own_cell, row, s->key), s->name,
            (long long)before + 1,
            t->line[before] ? arena_printf(r->arena, " (line %lld)", (long long)t->line[before]) : "");
  if (!r->joined[source].repeated) diag_help(r->diag, "say in the spec what to do: `repeated =` first or last");
}

static void index_keys(Raw *r, int source) {
  const DataSource *s = &r->plan->sources[source];
  Joined *j = &r->joined[source];
  Text room = {0};
  RowSet seen = {0};
  distinct_init(&j->keys, r->arena, 0);
  if (s->n_key > 1) j->keys.copies = r->arena;
  j->row_of = xmalloc(sizeof *j->row_of * (size_t)j->table->n_rows);
  for (int64_t row = 0; row < j->table->n_rows; row++) {
    const char *key = key_of(r, &room, s->n_key, own_cell, row, s->key);
    if (is_duplicate(r, source, j->table, row, &seen)) {
      j->duplicates++;
      continue;
    }
    if (!key) {
      j->keyless++;
      continue;
    }
    int64_t before = j->keys.n;
    int32_t code = distinct_add(&j->keys, key);
    if (code < before) {
      if (s->repeated == REPEATED_ERROR) repeated_key(r, source, row, j->row_of[code]);
      j->repeated++;
      if (s->repeated != REPEATED_LAST) continue;
    }
    j->row_of[code] = (int32_t)row;
  }
  free(seen.slot);
  text_free(&room);
}

// ---------------------------------------------------------------- the files
static bool is_needed(const Raw *r, int source) {
  for (int c = 0; c < r->plan->n_columns; c++)
    if (r->needed[c] && r->plan->columns[c].source == source) return true;
  return false;
}

static void read_joined(Raw *r, int source, const char *path) {
  const DataSource *s = &r->plan->sources[source];
  Joined *j = &r->joined[source];
  if (!path) {
    diag_data(r->diag, "no-file", r->table->path, 0, 0, NULL, "the source `%s` is joined to these rows, and has no file",
              s->name);
    diag_help(r->diag, "name it: --data %s=FILE", s->name);
    r->failed = true;
    return;
  }
  Reader *f = reader_open(path, s, 0, r->diag);
  int64_t errors = r->errors;
  if (f) raw_columns(r, source, f);
  if (f && r->errors == errors) j->table = reader_table(f);
  else if (f) f->close(f);
  if (!j->table) r->failed |= r->errors == errors;
  else index_keys(r, source);
}

void join_open(Raw *r, const char *const *files) {
  for (int c = 0; c < r->plan->n_columns; c++) r->column[c] = -1;
  for (int i = 0; i < r->plan->n_sources - 1; i++) {
    int source = r->plan->join_order[i];
    if (is_needed(r, source)) read_joined(r, source, files[source]);
  }
}

void join_free(Raw *r) {
  for (int i = 0; r->joined && i < r->plan->n_sources; i++) {
    Joined *j = &r->joined[i];
    free(j->row_of);
    if (j->table) distinct_free(&j->keys);
    distinct_free(&j->lost);
    table_free(j->table);
  }
}

// ---------------------------------------------------------------- rows
// Told at the end of the file: each key once, with its first row.
static void lost_key(Raw *r, int source, int64_t row, bool is_empty) {
  const DataSource *s = &r->plan->sources[source];
  Joined *j = &r->joined[source];
  const char *key = is_empty ? "" : key_text(r, s->n_key, row_cell, row, s->match);
  if (!j->lost.slot) {
    distinct_init(&j->lost, r->arena, 0);
    j->lost.copies = r->arena;
  }
  int32_t code = distinct_add(&j->lost, key);
  if (code == j->lost_rows.n) vec_push(r->arena, &j->lost_rows, ((LostKey){row, 0}));
  j->lost_rows.data[code].count++;
}

static void report_source(Raw *r, int source) {
  const DataSource *s = &r->plan->sources[source];
  const Joined *j = &r->joined[source];
  for (int64_t k = 0; k < j->lost.n; k++) {
    const char *key = j->lost.value[k];
    LostKey at = j->lost_rows.data[k];
    const char *more = at.count > 1 ? arena_printf(r->arena, " (%lld rows)", (long long)at.count) : "";
    const char *what = *key ? arena_printf(r->arena, "`%s` has no row with the key %s", s->name, key)
                            : arena_printf(r->arena, "the key of `%s` is missing", s->name);
    bool told = cell_error(r, at.row, at.count, "missing-key", s->match[0], NULL, "%s%s", what, more);
    if (told && k == 0) {
      diag_help(r->diag, "its rows are those of %s", j->table->path);
      diag_help(r->diag, "say in the spec what to do: `absent =` missing or drop");
    }
  }
}

void join_report(Raw *r) {
  for (int i = 1; i < r->plan->n_sources; i++)
    if (r->joined[i].lost.n) report_source(r, i);
}

// Is there nothing to match with, since a source before this one had no row? Then all of this one is missing, too.
static bool is_behind(const Raw *r, int64_t row, const DataSource *s) {
  for (int k = 0; k < s->n_key; k++) {
    int before = r->plan->columns[s->match[k]].source;
    if (before && r->joined[before].match[row] < 0) return true;
  }
  return false;
}

static void match_rows(Raw *r, int source) {
  const DataSource *s = &r->plan->sources[source];
  Joined *j = &r->joined[source];
  Text room = {0};
  for (int64_t row = r->from; row < r->n; row++) {
    j->match[row] = -1;
    if (r->gone[row] || is_behind(r, row, s)) continue;
    const char *key = key_of(r, &room, s->n_key, row_cell, row, s->match);
    int32_t code = key ? distinct_find(&j->keys, key) : -1;
    if (code >= 0) {
      j->match[row] = j->row_of[code];
      continue;
    }
    j->absent++;
    if (s->absent != ABSENT_MISSING) r->gone[row] = GONE_ABSENT;
    if (s->absent == ABSENT_ERROR) lost_key(r, source, row, !key);
  }
  text_free(&room);
}

void join_rows(Raw *r) {
  for (int i = 0; i < r->plan->n_sources - 1; i++) {
    int source = r->plan->join_order[i];
    if (r->joined[source].table) match_rows(r, source);
  }
}
