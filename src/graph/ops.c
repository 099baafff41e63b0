// ops.c: the table of ops, made from ops.def.
#include "graph_int.h"

#define grad_none NULL
#define fold_NULL NULL
const OpRow op_rows[N_OPS] = {
#define OP(id, name, arity, kind, shape, grad, fold) {name, arity, kind, shape_##shape, grad_##grad, fold_##fold},
#include "ops.def"
#undef OP
};
