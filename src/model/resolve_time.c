// resolve_time.c: inputs of type `time`, and times in expressions over a row: `time(…)`, `hour(…)`, `days(a - b)`. A time is
// a number of seconds since 1970; a cell becomes one where a time is wanted.
#include "model_int.h"

// ---------------------------------------------------------------- in expressions
static RowExpr *new_row(Spec *s, RowOp op, const RowExpr *a) {
  RowExpr *r = NEW(s->m.arena, RowExpr);
  r->op = op;
  r->a = a;
  return r;
}

RowExpr *row_cell_time(RowExpr *cell, const char *format) {
  cell->time = true;
  cell->format = format;
  return cell;
}

static bool time_format(Spec *s, const Expr *e, const char **format) {
  if (!need_text(s, e, "the format of a time", format)) return false;
  const char *wrong = time_format_error(*format);
  if (!wrong) return true;
  if (*wrong) diag_error(s->diag, "bad-value", e->at, "`%.2s` is no part of a time", wrong);
  else diag_error(s->diag, "bad-value", e->at, "this format reads no part of a time");
  diag_help(s->diag, "as `\"%%Y-%%m-%%d %%H:%%M:%%S\"`; `%%b` is a month's name, `%%s` seconds since 1970");
  return false;
}

// time("2026-11-24"), time(events.at), time(events.at, "%d.%m.%Y")
static RowExpr *time_call(Spec *s, const Expr *e) {
  static const Key keys[] = {{"value", false}, {"format", false}};
  const Expr *arg[2];
  const char *format = NULL;
  RowType type;
  if (!match_args(s, e, "`time`", keys, 2, arg)) return NULL;
  if (!arg[0]) {
    diag_error(s->diag, "missing-argument", e->at, "`time` needs a column, or a time: `time(\"2026-11-24\")`");
    return NULL;
  }
  if (arg[1] && !time_format(s, arg[1], &format)) return NULL;
  if (arg[0]->kind == EX_STRING) {
    RowExpr *r = new_row(s, RX_NUMBER, NULL);
    if (parse_time(arg[0]->name, format, &r->number)) return r;
    diag_error(s->diag, "bad-value", arg[0]->at, "`%s` is no time", arg[0]->name);
    diag_help(s->diag, "write it as `2026-11-24` or `2026-11-24 13:45:10`, in UTC");
    return NULL;
  }
  RowExpr *r = row_expr(s, arg[0], &type);
  if (!r || type == ROW_TIME) return r;
  if (type == ROW_CELL) return row_cell_time(r, format);
  if (type == ROW_NUMBER && !arg[1]) return r;
  diag_error(s->diag, "type-mismatch", arg[0]->at, "`time` reads a raw column, which `%s` is not",
             expr_text(s->m.arena, arg[0]));
  return NULL;
}

// A time, or a number of seconds; a cell is read as a time, those of a difference too.
static RowExpr *seconds(Spec *s, const Expr *e) {
  RowType type;
  if (e->kind == EX_BINARY && e->op == AST_SUB) {
    RowExpr *a = seconds(s, e->a), *b = seconds(s, e->b), *r = new_row(s, RX_SUB, a);
    r->b = b;
    return a && b ? r : NULL;
  }
  RowExpr *r = row_expr(s, e, &type);
  if (!r || type == ROW_TIME || type == ROW_NUMBER) return r;
  if (type == ROW_CELL) return row_cell_time(r, NULL);
  diag_error(s->diag, "type-mismatch", e->at, "`%s` is no time", expr_text(s->m.arena, e));
  return NULL;
}

static int part_named(const char *name) {
  for (int i = 0; i < N_TIME_PARTS; i++)
    if (strcmp(time_part_names[i], name) == 0) return i;
  return -1;
}

