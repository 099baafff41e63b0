// test_version.c: the canonical form and its hashes. tests/data/version/edits.txt says what each clause of the language does to them,
// computed.txt what each function.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <glob.h>
#include "diag_text.h"
#include "src/model/model_int.h"
#include "src/version/diff.h"

#define FOLDER SOURCE_TOP "/tests/data/version/"

static char *read_file(const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f) fail_msg("%s cannot be read", path);
  Text t = {0};
  char piece[4096];
  for (size_t n; (n = fread(piece, 1, sizeof piece, f)) > 0;) text_addn(&t, piece, n);
  fclose(f);
  return t.data;
}

// The canonical form of a spec; fails where it has errors. Everything lives in the arena.
static Canon *canon_named(Arena *a, const char *name, const char *text) {
  Sources *s = sources_new(a);
  Diag *d = diag_new(a, s);
  Ast *t = parse(a, s, source_add(s, name, text, strlen(text)), d);
  Model *m = resolve(a, s, t, FOLDER "spec.mtl", SOURCE_TOP "/specs/std", d);
  Graph *g = m ? build(m, F32, d) : NULL;
  Canon *c = g && !diag_errors(d) ? canon_of(m, g, NULL, d) : NULL;
  if (!c) fail_msg("%s", diag_text(d, a));
  return c;
}

static Canon *canon_text_of(Arena *a, const char *text) { return canon_named(a, "spec.mtl", text); }

static Hashes hashes_of(const char *text) {
  Arena *a = arena_new();
  Hashes h;
  canon_hash(canon_text_of(a, text), &h);
  arena_free(a);
  return h;
}

// ---------------------------------------------------------------- edits
typedef struct { char scopes[8], clause[80], *old, *new; } Edit;

static bool read_edit(char *line, Edit *e) {             // "SCOPES [CLAUSE] | OLD => NEW", ⏎ a line end
  *e = (Edit){0};
  char *bar = strstr(line, "| "), *arrow = bar ? strstr(bar, " => ") : NULL;
  if (*line == '#' || !*line) return false;
  if (!arrow || sscanf(line, "%7s %79[^| ]", e->scopes, e->clause) < 1) fail_msg("no edit: %s", line);
  *arrow = 0;
  e->old = bar + 2;
  e->new = arrow + 4;
  for (int k = 0; k < 2; k++)
    for (char *s; (s = strstr(k ? e->new : e->old, "⏎"));) *s = '\n', memmove(s + 1, s + strlen("⏎"), strlen(s + strlen("⏎")) + 1);
  return true;
}

static char *edited(const char *base, const Edit *e) {
  const char *at = strstr(base, e->old);
  Text t = {0};
  if (!at || strstr(at + 1, e->old)) fail_msg("`%s` does not stand once in base.mtl", e->old);
  text_printf(&t, "%.*s%s%s", (int)(at - base), base, e->new, at + strlen(e->old));
  return t.data;
}

static void changed_scopes(const Hashes *x, const Hashes *y, char out[8]) {
  int n = 0;
  for (int i = 0; i < SCOPE_SPEC; i++)
    if (strcmp(x->text[i], y->text[i])) out[n++] = scope_names[i][0];
  if (!n) out[n++] = strcmp(x->text[SCOPE_SPEC], y->text[SCOPE_SPEC]) ? 's' : '-';
  else if (!strcmp(x->text[SCOPE_SPEC], y->text[SCOPE_SPEC])) out[n++] = '!';        // a part changed, the whole did not
  out[n] = 0;
}

static int wrong_edits(const char *spec, const char *file) {
  char *base = read_file(spec), *edits = read_file(file), got[8];
  Hashes before = hashes_of(base);
  int wrong = 0;
  for (char *line = edits, *end; line && *line; line = end) {
    Edit e;
    if ((end = strchr(line, '\n'))) *end++ = 0;
    if (!read_edit(line, &e)) continue;
    char *text = edited(base, &e);
    Hashes after = hashes_of(text);
    changed_scopes(&before, &after, got);
    if (strcmp(got, e.scopes)) {
      wrong++;
      print_error("%s => %s: changes %s, not %s\n", e.old, e.new, got, e.scopes);
    }
    free(text);
  }
  free(base);
  free(edits);
  return wrong;
}

