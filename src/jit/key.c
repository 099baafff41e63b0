// key.c: the canonical text of a schedule: every fact that the emitter reads, and none that it does not (no addresses,
// no places in the spec). Two schedules with the same text give the same object.
#include "module.h"

static void strides(Text *t, const int64_t *s, int n) {
  for (int i = 0; i < n; i++) text_printf(t, ",%lld", (long long)s[i]);
}

static void operand(Text *t, const char *side, int buffer, int64_t offset, int64_t mn, int64_t k, DType dtype) {
  text_printf(t, " %s b%d+%lld,%lld,%lld t%d", side, buffer, (long long)offset, (long long)mn, (long long)k, dtype);
}

static void values(Text *t, const Call *c) {
  for (int i = 0; i < c->n_vals; i++) {
    const Val *v = &c->vals[i];
    text_printf(t, " v%d k%d o%d t%d p%d", i, v->kind, v->op, v->dtype, v->prologue);
    for (int k = 0; k < v->n_in; k++) text_printf(t, ",%d", v->in[k]);
    text_printf(t, " i%d d%d f%a", v->input, v->dim, v->f);
  }
}

static void call_key(Text *t, const Call *c) {
  text_printf(t, "call %d %s", c->kind, c->name ? c->name : "");
  for (int i = 0; i < c->n_dims; i++) text_printf(t, " %c%lld", c->dims[i].is_rows ? 'R' : 'd', (long long)c->dims[i].size);
  text_printf(t, " red %c%lld op%d a%d it %lld %lld", c->reduced.is_rows ? 'R' : 'd', (long long)c->reduced.size, c->reduce_op, c->anchor,
              (long long)c->items, (long long)c->item_rows);
  if (c->kind == CALL_DOT) {
    operand(t, "left", c->left.buffer, c->left.offset, c->left.stride_mn, c->left.stride_k, c->left.dtype);
    operand(t, "right", c->right.buffer, c->right.offset, c->right.stride_mn, c->right.stride_k, c->right.dtype);
  }
  for (int i = 0; i < c->n_inputs; i++) {
    const Input *in = &c->inputs[i];
    text_printf(t, " in b%d+%lld t%d x%d,%lld", in->buffer, (long long)in->offset, in->dtype, in->index, (long long)in->index_stride);
    strides(t, in->stride, MAX_DIMS + 1);
  }
  for (int i = 0; i < c->n_outputs; i++) {
    const Output *o = &c->outputs[i];
    text_printf(t, " out v%d b%d+%lld t%d", o->val, o->buffer, (long long)o->offset, o->dtype);
    strides(t, o->stride, MAX_DIMS);
  }
  values(t, c);
  text_char(t, '\n');
}

void schedule_key(const Schedule *s, Text *t) {
  text_printf(t, "dtype %d capacity %lld block %lld\n", s->dtype, (long long)s->capacity, (long long)s->block);
  for (int i = 0; i < s->buffers.n; i++) {
    const Buffer *b = &s->buffers.data[i];
    text_printf(t, "buffer %d role %d t%d %lld %lld %lld %lld\n", i, b->role, b->dtype, (long long)b->rows_a, (long long)b->rows_b,
                (long long)b->cols, (long long)b->ld);
  }
  for (int p = 0; p < N_PROGRAMS; p++)
    for (int i = 0; i < s->programs[p].n_phases; i++) {
      const Phase *ph = &s->programs[p].phases[i];
      if (ph->is_host) continue;                                      // nothing is emitted for it
      text_printf(t, "phase %s %d %lld\n", ph->symbol, ph->over_rows, (long long)ph->group);
      for (int k = 0; k < ph->n_calls; k++) call_key(t, &ph->calls[k]);
    }
}
