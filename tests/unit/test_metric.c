// test_metric.c: metrics against values worked out by hand, against scikit-learn, and against plain definitions on many small random splits.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "runtime/train/train_int.h"
#include "reference.h"

static uint64_t state = 1;
static uint32_t draw(uint32_t n) {                            // 0 … n−1
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)((state >> 33) % n);
}

#define N(a) ((int64_t)(sizeof(a) / sizeof((a)[0])))
#define VALUE(k, y, w, p) metric_value(k, 0.5, y, w, p, N(y), 1)

static double metric_value(MetricKind k, double arg, const float *y, const float *w, const float *p, int64_t n, int width) {
  return metric_of(k, &(Scored){ arg, y, w, p, n, width, NULL });
}

static void near(double got, double want) {
  if (!(fabs(got - want) <= 1e-12 * (1 + fabs(want)))) fail_msg("%.17g, want %.17g", got, want);
}
static void undefined(double v) { assert_true(isnan(v)); }

// ---------------------------------------------------------------- by hand
static void auc_by_hand(void **s) {
  (void)s;
  const float y[] = { 1, 0, 1, 0, 0 }, w[] = { 1, 1, 1, 1, 1 }, p[] = { 0.9f, 0.8f, 0.7f, 0.3f, 0.7f };
  near(VALUE(METRIC_AUC, y, w, p), (3 + 1 + 0.5) / 6);        // .9 beats 3; .7 beats .3 and ties with .7
  const float one[] = { 1, 1, 1, 1, 1 }, none[] = { 0, 0, 0, 0, 0 };
  undefined(VALUE(METRIC_AUC, one, w, p));
  undefined(VALUE(METRIC_AUC, none, w, p));
  undefined(VALUE(METRIC_AUC, y, none, p));
  const float masked[] = { 1, 1, 0, 1, 1 };
  near(VALUE(METRIC_AUC, y, masked, p), 1);
}

static void auc_of_odd_scores(void **s) {
  (void)s;
  const float w[] = { 1, 1, 1, 1 }, y[] = { 0, 1, 0, 1 };
  const float zeros[] = { -0.0f, 0.0f, -0.0f, 0.0f }, wide[] = { -INFINITY, -1e30f, 3, INFINITY }, nan[] = { 0, NAN, 1, 2 };
  near(VALUE(METRIC_AUC, y, w, zeros), 0.5);
  near(VALUE(METRIC_AUC, y, w, wide), 0.75);
  undefined(VALUE(METRIC_AUC, y, w, nan));
}

static void decisions_by_hand(void **s) {
  (void)s;
  const float y[] = { 1, 1, 1, 0, 0, 1 }, w[] = { 1, 1, 1, 1, 1, 0 }, p[] = { 0.9f, 0.6f, 0.5f, 0.7f, 0.1f, 0.0f };
  near(VALUE(METRIC_ACCURACY, y, w, p), 3.0 / 5);             // .5 is not above the threshold
  near(VALUE(METRIC_PRECISION, y, w, p), 2.0 / 3);
  near(VALUE(METRIC_RECALL, y, w, p), 2.0 / 3);
  near(VALUE(METRIC_F1, y, w, p), 2.0 / 3);
  near(metric_value(METRIC_RECALL, 0.05, y, w, p, N(y), 1), 1);
  near(metric_value(METRIC_PRECISION, 0.8, y, w, p, N(y), 1), 1);
  undefined(metric_value(METRIC_PRECISION, 0.95, y, w, p, N(y), 1));
  near(metric_value(METRIC_F1, 0.95, y, w, p, N(y), 1), 0);
}

static void logloss_by_hand(void **s) {
  (void)s;
  const float y[] = { 1, 0 }, w[] = { 1, 1 }, p[] = { 0.25f, 0.5f }, sure[] = { 0, 0 };
  near(VALUE(METRIC_LOGLOSS, y, w, p), (log(4) + log(2)) / 2);
  near(VALUE(METRIC_LOGLOSS, y, w, sure), -log(1e-15) / 2);
}

