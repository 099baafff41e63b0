// test_pool.c: every unit is done once, by threads that sleep when there is nothing to do, take no signals, and are left behind by fork.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "runtime/pool.h"
#include "src/base/base.h"

enum { UNITS = 1000, THREADS = 4 };
typedef struct { int done[UNITS]; _Atomic int by[THREADS]; int slow_us; } Job;

static void count(void *ctx, int64_t unit, int worker) {
  Job *j = ctx;
  assert_in_range(worker, 0, THREADS - 1);
  j->done[unit]++;
  j->by[worker]++;
  if (j->slow_us) usleep((useconds_t)j->slow_us);
}

static void each_unit_once(void **unused) {
  (void)unused;
  for (int threads = 2; threads <= THREADS; threads++) {
    Pool *p = pool_new(threads);
    assert_int_equal(pool_threads(p), threads);
    for (int round = 0; round < 300; round++) {
      static Job j;
      int64_t units = round % 7 == 0 ? round % 3 : 1 + round * 37 % UNITS;
      j = (Job){0};
      pool_run(p, count, &j, units, round & 1 ? POOL_IN_TURNS : POOL_STRETCHES);
      for (int64_t u = 0; u < UNITS; u++) assert_int_equal(j.done[u], u < units);
      if (round % 50 == 0) usleep(2000);                     // they fall asleep
    }
    pool_free(p);
  }
}

static void others_help(void **unused) {
  (void)unused;
  static Job j = { .slow_us = 200 };
  Pool *p = pool_new(THREADS);
  pool_run(p, count, &j, 400, POOL_STRETCHES);
  int who = 0;
  for (int i = 0; i < THREADS; i++) who += j.by[i] > 0;
  assert_int_equal(who, THREADS);
  pool_free(p);
}

// Where nobody waits, a thread does its own units: those of a stretch, or every n-th.
typedef struct { _Atomic int worker[64]; _Atomic int there; } Owners;

static void own(void *ctx, int64_t unit, int worker) {
  Owners *o = ctx;
  o->worker[unit] = worker;
  o->there |= 1 << worker;
  for (double end = monotonic_seconds() + 2; o->there != 3 && monotonic_seconds() < end;) usleep(50);      // until both are at work
}

static void threads_begin_with_their_own(void **unused) {
  (void)unused;
  static Owners o;
  Pool *p = pool_new(2);
  for (int order = POOL_STRETCHES; order <= POOL_IN_TURNS; order++) {
    memset(&o, 0, sizeof o);
    pool_run(p, own, &o, 64, (PoolOrder)order);
    assert_int_equal(o.worker[0], 0);
    assert_int_equal(o.worker[order == POOL_STRETCHES ? 32 : 1], 1);
  }
  pool_free(p);
}

// What a unit reads is what the one before it wrote, through as many jobs.
typedef struct { int64_t value[64], next[64]; } Chain;

static void rotate(void *ctx, int64_t u, int worker) {
  Chain *c = ctx;
  (void)worker;
  c->next[u] = c->value[(u + 1) % 64] + 1;
}
static void keep(void *ctx, int64_t u, int worker) {
  Chain *c = ctx;
  (void)worker;
  c->value[u] = c->next[u];
}

static void jobs_follow_each_other(void **unused) {
  (void)unused;
  static Chain c;
  Pool *p = pool_new(3);
  for (int i = 0; i < 64; i++) c.value[i] = i;
  for (int round = 0; round < 5000; round++) pool_run(p, rotate, &c, 64, POOL_STRETCHES), pool_run(p, keep, &c, 64, POOL_STRETCHES);
  for (int i = 0; i < 64; i++) assert_int_equal(c.value[i], (i + 5000) % 64 + 5000);
  pool_free(p);
}

static double cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void idle_is_idle(void **unused) {
  (void)unused;
  static Job j;
  Pool *p = pool_new(THREADS);
  pool_run(p, count, &j, UNITS, POOL_STRETCHES);
  double before = cpu_seconds();
  usleep(300000);
  assert_true(cpu_seconds() - before < 0.03);
  pool_free(p);
}

static _Atomic int handled, handled_here;
static pthread_t main_thread;
static void on_signal(int s) {
  (void)s;
  handled++;
  handled_here += pthread_equal(pthread_self(), main_thread);
}

static void signals_come_to_the_caller(void **unused) {
  (void)unused;
  static Job j = { .slow_us = 100 };
  struct sigaction a = { .sa_handler = on_signal }, old;
  sigaction(SIGUSR1, &a, &old);
  main_thread = pthread_self();
  Pool *p = pool_new(THREADS);
  for (int i = 0; i < 50; i++) {
    pool_run(p, count, &j, 8, POOL_STRETCHES);
    kill(getpid(), SIGUSR1);
  }
  assert_true(handled > 0 && handled == handled_here);
  pool_free(p);
  sigaction(SIGUSR1, &old, NULL);
}

static void a_child_goes_on_alone(void **unused) {
  (void)unused;
  static Job j;
  Pool *p = pool_new(THREADS);
  pool_run(p, count, &j, UNITS, POOL_STRETCHES);
  usleep(20000);
  pid_t child = fork();
  if (child == 0) {
    static Job mine;
    alarm(10);
    pool_run(p, count, &mine, UNITS, POOL_STRETCHES);
    int fine = pool_threads(p) == 1 && mine.by[0] == UNITS;
    pool_free(p);
    Pool *own = pool_new(2);                                 // and may have threads of its own
    mine = (Job){0};
    pool_run(own, count, &mine, UNITS, POOL_STRETCHES);
    fine = fine && pool_threads(own) == 2 && mine.done[UNITS - 1] == 1;
    pool_free(own);
    _exit(fine ? 0 : 1);
  }
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  j = (Job){0};
  pool_run(p, count, &j, UNITS, POOL_STRETCHES);                             // the parent's is as it was
  assert_int_equal(j.done[UNITS - 1], 1);
  pool_free(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_unit_once), cmocka_unit_test(others_help), cmocka_unit_test(threads_begin_with_their_own), cmocka_unit_test(jobs_follow_each_other),
    cmocka_unit_test(idle_is_idle), cmocka_unit_test(signals_come_to_the_caller), cmocka_unit_test(a_child_goes_on_alone),
  };
  return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
