// csv.c: a CSV file (RFC 4180 and its relatives) as blocks of cells. The text comes piece by piece (gzip by content, through
// zlib); scan.c marks the bytes that can end a field; a row is first found whole, from mark to mark, then cut in place: quotes, embedded
// delimiters and newlines, LF, CRLF or CR, BOM, blank lines, a last line without an end. Errors carry the data row (from 1, header not
// counted) and the line.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "data_int.h"

enum { PIECE = 1 << 18, LONGEST_ROW = 1 << 28, AHEAD = 64 };
typedef struct { char *at, *to; bool doubled; } Field;       // doubled: it has quotes that are written twice
typedef struct {
  Reader reader;
  const DataSource *format;
  int fd; gzFile z;            // z NULL: a plain file
  char *text; size_t cap;      // NUL behind what was read of it, and room for what reads ahead
  uint64_t *mark;              // of the text: scan_marks; one at its end
  char *p, *end;               // what is left of it
  int64_t before, size;        // bytes of the file before `text`; of all of it, 0: unknown
  bool at_end;                 // the file has no more
  bool cr_ends;                // lines end in CR alone (old Macintosh): in a text without any LF
  char delimiter; bool trim;
  int64_t line, row;           // of the file; of the data
  Field *field; int64_t n, field_cap;      // of the row at hand
  char **start;                // [n_columns + 1]: of a plain row, where its fields begin; behind the last, the end of the row
  int64_t cell_cap, wrong;
} Csv;

// ---------------------------------------------------------------- the text
static bool stop_here(Csv *s) {
  s->reader.failed = true;
  return false;
}

static bool cannot_read(Csv *s, const char *why) {
  diag_data(s->reader.diag, "cannot-read", s->reader.table.path, 0, 0, NULL, "cannot be read: %s", why);
  return stop_here(s);
}

static bool open_text(Csv *s) {
  struct stat st;
  unsigned char magic[2];
  s->fd = open(s->reader.table.path, O_RDONLY | O_CLOEXEC);
  if (s->fd < 0 || fstat(s->fd, &st)) return cannot_read(s, strerror(errno));
  if (S_ISDIR(st.st_mode)) return cannot_read(s, "it is a folder");
  bool plain = S_ISREG(st.st_mode) && !(pread(s->fd, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b);
  s->size = plain ? (int64_t)st.st_size : 0;
  if (plain) return true;
  s->z = gzdopen(s->fd, "rb");                               // passes what is not gzip through
  if (!s->z) return cannot_read(s, strerror(errno));
  gzbuffer(s->z, 1 << 17);
  return true;
}

static ssize_t read_some(Csv *s, char *to, size_t n) {
  enum { MOST = 1 << 30 };
  ssize_t got;
  if (n > MOST) n = MOST;
  if (s->z) return gzread(s->z, to, (unsigned)n);
  while ((got = read(s->fd, to, n)) < 0 && errno == EINTR) continue;
  return got;
}

static bool read_error(Csv *s) {
  int code = Z_ERRNO;
  const char *why = s->z ? gzerror(s->z, &code) : "";
  return cannot_read(s, code == Z_ERRNO ? strerror(errno) : code == Z_BUF_ERROR ? "the gzip data are cut off" : why);
}

static bool is_text(Csv *s, const char *text, size_t n) {
  bool utf16 = s->before == 0 && text == s->text && n >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2));
  const char *nul = memchr(text, 0, n);
  if (!utf16 && !nul) return true;
  long long at = s->before + (nul - s->text) + 1;
  const char *path = s->reader.table.path;
  if (utf16) diag_data(s->reader.diag, "not-text", path, 0, 0, NULL, "the file is in UTF-16, but must be in UTF-8");
  else diag_data(s->reader.diag, "not-text", path, 0, 0, NULL, "byte %lld is NUL: this is no text file", at);
  return stop_here(s);
}

static void mend_line_ends(char *text, size_t n) {
  for (char *p = text; (p = memchr(p, '\r', n - (size_t)(p - text))) != NULL;) *p++ = '\n';
}

