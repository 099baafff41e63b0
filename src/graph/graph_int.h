// graph_int.h: what the files of graph/ share and nobody else sees: prototypes of the rules that ops.def names.
#ifndef MTLC_GRAPH_INT_H
#define MTLC_GRAPH_INT_H
#include "graph.h"

// shape_X, grad_X, fold_X for every X in ops.def. grad_none and fold_NULL are declared too, never defined:
// ops.c puts NULL there.
#define OP(id, name, arity, kind, shape, grad, fold)                                          \
  bool shape_##shape(Graph *g, Node *out, const NodeId *in, int n_in);                        \
  void grad_##grad(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din);             \
  double fold_##fold(const double *x, const Attr *attr);
#include "ops.def"
#undef OP

// An error "shape-mismatch" at out's place, or BUG where the graph has no diag. Always false.
bool shape_error(Graph *g, const Node *out, const char *fmt, ...) PRINTF_LIKE(3, 4);
// Axis lists in attributes: i[0] the count, i[1 … 3] two axes each, low half first (RESHAPE, BROADCAST).
void pack_axes(Attr *attr, int n, const AxisId *axis);
int  unpack_axes(const Attr *attr, AxisId *axis);
// Axes of `a` without the batch axis; gives their number.
int  item_axes(const Graph *g, NodeId a, AxisId *axis);
// The shape that MAP broadcasting gives to n operands: false where they do not fit, with the culprits' axes in bad[2].
bool broadcast_axes(const Graph *g, const NodeId *in, int n, uint8_t *rank, AxisId *axis, AxisId bad[2]);
bool axes_fit(const Graph *g, NodeId from, int rank, const AxisId *axis);   // can `from` be broadcast to exactly this?
NodeId const_value(const Graph *g, NodeId n, double *v);   // n where it is a CONST, and its value; else 0

// ---- distinct.c, of push.c
typedef struct { NodeId ids, distinct; } DistinctIds;
typedef struct { VEC(DistinctIds) by_ids; } Distincts;                        // those of a graph, once for each column of ids
typedef struct { NodeId ids, rows, number; } DistinctRows;                    // [named], the table's rows of these, the batch's ids among them
double expected_rows(const Graph *g, NodeId gather);                          // distinct ones that it gathers for a full batch
bool   pays_distinct(const Graph *g, NodeId gather, double columns, const DistinctRule *rule);   // columns: of the weights together
DistinctRows distinct_rows(Distincts *x, Graph *t, const NodeId *now, const Graph *g, NodeId gather);   // in t, of a gather of g
#endif
