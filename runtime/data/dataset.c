// dataset.c: files → prepared rows of each split; the whole or nothing. And the summary that a user reads.
#include <math.h>
#include "data_int.h"

static Dataset *new_dataset(const DataPlan *p, const DataFiles *f) {
  Dataset *s = xcalloc(1, sizeof *s);
  s->memory = memory_limit(f->memory);
  s->arena = arena_new();
  s->path = f->source[0] ? arena_strdup(s->arena, f->source[0]) : NULL;
  s->summary.source = arena_alloc(s->arena, sizeof *s->summary.source * (size_t)(p->n_sources + 1));
  s->summary.input = arena_alloc(s->arena, sizeof *s->summary.input * (size_t)(p->n_inputs + 1));
  s->summary.label = arena_alloc(s->arena, sizeof *s->summary.label * (size_t)(p->n_labels + 1));
  for (int i = 0; i < p->n_inputs; i++) s->summary.input[i].input = p->inputs[i].name;
  for (int i = 0; i < p->n_labels; i++) {
    s->summary.label[i].label = p->labels[i].name;
    for (int k = 0; k < 3; k++) s->summary.label[i].mean[k] = NAN;
  }
  return s;
}

void data_free(Dataset *s) {
  if (!s) return;
  for (int k = 0; k < 3; k++) rows_close(&s->split[k]);
  arena_free(s->arena);
  free(s);
}

static void count_rest(Dataset *s, const Raw *r) {
  for (int64_t i = 0; i < r->n; i++) {
    s->summary.unused += r->split[i] == SPLIT_UNUSED;
    s->summary.dropped += r->split[i] == SPLIT_DROPPED;
    s->summary.duplicates += r->split[i] == SPLIT_DUPLICATE;
  }
  for (int i = 1; i < r->plan->n_sources; i++) {             // of a source that is read twice, the rows are the same
    s->summary.source[i].source = r->plan->sources[i].name;
    s->summary.source[i].absent += r->joined[i].absent;
    s->summary.source[i].repeated = r->joined[i].repeated;
    s->summary.source[i].keyless = r->joined[i].keyless;
    s->summary.source[i].duplicates = r->joined[i].duplicates;
  }
}

// All rows of a file become those of split 2.
static bool apply_file(const DataPlan *p, const PrepState *prep, const DataFiles *files, RawNeed need, Dataset *s, Diag *d) {
  Raw *r = raw_read(p, files, need, d);
  if (!r) return false;
  split_all(r, 2);
  raw_drop(r);
  count_rest(s, r);
  r->mute = need == NEED_INPUTS;
  classes_apply(r, prep);
  r->mute = false;
  bool ok = prep_apply(r, prep, 2, &s->split[2], &s->summary, s->arena);
  ok = raw_finish(r) && ok;
  raw_free(r);
  return ok;
}

// The training file: split, learned from (prep NULL) and applied, all parts but `without`.
static bool training_file(const DataPlan *p, const PrepState *prep, const GivenPrep *given, const DataFiles *files, int without, Dataset *s,
                          Diag *d) {
  Raw *r = raw_read(p, files, NEED_ALL, d);
  if (!r) return false;
  split_rows(r);
  raw_drop(r);
  count_rest(s, r);
  bool ok = raw_finish(r);
  if (prep) s->prep = *prep;
  else ok = ok && prep_learn(r, given, &s->prep, s->arena);
  if (ok) classes_apply(r, &s->prep);
  for (int k = 0; ok && k < 3; k++)
    if (k != without) ok = prep_apply(r, &s->prep, k, &s->split[k], &s->summary, s->arena);
  ok = raw_finish(r) && ok;
  raw_free(r);
  return ok;
}

static void count_vocabularies(const DataPlan *p, Dataset *s) {
  for (int i = 0; i < p->n_inputs; i++)
    if (item_kind(&p->inputs[i]) == INPUT_CATEGORY && !p->inputs[i].like) s->summary.input[i].vocabulary = s->prep.vocab[p->inputs[i].id_at].n;
}

// The held-out rows of the first source, with the same files joined to them.
static bool test_file(const DataPlan *p, const DataFiles *f, Dataset *s, Diag *d) {
  const char **files = NEW_ARRAY(s->arena, const char *, p->n_sources + 1);
  memcpy(files, f->source, sizeof *files * (size_t)p->n_sources);
  files[0] = f->test;
  DataFiles held_out = *f;
  held_out.source = files;
  return apply_file(p, &s->prep, &held_out, NEED_LABELS, s, d);
}

