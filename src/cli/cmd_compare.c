// cmd_compare.c: mtlc compare SPEC --data FILE …. It writes nothing but its answer; Ctrl-C ends it without one.
#include "command.h"
#include "term.h"
#include "watch.h"

int cmd_compare(const Args *a) {
  enum { MAX_SEEDS = 1000 };
  if (a->seeds > MAX_SEEDS) return wrong_usage("compare", "`--seeds` takes a whole number from 1 to %d, not %lld", MAX_SEEDS, (long long)a->seeds);
  mtl_compare_options o = { .spec = a->operand[0], .data = a->data, .test = a->test, .with = a->with, .seeds = a->seeds, .epochs = a->epochs,
                            .seed = a->seed, .has_seed = a->has_seed, .json = a->json,
                            .stop = stop_on_signal("stopping after this step; once more ends at once") };
  if (!a->quiet) {
    o.progress = term_is_live() ? show_progress : NULL;
    o.message = show_message;
  }
  mtl_context *c = mtl_new();
  mtl_memory(c, a->memory);
  mtl_tables(c, a->tables);
  mtl_threads(c, (int)a->threads);
  char *report = NULL;
  int code = mtl_compare(c, &o, &report);
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}
