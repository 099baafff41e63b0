// distinct.c: the distinct texts of a column, numbered as they appear. Open addressing, doubled at half load. A text has a key of 64 bits:
// up to 7 bytes it is the text itself, so that one comparison of numbers finds it; of a longer one it is a hash with the top byte set.
#include "data_int.h"

void distinct_init(Distinct *d, Arena *a, int64_t rows) {
  *d = (Distinct){.code = rows ? NEW_ARRAY(a, int32_t, rows + 1) : NULL, .cap = 256};
  d->value = xmalloc(sizeof *d->value * (size_t)d->cap);
  d->key = xmalloc(sizeof *d->key * (size_t)d->cap);
  d->slot = xcalloc(2 * (size_t)d->cap, sizeof *d->slot);
  d->recent = xcalloc(RECENT, sizeof *d->recent);
}

void distinct_free(Distinct *d) {
  free(d->value);
  free(d->key);
  free(d->slot);
  free(d->recent);
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

// ---------------------------------------------------------------- texts of cells
// The bytes in front of the first that is 0, as a mask; all: none is 0. Only its lowest bit is exact, which is the one that counts.
static inline uint64_t before_zero(uint64_t x) {
  uint64_t zero = (x - 0x0101010101010101u) & ~x & 0x8080808080808080u;
  return zero ? ((zero & -zero) >> 7) - 1 : ~(uint64_t)0;
}

// Behind the first 8 bytes, none of which is 0. false: the text is longer than the words.
static inline bool take_words(const char *s, uint64_t word[RECENT_WORDS]) {
  word[2] = 0;
  for (int i = 1; i < RECENT_WORDS; i++) {
    uint64_t x = load8(s + 8 * i), text = before_zero(x);
    word[i] = x & text;
    if (~text) return true;
  }
  return false;
}

__attribute__((noinline)) static int32_t add_long(Distinct *d, const char *s) {
  uint64_t word[RECENT_WORDS] = {load8(s)};
  if (!take_words(s, word)) return distinct_add(d, s);
  Recent *at = &d->recent[scatter(word[0] ^ scatter(word[1] ^ word[2])) >> 56];
  bool same = !((at->word[0] ^ word[0]) | (at->word[1] ^ word[1]) | (at->word[2] ^ word[2]));
  if (!same || !at->number) *at = (Recent){{word[0], word[1], word[2]}, distinct_add(d, s) + 1};
  return (int32_t)at->number - 1;
}

int32_t distinct_add_cell(Distinct *d, const char *s) {
  uint64_t x = load8(s), text = before_zero(x), key = x & text;
  if (!~text) return add_long(d, s);
  int32_t number = d->slot[scatter(key) >> 32 & (2 * (uint64_t)d->cap - 1)];
  return number && d->key[number - 1] == key ? number - 1 : add(d, key, s);
}
