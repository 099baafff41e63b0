// check_lazy.c: which parameters are tables, that `lazy` is of; warnings where it does nothing, or where the step of a table costs what the
// whole table costs (graph/optim.c, plan/rows.c).
#include "model_int.h"

static bool is_table(const Graph *g, int slot) {
  for (NodeId n = 1; n < (NodeId)g->nodes.n; n++)
    if (node(g, n)->op == OP_GATHER && node_in(g, n, 0) == g->slots.data[slot].read) return true;
  return false;
}

// `lazy` is of tables: what is read whole has a gradient everywhere in every step.
void settle_lazy(Build *b) {
  for (int i = 0; i < b->g->slots.n; i++) b->g->slots.data[i].lazy = b->g->slots.data[i].lazy && is_table(b->g, i);
}

static void no_tables(Build *b) {
  for (int i = 0; i < b->m->n_bindings; i++) {
    const Binding *x = &b->m->bindings[i];
    bool table = !x->lazy;
    for (int k = 0; !table && k < b->g->slots.n; k++) table = b->g->slots.data[k].lazy && path_under(b->g->slots.data[k].path, x->name);
    if (table) continue;
    diag_warn(b->d, "no-table", x->decl->names[0].at, "`lazy` changes nothing in `%s`: it has no table of its own", x->name);
    diag_help(b->d, "it stands where the table is made: `let rows = embed(user, 16) { lazy = true }`");
  }
}

// Nodes that a gradient of the loss comes to.
static const bool *moved_nodes(Build *b) {
  const Graph *g = b->g;
  bool *moved = NEW_ARRAY(b->a, bool, g->nodes.n + 1);
  if (g->loss) moved[g->loss] = true;
  for (NodeId n = g->loss; n >= 1; n--)
    for (int i = 0; moved[n] && node(g, n)->op != OP_STOP && i < node(g, n)->n_in; i++) moved[node_in(g, n, i)] = true;
  return moved;
}

// What reads a table by something else than ids of its rows: it has a gradient in all rows. 0: nothing.
static NodeId read_whole(const Graph *g, const Slot *table, const bool *moved) {
  for (NodeId n = 1; n < (NodeId)g->nodes.n; n++)
    for (int i = 0; moved[n] && node(g, n)->op != OP_STOP && i < node(g, n)->n_in; i++)
      if (node_in(g, n, i) == table->read && !(node(g, n)->op == OP_GATHER && i == 0)) return n;
  return 0;
}

// How many inputs name rows of it.
static int inputs_of(const Graph *g, const Slot *table, const bool *moved) {
  int n = 0;
  for (NodeId k = 1; k < (NodeId)g->nodes.n; k++) n += moved[k] && node(g, k)->op == OP_GATHER && node_in(g, k, 0) == table->read;
  return n;
}

static bool wants_norm(const Build *b, const Slot *table) {
  const Optim *o = table->rule.optimizer ? table->rule.optimizer : &b->m->optimizer.of;
  return !strcmp(optim_rows[o->row].name, "lamb");
}

// One warning for all tables.
static void costs_norm(Build *b, const Slot *first, int others) {
  const char *more = others ? arena_printf(b->a, ", and of %d more", others) : "";
  diag_warn(b->d, "lazy-whole", first->at, "a step of the lazy table `%s`%s costs what the whole table costs: `lamb` takes its norm", first->path,
            more);
  diag_help(b->d, "give the table an optimizer of its own: `{ lazy = true, optimizer = adam(…) }`");
}

static void whole_tables(Build *b) {
  const Slot *normed = NULL;
  int n_normed = 0;
  const bool *moved = moved_nodes(b);
  for (int i = 0; i < b->g->slots.n; i++) {
    const Slot *s = &b->g->slots.data[i];
    if (!s->lazy || s->frozen) continue;
    NodeId whole = read_whole(b->g, s, moved);
    int inputs = inputs_of(b->g, s, moved);
    if (inputs > SORT_SOURCES) {
      diag_warn(b->d, "lazy-whole", s->at, "`lazy` changes nothing in the table `%s`: %d inputs name its rows, and it is lazy for %d at most", s->path,
                inputs, SORT_SOURCES);
    } else if (whole) {
      diag_warn(b->d, "lazy-whole", s->at, "`lazy` changes nothing in the table `%s`: a value reads it whole, so that all rows are updated", s->path);
      diag_note(b->d, node(b->g, whole)->at, "this value");
    } else if (wants_norm(b, s)) normed = n_normed++ ? normed : s;
  }
  if (normed) costs_norm(b, normed, n_normed - 1);
}

void check_lazy(Build *b) {
  no_tables(b);
  whole_tables(b);
}
