// build_task.c: heads and losses of tasks, outputs; what each loss reaches. A task's loss over a batch is
// L = Σ_r select(w_r, ℓ_r, 0) / Σ_r w_r, and 0 where no row's label is known.
#include "model_int.h"
#include <math.h>

static bool is_probability(const Build *b, FormulaId f) {
  Interval r = formula_range(b->m->formulas, f);
  return r.lo >= 0 && r.hi <= 1;
}

// ---------------------------------------------------------------- heads
// [rows, width], width fixed; 0 after an error.
static NodeId served(Build *b, const Value *v, Place at, const char *what, const char *name) {
  Graph *g = b->g;
  if (v->kind == V_BAD) return 0;
  if (v->kind != V_TENSOR) {
    diag_error(b->d, "type-mismatch", at, "the %s `%s` must be a tensor, not %s", what, name, value_text(b, v));
    return 0;
  }
  if (!has_rows(g, v->node)) {
    diag_error(b->d, "type-mismatch", at, "the %s `%s` depends on no input: it is %s", what, name, value_text(b, v));
    return 0;
  }
  g_at(g, at);
  NodeId n = node(g, v->node)->rank == 1 ? g_expand(g, v->node, 1) : v->node;
  if (node(g, n)->rank == 2 && g->axes.data[node(g, n)->axis[1]].kind == AXIS_FIXED) return n;
  diag_error(b->d, "shape-mismatch", at, "the %s `%s` must be one vector a row, not %s", what, name, value_text(b, v));
  help_list_of_items(b, v);
  return 0;
}

static void head_note(Build *b, const ModelTask *t, const LossTerm *x, NodeId head) {
  if (x->on) diag_note(b->d, x->on->at, "the value is %s", shape_text(b->g, head, b->a));
  else if (t->head) diag_note(b->d, t->head->at, "the head is %s", shape_text(b->g, head, b->a));
}

static const char *const head_ends[N_LOSS_HEADS] = {
  [HEAD_PROBABILITY] = "sigmoid", [HEAD_CLASSES] = "softmax", [HEAD_POSITIVE] = "exp"};

// Does the range of the head fit? A logarithm is taken of probabilities and of positive numbers.
static bool range_fits(Build *b, LossHead kind, FormulaId head) {
  if (kind == HEAD_PROBABILITY || kind == HEAD_CLASSES) return is_probability(b, head);
  return kind != HEAD_POSITIVE || formula_range(b->m->formulas, head).lo >= 0;
}

// What a loss judges: a head, or a value in place of it.
typedef struct { NodeId node; FormulaId of; } Judged;

static bool head_fits(Build *b, const ModelTask *t, const LossTerm *x, Judged head) {
  const DataLabel *l = &b->m->data.labels[x->label];
  const char *loss = loss_rows[x->loss].name, *judged = x->on ? "value" : "head";
  LossHead kind = loss_rows[x->loss].head;
  int64_t width = axis_size(b->g, node(b->g, head.node)->axis[1]);
  int64_t want = kind == HEAD_CLASSES ? l->classes : kind == HEAD_ZILN ? 3 : 1;
  if (width != want) {
    diag_error(b->d, "loss-head", x->at, "`%s` of a label of type %s needs a %s of width %lld, not %lld", loss,
               label_kind_text(l, b->a), judged, (long long)want, (long long)width);
    head_note(b, t, x, head.node);
    diag_note(b->d, x->label_at, "the label `%s`", l->name);
    if (kind == HEAD_ZILN) diag_help(b->d, "`dense(3)` gives %s", loss_head_texts[kind]);
    return false;
  }
  if (range_fits(b, kind, head.of)) return true;
  diag_error(b->d, "loss-head", x->at, "`%s` needs %s, and this %s %s", loss, loss_head_texts[kind], judged,
             kind == HEAD_POSITIVE ? "can be below 0" : "is not within 0 and 1");
  head_note(b, t, x, head.node);
  diag_help(b->d, "end the %s with `|> %s`", judged, head_ends[kind]);
  return false;
}

// ---------------------------------------------------------------- losses
// What `on` names, evaluated beside the task's head; 0 after an error.
static Judged judged_value(Build *b, const ModelTask *t, const LossTerm *x) {
  Value *v = eval(b, b->tasks[t - b->m->tasks].env, x->on);
  NodeId n = served(b, v, x->on->at, "value of a loss of task", t->name);
  if (!n) return (Judged){0};
  formula_append(b, arena_printf(b->a, "loss:%s", t->name), formula_of(b, v));
  return (Judged){n, formula_of(b, v)};
}

