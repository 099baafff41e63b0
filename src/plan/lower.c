// lower.c: a copy of the graph shaped for scheduling.
// Needs: a tidied graph. Gives:
// (1) operands of a concat are computed values, each written by one concat alone; PAD is a concat with zeros;
// (2) roots are computed values; an assign of p.copy_slot is a copy from a stored value, in a cluster of its own;
// (3) a dot is [m, k] · [k, n], its right operand having stride 1 along n (a transposed copy is made where it has not);
//     an axis more is taken item by item; every other contraction is products and sums;
// (4) what is reshaped lies in one piece, or its rows equally far apart; views stand on values that are in memory (never on constants);
// (5) a spread of a bag has its ids turned over (by_id); a spread has values [rows] or [rows, d], of a list [rows, m] or [rows, m, d]; a
//     gather of a list reads any row for an item that is not there, and a SELECT makes that 0; tables updated by rows (rows.c): their
//     gradient, slots and all between are values of the ids named, ascending, on an axis of their own, and a root says which rows of its
//     slot they are; distinct ids and numbers are views of what one sort of the ids gives, which these share, and a spread by numbers is a
//     sum by it (ROWS);
// (6) every copy is an explicit STOP. Its attributes: i1 COPY_PACKED, i2 COPY_APART, i3 a serial number.
#include "plan_int.h"

bool is_unit(const Graph *g, AxisId a) { return g->axes.data[a].kind == AXIS_FIXED && g->axes.data[a].size == 1; }

int domain_of(const Graph *g, NodeId n, AxisId *out) {
  int k = 0;
  for (int i = 0; i < node(g, n)->rank; i++)
    if (!is_unit(g, node(g, n)->axis[i])) out[k++] = node(g, n)->axis[i];
  return k;
}

static bool same_domain(const Graph *g, NodeId a, NodeId b) {
  AxisId x[MAX_RANK], y[MAX_RANK];
  int n = domain_of(g, a, x), m = domain_of(g, b, y);
  return n == m && !memcmp(x, y, sizeof *x * (size_t)n);
}

bool is_unit_move(const Graph *g, NodeId n) {
  const Node *x = node(g, n);
  if (x->op != OP_RESHAPE && x->op != OP_SUM && x->op != OP_AMAX && x->op != OP_TRANSPOSE && x->op != OP_BROADCAST)
    return false;
  if (x->op == OP_TRANSPOSE && domain_of(g, n, (AxisId[MAX_RANK]){0}) > 1) return false;
  return same_domain(g, n, node_in(g, n, 0));
}

bool reshapes_rows(const Graph *g, NodeId n) {
  const Node *a = node(g, n);
  if (a->op != OP_RESHAPE || has_rows(g, n) || a->rank < 2 || is_unit_move(g, n)) return false;
  const Node *b = node(g, node_in(g, n, 0));
  return b->rank >= 2 && a->axis[a->rank - 1] == b->axis[b->rank - 1];
}

NodeId see_through(const Graph *g, NodeId n) {
  while (is_unit_move(g, n)) n = node_in(g, n, 0);
  return n;
}

int axis_under_unit_move(const Graph *g, NodeId n, int axis) {
  const Node *a = node(g, n), *b = node(g, node_in(g, n, 0));
  int nth = 0, at = 0;
  if (axis < 0 || is_unit(g, a->axis[axis])) return -1;
  for (int i = 0; i < axis; i++) nth += !is_unit(g, a->axis[i]);
  for (;; at++)
    if (!is_unit(g, b->axis[at]) && nth-- == 0) return at;
}

int operand_axis(const Graph *g, NodeId u, NodeId x, int i) {
  const Node *a = node(g, u), *b = node(g, x);
  bool a_rows = has_rows(g, u), b_rows = has_rows(g, x);
  if (a_rows && i == 0) return b_rows ? 0 : -1;
  int at = b->rank - (a->rank - i);
  if (at < (b_rows ? 1 : 0)) return -1;
  return is_unit(g, b->axis[at]) && !is_unit(g, a->axis[i]) ? -1 : at;
}

// ---------------------------------------------------------------- copies
typedef struct { NodeId sorted, ids; AxisId axis; } Named;          // of t: SORT_IDS, its ids [axis]

typedef enum { FREE, EVEN_ROWS, TAKEN } Claim;                      // EVEN_ROWS: rows of a matrix equally far apart; TAKEN: another says where

typedef struct {
  Graph *t;
  Claim *claimed;                                                  // by node of t: what its place must be like
  NodeId *update;                                                  // by node of g: see row_updates
  Named *named;                                                    // by node of g: of a sum of spreads, the rows that it reaches
  VEC(Named) all_named;                                            // the ids of each have been sorted
  int serial;
} Lower;

