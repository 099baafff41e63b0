// csv.c: a CSV file (RFC 4180 and its relatives) → a table of cells. The whole text is read (gzip by content, through zlib),
// then cut in place in one pass: quotes, embedded delimiters and newlines, LF, CRLF, BOM, blank lines, a last line without
// an end. Errors carry the data row (from 1, header not counted) and the line of the file.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "data_int.h"

enum { MAX_REPORTED = 20 };

static char *read_text(const char *path, size_t *size, Diag *d) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) || S_ISDIR(st.st_mode)) {
    diag_data(d, "cannot-read", path, 0, 0, NULL, "cannot be read: %s", fd >= 0 && S_ISDIR(st.st_mode) ? "it is a folder" : strerror(errno));
    if (fd >= 0) close(fd);
    return NULL;
  }
  gzFile z = gzdopen(fd, "rb");                              // passes text that is not gzip through
  gzbuffer(z, 1 << 17);
  size_t cap = (size_t)st.st_size + 4096, n = 0;
  char *text = xmalloc(cap + 1);
  int r;
  while ((r = gzread(z, text + n, (unsigned)(cap - n < 1 << 30 ? cap - n : 1 << 30))) > 0) {
    n += (size_t)r;
    if (n == cap) text = xrealloc(text, (cap *= 2) + 1);
  }
  int code;
  const char *why = gzerror(z, &code);
  if (r < 0 || (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)) {
    diag_data(d, "cannot-read", path, 0, 0, NULL, "cannot be read: %s", code == Z_ERRNO ? strerror(errno) : why);
    gzclose(z);
    free(text);
    return NULL;
  }
  bool cut = code == Z_BUF_ERROR;
  gzclose(z);
  if (cut) {
    diag_data(d, "cannot-read", path, 0, 0, NULL, "the gzip file is cut off");
    free(text);
    return NULL;
  }
  text[n] = 0;
  *size = n;
  return text;
}

typedef struct {
  char *p, *end;
  char delimiter;
  bool trim;
  int64_t line;
  const char *path;
  Diag *d;
  int64_t row;                                               // data row, for messages
} Scan;

// A quoted field: p stands behind the opening quote. Undoubles quotes in place; false: it never closes.
static bool quoted_field(Scan *s, char **cell, char **cell_end) {
  int64_t opened = s->line;
  char *to = s->p;
  *cell = to;
  for (; s->p < s->end; s->p++) {
    if (*s->p == '"') {
      if (s->p + 1 < s->end && s->p[1] == '"') s->p++;
      else {
        s->p++;
        *cell_end = to;
        return true;
      }
    } else if (*s->p == '\n') s->line++;
    *to++ = *s->p;
  }
  diag_data(s->d, "open-quote", s->path, s->row, opened, NULL, "a quote opens here and never closes");
  return false;
}

// One field; leaves p behind its delimiter or line end. *last: the row ends here. false: an error that stops the file.
static bool field(Scan *s, char **cell, bool *last) {
  char *cell_end;
  char *start = s->p;
  if (s->trim)
    while (s->p < s->end && (*s->p == ' ' || (*s->p == '\t' && s->delimiter != '\t'))) s->p++;
  if (s->p < s->end && *s->p == '"') {
    s->p++;
    if (!quoted_field(s, cell, &cell_end)) return false;
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\r')) s->p++;
    if (s->p < s->end && *s->p != s->delimiter && *s->p != '\n') {
      diag_data(s->d, "after-quote", s->path, s->row, s->line, NULL, "text stands behind a closing quote");
      return false;
    }
  } else {
    *cell = s->trim ? s->p : start;
    while (s->p < s->end && *s->p != s->delimiter && *s->p != '\n') s->p++;
    cell_end = s->p;
    if (cell_end > *cell && cell_end[-1] == '\r' && (s->p == s->end || *s->p == '\n')) cell_end--;
    while (s->trim && cell_end > *cell && (cell_end[-1] == ' ' || cell_end[-1] == '\t')) cell_end--;
  }
  *last = s->p >= s->end || *s->p == '\n';
  if (s->p < s->end && *s->p == '\n') s->line++;
  if (s->p < s->end) s->p++;
  *cell_end = 0;
  return true;
}

