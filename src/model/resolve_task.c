// resolve_task.c: tasks: head, weight, metrics and the label that they judge; outputs. Losses: resolve_loss.c.
#include "model_int.h"
#include <math.h>

// ---------------------------------------------------------------- metrics
static int metric_row(const char *name) {
  for (int i = 0; name && i < N_METRICS; i++)
    if (strcmp(metric_rows[i].name, name) == 0) return i;
  return -1;
}

static bool is_matrix(const char *name) { return name && !strcmp(name, "confusion"); }

bool is_metric_name(const char *name) { return metric_row(name) >= 0 || is_matrix(name); }
bool metric_is_minimised(MetricKind k) { return metric_rows[k].flags & METRIC_LOWER; }

void add_metric_words(Spec *s, Words *w) {
  for (int i = 0; i < N_METRICS; i++) vec_push(s->m.arena, w, metric_rows[i].name);
}

static bool unknown_metric(Spec *s, const Expr *e, const char *name) {
  Words w = {0};
  add_metric_words(s, &w);
  vec_push(s->m.arena, &w, "confusion");
  diag_error(s->diag, "unknown-name", e->at, "there is no metric `%s`", expr_text(s->m.arena, e));
  if (name) help_nearest(s->diag, name, &w);
  help_list(s->diag, "the metrics are", &w);
  return false;
}

static bool metric_fits_label(Spec *s, int task, const Expr *e, int row) {
  const PlanTask *t = &s->plan_tasks.data[task];
  if (t->label < 0) return false;
  const DataLabel *l = &s->labels.data[t->label];
  if (metric_rows[row].labels >> l->kind & 1) return true;
  diag_error(s->diag, "metric-label", e->at, "`%s` does not judge a label of type %s", metric_rows[row].name,
             label_kind_text(l, s->m.arena));
  diag_note(s->diag, s->label_at.data[t->label], "the label of task `%s` is declared here", t->name);
  Words w = {0};
  for (int i = 0; i < N_METRICS; i++)
    if (metric_rows[i].labels >> l->kind & 1) vec_push(s->m.arena, &w, metric_rows[i].name);
  help_list(s->diag, "for it there are", &w);
  return false;
}

// `ndcg(k = 10, by = user)`: what was left out, or is as it would be, is not shown.
static const char *metric_text(Spec *s, const PlanMetric *x) {
  const MetricRow *row = &metric_rows[x->kind];
  Arena *a = s->m.arena;
  const char *arg = row->arg.name && x->arg != row->arg.def ? arena_printf(a, "%s = %g", row->arg.name, x->arg) : NULL;
  const char *by = x->group >= 0 ? arena_printf(a, "by = %s", s->columns.data[s->groups.data[x->group]].name) : NULL;
  if (!arg && !by) return row->name;
  return arena_printf(a, "%s(%s%s%s)", row->name, arg ? arg : "", arg && by ? ", " : "", by ? by : "");
}

static int push_metric(Spec *s, int task, PlanMetric x) {
  PlanTask *t = &s->plan_tasks.data[task];
  for (int i = 0; i < t->n_metrics; i++)
    if (t->metrics[i].kind == x.kind && t->metrics[i].arg == x.arg && t->metrics[i].group == x.group) return i;
  PlanMetric *list = NEW_ARRAY(s->m.arena, PlanMetric, t->n_metrics + 1);
  if (t->n_metrics) memcpy(list, t->metrics, sizeof *list * (size_t)t->n_metrics);
  x.name = metric_text(s, &x);
  list[t->n_metrics] = x;
  t->metrics = list;
  return t->n_metrics++;
}

// Index of a column in DataPlan.groups, added if need be.
int group_index(Spec *s, int column) {
  for (int i = 0; i < s->groups.n; i++)
    if (s->groups.data[i] == column) return i;
  vec_push(s->m.arena, &s->groups, column);
  return s->groups.n - 1;
}

