// csv.c: a CSV file (RFC 4180 and its relatives) → a table of cells. The whole text is read (gzip by content, through zlib),
// then cut in place in one pass: quotes, embedded delimiters and newlines, LF, CRLF or CR, BOM, blank lines, a last line
// without an end. Errors carry the data row (from 1, header not counted) and the line of the file.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "data_int.h"

// ---------------------------------------------------------------- the text
static char *cannot_read(const char *path, Diag *d, const char *why) {
  diag_data(d, "cannot-read", path, 0, 0, NULL, "cannot be read: %s", why);
  return NULL;
}

// All of it, with a NUL behind; malloc'd. zlib passes what is not gzip through.
static char *inflate_all(gzFile z, size_t guess, const char *path, size_t *size, Diag *d) {
  enum { CHUNK = 1 << 30 };
  size_t cap = guess + 4096, n = 0;
  char *text = xmalloc(cap + 1);
  int got;
  while ((got = gzread(z, text + n, (unsigned)(cap - n < CHUNK ? cap - n : CHUNK))) > 0) {
    n += (size_t)got;
    if (n == cap) text = xrealloc(text, (cap *= 2) + 1);
  }
  int code;
  const char *why = gzerror(z, &code);
  if (got == 0 && code != Z_BUF_ERROR) {
    text[n] = 0;
    *size = n;
    return text;
  }
  free(text);
  return cannot_read(path, d, code == Z_ERRNO ? strerror(errno) : code == Z_BUF_ERROR ? "the gzip data are cut off" : why);
}

static char *read_text(const char *path, size_t *size, Diag *d) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return cannot_read(path, d, strerror(errno));
  bool known = fstat(fd, &st) == 0;
  gzFile z = known && !S_ISDIR(st.st_mode) ? gzdopen(fd, "rb") : NULL;
  if (!z) {
    close(fd);
    return cannot_read(path, d, known && S_ISDIR(st.st_mode) ? "it is a folder" : strerror(errno));
  }
  gzbuffer(z, 1 << 17);
  char *text = inflate_all(z, (size_t)st.st_size, path, size, d);
  gzclose(z);
  return text;
}

// Lines that end in CR alone (old Macintosh): only in a text without any LF.
static void mend_line_ends(char *text, size_t n) {
  if (memchr(text, '\n', n)) return;
  for (char *p = text; (p = memchr(p, '\r', n - (size_t)(p - text))) != NULL;) *p++ = '\n';
}

// ---------------------------------------------------------------- fields
typedef struct {
  char *p, *end;               // what is left; *end is NUL
  char delimiter;
  bool trim;
  int64_t line, row;           // of the file; of the data
  const char *path;
  Diag *d;
} Scan;

static bool is_blank(const Scan *s, char c) { return (c == ' ' || c == '\t') && c != s->delimiter; }

// A quoted field: p stands behind the opening quote. Undoubles quotes in place; false: it never closes.
static bool quoted_field(Scan *s, char **cell, char **cell_end) {
  int64_t opened = s->line;
  char *to = *cell = s->p;
  for (; s->p < s->end; s->p++) {
    if (*s->p == '"' && *++s->p != '"') {                    // *end is NUL
      *cell_end = to;
      return true;
    }
    s->line += *s->p == '\n';
    *to++ = *s->p;
  }
  diag_data(s->d, "open-quote", s->path, s->row, opened, NULL, "a quote opens here and never closes");
  return false;
}

static bool after_quote(Scan *s) {
  while (is_blank(s, *s->p) || (*s->p == '\r' && (s->p + 1 == s->end || s->p[1] == '\n'))) s->p++;
  if (s->p >= s->end || *s->p == s->delimiter || *s->p == '\n') return true;
  diag_data(s->d, "after-quote", s->path, s->row, s->line, NULL, "text stands behind a closing quote");
  diag_help(s->d, "a quote within a quoted field is written twice: `\"\"`");
  return false;
}

