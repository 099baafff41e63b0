// cmd_diff.c: mtlc diff OLD NEW [--category C] [--format F].
#include "command.h"

int cmd_diff(const Args *a) {
  mtl_diff_options o = {.before = a->operand[0], .after = a->operand[1], .category = a->category, .format = a->format, .json = a->json, .quiet = a->quiet};
  mtl_context *c = mtl_new();
  char *report = NULL;
  int code = mtl_diff(c, &o, &report);
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}
