// feed.c: hands the mended tokens to the parser one by one, jumps behind what is wrong, and says what was expected.
#include "feed.h"
#include "expected.h"
#include "grammar/parse.h"
#include <locale.h>
#include <utf8proc.h>

int mtlc_yyparse(Feed *feed);

// ---- classes of tokens
bool is_declaration(int kind) { return kind == 0 || (kind >= TOK_MODEL && kind <= TOK_ACCEPT); }

bool ends_operand(int kind) {
  return kind == TOK_NAME || kind == TOK_NUMBER || kind == TOK_STRING || kind == TOK_BAD || kind == ')' || kind == ']';
}

bool starts_operand(int kind) {
  return kind == TOK_NAME || kind == TOK_NUMBER || kind == TOK_STRING || kind == TOK_BAD || kind == TOK_REPEAT ||
         kind == TOK_FOLD || kind == TOK_INSTANCE || kind == TOK_NOT;
}

Place place_after(Place p) { return (Place){p.file, p.off + p.len, 0}; }

const char *token_text(const Feed *f, const Token *t) {
  enum { LONGEST = 30 };
  if (t->kind == 0) return "the end of the file";
  const char *s = f->text + t->at.off;
  size_t n = t->at.len;
  if (n > LONGEST) {
    for (n = LONGEST; n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80;) n--;       // whole characters
    return arena_printf(f->arena, "`%.*s…`", (int)n, s);
  }
  return *s == '`' ? arena_strndup(f->arena, s, n) : arena_printf(f->arena, "`%.*s`", (int)n, s);
}

// ---- handing out
int feed_next(Feed *f, Token *t) {
  int i = f->next < f->tokens.n ? f->next : f->tokens.n - 1;         // the end, again and again
  *t = f->tokens.data[i];
  f->next = i + 1;
  return t->kind;
}

// ---- jumping. `at` is the token that was wrong; a jump that ends where it began a second time goes one further.
static int latest(const Feed *f) { return f->next > 0 ? f->next - 1 : 0; }

static void jump(Feed *f, int at, int to) {
  if (f->last_sync == at && to <= at && at < f->tokens.n - 1) to = at + 1;
  f->last_sync = at;
  f->next = to;
}

// A key with its `=`. `lazy true = }` has none: what follows must be able to begin a value.
static bool is_key(const Feed *f, int i, int block) {
  const Token *t = f->tokens.data;
  if (f->enclosing[i] != block || t[i].kind != TOK_NAME || t[i + 1].kind != '=') return false;
  return t[i + 2].kind != '}' && t[i + 2].kind != ',';
}

static int declaration_from(const Feed *f, int i) {
  while (!is_declaration(f->tokens.data[i].kind)) i++;
  return i;
}

void feed_to_declaration(Feed *f) {
  int at = latest(f);
  jump(f, at, declaration_from(f, at));
}

void feed_to_block(Feed *f) {
  int at = latest(f), begin = at, to = at;
  while (begin > 0 && !is_declaration(f->tokens.data[begin - 1].kind)) begin--;
  while (!is_declaration(f->tokens.data[to].kind) && (f->tokens.data[to].kind != '{' || f->enclosing[to] >= 0)) to++;
  for (int i = begin; i < at; i++)                     // the block is behind us
    if (f->tokens.data[i].kind == '{' && f->enclosing[i] < 0) to = declaration_from(f, at);
  jump(f, at, to);
}

void feed_to_clause(Feed *f) {
  int at = latest(f), block = f->enclosing[at], to = at;
  const Token *t = f->tokens.data;
  if (block < 0 || t[block].kind != '{') {             // not in a block: the parser is not where the brackets say
    feed_to_declaration(f);
    return;
  }
  if (t[at].kind == '=' && at >= 2 && is_key(f, at - 1, block) && t[at - 2].kind == '=') {   // `head = loss = …`
    jump(f, at, at - 1);
    return;
  }
  while (to < f->partner[block] && !(is_key(f, to, block) && to > f->last_sync)) to++;
  jump(f, at, to);
}

void feed_to_value_end(Feed *f) {
  if (f->enclosing[latest(f)] >= 0) feed_to_clause(f);
  else feed_to_block(f);
}

