// roles.c: what each column of a file is: an input of some type, a label, the split, or nothing to train on. All of it is a guess
// by stated rules, and stands as a comment beside what it decided.
#include <ctype.h>
#include <math.h>
#include <strings.h>
#include "init.h"

enum { MOST_CODES = 100, MOST_CATEGORIES = 1000, FREE_TEXT_WORDS = 4 };
static const double LONG_TAIL = 2, LARGE = 5;              // skew and maximum from which a number is taken by its logarithm

// ---------------------------------------------------------------- words of a name
static bool same_word(const char *s, size_t n, const char *word) {
  size_t m = strlen(word);
  return (n == m || (n == m + 1 && tolower((unsigned char)s[m]) == 's')) && !strncasecmp(s, word, m);
}

static const char *next_word(const char **p, size_t *n) {   // NULL: no more
  while (**p && !isalnum((unsigned char)**p)) ++*p;
  const char *start = *p;
  while (isalnum((unsigned char)**p) && (*p == start || !isupper((unsigned char)**p) || isupper((unsigned char)(*p)[-1]))) ++*p;
  *n = (size_t)(*p - start);
  return *n ? start : NULL;
}

static bool is_among(const char *s, size_t len, const char *const *words, int n) {
  for (int i = 0; i < n; i++)
    if (same_word(s, len, words[i])) return true;
  return false;
}

bool has_word(const char *name, const char *const *words, int n) {
  size_t len;
  for (const char *w; (w = next_word(&name, &len));)
    if (is_among(w, len, words, n)) return true;
  return false;
}

static bool ends_in_word(const char *name, const char *const *words, int n) {
  const char *last = NULL;
  size_t len, last_len = 0;
  for (const char *w; (w = next_word(&name, &len));) last = w, last_len = len;
  return last && is_among(last, last_len, words, n);
}

static const char *const code_words[] = { "id", "code", "type", "kind", "region", "zip", "zipcode", "postcode", "browser", "system", "os", "category",
  "class", "group", "cluster", "segment", "channel", "device", "platform", "country", "state", "city", "store", "shop", "brand", "month", "weekday",
  "dow", "sex", "gender", "status", "plan", "version" };
static const char *const id_words[] = { "id", "uuid", "guid", "key", "sku", "user", "customer", "client", "item", "product", "article", "session",
  "account", "member", "merchant", "campaign", "ad" };
static const char *const number_words[] = { "id", "uuid", "guid", "key", "index", "idx", "row", "rownumber", "no", "nr", "number" };

// ---------------------------------------------------------------- notes
static char *missing_note(Arena *a, const Profile *c) {
  return c->missing ? arena_printf(a, "; %s", count_text(a, c->missing, "cell")) : "";
}

static char *number_note(Arena *a, const Profile *c) {
  Text t = {0};
  if (c->distinct == 2)
    text_printf(&t, "%.6g and %.6g (%.3g %%)", c->lo, c->hi, 100 * (double)c->value[c->number[1] > c->number[0]].count / (double)(c->value[0].count + c->value[1].count));
  else text_printf(&t, "%s, %.6g … %.6g", count_text(a, c->distinct, c->whole ? "whole number" : "number"), c->lo, c->hi);
  if (c->missing) text_printf(&t, "%s missing", missing_note(a, c));
  char *r = arena_strdup(a, t.data);
  text_free(&t);
  return r;
}

static char *values_note(Arena *a, const Profile *c, int64_t rows) {
  Text t = {0};
  text_printf(&t, "%s: ", count_text(a, c->distinct, "value"));
  for (int i = 0; i < 3 && i < c->distinct; i++)
    text_printf(&t, "%s%s %.3g %%", i ? ", " : "", shown_value(a, c->value[i].value), 100 * (double)c->value[i].count / (double)rows);
  if (c->distinct > 3) text_add(&t, ", …");
  if (c->missing) text_printf(&t, "%s missing, a value of its own", missing_note(a, c));
  char *r = arena_strdup(a, t.data);
  text_free(&t);
  return r;
}

// ---------------------------------------------------------------- inputs
static void leave_out(Choice *c, const char *why) {
  c->role = ROLE_OUT;
  c->why = why;
}

// The next of 1, 2, 5 times a power of ten from 2n on, written with _.
char *bucket_text(Arena *a, int64_t n) {
  static const int64_t steps[] = { 1, 2, 5 };
  int64_t b = 1000;
  for (int i = 0; b < 2 * n && b < 1000000000; i++) b = steps[i % 3] * (int64_t)pow(10, 3 + i / 3);
  char *s = arena_strdup(a, count_text(a, b, ""));
  for (char *p = s; *p; p++) *p = *p == ',' ? '_' : *p == ' ' ? 0 : *p;
  return s;
}

static void make_id(Arena *a, Choice *c, int64_t rows) {
  c->type = "id";
  c->clauses = arena_printf(a, "buckets = %s", bucket_text(a, c->p->distinct));
  c->note = values_note(a, c->p, rows);
}

