// resolve_train.c: the train block: optimizer, batch, epochs, stopping; and what is required of the result.
#include "model_int.h"
#include <math.h>

static const Key train_keys[] = {
  {"optimizer", false}, {"batch", false}, {"epochs", false}, {"split", false}, {"weight", false}, {"seed", false}, {"stop", false},
      {"best", false},
  {"shuffle", false},   {"balance", false}, {"penalty", false}, {"clip", false},  {"l2", false},   {"l1", false},
      {"lazy", false},      {"precision", true},    {"blas", false},
};

// ---------------------------------------------------------------- optimizer
static int optim_row(const char *name) {
  for (int i = 0; name && i < n_optim_rows; i++)
    if (strcmp(optim_rows[i].name, name) == 0) return i;
  return -1;
}

static void unknown_optimizer(Spec *s, const Expr *e, const char *name) {
  Words w = {0};
  for (int i = 0; i < n_optim_rows; i++) vec_push(s->m.arena, &w, optim_rows[i].name);
  diag_error(s->diag, "unknown-name", e->at, "there is no optimizer `%s`", expr_text(s->m.arena, e));
  if (name) help_nearest(s->diag, name, &w);
  help_list(s->diag, "the optimizers are", &w);
}

// ---------------------------------------------------------------- schedules: cosine(0.001, to = 1e-5, warmup = 500)
static int schedule_row(Spec *s, const Expr *e) {
  const char *name = callee_name(e);
  Words w = {0};
  for (int i = 0; i < N_SCHEDULES; i++) {
    if (name && strcmp(schedule_rows[i].name, name) == 0) return i;
    vec_push(s->m.arena, &w, schedule_rows[i].name);
  }
  diag_error(s->diag, "unknown-name", e->a->at, "there is no schedule `%s`", expr_text(s->m.arena, e->a));
  if (name) help_nearest(s->diag, name, &w);
  help_list(s->diag, "the schedules are", &w);
  return -1;
}

static bool rate_number(Spec *s, const Expr *e, const char *what, double *v) {
  double x;
  if (!need_number(s, e, what, 0, INFINITY, &x)) return false;
  if (isinf(x) || x == 0) diag_error(s->diag, "bad-value", e->at, "%s cannot be %g", what, x);
  else *v = x;
  return !isinf(x) && x != 0;
}

static void schedule_number(Spec *s, const TableArg *a, const Expr *e, Place at, const char *schedule, double *v) {
  int64_t whole;
  const char *what = arena_printf(s->m.arena, "`%s`", a->name);
  *v = a->def;
  if (!e) add_default(s, at, arena_printf(s->m.arena, "optimizer.lr.%s.%s", schedule, a->name), "%g", a->def);
  else if (!a->whole) need_number(s, e, what, a->lo, a->hi, v);
  else if (need_int(s, e, what, (int64_t)a->lo, (int64_t)a->hi, &whole)) *v = (double)whole;
}

// The rate of an optimizer as a call of a schedule: sets TrainPlan.schedule and *rate.
static void schedule(Spec *s, const Expr *e, double *rate) {
  enum { MAX_KEYS = SCHEDULE_ARGS + 2 };
  PlanSchedule *p = &s->m.train.schedule;
  Key keys[MAX_KEYS] = {{"lr", false}};
  const Expr *arg[MAX_KEYS];
  int kind = schedule_row(s, e), n = 0;
  if (kind < 0) return;
  const ScheduleRow *row = &schedule_rows[kind];
  while (n < SCHEDULE_ARGS && row->arg[n].name) keys[1 + n] = (Key){row->arg[n].name, false}, n++;
  keys[1 + n] = (Key){"warmup", false};
  if (!match_args(s, e, arena_printf(s->m.arena, "`%s`", row->name), keys, n + 2, arg)) return;
  p->kind = (ScheduleKind)kind;
  if (!arg[0]) diag_error(s->diag, "missing-argument", e->at, "`%s` of which learning rate?", row->name);
  else rate_number(s, arg[0], "the learning rate", rate);
  for (int i = 0; i < n; i++) schedule_number(s, &row->arg[i], arg[1 + i], e->at, row->name, &p->arg[i]);
  if (arg[1 + n]) need_int(s, arg[1 + n], "`warmup`", 0, 1000000000, &p->warmup);
}

