// emit_map.c: the program of a call at a point: loads, one function per MAP op of ops.def, stores.
// Every function takes lanes of any width, in f32 or f64, and gives the same bits per lane at each width.
#include "emit_int.h"

// ---------------------------------------------------------------- dtypes
Value convert(Emit *e, Value v, DType from, DType to) {
  LL *l = &e->l;
  if (from == to) return v;
  Type t = ll_like(LLVMTypeOf(v), emit_type(e, to));
  if (from == F32 && to == F64) return LLVMBuildFPExt(l->b, v, t, "");
  if (from == F64 && to == F32) return LLVMBuildFPTrunc(l->b, v, t, "");
  if (from == U32) return to == I64 ? LLVMBuildZExt(l->b, v, t, "") : LLVMBuildUIToFP(l->b, v, t, "");
  if (from == I64) return to == U32 ? LLVMBuildTrunc(l->b, v, t, "") : LLVMBuildSIToFP(l->b, v, t, "");
  return to == U32 ? LLVMBuildFPToUI(l->b, v, t, "") : LLVMBuildFPToSI(l->b, v, t, "");
}

static bool is_real(DType t) { return t == F32 || t == F64; }

// ---------------------------------------------------------------- fused multiply-add
// In f32 without the instruction: the product is exact in double; the sum is rounded there to odd, so that the second
// rounding, to float, is right (Boldo and Melquiond, 2008).
static Value round_to_odd(Emit *e, Value sum, Value err) {
  LL *l = &e->l;
  Type d = LLVMTypeOf(sum), i = ll_like(d, l->i64);
  Value zero = ll_real(d, 0), bits = ll_bits(l, sum, i);
  Value away = LLVMBuildXor(l->b, ll_fcmp(l, LLVMRealOGT, err, zero), ll_fcmp(l, LLVMRealOLT, sum, zero), "");
  Value even = ll_icmp(l, LLVMIntEQ, ll_and(l, bits, ll_int(i, 1)), ll_int(i, 0));
  Value inexact = ll_and(l, even, ll_fcmp(l, LLVMRealONE, err, zero));
  Value moved = ll_add(l, bits, ll_select(l, away, ll_int(i, 1), ll_int(i, -1)));
  return ll_bits(l, ll_select(l, inexact, moved, bits), d);
}

static void two_sum(LL *l, Value a, Value b, Value *sum, Value *err) {      // a + b = sum + err, exactly
  *sum = ll_fadd(l, a, b);
  Value bb = ll_fsub(l, *sum, a);
  *err = ll_fadd(l, ll_fsub(l, a, ll_fsub(l, *sum, bb)), ll_fsub(l, b, bb));
}

static Value fma_f32_by_f64(Emit *e, Value a, Value b, Value c) {
  LL *l = &e->l;
  Value sum, err;
  two_sum(l, ll_fmul(l, convert(e, a, F32, F64), convert(e, b, F32, F64)), convert(e, c, F32, F64), &sum, &err);
  return convert(e, round_to_odd(e, sum, err), F64, F32);
}

static void split_f64(LL *l, Value a, Value *hi, Value *lo) {               // Veltkamp: 26 + 27 bits
  Value t = ll_fmul(l, a, ll_real(LLVMTypeOf(a), 134217729.0));
  *hi = ll_fsub(l, t, ll_fsub(l, t, a));
  *lo = ll_fsub(l, a, *hi);
}

// In f64: product and sum as exact pairs, the lower two added to odd. Right where nothing over- or underflows and
// |a|, |b| < 2^995.
static Value fma_f64_by_pairs(Emit *e, Value a, Value b, Value c) {
  LL *l = &e->l;
  Value ah, al, bh, bl, th, tl, vh, vl, zh, zl;
  split_f64(l, a, &ah, &al);
  split_f64(l, b, &bh, &bl);
  Value uh = ll_fmul(l, a, b);
  Value rest = ll_fadd(l, ll_fadd(l, ll_fsub(l, ll_fmul(l, ah, bh), uh), ll_fmul(l, ah, bl)), ll_fmul(l, al, bh));
  Value ul = ll_fadd(l, rest, ll_fmul(l, al, bl));
  two_sum(l, c, ul, &th, &tl);
  two_sum(l, uh, th, &vh, &vl);
  two_sum(l, tl, vl, &zh, &zl);
  return ll_fadd(l, vh, round_to_odd(e, zh, zl));
}

