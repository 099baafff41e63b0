// mend.c: mends tokens before they are parsed, so that one slip gives one message and not a tail of them:
// declaration words (and misspelt ones), brackets without a partner, forgotten commas, nesting without end.
// A declaration is a hard border: whatever is open there ends there.
#include "feed.h"
#include "grammar/parse.h"

static const struct { const char *word; int kind; bool reserved; } words[] = {
  {"model", TOK_MODEL, false},     {"edition", TOK_EDITION, false}, {"import", TOK_IMPORT, false},
  {"source", TOK_SOURCE, false},   {"from", TOK_FROM, false},       {"input", TOK_INPUT, false},
  {"label", TOK_LABEL, false},     {"let", TOK_LET, false},         {"shared", TOK_SHARED, false},
  {"layer", TOK_LAYER, false},     {"task", TOK_TASK, false},       {"train", TOK_TRAIN, false},
  {"output", TOK_OUTPUT, false},   {"require", TOK_REQUIRE, false}, {"accept", TOK_ACCEPT, false},
  {"as", TOK_AS, true},            {"in", TOK_IN, true},            {"where", TOK_WHERE, true},
  {"until", TOK_UNTIL, true},      {"repeat", TOK_REPEAT, true},    {"fold", TOK_FOLD, true},
  {"instance", TOK_INSTANCE, true}, {"and", TOK_AND, true},         {"or", TOK_OR, true},
  {"not", TOK_NOT, true},
};
enum { N_DECLARATIONS = 15 };

// What other tools call it.
static const struct { const char *word; int kind; } foreign[] = {
  {"feature", TOK_INPUT}, {"features", TOK_INPUT}, {"inputs", TOK_INPUT}, {"target", TOK_LABEL}, {"labels", TOK_LABEL},
  {"def", TOK_LAYER}, {"function", TOK_LAYER}, {"fn", TOK_LAYER}, {"var", TOK_LET}, {"val", TOK_LET}, {"const", TOK_LET},
  {"include", TOK_IMPORT}, {"use", TOK_IMPORT}, {"head", TOK_TASK}, {"trainer", TOK_TRAIN}, {"training", TOK_TRAIN},
  {"assert", TOK_REQUIRE}, {"data", TOK_SOURCE},
};

// The kind of a reserved (or a declaration's) word, or 0. Names are interned, but a call with any text is fine.
static int word_kind(const char *name, bool reserved) {
  for (int i = 0; i < COUNT_OF(words); i++)
    if (words[i].reserved == reserved && strcmp(words[i].word, name) == 0) return words[i].kind;
  return 0;
}

bool is_reserved(const char *name) { return word_kind(name, true) != 0; }

static const char *word_of(int kind) {
  for (int i = 0; i < COUNT_OF(words); i++)
    if (words[i].kind == kind) return words[i].word;
  return "?";
}

static bool is_opener(int kind) { return kind == '(' || kind == '[' || kind == '{'; }
static bool is_closer(int kind) { return kind == ')' || kind == ']' || kind == '}'; }
static int closer_of(int opener) { return opener == '(' ? ')' : opener == '[' ? ']' : '}'; }

// ---- declaration words
// A name, literal or `{` that follows on the same line.
static bool goes_on(const Token *next) {
  if (next->opens_line) return false;
  return next->kind == TOK_NAME || next->kind == TOK_NUMBER || next->kind == TOK_STRING || next->kind == '{';
}

static int lower_case_kind(const char *name) {
  char lower[16];
  size_t n = strlen(name);
  if (n >= sizeof lower) return 0;
  for (size_t i = 0; i <= n; i++) lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
  return word_kind(lower, false);
}

// The declaration that a misspelt or foreign word stands for, or 0.
static int meant_kind(const char *name) {
  const char *candidates[N_DECLARATIONS];
  for (int i = 0; i < N_DECLARATIONS; i++) candidates[i] = words[i].word;
  int kind = lower_case_kind(name);
  for (int i = 0; i < COUNT_OF(foreign) && !kind; i++)
    if (strcmp(foreign[i].word, name) == 0) kind = foreign[i].kind;
  if (kind) return kind;
  const char *near = nearest(name, candidates, N_DECLARATIONS);
  return near ? word_kind(near, false) : 0;
}

