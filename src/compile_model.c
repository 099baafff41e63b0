// compile_model.c: a model → its forward graph → a plan; its tasks and outputs learn where their results stand.
#include "compile.h"

static int buffer_of(const Schedule *s, const char *kind, const char *name) {
  char full[1024];
  snprintf(full, sizeof full, "%s:%s", kind, name);
  for (int i = 0; i < s->buffers.n; i++)
    if (s->buffers.data[i].role == BUF_OUT && !strcmp(s->buffers.data[i].name, full)) return i;
  return -1;
}

// The model's tasks and outputs learn where their results stand.
static void name_buffers(Model *m, const Schedule *s) {
  PlanTask *tasks = (PlanTask *)m->train.tasks;
  PlanOutput *outputs = (PlanOutput *)m->train.outputs;
  for (int i = 0; i < m->train.n_tasks; i++) {
    tasks[i].head = buffer_of(s, "head", tasks[i].name);
    tasks[i].sum = buffer_of(s, "sum", tasks[i].name);
    tasks[i].weight_sum = buffer_of(s, "weight", tasks[i].name);
    CHECK(tasks[i].head >= 0 && tasks[i].sum >= 0 && tasks[i].weight_sum >= 0);
  }
  for (int i = 0; i < m->train.n_outputs; i++) {
    outputs[i].buffer = buffer_of(s, "output", outputs[i].name);
    CHECK(outputs[i].buffer >= 0);
  }
  PlanTerm *terms = (PlanTerm *)m->train.terms;
  for (int i = 0; i < m->train.n_terms; i++) CHECK((terms[i].buffer = buffer_of(s, "term", arena_printf(m->arena, "%d", i))) >= 0);
}

static int by_path(const void *key, const void *x) { return strcmp(key, ((const Begun *)x)->path); }

static void set_begun(const Model *m, Graph *g) {
  for (int i = 0; i < g->slots.n && m->n_begun; i++) {
    const Begun *b = bsearch(g->slots.data[i].path, m->begun, (size_t)m->n_begun, sizeof *b, by_path);
    if (b) g->slots.data[i].begun = b->steps;
  }
}

bool compile(Model *m, DType dtype, Compiled *out, Diag *d) {
  Graph *g = build(m, dtype, d);
  if (!g || diag_errors(d)) return false;
  graph_check(g);
  g->blas = m->blas;
  g->clip = m->clip;
  g->by_call = m->by_call;
  set_begun(m, g);
  if (!compile_graph(g, m->optimizer.of.row, m->optimizer.of.args, m->data.dense_width, m->data.n_ids, m->data.n_labels + m->data.batch_groups, out, d)) return false;
  name_buffers(m, out->schedule);
  out->balance.text = out->balance.method >= 0 ? m->balance.text : NULL;
  m->train.balance = out->balance;
  return true;
}
