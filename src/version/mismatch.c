// mismatch.c: two computations are walked down from a pair of formulas as long as function, options and number of operands agree; where
// they do not, the pair is noted. Merkle hashes tell which operands need not be looked at.
#include "diff.h"

struct Walk {
  Arena *arena;
  const Canon *before, *after;
  VEC(Mismatch) found;
  uint64_t *seen; int slots, n;                             // pairs, open addressing
};

Walk *walk_new(Arena *a, const Canon *before, const Canon *after) {
  Walk *w = NEW(a, Walk);
  *w = (Walk){.arena = a, .before = before, .after = after};
  return w;
}

const Mismatch *walk_found(const Walk *w, int *n) {
  *n = w->found.n;
  return w->found.data;
}

static void put(uint64_t *table, int slots, uint64_t pair) {
  uint64_t i = mix64(pair) & (uint64_t)(slots - 1);
  while (table[i]) i = (i + 1) & (uint64_t)(slots - 1);
  table[i] = pair;
}

static bool met(Walk *w, uint64_t pair) {
  for (uint64_t i = mix64(pair); w->slots; i++) {
    uint64_t at = w->seen[i & (uint64_t)(w->slots - 1)];
    if (at == pair) return true;
    if (!at) break;
  }
  if (2 * (w->n + 1) > w->slots) {
    int slots = w->slots ? 2 * w->slots : 256;
    uint64_t *table = NEW_ARRAY(w->arena, uint64_t, slots);
    for (int i = 0; i < w->slots; i++)
      if (w->seen[i]) put(table, slots, w->seen[i]);
    w->seen = table, w->slots = slots;
  }
  put(w->seen, w->slots, pair);
  w->n++;
  return false;
}

static bool is(const Formula *f, const char *op) { return !strcmp(f->op, op); }

static bool same(const Walk *w, FormulaId x, FormulaId y) {
  return !strcmp(structure_of(w->before->structure, x), structure_of(w->after->structure, y));
}

static MismatchKind kind_of(const Formula *x, const Formula *y) {
  if (is(x, "number") && is(y, "number")) return MISMATCH_CONSTANT;
  if (x->map && y->map) return MISMATCH_ACTIVATION;
  bool inputs = is(x, "input") || is(y, "input") || is(x, "concat") || is(y, "concat");
  return inputs ? MISMATCH_INPUT : MISMATCH_OTHER;
}

// Recursion is over the depth of the formulas: a list of pairs to look at stands in for it.
void walk_pair(Walk *w, FormulaId before, FormulaId after) {
  VEC(Mismatch) pending = {0};
  vec_push(w->arena, &pending, ((Mismatch){0, before, after}));
  while (pending.n) {
    Mismatch m = pending.data[--pending.n];
    const Formula *x = canon_formula(w->before, m.before), *y = canon_formula(w->after, m.after);
    if (same(w, m.before, m.after) || met(w, (uint64_t)m.before << 32 | m.after)) continue;
    bool alike = is(x, y->op) && !strcmp(x->how, y->how) && x->n_in == y->n_in, below = false;
    for (int i = 0; alike && i < x->n_in; i++) {
      if (same(w, x->in[i], y->in[i])) continue;
      below = true;
      vec_push(w->arena, &pending, ((Mismatch){0, x->in[i], y->in[i]}));
    }
    m.kind = kind_of(x, y);
    if (!below) vec_push(w->arena, &w->found, m);
  }
}
