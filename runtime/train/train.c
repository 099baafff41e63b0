// train.c: the training loop: epochs of batches in a seeded order, evaluation after each epoch, early stopping, the best
// epoch's slots at the end. The state that decides the next bit is in the slots and the upper part of Trainer, and nowhere
// else.
#include <math.h>
#include "train_int.h"

static const double PROGRESS_S = 0.05;                       // least time between reports
static const double CHECKPOINT_S = 5, CHECKPOINT_TIMES = 20; // and between checkpoints: as many times what the last one took, if that is more
static const double DISK_BYTES_S = 500e6;                    // how fast the first is thought to be written
static const double SLOW_STEP_S = 1e-4;                      // the clock is read after each such step, else after 8

// ---------------------------------------------------------------- the median step
// Durations of steps, at most SAMPLES of them: when full, every other one goes, and half as many come in.
enum { SAMPLES = 4096 };
typedef struct { float took[SAMPLES]; int n; int64_t stride, count; } StepTimes;

static void add_time(StepTimes *s, double seconds) {
  if (s->count++ % s->stride) return;
  s->took[s->n++] = (float)seconds;
  if (s->n < SAMPLES) return;
  for (int i = 0; i < SAMPLES / 2; i++) s->took[i] = s->took[2 * i];
  s->n = SAMPLES / 2;
  s->stride *= 2;
}

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static double median(StepTimes *s) {
  if (s->n == 0) return 0;
  qsort(s->took, (size_t)s->n, sizeof *s->took, by_size);
  return s->took[s->n / 2];
}

// ---------------------------------------------------------------- one step
int64_t batch_first(const Trainer *t, int64_t batch) { return t->first ? t->first[batch] : batch * t->tp->batch; }

int64_t batch_rows(const Trainer *t, int64_t batch) {
  if (t->first) return t->first[batch + 1] - t->first[batch];
  int64_t left = t->rows->n - batch * t->tp->batch;
  return left < t->tp->batch ? left : t->tp->batch;
}

double rate_of(const Trainer *t, int64_t batch) {
  const TrainPlan *tp = t->tp;
  return scheduled_rate(&tp->schedule, tp->learning_rate, (t->epoch - 1) * t->n_batches + batch, t->n_batches, tp->epochs, t->falls);
}

void run_batch(Trainer *t, int64_t batch) {
  int64_t n = batch_rows(t, batch);
  double rate = rate_of(t, batch);
  t->e->epoch = t->epoch;
  engine_batch(t->e, t->dp, t->rows, t->order, batch_first(t, batch), n);
  if (t->kept) kept_rows_batch(t->kept, t->e, t->order, batch_first(t, batch), n);
  engine_run(t->e, PROG_TRAIN, n, rate);
  look_again(t->e, &t->tp->balance, t->tp->n_tasks, n, rate);
}

void tick(Trainer *t) {
  double now = monotonic_seconds(), passed = now - t->clock;
  t->clock = now;
  t->steps_since = 0;
  t->seconds += passed;
  t->total_seconds += passed;
}

static bool train_step(Trainer *t) {
  int64_t n = batch_rows(t, t->batch);
  run_batch(t, t->batch);
  t->batch++;
  for (int i = 0; i < t->tp->n_tasks; i++) {
    t->sum[i] += engine_out(t->e, t->tp->tasks[i].sum, 0, 0);
    t->weight[i] += engine_out(t->e, t->tp->tasks[i].weight_sum, 0, 0);
  }
  for (int i = 0; i < t->tp->n_terms; i++) t->term[i] += (double)n * engine_out(t->e, t->tp->terms[i].buffer, 0, 0);
  add_weights(t);
  t->total_rows += n;
  return guard_step(t);
}

static void mean_losses(const Trainer *t, double *loss) {
  for (int i = 0; i < t->tp->n_tasks; i++) loss[i] = t->weight[i] > 0 ? t->sum[i] / t->weight[i] : NAN;
}

