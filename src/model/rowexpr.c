// rowexpr.c: expressions over one row of the raw table: derived columns, labels, conditions, split rules. A raw column is
// `source.column`; its cell is read as a number or as text by what it is compared with.
#include "model_int.h"
#include "../../runtime/data.h"

static RowExpr *new_row(Spec *s, RowOp op) {
  RowExpr *r = NEW(s->m.arena, RowExpr);
  r->op = op;
  return r;
}

static RowExpr *fail(RowType *type) {
  *type = ROW_BAD;
  return NULL;
}

// ---------------------------------------------------------------- cells
static int add_column(Spec *s, int source, const char *name) {
  for (int i = 0; i < s->columns.n; i++)
    if (s->columns.data[i].name == name && s->columns.data[i].source == source) return i;      // names are interned
  vec_push(s->m.arena, &s->columns, ((RawColumn){name, source}));
  return s->columns.n - 1;
}

static bool has_column(const DataSource *d, const char *name) {
  for (int i = 0; i < d->n_header; i++)
    if (strcmp(d->header[i], name) == 0) return true;
  return d->n_header == 0;
}

bool check_column(Spec *s, int source, const char *name, Place at) {
  const DataSource *d = &s->sources.data[source];
  if (has_column(d, name)) return true;
  Words w = {0};
  for (int i = 0; i < d->n_header; i++) vec_push(s->m.arena, &w, d->header[i]);
  diag_error(s->diag, "unknown-column", at, "the source `%s` has no column `%s`", d->name, name);
  diag_note(s->diag, s->source_at.data[source], "its columns are listed here");
  help_nearest(s->diag, name, &w);
  return false;
}

RowExpr *row_column(Spec *s, int source, const char *name, Place at) {
  if (!check_column(s, source, name, at)) return NULL;
  RowExpr *r = new_row(s, RX_COLUMN);
  r->text = name;
  r->index = add_column(s, source, name);
  return r;
}

// ---------------------------------------------------------------- names
static void words_for_rows(Spec *s, Words *w) {
  for (int i = 0; i < s->symbols.n; i++) {
    const Symbol *y = &s->symbols.data[i];
    if (y->kind == SYM_LABEL || y->kind == SYM_SOURCE) vec_push(s->m.arena, w, y->name);
  }
  vec_push(s->m.arena, w, "row");
}

static RowExpr *unknown_name(Spec *s, const Expr *e, RowType *type) {
  Words w = {0};
  words_for_rows(s, &w);
  diag_error(s->diag, "unknown-name", e->at, "there is no label or source `%s`", e->name);
  help_nearest(s->diag, e->name, &w);
  if (s->sources.data[0].n_header && has_column(&s->sources.data[0], e->name))
    diag_help(s->diag, "a raw column is written with its source: `%s.%s`", s->sources.data[0].name, e->name);
  return fail(type);
}

static RowExpr *label_value(Spec *s, const Symbol *y, const Expr *e, RowType *type) {
  int index = resolve_label(s, y->index, e->at);
  if (index < 0) return fail(type);
  RowExpr *r = new_row(s, RX_LABEL);
  r->index = index;
  LabelKind kind = s->labels.data[index].kind;
  *type = kind == LABEL_BINARY ? ROW_TRUTH : kind == LABEL_CLASS ? ROW_CLASS : ROW_NUMBER;
  return r;
}

static RowExpr *predeclared(Spec *s, const Expr *e, RowType *type) {
  bool yes = strcmp(e->name, "true") == 0, no = strcmp(e->name, "false") == 0;
  if (strcmp(e->name, "row") == 0) {
    *type = ROW_NUMBER;
    return new_row(s, RX_ROW);
  }
  if (!yes && !no) return unknown_name(s, e, type);
  RowExpr *r = new_row(s, RX_BOOL);
  r->number = yes;
  *type = ROW_TRUTH;
  return r;
}

static RowExpr *number_value(Spec *s, double v, RowType *type) {
  RowExpr *r = new_row(s, RX_NUMBER);
  r->number = v;
  *type = ROW_NUMBER;
  return r;
}

static RowExpr *name_value(Spec *s, const Expr *e, RowType *type) {
  const Symbol *y = find_symbol(s, e->name);
  double v;
  if (!y) return predeclared(s, e, type);
  if (y->kind == SYM_LABEL) return label_value(s, y, e, type);
  if (const_number(s, e, &v)) return number_value(s, v, type);
  diag_error(s->diag, "type-mismatch", e->at, "`%s` is %s: here a row's raw columns and labels are read", e->name,
             symbol_kind_text(y->kind));
  diag_note(s->diag, y->at, "declared here");
  if (y->kind == SYM_INPUT)
    diag_help(s->diag, "an input's raw column is written with its source: `%s.%s`", s->sources.data[0].name, e->name);
  if (y->kind == SYM_SOURCE) diag_help(s->diag, "a column is written `%s.NAME`", e->name);
  return fail(type);
}

