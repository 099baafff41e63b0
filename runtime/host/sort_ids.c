// sort_ids.c: the ids of a batch in ascending order, each with its places: what a table's rows are updated by. Radix sort, stable, so that
// places of one id stay in order of inputs, rows and items; digits as even as can be, counted together before the first is sorted by.
#include <stdlib.h>
#include "../host.h"

enum { LONGEST_DIGIT = 11, MOST_DIGITS = 3, FEW = 16 };

typedef struct { uint32_t id, place; } Key;
typedef struct { int n, bits; uint32_t at[MOST_DIGITS][1 << LONGEST_DIGIT]; } Digits;   // at: how many keys have that digit, then where they go

static Digits *digits_of(Digits *d, int64_t size) {                // of ids below `size`
  int bits = 1;
  while (bits < 32 && (size - 1) >> bits) bits++;
  d->n = (bits + LONGEST_DIGIT - 1) / LONGEST_DIGIT;
  d->bits = (bits + d->n - 1) / d->n;
  for (int i = 0; i < d->n; i++) memset(d->at[i], 0, sizeof *d->at[i] << d->bits);
  return d;
}

static uint32_t digit(const Digits *d, int i, uint32_t id) { return id >> (i * d->bits) & ((1u << d->bits) - 1); }

static void sort_by_digit(Digits *d, int i, const Key *from, Key *to, int64_t n) {
  uint32_t sum = 0;
  for (int b = 0; b < 1 << d->bits; b++) {
    uint32_t here = d->at[i][b];
    d->at[i][b] = sum;
    sum += here;
  }
  for (int64_t k = 0; k < n; k++) to[d->at[i][digit(d, i, from[k].id)]++] = from[k];
}

static void sort_few(Key *k, int64_t n) {                          // of a row or two, as in a prediction: by insertion
  for (int64_t i = 1; i < n; i++) {
    Key x = k[i];
    int64_t at = i;
    for (; at > 0 && k[at - 1].id > x.id; at--) k[at] = k[at - 1];
    k[at] = x;
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
static int64_t collect(void *const *buf, const Source *s, int64_t n, Digits *d, Key *k, int64_t count) {
  const uint32_t *id = (const uint32_t *)buf[s->ids->buffer] + s->ids->offset;
  for (int64_t r = 0; r < n; r++) {
    int64_t items = s->lengths ? (int64_t)host_get(buf, s->lengths, (int64_t[]){ r, 0 }) : 1;
    for (int64_t i = 0; i < items && i < s->m; i++, count++) {
      k[count] = (Key){ id[r * s->ids->stride[0] + (s->lengths ? i * s->ids->stride[1] : 0)], (uint32_t)(s->first + r * s->m + i) };
      for (int j = 0; j < d->n; j++) d->at[j][digit(d, j, k[count].id)]++;
    }
  }
  return count;
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

// Items that are not there: of lists, in the rows of this batch.
static void clear_numbers(const Source *source, int n, int64_t rows, uint32_t *number) {
  for (int i = 0; i < n; i++)
    if (source[i].lengths) memset(number + source[i].first, 0, sizeof *number * (size_t)(rows * source[i].m));
}

// The sorted keys as host.h has them. Items are written over keys that are no longer needed.
static void write(const HostArgs *a, const Source *source, int n, int64_t places, const Key *k, int64_t count, uint32_t *out) {
  int64_t c = a->i[1], starts = 0, distinct = 0;
  uint32_t *id = out + SORTED_IDS, *start = out + sorted_starts(c), *row = out + sorted_rows(c, n), *item = out + sorted_items(c, n, places);
  uint32_t *number = out + sorted_numbers(c, n, places);
  for (int64_t i = 0; i < count; i++) {
    Key x = k[i];
    int from = 0;
    while (x.place >= end_of(&source[from])) from++;
    if (i == 0 || x.id != id[distinct - 1]) {
      CHECK(distinct < c);
      id[distinct++] = x.id;
    }
    number[x.place] = (uint32_t)(distinct - 1);
    while (starts <= (distinct - 1) * n + from) start[starts++] = (uint32_t)i;
    uint32_t at = x.place - (uint32_t)source[from].first, m = (uint32_t)source[from].m;
    row[i] = m > 1 ? at / m : at;
    item[i] = m > 1 ? at % m : 0;
  }
  while (starts <= distinct * n) start[starts++] = (uint32_t)count;
  out[0] = (uint32_t)distinct;
}

void host_sort_ids(void *const *buf, const HostArgs *a, int64_t n, int64_t lo, int64_t hi) {
  (void)lo, (void)hi;
  Source source[SORT_SOURCES];
  Digits digits, *d = digits_of(&digits, a->i[3]);
  int s = sources_of(a, source);
  int64_t places = end_of(&source[s - 1]), count = 0;
  uint32_t *out = (uint32_t *)buf[a->out.buffer] + a->out.offset;
  Key *k = (Key *)(out + sorted_items(a->i[1], s, places)), *other = k + places;
  for (int i = 0; i < s; i++) count = collect(buf, &source[i], n, d, k, count);
  if (count <= FEW) sort_few(k, count);
  for (int i = 0; i < d->n && count > FEW; i++) {
    sort_by_digit(d, i, k, other, count);
    Key *t = k;
    k = other, other = t;
  }
  clear_numbers(source, s, n, out + sorted_numbers(a->i[1], s, places));
  write(a, source, s, places, k, count, out);
}