typedef struct { int depth, declaration; } WordState;  // open brackets; kind of the declaration that we are in

// Whether token i, a declaration's word by its spelling, is one.
static bool is_word(const Token *t, int i, const WordState *s) {
  if (!t[i].opens_line) return false;
  bool complete = i == 0 || ends_operand(t[i - 1].kind) || t[i - 1].kind == '}';
  return (s->depth == 0 && complete) || goes_on(&t[i + 1]);
}

// Two names in a row outside of brackets: only an `accept` has them, and a word behind its own declaration's word.
static bool can_misspell(const Token *t, int i, const WordState *s) {
  if (s->depth > 0 || s->declaration == TOK_ACCEPT || !goes_on(&t[i + 1])) return false;
  return i == 0 || ends_operand(t[i - 1].kind) || t[i - 1].kind == '}';
}

static int word_of_name(Feed *f, int i, const WordState *s) {
  Token *t = f->tokens.data;
  int kind = word_kind(t[i].text, false);
  if (kind && is_word(t, i, s)) return kind;
  if (!can_misspell(t, i, s)) return 0;
  if (kind) {
    diag_error(f->diag, "declaration-line", t[i].at, "a declaration begins a line");
    diag_help(f->diag, "begin a new line before `%s`", t[i].text);
    return kind;
  }
  if (!t[i].opens_line) return 0;
  kind = meant_kind(t[i].text);
  if (!kind) return 0;
  diag_error(f->diag, "unknown-declaration", t[i].at, "there is no declaration `%s`", t[i].text);
  diag_help(f->diag, "did you mean `%s`?", word_of(kind));
  return kind;
}

void mend_words(Feed *f) {
  WordState s = {0};
  for (int i = 0; i < f->tokens.n - 1; i++) {
    Token *t = &f->tokens.data[i];
    if (is_opener(t->kind)) s.depth++;
    if (is_closer(t->kind) && s.depth > 0) s.depth--;
    if (t->kind != TOK_NAME || t->quoted || (i > 0 && t[-1].kind == '.')) continue;
    int kind = word_kind(t->text, true);
    if (!kind && (kind = word_of_name(f, i, &s)) != 0) s = (WordState){.declaration = kind};
    if (kind) t->kind = kind;
  }
}

// ---- brackets
typedef enum { INSERT, DROP, SWAP } EditKind;          // SWAP: a token and the one behind it
typedef struct { EditKind kind; int at, token; } Edit; // INSERT: token before place `at`
typedef VEC(Edit) Edits;

enum { MOST_EDITS = 60 };          // of one declaration

// One declaration: tokens [from, to), and what was found in it.
typedef struct {
  Feed *f;
  int from, to;
  VEC(int) open;                   // openers without a closer yet
  Edits edits;                     // few: behind MOST_EDITS only balance() goes on
  int last_open, last_insert;      // the latest opener that was given a closer, and where: nothing may end in between
} Segment;

static void edit(Segment *s, EditKind kind, int at, int token) {
  vec_push(s->f->arena, &s->edits, ((Edit){kind, at, token}));
}

static const Token *token_at(const Segment *s, int i) { return &s->f->tokens.data[i]; }
static int kind_at(const Segment *s, int i) { return i >= 0 && i < s->f->tokens.n ? s->f->tokens.data[i].kind : 0; }
static bool key_at(const Segment *s, int i) { return kind_at(s, i) == TOK_NAME && kind_at(s, i + 1) == '='; }
static int top(const Segment *s) { return s->open.n ? s->open.data[s->open.n - 1] : -1; }

