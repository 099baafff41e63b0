// optim.c: optimizer updates as nodes. Formulas are PyTorch's. Rows: optim.def.
// What depends on the step alone (learning rate, bias correction) is a scalar in f64, cast once to the arithmetic type.
#include "graph_int.h"

typedef struct Step Step;
struct Step {
  Graph *g;
  int row, number;           // of optim.def; of this optimizer among those of the graph, from 0
  const double *args;
  const Step *base;          // the same optimizer at another rate, begun before: counts of steps are its
  double rate;               // factor of the learning rate
  int64_t begun;             // steps behind it at the start
  NodeId lr;                 // f64 scalar
  NodeId bias[2];            // Adam: 1 − β1^t, 1 − β2^t, f64
  NodeId neg_lr;             // −lr in the arithmetic type; FTRL: 1/lr
  NodeId neg_c, k;           // Adam: −lr/(1 − β1^t), 1/√(1 − β2^t). LAMB: neg_c is 1/(1 − β1^t)
  NodeId rate_of_start;      // FTRL: β/lr + l2
  NodeId shrink;             // AdamW: 1 − lr·decay
};
typedef void Begin(Step *s);                                    // once per graph
typedef NodeId Update(Step *s, int slot, NodeId p, NodeId dp);  // p', the new value of the slot; p and dp: its shape

static NodeId num(Step *s, double v) { return g_const(s->g, v); }
static NodeId add(Step *s, NodeId a, NodeId b) { return g_map2(s->g, OP_ADD, a, b); }
static NodeId sub(Step *s, NodeId a, NodeId b) { return g_map2(s->g, OP_SUB, a, b); }
static NodeId mul(Step *s, NodeId a, NodeId b) { return g_map2(s->g, OP_MUL, a, b); }
static NodeId quo(Step *s, NodeId a, NodeId b) { return g_map2(s->g, OP_DIV, a, b); }
static NodeId fma3(Step *s, NodeId a, NodeId b, NodeId c) { return g_map3(s->g, OP_FMA, a, b, c); }
static NodeId real(Step *s, NodeId f64) { return g_cast(s->g, f64, s->g->dtype); }
static NodeId wide(Step *s, double v) { return g_const_of(s->g, v, F64); }

// The state `NAME` of a parameter: an OPT slot of its first `rank` axes, zero at the start, or `start`.
static int state_along(Step *s, int slot, const char *name, int rank, double start) {
  const Slot p = s->g->slots.data[slot];
  const char *path = arena_printf(s->g->arena, "%s:%s", p.path, name);
  Init init = {.kind = start == 0 ? INIT_ZEROS : INIT_CONSTANT, .a = start};
  int state = graph_slot(s->g, path, SLOT_OPT, p.dtype, rank, p.axis, init, p.at);
  s->g->slots.data[state].lazy = p.lazy;
  return state;
}
static int state_from(Step *s, int slot, const char *name, double start) { return state_along(s, slot, name, s->g->slots.data[slot].rank, start); }
static int state_of(Step *s, int slot, const char *name) { return state_from(s, slot, name, 0); }

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

static void begin_nesterov(Step *s) { begin_sgd(s); }
static NodeId update_nesterov(Step *s, int slot, NodeId p, NodeId dp) {   // b' = μ·b + g; p' = p − lr·(g + μ·b')
  int state = state_of(s, slot, "momentum");
  NodeId mu = num(s, s->args[1]), b = fma3(s, mu, g_read(s->g, state), dp);
  graph_assign(s->g, state, b);
  return fma3(s, s->neg_lr, fma3(s, mu, b, dp), p);
}

// ---------------------------------------------------------------- adagrad, rmsprop
// v' = v + g²; p' = p − lr·g/(√v' + ε). Duchi, Hazan, Singer 2011
static void begin_adagrad(Step *s) { begin_sgd(s); }
static NodeId update_adagrad(Step *s, int slot, NodeId p, NodeId dp) {
  int state = state_from(s, slot, "adagrad.v", s->args[2]);
  NodeId v = fma3(s, dp, dp, g_read(s->g, state)), root = g_map1(s->g, OP_SQRT, v);
  graph_assign(s->g, state, v);
  return fma3(s, s->neg_lr, quo(s, dp, add(s, root, num(s, s->args[1]))), p);
}

