// engine.c: memory of a plan and the running of its programs. All that a run needs is looked up once, in engine_new, and for a
// number of rows: a call costs a few ns a phase. A phase is one call of its function, or, where the plan says that it takes long
// enough, units of consecutive items that threads share. Denormals are flushed while generated code runs: an Adam state that fades away
// must not slow the step.
#include "../host.h"
#include "../limits.h"
#include "train_int.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

// ---------------------------------------------------------------- memory
static size_t dtype_bytes(DType t) { return t == F64 || t == I64 ? 8 : 4; }

static size_t buffer_bytes(const StepPlan *p, const Buffer *b) {
  int64_t rows, elements;
  size_t bytes = 0;
  bool over = __builtin_mul_overflow(b->rows_b, p->capacity, &rows) || __builtin_add_overflow(rows, b->rows_a, &rows) ||
              __builtin_mul_overflow(rows, b->ld, &elements) || elements < 0 ||
              __builtin_mul_overflow((size_t)elements, dtype_bytes(b->dtype), &bytes);
  return over ? SIZE_MAX : bytes;
}

static bool in_arena(const Buffer *b) { return b->role == BUF_SLOT || b->role == BUF_ROWS || b->role == BUF_LOCAL; }

static int buffer_with(const StepPlan *p, BufferRole role) {
  for (int i = 0; i < p->n_buffers; i++)
    if (p->buffers[i].role == role) return i;
  return -1;
}

static void *memory_with(const Engine *e, BufferRole role) {
  int i = buffer_with(e->plan, role);
  return i < 0 ? NULL : e->buf[i];
}

static size_t local_bytes(const Engine *e) { return room_bytes((size_t)e->plan->local_bytes); }

// What each worker sees: LOCAL buffers in an arena of its own, the others where `buf` has them.
static void find_buffers(Engine *e) {
  const StepPlan *p = e->plan;
  for (int w = 0; w < e->n_local; w++)
    for (int i = 0; i < p->n_buffers; i++) {
      const Buffer *b = &p->buffers[i];
      e->of_worker[w][i] = b->role == BUF_LOCAL ? e->local + local_bytes(e) * (size_t)w + b->offset : e->buf[i];
    }
}

static void find_slots(Engine *e) {
  for (int i = 0; i < e->plan->n_buffers; i++)
    if (e->plan->buffers[i].role == BUF_SLOT) e->buf[i] = e->slots.at + e->plan->buffers[i].offset;
  find_buffers(e);
}

static void workers_free(Engine *e) {
  for (int w = 1; w < e->n_local; w++) free(e->of_worker[w]);
  free(e->of_worker);
  room_free(e->local, local_bytes(e) * (size_t)e->n_local);
}

static void workers_new(Engine *e, int n) {
  e->n_local = n;
  e->local = room_new(local_bytes(e) * (size_t)n);
  e->of_worker = xcalloc((size_t)n, sizeof *e->of_worker);
  for (int w = 0; w < n; w++) e->of_worker[w] = w ? xcalloc((size_t)e->plan->n_buffers, sizeof *e->buf) : e->buf;
  find_buffers(e);
}

static Engine *engine_over(const StepPlan *p, const StepCode *c, const SlotHome *home, Slots slots) {
  Engine *e = xcalloc(1, sizeof *e);
  e->plan = p;
  e->code = c;
  e->threads = 1;
  e->home = *home;
  e->slots = slots;
  e->rows = room_new((size_t)p->rows_bytes);
  e->buf = xcalloc((size_t)p->n_buffers, sizeof *e->buf);
  for (int i = 0; i < p->n_buffers; i++) {
    const Buffer *b = &p->buffers[i];
    if (!in_arena(b)) e->buf[i] = room_new(buffer_bytes(p, b));
    else if (b->role == BUF_ROWS) e->buf[i] = (char *)e->rows + b->offset;
  }
  workers_new(e, 1);
  find_slots(e);
  e->rt_int = memory_with(e, BUF_RT_INT);
  e->rt_real = memory_with(e, BUF_RT_REAL);
  e->dense = buffer_with(p, BUF_DENSE);
  e->ids = buffer_with(p, BUF_IDS);
  e->y = buffer_with(p, BUF_Y);
  e->w = buffer_with(p, BUF_W);
  for (int k = 0; k < N_PROGRAMS; k++) {
    e->run[k].n = -1;
    e->run[k].items = xcalloc((size_t)p->programs[k].n_phases, sizeof *e->run[k].items);
    e->run[k].units = xcalloc((size_t)p->programs[k].n_phases, sizeof *e->run[k].units);
  }
  return e;
}

