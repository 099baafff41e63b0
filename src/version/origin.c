// origin.c: opens an operand of hash, diff and check.
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include "origin.h"
#include "registry.h"

bool origin_is_run(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static Canon *canon_of_model(mtl_context *c, Model *m, const PrepState *prep) {
  Graph *g = m ? build(m, F32, c->diag) : NULL;
  Canon *k = g && !diag_errors(c->diag) ? canon_of(m, g, prep, c->diag) : NULL;
  if (k) diag_clear(c->diag);                        // warnings are for check
  return k;
}

static Canon *open_run(mtl_context *c, const char *path) {
  PrepState *prep = NEW(c->arena, PrepState);
  RunInfo info;
  if (!run_folder_read(c, path, &info)) return NULL;
  Model *m = run_folder_model(c, path, prep);
  if (m) m->train.seed = m->data.seed = info.seed, m->train.epochs = info.epochs;     // of the command line, perhaps
  return canon_of_model(c, m, prep);
}

static char *read_commit(void *ctx, const char *path, size_t *n) { return git_read(ctx, path, n); }

// The file may have had another name there: its model has the same.
static void help_moved(mtl_context *c, GitTree *t, const char *path, const char *ref) {
  size_t n;
  int n_files;
  char *text = source_read_disk(path, &n);
  const char *model = text ? spec_model_name(c, path, text, n) : NULL, **files = model && *model ? git_files(t, ".", &n_files) : NULL;
  free(text);
  for (int i = 0; files && i < n_files; i++) {
    char *old = spec_is_named_so(files[i]) ? git_read(t, files[i], &n) : NULL;
    const char *name = old ? spec_model_name(c, files[i], old, n) : NULL;
    free(old);
    if (!name || strcmp(name, model)) continue;
    diag_help(c->diag, "there, the model `%s` is in `%s@%s`", model, files[i], ref);
    return;
  }
}

Canon *origin_in_commit(mtl_context *c, GitTree *t, const char *path, const char *ref) {
  size_t n;
  char *text = git_read(t, path, &n);
  if (!text) {
    diag_error(c->diag, "no-spec", (Place){0}, "`%s` has no file `%s`", ref, path);
    help_moved(c, t, path, ref);
    return NULL;
  }
  source_reader(c->sources, read_commit, t, arena_printf(c->arena, "@%s", ref));
  Canon *k = canon_of_model(c, open_spec_text(c, arena_printf(c->arena, "%s@%s", path, ref), path, text, n), NULL);
  source_reader(c->sources, NULL, NULL, NULL);
  free(text);
  return k;
}

static Canon *open_commit(mtl_context *c, const char *path, const char *ref) {
  GitTree *t = git_open(c, ref, path);
  Canon *k = t ? origin_in_commit(c, t, path, ref) : NULL;
  git_close(t);
  return k;
}

Canon *origin_open(mtl_context *c, const char *word, const char *beside) {
  const char *at = strrchr(word, '@');
  if (origin_is_run(word)) return open_run(c, word);
  if (access(word, F_OK) == 0) return canon_of_model(c, open_spec(c, word), NULL);
  if (at && at != word && at[1]) return open_commit(c, arena_strndup(c->arena, word, (size_t)(at - word)), at + 1);
  const char *named = run_path(c, word);
  if (named != word) return open_run(c, named);
  bool is_spec = strlen(word) > 4 && !strcmp(word + strlen(word) - 4, ".mtl");
  if (beside && !is_spec && !origin_is_run(beside)) return open_commit(c, beside, word);
  open_spec(c, word);                                // says that it is not there
  if (!is_spec) diag_help(c->diag, "a spec, a run folder, or a spec in a commit of git, as `shop.mtl@v3`");
  return NULL;
}