// v' = v + mean of g² over a row of p: one v for each row of a table or matrix; p' = p − lr·g/(√v' + ε). Gupta, Bengio, Weston 2014
static void begin_rowwise_adagrad(Step *s) { begin_sgd(s); }
static NodeId update_rowwise_adagrad(Step *s, int slot, NodeId p, NodeId dp) {
  int rank = node(s->g, dp)->rank, state = state_along(s, slot, "rowwise_adagrad.v", rank ? 1 : 0, s->args[2]);
  NodeId sum = mul(s, dp, dp);
  double n = 1;
  for (int i = rank - 1; i > 0; i--) {
    n *= (double)axis_size(s->g, node(s->g, dp)->axis[i]);
    sum = g_sum(s->g, sum, i);
  }
  NodeId v = fma3(s, sum, num(s, 1 / n), g_read(s->g, state)), below = add(s, g_map1(s->g, OP_SQRT, v), num(s, s->args[1]));
  graph_assign(s->g, state, v);
  for (int i = 1; i < rank; i++) below = g_expand(s->g, below, -1);
  return fma3(s, s->neg_lr, quo(s, dp, below), p);
}

// v' = α·v + (1 − α)·g²; b' = μ·b + g/(√v' + ε); p' = p − lr·b'. Tieleman, Hinton 2012
static void begin_rmsprop(Step *s) { begin_sgd(s); }
static NodeId update_rmsprop(Step *s, int slot, NodeId p, NodeId dp) {
  double alpha = s->args[1], momentum = s->args[3];
  int state = state_of(s, slot, "rmsprop.v");
  NodeId v0 = g_read(s->g, state), kept = mul(s, num(s, alpha), v0), v = fma3(s, mul(s, dp, num(s, 1 - alpha)), dp, kept);
  graph_assign(s->g, state, v);
  NodeId root = g_map1(s->g, OP_SQRT, v), step = quo(s, dp, add(s, root, num(s, s->args[2])));
  if (momentum != 0) {
    int b = state_of(s, slot, "momentum");
    NodeId b0 = g_read(s->g, b);
    step = fma3(s, num(s, momentum), b0, step);
    graph_assign(s->g, b, step);
  }
  return fma3(s, s->neg_lr, step, p);
}

// ---------------------------------------------------------------- adam, adamw, amsgrad, lamb
// 1 − β^t. The slot holds β^(t−1) before step t; it starts at 1, or at what the steps before have made of it.
static NodeId one_minus_power(Step *s, const char *path, double beta) {
  double start = 1;
  for (int64_t i = 0; i < s->begun && start > 0; i++) start *= beta;
  if (s->number) path = arena_printf(s->g->arena, "%s[%d]", path, s->number);
  int slot = graph_slot(s->g, path, SLOT_OPT, F64, 0, NULL, (Init){.kind = s->begun ? INIT_CONSTANT : INIT_ONES, .a = start}, s->g->at);
  NodeId before = g_read(s->g, slot), power = mul(s, before, wide(s, beta));
  graph_assign(s->g, slot, power);
  return sub(s, wide(s, 1), power);
}

static void begin_adam(Step *s) {
  s->bias[0] = s->base ? s->base->bias[0] : one_minus_power(s, "adam.beta1_power", s->args[1]);
  NodeId c = quo(s, s->lr, s->bias[0]);
  s->bias[1] = s->base ? s->base->bias[1] : one_minus_power(s, "adam.beta2_power", s->args[2]);
  NodeId root = g_map1(s->g, OP_SQRT, s->bias[1]);
  s->neg_c = real(s, g_map1(s->g, OP_NEG, c));
  s->k = real(s, g_map1(s->g, OP_RECIP, root));
}

// m' = m + (g − m)(1−β1); v' = β2·v + (1−β2)·g²
typedef struct { NodeId m, v; } Moments;
static Moments moments(Step *s, int slot, NodeId dp) {
  double beta1 = s->args[1], beta2 = s->args[2];
  int m_slot = state_of(s, slot, "adam.m"), v_slot = state_of(s, slot, "adam.v");
  NodeId m0 = g_read(s->g, m_slot), v0 = g_read(s->g, v_slot);
  NodeId change = sub(s, dp, m0), m = fma3(s, change, num(s, 1 - beta1), m0);
  NodeId kept = mul(s, num(s, beta2), v0), v = fma3(s, mul(s, dp, num(s, 1 - beta2)), dp, kept);
  graph_assign(s->g, m_slot, m);
  graph_assign(s->g, v_slot, v);
  return (Moments){m, v};
}

