// resolve_loss.c: the `loss` of a task: a sum of terms factor · LOSS(label, arguments). The rows of losses.def say what each
// loss takes. A loss's label may be an expression over labels: it becomes a label of its own, with its own mask.
#include <math.h>
#include "model_int.h"

typedef struct { Spec *s; const char *task; VEC(LossTerm) terms; VEC(ValueTerm) values; } Terms;   // task NULL: the penalty

static int loss_row(const char *name) {
  for (int i = 0; i < n_loss_rows; i++)
    if (strcmp(loss_rows[i].name, name) == 0) return i;
  return -1;
}

static void unknown_loss(Spec *s, const Expr *e) {
  const char *name = callee_name(e);
  if (e->kind == EX_CALL && !name && e->a->kind == EX_NAME) name = e->a->name;
  Words w = {0};
  for (int i = 0; i < n_loss_rows; i++) vec_push(s->m.arena, &w, loss_rows[i].name);
  if (e->kind == EX_CALL)
    diag_error(s->diag, "unknown-name", e->a->at, "there is no loss `%s`", expr_text(s->m.arena, e->a));
  else diag_error(s->diag, "loss", e->at, "`%s` is no loss: a loss is called on its label, as `bce(LABEL)`",
                  expr_text(s->m.arena, e));
  if (name) help_nearest(s->diag, name, &w);
  help_list(s->diag, "the losses are", &w);
}

static void bad_penalty(Spec *s, const Expr *e) {
  double v;
  const char *name = callee_name(e);
  if (const_number(s, e, &v)) diag_error(s->diag, "loss", e->at, "`penalty` is the number %g, which no parameter moves", v);
  else if (name && loss_row(name) >= 0) diag_error(s->diag, "loss", e->at, "a loss of a label is a task's, and `penalty` is none's");
  else if (name) {
    Words w = {0};
    diag_error(s->diag, "unknown-name", e->kind == EX_CALL ? e->a->at : e->at, "there is no value or function `%s` for `penalty`", name);
    for (int i = 0; i < n_builtins; i++) vec_push(s->m.arena, &w, builtins[i].name);
    for (int i = 0; i < s->symbols.n; i++) vec_push(s->m.arena, &w, s->symbols.data[i].name);
    help_nearest(s->diag, name, &w);
    return;
  } else diag_error(s->diag, "loss", e->at, "`%s` is no value of a penalty", expr_text(s->m.arena, e));
  diag_help(s->diag, "a penalty is made of parameters and values: `1e-3 * sum_sq(params(NAME))`");
}

// ---------------------------------------------------------------- the label
static const char *label_words(Arena *a, unsigned kinds) {          // "binary, real or count"
  Text t = {0};
  for (int k = 0; k < N_LABEL_KINDS; k++) {
    if (!(kinds >> k & 1)) continue;
    text_printf(&t, "%s%s", t.n == 0 ? "" : kinds >> (k + 1) ? ", " : " or ", label_kind_names[k]);
  }
  char *s = arena_strdup(a, t.data);
  text_free(&t);
  return s;
}

static bool label_fits_loss(Spec *s, const Expr *label_expr, int row, int label) {
  const DataLabel *l = &s->labels.data[label];
  if (loss_rows[row].labels >> l->kind & 1) return true;
  diag_error(s->diag, "loss-label", label_expr->at, "`%s` needs a label of type %s, and `%s` is %s", loss_rows[row].name,
             label_words(s->m.arena, loss_rows[row].labels), l->name, label_kind_text(l, s->m.arena));
  diag_note(s->diag, s->label_at.data[label], l->anonymous ? "this is %s" : "declared here as %s", label_kind_text(l,
        s->m.arena));
  Words w = {0};
  for (int i = 0; i < n_loss_rows; i++)
    if (loss_rows[i].labels >> l->kind & 1) vec_push(s->m.arena, &w, loss_rows[i].name);
  help_list(s->diag, "for it there are", &w);
  return false;
}

