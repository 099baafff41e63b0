// explain.c: what a spec means, in numbers: shapes, parameters, work and memory, and every value that it left out. Work and
// optimizer state are counted on the graph of a step itself: gradients and updates are made as training makes them.
#include "model_int.h"
#include <jansson.h>
#include <math.h>

// ---------------------------------------------------------------- counts: n + Σ factor · |vocabulary|
typedef struct { double n; VEC(struct { const char *symbol; double factor; }) terms; } Count;

static void add_symbol(Arena *a, Count *c, const char *symbol, double factor) {
  for (int i = 0; i < c->terms.n; i++)
    if (strcmp(c->terms.data[i].symbol, symbol) == 0) {
      c->terms.data[i].factor += factor;
      return;
    }
  vec_push(a, &c->terms, ((__typeof__(c->terms.data[0])){symbol, factor}));
}

static void add_slot(const Graph *g, Arena *a, Count *c, const Slot *s) {
  double n = 1;
  const char *symbol = NULL;
  for (int i = 0; i < s->rank; i++) {
    int64_t size = axis_size(g, s->axis[i]);
    if (size < 0) symbol = g->axes.data[s->axis[i]].name;
    else n *= (double)size;
  }
  if (symbol) add_symbol(a, c, symbol, n);
  else c->n += n;
}

static const char *thousands(Arena *a, double x) {              // 12,345
  char digits[64];
  Text t = {0};
  snprintf(digits, sizeof digits, "%.0f", x);
  size_t n = strlen(digits);
  for (size_t i = 0; i < n; i++) text_printf(&t, "%s%c", i && (n - i) % 3 == 0 ? "," : "", digits[i]);
  char *s = arena_strdup(a, t.data);
  text_free(&t);
  return s;
}

static const char *count_text(Arena *a, const Count *c) {
  Text t = {0};
  if (c->n || !c->terms.n) text_add(&t, thousands(a, c->n));
  for (int i = 0; i < c->terms.n; i++)
    text_printf(&t, "%s%g·|%s|", t.n ? " + " : "", c->terms.data[i].factor, c->terms.data[i].symbol);
  char *s = arena_strdup(a, t.data);
  text_free(&t);
  return s;
}

static Count parameters(const Graph *g, Arena *a, const char *name) {     // of one declaration; NULL: of all
  Count c = {0};
  for (int i = 0; i < g->slots.n; i++)
    if (g->slots.data[i].role == SLOT_PARAM && (!name || path_under(g->slots.data[i].path, name)))
      add_slot(g, a, &c, &g->slots.data[i]);
  return c;
}

// ---------------------------------------------------------------- work
typedef struct { double row, step; } Work;                       // FLOPs per row, and per step whatever its rows

static Work node_work(const Graph *g, NodeId n) {
  double work = row_work(g, n);
  bool rows = has_rows(g, n);
  for (int i = 0; i < node(g, n)->n_in; i++) rows |= has_rows(g, node_in(g, n, i));
  return rows ? (Work){work, 0} : (Work){0, work};
}

static Work graph_work(const Graph *g) {
  Work all = {0};
  for (NodeId n = 1; n < (NodeId)g->nodes.n; n++) {
    Work w = node_work(g, n);
    all.row += w.row;
    all.step += w.step;
  }
  return all;
}

static double row_bytes(const Graph *g) {                        // of what a batch holds per row, nothing being shared
  double n = 0;
  for (NodeId i = 1; i < (NodeId)g->nodes.n; i++)
    if (has_rows(g, i) && op_rows[node(g, i)->op].kind != KIND_MOVE && op_rows[node(g, i)->op].kind != KIND_LEAF)
      n += row_elements(g, i);
  return n * (g->dtype == F64 ? 8 : 4);
}

// ---------------------------------------------------------------- the cost of a spec
typedef struct {
  Count parameters, state;
  Work forward, step, once;                // once: of what is kept
  double row_bytes;
  int frozen, n_gemm;
  const char **gemm;
  PushReport push;
  Kept kept;
} Cost;

static bool has_gemm(const Graph *g, NodeId n, const GemmRule *rule) {     // a dot, or a sum of such, that suits BLAS
  if (node(g, n)->op == OP_ADD) return has_gemm(g, node_in(g, n, 0), rule) || has_gemm(g, node_in(g, n, 1), rule);
  return suits_gemm(g, n, rule);
}

