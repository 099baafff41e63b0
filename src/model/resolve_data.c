// resolve_data.c: inputs and labels with their preparation → DataPlan. Each clause that was left out is recorded.
#include "model_int.h"
#include <math.h>

// ---------------------------------------------------------------- types
static const char *const input_types[] = {"real", "category", "id", "vector"};
static const char *const later_inputs[] = {"list", "text", "time"};
const char *const label_kind_names[N_LABEL_KINDS] = {
  [LABEL_BINARY] = "binary", [LABEL_CLASS] = "class", [LABEL_REAL] = "real", [LABEL_COUNT] = "count", [LABEL_RANK] = "rank"};

static int find_word(const char *const *words, int n, const char *name) {
  for (int i = 0; i < n; i++)
    if (strcmp(words[i], name) == 0) return i;
  return -1;
}

// The row of a type's name among `known`; −1 with an error.
static int type_row(Spec *s, const Expr *t, const char *what, const char *const *known, int n, const char *const *later,
                    int n_later) {
  if (!t || t->kind == EX_BAD) return -1;
  const char *name = callee_name(t);
  int row = name ? find_word(known, n, name) : -1;
  if (row >= 0) return row;
  if (name && find_word(later, n_later, name) >= 0) {
    error_unsupported(s->diag, t->at, arena_printf(s->m.arena, "%s of type `%s`", what, name));
    return -1;
  }
  Words w = {0};
  for (int i = 0; i < n; i++) vec_push(s->m.arena, &w, known[i]);
  diag_error(s->diag, "unknown-type", t->at, "%s cannot have the type `%s`", what, expr_text(s->m.arena, t));
  if (name) help_nearest(s->diag, name, &w);
  help_list(s->diag, "the types are", &w);
  return -1;
}

// vector(n), class(n): n; real, binary …: no argument. false: error.
static bool type_size(Spec *s, const Expr *t, const char *name, bool sized, int64_t lo, int64_t hi, int64_t *n) {
  static const Key keys[] = {{"n", false}};
  const Expr *arg;
  if (!sized) {
    if (t->kind != EX_CALL || t->n_args == 0) return true;
    diag_error(s->diag, "too-many-arguments", t->at, "the type `%s` takes no argument", name);
    return false;
  }
  if (!match_args(s, t, arena_printf(s->m.arena, "`%s`", name), keys, 1, &arg)) return false;
  if (arg) return need_int(s, arg, arena_printf(s->m.arena, "the size of a `%s`", name), lo, hi, n);
  diag_error(s->diag, "missing-argument", t->at, "`%s` needs its size: `%s(10)`", name, name);
  return false;
}

// ---------------------------------------------------------------- preparation of numbers
static void prep_missing(Spec *s, const Decl *d, Prep *p, const char *name) {
  static const char *const names[] = {"error", "mean", "median", "mode", "drop"};
  static const MissingPolicy policies[] = {MISSING_ERROR, MISSING_MEAN, MISSING_MEDIAN, MISSING_MODE, MISSING_DROP};
  const Clause *c = find_clause(d, "missing");
  if (!c) {
    add_default(s, d->at, arena_printf(s->m.arena, "%s.missing", name), "error");
    return;
  }
  if (const_number(s, c->value, &p->missing_value) && isfinite(p->missing_value)) {
    p->missing = MISSING_CONSTANT;
    return;
  }
  int row = choose(s, c->value, "`missing` (a number, or one of these)", names, COUNT_OF(names));
  if (row >= 0) p->missing = policies[row];
}

