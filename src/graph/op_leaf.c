// op_leaf.c: leaves: columns of the batch, slots, constants. Attributes give the shape; no gradient.
#include "graph_int.h"

static bool vector(Node *out, DType t, int rank, AxisId first, AxisId second) {
  out->dtype = (uint8_t)t;
  out->rank = (uint8_t)rank;
  out->axis[0] = first;
  out->axis[1] = second;
  return true;
}

bool shape_leaf(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)in, (void)n_in;
  int64_t i0 = out->attr.i[0];
  switch (out->op) {
  case OP_DENSE: return vector(out, g->dtype, 2, AXIS_OF_ROWS, axis_fixed(g, out->attr.i[1]));
  case OP_IDS: return vector(out, U32, out->attr.i[1] ? 2 : 1, AXIS_OF_ROWS, out->attr.i[1] ? axis_fixed(g, out->attr.i[1]) : 0);
  case OP_LABEL:
  case OP_KNOWN: return vector(out, g->dtype, 1, AXIS_OF_ROWS, 0);
  case OP_CONST: return vector(out, i0 ? (DType)(i0 - 1) : g->dtype, 0, 0, 0);
  case OP_TRAINING: return vector(out, g->dtype, 0, 0, 0);
  case OP_RT_REAL: return vector(out, F64, 0, 0, 0);
  case OP_IOTA: return vector(out, g->dtype, 1, i0 ? axis_fixed(g, i0) : (AxisId)out->attr.i[1], 0);
  case OP_READ: break;
  default: BUG("%s is no leaf", op_rows[out->op].name);
  }
  const Slot *s = &g->slots.data[i0];
  out->dtype = (uint8_t)s->dtype;
  out->rank = (uint8_t)s->rank;
  memcpy(out->axis, s->axis, sizeof out->axis);
  return true;
}
