// cmd_init.c: mtlc init --data FILE [--label NAME,…] [-o SPEC]. Without -o the spec is the answer, on standard output.
#include "command.h"

int cmd_init(const Args *a) {
  if (!a->data) return wrong_usage("init", "the rows are missing: --data FILE");
  if (a->n_files > 1) return wrong_usage("init", "a first spec is made from one file");
  mtl_init_options o = { .data = a->data[0], .labels = a->label, .out = a->out, .json = a->json };
  mtl_context *c = mtl_new();
  char *report = NULL;
  int code = mtl_init(c, &o, &report);
  if (a->quiet && a->out && strcmp(a->out, "-") && !a->json) {
    mtl_text_free(report);
    report = NULL;
  }
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}
