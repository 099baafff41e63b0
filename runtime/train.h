// train.h: the training loop, evaluation, metrics, the run folder. Uses generated code through StepPlan/StepCode only.
#ifndef MTLC_TRAIN_H
#define MTLC_TRAIN_H
#include "data.h"

// ---- engine.c: memory of a plan; one worker. FTZ/DAZ set while it runs.
typedef struct {
  const StepPlan *plan; const StepCode *code;
  void **buf;                               // one pointer per buffer
  void *slots, *rows;                       // the two arenas (64-byte aligned, huge pages advised)
  int64_t step;
} Engine;
Engine *engine_new(const StepPlan *p, const StepCode *c);          // code is borrowed
void    engine_free(Engine *e);
void    engine_init(Engine *e, uint64_t seed);                     // all slots by their initialisers, keyed by path and seed
void    engine_run(Engine *e, ProgramId prog, int64_t n, double lr);   // IN buffers filled; n ≤ capacity
void    engine_batch(Engine *e, const DataPlan *d, const Rows *r, const int64_t *order, int64_t first, int64_t n);
double  engine_out(const Engine *e, int buffer, int64_t i, int64_t j);

// ---- metric.c: over all rows of a split. y, p in the original unit; w 0: row does not count. width > 1: class scores [n × width]
double metric_value(MetricKind k, double at, const float *y, const float *w, const float *p, int64_t n, int width);  // NAN if undefined
const char *metric_name(MetricKind k);
bool   metric_minimise(MetricKind k);
bool   metric_fits(MetricKind k, LabelKind label, bool probability);
const char *metric_format(MetricKind k);                            // printf format for tables

// ---- weights.c: safetensors, exactly to its format; sorted names; metadata sorted. Written to path.tmp, fsync, rename, fsync of folder.
bool weights_save(const char *path, const StepPlan *p, const void *slots, bool with_state, Diag *d);
bool weights_load(const char *path, const StepPlan *p, void *slots, bool with_state, Diag *d);  // names, shapes, dtypes must match
bool file_write_whole(const char *path, const void *data, size_t n, Diag *d);

// ---- train.c
typedef struct {
  int64_t epoch, epochs, step, steps;       // steps of this epoch
  double seconds, rows_per_s, step_us;
  double loss; const double *task_loss;     // running means of this epoch, per task
  const char *const *task; int n_tasks;
} Progress;
typedef struct {
  int64_t epoch; double seconds, loss;      // training loss: Σ weight · Σwℓ/Σw over the epoch
  double *task_loss;                        // [n_tasks]
  double *valid_loss;                       // [n_tasks] or NULL
  double **valid_metric;                    // [n_tasks][n_metrics] or NULL
  double stop_figure;
} EpochReport;
typedef struct {
  EpochReport *epochs; int n_epochs; int64_t best_epoch;
  double **test_metric;                     // [n_tasks][n_metrics], on the held-out split (test, else valid), NULL: none
  double *test_loss;
  int held_out;                             // 1 valid, 2 test, −1 none
  double step_us, rows_per_s;               // median of steps; rows over the whole loop
  bool interrupted;
  double *require_value; bool *require_met;
} TrainReport;
typedef struct {
  void (*progress)(void *ctx, const Progress *p);          // at most 20 times a second; may be NULL
  void (*epoch)(void *ctx, const EpochReport *e);          // after each epoch
  void *ctx;
  volatile int *stop;                       // set by a signal handler: finish the step, save, return interrupted
  const char *run_dir;                      // where checkpoints go (exists, a temporary name until the end)
  bool resume;                              // state.json and checkpoint in run_dir
} TrainHooks;
// NULL when d has errors (a NaN or Inf: task, layer, step, rows; a disk that is full: what was kept).
TrainReport *train(Engine *e, const DataPlan *dp, const TrainPlan *tp, Dataset *data, const TrainHooks *h, Arena *a, Diag *d);
// Forward over rows; heads and outputs in the original unit: values[i] is [n × width] of task i, then of output i.
typedef struct { int64_t n; float **values; double *sum, *weight; } Predictions;
Predictions *predict_rows(Engine *e, ProgramId prog, const DataPlan *dp, const TrainPlan *tp, const PrepState *prep, const Rows *r, Arena *a);
void task_metrics(const DataPlan *dp, const TrainPlan *tp, const PrepState *prep, const Rows *r, const Predictions *p, double **metric, double *loss);
#endif
