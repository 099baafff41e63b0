// train_int.h: what the files of the training side share: files written whole, sets of tensors, the state of a training.
#ifndef MTLC_TRAIN_INT_H
#define MTLC_TRAIN_INT_H
#include "../scratch.h"
#include "../train.h"

// ---- room.c
void *room_new(size_t bytes);                                        // zeroed, 64-byte aligned; never NULL. Of as many bytes to room_free
void  room_free(void *p, size_t bytes);                              // NULL is fine
size_t room_bytes(size_t bytes);                                     // how many such a room has: a full vector may be read at the end
void  room_zero(void *p, size_t bytes);                              // a part of one

// ---- slots.c
void slots_home(SlotHome *h, const StepPlan *p, const TablePlace *where);   // where NULL: all in memory
void slots_home_free(SlotHome *h);
bool slots_new(const SlotHome *h, Slots *s, Diag *d);                // zeroed; false: there is no room on the disk, error in d (NULL: unsaid)
void slots_free(const SlotHome *h, Slots *s);                        // s->at NULL is fine
// view (may be NULL): they differ there alone, and no longer.
void slots_copy(const Engine *e, Slots *to, const Slots *from, uint64_t *view);
void slots_zero(const SlotHome *h, const Slots *s, const PlanSlot *slot);
void slots_ahead(const void *p, size_t bytes);                       // a part of a set will be looked at: where it is on the disk, it is read at once
void engine_swap_slots(Engine *e, Slots *s);                         // s: of e->home

// ---- touched.c: which rows of tables steps change, from touched_start on
typedef struct Touched Touched;
void touched_start(Engine *e);
void touched_free(Engine *e);                                        // not started: fine
void touched_note(Engine *e, const PlanPhase *ph);                   // C routines of TRAIN have just run
// A view is the rows that may have changed since somebody looked; NULL: all, for ever.
uint64_t *view_new(const Engine *e);                                 // malloc'd: all; NULL where it was not started
void view_clear(const Engine *e, uint64_t *view);                    // none
void touched_gather(Engine *e, uint64_t *const *views, int n);       // what steps changed since the last time goes to all of these
// Bytes at … at + n − 1 of a slot: the next piece behind that one, from 0 and 0 on, that may have changed (view NULL: all), of whole rows of its matrix.
bool slot_piece(const Engine *e, const PlanSlot *s, const uint64_t *view, size_t *at, size_t *n);

// ---- file.c: a file that appears whole or not at all, written piece by piece to path.tmp.
typedef struct WholeFile WholeFile;
WholeFile *whole_open(const char *path, Diag *d);                    // NULL: error in d
bool whole_add(WholeFile *f, const void *data, size_t n);            // false: failed; more may be added, whole_close tells
bool whole_close(WholeFile *f, bool durable);                        // frees f. false: error in d, the old file as it was

// ---- weights.c: several copies of the slots in one file, each under a prefix of its names.
typedef struct { const char *prefix; void *slots; } SlotSet;
// *digest: of the header, and so, through its digests of the tensors, of the whole file.
bool tensors_save(const char *path, const StepPlan *p, const SlotSet *sets, int n_sets, SlotPart part, uint64_t *digest,
                  Diag *d);
bool tensors_claim(const char *path, const StepPlan *p, const SlotSet *sets, int n_sets, SlotPart part, Diag *d);   // as file_claim
bool tensors_load(const char *path, const StepPlan *p, const SlotSet *sets, int n_sets, SlotPart part, uint64_t *digest,
                  Diag *d);

// ---- metric.c, metric_rank.c: a function a row of metric.def
static inline bool is_positive(float y) { return y > 0.5f; }
double metric_auc(const Scored *s), metric_gauc(const Scored *s), metric_pr_auc(const Scored *s), metric_max_f1(const Scored *s),
  metric_recall_at(const Scored *s), metric_ndcg(const Scored *s);
// Numbers the groups as they appear in rows 0 … n−1: number[i], or −1 for a row of none (0). Returns their count.
int64_t number_groups(const uint64_t *group, int64_t n, int64_t *number);

// ---- batch_groups.c
// Batches that hold whole groups: order [n], an order of the rows, becomes one in which each group stands together where its first row stood;
// first [n + 1] becomes where each batch of at most `most` rows begins, then n. Gives their number. A group of more rows
// is cut: training refuses it (large_group), evaluation takes its pieces.
int64_t group_batches(const uint64_t *group, int64_t n, int64_t most, int64_t *order, int64_t *first);
// The first row of the first group that has more than `most` rows, and how many it has; −1: none.
int64_t large_group(const uint64_t *group, int64_t n, int64_t most, int64_t *rows);
// Numbers the groups of a batch's rows from 0 (−1: none) into to[0 … n−1].
void number_batch(const Rows *r, const int64_t *order, int64_t first, int64_t n, int group, DType t, void *to);

// ---- early_stop.c
typedef struct { double best; int64_t epoch, bad; } Watch;           // best figure and its epoch (0: none yet); epochs since
typedef struct { double total; const double *loss; double *const *metric; } ValidFigures;   // loss, metric: per task
double figure_value(const Figure *f, const ValidFigures *v);         // NAN where a term is undefined
bool   watch_epoch(Watch *w, const Figure *f, double value, int64_t epoch);   // true: a new best, by however little

