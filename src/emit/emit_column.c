// emit_column.c: a product with a single column: lanes run over rows.
#include "emit_tile.h"

enum { COLUMN_ROWS = 8 };

static void swap(Value *a, Value *b) {
  Value t = *a;
  *a = *b;
  *b = t;
}

static void column_sum(Tile *t, Value *acc) {
  Kernel *k = t->k;
  if (at_run_time(k->c->reduced)) tree_sum(k, k->from, k->to, acc_type(t), t->mr * t->nv, tile_chain, t, acc);
  else tile_chain(k, k->from, k->to, acc, t);
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
enum { SQUARE_ROWS = 32 };

static bool has_squares(const Kernel *k) {
  const Call *c = k->c;
  bool single = c->left.dtype == F32 && c->right.dtype == F32 && c->vals[c->anchor].dtype == F32;
  return single && c->left.stride_k == 1 && !at_run_time(c->reduced) && k->width >= 4 && k->width <= MOST_LANES;
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

void emit_column(Kernel *k) {
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
