// sched_run.c: evaluates a call point by point. See sched.h for what each kind of call means.
#include "sched_run.h"
#include <math.h>

typedef struct {
  SchedMemory *m;
  const Call *c;
  int64_t n, from, to;                                       // rows; of the group at hand
  double *val[2];                                            // values of the result's domain, of the prologue's
} Point;

// ---------------------------------------------------------------- memory
static int64_t elements(const Schedule *s, const Buffer *b) { return (b->rows_a + b->rows_b * s->capacity) * b->ld; }
static size_t width(DType t) { return t == F64 || t == I64 ? 8 : 4; }

static int64_t in_group(const SchedMemory *m, const Buffer *b, int64_t at) { return b->role == BUF_LOCAL ? at - m->first_row * b->ld : at; }

static double peek(const SchedMemory *m, int buffer, int64_t at) {
  const Buffer *b = &m->s->buffers.data[buffer];
  at = in_group(m, b, at);
  if (at < 0 || at >= elements(m->s, b)) BUG("element %lld of %s", (long long)at, b->name);
  const void *p = m->buf[buffer];
  return b->dtype == F32 ? (double)((const float *)p)[at] : b->dtype == F64 ? ((const double *)p)[at]
       : b->dtype == U32 ? (double)((const uint32_t *)p)[at] : (double)((const int64_t *)p)[at];
}

static void poke(SchedMemory *m, int buffer, int64_t at, double v) {
  const Buffer *b = &m->s->buffers.data[buffer];
  at = in_group(m, b, at);
  if (at < 0 || at >= elements(m->s, b)) BUG("element %lld of %s", (long long)at, b->name);
  void *p = m->buf[buffer];
  if (b->dtype == F32) ((float *)p)[at] = (float)v;
  else if (b->dtype == F64) ((double *)p)[at] = v;
  else if (b->dtype == U32) ((uint32_t *)p)[at] = (uint32_t)v;
  else ((int64_t *)p)[at] = (int64_t)v;
}

static char *arena_of(const SchedMemory *m, BufferRole r) {
  return r == BUF_SLOT ? m->slots : r == BUF_ROWS ? m->rows : r == BUF_LOCAL ? m->local : NULL;
}

SchedMemory *sched_memory_new(const Schedule *s) {
  SchedMemory *m = xcalloc(1, sizeof *m);
  m->s = s;
  m->slots = xcalloc(1, (size_t)s->slot_bytes + 64);
  m->rows = xmalloc((size_t)s->rows_bytes + 64);
  m->local = xmalloc((size_t)s->local_bytes + 64);
  m->buf = xcalloc((size_t)s->buffers.n, sizeof *m->buf);
  for (int i = 0; i < s->buffers.n; i++) {
    const Buffer *b = &s->buffers.data[i];
    int64_t bytes = elements(s, b) * (int64_t)width(b->dtype);
    char *arena = arena_of(m, b->role);
    int64_t most = b->role == BUF_SLOT ? s->slot_bytes : b->role == BUF_ROWS ? s->rows_bytes : s->local_bytes;
    if (arena && b->offset + bytes > most) BUG("%s is not in its arena", b->name);
    if (arena && b->offset % 64) BUG("%s is not aligned", b->name);
    m->buf[i] = arena ? arena + b->offset : xmalloc((size_t)bytes);
  }
  sched_poison(m);
  return m;
}

void sched_memory_free(SchedMemory *m) {
  for (int i = 0; i < m->s->buffers.n; i++)
    if (!arena_of(m, m->s->buffers.data[i].role)) free(m->buf[i]);
  free(m->slots);
  free(m->rows);
  free(m->local);
  free(m->buf);
  free(m);
}

void sched_poison(SchedMemory *m) {
  memset(m->rows, 0xff, (size_t)m->s->rows_bytes);
  memset(m->local, 0xff, (size_t)m->s->local_bytes);
  for (int i = 0; i < m->s->buffers.n; i++) {
    const Buffer *b = &m->s->buffers.data[i];
    if (!arena_of(m, b->role)) memset(m->buf[i], 0xff, (size_t)elements(m->s, b) * width(b->dtype));
  }
}