static const char *const edited_specs[][2] = {{FOLDER "base.mtl", FOLDER "edits.txt"}, {FOLDER "computed.mtl", FOLDER "computed.txt"}};

static void test_edits(void **state) {
  int wrong = 0;
  (void)state;
  for (int i = 0; i < COUNT_OF(edited_specs); i++) wrong += wrong_edits(edited_specs[i][0], edited_specs[i][1]);
  assert_int_equal(wrong, 0);
}

// What has been written somewhere stays comparable: these are for ever, or until the encoding is another, `mtl2`. Where one differs, the
// compiler must be mended, not the line here.
static void test_pinned(void **state) {
  static const struct { const char *spec, *hash[N_SCOPES]; } pinned[] = {
    {"base",
     {"63b8c0a6b83481a40fc0bf1f017cfb194f8053634fb522aadfc798ccc72da66e",
      "c369dd2756c74bdea7ab9293465e0e11142d2bf2be1eae19b58122304bd93a31",
      "0b8f04cba104ebf00dc1c2dbe8ddef3779f825a3cc4aaa72a0fe7de5ce927cfa",
      "d122fb493d3e6eaf1d5e902e90218e81003d5e85c89c14bb1086b47698d70b6e"}},
    {"computed",
     {"621dd300aaf399925e9759b1ec5c08679b222c945391ff2c2584cb3c535cd8b3",
      "77d5ff645077445ddd5277f7ecceab92aaafcf3815bca06769e09f7e5fc0dec2",
      "680a63e5b46185e01bd7efa35a6cf00e68bb3ccd6f2b9d335dffe8ac2ce50668",
      "173cc8d7bd25f27fd52ca3a529ce5587ec92aa5143aa0f412b8d2c0eb879c63f"}}};
  (void)state;
  for (int i = 0; i < COUNT_OF(pinned); i++) {
    char path[512], want[128], *text;
    snprintf(path, sizeof path, FOLDER "%s.mtl", pinned[i].spec);
    Hashes h = hashes_of(text = read_file(path));
    for (int k = 0; k < N_SCOPES; k++) {
      snprintf(want, sizeof want, "mtl1:sha256:%s", pinned[i].hash[k]);
      if (strcmp(h.text[k], want)) fail_msg("%s, %s: %s", pinned[i].spec, scope_names[k], h.text[k]);
    }
    free(text);
  }
}

// What the compiler makes of a model counts in no hash: here the graph is another one, folded, and with its products pushed into tables.
static void test_other_graph(void **state) {
  static const char *const all[] = {"*", TIDY_ASSIGNS}, *const specs[] = {FOLDER "base.mtl", FOLDER "computed.mtl"};
  (void)state;
  for (int i = 0; i < COUNT_OF(specs); i++)
    for (int training = 0; training < 2; training++) {
      Arena *a = arena_new();
      char *text = read_file(specs[i]);
      const Canon *c = canon_text_of(a, text);
      Graph *g = push_gathers(tidy_for(c->g, all, COUNT_OF(all), training), &(PushRule){.always = true}, NULL);
      Hashes x, y;
      assert_int_not_equal(g->nodes.n, c->g->nodes.n);
      canon_hash(c, &x);
      canon_hash(canon_of(c->m, g, NULL, NULL), &y);
      for (int k = 0; k < N_SCOPES; k++) assert_string_equal(x.text[k], y.text[k]);
      free(text);
      arena_free(a);
    }
}

