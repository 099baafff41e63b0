// split.c: which row trains, validates, tests. Row numbers are those of the file, before any row is dropped.
#include <math.h>
#include "data_int.h"

static void by_fraction(Raw *r, const double *fraction, bool file_order, uint64_t seed) {
  int64_t *order = NEW_ARRAY(r->arena, int64_t, r->n);
  if (file_order)
    for (int64_t i = 0; i < r->n; i++) order[i] = i;
  else shuffle_epoch(seed, -1, r->n, order);
  double edge = 0;
  int64_t from = 0;
  for (int64_t i = 0; i < r->n; i++) r->split[i] = SPLIT_UNUSED;
  for (int s = 0; s < 3; s++) {
    edge += fraction[s];
    int64_t to = edge > 1 - 1e-9 ? r->n : (int64_t)llround(edge * (double)r->n);
    for (int64_t i = from; i < to; i++) r->split[order[i]] = (int8_t)s;
    from = to;
  }
}

static void by_rule(Raw *r, const Split *s) {
  for (int64_t row = 0; row < r->n; row++) {
    r->split[row] = SPLIT_UNUSED;
    for (int k = 0; k < 3 && r->split[row] < 0; k++) {
      Value v = s->rule[k] ? row_value(r, row, s->rule[k]) : (Value){0};
      if (v.kind && v.number != 0) r->split[row] = (int8_t)k;
    }
  }
}

static void by_column(Raw *r, const Split *s) {
  for (int64_t row = 0; row < r->n; row++) {
    bool missing;
    const char *cell = row_cell(r, row, s->column, &missing);
    r->split[row] = SPLIT_UNUSED;
    for (int k = 0; k < 3; k++)
      if (s->value[k] && !missing && !strcmp(cell, s->value[k])) r->split[row] = (int8_t)k;
  }
}

void split_rows(Raw *r) {
  const Split *s = &r->plan->split;
  double held_out = s->valid_fraction;
  switch (s->kind) {
  case SPLIT_FRACTION: by_fraction(r, s->fraction, s->file_order, r->plan->seed); break;
  case SPLIT_RULE: by_rule(r, s); break;
  case SPLIT_COLUMN: by_column(r, s); break;
  case SPLIT_FILES: by_fraction(r, (double[3]){1 - held_out, held_out}, s->file_order, r->plan->seed); break;
  case SPLIT_NONE: by_fraction(r, (double[3]){1}, true, 0); break;
  }
}
