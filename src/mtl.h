// mtl.h: the public face of libmtl. Opaque types, mtl_ prefix; the command line is its first client.
// Functions return an exit code: 0 fine, 1 the answer is no, 2 wrong usage or spec, 3 wrong data, 4 the machine failed,
// 130 interrupted. What went wrong is text in the context (mtl_errors), never printed by the library.
#ifndef MTL_H
#define MTL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct mtl_context mtl_context;
mtl_context *mtl_new(void);
void         mtl_free(mtl_context *c);
// Bytes that the rows of a file may take, and as many that lazy tables may take with what an optimizer keeps of them; 0: half of what
// this process may use. What does not fit lies in the cache folder.
void         mtl_memory(mtl_context *c, int64_t bytes);
// Lazy tables lie in a file in this folder, whatever their size; NULL: in memory, or where they do not fit.
void         mtl_tables(mtl_context *c, const char *folder);
// Threads that work on a step, the caller's included; 0: as many as there are processors, or time of them, for this process. Results do not depend
// on it, to the bit.
void         mtl_threads(mtl_context *c, int threads);
// Errors and warnings so far, printed with place and caret (colour: ANSI), or as a JSON array. Valid until the next call.
const char  *mtl_errors(mtl_context *c, bool colour);
void         mtl_width(mtl_context *c, int columns); // of the terminal that shows them: long lines of a spec are cut to it
const char  *mtl_errors_json(mtl_context *c);
const char  *mtl_version(void);                       // "0.1.0"
const char  *mtl_build_info(void);                    // LLVM, BLAS and its core, target that this CPU gets: one per line "name: value"

// Every report comes as text for people or, with json, as one JSON document; malloc'd, free with mtl_text_free.
void mtl_text_free(char *text);
bool mtl_is_run(const char *folder);                  // a run's folder: what is in it belongs to the run
// The specs that a path names: of a folder all files below with a `model`, in the order of names. They live as long as c.
int mtl_specs(mtl_context *c, const char *path, const char *const **specs, int *n);
// strict: a warning makes the answer no: 1.
int mtl_check(mtl_context *c, const char *spec, bool strict, bool json, char **report);
int mtl_explain(mtl_context *c, const char *spec, bool json, char **report);
// The four hashes of a spec, or of the spec of a run folder (version/version.h); explain: the canonical form that is hashed.
int mtl_hash(mtl_context *c, const char *path, bool explain, bool json, char **report);
typedef struct {
  const char *before, *after;                         // specs, run folders, or specs in a commit of git: shop.mtl@v3
  const char *category;                               // what counts as a break: contract (NULL), weights, training
  const char *format;                                 // text (NULL), json, sarif, github
  bool json, quiet;                                   // quiet: breaks alone
} mtl_diff_options;
// What the change from one model to the other does to serving, to trained weights and to training. 1: it breaks what was asked for.
int mtl_diff(mtl_context *c, const mtl_diff_options *o, char **report);
typedef struct {
  const char *const *specs; int n_specs;              // files, and folders whose .mtl files below are looked at
  const char *against;                                // a commit of git; NULL with tags: every tag that leads to HEAD
  bool tags;
  const char *since;                                  // what was found at that commit already is left out; NULL: nothing
  const char *category, *format;                      // as of mtl_diff
  bool json, quiet;
} mtl_against_options;
// What changed since a commit, of all specs. 1: something breaks what was asked for.
int mtl_check_against(mtl_context *c, const mtl_against_options *o, char **report);
// The runs of a folder, one a line; best (`auc(ctr)`, may be NULL): by this figure, the best first.
int mtl_runs(mtl_context *c, const char *folder, const char *best, bool json, char **report);
int mtl_show(mtl_context *c, const char *run, bool json, char **report);
// A name for a run: a link beside it, replaced in one step.
int mtl_tag(mtl_context *c, const char *run, const char *name, bool json, char **report);
typedef struct {
  const char *run;
  bool json;
  volatile int *stop;                                 // as of mtl_run
  void (*progress)(void *ctx, const char *line, double done);
  void *ctx;
} mtl_reproduce_options;
// Trains a run again and compares the weights bit by bit. 1: they differ, or the data have changed; the report says what.
int mtl_reproduce(mtl_context *c, const mtl_reproduce_options *o, char **report);
typedef struct {
  const char *run, *spec;
  const char *const *data;                            // rows: the plan is exact; NULL: what only the rows say is unknown in it
  bool allow_drop, no_state, json;
} mtl_plan_options;
// What `mtl_run` with `from` takes of a run, tensor by tensor. 1: weights would be dropped, and allow_drop is not set.
int mtl_plan(mtl_context *c, const mtl_plan_options *o, char **report);
// Pins the imports of a spec by the SHA-256 of their texts and writes NAME.lock beside it; verify: changes nothing, 1 where all is not so.
int mtl_freeze(mtl_context *c, const char *spec, bool verify, bool json, char **report);
// A spec's text in the one style (format.h) in *out, malloc'd; name: for messages. Errors in the text: 2, and *out is NULL.
int mtl_fmt(mtl_context *c, const char *name, const char *text, size_t n, char **out, size_t *size);
// Data files are given as words, the list ending in NULL: `FILE` for the spec's first source, `SOURCE=FILE` for the source of
// that name. What is not given (or all, the list being NULL) is the file that the spec names.
// stage: ast model graph grad sched llvm asm obj. data NULL: vocabularies of learned size are assumed to have 100 entries, and said so.
int mtl_compile(mtl_context *c, const char *spec, const char *stage, const char *const *data, char **out, size_t *size);

