// cmd_freeze.c: mtlc freeze SPEC… [--verify].
#include "command.h"

int cmd_freeze(const Args *a) {
  int worst = 0;
  for (int i = 0; i < a->n_operands; i++) {
    mtl_context *c = mtl_new();
    char *report = NULL;
    int code = mtl_freeze(c, a->operand[i], a->verify, a->json, &report);
    if (a->quiet && !a->json && code == 0) {
      mtl_text_free(report);
      report = NULL;
    }
    code = finish(c, a, code, report);
    mtl_free(c);
    if (code > worst) worst = code;
  }
  return worst;
}