static void prep_clip(Spec *s, const Decl *d, Prep *p) {
  const Clause *c = find_clause(d, "clip");
  if (!c) return;
  const Expr *e = c->value;
  if (e->kind != EX_BINARY || e->op != AST_RANGE) {
    diag_error(s->diag, "bad-value", e->at, "`clip` is a range, as `0..100`");
    return;
  }
  const Expr *ends[] = {e->a, e->b};
  for (int i = 0; i < 2; i++) {
    const char *name = callee_name(ends[i]);
    if (name && (strcmp(name, "quantile") == 0 || strcmp(name, "sigma") == 0)) {
      error_unsupported(s->diag, ends[i]->at, arena_printf(s->m.arena, "`%s` as an end of `clip`", name));
      return;
    }
  }
  if (!need_number(s, e->a, "the lower end", -INFINITY, INFINITY, &p->clip_lo) ||
      !need_number(s, e->b, "the upper end", -INFINITY, INFINITY, &p->clip_hi))
    return;
  p->has_clip = p->clip_lo < p->clip_hi;
  if (!p->has_clip)
    diag_error(s->diag, "bad-value", e->at, "the lower end %g is not below the upper end %g", p->clip_lo, p->clip_hi);
}

static void prep_map(Spec *s, const Decl *d, Prep *p) {
  static const char *const names[] = {"log1p", "sqrt", "abs"};
  static const MapKind kinds[] = {MAP_LOG1P, MAP_SQRT, MAP_ABS};
  const Clause *c = find_clause(d, "map");
  const char *name = c ? callee_name(c->value) : NULL;
  if (!c) return;
  if (name && strcmp(name, "bucketize") == 0) {
    error_unsupported(s->diag, c->value->at, "`map = bucketize`");
    return;
  }
  int row = choose(s, c->value, "`map`", names, COUNT_OF(names));
  if (row >= 0) p->map = kinds[row];
}

static ScaleKind prep_scale(Spec *s, const Decl *d, const char *name) {
  static const char *const names[] = {"none", "zscore", "minmax"};
  static const ScaleKind kinds[] = {SCALE_NONE, SCALE_ZSCORE, SCALE_MINMAX};
  const Clause *c = find_clause(d, "scale");
  if (!c) {
    add_default(s, d->at, arena_printf(s->m.arena, "%s.scale", name), "none");
    return SCALE_NONE;
  }
  if (c->value->kind == EX_NAME && strcmp(c->value->name, "robust") == 0) {
    error_unsupported(s->diag, c->value->at, "`scale = robust`");
    return SCALE_NONE;
  }
  int row = choose(s, c->value, "`scale`", names, COUNT_OF(names));
  return row >= 0 ? kinds[row] : SCALE_NONE;
}

// ---------------------------------------------------------------- inputs
static const Key number_keys[] = {{"missing", false}, {"clip", false}, {"map", false}, {"scale", false}};
static const Key category_keys[] = {{"vocab", false}, {"min_count", false}, {"unseen", false}, {"missing", false}};
static const Key id_keys[] = {{"buckets", false}, {"missing", false}, {"like", true}};

static void number_input(Spec *s, const Decl *d, DataInput *x) {
  prep_missing(s, d, &x->prep, x->name);
  prep_clip(s, d, &x->prep);
  prep_map(s, d, &x->prep);
  x->prep.scale = prep_scale(s, d, x->name);
}

// Of a category or id: a missing cell is a value of its own, unless told.
static void missing_value(Spec *s, const Decl *d, DataInput *x, bool with_mode) {
  static const char *const names[] = {"own", "error", "drop", "mode"};
  static const MissingPolicy policies[] = {MISSING_CONSTANT, MISSING_ERROR, MISSING_DROP, MISSING_MODE};
  const Clause *c = find_clause(d, "missing");
  int row = c ? choose(s, c->value, "`missing`", names, with_mode ? 4 : 3) : 0;
  x->prep.missing = policies[row >= 0 ? row : 0];
  if (!c) add_default(s, d->at, arena_printf(s->m.arena, "%s.missing", x->name), "own");
}

static void category_input(Spec *s, const Decl *d, DataInput *x) {
  static const char *const vocabs[] = {"learned"}, *const unseens[] = {"own", "error"};
  const Clause *c;
  x->min_count = 1;
  if ((c = find_clause(d, "vocab"))) {
    if (c->value->kind == EX_STRING) error_unsupported(s->diag, c->value->at, "a vocabulary from a file");
    else choose(s, c->value, "`vocab`", vocabs, COUNT_OF(vocabs));
  } else {
    add_default(s, d->at, arena_printf(s->m.arena, "%s.vocab", x->name), "learned");
  }
  if ((c = find_clause(d, "min_count"))) need_int(s, c->value, "`min_count`", 1, INT32_MAX, &x->min_count);
  else add_default(s, d->at, arena_printf(s->m.arena, "%s.min_count", x->name), "1");
  if ((c = find_clause(d, "unseen"))) x->unknown = choose(s, c->value, "`unseen`", unseens, 2) == 1 ? UNKNOWN_ERROR
      : UNKNOWN_OOV;
  else add_default(s, d->at, arena_printf(s->m.arena, "%s.unseen", x->name), "own");
  missing_value(s, d, x, true);
}