static void classes_by_hand(void **s) {
  (void)s;
  const float y[] = { 2, 0, 1, 1 }, w[] = { 1, 1, 1, 0 };
  const float p[] = { 0.2f, 0.3f, 0.5f, 0.4f, 0.4f, 0.2f, 0.5f, 0.25f, 0.25f, 0, 0, 1 };
  near(metric_value(METRIC_ACCURACY, 0.5, y, w, p, 4, 3), 2.0 / 3);     // the first of two equal scores wins
  near(metric_value(METRIC_LOGLOSS, 0.5, y, w, p, 4, 3), -(log(0.5) + log((double)0.4f) + log(0.25)) / 3);
  undefined(metric_value(METRIC_AUC, 0.5, y, w, p, 4, 3));
  undefined(metric_value(METRIC_RMSE, 0.5, y, w, p, 4, 3));
  const float beyond[] = { 7, 0, 1, 1 };                                // a class that the head does not have
  near(metric_value(METRIC_ACCURACY, 0.5, beyond, w, p, 4, 3), 1.0 / 3);
  near(metric_value(METRIC_LOGLOSS, 0.5, beyond, w, p, 4, 3), -(log(1e-15) + log((double)0.4f) + log(0.25)) / 3);
}

static void distances_by_hand(void **s) {
  (void)s;
  const float y[] = { 1, 2, 4, 9 }, w[] = { 1, 1, 1, 0 }, p[] = { 2, 2, 2, 0 };
  near(VALUE(METRIC_MAE, y, w, p), 1);
  near(VALUE(METRIC_RMSE, y, w, p), sqrt(5.0 / 3));
  near(VALUE(METRIC_R2, y, w, p), 1 - 5 / (16.0 / 9 + 1.0 / 9 + 25.0 / 9));   // ȳ = 7/3
  const float flat[] = { 3, 3, 3, 9 }, nan[] = { NAN, 0, 0, 0 }, none[] = { 0, 0, 0, 0 };
  undefined(VALUE(METRIC_R2, flat, w, p));
  undefined(VALUE(METRIC_MAE, y, w, nan));
  const uint64_t group[] = { 1, 1, 2, 2 };
  for (int k = 0; k < N_METRICS; k++) undefined(metric_of((MetricKind)k, &(Scored){ 1.5, y, none, p, N(y), 1, group }));
}

// ---------------------------------------------------------------- by definition
enum { MOST = 60 };
typedef struct { float y[MOST], w[MOST], p[MOST]; int64_t n; } Split_;

static Split_ random_split(void) {
  Split_ s = { .n = 1 + draw(MOST) };
  uint32_t levels = 2 + draw(30);                             // few levels: many ties
  for (int64_t i = 0; i < s.n; i++) {
    s.y[i] = (float)draw(2);
    s.w[i] = draw(4) > 0;
    s.p[i] = ((float)draw(levels) - 3) / (float)levels;
  }
  return s;
}

static double pairs_won(const Split_ *s) {                    // auc by its definition
  double won = 0, pairs = 0;
  for (int64_t i = 0; i < s->n; i++)
    for (int64_t j = 0; j < s->n; j++) {
      if (s->w[i] == 0 || s->w[j] == 0 || s->y[i] != 1 || s->y[j] != 0) continue;
      pairs++;
      won += s->p[i] > s->p[j] ? 1 : s->p[i] == s->p[j] ? 0.5 : 0;
    }
  return pairs > 0 ? won / pairs : NAN;
}

static void auc_by_pairs(void **unused) {
  (void)unused;
  for (int k = 0; k < 2000; k++) {
    Split_ s = random_split();
    double want = pairs_won(&s), got = metric_value(METRIC_AUC, 0, s.y, s.w, s.p, s.n, 1);
    if (isnan(want)) undefined(got);
    else assert_true(got == want);                            // halves and integers: exact
  }
}

