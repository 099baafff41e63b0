// canon_data.c: sources and inputs in the canonical form.
#include <errno.h>
#include "../../runtime/data/data_int.h"
#include "canon_int.h"

// ---------------------------------------------------------------- sources
static void add_columns(Writer *w, Scope scope, const char *key, const char *clause, const int *column, int n) {
  Text t = {0};
  for (int i = 0; i < n; i++) {
    const RawColumn *c = &w->m->data.columns[column[i]];
    text_printf(&t, "%s%s.%s", i ? ", " : "", c->source ? w->m->data.sources[c->source].name : "", c->name);
  }
  add_text(w, scope, key, clause, &t);
}

static void write_join(Writer *w, const DataSource *s) {
  static const char *const absent[] = {"error", "missing", "drop"}, *const repeated[] = {"error", "first", "last"};
  add_columns(w, SCOPE_CONTRACT, "key", NULL, s->key, s->n_key);
  add_columns(w, SCOPE_CONTRACT, "match", NULL, s->match, s->n_key);
  add_field(w, SCOPE_CONTRACT, "absent", NULL, "%s", absent[s->absent]);
  add_field(w, SCOPE_CONTRACT, "repeated", NULL, "%s", repeated[s->repeated]);
}

static void write_source(Writer *w, const DataSource *s) {
  const Decl *d = model_decl(w->m, DECL_SOURCE, s->name);
  begin_entry(w, "source", s->name, d, d ? d->names[0].at : (Place){0});
  if (s->n_header) add_words(w, SCOPE_CONTRACT, "columns", s->header, s->n_header, false);
  if (s->delimiter) add_field(w, SCOPE_CONTRACT, "delimiter", NULL, s->delimiter == '\t' ? "tab" : "\"%c\"", s->delimiter);
  add_words(w, SCOPE_CONTRACT, "na", s->na, s->n_na, true);
  add_bool(w, SCOPE_CONTRACT, "trim", s->trim);
  if (s->n_key) write_join(w, s);
  if (s->dedupe_rows) add_field(w, SCOPE_TRAIN, "dedupe", NULL, "all columns");
  if (s->n_dedupe) add_columns(w, SCOPE_TRAIN, "dedupe", NULL, s->dedupe, s->n_dedupe);
  if (s->file) add_field(w, SCOPE_SPEC, "file", NULL, "%s", s->file);
  if (s->test_file) add_field(w, SCOPE_SPEC, "test", NULL, "%s", s->test_file);
}

// ---------------------------------------------------------------- inputs
static void write_from(Writer *w, const DataInput *in) {
  Text t = {0};
  if (in->kind == INPUT_VECTOR) {
    int n = in->packed ? 1 : in->width, *columns = NEW_ARRAY(w->arena, int, n);
    for (int i = 0; i < n; i++) columns[i] = in->first_column + i;
    add_columns(w, SCOPE_CONTRACT, "from", NULL, columns, n);
    if (in->packed) add_field(w, SCOPE_CONTRACT, "packed", NULL, "true");
    return;
  }
  row_define(&w->m->data, in->from, &t);
  add_text(w, SCOPE_CONTRACT, "from", NULL, &t);
  if (w->decl && w->decl->value) w->entry->fields.data[w->entry->fields.n - 1].at = w->decl->value->at;
}

static bool is_category(const DataInput *in) {
  return in->kind == INPUT_CATEGORY || (in->kind == INPUT_LIST && in->item == INPUT_CATEGORY);
}

static bool is_id(const DataInput *in) { return in->kind == INPUT_ID || (in->kind == INPUT_LIST && in->item == INPUT_ID); }

// What happens where nothing is sent: an error (the input is required), the row is left out, or something stands in.
static void write_missing(Writer *w, const DataInput *in) {
  MissingPolicy p = in->prep.missing;
  bool own = in->kind != INPUT_REAL && in->kind != INPUT_VECTOR;
  add_field(w, SCOPE_CONTRACT, "missing", NULL, p == MISSING_ERROR ? "error" : p == MISSING_DROP ? "drop" : "allowed");
  if (p == MISSING_ERROR || p == MISSING_DROP) return;
  if (p == MISSING_CONSTANT && !own) add_field(w, SCOPE_CONTRACT, "default", "missing", "%s", number_text(w->arena, in->prep.missing_value));
  else add_field(w, SCOPE_WEIGHTS, "filled", "missing", "%s", in->kind == INPUT_LIST ? "empty" : missing_names[p]);
}

static void write_numbers(Writer *w, const Prep *p, ScaleKind scale) {
  Text t = {0};
  if (p->has_clip) clip_text(p, &t), add_text(w, SCOPE_WEIGHTS, "clip", NULL, &t);
  if (p->map) map_text(p, &t), add_text(w, SCOPE_WEIGHTS, "map", NULL, &t);
  if (scale) add_field(w, SCOPE_WEIGHTS, "scale", NULL, "%s", scale_names[scale]);
  if (p->indicator) add_bool(w, SCOPE_WEIGHTS, "indicator", true);
}

