// raw.c: the cells of the first source, and of what is joined to it, as typed columns. The file is read in blocks: the cells
// of a block become numbers and codes, and go. A value that does not fit its type is an error with row and column.
#include <math.h>
#include "data_int.h"

// ---------------------------------------------------------------- columns
static bool reads_column(const RowExpr *e, int column) {
  if (!e) return false;
  return (e->op == RX_COLUMN && e->index == column) || reads_column(e->a, column) || reads_column(e->b, column);
}

// Do the inputs need the column, not labels or the split alone?
static bool inputs_read(const DataPlan *p, int column) {
  for (int i = 0; i < p->n_inputs; i++) {
    const DataInput *in = &p->inputs[i];
    int n = in->packed ? 1 : in->width;
    if (in->kind == INPUT_VECTOR && column >= in->first_column && column < in->first_column + n) return true;
    if (reads_column(in->from, column)) return true;
  }
  return false;
}

static bool labels_read(const DataPlan *p, int column) {
  for (int i = 0; i < p->n_labels; i++)
    if (reads_column(p->labels[i].from, column) || reads_column(p->labels[i].where, column)) return true;
  return false;
}

static bool dedupe_reads(const DataSource *s, int column) {
  for (int k = 0; k < s->n_dedupe; k++)
    if (s->dedupe[k] == column) return true;
  return false;
}

static bool groups_read(const DataPlan *p, int column) {
  for (int i = 0; i < p->n_groups; i++)
    if (p->groups[i] == column) return true;
  return false;
}

// What new rows need beside their inputs, to be judged.
static bool rows_read(const DataPlan *p, int column) {
  return labels_read(p, column) || groups_read(p, column) || reads_column(p->weight, column) || dedupe_reads(&p->sources[0], column);
}

// A joined source of which something is needed needs its keys, and what they must equal.
static void need_keys(const DataPlan *p, bool *needed) {
  for (int i = p->n_sources - 2; i >= 0; i--) {              // a source before those that it reads
    int at = p->join_order[i];
    const DataSource *s = &p->sources[at];
    bool any = false;
    for (int c = 0; c < p->n_columns; c++) any |= needed[c] && p->columns[c].source == at;
    for (int k = 0; any && k < s->n_key; k++) needed[s->key[k]] = needed[s->match[k]] = true;
    for (int k = 0; any && k < s->n_dedupe; k++) needed[s->dedupe[k]] = true;
  }
}

static bool *needed_columns(const DataPlan *p, RawNeed need, Arena *a) {
  bool *needed = NEW_ARRAY(a, bool, p->n_columns + 1);
  for (int c = 0; c < p->n_columns; c++)
    needed[c] = need == NEED_ALL || inputs_read(p, c) || (need == NEED_LABELS && rows_read(p, c));
  need_keys(p, needed);
  return needed;
}

static void missing_column(Raw *r, const Table *t, const char *name) {
  r->errors++;
  if (r->reports++ >= MAX_DATA_ERRORS) return;
  r->shown++;
  diag_data(r->diag, "missing-column", t->path, 0, 0, name, "the file has no such column");
  const char *near = nearest(name, t->names, t->n_columns);
  if (near) diag_help(r->diag, "did you mean `%s`?", near);
  Text all = {0};
  for (int i = 0; i < t->n_columns && i < 40; i++) text_printf(&all, "%s%s", i ? ", " : "", t->names[i]);
  diag_help(r->diag, "the file's columns are %s%s", all.data ? all.data : "", t->n_columns > 40 ? ", …" : "");
  text_free(&all);
}

typedef struct { const char *name; int at; } Named;
static int by_name(const void *a, const void *b) { return strcmp(((const Named *)a)->name, ((const Named *)b)->name); }

