// emit_dot.c: anchor[m, n] = Σ_k left[m, k] · right[k, n], then the program on the tile.
// A tile is mr rows × nv vectors of accumulators in registers; loops over k, rows and columns are real loops.
// Each element is one fma chain with k ascending; where k runs over rows, one chain a block, blocks by tree_sum.
// Four tiles at most: full; one row; narrow columns (one vector, masked, or one lane); both.
// A light program is applied to the accumulators, row by row and vector by vector; a heavier one would multiply the
// code: it runs in a loop over the tile put into memory.
#include "emit_int.h"

enum { LIGHT_COST = 8 };

typedef struct {
  Kernel *k;
  int mr, nv, width;                        // rows, vectors, lanes of a vector
  Value mask, row, col;                     // first row and column of the tile
  Value left, right;                        // &left[row, 0], &right[0, col]
} Tile;

static Type acc_elem(Kernel *k) { return emit_type(k->e, k->c->vals[k->c->anchor].dtype); }
static Type acc_type(Tile *t) { return ll_vec(acc_elem(t->k), t->width); }

// ---------------------------------------------------------------- accumulate
static Value load_right(Tile *t, Value p, int v) {
  Kernel *k = t->k;
  LL *l = &k->e->l;
  DType dt = k->c->right.dtype;
  Type elem = emit_type(k->e, dt), vec = ll_vec(elem, t->width);
  Value at = ll_at(l, elem, p, ll_i64(l, v * t->width));
  Value x = t->mask ? ll_masked_load(l, vec, at, dtype_bytes(dt), t->mask) : ll_load(l, vec, at, dtype_bytes(dt), "");
  return convert(k->e, x, dt, k->c->vals[k->c->anchor].dtype);
}

static Value load_left(Tile *t, Value p, int r) {
  Kernel *k = t->k;
  LL *l = &k->e->l;
  DType dt = k->c->left.dtype;
  Type elem = emit_type(k->e, dt);
  Value x = ll_load(l, elem, ll_at(l, elem, p, ll_mul(l, ll_i64(l, r), k->left_mn)), dtype_bytes(dt), "");
  return ll_splat(l, convert(k->e, x, dt, k->c->vals[k->c->anchor].dtype), t->width);
}

static void chain(Kernel *k, Value from, Value to, Value *acc, void *ctx) {
  Tile *t = ctx;
  Emit *e = k->e;
  LL *l = &e->l;
  int n = t->mr * t->nv;
  Value next[MAX_TILE], right[MAX_TILE];
  for (int i = 0; i < n; i++) acc[i] = ll_real(acc_type(t), 0);
  Loop lp;
  loop_begin(e, &lp, from, to, 1, "k", n, acc);
  Value rp = ll_at(l, emit_type(e, k->c->right.dtype), t->right, ll_mul(l, lp.i, k->right_k));
  Value lp_at = ll_at(l, emit_type(e, k->c->left.dtype), t->left, ll_mul(l, lp.i, k->left_k));
  for (int v = 0; v < t->nv; v++) right[v] = load_right(t, rp, v);
  for (int r = 0; r < t->mr; r++) {
    Value left = load_left(t, lp_at, r);
    for (int v = 0; v < t->nv; v++) next[r * t->nv + v] = emit_fma(e, left, right[v], lp.carried[r * t->nv + v]);
  }
  loop_end(e, &lp, next);
  memcpy(acc, lp.carried, sizeof(Value) * (size_t)n);
}

// ---------------------------------------------------------------- the program on the tile
// Values that vary along columns only (a bias), one vector for all rows of the tile.
static Value *column_values(Tile *t) {
  Kernel *k = t->k;
  Point p = point_new(k, t->width, 1, t->mask);
  for (int v = 0; v < k->c->n_vals; v++)
    if (k->deps[v] == 1u << 1) eval(k, &p, v);
  return p.memo;
}

static void finish_row(Tile *t, Value row, Value acc, const Value *columns) {
  Kernel *k = t->k;
  State back = kernel_enter(k, 0, row);
  kernel_resolve(k, t->width > 1 ? 1 : -1);
  kernel_hoist(k, t->width > 1 ? 1 : -1);
  Point p = point_new(k, t->width, 1, t->mask);
  if (columns) memcpy(p.memo, columns, sizeof(Value) * (size_t)k->c->n_vals);
  p.memo[k->c->anchor] = acc;
  eval_outputs(k, &p);
  kernel_leave(k, back);
}

