// cmd_doctor.c: mtlc doctor. With -q only the exit code speaks, and what is not well.
#include "command.h"

int cmd_doctor(const Args *a) {
  mtl_context *c = mtl_new();
  char *report = NULL;
  int code = mtl_doctor(c, a->json, &report);
  if (a->quiet && !a->json && code == 0) {
    mtl_text_free(report);
    report = NULL;
  }
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}
