// variant.c: a copy of a resolved model that learns some of its tasks, or balances them otherwise: what `compare` trains. The kept
// tasks come first, in their order; the others stay behind them, so that their names still mean something in expressions.
#include "model_int.h"

// Where each task stands in the variant.
static int *new_places(const Model *m, Arena *a, const bool *keep, int *n_kept) {
  int *place = NEW_ARRAY(a, int, m->n_tasks + 1), n = 0;
  for (int i = 0; i < m->n_tasks; i++)
    if (!keep || keep[i]) place[i] = n++;
  *n_kept = n;
  for (int i = 0; i < m->n_tasks; i++)
    if (keep && !keep[i]) place[i] = n++;
  return place;
}

static void move_tasks(Spec *v, const Model *m, const int *place) {
  ModelTask *tasks = NEW_ARRAY(v->m.arena, ModelTask, m->n_tasks + 1);
  PlanTask *plan = NEW_ARRAY(v->m.arena, PlanTask, m->n_tasks + 1);
  for (int i = 0; i < m->n_tasks; i++) {
    tasks[place[i]] = m->tasks[i];
    plan[place[i]] = m->train.tasks[i];
  }
  v->m.tasks = tasks;
  v->m.train.tasks = plan;
}

static void move_symbols(Spec *v, const int *place) {      // the hash table holds indices in the list, which stay
  Symbol *copy = NEW_ARRAY(v->m.arena, Symbol, v->symbols.n + 1);
  for (int i = 0; i < v->symbols.n; i++) {
    copy[i] = v->symbols.data[i];
    if (copy[i].kind == SYM_TASK) copy[i].index = place[copy[i].index];
  }
  v->symbols.data = copy;
  v->symbols.cap = v->symbols.n;
}

static void keep_figure(Figure *f, Arena *a, const int *place, int kept) {
  if (!f->n_terms) return;
  FigureTerm *terms = NEW_ARRAY(a, FigureTerm, f->n_terms + 1);
  int n = 0;
  for (int i = 0; i < f->n_terms; i++) {
    FigureTerm t = f->terms[i];
    if (t.task >= 0 && place[t.task] >= kept) continue;
    if (t.task >= 0) t.task = place[t.task];
    terms[n++] = t;
  }
  if (n) *f = (Figure){terms, n, f->minimise, f->text};
  else {
    terms[0] = (FigureTerm){.is_loss = true, .task = -1, .factor = 1};
    *f = (Figure){terms, 1, true, "loss"};
  }
}

// ---------------------------------------------------------------- what the kept tasks need
static void reach(const Spec *v, const Expr *e, bool *reached) {       // reached: by symbol
  if (!e) return;
  const Symbol *y = e->kind == EX_NAME ? find_symbol(v, e->name) : NULL;
  if (y && !reached[y - v->symbols.data]) {
    reached[y - v->symbols.data] = true;
    if (y->kind == SYM_BINDING) reach(v, v->m.bindings[y->index].decl->value, reached);
    if (y->kind == SYM_OUTPUT) reach(v, v->m.outputs[y->index].value, reached);
    if (y->kind == SYM_TASK) reach(v, v->m.tasks[y->index].head, reached);
  }
  reach(v, e->a, reached);
  reach(v, e->b, reached);
  for (int i = 0; i < e->n_args; i++) reach(v, e->args[i].value, reached);
  for (int i = 0; i < e->n_each; i++) reach(v, e->each[i].over, reached);
}

static bool all_reached(const Spec *v, const Expr *e, const bool *reached) {
  if (!e) return true;
  const Symbol *y = e->kind == EX_NAME ? find_symbol(v, e->name) : NULL;
  bool built = y && (y->kind == SYM_BINDING || y->kind == SYM_OUTPUT || y->kind == SYM_TASK);
  if (built && !reached[y - v->symbols.data]) return false;
  bool all = all_reached(v, e->a, reached) && all_reached(v, e->b, reached);
  for (int i = 0; i < e->n_args; i++) all = all && all_reached(v, e->args[i].value, reached);
  for (int i = 0; i < e->n_each; i++) all = all && all_reached(v, e->each[i].over, reached);
  return all;
}

// A term of the penalty goes with what it is about: that between two towers is none where one is left.
static void keep_penalty(Spec *v) {
  Model *m = &v->m;
  bool *reached = NEW_ARRAY(m->arena, bool, v->symbols.n + 1);
  ValueTerm *kept = NEW_ARRAY(m->arena, ValueTerm, m->n_penalty + 1);
  int n = 0;
  for (int i = 0; i < m->n_tasks; i++) {
    const ModelTask *t = &m->tasks[i];
    const Symbol *own = find_symbol(v, t->name);
    if (own) reached[own - v->symbols.data] = true;
    reach(v, t->head, reached);
    for (int k = 0; k < t->n_terms; k++) reach(v, t->terms[k].on, reached);
    for (int k = 0; k < t->n_values; k++) reach(v, t->values[k].value, reached);
  }
  for (int i = 0; i < m->n_penalty; i++)
    if (all_reached(v, m->penalty[i].value, reached)) kept[n++] = m->penalty[i];
  m->penalty = kept;
  m->n_penalty = n;
}

// ---------------------------------------------------------------- the whole
Model *model_variant(const Model *m, Arena *a, const bool *keep) {
  Spec *v = NEW(a, Spec);
  int kept, *place = new_places(m, a, keep, &kept);
  *v = *(const Spec *)m;
  v->m.arena = a;
  v->m.is_variant = true;
  v->m.n_tasks = v->m.train.n_tasks = kept;
  v->m.n_muted = m->n_tasks - kept;
  move_tasks(v, m, place);
  move_symbols(v, place);
  keep_figure(&v->m.train.stop, a, place, kept);
  keep_figure(&v->m.train.best, a, place, kept);
  if (v->m.n_muted) keep_penalty(v);
  publish_terms(&v->m);
  v->m.train.n_outputs = v->m.train.n_requires = 0;
  v->m.balance.spec.over = NULL;
  v->m.prep = NULL;
  v->defaults = (__typeof__(v->defaults)){0};
  v->m.defaults = NULL;
  v->m.n_defaults = 0;
  return &v->m;
}

bool variant_balance(Model *variant, const char *text, Diag *d) {
  Spec *v = spec_of(variant);
  Arena *a = v->m.arena;
  const char *spec = arena_printf(a, "train { balance = %s }\n", text);
  uint32_t file = source_add(v->m.sources, "--with", spec, strlen(spec));
  int before = diag_errors(d);
  const Ast *t = parse(a, v->m.sources, file, d);
  if (diag_errors(d) > before) return false;
  const Clause *c = t->n == 1 ? find_clause(&t->decls[0], "balance") : NULL;
  if (!c || t->decls[0].n_clauses != 1) {
    diag_error(d, "bad-value", (Place){0}, "`%s` is no balancing method", text);
    return false;
  }
  Diag *own = v->diag;
  v->diag = d;
  resolve_balance(v, c, c->at);
  v->diag = own;
  return diag_errors(d) == before;
}