static NodeId base_of(const Graph *t, NodeId n) {                  // underneath views
  while (is_view(t, n)) n = node_in(t, n, 0);
  return n;
}

static NodeId copy(Lower *l, NodeId x, Attr attr, Place at) {       // of numbers of rows: a CAST to what they are
  DType t = (DType)node(l->t, x)->dtype;
  if (t == U32) attr.i[0] = t;
  return graph_add(l->t, t == U32 ? OP_CAST : OP_STOP, &x, 1, attr, at);
}
static NodeId fresh_copy(Lower *l, NodeId x, Place at) {           // not shared with any other copy of x
  return copy(l, x, (Attr){ .i = { 0, 0, 0, ++l->serial } }, at);
}

static bool is_computed(const Graph *t, NodeId x) { return !is_leaf(t, x) && !is_view(t, x); }

// x itself, or a copy of it where it is made of constants, which stand nowhere.
static NodeId in_memory(Lower *l, NodeId x, Place at) {
  OpId base = (OpId)node(l->t, base_of(l->t, x))->op;
  return base == OP_CONST || base == OP_IOTA ? copy(l, x, (Attr){0}, at) : x;
}

// Written as a whole by a call that has no other outputs.
static bool wants_own_place(const Graph *t, NodeId x) {
  OpId op = (OpId)node(t, x)->op;
  return op == OP_SPREAD || op == OP_BAG || op == OP_SPREAD_BAG || op_rows[op].kind == KIND_CALL;
}

static NodeId own_value(Lower *l, NodeId x, Place at) {            // a computed value that nobody else places
  if (!is_computed(l->t, x) || wants_own_place(l->t, x) || l->claimed[x]) x = fresh_copy(l, x, at);
  l->claimed[x] = TAKEN;
  return x;
}

// In a matrix, also what is a matrix by its view alone: the value under it is placed.
static NodeId own_matrix(Lower *l, NodeId x, Place at) {
  NodeId base = reshapes_rows(l->t, x) ? node_in(l->t, x, 0) : 0;
  if (!base || !is_computed(l->t, base) || wants_own_place(l->t, base) || l->claimed[base] != EVEN_ROWS || l->claimed[x]) return own_value(l, x, at);
  l->claimed[base] = l->claimed[x] = TAKEN;
  return x;
}

static NodeId lower_concat(Lower *l, NodeId *in, int n, int64_t axis, Place at) {
  for (int i = 0; i < n; i++) in[i] = node(l->t, in[i])->rank == 2 ? own_matrix(l, in[i], at) : own_value(l, in[i], at);
  return graph_add(l->t, OP_CONCAT, in, n, (Attr){ .i = { axis } }, at);
}

static NodeId zeros(Lower *l, NodeId like, int axis, int64_t size, Place at) {
  Graph *t = l->t;
  AxisId axes[MAX_RANK];
  memcpy(axes, node(t, like)->axis, sizeof axes);
  axes[axis] = axis_fixed(t, size);
  g_at(t, at);
  return g_broadcast(t, g_const_like(t, 0, like), node(t, like)->rank, axes);
}

static NodeId lower_pad(Lower *l, NodeId x, const Attr *a, Place at) {
  NodeId parts[3];
  int n = 0, axis = (int)a->i[0];
  if (a->i[1] > 0) parts[n++] = zeros(l, x, axis, a->i[1], at);
  parts[n++] = x;
  if (a->i[2] > 0) parts[n++] = zeros(l, x, axis, a->i[2], at);
  return n == 1 ? x : lower_concat(l, parts, n, axis, at);
}

// What a reshape reads must lie in one piece: an item of a value over rows, else a copy without gaps between its rows.
static NodeId in_one_piece(Lower *l, NodeId x, Place at) {
  Graph *t = l->t;
  NodeId base = x;
  while (is_unit_move(t, base) || node(t, base)->op == OP_RESHAPE) base = node_in(t, base, 0);
  if (!has_rows(t, x)) {
    x = copy(l, x, (Attr){ .i = { 0, COPY_PACKED } }, at);
    l->claimed[x] = TAKEN;
    return x;
  }
  if (node(t, base)->op == OP_DENSE) return x;
  if (!is_computed(t, base) || l->claimed[base]) return in_one_piece(l, fresh_copy(l, x, at), at);
  l->claimed[base] = TAKEN;
  return x;
}

