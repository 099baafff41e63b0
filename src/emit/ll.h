// ll.h: the LLVM C API under short names. A thin layer: one call each, types and insertion point in `LL`.
// Vectors and scalars share every arithmetic helper; indices of addresses are i64, in elements.
#ifndef MTLC_EMIT_LL_H
#define MTLC_EMIT_LL_H
#include <llvm-c/Core.h>
#include "../base/base.h"

typedef LLVMValueRef Value;
typedef LLVMTypeRef Type;
typedef LLVMBasicBlockRef Block;
typedef struct {
  LLVMContextRef cx; LLVMModuleRef m; LLVMBuilderRef b;
  Type i1, i32, i64, f32, f64, ptr, none;
  Value fn;                                 // function under construction
} LL;

// ---- constants and types
static inline Value ll_i64(LL *l, int64_t v) { return LLVMConstInt(l->i64, (unsigned long long)v, 1); }
static inline Value ll_i32(LL *l, int64_t v) { return LLVMConstInt(l->i32, (unsigned long long)v, 1); }
static inline Type ll_vec(Type t, int width) { return width == 1 ? t : LLVMVectorType(t, (unsigned)width); }
static inline bool ll_is_vec(Type t) { return LLVMGetTypeKind(t) == LLVMVectorTypeKind; }
static inline int ll_width(Type t) { return ll_is_vec(t) ? (int)LLVMGetVectorSize(t) : 1; }
static inline Type ll_elem(Type t) { return ll_is_vec(t) ? LLVMGetElementType(t) : t; }
static inline Type ll_like(Type shape, Type elem) { return ll_vec(elem, ll_width(shape)); }   // elem, as wide as shape
Value ll_const_all(Type t, Value scalar);                     // a constant in every lane of t
static inline Value ll_real(Type t, double v) { return ll_const_all(t, LLVMConstReal(ll_elem(t), v)); }
static inline Value ll_int(Type t, int64_t v) {
  return ll_const_all(t, LLVMConstInt(ll_elem(t), (unsigned long long)v, 1));
}
Value ll_lanes(LL *l, Type elem, int width);                  // <0, 1, … width−1> of an integer or real type

// ---- integers
static inline bool ll_is_const(Value v, int64_t k) { return LLVMIsAConstantInt(v) && LLVMConstIntGetSExtValue(v) == k; }
static inline Value ll_add(LL *l, Value a, Value b) { return ll_is_const(b, 0) ? a : LLVMBuildAdd(l->b, a, b, ""); }
static inline Value ll_sub(LL *l, Value a, Value b) { return LLVMBuildSub(l->b, a, b, ""); }
static inline Value ll_mul(LL *l, Value a, Value b) { return ll_is_const(b, 1) ? a : LLVMBuildMul(l->b, a, b, ""); }
static inline Value ll_and(LL *l, Value a, Value b) { return LLVMBuildAnd(l->b, a, b, ""); }
static inline Value ll_or(LL *l, Value a, Value b) { return LLVMBuildOr(l->b, a, b, ""); }
static inline Value ll_icmp(LL *l, LLVMIntPredicate p, Value a, Value b) { return LLVMBuildICmp(l->b, p, a, b, ""); }
static inline Value ll_select(LL *l, Value c, Value a, Value b) { return LLVMBuildSelect(l->b, c, a, b, ""); }
static inline Value ll_min(LL *l, Value a, Value b) { return ll_select(l, ll_icmp(l, LLVMIntSLT, a, b), a, b); }
static inline Value ll_max(LL *l, Value a, Value b) { return ll_select(l, ll_icmp(l, LLVMIntSGT, a, b), a, b); }

// ---- reals
static inline Value ll_fadd(LL *l, Value a, Value b) { return LLVMBuildFAdd(l->b, a, b, ""); }
static inline Value ll_fsub(LL *l, Value a, Value b) { return LLVMBuildFSub(l->b, a, b, ""); }
static inline Value ll_fmul(LL *l, Value a, Value b) { return LLVMBuildFMul(l->b, a, b, ""); }
static inline Value ll_fdiv(LL *l, Value a, Value b) { return LLVMBuildFDiv(l->b, a, b, ""); }
static inline Value ll_fcmp(LL *l, LLVMRealPredicate p, Value a, Value b) { return LLVMBuildFCmp(l->b, p, a, b, ""); }
static inline Value ll_bits(LL *l, Value v, Type t) { return LLVMBuildBitCast(l->b, v, t, ""); }

// ---- vectors
Value ll_splat(LL *l, Value scalar, int width);
static inline Value ll_extract(LL *l, Value v, int lane) { return LLVMBuildExtractElement(l->b, v, ll_i32(l, lane), ""); }
static inline Value ll_insert(LL *l, Value v, Value x, int lane) {
  return LLVMBuildInsertElement(l->b, v, x, ll_i32(l, lane), "");
}
Value ll_half(LL *l, Value v, int from, int width);           // lanes from … from + width − 1; width 1: a scalar

// ---- memory
static inline Value ll_at(LL *l, Type elem, Value p, Value index) {     // &p[index]
  return ll_is_const(index, 0) ? p : LLVMBuildGEP2(l->b, elem, p, &index, 1, "");
}
Value ll_load(LL *l, Type t, Value p, unsigned align, const char *name);
void  ll_store(LL *l, Value v, Value p, unsigned align);
Value ll_intrinsic(LL *l, const char *name, Type *overload, int n_overload, Value *args, int n_args);
Value ll_masked_load(LL *l, Type t, Value p, unsigned align, Value mask);           // 0 in lanes that are off
void  ll_masked_store(LL *l, Value v, Value p, unsigned align, Value mask);
Value ll_masked_gather(LL *l, Type t, Value ptrs, unsigned align, Value mask);
void  ll_masked_scatter(LL *l, Value v, Value ptrs, unsigned align, Value mask);

typedef enum { TO_L2 = 2, TO_L1 = 3 } Nearness;             // of LLVM's llvm.prefetch
void  ll_prefetch(LL *l, Value p, Nearness how);             // to be read soon; any address will do

// ---- control
static inline Block ll_block(LL *l, const char *name) { return LLVMAppendBasicBlockInContext(l->cx, l->fn, name); }
static inline Block ll_here(LL *l) { return LLVMGetInsertBlock(l->b); }
static inline void ll_go(LL *l, Block b) { LLVMPositionBuilderAtEnd(l->b, b); }
static inline void ll_br(LL *l, Block to) { LLVMBuildBr(l->b, to); }
static inline void ll_if(LL *l, Value c, Block yes, Block no) { LLVMBuildCondBr(l->b, c, yes, no); }
static inline Value ll_phi(LL *l, Type t, const char *name) { return LLVMBuildPhi(l->b, t, name); }
static inline void ll_from(Value phi, Value v, Block from) { LLVMAddIncoming(phi, &v, &from, 1); }
#endif
