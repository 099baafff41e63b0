// replay.c: stops at the first step that is not finite. Losses are looked at every step; slots every 64 steps or more (so
// that looking costs less than 1 % of the time) and at the end of an epoch, each time remembering slots that are all finite.
// Training is deterministic: once something is wrong, the steps since then are done again one by one, and the first bad one
// is named with its task or parameter, and with the rows whose own loss is not finite when each is put through the model
// alone.
#include <math.h>
#include "train_int.h"

enum { CHECK_EVERY = 64, CHECK_SELDOM = 4096, ROWS_NAMED = 10 };

// ---------------------------------------------------------------- is it finite?
static bool finite_f32(const float *v, int64_t n) {          // Inf and NaN: an exponent of all ones
  typedef uint32_t Lanes __attribute__((vector_size(16), aligned(4), may_alias));
  enum { N = sizeof(Lanes) / sizeof *v };
  const Lanes exponent = { 0x7f800000u, 0x7f800000u, 0x7f800000u, 0x7f800000u };
  Lanes bad = {0}, more = {0};
  int64_t i = 0;
  for (; i + 2 * N <= n; i += 2 * N) {
    const Lanes *bits = (const Lanes *)(v + i);
    bad |= (Lanes)((bits[0] & exponent) == exponent);
    more |= (Lanes)((bits[1] & exponent) == exponent);
  }
  bad |= more;
  uint32_t any = bad[0] | bad[1] | bad[2] | bad[3];
  for (; i < n; i++) any |= !isfinite(v[i]);
  return !any;
}

static bool finite_f64(const double *v, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(v[i])) return false;
  return true;
}

static bool slot_finite(const Engine *e, const PlanSlot *s) {   // its true extents
  const Buffer *b = &e->plan->buffers[s->buffer];
  const char *at = e->buf[s->buffer];
  bool dense = b->ld == b->cols;
  int64_t rows = dense ? 1 : b->rows_a, cols = dense ? b->rows_a * b->cols : b->cols;
  for (int64_t r = 0; r < rows; r++) {
    bool fine = b->dtype == F32   ? finite_f32((const float *)at + r * b->ld, cols)
                : b->dtype == F64 ? finite_f64((const double *)at + r * b->ld, cols)
                                  : true;
    if (!fine) return false;
  }
  return true;
}

// The bad slot nearest to the losses, or NULL. Slots stand in the order of the forward pass, and a gradient that is not
// finite spoils all before it: so the last one. Parameters first, then what else a step keeps.
static const PlanSlot *bad_slot(const Engine *e) {
  for (int other = 0; other < 2; other++)
    for (int i = e->plan->n_slots - 1; i >= 0; i--) {
      const PlanSlot *s = &e->plan->slots[i];
      if ((s->role != SLOT_PARAM) == other && !slot_finite(e, s)) return s;
    }
  return NULL;
}

static int bad_task(const Trainer *t) {                      // −1: none
  for (int i = 0; i < t->tp->n_tasks; i++)
    if (!isfinite(engine_out(t->e, t->tp->tasks[i].sum, 0, 0)) ||
        !isfinite(engine_out(t->e, t->tp->tasks[i].weight_sum, 0, 0)))
      return i;
  return -1;
}

static int bad_term(const Trainer *t) {                      // a value in a loss or in the penalty; −1: none
  for (int i = 0; i < t->tp->n_terms; i++)
    if (!isfinite(engine_out(t->e, t->tp->terms[i].buffer, 0, 0))) return i;
  return -1;
}

// ---------------------------------------------------------------- whose fault is it?
static bool head_finite(const Trainer *t, int task) {        // of the one row in the engine
  for (int j = 0; j < t->tp->tasks[task].width; j++)
    if (!isfinite(engine_out(t->e, t->tp->tasks[task].head, 0, j))) return false;
  return true;
}

// Is this row, put through the model alone, bad for `task` (−1: for any)?
static bool bad_row(Trainer *t, const Rows *r, const int64_t *order, int64_t at, int task) {
  engine_batch(t->e, t->dp, r, order, at, 1);
  engine_run(t->e, PROG_EVAL, 1, 0);
  for (int i = 0; i < t->tp->n_tasks; i++)
    if ((task < 0 || task == i) && (!head_finite(t, i) || !isfinite(engine_out(t->e, t->tp->tasks[i].sum, 0, 0))))
      return true;
  return false;
}

