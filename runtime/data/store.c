// store.c: columns that grow together, one item a row. They lie in memory as long as they fit within a limit; then they move
// to a file without a name in a folder of the cache and are mapped from there, so that the machine keeps of them what it has
// room for. Each column is contiguous: when it grows, what it has of the file is mapped anew, side by side; nothing is
// copied. Space of the file is claimed before it is mapped: a full disk is an error, not a signal.
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>
#include "data_int.h"

enum { LEAST = 4096 };         // rows: of a column on disk a whole number of pages, whatever the item

void store_open(Store *s, Arena *a, const char *folder, int64_t limit, Diag *d) {
  *s = (Store){.arena = a, .folder = folder, .limit = limit, .fd = -1, .diag = d};
}

void store_add(Store *s, void *data, size_t item) {
  StoreColumn c = {.data = data, .item = item};
  vec_push(s->arena, &s->columns, c);
  s->row_bytes += (int64_t)item;
}

static bool failed(Store *s, const char *what) {
  int why = errno;
  s->failed = true;
  diag_machine(s->diag, is_full(why) ? "disk-full" : "cannot-write", "%s %s: %s", what,
               s->folder ? s->folder : "a temporary folder", strerror(why));
  if (is_full(why))
    diag_help(s->diag, "the rows do not fit into %lld MiB of memory (--memory); XDG_CACHE_HOME may name another disk",
              (long long)(s->limit >> 20));
  return false;
}

// ---------------------------------------------------------------- in memory
static void free_in_memory(void *p, size_t bytes) {
  if (bytes < HUGE_FROM) free(p);
  else pages_free(p, bytes);
}

static void grow_in_memory(const Store *s, StoreColumn *c, int64_t cap) {
  size_t old = c->item * (size_t)s->cap, bytes = c->item * (size_t)cap;
  if (bytes < HUGE_FROM) {
    *c->data = xrealloc(*c->data, bytes);
    return;
  }
  void *p = pages_alloc(bytes);
  if (old) memcpy(p, *c->data, old);
  free_in_memory(*c->data, old);
  *c->data = p;
}

// ---------------------------------------------------------------- on disk
// Maps the parts of a column that it has, side by side.
static void *map_column(const Store *s, const StoreColumn *c) {
  size_t bytes = 0;
  for (int i = 0; i < c->extents.n; i++) bytes += c->extents.data[i].bytes;
  char *base = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *to = base;
  if (base == MAP_FAILED) return NULL;
  for (int i = 0; i < c->extents.n; i++) {
    const Extent *e = &c->extents.data[i];
    if (mmap(to, e->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->fd, (off_t)e->at) == MAP_FAILED) {
      int why = errno;
      munmap(base, bytes);
      errno = why;
      return NULL;
    }
    to += e->bytes;
  }
  return base;
}

static bool grow_on_disk(Store *s, StoreColumn *c, int64_t more) {   // more: rows, a multiple of LEAST
  Extent e = {s->end, c->item * (size_t)more};
  if (!claim_file(s->fd, e.at, e.bytes)) return failed(s, "cannot write to");
  s->end += (int64_t)e.bytes;
  vec_push(s->arena, &c->extents, e);
  void *data = map_column(s, c);
  if (!data) return failed(s, "cannot map a file of");
  if (c->mapped) munmap(*c->data, c->mapped);
  *c->data = data;
  c->mapped += e.bytes;
  return true;
}

static bool move_to_disk(Store *s, int64_t cap) {
  s->fd = nameless_file(s->folder);
  if (s->fd < 0) return failed(s, "cannot make a file in");
  for (int i = 0; i < s->columns.n; i++) {
    StoreColumn *c = &s->columns.data[i];
    void *old = *c->data;
    *c->data = NULL;
    bool ok = grow_on_disk(s, c, cap);
    if (ok && old) memcpy(*c->data, old, c->item * (size_t)s->cap);
    free_in_memory(old, c->item * (size_t)s->cap);
    if (!ok) return false;
  }
  s->cap = cap;
  return true;
}

// ---------------------------------------------------------------- growing
bool store_reserve(Store *s, int64_t rows, int64_t likely) {
  if (s->failed) return false;
  if (rows <= s->cap) return true;
  int64_t cap = s->cap ? 2 * s->cap : LEAST;
  while (cap < rows) cap *= 2;
  if (likely > rows) cap = (likely + LEAST - 1) / LEAST * LEAST;
  if (s->fd < 0 && s->folder && cap * s->row_bytes > s->limit) return move_to_disk(s, cap);
  for (int i = 0; i < s->columns.n; i++) {
    StoreColumn *c = &s->columns.data[i];
    if (s->fd < 0) grow_in_memory(s, c, cap);
    else if (!grow_on_disk(s, c, cap - s->cap)) return false;
  }
  s->cap = cap;
  return true;
}

void store_release(Store *s) {
  for (int i = 0; i < s->columns.n; i++) {
    StoreColumn *c = &s->columns.data[i];
    if (c->mapped) madvise(*c->data, c->mapped, MADV_DONTNEED);          // of a file: the file has it
  }
  s->touched = 0;
}

void store_touch(Store *s, int64_t bytes) {
  if (s->fd < 0) return;
  s->touched += bytes;
  if (s->touched > s->limit / 2) store_release(s);
}

void store_close(Store *s) {
  for (int i = 0; i < s->columns.n; i++) {
    StoreColumn *c = &s->columns.data[i];
    if (c->mapped) munmap(*c->data, c->mapped);
    else if (s->fd < 0) free_in_memory(*c->data, c->item * (size_t)s->cap);
    *c->data = NULL;
  }
  if (s->fd >= 0) close(s->fd);
  *s = (Store){.fd = -1};
}