// A metric that is named without all that it needs is the one of its kind in the task's list; −1: none, or several.
static int listed_metric(const PlanTask *t, int row) {
  int found = -1;
  for (int i = 0; i < t->n_metrics; i++) {
    if ((int)t->metrics[i].kind != row) continue;
    if (found >= 0) return -1;
    found = i;
  }
  return found;
}

static void metric_usage(Spec *s, const Expr *e, const MetricRow *row, const char *task, const char *lacks) {
  const char *of = task ? arena_printf(s->m.arena, "%s, ", task) : "";
  diag_error(s->diag, "missing-argument", e->at, "`%s` needs `%s`", row->name, lacks);
  if (row->flags & METRIC_BY)
    diag_help(s->diag, "write `%s(%s%sby = COLUMN)`, the column whose values are the groups", row->name, of,
              row->arg.name ? arena_printf(s->m.arena, "%s = 10, ", row->arg.name) : "");
}

enum { TASK, NUMBER, BY, MAX_METRIC_KEYS };

// ---------------------------------------------------------------- confusion
static void push_matrix(Spec *s, PlanTask *t, PlanMatrix x) {
  for (int i = 0; i < t->n_matrices; i++)
    if (t->matrices[i].at == x.at) return;
  PlanMatrix *list = NEW_ARRAY(s->m.arena, PlanMatrix, t->n_matrices + 1);
  if (t->n_matrices) memcpy(list, t->matrices, sizeof *list * (size_t)t->n_matrices);
  list[t->n_matrices++] = x;
  t->matrices = list;
}

// `confusion` of classes, `confusion(at = 0.3)` of a binary label.
static bool add_matrix(Spec *s, int task, const Expr *e) {
  static const Key keys[] = {{"at", false}};
  PlanTask *t = &s->plan_tasks.data[task];
  const Expr *arg[1] = {0};
  PlanMatrix x = {.at = 0.5, .name = "confusion"};
  if (t->label < 0) return false;
  const DataLabel *l = &s->labels.data[t->label];
  bool binary = l->kind == LABEL_BINARY;
  if (!binary && l->kind != LABEL_CLASS) {
    diag_error(s->diag, "metric-label", e->at, "`confusion` does not judge a label of type %s", label_kind_text(l, s->m.arena));
    diag_note(s->diag, s->label_at.data[t->label], "the label of task `%s` is declared here", t->name);
    return false;
  }
  if (!match_args(s, e, "`confusion`", keys, 1, arg)) return false;
  if (arg[0] && !binary) {
    diag_error(s->diag, "bad-value", arg[0]->at, "a threshold is for a binary label: of classes, the one with the largest probability is predicted");
    return false;
  }
  if (l->kind == LABEL_CLASS && l->classes > MAX_MATRIX) {
    diag_error(s->diag, "too-large", e->at, "a confusion matrix has at most %d classes, and `%s` has %lld", MAX_MATRIX, l->name, (long long)l->classes);
    return false;
  }
  if (arg[0] && !need_number(s, arg[0], "a threshold", 0, 1, &x.at)) return false;
  if (x.at != 0.5) x.name = arena_printf(s->m.arena, "confusion(at = %g)", x.at);
  push_matrix(s, t, x);
  return true;
}

static bool no_number(Spec *s, const Expr *e, const char *name) {
  diag_error(s->diag, "metric-matrix", e->at, "`%s` is a matrix, and a number is wanted here", name);
  diag_help(s->diag, "take one of its figures: `accuracy`, or of a binary label `precision`, `recall`, `f1`");
  return false;
}