static void mark_text(Csv *s) {
  size_t n = (size_t)(s->end - s->text);
  memset(s->end, 0, AHEAD);
  scan_marks(s->text, n, s->delimiter, s->mark);
  if (n % 64 == 0) s->mark[n / 64] = 0;
  s->mark[n / 64] |= (uint64_t)1 << n % 64;
}

// More text behind what is left, which moves to the start of its memory. false: failed.
static bool more_text(Csv *s) {
  size_t left = (size_t)(s->end - s->p);
  s->before += s->p - s->text;
  if (left && s->p != s->text) memmove(s->text, s->p, left);
  if (left > LONGEST_ROW && s->reader.rows) {
    diag_data(s->reader.diag, "long-row", s->reader.table.path, s->row + 1, s->line, NULL,
              "a row is longer than %d MiB: does a quote open here that never closes?", LONGEST_ROW >> 20);
    return stop_here(s);
  }
  if (s->cap - left < PIECE) {
    s->cap = 2 * s->cap + PIECE;
    s->text = xrealloc(s->text, s->cap + AHEAD);
    s->mark = xrealloc(s->mark, sizeof *s->mark * (s->cap / 64 + 1));
  }
  size_t n = left;
  ssize_t got = 1;
  while (n < s->cap && (got = read_some(s, s->text + n, s->cap - n)) > 0) n += (size_t)got;
  if (got < 0) return read_error(s);
  s->at_end = got == 0;
  if (s->at_end && s->z) {                                   // a stream that is cut off ends like a whole one
    int code;
    gzerror(s->z, &code);
    if (code == Z_BUF_ERROR) return read_error(s);
  }
  s->p = s->text;
  s->end = s->text + n;
  if (!is_text(s, s->text + left, n - left)) return false;
  if (s->cr_ends) mend_line_ends(s->text + left, n - left);
  mark_text(s);
  return true;
}

static bool whole_text(Csv *s) {
  while (!s->at_end)
    if (!more_text(s)) return false;
  return true;
}

static bool first_text(Csv *s) {
  if (!more_text(s)) return false;
  size_t n = (size_t)(s->end - s->text);
  if (n >= 3 && !memcmp(s->text, "\xef\xbb\xbf", 3)) s->p += 3;
  if (s->reader.rows == 0 && !whole_text(s)) return false;
  s->cr_ends = memchr(s->text, '\r', n) && !memchr(s->text, '\n', n);
  if (s->cr_ends) {
    mend_line_ends(s->text, (size_t)(s->end - s->text));
    mark_text(s);
  }
  return true;
}

// ---------------------------------------------------------------- fields
// What comes next is there whole; or more text is needed to tell, and p stands where it stood; or an error stops the file.
typedef enum { WHOLE, CUT_OFF, FAILED } Step;

static bool is_blank(const Csv *s, char c) { return (c == ' ' || c == '\t') && c != s->delimiter; }
static bool cut_off(const Csv *s, const char *p) { return p >= s->end && !s->at_end; }

typedef struct { const uint64_t *word; uint64_t bits; char *base; } Marks;   // bits: those of 64 bytes from base on that are still to come

static Marks marks_from(const Csv *s, const char *p) {
  size_t i = (size_t)(p - s->text);
  return (Marks){s->mark + i / 64, s->mark[i / 64] & ~(uint64_t)0 << i % 64, s->text + i / 64 * 64};
}

// There is one at the end of the text.
static char *next_mark(Marks *m) {
  for (; !m->bits; m->base += 64) m->bits = *++m->word;
  char *p = m->base + __builtin_ctzll(m->bits);
  m->bits &= m->bits - 1;
  return p;
}

static Step wrong_quote(Csv *s, const char *code, int64_t line, const char *what) {
  diag_data(s->reader.diag, code, s->reader.table.path, s->row, line, NULL, "%s", what);
  return FAILED;
}

// Behind a closing quote: blanks, then the end of the field, which *end becomes.
static Step after_quote(Csv *s, char *p, Marks *m, char **end) {
  while (is_blank(s, *p) || (*p == '\r' && (p[1] == '\n' || p + 1 == s->end))) p++;
  if (cut_off(s, p)) return CUT_OFF;
  *end = next_mark(m);
  if (p == *end && *p != '"') return WHOLE;
  wrong_quote(s, "after-quote", s->line, "text stands behind a closing quote");
  diag_help(s->reader.diag, "a quote within a quoted field is written twice: `\"\"`");
  return FAILED;
}

