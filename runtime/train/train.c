// train.c: epochs of batches, evaluation after each, early stopping, the best epoch's weights, the report.
#include <math.h>
#include "train_int.h"

enum { CHECK_EVERY = 64, MAX_STEP_SAMPLES = 1 << 16 };

// ---------------------------------------------------------------- evaluation
double invert_label(const DataLabel *l, const Affine *f, double v) {
  if (l->kind != LABEL_REAL) return v;
  v = v / f->factor + f->shift;
  if (l->prep.map == MAP_LOG1P) return expm1(v);
  return l->prep.map == MAP_SQRT ? v * v : v;
}

Predictions *predict_rows(Engine *e, ProgramId prog, const DataPlan *dp, const TrainPlan *tp, const PrepState *prep, const Rows *r, Arena *a) {
  Predictions *p = NEW(a, Predictions);
  int n_values = tp->n_tasks + tp->n_outputs;
  p->n = r->n;
  p->values = NEW_ARRAY(a, float *, n_values + 1);
  p->sum = NEW_ARRAY(a, double, tp->n_tasks + 1);
  p->weight = NEW_ARRAY(a, double, tp->n_tasks + 1);
  for (int i = 0; i < n_values; i++)
    p->values[i] = NEW_ARRAY(a, float, r->n * (i < tp->n_tasks ? tp->tasks[i].width : tp->outputs[i - tp->n_tasks].width) + 1);
  for (int64_t first = 0; first < r->n; first += e->plan->capacity) {
    int64_t n = r->n - first < e->plan->capacity ? r->n - first : e->plan->capacity;
    engine_batch(e, dp, r, NULL, first, n);
    engine_run(e, prog, n, 0);
    for (int i = 0; i < n_values; i++) {
      bool task = i < tp->n_tasks;
      int width = task ? tp->tasks[i].width : tp->outputs[i - tp->n_tasks].width;
      int buffer = task ? tp->tasks[i].head : tp->outputs[i - tp->n_tasks].buffer;
      int label = task ? tp->tasks[i].label : -1;
      for (int64_t k = 0; k < n * width; k++) {
        double v = engine_out(e, buffer, k / width, k % width);
        p->values[i][first * width + k] = (float)(label >= 0 ? invert_label(&dp->labels[label], &prep->label[label], v) : v);
      }
    }
    for (int i = 0; prog == PROG_EVAL && i < tp->n_tasks; i++) {
      p->sum[i] += engine_out(e, tp->tasks[i].sum, 0, 0);
      p->weight[i] += engine_out(e, tp->tasks[i].weight_sum, 0, 0);
    }
  }
  return p;
}

void task_metrics(const DataPlan *dp, const TrainPlan *tp, const PrepState *prep, const Rows *r, const Predictions *p, double **metric, double *loss) {
  float *y = xmalloc(sizeof *y * (size_t)(r->n + 1));
  for (int i = 0; i < tp->n_tasks; i++) {
    const PlanTask *t = &tp->tasks[i];
    for (int64_t k = 0; k < r->n; k++) y[k] = (float)invert_label(&dp->labels[t->label], &prep->label[t->label], r->y[t->label * r->n + k]);
    for (int k = 0; k < t->n_metrics; k++)
      metric[i][k] = metric_value(t->metrics[k].kind, t->metrics[k].at, y, r->w + t->label * r->n, p->values[i], r->n, t->width);
    loss[i] = p->weight[i] > 0 ? p->sum[i] / p->weight[i] : 0;
  }
  free(y);
}

static double **new_metrics(const TrainPlan *tp, Arena *a) {
  double **m = NEW_ARRAY(a, double *, tp->n_tasks + 1);
  for (int i = 0; i < tp->n_tasks; i++) m[i] = NEW_ARRAY(a, double, tp->tasks[i].n_metrics + 1);
  return m;
}

double figure_value(const TrainPlan *tp, const Figure *f, const double *task_loss, double **metric) {
  double v = 0;
  for (int i = 0; i < f->n_terms; i++) {
    const FigureTerm *t = &f->terms[i];
    if (!t->is_loss) v += t->factor * metric[t->task][t->metric];
    else if (t->task >= 0) v += t->factor * task_loss[t->task];
    else
      for (int k = 0; k < tp->n_tasks; k++) v += t->factor * tp->tasks[k].weight * task_loss[k];
  }
  return v;
}

static Predictions *evaluate(Training *t, int split, double **metric, double *loss) {
  const Rows *r = &t->data->split[split];
  Predictions *p = predict_rows(t->e, PROG_EVAL, t->dp, t->tp, &t->data->prep, r, t->a);
  task_metrics(t->dp, t->tp, &t->data->prep, r, p, metric, loss);
  return p;
}

// ---------------------------------------------------------------- steps
void epoch_order(Training *t) {
  int64_t n = t->data->split[0].n;
  if (t->tp->shuffle) shuffle_epoch(t->tp->seed, t->host.epoch, n, t->order);
  else
    for (int64_t i = 0; i < n; i++) t->order[i] = i;
}

