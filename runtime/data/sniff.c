// sniff.c: how a CSV file is written: the delimiter that gives the same number of fields in the most rows, whether the first row
// is a header, whether blanks stand around fields. The first rows decide; csv.c then reads the file, and says what is wrong with it.
#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <zlib.h>
#include "../profile.h"
#include "data_int.h"

enum { HEAD = 1 << 18, MOST_ROWS = 200, MOST_FIELDS = 4096 };
typedef struct { const char *text; size_t n; bool quoted; } Piece;
typedef struct { Piece *field; int n; } Line;
typedef struct { Line *row; int n; } Lines;

// ---------------------------------------------------------------- the head of the file
static char *read_head(const char *path, Arena *a, size_t *n, Diag *d) {
  struct stat st;
  gzFile z = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? (errno = EISDIR, NULL) : gzopen(path, "rbe");
  char *text = arena_alloc(a, HEAD + 1);
  int got = z ? gzread(z, text, HEAD) : -1, code = Z_ERRNO;
  if (got < 0) {
    const char *why = z ? gzerror(z, &code) : "";
    diag_data(d, "cannot-read", path, 0, 0, NULL, "cannot be read: %s", code == Z_ERRNO ? strerror(errno) : why);
  }
  if (z) gzclose(z);
  if (got < 0) return NULL;
  *n = (size_t)got;
  if (!memchr(text, '\n', *n))                               // lines end in CR alone
    for (size_t i = 0; i < *n; i++) text[i] = text[i] == '\r' ? '\n' : text[i];
  if (*n == HEAD)                                            // the last line may be cut
    while (*n && text[*n - 1] != '\n') --*n;
  return text;
}

// ---------------------------------------------------------------- rows by a delimiter
static const char *field_end(const char *p, const char *end, char delimiter, Piece *out) {
  const char *start = p;
  while (p < end && *p == ' ') p++;
  out->quoted = p < end && *p == '"';
  if (out->quoted) {
    out->text = ++p;
    while (p < end && (*p != '"' || (p + 1 < end && p[1] == '"'))) p += *p == '"' ? 2 : 1;
    out->n = (size_t)((p < end ? p : end) - out->text);
    while (p < end && *p != delimiter && *p != '\n') p++;
    return p < end ? p : end;
  }
  p = out->text = start;
  while (p < end && *p != delimiter && *p != '\n') p++;
  out->n = (size_t)(p - start);
  if (out->n && start[out->n - 1] == '\r') out->n--;
  return p;
}

static bool is_blank_line(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\r')) p++;
  return p == end || *p == '\n';
}

static Lines split_lines(const char *text, size_t n, char delimiter, Arena *a) {
  Lines l = { NEW_ARRAY(a, Line, MOST_ROWS), 0 };
  const char *p = text, *end = text + n;
  Piece *row = NEW_ARRAY(a, Piece, MOST_FIELDS);
  if (n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3)) p += 3;
  while (p < end && l.n < MOST_ROWS) {
    if (is_blank_line(p, end)) {
      const char *next = memchr(p, '\n', (size_t)(end - p));
      p = next ? next + 1 : end;
      continue;
    }
    int k = 0;
    for (bool more = true; more;) {
      Piece piece;
      p = field_end(p, end, delimiter, &piece);
      if (k < MOST_FIELDS) row[k++] = piece;
      more = p < end && *p == delimiter;
      if (p < end) p++;
    }
    l.row[l.n] = (Line){ NEW_ARRAY(a, Piece, k), k };
    memcpy(l.row[l.n++].field, row, sizeof *row * (size_t)k);
  }
  return l;
}

// The number of rows that have as many fields as the most rows have; 0 where that is one field.
static int agreement(const Lines *l, int *fields) {
  int best = 0;
  *fields = 1;
  for (int i = 0; i < l->n; i++) {
    int same = 0;
    for (int k = 0; k < l->n; k++) same += l->row[k].n == l->row[i].n;
    if (l->row[i].n > 1 && (same > best || (same == best && l->row[i].n > *fields))) best = same, *fields = l->row[i].n;
  }
  return best;
}

