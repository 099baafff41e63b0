// losses.c: per-row losses, each in its stable form where the head ends in the function that it undoes (sigmoid, softmax,
// exp). Rows: losses.def.
#include <math.h>
#include "graph_int.h"

typedef NodeId Loss(Graph *g, NodeId head, NodeId y, const LossArgs *a);    // head [rows, n], y [rows, 1] → [rows, 1]
#define PROBABILITY_EPS 1e-7                                                // Keras's
static const double HALF_LOG_2PI = 0.91893853320467274178;

static NodeId num(Graph *g, double v) { return g_const(g, v); }
static NodeId add(Graph *g, NodeId a, NodeId b) { return g_map2(g, OP_ADD, a, b); }
static NodeId sub(Graph *g, NodeId a, NodeId b) { return g_map2(g, OP_SUB, a, b); }
static NodeId mul(Graph *g, NodeId a, NodeId b) { return g_map2(g, OP_MUL, a, b); }
static NodeId quo(Graph *g, NodeId a, NodeId b) { return g_map2(g, OP_DIV, a, b); }
static NodeId neg(Graph *g, NodeId a) { return g_map1(g, OP_NEG, a); }
static NodeId times(Graph *g, double k, NodeId a) { return k == 1 ? a : mul(g, num(g, k), a); }
static NodeId softplus(Graph *g, NodeId a) { return g_map1(g, OP_SOFTPLUS, a); }
static NodeId exponential(Graph *g, NodeId a) { return g_map1(g, OP_EXP, a); }
static NodeId safe_log(Graph *g, NodeId p) { return g_map1(g, OP_LOG, g_map2(g, OP_MAX, p, num(g, PROBABILITY_EPS))); }

// Looks through views to the `op` that gives p; its argument in p's shape, or 0.
static NodeId under(Graph *g, NodeId p, OpId op) {
  AxisId item[MAX_RANK];
  NodeId s = p;
  while (node(g, s)->op == OP_RESHAPE) s = node_in(g, s, 0);
  if (node(g, s)->op != op) return 0;
  return g_reshape(g, node_in(g, s, 0), item_axes(g, p, item), item);
}

// ---------------------------------------------------------------- a probability
// −log p and −log (1 − p). On p = sigmoid(z): softplus(−z), softplus(z). On any other p both logarithms' arguments are held
// at 1e-7 or more; below that the term is a constant, and its gradient 0.
typedef struct { NodeId yes, no; } Surprise;

static Surprise surprise(Graph *g, NodeId p) {
  NodeId z = under(g, p, OP_SIGMOID);
  if (z) {
    NodeId yes = softplus(g, neg(g, z));
    return (Surprise){yes, softplus(g, z)};
  }
  NodeId yes = neg(g, safe_log(g, p));
  return (Surprise){yes, neg(g, safe_log(g, sub(g, num(g, 1), p)))};
}

// −(w·y'·log p + (1 − y')·log(1 − p)) with y' = y·(1 − s) + s/2; w = positive_weight, s = smoothing.
static NodeId loss_bce(Graph *g, NodeId p, NodeId y, const LossArgs *a) {
  double smoothing = a->number[0], weight = a->number[1];
  NodeId z = under(g, p, OP_SIGMOID);
  if (smoothing > 0) y = add(g, times(g, 1 - smoothing, y), num(g, smoothing / 2));
  if (z && weight == 1) {                                           // softplus(z) − y·z: one transcendental function
    NodeId plus = softplus(g, z);
    return sub(g, plus, mul(g, y, z));
  }
  Surprise s = surprise(g, p);
  NodeId if_yes = times(g, weight, mul(g, y, s.yes)), not_y = sub(g, num(g, 1), y);
  return add(g, if_yes, mul(g, not_y, s.no));
}

