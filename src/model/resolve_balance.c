// resolve_balance.c: `balance = cagrad(c = 0.5, over = params(trunk))` of the train block: a row of the table of methods and
// its arguments. What the method needs of the graph is checked when that is there (build_balance.c).
#include "model_int.h"
#include <math.h>

static int n_arguments(const BalanceRow *row) {
  int n = 0;
  while (n < BALANCE_ARGS && row->arg[n].name) n++;
  return n;
}

static int method_row(const char *name) {
  for (int i = 0; name && i < n_balance_rows; i++)
    if (strcmp(balance_rows[i].name, name) == 0) return i;
  return -1;
}

static void unknown_method(Spec *s, const Expr *e) {
  Words w = {0};
  const char *name = callee_name(e);
  vec_push(s->m.arena, &w, "static");
  for (int i = 0; i < n_balance_rows; i++) vec_push(s->m.arena, &w, balance_rows[i].name);
  diag_error(s->diag, "unknown-name", e->at, "there is no balancing method `%s`",
             name ? name : expr_text(s->m.arena, e));
  if (name) help_nearest(s->diag, name, &w);
  help_list(s->diag, "the methods are", &w);
}

static void argument(Spec *s, const BalanceArg *a, const Expr *e, Place at, double *v) {
  const char *what = arena_printf(s->m.arena, "`%s`", a->name);
  int64_t whole;
  double x;
  *v = a->def;
  if (!e && isnan(a->def)) add_default(s, at, arena_printf(s->m.arena, "balance.%s", a->name), "the optimizer's");
  else if (!e) add_default(s, at, arena_printf(s->m.arena, "balance.%s", a->name), "%g", a->def);
  else if (a->whole) {
    if (need_int(s, e, what, (int64_t)a->lo, (int64_t)a->hi, &whole)) *v = (double)whole;
  } else if (need_number(s, e, what, a->lo, a->hi, &x)) *v = x;
}

// ---------------------------------------------------------------- on, over
static void on_what(Spec *s, const BalanceRow *row, const Expr *e, Place at) {
  static const char *const names[] = {"parameters", "representation"};
  if (!e) {
    if (row->flags & BALANCE_REPRESENTATION) add_default(s, at, "balance.on", "parameters");
    return;
  }
  s->m.balance.spec.on_representation = choose(s, e, "`on`", names, COUNT_OF(names)) == 1;
}

// `params(NAME)`: the binding's name, or NULL after an error.
static const char *params_of(Spec *s, const Expr *e) {
  const char *callee = callee_name(e);
  const Expr *arg = e->kind == EX_CALL && e->n_args == 1 && !e->args[0].name ? e->args[0].value : NULL;
  if (e->kind == EX_BAD) return NULL;
  if (!callee || strcmp(callee, "params") != 0 || !arg || arg->kind != EX_NAME) {
    diag_error(s->diag, "bad-value", e->at, "`over` is `params(NAME)` of a `let` or `shared`, or a list of such");
    return NULL;
  }
  const Symbol *y = find_symbol(s, arg->name);
  if (y && y->kind == SYM_BINDING) return y->name;
  Words w = {0};
  for (int i = 0; i < s->bindings.n; i++) vec_push(s->m.arena, &w, s->bindings.data[i].name);
  diag_error(s->diag, "unknown-name", arg->at, "`%s` is no `let` or `shared`", arg->name);
  if (y) diag_note(s->diag, y->at, "it is %s", symbol_kind_text(y->kind));
  help_nearest(s->diag, arg->name, &w);
  return NULL;
}

static void over_what(Spec *s, const BalanceRow *row, const Expr *e, Place at) {
  BalanceClause *b = &s->m.balance;
  if (!e) {
    if (row->flags & BALANCE_GRAM) add_default(s, at, "balance.over", "every parameter that two or more losses reach");
    return;
  }
  bool list = e->kind == EX_LIST;
  int n = list ? e->n_args : 1;
  b->over = NEW_ARRAY(s->m.arena, const char *, n + 1);
  b->over_at = NEW_ARRAY(s->m.arena, Place, n + 1);
  for (int i = 0; i < n; i++) {
    const Expr *x = list ? e->args[i].value : e;
    const char *name = params_of(s, x);
    if (!name) continue;
    b->over_at[b->n_over] = x->at;
    b->over[b->n_over++] = name;
  }
}

// ---------------------------------------------------------------- the clause
static const char *spelling(const Model *m, const BalanceRow *row) {
  Text t = {0};
  int n = n_arguments(row);
  text_add(&t, row->name);
  for (int i = 0; i < n; i++) {
    text_printf(&t, "%s%s = ", i ? ", " : "(", row->arg[i].name);
    if (isnan(m->balance.spec.arg[i])) text_add(&t, "the optimizer's");
    else text_printf(&t, "%g", m->balance.spec.arg[i]);
  }
  if (m->balance.spec.on_representation) text_printf(&t, "%son = representation", n++ ? ", " : "(");
  if (n) text_char(&t, ')');
  char *s = arena_strdup(m->arena, t.data);
  text_free(&t);
  return s;
}

void resolve_balance(Spec *s, const Clause *c, Place at) {
  BalanceClause *b = &s->m.balance;
  *b = (BalanceClause){.spec.row = -1, .text = "static"};
  if (!c && s->tasks.n > 1) add_default(s, at, "balance", "static");
  if (!c || (c->value->kind == EX_NAME && strcmp(c->value->name, "static") == 0)) return;
  const Expr *e = c->value, *arg[BALANCE_ARGS + 2];
  Key keys[BALANCE_ARGS + 2] = {{0}};
  int row = method_row(callee_name(e));
  if (row < 0) {
    unknown_method(s, e);
    return;
  }
  const BalanceRow *r = &balance_rows[row];
  int n = n_arguments(r), on = -1, over = -1, k = n;
  for (int i = 0; i < n; i++) keys[i].key = r->arg[i].name;
  if (r->flags & BALANCE_REPRESENTATION) keys[on = k++].key = "on";
  if (r->flags & BALANCE_GRAM) keys[over = k++].key = "over";
  match_args(s, e, arena_printf(s->m.arena, "`%s`", r->name), keys, k, arg);
  b->spec.row = row;
  b->at = e->at;
  for (int i = 0; i < n; i++) argument(s, &r->arg[i], arg[i], e->at, &b->spec.arg[i]);
  on_what(s, r, on < 0 ? NULL : arg[on], e->at);
  over_what(s, r, over < 0 ? NULL : arg[over], e->at);
  b->text = spelling(&s->m, r);
}
