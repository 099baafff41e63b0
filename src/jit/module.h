// module.h: the emitter's entry, opened on first use.
#ifndef MTLC_MODULE_H
#define MTLC_MODULE_H
#include "jit.h"
EmitFn *module_emit(Diag *d);                      // NULL: error in d
// The open module's file, and the version of LLVM in it; NULL before module_emit opened one.
const char *module_path(void);
const char *module_llvm_version(void);
void schedule_key(const Schedule *s, Text *t);     // key.c: canonical text, decides the object's bytes
#endif
