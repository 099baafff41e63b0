// build.c: the typed model → the forward graph. Expressions are evaluated at compile time: to tensors (nodes), numbers,
// texts, lists, records, layers. A binding is evaluated once, at its first use; a layer anew at each call.
#include "model_int.h"
#include <math.h>

// ---------------------------------------------------------------- places and errors
Place place_of(const Env *e, Place at) { return e->module->is_std && e->call_at.file ? e->call_at : at; }

static bool is_std_place(const Build *b, Place at) {
  for (int i = 0; i < b->s->modules.n; i++)
    if (b->s->modules.data[i]->file == at.file) return b->s->modules.data[i]->is_std;
  return false;
}

Place blame(const Build *b, const Env *e, const Value *v, Place at) {
  bool literal = is_scalar(v) || v->kind == V_STRING || v->kind == V_LAST;
  return literal && v->at.file && !is_std_place(b, v->at) ? v->at : place_of(e, at);
}

void note_calls(Build *b, const Env *e) {
  for (; e && e->layer; e = e->caller)
    if (!e->module->is_std) diag_note(b->d, e->call_at, "in this call of `%s`", e->layer->names[0].name);
}

void build_error(Build *b, const Env *e, const char *code, Place at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *text = arena_vprintf(b->a, fmt, ap);
  va_end(ap);
  diag_error(b->d, code, is_std_place(b, at) ? place_of(e, at) : at, "%s", text);
  if (is_std_place(b, at) && e->layer) diag_note(b->d, at, "here, in `%s`", e->layer->names[0].name);
  note_calls(b, e);
}

Value *tensor_result(Build *b, Env *e, NodeId n, Place at, int errors_before, Value *const *operands, int n_operands) {
  if (n) {
    Value *v = v_tensor(b, n, place_of(e, at));
    keep_mask(b, v, operands, n_operands);
    return v;
  }
  if (diag_errors(b->d) == errors_before) return &bad_value;
  for (int i = 0; i < n_operands; i++)
    if (operands[i]->kind == V_TENSOR && operands[i]->at.file)
      diag_note(b->d, operands[i]->at, "this is %s", value_text(b, operands[i]));
  note_calls(b, e);
  return &bad_value;
}

// ---------------------------------------------------------------- names
static bool is_callable(const Value *v) {
  return v->kind == V_LAYER || v->kind == V_OP || v->kind == V_INSTANCE || v->kind == V_INIT || v->kind == V_BAD;
}

Value *force(Build *b, Lazy *l, const char *name, Place used_at) {
  if (l->state == LAZY_DONE) return l->value;
  if (l->state == LAZY_BUSY) {
    diag_error(b->d, "cycle", l->at, "`%s` depends on itself", name);
    diag_note(b->d, used_at, "by way of this");
    l->value = &bad_value;
    return l->value;
  }
  l->state = LAZY_BUSY;
  Value *v = l->expr ? eval(b, l->env, l->expr) : &bad_value;
  bool cyclic = l->value != NULL;
  l->value = cyclic ? &bad_value : v;
  l->state = LAZY_DONE;
  return l->value;
}

static Value *not_a_tensor(Build *b, const Expr *x, const Symbol *y) {
  if (y->kind == SYM_LABEL) {
    diag_error(b->d, "label-in-tensor", x->at, "`%s` is a label: only losses and metrics see it", x->name);
    diag_note(b->d, y->at, "declared here");
    return &bad_value;
  }
  diag_error(b->d, "type-mismatch", x->at, "`%s` is %s, which is no value", x->name, symbol_kind_text(y->kind));
  diag_note(b->d, y->at, "declared here");
  if (y->kind == SYM_SOURCE)
    diag_help(b->d, "a raw column becomes a value as an input: `input NAME : real = %s.COLUMN`", x->name);
  if (y->kind == SYM_RUN) diag_help(b->d, "the spec starts from it: its parameters are loaded by their paths");
  if (y->kind == SYM_MODULE) diag_help(b->d, "what it has is written `%s.NAME`", x->name);
  return &bad_value;
}

