// pool.h: a pool of threads that does the units of one job after another. The caller works too, and only waits for units that
// another thread has begun: a thread that the system does not run holds nobody up.
#ifndef MTLC_POOL_H
#define MTLC_POOL_H
#include <stdint.h>

typedef struct Pool Pool;
typedef void PoolFn(void *ctx, int64_t unit, int worker);   // worker: 0, the caller, … threads − 1

// Where a thread begins: a stretch of units, the same in each job of as many, whose memory it has near; or every n-th unit, where those that
// run at once read the same.
typedef enum { POOL_STRETCHES, POOL_IN_TURNS } PoolOrder;

// threads: the caller's included, at least 2. The others block all signals, so that handlers run where they did before. Fewer
// come where the system gives no more. After fork() the child's pool is the caller alone.
Pool *pool_new(int threads);
void  pool_free(Pool *p);                  // NULL is fine
int   pool_threads(const Pool *p);         // how many there are, the caller's included
// fn(ctx, u, …) for each u of 0 … units − 1, once, in no order. All that they wrote is seen after it. One caller at a time.
void  pool_run(Pool *p, PoolFn *fn, void *ctx, int64_t units, PoolOrder order);
#endif