static void bare_field(Scan *s, char **cell, char **cell_end) {
  *cell = s->p;
  while (s->p < s->end && *s->p != s->delimiter && *s->p != '\n') s->p++;
  char *e = s->p;
  if (e > *cell && e[-1] == '\r' && (s->p == s->end || *s->p == '\n')) e--;
  while (s->trim && e > *cell && is_blank(s, e[-1])) e--;
  *cell_end = e;
}

// One field; leaves p behind its delimiter or line end. *last: the row ends here. false: an error that stops the file.
static bool field(Scan *s, char **cell, bool *last) {
  char *cell_end;
  while (s->trim && is_blank(s, *s->p)) s->p++;
  if (*s->p == '"') {
    s->p++;
    if (!quoted_field(s, cell, &cell_end) || !after_quote(s)) return false;
  } else {
    bare_field(s, cell, &cell_end);
  }
  *last = s->p >= s->end || *s->p == '\n';
  s->line += *s->p == '\n';
  if (s->p < s->end) s->p++;
  *cell_end = 0;
  return true;
}

static bool skip_blank_line(Scan *s) {
  char *p = s->p;
  while (is_blank(s, *p) || *p == '\r') p++;
  if (p < s->end && *p != '\n') return false;
  s->line += p < s->end;
  s->p = p < s->end ? p + 1 : p;
  return true;
}

// ---------------------------------------------------------------- rows
typedef struct { char **data; int64_t n, cap; } Cells;       // malloc'd

static void push(Cells *c, char *cell) {
  if (c->n == c->cap) c->data = xrealloc(c->data, sizeof *c->data * (size_t)(c->cap = c->cap ? 2 * c->cap : 256));
  c->data[c->n++] = cell;
}

