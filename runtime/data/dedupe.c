// dedupe.c: rows that are like one before. A row is remembered by a digest of 128 bits of its cells, which take 32 bytes of
// memory at most; among 2^40 rows the chance that any two digests are equal by accident is below 2^-48.
#include "data_int.h"

static void grow(RowSet *s) {
  RowSet old = *s;
  s->cap = old.cap ? 2 * old.cap : 1024;
  s->slot = xcalloc(s->cap, sizeof *s->slot);
  for (size_t i = 0; i < old.cap; i++) {
    if (!old.slot[i][0]) continue;
    size_t k = old.slot[i][0] & (s->cap - 1);
    while (s->slot[k][0]) k = (k + 1) & (s->cap - 1);
    memcpy(s->slot[k], old.slot[i], sizeof *s->slot);
  }
  free(old.slot);
}

static bool was_there(RowSet *s, const uint64_t digest[2]) {
  if (2 * s->n >= s->cap) grow(s);
  size_t k = digest[0] & (s->cap - 1);
  for (; s->slot[k][0]; k = (k + 1) & (s->cap - 1))
    if (s->slot[k][0] == digest[0] && s->slot[k][1] == digest[1]) return true;
  memcpy(s->slot[k], digest, sizeof *s->slot);
  s->n++;
  return false;
}

static void add_cell(uint64_t digest[2], const char *s) {
  size_t n = strlen(s) + 1;                                  // with its end, so that `ab`, `c` is not `a`, `bc`
  digest[0] = hash_bytes(s, n, digest[0]);
  digest[1] = hash_bytes(s, n, digest[1]);
}

bool is_duplicate(const Raw *r, int source, const Table *t, int64_t at, RowSet *seen) {
  const DataSource *s = &r->plan->sources[source];
  char *const *cell = t->cell + at * t->width;
  uint64_t digest[2] = {1, 2};
  if (!s->dedupe_rows && !s->n_dedupe) return false;
  for (int i = 0; s->dedupe_rows && i < t->width; i++) add_cell(digest, cell[i]);
  for (int i = 0; i < s->n_dedupe; i++) add_cell(digest, cell[r->column[s->dedupe[i]]]);
  digest[0] |= !digest[0];                                   // 0: an empty slot
  return was_there(seen, digest);
}

void dedupe_block(Raw *r) {
  const DataSource *s = &r->plan->sources[0];
  if (!s->dedupe_rows && !s->n_dedupe) return;
  for (int64_t row = r->from; row < r->n; row++)
    if (is_duplicate(r, 0, r->table, row - r->from, &r->rows)) r->gone[row] = GONE_DUPLICATE;
}
