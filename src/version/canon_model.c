// canon_model.c: outputs, tasks, parameters, the computation and training in the canonical form.
#include "canon_int.h"

static FormulaId root_of(const Writer *w, const char *kind, const char *name) {
  return formula_root(w->m->formulas, arena_printf(w->arena, "%s:%s", kind, name));
}

// ---------------------------------------------------------------- outputs: heads of tasks, and `output`
static void write_output(Writer *w, const char *name, const char *kind, int width, const Decl *d, Place at) {
  Interval range = formula_range(w->m->formulas, root_of(w, kind, name));
  begin_entry(w, "output", name, d, at);
  add_field(w, SCOPE_CONTRACT, "width", "head", "%d", width);
  add_field(w, SCOPE_CONTRACT, "values", "head", "%s", range.lo >= 0 && range.hi <= 1 ? "0..1" : "any");
}

static void write_head(Writer *w, int i) {
  const ModelTask *t = &w->m->tasks[i];
  const PlanTask *p = &w->m->train.tasks[i];
  write_output(w, t->name, "head", p->width, model_decl(w->m, DECL_TASK, t->name), t->at);
  if (p->label >= 0) add_field(w, SCOPE_CONTRACT, "predicts", "loss", "%s", label_definition(w->m, &w->m->data.labels[p->label], false));
}

// ---------------------------------------------------------------- tasks
static void term_text(Writer *w, const LossTerm *x, Text *out) {
  const LossRow *row = &loss_rows[x->loss];
  const DataLabel *l = &w->m->data.labels[x->label];
  CallArg arg[MAX_LOSS_ARGS];
  Text given = {0};
  text_add(&given, label_definition(w->m, l, true));
  for (int64_t i = 0; x->args.class_weight && i < l->classes; i++) {
    text_add(&given, i ? ", " : ", weights = [");
    number_print(x->args.class_weight[i], &given);
    if (i + 1 == l->classes) text_char(&given, ']');
  }
  if (x->group >= 0) text_printf(&given, ", by = %s", w->m->data.columns[w->m->data.groups[x->group]].name);
  if (x->on) text_add(&given, ", on = another value");      // which one: write_formula
  for (int i = 0; i < loss_arg_count(x->loss); i++) arg[i] = (CallArg){row->arg[i].name, x->args.number[i], row->arg[i].def};
  number_print(x->factor, out);
  text_add(out, " * ");
  call_text(row->name, given.data, arg, loss_arg_count(x->loss), out);
  text_free(&given);
}

// Terms of a loss that are values: by their formulas, as their text has names of the spec's own. from: in TrainPlan.terms.
static void write_values(Writer *w, int from, int n) {
  for (int i = 0; i < n; i++) {
    FormulaId of = root_of(w, "term", arena_printf(w->arena, "%d", from + i));
    add_field(w, SCOPE_TRAIN, arena_printf(w->arena, "term %d", i + 1), "loss", "%s", of ? structure_of(w->structure, of) : "none");
  }
}

static void write_task(Writer *w, int i) {
  const ModelTask *t = &w->m->tasks[i];
  const PlanTask *p = &w->m->train.tasks[i];
  const char **metrics = NEW_ARRAY(w->arena, const char *, p->n_metrics + p->n_matrices + 1);
  int before = 0;                                            // values of the tasks before
  Text loss = {0};
  begin_entry(w, "task", t->name, model_decl(w->m, DECL_TASK, t->name), t->at);
  for (int k = 0; k < t->n_terms; k++) {
    if (k) text_add(&loss, " + ");
    term_text(w, &t->terms[k], &loss);
  }
  add_text(w, SCOPE_TRAIN, "loss", NULL, &loss);
  for (int k = 0; k < i; k++) before += w->m->tasks[k].n_values;
  write_values(w, before, t->n_values);
  if (t->rows >= 0) add_field(w, SCOPE_TRAIN, "rows", NULL, "%s", label_definition(w->m, &w->m->data.labels[t->rows], true));
  add_field(w, SCOPE_TRAIN, "weight", NULL, "%s", number_text(w->arena, t->weight));
  for (int k = 0; k < p->n_metrics; k++) metrics[k] = p->metrics[k].name;
  for (int k = 0; k < p->n_matrices; k++) metrics[p->n_metrics + k] = p->matrices[k].name;
  add_words(w, SCOPE_SPEC, "metric", metrics, p->n_metrics + p->n_matrices, true);
}