static NodeId over_root(Step *s, NodeId m, NodeId v) {       // m / (√v·k + ε)
  NodeId root = g_map1(s->g, OP_SQRT, v);
  return quo(s, m, fma3(s, root, s->k, num(s, s->args[3])));
}

static NodeId update_adam(Step *s, int slot, NodeId p, NodeId dp) {   // p' = p − c·m' / (√v'·k + ε)
  Moments x = moments(s, slot, dp);
  return fma3(s, s->neg_c, over_root(s, x.m, x.v), p);
}

static void begin_adamw(Step *s) {
  begin_adam(s);
  NodeId one = wide(s, 1);
  s->shrink = real(s, sub(s, one, mul(s, s->lr, wide(s, s->args[4]))));
}
static NodeId update_adamw(Step *s, int slot, NodeId p, NodeId dp) {   // p shrinks first: decay apart from the gradient
  return update_adam(s, slot, mul(s, p, s->shrink), dp);
}

// Adam by the largest v' so far. Reddi, Kale, Kumar 2018
static void begin_amsgrad(Step *s) { begin_adam(s); }
static NodeId update_amsgrad(Step *s, int slot, NodeId p, NodeId dp) {
  Moments x = moments(s, slot, dp);
  int state = state_of(s, slot, "amsgrad.most");
  NodeId most = g_map2(s->g, OP_MAX, g_read(s->g, state), x.v);
  graph_assign(s->g, state, most);
  return fma3(s, s->neg_c, over_root(s, x.m, most), p);
}

// u = m̂/(√v̂ + ε) + decay·p; p' = p − lr·‖p‖/‖u‖·u for each parameter, 1 for the quotient where a norm is 0. You et al. 2020
static void begin_lamb(Step *s) {
  begin_adam(s);
  NodeId rate = real(s, s->lr);
  s->neg_c = quo(s, g_map1(s->g, OP_NEG, s->neg_c), rate);
  s->neg_lr = g_map1(s->g, OP_NEG, rate);
}

static NodeId sum_squares(Step *s, NodeId x) {               // over all elements
  NodeId sum = mul(s, x, x);
  while (node(s->g, sum)->rank) sum = g_sum(s->g, sum, 0);
  return sum;
}
static NodeId norm(Step *s, NodeId x) { return g_map1(s->g, OP_SQRT, sum_squares(s, x)); }

static NodeId update_lamb(Step *s, int slot, NodeId p, NodeId dp) {
  Moments x = moments(s, slot, dp);
  NodeId u = mul(s, s->neg_c, over_root(s, x.m, x.v));
  u = fma3(s, num(s, s->args[4]), p, u);
  NodeId of_p = norm(s, p), of_u = norm(s, u), one = num(s, 1), both = mul(s, of_p, of_u);
  NodeId trust = g_select(s->g, both, quo(s, of_p, g_select(s->g, of_u, of_u, one)), one);
  return fma3(s, mul(s, s->neg_lr, trust), u, p);
}

// ---------------------------------------------------------------- ftrl
// FTRL-Proximal, by coordinate: n' = n + g²; σ = (√n' − √n)/lr; z' = z + g − σ·p; p' = 0 where |z'| ≤ l1, else
// −(z' − sign(z')·l1) / ((β + √n')/lr + l2). McMahan et al. 2013. It begins at the parameter as it was initialised: before
// the first gradient of a coordinate, z is what gives p, and without one (a row that no batch has had) p stays.
static void begin_ftrl(Step *s) {
  NodeId inverse = g_map1(s->g, OP_RECIP, s->lr);
  s->neg_lr = real(s, inverse);
  NodeId beta = mul(s, inverse, wide(s, s->args[1]));
  s->rate_of_start = real(s, add(s, beta, wide(s, s->args[3])));
}

