// finish.c: how commands end, and how they say that they are called wrongly.
#include "command.h"
#include "term.h"
#include <unistd.h>

int wrong_usage(const char *command, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  fprintf(stderr, "mtlc %s: ", command);
  vfprintf(stderr, fmt, ap);
  fprintf(stderr, "\nmtlc %s --help shows how it is used\n", command);
  va_end(ap);
  return 2;
}

static bool print_report(const char *report) {
  size_t n = strlen(report);
  return out_write(report, n) && (n == 0 || report[n - 1] == '\n' || out_text("\n"));
}

int finish(mtl_context *c, const Args *a, int code, char *report) {
  bool ok = true;
  bar_clear();
  if (report) {
    ok = print_report(report);
  } else if (a->json) {
    Text t = {0};
    text_printf(&t, "{\"exit\": %d, \"errors\": %s}\n", code, mtl_errors_json(c));
    ok = out_text(t.data);
    text_free(&t);
  }
  if (term_is_live()) mtl_width(c, term_columns());
  fputs(mtl_errors(c, term_colour()), stderr);
  mtl_text_free(report);
  return ok ? code : 4;
}
