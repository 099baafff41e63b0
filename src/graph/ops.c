// ops.c: the table of ops, made from ops.def.
#include "graph_int.h"

#define grad_none NULL
#define fold_NULL NULL
const OpRow op_rows[N_OPS] = {
#define OP(id, name, arity, kind, shape, grad, fold) {name, arity, kind, shape_##shape, grad_##grad, fold_##fold},
#include "ops.def"
#undef OP
};

HostId host_of_op(OpId op) {
  static const HostId of[N_OPS] = {
#define HOST(id, fn, item_rows) [OP_##id] = HOST_##id,
#include "../../runtime/host.def"
#undef HOST
  };
  if (op_rows[op].kind != KIND_CALL || of[op] == HOST_NONE) BUG("`%s` has no row in host.def", op_rows[op].name);
  return of[op];
}
