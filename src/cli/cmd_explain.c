// cmd_explain.c: mtlc explain SPEC.
#include "command.h"

int cmd_explain(const Args *a) {
  mtl_context *c = mtl_new();
  char *report = NULL;
  int code = mtl_explain(c, a->operand[0], a->json, &report);
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}
