// sched_check.c: invariants of a schedule:
// every access lies in its buffer; a call over rows touches, of a value over rows, its own row; what is read was written
// in an earlier phase, or earlier by the same item; calls of a phase whose items may run at the same time do not touch what
// another of them writes; a slot is written once, and read afterwards by nobody; buffers that live at the same time lie
// apart, but for two whose rows coincide, of which calls over rows touch one before the other, each its own row; what a call reads of
// memory that it writes by another name are the same points; what is of one group's rows is touched in one phase over rows, each row by itself; a phase of slots reads nothing else but what such phases wrote, in a program that writes no slot, and what it writes lives
// from the first phase to the last; what names the rows of a slot that a step changes is made by a sort_ids of it.
#include "plan_int.h"

// The elements offset + Σ i_d · stride_d, 0 ≤ i_d < size_d.
typedef struct {
  int buffer, call;
  bool writes;
  bool own_row;                                                   // over rows: for row r it touches row r alone
  int n; int64_t offset, stride[MAX_DIMS + 2], size[MAX_DIMS + 2];
} Access;
typedef VEC(Access) Accesses;
typedef struct {
  const Schedule *s;
  const Graph *g;
  Accesses all;
  int *written, *first, *last;            // by buffer, a phase; −1: never
  int call, *first_call, *last_call;      // by buffer, counted over all phases
  int *strange_first, *strange_last;      // by buffer, phases that touch it other than each row by itself
  bool *stays, any_stays;                 // by buffer: written by a phase of slots
  const char *where;
} Check;

static int64_t elements(const Schedule *s, const Buffer *b) { return (b->rows_a + b->rows_b * s->capacity) * b->ld; }

// As calls count: local ones as if all rows were there.
static int64_t elements_of_rows(const Schedule *s, const Buffer *b) { return b->role == BUF_LOCAL ? s->capacity * b->ld : elements(s, b); }

// ---------------------------------------------------------------- do two accesses meet?
static int64_t last_of(const Access *a) {
  int64_t at = a->offset;
  for (int i = 0; i < a->n; i++) at += (a->size[i] - 1) * a->stride[i];
  return at;
}

static Access modulo(const Access *a, int64_t m) {                // the elements' residues, if last_of() it is below m
  Access r = *a;
  r.offset = a->offset % m;
  r.n = 0;
  for (int i = 0; i < a->n; i++)
    if (a->stride[i] % m) r.stride[r.n] = a->stride[i], r.size[r.n++] = a->size[i];
  return r;
}

static int64_t largest_below(const Access *a, const Access *b, int64_t m) {
  int64_t best = 0;
  for (int i = 0; i < a->n; i++)
    if (a->stride[i] < m && a->stride[i] > best) best = a->stride[i];
  for (int i = 0; i < b->n; i++)
    if (b->stride[i] < m && b->stride[i] > best) best = b->stride[i];
  return best;
}

// False: they do not. By residues modulo one stride after the other, the largest first. True also where it cannot be told.
static bool meet(Access a, Access b) {
  for (int64_t m = INT64_MAX;;) {
    if (last_of(&a) < b.offset || last_of(&b) < a.offset) return false;
    if ((m = largest_below(&a, &b, m)) <= 1) return true;
    Access x = modulo(&a, m), y = modulo(&b, m);
    if (last_of(&x) < m && last_of(&y) < m) a = x, b = y;
  }
}

// ---------------------------------------------------------------- what a call touches
static int64_t stride_of_rows(const Dim *dims, const int64_t *stride, int n) {
  for (int i = 0; i < n; i++)
    if (dims[i].is_rows) return stride[i];
  return -1;
}

static Access *add(Check *k, const Call *c, int call, int buffer, bool writes, int64_t offset, const int64_t *stride,
                   const Dim *dims, int n) {
  const Buffer *b = &k->s->buffers.data[buffer];
  Access a = { .buffer = buffer, .call = call, .writes = writes, .offset = offset };
  for (int i = 0; i < n; i++) {
    if (stride[i] < 0) BUG("%s: %s goes backwards in %s", k->where, c->name, b->name);
    if (stride[i] == 0 || dims[i].size <= 1) continue;
    a.stride[a.n] = stride[i];
    a.size[a.n++] = dims[i].size;
  }
  if (offset < 0 || last_of(&a) >= elements_of_rows(k->s, b)) BUG("%s: %s leaves %s", k->where, c->name, b->name);
  bool by_label = b->role == BUF_Y || b->role == BUF_W;           // rows run along the buffer's rows there
  Access of_row = modulo(&a, b->ld);
  bool by_row = stride_of_rows(dims, stride, n) == (by_label ? 1 : b->ld);
  a.own_row = by_row && (by_label || (offset < b->ld && last_of(&of_row) < b->ld));
  vec_push(k->s->arena, &k->all, a);
  return &k->all.data[k->all.n - 1];
}

