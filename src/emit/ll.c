// ll.c: the wrappers of ll.h that need more than one call.
#include "ll.h"

Value ll_const_all(Type t, Value scalar) {
  if (!ll_is_vec(t)) return scalar;
  Value lane[64];
  int w = ll_width(t);
  for (int i = 0; i < w; i++) lane[i] = scalar;
  return LLVMConstVector(lane, (unsigned)w);
}

Value ll_lanes(LL *l, Type elem, int width) {
  Value lane[64];
  bool is_int = LLVMGetTypeKind(elem) == LLVMIntegerTypeKind;
  for (int i = 0; i < width; i++)
    lane[i] = is_int ? LLVMConstInt(elem, (unsigned long long)i, 0) : LLVMConstReal(elem, i);
  (void)l;
  return width == 1 ? lane[0] : LLVMConstVector(lane, (unsigned)width);
}

Value ll_splat(LL *l, Value scalar, int width) {
  if (width == 1) return scalar;
  Type t = ll_vec(LLVMTypeOf(scalar), width);
  if (LLVMIsConstant(scalar)) return ll_const_all(t, scalar);
  Value one = LLVMBuildInsertElement(l->b, LLVMGetPoison(t), scalar, ll_i32(l, 0), "");
  return LLVMBuildShuffleVector(l->b, one, LLVMGetPoison(t), LLVMConstNull(ll_vec(l->i32, width)), "");
}

Value ll_half(LL *l, Value v, int from, int width) {
  if (width == 1) return ll_extract(l, v, from);
  Value lane[64];
  for (int i = 0; i < width; i++) lane[i] = ll_i32(l, from + i);
  return LLVMBuildShuffleVector(l->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(lane, (unsigned)width), "");
}

Value ll_load(LL *l, Type t, Value p, unsigned align, const char *name) {
  Value v = LLVMBuildLoad2(l->b, t, p, name);
  LLVMSetAlignment(v, align);
  return v;
}

void ll_store(LL *l, Value v, Value p, unsigned align) { LLVMSetAlignment(LLVMBuildStore(l->b, v, p), align); }

Value ll_intrinsic(LL *l, const char *name, Type *overload, int n_overload, Value *args, int n_args) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  CHECK(id != 0);
  Value f = LLVMGetIntrinsicDeclaration(l->m, id, overload, (size_t)n_overload);
  return LLVMBuildCall2(l->b, LLVMGlobalGetValueType(f), f, args, (unsigned)n_args, "");
}

Value ll_masked_load(LL *l, Type t, Value p, unsigned align, Value mask) {
  return ll_intrinsic(l, "llvm.masked.load", (Type[]){t, l->ptr}, 2,
                      (Value[]){p, ll_i32(l, align), mask, LLVMConstNull(t)}, 4);
}

void ll_masked_store(LL *l, Value v, Value p, unsigned align, Value mask) {
  ll_intrinsic(l, "llvm.masked.store", (Type[]){LLVMTypeOf(v), l->ptr}, 2, (Value[]){v, p, ll_i32(l, align), mask}, 4);
}

Value ll_masked_gather(LL *l, Type t, Value ptrs, unsigned align, Value mask) {
  return ll_intrinsic(l, "llvm.masked.gather", (Type[]){t, LLVMTypeOf(ptrs)}, 2,
                      (Value[]){ptrs, ll_i32(l, align), mask, LLVMConstNull(t)}, 4);
}

void ll_masked_scatter(LL *l, Value v, Value ptrs, unsigned align, Value mask) {
  ll_intrinsic(l, "llvm.masked.scatter", (Type[]){LLVMTypeOf(v), LLVMTypeOf(ptrs)}, 2,
               (Value[]){v, ptrs, ll_i32(l, align), mask}, 4);
}

void ll_prefetch(LL *l, Value p, Nearness how) {
  enum { READ = 0, DATA = 1 };
  ll_intrinsic(l, "llvm.prefetch", &l->ptr, 1, (Value[]){p, ll_i32(l, READ), ll_i32(l, how), ll_i32(l, DATA)}, 4);
}