// The emulation is some 25 instructions: a function of its own, one for each type, keeps the kernels small.
static Value fma_function(Emit *e, Type t, Type signature) {
  LL *l = &e->l;
  bool f32 = ll_elem(t) == l->f32;
  const char *name = arena_printf(e->arena, "fma.%s.x%d", f32 ? "f32" : "f64", ll_width(t));
  Value fn = LLVMGetNamedFunction(l->m, name), back_fn = l->fn;
  if (fn) return fn;
  Block back = ll_here(l);
  l->fn = fn = LLVMAddFunction(l->m, name, signature);
  LLVMSetLinkage(fn, LLVMInternalLinkage);
  function_attributes(e, fn);
  ll_go(l, ll_block(l, "entry"));
  Value a = LLVMGetParam(fn, 0), b = LLVMGetParam(fn, 1), c = LLVMGetParam(fn, 2);
  LLVMBuildRet(l->b, f32 ? fma_f32_by_f64(e, a, b, c) : fma_f64_by_pairs(e, a, b, c));
  l->fn = back_fn;
  ll_go(l, back);
  return fn;
}

Value emit_fma(Emit *e, Value a, Value b, Value c) {
  Type t = LLVMTypeOf(a);
  if (e->has_fma) return ll_intrinsic(&e->l, "llvm.fma", &t, 1, (Value[]){a, b, c}, 3);
  Type signature = LLVMFunctionType(t, (Type[]){t, t, t}, 3, 0);
  return LLVMBuildCall2(e->l.b, signature, fma_function(e, t, signature), (Value[]){a, b, c}, 3, "");
}

// ---------------------------------------------------------------- one function per MAP op; x: operands
typedef Value OpFn(Emit *e, Value *x);
static Value zero_of(Value x) { return ll_real(LLVMTypeOf(x), 0); }
static Value one_of(Value x) { return ll_real(LLVMTypeOf(x), 1); }
static Value truth(Emit *e, Value bit, Value like) { return ll_select(&e->l, bit, one_of(like), zero_of(like)); }

