// fuse.c: nodes → clusters. In ascending order a MAP node joins a cluster that makes one of its operands, when the
// domain is the same and no operand made elsewhere waits for that cluster; otherwise it opens a cluster.
// A MAP node that reads leaves alone is free: it is evaluated again in each cluster that wants it, unless it has to be
// stored. A comparison of one value with constants (where relu passed a row on) and a value times one number a row (an expert's part of
// a gradient) are told again from that value by each of their readers: they never cost memory of their own. MAP nodes whose only reader is
// a REDUCE become its prologue.
#include "plan_int.h"

enum { CHEAP = 2 };                       // a free value of at most so many ops is evaluated again on a larger domain

// ---------------------------------------------------------------- who reads what
static NodeId base_of(const Graph *g, NodeId n) {                 // underneath views
  while (is_view(g, n)) n = node_in(g, n, 0);
  return n;
}

static bool same_domain(const Graph *g, NodeId a, NodeId b) {
  AxisId x[MAX_RANK], y[MAX_RANK];
  int n = domain_of(g, a, x), m = domain_of(g, b, y);
  return n == m && !memcmp(x, y, sizeof *x * (size_t)n);
}

// A value that is read in one piece, not point by point.
static bool wants_stored(const Graph *g, NodeId user) {
  OpId op = (OpId)node(g, user)->op;
  OpKind k = op_rows[op].kind;
  return k == KIND_DOT || k == KIND_CALL || (k == KIND_INDEX && op != OP_GATHER) || op == OP_CONCAT || is_apart(g, user) ||
         (is_view(g, user) && !is_unit_move(g, user));
}

static void count_users(Planner *p) {
  const Graph *g = p->g;
  for (int i = 0; i < g->roots.n; i++) {
    p->info[g->roots.data[i].value].live = true;
    p->info[g->roots.data[i].value].n_users += 2;                 // a root is read by somebody else
    p->info[g->roots.data[i].value].root = true;
  }
  for (NodeId id = (NodeId)g->nodes.n - 1; id > 0; id--) {
    if (!p->info[id].live) continue;
    for (int i = 0; i < node(g, id)->n_in; i++) {
      NodeId direct = node_in(g, id, i), x = see_through(g, direct);
      p->info[direct].live = p->info[x].live = true;
      if (is_unit_move(g, id)) continue;                          // its own readers count
      p->info[x].n_users += p->info[x].only_user != id;
      p->info[x].only_user = id;
    }
  }
}

static bool reduces(const Graph *g, NodeId n) { return op_rows[node(g, n)->op].kind == KIND_REDUCE && !is_unit_move(g, n); }

static void mark_prologues(Planner *p) {
  const Graph *g = p->g;
  for (NodeId id = (NodeId)g->nodes.n - 1; id > 0; id--) {
    Info *x = &p->info[id];
    if (!x->live || !is_pointwise(g, id) || x->n_users != 1 || x->root) continue;
    NodeId u = x->only_user;
    NodeId operand = reduces(g, u) ? see_through(g, node_in(g, u, 0)) : 0;
    x->prologue = operand == id || (p->info[u].prologue && is_pointwise(g, u) && same_domain(g, u, id));
  }
}

// A row of a slot that the batch names: read where it is wanted, as the slot itself would be.
static bool is_named_row(const Graph *g, NodeId n) {
  return node(g, n)->op == OP_GATHER && node(g, node_in(g, n, 0))->op == OP_READ && names_rows(g, node_in(g, n, 1));
}

static bool is_free(const Planner *p, NodeId n, int *cost) {      // cost: ops in it
  n = see_through(p->g, n);
  if (is_leaf(p->g, n) || is_named_row(p->g, n)) return true;
  if (is_view(p->g, n)) return is_leaf(p->g, base_of(p->g, n));
  if (!is_pointwise(p->g, n)) return false;
  *cost += 1;
  for (int i = 0; i < node(p->g, n)->n_in; i++)
    if (!is_free(p, node_in(p->g, n, i), cost) || *cost > 64) return false;
  return true;
}

