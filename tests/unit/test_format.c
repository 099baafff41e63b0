// test_format.c: random specs by a generator that knows the grammar, with random white space, line ends and comments between their words.
// Of each: format(x) is read as the same tree as x, format(format(x)) = format(x), no comment is lost. MTLC_FUZZ: how many (default 400).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "src/front/format.h"

typedef struct {
  uint64_t state;
  Text out;
  int depth, comments, bracket;
  bool plain;                          // no white space but single blanks, no comments
} Gen;

static uint32_t next(Gen *g, uint32_t n) {
  g->state += 0x9E3779B97F4A7C15u;
  return (uint32_t)(mix64(g->state) % n);
}

// ---------------------------------------------------------------- words, and what stands between them
static void gap(Gen *g) {
  static const char *const comments[] = {"# why", "#no blank", "## two", "#", "# a `quote` \"text\" { [ ("};
  if (g->plain) { text_char(&g->out, ' '); return; }
  switch (next(g, 12)) {
  case 0: text_add(&g->out, "\n"); break;
  case 1: text_add(&g->out, "\t  "); break;
  case 2: text_add(&g->out, "\n\n\n  "); break;
  case 3:
    text_printf(&g->out, "%s%s\n", next(g, 2) ? " " : "\n ", comments[next(g, 5)]);
    g->comments++;
    break;
  default: text_add(&g->out, " "); break;
  }
}

static void word(Gen *g, const char *s) {
  text_add(&g->out, s);
  gap(g);
}

static void name(Gen *g) {
  static const char *const names[] = {"a", "trunk", "行为", "long_name_of_a_value", "`native-country`", "x1", "w", "pool", "ctr"};
  word(g, names[next(g, 9)]);
}

static void number(Gen *g) {
  static const char *const numbers[] = {"0", "1", "1_000", "1e-3", "0.5", "64", "2.50", "1E5"};
  word(g, numbers[next(g, 8)]);
}

// ---------------------------------------------------------------- expressions
static void expr(Gen *g);
static void arith(Gen *g, int level);

static void args(Gen *g, bool named) {
  int n = (int)next(g, 4);
  for (int i = 0; i < n; i++) {
    if (i) word(g, ",");
    if (named && next(g, 3) == 0) name(g), word(g, "=");
    expr(g);
  }
  if (n && next(g, 8) == 0) word(g, ",");
}

static void call(Gen *g) {
  static const char *const layers[] = {"dense", "mlp", "embed", "concat", "f", "select"};
  text_add(&g->out, layers[next(g, 6)]);
  word(g, "(");
  args(g, true);
  word(g, ")");
}

// The deeper, the likelier a name: else a spec would be as large as it is deep, hundreds of kilobytes.
static bool is_leaf(Gen *g) { return (int)next(g, 4) < g->depth; }

static void primary(Gen *g) {
  if (is_leaf(g)) { name(g); return; }
  g->depth++;
  switch (next(g, 12)) {
  case 0: number(g); break;
  case 1: word(g, "\"a text, with # and \\\" in it\""); break;
  case 2: case 3: call(g); break;
  case 4: word(g, "["); args(g, false); word(g, "]"); break;
  case 5: word(g, "("); expr(g); word(g, ")"); break;
  case 6: word(g, "("); name(g); word(g, "="); expr(g); word(g, ","); name(g); word(g, "="); expr(g); word(g, ")"); break;
  case 7: text_add(&g->out, "repeat"); word(g, "("); number(g); word(g, ","); expr(g); word(g, ")"); break;
  case 8:
    text_add(&g->out, "fold"); word(g, "("); name(g); word(g, "="); expr(g); word(g, ","); name(g); word(g, "in"); expr(g);
    word(g, ","); expr(g); word(g, ")");
    break;
  default: name(g); break;
  }
  g->depth--;
}

static void postfix(Gen *g) {
  primary(g);
  if (next(g, 8) == 0) text_add(&g->out, "."), name(g);
  if (next(g, 10) == 0) word(g, "as"), name(g);
}

static void arith(Gen *g, int level) {
  static const char *const ops[] = {"or", "and", "==", "<", "+", "-", "*", "/", "^"};
  static const int levels[] = {1, 2, 4, 4, 6, 6, 7, 7, 9};
  if (next(g, 10) == 0 && level <= 8) word(g, next(g, 2) && level <= 3 ? "not" : "-");
  if (next(g, 3) || is_leaf(g)) { postfix(g); return; }
  int k = (int)next(g, 9);
  if (levels[k] < level) { postfix(g); return; }
  g->depth++;
  arith(g, levels[k] + 1);
  word(g, ops[k]);
  arith(g, levels[k] == 9 ? 9 : levels[k] + 1);
  g->depth--;
}