// A declaration of the spec, seen from its top level; NULL: a layer, or none.
static Value *symbol_value(Build *b, const Expr *x) {
  const Symbol *y = find_symbol(b->s, x->name);
  if (!y || y->kind == SYM_LAYER) return NULL;
  switch (y->kind) {
  case SYM_INPUT: return b->inputs[y->index];
  case SYM_BINDING: return force(b, &b->bindings[y->index], y->name, x->at);
  case SYM_TASK: return y->index < b->m->n_tasks + b->m->n_muted ? force(b, &b->tasks[y->index], y->name, x->at) : &bad_value;
  case SYM_OUTPUT: return force(b, &b->outputs[y->index], y->name, x->at);
  default: return not_a_tensor(b, x, y);
  }
}

static Value *predeclared_value(Build *b, Env *e, const Expr *x) {
  const char *n = x->name;
  if (strcmp(n, "true") == 0 || strcmp(n, "false") == 0) return v_bool(b, n[0] == 't', x->at);
  if (strcmp(n, "inf") == 0) return v_number(b, INFINITY, x->at);
  if (strcmp(n, "last") == 0) return v_new(b, V_LAST, x->at);
  if (strcmp(n, "row") == 0 || strcmp(n, "loss") == 0) {
    build_error(b, e, "type-mismatch", x->at, n[0] == 'r' ? "`row` is for labels, conditions and splits: it is no tensor"
                                                          : "`loss` is for `stop` and `best`: it is no tensor");
    return &bad_value;
  }
  if (strcmp(n, "training") != 0) return NULL;
  if (e->frame->frozen) return v_number(b, 0, x->at);       // what is frozen is computed in training as in use
  g_at(b->g, place_of(e, x->at));
  return formula_leaf(b, v_tensor(b, g_training(b->g), place_of(e, x->at)), "training", NULL);
}

static Value *unknown_name(Build *b, Env *e, const Expr *x, bool call) {
  const Symbol *y = find_symbol(b->s, x->name);
  Words w = {0};
  if (y && e->layer && y->kind != SYM_LAYER) {
    build_error(b, e, "closed-layer", x->at, "a layer sees only its own parameters and bindings, and `%s` is %s of the spec",
                x->name,
                symbol_kind_text(y->kind));
    diag_note(b->d, y->at, "declared here");
    diag_help(b->d, "give it to the layer as an argument");
    return &bad_value;
  }
  build_error(b, e, "unknown-name", x->at, call ? "there is no layer or function `%s`" : "there is no `%s`", x->name);
  words_in_scope(b, e, &w, call);
  help_nearest(b->d, x->name, &w);
  for (int i = 0; call && i < n_loss_rows; i++)
    if (strcmp(loss_rows[i].name, x->name) == 0)
      diag_help(b->d, "`%s` is a loss: it stands in a task's `loss`, in a sum, times a number", x->name);
  return &bad_value;
}

// In a call, a name that is no layer is passed over where a layer or function has it too: an input may be called `size`.
static Value *lookup(Build *b, Env *e, const Expr *x, bool call) {
  Value *passed = NULL, *v = NULL;
  for (Local *l = e->locals; l && !v; l = l->up)
    if (strcmp(l->name, x->name) == 0) v = l->value ? l->value : force(b, l->lazy, l->name, x->at);
  if (!v && !e->layer) {
    const Symbol *y = call ? find_symbol(b->s, x->name) : NULL;
    bool own_call = y && y->kind == SYM_BINDING && b->bindings[y->index].state == LAZY_BUSY;      // let size = size(pool)
    bool shadows = y && (y->kind != SYM_BINDING || own_call) && (find_builtin(x->name) || find_layer(e, x->name, NULL));
    if (!shadows) v = symbol_value(b, x);
  }
  if (v && (!call || is_callable(v))) return v;
  passed = v;
  const Module *module;
  const LayerDef *layer = find_layer(e, x->name, &module);
  const Builtin *f = layer ? NULL : find_builtin(x->name);
  Init init;
  if (layer || f) {
    v = v_new(b, layer ? V_LAYER : V_OP, x->at);
    v->layer = layer;
    v->module = layer ? module : NULL;
    v->op = f;
    return v;
  }
  if (passed) return passed;
  if (find_init(x->name, &init)) {
    v = v_new(b, V_INIT, x->at);
    v->init = init;
    return v;
  }
  v = predeclared_value(b, e, x);
  return v ? v : unknown_name(b, e, x, call);
}