double sched_get(const SchedMemory *m, int buffer, int64_t row, int64_t col) {
  return peek(m, buffer, row * m->s->buffers.data[buffer].ld + col);
}
void sched_put(SchedMemory *m, int buffer, int64_t row, int64_t col, double v) {
  poke(m, buffer, row * m->s->buffers.data[buffer].ld + col, v);
}

int sched_buffer(const Schedule *s, BufferRole role, const char *name) {
  for (int i = 0; i < s->buffers.n; i++)
    if (s->buffers.data[i].role == role && (!name || !strcmp(s->buffers.data[i].name, name))) return i;
  return -1;
}

// ---------------------------------------------------------------- scalar operations
static double round_to(DType t, double v) { return t == F32 ? (double)(float)v : v; }
static double fma_in(DType t, double a, double b, double c) {
  return t == F32 ? (double)fmaf((float)a, (float)b, (float)c) : fma(a, b, c);
}

static double op_value(const Call *c, const Val *x, const double *value) {
  double arg[3] = {0};
  bool compares = x->op == OP_LT || x->op == OP_LE || x->op == OP_EQ || x->op == OP_NOT;
  for (int i = 0; i < x->n_in; i++) {
    arg[i] = value[x->in[i]];
    if (!compares) arg[i] = round_to(x->dtype, arg[i]);
  }
  (void)c;
  if (x->op == OP_FMA) return fma_in(x->dtype, arg[0], arg[1], arg[2]);
  if (op_rows[x->op].kind != KIND_MAP) BUG("`%s` is not elementwise", op_rows[x->op].name);
  return round_to(x->dtype, op_rows[x->op].fold(arg, &(Attr){0}));
}

// ---------------------------------------------------------------- the program at a point
static double input_at(const Point *p, int i, const int64_t *at, int rank) {
  const Input *in = &p->c->inputs[i];
  int64_t where = in->offset;
  for (int d = 0; d < rank; d++) where += at[d] * in->stride[d];
  if (in->index >= 0) where += (int64_t)input_at(p, in->index, at, rank) * in->index_stride;
  if (p->m->s->buffers.data[in->buffer].dtype != in->dtype) BUG("%s: dtype of an input", p->c->name);
  return peek(p->m, in->buffer, where);
}

// All values of one domain at `at`. The anchor's value is there already, where the domain is the result's.
static void evaluate(Point *p, int prologue, const int64_t *at, int rank) {
  const Call *c = p->c;
  for (int v = 0; v < c->n_vals; v++) {
    const Val *x = &c->vals[v];
    double *value = p->val[prologue];
    if (x->kind == VAL_CONST) value[v] = round_to(x->dtype, x->f);
    if (x->prologue != prologue || x->kind == VAL_ANCHOR) continue;
    if (x->kind == VAL_IOTA) value[v] = x->dim < 0 ? 0 : (double)at[x->dim];
    if (x->kind == VAL_INPUT) value[v] = round_to(x->dtype, input_at(p, x->input, at, rank));
    if (x->kind == VAL_OP) value[v] = op_value(c, x, value);
  }
}

// ---------------------------------------------------------------- anchors
static double combine(const Call *c, DType t, double acc, double x) {
  return c->reduce_op == OP_AMAX ? (x > acc ? x : acc) : round_to(t, acc + x);
}

static double operand(Point *p, const int64_t *at, int64_t r) {      // what a REDUCE takes in at position r
  const Call *c = p->c;
  int64_t where[MAX_DIMS + 1];
  int first = c->kind == CALL_REDUCE_ROWS;
  for (int d = 0; d < c->n_dims; d++) where[d + first] = at[d];
  where[first ? 0 : c->n_dims] = r;
  evaluate(p, 1, where, c->n_dims + 1);
  return p->val[1][c->vals[c->anchor].in[0]];
}

static double along_lanes(Point *p, const int64_t *at, int64_t from, int64_t to) {
  const Call *c = p->c;
  DType t = c->vals[c->anchor].dtype;
  double lane[16];
  for (int i = 0; i < 16; i++) lane[i] = c->reduce_op == OP_AMAX ? -INFINITY : 0;
  for (int64_t r = from; r < to; r++) lane[(r - from) % 16] = combine(c, t, lane[(r - from) % 16], operand(p, at, r));
  for (int w = 8; w >= 1; w /= 2)
    for (int i = 0; i < w; i++) lane[i] = combine(c, t, lane[i], lane[i + w]);
  return lane[0];
}