static void store_free(Planner *p, bool *free_node) {             // which free values get a cluster of their own
  const Graph *g = p->g;
  for (NodeId id = 1; id < (NodeId)g->nodes.n; id++) {
    if (!p->info[id].live || is_unit_move(g, id)) continue;
    for (int i = 0; i < node(g, id)->n_in; i++) {
      NodeId x = see_through(g, node_in(g, id, i));
      int cost = 0;
      if (!free_node[x]) continue;
      bool table = node(g, id)->op == OP_GATHER && i == 0;
      is_free(p, x, &cost);
      NodeId domain = reduces(g, id) ? see_through(g, node_in(g, id, 0)) : id;
      if (wants_stored(g, id) || table || (!same_domain(g, x, domain) && cost > CHEAP)) p->info[x].stored = true;
    }
  }
}

// Does every reader of x read it point by point, as one of its own values?
static bool *read_pointwise(const Planner *p) {
  const Graph *g = p->g;
  bool *ok = NEW_ARRAY(p->s->arena, bool, g->nodes.n);
  for (int i = 0; i < g->nodes.n; i++) ok[i] = !p->info[i].root;
  for (NodeId id = 1; id < (NodeId)g->nodes.n; id++)
    for (int i = 0; p->info[id].live && i < node(g, id)->n_in; i++) {
      NodeId x = see_through(g, node_in(g, id, i));
      if (!is_unit_move(g, id) && (!is_pointwise(g, id) || wants_stored(g, id) || !same_domain(g, x, id))) ok[x] = false;
    }
  return ok;
}

// A value that has the domain of n, and memory of its own or could have.
static bool is_value_for(const Planner *p, NodeId of, NodeId n) {
  int cost = 0;
  return !is_view(p->g, of) && !is_free(p, of, &cost) && !p->info[of].told && same_domain(p->g, of, n) && node(p->g, of)->dtype == node(p->g, n)->dtype;
}

// One number of n's operand for all of its last axis.
static bool is_one_a_row(const Graph *g, NodeId n, NodeId of) {
  const Node *x = node(g, n);
  int at = x->rank ? operand_axis(g, n, of, x->rank - 1) : 0;
  return x->rank > 1 && !is_unit(g, x->axis[x->rank - 1]) && (at < 0 || is_unit(g, node(g, of)->axis[at]));
}

static bool can_be_told(const Planner *p, NodeId n) {
  const Graph *g = p->g;
  const Node *x = node(g, n);
  bool compares = x->op == OP_LT || x->op == OP_LE || x->op == OP_EQ || x->op == OP_NOT;
  int values = 0;
  if (!compares && x->op != OP_MUL) return false;
  for (int i = 0; i < x->n_in; i++) {
    NodeId of = see_through(g, node_in(g, n, i));
    if (compares ? node(g, of)->op == OP_CONST : is_one_a_row(g, n, node_in(g, n, i))) continue;
    values += is_value_for(p, of, n) ? 1 : 2;
  }
  return values == 1;
}

static void mark_told(Planner *p) {
  const Graph *g = p->g;
  bool *pointwise = read_pointwise(p);
  for (NodeId id = 1; id < (NodeId)g->nodes.n; id++)
    p->info[id].told = p->info[id].live && pointwise[id] && !p->info[id].prologue && can_be_told(p, id);
}

// ---------------------------------------------------------------- order of clusters
static bool after(const Planner *p, int a, int b) { return p->reach[a * p->reach_words + b / 64] >> (b % 64) & 1; }

static void add_dep(Planner *p, int c, int d) {                   // c comes after d
  if (c == d) return;
  Cluster *x = &p->clusters.data[c];
  for (int i = 0; i < x->deps.n; i++)
    if (x->deps.data[i] == d) return;
  vec_push(p->s->arena, &x->deps, d);
  uint64_t *mine = p->reach + c * p->reach_words, *theirs = p->reach + d * p->reach_words;
  for (int w = 0; w < p->reach_words; w++) mine[w] |= theirs[w];
  mine[d / 64] |= (uint64_t)1 << (d % 64);
  for (int e = 0; e < p->clusters.n; e++) {
    if (e == c || !after(p, e, c)) continue;
    for (int w = 0; w < p->reach_words; w++) p->reach[e * p->reach_words + w] |= mine[w];
  }
}

