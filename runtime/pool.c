// pool.c: threads that take units: each the first of a range of its own, and when that is empty the last of another's. So a thread has
// the same units step after step, whose memory is in its caches; which thread does a unit decides no bit.
//
// A range is one word, the next unit and the end. `left` counts the units that are not done. A unit is taken by a compare-and-
// swap of a range, which the caller filled by a release store behind the job's fields; takers' swaps continue that release
// sequence, so whoever takes a unit sees the fields, and they stay as they are until it is done. Who waits spins for about a
// microsecond, then lets others run (sched_yield) for some more, then sleeps on a condition: no processor is busy while there is
// nothing to do, and on a shared machine who has work gets it.
//
// A sleeper counts itself before it looks at what it waits for a last time; who changes that looks for sleepers afterwards. Both
// are sequentially consistent, so one of them sees the other.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include "../src/base/base.h"
#include "pool.h"

enum { SPINS = 256, LINE = 64 };
static const double YIELD_S = 50e-6, CROWDED_S = 20e-6;      // how long to yield; a yield of this length: others want to run

typedef struct { pthread_mutex_t lock; pthread_cond_t change; _Atomic int sleepers; } Bed;
typedef struct { Pool *pool; int id; unsigned seen; pthread_t thread; } Worker;     // seen: the job that it last looked for
typedef struct { _Alignas(LINE) _Atomic uint64_t units; int64_t first; } Range;     // the next, and the end << 32

struct Pool {
  _Alignas(LINE) _Atomic unsigned job;     // jobs so far
  _Alignas(LINE) _Atomic int64_t left;
  _Alignas(LINE) PoolFn *fn;               // the job
  void *ctx;
  PoolOrder order;
  Range *range;                            // of the caller, then of each worker
  Bed idle, done;                          // for a job; for the job's end
  _Atomic bool quit;
  unsigned born;                           // forks before it was made
  int n;                                   // workers
  Worker worker[];
};

// ---------------------------------------------------------------- forks
static _Atomic unsigned forks;             // that this process is the child of, since the first pool
static void forked(void) { forks++; }
static void watch_forks(void) { pthread_atfork(NULL, NULL, forked); }

static bool is_childs(const Pool *p) { return p->born != forks; }

// ---------------------------------------------------------------- waiting
typedef bool Condition(Pool *p, const Worker *w);
static bool is_over(Pool *p, const Worker *w) { (void)w; return atomic_load(&p->left) == 0; }
static bool has_work(Pool *p, const Worker *w) { return atomic_load(&p->job) != w->seen || atomic_load(&p->quit); }

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static bool spin(Pool *p, Condition *c, const Worker *w) {
  for (int i = 0; i < SPINS; i++, relax())
    if (c(p, w)) return true;
  for (double start = monotonic_seconds(), now = start, before; now - start < YIELD_S;) {
    sched_yield();
    before = now;
    if (c(p, w)) return true;
    now = monotonic_seconds();
    if (now - before > CROWDED_S) break;
  }
  return false;
}

static void wait_for(Pool *p, Condition *c, const Worker *w, Bed *b) {
  if (spin(p, c, w)) return;
  pthread_mutex_lock(&b->lock);
  b->sleepers++;
  while (!c(p, w)) pthread_cond_wait(&b->change, &b->lock);
  b->sleepers--;
  pthread_mutex_unlock(&b->lock);
}

static void wake(Bed *b) {
  if (atomic_load(&b->sleepers) == 0) return;
  pthread_mutex_lock(&b->lock);
  pthread_cond_broadcast(&b->change);
  pthread_mutex_unlock(&b->lock);
}

// ---------------------------------------------------------------- working
static uint64_t range_of(uint64_t next, uint64_t end) { return next | end << 32; }

// −1: the range is empty.
static int64_t take(Range *r, bool own) {
  uint64_t was = atomic_load_explicit(&r->units, memory_order_relaxed);
  for (;;) {
    uint64_t next = was & UINT32_MAX, end = was >> 32;
    if (next >= end) return -1;
    uint64_t now = own ? range_of(next + 1, end) : range_of(next, end - 1);
    if (atomic_compare_exchange_weak_explicit(&r->units, &was, now, memory_order_acq_rel, memory_order_relaxed)) return (int64_t)(own ? next : end - 1);
  }
}