static RowExpr *member_value(Spec *s, const Expr *e, RowType *type) {
  if (e->a->kind != EX_NAME) {
    diag_error(s->diag, "type-mismatch", e->at, "a raw column is written `source.column`");
    return fail(type);
  }
  for (int i = 0; i < s->sources.n; i++) {
    if (strcmp(s->sources.data[i].name, e->a->name) != 0) continue;
    *type = ROW_CELL;
    RowExpr *r = row_column(s, i, e->name, e->op_at);
    return r ? r : fail(type);
  }
  Words w = {0};
  for (int i = 0; i < s->sources.n; i++) vec_push(s->m.arena, &w, s->sources.data[i].name);
  diag_error(s->diag, "unknown-name", e->a->at, "there is no source `%s`", e->a->name);
  help_nearest(s->diag, e->a->name, &w);
  help_list(s->diag, "the sources are", &w);
  return fail(type);
}

// ---------------------------------------------------------------- reading by type
static bool as_number(Spec *s, RowExpr *r, RowType type, const Expr *e) {
  if (type == ROW_BAD) return false;
  if (type == ROW_CELL) r->numeric = true;
  if (type == ROW_CELL || type == ROW_NUMBER || type == ROW_CLASS || type == ROW_TIME) return true;
  if (type == ROW_TRUTH && (r->op == RX_LABEL || r->op == RX_MUL)) return true;   // a binary label is 0 or 1
  diag_error(s->diag, "type-mismatch", e->at, "`%s` is %s, not a number", expr_text(s->m.arena, e),
             type == ROW_TEXT ? "a text" : "true or false");
  return false;
}

static bool as_truth(Spec *s, RowExpr *r, RowType type, const Expr *e) {
  if (type == ROW_TRUTH || type == ROW_BAD) return type == ROW_TRUTH;
  diag_error(s->diag, "type-mismatch", e->at, "`%s` is not true or false", expr_text(s->m.arena, e));
  if (r->op == RX_COLUMN) diag_help(s->diag, "compare it: `%s == \"…\"`", expr_text(s->m.arena, e));
  return false;
}

// Both sides as numbers, or both as text. false: they cannot be compared.
static bool comparable(Spec *s, const Expr *e, RowExpr *a, RowType ta, RowExpr *b, RowType tb, bool *numeric) {
  bool order = e->op != AST_EQ && e->op != AST_NE;
  bool texts = (ta == ROW_TEXT || ta == ROW_CELL) && (tb == ROW_TEXT || tb == ROW_CELL) && !order;
  bool truths = ta == ROW_TRUTH && tb == ROW_TRUTH && !order;
  *numeric = !texts;
  if (texts || truths) return true;
  if (ta == ROW_BAD || tb == ROW_BAD) return false;
  if (ta == ROW_TIME && tb == ROW_CELL) return b->time = true;
  if (ta == ROW_CELL && tb == ROW_TIME) return a->time = true;
  bool fits_a = ta == ROW_CELL || ta == ROW_NUMBER || ta == ROW_CLASS || ta == ROW_TIME;
  bool fits_b = tb == ROW_CELL || tb == ROW_NUMBER || tb == ROW_CLASS || tb == ROW_TIME;
  if (fits_a && fits_b) return as_number(s, a, ta, e->a) && as_number(s, b, tb, e->b);
  static const char *const kinds[] = {"", "a raw column", "a number", "a text", "true or false", "a class number", "a time"};
  diag_error(s->diag, "type-mismatch", e->op_at, "`%s` does not compare %s with %s", ast_op_text(e->op), kinds[ta],
             kinds[tb]);
  if (order && (ta == ROW_TEXT || tb == ROW_TEXT))
    diag_help(s->diag, ta == ROW_TIME || tb == ROW_TIME ? "a time in quotes is written `time(\"2024-05-01\")`"
                                                        : "texts have no order; write the number without quotes");
  return false;
}

static RowExpr *unary_value(Spec *s, const Expr *e, RowType *type) {
  RowType ta;
  RowExpr *a = row_expr(s, e->a, &ta);
  bool is_not = e->op == AST_NOT;
  if (!a || !(is_not ? as_truth(s, a, ta, e->a) : as_number(s, a, ta, e->a))) return fail(type);
  RowExpr *r = new_row(s, is_not ? RX_NOT : RX_NEG);
  r->a = a;
  *type = is_not ? ROW_TRUTH : ROW_NUMBER;
  return r;
}

static const struct { AstOp ast; RowOp row; } row_ops[] = {
  {AST_ADD, RX_ADD}, {AST_SUB, RX_SUB}, {AST_MUL, RX_MUL}, {AST_DIV, RX_DIV}, {AST_MOD, RX_MOD}, {AST_EQ, RX_EQ},
      {AST_NE, RX_NE},
  {AST_LT, RX_LT},   {AST_LE, RX_LE},   {AST_GT, RX_GT},   {AST_GE, RX_GE},   {AST_AND, RX_AND}, {AST_OR, RX_OR},
};