static Graph *step_graph(const Model *m, const Graph *forward, Cost *c) {
  static const char *const roots[] = {TIDY_ASSIGNS}, *const all_roots[] = {"sum:*", "weight:*", "term:*", TIDY_ASSIGNS};
  Graph *g = tidy_for(forward, NULL, 0, true);
  int *slots = NEW_ARRAY(m->arena, int, g->slots.n + 1), n = 0;
  for (int i = 0; i < g->slots.n; i++)
    if (g->slots.data[i].role == SLOT_PARAM && !g->slots.data[i].frozen) slots[n++] = i;
  NodeId *reads = NEW_ARRAY(m->arena, NodeId, n + 1), *grads = NEW_ARRAY(m->arena, NodeId, n + 1);
  for (int i = 0; i < n; i++) reads[i] = graph_read(g, slots[i], (Place){0});
  step_gradients(g, slots, reads, n, grads);
  c->gemm = NEW_ARRAY(m->arena, const char *, n + 1);
  for (int i = 0; i < n && m->gemm; i++)
    if (grads[i] && has_gemm(g, grads[i], m->gemm)) c->gemm[c->n_gemm++] = g->slots.data[slots[i]].path;
  g->clip = m->clip;
  optim(g, m->optimizer.of.row, m->optimizer.of.args, slots, grads, n);
  keep_fixed(tidy(g, all_roots, COUNT_OF(all_roots)), 0, m->keep, &c->kept);
  if (c->kept.once) c->once = graph_work(c->kept.once);
  Kept of_updates;
  return keep_fixed(tidy(g, roots, 1), 0, m->keep, &of_updates);
}

static Cost cost_of(const Model *m, Graph *g) {
  static const char *const served[] = {"head:*", "output:*"};
  Cost c = {.parameters = parameters(g, m->arena, NULL)};
  g = push_gathers(g, m->push, &c.push);
  c.forward = graph_work(tidy_for(g, served, 2, false));
  Graph *step = step_graph(m, g, &c);
  c.step = graph_work(step);
  c.row_bytes = row_bytes(step);
  for (int i = 0; i < step->slots.n; i++) {
    if (step->slots.data[i].role == SLOT_OPT) add_slot(step, m->arena, &c.state, &step->slots.data[i]);
    c.frozen += step->slots.data[i].frozen;
  }
  return c;
}

static NodeId root_of(const Graph *g, const char *kind, const char *name, Arena *a) {
  const char *full = arena_printf(a, "%s:%s", kind, name);
  for (int i = 0; i < g->roots.n; i++)
    if (strcmp(g->roots.data[i].name, full) == 0) return g->roots.data[i].value;
  return 0;
}

// ---------------------------------------------------------------- text
static void column(Text *out, const char *s, int width) {
  text_add(out, s);
  for (int n = display_width(s, strlen(s)); n < width; n++) text_char(out, ' ');
  text_add(out, "  ");
}

static int widest(const char *const *names, int n, int least) {
  for (int i = 0; i < n; i++) {
    int w = display_width(names[i], strlen(names[i]));
    if (w > least) least = w;
  }
  return least < 32 ? least : 32;
}

// `0.5 * huber(spend, delta = 10)`, and what is left out of it
static void term_text(const Model *m, const LossTerm *x, Text *out) {
  const LossRow *row = &loss_rows[x->loss];
  if (x->factor != 1) text_printf(out, "%g * ", x->factor);
  text_printf(out, "%s(%s", row->name, m->data.labels[x->label].name);
  for (int i = 0; i < loss_arg_count(x->loss); i++)
    if (x->args.number[i] != row->arg[i].def) text_printf(out, ", %s = %g", row->arg[i].name, x->args.number[i]);
  if (x->args.class_weight) {
    text_add(out, ", weights = [");
    for (int64_t i = 0; i < m->data.labels[x->label].classes; i++)
      text_printf(out, "%s%g", i ? ", " : "", x->args.class_weight[i]);
    text_char(out, ']');
  }
  if (x->group >= 0) text_printf(out, ", by = %s", m->data.columns[m->data.groups[x->group]].name);
  if (x->on) text_printf(out, ", on = %s", expr_text(m->arena, x->on));
  text_char(out, ')');
}

