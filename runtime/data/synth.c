// synth.c: rows that fit a plan, to try a spec where there are no data yet. Each row has a hidden vector z of 4 normals; every
// column is a function of z and noise, and the labels' functions share most of their direction, so that tasks help each other.
// Deterministic: every number is a function of (seed, row, column name) alone.
#include <errno.h>
#include <math.h>
#include "data_int.h"
#include "../train.h"

enum { LATENT = 4, MAX_TEXTS = 16 };
typedef enum { COLUMN_NOISE, COLUMN_REAL, COLUMN_CATEGORY, COLUMN_ID, COLUMN_TEXTS, COLUMN_BINARY, COLUMN_CLASS, COLUMN_TARGET } ColumnRole;
typedef struct {
  const char *name; ColumnRole role;
  const DataInput *input; const DataLabel *label;
  const char *texts[MAX_TEXTS]; int n_texts;           // values that expressions compare it with
  double direction[LATENT];
  int only_where;                                       // column of the label that must be true, or −1
  bool positive_only;
} Column;
typedef struct { const DataPlan *p; uint64_t seed; Column *column; int n; } Synth;

static double uniform(uint64_t seed, uint64_t a, uint64_t b) {
  uint64_t key[2] = { a, b };
  return ((double)(hash_bytes(key, sizeof key, seed) >> 11) + 0.5) * 0x1p-53;
}
static double normal(uint64_t seed, uint64_t a, uint64_t b) {
  return sqrt(-2 * log(uniform(seed, a, 2 * b))) * cos(2 * M_PI * uniform(seed, a, 2 * b + 1));
}

// ---------------------------------------------------------------- what each column is
static void find_texts(const RowExpr *e, Column *columns) {              // column == "text"
  if (!e) return;
  if (e->op >= RX_EQ && e->op <= RX_GE && e->a->op == RX_COLUMN && e->b->op == RX_TEXT) {
    Column *c = &columns[e->a->index];
    bool known = false;
    for (int i = 0; i < c->n_texts; i++) known |= !strcmp(c->texts[i], e->b->text);
    if (!known && c->n_texts < MAX_TEXTS) c->texts[c->n_texts++] = e->b->text;
    if (c->role == COLUMN_NOISE || c->role == COLUMN_CATEGORY) c->role = COLUMN_TEXTS;
  }
  find_texts(e->a, columns);
  find_texts(e->b, columns);
}

static void input_role(Synth *s, const DataInput *in) {
  if (in->kind == INPUT_VECTOR) {
    for (int k = 0; k < (in->packed ? 1 : in->width); k++) s->column[in->first_column + k].role = COLUMN_REAL, s->column[in->first_column + k].input = in;
    return;
  }
  if (in->from->op != RX_COLUMN) return;
  Column *c = &s->column[in->from->index];
  c->input = in;
  c->role = in->kind == INPUT_REAL ? COLUMN_REAL : in->kind == INPUT_ID ? COLUMN_ID : COLUMN_CATEGORY;
}

static void label_role(Synth *s, const DataLabel *l) {
  if (l->from->op != RX_COLUMN) return;
  Column *c = &s->column[l->from->index];
  c->label = l;
  c->role = l->kind == LABEL_BINARY ? COLUMN_BINARY : l->kind == LABEL_CLASS ? COLUMN_CLASS : COLUMN_TARGET;
  if (!l->where || l->where->op != RX_LABEL) return;
  const RowExpr *from = s->p->labels[l->where->index].from;
  if (from->op == RX_COLUMN) c->only_where = from->index;
}

static void set_direction(Column *c, uint64_t seed, bool is_label) {
  uint64_t name = hash_bytes(c->name, strlen(c->name), 17);
  for (int i = 0; i < LATENT; i++) {
    c->direction[i] = normal(seed, name, (uint64_t)i) * 0.6;
    if (is_label) c->direction[i] = (i < 2 ? 1.0 : 0.2) + 0.4 * c->direction[i];   // labels share most of their direction
  }
}

static Synth plan_columns(const DataPlan *p, uint64_t seed, Arena *a) {
  Synth s = { p, seed, NEW_ARRAY(a, Column, p->n_columns + 1), p->n_columns };
  for (int i = 0; i < s.n; i++) s.column[i] = (Column){ .name = p->columns[i].name, .only_where = -1 };
  for (int i = 0; i < p->n_inputs; i++) input_role(&s, &p->inputs[i]);
  for (int i = 0; i < p->n_labels; i++) label_role(&s, &p->labels[i]);
  for (int i = 0; i < p->n_inputs; i++) find_texts(p->inputs[i].from, s.column);
  for (int i = 0; i < p->n_labels; i++) find_texts(p->labels[i].from, s.column), find_texts(p->labels[i].where, s.column);
  for (int i = 0; i < 3; i++) find_texts(p->split.rule[i], s.column);
  for (int i = 0; i < s.n; i++) set_direction(&s.column[i], seed, s.column[i].label != NULL || s.column[i].role == COLUMN_TEXTS);
  return s;
}

// ---------------------------------------------------------------- cells
static double projection(const Column *c, const double *z) {
  double v = 0;
  for (int i = 0; i < LATENT; i++) v += c->direction[i] * z[i];
  return v;
}

static void real_cell(const Column *c, double v, Text *out) {
  if (c->input && c->input->prep.map == MAP_LOG1P) v = floor(100 * exp(v)) / 100;
  if (c->input && c->input->prep.map == MAP_SQRT) v = v * v;
  if (c->input && c->input->prep.has_clip) v = c->input->prep.clip_lo + (c->input->prep.clip_hi - c->input->prep.clip_lo) / (1 + exp(-v));
  text_printf(out, "%.5g", v);
}