static void show_progress(Trainer *t, const char *const *names) {
  int64_t rows = t->batch < t->n_batches ? batch_first(t, t->batch) : t->rows->n;
  mean_losses(t, t->task_loss);
  Progress p = { .epoch = t->epoch,
                 .epochs = t->tp->epochs,
                 .step = t->batch,
                 .steps = t->n_batches,
                 .seconds = t->total_seconds,
                 .rows_per_s = (double)rows / t->seconds,
                 .step_us = 1e6 * t->seconds / (double)t->batch,
                 .loss = total_loss(t->tp, t->task_loss),
                 .task_loss = t->task_loss,
                 .task = names,
                 .n_tasks = t->tp->n_tasks };
  t->hooks->progress(t->hooks->ctx, &p);
}

// ---------------------------------------------------------------- one epoch
typedef enum { GO_ON, INTERRUPTED, FAILED } Outcome;
typedef struct { StepTimes *times; const char *const *names; double first, shown; int64_t every; } Watcher;   // what only looks on

static void watch_step(Trainer *t, Watcher *w) {
  double before = t->clock;
  int64_t steps = ++t->steps_since;
  if (steps < w->every) return;
  tick(t);
  if (!w->first) w->first = t->clock;                        // the first step is looked at by itself: every is 1
  double took = (t->clock - before) / (double)steps;
  w->every = took > SLOW_STEP_S ? 1 : 8;
  add_time(w->times, took);
  if (!t->hooks->progress || t->clock - w->shown < PROGRESS_S) return;
  w->shown = t->clock;
  show_progress(t, w->names);
  tick(t);
}

// What a plateau's rate depends on: the validation losses so far.
static void count_falls(Trainer *t) {
  if (t->tp->schedule.kind != SCHEDULE_plateau) return;
  int n = (int)t->epoch - 1;
  double *loss = xmalloc(sizeof *loss * (size_t)(n + 1));
  for (int i = 0; i < n; i++) {
    const EpochReport *r = &t->reports.data[i];
    loss[i] = r->valid_loss ? total_loss(t->tp, r->valid_loss) : NAN;
  }
  t->falls = plateau_falls(loss, n, (int64_t)t->tp->schedule.arg[1]);
  free(loss);
}

// The epoch's order and, of groups, its batches. A pure function of seed and epoch.
static void order_rows(Trainer *t) {
  const Rows *r = t->rows;
  if (t->tp->shuffle) shuffle_epoch(t->tp->seed, t->epoch, r->n, t->order);
  if (!t->first) return;
  for (int64_t i = 0; !t->tp->shuffle && i < r->n; i++) t->order[i] = i;
  t->n_batches = group_batches(r->group + (t->tp->batch_by - 1) * r->n, r->n, t->tp->batch, t->order, t->first);
}

int64_t steps_before(Trainer *t) {
  int64_t epoch = t->epoch, steps = 0;
  if (!t->first) return __builtin_mul_overflow(epoch - 1, t->n_batches, &steps) ? -1 : steps;
  for (t->epoch = 1; t->epoch < epoch; t->epoch++) order_rows(t), steps += t->n_batches;
  order_rows(t);
  return steps;
}

void enter_epoch(Trainer *t) {
  count_falls(t);
  order_rows(t);
}

// Where it cannot be written, the training goes on: room for the result is there, and an earlier checkpoint stands. false: a slot is not finite.
static bool save_now_and_then(Trainer *t) {
  double begun = t->clock;
  if (!t->hooks->run_dir || begun - t->saved < fmax(CHECKPOINT_S, CHECKPOINT_TIMES * t->save_took)) return true;
  if (!guard_check(t)) return false;
  Diag *aside = diag_new(t->arena, NULL);
  bool fine = checkpoint_save(t, aside);
  if (!fine && !t->unsaved)
    diag_warn(t->diag, "no-checkpoint", (Place){0}, "in epoch %lld no checkpoint could be written, and the training went on: %s", (long long)t->epoch,
              diag_first_text(aside));
  tick(t);
  t->saved = t->clock;
  t->save_took = t->clock - begun;
  t->unsaved = !fine;
  return true;
}

static Outcome train_epoch(Trainer *t, Watcher *w) {
  enter_epoch(t);
  tick(t);
  while (t->batch < t->n_batches) {
    if (!train_step(t)) return FAILED;
    watch_step(t, w);
    if (t->hooks->stop && *t->hooks->stop) return guard_check(t) ? INTERRUPTED : FAILED;
    if (!save_now_and_then(t)) return FAILED;
  }
  return guard_check(t) ? GO_ON : FAILED;
}