static void decisions_by_definition(void **unused) {
  (void)unused;
  for (int k = 0; k < 2000; k++) {
    Split_ s = random_split();
    double n[2][2] = {{0}}, at = (draw(20) - 3.0) / 20;       // n[is][said]
    for (int64_t i = 0; i < s.n; i++)
      if (s.w[i] != 0) n[s.y[i] == 1][s.p[i] > at]++;
    double tp = n[1][1], fp = n[0][1], fn = n[1][0], tn = n[0][0], all = tp + fp + fn + tn;
    const struct { MetricKind kind; double over, under;
    } want[] = { { METRIC_ACCURACY, tp + tn, all },
                 { METRIC_PRECISION, tp, tp + fp },
                 { METRIC_RECALL, tp, tp + fn },
                 { METRIC_F1, 2 * tp, 2 * tp + fp + fn } };
    for (int m = 0; m < COUNT_OF(want); m++) {
      double got = metric_value(want[m].kind, at, s.y, s.w, s.p, s.n, 1);
      if (want[m].under == 0) undefined(got);
      else near(got, want[m].over / want[m].under);
    }
  }
}

static void auc_of_many_rows(void **unused) {                 // sums beyond 32 bits
  (void)unused;
  int64_t n = 400000;
  float *v = malloc(sizeof *v * 3 * (size_t)n), *y = v, *w = v + n, *p = v + 2 * n;
  for (int64_t i = 0; i < n; i++) y[i] = i % 2, w[i] = 1, p[i] = (float)(i / 2);
  near(metric_value(METRIC_AUC, 0, y, w, p, n, 1), 0.5);
  for (int64_t i = 0; i < n; i++) p[i] = (float)i;
  near(metric_value(METRIC_AUC, 0, y, w, p, n, 1), 0.5 + 1.0 / (double)n);
  free(v);
}

// ---------------------------------------------------------------- by scikit-learn (tests/parity/make_metrics.py)
static int metric_named(const char *name) {
  for (int k = 0; k < N_METRICS; k++)
    if (!strcmp(metric_rows[k].name, name)) return k;
  fail_msg("there is no metric %s", name);
  return -1;
}

static void check_figure(int at, const Scored *rows, const json_t *figure, bool *seen) {
  int k = metric_named(json_string_value(field(figure, "name")));
  Scored s = *rows;
  s.arg = json_number_value(field(figure, "arg"));
  if (!(metric_rows[k].flags & METRIC_BY)) s.group = NULL;
  double got = metric_of((MetricKind)k, &s), want = json_is_null(json_object_get(figure, "value")) ? NAN
    : strtod(json_string_value(field(figure, "value")), NULL);
  seen[k] = true;
  if (isnan(want) ? !isnan(got) : !(fabs(got - want) <= 1e-9 * fmax(1, fabs(want))))
    fail_msg("case %d: %s(%g) is %.17g, want %.17g", at, metric_rows[k].name, s.arg, got, want);
}

static void near_matrix(const Confusion *c, const json_t *want, int size, Arena *a) {
  const double *x = numbers(want, (int64_t)size * size, a);
  assert_true(c->defined && c->beyond == 0);
  assert_int_equal(c->size, size);
  for (int i = 0; i < size * size; i++) near(c->rows[i], x[i]);
}

static const float *floats(const json_t *j, int64_t n, Arena *a) {
  const double *x = numbers(j, n, a);
  float *v = NEW_ARRAY(a, float, n);
  for (int64_t i = 0; i < n; i++) v[i] = (float)x[i];
  return v;
}

static void confusion_as_scikit_learn(void **unused) {
  (void)unused;
  json_t *file = reference_file("metrics"), *one;
  const json_t *cases = field(file, "cases"), *classes = field(file, "classes");
  Arena *a = arena_new();
  const char *at;
  Confusion c;
  int seen = 0;
  for (size_t i = 0; i < json_array_size(cases); i++) {
    const json_t *k = json_array_get(cases, i);
    int64_t n = integer(k, "rows");
    Scored s = { 0, floats(field(k, "y"), n, a), floats(field(k, "w"), n, a), floats(field(k, "p"), n, a), n, 1, NULL };
    json_object_foreach(json_object_get(k, "confusion"), at, one) {
      s.arg = strtod(at, NULL);
      confusion_of(&s, a, &c);
      near_matrix(&c, one, 2, a);
      seen++;
    }
  }
  for (size_t i = 0; i < json_array_size(classes); i++) {
    const json_t *k = json_array_get(classes, i);
    int64_t n = integer(k, "rows"), width = integer(k, "classes");
    confusion_of(&(Scored){ 0, floats(field(k, "y"), n, a), floats(field(k, "w"), n, a), floats(field(k, "p"), n * width, a), n, (int)width, NULL }, a, &c);
    near_matrix(&c, field(k, "confusion"), (int)width, a);
    seen++;
  }
  assert_true(seen > 10);
  arena_free(a);
  json_decref(file);
}

