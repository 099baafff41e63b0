// blocks.c: sums over rows in two parts. What a group of rows adds to a gradient of weights is summed in the phase over rows that makes the
// operands, by the thread that has them in its caches; the groups are added up where the weights are updated. So threads exchange as many
// numbers as there are weights, for each group, and not the operands of each row. A group is a power of two of blocks: its sum is one of
// those in the tree of the sum in one piece, and no bit changes.
#include "plan_int.h"

typedef struct { Planner *p; Phase *ph; int n, rows; } Splitting;       // rows: the phase over rows at hand

static bool reads_by_row(const Call *c, const Input *in) { return c->kind == CALL_REDUCE_ROWS && input_prologue(c, (int)(in - c->inputs)); }

// A sum over rows of a fixed number of values, more than one.
static bool is_sum(const Call *c) {
  bool dot = c->kind == CALL_DOT && c->dims[1].size > 1, sum = c->kind == CALL_REDUCE_ROWS && c->reduce_op == OP_SUM;
  if (!(dot || sum) || !c->reduced.is_rows || c->n_dims < 1) return false;
  for (int d = 0; d < c->n_dims; d++)
    if (at_run_time(c->dims[d])) return false;
  for (int i = 0; i < c->n_inputs; i++)
    if (c->inputs[i].index >= 0) return false;
  for (int i = 0; i < c->n_outputs; i++)
    if (c->outputs[i].by) return false;
  return true;
}

static bool is_operand(const Call *c, int buffer) {
  if (c->kind == CALL_DOT) return c->left.buffer == buffer || c->right.buffer == buffer;
  for (int i = 0; i < c->n_inputs; i++)
    if (c->inputs[i].buffer == buffer && reads_by_row(c, &c->inputs[i])) return true;
  return false;
}

static bool makes_operand(const Call *of, const Call *c) {
  for (int i = 0; i < of->n_outputs; i++)
    if (is_operand(c, of->outputs[i].buffer)) return true;
  return of->kind == CALL_HOST && is_operand(c, of->host.out.buffer);
}

// The phase that makes the last of its operands; −1: none.
static int made_in(const Splitting *s, const Call *c, int before) {
  for (int t = before - 1; t >= 0; t--)
    for (int i = 0; i < s->ph[t].n_calls; i++)
      if (makes_operand(&s->ph[t].calls[i], c)) return t;
  return -1;
}

static bool can_split(const Splitting *s, const Call *c, int phase) { return is_sum(c) && made_in(s, c, phase) == s->rows; }

// What a group of rows adds is written and read once; the operands are those of its rows.
static bool is_small(const Splitting *s, const Call *c) {
  if (c->kind != CALL_DOT) return true;
  int64_t m = c->dims[0].size, n = c->dims[1].size;
  return 2 * m * n < s->p->s->block * (m + n);
}

// ---------------------------------------------------------------- the two parts
static int sums_buffer(Planner *p, const Call *c, int64_t group) {
  int64_t rows = 1, groups = (p->s->capacity + group - 1) / group;
  for (int d = 0; d < c->n_dims - 1; d++) rows *= c->dims[d].size;
  return add_buffer(p->s, arena_printf(p->s->arena, "sums.%s", c->name), BUF_ROWS, c->vals[c->anchor].dtype, groups * rows, 0,
                    c->dims[c->n_dims - 1].size);
}

static void strides_of(const Planner *p, const Call *c, int buffer, int64_t *stride, int64_t *group) {
  int64_t at = p->s->buffers.data[buffer].ld;
  stride[c->n_dims - 1] = 1;
  for (int d = c->n_dims - 2; d >= 0; d--) stride[d] = at, at *= c->dims[d].size;
  *group = at;
}

// Values that are evaluated on this domain, and what they read; the anchor is one of both. From the old numbers to the new ones.
typedef struct { int *val, *input; } Moved;

static void keep_values(const Call *from, bool prologue, Call *to, Moved *m) {
  for (int i = 0; i < from->n_inputs; i++) {
    bool kept = input_prologue(from, i) == prologue;
    m->input[i] = kept ? to->n_inputs : -1;
    if (kept) to->inputs[to->n_inputs++] = from->inputs[i];
  }
  for (int v = 0; v < from->n_vals; v++) {
    m->val[v] = -1;
    if (v != from->anchor && from->vals[v].prologue != prologue) continue;
    Val x = from->vals[v];
    for (int k = 0; k < x.n_in; k++) x.in[k] = v == from->anchor && !prologue ? 0 : m->val[x.in[k]];
    if (x.kind == VAL_INPUT) x.input = m->input[x.input];
    m->val[v] = to->n_vals;
    to->vals[to->n_vals++] = x;
  }
  to->anchor = m->val[from->anchor];
}

