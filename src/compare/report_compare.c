// report_compare.c: a comparison as a table for people and as one JSON document.
#include <math.h>
#include "compare.h"

static void pad_to(Text *out, const char *s, int width) {
  text_add(out, s);
  for (int n = display_width(s, strlen(s)); n < width; n++) text_char(out, ' ');
}

// ---------------------------------------------------------------- figures of one arrangement
typedef struct { int n; double mean, sd; } Series;

static Series series(const Score *s, int n_seeds) {
  Series r = {0, NAN, NAN};
  double sum = 0, squares = 0;
  for (int i = 0; i < n_seeds; i++)
    if (isfinite(s[i].value)) sum += s[i].value, r.n++;
  if (r.n) r.mean = sum / r.n;
  for (int i = 0; i < n_seeds; i++)
    if (isfinite(s[i].value)) squares += (s[i].value - r.mean) * (s[i].value - r.mean);
  if (r.n > 1) r.sd = sqrt(squares / (r.n - 1));
  return r;
}

// So many places behind the point that a figure, or its spread where that is larger, has four digits that count below 1, and else five.
static int places(const Comparison *x, int k) {
  double largest = 0;
  if (x->measure[k].task < 0) return 2;
  for (int a = 0; a < x->n_arrangements; a++) {
    Series s = series(score_at(x, a, k), x->n_seeds);
    if (isfinite(s.mean)) largest = fmax(largest, fabs(s.mean));
    if (isfinite(s.sd)) largest = fmax(largest, s.sd);
  }
  int n = largest > 0 ? (largest < 1 ? 3 : 4) - (int)floor(log10(largest)) : 4;
  return n < 0 ? 0 : n > 5 ? 5 : n;
}

enum { CELL = 48 };
static void mean_cell(char *out, const Series *s, int digits) {
  if (!s->n) snprintf(out, CELL, "n/a");
  else if (isnan(s->sd)) snprintf(out, CELL, "%.*f", digits, s->mean);
  else snprintf(out, CELL, "%.*f ± %.*f", digits, s->mean, digits, s->sd);
}

static void gain_cell(char *out, const Judged *j, int digits) {
  if (!j->d.n) snprintf(out, CELL, "n/a");
  else if (isnan(j->half)) snprintf(out, CELL, "%+.*f", digits, j->d.mean);
  else snprintf(out, CELL, "%+.*f ± %.*f%s", digits, j->d.mean, digits, j->half, j->mark == BETTER || j->mark == WORSE ? " *" : "  ");
}

// ---------------------------------------------------------------- the table
static int name_width(const Comparison *x) {
  int w = 11;
  for (int a = 0; a < x->n_arrangements; a++) {
    int n = display_width(x->arrangement[a].name, strlen(x->arrangement[a].name));
    if (n > w) w = n;
  }
  return w;
}

static void row_text(const Comparison *x, int a, int k, int digits, int width, Text *out) {
  char cell[CELL];
  Text line = {0};
  Series s = series(score_at(x, a, k), x->n_seeds);
  text_add(&line, "  ");
  pad_to(&line, x->arrangement[a].name, width + 2);
  mean_cell(cell, &s, digits);
  pad_to(&line, cell, 19);
  text_char(&line, ' ');
  for (int over = ALONE; over <= TOGETHER; over++) {
    if (a == over || (a == ALONE && over == TOGETHER)) {
      pad_to(&line, "", 22);
      continue;
    }
    Judged j = judge(x, a, over, k);
    gain_cell(cell, &j, digits);
    pad_to(&line, cell, 22);
  }
  while (line.n && line.data[line.n - 1] == ' ') line.data[--line.n] = 0;
  text_printf(out, "%s\n", line.data);
  text_free(&line);
}

static void head_text(int width, Text *out) {
  pad_to(out, "", width + 4);
  pad_to(out, "mean ± sd", 20);
  pad_to(out, "gain over alone", 22);
  text_add(out, "gain over together\n");
}

