// cmd_check.c: mtlc check SPEC…: every spec is checked, whatever the ones before it have; the first that is wrong gives the exit code.
#include "command.h"
#include "term.h"

// One document: that of the spec, or for several specs an array.
static int check_json(const Args *a) {
  int worst = 0;
  bool ok = a->n_operands == 1 || out_text("[\n");
  for (int i = 0; i < a->n_operands; i++) {
    mtl_context *c = mtl_new();
    char *report = NULL;
    int code = mtl_check(c, a->operand[i], a->strict, true, &report);
    if (i > 0) ok = ok && out_text(",\n");
    code = finish(c, a, code, report);
    mtl_free(c);
    if (!worst) worst = code;
  }
  ok = ok && (a->n_operands == 1 || out_text("]\n"));
  return ok ? worst : 4;
}

static int check_against(const Args *a) {
  if (a->against && a->tags) return wrong_usage("check", "--tags compares with every tag: --against names one commit");
  mtl_against_options o = {.specs = a->operand, .n_specs = a->n_operands, .against = a->against, .tags = a->tags, .since = a->since,
                           .category = a->category, .format = a->format, .json = a->json, .quiet = a->quiet};
  mtl_context *c = mtl_new();
  char *report = NULL;
  int code = mtl_check_against(c, &o, &report);
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}

int cmd_check(const Args *a) {
  if (a->against || a->tags) return check_against(a);
  if (a->since || a->category || a->format) return wrong_usage("check", "--since, --category and --format go with --against REF or --tags");
  if (a->json) return check_json(a);
  int worst = 0;
  for (int i = 0; i < a->n_operands; i++) {
    mtl_context *c = mtl_new();
    char *report = NULL;
    int code = mtl_check(c, a->operand[i], a->strict, false, &report);
    if (a->quiet) {
      mtl_text_free(report);
      report = NULL;
    }
    code = finish(c, a, code, report);
    mtl_free(c);
    if (!worst) worst = code;
  }
  return worst;
}
