// format.c: a file in the one style. The tree says where declarations and clauses begin; everything else is words on lines (layout.c).
// Neighbouring declarations are aligned by cells: name, type, value, block. What comes out is read again and must give the same tree.
#include "format.h"

// A declaration as it will be written: its words without commas that need not be, its block on the same line or not.
typedef struct {
  const Decl *decl;
  int from, to;                        // its words in the file's list; comments inside among them
  WordList words;                      // head, and the block where it is inline
  VEC(int) cell;                       // words at which cells begin, ascending
  VEC(const char *) key;               // what a cell is, where only equal ones are aligned; else ""
  int *column;                         // [words.n] where they begin
  int open;                            // the word `{` of a block on lines of its own, in the file's list; −1: none
} Form;

// ---------------------------------------------------------------- words of a declaration
static bool is_closer(const Word *w) { return word_is(w, ")") || word_is(w, "]"); }

static bool is_last_comma(const Word *w, int n, int i) {
  if (!word_is(&w[i], ",")) return false;
  for (i++; i < n && w[i].kind == WORD_COMMENT;) i++;
  return i < n && is_closer(&w[i]);
}

// Words from…to − 1, less commas behind a last item.
static void copy_words(Arena *a, const WordList *all, int from, int to, WordList *out) {
  for (int i = from; i < to; i++)
    if (!is_last_comma(all->data, all->n, i)) vec_push(a, out, all->data[i]);
}

static int word_from(const WordList *all, int from, uint32_t off) {
  while (from < all->n && all->data[from].off < off) from++;
  return from;
}

static int brace(const WordList *all, int from, int to) {
  for (int i = from; i < to; i++)
    if (word_is(&all->data[i], "{")) return i;
  return -1;
}

// The words of clause i of a block whose braces are open and close: up to *to, less what stands behind its value.
static int clause_words(const WordList *all, const Decl *d, int i, int open, int close, int *to) {
  int from = word_from(all, open, d->clauses[i].at.off);
  int end = i + 1 < d->n_clauses ? word_from(all, from, d->clauses[i + 1].at.off) : close;
  while (end > from && (all->data[end - 1].kind == WORD_COMMENT || word_is(&all->data[end - 1], ","))) end--;
  *to = end;
  return from;
}

static bool has_comment(const WordList *all, int from, int to) {
  for (int i = from; i < to; i++)
    if (all->data[i].kind == WORD_COMMENT) return true;
  return false;
}

static bool on_one_line(const WordList *all, int open, int close) {
  for (int i = open + 1; i <= close; i++)
    if (all->data[i].lines_before) return false;
  return true;
}

static void add_cell(Arena *a, Form *f, const char *key) {
  vec_push(a, &f->cell, f->words.n);
  vec_push(a, &f->key, key);
}

static void add_block(Arena *a, const WordList *all, Form *f, int open, int close) {
  static const Word comma = {.kind = WORD_SIGN, .text = ",", .n = 1};
  const Decl *d = f->decl;
  vec_push(a, &f->words, all->data[open]);
  for (int i = 0; i < d->n_clauses; i++) {
    int to, from = clause_words(all, d, i, open, close, &to);
    if (i > 0) {
      vec_push(a, &f->words, comma);
      if (d->kind == DECL_TASK) add_cell(a, f, d->clauses[i].key);
    }
    copy_words(a, all, from, to, &f->words);
  }
  vec_push(a, &f->words, all->data[close]);
}

// A block stays on its declaration's line where it was written on one line and fits.
static bool is_inline(Arena *a, const WordList *all, const Form *f, int open, int close) {
  enum { SHORT_BLOCK = 60 };
  if (has_comment(all, open, close) || !on_one_line(all, open, close)) return false;
  Form inside = {.decl = f->decl};
  add_block(a, all, &inside, open, close);
  int block = words_width(inside.words.data, inside.words.n), head = words_width(f->words.data, f->words.n);
  bool is_list = f->decl->kind == DECL_INPUT || f->decl->kind == DECL_LABEL;       // of names, that may be long
  return head + 1 + block <= FORMAT_WIDTH || (is_list && block <= SHORT_BLOCK);
}

static int bracket_step(const Word *w) {
  if (word_is(w, "(") || word_is(w, "[")) return 1;
  return is_closer(w) ? -1 : 0;
}

static bool is_bound(const Decl *d) {
  return d->kind == DECL_LET || d->kind == DECL_SHARED || d->kind == DECL_OUTPUT || d->kind == DECL_LAYER;
}

// Cells of the head: at `:`, `=`, `where` outside of brackets.
static void head_cells(Arena *a, Form *f) {
  bool typed = f->decl->kind == DECL_INPUT || f->decl->kind == DECL_LABEL;
  bool bound = is_bound(f->decl);
  for (int i = 1, depth = 0; i < f->words.n; i++) {
    const Word *w = &f->words.data[i];
    depth += bracket_step(w);
    bool cell = (typed && (word_is(w, ":") || word_is(w, "=") || word_is(w, "where"))) || (bound && word_is(w, "="));
    if (depth || !cell) continue;
    vec_push(a, &f->cell, i);
    vec_push(a, &f->key, "");
    if (bound) return;
  }
}

