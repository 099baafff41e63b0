// cmd_reproduce.c: mtlc reproduce RUN.
#include "command.h"
#include "term.h"
#include "watch.h"

int cmd_reproduce(const Args *a) {
  mtl_reproduce_options o = {.run = a->operand[0], .json = a->json, .stop = stop_on_signal("stopping after this step; nothing is kept; once more ends at once")};
  if (!a->quiet && term_is_live()) o.progress = show_progress;
  mtl_context *c = mtl_new();
  mtl_memory(c, a->memory);
  mtl_tables(c, a->tables);
  char *report = NULL;
  int code = mtl_reproduce(c, &o, &report);
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}