void feed_to_closer(Feed *f) {
  int at = latest(f), opener = f->enclosing[at];
  if (f->tokens.data[at].kind == 0 || opener < 0) {
    feed_to_declaration(f);
    return;
  }
  jump(f, at, f->partner[opener]);
}

// ---- what was expected
typedef struct { bool operand, name, declaration, operators, key; const char *signs[16]; int n_signs; } Wanted;

static bool among(const char *name, const char *const *list, int n) {
  for (int i = 0; i < n; i++)
    if (strcmp(name, list[i]) == 0) return true;
  return false;
}

// Sorts the parser's list of names into what a person would call it.
static Wanted sort_out(const Feed *f, const char *const *expected, int n) {
  static const char *const operators[] = {"|>", "or", "and", "==", "!=", "'<'", "<=", "'>'", ">=", "..", "'+'", "'*'",
                                          "'/'", "'%'", "'^'", "'.'", "as", "'('", "'['", "'-'"};
  static const char *const operands[] = {"a number", "a text", "'('", "'['", "'-'", "repeat", "fold", "instance", "not",
                                         "a name", "?"};
  static const char *const declarations[] = {"model", "edition", "import", "source", "from", "input", "label", "let",
                                             "shared", "layer", "task", "train", "output", "require", "accept",
                                             "end of file"};
  Wanted w = {0};
  w.operand = among("a number", expected, n) && among("fold", expected, n);
  w.operators = among("'*'", expected, n);
  w.declaration = among("task", expected, n) && among("model", expected, n);
  for (int i = 0; i < n; i++) {
    const char *name = expected[i];
    if (w.operand && among(name, operands, COUNT_OF(operands))) continue;
    if (w.operators && among(name, operators, COUNT_OF(operators))) continue;
    if (among(name, declarations, COUNT_OF(declarations))) continue;
    if (w.n_signs == COUNT_OF(w.signs) || strcmp(name, "?") == 0) continue;
    if (strcmp(name, "a name") == 0) w.name = true;
    else if (strncmp(name, "a ", 2) == 0) w.signs[w.n_signs++] = name;
    else if (name[0] == '\'') w.signs[w.n_signs++] = arena_printf(f->arena, "`%c`", name[1]);
    else w.signs[w.n_signs++] = arena_printf(f->arena, "`%s`", name);
  }
  w.key = w.name && among("'}'", expected, n);
  return w;
}

// "an expression, `,` or `)`"
static const char *wanted_text(const Feed *f, const Wanted *w) {
  const char *parts[COUNT_OF(w->signs) + 4];
  int n = 0;
  if (w->operand) parts[n++] = "an expression";
  if (w->name) parts[n++] = w->key ? "a key with its `=`" : "a name";
  if (w->operators && w->n_signs == 0 && !w->declaration && !w->key) parts[n++] = "an operator";
  for (int i = 0; i < w->n_signs; i++) parts[n++] = w->signs[i];
  if (w->declaration) parts[n++] = "a declaration";
  const char *text = "";
  for (int i = 0; i < n; i++)
    text = i == 0 ? parts[0] : arena_printf(f->arena, "%s%s%s", text, i == n - 1 ? " or " : ", ", parts[i]);
  return *text ? text : "something else";
}

static const char *token_word(const Feed *f, const Token *t) {
  return arena_strndup(f->arena, f->text + t->at.off, t->at.len);
}

static void help_unexpected(Feed *f, const Token *t, const Wanted *w) {
  const char *word = token_word(f, t);
  if (w->name && is_reserved(word))
    diag_help(f->diag, "`%s` is a reserved word; as a name it stands in back quotes: `` `%s` ``", word, word);
  if (!w->declaration || t->kind != TOK_NAME || !t->opens_line) return;
  if (t[1].kind == '=')
    diag_help(f->diag, "a value is named with `let %s = …`", word);
  else
    diag_help(f->diag, "a declaration begins with model, edition, import, source, from, input, label, let, shared, layer, "
                       "task, train, output, require or accept");
}

