// batch_groups.c: the groups of rows in batches: batches that cut none, and the numbers that losses over pairs read.
#include "train_int.h"

void number_batch(const Rows *r, const int64_t *order, int64_t first, int64_t n, int group, DType t, void *to) {
  uint64_t *key = xmalloc(sizeof *key * (size_t)(n + 1));
  int64_t *number = xmalloc(sizeof *number * (size_t)(n + 1));
  for (int64_t i = 0; i < n; i++) key[i] = r->group[group * r->n + (order ? order[first + i] : first + i)];
  number_groups(key, n, number);
  for (int64_t i = 0; i < n; i++) {
    if (t == F32) ((float *)to)[i] = (float)number[i];
    else ((double *)to)[i] = (double)number[i];
  }
  free(number);
  free(key);
}

int64_t large_group(const uint64_t *group, int64_t n, int64_t most, int64_t *rows) {
  int64_t *number = xmalloc(sizeof *number * (size_t)(n + 1)), *size = xcalloc((size_t)n + 1, sizeof *size), found = -1;
  number_groups(group, n, number);
  for (int64_t i = 0; i < n; i++)
    if (number[i] >= 0) size[number[i]]++;
  for (int64_t i = 0; i < n && found < 0; i++)
    if (number[i] >= 0 && size[number[i]] > most) found = i, *rows = size[number[i]];
  free(size);
  free(number);
  return found;
}

// Groups are numbered as they appear in the order; a row of none is a group of its own, after those.
int64_t group_batches(const uint64_t *group, int64_t n, int64_t most, int64_t *order, int64_t *first) {
  uint64_t *key = xmalloc(sizeof *key * (size_t)(n + 1));
  int64_t *number = xmalloc(sizeof *number * (size_t)(n + 1)), *was = xmalloc(sizeof *was * (size_t)(n + 1)), batches = 0, begun = 0;
  for (int64_t i = 0; i < n; i++) key[i] = group[order[i]], was[i] = order[i];
  int64_t groups = number_groups(key, n, number), *at = NULL;
  for (int64_t i = 0; i < n; i++)
    if (number[i] < 0) number[i] = groups++;
  at = xcalloc((size_t)groups + 2, sizeof *at);
  for (int64_t i = 0; i < n; i++) at[number[i] + 2]++;
  for (int64_t k = 0; k < groups; k++) at[k + 2] += at[k + 1];
  for (int64_t i = 0; i < n; i++) order[at[number[i] + 1]++] = was[i];       // now group k stands from at[k] to at[k + 1]
  for (int64_t k = 0; k < groups; k++) {
    if (batches == 0 || at[k + 1] - begun > most) first[batches++] = begun = at[k];
    while (at[k + 1] - begun > most) first[batches++] = begun += most;       // a group that is larger than a batch
  }
  first[batches] = n;
  free(at);
  free(was);
  free(number);
  free(key);
  return batches;
}
