// options.c: options by a table. `--name VALUE`, `--name=VALUE`, `-o VALUE`, `-oVALUE`; `--` ends them; no abbreviations.
// What is unknown, lacks its value, has one too many or comes twice is told with what was probably meant.
#include "options.h"
#include <errno.h>

#define AT(field) offsetof(Args, field)
const Option option_table[] = {
  // letter name      value    help                                                        kind           at
  { 0,   "data",   "FILE",  "rows: CSV, gzip, DB:TABLE of SQLite; of a source: NAME=FILE; default: the spec's", OPTION_FILES, AT(file) },
  { 0,   "test",   "FILE",  "held-out rows in a file of their own",                        OPTION_TEXT,  AT(test) },
  { 'o', "out",    "PATH",  "where the result goes; `-`: standard output",                 OPTION_TEXT,  AT(out) },
  { 0,   "seed",   "N",     "seed of all that is random",                                  OPTION_SEED,  AT(seed) },
  { 0,   "seeds",  "N",     "how many seeds; default 5",                                   OPTION_COUNT, AT(seeds) },
  { 0,   "with",   "METHODS", "ways of balancing to try, apart by commas; `none`",        OPTION_TEXT,  AT(with) },
  { 0,   "epochs", "N",     "epochs, in place of the spec's",                              OPTION_COUNT, AT(epochs) },
  { 0,   "rows",   "N",     "number of rows to make; default 1000",                        OPTION_COUNT, AT(rows) },
  { 0,   "resume", "RUN",   "go on with an interrupted run",                               OPTION_TEXT,  AT(resume) },
  { 0,   "memory", "SIZE",  "memory for rows, and for lazy tables, as 500M or 4G; what does not fit lies on disk; default: half of what the process may use",  OPTION_SIZE,  AT(memory) },
  { 0,   "emit",   "STAGE", "ast, model, graph, grad, sched, llvm, asm or obj",            OPTION_STAGE, AT(emit) },
  { 0,   "label",  "NAMES", "columns that are labels, apart by commas; default: guessed",  OPTION_TEXT,  AT(label) },
  { 0,   "json",   NULL,    "one JSON document on standard output",                        OPTION_FLAG,  AT(json) },
  { 'q', "quiet",  NULL,    "no progress, no messages: the answer and errors alone",       OPTION_FLAG,  AT(quiet) },
  { 'h', "help",   NULL,    "this text",                                                   OPTION_FLAG,  AT(help) },
  { 0,   "check",  NULL,    "change nothing; exit 1 where something would change",        OPTION_FLAG,  AT(check) },
  { 0,   "explain", NULL,   "the canonical form that is hashed, in place of the hashes",   OPTION_FLAG,  AT(explain) },
  { 0,   "strict", NULL,    "a warning is a no: exit 1",                                   OPTION_FLAG,  AT(strict) },
  { 0,   "category", "NAME", "what is a break: contract (default), weights or training; each holds the ones before", OPTION_TEXT, AT(category) },
  { 0,   "format", "NAME",  "text (default), json, sarif or github",                       OPTION_TEXT,  AT(format) },
  { 0,   "against", "REF",  "compare with what it was in this commit of git",              OPTION_TEXT,  AT(against) },
  { 0,   "since",  "REF",   "only what was not found in this commit already",              OPTION_TEXT,  AT(since) },
  { 0,   "tags",   NULL,    "compare with every tag that leads here",                      OPTION_FLAG,  AT(tags) },
  { 0,   "best",   "FIGURE", "by this figure of a task, as `auc(ctr)`, the best first",    OPTION_TEXT,  AT(best) },
  { 0,   "threads", "N",    "threads that work on a step; default: one a processor; results do not depend on it", OPTION_THREADS, AT(threads) },
  { 0,   "from",   "RUN",   "start from the weights of this run: see mtlc plan",           OPTION_TEXT,  AT(from) },
  { 0,   "allow-drop", NULL, "weights that the spec has no place for may be left behind",  OPTION_FLAG,  AT(allow_drop) },
  { 0,   "no-state", NULL,  "without the optimizer's state: none is taken of a run, none is kept", OPTION_FLAG, AT(no_state) },
  { 0,   "verify", NULL,    "change nothing; exit 1 where something is not as it is pinned", OPTION_FLAG, AT(verify) },
  { 0,   "profile", NULL,   "what each kernel of a step takes, by the spec's lines; on one thread", OPTION_FLAG,  AT(profile) },
  { 0,   "tables-in", "FOLDER", "lazy tables lie in a file in this folder, whatever their size", OPTION_TEXT, AT(tables) },
  { 0,   NULL,     NULL,    NULL,                                                          OPTION_FLAG,  0 },
};
const char *const stage_names[] = { "ast", "model", "graph", "grad", "sched", "llvm", "asm", "obj", NULL };

