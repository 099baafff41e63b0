// builtins.c: the functions that are no layers: elementwise, reductions, parameters, sizes, lists. One row of the table is
// one function; what the language names and this version has not is a row without code.
#include "model_int.h"
#include <math.h>

// ---------------------------------------------------------------- helpers
static Value *misfit(BuiltinCall *c, const Value *v, const char *needs) {
  Build *b = c->b;
  Place at = blame(b, c->env, v, c->at);
  build_error(b, c->env, "type-mismatch", at, "`%s` needs %s, not %s", c->f->name, needs, value_text(b, v));
  if (v->input || (v->kind == V_TENSOR && v->at.file && v->at.off != at.off))
    diag_note(b->d, v->at, "this is %s", value_text(b, v));
  if (v->kind == V_IDS) diag_help(b->d, "embed it: `embed(%s, 8)`", b->m->data.inputs[v->input - 1].name);
  return &bad_value;
}

static Value *result(BuiltinCall *c, NodeId n, int before) {
  return tensor_result(c->b, c->env, n, c->at, before, c->arg, c->n_args);
}

static int begin(BuiltinCall *c) {
  g_at(c->b->g, place_of(c->env, c->at));
  return diag_errors(c->b->d);
}

static bool whole_number(const Value *v) {
  return v->kind == V_NUMBER && v->number == floor(v->number) && fabs(v->number) < 1e15;
}

// ---------------------------------------------------------------- elementwise
static Value *fn_map(BuiltinCall *c) {
  Build *b = c->b;
  bool scalars = true;
  double x[3] = {0};
  NodeId in[3];
  for (int i = 0; i < c->n_args; i++) {
    if (c->arg[i]->kind != V_TENSOR && !is_scalar(c->arg[i])) return misfit(c, c->arg[i], "tensors or numbers");
    scalars &= is_scalar(c->arg[i]);
    x[i] = c->arg[i]->number;
  }
  if (scalars) return v_number(b, op_rows[c->f->op].fold(x, &(Attr){0}), c->at);
  int before = begin(c);
  for (int i = 0; i < c->n_args; i++) in[i] = v_node(b, c->arg[i]);
  return result(c, graph_add(b->g, c->f->op, in, c->n_args, (Attr){0}, b->g->at), before);
}

static Value *fn_softmax(BuiltinCall *c) {
  const Value *axis = c->arg[1];
  if (c->arg[0]->kind != V_TENSOR) return misfit(c, c->arg[0], "a tensor");
  int items = node(c->b->g, c->arg[0]->node)->rank - has_rows(c->b->g, c->arg[0]->node);
  bool last = !axis || axis->kind == V_LAST || (whole_number(axis) && (axis->number == items - 1 || axis->number == -1));
  if (items < 1) return misfit(c, c->arg[0], "an axis to go over");
  if (!last) {
    build_error(c->b, c->env, "unsupported", c->at, "`softmax` over another axis than the last is not supported yet");
    return &bad_value;
  }
  int before = begin(c);
  return result(c, g_softmax(c->b->g, c->arg[0]->node), before);
}

// ---------------------------------------------------------------- reductions
typedef enum { REDUCE_SUM, REDUCE_MEAN, REDUCE_MAX, REDUCE_MIN } Reduction;

static Value *reduce_list(BuiltinCall *c, Reduction r) {
  static const OpId ops[] = {OP_ADD, OP_ADD, OP_MAX, OP_MIN};
  Build *b = c->b;
  Flat all = {0};
  if (!flatten(b, c->env, c->arg[0], &all, c->at)) return &bad_value;
  if (all.n == 0) return misfit(c, c->arg[0], "items");
  for (int i = 0; i < all.n; i++)
    if (all.data[i]->kind != V_TENSOR && !is_scalar(all.data[i])) return misfit(c, all.data[i], "tensors or numbers");
  int before = begin(c);
  NodeId n = v_node(b, all.data[0]);
  for (int i = 1; i < all.n; i++) {
    NodeId next = v_node(b, all.data[i]);
    n = g_map2(b->g, ops[r], n, next);
  }
  if (r == REDUCE_MEAN && n) n = g_map2(b->g, OP_DIV, n, g_const(b->g, all.n));
  return tensor_result(b, c->env, n, c->at, before, all.data, all.n);
}

