// formula.h: what a value is, as the language says it: a function or an operator and what it is given, down to inputs, parameters, labels
// and numbers. Names, layers, loops and defaults are resolved; of what the compiler makes of a function there is nothing here, that is the
// graph. Hashes and diff read this (version/), so that another way to compute the same changes neither.
#ifndef MTLC_FORMULA_H
#define MTLC_FORMULA_H
#include "../base/diag.h"

typedef uint32_t FormulaId;              // 0: none
typedef struct {
  const char *op;                        // "matmul", "+", "input", "parameter", "number", "list" …
  const char *how;                       // a name; options, resolved: "axis 1"; ""
  double number;                         // of "number"; of "value" and "known": index in DataPlan.labels
  const FormulaId *in; int n_in;         // each below its user
  bool map;                              // element by element: what stands for it in another version is another activation
  Place at;                              // in a std layer: the call that led there
} Formula;

// Roots: "head:TASK", "output:NAME", "loss:TASK" (the values that its losses judge in place of the head), "update:PATH" of a state, "term:I"
// of TrainPlan.terms, "penalty".
typedef struct { const char *name; FormulaId of; } FormulaRoot;
typedef struct { double lo, hi; } Interval;
typedef struct {
  Arena *arena;
  VEC(Formula) all;                      // [0]: none
  VEC(FormulaRoot) roots;
  VEC(Interval) ranges;                  // of all, as far as they were asked for
} Formulas;
FormulaId formula_root(const Formulas *f, const char *name);               // 0: there is none
Interval  formula_range(Formulas *f, FormulaId id);                        // range.c: the values that it can have
#endif