// Are rows of x, all axes but the last, equally far apart? A computed value is claimed to be so.
static bool has_even_rows(Lower *l, NodeId x) {
  const Graph *t = l->t;
  for (; node(t, x)->op == OP_SLICE; x = node_in(t, x, 0)) {
    int axis = (int)node(t, x)->attr.i[0];
    if (axis > 0 && axis < node(t, x)->rank - 1) return false;
  }
  if (node(t, x)->op == OP_READ) return true;
  if (!is_computed(t, x) || l->claimed[x] == TAKEN) return false;
  l->claimed[x] = EVEN_ROWS;
  return true;
}

static NodeId lower_view(Lower *l, const Node *n, NodeId x) {
  Graph *t = l->t;
  NodeId v = graph_add(t, (OpId)n->op, &x, 1, n->attr, n->at);
  if (is_unit_move(t, v) || n->op == OP_BROADCAST) return v;
  if (n->op == OP_RESHAPE && reshapes_rows(t, v) && has_even_rows(l, x)) return v;
  x = n->op == OP_RESHAPE ? in_one_piece(l, x, n->at) : in_memory(l, x, n->at);
  return graph_add(t, (OpId)n->op, &x, 1, n->attr, n->at);
}

static NodeId axis_to_end(Graph *t, NodeId x, int axis) {          // a view
  int perm[MAX_RANK], k = 0, rank = node(t, x)->rank;
  if (axis == rank - 1) return x;
  for (int i = 0; i < rank; i++)
    if (i != axis) perm[k++] = i;
  perm[k] = axis;
  return g_transpose(t, x, perm);
}

// ---------------------------------------------------------------- gathers, spreads
// mask [rows, m] of a list of ids
static NodeId mask_of_list(Lower *l, NodeId ids, Place at) {
  const Attr a = node(l->t, ids_of_batch(l->t, ids))->attr;
  g_at(l->t, at);
  return g_list_mask(l->t, a.i[1], a.i[2]);
}

static NodeId lower_gather(Lower *l, const Node *n, NodeId *in) {
  Graph *t = l->t;
  in[0] = in_memory(l, in[0], n->at);
  NodeId x = graph_add(t, OP_GATHER, in, 2, n->attr, n->at);
  if (node(t, in[1])->rank == 1) return x;
  NodeId mask = mask_of_list(l, in[1], n->at);
  for (int i = node(t, in[0])->rank; i > 1; i--) mask = g_expand(t, mask, -1);
  return g_select(t, mask, x, g_const_like(t, 0, x));
}

// A spread of a list does not look at items that are not there, so the select that makes them 0 is not needed.
static NodeId without_mask(Lower *l, NodeId x, NodeId ids, Place at) {
  Graph *t = l->t;
  if (node(t, ids)->rank == 1 || node(t, x)->op != OP_SELECT) return x;
  NodeId mask = see_through(t, node_in(t, x, 0));
  const Node *zero = node(t, node_in(t, x, 2));
  if (mask != mask_of_list(l, ids, at) || zero->op != OP_CONST || zero->attr.f != 0) return x;
  AxisId axis[MAX_RANK];
  memcpy(axis, node(t, x)->axis, sizeof axis);
  return g_broadcast(t, node_in(t, x, 1), node(t, x)->rank, axis);
}

// The values of a spread, with one axis at most behind those of the ids. 0: the error has been said.
static NodeId spread_values(Lower *l, NodeId x, NodeId ids, Place at) {
  Graph *t = l->t;
  x = in_memory(l, without_mask(l, x, ids, at), at);
  int ids_rank = node(t, ids)->rank;
  if (node(t, x)->rank <= ids_rank + 1) return x;
  if (ids_rank == 2) {
    diag_error(t->diag, "unsupported", at, "a list of items of more than one axis cannot be trained");
    return 0;
  }
  AxisId flat = axis_fixed(t, item_elements(t, x));
  g_at(t, at);
  return g_reshape(t, in_one_piece(l, x, at), 1, &flat);
}

static NodeId with_axes(Lower *l, NodeId x, int rank, const AxisId *axis, Place at) {   // x, with what was flat in its axes again
  if (node(l->t, x)->rank == rank) return x;
  g_at(l->t, at);
  return g_reshape(l->t, in_one_piece(l, x, at), rank, axis);
}

// By numbers: the sort of the ids says where the values of each distinct one are.
static NodeId lower_spread(Lower *l, const Node *n, const NodeId *in) {
  NodeId x = spread_values(l, in[0], in[1], n->at), sum;
  if (!x) return 0;
  if (node(l->t, in[1])->op == OP_NUMBER) sum = graph_add(l->t, OP_ROWS, (NodeId[]){ node_in(l->t, in[1], 0), x }, 2, n->attr, n->at);
  else sum = graph_add(l->t, OP_SPREAD, (NodeId[]){ x, in[1] }, 2, n->attr, n->at);
  return with_axes(l, sum, n->rank, n->axis, n->at);
}

