// split.c: which row trains, validates, tests. Row numbers are those of the file, before any row is dropped. Rows that are
// gone are in no part; the others are divided.
#include <math.h>
#include "data_int.h"

// ---------------------------------------------------------------- by the cells of the block
static void by_rule_alone(Raw *r, const Split *s, int64_t row) {
  for (int k = 0; k < 3 && r->split[row] < 0 && !r->gone[row]; k++) {
    Value v = s->rule[k] ? row_value(r, row, s->rule[k]) : (Value){0};
    if (v.kind && v.number != 0) r->split[row] = (int8_t)k;
  }
}

// A rule without errors for the rows that are ahead: those that no rule before it took.
static void take_by_rule(Raw *r, const Ahead *rule, int split) {
  for (int64_t row = rule->from; row < rule->to; row++) {
    bool takes = rule->value.number[row - rule->from] != 0 && r->split[row] < 0 && !r->gone[row];
    r->split[row] = takes ? (int8_t)split : r->split[row];
  }
}

static void by_rule(Raw *r, const Split *s) {
  Ahead rule = {.to = r->from};
  memset(r->split + r->from, SPLIT_UNUSED, (size_t)(r->n - r->from));
  for (int64_t row = r->from, to; row < r->n; row = to) {
    bool clean = true;
    to = r->n - row < VALUE_ROWS ? r->n : row + VALUE_ROWS;
    for (int k = 0; k < 3 && clean; k++) {
      if (!(rule.e = s->rule[k])) continue;
      clean = look_ahead(r, &rule, row);
      if (clean) take_by_rule(r, &rule, k);
    }
    if (clean) continue;
    memset(r->split + row, SPLIT_UNUSED, (size_t)(to - row));
    for (int64_t i = row; i < to; i++) by_rule_alone(r, s, i);
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

static double time_of(Raw *r, int64_t row, const Split *s) {
  bool missing;
  double v = 0;
  const char *cell = row_cell(r, row, s->time, &missing);
  if (missing) cell_error(r, row, 1, "missing-time", s->time, NULL, "this row has no time, and the rows are split by it");
  else if (!parse_time(cell, NULL, &v)) time_error(r, row, s->time, cell, NULL);
  return v;
}

static void read_times(Raw *r, const Split *s) {
  for (int64_t row = r->from; row < r->n; row++) r->time[row] = r->gone[row] ? 0 : time_of(r, row, s);
}

static void read_groups(Raw *r, const Split *s) {
  for (int64_t row = r->from; row < r->n; row++) {
    bool missing;
    const char *cell = row_cell(r, row, s->group - 1, &missing);
    r->group[row] = missing || r->gone[row] ? -1 : distinct_add(&r->groups, cell);
  }
}

void split_block(Raw *r) {
  const Split *s = &r->plan->split;
  if (r->time) read_times(r, s);
  if (r->group) read_groups(r, s);
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

// ---------------------------------------------------------------- by groups
// Groups are taken in a seeded order (or that of their first rows); each goes whole to the part in which its first row would
// lie, so parts may be larger than their fractions by a part of a group.
static void by_group(Raw *r, const double *fraction, bool file_order, uint64_t seed) {
  int64_t groups = r->groups.n, n = 0, before = 0;
  for (int64_t i = 0; i < r->n; i++) {                       // a row without a group is one
    if (!r->gone[i] && r->group[i] < 0) r->group[i] = (int32_t)groups++;
    n += !r->gone[i];
  }
  int64_t *rows = xcalloc((size_t)groups + 1, sizeof *rows), *order = xmalloc(sizeof *order * (size_t)(groups + 1));
  int8_t *part = xmalloc((size_t)groups + 1);
  for (int64_t i = 0; i < r->n; i++)
    if (!r->gone[i]) rows[r->group[i]]++;
  shuffle_epoch(seed, -1, groups, order);
  for (int64_t k = 0; k < groups; k++) {
    int64_t g = file_order ? k : order[k];
    double edge = 0;
    part[g] = SPLIT_UNUSED;
    for (int s = 0; s < 3 && part[g] < 0; s++) {
      edge += fraction[s];
      if (edge > 1 - 1e-9 || before < llround(edge * (double)n)) part[g] = (int8_t)s;
    }
    before += rows[g];
  }
  for (int64_t i = 0; i < r->n; i++)
    if (!r->gone[i]) r->split[i] = part[r->group[i]];
  free(part);
  free(order);
  free(rows);
}

// ---------------------------------------------------------------- by time
typedef struct { double time; int64_t row; } Moment;
static int by_moment(const void *a, const void *b) {         // rows of one moment as in the file
  const Moment *x = a, *y = b;
  if (x->time != y->time) return x->time < y->time ? -1 : 1;
  return x->row < y->row ? -1 : 1;
}

static void in_order_of_time(Raw *r, const double *fraction) {
  Moment *m = xmalloc(sizeof *m * (size_t)(r->n + 1));
  int64_t n = 0, from = 0;
  double edge = 0;
  for (int64_t i = 0; i < r->n; i++)
    if (!r->gone[i]) m[n++] = (Moment){r->time[i], i};
  qsort(m, (size_t)n, sizeof *m, by_moment);
  memset(r->split, SPLIT_UNUSED, (size_t)r->n);
  for (int s = 0; s < 3; s++) {
    edge += fraction[s];
    int64_t to = edge > 1 - 1e-9 ? n : (int64_t)llround(edge * (double)n);
    while (to > 0 && to < n && m[to].time == m[to - 1].time) to++;       // one moment is in one part
    for (int64_t i = from; i < to; i++) r->split[m[i].row] = (int8_t)s;
    from = to > from ? to : from;
  }
  free(m);
}

static void by_time(Raw *r, const Split *s) {
  if (!s->at_times) in_order_of_time(r, s->fraction);
  for (int64_t i = 0; s->at_times && i < r->n; i++) r->split[i] = r->time[i] >= s->edge[1] ? 2 : r->time[i] >= s->edge[0];
}

static void take_out_gone(Raw *r) {
  for (int64_t i = 0; i < r->n; i++)
    if (r->gone[i]) r->split[i] = r->gone[i] == GONE_DUPLICATE ? SPLIT_DUPLICATE : SPLIT_DROPPED;
}

void split_all(Raw *r, int split) {
  memset(r->split, split, (size_t)r->n);
  take_out_gone(r);
}

void split_rows(Raw *r) {
  const Split *s = &r->plan->split;
  double held_out = s->valid_fraction;
  switch (s->kind) {
  case SPLIT_FRACTION:
    (r->group ? by_group : by_fraction)(r, s->fraction, s->file_order, r->plan->seed);
    break;
  case SPLIT_TIME: by_time(r, s); break;
  case SPLIT_FILES: by_fraction(r, (double[3]){1 - held_out, held_out}, s->file_order, r->plan->seed); break;
  case SPLIT_NONE: by_fraction(r, (double[3]){1}, true, 0); break;
  case SPLIT_RULE:
  case SPLIT_COLUMN: break;                                  // split_block
  }
  take_out_gone(r);
}
