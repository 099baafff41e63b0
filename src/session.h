// session.h: what the public functions share: a context, a spec opened in it, a model made ready to run.
#ifndef MTLC_SESSION_H
#define MTLC_SESSION_H
#include <jansson.h>
#include "compile.h"
#include "mtl.h"
#include "../runtime/train.h"

struct mtl_context { Arena *arena; Sources *sources; Diag *diag; Text errors; int64_t memory; int threads; const char *tables; };

// paths.c
const char *std_folder(Arena *a);                                    // the shipped layers; NULL: not found
char *beside(Arena *a, const char *file, const char *name);          // `name` relative to the folder of `file`
char *read_whole(const char *path, size_t *n);                       // malloc'd; NULL: errno says why

// mistaken.c: errors that say what a path is instead.
void no_spec(mtl_context *c, const char *path, int why);             // it cannot be read: errno
bool is_no_spec(mtl_context *c, const char *path);                   // true, and an error: a data file
bool is_no_run(mtl_context *c, const char *path);                    // true, and an error: a file, or not there

// session.c
Model *open_spec(mtl_context *c, const char *path);                  // parsed and resolved; NULL: errors
Model *open_spec_text(mtl_context *c, const char *name, const char *path, const char *text, size_t n);
Graph *check_graph(mtl_context *c, Model *m);                        // the forward graph, not bound to data; NULL: errors
bool   check_spec(mtl_context *c, Model *m);                         // false: errors
void   assume_vocabularies(Model *m, int64_t cardinality);           // for compiling without data
const char *build_text(void);                                        // mtl_build_info, BLAS only where it has been opened
char  *json_text(json_t *j);                                         // malloc'd, steals j

// A model bound to a preparation, compiled, loaded, with memory.
typedef struct { Compiled compiled; StepCode code; JitInfo jit; Engine *engine; } Ready;
bool   make_ready(mtl_context *c, Model *m, const PrepState *prep, bool trains, Ready *r);
void   ready_free(Ready *r);

// profile.c: what the kernels of a step took (engine_profile), against what this machine can do (peak.c: measured when asked).
json_t *profile_json(mtl_context *c, const Ready *r);
void    profile_text(mtl_context *c, const Ready *r, Text *out);
double  peak_flops(TargetId t);                                      // products and sums of f32 a second, one core
double  peak_bytes(void);                                            // read from memory a second, one core

// run_folder.c: spec.mtl prep.json weights.safetensors metrics.json run.json [optimizer.safetensors] [checkpoint.safetensors state.json]
#define OPTIMIZER_FILE "optimizer.safetensors"
typedef struct {
  const char *folder;
  DataFiles files; int n_files; const char *const *file_names;       // absolute paths; the names of the sources
  uint64_t seed; int64_t epochs;
  const char *status;                                                // "complete", "interrupted"
  int64_t best_epoch, steps;                                         // steps: until then
  const Begun *begun; int n_begun;                                   // by path: parameters whose optimizer went on from another run
  bool no_state;                                                     // to be written without the optimizer's state
  json_t *from;                                                      // of a run that started from another: warm_json; or NULL
  json_t *hashes;                                                    // to be written; owned by who sets it
  json_t *vocabularies;                                              // run_vocabularies_keep, _kept; owned likewise
} RunInfo;
// A temporary folder, `NAME.part`, for a run NAME, which nobody else gets as long as `lock` (a descriptor) is open. NULL: an error.
char *run_folder_create(mtl_context *c, const char *wanted, const char *model, char **final_name, int *lock);
// The folder to go on in, of the run of that name: it, or its temporary folder, which an error or a kill left. NULL: an error.
char *run_folder_resume(mtl_context *c, const char *name, char **final_name, int *lock);
// Before the first step: what is known already, so that the folder and a checkpoint are a run to go on with, and room for the rest.
bool  run_folder_begin(mtl_context *c, const char *dir, const Model *m, const Dataset *data, const Ready *r, RunInfo *info);
bool  run_folder_claim(mtl_context *c, const char *dir, const Model *m, const Ready *r, const RunInfo *info);
void  run_folder_release(mtl_context *c, const char *dir);           // that room
void  run_folder_unwrite(mtl_context *c, const char *dir);           // and of a temporary folder what an end that failed has written
bool  is_unfinished(const char *dir);                                // by its name, a temporary folder
bool  run_folder_write(mtl_context *c, const char *dir, const Model *m, const Dataset *data, const Ready *r, const RunInfo *info,
                       json_t *metrics);
// The run's spec, with each vocabulary's file as the one kept in `dir`; all: {input: {from: {path, bytes, digest}, kept: …}}.
bool  run_vocabularies_keep(mtl_context *c, const char *dir, const Model *m, const PrepState *prep, Text *spec, json_t *all);
json_t *run_vocabularies_kept(mtl_context *c, const char *dir);     // all, of a run that is gone on with
bool  run_folder_finish(mtl_context *c, const char *tmp, const char *final_name);
void  run_folder_remove(const char *dir);
bool  run_folder_read(mtl_context *c, const char *dir, RunInfo *info);
Model *run_folder_model(mtl_context *c, const char *dir, PrepState *prep);
bool  run_folder_weights(mtl_context *c, const char *dir, const Ready *r);

// version/hash.c: the four hashes of a compiled model as JSON, {scope: "mtl1:sha256:…"}
json_t *run_hashes(mtl_context *c, const Model *m, const Ready *r, const PrepState *prep);

// data_files.c: which file each source of a model has: of the words of a command line, else the one `known` (may be NULL),
// else the one that the spec at `spec` names (NULL: none counts). Relative paths become absolute. false: an error, or a
// source that the model needs has none.
bool find_files(mtl_context *c, const Model *m, const char *const *words, const char *test, const RunInfo *known,
                const char *spec, DataFiles *files);

// report.c
typedef struct { double first_step, all; } RunSeconds;              // since mtl_run was called; first_step: NAN: there was none
json_t *report_json(const Model *m, const Dataset *data, const Ready *r, const TrainReport *t, const RunInfo *info, const char *run,
                    RunSeconds seconds);
void report_text(const Model *m, const TrainReport *t, const char *run, RunSeconds seconds, Text *out);
void report_epoch(const Model *m, const EpochReport *e, int64_t epochs, Text *out);
void report_metrics(const Model *m, const char *const *columns, double **const *values, const double *const *losses, int n, Text *out);
json_t *requires_json(const Model *m, const double *value, const bool *met);       // [n_requires] each: judge_requires
void requires_text(const Model *m, const double *value, const bool *met, Text *out);
bool requires_unmet(const Model *m, const bool *met);
// report_confusion.c: c as of task_confusions, or NULL. Rows true, columns predicted, with recall and precision; of many classes the most frequent mistakes.
void confusions_text(const Model *m, const char *rows, Confusion *const *c, Text *out);
void confusions_json(const Model *m, Confusion *const *c, json_t *tasks);            // into the objects of metrics_json
json_t *metrics_json(const Model *m, double **metric, const double *loss);
#endif