// Where the plan's columns stand among those that are kept of the file: each once, or all as they are.
static void place_columns(Raw *r, int source, Reader *f, const Named *names) {
  const DataPlan *p = r->plan;
  const Table *t = &f->table;
  int *want = NEW_ARRAY(r->arena, int, t->n_columns + 1), n = 0;
  int *place = xmalloc(sizeof *place * ((size_t)t->n_columns + 1));
  for (int i = 0; i < t->n_columns; i++) place[i] = -1;
  for (int c = 0; c < p->n_columns; c++) {
    if (p->columns[c].source != source) continue;
    const Named *found = bsearch(&(Named){p->columns[c].name, 0}, names, (size_t)t->n_columns, sizeof *names, by_name);
    r->column[c] = -1;
    if (!found && r->needed[c]) missing_column(r, t, p->columns[c].name);
    if (!found) continue;
    if (place[found->at] < 0) want[place[found->at] = n++] = found->at;
    r->column[c] = p->sources[source].dedupe_rows ? found->at : place[found->at];
  }
  free(place);
  if (p->sources[source].dedupe_rows) return;
  f->want = want;
  f->n_want = n;
}

void raw_columns(Raw *r, int source, Reader *f) {
  const Table *t = &f->table;
  Named *names = xmalloc(sizeof *names * ((size_t)t->n_columns + 1));
  for (int i = 0; i < t->n_columns; i++) names[i] = (Named){t->names[i], i};
  qsort(names, (size_t)t->n_columns, sizeof *names, by_name);
  place_columns(r, source, f, names);
  free(names);
}

// ---------------------------------------------------------------- labels
// Values of a binary label that are neither true nor false, each with its first row: told once, with all of their number.
typedef struct { const char *value; int64_t row, count; } BadValue;
struct LabelCheck {
  BadValue bad[MAX_DATA_ERRORS]; int n_bad;
  int64_t good, missing;
};

LabelCheck *raw_checks(const DataPlan *p, Arena *a) { return NEW_ARRAY(a, LabelCheck, p->n_labels + 1); }

static void bad_value(Raw *r, LabelCheck *b, int64_t row, const DataLabel *l, const char *s) {
  for (int i = 0; i < b->n_bad; i++)
    if (strcmp(b->bad[i].value, s) == 0) {
      b->bad[i].count++;
      return;
    }
  if (b->n_bad < MAX_DATA_ERRORS) b->bad[b->n_bad++] = (BadValue){arena_strdup(r->arena, s), row, 1};
  else
    cell_error(r, row, 1, "not-binary", expr_column(l->from), l->name, "`%s` is neither true nor false", shown(r, s));
}

static bool binary_value(Raw *r, LabelCheck *b, int64_t row, const DataLabel *l, Value v, double *x) {
  if (v.kind == VALUE_TEXT && l->positive) *x = strcmp(v.text, l->positive) == 0;
  else {
    *x = v.kind == VALUE_TEXT ? parse_truth(v.text) : v.number;
    if (*x != 0 && *x != 1) {
      bad_value(r, b, row, l, v.kind == VALUE_TEXT ? v.text : arena_printf(r->arena, "%.17g", v.number));
      return false;
    }
  }
  b->good++;
  return true;
}

static void report_binary(Raw *r, const LabelCheck *b, const DataLabel *l) {
  int column = expr_column(l->from);
  const BadValue *x = b->bad;
  if (b->n_bad == 2 && !b->good) {
    bool told = cell_error(r, x[0].row, x[0].count + x[1].count, "not-binary", column, l->name,
                          "the values of `%s` are `%s` and `%s`: the spec must say which one is true", l->name,
                          shown(r, x[0].value), shown(r, x[1].value));
    if (told) diag_help(r->diag, "compare it in the spec: `label %s : binary = … == \"%s\"`", l->name, shown(r, x[1].value));
    return;
  }
  for (int i = 0; i < b->n_bad; i++) {
    const char *more = x[i].count > 1 ? arena_printf(r->arena, " (%lld rows)", (long long)x[i].count) : "";
    bool told = cell_error(r, x[i].row, x[i].count, "not-binary", column, l->name,
                           "`%s` is none of 0/1, true/false, yes/no%s", shown(r, x[i].value), more);
    if (told && i == 0)
      diag_help(r->diag, "a label that is spelled otherwise is compared in the spec: `… == \"%s\"`", shown(r, x[i].value));
  }
}

