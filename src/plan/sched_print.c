// sched_print.c: a schedule as text, one call a line and one line per step of its program.
#include "plan_int.h"

static const char *const routines[N_HOST] = {
#define HOST(id, fn, item_rows) [HOST_##id] = #fn,
#include "../../runtime/host.def"
#undef HOST
};

static void print_dim(Dim d, Text *out) {
  if (d.is_rows) text_add(out, "rows");
  else if (d.groups_of) text_printf(out, "groups of %lld", (long long)d.groups_of);
  else if (d.named) text_printf(out, "distinct %lld", (long long)d.size);
  else text_printf(out, "%lld", (long long)d.size);
}

static void print_place(const Schedule *s, int buffer, int64_t offset, Text *out) {
  text_add(out, s->buffers.data[buffer].name);
  if (offset) text_printf(out, "+%lld", (long long)offset);
}

static void print_rows(const Schedule *s, const Call *c, int index, Text *out) {
  text_add(out, "[");
  print_place(s, c->inputs[index].buffer, c->inputs[index].offset, out);
  text_add(out, "]");
}

static void print_val(const Schedule *s, const Call *c, int i, Text *out) {
  const Val *v = &c->vals[i];
  text_printf(out, "      v%d = ", i);
  switch (v->kind) {
  case VAL_INPUT: {
    const Input *in = &c->inputs[v->input];
    print_place(s, in->buffer, in->offset, out);
    if (in->index >= 0) print_rows(s, c, in->index, out);
    break;
  }
  case VAL_CONST: text_printf(out, "%.9g", v->f); break;
  case VAL_IOTA: text_printf(out, "index of dim %d", v->dim); break;
  case VAL_ANCHOR: text_printf(out, "the %s", call_kind_name(c->kind)); break;
  case VAL_OP:
    text_add(out, op_rows[v->op].name);
    for (int k = 0; k < v->n_in; k++) text_printf(out, " v%d", v->in[k]);
  }
  for (int o = 0; o < c->n_outputs; o++)
    if (c->outputs[o].val == i) {
      text_add(out, " -> ");
      print_place(s, c->outputs[o].buffer, c->outputs[o].offset, out);
      if (c->outputs[o].by) print_rows(s, c, c->outputs[o].by - 1, out);
    }
  text_char(out, '\n');
}

static void print_host(const Schedule *s, const Call *c, Text *out) {   // "host host_gemm trunk.w [64, 32]: a, b -> c"
  const HostArgs *h = &c->host;
  text_printf(out, "    host %s %s [", routines[h->id], c->name);
  for (int i = 0; i < h->out.rank; i++) text_printf(out, "%s%lld", i ? ", " : "", (long long)h->out.extent[i]);
  for (int i = 0; i < h->n_in; i++) {
    text_add(out, i ? ", " : "]: ");
    print_place(s, h->in[i].buffer, h->in[i].offset, out);
  }
  text_add(out, h->n_in ? " -> " : "] -> ");
  print_place(s, h->out.buffer, h->out.offset, out);
  text_char(out, '\n');
}

static void print_call(const Schedule *s, const Call *c, Text *out) {
  if (c->kind == CALL_HOST) { print_host(s, c, out); return; }
  text_printf(out, "    %s %s [", call_kind_name(c->kind), c->name);
  for (int d = 0; d < c->n_dims; d++) {
    if (d) text_add(out, ", ");
    print_dim(c->dims[d], out);
  }
  text_add(out, "]");
  if (c->kind != CALL_MAP) text_add(out, " over "), print_dim(c->reduced, out);
  if (c->by_group) text_add(out, " of a group");
  if (c->kind == CALL_DOT) {
    text_add(out, ": ");
    print_place(s, c->left.buffer, c->left.offset, out);
    text_add(out, " x ");
    print_place(s, c->right.buffer, c->right.offset, out);
  }
  if (c->kind == CALL_ROWS) text_add(out, " by "), print_place(s, c->sorted.buffer, c->sorted.offset, out);
  if (moves_rows(c->kind)) {
    bool lists = c->kind == CALL_SPREAD_BAG;
    const Input *values = &c->inputs[lists ? 0 : 1], *ids = &c->inputs[0];
    text_add(out, ": ");
    print_place(s, values->buffer, values->offset, out);
    text_add(out, " by ");
    print_place(s, lists ? c->lists.buffer : ids->buffer, lists ? c->lists.offset : ids->offset, out);
    if (c->n_inputs > 2) text_add(out, " below "), print_place(s, c->inputs[2].buffer, c->inputs[2].offset, out);
    text_add(out, " -> ");
    print_place(s, c->outputs[0].buffer, c->outputs[0].offset, out);
  }
  text_char(out, '\n');
  for (int i = 0; i < c->n_vals; i++) print_val(s, c, i, out);
}

void schedule_print(const Schedule *s, Text *out) {
  text_printf(out, "batch of %lld rows, sums by blocks of %lld; %lld bytes of slots, %lld of work\n",
              (long long)s->capacity, (long long)s->block, (long long)s->slot_bytes, (long long)s->rows_bytes);
  for (int p = 0; p < N_PROGRAMS; p++)
    for (int i = 0; i < s->programs[p].n_phases; i++) {
      const Phase *ph = &s->programs[p].phases[i];
      text_printf(out, "  phase %s", ph->symbol);
      if (ph->is_host) text_add(out, ", by C routines");
      if (ph->of_slots) text_add(out, ", of slots alone");
      if (ph->over_rows) text_printf(out, ", groups of %lld rows", (long long)ph->group);
      text_char(out, '\n');
      for (int c = 0; c < ph->n_calls; c++) print_call(s, &ph->calls[c], out);
    }
}
