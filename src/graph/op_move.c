// op_move.c: concat, slice, pad, transpose, reshape, broadcast: elements move, none changes.
#include "graph_int.h"

static bool moves(Graph *g, Node *out, NodeId a) {
  out->dtype = node(g, a)->dtype;
  out->rank = node(g, a)->rank;
  memcpy(out->axis, node(g, a)->axis, sizeof out->axis);
  return true;
}

// The axis i0 of `a`, which must be of fixed size, or a vocabulary that is known; false with a message.
static bool fixed_axis(Graph *g, const Node *out, NodeId a, int64_t axis) {
  const Node *x = node(g, a);
  if (axis >= 0 && axis < x->rank && x->axis[axis] != AXIS_OF_ROWS && axis_size(g, x->axis[axis]) >= 0) return true;
  return shape_error(g, out, "`%s` needs an axis of fixed size, which %s has not there", op_rows[out->op].name,
                     shape_text(g, a, g->arena));
}

// ---------------------------------------------------------------- concat
bool shape_concat(Graph *g, Node *out, const NodeId *in, int n_in) {
  int64_t axis = out->attr.i[0], size = 0;
  for (int k = 0; k < n_in; k++) {
    const Node *x = node(g, in[k]), *first = node(g, in[0]);
    if (!fixed_axis(g, out, in[k], axis)) return false;
    bool fits = x->rank == first->rank && x->dtype == first->dtype;
    for (int i = 0; fits && i < x->rank; i++) fits = i == axis || x->axis[i] == first->axis[i];
    if (!fits)
      return shape_error(g, out, "`concat`: shapes %s and %s do not fit", shape_text(g, in[0], g->arena),
                         shape_text(g, in[k], g->arena));
    size += axis_size(g, x->axis[axis]);   // each is at most MAX_ELEMENTS, and n_in below 2^16
  }
  moves(g, out, in[0]);
  out->axis[axis] = axis_fixed(g, size);
  return true;
}

// The part of dy from `from` on that has the shape of `like`: along a vocabulary, its axis.
static NodeId piece_like(Graph *g, NodeId dy, int axis, int64_t from, NodeId like) {
  AxisId own = node(g, like)->axis[axis];
  int64_t to = from + axis_size(g, own);
  if (g->axes.data[own].kind == AXIS_FIXED) return g_slice(g, dy, axis, from, to);
  return graph_add(g, OP_SLICE, &dy, 1, (Attr){.i = {axis, from, to, own}}, g->at);
}

void grad_concat(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  int axis = (int)node(g, n)->attr.i[0];
  int64_t from = 0;
  for (int k = 0; k < node(g, n)->n_in; k++) {
    int64_t size = axis_size(g, node(g, node_in(g, n, k))->axis[axis]);
    if (want[k]) din[k] = piece_like(g, dy, axis, from, node_in(g, n, k));
    from += size;
  }
}

// ---------------------------------------------------------------- slice and pad, each the other's gradient
bool shape_slice(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  int64_t axis = out->attr.i[0], from = out->attr.i[1], to = out->attr.i[2];
  if (!fixed_axis(g, out, in[0], axis)) return false;
  if (from < 0 || from >= to || to > axis_size(g, node(g, in[0])->axis[axis]))
    return shape_error(g, out, "slice %lld..%lld is not within %s", (long long)from, (long long)to,
                       shape_text(g, in[0], g->arena));
  moves(g, out, in[0]);
  out->axis[axis] = out->attr.i[3] ? (AxisId)out->attr.i[3] : axis_fixed(g, to - from);
  CHECK(axis_size(g, out->axis[axis]) == to - from);
  return true;
}

// A PAD; grad() joins the PADs of slices that lie side by side into one CONCAT.
void grad_slice(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  Attr at = node(g, n)->attr;
  int64_t size = axis_size(g, node(g, node_in(g, n, 0))->axis[at.i[0]]);
  if (want[0]) din[0] = g_pad(g, dy, (int)at.i[0], at.i[1], size - at.i[2]);
}