// ---------------------------------------------------------------- arithmetic
static bool number_op(AstOp op, double a, double b, double *v) {
  switch (op) {
  case AST_ADD: *v = a + b; return true;
  case AST_SUB: *v = a - b; return true;
  case AST_MUL: *v = a * b; return true;
  case AST_DIV: *v = a / b; return true;
  case AST_MOD: *v = a - b * floor(a / b); return true;
  case AST_POW: *v = pow(a, b); return true;
  default: return false;
  }
}

static bool truth_op(AstOp op, double a, double b) {
  switch (op) {
  case AST_EQ: return a == b;
  case AST_NE: return a != b;
  case AST_LT: return a < b;
  case AST_LE: return a <= b;
  case AST_GT: return a > b;
  case AST_GE: return a >= b;
  case AST_AND: return a != 0 && b != 0;
  default: return a != 0 || b != 0;
  }
}

static Value *scalar_binary(Build *b, Env *e, AstOp op, const Value *l, const Value *r, Place at) {
  double v;
  if (!number_op(op, l->number, r->number, &v)) return v_bool(b, truth_op(op, l->number, r->number), at);
  if (isfinite(v) || isinf(l->number) || isinf(r->number)) return v_number(b, v, at);
  build_error(b, e, "bad-value", at, "%g %s %g is no number", l->number, ast_op_text(op), r->number);
  return &bad_value;
}

// x^k: products for a whole k, a root for 1/2, else exp(k·log x), which is for x > 0.
static NodeId power_of(Build *b, NodeId x, NodeId k) {
  return g_map1(b->g, OP_EXP, g_map2(b->g, OP_MUL, k, g_map1(b->g, OP_LOG, x)));
}

static NodeId power(Build *b, NodeId x, double k) {
  Graph *g = b->g;
  enum { MOST = 16 };
  if (k == 0.5) return g_map1(g, OP_SQRT, x);
  if (k == 0) return g_map2(g, OP_EQ, x, x);
  if (k != floor(k) || fabs(k) > MOST) return power_of(b, x, g_const(g, k));
  NodeId square = x, r = 0;
  for (int n = (int)fabs(k); n; n >>= 1) {
    if (n & 1) r = r ? g_map2(g, OP_MUL, r, square) : square;
    if (n > 1) square = g_map2(g, OP_MUL, square, square);
  }
  return k < 0 ? g_map1(g, OP_RECIP, r) : r;
}

static NodeId compare(Graph *g, AstOp op, NodeId l, NodeId r) {
  switch (op) {
  case AST_LT: return g_map2(g, OP_LT, l, r);
  case AST_LE: return g_map2(g, OP_LE, l, r);
  case AST_GT: return g_map2(g, OP_LT, r, l);
  case AST_GE: return g_map2(g, OP_LE, r, l);
  case AST_EQ: return g_map2(g, OP_EQ, l, r);
  case AST_NE: return g_map1(g, OP_NOT, g_map2(g, OP_EQ, l, r));
  case AST_AND: return g_select(g, l, r, g_const(g, 0));
  case AST_OR: return g_select(g, l, g_const(g, 1), r);
  default: return 0;
  }
}

// What changes nothing: x + 0, x - 0, x * 1, x / 1.
static Value *unchanged(AstOp op, Value *l, Value *r) {
  bool sum = op == AST_ADD || op == AST_SUB, product = op == AST_MUL || op == AST_DIV;
  if (is_scalar(r) && ((sum && r->number == 0) || (product && r->number == 1))) return l;
  if (is_scalar(l) && ((op == AST_ADD && l->number == 0) || (op == AST_MUL && l->number == 1))) return r;
  return NULL;
}

