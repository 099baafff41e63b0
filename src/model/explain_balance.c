// explain_balance.c: what explain says of task balancing: the method with all its arguments, and which parameters it
// is about.
#include "model_int.h"
#include <jansson.h>

static bool is_balanced(const Model *m, int slot) {
  const struct BalanceSpec *s = &m->balance.spec;
  return s->over && slot < s->n_over && s->over[slot];
}

static const char *basis(const Model *m) {
  const struct BalanceSpec *s = &m->balance.spec;
  if (!(balance_rows[s->row].flags & BALANCE_GRAM)) return "losses";
  return s->on_representation ? "gradients at the shared representation" : "gradients of shared parameters";
}

void balance_text(const Model *m, const Graph *g, Text *out) {
  int n = 0;
  if (m->balance.spec.row < 0) return;
  text_printf(out, "balancing        %s", m->balance.text);
  if (!g->balance) {
    text_add(out, ": of one task, so there is nothing to do\n");
    return;
  }
  text_printf(out, ", by the tasks' %s", basis(m));
  for (int i = 0; i < g->slots.n; i++) n += is_balanced(m, i);
  if (n) text_printf(out, "; %d backward passes\nshared           ", m->n_tasks);
  for (int i = 0, k = 0; i < g->slots.n; i++)
    if (is_balanced(m, i)) text_printf(out, "%s%s", k++ ? ", " : "", g->slots.data[i].path);
  text_char(out, '\n');
}

json_t *balance_json(const Model *m, const Graph *g) {
  json_t *shared = json_array();
  for (int i = 0; i < g->slots.n; i++)
    if (is_balanced(m, i)) json_array_append_new(shared, json_string(g->slots.data[i].path));
  bool on = g->balance != NULL;
  return json_pack("{s:s, s:s, s:i, s:o}", "method", on ? m->balance.text : "static", "by", on ? basis(m) : "nothing",
                   "backward_passes", on && m->balance.spec.over ? m->n_tasks : 1, "shared", shared);
}