// Whether a `(` of layer NAME ( … is at i.
static bool opens_parameters(const Segment *s, int i) {
  return kind_at(s, s->from) == TOK_LAYER && i == s->from + 2;
}

// Where the missing closer of opener o best stands: before the next clause or block, at `limit` at the latest.
static int place_of_closer(const Segment *s, int o, int limit) {
  int depth = 0, last_equals = -1;
  bool in_block = s->open.n > 1 && kind_at(s, s->open.data[0]) == '{';
  if (kind_at(s, o) == '{') return limit;
  for (int i = o + 1; i < limit; i++) {
    int kind = kind_at(s, i);
    bool allowed = i <= s->last_open || i >= s->last_insert;
    if (depth == 0 && kind == '{' && allowed) return i;
    if (is_opener(kind)) depth++;
    if (is_closer(kind) && depth > 0) depth--;
    if (depth > 0 || !allowed) continue;
    if (kind == '=') last_equals = i;
    if (!in_block || i == o + 1 || !key_at(s, i)) continue;
    if (ends_operand(kind_at(s, i - 1))) return i;
    if (token_at(s, i)->opens_line) return kind_at(s, i - 1) == ',' ? i - 1 : i;
  }
  return opens_parameters(s, o) && last_equals >= 0 ? last_equals : limit;
}

static void report_open(Segment *s, int o, int at) {
  Feed *f = s->f;
  int kind = kind_at(s, o);
  diag_error(f->diag, "missing-bracket", token_at(s, o)->at, "this `%c` is not closed", kind);
  const Token *next = token_at(s, at);
  if (next->kind == 0 || is_declaration(next->kind))
    diag_note(f->diag, next->at, "`%c` is missing before %s", closer_of(kind),
              next->kind ? "the next declaration" : "the end of the file");
  else
    diag_note(f->diag, next->at, "`%c` is missing before this, at the latest", closer_of(kind));
}

// Opener o has no partner before `limit`.
static void mend_opener(Segment *s, int o, int limit) {
  int kind = kind_at(s, o);
  if (kind_at(s, o + 1) == kind || kind_at(s, o - 1) == kind) {
    diag_error(s->f->diag, "missing-bracket", token_at(s, o)->at, "this `%c` is not closed, or is one too many", kind);
    edit(s, DROP, o, 0);
    return;
  }
  int at = place_of_closer(s, o, limit);
  report_open(s, o, at);
  edit(s, INSERT, at, closer_of(kind));
  s->last_open = o;
  s->last_insert = at;
}

// The first token of the clause or value that holds i, in the innermost bracket that is open there.
static int clause_start(const Segment *s, int i) {
  int opener = top(s), start = opener >= 0 ? opener + 1 : s->from;
  if (opener >= 0 && kind_at(s, opener) != '{') return start;
  for (int k = i, depth = 0; k > start; k--) {         // in a block, and outside: behind the latest `name =`
    int kind = kind_at(s, k - 1);
    if (is_closer(kind)) depth++;
    if (is_opener(kind)) depth--;
    if (depth <= 0 && kind == '=' && kind_at(s, k - 2) == TOK_NAME) return k;
  }
  return start;
}

// `f x)`, `a 0]`, `repeat k in list, …)`: where two operands meet, the latest before closer i; or -1.
static int meeting_place(const Segment *s, int start, int i, int opener) {
  for (int k = i - 1; k > start; k--) {
    int before = kind_at(s, k - 1), kind = kind_at(s, k);
    bool callable = before == TOK_NAME || (opener == '(' && (before == TOK_REPEAT || before == TOK_FOLD));
    if (callable && (starts_operand(kind) || kind == '-') && !(before == TOK_NAME && kind == '-')) return k;
  }
  return -1;
}

static bool is_operator(int kind) {
  static const int kinds[] = {'+', '-', '*', '/', '%', '^', '<', '>', TOK_LE, TOK_GE, TOK_EQ, TOK_NE, TOK_AND, TOK_OR,
                              TOK_RANGE, TOK_NOT};
  for (int i = 0; i < COUNT_OF(kinds); i++)
    if (kinds[i] == kind) return true;
  return false;
}