static const char *input_prep(const Model *m, const DataInput *in) {
  Text t = {0};
  static const char *const missing[] = {[MISSING_ERROR] = "error", [MISSING_MODE] = "mode", [MISSING_CONSTANT] = "own",
                                        [MISSING_DROP] = "drop"};
  if (in->kind != INPUT_LIST && in->like) text_printf(&t, "like %s, ", m->data.inputs[in->like - 1].name);
  if (in->kind == INPUT_LIST) list_print(&m->data, in, &t);
  else if (in->kind == INPUT_TIME) time_print(in, &t);
  else if (in->dense_at >= 0) prep_print(&in->prep, in->prep.scale, &t);
  else if (in->kind == INPUT_ID)
    text_printf(&t, "%lld buckets, missing %s", (long long)in->buckets, missing[in->prep.missing]);
  else {
    if (!in->vocab_file && !in->n_vocab && in->prep.map != MAP_BUCKETIZE) text_add(&t, "vocabulary learned, ");
    vocabulary_print(in, &t);
    if (m->prep) text_printf(&t, ", %lld rows", (long long)m->prep->vocab[in->id_at].n + 1);
    text_printf(&t, ", missing %s", missing[in->prep.missing]);
  }
  char *s = arena_strdup(m->arena, t.data);
  text_free(&t);
  return s;
}

static const char *input_type(const Model *m, const DataInput *in) {
  return input_type_text(in, m->arena);
}

static const char *label_value(const Model *m, const DataLabel *l) {
  Text t = {0};
  row_print(&m->data, l->from, &t);
  if (l->where) {
    text_add(&t, " where ");
    row_print(&m->data, l->where, &t);
  }
  char *s = arena_strdup(m->arena, t.data);
  text_free(&t);
  return s;
}

static void data_text(const Model *m, Text *out) {
  const char **names = NEW_ARRAY(m->arena, const char *, m->data.n_inputs + m->data.n_labels + 1);
  int n = 0;
  for (int i = 0; i < m->data.n_inputs; i++) names[n++] = m->data.inputs[i].name;
  for (int i = 0; i < m->data.n_labels; i++) names[n++] = m->data.labels[i].name;
  int w = widest(names, n, 4);
  text_printf(out, "\ninputs: %d numbers and %d ids a row\n", m->data.dense_width, m->data.n_ids);
  for (int i = 0; i < m->data.n_inputs; i++) {
    text_add(out, "  ");
    column(out, m->data.inputs[i].name, w);
    column(out, input_type(m, &m->data.inputs[i]), 10);
    text_printf(out, "%s\n", input_prep(m, &m->data.inputs[i]));
  }
  text_add(out, "\nlabels\n");
  for (int i = 0; i < m->data.n_labels; i++) {
    const DataLabel *l = &m->data.labels[i];
    text_add(out, "  ");
    column(out, l->name, w);
    column(out, label_kind_text(l, m->arena), 10);
    text_printf(out, "%s%s\n", label_value(m, l), l->scale == SCALE_ZSCORE ? ", zscore" : l->scale == SCALE_MINMAX
                ? ", minmax" : "");
  }
}

static void parts_text(const Model *m, const Graph *g, Text *out) {
  const Spec *s = spec_of((Model *)m);
  const char **names = NEW_ARRAY(m->arena, const char *, m->n_bindings + m->n_tasks + m->n_outputs + 1);
  int n = 0;
  for (int i = 0; i < m->n_bindings; i++) names[n++] = m->bindings[i].name;
  for (int i = 0; i < m->n_tasks; i++) names[n++] = m->tasks[i].name;
  for (int i = 0; i < m->n_outputs; i++) names[n++] = m->outputs[i].name;
  int w = widest(names, n, 4);
  text_add(out, "\n  ");
  column(out, "name", w);
  column(out, "kind", 7);
  column(out, "value", 22);
  text_add(out, "parameters of its own\n");
  for (int i = 0; i < n; i++) {
    bool binding = i < m->n_bindings, task = !binding && i < m->n_bindings + m->n_tasks;
    NodeId value = binding ? 0 : root_of(g, task ? "head" : "output", names[i], m->arena);
    Count c = parameters(g, m->arena, names[i]);
    text_add(out, "  ");
    column(out, names[i], w);
    column(out, binding ? (m->bindings[i].shared ? "shared" : "let") : task ? "task" : "output", 7);
    column(out, binding ? s->binding_shape[i] : value ? shape_text(g, value, m->arena) : "-", 22);
    text_printf(out, "%s%s%s", count_text(m->arena, &c), binding && m->bindings[i].freeze ? ", frozen" : "", binding && m->bindings[i].lazy ? ", lazy" : "");
    if (binding || task) rule_print(binding ? m->bindings[i].rule : m->tasks[i - m->n_bindings].rule, ", ", out);
    text_char(out, '\n');
  }
}