// Values that are given: of the spec, of the run, else of the file. Their numbers are their places in order of the text.
static void write_given(Writer *w, const DataInput *in) {
  const char **values = (const char **)in->vocab;
  int64_t n = in->n_vocab;
  const Vocabulary *kept = in->vocab_file && w->prep && w->prep->vocab ? &w->prep->vocab[in->id_at] : NULL;
  if (kept && kept->values) {
    values = NEW_ARRAY(w->arena, const char *, kept->n + 1);
    n = 0;
    for (int64_t i = 0; i < kept->n; i++)             // a missing cell's value is none of the file
      if (*kept->values[i]) values[n++] = kept->values[i];
  } else if (in->vocab_file) {
    size_t bytes;
    char *text = source_read(w->m->sources, in->vocab_file, &bytes);
    if (!text) diag_data(w->diag, "cannot-read", in->vocab_file, 0, 0, NULL, "the vocabulary of `%s`: %s", in->name, strerror(errno));
    bool fine = text && vocabulary_text(in, text, bytes, &values, &n, w->arena, w->diag);
    free(text);
    w->failed |= !fine;
    if (!fine) return;
  }
  add_words(w, SCOPE_WEIGHTS, "vocab", values, (int)n, true);
}

static void write_vocabulary(Writer *w, const DataInput *in) {
  static const char *const unseen[] = {[UNKNOWN_OOV] = "own", [UNKNOWN_ERROR] = "error"};
  if (in->prep.map == MAP_BUCKETIZE) {
    write_numbers(w, &in->prep, SCALE_NONE);
    return;
  }
  if (in->vocab_file || in->n_vocab) write_given(w, in);
  else {
    add_field(w, SCOPE_WEIGHTS, "vocab", NULL, "learned");
    add_field(w, SCOPE_WEIGHTS, "min_count", NULL, "%lld", (long long)in->min_count);
  }
  add_field(w, SCOPE_CONTRACT, "unseen", NULL, "%s", unseen[in->unknown]);
}

static void write_items(Writer *w, const DataInput *in) {
  static const char *const tokens[] = {[TOKENS_WORD] = "word", [TOKENS_CHARACTER] = "character"};
  add_field(w, SCOPE_WEIGHTS, "max", NULL, "%lld", (long long)in->max);
  add_field(w, SCOPE_WEIGHTS, "keep", NULL, in->keep_first ? "first" : "last");
  if (in->tokens) add_field(w, SCOPE_WEIGHTS, "tokens", NULL, "%s", tokens[in->tokens]);
  if (in->tokens) add_field(w, SCOPE_WEIGHTS, "ngrams", NULL, "%d", in->ngrams);
  if (in->separator) {
    Text t = {0};
    quote_print(in->separator, &t);
    add_text(w, SCOPE_CONTRACT, "separator", NULL, &t);
  }
}

static void write_time(Writer *w, const DataInput *in) {
  const char *parts[N_TIME_PARTS];
  for (int i = 0; i < in->n_parts; i++) parts[i] = time_part_names[in->part[i]];
  add_words(w, SCOPE_WEIGHTS, "parts", parts, in->n_parts, false);
  if (in->time_format) add_field(w, SCOPE_CONTRACT, "format", NULL, "%s", in->time_format);
}

static void write_input(Writer *w, int i) {
  const DataInput *in = &w->m->data.inputs[i];
  begin_entry(w, "input", in->name, model_decl(w->m, DECL_INPUT, in->name), w->m->input_at[i]);
  add_field(w, SCOPE_CONTRACT, "type", NULL, "%s", input_type_text(in, w->arena));
  write_from(w, in);
  write_missing(w, in);
  if (in->kind == INPUT_LIST) write_items(w, in);
  if (in->kind == INPUT_TIME) write_time(w, in);
  else if (in->like) add_field(w, SCOPE_WEIGHTS, "like", NULL, "%s", w->m->data.inputs[in->like - 1].name);
  else if (is_category(in)) write_vocabulary(w, in);
  else if (is_id(in)) {
    add_field(w, SCOPE_WEIGHTS, "buckets", NULL, "%lld", (long long)in->buckets);
    add_field(w, SCOPE_WEIGHTS, "seed", NULL, "%llu", (unsigned long long)in->hash_seed);
  } else write_numbers(w, &in->prep, in->prep.scale);
}

// ---------------------------------------------------------------- labels, by what they are made of
const char *label_definition(const Model *m, const DataLabel *l, bool prepared) {
  Text t = {0};
  text_printf(&t, "%s = ", label_kind_text(l, m->arena));
  row_define(&m->data, l->from, &t);
  if (l->where) text_add(&t, " where "), row_define(&m->data, l->where, &t);
  if (l->positive) text_add(&t, ", positive "), quote_print(l->positive, &t);
  if (l->missing == MISSING_DROP && prepared) text_add(&t, ", missing drop");
  if (l->prep.has_clip && prepared) text_add(&t, ", clip "), clip_text(&l->prep, &t);
  if (l->prep.map == MAP_ABS || (l->prep.map && prepared)) text_add(&t, ", map "), map_text(&l->prep, &t);
  if (l->scale && prepared) text_printf(&t, ", scale %s", scale_names[l->scale]);
  const char *s = arena_strdup(m->arena, t.data);
  text_free(&t);
  return s;
}

void write_data(Writer *w) {
  for (int i = 0; i < w->m->data.n_sources; i++) write_source(w, &w->m->data.sources[i]);
  for (int i = 0; i < w->m->data.n_inputs; i++) write_input(w, i);
}
