// prep_json.c: a learned preparation as JSON and back. One line an input or label, one line a value of a vocabulary; doubles
// with 17 digits, so that reading gives the same bits. Reading checks everything against the plan of the spec.
#include <jansson.h>
#include <math.h>
#include "data_int.h"

enum { FORMAT = 1 };
static const char *const input_kinds[] = {[INPUT_REAL] = "real", [INPUT_CATEGORY] = "category", [INPUT_ID] = "id",
                                          [INPUT_VECTOR] = "vector", [INPUT_LIST] = "list", [INPUT_TIME] = "time"};
static const char *const list_kinds[] = {[INPUT_REAL] = "list(real)", [INPUT_CATEGORY] = "list(category)",
                                         [INPUT_ID] = "list(id)"};
static const char *const label_kinds[] = {[LABEL_BINARY] = "binary", [LABEL_CLASS] = "class", [LABEL_REAL] = "real",
                                          [LABEL_COUNT] = "count",   [LABEL_RANK] = "rank"};

static const char *kind_of(const DataInput *in) {
  return in->tokens ? "text" : in->kind == INPUT_LIST ? list_kinds[in->item] : input_kinds[in->kind];
}
static int affines_of(const DataInput *in) { return in->kind == INPUT_LIST ? in->item == INPUT_REAL : in->width; }

// ---------------------------------------------------------------- writing
// Adds a value and gives it up; false where there is none (a text that is no UTF-8, a number that is not finite).
static bool add_value(Text *t, json_t *value) {
  char *s = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
  if (s) text_add(t, s);
  free(s);
  json_decref(value);
  return s != NULL;
}

static bool add_real(Text *t, const char *before, double v) {
  text_add(t, before);
  return add_value(t, json_real(v));
}

static bool add_affine(Text *t, const Prep *p, const Affine *f) {
  bool ok = add_real(t, "\"missing\": ", f->missing) && add_real(t, ", \"shift\": ", f->shift) &&
            add_real(t, ", \"factor\": ", f->factor);
  if (p->has_clip && isfinite(f->lo)) ok = ok && add_real(t, ", \"lo\": ", f->lo);           // left out: no limit
  if (p->has_clip && isfinite(f->hi)) ok = ok && add_real(t, ", \"hi\": ", f->hi);
  if (p->map != MAP_BUCKETIZE) return ok;
  text_add(t, ", \"bounds\": [");
  for (int i = 0; i < f->n_bounds && ok; i++) ok = add_real(t, i ? ", " : "", f->bounds[i]);
  text_char(t, ']');
  return ok;
}

static bool add_vocabulary(Text *t, const Vocabulary *v) {
  bool ok = true;
  text_add(t, "\"values\": [");
  for (int64_t i = 0; i < v->n && ok; i++) {
    text_add(t, i ? ",\n    [" : "\n    [");
    ok = add_value(t, json_string(v->values[i]));
    text_printf(t, ", %lld]", (long long)v->counts[i]);
  }
  text_add(t, "]");
  return ok;
}

// {"name": …, "kind": … without the closing brace
static bool add_head(Text *t, bool first, const char *name, const char *kind) {
  text_add(t, first ? "\n  {\"name\": " : ",\n  {\"name\": ");
  bool ok = add_value(t, json_string(name));
  text_printf(t, ", \"kind\": \"%s\"", kind);
  return ok;
}

static bool add_input(Text *t, bool first, const DataInput *in, const PrepState *s) {
  int columns = affines_of(in);
  bool ok = add_head(t, first, in->name, kind_of(in));
  if (item_kind(in) == INPUT_ID) text_printf(t, ", \"buckets\": %lld", (long long)in->buckets);
  if (is_bucketized(in)) {
    text_add(t, ", ");
    ok = ok && add_affine(t, &in->prep, &s->vocab[in->id_at].number);
  } else if (item_kind(in) == INPUT_CATEGORY && !in->like) {
    text_add(t, ", ");
    ok = ok && add_vocabulary(t, &s->vocab[in->id_at]);
  }
  if (columns) text_add(t, ", \"columns\": [");
  for (int k = 0; k < columns && ok; k++) {
    text_add(t, k ? ",\n    {" : "{");
    ok = add_affine(t, &in->prep, &s->dense[in->dense_at + k]);
    text_add(t, "}");
  }
  text_add(t, columns ? "]}" : "}");
  return ok;
}

static bool add_label(Text *t, bool first, const DataLabel *l, const PrepState *s, int at) {
  bool ok = add_head(t, first, l->name, label_kinds[l->kind]);
  if (l->kind == LABEL_CLASS) {
    text_printf(t, ", \"classes\": %lld, ", (long long)l->classes);
    ok = ok && add_vocabulary(t, &s->label_class[at]);
  }
  if (l->kind == LABEL_REAL) {
    text_add(t, ", ");
    ok = ok && add_affine(t, &l->prep, &s->label[at]);
  }
  text_add(t, "}");
  return ok;
}

