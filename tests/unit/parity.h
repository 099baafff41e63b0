// parity.h: what the tests against PyTorch share: files of numbers (tests/parity), an engine with those numbers, comparisons.
//   forward   |got − want| ≤ 1e-6 · max(1, |want|)         f64: 1e-10
//   weights   |got − want| ≤ 1e-5 · max(|want|, SMALL)     f64: 1e-10
#ifndef MTLC_TEST_PARITY_H
#define MTLC_TEST_PARITY_H
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "src/compile.h"
#include "runtime/train.h"
#include "buffers.h"
#include "reference.h"

#define SMALL 1e-3                              // a weight nearer 0 than this is compared absolutely, to 1e-8 (f64: 1e-13)
typedef struct { DType dtype; const char *name; double forward, weights; } Precision;
enum { N_PRECISIONS = 2 };
extern const Precision precisions[N_PRECISIONS];

// One run of a case (a model with weights, batches, outputs): which graph to compile, by which optimizer, and what is compared.
typedef struct {
  const json_t *file, *run; const Precision *p; TargetId target;
  const char *name;                                        // of the model, for messages
  void *ctx;
} Run;
// The graph of the run, in arena a, errors to d. loss and roots set, slots named as the file's weights.
typedef Graph *GraphOf(const Run *r, Arena *a, Diag *d);
// Compiles, compares every batch's forward before training and all weights after it. host: whether host calls must be there (those aside
// that turn over the ids of pushed products).
void check_run(Run r, GraphOf *graph, bool host);
// All runs of a case, in both precisions, by every target that runs here.
void check_case(const json_t *file, const char *name, GraphOf *graph, void *ctx, bool host);
#endif
