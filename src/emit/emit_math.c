// emit_math.c: exp, log, tanh, sigmoid, softplus.
// f32: range reduction and polynomials in fma, no branches, so that every lane gets the same bits at every width;
// right at 0, ±inf, NaN. Coefficients: Cephes (Moshier), single precision. f64: libm, lane by lane.
#include "emit_int.h"
#include <math.h>

typedef struct { Emit *e; LL *l; Type t, i; } Ctx;         // t: f32 lanes, i: i32 lanes
static Ctx ctx_of(Emit *e, Value x) {
  Type t = LLVMTypeOf(x);
  return (Ctx){e, &e->l, t, ll_like(t, e->l.i32)};
}
static Value c_(Ctx *c, double v) { return ll_real(c->t, v); }
static Value n_(Ctx *c, int64_t v) { return ll_int(c->i, v); }
static Value fma_(Ctx *c, Value a, Value b, Value d) { return emit_fma(c->e, a, b, d); }
static Value lt_(Ctx *c, Value a, Value b) { return ll_fcmp(c->l, LLVMRealOLT, a, b); }

static Value horner(Ctx *c, Value x, const double *coef, int n) {       // coef[0]·x^(n−1) + … + coef[n−1]
  Value y = c_(c, coef[0]);
  for (int i = 1; i < n; i++) y = fma_(c, y, x, c_(c, coef[i]));
  return y;
}

static Value abs_(Ctx *c, Value x) { return ll_intrinsic(c->l, "llvm.fabs", &c->t, 1, &x, 1); }

// ---------------------------------------------------------------- f64: one libm call per lane
static bool is_f64(Emit *e, Value x) { return ll_elem(LLVMTypeOf(x)) == e->l.f64; }

static Value libm(Emit *e, const char *name, Value x) {
  LL *l = &e->l;
  Type ft = LLVMFunctionType(l->f64, &l->f64, 1, 0);
  Value f = LLVMGetNamedFunction(l->m, name);
  if (!f) {
    f = LLVMAddFunction(l->m, name, ft);
    function_attributes(e, f);
  }
  Type t = LLVMTypeOf(x);
  if (!ll_is_vec(t)) return LLVMBuildCall2(l->b, ft, f, &x, 1, "");
  Value v = LLVMGetPoison(t);
  for (int i = 0; i < ll_width(t); i++) {
    Value lane = ll_extract(l, x, i);
    v = ll_insert(l, v, LLVMBuildCall2(l->b, ft, f, &lane, 1, ""), i);
  }
  return v;
}

// ---------------------------------------------------------------- exp
// x = n·ln 2 + r, |r| ≤ ln 2 / 2; e^r by a polynomial; 2^n in two factors, so that results run smoothly into inf and 0.
// Adding 1.5·2^23 rounds to an integer, whose bits are then the low ones: defined for NaN too.
static Value exp_f32(Ctx *c, Value x) {
  static const double poly[] = {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1,
                                5.0000001201e-1};
  LL *l = c->l;
  Value hi = c_(c, 89.0), lo = c_(c, -104.0);
  x = ll_select(l, lt_(c, hi, x), hi, x);
  x = ll_select(l, lt_(c, x, lo), lo, x);
  Value magic = c_(c, 12582912.0);
  Value biased = fma_(c, x, c_(c, 1.44269504088896341), magic);
  Value n = ll_fsub(l, biased, magic);
  Value r = fma_(c, n, c_(c, -0.693359375), x);
  r = fma_(c, n, c_(c, 2.12194440e-4), r);
  Value y = fma_(c, horner(c, r, poly, COUNT_OF(poly)), ll_fmul(l, r, r), r);
  y = ll_fadd(l, y, c_(c, 1));
  Value k = ll_sub(l, ll_bits(l, biased, c->i), n_(c, 0x4B400000));
  Value half = LLVMBuildAShr(l->b, k, n_(c, 1), "");
  Value parts[2] = {half, ll_sub(l, k, half)};
  for (int i = 0; i < 2; i++) {
    Value bits = LLVMBuildShl(l->b, ll_add(l, parts[i], n_(c, 127)), n_(c, 23), "");
    y = ll_fmul(l, y, ll_bits(l, bits, c->t));
  }
  return y;
}

Value math_exp(Emit *e, Value x) {
  if (is_f64(e, x)) return libm(e, "exp", x);
  Ctx c = ctx_of(e, x);
  return exp_f32(&c, x);
}

// ---------------------------------------------------------------- log
// log((1 + f)·2^k) for f in [√½ − 1, √2 − 1]; k as a real.
static Value log_core(Ctx *c, Value f, Value k) {
  static const double poly[] = {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                                -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1};
  LL *l = c->l;
  Value z = ll_fmul(l, f, f);
  Value y = ll_fmul(l, ll_fmul(l, horner(c, f, poly, COUNT_OF(poly)), f), z);
  y = fma_(c, k, c_(c, -2.12194440e-4), y);
  y = fma_(c, z, c_(c, -0.5), y);
  return fma_(c, k, c_(c, 0.693359375), ll_fadd(l, f, y));
}

