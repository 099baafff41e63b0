// emit_dot.c: anchor[m, n] = Σ_k left[m, k] · right[k, n], then the program on the tile.
// A tile is mr rows × nv vectors of accumulators in registers; loops over k, rows and columns are real loops.
// Each element is one fma chain with k ascending; where k runs over rows, one chain a block, blocks by tree_sum.
// Two tiles: wide (nv vectors) and narrow (one vector, or one lane where the target has no masks) for the columns left;
// which of them a kernel needs follows from the number of columns and is part of its key. A single column is another
// case: lanes run over rows.
// Rows past the range repeat the last row and are not finished. A light program is applied to the accumulators of a
// whole wide tile; a heavier one would multiply the code: it runs in a loop over the tile put into memory.
#include "emit_int.h"

enum { LIGHT_COST = 8 };

typedef struct {
  Kernel *k;
  int mr, nv, width;                        // rows, vectors, lanes of a vector
  bool narrow;
  Value mask[MAX_TILE];                     // per vector; NULL: all lanes
  Value row, col;                           // first row and column of the tile
  Value left[MAX_TILE], right;              // &left[row + r, 0], &right[0, col]
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
  Value x = t->mask[v] ? ll_masked_load(l, vec, at, dtype_bytes(dt), t->mask[v]) : ll_load(l, vec, at, dtype_bytes(dt), "");
  return convert(k->e, x, dt, k->c->vals[k->c->anchor].dtype);
}

static Value load_left(Tile *t, Value offset, int r) {
  Kernel *k = t->k;
  LL *l = &k->e->l;
  DType dt = k->c->left.dtype;
  Type elem = emit_type(k->e, dt);
  Value x = ll_load(l, elem, ll_at(l, elem, t->left[r], offset), dtype_bytes(dt), "");
  return ll_splat(l, convert(k->e, x, dt, k->c->vals[k->c->anchor].dtype), t->width);
}

// Chains over k = from … to−1. The operands' offsets are carried beside the accumulators.
static void chain(Kernel *k, Value from, Value to, Value *acc, void *ctx) {
  Tile *t = ctx;
  Emit *e = k->e;
  LL *l = &e->l;
  int n = t->mr * t->nv;
  Value next[MAX_TILE + 2], right[MAX_TILE], init[MAX_TILE + 2];
  for (int i = 0; i < n; i++) init[i] = ll_real(acc_type(t), 0);
  init[n] = ll_mul(l, from, k->left_k);
  init[n + 1] = ll_mul(l, from, k->right_k);
  Loop lp;
  loop_begin(e, &lp, from, to, 1, "k", n + 2, init);
  Value right_at = ll_at(l, emit_type(e, k->c->right.dtype), t->right, lp.carried[n + 1]);
  for (int v = 0; v < t->nv; v++) right[v] = load_right(t, right_at, v);
  for (int r = 0; r < t->mr; r++) {
    Value left = load_left(t, lp.carried[n], r);
    for (int v = 0; v < t->nv; v++) next[r * t->nv + v] = emit_fma(e, left, right[v], lp.carried[r * t->nv + v]);
  }
  next[n] = ll_add(l, lp.carried[n], k->left_k);
  next[n + 1] = ll_add(l, lp.carried[n + 1], k->right_k);
  loop_end(e, &lp, next);
  memcpy(acc, lp.carried, sizeof(Value) * (size_t)n);
}

// ---------------------------------------------------------------- the program on the tile
// Values that vary along columns only (a bias), one vector for all rows of the tile.
static Value *column_values(Tile *t, Value mask) {
  Kernel *k = t->k;
  Point p = point_new(k, t->width, 1, mask);
  for (int v = 0; v < k->c->n_vals; v++)
    if (k->deps[v] == 1u << 1) eval(k, &p, v);
  return p.memo;
}

static void finish_row(Tile *t, Value row, Value acc, Value mask, const Value *columns) {
  Kernel *k = t->k;
  State back = kernel_enter(k, 0, row);
  kernel_resolve(k, t->width > 1 ? 1 : -1);
  kernel_hoist(k, t->width > 1 ? 1 : -1);
  Point p = point_new(k, t->width, 1, mask);
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
    Value *columns = column_values(t, t->mask[v]);
    for (int r = 0; r < t->mr; r++)
      finish_row(t, ll_add(l, t->row, ll_i64(l, r)), acc[r * t->nv + v], t->mask[v], columns);
    kernel_leave(k, back);
  }
}

