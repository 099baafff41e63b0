// range.c: the smallest and the largest value that a formula can have, as far as its functions tell: whether a head is a probability, or
// positive. Whole reals unless a row of the table says more.
#include <math.h>
#include "formula.h"

static const Interval reals = {-INFINITY, INFINITY}, unit = {0, 1}, zero = {0, 0};

static Interval hull(Interval a, Interval b) { return (Interval){fmin(a.lo, b.lo), fmax(a.hi, b.hi)}; }
static Interval plus(Interval a, Interval b) { return (Interval){a.lo + b.lo, a.hi + b.hi}; }
static Interval negative(Interval a) { return (Interval){-a.hi, -a.lo}; }
static Interval least(Interval a, Interval b) { return (Interval){fmin(a.lo, b.lo), fmin(a.hi, b.hi)}; }
static Interval most(Interval a, Interval b) { return (Interval){fmax(a.lo, b.lo), fmax(a.hi, b.hi)}; }

static Interval times(Interval a, Interval b) {
  double x[] = {a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi};
  Interval r = {INFINITY, -INFINITY};
  for (int i = 0; i < 4; i++) r = hull(r, isnan(x[i]) ? reals : (Interval){x[i], x[i]});   // 0 · ∞
  return r;
}

// ---------------------------------------------------------------- of a formula; in: of its operands
typedef struct { const Formulas *f; const Formula *x; const Interval *all; } Ranges;
static Interval in(const Ranges *r, int i) { return r->all[r->x->in[i]]; }

static Interval r_unit(const Ranges *r) { (void)r; return unit; }
static Interval r_number(const Ranges *r) { return (Interval){r->x->number, r->x->number}; }
static Interval r_tanh(const Ranges *r) { (void)r; return (Interval){-1, 1}; }
static Interval r_positive(const Ranges *r) { (void)r; return (Interval){0, INFINITY}; }
static Interval r_relu(const Ranges *r) { return most(in(r, 0), zero); }
static Interval r_exp(const Ranges *r) { return (Interval){exp(in(r, 0).lo), exp(in(r, 0).hi)}; }
static Interval r_negative(const Ranges *r) { return negative(in(r, 0)); }
static Interval r_plus(const Ranges *r) { return plus(in(r, 0), in(r, 1)); }
static Interval r_minus(const Ranges *r) { return plus(in(r, 0), negative(in(r, 1))); }
static Interval r_times(const Ranges *r) { return times(in(r, 0), in(r, 1)); }
static Interval r_minimum(const Ranges *r) { return least(in(r, 0), in(r, 1)); }
static Interval r_maximum(const Ranges *r) { return most(in(r, 0), in(r, 1)); }
static Interval r_clip(const Ranges *r) { return least(most(in(r, 0), in(r, 1)), in(r, 2)); }
static Interval r_and(const Ranges *r) { return hull(in(r, 1), zero); }
static Interval r_or(const Ranges *r) { return hull(in(r, 1), (Interval){1, 1}); }
static Interval r_select(const Ranges *r) { return hull(in(r, 1), in(r, 2)); }
static Interval r_same(const Ranges *r) { return in(r, 0); }
static Interval r_extreme(const Ranges *r) { return hull(in(r, 0), zero); }       // of a list without items: 0

static Interval r_abs(const Ranges *r) {
  Interval a = in(r, 0);
  return (Interval){a.lo > 0 ? a.lo : 0, fmax(fabs(a.lo), fabs(a.hi))};
}

static Interval r_power(const Ranges *r) {
  Interval a = in(r, 0), b = in(r, 1), p = a;
  double k = b.lo;
  if (b.lo != b.hi || k < 0 || k > 16 || k != floor(k)) return k < 0 && k == floor(k) ? reals : r_positive(r);
  for (int i = 1; i < (int)k; i++) p = times(p, a);
  return k == 0 ? unit : fmod(k, 2) == 0 ? most(p, zero) : p;
}

static Interval r_parts(const Ranges *r) {
  Interval a = r->x->n_in ? in(r, 0) : reals;
  for (int i = 1; i < r->x->n_in; i++) a = hull(a, in(r, i));
  return a;
}

static Interval r_sum(const Ranges *r) {            // of a list, term by term
  const Formula *list = &r->f->all.data[r->x->in[0]];
  Interval a = zero;
  for (int i = 0; i < list->n_in; i++) a = plus(a, r->all[list->in[i]]);
  return strcmp(list->op, "list") ? reals : a;
}

static Interval r_mix(const Ranges *r) {
  Interval one = times(in(r, 0), in(r, 1));
  double n = r->f->all.data[r->x->in[1]].n_in;
  return (Interval){one.lo * n, one.hi * n};
}

static const struct { const char *op; Interval (*range)(const Ranges *r); } rows[] = {
  {"number", r_number},     {"sigmoid", r_unit},     {"softmax", r_unit},      {"<", r_unit},           {"<=", r_unit},
  {">", r_unit},            {">=", r_unit},          {"==", r_unit},           {"!=", r_unit},          {"not", r_unit},
  {"known", r_unit},        {"mask", r_unit},        {"one_hot", r_unit},      {"tanh", r_tanh},        {"sign", r_tanh},
  {"relu", r_relu},         {"exp", r_exp},          {"sqrt", r_positive},     {"softplus", r_positive}, {"sum_sq", r_positive},
  {"abs", r_abs},           {"negative", r_negative}, {"+", r_plus},           {"-", r_minus},          {"*", r_times},
  {"^", r_power},           {"minimum", r_minimum},  {"maximum", r_maximum},   {"clip", r_clip},        {"and", r_and},
  {"or", r_or},             {"select", r_select},    {"stop_gradient", r_same}, {"slice", r_same},      {"item", r_same},
  {"reshape", r_same},      {"transpose", r_same},   {"expand", r_same},       {"spread", r_same},      {"unfold", r_same},
  {"max", r_extreme},       {"min", r_extreme},      {"concat", r_parts},      {"stack", r_parts},      {"list", r_parts},
  {"sum", r_sum},           {"mix", r_mix},
};

Interval formula_range(Formulas *f, FormulaId id) {        // one pass up: operands lie below their users
  for (int next = f->ranges.n; next <= (int)id; next++) {
    Ranges r = {f, &f->all.data[next], f->ranges.data};
    Interval range = reals;
    for (int i = 0; i < COUNT_OF(rows); i++)
      if (rows[i].op[0] == r.x->op[0] && !strcmp(rows[i].op, r.x->op)) range = rows[i].range(&r);
    vec_push(f->arena, &f->ranges, range);
  }
  return f->ranges.data[id];
}
