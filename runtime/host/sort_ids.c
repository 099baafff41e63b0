// sort_ids.c: the ids of a batch in ascending order, each with its places: what a table's rows are updated by. Radix sort, stable, so that
// places of one id stay in order of rows and items; as many digits as the largest id has.
#include <stdlib.h>
#include "../host.h"

enum { DIGIT = 11, BUCKETS = 1 << DIGIT };

typedef struct { uint32_t *id, *place; } Keys;

static void sort_by_digit(const Keys *from, const Keys *to, int64_t n, int shift) {
  uint32_t at[BUCKETS] = {0}, sum = 0;
  for (int64_t i = 0; i < n; i++) at[from->id[i] >> shift & (BUCKETS - 1)]++;
  for (int b = 0; b < BUCKETS; b++) {
    uint32_t here = at[b];
    at[b] = sum;
    sum += here;
  }
  for (int64_t i = 0; i < n; i++) {
    uint32_t k = at[from->id[i] >> shift & (BUCKETS - 1)]++;
    to->id[k] = from->id[i];
    to->place[k] = from->place[i];
  }
}

// All ids that are there, with their places row · m + item; gives their number, and the largest.
static int64_t collect(void *const *buf, const HostArgs *a, int64_t n, const Keys *k, uint32_t *largest) {
  const HostOperand *ids = &a->in[0];
  const uint32_t *id = (const uint32_t *)buf[ids->buffer] + ids->offset;
  int64_t m = ids->rank > 1 ? ids->extent[1] : 1, count = 0;
  *largest = 0;
  for (int64_t r = 0; r < n; r++) {
    int64_t items = ids->rank > 1 ? (int64_t)host_get(buf, &a->in[1], (int64_t[]){ r, 0 }) : 1;
    for (int64_t i = 0; i < items && i < m; i++, count++) {
      uint32_t v = id[r * ids->stride[0] + (ids->rank > 1 ? i * ids->stride[1] : 0)];
      k->id[count] = v;
      k->place[count] = (uint32_t)(r * m + i);
      if (v > *largest) *largest = v;
    }
  }
  return count;
}

void host_sort_ids(void *const *buf, const HostArgs *a, int64_t n, int64_t lo, int64_t hi) {
  (void)lo, (void)hi;
  const HostOperand *ids = &a->in[0];
  uint32_t *out = (uint32_t *)buf[a->out.buffer] + a->out.offset, largest;
  int64_t m = ids->rank > 1 ? ids->extent[1] : 1, c = a->i[1], most = ids->extent[0] * m;
  uint32_t *id = out + SORTED_IDS, *start = out + sorted_starts(c), *rows = out + sorted_rows(c), *items = out + sorted_items(c, most);
  Keys k = { items, items + most }, other = { items + 2 * most, items + 3 * most };   // items are written last, over keys no longer needed
  int64_t count = collect(buf, a, n, &k, &largest), distinct = 0;
  for (int shift = 0; shift < 32 && largest >> shift; shift += DIGIT) {
    sort_by_digit(&k, &other, count, shift);
    Keys t = k;
    k = other, other = t;
  }
  for (int64_t i = 0; i < count; i++) {
    if (i == 0 || k.id[i] != id[distinct - 1]) {
      CHECK(distinct < c);
      start[distinct] = (uint32_t)i;
      id[distinct++] = k.id[i];
    }
    rows[i] = k.place[i] / (uint32_t)m;
  }
  start[distinct] = (uint32_t)count;
  out[0] = (uint32_t)distinct;
  for (int64_t i = 0; i < count; i++) {
    uint32_t item = k.place[i] % (uint32_t)m;                     // the places lie at or behind what is written
    items[i] = item;
  }
}
