// engine.c: memory of a plan and the running of its programs; one worker. Denormals are flushed while generated code runs:
// an Adam state that fades away must not slow the step.
#include <sys/mman.h>
#include "train.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { HUGE_FROM = 4 << 20 };

static void *aligned(size_t bytes) {                         // zeroed, 64-byte aligned; never NULL
  void *p = NULL;
  bytes = (bytes + 63) / 64 * 64 + 64;
  if (posix_memalign(&p, bytes >= HUGE_FROM ? 2 << 20 : 64, bytes)) base_oom(bytes);
  if (!p) base_oom(bytes);
#ifdef MADV_HUGEPAGE
  if (bytes >= HUGE_FROM) madvise(p, bytes, MADV_HUGEPAGE);
#endif
  memset(p, 0, bytes);
  return p;
}

static size_t dtype_bytes(DType t) { return t == F64 || t == I64 ? 8 : 4; }

static size_t buffer_bytes(const StepPlan *p, const Buffer *b) {
  return (size_t)(b->rows_a + b->rows_b * p->capacity) * (size_t)b->ld * dtype_bytes(b->dtype);
}

Engine *engine_new(const StepPlan *p, const StepCode *c) {
  Engine *e = xcalloc(1, sizeof *e);
  e->plan = p;
  e->code = c;
  e->slots = aligned((size_t)p->slot_bytes);
  e->rows = aligned((size_t)p->rows_bytes);
  e->buf = xcalloc((size_t)p->n_buffers, sizeof *e->buf);
  for (int i = 0; i < p->n_buffers; i++) {
    const Buffer *b = &p->buffers[i];
    if (b->role == BUF_SLOT) e->buf[i] = (char *)e->slots + b->offset;
    else if (b->role == BUF_ROWS || b->role == BUF_LOCAL) e->buf[i] = (char *)e->rows + b->offset;
    else e->buf[i] = aligned(buffer_bytes(p, b));
  }
  return e;
}

void engine_free(Engine *e) {
  if (!e) return;
  for (int i = 0; i < e->plan->n_buffers; i++) {
    BufferRole r = e->plan->buffers[i].role;
    if (r != BUF_SLOT && r != BUF_ROWS && r != BUF_LOCAL) free(e->buf[i]);
  }
  free(e->slots);
  free(e->rows);
  free(e->buf);
  free(e);
}

static int buffer_with(const StepPlan *p, BufferRole role) {
  for (int i = 0; i < p->n_buffers; i++)
    if (p->buffers[i].role == role) return i;
  return -1;
}

// ---- denormals
#if defined(__x86_64__)
typedef unsigned FloatMode;
static FloatMode flush_denormals(void) {
  FloatMode old = _mm_getcsr();
  _mm_setcsr(old | 0x8040);                                  // FTZ, DAZ
  return old;
}
static void restore_mode(FloatMode m) { _mm_setcsr(m); }
#elif defined(__aarch64__)
typedef uint64_t FloatMode;
static FloatMode flush_denormals(void) {
  FloatMode old, on;
  __asm__ volatile("mrs %0, fpcr" : "=r"(old));
  on = old | (UINT64_C(1) << 24);
  __asm__ volatile("msr fpcr, %0" : : "r"(on));
  return old;
}
static void restore_mode(FloatMode m) { __asm__ volatile("msr fpcr, %0" : : "r"(m)); }
#else
typedef int FloatMode;
static FloatMode flush_denormals(void) { return 0; }
static void restore_mode(FloatMode m) { (void)m; }
#endif

void engine_run(Engine *e, ProgramId prog, int64_t n, double lr) {
  const StepPlan *p = e->plan;
  const Program *g = &p->programs[prog];
  CHECK(n >= 0 && n <= p->capacity);
  int rt_int = buffer_with(p, BUF_RT_INT), rt_real = buffer_with(p, BUF_RT_REAL);
  if (prog == PROG_TRAIN) e->step++;
  if (rt_int >= 0) {
    ((int64_t *)e->buf[rt_int])[RT_N] = n;
    ((int64_t *)e->buf[rt_int])[RT_STEP] = e->step;
  }
  if (rt_real >= 0) ((double *)e->buf[rt_real])[RT_LR] = lr;
  FloatMode mode = flush_denormals();
  for (int i = 0; i < g->n_phases; i++) {
    const PlanPhase *ph = &g->phases[i];
    int64_t items = ph->items_a + (ph->items_g ? (n + ph->items_g - 1) / ph->items_g : 0);
    e->code->phase[prog][i](e->buf, 0, items, 0);
  }
  restore_mode(mode);
}

void engine_batch(Engine *e, const DataPlan *d, const Rows *r, const int64_t *order, int64_t first, int64_t n) {
  const StepPlan *p = e->plan;
  int dense = buffer_with(p, BUF_DENSE), ids = buffer_with(p, BUF_IDS), y = buffer_with(p, BUF_Y), w = buffer_with(p, BUF_W);
  CHECK(dense >= 0 && ids >= 0 && y >= 0 && w >= 0);
  batch_fill(r, order, first, n, d->dense_width, d->n_ids, d->n_labels, p->dtype, e->buf[dense], p->buffers[dense].ld, e->buf[ids],
             p->buffers[ids].ld, e->buf[y], e->buf[w], p->buffers[y].ld);
}

double engine_out(const Engine *e, int buffer, int64_t i, int64_t j) {
  const Buffer *b = &e->plan->buffers[buffer];
  int64_t at = i * b->ld + j;
  return b->dtype == F64 ? ((double *)e->buf[buffer])[at] : ((float *)e->buf[buffer])[at];
}