static int64_t batches(const Training *t) { return (t->data->split[0].n + t->tp->batch - 1) / t->tp->batch; }

void train_batch(Training *t, int64_t batch) {
  int64_t n = t->data->split[0].n, first = batch * t->tp->batch, size = n - first < t->tp->batch ? n - first : t->tp->batch;
  engine_batch(t->e, t->dp, &t->data->split[0], t->order, first, size);
  double start = monotonic_seconds();
  engine_run(t->e, PROG_TRAIN, size, t->tp->learning_rate);
  double took = monotonic_seconds() - start;
  if (size == t->tp->batch || batches(t) == 1)
    if (t->step_seconds.n < MAX_STEP_SAMPLES) vec_push(t->a, &t->step_seconds, took);
  for (int i = 0; i < t->tp->n_tasks; i++) {
    t->host.sum[i] += engine_out(t->e, t->tp->tasks[i].sum, 0, 0);
    t->host.weight[i] += engine_out(t->e, t->tp->tasks[i].weight_sum, 0, 0);
  }
}

static bool sums_finite(const Training *t) {
  for (int i = 0; i < t->tp->n_tasks; i++)
    if (!isfinite(t->host.sum[i])) return false;
  return true;
}

void mark_good(Training *t) {
  memcpy(t->good, t->e->slots, (size_t)t->e->plan->slot_bytes);
  t->good_epoch = t->host.epoch, t->good_batch = t->host.batch, t->good_step = t->e->step;
  memcpy(t->good_sum, t->host.sum, sizeof(double) * (size_t)t->tp->n_tasks);
  memcpy(t->good_weight, t->host.weight, sizeof(double) * (size_t)t->tp->n_tasks);
}

static void show_progress(Training *t, double *loss) {
  double now = monotonic_seconds();
  if (!t->h->progress || now - t->last_progress < 0.05) return;
  t->last_progress = now;
  const char **names = NEW_ARRAY(t->a, const char *, t->tp->n_tasks + 1);
  double total = 0;
  for (int i = 0; i < t->tp->n_tasks; i++) {
    names[i] = t->tp->tasks[i].name;
    loss[i] = t->host.weight[i] > 0 ? t->host.sum[i] / t->host.weight[i] : 0;
    total += t->tp->tasks[i].weight * loss[i];
  }
  double s = now - t->epoch_start;
  Progress p = { t->host.epoch + 1, t->tp->epochs, t->host.batch, batches(t), s, s > 0 ? (double)(t->host.batch * t->tp->batch) / s : 0, 0, total, loss,
                 names, t->tp->n_tasks };
  t->h->progress(t->h->ctx, &p);
}

typedef enum { EPOCH_DONE, EPOCH_STOPPED, EPOCH_BROKEN } EpochEnd;

static EpochEnd run_epoch(Training *t) {
  double *loss = NEW_ARRAY(t->a, double, t->tp->n_tasks + 1);
  epoch_order(t);
  t->epoch_start = monotonic_seconds();
  for (int64_t n = batches(t); t->host.batch < n;) {
    train_batch(t, t->host.batch++);
    bool check = t->host.batch % CHECK_EVERY == 0 || t->host.batch == n;
    int slot;
    if (!sums_finite(t) || (check && !slots_finite(t->e, &slot))) return EPOCH_BROKEN;
    if (check) mark_good(t);
    show_progress(t, loss);
    if (t->h->stop && *t->h->stop) return EPOCH_STOPPED;
  }
  t->loop_seconds += monotonic_seconds() - t->epoch_start;
  t->rows_done += t->data->split[0].n;
  return EPOCH_DONE;
}

// ---------------------------------------------------------------- after an epoch
static void report_epoch_end(Training *t) {
  const TrainPlan *tp = t->tp;
  EpochReport r = { .epoch = t->host.epoch + 1, .seconds = monotonic_seconds() - t->epoch_start, .task_loss = NEW_ARRAY(t->a, double, tp->n_tasks + 1) };
  for (int i = 0; i < tp->n_tasks; i++) {
    r.task_loss[i] = t->host.weight[i] > 0 ? t->host.sum[i] / t->host.weight[i] : 0;
    r.loss += tp->tasks[i].weight * r.task_loss[i];
  }
  if (t->data->split[1].n) {
    r.valid_loss = NEW_ARRAY(t->a, double, tp->n_tasks + 1);
    r.valid_metric = new_metrics(tp, t->a);
    evaluate(t, 1, r.valid_metric, r.valid_loss);
  }
  vec_push(t->a, &t->reports, r);
}

// Keeps the best epoch's slots; true: patience is over.
static bool judge(Training *t) {
  const TrainPlan *tp = t->tp;
  EpochReport *r = &t->reports.data[t->reports.n - 1];
  const Figure *f = tp->best.n_terms ? &tp->best : &tp->stop;
  if (!f->n_terms || !r->valid_loss) {
    t->host.best_epoch = r->epoch;
    return false;
  }
  double v = figure_value(tp, f, r->valid_loss, r->valid_metric);
  r->stop_figure = v;
  bool better = !t->host.has_best || (f->minimise ? v < t->host.best_figure : v > t->host.best_figure);
  if (better) {
    t->host.has_best = true, t->host.best_figure = v, t->host.best_epoch = r->epoch, t->host.waited = 0;
    memcpy(t->host.best_slots, t->e->slots, (size_t)t->e->plan->slot_bytes);
  } else t->host.waited++;
  return tp->patience > 0 && t->host.waited >= tp->patience;
}