static bool class_value(Raw *r, int at, int64_t row, Value v, double *x) {
  const char *s = v.kind == VALUE_TEXT ? v.text : arena_printf(r->arena, "%.17g", v.number);
  r->classes[at].code[row] = distinct_add(&r->classes[at], s);
  if (!parse_number(s, x)) *x = NAN;
  return true;
}

// A number; of a count or a rank a whole one from 0, of a loss of amounts one from 0.
static bool real_label(Raw *r, int64_t row, const DataLabel *l, Value v, double *x) {
  int column = expr_column(l->from);
  *x = v.number;
  if (v.kind == VALUE_TEXT && !parse_number(v.text, x)) {
    cell_error(r, row, 1, "not-a-number", column, l->name, "`%s` is no number", shown(r, v.text));
    return false;
  }
  bool whole = l->kind == LABEL_COUNT || l->kind == LABEL_RANK;
  if (whole && (*x < 0 || *x != floor(*x))) {
    cell_error(r, row, 1, "not-a-count", column, l->name, "%g is no %s: that is 0, 1, 2 …", *x,
               l->kind == LABEL_RANK ? "rank" : "count");
    return false;
  }
  if (!l->not_below_0 || *x >= 0) return true;
  if (strcmp(l->not_below_0, "rows") == 0) {
    cell_error(r, row, 1, "negative-weight", column, l->name, "the weight %g of this row is below 0", *x);
    return false;
  }
  cell_error(r, row, 1, "below-0", column, l->name, "%g is below 0, where the loss `%s` of `%s` ends", *x, l->not_below_0,
             l->name);
  return false;
}

// Is the value of a column absent because the file lacks the column?
static bool lacks(const Raw *r, const RowExpr *e) {
  if (!e) return false;
  if (e->op == RX_COLUMN) return r->column[e->index] < 0;
  return lacks(r, e->a) || lacks(r, e->b);
}

static void missing_label(Raw *r, int64_t row, const DataLabel *l, bool first) {
  bool told = row_error(r, row, 1, "missing-label", label_column(r->plan, l), "the label `%s` is missing", l->name);
  if (told && first)
    diag_help(r->diag, "where it may be missing, say `{ missing = drop }`: the row then counts for the other tasks only");
}

static bool label_value(Raw *r, int at, int64_t row, Value v, double *x) {
  const DataLabel *l = &r->plan->labels[at];
  if (l->kind == LABEL_BINARY) return binary_value(r, &r->check[at], row, l, v, x);
  if (l->kind == LABEL_CLASS) return class_value(r, at, row, v, x);
  return real_label(r, row, l, v, x);
}

static void read_label(Raw *r, int at, int64_t row, Ahead *where, Ahead *from) {
  const DataLabel *l = &r->plan->labels[at];
  bool gone = r->gone && r->gone[row];
  Value w = l->where && !gone ? value_ahead(r, where, row) : (Value){VALUE_BOOL, !gone, NULL};
  int64_t faults = r->faults;
  bool has = w.kind && w.number != 0;
  Value v = has ? value_ahead(r, from, row) : (Value){0};
  double x = 0;
  bool known = v.kind != VALUE_UNKNOWN;
  if (known) known = label_value(r, at, row, v, &x);
  else if (has && l->missing == MISSING_ERROR && !l->anonymous && r->faults == faults)
    missing_label(r, row, l, !r->check[at].missing++);
  set_label(r, at, row, known, x);
}

// A value that is one of the label as it stands, as nearly all are.
static inline bool plain_value(const DataLabel *l, const ValueBlock *v, int64_t i, double *x) {
  if (l->kind == LABEL_REAL) {
    *x = v->number[i];
    return v->kind[i] == VALUE_NUMBER && (!l->not_below_0 || *x >= 0);
  }
  const char *s = v->text[i];
  if (v->kind[i] != VALUE_TEXT) *x = v->number[i];
  else if (l->positive) *x = *s == *l->positive && !strcmp(s, l->positive);
  else *x = s[0] && !s[1] ? s[0] - '0' : parse_truth(s);
  return *x == 0 || *x == 1;
}

