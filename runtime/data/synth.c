// synth.c: rows that fit a plan, to try a spec where there are no data yet. Each row has a hidden vector z of 4 normals;
// every column is a function of z and noise, and the labels' functions share most of their direction, so that tasks help
// each other. Deterministic: each number is a function of (seed, row, name of the column) alone. A joined source gets a row
// for each key that occurs, with a z of its own, which the labels of the rows that are joined to it follow, too.
#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include "data_int.h"
#include "../train/train_int.h"

enum { LATENT = 4, MAX_VALUES = 16 };
typedef enum {
  COLUMN_NOISE, COLUMN_REAL, COLUMN_PACKED, COLUMN_CATEGORY, COLUMN_ID, COLUMN_TEXTS, COLUMN_NEAR, COLUMN_BINARY,
  COLUMN_CLASS, COLUMN_TARGET, COLUMN_COUNT, COLUMN_SPLIT, COLUMN_KEY, COLUMN_TIME, COLUMN_WEIGHT, COLUMN_LIST, N_ROLES
} ColumnRole;
typedef struct {                                         // a file under way
  WholeFile *file;                                       // NULL: standard output
  Text text;
  int *at, n;                                            // its columns, as places in the plan; −1: the spec does not read it
  char delimiter;
  Distinct keys;                                         // of a joined source: those that have a row
} Out;
typedef struct {
  const char *name; uint64_t key;
  int source;
  ColumnRole role;
  const DataInput *input; const DataLabel *label;
  const char *texts[MAX_VALUES]; int n_texts;            // that expressions compare it with
  double numbers[MAX_VALUES]; int n_numbers;
  const char *time_format;                               // TIME
  double direction[LATENT];
  double (*elements)[LATENT];                            // PACKED: [width]
} Column;
typedef struct {
  const DataPlan *plan;
  uint64_t seed;
  Arena *arena;
  Column *column; int n;
  Text *cell;                                            // [n]: the row at hand
  double z[LATENT];
  int64_t row;
  Table table; Raw raw;                                  // the row at hand, as the loader sees it: for conditions
  Out *out;                                              // [n_sources]
} Synth;

static double uniform(uint64_t seed, uint64_t a, uint64_t b) {           // in (0, 1)
  uint64_t key[2] = {a, b};
  return ((double)(hash_bytes(key, sizeof key, seed) >> 11) + 0.5) * 0x1p-53;
}
static double normal(uint64_t seed, uint64_t a, uint64_t b) {            // Box and Muller 1958
  return sqrt(-2 * log(uniform(seed, a, 2 * b))) * cos(2 * M_PI * uniform(seed, a, 2 * b + 1));
}
static double sigmoid(double v) { return 1 / (1 + exp(-v)); }

// ---------------------------------------------------------------- what each column is
static void compared_with_text(Column *c, const char *text) {
  for (int i = 0; i < c->n_texts; i++)
    if (!strcmp(c->texts[i], text)) return;
  if (c->n_texts < MAX_VALUES) c->texts[c->n_texts++] = text;
  if (c->role == COLUMN_NOISE || c->role == COLUMN_CATEGORY) c->role = COLUMN_TEXTS;
}

static void compared_with_number(Column *c, double v) {
  if (c->n_numbers < MAX_VALUES) c->numbers[c->n_numbers++] = v;
  if (c->role == COLUMN_NOISE || c->role == COLUMN_REAL) c->role = COLUMN_NEAR;
}

// Columns that an expression compares with a value: both outcomes must occur.
static void find_compared(const RowExpr *e, Column *columns) {
  if (!e) return;
  if (e->op >= RX_EQ && e->op <= RX_GE) {
    const RowExpr *c = e->a->op == RX_COLUMN ? e->a : e->b, *v = c == e->a ? e->b : e->a;
    if (c->op == RX_COLUMN && v->op == RX_TEXT) compared_with_text(&columns[c->index], v->text);
    if (c->op == RX_COLUMN && v->op == RX_NUMBER) compared_with_number(&columns[c->index], v->number);
  }
  if (e->op == RX_COLUMN && e->time) {
    columns[e->index].role = COLUMN_TIME;
    columns[e->index].time_format = e->format;
  }
  find_compared(e->a, columns);
  find_compared(e->b, columns);
}

