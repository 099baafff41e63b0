// random.c: random numbers of the step, as built-in functions. One number for each row and element, drawn by a counter-based
// generator (runtime/plan.h) that is keyed by the seed, the step and the site: the names that lead to the call.
#include "builtin_int.h"

// The names around the call, and a number where one site draws several times. (Paths of parameters are not claimed: a layer
// without parameters has none.)
static uint64_t site_of(BuiltinCall *c) {
  Text t = {0};
  for (const Frame *f = c->env->frame; f && f->name; f = f->up) text_printf(&t, "%s/", f->name);
  text_add(&t, c->f->name);
  uint64_t base = hash_bytes(t.data, t.n, 0), site = base;
  text_free(&t);
  const Graph *g = c->b->g;
  for (int i = 0, again = 0; i < g->sites.n; i++)
    if (g->sites.data[i] == site) {
      site = mix64(base + (uint64_t)++again);
      i = -1;
    }
  return site;
}

static NodeId draw(BuiltinCall *c) {
  enum { MOST = 1 << 24 };
  const Value *shape = c->arg[0];
  AxisId axis[MAX_RANK];
  double elements = 1;
  int rank = shape->kind == V_LIST ? shape->n : 1;
  if (rank >= MAX_RANK) {
    build_error(c->b, c->env, "bad-value", c->at, "a tensor has at most %d axes", MAX_RANK);
    return 0;
  }
  for (int i = 0; i < rank; i++)
    if (!size_axis(c, shape->kind == V_LIST ? shape->items[i] : shape, &axis[i], &elements)) return 0;
  if (elements > MOST) {
    build_error(c->b, c->env, "too-large", c->at, "`%s` draws at most 2^24 numbers a row", c->f->name);
    return 0;
  }
  uint64_t site = site_of(c);
  fn_how(c, "shape [%s] site %016llx", fn_axes_text(c, rank, axis), (unsigned long long)site);
  return g_random(c->b->g, site, rank, axis);
}

Value *fn_random_uniform(BuiltinCall *c) {
  int before = fn_begin(c);
  return fn_result(c, draw(c), before);
}

// A polynomial in x, highest power first.
static NodeId polynomial(Graph *g, NodeId x, const double *k, int n) {
  NodeId p = g_const(g, k[0]);
  for (int i = 1; i < n; i++) p = g_map3(g, OP_FMA, p, x, g_const(g, k[i]));
  return p;
}

// √2·erfinv(2u − 1) by Giles, Approximating the erfinv function (GPU Computing Gems, 2011), single precision: relative error
// below 4e-7. u, a multiple of 2^-24, is taken at the middle of its step, so that the ends are never met: |result| < 5.6.
Value *fn_random_normal(BuiltinCall *c) {
  static const double near[] = {2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
                                -0.00125372503, -0.00417768164, 0.246640727, 1.50140941};
  static const double far[] = {-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
                               -0.0076224613, 0.00943887047, 1.00167406, 2.83297682};
  Graph *g = c->b->g;
  int before = fn_begin(c);
  NodeId u = draw(c), one = g_const(g, 1);
  if (!u) return fn_result(c, 0, before);
  NodeId x = g_map3(g, OP_FMA, u, g_const(g, 2), g_const(g, 0x1p-24 - 1)), left = g_map2(g, OP_SUB, one, x);
  NodeId w = g_map1(g, OP_NEG, g_map1(g, OP_LOG, g_map2(g, OP_MUL, left, g_map2(g, OP_ADD, one, x))));
  NodeId middle = polynomial(g, g_map2(g, OP_SUB, w, g_const(g, 2.5)), near, COUNT_OF(near));
  NodeId tail = polynomial(g, g_map2(g, OP_SUB, g_map1(g, OP_SQRT, w), g_const(g, 3)), far, COUNT_OF(far));
  NodeId p = g_select(g, g_map2(g, OP_LT, w, g_const(g, 5)), middle, tail);
  return fn_result(c, g_map2(g, OP_MUL, g_map2(g, OP_MUL, p, x), g_const(g, 1.4142135623730951)), before);
}
