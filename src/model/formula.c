// formula.c: writes down what values are while build() evaluates them. Each value that a function, an operator or a name of the language
// gives is one formula; what is computed at compile time, a number or a list, becomes one where it is an operand.
#include "builtin_int.h"

FormulaId formula_root(const Formulas *f, const char *name) {
  for (int i = 0; i < f->roots.n; i++)
    if (!strcmp(f->roots.data[i].name, name)) return f->roots.data[i].of;
  return 0;
}

FormulaId formula_add(Build *b, Formula f, const FormulaId *in, int n) {
  FormulaId *kept = NEW_ARRAY(b->a, FormulaId, n + 1);
  if (n) memcpy(kept, in, sizeof *in * (size_t)n);
  f.in = kept, f.n_in = n;
  if (!f.how) f.how = "";
  vec_push(b->a, &b->m->formulas->all, f);
  return (FormulaId)(b->m->formulas->all.n - 1);
}

void formula_out(Build *b, const char *name, FormulaId of) {
  Formulas *f = b->m->formulas;
  for (int i = 0; i < f->roots.n; i++)
    if (!strcmp(f->roots.data[i].name, name)) {
      f->roots.data[i].of = of;
      return;
    }
  vec_push(b->a, &f->roots, ((FormulaRoot){name, of}));
}

void formula_append(Build *b, const char *root, FormulaId of) {
  FormulaId before = formula_root(b->m->formulas, root), in[] = {of, before};
  formula_out(b, root, formula_add(b, (Formula){.op = "list", .at = b->m->formulas->all.data[of].at}, in, before ? 2 : 1));
}

// ---------------------------------------------------------------- operands
static FormulaId add_of(Build *b, Formula f, Value *const *operands, int n) {
  FormulaId *in = NEW_ARRAY(b->a, FormulaId, n + 1);
  for (int i = 0; i < n; i++) in[i] = formula_of(b, operands[i]);
  return formula_add(b, f, in, n);
}

static FormulaId write_down(Build *b, Value *v) {
  switch (v->kind) {
  case V_NUMBER: case V_BOOL: return formula_add(b, (Formula){.op = "number", .number = v->number, .at = v->at}, NULL, 0);
  case V_LIST: case V_RECORD: return add_of(b, (Formula){.op = "list", .at = v->at}, v->items, v->n);
  case V_STRING: return formula_add(b, (Formula){.op = "text", .how = v->text, .at = v->at}, NULL, 0);
  case V_SIZE: return formula_add(b, (Formula){.op = "size", .how = b->g->axes.data[v->axis].name, .at = v->at}, NULL, 0);
  case V_INIT: return formula_add(b, (Formula){.op = "init", .how = init_text(v->init, b->a), .at = v->at}, NULL, 0);
  case V_LAST: return formula_add(b, (Formula){.op = "last", .at = v->at}, NULL, 0);
  default: BUG("nothing says what %s is made of", value_text(b, v));
  }
}

FormulaId formula_of(Build *b, Value *v) {             // lists share their items: each value is written down once
  if (!v->formula) v->formula = write_down(b, v);
  return v->formula;
}

Value *formula_leaf(Build *b, Value *v, const char *op, const char *how) {
  if (v->kind != V_BAD) v->formula = formula_add(b, (Formula){.op = op, .how = how, .at = v->at}, NULL, 0);
  return v;
}

static bool is_new(const Value *v) { return v->kind == V_TENSOR && !v->formula; }        // else it was given back as it came

Value *formula_apply(Build *b, Value *v, Formula f, Value *const *operands, int n) {
  if (!is_new(v)) return v;
  f.at = v->at;
  v->formula = add_of(b, f, operands, n);
  return v;
}

// ---------------------------------------------------------------- calls of built-in functions
void fn_how(BuiltinCall *c, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *said = arena_vprintf(c->b->a, fmt, ap);
  va_end(ap);
  c->how = c->how ? arena_printf(c->b->a, "%s, %s", c->how, said) : said;
}

const char *fn_axes_text(BuiltinCall *c, int rank, const AxisId *axis) {
  Text t = {0};
  for (int i = 0; i < rank; i++) {
    const Axis *x = &c->b->g->axes.data[axis[i]];
    if (i) text_char(&t, ' ');
    if (x->kind == AXIS_SYMBOL) text_printf(&t, "|%s|", x->name);
    else text_printf(&t, "%lld", (long long)x->size);
  }
  const char *s = arena_strdup(c->b->a, t.data ? t.data : "");
  text_free(&t);
  return s;
}

// An argument that a function says the meaning of, its default resolved, by fn_how().
static bool is_option(const char *name) {
  static const char *const options[] = {"axis", "from", "to", "before", "after", "size", "stride", "same", "order", "shape", "n", "labels"};
  for (int i = 0; i < COUNT_OF(options); i++)
    if (!strcmp(name, options[i])) return true;
  return false;
}

Value *formula_call(BuiltinCall *c, Value *v, bool map) {
  Flat all = {0};
  if (!is_new(v)) return v;
  for (int i = 0; i < c->n_args && c->f->variadic; i++) flatten(c->b, NULL, c->arg[i], &all, c->at);    // in a list or not: the same
  for (int i = 0; i < MAX_BUILTIN_ARGS && c->f->args[i] && !c->f->variadic; i++)
    if (c->arg[i] && !(c->how && is_option(c->f->args[i]))) vec_push(c->b->a, &all, c->arg[i]);
  return formula_apply(c->b, v, (Formula){.op = c->f->name, .how = c->how, .map = map}, all.data, all.n);
}