static void make_category(Arena *a, Choice *c, int64_t rows, const char *more) {
  bool rare = c->p->distinct * 10 > rows;
  c->type = "category";
  c->clauses = rare ? "vocab = learned, min_count = 2" : "vocab = learned";
  c->note = arena_printf(a, "%s%s", values_note(a, c->p, rows), more);
}

static void make_real(Arena *a, Choice *c) {
  const Profile *p = c->p;
  c->logs = p->lo >= 0 && p->hi > LARGE && p->skew > LONG_TAIL && p->distinct > 10;
  const char *missing = !p->missing ? "" : c->logs ? "missing = median, " : "missing = mean, ";
  const char *more = "";
  if (c->logs) more = arena_printf(a, "; a long tail (skew %.3g), so log(1 + x)", p->skew);
  else if (p->whole && p->distinct > 2 && p->distinct <= 12) more = "; a category, if these are codes";
  c->type = "real";
  c->clauses = arena_printf(a, "%s%sscale = zscore", missing, c->logs ? "map = log1p, " : "");
  c->note = arena_printf(a, "%s%s", number_note(a, p), more);
}

static void number_role(Arena *a, Choice *c, int64_t rows) {
  const Profile *p = c->p;
  bool repeats = p->distinct * 10 <= rows, codes = p->whole && ends_in_word(p->name, code_words, COUNT_OF(code_words));
  if (p->counts_rows) leave_out(c, "it counts the rows");
  else if (p->whole && p->distinct == rows && rows > 2 && ends_in_word(p->name, number_words, COUNT_OF(number_words))) leave_out(c, "another number in every row: a key");
  else if (codes && p->distinct > 2 && p->distinct <= MOST_CODES && repeats) make_category(a, c, rows, "; real, if these are amounts");
  else if (p->whole && p->distinct > MOST_CODES && ends_in_word(p->name, id_words, COUNT_OF(id_words))) make_id(a, c, rows);
  else make_real(a, c);
}

static void text_role(Arena *a, Choice *c, int64_t rows) {
  const Profile *p = c->p;
  int64_t known = rows - p->missing;
  if (make_list(a, c, rows)) return;
  if (p->words > FREE_TEXT_WORDS && p->distinct * 2 > known) make_text(a, c, rows);
  else if (p->distinct == known && known > 2) leave_out(c, p->words > 1.5 ? "another text in every row: names" : "another text in every row: a key");
  else if (p->distinct > MOST_CATEGORIES) make_id(a, c, rows);
  else make_category(a, c, rows, "");
}

static void input_role(Guess *g, Choice *c) {
  const Profile *p = c->p;
  c->role = ROLE_INPUT;
  switch (p->shape) {
  case SHAPE_EMPTY: leave_out(c, "no cell holds a value"); break;
  case SHAPE_CONSTANT: leave_out(c, arena_printf(g->a, "%s in every row", shown_value(g->a, p->value[0].value))); break;
  case SHAPE_TIME:
    if (!make_time(g->a, c)) leave_out(c, "dates or times that are spelled in more than one way");
    break;
  case SHAPE_NUMBER: number_role(g->a, c, g->p->rows); break;
  case SHAPE_TEXT: text_role(g->a, c, g->p->rows); break;
  }
}

// ---------------------------------------------------------------- split, names
static const char *const part_values[3][3] = { { "train", "training", NULL }, { "valid", "validation", "val" }, { "test", "testing", "holdout" } };

int split_part(const char *value) {
  for (int i = 0; i < 3; i++)
    for (int k = 0; k < 3; k++)
      if (part_values[i][k] && !strcasecmp(value, part_values[i][k])) return i;
  return -1;
}

static bool is_split(const Profile *p) {
  bool part[3] = {0};
  if (p->shape != SHAPE_TEXT || p->distinct < 2 || p->distinct > 3 || p->missing) return false;
  for (int64_t i = 0; i < p->distinct; i++) {
    int k = split_part(p->value[i].value);
    if (k < 0 || part[k]) return false;
    part[k] = true;
  }
  return part[0];
}

static bool is_column(const Guess *g, const char *name) {
  for (int i = 0; i < g->p->n; i++)
    if (!strcmp(g->p->column[i].name, name)) return true;
  return false;
}

const char *own_name(const Guess *g, const char *wanted) {
  char *name = arena_strdup(g->a, wanted);
  while (is_column(g, name)) name = arena_printf(g->a, "%s_", name);
  return name;
}

