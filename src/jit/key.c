// key.c: the canonical text of a schedule: every fact that the emitter reads, and none that it does not (no addresses, no places in the spec,
// unless the object is to have lines). Two schedules with the same text give the same object. What a table or an enum numbers stands here by
// its name: an object outlives the compiler that made it, and a row added to a table moves the numbers of those after it.
#include "module.h"

static const char *const val_names[] = {
  [VAL_INPUT] = "input", [VAL_OP] = "op", [VAL_CONST] = "const", [VAL_IOTA] = "iota", [VAL_ANCHOR] = "anchor",
};
static const char *const dtype_names[] = { [F32] = "f32", [F64] = "f64", [U32] = "u32", [I64] = "i64" };

static void strides(Text *t, const int64_t *s, int n) {
  for (int i = 0; i < n; i++) text_printf(t, ",%lld", (long long)s[i]);
}

static void operand(Text *t, const char *side, int buffer, int64_t offset, int64_t mn, int64_t k, DType dtype) {
  text_printf(t, " %s b%d+%lld,%lld,%lld %s", side, buffer, (long long)offset, (long long)mn, (long long)k, dtype_names[dtype]);
}

static void values(Text *t, const Call *c) {
  for (int i = 0; i < c->n_vals; i++) {
    const Val *v = &c->vals[i];
    text_printf(t, " v%d %s %s %s p%d", i, val_names[v->kind], v->kind == VAL_OP ? op_rows[v->op].name : "-", dtype_names[v->dtype],
                v->prologue);
    for (int k = 0; k < v->n_in; k++) text_printf(t, ",%d", v->in[k]);
    text_printf(t, " i%d d%d f%a", v->input, v->dim, v->f);
  }
}

static void dim(Text *t, Dim d) {
  text_printf(t, " %c%lld", d.is_rows ? 'R' : d.named ? 'n' : 'd', (long long)d.size);
  if (d.named) text_printf(t, " b%d", d.named - 1);
}

static void call_key(Text *t, const Call *c) {
  text_printf(t, "call %s %s", call_kind_name(c->kind), c->name ? c->name : "");
  for (int i = 0; i < c->n_dims; i++) dim(t, c->dims[i]);
  text_add(t, " red");
  dim(t, c->reduced);
  text_printf(t, " %s a%d it %lld %lld", op_rows[c->reduce_op].name, c->anchor, (long long)c->items, (long long)c->item_rows);
  if (c->kind == CALL_DOT) {
    operand(t, "left", c->left.buffer, c->left.offset, c->left.stride_mn, c->left.stride_k, c->left.dtype);
    operand(t, "right", c->right.buffer, c->right.offset, c->right.stride_mn, c->right.stride_k, c->right.dtype);
  }
  if (c->kind == CALL_ROWS)
    text_printf(t, " sorted b%d+%lld,%lld,%lld,%d", c->sorted.buffer, (long long)c->sorted.offset, (long long)c->sorted.distinct,
                (long long)c->sorted.ids, c->sorted.sources);
  strides(t, c->sorted.item_stride, c->sorted.sources);
  if (c->kind == CALL_SPREAD_BAG)
    text_printf(t, " lists b%d+%lld,%lld,%lld", c->lists.buffer, (long long)c->lists.offset, (long long)c->lists.rows, (long long)c->lists.words);
  for (int i = 0; i < c->n_inputs; i++) {
    const Input *in = &c->inputs[i];
    text_printf(t, " in b%d+%lld %s x%d,%lld", in->buffer, (long long)in->offset, dtype_names[in->dtype], in->index, (long long)in->index_stride);
    strides(t, in->stride, MAX_DIMS + 1);
  }
  for (int i = 0; i < c->n_outputs; i++) {
    const Output *o = &c->outputs[i];
    text_printf(t, " out v%d b%d+%lld %s", o->val, o->buffer, (long long)o->offset, dtype_names[o->dtype]);
    strides(t, o->stride, MAX_DIMS);
    text_printf(t, " x%d,%lld", o->by, (long long)o->row_stride);
  }
  values(t, c);
  text_char(t, '\n');
}

static void line_key(const Schedule *s, Place at, Text *t) {
  int line = 0, col = 0;
  if (at.file) source_line_col(s->sources, at, &line, &col);
  text_printf(t, "line %s %d\n", at.file ? source_name(s->sources, at.file) : "-", line);
}

void schedule_key(const Schedule *s, Text *t) {
  text_printf(t, "dtype %s capacity %lld block %lld\n", dtype_names[s->dtype], (long long)s->capacity, (long long)s->block);
  for (int i = 0; i < s->buffers.n; i++) {
    const Buffer *b = &s->buffers.data[i];
    text_printf(t, "buffer %d %s %s %lld %lld %lld %lld\n", i, b->role == BUF_RT_INT ? "rt" : b->role == BUF_LOCAL ? "local" : "-", dtype_names[b->dtype],
                (long long)b->rows_a, (long long)b->rows_b, (long long)b->cols, (long long)b->ld);
  }
  for (int p = 0; p < N_PROGRAMS; p++)
    for (int i = 0; i < s->programs[p].n_phases; i++) {
      const Phase *ph = &s->programs[p].phases[i];
      if (ph->is_host) continue;                                      // nothing is emitted for it
      text_printf(t, "phase %s %d %lld\n", ph->symbol, ph->over_rows, (long long)ph->group);
      for (int k = 0; k < ph->n_calls; k++) {
        call_key(t, &ph->calls[k]);
        if (s->sources) line_key(s, ph->calls[k].at, t);
      }
    }
}
