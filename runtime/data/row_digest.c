// row_digest.c: what the rows of a file are, whatever their order: a digest of 128 bits, the sum of the rows' digests. Of a text one pass over
// it as it stands (gzip by content): a row ends with a line end that no quoted field has (csv.c), so nothing is cut or copied. Of a
// database the cells of the table or query. Not for security: it tells what has become of a file.
#include <zlib.h>
#include "data_int.h"

enum { PIECE = 1 << 20, LONGEST = 1 << 28 };
typedef struct { const char *s; size_t n; } Line;
typedef struct { char delimiter; bool trim, at_end, cr_ends; } Form;   // cr_ends: lines end in CR alone

static bool blank(Form f, char c) { return (c == ' ' || c == '\t') && c != f.delimiter; }

// Behind the quoted field that opens at p; NULL: more text is needed.
static const char *behind_quoted(const char *p, const char *end) {
  for (p++; (p = memchr(p, '"', (size_t)(end - p))) != NULL; p++) {
    if (p + 1 < end && p[1] == '"') p++;
    else return p + 1;
  }
  return NULL;
}

// The line end of a row that has quotes; NULL: more text is needed.
static const char *quoted_row_end(Form f, const char *p, const char *end) {
  while (p < end) {
    while (f.trim && p < end && blank(f, *p)) p++;
    if (p < end && *p == '"' && !(p = behind_quoted(p, end))) return NULL;
    while (p < end && *p != f.delimiter && *p != '\n') p++;
    if (p < end && *p == '\n') return p;
    p += p < end;
  }
  return NULL;
}

// A row at s, or what is left of the text. false: more text is needed.
static bool next_line(Form f, const char *s, const char *end, Line *row, const char **behind) {
  const char *at = memchr(s, '\n', (size_t)(end - s));
  if (at && memchr(s, '"', (size_t)(at - s))) at = quoted_row_end(f, s, end);
  if (!at && !f.at_end) return false;
  *behind = at ? at + 1 : end;
  if (!at) at = end;
  if (at > s && at[-1] == '\r') at--;
  *row = (Line){s, (size_t)(at - s)};
  return true;
}

static bool is_blank_line(Form f, Line row) {
  for (size_t i = 0; i < row.n; i++)
    if (!blank(f, row.s[i]) && row.s[i] != '\r') return false;
  return true;
}

