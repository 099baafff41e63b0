// builtin_int.h: what the files of built-in functions share: builtins.c (the table, elementwise, tables of ids, parameters),
// reduce.c (reductions, softmax), moves.c (parts and shapes), products.c (contractions, convolution), random.c, running.c (state),
// trees.c, gradient.c (parameters and gradients as values).
#ifndef MTLC_BUILTIN_INT_H
#define MTLC_BUILTIN_INT_H
#include "model_int.h"

Value *fn_misfit(BuiltinCall *c, const Value *v, const char *needs);  // "`f` needs NEEDS, not V": the bad value
Value *fn_result(BuiltinCall *c, NodeId n, int before);               // n as a value; before: errors when the call began
int    fn_begin(BuiltinCall *c);                                      // places of the nodes that follow; errors so far
void   fn_how(BuiltinCall *c, const char *fmt, ...) PRINTF_LIKE(2, 3); // options as they are meant: `axis 1` where `last` was written
const char *fn_axes_text(BuiltinCall *c, int rank, const AxisId *axis);  // "|city| 8"
bool   whole_number(const Value *v);
Value *axis_value(BuiltinCall *c, AxisId a);                          // a number, or the size of a vocabulary
bool   size_axis(BuiltinCall *c, const Value *v, AxisId *axis, double *elements);   // v as a size; *elements *= v
AxisId cardinality_axis(Build *b, const Value *ids);
bool   init_arg(BuiltinCall *c, const Value *v, Init *init);          // an initialiser or a number; false: an error was given
// The slot of this call by the names around it (`otherwise`: where none is its own), read; an instance's second call finds it
// again. Bad, and *slot −1, where it cannot be made.
Value *slot_value(BuiltinCall *c, SlotRole role, const char *otherwise, int rank, const AxisId *axis, Init init, int *slot);

// ---- axes. Arguments count the axes of an item, without the batch axis; nodes count it.
int    item_rank(const Graph *g, NodeId n);
// The node's axis that `axis` means; NULL: the item's first. −1: an error was given.
int    fn_axis(BuiltinCall *c, const Value *axis, const Value *x);
NodeId add_axes(Graph *g, NodeId n, int axis, int times);             // axes of size 1, inserted at `axis` of the node
NodeId with_rows(Graph *g, NodeId n);                                 // repeated for every row, where it has no batch axis

typedef enum { REDUCE_SUM, REDUCE_MEAN, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_VAR } Reduction;
Value *reduce_tree(BuiltinCall *c, Reduction r);                      // all elements of a tree; see trees.c
Value *reduce_trees(BuiltinCall *c, Reduction r);                     // a list of trees: leaf by leaf
// One axis of x, dropped. mask: 0, or [.., size of that axis] of 0 and 1, its axes being x's up to `axis`: items whose mask is 0
// do not count; where none counts the result is 0 (prod: 1).
NodeId reduce_axis(Graph *g, Reduction r, NodeId x, int axis, NodeId mask);

#define FN(name) Value *fn_##name(BuiltinCall *c);
FN(sum) FN(mean) FN(max) FN(min) FN(prod) FN(var) FN(sum_sq) FN(batch_mean) FN(batch_sum) FN(softmax) FN(log_softmax)
FN(concat) FN(stack) FN(slice) FN(reshape) FN(transpose) FN(expand) FN(spread) FN(pad) FN(unfold) FN(one_hot) FN(iota)
FN(grad) FN(binary_codes) FN(mask) FN(random_uniform) FN(random_normal) FN(running) FN(matmul) FN(dot) FN(outer) FN(contract) FN(conv1d)
#undef FN
#endif