static void add_any_row(const Check *k, Access *a, int64_t rows, int64_t stride) {
  if (last_of(a) + (rows - 1) * stride >= elements(k->s, &k->s->buffers.data[a->buffer])) BUG("%s: a table leaves its buffer", k->where);
  a->own_row = false;
  a->stride[a->n] = stride;
  a->size[a->n++] = rows;
}

static int64_t rows_of_table(const Check *k, const Input *in) { return axis_size(k->g, node(k->g, in->node)->axis[0]); }

// Of the slot that an output goes to by rows.
static int64_t rows_of_slot(const Check *k, const Output *o) {
  for (int i = 0; i < k->s->slots.n; i++)
    if (k->s->slots.data[i].buffer == o->buffer && k->s->slots.data[i].rank) return k->s->slots.data[i].shape[0];
  BUG("%s: an output goes to rows of no table", k->where);
}

static void add_operand(Check *k, const Call *c, int call, const HostOperand *o, bool writes) {
  Dim dims[HOST_RANK];
  if (o->dtype != k->s->buffers.data[o->buffer].dtype) BUG("%s: %s: dtype of an operand", k->where, c->name);
  for (int i = 0; i < o->rank; i++) dims[i] = (Dim){ .is_rows = i == 0 && o->rows, .size = o->extent[i] };
  add(k, c, call, o->buffer, writes, o->offset, o->stride, dims, o->rank);
}

static void add_host(Check *k, const Call *c, int call) {
  for (int i = 0; i < c->host.n_in; i++) add_operand(k, c, call, &c->host.in[i], false);
  add_operand(k, c, call, &c->host.out, true);
}

static void add_extent(Check *k, const Call *c, int call, Dim d) {
  if (d.named) add(k, c, call, d.named - 1, false, 0, NULL, NULL, 0);
}

static void add_sorted(Check *k, const Call *c, int call) {        // and the items of lists, which dims do not tell
  const Dim words[1] = { { .size = sorted_words(c->sorted.distinct, c->sorted.sources, c->sorted.ids) } };
  add(k, c, call, c->sorted.buffer, false, c->sorted.offset, (int64_t[]){ 1 }, words, 1);
  for (int i = 0; i < c->sorted.sources; i++) {
    const Input *in = &c->inputs[i];
    const Node *values = node(k->g, in->node);
    int64_t items = c->sorted.item_stride[i] ? axis_size(k->g, values->axis[1]) : 1, width = c->n_dims > 1 ? c->dims[1].size : 1;
    const Dim dims[3] = { c->reduced, { .size = items }, { .size = width } };
    add(k, c, call, in->buffer, false, in->offset, (int64_t[]){ in->stride[0], c->sorted.item_stride[i], in->stride[2] }, dims, 3);
  }
}

static void add_lists(Check *k, const Call *c, int call) {
  const Dim words[2] = { { .size = (c->reduced.size + c->lists.rows - 1) / c->lists.rows }, { .size = c->lists.words } };
  add(k, c, call, c->lists.buffer, false, c->lists.offset, (int64_t[]){ c->lists.words, 1 }, words, 2);
}

static void add_groups(const Check *k, const Call *c, Access *a) {   // each its own sums
  int64_t groups = (k->s->capacity + c->by_group - 1) / c->by_group;
  a->stride[a->n] = c->group_stride;
  a->size[a->n++] = groups;
  if (last_of(a) >= elements(k->s, &k->s->buffers.data[a->buffer])) BUG("%s: %s leaves %s", k->where, c->name, k->s->buffers.data[a->buffer].name);
  a->own_row = true;
}

