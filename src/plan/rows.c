// rows.c: which tables are updated by the rows that a batch names, at a cost that does not know the table's size.
// An assign says so by SELECT(touched(ids), x, the slot as it was). Where x and all that is assigned with it comes, point by point, from one
// spread of the same ids, from slots of the same shape and from scalars, it is evaluated for touched rows alone.
#include "plan_int.h"

typedef struct { const Graph *g; NodeId *from; } Look;            // from: node → the spread that it comes from, while one is looked at

static bool full_shape(const Graph *g, NodeId n, NodeId spread) {
  const Node *x = node(g, n), *s = node(g, spread);
  return op_rows[x->op].kind == KIND_MAP && x->rank == s->rank && !memcmp(x->axis, s->axis, sizeof *x->axis * x->rank);
}

static NodeId under_views(const Graph *g, NodeId n) {
  while (node(g, n)->op == OP_RESHAPE || node(g, n)->op == OP_BROADCAST) n = node_in(g, n, 0);
  return n;
}

// SELECT(touched(ids of the spread), x, read of the slot)
static bool is_touched_select(const Graph *g, NodeId n, NodeId spread, int slot) {
  if (node(g, n)->op != OP_SELECT) return false;
  NodeId cond = under_views(g, node_in(g, n, 0)), old = node_in(g, n, 2);
  return node(g, cond)->op == OP_TOUCHED && node_in(g, cond, 0) == node_in(g, spread, 1) && node(g, cond)->axis[0] == node(g, spread)->axis[0] &&
         node(g, old)->op == OP_READ && node(g, old)->attr.i[0] == slot;
}

// An operand that has a value for each row of the table, or one for all: a slot, a value of such, a scalar.
static bool fits(const Graph *g, NodeId n, NodeId spread) {
  const Node *x = node(g, n);
  if (domain_of(g, n, (AxisId[MAX_RANK]){0}) == 0) return true;
  if (x->op == OP_READ) return x->rank == node(g, spread)->rank && !memcmp(x->axis, node(g, spread)->axis, sizeof *x->axis * x->rank);
  if (!full_shape(g, n, spread)) return false;
  for (int i = 0; i < x->n_in; i++)
    if (!fits(g, node_in(g, n, i), spread)) return false;
  return true;
}

static int root_slot(const Graph *g, NodeId n) {                  // −1: none; −2: an output
  int slot = -1;
  for (int i = 0; i < g->roots.n; i++)
    if (g->roots.data[i].value == n) slot = g->roots.data[i].slot < 0 || slot != -1 ? -2 : g->roots.data[i].slot;
  return slot;
}

// Does all that comes from the spread end in assigns of touched rows?
static bool by_rows(Look *k, NodeId spread) {
  const Graph *g = k->g;
  const Node *s = node(g, spread);
  int assigns = 0;
  if (s->rank > 2 || axis_size(g, s->axis[0]) < 2 || root_slot(g, spread) != -1) return false;
  memset(k->from, 0, sizeof *k->from * (size_t)g->nodes.n);
  k->from[spread] = spread;
  for (NodeId n = spread + 1; n < (NodeId)g->nodes.n; n++) {
    bool comes = false;
    for (int i = 0; i < node(g, n)->n_in; i++) comes |= k->from[node_in(g, n, i)] != 0;
    if (!comes) continue;
    int slot = root_slot(g, n);
    if (slot == -2 || !full_shape(g, n, spread)) return false;
    bool select = slot >= 0 && is_touched_select(g, n, spread, slot);
    if (slot >= 0 && !select) return false;
    for (int i = select ? 1 : 0; i < node(g, n)->n_in; i++)
      if (!k->from[node_in(g, n, i)] && !fits(g, node_in(g, n, i), spread)) return false;
    if (select) {                                                 // read by nobody else
      for (NodeId u = n + 1; u < (NodeId)g->nodes.n; u++)
        for (int i = 0; i < node(g, u)->n_in; i++)
          if (node_in(g, u, i) == n) return false;
      assigns++;
    } else k->from[n] = spread;
  }
  return assigns > 0;
}

void row_updates(const Graph *g, NodeId *update) {
  Look k = { .g = g, .from = NEW_ARRAY(g->arena, NodeId, g->nodes.n) };
  bool any = false;
  for (NodeId n = 1; n < (NodeId)g->nodes.n; n++) any |= node(g, n)->op == OP_TOUCHED;
  for (NodeId s = 1; any && s < (NodeId)g->nodes.n; s++) {
    if (node(g, s)->op != OP_SPREAD || !by_rows(&k, s)) continue;
    update[s] = s;
    for (int i = 0; i < g->roots.n; i++) {
      const Root *r = &g->roots.data[i];
      if (r->slot >= 0 && is_touched_select(g, r->value, s, r->slot) && k.from[node_in(g, r->value, 1)] == s) update[r->value] = s;
    }
  }
}