static void set_direction(double *direction, uint64_t seed, uint64_t name, bool is_label) {
  for (int i = 0; i < LATENT; i++) {
    direction[i] = normal(seed, name, (uint64_t)i) * 0.6;
    if (is_label) direction[i] = (i < 2 ? 1.0 : 0.2) + 0.4 * direction[i];          // labels share most of their direction
  }
}

static void set_elements(const Synth *s, Column *c) {
  c->elements = arena_alloc(s->arena, sizeof *c->elements * (size_t)c->input->width);
  for (int k = 0; k < c->input->width; k++) set_direction(c->elements[k], s->seed + 1 + (uint64_t)k, c->key, false);
}

static void input_role(const Synth *s, const DataInput *in) {
  static const ColumnRole roles[] = {[INPUT_REAL] = COLUMN_REAL, [INPUT_CATEGORY] = COLUMN_CATEGORY, [INPUT_ID] = COLUMN_ID,
                                     [INPUT_VECTOR] = COLUMN_REAL, [INPUT_LIST] = COLUMN_LIST, [INPUT_TIME] = COLUMN_TIME};
  if (in->kind != INPUT_VECTOR && in->from->op != RX_COLUMN) return;
  int first = in->kind == INPUT_VECTOR ? in->first_column : in->from->index;
  int n = in->kind == INPUT_VECTOR && !in->packed ? in->width : 1;
  for (int k = 0; k < n; k++) {
    Column *c = &s->column[first + k];
    c->role = in->packed ? COLUMN_PACKED : is_bucketized(in) ? COLUMN_REAL : roles[in->kind];
    c->input = in;
    if (in->packed) set_elements(s, c);
  }
}

static void label_role(const Synth *s, const DataLabel *l) {
  static const ColumnRole roles[] = {[LABEL_BINARY] = COLUMN_BINARY, [LABEL_CLASS] = COLUMN_CLASS,
                                     [LABEL_REAL] = COLUMN_TARGET, [LABEL_COUNT] = COLUMN_COUNT, [LABEL_RANK] = COLUMN_COUNT};
  if (l->from->op != RX_COLUMN) return;
  Column *c = &s->column[l->from->index];
  if (c->role == COLUMN_PACKED) return;
  c->role = roles[l->kind];
  c->label = l;
}

static void weight_role(const RowExpr *e, Column *columns) {
  if (!e) return;
  if (e->op == RX_COLUMN && columns[e->index].role == COLUMN_NOISE) columns[e->index].role = COLUMN_WEIGHT;
  weight_role(e->a, columns);
  weight_role(e->b, columns);
}

static void set_roles(const Synth *s) {
  const DataPlan *p = s->plan;
  for (int i = 0; i < s->n; i++) {
    const char *name = p->columns[i].name;
    s->column[i] = (Column){.name = name, .key = hash_bytes(name, strlen(name), 23), .source = p->columns[i].source};
  }
  for (int i = 1; i < p->n_sources; i++)
    for (int k = 0; k < p->sources[i].n_key; k++) s->column[p->sources[i].match[k]].role = COLUMN_KEY;
  for (int i = 0; i < p->n_inputs; i++) input_role(s, &p->inputs[i]);
  for (int i = 0; i < p->n_inputs; i++) find_compared(p->inputs[i].from, s->column);
  for (int i = 0; i < p->n_labels; i++) find_compared(p->labels[i].from, s->column);
  for (int i = 0; i < p->n_labels; i++) find_compared(p->labels[i].where, s->column);
  for (int i = 0; i < 3; i++) find_compared(p->split.rule[i], s->column);
  for (int i = 0; i < p->n_labels; i++) label_role(s, &p->labels[i]);
  weight_role(p->weight, s->column);
  if (p->split.kind == SPLIT_TIME) s->column[p->split.time].role = COLUMN_TIME;
  if (p->split.group && s->column[p->split.group - 1].role == COLUMN_NOISE) s->column[p->split.group - 1].role = COLUMN_KEY;
  for (int i = 0; i < p->n_groups; i++)
    if (s->column[p->groups[i]].role == COLUMN_NOISE) s->column[p->groups[i]].role = COLUMN_KEY;
  if (p->split.kind == SPLIT_COLUMN) s->column[p->split.column].role = COLUMN_SPLIT;
  for (int i = 0; i < s->n; i++) {
    Column *c = &s->column[i];
    set_direction(c->direction, s->seed, hash_bytes(c->name, strlen(c->name), 17), c->label || c->role == COLUMN_TEXTS);
  }
}

