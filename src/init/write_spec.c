// write_spec.c: the text of a first spec: what was guessed, with the reasons as comments. Columns are aligned by the formatter,
// through which it goes afterwards.
#include "init.h"

typedef struct { const char *text, *note; } SpecLine;                 // note: the comment behind it; NULL: none
typedef struct {
  const Guess *g;
  Text *out;
  const char *source, *x, *trunk, *categories, *ids, *numbers, *lists;        // names that no column has
} Writer;

// ---------------------------------------------------------------- names of its own
static const char *label_name(const Writer *w, const Choice *c) {     // of the column `visit`: y_visit
  return spec_name(w->g->a, own_name(w->g, arena_printf(w->g->a, "y_%s", c->p->name)));
}

// ---------------------------------------------------------------- lines
static int width_of(const char *s) { return display_width(s, strlen(s)); }

static void pad(Text *out, const char *s, int width) {
  text_add(out, s);
  for (int n = width_of(s); n < width; n++) text_char(out, ' ');
}

static char *padded(Arena *a, const char *s, int width) {
  Text t = {0};
  pad(&t, s, width);
  char *r = arena_strdup(a, t.data ? t.data : "");
  text_free(&t);
  return r;
}

static void print_line(Text *out, const SpecLine *line) { text_printf(out, line->note ? "%s  # %s\n" : "%s\n", line->text, line->note); }

static void print_list(Text *out, const char *before, const char *const *items, int n, const char *after) {
  text_add(out, before);
  for (int i = 0; i < n; i++) text_printf(out, "%s%s", i ? ", " : "", items[i]);
  text_printf(out, "%s\n", after);
}

// ---------------------------------------------------------------- source, inputs, labels
static void write_source(const Writer *w, const char *data) {
  const Guess *g = w->g;
  const DataSource *f = g->format;
  text_printf(w->out, "source %s {\n  file = %s\n", w->source, spec_string(g->a, data));
  if (f->n_header) {
    const char **names = NEW_ARRAY(g->a, const char *, f->n_header + 1);
    for (int i = 0; i < f->n_header; i++) names[i] = spec_string(g->a, f->header[i]);
    text_add(w->out, "  # the first row is no header: give the columns better names, here and below\n");
    print_list(w->out, "  columns = [", names, f->n_header, "]");
  }
  if (f->delimiter) text_printf(w->out, "  delimiter = %s\n", spec_string(g->a, (char[]){ f->delimiter, 0 }));
  if (f->trim) text_add(w->out, "  trim = true  # blanks stand around fields\n");
  if (g->p->n_na > 1) {
    const char **na = NEW_ARRAY(g->a, const char *, g->p->n_na + 1);
    for (int i = 0; i < g->p->n_na; i++) na[i] = spec_string(g->a, g->p->na[i]);
    print_list(w->out, "  na = [", na, g->p->n_na, "]  # spellings of a missing value");
  }
  text_add(w->out, "}\n\n");
}

static const char *input_name(const Guess *g, int i) {                // of a vector: what stands before _0
  const Choice *c = &g->c[i];
  if (c->group_size <= 0) return c->name;
  return spec_name(g->a, arena_strndup(g->a, c->p->name, strlen(c->p->name) - 2));
}

static SpecLine input_line(const Writer *w, int i) {
  const Guess *g = w->g;
  const Choice *c = &g->c[i];
  if (c->group_size <= 0) {
    const char *from = c->name == c->column ? "" : arena_printf(g->a, " = %s.%s", w->source, c->column);
    return (SpecLine){ arena_printf(g->a, "input %s : %s%s { %s }", c->name, c->type, from, c->clauses), c->note };
  }
  bool missing = false;
  for (int k = 0; k < c->group_size; k++) missing |= g->c[i + k].p->missing > 0;
  return (SpecLine){ arena_printf(g->a, "input %s : vector(%d) { %sscale = zscore }", input_name(g, i), c->group_size, missing ? "missing = mean, " : ""),
                     arena_printf(g->a, "%s … %s", c->p->name, g->c[i + c->group_size - 1].p->name) };
}

