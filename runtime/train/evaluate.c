// evaluate.c: forward over rows in file order; predictions in the unit of the label; metrics of a split; what a spec
// requires.
#include <math.h>
#include "train_int.h"

// ---------------------------------------------------------------- predictions
static int64_t cells(int64_t n, int width) {
  int64_t all;
  if (__builtin_mul_overflow(n, (int64_t)width, &all) || all > INT64_MAX / 8) base_oom(SIZE_MAX);
  return all;
}

Predictions *predictions_new(const TrainPlan *tp, int64_t n, bool outputs, Arena *a) {
  Predictions *p = NEW(a, Predictions);
  p->n = n;
  p->values = NEW_ARRAY(a, float *, tp->n_tasks + tp->n_outputs + 1);
  p->sum = NEW_ARRAY(a, double, tp->n_tasks + 1);
  p->weight = NEW_ARRAY(a, double, tp->n_tasks + 1);
  for (int i = 0; i < tp->n_tasks; i++) p->values[i] = NEW_ARRAY(a, float, cells(n, tp->tasks[i].width));
  for (int i = 0; outputs && i < tp->n_outputs; i++)
    p->values[tp->n_tasks + i] = NEW_ARRAY(a, float, cells(n, tp->outputs[i].width));
  return p;
}

// Row i of the batch to row i of `to`, or at[i]; a row has `width` values there, `ld` apart.
static void copy_out(const Engine *e, int buffer, const int64_t *at, int64_t n, int width, float *to, int64_t ld) {
  const Buffer *b = &e->plan->buffers[buffer];
  if (b->dtype == F32 && !at && ((b->ld == width && ld == width) || n == 1)) {
    memcpy(to, e->buf[buffer], sizeof *to * (size_t)(n * width));
    return;
  }
  for (int64_t i = 0; i < n; i++)
    for (int j = 0; j < width; j++) to[(at ? at[i] : i) * ld + j] = (float)engine_out(e, buffer, i, j);
}

// ---------------------------------------------------------------- the label's own unit
// A learned label is (map(clip(v)) − shift) · factor: the way back, clipping aside.
typedef struct { double shift, factor; MapKind map; } Unit;

static Unit unit_of(const DataPlan *dp, const PrepState *prep, int label) {
  if (label < 0 || dp->labels[label].kind != LABEL_REAL) return (Unit){ 0, 1, MAP_NONE };
  return (Unit){ prep->label[label].shift, prep->label[label].factor, dp->labels[label].prep.map };
}

static bool is_plain(const Unit *u) { return u->shift == 0 && u->factor == 1 && (u->map == MAP_NONE || u->map == MAP_ABS); }

static float original(const Unit *u, float scaled) {
  double v = u->factor != 0 ? (double)scaled / u->factor + u->shift : u->shift;   // factor 0: a constant label
  if (u->map == MAP_LOG1P) v = expm1(v);
  if (u->map == MAP_SQRT) v = v > 0 ? v * v : 0;             // a root below 0 is of nothing; the nearest is 0
  return (float)v;
}

static void to_original(const Unit *u, float *v, int64_t n) {
  if (is_plain(u)) return;
  for (int64_t i = 0; i < n; i++) v[i] = original(u, v[i]);
}

// Batches of an evaluation: of the rows as they stand or, where training has batches of groups, of whole groups, as its losses are over pairs.
typedef struct { int64_t *order, *first, n; } Batches;

static Batches batches_of(const TrainPlan *tp, const Rows *r, int64_t capacity, bool groups) {
  Batches b = { .n = (r->n + capacity - 1) / capacity };
  if (!groups || r->n == 0) return b;
  b.order = xmalloc(sizeof *b.order * (size_t)r->n);
  b.first = xmalloc(sizeof *b.first * (size_t)(r->n + 1));
  for (int64_t i = 0; i < r->n; i++) b.order[i] = i;
  b.n = group_batches(r->group + (tp->batch_by - 1) * r->n, r->n, capacity, b.order, b.first);
  return b;
}