typedef VEC(int) Ints;

// Clusters that must have run before n's value can be read.
static void providers(const Planner *p, NodeId n, Ints *out) {
  const Graph *g = p->g;
  n = see_through(g, n);
  if (p->info[n].cluster >= 0) { vec_push(p->s->arena, out, p->info[n].cluster); return; }
  if (is_leaf(g, n)) return;
  if (node(g, n)->op == OP_READ) return;
  for (int i = 0; i < node(g, n)->n_in; i++)
    providers(p, node_in(g, n, i), out);   // views, concats, inlined and prologue nodes
}

// Clusters whose values n's operand i is read from in memory, by a view or as a table: not those that it is evaluated with.
static void read_in_memory(const Planner *p, NodeId n, int i, Ints *out) {
  const Graph *g = p->g;
  NodeId x = see_through(g, node_in(g, n, i));
  bool table = node(g, n)->op == OP_GATHER && i == 0;
  for (int k = 0; p->info[x].told && k < node(g, x)->n_in; k++) read_in_memory(p, x, k, out);
  if ((p->info[x].cluster < 0 && !p->info[x].told) || table) providers(p, x, out);
}

static void slots_read(const Planner *p, NodeId n, Cluster *c) {
  const Graph *g = p->g;
  if (node(g, n)->op == OP_READ) { vec_push(p->s->arena, &c->reads, (int)node(g, n)->attr.i[0]); return; }
  if (p->info[see_through(g, n)].cluster >= 0) return;            // made elsewhere
  for (int i = 0; i < node(g, n)->n_in; i++) slots_read(p, node_in(g, n, i), c);
}

static int new_cluster(Planner *p, CallKind kind, NodeId anchor, NodeId shape) {
  Cluster c = { .kind = kind, .anchor = anchor };
  c.n_domain = domain_of(p->g, shape, c.domain);
  c.rows = kind != CALL_HOST && kind != CALL_BAG && c.n_domain > 0 && c.domain[0] == AXIS_OF_ROWS;   // these see the batch as a whole
  vec_push(p->s->arena, &p->clusters, c);
  return p->clusters.n - 1;
}

static void insert_node(Planner *p, int c, NodeId n) {            // ascending; a gather that waited may lie below others
  Cluster *x = &p->clusters.data[c];
  int at = x->nodes.n;
  vec_push(p->s->arena, &x->nodes, n);
  for (; at > 0 && x->nodes.data[at - 1] > n; at--) x->nodes.data[at] = x->nodes.data[at - 1];
  x->nodes.data[at] = n;
}

static void join(Planner *p, int c, NodeId n) {
  Ints from = {0};
  for (int i = 0; i < node(p->g, n)->n_in; i++) {
    providers(p, node_in(p->g, n, i), &from);
    slots_read(p, node_in(p->g, n, i), &p->clusters.data[c]);
  }
  p->info[n].cluster = c;
  p->clusters.data[c].apart |= is_apart(p->g, n);
  if (p->clusters.data[c].anchor != n) insert_node(p, c, n);
  for (int i = 0; i < from.n; i++) add_dep(p, c, from.data[i]);
}

// ---------------------------------------------------------------- the choice
// Rows that a batch's ids select of a value come to a product's results row by row, where a loop of their own goes along whole rows; so do
// rows of tables that are updated by a product for each distinct id.
static bool selects_rows(const Planner *p, const Cluster *x, NodeId n) {
  const Graph *g = p->g;
  if (x->n_domain && g->axes.data[x->domain[0]].kind == AXIS_NAMED) return true;
  for (int i = 0; i < node(g, n)->n_in; i++) {
    NodeId operand = see_through(g, node_in(g, n, i));
    if (node(g, operand)->op == OP_GATHER && node(g, node_in(g, operand, 1))->op == OP_NUMBER) return true;
  }
  return false;
}

