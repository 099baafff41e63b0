// cmd_run.c: mtlc run SPEC --data FILE …, mtlc run --resume RUN. Ctrl-C lets the step end and the run be saved; a second one ends at once.
#include "command.h"
#include "term.h"
#include "watch.h"

static int resumed_alone(const Args *a) {
  if (a->n_operands || a->data || a->test || a->out || a->has_seed || a->from || a->no_state)
    return wrong_usage("run", "--resume RUN goes on with the run's own spec, data and seed: only --epochs may be with it");
  return 0;
}

int cmd_run(const Args *a) {
  if (a->resume && resumed_alone(a)) return 2;
  if (a->allow_drop && !a->from) return wrong_usage("run", "--allow-drop goes with --from RUN");
  if (!a->resume && !a->n_operands) return wrong_usage("run", "what it works on is missing: SPEC, or --resume RUN");
  volatile int *stop = stop_on_signal("stopping after this step and saving; once more ends at once");
  mtl_run_options o = { .spec = a->n_operands ? a->operand[0] : NULL, .data = a->data, .test = a->test, .out = a->out, .resume = a->resume,
                        .from = a->from, .allow_drop = a->allow_drop, .no_state = a->no_state,
                        .epochs = a->epochs, .seed = a->seed, .has_seed = a->has_seed, .json = a->json, .profile = a->profile, .stop = stop };
  if (!a->quiet) {
    o.progress = term_is_live() ? show_progress : NULL;
    o.message = show_message;
  }
  mtl_context *c = mtl_new();
  mtl_memory(c, a->memory);
  mtl_tables(c, a->tables);
  mtl_threads(c, (int)a->threads);
  char *report = NULL;
  int code = mtl_run(c, &o, &report);
  code = finish(c, a, code, report);
  mtl_free(c);
  return code;
}