// The node's axis that argument `axis` means; −1: an error was given. Axes count without the batch axis.
static int axis_of(BuiltinCall *c, const Value *axis, NodeId n) {
  int rows = has_rows(c->b->g, n), items = node(c->b->g, n)->rank - rows;
  if (items == 0) {
    build_error(c->b, c->env, "shape-mismatch", c->at,
                "%s has no axis to go over; the batch axis is crossed by losses alone", value_text(c->b, c->arg[0]));
    return -1;
  }
  if (!axis) return rows;
  if (axis->kind == V_LAST) return rows + items - 1;
  double a = whole_number(axis) ? axis->number < 0 ? axis->number + items : axis->number : -1;
  if (a >= 0 && a < items) return rows + (int)a;
  build_error(c->b, c->env, "bad-value", blame(c->b, c->env, axis, c->at), "%s has the axes 0 to %d, and `last`",
              value_text(c->b, c->arg[0]), items - 1);
  return -1;
}

static Value *reduce(BuiltinCall *c, Reduction r) {
  Graph *g = c->b->g;
  if (c->arg[0]->kind == V_LIST || c->arg[0]->kind == V_RECORD) return reduce_list(c, r);
  if (c->arg[0]->kind != V_TENSOR) return misfit(c, c->arg[0], "a tensor or a list");
  if (c->arg[1] && c->arg[1]->kind == V_TENSOR && (r == REDUCE_MAX || r == REDUCE_MIN)) {
    const char *name = r == REDUCE_MAX ? "maximum" : "minimum";
    build_error(c->b, c->env, "type-mismatch", c->at, "this reduces one tensor over an axis");
    diag_help(c->b->d, "`%s(a, b)` compares two", name);
    return &bad_value;
  }
  NodeId x = c->arg[0]->node, n;
  int axis = axis_of(c, c->arg[1], x);
  if (axis < 0) return &bad_value;
  int64_t size = axis_size(g, node(g, x)->axis[axis]);
  int before = begin(c);
  if (r == REDUCE_MIN) x = g_map1(g, OP_NEG, x);
  n = r == REDUCE_MAX || r == REDUCE_MIN ? g_max(g, x, axis) : g_sum(g, x, axis);
  if (r == REDUCE_MIN) n = g_map1(g, OP_NEG, n);
  if (r == REDUCE_MEAN && size > 0 && n) n = g_map2(g, OP_MUL, n, g_const(g, 1.0 / (double)size));
  if (r == REDUCE_MEAN && size <= 0) return misfit(c, c->arg[0], "an axis of known size");
  return result(c, n, before);
}
static Value *fn_sum(BuiltinCall *c) { return reduce(c, REDUCE_SUM); }
static Value *fn_mean(BuiltinCall *c) { return reduce(c, REDUCE_MEAN); }
static Value *fn_max(BuiltinCall *c) { return reduce(c, REDUCE_MAX); }
static Value *fn_min(BuiltinCall *c) { return reduce(c, REDUCE_MIN); }

// ---------------------------------------------------------------- products, tables
static Value *fn_matmul(BuiltinCall *c) {
  Graph *g = c->b->g;
  for (int i = 0; i < 2; i++)
    if (c->arg[i]->kind != V_TENSOR) return misfit(c, c->arg[i], "two tensors");
  NodeId x = c->arg[0]->node, w = c->arg[1]->node;
  if (node(g, w)->rank != 2 || has_rows(g, w)) return misfit(c, c->arg[1], "a matrix without rows on its right");
  int before = begin(c);
  if (node(g, x)->rank == 2) return result(c, g_dot(g, x, w, "rk,kn>rn"), before);
  build_error(c->b, c->env, "shape-mismatch", c->at, "`matmul` needs one vector a row on its left, not %s", value_text(c->b,
        c->arg[0]));
  return &bad_value;
}

static AxisId cardinality_axis(Build *b, const Value *ids) {
  const DataInput *in = &b->m->data.inputs[ids->input - 1];
  if (in->kind == INPUT_ID) return axis_fixed(b->g, in->buckets);
  const PrepState *p = b->m->prep;
  return axis_symbol(b->g, in->name, p ? p->vocab[in->id_at].n + 1 : -1);
}

static Value *fn_cardinality(BuiltinCall *c) {
  if (c->arg[0]->kind != V_IDS) return misfit(c, c->arg[0], "an input of type `id` or `category`");
  AxisId a = cardinality_axis(c->b, c->arg[0]);
  if (c->b->g->axes.data[a].kind == AXIS_FIXED) return v_number(c->b, (double)axis_size(c->b->g, a), c->at);
  Value *v = v_new(c->b, V_SIZE, c->at);
  v->axis = a;
  return v;
}