// ---- evaluate.c
Predictions *predictions_new(const TrainPlan *tp, int64_t n, bool outputs, Arena *a);   // outputs: else theirs are NULL
void predictions_fill(Engine *e, ProgramId prog, const DataPlan *dp, const TrainPlan *tp, const PrepState *prep,
                      const Rows *r, Predictions *p);
double **metric_table(const TrainPlan *tp, Arena *a);                // [n_tasks][n_metrics]
double total_loss(const TrainPlan *tp, const double *loss);          // Σ weight · L over the tasks whose L is defined

// ---- kept.c: of each row to train on, what the plan keeps of it, computed when the row first comes
typedef struct KeptRows KeptRows;
KeptRows *kept_rows_new(const StepPlan *p, int64_t rows, int64_t memory);   // NULL: nothing is kept, or there is no room for it
void kept_rows_free(KeptRows *k);
// After engine_batch of the same rows: the batch's kept columns.
void kept_rows_batch(KeptRows *k, Engine *e, const int64_t *order, int64_t first, int64_t n);

// ---- train.c: a training under way. What stands above the line is what a checkpoint holds, beside the slots.
typedef struct { Slots slots; int64_t step, epoch, batch; } Mark;   // where a training was, with the slots then; at NULL: as at the start
typedef struct {                          // replay.c
  Mark mark;                              // slots known to be finite, to replay from
  int64_t looked;                         // step at which something was looked at
  double since, cost;                     // seconds on the clock when slots were remembered last; how long that took
  uint64_t *unlooked, *unmarked;          // views: since then
} Guard;
typedef struct {
  int64_t epoch, batch;                   // epoch from 1; the next batch of it, from 0
  double *sum, *weight;                   // [n_tasks] Σ w·ℓ, Σ w of this epoch
  double *term;                           // [n_terms] Σ n·value over this epoch's steps of n rows
  double *balance, *balanced;             // [n_tasks] Σ of the weights of balancing, steps that knew the task
  double seconds, total_seconds;          // of this epoch and of the training, as of `clock`
  int64_t total_rows;
  Watch stop, best;
  Slots best_slots;                       // after epoch best.epoch, if there is such (has_best)
  uint64_t *unkept;                       // view: since then; of no consequence but for the time
  VEC(EpochReport) reports;
  // --------
  Engine *e; const DataPlan *dp; const TrainPlan *tp; Dataset *data; const TrainHooks *hooks; Arena *arena; Diag *diag;
  const Rows *rows;                       // to train on
  int64_t n_batches, *order;              // order NULL: as in the file
  int64_t *first;                         // of batches of groups: where each begins in the order, then the end; made for each epoch
  int64_t falls;                          // of a plateau's rate
  double clock, saved, save_took;         // when seconds were last added up; when the last checkpoint was written, and what it took
  bool unsaved;                           // that one could not be written
  int64_t steps_since;                    // steps since `clock`
  double *task_loss;                      // [n_tasks] for progress
  Predictions *valid;                     // room for the predictions of the validation rows; NULL: there are none
  Guard guard;
  KeptRows *kept;                         // NULL: none; a step then computes what the plan keeps, if anything
  char *data_digest;                      // of the rows, once it was asked for
} Trainer;
bool    has_best(const Trainer *t);                                  // the best epoch's slots are kept
int64_t batch_first(const Trainer *t, int64_t batch);                // where it begins in the epoch's order
int64_t batch_rows(const Trainer *t, int64_t batch);                 // rows of it: the last one may be short
double  rate_of(const Trainer *t, int64_t batch);                     // of this epoch
int64_t steps_before(Trainer *t);                                    // of the epochs before this one; sets order and n_batches for this one
void    gather_touched(Trainer *t);                                  // to all views
void    enter_epoch(Trainer *t);                                     // order, batches and rate of the epoch that t->epoch says
void    run_batch(Trainer *t, int64_t batch);                        // loads it and does a step
void    tick(Trainer *t);                                            // adds the time since `clock` to the seconds

// ---- replay.c: the loss is looked at every step, the slots now and then; what is wrong is found by doing the steps again.
bool guard_start(Trainer *t);                                        // before the first step; false: slots not finite, error in d
bool guard_step(Trainer *t);                                         // after each step; false: not finite, error in d
bool guard_check(Trainer *t);                                        // looks at the slots now
void guard_free(Trainer *t);
void not_finite_on_valid(Trainer *t, int task);                      // its validation loss is NaN or Inf: error in d

// ---- weigh.c: task balancing beside a step
// After a step, on its batch, for a method that looks again: the losses now; it changes what it remembers.
void look_again(Engine *e, const PlanBalance *b, int n_tasks, int64_t n, double lr);
void add_weights(Trainer *t);                                        // those of the step that was just done
double *mean_weights(const Trainer *t);                              // of the epoch; NULL: static

// ---- checkpoint.c
bool checkpoint_claim(Trainer *t);                                   // room for the next one; false: error in d
bool checkpoint_save(Trainer *t, Diag *d);                           // to hooks->run_dir; false: error in d, and the one before stands
bool checkpoint_load(Trainer *t);                                    // false: error in d
#endif