static bool can_join(Planner *p, int c, NodeId n, const Ints *from) {
  const Cluster *x = &p->clusters.data[c];
  AxisId d[MAX_RANK];
  int k = domain_of(p->g, n, d);
  Ints memory = {0};
  for (int i = 0; i < node(p->g, n)->n_in; i++) read_in_memory(p, n, i, &memory);
  for (int i = 0; i < memory.n; i++)
    if (memory.data[i] == c) return false;
  if (x->kind == CALL_DOT && selects_rows(p, x, n)) return false;
  if (moves_rows(x->kind) || x->kind == CALL_HOST || x->free || x->apart || k != x->n_domain || memcmp(d, x->domain, sizeof *d * (size_t)k))
    return false;
  for (int i = 0; i < from->n; i++)
    if (from->data[i] != c && after(p, from->data[i], c)) return false;
  return true;
}

// Does some node of the cluster read a stored value that n reads?
static bool reads_alike(const Planner *p, int c, NodeId n) {
  const Graph *g = p->g;
  const Cluster *x = &p->clusters.data[c];
  for (int i = 0; i < node(g, n)->n_in; i++) {
    NodeId operand = see_through(g, node_in(g, n, i));
    for (int k = 0; k < x->nodes.n && !is_leaf(g, operand); k++)
      for (int j = 0; j < node(g, x->nodes.data[k])->n_in; j++)
        if (see_through(g, node_in(g, x->nodes.data[k], j)) == operand) return true;
  }
  return false;
}

// A MAP cluster that reads what n reads, and already comes after all of it: n is evaluated beside it. (Adam's m and v, where the gradient
// comes out of a spread.) Values that have nothing in common stay apart: they are calls of one kernel.
static int sibling(Planner *p, NodeId n, const Ints *from) {
  for (int c = p->clusters.n - 1; c >= 0 && from->n > 0; c--) {
    bool fits = p->clusters.data[c].kind == CALL_MAP && can_join(p, c, n, from) && reads_alike(p, c, n);
    for (int i = 0; fits && i < from->n; i++) fits = after(p, c, from->data[i]);
    if (fits) return c;
  }
  return -1;
}

// A gathered row that one MAP node of its domain reads waits for it: a sum of many rows is one call, not one for each.
static bool waits(const Planner *p, NodeId n) {
  const Info *x = &p->info[n];
  if (node(p->g, n)->op != OP_GATHER || x->root || x->stored || x->n_users != 1) return false;
  NodeId u = x->only_user;
  return is_pointwise(p->g, u) && node(p->g, u)->op != OP_GATHER && !is_apart(p->g, u) && !p->info[u].prologue && same_domain(p->g, n, u);
}

// The last cluster that n can join of those that make what it is computed from.
static int last_maker(Planner *p, NodeId n, NodeId reader, const Ints *from) {
  int best = -1;
  for (int i = 0; i < node(p->g, reader)->n_in; i++) {
    NodeId x = see_through(p->g, node_in(p->g, reader, i));
    int c = p->info[x].told ? last_maker(p, n, x, from) : p->info[x].cluster;
    if (c > best && can_join(p, c, n, from)) best = c;
  }
  return best;
}

static void place_pointwise(Planner *p, NodeId n) {
  Ints from = {0};
  for (int i = 0; i < node(p->g, n)->n_in; i++) providers(p, node_in(p->g, n, i), &from);
  int best = is_apart(p->g, n) ? -1 : last_maker(p, n, n, &from);
  if (best < 0 && !is_apart(p->g, n)) best = sibling(p, n, &from);
  if (best < 0) best = new_cluster(p, CALL_MAP, 0, n);
  for (int i = 0; i < node(p->g, n)->n_in; i++) {
    NodeId x = see_through(p->g, node_in(p->g, n, i));
    if (p->info[x].cluster < 0 && p->info[x].waits) join(p, best, x);
  }
  join(p, best, n);
}

static void place_free(Planner *p, NodeId n) {                    // scalars share one cluster
  AxisId d[MAX_RANK];
  int c = -1;
  if (domain_of(p->g, n, d) == 0 && !is_apart(p->g, n))
    for (int i = 0; i < p->clusters.n && c < 0; i++)
      if (p->clusters.data[i].free && p->clusters.data[i].n_domain == 0) c = i;
  if (c < 0) {
    c = new_cluster(p, CALL_MAP, 0, n);
    p->clusters.data[c].free = true;
  }
  join(p, c, n);
}