bool shape_pad(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  int64_t axis = out->attr.i[0], before = out->attr.i[1], after = out->attr.i[2];
  if (!fixed_axis(g, out, in[0], axis)) return false;
  if (before < 0 || after < 0 || before > MAX_ELEMENTS || after > MAX_ELEMENTS)
    return shape_error(g, out, "`pad` by %lld and %lld", (long long)before, (long long)after);
  moves(g, out, in[0]);
  out->axis[axis] = axis_fixed(g, before + axis_size(g, out->axis[axis]) + after);
  return true;
}

void grad_pad(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  Attr at = node(g, n)->attr;
  if (want[0]) din[0] = piece_like(g, dy, (int)at.i[0], at.i[1], node_in(g, n, 0));
}

// ---------------------------------------------------------------- transpose
bool shape_transpose(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  const Node *a = node(g, in[0]);
  unsigned seen = 0;
  moves(g, out, in[0]);
  for (int k = 0; k < a->rank; k++) {
    int from = (int)(out->attr.i[0] >> (3 * k) & 7);
    CHECK(from < a->rank && !(seen >> from & 1));
    seen |= 1u << from;
    out->axis[k] = a->axis[from];
  }
  if (has_rows(g, in[0]) && out->axis[0] != AXIS_OF_ROWS)
    return shape_error(g, out, "`transpose`: the batch axis must stay first");
  return true;
}

void grad_transpose(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  int inverse[MAX_RANK];
  for (int k = 0; k < node(g, n)->rank; k++) inverse[node(g, n)->attr.i[0] >> (3 * k) & 7] = k;
  if (want[0]) din[0] = g_transpose(g, dy, inverse);
}

// ---------------------------------------------------------------- reshape: item elements stay in row-major order
// A symbol cannot be split or merged: the symbols of both shapes are the same, in order, and so is the product of the rest.
static int64_t fixed_part(const Graph *g, int n, const AxisId *axis, AxisId *symbols, int *n_symbols) {
  int64_t product = 1;
  *n_symbols = 0;
  for (int i = 0; i < n; i++) {
    if (g->axes.data[axis[i]].kind == AXIS_SYMBOL) symbols[(*n_symbols)++] = axis[i];
    else if (__builtin_mul_overflow(product, axis_size(g, axis[i]), &product)) return -1;
  }
  return product;
}

bool shape_reshape(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  AxisId from[MAX_RANK], to[MAX_RANK], symbols[2][MAX_RANK] = {{0}};
  int n = item_axes(g, in[0], from), m = unpack_axes(&out->attr, to), rows = has_rows(g, in[0]), n_symbols[2];
  if (m + rows > MAX_RANK) return shape_error(g, out, "%s cannot have %d axes", shape_text(g, in[0], g->arena), m + rows);
  int64_t have = fixed_part(g, n, from, symbols[0], &n_symbols[0]), need = fixed_part(g, m, to, symbols[1], &n_symbols[1]);
  if (have != need || n_symbols[0] != n_symbols[1] || memcmp(symbols[0], symbols[1], sizeof symbols[0]) != 0)
    return shape_error(g, out, "%s does not have the elements for this shape", shape_text(g, in[0], g->arena));
  out->dtype = node(g, in[0])->dtype;
  out->rank = (uint8_t)(m + rows);
  if (rows) out->axis[0] = AXIS_OF_ROWS;
  memcpy(out->axis + rows, to, sizeof *to * (size_t)m);
  return true;
}

void grad_reshape(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  AxisId item[MAX_RANK];
  int k = item_axes(g, node_in(g, n, 0), item);
  if (want[0]) din[0] = g_reshape(g, dy, k, item);
}

// ---------------------------------------------------------------- broadcast: a view whose repeated axes have stride 0
bool shape_repeat(Graph *g, Node *out, const NodeId *in, int n_in) {
  (void)n_in;
  AxisId axis[MAX_RANK];
  int rank = unpack_axes(&out->attr, axis);
  if (!axes_fit(g, in[0], rank, axis))
    return shape_error(g, out, "%s cannot be repeated to this shape", shape_text(g, in[0], g->arena));
  out->dtype = node(g, in[0])->dtype;
  out->rank = (uint8_t)rank;
  memcpy(out->axis, axis, sizeof *axis * (size_t)rank);
  return true;
}

void grad_repeat(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din) {
  if (want[0]) din[0] = g_like(g, dy, node_in(g, n, 0));
}
