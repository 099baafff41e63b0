// print.c: the graph as text: slots, one node a line, roots.
#include "graph_int.h"
#include <inttypes.h>

static const char *const dtype_names[] = {"f32", "f64", "u32", "i64"};
static const char *const role_names[] = {"param", "state", "opt", "balance"};

static void print_axes(const Graph *g, int rank, const AxisId *axis, Text *out) {
  text_char(out, '[');
  for (int i = 0; i < rank; i++) {
    const Axis *a = &g->axes.data[axis[i]];
    if (i) text_add(out, ", ");
    if (a->kind == AXIS_FIXED) text_printf(out, "%" PRId64, a->size);
    else text_add(out, a->name);
  }
  text_char(out, ']');
}

char *shape_text(const Graph *g, NodeId n, Arena *a) {
  Text t = {0};
  print_axes(g, node(g, n)->rank, node(g, n)->axis, &t);
  char *s = arena_strdup(a, t.data);
  text_free(&t);
  return s;
}

static void print_attr(const Graph *g, const Node *n, Text *out) {
  const int64_t *i = n->attr.i;
  switch (n->op) {
  case OP_DENSE: text_printf(out, " %" PRId64 "..%" PRId64, i[0], i[0] + i[1]); break;
  case OP_READ: text_printf(out, " %s", g->slots.data[i[0]].path); break;
  case OP_CONST: text_printf(out, " %.9g", n->attr.f); break;
  case OP_RT_REAL:
    if (i[0] >= RT_REALS) text_printf(out, " key %" PRId64, i[0] - RT_REALS);
    else text_add(out, i[0] == RT_LR ? " lr" : " epoch");
    break;
  case OP_IDS:
    text_printf(out, " %" PRId64, i[0]);
    if (i[1]) text_printf(out, "..%" PRId64 ", length %" PRId64, i[0] + i[1], i[2]);
    break;
  case OP_LABEL: case OP_KNOWN: text_printf(out, " %" PRId64, i[0]); break;
  case OP_SUM: case OP_AMAX: case OP_CONCAT: text_printf(out, " axis %" PRId64, i[0]); break;
  case OP_DOT: text_printf(out, " \"%s,%s>%s\"", n->attr.label[0], n->attr.label[1], n->attr.label[2]); break;
  case OP_SLICE: text_printf(out, " axis %" PRId64 ", %" PRId64 "..%" PRId64, i[0], i[1], i[2]); break;
  case OP_PAD: text_printf(out, " axis %" PRId64 ", %" PRId64 " before, %" PRId64 " after", i[0], i[1], i[2]); break;
  case OP_TRANSPOSE:
    for (int k = 0; k < n->rank; k++) text_printf(out, "%s%d", k ? "," : " axes ", (int)(i[0] >> (3 * k) & 7));
    break;
  default: break;   // the shape after the colon says the rest
  }
}

// The slots that a node reads directly: a person follows a weight by them.
static void print_slots_read(const Graph *g, NodeId n, Text *out) {
  const char *lead = "   # ";
  for (int i = 0; i < node(g, n)->n_in; i++) {
    const Node *in = node(g, node_in(g, n, i));
    if (in->op != OP_READ) continue;
    text_printf(out, "%s%s", lead, g->slots.data[in->attr.i[0]].path);
    lead = ", ";
  }
}

static void print_node(const Graph *g, NodeId id, Text *out) {
  const Node *n = node(g, id);
  text_printf(out, "%%%u = %s", id, op_rows[n->op].name);
  for (int i = 0; i < n->n_in; i++) text_printf(out, "%s%%%u", i ? ", " : " ", node_in(g, id, i));
  print_attr(g, n, out);
  text_add(out, " : ");
  if (n->dtype != g->dtype) text_printf(out, "%s ", dtype_names[n->dtype]);
  print_axes(g, n->rank, n->axis, out);
  print_slots_read(g, id, out);
  text_char(out, '\n');
}

void graph_print(const Graph *g, Text *out) {
  text_printf(out, "graph %s, at most %" PRId64 " rows\n", dtype_names[g->dtype], axis_size(g, AXIS_OF_ROWS));
  for (int i = 0; i < g->slots.n; i++) {
    const Slot *s = &g->slots.data[i];
    text_printf(out, "slot %s : %s %s ", s->path, role_names[s->role], dtype_names[s->dtype]);
    print_axes(g, s->rank, s->axis, out);
    text_printf(out, "%s%s\n", s->frozen ? " frozen" : "", s->lazy ? " lazy" : "");
  }
  for (NodeId n = 1; n < (NodeId)g->nodes.n; n++) print_node(g, n, out);
  if (g->loss) text_printf(out, "loss = %%%u\n", g->loss);
  for (int i = 0; i < g->roots.n; i++) {
    const Root *r = &g->roots.data[i];
    text_printf(out, "%s %s = %%%u\n", r->slot >= 0 ? "assign" : "out", r->name, r->value);
  }
}