// ---------------------------------------------------------------- cells
typedef struct { double v, noise, u, p; } Draw;          // along the direction; normal; uniform; chance, rising with v

static double along(const double *direction, const double *z) {
  double v = 0;
  for (int i = 0; i < LATENT; i++) v += direction[i] * z[i];
  return v;
}

// v into the range that the preparation expects.
static double plausible(const Prep *p, double v) {
  if (p->map == MAP_LOG1P) v = floor(100 * exp(v)) / 100;
  if (p->map == MAP_SQRT) v = v * v;
  if (!p->has_clip) return v;
  bool lo = p->clip_at_lo == CLIP_AT_NUMBER && isfinite(p->clip_lo);
  bool hi = p->clip_at_hi == CLIP_AT_NUMBER && isfinite(p->clip_hi);
  if (lo && hi) return p->clip_lo + (p->clip_hi - p->clip_lo) * sigmoid(v);
  return lo ? p->clip_lo + exp(v) : hi ? p->clip_hi - exp(v) : v;
}

static void noise_cell(Synth *s, const Column *c, Draw x, Text *out) {
  (void)s, (void)c;
  print_number(out, x.noise, 4);
}

static void real_cell(Synth *s, const Column *c, Draw x, Text *out) {
  (void)s;
  print_number(out, plausible(&c->input->prep, x.v + 0.5 * x.noise), 5);
}

static void packed_cell(Synth *s, const Column *c, Draw x, Text *out) {
  (void)x;
  for (int k = 0; k < c->input->width; k++) {
    double noise = normal(s->seed ^ c->key, (uint64_t)s->row, 100 + (uint64_t)k);
    if (k) text_char(out, ' ');
    print_number(out, plausible(&c->input->prep, along(c->elements[k], s->z) + 0.5 * noise), 4);
  }
}

static void category_cell(Synth *s, const Column *c, Draw x, Text *out) {   // of the values that the spec gives, else of eight
  (void)s;
  const DataInput *in = c->input;
  int given = in ? in->n_vocab : 0, n = given ? given : 8, k = (int)floor(n * sigmoid(1.5 * x.v + 0.3 * x.noise));
  if (given) text_add(out, in->vocab[k < n ? k : n - 1]);
  else text_printf(out, "c%d", k);
}

static void id_cell(Synth *s, const Column *c, Draw x, Text *out) {      // few enough to return
  (void)s;
  double n = c->input->buckets < 1000 ? (double)c->input->buckets : 1000;
  text_printf(out, "u%lld", (long long)floor(n * sigmoid(x.v + 0.3 * x.noise)));
}