// The mark at the opening quote has been taken.
static Step quoted_field(Csv *s, Field *f, Marks *m, char **end) {
  int64_t opened = s->line;
  for (;;) {
    char *p = next_mark(m);
    if (p == s->end) return s->at_end ? wrong_quote(s, "open-quote", opened, "a quote opens here and never closes") : CUT_OFF;
    s->line += *p == '\n';
    if (*p != '"') continue;
    if (cut_off(s, p + 1)) return CUT_OFF;
    f->to = p;
    if (p[1] != '"') return after_quote(s, p + 1, m, end);
    next_mark(m);
    f->doubled = true;
  }
}

// From p, the mark at its end, back over what does not belong to it.
static char *bare_end(const Csv *s, const Field *f, char *p) {
  if (p > f->at && p[-1] == '\r' && *p != s->delimiter) p--;
  while (s->trim && p > f->at && is_blank(s, p[-1])) p--;
  return p;
}

static Field *new_field(Csv *s) {
  if (s->n == s->field_cap)
    s->field = xrealloc(s->field, sizeof *s->field * (size_t)(s->field_cap = s->field_cap ? 2 * s->field_cap : 64));
  Field *f = &s->field[s->n++];
  f->doubled = false;
  return f;
}

static Step read_fields(Csv *s) {
  Marks m = marks_from(s, s->p);
  s->n = 0;
  for (char *p = s->p, *end;; p = end + 1) {
    Field *f = new_field(s);
    while (s->trim && is_blank(s, *p)) p++;
    f->at = p;
    end = next_mark(&m);
    if (end == p && *p == '"') {
      f->at++;
      Step step = quoted_field(s, f, &m, &end);
      if (step != WHOLE) return step;
    } else {
      while (*end == '"') end = next_mark(&m);               // a quote within a bare field
      f->to = bare_end(s, f, end);
    }
    if (*end == s->delimiter) continue;
    if (cut_off(s, end)) return CUT_OFF;
    s->line += *end == '\n';
    s->p = end < s->end ? end + 1 : end;
    return WHOLE;
  }
}

// Fields as they stand in the text become texts: quotes undoubled, NUL behind. The delimiter there has been read.
static char *cut(Field *f) {
  if (f->doubled) {
    char *to = f->at;
    for (const char *p = f->at; p < f->to; *to++ = *p++) p += *p == '"';
    f->to = to;
  }
  *f->to = 0;
  return f->at;
}

static Step blank_line(Csv *s, bool *is) {
  char *p = s->p;
  while (is_blank(s, *p) || *p == '\r') p++;
  if (p >= s->end && !s->at_end) return CUT_OFF;
  *is = p >= s->end || *p == '\n';
  if (!*is) return WHOLE;
  s->line += p < s->end;
  s->p = p < s->end ? p + 1 : p;
  return WHOLE;
}

// The next row, blank lines skipped. *there false: the file has no more.
static Step next_row(Csv *s, bool *there, int64_t *line) {
  for (;;) {
    bool blank = false;
    *there = s->p < s->end;
    if (!*there) return s->at_end ? WHOLE : CUT_OFF;
    if (blank_line(s, &blank) == CUT_OFF) return CUT_OFF;
    if (!blank) break;
  }
  char *start = s->p;
  *line = s->line;
  Step step = read_fields(s);
  if (step == CUT_OFF) {
    s->p = start;
    s->line = *line;
  }
  return step;
}

// ---------------------------------------------------------------- the header
static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

// Two columns of one name are an error; nameless ones (a spreadsheet's empty last columns) cannot be meant anyway.
static bool names_differ(const Csv *s, int64_t line) {
  const Table *t = &s->reader.table;
  const char **sorted = xmalloc(sizeof *sorted * (size_t)t->n_columns);
  memcpy(sorted, t->names, sizeof *sorted * (size_t)t->n_columns);
  qsort(sorted, (size_t)t->n_columns, sizeof *sorted, by_name);
  int before = diag_errors(s->reader.diag);
  for (int i = 1; i < t->n_columns; i++)
    if (*sorted[i] && strcmp(sorted[i - 1], sorted[i]) == 0 && (i < 2 || strcmp(sorted[i - 2], sorted[i]) != 0))
      diag_data(s->reader.diag, "duplicate-column", t->path, 0, line, sorted[i], "the header names this column twice");
  free(sorted);
  return diag_errors(s->reader.diag) == before;
}

