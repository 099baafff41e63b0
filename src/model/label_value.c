// label_value.c: labels inside loss terms: `value(LABEL)` and `known(LABEL)`, one number a row. The label may be an expression
// over labels, as that of a loss. No head and no output may depend on one: they are not there in use.
#include "model_int.h"

static bool is_label_call(const Spec *s, const Expr *e) {
  const Symbol *y = e->kind == EX_CALL && e->a->kind == EX_NAME ? find_symbol(s, e->a->name) : NULL;
  bool named = e->kind == EX_CALL && e->a->kind == EX_NAME && (strcmp(e->a->name, "value") == 0 || strcmp(e->a->name, "known") == 0);
  return named && !(y && y->kind == SYM_LAYER);
}

// ---------------------------------------------------------------- before the data are planned: labels that are expressions
static void find_in(Spec *s, const Expr *e) {
  Place at;
  if (!e) return;
  if (is_label_call(s, e) && e->n_args == 1) {
    if (e->args[0].value->kind != EX_NAME) row_label(s, e->args[0].value, &at);
    return;
  }
  find_in(s, e->a);
  find_in(s, e->b);
  for (int i = 0; i < e->n_args; i++) find_in(s, e->args[i].value);
  for (int i = 0; i < e->n_each; i++) find_in(s, e->each[i].over);
}

void resolve_label_values(Spec *s) {
  for (int i = 0; i < s->decls.n; i++) {
    const Decl *d = s->decls.data[i];
    bool built = d->kind == DECL_LET || d->kind == DECL_SHARED || d->kind == DECL_TASK || d->kind == DECL_OUTPUT;
    if (built) find_in(s, d->value);
    for (int k = 0; k < d->n_clauses; k++)
      if ((d->kind == DECL_TASK && (strcmp(d->clauses[k].key, "loss") == 0 || strcmp(d->clauses[k].key, "head") == 0)) ||
          (d->kind == DECL_TRAIN && strcmp(d->clauses[k].key, "penalty") == 0))
        find_in(s, d->clauses[k].value);
  }
}

// ---------------------------------------------------------------- as tensors
static int not_a_label(Build *b, Env *e, const char *what, const Expr *x) {
  const Symbol *y = find_symbol(b->s, x->name);
  Words w = {0};
  build_error(b, e, y ? "type-mismatch" : "unknown-name", x->at, "`%s` is of a label, and `%s` is %s", what, x->name,
              y ? symbol_kind_text(y->kind) : "none");
  if (y) diag_note(b->d, y->at, "declared here");
  for (int i = 0; i < b->s->label_decls.n; i++) vec_push(b->a, &w, b->s->label_decls.data[i].name.name);
  if (!y) help_nearest(b->d, x->name, &w);
  help_list(b->d, "the labels are", &w);
  return -1;
}

static int label_of(Build *b, Env *e, const char *what, const Expr *x) {
  const Symbol *y = x->kind == EX_NAME ? find_symbol(b->s, x->name) : NULL;
  if (x->kind == EX_NAME && (!y || y->kind != SYM_LABEL)) return not_a_label(b, e, what, x);
  if (y) return b->s->label_decls.data[y->index].index;
  const char *text = expr_spelling(b->a, x);
  for (int i = 0; i < b->m->data.n_labels; i++)
    if (b->m->data.labels[i].anonymous && strcmp(b->m->data.labels[i].name, text) == 0) return i;
  return -1;                                             // its error was reported
}

// The value is 0 where it is not known.
Value *eval_label(Build *b, Env *e, const Expr *x) {
  const char *what = x->a->name ? x->a->name : "value";
  bool known = strcmp(what, "known") == 0;
  if (x->n_args != 1 || x->args[0].name) {
    build_error(b, e, x->n_args ? "too-many-arguments" : "missing-argument", x->at, "`%s` takes one label", what);
    return &bad_value;
  }
  if (e->layer) {
    build_error(b, e, "closed-layer", x->at, "a layer sees no label of the spec");
    diag_help(b->d, "give it to the layer as an argument: `LAYER(value(LABEL))`");
    return &bad_value;
  }
  int label = label_of(b, e, what, x->args[0].value);
  if (label < 0) return &bad_value;
  Graph *g = b->g;
  g_at(g, place_of(e, x->at));
  NodeId w = g_column(g, OP_KNOWN, label), zero = g_const(g, 0);
  NodeId v = known ? g_map1(g, OP_NOT, g_map2(g, OP_EQ, w, zero)) : g_select(g, w, g_column(g, OP_LABEL, label), zero);
  return formula_apply(b, v_tensor(b, g_expand(g, v, 1), place_of(e, x->at)), (Formula){.op = known ? "known" : "value", .number = label}, NULL, 0);
}

// ---------------------------------------------------------------- leaks
static bool is_label(const Graph *g, NodeId n) { return node(g, n)->op == OP_LABEL || node(g, n)->op == OP_KNOWN; }

// The nodes that `root` is made of and that read a label: the lowest one's place; false: none.
static bool leak_in(const Build *b, NodeId root, Place *at) {
  const Graph *g = b->g;
  bool *needed = NEW_ARRAY(b->a, bool, root + 1), found = false;
  needed[root] = true;
  for (NodeId n = root; n > 0; n--)
    for (int i = 0; needed[n] && i < node(g, n)->n_in; i++) {
      needed[node_in(g, n, i)] = true;
      if (is_label(g, node_in(g, n, i))) found = true, *at = node(g, n)->at;
    }
  return found;
}

void check_label_leaks(Build *b) {
  for (int i = 0; i < b->g->roots.n; i++) {
    const Root *r = &b->g->roots.data[i];
    bool head = strncmp(r->name, "head:", 5) == 0;
    Place at;
    if ((!head && strncmp(r->name, "output:", 7) != 0) || !leak_in(b, r->value, &at)) continue;
    diag_error(b->d, "label-leak", at, "the %s `%s` is made of a label, which is not there in use", head ? "head of task" : "output",
               strchr(r->name, ':') + 1);
    if (node(b->g, r->value)->at.off != at.off) diag_note(b->d, node(b->g, r->value)->at, "it reaches this");
    diag_help(b->d, "`value` and `known` are for losses and penalties");
  }
}