// α_t·(1 − p_t)^γ·(−log p_t), p_t the probability of what is true, α_t = α for y = 1 and 1 − α for y = 0 (Lin et al. 2017,
// eq. 5). (1 − p_t)^γ = exp(γ·log(1 − p_t)).
static NodeId loss_focal(Graph *g, NodeId p, NodeId y, const LossArgs *a) {
  double gamma = a->number[0], alpha = a->number[1];
  Surprise s = surprise(g, p);
  NodeId right = g_select(g, y, s.yes, s.no), wrong = g_select(g, y, s.no, s.yes);
  NodeId power = exponential(g, times(g, -gamma, wrong)), yes = num(g, alpha);
  NodeId balance = g_select(g, y, yes, num(g, 1 - alpha));
  return mul(g, balance, mul(g, power, right));
}

// ---------------------------------------------------------------- classes
// The entry of v [rows, n] at class y: Σ_j (j == y ? v_j : 0) → [rows, 1]
static NodeId entry(Graph *g, NodeId v, NodeId y) {
  int64_t n = axis_size(g, node(g, v)->axis[1]);
  NodeId hit = g_map2(g, OP_EQ, g_iota(g, n), y);
  return g_expand(g, g_sum(g, g_select(g, hit, v, num(g, 0)), 1), 1);
}

// The class weights as a node [n]: w_j where iota is j.
static NodeId class_weights(Graph *g, const double *w, int64_t n) {
  NodeId at = g_iota(g, n), v = num(g, w[0]);
  for (int64_t j = 1; j < n; j++) {
    NodeId here = g_map2(g, OP_EQ, at, num(g, (double)j));
    v = g_select(g, here, num(g, w[j]), v);
  }
  return v;
}

// log p: on p = softmax(z): (z − max z) − log Σ exp(z − max z); on any other p it is held at 1e-7 or more. [rows, n]
static NodeId log_probabilities(Graph *g, NodeId p) {
  NodeId z;
  if (!match_softmax(g, p, &z)) return safe_log(g, p);
  NodeId shifted = node_in(g, node_in(g, p, 0), 0);   // z − max z: div(exp(shifted), Σ)
  return sub(g, shifted, g_map1(g, OP_LOG, node_in(g, p, 1)));
}

// −Σ_c w_c·q_c·log p_c with q = (1 − s)·[c = y] + s/n, s = smoothing.
static NodeId loss_cross_entropy(Graph *g, NodeId p, NodeId y, const LossArgs *a) {
  double s = a->number[0];
  int64_t n = axis_size(g, node(g, p)->axis[1]);
  NodeId z, w = a->class_weight ? class_weights(g, a->class_weight, n) : 0;
  if (!w && s == 0 && match_softmax(g, p, &z)) {                    // log Σ − (z − max z)[y]
    NodeId shifted = node_in(g, node_in(g, p, 0), 0), log_sum = g_map1(g, OP_LOG, node_in(g, p, 1));
    return sub(g, log_sum, entry(g, shifted, y));
  }
  if (!w && s == 0) return neg(g, safe_log(g, entry(g, p, y)));
  NodeId log_p = log_probabilities(g, p);
  if (w) log_p = mul(g, w, log_p);
  NodeId at_y = times(g, s - 1, entry(g, log_p, y));
  if (s == 0) return at_y;
  NodeId all = g_expand(g, g_sum(g, log_p, 1), 1);
  return g_map3(g, OP_FMA, all, num(g, -s / (double)n), at_y);
}

// ---------------------------------------------------------------- a number
static NodeId loss_mse(Graph *g, NodeId p, NodeId y, const LossArgs *a) {   // (p − y)²
  (void)a;
  NodeId d = sub(g, p, y);
  return mul(g, d, d);
}

static NodeId loss_mae(Graph *g, NodeId p, NodeId y, const LossArgs *a) {   // |p − y|
  (void)a;
  return g_map1(g, OP_ABS, sub(g, p, y));
}