static NodeId with_sign(Step *s, NodeId x, NodeId y) {       // sign(x)·y, y ≥ 0
  NodeId zero = num(s, 0), below = g_map2(s->g, OP_LT, x, zero), minus = g_map1(s->g, OP_NEG, y);
  return g_select(s->g, x, g_select(s->g, below, minus, y), zero);
}

static NodeId update_ftrl(Step *s, int slot, NodeId p, NodeId dp) {
  Graph *g = s->g;
  int n_slot = state_of(s, slot, "ftrl.n"), z_slot = state_of(s, slot, "ftrl.z");
  NodeId n0 = g_read(g, n_slot), n = fma3(s, dp, dp, n0), root = g_map1(g, OP_SQRT, n), l1 = num(s, s->args[2]), zero = num(s, 0);
  NodeId begun = g_map1(g, OP_NEG, fma3(s, p, s->rate_of_start, with_sign(s, p, l1))), kept = g_read(g, z_slot);
  NodeId z0 = g_select(g, n0, kept, begun), sigma = mul(s, sub(s, root, g_map1(g, OP_SQRT, n0)), s->neg_lr), pull = mul(s, sigma, p);
  NodeId z = sub(s, add(s, z0, dp), pull);
  graph_assign(g, n_slot, n);
  graph_assign(g, z_slot, g_select(g, n, z, zero));
  NodeId size = g_map1(g, OP_ABS, z), left = g_map2(g, OP_MAX, sub(s, size, l1), zero), signed_ = with_sign(s, z, left);
  NodeId next = quo(s, signed_, fma3(s, root, s->neg_lr, s->rate_of_start));
  return g_select(g, n, g_map1(g, OP_NEG, next), p);
}

// ---------------------------------------------------------------- the table
#define OPTIM(id, name, rests, n_args, names, defaults) {name, names, defaults, n_args, rests},
const OptimRow optim_rows[] = {
#include "optim.def"
};
#undef OPTIM
const int n_optim_rows = COUNT_OF(optim_rows);
#define OPTIM(id, name, rests, n_args, names, defaults) {begin_##id, update_##id},
static const struct { Begin *begin; Update *update; } updates[] = {
#include "optim.def"
};
#undef OPTIM

// ---------------------------------------------------------------- tables by the rows that a batch names
static bool is_regularised(const Slot *p) { return p->rank > 1 && (p->rule.l2 != 0 || p->rule.l1 != 0); }

// Ids of the spreads that a gradient is the sum of, each once; 0: it is no such sum, all rows of the table have one.
static int spread_ids(const Graph *g, NodeId d, NodeId *ids, int n) {
  if (node(g, d)->op == OP_SPREAD) {
    NodeId by = ids_of_batch(g, node_in(g, d, 1));
    for (int i = 0; i < n; i++)
      if (ids[i] == by) return n;
    if (n < SORT_SOURCES) ids[n] = by;
    return n < SORT_SOURCES ? n + 1 : 0;
  }
  if (node(g, d)->op != OP_ADD) return 0;
  n = spread_ids(g, node_in(g, d, 0), ids, n);
  return n ? spread_ids(g, node_in(g, d, 1), ids, n) : 0;
}

// [V]: 1 for each row that the batch names; 0: the whole table is updated.
static NodeId touched_rows(Graph *g, int row, const Slot *p, NodeId d) {
  NodeId ids[SORT_SOURCES];
  int n = p->rank ? spread_ids(g, d, ids, 0) : 0;
  bool few = n && axis_size(g, p->axis[0]) > n * axis_size(g, AXIS_OF_ROWS);
  if (!n || (!p->lazy && !(optim_rows[row].rests && !is_regularised(p) && few))) return 0;
  return g_touched(g, ids, n, p->axis[0]);
}

// Assigns made from `first` on keep the rows that are not touched.
static void keep_untouched(Graph *g, NodeId touched, int first) {
  for (int i = first; touched && i < g->roots.n; i++) {
    Root *r = &g->roots.data[i];
    const Slot *s = &g->slots.data[r->slot];
    if (s->rank == 0) continue;
    NodeId old = g_read(g, r->slot), beside = touched;
    for (int k = 1; k < s->rank; k++) beside = g_expand(g, beside, -1);
    r->value = g_select(g, beside, r->value, old);
  }
}

