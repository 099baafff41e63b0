// resolve_split.c: which rows train, validate and test, and what each weighs → DataPlan.split, weight.
#include "model_int.h"
#include "../../runtime/data.h"
#include <math.h>

static const char *const split_kinds[] = {"fraction", "rule", "column", "files", "time"};
static const char *const part_names[] = {"train", "valid", "test"};

static void fractions(Spec *s, const Expr *e, const Expr *const *arg, Split *p) {
  double sum = 0;
  for (int i = 0; i < 3; i++) {
    if (arg[i]) need_number(s, arg[i], arena_printf(s->m.arena, "the part `%s`", part_names[i]), 0, 1, &p->fraction[i]);
    sum += p->fraction[i];
  }
  if (sum > 1 + 1e-9) diag_error(s->diag, "bad-value", e->at, "the parts add up to %g, which is more than 1", sum);
  if (!arg[0] || p->fraction[0] == 0)
    diag_error(s->diag, "bad-value", e->at, "a split needs rows to train on: `train = 0.8`");
}

int group_column(Spec *s, const Expr *e) {
  const Symbol *y = e->kind == EX_NAME ? find_symbol(s, e->name) : NULL;
  if (y && y->kind == SYM_INPUT) {
    const RowExpr *from = s->inputs.data[y->index].from;
    if (s->input_bad.data[y->index]) return -1;
    if (from && from->op == RX_COLUMN) return from->index;
    diag_error(s->diag, "type-mismatch", e->at, "`by` needs one raw column, which the input `%s` is not", e->name);
    diag_note(s->diag, y->at, "declared here");
    return -1;
  }
  RowType type;
  RowExpr *r = row_expr(s, e, &type);
  if (r && r->op != RX_COLUMN)
    diag_error(s->diag, "type-mismatch", e->at, "`by` needs a raw column, as `%s.user`", s->sources.data[0].name);
  return r && r->op == RX_COLUMN ? r->index : -1;
}

static void split_fraction(Spec *s, const Expr *e, Split *p) {
  static const Key keys[] = {{"train", false}, {"valid", false}, {"test", false}, {"order", false}, {"by", false}};
  static const char *const orders[] = {"file", "shuffled"};
  const Expr *arg[COUNT_OF(keys)];
  if (!match_args(s, e, "`fraction`", keys, COUNT_OF(keys), arg)) return;
  fractions(s, e, arg, p);
  if (arg[4]) p->group = group_column(s, arg[4]) + 1;
  if (arg[3]) p->file_order = choose(s, arg[3], "`order`", orders, COUNT_OF(orders)) == 0;
  else add_default(s, e->at, "split.order", "shuffled");
}

static void split_rule(Spec *s, const Expr *e, Split *p) {
  static const Key keys[] = {{"train", false}, {"valid", false}, {"test", false}};
  const Expr *arg[3];
  if (!match_args(s, e, "`rule`", keys, 3, arg)) return;
  if (!arg[0]) diag_error(s->diag, "missing-argument", e->at, "`rule` needs `train`: which rows to train on");
  for (int i = 0; i < 3; i++)
    if (arg[i]) p->rule[i] = row_truth(s, arg[i], arena_printf(s->m.arena, "the rule `%s`", part_names[i]));
}

static void split_column(Spec *s, const Expr *e, Split *p) {
  static const Key keys[] = {{"column", false}, {"train", false}, {"valid", false}, {"test", false}};
  const Expr *arg[4];
  RowType type;
  if (!match_args(s, e, "`column`", keys, 4, arg)) return;
  RowExpr *r = arg[0] ? row_expr(s, arg[0], &type) : NULL;
  if (!arg[0]) diag_error(s->diag, "missing-argument", e->at, "`column` of which raw column?");
  else if (r && r->op != RX_COLUMN)
    diag_error(s->diag, "type-mismatch", arg[0]->at, "`column` needs a raw column, as `%s.part`", s->sources.data[0].name);
  if (r && r->op == RX_COLUMN) p->column = r->index;
  for (int i = 0; i < 3; i++) {
    if (arg[i + 1]) need_text(s, arg[i + 1], arena_printf(s->m.arena, "the value of `%s`", part_names[i]), &p->value[i]);
    else p->value[i] = part_names[i];
    if (!arg[i + 1]) add_default(s, e->at, arena_printf(s->m.arena, "split.%s", part_names[i]), "\"%s\"", part_names[i]);
  }
}

