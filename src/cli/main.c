// main.c: mtlc COMMAND …: finds the command in the table, reads its options, runs it.
#include <signal.h>
#include <unistd.h>
#include "command.h"
#include "term.h"

const Command command_table[] = {
  { "init", "", "a first spec from a data file: types, labels, missing values guessed, with the reasons", cmd_init, 0, 0,
    TAKES_ALWAYS | TAKES(DATA) | TAKES(LABEL) | TAKES(OUT),
    "  mtlc init --data rows.csv -o shop.mtl\n"
    "  mtlc init --data rows.csv --label visit,conversion,spend | less\n"
    "  mtlc init --data rows.csv --json                  what each column was taken for\n" },
  { "synth", "SPEC", "rows that fit the spec, with a signal that its tasks share", cmd_synth, 1, 1,
    TAKES_ALWAYS | TAKES(ROWS) | TAKES(SEED) | TAKES(OUT),
    "  mtlc synth shop.mtl --rows 10_000 --seed 1 -o rows.csv\n"
    "  mtlc synth shop.mtl --rows 5\n"
    "  mtlc synth joined.mtl --rows 10_000 -o rows      rows/SOURCE.csv for each source\n" },
  { "check", "SPEC…", "read and type-check specs; needs no data", cmd_check, 1, MAX_OPERANDS,
    TAKES_ALWAYS | TAKES(STRICT) | TAKES(AGAINST) | TAKES(SINCE) | TAKES(TAGS) | TAKES(CATEGORY) | TAKES(FORMAT),
    "  mtlc check shop.mtl\n"
    "  mtlc check --strict specs/*.mtl       exit 1 where there is a warning\n"
    "  mtlc check specs/*.mtl -q && echo fine\n"
    "  mtlc check shop.mtl --json            errors with file, line and column\n"
    "  mtlc check models --against v3        all specs below: exit 1 where one breaks those who use v3\n"
    "  mtlc check models --tags --since main --format github\n" },
  { "explain", "SPEC", "shapes, parameters, costs, and every default that the spec left out", cmd_explain, 1, 1, TAKES_ALWAYS,
    "  mtlc explain shop.mtl\n"
    "  mtlc explain shop.mtl --json\n" },
  { "run", "SPEC", "prepare the data, compile, train, judge on held-out rows, keep a run folder", cmd_run, 0, 1,
    TAKES_ALWAYS | TAKES(DATA) | TAKES(TEST) | TAKES(OUT) | TAKES(SEED) | TAKES(EPOCHS) | TAKES(RESUME) | TAKES(FROM) | TAKES(ALLOW_DROP) | TAKES(NO_STATE) |
      TAKES(MEMORY) | TAKES(TABLES) | TAKES(THREADS) | TAKES(PROFILE),
    "  mtlc run shop.mtl --data rows.csv                the run is kept in runs/MODEL-N\n"
    "  mtlc run shop.mtl --data train.csv --test test.csv -o runs/first --seed 7\n"
    "  mtlc run shop.mtl --data rows.csv.gz --epochs 3 --json > report.json\n"
    "  mtlc run shop.mtl --data events=rows.csv --data products=products.csv\n"
    "  mtlc run --resume runs/first                     goes on after Ctrl-C\n"
    "  mtlc run shop.mtl --data rows.csv --profile      which lines of the spec the time goes to\n" },
  { "compare", "SPEC", "does sharing help? every task alone, all together, other balancing; over seeds", cmd_compare, 1, 1,
    TAKES_ALWAYS | TAKES(DATA) | TAKES(TEST) | TAKES(SEED) | TAKES(SEEDS) | TAKES(EPOCHS) | TAKES(WITH) | TAKES(MEMORY) | TAKES(TABLES) | TAKES(THREADS),
    "  mtlc compare shop.mtl --data rows.csv            5 seeds, a few ways of balancing\n"
    "  mtlc compare shop.mtl --data rows.csv --seeds 10 --with famo,'cagrad(c = 0.4)'\n"
    "  mtlc compare shop.mtl --data rows.csv --with none --json > comparison.json\n" },
  { "eval", "RUN", "metrics of a trained run; without --data on its own held-out rows", cmd_eval, 1, 1,
    TAKES_ALWAYS | TAKES(DATA) | TAKES(MEMORY) | TAKES(TABLES) | TAKES(THREADS),
    "  mtlc eval runs/first\n"
    "  mtlc eval runs/first --data new.csv --json\n" },
  { "predict", "RUN", "predictions of a trained run as CSV", cmd_predict, 1, 1,
    TAKES_ALWAYS | TAKES(DATA) | TAKES(OUT) | TAKES(MEMORY) | TAKES(TABLES) | TAKES(THREADS),
    "  mtlc predict runs/first --data new.csv -o predictions.csv\n"
    "  mtlc predict runs/first --data new.csv | head\n" },
  { "fmt", "PATH…", "specs in the one style; folders: all .mtl files below", cmd_fmt, 1, MAX_OPERANDS, TAKES_ALWAYS | TAKES(CHECK),
    "  mtlc fmt shop.mtl                     rewrites the file\n"
    "  mtlc fmt --check specs/               exit 1 and their names where files would change\n"
    "  mtlc fmt - <shop.mtl >shop2.mtl       standard input to standard output\n" },
  { "hash", "SPEC", "four hashes of what a spec or a run says: contract, weights, train, spec", cmd_hash, 1, 1, TAKES_ALWAYS | TAKES(EXPLAIN),
    "  mtlc hash shop.mtl\n"
    "  mtlc hash runs/first                  of the spec that a run was trained by\n"
    "  mtlc hash shop.mtl --explain          the canonical form that is hashed\n"
    "  mtlc hash shop.mtl --explain | sed -n 's/^weights //p' | sha256sum\n" },
  { "diff", "OLD NEW", "what a change does to serving, to trained weights, to training; exit 1 on a break", cmd_diff, 2, 2,
    TAKES_ALWAYS | TAKES(CATEGORY) | TAKES(FORMAT),
    "  mtlc diff shop.mtl@v3 shop.mtl           the file in the commit v3, and as it is\n"
    "  mtlc diff HEAD~1 shop.mtl\n"
    "  mtlc diff runs/first shop.mtl --category weights     exit 1 where its weights do not fit, too\n"
    "  mtlc diff shop.mtl@v3 shop.mtl --format github       annotations of a review; or sarif\n" },
  { "plan", "RUN SPEC", "what a run would give a spec to start from, tensor by tensor", cmd_plan, 2, 2,
    TAKES_ALWAYS | TAKES(DATA) | TAKES(ALLOW_DROP) | TAKES(NO_STATE) | TAKES(MEMORY),
    "  mtlc plan prod shop.mtl\n"
    "  mtlc plan prod shop.mtl --data rows.csv    exact, for vocabularies that the rows say\n"
    "  mtlc run shop.mtl --from prod --data rows.csv      does precisely this\n" },
  { "freeze", "SPEC…", "pin imports by the hashes of their texts, and write NAME.lock", cmd_freeze, 1, MAX_OPERANDS,
    TAKES_ALWAYS | TAKES(VERIFY),
    "  mtlc freeze shop.mtl\n"
    "  mtlc freeze --verify models/*.mtl     exit 1 where something is not as it is pinned\n" },
  { "runs", "FOLDER", "the runs of a folder (default: runs), one a line", cmd_runs, 0, 1, TAKES_ALWAYS | TAKES(BEST),
    "  mtlc runs\n"
    "  mtlc runs --best 'auc(ctr)'           the best first\n"
    "  mtlc runs --json | jq -r '.[0].run'\n" },
  { "show", "RUN", "what a run is: model, data, figures, hashes, versions", cmd_show, 1, 1, TAKES_ALWAYS,
    "  mtlc show runs/first\n"
    "  mtlc show prod --json\n" },
  { "tag", "RUN NAME", "a name for a run, which every command takes", cmd_tag, 2, 2, TAKES_ALWAYS,
    "  mtlc tag runs/shop-7 prod             runs/prod is a link to it, replaced in one step\n"
    "  mtlc diff prod shop.mtl\n" },
  { "reproduce", "RUN", "train a run again, and compare bit by bit", cmd_reproduce, 1, 1, TAKES_ALWAYS | TAKES(MEMORY) | TAKES(TABLES),
    "  mtlc reproduce runs/first\n"
    "  mtlc reproduce prod --json            exit 1, and what differs, where it does\n" },
  { "compile", "SPEC", "the compiler alone: any stage as text, assembly or object", cmd_compile, 1, 1,
    TAKES_ALWAYS | TAKES(EMIT) | TAKES(DATA) | TAKES(OUT),
    "  mtlc compile shop.mtl --emit grad                the graph with gradients and updates\n"
    "  mtlc compile shop.mtl --emit asm | less\n"
    "  mtlc compile shop.mtl --emit obj -o shop.o\n" },
  { "doctor", "", "what this machine and installation have, and a self-test", cmd_doctor, 0, 0, TAKES_ALWAYS,
    "  mtlc doctor\n"
    "  mtlc doctor --json | jq .checks[].health\n"
    "  mtlc doctor -q && echo fine\n" },
  { 0 },
};

