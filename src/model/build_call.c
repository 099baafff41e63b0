// build_call.c: calls of layers and functions, instances, and the two loops. A layer is a closed template: its body is
// evaluated anew for each call, in a scope of its arguments and its own bindings.
#include "model_int.h"
#include <math.h>

// ---------------------------------------------------------------- scope
static const LayerDef *visible_layer(const Module *from, const Module *in, const char *name) {
  const LayerDef *l = module_layer(in, name);
  return l && (from == in || name[0] != '_') ? l : NULL;
}

// Its own file's layers, then what that imports, then std/base.mtl.
const LayerDef *find_layer(const Env *e, const char *name, const Module **module) {
  const Module *own = e->module, *found = own;
  const LayerDef *l = visible_layer(own, own, name);
  for (int i = own->refs.n - 1; i >= 0 && !l; i--) {
    if (own->refs.data[i].alias) continue;
    found = own->refs.data[i].module;
    l = visible_layer(own, found, name);
  }
  if (!l && own->base) {
    found = own->base;
    l = visible_layer(own, found, name);
  }
  if (module) *module = found;
  return l;
}

static void add_layer_words(Build *b, const Module *m, Words *w) {
  for (int i = 0; i < m->layers.n; i++)
    if (m->layers.data[i].name[0] != '_') vec_push(b->a, w, m->layers.data[i].name);
}

void words_in_scope(Build *b, const Env *e, Words *w, bool callables_only) {
  for (Local *l = e->locals; l; l = l->up) vec_push(b->a, w, l->name);
  for (int i = 0; !e->layer && !callables_only && i < b->s->symbols.n; i++) {
    SymbolKind k = b->s->symbols.data[i].kind;
    if (k == SYM_INPUT || k == SYM_BINDING || k == SYM_TASK || k == SYM_OUTPUT)
      vec_push(b->a, w, b->s->symbols.data[i].name);
  }
  add_layer_words(b, e->module, w);
  for (int i = 0; i < e->module->refs.n; i++)
    if (!e->module->refs.data[i].alias) add_layer_words(b, e->module->refs.data[i].module, w);
  add_layer_words(b, b->s->modules.data[0], w);
  for (int i = 0; i < n_builtins; i++)
    if (builtins[i].fn) vec_push(b->a, w, builtins[i].name);
}

static Place call_place(const Expr *x) {       // of a piped call, without what is piped in
  if (!x->piped) return x->at;
  uint32_t end = x->at.off + x->at.len;
  return (Place){x->at.file, x->a->at.off, end - x->a->at.off};
}

// Counts work; false: the spec unfolds to more than can be meant.
static bool charge(Build *b, const Env *e, int64_t *count, int64_t most, Place at, const char *what) {
  enum { MAX_NODES = 4000000 };
  if (b->too_large) return false;
  if (++*count <= most && b->g->nodes.n <= MAX_NODES) return true;
  b->too_large = true;
  build_error(b, e, "too-large", at, "this unfolds to more than %lld %s", (long long)(*count > most ? most : MAX_NODES),
              *count > most ? what : "nodes");
  return false;
}

// ---------------------------------------------------------------- layers
typedef struct { Value **values; const char **names; Place *name_at; int n; } Args;

static Args eval_args(Build *b, Env *e, const Expr *x) {
  Args a = {NEW_ARRAY(b->a, Value *, x->n_args + 1), NEW_ARRAY(b->a, const char *, x->n_args + 1),
            NEW_ARRAY(b->a, Place, x->n_args + 1), x->n_args};
  for (int i = 0; i < x->n_args; i++) {
    a.values[i] = eval(b, e, x->args[i].value);
    a.names[i] = x->args[i].name;
    a.name_at[i] = x->args[i].name_at;
  }
  return a;
}

static bool any_bad(const Args *a) {
  for (int i = 0; i < a->n; i++)
    if (a->values[i]->kind == V_BAD) return true;
  return false;
}

static int param_index(const Decl *d, const char *name) {
  for (int i = 0; i < d->n_params; i++)
    if (strcmp(d->params[i].name, name) == 0) return i;
  return -1;
}

static void note_layer(Build *b, const Decl *d) {
  diag_note(b->d, d->names[0].at, "the layer `%s` is declared here", d->names[0].name);
}

static bool report_argument(Build *b, Env *e, const Decl *d, const Args *a, int i, Place at) {
  Words w = {0};
  for (int k = 0; k < d->n_params; k++) vec_push(b->a, &w, d->params[k].name);
  if (!a->names[i]) {
    build_error(b, e, "too-many-arguments", a->values[i]->at.file ? blame(b, e, a->values[i], at) : at,
                "`%s` takes %d argument%s",
                d->names[0].name, d->n_params, d->n_params == 1 ? "" : "s");
    help_list(b->d, "they are", &w);
  } else {
    build_error(b, e, "unknown-argument", a->name_at[i], "`%s` has no argument `%s`", d->names[0].name, a->names[i]);
    help_nearest(b->d, a->names[i], &w);
    help_list(b->d, "its arguments are", &w);
  }
  note_layer(b, d);
  return false;
}

