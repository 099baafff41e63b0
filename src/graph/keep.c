// keep.c: what a step computes of a row's inputs by parameters that no step changes has the same value whenever the row comes. It is
// computed once (a program of its own), kept beside the row, and read as further columns of its numbers from then on:
//   head(frozen(x))  →  once: k = frozen(x);  a step: head(k)
// A rewrite of the tidied program of a step. It changes no bit: a row's forward has the same bits in any batch. Where a value is kept is
// decided by its work and its width, never by the machine.
#include "graph_int.h"

typedef struct {
  bool fixed;                             // the same in every step, for the same row
  bool needed;                            // read by something that is not fixed
  int at;                                 // column from which it is kept; −1: it is not
} Mark;

typedef struct { const Graph *g; Mark *mark; bool *slot_changes; const KeepRule *rule; } Keep;

// ---------------------------------------------------------------- what stays the same
static bool fixed_leaf(const Keep *k, const Node *x) {
  int64_t i0 = x->attr.i[0];
  switch (x->op) {
  case OP_DENSE: case OP_IDS: case OP_CONST: return true;
  case OP_IOTA: return i0 || x->attr.i[1] != AXIS_OF_ROWS;
  case OP_READ: return !k->slot_changes[i0] && k->g->slots.data[i0].role != SLOT_BALANCE;
  default: return false;
  }
}

static bool fixed_node(const Keep *k, NodeId n) {
  const Graph *g = k->g;
  const Node *x = node(g, n);
  OpKind kind = op_rows[x->op].kind;
  if (kind == KIND_LEAF) return fixed_leaf(k, x);
  if (kind == KIND_CALL || x->op == OP_RANDOM) return false;
  for (int i = 0; i < x->n_in; i++)                                 // a value of all rows together is one of the batch
    if (!k->mark[node_in(g, n, i)].fixed || (has_rows(g, node_in(g, n, i)) && !has_rows(g, n))) return false;
  return true;
}

static bool is_transparent(const Graph *g, NodeId n) {              // a view of all of its operand, and so no wider
  OpId op = node(g, n)->op;
  return op == OP_RESHAPE || op == OP_BROADCAST || op == OP_TRANSPOSE;
}

// Fixed values that others read; of a view, the value that it shows.
static void find_needed(Keep *k) {
  const Graph *g = k->g;
  for (int i = 0; i < g->roots.n; i++) k->mark[g->roots.data[i].value].needed = true;
  for (NodeId n = (NodeId)g->nodes.n - 1; n > 0; n--) {
    bool passes_on = !k->mark[n].fixed || (k->mark[n].needed && is_transparent(g, n));
    for (int i = 0; passes_on && i < node(g, n)->n_in; i++) k->mark[node_in(g, n, i)].needed = true;
    if (k->mark[n].fixed && is_transparent(g, n)) k->mark[n].needed = false;
  }
}

// ---------------------------------------------------------------- what is worth it
// Per row, in FLOPs or what takes as long: a map reads and writes, a gather only moves.
static double work_of(const Graph *g, NodeId n) {
  OpId op = node(g, n)->op;
  OpKind kind = op_rows[op].kind;
  if (!has_rows(g, n)) return 0;
  if (kind == KIND_MAP) return 4 * row_elements(g, n);
  return kind == KIND_INDEX && op != OP_BAG ? 2 * row_elements(g, n) : row_work(g, n);
}

static double cone_work(const Graph *g, bool *seen) {               // of all that the nodes seen are computed of
  double work = 0;
  for (NodeId n = (NodeId)g->nodes.n - 1; n > 0; n--) {
    if (!seen[n]) continue;
    work += work_of(g, n);
    for (int i = 0; i < node(g, n)->n_in; i++) seen[node_in(g, n, i)] = true;
  }
  return work;
}

static bool is_worth_it(const Keep *k, NodeId n) {
  const Graph *g = k->g;
  const Mark *m = &k->mark[n];
  if (!m->fixed || !m->needed || !has_rows(g, n) || node(g, n)->dtype != g->dtype) return false;
  if (op_rows[node(g, n)->op].kind == KIND_LEAF) return false;
  bool *seen = NEW_ARRAY(g->arena, bool, g->nodes.n);
  seen[n] = true;
  double work = cone_work(g, seen);
  return k->rule->always ? work > 0 : work > k->rule->column * (double)item_elements(g, n);
}

// Gives columns to what is kept; how many.
static int choose(Keep *k) {
  bool *kept = NEW_ARRAY(k->g->arena, bool, k->g->nodes.n);
  int width = 0;
  for (NodeId n = 1; n < (NodeId)k->g->nodes.n; n++) {
    k->mark[n].at = -1;
    if (!is_worth_it(k, n)) continue;
    k->mark[n].at = width;
    width += (int)item_elements(k->g, n);
    kept[n] = true;
  }
  return cone_work(k->g, kept) < k->rule->least ? 0 : width;
}

// ---------------------------------------------------------------- the program of a step, and the one that goes before
static NodeId kept_value(Graph *t, const Graph *g, NodeId n, int64_t first) {
  const Node *x = node(g, n);
  NodeId columns = g_dense(t, first, item_elements(g, n));
  if (x->rank == 2) return columns;
  return x->rank == 1 ? g_drop(t, columns, 1) : g_reshape(t, columns, x->rank - 1, x->axis + 1);
}

static Graph *with_kept(const Keep *k, int first) {
  const Graph *g = k->g;
  Graph *t = graph_empty_like(g);
  NodeId *now = NEW_ARRAY(g->arena, NodeId, g->nodes.n);
  for (NodeId id = 1; id < (NodeId)g->nodes.n; id++) {
    g_at(t, node(g, id)->at);
    now[id] = k->mark[id].at >= 0 ? kept_value(t, g, id, first + k->mark[id].at) : graph_copy_node(t, g, id, now);
    CHECK(now[id]);
  }
  graph_copy_roots(t, g, now);
  return tidy(t, NULL, 0);
}

static Graph *once(const Keep *k) {
  static const char *const roots[] = { "kept:*" };
  Graph all = *k->g;
  all.roots.data = NULL, all.roots.n = all.roots.cap = 0;
  for (NodeId n = 1; n < (NodeId)all.nodes.n; n++)
    if (k->mark[n].at >= 0) graph_out(&all, arena_printf(all.arena, "kept:%d", k->mark[n].at), n);
  return tidy(&all, roots, 1);
}

Graph *keep_fixed(Graph *g, int first, const KeepRule *rule, Kept *out) {
  *out = (Kept){ .first = first };
  if (!rule || g->dtype != F32) return g;                            // the rows' numbers are of f32
  Keep k = { g, NEW_ARRAY(g->arena, Mark, g->nodes.n), NEW_ARRAY(g->arena, bool, g->slots.n + 1), rule };
  for (int i = 0; i < g->roots.n; i++)
    if (g->roots.data[i].slot >= 0) k.slot_changes[g->roots.data[i].slot] = true;
  for (NodeId n = 1; n < (NodeId)g->nodes.n; n++) k.mark[n].fixed = fixed_node(&k, n);
  find_needed(&k);
  out->width = choose(&k);
  if (!out->width) return g;
  out->once = once(&k);
  return with_kept(&k, first);
}
