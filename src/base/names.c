// names.c: interned names, hashing, the nearest name for "did you mean", width on a terminal.
#include "base.h"
#include <pthread.h>
#include <utf8proc.h>

uint64_t mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// FNV-1a with the finaliser of splitmix64
uint64_t hash_begin(uint64_t seed) { return 0xcbf29ce484222325u ^ (seed * 0x9e3779b97f4a7c15u); }

uint64_t hash_more(uint64_t h, const void *p, size_t n) {
  const unsigned char *s = p;
  for (size_t i = 0; i < n; i++) h = (h ^ s[i]) * 0x100000001b3u;
  return h;
}

uint64_t hash_end(uint64_t h) { return mix64(h); }

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed) { return hash_end(hash_more(hash_begin(seed), p, n)); }

// ---- the table of names: open addressing, never shrinks
static struct { const char **slot; size_t n, cap; Arena *arena; } table;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static size_t find(const char *s, size_t n) {
  size_t i = hash_bytes(s, n, 0) & (table.cap - 1);
  while (table.slot[i] && (strncmp(table.slot[i], s, n) || table.slot[i][n])) i = (i + 1) & (table.cap - 1);
  return i;
}

static void grow(void) {
  const char **old = table.slot;
  size_t old_cap = table.cap;
  table.cap = old_cap ? 2 * old_cap : 1024;
  table.slot = xcalloc(table.cap, sizeof *table.slot);
  for (size_t i = 0; i < old_cap; i++)
    if (old[i]) table.slot[find(old[i], strlen(old[i]))] = old[i];
  free(old);
}

static void forget(void) {
  arena_free(table.arena);
  free(table.slot);
}

const char *internn(const char *s, size_t n) {
  pthread_mutex_lock(&lock);
  if (!table.arena) {
    table.arena = arena_new();
    atexit(forget);
  }
  if (2 * (table.n + 1) > table.cap) grow();
  size_t i = find(s, n);
  if (!table.slot[i]) {
    table.slot[i] = arena_strndup(table.arena, s, n);
    table.n++;
  }
  const char *name = table.slot[i];
  pthread_mutex_unlock(&lock);
  return name;
}
const char *intern(const char *s) { return internn(s, strlen(s)); }

// ---- did you mean
enum { LONGEST_WORD = 64 };
static int decode(const char *s, int32_t *out) {                    // code points, at most LONGEST_WORD, case folded
  int n = 0;
  for (size_t left = strlen(s); left && n < LONGEST_WORD;) {
    utf8proc_int32_t c;
    utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)left, &c);
    if (step <= 0) { c = (unsigned char)*s; step = 1; }
    out[n++] = utf8proc_tolower(c);
    s += step;
    left -= (size_t)step;
  }
  return n;
}

// Damerau–Levenshtein distance (optimal string alignment)
static int distance(const int32_t *a, int n, const int32_t *b, int m) {
  int d[3][LONGEST_WORD + 1];
  for (int j = 0; j <= m; j++) d[0][j] = j;
  for (int i = 1; i <= n; i++) {
    int *row = d[i % 3], *up = d[(i + 2) % 3], *up2 = d[(i + 1) % 3];
    row[0] = i;
    for (int j = 1; j <= m; j++) {
      int best = up[j - 1] + (a[i - 1] != b[j - 1]);
      if (up[j] + 1 < best) best = up[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && up2[j - 2] + 1 < best) best = up2[j - 2] + 1;
      row[j] = best;
    }
  }
  return d[n % 3][m];
}

const char *nearest(const char *word, const char *const *candidates, int n) {
  int32_t a[LONGEST_WORD], b[LONGEST_WORD];
  int length = decode(word, a), limit = length <= 3 ? 1 : length <= 7 ? 2 : 3;
  const char *best = NULL;
  for (int i = 0; i < n; i++) {
    int m = decode(candidates[i], b), d = distance(a, length, b, m);
    if (d > limit || d >= length || (d >= m && d)) continue;
    if (d == 0 && !strcmp(word, candidates[i])) continue;
    limit = d - 1;
    best = candidates[i];
    if (limit < 0) break;
  }
  return best;
}

int display_width(const char *s, size_t n) {
  int width = 0;
  while (n) {
    utf8proc_int32_t c;
    utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &c);
    if (step <= 0) { c = '?'; step = 1; }
    width += utf8proc_charwidth(c);
    s += step;
    n -= (size_t)step;
  }
  return width;
}
