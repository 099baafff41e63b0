// options.h: the words behind `mtlc COMMAND`, read by a table of options.
#ifndef MTLC_OPTIONS_H
#define MTLC_OPTIONS_H
#include "../base/base.h"

enum { MAX_OPERANDS = 1024, MAX_FILES = 256, MAX_THREADS = 1024 };
typedef struct {
  const char *operand[MAX_OPERANDS]; int n_operands;   // SPEC or RUN
  const char *const *data; const char *file[MAX_FILES + 1]; int n_files;   // data: NULL, or the words of --data, then NULL
  const char *test, *out, *resume, *emit, *label, *with, *category, *format, *against, *since, *best, *from, *tables;      // NULL: not given
  int64_t memory;                                      // bytes; 0: not given
  int64_t epochs, rows, seed, seeds, threads;          // 0: not given; seed: see has_seed
  bool has_seed, json, quiet, help, check, explain, strict, tags, allow_drop, no_state, verify, profile;
} Args;

// FILES: may be given again; SIZE: bytes, K, M, G; COUNT: ≥ 1
typedef enum { OPTION_FLAG, OPTION_TEXT, OPTION_FILES, OPTION_SIZE, OPTION_COUNT, OPTION_SEED, OPTION_STAGE, OPTION_THREADS } OptionKind;
typedef struct {
  char letter;                                         // 0: none
  const char *name, *value, *help;                     // value: what the help calls it, NULL for a flag
  OptionKind kind;
  size_t at;                                           // offset in Args
} Option;

extern const Option option_table[];                    // ends with name NULL
extern const char *const stage_names[];                // of --emit; ends with NULL

// Which options a command takes: bits in the order of option_table.
typedef enum {
  TAKES_DATA, TAKES_TEST, TAKES_OUT, TAKES_SEED, TAKES_SEEDS, TAKES_WITH, TAKES_EPOCHS, TAKES_ROWS, TAKES_RESUME, TAKES_MEMORY, TAKES_EMIT, TAKES_LABEL,
  TAKES_JSON, TAKES_QUIET, TAKES_HELP, TAKES_CHECK, TAKES_EXPLAIN, TAKES_STRICT,
  TAKES_CATEGORY, TAKES_FORMAT, TAKES_AGAINST, TAKES_SINCE, TAKES_TAGS, TAKES_BEST,
  TAKES_THREADS, TAKES_FROM, TAKES_ALLOW_DROP, TAKES_NO_STATE, TAKES_VERIFY,
  TAKES_PROFILE, TAKES_TABLES,
  N_OPTIONS
} OptionId;
#define TAKES(id) ((uint64_t)1 << TAKES_##id)
#define TAKES_ALWAYS (TAKES(JSON) | TAKES(QUIET) | TAKES(HELP))

// Fills `args`; false: a message is in `error`, one or more lines.
bool options_read(int argc, char **argv, uint64_t takes, Args *args, Text *error);
void options_help(uint64_t takes, Text *out);
#endif