// A loss of the amount itself: neither scaled nor mapped, and never below 0, which the loader sees to.
static bool label_is_amount(Spec *s, const Expr *label_expr, int row, int label) {
  DataLabel *l = &s->labels.data[label];
  if (!(loss_rows[row].flags & LOSS_UNSCALED)) return true;
  if (l->scale != SCALE_NONE || (l->prep.map != MAP_NONE && l->prep.map != MAP_ABS)) {
    diag_error(s->diag, "loss-label", label_expr->at, "`%s` judges the amount itself, and `%s` is %s", loss_rows[row].name,
               l->name, l->scale != SCALE_NONE ? "scaled" : "mapped");
    diag_note(s->diag, s->label_at.data[label], "declared here");
    diag_help(s->diag, "leave `scale` and `map` of the label out: the head learns the logarithm of the amount");
    return false;
  }
  if (l->kind == LABEL_REAL && !l->not_below_0) l->not_below_0 = loss_rows[row].name;
  return true;
}

static int term_label(Spec *s, const Expr *e, int row, Place *at) {
  int label = row_label(s, e, at);
  return label >= 0 && label_fits_loss(s, e, row, label) && label_is_amount(s, e, row, label) ? label : -1;
}

// ---------------------------------------------------------------- the arguments
static void number_arg(Spec *s, int row, int i, const Expr *e, double *v) {
  const LossArg *a = &loss_rows[row].arg[i];
  double x;
  if (!const_number(s, e, &x)) {
    if (e->kind != EX_BAD)
      diag_error(s->diag, "bad-value", e->at, "`%s` of `%s` must be a number, not `%s`", a->name, loss_rows[row].name,
                 expr_text(s->m.arena, e));
    return;
  }
  bool low = x < a->lo || (x == a->lo && a->open & OPEN_LOW), high = x > a->hi || (x == a->hi && a->open & OPEN_HIGH);
  if (!low && !high && isfinite(x)) {
    *v = x;
    return;
  }
  const char *least = a->open & OPEN_LOW ? "above" : "at least";
  if (isinf(a->hi))
    diag_error(s->diag, "bad-value", e->at, "`%s` of `%s` must be %s %g, not %g", a->name, loss_rows[row].name, least, a->lo,
               x);
  else
    diag_error(s->diag, "bad-value", e->at, "`%s` of `%s` must be %s %g and %s %g, not %g", a->name, loss_rows[row].name,
               least, a->lo, a->open & OPEN_HIGH ? "below" : "at most", a->hi, x);
}

// `weights = [1, 2, 0.5]`: one a class.
static void class_weights(Spec *s, const Expr *e, const LossTerm *x, LossArgs *out) {
  if (x->label < 0 || e->kind == EX_BAD) return;
  int64_t n = s->labels.data[x->label].classes;
  if (e->kind != EX_LIST || e->n_args != n) {
    diag_error(s->diag, "bad-value", e->at, "`weights` is a list of %lld numbers, one for each class of `%s`", (long long)n,
               s->labels.data[x->label].name);
    diag_note(s->diag, x->label_at, "%s", label_kind_text(&s->labels.data[x->label], s->m.arena));
    return;
  }
  double *w = NEW_ARRAY(s->m.arena, double, n), sum = 0;
  for (int64_t i = 0; i < n; i++) {
    if (!need_number(s, e->args[i].value, "the weight of a class", 0, 1e30, &w[i])) return;
    sum += w[i];
  }
  out->class_weight = w;
  if (sum == 0) diag_error(s->diag, "bad-value", e->at, "one of the classes needs a weight above 0");
}

// ---------------------------------------------------------------- terms
enum { LABEL = 0, NUMBERS = 1, MAX_KEYS = MAX_LOSS_ARGS + 8 };
typedef struct { Key key[MAX_KEYS]; int n, weights, on, by; } Keys;