// ---------------------------------------------------------------- after an epoch
static bool validate(Trainer *t, EpochReport *r) {
  const TrainPlan *tp = t->tp;
  const Rows *rows = &t->data->split[1];
  if (!t->valid) return true;
  r->valid_loss = NEW_ARRAY(t->arena, double, tp->n_tasks + 1);
  r->valid_metric = metric_table(tp, t->arena);
  predictions_fill(t->e, PROG_EVAL, t->dp, tp, &t->data->prep, rows, t->valid);
  for (int i = 0; i < tp->n_tasks; i++) {
    if (isfinite(t->valid->sum[i])) continue;
    not_finite_on_valid(t, i);
    return false;
  }
  task_metrics(t->dp, tp, &t->data->prep, rows, t->valid, r->valid_metric, r->valid_loss);
  return true;
}

bool has_best(const Trainer *t) { return t->best_slots.at && t->best.epoch; }

void gather_touched(Trainer *t) {
  uint64_t *const views[] = { t->guard.unlooked, t->guard.unmarked, t->unkept };
  touched_gather(t->e, views, COUNT_OF(views));
}

static void keep_slots(Trainer *t) {
  gather_touched(t);
  slots_copy(t->e, &t->best_slots, &t->e->slots, t->unkept);
}

// Judges the epoch by both figures.
static void judge(Trainer *t, EpochReport *r) {
  const TrainPlan *tp = t->tp;
  r->stop_figure = NAN;
  if (!r->valid_loss) return;
  ValidFigures v = { total_loss(tp, r->valid_loss), r->valid_loss, r->valid_metric };
  if (tp->stop.n_terms) watch_epoch(&t->stop, &tp->stop, r->stop_figure = figure_value(&tp->stop, &v), r->epoch);
  if (!tp->best.n_terms) return;
  double figure = figure_value(&tp->best, &v);
  if (!tp->stop.n_terms) r->stop_figure = figure;
  if (watch_epoch(&t->best, &tp->best, figure, r->epoch)) keep_slots(t);
}

static bool patience_is_over(const Trainer *t) {
  return t->tp->patience > 0 && t->tp->stop.n_terms && t->stop.bad >= t->tp->patience;
}

// Evaluates, judges and reports the epoch that is done, and turns to the next.
static bool end_epoch(Trainer *t) {
  EpochReport r = { .epoch = t->epoch, .rate = rate_of(t, t->n_batches - 1), .task_loss = NEW_ARRAY(t->arena, double, t->tp->n_tasks + 1) };
  mean_losses(t, r.task_loss);
  r.term = NEW_ARRAY(t->arena, double, t->tp->n_terms + 1);
  for (int i = 0; i < t->tp->n_terms; i++) r.term[i] = t->term[i] / (double)t->rows->n;
  r.task_weight = mean_weights(t);
  r.loss = total_loss(t->tp, r.task_loss);
  if (!validate(t, &r)) return false;
  judge(t, &r);
  tick(t);
  r.seconds = t->seconds;
  vec_push(t->arena, &t->reports, r);
  if (t->hooks->epoch) t->hooks->epoch(t->hooks->ctx, &t->reports.data[t->reports.n - 1]);
  t->epoch++;
  t->batch = 0;
  t->seconds = 0;
  memset(t->sum, 0, sizeof *t->sum * (size_t)t->tp->n_tasks);
  memset(t->weight, 0, sizeof *t->weight * (size_t)t->tp->n_tasks);
  memset(t->term, 0, sizeof *t->term * (size_t)t->tp->n_terms);
  memset(t->balance, 0, sizeof *t->balance * (size_t)t->tp->n_tasks);
  memset(t->balanced, 0, sizeof *t->balanced * (size_t)t->tp->n_tasks);
  return true;
}

static Outcome train_epochs(Trainer *t, Watcher *w) {
  while (t->epoch <= t->tp->epochs && !patience_is_over(t)) {
    Outcome o = train_epoch(t, w);
    if (o == INTERRUPTED && t->hooks->run_dir && !checkpoint_save(t, t->diag)) return FAILED;
    if (o != GO_ON) return o;
    if (!end_epoch(t)) return FAILED;
  }
  return GO_ON;
}

