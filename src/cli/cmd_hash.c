// cmd_hash.c: mtlc hash SPEC|RUN [--explain].
#include "command.h"

int cmd_hash(const Args *a) {
  mtl_context *c = mtl_new();
  char *report = NULL;
  int code = mtl_hash(c, a->operand[0], a->explain, a->json, &report);
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}
