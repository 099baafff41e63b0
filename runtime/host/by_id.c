// by_id.c: a matrix of ids turned over: for each id the rows that have it, for some rows of the batch at a time. Counting sort, stable.
#include "../host.h"

// Counts lie two words on, so that running sums put the begin of v at v + 1, and moving it to v's end leaves the begins in their places.
static void turn_over(const HostOperand *ids, const uint32_t *id, int64_t from, int64_t to, int64_t v, uint32_t *begin) {
  uint32_t *rows = begin + by_id_rows(v);
  int64_t m = ids->extent[1];
  memset(begin, 0, sizeof *begin * (size_t)by_id_rows(v));
  for (int64_t r = from; r < to; r++)
    for (int64_t i = 0; i < m; i++) begin[id[r * ids->stride[0] + i * ids->stride[1]] + 2]++;
  for (int64_t k = 2; k <= v; k++) begin[k] += begin[k - 1];
  for (int64_t r = from; r < to; r++)
    for (int64_t i = 0; i < m; i++) rows[begin[id[r * ids->stride[0] + i * ids->stride[1]] + 1]++] = (uint32_t)r;
}

void host_by_id(void *const *buf, const HostArgs *a, int64_t n, int64_t lo, int64_t hi) {
  const HostOperand *ids = &a->in[0];
  const uint32_t *id = (const uint32_t *)buf[ids->buffer] + ids->offset;
  uint32_t *out = (uint32_t *)buf[a->out.buffer] + a->out.offset;
  int64_t chunk = a->i[1], v = a->out.extent[1] - by_id_words(0, chunk * ids->extent[1]);
  for (int64_t c = lo; c < hi && c * chunk < n; c++) {
    int64_t end = (c + 1) * chunk;
    turn_over(ids, id, c * chunk, end < n ? end : n, v, out + c * a->out.stride[0]);
  }
}