// ---------------------------------------------------------------- the end
static int64_t kept_epoch(const Trainer *t) { return t->best.epoch ? t->best.epoch : t->epoch - 1; }

static void warn_undefined(Trainer *t) {
  const TrainPlan *tp = t->tp;
  if (!t->reports.n) return;
  if (tp->best.n_terms && !t->best.epoch)
    diag_warn(t->diag, "undefined-figure", (Place){0},
              "`%s` was undefined on the validation rows after every epoch: the last epoch's weights are kept",
              tp->best.text);
}

static void test(Trainer *t, TrainReport *r) {
  const TrainPlan *tp = t->tp;
  const Rows *rows = r->held_out > 0 ? &t->data->split[r->held_out] : NULL;
  Predictions *p = NULL;
  if (rows) {
    p = predictions_new(tp, rows->n, false, t->arena);
    predictions_fill(t->e, PROG_EVAL, t->dp, tp, &t->data->prep, rows, p);
    r->test_metric = metric_table(tp, t->arena);
    r->test_loss = NEW_ARRAY(t->arena, double, tp->n_tasks + 1);
    task_metrics(t->dp, tp, &t->data->prep, rows, p, r->test_metric, r->test_loss);
    r->test_confusion = task_confusions(tp, rows, p, t->arena);
  }
  judge_requires(tp, p, r->test_metric, r->require_value, r->require_met);
}

static int64_t kept_steps(Trainer *t) {
  int64_t now = t->epoch;
  t->epoch = kept_epoch(t) + 1;
  int64_t steps = steps_before(t);
  t->epoch = now;
  return steps;
}

static TrainReport *report(Trainer *t, const Watcher *w, bool interrupted) {
  TrainReport *r = NEW(t->arena, TrainReport);
  *r = (TrainReport){ .epochs = t->reports.data,
                      .n_epochs = t->reports.n,
                      .best_epoch = kept_epoch(t),
                      .interrupted = interrupted,
                      .held_out = -1,
                      .step_us = 1e6 * median(w->times),
                      .first_step = w->first,
                      .rows_per_s = t->total_seconds > 0 ? (double)t->total_rows / t->total_seconds : 0 };
  r->require_value = NEW_ARRAY(t->arena, double, t->tp->n_requires + 1);
  r->require_met = NEW_ARRAY(t->arena, bool, t->tp->n_requires + 1);
  if (t->data->split[1].n > 0) r->held_out = 1;
  if (t->data->split[2].n > 0) r->held_out = 2;
  for (int i = 0; i < t->tp->n_requires; i++) r->require_value[i] = NAN;
  r->steps = interrupted ? t->e->step : kept_steps(t);
  if (interrupted) return r;
  if (has_best(t)) engine_swap_slots(t->e, &t->best_slots);
  warn_undefined(t);
  test(t, r);
  return r;
}

// The result is written while the training still stands: where that fails, it is saved as it is after its last step.
static bool keep(Trainer *t, const TrainReport *r) {
  if (!t->hooks->keep || t->hooks->keep(t->hooks->ctx, r)) return true;
  if (r->interrupted) return false;                          // and saved already
  if (has_best(t)) engine_swap_slots(t->e, &t->best_slots);
  checkpoint_save(t, t->diag);
  return false;
}

// ---------------------------------------------------------------- the beginning
size_t reports_bytes(const TrainPlan *tp) {
  size_t numbers = 3 * (size_t)tp->n_tasks + (size_t)tp->n_terms, epochs = tp->epochs < 10000 ? (size_t)tp->epochs : 10000;
  for (int i = 0; i < tp->n_tasks; i++) numbers += (size_t)tp->tasks[i].n_metrics;
  return epochs * (512 + 64 * numbers);
}