// The rows that are ahead, all at once. false: one of them is not plain, and none was read.
static bool plain_labels(Raw *r, int at, const Ahead *where, const Ahead *from) {
  const DataLabel *l = &r->plan->labels[at];
  int64_t good = 0, n = from->to - from->from;
  bool may_miss = l->missing != MISSING_ERROR || l->anonymous, plain = true;
  for (int64_t i = 0; i < n && plain; i++) {
    double x = 0;
    bool has = !(r->gone && r->gone[from->from + i]) && (!l->where || where->value.number[i] != 0);
    bool there = has && from->value.kind[i];
    plain = there ? plain_value(l, &from->value, i, &x) : !has || may_miss;
    set_label(r, at, from->from + i, there, x);
    good += there;
  }
  if (plain && l->kind == LABEL_BINARY) r->check[at].good += good;
  return plain;
}

void raw_label(Raw *r, int at) {
  const DataLabel *l = &r->plan->labels[at];
  Ahead where = {.e = l->where}, from = {.e = l->from};
  bool may_be_plain = l->kind == LABEL_BINARY || l->kind == LABEL_REAL;
  for (int64_t row = r->from; row < r->n; row = from.to) {
    bool clean = look_ahead(r, &from, row) && (!l->where || look_ahead(r, &where, row));
    if (clean && may_be_plain && plain_labels(r, at, &where, &from)) continue;
    for (int64_t i = row; i < from.to; i++) read_label(r, at, i, &where, &from);
  }
}

static bool has_label(const Raw *r, const DataLabel *l) { return !lacks(r, l->from) && !lacks(r, l->where); }

static void read_labels(Raw *r) {
  for (int i = 0; i < r->plan->n_labels; i++) {
    if (has_label(r, &r->plan->labels[i])) {
      raw_label(r, i);
      continue;
    }
    if (r->label[i]) memset(r->label[i] + r->from, 0, sizeof **r->label * (size_t)(r->n - r->from));
    memset(r->known[i] + r->from, 0, (size_t)(r->n - r->from));
  }
}

// ---------------------------------------------------------------- weights
static double weight_of(Raw *r, Ahead *weight, int64_t row) {
  int64_t faults = r->faults;
  Value v = value_ahead(r, weight, row);
  if (v.kind && v.number >= 0) return v.number;
  int at = expr_column(weight->e);
  if (v.kind) cell_error(r, row, 1, "negative-weight", at, "weight", "the weight %g of this row is below 0", v.number);
  else if (r->faults == faults) cell_error(r, row, 1, "missing-weight", at, "weight", "this row has no weight");
  return 0;
}

static void read_weights(Raw *r, RawNeed need) {
  Ahead weight = {.e = r->plan->weight};
  for (int64_t row = r->from; row < r->n; row++)
    r->weight[row] = need == NEED_INPUTS || r->gone[row] ? 1 : weight_of(r, &weight, row);
}

// ---------------------------------------------------------------- groups
static uint64_t group_of(const Raw *r, int64_t row, int column) {
  bool missing;
  if (r->column[column] < 0 || r->gone[row]) return 0;
  const char *cell = row_cell(r, row, column, &missing);
  uint64_t hash = missing ? 0 : hash_bytes(cell, strlen(cell), 29);
  return hash || missing ? hash : 1;
}

static void read_group_keys(Raw *r) {
  for (int i = 0; i < r->plan->n_groups; i++)
    for (int64_t row = r->from; row < r->n; row++) r->group_key[i][row] = group_of(r, row, r->plan->groups[i]);
}

// ---------------------------------------------------------------- the whole
enum { BLOCK = 2048 };         // rows: few enough for their text to stay in a core's cache

