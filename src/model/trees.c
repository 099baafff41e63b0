// trees.c: parameters as values. `params(NAME)` is a tree: a record or list by each part of the parameters' paths,
// a tensor in each leaf. Arithmetic and elementwise functions go leaf by leaf; `sum` and its like go over all elements of all
// leaves.
#include "builtin_int.h"

bool is_tree(const Value *v) { return (v->kind == V_RECORD || v->kind == V_LIST) && v->tree; }

// ---------------------------------------------------------------- leaf by leaf
typedef struct { Build *b; Env *e; Place at; LeafFn *fn; void *ctx; } Walk;

static Value *unequal(const Walk *w, const Value *has, const char *path, const char *part) {
  const char *dot = *path && part[0] != '[' ? "." : "";
  build_error(w->b, w->e, "shape-mismatch", w->at, "one of these trees has `%s%s%s`, and the other has not", path, dot, part);
  if (has->at.file) diag_note(w->b->d, has->at, "this one has");
  return &bad_value;
}

// What `more` has and `like`, of fewer parts, has not.
static const char *extra_part(const Walk *w, const Value *more, const Value *like) {
  for (int i = 0; i < more->n && more->kind == V_RECORD; i++)
    if (like->kind != V_RECORD || !record_get(like, more->keys[i])) return more->keys[i];
  return arena_printf(w->b->a, "[%d]", like->n);
}

static Value *part_of(const Walk *w, Value *v, const Value *like, int i, const char *path) {
  if (!is_tree(v)) return v;                                     // a number, for every leaf
  const char *name = like->kind == V_RECORD ? like->keys[i] : arena_printf(w->b->a, "[%d]", i);
  if (v->kind != like->kind) return unequal(w, like, path, name);
  if (v->kind == V_LIST) return i < v->n ? v->items[i] : unequal(w, like, path, name);
  Value *x = record_get(v, name);
  return x ? x : unequal(w, like, path, name);
}

static Value *leaf(const Walk *w, Value **args, int n, const char *path) {
  const Graph *g = w->b->g;
  const Value *first = NULL;
  for (int i = 0; i < n; i++) {
    if (args[i]->kind != V_TENSOR || (!has_rows(g, args[i]->node) && node(g, args[i]->node)->rank == 0)) continue;
    if (!first) first = args[i];
    if (same_shape(g, first->node, args[i]->node)) continue;
    build_error(w->b, w->e, "shape-mismatch", w->at, "`%s` is %s in one of these trees, and %s in the other", path,
                shape_text(g, first->node, w->b->a), shape_text(g, args[i]->node, w->b->a));
    return &bad_value;
  }
  return w->fn(w->ctx, args);
}

static Value *walk(const Walk *w, Value **args, int n, const char *path) {
  const Value *like = NULL;
  for (int i = 0; i < n; i++) {
    if (args[i]->kind == V_BAD) return &bad_value;
    if (!is_tree(args[i])) continue;
    if (like && args[i]->n > like->n) return unequal(w, args[i], path, extra_part(w, args[i], like));
    if (!like) like = args[i];
  }
  if (!like) return leaf(w, args, n, path);
  Value *out = like->kind == V_RECORD ? v_record(w->b, like->n, place_of(w->e, w->at)) : v_list(w->b, like->n, place_of(w->e, w->at));
  out->tree = true;
  for (int i = 0; i < like->n; i++) {
    Value **parts = NEW_ARRAY(w->b->a, Value *, n);
    const char *name = like->kind == V_RECORD ? like->keys[i] : arena_printf(w->b->a, "[%d]", i);
    for (int k = 0; k < n; k++)
      if ((parts[k] = part_of(w, args[k], like, i, path))->kind == V_BAD) return &bad_value;
    out->items[i] = walk(w, parts, n, arena_printf(w->b->a, *path && name[0] != '[' ? "%s.%s" : "%s%s", path, name));
    if (out->items[i]->kind == V_BAD) return &bad_value;
    if (out->keys) out->keys[i] = name;
  }
  return out;
}

Value *tree_map(Build *b, Env *e, Value **args, int n, LeafFn *fn, void *ctx, Place at) {
  for (int i = 0; i < n; i++) {
    bool number = is_scalar(args[i]) || (args[i]->kind == V_TENSOR && node(b->g, args[i]->node)->rank == 0);
    if (is_tree(args[i]) || number || args[i]->kind == V_BAD) continue;
    build_error(b, e, "type-mismatch", at, "a tree of parameters goes with another one or with one number, not with %s", value_text(b, args[i]));
    return &bad_value;
  }
  return walk(&(Walk){b, e, at, fn, ctx}, args, n, "");
}

// ---------------------------------------------------------------- params(NAME)
typedef struct { const char *rest; int slot; } Path;

// The first part of what is left of a path, ".wide.w" or "[3].w": "wide", "[3]"; "" where nothing is left.
static const char *first_part(Build *b, const char **rest) {
  const char *p = *rest + (**rest == '.'), *end = p + strcspn(p, *p == '[' ? "]" : ".[");
  end += *p == '[' && *end == ']';
  *rest = end;
  return arena_printf(b->a, "%.*s", (int)(end - p), p);
}

