// module.h: the emitter's entry, opened on first use.
#ifndef MTLC_MODULE_H
#define MTLC_MODULE_H
#include "jit.h"
EmitFn *module_emit(Diag *d);                      // NULL: error in d
// The open module's file, and the version of LLVM in it; NULL before module_emit opened one.
const char *module_path(void);
const char *module_llvm_version(void);
void schedule_key(const Schedule *s, Text *t);     // key.c: canonical text, decides the object's bytes
// parts.c: the code of s as objects that call one another, made by as many threads as there are processors. NULL: *error; both malloc'd.
char *parts_emit(EmitFn *emit, const Schedule *s, TargetId t, size_t *size, char **error);
char *parts_join(char *const *object, const size_t *bytes, int n, size_t *size);           // malloc'd; n ≤ MAX_PARTS
int   parts_of(const char *all, size_t n, const char **object, size_t *bytes);              // [MAX_PARTS]; one, where they are not joined; 0: broken
#endif