// Where the missing partner of closer i best stands, or -1: the closer is better dropped.
static int place_of_opener(const Segment *s, int i) {
  int closer = kind_at(s, i), opener = closer == ')' ? '(' : '[', start = clause_start(s, i);
  bool no_parameters = kind_at(s, s->from) == TOK_LAYER && s->open.n == 0 && kind_at(s, s->from + 2) != '(';
  if (no_parameters && closer == ')') return s->from + 2;
  int at = meeting_place(s, start, i, opener), depth = 0;
  if (at >= 0) return at;
  if (kind_at(s, i - 1) == closer && opener == '(') return -1;       // doubled
  for (int k = i - 1; k >= start; k--) {
    int kind = kind_at(s, k);
    if (is_closer(kind)) depth++;
    if (is_opener(kind)) depth--;
    if (depth > 0) continue;
    if (opener == '(' ? is_operator(kind) : kind == '=' || kind == TOK_IN) return k + 1;
  }
  return opener == '[' ? start : -1;
}

// A `}` closes nothing: its `{` stood before the first `name =` behind the declaration's head; or -1.
static int place_of_block(const Segment *s, int i) {
  int word = kind_at(s, s->from);
  if (word == TOK_EDITION || word == TOK_IMPORT || word == TOK_REQUIRE || word == TOK_ACCEPT) return -1;
  bool named_value = word == TOK_LET || word == TOK_SHARED || word == TOK_OUTPUT;
  for (int k = s->from + 1; k < i; k++) {
    if (kind_at(s, k) == '{') return -1;
    if (!key_at(s, k) || (k == s->from + 1 && named_value)) continue;
    if (word == TOK_TRAIN || ends_operand(kind_at(s, k - 1))) return k;
  }
  return -1;
}

// Closer i has no partner.
static void mend_closer(Segment *s, int i) {
  int kind = kind_at(s, i), at = kind == '}' ? place_of_block(s, i) : place_of_opener(s, i);
  int opener = kind == ')' ? '(' : kind == ']' ? '[' : '{';
  if (at < 0) {
    diag_error(s->f->diag, "extra-bracket", token_at(s, i)->at, "this `%c` closes nothing", kind);
    edit(s, DROP, i, 0);
    return;
  }
  diag_error(s->f->diag, "missing-bracket", token_at(s, i)->at, "this `%c` closes nothing", kind);
  diag_note(s->f->diag, token_at(s, at)->at, "is `%c` missing before this?", opener);
  edit(s, INSERT, at, opener);
}

// The index in s->open of the opener that closer kind belongs to, or -1. Round and square ones do not reach out of a block.
static int partner_of(const Segment *s, int kind) {
  for (int k = s->open.n - 1; k >= 0; k--) {
    int opener = kind_at(s, s->open.data[k]);
    if (closer_of(opener) == kind) return k;
    if (opener == '{') return -1;
  }
  return -1;
}

// `[(a])`: two closers in the wrong order. Both are then done with.
static bool mend_swapped(Segment *s, int i) {
  int n = s->open.n;
  if (n < 2 || kind_at(s, i + 1) != closer_of(kind_at(s, s->open.data[n - 1])) || i + 1 >= s->to) return false;
  if (kind_at(s, i) == kind_at(s, i + 1) || kind_at(s, i) != closer_of(kind_at(s, s->open.data[n - 2]))) return false;
  diag_error(s->f->diag, "swapped-brackets", place_join(token_at(s, i)->at, token_at(s, i + 1)->at),
             "`%c` and `%c` are in the wrong order", kind_at(s, i), kind_at(s, i + 1));
  edit(s, SWAP, i, 0);
  s->open.n -= 2;
  return true;
}