static double partial(Point *p, const int64_t *at, int64_t from, int64_t to) {
  const Call *c = p->c;
  DType t = c->vals[c->anchor].dtype;
  if (c->kind == CALL_REDUCE_ROWS && c->n_dims == 0) return along_lanes(p, at, from, to);
  double acc = c->kind == CALL_REDUCE_ROWS && c->reduce_op == OP_AMAX ? -INFINITY : 0;
  for (int64_t r = from; r < to; r++) {
    if (c->kind == CALL_REDUCE_ROWS) {
      acc = combine(c, t, acc, operand(p, at, r));
      continue;
    }
    double x = peek(p->m, c->left.buffer, c->left.offset + at[0] * c->left.stride_mn + r * c->left.stride_k);
    double y = peek(p->m, c->right.buffer, c->right.offset + at[1] * c->right.stride_mn + r * c->right.stride_k);
    acc = fma_in(t, x, y, acc);
  }
  return acc;
}

static int64_t extent_of(const SchedMemory *m, Dim d, int64_t n) {
  if (d.groups_of) return (n + d.groups_of - 1) / d.groups_of;
  return d.is_rows ? n : d.named ? (int64_t)peek(m, d.named - 1, 0) : d.size;
}

static int64_t extent(const Point *p, Dim d) { return extent_of(p->m, d, p->n); }

static double anchor_value(Point *p, const int64_t *at) {
  const Call *c = p->c;
  int64_t from = c->by_group ? p->from : 0, n = c->by_group ? p->to : extent(p, c->reduced), block = c->reduced.groups_of ? 1 : p->m->s->block;
  DType t = c->vals[c->anchor].dtype;
  if (c->kind == CALL_REDUCE_LANES) return along_lanes(p, at, 0, n);
  if (c->reduce_op == OP_AMAX || (c->kind == CALL_DOT && !at_run_time(c->reduced))) return partial(p, at, 0, n);
  double stack[64], acc = 0;
  int sp = 0;
  for (int64_t i = 0, r = from; r < n || i == 0; i++, r += block) {
    acc = partial(p, at, r, r + block < n ? r + block : n);
    for (int64_t k = i; k & 1; k >>= 1) acc = round_to(t, stack[--sp] + acc);
    stack[sp++] = acc;
  }
  for (acc = stack[--sp]; sp > 0;) acc = round_to(t, stack[--sp] + acc);
  return acc;
}

// ---------------------------------------------------------------- calls, on lo … hi−1 of their first dim
static void run_spread(Point *p, int64_t lo, int64_t hi) {
  const Call *c = p->c;
  const Output *o = &c->outputs[0];
  int64_t d = c->n_dims > 1 ? c->dims[1].size : 1, items = c->n_dims > 2 ? c->dims[2].size : 1;
  for (int64_t v = lo; v < hi; v++)
    for (int64_t j = 0; j < d; j++) {
      double sum = 0;
      for (int64_t r = 0; r < extent(p, c->reduced); r++)
        for (int64_t i = 0; i < items; i++) {
          int64_t at[4] = {r, 0, j, i};
          if (c->n_dims > 2 && (double)i >= input_at(p, 2, at, 4)) break;
          if ((int64_t)input_at(p, 0, at, 4) == v) sum = round_to(o->dtype, sum + input_at(p, 1, at, 4));
        }
      poke(p->m, o->buffer, o->offset + v * o->stride[0] + j * o->stride[1], sum);
    }
}

// Columns lo … hi−1: what a bag sums, and what its rows sum by id.
static void run_bag(Point *p, int64_t lo, int64_t hi) {
  const Call *c = p->c;
  const Output *o = &c->outputs[0];
  for (int64_t j = lo; j < hi; j++)
    for (int64_t r = 0; r < p->n; r++) {
      double sum = input_at(p, 1, (int64_t[]){0, j, r}, 3);
      for (int64_t i = 1; i < c->reduced.size; i++) sum = round_to(o->dtype, sum + input_at(p, 1, (int64_t[]){i, j, r}, 3));
      for (int64_t i = 0; c->n_dims > 2 && i < c->dims[2].size; i++) {
        int64_t at[] = {0, j, r, i};
        sum = fma_in(o->dtype, input_at(p, 2, at, 4), input_at(p, 3, at, 4), sum);
      }
      poke(p->m, o->buffer, o->offset + j * o->stride[0] + r * o->stride[1], sum);
    }
}

