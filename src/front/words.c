// words.c: the words of a file as they are written, for the formatter: the scanner's tokens by their places, and the comments in the gaps
// between them. The file has been parsed without an error.
#include "feed.h"
#include "format.h"
#include "grammar/parse.h"

bool word_is(const Word *w, const char *text) {
  return w->kind != WORD_COMMENT && w->kind != WORD_STRING && strlen(text) == w->n && memcmp(w->text, text, w->n) == 0;
}

static WordKind kind_of(const Token *t) {
  switch (t->kind) {
  case TOK_NAME:
  case TOK_SHA256: return WORD_NAME;
  case TOK_NUMBER: return WORD_NUMBER;
  case TOK_STRING: return WORD_STRING;
  default: return WORD_SIGN;
  }
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Comments from…to − 1, where nothing else is but white space; gives the line ends behind the last of them.
static int gap(Arena *a, const char *text, uint32_t from, uint32_t to, WordList *out) {
  int lines = 0;
  for (uint32_t i = from; i < to;) {
    if (text[i] != '#') {
      lines += text[i++] == '\n';
      continue;
    }
    uint32_t end = i;
    while (end < to && text[end] != '\n') end++;
    Word w = {.kind = WORD_COMMENT, .text = text + i, .n = end - i, .off = i, .lines_before = lines};
    while (is_space(w.text[w.n - 1])) w.n--;
    vec_push(a, out, w);
    i = end;
    lines = 0;
  }
  return lines;
}

void read_words(Arena *a, const char *text, size_t n, WordList *out) {
  Feed f = {.arena = a, .diag = diag_new(a, NULL), .text = text, .n = n};
  uint32_t done = 0;
  feed_scan(&f);
  for (int i = 0; i < f.tokens.n; i++) {
    const Token *t = &f.tokens.data[i];
    int lines = gap(a, text, done, t->at.off, out);
    Word w = {.kind = kind_of(t), .text = text + t->at.off, .n = t->at.len, .off = t->at.off, .lines_before = lines};
    if (t->kind) vec_push(a, out, w);
    done = t->at.off + t->at.len;
  }
}
