// sched_run.h: a slow interpreter of schedules in plain C: the oracle of the scheduler's and the emitter's tests.
// Sums are made in the same order as the kernels make them (fma chains with k ascending, blocks and tree, 16 canonical
// lanes), in the dtype of the value: results of + − · / fma sqrt and comparisons are the kernels' bits. exp, log, tanh,
// sigmoid, softplus are libm's, rounded.
#ifndef MTLC_SCHED_RUN_H
#define MTLC_SCHED_RUN_H
#include "src/plan/sched.h"

// Memory of all buffers of a schedule: SLOT, ROWS and LOCAL buffers at their offsets in one arena each, the others apart.
// Everything but the slots is poisoned (NaN, or ids and counts that are out of range).
typedef struct { const Schedule *s; void **buf; char *slots, *rows, *local; int64_t first_row; } SchedMemory;   // first_row: of the group at hand
SchedMemory *sched_memory_new(const Schedule *s);
void    sched_memory_free(SchedMemory *m);
void    sched_poison(SchedMemory *m);                        // all buffers but the slots
double  sched_get(const SchedMemory *m, int buffer, int64_t row, int64_t col);
void    sched_put(SchedMemory *m, int buffer, int64_t row, int64_t col, double v);
int     sched_buffer(const Schedule *s, BufferRole role, const char *name);   // name NULL: the first of the role; −1: none

// Runs a program on n rows; RT buffers are filled here. The items of a phase run in an order drawn from `order` (0:
// ascending), to show that they do not depend on each other. Ends the process at an address outside of its buffer.
void    sched_run(SchedMemory *m, ProgramId program, int64_t n, int64_t step, double lr, uint64_t order);
#endif