static void split_files(Spec *s, const Expr *e, Split *p) {
  static const Key keys[] = {{"valid", false}};
  const Expr *arg;
  if (!match_args(s, e, "`files`", keys, 1, &arg)) return;
  if (!arg) {
    add_default(s, e->at, "split.valid", "0");
    return;
  }
  if (need_number(s, arg, "the part `valid`", 0, 1, &p->valid_fraction) && p->valid_fraction == 1)
    diag_error(s->diag, "bad-value", arg->at, "no row is left to train on");
}

// A moment as a text; INFINITY where it is left out.
static double moment(Spec *s, const Expr *e, const char *part) {
  const char *text;
  double v = INFINITY;
  if (!e || !need_text(s, e, arena_printf(s->m.arena, "the start of `%s`", part), &text)) return v;
  if (parse_time(text, NULL, &v)) return v;
  diag_error(s->diag, "bad-value", e->at, "`%s` is no time: that is `2024-05-01`, or `2024-05-01 13:30`", text);
  return INFINITY;
}

// time(events.at, valid = "2024-05-01", test = "2024-06-01"), time(events.at, train = 0.8, valid = 0.1, test = 0.1)
static void split_time(Spec *s, const Expr *e, Split *p) {
  static const Key keys[] = {{"column", false}, {"train", false}, {"valid", false}, {"test", false}};
  const Expr *arg[4];
  RowType type;
  if (!match_args(s, e, "`time`", keys, 4, arg)) return;
  RowExpr *r = arg[0] ? row_expr(s, arg[0], &type) : NULL;
  if (!arg[0]) diag_error(s->diag, "missing-argument", e->at, "`time` of which raw column?");
  else if (r && r->op != RX_COLUMN)
    diag_error(s->diag, "type-mismatch", arg[0]->at, "`time` needs a raw column, as `%s.at`", s->sources.data[0].name);
  if (r && r->op == RX_COLUMN) p->time = r->index;
  p->at_times = (arg[2] && arg[2]->kind == EX_STRING) || (arg[3] && arg[3]->kind == EX_STRING);
  if (!p->at_times) {
    fractions(s, e, arg + 1, p);
    return;
  }
  if (arg[1])
    diag_error(s->diag, "bad-value", arg[1]->at, "the rows before the first of these moments train: `train` is left out");
  for (int i = 0; i < 2; i++) p->edge[i] = moment(s, arg[2 + i], part_names[1 + i]);
  if (isfinite(p->edge[0]) && isfinite(p->edge[1]) && p->edge[0] >= p->edge[1])
    diag_error(s->diag, "bad-value", arg[3]->at, "`test` begins before `valid`");
}

void resolve_split(Spec *s, const Clause *c, Place at) {
  static void (*const parts[])(Spec *, const Expr *, Split *) = {split_fraction, split_rule, split_column, split_files,
                                                                   split_time};
  static const SplitKind kinds[] = {SPLIT_FRACTION, SPLIT_RULE, SPLIT_COLUMN, SPLIT_FILES, SPLIT_TIME};
  Split *p = &s->m.data.split;
  if (!c) {
    *p = (Split){.kind = SPLIT_FRACTION, .fraction = {0.8, 0.1, 0.1}};
    add_default(s, at, "split", "fraction(train = 0.8, valid = 0.1, test = 0.1)");
    return;
  }
  const Expr *e = c->value;
  const char *name = callee_name(e);
  int row = -1;
  for (int i = 0; name && i < COUNT_OF(split_kinds); i++)
    if (strcmp(split_kinds[i], name) == 0) row = i;
  if (row < 0) {
    choose(s, e, "`split`", split_kinds, COUNT_OF(split_kinds));
    return;
  }
  p->kind = kinds[row];
  parts[row](s, e, p);
}

// ---------------------------------------------------------------- weight
void resolve_weight(Spec *s, const Clause *c, Place at) {
  if (c) s->m.data.weight = row_number(s, c->value);
  else add_default(s, at, "weight", "1 for every row");
}