Engine *engine_new_in(const StepPlan *p, const StepCode *c, const TablePlace *where, Diag *d) {
  SlotHome home;
  Slots slots;
  slots_home(&home, p, where);
  if (slots_new(&home, &slots, d)) return engine_over(p, c, &home, slots);
  slots_home_free(&home);
  return NULL;
}

Engine *engine_new(const StepPlan *p, const StepCode *c) { return engine_new_in(p, c, NULL, NULL); }

Engine *engine_share(const Engine *e) {
  Engine *other = engine_over(e->plan, e->code, &e->home, e->slots);
  other->shares = true;
  return other;
}

void engine_swap_slots(Engine *e, Slots *s) {
  Slots own = e->slots;
  e->slots = *s;
  *s = own;
  e->made = -1;
  find_slots(e);
}

void engine_threads(Engine *e, int threads) {
  pool_free(e->pool);
  e->pool = NULL;
  e->threads = threads > 0 ? threads : usable_cores().cores;
  for (int k = 0; k < N_PROGRAMS; k++) e->run[k].n = -1;
}

int engine_threads_used(const Engine *e) { return e->pool ? pool_threads(e->pool) : 1; }

static void profile_free(Engine *e) {
  if (e->profile) free(e->profile->seconds);
  free(e->profile);
}

void engine_free(Engine *e) {
  if (!e) return;
  pool_free(e->pool);
  profile_free(e);
  touched_free(e);
  for (int i = 0; i < e->plan->n_buffers; i++)
    if (!in_arena(&e->plan->buffers[i])) room_free(e->buf[i], buffer_bytes(e->plan, &e->plan->buffers[i]));
  for (int k = 0; k < N_PROGRAMS; k++) free(e->run[k].items), free(e->run[k].units);
  if (!e->shares) slots_free(&e->home, &e->slots), slots_home_free(&e->home);
  room_free(e->rows, (size_t)e->plan->rows_bytes);
  workers_free(e);
  free(e->buf);
  free(e);
}

// ---------------------------------------------------------------- denormals
#if defined(__x86_64__)
typedef unsigned FloatMode;
enum { FTZ_DAZ = 0x8040 };
static FloatMode flush_denormals(void) {
  FloatMode old = _mm_getcsr();
  if ((old & FTZ_DAZ) != FTZ_DAZ) _mm_setcsr(old | FTZ_DAZ);
  return old;
}
static void restore_mode(FloatMode old) {                    // the sticky flags of exceptions go too
  if (_mm_getcsr() != old) _mm_setcsr(old);
}
#elif defined(__aarch64__)
typedef uint64_t FloatMode;
static FloatMode flush_denormals(void) {
  FloatMode old;
  __asm__ volatile("mrs %0, fpcr" : "=r"(old));
  __asm__ volatile("msr fpcr, %0" : : "r"(old | UINT64_C(1) << 24));   // FZ
  return old;
}
static void restore_mode(FloatMode old) { __asm__ volatile("msr fpcr, %0" : : "r"(old)); }
#else
typedef int FloatMode;
static FloatMode flush_denormals(void) { return 0; }
static void restore_mode(FloatMode old) { (void)old; }
#endif

// ---------------------------------------------------------------- running
// A phase is shared where it takes three times as long as it costs to wake a thread, in units of 2 µs or more, some for each thread
// so that none waits long for the others: at its end one waits for half a unit, so that a long phase has as many as take 50 µs.
static int64_t units_of(const Engine *e, const PlanPhase *ph, int64_t items, int64_t n) {
  static const double WORTH_NS = 15000, UNIT_NS = 2000, LONG_UNIT_NS = 50000;
  enum { UNITS = 8 };
  double ns = ph->items_g && e->plan->capacity > 0 ? ph->ns * (double)n / (double)e->plan->capacity : ph->ns;
  if (e->threads < 2 || items < 2 || ns < WORTH_NS) return 1;
  int64_t units = (int64_t)(ns / UNIT_NS), most = (int64_t)UNITS * e->threads, of_long = (int64_t)(ns / LONG_UNIT_NS);
  if (of_long > most) most = of_long;
  if (units > most) units = most;
  return units < items ? units : items;
}

