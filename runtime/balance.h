// balance.h: task balancing: how the losses of several tasks are weighed against each other in a step.
//
// Every method gives, for the K tasks, weights c: the shared parameters move along d = Σ c_k g_k, g_k being the gradient of
// task k's loss L_k (its `weight` included). A method reads the losses, or also the Gram matrix of the gradients
// M = G Gᵀ [K, K], M_ij = g_i · g_j over the shared parameters; what it remembers is a vector of doubles, a slot of the
// step.
// So a method is a row of balance.def and one function here, in double precision, without memory of its own; the graph part
// (src/graph/balance.c) is the same for all.
#ifndef MTLC_BALANCE_H
#define MTLC_BALANCE_H
#include "plan.h"

enum { BALANCE_TASKS = 64, BALANCE_ARGS = 3 };        // at most
// What a method reads, and what its weights scale.
enum {
  BALANCE_GRAM = 1,          // reads M: K backward passes through the shared part. Else losses alone: one backward pass
  BALANCE_REPRESENTATION = 2,  // M may be taken at the shared representation (`on = representation`)
  BALANCE_OWN = 4,           // scales the parameters that one task alone owns too; losses alone: always so
};
typedef struct { const char *name; double def, lo, hi; bool whole; } BalanceArg;   // def NAN: the learning rate of the step
typedef struct {
  const char *name; int flags;
  int per_task, per_pair;    // doubles of memory
  bool again;                // looks at the losses of the same batch once more, after the step
  BalanceArg arg[BALANCE_ARGS];   // the first without a name: there are no more
} BalanceRow;

// The tasks that count in this step: those with a known label in the batch and, with M, a gradient that is not zero.
typedef struct {
  int n; const int *task;    // [n] their numbers among all
  const double *loss;        // [n] L_k
  const double *gram;        // [n, n]; NULL: the method does not read it
  const double *arg;
  double lr;                 // learning rate of the step
  int64_t epoch;             // from 1
  bool new_epoch;            // the first step of an epoch
  uint64_t key;              // of random numbers, another one each step
  int n_tasks;               // K
  int per_task;
  double *of_task;           // memory: [K, per_task], zero at the start
  double *of_pair;           // memory: [K, K], zero at the start
} BalanceInput;
typedef void BalanceFn(const BalanceInput *in, double *c);   // c [n]
// Weights of the tasks and the memory after the step. `again`: called once more with the losses after the step.
#define BALANCE(id, flags, per_task, per_pair, again, args) BalanceFn balance_##id;
#include "balance/balance.def"
#undef BALANCE
BalanceFn balance_famo_again;

static inline double *balance_task(const BalanceInput *in, int i) { return in->of_task + in->task[i] * in->per_task; }
static inline double *balance_pair(const BalanceInput *in, int i, int j) {
  return in->of_pair + in->task[i] * in->n_tasks + in->task[j];
}

// Doubles of a method's memory: the epoch of the last step, then of every task, of every pair.
enum { BALANCE_EPOCH, BALANCE_HEAD };
static inline int64_t balance_memory(int per_task, int per_pair, int n_tasks) {
  return BALANCE_HEAD + (int64_t)n_tasks * per_task + (int64_t)n_tasks * n_tasks * per_pair;
}

// ---- balance.c
typedef struct {
  int id, n_tasks;                      // id: the row of balance.def
  const double *arg, *loss, *known;     // loss, known [K]: L_k, Σ w of the batch (0: the task is absent)
  const double *gram;                   // [K, K] or NULL
  double lr, key; int64_t epoch;        // key: a whole number below 2^52 (random_key)
} BalanceStep;
void balance_step(const BalanceStep *s, double *memory, double *c);    // c [K]: 0 where the task is absent
void balance_again(const BalanceStep *s, double *memory);              // loss: after the step

// ---- solve.c: small dense problems, n ≤ BALANCE_TASKS; matrices row-major, symmetric ones whole.
// x of A x = b in b; A is used up. false: A is singular.
bool solve_linear(int n, double *a, double *b);
// Eigenvalues, ascending, and eigenvectors (column j of v belongs to value j) of a symmetric m, which is used up.
void solve_eigen(int n, double *m, double *value, double *v);
// w of the simplex (w ≥ 0, Σ w = 1) that minimises aᵀw + b·√(wᵀMw), b > 0; a NULL: 0.
void solve_simplex(int n, const double *m, const double *a, double b, double *w);
// w > 0 with M w = w^−p, p > 0, in at most `iterations` Newton steps.
void solve_power(int n, const double *m, double p, int iterations, double *w);
#endif