static bool take_names(Csv *s, int64_t line) {
  Table *t = &s->reader.table;
  if (s->n > INT32_MAX / 2) return false;
  t->n_columns = (int)s->n;
  t->names = NEW_ARRAY(t->arena, const char *, s->n);
  for (int64_t i = 0; i < s->n; i++) t->names[i] = arena_strdup(t->arena, cut(&s->field[i]));
  return names_differ(s, line) || stop_here(s);
}

static bool read_header(Csv *s) {
  bool there = false, trim = s->trim;
  int64_t line = 0, first_line = s->line;
  Step step;
  s->trim = true;
  char *start = s->p;
  while ((step = next_row(s, &there, &line)) == CUT_OFF) {
    if (!more_text(s)) return false;
    start = s->p;
    first_line = s->line;
  }
  s->trim = trim;
  if (step == FAILED) return stop_here(s);
  if (!there) {
    diag_data(s->reader.diag, "empty-file", s->reader.table.path, 0, 0, NULL, "the file is empty");
    return stop_here(s);
  }
  if (!s->format->n_header) return take_names(s, line);
  s->reader.table.n_columns = s->format->n_header;           // this was the first row: it is read again
  s->reader.table.names = (const char **)s->format->header;
  s->p = start;
  s->line = first_line;
  return true;
}

// ---------------------------------------------------------------- rows
static void wrong_fields(Csv *s, int64_t line) {
  const Table *t = &s->reader.table;
  bool listed = s->format->n_header > 0;
  s->reader.failed = true;
  if (++s->wrong > MAX_DATA_ERRORS) return;
  diag_data(s->reader.diag, "wrong-fields", t->path, s->row, line, NULL, "%lld field%s, but %s %d column%s", (long long)s->n,
            s->n == 1 ? "" : "s", listed ? "the spec lists" : "the header names", t->n_columns,
            t->n_columns == 1 ? "" : "s");
  if (s->wrong == 1 && s->n == 1 && t->n_columns > 1)
    diag_help(s->reader.diag, "is the delimiter another one? It is `%c` here; a source may say `delimiter = \"…\"`",
              s->delimiter);
}

static void make_room(Csv *s) {
  Table *t = &s->reader.table;
  if (t->n_rows < s->cell_cap) return;
  s->cell_cap = s->cell_cap ? 2 * s->cell_cap : 256;
  t->cell = xrealloc(t->cell, sizeof *t->cell * ((size_t)s->cell_cap * (size_t)t->width + 1));
  t->line = xrealloc(t->line, sizeof *t->line * (size_t)s->cell_cap);
}

static void keep_row(Csv *s, int64_t line) {
  Table *t = &s->reader.table;
  make_room(s);
  char **cell = t->cell + t->n_rows * t->width;
  for (int k = 0; k < t->width; k++) cell[k] = cut(&s->field[s->reader.want ? s->reader.want[k] : k]);
  t->line[t->n_rows++] = line;
}

// A row as most are: no quotes, as many fields as there are columns, an end of line. They are kept as they are found, one after the other.
// false: it is no such row, and nothing was changed.
static inline bool plain_row(Csv *s, Marks *m) {
  int64_t columns = s->reader.table.n_columns, n = 0;
  char *p = s->p, *end, **start = s->start, c = *p;
  if (c == ' ' || c == '\t' || c == '\r' || c == '\n') return false;      // it may be a blank one
  do {
    start[n++] = p;
    end = next_mark(m);
    p = end + 1;
  } while (*end == s->delimiter && n < columns);
  if (*end != '\n' || n != columns) return false;
  s->p = p;
  start[n] = end > start[n - 1] && end[-1] == '\r' ? end : p;
  return true;
}