static Value *tensor_binary(Build *b, Env *e, AstOp op, Value *l, Value *r, Place at) {
  static const struct { AstOp ast; OpId op; } ops[] = {{AST_ADD, OP_ADD}, {AST_SUB, OP_SUB}, {AST_MUL, OP_MUL},
                                                       {AST_DIV, OP_DIV}};
  Value *same = unchanged(op, l, r);
  if (same) return same;
  int before = diag_errors(b->d);
  g_at(b->g, place_of(e, at));
  NodeId x = v_node(b, l), y = v_node(b, r), n = 0;
  for (int i = 0; i < COUNT_OF(ops); i++)
    if (ops[i].ast == op) n = g_map2(b->g, ops[i].op, x, y);
  if (op == AST_POW) n = is_scalar(r) ? power(b, x, r->number) : power_of(b, x, y);
  if (op >= AST_EQ && op <= AST_OR) n = compare(b->g, op, x, y);
  if (n || diag_errors(b->d) > before) {
    Value *both[] = {l, r};
    return formula_apply(b, tensor_result(b, e, n, at, before, both, 2), (Formula){.op = ast_op_text(op), .map = true}, both, 2);
  }
  build_error(b, e, "type-mismatch", at, "`%s` is not for tensors", ast_op_text(op));
  return &bad_value;
}

static Value *operands_misfit(Build *b, Env *e, AstOp op, const Value *l, const Value *r, Place at) {
  bool left_bad = l->kind != V_TENSOR && !is_scalar(l);
  const Value *wrong = left_bad ? l : r;
  build_error(b, e, "type-mismatch", at, "`%s` needs tensors or numbers, not %s", ast_op_text(op), value_text(b, wrong));
  if (wrong->at.file && !is_std_place(b, wrong->at)) diag_note(b->d, wrong->at, "this is %s", value_text(b, wrong));
  if (wrong->kind == V_IDS) diag_help(b->d, "embed it: `embed(%s, 8)`", b->m->data.inputs[wrong->input - 1].name);
  if (wrong->kind == V_LAYER || wrong->kind == V_OP)
    diag_help(b->d, "call it: `%s(…)`", wrong->kind == V_OP ? wrong->op->name : wrong->layer->name);
  return &bad_value;
}

typedef struct { Build *b; Env *e; AstOp op; Place at; } Operation;
static Value *binary_leaf(void *ctx, Value **args) {
  const Operation *o = ctx;
  return binary(o->b, o->e, o->op, args[0], args[1], o->at);
}

Value *binary(Build *b, Env *e, AstOp op, Value *l, Value *r, Place at) {
  if (l->kind == V_BAD || r->kind == V_BAD) return &bad_value;
  if (is_tree(l) || is_tree(r)) return tree_map(b, e, (Value *[]){l, r}, 2, binary_leaf, &(Operation){b, e, op, at}, at);
  if (is_scalar(l) && is_scalar(r)) return scalar_binary(b, e, op, l, r, at);
  if (l->kind == V_STRING && r->kind == V_STRING && (op == AST_EQ || op == AST_NE))
    return v_bool(b, (strcmp(l->text, r->text) == 0) == (op == AST_EQ), at);
  bool fits = (l->kind == V_TENSOR || is_scalar(l)) && (r->kind == V_TENSOR || is_scalar(r));
  return fits ? tensor_binary(b, e, op, l, r, at) : operands_misfit(b, e, op, l, r, at);
}

