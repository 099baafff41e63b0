// phase.c: T of every cluster. T(c) = max over what it reads of T + (aligned ? 0 : 1): aligned is a cluster over rows that
// reads, row by row, a cluster over rows. Then clusters wait where that joins phases: one over rows for the first of its
// readers over rows, so that forward and dX become one phase over rows, or else for a T at which something runs over rows
// in any case; results that nobody in the program reads (loss sums) for the last T, so that they hold up nothing.
#include "plan_int.h"

static int step(const Cluster *reader, const Cluster *read) { return reader->rows && read->rows ? 0 : 1; }

static void rise(Planner *p) {
  for (bool moved = true; moved;) {
    moved = false;
    for (int c = 0; c < p->clusters.n; c++) {
      Cluster *x = &p->clusters.data[c];
      int t = 0;
      for (int i = 0; i < x->deps.n; i++) {
        const Cluster *d = &p->clusters.data[x->deps.data[i]];
        int after = d->phase + step(x, d);
        if (after > t) t = after;
      }
      if (t > x->phase) x->phase = t, moved = true;
    }
  }
}

// What the readers of each cluster allow. A cluster over rows that nobody reads may run at the last T.
typedef struct { int latest; bool by_rows; } Limit;              // by_rows: one over rows asks for it

static void limits(const Planner *p, int last, Limit *l) {
  for (int c = 0; c < p->clusters.n; c++) l[c] = (Limit){ last, false };
  for (int c = 0; c < p->clusters.n; c++) {
    const Cluster *x = &p->clusters.data[c];
    for (int i = 0; i < x->deps.n; i++) {
      int d = x->deps.data[i], latest = x->phase - step(x, &p->clusters.data[d]);
      if (latest < l[d].latest) l[d] = (Limit){ latest, x->rows };
      else if (latest == l[d].latest) l[d].by_rows |= x->rows;
    }
  }
}

// T at which something runs over rows that can run at no other: found by letting all wait as long as they can.
static void busy_phases(Planner *p, int last, Limit *l, bool *busy) {
  int *early = NEW_ARRAY(p->s->arena, int, p->clusters.n + 1);
  for (int c = 0; c < p->clusters.n; c++) early[c] = p->clusters.data[c].phase;
  for (bool moved = true; moved;) {
    moved = false;
    limits(p, last, l);
    for (int c = 0; c < p->clusters.n; c++) {
      Cluster *x = &p->clusters.data[c];
      if (x->rows && l[c].latest > x->phase) x->phase = l[c].latest, moved = true;
    }
  }
  for (int c = 0; c < p->clusters.n; c++) {
    if (p->clusters.data[c].rows && p->clusters.data[c].phase == early[c]) busy[early[c]] = true;
    p->clusters.data[c].phase = early[c];
  }
}

static bool sink_once(Planner *p, int last, Limit *l, const bool *busy) {
  bool moved = false;
  limits(p, last, l);
  for (int c = 0; c < p->clusters.n; c++) {
    Cluster *x = &p->clusters.data[c];
    int to = x->phase;
    if (!x->rows) continue;
    if (l[c].by_rows) to = l[c].latest;
    else while (to <= l[c].latest && !busy[to]) to++;
    if (to > x->phase && to <= l[c].latest) x->phase = to, moved = true;
  }
  return moved;
}

static void unread_last(Planner *p, int last) {
  bool *read = NEW_ARRAY(p->s->arena, bool, p->clusters.n + 1);
  for (int c = 0; c < p->clusters.n; c++)
    for (int i = 0; i < p->clusters.data[c].deps.n; i++) read[p->clusters.data[c].deps.data[i]] = true;
  for (int c = 0; c < p->clusters.n; c++)
    if (!read[c] && !p->clusters.data[c].rows) p->clusters.data[c].phase = last;
}

// What is computed from slots and constants alone, where the program changes no slot.
static void mark_of_slots(Planner *p) {
  const Graph *g = p->g;
  for (int i = 0; i < g->roots.n; i++)
    if (g->roots.data[i].slot >= 0) return;
  bool *same = NEW_ARRAY(p->s->arena, bool, g->nodes.n);             // for every batch
  for (NodeId id = 1; id < (NodeId)g->nodes.n; id++) {
    OpId op = node(g, id)->op;
    same[id] = !has_rows(g, id) && (!is_leaf(g, id) || op == OP_READ || op == OP_CONST || op == OP_TRAINING || op == OP_IOTA);
    for (int i = 0; i < node(g, id)->n_in; i++) same[id] &= same[node_in(g, id, i)];
  }
  for (int c = 0; c < p->clusters.n; c++) {
    Cluster *x = &p->clusters.data[c];
    x->of_slots = x->kind != CALL_HOST && (!x->anchor || same[x->anchor]);
    for (int i = 0; i < x->nodes.n; i++) x->of_slots &= same[x->nodes.data[i]];
  }
  for (bool moved = true; moved;) {                                  // nor may it read a value that is made beside another
    moved = false;
    for (int c = 0; c < p->clusters.n; c++) {
      Cluster *x = &p->clusters.data[c];
      for (int i = 0; i < x->deps.n && x->of_slots; i++)
        if (!p->clusters.data[x->deps.data[i]].of_slots) x->of_slots = false, moved = true;
    }
  }
}

void phases(Planner *p) {
  mark_of_slots(p);
  rise(p);
  int last = 0;
  for (int c = 0; c < p->clusters.n; c++)
    if (p->clusters.data[c].phase > last) last = p->clusters.data[c].phase;
  unread_last(p, last);
  Limit *l = NEW_ARRAY(p->s->arena, Limit, p->clusters.n + 1);
  bool *busy = NEW_ARRAY(p->s->arena, bool, last + 2);
  busy_phases(p, last, l, busy);
  while (sink_once(p, last, l, busy)) {}
}