// Whether token i is near to what was reported already: one slip is one message.
static bool is_aftermath(const Feed *f, int i) {
  enum { BEFORE = 4, BEHIND = 3 };
  const Token *t = f->tokens.data;
  bool same_line = true;
  for (int k = i; k >= 0 && k >= i - BEFORE; k--) {
    if (t[k].mended || (same_line && k < i && k == f->last_report && k >= i - BEHIND)) return true;
    if (is_declaration(t[k].kind)) break;
    if (t[k].opens_line) same_line = false;
  }
  for (int k = i + 1; k < f->tokens.n && k <= i + BEHIND && !is_declaration(t[k].kind); k++)
    if (t[k].mended) return true;
  return false;
}

void report_unexpected(Feed *f, const char *const *expected, int n) {
  int i = latest(f);
  if (is_aftermath(f, i)) return;
  f->last_report = i;
  const Token *t = &f->tokens.data[i], *before = i > 0 ? t - 1 : NULL;
  if (i >= 2 && t->kind == '=' && t[-1].kind == TOK_NAME && t[-2].kind == '=') t--, before--;    // `head = loss = …`
  Wanted w = sort_out(f, expected, n);
  if (t != &f->tokens.data[i]) w = (Wanted){.operand = true};
  if (w.declaration && t->opens_line) w.n_signs = 0;
  const char *wanted = wanted_text(f, &w);
  bool about_word = t->kind && (w.declaration || (w.name && is_reserved(token_word(f, t))));
  if (before && (t->opens_line || t->kind == 0) && !about_word)      // what is missing is missing behind the token before
    diag_error(f->diag, "syntax", place_after(before->at), "expected %s, found the end of the line", wanted);
  else
    diag_error(f->diag, "syntax", t->at, "expected %s, found %s", wanted, token_text(f, t));
  help_unexpected(f, t, &w);
}

// ---- text that is no text
// Replaces, byte by byte, what is not UTF-8, and NUL; reports the first of each. False: not a text at all.
static bool clean_text(Feed *f, const char *text, size_t n) {
  char *clean = arena_strndup(f->arena, text, n);
  size_t bad = 0, nuls = 0, first_bad = 0, first_nul = 0;
  for (size_t i = 0; i < n;) {
    utf8proc_int32_t point;
    utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(n - i), &point);
    if (step <= 0) {
      if (bad++ == 0) first_bad = i;
      clean[i++] = '_';
    } else if (point == 0) {
      if (nuls++ == 0) first_nul = i;
      clean[i++] = ' ';
    } else {
      i += (size_t)step;
    }
  }
  f->text = clean;
  f->n = n;
  if (bad) {
    diag_error(f->diag, "not-utf8", (Place){f->file, (uint32_t)first_bad, 1},
               "this is not UTF-8 text: byte 0x%02X%s", (unsigned char)text[first_bad], bad > 1 ? ", and more of them" : "");
    diag_help(f->diag, "save the file as UTF-8");
  }
  if (nuls)
    diag_error(f->diag, "nul-byte", (Place){f->file, (uint32_t)first_nul, 1}, "there is a NUL byte in the text%s",
               nuls > 1 ? ", and more of them" : "");
  return bad + nuls <= n / 4;
}

static void read_file(Feed *f, const char *text, size_t n) {
  enum { LARGEST = 4 << 20 };
  if (n > LARGEST) {
    diag_error(f->diag, "too-large", (Place){f->file, 0, 0}, "a spec has at most 4 MiB; this one has %zu bytes", n);
    return;
  }
  if (!clean_text(f, text, n)) return;
  feed_scan(f);
  mend_words(f);
  mend_brackets(f);
  mend_commas(f);
  mend_depth(f);
  mtlc_yyparse(f);
}

Ast *parse(Arena *a, Sources *s, uint32_t file, Diag *d) {
  Ast *tree = NEW(a, Ast);
  size_t n;
  const char *text = source_text(s, file, &n);
  Feed f = {.arena = a, .sources = s, .diag = d, .file = file, .last_report = -1, .last_high = -1, .last_sync = -1};
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = plain ? uselocale(plain) : (locale_t)0;
  read_file(&f, text, n);
  if (plain) {                                         // numbers have a point, whatever the caller's locale
    uselocale(before);
    freelocale(plain);
  }
  *tree = (Ast){.file = file, .decls = f.decls.data, .n = f.decls.n};
  return tree;
}
