// op_dot.c: the one contraction, by labels. R[out] = Σ over the letters not in `out` of left · right.
// A letter is an axis; in both operands: the same axis; in one operand only: it must be in the result.
#include "graph_int.h"

static int find(const char *label, char c) {
  const char *p = c ? strchr(label, c) : NULL;
  return p ? (int)(p - label) : -1;
}

static bool operand_fits(Graph *g, Node *out, NodeId in, int k) {
  const char *mine = out->attr.label[k], *other = out->attr.label[1 - k], *result = out->attr.label[2];
  DType t = (DType)node(g, in)->dtype;
  if (t != F32 && t != F64) return shape_error(g, out, "`dot` needs numbers, not ids");
  if ((int)strlen(mine) != node(g, in)->rank)
    return shape_error(g, out, "`dot` expects %d axes here, not %s", (int)strlen(mine), shape_text(g, in, g->arena));
  for (int i = 0; mine[i]; i++) {
    if (find(mine + i + 1, mine[i]) >= 0) return shape_error(g, out, "`dot`: axis %c twice in one operand", mine[i]);
    if (find(other, mine[i]) < 0 && find(result, mine[i]) < 0)
      return shape_error(g, out, "`dot`: axis %c of %s is neither in the other operand nor in the result", mine[i],
                         shape_text(g, in, g->arena));
  }
  return true;
}

static const char *axis_text(const Graph *g, AxisId a) {
  const Axis *x = &g->axes.data[a];
  return x->kind == AXIS_FIXED ? arena_printf(g->arena, "%lld", (long long)x->size) : x->name;
}

bool shape_dot(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  const char *left = out->attr.label[0], *right = out->attr.label[1], *result = out->attr.label[2];
  const Node *a = node(g, in[0]), *b = node(g, in[1]);
  if (!operand_fits(g, out, in[0], 0) || !operand_fits(g, out, in[1], 1)) return false;
  CHECK(a->dtype == b->dtype);
  for (int i = 0; left[i]; i++) {
    int j = find(right, left[i]);
    if (j >= 0 && a->axis[i] != b->axis[j])
      return shape_error(g, out, "inner sizes differ: %s against %s in %s · %s", axis_text(g, a->axis[i]),
                         axis_text(g, b->axis[j]), shape_text(g, in[0], g->arena), shape_text(g, in[1], g->arena));
  }
  out->dtype = a->dtype;
  out->rank = (uint8_t)strlen(result);
  for (int i = 0; result[i]; i++) {
    int l = find(left, result[i]), r = find(right, result[i]);
    if ((l < 0 && r < 0) || find(result + i + 1, result[i]) >= 0)
      return shape_error(g, out, "`dot`: result axis %c is in no operand, or there twice", result[i]);
    out->axis[i] = l >= 0 ? a->axis[l] : b->axis[r];
    if (out->axis[i] == AXIS_OF_ROWS && i > 0)
      return shape_error(g, out, "`dot`: the batch axis of the result must come first");
  }
  return true;
}

// Two dots: dA = dy · B by (out, right → left), dB = A · dy by (left, out → right).
void grad_dot(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  Attr of = node(g, n)->attr, attr = {0};
  NodeId a = node_in(g, n, 0), b = node_in(g, n, 1);
  if (want[0]) {
    memcpy(attr.label[0], of.label[2], sizeof attr.label[0]);
    memcpy(attr.label[1], of.label[1], sizeof attr.label[1]);
    memcpy(attr.label[2], of.label[0], sizeof attr.label[2]);
    din[0] = graph_add(g, OP_DOT, (NodeId[]){dy, b}, 2, attr, g->at);
  }
  if (want[1]) {
    memcpy(attr.label[0], of.label[0], sizeof attr.label[0]);
    memcpy(attr.label[1], of.label[2], sizeof attr.label[1]);
    memcpy(attr.label[2], of.label[1], sizeof attr.label[2]);
    din[1] = graph_add(g, OP_DOT, (NodeId[]){a, dy}, 2, attr, g->at);
  }
}

// A [r, k], B [r, n] → [k, n]: the dot "rk,rn>kn".
bool shape_gemm(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  const Node *a = node(g, in[0]), *b = node(g, in[1]);
  CHECK(a->rank == 2 && b->rank == 2 && a->axis[0] == b->axis[0] && a->dtype == b->dtype);
  out->dtype = a->dtype;
  out->rank = 2;
  out->axis[0] = a->axis[1];
  out->axis[1] = b->axis[1];
  return true;
}

bool suits_gemm(const Graph *g, NodeId n, const GemmRule *rule) {
  const Node *x = node(g, n);
  if (x->op != OP_DOT || x->rank != 2 || has_rows(g, n)) return false;
  const Node *a = node(g, node_in(g, n, 0)), *b = node(g, node_in(g, n, 1));
  const char *l = x->attr.label[0], *r = x->attr.label[1], *to = x->attr.label[2];
  bool matrices = a->rank == 2 && b->rank == 2 && a->axis[0] == AXIS_OF_ROWS && l[0] == r[0];
  if (!matrices || to[0] != l[1] || to[1] != r[1]) return false;
  int64_t rows = axis_size(g, AXIS_OF_ROWS), k = axis_size(g, a->axis[1]), cols = axis_size(g, b->axis[1]);
  double work = 2.0 * (double)rows * (double)k * (double)cols;
  return rows >= rule->rows && k >= rule->side && cols >= rule->side && work >= rule->work;
}
