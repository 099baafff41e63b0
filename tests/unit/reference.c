// reference.c: see reference.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "reference.h"
#include "src/graph/graph.h"

json_t *field(const json_t *j, const char *key) {
  json_t *v = json_object_get(j, key);
  if (!v) fail_msg("the file lacks `%s`", key);
  return v;
}
int64_t integer(const json_t *j, const char *key) { return json_integer_value(field(j, key)); }

json_t *reference_file(const char *name) {
  const char *top = getenv("srcdir");
  char path[4096];
  json_error_t error;
  snprintf(path, sizeof path, "%s/tests/parity/%s.json", top ? top : ".", name);
  json_t *j = json_load_file(path, 0, &error);
  if (!j) fail_msg("%s: %s", path, error.text);
  return j;
}

double *numbers(const json_t *text, int64_t n, Arena *a) {
  double *x = NEW_ARRAY(a, double, n + 1);
  const char *s = json_string_value(text);
  char *end = NULL;
  assert_non_null(s);
  for (int64_t i = 0; i < n; i++, s = end) {
    x[i] = strtod(s, &end);
    if (end == s) fail_msg("%lld numbers instead of %lld", (long long)i, (long long)n);
  }
  assert_true(s[strspn(s, " ")] == 0);
  return x;
}

int row_named(const char *name, bool is_loss) {
  for (int i = 0; i < (is_loss ? n_loss_rows : n_optim_rows); i++)
    if (!strcmp(is_loss ? loss_rows[i].name : optim_rows[i].name, name)) return i;
  fail_msg("no loss or optimizer %s", name);
  return -1;
}