static Value *fn_gather(BuiltinCall *c) {
  Graph *g = c->b->g;
  if (c->arg[0]->kind != V_TENSOR) return misfit(c, c->arg[0], "a table");
  if (c->arg[1]->kind != V_IDS) return misfit(c, c->arg[1], "an input of type `id` or `category`");
  Node *t = node(g, c->arg[0]->node);
  AxisId rows = cardinality_axis(c->b, c->arg[1]);
  if (t->rank < 1 || has_rows(g, c->arg[0]->node)) return misfit(c, c->arg[0], "a table");
  int before = begin(c);
  if (t->axis[0] == rows) return result(c, g_gather(g, c->arg[0]->node, c->arg[1]->node), before);
  build_error(c->b, c->env, "shape-mismatch", c->at, "%s has not a row for each value of %s", value_text(c->b, c->arg[0]),
              value_text(c->b, c->arg[1]));
  if (c->arg[0]->at.file) diag_note(c->b->d, c->arg[0]->at, "the table was made here");
  return &bad_value;
}

// ---------------------------------------------------------------- sizes
static Value *axis_value(BuiltinCall *c, AxisId a) {
  if (c->b->g->axes.data[a].kind == AXIS_FIXED) return v_number(c->b, (double)axis_size(c->b->g, a), c->at);
  Value *v = v_new(c->b, V_SIZE, c->at);
  v->axis = a;
  return v;
}

static Value *fn_dim(BuiltinCall *c) {
  if (c->arg[0]->kind != V_TENSOR) return misfit(c, c->arg[0], "a tensor");
  Node *x = node(c->b->g, c->arg[0]->node);
  if (x->rank == has_rows(c->b->g, c->arg[0]->node)) return v_number(c->b, 1, c->at);
  return axis_value(c, x->axis[x->rank - 1]);
}

static Value *fn_shape(BuiltinCall *c) {
  if (c->arg[0]->kind != V_TENSOR) return misfit(c, c->arg[0], "a tensor");
  Node *x = node(c->b->g, c->arg[0]->node);
  int rows = has_rows(c->b->g, c->arg[0]->node);
  Value *v = v_list(c->b, x->rank - rows, c->at);
  for (int i = 0; i < v->n; i++) v->items[i] = axis_value(c, x->axis[rows + i]);
  return v;
}

static Value *fn_size(BuiltinCall *c) {
  if (c->arg[0]->kind != V_LIST && c->arg[0]->kind != V_RECORD) return misfit(c, c->arg[0], "a list or a record");
  return v_number(c->b, c->arg[0]->n, c->at);
}

// ---------------------------------------------------------------- lists
static Value *fn_chain(BuiltinCall *c) {
  Flat all = {0};
  for (int i = 0; i < c->n_args; i++)
    if (!flatten(c->b, c->env, c->arg[i], &all, c->at)) return &bad_value;
  Value *v = v_list(c->b, all.n, c->at);
  for (int i = 0; i < all.n; i++) v->items[i] = all.data[i];
  return v;
}

// x as [rows, n]: one number a row becomes a column.
static NodeId as_vector(Graph *g, NodeId n) { return node(g, n)->rank == has_rows(g, n) ? g_expand(g, n, -1) : n; }

// Columns of the inputs that lie side by side are one slice: how many of parts[from …] are.
static int side_by_side(const Graph *g, const NodeId *parts, int n) {
  int k = 1;
  while (k < n && node(g, parts[k])->op == OP_DENSE && node(g, parts[k - 1])->op == OP_DENSE &&
         node(g, parts[k - 1])->attr.i[0] + node(g, parts[k - 1])->attr.i[1] == node(g, parts[k])->attr.i[0])
    k++;
  return k;
}

static int join_slices(Graph *g, NodeId *parts, int n) {
  int joined = 0;
  for (int i = 0, k; i < n; i += k) {
    k = side_by_side(g, parts + i, n - i);
    int64_t first = node(g, parts[i])->attr.i[0], width = 0;
    for (int j = i; k > 1 && j < i + k; j++) width += node(g, parts[j])->attr.i[1];
    parts[joined++] = k > 1 ? g_dense(g, first, width) : parts[i];
  }
  return joined;
}

