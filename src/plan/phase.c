// phase.c: T of every cluster. T(c) = max over what it reads of T + (aligned ? 0 : 1): aligned is a cluster over rows that
// reads, row by row, a cluster over rows. Then clusters wait where that joins phases: one over rows for the first of its
// readers over rows, so that forward and dX become one phase over rows; results that nobody in the program reads (loss
// sums) for the last T, so that they hold up nothing.
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

enum { NOBODY = INT32_MAX };
typedef struct { int latest; bool by_rows; } Limit;              // T that the readers allow; does one over rows ask for it?

static void limits(const Planner *p, Limit *l) {
  for (int c = 0; c < p->clusters.n; c++) l[c] = (Limit){ NOBODY, false };
  for (int c = 0; c < p->clusters.n; c++) {
    const Cluster *x = &p->clusters.data[c];
    for (int i = 0; i < x->deps.n; i++) {
      int d = x->deps.data[i], latest = x->phase - step(x, &p->clusters.data[d]);
      if (latest < l[d].latest) l[d] = (Limit){ latest, x->rows };
      else if (latest == l[d].latest) l[d].by_rows |= x->rows;
    }
  }
}

// The first T from `from` on at which something runs over rows that cannot wait any longer; −1: none up to `latest`.
static int rows_at(const Planner *p, const Limit *l, int from, int latest) {
  int first = -1;
  for (int c = 0; c < p->clusters.n; c++) {
    const Cluster *x = &p->clusters.data[c];
    bool fits = x->rows && x->phase >= from && x->phase <= latest && l[c].latest == x->phase;
    if (fits && (first < 0 || x->phase < first)) first = x->phase;
  }
  return first;
}

static bool sink_once(Planner *p, Limit *l, int last) {
  bool moved = false;
  limits(p, l);
  for (int c = 0; c < p->clusters.n; c++) {
    Cluster *x = &p->clusters.data[c];
    int to = -1;
    if (x->rows && l[c].latest != NOBODY) to = l[c].by_rows ? l[c].latest : rows_at(p, l, x->phase, l[c].latest);
    if (!x->rows && l[c].latest == NOBODY) to = last;
    if (to > x->phase) x->phase = to, moved = true;
  }
  return moved;
}

void phases(Planner *p) {
  rise(p);
  int last = 0;
  for (int c = 0; c < p->clusters.n; c++)
    if (p->clusters.data[c].phase > last) last = p->clusters.data[c].phase;
  Limit *l = NEW_ARRAY(p->s->arena, Limit, p->clusters.n + 1);
  while (sink_once(p, l, last)) {}
}
