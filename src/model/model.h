// model.h: the typed model of a spec: inputs, labels, tasks, losses, training. What explain (later hash, diff) reads.
// resolve(): tree → Model, all names known, data side complete, no tensors yet.
// build():   Model → graph (forward and losses); type-checks every tensor expression. Needs no data: a learned
//            vocabulary's size is an AXIS_SYMBOL until model_bind().
#ifndef MTLC_MODEL_H
#define MTLC_MODEL_H
#include <math.h>
#include "../../runtime/plan.h"
#include "../front/ast.h"
#include "../graph/balance.h"
#include "formula.h"

#define UNSAID NAN                     // of StepRule: as in `train`
#define STEP_RULE_UNSAID ((StepRule){UNSAID, UNSAID, UNSAID, NULL})
typedef struct { const char *name; const Decl *decl; uint32_t file; } LayerDef;       // std and user layers
typedef struct { const char *name; const Decl *decl; bool shared; bool freeze, lazy; StepRule rule; } Binding; // let, shared; rule: UNSAID where no clause says it
typedef struct {                       // one term of a task's loss: factor · loss(label, args)
  int loss;                            // row of the loss table (graph/losses.def)
  double factor;
  int label;                           // DataPlan.labels
  LossArgs args;
  int group;                           // of LOSS_PAIRS: DataPlan.groups; −1: none
  const Expr *on;                      // the value judged instead of the head, or NULL
  Place at, label_at;
} LossTerm;
typedef struct {                       // a term of a loss that is a value: factor · value
  double factor; const Expr *value;
  const char *text; Place at;          // as written
} ValueTerm;
typedef struct {
  const char *name; Place at;
  const Expr *head;
  LossTerm *terms; int n_terms;
  ValueTerm *values; int n_values;
  int rows; Place rows_at;             // DataPlan.labels: how much each row counts in the loss; −1: all that know its label alike
  double weight;
  bool freeze;
  StepRule rule;                       // UNSAID where no clause says it
} ModelTask;
typedef struct { const char *name; Place at; const Expr *value; int unit; } ModelOutput;   // unit: 1 + a label, or 0
typedef struct { const char *name, *sha256; bool is_std; } ModelImport;   // as written; of its text
typedef struct { const char *name, *file; Place at, file_at; } FromRun;   // from NAME { file = "…" }; file: as written, NULL after an error
typedef struct { const char *name, *old; Place at; } Rename;           // what has its parameters under `name` had them under `old` in that run
typedef struct { Optim of; Place at; const char *text; } OptimizerSpec;
typedef struct { const char *path; int64_t steps; } Begun;             // a parameter whose optimizer has so many steps behind it

typedef struct {                       // how the tasks' losses are balanced
  struct BalanceSpec spec;             // row −1: static, their weighted sum; spec.over: filled by build
  const char **over; Place *over_at; int n_over;   // bindings whose parameters it is about; none: all
  const char *text; Place at;
} BalanceClause;

typedef struct {
  Arena *arena;
  Sources *sources;
  const char *name; int64_t version; int edition;
  DataPlan data;
  Place *input_at, *label_at;          // parallel to data.inputs, data.labels
  LayerDef *layers; int n_layers;
  Binding *bindings; int n_bindings;
  ModelTask *tasks; int n_tasks;
  bool is_variant; int n_muted;        // of model_variant: tasks[n_tasks …] are names in expressions and nothing more
  ModelOutput *outputs; int n_outputs;
  ModelImport *imports; int n_imports; // each file once
  FromRun from;                        // the run that it starts from; name NULL: none
  Rename *renames; int n_renames;      // clauses `renamed_from`
  OptimizerSpec optimizer;
  bool lazy;                           // of `train`: every table is
  StepRule rule;                       // of the parameters of no binding or task that says otherwise
  Clip clip;                           // of gradients
  ValueTerm *penalty; int n_penalty;   // terms of the loss that are no task's
  BalanceClause balance;
  bool wants_gram;                     // set before build: a program for gradient_cosines (train.h)
  TrainPlan train;                     // tasks[].width, buffers: filled after build and place
  Formulas *formulas;                  // of the latest build
  const char *resolved;                // the spec with its imports inlined: text that alone makes this Model again
  const PrepState *prep;               // NULL until bound
  struct { const char *what, *value; Place at; } *defaults; int n_defaults;   // every value that the spec left out
  BlasUse blas;                        // train's clause
  bool by_call;                        // set by who wants a profile: Graph.by_call
  const Begun *begun; int n_begun;     // set before compile(), by path: of a training that goes on from another; the others begin
  // For explain, set by the caller: the rule by which OpenBLAS gets gradients of weights (NULL: none), and by what ("OpenBLAS
  // 0.3.21, kernels for Haswell"), or why they stay ours.
  const GemmRule *gemm; const char *gemm_by, *gemm_why_not;
  const PushRule *push;                // set before model_explain; NULL: no product is pushed through a gather
  const KeepRule *keep;                // the same; NULL: nothing is kept of the rows
} Model;

// Resolves a parsed spec. Imports "std/…" come from `std_dir` (and relative ones from the spec's folder).
// Errors go to d; returns a Model all the same, to let build find more (only NULL when the file has no model at all).
Model *resolve(Arena *a, Sources *s, const Ast *main, const char *spec_path, const char *std_dir, Diag *d);
// A copy of a resolved model, in `a`, that learns only the tasks of `keep` (parallel to tasks; NULL: all): the others are neither
// trained nor served, and what they alone need is not built; a kept head may still name theirs. No output is served, no `require`
// judged. Its data plan, and so a preparation, are those of m; parameters keep their names, and so their start. A figure of `stop` or
// `best` keeps the terms of the kept tasks; where none is left, it is their loss.
Model *model_variant(const Model *m, Arena *a, const bool *keep);
// The task balancing of a variant: `text` as behind `balance =`. false: errors in d, with places in `text`.
bool   variant_balance(Model *variant, const char *text, Diag *d);
void   model_bind(Model *m, const PrepState *prep);     // sizes of learned vocabularies
// The forward graph with tasks' heads, outputs and losses, and their formulas. Errors to d; the graph is usable only if there are none.
// Roots: out("head:TASK"), out("output:NAME"), out("sum:TASK"), out("weight:TASK"), and
// for balancing out("task:TASK"), out("known:TASK"); out("term:I") of train.terms, out("penalty"); graph.loss is the total
// loss, the penalty included.
Graph *build(Model *m, DType dtype, Diag *d);
void   model_print(const Model *m, Text *out);          // --emit model
void   model_explain(const Model *m, Graph *g, Text *out, bool json);   // shapes, parameters, FLOPs, defaults
#endif
