// init.c: initial values of slots. An element is a function of hash(path), seed and its own index alone (a counter-based
// generator), so that a layer added to a spec changes no other layer's start.
#include <math.h>
#include "train_int.h"

static double uniform01(uint64_t key, uint64_t i) {          // (0, 1), 53 bits
  return ((double)(mix64(key + (i + 1) * 0x9e3779b97f4a7c15u) >> 11) + 0.5) * 0x1p-53;
}

// A pair of independent N(0, 1) (Box, Muller 1958) of two uniforms: elements 2k and 2k + 1.
static void normal_pair(uint64_t key, uint64_t k, double out[2]) {
  double radius = sqrt(-2 * log(uniform01(key, 2 * k))), angle = 2 * M_PI * uniform01(key, 2 * k + 1);
  out[0] = radius * cos(angle);
  out[1] = radius * sin(angle);
}

// What an initialiser is on given fans: shift + scale · (nothing, a uniform on (0, 1), a normal).
typedef enum { DRAW_NONE, DRAW_UNIFORM, DRAW_NORMAL } Draw;
typedef struct { Draw draw; double shift, scale; } Recipe;

static Recipe symmetric(double half_width) { return (Recipe){ DRAW_UNIFORM, -half_width, 2 * half_width }; }

static Recipe recipe(const Init *f, double fan_in, double fan_out) {
  double glorot = 2 / (fan_in + fan_out), he = 2 / fan_in;   // variances (Glorot, Bengio 2010; He et al. 2015)
  switch (f->kind) {
  case INIT_ZEROS:          return (Recipe){ DRAW_NONE, 0, 0 };
  case INIT_ONES:           return (Recipe){ DRAW_NONE, 1, 0 };
  case INIT_CONSTANT:       return (Recipe){ DRAW_NONE, f->a, 0 };
  case INIT_GLOROT_UNIFORM: return symmetric(sqrt(3 * glorot));
  case INIT_GLOROT_NORMAL:  return (Recipe){ DRAW_NORMAL, 0, sqrt(glorot) };
  case INIT_HE_UNIFORM:     return symmetric(sqrt(3 * he));
  case INIT_HE_NORMAL:      return (Recipe){ DRAW_NORMAL, 0, sqrt(he) };
  case INIT_UNIFORM:        return (Recipe){ DRAW_UNIFORM, f->a, f->b - f->a };
  case INIT_NORMAL:         return (Recipe){ DRAW_NORMAL, f->a, f->b };
  case INIT_DIAGONAL:       return (Recipe){ DRAW_NONE, f->b, 0 };   // off the diagonal
  }
  BUG("initialiser %d", f->kind);
}

typedef struct { Recipe recipe; uint64_t key, pair; double normal[2]; } Stream;   // pair: of `normal`, plus 1; 0: none yet

static double element(Stream *s, uint64_t i) {               // i ascending: each normal pair is computed once
  const Recipe *r = &s->recipe;
  if (r->draw == DRAW_NONE) return r->shift;
  if (r->draw == DRAW_UNIFORM) return r->shift + r->scale * uniform01(s->key, i);
  if (s->pair != i / 2 + 1) {
    s->pair = i / 2 + 1;
    normal_pair(s->key, i / 2, s->normal);
  }
  return r->shift + r->scale * s->normal[i & 1];
}

// Fans are the last two axes' sizes; of a vector both are its size, of a scalar 1.
static Stream stream_of(const PlanSlot *s, uint64_t seed) {
  double fan_out = s->rank ? (double)s->shape[s->rank - 1] : 1, fan_in = s->rank >= 2 ? (double)s->shape[s->rank - 2] : fan_out;
  return (Stream){ .recipe = recipe(&s->init, fan_in, fan_out), .key = hash_bytes(s->path, strlen(s->path), seed) };
}

static void init_rows(const Engine *e, const PlanSlot *s, uint64_t seed, int64_t lo, int64_t hi) {
  const Buffer *b = &e->plan->buffers[s->buffer];
  void *to = e->buf[s->buffer];
  Stream stream = stream_of(s, seed);
  for (int64_t r = lo; r < hi; r++)
    for (int64_t c = 0; c < b->cols; c++) {
      double v = element(&stream, (uint64_t)(r * b->cols + c));
      if (s->init.kind == INIT_DIAGONAL && (s->rank < 2 ? c : r % s->shape[s->rank - 2]) == c) v = s->init.a;
      if (b->dtype == F64) ((double *)to)[r * b->ld + c] = v;
      else ((float *)to)[r * b->ld + c] = (float)v;
    }
}

// ---------------------------------------------------------------- all slots, in pieces that threads share
typedef struct { const PlanSlot *slot; int64_t lo, hi; } Piece;
typedef struct { const Engine *e; uint64_t seed; VEC(Piece) pieces; } Work;

static bool is_zero(const PlanSlot *s) {
  Recipe r = stream_of(s, 0).recipe;
  return r.draw == DRAW_NONE && r.shift == 0 && s->init.kind != INIT_DIAGONAL;
}

static void add_pieces(Work *w, const PlanSlot *s, Arena *a) {
  enum { ELEMENTS = 1 << 16 };
  const Buffer *b = &w->e->plan->buffers[s->buffer];
  int64_t rows = ELEMENTS / b->cols + 1;
  CHECK(b->dtype == F32 || b->dtype == F64);
  if (is_zero(s)) {
    slots_zero(&w->e->home, &w->e->slots, s);
    return;
  }
  for (int64_t lo = 0; lo < b->rows_a; lo += rows) vec_push(a, &w->pieces, ((Piece){ s, lo, lo + rows < b->rows_a ? lo + rows : b->rows_a }));
}

static void do_piece(void *ctx, int64_t unit, int worker) {
  const Work *w = ctx;
  const Piece *p = &w->pieces.data[unit];
  (void)worker;
  init_rows(w->e, p->slot, w->seed, p->lo, p->hi);
}

void engine_init(Engine *e, uint64_t seed) {
  enum { WORTH = 16 };                                       // pieces, about 20 ms
  Arena *a = arena_new();
  Work w = { .e = e, .seed = seed };
  for (int i = 0; i < e->plan->n_slots; i++) add_pieces(&w, &e->plan->slots[i], a);
  Pool *pool = e->threads > 1 && w.pieces.n >= WORTH ? pool_new(e->threads) : NULL;
  if (pool) pool_run(pool, do_piece, &w, w.pieces.n, POOL_STRETCHES);
  for (int i = 0; !pool && i < w.pieces.n; i++) do_piece(&w, i, 0);
  pool_free(pool);
  arena_free(a);
  e->step = 0;
  e->seed = seed;
}