static Call copy_of(Planner *p, const Call *c, Moved *m) {
  Arena *a = p->s->arena;
  Call out = *c;
  out.vals = NEW_ARRAY(a, Val, c->n_vals + 2), out.n_vals = 0;
  out.inputs = NEW_ARRAY(a, Input, c->n_inputs + 2), out.n_inputs = 0;
  m->val = NEW_ARRAY(a, int, c->n_vals + 1), m->input = NEW_ARRAY(a, int, c->n_inputs + 1);
  return out;
}

static Call part_of(Planner *p, const Call *c, int buffer, int64_t group) {
  Moved m;
  Call part = copy_of(p, c, &m);
  keep_values(c, true, &part, &m);
  part.by_group = group;
  part.outputs = NEW_ARRAY(p->s->arena, Output, 1), part.n_outputs = 1;
  part.outputs[0] = (Output){ .val = part.anchor, .buffer = buffer, .dtype = c->vals[c->anchor].dtype };
  strides_of(p, c, buffer, part.outputs[0].stride, &part.group_stride);
  return part;
}

static Call rest_of(Planner *p, const Call *c, int buffer, int64_t group) {
  Moved m;
  Call rest = copy_of(p, c, &m);
  DType t = c->vals[c->anchor].dtype;
  rest.kind = CALL_REDUCE_ROWS, rest.reduce_op = OP_SUM;
  rest.reduced = (Dim){ .groups_of = group, .size = (p->s->capacity + group - 1) / group };
  rest.inputs[rest.n_inputs++] = (Input){ .buffer = buffer, .dtype = t, .index = -1 };
  rest.vals[rest.n_vals++] = (Val){ .kind = VAL_INPUT, .dtype = t, .prologue = 1 };
  strides_of(p, c, buffer, rest.inputs[0].stride + 1, &rest.inputs[0].stride[0]);
  keep_values(c, false, &rest, &m);
  rest.vals[rest.anchor].n_in = 1;
  rest.outputs = NEW_ARRAY(p->s->arena, Output, c->n_outputs + 1);
  for (int i = 0; i < c->n_outputs; i++) rest.outputs[i] = c->outputs[i], rest.outputs[i].val = m.val[c->outputs[i].val];
  set_items(&rest);
  return rest;
}

// Behind the last call of the phase that makes an operand of it.
static void insert(Planner *p, Phase *ph, const Call *part) {
  int at = ph->n_calls;
  while (at > 0 && !makes_operand(&ph->calls[at - 1], part)) at--;
  while (at < ph->n_calls && ph->calls[at].by_group) at++;
  Call *calls = NEW_ARRAY(p->s->arena, Call, ph->n_calls + 1);
  memcpy(calls, ph->calls, sizeof *calls * (size_t)at);
  calls[at] = *part;
  memcpy(calls + at + 1, ph->calls + at, sizeof *calls * (size_t)(ph->n_calls - at));
  ph->calls = calls, ph->n_calls++;
}

static void split(Splitting *s, Call *c) {
  int64_t group = s->ph[s->rows].group;
  int buffer = sums_buffer(s->p, c, group);
  Call part = part_of(s->p, c, buffer, group);
  *c = rest_of(s->p, c, buffer, group);
  insert(s->p, &s->ph[s->rows], &part);
}

// ---------------------------------------------------------------- where it pays
// Threads share the phase; most of the arithmetic of gradients is of small ones, so that groups may be of whole blocks for their sake.
static bool pays(const Splitting *s) {
  enum { FEWEST_BLOCKS = 4 };
  const Phase *rows = &s->ph[s->rows];
  double small = 0, large = 0;
  if (s->p->s->capacity < FEWEST_BLOCKS * s->p->s->block || calls_ns(rows->calls, rows->n_calls) <= SHARED_NS) return false;
  for (int t = s->rows + 1; t < s->n; t++)
    for (int i = 0; i < s->ph[t].n_calls; i++) {
      const Call *c = &s->ph[t].calls[i];
      if (c->kind == CALL_HOST && c->host.id == HOST_GEMM) large += call_ns(c);
      if (c->kind == CALL_DOT && can_split(s, c, t)) *(is_small(s, c) ? &small : &large) += call_ns(c);
    }
  return small > large;
}

// As many as leave some groups for each of a few threads, and not more than make sums few: what they make is to stay in the caches.
static int64_t whole_blocks(const Schedule *s) {
  enum { GROUPS = 8, MOST_ROWS = 256 };
  int64_t rows = s->block;
  while (2 * rows * GROUPS <= s->capacity && 2 * rows <= MOST_ROWS) rows *= 2;
  return rows;
}

void split_sums(Planner *p, Phase *ph, int n) {
  for (int r = 0; r < n; r++) {
    Splitting s = { p, ph, n, r };
    if (!ph[r].over_rows || !pays(&s)) continue;
    ph[r].group = whole_blocks(p->s);
    for (int t = r + 1; t < n; t++)
      for (int i = 0; i < ph[t].n_calls && !ph[t].over_rows; i++)
        if (can_split(&s, &ph[t].calls[i], t) && is_small(&s, &ph[t].calls[i])) split(&s, &ph[t].calls[i]);
  }
}
