// list.c: cells that hold several items: items apart by a separator, or a list in brackets as in JSON. What is kept of each
// row: at most `max` items, the last or the first.
#include <math.h>
#include "data_int.h"

// ---------------------------------------------------------------- the items of a cell
void items_start(CellItems *w) {
  w->text.n = 0;
  w->n = 0;
}

void items_finish(CellItems *w) {
  if (w->n == w->cap) {
    w->cap = w->cap ? 2 * w->cap : 64;
    w->end = xrealloc(w->end, sizeof *w->end * (size_t)w->cap);
  }
  text_char(&w->text, 0);
  w->end[w->n++] = w->text.n;
}

void items_free(CellItems *w) {
  text_free(&w->text);
  free(w->end);
}

static void add_trimmed(CellItems *w, const char *s, size_t n) {
  while (n && (*s == ' ' || *s == '\t')) s++, n--;
  while (n && (s[n - 1] == ' ' || s[n - 1] == '\t')) n--;
  if (!n) return;                                            // two separators side by side: no item
  text_addn(&w->text, s, n);
  items_finish(w);
}

static void split_cell(CellItems *w, const char *s, const char *separator) {
  static const char any[] = " \t|;,";
  size_t step = separator ? strlen(separator) : 1;
  for (const char *end; *s; s = *end ? end + step : end) {
    if (separator) end = strstr(s, separator);
    else end = strpbrk(s, any);
    if (!end) end = s + strlen(s);
    add_trimmed(w, s, (size_t)(end - s));
  }
}

static const char *blanks(const char *s) { return s + strspn(s, " \t\n\r"); }

static void add_point(Text *t, uint32_t c) {                 // in UTF-8
  if (c < 0x80) text_char(t, (char)c);
  else if (c < 0x800) text_char(t, (char)(0xC0 | c >> 6)), text_char(t, (char)(0x80 | (c & 63)));
  else if (c < 0x10000)
    text_char(t, (char)(0xE0 | c >> 12)), text_char(t, (char)(0x80 | (c >> 6 & 63))), text_char(t, (char)(0x80 | (c & 63)));
  else {
    text_char(t, (char)(0xF0 | c >> 18));
    for (int shift = 12; shift >= 0; shift -= 6) text_char(t, (char)(0x80 | (c >> shift & 63)));
  }
}

static const char *four_digits(const char *s, uint32_t *v) {
  char digits[5] = {0};
  for (int i = 0; i < 4; i++)
    if (!(digits[i] = s[i]) || !strchr("0123456789abcdefABCDEF", s[i])) return NULL;
  *v = (uint32_t)strtoul(digits, NULL, 16);
  return s + 4;
}

// After the backslash; NULL: no such escape.
static const char *escape(CellItems *w, const char *s) {
  static const char from[] = "\"'\\/bfnrt", to[] = "\"'\\/\b\f\n\r\t";
  const char *at = *s ? strchr(from, *s) : NULL;
  uint32_t c, low;
  if (at) {
    text_char(&w->text, to[at - from]);
    return s + 1;
  }
  if (*s != 'u' || !(s = four_digits(s + 1, &c)) || c == 0) return NULL;
  if (c >= 0xD800 && c < 0xE000) {                           // one half of a pair
    if (c >= 0xDC00 || s[0] != '\\' || s[1] != 'u' || !(s = four_digits(s + 2, &low)) || low < 0xDC00 || low > 0xDFFF)
      return NULL;
    c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
  }
  add_point(&w->text, c);
  return s;
}

// An item in quotes, " or '; NULL: it does not end.
static const char *quoted(CellItems *w, const char *s) {
  char quote = *s++;
  while (*s && *s != quote) {
    if (*s == '\\') {
      if (!(s = escape(w, s + 1))) return NULL;
    } else {
      text_char(&w->text, *s++);
    }
  }
  if (!*s) return NULL;
  items_finish(w);
  return s + 1;
}

// [a, "b", …]; false: it is no list. A null is no item.
static bool split_json(CellItems *w, const char *s) {
  for (s = blanks(s + 1); *s && *s != ']';) {
    if (*s == '"' || *s == '\'') {
      if (!(s = quoted(w, s))) return false;
    } else {
      size_t n = strcspn(s, ",]\"'[{");
      if (!s[n] || !strchr(",]", s[n])) return false;
      const char *end = s + n;
      while (n && strchr(" \t\n\r", s[n - 1])) n--;
      if (!n) return false;
      if (n != 4 || strncmp(s, "null", 4) != 0) add_trimmed(w, s, n);
      s = end;
    }
    s = blanks(s);
    if (*s == ',') {
      s = blanks(s + 1);
      if (*s == ']') return false;
    } else if (*s != ']') {
      return false;
    }
  }
  return *s == ']' && !*blanks(s + 1);
}

// ---------------------------------------------------------------- what is kept of it
static void keep_item(Raw *r, ItemList *l, const DataInput *in, int64_t row, const char *s) {
  double x;
  if (in->item != INPUT_REAL) {
    l->code[l->n++] = text_code(r, in, s);
  } else if (parse_number(s, &x)) {
    l->value[l->n++] = x;
  } else {
    cell_error(r, row, 1, "not-a-number", input_cell(in, 0), in->name, "`%s` is no number", shown(r, s));
  }
}

CellFit cell_items(const DataInput *in, const char *s, CellItems *w) {
  const char *first = blanks(s);
  items_start(w);
  if (in->tokens) return split_tokens(w, s, in->tokens, in->ngrams) ? CELL_FINE : CELL_NOT_UTF8;
  if (*first == '[' && !in->separator) return split_json(w, first) ? CELL_FINE : CELL_NO_LIST;
  split_cell(w, s, in->separator);
  return CELL_FINE;
}

int64_t kept_items(const DataInput *in, const CellItems *w, int64_t *from) {
  int64_t n = w->n < in->max ? w->n : in->max;
  *from = in->keep_first ? 0 : w->n - n;
  return n;
}

static void read_cell(Raw *r, int at, int64_t row, CellItems *w) {
  const DataInput *in = &r->plan->inputs[at];
  ItemList *l = &r->list[at];
  bool missing;
  const char *s = row_cell(r, row, in->from->index, &missing);
  l->flag[row] = missing ? ITEMS_MISSING : 0;
  if (missing) return;
  CellFit fit = cell_items(in, s, w);
  if (fit == CELL_NOT_UTF8) cell_error(r, row, 1, "not-utf8", input_cell(in, 0), in->name, "`%s` is not in UTF-8", shown(r, s));
  if (fit == CELL_NO_LIST)
    cell_error(r, row, 1, "bad-list", input_cell(in, 0), in->name, "`%s` is no list: `[1, 2]` or `[\"a\", \"b\"]`", shown(r, s));
  if (fit != CELL_FINE) return;
  int64_t from, n = kept_items(in, w, &from);
  if (w->n > in->max) l->flag[row] |= ITEMS_CUT;
  if (!store_reserve(&l->items, l->n + n, 0)) {
    r->failed = true;
    return;
  }
  for (int64_t i = 0; i < n; i++) keep_item(r, l, in, row, items_at(w, from + i));
}

void read_list(Raw *r, int at) {
  ItemList *l = &r->list[at];
  CellItems w = {0};
  for (int64_t row = r->from; row < r->n; row++) {
    if (r->gone[row]) l->flag[row] = ITEMS_MISSING;
    else read_cell(r, at, row, &w);
    l->end[row] = l->n;
  }
  store_touch(&l->items, (r->n - r->from) * l->items.row_bytes);
  items_free(&w);
}