static void run_spread_bag(Point *p, int64_t lo, int64_t hi) {
  const Call *c = p->c;
  const Output *o = &c->outputs[0];
  int64_t vocabulary = c->dims[1].size;
  for (int64_t j = lo; j < hi; j++)
    for (int64_t v = 0; v < vocabulary; v++) {
      double sum = 0;
      for (int64_t at = c->lists.offset, first = 0; first < p->n; first += c->lists.rows, at += c->lists.words)
        for (int64_t e = (int64_t)peek(p->m, c->lists.buffer, at + v); e < (int64_t)peek(p->m, c->lists.buffer, at + v + 1); e++) {
          int64_t r = (int64_t)peek(p->m, c->lists.buffer, at + by_id_rows(vocabulary) + e);
          sum = round_to(o->dtype, sum + input_at(p, 0, (int64_t[]){r, j, v}, 3));
        }
      poke(p->m, o->buffer, o->offset + j * o->stride[0] + v * o->stride[1], sum);
    }
}

static int64_t word(const Point *p, int64_t i) { return (int64_t)peek(p->m, p->c->sorted.buffer, p->c->sorted.offset + i); }

static void store(Point *p, const int64_t *at) {
  const Call *c = p->c;
  for (int i = 0; i < c->n_outputs; i++) {
    const Output *o = &c->outputs[i];
    int64_t where = o->offset;
    for (int d = 0; d < c->n_dims; d++) where += at[d] * o->stride[d];
    if (o->by) where += (int64_t)input_at(p, o->by - 1, at, c->n_dims) * o->row_stride;
    if (p->m->s->buffers.data[o->buffer].dtype != o->dtype) BUG("%s: dtype of an output", c->name);
    poke(p->m, o->buffer, where, p->val[0][o->val]);
  }
}

static double sum_of_source(Point *p, int64_t u, int s, int64_t j) {
  const Call *c = p->c;
  const Input *in = &c->inputs[s];
  int64_t distinct = c->sorted.distinct, first = sorted_starts(distinct) + u * c->sorted.sources + s;
  double sum = 0;
  for (int64_t e = word(p, first); e < word(p, first + 1); e++) {
    int64_t from = word(p, sorted_rows(distinct, c->sorted.sources) + e) * in->stride[0] +
                   word(p, sorted_items(distinct, c->sorted.sources, c->sorted.ids) + e) * c->sorted.item_stride[s] + j * in->stride[2];
    sum = round_to(c->vals[c->anchor].dtype, sum + peek(p->m, in->buffer, in->offset + from));
  }
  return sum;
}

static void run_rows(Point *p, int64_t lo, int64_t hi, int64_t inner) {
  const Call *c = p->c;
  for (int64_t u = lo; u < hi; u++)
    for (int64_t j = 0; j < inner; j++) {
      int64_t at[MAX_DIMS + 1] = {u, j};
      double sum = 0;
      for (int s = 0; s < c->sorted.sources; s++)
        sum = s ? round_to(c->vals[c->anchor].dtype, sum + sum_of_source(p, u, s, j)) : sum_of_source(p, u, s, j);
      p->val[0][c->anchor] = sum;
      evaluate(p, 0, at, c->n_dims);
      store(p, at);
    }
}

typedef struct { int64_t from, to; } GroupRows;                          // of a group

