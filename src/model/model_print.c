// model_print.c: the typed model as text, one declaration a line: what resolve() understood.
#include "model_int.h"
#include <math.h>

const char *const input_kind_names[] = {
  [INPUT_REAL] = "real", [INPUT_CATEGORY] = "category", [INPUT_ID] = "id", [INPUT_VECTOR] = "vector", [INPUT_LIST] = "list",
  [INPUT_TIME] = "time"};
const char *const missing_names[] = {
  [MISSING_ERROR] = "error", [MISSING_MEAN] = "mean", [MISSING_MEDIAN] = "median",
  [MISSING_MODE] = "mode",   [MISSING_CONSTANT] = "own", [MISSING_DROP] = "drop"};
static const char *const map_names[] = {[MAP_NONE] = NULL, [MAP_LOG1P] = "log1p", [MAP_SQRT] = "sqrt", [MAP_ABS] = "abs",
                                      [MAP_BUCKETIZE] = "bucketize"};
const char *const scale_names[] = {[SCALE_NONE] = NULL, [SCALE_ZSCORE] = "zscore", [SCALE_MINMAX] = "minmax",
                                        [SCALE_ROBUST] = "robust"};

// ---------------------------------------------------------------- row expressions
static const struct { RowOp op; const char *text; } row_ops[] = {
  {RX_ADD, "+"}, {RX_SUB, "-"},  {RX_MUL, "*"}, {RX_DIV, "/"},  {RX_MOD, "%"},   {RX_EQ, "=="}, {RX_NE, "!="},
  {RX_LT, "<"},  {RX_LE, "<="},  {RX_GT, ">"},  {RX_GE, ">="}, {RX_AND, "and"}, {RX_OR, "or"},
};

void number_print(double x, Text *out) {
  char digits[40];
  for (int precision = 6; precision <= 17; precision++) {
    snprintf(digits, sizeof digits, "%.*g", precision, x);
    if (strtod(digits, NULL) == x) break;
  }
  text_add(out, digits);
}

void quote_print(const char *s, Text *out) {
  static const char named[] = "\"\\\n\t", letter[] = "\"\\nt";
  text_char(out, '"');
  for (; *s; s++) {
    const char *at = strchr(named, *s);
    if (at) text_char(out, '\\'), text_char(out, letter[at - named]);
    else if ((unsigned char)*s < ' ') text_printf(out, "\\u{%x}", *s);
    else text_char(out, *s);
  }
  text_char(out, '"');
}

static void column_print(const DataPlan *p, const RowExpr *r, bool define, Text *out) {
  int source = p->columns[r->index].source;
  text_printf(out, r->time ? "time(%s.%s" : "%s.%s", define && source == 0 ? "" : p->sources[source].name, r->text);
  if (r->time && r->format) text_add(out, ", "), quote_print(r->format, out);
  if (r->time) text_char(out, ')');
}

// define: a label is written as what it is made of, a column of the first source without its name: `.age`.
static void print_row(const DataPlan *p, const RowExpr *r, bool define, Text *out) {
  switch (r->op) {
  case RX_COLUMN: column_print(p, r, define, out); return;
  case RX_LABEL:
    if (define) print_row(p, p->labels[r->index].from, define, out);
    else text_add(out, p->labels[r->index].name);
    return;
  case RX_ROW: text_add(out, "row"); return;
  case RX_NUMBER: number_print(r->number, out); return;
  case RX_TEXT: quote_print(r->text, out); return;
  case RX_BOOL: text_add(out, r->number != 0 ? "true" : "false"); return;
  case RX_NEG:
  case RX_NOT:
    text_add(out, r->op == RX_NEG ? "-(" : "not (");
    print_row(p, r->a, define, out);
    text_char(out, ')');
    return;
  case RX_PART:
    text_printf(out, "%s(", time_part_names[r->index]);
    print_row(p, r->a, define, out);
    text_char(out, ')');
    return;
  default: break;
  }
  text_char(out, '(');
  print_row(p, r->a, define, out);
  for (int i = 0; i < COUNT_OF(row_ops); i++)
    if (row_ops[i].op == r->op) text_printf(out, " %s ", row_ops[i].text);
  print_row(p, r->b, define, out);
  text_char(out, ')');
}

void row_print(const DataPlan *p, const RowExpr *r, Text *out) { print_row(p, r, false, out); }
void row_define(const DataPlan *p, const RowExpr *r, Text *out) { print_row(p, r, true, out); }

