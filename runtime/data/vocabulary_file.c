// vocabulary_file.c: vocabularies that are given: by the spec, or as a file of one value a line (blank lines and line ends
// aside, every character counts). A run keeps the values, so that the file is read once.
#include <errno.h>
#include <utf8proc.h>
#include "data_int.h"

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static char *read_all(const char *path, size_t *n) {                   // NULL: errno says why
  FILE *f = fopen(path, "rb");
  Text t = {0};
  char piece[1 << 14];
  if (!f) return NULL;
  for (size_t got; (got = fread(piece, 1, sizeof piece, f)) > 0;) text_addn(&t, piece, got);
  bool bad = ferror(f);
  int why = errno;
  fclose(f);
  text_add(&t, "");
  *n = t.n;
  if (!bad) return t.data;
  text_free(&t);
  errno = why;
  return NULL;
}

bool valid_utf8(const char *s) {
  utf8proc_int32_t point;
  for (utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(s), step; left > 0; s += step, left -= step)
    if ((step = utf8proc_iterate((const utf8proc_uint8_t *)s, left, &point)) <= 0) return false;
  return true;
}

typedef VEC(const char *) Values;

static bool add_lines(const DataInput *in, char *text, size_t n, Values *out, Arena *a, Diag *d) {
  int64_t line = 0;
  if (strlen(text) < n) {
    diag_data(d, "not-text", in->vocab_file, 0, 0, NULL, "the vocabulary of `%s` holds a NUL", in->name);
    return false;
  }
  for (char *s = text, *end; s && *s; s = end) {
    if ((end = strpbrk(s, "\r\n"))) {
      char was = *end;
      *end++ = 0;
      if (was == '\r' && *end == '\n') end++;
    }
    line++;
    if (line == 1 && !strncmp(s, "\xef\xbb\xbf", 3)) s += 3;
    if (!*s) continue;
    if (!valid_utf8(s)) {
      diag_data(d, "not-utf8", in->vocab_file, 0, line, NULL, "a value of the vocabulary of `%s` is not in UTF-8", in->name);
      return false;
    }
    const char *value = arena_strdup(a, s);
    vec_push(a, out, value);
  }
  return true;
}

static bool unlike(const DataInput *in, const Values *v, Diag *d) {    // no value stands twice
  for (int i = 1; i < v->n; i++)
    if (!strcmp(v->data[i - 1], v->data[i])) {
      diag_data(d, "duplicate-value", in->vocab_file, 0, 0, NULL, "`%s` stands twice in the vocabulary of `%s`", v->data[i],
                in->name);
      return false;
    }
  if (v->n) return true;
  diag_data(d, "empty-file", in->vocab_file, 0, 0, NULL, "the vocabulary of `%s` has no value", in->name);
  return false;
}

bool given_vocabulary(const DataInput *in, const char ***values, int64_t *n, Arena *a, Diag *d) {
  size_t bytes = 0;
  char *text = in->vocab_file ? read_all(in->vocab_file, &bytes) : NULL;
  if (in->vocab_file && !text) {
    diag_data(d, "cannot-read", in->vocab_file, 0, 0, NULL, "the vocabulary of `%s`: %s", in->name, strerror(errno));
    return false;
  }
  bool ok = vocabulary_text(in, text, bytes, values, n, a, d);
  free(text);
  return ok;
}

bool vocabulary_text(const DataInput *in, char *text, size_t bytes, const char ***values, int64_t *n, Arena *a, Diag *d) {
  Values v = {0};
  for (int i = 0; i < in->n_vocab; i++) vec_push(a, &v, in->vocab[i]);
  if (text && !add_lines(in, text, bytes, &v, a, d)) return false;
  if (v.n) qsort(v.data, (size_t)v.n, sizeof *v.data, by_text);
  *values = v.data;
  *n = v.n;
  return unlike(in, &v, d);
}
