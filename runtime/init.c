// init.c: initial values of slots. Each element is a function of hash(path), seed and its index alone, so that a layer added
// to a spec changes no other layer's start.
#include <math.h>
#include "train.h"

static uint64_t mix(uint64_t x) {                            // finaliser of splitmix64 (Steele, Lea, Flood 2014)
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

static double uniform01(uint64_t key, uint64_t i) {          // (0, 1), 53 bits
  return ((double)(mix(key + (i + 1) * 0x9e3779b97f4a7c15u) >> 11) + 0.5) * 0x1p-53;
}

static double normal01(uint64_t key, uint64_t i) {           // Box–Muller
  return sqrt(-2 * log(uniform01(key, 2 * i))) * cos(2 * M_PI * uniform01(key, 2 * i + 1));
}

static double element(const Init *f, double fan_in, double fan_out, uint64_t key, uint64_t i) {
  double glorot = 2 / (fan_in + fan_out), he = 2 / fan_in;   // variances (Glorot, Bengio 2010; He et al. 2015)
  switch (f->kind) {
  case INIT_ZEROS: return 0;
  case INIT_ONES: return 1;
  case INIT_CONSTANT: return f->a;
  case INIT_GLOROT_UNIFORM: return (2 * uniform01(key, i) - 1) * sqrt(3 * glorot);
  case INIT_GLOROT_NORMAL: return normal01(key, i) * sqrt(glorot);
  case INIT_HE_UNIFORM: return (2 * uniform01(key, i) - 1) * sqrt(3 * he);
  case INIT_HE_NORMAL: return normal01(key, i) * sqrt(he);
  case INIT_UNIFORM: return f->a + (f->b - f->a) * uniform01(key, i);
  case INIT_NORMAL: return f->a + f->b * normal01(key, i);
  }
  BUG("initialiser %d", f->kind);
}

static void init_slot(Engine *e, const PlanSlot *s, uint64_t seed) {
  const Buffer *b = &e->plan->buffers[s->buffer];
  uint64_t key = hash_bytes(s->path, strlen(s->path), seed);
  double fan_out = s->rank ? (double)s->shape[s->rank - 1] : 1, fan_in = s->rank >= 2 ? (double)s->shape[s->rank - 2] : fan_out;
  for (int64_t r = 0; r < b->rows_a; r++)
    for (int64_t c = 0; c < b->cols; c++) {
      double v = element(&s->init, fan_in, fan_out, key, (uint64_t)(r * b->cols + c));
      if (b->dtype == F64) ((double *)e->buf[s->buffer])[r * b->ld + c] = v;
      else ((float *)e->buf[s->buffer])[r * b->ld + c] = (float)v;
    }
}

void engine_init(Engine *e, uint64_t seed) {
  for (int i = 0; i < e->plan->n_slots; i++) init_slot(e, &e->plan->slots[i], seed);
  e->step = 0;
}