static Value *fn_concat(BuiltinCall *c) {
  Build *b = c->b;
  Graph *g = b->g;
  Flat all = {0};
  for (int i = 0; i < c->n_args; i++)
    if (!flatten(b, c->env, c->arg[i], &all, c->at)) return &bad_value;
  for (int i = 0; i < all.n; i++)
    if (all.data[i]->kind != V_TENSOR) return all.data[i]->kind == V_BAD ? &bad_value : misfit(c, all.data[i], "tensors");
  if (all.n == 0) {
    build_error(b, c->env, "bad-value", c->at, "`concat` needs a tensor at least");
    return &bad_value;
  }
  int before = begin(c);
  NodeId *parts = NEW_ARRAY(b->a, NodeId, all.n);
  for (int i = 0; i < all.n; i++) parts[i] = as_vector(g, all.data[i]->node);
  int n = join_slices(g, parts, all.n);
  return tensor_result(b, c->env, g_concat(g, parts, n, -1), c->at, before, all.data, all.n);
}

// Σ_i weights[.., i] · items[i]
static Value *fn_mix(BuiltinCall *c) {
  Build *b = c->b;
  Graph *g = b->g;
  Value *weights = c->arg[0], *items = c->arg[1];
  if (weights->kind != V_TENSOR) return misfit(c, weights, "a tensor of weights");
  if (items->kind != V_LIST && items->kind != V_RECORD) return misfit(c, items, "a list of what is mixed");
  Node *w = node(g, weights->node);
  int64_t n = w->rank > has_rows(g, weights->node) ? axis_size(g, w->axis[w->rank - 1]) : 1;
  for (int i = 0; i < items->n; i++)
    if (items->items[i]->kind != V_TENSOR)
      return items->items[i]->kind == V_BAD ? &bad_value : misfit(c, items->items[i], "tensors to mix");
  if (n != items->n || n == 0) {
    build_error(b, c->env, "shape-mismatch", c->at, "`mix` has %lld weight%s for %d item%s", (long long)n, n == 1 ? "" : "s",
                items->n,
                items->n == 1 ? "" : "s");
    if (weights->at.file) diag_note(b->d, weights->at, "the weights are %s", value_text(b, weights));
    return &bad_value;
  }
  int before = begin(c);
  NodeId sum = 0;
  for (int i = 0; i < items->n; i++) {
    NodeId wi = g_slice(g, as_vector(g, weights->node), -1, i, i + 1), x = items->items[i]->node;
    sum = i == 0 ? g_map2(g, OP_MUL, wi, x) : g_map3(g, OP_FMA, wi, x, sum);
    if (!sum) break;
  }
  return tensor_result(b, c->env, sum, c->at, before, items->items, items->n);
}

// ---------------------------------------------------------------- parameters
static bool param_axis(BuiltinCall *c, const Value *v, AxisId *axis, double *elements) {
  enum { MAX_SIZE = INT32_MAX };
  if (v->kind == V_SIZE) {
    *axis = v->axis;
    return true;
  }
  if (!is_scalar(v) || v->kind == V_BOOL) {
    if (v->kind != V_BAD)
      build_error(c->b, c->env, "type-mismatch", blame(c->b, c->env, v, c->at), "a size is a whole number, not %s",
                  value_text(c->b, v));
    return false;
  }
  if (!(v->number >= 1) || v->number != floor(v->number)) {
    build_error(c->b, c->env, "bad-value", blame(c->b, c->env, v, c->at), "a size is a whole number from 1, not %g",
                v->number);
    return false;
  }
  *elements *= v->number;
  if (*elements > MAX_SIZE) {
    build_error(c->b, c->env, "size-overflow", blame(c->b, c->env, v, c->at), "a parameter has at most 2^31 elements");
    return false;
  }
  *axis = axis_fixed(c->b->g, (int64_t)v->number);
  return true;
}

static bool param_shape(BuiltinCall *c, int *rank, AxisId *axis) {
  const Value *shape = c->arg[0];
  double elements = 1;
  *rank = shape->kind == V_LIST ? shape->n : 1;
  if (*rank > MAX_RANK) {
    build_error(c->b, c->env, "bad-value", c->at, "a parameter has at most %d axes", MAX_RANK);
    return false;
  }
  for (int i = 0; i < *rank; i++)
    if (!param_axis(c, shape->kind == V_LIST ? shape->items[i] : shape, &axis[i], &elements)) return false;
  return true;
}

