// replay.c: stops at the first step that is not finite. Losses are looked at every step; slots at the end of an epoch and every 64 steps or
// more, so that looking and remembering slots that are all finite costs less than 1 % of the time. Training is deterministic: once
// something is wrong, the steps since then are done again, and the first bad one is named with its task or parameter, and with the rows
// whose own loss is not finite when each is put through the model alone.
#include <math.h>
#include "train_int.h"

enum { CHECK_EVERY = 64, ROWS_NAMED = 10 };
static const double LEAST_TIMES = 100, COPY = 4;             // what lies between two looks takes so many times as long; looking and copying, of looking

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

static bool finite_piece(const Buffer *b, const char *at, size_t bytes) {   // its true extents
  bool dense = b->rows_a == 1 || b->ld == b->cols;
  int64_t n = (int64_t)bytes / (b->dtype == F64 ? 8 : 4), apart = dense ? n : b->ld, run = dense ? n : b->cols;
  for (int64_t i = 0; i < n; i += apart) {
    int64_t m = n - i < run ? n - i : run;
    if (b->dtype == F64 ? !finite_f64((const double *)at + i, m) : !finite_f32((const float *)at + i, m)) return false;
  }
  return true;
}

static bool slot_finite(const Engine *e, const PlanSlot *s, const uint64_t *view) {
  const char *slot = e->buf[s->buffer];
  size_t at = 0, n = 0;
  while (slot_piece(e, s, view, &at, &n)) {
    if (s->lazy) slots_ahead(slot + at, n);
    if (!finite_piece(&e->plan->buffers[s->buffer], slot + at, n)) return false;
  }
  return true;
}

// The bad slot nearest to the losses, or NULL. Slots stand in the order of the forward pass, and a gradient that is not
// finite spoils all before it: so the last one. Parameters first, then what else a step keeps.
// view: where it is looked for.
static const PlanSlot *bad_slot(const Engine *e, const uint64_t *view) {
  for (int other = 0; other < 2; other++)
    for (int i = e->plan->n_slots - 1; i >= 0; i--) {
      const PlanSlot *s = &e->plan->slots[i];
      if ((s->role != SLOT_PARAM) == other && !slot_finite(e, s, view)) return s;
    }
  return NULL;
}

typedef struct { int task, term; const PlanSlot *slot; } Fault;   // −1, −1, NULL: none. Of a term: its task, −1: the penalty

static bool is_fault(const Fault *f) { return f->task >= 0 || f->term >= 0 || f->slot; }