static void add_call(Check *k, const Call *c, int call) {
  if (c->kind == CALL_HOST) { add_host(k, c, call); return; }
  Dim pro[MAX_DIMS + 1];
  int at = 0;
  bool first = c->kind != CALL_REDUCE_LANES;                      // the reduced dim of a prologue's domain
  if (first) pro[at++] = c->reduced;
  for (int d = 0; d < c->n_dims; d++) pro[at++] = c->dims[d];
  if (!first) pro[at++] = c->reduced;
  for (int i = 0; i < c->n_inputs; i++) {
    const Input *in = &c->inputs[i];
    bool p = input_prologue(c, i);
    Access *a = add(k, c, call, in->buffer, false, in->offset, in->stride, p ? pro : c->dims, p ? at : c->n_dims);
    if (in->index >= 0) add_any_row(k, a, rows_of_table(k, in), in->index_stride);
  }
  for (int i = 0; i < c->n_outputs; i++) {
    const Output *o = &c->outputs[i];
    Access *a = add(k, c, call, o->buffer, true, o->offset, o->stride, c->dims, c->n_dims);
    if (c->by_group) add_groups(k, c, a);
    if (o->by) add_any_row(k, a, rows_of_slot(k, o), o->row_stride);
  }
  for (int d = 0; d < c->n_dims; d++) add_extent(k, c, call, c->dims[d]);
  add_extent(k, c, call, c->reduced);
  if (c->kind == CALL_ROWS) add_sorted(k, c, call);
  if (c->kind == CALL_SPREAD_BAG) add_lists(k, c, call);
  if (c->kind != CALL_DOT) return;
  const Dim left[2] = { c->dims[0], c->reduced }, right[2] = { c->dims[1], c->reduced };
  int64_t by_left[2] = { c->left.stride_mn, c->left.stride_k }, by_right[2] = { c->right.stride_mn, c->right.stride_k };
  if (c->dims[1].size > 1 && c->right.stride_mn != 1)
    BUG("%s: %s: the right operand does not run over lanes", k->where, c->name);
  add(k, c, call, c->left.buffer, false, c->left.offset, by_left, left, 2);
  add(k, c, call, c->right.buffer, false, c->right.offset, by_right, right, 2);
}

// ---------------------------------------------------------------- one call by itself
static bool are_blocks(const Check *k, int64_t rows) {            // a power of two of them
  int64_t blocks = rows / k->s->block;
  return blocks > 0 && rows % k->s->block == 0 && (blocks & (blocks - 1)) == 0;
}

static bool is_over_rows(const Check *k, const Phase *ph, const Call *c) {
  if (c->by_group) return c->reduced.is_rows && are_blocks(k, ph->group) && ph->group == c->by_group;
  return c->n_dims > 0 && c->dims[0].is_rows;
}

static void check_form(const Check *k, const Phase *ph, const Call *c) {
  for (int i = 0; i < c->n_vals; i++) {
    const Val *v = &c->vals[i];
    for (int j = 0; j < v->n_in; j++) {
      if (v->in[j] >= i) BUG("%s: %s: value %d reads a later one", k->where, c->name, i);
      bool same = v->kind == VAL_ANCHOR ? c->vals[v->in[j]].prologue : c->vals[v->in[j]].prologue == v->prologue;
      if (!same) BUG("%s: %s: value %d mixes domains", k->where, c->name, i);
    }
  }
  if ((c->kind == CALL_HOST) != ph->is_host) BUG("%s: %s is in a phase of another kind", k->where, c->name);
  if (!c->n_outputs && !ph->is_host) BUG("%s: %s writes nothing", k->where, c->name);
  if (ph->over_rows) {
    if (!is_over_rows(k, ph, c)) BUG("%s: %s is not over rows", k->where, c->name);
    return;
  }
  int64_t rows = ph->is_host ? (c->host.out.rank ? c->host.out.extent[0] : 1) : c->n_dims ? c->dims[0].size : 1;
  if (ph->is_host && (c->host.id <= HOST_NONE || c->host.id >= N_HOST || c->host.items != c->items))
    BUG("%s: %s: a broken host call", k->where, c->name);
  if (!ph->is_host && c->n_dims && c->dims[0].is_rows) BUG("%s: %s is over rows", k->where, c->name);
  if (c->items < 1 || c->item_rows < 1 || c->items * c->item_rows < rows || (c->items - 1) * c->item_rows >= rows)
    BUG("%s: %s: %lld items of %lld rows for %lld", k->where, c->name, (long long)c->items, (long long)c->item_rows,
        (long long)rows);
}

// ---------------------------------------------------------------- accesses of a phase
static void check_pair(const Check *k, const Phase *ph, const Access *w, const Access *o) {   // w writes
  const Buffer *b = &k->s->buffers.data[w->buffer];
  if (w == o || w->buffer != o->buffer || !meet(*w, *o)) return;
  const char *name = ph->calls[o->call].name;
  if (o->writes) BUG("%s: %s and %s write the same of %s", k->where, ph->calls[w->call].name, name, b->name);
  if (ph->over_rows) {
    if (!o->own_row || !w->own_row) BUG("%s: %s reads %s of other items", k->where, name, b->name);
    if (b->role != BUF_SLOT && o->call <= w->call) BUG("%s: %s reads %s before it is written", k->where, name, b->name);
  } else if (o->call != w->call || b->role != BUF_SLOT)
    BUG("%s: %s reads %s while %s writes it", k->where, name, b->name, ph->calls[w->call].name);
}