// ---------------------------------------------------------------- parameters
static const char *slot_shape(Writer *w, const Slot *s) {
  Text t = {0};
  text_char(&t, '[');
  for (int i = 0; i < s->rank; i++) {
    const Axis *a = &w->g->axes.data[s->axis[i]];
    if (i) text_add(&t, ", ");
    if (a->kind == AXIS_SYMBOL) text_printf(&t, "|%s|", a->name);
    else text_printf(&t, "%lld", (long long)a->size);
  }
  text_char(&t, ']');
  const char *shape = arena_strdup(w->arena, t.data);
  text_free(&t);
  return shape;
}

static void add_optimizer(Writer *w, const Optim *o) {
  const OptimRow *row = &optim_rows[o->row];
  CallArg arg[COUNT_OF(row->arg)];
  Text t = {0};
  for (int i = 0; i < row->n_args; i++) arg[i] = (CallArg){row->arg[i], o->args[i], row->def[i]};
  call_text(row->name, NULL, arg, row->n_args, &t);
  add_text(w, SCOPE_TRAIN, "optimizer", NULL, &t);
}

static void write_rule(Writer *w, const Slot *s) {
  const StepRule *r = &s->rule;
  if (s->rank > 1 && r->l2 != 0) add_field(w, SCOPE_TRAIN, "l2", NULL, "%s", number_text(w->arena, r->l2));
  if (s->rank > 1 && r->l1 != 0) add_field(w, SCOPE_TRAIN, "l1", NULL, "%s", number_text(w->arena, r->l1));
  const Optim *own = r->optimizer, *all = &w->m->optimizer.of;
  if (own && (own->row != all->row || memcmp(own->args, all->args, sizeof *own->args * (size_t)optim_rows[own->row].n_args))) add_optimizer(w, own);
  if (r->rate != 1) add_field(w, SCOPE_TRAIN, "rate", NULL, "%s", number_text(w->arena, r->rate));
}

static void write_slot(Writer *w, int i) {
  static const char *const dtypes[] = {[F32] = "f32", [F64] = "f64", [U32] = "u32", [I64] = "i64"};
  const Slot *s = &w->g->slots.data[i];
  const struct BalanceSpec *b = &w->m->balance.spec;
  if (s->role != SLOT_PARAM && s->role != SLOT_STATE) return;
  begin_entry(w, s->role == SLOT_PARAM ? "parameter" : "state", s->path, NULL, s->at);
  add_field(w, SCOPE_WEIGHTS, "shape", NULL, "%s", slot_shape(w, s));
  add_field(w, SCOPE_WEIGHTS, "dtype", NULL, "%s", dtypes[s->dtype]);
  add_field(w, SCOPE_TRAIN, "init", NULL, "%s", init_text(s->init, w->arena));
  if (s->frozen) add_bool(w, SCOPE_TRAIN, "frozen", true);
  if (s->lazy) add_bool(w, SCOPE_TRAIN, "lazy", true);
  if (s->role == SLOT_PARAM && !s->frozen) write_rule(w, s);
  if (b->over && i < b->n_over && b->over[i]) add_bool(w, SCOPE_TRAIN, "balanced", true);
}

// ---------------------------------------------------------------- the computation
static void write_formula(Writer *w, const char *kind, const char *name, const Decl *d, const char *clause) {
  FormulaId of = root_of(w, kind, name);
  if (!of) return;
  begin_entry(w, "structure", arena_printf(w->arena, "%s:%s", kind, name), d, w->m->formulas->all.data[of].at);
  w->entry->formula = of;
  add_field(w, SCOPE_SPEC, "formula", clause, "%s", structure_of(w->structure, of));
}

