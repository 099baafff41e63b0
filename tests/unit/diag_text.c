// diag_text.c: see diag_text.h.
#include "diag_text.h"

char *diag_text(const Diag *d, Arena *a) {
  Text out = {0};
  diag_print(d, &out, false);
  char *s = arena_strdup(a, out.data ? out.data : "");
  text_free(&out);
  return s;
}