// Arguments to parameters; false: errors.
static bool bind_args(Build *b, Env *e, const Decl *d, const Args *a, Value **bound, Place at) {
  bool fine = true;
  for (int i = 0, position = 0; i < a->n; i++) {
    int k = a->names[i] ? param_index(d, a->names[i]) : position++;
    if (k < 0 || k >= d->n_params) {
      fine = report_argument(b, e, d, a, i, at);
    } else if (bound[k]) {
      build_error(b, e, "duplicate-argument", a->names[i] ? a->name_at[i] : at, "`%s` gets `%s` twice", d->names[0].name,
                  d->params[k].name);
      if (bound[k]->at.file) diag_note(b->d, bound[k]->at, "first here");
      fine = false;
    } else {
      bound[k] = a->values[i];
    }
  }
  return fine;
}

static void push_local(Build *b, Env *e, const char *name, Value *v, Lazy *lazy) {
  Local *l = NEW(b->a, Local);
  *l = (Local){name, v, lazy, e->locals};
  e->locals = l;
}

static Lazy *body_binding(Build *b, Env *e, const Clause *c, Frame *f) {
  Env *inner = NEW(b->a, Env);
  Lazy *l = NEW(b->a, Lazy);
  *inner = *e;
  inner->frame = f;
  *l = (Lazy){.expr = c->value, .env = inner, .at = c->at};
  return l;
}

// The layer's own bindings see each other, whatever their order: all are in scope before any is evaluated.
static Value *eval_body(Build *b, Env *e, const Decl *d) {
  if (d->value) return eval(b, e, d->value);
  Lazy **lazy = NEW_ARRAY(b->a, Lazy *, d->n_clauses + 1), *out = NULL;
  for (int i = 0; i < d->n_clauses; i++) {
    const Clause *c = &d->clauses[i];
    bool is_out = strcmp(c->key, "out") == 0;
    Frame *f = is_out ? e->frame : frame_child(b, e->frame, c->key, true, place_of(e, c->at));
    lazy[i] = body_binding(b, e, c, f);
    if (is_out) out = lazy[i];
    push_local(b, e, c->key, NULL, lazy[i]);
  }
  for (int i = 0; i < d->n_clauses; i++) lazy[i]->env->locals = e->locals;
  return out ? force(b, out, "out", out->at) : &bad_value;
}

static bool may_call(Build *b, const Env *e, const Decl *d, Place at) {
  enum { MAX_LAYER_DEPTH = 200, MAX_CALLS = 200000 };
  for (const Env *x = e; x; x = x->caller) {
    if (x->layer != d) continue;
    build_error(b, e, "recursion", at, "the layer `%s` calls itself", d->names[0].name);
    note_layer(b, d);
    return false;
  }
  if (e->calls < MAX_LAYER_DEPTH) return charge(b, e, &b->calls, MAX_CALLS, at, "calls of layers");
  build_error(b, e, "too-deep", at, "layers call each other more than %d deep", MAX_LAYER_DEPTH);
  return false;
}

static Value *missing_argument(Build *b, Env *e, const Decl *d, int k, Place at) {
  build_error(b, e, "missing-argument", at, "`%s` needs `%s`", d->names[0].name, d->params[k].name);
  note_layer(b, d);
  return &bad_value;
}

static Value *call_layer(Build *b, Env *e, const LayerDef *layer, const Module *module, const Args *a, Frame *frame,
                         Place at) {
  const Decl *d = layer->decl;
  if (!may_call(b, e, d, at)) return &bad_value;
  Value **bound = NEW_ARRAY(b->a, Value *, d->n_params + 1);
  if (!bind_args(b, e, d, a, bound, at) || any_bad(a)) return &bad_value;
  Env *inner = NEW(b->a, Env);
  *inner = (Env){.module = module, .frame = frame, .layer = d, .caller = e, .calls = e->calls + 1,
                 .call_at = place_of(e, at)};
  for (int k = 0; k < d->n_params; k++) {
    if (!bound[k] && !d->params[k].value) return missing_argument(b, e, d, k, at);
    if (!bound[k]) bound[k] = eval(b, inner, d->params[k].value);
    push_local(b, inner, d->params[k].name, bound[k], NULL);
  }
  return eval_body(b, inner, d);
}

// ---------------------------------------------------------------- instances
static const Value *instance_layer(Build *b, Env *e, const Expr *x) {
  const Value *v = lookup_callee(b, e, x->a);
  if (v->kind == V_LAYER || v->kind == V_BAD) return v;
  build_error(b, e, "type-mismatch", x->a->at, "`instance` makes one of a layer, not of %s", value_text(b, v));
  return &bad_value;
}