static RowExpr *part_or_days(Spec *s, const Expr *e, const char *name, int part) {
  static const Key keys[] = {{"time", false}};
  const Expr *arg;
  if (!match_args(s, e, arena_printf(s->m.arena, "`%s`", name), keys, 1, &arg)) return NULL;
  if (!arg) {
    diag_error(s->diag, "missing-argument", e->at, "`%s` needs a time%s", name, part < 0 ? ", or a difference of two" : "");
    return NULL;
  }
  RowExpr *x = seconds(s, arg);
  if (!x) return NULL;
  RowExpr *r = new_row(s, part < 0 ? RX_DIV : RX_PART, x);
  r->index = part < 0 ? 0 : part;
  if (part >= 0) return r;
  RowExpr *day = new_row(s, RX_NUMBER, NULL);
  day->number = 86400;
  r->b = day;
  return r;
}

RowExpr *row_call(Spec *s, const Expr *e, RowType *type) {
  const char *name = callee_name(e);
  int part = name ? part_named(name) : -1;
  RowExpr *r = NULL;
  if (name && strcmp(name, "time") == 0) {
    r = time_call(s, e);
    *type = ROW_TIME;
  } else if (part >= 0 || (name && strcmp(name, "days") == 0)) {
    r = part_or_days(s, e, name, part);
    *type = ROW_NUMBER;
  } else {
    Words w = {0};
    vec_push(s->m.arena, &w, "time");
    vec_push(s->m.arena, &w, "days");
    for (int i = 0; i < N_TIME_PARTS; i++) vec_push(s->m.arena, &w, time_part_names[i]);
    diag_error(s->diag, "unknown-name", e->at, "`%s` is no function of a row's columns",
               name ? name : expr_text(s->m.arena, e));
    if (name) help_nearest(s->diag, name, &w);
    help_list(s->diag, "they are", &w);
  }
  if (!r) *type = ROW_BAD;
  return r;
}

// ---------------------------------------------------------------- inputs
static void time_parts(Spec *s, const Decl *d, DataInput *x) {
  static const TimePart rounds[] = {PART_MINUTE, PART_HOUR, PART_WEEKDAY, PART_DAY, PART_YEARDAY, PART_MONTH};
  static const char *names[COUNT_OF(rounds)];
  const Clause *c = find_clause(d, "parts");
  for (int i = 0; i < COUNT_OF(rounds); i++) names[i] = time_part_names[rounds[i]];
  x->part[0] = PART_HOUR, x->part[1] = PART_WEEKDAY, x->n_parts = 2;
  if (!c) {
    add_default(s, d->at, arena_printf(s->m.arena, "%s.parts", x->name), "[hour, weekday]");
    return;
  }
  if (c->value->kind != EX_LIST || !c->value->n_args) {
    diag_error(s->diag, "bad-value", c->value->at, "`parts` is a list, as `[hour, weekday]`");
    return;
  }
  x->n_parts = 0;
  for (int i = 0; i < c->value->n_args && x->n_parts < N_TIME_PARTS; i++) {
    int row = choose(s, c->value->args[i].value, "a part", names, COUNT_OF(rounds));
    for (int k = 0; k < x->n_parts && row >= 0; k++)
      if (x->part[k] == rounds[row]) {
        diag_error(s->diag, "duplicate-name", c->value->args[i].value->at, "`%s` is listed twice", names[row]);
        row = -1;
      }
    if (row >= 0) x->part[x->n_parts++] = rounds[row];
  }
}

void time_input(Spec *s, const Decl *d, DataInput *x) {
  static const char *const names[] = {"error", "drop", "own"};
  static const MissingPolicy policies[] = {MISSING_ERROR, MISSING_DROP, MISSING_CONSTANT};
  const Clause *c;
  if ((c = find_clause(d, "format"))) time_format(s, c->value, &x->time_format);
  else add_default(s, d->at, arena_printf(s->m.arena, "%s.format", x->name), "ISO 8601, or seconds since 1970");
  time_parts(s, d, x);
  c = find_clause(d, "missing");
  int row = c ? choose(s, c->value, "`missing`", names, COUNT_OF(names)) : 0;
  x->prep.missing = policies[row > 0 ? row : 0];
  if (!c) add_default(s, d->at, arena_printf(s->m.arena, "%s.missing", x->name), "error");
}
