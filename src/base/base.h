// base.h: arenas, growable arrays, text buffers, interned names. No other part of mtlc is seen here.
#ifndef MTLC_BASE_H
#define MTLC_BASE_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN __attribute__((noreturn))
#else
#define PRINTF_LIKE(f, a)
#define NORETURN
#endif
#define COUNT_OF(a) ((int)(sizeof(a) / sizeof((a)[0])))

// ---- memory. An arena is named by its lifespan; everything in it is freed at once.
// Allocation never returns NULL: where memory ends, base_oom runs (default: message, exit 4).
typedef struct Arena Arena;
Arena *arena_new(void);
void   arena_free(Arena *a);                              // a may be NULL
void  *arena_alloc(Arena *a, size_t bytes);               // zeroed, 16-byte aligned
enum { READ_AHEAD = 8 };                                  // bytes that may be read behind the NUL of a text in an arena, or a Text
char  *arena_strdup(Arena *a, const char *s);
char  *arena_strndup(Arena *a, const char *s, size_t n);  // n bytes, NUL added
char  *arena_printf(Arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
char  *arena_vprintf(Arena *a, const char *fmt, va_list ap);
#define NEW(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define NEW_ARRAY(a, T, n) ((T *)arena_alloc((a), sizeof(T) * (size_t)(n)))
extern void (*base_oom)(size_t bytes);
void *xmalloc(size_t bytes);                              // malloc, realloc, calloc that end in base_oom
void *xrealloc(void *p, size_t bytes);
void *xcalloc(size_t n, size_t bytes);
// Much memory by itself, zeroed, at the start of a huge page, in such pages where the machine has them: a fault for 2 MiB of it instead of
// 4 KiB. What nobody writes takes no memory and no time.
enum { HUGE_PAGE = 2 << 20, HUGE_FROM = 4 << 20 };        // bytes; from which that is worth it
void *pages_alloc(size_t bytes);                          // bytes > 0
void *pages_reserve(size_t bytes);                        // addresses alone, at the start of a huge page: nothing may be read or written there yet
void  pages_free(void *p, size_t bytes);                  // bytes as then
NORETURN void bug(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define BUG(...) bug(__FILE__, __LINE__, __VA_ARGS__)     // our own mistake: message, abort
#define CHECK(c) ((c) ? (void)0 : bug(__FILE__, __LINE__, "%s", #c))

// ---- growable array in an arena: VEC(int) v = {0}; vec_push(arena, &v, 3); v.data[i], v.n
#define VEC(T) struct { T *data; int n, cap; }
#define vec_push(a, v, x)                                                                      \
  do {                                                                                         \
    if ((v)->n == (v)->cap)                                                                    \
      (v)->data = vec_grow((a), (v)->data, (v)->n, &(v)->cap, sizeof *(v)->data);              \
    (v)->data[(v)->n++] = (x);                                                                 \
  } while (0)
void *vec_grow(Arena *a, void *data, int n, int *cap, size_t item);

// ---- text under construction (malloc'd; always NUL-terminated once something was added)
typedef struct { char *data; size_t n, cap; } Text;
void text_printf(Text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_vprintf(Text *t, const char *fmt, va_list ap);
void text_add(Text *t, const char *s);
void text_addn(Text *t, const char *s, size_t n);
void text_char(Text *t, char c);
void text_free(Text *t);

// ---- names: equal text gives the equal pointer, for the life of the process' table
const char *intern(const char *s);
const char *internn(const char *s, size_t n);

// ---- small helpers
uint64_t mix64(uint64_t x);                                     // finaliser of splitmix64 (Steele, Lea, Flood 2014)
// FNV-1a 64, finished by mix64; not for security. Its values are part of what a trained model means (buckets of ids, initial
// weights, digests): they never change.
uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);
uint64_t hash_begin(uint64_t seed), hash_more(uint64_t h, const void *p, size_t n), hash_end(uint64_t h);   // the same, by pieces
// The nearest of n candidates to `word` by edit distance, or NULL when none is near enough
// (distance at most 1 for 3 letters, 2 for up to 7, 3 beyond).
const char *nearest(const char *word, const char *const *candidates, int n);
int display_width(const char *s, size_t n);                    // terminal columns of UTF-8 text
double monotonic_seconds(void);
bool env_is_on(const char *name);                               // NAME=1
#define DEBUG_INFO "MTLC_DEBUG_INFO"                            // debuggers see kernels and the lines of the spec
#endif
