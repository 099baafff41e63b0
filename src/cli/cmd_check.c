// cmd_check.c: mtlc check SPEC…: every spec is checked, whatever the ones before it have; the first that is wrong gives the exit code. A
// folder is all specs below it.
#include "command.h"
#include "term.h"
#include <sys/stat.h>

typedef struct { const Args *args; int done, worst; bool list, fine; } Job;      // list: several documents of JSON

static bool is_folder(const char *path) {                    // of specs: a run is told what it is
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && !mtl_is_run(path);
}

static void worsen(Job *j, int code) {
  if (!j->worst) j->worst = code;
}

static void check_one(Job *j, const char *spec) {
  const Args *a = j->args;
  mtl_context *c = mtl_new();
  char *report = NULL;
  int code = mtl_check(c, spec, a->strict, a->json, &report);
  if (a->quiet && !a->json) {
    mtl_text_free(report);
    report = NULL;
  }
  if (j->list && j->done++) j->fine &= out_text(",\n");
  worsen(j, finish(c, a, code, report));
  mtl_free(c);
}

static void check_folder(Job *j, const char *path) {
  mtl_context *c = mtl_new();
  const char *const *specs;
  int n, code = mtl_specs(c, path, &specs, &n);
  for (int i = 0; i < n; i++) check_one(j, specs[i]);
  if (code) {
    if (j->list && j->done++) j->fine &= out_text(",\n");
    worsen(j, finish(c, j->args, code, NULL));
  }
  mtl_free(c);
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
  bool folder = false;
  for (int i = 0; i < a->n_operands; i++) folder |= is_folder(a->operand[i]);
  Job j = {.args = a, .list = a->json && (folder || a->n_operands > 1), .fine = true};
  if (j.list) j.fine = out_text("[\n");
  for (int i = 0; i < a->n_operands; i++) {
    if (is_folder(a->operand[i])) check_folder(&j, a->operand[i]);
    else check_one(&j, a->operand[i]);
  }
  if (j.list) j.fine &= out_text("]\n");
  return j.fine ? j.worst : 4;
}