static bool same_axes(const Slot *s, int rank, const AxisId *axis) {
  return s->rank == rank && memcmp(s->axis, axis, sizeof *axis * (size_t)rank) == 0;
}

// The parameter of this path that a call of the instance (or of one around it) made before; −1: none.
static int instance_slot(const Build *b, const Instance *i, const char *path) {
  for (; i; i = i->up)
    for (int k = 0; k < i->slots.n; k++)
      if (strcmp(b->g->slots.data[i->slots.data[k]].path, path) == 0) return i->slots.data[k];
  return -1;
}

static Value *again(BuiltinCall *c, int slot, int rank, const AxisId *axis) {
  Build *b = c->b;
  const Slot *s = &b->g->slots.data[slot];
  int before = begin(c);
  NodeId read = g_read(b->g, slot);
  if (same_axes(s, rank, axis)) return result(c, read, before);
  build_error(b, c->env, "shape-mismatch", c->at, "this call of an instance does not fit its parameter `%s`, %s", s->path,
              shape_text(b->g, read, b->a));
  diag_note(b->d, s->at, "its shape comes from the first call, here");
  return &bad_value;
}

static const char *unique_path(Build *b, const char *path, Place at) {
  for (int i = 0; i < b->g->slots.n; i++) {
    if (strcmp(b->g->slots.data[i].path, path) != 0) continue;
    const char *other = unique_path(b, arena_printf(b->a, "%s_2", path), at);
    diag_warn(b->d, "twin", at, "two parameters would be `%s`: this one is `%s`", path, other);
    return other;
  }
  return path;
}

static Value *fn_param(BuiltinCall *c) {
  enum { MAX_PARAMS = 20000 };
  Build *b = c->b;
  Frame *f = c->env->frame;
  AxisId axis[MAX_RANK] = {0};
  int rank;
  if (!param_shape(c, &rank, axis)) return &bad_value;
  Init init = c->arg[1]->init;
  if (is_scalar(c->arg[1])) init = (Init){.kind = INIT_CONSTANT, .a = c->arg[1]->number};
  else if (c->arg[1]->kind != V_INIT) return misfit(c, c->arg[1], "an initialiser (`glorot_uniform`, `zeros` …)");
  if (b->g->slots.n >= MAX_PARAMS) {
    if (!b->too_large) build_error(b, c->env, "too-large", c->at, "a model has at most %d parameters", MAX_PARAMS);
    b->too_large = true;
    return &bad_value;
  }
  Place at = place_of(c->env, c->at);
  const char *path = frame_claim(b, f, c->as, "param", at);
  int slot = instance_slot(b, f->instance, path);
  if (slot >= 0) return again(c, slot, rank, axis);
  int before = begin(c);
  slot = graph_slot(b->g, unique_path(b, path, at), SLOT_PARAM, b->g->dtype, rank, axis, init, at);
  b->g->slots.data[slot].frozen = f->frozen;
  for (Instance *i = f->instance; i; i = i->up) vec_push(b->a, &i->slots, slot);
  return result(c, g_read(b->g, slot), before);
}

// ---------------------------------------------------------------- initialisers
static const struct { const char *name; InitKind kind; } inits[] = {
  {"zeros", INIT_ZEROS},           {"ones", INIT_ONES},           {"glorot_uniform", INIT_GLOROT_UNIFORM}, {"glorot_normal",
        INIT_GLOROT_NORMAL},
  {"he_uniform", INIT_HE_UNIFORM}, {"he_normal", INIT_HE_NORMAL},
};

bool find_init(const char *name, Init *init) {
  for (int i = 0; i < COUNT_OF(inits); i++)
    if (strcmp(inits[i].name, name) == 0) return *init = (Init){.kind = inits[i].kind}, true;
  return false;
}

