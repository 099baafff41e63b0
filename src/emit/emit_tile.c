// emit_tile.c: a tile of a product: mr rows × nv vectors of accumulators in registers; then the program on it.
// A light program is applied to the accumulators of a whole wide tile; a heavier one would multiply the code: it runs in a
// loop over the tile put into memory.
#include "emit_tile.h"

enum { LIGHT_COST = 8 };

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
void tile_chain(Kernel *k, Value from, Value to, Value *acc, void *ctx) {
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
  if (t->next) ll_prefetch(l, ll_at(l, right, right_now, t->next), TO_L2);
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
  tile_finish(&rows, acc, from, to);
  ll_br(l, done);
  ll_go(l, done);
}

// Rows from … to−1 of the tile.
void tile_finish(Tile *t, Value *acc, Value from, Value to) {
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