bool prep_save(const DataPlan *p, const PrepState *s, Text *json) {
  bool ok = true;
  text_printf(json, "{\"format\": %d,\n \"rows\": {\"train\": %lld, \"valid\": %lld, \"test\": %lld},\n", FORMAT,
              (long long)s->rows[0], (long long)s->rows[1], (long long)s->rows[2]);
  text_add(json, " \"inputs\": [");
  for (int i = 0; i < p->n_inputs && ok; i++) ok = add_input(json, i == 0, &p->inputs[i], s);
  text_add(json, "],\n \"labels\": [");
  for (int i = 0; i < p->n_labels && ok; i++) ok = add_label(json, i == 0, &p->labels[i], s, i);
  text_add(json, "]}\n");
  return ok;
}

// ---------------------------------------------------------------- reading
typedef struct { Arena *arena; Diag *diag; } Load;

static bool PRINTF_LIKE(2, 3) wrong(const Load *l, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  char *text = arena_vprintf(l->arena, fmt, ap);
  va_end(ap);
  diag_data(l->diag, "bad-preparation", "prep.json", 0, 0, NULL, "%s", text);
  return false;
}

static bool get_real(const json_t *o, const char *key, double *v) {
  const json_t *x = json_object_get(o, key);
  *v = json_number_value(x);
  return json_is_number(x) && isfinite(*v);
}

static bool load_bounds(const Load *l, const json_t *o, const char *name, Affine *f) {
  const json_t *list = json_object_get(o, "bounds");
  if (!json_is_array(list) || json_array_size(list) > INT32_MAX) return wrong(l, "`%s` needs a list of bounds", name);
  double *bounds = NEW_ARRAY(l->arena, double, (int64_t)json_array_size(list) + 1);
  f->bounds = bounds;
  f->n_bounds = (int)json_array_size(list);
  for (int i = 0; i < f->n_bounds; i++) {
    const json_t *v = json_array_get(list, (size_t)i);
    bounds[i] = json_number_value(v);
    if (!json_is_number(v) || !isfinite(bounds[i]) || (i && bounds[i] <= bounds[i - 1]))
      return wrong(l, "the bounds of `%s` are no ascending numbers", name);
  }
  return true;
}

static bool load_affine(const Load *l, const json_t *o, const char *name, const Prep *p, Affine *f) {
  bool ok = get_real(o, "missing", &f->missing) && get_real(o, "shift", &f->shift) && get_real(o, "factor", &f->factor);
  if (!ok) return wrong(l, "`%s` needs the numbers missing, shift and factor", name);
  if (p->has_clip) {
    f->lo = -INFINITY, f->hi = INFINITY;
    if (json_object_get(o, "lo")) ok = get_real(o, "lo", &f->lo);
    if (json_object_get(o, "hi")) ok = ok && get_real(o, "hi", &f->hi);
    if (!ok || f->lo > f->hi) return wrong(l, "the limits of `%s` are no numbers in order", name);
  }
  return p->map != MAP_BUCKETIZE || load_bounds(l, o, name, f);
}

// Values ascend, as they are searched by halving.
static bool load_vocabulary(const Load *l, const json_t *o, const char *name, Vocabulary *v) {
  const json_t *list = json_object_get(o, "values");
  if (!json_is_array(list)) return wrong(l, "`%s` needs a list of values", name);
  v->n = (int64_t)json_array_size(list);
  if (v->n >= UINT32_MAX) return wrong(l, "`%s` has too many values", name);
  v->values = NEW_ARRAY(l->arena, const char *, v->n + 1);
  v->counts = NEW_ARRAY(l->arena, int64_t, v->n + 1);
  for (int64_t i = 0; i < v->n; i++) {
    const json_t *pair = json_array_get(list, (size_t)i);
    const char *text = json_string_value(json_array_get(pair, 0));
    const json_t *count = json_array_get(pair, 1);
    if (!text || !json_is_integer(count) || json_integer_value(count) < 0)
      return wrong(l, "value %lld of `%s` is no pair of a text and a count", (long long)i + 1, name);
    v->values[i] = arena_strdup(l->arena, text);
    v->counts[i] = json_integer_value(count);
    if (i && strcmp(v->values[i - 1], v->values[i]) >= 0)
      return wrong(l, "the values of `%s` are not in order at `%s`", name, text);
  }
  return true;
}

// Element `at` of the list `of`, if its name and kind are those of the spec.
static const json_t *item(const Load *l, const json_t *list, int at, const char *what, const char *name, const char *kind) {
  const json_t *o = json_array_get(list, (size_t)at);
  const char *found = json_string_value(json_object_get(o, "name")), *is = json_string_value(json_object_get(o, "kind"));
  if (!found || !is) return wrong(l, "%s %d has no name or no kind", what, at + 1), NULL;
  if (strcmp(found, name) != 0) return wrong(l, "%s %d is `%s` here, `%s` in the spec", what, at + 1, found, name), NULL;
  if (strcmp(is, kind) != 0) return wrong(l, "the %s `%s` is of type %s here, %s in the spec", what, name, is, kind), NULL;
  return o;
}