// d²/2 up to |d| = δ, δ·(|d| − δ/2) beyond (Huber 1964). With c = min(|d|, δ) both are c·(|d| − c/2).
static NodeId loss_huber(Graph *g, NodeId p, NodeId y, const LossArgs *a) {
  NodeId d = g_map1(g, OP_ABS, sub(g, p, y)), c = g_map2(g, OP_MIN, d, num(g, a->number[0]));
  return mul(g, c, sub(g, d, times(g, 0.5, c)));
}

// max(q·(y − p), (q − 1)·(y − p)): least at the q-th quantile (Koenker, Bassett 1978)
static NodeId loss_quantile(Graph *g, NodeId p, NodeId y, const LossArgs *a) {
  NodeId d = sub(g, y, p), above = times(g, a->number[0], d);
  return g_map2(g, OP_MAX, above, times(g, a->number[0] - 1, d));
}

// log cosh(p − y) = |d| + softplus(−2|d|) − log 2: d²/2 near 0, |d| − log 2 far off, smooth throughout (Saleh, Saleh 2022)
static NodeId loss_log_cosh(Graph *g, NodeId p, NodeId y, const LossArgs *a) {
  (void)a;
  NodeId d = g_map1(g, OP_ABS, sub(g, p, y)), tail = softplus(g, times(g, -2, d)), log_2 = num(g, log(2));
  return add(g, d, sub(g, tail, log_2));
}

// ---------------------------------------------------------------- a number above 0
// p^k: exp(k·z) on p = exp(z); else exp(k·log p), p held at 1e-7 or more.
static NodeId power(Graph *g, NodeId p, double k) {
  NodeId z = under(g, p, OP_EXP);
  return exponential(g, times(g, k, z ? z : safe_log(g, p)));
}

// p − y·log p: Poisson's −log likelihood without log y!
static NodeId loss_poisson(Graph *g, NodeId p, NodeId y, const LossArgs *a) {
  (void)a;
  NodeId z = under(g, p, OP_EXP), log_p = z ? z : safe_log(g, p);
  return sub(g, p, mul(g, y, log_p));
}

// p^(2−k)/(2−k) − y·p^(1−k)/(1−k), 1 < k < 2: half of Tweedie's deviance without what depends on y alone (Jørgensen 1987)
static NodeId loss_tweedie(Graph *g, NodeId p, NodeId y, const LossArgs *a) {
  double k = a->number[0];
  NodeId size = times(g, 1 / (2 - k), power(g, p, 2 - k)), fit = times(g, 1 / (1 - k), power(g, p, 1 - k));
  return sub(g, size, mul(g, y, fit));
}

// ---------------------------------------------------------------- zero-inflated log-normal
// Wang, Liu, Miao 2019, "A Deep Probabilistic Model for Customer Lifetime Value Prediction". The head is [z, μ, s]:
// p = sigmoid(z) is the chance of an amount above 0, whose logarithm is normal with mean μ and deviation σ = softplus(s),
// held at 1e-3 or more. The prediction is the mean p·exp(μ + σ²/2).
typedef struct { NodeId z, mu, sigma; } Ziln;                        // [rows, 1] each

static Ziln ziln_of(Graph *g, NodeId head) {
  Ziln x;
  x.z = g_slice(g, head, 1, 0, 1);
  x.mu = g_slice(g, head, 1, 1, 2);
  NodeId spread = softplus(g, g_slice(g, head, 1, 2, 3));
  x.sigma = g_map2(g, OP_MAX, spread, num(g, 1e-3));
  return x;
}