// `auc`, `f1(at = 0.3)`, `gauc(by = user)`; arg: of the call.
static bool metric_call(Spec *s, int task, const Expr *e, const Expr *const *arg, int *index) {
  int row = metric_row(callee_name(e));
  const MetricRow *m = &metric_rows[row];
  const PlanTask *t = &s->plan_tasks.data[task];
  PlanMetric x = {.kind = (MetricKind)row, .arg = m->arg.name ? m->arg.def : 0, .group = -1};
  if (!metric_fits_label(s, task, e, row)) return false;
  bool lacks_by = m->flags & METRIC_BY && !arg[BY], lacks_number = isnan(x.arg) && !arg[NUMBER];
  if (lacks_by || lacks_number) {
    *index = arg[BY] || arg[NUMBER] ? -1 : listed_metric(t, row);
    if (*index < 0) metric_usage(s, e, m, arg[TASK] ? t->name : NULL, lacks_number ? m->arg.name : "by");
    return *index >= 0;
  }
  int64_t whole;
  const char *what = m->arg.name ? strcmp(m->arg.name, "at") ? arena_printf(s->m.arena, "`%s`", m->arg.name) : "a threshold" : "";
  if (arg[NUMBER] && m->arg.whole) {
    if (!need_int(s, arg[NUMBER], what, (int64_t)m->arg.lo, (int64_t)m->arg.hi, &whole)) return false;
    x.arg = (double)whole;
  } else if (arg[NUMBER] && !need_number(s, arg[NUMBER], what, m->arg.lo, m->arg.hi, &x.arg)) return false;
  int column = arg[BY] ? group_column(s, arg[BY]) : -1;
  if (arg[BY] && column < 0) return false;
  if (arg[BY]) x.group = group_index(s, column);
  *index = push_metric(s, task, x);
  return true;
}

// Arguments of a call of a metric, the task's place first (with_task). false: an error.
static bool metric_args(Spec *s, const Expr *e, bool with_task, const Expr **arg) {
  const char *name = callee_name(e);
  int row = metric_row(name), n = 0, at[MAX_METRIC_KEYS];
  Key keys[MAX_METRIC_KEYS];
  const Expr *given[MAX_METRIC_KEYS];
  if (row < 0) return e->kind != EX_BAD && unknown_metric(s, e, name);
  const MetricRow *m = &metric_rows[row];
  if (with_task) keys[n] = (Key){"task", false}, at[n++] = TASK;
  if (m->arg.name) keys[n] = (Key){m->arg.name, false}, at[n++] = NUMBER;
  if (m->flags & METRIC_BY) keys[n] = (Key){"by", false}, at[n++] = BY;
  for (int i = 0; i < MAX_METRIC_KEYS; i++) arg[i] = NULL;
  if (!match_args(s, e, arena_printf(s->m.arena, "`%s`", name), keys, n, given)) return false;
  for (int i = 0; i < n; i++) arg[at[i]] = given[i];
  return true;
}

bool add_metric(Spec *s, int task, const Expr *e, int *index) {
  const Expr *arg[MAX_METRIC_KEYS];
  if (is_matrix(callee_name(e))) return add_matrix(s, task, e);
  return metric_args(s, e, false, arg) && metric_call(s, task, e, arg, index);
}

int task_index(Spec *s, const Expr *e) {
  Words w = {0};
  const Symbol *y = e->kind == EX_NAME ? find_symbol(s, e->name) : NULL;
  if (y && y->kind == SYM_TASK) return y->index;
  if (e->kind == EX_BAD) return -1;
  for (int i = 0; i < s->plan_tasks.n; i++) vec_push(s->m.arena, &w, s->plan_tasks.data[i].name);
  diag_error(s->diag, "unknown-name", e->at, "`%s` is no task", expr_text(s->m.arena, e));
  if (y) diag_note(s->diag, y->at, "it is %s", symbol_kind_text(y->kind));
  if (e->kind == EX_NAME) help_nearest(s->diag, e->name, &w);
  help_list(s->diag, "the tasks are", &w);
  return -1;
}

bool task_metric(Spec *s, const Expr *e, int *task, int *metric) {
  const Expr *arg[MAX_METRIC_KEYS];
  const char *name = callee_name(e);
  if (is_matrix(name)) return no_number(s, e, name);
  if (!metric_args(s, e, true, arg)) return false;
  if (!arg[TASK]) {
    diag_error(s->diag, "missing-argument", e->at, "`%s` of which task?", name);
    if (s->plan_tasks.n) diag_help(s->diag, "write `%s(%s)`", name, s->plan_tasks.data[0].name);
    return false;
  }
  *task = task_index(s, arg[TASK]);
  return *task >= 0 && metric_call(s, *task, e, arg, metric);
}