static bool build_term(Build *b, const ModelTask *t, const LossTerm *x, Judged head, Counted *out) {
  Graph *g = b->g;
  if (x->label < 0 || (loss_rows[x->loss].flags & LOSS_PAIRS && x->group < 0)) return false;
  if (x->on) head = judged_value(b, t, x);
  if (!head.node || !head_fits(b, t, x, head)) return false;
  g_at(g, x->at);
  LossArgs args = x->args;
  NodeId y = g_column(g, OP_LABEL, x->label), w = counted_rows(b, t, x->label);
  if (x->group >= 0) args.known = w, args.group = g_column(g, OP_LABEL, b->m->data.n_labels + x->group);
  NodeId loss = loss_build(g, x->loss, head.node, y, &args);
  *out = x->group >= 0 && loss ? count_pairs(b, t, w, loss) : count_rows(b, t, w, loss);
  return out->mean != 0;
}

static NodeId scaled(Graph *g, NodeId n, double factor) {
  return factor == 1 ? n : g_map2(g, OP_MUL, n, g_const(g, factor));
}
static NodeId plus(Graph *g, NodeId a, NodeId b) { return a ? g_map2(g, OP_ADD, a, b) : b; }

// The values of a task's loss, added up; 0 after an error.
static NodeId value_terms(Build *b, const ModelTask *t) {
  int task = (int)(t - b->m->tasks), label = b->m->train.tasks[task].label, at = 0;
  NodeId sum = 0;
  bool fine = label >= 0;
  for (int i = 0; i < task; i++) at += b->m->tasks[i].n_values;
  for (int i = 0; i < t->n_values && label >= 0; i++) {
    NodeId n = build_value(b, b->tasks[task].env, &t->values[i], t, at + i);
    fine &= n != 0;
    if (n) sum = plus(b->g, sum, n);
  }
  return fine ? sum : 0;
}

// Sets the task's roots; gives its loss, its weight included, 0 after an error. Terms over one label share Σ w; else, and with
// values, the sum is loss · Σ w of the first, or of the label that metrics judge.
static NodeId task_loss(Build *b, const ModelTask *t, Judged head) {
  Graph *g = b->g;
  NodeId loss = 0, sum = 0, weight = 0, known = 0;
  bool one_label = t->n_values == 0, fine = t->n_terms + t->n_values > 0;
  for (int i = 0; i < t->n_terms; i++) {
    Counted x;
    if (!build_term(b, t, &t->terms[i], head, &x)) {
      fine = false;
      continue;
    }
    if (!weight) weight = x.weight;
    one_label &= x.weight == weight;
    if (x.weight != known) known = plus(g, known, x.weight);
    loss = plus(g, loss, scaled(g, x.mean, t->terms[i].factor));
    sum = plus(g, sum, scaled(g, x.sum, t->terms[i].factor));
  }
  NodeId values = t->n_values ? value_terms(b, t) : 0;
  if (!fine || (t->n_values && !values)) return 0;
  if (values) loss = plus(g, loss, values);
  g_at(g, t->at);
  if (!weight) known = weight = g_sum(g, counted_rows(b, t, b->m->train.tasks[t - b->m->tasks].label), 0);
  if (!one_label) sum = g_map2(g, OP_MUL, loss, weight);
  graph_out(g, arena_printf(b->a, "sum:%s", t->name), sum);
  graph_out(g, arena_printf(b->a, "weight:%s", t->name), weight);
  loss = scaled(g, loss, t->weight);
  bool apart = b->m->balance.spec.row >= 0 || b->m->wants_gram;   // balancing sees the losses one by one
  if (apart) graph_out(g, arena_printf(b->a, "task:%s", t->name), loss);
  if (apart) graph_out(g, arena_printf(b->a, "known:%s", t->name), known);
  return loss;
}

// What is served and judged by metrics: the head or, where a loss takes it for a distribution, its mean.
static Judged prediction_of(Build *b, const ModelTask *t, Judged head) {
  for (int i = 0; i < t->n_terms; i++) {
    const LossTerm *x = &t->terms[i];
    if (x->label < 0 || x->on || loss_rows[x->loss].head != HEAD_ZILN || axis_size(b->g, node(b->g, head.node)->axis[1]) != 3)
      continue;
    g_at(b->g, t->head->at);
    FormulaId mean = formula_add(b, (Formula){.op = "mean of", .how = loss_rows[x->loss].name, .at = t->head->at}, &head.of, 1);
    return (Judged){loss_prediction(b->g, x->loss, head.node), mean};
  }
  return head;
}