static RowExpr *binary_value(Spec *s, const Expr *e, RowType *type) {
  RowType ta, tb;
  RowExpr *a = row_expr(s, e->a, &ta), *b = row_expr(s, e->b, &tb);
  int k = 0;
  while (k < COUNT_OF(row_ops) && row_ops[k].ast != e->op) k++;
  if (k == COUNT_OF(row_ops)) {
    diag_error(s->diag, "type-mismatch", e->op_at, "`%s` has no meaning over the columns of a row", ast_op_text(e->op));
    return fail(type);
  }
  if (!a || !b) return fail(type);
  bool times = ta == ROW_TIME || tb == ROW_TIME, apart = times && e->op == AST_SUB;
  if (times && ta == ROW_CELL) a = row_cell_time(a, NULL), ta = ROW_TIME;      // beside a time, a cell is one
  if (times && tb == ROW_CELL) b = row_cell_time(b, NULL), tb = ROW_TIME;
  if (apart && ta == tb) ta = tb = ROW_NUMBER;                                    // seconds
  RowExpr *r = new_row(s, row_ops[k].row);
  r->a = a;
  r->b = b;
  bool logic = r->op == RX_AND || r->op == RX_OR, compare = r->op >= RX_EQ && r->op <= RX_GE, fine;
  if (compare) fine = comparable(s, e, a, ta, b, tb, &r->numeric);
  else {                                                 // both sides tell what is wrong with them
    bool (*const fits)(Spec *, RowExpr *, RowType, const Expr *) = logic ? as_truth : as_number;
    bool left = fits(s, a, ta, e->a), right = fits(s, b, tb, e->b);
    fine = left && right;
  }
  if (!fine) return fail(type);
  bool product_of_truths = r->op == RX_MUL && ta == ROW_TRUTH && tb == ROW_TRUTH;
  *type = compare || logic || product_of_truths ? ROW_TRUTH : ROW_NUMBER;
  return r;
}

RowExpr *row_expr(Spec *s, const Expr *e, RowType *type) {
  switch (e->kind) {
  case EX_BAD: return fail(type);
  case EX_NAME: return name_value(s, e, type);
  case EX_NUMBER: return number_value(s, e->number, type);
  case EX_MEMBER: return member_value(s, e, type);
  case EX_CALL: return row_call(s, e, type);
  case EX_UNARY: return unary_value(s, e, type);
  case EX_BINARY: return binary_value(s, e, type);
  case EX_STRING: {
    RowExpr *r = new_row(s, RX_TEXT);
    r->text = e->name;
    *type = ROW_TEXT;
    return r;
  }
  default:
    error_unsupported(s->diag, e->at, arena_printf(s->m.arena, "`%s` over the columns of a row", expr_text(s->m.arena, e)));
    return fail(type);
  }
}

RowExpr *row_number(Spec *s, const Expr *e) {
  RowType type;
  RowExpr *r = row_expr(s, e, &type);
  return r && as_number(s, r, type, e) ? r : NULL;
}

RowExpr *row_truth(Spec *s, const Expr *e, const char *what) {
  RowType type;
  RowExpr *r = row_expr(s, e, &type);
  if (!r) return NULL;
  if (type == ROW_TRUTH) return r;
  diag_error(s->diag, "type-mismatch", e->at, "%s must be true or false, which `%s` is not", what, expr_text(s->m.arena, e));
  if (type == ROW_CELL) diag_help(s->diag, "compare it: `%s == \"…\"`", expr_text(s->m.arena, e));
  return NULL;
}

// ---------------------------------------------------------------- labels of losses
static int find_anonymous(const Spec *s, const char *text) {
  for (int i = 0; i < s->labels.n; i++)
    if (s->labels.data[i].anonymous && strcmp(s->labels.data[i].name, text) == 0) return i;
  return -1;
}

static int anonymous_label(Spec *s, const Expr *e) {
  RowType type;
  RowExpr *r = row_expr(s, e, &type);
  if (!r) return -1;
  if (type != ROW_TRUTH && type != ROW_NUMBER) {
    diag_error(s->diag, "loss-label", e->at, "`%s` is no label: its type is not known", expr_text(s->m.arena, e));
    diag_help(s->diag, "declare it: `label NAME : binary = %s`", expr_text(s->m.arena, e));
    return -1;
  }
  const char *text = expr_spelling(s->m.arena, e);
  int same = find_anonymous(s, text);
  if (same >= 0) return same;
  DataLabel l = {.name = text, .kind = type == ROW_TRUTH ? LABEL_BINARY : LABEL_REAL, .from = r, .anonymous = true,
                 .missing = MISSING_DROP};
  vec_push(s->m.arena, &s->labels, l);
  vec_push(s->m.arena, &s->label_at, e->at);
  return s->labels.n - 1;
}

int row_label(Spec *s, const Expr *e, Place *declared) {
  if (e->kind == EX_BAD) return -1;
  const Symbol *y = e->kind == EX_NAME ? find_symbol(s, e->name) : NULL;
  int index = y && y->kind == SYM_LABEL ? resolve_label(s, y->index, e->at) : anonymous_label(s, e);
  if (index >= 0) *declared = s->label_at.data[index];
  return index;
}