// Up to 8 items, each as a cell of its own would be.
static void list_cell(Synth *s, const Column *c, Draw x, Text *out) {
  const DataInput *in = c->input;
  int64_t most = in->max < 8 ? in->max : 8, n = (int64_t)floor(x.u * (double)(most + 1));
  text_add(out, "");                                      // there is a cell, though it may be empty
  for (int64_t i = 0; i < n; i++) {
    Draw item = {.v = x.v, .noise = 2 * normal(s->seed ^ c->key, (uint64_t)s->row, 200 + (uint64_t)i)};
    if (i) text_add(out, in->separator ? in->separator : " ");
    if (in->item == INPUT_REAL) real_cell(s, c, item, out);
    else if (in->item == INPUT_ID) id_cell(s, c, item, out);
    else category_cell(s, c, item, out);
  }
}

static void texts_cell(Synth *s, const Column *c, Draw x, Text *out) {
  (void)s;
  text_add(out, x.u < x.p ? c->texts[(int)(x.u / x.p * c->n_texts) % c->n_texts] : "other");
}

// Some equal to a number that it is compared with, the others on both sides of it.
static void near_cell(Synth *s, const Column *c, Draw x, Text *out) {
  (void)s;
  double at = c->numbers[(int)(x.u * c->n_numbers) % c->n_numbers], width = 0.5 * fabs(at) + 1;
  bool is_real = c->input && (c->input->prep.map != MAP_NONE || c->input->prep.has_clip);
  double v = x.v + 0.5 * x.noise;
  print_number(out, fabs(v) < 0.3 ? at : is_real ? plausible(&c->input->prep, v) : at + width * v, 6);
}

static void binary_cell(Synth *s, const Column *c, Draw x, Text *out) {
  (void)s;
  bool yes = x.u < x.p;
  if (c->label->positive) text_add(out, yes ? c->label->positive : "other");
  else text_char(out, yes ? '1' : '0');
}

static void class_cell(Synth *s, const Column *c, Draw x, Text *out) {
  (void)s;
  double n = (double)c->label->classes, k = floor(n * sigmoid(x.v + 0.4 * x.noise));
  text_printf(out, "%lld", (long long)(k < n ? k : n - 1));
}

static void target_cell(Synth *s, const Column *c, Draw x, Text *out) {  // amounts where the spec scales or conditions it
  (void)s;
  const DataLabel *l = c->label;
  bool amount = l->where || l->scale != SCALE_NONE || l->prep.map != MAP_NONE || l->not_below_0;
  double v = amount ? exp(3 + 0.5 * x.v + 0.3 * x.noise) : x.p * 0.9 + 0.05 + 0.02 * x.noise;
  if (l->prep.has_clip) v = plausible(&l->prep, x.v + 0.3 * x.noise);
  print_number(out, l->not_below_0 && x.u >= x.p ? 0 : v, 5);          // most people buy nothing
}

static void count_cell(Synth *s, const Column *c, Draw x, Text *out) {   // 0 … 4 of a rank, any count, its mean e^v
  (void)s;
  double n = floor(exp(x.v) - log(x.u));
  text_printf(out, "%.0f", c->label->kind == LABEL_RANK && n > 4 ? 4 : n < 1000 ? n : 1000);
}

static void split_cell(Synth *s, const Column *c, Draw x, Text *out) {   // 80, 10, 10 %
  (void)c;
  const Split *p = &s->plan->split;
  int part = x.u < 0.8 ? 0 : x.u < 0.9 ? 1 : 2;
  text_add(out, p->value[part] ? p->value[part] : p->value[0]);
}

static void key_cell(Synth *s, const Column *c, Draw x, Text *out) {     // that a source is joined by
  (void)s, (void)c;
  text_printf(out, "k%d", (int)floor(200 * x.u));
}

// A year of times before the last moment that the split names, or 2024, so that each part has some.
static void time_cell(Synth *s, const Column *c, Draw x, Text *out) {
  const double *edge = s->plan->split.edge, DAY = 86400;
  bool at_times = s->plan->split.kind == SPLIT_TIME && s->plan->split.at_times;
  double first = at_times ? fmin(edge[0], edge[1]) : 1704067200 + 290 * DAY, last = at_times ? edge[1] : first + 36 * DAY;
  if (!isfinite(last)) last = first;
  double t = x.u < 0.8 ? first - (0.8 - x.u) / 0.8 * 290 * DAY : x.u < 0.9 ? first + (x.u - 0.8) / 0.1 * (last - first)
                                                                         : last + (x.u - 0.9) / 0.1 * 36 * DAY;
  print_time(out, floor(t), c->time_format);
}