static void check_read(const Check *k, const Access *a, int t) {
  const Buffer *b = &k->s->buffers.data[a->buffer];
  int w = k->written[a->buffer];
  if (b->role == BUF_OUT) BUG("%s reads the output %s", k->where, b->name);
  if ((b->role == BUF_ROWS || b->role == BUF_LOCAL) && w < 0) BUG("%s reads %s before it is written", k->where, b->name);
  if (b->role == BUF_SLOT && w >= 0 && w != t) BUG("%s reads %s after its update", k->where, b->name);
}

static void check_of_slots(Check *k) {
  k->any_stays = true;
  for (int i = 0; i < k->all.n; i++) {
    const Access *a = &k->all.data[i];
    const Buffer *b = &k->s->buffers.data[a->buffer];
    if (!a->writes && b->role != BUF_SLOT && !k->stays[a->buffer]) BUG("%s reads %s, which is not of slots alone", k->where, b->name);
    if (a->writes) k->stays[a->buffer] = true;
  }
}

static int64_t bytes_of(const Schedule *s, const Buffer *b) {
  return elements(s, b) * (b->dtype == F64 || b->dtype == I64 ? 8 : 4);
}

static bool lie_apart(const Schedule *s, const Buffer *a, const Buffer *b) {
  return a->offset + bytes_of(s, a) <= b->offset || b->offset + bytes_of(s, b) <= a->offset;
}

static bool same_points(const Access *a, const Access *b) {
  if (a->offset != b->offset || a->n != b->n) return false;
  for (int i = 0; i < a->n; i++)
    if (a->stride[i] != b->stride[i] || a->size[i] != b->size[i]) return false;
  return true;
}

static void check_same_memory(const Check *k, const Access *w, const Access *o) {             // w writes
  const Buffer *a = &k->s->buffers.data[w->buffer], *b = &k->s->buffers.data[o->buffer];
  bool shared = a->role == b->role && (a->role == BUF_ROWS || a->role == BUF_LOCAL) && !lie_apart(k->s, a, b);
  if (w->call != o->call || w->buffer == o->buffer || !shared) return;
  if (o->writes || a->offset != b->offset || a->dtype != b->dtype || !same_points(w, o)) BUG("%s writes %s over %s", k->where, a->name, b->name);
}

static void check_local(const Check *k, const Phase *ph, const Access *a, int turn) {
  const Buffer *b = &k->s->buffers.data[a->buffer];
  if (b->role != BUF_LOCAL) return;
  if (!ph->over_rows || ph->is_host || !a->own_row || b->rows_a < ph->group) BUG("%s: %s is not of a group's rows", k->where, b->name);
  if (k->first[a->buffer] != turn || k->last[a->buffer] != turn) BUG("%s: %s is another phase's", k->where, b->name);
}

// turn: the phase, or the first of those that take turns.
static void mark_life(Check *k, const Phase *ph, const Access *a, int turn) {
  int b = a->buffer, call = k->call + a->call;
  if (k->last[b] < 0) k->first[b] = turn, k->first_call[b] = call;
  k->last[b] = turn;
  if (call > k->last_call[b]) k->last_call[b] = call;
  if (call < k->first_call[b]) k->first_call[b] = call;
  if (ph->over_rows && !ph->is_host && a->own_row) return;
  if (k->strange_last[b] < 0) k->strange_first[b] = turn;
  k->strange_last[b] = turn;
}

static void check_phase(Check *k, const Phase *ph, int t, int turn) {
  k->where = ph->symbol;
  k->all.n = 0;
  for (int c = 0; c < ph->n_calls; c++) check_form(k, ph, &ph->calls[c]), add_call(k, &ph->calls[c], c);
  for (int i = 0; i < k->all.n; i++) {
    const Access *a = &k->all.data[i];
    BufferRole role = k->s->buffers.data[a->buffer].role;
    mark_life(k, ph, a, turn);
    check_local(k, ph, a, turn);
    if (!a->writes) continue;
    if (role != BUF_SLOT && role != BUF_ROWS && role != BUF_LOCAL && role != BUF_OUT)
      BUG("%s writes %s", k->where, k->s->buffers.data[a->buffer].name);
    if (ph->over_rows && !a->own_row) BUG("%s writes %s across items", k->where, k->s->buffers.data[a->buffer].name);
    if (role == BUF_SLOT && k->written[a->buffer] >= 0)
      BUG("%s writes %s again", k->where, k->s->buffers.data[a->buffer].name);
    k->written[a->buffer] = t;
    for (int j = 0; j < k->all.n; j++) check_pair(k, ph, a, &k->all.data[j]), check_same_memory(k, a, &k->all.data[j]);
  }
  for (int i = 0; i < k->all.n; i++)
    if (!k->all.data[i].writes) check_read(k, &k->all.data[i], t);
  if (ph->of_slots) check_of_slots(k);
  k->call += ph->n_calls;
}

