// clause.c: blocks and calls as tables of keys, and the constants that stand in them. What is not in a table is an error
// with the nearest key; what the language has but this version has not is named as such; nothing passes silently.
#include "model_int.h"
#include <math.h>

static const Key *find_key(const Key *keys, int n, const char *name) {
  for (int i = 0; i < n; i++)
    if (strcmp(keys[i].key, name) == 0) return &keys[i];
  return NULL;
}

static Words words_of(Arena *a, const Key *keys, int n) {
  Words w = {0};
  for (int i = 0; i < n; i++)
    if (!keys[i].later) vec_push(a, &w, keys[i].key);
  return w;
}

static void help_keys(Spec *s, const char *word, const Key *keys, int n) {
  Words w = words_of(s->m.arena, keys, n);
  help_nearest(s->diag, word, &w);
  help_list(s->diag, "it knows", &w);
}

void check_clauses(Spec *s, const Decl *d, const Key *keys, int n, const char *what) {
  for (int i = 0; i < d->n_clauses; i++) {
    const Clause *c = &d->clauses[i];
    const Key *k = find_key(keys, n, c->key);
    if (!k) {
      diag_error(s->diag, "unknown-clause", c->at, "%s has no `%s`", what, c->key);
      help_keys(s, c->key, keys, n);
    } else if (k->later) {
      error_unsupported(s->diag, c->at, arena_printf(s->m.arena, "`%s` of %s", c->key, what));
    }
    for (int j = 0; j < i; j++) {
      if (strcmp(d->clauses[j].key, c->key) != 0) continue;
      diag_error(s->diag, "duplicate-clause", c->at, "`%s` is given twice", c->key);
      diag_note(s->diag, d->clauses[j].at, "first here");
      break;
    }
  }
}

const Clause *find_clause(const Decl *d, const char *key) {
  for (int i = 0; i < d->n_clauses; i++)
    if (strcmp(d->clauses[i].key, key) == 0) return d->clauses[i].value && d->clauses[i].value->kind != EX_BAD
        ? &d->clauses[i] : NULL;
  return NULL;
}

static bool bad_value_of(Spec *s, const Expr *e, const char *what, const char *expected) {
  if (e->kind == EX_BAD) return false;
  diag_error(s->diag, "bad-value", e->at, "%s must be %s, not `%s`", what, expected, expr_text(s->m.arena, e));
  return false;
}

int choose(Spec *s, const Expr *e, const char *what, const char *const *names, int n) {
  if (e->kind == EX_BAD) return -1;
  const char *name = e->kind == EX_NAME ? e->name : NULL;
  Words w = {0};
  for (int i = 0; i < n; i++) {
    if (name && strcmp(names[i], name) == 0) return i;
    vec_push(s->m.arena, &w, names[i]);
  }
  diag_error(s->diag, "bad-value", e->at, "%s cannot be `%s`", what, expr_text(s->m.arena, e));
  const char *word = name ? name : callee_name(e);
  if (word) help_nearest(s->diag, word, &w);
  help_list(s->diag, "it can be", &w);
  return -1;
}

// ---------------------------------------------------------------- constants
static double arithmetic(AstOp op, double a, double b) {
  switch (op) {
  case AST_ADD: return a + b;
  case AST_SUB: return a - b;
  case AST_MUL: return a * b;
  case AST_DIV: return a / b;
  case AST_MOD: return a - b * floor(a / b);
  case AST_POW: return pow(a, b);
  default: return NAN;
  }
}

// steps: how many are left; a let that doubles another many times over is no constant that anybody means.
static bool constant(Spec *s, const Expr *e, double *v, int *steps) {
  double a, b;
  if (--*steps < 0) return false;
  switch (e->kind) {
  case EX_NUMBER: return *v = e->number, true;
  case EX_NAME: {
    const Symbol *y = find_symbol(s, e->name);
    if (!y && strcmp(e->name, "inf") == 0) return *v = INFINITY, true;
    return y && y->kind == SYM_BINDING && constant(s, s->bindings.data[y->index].decl->value, v, steps);
  }
  case EX_UNARY:
    if (e->op != AST_NEG || !constant(s, e->a, &a, steps)) return false;
    return *v = -a, true;
  case EX_BINARY:
    if (!constant(s, e->a, &a, steps) || !constant(s, e->b, &b, steps)) return false;
    *v = arithmetic(e->op, a, b);
    return !isnan(*v);
  default: return false;
  }
}

