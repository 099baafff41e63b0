// train.h: the training loop, evaluation, metrics, the run folder. Uses generated code through StepPlan/StepCode only.
#ifndef MTLC_TRAIN_H
#define MTLC_TRAIN_H
#include "data.h"
#include "pool.h"

// ---- slots.c: sets of all slots of a plan. Lazy tables, with what the optimizer keeps of their rows, lie in a file where they would take too much memory.
typedef struct {
  const char *folder;                       // of such files; NULL: all stays in memory
  bool always;                              // in a file, however small
  int64_t memory;                           // bytes that they may take of it; 0: half of what the process may use
  bool trains;                              // false: nobody needs what the optimizer keeps
} TablePlace;
typedef struct { size_t from, to; int64_t at; } SlotSpan;   // bytes of a set, whole pages; where they are in its file, −1: nobody needs them
typedef struct { const StepPlan *plan; const char *folder; SlotSpan *spans; int n; size_t bytes; } SlotHome;   // spans ascend; n 0: all in memory
typedef struct { char *at; int fd; bool fresh; } Slots;     // fd: of its file, −1: none; fresh: all is 0, for certain

// ---- engine.c: memory of a plan, and threads to run it. FTZ/DAZ set while it runs. Same bits for any number of threads.
typedef struct {
  const StepPlan *plan; const StepCode *code;
  void **buf;                               // one pointer per buffer
  SlotHome home; Slots slots;               // 64-byte aligned, as `rows`; huge pages advised
  void *rows;
  char *local; void ***of_worker;           // arenas of LOCAL buffers, one behind the other; buf as each worker has it, the first `buf` itself; n_local of both
  int n_local;
  bool shares;                              // the slots are another engine's
  bool slots_stay; int made;                // engine_slots_stay; the program whose phases of slots have run since, −1: none
  int64_t step, epoch;                      // epoch: from 1, set by the training loop
  uint64_t seed;                            // of random numbers: engine_init's
  int64_t *rt_int; double *rt_real;         // the BUF_RT_… buffers, NULL where the plan has none
  int dense, ids, y, w;                     // the IN buffers, −1 where the plan has none
  struct { int64_t n, *items, *units; } run[N_PROGRAMS];   // of each phase for n rows, as of the last run: its items, and in
                                            // how many units threads share them; 1: the caller does all of it
  int threads; Pool *pool;                  // pool NULL: no phase was worth one so far
  bool has_kept;                            // the batch's kept columns (StepPlan.kept_first) are there
  struct Touched *touched;                  // touched.c; NULL: nobody asks which rows steps change
  struct { double *seconds; int64_t steps, rows; } *profile;   // of TRAIN, by phase; NULL: not wanted
} Engine;
Engine *engine_new(const StepPlan *p, const StepCode *c);          // code is borrowed
Engine *engine_new_in(const StepPlan *p, const StepCode *c, const TablePlace *where, Diag *d);   // NULL: no room for tables on the disk
Engine *engine_share(const Engine *e);                             // another for another thread, over e's slots: no TRAIN then; e outlives it
void    engine_free(Engine *e);
// Threads that may work on a step, the caller's included; 1 before, 0: as many as there are processors. They are started by the
// first phase that is worth it.
void    engine_threads(Engine *e, int threads);
// From now on until `stay` is false nobody changes a slot: what a program makes of slots alone is made once, as long as no other runs.
void    engine_slots_stay(Engine *e, bool stay);
// From now on a step (TRAIN) runs on one thread and each phase is timed, in a plan of Graph.by_call each kernel: sums over `steps` of
// profile->rows rows, the most that came.
void    engine_profile(Engine *e);
int     engine_threads_used(const Engine *e);                      // 1 as long as no phase was worth more
void    engine_init(Engine *e, uint64_t seed);                     // all slots by their initialisers, keyed by path and seed
void    engine_run(Engine *e, ProgramId prog, int64_t n, double lr);   // IN buffers filled; n ≤ capacity; TRAIN: step + 1
// What the plan keeps of the rows of the batch: computed into its columns. A step without it does so itself.
void    engine_keep(Engine *e, int64_t n);
void    engine_batch(Engine *e, const DataPlan *d, const Rows *r, const int64_t *order, int64_t first, int64_t n);
double  engine_out(const Engine *e, int buffer, int64_t i, int64_t j);