static bool taken(uint64_t takes, int i) { return takes >> i & 1; }

static bool unknown(const char *word, size_t n, uint64_t takes, Text *error) {
  const char *known[N_OPTIONS];
  char bare[64];
  int count = 0;
  for (int i = 0; option_table[i].name; i++)
    if (taken(takes, i)) known[count++] = option_table[i].name;
  text_printf(error, "unknown option `%.*s`", (int)n, word);
  const char *start = word + strspn(word, "-");
  snprintf(bare, sizeof bare, "%.*s", (int)(n - (size_t)(start - word)), start);
  const char *meant = nearest(bare, known, count);
  if (meant) text_printf(error, "; did you mean `--%s`?", meant);
  return false;
}

// Decimal digits, `_` between them.
static bool read_number(const char *s, int64_t *value) {
  char digits[32];
  size_t n = 0;
  for (const char *p = s; *p; p++) {
    if (*p == '_' && p != s && p[1] && p[1] != '_') continue;
    if (*p < '0' || *p > '9' || n + 1 == sizeof digits) return false;
    digits[n++] = *p;
  }
  digits[n] = 0;
  errno = 0;
  *value = strtoll(digits, NULL, 10);
  return n && !errno;
}

// Bytes, or with K, M, G or T behind: times 1024 each.
static bool read_size(const char *s, int64_t *bytes) {
  static const char units[] = "KMGT";
  size_t n = strlen(s);
  const char *unit = n ? strchr(units, s[n - 1] & ~32) : NULL;
  char digits[32];
  if (!n || n >= sizeof digits) return false;
  memcpy(digits, s, n + 1);
  if (unit) digits[n - 1] = 0;
  if (!read_number(digits, bytes) || *bytes < 1) return false;
  for (int i = 0; unit && i <= unit - units; i++)
    if (__builtin_mul_overflow(*bytes, (int64_t)1024, bytes)) return false;
  return true;
}

static bool is_stage(const char *value, Text *error) {
  int n = 0;
  while (stage_names[n] && strcmp(stage_names[n], value)) n++;
  if (stage_names[n]) return true;
  const char *meant = nearest(value, stage_names, n);
  text_printf(error, "`--emit` knows no stage `%s`", value);
  if (meant) text_printf(error, "; did you mean `%s`?", meant);
  text_add(error, "\nstages:");
  for (int i = 0; i < n; i++) text_printf(error, " %s", stage_names[i]);
  return false;
}