// The tile lies in memory as [nv][mr] vectors; rows past k->hi are left alone.
static void finish_in_memory(Tile *t, Value *acc) {
  Kernel *k = t->k;
  Emit *e = k->e;
  LL *l = &e->l;
  Type vec = acc_type(t);
  unsigned align = dtype_bytes(k->c->vals[k->c->anchor].dtype);
  Value mem = kernel_alloca(k, vec, t->mr * t->nv, "tile"), zero = ll_i64(l, 0), mr = ll_i64(l, t->mr);
  for (int i = 0; i < t->mr * t->nv; i++)
    ll_store(l, acc[i], ll_at(l, vec, mem, ll_i64(l, i % t->nv * t->mr + i / t->nv)), align);
  Loop rows, cols = {.i = zero};
  if (t->nv > 1) loop_begin(e, &cols, zero, ll_i64(l, t->nv), 1, "tile.col", 0, NULL);
  Value col = ll_add(l, t->col, ll_mul(l, cols.i, ll_i64(l, t->width))), mask = t->mask[0];
  if (mask && t->nv > 1) mask = lane_mask(e, t->width, ll_sub(l, k->extent[1], col));
  State back = kernel_enter(k, 1, col);
  loop_begin(e, &rows, zero, ll_min(l, mr, ll_sub(l, k->hi, t->row)), 1, "tile.row", 0, NULL);
  Value at = ll_at(l, vec, mem, ll_add(l, ll_mul(l, cols.i, mr), rows.i));
  finish_row(t, ll_add(l, t->row, rows.i), ll_load(l, vec, at, align, "acc"), mask, NULL);
  loop_end(e, &rows, NULL);
  kernel_leave(k, back);
  if (t->nv > 1) loop_end(e, &cols, NULL);
}

static void finish(Tile *t, Value *acc) {
  Kernel *k = t->k;
  LL *l = &k->e->l;
  if (t->narrow || program_cost(k->c, false) > LIGHT_COST) { finish_in_memory(t, acc); return; }
  Block whole = ll_block(l, "whole"), part = ll_block(l, "part"), done = ll_block(l, "done");
  ll_if(l, ll_icmp(l, LLVMIntSLE, ll_add(l, t->row, ll_i64(l, t->mr)), k->hi), whole, part);
  ll_go(l, whole);
  finish_in_registers(t, acc);
  ll_br(l, done);
  ll_go(l, part);
  finish_in_memory(t, acc);
  ll_br(l, done);
  ll_go(l, done);
}

// ---------------------------------------------------------------- tiles
static void sum_over_k(Tile *t, Value *acc) {
  Kernel *k = t->k;
  Value extent = k->extent[AXIS_REDUCED];
  if (k->c->reduced.is_rows) tree_sum(k, extent, acc_type(t), t->mr * t->nv, chain, t, acc);
  else chain(k, ll_i64(&k->e->l, 0), extent, acc, t);
}

static Value left_row(Kernel *k, Value row) {              // &left[row, 0]
  LL *l = &k->e->l;
  return ll_at(l, emit_type(k->e, k->c->left.dtype), k->left, ll_mul(l, row, k->left_mn));
}

static void tile(Tile *t) {
  Kernel *k = t->k;
  LL *l = &k->e->l;
  Value acc[MAX_TILE], last = ll_sub(l, k->hi, ll_i64(l, 1));
  for (int r = 0; r < t->mr; r++)
    t->left[r] = left_row(k, r == 0 ? t->row : ll_min(l, ll_add(l, t->row, ll_i64(l, r)), last));
  sum_over_k(t, acc);
  finish(t, acc);
}

static void column_loop(Tile t, Value from, Value to, bool masked, const char *name) {
  Kernel *k = t.k;
  Emit *e = k->e;
  LL *l = &e->l;
  Loop cols, rows;
  loop_begin(e, &cols, from, to, t.nv * t.width, name, 0, NULL);
  t.col = cols.i;
  t.right = ll_at(l, emit_type(e, k->c->right.dtype), k->right, t.col);
  for (int v = 0; v < t.nv && masked; v++)
    t.mask[v] = lane_mask(e, t.width, ll_sub(l, k->extent[1], ll_add(l, t.col, ll_i64(l, v * t.width))));
  loop_begin(e, &rows, k->lo, k->hi, t.mr, "row", 0, NULL);
  t.row = rows.i;
  tile(&t);
  loop_end(e, &rows, NULL);
  loop_end(e, &cols, NULL);
}

