// profile.c: a table → what each column holds. First the distinct texts of every column; from these the spellings of a missing
// value; then shapes and figures.
#include <math.h>
#include "../profile.h"
#include "data_int.h"

// ---------------------------------------------------------------- missing values
// strong: never the name of a category.
static const struct { const char *text; bool strong; } spellings[] = {
  { "?", true },     { "NA", true },    { "N/A", true },   { "n/a", true },     { "NaN", true },     { "nan", true },     { "NULL", true },
  { "null", true },  { "#N/A", true },  { "<NA>", true },  { "None", false },   { "none", false },   { "na", false },     { "-", false },
  { "--", false },   { ".", false },    { "nil", false },  { "missing", false }, { "unknown", false }, { "Unknown", false }, { "inf", false },
};

static bool is_spelling(const char *s, bool *strong) {
  for (int i = 0; i < COUNT_OF(spellings); i++)
    if (!strcmp(s, spellings[i].text)) {
      *strong = spellings[i].strong;
      return true;
    }
  return false;
}

static bool is_na(const Profiles *p, const char *s) {
  if (!*s) return true;
  for (int i = 0; i < p->n_na; i++)
    if (!strcmp(s, p->na[i])) return true;
  return false;
}

static void add_na(Profiles *p, const char *s) {
  if (*s && !is_na(p, s)) p->na[p->n_na++] = s;
}

// All numbers but for spellings of a missing value, and at least one number?
static bool is_number_column(const Distinct *d) {
  bool any = false, strong;
  double v;
  for (int64_t i = 0; i < d->n; i++) {
    if (!*d->value[i] || is_spelling(d->value[i], &strong)) continue;
    if (!parse_number(d->value[i], &v)) return false;
    any = true;
  }
  return any;
}

static void find_na(Profiles *p, const Distinct *columns) {
  p->na = NEW_ARRAY(p->arena, const char *, COUNT_OF(spellings) + 1);
  p->na[p->n_na++] = "";
  for (int i = 0; i < p->n; i++) {
    bool number = is_number_column(&columns[i]), strong;
    for (int64_t k = 0; k < columns[i].n; k++)
      if (is_spelling(columns[i].value[k], &strong) && (strong || number)) add_na(p, columns[i].value[k]);
  }
}

// ---------------------------------------------------------------- one column
static bool digits(const char **s, int n) {
  for (int i = 0; i < n; i++, ++*s)
    if (**s < '0' || **s > '9') return false;
  return true;
}

// 2024-03-01, 2024/03/01, 01.03.2024, 3/1/2024; a time of day may follow.
static bool looks_like_time(const char *s) {
  const char *p = s;
  if (digits(&p, 4) && (*p == '-' || *p == '/')) {
    char mark = *p++;
    if (!digits(&p, 2) || *p++ != mark || !digits(&p, 2)) return false;
  } else {
    int n[3] = {0}, k = 0;
    char mark = 0;
    for (p = s; k < 3; p++) {
      if (*p >= '0' && *p <= '9') n[k]++;
      else if (k < 2 && n[k] && (*p == '/' || *p == '.') && (!mark || mark == *p)) mark = *p, k++;
      else break;
    }
    if (k != 2 || n[0] > 2 || n[1] > 2 || n[2] != 4) return false;
  }
  return !*p || ((*p == ' ' || *p == 'T') && p[1] >= '0' && p[1] <= '9');
}

static int by_count(const void *a, const void *b) {
  const Frequency *x = a, *y = b;
  return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : strcmp(x->value, y->value);
}

// Fills value, code, distinct and missing: what is not missing, by frequency.
static void count_values(Profiles *p, Profile *c, const Distinct *d) {
  int64_t *count = xcalloc((size_t)d->n + 1, sizeof *count);
  int32_t *place = xcalloc((size_t)d->n + 1, sizeof *place);
  c->value = NEW_ARRAY(p->arena, Frequency, d->n + 1);
  c->code = NEW_ARRAY(p->arena, int32_t, p->rows + 1);
  for (int64_t r = 0; r < p->rows; r++) count[d->code[r]]++;
  for (int64_t i = 0; i < d->n; i++) {
    if (is_na(p, d->value[i])) c->missing += count[i];
    else c->value[c->distinct++] = (Frequency){ d->value[i], count[i] };
  }
  qsort(c->value, (size_t)c->distinct, sizeof *c->value, by_count);
  Distinct sorted;                                           // text → its place
  distinct_init(&sorted, p->arena, 0);
  for (int64_t i = 0; i < c->distinct; i++) distinct_add(&sorted, c->value[i].value);
  for (int64_t i = 0; i < d->n; i++) place[i] = is_na(p, d->value[i]) ? -1 : distinct_add(&sorted, d->value[i]);
  for (int64_t r = 0; r < p->rows; r++) c->code[r] = place[d->code[r]];
  distinct_free(&sorted);
  free(count);
  free(place);
}

