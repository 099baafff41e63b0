// mistaken.c: a path that is no spec, or no run folder: what it is instead, and what was probably meant.
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include "session.h"

static bool is_folder(const char *path) {
  struct stat s;
  return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

static bool is_file(const char *path) {
  struct stat s;
  return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

static bool ends_in(const char *s, const char *end) {
  size_t n = strlen(s), m = strlen(end);
  return n > m && !strcmp(s + n - m, end);
}

static bool is_data_file(const char *path) {
  static const char *const ends[] = { ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".data", ".db", ".sqlite" };
  for (int i = 0; i < COUNT_OF(ends); i++)
    if (ends_in(path, ends[i])) return true;
  return false;
}

// The name beside `path` that is nearest to it and ends in `end` (a run folder: NULL); NULL: none is near.
static const char *near_path(Arena *a, const char *path, const char *end) {
  enum { MOST = 2000 };
  const char *slash = strrchr(path, '/'), *names[MOST];
  const char *folder = slash ? arena_strndup(a, path, (size_t)(slash - path) + 1) : "./";
  DIR *d = opendir(folder);
  int n = 0;
  if (!d) return NULL;
  for (struct dirent *e; n < MOST && (e = readdir(d));) {
    bool fits = end ? ends_in(e->d_name, end) : e->d_name[0] != '.' && mtl_is_run(arena_printf(a, "%s%s", folder, e->d_name));
    if (fits) names[n++] = arena_strdup(a, e->d_name);
  }
  closedir(d);
  const char *near = nearest(slash ? slash + 1 : path, names, n);
  return near && slash ? arena_printf(a, "%s%s", folder, near) : near;
}

void no_spec(mtl_context *c, const char *path, int why) {
  const char *near = why == ENOENT ? near_path(c->arena, path, ".mtl") : NULL;
  if (mtl_is_run(path)) {
    diag_error(c->diag, "no-spec", (Place){0}, "`%s` is a run folder, not a spec", path);
    diag_help(c->diag, "its spec is %s/spec.mtl", path);
    return;
  }
  diag_error(c->diag, "no-spec", (Place){0}, "cannot read the spec `%s`: %s", path, strerror(why));
  if (near) diag_help(c->diag, "did you mean `%s`?", near);
}

bool is_no_spec(mtl_context *c, const char *path) {
  if (!is_data_file(path) || !is_file(path)) return false;
  diag_error(c->diag, "no-spec", (Place){0}, "`%s` is a data file by its name, and a spec is wanted", path);
  diag_help(c->diag, "a first spec for it: mtlc init --data %s -o NAME.mtl", path);
  return true;
}

bool is_no_run(mtl_context *c, const char *path) {
  const char *near = access(path, F_OK) ? near_path(c->arena, path, NULL) : NULL;
  if (is_folder(path)) return false;                        // what it lacks is told by who reads it
  if (is_file(path)) {
    diag_error(c->diag, "bad-run", (Place){0}, "`%s` is a file, and a run folder is wanted", path);
    if (ends_in(path, ".mtl")) diag_help(c->diag, "of a spec, `mtlc run %s` makes one", path);
    return true;
  }
  diag_error(c->diag, "bad-run", (Place){0}, "there is no run folder `%s`", path);
  if (near) diag_help(c->diag, "did you mean `%s`?", near);
  return true;
}