// label, the loss's numbers, then what is written by name
static Keys keys_of(int row) {
  Keys k = {.weights = -1, .by = -1};
  k.key[k.n++] = (Key){"label", false};
  for (int i = 0; i < loss_arg_count(row); i++) k.key[k.n++] = (Key){loss_rows[row].arg[i].name, false};
  k.key[k.n++] = (Key){"rows", true};                               // positions end here
  if (loss_rows[row].flags & LOSS_CLASS_WEIGHTS) k.key[k.weights = k.n++] = (Key){"weights", false};
  if (loss_rows[row].flags & LOSS_PAIRS) k.key[k.by = k.n++] = (Key){"by", false};
  k.key[k.on = k.n++] = (Key){"on", false};
  return k;
}

// `by = COLUMN`: pairs are of rows in which it has one value.
static void pairs_within(Spec *s, const Expr *e, const Expr *by, LossTerm *x) {
  if (!by) {
    diag_error(s->diag, "missing-argument", e->at, "`%s` needs `by`: the column whose values are the groups that it ranks within", e->a->name);
    diag_help(s->diag, "write `%s(LABEL, by = COLUMN)`", e->a->name);
    return;
  }
  int column = group_column(s, by);
  if (column < 0) return;
  x->group = group_index(s, column);
  if (x->group >= s->m.data.batch_groups) s->m.data.batch_groups = x->group + 1;
}

static void loss_term(Terms *t, const Expr *e, double factor) {
  const Expr *arg[MAX_KEYS];
  Spec *s = t->s;
  LossTerm x = {.factor = factor, .label = -1, .group = -1, .at = e->at};
  x.loss = loss_row(e->a->name);
  Keys k = keys_of(x.loss);
  bool fine = match_args(s, e, arena_printf(s->m.arena, "`%s`", e->a->name), k.key, k.n, arg);
  if (fine && !arg[LABEL]) diag_error(s->diag, "missing-argument", e->at, "`%s` of which label?", e->a->name);
  else if (fine) x.label = term_label(s, arg[LABEL], x.loss, &x.label_at);
  for (int i = 0; i < loss_arg_count(x.loss); i++) {
    const LossArg *a = &loss_rows[x.loss].arg[i];
    x.args.number[i] = a->def;
    if (arg[NUMBERS + i]) number_arg(s, x.loss, i, arg[NUMBERS + i], &x.args.number[i]);
    else add_default(s, e->at, arena_printf(s->m.arena, "%s.%s.%s", t->task, e->a->name, a->name), "%g", a->def);
  }
  if (k.weights >= 0 && arg[k.weights]) class_weights(s, arg[k.weights], &x, &x.args);
  if (fine && k.by >= 0) pairs_within(s, e, arg[k.by], &x);
  x.on = arg[k.on];
  vec_push(s->m.arena, &t->terms, x);
}

static bool is_loss(const Expr *e) { return e->kind == EX_CALL && e->a->kind == EX_NAME && loss_row(e->a->name) >= 0; }

// A label, or a name that is nothing: one who writes it means a loss.
static bool is_no_value(Spec *s, const Expr *e) {
  const Env env = {.module = s->modules.data[1]};
  const char *name = e->kind == EX_NAME ? e->name : e->kind == EX_CALL && e->a->kind == EX_NAME ? e->a->name : NULL;
  const Symbol *y = name ? find_symbol(s, name) : NULL;
  if (!name || y) return y && y->kind == SYM_LABEL;
  return e->kind == EX_NAME || !(find_builtin(name) || find_layer(&env, name, NULL));
}

// Does a loss, or what should be one, stand where its value would be added, subtracted or scaled?
static bool has_loss(Spec *s, const Expr *e) {
  double v;
  bool linear = e->kind == EX_BINARY && (e->op == AST_ADD || e->op == AST_SUB || e->op == AST_MUL || e->op == AST_DIV);
  if (const_number(s, e, &v)) return false;
  if (linear) return has_loss(s, e->a) || has_loss(s, e->b);
  return is_loss(e) || e->kind == EX_LIST || is_no_value(s, e) || (e->kind == EX_UNARY && has_loss(s, e->a));
}

