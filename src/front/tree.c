// tree.c: builds the nodes of the tree. What the grammar lets pass though it means nothing (operators mixed with `|>`,
// chains of comparisons, a pipe into what takes no value) is reported here, with how to write it.
#include "tree.h"
#include "grammar/parse.h"

static Expr *node(Feed *f, ExprKind kind, Place at) {
  Expr *e = NEW(f->arena, Expr);
  *e = (Expr){.kind = kind, .at = at, .height = 1};
  return e;
}

static void rise(Expr *e, const Expr *child) {
  if (child && child->height >= e->height) e->height = child->height + 1;
}

// The node, once its children are in; or what stands for it where the tree has grown too high to recurse over.
static Expr *done(Feed *f, Expr *e) {
  rise(e, e->a);
  rise(e, e->b);
  for (int i = 0; i < e->n_args; i++) rise(e, e->args[i].value);
  for (int i = 0; i < e->n_each; i++) rise(e, e->each[i].over);
  if (e->height <= MAX_HEIGHT) return e;
  if (f->last_high == f->decls.n) return tree_bad(f, e->at);           // once a declaration
  f->last_high = f->decls.n;
  diag_error(f->diag, "too-deep", e->op_at.file ? e->op_at : e->at, "this expression has more than %d steps", MAX_HEIGHT);
  diag_help(f->diag, "name parts of it with `let`");
  return tree_bad(f, e->at);
}

static bool is_bad(const Expr *e) { return e->kind == EX_BAD; }

Expr *tree_bad(Feed *f, Place at) { return node(f, EX_BAD, at); }

static bool is_predeclared(const char *name) {
  static const char *const words[] = {"true", "false", "inf", "last", "row", "training", "loss", "data"};
  for (int i = 0; i < COUNT_OF(words); i++)
    if (strcmp(words[i], name) == 0) return true;
  return false;
}

Expr *tree_leaf(Feed *f, ExprKind kind, Token t) {
  Expr *e = node(f, kind, t.at);
  e->name = t.text;
  e->number = t.number;
  e->is_int = t.is_int;
  e->quoted = t.quoted && (!is_plain_name(t.text) || is_reserved(t.text) || is_predeclared(t.text));
  return e;
}

Expr *tree_group(Place at, Expr *e) {
  e->at = at;
  e->grouped = true;
  return e;
}

// ---- operators
static bool is_comparison(AstOp op) { return op >= AST_EQ && op <= AST_GE; }
static bool is_open(const Expr *e) { return (e->kind == EX_BINARY || e->kind == EX_UNARY) && !e->grouped; }

static const char *spelling(Feed *f, const Expr *e) {
  enum { LONGEST = 40 };
  Text t = {0};
  expr_print(e, &t);
  const char *s = t.data && t.n <= LONGEST ? arena_strndup(f->arena, t.data, t.n) : "…";
  text_free(&t);
  return s;
}

Expr *tree_unary(Feed *f, AstOp op, Place op_at, Place at, Expr *a) {
  if (is_bad(a)) return tree_bad(f, at);
  Expr *e = node(f, EX_UNARY, at);
  e->op = op;
  e->op_at = op_at;
  e->a = a;
  return done(f, e);
}

// `a < b < c` and `0..1..2`: true where reported.
static bool report_chain(Feed *f, AstOp op, Place op_at, const Expr *a, const Expr *b) {
  if (!is_open(a) || a->kind != EX_BINARY) return false;
  bool comparisons = is_comparison(op) && is_comparison(a->op), ranges = op == AST_RANGE && a->op == AST_RANGE;
  if (!comparisons && !ranges) return false;
  diag_error(f->diag, "chain", op_at, comparisons ? "comparisons do not chain" : "a range has two ends");
  diag_note(f->diag, a->op_at, "the first `%s` is here", ast_op_text(a->op));
  if (comparisons)
    diag_help(f->diag, "write `%s and %s %s %s`", spelling(f, a), spelling(f, a->b), ast_op_text(op), spelling(f, b));
  return true;
}

Expr *tree_binary(Feed *f, AstOp op, Place op_at, Place at, Expr *a, Expr *b) {
  if (is_bad(a) || is_bad(b) || report_chain(f, op, op_at, a, b)) return tree_bad(f, at);
  Expr *e = node(f, EX_BINARY, at);
  e->op = op;
  e->op_at = op_at;
  e->a = a;
  e->b = b;
  return done(f, e);
}

// ---- the pipe
static Expr *call_with(Feed *f, Place op_at, Place at, Expr *left, Expr *callee, const Expr *call) {
  Expr *e = node(f, EX_CALL, at);
  e->piped = true;
  e->op_at = op_at;
  e->a = callee;
  e->n_args = 1 + (call ? call->n_args : 0);
  e->args = NEW_ARRAY(f->arena, Arg, e->n_args);
  e->args[0] = (Arg){.value = left};
  for (int i = 1; i < e->n_args; i++) e->args[i] = call->args[i - 1];
  return done(f, e);
}

// Whether a call hides below the members and indices of e: `f(3).out`.
static bool holds_call(const Expr *e) {
  while ((e->kind == EX_MEMBER || e->kind == EX_INDEX) && !e->grouped) e = e->a;
  return (e->kind == EX_CALL || e->kind == EX_AS) && !e->grouped;
}