// group: the name of what it is for alone, NULL: `train`, whose schedule is that of all.
static void optimizer_arg(Spec *s, const OptimRow *row, int i, const Expr *e, Place at, const char *group, double *v) {
  bool yes;
  if (!e && group) {
    add_default(s, at, arena_printf(s->m.arena, "%s.optimizer.%s", group, row->arg[i]), "%g", row->def[i]);
  } else if (!e) {
    add_default(s, at, arena_printf(s->m.arena, "optimizer.%s", row->arg[i]), "%g", row->def[i]);
  } else if (e->kind == EX_CALL && i == 0 && group) {
    diag_error(s->diag, "bad-value", e->at, "the schedule is that of `train`, for all groups: the learning rate of `%s` is a number here", group);
    diag_help(s->diag, "it is reached where `train` reaches its own, and goes the same way from there");
  } else if (e->kind == EX_CALL && i == 0) {
    schedule(s, e, v);
  } else if (strcmp(row->arg[i], "nesterov") == 0) {
    if (need_bool(s, e, "`nesterov`", &yes)) *v = yes;
  } else {
    bool is_rate = i == 0, is_share = (strncmp(row->arg[i], "beta", 4) == 0 && row->arg[i][4]) || strcmp(row->arg[i], "momentum") == 0 ||
                                            strcmp(row->arg[i], "alpha") == 0;
    double x;
    if (!need_number(s, e, arena_printf(s->m.arena, "`%s`", row->arg[i]), 0, is_share ? 1 : INFINITY, &x)) return;
    if (isinf(x) || (is_rate && x == 0) || (is_share && x == 1))
      diag_error(s->diag, "bad-value", e->at, "`%s` cannot be %g", row->arg[i], x);
    else *v = x;
  }
}

static void optimizer_call(Spec *s, const Expr *e, const char *group, OptimizerSpec *o) {
  const char *name = callee_name(e);
  int row = optim_row(name);
  if (row < 0) {
    unknown_optimizer(s, e, name);
    return;
  }
  const OptimRow *r = &optim_rows[row];
  Key keys[COUNT_OF(r->arg)] = {{0}};
  const Expr *args[COUNT_OF(keys)];
  for (int i = 0; i < r->n_args; i++) keys[i].key = r->arg[i];
  match_args(s, e, arena_printf(s->m.arena, "`%s`", name), keys, r->n_args, args);
  o->of.row = row;
  o->text = expr_text(s->m.arena, e);
  for (int i = 0; i < r->n_args; i++) {
    o->of.args[i] = r->def[i];
    optimizer_arg(s, r, i, args[i], e->at, group, &o->of.args[i]);
  }
}

const Optim *group_optimizer(Spec *s, const Expr *e, const char *group) {
  OptimizerSpec *o = NEW(s->m.arena, OptimizerSpec);
  o->of.row = -1;
  optimizer_call(s, e, group, o);
  return o->of.row < 0 ? NULL : &o->of;
}

static void optimizer(Spec *s, const Clause *c, Place at) {
  OptimizerSpec *o = &s->m.optimizer;
  *o = (OptimizerSpec){.of.row = optim_row("adam"), .text = "adam(0.001)", .at = c ? c->value->at : at};
  for (int i = 0; i < optim_rows[o->of.row].n_args; i++) o->of.args[i] = optim_rows[o->of.row].def[i];
  if (c) optimizer_call(s, c->value, NULL, o);
  else add_default(s, at, "optimizer", "adam(0.001)");
}

// `clip = norm(1)`: all gradients of a step as one vector; `value(0.5)`: each element.
static void clip(Spec *s, const Clause *c, Place at) {
  static const char *const names[] = {[CLIP_NONE] = "none", [CLIP_NORM] = "norm", [CLIP_VALUE] = "value"};
  static const Key keys[] = {{"bound", false}};
  const char *name = c ? callee_name(c->value) : NULL;
  int kind = CLIP_NONE;
  if (!c) {
    add_default(s, at, "clip", "none");
    return;
  }
  while (kind < COUNT_OF(names) && (!name || strcmp(names[kind], name))) kind++;
  if (kind == CLIP_NONE && c->value->kind == EX_NAME) return;
  if (kind == CLIP_NONE || kind == COUNT_OF(names) || c->value->kind != EX_CALL) {
    diag_error(s->diag, "bad-value", c->value->at, "`clip` is `norm(BOUND)`, `value(BOUND)` or `none`, not `%s`", expr_text(s->m.arena, c->value));
    return;
  }
  const Expr *arg[1];
  if (!match_args(s, c->value, arena_printf(s->m.arena, "`%s`", name), keys, 1, arg)) return;
  if (!arg[0]) diag_error(s->diag, "missing-argument", c->value->at, "`%s` needs a bound, as `%s(1)`", name, name);
  else if (rate_number(s, arg[0], "the bound of a gradient", &s->m.clip.bound)) s->m.clip.kind = (ClipKind)kind;
}

