// prep_json.c: a learned preparation as JSON, exact (17 digits) and readable; loading checks it against the plan.
#include <jansson.h>
#include "data_int.h"

static json_t *affine_json(const Affine *a) { return json_pack("{s:f, s:f, s:f}", "missing", a->missing, "shift", a->shift, "factor", a->factor); }

static json_t *vocabulary_json(const Vocabulary *v) {
  json_t *values = json_array(), *counts = json_array();
  for (int64_t i = 0; i < v->n; i++) {
    json_t *s = json_string(v->values[i]);
    json_array_append_new(values, s ? s : json_stringn_nocheck(v->values[i], strlen(v->values[i])));
    json_array_append_new(counts, json_integer(v->counts ? v->counts[i] : 0));
  }
  return json_pack("{s:o, s:o}", "values", values, "counts", counts);
}

bool prep_save(const DataPlan *p, const PrepState *s, Text *out) {
  json_t *inputs = json_object(), *labels = json_array();
  for (int i = 0; i < p->n_inputs; i++) {
    const DataInput *in = &p->inputs[i];
    json_t *columns = json_array();
    for (int k = 0; k < in->width; k++) json_array_append_new(columns, affine_json(&s->dense[in->dense_at + k]));
    json_t *j = in->kind == INPUT_CATEGORY ? vocabulary_json(&s->vocab[in->id_at]) : json_object();
    if (in->width) json_object_set_new(j, "columns", columns);
    else json_decref(columns);
    if (in->kind == INPUT_ID) json_object_set_new(j, "buckets", json_integer(in->buckets));
    json_object_set_new(inputs, in->name, j);
  }
  for (int l = 0; l < p->n_labels; l++) {
    json_t *j = affine_json(&s->label[l]);
    json_object_set_new(j, "name", json_string(p->labels[l].name));
    if (s->label_class[l].n) json_object_set_new(j, "classes", vocabulary_json(&s->label_class[l]));
    json_array_append_new(labels, j);
  }
  json_t *rows = json_pack("[I, I, I]", (json_int_t)s->rows[0], (json_int_t)s->rows[1], (json_int_t)s->rows[2]);
  json_t *all = json_pack("{s:i, s:o, s:o, s:o}", "format", 1, "rows", rows, "inputs", inputs, "labels", labels);
  char *text = json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
  json_decref(all);
  if (!text) return false;
  text_add(out, text);
  text_char(out, '\n');
  free(text);
  return true;
}

static bool read_affine(json_t *j, Affine *a) {
  return j && json_unpack(j, "{s:F, s:F, s:F}", "missing", &a->missing, "shift", &a->shift, "factor", &a->factor) == 0;
}

static bool read_vocabulary(json_t *j, Vocabulary *v, Arena *a) {
  json_t *values = json_object_get(j, "values"), *counts = json_object_get(j, "counts");
  if (!json_is_array(values) || !json_is_array(counts) || json_array_size(values) != json_array_size(counts)) return false;
  v->n = (int64_t)json_array_size(values);
  v->values = NEW_ARRAY(a, const char *, v->n + 1);
  v->counts = NEW_ARRAY(a, int64_t, v->n + 1);
  for (int64_t i = 0; i < v->n; i++) {
    const char *s = json_string_value(json_array_get(values, (size_t)i));
    if (!s || (i && strcmp(v->values[i - 1], s) >= 0)) return false;         // sorted: the look-up is by halves
    v->values[i] = arena_strdup(a, s);
    v->counts[i] = json_integer_value(json_array_get(counts, (size_t)i));
  }
  return true;
}

static bool read_input(const DataInput *in, json_t *j, PrepState *s, Arena *a) {
  json_t *columns = json_object_get(j, "columns");
  if (!json_is_object(j) || (in->width && json_array_size(columns) != (size_t)in->width)) return false;
  for (int k = 0; k < in->width; k++)
    if (!read_affine(json_array_get(columns, (size_t)k), &s->dense[in->dense_at + k])) return false;
  if (in->kind == INPUT_ID) return json_integer_value(json_object_get(j, "buckets")) == in->buckets;
  return in->kind != INPUT_CATEGORY || read_vocabulary(j, &s->vocab[in->id_at], a);
}

static bool mismatch(Diag *d, const char *what) {
  diag_data(d, "bad-prep", "prep.json", 0, 0, what, "the preparation does not fit the spec, or is broken");
  return false;
}

static bool read_all(const DataPlan *p, PrepState *s, json_t *j, Arena *a, Diag *d) {
  json_t *inputs = json_object_get(j, "inputs"), *labels = json_object_get(j, "labels"), *rows = json_object_get(j, "rows");
  if (json_integer_value(json_object_get(j, "format")) != 1 || json_array_size(labels) != (size_t)p->n_labels || json_array_size(rows) != 3)
    return mismatch(d, NULL);
  for (int i = 0; i < 3; i++) s->rows[i] = json_integer_value(json_array_get(rows, (size_t)i));
  for (int i = 0; i < p->n_inputs; i++)
    if (!read_input(&p->inputs[i], json_object_get(inputs, p->inputs[i].name), s, a)) return mismatch(d, p->inputs[i].name);
  for (int l = 0; l < p->n_labels; l++) {
    json_t *x = json_array_get(labels, (size_t)l), *classes = json_object_get(x, "classes");
    if (!read_affine(x, &s->label[l]) || (classes && !read_vocabulary(classes, &s->label_class[l], a))) return mismatch(d, p->labels[l].name);
  }
  return true;
}

bool prep_load(const DataPlan *p, PrepState *s, const char *json, size_t n, Arena *a, Diag *d) {
  *s = (PrepState){ .dense = NEW_ARRAY(a, Affine, p->dense_width + 1), .vocab = NEW_ARRAY(a, Vocabulary, p->n_ids + 1),
                    .label = NEW_ARRAY(a, Affine, p->n_labels + 1), .label_class = NEW_ARRAY(a, Vocabulary, p->n_labels + 1) };
  json_t *j = json_loadb(json, n, JSON_REJECT_DUPLICATES, NULL);
  bool ok = j ? read_all(p, s, j, a, d) : mismatch(d, NULL);
  json_decref(j);
  return ok;
}