static Expr *refuse_target(Feed *f, Place at, const Expr *right) {
  diag_error(f->diag, "pipe-target", right->at, "`|>` leads to a layer or a function, called or by its name");
  if (right->kind == EX_MEMBER || right->kind == EX_INDEX)
    diag_help(f->diag, "to take a part of the result, put the whole before it in round brackets: `(x |> f(…)).part`");
  return tree_bad(f, at);
}

// left |> right: right with left as its first argument.
static Expr *pipe_into(Feed *f, Place op_at, Place at, Expr *left, Expr *right) {
  if (right->grouped && right->kind != EX_BAD) return call_with(f, op_at, at, left, right, NULL);
  switch (right->kind) {
    case EX_BAD: return tree_bad(f, at);
    case EX_NAME: case EX_INSTANCE: return call_with(f, op_at, at, left, right, NULL);
    case EX_CALL: return call_with(f, op_at, at, left, right->a, right);
    case EX_MEMBER: case EX_INDEX:
      return holds_call(right) ? refuse_target(f, at, right) : call_with(f, op_at, at, left, right, NULL);
    case EX_AS: {
      Expr *inner = pipe_into(f, op_at, place_join(left->at, right->a->at), left, right->a), *e = node(f, EX_AS, at);
      if (is_bad(inner)) return inner;
      e->a = inner;
      e->name = right->name;
      e->op_at = right->op_at;
      return done(f, e);
    }
    default: return refuse_target(f, at, right);
  }
}

// `x + y |> f` and `x |> f + y`
static Expr *report_mixing(Feed *f, Place op_at, Place at, const Expr *left, const Expr *right) {
  const Expr *mixed = is_open(left) ? left : right;
  const char *op = ast_op_text(mixed->op);
  diag_error(f->diag, "pipe-mix", op_at, "`|>` does not mix with operators: it is not clear which comes first");
  diag_note(f->diag, mixed->op_at, "`%s` is here", op);
  const char *l = spelling(f, left), *r = spelling(f, right);
  if (mixed == right && right->kind == EX_BINARY)
    diag_help(f->diag, "write `(%s |> %s) %s %s`", l, spelling(f, right->a), op, spelling(f, right->b));
  else if (mixed == right)
    diag_help(f->diag, "write the operator before the pipe, with round brackets around the pipe");
  else if (left->kind == EX_BINARY)
    diag_help(f->diag, "write `%s %s (%s |> %s)` or `(%s) |> %s`", spelling(f, left->a), op, spelling(f, left->b), r, l, r);
  else
    diag_help(f->diag, "write `%s%s(%s |> %s)` or `(%s) |> %s`", op, left->op == AST_NOT ? " " : "", spelling(f, left->a), r,
              l, r);
  return tree_bad(f, at);
}

Expr *tree_pipe(Feed *f, Place op_at, Place at, Expr *left, Expr *right) {
  if (is_bad(left) || is_bad(right)) return tree_bad(f, at);
  if (is_open(left) || is_open(right)) return report_mixing(f, op_at, at, left, right);
  return pipe_into(f, op_at, at, left, right);
}

// ---- what follows an operand, and what stands in brackets
static Expr *with_args(Feed *f, ExprKind kind, Place at, Expr *a, Args args) {
  if (a && is_bad(a)) return tree_bad(f, at);
  Expr *e = node(f, kind, at);
  e->a = a;
  e->args = args.data;
  e->n_args = args.n;
  return done(f, e);
}

Expr *tree_call(Feed *f, Place at, Expr *a, Args args) { return with_args(f, EX_CALL, at, a, args); }
Expr *tree_index(Feed *f, Place at, Expr *a, Args args) { return with_args(f, EX_INDEX, at, a, args); }
Expr *tree_args(Feed *f, ExprKind kind, Place at, Args args) { return with_args(f, kind, at, NULL, args); }
Expr *tree_instance(Feed *f, Place at, Expr *a, Args args) { return with_args(f, EX_INSTANCE, at, a, args); }

Expr *tree_member(Feed *f, ExprKind kind, Place at, Expr *a, Token name) {
  if (is_bad(a)) return tree_bad(f, at);
  Expr *e = node(f, kind, at);
  e->a = a;
  e->name = name.text;
  e->op_at = name.at;
  return done(f, e);
}

Expr *tree_loop(Feed *f, Place at, Eaches each, Expr *body) {
  Expr *e = node(f, EX_REPEAT, at);
  e->a = body;
  e->each = each.data;
  e->n_each = each.n;
  return done(f, e);
}

Expr *tree_fold(Feed *f, Place at, Token name, Expr *start, Eaches each, Expr *body) {
  Expr *e = node(f, EX_FOLD, at);
  e->a = body;
  e->b = start;
  e->name = name.text;
  e->op_at = name.at;
  e->each = each.data;
  e->n_each = each.n;
  return done(f, e);
}

// ---- declarations
void decl_add(Feed *f, Decl d) { vec_push(f->arena, &f->decls, d); }

void decl_block(Decl *d, Block b) {
  d->clauses = b.clauses.data;
  d->n_clauses = b.clauses.n;
  d->has_block = b.there;
}

void decl_names(Decl *d, Names names) {
  d->names = names.data;
  d->n_names = names.n;
}

void decl_name(Feed *f, Decl *d, Token name) {
  d->names = NEW(f->arena, Name);
  d->names[0] = (Name){name.text, name.at};
  d->n_names = 1;
}