static Form read_form(Arena *a, const WordList *all, const Decl *d) {
  Form f = {.decl = d, .open = -1};
  f.from = word_from(all, 0, d->at.off);
  f.to = word_from(all, f.from, d->at.off + d->at.len);
  while (f.to > f.from && all->data[f.to - 1].kind == WORD_COMMENT) f.to--;
  int open = d->has_block ? brace(all, f.from, f.to) : -1, close = f.to - 1;
  copy_words(a, all, f.from, open < 0 ? f.to : open, &f.words);
  if (open >= 0 && !is_inline(a, all, &f, open, close)) {
    f.open = open;
    vec_push(a, &f.words, all->data[open]);
  } else {
    head_cells(a, &f);
    if (open >= 0) {
      if (d->kind == DECL_TASK || d->kind == DECL_INPUT || d->kind == DECL_LABEL) add_cell(a, &f, "");
      add_block(a, all, &f, open, close);
    }
  }
  f.column = NEW_ARRAY(a, int, f.words.n + 1);
  return f;
}

// ---------------------------------------------------------------- alignment
static bool same_class(const Form *a, const Form *b) {
  static const int classes[] = {[DECL_INPUT] = 1, [DECL_LABEL] = 1, [DECL_LET] = 2, [DECL_SHARED] = 2, [DECL_OUTPUT] = 2, [DECL_TASK] = 3,
                                [DECL_LAYER] = 4, [DECL_ACCEPT] = 0};
  int x = classes[a->decl->kind], y = classes[b->decl->kind];
  return x && x == y && a->open < 0 && b->open < 0;
}

// Where word i would begin: behind the words before it, moved by the cells that are aligned already.
static int word_column(const Form *f, int i) {
  int column = 0, from = 0;
  for (int c = 0; c < f->cell.n && f->cell.data[c] < i; c++) {
    int at = f->cell.data[c];
    if (!f->column[at]) continue;
    column = f->column[at];
    from = at;
  }
  return column + words_width(f->words.data + from, i - from) + 1;
}

static int form_width(const Form *f) { return word_column(f, f->words.n) - 1; }

// A long list of names, a layer with many parameters, what is broken by a comment: such stands as it is.
static bool takes_part(const Form *f, int c) {
  enum { LONGEST_NAME = 40 };
  if (f->cell.n <= c || words_width(f->words.data, f->cell.data[0]) > LONGEST_NAME) return false;
  for (int i = 0; i < f->cell.data[c]; i++)
    if (f->words.data[i].kind == WORD_COMMENT) return false;
  return true;
}

// Aligns cell c of forms from…to − 1, as far as that goes without wide gaps or lines that are too long.
static void align_cell(Form *forms, int from, int to, int c) {
  enum { MOST_GAP = 24 };
  int least = INT32_MAX, most = 0, room = INT32_MAX;
  for (int i = from; i < to; i++) {
    if (!takes_part(&forms[i], c)) continue;
    int column = word_column(&forms[i], forms[i].cell.data[c]), after = FORMAT_WIDTH - form_width(&forms[i]);
    if (column < least) least = column;
    if (column > most) most = column;
    if (after >= 0 && column + after < room) room = column + after;      // one that is too long is broken in any case
  }
  if (most - least > MOST_GAP || most > room) return;
  for (int i = from; i < to; i++)
    if (takes_part(&forms[i], c)) forms[i].column[forms[i].cell.data[c]] = most;
}

static const char *cell_key(const Form *f, int c) { return c < f->key.n ? f->key.data[c] : NULL; }

// Runs of forms whose cell c is of one kind; one that has fewer cells stands in between without a say.
static void align_group(Form *forms, int from, int to) {
  int cells = 0;
  for (int i = from; i < to; i++)
    if (forms[i].cell.n > cells) cells = forms[i].cell.n;
  for (int c = 0; c < cells; c++)
    for (int i = from, end; i < to; i = end) {
      const char *key = cell_key(&forms[i], c);
      for (end = i + 1; end < to; end++) {
        const char *other = cell_key(&forms[end], c);
        if (key && other && strcmp(key, other) != 0) break;
        if (!key) key = other;
      }
      align_cell(forms, i, end, c);
    }
}

static bool is_apart(const WordList *all, const Form *before, const Form *f) {
  return all->data[f->from].lines_before > 1 || f->from != before->to || !same_class(before, f);
}

static void align_all(const WordList *all, Form *forms, int n) {
  for (int i = 0, end; i < n; i = end) {
    for (end = i + 1; end < n; end++) {
      bool comment_behind = forms[end].from == forms[end - 1].to + 1 && all->data[forms[end - 1].to].lines_before == 0;
      Form before = forms[end - 1];
      before.to += comment_behind;
      if (is_apart(all, &before, &forms[end])) break;
    }
    align_group(forms, i, end);
  }
}

