// arena.c: memory by lifespan. Blocks grow by doubling; an arena is freed whole. Allocation never returns NULL.
#define _GNU_SOURCE
#include "base.h"
#include <sys/mman.h>
#include <time.h>

static NORETURN void default_oom(size_t bytes) {
  fprintf(stderr, "mtlc: out of memory (%zu bytes wanted)\n", bytes);
  exit(4);
}
static void (*const oom_default)(size_t) = default_oom;
void (*base_oom)(size_t bytes) = default_oom;

static void out_of_memory(size_t bytes) {
  base_oom(bytes);
  oom_default(bytes);               // a hook that returns is no way on
}

void *xmalloc(size_t bytes) {
  void *p = malloc(bytes ? bytes : 1);
  if (!p) out_of_memory(bytes);
  return p;
}
void *xrealloc(void *p, size_t bytes) {
  void *q = realloc(p, bytes ? bytes : 1);
  if (!q) out_of_memory(bytes);
  return q;
}
void *xcalloc(size_t n, size_t bytes) {
  void *p = calloc(n ? n : 1, bytes ? bytes : 1);
  if (!p) out_of_memory(n * bytes);
  return p;
}

static size_t whole_pages(size_t bytes) { return (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE; }

static char *huge_pages(size_t bytes, int use) {
  size_t size = whole_pages(bytes), all = size + HUGE_PAGE;
  char *p = bytes < SIZE_MAX / 2 ? mmap(NULL, all, use, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) : MAP_FAILED;
  if (p == MAP_FAILED) out_of_memory(bytes);
  char *from = (char *)whole_pages((uintptr_t)p);          // what lies before and behind goes back
  if (from > p) munmap(p, (size_t)(from - p));
  if (from + size < p + all) munmap(from + size, (size_t)(p + all - from - size));
  return from;
}

void *pages_alloc(size_t bytes) {
  char *p = huge_pages(bytes, PROT_READ | PROT_WRITE);
#ifdef MADV_HUGEPAGE
  madvise(p, whole_pages(bytes), MADV_HUGEPAGE);
#endif
  return p;
}

void *pages_reserve(size_t bytes) { return huge_pages(bytes, PROT_NONE); }

void pages_free(void *p, size_t bytes) { munmap(p, whole_pages(bytes)); }

typedef struct Block Block;
struct Block { Block *next; size_t used, size; };       // the data follow, 16-byte aligned
struct Arena { Block *head; size_t next_size; };
enum { BLOCK_HEADER = (sizeof(Block) + 15) & ~15, FIRST_BLOCK = 4096, DOUBLED_TO = 1 << 20 };
enum { LARGEST_BLOCK = (HUGE_PAGE - BLOCK_HEADER - READ_AHEAD) & ~15 };      // one huge page: 512 page faults fewer

static size_t block_bytes(size_t size) { return BLOCK_HEADER + size + READ_AHEAD; }
static bool is_of_pages(size_t size) { return size == LARGEST_BLOCK || size >= HUGE_FROM; }

Arena *arena_new(void) {
  Arena *a = xcalloc(1, sizeof *a);
  a->next_size = FIRST_BLOCK;
  return a;
}

void arena_free(Arena *a) {
  if (!a) return;
  for (Block *b = a->head, *next; b; b = next) {
    next = b->next;
    if (is_of_pages(b->size)) pages_free(b, block_bytes(b->size));
    else free(b);
  }
  free(a);
}

static Block *new_block(Arena *a, size_t bytes) {
  size_t size = bytes > a->next_size ? bytes : a->next_size;
  Block *b = is_of_pages(size) ? pages_alloc(block_bytes(size)) : xcalloc(1, block_bytes(size));   // zeroed once, handed out once
  b->size = size;
  a->next_size = a->next_size < DOUBLED_TO ? a->next_size * 2 : LARGEST_BLOCK;
  if (bytes == size && a->head) {                       // a block of its own: keep filling the current one
    b->next = a->head->next;
    a->head->next = b;
  } else {
    b->next = a->head;
    a->head = b;
  }
  return b;
}

void *arena_alloc(Arena *a, size_t bytes) {
  if (bytes > SIZE_MAX / 2) out_of_memory(bytes);
  bytes = (bytes + 15) & ~(size_t)15;
  Block *b = a->head;
  if (!b || b->size - b->used < bytes) b = new_block(a, bytes);
  void *p = (char *)b + BLOCK_HEADER + b->used;
  b->used += bytes;
  return p;
}

char *arena_strndup(Arena *a, const char *s, size_t n) {
  char *p = arena_alloc(a, n + 1);
  memcpy(p, s, n);
  return p;
}
char *arena_strdup(Arena *a, const char *s) { return arena_strndup(a, s, strlen(s)); }

char *arena_vprintf(Arena *a, const char *fmt, va_list ap) {
  char small[256];                                      // most are: written once, then copied
  va_list again;
  va_copy(again, ap);
  int n = vsnprintf(small, sizeof small, fmt, ap);
  CHECK(n >= 0);
  char *p = arena_alloc(a, (size_t)n + 1);
  if ((size_t)n < sizeof small) memcpy(p, small, (size_t)n + 1);
  else vsnprintf(p, (size_t)n + 1, fmt, again);
  va_end(again);
  return p;
}
char *arena_printf(Arena *a, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *p = arena_vprintf(a, fmt, ap);
  va_end(ap);
  return p;
}

// Room behind the latest allocation, without a move; false: it is not the latest, or there is none.
static bool grow_in_place(Arena *a, void *data, size_t from, size_t to) {
  Block *b = a->head;
  from = (from + 15) & ~(size_t)15, to = (to + 15) & ~(size_t)15;
  if (!b || !data || (char *)data + from != (char *)b + BLOCK_HEADER + b->used || b->size - b->used < to - from) return false;
  b->used += to - from;
  return true;
}

void *vec_grow(Arena *a, void *data, int n, int *cap, size_t item) {
  if (*cap > INT32_MAX / 2) out_of_memory((size_t)*cap * item);
  size_t from = (size_t)*cap * item;
  *cap = *cap ? *cap * 2 : 8;
  if (grow_in_place(a, data, from, (size_t)*cap * item)) return data;
  void *p = arena_alloc(a, (size_t)*cap * item);
  if (n) memcpy(p, data, (size_t)n * item);
  return p;
}

void bug(const char *file, int line, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fprintf(stderr, "mtlc: this is a bug in mtlc (%s:%d): ", file, line);
  vfprintf(stderr, fmt, ap);
  fputc('\n', stderr);
  va_end(ap);
  abort();
}

double monotonic_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool env_is_on(const char *name) {
  const char *said = getenv(name);
  return said && !strcmp(said, "1");
}