static bool has_rows(Trainer *t) {
  const TrainPlan *tp = t->tp;
  if (t->rows->n == 0) diag_data(t->diag, "no-rows", NULL, 0, 0, NULL, "there is no row to train on");
  else if ((tp->stop.n_terms || tp->best.n_terms) && t->data->split[1].n == 0)
    diag_data(t->diag, "no-rows", NULL, 0, 0, NULL, "`%s` judges the rows for validation, and there is none",
              tp->stop.n_terms ? tp->stop.text : tp->best.text);
  else return true;
  return false;
}

static bool groups_fit(Trainer *t) {
  const TrainPlan *tp = t->tp;
  int64_t rows, at = tp->batch_by ? large_group(t->rows->group + (tp->batch_by - 1) * t->rows->n, t->rows->n, tp->batch, &rows) : -1;
  if (at < 0) return true;
  diag_data(t->diag, "large-group", t->data->path, t->rows->row[at], 0, t->dp->columns[t->dp->groups[tp->batch_by - 1]].name,
            "the group that this row is the first of has %lld rows to train on, and a batch has at most %lld: write `batch = groups(%lld, …)`, or more",
            (long long)rows, (long long)tp->batch, (long long)rows);
  return false;
}

static bool start(Trainer *t) {
  const TrainPlan *tp = t->tp;
  CHECK(tp->batch > 0 && tp->batch <= t->e->plan->capacity);
  if (!has_rows(t) || !groups_fit(t)) return false;
  t->epoch = 1;
  t->n_batches = (t->rows->n - 1) / tp->batch + 1;
  t->sum = NEW_ARRAY(t->arena, double, tp->n_tasks + 1);
  t->weight = NEW_ARRAY(t->arena, double, tp->n_tasks + 1);
  t->term = NEW_ARRAY(t->arena, double, tp->n_terms + 1);
  t->balance = NEW_ARRAY(t->arena, double, tp->n_tasks + 1);
  t->balanced = NEW_ARRAY(t->arena, double, tp->n_tasks + 1);
  t->task_loss = NEW_ARRAY(t->arena, double, tp->n_tasks + 1);
  if (tp->shuffle || tp->batch_by) t->order = xmalloc(sizeof *t->order * (size_t)t->rows->n);
  if (tp->batch_by) t->first = xmalloc(sizeof *t->first * (size_t)(t->rows->n + 1));
  if (t->data->split[1].n > 0) t->valid = predictions_new(tp, t->data->split[1].n, false, t->arena);
  if (tp->epochs > 1) t->kept = kept_rows_new(t->e->plan, t->rows->n, t->data->memory);
  touched_start(t->e);
  t->e->slots.fresh = false;
  t->unkept = view_new(t->e);
  if (tp->best.n_terms && !slots_new(&t->e->home, &t->best_slots, t->diag)) return false;   // now: what the disk has no room for is told before a step
  if (t->hooks->run_dir && !checkpoint_claim(t)) return false;
  if (t->hooks->resume && !checkpoint_load(t)) return false;
  t->save_took = (double)t->e->plan->slot_bytes / DISK_BYTES_S;
  t->clock = t->saved = monotonic_seconds();
  return guard_start(t);
}

TrainReport *train(Engine *e, const DataPlan *dp, const TrainPlan *tp, Dataset *data, const TrainHooks *h, Arena *a,
                   Diag *d) {
  static const TrainHooks no_hooks;
  Trainer t = {
    .e = e, .dp = dp, .tp = tp, .data = data, .hooks = h ? h : &no_hooks, .arena = a, .diag = d, .rows = &data->split[0]
  };
  StepTimes *times = xcalloc(1, sizeof *times);
  const char **names = NEW_ARRAY(a, const char *, tp->n_tasks + 1);
  Watcher w = { .times = times, .names = names, .every = 1 };
  TrainReport *r = NULL;
  times->stride = 1;
  for (int i = 0; i < tp->n_tasks; i++) names[i] = tp->tasks[i].name;
  if (start(&t)) {
    Outcome o = train_epochs(&t, &w);
    if (o != FAILED) r = report(&t, &w, o == INTERRUPTED);
    if (r && !keep(&t, r)) r = NULL;
  }
  guard_free(&t);
  kept_rows_free(t.kept);
  free(t.order);
  free(t.first);
  slots_free(&e->home, &t.best_slots);
  touched_free(e);
  free(t.unkept);
  free(times);
  return r;
}
