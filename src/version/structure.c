// structure.c: Merkle hashes of the graph. A node's hash covers its op, attributes, type and the hashes of its operands, never an
// id: so it does not depend on the order in which a spec says things, nor on what else the graph has. What is an index elsewhere
// (column, label, slot, axis, site of a random number) is written as what it stands for.
#include "canon_int.h"

enum { DIGITS = 32 };                      // 128 bits of SHA-256
struct Structure { const Model *m; const Graph *g; char (*hash)[DIGITS + 1]; };

static void axis_text(const Graph *g, AxisId axis, Text *out) {
  const Axis *a = &g->axes.data[axis];
  if (a->kind == AXIS_ROWS) text_add(out, " rows");
  else if (a->kind == AXIS_SYMBOL) text_printf(out, " |%s|", a->name);
  else text_printf(out, " %lld", (long long)a->size);
}

static const char *ids_input(const Model *m, int64_t at) {
  for (int i = 0; i < m->data.n_inputs; i++)
    if (m->data.inputs[i].id_at == at) return m->data.inputs[i].name;
  return "?";
}

static void attr_text(const Model *m, const Graph *g, const Node *n, Text *out) {
  const int64_t *i = n->attr.i;
  switch (n->op) {
  case OP_IDS: text_printf(out, " %s", ids_input(m, i[0])); return;
  case OP_LABEL: case OP_KNOWN:
    if (i[0] >= m->data.n_labels) text_printf(out, " groups by %s", m->data.columns[m->data.groups[i[0] - m->data.n_labels]].name);
    else text_printf(out, " %s", label_definition(m, &m->data.labels[i[0]], true));
    return;
  case OP_READ: text_printf(out, " %s", g->slots.data[i[0]].path); return;
  case OP_RT_REAL:
    if (i[0] >= RT_REALS) text_printf(out, " site %016llx", (unsigned long long)g->sites.data[i[0] - RT_REALS]);
    else text_printf(out, " %lld", (long long)i[0]);
    return;
  case OP_IOTA: case OP_SPREAD: case OP_RESHAPE: case OP_BROADCAST: return;                     // the shape says it
  default:
    for (int k = 0; k < 4; k++) text_printf(out, " %lld", (long long)i[k]);
    text_printf(out, " %.17g %.8s %.8s %.8s", n->attr.f, n->attr.label[0], n->attr.label[1], n->attr.label[2]);
  }
}

typedef char Digest[DIGITS + 1];
typedef VEC(const char *) Parts;

static void digest(const Text *t, Digest out) {
  char full[SHA256_DIGITS + 1];
  sha256_text(t->data, t->n, full);
  memcpy(out, full, DIGITS);
  out[DIGITS] = 0;
}

// Columns from … to of what an input gives, or of the lengths of a list.
static void add_columns(const Structure *s, Parts *out, const char *input, const char *what, int64_t from, int64_t to) {
  Text t = {0};
  Digest hash;
  text_printf(&t, "dense_input %s%s %lld..%lld", input, what, (long long)from, (long long)to);
  digest(&t, hash);
  text_free(&t);
  const char *kept = arena_strdup(s->m->arena, hash);
  vec_push(s->m->arena, out, kept);
}

static int64_t width_of(const DataInput *in) {
  if (in->kind == INPUT_LIST) return in->max;
  return in->kind == INPUT_TIME ? 2 * in->n_parts : in->width * (1 + in->prep.indicator);
}

// The inputs that lie in dense columns first … first + n − 1: neighbours are read at once, whose order is that of their
// declarations.
static void dense_parts(const Structure *s, int64_t first, int64_t n, Parts *out) {
  for (int64_t at = first; at < first + n;) {
    int64_t before = at;
    for (int i = 0; i < s->m->data.n_inputs && at == before; i++) {
      const DataInput *in = &s->m->data.inputs[i];
      int64_t end = in->dense_at + width_of(in), to = end < first + n ? end : first + n;
      if (in->kind == INPUT_LIST && in->length_at == at) add_columns(s, out, in->name, " length", 0, 1), at++;
      else if (in->dense_at >= 0 && in->dense_at <= at && at < end)
        add_columns(s, out, in->name, "", at - in->dense_at, to - in->dense_at), at = to;
    }
    if (at == before) BUG("dense column %lld is of no input", (long long)at);
  }
}

// What lies side by side in a node along `axis`: concatenated neighbours and nested concatenations are the same as one.
static void parts_along(const Structure *s, NodeId id, int64_t axis, Parts *out) {
  const Node *n = node(s->g, id);
  if (n->op == OP_DENSE && axis == 1) dense_parts(s, n->attr.i[0], n->attr.i[1], out);
  else if (n->op == OP_CONCAT && n->attr.i[0] == axis)
    for (int k = 0; k < n->n_in; k++) parts_along(s, node_in(s->g, id, k), axis, out);
  else vec_push(s->m->arena, out, s->hash[id]);
}

static void concat_text(const Structure *s, NodeId id, Text *out) {
  const Node *n = node(s->g, id);
  int64_t axis = n->op == OP_DENSE ? 1 : n->attr.i[0];
  Parts parts = {0};
  parts_along(s, id, axis, &parts);
  text_printf(out, "concat %lld :", (long long)axis);
  for (int k = 0; k < parts.n; k++) text_printf(out, " %s", parts.data[k]);
}

static void node_text(const Structure *s, NodeId id, Text *out) {
  const Node *n = node(s->g, id);
  if (n->op == OP_DENSE || n->op == OP_CONCAT) {
    concat_text(s, id, out);
    return;
  }
  text_add(out, op_rows[n->op].name);
  attr_text(s->m, s->g, n, out);
  text_printf(out, " : %d", n->dtype);
  for (int k = 0; k < n->rank; k++) axis_text(s->g, n->axis[k], out);
  for (int k = 0; k < n->n_in; k++) text_printf(out, " %s", s->hash[node_in(s->g, id, k)]);
}

Structure *structure_new(const Model *m, const Graph *g) {      // one pass up: operands lie below
  Structure *s = NEW(m->arena, Structure);
  Text t = {0};
  *s = (Structure){m, g, arena_alloc(m->arena, sizeof *s->hash * (size_t)g->nodes.n)};
  for (NodeId id = 1; id < (NodeId)g->nodes.n; id++) {
    t.n = 0;
    node_text(s, id, &t);
    digest(&t, s->hash[id]);
  }
  text_free(&t);
  return s;
}

const char *structure_of(const Structure *s, NodeId n) { return s->hash[n]; }
