// session.c: a context, a spec opened in it, a model made ready to run.
#include "session.h"
#include <errno.h>

mtl_context *mtl_new(void) {
  mtl_context *c = xcalloc(1, sizeof *c);
  c->arena = arena_new();
  c->sources = sources_new(c->arena);
  c->diag = diag_new(c->arena, c->sources);
  return c;
}

void mtl_free(mtl_context *c) {
  if (!c) return;
  text_free(&c->errors);
  arena_free(c->arena);
  free(c);
}

const char *mtl_errors(mtl_context *c, bool colour) {
  text_free(&c->errors);
  diag_print(c->diag, &c->errors, colour);
  return c->errors.data ? c->errors.data : "";
}

void mtl_width(mtl_context *c, int columns) { diag_width(c->diag, columns); }

const char *mtl_errors_json(mtl_context *c) {
  text_free(&c->errors);
  diag_json(c->diag, &c->errors);
  return c->errors.data ? c->errors.data : "[]";
}

void mtl_text_free(char *text) { free(text); }

void mtl_memory(mtl_context *c, int64_t bytes) { c->memory = bytes; }
void mtl_threads(mtl_context *c, int threads) { c->threads = threads; }
void mtl_tables(mtl_context *c, const char *folder) { c->tables = folder ? arena_strdup(c->arena, folder) : NULL; }

char *json_text(json_t *j) {
  char *s = json_dumps(j, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
  json_decref(j);
  return s ? s : strdup("null");
}

Model *open_spec_text(mtl_context *c, const char *name, const char *path, const char *text, size_t n) {
  const char *std = std_folder(c->arena);
  if (!std) {
    diag_machine(c->diag, "no-std", "the shipped layers (std/base.mtl) are not found; set MTLC_STD to their folder");
    return NULL;
  }
  uint32_t file = source_add(c->sources, name, text, n);
  Ast *t = parse(c->arena, c->sources, file, c->diag);
  return resolve(c->arena, c->sources, t, path, std, c->diag);
}

Model *open_spec(mtl_context *c, const char *path) {
  size_t n;
  if (is_no_spec(c, path)) return NULL;
  char *text = read_whole(path, &n);
  if (!text) {
    no_spec(c, path, errno);
    return NULL;
  }
  Model *m = open_spec_text(c, path, path, text, n);
  free(text);
  return m;
}

Graph *check_graph(mtl_context *c, Model *m) {
  Graph *g = m ? build(m, F32, c->diag) : NULL;    // errors of both halves in one run
  return diag_errors(c->diag) ? NULL : g;
}

bool check_spec(mtl_context *c, Model *m) { return check_graph(c, m) != NULL; }

void assume_vocabularies(Model *m, int64_t cardinality) {
  PrepState *p = NEW(m->arena, PrepState);
  p->vocab = NEW_ARRAY(m->arena, Vocabulary, m->data.n_ids + 1);
  for (int i = 0; i < m->data.n_ids; i++) p->vocab[i].n = cardinality - 1;
  model_bind(m, p);
}

static TablePlace table_place(mtl_context *c, bool trains) {
  char *cache = c->tables ? NULL : cache_folder();
  const char *folder = cache ? arena_printf(c->arena, "%s/tables", cache) : c->tables;
  free(cache);
  return (TablePlace){ .folder = folder, .always = c->tables != NULL, .memory = c->memory, .trains = trains };
}

bool make_ready(mtl_context *c, Model *m, const PrepState *prep, bool trains, Ready *r) {
  *r = (Ready){0};
  model_bind(m, prep);
  if (!compile(m, F32, &r->compiled, c->diag)) return false;
  if (!jit(r->compiled.schedule, target_detect(), c->arena, &r->code, &r->jit, c->diag)) return false;
  TablePlace where = table_place(c, trains);
  r->engine = engine_new_in(&r->compiled.plan, &r->code, &where, c->diag);
  if (!r->engine) return false;
  engine_threads(r->engine, c->threads);
  return true;
}

void ready_free(Ready *r) {
  engine_free(r->engine);
  jit_free(&r->code);
  *r = (Ready){0};
}