// ---------------------------------------------------------------- writing
static void blank_before(Layout *l, const Word *w) {
  if (w->lines_before > 1) layout_blank(l);
}

static void write_comments(Layout *l, const WordList *all, int from, int to, int indent) {
  for (int i = from; i < to; i++) {
    if (all->data[i].kind != WORD_COMMENT) continue;
    blank_before(l, &all->data[i]);
    layout_comment(l, &all->data[i], indent);
  }
}

static int key_width(const WordList *all, const Form *f, int close) {
  int most = 0;
  for (int i = 0; i < f->decl->n_clauses; i++) {
    int to, from = clause_words(all, f->decl, i, f->open, close, &to), width = words_width(all->data + from, 1);
    if (width > most) most = width;
  }
  return most;
}

static void write_clause(Arena *a, Layout *l, const WordList *all, int from, int to, int width) {
  enum { INDENT = 2 };
  WordList words = {0};
  copy_words(a, all, from, to, &words);
  int *column = NEW_ARRAY(a, int, words.n + 1);
  if (words.n > 1) column[1] = INDENT + width + 1;
  layout_line(l, INDENT);
  layout_words(l, words.data, words.n, INDENT + width + 3, column);
}

static void write_block(Arena *a, Layout *l, const WordList *all, const Form *f) {
  int close = f->to - 1, done = f->open + 1, width = key_width(all, f, close);
  for (int i = 0; i < f->decl->n_clauses; i++) {
    int to, from = clause_words(all, f->decl, i, f->open, close, &to);
    write_comments(l, all, done, from, 2);
    if (i > 0) blank_before(l, &all->data[from]);
    write_clause(a, l, all, from, to, width);
    done = to;
  }
  write_comments(l, all, done, close, 2);
  layout_line(l, 0);
  layout_words(l, &all->data[close], 1, 0, NULL);
}

// How many words stand on the first line where the value fits on the next one, but not here; else all.
static int first_line_words(const Form *f) {
  enum { INDENT = 2 };
  if (!is_bound(f->decl) || f->open >= 0 || !f->cell.n || form_width(f) <= FORMAT_WIDTH) return f->words.n;
  int value = f->cell.data[0] + 1;
  for (int i = 0; i < f->words.n; i++)
    if (f->words.data[i].kind == WORD_COMMENT) return f->words.n;
  return words_width(f->words.data + value, f->words.n - value) + INDENT <= FORMAT_WIDTH ? value : f->words.n;
}

static void write_form(Arena *a, Layout *l, const WordList *all, const Form *f) {
  bool names = f->decl->kind == DECL_INPUT || f->decl->kind == DECL_LABEL;
  int first = first_line_words(f);
  layout_line(l, 0);
  layout_words(l, f->words.data, first, names ? 6 : 4, f->column);
  if (first < f->words.n) {
    layout_line(l, 2);
    layout_words(l, f->words.data + first, f->words.n - first, 4, NULL);
  }
  if (f->open >= 0) write_block(a, l, all, f);
}

static char *tree_text(const Ast *t) {
  Text out = {0};
  ast_print(t, &out);
  return out.data;
}

// Read again, it must be the same tree: else there is a mistake here, and the file is better left alone.
static bool same_tree(Arena *a, Sources *s, const Ast *t, const Text *formatted) {
  Diag *quiet = diag_new(a, s);
  Ast *again = parse(a, s, source_add(s, "formatted", formatted->data ? formatted->data : "", formatted->n), quiet);
  char *before = tree_text(t), *after = tree_text(again);
  bool same = !diag_errors(quiet) && strcmp(before ? before : "", after ? after : "") == 0;
  free(before);
  free(after);
  return same;
}

bool format_source(Arena *a, Sources *s, uint32_t file, Diag *d, Text *out) {
  size_t n;
  const char *text = source_text(s, file, &n);
  int errors = diag_errors(d);
  const Ast *t = parse(a, s, file, d);
  if (diag_errors(d) > errors) return false;
  WordList all = {0};
  read_words(a, text, n, &all);
  Form *forms = NEW_ARRAY(a, Form, t->n + 1);
  for (int i = 0; i < t->n; i++) forms[i] = read_form(a, &all, &t->decls[i]);
  align_all(&all, forms, t->n);
  Layout l = {.arena = a};
  int done = 0;
  for (int i = 0; i < t->n; i++) {
    write_comments(&l, &all, done, forms[i].from, 0);
    blank_before(&l, &all.data[forms[i].from]);
    write_form(a, &l, &all, &forms[i]);
    done = forms[i].to;
  }
  write_comments(&l, &all, done, all.n, 0);
  Text formatted = {0};
  layout_print(&l, &formatted);
  bool fine = same_tree(a, s, t, &formatted);
  if (fine) text_addn(out, formatted.data ? formatted.data : "", formatted.n);
  else diag_machine(d, "cannot-format", "`%s` would read otherwise in the one style: it is left as it is", source_name(s, file));
  text_free(&formatted);
  return fine;
}
