// run_vocabularies.c: vocabularies of files, kept in the run folder, so that it is complete in itself: the values that the run read, one
// a line, in `vocab.INPUT.txt`; the run's spec names this file. Hashes are of values, so they stay what they were.
#include <inttypes.h>
#include <stdlib.h>
#include "session.h"
#include "version/registry.h"

static const DataInput *input_of(const Model *m, const char *name) {
  for (int i = 0; i < m->data.n_inputs; i++)
    if (!strcmp(m->data.inputs[i].name, name)) return &m->data.inputs[i];
  return NULL;
}

// The clause of a declaration that names a file, and an input of it; NULL: none.
static const Clause *file_clause(const Model *m, const Decl *d, const DataInput **in) {
  if (d->kind != DECL_INPUT || !d->n_names || !(*in = input_of(m, d->names[0].name)) || !(*in)->vocab_file) return NULL;
  for (int i = 0; i < d->n_clauses; i++)
    if (!strcmp(d->clauses[i].key, "vocab")) return &d->clauses[i];
  return NULL;
}

static const char *absolute(Arena *a, const char *path) {
  char *full = realpath(path, NULL);
  const char *s = arena_strdup(a, full ? full : path);
  free(full);
  return s;
}

static json_t *fingerprint_json(Arena *a, const char *path) {
  Fingerprint f = {0};
  char digits[17];
  if (!fingerprint_of(path, &f)) return json_pack("{s:s}", "path", absolute(a, path));
  snprintf(digits, sizeof digits, "%016" PRIx64, f.digest);
  return json_pack("{s:s, s:I, s:s}", "path", absolute(a, path), "bytes", (json_int_t)f.bytes, "digest", digits);
}

json_t *run_vocabularies_kept(mtl_context *c, const char *dir) {
  json_t *j = json_load_file(arena_printf(c->arena, "%s/run.json", dir), 0, NULL);
  json_t *all = json_incref(json_object_get(j, "vocabularies"));
  json_decref(j);
  return all ? all : json_object();
}

static bool write_values(mtl_context *c, const char *path, const Vocabulary *v) {
  Text t = {0};
  text_add(&t, "");
  for (int64_t i = 0; i < v->n; i++)
    if (*v->values[i]) text_printf(&t, "%s\n", v->values[i]);        // "": a missing cell's, none of the file
  bool ok = file_write_soon(path, t.data, t.n, c->diag);
  text_free(&t);
  return ok;
}

bool run_vocabularies_keep(mtl_context *c, const char *dir, const Model *m, const PrepState *prep, Text *spec, json_t *all) {
  const char *text = m->resolved;
  size_t from = 0;
  bool any = false, ok = true;
  for (int i = 0; i < m->data.n_inputs; i++) any |= m->data.inputs[i].vocab_file != NULL;
  const Ast *t = any ? parse(c->arena, c->sources, source_add(c->sources, "spec.mtl", text, strlen(text)), c->diag) : NULL;
  text_add(spec, "");
  for (int i = 0; t && i < t->n && ok; i++) {
    const DataInput *in;
    const Clause *clause = file_clause(m, &t->decls[i], &in);
    if (!clause) continue;
    const char *file = arena_printf(c->arena, "vocab.%s.txt", in->name), *path = arena_printf(c->arena, "%s/%s", dir, file);
    Place at = clause->value->at;
    text_addn(spec, text + from, at.off - from);
    text_printf(spec, "\"%s\"", file);
    from = at.off + at.len;
    json_t *was = json_pack("{s:o}", "from", fingerprint_json(c->arena, in->vocab_file));
    ok = write_values(c, path, &prep->vocab[in->id_at]);
    json_t *kept = fingerprint_json(c->arena, path);
    json_object_set_new(kept, "path", json_string(file));
    json_object_set_new(was, "kept", kept);
    json_object_set_new(all, in->name, was);
  }
  text_add(spec, text + from);
  return ok && !diag_errors(c->diag);
}