static void finish_in_registers(Tile *t, Value *acc) {
  Kernel *k = t->k;
  LL *l = &k->e->l;
  for (int v = 0; v < t->nv; v++) {
    State back = kernel_enter(k, 1, ll_add(l, t->col, ll_i64(l, v * t->width)));
    Value *columns = column_values(t);
    for (int r = 0; r < t->mr; r++) finish_row(t, ll_add(l, t->row, ll_i64(l, r)), acc[r * t->nv + v], columns);
    kernel_leave(k, back);
  }
}

static void finish_in_memory(Tile *t, Value *acc) {
  Kernel *k = t->k;
  Emit *e = k->e;
  LL *l = &e->l;
  Type vec = acc_type(t);
  unsigned align = dtype_bytes(k->c->vals[k->c->anchor].dtype);
  Value mem = kernel_alloca(k, vec, t->mr * t->nv, "tile");
  for (int i = 0; i < t->mr * t->nv; i++) ll_store(l, acc[i], ll_at(l, vec, mem, ll_i64(l, i)), align);
  Loop rows, cols;
  loop_begin(e, &rows, ll_i64(l, 0), ll_i64(l, t->mr), 1, "tile.row", 0, NULL);
  loop_begin(e, &cols, ll_i64(l, 0), ll_i64(l, t->nv), 1, "tile.col", 0, NULL);
  State back = kernel_enter(k, 1, ll_add(l, t->col, ll_mul(l, cols.i, ll_i64(l, t->width))));
  Value at = ll_add(l, ll_mul(l, rows.i, ll_i64(l, t->nv)), cols.i);
  finish_row(t, ll_add(l, t->row, rows.i), ll_load(l, vec, ll_at(l, vec, mem, at), align, "acc"), NULL);
  kernel_leave(k, back);
  loop_end(e, &cols, NULL);
  loop_end(e, &rows, NULL);
}

// ---------------------------------------------------------------- tiles
static void tile(Kernel *k, Tile t) {
  LL *l = &k->e->l;
  Value acc[MAX_TILE], extent = k->extent[AXIS_REDUCED];
  t.left = ll_at(l, emit_type(k->e, k->c->left.dtype), k->left, ll_mul(l, t.row, k->left_mn));
  t.right = ll_at(l, emit_type(k->e, k->c->right.dtype), k->right, t.col);
  if (k->c->reduced.is_rows) tree_sum(k, extent, acc_type(&t), t.mr * t.nv, chain, &t, acc);
  else chain(k, ll_i64(l, 0), extent, acc, &t);
  if (t.mr * t.nv == 1 || program_cost(k->c, false) <= LIGHT_COST) finish_in_registers(&t, acc);
  else finish_in_memory(&t, acc);
}

static void row_loops(Kernel *k, Tile t) {
  Emit *e = k->e;
  LL *l = &e->l;
  int mr = e->target->mr;
  Value rows = ll_sub(l, k->hi, k->lo);
  Value whole = ll_add(l, k->lo, ll_sub(l, rows, LLVMBuildURem(l->b, rows, ll_i64(l, mr), "")));
  Loop full, rest;
  loop_begin(e, &full, k->lo, whole, mr, "row", 0, NULL);
  t.row = full.i;
  t.mr = mr;
  tile(k, t);
  loop_end(e, &full, NULL);
  loop_begin(e, &rest, whole, k->hi, 1, "row1", 0, NULL);
  t.row = rest.i;
  t.mr = 1;
  tile(k, t);
  loop_end(e, &rest, NULL);
}

void emit_dot(Kernel *k) {
  Emit *e = k->e;
  LL *l = &e->l;
  Value zero = ll_i64(l, 0), n = k->extent[1];
  Tile t = {.k = k, .nv = e->target->nv, .width = k->width};
  CHECK(e->target->mr * t.nv <= MAX_TILE);
  Value whole = ll_sub(l, n, LLVMBuildURem(l->b, n, ll_i64(l, t.nv * t.width), ""));
  Loop full, rest;
  loop_begin(e, &full, zero, whole, t.nv * t.width, "col", 0, NULL);
  t.col = full.i;
  row_loops(k, t);
  loop_end(e, &full, NULL);
  if (!e->has_mask) t.width = 1;
  t.nv = 1;
  loop_begin(e, &rest, whole, n, t.width, "col1", 0, NULL);
  t.col = rest.i;
  t.mask = e->has_mask ? lane_mask(e, t.width, ll_sub(l, n, rest.i)) : NULL;
  row_loops(k, t);
  loop_end(e, &rest, NULL);
}
