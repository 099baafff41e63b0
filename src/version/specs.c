// specs.c: the specs that a path names: a file, or all below a folder. A `.mtl` file without a `model` is a part of others; a run's own
// spec is no source of anything.
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include "origin.h"

static int is_visible(const struct dirent *e) { return e->d_name[0] != '.'; }

bool spec_is_named_so(const char *path) {
  size_t n = strlen(path);
  return n > 4 && !strcmp(path + n - 4, ".mtl");
}

const char *spec_model_name(mtl_context *c, const char *path, const char *text, size_t n) {
  Diag *quiet = diag_new(c->arena, c->sources);
  const Ast *t = parse(c->arena, c->sources, source_add(c->sources, path, text, n), quiet);
  for (int i = 0; i < t->n; i++)
    if (t->decls[i].kind == DECL_MODEL) return t->decls[i].n_names ? t->decls[i].names[0].name : "";
  return NULL;
}

static void add_spec(mtl_context *c, const char *path, bool named, SpecFiles *out) {
  size_t n;
  char *text = source_read_disk(path, &n);
  if (!text && named) diag_error(c->diag, "no-spec", (Place){0}, "cannot read the spec `%s`: %s", path, strerror(errno));
  const char *name = text ? spec_model_name(c, path, text, n) : NULL;
  free(text);
  if (!name && !(named && text)) return;                     // one that was named and has no model is an error of its own
  vec_push(c->arena, out, ((SpecFile){arena_strdup(c->arena, path), name ? name : ""}));
}

static void add_path(mtl_context *c, const char *path, bool named, SpecFiles *out) {
  struct stat st;
  struct dirent **entry;
  bool there = (named ? stat(path, &st) : lstat(path, &st)) == 0;
  if (!there || !S_ISDIR(st.st_mode)) {
    if (named || spec_is_named_so(path)) add_spec(c, path, named, out);
    return;
  }
  if (mtl_is_run(path)) return;
  int n = scandir(path, &entry, is_visible, alphasort);
  for (int i = 0; i < n; i++) {
    add_path(c, path_joined(c->arena, path, entry[i]->d_name), false, out);
    free(entry[i]);
  }
  if (n >= 0) free(entry);
}

void specs_below(mtl_context *c, const char *path, SpecFiles *out) { add_path(c, path, true, out); }

int mtl_specs(mtl_context *c, const char *path, const char *const **specs, int *n) {
  SpecFiles found = {0};
  specs_below(c, path, &found);
  const char **all = NEW_ARRAY(c->arena, const char *, found.n + 1);
  for (int i = 0; i < found.n; i++) all[i] = found.data[i].path;
  if (!found.n && !diag_errors(c->diag)) diag_error(c->diag, "no-spec", (Place){0}, "there is no spec in `%s`", path);
  *specs = all, *n = found.n;
  return diag_exit_code(c->diag);
}
