// work.c: the arithmetic of a node, for reports and for rewrites that weigh it.
#include <math.h>
#include "graph_int.h"

double row_elements(const Graph *g, NodeId n) {
  double x = 1;
  for (int i = 0; i < node(g, n)->rank; i++) {
    AxisId a = node(g, n)->axis[i];
    if (a != AXIS_OF_ROWS) x *= fmax(0, axis_expected(g, a));
  }
  return x;
}

static double dot_work(const Graph *g, NodeId n) {               // 2 · product of all label extents
  const Node *x = node(g, n), *right = node(g, node_in(g, n, 1));
  const char *left = x->attr.label[0];
  double work = 2 * row_elements(g, node_in(g, n, 0));
  for (int i = 0; i < right->rank; i++)
    if (!memchr(left, x->attr.label[1][i], strlen(left)) && right->axis[i] != AXIS_OF_ROWS)
      work *= fmax(0, axis_expected(g, right->axis[i]));
  return work;
}

double row_work(const Graph *g, NodeId n) {
  const Node *x = node(g, n);
  OpKind kind = op_rows[x->op].kind;
  if (kind == KIND_DOT) return dot_work(g, n);
  if (kind == KIND_MAP) return row_elements(g, n);
  if (kind == KIND_REDUCE || x->op == OP_SPREAD) return row_elements(g, node_in(g, n, 0));
  if (x->op == OP_SPREAD_BAG) return row_elements(g, node_in(g, n, 0)) * row_elements(g, node_in(g, n, 1));
  if (x->op != OP_BAG) return 0;
  return row_elements(g, n) * (row_elements(g, node_in(g, n, 1)) + (x->n_in > 2 ? 2 * row_elements(g, node_in(g, n, 2)) : 0));
}
