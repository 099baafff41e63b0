// cmd_plan.c: mtlc plan RUN SPEC [--data FILE].
#include "command.h"

int cmd_plan(const Args *a) {
  mtl_plan_options o = {.run = a->operand[0], .spec = a->operand[1], .data = a->data, .allow_drop = a->allow_drop, .no_state = a->no_state, .json = a->json};
  mtl_context *c = mtl_new();
  mtl_memory(c, a->memory);
  char *report = NULL;
  int code = mtl_plan(c, &o, &report);
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}