// ---------------------------------------------------------------- figures: loss, auc(ctr) + auc(cvr), 0.5 * loss(ctr)
typedef struct { Spec *s; VEC(FigureTerm) terms; bool fine; int minimised, maximised; } FigureBuild;

static bool is_figure(Spec *s, const Expr *e, const char *name) {
  if (name && is_metric_name(name)) return true;
  Words w = {0};
  vec_push(s->m.arena, &w, "loss");
  add_metric_words(s, &w);
  diag_error(s->diag, "unknown-name", e->at, "`%s` is no figure: that is `loss`, `loss(TASK)` or a metric of a task",
             expr_text(s->m.arena, e));
  if (name) help_nearest(s->diag, name, &w);
  return false;
}

static void figure_term(FigureBuild *f, const Expr *e, double factor) {
  Spec *s = f->s;
  FigureTerm t = {.task = -1, .metric = -1, .factor = factor};
  const char *name = callee_name(e);
  bool lower;
  if (name && strcmp(name, "loss") == 0) {
    static const Key keys[] = {{"task", false}};
    const Expr *arg = NULL;
    t.is_loss = lower = true;
    if (!match_args(s, e, "`loss`", keys, 1, &arg)) f->fine = false;
    if (arg && (t.task = task_index(s, arg)) < 0) f->fine = false;
  } else {
    bool known = is_figure(s, e, name) && task_metric(s, e, &t.task, &t.metric);
    if (!known) {
      f->fine = false;
      return;
    }
    lower = metric_is_minimised(s->plan_tasks.data[t.task].metrics[t.metric].kind);
  }
  if (lower == (factor > 0)) f->minimised++;
  else f->maximised++;
  vec_push(s->m.arena, &f->terms, t);
}

static void figure_terms(FigureBuild *f, const Expr *e, double factor) {
  double v;
  bool binary = e->kind == EX_BINARY;
  if (e->kind == EX_BAD) f->fine = false;
  else if (binary && (e->op == AST_ADD || e->op == AST_SUB)) {
    figure_terms(f, e->a, factor);
    figure_terms(f, e->b, e->op == AST_SUB ? -factor : factor);
  } else if (binary && e->op == AST_MUL && const_number(f->s, e->a, &v)) figure_terms(f, e->b, factor * v);
  else if (binary && (e->op == AST_MUL || e->op == AST_DIV) && const_number(f->s, e->b, &v))
    figure_terms(f, e->a, e->op == AST_MUL ? factor * v : factor / v);
  else if (e->kind == EX_UNARY && e->op == AST_NEG) figure_terms(f, e->a, -factor);
  else figure_term(f, e, factor);
}

static bool figure(Spec *s, const Expr *e, Figure *out) {
  FigureBuild f = {.s = s, .fine = true};
  figure_terms(&f, e, 1);
  if (f.fine && f.minimised && f.maximised) {
    diag_error(s->diag, "bad-value", e->at, "part of this is better when lower, part when higher");
    diag_help(s->diag, "take one away from the other: `auc(a) - loss`");
    return false;
  }
  if (!f.fine) return false;
  *out = (Figure){f.terms.data, f.terms.n, f.minimised > 0, expr_text(s->m.arena, e)};
  return true;
}

static bool has_valid_rows(const Split *p) {
  if (p->kind == SPLIT_FRACTION) return p->fraction[1] > 0;
  if (p->kind == SPLIT_RULE) return p->rule[1] != NULL;
  if (p->kind == SPLIT_FILES) return p->valid_fraction > 0;
  return p->kind == SPLIT_COLUMN;
}

static void need_valid_rows(Spec *s, const Clause *c) {
  if (has_valid_rows(&s->m.data.split) || diag_errors(s->diag)) return;
  diag_error(s->diag, "no-validation", c->at, "`%s` judges the rows for validation, and the split has none", c->key);
  diag_help(s->diag, "give `split` a part `valid`");
}