// ---------------------------------------------------------------- data
static void end_print(ClipEnd at, double v, Text *out) {
  if (at == CLIP_AT_QUANTILE) text_add(out, "quantile(");
  number_print(v, out);
  if (at == CLIP_AT_QUANTILE) text_char(out, ')');
}

void clip_text(const Prep *p, Text *out) {
  if (p->clip_at_hi == CLIP_AT_SIGMAS) {
    text_add(out, "sigmas(");
    number_print(p->clip_hi, out);
    text_char(out, ')');
    return;
  }
  end_print(p->clip_at_lo, p->clip_lo, out);
  text_add(out, "..");
  end_print(p->clip_at_hi, p->clip_hi, out);
}

static void clip_print(const Prep *p, Text *out) {
  if (!p->has_clip) return;
  text_add(out, "clip ");
  clip_text(p, out);
  text_add(out, ", ");
}

void map_text(const Prep *p, Text *out) {
  text_add(out, map_names[p->map]);
  if (p->map == MAP_BUCKETIZE && !p->n_bounds) text_printf(out, "(%lld)", (long long)p->buckets);
  for (int i = 0; i < p->n_bounds; i++) {
    text_add(out, i ? ", " : "([");
    number_print(p->bounds[i], out);
  }
  if (p->n_bounds) text_add(out, "])");
}

static void map_print(const Prep *p, Text *out) {
  if (p->map == MAP_NONE) return;
  map_text(p, out);
  text_add(out, ", ");
}

void prep_print(const Prep *p, ScaleKind scale, Text *out) {
  clip_print(p, out);
  map_print(p, out);
  if (scale_names[scale]) text_printf(out, "%s, ", scale_names[scale]);
  if (p->missing == MISSING_CONSTANT) text_printf(out, "missing %g", p->missing_value);
  else text_printf(out, "missing %s", missing_names[p->missing]);
  if (p->indicator) text_add(out, ", indicator");
}

// Where a category's values come from: "learned, min_count 1, unseen own".
void vocabulary_print(const DataInput *in, Text *out) {
  if (in->prep.map == MAP_BUCKETIZE) {
    clip_print(&in->prep, out);
    map_print(&in->prep, out);
    out->n -= 2;                                           // the comma
    return;
  }
  if (in->vocab_file) text_printf(out, "vocabulary \"%s\", ", in->vocab_file);
  else if (in->n_vocab) text_printf(out, "vocabulary of %d, ", in->n_vocab);
  else text_printf(out, "min_count %lld, ", (long long)in->min_count);
  text_printf(out, "unseen %s", in->unknown == UNKNOWN_OOV ? "own" : "error");
}

static void join_print(const DataPlan *p, const DataSource *s, Text *out) {
  static const char *const absent[] = {"error", "missing", "drop"}, *const repeated[] = {"error", "first", "last"};
  for (int k = 0; k < s->n_key; k++) {
    const RawColumn *m = &p->columns[s->match[k]];
    text_printf(out, "%s %s = %s.%s", k ? " and" : " joined by", p->columns[s->key[k]].name, p->sources[m->source].name, m->name);
  }
  if (s->dedupe_rows) text_add(out, " dedupe all columns");
  for (int k = 0; k < s->n_dedupe; k++) text_printf(out, " %s %s", k ? "and" : "dedupe", p->columns[s->dedupe[k]].name);
  if (s->n_key) text_printf(out, " absent %s repeated %s", absent[s->absent], repeated[s->repeated]);
}

static void source_print(const DataPlan *p, const DataSource *s, Text *out) {
  text_printf(out, "source %s", s->name);
  if (s->file) text_printf(out, " file \"%s\"", s->file);
  if (s->test_file) text_printf(out, " test \"%s\"", s->test_file);
  text_add(out, s->n_header ? " no header" : " header");
  if (s->n_header) text_printf(out, " (%d columns)", s->n_header);
  if (s->trim) text_add(out, " trim");
  text_add(out, " na");
  for (int i = 0; i < s->n_na; i++) text_printf(out, " \"%s\"", s->na[i]);
  join_print(p, s, out);
  text_char(out, '\n');
}

