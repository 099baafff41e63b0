// room.c: zeroed memory for whole sets of slots and a step's work. What is large lies in huge pages, which the system gives when they are first
// written: zeros that nobody writes take no memory and no time.
#include <sys/mman.h>
#include "train_int.h"

enum { LINE = 64 };

static NORETURN void no_memory(size_t bytes) {
  base_oom(bytes);
  abort();                                                   // a hook that returns is no way on
}

// One line more than is asked for: a full vector may be read at the end.
size_t room_bytes(size_t bytes) {
  if (bytes > SIZE_MAX / 2) no_memory(bytes);
  return (bytes + LINE - 1) / LINE * LINE + LINE;
}

void *room_new(size_t bytes) {
  void *p = NULL;
  bytes = room_bytes(bytes);
  if (bytes >= HUGE_FROM) return pages_alloc(bytes);
  if (posix_memalign(&p, LINE, bytes)) no_memory(bytes);
  return memset(p, 0, bytes);
}

void room_free(void *p, size_t bytes) {
  if (p && room_bytes(bytes) >= HUGE_FROM) pages_free(p, room_bytes(bytes));
  else free(p);
}

// Whole pages within are given back.
void room_zero(void *p, size_t bytes) {
  char *at = p, *from = at + (HUGE_PAGE - (uintptr_t)at % HUGE_PAGE) % HUGE_PAGE;
  size_t pages = bytes > (size_t)(from - at) ? (bytes - (size_t)(from - at)) / HUGE_PAGE * HUGE_PAGE : 0;
  if (!pages || madvise(from, pages, MADV_DONTNEED)) {
    memset(at, 0, bytes);
    return;
  }
  memset(at, 0, (size_t)(from - at));
  memset(from + pages, 0, bytes - (size_t)(from - at) - pages);
}
