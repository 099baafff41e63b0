// verdict.c: what a comparison supports: a choice only where a difference counts, and else that there is none.
#include <math.h>
#include "compare.h"

static const double LEVEL = 0.05;

int n_comparisons(const Comparison *x) { return x->n_measures * (x->n_arrangements - 1); }

int n_failed(const Comparison *x, int a) {
  int n = 0;
  for (int s = 0; s < x->n_seeds; s++) n += failed_at(x, a)[s] != NULL;
  return n;
}

Judged judge(const Comparison *x, int a, int over, int measure) {
  Judged j = {paired_difference(score_at(x, a, measure), score_at(x, over, measure), x->n_seeds, x->measure[measure].minimise), NAN, NOT_KNOWN};
  j.half = difference_half(&j.d, LEVEL / n_comparisons(x));
  if (isnan(j.half)) return j;
  j.mark = fabs(j.d.mean) > j.half ? (j.d.mean > 0 ? BETTER : WORSE) : NO_DIFFERENCE;
  return j;
}

// ---------------------------------------------------------------- one arrangement beside `together`
typedef struct { int better, worse, unknown; double size; } Tally;   // of the tasks' first figures; size: Σ mean / half

static Tally tally(const Comparison *x, int a, int over) {
  Tally t = {0};
  for (int k = 0; k < x->n_measures; k++) {
    if (!x->measure[k].first) continue;
    Judged j = judge(x, a, over, k);
    t.better += j.mark == BETTER;
    t.worse += j.mark == WORSE;
    t.unknown += j.mark == NOT_KNOWN;
    if (j.mark == BETTER) t.size += j.half > 0 ? j.d.mean / j.half : INFINITY;
  }
  return t;
}

static void name_tasks(const Comparison *x, int a, int over, Mark mark, Text *out) {     // "visit auc, spend rmse"
  int n = 0;
  for (int k = 0; k < x->n_measures; k++) {
    const Measure *q = &x->measure[k];
    if (!q->first || judge(x, a, over, k).mark != mark) continue;
    if (q->task < 0) text_printf(out, "%sthe mean over the tasks", n++ ? ", " : "");
    else text_printf(out, "%s%s %s", n++ ? ", " : "", x->m->train.tasks[q->task].name, q->name);
  }
}

static bool beats(const Tally *a, const Tally *b) {
  return a->better != b->better ? a->better > b->better : a->size > b->size;
}

// The arrangement that is better than `together` in most tasks and worse in none; −1: there is none.
static int winner(const Comparison *x) {
  int best = -1;
  Tally most = {0};
  for (int a = 0; a < x->n_arrangements; a++) {
    Tally t = tally(x, a, TOGETHER);
    if (a == TOGETHER || n_failed(x, a) || t.worse || !t.better || (best >= 0 && !beats(&t, &most))) continue;
    best = a;
    most = t;
  }
  return best;
}

// ---------------------------------------------------------------- in words
static void trade_offs(const Comparison *x, int choice, Text *out) {
  for (int a = 0; a < x->n_arrangements; a++) {
    Tally t = tally(x, a, TOGETHER);
    if (a == TOGETHER || a == choice || (!t.better && !t.worse)) continue;
    text_printf(out, "\n`%s` is ", x->arrangement[a].name);
    if (t.better) text_add(out, "better than `together` in "), name_tasks(x, a, TOGETHER, BETTER, out);
    if (t.worse) text_add(out, t.better ? ", worse in " : "worse than `together` in "), name_tasks(x, a, TOGETHER, WORSE, out);
    text_char(out, '.');
  }
}

static void failures(const Comparison *x, Text *out) {
  for (int a = 0; a < x->n_arrangements; a++)
    if (n_failed(x, a))
      text_printf(out, "\n`%s` did not stay finite with %d of %d seeds, so it is not chosen.", x->arrangement[a].name, n_failed(x, a), x->n_seeds);
}

static Verdict keep_together(const Comparison *x, Text *t) {
  int marks = 0, unknown = 0;
  for (int a = 0; a < x->n_arrangements; a++) {
    if (a == TOGETHER) continue;
    Tally y = tally(x, a, TOGETHER);
    marks += y.better + y.worse;
    unknown += y.unknown;
  }
  if (x->n_seeds < 2) text_add(t, "One seed tells nothing of chance, so no difference can be judged:\ntake more, as --seeds 5.");
  else if (!marks) {
    text_printf(t, "No arrangement differs: keep `together`, the spec as it is:\none model for %d tasks", x->m->n_tasks);
    text_char(t, '.');
    if (unknown) text_add(t, "\nSome figures are undefined on these rows and were not judged.");
  } else text_add(t, "Nothing is better than `together` without being worse somewhere:\nkeep the spec as it is.");
  trade_offs(x, TOGETHER, t);
  failures(x, t);
  return (Verdict){TOGETHER, false, t->data};
}

Verdict comparison_verdict(const Comparison *x) {
  Text t = {0};
  int best = winner(x);
  if (n_failed(x, TOGETHER)) {
    text_printf(&t, "`together` did not stay finite with %d of %d seeds, so the spec\ncannot be kept as it is.", n_failed(x, TOGETHER), x->n_seeds);
    for (int a = 0; a < x->n_arrangements; a++)
      if (a != TOGETHER)
        text_printf(&t, "\n`%s` %s.", x->arrangement[a].name, n_failed(x, a) ? "did not either" : "stayed finite with every seed");
    return (Verdict){-1, false, t.data};
  }
  if (best < 0) return keep_together(x, &t);
  text_printf(&t, "`%s` wins: worse than `together` in no task, better in\n", x->arrangement[best].name);
  name_tasks(x, best, TOGETHER, BETTER, &t);
  text_char(&t, '.');
  if (best != ALONE) text_printf(&t, "\nIn the spec: train { balance = %s }", x->arrangement[best].balance);
  trade_offs(x, best, &t);
  failures(x, &t);
  return (Verdict){best, true, t.data};
}
