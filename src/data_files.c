// data_files.c: which file each source has: `--data events=F --data products=G`, the files that a run remembers, those that
// a spec names.
#include <limits.h>
#include <unistd.h>
#include "session.h"

// A path, or the path of a database with a table or query behind it: `shop.db:events`.
static const char *absolute(Arena *a, const char *path) {
  char full[PATH_MAX];
  if (!path) return NULL;
  if (realpath(path, full)) return arena_strdup(a, full);
  for (const char *colon = path; (colon = strchr(colon, ':')) != NULL; colon++)
    if (realpath(arena_strndup(a, path, (size_t)(colon - path)), full)) return arena_printf(a, "%s%s", full, colon);
  return path;
}

// The source that a word `SOURCE=FILE` names; −1: none; *path: what stands behind the sign, else the word.
static int source_of(const DataPlan *p, const char *word, const char **path) {
  const char *sign = strchr(word, '=');
  *path = word;
  for (int i = 0; sign && i < p->n_sources; i++) {
    size_t n = strlen(p->sources[i].name);
    if (n != (size_t)(sign - word) || strncmp(p->sources[i].name, word, n) != 0) continue;
    *path = sign + 1;
    return i;
  }
  return -1;
}

static void unknown_source(mtl_context *c, const DataPlan *p, const char *word) {
  const char *names[64], *name = arena_strndup(c->arena, word, strcspn(word, "="));
  int n = p->n_sources < 64 ? p->n_sources : 64;
  Text all = {0};
  for (int i = 0; i < n; i++) {
    names[i] = p->sources[i].name;
    text_printf(&all, "%s`%s`", i ? ", " : "", names[i]);
  }
  diag_error(c->diag, "unknown-source", (Place){0}, "--data %s: there is no file of this name, and no source `%s`", word,
             name);
  const char *near = nearest(name, names, n);
  if (near) diag_help(c->diag, "did you mean `%s`?", near);
  diag_help(c->diag, "the sources are %s", all.data ? all.data : "");
  text_free(&all);
}

static bool take_word(mtl_context *c, const DataPlan *p, const char *word, const char **file, bool *given) {
  const char *path;
  int at = source_of(p, word, &path);
  if (at < 0 && strchr(word, '=') && access(word, F_OK)) {
    unknown_source(c, p, word);
    return false;
  }
  if (at < 0) at = 0;
  if (given[at]) {
    diag_error(c->diag, "repeated-source", (Place){0}, "--data gives the source `%s` two files: %s and %s",
               p->sources[at].name, file[at], path);
    if (p->n_sources > 1) diag_help(c->diag, "a file of another source is given as --data SOURCE=FILE");
    return false;
  }
  file[at] = path;
  given[at] = true;
  return true;
}

static const char *known_file(const RunInfo *known, const char *source, int at) {
  for (int i = 0; known && i < known->n_files; i++)
    if (!strcmp(known->file_names[i], source)) return known->files.source[i];
  return known && at == 0 && known->n_files ? known->files.source[0] : NULL;
}

static bool no_file(mtl_context *c, const DataPlan *p, int at, const char *spec) {
  const char *name = p->sources[at].name;
  if (p->n_sources == 1) {
    diag_error(c->diag, "no-data", (Place){0}, "neither the command line nor the spec names a data file");
    if (spec)
      diag_help(c->diag, "mtlc run %s --data FILE; rows to try with: mtlc synth %s --rows 2000 -o rows.csv", spec, spec);
  } else {
    diag_error(c->diag, "no-data", (Place){0}, "neither the command line nor the spec names a file for the source `%s`",
               name);
    diag_help(c->diag, "name it: --data %s=FILE, or in the spec: `source %s { file = \"…\" }`", name, name);
  }
  return false;
}

bool find_files(mtl_context *c, const Model *m, const char *const *words, const char *test, const RunInfo *known,
                const char *spec, DataFiles *files) {
  const DataPlan *p = &m->data;
  Arena *a = c->arena;
  const char **file = NEW_ARRAY(a, const char *, p->n_sources + 1);
  bool *given = NEW_ARRAY(a, bool, p->n_sources + 1), fine = true;
  for (int i = 0; words && words[i]; i++) fine &= take_word(c, p, words[i], file, given);
  for (int i = 0; i < p->n_sources; i++) {
    if (given[i]) continue;
    file[i] = known_file(known, p->sources[i].name, i);
    if (!file[i] && spec && p->sources[i].file) file[i] = beside(a, spec, p->sources[i].file);
    if (!file[i] && !known) fine = fine && no_file(c, p, i, spec);
  }
  if (!test && spec && p->sources[0].test_file && !given[0]) test = beside(a, spec, p->sources[0].test_file);
  for (int i = 0; i < p->n_sources; i++) file[i] = absolute(a, file[i]);
  char *cache = cache_folder();
  *files = (DataFiles){file, absolute(a, test), c->memory, cache ? arena_printf(a, "%s/rows", cache) : NULL};
  free(cache);
  return fine;
}