const char *input_type_text(const DataInput *in, Arena *a) {
  if (in->kind == INPUT_VECTOR) return arena_printf(a, "vector(%d)", in->width);
  if (in->tokens) return "text";
  if (in->kind == INPUT_LIST) return arena_printf(a, "list(%s)", input_kind_names[in->item]);
  return input_kind_names[in->kind];
}

// "the last 50 items, apart by "|"", "the first 32 words"
static void items_print(const DataInput *in, Text *out) {
  static const char *const what[] = {[TOKENS_NONE] = "items", [TOKENS_WORD] = "words", [TOKENS_CHARACTER] = "characters"};
  text_printf(out, "the %s %lld %s", in->keep_first ? "first" : "last", (long long)in->max, what[in->tokens]);
  if (in->ngrams > 1) text_printf(out, " and n-grams up to %d", in->ngrams);
  if (in->tokens) return;
  if (in->separator) text_printf(out, ", apart by \"%s\"", in->separator);
  else text_add(out, ", apart by any of blank | ; ,");
}

void list_print(const DataPlan *p, const DataInput *in, Text *out) {
  static const char *const missing[] = {[MISSING_ERROR] = "error", [MISSING_CONSTANT] = "empty", [MISSING_DROP] = "drop"};
  items_print(in, out);
  Prep prep = in->prep;
  prep.missing = MISSING_DROP;                   // of the row, not of an item
  if (in->like) text_printf(out, ", like %s", p->inputs[in->like - 1].name);
  else if (in->item == INPUT_ID) text_printf(out, ", buckets %lld", (long long)in->buckets);
  else if (in->item == INPUT_CATEGORY)
    text_add(out, ", "), vocabulary_print(in, out);
  if (in->item == INPUT_REAL && (prep.has_clip || prep.map || prep.scale)) {
    Text t = {0};
    prep_print(&prep, prep.scale, &t);
    text_printf(out, ", %.*s", (int)(t.n - strlen(", missing drop")), t.data);
    text_free(&t);
  }
  text_printf(out, ", missing %s", missing[in->prep.missing]);
}

void time_print(const DataInput *in, Text *out) {
  text_add(out, "round by ");
  for (int i = 0; i < in->n_parts; i++) text_printf(out, "%s%s", i ? ", " : "", time_part_names[in->part[i]]);
  if (in->time_format) text_printf(out, ", as \"%s\"", in->time_format);
  text_printf(out, ", missing %s", missing_names[in->prep.missing]);
}

static void input_print(const DataPlan *p, const DataInput *in, Arena *a, Text *out) {
  text_printf(out, "input %s : %s", in->name, in->kind == INPUT_LIST ? input_type_text(in, a) : input_kind_names[in->kind]);
  if (in->kind == INPUT_VECTOR)
    text_printf(out, "(%d) = columns %d..%d%s", in->width, in->first_column, in->first_column + (in->packed ? 1
          : in->width) - 1, in->packed ? " packed" : "");
  if (in->from) {
    text_add(out, " = ");
    row_print(p, in->from, out);
  }
  text_add(out, "  { ");
  if (in->kind == INPUT_LIST) {
    list_print(p, in, out);
    bool ids = in->id_at >= 0;
    int at = ids ? in->id_at : in->dense_at;
    text_printf(out, " }  %s %d..%d, length %d\n", ids ? "ids" : "dense", at, at + (int)in->max - 1, in->length_at);
    return;
  }
  if (in->kind == INPUT_TIME) {
    time_print(in, out);
    text_printf(out, " }  dense %d..%d\n", in->dense_at, in->dense_at + 2 * in->n_parts - 1);
    return;
  }
  if (in->like) text_printf(out, "like %s, ", p->inputs[in->like - 1].name);
  if (in->dense_at >= 0) prep_print(&in->prep, in->prep.scale, out);
  if (in->kind == INPUT_ID)
    text_printf(out, "buckets %lld, missing %s", (long long)in->buckets, missing_names[in->prep.missing]);
  if (in->kind == INPUT_CATEGORY)
    vocabulary_print(in, out), text_printf(out, ", missing %s", missing_names[in->prep.missing]);
  if (in->dense_at >= 0) text_printf(out, " }  dense %d..%d\n", in->dense_at, in->dense_at + in->width - 1);
  else text_printf(out, " }  ids %d\n", in->id_at);
}

