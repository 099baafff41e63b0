// emit_transpose.c: maps of one input that lies with its rows along the lanes' columns, as a weight's transpose: squares of width × width
// are read row by row, turned in registers, and the program sees them as columns. Other maps read such an input lane by lane.
#include "emit_int.h"

enum { UNIT = 4 };                          // f32 in 128 bits, within which shuffles are cheapest

int transposed_input(const Emit *e, const Call *c) {
  int last = c->n_dims - 1, found = -1;
  if (c->kind != CALL_MAP || last < 1 || kernel_width(e) < UNIT) return -1;
  for (int i = 0; i < c->n_inputs; i++) {
    const Input *in = &c->inputs[i];
    if (in->index >= 0) return -1;
    if (in->stride[last] == 0 || in->stride[last] == 1) continue;
    if (found >= 0 || in->stride[last - 1] != 1 || in->dtype != F32) return -1;
    found = i;
  }
  for (int i = 0; i < c->n_outputs; i++)
    if (c->outputs[i].by || c->outputs[i].stride[last] != 1) return -1;
  return found;
}

// [a, b] as one vector, of which lane i of the result is lane of[i].
static Value shuffle(LL *l, Value a, Value b, const int *of, int width) {
  Value lane[MOST_LANES];
  for (int i = 0; i < width; i++) lane[i] = ll_i32(l, of[i]);
  return LLVMBuildShuffleVector(l->b, a, b, LLVMConstVector(lane, (unsigned)width), "");
}

// Rows r and r + d change places of d columns each: the blocks of 2d × 2d are then turned, but for what is within those of d × d.
static void swap_blocks(LL *l, Value *row, int width, int d) {
  int low[MOST_LANES], high[MOST_LANES];
  for (int i = 0; i < width; i++) {
    low[i] = i & d ? width + i - d : i;
    high[i] = i & d ? width + i : i + d;
  }
  for (int r = 0; r < width; r++) {
    if (r & d) continue;
    Value a = row[r], b = row[r + d];
    row[r] = shuffle(l, a, b, low, width);
    row[r + d] = shuffle(l, a, b, high, width);
  }
}

// Four rows: every 4 × 4 block of them is turned where it stands.
static void turn_units(LL *l, Value *row, int width) {
  int of[4][MOST_LANES];                    // elements of two rows in turns, low and high; pairs of elements, low and high
  for (int i = 0; i < width; i++) {
    int unit = i & -UNIT, at = i % UNIT, other = width;
    of[0][i] = unit + at / 2 + at % 2 * other;
    of[1][i] = of[0][i] + 2;
    of[2][i] = unit + at % 2 + at / 2 * other;
    of[3][i] = of[2][i] + 2;
  }
  Value low = shuffle(l, row[0], row[1], of[0], width), high = shuffle(l, row[0], row[1], of[1], width);
  Value low2 = shuffle(l, row[2], row[3], of[0], width), high2 = shuffle(l, row[2], row[3], of[1], width);
  row[0] = shuffle(l, low, low2, of[2], width);
  row[1] = shuffle(l, low, low2, of[3], width);
  row[2] = shuffle(l, high, high2, of[2], width);
  row[3] = shuffle(l, high, high2, of[3], width);
}

void turn_square(LL *l, Value *row, int width) {
  for (int d = width / 2; d >= UNIT; d /= 2) swap_blocks(l, row, width, d);
  for (int r = 0; r < width; r += UNIT) turn_units(l, row + r, width);
}

// The square at the point, from position j along the last axis.
static void square(Kernel *k, int input, Value j) {
  LL *l = &k->e->l;
  int last = k->c->n_dims - 1, w = k->width;
  Value row[MOST_LANES];
  State back = kernel_enter(k, last, j);
  for (int r = 0; r < w; r++) {
    State here = kernel_enter(k, last, ll_i64(l, r));
    row[r] = ll_load(l, ll_vec(l->f32, w), k->st.in[input], dtype_bytes(F32), "");
    kernel_leave(k, here);
  }
  turn_square(l, row, w);
  for (int r = 0; r < w; r++) {
    State here = kernel_enter(k, last - 1, ll_i64(l, r));
    Point p = point_new(k, w, last, NULL);
    for (int v = 0; v < k->c->n_vals; v++)
      if (k->c->vals[v].kind == VAL_INPUT && k->c->vals[v].input == input) p.memo[v] = convert(k->e, row[r], F32, k->c->vals[v].dtype);
    eval_outputs(k, &p);
    kernel_leave(k, here);
  }
  kernel_leave(k, back);
}

// Of so many rows, the columns from … on.
static void rest(Kernel *k, Value rows, Value from) {
  LL *l = &k->e->l;
  int last = k->c->n_dims - 1;
  Loop lp;
  loop_begin(k->e, &lp, ll_i64(l, 0), rows, 1, "rest", 0, NULL);
  State back = kernel_enter(k, last - 1, lp.i);
  lanes(k, last, from, k->extent[last], map_body, NULL);
  kernel_leave(k, back);
  loop_end(k->e, &lp, NULL);
}

// Lanes are rows of squares here; what is left of them in the end comes alone or with a mask.
static void strip(Kernel *k, Point *p, void *ctx) {
  LL *l = &k->e->l;
  int last = k->c->n_dims - 1;
  Value zero = ll_i64(l, 0);
  if (p->width < k->width || p->mask) {
    Value left = ll_sub(l, last == 1 ? k->hi : k->extent[last - 1], k->st.idx[last - 1]);
    rest(k, p->width == 1 ? ll_i64(l, 1) : ll_min(l, left, ll_i64(l, p->width)), zero);
    return;
  }
  Value whole = ll_and(l, k->extent[last], ll_i64(l, -(int64_t)k->width));
  Loop lp;
  loop_begin(k->e, &lp, zero, whole, k->width, "square", 0, NULL);
  square(k, *(int *)ctx, lp.i);
  loop_end(k->e, &lp, NULL);
  rest(k, ll_i64(l, k->width), whole);
}

void emit_transpose(Kernel *k, int input) { nest(k, k->c->n_dims - 2, strip, &input); }