static Lines best_delimiter(const char *text, size_t n, const char *path, Arena *a, DataSource *out) {
  static const DataSource plain;
  const char usual = csv_delimiter(path, &plain);
  const char tries[] = { usual, ',', '\t', ';', '|' };
  Lines best = {0};
  int most = -1, widest = 0;
  for (int i = 0; i < COUNT_OF(tries); i++) {
    int fields;
    Lines l = split_lines(text, n, tries[i], a);
    int same = agreement(&l, &fields);
    if (same < most || (same == most && fields <= widest)) continue;
    most = same;
    widest = fields;
    best = l;
    out->delimiter = tries[i] == usual ? 0 : tries[i];       // 0: the file's ending says it
  }
  return best;
}

// ---------------------------------------------------------------- the header
static bool piece_number(const Piece *p, double *v) {
  char word[64];
  const char *s = p->text;
  size_t n = p->n;
  while (n && (*s == ' ' || *s == '\t')) s++, n--;
  while (n && (s[n - 1] == ' ' || s[n - 1] == '\t')) n--;
  if (!n || n >= sizeof word) return false;
  memcpy(word, s, n);
  word[n] = 0;
  return parse_number(word, v);
}

static bool same_piece(const Piece *a, const Piece *b) { return a->n == b->n && !memcmp(a->text, b->text, a->n); }

// 0 1 2 … or 1 2 3 …, or years one after the other: numbers that stand for names.
static bool counts_up(const Line *first) {
  double v, before = NAN;
  int n = 0;
  for (int i = 0; i < first->n; i++) {
    if (!piece_number(&first->field[i], &v)) continue;
    bool start = v == 0 || v == 1 || (v >= 1900 && v <= 2100);
    if (n++ ? v != before + 1 : !start) return false;
    before = v;
  }
  return n > 1;
}

static bool is_header(const Lines *l) {
  const Line *first = &l->row[0];
  int numbers = 0, below = 0, again = 0;                     // number fields; texts above numbers; texts that stand below too
  double v;
  for (int i = 0; i < first->n; i++) {
    if (piece_number(&first->field[i], &v)) {
      numbers++;
      continue;
    }
    int number_rows = 0, rows = 0;
    for (int k = 1; k < l->n; k++) {
      if (i >= l->row[k].n || !l->row[k].field[i].n) continue;
      rows++;
      number_rows += piece_number(&l->row[k].field[i], &v);
      again += first->field[i].n && same_piece(&first->field[i], &l->row[k].field[i]);
    }
    below += rows && 2 * number_rows > rows;
    for (int k = 0; k < i; k++)
      if (first->field[i].n && same_piece(&first->field[i], &first->field[k])) return below > 0;
  }
  if (numbers) return counts_up(first) || (below > numbers && !again);
  return below > 0 || again == 0;
}

static bool has_blanks(const Lines *l) {
  for (int i = 1; i < l->n; i++)
    for (int k = 0; k < l->row[i].n; k++) {
      const Piece *p = &l->row[i].field[k];
      if (p->n && !p->quoted && (p->text[0] == ' ' || p->text[p->n - 1] == ' ')) return true;
    }
  return false;
}

bool sniff(const char *path, Arena *a, DataSource *out, Diag *d) {
  size_t n;
  char *text = read_head(path, a, &n, d);
  if (!text) return false;
  Lines l = best_delimiter(text, n, path, a, out);
  if (!l.n) return true;                                     // empty: csv_read says so
  out->trim = has_blanks(&l);
  if (is_header(&l)) return true;
  const char **names = NEW_ARRAY(a, const char *, l.row[0].n + 1);
  for (int i = 0; i < l.row[0].n; i++) names[i] = arena_printf(a, "column_%d", i + 1);
  out->header = names;
  out->n_header = l.row[0].n;
  return true;
}