// softplus(z) − [y > 0]·z + [y > 0]·(log y + log σ + ½ log 2π + (log y − μ)²/(2σ²))
static NodeId loss_ziln(Graph *g, NodeId head, NodeId y, const LossArgs *a) {
  (void)a;
  Ziln x = ziln_of(g, head);
  NodeId zero = num(g, 0), paid = g_map2(g, OP_LT, zero, y), log_y = g_map1(g, OP_LOG, g_select(g, paid, y, num(g, 1)));
  NodeId plus = softplus(g, x.z), chance = sub(g, plus, mul(g, paid, x.z));
  NodeId d = quo(g, sub(g, log_y, x.mu), x.sigma), square = times(g, 0.5, mul(g, d, d));
  NodeId log_sigma = g_map1(g, OP_LOG, x.sigma), scale = add(g, log_y, add(g, log_sigma, num(g, HALF_LOG_2PI)));
  return add(g, chance, g_select(g, paid, add(g, scale, square), zero));
}

static NodeId ziln_mean(Graph *g, NodeId head) {
  Ziln x = ziln_of(g, head);
  NodeId p = g_map1(g, OP_SIGMOID, x.z), half = times(g, 0.5, mul(g, x.sigma, x.sigma));
  return mul(g, p, exponential(g, add(g, x.mu, half)));
}

// ---------------------------------------------------------------- pairs of rows
// Rendle et al. 2009 (BPR), and RankNet (Burges et al. 2005) with certain preferences: −log σ(s_i − s_j). The margin's hinge: Joachims 2002.
static NodeId pairs(Graph *g, NodeId head, NodeId y, const LossArgs *a, PairKind kind) {
  NodeId z = under(g, head, OP_SIGMOID), s = g_drop(g, z ? z : head, 1);
  y = g_drop(g, y, 1);
  NodeId known = a->known ? a->known : g_map2(g, OP_EQ, y, y), group = a->group ? a->group : g_map2(g, OP_LT, y, y);
  const NodeId in[] = {s, y, known, group};
  NodeId all = graph_add(g, OP_PAIRS, in, 4, (Attr){.i = {kind, 0}, .f = kind == PAIR_HINGE ? a->number[0] : 0}, g->at);
  return g_slice(g, all, 1, 0, 1);
}

static NodeId loss_bpr(Graph *g, NodeId p, NodeId y, const LossArgs *a) { return pairs(g, p, y, a, PAIR_LOGISTIC); }
static NodeId loss_pairwise(Graph *g, NodeId p, NodeId y, const LossArgs *a) { return pairs(g, p, y, a, PAIR_HINGE); }

NodeId loss_pair_counts(Graph *g, NodeId loss) {
  while (node(g, loss)->op != OP_SLICE) loss = node_in(g, loss, 0);
  CHECK(node(g, node_in(g, loss, 0))->op == OP_PAIRS);
  return g_drop(g, g_slice(g, node_in(g, loss, 0), 1, 1, 2), 1);
}

bool shape_pairs(Graph *g, Node *out, const NodeId *in, int n_in) {
  CHECK(n_in == 4 + out->attr.i[1] && out->attr.i[1] >= 0 && out->attr.i[1] <= 2);
  for (int i = 0; i < n_in; i++)
    if (node(g, in[i])->rank != 1 || !has_rows(g, in[i]) || node(g, in[i])->dtype != node(g, in[0])->dtype)
      return shape_error(g, out, "`pairs` needs one number a row, not %s", shape_text(g, in[i], g->arena));
  out->dtype = node(g, in[0])->dtype;
  out->rank = 2;
  out->axis[0] = AXIS_OF_ROWS;
  out->axis[1] = axis_fixed(g, 2);
  return true;
}

// Of order 0 and 1; counts, and the second column of order 1, do not move.
void grad_pairs(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  Attr attr = node(g, n)->attr;
  int n_in = node(g, n)->n_in;
  bool any = want[0] || (n_in > 4 && want[4]);
  NodeId in[6];
  if (!any) return;
  if (attr.i[1] == 2) {
    if (g->diag) diag_error(g->diag, "no-gradient", node(g, n)->at, "a loss over pairs of rows has no third derivative");
    return;
  }
  for (int i = 0; i < n_in; i++) in[i] = node_in(g, n, i);
  in[n_in] = g_drop(g, g_slice(g, dy, 1, 0, 1), 1);
  attr.i[1]++;
  NodeId d = graph_add(g, OP_PAIRS, in, n_in + 1, attr, node(g, n)->at);
  if (want[0]) din[0] = g_drop(g, g_slice(g, d, 1, 0, 1), 1);
  if (n_in > 4 && want[4]) din[4] = g_drop(g, g_slice(g, d, 1, 1, 2), 1);
}