static uint64_t fold(uint64_t h, uint64_t word) {
  unsigned __int128 p = (unsigned __int128)(h ^ word) * 0x9E3779B97F4A7C15u;
  return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static void add_row(RowDigest *d, Line row) {
  uint64_t a = row.n ^ 0x632BE59BD9B4E019u, b = ~a, word;
  size_t i = 0;
  for (; i + 8 <= row.n; i += 8) {
    memcpy(&word, row.s + i, 8);
    a = fold(a, word), b = fold(b, word + 0xD6E8FEB86659FD93u);
  }
  word = 0;
  memcpy(&word, row.s + i, row.n - i);
  a = mix64(fold(a, word)), b = mix64(fold(b, word + 0xD6E8FEB86659FD93u));
  d->sum[0] += a, d->sum[1] += b;
  d->order = fold(d->order + 0x632BE59BD9B4E019u, a);
  d->rows++;
}

static void add_column(RowDigest *d, const char *s, const char *to, Arena *a) {
  bool quoted = to > s + 1 && *s == '"' && to[-1] == '"';
  char *name = arena_strndup(a, s + quoted, (size_t)(to - s) - 2 * quoted), *out = name;
  for (const char *p = name; *p; *out++ = *p++) p += quoted && p[0] == '"' && p[1] == '"';
  *out = 0;
  const char *kept = name;
  vec_push(a, &d->columns, kept);
}

static void add_header(RowDigest *d, Form f, Line row, Arena *a) {
  const char *p = row.s, *end = row.s + row.n;
  for (bool more = true; more; p++) {
    while (f.trim && p < end && blank(f, *p)) p++;
    const char *from = p, *to = p < end && *p == '"' ? behind_quoted(p, end) : p;
    for (p = to ? to : end; p < end && *p != f.delimiter;) p++;
    for (to = p; f.trim && to > from && blank(f, to[-1]);) to--;
    add_column(d, from, to, a);
    more = p < end;
  }
}

// All rows of what is there; what is left of a row moves to the start.
static void take_rows(RowDigest *d, Form f, bool *header, char *text, size_t *n, Arena *a) {
  const char *s = text, *end = text + *n, *behind;
  for (Line row; s < end && next_line(f, s, end, &row, &behind); s = behind) {
    if (is_blank_line(f, row)) continue;
    if (*header) add_header(d, f, row, a);
    else add_row(d, row);
    *header = false;
  }
  *n = (size_t)(end - s);
  memmove(text, s, *n);
}

static void cr_to_lf(char *s, size_t n) {
  for (char *p = s; (p = memchr(p, '\r', n - (size_t)(p - s))) != NULL;) *p++ = '\n';
}

// ---------------------------------------------------------------- of a database
static void add_cells(RowDigest *d, char *const *cell, int n, Text *row) {
  row->n = 0;
  for (int k = 0; k < n; k++) text_printf(row, "%zu:", strlen(cell[k])), text_add(row, cell[k]);
  add_row(d, (Line){row->data, row->n});
}

static bool cell_digest(const char *path, RowDigest *d, Arena *a) {
  enum { BLOCK = 4096 };
  Diag *quiet = diag_new(a, NULL);
  Reader *r = reader_open(path, &(DataSource){0}, BLOCK, quiet);
  Text row = {0};
  *d = (RowDigest){.database = true};
  if (!r) return false;
  for (int i = 0; i < r->table.n_columns; i++) {
    const char *name = arena_strdup(a, r->table.names[i]);
    vec_push(a, &d->columns, name);
  }
  while (r->next(r))
    for (int64_t i = 0; i < r->table.n_rows; i++) add_cells(d, r->table.cell + i * r->table.width, r->table.width, &row);
  bool fine = !diag_errors(quiet);
  r->close(r);
  text_free(&row);
  return fine;
}

// ---------------------------------------------------------------- of a text
static bool text_digest(const char *path, char delimiter, bool trim, bool header, RowDigest *d, Arena *a) {
  gzFile z = gzopen(path, "rb");
  Form f = {delimiter, trim, false, false};
  size_t n = 0, cap = 2 * PIECE;
  char *text = xmalloc(cap);
  bool fine = z != NULL, first = true;
  *d = (RowDigest){0};
  if (z) gzbuffer(z, 1 << 18);
  while (fine && !f.at_end) {
    if (cap - n < PIECE) text = xrealloc(text, cap *= 2);
    int got = gzread(z, text + n, PIECE);
    fine = got >= 0 && n < LONGEST && !(got > 0 && memchr(text + n, 0, (size_t)got));      // a NUL: a database, or no text at all
    if (!fine) break;
    f.at_end = got == 0;
    f.cr_ends = first ? memchr(text, '\r', (size_t)got) && !memchr(text, '\n', (size_t)got) : f.cr_ends;
    if (f.cr_ends) cr_to_lf(text + n, (size_t)got);
    n += (size_t)got;
    if (first && n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) memmove(text, text + 3, n -= 3);
    first = false;
    take_rows(d, f, &header, text, &n, a);
  }
  int code = Z_OK;
  if (z) gzerror(z, &code), gzclose(z);
  free(text);
  return fine && (code == Z_OK || code == Z_STREAM_END);
}

bool row_digest(const char *path, char delimiter, bool trim, bool header, RowDigest *d, Arena *a) {
  return reader_is_database(path) ? cell_digest(path, d, a) : text_digest(path, delimiter, trim, header, d, a);
}