static const char exit_codes[] = "exit codes: 0 fine, 1 the answer is no, 2 wrong usage or spec, 3 wrong data, 4 the machine failed, 130 interrupted\n";

static void usage(Text *t) {
  text_add(t, "mtlc: compiles multi-task models to fused native code, trains and runs them\n\nusage: mtlc COMMAND …\n\n");
  for (const Command *c = command_table; c->name; c++)
    text_printf(t, "  %-9s %-8.*s  %s\n", c->name, (int)strcspn(c->args, "\xE2"), c->args, c->summary);   // less a `…`
  text_add(t, "\n  mtlc COMMAND --help   options and examples of a command\n  mtlc --version        versions of mtlc, LLVM and BLAS\n\n"
              "  mtlc synth specs/article_shared.mtl --rows 2000 -o rows.csv\n"
              "  mtlc run specs/article_shared.mtl --data rows.csv\n\n");
  text_add(t, exit_codes);
}

static void command_help(const Command *c, Text *t) {
  text_printf(t, "mtlc %s: %s\n\nusage: mtlc %s%s%s [OPTIONS]\n\n", c->name, c->summary, c->name, *c->args ? " " : "", c->args);
  options_help(c->takes, t);
  text_printf(t, "\nexamples:\n%s\n%s", c->examples, exit_codes);
}