static void weight_cell(Synth *s, const Column *c, Draw x, Text *out) {
  (void)s, (void)c;
  print_number(out, exp(0.5 * x.noise), 4);
}

static void (*const cells[N_ROLES])(Synth *, const Column *, Draw, Text *) = {
  [COLUMN_NOISE] = noise_cell, [COLUMN_REAL] = real_cell, [COLUMN_PACKED] = packed_cell, [COLUMN_CATEGORY] = category_cell,
  [COLUMN_ID] = id_cell, [COLUMN_TEXTS] = texts_cell, [COLUMN_NEAR] = near_cell, [COLUMN_BINARY] = binary_cell,
  [COLUMN_CLASS] = class_cell, [COLUMN_TARGET] = target_cell, [COLUMN_COUNT] = count_cell, [COLUMN_SPLIT] = split_cell,
  [COLUMN_KEY] = key_cell, [COLUMN_TIME] = time_cell, [COLUMN_WEIGHT] = weight_cell, [COLUMN_LIST] = list_cell,
};

// ---------------------------------------------------------------- rows
// A label outside of its condition is 0, as in a log of a shop: no purchase without a visit.
static void obey_condition(Synth *s, int at) {
  const DataLabel *l = &s->plan->labels[at];
  if (!l->where || l->from->op != RX_COLUMN) return;
  Value w = row_value(&s->raw, 0, l->where);
  Text *cell = &s->cell[l->from->index];
  if ((w.kind && w.number != 0) || s->column[l->from->index].label != l) return;
  cell->n = 0;
  text_add(cell, l->positive ? "other" : "0");
  s->table.cell[l->from->index] = cell->data;
}

static void draw_latent(Synth *s, uint64_t seed) {
  for (int i = 0; i < LATENT; i++) s->z[i] = normal(seed, (uint64_t)s->row, (uint64_t)(1000 + i));
}

static bool follows_all(const Column *c) { return c->label && c->source == 0; }

// The cells of a source's columns; labels: those alone that follow all that is joined to the row, else the others.
static void fill_cells(Synth *s, int source, bool labels) {
  for (int i = 0; i < s->n; i++) {
    const Column *c = &s->column[i];
    if (c->source != source || follows_all(c) != labels) continue;
    uint64_t key = s->seed ^ c->key;
    Draw x = {.v = along(c->direction, s->z), .noise = normal(key, (uint64_t)s->row, 1)};
    x.u = uniform(key, (uint64_t)s->row, 77);
    x.p = sigmoid(2 * x.v + sin(2 * s->z[0]));
    s->cell[i].n = 0;
    cells[c->role](s, c, x, &s->cell[i]);
    s->table.cell[i] = s->cell[i].data;
  }
}

static void put_row(const Synth *s, Out *o);

// The row of a joined source that the row at hand finds by its key: the same whenever the key comes.
static void fill_joined(Synth *s, int source) {
  const DataSource *f = &s->plan->sources[source];
  Text key = {0};
  int64_t row = s->row;
  for (int k = 0; k < f->n_key; k++) text_printf(&key, "%s%s", k ? "\n" : "", s->cell[f->match[k]].data);
  s->row = (int64_t)(hash_bytes(key.data, key.n, 3) >> 2);
  draw_latent(s, s->seed ^ hash_bytes(f->name, strlen(f->name), 5));
  fill_cells(s, source, false);
  for (int k = 0; k < f->n_key; k++) {
    Text *cell = &s->cell[f->key[k]];
    cell->n = 0;
    text_add(cell, s->cell[f->match[k]].data);
    s->table.cell[f->key[k]] = cell->data;
  }
  s->row = row;
  int64_t before = s->out[source].keys.n;
  if (distinct_add(&s->out[source].keys, key.data) == before) put_row(s, &s->out[source]);
  text_free(&key);
}