static bool is_value(Spec *s, const Expr *e) {
  double v;
  return !const_number(s, e, &v) && !has_loss(s, e);
}

static void value_term(Terms *t, const Expr *e, double factor) {
  Arena *a = t->s->m.arena;
  ValueTerm x = {.factor = factor, .value = e, .at = e->at, .text = expr_text(a, e)};
  if (factor == -1) x.text = arena_printf(a, "-%s", x.text);
  else if (factor != 1) x.text = arena_printf(a, "%g * %s", factor, x.text);
  vec_push(a, &t->values, x);
}

static void terms_in_a_list(Spec *s, const Expr *e) {
  diag_error(s->diag, "loss", e->at, "a loss is no list: its terms are added");
  if (e->n_args > 1) diag_help(s->diag, "write `%s + %s%s`", expr_text(s->m.arena, e->args[0].value), expr_text(s->m.arena, e->args[1].value),
                               e->n_args > 2 ? " + …" : "");
}

// A sum of values is taken apart at its top, so that reports show each.
static void loss_terms(Terms *t, const Expr *e, double factor) {
  double v;
  bool binary = e->kind == EX_BINARY, apart = has_loss(t->s, e) || (!e->grouped && fabs(factor) == 1);
  if (e->kind == EX_BAD) return;
  if (binary && (e->op == AST_ADD || e->op == AST_SUB) && apart) {
    loss_terms(t, e->a, factor);
    loss_terms(t, e->b, e->op == AST_ADD ? factor : -factor);
  } else if (e->kind == EX_UNARY && e->op == AST_NEG && has_loss(t->s, e)) {
    loss_terms(t, e->a, -factor);
  } else if (binary && e->op == AST_MUL && has_loss(t->s, e->b) && const_number(t->s, e->a, &v)) {
    loss_terms(t, e->b, factor * v);
  } else if (binary && (e->op == AST_MUL || e->op == AST_DIV) && has_loss(t->s, e->a) && const_number(t->s, e->b, &v)) {
    loss_terms(t, e->a, e->op == AST_MUL ? factor * v : factor / v);
  } else if (e->kind == EX_LIST) {
    terms_in_a_list(t->s, e);
  } else if (is_loss(e) && t->task) {
    loss_term(t, e, factor);
  } else if (is_value(t->s, e)) {
    value_term(t, e, factor);
  } else if (t->task) {
    unknown_loss(t->s, e);
  } else {
    bad_penalty(t->s, e);
  }
}

void task_losses(Spec *s, const Decl *d, ModelTask *t) {
  const Clause *c = find_clause(d, "loss");
  Terms terms = {.s = s, .task = t->name};
  bool broken = false;
  for (int i = 0; i < d->n_clauses; i++) broken |= strcmp(d->clauses[i].key, "loss") == 0;
  if (c) loss_terms(&terms, c->value, 1);
  else if (!broken) {
    diag_error(s->diag, "missing-clause", t->at, "the task `%s` has no `loss`", t->name);
    diag_help(s->diag, "what is only served is an output: `output %s = …`", t->name);
  }
  for (int i = 0; i < terms.terms.n; i++) {
    const LossTerm *x = &terms.terms.data[i];
    if (!(x->factor > 0) || isinf(x->factor))
      diag_error(s->diag, "bad-value", x->at, "the factor of a loss must be above 0, not %g", x->factor);
  }
  t->terms = terms.terms.data;
  t->n_terms = terms.terms.n;
  t->values = terms.values.data;
  t->n_values = terms.values.n;
}

void resolve_penalty(Spec *s, const Clause *c) {
  Terms terms = {.s = s};
  if (c) loss_terms(&terms, c->value, 1);
  s->m.penalty = terms.values.data;
  s->m.n_penalty = terms.values.n;
}
