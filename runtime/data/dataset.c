// dataset.c: files → prepared rows of each split; the whole or nothing.
#include <math.h>
#include "data_int.h"

static Dataset *new_dataset(const DataPlan *p) {
  Dataset *s = xcalloc(1, sizeof *s);
  s->arena = arena_new();
  s->summary.input = arena_alloc(s->arena, sizeof *s->summary.input * (size_t)(p->n_inputs + 1));
  s->summary.label = arena_alloc(s->arena, sizeof *s->summary.label * (size_t)(p->n_labels + 1));
  for (int i = 0; i < p->n_inputs; i++) s->summary.input[i].input = p->inputs[i].name;
  for (int i = 0; i < p->n_labels; i++) s->summary.label[i].label = p->labels[i].name;
  return s;
}

static void count_rest(Dataset *s, const Raw *r) {
  for (int64_t i = 0; i < r->n; i++) {
    s->summary.unused += r->split[i] == -1;
    s->summary.dropped += r->split[i] == -2;
  }
}

static void mark_drops(const DataPlan *p, Raw *r) {          // rows of new data that the spec drops
  for (int i = 0; i < p->n_inputs; i++) {
    const DataInput *in = &p->inputs[i];
    for (int64_t row = 0; in->prep.missing == MISSING_DROP && row < r->n; row++) {
      bool gone = in->id_at >= 0 && !r->id[in->id_at][row];
      for (int k = 0; k < in->width; k++) gone |= isnan(r->dense[in->dense_at + k][row]);
      if (gone && r->split[row] >= 0) r->split[row] = -2;
    }
  }
}

static bool apply_file(const DataPlan *p, const PrepState *prep, const char *path, bool need_labels, int split, Dataset *s, Diag *d) {
  Raw *r = raw_read(p, path, need_labels, d);
  if (!r) return false;
  for (int64_t i = 0; i < r->n; i++) r->split[i] = (int8_t)split;
  mark_drops(p, r);
  count_rest(s, r);
  bool ok = prep_apply(p, prep, r, split, &s->split[split], &s->summary, s->arena, d);
  raw_free(r);
  return ok;
}

// learn: a preparation is learned into s->prep, else `prep` is used.
static Dataset *prepare(const DataPlan *p, const PrepState *prep, const char *train, const char *test, Diag *d) {
  double start = monotonic_seconds();
  bool files = p->split.kind == SPLIT_FILES;
  if (files && !test) {
    diag_data(d, "no-test-file", train, 0, 0, NULL, "the spec splits by files: name the second one with --test");
    return NULL;
  }
  Raw *r = raw_read(p, train, true, d);
  if (!r) return NULL;
  Dataset *s = new_dataset(p);
  split_rows(r);
  bool ok = true;
  if (prep) s->prep = *prep, mark_drops(p, r);
  else ok = prep_learn(p, r, &s->prep, s->arena, d);
  for (int k = 0; ok && k < 3; k++)
    if (!(files && k == 2)) ok = prep_apply(p, &s->prep, r, k, &s->split[k], &s->summary, s->arena, d);
  if (ok) count_rest(s, r);
  raw_free(r);
  ok = ok && (!files || apply_file(p, &s->prep, test, true, 2, s, d));
  for (int k = 0; k < 3; k++) s->prep.rows[k] = s->split[k].n;
  for (int i = 0; ok && i < p->n_inputs; i++)
    if (p->inputs[i].kind == INPUT_CATEGORY) s->summary.input[i].vocabulary = s->prep.vocab[p->inputs[i].id_at].n;
  s->summary.seconds = monotonic_seconds() - start;
  if (ok) return s;
  data_free(s);
  return NULL;
}

Dataset *data_prepare(const DataPlan *p, const char *train, const char *test, Diag *d) { return prepare(p, NULL, train, test, d); }

Dataset *data_split_again(const DataPlan *p, const PrepState *prep, const char *train, const char *test, Diag *d) {
  return prepare(p, prep, train, test, d);
}

Dataset *data_apply(const DataPlan *p, const PrepState *prep, const char *path, bool need_labels, Diag *d) {
  Dataset *s = new_dataset(p);
  s->prep = *prep;
  if (apply_file(p, prep, path, need_labels, 2, s, d)) return s;
  data_free(s);
  return NULL;
}

void data_free(Dataset *s) {
  if (!s) return;
  arena_free(s->arena);
  free(s);
}

void summary_print(const DataPlan *p, const DataSummary *s, Text *out) {
  text_printf(out, "rows: %lld train, %lld valid, %lld test", (long long)s->rows[0], (long long)s->rows[1], (long long)s->rows[2]);
  if (s->unused) text_printf(out, ", %lld unused", (long long)s->unused);
  if (s->dropped) text_printf(out, ", %lld dropped", (long long)s->dropped);
  text_printf(out, " (%.2f s)\n", s->seconds);
  for (int i = 0; i < p->n_inputs; i++) {
    int64_t unknown = s->input[i].unknown[1] + s->input[i].unknown[2];
    if (!s->input[i].missing && !s->input[i].clipped && !unknown && !s->input[i].unknown[0]) continue;
    text_printf(out, "  %s:", s->input[i].input);
    if (s->input[i].missing) text_printf(out, " %lld missing", (long long)s->input[i].missing);
    if (s->input[i].clipped) text_printf(out, " %lld clipped", (long long)s->input[i].clipped);
    if (s->input[i].unknown[0]) text_printf(out, " %lld rare in training rows", (long long)s->input[i].unknown[0]);
    if (unknown) text_printf(out, " %lld unknown (out of vocabulary) in other rows", (long long)unknown);
    text_char(out, '\n');
  }
}
