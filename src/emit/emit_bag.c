// emit_bag.c: sums of the rows that ids name, and sums of rows by id. Both go through all rows for a few columns at a time, whose sums are
// held in registers: what is read again and again, these columns of the table or of the values, then stays in a cache.
#include "emit_int.h"

// Of a full strip. A chain of sums waits for each sum: others go on beside it, of rows TOGETHER in a bag, of FEWEST_VECTORS by id.
enum { COLUMNS = 32, FEWEST_VECTORS = 4, MOST_VECTORS = 16, TOGETHER = 2 };

typedef struct { int n; Point p; } Strip;                            // n vectors side by side; the kernel has entered axis 0
typedef Value LoadFn(Kernel *k, const Point *p, int operand);
typedef void StripFn(Kernel *k, const Strip *x);

// ---------------------------------------------------------------- vectors of a strip
static State enter_vector(Kernel *k, const Strip *x, int i) { return kernel_enter(k, 0, ll_i64(&k->e->l, (int64_t)i * x->p.width)); }

static void load_strip(Kernel *k, const Strip *x, LoadFn *load, int operand, Value *out) {
  for (int i = 0; i < x->n; i++) {
    State back = enter_vector(k, x, i);
    out[i] = load(k, &x->p, operand);
    kernel_leave(k, back);
  }
}

static void store_strip(Kernel *k, const Strip *x, const Value *v) {
  for (int i = 0; i < x->n; i++) {
    State back = enter_vector(k, x, i);
    store_output(k, &x->p, 0, v[i]);
    kernel_leave(k, back);
  }
}

static void add_strip(Kernel *k, const Strip *x, int input, const Value *sum, Value *out) {
  load_strip(k, x, load_input, input, out);
  for (int i = 0; i < x->n; i++) out[i] = ll_fadd(&k->e->l, sum[i], out[i]);
}

// ---------------------------------------------------------------- all strips of columns lo … hi−1
// Strips of n vectors from column `from` on, as many as there are whole ones; gives the first column left.
static Value strips(Kernel *k, int n, int width, Value from, StripFn *body) {
  LL *l = &k->e->l;
  int64_t columns = (int64_t)n * width;
  Value whole = ll_add(l, from, ll_and(l, ll_sub(l, k->hi, from), ll_i64(l, -columns)));
  Loop lp;
  loop_begin(k->e, &lp, from, whole, columns, "strip", 0, NULL);
  State back = kernel_enter(k, 0, lp.i);
  Strip x = {n, point_new(k, width, 0, NULL)};
  body(k, &x);
  kernel_leave(k, back);
  loop_end(k->e, &lp, NULL);
  return whole;
}

static void masked_strip(Kernel *k, Value from, StripFn *body) {     // what is left of less than a vector
  LL *l = &k->e->l;
  Loop lp;
  loop_begin(k->e, &lp, from, k->hi, k->width, "tail", 0, NULL);
  State back = kernel_enter(k, 0, lp.i);
  Strip x = {1, point_new(k, k->width, 0, lane_mask(k->e, k->width, ll_sub(l, k->hi, lp.i)))};
  body(k, &x);
  kernel_leave(k, back);
  loop_end(k->e, &lp, NULL);
}

static void all_strips(Kernel *k, int n, StripFn *body) {            // n vectors or fewer, a power of two
  CHECK(n > 0 && n <= MOST_VECTORS && !(n & (n - 1)));
  Value from = k->lo;
  for (; n > 0; n /= 2) from = strips(k, n, k->width, from, body);
  if (k->e->has_mask) masked_strip(k, from, body);
  else strips(k, 1, 1, from, body);
}

// ---------------------------------------------------------------- rows named by ids
// Enters item i of the row: input 1 is then the row of the table that it names.
static State enter_item(Kernel *k, Value i) {
  LL *l = &k->e->l;
  State back = kernel_enter(k, AXIS_REDUCED, i);
  Value id = LLVMBuildZExt(l->b, ll_load(l, l->i32, k->st.in[0], 4, "id"), l->i64, "");
  k->st.in[1] = ll_at(l, emit_type(k->e, k->c->inputs[1].dtype), k->st.in[1], ll_mul(l, id, k->index_stride[1]));
  k->st.resolved[1] = true;
  return back;
}

// Goes on with the products of inputs 2 and 3.
static void add_products(Kernel *k, const Strip *x, const State *row, int n, Value *sum) {
  LL *l = &k->e->l;
  Value next[TOGETHER * MOST_VECTORS], w[MOST_VECTORS], term;
  Loop i;
  loop_begin(k->e, &i, ll_i64(l, 0), k->extent[2], 1, "k", n * x->n, sum);
  for (int r = 0; r < n; r++) {
    k->st = row[r];
    kernel_enter(k, 2, i.i);
    if (r == 0) load_strip(k, x, load_input, 3, w);                  // the same for each row
    load_strip(k, &(Strip){1, x->p}, load_input, 2, &term);
    for (int v = 0; v < x->n; v++) next[r * x->n + v] = emit_fma(k->e, term, w[v], i.carried[r * x->n + v]);
  }
  loop_end(k->e, &i, next);
  memcpy(sum, i.carried, sizeof *sum * (size_t)(n * x->n));
}