static int print_text(Text *t) {
  bool ok = out_text(t->data);
  text_free(t);
  return ok ? 0 : 4;
}

static const Command *find_command(const char *name) {
  const Command *c = command_table;
  while (c->name && strcmp(c->name, name)) c++;
  return c->name ? c : NULL;
}

static int unknown_command(const char *word) {
  const char *names[64] = { "help", "--help", "--version" };
  int n = 3;
  for (const Command *c = command_table; c->name; c++) names[n++] = c->name;
  const char *meant = nearest(word, names, n);
  fprintf(stderr, "mtlc: unknown %s `%s`", word[0] == '-' ? "option" : "command", word);
  if (meant) fprintf(stderr, "; did you mean `%s`?", meant);
  fprintf(stderr, "\nmtlc --help lists the commands\n");
  return 2;
}

static int version(void) {
  Text t = {0};
  text_printf(&t, "mtlc %s\n%s", mtl_version(), mtl_build_info());
  if (t.data[t.n - 1] != '\n') text_char(&t, '\n');
  return print_text(&t);
}

static int help(const char *name) {
  Text t = {0};
  const Command *c = name ? find_command(name) : NULL;
  if (name && !c) return unknown_command(name);
  if (c) command_help(c, &t);
  else usage(&t);
  return print_text(&t);
}

static int run_command(const Command *c, int argc, char **argv) {
  static Args args;
  Text error = {0};
  if (!options_read(argc, argv, c->takes, &args, &error)) {
    int code = wrong_usage(c->name, "%s", error.data);
    text_free(&error);
    return code;
  }
  if (args.help) return help(c->name);
  if (args.n_operands < c->least) return wrong_usage(c->name, "what it works on is missing: %s", c->args);
  if (!c->most && args.n_operands && c->takes & TAKES(DATA))
    return wrong_usage(c->name, "it takes no names; a file of rows is given as --data %s", args.operand[0]);
  if (!c->most && args.n_operands) return wrong_usage(c->name, "it takes no names; what is `%s`?", args.operand[0]);
  if (args.n_operands > c->most) return wrong_usage(c->name, c->most == 1 ? "one %s is enough; what is `%s`?" : "%s are enough; what is `%s`?", c->args, args.operand[c->most]);
  return c->run(&args);
}

// Space on the disk is claimed before a file is mapped: what is left are disks that fail.
static void on_lost_file(int signal_number, siginfo_t *info, void *unused) {
  static const char said[] = "mtlc: error[lost-file]: a file that is mapped into memory cannot be read or written: its disk failed, or it was cut off\n";
  (void)unused;
  if (info->si_code != BUS_ADRERR) {                // something else: as without this
    signal(signal_number, SIG_DFL);
    raise(signal_number);
    return;
  }
  bool told = write(STDERR_FILENO, said, sizeof said - 1) > 0;
  (void)told;
  _exit(4);
}

int main(int argc, char **argv) {
  signal(SIGXFSZ, SIG_IGN);                         // a limit on files is a write that fails, not the end of the process
  sigaction(SIGBUS, &(struct sigaction){ .sa_sigaction = on_lost_file, .sa_flags = SA_SIGINFO }, NULL);   // several threads may come at once
  if (argc < 2) {
    Text t = {0};
    usage(&t);
    fputs(t.data, stderr);
    text_free(&t);
    return 2;
  }
  const char *word = argv[1];
  if (!strcmp(word, "--version")) return version();
  if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) return help(argc > 2 ? argv[2] : NULL);
  const Command *c = find_command(word);
  return c ? run_command(c, argc - 2, argv + 2) : unknown_command(word);
}