static Value op_add(Emit *e, Value *x) { return ll_fadd(&e->l, x[0], x[1]); }
static Value op_sub(Emit *e, Value *x) { return ll_fsub(&e->l, x[0], x[1]); }
static Value op_mul(Emit *e, Value *x) { return ll_fmul(&e->l, x[0], x[1]); }
static Value op_div(Emit *e, Value *x) { return ll_fdiv(&e->l, x[0], x[1]); }
static Value op_min(Emit *e, Value *x) { return ll_select(&e->l, ll_fcmp(&e->l, LLVMRealOLT, x[0], x[1]), x[0], x[1]); }
static Value op_max(Emit *e, Value *x) { return ll_select(&e->l, ll_fcmp(&e->l, LLVMRealOGT, x[0], x[1]), x[0], x[1]); }
static Value op_fma(Emit *e, Value *x) { return emit_fma(e, x[0], x[1], x[2]); }
static Value op_neg(Emit *e, Value *x) { return LLVMBuildFNeg(e->l.b, x[0], ""); }
static Value op_abs(Emit *e, Value *x) {
  Type t = LLVMTypeOf(x[0]);
  return ll_intrinsic(&e->l, "llvm.fabs", &t, 1, x, 1);
}
static Value op_exp(Emit *e, Value *x) { return math_exp(e, x[0]); }
static Value op_log(Emit *e, Value *x) { return math_log(e, x[0]); }
static Value op_sqrt(Emit *e, Value *x) {
  Type t = LLVMTypeOf(x[0]);
  return ll_intrinsic(&e->l, "llvm.sqrt", &t, 1, x, 1);
}
static Value op_recip(Emit *e, Value *x) { return ll_fdiv(&e->l, one_of(x[0]), x[0]); }
static Value op_relu(Emit *e, Value *x) {
  return ll_select(&e->l, ll_fcmp(&e->l, LLVMRealOGT, x[0], zero_of(x[0])), x[0], zero_of(x[0]));
}
static Value op_sigmoid(Emit *e, Value *x) { return math_sigmoid(e, x[0]); }
static Value op_tanh(Emit *e, Value *x) { return math_tanh(e, x[0]); }
static Value op_floor(Emit *e, Value *x) {
  LL *l = &e->l;                                 // |x| + C − C rounds to a whole number; from C on every number is one
  Type t = LLVMTypeOf(x[0]);
  Value size = op_abs(e, x), c = ll_real(t, ll_elem(t) == l->f32 ? 0x1p23 : 0x1p52);
  Value near = ll_fsub(l, ll_fadd(l, size, c), c);
  near = ll_select(l, ll_fcmp(l, LLVMRealOLT, x[0], zero_of(x[0])), LLVMBuildFNeg(l->b, near, ""), near);
  Value low = ll_fsub(l, near, truth(e, ll_fcmp(l, LLVMRealOGT, near, x[0]), x[0]));
  return ll_select(l, ll_fcmp(l, LLVMRealOLT, size, c), low, x[0]);
}
static Value op_softplus(Emit *e, Value *x) { return math_softplus(e, x[0]); }
static Value op_lt(Emit *e, Value *x) { return truth(e, ll_fcmp(&e->l, LLVMRealOLT, x[0], x[1]), x[0]); }
static Value op_le(Emit *e, Value *x) { return truth(e, ll_fcmp(&e->l, LLVMRealOLE, x[0], x[1]), x[0]); }
static Value op_eq(Emit *e, Value *x) { return truth(e, ll_fcmp(&e->l, LLVMRealOEQ, x[0], x[1]), x[0]); }
static Value op_not(Emit *e, Value *x) { return truth(e, ll_fcmp(&e->l, LLVMRealOEQ, x[0], zero_of(x[0])), x[0]); }
// What `truth` was made of, where x is one.
static Value bit_of(Emit *e, Value x) {
  bool is_truth = LLVMIsASelectInst(x) && LLVMGetOperand(x, 1) == one_of(x) && LLVMGetOperand(x, 2) == zero_of(x);
  return is_truth ? LLVMGetOperand(x, 0) : ll_fcmp(&e->l, LLVMRealUNE, x, zero_of(x));
}
static Value op_select(Emit *e, Value *x) { return ll_select(&e->l, bit_of(e, x[0]), x[1], x[2]); }
// random_uniform01 of plan.h, lane by lane; the operands keep their own types.
static Value mix32(LL *l, Value h) {
  static const struct { int shift; uint32_t factor; } step[] = {{16, 0x85ebca6bu}, {13, 0xc2b2ae35u}, {16, 1}};
  Type t = LLVMTypeOf(h);
  for (int i = 0; i < COUNT_OF(step); i++) {
    h = LLVMBuildXor(l->b, h, LLVMBuildLShr(l->b, h, ll_int(t, step[i].shift), ""), "");
    if (step[i].factor != 1) h = LLVMBuildMul(l->b, h, ll_int(t, (int32_t)step[i].factor), "");
  }
  return h;
}

static Value op_random(Emit *e, Value *x) {
  LL *l = &e->l;
  Type t = ll_like(LLVMTypeOf(x[0]), l->i32), wide = LLVMTypeOf(x[2]);
  Value row = LLVMBuildFPToSI(l->b, x[0], t, ""), element = LLVMBuildFPToSI(l->b, x[1], t, "");
  Value high = LLVMBuildFPToSI(l->b, ll_fmul(l, x[2], ll_real(wide, 0x1p-26)), t, "");
  Value rest = ll_fsub(l, x[2], ll_fmul(l, LLVMBuildSIToFP(l->b, high, wide, ""), ll_real(wide, 0x1p26)));
  Value low = LLVMBuildFPToSI(l->b, rest, t, "");
  Value h = mix32(l, LLVMBuildXor(l->b, LLVMBuildMul(l->b, row, ll_int(t, (int32_t)0x9e3779b1u), ""), low, ""));
  Value sum = LLVMBuildXor(l->b, LLVMBuildMul(l->b, element, ll_int(t, (int32_t)0x85ebca77u), ""), h, "");
  h = mix32(l, LLVMBuildXor(l->b, sum, LLVMBuildMul(l->b, high, ll_int(t, (int32_t)0xc2b2ae3du), ""), ""));
  Value whole = LLVMBuildSIToFP(l->b, LLVMBuildLShr(l->b, h, ll_int(t, 8), ""), LLVMTypeOf(x[0]), "");
  return ll_fmul(l, whole, ll_real(LLVMTypeOf(x[0]), 0x1p-24));
}

