// optim.c: optimizer updates as nodes. Formulas are PyTorch's. Rows: optim.def.
// What depends on the step alone (learning rate, bias correction) is a scalar in f64, cast once to the arithmetic type.
#include "graph_int.h"

enum { MAX_SPREADS = 16 };   // of one table: inputs that name its rows

typedef struct {
  Graph *g;
  const double *args;
  NodeId lr;                 // f64 scalar
  NodeId neg_lr;             // −lr in the arithmetic type
  NodeId neg_c, k;           // Adam: −lr/(1 − β1^t), 1/√(1 − β2^t)
  NodeId shrink;             // AdamW: 1 − lr·decay
} Step;
typedef void Begin(Step *s);                                    // once per graph
typedef NodeId Update(Step *s, int slot, NodeId p, NodeId dp);  // p', the new value of the slot; p and dp: its shape

static NodeId num(Step *s, double v) { return g_const(s->g, v); }
static NodeId sub(Step *s, NodeId a, NodeId b) { return g_map2(s->g, OP_SUB, a, b); }
static NodeId mul(Step *s, NodeId a, NodeId b) { return g_map2(s->g, OP_MUL, a, b); }
static NodeId quo(Step *s, NodeId a, NodeId b) { return g_map2(s->g, OP_DIV, a, b); }
static NodeId fma3(Step *s, NodeId a, NodeId b, NodeId c) { return g_map3(s->g, OP_FMA, a, b, c); }
static NodeId real(Step *s, NodeId f64) { return g_cast(s->g, f64, s->g->dtype); }
static NodeId wide(Step *s, double v) { return g_const_of(s->g, v, F64); }

// The state `NAME` of a parameter: an OPT slot of its shape, zero at the start.
static int state_of(Step *s, int slot, const char *name) {
  const Slot p = s->g->slots.data[slot];
  const char *path = arena_printf(s->g->arena, "%s:%s", p.path, name);
  return graph_slot(s->g, path, SLOT_OPT, p.dtype, p.rank, p.axis, (Init){.kind = INIT_ZEROS}, p.at);
}

// ---------------------------------------------------------------- sgd: p' = p − lr·g
static void begin_sgd(Step *s) { s->neg_lr = real(s, g_map1(s->g, OP_NEG, s->lr)); }
static NodeId update_sgd(Step *s, int slot, NodeId p, NodeId dp) {
  (void)slot;
  return fma3(s, s->neg_lr, dp, p);
}

// ----------------------------------------------------------- momentum: b' = μ·b + g; p' = p − lr·b' (nesterov: g + μ·b')
static void begin_momentum(Step *s) { begin_sgd(s); }
static NodeId update_momentum(Step *s, int slot, NodeId p, NodeId dp) {
  int state = state_of(s, slot, "momentum");
  NodeId mu = num(s, s->args[1]), b = fma3(s, mu, g_read(s->g, state), dp);
  graph_assign(s->g, state, b);
  return fma3(s, s->neg_lr, s->args[2] != 0 ? fma3(s, mu, b, dp) : b, p);
}

// ---------------------------------------------------------------- adam, adamw
// 1 − β^t. The slot holds β^(t−1) before step t; it starts at 1.
static NodeId one_minus_power(Step *s, const char *path, double beta) {
  int slot = graph_slot(s->g, path, SLOT_OPT, F64, 0, NULL, (Init){.kind = INIT_ONES}, s->g->at);
  NodeId before = g_read(s->g, slot), power = mul(s, before, wide(s, beta));
  graph_assign(s->g, slot, power);
  return sub(s, wide(s, 1), power);
}

static void begin_adam(Step *s) {
  NodeId c = quo(s, s->lr, one_minus_power(s, "adam.beta1_power", s->args[1]));
  NodeId root = g_map1(s->g, OP_SQRT, one_minus_power(s, "adam.beta2_power", s->args[2]));
  s->neg_c = real(s, g_map1(s->g, OP_NEG, c));
  s->k = real(s, g_map1(s->g, OP_RECIP, root));
}