static Value *init_value(BuiltinCall *c, Init init) {
  for (int i = 0; i < c->n_args; i++)
    if (c->arg[i] && !is_scalar(c->arg[i])) return misfit(c, c->arg[i], "numbers");
  Value *v = v_new(c->b, V_INIT, c->at);
  v->init = init;
  return v;
}
static Value *fn_constant(BuiltinCall *c) { return init_value(c, (Init){INIT_CONSTANT, c->arg[0]->number, 0}); }
static Value *fn_uniform(BuiltinCall *c) {
  Value *v = init_value(c, (Init){INIT_UNIFORM, c->arg[0]->number, c->arg[1]->number});
  if (v->kind == V_BAD || v->init.a < v->init.b) return v;
  build_error(c->b, c->env, "bad-value", c->at, "`uniform` goes from a lower to an upper end, not from %g to %g", v->init.a,
              v->init.b);
  return &bad_value;
}
static Value *fn_normal(BuiltinCall *c) {
  Value *v = init_value(c, (Init){INIT_NORMAL, 0, c->arg[0]->number});
  if (v->kind == V_BAD || v->init.b >= 0) return v;
  build_error(c->b, c->env, "bad-value", c->at, "a standard deviation is not below 0: %g", v->init.b);
  return &bad_value;
}

// select is evaluated by eval_select; as a value that is called later, on its tensors alone.
static Value *select_of(Build *b, Env *e, Value *cond, Value *x, Value *y, Place at) {
  Value *all[] = {cond, x, y};
  for (int i = 0; i < 3; i++) {
    if (all[i]->kind == V_BAD) return &bad_value;
    if (all[i]->kind == V_TENSOR || is_scalar(all[i])) continue;
    build_error(b, e, "type-mismatch", blame(b, e, all[i], at), "`select` needs tensors or numbers, not %s", value_text(b,
          all[i]));
    return &bad_value;
  }
  int before = diag_errors(b->d);
  g_at(b->g, place_of(e, at));
  NodeId c = v_node(b, cond), p = v_node(b, x), q = v_node(b, y);
  return tensor_result(b, e, g_select(b->g, c, p, q), at, before, all, 3);
}
static Value *fn_select(BuiltinCall *c) {
  if (is_scalar(c->arg[0])) return c->arg[0]->number != 0 ? c->arg[1] : c->arg[2];
  return select_of(c->b, c->env, c->arg[0], c->arg[1], c->arg[2], c->at);
}

// ---------------------------------------------------------------- the table
#define MAP(name, n, op) {name, fn_map, n, false, {"a", n > 1 ? "b" : NULL}, op}
#define LATER(name) {name, NULL, 0, true, {NULL}, 0}
const Builtin builtins[] = {
  MAP("relu", 1, OP_RELU), MAP("sigmoid", 1, OP_SIGMOID), MAP("tanh", 1, OP_TANH), MAP("exp", 1, OP_EXP), MAP("log", 1,
        OP_LOG),
  MAP("sqrt", 1, OP_SQRT), MAP("abs", 1, OP_ABS), MAP("softplus", 1, OP_SOFTPLUS), MAP("minimum", 2, OP_MIN), MAP("maximum",
        2, OP_MAX),
  MAP("stop_gradient", 1, OP_STOP),
  {"select", fn_select, 3, false, {"condition", "a", "b"}, 0},
  {"softmax", fn_softmax, 1, false, {"x", "axis"}, 0},
  {"sum", fn_sum, 1, false, {"x", "axis"}, 0},
  {"mean", fn_mean, 1, false, {"x", "axis"}, 0},
  {"max", fn_max, 1, false, {"x", "axis"}, 0},
  {"min", fn_min, 1, false, {"x", "axis"}, 0},
  {"matmul", fn_matmul, 2, false, {"x", "w"}, 0},
  {"gather", fn_gather, 2, false, {"table", "ids"}, 0},
  {"cardinality", fn_cardinality, 1, false, {"x"}, 0},
  {"dim", fn_dim, 1, false, {"x"}, 0},
  {"shape", fn_shape, 1, false, {"x"}, 0},
  {"size", fn_size, 1, false, {"list"}, 0},
  {"concat", fn_concat, 1, true, {NULL}, 0},
  {"chain", fn_chain, 1, true, {NULL}, 0},
  {"mix", fn_mix, 2, false, {"weights", "items"}, 0},
  {"param", fn_param, 2, false, {"shape", "init"}, 0},
  {"constant", fn_constant, 1, false, {"value"}, 0},
  {"uniform", fn_uniform, 2, false, {"from", "to"}, 0},
  {"normal", fn_normal, 1, false, {"sd"}, 0},
  LATER("random_uniform"), LATER("running"), LATER("batch_mean"), LATER("batch_sum"), LATER("grad"), LATER("params"),
      LATER("stack"),
  LATER("spread"), LATER("conv1d"), LATER("unfold"), LATER("mask"), LATER("prod"), LATER("sum_sq"), LATER("binary_codes"),
      LATER("reshape"),
  LATER("transpose"), LATER("pad"), LATER("diagonal"),
};
const int n_builtins = COUNT_OF(builtins);