void predictions_fill(Engine *e, ProgramId prog, const DataPlan *dp, const TrainPlan *tp, const PrepState *prep,
                      const Rows *r, Predictions *p) {
  int64_t capacity = e->plan->capacity;
  memset(p->sum, 0, sizeof *p->sum * (size_t)tp->n_tasks);
  memset(p->weight, 0, sizeof *p->weight * (size_t)tp->n_tasks);
  Batches batches = batches_of(tp, r, capacity, tp->batch_by && prog == PROG_EVAL);
  engine_slots_stay(e, true);
  for (int64_t k = 0; k < batches.n; k++) {
    int64_t first = batches.first ? batches.first[k] : k * capacity, end = batches.first ? batches.first[k + 1] : first + capacity;
    int64_t n = (end < r->n ? end : r->n) - first;
    const int64_t *at = batches.order ? batches.order + first : NULL, skip = at ? 0 : first;
    engine_batch(e, dp, r, batches.order, first, n);
    engine_run(e, prog, n, 0);
    for (int i = 0; i < tp->n_tasks; i++) {
      const PlanTask *t = &tp->tasks[i];
      copy_out(e, t->head, at, n, t->width, p->values[i] + skip * t->width, t->width);
      if (prog != PROG_EVAL) continue;
      p->sum[i] += engine_out(e, t->sum, 0, 0);
      p->weight[i] += engine_out(e, t->weight_sum, 0, 0);
    }
    for (int i = 0; i < tp->n_outputs; i++) {
      const PlanOutput *o = &tp->outputs[i];
      float *to = p->values[tp->n_tasks + i];
      if (to) copy_out(e, o->buffer, at, n, o->width, to + skip * o->width, o->width);
    }
  }
  engine_slots_stay(e, false);
  free(batches.order);
  free(batches.first);
  for (int i = 0; i < tp->n_tasks; i++) {
    Unit u = unit_of(dp, prep, tp->tasks[i].label);
    to_original(&u, p->values[i], r->n * tp->tasks[i].width);
  }
  for (int i = 0; i < tp->n_outputs; i++) {
    Unit u = unit_of(dp, prep, tp->outputs[i].unit - 1);
    float *v = p->values[tp->n_tasks + i];
    if (v) to_original(&u, v, r->n * tp->outputs[i].width);
  }
}

Predictions *predict_rows(Engine *e, ProgramId prog, const DataPlan *dp, const TrainPlan *tp, const PrepState *prep,
                          const Rows *r, Arena *a) {
  CHECK(prog == PROG_EVAL || prog == PROG_PREDICT);
  Predictions *p = predictions_new(tp, r->n, true, a);
  predictions_fill(e, prog, dp, tp, prep, r, p);
  if (prog == PROG_PREDICT) p->sum = p->weight = NULL;
  return p;
}

int results_width(const TrainPlan *tp) {
  int n = 0;
  for (int i = 0; i < tp->n_tasks; i++) n += tp->tasks[i].width;
  for (int i = 0; i < tp->n_outputs; i++) n += tp->outputs[i].width;
  return n;
}

// The values of one task or output: `width` of each row, `ld` apart, in the unit of a label.
static void result_copy(const Engine *e, int buffer, Unit u, int64_t n, int width, float *to, int64_t ld) {
  copy_out(e, buffer, NULL, n, width, to, ld);
  for (int64_t i = 0; i < n && !is_plain(&u); i++) to_original(&u, to + i * ld, width);
}

void results_copy(const Engine *e, const DataPlan *dp, const TrainPlan *tp, const PrepState *prep, int64_t n, float *to) {
  int ld = results_width(tp);
  for (int i = 0; i < tp->n_tasks; i++) {
    const PlanTask *t = &tp->tasks[i];
    result_copy(e, t->head, unit_of(dp, prep, t->label), n, t->width, to, ld);
    to += t->width;
  }
  for (int i = 0; i < tp->n_outputs; i++) {
    const PlanOutput *o = &tp->outputs[i];
    result_copy(e, o->buffer, unit_of(dp, prep, o->unit - 1), n, o->width, to, ld);
    to += o->width;
  }
}