static void work(Pool *p, int id) {
  int n = p->n + 1;
  for (int k = 0; k < n; k++) {
    int of = (id + k) % n;
    Range *r = &p->range[of];
    for (int64_t u; (u = take(r, k == 0)) >= 0;) {
      p->fn(p->ctx, p->order == POOL_IN_TURNS ? (u - r->first) * n + of : u, id);
      if (atomic_fetch_sub(&p->left, 1) == 1) wake(&p->done);
    }
  }
}

static void *worker_main(void *arg) {
  Worker *w = arg;
  Pool *p = w->pool;
  for (;;) {
    wait_for(p, has_work, w, &p->idle);
    if (atomic_load(&p->quit)) return NULL;
    w->seen = atomic_load(&p->job);
    work(p, w->id);
  }
}

// The first ranges are the longer ones, so that units in turns are all there.
static void fill_ranges(Pool *p, int64_t units) {
  int64_t n = p->n + 1, first = 0;
  for (int64_t k = 0; k < n; k++) {
    int64_t end = first + (units - k + n - 1) / n;
    p->range[k].first = first;
    atomic_store(&p->range[k].units, range_of((uint64_t)first, (uint64_t)end));
    first = end;
  }
}

void pool_run(Pool *p, PoolFn *fn, void *ctx, int64_t units, PoolOrder order) {
  CHECK(units >= 0 && units <= INT32_MAX);
  if (is_childs(p)) {
    for (int64_t u = 0; u < units; u++) fn(ctx, u, 0);
    return;
  }
  p->fn = fn, p->ctx = ctx, p->order = order;
  atomic_store(&p->left, units);
  fill_ranges(p, units);
  atomic_fetch_add(&p->job, 1);
  if (units > 1) wake(&p->idle);
  work(p, 0);
  wait_for(p, is_over, NULL, &p->done);
}

// ---------------------------------------------------------------- its life
static void bed_make(Bed *b) {
  pthread_mutex_init(&b->lock, NULL);
  pthread_cond_init(&b->change, NULL);
}

static void bed_free(Bed *b) {
  pthread_cond_destroy(&b->change);
  pthread_mutex_destroy(&b->lock);
}

static void *lines(size_t bytes) {                            // zeroed
  bytes = (bytes + LINE - 1) / LINE * LINE;
  void *p = aligned_alloc(LINE, bytes);
  if (!p) base_oom(bytes), abort();
  return memset(p, 0, bytes);
}

Pool *pool_new(int threads) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  CHECK(threads >= 2);
  pthread_once(&once, watch_forks);
  Pool *p = lines(sizeof(Pool) + (size_t)(threads - 1) * sizeof(Worker));
  p->range = lines((size_t)threads * sizeof(Range));
  p->born = forks;
  bed_make(&p->idle);
  bed_make(&p->done);
  sigset_t all, before;
  sigfillset(&all);
  sigdelset(&all, SIGBUS);                                   // of a mapped file that cannot be read: comes to the thread that met it
  pthread_sigmask(SIG_SETMASK, &all, &before);               // workers inherit it
  for (; p->n < threads - 1; p->n++) {
    Worker *w = &p->worker[p->n];
    w->pool = p, w->id = p->n + 1;
    if (pthread_create(&w->thread, NULL, worker_main, w)) break;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return p;
}

int pool_threads(const Pool *p) { return is_childs(p) ? 1 : p->n + 1; }

void pool_free(Pool *p) {
  if (!p) return;
  if (!is_childs(p)) {
    atomic_store(&p->quit, true);
    wake(&p->idle);
    for (int i = 0; i < p->n; i++) pthread_join(p->worker[i].thread, NULL);
    bed_free(&p->idle);                                      // a child's may be held by a thread that it does not have
    bed_free(&p->done);
  }
  free(p->range);
  free(p);
}