static void fill_labels(Synth *s) {
  for (int i = 0; i < s->plan->n_labels; i++) {
    obey_condition(s, i);
    if (s->plan->labels[i].kind != LABEL_CLASS) {
      raw_label(&s->raw, i);
      continue;
    }
    Value v = row_value(&s->raw, 0, s->plan->labels[i].from);
    s->raw.known[i][0] = v.kind == VALUE_TEXT ? parse_number(v.text, s->raw.label[i]) : v.kind != VALUE_UNKNOWN;
    if (v.kind && v.kind != VALUE_TEXT) s->raw.label[i][0] = v.number;
  }
}

static void fill_row(Synth *s) {
  int n = s->plan->n_sources;
  double sum[LATENT];
  draw_latent(s, s->seed);
  fill_cells(s, 0, false);
  memcpy(sum, s->z, sizeof sum);
  for (int i = 0; i < n - 1; i++) {
    fill_joined(s, s->plan->join_order[i]);
    for (int k = 0; k < LATENT; k++) sum[k] += s->z[k];
  }
  for (int k = 0; k < LATENT; k++) s->z[k] = n > 1 ? sum[k] / sqrt(n) : sum[k];
  fill_cells(s, 0, true);
  fill_labels(s);
}

static void put_field(Text *out, const char *s, char delimiter) {
  if (!strchr(s, delimiter) && !strpbrk(s, "\"\r\n")) {
    text_add(out, s);
    return;
  }
  text_char(out, '"');
  for (; *s; s++) {
    if (*s == '"') text_char(out, '"');
    text_char(out, *s);
  }
  text_char(out, '"');
}

// Columns of a source's file, in its order; each name once.
static void file_columns(const Synth *s, int source, Out *o) {
  const DataSource *f = &s->plan->sources[source];
  int *first = NEW_ARRAY(s->arena, int, s->n + 1);
  o->at = NEW_ARRAY(s->arena, int, s->n + f->n_header + 1);
  Distinct names;
  distinct_init(&names, s->arena, 0);
  for (int i = 0; i < s->n; i++) {
    int64_t before = names.n;
    if (s->column[i].source != source || distinct_add(&names, s->column[i].name) != before) continue;
    first[before] = i;
    if (!f->n_header) o->at[o->n++] = i;
  }
  int64_t known = names.n;
  for (int i = 0; i < f->n_header; i++) {
    int32_t code = distinct_add(&names, f->header[i]);
    o->at[o->n++] = code < known ? first[code] : -1;
  }
  distinct_free(&names);
}

static void open_row(Synth *s) {
  const DataPlan *p = s->plan;
  Arena *a = s->arena;
  s->cell = NEW_ARRAY(a, Text, s->n + 1);
  s->table = (Table){.path = "", .n_columns = s->n, .width = s->n, .n_rows = 1, .cell = NEW_ARRAY(a, char *, s->n + 1),
                     .line = NEW_ARRAY(a, int64_t, 1)};
  s->raw = (Raw){.plan = p, .table = &s->table, .arena = a, .n = 1, .mute = true, .column = NEW_ARRAY(a, int, s->n + 1),
                 .label = NEW_ARRAY(a, double *, p->n_labels + 1), .known = NEW_ARRAY(a, uint8_t *, p->n_labels + 1),
                 .check = raw_checks(p, a)};
  for (int i = 0; i < s->n; i++) s->raw.column[i] = i;
  for (int i = 0; i < p->n_labels; i++) {
    if (p->labels[i].kind != LABEL_BINARY) s->raw.label[i] = NEW_ARRAY(a, double, 1);
    s->raw.known[i] = NEW_ARRAY(a, uint8_t, 1);
  }
}

