// phase.c: T of every cluster. T(c) = max over what it reads of T + (aligned ? 0 : 1): aligned is a cluster over rows that
// reads, row by row, a cluster over rows. Then clusters over rows sink to the latest T that their readers allow, so that
// forward and dX become one phase over rows; results that nobody in the program reads (loss sums) wait for the last T, so
// that they hold up nothing.
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

static void sink(Planner *p) {
  enum { NOBODY = INT32_MAX };
  int last = 0;
  for (int c = 0; c < p->clusters.n; c++)
    if (p->clusters.data[c].phase > last) last = p->clusters.data[c].phase;
  int *limit = NEW_ARRAY(p->s->arena, int, p->clusters.n + 1);
  for (bool moved = true; moved;) {
    moved = false;
    for (int c = 0; c < p->clusters.n; c++) limit[c] = NOBODY;
    for (int c = 0; c < p->clusters.n; c++) {
      const Cluster *x = &p->clusters.data[c];
      for (int i = 0; i < x->deps.n; i++) {
        int d = x->deps.data[i], latest = x->phase - step(x, &p->clusters.data[d]);
        if (latest < limit[d]) limit[d] = latest;
      }
    }
    for (int c = 0; c < p->clusters.n; c++) {
      Cluster *x = &p->clusters.data[c];
      int to = limit[c] != NOBODY ? (x->rows ? limit[c] : x->phase) : x->rows ? x->phase : last;
      if (to > x->phase) x->phase = to, moved = true;
    }
  }
}

void phases(Planner *p) {
  rise(p);
  sink(p);
}