static Dataset *prepare(const DataPlan *p, const PrepState *prep, const GivenPrep *given, const DataFiles *f, Diag *d) {
  double start = monotonic_seconds();
  bool files = p->split.kind == SPLIT_FILES;
  if (files && !f->test) {
    diag_data(d, "no-test-file", f->source[0], 0, 0, NULL, "the spec splits by files, and there is no second one");
    diag_help(d, "name it with --test FILE, or in the spec's source: `test = \"…\"`");
    return NULL;
  }
  Dataset *s = new_dataset(p, f);
  bool cached = row_cache_load(p, prep, prep ? prep->given : given ? given_digest(given) : 0, f, s);
  if (!cached) {
    data_free(s);
    s = new_dataset(p, f);
  }
  bool ok = cached || training_file(p, prep, given, f, files ? 2 : -1, s, d);
  ok = ok && (cached || !files || test_file(p, f, s, d));
  if (!ok) {
    data_free(s);
    return NULL;
  }
  for (int k = 0; k < 3; k++) s->prep.rows[k] = s->split[k].n;
  count_vocabularies(p, s);
  if (!cached) row_cache_save(p, f, s);
  s->summary.seconds = monotonic_seconds() - start;
  return s;
}

Dataset *data_prepare(const DataPlan *p, const DataFiles *f, Diag *d) { return prepare(p, NULL, NULL, f, d); }

Dataset *data_prepare_given(const DataPlan *p, const GivenPrep *given, const DataFiles *f, Diag *d) { return prepare(p, NULL, given, f, d); }

Dataset *data_split_again(const DataPlan *p, const PrepState *prep, const DataFiles *f, Diag *d) {
  return prepare(p, prep, NULL, f, d);
}

Dataset *data_apply(const DataPlan *p, const PrepState *prep, const DataFiles *f, bool need_labels, Diag *d) {
  double start = monotonic_seconds();
  Dataset *s = new_dataset(p, f);
  s->prep = *prep;
  if (!apply_file(p, prep, f, need_labels ? NEED_LABELS : NEED_INPUTS, s, d)) {
    data_free(s);
    return NULL;
  }
  count_vocabularies(p, s);
  s->summary.seconds = monotonic_seconds() - start;
  return s;
}

// ---------------------------------------------------------------- summary
static void add_count(Text *line, int64_t n, const char *what) {
  if (n) text_printf(line, "%s%lld %s", line->n ? ", " : "", (long long)n, what);
}

static void print_line(Text *out, const char *name, Text *line) {
  if (line->n) text_printf(out, "  %s: %s\n", name, line->data);
  text_free(line);
}

static void print_sources(const DataPlan *p, const DataSummary *s, Text *out) {
  for (int i = 1; i < p->n_sources; i++) {
    Text line = {0};
    add_count(&line, s->source[i].absent, p->sources[i].absent == ABSENT_DROP ? "rows dropped for want of a key"
                                                                              : "rows whose key it does not have");
    add_count(&line, s->source[i].repeated, "repeated keys");
    add_count(&line, s->source[i].keyless, "rows without a key");
    add_count(&line, s->source[i].duplicates, "duplicates");
    print_line(out, p->sources[i].name, &line);
  }
}

void summary_counts(const DataPlan *p, const DataSummary *s, int split, Text *out) {
  bool all = split < 0;
  if (all) print_sources(p, s, out);
  for (int i = 0; i < p->n_inputs; i++) {
    Text line = {0};
    const int64_t *unknown = s->input[i].unknown;
    if (all) {
      add_count(&line, s->input[i].missing, "missing");
      add_count(&line, s->input[i].clipped, "clipped");
      add_count(&line, s->input[i].cut, p->inputs[i].keep_first ? "cut to the first items" : "cut to the last items");
      add_count(&line, unknown[0], "rare (out of vocabulary) in training rows");
    }
    add_count(&line, all ? unknown[1] + unknown[2] : unknown[split], "unknown (out of vocabulary)");
    print_line(out, s->input[i].input, &line);
  }
  for (int i = 0; i < p->n_labels; i++) {
    Text line = {0};
    const int64_t *unknown = s->label[i].unknown;
    add_count(&line, all ? unknown[0] + unknown[1] + unknown[2] : unknown[split], "rows without this label");
    print_line(out, s->label[i].label, &line);
  }
}

static void add_rest(const DataSummary *s, Text *out) {
  if (s->unused) text_printf(out, ", %lld unused", (long long)s->unused);
  if (s->duplicates) text_printf(out, ", %lld duplicate%s", (long long)s->duplicates, s->duplicates == 1 ? "" : "s");
  if (s->dropped) text_printf(out, ", %lld dropped", (long long)s->dropped);
}

void summary_print(const DataPlan *p, const DataSummary *s, Text *out) {
  text_printf(out, "rows: %lld train, %lld valid, %lld test", (long long)s->rows[0], (long long)s->rows[1],
              (long long)s->rows[2]);
  add_rest(s, out);
  text_printf(out, " (%s%.2f s)\n", s->cached ? "prepared before; " : "", s->seconds);
  summary_counts(p, s, -1, out);
}