// To a file, whole or not at all; file NULL: to standard output.
static bool flush(WholeFile *file, Text *out, Diag *d) {
  bool ok = true;
  if (file) ok = whole_add(file, out->data, out->n);
  else if (fwrite(out->data, 1, out->n, stdout) != out->n || fflush(stdout)) {
    diag_machine(d, errno == ENOSPC ? "disk-full" : "cannot-write", "cannot write to standard output: %s", strerror(errno));
    ok = false;
  }
  out->n = 0;
  return ok;
}

static void put_row(const Synth *s, Out *o) {
  for (int i = 0; i < o->n; i++) {
    if (i) text_char(&o->text, o->delimiter);
    put_field(&o->text, o->at[i] >= 0 ? s->cell[o->at[i]].data : "0", o->delimiter);
  }
  text_char(&o->text, '\n');
}

static bool open_out(Synth *s, int source, const char *path, Diag *d) {
  const DataSource *f = &s->plan->sources[source];
  Out *o = &s->out[source];
  bool to_file = strcmp(path, "-") != 0;
  o->delimiter = csv_delimiter(path, f);
  distinct_init(&o->keys, s->arena, 0);
  o->keys.copies = s->arena;
  file_columns(s, source, o);
  for (int i = 0; !f->n_header && i < o->n; i++) {
    if (i) text_char(&o->text, o->delimiter);
    put_field(&o->text, s->column[o->at[i]].name, o->delimiter);
  }
  if (!f->n_header) text_char(&o->text, '\n');
  if (to_file) o->file = whole_open(path, d);
  return !to_file || o->file;
}

// Of several sources, each has a file in a folder.
static char *path_of(const Synth *s, int source, const char *path) {
  if (s->plan->n_sources == 1) return arena_strdup(s->arena, path);
  char *name = arena_strdup(s->arena, s->plan->sources[source].name);
  for (char *c = name; *c; c++)
    if (*c == '/') *c = '_';
  return arena_printf(s->arena, "%s/%s.csv", path, name);
}

static bool open_folder(const char *path, Diag *d) {
  if (!strcmp(path, "-")) {
    diag_error(d, "several-files", (Place){0},
               "the rows of several sources are several files: name a folder for them with -o");
    return false;
  }
  if (!mkdir(path, 0777) || errno == EEXIST) return true;
  diag_machine(d, "cannot-write", "cannot make the folder `%s`: %s", path, strerror(errno));
  return false;
}

static bool write_rows(Synth *s, int64_t rows, const char *path, Diag *d) {
  enum { PIECE = 1 << 20 };
  int n = s->plan->n_sources;
  bool ok = n == 1 || open_folder(path, d);
  for (int i = 0; i < n && ok; i++) ok = open_out(s, i, path_of(s, i, path), d);
  for (s->row = 0; ok && s->row < rows; s->row++) {
    fill_row(s);
    put_row(s, &s->out[0]);
    for (int i = 0; i < n && ok; i++)
      if (s->out[i].text.n >= PIECE) ok = flush(s->out[i].file, &s->out[i].text, d);
  }
  for (int i = 0; i < n; i++) {
    Out *o = &s->out[i];
    ok = ok && flush(o->file, &o->text, d);
    if (o->file) ok = whole_close(o->file, true) && ok;
    text_free(&o->text);
    distinct_free(&o->keys);
  }
  return ok;
}

bool synth_write(const DataPlan *p, int64_t rows, uint64_t seed, const char *path, Diag *d) {
  Synth s = {.plan = p, .seed = seed, .arena = arena_new(), .n = p->n_columns};
  s.column = NEW_ARRAY(s.arena, Column, s.n + 1);
  s.out = NEW_ARRAY(s.arena, Out, p->n_sources + 1);
  set_roles(&s);
  open_row(&s);
  bool ok = write_rows(&s, rows, path, d);
  for (int i = 0; i < s.n; i++) text_free(&s.cell[i]);
  arena_free(s.arena);
  return ok;
}