static Value log_f32(Ctx *c, Value x) {
  LL *l = c->l;
  Value zero = c_(c, 0);
  Value tiny = lt_(c, x, c_(c, 1.17549435e-38));
  Value scaled = ll_select(l, tiny, ll_fmul(l, x, c_(c, 8388608.0)), x);
  Value bits = ll_bits(l, scaled, c->i);
  // exponent and mantissa so that the mantissa lies in [√½, √2): subtract the bits of √½ first
  Value off = ll_sub(l, bits, n_(c, 0x3F3504F3));
  Value k = LLVMBuildAShr(l->b, off, n_(c, 23), "");
  Value m = ll_bits(l, ll_sub(l, bits, LLVMBuildShl(l->b, k, n_(c, 23), "")), c->t);
  Value kr = LLVMBuildSIToFP(l->b, k, c->t, "");
  kr = ll_fsub(l, kr, ll_select(l, tiny, c_(c, 23), zero));
  Value y = log_core(c, ll_fsub(l, m, c_(c, 1)), kr);
  y = ll_select(l, ll_fcmp(l, LLVMRealOEQ, x, zero), c_(c, -INFINITY), y);
  y = ll_select(l, ll_fcmp(l, LLVMRealUEQ, x, c_(c, INFINITY)), x, y);         // inf, NaN: themselves
  return ll_select(l, lt_(c, x, zero), c_(c, NAN), y);
}

Value math_log(Emit *e, Value x) {
  if (is_f64(e, x)) return libm(e, "log", x);
  Ctx c = ctx_of(e, x);
  return log_f32(&c, x);
}

// ---------------------------------------------------------------- tanh
// |x| < 0.625: x + x³·P(x²); beyond: 1 − 2 / (e^2|x| + 1), with the sign of x.
static Value tanh_f32(Ctx *c, Value x) {
  static const double poly[] = {-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1};
  LL *l = c->l;
  Value a = abs_(c, x), z = ll_fmul(l, x, x);
  Value small = fma_(c, ll_fmul(l, horner(c, z, poly, COUNT_OF(poly)), z), x, x);
  Value e2 = exp_f32(c, ll_fadd(l, a, a));
  Value large = ll_fsub(l, c_(c, 1), ll_fdiv(l, c_(c, 2), ll_fadd(l, e2, c_(c, 1))));
  large = ll_intrinsic(l, "llvm.copysign", &c->t, 1, (Value[]){large, x}, 2);
  return ll_select(l, lt_(c, a, c_(c, 0.625)), small, large);
}

Value math_tanh(Emit *e, Value x) {
  if (is_f64(e, x)) return libm(e, "tanh", x);
  Ctx c = ctx_of(e, x);
  return tanh_f32(&c, x);
}

// ---------------------------------------------------------------- sigmoid, softplus
static Value exp_of_minus_abs(Emit *e, Value x) {
  Type t = LLVMTypeOf(x);
  return math_exp(e, LLVMBuildFNeg(e->l.b, ll_intrinsic(&e->l, "llvm.fabs", &t, 1, &x, 1), ""));
}

// With z = e^−|x|: 1 / (1 + z) for x ≥ 0, z / (1 + z) below: no overflow, and full precision in the lower tail.
Value math_sigmoid(Emit *e, Value x) {
  LL *l = &e->l;
  Type t = LLVMTypeOf(x);
  Value one = ll_real(t, 1), z = exp_of_minus_abs(e, x);
  Value top = ll_select(l, ll_fcmp(l, LLVMRealOLT, x, ll_real(t, 0)), z, one);
  return ll_fdiv(l, top, ll_fadd(l, one, z));
}

// log(1 + z) for z in [0, 1]. f32: 1 + f is z's own sum below √2, and (1 + z) / 2 above, both without rounding.
// f64: log(u)·z / (u − 1) with u = 1 + z rounded (Kahan).
static Value log1p_unit(Emit *e, Value z) {
  LL *l = &e->l;
  Type t = LLVMTypeOf(z);
  Value one = ll_real(t, 1);
  if (is_f64(e, z)) {
    Value u = ll_fadd(l, one, z), d = ll_fsub(l, u, one);
    Value y = ll_fdiv(l, ll_fmul(l, libm(e, "log", u), z), d);
    return ll_select(l, ll_fcmp(l, LLVMRealOEQ, d, ll_real(t, 0)), z, y);
  }
  Ctx c = ctx_of(e, z);
  Value below = lt_(&c, z, c_(&c, 0.41421356));
  Value f = ll_select(l, below, z, ll_fmul(l, ll_fsub(l, z, one), c_(&c, 0.5)));
  return log_core(&c, f, ll_select(l, below, c_(&c, 0), one));
}

Value math_softplus(Emit *e, Value x) {                    // max(x, 0) + log(1 + e^−|x|); NaN stays NaN through the sum
  LL *l = &e->l;
  Value zero = ll_real(LLVMTypeOf(x), 0);
  Value top = ll_select(l, ll_fcmp(l, LLVMRealOGT, x, zero), x, zero);
  return ll_fadd(l, top, log1p_unit(e, exp_of_minus_abs(e, x)));
}
