// test_schedule.c: the learning rate of every step against PyTorch's (tests/parity/schedules.json, made by make_schedules.py).
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "runtime/train.h"
#include "reference.h"

static int schedule_named(const char *name) {
  for (int i = 0; i < N_SCHEDULES; i++)
    if (!strcmp(schedule_rows[i].name, name)) return i;
  fail_msg("there is no schedule %s", name);
  return -1;
}

static PlanSchedule schedule_of(const json_t *c) {
  PlanSchedule s = { .kind = (ScheduleKind)schedule_named(json_string_value(field(c, "schedule"))), .warmup = integer(c, "warmup") };
  const json_t *args = field(c, "args");
  int n = 0;
  while (n < SCHEDULE_ARGS && schedule_rows[s.kind].arg[n].name) n++;
  assert_int_equal(n, json_array_size(args));
  for (int i = 0; i < n; i++) s.arg[i] = json_number_value(json_array_get(args, (size_t)i));
  return s;
}

static void check_case(const json_t *c, double rate, bool *seen, Arena *a) {
  PlanSchedule s = schedule_of(c);
  int64_t steps = integer(c, "steps"), epochs = integer(c, "epochs");
  const json_t *losses = json_object_get(c, "loss");
  double *want = numbers(field(c, "rate"), steps * epochs, a), *loss = NEW_ARRAY(a, double, epochs + 1);
  for (int64_t e = 0; losses && e < epochs; e++) {
    const json_t *v = json_array_get(losses, (size_t)e);
    loss[e] = json_is_null(v) ? NAN : json_number_value(v);
  }
  for (int64_t k = 0; k < steps * epochs; k++) {
    int64_t falls = losses ? plateau_falls(loss, k / steps, (int64_t)s.arg[1]) : 0;
    double got = scheduled_rate(&s, rate, k, steps, epochs, falls);
    if (!(fabs(got - want[k]) <= 1e-12 * rate))
      fail_msg("%s, step %lld: %.17g, want %.17g", schedule_rows[s.kind].name, (long long)k, got, want[k]);
  }
  seen[s.kind] = true;
}

static void as_pytorch(void **unused) {
  (void)unused;
  Arena *a = arena_new();
  json_t *file = reference_file("schedules");
  const json_t *cases = field(file, "cases");
  bool seen[N_SCHEDULES] = {0};
  for (size_t i = 0; i < json_array_size(cases); i++)
    check_case(json_array_get(cases, i), json_number_value(field(file, "rate")), seen, a);
  for (int i = 0; i < N_SCHEDULES; i++)
    if (!seen[i]) fail_msg("no case of %s", schedule_rows[i].name);
  json_decref(file);
  arena_free(a);
}

// Short trainings, warm-ups longer than them: finite, from 0 to the rate.
static void at_the_ends(void **unused) {
  (void)unused;
  for (int kind = 0; kind < N_SCHEDULES; kind++)
    for (int64_t steps = 1; steps < 4; steps++)
      for (int64_t epochs = 1; epochs < 4; epochs++)
        for (int64_t warmup = 0; warmup < 12; warmup += 3)
          for (int64_t k = 0; k < steps * epochs; k++) {
            PlanSchedule s = { .kind = (ScheduleKind)kind, .warmup = warmup };
            for (int i = 0; i < SCHEDULE_ARGS; i++) s.arg[i] = schedule_rows[kind].arg[i].def;
            double rate = scheduled_rate(&s, 0.5, k, steps, epochs, 0);
            assert_true(rate >= 0 && rate <= 0.5);
          }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(as_pytorch), cmocka_unit_test(at_the_ends) };
  return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
