// checks.c: what is well typed and yet no sound model: a head that reads the columns that its label is made of, a task whose
// loss moves no parameter, a spec that trains nothing.
#include "model_int.h"

// ---------------------------------------------------------------- accept
const Decl *find_accept(const Spec *s, const char *rule, const char *name) {
  for (int i = 0; i < s->decls.n; i++) {
    const Decl *d = s->decls.data[i];
    if (d->kind == DECL_ACCEPT && d->n_names && strcmp(d->names[0].name, rule) == 0 && d->n_path == 1 &&
        strcmp(d->path[0].name, name) == 0)
      return d;
  }
  return NULL;
}

bool accepted(const Spec *s, const char *rule, const char *name) {
  const Decl *d = find_accept(s, rule, name);
  return d && (double)s->m.version < d->number;
}

// ---------------------------------------------------------------- a label as an input
static const char leak_rule[] = "LABEL_AS_INPUT";

bool is_check_rule(const char *id) { return strcmp(id, leak_rule) == 0; }

typedef struct { const DataPlan *plan; bool *column; } Columns;          // [plan->n_columns]: read, in the end

static void add_columns(const Columns *c, const RowExpr *e) {
  if (!e) return;
  if (e->op == RX_COLUMN) c->column[e->index] = true;
  if (e->op == RX_LABEL) add_columns(c, c->plan->labels[e->index].from);
  add_columns(c, e->a);
  add_columns(c, e->b);
}

static void add_input_columns(const Columns *c, const DataInput *in) {
  add_columns(c, in->from);
  if (in->kind != INPUT_VECTOR) return;
  for (int k = 0; k < (in->packed ? 1 : in->width); k++) c->column[in->first_column + k] = true;
}

static Columns no_columns(Build *b) { return (Columns){&b->m->data, NEW_ARRAY(b->a, bool, b->m->data.n_columns + 1)}; }

// What a head is made of: needed[n] for the nodes up to its root.
static bool *made_of(Build *b, NodeId root) {
  bool *needed = NEW_ARRAY(b->a, bool, b->g->nodes.n);
  needed[root] = true;
  for (NodeId n = root; n > 0; n--)
    for (int i = 0; needed[n] && i < node(b->g, n)->n_in; i++) needed[node_in(b->g, n, i)] = true;
  return needed;
}

// By input: does one of the nodes read a column of it? Neighbours that are concatenated are one node by now, so columns are
// compared. of_dense, of_id: the input of each column.
static bool *inputs_read(Build *b, const bool *needed) {
  const DataPlan *p = &b->m->data;
  int *of_dense = NEW_ARRAY(b->a, int, p->dense_width + 1), *of_id = NEW_ARRAY(b->a, int, p->n_ids + 1);
  bool *read = NEW_ARRAY(b->a, bool, p->n_inputs + 1);
  for (int i = 0; i < p->n_inputs; i++) {
    const DataInput *in = &p->inputs[i];
    int64_t width = in->kind == INPUT_LIST ? in->max : in->kind == INPUT_TIME ? 2 * in->n_parts : in->width ? in->width : 1;
    for (int64_t k = 0; in->dense_at >= 0 && k < width; k++) of_dense[in->dense_at + k] = i + 1;
    for (int64_t k = 0; in->id_at >= 0 && k < width; k++) of_id[in->id_at + k] = i + 1;
  }
  for (NodeId n = 1; n < (NodeId)b->g->nodes.n; n++) {
    const Node *x = node(b->g, n);
    if (!needed[n] || (x->op != OP_DENSE && x->op != OP_IDS)) continue;
    const int *of = x->op == OP_DENSE ? of_dense : of_id;
    for (int64_t k = 0, all = x->attr.i[1] ? x->attr.i[1] : 1; k < all; k++)
      if (of[x->attr.i[0] + k]) read[of[x->attr.i[0] + k] - 1] = true;
  }
  return read;
}

static bool same_column(const Build *b, int input, const Columns *label) {
  Columns own = {label->plan, NEW_ARRAY(b->a, bool, label->plan->n_columns + 1)};
  add_input_columns(&own, &label->plan->inputs[input]);
  for (int k = 0; k < label->plan->n_columns; k++)
    if (own.column[k] && label->column[k]) return true;
  return false;
}

