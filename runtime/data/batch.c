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

enum { PAGE = 4096 };          // a row that is looked at alone brings one, of its numbers and of its ids

static void copy_reals(DType t, void *to, int64_t at, const float *from, int64_t n) {
  if (t == F32) memcpy((float *)to + at, from, sizeof(float) * (size_t)n);
  else
    for (int64_t j = 0; j < n; j++) ((double *)to)[at + j] = from[j];
}

void batch_fill(const Rows *r, const int64_t *order, int64_t first, int64_t n, int dense_width, int n_ids, int n_labels,
                DType dtype, void *dense, int64_t dense_ld, uint32_t *ids, int64_t ids_ld, void *y, void *w,
                int64_t label_ld) {
  for (int64_t i = 0; i < n; i++) {
    int64_t row = order ? order[first + i] : first + i;
    if (dense_width) copy_reals(dtype, dense, i * dense_ld, r->dense + row * dense_width, dense_width);
    if (n_ids) memcpy(ids + i * ids_ld, r->ids + row * n_ids, sizeof *ids * (size_t)n_ids);
  }
  for (int l = 0; l < n_labels; l++)
    for (int64_t i = 0; i < n; i++) {
      int64_t row = order ? order[first + i] : first + i;
      copy_reals(dtype, y, l * label_ld + i, r->y + l * r->n + row, 1);
      copy_reals(dtype, w, l * label_ld + i, r->w + l * r->n + row, 1);
    }
  if (r->file) rows_touch(r, order ? n * 2 * PAGE : n * 4 * (dense_width + n_ids + 2 * n_labels));
}