// Ids turned over, by chunks of rows so few that what is summed stays in a cache, and so many that sums of one id are not short.
static NodeId lower_spread_bag(Lower *l, const Node *n, const NodeId *in) {
  enum { FEWEST = 512, MOST = 1024 };
  Graph *t = l->t;
  int64_t rows = axis_size(t, AXIS_OF_ROWS), chunk = rows / 2;
  chunk = chunk < FEWEST ? FEWEST : chunk > MOST ? MOST : (chunk + 15) / 16 * 16;
  if (chunk > rows) chunk = rows;
  NodeId x = in_memory(l, in[0], n->at), lists = graph_add(t, OP_BY_ID, &in[1], 1, (Attr){ .i = { n->attr.i[0], chunk } }, n->at);
  return lists ? graph_add(t, OP_SPREAD_BAG, (NodeId[]){ x, lists }, 2, n->attr, n->at) : 0;
}

// 1 where one or more rows have one of the ids
static NodeId lower_touched(Lower *l, const Node *n, const NodeId *in) {
  Graph *t = l->t;
  g_at(t, n->at);
  NodeId all = 0, one = g_const(t, 1);
  for (int i = 0; i < n->n_in; i++) {
    AxisId axis[2] = { AXIS_OF_ROWS, node(t, in[i])->axis[1] };
    NodeId ones = copy(l, g_broadcast(t, one, node(t, in[i])->rank, axis), (Attr){0}, n->at), sum = g_spread(t, ones, in[i], (AxisId)n->attr.i[0]);
    all = all ? g_map2(t, OP_ADD, all, sum) : sum;
  }
  return g_map2(t, OP_MIN, all, one);
}

// ---------------------------------------------------------------- tables by the rows that a batch names
// The ids of the batch in order, with their places.
static NodeId sort_ids(Lower *l, const NodeId *ids, int n, AxisId axis, int64_t v, Place at) {
  Graph *t = l->t;
  NodeId in[2 * SORT_SOURCES];
  int n_in = 0;
  int64_t places = 0, distinct = axis_size(t, axis);
  g_at(t, at);
  for (int i = 0; i < n; i++) {
    const Node *x = node(t, ids[i]);
    int64_t length = x->rank > 1 ? x->attr.i[2] : -1;
    places += most_places(t, ids[i]);
    in[n_in++] = ids[i];
    if (length >= 0) in[n_in++] = g_dense(t, length, 1);
  }
  return graph_add(t, OP_SORT_IDS, in, n_in, (Attr){ .i = { (int64_t)axis, distinct, sorted_words(distinct, n, places), v } }, at);
}

// Is it of these ids, n of them, below v?
static bool is_of_ids(const Graph *t, const Named *w, const NodeId *ids, int n, int64_t v) {
  for (int i = 0; i < n; i++)
    if (sorted_ids(t, w->sorted, i) != ids[i]) return false;
  return !sorted_ids(t, w->sorted, n) && node(t, w->sorted)->attr.i[3] == v;
}

// The distinct ids of the batch, on a named axis; what has been sorted is not sorted again. axis 0: a new one.
static Named name_rows(Lower *l, const NodeId *ids, int n, int64_t v, AxisId axis, Place at) {
  Graph *t = l->t;
  for (int i = 0; i < l->all_named.n; i++)
    if (is_of_ids(t, &l->all_named.data[i], ids, n, v) && (!axis || axis == l->all_named.data[i].axis)) return l->all_named.data[i];
  int64_t most = most_distinct(t, ids, n, v);
  Named w = { .axis = axis ? axis : axis_named(t, most, (double)most) };
  w.sorted = sort_ids(l, ids, n, w.axis, v, at);
  NodeId list = g_slice(t, w.sorted, 0, SORTED_IDS, SORTED_IDS + axis_size(t, w.axis));
  w.ids = g_reshape(t, list, 1, &w.axis);
  vec_push(t->arena, &l->all_named, w);
  return w;
}

static NodeId lower_number(Lower *l, const Node *n, NodeId distinct) {
  NodeId sorted = base_of(l->t, distinct);
  return graph_add(l->t, OP_NUMBER, &sorted, 1, n->attr, n->at);
}

