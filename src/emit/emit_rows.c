// emit_rows.c: the gradient of a table's rows that the batch names: for each distinct id v, anchor[j] = Σ over the lists of places of (Σ of the
// values at v's places, rows and then items ascending), as spreads and their sum give it; then the program, whose slots are read and
// written at row v. What is not named is not looked at: the cost knows the batch, not the table. Rows lie anywhere: those of an id some
// way ahead are fetched meanwhile.
#include "emit_int.h"

typedef struct {
  Value ids, starts, rows, items;                                    // lists: see host.h
  Value bound[SORT_SOURCES + 1];                                     // of the id at hand: entries of source s are bound[s] … bound[s + 1] − 1
} Places;

Value word(Kernel *k, Value list, Value i) {
  LL *l = &k->e->l;
  return LLVMBuildZExt(l->b, ll_load(l, l->i32, ll_at(l, l->i32, list, i), 4, ""), l->i64, "");
}

static Places places(Kernel *k) {
  LL *l = &k->e->l;
  Places x = {.ids = ll_at(l, l->i32, k->sorted, ll_i64(l, SORTED_IDS))};
  x.starts = ll_at(l, l->i32, x.ids, k->distinct);
  Value starts = ll_mul(l, k->distinct, ll_i64(l, k->c->sorted.sources));
  x.rows = ll_at(l, l->i32, x.starts, ll_add(l, starts, ll_i64(l, 1)));
  x.items = ll_at(l, l->i32, x.rows, k->ids);
  return x;
}

static void find_bounds(Kernel *k, Places *x, Value u) {
  LL *l = &k->e->l;
  Value first = ll_mul(l, u, ll_i64(l, k->c->sorted.sources));
  for (int s = 0; s <= k->c->sorted.sources; s++) x->bound[s] = word(k, x->starts, ll_add(l, first, ll_i64(l, s)));
}

static State to_place(Kernel *k, const Places *x, int source, Value entry) {
  LL *l = &k->e->l;
  State back = kernel_enter(k, AXIS_REDUCED, word(k, x->rows, entry));
  Value item = ll_mul(l, word(k, x->items, entry), k->item_stride[source]);
  k->st.in[source] = ll_at(l, emit_type(k->e, k->c->inputs[source].dtype), k->st.in[source], item);
  return back;
}

// The values at a place some way ahead: they lie by rows of the batch, and are come to by ids.
static void fetch_values(Kernel *k, const Places *x) {
  if (k->c->sorted.sources > 1) return;
  State back = to_place(k, x, 0, position_ahead(k, x->bound[0], k->ids));
  fetch_elements(k, k->c->inputs[0].dtype, k->st.in[0], k->c->n_dims > 1 ? k->extent[1] : ll_i64(&k->e->l, 1));
  kernel_leave(k, back);
}

static Value value_at(Kernel *k, const Point *p, int source) {
  return convert(k->e, load_input(k, p, source), k->c->inputs[source].dtype, k->c->vals[k->c->anchor].dtype);
}

static Value zero(Kernel *k, int width) { return ll_real(ll_vec(emit_type(k->e, k->c->vals[k->c->anchor].dtype), width), 0); }

// The sums of `n` vectors side by side from points p on, so that each place is looked up once for them.
static void sum_of_source(Kernel *k, const Point *p, int n, const Places *x, int source, Value *sum) {
  LL *l = &k->e->l;
  Value next[MAX_ROW_VECTORS] = {NULL};
  for (int v = 0; v < n; v++) next[v] = zero(k, p->width);
  Loop entry;
  loop_begin(k->e, &entry, x->bound[source], x->bound[source + 1], 1, "entry", n, next);
  State back = to_place(k, x, source, entry.i);
  for (int v = 0; v < n; v++) {
    State first = k->st;
    if (v) kernel_enter(k, 1, ll_i64(l, (int64_t)v * p->width));
    next[v] = ll_fadd(l, entry.carried[v], value_at(k, &p[v], source));
    k->st = first;
  }
  kernel_leave(k, back);
  loop_end(k->e, &entry, next);
  memcpy(sum, entry.carried, sizeof *sum * (size_t)n);
}

static void sums(Kernel *k, const Point *p, int n, const Places *x, Value *sum) {
  sum_of_source(k, p, n, x, 0, sum);
  for (int s = 1; s < k->c->sorted.sources; s++) {
    Value more[MAX_ROW_VECTORS];
    sum_of_source(k, p, n, x, s, more);
    for (int v = 0; v < n; v++) sum[v] = ll_fadd(&k->e->l, sum[v], more[v]);
  }
}

static void at_row(Kernel *k, Point *p, void *ctx) {
  sums(k, p, 1, ctx, &p->memo[k->c->anchor]);
  eval_outputs(k, p);
}

// A row of few vectors.
static void at_whole_row(Kernel *k, int n, const Places *x) {
  LL *l = &k->e->l;
  Point p[MAX_ROW_VECTORS];
  Value sum[MAX_ROW_VECTORS];
  for (int v = 0; v < n; v++) p[v] = point_new(k, k->width, 1, row_mask(k, v, k->extent[1]));
  sums(k, p, n, x, sum);
  for (int v = 0; v < n; v++) {
    State back = kernel_enter(k, 1, ll_i64(l, (int64_t)v * k->width));
    p[v].memo[k->c->anchor] = sum[v];
    eval_outputs(k, &p[v]);
    kernel_leave(k, back);
  }
}

static void at_id(Kernel *k, Value u, Places *x) {
  int lane_axis = k->c->n_dims > 1 ? 1 : -1, vectors = lane_axis > 0 ? whole_row(k, k->extent[1]) : 0;
  State back = kernel_enter(k, 0, u);
  kernel_resolve(k, lane_axis);
  kernel_hoist(k, lane_axis);
  fetch_values(k, x);
  if (vectors) at_whole_row(k, vectors, x);
  else if (lane_axis > 0) lanes(k, 1, ll_i64(&k->e->l, 0), k->extent[1], at_row, x);
  else {
    Point p = point_new(k, 1, -1, NULL);
    at_row(k, &p, x);
  }
  kernel_leave(k, back);
}

void emit_rows(Kernel *k) {
  Emit *e = k->e;
  if (k->c->n_dims < 1 || k->c->n_dims > 2) {
    emit_error(e, "call %s: a sum by ids has dims [C] or [C, d]", k->c->name ? k->c->name : "");
    return;
  }
  Places x = places(k);
  Loop id;
  fetch_first(k, 0, k->lo, k->hi);
  loop_begin(e, &id, k->lo, k->hi, 1, "id", 0, NULL);
  fetch_next(k, 0, id.i, k->hi);
  find_bounds(k, &x, id.i);
  at_id(k, id.i, &x);
  loop_end(e, &id, NULL);
}
