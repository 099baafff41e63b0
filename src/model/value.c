// value.c: compile-time values, how messages name them, and the names of parameters.
#include "model_int.h"

Value bad_value = {.kind = V_BAD};

Value *v_new(Build *b, ValueKind k, Place at) {
  Value *v = NEW(b->a, Value);
  v->kind = k;
  v->at = at;
  return v;
}

Value *v_number(Build *b, double x, Place at) {
  Value *v = v_new(b, V_NUMBER, at);
  v->number = x;
  return v;
}

Value *v_bool(Build *b, bool x, Place at) {
  Value *v = v_new(b, V_BOOL, at);
  v->number = x;
  return v;
}

Value *v_tensor(Build *b, NodeId n, Place at) {
  if (!n) return &bad_value;
  Value *v = v_new(b, V_TENSOR, at);
  v->node = n;
  return v;
}

Value *v_list(Build *b, int n, Place at) {
  Value *v = v_new(b, V_LIST, at);
  v->n = n;
  v->items = NEW_ARRAY(b->a, Value *, n + 1);
  return v;
}

Value *v_record(Build *b, int n, Place at) {
  Value *v = v_list(b, n, at);
  v->kind = V_RECORD;
  v->keys = NEW_ARRAY(b->a, const char *, n + 1);
  return v;
}

Value *record_get(const Value *r, const char *key) {
  for (int i = 0; i < r->n; i++)
    if (strcmp(r->keys[i], key) == 0) return r->items[i];
  return NULL;
}

bool is_scalar(const Value *v) { return v->kind == V_NUMBER || v->kind == V_BOOL; }

NodeId v_node(Build *b, const Value *v) {
  if (v->kind == V_TENSOR) return v->node;
  return is_scalar(v) ? g_const(b->g, v->number) : 0;
}

static const char *input_text(Build *b, const Value *v) {
  const DataInput *in = &b->m->data.inputs[v->input - 1];
  return arena_printf(b->a, "the input `%s` (%s)", in->name, input_type_text(in, b->a));
}

const char *value_text(Build *b, const Value *v) {
  switch (v->kind) {
  case V_BAD: return "what could not be read";
  case V_TENSOR: return v->input ? input_text(b, v) : arena_printf(b->a, "a tensor %s", shape_text(b->g, v->node, b->a));
  case V_IDS: return input_text(b, v);
  case V_NUMBER: return arena_printf(b->a, "the number %g", v->number);
  case V_BOOL: return v->number != 0 ? "`true`" : "`false`";
  case V_STRING: return arena_printf(b->a, "the text \"%s\"", v->text);
  case V_LIST: return arena_printf(b->a, "a list of %d", v->n);
  case V_RECORD: return arena_printf(b->a, "a record of %d", v->n);
  case V_LAYER: return arena_printf(b->a, "the layer `%s`", v->layer->name);
  case V_OP: return arena_printf(b->a, "the function `%s`", v->op->name);
  case V_INSTANCE: return arena_printf(b->a, "an instance of `%s`", v->instance->layer->name);
  case V_SIZE: return arena_printf(b->a, "the size of `%s`'s vocabulary", b->g->axes.data[v->axis].name);
  case V_INIT: return "an initialiser";
  case V_LAST: return "`last`";
  }
  return "?";
}

// Lists share their items, so a short spec can nest them to any size: visits are counted.
static bool flatten_some(Build *b, Value *v, Flat *out, int *visits) {
  if (--*visits < 0) return false;
  if (v->kind != V_LIST && v->kind != V_RECORD) {
    vec_push(b->a, out, v);
    return true;
  }
  for (int i = 0; i < v->n; i++)
    if (!flatten_some(b, v->items[i], out, visits)) return false;
  return true;
}

bool flatten(Build *b, const Env *e, Value *v, Flat *out, Place at) {
  enum { MOST = 60000 };
  int visits = MOST - out->n;
  if (flatten_some(b, v, out, &visits)) return true;
  if (e) build_error(b, e, "too-large", at, "this has more than %d items", MOST);
  return false;
}

// ---------------------------------------------------------------- names of parameters
bool path_under(const char *path, const char *name) {
  size_t n = strlen(name);
  return strncmp(path, name, n) == 0 && (path[n] == 0 || path[n] == '.' || path[n] == '[');
}

Frame *frame_child(Build *b, Frame *up, const char *name, bool own, Place at) {
  Frame *f = NEW(b->a, Frame);
  *f = (Frame){.up = up, .name = name, .own = own, .at = at, .frozen = up->frozen, .lazy = up->lazy, .rule = up->rule, .instance = up->instance};
  return f;
}

// `name`, or name_2 … where it was given before in this frame: two calls of a layer in one binding.
static const char *claim_name(Build *b, Frame *f, const char *name, Place at) {
  for (int i = 0; i < f->names.n; i++) {
    if (strcmp(f->names.data[i].name, name) != 0) continue;
    int count = ++f->names.data[i].count;
    diag_warn(b->d, "twin", at, "`%s` names parameters here for the second time: these become `%s_%d`", name, name, count);
    diag_help(b->d, "give them a name of their own: `… as NAME`");
    return arena_printf(b->a, "%s_%d", name, count);
  }
  vec_push(b->a, &f->names, ((__typeof__(f->names.data[0])){name, 1}));
  return name;
}

static const char *join(Build *b, const char *path, const char *name) {
  return *path ? arena_printf(b->a, name[0] == '[' ? "%s%s" : "%s.%s", path, name) : name;
}

const char *frame_path(Build *b, Frame *f) {
  if (f->path) return f->path;
  const char *up = frame_path(b, f->up);
  f->path = join(b, up, claim_name(b, f->up, f->name, f->at));
  return f->path;
}

const char *frame_claim(Build *b, Frame *f, const char *as, const char *otherwise, Place at) {
  const char *path = frame_path(b, f);
  if (!f->own || f->taken || as) return join(b, path, claim_name(b, f, as ? as : otherwise, at));
  f->taken = true;
  return path;
}