// The sum of spreads: [axis of the rows named, …]
static NodeId lower_top(Lower *l, const Graph *g, NodeId top, const NodeId *now) {
  const Node *n = node(g, top);
  NodeId ids[SORT_SOURCES], in[SORT_SOURCES + 1];
  int k = 0;
  NodeId first = spread_of(g, top, 0), by = node_in(g, first, 1);
  if (node(g, by)->op == OP_DISTINCT) {
    l->named[top] = (Named){ base_of(l->t, now[by]), now[by], node(g, by)->axis[0] };
    return now[node_in(g, first, 0)];
  }
  for (NodeId s; (s = spread_of(g, top, k)); k++) {
    ids[k] = now[node_in(g, s, 1)];
    in[k + 1] = spread_values(l, now[node_in(g, s, 0)], ids[k], n->at);
    if (!in[k + 1]) return 0;
  }
  Named w = l->named[top] = name_rows(l, ids, k, axis_size(l->t, n->axis[0]), 0, n->at);
  AxisId axis[MAX_RANK];
  memcpy(axis, n->axis, sizeof axis);
  axis[0] = w.axis, in[0] = w.sorted;
  return with_axes(l, graph_add(l->t, OP_ROWS, in, k + 1, (Attr){ .i = { (int64_t)w.axis } }, n->at), n->rank, axis, n->at);
}

// x, an operand of n, at the rows named.
static NodeId at_rows(Lower *l, const Graph *g, const Named *w, NodeId n, NodeId x, const NodeId *now) {
  const Node *y = node(g, x);
  if (repeats_by_row(g, n, x) || l->update[x]) return now[x];
  if (y->op == OP_READ) return g_gather(l->t, graph_read(l->t, (int)y->attr.i[0], y->at), w->ids);
  NodeId in[3];
  for (int i = 0; i < y->n_in; i++) in[i] = at_rows(l, g, w, x, node_in(g, x, i), now);
  return graph_add(l->t, (OpId)y->op, in, y->n_in, y->attr, y->at);
}

static NodeId lower_row_update(Lower *l, const Graph *g, NodeId id, const NodeId *now) {
  const Node *n = node(g, id);
  NodeId top = l->update[id], in[3];
  AxisId axis[MAX_RANK];
  if (id < top) return now[node_in(g, id, 0)];                       // a part of the sum, which the top takes up; nobody else reads it
  if (id == top) return lower_top(l, g, top, now);
  const Named *w = &l->named[top];
  g_at(l->t, n->at);
  if (is_row_assign(g, id)) return at_rows(l, g, w, id, node_in(g, id, 1), now);
  memcpy(axis, n->axis, sizeof axis);
  axis[0] = w->axis;
  for (int i = 0; i < n->n_in; i++) in[i] = at_rows(l, g, w, id, node_in(g, id, i), now);
  if (n->op == OP_RESHAPE) return g_reshape(l->t, in[0], n->rank, axis);
  if (n->op == OP_BROADCAST) return g_broadcast(l->t, in[0], n->rank, axis);
  return graph_add(l->t, (OpId)n->op, in, n->n_in, n->attr, n->at);
}

// ---------------------------------------------------------------- dots
static int label_at(const char *labels, char c) {
  const char *p = c ? strchr(labels, c) : NULL;
  return p ? (int)(p - labels) : -1;
}

typedef struct {
  NodeId in[2]; Attr a; Place at;
  char single[MAX_RANK + 1];                                       // letters whose axes count as of size 1
} Dot;

static AxisId axis_of(const Graph *t, const Dot *d, char c) {
  for (int side = 0; side < 2; side++) {
    int at = label_at(d->a.label[side], c);
    if (at >= 0) return node(t, d->in[side])->axis[at];
  }
  return 0;
}

static bool is_single(const Graph *t, const Dot *d, char c) {
  return strchr(d->single, c) || is_unit(t, axis_of(t, d, c));
}

static void swap_sides(Dot *d) {
  char text[sizeof d->a.label[0]];
  NodeId x = d->in[0];
  d->in[0] = d->in[1], d->in[1] = x;
  memcpy(text, d->a.label[0], sizeof text);
  memcpy(d->a.label[0], d->a.label[1], sizeof text);
  memcpy(d->a.label[1], text, sizeof text);
}

