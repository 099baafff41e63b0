// schedule.c: graphs of all programs → one schedule over shared slots and batch buffers.
#include "plan_int.h"

static const char *const program_names[N_PROGRAMS] = { "train", "eval", "predict", "grads", "losses", "gram", "keep" };

// ---------------------------------------------------------------- what all programs share
static int64_t fixed_size(const Graph *g, AxisId a) {
  int64_t n = axis_size(g, a);
  CHECK(n >= 0);                                                    // symbols are bound before scheduling
  return n;
}

static void add_slots(Planner *p, const Graph *g) {
  Schedule *s = p->s;
  p->slot_buffer = NEW_ARRAY(s->arena, int, g->slots.n + 1);
  for (int i = 0; i < g->slots.n; i++) {
    const Slot *x = &g->slots.data[i];
    PlanSlot out = {
      .path = x->path, .role = x->role, .dtype = x->dtype, .rank = x->rank, .init = x->init, .frozen = x->frozen,
      .lazy = x->lazy
    };
    int64_t rows = 1, cols = 1;
    for (int k = 0; k < x->rank; k++) {
      out.shape[k] = fixed_size(g, x->axis[k]);
      *(k == x->rank - 1 ? &cols : &rows) *= out.shape[k];
    }
    out.buffer = p->slot_buffer[i] = add_buffer(s, x->path, BUF_SLOT, x->dtype, rows, 0, cols);
    Buffer *b = &s->buffers.data[out.buffer];
    b->offset = s->slot_bytes;
    s->slot_bytes += (rows * b->ld * (x->dtype == F64 ? 8 : 4) + 63) / 64 * 64;
    vec_push(s->arena, &s->slots, out);
  }
}

static void add_inputs(Planner *p, int dense_width, int n_ids, int n_labels) {
  Schedule *s = p->s;
  DType t = s->dtype;
  p->rt_int = add_buffer(s, "rt.int", BUF_RT_INT, I64, 1, 0, RT_INTS);
  p->rt_real = add_buffer(s, "rt.real", BUF_RT_REAL, F64, 1, 0, RT_REALS + s->n_sites);
  p->dense = add_buffer(s, "batch.dense", BUF_DENSE, t, 0, 1, dense_width);
  p->ids = add_buffer(s, "batch.ids", BUF_IDS, U32, 0, 1, n_ids);
  p->y = add_buffer(s, "batch.y", BUF_Y, t, n_labels, 0, s->capacity);
  p->w = add_buffer(s, "batch.w", BUF_W, t, n_labels, 0, s->capacity);
  s->buffers.data[p->ids].ld = n_ids > 0 ? n_ids : 1;
  s->buffers.data[p->y].ld = s->buffers.data[p->w].ld = (s->capacity + 15) / 16 * 16;
}

int out_buffer(Planner *p, const Root *r) {                         // by name, shared between programs
  Schedule *s = p->s;
  for (int i = 0; i < s->buffers.n; i++)
    if (s->buffers.data[i].role == BUF_OUT && !strcmp(s->buffers.data[i].name, r->name)) return i;
  const Graph *g = p->g;
  const Node *x = node(g, r->value);
  bool rows = has_rows(g, r->value);
  int64_t a = rows ? 0 : 1, cols = 1;
  for (int i = rows ? 1 : 0; i < x->rank; i++) *(rows || i == x->rank - 1 ? &cols : &a) *= axis_size(g, x->axis[i]);
  return add_buffer(s, r->name, BUF_OUT, (DType)x->dtype, a, rows ? 1 : 0, cols);
}

// ---------------------------------------------------------------- phases of one program
static int64_t bytes_per_row(const Schedule *s, const Call *calls, int n) {
  bool *seen = NEW_ARRAY(s->arena, bool, s->buffers.n + 1);
  int64_t sum = 0;
  for (int c = 0; c < n; c++) {
    for (int i = 0; i < calls[c].n_inputs; i++) seen[calls[c].inputs[i].buffer] = true;
    for (int i = 0; i < calls[c].n_outputs; i++) seen[calls[c].outputs[i].buffer] = true;
    if (calls[c].kind == CALL_DOT) seen[calls[c].left.buffer] = true;
  }
  for (int i = 0; i < s->buffers.n; i++)
    if (seen[i] && s->buffers.data[i].rows_b) sum += s->buffers.data[i].ld * (s->dtype == F64 ? 8 : 4);
  return sum;
}

static int64_t weight_bytes(const Schedule *s, const Call *calls, int n) {        // read anew by each group
  int64_t sum = 0;
  for (int i = 0; i < n; i++)
    if (calls[i].kind == CALL_DOT) sum += calls[i].reduced.size * calls[i].dims[1].size * (s->dtype == F64 ? 8 : 4);
  return sum;
}