// ---- metric.c, metric_rank.c: over all rows of a split, each counting w times. y, p in the original unit; p [n × width]:
// width > 1: scores of classes. group: Rows.group of the metric's column, for METRIC_BY; else NULL. arg: as metric.def says.
// The formulas, ties and clamps stand beside each. NAN where it is undefined (auc: one class only; no row that counts) or a
// score is not a number.
typedef struct { double arg; const float *y, *w, *p; int64_t n; int width; const uint64_t *group; } Scored;
double metric_of(MetricKind k, const Scored *s);
// rows[i·size + j]: the weight of the rows of true class i that are predicted j; beyond: of those of a class that the head does not have.
// Binary: size 2, no before yes. A score that is no number: not defined, rows all 0.
typedef struct { int size; double *rows, beyond; bool defined; } Confusion;
void confusion_of(const Scored *s, Arena *a, Confusion *c);

// ---- schedule.c: the learning rate of a step, counted from 0. falls: of a plateau's rate, so far.
double scheduled_rate(const PlanSchedule *s, double rate, int64_t step, int64_t steps_per_epoch, int64_t epochs, int64_t falls);
// How often the rate has fallen after n epochs of these validation losses: each time that more than `patience` epochs in turn
// were not better than the best by 1 part in 10,000 (PyTorch's ReduceLROnPlateau).
int64_t plateau_falls(const double *loss, int64_t n, int64_t patience);

// ---- weights.c: safetensors, exactly to its format; names and metadata sorted; true extents, no padding; a digest per
// tensor.
typedef enum { SLOTS_OF_MODEL, SLOTS_ALL, SLOTS_OF_TRAINING } SlotPart;    // PARAM and STATE; all; OPT and BALANCE
bool weights_save(const char *path, const StepPlan *p, const void *slots, SlotPart part, Diag *d);
// Names, shapes, dtypes and digests must match, all of them; else `bad-weights` and the slots as they were.
bool weights_load(const char *path, const StepPlan *p, void *slots, SlotPart part, Diag *d);
// All tensors of a file, whatever they belong to: by name; rows of the matrix [product of all axes but the last, last] without
// gaps. NULL: `bad-weights`.
typedef struct { const char *path; DType dtype; int rank; int64_t shape[6], elements; const void *data; } StoredTensor;
typedef struct { const StoredTensor *tensors; int n; uint64_t digest; void *mapped; size_t bytes; } StoredWeights;   // digest, mapped: of the whole file
StoredWeights *weights_read(const char *path, Arena *a, Diag *d);
void           weights_unread(StoredWeights *w);           // the tensors' data are gone
// ---- file.c: the whole file or, with `disk-full` or `cannot-write`, the old one as it was. Written to path.tmp, fsync,
// rename, fsync of the folder. (A caller that limits file sizes ignores SIGXFSZ.)
bool file_write_whole(const char *path, const void *data, size_t n, Diag *d);
// The same, safe from a stop of the machine only after folder_sync of their folder: many files at the price of one.
bool file_write_soon(const char *path, const void *data, size_t n, Diag *d);
bool weights_save_soon(const char *path, const StepPlan *p, const void *slots, SlotPart part, Diag *d);
bool folder_sync(const char *dir, Diag *d);
// Space for what these will write to path, in path.tmp: where the disk has none, that is an error now (d NULL: unsaid). The first that is
// written takes it; what is not needed is given back by file_release. Where a file system cannot promise, nothing is.
bool file_claim(const char *path, size_t bytes, Diag *d);
bool weights_claim(const char *path, const StepPlan *p, const void *slots, SlotPart part, Diag *d);
void file_release(const char *path);