// Axes of size 1 aside: at most one axis of each kind, the left one first in the result. Swaps the sides where that helps.
static bool is_matrix_product(const Graph *t, Dot *d) {
  const char *result = d->a.label[2];
  char kept[MAX_RANK + 1] = {0};
  int n_kept = 0, n_summed = 0;
  for (const char *c = result; *c; c++)
    if (!is_single(t, d, *c)) kept[n_kept++] = *c;
  for (const char *c = d->a.label[0]; *c; c++) n_summed += label_at(result, *c) < 0 && !is_single(t, d, *c);
  if (n_kept > 2 || n_summed > 1) return false;
  bool rows = n_kept > 0 && axis_of(t, d, kept[0]) == AXIS_OF_ROWS;
  if (n_kept == 2 || rows) {                                       // the first is the left operand's
    if (label_at(d->a.label[0], kept[0]) < 0) swap_sides(d);
    if (label_at(d->a.label[1], kept[0]) >= 0) return false;
  } else if (n_kept == 1 && label_at(d->a.label[1], kept[0]) < 0) swap_sides(d);
  char lane = n_kept == 2 ? kept[1] : n_kept == 1 && !rows ? kept[0] : 0;
  return !lane || (label_at(d->a.label[1], lane) >= 0 && label_at(d->a.label[0], lane) < 0);
}

static bool last_of_its_domain(const Graph *t, NodeId x, int axis) {   // axes behind it are of size 1
  for (int i = axis + 1; i < node(t, x)->rank; i++)
    if (!is_unit(t, node(t, x)->axis[i])) return false;
  return true;
}

// Has x stride 1 along this axis, which is not of size 1? Its value's place is claimed where a concat could change that.
static bool runs_over_lanes(Lower *l, NodeId x, int axis) {
  const Graph *t = l->t;
  for (; is_view(t, x); x = node_in(t, x, 0)) {
    OpId op = (OpId)node(t, x)->op;
    if (is_unit_move(t, x)) axis = axis_under_unit_move(t, x, axis);
    else if (op == OP_RESHAPE) return last_of_its_domain(t, x, axis);
    else if (op == OP_TRANSPOSE) axis = (int)(node(t, x)->attr.i[0] >> (3 * axis) & 7);
    else if (op == OP_BROADCAST) return false;
  }
  if (!last_of_its_domain(t, x, axis)) return false;
  if (axis == node(t, x)->rank - 1 || is_leaf(t, x)) return true;
  if (l->claimed[x]) return false;
  l->claimed[x] = TAKEN;
  return true;
}

static NodeId matrix_product(Lower *l, Dot *d) {
  Graph *t = l->t;
  char lane = 0;
  for (const char *c = d->a.label[2]; *c; c++)
    if (!is_unit(t, axis_of(t, d, *c)) && axis_of(t, d, *c) != AXIS_OF_ROWS && label_at(d->a.label[1], *c) >= 0) lane = *c;
  for (int i = 0; i < 2; i++) d->in[i] = in_memory(l, d->in[i], d->at);
  int at = label_at(d->a.label[1], lane);
  if (at >= 0 && !runs_over_lanes(l, d->in[1], at)) {
    char *labels = d->a.label[1];
    size_t after = strlen(labels + at + 1);
    g_at(t, d->at);
    d->in[1] = copy(l, axis_to_end(t, d->in[1], at), (Attr){0}, d->at);
    memmove(labels + at, labels + at + 1, after);
    labels[at + (int)after] = lane;
  }
  return graph_add(t, OP_DOT, d->in, 2, d->a, d->at);
}

// The operand with its axes in the order of `letters`, and axes of size 1 for those that it lacks (the batch axis needs
// none).
static NodeId spread_out(Lower *l, const Dot *d, int side, const char *letters) {
  Graph *t = l->t;
  NodeId x = d->in[side];
  const char *mine = d->a.label[side];
  int perm[MAX_RANK], n = 0, n_item = 0;
  AxisId item[2 * MAX_RANK];
  for (const char *c = letters; *c; c++) {
    int at = label_at(mine, *c);
    if (at >= 0) perm[n++] = at;
    if (axis_of(t, d, *c) != AXIS_OF_ROWS) item[n_item++] = at >= 0 ? node(t, x)->axis[at] : AXIS_OF_ONE;
  }
  bool same = true;
  for (int i = 0; i < n; i++) same &= perm[i] == i;
  if (!same) x = g_transpose(t, in_memory(l, x, d->at), perm);
  return g_reshape(t, x, n_item, item);
}

