// share.c: memory of the buffers of a program. Two share it where the phases that touch them lie apart. Within a phase over rows, whose
// calls are made in order on one group of rows after the other, two of equally long rows share it where the calls lie apart: a row stands
// where it stood before, so that a group never meets another's. What a call reads point by point for the last time and what it
// writes may be the same memory, too: each point is read before it is written.
// A buffer that one phase over rows alone touches, each row by itself, is local: it has the rows of one group, in an arena of each worker, where
// two share memory whose calls lie apart. So what a group makes for itself stays in the caches, however long the batch is.
#include "plan_int.h"

typedef struct {
  int buffer;
  int from, to;                             // phases
  int first, last;                          // calls, counted over all phases
  const Call *at_last;
  bool row_first, row_last;                 // row by row: all that is done to it in its first phase, and in its last
} Life;

typedef struct { Life *life; int first_buffer, n, phase, call; const Phase *ph; const Call *c; const Schedule *s; } Walk;

static int64_t width_of(const Buffer *b) { return b->dtype == F64 || b->dtype == I64 ? 8 : 4; }

static int64_t bytes_of(const Schedule *s, const Buffer *b) {
  return ((b->rows_a + b->rows_b * s->capacity) * b->ld * width_of(b) + 63) / 64 * 64;
}

// ---------------------------------------------------------------- lives
static void touch(Walk *w, int buffer, bool by_row) {
  if (buffer < w->first_buffer || buffer >= w->first_buffer + w->n) return;
  Life *x = &w->life[buffer - w->first_buffer];
  by_row &= w->ph->over_rows && !w->ph->is_host;
  if (x->to < 0) x->from = w->phase, x->first = w->call;
  if (w->phase != x->to) x->row_last = true;
  x->to = w->phase, x->last = w->call, x->at_last = w->c;
  x->row_last &= by_row;
  if (x->from == x->to) x->row_first = x->row_last;
}

static bool goes_by_row(const Walk *w, int buffer, int64_t stride) {
  return (w->c->by_group || (w->c->n_dims > 0 && w->c->dims[0].is_rows)) && stride == w->s->buffers.data[buffer].ld;
}

static void touch_extent(Walk *w, Dim d) {   // what says how long it is
  if (d.named) touch(w, d.named - 1, false);
}

static bool is_point_by_point(const Call *c) { return !moves_rows(c->kind) && !c->by_group; }    // as to what it writes

static void touch_call(Walk *w) {
  const Call *c = w->c;
  for (int i = 0; i < c->n_inputs; i++) {
    const Input *in = &c->inputs[i];
    bool rows_first = !input_prologue(c, i) || c->kind == CALL_REDUCE_LANES || c->by_group;    // of its domain's dims
    touch(w, in->buffer, in->index < 0 && rows_first && !moves_rows(c->kind) && goes_by_row(w, in->buffer, in->stride[0]));
  }
  for (int i = 0; i < c->n_outputs; i++)
    touch(w, c->outputs[i].buffer, is_point_by_point(c) && !c->outputs[i].by && goes_by_row(w, c->outputs[i].buffer, c->outputs[i].stride[0]));
  if (c->kind == CALL_DOT) {
    touch(w, c->left.buffer, (c->by_group > 0) == c->reduced.is_rows && goes_by_row(w, c->left.buffer, c->by_group ? c->left.stride_k : c->left.stride_mn));
    touch(w, c->right.buffer, c->by_group && goes_by_row(w, c->right.buffer, c->right.stride_k));
  }
  if (c->kind == CALL_ROWS) touch(w, c->sorted.buffer, false);
  for (int i = 0; i < c->n_dims; i++) touch_extent(w, c->dims[i]);
  touch_extent(w, c->reduced);
  if (c->kind == CALL_SPREAD_BAG) touch(w, c->lists.buffer, false);
  for (int i = 0; i < c->host.n_in; i++) touch(w, c->host.in[i].buffer, false);
  if (c->kind == CALL_HOST) touch(w, c->host.out.buffer, false);
}

// From the first phase to the last: what a phase of slots wrote is there for the next batch.
static void keep_outputs(Walk *w, int n_phases) {
  for (int i = 0; i < w->c->n_outputs; i++) {
    int at = w->c->outputs[i].buffer - w->first_buffer;
    if (at < 0 || at >= w->n) continue;
    w->life[at].from = 0, w->life[at].to = n_phases;
    w->life[at].row_first = w->life[at].row_last = false;
  }
}

static void lives(Walk *w, const Phase *ph, int n_phases) {
  for (int i = 0; i < w->n; i++) w->life[i] = (Life){ .buffer = w->first_buffer + i, .from = INT32_MAX, .to = -1 };
  for (int i = 0; i < n_phases; i++) {
    w->ph = &ph[i];
    if (!ph[i].goes_on) w->phase = i;                                 // those that take turns live at once
    for (int c = 0; c < ph[i].n_calls; c++, w->call++) w->c = &ph[i].calls[c], touch_call(w);
  }
  for (int i = 0; i < n_phases; i++)
    for (int c = 0; ph[i].of_slots && c < ph[i].n_calls; c++) w->c = &ph[i].calls[c], keep_outputs(w, n_phases);
}

// Those of one phase's groups, which have so many rows.
static bool is_local(const Schedule *s, const Life *x) {
  const Buffer *b = &s->buffers.data[x->buffer];
  return x->to >= 0 && x->from == x->to && x->row_first && !b->rows_a && b->rows_b == 1;
}