// m' = m + (g − m)(1−β1); v' = β2·v + (1−β2)·g²; p' = p − c·m' / (√v'·k + ε)
static NodeId update_adam(Step *s, int slot, NodeId p, NodeId dp) {
  double beta1 = s->args[1], beta2 = s->args[2], eps = s->args[3];
  int m_slot = state_of(s, slot, "adam.m"), v_slot = state_of(s, slot, "adam.v");
  NodeId m0 = g_read(s->g, m_slot), v0 = g_read(s->g, v_slot);
  NodeId change = sub(s, dp, m0), m = fma3(s, change, num(s, 1 - beta1), m0);
  NodeId kept = mul(s, num(s, beta2), v0), v = fma3(s, mul(s, dp, num(s, 1 - beta2)), dp, kept);
  graph_assign(s->g, m_slot, m);
  graph_assign(s->g, v_slot, v);
  NodeId root = g_map1(s->g, OP_SQRT, v), scale = fma3(s, root, s->k, num(s, eps));
  return fma3(s, s->neg_c, quo(s, m, scale), p);
}

static void begin_adamw(Step *s) {
  begin_adam(s);
  NodeId one = wide(s, 1);
  s->shrink = real(s, sub(s, one, mul(s, s->lr, wide(s, s->args[4]))));
}
static NodeId update_adamw(Step *s, int slot, NodeId p, NodeId dp) {   // p shrinks first: decay apart from the gradient
  return update_adam(s, slot, mul(s, p, s->shrink), dp);
}

// ---------------------------------------------------------------- the table
#define OPTIM(id, name, n_args, names, defaults) {name, names, defaults, n_args},
const OptimRow optim_rows[] = {
#include "optim.def"
};
#undef OPTIM
const int n_optim_rows = COUNT_OF(optim_rows);
#define OPTIM(id, name, n_args, names, defaults) {begin_##id, update_##id},
static const struct { Begin *begin; Update *update; } updates[] = {
#include "optim.def"
};
#undef OPTIM

// ---------------------------------------------------------------- tables by the rows that a batch names
// What changes no row whose gradient is 0: its update is that of the rows named, whether asked for or not.
static bool rests(int row) { return strcmp(optim_rows[row].name, "sgd") == 0; }

// Ids of the spreads that a gradient is the sum of; 0: it is no such sum, all rows of the table have one.
static int spread_ids(const Graph *g, NodeId d, NodeId *ids, int n) {
  if (node(g, d)->op == OP_SPREAD) {
    if (n < MAX_SPREADS) ids[n] = node_in(g, d, 1);
    return n < MAX_SPREADS ? n + 1 : 0;
  }
  if (node(g, d)->op != OP_ADD) return 0;
  n = spread_ids(g, node_in(g, d, 0), ids, n);
  return n ? spread_ids(g, node_in(g, d, 1), ids, n) : 0;
}

// 1 for each row that the batch names, as an operand beside the table; 0: the whole table is updated.
static NodeId touched_rows(Graph *g, int row, const Slot *p, NodeId d) {
  NodeId ids[MAX_SPREADS], all = 0;
  if (!p->lazy && !(rests(row) && axis_size(g, p->axis[0]) > axis_size(g, AXIS_OF_ROWS))) return 0;
  int n = p->rank ? spread_ids(g, d, ids, 0) : 0;
  if (!p->lazy && n > 1) return 0;
  for (int i = 0; i < n; i++) {
    NodeId one = g_touched(g, ids[i], p->axis[0]);
    all = all && all != one ? g_map2(g, OP_MAX, all, one) : one;
  }
  for (int i = 1; all && i < p->rank; i++) all = g_expand(g, all, -1);
  return all;
}

// Assigns made from `first` on keep the rows that are not touched.
static void keep_untouched(Graph *g, NodeId touched, int first) {
  for (int i = first; touched && i < g->roots.n; i++) {
    Root *r = &g->roots.data[i];
    const Slot *s = &g->slots.data[r->slot];
    if (s->rank == 0) continue;
    NodeId old = g_read(g, r->slot);
    r->value = g_select(g, touched, r->value, old);
  }
}

void optim(Graph *g, int row, const double *args, const int *slots, const NodeId *grads, int n) {
  CHECK(row >= 0 && row < n_optim_rows);
  Place at = g->at;
  Step s = {.g = g, .args = args};
  for (int i = 0; i < n; i++) {
    const Slot p = g->slots.data[slots[i]];
    if (p.frozen || !grads[i]) continue;
    if (!s.lr) {
      s.lr = g_rt(g, RT_LR);
      updates[row].begin(&s);
    }
    g->at = p.at;
    NodeId read = g_read(g, slots[i]);
    CHECK(same_shape(g, read, grads[i]) && node(g, read)->dtype == node(g, grads[i])->dtype);
    NodeId touched = touched_rows(g, row, &p, grads[i]);
    int first = g->roots.n;
    graph_assign(g, slots[i], updates[row].update(&s, slots[i], read, grads[i]));
    keep_untouched(g, touched, first);
  }
  g->at = at;
}