static Value *eval_unary(Build *b, Env *e, const Expr *x) {
  Value *v = eval(b, e, x->a);
  if (v->kind == V_BAD) return v;
  if (is_tree(v)) return binary(b, e, x->op == AST_NEG ? AST_MUL : AST_EQ, v, v_number(b, x->op == AST_NEG ? -1 : 0, x->at), x->at);
  if (is_scalar(v)) return x->op == AST_NEG ? v_number(b, -v->number, x->at) : v_bool(b, v->number == 0, x->at);
  if (v->kind != V_TENSOR) return operands_misfit(b, e, x->op, v, v, x->at);
  int before = diag_errors(b->d);
  g_at(b->g, place_of(e, x->at));
  bool neg = x->op == AST_NEG;
  Value *r = tensor_result(b, e, g_map1(b->g, neg ? OP_NEG : OP_NOT, v->node), x->at, before, &v, 1);
  return formula_apply(b, r, (Formula){.op = neg ? "negative" : "not", .map = true}, &v, 1);
}

static Value *eval_binary(Build *b, Env *e, const Expr *x) {
  if (x->op == AST_RANGE) {
    build_error(b, e, "type-mismatch", x->at, "a range is no value here");
    return &bad_value;
  }
  Value *l = eval(b, e, x->a), *r = eval(b, e, x->b);
  return binary(b, e, x->op, l, r, x->at);
}

// ---------------------------------------------------------------- lists, records, parts of them
static Value *eval_list(Build *b, Env *e, const Expr *x) {
  Value *v = v_list(b, x->n_args, x->at);
  for (int i = 0; i < x->n_args; i++) {
    v->items[i] = eval(b, e, x->args[i].value);
    if (x->args[i].name)
      build_error(b, e, "unknown-argument", x->args[i].name_at, "a list has no names; a record has round brackets");
  }
  return v;
}

static Value *eval_record(Build *b, Env *e, const Expr *x) {
  Value *v = v_record(b, x->n_args, x->at);
  for (int i = 0; i < x->n_args; i++) {
    for (int k = 0; k < i; k++)
      if (strcmp(v->keys[k], x->args[i].name) == 0) {
        build_error(b, e, "duplicate-name", x->args[i].name_at, "this record has `%s` twice", x->args[i].name);
        diag_note(b->d, x->args[k].name_at, "first here");
      }
    v->keys[i] = x->args[i].name;
    Env inner = *e, *kept = NEW(b->a, Env);
    inner.frame = frame_child(b, e->frame, x->args[i].name, true, place_of(e, x->args[i].name_at));
    *kept = inner;
    v->items[i] = eval(b, kept, x->args[i].value);
  }
  return v;
}

static Value *field(Build *b, Env *e, const Value *r, const char *key, Place at) {
  Value *v = record_get(r, key);
  Words w = {0};
  if (v) return v;
  build_error(b, e, "unknown-name", at, "this record has no `%s`", key);
  for (int i = 0; i < r->n; i++) vec_push(b->a, &w, r->keys[i]);
  help_nearest(b->d, key, &w);
  help_list(b->d, "it has", &w);
  return &bad_value;
}

static Value *module_member(Build *b, Env *e, const Expr *x, const Module *m, const char *alias) {
  const LayerDef *layer = module_layer(m, x->name);
  Words w = {0};
  if (layer && x->name[0] != '_') {
    Value *v = v_new(b, V_LAYER, x->at);
    v->layer = layer;
    v->module = m;
    return v;
  }
  build_error(b, e, "unknown-name", x->op_at, "`%s` (%s) has no layer `%s`", alias, m->name, x->name);
  for (int i = 0; i < m->layers.n; i++)
    if (m->layers.data[i].name[0] != '_') vec_push(b->a, &w, m->layers.data[i].name);
  help_nearest(b->d, x->name, &w);
  help_list(b->d, "it has", &w);
  return &bad_value;
}

static Value *eval_member(Build *b, Env *e, const Expr *x) {
  if (x->a->kind == EX_NAME)
    for (int i = 0; i < e->module->refs.n; i++) {
      const ModuleRef *r = &e->module->refs.data[i];
      if (r->alias && strcmp(r->alias, x->a->name) == 0) return module_member(b, e, x, r->module, r->alias);
    }
  return member_of(b, e, eval(b, e, x->a), x);
}