static void make_local(Schedule *s, const Life *x, const Phase *ph) {
  Buffer *b = &s->buffers.data[x->buffer];
  b->role = BUF_LOCAL;
  b->rows_a = ph[x->from].group, b->rows_b = 0;
}

// ---------------------------------------------------------------- one behind the other
static bool same_strides(const Call *c, const int64_t *a, const int64_t *b) {
  for (int d = 0; d < c->n_dims; d++)
    if (a[d] != b[d]) return false;
  return true;
}

// Does the call read `from` at just the points where it writes `to`?
static bool in_place(const Call *c, int from, int to) {
  const Output *out = NULL;
  if (c->kind != CALL_MAP && c->kind != CALL_DOT) return false;
  if (c->kind == CALL_DOT && (c->left.buffer == from || c->right.buffer == from)) return false;
  for (int i = 0; i < c->n_outputs; i++) {
    if (c->outputs[i].buffer == from || (out && c->outputs[i].buffer == to)) return false;
    if (c->outputs[i].buffer == to) out = &c->outputs[i];
  }
  for (int i = 0; i < c->n_inputs && out; i++) {
    const Input *in = &c->inputs[i];
    if (in->buffer == to) return false;
    if (in->buffer == from && (in->index >= 0 || in->offset != out->offset || !same_strides(c, in->stride, out->stride))) return false;
  }
  return out != NULL;
}

static bool follows(const Schedule *s, const Life *x, const Life *last) {
  const Buffer *a = &s->buffers.data[x->buffer], *b = &s->buffers.data[last->buffer];
  bool local = a->role == BUF_LOCAL, rows = local || (!a->rows_a && !b->rows_a && a->rows_b == 1 && b->rows_b == 1);
  if (!rows || a->ld * width_of(a) != b->ld * width_of(b) || last->to != x->from || !last->row_last || !x->row_first) return false;
  return last->last < x->first || (last->last == x->first && a->dtype == b->dtype && in_place(last->at_last, b - s->buffers.data, a - s->buffers.data));
}

static int by_first(const void *a, const void *b) {
  const Life *x = *(Life *const *)a, *y = *(Life *const *)b;
  return x->first != y->first ? (x->first < y->first ? -1 : 1) : x->buffer < y->buffer ? -1 : x->buffer > y->buffer;
}

typedef struct { const Life *last; int from, to; int64_t bytes, offset; } Room;   // from, to: phases; of local ones calls

// room: life → its room. A life goes where another ended last: that is still in the caches.
static int rooms(const Schedule *s, Life *life, int n, bool local, Room *room, int *room_of) {
  Life **order = NEW_ARRAY(s->arena, Life *, n + 1);
  int n_rooms = 0;
  for (int i = 0; i < n; i++) order[i] = &life[i];
  if (n) qsort(order, (size_t)n, sizeof *order, by_first);
  for (int i = 0; i < n; i++) {
    int best = -1;
    for (int r = 0; r < n_rooms; r++)
      if (order[i]->to >= 0 && follows(s, order[i], room[r].last) && (best < 0 || room[r].last->last > room[best].last->last)) best = r;
    if (best < 0) {
      best = n_rooms++;
      room[best] = (Room){ .from = local ? order[i]->first : order[i]->from, .bytes = bytes_of(s, &s->buffers.data[order[i]->buffer]) };
    }
    room[best].last = order[i];
    room[best].to = local ? order[i]->last : order[i]->to;
    room_of[order[i] - life] = best;
  }
  return n_rooms;
}

// ---------------------------------------------------------------- where
static void place_room(Room *room, int i) {                          // first fit
  int64_t at = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (int j = 0; j < i; j++) {
      const Room *o = &room[j];
      if (o->to < room[i].from || room[i].to < o->from || at + room[i].bytes <= o->offset || o->offset + o->bytes <= at) continue;
      at = o->offset + o->bytes;
      moved = true;
    }
  }
  room[i].offset = at;
}

// Of the buffers of a role; bytes: of its arena, which other programs use, too.
static void share_arena(Schedule *s, const Life *all, int n_all, BufferRole role, int64_t *bytes) {
  Life *life = NEW_ARRAY(s->arena, Life, n_all + 1);
  Room *room = NEW_ARRAY(s->arena, Room, n_all + 1);
  int *room_of = NEW_ARRAY(s->arena, int, n_all + 1), n = 0;
  for (int i = 0; i < n_all; i++)
    if (s->buffers.data[all[i].buffer].role == role) life[n++] = all[i];
  int n_rooms = rooms(s, life, n, role == BUF_LOCAL, room, room_of);
  for (int i = 0; i < n_rooms; i++) {
    place_room(room, i);
    if (room[i].offset + room[i].bytes > *bytes) *bytes = room[i].offset + room[i].bytes;
  }
  for (int i = 0; i < n; i++) s->buffers.data[life[i].buffer].offset = room[room_of[i]].offset;
}

void share_memory(Planner *p, const Phase *ph, int n_ph, int first) {
  Schedule *s = p->s;
  int n = s->buffers.n - first;
  Walk w = { .life = NEW_ARRAY(s->arena, Life, n + 1), .first_buffer = first, .n = n, .s = s };
  lives(&w, ph, n_ph);
  for (int i = 0; i < n; i++)
    if (s->buffers.data[first + i].role == BUF_ROWS && is_local(s, &w.life[i])) make_local(s, &w.life[i], ph);
  share_arena(s, w.life, n, BUF_ROWS, &s->rows_bytes);
  share_arena(s, w.life, n, BUF_LOCAL, &s->local_bytes);
}