// ---------------------------------------------------------------- the table
#define LOSS(id, name, head, labels, flags, args) {name, head, labels, flags, args},
const LossRow loss_rows[] = {
#include "losses.def"
};
#undef LOSS
const int n_loss_rows = COUNT_OF(loss_rows);
#define LOSS(id, name, head, labels, flags, args) loss_##id,
static Loss *const builders[] = {
#include "losses.def"
};
#undef LOSS

const char *const loss_head_texts[N_LOSS_HEADS] = {
  [HEAD_NUMBER] = "one number",
  [HEAD_PROBABILITY] = "a probability of width 1 (sigmoid, or a product of such)",
  [HEAD_CLASSES] = "probabilities of the classes (softmax)",
  [HEAD_POSITIVE] = "one number that is never below 0 (exp, softplus)",
  [HEAD_SCORE] = "one number, or a probability, whose logit is compared",
  [HEAD_ZILN] = "three numbers: the logit of p, mu, and sigma before softplus",
};

int loss_arg_count(int loss) {
  int n = 0;
  while (n < MAX_LOSS_ARGS && loss_rows[loss].arg[n].name) n++;
  return n;
}

bool loss_from_logits(const Graph *g, int loss, NodeId head) {
  NodeId z, s = head;
  while (node(g, s)->op == OP_RESHAPE) s = node_in(g, s, 0);
  switch (loss_rows[loss].head) {
  case HEAD_PROBABILITY: case HEAD_SCORE: return node(g, s)->op == OP_SIGMOID;
  case HEAD_CLASSES: return match_softmax(g, head, &z);
  case HEAD_POSITIVE: return node(g, s)->op == OP_EXP;
  default: return false;
  }
}

// A loss that takes one number a row gets a head of width 1; per class needs a vector.
static bool head_fits(Graph *g, int loss, NodeId head) {
  const Node *h = node(g, head);
  LossHead kind = loss_rows[loss].head;
  int64_t width = h->rank == 2 && g->axes.data[h->axis[1]].kind == AXIS_FIXED ? axis_size(g, h->axis[1]) : 0;
  if (kind == HEAD_CLASSES ? width > 0 : width == (kind == HEAD_ZILN ? 3 : 1)) return true;
  return shape_error(g, &(Node){.op = h->op, .at = g->at}, "`%s` needs %s: the head is %s", loss_rows[loss].name,
                     loss_head_texts[kind], shape_text(g, head, g->arena));
}

NodeId loss_build(Graph *g, int loss, NodeId head, NodeId y, const LossArgs *args) {
  LossArgs defaults = {0};
  CHECK(loss >= 0 && loss < n_loss_rows);
  for (int i = 0; i < MAX_LOSS_ARGS; i++) defaults.number[i] = loss_rows[loss].arg[i].def;
  if (!head || !y) return 0;
  CHECK(has_rows(g, y) && node(g, y)->rank == 1);
  if (has_rows(g, head) && node(g, head)->rank == 1) head = g_expand(g, head, 1);
  if (!has_rows(g, head) || !head_fits(g, loss, head)) return 0;
  NodeId l = builders[loss](g, head, g_expand(g, y, 1), args ? args : &defaults);
  return g_drop(g, l, 1);
}

NodeId loss_prediction(Graph *g, int loss, NodeId head) {
  return loss_rows[loss].head == HEAD_ZILN ? ziln_mean(g, head) : head;
}