static bool blank_line(Scan *s) {
  char *p = s->p;
  while (p < s->end && (*p == ' ' || *p == '\t' || *p == '\r')) p++;
  if (p < s->end && *p != '\n') return false;
  s->p = p < s->end ? p + 1 : p;
  s->line++;
  return true;
}

typedef VEC(char *) Cells;

static bool read_row(Scan *s, Arena *a, Cells *cells) {
  bool last = false;
  while (!last) {
    char *cell;
    if (!field(s, &cell, &last)) return false;
    vec_push(a, cells, cell);
  }
  return true;
}

static bool read_header(Scan *s, Table *t, const DataSource *format) {
  if (format->n_header) {
    t->n_columns = format->n_header;
    t->names = (const char **)format->header;
    return true;
  }
  while (s->p < s->end && blank_line(s)) continue;
  Cells names = {0};
  bool trim = s->trim;
  s->trim = true;
  if (s->p >= s->end) {
    diag_data(s->d, "empty-file", s->path, 0, 0, NULL, "the file is empty: not even a header");
    return false;
  }
  if (!read_row(s, t->arena, &names)) return false;
  s->trim = trim;
  t->n_columns = names.n;
  t->names = (const char **)names.data;
  for (int i = 0; i < names.n; i++)
    for (int j = 0; j < i; j++)
      if (!strcmp(names.data[i], names.data[j])) {
        diag_data(s->d, "twice-in-header", s->path, 0, 1, names.data[i], "the header names this column twice");
        return false;
      }
  return true;
}

static bool read_rows(Scan *s, Table *t) {
  VEC(int64_t) lines = {0};
  Cells cells = {0};
  int reported = 0;
  while (s->p < s->end) {
    if (blank_line(s)) continue;
    int64_t line = s->line;
    int before = cells.n;
    s->row = t->n_rows + 1;
    if (cells.n > INT32_MAX / 4 * 3) {
      diag_data(s->d, "too-large", s->path, s->row, line, NULL, "the file has too many cells for one table");
      return false;
    }
    if (!read_row(s, t->arena, &cells)) return false;
    int n = cells.n - before;
    if (n != t->n_columns) {
      if (reported++ < MAX_REPORTED)
        diag_data(s->d, "wrong-fields", s->path, s->row, line, NULL, "%d field%s, expected %d as the %s", n, n == 1 ? "" : "s", t->n_columns,
                  t->names == NULL ? "spec" : "header or the spec names");
      cells.n = before;
      for (int i = 0; i < t->n_columns; i++) vec_push(t->arena, &cells, s->end);
    }
    vec_push(t->arena, &lines, line);
    t->n_rows++;
  }
  t->cell = cells.data;
  t->line = lines.data;
  if (!t->n_rows) diag_data(s->d, "no-rows", s->path, 0, 0, NULL, "the file has no data row");
  return reported == 0 && t->n_rows > 0;
}

static bool ends_in(const char *s, const char *end) {
  size_t n = strlen(s), m = strlen(end);
  return n >= m && !strcmp(s + n - m, end);
}

Table *csv_read(const char *path, const DataSource *format, Diag *d) {
  size_t n = 0;
  char *text = read_text(path, &n, d);
  if (!text) return NULL;
  Table *t = xcalloc(1, sizeof *t);
  t->arena = arena_new();
  t->path = arena_strdup(t->arena, path);
  t->text = text;
  char delimiter = format->delimiter ? format->delimiter : ends_in(path, ".tsv") || ends_in(path, ".tsv.gz") ? '\t' : ',';
  Scan s = { .p = text, .end = text + n, .delimiter = delimiter, .trim = format->trim, .line = 1, .path = t->path, .d = d };
  if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) s.p += 3;
  bool ok = true;
  const char *nul = memchr(text, 0, n);
  if (nul) {
    diag_data(d, "not-text", path, 0, 0, NULL, "byte %lld is NUL: this is no text file", (long long)(nul - text));
    ok = false;
  }
  if (ok && read_header(&s, t, format) && read_rows(&s, t)) return t;
  table_free(t);
  return NULL;
}

void table_free(Table *t) {
  if (!t) return;
  free(t->text);
  arena_free(t->arena);
  free(t);
}