static Value op_stop(Emit *e, Value *x) { (void)e; return x[0]; }

// cost: about the instructions per vector. compares: 1: the operands keep a wider dtype than the result; 2: each its own.
static const struct { OpFn *emit; int cost, compares; } map_ops[N_OPS] = {
  [OP_ADD]  = {op_add, 1, 0},   [OP_SUB] = {op_sub, 1, 0},    [OP_MUL]   = {op_mul, 1, 0},     [OP_DIV]  = {op_div, 2, 0},
  [OP_MIN]  = {op_min, 2, 0},   [OP_MAX] = {op_max, 2, 0},    [OP_FMA]   = {op_fma, 1, 0},     [OP_NEG]  = {op_neg, 1, 0},
  [OP_ABS]  = {op_abs, 1, 0},   [OP_EXP] = {op_exp, 18, 0},   [OP_LOG]   = {op_log, 26, 0},    [OP_SQRT] = {op_sqrt, 2, 0},
  [OP_RECIP] = {op_recip, 2, 0}, [OP_RELU] = {op_relu, 2, 0}, [OP_SIGMOID] = {op_sigmoid, 22, 0},
  [OP_TANH] = {op_tanh, 32, 0}, [OP_SOFTPLUS] = {op_softplus, 44, 0}, [OP_FLOOR] = {op_floor, 9, 0},
  [OP_LT]   = {op_lt, 2, 1},    [OP_LE]  = {op_le, 2, 1},     [OP_EQ]    = {op_eq, 2, 1},      [OP_NOT]  = {op_not, 2, 1},
  [OP_SELECT] = {op_select, 2, 0}, [OP_STOP] = {op_stop, 0, 0}, [OP_CAST] = {op_stop, 1, 0},
  [OP_RANDOM] = {op_random, 24, 2},
};

int program_cost(const Call *c, bool prologue) {
  int n = 0;
  for (int v = 0; v < c->n_vals; v++) {
    const Val *x = &c->vals[v];
    if (x->prologue != prologue) continue;
    if (x->kind == VAL_INPUT) n++;
    if (x->kind == VAL_OP && x->op < N_OPS) n += map_ops[x->op].cost;
  }
  return n + (prologue ? 0 : c->n_outputs);
}

// ---------------------------------------------------------------- loads and stores
static Value lane_pointers(Kernel *k, Type elem, Value base, Value offsets) {
  return LLVMBuildGEP2(k->e->l.b, elem, base, &offsets, 1, "");
}

// Elements base[offset of lane]: offsets is a vector of i64.
static Value load_scattered(Kernel *k, const Point *p, Type elem, Value base, Value offsets, unsigned align) {
  LL *l = &k->e->l;
  Type t = ll_vec(elem, p->width);
  if (p->mask) return ll_masked_gather(l, t, lane_pointers(k, elem, base, offsets), align, p->mask);
  Value v = LLVMGetPoison(t);
  for (int i = 0; i < p->width; i++)
    v = ll_insert(l, v, ll_load(l, elem, ll_at(l, elem, base, ll_extract(l, offsets, i)), align, ""), i);
  return v;
}

static Value lane_offsets(Kernel *k, const Point *p, Value stride) {       // lane · stride
  LL *l = &k->e->l;
  return ll_mul(l, ll_lanes(l, l->i64, p->width), ll_splat(l, stride, p->width));
}

static Value row_offsets(Kernel *k, const Point *p, int ix, Value stride) {  // where the rows begin that input ix selects
  LL *l = &k->e->l;
  return LLVMBuildMul(l->b, convert(k->e, load_input(k, p, ix), k->c->inputs[ix].dtype, I64), ll_splat(l, stride, p->width), "");
}

