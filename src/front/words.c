// words.c: the words of a file as they are written, comments among them, for the formatter. The file has been parsed without an error,
// so every character is part of a word that the scanner knows too.
#include "format.h"
#include <ctype.h>

bool word_is(const Word *w, const char *text) {
  return w->kind != WORD_COMMENT && w->kind != WORD_STRING && strlen(text) == w->n && memcmp(w->text, text, w->n) == 0;
}

static bool is_letter(char c) { return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80; }
static bool is_name_part(char c) { return is_letter(c) || isdigit((unsigned char)c); }

static size_t until(const char *s, size_t n, char end) {           // bytes up to and with `end`
  size_t i = 1;
  while (i < n && s[i] != end) i += s[i] == '\\' && end == '"' ? 2 : 1;
  return i + 1 < n ? i + 1 : n;
}

// A `.` belongs to a number only before a digit: 0..100 is a range.
static size_t number_length(const char *s, size_t n) {
  size_t i = 0;
  while (i < n && (isdigit((unsigned char)s[i]) || s[i] == '_')) i++;
  if (i + 1 < n && s[i] == '.' && isdigit((unsigned char)s[i + 1])) {
    i++;
    while (i < n && (isdigit((unsigned char)s[i]) || s[i] == '_')) i++;
  }
  if (i < n && (s[i] == 'e' || s[i] == 'E')) {
    size_t j = i + 1 + (i + 1 < n && (s[i + 1] == '+' || s[i + 1] == '-'));
    if (j < n && isdigit((unsigned char)s[j])) {
      while (j < n && isdigit((unsigned char)s[j])) j++;
      i = j;
    }
  }
  return i;
}

static size_t name_length(const char *s, size_t n) {
  enum { HASH = 7 + 64 };
  if (n >= HASH && memcmp(s, "sha256:", 7) == 0 && isxdigit((unsigned char)s[7])) return HASH;
  size_t i = 0;
  while (i < n && is_name_part(s[i])) i++;
  return i;
}

static size_t comment_length(const char *s, size_t n) {
  size_t i = 0;
  while (i < n && s[i] != '\n') i++;
  while (i && isspace((unsigned char)s[i - 1])) i--;
  return i;
}

static Word word_at(const char *s, size_t n) {
  static const char *const pairs[] = {"|>", "==", "!=", "<=", ">=", ".."};
  Word w = {.kind = WORD_SIGN, .text = s, .n = 1};
  if (*s == '#') w.kind = WORD_COMMENT, w.n = (uint32_t)comment_length(s, n);
  else if (*s == '"') w.kind = WORD_STRING, w.n = (uint32_t)until(s, n, '"');
  else if (*s == '`') w.kind = WORD_NAME, w.n = (uint32_t)until(s, n, '`');
  else if (isdigit((unsigned char)*s)) w.kind = WORD_NUMBER, w.n = (uint32_t)number_length(s, n);
  else if (is_letter(*s)) w.kind = WORD_NAME, w.n = (uint32_t)name_length(s, n);
  for (int i = 0; w.kind == WORD_SIGN && i < COUNT_OF(pairs); i++)
    if (n > 1 && memcmp(s, pairs[i], 2) == 0) w.n = 2;
  return w;
}

void read_words(Arena *a, const char *text, size_t n, WordList *out) {
  static const char mark[] = "\xEF\xBB\xBF";                       // a byte order mark says nothing here
  size_t i = n >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
  int lines = 0;
  for (; i < n;) {
    if (isspace((unsigned char)text[i])) {
      lines += text[i++] == '\n';
      continue;
    }
    Word w = word_at(text + i, n - i);
    w.off = (uint32_t)i;
    w.lines_before = lines;
    vec_push(a, out, w);
    i += w.n;
    lines = 0;
  }
}
