// place.c: where values stand. Stored values get buffers (concat operands a piece of the concat's), views get Locs.
#include "plan_int.h"

// Odd multiples of 16 elements: powers of two make rows compete for the same cache sets. Up to 16 columns: dense.
int64_t leading_dimension(int64_t cols) {
  if (cols <= 16) return cols < 1 ? 1 : cols;
  int64_t ld = (cols + 15) / 16 * 16;
  return ld / 16 % 2 ? ld : ld + 16;
}

// Rows of a batch end with room for a whole vector of 8, which costs less to store there than a part of one.
static int64_t roomy_dimension(int64_t cols) {
  int64_t ld = leading_dimension(cols);
  return ld > cols ? ld : (cols + 7) / 8 * 8;
}

int add_buffer(Schedule *s, const char *name, BufferRole role, DType t, int64_t rows_a, int64_t rows_b, int64_t cols) {
  Buffer b = {
    .name = name, .role = role, .dtype = t, .rows_a = rows_a, .rows_b = rows_b, .cols = cols, .ld = leading_dimension(cols)
  };
  vec_push(s->arena, &s->buffers, b);
  return s->buffers.n - 1;
}

// The matrix of a node: [rows, all the rest] or [all but the last axis, last].
static void matrix_of(const Graph *g, NodeId n, int64_t *rows_a, int64_t *rows_b, int64_t *cols) {
  const Node *x = node(g, n);
  *rows_a = 1, *rows_b = 0, *cols = 1;
  if (has_rows(g, n)) {
    *rows_a = 0, *rows_b = 1;
    for (int i = 1; i < x->rank; i++) *cols *= axis_size(g, x->axis[i]);
    return;
  }
  for (int i = 0; i < x->rank; i++) *(i == x->rank - 1 ? cols : rows_a) *= axis_size(g, x->axis[i]);
}

static Loc matrix_loc(const Graph *g, NodeId n, int buffer, int64_t ld) {
  Loc l = { .buffer = buffer };
  const Node *x = node(g, n);
  bool rows = has_rows(g, n);
  int64_t stride = 1;
  for (int i = x->rank - 1; i >= 0; i--) {
    l.stride[i] = stride;
    if (i == 0 && rows) l.stride[i] = ld;
    else if (i == x->rank - 1 && !rows) stride = ld;
    else stride *= axis_size(g, x->axis[i]);
  }
  return l;
}

// ---------------------------------------------------------------- leaves and views
static Loc leaf_loc(Planner *p, NodeId n) {
  const Node *x = node(p->g, n);
  const Buffer *b = p->s->buffers.data;
  int64_t i0 = x->attr.i[0];
  switch (x->op) {
  case OP_DENSE: return (Loc){ p->dense, i0, { b[p->dense].ld, 1 } };
  case OP_IDS: return (Loc){ p->ids, i0, { b[p->ids].ld, 1 } };
  case OP_LABEL: return (Loc){ p->y, i0 * b[p->y].ld, { 1 } };
  case OP_KNOWN: return (Loc){ p->w, i0 * b[p->w].ld, { 1 } };
  case OP_RT_REAL: return (Loc){ p->rt_real, i0, { 0 } };
  case OP_READ: return matrix_loc(p->g, n, p->slot_buffer[i0], b[p->slot_buffer[i0]].ld);
  default: BUG("`%s` has no place", op_rows[x->op].name);
  }
}

static Loc unit_move_loc(Planner *p, NodeId n, Loc from) {
  Loc l = { .buffer = from.buffer, .offset = from.offset };
  for (int i = 0; i < node(p->g, n)->rank; i++) {
    int at = axis_under_unit_move(p->g, n, i);
    if (at >= 0) l.stride[i] = from.stride[at];
  }
  return l;
}

// The Loc of a, of which b has the rows, that is all axes but the last, in other axes; they are equally far apart.
static Loc rows_loc(const Graph *g, NodeId a, NodeId b, Loc from) {
  const Node *x = node(g, a), *y = node(g, b);
  int64_t apart = 0, rows = 1;
  for (int i = y->rank - 2; i >= 0; i--) {
    if (rows == 1) apart = from.stride[i];
    CHECK(is_unit(g, y->axis[i]) || from.stride[i] == apart * rows);
    rows *= axis_size(g, y->axis[i]);
  }
  Loc l = { .buffer = from.buffer, .offset = from.offset };
  l.stride[x->rank - 1] = from.stride[y->rank - 1];
  for (int i = x->rank - 2; i >= 0; i--) {
    l.stride[i] = apart;
    apart *= axis_size(g, x->axis[i]);
  }
  return l;
}