// ---- train.c. A task's loss is Σ w·ℓ / Σ w; NAN where Σ w = 0 (it then adds nothing to a total).
typedef struct {
  int64_t epoch, epochs, step, steps;       // steps of this epoch
  double seconds;                           // since the training began, the part before a resume included
  double rows_per_s, step_us;               // of this epoch
  double loss; const double *task_loss;     // running means of this epoch, per task
  const char *const *task; int n_tasks;
} Progress;
typedef struct {
  int64_t epoch; double seconds, loss;      // training loss: Σ weight · Σwℓ/Σw over the epoch
  double *task_loss;                        // [n_tasks]
  double *task_weight;                      // [n_tasks] mean over the steps that knew the task, or NAN; NULL: static
  double *term;                             // [n_terms] means over the rows of the epoch's steps
  double *valid_loss;                       // [n_tasks] or NULL
  double **valid_metric;                    // [n_tasks][n_metrics] or NULL
  double stop_figure;
  double rate;                              // learning rate of its last step; NAN: not known
} EpochReport;
typedef struct {
  EpochReport *epochs; int n_epochs; int64_t best_epoch;
  double **test_metric;                     // [n_tasks][n_metrics], on the held-out split (test, else valid), NULL: none
  double *test_loss;
  Confusion **test_confusion;               // [n_tasks][n_matrices] or NULL, as test_metric
  int held_out;                             // 1 valid, 2 test, −1 none
  double step_us, rows_per_s;               // median of steps; rows trained on per second of the loop with validation
  double first_step;                        // monotonic_seconds() when the first step was done; 0: there was none
  int64_t steps;                            // until best_epoch was done or, where there was none, until now
  bool interrupted;                         // then nothing is tested, and no require judged
  double *require_value;                    // the metric; always(): how many held-out rows break it
  bool *require_met;
} TrainReport;
typedef struct {
  void (*progress)(void *ctx, const Progress *p);          // at most 20 times a second; may be NULL
  void (*epoch)(void *ctx, const EpochReport *e);          // after each epoch
  void *ctx;
  volatile int *stop;                       // set by a signal handler: finish the step, save, return interrupted
  const char *run_dir;                      // where checkpoints go (exists, a temporary name until the end)
  bool resume;                              // state.json and checkpoint in run_dir
  void (*start)(void *ctx);                 // makes the engine's slots those before the first step again, where there is no resume; NULL: they
                                            // are kept
  bool (*keep)(void *ctx, const TrainReport *r);           // writes the result, at the end; false: error in d, and the training is saved to run_dir
} TrainHooks;
// Trains the engine's slots, initialised or loaded by the caller (with resume: from the checkpoint). h may be NULL. NULL
// when d has errors: `not-finite` (a NaN or Inf: task or layer, step, rows; exit 3), `no-rows`, `bad-checkpoint`,
// `disk-full`, or what `keep` said. Room for a checkpoint is claimed before the first step; one that cannot be written later is a
// warning, `no-checkpoint`. After the end that room and a checkpoint may still stand: checkpoint_remove, once the weights are saved.
TrainReport *train(Engine *e, const DataPlan *dp, const TrainPlan *tp, Dataset *data, const TrainHooks *h, Arena *a,
                   Diag *d);
// More bytes than the reports of all epochs take as JSON, but for epochs behind the 10,000th.
size_t reports_bytes(const TrainPlan *tp);
// ---- checkpoint.c: takes checkpoint.safetensors and state.json out of a run folder; fine where there are none.
void checkpoint_remove(const char *run_dir);
void checkpoint_release(const char *run_dir);              // the room for the next one
bool checkpoint_stands(const char *run_dir);               // there is a training to go on with

// ---- cosine.c: cosines of the tasks' gradients on the parameters that two or more losses reach, at the weights as they are:
// their mean over batches of rows in file order, at most max_batches of them (0: all). cosine: [n_tasks × n_tasks]; NAN
// where never both tasks have a gradient. false: the plan has no program GRAM (compile.h), or nothing is shared.
bool gradient_cosines(Engine *e, const DataPlan *dp, const TrainPlan *tp, const Rows *r, int64_t max_batches,
                      double *cosine);

// ---- evaluate.c: forward over rows. values[i] is [n × width] of task i, then of output i. Heads of real labels are in the
// label's original unit; outputs as computed, or in that of their `unit`. sum, weight (EVAL alone, else NULL): Σ w·ℓ, Σ w per task, ℓ on the scaled
// label.
typedef struct { int64_t n; float **values; double *sum, *weight; } Predictions;
Predictions *predict_rows(Engine *e, ProgramId prog, const DataPlan *dp, const TrainPlan *tp, const PrepState *prep,
                          const Rows *r, Arena *a);
// The same of the n rows that PREDICT has just run on: the values of a row stand together, those of all tasks, then of all outputs.
int  results_width(const TrainPlan *tp);                  // how many
void results_copy(const Engine *e, const DataPlan *dp, const TrainPlan *tp, const PrepState *prep, int64_t n, float *to);
// metric [n_tasks][n_metrics] and loss [n_tasks] (each may be NULL) of predictions of the same rows.
void task_metrics(const DataPlan *dp, const TrainPlan *tp, const PrepState *prep, const Rows *r, const Predictions *p,
                  double **metric, double *loss);
// [n_tasks][n_matrices] of predictions of the same rows.
Confusion **task_confusions(const TrainPlan *tp, const Rows *r, const Predictions *p, Arena *a);
// Whether each `require` holds: value [n_requires], the metric or, of always(), how many rows break it; NAN: undefined, not met.
void judge_requires(const TrainPlan *tp, const Predictions *p, double *const *metric, double *value, bool *met);
#endif
