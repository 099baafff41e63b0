// build_balance.c: what task balancing needs of the graph: parameters that two or more losses reach, few enough tasks. A
// model of one task has nothing to balance: the clause is read, and does nothing.
#include "model_int.h"

static bool is_over(const BalanceClause *c, const char *path) {
  for (int i = 0; i < c->n_over; i++)
    if (path_under(path, c->over[i])) return true;
  return c->n_over == 0;
}

// Marks what the clause balances; gives how many.
static int mark_over(const Build *b, const BalanceClause *c, const bool *shared, bool *over) {
  int n = 0;
  for (int i = 0; i < b->g->slots.n; i++) {
    over[i] = shared[i] && !b->g->slots.data[i].frozen && is_over(c, b->g->slots.data[i].path);
    n += over[i];
  }
  return n;
}

static void nothing_shared(Build *b, const BalanceClause *c) {
  diag_error(b->d, "nothing-shared", c->at, "`%s` weighs the gradients of shared parameters, and no loss shares a parameter"
             "%s with another", balance_rows[c->spec.row].name, c->n_over ? " of these" : "");
  diag_help(b->d, "write `balance = static`, or a method that looks at the losses alone: `uncertainty`, `dwa`, `famo` …");
}

// A binding given to `over` that has no shared parameter is a mistake, beside others that have some.
static bool each_over_counts(Build *b, const BalanceClause *c, const bool *shared) {
  bool fine = true;
  for (int k = 0; k < c->n_over; k++) {
    int n = 0;
    for (int i = 0; i < b->g->slots.n; i++) n += shared[i] && path_under(b->g->slots.data[i].path, c->over[k]);
    if (n) continue;
    diag_error(b->d, "nothing-shared", c->over_at[k], "no parameter of `%s` is reached by two losses", c->over[k]);
    fine = false;
  }
  return fine;
}

void build_balance(Build *b) {
  BalanceClause *c = &b->m->balance;
  Graph *g = b->g;
  g->wants_gram = b->m->wants_gram;
  if (c->spec.row < 0 || b->m->n_tasks < 2 || diag_errors(b->d)) return;
  if (b->m->n_tasks > BALANCE_TASKS) {
    diag_error(b->d, "too-many-tasks", c->at, "at most %d tasks can be balanced, and there are %d", BALANCE_TASKS,
               b->m->n_tasks);
    return;
  }
  bool *shared = shared_slots(g, b->a), *over = NEW_ARRAY(b->a, bool, g->slots.n + 1);
  if (balance_rows[c->spec.row].flags & BALANCE_GRAM) {
    if (!each_over_counts(b, c, shared)) return;
    if (!mark_over(b, c, shared, over)) {
      nothing_shared(b, c);
      return;
    }
    c->spec.over = over;
    c->spec.n_over = g->slots.n;
  }
  g->balance = &c->spec;
}