// Paths by their first part, each group in order; what is left of them in rest.
typedef struct { const char *part; Path *rest; int n; } Group;
typedef VEC(Group) Groups;

static Groups group_by_part(Build *b, const Path *paths, int n) {
  Groups groups = {0};
  Path *rest = NEW_ARRAY(b->a, Path, n + 1), *next = NEW_ARRAY(b->a, Path, n + 1);
  int *of = NEW_ARRAY(b->a, int, n + 1);
  for (int i = 0; i < n; i++) {
    rest[i] = paths[i];
    const char *part = first_part(b, &rest[i].rest);
    int k = groups.n - 1;                                       // they stand together, as a rule
    while (k >= 0 && strcmp(groups.data[k].part, part) != 0) k--;
    if (k < 0) {
      k = groups.n;
      vec_push(b->a, &groups, ((Group){.part = part}));
    }
    groups.data[of[i] = k].n++;
  }
  for (int k = 0; k < groups.n; next += groups.data[k++].n) groups.data[k].rest = next;
  for (int k = 0; k < groups.n; k++) groups.data[k].n = 0;
  for (int i = 0; i < n; i++) {
    Group *x = &groups.data[of[i]];
    x->rest[x->n++] = rest[i];
  }
  return groups;
}

// A parameter that has the binding's own name, beside others: `itself`. A list has an empty record where a round made none.
static Value *tree_of(Build *b, const Path *paths, int n, bool top, Place at) {
  if (n == 1 && !*paths[0].rest && !top)
    return formula_leaf(b, v_tensor(b, g_read(b->g, paths[0].slot), at), "parameter", b->g->slots.data[paths[0].slot].path);
  Groups groups = group_by_part(b, paths, n);
  int most = -1;
  bool list = n > 0;
  for (int k = 0; k < groups.n; k++) {
    list &= groups.data[k].part[0] == '[';
    if (list && atoi(groups.data[k].part + 1) > most) most = atoi(groups.data[k].part + 1);
  }
  Value *v = list ? v_list(b, most + 1, at) : v_record(b, groups.n, at);
  v->tree = true;
  for (int k = 0; k < groups.n; k++) {
    const Group *x = &groups.data[k];
    v->items[list ? atoi(x->part + 1) : k] = tree_of(b, x->rest, x->n, false, at);
    if (!list) v->keys[k] = *x->part ? x->part : "itself";
  }
  for (int i = 0; i < v->n; i++)
    if (!v->items[i]) v->items[i] = tree_of(b, NULL, 0, false, at);
  return v;
}

static bool has_instance(Build *b, Value *v) {
  Flat all = {0};
  flatten(b, NULL, v, &all, v->at);
  for (int i = 0; i < all.n; i++)
    if (all.data[i]->kind == V_INSTANCE) return true;
  return false;
}

static Value *whose_parameters(Build *b, Env *e, const Expr *x) {
  const Symbol *y = e->layer ? NULL : find_symbol(b->s, x->name);
  if (y && y->kind == SYM_BINDING) return force(b, &b->bindings[y->index], y->name, x->at);
  if (y && y->kind == SYM_TASK && y->index < b->m->n_tasks + b->m->n_muted) return force(b, &b->tasks[y->index], y->name, x->at);
  if (y && y->kind == SYM_OUTPUT) return force(b, &b->outputs[y->index], y->name, x->at);
  if (e->layer) {
    build_error(b, e, "closed-layer", x->at, "`params` is of a binding of the spec, and a layer sees none");
    diag_help(b->d, "give it to the layer as an argument: `LAYER(params(NAME))`");
    return &bad_value;
  }
  Words w = {0};
  if (y) diag_error(b->d, "type-mismatch", x->at, "`params` is of a `let`, a `shared`, a task or an output, and `%s` is %s", x->name,
                    symbol_kind_text(y->kind));
  else diag_error(b->d, "unknown-name", x->at, "there is no `%s` that has parameters", x->name);
  if (y) diag_note(b->d, y->at, "declared here");
  for (int i = 0; i < b->m->n_bindings; i++) vec_push(b->a, &w, b->m->bindings[i].name);
  for (int i = 0; i < b->m->n_tasks; i++) vec_push(b->a, &w, b->m->tasks[i].name);
  for (int i = 0; i < b->m->n_outputs; i++) vec_push(b->a, &w, b->m->outputs[i].name);
  if (!y) help_nearest(b->d, x->name, &w);
  return &bad_value;
}