static bool read_row(Scan *s, Cells *cells) {
  bool last = false;
  while (!last) {
    char *cell;
    if (!field(s, &cell, &last)) return false;
    push(cells, cell);
  }
  return true;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

// Two columns of one name are an error; nameless ones (a spreadsheet's empty last columns) cannot be meant anyway.
static bool names_differ(const Scan *s, const Table *t, int64_t line) {
  const char **sorted = xmalloc(sizeof *sorted * (size_t)t->n_columns);
  memcpy(sorted, t->names, sizeof *sorted * (size_t)t->n_columns);
  qsort(sorted, (size_t)t->n_columns, sizeof *sorted, by_name);
  int before = diag_errors(s->d);
  for (int i = 1; i < t->n_columns; i++)
    if (*sorted[i] && strcmp(sorted[i - 1], sorted[i]) == 0 && (i < 2 || strcmp(sorted[i - 2], sorted[i]) != 0))
      diag_data(s->d, "duplicate-column", s->path, 0, line, sorted[i], "the header names this column twice");
  free(sorted);
  return diag_errors(s->d) == before;
}

static bool read_header(Scan *s, Table *t, const DataSource *format) {
  while (s->p < s->end && skip_blank_line(s)) continue;
  if (s->p >= s->end) {
    diag_data(s->d, "empty-file", s->path, 0, 0, NULL, "the file is empty");
    return false;
  }
  if (format->n_header) {
    t->n_columns = format->n_header;
    t->names = (const char **)format->header;
    return true;
  }
  Scan header = *s;
  header.trim = true;
  Cells names = {0};
  int64_t line = s->line;
  bool ok = read_row(&header, &names) && names.n <= INT32_MAX;
  s->p = header.p;
  s->line = header.line;
  t->n_columns = (int)names.n;
  t->names = NEW_ARRAY(t->arena, const char *, names.n + 1);
  for (int64_t i = 0; i < names.n && ok; i++) t->names[i] = names.data[i];
  free(names.data);
  return ok && names_differ(s, t, line);
}

static void wrong_fields(const Scan *s, const Table *t, const DataSource *format, int64_t n, int64_t line, int64_t count) {
  if (count > MAX_DATA_ERRORS) return;
  diag_data(s->d, "wrong-fields", s->path, s->row, line, NULL, "%lld field%s, but %s %d column%s", (long long)n,
            n == 1 ? "" : "s", format->n_header ? "the spec lists" : "the header names", t->n_columns,
            t->n_columns == 1 ? "" : "s");
  if (count == 1 && n == 1 && t->n_columns > 1)
    diag_help(s->d, "is the delimiter another one? It is `%c` here; a source may say `delimiter = \"…\"`", s->delimiter);
}

// Fills t->cell and t->line. false: errors.
static bool read_rows(Scan *s, Table *t, const DataSource *format) {
  Cells cells = {0};
  int64_t cap = 0, wrong = 0;
  bool ok = true;
  while (ok && s->p < s->end) {
    if (skip_blank_line(s)) continue;
    int64_t line = s->line, before = cells.n;
    s->row = t->n_rows + 1;
    ok = read_row(s, &cells);
    if (ok && cells.n - before != t->n_columns) {
      wrong_fields(s, t, format, cells.n - before, line, ++wrong);
      cells.n = before;                                      // no cell of it is looked at
    }
    if (t->n_rows == cap) t->line = xrealloc(t->line, sizeof *t->line * (size_t)(cap = cap ? 2 * cap : 256));
    t->line[t->n_rows++] = line;
    if (t->n_rows == INT32_MAX) {
      diag_data(s->d, "too-many-rows", s->path, s->row, line, NULL, "a file has at most %d rows here", INT32_MAX - 1);
      ok = false;
    }
  }
  t->cell = cells.data;
  if (wrong > MAX_DATA_ERRORS)
    diag_data(s->d, "more-errors", s->path, 0, 0, NULL, "and %lld more rows with a wrong number of fields",
              (long long)(wrong - MAX_DATA_ERRORS));
  if (ok && !t->n_rows) diag_data(s->d, "no-rows", s->path, 0, 0, NULL, "the file has a header, but no row below it");
  return ok && !wrong && t->n_rows > 0;
}

// ---------------------------------------------------------------- the file
static bool ends_in(const char *s, const char *end) {
  size_t n = strlen(s), m = strlen(end);
  return n >= m && !strcmp(s + n - m, end);
}

char csv_delimiter(const char *path, const DataSource *format) {
  if (format->delimiter) return format->delimiter;
  return ends_in(path, ".tsv") || ends_in(path, ".tsv.gz") ? '\t' : ',';
}

static bool is_text(const char *text, size_t n, const char *path, Diag *d) {
  bool utf16 = n >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2));
  const char *nul = memchr(text, 0, n);
  if (!utf16 && !nul) return true;
  if (utf16) diag_data(d, "not-text", path, 0, 0, NULL, "the file is in UTF-16, but must be in UTF-8");
  else diag_data(d, "not-text", path, 0, 0, NULL, "byte %lld is NUL: this is no text file", (long long)(nul - text) + 1);
  return false;
}

Table *csv_read(const char *path, const DataSource *format, Diag *d) {
  size_t n = 0;
  char *text = read_text(path, &n, d);
  if (!text) return NULL;
  Table *t = xcalloc(1, sizeof *t);
  t->arena = arena_new();
  t->path = arena_strdup(t->arena, path);
  t->text = text;
  Scan s = {.p = text, .end = text + n, .delimiter = csv_delimiter(path, format), .trim = format->trim, .line = 1,
            .path = t->path, .d = d};
  if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) s.p += 3;
  mend_line_ends(text, n);
  if (is_text(text, n, path, d) && read_header(&s, t, format) && read_rows(&s, t, format)) return t;
  table_free(t);
  return NULL;
}

void table_free(Table *t) {
  if (!t) return;
  free(t->text);
  free(t->cell);
  free(t->line);
  arena_free(t->arena);
  free(t);
}
