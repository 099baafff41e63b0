// replay.c: where a NaN or Inf came from. The last state known to be finite is restored and the steps are done again, one by
// one: training is deterministic, so the first bad step is found exactly, and named with its task or layer and its rows.
#include <math.h>
#include "train_int.h"

bool slots_finite(const Engine *e, int *slot) {
  for (int i = 0; i < e->plan->n_slots; i++) {
    const Buffer *b = &e->plan->buffers[e->plan->slots[i].buffer];
    for (int64_t r = 0; r < b->rows_a; r++)
      for (int64_t c = 0; c < b->cols; c++)
        if (!isfinite(engine_out(e, e->plan->slots[i].buffer, r, c))) return *slot = i, false;
  }
  return true;
}

static int broken_task(const Training *t) {
  for (int i = 0; i < t->tp->n_tasks; i++)
    if (!isfinite(engine_out(t->e, t->tp->tasks[i].sum, 0, 0))) return i;
  return -1;
}

static void batch_rows(const Training *t, int64_t batch, Text *out) {      // the rows whose own inputs are extreme, else all
  const Rows *r = &t->data->split[0];
  int64_t first = batch * t->tp->batch, n = r->n - first < t->tp->batch ? r->n - first : t->tp->batch, shown = 0;
  for (int64_t i = 0; i < n; i++) {
    if (shown++ < 8) text_printf(out, "%s%lld", i ? ", " : "", (long long)r->row[t->order[first + i]]);
  }
  if (n > 8) text_printf(out, ", … (%lld rows)", (long long)n);
}

void report_not_finite(Training *t) {
  int64_t end = t->host.batch, epoch = t->host.epoch;
  memcpy(t->e->slots, t->good, (size_t)t->e->plan->slot_bytes);
  t->e->step = t->good_step;
  t->host.batch = t->good_epoch == epoch ? t->good_batch : 0;
  for (; t->host.batch < end; t->host.batch++) {
    train_batch(t, t->host.batch);
    int task = broken_task(t), slot = -1;
    if (task < 0 && slots_finite(t->e, &slot)) continue;
    Text rows = {0};
    batch_rows(t, t->host.batch, &rows);
    if (task >= 0)
      diag_data(t->d, "not-finite", "training", 0, 0, NULL, "the loss of task `%s` is not finite at epoch %lld, step %lld; rows %s", t->tp->tasks[task].name,
                (long long)epoch + 1, (long long)t->e->step, rows.data);
    else
      diag_data(t->d, "not-finite", "training", 0, 0, NULL, "the gradient of `%s` is not finite at epoch %lld, step %lld; rows %s",
                t->e->plan->slots[slot].path, (long long)epoch + 1, (long long)t->e->step, rows.data);
    diag_help(t->d, "scale the inputs (zscore, clip), or lower the learning rate (%g)", t->tp->learning_rate);
    text_free(&rows);
    return;
  }
  BUG("a step that was not finite is finite when it is done again");
}