static void name_columns(Guess *g) {
  for (int i = 0; i < g->p->n; i++) {
    Choice *c = &g->c[i];
    *c = (Choice){ .p = &g->p->column[i], .role = ROLE_INPUT, .clauses = "", .value = "", .note = "" };
    c->column = c->name = spec_name(g->a, c->p->name);
    if (is_predeclared(c->p->name)) c->name = spec_name(g->a, own_name(g, arena_printf(g->a, "%s_", c->p->name)));
    if (!c->name) leave_out(c, *c->p->name ? "its name cannot be written in a spec" : "it has no name");
    else if (is_split(c->p) && g->split < 0) {
      c->role = ROLE_SPLIT;
      g->split = i;
    }
  }
}

// ---------------------------------------------------------------- columns that are one vector: f_0 … f_n−1
static size_t vector_stem(const char *name, int index) {
  char tail[16];
  size_t n = strlen(name), m = (size_t)snprintf(tail, sizeof tail, "_%d", index);
  return n > m && !strcmp(name + n - m, tail) ? n - m : 0;
}

static void find_vectors(Guess *g) {
  enum { LEAST = 4 };
  for (int i = 0; i < g->p->n; i++) {
    const char *first = g->p->column[i].name;
    size_t stem = vector_stem(first, 0);
    int n = 0;
    while (stem && i + n < g->p->n) {
      const Choice *c = &g->c[i + n];
      bool fits = c->role == ROLE_INPUT && c->type && !strcmp(c->type, "real") && !c->logs && vector_stem(c->p->name, n) == stem &&
                  !strncmp(c->p->name, first, stem);
      if (!fits) break;
      n++;
    }
    if (n < LEAST || !spec_name(g->a, arena_strndup(g->a, first, stem))) continue;
    for (int k = 0; k < n; k++) g->c[i + k].group_size = k ? -1 : n;
    i += n - 1;
  }
}

// ---------------------------------------------------------------- labels
static int find_column(const Guess *g, const char *name) {
  for (int i = 0; i < g->p->n; i++)
    if (!strcmp(g->p->column[i].name, name)) return i;
  return -1;
}

static void unknown_label(const Guess *g, const char *name, Diag *d) {
  const char **names = NEW_ARRAY(g->a, const char *, g->p->n + 1);
  Text all = {0};
  for (int i = 0; i < g->p->n; i++) {
    names[i] = g->p->column[i].name;
    if (i < 40) text_printf(&all, "%s%s", i ? ", " : "", names[i]);
  }
  diag_error(d, "unknown-column", (Place){0}, "--label: the file has no column `%s`", name);
  const char *near = nearest(name, names, g->p->n);
  if (near) diag_help(d, "did you mean `%s`?", near);
  diag_help(d, "the file's columns are %s%s", all.data ? all.data : "", g->p->n > 40 ? ", …" : "");
  text_free(&all);
}

static bool named_labels(Guess *g, const char *const *labels, int n, Diag *d) {
  for (int i = 0; i < n; i++) {
    int at = find_column(g, labels[i]);
    if (at < 0) {
      unknown_label(g, labels[i], d);
      continue;
    }
    if (label_score(g->p, at) < 0 || !g->c[at].name) {
      diag_error(d, "bad-label", (Place){0}, "--label: `%s` cannot be a label: %s", labels[i],
                 g->c[at].why ? g->c[at].why : "it has one value alone, or too many texts");
      continue;
    }
    choose_label(g, at);
  }
  return diag_errors(d) == 0;
}

// Those that look like outcomes; else the last column that can be one.
static bool guessed_labels(Guess *g, Diag *d) {
  int last = -1, n = 0;
  for (int i = 0; i < g->p->n; i++) {
    int score = g->c[i].name && g->c[i].role == ROLE_INPUT ? label_score(g->p, i) : -1;
    if (score >= 0) last = i;
    if (score < 3) continue;
    choose_label(g, i);
    n++;
  }
  if (!n && last >= 0) choose_label(g, last);
  if (n || last >= 0) return true;
  diag_data(d, "no-label", g->p->table->path, 0, 0, NULL, "no column can be a label: each has one value alone, or another text in every row");
  return false;
}

bool guess_roles(Guess *g, const char *const *labels, int n, Diag *d) {
  g->split = -1;
  name_columns(g);
  if (!(n ? named_labels(g, labels, n, d) : guessed_labels(g, d))) return false;
  for (int i = 0; i < g->p->n; i++)
    if (g->c[i].role == ROLE_INPUT) input_role(g, &g->c[i]);
  find_leaks(g);
  find_vectors(g);
  for (int i = 0; i < g->p->n; i++) {
    g->n_inputs += g->c[i].role == ROLE_INPUT;
    g->n_labels += g->c[i].role == ROLE_LABEL;
  }
  if (g->n_inputs) return true;
  diag_data(d, "no-input", g->p->table->path, 0, 0, NULL, "beside the label%s, no column can be an input", g->n_labels == 1 ? "" : "s");
  for (int i = 0; i < g->p->n && i < 8; i++)
    if (g->c[i].role == ROLE_OUT) diag_help(d, "`%s`: %s", g->c[i].p->name, g->c[i].why);
  return false;
}