Value load_input(Kernel *k, const Point *p, int i) {
  LL *l = &k->e->l;
  const Input *in = &k->c->inputs[i];
  Type elem = emit_type(k->e, in->dtype);
  unsigned align = dtype_bytes(in->dtype);
  Value stride = p->width > 1 && p->lane_axis >= 0 ? k->in_stride[i][p->lane_axis] : NULL;
  if (in->index >= 0 && !k->st.resolved[i]) {                              // the id varies along lanes, or width is 1
    Value row = row_offsets(k, p, in->index, k->index_stride[i]);
    if (p->width == 1) return ll_load(l, elem, ll_at(l, elem, k->st.in[i], row), align, "");
    if (stride) row = ll_add(l, row, lane_offsets(k, p, stride));
    return load_scattered(k, p, elem, k->st.in[i], row, align);
  }
  if (!stride) return ll_splat(l, ll_load(l, elem, k->st.in[i], align, ""), p->width);
  if (!ll_is_const(stride, 1)) return load_scattered(k, p, elem, k->st.in[i], lane_offsets(k, p, stride), align);
  Type t = ll_vec(elem, p->width);
  return p->mask ? ll_masked_load(l, t, k->st.in[i], align, p->mask) : ll_load(l, t, k->st.in[i], align, "");
}

static void store_scattered(Kernel *k, const Point *p, Value v, Value base, Value offsets, unsigned align) {
  LL *l = &k->e->l;
  Type elem = ll_elem(LLVMTypeOf(v));
  if (p->mask) { ll_masked_scatter(l, v, lane_pointers(k, elem, base, offsets), align, p->mask); return; }
  for (int i = 0; i < p->width; i++)
    ll_store(l, ll_extract(l, v, i), ll_at(l, elem, base, ll_extract(l, offsets, i)), align);
}

// A masked store of AVX2 takes 12 cycles, and what is read back from it waits 13 more (Zen 3).
bool has_room(const Emit *e, const Call *c, int output) {
  const Output *o = &c->outputs[output];
  const Buffer *b = &e->s->buffers.data[o->buffer];
  int width = kernel_width(e);
  if (!e->has_mask || e->target->lanes_f32 != 8 || (b->role != BUF_ROWS && b->role != BUF_LOCAL) || c->n_dims != 2 || !c->dims[0].is_rows) return false;
  int64_t n = c->dims[1].size, whole = (n + width - 1) / width * width;
  return !o->by && !at_run_time(c->dims[1]) && o->stride[0] == b->ld && o->stride[1] == 1 && o->offset + n == b->cols && o->offset + whole <= b->ld;
}

void store_output(Kernel *k, const Point *p, int i, Value v) {
  LL *l = &k->e->l;
  Value stride = p->width > 1 && p->lane_axis >= 0 ? k->out_stride[i][p->lane_axis] : NULL, at = k->st.out[i];
  unsigned align = dtype_bytes(k->c->outputs[i].dtype);
  if (k->c->outputs[i].by && !k->st.out_resolved[i]) {                     // the id varies along lanes, or width is 1
    Value row = row_offsets(k, p, k->c->outputs[i].by - 1, k->row_stride[i]);
    if (p->width == 1) ll_store(l, v, ll_at(l, LLVMTypeOf(v), at, row), align);
    else store_scattered(k, p, v, at, stride ? ll_add(l, row, lane_offsets(k, p, stride)) : row, align);
  } else if (p->width == 1) ll_store(l, v, at, align);
  else if (!stride || !ll_is_const(stride, 1)) store_scattered(k, p, v, at, lane_offsets(k, p, stride ? stride : ll_i64(l, 0)), align);
  else if (p->mask && !(p->lane_axis == 1 && has_room(k->e, k->c, i))) ll_masked_store(l, v, at, align, p->mask);
  else ll_store(l, v, at, align);
}

Value load_output(Kernel *k, const Point *p, int i) {       // what stands there now; for sums in place
  LL *l = &k->e->l;
  DType dt = k->c->outputs[i].dtype;
  Type elem = emit_type(k->e, dt), t = ll_vec(elem, p->width);
  Value stride = p->width > 1 && p->lane_axis >= 0 ? k->out_stride[i][p->lane_axis] : NULL, at = k->st.out[i];
  if (p->width > 1 && stride && !ll_is_const(stride, 1))
    return load_scattered(k, p, elem, at, lane_offsets(k, p, stride), dtype_bytes(dt));
  return p->mask ? ll_masked_load(l, t, at, dtype_bytes(dt), p->mask) : ll_load(l, t, at, dtype_bytes(dt), "");
}

// ---------------------------------------------------------------- evaluation
Point point_new(Kernel *k, int width, int lane_axis, Value mask) {
  Point p = {width, lane_axis, mask, NEW_ARRAY(k->e->arena, Value, k->c->n_vals + 1), 1};
  return p;
}