static void expr(Gen *g) {
  if (next(g, 3)) { arith(g, 1); return; }
  name(g);
  for (int n = 1 + (int)next(g, 3); n > 0; n--) {
    word(g, "|>");
    if (next(g, 3)) call(g);
    else name(g);
  }
}

// ---------------------------------------------------------------- declarations: each begins a line
static void clauses(Gen *g) {
  word(g, "{");
  for (int n = (int)next(g, 5); n > 0; n--) {
    name(g);
    word(g, "=");
    expr(g);
    if (n > 1 && (g->plain || next(g, 2))) word(g, ",");
    else if (n > 1) text_add(&g->out, "\n");
  }
  word(g, "}");
}

static void names(Gen *g) {
  name(g);
  while (next(g, 3) == 0) word(g, ","), name(g);
}

static void declaration(Gen *g) {
  static const char *const types[] = {"real", "category", "vector(30)", "id", "list(id)"};
  text_add(&g->out, next(g, 3) ? "\n" : "\n\n\n");
  switch (next(g, 9)) {
  case 0: text_add(&g->out, "source "); name(g); clauses(g); break;
  case 1: text_add(&g->out, "input "); names(g); word(g, ":"); word(g, types[next(g, 5)]); if (next(g, 2)) clauses(g); break;
  case 2:
    text_add(&g->out, "label "); names(g); word(g, ":"); word(g, "binary");
    if (next(g, 2)) word(g, "="), expr(g);
    if (next(g, 3) == 0) word(g, "where"), expr(g);
    break;
  case 3: text_add(&g->out, "let "); name(g); word(g, "="); expr(g); if (next(g, 4) == 0) clauses(g); break;
  case 4: text_add(&g->out, "shared "); name(g); word(g, "="); expr(g); break;
  case 5: text_add(&g->out, "layer f"); word(g, "("); word(g, "x"); word(g, ")"); if (next(g, 2)) clauses(g); else word(g, "="), expr(g); break;
  case 6: text_add(&g->out, "task "); name(g); clauses(g); break;
  case 7: text_add(&g->out, "output "); name(g); if (next(g, 2)) word(g, "="), expr(g); break;
  default: text_add(&g->out, "require "); expr(g); if (next(g, 2)) word(g, "\"why\""); break;
  }
}

static void spec(Gen *g) {
  text_add(&g->out, "model m\nedition 2026\n");
  for (int n = 1 + (int)next(g, 8); n > 0; n--) declaration(g);
  if (next(g, 2)) text_add(&g->out, "\n");
}

// ---------------------------------------------------------------- the tests
static int count_comments(const char *text, size_t n) {
  Arena *a = arena_new();
  WordList words = {0};
  int found = 0;
  read_words(a, text, n, &words);
  for (int i = 0; i < words.n; i++) found += words.data[i].kind == WORD_COMMENT;
  arena_free(a);
  return found;
}

static bool format(const char *text, size_t n, Text *out, Text *errors) {
  Arena *a = arena_new();
  Sources *s = sources_new(a);
  Diag *d = diag_new(a, s);
  bool ok = format_source(a, s, source_add(s, "spec", text, n), d, out);
  diag_print(d, errors, false);
  arena_free(a);
  return ok;
}

// Was it no spec at all? The generator knows the grammar but not where lines begin: a name may be a declaration's word there.
static bool is_spec(const char *text, size_t n) {
  Arena *a = arena_new();
  Sources *s = sources_new(a);
  Diag *d = diag_new(a, s);
  parse(a, s, source_add(s, "spec", text, n), d);
  bool ok = !diag_errors(d);
  arena_free(a);
  return ok;
}

// cmocka cuts long messages.
static void show(int i, const char *what, const Text *a, const Text *b) {
  fprintf(stderr, "spec %d: %s\n--- it:\n%s\n--- %s\n", i, what, a->data ? a->data : "", b->data ? b->data : "");
  fail_msg("spec %d: %s", i, what);
}

static void test_random(void **state) {
  const char *wish = getenv("MTLC_FUZZ");
  int n = wish ? atoi(wish) : 400, formatted = 0;
  (void)state;
  for (int i = 0; i < n; i++) {
    Gen g = {.state = (uint64_t)i * 1000003, .plain = i % 4 == 0};
    Text once = {0}, twice = {0}, errors = {0};
    spec(&g);
    if (is_spec(g.out.data, g.out.n)) {
      if (!format(g.out.data, g.out.n, &once, &errors)) show(i, "formatted", &g.out, &errors);
      if (!format(once.data, once.n, &twice, &errors)) show(i, "formatted again", &once, &errors);
      if (strcmp(once.data, twice.data)) show(i, "formatted twice, not the same", &once, &twice);
      assert_int_equal(count_comments(once.data, once.n), g.comments);
      formatted++;
    }
    text_free(&g.out);
    text_free(&once);
    text_free(&twice);
    text_free(&errors);
  }
  print_message("%d of %d are specs\n", formatted, n);
  assert_true(formatted > n / 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