static void confusion_by_hand(void **unused) {
  (void)unused;
  Arena *a = arena_new();
  Confusion c;
  const float y[] = { 0, 2, 7, 1 }, w[] = { 1, 2, 3, 0 }, p[] = { 0.2f, 0.5f, 0.3f, 0.1f, 0.1f, 0.8f, 1, 0, 0, NAN, NAN, NAN };   // a class beyond; a row that does not count
  confusion_of(&(Scored){ 0.5, y, w, p, 4, 3, NULL }, a, &c);
  assert_true(c.defined && c.size == 3 && c.beyond == 3 && c.rows[1] == 1 && c.rows[8] == 2 && c.rows[0] + c.rows[3] == 0);
  const float all[] = { 1, 1, 1, 1 };
  confusion_of(&(Scored){ 0.5, y, all, p, 4, 3, NULL }, a, &c);
  assert_true(!c.defined && c.rows[1] == 0 && c.beyond == 0);
  const float yes[] = { 1, 0, 1, 0 }, score[] = { 0.5f, 0.5f, 0.6f, 0.7f };      // .5 is not above the threshold
  confusion_of(&(Scored){ 0.5, yes, all, score, 4, 1, NULL }, a, &c);
  assert_true(c.size == 2 && c.rows[0] == 1 && c.rows[1] == 1 && c.rows[2] == 1 && c.rows[3] == 1);
  confusion_of(&(Scored){ 0.5, yes, all, score, 0, 1, NULL }, a, &c);
  assert_true(c.defined && c.rows[0] + c.rows[1] + c.rows[2] + c.rows[3] == 0);
  arena_free(a);
}

static void as_scikit_learn(void **unused) {
  (void)unused;
  json_t *file = reference_file("metrics");
  const json_t *cases = field(file, "cases");
  bool seen[N_METRICS] = {0};
  for (size_t at = 0; at < json_array_size(cases); at++) {
    Arena *a = arena_new();
    const json_t *c = json_array_get(cases, at), *groups = field(c, "group"), *figures = field(c, "figures");
    int64_t n = integer(c, "rows");
    const char *const names[] = { "y", "w", "p" };
    float *v[3];
    uint64_t *group = NEW_ARRAY(a, uint64_t, n);
    for (int k = 0; k < 3; k++) {
      const double *x = numbers(field(c, names[k]), n, a);
      v[k] = NEW_ARRAY(a, float, n);
      for (int64_t i = 0; i < n; i++) v[k][i] = (float)x[i];
    }
    for (int64_t i = 0; i < n; i++) group[i] = (uint64_t)json_integer_value(json_array_get(groups, (size_t)i));
    for (size_t i = 0; i < json_array_size(figures); i++)
      check_figure((int)at, &(Scored){ 0, v[0], v[1], v[2], n, 1, group }, json_array_get(figures, i), seen);
    arena_free(a);
  }
  for (int k = 0; k < N_METRICS; k++)
    if (!seen[k]) fail_msg("no figure of %s", metric_rows[k].name);
  json_decref(file);
}

