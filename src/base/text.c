// text.c: text under construction.
#include "base.h"

static void reserve(Text *t, size_t more) {
  size_t need = t->n + more + 1 + READ_AHEAD;
  if (need <= t->cap) return;
  t->cap = need > 2 * t->cap ? need : 2 * t->cap;
  t->data = xrealloc(t->data, t->cap);
}

void text_addn(Text *t, const char *s, size_t n) {
  reserve(t, n);
  if (n) memcpy(t->data + t->n, s, n);
  t->n += n;
  t->data[t->n] = 0;
}
void text_add(Text *t, const char *s) { text_addn(t, s, strlen(s)); }
void text_char(Text *t, char c) { text_addn(t, &c, 1); }

void text_vprintf(Text *t, const char *fmt, va_list ap) {
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  CHECK(n >= 0);
  reserve(t, (size_t)n);
  vsnprintf(t->data + t->n, (size_t)n + 1, fmt, again);
  t->n += (size_t)n;
  va_end(again);
}
void text_printf(Text *t, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  text_vprintf(t, fmt, ap);
  va_end(ap);
}

void text_free(Text *t) {
  free(t->data);
  *t = (Text){0};
}
