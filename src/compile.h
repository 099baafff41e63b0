// compile.h: the list of passes, one line each; a spec becomes a plan and callable code.
#ifndef MTLC_COMPILE_H
#define MTLC_COMPILE_H
#include "jit/jit.h"
#include "model/model.h"
#include "../runtime/host/blas.h"

typedef struct {
  Graph *forward;                        // as built
  Graph *program[N_PROGRAMS];            // after grad, optim, tidy
  Schedule *schedule;
  Kept kept;                             // of the program of a step
  StepPlan plan;
  PlanBalance balance;                   // but for its text
} Compiled;
// Needs a model without errors, bound to a preparation where it learns vocabularies. dtype F64 adds PROG_GRADS.
// false: errors in d.
bool compile(Model *m, DType dtype, Compiled *out, Diag *d);
// For tests: any graph with g->loss set (with g->balance: roots task:*, known:*): TRAIN by `optim_row`, or GRADS only when optim_row < 0.
bool compile_graph(Graph *g, int optim_row, const double *optim_args, int dense_width, int n_ids, int n_labels, Compiled *out, Diag *d);

// What push_gathers() pushes: what pays, or what MTLC_PUSH says of whole tables, and MTLC_DISTINCT of the rows of distinct ids.
const PushRule *push_rule(Diag *d);
// What keep_fixed() keeps: what pays, or what MTLC_KEEP says. Columns from kept_first on: behind the row's numbers, a new vector.
const KeepRule *keep_rule(Diag *d);
static inline int kept_first(int dense_width) { return (dense_width + 15) / 16 * 16; }

// ---- blas_use.c: which dots OpenBLAS computes: by the spec's `blas`, MTLC_BLAS, the target, and what OpenBLAS is there.
typedef struct { BlasUse use; const GemmRule *rule; const Blas *blas; const char *why_not; } GemmChoice;
const Blas *blas_for(TargetId t);                                      // opens it with kernels for t; NULL: not there
GemmChoice gemm_candidates(BlasUse spec, TargetId t, DType dtype, Diag *d);   // rule NULL: none; opens nothing
bool gemm_choose(GemmChoice *c, TargetId t);                           // opens OpenBLAS: c->blas, or c->why_not and false
void gemm_set(Graph *const *graphs, int n, BlasUse spec, Diag *d);     // their rule, before scheduling
#endif
