// emit_dot.c: anchor[m, n] = Σ_k left[m, k] · right[k, n], then the program on the tile.
// A tile is mr rows × nv vectors of accumulators in registers; loops over k, rows and columns are real loops. A result of fewer
// rows than the target's tile has one of these rows, and wider.
// Each element is one fma chain with k ascending; where k runs over rows, one chain a block, blocks by tree_sum.
// Two tiles: wide (nv vectors) and narrow (one vector, or one lane where the target has no masks) for the columns left;
// which of them a kernel needs follows from the number of columns and is part of its key. A single column is another
// case: lanes run over rows.
// A light program is applied to the accumulators of a whole wide tile; a heavier one would multiply the code: it runs in a
// loop over the tile put into memory.
#include "emit_int.h"

enum { LIGHT_COST = 8, SPAN_ROWS = 96, SPAN_COLUMNS = 64 };

typedef struct {
  Kernel *k;
  int mr, nv, width;                        // rows, vectors, lanes of a vector
  bool narrow, flat;                        // flat: as many rows as lanes, one behind the other in memory
  Value mask[MAX_TILE];                     // per vector; NULL: all lanes
  Value row, col;                           // first row and column of the tile
  Value left, right, stride;                // &left[row, 0], &right[0, col]; of left, from row to row
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

static Value load_left(Tile *t, Value p, int r) {          // row r from p
  Kernel *k = t->k;
  LL *l = &k->e->l;
  DType dt = k->c->left.dtype;
  Type elem = emit_type(k->e, dt);
  Value x = ll_load(l, elem, ll_at(l, elem, p, ll_mul(l, ll_i64(l, r), t->stride)), dtype_bytes(dt), "");
  return ll_splat(l, convert(k->e, x, dt, k->c->vals[k->c->anchor].dtype), t->width);
}

// A pointer for so many rows of the left operand: an address of x86 adds one or two strides for nothing.
enum { POINTER_ROWS = 3, AHEAD = 8 };

// What the next steps read, where their addresses are too far apart for the processor to guess.
static void fetch_ahead(Kernel *k, DType t, Value p, Value stride, int elements) {
  LL *l = &k->e->l;
  fetch_elements(k, t, ll_at(l, emit_type(k->e, t), p, ll_mul(l, stride, ll_i64(l, AHEAD))), ll_i64(l, elements));
}

// Chains over k = from … to−1. Pointers into the operands are carried beside the accumulators.
static void chain(Kernel *k, Value from, Value to, Value *acc, void *ctx) {
  Tile *t = ctx;
  Emit *e = k->e;
  LL *l = &e->l;
  Type left = emit_type(e, k->c->left.dtype), right = emit_type(e, k->c->right.dtype);
  int n = t->mr * t->nv, rows = LLVMIsConstant(t->stride) ? t->mr : POINTER_ROWS, pointers = (t->mr + rows - 1) / rows;
  Value next[2 * MAX_TILE + 1], b[MAX_TILE], init[2 * MAX_TILE + 1], *left_at = next + n;
  for (int i = 0; i < n; i++) init[i] = ll_real(acc_type(t), 0);
  for (int i = 0; i < pointers; i++)
    init[n + i] = ll_at(l, left, t->left, ll_add(l, ll_mul(l, from, k->left_k), ll_mul(l, t->stride, ll_i64(l, i * rows))));
  init[n + pointers] = ll_at(l, right, t->right, ll_mul(l, from, k->right_k));
  Loop lp;
  loop_begin(e, &lp, from, to, 1, "k", n + pointers + 1, init);
  Value *left_now = lp.carried + n, right_now = lp.carried[n + pointers];
  if (t->width > 1) fetch_ahead(k, k->c->right.dtype, right_now, k->right_k, t->nv * t->width);
  if (!LLVMIsConstant(k->left_k)) fetch_ahead(k, k->c->left.dtype, *left_now, k->left_k, 1);
  for (int v = 0; v < t->nv; v++) b[v] = load_right(t, right_now, v);
  for (int r = 0; r < t->mr; r++) {
    Value a = load_left(t, left_now[r / rows], r % rows);
    for (int v = 0; v < t->nv; v++) next[r * t->nv + v] = emit_fma(e, a, b[v], lp.carried[r * t->nv + v]);
  }
  for (int i = 0; i < pointers; i++) left_at[i] = ll_at(l, left, left_now[i], k->left_k);
  next[n + pointers] = ll_at(l, right, right_now, k->right_k);
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

// One vector of a row that has been entered.
static void finish_vector(Tile *t, int v, Value acc, const Value *columns) {
  Kernel *k = t->k;
  State back = kernel_enter(k, 1, ll_i64(&k->e->l, v * t->width));
  Point p = point_new(k, t->width, 1, t->mask[v]);
  if (columns) memcpy(p.memo, columns, sizeof(Value) * (size_t)k->c->n_vals);
  p.memo[k->c->anchor] = acc;
  eval_outputs(k, &p);
  kernel_leave(k, back);
}

static void settle_row(Tile *t) {
  kernel_resolve(t->k, t->width > 1 ? 1 : -1);
  kernel_hoist(t->k, t->width > 1 ? 1 : -1);
}

static void finish_in_registers(Tile *t, Value *acc) {
  Kernel *k = t->k;
  LL *l = &k->e->l;
  Value *columns[MAX_TILE];
  State back = kernel_enter(k, 1, t->col);
  for (int v = 0; v < t->nv; v++) {
    State here = kernel_enter(k, 1, ll_i64(l, v * t->width));
    columns[v] = column_values(t, t->mask[v]);
    kernel_leave(k, here);
  }
  kernel_enter(k, 0, t->row);
  for (int r = 0; r < t->mr; r++) {
    if (r > 0) kernel_enter(k, 0, ll_i64(l, 1));
    State row = kernel_keep(k);
    settle_row(t);
    for (int v = 0; v < t->nv; v++) finish_vector(t, v, acc[r * t->nv + v], columns[v]);
    kernel_leave(k, row);
  }
  kernel_leave(k, back);
}

// The tile lies in memory as [mr][nv] vectors; its rows from … to−1 are finished, the vectors of one in straight-line code where that
// stays short: the processor then goes on to the next tile while it divides.
static void finish_in_memory(Tile *t, Value *acc, Value from, Value to) {
  enum { UNROLLED_COST = 80 };
  Kernel *k = t->k;
  Emit *e = k->e;
  LL *l = &e->l;
  Type vec = acc_type(t);
  unsigned align = dtype_bytes(k->c->vals[k->c->anchor].dtype);
  Value mem = kernel_alloca(k, vec, t->mr * t->nv, "tile"), zero = ll_i64(l, 0), nv = ll_i64(l, t->nv);
  for (int i = 0; i < t->mr * t->nv; i++) ll_store(l, acc[i], ll_at(l, vec, mem, ll_i64(l, i)), align);
  Loop rows, cols = {.i = zero};
  Tile now = *t;
  bool whole = t->nv * program_cost(k->c, false) <= UNROLLED_COST;
  if (!whole) {
    loop_begin(e, &cols, zero, nv, 1, "tile.col", 0, NULL);
    now.nv = 1;
    now.col = ll_add(l, t->col, ll_mul(l, cols.i, ll_i64(l, t->width)));
    if (t->mask[0]) now.mask[0] = lane_mask(e, t->width, ll_sub(l, k->extent[1], now.col));
  }
  State back = kernel_enter(k, 1, now.col);
  loop_begin(e, &rows, from, to, 1, "tile.row", 0, NULL);
  State outer = kernel_enter(k, 0, ll_add(l, t->row, rows.i));
  settle_row(&now);
  for (int v = 0; v < now.nv; v++) {
    Value at = ll_at(l, vec, mem, ll_add(l, ll_mul(l, rows.i, nv), ll_add(l, cols.i, ll_i64(l, v))));
    finish_vector(&now, v, ll_load(l, vec, at, align, "acc"), NULL);
  }
  kernel_leave(k, outer);
  loop_end(e, &rows, NULL);
  kernel_leave(k, back);
  if (!whole) loop_end(e, &cols, NULL);
}

// A flat tile as the whole vectors that its rows, short as they are, make one behind the other.
static void finish_flat(Tile *t, Value *acc) {
  Kernel *k = t->k;
  Emit *e = k->e;
  LL *l = &e->l;
  unsigned align = dtype_bytes(k->c->vals[k->c->anchor].dtype);
  Value n = k->extent[1], mem = kernel_alloca(k, acc_type(t), t->mr + 1, "flat");
  for (int r = 0; r < t->mr; r++) ll_store(l, acc[r], ll_at(l, acc_elem(k), mem, ll_mul(l, ll_i64(l, r), n)), align);   // over what is behind the row before
  State back = kernel_enter(k, 0, t->row);
  Loop lp;
  loop_begin(e, &lp, ll_i64(l, 0), n, 1, "flat", 0, NULL);
  Value at = ll_mul(l, lp.i, ll_i64(l, t->width));
  State here = kernel_enter(k, 1, at);
  Point p = point_new(k, t->width, 1, NULL);
  p.memo[k->c->anchor] = ll_load(l, acc_type(t), ll_at(l, acc_elem(k), mem, at), align, "acc");
  eval_outputs(k, &p);
  kernel_leave(k, here);
  loop_end(e, &lp, NULL);
  kernel_leave(k, back);
}

static void finish(Tile *t, Value *acc, Value from, Value to);

static void finish_flat_or_rows(Tile *t, Value *acc, Value from, Value to) {
  LL *l = &t->k->e->l;
  Block whole = ll_block(l, "whole"), part = ll_block(l, "part"), done = ll_block(l, "done");
  Tile rows = *t;
  rows.flat = false;
  ll_if(l, ll_icmp(l, LLVMIntEQ, from, ll_i64(l, 0)), whole, part);
  ll_go(l, whole);
  finish_flat(t, acc);
  ll_br(l, done);
  ll_go(l, part);
  finish(&rows, acc, from, to);
  ll_br(l, done);
  ll_go(l, done);
}

// Rows from … to−1 of the tile.
static void finish(Tile *t, Value *acc, Value from, Value to) {
  Kernel *k = t->k;
  LL *l = &k->e->l;
  if (t->flat) { finish_flat_or_rows(t, acc, from, to); return; }
  if (t->narrow || program_cost(k->c, false) > LIGHT_COST) { finish_in_memory(t, acc, from, to); return; }
  if (t->mr == 1) { finish_in_registers(t, acc); return; }
  Block whole = ll_block(l, "whole"), part = ll_block(l, "part"), done = ll_block(l, "done");
  ll_if(l, ll_icmp(l, LLVMIntEQ, ll_sub(l, to, from), ll_i64(l, t->mr)), whole, part);
  ll_go(l, whole);
  finish_in_registers(t, acc);
  ll_br(l, done);
  ll_go(l, part);
  finish_in_memory(t, acc, from, to);
  ll_br(l, done);
  ll_go(l, done);
}

// ---------------------------------------------------------------- tiles
static Value left_row(Kernel *k, Value row) {              // &left[row, 0]
  LL *l = &k->e->l;
  return ll_at(l, emit_type(k->e, k->c->left.dtype), k->left, ll_mul(l, row, k->left_mn));
}

// A span: rows × columns of the result, over some of k. Where that is a block of rows, the tiles' partial sums lie in memory, for
// each level of the tree [SPAN_COLUMNS / columns of a tile][SPAN_ROWS][columns of a tile].
typedef struct {
  Value row, row_to, col, col_to, k, k_to;
  Value block, more, partials;              // number of the block, whether others follow; NULL: all of k
} Span;

static void tile(Tile *t, const Span *s, Value row, Value step) {
  Kernel *k = t->k;
  LL *l = &k->e->l;
  Value acc[MAX_TILE], from = ll_sub(l, row, t->row);
  chain(k, s->k, s->k_to, acc, t);
  if (!s->block) { finish(t, acc, from, step); return; }
  Value down = ll_mul(l, ll_sub(l, row, s->row), ll_i64(l, t->nv * t->width)), along = ll_mul(l, ll_sub(l, t->col, s->col), ll_i64(l, SPAN_ROWS));
  Partials p = {k, acc_type(t), t->mr * t->nv, ll_at(l, acc_elem(k), s->partials, ll_add(l, down, along)), SPAN_ROWS * SPAN_COLUMNS / t->width};
  Block push = tree_step(&p, s->block, s->more, acc), next = ll_block(l, "next");
  finish(t, acc, from, step);
  ll_br(l, next);
  ll_go(l, push);
  ll_br(l, next);
  ll_go(l, next);
}

// What is left of the rows at the end is made by the tile that ends there: its first rows are made once more, perhaps from rows
// of another call's range, and left alone. Where a batch has fewer rows than a tile, each is a tile of its own, with a stride of 0.
static void tiles_down(Tile t, const Span *s, Value from, Value to, Value few) {
  Kernel *k = t.k;
  LL *l = &k->e->l;
  Loop rows;
  Value mr = ll_i64(l, t.mr), step = few ? ll_select(l, few, ll_i64(l, 1), mr) : mr;
  t.stride = few ? ll_select(l, few, ll_i64(l, 0), k->left_mn) : k->left_mn;
  loop_begin(k->e, &rows, from, to, t.mr, "row", 0, NULL);
  rows.step = step;
  t.row = ll_min(l, rows.i, ll_sub(l, s->row_to, step));
  t.left = left_row(k, t.row);
  tile(&t, s, rows.i, step);
  loop_end(k->e, &rows, NULL);
}

// Of rows in tiles of MOST, how many at the end make whole tiles of LEAST instead, or nearly so: 32 rows are 4 of 6 and 2 of 4.
enum { MOST = 6, LEAST = 4 };

static Value short_tiles(LL *l, Value n) {
  Value left = LLVMBuildURem(l->b, n, ll_i64(l, MOST), ""), zero = ll_i64(l, 0);
  Value none = ll_or(l, ll_icmp(l, LLVMIntEQ, left, zero), ll_icmp(l, LLVMIntSGT, left, ll_i64(l, LEAST)));
  Value two = ll_icmp(l, LLVMIntSLE, left, ll_i64(l, 2 * LEAST - MOST));
  return ll_min(l, ll_select(l, none, zero, ll_select(l, two, ll_add(l, left, ll_i64(l, MOST)), left)), n);
}

static void row_loop(Tile t, const Span *s) {
  LL *l = &t.k->e->l;
  bool rows = t.k->c->dims[0].is_rows && t.mr > 1;
  Value few = rows ? ll_icmp(l, LLVMIntSLT, s->row_to, ll_i64(l, t.mr)) : NULL;
  if (!rows || t.mr != MOST || t.narrow) {
    tiles_down(t, s, s->row, s->row_to, few);
    return;
  }
  Value left = ll_select(l, few, ll_i64(l, 0), short_tiles(l, ll_sub(l, s->row_to, s->row))), to = ll_sub(l, s->row_to, left);
  tiles_down(t, s, s->row, to, few);
  t.mr = LEAST;
  tiles_down(t, s, to, s->row_to, NULL);
}

static void column_loop(Tile t, const Span *s, Value from, Value to, bool masked, const char *name) {
  Kernel *k = t.k;
  Emit *e = k->e;
  LL *l = &e->l;
  Loop cols;
  loop_begin(e, &cols, from, to, t.nv * t.width, name, 0, NULL);
  t.col = cols.i;
  t.right = ll_at(l, emit_type(e, k->c->right.dtype), k->right, t.col);
  for (int v = 0; v < t.nv && masked; v++)
    t.mask[v] = lane_mask(e, t.width, ll_sub(l, k->extent[1], ll_add(l, t.col, ll_i64(l, v * t.width))));
  row_loop(t, s);
  loop_end(e, &cols, NULL);
}

// ---------------------------------------------------------------- one column: lanes over rows
enum { COLUMN_ROWS = 8 };

static void swap(Value *a, Value *b) {
  Value t = *a;
  *a = *b;
  *b = t;
}

static void column_sum(Tile *t, Value *acc) {
  Kernel *k = t->k;
  Value extent = k->extent[AXIS_REDUCED];
  if (k->c->reduced.is_rows) tree_sum(k, extent, acc_type(t), t->mr * t->nv, chain, t, acc);
  else chain(k, ll_i64(&k->e->l, 0), extent, acc, t);
}

// left has stride 1 along m: it is the operand of vectors, and the column the one of scalars.
static void column_vector(Kernel *k, Point *p, void *ctx) {
  LL *l = &k->e->l;
  Value acc;
  (void)ctx;
  Tile t = {.k = k, .mr = 1, .nv = 1, .width = p->width, .mask = {p->mask}, .left = k->right, .stride = ll_i64(l, 0)};
  t.right = left_row(k, k->st.idx[0]);
  swap(&k->left_k, &k->right_k);
  column_sum(&t, &acc);
  swap(&k->left_k, &k->right_k);
  p->memo[k->c->anchor] = acc;
  eval_outputs(k, p);
}

// rows chains of scalars side by side, then one vector of them.
static void column_rows(Kernel *k, Value from, Value to, int rows, const char *name) {
  Emit *e = k->e;
  LL *l = &e->l;
  Tile t = {.k = k, .mr = rows, .nv = 1, .width = 1, .right = k->right, .stride = k->left_mn};
  Value acc[COLUMN_ROWS], all = LLVMGetPoison(ll_vec(acc_elem(k), rows));
  Loop lp;
  loop_begin(e, &lp, from, to, rows, name, 0, NULL);
  State back = kernel_enter(k, 0, lp.i);
  if (rows == 1) kernel_resolve(k, -1);
  t.left = left_row(k, lp.i);
  column_sum(&t, acc);
  for (int r = 0; r < rows && rows > 1; r++) all = ll_insert(l, all, acc[r], r);
  Point p = point_new(k, rows, 0, NULL);
  p.memo[k->c->anchor] = rows > 1 ? all : acc[0];
  eval_outputs(k, &p);
  kernel_leave(k, back);
  loop_end(e, &lp, NULL);
}

// Rows that lie along k, in blocks of as many as a vector has lanes: squares of them are turned, and lanes run over rows. A chain waits
// for its last product; those of other blocks go on beside it.
enum { SQUARE_ROWS = 32, MOST_LANES = 16 };

static bool has_squares(const Kernel *k) {
  const Call *c = k->c;
  bool single = c->left.dtype == F32 && c->right.dtype == F32 && c->vals[c->anchor].dtype == F32;
  return single && c->left.stride_k == 1 && !c->reduced.is_rows && k->width >= 4 && k->width <= MOST_LANES;
}

static Value right_at(Kernel *k, Value at) {
  LL *l = &k->e->l;
  return ll_splat(l, ll_load(l, l->f32, ll_at(l, l->f32, k->right, ll_mul(l, at, k->right_k)), dtype_bytes(F32), ""), k->width);
}

static Value left_at(Kernel *k, Value rows, int r, Value at) {          // &rows[r, at]
  LL *l = &k->e->l;
  return ll_at(l, l->f32, rows, ll_add(l, ll_mul(l, ll_i64(l, r), k->left_mn), at));
}

static Value square_chain(Kernel *k, Value rows, Value at, Value acc) {
  LL *l = &k->e->l;
  Value x[MOST_LANES];
  for (int r = 0; r < k->width; r++) x[r] = ll_load(l, ll_vec(l->f32, k->width), left_at(k, rows, r, at), dtype_bytes(F32), "");
  turn_square(l, x, k->width);
  for (int j = 0; j < k->width; j++) acc = emit_fma(k->e, x[j], right_at(k, ll_add(l, at, ll_i64(l, j))), acc);
  return acc;
}

static Value rest_chain(Kernel *k, Value rows, Value at, Value acc) {
  LL *l = &k->e->l;
  Value x = LLVMGetPoison(ll_vec(l->f32, k->width));
  for (int r = 0; r < k->width; r++) x = ll_insert(l, x, ll_load(l, l->f32, left_at(k, rows, r, at), dtype_bytes(F32), ""), r);
  return emit_fma(k->e, x, right_at(k, at), acc);
}

typedef Value SquareFn(Kernel *k, Value rows, Value at, Value acc);

static void squares_along(Kernel *k, Value from, Value to, int step, SquareFn *body, const Value *rows, int blocks, Value *acc) {
  Loop along;
  Value next[SQUARE_ROWS];
  loop_begin(k->e, &along, from, to, step, "k", blocks, acc);
  for (int b = 0; b < blocks; b++) next[b] = body(k, rows[b], along.i, along.carried[b]);
  loop_end(k->e, &along, next);
  memcpy(acc, along.carried, sizeof *acc * (size_t)blocks);
}

static void column_squares(Kernel *k, Value from, Value to, int blocks, const char *name) {
  LL *l = &k->e->l;
  Value extent = k->extent[AXIS_REDUCED], whole = ll_and(l, extent, ll_i64(l, -(int64_t)k->width)), rows[SQUARE_ROWS], acc[SQUARE_ROWS];
  Loop lp;
  loop_begin(k->e, &lp, from, to, (int64_t)blocks * k->width, name, 0, NULL);
  for (int b = 0; b < blocks; b++) {
    rows[b] = left_row(k, ll_add(l, lp.i, ll_i64(l, (int64_t)b * k->width)));
    acc[b] = ll_real(ll_vec(l->f32, k->width), 0);
  }
  squares_along(k, ll_i64(l, 0), whole, k->width, square_chain, rows, blocks, acc);
  squares_along(k, whole, extent, 1, rest_chain, rows, blocks, acc);
  for (int b = 0; b < blocks; b++) {
    State back = kernel_enter(k, 0, ll_add(l, lp.i, ll_i64(l, (int64_t)b * k->width)));
    Point p = point_new(k, k->width, 0, NULL);
    p.memo[k->c->anchor] = acc[b];
    eval_outputs(k, &p);
    kernel_leave(k, back);
  }
  loop_end(k->e, &lp, NULL);
}

// The first row that is left behind whole blocks of so many.
static Value behind(Kernel *k, Value from, int64_t rows) {
  LL *l = &k->e->l;
  return ll_add(l, from, ll_and(l, ll_sub(l, k->hi, from), ll_i64(l, -rows)));
}

static void one_column(Kernel *k) {
  LL *l = &k->e->l;
  const Call *c = k->c;
  k->st.idx[1] = ll_i64(l, 0);
  if (c->left.stride_mn == 1 && c->left.dtype == c->right.dtype) {
    lanes(k, 0, k->lo, k->hi, column_vector, NULL);
    return;
  }
  if (has_squares(k)) {
    Value many = behind(k, k->lo, SQUARE_ROWS), whole = behind(k, many, k->width);
    column_squares(k, k->lo, many, SQUARE_ROWS / k->width, "squares");
    column_squares(k, many, whole, 1, "square");
    column_rows(k, whole, k->hi, 1, "row1");
    return;
  }
  Value whole = behind(k, k->lo, COLUMN_ROWS);
  column_rows(k, k->lo, whole, COLUMN_ROWS, "rows");
  column_rows(k, whole, k->hi, 1, "row1");
}

// ---------------------------------------------------------------- which tiles
// Rows one behind the other in all that the program reads and writes, and at least as many as a vector has lanes.
static bool is_flat(const Emit *e, const Call *c) {
  int64_t n = c->dims[1].size;
  bool flat = e->has_mask && !c->dims[0].is_rows && c->dims[0].size >= kernel_width(e) && !c->named;
  for (int v = 0; v < c->n_vals; v++) flat &= c->vals[v].kind != VAL_IOTA;
  for (int i = 0; i < c->n_inputs; i++) {
    const int64_t *s = c->inputs[i].stride;
    flat &= c->inputs[i].index < 0 && ((s[0] == 0 && s[1] == 0) || (s[0] == n && s[1] == 1));
  }
  for (int i = 0; i < c->n_outputs; i++) flat &= !c->outputs[i].by && c->outputs[i].stride[0] == n && c->outputs[i].stride[1] == 1;
  return flat;
}

static DotTiles tiles_of(const Emit *e, const Call *c, int64_t rows) {
  const Target *target = e->target;
  const Dim *n = &c->dims[1];
  DotTiles t = {.mr = target->mr, .nv = target->nv, .columns = 'm'};
  int width = kernel_width(e), most = target->mr * target->nv;
  if (rows < t.mr) t.mr = (int)rows;
  if (c->dims[0].is_rows && c->reduced.is_rows) t.mr = 1;          // partial sums of single rows have no place in a span
  while (2 * t.nv * t.mr <= most && 2 * t.nv * width <= (n->is_rows || n->size > SPAN_COLUMNS ? SPAN_COLUMNS : n->size)) t.nv *= 2;
  int step = t.nv * width;
  if (n->is_rows) return t;
  if (n->size % step == 0) t.columns = 'w';
  else if (n->size <= width || (!e->has_mask && n->size < step)) t.columns = n->size <= width && is_flat(e, c) ? 'f' : 'n';
  if (dot_is_column(c)) t.columns = '1';
  return t;
}

DotTiles dot_tiles(const Emit *e, const Call *c) { return tiles_of(e, c, c->dims[0].is_rows ? INT64_MAX : c->dims[0].size); }

// Masks are free in AVX-512: the wide tile there also takes a last block of more than one vector.
static void span(Kernel *k, const DotTiles *shape, const Span *s) {
  Emit *e = k->e;
  LL *l = &e->l;
  int nv = shape->nv, step = nv * k->width;
  bool masked = e->has_mask && e->target->lanes_f32 == 16 && shape->columns == 'm';
  Value n = ll_sub(l, s->col_to, s->col), blocks = ll_add(l, n, ll_i64(l, masked ? (nv - 1) * k->width - 1 : 0));
  bool flat = shape->columns == 'f', none = flat || shape->columns == 'n';            // no wide tiles
  Value whole = shape->columns == 'w' ? s->col_to : none ? s->col
              : ll_add(l, s->col, ll_mul(l, LLVMBuildUDiv(l->b, blocks, ll_i64(l, step), ""), ll_i64(l, step)));
  Tile wide = {.k = k, .mr = shape->mr, .nv = nv, .width = k->width};
  if (!none) column_loop(wide, s, s->col, whole, masked, "col");
  Tile narrow = {.k = k, .mr = flat ? k->width : shape->mr, .nv = 1, .width = e->has_mask ? k->width : 1, .narrow = true, .flat = flat};
  if (shape->columns != 'w') column_loop(narrow, s, whole, s->col_to, e->has_mask, "narrow");
}

// Block by block over a span that is small enough for its operands to stay near.
static void spans_over_rows(Kernel *k, const DotTiles *shape) {
  Emit *e = k->e;
  LL *l = &e->l;
  Value zero = ll_i64(l, 0), extent = k->extent[AXIS_REDUCED], block = ll_i64(l, e->s->block);
  Value partials = kernel_alloca(k, acc_elem(k), (int64_t)SPAN_ROWS * SPAN_COLUMNS * e->tree_levels, "partials");
  Loop rows, cols, blocks;
  loop_begin(e, &rows, k->lo, k->hi, SPAN_ROWS, "span", 0, NULL);
  loop_begin(e, &cols, zero, k->extent[1], SPAN_COLUMNS, "span.col", 0, NULL);
  loop_begin(e, &blocks, zero, ll_max(l, extent, ll_i64(l, 1)), e->s->block, "block", 0, NULL);
  Value next = ll_add(l, blocks.i, block);
  Span s = {
    .row = rows.i, .row_to = ll_min(l, ll_add(l, rows.i, ll_i64(l, SPAN_ROWS)), k->hi),
    .col = cols.i, .col_to = ll_min(l, ll_add(l, cols.i, ll_i64(l, SPAN_COLUMNS)), k->extent[1]),
    .k = blocks.i, .k_to = ll_min(l, next, extent),
    .block = LLVMBuildUDiv(l->b, blocks.i, block, ""), .more = ll_icmp(l, LLVMIntSLT, next, extent), .partials = partials,
  };
  span(k, shape, &s);
  loop_end(e, &blocks, NULL);
  loop_end(e, &cols, NULL);
  loop_end(e, &rows, NULL);
}

// A row that comes alone, as in a prediction, has a tile of one row.
static void alone_or_more(Kernel *k, const DotTiles *shape, const Span *s) {
  LL *l = &k->e->l;
  DotTiles row = tiles_of(k->e, k->c, 1);
  Block alone = ll_block(l, "alone"), more = ll_block(l, "more"), done = ll_block(l, "rows.done");
  ll_if(l, ll_icmp(l, LLVMIntEQ, ll_sub(l, k->hi, k->lo), ll_i64(l, 1)), alone, more);
  ll_go(l, alone);
  span(k, &row, s);
  ll_br(l, done);
  ll_go(l, more);
  span(k, shape, s);
  ll_br(l, done);
  ll_go(l, done);
}

void emit_dot(Kernel *k) {
  LL *l = &k->e->l;
  DotTiles shape = dot_tiles(k->e, k->c);
  Span all = {.row = k->lo, .row_to = k->hi, .col = ll_i64(l, 0), .col_to = k->extent[1], .k = ll_i64(l, 0), .k_to = k->extent[AXIS_REDUCED]};
  CHECK(shape.mr * shape.nv <= MAX_TILE && SPAN_COLUMNS % (shape.nv * k->width) == 0);
  if (shape.columns == '1') one_column(k);
  else if (k->c->reduced.is_rows) spans_over_rows(k, &shape);
  else if (k->predicts && k->c->dims[0].is_rows) alone_or_more(k, &shape, &all);
  else span(k, &shape, &all);
}