Value *member_of(Build *b, Env *e, const Value *v, const Expr *x) {
  if (v->kind == V_BAD) return &bad_value;
  if (v->kind == V_RECORD) return field(b, e, v, x->name, x->op_at);
  build_error(b, e, "type-mismatch", x->at, "`.%s` is for a record, not for %s", x->name, value_text(b, v));
  return &bad_value;
}

static Value *tensor_item(Build *b, Env *e, Value *v, int64_t i, Place at) {
  int before = diag_errors(b->d), axis = has_rows(b->g, v->node);
  g_at(b->g, place_of(e, at));
  if (axis >= node(b->g, v->node)->rank) {
    build_error(b, e, "type-mismatch", at, "%s has no axis to take a part of", value_text(b, v));
    return &bad_value;
  }
  NodeId part = g_slice(b->g, v->node, axis, i, i + 1);
  Value *item = tensor_result(b, e, part ? g_drop(b->g, part, axis) : 0, at, before, &v, 1);
  if (item->kind != V_BAD) item->mask = 0;
  return formula_apply(b, item, (Formula){.op = "item", .how = arena_printf(b->a, "%lld", (long long)i)}, &v, 1);
}

static Value *eval_index(Build *b, Env *e, const Expr *x) { return item_of(b, e, eval(b, e, x->a), x); }

Value *item_of(Build *b, Env *e, Value *v, const Expr *x) {
  if (x->n_args != 1 || x->args[0].name) {
    build_error(b, e, "type-mismatch", x->at, "one number or text stands in the brackets");
    return &bad_value;
  }
  Value *i = eval(b, e, x->args[0].value);
  if (v->kind == V_BAD || i->kind == V_BAD) return &bad_value;
  if (v->kind == V_RECORD && i->kind == V_STRING) return field(b, e, v, i->text, x->args[0].value->at);
  bool whole = i->kind == V_NUMBER && i->number == floor(i->number) && fabs(i->number) < 1e15;
  if (whole && v->kind == V_TENSOR) return tensor_item(b, e, v, (int64_t)i->number, x->at);
  if (v->kind != V_LIST || !whole) {
    build_error(b, e, "type-mismatch", x->at, "%s cannot be indexed by %s", value_text(b, v), value_text(b, i));
    return &bad_value;
  }
  if (i->number >= 0 && i->number < v->n) return v->items[(int)i->number];
  build_error(b, e, "bad-value", x->args[0].value->at, "there is no item %g in a list of %d (the first is 0)", i->number,
              v->n);
  return &bad_value;
}

static Value *eval_as(Build *b, Env *e, const Expr *x) {
  switch (x->a->kind) {
  case EX_CALL: return eval_call(b, e, x->a, x->name);
  case EX_INSTANCE: return eval_instance(b, e, x->a, x->name);
  case EX_REPEAT: return eval_repeat(b, e, x->a, x->name);
  case EX_FOLD: return eval_fold(b, e, x->a, x->name);
  default:
    build_error(b, e, "type-mismatch", x->op_at, "`as` names the parameters of a call, and this is none");
    return &bad_value;
  }
}

// ---------------------------------------------------------------- the walk
static Value *eval_inner(Build *b, Env *e, const Expr *x) {
  switch (x->kind) {
  case EX_NAME: return lookup(b, e, x, false);
  case EX_NUMBER: return v_number(b, x->number, x->at);
  case EX_STRING: {
    Value *v = v_new(b, V_STRING, x->at);
    v->text = x->name;
    return v;
  }
  case EX_CALL: return eval_call(b, e, x, NULL);
  case EX_INDEX: return eval_index(b, e, x);
  case EX_MEMBER: return eval_member(b, e, x);
  case EX_AS: return eval_as(b, e, x);
  case EX_UNARY: return eval_unary(b, e, x);
  case EX_BINARY: return eval_binary(b, e, x);
  case EX_LIST: return eval_list(b, e, x);
  case EX_RECORD: return eval_record(b, e, x);
  case EX_REPEAT: return eval_repeat(b, e, x, NULL);
  case EX_FOLD: return eval_fold(b, e, x, NULL);
  case EX_INSTANCE: return eval_instance(b, e, x, NULL);
  case EX_BAD: break;
  }
  return &bad_value;
}