// Rows of as many threads as do most, where four share the groups.
static int64_t busiest(int64_t capacity, int64_t group) { return ((capacity + group - 1) / group + 3) / 4 * group; }

// What a group touches fits half of a 1 MiB L2, but for weights that do not fit there either: they are then read for 64 rows at a time. A phase
// that threads share has groups for them, of nearly the wanted size, but so that each thread gets as many rows. All are whole tiles of
// 8 rows, and of 6 and 4.
static int64_t group_of(const Schedule *s, const Call *calls, int n) {
  enum { TILE = 8, NEAR_BYTES = 512 << 10, STREAMED = 64, LEAST = 16, FEW = 8 };
  int64_t row = bytes_per_row(s, calls, n), want = row ? NEAR_BYTES / row : s->capacity, best = 0;
  if (want < STREAMED && weight_bytes(s, calls, n) > NEAR_BYTES) want = STREAMED;
  if (calls_ns(calls, n) > SHARED_NS) {
    int64_t shared = s->capacity / SHARED_ITEMS, few = s->capacity / FEW;
    if (shared < STREAMED) shared = few < STREAMED ? few : STREAMED;
    if (want > shared) want = shared;
  }
  if (want < LEAST) want = LEAST;
  if (want > s->capacity) return (s->capacity + 15) / 16 * 16;
  for (int64_t g = (want * 4 / 3) / TILE * TILE; g >= TILE && (!best || g >= want * 3 / 4); g -= TILE)
    if (!best || busiest(s->capacity, g) < busiest(s->capacity, best)) best = g;
  return best;
}

// What runs at one T: fixed calls of slots alone, other fixed calls, host calls, calls over rows, each a phase.
typedef enum { BY_SLOTS, BY_ITEMS, BY_HOST, BY_ROWS, N_WAYS } Way;

static Way way_of(const Cluster *c) { return c->rows ? BY_ROWS : c->kind == CALL_HOST ? BY_HOST : c->of_slots ? BY_SLOTS : BY_ITEMS; }

static void topological(const Planner *p, int t, Way way, int *out, int *n) {
  int count = p->clusters.n;
  bool *done = NEW_ARRAY(p->s->arena, bool, count + 1);
  *n = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (int c = 0; c < count; c++) {
      const Cluster *x = &p->clusters.data[c];
      if (done[c] || x->phase != t || way_of(x) != way) continue;
      bool ready = true;
      for (int i = 0; i < x->deps.n && ready; i++) {
        const Cluster *d = &p->clusters.data[x->deps.data[i]];
        ready = done[x->deps.data[i]] || d->phase != t || way_of(d) != way;
      }
      if (!ready) continue;
      done[c] = moved = true;
      out[(*n)++] = c;
    }
  }
}

static void add_phase(Planner *p, int t, Way way, Phase *out, int *n_out) {
  Schedule *s = p->s;
  int *order = NEW_ARRAY(s->arena, int, p->clusters.n + 1), n;
  topological(p, t, way, order, &n);
  if (!n) return;
  Phase ph = { .over_rows = way == BY_ROWS, .is_host = way == BY_HOST, .of_slots = way == BY_SLOTS, .calls = NEW_ARRAY(s->arena, Call, n) };
  for (int i = 0; i < n; i++) ph.calls[ph.n_calls++] = make_call(p, order[i]);
  if (ph.over_rows) ph.group = group_of(s, ph.calls, n);
  out[(*n_out)++] = ph;
}

// Each call a phase of its own.
static Phase *each_apart(Planner *p, const Phase *ph, int *n) {
  int calls = 0, to = 0;
  for (int i = 0; i < *n; i++) calls += ph[i].n_calls;
  Phase *out = NEW_ARRAY(p->s->arena, Phase, calls + 1);
  for (int i = 0; i < *n; i++)
    for (int c = 0; c < ph[i].n_calls; c++) {
      out[to] = ph[i];
      out[to].goes_on = ph[i].over_rows && c > 0;
      out[to].calls = &ph[i].calls[c], out[to++].n_calls = 1;
    }
  *n = to;
  return out;
}

// The row by the same id that o writes.
static bool reads_same_row(const Input *in, const Output *o) { return o->by && in->index == o->by - 1 && in->index_stride == o->row_stride; }

