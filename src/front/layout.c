// layout.c: words on lines. A line is filled as far as it goes; where the next piece does not fit, it is broken at that place, and goes
// on below the innermost open bracket. So the result depends on the words alone, not on how they were broken before.
#include "format.h"

static FormatLine *last_line(Layout *l) { return &l->lines.data[l->lines.n - 1]; }
static bool is_blank(const FormatLine *line) { return line->code.n == 0 && line->comment.n == 0; }

void layout_line(Layout *l, int indent) {
  vec_push(l->arena, &l->lines, ((FormatLine){.indent = indent}));
  l->width = indent;
  l->open = true;
}

void layout_blank(Layout *l) {
  if (l->lines.n == 0 || is_blank(last_line(l))) return;
  layout_line(l, 0);
  l->open = false;
}

static void add_text(Layout *l, const char *s, size_t n) {
  text_addn(&last_line(l)->code, s, n);
  l->width += display_width(s, n);
}

// `#` and one blank at least, but for a comment of `#` alone.
static void add_comment(Text *t, const Word *w) {
  size_t marks = 0;
  while (marks < w->n && w->text[marks] == '#') marks++;
  text_addn(t, w->text, marks);
  if (marks < w->n && w->text[marks] != ' ' && w->text[marks] != '!') text_char(t, ' ');
  text_addn(t, w->text + marks, w->n - marks);
}

void layout_comment(Layout *l, const Word *w, int indent) {
  bool behind = w->lines_before == 0 && l->lines.n && l->open && last_line(l)->code.n;
  if (!behind) layout_line(l, indent);
  add_comment(&last_line(l)->comment, w);
  l->open = false;
}

// ---------------------------------------------------------------- white space between words
static bool is_word_operator(const Word *w) {
  static const char *const words[] = {"in", "and", "or", "not", "as", "where", "until", "instance"};
  for (int i = 0; i < COUNT_OF(words); i++)
    if (w->kind == WORD_NAME && word_is(w, words[i])) return true;
  return false;
}

static bool ends_operand_word(const Word *w) {
  if (w->kind == WORD_SIGN) return word_is(w, ")") || word_is(w, "]");
  return !is_word_operator(w);
}

// before: the word before a; NULL where a is the first.
static bool blank_between(const Word *before, const Word *a, const Word *b) {
  bool sign = a->kind == WORD_SIGN && (word_is(a, "-") && (!before || !ends_operand_word(before)));
  if (sign || word_is(a, "(") || word_is(a, "[") || word_is(a, ".") || word_is(a, "..") || word_is(a, "^")) return false;
  if (word_is(b, ")") || word_is(b, "]") || word_is(b, ",") || word_is(b, ".") || word_is(b, "..") || word_is(b, "^")) return false;
  if (word_is(b, "(") || word_is(b, "[")) return !ends_operand_word(a);
  return true;
}

int words_width(const Word *w, int n) {
  int width = 0;
  for (int i = 0; i < n; i++)
    if (w[i].kind != WORD_COMMENT)
      width += display_width(w[i].text, w[i].n) + (i > 0 && blank_between(i > 1 ? &w[i - 2] : NULL, &w[i - 1], &w[i]));
  return width;
}

// ---------------------------------------------------------------- breaking
static bool is_binary(const Word *before, const Word *w) {
  static const char *const signs[] = {"|>", "+", "-", "*", "/", "%", "and", "or", "==", "!=", "<", "<=", ">", ">="};
  if (!before || !ends_operand_word(before)) return false;
  for (int i = 0; i < COUNT_OF(signs); i++)
    if (word_is(w, signs[i])) return true;
  return false;
}

static int depth_step(const Word *w) {
  if (w->kind != WORD_SIGN) return 0;
  if (word_is(w, "(") || word_is(w, "[") || word_is(w, "{")) return 1;
  return word_is(w, ")") || word_is(w, "]") || word_is(w, "}") ? -1 : 0;
}

