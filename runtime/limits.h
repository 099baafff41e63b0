// limits.h: what this process may use of the machine: of its memory, and of the time of its processors.
#ifndef MTLC_LIMITS_H
#define MTLC_LIMITS_H
#include <stdint.h>

enum { LIMIT_BY = 512 };
typedef struct { int64_t bytes, machine; char by[LIMIT_BY]; } MemoryLimit;                  // by: what sets it, a file of a control group or `ulimit -v`;
typedef struct { int cores, allowed, machine; double time; char by[LIMIT_BY]; } CoreLimit;   // "": nothing below what the machine has
// The least of what the machine has, the control groups of this process and all above them allow, and its own limits allow.
MemoryLimit usable_memory(void);
// cores: how many threads have something to run on, at least 1; of `allowed` (affinity) of the machine's; time: of so many, INFINITY: of all.
CoreLimit   usable_cores(void);

// The control groups alone, of versions 1 and 2: root/proc/self/cgroup and mountinfo name them, their files are below root, too. What is
// missing or no number limits nothing.
typedef struct { int64_t bytes; double cores; char bytes_by[LIMIT_BY], cores_by[LIMIT_BY]; } GroupLimits;   // INT64_MAX, INFINITY: none
GroupLimits group_limits(const char *root);
int         cores_for(double time, int allowed);                                             // of threads: time rounded up, 1 … allowed
#endif
