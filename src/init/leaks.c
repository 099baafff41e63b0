// leaks.c: does one column tell a label (almost) alone? Often it is then known only after the outcome, or is the outcome in other words.
//   binary label: AUC of the column: of its number, or, where it has few values, of each value's share of true in every second row,
//     judged on the other rows;
//   class label: how often the most frequent class of each value is right on the other rows;
//   real label: the correlation with a number.
// And which binary labels are true only where another is: a funnel.
#include <math.h>
#include "init.h"

enum { FEW_VALUES = 1000, LEAST_ROWS = 100, MOST_ROWS = 200000, MOST_CLASSES = 32 };
static const double TELLS_ALL = 0.98, TELLS_MUCH = 0.9;

typedef struct { const Guess *g; const Choice *label, *column; int64_t step, rows; } Pair;   // rows 0, step, 2 step …

static bool both_known(const Pair *k, int64_t row) { return k->label->p->code[row] >= 0; }
static bool is_true(const Choice *label, int64_t row) { return label->p->code[row] == label->true_code; }
static int64_t value_of(const Pair *k, int64_t row) { return k->column->p->code[row] + 1; }       // 0: missing

static float *shares(const Pair *k) {                        // of true, by value, in the even rows; pulled towards the mean
  int64_t n = k->column->p->distinct + 1, all = 0, yes = 0;
  float *share = xcalloc((size_t)n, sizeof *share);
  int64_t *count = xcalloc((size_t)n, sizeof *count);
  for (int64_t i = 0; i < k->rows; i += 2) {
    int64_t row = i * k->step;
    if (!both_known(k, row)) continue;
    bool t = is_true(k->label, row);
    count[value_of(k, row)]++;
    share[value_of(k, row)] += t;
    all++;
    yes += t;
  }
  float mean = all ? (float)yes / (float)all : 0.5f;
  for (int64_t v = 0; v < n; v++) share[v] = (share[v] + mean) / (float)(count[v] + 1);
  free(count);
  return share;
}

static double auc_of(const Pair *k) {
  bool few = !k->column->p->number || k->column->p->distinct <= FEW_VALUES;
  float *share = few ? shares(k) : NULL, *y = xmalloc(sizeof *y * 3 * (size_t)(k->rows + 1)), *w = y + k->rows, *p = w + k->rows;
  int64_t n = 0;
  for (int64_t i = few; i < k->rows; i += 1 + few) {
    int64_t row = i * k->step;
    if (!both_known(k, row) || (!few && k->column->p->code[row] < 0)) continue;
    y[n] = is_true(k->label, row);
    w[n] = 1;
    p[n++] = few ? share[value_of(k, row)] : (float)k->column->p->number[k->column->p->code[row]];
  }
  double auc = n ? metric_of(METRIC_AUC, &(Scored){ .y = y, .w = w, .p = p, .n = n, .width = 1 }) : NAN;
  free(share);
  free(y);
  return isnan(auc) ? 0.5 : fmax(auc, 1 - auc);
}

// Accuracy of each value's most frequent class, less that of always the same class, over what is left to gain.
static double class_gain(const Pair *k) {
  int64_t n = k->column->p->distinct + 1, classes = k->label->p->distinct, right = 0, all = 0;
  if (n > FEW_VALUES || classes > MOST_CLASSES) return 0;
  int64_t *count = xcalloc((size_t)(n * classes), sizeof *count);
  for (int64_t i = 0; i < k->rows; i += 2)
    if (both_known(k, i * k->step)) count[value_of(k, i * k->step) * classes + k->label->p->code[i * k->step]]++;
  for (int64_t i = 1; i < k->rows; i += 2) {
    if (!both_known(k, i * k->step)) continue;
    const int64_t *c = count + value_of(k, i * k->step) * classes;
    int64_t best = 0;
    for (int64_t j = 1; j < classes; j++)
      if (c[j] > c[best]) best = j;
    all++;
    right += best == k->label->p->code[i * k->step];
  }
  free(count);
  double base = (double)k->label->p->value[0].count / (double)(k->g->p->rows - k->label->p->missing);
  return all && base < 1 ? ((double)right / (double)all - base) / (1 - base) : 0;
}