static bool reads_otherwise(const Call *c, const Output *o) {         // o's buffer, not at the element that o writes
  if (c->kind == CALL_DOT && (c->left.buffer == o->buffer || c->right.buffer == o->buffer)) return true;
  for (int i = 0; i < c->n_inputs; i++) {
    const Input *in = &c->inputs[i];
    if (in->buffer != o->buffer) continue;
    bool same = in->index < 0 && !o->by ? true : reads_same_row(in, o);
    if (moves_rows(c->kind) || !same || in->offset != o->offset) return true;
    for (int v = 0; v < c->n_vals; v++)
      if (c->vals[v].kind == VAL_INPUT && c->vals[v].input == i && c->vals[v].prologue) return true;
    for (int d = 0; d < c->n_dims; d++)
      if (c->dims[d].size > 1 && in->stride[d] != o->stride[d]) return true;
  }
  return false;
}

// Slots that a call reads at other elements than those that it writes are to be copied.
static void find_hazards(Planner *p, const Phase *ph, int n) {
  for (int t = 0; t < n; t++)
    for (int c = 0; c < ph[t].n_calls; c++)
      for (int o = 0; o < ph[t].calls[c].n_outputs; o++)
        for (int i = 0; i < p->g->slots.n; i++)
          if (p->slot_buffer[i] == ph[t].calls[c].outputs[o].buffer &&
              reads_otherwise(&ph[t].calls[c], &ph[t].calls[c].outputs[o]))
            p->again = p->copy_slot[i] = true;
}

// One attempt; p->again where a slot turned out to need a copy. Buffers from `first` on are this program's.
static int plan_calls(Planner *p, const Graph *graph, Phase **phase, int first) {
  Schedule *s = p->s;
  p->s->buffers.n = first;
  p->again = false;
  p->clusters.data = NULL, p->clusters.n = p->clusters.cap = 0;
  p->g = lower(graph, p->copy_slot);
  if (!p->g) return 0;
  p->info = NEW_ARRAY(s->arena, Info, p->g->nodes.n);
  p->sorted = NEW_ARRAY(s->arena, NodeId, p->g->axes.n);
  for (NodeId id = 1; id < (NodeId)p->g->nodes.n; id++)
    if (node(p->g, id)->op == OP_SORT_IDS) p->sorted[node(p->g, id)->attr.i[0]] = id;
  fuse(p);
  if (p->again || (p->g->diag && diag_errors(p->g->diag))) return 0;
  phases(p);
  place(p);
  int last = 0, n = 0;
  for (int c = 0; c < p->clusters.n; c++)
    if (p->clusters.data[c].phase > last) last = p->clusters.data[c].phase;
  Phase *ph = NEW_ARRAY(s->arena, Phase, N_WAYS * (last + 1));
  for (int t = 0; t <= last; t++) 
    for (Way w = BY_SLOTS; w < N_WAYS; w++) add_phase(p, t, w, ph, &n);
  find_hazards(p, ph, n);
  split_sums(p, ph, n);
  if (p->by_call) ph = each_apart(p, ph, &n);
  for (int i = 0; i < n; i++) ph[i].symbol = arena_printf(s->arena, "%s_%d", program_names[p->program], i);
  *phase = ph;
  return n;
}

// Bytes of all buffers from `first` on can be counted; an error otherwise.
static bool sizes_fit(Planner *p, const Graph *graph, int first) {
  enum { LOG2_MOST = 46 };                                            // bytes, more than any address space gives
  int64_t total = 0;
  for (int i = first; i < p->s->buffers.n; i++) {
    const Buffer *b = &p->s->buffers.data[i];
    int64_t rows, n;
    bool over = __builtin_mul_overflow(b->rows_b, p->s->capacity, &rows) || __builtin_add_overflow(rows, b->rows_a, &rows) ||
                __builtin_mul_overflow(rows, b->ld, &n) || __builtin_add_overflow(total, n, &total);
    if (!over && total < (int64_t)1 << (LOG2_MOST - 3)) continue;
    if (!graph->diag) BUG("buffers are too large");
    diag_error(graph->diag, "size-overflow", (Place){ 0 }, "a batch of %lld rows needs too much memory",
               (long long)p->s->capacity);
    return false;
  }
  return true;
}

static void plan_program(Planner *p, const Graph *graph, ProgramId id) {
  Schedule *s = p->s;
  SchedProgram *out = &s->programs[id];
  int first = s->buffers.n;
  p->program = id;
  p->by_call = graph->by_call;
  p->copy_slot = NEW_ARRAY(s->arena, bool, graph->slots.n + 1);
  do out->n_phases = plan_calls(p, graph, &out->phases, first);
  while (p->again);
  if (!p->g || (graph->diag && diag_errors(graph->diag)) || !sizes_fit(p, graph, first)) return;
  s->graph[id] = p->g;
  share_memory(p, out->phases, out->n_phases, first);
  out->outs = NEW_ARRAY(s->arena, int, p->g->roots.n + 1);
  for (int i = 0; i < p->g->roots.n; i++)
    if (p->g->roots.data[i].slot < 0) out->outs[out->n_outs++] = out_buffer(p, &p->g->roots.data[i]);
}

