// cmd_eval.c: mtlc eval RUN [--data FILE].
#include "command.h"

int cmd_eval(const Args *a) {
  mtl_context *c = mtl_new();
  mtl_memory(c, a->memory);
  mtl_tables(c, a->tables);
  mtl_threads(c, (int)a->threads);
  char *report = NULL;
  int code = mtl_eval(c, a->operand[0], a->data, a->json, &report);
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}