static void tasks_text(const Model *m, const Graph *g, Text *out) {
  text_add(out, "\ntasks\n");
  for (int i = 0; i < m->n_tasks; i++) {
    const ModelTask *t = &m->tasks[i];
    NodeId head = root_of(g, "head", t->name, m->arena);
    text_printf(out, "  %s: weight %g, loss ", t->name, t->weight);
    for (int k = 0; k < t->n_terms; k++) {
      const LossTerm *x = &t->terms[k];
      if (k) text_add(out, " + ");
      term_text(m, x, out);
      if (!x->on && loss_from_logits(g, x->loss, head)) text_add(out, " from logits");
    }
    for (int k = 0; k < t->n_values; k++) value_print(&t->values[k], k + t->n_terms == 0 ? "" : NULL, out);
    if (t->rows >= 0) text_printf(out, ", rows %s", m->data.labels[t->rows].name);
    text_add(out, ", metrics");
    for (int k = 0; k < m->train.tasks[i].n_metrics; k++)
      text_printf(out, "%s %s", k ? "," : "", m->train.tasks[i].metrics[k].name);
    for (int k = 0; k < m->train.tasks[i].n_matrices; k++)
      text_printf(out, "%s %s", k + m->train.tasks[i].n_metrics ? "," : "", m->train.tasks[i].matrices[k].name);
    text_char(out, '\n');
  }
  for (int i = 0; i < m->n_penalty; i++) value_print(&m->penalty[i], i ? NULL : "  penalty: ", out);
  if (m->n_penalty) text_char(out, '\n');
}

static void cost_text(const Model *m, const Cost *c, Text *out) {
  Arena *a = m->arena;
  double batch = (double)m->train.batch;
  text_printf(out, "\nparameters       %s%s\n", count_text(a, &c->parameters), c->frozen ? arena_printf(a,
        " (%d tensors frozen)", c->frozen) : "");
  text_printf(out, "optimizer state  %s\n", count_text(a, &c->state));
  text_printf(out, "work             %s FLOPs a row forward, %s a row in a step, and %s a step%s\n", thousands(a,
        c->forward.row),
              thousands(a, c->step.row), thousands(a, c->step.step), c->parameters.terms.n
                  ? " (tables of unknown size left out)" : "");
  text_printf(out, "memory           %.2f MB parameters and state, at most %.2f MB for a batch of %lld\n",
              (c->parameters.n + c->state.n) * 4 / 1e6,
              c->row_bytes * batch / 1e6, (long long)m->train.batch);
}

static void gemm_text(const Model *m, const Cost *c, Text *out) {
  if (!c->n_gemm) return;
  if (m->gemm_by) text_printf(out, "BLAS             %s, computes the gradients of ", m->gemm_by);
  else text_printf(out, "BLAS             not used (%s), though it would pay for the gradients of ", m->gemm_why_not);
  for (int i = 0; i < c->n_gemm; i++) text_printf(out, "%s%s", i ? ", " : "", c->gemm[i]);
  text_char(out, '\n');
}

static void push_text(const PushReport *r, Text *out) {
  if (!r->tables) return;
  text_printf(out, "tables           %d multiplied by the weights of %d product%s before their rows are gathered: %.1f times fewer multiplications there",
              r->tables, r->products, r->products == 1 ? "" : "s", r->before / r->after);
  if (r->pairs) text_printf(out, "; %d pair%s of them as tables of sums", r->pairs, r->pairs == 1 ? "" : "s");
  text_char(out, '\n');
}

static void distinct_text(const PushReport *r, Arena *a, Text *out) {
  const PushCount *c = &r->distinct;
  if (!c->tables) return;
  text_printf(out, "distinct ids     %d table%s multiplied by the weights of %d product%s for the distinct ids of a batch alone, about %s of %s: %.1f times "
              "fewer multiplications there\n", c->tables, c->tables == 1 ? "" : "s", c->products, c->products == 1 ? "" : "s",
              thousands(a, r->distinct_ids), thousands(a, r->ids), c->before / c->after);
}

