// resolve_group.c: what a `let`, `shared` or task says of the step of the parameters made below it, and `train` of all others.
#include "model_int.h"
#include "model_text.h"
#include <math.h>

static void factor(Spec *s, const Decl *d, const char *key, double *v) {
  const Clause *c = find_clause(d, key);
  double x;
  if (!c || !need_number(s, c->value, arena_printf(s->m.arena, "`%s`", key), 0, INFINITY, &x)) return;
  if (isinf(x)) diag_error(s->diag, "bad-value", c->value->at, "`%s` cannot be inf", key);
  else *v = x;
}

void clause_rule(Spec *s, const Decl *d, StepRule *r) {
  const Clause *rate = find_clause(d, "rate"), *optimizer = find_clause(d, "optimizer");
  if (optimizer && d->kind != DECL_TRAIN) r->optimizer = group_optimizer(s, optimizer->value, d->names[0].name);
  factor(s, d, "l2", &r->l2);
  factor(s, d, "l1", &r->l1);
  factor(s, d, "rate", &r->rate);
  if (!rate || r->rate != 0) return;
  diag_error(s->diag, "bad-value", rate->value->at, "`rate` is a factor of the learning rate, and cannot be 0");
  diag_help(s->diag, "`freeze = true` keeps parameters as they are");
}

StepRule rule_within(StepRule outer, StepRule said) {
  return (StepRule){isnan(said.l2) ? outer.l2 : said.l2, isnan(said.l1) ? outer.l1 : said.l1, isnan(said.rate) ? outer.rate : said.rate,
                    said.optimizer ? said.optimizer : outer.optimizer};
}

StepRule train_rule_said(const Model *m) {
  return (StepRule){m->rule.l2 != 0 ? m->rule.l2 : UNSAID, m->rule.l1 != 0 ? m->rule.l1 : UNSAID, UNSAID, NULL};
}

void rule_print(StepRule said, const char *before, Text *out) {
  const struct { const char *key; double value; } parts[] = {{"l2", said.l2}, {"l1", said.l1}, {"rate", said.rate}};
  for (int i = 0; i < COUNT_OF(parts); i++)
    if (!isnan(parts[i].value)) text_printf(out, "%s%s %g", before, parts[i].key, parts[i].value);
  if (!said.optimizer) return;
  const OptimRow *row = &optim_rows[said.optimizer->row];
  text_printf(out, "%s%s(", before, row->name);
  for (int i = 0; i < row->n_args; i++)
    if (!i || said.optimizer->args[i] != row->def[i]) text_printf(out, i ? ", %s = %g" : "%.0s%g", row->arg[i], said.optimizer->args[i]);
  text_char(out, ')');
}

// ---------------------------------------------------------------- clauses that do nothing
static int reached(const Build *b, const char *name, int least_rank) {
  int n = 0;
  for (int i = 0; i < b->g->slots.n; i++) {
    const Slot *s = &b->g->slots.data[i];
    n += s->role == SLOT_PARAM && s->rank >= least_rank && path_under(s->path, name);
  }
  return n;
}

static void check_rule(Build *b, const char *name, StepRule said, Place at) {
  bool decays = said.l2 > 0 || said.l1 > 0, paced = said.rate > 0 || said.optimizer;       // UNSAID is neither
  const char *key = said.l2 > 0 ? "l2" : said.l1 > 0 ? "l1" : said.rate > 0 ? "rate" : "optimizer";
  if ((!decays && !paced) || reached(b, name, decays ? 2 : 0)) return;
  diag_warn(b->d, "no-weights", at, "`%s` changes nothing in `%s`: it makes no %s of its own", key, name, decays ? "weights" : "parameters");
  if (decays && reached(b, name, 0))
    diag_help(b->d, "what has fewer than two axes, as a bias, is left out of `%s`: a term of `penalty` in `train` reaches all", key);
  else diag_help(b->d, "it stands where they are made: `let h = dense(x, 8) { %s = … }`", key);
}

void check_rules(Build *b) {
  for (int i = 0; i < b->m->n_bindings; i++) check_rule(b, b->m->bindings[i].name, b->m->bindings[i].rule, b->m->bindings[i].decl->names[0].at);
  for (int i = 0; i < b->m->n_tasks; i++) check_rule(b, b->m->tasks[i].name, b->m->tasks[i].rule, b->m->tasks[i].at);
}