static void run_call(SchedMemory *m, const Call *c, int64_t n, int64_t lo, int64_t hi, GroupRows rows) {
  Point p = {m, c, n, rows.from, rows.to, {xcalloc((size_t)c->n_vals + 1, sizeof(double)), xcalloc((size_t)c->n_vals + 1, sizeof(double))}};
  int64_t inner = 1, at[MAX_DIMS + 1] = {0};
  for (int d = 1; d < c->n_dims; d++) inner *= extent(&p, c->dims[d]);
  if (c->kind == CALL_SPREAD) run_spread(&p, lo, hi);
  if (c->kind == CALL_BAG) run_bag(&p, lo, hi);
  if (c->kind == CALL_SPREAD_BAG) run_spread_bag(&p, lo, hi);
  if (c->kind == CALL_ROWS) { run_rows(&p, lo, hi, inner); lo = hi; }
  for (int64_t i = moves_rows(c->kind) ? hi : lo; i < hi; i++)
    for (int64_t j = 0; j < inner; j++) {
      int64_t rest = j;
      at[0] = i;
      for (int d = c->n_dims - 1; d > 0; d--) at[d] = rest % extent(&p, c->dims[d]), rest /= extent(&p, c->dims[d]);
      if (c->anchor >= 0) p.val[0][c->anchor] = anchor_value(&p, at);
      evaluate(&p, 0, at, c->n_dims);
      store(&p, at);
    }
  free(p.val[0]);
  free(p.val[1]);
}

// Rows lo … hi−1 are a group.
static void run_group(SchedMemory *m, const Call *c, int64_t n, int64_t lo, int64_t hi) {
  Output out = c->outputs[0];
  Call one = *c;
  CHECK(lo % c->by_group == 0 && hi - lo <= c->by_group && c->n_outputs == 1);
  out.offset += lo / c->by_group * c->group_stride;
  one.outputs = &out;
  run_call(m, &one, n, 0, c->dims[0].size, (GroupRows){lo, hi});
}

// ---------------------------------------------------------------- phases
static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static void run_host(SchedMemory *m, const Call *c, int64_t n, int64_t item) {
  host_run(host_rows, m->buf, &c->host, 1, n, item, item + 1);
}

static void run_rows_of(SchedMemory *m, const Call *c, int64_t n, int64_t lo, int64_t hi) {
  if (c->by_group) run_group(m, c, n, lo, hi);
  else run_call(m, c, n, lo, hi, (GroupRows){0});
}

static void run_item(SchedMemory *m, const Phase *ph, int64_t n, int64_t item) {
  if (ph->over_rows) {
    m->first_row = item * ph->group;
    for (int i = 0; i < ph->n_calls; i++)
      run_rows_of(m, &ph->calls[i], n, item * ph->group, smaller(n, (item + 1) * ph->group));
    return;
  }
  for (int i = 0; i < ph->n_calls; item -= ph->calls[i++].items) {
    const Call *c = &ph->calls[i];
    if (item < 0 || item >= c->items) continue;
    if (c->kind == CALL_HOST) { run_host(m, c, n, item); continue; }
    int64_t size = c->n_dims == 0 ? 1 : extent_of(m, c->dims[0], n);
    run_call(m, c, n, c->n_dims ? item * c->item_rows : 0, c->n_dims ? smaller(size, (item + 1) * c->item_rows) : 1, (GroupRows){0});
  }
}

static void run_phase(SchedMemory *m, const Phase *ph, int64_t n, uint64_t order) {
  int64_t items = ph->over_rows ? (n + ph->group - 1) / ph->group : 0;
  for (int i = 0; !ph->over_rows && i < ph->n_calls; i++) items += ph->calls[i].items;
  int64_t *which = xcalloc((size_t)items + 1, sizeof *which);
  for (int64_t i = 0; i < items; i++) which[i] = i;
  for (int64_t i = items - 1; order && i > 0; i--) {
    uint64_t key[2] = {order, (uint64_t)i};
    int64_t j = (int64_t)(hash_bytes(key, sizeof key, 11) % (uint64_t)(i + 1)), t = which[i];
    which[i] = which[j];
    which[j] = t;
  }
  for (int64_t i = 0; i < items; i++) run_item(m, ph, n, which[i]);
  free(which);
}

void sched_run(SchedMemory *m, ProgramId program, int64_t n, int64_t step, double lr, uint64_t order) {
  int ints = sched_buffer(m->s, BUF_RT_INT, NULL), reals = sched_buffer(m->s, BUF_RT_REAL, NULL);
  ((int64_t *)m->buf[ints])[RT_N] = n;
  ((int64_t *)m->buf[ints])[RT_STEP] = step;
  ((double *)m->buf[reals])[RT_LR] = lr;
  const SchedProgram *g = &m->s->programs[program];
  for (int i = 0; i < g->n_phases; i++) run_phase(m, &g->phases[i], n, order ? order + (uint64_t)i : 0);
}