// ---------------------------------------------------------------- the report
static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static bool holds(int op, double v, double bound) {
  switch (op) {
  case RX_LT: return v < bound;
  case RX_LE: return v <= bound;
  case RX_GT: return v > bound;
  case RX_EQ: return v == bound;
  case RX_NE: return v != bound;
  default: return v >= bound;
  }
}

static void judge_requires(Training *t, TrainReport *r, const Predictions *p) {
  const TrainPlan *tp = t->tp;
  r->require_value = NEW_ARRAY(t->a, double, tp->n_requires + 1);
  r->require_met = NEW_ARRAY(t->a, bool, tp->n_requires + 1);
  for (int i = 0; p && i < tp->n_requires; i++) {
    const Require *q = &tp->requires[i];
    if (q->metric >= 0) {
      r->require_value[i] = r->test_metric[q->task][q->metric];
      r->require_met[i] = holds(q->op, r->require_value[i], q->bound);
      continue;
    }
    double broken = 0;                                    // always(task op other): rows where it does not hold
    for (int64_t k = 0; k < p->n; k++) broken += !holds(q->op, p->values[q->task][k], p->values[q->other_task][k]);
    r->require_value[i] = broken;
    r->require_met[i] = broken == 0;
  }
}

static TrainReport *finish(Training *t, bool interrupted) {
  TrainReport *r = NEW(t->a, TrainReport);
  const Predictions *p = NULL;
  r->epochs = t->reports.data, r->n_epochs = t->reports.n;
  r->best_epoch = t->host.best_epoch;
  r->interrupted = interrupted;
  r->held_out = t->data->split[2].n ? 2 : t->data->split[1].n ? 1 : -1;
  if (!interrupted && t->host.has_best) memcpy(t->e->slots, t->host.best_slots, (size_t)t->e->plan->slot_bytes);
  if (!interrupted && r->held_out > 0) {
    r->test_metric = new_metrics(t->tp, t->a);
    r->test_loss = NEW_ARRAY(t->a, double, t->tp->n_tasks + 1);
    p = evaluate(t, r->held_out, r->test_metric, r->test_loss);
  }
  judge_requires(t, r, p);
  if (t->step_seconds.n) {
    qsort(t->step_seconds.data, (size_t)t->step_seconds.n, sizeof(double), by_value);
    r->step_us = 1e6 * t->step_seconds.data[t->step_seconds.n / 2];
  }
  r->rows_per_s = t->loop_seconds > 0 ? (double)t->rows_done / t->loop_seconds : 0;
  return r;
}

static void start(Training *t) {
  size_t slots = (size_t)t->e->plan->slot_bytes;
  t->host.sum = NEW_ARRAY(t->a, double, t->tp->n_tasks + 1);
  t->host.weight = NEW_ARRAY(t->a, double, t->tp->n_tasks + 1);
  t->good_sum = NEW_ARRAY(t->a, double, t->tp->n_tasks + 1);
  t->good_weight = NEW_ARRAY(t->a, double, t->tp->n_tasks + 1);
  t->order = xmalloc(sizeof(int64_t) * (size_t)(t->data->split[0].n + 1));
  t->host.best_slots = xcalloc(1, slots + 1);
  t->good = xcalloc(1, slots + 1);
}

static void stop(Training *t) {
  free(t->order);
  free(t->host.best_slots);
  free(t->good);
}

TrainReport *train(Engine *e, const DataPlan *dp, const TrainPlan *tp, Dataset *data, const TrainHooks *h, Arena *a, Diag *d) {
  Training t = { .e = e, .dp = dp, .tp = tp, .data = data, .h = h, .a = a, .d = d };
  TrainReport *report = NULL;
  start(&t);
  bool ok = !h->resume || checkpoint_load(&t), interrupted = false, done = false;
  mark_good(&t);
  while (ok && !interrupted && !done && t.host.epoch < tp->epochs) {
    EpochEnd end = run_epoch(&t);
    if (end == EPOCH_BROKEN) {
      report_not_finite(&t);
      ok = false;
    } else if (end == EPOCH_STOPPED) interrupted = true;
    else {
      report_epoch_end(&t);
      done = judge(&t);
      if (h->epoch) h->epoch(h->ctx, &t.reports.data[t.reports.n - 1]);
      t.host.epoch++, t.host.batch = 0;
      memset(t.host.sum, 0, sizeof(double) * (size_t)tp->n_tasks);
      memset(t.host.weight, 0, sizeof(double) * (size_t)tp->n_tasks);
      mark_good(&t);
    }
  }
  if (ok && interrupted) ok = checkpoint_save(&t);
  if (ok) report = finish(&t, interrupted);
  stop(&t);
  return report;
}
