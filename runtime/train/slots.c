// slots.c: sets of the slots of a plan. Lazy tables, with what the optimizer keeps of their rows, may lie in a file without a name that is mapped:
// the machine keeps of them what it has room for, and writes back the rest. They are whole pages within the set, so that a set is one piece of
// memory whatever lies where; all else is in memory. Each set has a file of its own, whose space is claimed before anything is written:
// a full disk is an error there, not a signal later. What nobody writes takes neither memory nor time, only its claim.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "train_int.h"

enum { WORTH = 1 << 17 };      // bytes: less is read where it is met

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

// ---------------------------------------------------------------- what lies in a file
static size_t bytes_of(const StepPlan *p, const PlanSlot *s) {
  const Buffer *b = &p->buffers[s->buffer];
  return (size_t)(b->rows_a * b->ld) * (b->dtype == F64 ? sizeof(double) : sizeof(float));
}

static bool is_needed(const PlanSlot *s, const TablePlace *where) { return where->trains || s->role != SLOT_OPT; }

static bool fits(const StepPlan *p, const TablePlace *where) {
  int64_t bytes = 0;
  for (int i = 0; i < p->n_slots; i++)
    if (p->slots[i].lazy && is_needed(&p->slots[i], where)) bytes += (int64_t)bytes_of(p, &p->slots[i]);
  return bytes <= memory_limit(where->memory);
}

static void add_span(SlotHome *h, const PlanSlot *s, bool needed) {   // whole pages
  size_t page = page_size(), at = (size_t)h->plan->buffers[s->buffer].offset;
  size_t from = (at + page - 1) / page * page, to = (at + bytes_of(h->plan, s)) / page * page;
  if (from >= to) return;
  h->spans[h->n++] = (SlotSpan){ from, to, needed ? (int64_t)h->bytes : -1 };
  h->bytes += needed ? to - from : 0;
}

void slots_home(SlotHome *h, const StepPlan *p, const TablePlace *where) {
  *h = (SlotHome){ .plan = p };
  if (!where || !where->folder || (!where->always && fits(p, where))) return;
  h->folder = where->folder;
  h->spans = xcalloc((size_t)p->n_slots + 1, sizeof *h->spans);
  for (int i = 0; i < p->n_slots; i++)                       // slots ascend
    if (p->slots[i].lazy) add_span(h, &p->slots[i], is_needed(&p->slots[i], where));
}

void slots_home_free(SlotHome *h) { free(h->spans); }

// ---------------------------------------------------------------- a set
static bool failed(const SlotHome *h, Slots *s, Diag *d) {
  int why = errno;
  slots_free(h, s);
  if (!d) return false;
  diag_machine(d, is_full(why) ? "disk-full" : "cannot-write", "cannot lay %lld MiB of tables into a file in %s: %s",
               (long long)(h->bytes >> 20), h->folder, strerror(why));
  diag_help(d, "--tables-in names a folder of another disk");
  return false;
}

static void in_memory(char *from, const char *to) {
  if (from >= to) return;
  if (mprotect(from, (size_t)(to - from), PROT_READ | PROT_WRITE)) base_oom((size_t)(to - from));
#ifdef MADV_HUGEPAGE
  madvise(from, (size_t)(to - from), MADV_HUGEPAGE);
#endif
}

// Rows are named at random: what lies around one is not read with it. What nobody needs is zeros that may be read.
static bool map_span(const Slots *s, const SlotSpan *x) {
  char *at = s->at + x->from;
  size_t bytes = x->to - x->from;
  if (x->at < 0) return mprotect(at, bytes, PROT_READ) == 0;
  if (mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->fd, (off_t)x->at) == MAP_FAILED) return false;
  madvise(at, bytes, MADV_RANDOM);
  return true;
}

static bool map_spans(const SlotHome *h, const Slots *s) {
  size_t end = 0;
  for (int i = 0; i < h->n; i++) {
    in_memory(s->at + end, s->at + h->spans[i].from);
    if (!map_span(s, &h->spans[i])) return false;
    end = h->spans[i].to;
  }
  in_memory(s->at + end, s->at + room_bytes((size_t)h->plan->slot_bytes));
  return true;
}

bool slots_new(const SlotHome *h, Slots *s, Diag *d) {
  size_t bytes = (size_t)h->plan->slot_bytes;
  *s = (Slots){ .fd = -1, .fresh = true };
  if (!h->n) {
    s->at = room_new(bytes);
    return true;
  }
  s->fd = nameless_file(h->folder);
  if (s->fd < 0 || !claim_file(s->fd, 0, h->bytes)) return failed(h, s, d);
  s->at = pages_reserve(room_bytes(bytes));
  return map_spans(h, s) || failed(h, s, d);
}

void slots_free(const SlotHome *h, Slots *s) {
  size_t bytes = (size_t)h->plan->slot_bytes;
  if (s->at && h->n) pages_free(s->at, room_bytes(bytes));
  else room_free(s->at, bytes);
  if (h->n && s->fd >= 0) close(s->fd);
  *s = (Slots){ .fd = -1 };
}

void slots_ahead(const void *p, size_t bytes) {
  if (bytes < WORTH) return;
  uintptr_t page = page_size(), from = (uintptr_t)p / page * page;
  madvise((void *)from, (uintptr_t)p + bytes - from, MADV_WILLNEED);
}

static bool is_zero(const char *p, size_t n) { return n == 0 || (!*p && !memcmp(p, p + 1, n - 1)); }

// Where all is 0 already, zeros are not written: they would take memory, or room in what the machine keeps of the file.
static void copy_piece(char *to, const char *from, size_t bytes, bool to_zeros) {
  size_t page = page_size();
  if (!to_zeros) memcpy(to, from, bytes);
  for (size_t at = 0, n; to_zeros && at < bytes; at += n) {
    n = page - (uintptr_t)(from + at) % page;
    if (n > bytes - at) n = bytes - at;
    if (!is_zero(from + at, n)) memcpy(to + at, from + at, n);
  }
}

void slots_copy(const Engine *e, Slots *to, const Slots *from, uint64_t *view) {
  const StepPlan *p = e->plan;
  for (int i = 0; i < p->n_slots; i++) {
    size_t slot = (size_t)p->buffers[p->slots[i].buffer].offset, at = 0, n = 0;
    while (slot_piece(e, &p->slots[i], view, &at, &n)) {
      if (e->home.n) slots_ahead(from->at + slot + at, n);
      copy_piece(to->at + slot + at, from->at + slot + at, n, to->fresh);
    }
  }
  to->fresh = false;
  view_clear(e, view);
}

// ---------------------------------------------------------------- zeros
// The system makes a hole of it, claimed as it is; where it does not know how, what is not zero is written.
static void zero_in_file(const Slots *s, const SlotSpan *x, size_t from, size_t to) {
  if (!fallocate(s->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)(x->at + (int64_t)(from - x->from)), (off_t)(to - from))) return;
  for (size_t page = page_size(), at = from; at < to; at += page)
    if (!is_zero(s->at + at, page)) memset(s->at + at, 0, page);
}

void slots_zero(const SlotHome *h, const Slots *s, const PlanSlot *slot) {
  size_t from = (size_t)h->plan->buffers[slot->buffer].offset, to = from + bytes_of(h->plan, slot);
  for (int i = 0; i < h->n; i++) {
    const SlotSpan *x = &h->spans[i];
    if (x->at < 0 || x->from < from || x->to > to) continue;
    room_zero(s->at + from, x->from - from);
    zero_in_file(s, x, x->from, x->to);
    from = x->to;
  }
  room_zero(s->at + from, to - from);
}