static bool load_input(const Load *l, const json_t *list, int at, const DataInput *in, PrepState *s) {
  const json_t *o = item(l, list, at, "input", in->name, kind_of(in));
  if (!o) return false;
  if (is_bucketized(in)) {
    Vocabulary *v = &s->vocab[in->id_at];
    bool ok = load_affine(l, o, in->name, &in->prep, &v->number);
    v->n = v->number.n_bounds + 1;
    return ok;
  }
  if (item_kind(in) == INPUT_CATEGORY && in->like) return true;
  if (item_kind(in) == INPUT_CATEGORY) {
    if (!load_vocabulary(l, o, in->name, &s->vocab[in->id_at])) return false;
    return !in->cardinality || s->vocab[in->id_at].n + 1 == in->cardinality ||
           wrong(l, "`%s` has other values here than in the spec", in->name);
  }
  if (item_kind(in) == INPUT_ID) {
    json_int_t buckets = json_integer_value(json_object_get(o, "buckets"));
    if (buckets == in->buckets) return true;
    return wrong(l, "`%s` has %lld buckets here, %lld in the spec", in->name, (long long)buckets, (long long)in->buckets);
  }
  if (in->kind == INPUT_TIME) return true;
  const json_t *columns = json_object_get(o, "columns");
  if ((int64_t)json_array_size(columns) != affines_of(in))
    return wrong(l, "`%s` has %zu columns here, %d in the spec", in->name, json_array_size(columns), affines_of(in));
  for (int k = 0; k < affines_of(in); k++)
    if (!load_affine(l, json_array_get(columns, (size_t)k), in->name, &in->prep, &s->dense[in->dense_at + k])) return false;
  return true;
}

static bool load_label(const Load *l, const json_t *list, int at, const DataLabel *x, PrepState *s) {
  const json_t *o = item(l, list, at, "label", x->name, label_kinds[x->kind]);
  s->label[at] = (Affine){.factor = 1};
  if (!o) return false;
  if (x->kind == LABEL_REAL) return load_affine(l, o, x->name, &x->prep, &s->label[at]);
  if (x->kind != LABEL_CLASS) return true;
  json_int_t classes = json_integer_value(json_object_get(o, "classes"));
  if (classes != x->classes)
    return wrong(l, "`%s` has %lld classes here, %lld in the spec", x->name, (long long)classes, (long long)x->classes);
  if (!load_vocabulary(l, o, x->name, &s->label_class[at])) return false;
  return s->label_class[at].n <= classes || wrong(l, "`%s` has more values than classes", x->name);
}

static bool load_rows(const Load *l, const json_t *root, PrepState *s) {
  static const char *const names[] = {"train", "valid", "test"};
  const json_t *rows = json_object_get(root, "rows");
  for (int i = 0; i < 3; i++) {
    const json_t *n = json_object_get(rows, names[i]);
    s->rows[i] = json_integer_value(n);
    if (!json_is_integer(n) || s->rows[i] < 0) return wrong(l, "rows.%s must be a number of rows", names[i]);
  }
  return true;
}

static bool load_given(const Load *l, const json_t *root, PrepState *s) {
  const json_t *j = json_object_get(root, "given");
  const char *digits = json_string_value(j);
  s->given = 0;
  if (!j) return true;
  char *end = NULL;
  s->given = digits ? strtoull(digits, &end, 16) : 0;
  return (s->given && !*end) || wrong(l, "`given` is no digest");
}

static bool load_all(const Load *l, const DataPlan *p, const json_t *root, PrepState *s) {
  const json_t *inputs = json_object_get(root, "inputs"), *labels = json_object_get(root, "labels");
  if (json_integer_value(json_object_get(root, "format")) != FORMAT) return wrong(l, "its format is not %d", FORMAT);
  if (!load_rows(l, root, s) || !load_given(l, root, s)) return false;
  if ((int64_t)json_array_size(inputs) != p->n_inputs)
    return wrong(l, "%zu inputs here, %d in the spec", json_array_size(inputs), p->n_inputs);
  if ((int64_t)json_array_size(labels) != p->n_labels)
    return wrong(l, "%zu labels here, %d in the spec", json_array_size(labels), p->n_labels);
  bool ok = true;
  for (int i = 0; i < p->n_inputs; i++) ok &= load_input(l, inputs, i, &p->inputs[i], s);
  for (int i = 0; i < p->n_labels; i++) ok &= load_label(l, labels, i, &p->labels[i], s);
  return ok;
}

bool prep_load(const DataPlan *p, PrepState *s, const char *json, size_t n, Arena *a, Diag *d) {
  Load l = {a, d};
  json_error_t e;
  json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &e);
  if (!root) {
    diag_data(d, "bad-preparation", "prep.json", 0, e.line > 0 ? e.line : 0, NULL, "no JSON: %s", e.text);
    return false;
  }
  prep_new(p, s, a);
  bool ok = load_all(&l, p, root, s);
  json_decref(root);
  return ok;
}