static void write_left_out(const Writer *w) {
  const Guess *g = w->g;
  bool any = false;
  int width = 0;
  for (int i = 0; i < g->p->n; i++)
    if (g->c[i].role == ROLE_OUT && !g->c[i].leaks && width_of(g->c[i].p->name) > width) width = width_of(g->c[i].p->name);
  for (int i = 0; i < g->p->n; i++) {
    const Choice *c = &g->c[i];
    if (c->role != ROLE_OUT) continue;
    text_add(w->out, any ? "" : "\n# Left out:\n");
    any = true;
    const char *name = c->name ? c->name : shown_value(g->a, c->p->name);
    if (c->leaks) text_printf(w->out, "# input %s : %s { %s }   %s\n", name, c->type, c->clauses, c->why);
    else text_printf(w->out, "#   %s  %s\n", padded(g->a, name, width), c->why);
  }
}

static void write_inputs(const Writer *w) {
  const Guess *g = w->g;
  for (int i = 0; i < g->p->n; i++) {
    if (g->c[i].role != ROLE_INPUT || g->c[i].group_size < 0) continue;
    SpecLine line = input_line(w, i);
    print_line(w->out, &line);
  }
  write_left_out(w);
  text_add(w->out, "\n");
}

static void write_labels(const Writer *w) {
  const Guess *g = w->g;
  for (int i = 0; i < g->p->n; i++) {
    const Choice *c = &g->c[i];
    if (c->role != ROLE_LABEL) continue;
    const char *block = *c->clauses ? arena_printf(g->a, " { %s }", c->clauses) : "";
    SpecLine line = { arena_printf(g->a, "label %s : %s = %s.%s%s%s", label_name(w, c), c->type, w->source, c->column, c->value, block), c->note };
    print_line(w->out, &line);
  }
  enum { MOST = 12 };
  int n = 0;
  const char *more[MOST];
  for (int i = 0; i < g->p->n && n < MOST; i++)
    if (g->c[i].role == ROLE_INPUT && label_score(g->p, i) >= 1) more[n++] = g->c[i].name;
  if (n) print_list(w->out, "# Could be labels too: ", more, n, "");
  text_add(w->out, "\n");
}

// ---------------------------------------------------------------- the model
static int inputs_of(const Guess *g, const char *type, const char **names) {
  int n = 0;
  for (int i = 0; i < g->p->n; i++)
    if (g->c[i].role == ROLE_INPUT && g->c[i].group_size >= 0 && !strcmp(g->c[i].type, type)) names[n++] = input_name(g, i);
  return n;
}

static const char *widths_text(const Guess *g) { return g->p->rows < 2000 ? "[32, 16]" : g->p->rows < 500000 ? "[64, 32]" : "[256, 128, 64]"; }

// How inputs of these types become numbers side by side: a `let` with their names, and what the trunk takes of it.
static void write_trunk(const Writer *w) {
  const Guess *g = w->g;
  const struct { const char *name; const char *types[3]; const char *part; } groups[] = {
    { w->categories, { "category" },                         "repeat(c in %s, embed(c, 8))" },
    { w->ids,        { "id" },                               "repeat(c in %s, embed(c, 16))" },
    { w->lists,      { "list(category)", "list(id)", "text" }, "repeat(c in %s, mean(embed(c, 16)))" },
    { w->numbers,    { "real", "time" },                     "%s" },
  };
  const char *part[COUNT_OF(groups)];
  int n_parts = 0;
  for (int k = 0; k < COUNT_OF(groups); k++) {
    const char **names = NEW_ARRAY(g->a, const char *, g->p->n + 1);
    int n = 0;
    for (int t = 0; t < 3 && groups[k].types[t]; t++) n += inputs_of(g, groups[k].types[t], names + n);
    if (!n) continue;
    print_list(w->out, arena_printf(g->a, "let %s = [", groups[k].name), names, n, "]");
    const char *before = groups[k].part, *mark = strstr(before, "%s");
    part[n_parts++] = arena_printf(g->a, "%.*s%s%s", (int)(mark - before), before, groups[k].name, mark + 2);
  }
  print_list(w->out, arena_printf(g->a, "let %s = concat(", w->x), part, n_parts, ")");
  text_printf(w->out, "%s %s = %s |> mlp(%s, relu)\n\n", g->n_labels > 1 ? "shared" : "let", w->trunk, w->x, widths_text(g));
}

