// split.c: which row trains, validates, tests. Row numbers are those of the file, before any row is dropped. Rows that are
// gone are in no part; the others are divided.
#include <math.h>
#include "data_int.h"

// ---------------------------------------------------------------- by the cells of the block
static void by_rule(Raw *r, const Split *s) {
  for (int64_t row = r->from; row < r->n; row++) {
    r->split[row] = SPLIT_UNUSED;
    for (int k = 0; k < 3 && r->split[row] < 0 && !r->gone[row]; k++) {
      Value v = s->rule[k] ? row_value(r, row, s->rule[k]) : (Value){0};
      if (v.kind && v.number != 0) r->split[row] = (int8_t)k;
    }
  }
}

static void by_column(Raw *r, const Split *s) {
  for (int64_t row = r->from; row < r->n; row++) {
    bool missing;
    const char *cell = row_cell(r, row, s->column, &missing);
    r->split[row] = SPLIT_UNUSED;
    for (int k = 0; k < 3; k++)
      if (s->value[k] && !missing && !strcmp(cell, s->value[k])) r->split[row] = (int8_t)k;
  }
}

void split_block(Raw *r) {
  const Split *s = &r->plan->split;
  if (s->kind == SPLIT_RULE) by_rule(r, s);
  if (s->kind == SPLIT_COLUMN) by_column(r, s);
}

// ---------------------------------------------------------------- by place in the file
// The rows that are there, in file order.
static int64_t present(const Raw *r, int64_t *row) {
  int64_t n = 0;
  for (int64_t i = 0; i < r->n; i++)
    if (!r->gone[i]) row[n++] = i;
  return n;
}

static void by_fraction(Raw *r, const double *fraction, bool file_order, uint64_t seed) {
  int64_t *row = xmalloc(sizeof *row * (size_t)(r->n + 1)), *order = NULL, n = present(r, row), from = 0;
  double edge = 0;
  if (!file_order) {
    order = xmalloc(sizeof *order * (size_t)(n + 1));
    shuffle_epoch(seed, -1, n, order);
  }
  memset(r->split, SPLIT_UNUSED, (size_t)r->n);
  for (int s = 0; s < 3; s++) {
    edge += fraction[s];
    int64_t to = edge > 1 - 1e-9 ? n : (int64_t)llround(edge * (double)n);
    for (int64_t i = from; i < to; i++) r->split[row[order ? order[i] : i]] = (int8_t)s;
    from = to;
  }
  free(order);
  free(row);
}

static void take_out_gone(Raw *r) {
  for (int64_t i = 0; i < r->n; i++)
    if (r->gone[i]) r->split[i] = SPLIT_DROPPED;
}

void split_all(Raw *r, int split) {
  memset(r->split, split, (size_t)r->n);
  take_out_gone(r);
}

void split_rows(Raw *r) {
  const Split *s = &r->plan->split;
  double held_out = s->valid_fraction;
  switch (s->kind) {
  case SPLIT_FRACTION: by_fraction(r, s->fraction, s->file_order, r->plan->seed); break;
  case SPLIT_FILES: by_fraction(r, (double[3]){1 - held_out, held_out}, s->file_order, r->plan->seed); break;
  case SPLIT_NONE: by_fraction(r, (double[3]){1}, true, 0); break;
  case SPLIT_RULE:
  case SPLIT_COLUMN: break;                                  // split_block
  }
  take_out_gone(r);
}