// ---------------------------------------------------------------- one column: lanes over rows
enum { COLUMN_ROWS = 8 };

static void swap(Value *a, Value *b) {
  Value t = *a;
  *a = *b;
  *b = t;
}

// left has stride 1 along m: it is the operand of vectors, and the column the one of scalars.
static void column_vector(Kernel *k, Point *p, void *ctx) {
  Value acc;
  (void)ctx;
  Tile t = {.k = k, .mr = 1, .nv = 1, .width = p->width, .mask = {p->mask}, .left = {k->right}};
  t.right = left_row(k, k->st.idx[0]);
  swap(&k->left_k, &k->right_k);
  sum_over_k(&t, &acc);
  swap(&k->left_k, &k->right_k);
  p->memo[k->c->anchor] = acc;
  eval_outputs(k, p);
}

// rows chains of scalars side by side, then one vector of them.
static void column_rows(Kernel *k, Value from, Value to, int rows, const char *name) {
  Emit *e = k->e;
  LL *l = &e->l;
  Tile t = {.k = k, .mr = rows, .nv = 1, .width = 1, .right = k->right};
  Value acc[COLUMN_ROWS], all = LLVMGetPoison(ll_vec(acc_elem(k), rows));
  Loop lp;
  loop_begin(e, &lp, from, to, rows, name, 0, NULL);
  State back = kernel_enter(k, 0, lp.i);
  if (rows == 1) kernel_resolve(k, -1);
  for (int r = 0; r < rows; r++) t.left[r] = left_row(k, ll_add(l, lp.i, ll_i64(l, r)));
  sum_over_k(&t, acc);
  for (int r = 0; r < rows && rows > 1; r++) all = ll_insert(l, all, acc[r], r);
  Point p = point_new(k, rows, 0, NULL);
  p.memo[k->c->anchor] = rows > 1 ? all : acc[0];
  eval_outputs(k, &p);
  kernel_leave(k, back);
  loop_end(e, &lp, NULL);
}

static void one_column(Kernel *k) {
  LL *l = &k->e->l;
  const Call *c = k->c;
  k->st.idx[1] = ll_i64(l, 0);
  if (c->left.stride_mn == 1 && c->left.dtype == c->right.dtype) {
    lanes(k, 0, k->lo, k->hi, column_vector, NULL);
    return;
  }
  Value whole = ll_add(l, k->lo, ll_and(l, ll_sub(l, k->hi, k->lo), ll_i64(l, -COLUMN_ROWS)));
  column_rows(k, k->lo, whole, COLUMN_ROWS, "rows");
  column_rows(k, whole, k->hi, 1, "row1");
}

// ---------------------------------------------------------------- which tiles
// '1': one column; 'w': whole wide tiles, no masks; 'n': narrow tiles alone; 'm': both.
char dot_columns(const Emit *e, const Call *c) {
  int64_t n = c->dims[1].size, step = (int64_t)e->target->nv * kernel_width(e);
  if (c->dims[1].is_rows) return 'm';
  if (dot_is_column(c)) return '1';
  if (n % step == 0) return 'w';
  return n <= kernel_width(e) || (!e->has_mask && n < step) ? 'n' : 'm';
}

// Masks are free in AVX-512: the wide tile there also takes a last block of more than one vector.
void emit_dot(Kernel *k) {
  Emit *e = k->e;
  LL *l = &e->l;
  int nv = e->target->nv, step = nv * k->width;
  char columns = dot_columns(e, k->c);
  bool masked = e->has_mask && e->target->lanes_f32 == 16 && columns == 'm';
  CHECK(e->target->mr * nv <= MAX_TILE);
  if (columns == '1') { one_column(k); return; }
  Value n = k->extent[1], blocks = ll_add(l, n, ll_i64(l, masked ? (nv - 1) * k->width - 1 : 0)), zero = ll_i64(l, 0);
  Value whole = columns == 'w' ? n : columns == 'n' ? zero
              : ll_mul(l, LLVMBuildUDiv(l->b, blocks, ll_i64(l, step), ""), ll_i64(l, step));
  Tile wide = {.k = k, .mr = e->target->mr, .nv = nv, .width = k->width};
  if (columns != 'n') column_loop(wide, zero, whole, masked, "col");
  Tile narrow = {.k = k, .mr = e->target->mr, .nv = 1, .width = e->has_mask ? k->width : 1, .narrow = true};
  if (columns != 'w') column_loop(narrow, whole, n, e->has_mask, "narrow");
}