Value *eval(Build *b, Env *e, const Expr *x) {
  enum { MAX_DEPTH = 2000 };
  if (b->too_large) return &bad_value;
  if (b->depth >= MAX_DEPTH) {
    build_error(b, e, "too-deep", x->at, "this leads through more than %d steps", MAX_DEPTH);
    return &bad_value;
  }
  b->depth++;
  Value *v = eval_inner(b, e, x);
  b->depth--;
  return v;
}

Value *lookup_callee(Build *b, Env *e, const Expr *x) { return x->kind == EX_NAME ? lookup(b, e, x, true) : eval(b, e, x); }

// ---------------------------------------------------------------- the whole
static Value *input_value(Build *b, int i) {
  const DataInput *in = &b->m->data.inputs[i];
  Place at = b->m->input_at[i];
  if (b->s->input_bad.data[i]) return &bad_value;
  g_at(b->g, at);
  bool ids = in->id_at >= 0;
  Value *v = v_new(b, ids ? V_IDS : V_TENSOR, at);
  v->input = i + 1;
  if (in->kind == INPUT_LIST) {
    v->mask = g_list_mask(b->g, in->max, in->length_at);
    v->node = ids ? g_ids(b->g, in->id_at, in->max, in->length_at)
                  : g_expand(b->g, g_dense(b->g, in->dense_at, in->max), -1);
  } else {
    int width = in->kind == INPUT_TIME ? 2 * in->n_parts : in->width * (1 + in->prep.indicator);
    v->node = ids ? g_column(b->g, OP_IDS, in->id_at) : g_dense(b->g, in->dense_at, width);
  }
  return formula_leaf(b, v, "input", in->name);
}

static void make_lazy(Build *b, Lazy *l, const Expr *x, const char *name, bool own, bool freeze, bool lazy, StepRule rule, Place at) {
  Env *e = NEW(b->a, Env);
  *e = (Env){.module = b->s->modules.data[1], .frame = frame_child(b, b->root, name, own, at)};
  e->frame->frozen = freeze;
  e->frame->lazy = lazy || b->m->lazy;
  e->frame->rule = rule_within(b->root->rule, rule);
  *l = (Lazy){.expr = x, .env = e, .at = at};
}

static void check_layer(Build *b, const Decl *d) {
  for (int i = 0; i < d->n_params; i++)
    for (int k = 0; k < i; k++)
      if (strcmp(d->params[i].name, d->params[k].name) == 0) {
        diag_error(b->d, "duplicate-name", d->params[i].name_at, "the layer `%s` has the parameter `%s` twice",
                   d->names[0].name, d->params[i].name);
        diag_note(b->d, d->params[k].name_at, "first here");
      }
  bool out = d->value != NULL || !d->has_block;
  for (int i = 0; i < d->n_clauses; i++) {
    const Clause *c = &d->clauses[i];
    out |= strcmp(c->key, "out") == 0;
    Place first = {0};
    for (int k = 0; k < i; k++)
      if (strcmp(d->clauses[k].key, c->key) == 0) first = d->clauses[k].at;
    for (int k = 0; k < d->n_params; k++)
      if (strcmp(d->params[k].name, c->key) == 0) first = d->params[k].name_at;
    if (!first.file) continue;
    diag_error(b->d, "duplicate-name", c->at, "the layer `%s` has `%s` twice", d->names[0].name, c->key);
    diag_note(b->d, first, "first here");
  }
  if (out) return;
  diag_error(b->d, "missing-clause", d->names[0].at, "the layer `%s` has no `out`: its result", d->names[0].name);
}

