// train_int.h: what the files of the training side share.
#ifndef MTLC_TRAIN_INT_H
#define MTLC_TRAIN_INT_H
#include "../train.h"

typedef struct {                          // host state of a training; with the slots all that decides the next bit
  int64_t epoch, batch;                   // epoch from 0; batches done in it
  int64_t best_epoch, waited; double best_figure; bool has_best;
  double *sum, *weight;                   // [n_tasks], this epoch
  void *best_slots;                       // [slot_bytes]
} Host;
typedef struct {
  Engine *e; const DataPlan *dp; const TrainPlan *tp; Dataset *data; const TrainHooks *h; Arena *a; Diag *d;
  Host host;
  int64_t *order;
  void *good; int64_t good_epoch, good_batch, good_step; double *good_sum, *good_weight;   // last state known to be finite
  VEC(EpochReport) reports;
  VEC(double) step_seconds;
  double loop_seconds; int64_t rows_done;
  double last_progress, epoch_start;
} Training;

double invert_label(const DataLabel *l, const Affine *f, double v);   // scaled → original unit
double figure_value(const TrainPlan *tp, const Figure *f, const double *task_loss, double **metric);
bool   checkpoint_save(Training *t);
bool   checkpoint_load(Training *t);
void   epoch_order(Training *t);
void   train_batch(Training *t, int64_t batch);                        // one step; sums added to host
bool   slots_finite(const Engine *e, int *slot);
void   mark_good(Training *t);
void   report_not_finite(Training *t);                                 // replays from the last good state and names what broke
#endif
