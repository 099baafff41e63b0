// emit.h: Schedule → LLVM IR → object. Only src/emit includes LLVM headers; it is built as a module that the
// program opens (jit/module.c) when there is something to compile.
#ifndef MTLC_EMIT_H
#define MTLC_EMIT_H
#include "../plan/sched.h"

typedef enum { TARGET_PORTABLE, TARGET_AVX2, TARGET_AVX512, TARGET_NEON, N_TARGETS } TargetId;
// The tile of a product: mr rows × nv vectors, or, where that masks no more columns, wide_mr × 2·nv (0: not enough registers).
typedef struct { const char *name, *triple, *cpu, *features; int lanes_f32, mr, nv, wide_mr; } Target;   // x86-64-v3 …
extern const Target targets[N_TARGETS];          // jit/target.c, no LLVM
typedef enum { EMIT_OBJECT, EMIT_LLVM, EMIT_ASM } EmitWhat;
// One of the parts that the code is made in; those of one schedule call one another. {0, 1}: all in one.
enum { MAX_PARTS = 8 };
typedef struct { int at, of; } Part;
// The module's one exported symbol, of this type: "mtlc_emit". Result is malloc'd. On failure NULL and *error (malloc'd). Safe from any thread.
typedef char *EmitFn(const Schedule *s, TargetId t, EmitWhat what, Part part, size_t *size, char **error);
EmitFn mtlc_emit;
const char *emit_llvm_version(void);
#endif