static void leak_error(Build *b, const ModelTask *t, int label, int input) {
  const DataInput *in = &b->m->data.inputs[input];
  const DataLabel *l = &b->m->data.labels[label];
  diag_error(b->d, "label-as-input", b->m->input_at[input], "`%s` is made of a column that the label `%s` of task `%s` is computed from: its head sees the answer",
             in->name, l->name, t->name);
  diag_note(b->d, b->m->label_at[label], "the label");
  const Decl *d = find_accept(b->s, leak_rule, in->name);
  if (d) diag_note(b->d, d->at, "this accepted it until version %g, and the model's is %lld", d->number, (long long)b->m->version);
  diag_help(b->d, "leave it out of the head; where it is known before the outcome: `accept %s %s \"why\" until %lld`", leak_rule, in->name,
            (long long)b->m->version + 1);
}

// An error where all columns of the label reach the head. (One of several may: `up = next_price > price` and an input `price`.)
static void check_label(Build *b, const ModelTask *t, int label, const bool *read) {
  const DataPlan *p = &b->m->data;
  Columns of_label = no_columns(b), of_head = no_columns(b);
  bool any = false, all = true;
  add_columns(&of_label, p->labels[label].from);
  for (int i = 0; i < p->n_inputs; i++)
    if (read[i]) add_input_columns(&of_head, &p->inputs[i]);
  for (int k = 0; k < p->n_columns; k++) any |= of_label.column[k], all &= !of_label.column[k] || of_head.column[k];
  if (!any || !all) return;
  Columns open = no_columns(b);                              // less what is accepted: rarely asked, as each means a search
  for (int i = 0; i < p->n_inputs; i++)
    if (read[i] && !accepted(b->s, leak_rule, p->inputs[i].name)) add_input_columns(&open, &p->inputs[i]);
  for (int k = 0; k < p->n_columns; k++) all &= !of_label.column[k] || open.column[k];
  for (int i = 0; all && i < p->n_inputs; i++)
    if (read[i] && same_column(b, i, &of_label)) leak_error(b, t, label, i);
}

void check_inputs(Build *b) {
  if (diag_errors(b->d)) return;
  for (int i = 0; i < b->m->n_tasks; i++) {
    const ModelTask *t = &b->m->tasks[i];
    bool *read = inputs_read(b, made_of(b, v_node(b, b->tasks[i].value)));
    int judged = b->m->train.tasks[i].label;
    for (int k = 0; k < t->n_terms; k++)
      if (!t->terms[k].on) check_label(b, t, t->terms[k].label, read);
    for (int k = 0; k < t->n_terms; k++) judged = t->terms[k].label == judged ? -1 : judged;
    if (judged >= 0) check_label(b, t, judged, read);
  }
}

// ---------------------------------------------------------------- what trains
static bool moves_any(const Build *b, const bool *live) {
  for (int i = 0; i < b->g->slots.n; i++) {
    const Slot *s = &b->g->slots.data[i];
    if (s->role == SLOT_PARAM && !s->frozen && s->read && live[s->read]) return true;
  }
  return false;
}

// live[k]: of task k; the last: of the penalty.
void check_training(Build *b, bool *const *live) {
  int moved = moves_any(b, live[b->m->n_tasks]), frozen = 0;
  for (int i = 0; i < b->g->slots.n; i++) frozen += b->g->slots.data[i].role == SLOT_PARAM && b->g->slots.data[i].frozen;
  for (int k = 0; k < b->m->n_tasks; k++) {
    const ModelTask *t = &b->m->tasks[k];
    bool moves = moves_any(b, live[k]);
    moved += moves;
    if (moves || t->freeze) continue;
    diag_warn(b->d, "untrained-task", t->at, "no gradient of task `%s` reaches a parameter that trains: its loss changes nothing", t->name);
    if (frozen) diag_help(b->d, "say `freeze = true` in the task where that is meant");
  }
  if (moved || !frozen) return;
  diag_error(b->d, "nothing-to-train", b->m->n_tasks ? b->m->tasks[0].at : (Place){0}, "all parameters that a loss reaches are frozen: there is nothing to train");
  diag_help(b->d, "take `freeze` from what is to learn, or use the run as it is: mtlc predict RUN");
}
