// build_terms.c: which rows count in a task's loss, and how much; terms of losses that are values. In a task, a value with rows is
// averaged as the losses are, Σ w·v / Σ w over the rows in which the task's label is known; one number counts once a step. `penalty`
// has terms that are no task's: numbers.
#include "model_int.h"

// [rows] or a scalar; 0 after an error.
static NodeId term_node(Build *b, const ValueTerm *x, Value *v, bool rows) {
  Graph *g = b->g;
  if (v->kind == V_BAD) return 0;
  if (is_scalar(v)) {
    diag_error(b->d, "loss", x->at, "`%s` is the number %g, which no parameter moves", x->text, v->number);
    return 0;
  }
  if (v->kind != V_TENSOR) {
    diag_error(b->d, "type-mismatch", x->at, "a term of a loss is a tensor, not %s", value_text(b, v));
    if (is_tree(v)) diag_help(b->d, "make it one number: `sum_sq(…)`, `sum(abs(…))`");
    return 0;
  }
  g_at(g, x->at);
  NodeId n = v->node;
  bool has = has_rows(g, n);
  n = without_units(g, n);
  if (node(g, n)->rank == 0 || (rows && has && node(g, n)->rank == 1)) return n;
  diag_error(b->d, "shape-mismatch", x->at, "%s, not %s",
             rows ? "a term of a loss is one number, or one a row" : "a term of `penalty` is one number", value_text(b, v));
  diag_help(b->d, has && node(g, n)->rank == 1 ? "take its mean over the batch: `batch_mean(…)`"
                                               : "take `sum(…)`, `mean(…)` or `sum_sq(…)` of it");
  return 0;
}

NodeId counted_rows(Build *b, const ModelTask *t, int label) {
  Graph *g = b->g;
  NodeId w = g_column(g, OP_KNOWN, label);
  if (t->rows < 0) return w;
  NodeId worth = g_column(g, OP_LABEL, t->rows), zero = g_const(g, 0);
  return g_select(g, g_column(g, OP_KNOWN, t->rows), g_map2(g, OP_MUL, w, worth), zero);
}

Counted count_rows(Build *b, const ModelTask *t, NodeId w, NodeId v) {
  Graph *g = b->g;
  Counted c;
  NodeId zero = g_const(g, 0), one = g_const(g, 1);
  if (b->m->data.weight || t->rows >= 0) v = g_map2(g, OP_MUL, w, v);   // else w is 0 or 1
  c.sum = g_sum(g, g_select(g, w, v, zero), 0);
  c.weight = g_sum(g, w, 0);
  c.mean = g_map2(g, OP_DIV, c.sum, g_select(g, c.weight, c.weight, one));
  return c;
}

// Σ w·ℓ / Σ w·(its pairs): a pair counts as much as the row of it that should come first.
Counted count_pairs(Build *b, const ModelTask *t, NodeId w, NodeId v) {
  Graph *g = b->g;
  NodeId pairs = loss_pair_counts(g, v), one = g_const(g, 1);
  Counted c = count_rows(b, t, w, v);
  c.weight = count_rows(b, t, w, pairs).sum;
  c.mean = g_map2(g, OP_DIV, c.sum, g_select(g, c.weight, c.weight, one));
  return c;
}

// Reported beside the losses: root term:I, in the order of the plan's terms.
static NodeId out_term(Build *b, const ValueTerm *x, int index, NodeId n, Value *v) {
  const char *root = arena_printf(b->a, "term:%d", index);
  FormulaId in[] = {formula_of(b, v_number(b, x->factor, x->at)), formula_of(b, v)};
  formula_out(b, root, formula_add(b, (Formula){.op = "*", .at = x->at}, in, 2));
  graph_out(b->g, root, n);
  return n;
}

NodeId build_value(Build *b, Env *e, const ValueTerm *x, const ModelTask *t, int index) {
  Graph *g = b->g;
  Value *v = eval(b, e, x->value);
  NodeId n = term_node(b, x, v, t != NULL);
  if (n && has_rows(g, n)) n = count_rows(b, t, counted_rows(b, t, b->m->train.tasks[t - b->m->tasks].label), n).mean;
  if (n && x->factor != 1) n = g_map2(g, OP_MUL, n, g_const(g, x->factor));
  return n ? out_term(b, x, index, n, v) : 0;
}

void build_penalty(Build *b) {
  const Model *m = b->m;
  Graph *g = b->g;
  Env *e = NEW(b->a, Env);
  NodeId total = 0;
  *e = (Env){.module = b->s->modules.data[1], .frame = frame_child(b, b->root, "penalty", false, (Place){0})};
  for (int i = 0; i < m->n_penalty; i++) {
    int index = m->train.n_terms - m->n_penalty + i;
    NodeId n = build_value(b, e, &m->penalty[i], NULL, index);
    if (!n) continue;
    formula_append(b, "penalty", formula_root(m->formulas, arena_printf(b->a, "term:%d", index)));
    total = total ? g_map2(g, OP_ADD, total, n) : n;
  }
  if (!total) return;
  graph_out(g, "penalty", total);
  g->loss = g->loss ? g_map2(g, OP_ADD, g->loss, total) : total;
}
