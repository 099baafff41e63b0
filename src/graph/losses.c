// losses.c: per-row losses, in their stable form where the head ends in sigmoid or softmax. Rows: losses.def.
#include "graph_int.h"

typedef NodeId Loss(Graph *g, NodeId head, NodeId y, const double *args);   // head [rows, n], y [rows, 1] → [rows, 1]
#define PROBABILITY_EPS 1e-7                                                // Keras's

// Looks through views to the sigmoid that gives p; its argument in p's shape, or 0.
static NodeId logit_of(Graph *g, NodeId p) {
  AxisId item[MAX_RANK];
  NodeId s = p;
  while (node(g, s)->op == OP_RESHAPE) s = node_in(g, s, 0);
  if (node(g, s)->op != OP_SIGMOID) return 0;
  return g_reshape(g, node_in(g, s, 0), item_axes(g, p, item), item);
}

// −(y·log p + (1−y)·log(1−p)). On p = sigmoid(z): softplus(z) − y·z. On any other p both logarithms' arguments are held
// at 1e-7 or more; below that the term is a constant, and its gradient 0.
static NodeId loss_bce(Graph *g, NodeId p, NodeId y, const double *args) {
  (void)args;
  NodeId z = logit_of(g, p), one = g_const(g, 1), eps = g_const(g, PROBABILITY_EPS);
  if (z) {
    NodeId plus = g_map1(g, OP_SOFTPLUS, z);
    return g_map2(g, OP_SUB, plus, g_map2(g, OP_MUL, y, z));
  }
  NodeId yes = g_map1(g, OP_LOG, g_map2(g, OP_MAX, p, eps));
  NodeId no = g_map1(g, OP_LOG, g_map2(g, OP_MAX, g_map2(g, OP_SUB, one, p), eps));
  NodeId if_yes = g_map2(g, OP_MUL, y, yes), if_no = g_map2(g, OP_MUL, g_map2(g, OP_SUB, one, y), no);
  return g_map1(g, OP_NEG, g_map2(g, OP_ADD, if_yes, if_no));
}

// The entry of v [rows, n] at class y: Σ_j (j == y ? v_j : 0) → [rows, 1]
static NodeId entry(Graph *g, NodeId v, NodeId y) {
  int64_t n = axis_size(g, node(g, v)->axis[1]);
  NodeId hit = g_map2(g, OP_EQ, g_iota(g, n), y);
  return g_expand(g, g_sum(g, g_select(g, hit, v, g_const(g, 0)), 1), 1);
}

// −log p[y]. On p = softmax(z): log Σ exp(z − max z) − (z − max z)[y]. On any other p: p is held at 1e-7 or more.
static NodeId loss_cross_entropy(Graph *g, NodeId p, NodeId y, const double *args) {
  (void)args;
  NodeId z;
  if (!match_softmax(g, p, &z)) {
    NodeId py = entry(g, p, y);
    return g_map1(g, OP_NEG, g_map1(g, OP_LOG, g_map2(g, OP_MAX, py, g_const(g, PROBABILITY_EPS))));
  }
  NodeId shifted = node_in(g, node_in(g, p, 0), 0);   // z − max z: div(exp(shifted), Σ)
  NodeId sum = node_in(g, p, 1);                      // Σ exp(shifted), [rows, 1]
  NodeId log_sum = g_map1(g, OP_LOG, sum);
  return g_map2(g, OP_SUB, log_sum, entry(g, shifted, y));
}

static NodeId loss_mse(Graph *g, NodeId p, NodeId y, const double *args) {   // (p − y)²
  (void)args;
  NodeId d = g_map2(g, OP_SUB, p, y);
  return g_map2(g, OP_MUL, d, d);
}

static NodeId loss_mae(Graph *g, NodeId p, NodeId y, const double *args) {   // |p − y|
  (void)args;
  return g_map1(g, OP_ABS, g_map2(g, OP_SUB, p, y));
}

#define LOSS(id, name, min_args, head, label) {name, min_args, head, label},
const LossRow loss_rows[] = {
#include "losses.def"
};
#undef LOSS
const int n_loss_rows = COUNT_OF(loss_rows);
#define LOSS(id, name, min_args, head, label) loss_##id,
static Loss *const builders[] = {
#include "losses.def"
};
#undef LOSS

// A loss that takes one number a row gets a head of width 1; per class needs a vector.
static bool head_fits(Graph *g, int loss, NodeId head) {
  const Node *h = node(g, head);
  bool vector = builders[loss] == loss_cross_entropy;
  if (h->rank == 2 && (vector ? g->axes.data[h->axis[1]].kind == AXIS_FIXED : h->axis[1] == AXIS_OF_ONE)) return true;
  return shape_error(g, &(Node){.op = h->op, .at = g->at}, "`%s` needs %s: the head is %s", loss_rows[loss].name,
                     loss_rows[loss].head, shape_text(g, head, g->arena));
}

NodeId loss_build(Graph *g, int loss, NodeId head, NodeId y, const double *args) {
  CHECK(loss >= 0 && loss < n_loss_rows);
  if (!head || !y) return 0;
  CHECK(has_rows(g, y) && node(g, y)->rank == 1);
  if (has_rows(g, head) && node(g, head)->rank == 1) head = g_expand(g, head, 1);
  if (!has_rows(g, head) || !head_fits(g, loss, head)) return 0;
  NodeId l = builders[loss](g, head, g_expand(g, y, 1), args);
  return g_drop(g, l, 1);
}
