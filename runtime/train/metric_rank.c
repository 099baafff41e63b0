// metric_rank.c: metrics of the order of the scores, over all rows or within groups of rows. Rows of one score are a tie:
// no result depends on the order in which they stand.
#include <math.h>
#include "train_int.h"

typedef struct { uint32_t key, row; } Ranked;                             // key: sorts as the score does
typedef struct { double pos, neg; } Tie;                                  // weight of the rows of one score
// The rows that count, by group where there are groups, then by score, ascending.
typedef struct {
  const Ranked *row; int64_t n;                                           // n −1: a score or the head is not one number
  int64_t *end; int64_t groups;                                           // each group's rows end before `end`
  void *memory[2];
} Order;

// Any order of finite floats; −0 = +0.
static uint32_t rank_key(float p) {
  uint32_t bits;
  p += 0.0f;                                                 // −0 becomes +0
  memcpy(&bits, &p, sizeof bits);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

// By key: three passes of 11 bits, least significant first. tmp: n more.
static Ranked *radix_sort(Ranked *a, Ranked *tmp, int64_t n) {
  enum { BITS = 11, SIZE = 1 << BITS };
  for (int shift = 0; shift < 32; shift += BITS) {
    int64_t at[SIZE] = {0}, sum = 0;
    for (int64_t i = 0; i < n; i++) at[a[i].key >> shift & (SIZE - 1)]++;
    for (int b = 0; b < SIZE; b++) {
      int64_t count = at[b];
      at[b] = sum;
      sum += count;
    }
    for (int64_t i = 0; i < n; i++) tmp[at[a[i].key >> shift & (SIZE - 1)]++] = a[i];
    Ranked *swap = a;
    a = tmp, tmp = swap;
  }
  return a;
}

// Numbers the groups as they appear in rows 0 … n−1: number[i], or −1 for a row of none. Their count.
int64_t number_groups(const uint64_t *group, int64_t n, int64_t *number) {
  size_t slots = 64;
  while (slots < 2 * (size_t)n) slots *= 2;
  int64_t *first = xcalloc(slots, sizeof *first), groups = 0;               // 1 + the first row of the group
  for (int64_t i = 0; i < n; i++) {
    size_t at = (size_t)mix64(group[i]) & (slots - 1);
    while (first[at] && group[first[at] - 1] != group[i]) at = (at + 1) & (slots - 1);
    if (!first[at] && group[i]) {
      first[at] = i + 1;
      number[i] = groups++;
    } else number[i] = group[i] ? number[first[at] - 1] : -1;
  }
  free(first);
  return groups;
}

// Parts sorted rows by group, each in its order; rows of no group go.
static void part_by_group(const Scored *s, Order *o, const Ranked *from, Ranked *to) {
  int64_t *number = xmalloc(sizeof *number * (size_t)(s->n + 1)), kept = 0;
  o->groups = number_groups(s->group, s->n, number);
  o->memory[1] = o->end = xcalloc((size_t)o->groups + 1, sizeof *o->end);
  for (int64_t i = 0; i < o->n; i++)
    if (number[from[i].row] >= 0) o->end[number[from[i].row]]++, kept++;
  for (int64_t g = 0, sum = 0; g < o->groups; g++) {
    int64_t count = o->end[g];
    o->end[g] = sum;                                         // where the next row goes; behind the last in the end
    sum += count;
  }
  for (int64_t i = 0; i < o->n; i++)
    if (number[from[i].row] >= 0) to[o->end[number[from[i].row]]++] = from[i];
  o->row = to;
  o->n = kept;
  free(number);
}

static Order ordered(const Scored *s) {
  CHECK(s->n <= UINT32_MAX);
  Ranked *r = xmalloc(((size_t)s->n * 2 + 1) * sizeof *r);
  Order o = { .row = r, .n = s->width == 1 ? 0 : -1, .memory = { r } };
  for (int64_t i = 0; i < s->n && o.n >= 0; i++) {
    if (s->w[i] == 0) continue;
    if (isnan(s->p[i])) o.n = -1;
    else r[o.n++] = (Ranked){ rank_key(s->p[i]), (uint32_t)i };
  }
  if (o.n <= 0) return o;
  o.row = radix_sort(r, r + s->n, o.n);
  if (s->group) part_by_group(s, &o, o.row, o.row == r ? r + s->n : r);
  return o;
}

static void order_free(Order *o) {
  free(o->memory[0]);
  free(o->memory[1]);
}

// The rows of one score from `at` on; sets *end behind them.
static Tie tie_at(const Scored *s, const Ranked *r, int64_t at, int64_t n, int64_t *end) {
  Tie t = {0};
  for (*end = at; *end < n && r[*end].key == r[at].key; ++*end)
    *(is_positive(s->y[r[*end].row]) ? &t.pos : &t.neg) += (double)s->w[r[*end].row];
  return t;
}

// ---------------------------------------------------------------- all rows
// Area under the ROC curve of n ranked rows: the part of all pairs (positive, negative) in which the positive scores higher,
// ties as half (Mann–Whitney). NAN with one class only. With whole weights all sums but the last quotient are exact.
static double area(const Scored *s, const Ranked *r, int64_t n) {
  double wins = 0, pos = 0, neg = 0;                         // wins: twice the pairs
  for (int64_t i = 0, end; i < n; i = end) {
    Tie t = tie_at(s, r, i, n, &end);
    wins += t.pos * (2 * neg + t.neg);
    pos += t.pos;
    neg += t.neg;
  }
  return pos > 0 && neg > 0 ? wins / (2 * pos * neg) : NAN;
}

double metric_auc(const Scored *s) {
  Order o = ordered(s);
  double v = o.n > 0 ? area(s, o.row, o.n) : NAN;
  order_free(&o);
  return v;
}

// What is found from the highest score down: fn of the totals at each distinct score, where all rows of it or above are
// taken for positive. yes, all: positives and rows taken; pos: positives there are.
typedef void AtScore(void *ctx, double more, double yes, double all, double pos);   // more: positives of this score
static bool down_the_scores(const Scored *s, AtScore *fn, void *ctx) {
  Order o = ordered(s);
  const Ranked *r = o.row;
  double pos = 0, yes = 0, all = 0;
  for (int64_t i = 0; i < o.n; i++) pos += is_positive(s->y[r[i].row]) ? (double)s->w[r[i].row] : 0;
  for (int64_t end = o.n, i; end > 0 && pos > 0; end = i) {
    double more = 0;
    for (i = end; i > 0 && r[i - 1].key == r[end - 1].key; i--) {
      double w = (double)s->w[r[i - 1].row];
      all += w;
      more += is_positive(s->y[r[i - 1].row]) ? w : 0;
    }
    yes += more;
    fn(ctx, more, yes, all, pos);
  }
  order_free(&o);
  return pos > 0;
}

static void add_step(void *ctx, double more, double yes, double all, double pos) { *(double *)ctx += more / pos * (yes / all); }
static void take_f1(void *ctx, double more, double yes, double all, double pos) {
  (void)more;
  *(double *)ctx = fmax(*(double *)ctx, 2 * yes / (all + pos));
}

// Area under the precision-recall curve as average precision: Σ (R_k − R_{k−1})·P_k over the distinct scores, descending. NAN
// without a positive.
double metric_pr_auc(const Scored *s) {
  double sum = 0;
  return down_the_scores(s, add_step, &sum) ? sum : NAN;
}

double metric_max_f1(const Scored *s) {                      // the largest f1 of any threshold; NAN without a positive
  double best = 0;
  return down_the_scores(s, take_f1, &best) ? best : NAN;
}

// ---------------------------------------------------------------- within groups
// Mean of a figure over the groups that have one; `rows`: weighted by the weights of a group's rows.
typedef double GroupFn(const Scored *s, const Ranked *r, int64_t n);
static double mean_of_groups(const Scored *s, GroupFn *fn, bool rows) {
  Order o = ordered(s);
  double sum = 0, weight = 0;
  for (int64_t g = 0, i = 0; g < o.groups; i = o.end[g++]) {
    double w = 0, v = o.end[g] > i ? fn(s, o.row + i, o.end[g] - i) : NAN;
    if (isnan(v)) continue;
    for (int64_t k = i; k < o.end[g]; k++) w += (double)s->w[o.row[k].row];
    sum += (rows ? w : 1) * v;
    weight += rows ? w : 1;
  }
  order_free(&o);
  return weight > 0 ? sum / weight : NAN;
}

// auc within groups, weighted by their rows; groups of one class do not count. Zhou et al. 2018, "Deep Interest Network"
double metric_gauc(const Scored *s) { return mean_of_groups(s, area, true); }

// Positives among the k highest scores of a group, over all of it; of the tie that the k-th place cuts, as large a part as
// fits. Mean over the groups with a positive.
static double recall_at_k(const Scored *s, const Ranked *r, int64_t n) {
  double pos = 0, found = 0, left = s->arg;
  for (int64_t i = 0; i < n; i++) pos += is_positive(s->y[r[i].row]);
  for (int64_t end = n, i; end > 0 && left > 0; end = i) {
    double yes = 0, all;
    for (i = end; i > 0 && r[i - 1].key == r[end - 1].key; i--) yes += is_positive(s->y[r[i - 1].row]);
    all = (double)(end - i);
    found += all <= left ? yes : yes * (left / all);
    left -= all;
  }
  return pos > 0 ? found / pos : NAN;
}
double metric_recall_at(const Scored *s) { return mean_of_groups(s, recall_at_k, false); }

static int descending(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x < y) - (x > y);
}

