// rows.c: which tables are updated by the rows that a batch names, at a cost that does not know the table's size.
// An assign says so by SELECT(touched(ids), x, the slot as it was). Where x, and all that is assigned with it, is computed row by row from the
// sum of the spreads of these ids and from slots of as many rows, it is evaluated for the rows named alone. A norm of that sum is, too: the
// sum of its squares knows no row but these.
#include "plan_int.h"

typedef struct {
  const Graph *g;
  NodeId top;                                                     // the sum at hand; its first axis has the table's rows
  bool *from;                                                     // by node: has a value for each of these rows, made of top
  int *n_users;                                                   // by node: reads of it, a root counting as one
} Look;

static AxisId first_axis(const Graph *g, NodeId n) { return node(g, n)->rank ? node(g, n)->axis[0] : 0; }

// ---------------------------------------------------------------- sums of spreads
// A spread, or the sum of such a sum and a spread: spreads are added from left to right.
static int count_spreads(const Graph *g, NodeId n) {
  if (node(g, n)->op == OP_SPREAD) return 1;
  if (node(g, n)->op != OP_ADD || node(g, node_in(g, n, 1))->op != OP_SPREAD || !same_shape(g, node_in(g, n, 0), node_in(g, n, 1))) return 0;
  int left = count_spreads(g, node_in(g, n, 0));
  return left ? left + 1 : 0;
}

NodeId spread_of(const Graph *g, NodeId top, int i) {
  int n = count_spreads(g, top);
  if (i >= n) return 0;
  for (; i < n - 1; n--) top = node_in(g, top, 0);
  return node(g, top)->op == OP_ADD ? node_in(g, top, 1) : top;
}

// Nobody else reads the sums and spreads that the top is made of.
static bool is_own(const Look *k, NodeId n) {
  for (; node(k->g, n)->op == OP_ADD; n = node_in(k->g, n, 0))
    if (k->n_users[node_in(k->g, n, 0)] != 1 || k->n_users[node_in(k->g, n, 1)] != 1) return false;
  return true;
}

// ---------------------------------------------------------------- assigns of touched rows
static NodeId under_views(const Graph *g, NodeId n) {
  while (node(g, n)->op == OP_RESHAPE || node(g, n)->op == OP_BROADCAST) n = node_in(g, n, 0);
  return n;
}

static NodeId named_by(const Graph *g, NodeId spread) { return ids_of_batch(g, node_in(g, spread, 1)); }

static bool spreads_by(const Graph *g, NodeId top, NodeId ids) {
  for (int i = 0; spread_of(g, top, i); i++)
    if (named_by(g, spread_of(g, top, i)) == ids) return true;
  return false;
}

static bool names(const Graph *g, NodeId touched, NodeId ids) {
  for (int i = 0; i < node(g, touched)->n_in; i++)
    if (node_in(g, touched, i) == ids) return true;
  return false;
}

// Does it say which rows the spreads of the top reach, each of them and no more?
static bool is_touched(const Graph *g, NodeId touched, NodeId top) {
  if (first_axis(g, touched) != first_axis(g, top)) return false;
  for (int i = 0; spread_of(g, top, i); i++)
    if (!names(g, touched, named_by(g, spread_of(g, top, i)))) return false;
  for (int i = 0; i < node(g, touched)->n_in; i++)
    if (!spreads_by(g, top, node_in(g, touched, i))) return false;
  return true;
}

bool is_row_assign(const Graph *g, NodeId n) {
  return node(g, n)->op == OP_SELECT && node(g, under_views(g, node_in(g, n, 0)))->op == OP_TOUCHED;
}

// SELECT(touched(ids of the spreads), x, read of the slot)
static bool is_touched_select(const Graph *g, NodeId n, NodeId top, int slot) {
  if (!is_row_assign(g, n)) return false;
  NodeId old = node_in(g, n, 2);
  return is_touched(g, under_views(g, node_in(g, n, 0)), top) && node(g, old)->op == OP_READ && node(g, old)->attr.i[0] == slot;
}

static int root_slot(const Graph *g, NodeId n) {                  // −1: none; −2: an output
  int slot = -1;
  for (int i = 0; i < g->roots.n; i++)
    if (g->roots.data[i].value == n) slot = g->roots.data[i].slot < 0 || slot != -1 ? -2 : g->roots.data[i].slot;
  return slot;
}

// ---------------------------------------------------------------- row by row
bool repeats_by_row(const Graph *g, NodeId n, NodeId x) { return node(g, x)->rank < node(g, n)->rank || is_unit(g, first_axis(g, x)); }

// Can an operand x of n be had for single rows? A slot, what is computed of such point by point, what the top gives; or it repeats.
static bool fits(const Look *k, NodeId n, NodeId x) {
  const Graph *g = k->g;
  if (repeats_by_row(g, n, x)) return !k->from[x] && !has_rows(g, x);
  if (first_axis(g, x) != first_axis(g, k->top)) return false;
  if (k->from[x] || node(g, x)->op == OP_READ) return true;
  if (op_rows[node(g, x)->op].kind != KIND_MAP) return false;
  for (int i = 0; i < node(g, x)->n_in; i++)
    if (!fits(k, x, node_in(g, x, i))) return false;
  return true;
}