static void keep_plain(Csv *s) {
  Table *t = &s->reader.table;
  const int *want = s->reader.want;
  make_room(s);
  char **cell = t->cell + t->n_rows * t->width;
  for (int k = 0; k < t->width; k++) {
    int at = want ? want[k] : k;
    Field f = {.at = s->start[at], .to = s->start[at + 1] - 1};
    while (s->trim && is_blank(s, *f.at)) f.at++;
    while (s->trim && f.to > f.at && is_blank(s, f.to[-1])) f.to--;
    cell[k] = cut(&f);
  }
  t->line[t->n_rows++] = s->line++;
}

// All that follow each other, as far as the block has room.
static void plain_rows(Csv *s) {
  const Reader *r = &s->reader;
  Marks m = marks_from(s, s->p);
  for (; s->row < INT32_MAX - 1 && (!r->rows || r->table.n_rows < r->rows) && plain_row(s, &m); s->row++) keep_plain(s);
}

static bool too_many(Csv *s, int64_t line) {
  diag_data(s->reader.diag, "too-many-rows", s->reader.table.path, s->row, line, NULL, "a file has at most %d rows here",
            INT32_MAX - 1);
  return stop_here(s);
}

// Told once, at the end of the file.
static void finish(Csv *s) {
  const char *path = s->reader.table.path;
  if (s->wrong > MAX_DATA_ERRORS)
    diag_data(s->reader.diag, "more-errors", path, 0, 0, NULL, "and %lld more rows with a wrong number of fields",
              (long long)(s->wrong - MAX_DATA_ERRORS));
  s->wrong = 0;
  if (s->row || s->reader.failed) return;
  diag_data(s->reader.diag, "no-rows", path, 0, 0, NULL, "the file has a header, but no row below it");
  s->reader.failed = true;
}

// A block ends where its rows are enough, or where the text at hand ends within a row.
static bool next_block(Csv *s) {
  Reader *r = &s->reader;
  Table *t = &r->table;
  t->first = s->row;
  t->width = r->want ? r->n_want : t->n_columns;
  t->n_rows = 0;
  for (;;) {
    bool there;
    int64_t line = 0;
    if (!r->failed) plain_rows(s);
    if (r->rows && t->n_rows == r->rows) break;
    s->row++;
    Step step = next_row(s, &there, &line);
    if (step == FAILED) return stop_here(s);
    if (step == CUT_OFF || !there) s->row--;
    if (step == CUT_OFF && t->n_rows) return true;
    if (step == CUT_OFF && !more_text(s)) return false;
    if (step == CUT_OFF) continue;
    if (!there) {
      finish(s);
      break;
    }
    if (s->row == INT32_MAX) return too_many(s, line);
    if (s->n != t->n_columns) wrong_fields(s, line);
    else if (!r->failed) keep_row(s, line);
  }
  t->text = s->text;
  return t->n_rows > 0 && !r->failed;
}

static bool csv_next(Reader *r) {
  Csv *s = (Csv *)r;
  bool there = next_block(s);
  if (s->size) r->share = (double)(s->before + (s->p - s->text)) / (double)s->size;
  return there;
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

static void csv_close(Reader *r) {
  Csv *s = (Csv *)r;
  if (s->z) gzclose(s->z);
  else if (s->fd >= 0) close(s->fd);
  free(s->field);
  free(s->start);
  free(s->text);
  free(s->mark);
  free(r->table.cell);
  free(r->table.line);
  arena_free(r->table.arena);
  free(s);
}

Reader *csv_open(const char *path, const DataSource *format, int64_t rows, Diag *d) {
  Csv *s = xcalloc(1, sizeof *s);
  Arena *a = arena_new();
  *s = (Csv){.format = format, .fd = -1, .delimiter = csv_delimiter(path, format), .trim = format->trim, .line = 1};
  s->reader = (Reader){.rows = rows, .next = csv_next, .close = csv_close, .diag = d,
                       .table = {.path = arena_strdup(a, path), .arena = a}};
  if (open_text(s) && first_text(s) && read_header(s)) {
    s->start = xmalloc(sizeof *s->start * ((size_t)s->reader.table.n_columns + 1));
    return &s->reader;
  }
  csv_close(&s->reader);
  return NULL;
}