typedef struct {
  const char *spec, *const *data, *test;              // data, test NULL: the spec's files
  const char *out;                                    // run folder, NULL: runs/MODEL-N, N the next free number
  const char *from;                                   // a run to start from, in place of the one that the spec names; NULL: the spec's
  bool allow_drop;                                    // with from: weights of the run that the spec has no place for may be left
  bool no_state;                                      // without the optimizer's state: none is taken of a run that this one starts from, none is kept
  const char *resume;                                 // a run folder to go on with; spec, data, test NULL then
  int64_t epochs;                                     // 0: the spec's
  int64_t seed; bool has_seed;
  bool json;
  bool profile;                                       // time each kernel, on one thread: a table in the report
  volatile int *stop;                                 // set non-zero (by a signal handler) to stop after the step
  void (*progress)(void *ctx, const char *line, double done);   // one line of state for a bar; may be NULL
  void (*message)(void *ctx, const char *text);       // a finished line (an epoch, a summary); may be NULL
  void *ctx;
  bool forget;                                        // a run that fails leaves nothing to go on with
} mtl_run_options;
int mtl_run(mtl_context *c, const mtl_run_options *o, char **report);
typedef struct {
  const char *spec, *const *data, *test;              // data, test NULL: the spec's files
  const char *with;                                   // ways of balancing, apart by commas, as behind `balance =`; "none"; NULL: a few
  int64_t seeds;                                      // how many; 0: 5
  int64_t epochs;                                     // 0: the spec's
  int64_t seed; bool has_seed;                        // the first; else the spec's
  bool json;
  volatile int *stop;                                 // set non-zero to stop after the step: then 130, and no report
  void (*progress)(void *ctx, const char *line, double done);
  void (*message)(void *ctx, const char *text);
  void *ctx;
} mtl_compare_options;
// Does sharing help? Every task alone, all together, and together with each way of balancing, over seeds: figures on the held-out
// rows, gains, cosines of the tasks' gradients, and the arrangement that wins, if the figures bear it out.
int mtl_compare(mtl_context *c, const mtl_compare_options *o, char **report);
// Metrics of a trained run, and whether what its spec requires holds (else 1), on new rows (data NULL: the run's own held-out
// rows, from its data file). Joined sources that are not given are those that the run was trained with.
int mtl_eval(mtl_context *c, const char *run, const char *const *data, bool json, char **report);
// Predictions as CSV to `out` ("-": returned in *report): row, every task's head (class(n): one column a class), every output.
int mtl_predict(mtl_context *c, const char *run, const char *const *data, const char *out, bool json, char **report);

// ---- Predictions from memory: a trained run is opened once, then takes rows of values: no file, no allocation, no other thread. docs/embedding.md
typedef struct mtl_predictor mtl_predictor;
#define MTL_NO_ID UINT32_MAX                            // in ids: a value that is missing or new, where the spec refuses it
#define MTL_END (UINT32_MAX - 1)                        // in ids: behind the items of a list that has fewer than its width
typedef struct { const char *name; bool is_id; int at, width; } mtl_input;   // its place in a row's ids or, else, in its numbers
typedef struct { const char *name; int at, width; } mtl_output;              // its place in a row's results: tasks, then outputs
typedef struct {
  const mtl_input *inputs; int n_inputs;
  const mtl_output *outputs; int n_outputs;
  int numbers, ids, results;                            // how many of each a row has
} mtl_row;
// Borrows c: close it first. One thread at a time; NULL: errors in c.
mtl_predictor *mtl_predictor_open(mtl_context *c, const char *run);
// Another over the same weights, for another thread; closed before p. Sharing and closing are for one thread at a time.
mtl_predictor *mtl_predictor_share(const mtl_predictor *p);
void           mtl_predictor_close(mtl_predictor *p);   // NULL is fine
const mtl_row *mtl_predictor_row(const mtl_predictor *p);
// The ids of a cell as a data file would have it, for the input of that number: ids [width]. NULL or "": missing. MTL_NO_ID stands for what the spec
// says is an error. false: the cell is no list, or not in UTF-8. A list allocates.
bool           mtl_predictor_ids(const mtl_predictor *p, int input, const char *cell, uint32_t *ids);
// numbers [n × numbers], ids [n × ids] → results [n × results], to the bit those of mtl_predict. A number is an input's value as its column or expression
// gives it, of a time seconds since 1970; NaN: missing or, in a list, the end. NULL where a row has none. Returns n, or how many rows are done: the
// next is refused, and mtl_predictor_error says why.
int64_t        mtl_predictor_run(mtl_predictor *p, int64_t n, const double *numbers, const uint32_t *ids, float *results);
const char    *mtl_predictor_error(const mtl_predictor *p);   // "`age` is missing": of the latest run that was not whole; else ""

int mtl_synth(mtl_context *c, const char *spec, int64_t rows, uint64_t seed, const char *out);
typedef struct {
  const char *data;                                   // the rows
  const char *labels;                                 // columns that are labels, apart by commas; NULL: guessed
  const char *out;                                    // the spec's file, which must not exist; NULL or "-": the spec is the report
  bool json;
} mtl_init_options;
// A first spec from a data file, commented, that check and run accept unchanged.
int mtl_init(mtl_context *c, const mtl_init_options *o, char **report);
// What this machine and installation have, and a self-test: a spec compiled and a step compared with the interpreter. 0, or 4: broken.
int mtl_doctor(mtl_context *c, bool json, char **report);
#ifdef __cplusplus
}
#endif
#endif