// Which rows of order[first … first+n−1] are bad alone; where none is, or all are, it is the batch: all n. Ascending.
typedef struct { int64_t *row, n; bool alone; } Suspects;

static int ascending(const void *x, const void *y) {
  int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
  return (a > b) - (a < b);
}

static Suspects suspects(Trainer *t, const Rows *r, const int64_t *order, int64_t first, int64_t n, int task) {
  Suspects s = { .row = NEW_ARRAY(t->arena, int64_t, n + 1), .alone = true };
  bool can_ask = t->e->plan->programs[PROG_EVAL].n_phases > 0;
  for (int64_t i = first; can_ask && i < first + n; i++)
    if (bad_row(t, r, order, i, task)) s.row[s.n++] = r->row[order ? order[i] : i];
  if (s.n == 0 || (s.n == n && n > 1)) {
    s.alone = false;
    for (s.n = 0; s.n < n; s.n++) s.row[s.n] = r->row[order ? order[first + s.n] : first + s.n];
  }
  qsort(s.row, (size_t)s.n, sizeof *s.row, ascending);
  return s;
}

static char *rows_text(const Suspects *s, Arena *a) {
  Text x = {0};
  text_add(&x, s->alone ? (s->n == 1 ? "row " : "rows ") : s->n == 1 ? "the batch is row " : "the batch is rows ");
  int64_t shown = s->n < ROWS_NAMED ? s->n : ROWS_NAMED;
  for (int64_t i = 0; i < shown; i++)
    text_printf(&x, "%s%lld", i == 0 ? "" : i == s->n - 1 ? " and " : ", ", (long long)s->row[i]);
  if (shown < s->n) text_printf(&x, ", … (%lld in all)", (long long)s->n);
  char *out = arena_strdup(a, x.data);
  text_free(&x);
  return out;
}

static void advise(Trainer *t, const Suspects *s) {
  if (s->alone)
    diag_help(t->diag, "look at %s in the data; `clip` and `scale` hold values in a range",
              s->n == 1 ? "that row" : "those rows");
  diag_help(t->diag, "a smaller learning rate than %g may keep the weights finite", t->tp->learning_rate);
}

// "the loss of task `ctr`"; of a value in it: "`log(ctr)` in the loss of task `ctr`", "`log(sum(x))` in `penalty`".
static char *loss_name(const Trainer *t, int task, int term) {
  char *loss = task < 0 ? arena_strdup(t->arena, "`penalty`") : arena_printf(t->arena, "the loss of task `%s`", t->tp->tasks[task].name);
  return term < 0 ? loss : arena_printf(t->arena, "`%s` in %s", t->tp->terms[term].text, loss);
}

static void report_loss(Trainer *t, int task, int term, const char *when, const Suspects *s) {
  diag_data(t->diag, "not-finite", t->data->path, s->alone ? s->row[0] : 0, 0, NULL, "%s is no finite number %s: %s", loss_name(t, task, term), when,
            rows_text(s, t->arena));
  advise(t, s);
}

static void report_slot(Trainer *t, const PlanSlot *slot, const char *when, const Suspects *s) {
  const char *colon = strchr(slot->path, ':');               // "trunk.w:adam.v" is state of trunk.w
  char *path = colon ? arena_strndup(t->arena, slot->path, (size_t)(colon - slot->path))
                     : arena_strdup(t->arena, slot->path);
  char *state = colon ? arena_printf(t->arena, " (in the optimizer's `%s`)", colon + 1) : arena_strdup(t->arena, "");
  diag_data(t->diag, "not-finite", t->data->path, s->alone ? s->row[0] : 0, 0, NULL,
            "the gradient of `%s` is no finite number%s %s: %s", path, state, when, rows_text(s, t->arena));
  advise(t, s);
}