static NodeId products_and_sums(Lower *l, const Dot *d) {
  Graph *t = l->t;
  char letters[2 * MAX_RANK + 1] = {0}, summed[2 * MAX_RANK + 1] = {0}, rows = 0;
  int n = 0, n_summed = 0;
  for (int side = 0; side < 2; side++)
    for (const char *c = d->a.label[side]; *c; c++)
      if (axis_of(t, d, *c) == AXIS_OF_ROWS) rows = *c;
  if (rows) letters[n++] = rows;
  for (const char *c = d->a.label[2]; *c; c++)
    if (*c != rows) letters[n++] = *c;
  for (const char *c = d->a.label[0]; *c; c++)
    if (*c != rows && label_at(d->a.label[2], *c) < 0) letters[n++] = summed[n_summed++] = *c;
  if (n > MAX_RANK) {
    diag_error(t->diag, "unsupported", d->at, "a contraction over so many axes is not supported");
    return 0;
  }
  g_at(t, d->at);
  NodeId a = spread_out(l, d, 0, letters), b = spread_out(l, d, 1, letters), x = g_map2(t, OP_MUL, a, b);
  for (int i = 0; i < n_summed; i++) x = g_sum(t, x, -1);
  return rows && label_at(d->a.label[2], rows) < 0 ? g_sum(t, x, 0) : x;
}

// ---------------------------------------------------------------- dots over more axes
// An axis that is not part of a product of matrices is taken item by item: a dense layer over the items of a list or over experts is a
// product for each, side by side; the gradient of its weights is a sum of such.
enum { MOST_PRODUCTS = 256 };

static Dot with_item(Lower *l, const Dot *d, char c, int64_t i) {    // item i of axis c, which stays, of size 1
  Dot one = *d;
  for (int side = 0; side < 2; side++) {
    int at = label_at(d->a.label[side], c);
    if (at >= 0) one.in[side] = g_slice(l->t, in_memory(l, d->in[side], d->at), at, i, i + 1);
  }
  return one;
}

// The letters whose axes have to go, as few products as can be; how many products, 0: none will do.
static int64_t letters_to_take(const Graph *t, const Dot *d, char *taken) {
  enum { MOST_LETTERS = 2 };
  Dot rest = *d;
  size_t n_taken = strlen(d->single);
  int64_t best = 0;
  *taken = 0;
  if (is_matrix_product(t, &rest)) return 1;
  for (int side = 0; side < 2 && n_taken < MOST_LETTERS; side++)
    for (const char *c = d->a.label[side]; *c; c++) {
      AxisId a = axis_of(t, d, *c);
      if (a == AXIS_OF_ROWS || is_single(t, d, *c) || axis_size(t, a) > MOST_PRODUCTS) continue;
      char more[MAX_RANK + 1];
      rest = *d;
      rest.single[n_taken] = *c;
      int64_t n = axis_size(t, a) * letters_to_take(t, &rest, more);
      if (n == 0 || n > MOST_PRODUCTS || (best && n >= best)) continue;
      best = n;
      taken[0] = *c;
      strcpy(taken + 1, more);
    }
  return best;
}

// Σ over a letter that is not in the result: over rows one after the other, as all stand in one phase; else the letter is
// kept in front, so that no product waits for another, and summed over when all are there.
static bool summed_at_the_end(const Graph *t, const Dot *d) {
  const char *result = d->a.label[2];
  return strlen(result) < MAX_RANK && (!*result || axis_of(t, d, *result) != AXIS_OF_ROWS);
}

static NodeId item_products(Lower *l, const Dot *d, const char *taken) {
  if (!*taken) {
    Dot whole = *d;
    CHECK(is_matrix_product(l->t, &whole));
    return matrix_product(l, &whole);
  }
  int at = label_at(d->a.label[2], *taken);
  if (at < 0 && summed_at_the_end(l->t, d)) {
    Dot kept = *d;
    memmove(kept.a.label[2] + 1, kept.a.label[2], strlen(kept.a.label[2]) + 1);
    kept.a.label[2][0] = *taken;
    NodeId all = item_products(l, &kept, taken);
    g_at(l->t, d->at);
    return all ? g_sum(l->t, all, 0) : 0;
  }
  int64_t size = axis_size(l->t, axis_of(l->t, d, *taken));
  NodeId *part = NEW_ARRAY(l->t->arena, NodeId, size);
  g_at(l->t, d->at);
  for (int64_t i = 0; i < size; i++) {
    Dot one = with_item(l, d, *taken, i);
    part[i] = item_products(l, &one, taken + 1);
  }
  if (at >= 0) return lower_concat(l, part, (int)size, at, d->at);
  NodeId sum = part[0];
  for (int64_t i = 1; i < size; i++) sum = g_map2(l->t, OP_ADD, sum, part[i]);
  return sum;
}

static NodeId lower_dot(Lower *l, const Node *n, NodeId *in) {
  Dot d = { .in = { in[0], in[1] }, .a = n->attr, .at = n->at };
  char taken[MAX_RANK + 1] = {0};
  g_at(l->t, n->at);
  if (is_matrix_product(l->t, &d)) return matrix_product(l, &d);
  return letters_to_take(l->t, &d, taken) ? item_products(l, &d, taken) : products_and_sums(l, &d);
}

