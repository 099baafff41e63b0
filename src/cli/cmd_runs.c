// cmd_runs.c: mtlc runs [FOLDER] [--best FIGURE], mtlc show RUN, mtlc tag RUN NAME.
#include "command.h"

int cmd_runs(const Args *a) {
  mtl_context *c = mtl_new();
  char *report = NULL;
  int code = mtl_runs(c, a->n_operands ? a->operand[0] : "runs", a->best, a->json, &report);
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}

int cmd_show(const Args *a) {
  mtl_context *c = mtl_new();
  char *report = NULL;
  int code = mtl_show(c, a->operand[0], a->json, &report);
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}

int cmd_tag(const Args *a) {
  mtl_context *c = mtl_new();
  char *report = NULL;
  int code = mtl_tag(c, a->operand[0], a->operand[1], a->json, &report);
  if (a->quiet && !a->json) {
    mtl_text_free(report);
    report = NULL;
  }
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}