static void write_tasks(const Writer *w) {
  const Guess *g = w->g;
  for (int i = 0; i < g->p->n; i++) {
    const Choice *c = &g->c[i];
    if (c->role != ROLE_LABEL) continue;
    const char *label = label_name(w, c);
    text_printf(w->out, "task %s { head = %s |> ", c->name, w->trunk);
    if (c->kind == LABEL_BINARY) text_printf(w->out, "dense(1) |> sigmoid, loss = bce(%s), metric = [auc, logloss] }\n", label);
    else if (c->kind == LABEL_REAL) text_printf(w->out, "dense(1), loss = mse(%s), metric = [rmse, r2] }\n", label);
    else text_printf(w->out, "dense(%lld) |> softmax, loss = cross_entropy(%s), metric = [accuracy] }\n", (long long)c->classes, label);
  }
  if (g->n_labels == 1) text_printf(w->out, "# One task: add another label and task to let them share %s.\n", w->trunk);
  text_add(w->out, "\n");
}

// ---------------------------------------------------------------- training
// Where there is a part to judge by, epochs end by it.
static bool write_split(const Writer *w) {
  enum { LEAST_FOR_PARTS = 30 };
  const Guess *g = w->g;
  if (g->split < 0) {
    bool parts = g->p->rows >= LEAST_FOR_PARTS;
    text_add(w->out, parts ? "  split     = fraction(train = 0.8, valid = 0.1, test = 0.1)\n"
                           : "  split = fraction(train = 1)  # too few rows to hold any out\n");
    return parts;
  }
  const Choice *c = &g->c[g->split];
  const char *value[3] = {0};
  for (int64_t i = 0; i < c->p->distinct; i++) value[split_part(c->p->value[i].value)] = c->p->value[i].value;
  static const char *const parts[] = { "train", "valid", "test" };
  text_printf(w->out, "  split     = column(%s.%s", w->source, c->column);
  for (int i = 0; i < 3; i++)
    if (value[i]) text_printf(w->out, ", %s = %s", parts[i], spec_string(g->a, value[i]));
  text_add(w->out, ")\n");
  return value[1] != NULL;
}

static void write_train(const Writer *w) {
  int64_t batch = 32;
  while (batch < 1024 && batch * 200 < w->g->p->rows) batch *= 2;
  text_printf(w->out, "train {\n  optimizer = adam(0.001)\n  batch     = %lld\n  epochs    = 30\n", (long long)batch);
  if (write_split(w)) text_add(w->out, "  stop = patience(3, loss)  # ends when the losses on valid get no better, and keeps the best epoch\n");
  text_add(w->out, "  seed      = 1\n}\n");
}

static void write_head(const Writer *w, const char *data, const char *model, const char *spec) {
  const Guess *g = w->g;
  text_printf(w->out, "# A first spec, guessed from %s: %s, %s. Read it and mend it: behind each line stands what it was\n"
                      "# guessed from. Then:\n", shown_value(g->a, data), count_text(g->a, g->p->rows, "row"), count_text(g->a, g->p->n, "column"));
  text_printf(w->out, "#   mtlc check %s\n#   mtlc run %s\n", spec, spec);
  text_printf(w->out, "model %s\nedition 2026\n\n", model);
}

void write_spec(const Guess *g, const char *data, const char *model, const char *spec, Text *out) {
  Writer w = { .g = g, .out = out };
  w.source = own_name(g, "data");
  w.x = own_name(g, "x");
  w.trunk = own_name(g, "trunk");
  w.categories = own_name(g, "categories");
  w.ids = own_name(g, "ids");
  w.lists = own_name(g, "lists");
  w.numbers = own_name(g, "numbers");
  write_head(&w, data, model, spec);
  write_source(&w, data);
  write_inputs(&w);
  write_labels(&w);
  write_trunk(&w);
  write_tasks(&w);
  write_train(&w);
}
