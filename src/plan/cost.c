// cost.c: what a call costs: arithmetic, bytes, and about how long that takes one core. Rough on purpose: it says which phases are
// worth sharing among threads and how finely to cut them, never what is computed.
#include "plan_int.h"
#include "../../runtime/host.h"

static double extent(const Dim *d) { return d->named ? d->expected : d->size > 0 ? (double)d->size : 0; }   // of rows: all that a batch may have

static double points_of(const Call *c) {
  double n = 1;
  for (int d = 0; d < c->n_dims; d++) n *= extent(&c->dims[d]);
  return n;
}

static double width(DType t) { return t == F64 || t == I64 ? 8 : 4; }

static double input_bytes(const Call *c, const Input *in) {      // each element once; what repeats is read once
  double n = 1;
  int rank = c->n_dims + (c->kind == CALL_REDUCE_LANES || c->kind == CALL_REDUCE_ROWS), first = c->kind == CALL_REDUCE_ROWS;
  for (int d = 0; d < rank; d++) {
    bool reduced = d < first || d - first >= c->n_dims;
    if (in->stride[d] || in->index >= 0) n *= reduced ? extent(&c->reduced) : extent(&c->dims[d - first]);
  }
  return n * width(in->dtype);
}

static double operand_bytes(const HostOperand *o) {
  double n = 1;
  for (int i = 0; i < o->rank; i++) n *= o->stride[i] ? (double)o->extent[i] : 1;
  return n * width(o->dtype);
}

static CallCost host_cost(const Call *c) {
  double in = 0, out = operand_bytes(&c->host.out);
  for (int i = 0; i < c->host.n_in; i++) in += operand_bytes(&c->host.in[i]);
  double products = 2 * out / width(c->host.out.dtype) * extent(&c->reduced);
  return (CallCost){ .flops = c->host.id == HOST_GEMM ? products : in + out, .bytes = in + out };
}

static CallCost spread_cost(const Call *c) {                     // zeroed, then a row added for each id
  double cells = extent(&c->dims[0]), row = 1, rows = extent(&c->reduced);
  if (c->n_dims > 1) row = extent(&c->dims[1]);
  if (c->n_dims > 2) rows *= extent(&c->dims[2]);
  double size = width(c->outputs[0].dtype);
  return (CallCost){ .flops = rows * row, .bytes = (cells + 3 * rows) * row * size + 4 * rows };
}

static CallCost bag_cost(const Call *c) {                        // a row read and added for each id
  double columns = extent(&c->dims[0]), size = width(c->outputs[0].dtype), ids, out = columns * extent(&c->dims[1]), terms = 0;
  if (c->n_dims > 2) terms = extent(&c->dims[2]);
  if (c->kind == CALL_BAG) ids = extent(&c->dims[1]) * extent(&c->reduced);
  else ids = (double)(c->lists.words - by_id_words(c->dims[1].size, 0)) * extent(&c->reduced) / (double)c->lists.rows;
  double product = terms * (columns + extent(&c->dims[1]));
  return (CallCost){ .flops = ids * columns + 2 * out * terms, .bytes = (ids * columns + out + product) * size + 4 * ids };
}

CallCost call_cost(const Call *c) {
  if (c->kind == CALL_BAG || c->kind == CALL_SPREAD_BAG) return bag_cost(c);
  if (c->kind == CALL_SPREAD) return spread_cost(c);
  if (c->kind == CALL_HOST) return host_cost(c);
  CallCost out = {0};
  double points = points_of(c), inner = extent(&c->reduced), ops[2] = {0};
  for (int v = 0; v < c->n_vals; v++) ops[c->vals[v].prologue] += c->vals[v].kind == VAL_OP;
  for (int i = 0; i < c->n_inputs; i++) out.bytes += input_bytes(c, &c->inputs[i]);
  for (int i = 0; i < c->n_outputs; i++) out.bytes += points * width(c->outputs[i].dtype);
  out.flops = points * ops[0];
  if (c->kind == CALL_REDUCE_LANES || c->kind == CALL_REDUCE_ROWS) out.flops += points * inner * (ops[1] + 1);
  if (c->kind == CALL_ROWS) out.flops += (double)c->sorted.ids * points / extent(&c->dims[0]);
  if (c->kind != CALL_DOT) return out;
  out.flops += 2 * points * inner;
  out.bytes += extent(&c->dims[0]) * inner * width(c->left.dtype) + inner * extent(&c->dims[1]) * width(c->right.dtype);
  return out;
}

// A core does from 60 to 200 products and sums a ns, about 10 of other operations, and moves about 30 bytes; 6 of what other cores have
// just made, as the sums of blocks.
double call_ns(const Call *c) {
  CallCost k = call_cost(c);
  bool products = c->kind == CALL_DOT || (c->kind == CALL_HOST && c->host.id == HOST_GEMM);
  return k.flops / (products ? 100 : 10) + k.bytes / (c->reduced.groups_of ? 6 : 30);
}

double calls_ns(const Call *calls, int n) {
  double ns = 0;
  for (int i = 0; i < n; i++) ns += call_ns(&calls[i]);
  return ns;
}