static void open_input(Raw *r, int at) {
  const DataInput *in = &r->plan->inputs[at];
  ItemList *l = &r->list[at];
  Store *s = &r->store;
  for (int k = in->dense_at; k < in->dense_at + in->width; k++) store_add(s, &r->dense[k], sizeof **r->dense);
  if (has_number(in)) store_add(s, &r->number[at], sizeof **r->number);
  if (in->id_at >= 0) {
    distinct_init(&r->id[in->id_at], r->arena, 0);
    r->id[in->id_at].copies = r->arena;
  }
  if (in->kind == INPUT_LIST) {
    store_add(s, &l->end, sizeof *l->end);
    store_add(s, &l->flag, sizeof *l->flag);
    store_open(&l->items, r->arena, s->folder, s->limit / 4, r->diag);
    if (in->item == INPUT_REAL) store_add(&l->items, &l->value, sizeof *l->value);
    else store_add(&l->items, &l->code, sizeof *l->code);
  } else if (in->id_at >= 0) {
    store_add(s, &r->id[in->id_at].code, sizeof *r->id[in->id_at].code);
  }
}

static void open_inputs(Raw *r) {
  const DataPlan *p = r->plan;
  Arena *a = r->arena;
  r->dense = NEW_ARRAY(a, double *, p->dense_width + 1);
  r->id = NEW_ARRAY(a, Distinct, p->n_ids + 1);
  r->list = NEW_ARRAY(a, ItemList, p->n_inputs + 1);
  r->number = NEW_ARRAY(a, double *, p->n_inputs + 1);
  for (int i = 0; i < p->n_inputs; i++) open_input(r, i);
}

static void open_labels(Raw *r) {
  const DataPlan *p = r->plan;
  Arena *a = r->arena;
  r->label = NEW_ARRAY(a, double *, p->n_labels + 1);
  r->known = NEW_ARRAY(a, uint8_t *, p->n_labels + 1);
  r->classes = NEW_ARRAY(a, Distinct, p->n_labels + 1);
  r->check = raw_checks(p, a);
  for (int i = 0; i < p->n_labels; i++) {
    if (p->labels[i].kind != LABEL_BINARY) store_add(&r->store, &r->label[i], sizeof **r->label);
    store_add(&r->store, &r->known[i], sizeof **r->known);
    if (p->labels[i].kind != LABEL_CLASS) continue;
    distinct_init(&r->classes[i], a, 0);
    r->classes[i].copies = a;
    store_add(&r->store, &r->classes[i].code, sizeof *r->classes[i].code);
  }
}

static void open_columns(Raw *r) {
  const DataPlan *p = r->plan;
  Store *s = &r->store;
  open_inputs(r);
  open_labels(r);
  store_add(s, &r->split, sizeof *r->split);
  store_add(s, &r->gone, sizeof *r->gone);
  distinct_init(&r->groups, r->arena, 0);
  r->groups.copies = r->arena;
  if (p->weight) store_add(s, &r->weight, sizeof *r->weight);
  r->group_key = NEW_ARRAY(r->arena, uint64_t *, p->n_groups + 1);
  for (int i = 0; i < p->n_groups; i++) store_add(s, &r->group_key[i], sizeof **r->group_key);
  if (p->split.kind == SPLIT_TIME) store_add(s, &r->time, sizeof *r->time);
  if (p->split.group) store_add(s, &r->group, sizeof *r->group);
  r->joined = NEW_ARRAY(r->arena, Joined, p->n_sources + 1);
  for (int i = 1; i < p->n_sources; i++) store_add(s, &r->joined[i].match, sizeof *r->joined[i].match);
}

// Where line − row changes: behind blank lines, and rows of several lines.
static void keep_lines(Raw *r) {
  const Table *t = r->table;
  for (int64_t i = 0; i < t->n_rows && t->line[i]; i++) {    // a database has no lines
    int64_t row = t->first + i;
    bool same = r->lines.n && r->lines.data[r->lines.n - 1].line - r->lines.data[r->lines.n - 1].row == t->line[i] - row;
    if (same) continue;
    vec_push(r->arena, &r->lines, ((RowLine){row, t->line[i]}));
  }
}

// Of the file: a little more than rows as long as those so far would be.
static int64_t likely_rows(const Raw *r) {
  double share = r->reader->share;
  return share > 0 ? (int64_t)((double)r->n / share * 1.05) + 1 : 0;
}

