// ast_print.c: the tree as text. expr_print gives the canonical spelling on one line: read again, it gives the same tree.
// ast_print gives one node a line, indented, for tests and for people who want to see what was read.
#include "ast.h"
#include "feed.h"
#include <locale.h>
#include <math.h>

// ---- spelling
static const struct { const char *text; int level; } ops[] = {
  [AST_NEG] = {"-", 8},  [AST_NOT] = {"not", 3}, [AST_ADD] = {"+", 6},  [AST_SUB] = {"-", 6},  [AST_MUL] = {"*", 7},
  [AST_DIV] = {"/", 7},  [AST_MOD] = {"%", 7},   [AST_POW] = {"^", 9},  [AST_EQ] = {"==", 4},  [AST_NE] = {"!=", 4},
  [AST_LT] = {"<", 4},   [AST_LE] = {"<=", 4},   [AST_GT] = {">", 4},   [AST_GE] = {">=", 4},  [AST_AND] = {"and", 2},
  [AST_OR] = {"or", 1},  [AST_RANGE] = {"..", 5},
};
enum { LEVEL_PIPE = 0, LEVEL_OPERATOR = 1, LEVEL_POSTFIX = 10, LEVEL_NEVER = 11 };

const char *ast_op_text(AstOp op) { return ops[op].text; }

static void print_name(Text *out, const char *name, bool quoted) {
  bool plain = !quoted && is_plain_name(name) && !is_reserved(name);
  text_printf(out, plain ? "%s" : "`%s`", name);
}

// A word behind `.` is a name whatever it is.
static void print_member(Text *out, const char *name) {
  text_printf(out, is_plain_name(name) ? ".%s" : ".`%s`", name);
}

static void print_string(Text *out, const char *s) {
  text_char(out, '"');
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s;
    if (c == '"' || c == '\\') text_printf(out, "\\%c", c);
    else if (c == '\n') text_add(out, "\\n");
    else if (c == '\t') text_add(out, "\\t");
    else if (c < 0x20 || c == 0x7F) text_printf(out, "\\u{%X}", c);
    else text_char(out, (char)c);
  }
  text_char(out, '"');
}

// The shortest digits that read back as the same number: 0.001, 1e-7, 3.0.
static void print_number(Text *out, double x, bool is_int) {
  char digits[40];
  if (is_int) {
    text_printf(out, "%.0f", x);
    return;
  }
  for (int precision = 1; precision <= 17; precision++) {
    snprintf(digits, sizeof digits, "%.*g", precision, x);
    if (strtod(digits, NULL) == x) break;
  }
  char *e = strchr(digits, 'e');
  if (!e) {
    text_printf(out, strchr(digits, '.') ? "%s" : "%s.0", digits);
    return;
  }
  text_printf(out, "%.*se%d", (int)(e - digits), digits, atoi(e + 1));        // e-07 → e-7
}

static void print_expr(Text *out, const Expr *e, int level);

static void print_args(Text *out, const Arg *args, int n, int from) {
  for (int i = from; i < n; i++) {
    if (i > from) text_add(out, ", ");
    if (args[i].name) {
      print_name(out, args[i].name, false);
      text_add(out, " = ");
    }
    print_expr(out, args[i].value, LEVEL_PIPE);
  }
}

static void print_eaches(Text *out, const Expr *e) {
  for (int i = 0; i < e->n_each; i++) {
    if (e->each[i].name) {
      print_name(out, e->each[i].name, false);
      text_add(out, " in ");
    }
    print_expr(out, e->each[i].over, LEVEL_PIPE);
    text_add(out, ", ");
  }
}

// Whether a piped call is what e is, but for its `as` names.
static bool is_piped(const Expr *e) {
  while (e->kind == EX_AS) e = e->a;
  return e->kind == EX_CALL && e->piped;
}

static int level_of(const Expr *e) {
  if (e->kind == EX_BINARY || e->kind == EX_UNARY) return ops[e->op].level;
  return is_piped(e) ? LEVEL_PIPE : LEVEL_POSTFIX;
}

// The part of a name that needs no `()` behind it to be called by a pipe.
static bool is_bare_target(const Expr *e) {
  if (e->kind == EX_INSTANCE) return true;
  while (e->kind == EX_MEMBER || e->kind == EX_INDEX) e = e->a;
  return e->kind == EX_NAME;
}

