// structure.c: Merkle hashes of formulas. A formula's hash covers its function, options and the hashes of its operands, never an id: so it
// does not depend on the order in which a spec says things, nor on what else the model has; and never an op of the graph: so it does not
// depend on the compiler.
#include "canon_int.h"

enum { DIGITS = 32 };                      // 128 bits of SHA-256
typedef char Digest[DIGITS + 1];
struct Structure { const Model *m; const Formulas *f; bool in_use; Digest *hash; };

static const Formula *formula(const Structure *s, FormulaId id) { return &s->f->all.data[id]; }
static bool is(const Formula *f, const char *op) { return !strcmp(f->op, op); }

static void add_hash(const Structure *s, FormulaId id, Text *out) {
  text_char(out, ' ');
  text_addn(out, s->hash[id], DIGITS);
}

// What lies side by side along an axis: concatenated neighbours and nested concatenations are the same as one.
static void parts_text(const Structure *s, FormulaId id, const char *how, Text *out) {
  const Formula *f = formula(s, id);
  if (!is(f, "concat") || strcmp(f->how, how)) {
    add_hash(s, id, out);
    return;
  }
  for (int i = 0; i < f->n_in; i++) parts_text(s, f->in[i], how, out);
}

static void formula_text(const Structure *s, FormulaId id, Text *out) {
  const Formula *f = formula(s, id);
  text_add(out, f->op);
  text_char(out, ' ');
  text_add(out, f->how);
  text_add(out, " :");
  if (is(f, "number")) number_print(f->number, out);
  else if (is(f, "value") || is(f, "known")) text_add(out, label_definition(s->m, &s->m->data.labels[(int)f->number], true));
  else if (is(f, "concat")) parts_text(s, id, f->how, out);
  else
    for (int i = 0; i < f->n_in; i++) add_hash(s, f->in[i], out);
}

// In use: what `select(training, …, x)` is there.
static bool passes_on(const Structure *s, const Formula *f) { return s->in_use && is(f, "select") && is(formula(s, f->in[0]), "training"); }

Structure *structure_new(const Model *m, bool in_use) {      // one pass up: operands lie below
  Structure *s = NEW(m->arena, Structure);
  Text t = {0};
  char full[SHA256_DIGITS + 1];
  *s = (Structure){m, m->formulas, in_use, arena_alloc(m->arena, sizeof *s->hash * (size_t)m->formulas->all.n)};
  for (FormulaId id = 1; id < (FormulaId)s->f->all.n; id++) {
    if (passes_on(s, formula(s, id))) {
      memcpy(s->hash[id], s->hash[formula(s, id)->in[2]], sizeof(Digest));
      continue;
    }
    t.n = 0;
    formula_text(s, id, &t);
    sha256_text(t.data, t.n, full);
    memcpy(s->hash[id], full, DIGITS);
    s->hash[id][DIGITS] = 0;
  }
  text_free(&t);
  return s;
}

const char *structure_of(const Structure *s, FormulaId id) { return s->hash[id]; }
