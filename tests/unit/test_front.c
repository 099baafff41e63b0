// test_front.c: the front end: what is read, how mistakes are told, and that no text whatever brings it down.
// Drafts in a folder named by MTLC_DRAFTS are read too; without it the corpus below and specs/ stand alone.
#include "src/front/feed.h"
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

// ---- one parse and all that belongs to it
typedef struct { Arena *arena; Sources *sources; Diag *diag; Ast *tree; uint32_t file; } Read;

static Read read_bytes(const char *text, size_t n) {
  Read r = {.arena = arena_new()};
  r.sources = sources_new(r.arena);
  r.diag = diag_new(r.arena, r.sources);
  r.file = source_add(r.sources, "t.mtl", text, n);
  r.tree = parse(r.arena, r.sources, r.file, r.diag);
  return r;
}

static Read read_text(const char *text) { return read_bytes(text, strlen(text)); }

static char *errors_of(const Read *r) {
  Text t = {0};
  diag_print(r->diag, &t, false);
  return t.data ? t.data : strdup("");
}

static void assert_clean(const Read *r) {
  if (diag_errors(r->diag) == 0) return;
  char *s = errors_of(r);
  fail_msg("%s", s);
}

static void assert_prints(const char *text, const char *expected) {
  Read r = read_text(text);
  char *s = errors_of(&r);
  assert_string_equal(s, expected);
  free(s);
  arena_free(r.arena);
}

// ---- equality of trees, places left out
static bool same_expr(const Expr *a, const Expr *b);