// ---------------------------------------------------------------- tasks
static const Key task_keys[] = {
  {"head", false}, {"loss", false}, {"weight", false}, {"metric", false}, {"freeze", false},
  {"target", false}, {"rows", false}, {"renamed_from", false}, {"l2", false}, {"l1", false}, {"rate", false}, {"optimizer", false},
};

static void default_metrics(Spec *s, int task, const Decl *d) {
  static const char *const of_kind[][2] = {
    [LABEL_BINARY] = {"auc", "logloss"}, [LABEL_CLASS] = {"accuracy", NULL}, [LABEL_REAL] = {"rmse", "mae"},
    [LABEL_COUNT] = {"rmse", "mae"},     [LABEL_RANK] = {"rmse", "mae"}};
  const PlanTask *t = &s->plan_tasks.data[task];
  if (t->label < 0) return;
  const char *const *names = of_kind[s->labels.data[t->label].kind];
  for (int i = 0; i < 2 && names[i]; i++) {
    MetricKind kind = (MetricKind)metric_row(names[i]);
    push_metric(s, task, (PlanMetric){.kind = kind, .arg = metric_rows[kind].arg.name ? metric_rows[kind].arg.def : 0, .group = -1});
  }
  add_default(s, d->at, arena_printf(s->m.arena, "%s.metric", t->name), names[1] ? "[%s, %s]" : "[%s]", names[0], names[1]
              ? names[1] : "");
}

static void task_metrics_of(Spec *s, int task, const Decl *d) {
  const Clause *c = find_clause(d, "metric");
  int index;
  if (!c) {
    default_metrics(s, task, d);
    return;
  }
  if (c->value->kind != EX_LIST) {                       // one metric needs no brackets
    add_metric(s, task, c->value, &index);
    return;
  }
  for (int i = 0; i < c->value->n_args; i++) add_metric(s, task, c->value->args[i].value, &index);
}

// The label that metrics judge, and in whose unit the head is served: `target`, else the one label of the losses, those of
// the head before those of other values (`on`). −1: an error was reported.
static int judged_label(Spec *s, const Decl *d, const ModelTask *t) {
  const Clause *target = find_clause(d, "target"), *metric = find_clause(d, "metric");
  Place at;
  if (target) return row_label(s, target->value, &at);
  const LossTerm *first = NULL;
  for (int others = 0; others < 2 && !first; others++)
    for (int i = 0; i < t->n_terms; i++) {
      const LossTerm *x = &t->terms[i];
      if (x->label < 0) return -1;
      if ((x->on != NULL) != others) continue;
      if (!first) first = x;
      else if (x->label != first->label && !(metric && metric->value->kind == EX_LIST && !metric->value->n_args)) {
        diag_error(s->diag, "no-target", t->at, "the losses of task `%s` judge the labels `%s` and `%s`: which one do its metrics?",
                   t->name, s->labels.data[first->label].name, s->labels.data[x->label].name);
        diag_note(s->diag, first->at, "one loss");
        diag_note(s->diag, x->at, "another");
        diag_help(s->diag, "say `target = %s`", s->labels.data[first->label].name);
        return -1;
      }
    }
  if (!first && t->n_values) {
    diag_error(s->diag, "no-target", t->at, "no loss of task `%s` judges a label: which one do its metrics, and whose rows count?", t->name);
    diag_help(s->diag, "say `target = LABEL`");
  }
  return first ? first->label : -1;
}