static void print_call(Text *out, const Expr *e) {
  if (!e->piped) {
    print_expr(out, e->a, LEVEL_POSTFIX);
    text_char(out, '(');
    print_args(out, e->args, e->n_args, 0);
    text_char(out, ')');
    return;
  }
  int left = level_of(e->args[0].value);
  print_expr(out, e->args[0].value, left == LEVEL_PIPE ? LEVEL_PIPE : LEVEL_POSTFIX);
  text_add(out, " |> ");
  print_expr(out, e->a, LEVEL_POSTFIX);
  if (e->n_args == 1 && is_bare_target(e->a)) return;
  text_char(out, '(');
  print_args(out, e->args, e->n_args, 1);
  text_char(out, ')');
}

// `+` and `/` group to the left, `^` to the right, comparisons and ranges not at all.
static void print_binary(Text *out, const Expr *e) {
  int level = ops[e->op].level, left = level, right = level + 1;
  if (e->op == AST_POW) left = level + 1, right = ops[AST_NEG].level;
  if (level == ops[AST_EQ].level || e->op == AST_RANGE) left = level + 1;
  // `a ^ -b ^ c` is a ^ (-(b ^ c)): a sign on the right may stay, one on the left may not.
  print_expr(out, e->a, left);
  text_printf(out, e->op == AST_RANGE || e->op == AST_POW ? "%s" : " %s ", ops[e->op].text);
  print_expr(out, e->b, right);
}

static void print_unary(Text *out, const Expr *e) {
  text_add(out, e->op == AST_NOT ? "not " : "-");
  print_expr(out, e->a, ops[e->op].level);
}

static void print_inner(Text *out, const Expr *e) {
  switch (e->kind) {
    case EX_NAME: print_name(out, e->name, e->quoted); return;
    case EX_NUMBER: print_number(out, e->number, e->is_int); return;
    case EX_STRING: print_string(out, e->name); return;
    case EX_CALL: print_call(out, e); return;
    case EX_MEMBER:
      print_expr(out, e->a, LEVEL_POSTFIX);
      print_member(out, e->name);
      return;
    case EX_AS:
      print_expr(out, e->a, is_piped(e->a) ? LEVEL_PIPE : LEVEL_POSTFIX);
      text_add(out, " as ");
      print_name(out, e->name, false);
      return;
    case EX_UNARY: print_unary(out, e); return;
    case EX_BINARY: print_binary(out, e); return;
    case EX_INDEX:
      print_expr(out, e->a, LEVEL_POSTFIX);
      text_char(out, '[');
      break;
    case EX_LIST: text_char(out, '['); break;
    case EX_RECORD: text_char(out, '('); break;
    case EX_REPEAT:
      text_add(out, "repeat(");
      print_eaches(out, e);
      print_expr(out, e->a, LEVEL_PIPE);
      text_char(out, ')');
      return;
    case EX_FOLD:
      text_add(out, "fold(");
      print_name(out, e->name, false);
      text_add(out, " = ");
      print_expr(out, e->b, LEVEL_PIPE);
      text_add(out, ", ");
      print_eaches(out, e);
      print_expr(out, e->a, LEVEL_PIPE);
      text_char(out, ')');
      return;
    case EX_INSTANCE:
      text_add(out, "instance ");
      print_expr(out, e->a, LEVEL_POSTFIX);
      text_char(out, '(');
      break;
    case EX_BAD: text_add(out, "?"); return;
  }
  print_args(out, e->args, e->n_args, 0);
  text_char(out, e->kind == EX_RECORD || e->kind == EX_INSTANCE ? ')' : ']');
}

// e where at least `level` must bind; in brackets where it binds less.
static void print_expr(Text *out, const Expr *e, int level) {
  bool brackets = level_of(e) < level;
  if (brackets) text_char(out, '(');
  print_inner(out, e);
  if (brackets) text_char(out, ')');
}

// Numbers have a point, whatever the caller's locale.
typedef struct { locale_t plain, before; } Locale;

static Locale plain_locale(void) {
  Locale l = {.plain = newlocale(LC_ALL_MASK, "C", (locale_t)0)};
  if (l.plain) l.before = uselocale(l.plain);
  return l;
}

static void restore_locale(Locale l) {
  if (!l.plain) return;
  uselocale(l.before);
  freelocale(l.plain);
}

void expr_print(const Expr *e, Text *out) {
  Locale l = plain_locale();
  print_expr(out, e, LEVEL_PIPE);
  restore_locale(l);
}

