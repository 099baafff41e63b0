// emit_dot.c: anchor[m, n] = Σ_k left[m, k] · right[k, n], then the program on the tile; loops over k, rows and columns are real loops.
// A result of fewer rows than the target's tile has a tile of these rows, and wider.
// Each element is one fma chain with k ascending; where k runs over rows, one chain a block, blocks by tree_sum.
// Two tiles: wide (nv vectors) and narrow (one vector, or one lane where the target has no masks) for the columns left;
// which of them a kernel needs follows from the number of columns and is part of its key. A single column is another
// case: lanes run over rows.
#include "emit_tile.h"

enum { SPAN_ROWS = 96, SPAN_COLUMNS = 64 };

// ---------------------------------------------------------------- tiles
// A span: rows × columns of the result, over some of k. Where that is a block of rows, the tiles' partial sums lie in memory, for
// each level of the tree [SPAN_COLUMNS / columns of a tile][SPAN_ROWS][columns of a tile].
typedef struct {
  Value row, row_to, col, col_to, k, k_to;
  Value block, more, partials;              // number of the block, whether others follow; NULL: all of k
  Value next;                               // elements from its part of the right operand to the next one's; NULL: that of a tile's columns to the right
} Span;

static void tile(Tile *t, const Span *s, Value row, Value step) {
  Kernel *k = t->k;
  LL *l = &k->e->l;
  Value acc[MAX_TILE], from = ll_sub(l, row, t->row);
  tile_chain(k, s->k, s->k_to, acc, t);
  if (!s->block) { tile_finish(t, acc, from, step); return; }
  Value down = ll_mul(l, ll_sub(l, row, s->row), ll_i64(l, t->nv * t->width)), along = ll_mul(l, ll_sub(l, t->col, s->col), ll_i64(l, SPAN_ROWS));
  Partials p = {k, acc_type(t), t->mr * t->nv, ll_at(l, acc_elem(k), s->partials, ll_add(l, down, along)), SPAN_ROWS * SPAN_COLUMNS / t->width};
  Block push = tree_step(&p, s->block, s->more, acc), next = ll_block(l, "next");
  tile_finish(t, acc, from, step);
  ll_br(l, next);
  ll_go(l, push);
  ll_br(l, next);
  ll_go(l, next);
}

// While tiles go down over one part of the right operand the next part comes into L2: of each of its rows a tile fetches a line, the first tile
// the first, until all are there.
static Value part_to_fetch(const Tile *t, const Span *s, Value row) {
  enum { LINE = 64 };
  Kernel *k = t->k;
  LL *l = &k->e->l;
  int columns = t->nv * t->width, line = LINE / (int)dtype_bytes(k->c->right.dtype);
  if (t->width == 1 || t->mr == 1) return NULL;
  Value tiles = LLVMBuildUDiv(l->b, ll_sub(l, row, s->row), ll_i64(l, t->mr), "");
  Value part = ll_min(l, tiles, ll_i64(l, (columns + line - 1) / line - 1));
  return ll_add(l, s->next ? s->next : ll_i64(l, columns), ll_mul(l, part, ll_i64(l, line)));
}

// What is left of the rows at the end is made by the tile that ends there: its first rows are made once more, and left alone. Where a
// call has fewer rows than a tile, each is a tile of its own, with a stride of 0: before them may be no memory, as before a group's own rows.
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
  t.next = part_to_fetch(&t, s, rows.i);
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
  bool rows = at_run_time(t.k->c->dims[0]) && t.mr > 1;
  Value n = ll_sub(l, s->row_to, s->row), few = rows ? ll_icmp(l, LLVMIntSLT, n, ll_i64(l, t.mr)) : NULL;
  if (!rows || t.mr != MOST || t.narrow) {
    tiles_down(t, s, s->row, s->row_to, few);
    return;
  }
  Value left = ll_select(l, few, ll_i64(l, 0), short_tiles(l, n)), to = ll_sub(l, s->row_to, left);
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

// ---------------------------------------------------------------- which tiles
// Rows one behind the other in all that the program reads and writes, and at least as many as a vector has lanes.
static bool is_flat(const Emit *e, const Call *c) {
  int64_t n = c->dims[1].size;
  bool flat = e->has_mask && !at_run_time(c->dims[0]) && c->dims[0].size >= call_width(e, c);
  for (int v = 0; v < c->n_vals; v++) flat &= c->vals[v].kind != VAL_IOTA;
  for (int i = 0; i < c->n_inputs; i++) {
    const int64_t *s = c->inputs[i].stride;
    flat &= c->inputs[i].index < 0 && ((s[0] == 0 && s[1] == 0) || (s[0] == n && s[1] == 1));
  }
  for (int i = 0; i < c->n_outputs; i++) flat &= !c->outputs[i].by && c->outputs[i].stride[0] == n && c->outputs[i].stride[1] == 1;
  return flat;
}