// Of the losses of the step that was just done.
static Fault loss_fault(const Trainer *t) {
  for (int i = 0; i < t->tp->n_terms; i++)
    if (!isfinite(engine_out(t->e, t->tp->terms[i].buffer, 0, 0))) return (Fault){ t->tp->terms[i].task, i, NULL };
  for (int i = 0; i < t->tp->n_tasks; i++)
    if (!isfinite(engine_out(t->e, t->tp->tasks[i].sum, 0, 0)) || !isfinite(engine_out(t->e, t->tp->tasks[i].weight_sum, 0, 0)))
      return (Fault){ i, -1, NULL };
  return (Fault){ -1, -1, NULL };
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

// The step that comes next is bad, with the slots as they are.
static void report_step(Trainer *t, const Fault *f) {
  t->e->step++;
  char *when = when_text(t, t->batch);
  Suspects s = suspects(t, t->rows, t->order, batch_first(t, t->batch), batch_rows(t, t->batch), f->task);
  if (f->slot) report_slot(t, f->slot, when, &s);
  else report_loss(t, f->task, f->term, when, &s);
}

// false: there is no room for one more set on the disk, error in d (NULL: unsaid); the mark stays where it was.
static bool set_mark(const Trainer *t, Mark *m, uint64_t *view, Diag *d) {
  if (!m->slots.at && !slots_new(&t->e->home, &m->slots, d)) return false;
  slots_copy(t->e, &m->slots, &t->e->slots, view);
  m->step = t->e->step, m->epoch = t->epoch, m->batch = t->batch;
  return true;
}

static void go_back(Trainer *t, const Mark *m) {
  if (m->slots.at) slots_copy(t->e, &t->e->slots, &m->slots, NULL);
  else t->hooks->start(t->hooks->ctx);
  t->e->step = m->step, t->epoch = m->epoch, t->batch = m->batch;
  enter_epoch(t);
}

static void to_next_batch(Trainer *t) {
  if (t->batch < t->n_batches) return;
  t->epoch++, t->batch = 0;
  enter_epoch(t);
}

// Does the steps from the mark to `end` again, looking at the slots after every `stride`; from where it was fine before a stride that is bad,
// one by one. Reports the first bad step. false: there is no room for a copy, error in diag.
static bool find_fault(Trainer *t, const Mark *from, int64_t end, int64_t stride) {
  Mark before = {0};
  Fault f = { -1, -1, NULL };
  go_back(t, from);
  while (t->e->step < end && !is_fault(&f)) {
    int64_t stop = t->e->step + stride < end ? t->e->step + stride : end;
    if (!set_mark(t, &before, NULL, t->diag)) return false;
    while (t->e->step < stop && !is_fault(&f)) {
      to_next_batch(t);
      run_batch(t, t->batch++);
      f = loss_fault(t);
    }
    if (!is_fault(&f)) f.slot = bad_slot(t->e, NULL);
  }
  bool room = true;
  if (is_fault(&f) && stride > 1) room = find_fault(t, &before, end, 1);
  else if (is_fault(&f)) {
    go_back(t, &before);
    to_next_batch(t);
    report_step(t, &f);
  }
  slots_free(&t->e->home, &before.slots);
  return room;
}

static void replay(Trainer *t) {
  int errors = diag_errors(t->diag);
  int64_t end = t->e->step, steps = end - t->guard.mark.step, stride = 1;
  while (stride * stride < steps) stride++;
  if (!find_fault(t, &t->guard.mark, end, stride))
    diag_help(t->diag, "a number is not finite after step %lld: where, is found out with one more copy of the tables", (long long)end);
  else if (diag_errors(t->diag) == errors)
    diag_machine(t->diag, "not-repeatable",
                 "a step gave a number that is not finite, and when done again, it did not: this machine is not reliable");
}

// ---------------------------------------------------------------- the guard
bool guard_start(Trainer *t) {
  Guard *g = &t->guard;
  double start = monotonic_seconds();
  const PlanSlot *slot = bad_slot(t->e, NULL);
  if (slot) diag_data(t->diag, "not-finite", NULL, 0, 0, NULL, "`%s` is not finite before the first step", slot->path);
  if (slot) return false;
  if (!g->unlooked) g->unlooked = view_new(t->e), g->unmarked = view_new(t->e);
  view_clear(t->e, g->unlooked);
  if (t->hooks && t->hooks->start && !t->hooks->resume) g->mark = (Mark){ .step = t->e->step, .epoch = t->epoch, .batch = t->batch };
  else if (!set_mark(t, &g->mark, g->unmarked, t->diag)) return false;
  g->looked = t->e->step;
  g->since = monotonic_seconds();
  g->cost = COPY * (g->since - start);
  return true;
}

bool guard_check(Trainer *t) {
  Guard *g = &t->guard;
  double start = monotonic_seconds();
  g->looked = t->e->step;
  gather_touched(t);
  if (bad_slot(t->e, g->unlooked)) {
    replay(t);
    return false;
  }
  view_clear(t->e, g->unlooked);
  if (start - g->since < LEAST_TIMES * g->cost) return true;
  set_mark(t, &g->mark, g->unmarked, NULL);                  // without room the steps again begin further back
  g->since = monotonic_seconds();
  g->cost = g->since - start;
  return true;
}

bool guard_step(Trainer *t) {
  Guard *g = &t->guard;
  Fault f = loss_fault(t);
  if (is_fault(&f)) {
    replay(t);
    return false;
  }
  if (t->e->step - g->looked < CHECK_EVERY) return true;
  g->looked = t->e->step;
  return monotonic_seconds() - g->since < LEAST_TIMES * g->cost || guard_check(t);
}

void guard_free(Trainer *t) {
  slots_free(&t->e->home, &t->guard.mark.slots);
  free(t->guard.unlooked);
  free(t->guard.unmarked);
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