static void kept_text(const Cost *c, Arena *a, Text *out) {
  if (!c->kept.width) return;
  text_printf(out, "frozen           %d numbers of a row are computed once, then kept: %s FLOPs a row that no later epoch does\n", c->kept.width,
              thousands(a, c->once.row));
}

static void explain_text(const Model *m, const Graph *g, const Cost *c, Text *out) {
  const TrainPlan *t = &m->train;
  text_printf(out, "model %s, version %lld, edition %d\n", m->name, (long long)m->version, m->edition);
  data_text(m, out);
  parts_text(m, g, out);
  tasks_text(m, g, out);
  cost_text(m, c, out);
  text_printf(out, "training         %s, batch %lld, %lld epochs, seed %llu", t->optimizer, (long long)t->batch, (long long)t->epochs,
              (unsigned long long)t->seed);
  rule_print(train_rule_said(m), ", ", out);
  text_char(out, '\n');
  push_text(&c->push, out);
  distinct_text(&c->push, m->arena, out);
  kept_text(c, m->arena, out);
  gemm_text(m, c, out);
  balance_text(m, g, out);
  if (m->n_defaults) text_add(out, "\nleft out, so by default\n");
  for (int i = 0; i < m->n_defaults; i++) text_printf(out, "  %s = %s\n", m->defaults[i].what, m->defaults[i].value);
}

// ---------------------------------------------------------------- JSON
static json_t *with_rule(json_t *o, StepRule said) {                  // what is said, alone
  if (!isnan(said.l2)) json_object_set_new(o, "l2", json_real(said.l2));
  if (!isnan(said.l1)) json_object_set_new(o, "l1", json_real(said.l1));
  if (!isnan(said.rate)) json_object_set_new(o, "rate", json_real(said.rate));
  Text t = {0};
  rule_print((StepRule){UNSAID, UNSAID, UNSAID, said.optimizer}, "", &t);
  if (said.optimizer) json_object_set_new(o, "optimizer", json_string(t.data));
  text_free(&t);
  return o;
}

static json_t *count_json(const Count *c) {
  json_t *symbols = json_object();
  for (int i = 0; i < c->terms.n; i++)
    json_object_set_new(symbols, c->terms.data[i].symbol, json_integer((json_int_t)c->terms.data[i].factor));
  return json_pack("{s:I, s:o}", "fixed", (json_int_t)c->n, "per_vocabulary_entry", symbols);
}

static json_t *data_json(const Model *m) {
  json_t *inputs = json_array(), *labels = json_array();
  for (int i = 0; i < m->data.n_inputs; i++) {
    const DataInput *in = &m->data.inputs[i];
    json_array_append_new(inputs, json_pack("{s:s, s:s, s:s}", "name", in->name, "type", input_type(m, in), "preparation",
                                            input_prep(m, in)));
  }
  for (int i = 0; i < m->data.n_labels; i++) {
    const DataLabel *l = &m->data.labels[i];
    json_array_append_new(labels, json_pack("{s:s, s:s, s:s}", "name", l->name, "type", label_kind_text(l, m->arena),
                                            "value", label_value(m, l)));
  }
  return json_pack("{s:o, s:o}", "inputs", inputs, "labels", labels);
}

static json_t *bindings_json(const Model *m, const Graph *g) {
  json_t *all = json_array();
  for (int i = 0; i < m->n_bindings; i++) {
    Count c = parameters(g, m->arena, m->bindings[i].name);
    json_t *one = json_pack("{s:s, s:b, s:b, s:s, s:o}", "name", m->bindings[i].name, "shared", m->bindings[i].shared, "frozen", m->bindings[i].freeze,
                            "value", spec_of((Model *)m)->binding_shape[i], "parameters", count_json(&c));
    json_array_append_new(all, with_rule(one, m->bindings[i].rule));
  }
  return all;
}