// A dot that suits BLAS, as a call of it; of our own, where an operand has not stride 1 along its last axis.
static NodeId lower_gemm(Lower *l, const Node *n, NodeId *in) {
  for (int i = 0; i < 2; i++) in[i] = in_memory(l, in[i], n->at);
  for (int i = 0; i < 2; i++)
    if (!runs_over_lanes(l, in[i], 1)) return lower_dot(l, n, in);
  return graph_add(l->t, OP_GEMM, in, 2, (Attr){0}, n->at);
}

// ---------------------------------------------------------------- the copy
static NodeId lower_node(Lower *l, const Graph *g, NodeId id, const NodeId *now) {
  const Node *n = node(g, id);
  NodeId *in = NEW_ARRAY(g->arena, NodeId, n->n_in + 1);
  if (l->update[id]) return lower_row_update(l, g, id, now);
  for (int i = 0; i < n->n_in; i++) in[i] = now[node_in(g, id, i)];
  for (int i = 0; i < n->n_in && op_rows[n->op].kind == KIND_CALL; i++) in[i] = in_memory(l, in[i], n->at);
  switch (n->op) {
  case OP_CONCAT: return n->n_in == 1 ? in[0] : lower_concat(l, in, n->n_in, n->attr.i[0], n->at);
  case OP_PAD: return lower_pad(l, in[0], &n->attr, n->at);
  case OP_DOT: return g->gemm && suits_gemm(g, id, g->gemm) ? lower_gemm(l, n, in) : lower_dot(l, n, in);
  case OP_BAG:
    for (int i = 0; i < n->n_in; i++) in[i] = in_memory(l, in[i], n->at);
    break;
  case OP_SPREAD_BAG: return lower_spread_bag(l, n, in);
  case OP_SPREAD: return lower_spread(l, n, in);
  case OP_TOUCHED: return lower_touched(l, n, in);
  case OP_DISTINCT: return name_rows(l, in, 1, n->attr.i[1], n->axis[0], n->at).ids;
  case OP_NUMBER: return lower_number(l, n, in[0]);
  case OP_GATHER: return lower_gather(l, n, in);
  case OP_SLICE:
  case OP_RESHAPE:
  case OP_TRANSPOSE:
  case OP_BROADCAST: return lower_view(l, n, in[0]);
  case OP_READ: return graph_read(l->t, (int)n->attr.i[0], n->at);
  default: break;
  }
  return graph_add(l->t, (OpId)n->op, in, n->n_in, n->attr, n->at);
}

static NodeId lower_root(Lower *l, NodeId v, bool apart, Place at) {
  OpId op = (OpId)node(l->t, v)->op;
  if (!is_computed(l->t, v) || op == OP_CONCAT || wants_own_place(l->t, v)) v = fresh_copy(l, v, at);
  return apart ? copy(l, v, (Attr){ .i = { 0, 0, COPY_APART, ++l->serial } }, at) : v;
}

static int64_t most_nodes(const Graph *g) {                         // that lowering can add: a handful for each operand
  int64_t n = 1024;
  for (NodeId id = 1; id < (NodeId)g->nodes.n; id++) n += 24 + 8 * node(g, id)->n_in + (node(g, id)->op == OP_DOT) * 16 * MOST_PRODUCTS;
  return n;
}

Graph *lower(const Graph *g, const bool *copy_slot) {
  Lower l = { .t = graph_empty_like(g), .update = NEW_ARRAY(g->arena, NodeId, g->nodes.n) };
  row_updates(g, l.update);
  l.named = NEW_ARRAY(g->arena, Named, g->nodes.n);
  int64_t most = most_nodes(g);
  l.claimed = NEW_ARRAY(g->arena, Claim, most);
  NodeId *now = NEW_ARRAY(g->arena, NodeId, g->nodes.n);
  for (NodeId id = 1; id < (NodeId)g->nodes.n; id++) {
    now[id] = lower_node(&l, g, id, now);
    if (!now[id]) return NULL;                                      // the error has been said
    CHECK(l.t->nodes.n < most);
  }
  for (int i = 0; i < g->roots.n; i++) {
    Root r = g->roots.data[i];
    if (r.slot >= 0 && l.update[r.value]) r.rows = l.named[l.update[r.value]].ids;
    r.value = lower_root(&l, now[r.value], r.slot >= 0 && copy_slot[r.slot], node(g, r.value)->at);
    vec_push(l.t->arena, &l.t->roots, r);
  }
  return l.t;
}