// ---------------------------------------------------------------- clipping
static NodeId within(Step *s, NodeId x, double bound) {      // each element of x in −bound … bound
  NodeId most = g_map2(s->g, OP_MIN, x, num(s, bound));
  return g_map2(s->g, OP_MAX, most, num(s, -bound));
}

// min(1, bound / (‖all gradients‖ + 1e-6)), as PyTorch's clip_grad_norm_. Pascanu, Mikolov, Bengio 2013
static NodeId norm_factor(Step *s, const int *slots, const NodeId *grads, int n) {
  NodeId sum = 0;
  for (int i = 0; i < n; i++) {
    if (s->g->slots.data[slots[i]].frozen || !grads[i]) continue;
    NodeId squares = sum_squares(s, grads[i]);
    sum = sum ? add(s, sum, squares) : squares;
  }
  if (!sum) return 0;
  NodeId length = g_map1(s->g, OP_SQRT, sum), part = quo(s, num(s, s->g->clip.bound), add(s, length, num(s, 1e-6)));
  return g_map2(s->g, OP_MIN, part, num(s, 1));
}

// ---------------------------------------------------------------- parameters by group
// g + l2·p + l1·sign(p), sign(0) = 0: PyTorch's weight_decay of sgd, adam … and its like for l1. Of the clipped gradient.
static NodeId regularised(Step *s, const Slot *p, NodeId value, NodeId dp) {
  if (!is_regularised(p)) return dp;
  if (p->rule.l2 != 0) dp = fma3(s, num(s, p->rule.l2), value, dp);
  return p->rule.l1 != 0 ? add(s, dp, with_sign(s, value, num(s, p->rule.l1))) : dp;
}

// All but the learning rate, which is a factor.
static bool same_optimizer(int row, const double *x, const double *y) {
  return !memcmp(x + 1, y + 1, sizeof *x * (size_t)(optim_rows[row].n_args - 1));
}

// The steps begun so far, each once: an optimizer at a factor of the graph's learning rate.
typedef struct { Graph *g; Step *steps; int n; } Steps;

static Step *step_for(Steps *all, int row, const double *args, double rate, int64_t begun) {
  const Step *base = NULL;
  int number = 0;
  for (int i = 0; i < all->n; i++) {
    Step *s = &all->steps[i];
    if (s->number >= number) number = s->number + 1;
    if (s->row != row || s->begun != begun || !same_optimizer(row, s->args, args)) continue;
    if (s->rate == rate) return s;
    if (!base) base = s;
  }
  Step *s = &all->steps[all->n++];
  *s = (Step){.g = all->g, .row = row, .number = base ? base->number : number, .args = args, .rate = rate, .begun = begun, .base = base, .lr = g_rt(all->g, RT_LR)};
  if (rate != 1) s->lr = mul(s, s->lr, wide(s, rate));
  updates[row].begin(s);
  return s;
}

void optim(Graph *g, int row, const double *args, const int *slots, const NodeId *grads, int n) {
  CHECK(row >= 0 && row < n_optim_rows);
  Place at = g->at;
  Steps all = {.g = g, .steps = NEW_ARRAY(g->arena, Step, n + 1)};
  NodeId factor = g->clip.kind == CLIP_NORM ? norm_factor(&(Step){.g = g}, slots, grads, n) : 0;
  for (int i = 0; i < n; i++) {
    const Slot p = g->slots.data[slots[i]];
    if (p.frozen || !grads[i]) continue;
    const Optim *own = p.rule.optimizer;
    int by = own ? own->row : row;
    Step *s = step_for(&all, by, own ? own->args : args, own ? p.rule.rate * (own->args[0] / args[0]) : p.rule.rate, p.begun);
    g->at = p.at;
    NodeId read = g_read(g, slots[i]);
    CHECK(same_shape(g, read, grads[i]) && node(g, read)->dtype == node(g, grads[i])->dtype);
    NodeId touched = touched_rows(g, by, &p, grads[i]);
    int first = g->roots.n;
    NodeId dp = grads[i];
    if (factor) dp = mul(s, dp, factor);
    if (g->clip.kind == CLIP_VALUE) dp = within(s, dp, g->clip.bound);
    dp = regularised(s, &p, read, dp);
    graph_assign(g, slots[i], updates[by].update(s, slots[i], read, dp));
    keep_untouched(g, touched, first);
  }
  g->at = at;
}
