// spec_text.c: names, texts and numbers as a spec, or a comment in it, spells them.
#include <utf8proc.h>
#include "init.h"

// Words that a name in back quotes may be, but not a bare one.
static const char *const taken[] = {
  "as", "in", "where", "until", "repeat", "fold", "instance", "and", "or", "not", "model", "edition", "import", "source", "input", "label",
  "let", "shared", "layer", "task", "output", "train", "require", "from", "true", "false", "inf", "last", "row", "loss", "training", "std",
};

bool is_predeclared(const char *s) {
  static const char *const names[] = { "true", "false", "inf", "last", "row", "training", "loss" };
  for (int i = 0; i < COUNT_OF(names); i++)
    if (!strcmp(s, names[i])) return true;
  return false;
}

bool is_utf8(const char *s) {
  utf8proc_int32_t c;
  for (utf8proc_ssize_t n; *s; s += n)
    if ((n = utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &c)) <= 0) return false;
  return true;
}

static bool is_letter(utf8proc_int32_t c) {
  utf8proc_category_t k = utf8proc_category(c);
  return c == '_' || (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) || k == UTF8PROC_CATEGORY_NL;
}

static bool is_digit_or_mark(utf8proc_int32_t c) {
  utf8proc_category_t k = utf8proc_category(c);
  return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC;
}

static bool is_bare(const char *s) {
  for (int i = 0; i < COUNT_OF(taken); i++)
    if (!strcmp(s, taken[i])) return false;
  for (const char *p = s; *p;) {
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p, -1, &c);
    if (n <= 0 || !(is_letter(c) || (p > s && is_digit_or_mark(c)))) return false;
    p += n;
  }
  return true;
}

// Valid UTF-8, composed (a spec is read so), without control characters, no back quote.
static bool is_nameable(const char *s) {
  bool ink = false;
  for (const char *p = s; *p;) {
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p, -1, &c);
    if (n <= 0 || c < 0x20 || c == '`') return false;
    ink |= c != ' ';
    p += n;
  }
  utf8proc_uint8_t *composed = utf8proc_NFC((const utf8proc_uint8_t *)s);
  bool same = composed && !strcmp((const char *)composed, s);
  free(composed);
  return ink && same;
}

const char *spec_name(Arena *a, const char *s) {
  if (!is_nameable(s)) return NULL;
  return is_bare(s) ? arena_strdup(a, s) : arena_printf(a, "`%s`", s);
}

const char *spec_string(Arena *a, const char *s) {
  Text t = {0};
  text_char(&t, '"');
  for (; *s; s++) {
    if (*s == '"' || *s == '\\') text_printf(&t, "\\%c", *s);
    else if (*s == '\n') text_add(&t, "\\n");
    else if (*s == '\t') text_add(&t, "\\t");
    else if ((unsigned char)*s < ' ') text_printf(&t, "\\u{%x}", *s);
    else text_char(&t, *s);
  }
  text_char(&t, '"');
  char *r = arena_strdup(a, t.data);
  text_free(&t);
  return r;
}

const char *shown_value(Arena *a, const char *s) {
  enum { WIDTH = 20 };
  Text t = {0};
  int width = 0;
  while (*s && width < WIDTH) {
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &c);
    bool plain = n > 0 && c >= ' ' && c != 0x7f;
    if (plain) text_addn(&t, s, (size_t)n);
    else text_char(&t, n > 0 ? ' ' : '?');
    width += plain ? display_width(s, (size_t)n) : 1;
    s += n > 0 ? n : 1;
  }
  char *r = arena_printf(a, "\"%s%s\"", t.data ? t.data : "", *s ? "…" : "");
  text_free(&t);
  return r;
}

const char *count_text(Arena *a, int64_t n, const char *one) {
  char digits[32], out[48];
  int len = snprintf(digits, sizeof digits, "%lld", (long long)n), k = 0;
  for (int i = 0; i < len; i++) {
    out[k++] = digits[i];
    if ((len - i) % 3 == 1 && i < len - 1) out[k++] = ',';
  }
  out[k] = 0;
  return arena_printf(a, "%s %s%s", out, one, n == 1 ? "" : "s");
}