static json_t *task_json(const Model *m, const Graph *g, int i) {
  const ModelTask *t = &m->tasks[i];
  NodeId head = root_of(g, "head", t->name, m->arena);
  json_t *terms = json_array(), *metrics = json_array();
  Count c = parameters(g, m->arena, t->name);
  for (int k = 0; k < t->n_terms; k++)
    json_array_append_new(terms, json_pack("{s:s, s:f, s:s, s:b}", "loss", loss_rows[t->terms[k].loss].name, "factor",
                                           t->terms[k].factor, "label",
                                           m->data.labels[t->terms[k].label].name, "from_logits",
                                           !t->terms[k].on && loss_from_logits(g, t->terms[k].loss, head)));
  for (int k = 0; k < t->n_values; k++) json_array_append_new(terms, json_pack("{s:s}", "value", t->values[k].text));
  for (int k = 0; k < m->train.tasks[i].n_metrics; k++)
    json_array_append_new(metrics, json_string(m->train.tasks[i].metrics[k].name));
  for (int k = 0; k < m->train.tasks[i].n_matrices; k++) json_array_append_new(metrics, json_string(m->train.tasks[i].matrices[k].name));
  const char *rows = t->rows >= 0 ? m->data.labels[t->rows].name : NULL;
  return with_rule(json_pack("{s:s, s:f, s:i, s:s?, s:o, s:o, s:o}", "name", t->name, "weight", t->weight, "width", m->train.tasks[i].width,
                             "rows", rows, "losses", terms, "metrics", metrics, "parameters", count_json(&c)), t->rule);
}

static json_t *gemm_json(const Model *m, const Cost *c) {
  json_t *weights = json_array();
  for (int i = 0; i < c->n_gemm && m->gemm_by; i++) json_array_append_new(weights, json_string(c->gemm[i]));
  return json_pack("{s:s?, s:o}", "by", m->gemm_by, "gradients", weights);
}

static void explain_json(const Model *m, const Graph *g, const Cost *c, Text *out) {
  json_t *tasks = json_array(), *outputs = json_array(), *defaults = json_object();
  for (int i = 0; i < m->n_tasks; i++) json_array_append_new(tasks, task_json(m, g, i));
  for (int i = 0; i < m->n_outputs; i++)
    json_array_append_new(outputs, json_pack("{s:s, s:i}", "name", m->outputs[i].name, "width", m->train.outputs[i].width));
  for (int i = 0; i < m->n_defaults; i++)
    json_object_set_new(defaults, m->defaults[i].what, json_string(m->defaults[i].value));
  json_t *cost = json_pack("{s:o, s:o, s:f, s:f, s:f, s:f}", "parameters", count_json(&c->parameters), "optimizer_state",
                           count_json(&c->state),
                           "flops_row_forward", c->forward.row, "flops_row_step", c->step.row, "flops_step", c->step.step,
                               "batch_bytes",
                           c->row_bytes * (double)m->train.batch);
  json_t *all = json_pack("{s:s, s:I, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "model", m->name, "version",
                          (json_int_t)m->version, "edition", m->edition,
                          "data", data_json(m), "bindings", bindings_json(m, g), "tasks", tasks, "outputs", outputs, "cost",
                              cost, "defaults", defaults);
  json_object_set_new(all, "pushed", json_pack("{s:i, s:i, s:i, s:f, s:f}", "tables", c->push.tables, "products", c->push.products, "pairs", c->push.pairs,
                                               "multiplications_before", c->push.before, "multiplications", c->push.after));
  json_object_set_new(all, "distinct", json_pack("{s:i, s:i, s:f, s:f, s:f, s:f}", "tables", c->push.distinct.tables, "products",
                                                 c->push.distinct.products, "ids", c->push.ids, "distinct_ids", c->push.distinct_ids,
                                                 "multiplications_before", c->push.distinct.before, "multiplications", c->push.distinct.after));
  json_object_set_new(all, "kept", json_pack("{s:i, s:f}", "numbers", c->kept.width, "flops_a_row", c->once.row));
  json_object_set_new(all, "blas", gemm_json(m, c));
  json_object_set_new(all, "balance", balance_json(m, g));
  char *text = json_dumps(all, JSON_INDENT(2));
  text_add(out, text ? text : "null");
  free(text);
  json_decref(all);
}

void model_explain(const Model *m, Graph *g, Text *out, bool json) {
  Cost c = cost_of(m, g);
  if (json) explain_json(m, g, &c, out);
  else explain_text(m, g, &c, out);
}