static void label_print(const Model *m, int i, Text *out) {
  const DataLabel *l = &m->data.labels[i];
  text_printf(out, "label %d %s : %s = ", i, l->name, label_kind_text(l, m->arena));
  row_print(&m->data, l->from, out);
  if (l->where) {
    text_add(out, " where ");
    row_print(&m->data, l->where, out);
  }
  if (l->positive) text_printf(out, "  positive \"%s\"", l->positive);
  text_printf(out, "  { missing %s", l->missing == MISSING_DROP ? "drop" : "error");
  if (l->prep.has_clip) text_add(out, ", "), clip_print(&l->prep, out), out->n -= 2;
  if (map_names[l->prep.map]) text_printf(out, ", %s", map_names[l->prep.map]);
  if (scale_names[l->scale]) text_printf(out, ", %s", scale_names[l->scale]);
  text_add(out, " }\n");
}

static void fractions_print(const Split *s, Text *out) {
  for (int i = 0; i < 3; i++) {
    text_char(out, ' ');
    number_print(s->fraction[i], out);
  }
}

void split_text(const DataPlan *p, Text *out) {
  static const char *const parts[] = {"train", "valid", "test"};
  const Split *s = &p->split;
  switch (s->kind) {
  case SPLIT_NONE: text_add(out, "none"); break;
  case SPLIT_FRACTION:
    text_add(out, "fraction");
    fractions_print(s, out);
    if (s->file_order) text_add(out, " in file order");
    if (s->group) text_printf(out, " by %s", p->columns[s->group - 1].name);
    break;
  case SPLIT_RULE:
    text_add(out, "rule");
    for (int i = 0; i < 3; i++) {
      if (!s->rule[i]) continue;
      text_printf(out, " %s ", parts[i]);
      row_print(p, s->rule[i], out);
    }
    break;
  case SPLIT_COLUMN:
    text_printf(out, "column %s", p->n_columns ? p->columns[s->column].name : "?");
    for (int i = 0; i < 3; i++) text_printf(out, " %s ", parts[i]), quote_print(s->value[i], out);
    break;
  case SPLIT_FILES:
    text_add(out, "files valid ");
    number_print(s->valid_fraction, out);
    break;
  case SPLIT_TIME:
    text_printf(out, "time %s", p->columns[s->time].name);
    if (!s->at_times) fractions_print(s, out);
    for (int i = 0; i < 2 && s->at_times; i++) text_printf(out, " %s from %.17g", parts[i + 1], s->edge[i]);
    break;
  }
}

static void split_print(const DataPlan *p, Text *out) {
  text_add(out, "split ");
  split_text(p, out);
  if (p->weight) {
    text_add(out, "\nweight ");
    row_print(p, p->weight, out);
  }
  text_char(out, '\n');
}

// ---------------------------------------------------------------- tasks, training
void value_print(const ValueTerm *x, const char *before, Text *out) {
  bool minus = !before && x->text[0] == '-';
  text_printf(out, "%s%s", before ? before : minus ? " - " : " + ", x->text + minus);
}

void figure_text(const TrainPlan *t, const Figure *f, Text *out) {
  text_add(out, f->minimise ? "minimise" : "maximise");
  for (int i = 0; i < f->n_terms; i++) {
    const FigureTerm *x = &f->terms[i];
    text_add(out, i ? " + " : " ");
    number_print(x->factor, out);
    text_printf(out, " * %s", x->is_loss ? "loss" : t->tasks[x->task].metrics[x->metric].name);
    if (x->task >= 0) text_printf(out, "(%s)", t->tasks[x->task].name);
  }
}

// How many numbers an initialiser takes: it is written with them.
static const struct { const char *name; int numbers; } init_forms[] = {
  [INIT_ZEROS] = {"zeros", 0},         [INIT_ONES] = {"ones", 0},           [INIT_CONSTANT] = {"constant", 1},
  [INIT_GLOROT_UNIFORM] = {"glorot_uniform", 0}, [INIT_GLOROT_NORMAL] = {"glorot_normal", 0},
  [INIT_HE_UNIFORM] = {"he_uniform", 0}, [INIT_HE_NORMAL] = {"he_normal", 0}, [INIT_UNIFORM] = {"uniform", 2},
  [INIT_NORMAL] = {"normal", 2},       [INIT_DIAGONAL] = {"diagonal", 2}};