static void build_outputs(Build *b) {
  Model *m = b->m;
  PlanOutput *plan = (PlanOutput *)m->train.outputs;
  for (int i = 0; i < m->n_outputs; i++) {
    const ModelOutput *x = &m->outputs[i];
    if (!x->value) continue;
    Value *v = force(b, &b->outputs[i], x->name, x->at);
    NodeId n = served(b, v, x->value->at, "output", x->name);
    if (!n) continue;
    formula_out(b, arena_printf(b->a, "output:%s", x->name), formula_of(b, v));
    graph_out(b->g, arena_printf(b->a, "output:%s", x->name), n);
    plan[i].width = (int)axis_size(b->g, node(b->g, n)->axis[1]);
    plan[i].buffer = -1;
  }
}

// `always(a <= b)` compares one number a row.
static void check_requires(Build *b) {
  const TrainPlan *t = &b->m->train;
  for (int i = 0; i < t->n_requires; i++) {
    const Require *r = &t->requires[i];
    if (r->metric >= 0) continue;
    const int both[] = {r->task, r->other_task};
    for (int k = 0; k < 2; k++)
      if (t->tasks[both[k]].width > 1)
        diag_error(b->d, "shape-mismatch", b->m->tasks[both[k]].at, "`%s` has %d numbers a row, and `always` compares one",
                   t->tasks[both[k]].name,
                   t->tasks[both[k]].width);
  }
}

// A head or output says the same of a row whatever rows stand beside it, and each time: in use, nothing that it is made of
// crosses rows or is random.
static bool crosses_rows(const Graph *g, NodeId n) {
  bool crosses = false;
  for (int i = 0; i < node(g, n)->n_in && node(g, n)->op != OP_RANDOM; i++) crosses |= has_rows(g, node_in(g, n, i)) && !has_rows(g, n);
  return crosses;
}

static bool is_served(const Root *r) { return !strncmp(r->name, "head:", 5) || !strncmp(r->name, "output:", 7); }

// Is there such a node at all, in training perhaps? Few models have one, and need the look at what is left in use.
static bool may_mix_rows(const Graph *g) {
  bool *needed = NEW_ARRAY(g->arena, bool, g->nodes.n), found = false;
  for (int i = 0; i < g->roots.n; i++) needed[g->roots.data[i].value] |= is_served(&g->roots.data[i]);
  for (NodeId n = (NodeId)g->nodes.n - 1; n > 0; n--) {
    found |= needed[n] && (node(g, n)->op == OP_RANDOM || crosses_rows(g, n));
    for (int i = 0; needed[n] && i < node(g, n)->n_in; i++) needed[node_in(g, n, i)] = true;
  }
  return found;
}

static void check_rows_apart(Build *b) {
  static const char *const served_roots[] = {"head:*", "output:*"};
  if (!may_mix_rows(b->g)) return;
  const Graph *t = tidy_for(b->g, served_roots, COUNT_OF(served_roots), false);
  for (NodeId n = 1; n < (NodeId)t->nodes.n; n++) {
    if (crosses_rows(t, n)) {
      diag_error(b->d, "crosses-rows", node(t, n)->at, "a head or an output is computed row by row, and this goes over the batch");
      diag_help(b->d, "`batch_mean` and `batch_sum` are for losses, for penalties and for `select(training, …, …)`");
    } else if (node(t, n)->op == OP_RANDOM) {
      diag_error(b->d, "random-in-use", node(t, n)->at, "a prediction is the same each time, and this is drawn at random");
      diag_help(b->d, "write `select(training, …, …)` with what holds in use on its right");
    }
  }
}

// Values in losses may speak of the parameters of any head.
static void call_all(Build *b) {
  const Model *m = b->m;
  if (m->train.n_terms == 0) return;
  for (int i = 0; i < m->n_tasks; i++) force(b, &b->tasks[i], m->tasks[i].name, m->tasks[i].at);
  for (int i = 0; i < m->n_outputs && !m->n_muted; i++) force(b, &b->outputs[i], m->outputs[i].name, m->outputs[i].at);
  b->all_called = true;
}