static void stop(Spec *s, const Clause *c, Place at) {
  static const Key keys[] = {{"epochs", false}, {"figure", false}};
  TrainPlan *t = &s->m.train;
  const Expr *arg[2];
  if (!c) {
    add_default(s, at, "stop", "none");
    return;
  }
  const char *name = callee_name(c->value);
  if (!name || strcmp(name, "patience") != 0 || c->value->kind != EX_CALL) {
    diag_error(s->diag, "bad-value", c->value->at, "`stop` is `patience(EPOCHS, FIGURE)`, as `patience(5, loss)`");
    return;
  }
  if (!match_args(s, c->value, "`patience`", keys, 2, arg)) return;
  if (!arg[0] || !arg[1]) {
    diag_error(s->diag, "missing-argument", c->value->at, "`patience` needs %s", arg[0] ? "a figure, as `loss`"
               : "a number of epochs");
    return;
  }
  need_int(s, arg[0], "a number of epochs", 1, 1000000, &t->patience);
  figure(s, arg[1], &t->stop);
  need_valid_rows(s, c);
}

static void best(Spec *s, const Clause *c, Place at) {
  TrainPlan *t = &s->m.train;
  if (c) {
    if (c->value->kind == EX_NAME && strcmp(c->value->name, "last") == 0) return;   // the last epoch's weights
    figure(s, c->value, &t->best);
    need_valid_rows(s, c);
    return;
  }
  t->best = t->stop;
  add_default(s, at, "best", "%s", t->stop.n_terms ? t->stop.text : "last");
}

// ---------------------------------------------------------------- the block
static void whole(Spec *s, const Decl *d, const char *key, int64_t otherwise, int64_t lo, int64_t hi, int64_t *v) {
  const Clause *c = find_clause(d, key);
  *v = otherwise;
  if (!c) add_default(s, d->word_at, key, "%lld", (long long)otherwise);
  else need_int(s, c->value, arena_printf(s->m.arena, "`%s`", key), lo, hi, v);
}

// `groups(ROWS, by = COLUMN)`: whole groups, at most so many rows
static void batch_of_groups(Spec *s, const Expr *e, int64_t most) {
  static const Key keys[] = {{"rows", false}, {"by", false}};
  TrainPlan *t = &s->m.train;
  const Expr *arg[2];
  t->batch = 32;
  if (!match_args(s, e, "`groups`", keys, 2, arg)) return;
  if (!arg[0] || !arg[1]) {
    diag_error(s->diag, "missing-argument", e->at, "`groups` needs %s", arg[0] ? "`by`: the column whose values are the groups"
               : "how many rows a batch has at most");
    diag_help(s->diag, "write `groups(256, by = COLUMN)`");
    return;
  }
  need_int(s, arg[0], "the rows of a batch", 1, most, &t->batch);
  int column = group_column(s, arg[1]);
  if (column >= 0) t->batch_by = group_index(s, column) + 1;
}

static void batch(Spec *s, const Decl *d, int64_t most) {
  const Clause *c = find_clause(d, "batch");
  const char *callee = c && c->value->kind == EX_CALL ? callee_name(c->value) : NULL;
  if (callee && strcmp(callee, "groups") == 0) batch_of_groups(s, c->value, most);
  else whole(s, d, "batch", 32, 1, most, &s->m.train.batch);
}

static void blas(Spec *s, const Clause *c, Place at) {
  static const char *const names[] = {[BLAS_AUTO] = "auto", [BLAS_OFF] = "off"};
  int use = c ? choose(s, c->value, "`blas`", names, COUNT_OF(names)) : BLAS_AUTO;
  s->m.blas = use < 0 ? BLAS_AUTO : (BlasUse)use;
  if (!c) add_default(s, at, "blas", "auto");
}

