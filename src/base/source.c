// source.c: the texts of a compilation. A place is a byte span; line and column are derived when a person asks.
// The start of each line is noted when a text is added, so a place is found by bisection.
#include "diag.h"
#include <errno.h>

typedef struct {
  const char *name, *text;
  size_t n;
  uint32_t *starts;                // byte offset of each line
  int n_lines;
} Source;

struct Sources {
  Arena *arena;
  VEC(Source) all;
  SourceReader *read; void *ctx; const char *suffix;
};

void source_reader(Sources *s, SourceReader *read, void *ctx, const char *suffix) {
  s->read = read, s->ctx = ctx, s->suffix = suffix;
}

const char *source_suffix(const Sources *s) { return s->read ? s->suffix : ""; }
bool source_is_disk(const Sources *s) { return !s->read; }

// The whole file; of an endless one no more than fits.
char *source_read_disk(const char *path, size_t *n) {
  enum { MAX_FILE = 16 << 20 };
  FILE *f = fopen(path, "rbe");
  if (!f) return NULL;
  Text t = {0};
  char piece[16384];
  size_t got;
  text_add(&t, "");
  while ((got = fread(piece, 1, sizeof piece, f)) > 0 && t.n <= MAX_FILE) text_addn(&t, piece, got);
  int why = ferror(f) ? errno ? errno : EIO : t.n > MAX_FILE ? EFBIG : 0;
  fclose(f);
  if (why) {
    text_free(&t);
    errno = why;
    return NULL;
  }
  *n = t.n;
  return t.data;
}

char *source_read(const Sources *s, const char *path, size_t *n) { return s->read ? s->read(s->ctx, path, n) : source_read_disk(path, n); }

Sources *sources_new(Arena *a) {
  Sources *s = NEW(a, Sources);
  s->arena = a;
  return s;
}

static void note_lines(Arena *a, Source *s) {
  int n = 1;
  for (size_t i = 0; i < s->n; i++) n += s->text[i] == '\n';
  s->starts = NEW_ARRAY(a, uint32_t, n);
  s->n_lines = 1;
  for (size_t i = 0; i < s->n; i++)
    if (s->text[i] == '\n') s->starts[s->n_lines++] = (uint32_t)(i + 1);
}

uint32_t source_add(Sources *s, const char *name, const char *text, size_t n) {
  if (n > UINT32_MAX / 4) BUG("source %s has %zu bytes: the caller checks that a text fits a place", name, n);
  Source one = {.name = arena_strdup(s->arena, name), .text = arena_strndup(s->arena, text, n), .n = n};
  note_lines(s->arena, &one);
  vec_push(s->arena, &s->all, one);
  return (uint32_t)s->all.n;
}

static const Source *find(const Sources *s, uint32_t file) {
  if (!s || file == 0 || file > (uint32_t)s->all.n) return NULL;
  return &s->all.data[file - 1];
}

const char *source_name(const Sources *s, uint32_t file) {
  const Source *one = find(s, file);
  return one ? one->name : NULL;
}

const char *source_text(const Sources *s, uint32_t file, size_t *n) {
  const Source *one = find(s, file);
  if (n) *n = one ? one->n : 0;
  return one ? one->text : NULL;
}

// The last line that starts at or before off, from 0.
static int line_of(const Source *s, uint32_t off) {
  int low = 0, high = s->n_lines;
  while (high - low > 1) {
    int mid = low + (high - low) / 2;
    if (s->starts[mid] <= off) low = mid;
    else high = mid;
  }
  return low;
}

void source_line_col(const Sources *s, Place p, int *line, int *col) {
  const Source *one = find(s, p.file);
  *line = *col = 0;
  if (!one) return;
  uint32_t off = p.off < one->n ? p.off : (uint32_t)one->n;
  int at = line_of(one, off);
  *line = at + 1;
  *col = 1;
  for (uint32_t i = one->starts[at]; i < off; i++)
    *col += ((unsigned char)one->text[i] & 0xC0) != 0x80;   // count the bytes that open a character
}

Place place_join(Place a, Place b) {
  if (a.file == 0) return b;
  if (b.file != a.file) return a;
  uint32_t end_a = a.off + a.len, end_b = b.off + b.len;
  uint32_t off = a.off < b.off ? a.off : b.off, end = end_a > end_b ? end_a : end_b;
  return (Place){a.file, off, end - off};
}