// Σ gain / log2(1 + place) over the first k places, over what the best order gives. The gain is the label (Järvelin,
// Kekäläinen 2002); rows of a tie share the mean of their gains (McSherry, Najork 2008; so does scikit-learn). Mean over the
// groups with a label above 0.
static double ndcg_at_k(const Scored *s, const Ranked *r, int64_t n) {
  float *gain = xmalloc(sizeof *gain * (size_t)n);
  int64_t k = s->arg < (double)n ? (int64_t)s->arg : n;
  double got = 0, best = 0;
  for (int64_t end = n, i; end > 0; end = i) {
    double sum = 0, discounts = 0;
    for (i = end; i > 0 && r[i - 1].key == r[end - 1].key; i--) {
      sum += (double)(gain[i - 1] = s->y[r[i - 1].row]);
      discounts += n - i < k ? 1 / log2(2 + (double)(n - i)) : 0;
    }
    got += sum / (double)(end - i) * discounts;
  }
  qsort(gain, (size_t)n, sizeof *gain, descending);
  for (int64_t i = 0; i < k; i++) best += (double)gain[i] / log2(2 + (double)i);
  free(gain);
  return best > 0 ? got / best : NAN;
}
double metric_ndcg(const Scored *s) { return mean_of_groups(s, ndcg_at_k, false); }