void resolve_train(Spec *s) {
  enum { MAX_BATCH = 1 << 20 };
  static const Decl nothing = {.kind = DECL_TRAIN};
  const Decl *d = only_decl(s, DECL_TRAIN, "train");
  TrainPlan *t = &s->m.train;
  int64_t seed;
  if (!d) d = &nothing;
  check_clauses(s, d, train_keys, COUNT_OF(train_keys), "`train`");
  optimizer(s, find_clause(d, "optimizer"), d->word_at);
  s->m.rule = STEP_RULE_PLAIN;
  clause_rule(s, d, &s->m.rule);
  clip(s, find_clause(d, "clip"), d->word_at);
  batch(s, d, MAX_BATCH);
  whole(s, d, "epochs", 10, 1, 1000000, &t->epochs);
  whole(s, d, "seed", 1, 0, ((int64_t)1 << 53) - 1, &seed);
  resolve_split(s, find_clause(d, "split"), d->word_at);
  resolve_weight(s, find_clause(d, "weight"), d->word_at);
  resolve_balance(s, find_clause(d, "balance"), d->word_at);
  resolve_penalty(s, find_clause(d, "penalty"));
  const Clause *shuffle = find_clause(d, "shuffle");
  t->shuffle = true;
  if (shuffle) need_bool(s, shuffle->value, "`shuffle`", &t->shuffle);
  else add_default(s, d->word_at, "shuffle", "true");
  const Clause *lazy = find_clause(d, "lazy");
  if (lazy) need_bool(s, lazy->value, "`lazy`", &s->m.lazy);
  blas(s, find_clause(d, "blas"), d->word_at);
  stop(s, find_clause(d, "stop"), d->word_at);
  best(s, find_clause(d, "best"), d->word_at);
  if (t->schedule.kind == SCHEDULE_plateau && !has_valid_rows(&s->m.data.split) && !diag_errors(s->diag)) {
    diag_error(s->diag, "no-validation", s->m.optimizer.at, "`plateau` judges the rows for validation, and the split has none");
    diag_help(s->diag, "give `split` a part `valid`");
  }
  t->seed = s->m.data.seed = (uint64_t)seed;
  t->learning_rate = s->m.optimizer.of.args[0];
  t->optimizer = s->m.optimizer.text;
}

// ---------------------------------------------------------------- require
static int row_op(AstOp op) {
  static const struct { AstOp ast; RowOp row; } ops[] = {
    {AST_LT, RX_LT}, {AST_LE, RX_LE}, {AST_GT, RX_GT}, {AST_GE, RX_GE}, {AST_EQ, RX_EQ}, {AST_NE, RX_NE}};
  for (int i = 0; i < COUNT_OF(ops); i++)
    if (ops[i].ast == op) return ops[i].row;
  return -1;
}

static bool is_order(const Expr *e) { return e->kind == EX_BINARY && e->op >= AST_LT && e->op <= AST_GE; }

static bool require_always(Spec *s, const Expr *e, Require *r) {
  const Expr *c = e->n_args == 1 && !e->args[0].name ? e->args[0].value : NULL;
  if (!c || !is_order(c)) {
    diag_error(s->diag, "bad-value", e->at, "`always` holds a comparison of two tasks, as `always(ctcvr <= ctr)`");
    return false;
  }
  r->task = task_index(s, c->a);
  r->other_task = task_index(s, c->b);
  r->metric = -1;
  r->op = row_op(c->op);
  return r->task >= 0 && r->other_task >= 0;
}

static bool require_metric(Spec *s, const Expr *e, Require *r) {
  double bound;
  if (!is_order(e)) {
    diag_error(s->diag, "bad-value", e->at,
               "`require` compares a metric with a number: `auc(TASK) >= 0.7`; or two tasks: `always(a <= b)`");
    return false;
  }
  const Expr *metric = e->a, *number = e->b;
  r->op = row_op(e->op);
  r->other_task = -1;
  if (!const_number(s, number, &bound)) {
    diag_error(s->diag, "bad-value", number->at, "a metric is compared with a number, not `%s`",
               expr_text(s->m.arena, number));
    return false;
  }
  r->bound = bound;
  return task_metric(s, metric, &r->task, &r->metric);
}

static const char *place_text(Spec *s, Place at) {
  int line, col;
  source_line_col(s->m.sources, at, &line, &col);
  return arena_printf(s->m.arena, "%s:%d:%d", source_name(s->m.sources, at.file), line, col);
}

void resolve_requires(Spec *s) {
  for (int i = 0; i < s->decls.n; i++) {
    const Decl *d = s->decls.data[i];
    if (d->kind != DECL_REQUIRE || !d->value || d->value->kind == EX_BAD) continue;
    Require r = {.text = expr_spelling(s->m.arena, d->value), .reason = d->text, .place = place_text(s, d->value->at)};
    const char *name = callee_name(d->value);
    bool always = d->value->kind == EX_CALL && name && strcmp(name, "always") == 0;
    if (always ? require_always(s, d->value, &r) : require_metric(s, d->value, &r)) vec_push(s->m.arena, &s->requires, r);
  }
}
