// balance.h: task balancing as nodes: gradients of several losses → one gradient per parameter. Methods: runtime/balance.h.
#ifndef MTLC_GRAPH_BALANCE_H
#define MTLC_GRAPH_BALANCE_H
#include "../../runtime/balance.h"
#include "graph.h"

extern const BalanceRow balance_rows[]; extern const int n_balance_rows;

// What a task gives to balancing: roots "task:NAME" (its loss over the batch, weighted; 0 where no row is known) and
// "known:NAME" (scalar, 0 where no row is known), in the order of the tasks, known:NAME right after task:NAME.
typedef struct { const char *name; NodeId loss, known; } TaskLoss;
int  balance_tasks(const Graph *g, TaskLoss *out);        // out: room for BALANCE_TASKS; how many there are, 0 where more

struct BalanceSpec {
  int row;                                                // of balance_rows
  double arg[BALANCE_ARGS];
  bool on_representation;                                 // M of the gradients at the values that leave the shared part
  const bool *over; int n_over;                           // by slot: it is balanced, if shared; NULL: every shared one
};
// By slot: two or more losses reach it, whatever is balanced.
bool *shared_slots(const Graph *g, Arena *a);

// Adjoints of `slots`, read by `reads`, that a step goes along: of g->loss; with g->balance, balanced. Then the method's
// memory is a slot with its update, and the weights are the root "balance", f64 [K].
void  step_gradients(Graph *g, const int *slots, const NodeId *reads, int n, NodeId *grads);
bool  balance_looks_again(const Graph *g);                // its method needs the losses after the step
// Roots "gram" (M, f64 [K, K], over the shared slots) and "gram.known" (f64 [K]); false: nothing is shared, or one task.
bool  gram_roots(Graph *g, const int *slots, const NodeId *reads, int n);
#endif
