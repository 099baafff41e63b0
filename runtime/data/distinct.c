// distinct.c: the distinct texts of a column, numbered as they appear. Open addressing, doubled at half load.
#include "data_int.h"

void distinct_init(Distinct *d, Arena *a, int64_t rows) {
  *d = (Distinct){.code = rows ? NEW_ARRAY(a, int32_t, rows + 1) : NULL, .cap = 32};
  d->value = xmalloc(sizeof *d->value * (size_t)d->cap);
  d->slot = xcalloc(2 * (size_t)d->cap, sizeof *d->slot);
}

void distinct_free(Distinct *d) {
  free(d->value);
  free(d->slot);
}

// By 8 bytes; of no meaning outside of this file.
static uint64_t quick_hash(const char *s) {
  const uint64_t odd = 0x9e3779b97f4a7c15u;
  size_t n = strlen(s);
  uint64_t h = n, x;
  for (; n > 8; n -= 8, s += 8) {
    memcpy(&x, s, 8);
    h = (h ^ x) * odd;
    h ^= h >> 32;
  }
  x = 0;
  memcpy(&x, s, n);
  return mix64((h ^ x) * odd);
}

static size_t find(const Distinct *d, const char *s) {
  size_t mask = 2 * (size_t)d->cap - 1, i = quick_hash(s) & mask;
  while (d->slot[i] && strcmp(d->value[d->slot[i] - 1], s) != 0) i = (i + 1) & mask;
  return i;
}

static void grow(Distinct *d) {
  d->cap *= 2;
  d->value = xrealloc(d->value, sizeof *d->value * (size_t)d->cap);
  free(d->slot);
  d->slot = xcalloc(2 * (size_t)d->cap, sizeof *d->slot);
  for (int64_t k = 0; k < d->n; k++) d->slot[find(d, d->value[k])] = (int32_t)k + 1;
}

int32_t distinct_find(const Distinct *d, const char *s) { return d->slot[find(d, s)] - 1; }

int32_t distinct_add(Distinct *d, const char *s) {
  size_t i = find(d, s);
  if (d->slot[i]) return d->slot[i] - 1;
  if (d->n == d->cap) {
    grow(d);
    i = find(d, s);
  }
  d->value[d->n++] = d->copies ? arena_strdup(d->copies, s) : s;
  d->slot[i] = (int32_t)d->n;
  return (int32_t)d->n - 1;
}
