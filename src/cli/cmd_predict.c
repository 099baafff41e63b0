// cmd_predict.c: mtlc predict RUN --data FILE [-o OUT]. Without -o the CSV is the answer, on standard output.
#include "command.h"

int cmd_predict(const Args *a) {
  const char *out = a->out ? a->out : "-";
  bool to_stdout = !strcmp(out, "-");
  if (!a->data) return wrong_usage("predict", "the rows are missing: --data FILE");
  if (a->json && to_stdout) return wrong_usage("predict", "with --json, standard output is the report's: name a file for the predictions with -o");
  mtl_context *c = mtl_new();
  mtl_memory(c, a->memory);
  mtl_tables(c, a->tables);
  mtl_threads(c, (int)a->threads);
  char *report = NULL;
  int code = mtl_predict(c, a->operand[0], a->data, out, a->json, &report);
  if (a->quiet && !to_stdout && !a->json) {
    mtl_text_free(report);
    report = NULL;
  }
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}