// ---------------------------------------------------------------- diff
// Each edit falls under a rule that knows it, what must not count under none; and a hash that changes is named by a rule of its
// category or a wider one.
static int unknown_changes(const char *spec, const char *file) {
  char *base = read_file(spec), *edits = read_file(file);
  int wrong = 0;
  for (char *line = edits, *end; line && *line; line = end) {
    Edit e;
    if ((end = strchr(line, '\n'))) *end++ = 0;
    if (!read_edit(line, &e)) continue;
    char *text = edited(base, &e);
    Arena *a = arena_new();
    const Diff *d = diff_of(a, canon_text_of(a, base), canon_text_of(a, text));
    if ((d->all.n == 0) != !strcmp(e.scopes, "-")) wrong++, print_error("%s => %s: %d findings\n", e.old, e.new, d->all.n);
    for (int i = 0; i < d->all.n; i++)
      if (!strncmp(rule_rows[d->all.data[i].rule].id, "OTHER", 5)) wrong++, print_error("%s => %s: %s\n", e.old, e.new, d->all.data[i].text);
    arena_free(a);
    free(text);
  }
  free(base);
  free(edits);
  return wrong;
}

static void test_no_unknown_change(void **state) {
  int wrong = 0;
  (void)state;
  for (int i = 0; i < COUNT_OF(edited_specs); i++) wrong += unknown_changes(edited_specs[i][0], edited_specs[i][1]);
  assert_int_equal(wrong, 0);
}

// tests/data/version/rules.txt: blocks of `## NAME`, edits of base.mtl as in edits.txt, and behind `| ` the report and the exit codes
// of the three categories. MTLC_UPDATE=1 writes what comes out into the file.
typedef struct { Text before, after, want, got; bool used[N_RULES]; } Golden;

static void golden_report(Golden *g, const char *before, const char *after) {
  Arena *a = arena_new();
  Text t = {0};
  Canon *x = canon_named(a, "old.mtl", before), *y = canon_named(a, "new.mtl", after);
  Diff *d = diff_of(a, x, y);
  Diag *diag = diag_new(a, y->m->sources);
  diff_accept(d, diag);
  report_diffs(&(DiffReport){"old.mtl", "new.mtl", d, CATEGORY_CONTRACT}, 1, false, FORMAT_TEXT, false, &t);
  text_add(&t, diag_text(diag, a));
  for (int i = 0; i < d->all.n; i++) g->used[d->all.data[i].rule] = true;
  text_printf(&t, "exit contract %d, weights %d, training %d\n", diff_breaks(d, CATEGORY_CONTRACT) > 0, diff_breaks(d, CATEGORY_WEIGHTS) > 0,
              diff_breaks(d, CATEGORY_TRAINING) > 0);
  for (char *line = t.data, *end; line && *line; line = end) {
    if ((end = strchr(line, '\n'))) *end++ = 0;
    text_printf(&g->got, "| %s\n", line);
  }
  text_free(&t);
  arena_free(a);
}

static void close_block(Golden *g, const char *base, char **text, Text *all) {
  if (*text) golden_report(g, base, *text);
  free(*text);
  *text = NULL;
  if (g->got.n) text_add(all, g->got.data);
  g->got.n = 0;
}

static void test_rules(void **state) {
  char *base = read_file(FOLDER "base.mtl"), *file = read_file(FOLDER "rules.txt"), *copy = strdup(file), *text = NULL;
  Golden g = {0};
  Text all = {0};
  bool in_answer = false;
  (void)state;
  for (char *line = copy, *end; line && *line; line = end) {
    if ((end = strchr(line, '\n'))) *end++ = 0;
    bool answer = line[0] == '|';
    if (in_answer && !answer) close_block(&g, base, &text, &all);
    in_answer = answer;
    if (answer) continue;
    if (!strncmp(line, "## ", 3) && text) close_block(&g, base, &text, &all);
    text_printf(&all, "%s\n", line);
    if (!*line || *line == '#') continue;
    Edit e;
    char buffer[2048];
    snprintf(buffer, sizeof buffer, "- | %s", line);
    if (!read_edit(buffer, &e)) continue;
    char *next = edited(text ? text : base, &e);
    free(text);
    text = next;
  }
  close_block(&g, base, &text, &all);
  if (getenv("MTLC_UPDATE")) {
    FILE *f = fopen(FOLDER "rules.txt", "wb");
    assert_non_null(f);
    fputs(all.data, f);
    fclose(f);
  } else assert_string_equal(all.data, file);
  for (int i = 0; i < N_RULES; i++)
    if (!g.used[i] && strncmp(rule_rows[i].id, "OTHER", 5)) fail_msg("%s has no pair in rules.txt", rule_rows[i].id);
  text_free(&all), text_free(&g.got);
  free(base), free(file), free(copy);
}