static Loc reshape_loc(Planner *p, NodeId n, Loc from) {
  const Graph *g = p->g;
  if (reshapes_rows(g, n)) return rows_loc(g, n, node_in(g, n, 0), from);
  const Node *a = node(g, n), *b = node(g, node_in(g, n, 0));
  bool rows = has_rows(g, n);
  int64_t stride = 1;
  for (int i = b->rank - 1; i >= (rows ? 1 : 0); i--) {            // the item must be contiguous
    CHECK(is_unit(g, b->axis[i]) || from.stride[i] == stride);
    stride *= axis_size(g, b->axis[i]);
  }
  Loc l = { .buffer = from.buffer, .offset = from.offset };
  stride = 1;
  for (int i = a->rank - 1; i >= (rows ? 1 : 0); i--) {
    l.stride[i] = stride;
    stride *= axis_size(g, a->axis[i]);
  }
  if (rows) l.stride[0] = from.stride[0];
  return l;
}

// In what sort_ids made for one input of ids (host.h).
static Loc numbers_loc(const Planner *p, NodeId n, Loc sorted) {
  NodeId from = node_in(p->g, n, 0);
  int64_t c = node(p->g, from)->attr.i[1], items = node(p->g, n)->rank > 1 ? axis_size(p->g, node(p->g, n)->axis[1]) : 1;
  CHECK(!sorted_ids(p->g, from, 1));
  return (Loc){ sorted.buffer, sorted.offset + sorted_numbers(c, 1, most_places(p->g, sorted_ids(p->g, from, 0))), { items, 1 } };
}

static Loc view_loc(Planner *p, NodeId n) {
  const Graph *g = p->g;
  const Node *x = node(g, n);
  NodeId from = node_in(g, n, 0);
  Loc l = loc_of(p, from);
  if (is_unit_move(g, n)) return unit_move_loc(p, n, l);
  switch (x->op) {
  case OP_NUMBER: return numbers_loc(p, n, l);
  case OP_SLICE: l.offset += x->attr.i[1] * l.stride[x->attr.i[0]]; return l;
  case OP_RESHAPE: return reshape_loc(p, n, l);
  case OP_TRANSPOSE: {
    Loc t = { .buffer = l.buffer, .offset = l.offset };
    for (int i = 0; i < x->rank; i++) t.stride[i] = l.stride[x->attr.i[0] >> (3 * i) & 7];
    return t;
  }
  case OP_BROADCAST: {
    Loc b = { .buffer = l.buffer, .offset = l.offset };
    for (int i = 0; i < x->rank; i++) {
      int at = operand_axis(g, n, from, i);
      b.stride[i] = at < 0 ? 0 : l.stride[at];
    }
    return b;
  }
  default: BUG("`%s` is no view", op_rows[x->op].name);
  }
}

Loc loc_of(Planner *p, NodeId n) {
  Info *x = &p->info[n];
  if (x->placed) return x->loc;
  if (!is_leaf(p->g, n) && !is_view(p->g, n)) BUG("%%%u (%s) is read but not stored", n, op_rows[node(p->g, n)->op].name);
  x->loc = is_leaf(p->g, n) ? leaf_loc(p, n) : view_loc(p, n);
  x->placed = true;
  return x->loc;
}

// ---------------------------------------------------------------- stored values
static void place_under(Planner *p, NodeId reshaped) {              // its Loc is known
  NodeId under = node_in(p->g, reshaped, 0);
  Info *x = &p->info[under];
  CHECK(!x->placed);
  x->placed = true;
  x->loc = rows_loc(p->g, under, reshaped, p->info[reshaped].loc);
}

static void place_operands(Planner *p, NodeId concat) {             // the concat's Loc is known
  const Graph *g = p->g;
  int axis = (int)node(g, concat)->attr.i[0];
  Loc l = p->info[concat].loc;
  for (int i = 0; i < node(g, concat)->n_in; i++) {
    NodeId x = node_in(g, concat, i);
    Info *o = &p->info[x];
    CHECK(!o->placed);
    o->placed = true;
    o->loc = l;
    if (reshapes_rows(g, x)) place_under(p, x);
    l.offset += axis_size(g, node(g, x)->axis[axis]) * l.stride[axis];
  }
}

static void place_node(Planner *p, NodeId n) {
  Info *x = &p->info[n];
  if (!x->placed) {
    int64_t a, b, cols;
    matrix_of(p->g, n, &a, &b, &cols);
    int buffer = add_buffer(p->s, arena_printf(p->s->arena, "%s.%u", op_rows[node(p->g, n)->op].name, n), BUF_ROWS,
                            (DType)node(p->g, n)->dtype, a, b, cols);
    if (is_packed(p->g, n)) p->s->buffers.data[buffer].ld = cols;
    else if (has_rows(p->g, n) && cols > 1) p->s->buffers.data[buffer].ld = roomy_dimension(cols);
    x->loc = matrix_loc(p->g, n, buffer, p->s->buffers.data[buffer].ld);
    x->placed = true;
  }
  if (node(p->g, n)->op == OP_CONCAT) place_operands(p, n);
}

void place(Planner *p) {
  const Graph *g = p->g;
  for (NodeId id = (NodeId)g->nodes.n - 1; id > 0; id--) {          // a concat before its operands
    if (!p->info[id].live || is_leaf(g, id) || is_view(g, id)) continue;
    if (node(g, id)->op == OP_CONCAT) place_node(p, id);
    else if (p->info[id].stored) place_node(p, id);
  }
}
