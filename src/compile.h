// compile.h: the list of passes, one line each; a spec becomes a plan and callable code.
#ifndef MTLC_COMPILE_H
#define MTLC_COMPILE_H
#include "jit/jit.h"
#include "model/model.h"

typedef struct {
  Graph *forward;                        // as built
  Graph *program[N_PROGRAMS];            // after grad, optim, tidy
  Schedule *schedule;
  StepPlan plan;
} Compiled;
// Needs a model without errors, bound to a preparation where it learns vocabularies. dtype F64 adds PROG_GRADS.
// false: errors in d.
bool compile(Model *m, DType dtype, Compiled *out, Diag *d);
// For tests: any graph with g->loss set: TRAIN by `optim_row`, or GRADS only when optim_row < 0.
bool compile_graph(Graph *g, int optim_row, const double *optim_args, int dense_width, int n_ids, int n_labels, Compiled *out, Diag *d);
#endif