static void id_input(Spec *s, const Decl *d, DataInput *x, bool *bad) {
  const Clause *c = find_clause(d, "buckets");
  x->buckets = 1;
  if (c) *bad |= !need_int(s, c->value, "`buckets`", 1, INT32_MAX, &x->buckets);
  for (int i = 0; !c && i < d->n_clauses; i++) *bad |= strcmp(d->clauses[i].key, "buckets") == 0;    // could not be parsed
  if (!c && !*bad) {
    diag_error(s->diag, "missing-clause", d->type->at, "an input of type `id` needs `buckets`");
    diag_help(s->diag, "write `id { buckets = 100_000 }`, or `category` where the values are few");
    *bad = true;
  }
  missing_value(s, d, x, false);
}

// `= source`: the own name's column there; `= source.column`. Which source; −1: an expression, or an error (*bad).
static int input_source(Spec *s, const Decl *d) {
  if (!d->value) return 0;
  if (d->value->kind != EX_NAME) return -1;
  for (int i = 0; i < s->sources.n; i++)
    if (strcmp(s->sources.data[i].name, d->value->name) == 0) return i;
  return -1;
}

static void vector_columns(Spec *s, const Decl *d, Name n, DataInput *x, bool *bad) {
  int source = input_source(s, d);
  RowType type;
  if (source < 0) {
    RowExpr *r = row_expr(s, d->value, &type);
    if (r && r->op != RX_COLUMN)
      diag_error(s->diag, "type-mismatch", d->value->at, "a vector in one cell needs a raw column here");
    x->packed = true;
    x->first_column = r && r->op == RX_COLUMN ? r->index : 0;
    *bad |= !r || r->op != RX_COLUMN;
    return;
  }
  x->first_column = s->columns.n;      // side by side, though one of them may be read elsewhere too
  for (int64_t i = 0; i < x->width; i++) {
    const char *name = intern(arena_printf(s->m.arena, "%s_%lld", n.name, (long long)i));
    if (!check_column(s, source, name, n.at)) {
      *bad = true;
      return;
    }
    vec_push(s->m.arena, &s->columns, ((RawColumn){name, source}));
  }
}

static void scalar_column(Spec *s, const Decl *d, Name n, DataInput *x, bool *bad) {
  int source = input_source(s, d);
  RowType type = ROW_CELL;
  RowExpr *r = source >= 0 ? row_column(s, source, n.name, n.at) : row_expr(s, d->value, &type);
  if (r && x->kind == INPUT_REAL) {
    if (type == ROW_CELL) r->numeric = true;
    else if (type != ROW_NUMBER && type != ROW_TIME) {
      diag_error(s->diag, "type-mismatch", d->value->at, "an input of type `real` needs a number, which `%s` is not",
                 expr_text(s->m.arena, d->value));
      r = NULL;
    }
  } else if (r && r->op != RX_COLUMN) {
    diag_error(s->diag, "type-mismatch", d->value->at, "an input of type `%s` needs a raw column here",
               input_types[x->kind]);
    r = NULL;
  }
  x->from = r;
  *bad |= !r;
}