static void start_pool(Engine *e) {
  e->pool = pool_new(e->threads);
  workers_free(e);
  workers_new(e, pool_threads(e->pool));
}

static void plan_run(Engine *e, ProgramId prog, int64_t n) {
  const Program *g = &e->plan->programs[prog];
  for (int i = 0; i < g->n_phases; i++) {
    const PlanPhase *ph = &g->phases[i];
    int64_t items = ph->items_a + (ph->items_g ? (n + ph->items_g - 1) / ph->items_g : 0);
    e->run[prog].items[i] = items;
    e->run[prog].units[i] = units_of(e, ph, items, n);
    if (e->run[prog].units[i] > 1 && !e->pool) start_pool(e);
  }
  e->run[prog].n = n;
}

typedef struct { const Engine *e; const PlanPhase *phase; PhaseFn *fn; int64_t n, items, units; } Share;

static void run_items(const Share *s, int64_t lo, int64_t hi, int worker) {
  if (!s->phase->host) s->fn(s->e->of_worker[worker], lo, hi, worker);
  else host_run(host_rows, s->e->buf, s->phase->host, s->phase->n_host, s->n, lo, hi);
}

static void run_unit(void *ctx, int64_t unit, int worker) {
  const Share *s = ctx;
  if (worker) flush_denormals();                             // a thread of the pool runs nothing else
  run_items(s, s->items * unit / s->units, s->items * (unit + 1) / s->units, worker);
}

// ---------------------------------------------------------------- profiles
void engine_profile(Engine *e) {
  e->profile = xcalloc(1, sizeof *e->profile);
  e->profile->seconds = xcalloc((size_t)e->plan->programs[PROG_TRAIN].n_phases + 1, sizeof *e->profile->seconds);
}

// Short batches, the last of an epoch, are no measure of a step.
static void profile_rows(Engine *e, int64_t n) {
  if (n > e->profile->rows) {
    memset(e->profile->seconds, 0, sizeof *e->profile->seconds * (size_t)e->plan->programs[PROG_TRAIN].n_phases);
    e->profile->rows = n;
    e->profile->steps = 0;
  }
  e->profile->steps += n == e->profile->rows;
}

static Share share_of(const Engine *e, ProgramId prog, int phase, int64_t n) {
  return (Share){ e, &e->plan->programs[prog].phases[phase], e->code->phase[prog][phase], n, e->run[prog].items[phase],
                  e->run[prog].units[phase] };
}

static void timed(Engine *e, int phase, int64_t n, int64_t lo, int64_t hi) {
  Share s = share_of(e, PROG_TRAIN, phase, n);
  double start = monotonic_seconds();
  run_items(&s, lo, hi, 0);
  if (s.phase->host && e->touched) touched_note(e, s.phase);
  double end = monotonic_seconds(), clock = monotonic_seconds() - end;
  if (n == e->profile->rows && end - start > clock) e->profile->seconds[phase] += end - start - clock;
}

// A phase, or one over rows and those that go on from it, group by group; returns the next.
static int run_timed(Engine *e, int phase, int64_t n) {
  const Program *g = &e->plan->programs[PROG_TRAIN];
  int64_t items = e->run[PROG_TRAIN].items[phase];
  int end = phase + 1;
  while (end < g->n_phases && g->phases[end].goes_on) end++;
  if (end == phase + 1) timed(e, phase, n, 0, items);
  else for (int64_t i = 0; i < items; i++)
    for (int k = phase; k < end; k++) timed(e, k, n, i, i + 1);
  return end;
}

// ---------------------------------------------------------------- a step
void engine_slots_stay(Engine *e, bool stay) {
  e->slots_stay = stay;
  e->made = -1;
}