void build_tasks(Build *b) {
  Model *m = b->m;
  Graph *g = b->g;
  PlanTask *plan = (PlanTask *)m->train.tasks;
  NodeId total = 0;
  call_all(b);
  for (int i = 0; i < m->n_tasks; i++) {
    const ModelTask *t = &m->tasks[i];
    Value *v = force(b, &b->tasks[i], t->name, t->at);
    NodeId n = t->head ? served(b, v, t->head->at, "head of task", t->name) : 0;
    if (!n) continue;
    Judged head = {n, formula_of(b, v)};
    const char *root = arena_printf(b->a, "head:%s", t->name);
    Judged prediction = prediction_of(b, t, head);
    formula_out(b, root, prediction.of);
    graph_out(g, root, prediction.node);
    plan[i].width = (int)axis_size(g, node(g, prediction.node)->axis[1]);
    plan[i].is_probability = is_probability(b, prediction.of);
    NodeId loss = task_loss(b, t, head);
    if (loss) total = plus(g, total, loss);
  }
  g->loss = total;
  if (!m->is_variant) build_outputs(b);
  build_penalty(b);
  check_requires(b);
  if (!diag_errors(b->d)) check_label_leaks(b);
  if (!diag_errors(b->d)) check_rows_apart(b);
  check_inputs(b);
}

// ---------------------------------------------------------------- what each loss reaches
// live[n]: a gradient of this root, the loss of a task or the penalty, flows to node n.
static bool *reached(Build *b, const char *root) {
  Graph *g = b->g;
  bool *live = NEW_ARRAY(b->a, bool, g->nodes.n);
  for (int i = 0; i < g->roots.n; i++)
    if (strcmp(g->roots.data[i].name, root) == 0) live[g->roots.data[i].value] = true;
  for (NodeId n = (NodeId)g->nodes.n - 1; n > 0; n--)
    for (int i = 0; live[n] && node(g, n)->op != OP_STOP && i < node(g, n)->n_in; i++) live[node_in(g, n, i)] = true;
  return live;
}

static bool any_live(Build *b, Value *v, const bool *live) {
  Flat all = {0};
  flatten(b, NULL, v, &all, v->at);
  for (int i = 0; i < all.n; i++)
    if (all.data[i]->kind == V_TENSOR && live[all.data[i]->node]) return true;
  return false;
}

// Losses that reach a parameter of the binding, the most reached one; where it has none, its values.
static int losses_of(Build *b, int binding, bool *const *live) {
  const Binding *x = &b->m->bindings[binding];
  int most = 0, tasks = 0;
  bool own = false;
  for (int i = 0; i < b->g->slots.n; i++) {
    const Slot *s = &b->g->slots.data[i];
    if (s->role != SLOT_PARAM || !path_under(s->path, x->name)) continue;
    own = true;
    int n = 0;
    for (int k = 0; k < b->m->n_tasks; k++) n += s->read && live[k][s->read];
    if (n > most) most = n;
  }
  for (int k = 0; !own && k < b->m->n_tasks; k++) tasks += any_live(b, b->bindings[binding].value, live[k]);
  return own ? most : tasks;
}

static void check_shared(Build *b, bool *const *live) {
  for (int i = 0; i < b->m->n_bindings; i++) {
    const Binding *x = &b->m->bindings[i];
    if (!x->shared || b->bindings[i].value->kind == V_BAD) continue;
    int n = losses_of(b, i, live);
    if (n >= 2) continue;
    diag_error(b->d, "not-shared", x->decl->word_at, "`%s` is declared shared, and %s it", x->name,
               n ? "one loss alone reaches" : "no loss reaches");
    diag_help(b->d, "write `let %s = …` where it is not meant to be shared", x->name);
  }
}

static void check_unused(Build *b, bool *const *live) {
  for (int i = 0; i < b->g->slots.n; i++) {
    const Slot *s = &b->g->slots.data[i];
    bool used = false;
    for (int k = 0; k <= b->m->n_tasks; k++) used |= s->read && live[k][s->read];   // the last: the penalty
    if (!used && s->role == SLOT_PARAM) diag_warn(b->d, "unused-parameter", s->at, "no loss reaches `%s`: it is never trained", s->path);
  }
}

void check_sharing(Build *b) {
  if (diag_errors(b->d) || b->m->is_variant) return;   // what is missing would be reported as not reached
  bool **live = NEW_ARRAY(b->a, bool *, b->m->n_tasks + 1);
  for (int k = 0; k < b->m->n_tasks; k++) live[k] = reached(b, arena_printf(b->a, "sum:%s", b->m->tasks[k].name));
  live[b->m->n_tasks] = reached(b, "penalty");
  check_shared(b, live);
  check_unused(b, live);
  check_training(b, live);
}
