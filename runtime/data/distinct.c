// distinct.c: the distinct texts of a column, numbered as they appear. Open addressing, doubled at half load. A text has a key of 64 bits:
// up to 7 bytes it is the text itself, so that one comparison of numbers finds it; of a longer one it is a hash with the top byte set.
#include "data_int.h"

void distinct_init(Distinct *d, Arena *a, int64_t rows) {
  *d = (Distinct){.code = rows ? NEW_ARRAY(a, int32_t, rows + 1) : NULL, .cap = 256};
  d->value = xmalloc(sizeof *d->value * (size_t)d->cap);
  d->key = xmalloc(sizeof *d->key * (size_t)d->cap);
  d->slot = xcalloc(2 * (size_t)d->cap, sizeof *d->slot);
}

void distinct_free(Distinct *d) {
  free(d->value);
  free(d->key);
  free(d->slot);
}

// ---------------------------------------------------------------- keys
enum { SHORT = 7 };
static uint64_t scatter(uint64_t x) { return x * 0x9e3779b97f4a7c15u; }

static uint64_t long_key(const char *s, size_t n) {          // n > SHORT
  uint64_t h = n;
  for (size_t i = 0; i + 8 < n; i += 8) {
    h = scatter(h ^ load8(s + i));
    h ^= h >> 32;
  }
  return mix64(scatter(h ^ load8(s + n - 8))) | (uint64_t)0xff << 56;
}

static uint64_t key_of(const char *s) {
  char room[8] = {0};
  size_t n = strlen(s);
  if (n > SHORT) return long_key(s, n);
  memcpy(room, s, n);
  return load8(room);
}

// The same, where 8 bytes may be read.
static uint64_t key_of_cell(const char *s) {
  uint64_t x = load8(s), zero = (x - 0x0101010101010101u) & ~x & 0x8080808080808080u;      // the lowest bit: in the first byte that is 0
  return zero ? x & (((zero & -zero) >> 7) - 1) : long_key(s, strlen(s));
}

// ---------------------------------------------------------------- slots
static size_t find(const Distinct *d, uint64_t key, const char *s) {
  size_t mask = 2 * (size_t)d->cap - 1, i = scatter(key) >> 32 & mask;
  for (; d->slot[i]; i = (i + 1) & mask)
    if (d->key[d->slot[i] - 1] == key && (key >> 56 == 0 || strcmp(d->value[d->slot[i] - 1], s) == 0)) break;
  return i;
}

static void grow(Distinct *d) {
  d->cap *= 2;
  d->value = xrealloc(d->value, sizeof *d->value * (size_t)d->cap);
  d->key = xrealloc(d->key, sizeof *d->key * (size_t)d->cap);
  free(d->slot);
  d->slot = xcalloc(2 * (size_t)d->cap, sizeof *d->slot);
  for (int64_t k = 0; k < d->n; k++) d->slot[find(d, d->key[k], d->value[k])] = (int32_t)k + 1;
}

static int32_t add(Distinct *d, uint64_t key, const char *s) {
  size_t i = find(d, key, s);
  if (d->slot[i]) return d->slot[i] - 1;
  if (d->n == d->cap) {
    grow(d);
    i = find(d, key, s);
  }
  d->key[d->n] = key;
  d->value[d->n++] = d->copies ? arena_strdup(d->copies, s) : s;
  d->slot[i] = (int32_t)d->n;
  return (int32_t)d->n - 1;
}

int32_t distinct_find(const Distinct *d, const char *s) { return d->slot[find(d, key_of(s), s)] - 1; }
int32_t distinct_add(Distinct *d, const char *s) { return add(d, key_of(s), s); }
int32_t distinct_add_cell(Distinct *d, const char *s) { return add(d, key_of_cell(s), s); }