void engine_run(Engine *e, ProgramId prog, int64_t n, double lr) {
  const Program *g = &e->plan->programs[prog];
  CHECK(n >= 0 && n <= e->plan->capacity);
  if (prog == PROG_TRAIN && e->plan->kept_width && !e->has_kept) engine_keep(e, n);
  if (e->run[prog].n != n) plan_run(e, prog, n);             // most steps have the rows of the one before
  if (prog == PROG_TRAIN) e->step++;
  if (e->rt_int) e->rt_int[RT_N] = n, e->rt_int[RT_STEP] = e->step;
  if (e->rt_real) e->rt_real[RT_LR] = lr, e->rt_real[RT_EPOCH] = (double)e->epoch;
  for (int i = 0; i < e->plan->n_sites; i++) e->rt_real[RT_REALS + i] = random_key(e->seed, e->step, e->plan->sites[i]);
  FloatMode old = flush_denormals();
  bool timed = e->profile && prog == PROG_TRAIN, made = e->slots_stay && e->made == (int)prog;
  if (timed) profile_rows(e, n);
  for (int i = 0; timed && i < g->n_phases;) i = run_timed(e, i, n);
  for (int i = 0; !timed && i < g->n_phases; i++) {
    if (made && g->phases[i].of_slots) continue;
    Share s = share_of(e, prog, i, n);
    if (s.units > 1) pool_run(e->pool, run_unit, &s, s.units, s.phase->host ? POOL_IN_TURNS : POOL_STRETCHES);
    else run_items(&s, 0, s.items, 0);
    if (prog == PROG_TRAIN && s.phase->host && e->touched) touched_note(e, s.phase);
  }
  restore_mode(old);
  e->made = (int)prog;
  if (prog == PROG_TRAIN) e->has_kept = false;
}

void engine_keep(Engine *e, int64_t n) {
  const StepPlan *p = e->plan;
  const Program *g = &p->programs[PROG_KEEP];
  float *to = (float *)e->buf[e->dense] + p->kept_first;
  engine_run(e, PROG_KEEP, n, 0);
  for (int i = 0; i < g->n_outs; to += p->buffers[g->outs[i++]].cols) {
    const Buffer *b = &p->buffers[g->outs[i]];
    for (int64_t r = 0; r < n; r++)
      memcpy(to + r * p->buffers[e->dense].ld, (const float *)e->buf[g->outs[i]] + r * b->ld, sizeof *to * (size_t)b->cols);
  }
  e->has_kept = true;
}

// ---------------------------------------------------------------- a batch
typedef struct { const Rows *rows; const int64_t *order; int64_t first, n, units; BatchBuffers to; } Fill;
enum { UNIT_BYTES = 8 << 10 };                              // what is less to copy is not shared

static void fill_unit(void *ctx, int64_t unit, int worker) {
  const Fill *f = ctx;
  (void)worker;
  batch_fill(f->rows, f->order, f->first, f->n * unit / f->units, f->n * (unit + 1) / f->units, &f->to);
}

void engine_batch(Engine *e, const DataPlan *d, const Rows *r, const int64_t *order, int64_t first, int64_t n) {
  const StepPlan *p = e->plan;
  const Buffer *b = p->buffers;
  CHECK(e->dense >= 0 && e->ids >= 0 && e->y >= 0 && e->w >= 0 && n <= p->capacity);
  CHECK(b[e->y].ld == b[e->w].ld);
  BatchBuffers to = { b[e->dense].dtype, d->dense_width, d->n_ids, d->n_labels, e->buf[e->dense], b[e->dense].ld,
                      e->buf[e->ids], b[e->ids].ld, e->buf[e->y], e->buf[e->w], b[e->y].ld };
  int64_t bytes = n * (int64_t)sizeof(float) * (d->dense_width + d->n_ids + 2 * d->n_labels);
  Fill f = { r, order, first, n, e->pool ? bytes / UNIT_BYTES : 1, to };
  if (f.units > 1) pool_run(e->pool, fill_unit, &f, f.units, POOL_STRETCHES);
  else batch_fill(r, order, first, 0, n, &to);
  batch_filled(r, order, n, &to);
  e->has_kept = false;
  for (int g = 0; g < d->batch_groups; g++) {
    int64_t at = (d->n_labels + g) * p->buffers[e->y].ld;
    DType t = p->buffers[e->y].dtype;
    number_batch(r, order, first, n, g, t, (char *)e->buf[e->y] + at * (int64_t)dtype_bytes(t));
  }
}

double engine_out(const Engine *e, int buffer, int64_t i, int64_t j) {
  const Buffer *b = &e->plan->buffers[buffer];
  int64_t at = i * b->ld + j;
  return b->dtype == F64 ? ((const double *)e->buf[buffer])[at] : (double)((const float *)e->buf[buffer])[at];
}