// Whether a line may be broken before word i: behind a comma, before a pipe or an operator.
static bool may_break(const Word *w, int i) {
  if (i == 0 || w[i].kind == WORD_COMMENT) return false;
  return word_is(&w[i - 1], ",") || is_binary(&w[i - 1], &w[i]);
}

// Columns from word i up to the next place at its depth, or nearer to the outside, where a line may be broken.
static int piece_width(const Word *w, int n, int i) {
  int depth = 0, width = 0;
  for (int k = i; k < n; k++) {
    int step = depth_step(&w[k]);
    if (k > i && w[k].kind == WORD_COMMENT) break;
    if (k > i && depth <= 0 && may_break(w, k)) break;
    width += display_width(w[k].text, w[k].n) + (k > i && blank_between(k > 1 ? &w[k - 2] : NULL, &w[k - 1], &w[k]));
    depth += step;
  }
  return width;
}

typedef VEC(int) Columns;

static int indent_of(const Columns *open, int base) {
  enum { DEEPEST = 72 };                                           // beyond it, what is in a bracket has no room left
  int column = open->n ? open->data[open->n - 1] : base;
  return column > DEEPEST ? base + 4 : column;
}

void layout_words(Layout *l, const Word *w, int n, int indent, const int *column) {
  Columns open = {0};
  int first = l->lines.n;
  for (int i = 0; i < n; i++) {
    int inner = indent_of(&open, indent);
    if (w[i].kind == WORD_COMMENT) {
      layout_comment(l, &w[i], inner);
      continue;
    }
    bool blank = i > 0 && blank_between(i > 1 ? &w[i - 2] : NULL, &w[i - 1], &w[i]);
    bool full = may_break(w, i) && l->width + blank + piece_width(w, n, i) > FORMAT_WIDTH && l->width > inner;
    if (!l->open || full) layout_line(l, inner);
    else if (blank) add_text(l, " ", 1);
    while (column && l->lines.n == first && l->width < column[i]) add_text(l, " ", 1);
    add_text(l, w[i].text, w[i].n);
    if (depth_step(&w[i]) > 0) vec_push(l->arena, &open, l->width + word_is(&w[i], "{"));
    if (depth_step(&w[i]) < 0 && open.n) open.n--;
  }
}

// ---------------------------------------------------------------- the end
static int code_width(const FormatLine *line) { return line->indent + display_width(line->code.data, line->code.n); }

// Comments behind neighbouring lines stand below each other: their column, and the line behind the last of them.
static int comment_column(const Layout *l, int from, int *to) {
  enum { WIDEST = 100 };
  int column = code_width(&l->lines.data[from]), i = from + 1;
  for (; i < l->lines.n; i++) {
    const FormatLine *line = &l->lines.data[i];
    if (!line->comment.n || !line->code.n) break;
    int width = code_width(line);
    if ((width > WIDEST) != (column > WIDEST)) break;
    if (width > column) column = width;
  }
  *to = i;
  return column + 2;
}

static void add_blanks(Text *out, int n) {
  for (int i = 0; i < n; i++) text_char(out, ' ');
}

static void print_line(const FormatLine *line, int column, Text *out) {
  if (!is_blank(line)) add_blanks(out, line->indent);
  if (line->code.n) text_addn(out, line->code.data, line->code.n);
  if (line->comment.n && line->code.n) add_blanks(out, column - code_width(line));
  if (line->comment.n) text_addn(out, line->comment.data, line->comment.n);
  text_char(out, '\n');
}

void layout_print(Layout *l, Text *out) {
  while (l->lines.n && is_blank(last_line(l))) l->lines.n--;
  for (int i = 0; i < l->lines.n;) {
    const FormatLine *line = &l->lines.data[i];
    int to = i + 1, column = 0;
    if (line->comment.n && line->code.n) column = comment_column(l, i, &to);
    for (; i < to; i++) print_line(&l->lines.data[i], column, out);
  }
  for (int i = 0; i < l->lines.n; i++) {
    text_free(&l->lines.data[i].code);
    text_free(&l->lines.data[i].comment);
  }
}