Value *eval_instance(Build *b, Env *e, const Expr *x, const char *as) {
  const Value *layer = instance_layer(b, e, x);
  Args a = eval_args(b, e, x);
  if (layer->kind == V_BAD || any_bad(&a)) return &bad_value;
  Instance *i = NEW(b->a, Instance);
  Frame *f = frame_child(b, e->frame, layer->layer->name, false, place_of(e, x->at));
  f->path = frame_claim(b, e->frame, as, layer->layer->name, place_of(e, x->at));
  *i = (Instance){.layer = layer->layer, .module = layer->module, .expr = x, .env = e, .args = a.values,
                  .arg_names = a.names,
                  .n_args = a.n, .frame = f, .up = e->frame->instance};
  Value *v = v_new(b, V_INSTANCE, place_of(e, x->at));
  v->instance = i;
  return v;
}

// The call's arguments, then the instance's own; its parameters are found again by their paths.
static Value *call_instance(Build *b, Env *e, Instance *i, const Args *a, Place at) {
  Args all = {NEW_ARRAY(b->a, Value *, a->n + i->n_args + 1), NEW_ARRAY(b->a, const char *, a->n + i->n_args + 1),
              NEW_ARRAY(b->a, Place, a->n + i->n_args + 1), a->n + i->n_args};
  for (int k = 0; k < all.n; k++) {
    bool own = k >= a->n;
    all.values[k] = own ? i->args[k - a->n] : a->values[k];
    all.names[k] = own ? i->arg_names[k - a->n] : a->names[k];
    all.name_at[k] = own ? i->expr->args[k - a->n].name_at : a->name_at[k];
  }
  Frame *f = NEW(b->a, Frame);
  *f = *i->frame;
  f->names = (__typeof__(f->names)){0};
  f->instance = i;
  return call_layer(b, e, i->layer, i->module, &all, f, at);
}

// ---------------------------------------------------------------- any call
// What names the parameters of a layer's call: `as`, else the input of ids that it reads (so that one embedding more in a binding
// moves no other's path), unless the key or binding around it says that already; else the layer.
static const char *call_name(const Env *e, const Build *b, const LayerDef *l, const Args *a, const char *as) {
  if (as) return as;
  const Value *x = a->n ? a->values[0] : NULL;
  if (!x || x->kind != V_IDS || !x->input) return l->name;
  const char *input = b->m->data.inputs[x->input - 1].name;
  return strcmp(e->frame->name, input) == 0 ? l->name : input;
}

Value *eval_call(Build *b, Env *e, const Expr *x, const char *as) {
  Place at = call_place(x);
  Value *callee = lookup_callee(b, e, x->a);
  if (callee->kind == V_OP && callee->op->lazy) return callee->op->lazy(b, e, x);
  Args a = eval_args(b, e, x);
  switch (callee->kind) {
  case V_BAD: return &bad_value;
  case V_LAYER: {
    Frame *f = frame_child(b, e->frame, call_name(e, b, callee->layer, &a, as), false, place_of(e, at));
    return call_layer(b, e, callee->layer, callee->module, &a, f, at);
  }
  case V_OP: return any_bad(&a) ? &bad_value : call_builtin(b, e, callee->op, a.values, a.names, a.n, as, at);
  case V_INSTANCE: return call_instance(b, e, callee->instance, &a, at);
  case V_INIT:
    if (a.n == 0) return callee;
    // fall through
  default:
    build_error(b, e, "type-mismatch", x->a->at, "%s cannot be called", value_text(b, callee));
    if (callee->at.file) diag_note(b->d, callee->at, "it comes from here");
    return &bad_value;
  }
}

// ---------------------------------------------------------------- loops
typedef struct { Value **over; const char *const *keys; int n_over; int64_t n; } Loop;