const Builtin *find_builtin(const char *name) {
  for (int i = 0; i < n_builtins; i++)
    if (strcmp(builtins[i].name, name) == 0) return &builtins[i];
  return NULL;
}

bool is_lazy_builtin(const Builtin *f) { return f->fn == fn_select; }

// ---------------------------------------------------------------- calls
static int max_args(const Builtin *f) {
  int n = 0;
  while (n < COUNT_OF(f->args) && f->args[n]) n++;
  return n;
}

static int arg_position(const Builtin *f, const char *name) {
  for (int i = 0; i < max_args(f); i++)
    if (strcmp(f->args[i], name) == 0) return i;
  return -1;
}

static bool arg_error(Build *b, Env *e, const Builtin *f, const char *code, Place at, const char *what) {
  Words w = {0};
  build_error(b, e, code, at, "`%s` %s", f->name, what);
  for (int i = 0; i < max_args(f); i++) vec_push(b->a, &w, f->args[i]);
  help_list(b->d, "its arguments are", &w);
  return false;
}

// Values in the order of the function's arguments; false: errors.
static bool order_args(Build *b, Env *e, const Builtin *f, Value **args, const char **names, int n, Value **out, Place at) {
  int most = max_args(f);
  for (int i = 0, position = 0; i < n; i++) {
    int k = names[i] ? arg_position(f, names[i]) : position++;
    if (k < 0) return arg_error(b, e, f, "unknown-argument", at, arena_printf(b->a, "has no argument `%s`", names[i]));
    if (k >= most)
      return arg_error(b, e, f, "too-many-arguments", at, arena_printf(b->a, "takes at most %d argument%s", most, most == 1
                                                                       ? "" : "s"));
    if (out[k]) return arg_error(b, e, f, "duplicate-argument", at, arena_printf(b->a, "gets `%s` twice", f->args[k]));
    out[k] = args[i];
  }
  for (int k = 0; k < f->min_args; k++)
    if (!out[k]) return arg_error(b, e, f, "missing-argument", at, arena_printf(b->a, "needs `%s`", f->args[k]));
  return true;
}

Value *call_builtin(Build *b, Env *e, const Builtin *f, Value **args, const char **names, int n, const char *as, Place at) {
  Value *ordered[COUNT_OF(f->args) + 1] = {0};
  BuiltinCall c = {.b = b, .env = e, .f = f, .arg = args, .n_args = n, .as = as, .at = at};
  if (!f->fn) {
    build_error(b, e, "unsupported", at, "`%s` is not supported yet", f->name);
    return &bad_value;
  }
  if (f->variadic) {
    for (int i = 0; i < n; i++)
      if (names[i]) return arg_error(b, e, f, "unknown-argument", at, arena_printf(b->a, "has no argument `%s`", names[i])),
          &bad_value;
    return f->fn(&c);
  }
  if (!order_args(b, e, f, args, names, n, ordered, at)) return &bad_value;
  c.arg = ordered;
  c.n_args = 0;
  while (ordered[c.n_args]) c.n_args++;
  return f->fn(&c);
}

// A condition that is known now leaves the other branch unevaluated, and so without parameters.
Value *eval_select(Build *b, Env *e, const Expr *x) {
  const Builtin *f = find_builtin("select");
  const Expr *arg[3] = {0};
  for (int i = 0, position = 0; i < x->n_args; i++) {
    int k = x->args[i].name ? arg_position(f, x->args[i].name) : position++;
    if (k < 0 || k > 2 || arg[k]) {
      arg_error(b, e, f, k < 0 ? "unknown-argument" : "too-many-arguments", x->args[i].value->at,
                "takes a condition and two values");
      return &bad_value;
    }
    arg[k] = x->args[i].value;
  }
  if (!arg[0] || !arg[1] || !arg[2]) {
    arg_error(b, e, f, "missing-argument", x->at, "needs a condition and two values");
    return &bad_value;
  }
  Value *cond = eval(b, e, arg[0]);
  if (cond->kind == V_BAD) return cond;
  if (is_scalar(cond)) return eval(b, e, arg[cond->number != 0 ? 1 : 2]);
  Value *p = eval(b, e, arg[1]), *q = eval(b, e, arg[2]);
  return select_of(b, e, cond, p, q, x->at);
}