// false: there is no room for it.
static bool read_block(Raw *r, RawNeed need) {
  const Table *t = r->table;
  r->from = t->first;
  r->n = t->first + t->n_rows;
  if (!store_reserve(&r->store, r->n, likely_rows(r))) return false;
  keep_lines(r);
  memset(r->split + r->from, 0, (size_t)t->n_rows);
  memset(r->gone + r->from, 0, (size_t)t->n_rows);
  if (need != NEED_INPUTS) dedupe_block(r);
  join_rows(r);
  r->mute = need == NEED_INPUTS;
  read_labels(r);                                            // first: inputs and rules may read them
  r->mute = false;
  read_inputs(r);
  if (r->weight) read_weights(r, need);
  read_group_keys(r);
  if (need == NEED_ALL) split_block(r);
  store_touch(&r->store, t->n_rows * r->store.row_bytes);
  return true;
}

static void read_rows(Raw *r, RawNeed need) {
  Reader *f = r->reader;
  raw_columns(r, 0, f);
  if (r->errors || r->failed) return;                        // a joined source is not whole
  bool room = true;
  while (room && f->next(f)) room = read_block(r, need);
  if (f->failed || !room) r->failed = true;
  join_report(r);
  for (int i = 0; i < r->plan->n_labels; i++) {
    r->mute = need == NEED_INPUTS;
    report_binary(r, &r->check[i], &r->plan->labels[i]);
    r->mute = false;
  }
}

Raw *raw_read(const DataPlan *p, const DataFiles *files, RawNeed need, Diag *d) {
  Reader *f = reader_open(files->source[0], &p->sources[0], BLOCK, d);
  if (!f) return NULL;
  Raw *r = xcalloc(1, sizeof *r);
  *r = (Raw){.plan = p, .reader = f, .table = &f->table, .diag = d, .arena = arena_new()};
  store_open(&r->store, r->arena, files->folder, memory_limit(files->memory), d);
  r->column = NEW_ARRAY(r->arena, int, p->n_columns + 1);
  r->needed = needed_columns(p, need, r->arena);
  open_columns(r);
  join_open(r, files->source);
  read_rows(r, need);
  if (raw_finish(r)) return r;
  raw_free(r);
  return NULL;
}

void raw_drop(Raw *r) {
  for (int i = 0; i < r->plan->n_inputs; i++) {
    const DataInput *in = &r->plan->inputs[i];
    if (in->prep.missing != MISSING_DROP) continue;
    for (int64_t row = 0; row < r->n; row++) {
      bool gone = in->kind == INPUT_LIST ? r->list[i].flag[row] & ITEMS_MISSING
                : has_number(in)       ? isnan(r->number[i][row])
                                       : in->id_at >= 0 && r->id[in->id_at].code[row] < 0;
      for (int k = 0; k < in->width; k++) gone |= isnan(r->dense[in->dense_at + k][row]);
      if (gone && r->split[row] >= 0) r->split[row] = SPLIT_DROPPED;
    }
  }
}

bool raw_finish(Raw *r) {
  if (r->errors > r->shown)
    diag_data(r->diag, "more-errors", r->table->path, 0, 0, NULL, "and %lld more errors of this kind or others",
              (long long)(r->errors - r->shown));
  r->shown = r->errors;
  return r->errors == 0 && !r->failed;
}

static void free_distincts(Distinct *d, int n) {
  for (int i = 0; d && i < n; i++) distinct_free(&d[i]);
}

void raw_free(Raw *r) {
  if (!r) return;
  const DataPlan *p = r->plan;
  free(r->told.slot);
  free(r->rows.slot);
  distinct_free(&r->groups);
  free_distincts(r->id, p->n_ids);
  for (int i = 0; r->list && i < p->n_inputs; i++)
    if (p->inputs[i].kind == INPUT_LIST) store_close(&r->list[i].items);
  free_distincts(r->classes, p->n_labels);
  join_free(r);
  store_close(&r->store);
  r->reader->close(r->reader);
  arena_free(r->arena);
  free(r);
}