// ---------------------------------------------------------------- groups
static void groups_by_hand(void **unused) {
  (void)unused;
  const float y[] = { 1, 0, 1, 1, 0, 1, 0, 1 }, w[] = { 1, 1, 1, 1, 3, 3, 0, 1 };
  const float p[] = { 0.9f, 0.1f, 0.5f, 0.5f, 0.7f, 0.2f, 0.9f, 0.3f };
  const uint64_t group[] = { 7, 7, 9, 9, ~0ull, ~0ull, 9, 0 };     // right; one class; wrong, three times as heavy; no group
  Scored s = { 0, y, w, p, N(y), 1, group };
  near(metric_of(METRIC_GAUC, &s), (2 * 1 + 6 * 0) / 8.0);
  s.arg = 1;
  near(metric_of(METRIC_RECALL_AT, &s), (1 + 0.5 + 0) / 3);
  near(metric_of(METRIC_NDCG, &s), (1 + 1 + 0) / 3.0);
  const uint64_t none[8] = {0}, apart[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
  s.group = none;
  undefined(metric_of(METRIC_GAUC, &s));
  undefined(metric_of(METRIC_NDCG, &s));
  s.group = apart;
  undefined(metric_of(METRIC_GAUC, &s));
  near(metric_of(METRIC_RECALL_AT, &s), 1);
  const float nan[] = { 0.9f, NAN, 0.5f, 0.5f, 0.7f, 0.2f, 0.9f, 0.3f };
  s.p = nan;
  undefined(metric_of(METRIC_RECALL_AT, &s));
}

static void groups_are_numbered(void **unused) {
  (void)unused;
  enum { ROWS = 5000 };
  static uint64_t group[ROWS];
  static int64_t number[ROWS];
  for (int i = 0; i < ROWS; i++) group[i] = (uint64_t)draw(1700) << (draw(2) ? 40 : 0);
  int64_t n = number_groups(group, ROWS, number), next = 0;
  for (int i = 0; i < ROWS; i++) {
    assert_true(number[i] == -1 ? !group[i] : group[i] && number[i] <= next);
    next += number[i] == next;
    for (int j = i; j-- > i - 40 && j >= 0;) assert_true((number[i] == number[j]) == (group[i] == group[j]));
  }
  assert_int_equal(n, next);
}

static void one_class_alone(void **unused) {
  (void)unused;
  const float no[] = { 0, 0, 0 }, yes[] = { 1, 1, 1 }, w[] = { 1, 1, 1 }, p[] = { 0.2f, 0.4f, 0.4f }, beyond[] = { 0.2f, 1.5f, 0 };
  undefined(VALUE(METRIC_PR_AUC, no, w, p));
  undefined(VALUE(METRIC_MAX_F1, no, w, p));
  undefined(VALUE(METRIC_NORMALISED_ENTROPY, no, w, p));
  undefined(VALUE(METRIC_NORMALISED_ENTROPY, yes, w, p));
  undefined(VALUE(METRIC_CALIBRATION, no, w, p));
  near(VALUE(METRIC_PR_AUC, yes, w, p), 1);
  near(VALUE(METRIC_MAX_F1, yes, w, p), 1);
  near(metric_value(METRIC_ECE, 10, no, w, p, 3, 1), ((double)0.2f + 2 * (double)0.4f) / 3);
  undefined(metric_value(METRIC_ECE, 10, no, w, beyond, 3, 1));
}

static void table(void **unused) {
  (void)unused;
  assert_string_equal(metric_rows[METRIC_AUC].name, "auc");
  assert_true(metric_rows[METRIC_RMSE].flags & METRIC_LOWER && metric_rows[METRIC_LOGLOSS].flags & METRIC_LOWER);
  assert_true(!(metric_rows[METRIC_R2].flags & METRIC_LOWER) && metric_rows[METRIC_GAUC].flags & METRIC_BY);
  for (int k = 0; k < N_METRICS; k++) {
    const MetricRow *r = &metric_rows[k];
    assert_true(r->name && r->labels && strchr(r->format, '%'));
    if (r->arg.name) assert_true(isnan(r->arg.def) || (r->arg.def >= r->arg.lo && r->arg.def <= r->arg.hi));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(auc_by_hand), cmocka_unit_test(auc_of_odd_scores), cmocka_unit_test(decisions_by_hand),
    cmocka_unit_test(logloss_by_hand), cmocka_unit_test(classes_by_hand), cmocka_unit_test(distances_by_hand),
    cmocka_unit_test(auc_by_pairs), cmocka_unit_test(decisions_by_definition), cmocka_unit_test(auc_of_many_rows),
    cmocka_unit_test(as_scikit_learn), cmocka_unit_test(confusion_as_scikit_learn), cmocka_unit_test(confusion_by_hand), cmocka_unit_test(groups_by_hand), cmocka_unit_test(groups_are_numbered),
    cmocka_unit_test(one_class_alone), cmocka_unit_test(table)
  };
  return cmocka_run_group_tests_name("metric", tests, NULL, NULL);
}