// `rows = LABEL`: a number from 0 that says how much a row counts.
static void counted_by(Spec *s, const Clause *c, ModelTask *t) {
  Place at;
  int label = c ? row_label(s, c->value, &at) : -1;
  if (label < 0) return;
  DataLabel *l = &s->labels.data[label];
  bool number = l->kind == LABEL_BINARY || l->kind == LABEL_COUNT || l->kind == LABEL_REAL;
  bool plain = l->scale == SCALE_NONE && (l->prep.map == MAP_NONE || l->prep.map == MAP_ABS);
  if (number && plain) {
    t->rows = label;
    t->rows_at = c->value->at;
    if (l->kind == LABEL_REAL && !l->not_below_0) l->not_below_0 = "rows";
    return;
  }
  diag_error(s->diag, "bad-value", c->value->at, "`rows` is a number of 0 or more for each row, and `%s` is %s", l->name,
             number ? l->scale != SCALE_NONE ? "scaled" : "mapped" : label_kind_text(l, s->m.arena));
  diag_note(s->diag, at, "declared here");
}

static void one_task(Spec *s, const Decl *d) {
  ModelTask t = {.name = d->names[0].name, .at = d->names[0].at, .weight = 1, .rows = -1, .rule = STEP_RULE_UNSAID};
  int task = s->plan_tasks.n;
  check_clauses(s, d, task_keys, COUNT_OF(task_keys), "a task");
  const Clause *head = find_clause(d, "head"), *weight = find_clause(d, "weight"), *freeze = find_clause(d, "freeze");
  bool broken = false;
  for (int i = 0; i < d->n_clauses; i++) broken |= strcmp(d->clauses[i].key, "head") == 0;
  if (head) t.head = head->value;
  else if (!broken) diag_error(s->diag, "missing-clause", t.at, "the task `%s` has no `head`", t.name);
  task_losses(s, d, &t);
  if (weight) need_number(s, weight->value, "a task's weight", 0, INFINITY, &t.weight);
  else add_default(s, d->at, arena_printf(s->m.arena, "%s.weight", t.name), "1");
  if (freeze) need_bool(s, freeze->value, "`freeze`", &t.freeze);
  clause_rule(s, d, &t.rule);
  clause_renamed(s, d);
  counted_by(s, find_clause(d, "rows"), &t);
  int label = judged_label(s, d, &t);
  vec_push(s->m.arena, &s->tasks, t);
  vec_push(s->m.arena, &s->plan_tasks, ((PlanTask){.name = t.name, .label = label, .weight = t.weight, .head = -1, .sum = -1,
                                                   .weight_sum = -1}));
  task_metrics_of(s, task, d);
}

void resolve_tasks(Spec *s) {
  for (int i = 0; i < s->task_decls.n; i++) one_task(s, s->task_decls.data[i]);
  if (s->tasks.n == 0 && diag_errors(s->diag) == 0)
    diag_error(s->diag, "no-task", (Place){s->modules.data[1]->file, 0, 0}, "a spec needs a task: what it learns");
}

static const Key output_keys[] = {{"unit", false}};

// `unit = LABEL`: a value on the scale of a label that losses see is served in the unit of its column.
static int output_unit(Spec *s, const Decl *d) {
  const Clause *c = find_clause(d, "unit");
  Place declared;
  int label = c ? row_label(s, c->value, &declared) : -1;
  if (label < 0 || s->labels.data[label].kind == LABEL_REAL) return label;
  diag_error(s->diag, "bad-value", c->value->at, "`unit` is a label of type real, and `%s` is %s", s->labels.data[label].name,
             label_kind_text(&s->labels.data[label], s->m.arena));
  diag_note(s->diag, declared, "declared here");
  return -1;
}

void resolve_outputs(Spec *s) {
  int at = 0;
  for (int i = 0; i < s->decls.n; i++) {
    const Decl *d = s->decls.data[i];
    if (d->kind != DECL_OUTPUT || !d->n_names) continue;
    check_clauses(s, d, output_keys, COUNT_OF(output_keys), "an output");
    while (at < s->outputs.n && s->outputs.data[at].name != d->names[0].name) at++;     // a name that was taken has none
    if (at < s->outputs.n) s->outputs.data[at].unit = 1 + output_unit(s, d);
    else at = 0;
    if (!d->value) {
      diag_error(s->diag, "missing-clause", d->names[0].at, "what does the output `%s` serve?", d->names[0].name);
      diag_help(s->diag, "write `output %s = …`; a task's head is served without one", d->names[0].name);
    }
  }
}
