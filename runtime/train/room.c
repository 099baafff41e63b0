// room.c: zeroed memory for whole sets of slots and a step's work. What is large lies in huge pages, which the system gives when they are first
// written: zeros that nobody writes take no memory and no time.
#include <sys/mman.h>
#include <unistd.h>
#include "train_int.h"

enum { LARGE_FROM = 4 << 20, HUGE_PAGE = 2 << 20, LINE = 64 };

static NORETURN void no_memory(size_t bytes) {
  base_oom(bytes);
  abort();                                                   // a hook that returns is no way on
}

static size_t whole_pages(size_t bytes) { return (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE; }

// One line more than is asked for: a full vector may be read at the end.
static size_t size_of(size_t bytes) {
  if (bytes > SIZE_MAX / 2) no_memory(bytes);
  bytes = (bytes + LINE - 1) / LINE * LINE + LINE;
  return bytes < LARGE_FROM ? bytes : whole_pages(bytes);
}

static void *large(size_t bytes) {                           // whole huge pages, at the start of one
  char *all = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) no_memory(bytes);
  size_t before = (HUGE_PAGE - (uintptr_t)all % HUGE_PAGE) % HUGE_PAGE;
  if (before) munmap(all, before);
  if (before < HUGE_PAGE) munmap(all + before + bytes, HUGE_PAGE - before);
#ifdef MADV_HUGEPAGE
  madvise(all + before, bytes, MADV_HUGEPAGE);
#endif
  return all + before;
}

void *room_new(size_t bytes) {
  void *p = NULL;
  bytes = size_of(bytes);
  if (bytes >= LARGE_FROM) return large(bytes);
  if (posix_memalign(&p, LINE, bytes)) no_memory(bytes);
  return memset(p, 0, bytes);
}

void room_free(void *p, size_t bytes) {
  if (p && size_of(bytes) >= LARGE_FROM) munmap(p, size_of(bytes));
  else free(p);
}

// Whole pages within are given back.
void room_zero(void *p, size_t bytes) {
  char *at = p, *from = (char *)whole_pages((uintptr_t)at);
  size_t pages = bytes > (size_t)(from - at) ? (bytes - (size_t)(from - at)) / HUGE_PAGE * HUGE_PAGE : 0;
  if (!pages || madvise(from, pages, MADV_DONTNEED)) {
    memset(at, 0, bytes);
    return;
  }
  memset(at, 0, (size_t)(from - at));
  memset(from + pages, 0, bytes - (size_t)(from - at) - pages);
}