static void number_figures(Profile *c, int64_t rows) {
  double n = 0, sum = 0, m2 = 0, m3 = 0;
  c->whole = true;
  c->lo = INFINITY;
  c->hi = -INFINITY;
  for (int64_t i = 0; i < c->distinct; i++) {
    double v = c->number[i], w = (double)c->value[i].count;
    c->whole &= v == floor(v) && fabs(v) < 0x1p53;
    c->lo = fmin(c->lo, v);
    c->hi = fmax(c->hi, v);
    n += w;
    sum += w * v;
  }
  c->mean = sum / n;
  for (int64_t i = 0; i < c->distinct; i++) {
    double gap = c->number[i] - c->mean, w = (double)c->value[i].count / n;
    m2 += w * gap * gap;
    m3 += w * gap * gap * gap;
  }
  c->skew = m2 > 0 ? m3 / pow(m2, 1.5) : 0;
  c->counts_rows = c->whole && c->missing == 0 && c->distinct == rows && rows > 2;
  for (int64_t r = 1; r < rows && c->counts_rows; r++) c->counts_rows = c->number[c->code[r]] == c->number[c->code[r - 1]] + 1;
}

static double mean_words(const Profile *c) {
  double words = 0, rows = 0;
  for (int64_t i = 0; i < c->distinct; i++) {
    int n = 0;
    for (const char *s = c->value[i].value; *s; s++) n += *s != ' ' && (s[1] == ' ' || !s[1]);
    words += (double)n * (double)c->value[i].count;
    rows += (double)c->value[i].count;
  }
  return rows > 0 ? words / rows : 0;
}

static void shape_column(Profiles *p, Profile *c) {
  bool number = true, time = true;
  c->number = NEW_ARRAY(p->arena, double, c->distinct + 1);
  for (int64_t i = 0; i < c->distinct; i++) {
    number = number && parse_number(c->value[i].value, &c->number[i]);
    time = time && looks_like_time(c->value[i].value);
    if (!number && !time) break;
  }
  c->shape = c->distinct == 0 ? SHAPE_EMPTY : c->distinct == 1 && !c->missing ? SHAPE_CONSTANT : number ? SHAPE_NUMBER : time ? SHAPE_TIME : SHAPE_TEXT;
  if (number && c->distinct) number_figures(c, p->rows);
  else c->number = NULL;
  if (c->shape == SHAPE_TEXT) c->words = mean_words(c);
}

// ---------------------------------------------------------------- all of them
Profiles *profile_read(const char *path, const DataSource *format, Diag *d) {
  Table *t = csv_read(path, format, d);
  if (!t) return NULL;
  Arena *a = arena_new();
  Profiles *p = NEW(a, Profiles);
  *p = (Profiles){ .arena = a, .table = t, .rows = t->n_rows, .n = t->n_columns, .column = NEW_ARRAY(a, Profile, t->n_columns + 1) };
  Distinct *columns = NEW_ARRAY(a, Distinct, p->n + 1);
  for (int i = 0; i < p->n; i++) {
    distinct_init(&columns[i], a, p->rows);
    for (int64_t r = 0; r < p->rows; r++) columns[i].code[r] = distinct_add(&columns[i], t->cell[r * p->n + i]);
  }
  find_na(p, columns);
  for (int i = 0; i < p->n; i++) {
    p->column[i].name = t->names[i];
    count_values(p, &p->column[i], &columns[i]);
    shape_column(p, &p->column[i]);
    distinct_free(&columns[i]);
  }
  return p;
}

void profile_free(Profiles *p) {
  if (!p) return;
  table_free(p->table);
  arena_free(p->arena);
}
