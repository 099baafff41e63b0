// schedule.c: the learning rate of a step: a function of where the training stands, and of nothing that it remembers, so that
// a training that goes on after a stop has the same rates. Formulas are PyTorch's. Rows: schedule.def.
#include <math.h>
#include "train_int.h"

typedef struct {
  double rate; const double *arg;
  double step, steps;        // done since the warm-up, from 0; all of them
  double epoch;              // done since the beginning, with its part of the present one
  int64_t falls;             // plateau: how often the rate has fallen
} Clock;

static double schedule_constant(const Clock *c) { return c->rate; }
static double schedule_step(const Clock *c) {                // rate · factor^⌊epoch/every⌋
  return c->rate * pow(c->arg[1], floor(floor(c->epoch) / c->arg[0]));
}
static double schedule_exponential(const Clock *c) { return c->rate * pow(c->arg[0], c->epoch); }   // rate · factor^epoch

static double between(double from, double to, double part) { return to + (from - to) * (1 + cos(M_PI * part)) / 2; }
static double schedule_cosine(const Clock *c) { return between(c->rate, c->arg[0], c->step / c->steps); }   // half a wave

// From rate/start up to the rate over the part `peak` of all steps, then down to rate/(start·end), each half a wave.
static double schedule_one_cycle(const Clock *c) {
  double low = c->rate / c->arg[0], last = c->steps - 1, top = c->arg[2] * c->steps - 1;
  if (c->step <= top) return between(low, c->rate, top > 0 ? c->step / top : 1);
  return between(c->rate, low / c->arg[1], last > top ? (c->step - top) / (last - top) : 1);
}

// max(least, rate · factor^falls)
static double schedule_plateau(const Clock *c) { return fmax(fmin(c->arg[2], c->rate), c->rate * pow(c->arg[0], (double)c->falls)); }

int64_t plateau_falls(const double *loss, int64_t n, int64_t patience) {
  double best = INFINITY;
  int64_t bad = 0, falls = 0;
  for (int64_t i = 0; i < n; i++) {
    bool better = loss[i] < best * (1 - 1e-4) || (isinf(best) && isfinite(loss[i]));
    best = better ? loss[i] : best;
    bad = better ? 0 : bad + 1;
    if (bad <= patience) continue;
    falls++;
    bad = 0;
  }
  return falls;
}

// ---------------------------------------------------------------- the table
#define SCHEDULE(id, args) { #id, args },
const ScheduleRow schedule_rows[N_SCHEDULES] = {
#include "schedule.def"
};
#undef SCHEDULE
#define SCHEDULE(id, args) schedule_##id,
static double (*const functions[N_SCHEDULES])(const Clock *) = {
#include "schedule.def"
};
#undef SCHEDULE

double scheduled_rate(const PlanSchedule *s, double rate, int64_t step, int64_t steps_per_epoch, int64_t epochs, int64_t falls) {
  int64_t after = step - s->warmup;
  Clock c = { .rate = rate, .arg = s->arg, .epoch = (double)step / (double)steps_per_epoch, .falls = falls };
  c.step = after > 0 ? (double)after : 0;
  c.steps = fmax(1, (double)epochs * (double)steps_per_epoch - (double)s->warmup);
  double part = step < s->warmup ? (double)(step + 1) / (double)s->warmup : 1;
  return part * functions[s->kind](&c);
}