static bool key_of(Build *b, const Value *v, const char **key) {
  if (v->kind == V_STRING) *key = v->text;
  else if (v->input) *key = b->m->data.inputs[v->input - 1].name;
  else return false;
  return true;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static const char *repeated(Build *b, const char *const *keys, int n) {
  const char **sorted = NEW_ARRAY(b->a, const char *, n);
  memcpy(sorted, keys, sizeof *keys * (size_t)n);
  qsort(sorted, (size_t)n, sizeof *sorted, by_text);
  for (int i = 1; i < n; i++)
    if (strcmp(sorted[i - 1], sorted[i]) == 0) return sorted[i];
  return NULL;
}

// The keys that a list's items or a record give to a loop; NULL: none, the result is a list.
static const char *const *loop_keys(Build *b, Env *e, const Value *v, Place at) {
  if (v->kind == V_RECORD) return v->keys;
  if (v->kind != V_LIST || v->n == 0) return NULL;
  const char **keys = NEW_ARRAY(b->a, const char *, v->n);
  for (int i = 0; i < v->n; i++)
    if (!key_of(b, v->items[i], &keys[i])) return NULL;
  const char *twice = repeated(b, keys, v->n);
  if (twice) build_error(b, e, "duplicate-name", at, "`%s` is in this list twice, and the results are found by name", twice);
  return twice ? NULL : keys;
}

static bool loop_count(Build *b, Env *e, const Value *v, Place at, int64_t *n) {
  enum { MAX_LOOPS = 1000000 };
  if (v->kind == V_LIST || v->kind == V_RECORD) return *n = v->n, true;
  if (v->kind == V_BAD) return false;
  if (v->kind != V_NUMBER) {
    build_error(b, e, "type-mismatch", at, "a loop goes over a number, a list or a record, not %s", value_text(b, v));
    return false;
  }
  if (v->number > MAX_LOOPS) {
    build_error(b, e, "too-large", blame(b, e, v, at), "a loop has at most %d rounds, not %.15g", MAX_LOOPS, v->number);
    return false;
  }
  if (v->number >= 0 && v->number == floor(v->number)) return *n = (int64_t)v->number, true;
  build_error(b, e, "bad-value", blame(b, e, v, at), "a loop has a whole number of rounds, not %g", v->number);
  return false;
}

static bool open_loop(Build *b, Env *e, const Expr *x, Loop *l) {
  bool fine = true;
  *l = (Loop){.over = NEW_ARRAY(b->a, Value *, x->n_each), .n_over = x->n_each, .n = -1};
  for (int k = 0; k < x->n_each; k++) {
    Place at = x->each[k].over->at;
    int64_t n;
    l->over[k] = eval(b, e, x->each[k].over);
    if (!loop_count(b, e, l->over[k], at, &n)) {
      fine = false;
      continue;
    }
    if (!l->keys) l->keys = loop_keys(b, e, l->over[k], at);
    if (l->n >= 0 && n != l->n) {
      build_error(b, e, "shape-mismatch", at, "this has %lld items, and goes in step with %lld", (long long)n,
                  (long long)l->n);
      diag_note(b->d, x->each[0].over->at, "this has %lld", (long long)l->n);
      fine = false;
    }
    l->n = n;
  }
  return fine;
}

// The scope and frame of round i.
static Env *round_env(Build *b, Env *e, const Expr *x, const Loop *l, int64_t i, Frame *frame) {
  Env *inner = NEW(b->a, Env);
  *inner = *e;
  const char *name = l->keys ? l->keys[i] : arena_printf(b->a, "[%lld]", (long long)i);
  inner->frame = frame_child(b, frame, name, true, place_of(e, x->at));
  for (int k = 0; k < l->n_over; k++) {
    const Value *v = l->over[k];
    Value *item = v->kind == V_NUMBER ? v_number(b, (double)i, x->each[k].at) : v->items[i];
    if (x->each[k].name) push_local(b, inner, x->each[k].name, item, NULL);
  }
  return inner;
}

static Frame *loop_frame(Build *b, Env *e, const Expr *x, const char *as) {
  return as ? frame_child(b, e->frame, as, false, place_of(e, x->at)) : e->frame;
}

Value *eval_repeat(Build *b, Env *e, const Expr *x, const char *as) {
  enum { MAX_LOOPS = 1000000 };
  Loop l;
  if (!open_loop(b, e, x, &l)) return &bad_value;
  Frame *frame = loop_frame(b, e, x, as);
  Value *v = l.keys ? v_record(b, (int)l.n, place_of(e, x->at)) : v_list(b, (int)l.n, place_of(e, x->at));
  for (int64_t i = 0; i < l.n; i++) {
    if (!charge(b, e, &b->loops, MAX_LOOPS, x->at, "rounds of loops")) return &bad_value;
    v->items[i] = eval(b, round_env(b, e, x, &l, i, frame), x->a);
    if (l.keys) v->keys[i] = l.keys[i];
  }
  return v;
}

Value *eval_fold(Build *b, Env *e, const Expr *x, const char *as) {
  enum { MAX_LOOPS = 1000000 };
  Loop l;
  Value *h = eval(b, e, x->b);
  if (!open_loop(b, e, x, &l)) return &bad_value;
  Frame *frame = loop_frame(b, e, x, as);
  for (int64_t i = 0; i < l.n; i++) {
    if (h->kind == V_BAD || !charge(b, e, &b->loops, MAX_LOOPS, x->at, "rounds of loops")) return &bad_value;
    Env *inner = round_env(b, e, x, &l, i, frame);
    push_local(b, inner, x->name, h, NULL);
    h = eval(b, inner, x->a);
  }
  return h;
}