static CallKind reduce_kind(Planner *p, NodeId n) {
  const Graph *g = p->g;
  const Node *x = node(g, node_in(g, n, 0));
  AxisId d[MAX_RANK];
  int rank = domain_of(g, node_in(g, n, 0), d), axis = (int)node(g, n)->attr.i[0], before = 0;
  for (int i = 0; i < axis; i++) before += !is_unit(g, x->axis[i]);
  return before == 0 || before < rank - 1 ? CALL_REDUCE_ROWS : CALL_REDUCE_LANES;    // lanes run along the last axis
}

static CallKind anchor_kind(Planner *p, NodeId n) {
  OpId op = (OpId)node(p->g, n)->op;
  switch (op) {
  case OP_DOT: return CALL_DOT;
  case OP_SPREAD: return CALL_SPREAD;
  case OP_ROWS: return CALL_ROWS;
  case OP_BAG: return CALL_BAG;
  case OP_SPREAD_BAG: return CALL_SPREAD_BAG;
  default: return op_rows[op].kind == KIND_CALL ? CALL_HOST : reduce_kind(p, n);
  }
}

static void place_anchor(Planner *p, NodeId n) {
  CallKind k = anchor_kind(p, n);
  join(p, new_cluster(p, k, n, n), n);
}

static void order_assigns(Planner *p) {
  const Graph *g = p->g;
  for (int i = 0; i < g->roots.n; i++) {
    const Root *r = &g->roots.data[i];
    if (r->slot < 0) continue;
    int a = p->info[see_through(g, r->value)].cluster;
    for (int c = 0; c < p->clusters.n; c++)
      for (int k = 0; c != a && k < p->clusters.data[c].reads.n; k++) {
        if (p->clusters.data[c].reads.data[k] != r->slot) continue;
        if (!after(p, c, a)) add_dep(p, a, c);
        else p->again = p->copy_slot[r->slot] = true;             // read after its update: the update must wait
      }
  }
}

static void mark_read(Planner *p, NodeId reader, NodeId n) {      // by `reader`: what n is computed from
  const Graph *g = p->g;
  for (int i = 0; i < node(g, n)->n_in; i++) {
    NodeId x = see_through(g, node_in(g, n, i));
    int c = p->info[x].cluster;
    if (p->info[x].told) mark_read(p, reader, x);
    else if (c >= 0 && (c != p->info[reader].cluster || wants_stored(g, reader))) p->info[x].stored = true;
  }
}

// What other clusters, pieces or roots read is stored.
static void mark_stored(Planner *p) {
  for (NodeId id = 1; id < (NodeId)p->g->nodes.n; id++)
    if (p->info[id].live && !is_unit_move(p->g, id) && !p->info[id].told) mark_read(p, id, id);
}

void fuse(Planner *p) {
  const Graph *g = p->g;
  p->reach_words = g->nodes.n / 64 + 1;
  p->reach = NEW_ARRAY(p->s->arena, uint64_t, (size_t)p->reach_words * (size_t)(g->nodes.n + 1));
  for (int i = 0; i < g->nodes.n; i++) p->info[i].cluster = -1;
  count_users(p);
  mark_prologues(p);
  bool *free_node = NEW_ARRAY(p->s->arena, bool, g->nodes.n);
  for (NodeId id = 1; id < (NodeId)g->nodes.n; id++) {
    int cost = 0;
    free_node[id] = p->info[id].live && is_pointwise(g, id) && !p->info[id].prologue && is_free(p, id, &cost);
  }
  store_free(p, free_node);
  mark_told(p);
  for (NodeId id = 1; id < (NodeId)g->nodes.n; id++) {
    if (!p->info[id].live || is_leaf(g, id) || is_view(g, id) || node(g, id)->op == OP_CONCAT || p->info[id].prologue || p->info[id].told)
      continue;
    if (free_node[id]) {
      if (p->info[id].stored || p->info[id].root) place_free(p, id);
    } else if (waits(p, id)) p->info[id].waits = true;
    else if (is_pointwise(g, id)) place_pointwise(p, id);
    else place_anchor(p, id);
  }
  order_assigns(p);
  mark_stored(p);
}
