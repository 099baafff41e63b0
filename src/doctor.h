// doctor.h: what an installation is asked, and what it answers.
#ifndef MTLC_DOCTOR_H
#define MTLC_DOCTOR_H
#include "session.h"

typedef enum { HEALTH_OK, HEALTH_WEAK, HEALTH_BROKEN } Health;       // WEAK: works, but worse than it could
typedef struct {
  const char *name;                                                  // "cache"
  Health health;
  const char *found;                                                 // one line
  const char *help;                                                  // what to do about it; NULL: nothing
  json_t *detail;                                                    // owned by the list; may be NULL
} Finding;

// selftest.c: a small spec through all passes and one training step by each instruction set that this processor runs, past
// the cache; losses and updated weights against the interpreter in double, and the same bits by all. `a` owns the texts.
char *first_error(const Diag *d, Arena *a);                          // the first error's text, without place and code
Finding selftest(mtl_context *c, Arena *a);
#endif