static double correlation(const Pair *k) {
  const Profile *a = k->column->p, *b = k->label->p;
  double n = 0, sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
  if (!a->number) return 0;
  for (int64_t i = 0; i < k->rows; i++) {
    int64_t row = i * k->step;
    if (a->code[row] < 0 || b->code[row] < 0) continue;
    double x = a->number[a->code[row]] - a->mean, y = b->number[b->code[row]] - b->mean;
    n++;
    sa += x, sb += y, saa += x * x, sbb += y * y, sab += x * y;
  }
  double va = saa - sa * sa / n, vb = sbb - sb * sb / n;
  return n > 2 && va > 0 && vb > 0 ? fabs((sab - sa * sb / n) / sqrt(va * vb)) : 0;
}

static void judge(const Guess *g, const Choice *label, Choice *c) {
  int64_t step = g->p->rows / MOST_ROWS + 1;
  Pair k = { g, label, c, step, (g->p->rows + step - 1) / step };
  double v = label->kind == LABEL_BINARY ? auc_of(&k) : label->kind == LABEL_CLASS ? class_gain(&k) : correlation(&k);
  const char *measure = label->kind == LABEL_BINARY ? "AUC" : label->kind == LABEL_CLASS ? "share told" : "correlation";
  if (v >= TELLS_ALL) {
    c->role = ROLE_OUT;
    c->leaks = true;
    c->why = arena_printf(g->a, "tells %s alone (%s %.3f): is it known before?", label->name, measure, v);
  } else if (v >= TELLS_MUCH) {
    c->note = arena_printf(g->a, "%s; tells much of %s (%s %.3f): is it known before?", c->note, label->name, measure, v);
  }
}

// ---------------------------------------------------------------- funnels
static bool only_where(const Guess *g, const Choice *inner, const Choice *outer) {
  int64_t both = 0, outer_alone = 0;
  for (int64_t r = 0; r < g->p->rows; r++) {
    if (inner->p->code[r] < 0 || outer->p->code[r] < 0) continue;
    if (is_true(inner, r) && !is_true(outer, r)) return false;
    both += is_true(inner, r);
    outer_alone += !is_true(inner, r) && is_true(outer, r);
  }
  return both > 0 && outer_alone > 0;
}

static bool nonzero_only_where(const Guess *g, const Choice *amount, const Choice *event) {
  int64_t both = 0, zeros = 0;
  for (int64_t r = 0; r < g->p->rows; r++) {
    if (amount->p->code[r] < 0 || event->p->code[r] < 0) continue;
    bool zero = amount->p->number[amount->p->code[r]] == 0;
    if (!zero && !is_true(event, r)) return false;
    both += !zero;
    zeros += zero;
  }
  return both > 0 && zeros > both;
}

static int64_t trues(const Choice *c) { return c->p->value[c->true_code].count; }

// The rarest binary label without which `inner` is never true, or never another number than 0.
static const Choice *gate_of(const Guess *g, const Choice *inner) {
  const Choice *gate = NULL;
  for (int k = 0; k < g->p->n; k++) {
    const Choice *outer = &g->c[k];
    if (outer == inner || outer->role != ROLE_LABEL || outer->kind != LABEL_BINARY || (gate && trues(gate) <= trues(outer))) continue;
    if (inner->kind == LABEL_BINARY ? only_where(g, inner, outer) : inner->kind == LABEL_REAL && nonzero_only_where(g, inner, outer)) gate = outer;
  }
  return gate;
}

static void find_funnels(Guess *g) {
  for (int i = 0; i < g->p->n; i++) {
    const Choice *gate = g->c[i].role == ROLE_LABEL ? gate_of(g, &g->c[i]) : NULL;
    if (gate) g->c[i].note = arena_printf(g->a, "%s; never without %s", g->c[i].note, gate->name);
  }
}

void find_leaks(Guess *g) {
  find_funnels(g);
  if (g->p->rows < LEAST_ROWS) return;
  for (int i = 0; i < g->p->n; i++)
    for (int k = 0; k < g->p->n && g->c[i].role == ROLE_LABEL; k++)
      if (g->c[k].role == ROLE_INPUT) judge(g, &g->c[i], &g->c[k]);
}