static void cell(const Synth *s, const Column *c, const double *z, double noise, double u, const double *truth, Text *out, double *mine) {
  double v = projection(c, z), p = 1 / (1 + exp(-2 * v - sin(2 * z[0])));
  bool counts = c->only_where < 0 || truth[c->only_where] != 0;
  *mine = 0;
  switch (c->role) {
  case COLUMN_REAL:
    if (c->input->packed)
      for (int k = 0; k < c->input->width; k++) text_printf(out, "%s%.4g", k ? " " : "", v + 0.5 * noise + 0.1 * k);
    else real_cell(c, v + 0.5 * noise, out);
    return;
  case COLUMN_CATEGORY: text_printf(out, "c%d", (int)floor(8 / (1 + exp(-1.5 * v - 0.3 * noise)))); return;
  case COLUMN_ID: text_printf(out, "u%lld", (long long)floor((double)c->input->buckets / (1 + exp(-v - 0.3 * noise)))); return;
  case COLUMN_TEXTS:
    if (u < p && c->n_texts) text_add(out, c->texts[c->n_texts == 1 ? 0 : (int)(u / p * c->n_texts) % c->n_texts]);
    else text_add(out, "other");
    return;
  case COLUMN_BINARY:
    *mine = counts && u < p;
    if (c->label->positive) text_add(out, *mine != 0 ? c->label->positive : "other");
    else text_printf(out, "%d", (int)*mine);
    return;
  case COLUMN_CLASS: {
    double q = (v + 0.4 * noise) / 2;
    int64_t k = (int64_t)floor((double)c->label->classes / (1 + exp(-q * 2)));
    text_printf(out, "%lld", (long long)(k < c->label->classes ? k : c->label->classes - 1));
    return;
  }
  case COLUMN_TARGET:
    *mine = counts ? c->only_where >= 0 ? exp(3 + 0.5 * v + 0.3 * noise) : p * 0.9 + 0.05 + 0.02 * noise : 0;
    text_printf(out, "%.5g", *mine);
    return;
  default: text_printf(out, "%.4g", noise); (void)s;
  }
}

static void row_cells(const Synth *s, int64_t row, Text *cells, double *truth) {
  double z[LATENT];
  bool *done = xcalloc((size_t)s->n + 1, sizeof *done);
  for (int i = 0; i < LATENT; i++) z[i] = normal(s->seed, (uint64_t)row, (uint64_t)(1000 + i));
  for (int left = s->n, pass = 0; left > 0 && pass <= s->n; pass++)         // a label after the one that it depends on
    for (int i = 0; i < s->n; i++) {
      const Column *c = &s->column[i];
      if (done[i] || (c->only_where >= 0 && !done[c->only_where] && pass < s->n)) continue;
      uint64_t name = hash_bytes(c->name, strlen(c->name), 23);
      cells[i].n = 0;
      cell(s, c, z, normal(s->seed ^ name, (uint64_t)row, 1), uniform(s->seed ^ name, (uint64_t)row, 77), truth, &cells[i], &truth[i]);
      done[i] = true;
      left--;
    }
  free(done);
}

static void put_field(Text *out, const char *s, char delimiter) {
  if (!strchr(s, delimiter) && !strchr(s, '"') && !strchr(s, '\n')) { text_add(out, s); return; }
  text_char(out, '"');
  for (; *s; s++) {
    if (*s == '"') text_char(out, '"');
    text_char(out, *s);
  }
  text_char(out, '"');
}

static int column_named(const Synth *s, const char *name) {
  for (int i = 0; i < s->n; i++)
    if (!strcmp(s->column[i].name, name)) return i;
  return -1;
}

static void all_rows(const Synth *s, int64_t rows, Text *out) {
  const DataSource *f = &s->p->sources[0];
  char delimiter = f->delimiter ? f->delimiter : ',';
  int n = f->n_header ? f->n_header : s->n;
  Text *cells = xcalloc((size_t)s->n + 1, sizeof *cells);
  double *truth = xcalloc((size_t)s->n + 1, sizeof *truth);
  for (int i = 0; !f->n_header && i < n; i++) {
    if (i) text_char(out, delimiter);
    put_field(out, s->column[i].name, delimiter);
  }
  if (!f->n_header) text_char(out, '\n');
  for (int64_t row = 0; row < rows; row++) {
    row_cells(s, row, cells, truth);
    for (int i = 0; i < n; i++) {
      int at = f->n_header ? column_named(s, f->header[i]) : i;
      if (i) text_char(out, delimiter);
      put_field(out, at >= 0 && cells[at].data ? cells[at].data : "0", delimiter);
    }
    text_char(out, '\n');
  }
  for (int i = 0; i < s->n; i++) text_free(&cells[i]);
  free(cells);
  free(truth);
}

bool synth_write(const DataPlan *p, int64_t rows, uint64_t seed, const char *path, Diag *d) {
  Arena *a = arena_new();
  Synth s = plan_columns(p, seed, a);
  Text out = {0};
  all_rows(&s, rows, &out);
  bool ok = true;
  if (strcmp(path, "-")) ok = file_write_whole(path, out.data ? out.data : "", out.n, d);
  else if (fwrite(out.data, 1, out.n, stdout) != out.n || fflush(stdout)) {
    diag_machine(d, "cannot-write", "cannot write standard output: %s", strerror(errno));
    ok = false;
  }
  text_free(&out);
  arena_free(a);
  return ok;
}