// More columns at once read the left operand less often; where they have to be masked they do more than they save.
static bool is_wide(const Emit *e, const Dim *n, int64_t rows) {
  int64_t step = 2 * e->target->nv * kernel_width(e);
  if (!e->target->wide_mr || rows < e->target->wide_mr || step > SPAN_COLUMNS) return false;
  return at_run_time(*n) || (n->size + step - 1) / step * 2 == (n->size + step / 2 - 1) / (step / 2);
}

static DotTiles tiles_of(const Emit *e, const Call *c, int64_t rows) {
  const Target *target = e->target;
  const Dim *n = &c->dims[1];
  bool is_2 = is_wide(e, n, rows);
  DotTiles t = {.mr = is_2 ? target->wide_mr : target->mr, .nv = is_2 ? 2 * target->nv : target->nv, .columns = 'm'};
  int width = call_width(e, c), most = target->mr * target->nv;
  if (rows < t.mr) t.mr = (int)rows;
  if (at_run_time(c->dims[0]) && at_run_time(c->reduced)) t.mr = 1;          // partial sums of single rows have no place in a span
  while (2 * t.nv * t.mr <= most && 2 * t.nv * width <= (at_run_time(*n) || n->size > SPAN_COLUMNS ? SPAN_COLUMNS : n->size)) t.nv *= 2;
  int step = t.nv * width;
  if (at_run_time(*n)) return t;
  if (n->size % step == 0) t.columns = 'w';
  else if (n->size <= width || (!e->has_mask && n->size < step)) t.columns = n->size <= width && is_flat(e, c) ? 'f' : 'n';
  if (dot_is_column(c)) t.columns = '1';
  return t;
}

DotTiles dot_tiles(const Emit *e, const Call *c) { return tiles_of(e, c, at_run_time(c->dims[0]) ? INT64_MAX : c->dims[0].size); }

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
  Value zero = ll_i64(l, 0), block = ll_i64(l, e->s->block);
  Value partials = kernel_alloca(k, acc_elem(k), (int64_t)SPAN_ROWS * SPAN_COLUMNS * e->tree_levels, "partials");
  Loop rows, cols, blocks;
  loop_begin(e, &rows, k->lo, k->hi, SPAN_ROWS, "span", 0, NULL);
  loop_begin(e, &cols, zero, k->extent[1], SPAN_COLUMNS, "span.col", 0, NULL);
  loop_begin(e, &blocks, k->from, ll_max(l, k->to, ll_i64(l, 1)), e->s->block, "block", 0, NULL);
  Value next = ll_add(l, blocks.i, block), more = ll_icmp(l, LLVMIntSLT, next, k->to);
  Value right = ll_sub(l, ll_i64(l, SPAN_COLUMNS), ll_mul(l, ll_sub(l, blocks.i, k->from), k->right_k));      // the first block of the columns there
  Span s = {
    .row = rows.i, .row_to = ll_min(l, ll_add(l, rows.i, ll_i64(l, SPAN_ROWS)), k->hi),
    .col = cols.i, .col_to = ll_min(l, ll_add(l, cols.i, ll_i64(l, SPAN_COLUMNS)), k->extent[1]),
    .k = blocks.i, .k_to = ll_min(l, next, k->to),
    .block = LLVMBuildUDiv(l->b, ll_sub(l, blocks.i, k->from), block, ""), .more = more, .partials = partials,
    .next = ll_select(l, more, ll_mul(l, block, k->right_k), right),
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
  Span all = {.row = k->lo, .row_to = k->hi, .col = ll_i64(l, 0), .col_to = k->extent[1], .k = k->from, .k_to = k->to};
  CHECK(shape.mr * shape.nv <= MAX_TILE && SPAN_COLUMNS % (shape.nv * k->width) == 0);
  if (shape.columns == '1') emit_column(k);
  else if (at_run_time(k->c->reduced) && !is_block(k)) spans_over_rows(k, &shape);
  else if (k->predicts && at_run_time(k->c->dims[0])) alone_or_more(k, &shape, &all);
  else span(k, &shape, &all);
}