static void cosines_text(const Comparison *x, Text *out) {
  int n = x->m->n_tasks;
  if (!x->cosine) {
    text_add(out, "\nThe tasks share no parameter: their gradients cannot disturb each other.\n");
    return;
  }
  text_add(out, "\ncosine of two tasks' gradients on what they share, together (± over seeds)\n");
  for (int i = 0; i < n; i++)
    for (int j = i + 1; j < n; j++) {
      Text pair = {0};
      Score *s = xcalloc((size_t)x->n_seeds, sizeof *s);
      for (int k = 0; k < x->n_seeds; k++) s[k].value = x->cosine[((size_t)k * (size_t)n + (size_t)i) * (size_t)n + (size_t)j];
      Series c = series(s, x->n_seeds);
      text_printf(&pair, "%s, %s", x->m->train.tasks[i].name, x->m->train.tasks[j].name);
      text_add(out, "  ");
      pad_to(out, pair.data, 33);
      if (c.n) text_printf(out, "  %+.3f ± %.3f\n", c.mean, isnan(c.sd) ? 0 : c.sd);
      else text_add(out, "  n/a\n");
      text_free(&pair);
      free(s);
    }
}

static void failed_text(const Comparison *x, Text *out) {
  for (int a = 0; a < x->n_arrangements; a++)
    for (int s = 0; s < x->n_seeds; s++) {
      if (!failed_at(x, a)[s]) continue;
      text_printf(out, "\n%s, seed %lld: %s\n", x->arrangement[a].name, (long long)x->seed[s], failed_at(x, a)[s]);
      break;                                     // one tells what it is; --json has all
    }
}

void comparison_text(const Comparison *x, Text *out) {
  int width = name_width(x);
  text_printf(out, "%s: %d tasks, %d seed%s from %lld, judged on %lld %s rows\n", x->m->name, x->m->n_tasks, x->n_seeds, x->n_seeds == 1 ? "" : "s",
              (long long)x->seed[0], (long long)x->rows[x->held_out], x->held_out == 2 ? "test" : "validation");
  for (int k = 0; k < x->n_measures; k++) {
    const Measure *q = &x->measure[k];
    Text title = {0};
    if (q->task < 0) text_add(&title, "mean over the tasks of the gain over alone, in % of it");
    else text_printf(&title, "%s %s (%s)", x->m->train.tasks[q->task].name, q->name, q->minimise ? "lower is better" : "higher is better");
    text_printf(out, "\n%s\n", title.data);
    text_free(&title);
    if (k == 0) head_text(width, out);
    for (int a = 0; a < x->n_arrangements; a++) row_text(x, a, k, places(x, k), width, out);
  }
  text_printf(out, "\n* the difference counts: it is larger than the figure behind its ±, half of its\n"
              "interval over seeds and held-out rows, at 95 %% for all %d of a column together.\n", n_comparisons(x));
  cosines_text(x, out);
  failed_text(x, out);
  Verdict v = comparison_verdict(x);
  text_printf(out, "\nverdict: %s\n", v.text);
  free(v.text);
}

// ---------------------------------------------------------------- JSON
static json_t *number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static json_t *gain_json(const Judged *j) {
  static const char *const marks[] = {[NOT_KNOWN] = "unknown", [NO_DIFFERENCE] = "none", [BETTER] = "better", [WORSE] = "worse"};
  return json_pack("{s:o, s:o, s:o, s:o, s:s}", "mean", number(j->d.mean), "sd", number(j->d.sd), "half_width", number(j->half), "p",
                   number(difference_p(&j->d)), "difference", marks[j->mark]);
}

