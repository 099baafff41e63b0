// command.h: one row a command. A command is given its words, already read, and returns the exit code.
#ifndef MTLC_COMMAND_H
#define MTLC_COMMAND_H
#include "../mtl.h"
#include "options.h"

typedef struct {
  const char *name, *args, *summary;
  int (*run)(const Args *a);
  int least, most;                                 // operands
  uint64_t takes;                                  // TAKES(…) bits
  const char *examples;                            // lines, each beginning with two blanks
} Command;
extern const Command command_table[];              // ends with name NULL

int cmd_check(const Args *a);
int cmd_explain(const Args *a);
int cmd_run(const Args *a);
int cmd_compare(const Args *a);
int cmd_eval(const Args *a);
int cmd_predict(const Args *a);
int cmd_compile(const Args *a);
int cmd_synth(const Args *a);
int cmd_doctor(const Args *a);
int cmd_fmt(const Args *a);
int cmd_init(const Args *a);
int cmd_hash(const Args *a);
int cmd_diff(const Args *a);
int cmd_runs(const Args *a);
int cmd_show(const Args *a);
int cmd_tag(const Args *a);
int cmd_reproduce(const Args *a);
int cmd_plan(const Args *a);
int cmd_freeze(const Args *a);

// How every command ends: errors and warnings to standard error; the report (freed here; may be NULL) to standard output. With --json and no
// report, what is there instead is {"exit": code, "errors": […]}. Returns `code`, or 4 where standard output cannot be written.
int finish(mtl_context *c, const Args *a, int code, char *report);
int wrong_usage(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);   // prints; returns 2
#endif
