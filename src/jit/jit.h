// jit.h: from a schedule to callable code: target choice, object cache, loader. No LLVM here.
#ifndef MTLC_JIT_H
#define MTLC_JIT_H
#include "../emit/emit.h"

TargetId target_detect(void);                    // best that this CPU runs; MTLC_TARGET=portable|avx2|avx512|neon forces one it has
bool     target_usable(TargetId t);
// Canonical text of everything that decides the object's bytes: the schedule's calls and buffers, target, LLVM version, format.
// cached: set when the object came from the cache. Fills plan code for every phase. On failure false, error in d.
typedef struct { bool cached; double compile_ms, load_ms; size_t object_bytes; const char *target; } JitInfo;
bool jit(const Schedule *s, TargetId t, Arena *a, StepCode *code, JitInfo *info, Diag *d);
// The functions of an object that was compiled from s, past the cache. false: error in d.
bool jit_load(const Schedule *s, const char *object, size_t n, Arena *a, StepCode *code, Diag *d);
void jit_free(StepCode *code);
// --emit llvm, asm, obj: always compiles. malloc'd.
char *jit_emit(const Schedule *s, TargetId t, EmitWhat what, size_t *size, Diag *d);

// loader.c: a relocatable ELF64 object (x86-64, AArch64), or several that call one another (parts.c), in memory → executable memory. Every offset is
// checked.
typedef struct { void *base; size_t bytes; } Image;
bool image_load(const void *object, size_t n, Image *im, Diag *d);
void *image_symbol(const Image *im, const char *name);
void image_free(Image *im);
// cache.c: $XDG_CACHE_HOME/mtlc/KEY.o with digest; verified before use; written whole (temporary file, rename); a broken
// entry is removed and counts as a miss; a cache that cannot be written is no error.
bool cache_get(const char *key_text, size_t n, char **object, size_t *size);
void cache_put(const char *key_text, size_t n, const char *object, size_t size);
char *cache_folder(void);                        // malloc'd, without a / at its end; NULL: neither variable names a place
#endif
