// early_stop.c: figures after an epoch, and whether they still get better. The rule: strictly better than the best so far,
// by however little; training stops after `patience` epochs without a new best.
#include <math.h>
#include "train_int.h"

double figure_value(const Figure *f, const ValidFigures *v) {
  double sum = 0;
  for (int i = 0; i < f->n_terms; i++) {
    const FigureTerm *t = &f->terms[i];
    double x = !t->is_loss ? v->metric[t->task][t->metric] : t->task < 0 ? v->total : v->loss[t->task];
    sum += t->factor * x;
  }
  return sum;
}

bool watch_epoch(Watch *w, const Figure *f, double value, int64_t epoch) {
  bool better = !isnan(value) && (!w->epoch || (f->minimise ? value < w->best : value > w->best));
  if (better) *w = (Watch){ .best = value, .epoch = epoch };
  else w->bad++;
  return better;
}
