// distinct.c: what push.c asks of tables whose ids repeat within a batch. The batch's distinct ids are found once, the table's rows of these are a
// small table R of their own, and which of them an id of the batch is, is its number:
//   E[c] = R[number],  R = E[distinct],  so E[c] · W = (R W)[number]
// with a product for each distinct id where there was one for each row or item. All gathers of E by these ids read R, so that the gradients
// meet there: S = Σ dy by number, dW = Rᵀ S, dR = S Wᵀ + …, and dE is dR at the distinct ids: the rows that a lazy table is updated by. How
// many distinct ids there are is known at run time alone (AXIS_NAMED); a full batch's number is expected from how often the training rows have
// each id, and where that is not known, as if the v-th most frequent id came with a probability of 1/v (Zipf's law).
#include "graph_int.h"

// ---------------------------------------------------------------- how many there will be
// 1 − e^−x to 2 %, by arithmetic that is the same on any machine: an id that is expected x times is there.
static double is_seen(double x) { return x > 64 ? 1 : 1 - 1 / (1 + x + x * x / 2 + x * x * x / 6); }

// Σ over ranks 1 … v of f(scale / rank), in steps that grow with the rank.
static double sum_over_ranks(double v, double scale, double (*f)(double)) {
  enum { EXACT = 64 };
  double sum = 0;
  for (double at = 1, step = 1; at <= v; at += step) {
    step = at < EXACT ? 1 : (double)(int64_t)(at / EXACT);
    double n = at + step > v + 1 ? v + 1 - at : step;
    sum += n * f(scale / (at + (n - 1) / 2));
  }
  return sum;
}

static double as_it_is(double x) { return x; }

static const Vocabulary *counted(const Graph *g, NodeId ids) {
  int64_t column = node(g, ids)->attr.i[0];
  const Vocabulary *v = g->known_ids && column < g->known_ids->n ? g->known_ids->of[column] : NULL;
  return v && v->counts && g->known_ids->rows > 0 ? v : NULL;
}

// 1 − (1 − share)^count: a batch has that share of the rows, and one of those `count` is among them.
static double is_drawn(double share, int64_t count) {
  double none = 1;
  for (double q = 1 - share; count > 0; count /= 2, q *= q)
    if (count & 1) none *= q;
  return 1 - none;
}

// Of lists, the items that a row has at most count as a part of all that are in the data.
static double expected_by_counts(const Vocabulary *v, double rows, double of_rows, double most_a_row) {
  double all = 0, sum = 0;
  for (int64_t i = 0; i < v->n; i++) all += (double)v->counts[i];
  double a_row = all / of_rows, share = rows < of_rows ? rows / of_rows : 1;
  if (a_row > most_a_row) share *= most_a_row / a_row;
  for (int64_t i = 0; i < v->n; i++) sum += is_drawn(share, v->counts[i]);
  return a_row < most_a_row ? sum + is_seen(rows * (most_a_row - a_row)) : sum;      // what is no value of the vocabulary is id 0
}

static double expected_distinct(const Graph *g, NodeId ids, int64_t v) {
  const Vocabulary *known = counted(g, ids);
  double rows = (double)axis_size(g, AXIS_OF_ROWS), places = (double)most_places(g, ids), most = (double)most_distinct(g, &ids, 1, v);
  double n = known ? expected_by_counts(known, rows, (double)g->known_ids->rows, places / rows)
                   : sum_over_ranks((double)v, places / sum_over_ranks((double)v, 1, as_it_is), is_seen);
  return n < most ? n : most;
}

double expected_rows(const Graph *g, NodeId gather) {
  return expected_distinct(g, node_in(g, gather, 1), axis_size(g, node(g, node_in(g, gather, 0))->axis[0]));
}

// ---------------------------------------------------------------- which tables
// Rows of a table that somebody else reads, too, meet in a gradient of the whole table: cheap where it is no larger than a batch's ids.
static bool is_read_otherwise(const Graph *g, NodeId table, NodeId ids) {
  for (NodeId n = table + 1; n < (NodeId)g->nodes.n; n++)
    for (int i = 0; i < node(g, n)->n_in; i++)
      if (node_in(g, n, i) == table && !(node(g, n)->op == OP_GATHER && i == 0 && node_in(g, n, 1) == ids)) return true;
  return false;
}

static bool fits(const Graph *g, NodeId gather) {
  if (node(g, gather)->op != OP_GATHER) return false;
  NodeId table = node_in(g, gather, 0), ids = node_in(g, gather, 1);
  const Node *t = node(g, table);
  if (t->op != OP_READ || t->rank != 2 || node(g, ids)->op != OP_IDS || axis_size(g, t->axis[0]) < 2 || axis_size(g, t->axis[1]) < 1) return false;
  return !g->slots.data[t->attr.i[0]].frozen;                        // a frozen one's values may be kept: keep.c
}

// Per column of the products, forward and backward together, in multiply-adds: 3 · places · d as it stands, and 3 · distinct · d with, for each
// place, what it costs to read one row and to sum its gradient, and to find the id once for all columns: of a lazy table it is found anyway.
bool pays_distinct(const Graph *g, NodeId gather, double columns, const DistinctRule *rule) {
  if (!rule || !fits(g, gather)) return false;
  NodeId table = node_in(g, gather, 0), ids = node_in(g, gather, 1);
  const Slot *s = &g->slots.data[node(g, table)->attr.i[0]];
  double v = (double)axis_size(g, node(g, table)->axis[0]), d = (double)axis_size(g, node(g, table)->axis[1]);
  double places = (double)most_places(g, ids), distinct = expected_rows(g, gather);
  double bytes = distinct * columns * (g->dtype == F64 ? 8 : 4), row = rule->row * (bytes > 8e6 ? 4 : bytes > 2e6 ? 2 : 1);
  if (!rule->always && 3 * places * d <= 3 * distinct * d + row * places + (s->lazy ? 0 : rule->id * places / columns)) return false;
  return !is_read_otherwise(g, table, ids) || (!s->lazy && v <= places);
}

// ---------------------------------------------------------------- what stands for them
static NodeId distinct_of(Distincts *x, Graph *t, NodeId ids, int64_t v, const Graph *g, NodeId gather) {
  for (int i = 0; i < x->by_ids.n; i++)
    if (x->by_ids.data[i].ids == ids && node(t, x->by_ids.data[i].distinct)->attr.i[1] == v) return x->by_ids.data[i].distinct;
  vec_push(t->arena, &x->by_ids, ((DistinctIds){ ids, g_distinct(t, ids, v, expected_rows(g, gather)) }));
  return x->by_ids.data[x->by_ids.n - 1].distinct;
}

DistinctRows distinct_rows(Distincts *x, Graph *t, const NodeId *now, const Graph *g, NodeId gather) {
  NodeId table = now[node_in(g, gather, 0)], ids = now[node_in(g, gather, 1)];
  DistinctRows r = { .ids = distinct_of(x, t, ids, axis_size(t, node(t, table)->axis[0]), g, gather) };
  r.rows = g_gather(t, table, r.ids);
  r.number = g_number(t, r.ids);
  return r;
}
