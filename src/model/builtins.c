// builtins.c: the functions that are no layers: elementwise, tables of ids, parameters, sizes, lists; the others' files are in
// builtin_int.h. One row of the table is one function; what the language names and this version has not is a row without code.
#include "builtin_int.h"
#include <math.h>

// ---------------------------------------------------------------- helpers
Value *fn_misfit(BuiltinCall *c, const Value *v, const char *needs) {
  Build *b = c->b;
  Place at = blame(b, c->env, v, c->at);
  build_error(b, c->env, "type-mismatch", at, "`%s` needs %s, not %s", c->f->name, needs, value_text(b, v));
  if (v->input || (v->kind == V_TENSOR && v->at.file && v->at.off != at.off))
    diag_note(b->d, v->at, "this is %s", value_text(b, v));
  if (v->kind == V_IDS) diag_help(b->d, "embed it: `embed(%s, 8)`", b->m->data.inputs[v->input - 1].name);
  if (v->input && b->m->data.inputs[v->input - 1].kind == INPUT_TIME && strcmp(c->f->name, "cardinality") == 0)
    diag_help(b->d, "a part of it is a category of its own: `input NAME : category = hour(SOURCE.COLUMN)`");
  return &bad_value;
}

Value *fn_result(BuiltinCall *c, NodeId n, int before) {
  return tensor_result(c->b, c->env, n, c->at, before, c->arg, c->n_args);
}

int fn_begin(BuiltinCall *c) {
  g_at(c->b->g, place_of(c->env, c->at));
  return diag_errors(c->b->d);
}

bool whole_number(const Value *v) {
  return v->kind == V_NUMBER && v->number == floor(v->number) && fabs(v->number) < 1e15;
}

// ---------------------------------------------------------------- elementwise
static Value *fn_map(BuiltinCall *c);
static Value *map_leaf(void *ctx, Value **args) {
  BuiltinCall leaf = *(const BuiltinCall *)ctx;
  leaf.arg = args;
  return formula_call(&leaf, fn_map(&leaf), true);
}

static Value *fn_map(BuiltinCall *c) {
  Build *b = c->b;
  bool scalars = true;
  for (int i = 0; i < c->n_args; i++)
    if (is_tree(c->arg[i])) return tree_map(b, c->env, c->arg, c->n_args, map_leaf, c, c->at);
  double x[3] = {0};
  NodeId in[3];
  for (int i = 0; i < c->n_args; i++) {
    if (c->arg[i]->kind != V_TENSOR && !is_scalar(c->arg[i])) return fn_misfit(c, c->arg[i], "tensors or numbers");
    scalars &= is_scalar(c->arg[i]);
    x[i] = c->arg[i]->number;
  }
  if (scalars) return v_number(b, op_rows[c->f->op].fold(x, &(Attr){0}), c->at);
  int before = fn_begin(c);
  for (int i = 0; i < c->n_args; i++) in[i] = v_node(b, c->arg[i]);
  return fn_result(c, graph_add(b->g, c->f->op, in, c->n_args, (Attr){0}, b->g->at), before);
}

static Value *fn_sign(BuiltinCall *c) {
  Graph *g = c->b->g;
  const Value *v = c->arg[0];
  if (is_scalar(v)) return v_number(c->b, (v->number > 0) - (v->number < 0), c->at);
  if (v->kind != V_TENSOR) return fn_misfit(c, v, "a tensor or a number");
  int before = fn_begin(c);
  NodeId zero = g_const(g, 0), above = g_map2(g, OP_LT, zero, v->node), below = g_map2(g, OP_LT, v->node, zero);
  return fn_result(c, g_map2(g, OP_SUB, above, below), before);
}