bool const_number(Spec *s, const Expr *e, double *v) {
  int steps = 5000;
  return e && constant(s, e, v, &steps);
}

bool need_number(Spec *s, const Expr *e, const char *what, double lo, double hi, double *v) {
  if (!const_number(s, e, v)) return bad_value_of(s, e, what, "a number");
  if (*v >= lo && *v <= hi) return true;
  if (isinf(hi)) diag_error(s->diag, "bad-value", e->at, "%s must be at least %g, not %g", what, lo, *v);
  else diag_error(s->diag, "bad-value", e->at, "%s must be %g to %g, not %g", what, lo, hi, *v);
  return false;
}

bool need_int(Spec *s, const Expr *e, const char *what, int64_t lo, int64_t hi, int64_t *v) {
  double x;
  if (!const_number(s, e, &x)) return bad_value_of(s, e, what, "a whole number");
  if (x != floor(x) || x < (double)lo || x > (double)hi) {
    diag_error(s->diag, "bad-value", e->at, "%s must be a whole number from %lld to %lld, not %.15g", what, (long long)lo,
               (long long)hi, x);
    return false;
  }
  *v = (int64_t)x;
  return true;
}

bool need_bool(Spec *s, const Expr *e, const char *what, bool *v) {
  bool yes = e->kind == EX_NAME && strcmp(e->name, "true") == 0, no = e->kind == EX_NAME && strcmp(e->name, "false") == 0;
  *v = yes;
  return yes || no || bad_value_of(s, e, what, "`true` or `false`");
}

bool need_text(Spec *s, const Expr *e, const char *what, const char **v) {
  *v = e->name;
  return e->kind == EX_STRING || bad_value_of(s, e, what, "a text in quotes");
}

// ---------------------------------------------------------------- calls
const char *callee_name(const Expr *e) {
  if (e->kind == EX_CALL && !e->piped) e = e->a;
  return e->kind == EX_NAME ? e->name : NULL;
}

// Positions count what is supported; what comes later is named.
static int n_positions(const Key *keys, int n) {
  int k = 0;
  while (k < n && !keys[k].later) k++;
  return k;
}

static int arg_index(const Key *keys, int n, const Arg *a, int position) {
  if (!a->name) return position < n_positions(keys, n) ? position : -1;
  const Key *k = find_key(keys, n, a->name);
  return k ? (int)(k - keys) : -1;
}

static bool report_arg(Spec *s, const Arg *a, const char *what, const Key *keys, int n) {
  if (a->name) {
    diag_error(s->diag, "unknown-argument", a->name_at, "%s has no argument `%s`", what, a->name);
    help_keys(s, a->name, keys, n);
  } else {
    int most = n_positions(keys, n);
    diag_error(s->diag, "too-many-arguments", a->value->at, "%s takes at most %d argument%s", what, most, most == 1 ? ""
               : "s");
  }
  return false;
}

bool match_args(Spec *s, const Expr *call, const char *what, const Key *keys, int n, const Expr **out) {
  bool fine = true;
  for (int i = 0; i < n; i++) out[i] = NULL;
  for (int i = 0; call->kind == EX_CALL && i < call->n_args; i++) {
    const Arg *a = &call->args[i];
    int k = arg_index(keys, n, a, i);
    if (k < 0) {
      fine = report_arg(s, a, what, keys, n);
    } else if (keys[k].later) {
      fine = error_unsupported(s->diag, a->name ? a->name_at : a->value->at, arena_printf(s->m.arena, "`%s` of %s",
            keys[k].key, what));
    } else if (out[k]) {
      diag_error(s->diag, "duplicate-argument", a->value->at, "`%s` of %s is given twice", keys[k].key, what);
      diag_note(s->diag, out[k]->at, "first here");
      fine = false;
    } else {
      out[k] = a->value;
      fine &= a->value->kind != EX_BAD;
    }
  }
  return fine;
}