static void match_segment(Segment *s) {
  for (int i = s->from; i < s->to && s->edits.n < MOST_EDITS; i++) {
    int kind = kind_at(s, i);
    if (is_opener(kind)) vec_push(s->f->arena, &s->open, i);
    if (s->open.n > MAX_NESTING) return;                             // mend_depth reports that, and that is enough
    if (!is_closer(kind)) continue;
    int k = partner_of(s, kind);
    if (k >= 0 && k < s->open.n - 1 && mend_swapped(s, i)) {
      i++;
      continue;
    }
    if (k < 0) mend_closer(s, i);
    for (; k >= 0 && s->open.n - 1 > k; s->open.n--) mend_opener(s, top(s), i);
    if (k >= 0) s->open.n--;
  }
  for (; s->open.n > 0 && s->edits.n < MOST_EDITS; s->open.n--) mend_opener(s, top(s), s->to);
}

static Token inserted(const Feed *f, int at, int kind) {
  Place place = at > 0 ? place_after(f->tokens.data[at - 1].at) : (Place){f->file, 0, 0};
  return (Token){.kind = kind, .at = place, .mended = true};
}

// Appends the tokens of a segment as edited.
static void apply(const Segment *s, Tokens *out) {
  Feed *f = s->f;
  for (int i = s->from; i <= s->to; i++) {
    bool dropped = i == s->to, swapped = false;
    for (int k = 0; k < s->edits.n; k++) {
      Edit e = s->edits.data[k];
      if (e.at != i) continue;
      if (e.kind == INSERT) vec_push(f->arena, out, inserted(f, i, e.token));
      dropped |= e.kind == DROP;
      swapped |= e.kind == SWAP;
    }
    if (swapped) vec_push(f->arena, out, *token_at(s, i + 1));
    if (!dropped) vec_push(f->arena, out, *token_at(s, i));
    if (swapped) i++;
  }
}

// What comes out is balanced in any case: the edits of several slips in one place may disagree. Silent, for it is reported.
static void balance(Feed *f) {
  Tokens out = {0};
  VEC(int) open = {0};             // kinds of closers to come
  for (int i = 0; i < f->tokens.n; i++) {
    int kind = f->tokens.data[i].kind, k = is_declaration(kind) ? 0 : open.n;
    if (is_closer(kind))
      for (k = open.n - 1; k >= 0 && open.data[k] != kind;) k--;
    if (k < 0) continue;                                             // closes nothing
    for (int keep = is_closer(kind) ? k + 1 : k; open.n > keep; open.n--)
      vec_push(f->arena, &out, inserted(f, i, open.data[open.n - 1]));
    if (is_closer(kind)) open.n--;
    if (is_opener(kind)) vec_push(f->arena, &open, closer_of(kind));
    vec_push(f->arena, &out, f->tokens.data[i]);
  }
  f->tokens = out;
}

void mend_brackets(Feed *f) {
  Tokens out = {0};
  int n = f->tokens.n - 1;
  for (int from = 0, to; from < n; from = to) {
    for (to = from + 1; to < n && !is_declaration(f->tokens.data[to].kind);) to++;
    Segment s = {.f = f, .from = from, .to = to};
    match_segment(&s);
    apply(&s, &out);
  }
  vec_push(f->arena, &out, f->tokens.data[n]);
  f->tokens = out;
  balance(f);
}

// ---- commas
void mend_commas(Feed *f) {
  Tokens out = {0};
  VEC(char) open = {0};
  for (int i = 0; i < f->tokens.n; i++) {
    Token *t = &f->tokens.data[i];
    bool listed = open.n > 0 && open.data[open.n - 1] != '{';
    if (listed && i > 0 && ends_operand(t[-1].kind) && starts_operand(t->kind)) {
      diag_error(f->diag, "missing-comma", t->at, "`,` or an operator is missing before %s", token_text(f, t));
      vec_push(f->arena, &out, inserted(f, i, ','));
    }
    if (is_opener(t->kind)) vec_push(f->arena, &open, (char)t->kind);
    if (is_closer(t->kind) && open.n > 0) open.n--;
    vec_push(f->arena, &out, *t);
  }
  f->tokens = out;
}