static bool store(const Option *o, const char *value, Args *args, Text *error) {
  char *field = (char *)args + o->at;
  int64_t number = 0;
  switch (o->kind) {
  case OPTION_FLAG:
    *(bool *)field = true;
    return true;
  case OPTION_STAGE:
    if (!is_stage(value, error)) return false;
    *(const char **)field = value;
    return true;
  case OPTION_TEXT:
    if (!*value) return text_printf(error, "`--%s` has an empty value", o->name), false;
    *(const char **)field = value;
    return true;
  case OPTION_FILES:
    if (!*value) return text_printf(error, "`--%s` has an empty value", o->name), false;
    if (args->n_files == MAX_FILES) return text_printf(error, "more than %d files", MAX_FILES), false;
    args->file[args->n_files++] = value;
    args->data = args->file;
    return true;
  case OPTION_SIZE:
    if (!read_size(value, (int64_t *)field))
      return text_printf(error, "`--%s` takes a size, as 500M or 4G, not `%s`", o->name, value), false;
    return true;
  case OPTION_THREADS:
    if (!read_number(value, (int64_t *)field) || *(int64_t *)field < 1 || *(int64_t *)field > MAX_THREADS)
      return text_printf(error, "`--%s` takes a whole number from 1 to %d, not `%s`", o->name, MAX_THREADS, value), false;
    return true;
  case OPTION_COUNT:
  case OPTION_SEED:
    if (!read_number(value, &number) || (o->kind == OPTION_COUNT && number < 1))
      return text_printf(error, "`--%s` takes a whole number%s, not `%s`", o->name, o->kind == OPTION_COUNT ? " from 1" : "", value), false;
    if (o->kind == OPTION_SEED) args->has_seed = true;
    *(int64_t *)field = number;
    return true;
  }
  return false;
}

// The option that a word names, or −1; *value is what stands in the same word.
static int find_option(const char *word, uint64_t takes, const char **value, size_t *n) {
  bool is_long = word[1] == '-';
  const char *equals = is_long ? strchr(word, '=') : NULL;
  *n = is_long ? (equals ? (size_t)(equals - word) : strlen(word)) : strlen(word);
  for (int i = 0; option_table[i].name; i++) {
    const Option *o = &option_table[i];
    if (!taken(takes, i)) continue;
    if (is_long ? *n != strlen(o->name) + 2 || strncmp(word + 2, o->name, *n - 2) : o->letter != word[1]) continue;
    *value = is_long ? (equals ? equals + 1 : NULL) : (word[2] ? word + 2 : NULL);
    return i;
  }
  return -1;
}

// Reads the option at argv[*i] and moves *i past its value.
static bool read_option(int argc, char **argv, int *i, uint64_t takes, uint64_t *seen, Args *args, Text *error) {
  const char *value = NULL;
  size_t n;
  int k = find_option(argv[*i], takes, &value, &n);
  if (k < 0) return unknown(argv[*i], n, takes, error);
  const Option *o = &option_table[k];
  if (o->kind == OPTION_FLAG && value)
    return o->letter == argv[*i][1] ? unknown(argv[*i], n, takes, error) : (text_printf(error, "`--%s` takes no value", o->name), false);
  if (o->kind == OPTION_FLAG) return store(o, NULL, args, error);
  if (*seen & (uint64_t)1 << k && o->kind != OPTION_FILES) return text_printf(error, "`--%s` is given twice", o->name), false;
  *seen |= (uint64_t)1 << k;
  if (!value && *i + 1 >= argc) return text_printf(error, "`%s` needs a value: %s", argv[*i], o->value), false;
  return store(o, value ? value : argv[++*i], args, error);
}

bool options_read(int argc, char **argv, uint64_t takes, Args *args, Text *error) {
  uint64_t seen = 0;
  bool ended = false;
  *args = (Args){0};
  for (int i = 0; i < argc; i++) {
    const char *word = argv[i];
    if (!ended && !strcmp(word, "--")) {
      ended = true;
    } else if (!ended && word[0] == '-' && word[1]) {
      if (!read_option(argc, argv, &i, takes, &seen, args, error)) return false;
    } else {
      if (args->n_operands == MAX_OPERANDS) return text_printf(error, "more than %d names", MAX_OPERANDS), false;
      args->operand[args->n_operands++] = word;
    }
  }
  return true;
}

void options_help(uint64_t takes, Text *out) {
  for (int i = 0; option_table[i].name; i++) {
    const Option *o = &option_table[i];
    if (!taken(takes, i)) continue;
    char left[64];
    snprintf(left, sizeof left, "%c%c%s--%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
             o->value ? " " : "", o->value ? o->value : "");
    text_printf(out, "  %-20s  %s\n", left, o->help);
  }
}
