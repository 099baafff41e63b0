// tokens.c: a text as its words, or its characters. The text is put in NFC and its case folded (Unicode; so ẞ and ss are
// one). A word is a run of letters, marks and digits, as long as it can be; what stands between is dropped. Behind each word
// stand the n-grams that end with it, shortest first, their words apart by one blank.
#include <utf8proc.h>
#include "data_int.h"

static bool in_word(utf8proc_int32_t c) {
  utf8proc_category_t k = utf8proc_category(c);
  return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NO);          // letters, marks, numbers
}

static bool is_mark(utf8proc_int32_t c) {
  utf8proc_category_t k = utf8proc_category(c);
  return k >= UTF8PROC_CATEGORY_MN && k <= UTF8PROC_CATEGORY_ME;
}

// start[i % MOST]: where in the text token i begins.
enum { MOST_NGRAMS = 8 };
typedef struct { const char *from, *to; } Token;

static void add_ngrams(CellItems *w, const Token *token, int64_t n, int ngrams) {      // those that end with token n − 1
  for (int k = 1; k <= ngrams && k <= n; k++) {
    for (int64_t i = n - k; i < n; i++) {
      const Token *t = &token[i % MOST_NGRAMS];
      if (i > n - k) text_char(&w->text, ' ');
      text_addn(&w->text, t->from, (size_t)(t->to - t->from));
    }
    items_finish(w);
  }
}

// The next token from s on; false: there is none.
static bool next_token(const char *s, TokenKind kind, Token *t) {
  utf8proc_int32_t c;
  t->from = NULL;
  for (utf8proc_ssize_t step; *s; s += step) {
    step = utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &c);
    bool inside = in_word(c);
    if (t->from && (!inside || (kind == TOKENS_CHARACTER && !is_mark(c)))) break;
    if (inside && !t->from) t->from = s;
    t->to = s + step;
  }
  return t->from != NULL;
}

bool split_tokens(CellItems *w, const char *s, TokenKind kind, int ngrams) {
  utf8proc_uint8_t *folded;
  utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)s, 0, &folded,
                                    UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
  if (n == UTF8PROC_ERROR_NOMEM) base_oom(strlen(s));
  if (n < 0) return false;
  Token token[MOST_NGRAMS], t;
  int64_t count = 0;
  for (const char *at = (const char *)folded; next_token(at, kind, &t); at = t.to) {
    token[count++ % MOST_NGRAMS] = t;
    add_ngrams(w, token, count, ngrams);
  }
  free(folded);
  return true;
}
