// hash.c: mtl_hash: the four hashes of a spec or of a run.
#include "origin.h"

static json_t *hashes_json(const Hashes *h) {
  json_t *j = json_object();
  for (int i = 0; i < N_SCOPES; i++) json_object_set_new(j, scope_names[i], json_string(h->text[i]));
  return j;
}

json_t *run_hashes(mtl_context *c, const Model *m, const Ready *r, const PrepState *prep) {
  const Canon *k = canon_of(m, r->compiled.forward, prep, c->diag);
  Hashes h;
  if (!k) return json_null();
  canon_hash(k, &h);
  return hashes_json(&h);
}

static json_t *canon_json(const Canon *k) {
  json_t *all = json_array();
  for (int i = 0; i < k->entries.n; i++)
    for (int f = 0; f < k->entries.data[i].fields.n; f++) {
      const Entry *e = &k->entries.data[i];
      const Field *x = &e->fields.data[f];
      json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s, s:s}", "scope", scope_names[x->scope], "kind", e->kind, "name", e->name,
                                           "field", x->key, "value", x->value));
    }
  return all;
}

int mtl_hash(mtl_context *c, const char *path, bool explain, bool json, char **report) {
  *report = NULL;
  const Canon *k = origin_open(c, path, NULL);
  if (!k) return diag_exit_code(c->diag);
  Hashes h;
  Text t = {0};
  canon_hash(k, &h);
  if (json) {
    json_t *j = json_pack("{s:s, s:o}", "path", path, "hashes", hashes_json(&h));
    if (explain) json_object_set_new(j, "canonical", canon_json(k));
    *report = json_text(j);
    return 0;
  }
  if (explain) canon_text(k, SCOPE_SPEC, &t);
  for (int i = 0; i < N_SCOPES && !explain; i++) text_printf(&t, "%-8s  %s\n", scope_names[i], h.text[i]);
  *report = t.data;
  return 0;
}