static void prepare(Build *b) {
  Model *m = b->m;
  m->formulas = NEW(b->a, Formulas);
  m->formulas->arena = b->a;
  formula_add(b, (Formula){.op = "none"}, NULL, 0);
  b->root = NEW(b->a, Frame);
  b->root->path = "";
  b->root->rule = m->rule;
  b->inputs = NEW_ARRAY(b->a, Value *, m->data.n_inputs + 1);
  for (int i = 0; i < m->data.n_inputs; i++) b->inputs[i] = input_value(b, i);
  b->bindings = NEW_ARRAY(b->a, Lazy, m->n_bindings + 1);
  b->tasks = NEW_ARRAY(b->a, Lazy, m->n_tasks + m->n_muted + 1);
  b->outputs = NEW_ARRAY(b->a, Lazy, m->n_outputs + 1);
  for (int i = 0; i < m->n_bindings; i++) {
    const Binding *x = &m->bindings[i];
    make_lazy(b, &b->bindings[i], x->decl->value, x->name, true, x->freeze, x->lazy, x->rule, x->decl->names[0].at);
  }
  for (int i = 0; i < m->n_tasks + m->n_muted; i++)
    make_lazy(b, &b->tasks[i], m->tasks[i].head, m->tasks[i].name, false, m->tasks[i].freeze, false, m->tasks[i].rule,
              m->tasks[i].at);
  for (int i = 0; i < m->n_outputs; i++)
    make_lazy(b, &b->outputs[i], m->outputs[i].value, m->outputs[i].name, true, false, false, STEP_RULE_UNSAID, m->outputs[i].at);
}

static const char *shape_summary(Build *b, const Value *v) {
  if (v->kind == V_TENSOR) return shape_text(b->g, v->node, b->a);
  bool many = (v->kind == V_LIST || v->kind == V_RECORD) && v->n > 0 && v->items[0]->kind == V_TENSOR;
  return many ? arena_printf(b->a, "%d of %s", v->n, shape_text(b->g, v->items[0]->node, b->a)) : value_text(b, v);
}

// How often the training rows have each id, where a preparation has counted them; of an input `like` another, as often as of that one.
static const KnownIds *known_ids(const Model *m) {
  if (!m->prep) return NULL;
  const Vocabulary **of = NEW_ARRAY(m->arena, const Vocabulary *, m->data.n_ids + 1);
  for (int i = 0; i < m->data.n_inputs; i++) {
    const DataInput *in = &m->data.inputs[i], *from = in->like ? &m->data.inputs[in->like - 1] : in;
    if (in->id_at >= 0 && from->id_at >= 0) of[in->id_at] = &m->prep->vocab[from->id_at];
  }
  KnownIds *k = NEW(m->arena, KnownIds);
  *k = (KnownIds){of, m->data.n_ids, m->prep->rows[0]};
  return k;
}

Graph *build(Model *m, DType dtype, Diag *d) {
  Build b = {.s = spec_of(m), .m = m, .a = m->arena, .d = d};
  b.g = graph_new(m->arena, dtype, m->train.batch, d);
  b.g->known_ids = known_ids(m);
  prepare(&b);
  for (int i = 0; i < b.s->modules.data[1]->layers.n; i++) check_layer(&b, b.s->modules.data[1]->layers.data[i].decl);
  for (int i = 0; i < m->n_bindings && !m->n_muted; i++) {
    b.loops = b.calls = b.too_large = 0;         // one that unfolds too far leaves the others their errors
    force(&b, &b.bindings[i], m->bindings[i].name, m->bindings[i].decl->at);
  }
  b.s->binding_shape = NEW_ARRAY(b.a, const char *, m->n_bindings + 1);
  for (int i = 0; i < m->n_bindings && !m->n_muted; i++) b.s->binding_shape[i] = shape_summary(&b, b.bindings[i].value);
  build_tasks(&b);
  check_sharing(&b);
  settle_lazy(&b);
  if (!diag_errors(d) && !m->n_muted) check_lazy(&b), check_rules(&b);
  build_balance(&b);
  return b.g;
}