// Heads, values that losses judge in place of them, outputs, and what a step makes of states.
static void write_structure(Writer *w) {
  for (int i = 0; i < w->m->n_tasks; i++) {
    const char *name = w->m->tasks[i].name;
    const Decl *d = model_decl(w->m, DECL_TASK, name);
    write_formula(w, "head", name, d, "head");
    write_formula(w, "loss", name, d, "loss");
  }
  for (int i = 0; i < w->m->n_outputs; i++) write_formula(w, "output", w->m->outputs[i].name, model_decl(w->m, DECL_OUTPUT, w->m->outputs[i].name), NULL);
  for (int i = 0; i < w->g->slots.n; i++)
    if (w->g->slots.data[i].role == SLOT_STATE) write_formula(w, "update", w->g->slots.data[i].path, NULL, NULL);
}

// ---------------------------------------------------------------- training
static void write_optimizer(Writer *w) { add_optimizer(w, &w->m->optimizer.of); }

static void write_clip(Writer *w) {
  const Clip *c = &w->m->clip;
  if (c->kind != CLIP_NONE) add_field(w, SCOPE_TRAIN, "clip", NULL, "%s %s", c->kind == CLIP_NORM ? "norm" : "value", number_text(w->arena, c->bound));
}

static void write_schedule(Writer *w) {
  const PlanSchedule *p = &w->m->train.schedule;
  const ScheduleRow *row = &schedule_rows[p->kind];
  CallArg arg[SCHEDULE_ARGS + 1];
  int n = 0;
  Text t = {0};
  if (p->kind == SCHEDULE_constant && !p->warmup) return;
  for (; n < SCHEDULE_ARGS && row->arg[n].name; n++) arg[n] = (CallArg){row->arg[n].name, p->arg[n], row->arg[n].def};
  arg[n++] = (CallArg){"warmup", (double)p->warmup, 0};
  call_text(row->name, NULL, arg, n, &t);
  add_text(w, SCOPE_TRAIN, "schedule", "optimizer", &t);
}

static void write_balance(Writer *w) {
  const struct BalanceSpec *b = &w->m->balance.spec;
  if (b->row < 0) {
    add_field(w, SCOPE_TRAIN, "balance", NULL, "static");
    return;
  }
  const BalanceRow *row = &balance_rows[b->row];
  CallArg arg[BALANCE_ARGS];
  int n = 0;
  Text t = {0};
  for (; n < BALANCE_ARGS && row->arg[n].name; n++) arg[n] = (CallArg){row->arg[n].name, b->arg[n], row->arg[n].def};
  call_text(row->name, NULL, arg, n, &t);
  if (b->on_representation) text_add(&t, " on representation");
  add_text(w, SCOPE_TRAIN, "balance", NULL, &t);
}

static void write_stopping(Writer *w) {
  const TrainPlan *t = &w->m->train;
  Text s = {0};
  if (t->patience) {
    text_printf(&s, "patience %lld ", (long long)t->patience);
    figure_text(t, &t->stop, &s);
  } else text_add(&s, "none");
  add_text(w, SCOPE_TRAIN, "stop", NULL, &s);
  if (t->best.n_terms) figure_text(t, &t->best, &s);
  else text_add(&s, "last");
  add_text(w, SCOPE_TRAIN, "best", NULL, &s);
}

static int by_name(const void *x, const void *y) { return strcmp(((const Rename *)x)->name, ((const Rename *)y)->name); }

// Where the weights start, if in another run, and what was called otherwise there.
static void write_start(Writer *w) {
  const Model *m = w->m;
  Text t = {0};
  if (m->from.file) add_field(w, SCOPE_TRAIN, "start", NULL, "%s", m->from.file);
  if (!m->n_renames) return;
  Rename *all = NEW_ARRAY(w->arena, Rename, m->n_renames);
  memcpy(all, m->renames, sizeof *all * (size_t)m->n_renames);
  qsort(all, (size_t)m->n_renames, sizeof *all, by_name);
  for (int i = 0; i < m->n_renames; i++) text_printf(&t, "%s%s from %s", i ? ", " : "", all[i].name, all[i].old);
  add_text(w, SCOPE_TRAIN, "renamed", NULL, &t);
}