// ---------------------------------------------------------------- the rows of slots that a step changes
static PlanSlot *slot_in(Schedule *s, int buffer) {
  for (int i = 0; i < s->slots.n; i++)
    if (s->slots.data[i].buffer == buffer) return &s->slots.data[i];
  return NULL;
}

enum { NOT_WRITTEN = -1 };

static void note_output(Schedule *s, int buffer, int named) {
  PlanSlot *x = s->buffers.data[buffer].role == BUF_SLOT ? slot_in(s, buffer) : NULL;
  if (x) x->named = x->named == NOT_WRITTEN || x->named == named ? named : 0;
}

static void name_rows(Schedule *s) {
  const SchedProgram *g = &s->programs[PROG_TRAIN];
  for (int i = 0; i < s->slots.n; i++) s->slots.data[i].named = NOT_WRITTEN;
  for (int i = 0; i < g->n_phases; i++)
    for (const Call *c = g->phases[i].calls; c < g->phases[i].calls + g->phases[i].n_calls; c++) {
      for (const Output *o = c->outputs; o < c->outputs + c->n_outputs; o++) note_output(s, o->buffer, o->by ? 1 + c->inputs[o->by - 1].buffer : 0);
      if (c->kind == CALL_HOST) note_output(s, c->host.out.buffer, 0);
    }
  for (int i = 0; i < s->slots.n; i++)
    if (s->slots.data[i].named == NOT_WRITTEN) s->slots.data[i].named = 0;
}

Schedule *schedule(Arena *a, const Graph *const graphs[N_PROGRAMS], int dense_width, int n_ids, int n_labels) {
  Schedule *s = NEW(a, Schedule);
  s->arena = a;
  const Graph *any = NULL;
  for (int i = 0; i < N_PROGRAMS; i++)
    if (graphs[i]) any = graphs[i];
  CHECK(any);
  s->dtype = any->dtype;
  s->capacity = axis_size(any, AXIS_OF_ROWS);
  s->block = s->capacity < 1024 ? 64 : 128;
  s->sites = any->sites.data, s->n_sites = any->sites.n;
  Planner p = { .s = s };
  add_inputs(&p, dense_width, n_ids, n_labels);
  add_slots(&p, any);
  for (int i = 0; i < N_PROGRAMS; i++)
    if (graphs[i]) plan_program(&p, graphs[i], (ProgramId)i);
  name_rows(s);
  return any->diag && diag_errors(any->diag) ? NULL : s;
}

// ---------------------------------------------------------------- the runtime's view
static const HostArgs *host_calls(Arena *a, const Phase *ph) {
  HostArgs *out = NEW_ARRAY(a, HostArgs, ph->n_calls);
  for (int i = 0; i < ph->n_calls; i++) out[i] = ph->calls[i].host;
  return out;
}

static void phase_cost(const Phase *ph, PlanPhase *out) {
  for (int i = 0; i < ph->n_calls; i++) {
    CallCost c = call_cost(&ph->calls[i]);
    out->flops += c.flops;
    out->bytes += c.bytes;
  }
  out->ns = calls_ns(ph->calls, ph->n_calls);
}

void schedule_plan(const Schedule *s, StepPlan *out) {
  *out = (StepPlan){ .dtype = s->dtype,
                     .capacity = s->capacity,
                     .buffers = s->buffers.data,
                     .n_buffers = s->buffers.n,
                     .slots = s->slots.data,
                     .n_slots = s->slots.n,
                     .slot_bytes = s->slot_bytes,
                     .sites = s->sites,
                     .n_sites = s->n_sites,
                     .rows_bytes = s->rows_bytes,
                     .local_bytes = s->local_bytes };
  for (int p = 0; p < N_PROGRAMS; p++) {
    const SchedProgram *from = &s->programs[p];
    PlanPhase *ph = NEW_ARRAY(s->arena, PlanPhase, from->n_phases + 1);
    for (int i = 0; i < from->n_phases; i++) {
      const Phase *x = &from->phases[i];
      ph[i] = (PlanPhase){ .symbol = x->symbol, .over_rows = x->over_rows, .items_g = x->over_rows ? x->group : 0 };
      for (int c = 0; !x->over_rows && c < x->n_calls; c++) ph[i].items_a += x->calls[c].items;
      if (x->is_host) ph[i].host = host_calls(s->arena, x), ph[i].n_host = x->n_calls;
      ph[i].goes_on = x->goes_on;
      ph[i].of_slots = x->of_slots;
      phase_cost(x, &ph[i]);
    }
    out->programs[p] = (Program){ .phases = ph, .n_phases = from->n_phases, .outs = from->outs, .n_outs = from->n_outs };
  }
}