static void one_input(Spec *s, const Decl *d, Name n, int kind, int64_t width, bool bad) {
  DataInput x = {.name = n.name, .kind = kind < 0 ? INPUT_REAL : (InputKind)kind, .dense_at = -1, .id_at = -1,
                 .min_count = 1};
  Model *m = &s->m;
  if (kind == INPUT_REAL || kind == INPUT_VECTOR) {
    x.width = (int)width;
    number_input(s, d, &x);
  }
  if (kind == INPUT_CATEGORY) category_input(s, d, &x);
  if (kind == INPUT_ID) id_input(s, d, &x, &bad);
  if (kind == INPUT_VECTOR) vector_columns(s, d, n, &x, &bad);
  else if (kind >= 0) scalar_column(s, d, n, &x, &bad);
  if (x.width) {
    x.dense_at = m->data.dense_width;
    m->data.dense_width += x.width;
  } else if (kind >= 0) {
    x.id_at = m->data.n_ids++;
  }
  vec_push(m->arena, &s->inputs, x);
  vec_push(m->arena, &s->input_at, n.at);
  vec_push(m->arena, &s->input_bad, bad || kind < 0);
}

static void input_decl(Spec *s, const Decl *d) {
  enum { MAX_VECTOR = 1 << 20, MAX_DENSE = 1 << 24 };
  static const struct { const Key *keys; int n; const char *what; } blocks[] = {
    [INPUT_REAL] = {number_keys, COUNT_OF(number_keys), "an input of type `real`"},
    [INPUT_VECTOR] = {number_keys, COUNT_OF(number_keys), "an input of type `vector`"},
    [INPUT_CATEGORY] = {category_keys, COUNT_OF(category_keys), "an input of type `category`"},
    [INPUT_ID] = {id_keys, COUNT_OF(id_keys), "an input of type `id`"},
  };
  int kind = type_row(s, d->type, "an input", input_types, COUNT_OF(input_types), later_inputs, COUNT_OF(later_inputs));
  int64_t width = 1;
  bool bad = kind < 0;
  if (!bad) bad = !type_size(s, d->type, input_types[kind], kind == INPUT_VECTOR, 1, MAX_VECTOR, &width);
  if (kind >= 0) check_clauses(s, d, blocks[kind].keys, blocks[kind].n, blocks[kind].what);
  for (int i = 0; i < d->n_names; i++) {
    if (s->m.data.dense_width + width > MAX_DENSE) {
      diag_error(s->diag, "size-overflow", d->at, "the inputs have more than %d numbers a row", MAX_DENSE);
      bad = true;
      width = 1;
    }
    one_input(s, d, d->names[i], kind, width, bad);
  }
}

void declare_inputs(Spec *s) {
  for (int i = 0; i < s->decls.n; i++)
    if (s->decls.data[i]->kind == DECL_INPUT && s->decls.data[i]->n_names) input_decl(s, s->decls.data[i]);
}

// ---------------------------------------------------------------- labels
static const Key binary_keys[] = {{"positive", false}, {"missing", false}};
static const Key class_keys[] = {{"missing", false}};
static const Key real_keys[] = {{"missing", false}, {"clip", false}, {"map", false}, {"scale", false}};

const char *label_kind_text(const DataLabel *l, Arena *a) {
  if (l->kind == LABEL_CLASS) return arena_printf(a, "class(%lld)", (long long)l->classes);
  return label_kind_names[l->kind];
}

static bool reads_label(const RowExpr *r) {
  return r && (r->op == RX_LABEL || reads_label(r->a) || reads_label(r->b));
}

// What is derived from other labels is unknown where they are; of a cell, a missing one is an error unless told.
static void label_missing(Spec *s, const Decl *d, DataLabel *l) {
  static const char *const names[] = {"error", "drop"};
  const Clause *c = find_clause(d, "missing");
  bool derived = reads_label(l->from);
  int row = c ? choose(s, c->value, "`missing`", names, 2) : derived;
  l->missing = row == 1 ? MISSING_DROP : MISSING_ERROR;
  if (!c) add_default(s, d->at, arena_printf(s->m.arena, "%s.missing", l->name), derived ? "drop" : "error");
}

