// kept.c: what a plan keeps of the rows to train on (program KEEP): values that no step changes, computed with the batch in which a row
// first comes and taken from memory in later epochs. Of no consequence but for the time: a row's values have the same bits in any batch.
#include "train_int.h"

struct KeptRows { int width; float *value; bool *has; };     // [rows, width], [rows]

KeptRows *kept_rows_new(const StepPlan *p, int64_t rows, int64_t memory) {
  int64_t bytes;
  if (!p->kept_width || __builtin_mul_overflow(rows, (int64_t)sizeof(float) * p->kept_width, &bytes) || bytes > memory / 2) return NULL;
  KeptRows k = { p->kept_width, malloc((size_t)bytes + 1), calloc((size_t)rows + 1, sizeof *k.has) }, *out = NULL;
  if (k.value && k.has) {
    out = xmalloc(sizeof *out);
    *out = k;
    return out;
  }
  free(k.value);
  free(k.has);
  return NULL;
}

void kept_rows_free(KeptRows *k) {
  if (!k) return;
  free(k->value);
  free(k->has);
  free(k);
}

void kept_rows_batch(KeptRows *k, Engine *e, const int64_t *order, int64_t first, int64_t n) {
  const StepPlan *p = e->plan;
  size_t bytes = sizeof(float) * (size_t)k->width;
  float *batch = (float *)e->buf[e->dense] + p->kept_first;
  int64_t ld = p->buffers[e->dense].ld;
  bool all = true;
  for (int64_t i = first; i < first + n; i++) all &= k->has[order ? order[i] : i];
  if (!all) engine_keep(e, n);
  for (int64_t i = 0; i < n; i++) {
    int64_t row = order ? order[first + i] : first + i;
    float *stored = k->value + row * k->width;
    if (all) memcpy(batch + i * ld, stored, bytes);
    else memcpy(stored, batch + i * ld, bytes), k->has[row] = true;
  }
  e->has_kept = true;
}
