// weigh.c: task balancing beside a step: the second look at a batch's losses; mean weights of an epoch.
#include <math.h>
#include "../balance.h"
#include "train_int.h"

void look_again(Engine *e, const PlanBalance *b, int n_tasks, int64_t n, double lr) {
  double loss[BALANCE_TASKS], known[BALANCE_TASKS];
  if (!b->loss) return;
  engine_run(e, PROG_LOSSES, n, lr);
  for (int k = 0; k < n_tasks; k++) {
    loss[k] = engine_out(e, b->loss[k], 0, 0);
    known[k] = engine_out(e, b->known[k], 0, 0);
  }
  BalanceStep s = { .id = b->method, .n_tasks = n_tasks, .arg = b->arg, .loss = loss, .known = known, .lr = lr,
                    .epoch = e->epoch };
  balance_again(&s, e->buf[b->memory]);
}

void add_weights(Trainer *t) {
  const PlanBalance *b = &t->tp->balance;
  for (int k = 0; b->text && k < t->tp->n_tasks; k++) {
    if (engine_out(t->e, t->tp->tasks[k].weight_sum, 0, 0) == 0) continue;   // the batch does not know the task
    t->balance[k] += engine_out(t->e, b->weights, 0, k);
    t->balanced[k]++;
  }
}

double *mean_weights(const Trainer *t) {
  int n = t->tp->n_tasks;
  if (!t->tp->balance.text) return NULL;
  double *mean = NEW_ARRAY(t->arena, double, n + 1);
  for (int k = 0; k < n; k++) mean[k] = t->balanced[k] > 0 ? t->balance[k] / t->balanced[k] : NAN;
  return mean;
}