// ---- depth
typedef struct {
  Feed *f;
  Tokens out;
  VEC(int) open;                   // indices in out
  VEC(int) prefixes;               // per open bracket: `-`, `not` and `^` whose right side is still to come
} Depth;

static void report_depth(Feed *f, Place at) {
  diag_error(f->diag, "too-deep", at, "this is nested deeper than %d levels", MAX_NESTING);
  diag_help(f->diag, "name parts of it with `let`");
}

// The token behind all that belongs to the operand at i.
static int skip_operand(const Feed *f, int i) {
  for (int depth = 0;; i++) {
    int kind = f->tokens.data[i].kind;
    if (is_declaration(kind) || (depth == 0 && (is_closer(kind) || kind == ','))) return i;
    if (depth == 0 && kind == TOK_NAME && f->tokens.data[i + 1].kind == '=') return i;
    if (is_opener(kind)) depth++;
    if (is_closer(kind)) depth--;
  }
}

static int skip_bracket(const Feed *f, int i) {
  int depth = 0;
  for (;; i++) {
    if (is_opener(f->tokens.data[i].kind)) depth++;
    if (is_closer(f->tokens.data[i].kind) && --depth == 0) return i + 1;
  }
}

static void push_bad(Depth *d, int from, int to) {
  const Token *t = d->f->tokens.data;
  Token bad = {.kind = TOK_BAD, .mended = true, .at = place_join(t[from].at, t[to > from ? to - 1 : from].at)};
  report_depth(d->f, t[from].at);
  vec_push(d->f->arena, &d->out, bad);
}

// Counts right-recursive operators; any other operator, and any border, ends their row.
static bool too_many_prefixes(Depth *d, const Token *t, int before) {
  int *count = &d->prefixes.data[d->prefixes.n - 1];
  bool prefix = t->kind == TOK_NOT || t->kind == '^' || (t->kind == '-' && !ends_operand(before));
  if (prefix) return ++*count > MAX_NESTING;
  if (is_operator(t->kind) || t->kind == ',' || t->kind == '=' || t->kind == TOK_PIPE || is_declaration(t->kind)) *count = 0;
  return false;
}

static void open_bracket(Depth *d) {
  vec_push(d->f->arena, &d->open, d->out.n - 1);
  vec_push(d->f->arena, &d->prefixes, 0);
}

static void limit_depth(Depth *d) {
  Feed *f = d->f;
  vec_push(f->arena, &d->prefixes, 0);
  for (int i = 0, next; i < f->tokens.n; i = next) {
    Token *t = &f->tokens.data[i];
    next = i + 1;
    if (is_opener(t->kind) && d->open.n >= MAX_NESTING) {
      push_bad(d, i, next = skip_bracket(f, i));
      continue;
    }
    vec_push(f->arena, &d->out, *t);
    if (is_opener(t->kind)) open_bracket(d);
    else if (is_closer(t->kind)) d->open.n--, d->prefixes.n--;
    else if (too_many_prefixes(d, t, i > 0 ? t[-1].kind : 0)) push_bad(d, i, next = skip_operand(f, i + 1));
  }
}

static void note_brackets(Feed *f) {
  VEC(int) open = {0};
  f->enclosing = NEW_ARRAY(f->arena, int, f->tokens.n);
  f->partner = NEW_ARRAY(f->arena, int, f->tokens.n);
  for (int i = 0; i < f->tokens.n; i++) {
    int kind = f->tokens.data[i].kind;
    f->enclosing[i] = open.n ? open.data[open.n - 1] : -1;     // a closer lies in its own bracket
    if (is_opener(kind)) vec_push(f->arena, &open, i);
    if (is_closer(kind)) f->partner[open.data[--open.n]] = i;
  }
}

void mend_depth(Feed *f) {
  Depth d = {.f = f};
  limit_depth(&d);
  f->tokens = d.out;
  note_brackets(f);
}
