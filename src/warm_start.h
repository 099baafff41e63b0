// warm_start.h: what a trained run gives another model to start from. First a plan, tensor by tensor, then exactly that plan.
//
//   WarmRun *old = warm_open(c, "runs/v4", at);                    the run: its model, preparation and weights
//   WarmInputs in = warm_inputs(c, m, g, old);                     inputs and labels that are declared as they were
//   GivenPrep given = warm_given(old, &in);
//   Dataset *data = data_prepare_given(&m->data, &given, …);       these keep what the run learned of them
//   WarmPlan plan = warm_plan(c, m, g, &data->prep, old);          g: forward graph, bound to data->prep
//   warm_apply(&plan, engine);                                     after engine_init
//   warm_close(old);
//
// Parameters and states are found by their paths, or by what a `renamed_from` says that they were called. What was learned of a category
// or a list of such is matched by value: a table keeps the row of each value, whatever its number is now.
#ifndef MTLC_WARM_START_H
#define MTLC_WARM_START_H
#include "session.h"

typedef struct {
  const char *folder;
  RunInfo info;
  Model *m; Graph *g;                  // g: forward, not bound
  PrepState prep;
  StoredWeights *weights;              // by path
  StoredWeights *state;                // of its optimizer and balancing, by path: "trunk.w:adam.m"; NULL: it keeps none, or none is wanted
} WarmRun;
// Needs a run that can be read: else NULL, and errors of which the first has the place `at` (of the clause that names it, or nowhere).
WarmRun *warm_open(mtl_context *c, const char *folder, bool with_state, Place at);
void     warm_close(WarmRun *r);                                     // NULL is fine; the plans made of it are gone

// Which inputs and labels of m are those of the run: of the same name, declared alike but for the column that they are read from.
// input[i]: number in the run's plan, or −1. differs[i]: "its `scale` is zscore, and was none in the run"; NULL: it does not, or the run has
// none of this name; at[i]: where.
typedef struct { int *input, *label; const char **input_differs, **label_differs; Place *input_at, *label_at; } WarmInputs;
WarmInputs warm_inputs(mtl_context *c, const Model *m, const Graph *g, const WarmRun *old);
GivenPrep  warm_given(const WarmRun *old, const WarmInputs *in);

typedef enum {
  WARM_KEEP,                           // all elements, each in its place
  WARM_REMAP,                          // along a vocabulary by value; values that are new start as they would without the run
  WARM_PAD,                            // of another size: what both have along each axis; the rest starts as it would without
  WARM_INITIALISE,                     // nothing of the run
  WARM_DROP                            // of the run, and the model has no such
} WarmAction;
extern const char *const warm_action_names[];                        // "keep" …
enum { WARM_RANK = 6 };
typedef struct {
  WarmAction action;
  const char *path, *old_path;         // of the model: NULL for DROP; of the run: NULL for INITIALISE
  const char *why;                     // "renamed from `conversion`", "3 of 12 values of `city` are new"; NULL: the same in all
  Place at;                            // the call that makes it
  bool frozen, state;
  int rank, old_rank;
  int64_t shape[WARM_RANK], old_shape[WARM_RANK];   // −1: a vocabulary that only the data will say
  const int64_t *from[WARM_RANK];      // per axis of the model: the run's index of each index, −1: none; NULL: the same index
  const StoredTensor *old;
  int slot;                            // of the graph
  bool goes_on;                        // of a parameter that trains: what the optimizer knows of it is taken, too, element by element as it is
  const char *state_why;               // why not: "the run keeps none"; NULL: there is nothing to take
} WarmTensor;
typedef struct {
  const Graph *g; WarmTensor *tensors; int n; int count[WARM_DROP + 1];      // by path; those that are dropped last
  Begun *begun; int n_begun;                                                 // for Model.begun: of those that go on
  bool balance_goes_on; const char *balance_why;                             // of what balancing remembers; NULL and false: it remembers nothing
} WarmPlan;
// prep: what the model's rows are prepared by, the graph being bound to it; NULL: not known yet (a table of a learned vocabulary that `in`
// gives has the run's size; any other has an unknown one, and is remapped). Reports nothing: every tensor has an action.
WarmPlan warm_plan(const Model *m, const Graph *g, const PrepState *prep, const WarmInputs *in, const WarmRun *old);
// What `from` of a spec promises and the plan does not hold, as errors at their places: a parameter of another shape, one that is frozen and
// that the run lacks, an input that is prepared otherwise, a `renamed_from` of nothing; warnings where what is frozen changes all the same.
bool     warm_check(mtl_context *c, const Model *m, const Graph *g, const WarmPlan *p, const WarmInputs *in, const WarmRun *old);
// The same for `mtlc check`, of a spec at `spec`: without the run, a warning says what could not be checked. True where nothing starts from a run.
bool     warm_check_spec(mtl_context *c, const Model *m, const Graph *g, const char *spec);
// Writes what the plan takes from the run into the slots, initialised before.
void     warm_apply(const WarmPlan *p, const WarmRun *old, Engine *e);
// ---- warm_state.c: the optimizer's part of it.
bool warm_state_read(mtl_context *c, WarmRun *r);                    // false: an error; a run without the file is fine
void warm_state_plan(const Model *m, const WarmRun *old, WarmPlan *p);     // p: its tensors are planned
void warm_state_apply(const WarmPlan *p, const WarmRun *old, Engine *e);
void warm_state_text(const WarmPlan *p, Text *out);                  // lines: for how many tensors it goes on, for how many not, and why
const StoredTensor *stored_at(const StoredWeights *w, const char *path);   // NULL: it has none, or w is NULL
void warm_copy(const WarmTensor *t, const StoredTensor *from, const PlanSlot *to, Engine *e);     // warm_start.c: element by element, as t says

json_t  *warm_json(const Model *m, const WarmPlan *p, const WarmInputs *in, const WarmRun *old);
// "12 tensors from runs/v4, 3 anew, 2 left"
const char *warm_line(Arena *a, const WarmPlan *p, const WarmRun *old);
void     warm_text(const Model *m, const WarmPlan *p, const WarmInputs *in, const WarmRun *old, Text *out);   // a few lines, for people
#endif
