// batch.c: the order of an epoch's rows, and rows in that order → the input buffers of a batch.
#include "data_int.h"

// A number below n, without bias: Lemire 2019, "Fast random integer generation in an interval".
static uint64_t below(uint64_t key, uint64_t *counter, uint64_t n) {
  for (;;) {
    uint64_t x = mix64(key + ++*counter * 0x9e3779b97f4a7c15u);
    unsigned __int128 m = (unsigned __int128)x * n;
    if ((uint64_t)m >= -n % n) return (uint64_t)(m >> 64);
  }
}

void shuffle_epoch(uint64_t seed, int64_t epoch, int64_t n, int64_t *order) {
  uint64_t key = mix64(seed + 0x51ed270b0b5c4f1du) ^ mix64((uint64_t)epoch + 1), counter = 0;
  for (int64_t i = 0; i < n; i++) order[i] = i;
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = (int64_t)below(key, &counter, (uint64_t)i + 1), x = order[i];
    order[i] = order[j];
    order[j] = x;
  }
}

// ---------------------------------------------------------------- rows → buffers
enum { PAGE = 4096 };          // a row that is looked at alone brings one, of its numbers and of its ids
enum { LINE = 64, AHEAD_LINES = 96, AHEAD_ROWS = 24 };

typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));

static inline void put(DType t, void *to, int64_t at, float v) {
  if (t == F32) ((float *)to)[at] = v;
  else ((double *)to)[at] = v;
}

// A call of memcpy takes as long as a short row.
static inline void copy_words(float *to, const float *from, int64_t n) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) *(Four *)(to + i) = *(const Four *)(from + i);
  for (; i < n; i++) to[i] = from[i];
}

static inline void copy_reals(DType t, void *to, int64_t at, const float *from, int64_t n) {
  if (t == F32) copy_words((float *)to + at, from, n);
  else
    for (int64_t j = 0; j < n; j++) put(t, to, at + j, from[j]);
}

// A function of prefetches alone has no effect that gcc sees: it must be inlined before a call of it is taken away.
#define FETCHES static inline __attribute__((always_inline)) void
FETCHES fetch(const void *from, int64_t bytes) {             // each line that it touches
  const char *end = (const char *)from + bytes;
  for (const char *p = from; p < end; p += LINE) __builtin_prefetch(p);
  if (bytes) __builtin_prefetch(end - 1);
}

// What a shuffled row brings lies anywhere: it is asked for while the rows before it are copied, also those of the next batch.
FETCHES fetch_row(const Rows *r, int64_t row, const BatchBuffers *to) {
  fetch(r->dense + row * to->dense_width, (int64_t)sizeof(float) * to->dense_width);
  fetch(r->ids + row * to->n_ids, (int64_t)sizeof *r->ids * to->n_ids);
  for (int l = 0; l < to->n_labels; l++) {
    __builtin_prefetch(r->y + l * r->n + row);
    __builtin_prefetch(r->w + l * r->n + row);
  }
}

static int64_t rows_ahead(const BatchBuffers *to) {
  int64_t lines = 2 + (to->dense_width + to->n_ids) / (LINE / (int64_t)sizeof(float)) + 2 * to->n_labels, rows = AHEAD_LINES / lines;
  return rows > AHEAD_ROWS ? AHEAD_ROWS : rows + 1;
}

static void fill_row(const Rows *r, int64_t row, int64_t i, const BatchBuffers *to) {
  if (to->dense_width) copy_reals(to->dtype, to->dense, i * to->dense_ld, r->dense + row * to->dense_width, to->dense_width);
  for (int f = 0; f < to->n_ids; f++) to->ids[i * to->ids_ld + f] = r->ids[row * to->n_ids + f];
  for (int l = 0; l < to->n_labels; l++) {
    put(to->dtype, to->y, l * to->label_ld + i, r->y[l * r->n + row]);
    put(to->dtype, to->w, l * to->label_ld + i, r->w[l * r->n + row]);
  }
}

void batch_fill(const Rows *r, const int64_t *order, int64_t first, int64_t from, int64_t end, const BatchBuffers *to) {
  int64_t ahead = first + rows_ahead(to);
  for (int64_t i = from; i < end; i++) {
    if (order && ahead + i < r->n) fetch_row(r, order[ahead + i], to);
    fill_row(r, order ? order[first + i] : first + i, i, to);
  }
}

void batch_filled(const Rows *r, const int64_t *order, int64_t n, const BatchBuffers *b) {
  if (r->file) rows_touch(r, order ? n * 2 * PAGE : n * 4 * (b->dense_width + b->n_ids + 2 * b->n_labels));
}