static void write_train(Writer *w) {
  const TrainPlan *t = &w->m->train;
  const Decl *d = model_decl(w->m, DECL_TRAIN, NULL);
  Text s = {0};
  begin_entry(w, "clause", "train", d, d ? d->word_at : (Place){0});
  write_optimizer(w);
  write_schedule(w);
  write_clip(w);
  if (t->batch_by) add_field(w, SCOPE_TRAIN, "batch", NULL, "groups(%lld, by = %s)", (long long)t->batch,
                             w->m->data.columns[w->m->data.groups[t->batch_by - 1]].name);
  else add_field(w, SCOPE_TRAIN, "batch", NULL, "%lld", (long long)t->batch);
  add_field(w, SCOPE_TRAIN, "epochs", NULL, "%lld", (long long)t->epochs);
  add_field(w, SCOPE_TRAIN, "seed", NULL, "%llu", (unsigned long long)t->seed);
  add_bool(w, SCOPE_TRAIN, "shuffle", t->shuffle);
  split_text(&w->m->data, &s);
  add_text(w, SCOPE_TRAIN, "split", NULL, &s);
  if (w->m->data.weight) row_define(&w->m->data, w->m->data.weight, &s);
  else text_char(&s, '1');
  add_text(w, SCOPE_TRAIN, "weight", NULL, &s);
  FormulaId penalty = formula_root(w->m->formulas, "penalty");
  if (penalty) add_field(w, SCOPE_TRAIN, "penalty", NULL, "%s", structure_of(w->structure, penalty));
  write_start(w);
  write_balance(w);
  write_stopping(w);
  add_field(w, SCOPE_TRAIN, "blas", NULL, w->m->blas == BLAS_OFF ? "off" : "auto");
}

static Place require_place(const Model *m, int index) {
  const Decl *const *d;
  int n = model_decls(m, &d);
  for (int i = 0; i < n; i++)
    if (d[i]->kind == DECL_REQUIRE && index-- == 0) return d[i]->at;
  return (Place){0};
}

static void write_requires(Writer *w) {
  static const char *const ops[] = {[RX_EQ] = "==", [RX_NE] = "!=", [RX_LT] = "<", [RX_LE] = "<=", [RX_GT] = ">", [RX_GE] = ">="};
  const TrainPlan *t = &w->m->train;
  for (int i = 0; i < t->n_requires; i++) {
    const Require *r = &t->requires[i];
    const PlanTask *task = &t->tasks[r->task];
    bool always = r->metric < 0;
    const char *name = always ? arena_printf(w->arena, "always(%s %s %s)", task->name, ops[r->op], t->tasks[r->other_task].name)
                              : arena_printf(w->arena, "%s(%s) %s", task->metrics[r->metric].name, task->name, ops[r->op]);
    begin_entry(w, "require", name, NULL, require_place(w->m, i));
    add_field(w, SCOPE_SPEC, "bound", NULL, "%s", always ? "every row" : number_text(w->arena, r->bound));
  }
}

void write_model(Writer *w) {
  const Decl *d = model_decl(w->m, DECL_MODEL, NULL);
  begin_entry(w, "clause", "model", d, d ? d->word_at : (Place){0});
  add_field(w, SCOPE_SPEC, "name", NULL, "%s", w->m->name);
  for (int i = 0; i < w->m->n_tasks; i++) write_head(w, i), write_task(w, i);
  for (int i = 0; i < w->m->n_outputs; i++) {
    const ModelOutput *o = &w->m->outputs[i];
    write_output(w, o->name, "output", w->m->train.outputs[i].width, model_decl(w->m, DECL_OUTPUT, o->name), o->at);
    if (o->unit) add_field(w, SCOPE_CONTRACT, "unit", "unit", "%s", label_definition(w->m, &w->m->data.labels[o->unit - 1], false));
  }
  for (int i = 0; i < w->g->slots.n; i++) write_slot(w, i);
  write_structure(w);
  write_train(w);
  write_requires(w);
}