static Value eval_iota(Kernel *k, Point *p, const Val *x) {
  LL *l = &k->e->l;
  Type elem = emit_type(k->e, x->dtype);
  if (x->dim < 0) return ll_real(ll_vec(elem, p->width), 0);
  int axis = domain_axis(k->c, x->prologue, x->dim);
  Value at = k->st.idx[axis];
  if (p->width > 1 && axis == p->lane_axis)
    at = ll_add(l, ll_splat(l, at, p->width), ll_lanes(l, l->i64, p->width));
  else at = ll_splat(l, at, p->width);
  return convert(k->e, LLVMBuildTrunc(l->b, at, ll_vec(l->i32, p->width), ""), U32, x->dtype);
}

static Value eval_op(Kernel *k, Point *p, const Val *x) {
  Value arg[3] = {NULL};
  const Val *vals = k->c->vals;
  if (x->op >= N_OPS || !map_ops[x->op].emit) {
    emit_error(k->e, "op %d in call %s is not an elementwise op", (int)x->op, k->c->name ? k->c->name : "");
    return ll_real(ll_vec(emit_type(k->e, x->dtype), p->width), 0);
  }
  DType t = x->dtype;                                      // dtype of the arithmetic
  if (map_ops[x->op].compares == 1)
    for (int i = 0; i < x->n_in; i++)
      if (vals[x->in[i]].dtype != F32) t = F64;
  for (int i = 0; i < x->n_in; i++) {
    DType own = vals[x->in[i]].dtype;
    arg[i] = convert(k->e, eval(k, p, x->in[i]), own, map_ops[x->op].compares == 2 ? own : t);
  }
  return convert(k->e, map_ops[x->op].emit(k->e, arg), t, x->dtype);
}

static Value eval_new(Kernel *k, Point *p, int val) {
  const Val *x = &k->c->vals[val];
  Type elem = emit_type(k->e, x->dtype);
  switch (x->kind) {
    case VAL_CONST: return is_real(x->dtype) ? ll_real(ll_vec(elem, p->width), x->f)
                                             : ll_int(ll_vec(elem, p->width), (int64_t)x->f);
    case VAL_INPUT: return convert(k->e, load_input(k, p, x->input), k->c->inputs[x->input].dtype, x->dtype);
    case VAL_IOTA: return eval_iota(k, p, x);
    case VAL_OP: return eval_op(k, p, x);
    case VAL_ANCHOR: break;
  }
  emit_error(k->e, "call %s: value %d is read before the anchor is known", k->c->name ? k->c->name : "", val);
  return ll_real(ll_vec(elem, p->width), 0);
}

static void name_value(Kernel *k, Value v, int val) {
  char text[32];
  const Val *x = &k->c->vals[val];
  size_t n;
  LLVMGetValueName2(v, &n);
  if (n || LLVMIsConstant(v) || !x->node || !LLVMIsAInstruction(v)) return;
  n = (size_t)snprintf(text, sizeof text, "n%u", x->node);
  LLVMSetValueName2(v, text, n);
}

Value eval(Kernel *k, Point *p, int val) {
  if (p->memo[val]) return p->memo[val];
  Value v = k->st.known[val] ? ll_splat(&k->e->l, k->st.known[val], p->width) : eval_new(k, p, val);
  name_value(k, v, val);
  return p->memo[val] = v;
}

void eval_outputs(Kernel *k, Point *p) {
  const Call *c = k->c;
  for (int i = 0; i < c->n_outputs; i++) {
    const Output *o = &c->outputs[i];
    if (c->vals[o->val].prologue && c->vals[o->val].kind != VAL_CONST)
      emit_error(k->e, "call %s: output %d is a value of the operand's domain", c->name ? c->name : "", i);
    else eval(k, p, o->val);                               // all loads before the first store: outputs may stand on inputs
  }
  for (int i = 0; i < c->n_outputs && !k->e->error; i++) {
    const Output *o = &c->outputs[i];
    store_output(k, p, i, convert(k->e, eval(k, p, o->val), c->vals[o->val].dtype, o->dtype));
  }
}

void map_body(Kernel *k, Point *p, void *unused) {
  (void)unused;
  eval_outputs(k, p);
}

void emit_map(Kernel *k) {
  int input = transposed_input(k->e, k->c);
  if (input >= 0) emit_transpose(k, input);
  else nest(k, k->c->n_dims - 1, map_body, NULL);
}
