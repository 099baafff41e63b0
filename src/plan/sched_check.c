// sched_check.c: invariants of a schedule. A value is written before it is read; a slot is not read after its assign (but
// in the call that assigns it); buffers that live at the same time do not overlap.
#include "plan_int.h"

typedef struct { const Schedule *s; bool *written, *assigned; int *first, *last; const char *where; } Check;

static void check_read(Check *k, int buffer, int t, const bool *here) {
  const Buffer *b = &k->s->buffers.data[buffer];
  if (b->role == BUF_ROWS && !k->written[buffer]) BUG("%s reads %s before it is written", k->where, b->name);
  if (b->role == BUF_SLOT && k->assigned[buffer] && !here[buffer]) BUG("%s reads %s after its update", k->where, b->name);
  if (b->role == BUF_OUT) BUG("%s reads the output %s", k->where, b->name);
  if (t > k->last[buffer]) k->last[buffer] = t;
}

static void check_call(Check *k, const Call *c, int t) {
  bool *here = NEW_ARRAY(k->s->arena, bool, k->s->buffers.n);
  for (int i = 0; i < c->n_vals; i++)
    for (int j = 0; j < c->vals[i].n_in; j++) CHECK(c->vals[i].in[j] < i);
  if (c->kind == CALL_DOT) check_read(k, c->left.buffer, t, here), check_read(k, c->right.buffer, t, here);
  for (int i = 0; i < c->n_inputs; i++) check_read(k, c->inputs[i].buffer, t, here);
  for (int i = 0; i < c->n_outputs; i++) {
    int b = c->outputs[i].buffer;
    k->written[b] = k->assigned[b] = true;
    if (t < k->first[b]) k->first[b] = t;
    if (t > k->last[b]) k->last[b] = t;
  }
}

static int64_t bytes_of(const Schedule *s, const Buffer *b) {
  return (b->rows_a + b->rows_b * s->capacity) * b->ld * (b->dtype == F64 || b->dtype == I64 ? 8 : 4);
}

static void check_overlap(const Check *k) {
  const Schedule *s = k->s;
  for (int i = 0; i < s->buffers.n; i++)
    for (int j = 0; j < i; j++) {
      const Buffer *a = &s->buffers.data[i], *b = &s->buffers.data[j];
      if (a->role != BUF_ROWS || b->role != BUF_ROWS || k->last[i] < 0 || k->last[j] < 0) continue;
      bool apart = k->last[i] < k->first[j] || k->last[j] < k->first[i];
      bool clear = a->offset + bytes_of(s, a) <= b->offset || b->offset + bytes_of(s, b) <= a->offset;
      if (!apart && !clear) BUG("%s and %s live at the same time in the same memory", a->name, b->name);
    }
}

void schedule_check(const Schedule *s) {
  for (int p = 0; p < N_PROGRAMS; p++) {
    int n = s->buffers.n;
    Check k = { .s = s, .written = NEW_ARRAY(s->arena, bool, n), .assigned = NEW_ARRAY(s->arena, bool, n),
                .first = NEW_ARRAY(s->arena, int, n), .last = NEW_ARRAY(s->arena, int, n) };
    for (int i = 0; i < n; i++) k.first[i] = INT32_MAX, k.last[i] = -1;
    for (int t = 0; t < s->programs[p].n_phases; t++) {
      const Phase *ph = &s->programs[p].phases[t];
      k.where = ph->symbol;
      for (int c = 0; c < ph->n_calls; c++) check_call(&k, &ph->calls[c], t);
    }
    check_overlap(&k);
  }
}