static bool same_name(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static bool same_args(const Expr *a, const Expr *b) {
  if (a->n_args != b->n_args || a->n_each != b->n_each) return false;
  for (int i = 0; i < a->n_args; i++)
    if (!same_name(a->args[i].name, b->args[i].name) || !same_expr(a->args[i].value, b->args[i].value)) return false;
  for (int i = 0; i < a->n_each; i++)
    if (!same_name(a->each[i].name, b->each[i].name) || !same_expr(a->each[i].over, b->each[i].over)) return false;
  return true;
}

static bool same_expr(const Expr *a, const Expr *b) {
  if (!a || !b) return a == b;
  if (a->kind != b->kind || a->op != b->op || a->piped != b->piped || a->quoted != b->quoted) return false;
  if (a->number != b->number || a->is_int != b->is_int || !same_name(a->name, b->name)) return false;
  return same_expr(a->a, b->a) && same_expr(a->b, b->b) && same_args(a, b);
}

// ---- the exact span of every node
static void check_span(const Read *r, const Expr *e, const Place *outer);

static void check_children(const Read *r, const Expr *e) {
  if (e->a) check_span(r, e->a, &e->at);
  if (e->b) check_span(r, e->b, &e->at);
  for (int i = 0; i < e->n_args; i++) check_span(r, e->args[i].value, &e->at);
  for (int i = 0; i < e->n_each; i++) check_span(r, e->each[i].over, &e->at);
}

static void check_span(const Read *r, const Expr *e, const Place *outer) {
  size_t n;
  const char *text = source_text(r->sources, r->file, &n);
  assert_int_equal(e->at.file, r->file);
  assert_true(e->at.len > 0 && e->at.off + e->at.len <= n);
  const char *first = text + e->at.off, *last = first + e->at.len - 1;
  assert_false(strchr(" \n\t", *first) || strchr(" \n\t", *last));
  if (outer) assert_true(e->at.off >= outer->off && e->at.off + e->at.len <= outer->off + outer->len);
  if (e->grouped) assert_true(*first == '(' && *last == ')');
  if (e->kind == EX_BINARY) assert_memory_equal(text + e->op_at.off, ast_op_text(e->op), e->op_at.len);
  check_children(r, e);
}

// The canonical spelling of e, read again, is e; and is spelt the same.
static void check_spelling(const Expr *e) {
  Text t = {0}, again = {0}, spec = {0};
  expr_print(e, &t);
  text_printf(&spec, "let x = %s\n", t.data);
  Read r = read_text(spec.data);
  assert_clean(&r);
  assert_int_equal(r.tree->n, 1);
  if (!same_expr(e, r.tree->decls[0].value)) fail_msg("read again as another tree: %s", t.data);
  expr_print(r.tree->decls[0].value, &again);
  assert_string_equal(t.data, again.data);
  text_free(&t);
  text_free(&again);
  text_free(&spec);
  arena_free(r.arena);
}

static void check_expr(const Read *r, const Expr *e) {
  if (!e) return;
  check_span(r, e, NULL);
  check_spelling(e);
}

static void check_tree(const Read *r) {
  for (int i = 0; i < r->tree->n; i++) {
    const Decl *d = &r->tree->decls[i];
    check_expr(r, d->type);
    check_expr(r, d->value);
    check_expr(r, d->where);
    for (int k = 0; k < d->n_params; k++) check_expr(r, d->params[k].value);
    for (int k = 0; k < d->n_clauses; k++) check_expr(r, d->clauses[k].value);
  }
}

// ---- a corpus with everything in it
static const char corpus[] =
  "model funnel { version = 4 }\n"
  "edition 2026\n"
  "import \"std/attention.mtl\" as att\n"
  "import \"own.mtl\" sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
  "source events   { na = [\"\", \"?\"], dedupe = [session, at] }\n"
  "source products { key = id, match = events.product_id, absent = missing, repeated = error }\n"
  "from v4 { file = \"runs/v4\" }\n"
  "input user    : id       = events.user_id { buckets = 100_000 }\n"
  "input history : list(id) { like = item, max = 50 }\n"
  "input price, `old price` : real = products { clip = 0..quantile(0.99), map = log1p, scale = zscore }\n"
  "label click   : binary   = events.act == \"click\"\n"
  "label buy     : binary where click  { scale = zscore }\n"
  "let items  = instance embed(32)   # one table\n"
  "let other  = instance att.din(widths = [36])\n"
  "let seen   = history |> items\n"
  "let x      = concat(embed(user, 16), att.din(seen, item |> items), price)\n"
  "let deep   = x |> dense(64, relu) as wide |> dense(32) as narrow\n"
  "let gap    = sum_sq(params(a) - params(b)) + sum(params(deep).wide.w) - x.in.where[0, axis = last]\n"
  "let gates  = repeat(k in [\"ctr\", \"cvr\"], j in pool, x |> dense(4))\n"
  "let eight  = repeat(8, (x |> f)(3)) { freeze = true }\n"
  "shared 商品 = -x^2 + -(a + b)*c^-d - (a - (b - c)) / (d / e) % 2 and not (p or q) and 0.5..1e-7 != z\n"
  "layer tower(x, widths = [64, 32], act = relu) = fold(h = x, w in widths, h |> dense(w, act))\n"
  "layer cgc(s, own) {\n"
  "  label = 3\n"
  "  mine  = repeat(x in s.task, repeat(own, x |> mlp([8,],),),)\n"
  "  out   = (task = repeat(x in s.task, e in mine, x |> gate(chain(e, ours))), common = \"a\\n\\\"\\u{884C}\")\n"
  "}\n"
  "output cvr = x |> tower\n"
  "output plain\n"
  "task ctr   { head = x |> tower, loss = bce(click) + 0.5 * bpr(click, group = events.session)\n"
  "  metric = [gauc(by = user)] }\n"
  "task back  { head = (stop_gradient(ctr) |> dense(1)).a[0]\n  loss = bce(buy) }\n"
  "train {\n  split = rule(train = row % 10 < 8, valid = row % 10 == 8, test = true)\n  stop = patience(10, loss)\n}\n"
  "require always(ctcvr <= ctr)\n"
  "require auc(ctr) >= 0.70 \"the shop's floor\"\n"
  "accept LAYER_SAME_SHAPE ctr.dense.w \"wider tower\" until 5\n";

static void reads_the_corpus(void **state) {
  (void)state;
  Read r = read_text(corpus);
  assert_clean(&r);
  assert_int_equal(r.tree->n, 31);
  check_tree(&r);
  const Decl *d = r.tree->decls;
  assert_string_equal(d[2].names[0].name, "att");
  assert_int_equal(strlen(d[3].text), 7 + 64);
  assert_string_equal(d[9].names[1].name, "old price");
  assert_int_equal(d[10].value->op, AST_EQ);
  assert_string_equal(d[11].where->name, "click");
  assert_string_equal(d[20].names[0].name, "商品");
  assert_int_equal(d[22].n_clauses, 3);
  assert_string_equal(d[22].clauses[0].key, "label");
  assert_false(d[24].has_block);
  assert_string_equal(d[29].text, "the shop's floor");
  assert_int_equal(d[30].n_path, 3);
  assert_true(d[30].number == 5);
  arena_free(r.arena);
}

static void pipe_is_a_call(void **state) {
  (void)state;
  Read r = read_text("let d = x |> dense(64, relu) as wide |> f");
  assert_clean(&r);
  const Expr *f = r.tree->decls[0].value, *wide = f->args[0].value, *dense = wide->a;
  assert_true(f->kind == EX_CALL && f->piped && f->n_args == 1);
  assert_true(wide->kind == EX_AS && dense->kind == EX_CALL && dense->piped && dense->n_args == 3);
  assert_string_equal(dense->args[0].value->name, "x");
  assert_int_equal(dense->at.off, 8);
  assert_int_equal(dense->at.len, strlen("x |> dense(64, relu)"));
  assert_int_equal(wide->at.len, strlen("x |> dense(64, relu) as wide"));
  assert_int_equal(f->op_at.off, 37);
  arena_free(r.arena);
}

static void names_are_composed(void **state) {
  (void)state;
  Read r = read_text("let cafe\xCC\x81 = caf\xC3\xA9\nlet `a b` = `x`\n");
  assert_clean(&r);
  assert_ptr_equal(r.tree->decls[0].names[0].name, r.tree->decls[0].value->name);
  assert_true(r.tree->decls[1].names[0].name == intern("a b"));
  assert_false(r.tree->decls[1].value->quoted);        // needed no back quotes
  arena_free(r.arena);
}

static void words_are_names_elsewhere(void **state) {
  (void)state;
  Read r = read_text("let model = source + label.let\nlet train =\n  task |> output\nlet a = f(\n  input,\n  label)\n"
                     "task t {\n  source = 1\n  task = 2\n}\n");
  assert_clean(&r);
  assert_int_equal(r.tree->n, 4);
  assert_int_equal(r.tree->decls[3].n_clauses, 2);
  arena_free(r.arena);
}

static void numbers_and_texts(void **state) {
  (void)state;
  Read r = read_text("let a = [100_000, 1e-3, 2.50, 1e6, 0.1]\nlet b = \"\\t\\\\\\u{1F600}\"\n");
  assert_clean(&r);
  const Expr *list = r.tree->decls[0].value;
  assert_true(list->args[0].value->is_int && list->args[0].value->number == 100000);
  assert_true(!list->args[3].value->is_int && list->args[3].value->number == 1e6);
  Text t = {0};
  expr_print(list, &t);
  assert_string_equal(t.data, "[100000, 0.001, 2.5, 1e6, 0.1]");
  assert_string_equal(r.tree->decls[1].value->name, "\t\\\xF0\x9F\x98\x80");
  text_free(&t);
  arena_free(r.arena);
}

// ---- errors, word by word
static void errors_teach(void **state) {
  (void)state;
  assert_prints("taks a { head = x }\n",
                "t.mtl:1:1: error[unknown-declaration]: there is no declaration `taks`\n"
                " 1 | taks a { head = x }\n   | ^^^^\nhelp: did you mean `task`?\n");
  assert_prints("let y = x + x |> f\n",
                "t.mtl:1:15: error[pipe-mix]: `|>` does not mix with operators: it is not clear which comes first\n"
                " 1 | let y = x + x |> f\n   |               ^^\n"
                "t.mtl:1:11: note: `+` is here\n"
                " 1 | let y = x + x |> f\n   |           ^\n"
                "help: write `x + (x |> f)` or `(x + x) |> f`\n");
  assert_prints("let y = x |> f(2) + 1\n",
                "t.mtl:1:11: error[pipe-mix]: `|>` does not mix with operators: it is not clear which comes first\n"
                " 1 | let y = x |> f(2) + 1\n   |           ^^\n"
                "t.mtl:1:19: note: `+` is here\n"
                " 1 | let y = x |> f(2) + 1\n   |                   ^\n"
                "help: write `(x |> f(2)) + 1`\n");
  assert_prints("let y = 0 < x < 3\n",
                "t.mtl:1:15: error[chain]: comparisons do not chain\n"
                " 1 | let y = 0 < x < 3\n   |               ^\n"
                "t.mtl:1:11: note: the first `<` is here\n"
                " 1 | let y = 0 < x < 3\n   |           ^\n"
                "help: write `0 < x and x < 3`\n");
  assert_prints("\tlet 商品 = f(用户， x)\n",
                "t.mtl:1:15: error[wrong-character]: `，` is not a sign of this language\n"
                " 1 |     let 商品 = f(用户， x)\n   |                      ^^\n"
                "help: write `,`\n");
  assert_prints("let y = \nlet z = 10k\n",
                "t.mtl:1:8: error[syntax]: expected an expression, found the end of the line\n"
                " 1 | let y = \n   |        ^\n"
                "t.mtl:2:9: error[bad-number]: a number has no unit and no letters behind it\n"
                " 2 | let z = 10k\n   |         ^^^\n");
}

static void all_errors_in_one_run(void **state) {
  (void)state;
  Read r = read_text("model shop\nedition 2026\n"
                     "input a : vector(30\n"                                   // missing bracket
                     "label b : binary = = 3\n"                               // syntax
                     "lte x = a |> dense(2)\n"                                 // misspelt, or no declaration
                     "task t { head x |> f, loss = bce(b) }\n"                 // no `=`
                     "task u { head = x |> f 3, loss = bce(b }\n"              // two
                     "let s = \"abc\nlet n = 1e999\n");                        // two
  char *s = errors_of(&r);
  assert_int_equal(diag_errors(r.diag), 8);
  assert_int_equal(diag_exit_code(r.diag), 2);
  assert_non_null(strstr(s, "t.mtl:3:17: error[missing-bracket]"));
  assert_non_null(strstr(s, "t.mtl:4:20: error[syntax]: expected an expression, found `=`"));
  assert_non_null(strstr(s, "t.mtl:6:15: error[syntax]: expected `=`, found `x`"));
  assert_non_null(strstr(s, "t.mtl:8:9: error[unterminated-string]"));
  assert_non_null(strstr(s, "t.mtl:9:9: error[number-too-large]"));
  free(s);
  arena_free(r.arena);
}

static bool has_error(const Read *r, const char *code) {
  Text t = {0}, want = {0};
  diag_print(r->diag, &t, false);
  text_printf(&want, "error[%s]", code);
  bool found = t.data && strstr(t.data, want.data);
  text_free(&t);
  text_free(&want);
  return found;
}

static void assert_error(const char *text, size_t n, const char *code) {
  Read r = read_bytes(text, n);
  if (!has_error(&r, code)) fail_msg("no error[%s] for: %.*s", code, (int)(n < 200 ? n : 200), text);
  arena_free(r.arena);
}

static void broken_text(void **state) {
  (void)state;
  static const struct { const char *text; size_t n; const char *code; } cases[] = {
#define CASE(text, code) {text, sizeof text - 1, code}
    CASE("let x = \"caf\xE9\"", "not-utf8"), CASE("let x\0 = 3 # and a long rest of the line", "nul-byte"),
    CASE("\xFF\xFEl\0e\0t\0", "not-utf8"),   CASE("let x = \"abc", "unterminated-string"),
    CASE("let x = \"a\\", "unterminated-string"), CASE("let x = \"\\q\"", "bad-escape"),
    CASE("let x = \"\\u{0}\"", "bad-escape"), CASE("let x = \"\\u{D800}\"", "bad-escape"),
    CASE("let x = \"\\u{1234567890}\"", "bad-escape"), CASE("let x = `a", "unterminated-name"),
    CASE("let `` = 3", "bad-name"),
    CASE("let x = .5", "bad-number"), CASE("let x = 1__0", "bad-number"), CASE("let x = 1_", "bad-number"),
    CASE("let x = 5ms", "bad-number"), CASE("let x = 0x1F", "bad-number"), CASE("let x = 1e-400", "number-too-small"),
    CASE("let x = 99999999999999999999", "number-too-large"), CASE("let x = 1e999999999999", "number-too-large"),
    CASE("let x = “a”", "wrong-character"), CASE("let x = 'a'", "wrong-character"),
    CASE("let x = a && b", "wrong-character"),
    CASE("let x = a ** b", "wrong-character"), CASE("let x = a; let", "wrong-character"), CASE("// a", "wrong-character"),
    CASE("let x = a\xC2\xA0+ b", "wrong-character"), CASE("let x = ？", "wrong-character"),
    CASE("let x = @", "wrong-character"),
    CASE("let x = 0..1..2", "chain"), CASE("let x = y |> 3", "pipe-target"), CASE("let x = y |> f(3).a", "pipe-target"),
    CASE("model a edition 4", "declaration-line"), CASE("let x = f(a b)", "missing-comma"),
    CASE("let x = [(a])", "swapped-brackets"), CASE("let x = a }", "extra-bracket"), CASE("foo = 3", "syntax"),
    CASE("let in = 3", "syntax"), CASE("task a { head = , loss = x }", "syntax"), CASE("{", "missing-bracket"),
    CASE(")", "extra-bracket"),
  };
  for (int i = 0; i < COUNT_OF(cases); i++) assert_error(cases[i].text, cases[i].n, cases[i].code);
}

// before · middle × n · after
static char *repeated(const char *before, const char *middle, int n, const char *after) {
  Text t = {0};
  text_add(&t, before);
  for (int i = 0; i < n; i++) text_add(&t, middle);
  text_add(&t, after);
  return t.data;
}

static void check_depth(const char *before, const char *middle, int n, const char *after, bool fine) {
  char *s = repeated(before, middle, n, after);
  Read r = read_text(s);
  if (fine) {
    assert_clean(&r);
    check_tree(&r);
  } else {
    assert_true(has_error(&r, "too-deep"));
    assert_true(diag_errors(r.diag) <= 2);
  }
  free(s);
  arena_free(r.arena);
}

static void nesting_ends_somewhere(void **state) {
  (void)state;
  char *closers = repeated("", ")", 100000, "");
  check_depth("let x = ", "f(1 or 2 and 3 == 4 + 5 * -", 100000, closers, false);
  check_depth("let x = 1", " + 1", 900, "", true);
  check_depth("let x = 1", " + 1", 100000, "", false);
  check_depth("let x = ", "-", 100000, "1", false);
  check_depth("let x = ", "not ", 190, "a", true);
  check_depth("let x = ", "not ", 100000, "a", false);
  check_depth("let x = 1", " ^ 1", 190, "", true);
  check_depth("let x = 1", " ^ 1", 100000, "", false);
  check_depth("let x = a", " |> f", 100000, "", false);
  check_depth("let x = a", ".b", 100000, "", false);
  check_depth("let x = a", "[0]", 100000, "", false);
  check_depth("let x = a", " as b", 100000, "", false);
  check_depth("let x = ", "[", 100000, "", false);
  check_depth("task t { head = ", "{", 100000, "", false);
  free(closers);
}

static void deep_but_fine(void **state) {
  (void)state;
  char *closers = repeated("", ")", 200, ""), *text = repeated("let x = ", "f(a + b * -", 200, "1");
  Text both = {0};
  text_printf(&both, "%s%s", text, closers);
  Read r = read_text(both.data);
  assert_clean(&r);
  arena_free(r.arena);
  text_free(&both);
  free(closers);
  free(text);
}

// ---- places and printing
static void places(void **state) {
  (void)state;
  Arena *a = arena_new();
  Sources *s = sources_new(a);
  uint32_t f = source_add(s, "a", "ab\n商品x\n", 11);
  int line, col;
  source_line_col(s, (Place){f, 0, 1}, &line, &col);
  assert_true(line == 1 && col == 1);
  source_line_col(s, (Place){f, 9, 1}, &line, &col);
  assert_true(line == 2 && col == 3);
  source_line_col(s, (Place){f, 11, 0}, &line, &col);
  assert_true(line == 3 && col == 1);
  source_line_col(s, (Place){0, 0, 0}, &line, &col);
  assert_true(line == 0 && col == 0);
  Place joined = place_join((Place){f, 2, 3}, (Place){f, 7, 2});
  assert_true(joined.off == 2 && joined.len == 7);
  assert_null(source_name(s, 7));
  arena_free(a);
}

static void diagnostics_are_sorted_once_and_capped(void **state) {
  (void)state;
  Arena *a = arena_new();
  Sources *s = sources_new(a);
  uint32_t f = source_add(s, "a.mtl", "let x = y\r\nlet z = w\r\n", 22);
  Diag *d = diag_new(a, s);
  diag_data(d, "not-a-number", "orders.csv", 17, 18, "price", "`%s` is no number", "a\x1b[31m");
  diag_error(d, "b", (Place){f, 19, 1}, "second");
  diag_note(d, (Place){f, 4, 1}, "declared here");
  diag_error(d, "a", (Place){f, 8, 1}, "first");
  diag_error(d, "a", (Place){f, 8, 1}, "first, again");
  diag_help(d, "belongs to a repeated error: not shown");
  diag_machine(d, "disk", "no room");
  Text t = {0};
  diag_print(d, &t, false);
  assert_string_equal(t.data,
    "a.mtl:1:9: error[a]: first\n 1 | let x = y\n   |         ^\n"
    "a.mtl:2:9: error[b]: second\n 2 | let z = w\n   |         ^\n"
    "a.mtl:1:5: note: declared here\n 1 | let x = y\n   |     ^\n"
    "orders.csv:row 17, line 18, column \"price\": error[not-a-number]: `a\xEF\xBF\xBD[31m` is no number\n"
    "error[disk]: no room\n");
  assert_int_equal(diag_errors(d), 4);
  assert_int_equal(diag_exit_code(d), 3);              // of the first that came
  diag_clear(d);
  assert_int_equal(diag_exit_code(d), 0);
  for (int i = 0; i < 60; i++) diag_machine(d, "many", "%d", i);
  assert_int_equal(diag_errors(d), 60);
  text_free(&t);
  diag_print(d, &t, false);
  assert_non_null(strstr(t.data, ": 49\n") ? t.data : NULL);
  assert_null(strstr(t.data, ": 50\n"));
  text_free(&t);
  arena_free(a);
}

static void lines_are_cut_to_the_terminal(void **state) {
  (void)state;
  Arena *a = arena_new();
  Sources *s = sources_new(a);
  static const char line[] = "let a = bbbbbbbbbb cccccccccc dddddddddd eeeeeeeeee ffffffffff gggggggggg hhhhhhhhhh\n";
  uint32_t f = source_add(s, "a.mtl", line, sizeof line - 1);
  Diag *d = diag_new(a, s);
  diag_error(d, "a", (Place){f, (uint32_t)(strchr(line, 'f') - line), 5}, "here");
  diag_width(d, 40);
  Text t = {0};
  diag_print(d, &t, false);
  char *shown = strchr(t.data, '\n') + 1, *marks = strchr(shown, '\n') + 1, *caret = strchr(marks, '^'), *under = strchr(shown, 'f');
  assert_non_null(caret);
  assert_non_null(under);
  assert_int_equal(display_width(marks, (size_t)(caret - marks)), display_width(shown, (size_t)(under - shown)));
  assert_true(display_width(shown, (size_t)(marks - 1 - shown)) <= 40);
  assert_int_equal(strspn(caret, "^"), 5);
  text_free(&t);
  arena_free(a);
}

static void diagnostics_as_json(void **state) {
  (void)state;
  Arena *a = arena_new();
  Sources *s = sources_new(a);
  Diag *d = diag_new(a, s);
  diag_error(d, "a", (Place){source_add(s, "a.mtl", "商 = \"y\"", 9), 6, 3}, "no \"%s\"", "y");
  diag_help(d, "write\tz");
  diag_data(d, "d", "f.csv", 3, 0, "c", "x");
  Text t = {0};
  diag_json(d, &t);
  assert_string_equal(t.data,
    "[{\"severity\": \"error\", \"code\": \"a\", \"message\": \"no \\\"y\\\"\", \"file\": \"a.mtl\", \"line\": 1, "
    "\"column\": 5, \"end_column\": 8, \"row\": null, \"notes\": [], \"help\": [\"write\\u0009z\"]},\n"
    " {\"severity\": \"error\", \"code\": \"d\", \"message\": \"x\", \"file\": \"f.csv\", \"line\": null, \"column\": null, "
    "\"end_column\": null, \"data_column\": \"c\", \"row\": 3, \"notes\": [], \"help\": []}]");
  text_free(&t);
  arena_free(a);
}

// ---- one slip in every place: how many reports does it give?
typedef struct { int erroneous, one, two; } Tally;
typedef enum { DELETE, DOUBLE, SWAP, N_SLIPS } Slip;

static void add_part(Text *t, const char *s, uint32_t from, uint32_t to) { text_addn(t, s + from, to - from); }

// The text with a slip at token k. SWAP changes places with the token behind.
static Text slipped(const Feed *f, int k, Slip slip) {
  Place p = f->tokens.data[k].at, q = f->tokens.data[k + 1].at;
  uint32_t p_end = p.off + p.len, q_end = q.off + q.len, n = (uint32_t)f->n;
  Text t = {0};
  add_part(&t, f->text, 0, p.off);
  if (slip != DELETE) add_part(&t, f->text, slip == SWAP ? q.off : p.off, slip == SWAP ? q_end : p_end);
  text_char(&t, ' ');
  if (slip == SWAP) add_part(&t, f->text, p_end, q.off);
  if (slip != DELETE) add_part(&t, f->text, p.off, p_end);
  text_char(&t, ' ');
  add_part(&t, f->text, slip == SWAP ? q_end : p_end, n);
  return t;
}

static void try_slips(const char *text, size_t n, Tally *tally) {
  Read whole = read_bytes(text, n);
  Feed f = {.arena = whole.arena, .sources = whole.sources, .diag = whole.diag, .file = whole.file,
            .text = source_text(whole.sources, whole.file, NULL), .n = n};
  feed_scan(&f);
  for (int k = 0; k < f.tokens.n - 1; k++)
    for (Slip slip = DELETE; slip < N_SLIPS; slip++) {
      Text t = slipped(&f, k, slip);
      Read r = read_bytes(t.data, t.n);
      int errors = diag_errors(r.diag);
      assert_true(errors == 0 || r.tree->n <= whole.tree->n + 2);
      tally->erroneous += errors > 0;
      tally->one += errors == 1;
      tally->two += errors == 2;
      arena_free(r.arena);
      text_free(&t);
    }
  arena_free(whole.arena);
}

static void assert_few_reports(const Tally *t) {
  double one = 100.0 * t->one / t->erroneous, two = 100.0 * (t->one + t->two) / t->erroneous;
  print_message("%d slips seen: %.1f %% give one report, %.1f %% at most two\n", t->erroneous, one, two);
  assert_true(one >= 75);
  assert_true(two >= 93);
}

static void one_slip_one_report(void **state) {
  (void)state;
  Tally t = {0};
  try_slips(corpus, sizeof corpus - 1, &t);
  assert_few_reports(&t);
}

static char *file_text(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  assert_non_null(f);
  Text t = {0};
  char part[4096];
  for (size_t got; (got = fread(part, 1, sizeof part, f)) > 0;) text_addn(&t, part, got);
  fclose(f);
  *n = t.n;
  return t.data;
}

// Reads all files of a pattern; with a tally, with all slips too.
static int read_files(const char *folder, const char *pattern, Tally *tally) {
  Text path = {0};
  text_printf(&path, "%s/%s", folder, pattern);
  glob_t found;
  int count = glob(path.data, 0, NULL, &found) == 0 ? (int)found.gl_pathc : 0;
  for (int i = 0; i < count; i++) {
    size_t n;
    char *text = file_text(found.gl_pathv[i], &n);
    Read r = read_bytes(text, n);
    assert_clean(&r);
    check_tree(&r);
    arena_free(r.arena);
    if (tally) try_slips(text, n, tally);
    free(text);
  }
  globfree(&found);
  text_free(&path);
  return count;
}

static void reads_the_specs(void **state) {
  (void)state;
  const char *source = getenv("srcdir");
  Text folder = {0};
  text_printf(&folder, "%s/specs", source ? source : ".");
  int count = read_files(folder.data, "*.mtl", NULL) + read_files(folder.data, "std/*.mtl", NULL);
  text_free(&folder);
  if (count == 0) skip();
}

static void reads_the_drafts(void **state) {
  (void)state;
  const char *folder = getenv("MTLC_DRAFTS");
  Tally t = {0};
  if (!folder || read_files(folder, "*.mtl", &t) + read_files(folder, "std/*.mtl", &t) == 0) skip();
  assert_few_reports(&t);
}

// ---- noise: bytes changed at random; the seed is fixed
static void noise_is_harmless(void **state) {
  (void)state;
  uint64_t seed = 7;
  for (int round = 0; round < 400; round++) {
    char text[sizeof corpus];
    memcpy(text, corpus, sizeof corpus);
    for (int k = 0; k < 1 + round % 40; k++) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      static const char bytes[] = "(){}[],=.\"`|>:\n#\\-\x80\xE2\xFF\0 a1";
      text[(seed >> 33) % (sizeof corpus - 1)] = bytes[(seed >> 20) % (sizeof bytes - 1)];
    }
    Read r = read_bytes(text, sizeof corpus - 1 - (size_t)(round % 7 == 0 ? (seed >> 40) % 900 : 0));
    Text t = {0};
    diag_print(r.diag, &t, true);
    diag_json(r.diag, &t);
    ast_print(r.tree, &t);
    text_free(&t);
    arena_free(r.arena);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(reads_the_corpus), cmocka_unit_test(pipe_is_a_call), cmocka_unit_test(names_are_composed),
    cmocka_unit_test(words_are_names_elsewhere), cmocka_unit_test(numbers_and_texts), cmocka_unit_test(errors_teach),
    cmocka_unit_test(all_errors_in_one_run), cmocka_unit_test(broken_text), cmocka_unit_test(nesting_ends_somewhere),
    cmocka_unit_test(deep_but_fine), cmocka_unit_test(places), cmocka_unit_test(diagnostics_are_sorted_once_and_capped),
    cmocka_unit_test(lines_are_cut_to_the_terminal), cmocka_unit_test(diagnostics_as_json), cmocka_unit_test(one_slip_one_report), cmocka_unit_test(reads_the_specs),
    cmocka_unit_test(reads_the_drafts), cmocka_unit_test(noise_is_harmless),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
