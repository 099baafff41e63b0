// report_confusion.c: confusion matrices, as tables and as JSON.
#include <math.h>
#include "session.h"

enum { MOST_SHOWN = 12, MISTAKES_SHOWN = 10, WIDEST_NAME = 24 };    // classes of a whole table; lines of mistakes; columns of a name

// Class i of a task's label as the data has it: its text, or its number; of a binary one without a text of its own, 0 and 1.
static const char *class_name(const Model *m, const PlanTask *t, int i) {
  const DataLabel *l = &m->data.labels[t->label];
  const Vocabulary *v = l->kind == LABEL_CLASS && m->prep && m->prep->label_class ? &m->prep->label_class[t->label] : NULL;
  if (v && v->values && i < v->n) return v->values[i];
  if (l->kind == LABEL_BINARY && l->positive) return i ? l->positive : arena_printf(m->arena, "not %s", l->positive);
  return arena_printf(m->arena, "%d", i);
}

static double row_sum(const Confusion *c, int i) {
  double sum = 0;
  for (int j = 0; j < c->size; j++) sum += c->rows[i * c->size + j];
  return sum;
}

static double column_sum(const Confusion *c, int j) {
  double sum = 0;
  for (int i = 0; i < c->size; i++) sum += c->rows[i * c->size + j];
  return sum;
}

// ---------------------------------------------------------------- text
static int width_of(const char *s) { return display_width(s, strlen(s)); }

// Cut at WIDEST_NAME columns, by whole characters.
static const char *short_name(const Model *m, const PlanTask *t, int i) {
  const char *name = class_name(m, t, i);
  size_t n = strlen(name);
  if (width_of(name) <= WIDEST_NAME) return name;
  while (n && ((name[n] & 0xC0) == 0x80 || display_width(name, n) > WIDEST_NAME - 1)) n--;
  return arena_printf(m->arena, "%.*s…", (int)n, name);
}

static void left(Text *out, const char *s, int width) {
  text_add(out, s);
  for (int n = width_of(s); n < width; n++) text_char(out, ' ');
}

static void right(Text *out, const char *s, int width) {
  for (int n = width_of(s); n < width; n++) text_char(out, ' ');
  text_add(out, s);
}

static const char *weight_text(const Model *m, double v) { return arena_printf(m->arena, v == floor(v) ? "%.0f" : "%.2f", v); }
static const char *part_text(const Model *m, double part, double all) { return all > 0 ? arena_printf(m->arena, "%.4f", part / all) : "n/a"; }

static void whole_table(const Model *m, const PlanTask *t, const Confusion *c, Text *out) {
  static const char corner[] = "true \\ predicted", last[] = "precision";
  int first = width_of(corner), *wide = NEW_ARRAY(m->arena, int, c->size);
  for (int j = 0; j < c->size; j++) {
    const char *name = short_name(m, t, j);
    if (width_of(name) > first) first = width_of(name);
    wide[j] = width_of(name) < 6 ? 6 : width_of(name);
    for (int i = 0; i < c->size; i++) {
      int w = width_of(weight_text(m, c->rows[i * c->size + j]));
      if (w > wide[j]) wide[j] = w;
    }
  }
  text_add(out, "  ");
  left(out, corner, first);
  for (int j = 0; j < c->size; j++) text_add(out, "  "), right(out, short_name(m, t, j), wide[j]);
  text_add(out, "  recall\n");
  for (int i = 0; i < c->size; i++) {
    text_add(out, "  ");
    left(out, short_name(m, t, i), first);
    for (int j = 0; j < c->size; j++) text_add(out, "  "), right(out, weight_text(m, c->rows[i * c->size + j]), wide[j]);
    text_printf(out, "  %6s\n", part_text(m, c->rows[i * c->size + i], row_sum(c, i)));
  }
  text_add(out, "  ");
  left(out, last, first);
  for (int j = 0; j < c->size; j++) text_add(out, "  "), right(out, part_text(m, c->rows[j * c->size + j], column_sum(c, j)), wide[j]);
  text_char(out, '\n');
}

// Of many classes: the largest elements off the diagonal; of equal ones the first.
static void mistakes(const Model *m, const PlanTask *t, const Confusion *c, Text *out) {
  int at[MISTAKES_SHOWN], n = 0;
  for (int i = 0; i < c->size * c->size; i++) {
    if (i / c->size == i % c->size || c->rows[i] == 0) continue;
    int k = n < MISTAKES_SHOWN ? n++ : MISTAKES_SHOWN;
    for (; k > 0 && c->rows[at[k - 1]] < c->rows[i]; k--)
      if (k < MISTAKES_SHOWN) at[k] = at[k - 1];
    if (k < MISTAKES_SHOWN) at[k] = i;
  }
  text_printf(out, "  %d classes: %s; --json has the whole\n", c->size, n ? "the most frequent mistakes" : "no mistake");
  for (int k = 0; k < n; k++)
    text_printf(out, "  %s taken for %s: %s of %s\n", short_name(m, t, at[k] / c->size), short_name(m, t, at[k] % c->size), weight_text(m, c->rows[at[k]]),
                weight_text(m, row_sum(c, at[k] / c->size)));
}

void confusions_text(const Model *m, const char *rows, Confusion *const *all, Text *out) {
  for (int i = 0; all && i < m->train.n_tasks; i++) {
    const PlanTask *t = &m->train.tasks[i];
    for (int k = 0; k < t->n_matrices; k++) {
      const Confusion *c = &all[i][k];
      text_printf(out, "%s of %s, %s%s\n", t->matrices[k].name, t->name, rows, c->defined ? "" : ": n/a, as a score is no number");
      if (!c->defined) continue;
      if (c->size <= MOST_SHOWN) whole_table(m, t, c, out);
      else mistakes(m, t, c, out);
      if (c->beyond > 0) text_printf(out, "  and %s rows of a class that the training rows do not have\n", weight_text(m, c->beyond));
    }
  }
}

// ---------------------------------------------------------------- JSON
static json_t *confusion_json(const Model *m, const PlanTask *t, const Confusion *c) {
  json_t *classes = json_array(), *matrix = json_array();
  for (int i = 0; i < c->size; i++) {
    json_t *row = json_array();
    for (int j = 0; j < c->size; j++) json_array_append_new(row, json_real(c->rows[i * c->size + j]));
    json_array_append_new(classes, json_string(class_name(m, t, i)));
    json_array_append_new(matrix, row);
  }
  return json_pack("{s:o, s:o, s:f}", "classes", classes, "rows", matrix, "beyond", c->beyond);
}

void confusions_json(const Model *m, Confusion *const *all, json_t *tasks) {
  for (int i = 0; all && i < m->train.n_tasks; i++) {
    const PlanTask *t = &m->train.tasks[i];
    for (int k = 0; k < t->n_matrices; k++)
      json_object_set_new(json_object_get(tasks, t->name), t->matrices[k].name, all[i][k].defined ? confusion_json(m, t, &all[i][k]) : json_null());
  }
}