// ---- one node a line
static const char *const kind_names[] = {
  [EX_NAME] = "name", [EX_NUMBER] = "number", [EX_STRING] = "string", [EX_CALL] = "call", [EX_INDEX] = "index",
  [EX_MEMBER] = "member", [EX_AS] = "as", [EX_UNARY] = "unary", [EX_BINARY] = "binary", [EX_LIST] = "list",
  [EX_RECORD] = "record", [EX_REPEAT] = "repeat", [EX_FOLD] = "fold", [EX_INSTANCE] = "instance", [EX_BAD] = "bad",
};

static const char *const decl_words[] = {
  [DECL_MODEL] = "model", [DECL_EDITION] = "edition", [DECL_IMPORT] = "import", [DECL_SOURCE] = "source",
  [DECL_FROM] = "from", [DECL_INPUT] = "input", [DECL_LABEL] = "label", [DECL_LET] = "let",
  [DECL_SHARED] = "shared", [DECL_LAYER] = "layer",
  [DECL_TASK] = "task", [DECL_TRAIN] = "train", [DECL_OUTPUT] = "output", [DECL_REQUIRE] = "require",
  [DECL_ACCEPT] = "accept",
};

static void indent(Text *out, int depth) {
  for (int i = 0; i < depth; i++) text_add(out, "  ");
}

static void print_node(Text *out, const Expr *e, int depth, const char *role, const char *name);

static void print_children(Text *out, const Expr *e, int depth) {
  if (e->kind == EX_FOLD) print_node(out, e->b, depth, "start", e->name);
  for (int i = 0; i < e->n_each; i++)
    print_node(out, e->each[i].over, depth, e->each[i].name ? "each" : "times", e->each[i].name);
  if (e->a) print_node(out, e->a, depth, NULL, NULL);
  if (e->b && e->kind != EX_FOLD) print_node(out, e->b, depth, NULL, NULL);
  for (int i = 0; i < e->n_args; i++)
    print_node(out, e->args[i].value, depth, e->args[i].name ? "arg" : NULL, e->args[i].name);
}

// role and name, where given, say what the node is to its parent: `arg axis:`.
static void print_node(Text *out, const Expr *e, int depth, const char *role, const char *name) {
  indent(out, depth);
  if (role) text_add(out, role);
  if (name) {
    text_char(out, ' ');
    print_name(out, name, false);
  }
  text_printf(out, role ? ": %s" : "%s", kind_names[e->kind]);
  bool shows_text = e->kind == EX_NAME || e->kind == EX_NUMBER || e->kind == EX_STRING;
  if (shows_text) {
    text_char(out, ' ');
    print_inner(out, e);
  }
  if (e->kind == EX_MEMBER || e->kind == EX_AS) {
    text_char(out, ' ');
    print_name(out, e->name, false);
  }
  if (e->kind == EX_UNARY || e->kind == EX_BINARY) text_printf(out, " %s", ops[e->op].text);
  if (e->piped) text_add(out, " |>");
  text_char(out, '\n');
  print_children(out, e, depth + 1);
}

static void print_head(Text *out, const Decl *d) {
  text_add(out, decl_words[d->kind]);
  for (int i = 0; i < d->n_names; i++) {
    text_add(out, i ? ", " : d->kind == DECL_IMPORT ? " as " : " ");
    print_name(out, d->names[i].name, false);
  }
  for (int i = 0; i < d->n_path; i++) {
    text_add(out, i ? "." : " ");
    print_name(out, d->path[i].name, false);
  }
  if (d->text) {
    text_char(out, ' ');
    print_string(out, d->text);
  }
  if (d->kind == DECL_ACCEPT) {
    text_add(out, " until ");
    print_number(out, d->number, d->number == floor(d->number));
  }
  text_char(out, '\n');
}

static void print_param(Text *out, const Arg *p) {
  if (p->value) {
    print_node(out, p->value, 1, "param", p->name);
    return;
  }
  text_add(out, "  param ");
  print_name(out, p->name, false);
  text_char(out, '\n');
}

void ast_print(const Ast *t, Text *out) {
  Locale l = plain_locale();
  for (int i = 0; i < t->n; i++) {
    const Decl *d = &t->decls[i];
    print_head(out, d);
    for (int k = 0; k < d->n_params; k++) print_param(out, &d->params[k]);
    if (d->type) print_node(out, d->type, 1, "type", NULL);
    if (d->value) print_node(out, d->value, 1, "value", NULL);
    if (d->where) print_node(out, d->where, 1, "where", NULL);
    for (int k = 0; k < d->n_clauses; k++) print_node(out, d->clauses[k].value, 1, "clause", d->clauses[k].key);
  }
  restore_locale(l);
}
