// cmd_synth.c: mtlc synth SPEC [--rows N] [--seed N] [-o FILE]. Of a spec with several sources: -o FOLDER.
#include "command.h"

enum { DEFAULT_ROWS = 1000, DEFAULT_SEED = 1 };

int cmd_synth(const Args *a) {
  const char *out = a->out ? a->out : "-";
  bool to_stdout = !strcmp(out, "-");
  int64_t rows = a->rows ? a->rows : DEFAULT_ROWS, seed = a->has_seed ? a->seed : DEFAULT_SEED;
  if (a->json && to_stdout) return wrong_usage("synth", "with --json, standard output is the report's: name a file for the rows with -o");
  mtl_context *c = mtl_new();
  char *report = NULL;
  int code = mtl_synth(c, a->operand[0], rows, (uint64_t)seed, out);
  Text t = {0};
  if (code == 0 && a->json) text_printf(&t, "{\"exit\": 0, \"rows\": %lld, \"seed\": %lld}\n", (long long)rows, (long long)seed);
  if (t.data) report = strdup(t.data);
  text_free(&t);
  if (code == 0 && !a->json && !a->quiet && !to_stdout) fprintf(stderr, "%s: %lld rows, seed %lld\n", out, (long long)rows, (long long)seed);
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}
