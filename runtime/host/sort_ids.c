// sort_ids.c: the ids of a batch in ascending order, each with its places: what a table's rows are updated by. Radix sort, stable, so that
// places of one id stay in order of inputs, rows and items; as many digits as the largest id has.
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

// ---------------------------------------------------------------- the inputs that name ids
// Places of the source are numbered from `first`, row · m + item.
typedef struct { const HostOperand *ids, *lengths; int64_t m, first; } Source;   // lengths: NULL where ids are no list

static Source source_at(const HostArgs *a, int in, int64_t first) {
  const HostOperand *ids = &a->in[in];
  bool list = ids->rank > 1;
  return (Source){ ids, list ? &a->in[in + 1] : NULL, list ? ids->extent[1] : 1, first };
}

static int next_in(const Source *s, int in) { return in + (s->lengths ? 2 : 1); }
static int64_t end_of(const Source *s) { return s->first + s->ids->extent[0] * s->m; }

// The ids that are there, with their places; returns how many keys there are now.
static int64_t collect(void *const *buf, const Source *s, int64_t n, const Keys *k, int64_t count) {
  const uint32_t *id = (const uint32_t *)buf[s->ids->buffer] + s->ids->offset;
  for (int64_t r = 0; r < n; r++) {
    int64_t items = s->lengths ? (int64_t)host_get(buf, s->lengths, (int64_t[]){ r, 0 }) : 1;
    for (int64_t i = 0; i < items && i < s->m; i++, count++) {
      k->id[count] = id[r * s->ids->stride[0] + (s->lengths ? i * s->ids->stride[1] : 0)];
      k->place[count] = (uint32_t)(s->first + r * s->m + i);
    }
  }
  return count;
}

static uint32_t largest_of(const uint32_t *id, int64_t n) {
  uint32_t most = 0;
  for (int64_t i = 0; i < n; i++)
    if (id[i] > most) most = id[i];
  return most;
}

// ---------------------------------------------------------------- the routine
static int sources_of(const HostArgs *a, Source *out) {
  int n = 0;
  int64_t first = 0;
  for (int in = 0; in < a->n_in; in = next_in(&out[n], in), first = end_of(&out[n++])) {
    CHECK(n < SORT_SOURCES);
    out[n] = source_at(a, in, first);
  }
  return n;
}

static void sort_keys(Keys *k, Keys *other, int64_t n) {
  uint32_t largest = largest_of(k->id, n);
  for (int shift = 0; shift < 32 && largest >> shift; shift += DIGIT) {
    sort_by_digit(k, other, n, shift);
    Keys t = *k;
    *k = *other, *other = t;
  }
}

void host_sort_ids(void *const *buf, const HostArgs *a, int64_t n, int64_t lo, int64_t hi) {
  (void)lo, (void)hi;
  Source source[SORT_SOURCES];
  int s = sources_of(a, source);
  uint32_t *out = (uint32_t *)buf[a->out.buffer] + a->out.offset;
  int64_t c = a->i[1], most = end_of(&source[s - 1]), count = 0, distinct = 0;
  uint32_t *id = out + SORTED_IDS, *start = out + sorted_starts(c), *rows = out + sorted_rows(c, s), *items = out + sorted_items(c, s, most);
  Keys k = { items, items + most }, other = { items + 2 * most, items + 3 * most };   // items are written last, over keys no longer needed
  for (int i = 0; i < s; i++) count = collect(buf, &source[i], n, &k, count);
  sort_keys(&k, &other, count);
  memset(start, 0, sizeof *start * (size_t)(c * s + 1));
  for (int64_t i = 0; i < count; i++) {
    int from = 0;
    while (k.place[i] >= end_of(&source[from])) from++;
    if (i == 0 || k.id[i] != id[distinct - 1]) {
      CHECK(distinct < c);
      id[distinct++] = k.id[i];
    }
    start[(distinct - 1) * s + from + 1]++;
    rows[i] = (uint32_t)((k.place[i] - source[from].first) / source[from].m);
    items[i] = (uint32_t)((k.place[i] - source[from].first) % source[from].m);
  }
  for (int64_t i = 0; i < distinct * s; i++) start[i + 1] += start[i];
  memset(id + distinct, 0, sizeof *id * (size_t)(c - distinct));
  out[0] = (uint32_t)distinct;
}