static void check_stays(Check *k, int n_phases) {
  for (int i = 0; i < k->s->buffers.n && k->any_stays; i++) {
    const Buffer *b = &k->s->buffers.data[i];
    if (b->role == BUF_SLOT && k->written[i] >= 0) BUG("%s is written, and there are phases of slots", b->name);
    if (k->stays[i]) k->first[i] = 0, k->last[i] = k->strange_last[i] = n_phases, k->strange_first[i] = 0;
  }
}

// ---------------------------------------------------------------- memory
// b follows a, row by row, within the phase where a ends.
static bool follows(const Check *k, int b, int a) {
  const Buffer *x = &k->s->buffers.data[a], *y = &k->s->buffers.data[b];
  bool coincide = x->offset == y->offset && !x->rows_a && !y->rows_a && bytes_of(k->s, x) == bytes_of(k->s, y);
  int t = k->last[a];
  return coincide && t == k->first[b] && k->last_call[a] <= k->first_call[b] && k->strange_last[a] < t && (k->strange_last[b] < 0 || k->strange_first[b] > t);
}

// Of one worker: by the calls that touch them. At one call both are the same points: check_same_memory().
static bool local_apart(const Check *k, int a, int b) {
  return k->last[a] != k->last[b] || k->last_call[a] <= k->first_call[b] || k->last_call[b] <= k->first_call[a];
}

static void check_overlap(const Check *k) {
  const Schedule *s = k->s;
  for (int i = 0; i < s->buffers.n; i++)
    for (int j = 0; j < i; j++) {
      const Buffer *a = &s->buffers.data[i], *b = &s->buffers.data[j];
      if (a->role != b->role || (a->role != BUF_ROWS && a->role != BUF_SLOT && a->role != BUF_LOCAL)) continue;
      bool clear = lie_apart(s, a, b);
      if (a->role == BUF_ROWS && (follows(k, i, j) || follows(k, j, i))) continue;
      if (a->role == BUF_LOCAL && local_apart(k, i, j)) continue;
      if (a->role != BUF_SLOT && (k->last[i] < 0 || k->last[j] < 0 || k->last[i] < k->first[j] || k->last[j] < k->first[i]))
        continue;
      if (!clear) BUG("%s and %s live at the same time in the same memory", a->name, b->name);
    }
}

// ---------------------------------------------------------------- the rows of slots that a step changes
static bool is_sorted_ids(const SchedProgram *g, int buffer) {
  for (int i = 0; i < g->n_phases; i++)
    for (const Call *c = g->phases[i].calls; c < g->phases[i].calls + g->phases[i].n_calls; c++)
      if (c->kind == CALL_HOST && c->host.id == HOST_SORT_IDS && c->host.out.buffer == buffer) return true;
  return false;
}

void schedule_check(const Schedule *s) {
  for (int i = 0; i < s->slots.n; i++)
    if (s->slots.data[i].named && !is_sorted_ids(&s->programs[PROG_TRAIN], s->slots.data[i].named - 1))
      BUG("nothing says which rows of %s a step changes", s->slots.data[i].path);
  for (int p = 0; p < N_PROGRAMS; p++) {
    int n = s->buffers.n;
    Check k = { .s = s,
                .g = s->graph[p],
                .written = NEW_ARRAY(s->arena, int, n),
                .first = NEW_ARRAY(s->arena, int, n),
                .last = NEW_ARRAY(s->arena, int, n),
                .first_call = NEW_ARRAY(s->arena, int, n),
                .last_call = NEW_ARRAY(s->arena, int, n),
                .strange_first = NEW_ARRAY(s->arena, int, n),
                .strange_last = NEW_ARRAY(s->arena, int, n),
                .stays = NEW_ARRAY(s->arena, bool, n) };
    for (int i = 0; i < n; i++) k.first[i] = INT32_MAX, k.last[i] = k.written[i] = k.last_call[i] = k.strange_last[i] = -1;
    for (int t = 0, turn = 0; t < s->programs[p].n_phases; t++) {
      if (!s->programs[p].phases[t].goes_on) turn = t;
      check_phase(&k, &s->programs[p].phases[t], t, turn);
    }
    check_stays(&k, s->programs[p].n_phases);
    check_overlap(&k);
  }
}