// n is computed from the top: row by row?
static bool is_by_row(const Look *k, NodeId n) {
  const Graph *g = k->g;
  const Node *x = node(g, n);
  bool reduce = op_rows[x->op].kind == KIND_REDUCE && x->attr.i[0] > 0;
  bool view = (x->op == OP_RESHAPE && is_unit_move(g, n)) || (x->op == OP_BROADCAST && x->rank == node(g, node_in(g, n, 0))->rank);
  if (first_axis(g, n) != first_axis(g, k->top) || !(op_rows[x->op].kind == KIND_MAP || reduce || view)) return false;
  if (op_rows[x->op].kind != KIND_MAP) return first_axis(g, node_in(g, n, 0)) == first_axis(g, n);
  for (int i = 0; i < x->n_in; i++)
    if (!fits(k, n, node_in(g, n, i))) return false;
  return true;
}

// Σ over all rows of top²: what is not named adds nothing.
static bool is_sum_of_squares(const Look *k, NodeId n) {
  const Graph *g = k->g;
  NodeId x = node_in(g, n, 0);
  return node(g, n)->op == OP_SUM && node(g, n)->attr.i[0] == 0 && node(g, x)->op == OP_MUL && node_in(g, x, 0) == k->top &&
         node_in(g, x, 1) == k->top && k->n_users[x] == 1;
}

// The assign's value is evaluated for the rows named, and read by nobody.
static bool is_assign(const Look *k, NodeId n, int slot) {
  NodeId x = node_in(k->g, n, 1);
  return is_touched_select(k->g, n, k->top, slot) && fits(k, n, x) && k->from[x] && k->n_users[n] == 1;
}

// Values for the distinct ids of a batch are of these rows already, where there are no others.
static bool is_mixed(const Graph *g, NodeId top) {
  for (int i = 0; spread_of(g, top, i); i++)
    if (spread_of(g, top, 1) && node(g, node_in(g, spread_of(g, top, i), 1))->op == OP_DISTINCT) return true;
  return false;
}

// Does all that comes from the top end in assigns of touched rows, or in sums over all of them?
static bool by_rows(Look *k, NodeId top) {
  const Graph *g = k->g;
  int assigns = 0;
  k->top = top;
  if (axis_size(g, first_axis(g, top)) < 2 || count_spreads(g, top) > SORT_SOURCES || root_slot(g, top) != -1 || !is_own(k, top) || is_mixed(g, top)) return false;
  memset(k->from, 0, sizeof *k->from * (size_t)g->nodes.n);
  k->from[top] = true;
  for (NodeId n = top + 1; n < (NodeId)g->nodes.n; n++) {
    bool comes = false;
    for (int i = 0; i < node(g, n)->n_in; i++) comes |= k->from[node_in(g, n, i)];
    if (!comes || is_sum_of_squares(k, n)) continue;
    int slot = root_slot(g, n);
    if (slot == -1 && is_by_row(k, n)) k->from[n] = true;
    else if (slot >= 0 && is_assign(k, n, slot)) assigns++;
    else return false;
  }
  return assigns > 0;
}

// ---------------------------------------------------------------- all of them
static void mark(const Look *k, NodeId *update) {
  const Graph *g = k->g;
  for (NodeId n = k->top; n < (NodeId)g->nodes.n; n++)
    if (k->from[n]) update[n] = k->top;
  for (int i = 0; i < g->roots.n; i++) {
    const Root *r = &g->roots.data[i];
    if (r->slot >= 0 && is_touched_select(g, r->value, k->top, r->slot)) update[r->value] = k->top;
  }
  for (NodeId n = k->top; node(g, n)->op == OP_ADD; n = node_in(g, n, 0)) update[node_in(g, n, 0)] = update[node_in(g, n, 1)] = k->top;
}

void row_updates(const Graph *g, NodeId *update) {
  Look k = { .g = g, .from = NEW_ARRAY(g->arena, bool, g->nodes.n), .n_users = NEW_ARRAY(g->arena, int, g->nodes.n) };
  bool any = false;
  for (NodeId n = 1; n < (NodeId)g->nodes.n; n++) {
    any |= node(g, n)->op == OP_TOUCHED;
    for (int i = 0; i < node(g, n)->n_in; i++) k.n_users[node_in(g, n, i)]++;
  }
  for (int i = 0; i < g->roots.n; i++) k.n_users[g->roots.data[i].value]++;
  for (NodeId n = (NodeId)g->nodes.n - 1; any && n >= 1; n--)      // a sum before its parts
    if (!update[n] && count_spreads(g, n) && by_rows(&k, n)) mark(&k, update);
}