// min(max(x, lo), hi): no gradient outside.
static Value *fn_clip(BuiltinCall *c) {
  Graph *g = c->b->g;
  const Value *lo = c->arg[1], *hi = c->arg[2];
  for (int i = 0; i < 3; i++)
    if (!is_scalar(c->arg[i]) && c->arg[i]->kind != V_TENSOR) return fn_misfit(c, c->arg[i], "tensors or numbers");
  if (is_scalar(lo) && is_scalar(hi) && lo->number > hi->number) {
    build_error(c->b, c->env, "bad-value", c->at, "`clip` goes from a lower to an upper end, not from %g to %g", lo->number,
                hi->number);
    return &bad_value;
  }
  if (is_scalar(c->arg[0]) && is_scalar(lo) && is_scalar(hi))
    return v_number(c->b, fmin(fmax(c->arg[0]->number, lo->number), hi->number), c->at);
  int before = fn_begin(c);
  NodeId x = v_node(c->b, c->arg[0]), low = v_node(c->b, lo), high = v_node(c->b, hi);
  return fn_result(c, g_map2(g, OP_MIN, g_map2(g, OP_MAX, x, low), high), before);
}

static Value *fn_pow(BuiltinCall *c) { return binary(c->b, c->env, AST_POW, c->arg[0], c->arg[1], c->at); }

// ---------------------------------------------------------------- tables
AxisId cardinality_axis(Build *b, const Value *ids) {
  const DataInput *in = &b->m->data.inputs[ids->input - 1];
  if (in->like) in = &b->m->data.inputs[in->like - 1];
  if ((in->kind == INPUT_LIST ? in->item : in->kind) == INPUT_ID) return axis_fixed(b->g, in->buckets);
  if (in->cardinality) return axis_fixed(b->g, in->cardinality);
  const PrepState *p = b->m->prep;
  return axis_symbol(b->g, in->name, p ? p->vocab[in->id_at].n + 1 : -1);
}

static Value *fn_cardinality(BuiltinCall *c) {
  if (c->arg[0]->kind != V_IDS) return fn_misfit(c, c->arg[0], "an input of type `id` or `category`");
  AxisId a = cardinality_axis(c->b, c->arg[0]);
  if (c->b->g->axes.data[a].kind == AXIS_FIXED) return v_number(c->b, (double)axis_size(c->b->g, a), c->at);
  Value *v = v_new(c->b, V_SIZE, c->at);
  v->axis = a;
  return v;
}

static Value *fn_gather(BuiltinCall *c) {
  Graph *g = c->b->g;
  if (c->arg[0]->kind != V_TENSOR) return fn_misfit(c, c->arg[0], "a table");
  if (c->arg[1]->kind != V_IDS) return fn_misfit(c, c->arg[1], "an input of type `id` or `category`");
  Node *t = node(g, c->arg[0]->node);
  AxisId rows = cardinality_axis(c->b, c->arg[1]);
  if (t->rank < 1 || has_rows(g, c->arg[0]->node)) return fn_misfit(c, c->arg[0], "a table");
  int before = fn_begin(c);
  if (t->axis[0] == rows) return fn_result(c, g_gather(g, c->arg[0]->node, c->arg[1]->node), before);
  build_error(c->b, c->env, "shape-mismatch", c->at, "%s has not a row for each value of %s", value_text(c->b, c->arg[0]),
              value_text(c->b, c->arg[1]));
  if (c->arg[0]->at.file) diag_note(c->b->d, c->arg[0]->at, "the table was made here");
  return &bad_value;
}

// ---------------------------------------------------------------- sizes
Value *axis_value(BuiltinCall *c, AxisId a) {
  if (c->b->g->axes.data[a].kind == AXIS_FIXED) return v_number(c->b, (double)axis_size(c->b->g, a), c->at);
  Value *v = v_new(c->b, V_SIZE, c->at);
  v->axis = a;
  return v;
}

static Value *fn_dim(BuiltinCall *c) {
  if (c->arg[0]->kind != V_TENSOR) return fn_misfit(c, c->arg[0], "a tensor");
  Node *x = node(c->b->g, c->arg[0]->node);
  if (x->rank == has_rows(c->b->g, c->arg[0]->node)) return v_number(c->b, 1, c->at);
  return axis_value(c, x->axis[x->rank - 1]);
}

static Value *fn_shape(BuiltinCall *c) {
  if (c->arg[0]->kind != V_TENSOR) return fn_misfit(c, c->arg[0], "a tensor");
  Node *x = node(c->b->g, c->arg[0]->node);
  int rows = has_rows(c->b->g, c->arg[0]->node);
  Value *v = v_list(c->b, x->rank - rows, c->at);
  for (int i = 0; i < v->n; i++) v->items[i] = axis_value(c, x->axis[rows + i]);
  return v;
}