const char *init_text(Init init, Arena *a) {
  Text t = {0};
  if (init.kind == INIT_CONSTANT && init.a == 0) init.kind = INIT_ZEROS;
  if (init.kind == INIT_CONSTANT && init.a == 1) init.kind = INIT_ONES;
  text_add(&t, init_forms[init.kind].name);
  for (int i = 0; i < init_forms[init.kind].numbers; i++) {
    text_add(&t, i ? ", " : "(");
    number_print(i ? init.b : init.a, &t);
  }
  if (init_forms[init.kind].numbers) text_char(&t, ')');
  const char *s = arena_strdup(a, t.data);
  text_free(&t);
  return s;
}

static void task_print(const Model *m, int i, Text *out) {
  const ModelTask *t = &m->tasks[i];
  const PlanTask *p = &m->train.tasks[i];
  text_printf(out, "task %s weight %g%s", t->name, t->weight, t->freeze ? " frozen" : "");
  rule_print(t->rule, " ", out);
  text_add(out, " loss");
  for (int k = 0; k < t->n_terms; k++)
    text_printf(out, "%s %g * %s(label %d)", k ? " +" : "", t->terms[k].factor, loss_rows[t->terms[k].loss].name,
                t->terms[k].label);
  for (int k = 0; k < t->n_values; k++) value_print(&t->values[k], k + t->n_terms == 0 ? " " : NULL, out);
  if (t->rows >= 0) text_printf(out, " rows %s", m->data.labels[t->rows].name);
  text_add(out, " metrics");
  for (int k = 0; k < p->n_metrics; k++) text_printf(out, " %s", p->metrics[k].name);
  for (int k = 0; k < p->n_matrices; k++) text_printf(out, " %s", p->matrices[k].name);
  text_char(out, '\n');
}

static void train_print(const Model *m, Text *out) {
  const TrainPlan *t = &m->train;
  text_printf(out, "train %s", optim_rows[m->optimizer.of.row].name);
  for (int i = 0; i < optim_rows[m->optimizer.of.row].n_args; i++)
    text_printf(out, " %s %g", optim_rows[m->optimizer.of.row].arg[i], m->optimizer.of.args[i]);
  text_printf(out, " batch %lld epochs %lld seed %llu%s%s\n", (long long)t->batch, (long long)t->epochs,
              (unsigned long long)t->seed, t->shuffle ? " shuffled" : "", m->blas == BLAS_OFF ? " without blas" : "");
  if (m->rule.l2 != 0 || m->rule.l1 != 0) {
    text_add(out, "groups");
    rule_print(train_rule_said(m), " ", out);
    text_char(out, '\n');
  }
  if (m->balance.spec.row >= 0) text_printf(out, "balance %s\n", m->balance.text);
  for (int i = 0; i < m->n_penalty; i++) value_print(&m->penalty[i], i ? NULL : "penalty ", out);
  if (m->n_penalty) text_char(out, '\n');
  if (t->patience)
    text_printf(out, "stop after %lld epochs without a %s %s\n", (long long)t->patience, t->stop.minimise ? "lower"
                : "higher", t->stop.text);
  text_printf(out, "best %s\n", t->best.n_terms ? t->best.text : "last");
  for (int i = 0; i < t->n_requires; i++) text_printf(out, "require %s\n", t->requires[i].text);
}

void model_print(const Model *m, Text *out) {
  text_printf(out, "model %s version %lld edition %d\n", m->name, (long long)m->version, m->edition);
  for (int i = 0; i < m->data.n_sources; i++) source_print(&m->data, &m->data.sources[i], out);
  for (int i = 0; i < m->data.n_inputs; i++) input_print(&m->data, &m->data.inputs[i], m->arena, out);
  for (int i = 0; i < m->data.n_labels; i++) label_print(m, i, out);
  split_print(&m->data, out);
  for (int i = 0; i < m->n_bindings; i++) {
    const Binding *x = &m->bindings[i];
    text_printf(out, "%s %s%s%s", x->shared ? "shared" : "let", x->name, x->freeze ? " frozen" : "", x->lazy ? " lazy" : "");
    rule_print(x->rule, " ", out);
    text_printf(out, " = %s\n", expr_spelling(m->arena, x->decl->value));
  }
  for (int i = 0; i < m->n_tasks; i++) task_print(m, i, out);
  for (int i = 0; i < m->n_outputs; i++) text_printf(out, "output %s\n", m->outputs[i].name);
  train_print(m, out);
}