static Value *params_of_name(Build *b, Env *e, const Expr *x, Place at) {
  Value *v = whose_parameters(b, e, x);
  if (v->kind == V_BAD) return v;
  if (!b->all_called && has_instance(b, v)) {
    build_error(b, e, "instance-params", at, "an instance gets its parameters where it is called: `params(%s)` stands in a loss or in "
                "`penalty`, behind all calls", x->name);
    return &bad_value;
  }
  Path *paths = NEW_ARRAY(b->a, Path, b->g->slots.n + 1);
  int n = 0;
  for (int i = 0; i < b->g->slots.n; i++) {
    const Slot *s = &b->g->slots.data[i];
    if (s->role == SLOT_PARAM && path_under(s->path, x->name)) paths[n++] = (Path){s->path + strlen(x->name), i};
  }
  if (n) return tree_of(b, paths, n, true, place_of(e, at));
  build_error(b, e, "no-parameters", x->at, "`%s` makes no parameter", x->name);
  if (v->at.file) diag_note(b->d, v->at, "it is %s, made here", value_text(b, v));
  diag_help(b->d, "what a name or an instance brings has the name that it was made under; `mtlc explain` lists them");
  return &bad_value;
}

// `NAME`, and parts of its tree: `params(tower.ctr)` is `params(tower).ctr`.
static Value *params_of(Build *b, Env *e, const Expr *x, Place at) {
  if (x->kind == EX_NAME) return params_of_name(b, e, x, at);
  if (x->kind == EX_MEMBER || x->kind == EX_INDEX) {
    Value *v = params_of(b, e, x->a, at);
    return v->kind == V_BAD ? v : x->kind == EX_MEMBER ? member_of(b, e, v, x) : item_of(b, e, v, x);
  }
  if (x->kind != EX_BAD) {
    build_error(b, e, "type-mismatch", x->at, "`params` is of a name, as `params(trunk)`");
    diag_help(b->d, "give the value a name of its own: `let NAME = …`");
  }
  return &bad_value;
}

Value *eval_params(Build *b, Env *e, const Expr *x) {
  if (x->n_args == 1 && !x->args[0].name) {
    g_at(b->g, place_of(e, x->at));
    return params_of(b, e, x->args[0].value, x->at);
  }
  build_error(b, e, x->n_args ? "too-many-arguments" : "missing-argument", x->at, "`params` takes one name");
  return &bad_value;
}

// ---------------------------------------------------------------- sums over all leaves
NodeId without_units(Graph *g, NodeId x) {
  for (int i = node(g, x)->rank - 1; i >= has_rows(g, x); i--)
    if (axis_size(g, node(g, x)->axis[i]) == 1) x = g_drop(g, x, i);
  return x;
}

static NodeId all_axes(Graph *g, Reduction r, NodeId x) {
  while (x && node(g, x)->rank) x = reduce_axis(g, r, x, node(g, x)->rank - 1, 0);
  return x;
}

static NodeId count_all(Graph *g, NodeId x) {             // of elements; a learned vocabulary's size is known later
  if (!has_rows(g, x) && item_elements(g, x) > 0) return g_const(g, (double)item_elements(g, x));
  return all_axes(g, REDUCE_SUM, g_map2(g, OP_EQ, x, x));
}

Value *reduce_tree(BuiltinCall *c, Reduction r) {
  static const OpId ops[] = {[REDUCE_SUM] = OP_ADD, [REDUCE_MEAN] = OP_ADD, [REDUCE_MAX] = OP_MAX, [REDUCE_MIN] = OP_MIN};
  Build *b = c->b;
  Graph *g = b->g;
  Flat all = {0};
  if (r == REDUCE_PROD || r == REDUCE_VAR) return fn_misfit(c, c->arg[0], "a tensor");
  if (c->arg[1]) {
    build_error(b, c->env, "type-mismatch", c->at, "`%s` goes over all elements of a tree of parameters: no axis is chosen", c->f->name);
    return &bad_value;
  }
  if (!flatten(b, c->env, c->arg[0], &all, c->at)) return &bad_value;
  int before = fn_begin(c);
  NodeId total = 0, count = 0;
  for (int i = 0; i < all.n; i++) {
    NodeId x = all_axes(g, r == REDUCE_MEAN ? REDUCE_SUM : r, all.data[i]->node);
    total = i ? g_map2(g, ops[r], total, x) : x;
    if (r != REDUCE_MEAN) continue;
    NodeId n = count_all(g, all.data[i]->node);
    count = i ? g_map2(g, OP_ADD, count, n) : n;
  }
  if (r == REDUCE_MEAN && total) total = g_map2(g, OP_DIV, total, count);
  return tensor_result(b, c->env, total, c->at, before, NULL, 0);
}

// Of a list of trees: tree by tree.
Value *reduce_trees(BuiltinCall *c, Reduction r) {
  const Value *list = c->arg[0];
  if (r != REDUCE_SUM && r != REDUCE_MEAN) return fn_misfit(c, list, "tensors or numbers");
  Value *sum = list->items[0];
  for (int i = 1; i < list->n; i++) sum = binary(c->b, c->env, AST_ADD, sum, list->items[i], c->at);
  return r == REDUCE_MEAN ? binary(c->b, c->env, AST_DIV, sum, v_number(c->b, list->n, c->at), c->at) : sum;
}