// `n` rows at once from row `first` on: sums that do not wait for one another.
static void bag_rows(Kernel *k, const Strip *x, Value first, int n) {
  LL *l = &k->e->l;
  Value sum[TOGETHER * MOST_VECTORS], next[TOGETHER * MOST_VECTORS];
  State back = k->st, row[TOGETHER];
  Loop i;
  for (int r = 0; r < n; r++) {
    kernel_enter(k, 1, ll_add(l, first, ll_i64(l, r)));
    row[r] = k->st;
    enter_item(k, ll_i64(l, 0));
    load_strip(k, x, load_input, 1, &sum[r * x->n]);
    k->st = back;
  }
  loop_begin(k->e, &i, ll_i64(l, 1), k->extent[AXIS_REDUCED], 1, "i", n * x->n, sum);
  for (int r = 0; r < n; r++) {
    k->st = row[r];
    enter_item(k, i.i);
    add_strip(k, x, 1, &i.carried[r * x->n], &next[r * x->n]);
  }
  loop_end(k->e, &i, next);
  if (k->c->n_dims > 2) add_products(k, x, row, n, i.carried);
  for (int r = 0; r < n; r++) {
    k->st = row[r];
    store_strip(k, x, &i.carried[r * x->n]);
  }
  k->st = back;
}

static void bag_strip(Kernel *k, const Strip *x) {
  LL *l = &k->e->l;
  Value zero = ll_i64(l, 0), whole = ll_and(l, k->extent[1], ll_i64(l, -TOGETHER));
  Loop r;
  loop_begin(k->e, &r, zero, whole, TOGETHER, "r", 0, NULL);
  bag_rows(k, x, r.i, TOGETHER);
  loop_end(k->e, &r, NULL);
  loop_begin(k->e, &r, whole, k->extent[1], 1, "rest", 0, NULL);
  bag_rows(k, x, r.i, 1);
  loop_end(k->e, &r, NULL);
}

void emit_bag(Kernel *k) { all_strips(k, COLUMNS / k->width, bag_strip); }

// ---------------------------------------------------------------- rows by id
// One chunk: begin[v] says where v's rows begin in the list. A sum goes on from where the chunk before left it.
static void add_chunk(Kernel *k, const Strip *x, Value chunk, Value begin) {
  LL *l = &k->e->l;
  Value rows = ll_at(l, l->i32, begin, ll_add(l, k->extent[1], ll_i64(l, by_id_rows(0))));
  Value first = ll_icmp(l, LLVMIntEQ, chunk, ll_i64(l, 0)), sum[MOST_VECTORS], next[MOST_VECTORS];
  Loop v, entry;
  loop_begin(k->e, &v, ll_i64(l, 0), k->extent[1], 1, "v", 0, NULL);
  State back = kernel_enter(k, 1, v.i);
  load_strip(k, x, load_output, 0, sum);
  for (int i = 0; i < x->n; i++) sum[i] = ll_select(l, first, ll_real(LLVMTypeOf(sum[i]), 0), sum[i]);
  Value from = word(k, begin, v.i), to = word(k, begin, ll_add(l, v.i, ll_i64(l, 1)));
  loop_begin(k->e, &entry, from, to, 1, "entry", x->n, sum);
  State row = kernel_enter(k, AXIS_REDUCED, word(k, rows, entry.i));
  add_strip(k, x, 0, entry.carried, next);
  kernel_leave(k, row);
  loop_end(k->e, &entry, next);
  store_strip(k, x, entry.carried);
  kernel_leave(k, back);
  loop_end(k->e, &v, NULL);
}

static void spread_bag_strip(Kernel *k, const Strip *x) {
  LL *l = &k->e->l;
  Value up = ll_sub(l, k->list_rows, ll_i64(l, 1)), chunks = LLVMBuildUDiv(l->b, ll_add(l, k->extent[AXIS_REDUCED], up), k->list_rows, "chunks");
  Loop c;
  loop_begin(k->e, &c, ll_i64(l, 0), chunks, 1, "chunk", 0, NULL);
  add_chunk(k, x, c.i, ll_at(l, l->i32, k->lists, ll_mul(l, c.i, k->list_words)));
  loop_end(k->e, &c, NULL);
}

void emit_spread_bag(Kernel *k) {
  int n = COLUMNS / k->width;
  all_strips(k, n < FEWEST_VECTORS ? FEWEST_VECTORS : n, spread_bag_strip);
}