static void label_clauses(Spec *s, const Decl *d, DataLabel *l) {
  static const struct { const Key *keys; int n; const char *what; } blocks[] = {
    [LABEL_BINARY] = {binary_keys, COUNT_OF(binary_keys), "a label of type `binary`"},
    [LABEL_CLASS] = {class_keys, COUNT_OF(class_keys), "a label of type `class`"},
    [LABEL_REAL] = {real_keys, COUNT_OF(real_keys), "a label of type `real`"},
    [LABEL_COUNT] = {class_keys, COUNT_OF(class_keys), "a label of type `count`"},
    [LABEL_RANK] = {class_keys, COUNT_OF(class_keys), "a label of type `rank`"},
  };
  check_clauses(s, d, blocks[l->kind].keys, blocks[l->kind].n, blocks[l->kind].what);
  label_missing(s, d, l);
  const Clause *positive = find_clause(d, "positive");
  if (l->kind == LABEL_BINARY && positive && need_text(s, positive->value, "`positive`", &l->positive) &&
      l->from->op != RX_COLUMN) {
    diag_error(s->diag, "bad-value", positive->at, "`positive` is for a label that is a raw column");
    diag_note(s->diag, d->value ? d->value->at : d->at, "this is true or false already");
  }
  if (l->kind != LABEL_REAL) return;
  prep_clip(s, d, &l->prep);
  prep_map(s, d, &l->prep);
  l->scale = prep_scale(s, d, l->name);
}

// The value of the label as its type wants it; NULL: error.
static RowExpr *label_from(Spec *s, const Decl *d, Name n, LabelKind kind) {
  int source = input_source(s, d);
  RowType type = ROW_CELL;
  RowExpr *r = source >= 0 ? row_column(s, source, n.name, n.at) : row_expr(s, d->value, &type);
  if (!r) return NULL;
  if (type == ROW_CELL) {
    r->numeric = kind != LABEL_BINARY && kind != LABEL_CLASS;
    return r;
  }
  bool fits = kind == LABEL_BINARY ? type == ROW_TRUTH || type == ROW_NUMBER
            : kind == LABEL_CLASS  ? type == ROW_NUMBER || type == ROW_CLASS
                                   : type == ROW_NUMBER || type == ROW_TRUTH || type == ROW_TIME;
  if (fits) return r;
  diag_error(s->diag, "type-mismatch", d->value->at, "`%s` is %s, which is no value for a label of type `%s`",
             expr_text(s->m.arena, d->value), type == ROW_TEXT ? "a text" : type == ROW_TRUTH ? "true or false"
             : type == ROW_TIME ? "a time" : "a class",
             label_kind_names[kind]);
  return NULL;
}

static int finish_label(Spec *s, LabelDecl *x) {
  enum { MAX_CLASSES = 1 << 20 };
  const Decl *d = x->decl;
  Name n = x->name;
  DataLabel l = {.name = n.name};
  int kind = type_row(s, d->type, "a label", label_kind_names, N_LABEL_KINDS, NULL, 0);
  if (kind < 0 || !type_size(s, d->type, label_kind_names[kind], kind == LABEL_CLASS, 2, MAX_CLASSES, &l.classes)) return -1;
  l.kind = (LabelKind)kind;
  l.from = label_from(s, d, n, l.kind);
  if (d->where) l.where = row_truth(s, d->where, "`where`");
  if (!l.from) return -1;
  label_clauses(s, d, &l);
  vec_push(s->m.arena, &s->labels, l);
  vec_push(s->m.arena, &s->label_at, n.at);
  return s->labels.n - 1;
}

int resolve_label(Spec *s, int decl, Place used_at) {
  LabelDecl *x = &s->label_decls.data[decl];
  if (x->state == LABEL_BUSY) {
    diag_error(s->diag, "cycle", x->name.at, "the label `%s` depends on itself", x->name.name);
    diag_note(s->diag, used_at, "by way of this");
    x->state = LABEL_BAD;
  }
  if (x->state != LABEL_TODO) return x->state == LABEL_DONE ? x->index : -1;
  x->state = LABEL_BUSY;
  int index = finish_label(s, x);
  x = &s->label_decls.data[decl];
  x->index = x->state == LABEL_BAD ? -1 : index;
  x->state = x->index < 0 ? LABEL_BAD : LABEL_DONE;
  return x->index;
}

void resolve_labels(Spec *s) {
  for (int i = 0; i < s->label_decls.n; i++) resolve_label(s, i, s->label_decls.data[i].name.at);
}