// ---------------------------------------------------------------- metrics
double **metric_table(const TrainPlan *tp, Arena *a) {
  double **m = NEW_ARRAY(a, double *, tp->n_tasks + 1);
  for (int i = 0; i < tp->n_tasks; i++) m[i] = NEW_ARRAY(a, double, tp->tasks[i].n_metrics + 1);
  return m;
}

static void metrics_of_task(const DataPlan *dp, const PrepState *prep, const PlanTask *t, const Rows *r, const float *p,
                            double *metric) {
  const float *y = r->y + t->label * r->n, *w = r->w + t->label * r->n;
  Unit u = unit_of(dp, prep, t->label);
  float *own = NULL;
  if (!is_plain(&u)) {
    own = xmalloc(sizeof *own * (size_t)r->n);
    if (r->n) memcpy(own, y, sizeof *own * (size_t)r->n);
    to_original(&u, own, r->n);
  }
  for (int k = 0; k < t->n_metrics; k++)
    metric[k] = metric_of(t->metrics[k].kind, &(Scored){ t->metrics[k].arg, own ? own : y, w, p, r->n, t->width,
                                                         t->metrics[k].group < 0 ? NULL : r->group + t->metrics[k].group * r->n });
  free(own);
}

Confusion **task_confusions(const TrainPlan *tp, const Rows *r, const Predictions *p, Arena *a) {
  Confusion **all = NEW_ARRAY(a, Confusion *, tp->n_tasks + 1);
  CHECK(p->n == r->n);
  for (int i = 0; i < tp->n_tasks; i++) {
    const PlanTask *t = &tp->tasks[i];
    all[i] = NEW_ARRAY(a, Confusion, t->n_matrices + 1);
    for (int k = 0; k < t->n_matrices; k++)
      confusion_of(&(Scored){ t->matrices[k].at, r->y + t->label * r->n, r->w + t->label * r->n, p->values[i], r->n, t->width, NULL }, a, &all[i][k]);
  }
  return all;
}

void task_metrics(const DataPlan *dp, const TrainPlan *tp, const PrepState *prep, const Rows *r, const Predictions *p,
                  double **metric, double *loss) {
  CHECK(p->n == r->n);
  for (int i = 0; i < tp->n_tasks; i++) {
    if (metric && tp->tasks[i].label >= 0) metrics_of_task(dp, prep, &tp->tasks[i], r, p->values[i], metric[i]);
    if (loss) loss[i] = p->sum && p->weight[i] > 0 ? p->sum[i] / p->weight[i] : NAN;
  }
}

double total_loss(const TrainPlan *tp, const double *loss) {
  double total = 0;
  for (int i = 0; i < tp->n_tasks; i++)
    if (!isnan(loss[i])) total += tp->tasks[i].weight * loss[i];
  return total;
}

// ---------------------------------------------------------------- requires
static bool holds(int op, double a, double b) {              // false where a is undefined
  switch (op) {
  case RX_EQ: return a == b;
  case RX_NE: return a < b || a > b;
  case RX_LT: return a < b;
  case RX_LE: return a <= b;
  case RX_GT: return a > b;
  case RX_GE: return a >= b;
  }
  BUG("a require compares by %d", op);
}

static double rows_that_break(const Require *q, const TrainPlan *tp, const Predictions *p) {
  const float *a = p->values[q->task], *b = p->values[q->other_task];
  int64_t n = p->n * tp->tasks[q->task].width, broken = 0;
  CHECK(tp->tasks[q->task].width == tp->tasks[q->other_task].width);
  for (int64_t i = 0; i < n; i++) broken += !holds(q->op, a[i], b[i]);
  return (double)broken;
}

void judge_requires(const TrainPlan *tp, const Predictions *held_out, double *const *metric, double *value, bool *met) {
  for (int i = 0; i < tp->n_requires; i++) {
    const Require *q = &tp->requires[i];
    value[i] = NAN;
    met[i] = false;
    if (!held_out) continue;
    bool always = q->metric < 0;
    value[i] = always ? rows_that_break(q, tp, held_out) : metric[q->task][q->metric];
    met[i] = always ? value[i] == 0 : holds(q->op, value[i], q->bound);
  }
}