static Value *fn_size(BuiltinCall *c) {
  if (c->arg[0]->kind != V_LIST && c->arg[0]->kind != V_RECORD) return fn_misfit(c, c->arg[0], "a list or a record");
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

// Σ_i weights[.., i] · items[i]
static Value *fn_mix(BuiltinCall *c) {
  Build *b = c->b;
  Graph *g = b->g;
  Value *weights = c->arg[0], *items = c->arg[1];
  if (weights->kind != V_TENSOR) return fn_misfit(c, weights, "a tensor of weights");
  if (items->kind != V_LIST && items->kind != V_RECORD) return fn_misfit(c, items, "a list of what is mixed");
  Node *w = node(g, weights->node);
  int64_t n = w->rank > has_rows(g, weights->node) ? axis_size(g, w->axis[w->rank - 1]) : 1;
  for (int i = 0; i < items->n; i++)
    if (items->items[i]->kind != V_TENSOR)
      return items->items[i]->kind == V_BAD ? &bad_value : fn_misfit(c, items->items[i], "tensors to mix");
  if (n != items->n || n == 0) {
    build_error(b, c->env, "shape-mismatch", c->at, "`mix` has %lld weight%s for %d item%s", (long long)n, n == 1 ? "" : "s",
                items->n,
                items->n == 1 ? "" : "s");
    if (weights->at.file) diag_note(b->d, weights->at, "the weights are %s", value_text(b, weights));
    return &bad_value;
  }
  int before = fn_begin(c);
  NodeId sum = 0, w_node = item_rank(g, weights->node) ? weights->node : g_expand(g, weights->node, -1);
  for (int i = 0; i < items->n; i++) {
    NodeId wi = g_slice(g, w_node, -1, i, i + 1), x = items->items[i]->node;
    sum = i == 0 ? g_map2(g, OP_MUL, wi, x) : g_map3(g, OP_FMA, wi, x, sum);
    if (!sum) break;
  }
  return tensor_result(b, c->env, sum, c->at, before, items->items, items->n);
}

// ---------------------------------------------------------------- parameters
bool size_axis(BuiltinCall *c, const Value *v, AxisId *axis, double *elements) {
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
    if (!size_axis(c, shape->kind == V_LIST ? shape->items[i] : shape, &axis[i], &elements)) return false;
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

static Value *slot_read(BuiltinCall *c, int slot, NodeId read, int before) {
  const Slot *s = &c->b->g->slots.data[slot];
  return formula_leaf(c->b, fn_result(c, read, before), s->role == SLOT_STATE ? "state" : "parameter", s->path);
}

static Value *again(BuiltinCall *c, int slot, int rank, const AxisId *axis) {
  Build *b = c->b;
  const Slot *s = &b->g->slots.data[slot];
  int before = fn_begin(c);
  NodeId read = g_read(b->g, slot);
  if (same_axes(s, rank, axis)) return slot_read(c, slot, read, before);
  build_error(b, c->env, "shape-mismatch", c->at, "this call of an instance does not fit its parameter `%s`, %s", s->path,
              shape_text(b->g, read, b->a));
  diag_note(b->d, s->at, "its shape comes from the first call, here");
  return &bad_value;
}

static const char *unique_path(Build *b, const char *path, Place at) {
  if (graph_slot_named(b->g, path) < 0) return path;
  const char *other = unique_path(b, arena_printf(b->a, "%s_2", path), at);
  diag_warn(b->d, "twin", at, "two parameters would be `%s`: this one is `%s`", path, other);
  return other;
}

bool init_arg(BuiltinCall *c, const Value *v, Init *init) {
  if (is_scalar(v)) return *init = (Init){.kind = INIT_CONSTANT, .a = v->number}, true;
  if (v->kind == V_INIT) return *init = v->init, true;
  fn_misfit(c, v, "an initialiser (`glorot_uniform`, `zeros` …)");
  return false;
}

Value *slot_value(BuiltinCall *c, SlotRole role, const char *otherwise, int rank, const AxisId *axis, Init init, int *at_slot) {
  enum { MAX_PARAMS = 20000 };
  Build *b = c->b;
  Frame *f = c->env->frame;
  if (b->g->slots.n >= MAX_PARAMS) {
    if (!b->too_large) build_error(b, c->env, "too-large", c->at, "a model has at most %d parameters", MAX_PARAMS);
    b->too_large = true;
    return &bad_value;
  }
  Place at = place_of(c->env, c->at);
  const char *path = frame_claim(b, f, c->as, otherwise, at);
  int slot = *at_slot = instance_slot(b, f->instance, path);
  if (slot >= 0) return again(c, slot, rank, axis);
  int before = fn_begin(c);
  slot = *at_slot = graph_slot(b->g, unique_path(b, path, at), role, b->g->dtype, rank, axis, init, at);
  b->g->slots.data[slot].frozen = f->frozen;
  b->g->slots.data[slot].lazy = f->lazy && role == SLOT_PARAM;
  if (role == SLOT_PARAM) b->g->slots.data[slot].rule = f->rule;
  for (Instance *i = f->instance; i; i = i->up) vec_push(b->a, &i->slots, slot);
  return slot_read(c, slot, g_read(b->g, slot), before);
}

static Value *fn_param(BuiltinCall *c) {
  AxisId axis[MAX_RANK] = {0};
  Init init;
  int rank, slot;
  if (!param_shape(c, &rank, axis) || !init_arg(c, c->arg[1], &init)) return &bad_value;
  return slot_value(c, SLOT_PARAM, "param", rank, axis, init, &slot);
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
    if (c->arg[i] && !is_scalar(c->arg[i])) return fn_misfit(c, c->arg[i], "numbers");
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
static Value *fn_diagonal(BuiltinCall *c) {
  return init_value(c, (Init){INIT_DIAGONAL, c->arg[0]->number, c->arg[1] ? c->arg[1]->number : 0});
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
  return formula_apply(b, tensor_result(b, e, g_select(b->g, c, p, q), at, before, all, 3), (Formula){.op = "select", .map = true}, all, 3);
}
static Value *fn_select(BuiltinCall *c) {
  if (is_scalar(c->arg[0])) return c->arg[0]->number != 0 ? c->arg[1] : c->arg[2];
  return select_of(c->b, c->env, c->arg[0], c->arg[1], c->arg[2], c->at);
}

// ---------------------------------------------------------------- the table
static Value *eval_select(Build *b, Env *e, const Expr *x);
#define MAP(name, n, op) {name, fn_map, n, false, {"a", n > 1 ? "b" : NULL}, op, NULL}
#define ROW(name, least, ...) {#name, fn_##name, least, false, {__VA_ARGS__}, 0, NULL}
#define LIST(name, ...) {#name, fn_##name, 1, true, {__VA_ARGS__}, 0, NULL}     // any number of values, then these by name
#define LAZY(name, fn) {#name, NULL, 1, false, {NULL}, 0, fn}
const Builtin builtins[] = {
  // elementwise
  MAP("relu", 1, OP_RELU), MAP("sigmoid", 1, OP_SIGMOID), MAP("tanh", 1, OP_TANH), MAP("exp", 1, OP_EXP),
  MAP("log", 1, OP_LOG), MAP("sqrt", 1, OP_SQRT), MAP("abs", 1, OP_ABS), MAP("softplus", 1, OP_SOFTPLUS),
  MAP("floor", 1, OP_FLOOR), MAP("minimum", 2, OP_MIN), MAP("maximum", 2, OP_MAX), MAP("stop_gradient", 1, OP_STOP),
  ROW(sign, 1, "x"), ROW(clip, 3, "x", "lo", "hi"), ROW(pow, 2, "x", "k"),
  {"select", fn_select, 3, false, {"condition", "a", "b"}, 0, eval_select},
  // over axes
  ROW(sum, 1, "x", "axis"), ROW(mean, 1, "x", "axis"), ROW(max, 1, "x", "axis"), ROW(min, 1, "x", "axis"),
  ROW(prod, 1, "x", "axis"), ROW(var, 1, "x", "axis"), ROW(sum_sq, 1, "x"),
  ROW(softmax, 1, "x", "axis", "mask"), ROW(log_softmax, 1, "x", "axis", "mask"),
  // over the batch
  ROW(batch_mean, 1, "x"), ROW(batch_sum, 1, "x"),
  // products
  ROW(matmul, 2, "x", "w"), ROW(dot, 2, "a", "b"), ROW(outer, 2, "a", "b"), ROW(contract, 3, "labels", "a", "b"),
  ROW(conv1d, 2, "x", "w", "stride", "same"), ROW(mix, 2, "weights", "items"),
  // shapes
  LIST(concat, "axis"), LIST(stack, "axis"), ROW(slice, 3, "x", "from", "to", "axis"), ROW(reshape, 2, "x", "shape"),
  ROW(transpose, 1, "x", "order"), ROW(expand, 1, "x", "axis"), ROW(spread, 2, "x", "like"),
  ROW(pad, 3, "x", "before", "after", "axis"), ROW(unfold, 2, "x", "size", "stride"),
  ROW(dim, 1, "x"), ROW(shape, 1, "x"), ROW(size, 1, "list"), LIST(chain, NULL),
  // constants, tables, parameters
  ROW(mask, 1, "x"), ROW(iota, 1, "n"), ROW(one_hot, 1, "x", "n"), ROW(binary_codes, 1, "n"),
  ROW(random_uniform, 1, "shape"), ROW(random_normal, 1, "shape"),
  ROW(running, 2, "value", "decay", "init"), ROW(gather, 2, "table", "ids"), ROW(cardinality, 1, "x"), ROW(param, 2, "shape", "init"),
  ROW(constant, 1, "value"), ROW(uniform, 2, "from", "to"), ROW(normal, 1, "sd"), ROW(diagonal, 1, "value", "rest"),
  // parameters, gradients and labels as values
  ROW(grad, 2, "y", "x"), LAZY(params, eval_params), LAZY(value, eval_label), LAZY(known, eval_label),
};
#undef MAP
#undef ROW
#undef LIST
#undef LAZY
const int n_builtins = COUNT_OF(builtins);

const Builtin *find_builtin(const char *name) {
  for (int i = 0; i < n_builtins; i++)                       // at each call of a spec: most names end at their first letter
    if (builtins[i].name[0] == name[0] && strcmp(builtins[i].name, name) == 0) return &builtins[i];
  return NULL;
}

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

// Any number of values; what has a name is an option.
static Value *call_variadic(BuiltinCall *c, Value **args, const char **names, int n) {
  Value **values = NEW_ARRAY(c->b->a, Value *, n + 1);
  int n_values = 0;
  for (int i = 0; i < n; i++) {
    int k = names[i] ? arg_position(c->f, names[i]) : -1;
    if (names[i] && (k < 0 || c->named[k])) {
      arg_error(c->b, c->env, c->f, k < 0 ? "unknown-argument" : "duplicate-argument", c->at,
                arena_printf(c->b->a, k < 0 ? "has no argument `%s`" : "gets `%s` twice", names[i]));
      return &bad_value;
    }
    if (k >= 0) c->named[k] = args[i];
    else values[n_values++] = args[i];
  }
  c->arg = values;
  c->n_args = n_values;
  return formula_call(c, c->f->fn(c), false);
}

Value *call_builtin(Build *b, Env *e, const Builtin *f, Value **args, const char **names, int n, const char *as, Place at) {
  Value *ordered[COUNT_OF(f->args) + 1] = {0};
  BuiltinCall c = {.b = b, .env = e, .f = f, .arg = args, .n_args = n, .as = as, .at = at};
  if (!f->fn) {
    build_error(b, e, f->lazy ? "type-mismatch" : "unsupported", at, f->lazy ? "`%s` is called by its name" : "`%s` is not supported yet", f->name);
    return &bad_value;
  }
  if (f->variadic) return call_variadic(&c, args, names, n);
  if (!order_args(b, e, f, args, names, n, ordered, at)) return &bad_value;
  c.arg = ordered;
  c.n_args = 0;
  while (ordered[c.n_args]) c.n_args++;
  return formula_call(&c, f->fn(&c), f->op || f->fn == fn_sign || f->fn == fn_clip);
}

// A condition that is known now leaves the other branch unevaluated, and so without parameters.
static Value *eval_select(Build *b, Env *e, const Expr *x) {
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
