// mismatch.c: two computations are walked down from a pair of nodes as long as op, attributes and number of operands agree; where
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

static bool same(const Walk *w, NodeId x, NodeId y) {
  return !strcmp(structure_of(w->before->structure, x), structure_of(w->after->structure, y));
}

static bool is_input(const Node *n) { return n->op == OP_DENSE || n->op == OP_IDS || n->op == OP_CONCAT; }

// What the attributes stand for may have another index in the other model: of these, the shape and the operands say enough.
static bool by_name(const Node *n) {
  return n->op == OP_RESHAPE || n->op == OP_BROADCAST || n->op == OP_IOTA || n->op == OP_SPREAD || n->op == OP_LABEL || n->op == OP_KNOWN ||
         n->op == OP_READ || n->op == OP_RT_REAL || n->op == OP_DENSE || n->op == OP_IDS;
}

static MismatchKind kind_of(const Node *x, const Node *y) {
  if (x->op != y->op && op_rows[x->op].kind == KIND_MAP && op_rows[y->op].kind == KIND_MAP) return MISMATCH_ACTIVATION;
  if (x->op == OP_CONST && y->op == OP_CONST) return MISMATCH_CONSTANT;
  if (is_input(x) || is_input(y)) return MISMATCH_INPUT;
  if (x->op == OP_READ && y->op == OP_READ) return MISMATCH_SHAPE;
  return x->op == y->op && by_name(x) ? MISMATCH_SHAPE : MISMATCH_OTHER;
}

// Recursion is over the graph's depth: a list of pairs to look at stands in for it.
void walk_pair(Walk *w, NodeId before, NodeId after) {
  VEC(Mismatch) todo = {0};
  vec_push(w->arena, &todo, ((Mismatch){0, before, after}));
  while (todo.n) {
    Mismatch m = todo.data[--todo.n];
    const Node *x = node(w->before->g, m.before), *y = node(w->after->g, m.after);
    if (same(w, m.before, m.after) || met(w, (uint64_t)m.before << 32 | m.after)) continue;
    bool alike = x->op == y->op && x->n_in == y->n_in && (by_name(x) || !memcmp(&x->attr, &y->attr, sizeof x->attr)), below = false;
    for (int i = 0; alike && i < x->n_in; i++) {
      NodeId p = node_in(w->before->g, m.before, i), q = node_in(w->after->g, m.after, i);
      if (same(w, p, q)) continue;
      below = true;
      vec_push(w->arena, &todo, ((Mismatch){0, p, q}));
    }
    m.kind = kind_of(x, y);
    if (!below) vec_push(w->arena, &w->found, m);
  }
}
