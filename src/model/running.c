// running.c: `running(value, decay, init)`: state that no gradient trains. A STATE slot reads what it was before the step; the step
// makes it decay·state + (1 − decay)·value. It is kept with the weights; in use it is only read.
#include "builtin_int.h"

static Root *assign_of(Graph *g, int slot) {
  for (int i = 0; i < g->roots.n; i++)
    if (g->roots.data[i].slot == slot) return &g->roots.data[i];
  return NULL;
}

// An instance that is called twice in a step moves its state twice, in the order of the calls.
static void move_state(Graph *g, int slot, NodeId value, double decay) {
  Root *before = assign_of(g, slot);
  NodeId from = before ? before->value : g_read(g, slot);
  NodeId kept = g_map2(g, OP_MUL, from, g_const(g, decay)), to = g_map3(g, OP_FMA, value, g_const(g, 1 - decay), kept);
  if (before) before->value = to;
  else graph_assign(g, slot, to);
}

static void say_moved(BuiltinCall *c, Value *state, const char *path) {
  Build *b = c->b;
  const char *root = arena_printf(b->a, "update:%s", path);
  FormulaId before = formula_root(b->m->formulas, root);
  FormulaId in[] = {before ? before : formula_of(b, state), formula_of(b, c->arg[0]), formula_of(b, c->arg[1])};
  formula_out(b, root, formula_add(b, (Formula){.op = "running", .at = state->at}, in, 3));
}

Value *fn_running(BuiltinCall *c) {
  Graph *g = c->b->g;
  const Value *v = c->arg[0], *decay = c->arg[1];
  Init init = {.kind = INIT_ZEROS};
  AxisId axis[MAX_RANK];
  int slot = -1;
  if (v->kind != V_TENSOR) return fn_misfit(c, v, "a tensor");
  if (has_rows(g, v->node)) {
    fn_misfit(c, v, "a value without rows");
    diag_help(c->b->d, "take its mean over the batch: `running(batch_mean(x), …)`");
    return &bad_value;
  }
  if (!is_scalar(decay) || !(decay->number >= 0 && decay->number <= 1)) {
    build_error(c->b, c->env, "bad-value", blame(c->b, c->env, decay, c->at), "`decay` is a number from 0 to 1, not %s",
                value_text(c->b, decay));
    return &bad_value;
  }
  if (c->arg[2] && !init_arg(c, c->arg[2], &init)) return &bad_value;
  memcpy(axis, node(g, v->node)->axis, sizeof axis);
  Value *state = slot_value(c, SLOT_STATE, "running", node(g, v->node)->rank, axis, init, &slot);
  if (state->kind == V_BAD || c->env->frame->frozen) return state;
  move_state(g, slot, v->node, decay->number);
  say_moved(c, state, g->slots.data[slot].path);
  return state;
}
