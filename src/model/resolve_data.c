// resolve_data.c: inputs and labels with their preparation → DataPlan. Each clause that was left out is recorded.
#include "model_int.h"
#include <math.h>

// ---------------------------------------------------------------- types
static const char *const input_types[] = {"real", "category", "id", "vector", "list", "time", "text"};
enum { TYPE_TEXT = INPUT_TIME + 1 };   // a row of these that is no kind of its own
const char *const label_kind_names[N_LABEL_KINDS] = {
  [LABEL_BINARY] = "binary", [LABEL_CLASS] = "class", [LABEL_REAL] = "real", [LABEL_COUNT] = "count", [LABEL_RANK] = "rank"};

static int find_word(const char *const *words, int n, const char *name) {
  for (int i = 0; i < n; i++)
    if (strcmp(words[i], name) == 0) return i;
  return -1;
}

// The row of a type's name among `known`; −1 with an error.
static int type_row(Spec *s, const Expr *t, const char *what, const char *const *known, int n) {
  if (!t || t->kind == EX_BAD) return -1;
  const char *name = callee_name(t);
  int row = name ? find_word(known, n, name) : -1;
  if (row >= 0) return row;
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

// ---------------------------------------------------------------- inputs
static const Key number_keys[] = {{"missing", false}, {"clip", false}, {"map", false}, {"scale", false},
                                  {"indicator", false}};
static const Key category_keys[] = {{"vocab", false}, {"min_count", false}, {"unseen", false}, {"missing", false},
                                    {"like", false}, {"map", false}, {"clip", false}};
static const Key time_keys[] = {{"format", false}, {"parts", false}, {"missing", false}};
static const Key id_keys[] = {{"buckets", false}, {"seed", false}, {"missing", false}, {"like", false}};

static void number_input(Spec *s, const Decl *d, DataInput *x) {
  prep_missing(s, d, &x->prep, x->name);
  prep_clip(s, d, &x->prep);
  prep_map(s, d, &x->prep, true);
  x->prep.scale = prep_scale(s, d, x->name);
  prep_indicator(s, d, x);
}

static void category_input(Spec *s, const Decl *d, DataInput *x) {
  if (!category_buckets(s, d, x)) category_vocabulary(s, d, x);
  missing_value(s, d, x, true);
  if (x->prep.n_bounds) x->cardinality = x->prep.n_bounds + 2;
  if (!x->n_vocab) return;
  bool empty = false;
  for (int i = 0; i < x->n_vocab; i++) empty |= !*x->vocab[i];
  x->cardinality = x->n_vocab + 1 + (x->prep.missing == MISSING_CONSTANT && !empty);
}

static void id_input(Spec *s, const Decl *d, DataInput *x, bool *bad) {
  id_buckets(s, d, x, bad);
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

// What an input's value is read from, as its type wants it; NULL: an error was given.
static RowExpr *typed_value(Spec *s, const Decl *d, const DataInput *x, RowExpr *r, RowType type) {
  bool real = x->kind == INPUT_REAL, time = x->kind == INPUT_TIME, many = x->kind == INPUT_LIST;
  bool number = real || (x->kind == INPUT_CATEGORY && x->prep.map == MAP_BUCKETIZE);
  bool is_number = type == ROW_NUMBER || (type == ROW_TIME && real), is_time = time && type == ROW_TIME;
  if (type == ROW_CELL && time) return row_cell_time(r, x->time_format);
  if (type == ROW_CELL) r->numeric = number;
  if (type == ROW_CELL || (is_number && !many) || is_time) return r;      // a category or an id may be a number as well
  const char *what = number ? "a number" : time ? "a time" : many ? "a raw column" : "a raw column or a number";
  diag_error(s->diag, "type-mismatch", d->value->at, "an input of type `%s` needs %s, which `%s` is not",
             input_type_text(x, s->m.arena), what, expr_text(s->m.arena, d->value));
  if (type == ROW_TIME) diag_help(s->diag, "a part of it is a number, as `hour(…)`; `days(a - b)` is how far two are apart");
  return NULL;
}

static void scalar_column(Spec *s, const Decl *d, Name n, DataInput *x, bool *bad) {
  int source = input_source(s, d);
  RowType type = ROW_CELL;
  RowExpr *r = source >= 0 ? row_column(s, source, n.name, n.at) : row_expr(s, d->value, &type);
  x->from = r ? typed_value(s, d, x, r, type) : NULL;
  *bad |= !x->from;
}

// Its places in the dense and the id group of a row.
static void take_columns(DataPlan *p, DataInput *x) {
  bool is_list = x->kind == INPUT_LIST, numbers = x->width || x->n_parts || (is_list && x->item == INPUT_REAL);
  int n = is_list ? (int)x->max : x->n_parts ? 2 * x->n_parts : numbers ? x->width * (1 + x->prep.indicator) : 1;
  *(numbers ? &x->dense_at : &x->id_at) = numbers ? p->dense_width : p->n_ids;
  *(numbers ? &p->dense_width : &p->n_ids) += n;
  if (is_list) x->length_at = p->dense_width++;
}

static void one_input(Spec *s, const Decl *d, Name n, int kind, int64_t width, bool bad) {
  DataInput x = {.name = n.name, .kind = kind < 0 ? INPUT_REAL : (InputKind)kind, .dense_at = -1, .id_at = -1,
                 .length_at = -1, .min_count = 1};
  Model *m = &s->m;
  if (kind == INPUT_REAL || kind == INPUT_VECTOR) {
    x.width = (int)width;
    number_input(s, d, &x);
  }
  if (kind == INPUT_CATEGORY) category_input(s, d, &x);
  if (kind == INPUT_ID) id_input(s, d, &x, &bad);
  if (kind == INPUT_TIME) time_input(s, d, &x);
  if (kind == INPUT_LIST) bad |= !list_input(s, d, &x);
  if (kind == TYPE_TEXT) bad |= !text_input(s, d, &x);
  if (kind == INPUT_VECTOR) vector_columns(s, d, n, &x, &bad);
  else if (kind >= 0) scalar_column(s, d, n, &x, &bad);
  if (kind >= 0) take_columns(&m->data, &x);
  add_like(s, d, &x);
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
    [INPUT_TIME] = {time_keys, COUNT_OF(time_keys), "an input of type `time`"},
  };
  int kind = type_row(s, d->type, "an input", input_types, COUNT_OF(input_types));
  int64_t width = 1;
  bool bad = kind < 0;
  bool several = kind == INPUT_LIST || kind == TYPE_TEXT;      // they look at their clauses themselves
  if (!bad && kind != INPUT_LIST)
    bad = !type_size(s, d->type, input_types[kind], kind == INPUT_VECTOR, 1, MAX_VECTOR, &width);
  if (kind >= 0 && !several) check_clauses(s, d, blocks[kind].keys, blocks[kind].n, blocks[kind].what);
  for (int i = 0; i < d->n_names; i++) {
    if (s->m.data.dense_width + width > MAX_DENSE || s->m.data.n_ids > MAX_DENSE) {
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
  resolve_likes(s);
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
  prep_map(s, d, &l->prep, false);
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
  int kind = type_row(s, d->type, "a label", label_kind_names, N_LABEL_KINDS);
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