static json_t *figure_json(const Comparison *x, int a, int k) {
  const Score *s = score_at(x, a, k);
  Series r = series(s, x->n_seeds);
  json_t *values = json_array(), *j;
  for (int i = 0; i < x->n_seeds; i++) json_array_append_new(values, number(s[i].value));
  j = json_pack("{s:o, s:o, s:o}", "mean", number(r.mean), "sd", number(r.sd), "values", values);
  for (int over = ALONE; over <= TOGETHER && a != ALONE; over++) {
    if (a == over) continue;
    Judged g = judge(x, a, over, k);
    json_object_set_new(j, over == ALONE ? "gain_over_alone" : "gain_over_together", gain_json(&g));
  }
  return j;
}

static json_t *arrangement_json(const Comparison *x, int a) {
  json_t *tasks = json_object(), *failed = json_array(), *epochs = json_array(), *seconds = json_array();
  for (int i = 0; i < x->m->n_tasks; i++) json_object_set_new(tasks, x->m->train.tasks[i].name, json_object());
  for (int k = 0; k < x->n_measures; k++) {
    const Measure *q = &x->measure[k];
    if (q->task < 0) continue;
    json_object_set_new(json_object_get(tasks, x->m->train.tasks[q->task].name), q->name, figure_json(x, a, k));
  }
  for (int s = 0; s < x->n_seeds; s++) {
    const char *why = failed_at(x, a)[s];
    json_array_append_new(epochs, number(x->epochs[a * x->n_seeds + s]));
    json_array_append_new(seconds, number(x->seconds[a * x->n_seeds + s]));
    if (why) json_array_append_new(failed, json_pack("{s:I, s:s}", "seed", (json_int_t)x->seed[s], "why", why));
  }
  return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "name", x->arrangement[a].name, "alone", x->arrangement[a].alone, "tasks", tasks,
                   "mean_gain_percent", figure_json(x, a, x->n_measures - 1),
                   "best_epoch", epochs, "seconds", seconds, "not_finite", failed);
}

static json_t *cosines_json(const Comparison *x) {
  json_t *all = json_array();
  int n = x->m->n_tasks;
  for (int i = 0; x->cosine && i < n; i++)
    for (int j = i + 1; j < n; j++) {
      json_t *values = json_array();
      for (int s = 0; s < x->n_seeds; s++) json_array_append_new(values, number(x->cosine[((size_t)s * (size_t)n + (size_t)i) * (size_t)n + (size_t)j]));
      json_array_append_new(all, json_pack("{s:[s, s], s:o}", "tasks", x->m->train.tasks[i].name, x->m->train.tasks[j].name, "values", values));
    }
  return all;
}

json_t *comparison_json(const Comparison *x) {
  json_t *arrangements = json_array(), *seeds = json_array(), *lower = json_object();
  Verdict v = comparison_verdict(x);
  for (int a = 0; a < x->n_arrangements; a++) json_array_append_new(arrangements, arrangement_json(x, a));
  for (int s = 0; s < x->n_seeds; s++) json_array_append_new(seeds, json_integer((json_int_t)x->seed[s]));
  for (int k = 0; k < x->n_measures - 1; k++) json_object_set_new(lower, x->measure[k].name, json_string(x->measure[k].minimise ? "lower" : "higher"));
  json_t *j = json_pack("{s:s, s:o, s:{s:I, s:I, s:I}, s:s, s:o, s:o, s:o}", "model", x->m->name, "seeds", seeds, "rows", "train",
                        (json_int_t)x->rows[0], "valid", (json_int_t)x->rows[1], "test", (json_int_t)x->rows[2], "held_out",
                        x->held_out == 2 ? "test" : "valid", "better", lower, "arrangements", arrangements, "cosines", cosines_json(x));
  json_object_set_new(j, "verdict", json_pack("{s:o, s:b, s:s, s:i}", "choice", v.choice < 0 ? json_null() : json_string(x->arrangement[v.choice].name),
                                              "wins", v.wins, "text", v.text, "comparisons", n_comparisons(x)));
  json_object_set_new(j, "seconds", number(x->wall_seconds));
  free(v.text);
  return j;
}