// ---------------------------------------------------------------- the steps again
static char *when_text(const Trainer *t, int64_t batch) {
  return arena_printf(t->arena, "at step %lld (epoch %lld, batch %lld)", (long long)t->e->step, (long long)t->epoch,
                      (long long)batch + 1);
}

// The step of `batch` was bad; `before` are the slots that it read.
static void report_step(Trainer *t, int64_t batch, int task, int term, const PlanSlot *slot, const void *before) {
  char *when = when_text(t, batch);
  memcpy(t->e->slots, before, (size_t)t->e->plan->slot_bytes);
  Suspects s = suspects(t, t->rows, t->order, batch_first(t, batch), batch_rows(t, batch), task);
  if (task >= 0 || term >= 0) report_loss(t, task, term, when, &s);
  else report_slot(t, slot, when, &s);
}

static void replay(Trainer *t) {
  size_t bytes = (size_t)t->e->plan->slot_bytes;
  void *before = xmalloc(bytes);
  int64_t end = t->batch;
  int errors = diag_errors(t->diag);
  memcpy(t->e->slots, t->guard.slots, bytes);
  t->e->step = t->guard.step;
  for (int64_t b = t->guard.batch; b < end && diag_errors(t->diag) == errors; b++) {
    memcpy(before, t->e->slots, bytes);
    run_batch(t, b);
    int term = bad_term(t), task = term < 0 ? bad_task(t) : t->tp->terms[term].task;
    const PlanSlot *slot = task < 0 && term < 0 ? bad_slot(t->e) : NULL;
    if (task >= 0 || term >= 0 || slot) report_step(t, b, task, term, slot, before);
  }
  free(before);
  if (diag_errors(t->diag) == errors)
    diag_machine(t->diag, "not-repeatable",
                 "a step gave a number that is not finite, and when done again, it did not: this machine is not reliable");
}

// ---------------------------------------------------------------- the guard
static void remember(Trainer *t) {
  Guard *g = &t->guard;
  memcpy(g->slots, t->e->slots, (size_t)t->e->plan->slot_bytes);
  g->step = t->e->step;
  g->batch = t->batch;
}

bool guard_start(Trainer *t) {
  Guard *g = &t->guard;
  if (!g->slots) g->slots = xmalloc((size_t)t->e->plan->slot_bytes);
  if (!g->every) g->every = CHECK_EVERY;
  const PlanSlot *slot = bad_slot(t->e);
  if (slot) diag_data(t->diag, "not-finite", NULL, 0, 0, NULL, "`%s` is not finite before the first step", slot->path);
  if (slot) return false;
  remember(t);
  g->since = monotonic_seconds();
  return true;
}

bool guard_check(Trainer *t) {
  Guard *g = &t->guard;
  double start = monotonic_seconds();
  if (bad_slot(t->e)) {
    replay(t);
    return false;
  }
  remember(t);
  double now = monotonic_seconds();
  if (now - start > 0.01 * (start - g->since) && g->every < CHECK_SELDOM) g->every *= 2;
  g->since = now;
  return true;
}

bool guard_step(Trainer *t) {
  if (bad_task(t) >= 0 || bad_term(t) >= 0) {
    replay(t);
    return false;
  }
  return t->e->step - t->guard.step < t->guard.every || guard_check(t);
}

void guard_free(Trainer *t) {
  free(t->guard.slots);
  t->guard.slots = NULL;
}

// ---------------------------------------------------------------- validation
void not_finite_on_valid(Trainer *t, int task) {
  const Rows *r = &t->data->split[1];
  int64_t capacity = t->e->plan->capacity;
  for (int64_t first = 0; first < r->n; first += capacity) {
    int64_t n = r->n - first < capacity ? r->n - first : capacity;
    engine_batch(t->e, t->dp, r, NULL, first, n);
    engine_run(t->e, PROG_EVAL, n, 0);
    if (isfinite(engine_out(t->e, t->tp->tasks[task].sum, 0, 0)) && first + n < r->n) continue;
    Suspects s = suspects(t, r, NULL, first, n, task);
    report_loss(t, task, -1, arena_printf(t->arena, "on the validation rows after epoch %lld", (long long)t->epoch), &s);
    return;
  }
}