// ---------------------------------------------------------------- no clause without an edit
// Rows of the tables of clauses and of words in calls, in the text of src/model/FILE.c:
//   Key TABLE[] = {{"KEY", false}, …};    #define ITEM_KEYS {"KEY", false}, …
// true in a row: the language has it, and this version refuses it.
static int missing_edits(const char *file, const char *source, const char *edits) {
  int missing = 0;
  for (const char *at = source, *end; *at; at = end) {
    char table[64] = "";
    end = strchr(at, '\n') ? strchr(at, '\n') + 1 : at + strlen(at);
    const char *key = strstr(at, "Key "), *macro = strncmp(at, "#define ITEM_KEYS", 17) ? NULL : at;
    if (key && key < end && strstr(key, "[] = {") && strstr(key, "[] = {") < end) {
      sscanf(key, "Key %63[a-z_]", table);
      if (strstr(at, "};")) end = strstr(at, "};");
    } else if (macro) strcpy(table, "ITEM_KEYS");
    for (const char *row = at; *table && (row = strstr(row, "{\"")) && row < end; row += 2) {
      char word[64], id[256];
      if (sscanf(row, "{\"%63[^\"]\", false}", word) != 1 || strncmp(row + 2 + strlen(word), "\", false}", 9)) continue;
      snprintf(id, sizeof id, " %s.%s.%s ", file, table, word);
      if (strstr(edits, id)) continue;
      missing++;
      print_error("tests/data/version/edits.txt has no edit for%s: what does the clause do to the hashes?\n", id);
    }
  }
  return missing;
}

static void test_every_clause(void **state) {
  char *edits = read_file(FOLDER "edits.txt");
  int missing = 0;
  glob_t files;
  (void)state;
  assert_int_equal(glob(SOURCE_TOP "/src/model/*.c", 0, NULL, &files), 0);
  for (size_t i = 0; i < files.gl_pathc; i++) {
    char *source = read_file(files.gl_pathv[i]), *name = strrchr(files.gl_pathv[i], '/') + 1;
    name[strlen(name) - 2] = 0;
    missing += missing_edits(name, source, edits);
    free(source);
  }
  globfree(&files);
  free(edits);
  assert_int_equal(missing, 0);
}

// computed.mtl has each function that gives a tensor; without a formula, a value could change and no hash would.
static void test_every_function(void **state) {
  static const char *const others[] = {"dim", "shape", "size", "chain", "cardinality", "constant", "uniform", "normal", "diagonal", "param", "params",
                                       "pow"};     // numbers, lists, initialisers, names; pow is `^`
  Arena *a = arena_new();
  char *text = read_file(FOLDER "computed.mtl");
  const Formulas *f = canon_text_of(a, text)->m->formulas;
  int missing = 0;
  (void)state;
  for (int i = 0; i < n_builtins; i++) {
    bool found = false;
    for (int k = 0; k < COUNT_OF(others); k++) found |= !strcmp(others[k], builtins[i].name);
    for (int k = 0; k < f->all.n; k++) found |= !strcmp(f->all.data[k].op, builtins[i].name);
    if (!found) missing++, print_error("computed.mtl has no `%s`, nor computed.txt an edit of it\n", builtins[i].name);
  }
  free(text);
  arena_free(a);
  assert_int_equal(missing, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_edits), cmocka_unit_test(test_pinned), cmocka_unit_test(test_no_unknown_change),
                                     cmocka_unit_test(test_other_graph), cmocka_unit_test(test_every_function),
                                     cmocka_unit_test(test_rules), cmocka_unit_test(test_every_clause)};
  return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
