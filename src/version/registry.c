// registry.c: mtl_runs, mtl_show, mtl_tag: what runs there are, what one is, and names for them.
#define _GNU_SOURCE                        // strverscmp
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>
#include "registry.h"
#include "version.h"

// ---------------------------------------------------------------- one run
static json_t *read_json(Arena *a, const char *folder, const char *name) {
  size_t n;
  char *text = read_whole(arena_printf(a, "%s/%s", folder, name), &n);
  json_t *j = text ? json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
  free(text);
  return j;
}

bool run_entry_read(Arena *a, const char *path, RunEntry *e, const char **why) {
  const char *slash = strrchr(path, '/');
  *e = (RunEntry){.path = path, .name = slash && slash[1] ? slash + 1 : path, .run = read_json(a, path, "run.json")};
  *why = "it has no run.json that can be read";
  if (!e->run) return false;
  *why = "its run.json is broken";
  if (!json_string_value(json_object_get(e->run, "model")) || !json_string_value(json_object_get(e->run, "status"))) {
    run_entry_free(e);
    return false;
  }
  e->metrics = read_json(a, path, "metrics.json");
  return true;
}

void run_entry_free(RunEntry *e) {
  json_decref(e->run);
  json_decref(e->metrics);
  e->run = e->metrics = NULL;
}

json_t *run_figures(const RunEntry *e) {
  json_t *test = json_object_get(e->metrics, "test"), *epochs = json_object_get(e->metrics, "epochs");
  if (json_is_object(test)) return test;
  json_int_t best = json_integer_value(json_object_get(e->metrics, "best_epoch"));
  json_t *valid = json_object_get(json_array_get(epochs, best > 0 ? (size_t)best - 1 : json_array_size(epochs) - 1), "valid");
  return json_is_object(valid) ? valid : NULL;
}

static const char *text_of(const json_t *j, const char *key) {
  const char *s = json_string_value(json_object_get(j, key));
  return s ? s : "";
}

static long long number_of(const json_t *j, const char *key) { return (long long)json_integer_value(json_object_get(j, key)); }

// ---------------------------------------------------------------- the list
typedef struct { RunEntry e; const char *tags; double figure; } Row;
typedef VEC(Row) Rows_;

static int is_visible(const struct dirent *e) { return e->d_name[0] != '.'; }

// Names that lead to the run: links in its folder.
static const char *tags_of(Arena *a, const char *folder, const char *run) {
  char target[PATH_MAX], own[PATH_MAX];
  struct dirent **entry;
  struct stat st;
  Text t = {0};
  int n = realpath(run, own) ? scandir(folder, &entry, is_visible, alphasort) : -1;
  for (int i = 0; i < n; i++) {
    const char *path = arena_printf(a, "%s/%s", folder, entry[i]->d_name);
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && realpath(path, target) && !strcmp(target, own))
      text_printf(&t, "%s%s", t.n ? ", " : "", entry[i]->d_name);
    free(entry[i]);
  }
  if (n >= 0) free(entry);
  const char *s = arena_strdup(a, t.data ? t.data : "");
  text_free(&t);
  return s;
}

// `auc(ctr)`: a figure of the run; NAN: it has none.
static double figure_of(const RunEntry *e, const char *metric, const char *task) {
  json_t *v = json_object_get(json_object_get(run_figures(e), task), metric);
  return json_is_number(v) ? json_number_value(v) : NAN;
}

static bool split_figure(mtl_context *c, const char *by, const char **metric, const char **task) {
  size_t n = strcspn(by, "("), len = strlen(by);
  if (n == 0 || n + 2 >= len || by[len - 1] != ')') {
    diag_error(c->diag, "bad-option", (Place){0}, "--best takes a figure of a task, as `auc(ctr)`, not `%s`", by);
    return false;
  }
  *metric = arena_strndup(c->arena, by, n);
  *task = arena_strndup(c->arena, by + n + 1, len - n - 2);
  return true;
}

static bool lower_is_better(const char *metric) {
  static const char *const words[] = {"loss", "logloss", "mae", "rmse", "error", "calibration", "normalised_entropy", "pinball", "deviance"};
  for (int i = 0; i < COUNT_OF(words); i++)
    if (strstr(metric, words[i])) return true;
  return false;
}

static int by_name(const void *x, const void *y) { return strverscmp(((const Row *)x)->e.name, ((const Row *)y)->e.name); }
static int by_figure(const void *x, const void *y) {          // the best first, those without last
  const Row *a = x, *b = y;
  if (isnan(a->figure) || isnan(b->figure)) return isnan(a->figure) - isnan(b->figure);
  return a->figure == b->figure ? by_name(x, y) : a->figure > b->figure ? -1 : 1;
}

static Rows_ read_runs(mtl_context *c, const char *folder) {
  struct dirent **entry;
  struct stat st;
  Rows_ rows = {0};
  int n = scandir(folder, &entry, is_visible, alphasort);
  if (n < 0) diag_error(c->diag, "no-runs", (Place){0}, "cannot read the folder of runs `%s`: %s", folder, strerror(errno));
  for (int i = 0; i < n; i++) {
    const char *path = arena_printf(c->arena, "%s/%s", folder, entry[i]->d_name), *why;
    Row r = {0};
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && !is_unfinished(entry[i]->d_name) && run_entry_read(c->arena, path, &r.e, &why)) {
      r.tags = tags_of(c->arena, folder, path);
      vec_push(c->arena, &rows, r);
    }
    free(entry[i]);
  }
  if (n >= 0) free(entry);
  return rows;
}

static void figures_text(const RunEntry *e, const char *metric, const char *task, double figure, Text *out) {
  enum { MOST = 3 };
  const char *name, *key;
  json_t *figures, *v;
  int n = 0;
  if (metric) {
    text_printf(out, isnan(figure) ? "no %s(%s)" : "%s(%s) ", metric, task);
    if (!isnan(figure)) text_printf(out, "%.5g", figure);
    return;
  }
  json_object_foreach(run_figures(e), name, figures) {
    json_object_foreach(figures, key, v) {
      if (!strcmp(key, "loss") || !json_is_number(v)) continue;
      if (n++ < MOST) text_printf(out, "%s%s(%s) %.5g", n > 1 ? ", " : "", key, name, json_number_value(v));
      break;
    }
  }
  if (n > MOST) text_printf(out, " and %d tasks more", n - MOST);
}

static json_t *row_json(const Row *r) {
  json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "run", r->e.path, "model", text_of(r->e.run, "model"), "status", text_of(r->e.run, "status"), "tags",
                        r->tags);
  static const char *const keys[] = {"version", "seed", "epochs", "best_epoch", "rows", "hashes"};
  for (int i = 0; i < COUNT_OF(keys); i++) {
    json_t *v = json_object_get(r->e.run, keys[i]);
    json_object_set(j, keys[i], v ? v : json_null());
  }
  json_t *figures = run_figures(&r->e);
  json_object_set(j, "figures", figures ? figures : json_null());
  return j;
}

int mtl_runs(mtl_context *c, const char *folder, const char *best, bool json, char **report) {
  const char *metric = NULL, *task = NULL;
  *report = NULL;
  if (best && !split_figure(c, best, &metric, &task)) return 2;
  Rows_ rows = read_runs(c, folder);
  if (diag_errors(c->diag)) return diag_exit_code(c->diag);
  Text t = {0};
  double sign = metric && lower_is_better(metric) ? -1 : 1;
  int width = 3;
  for (int i = 0; i < rows.n; i++) {
    Row *r = &rows.data[i];
    r->figure = metric ? sign * figure_of(&r->e, metric, task) : NAN;
    int w = display_width(r->e.name, strlen(r->e.name));
    if (w > width) width = w;
  }
  if (rows.n) qsort(rows.data, (size_t)rows.n, sizeof *rows.data, metric ? by_figure : by_name);
  json_t *list = json_array();
  for (int i = 0; i < rows.n; i++) {
    Row *r = &rows.data[i];
    json_array_append_new(list, row_json(r));
    text_add(&t, r->e.name);
    for (int w = display_width(r->e.name, strlen(r->e.name)); w < width; w++) text_char(&t, ' ');
    text_printf(&t, "  %s", text_of(r->e.run, "model"));
    if (json_object_get(r->e.run, "version")) text_printf(&t, " %lld", number_of(r->e.run, "version"));
    text_printf(&t, "  seed %lld  epoch %lld  ", number_of(r->e.run, "seed"), number_of(r->e.run, "best_epoch"));
    figures_text(&r->e, metric, task, sign * r->figure, &t);
    if (strcmp(text_of(r->e.run, "status"), "complete")) text_printf(&t, "  %s", text_of(r->e.run, "status"));
    if (*r->tags) text_printf(&t, "  (%s)", r->tags);
    text_char(&t, '\n');
    run_entry_free(&r->e);
  }
  if (!rows.n) text_printf(&t, "no runs in %s\n", folder);
  if (json) {
    text_free(&t);
    *report = json_text(list);
  } else {
    json_decref(list);
    *report = t.data;
  }
  return diag_exit_code(c->diag);
}

// ---------------------------------------------------------------- one of them
static bool no_run(mtl_context *c, const char *path, const char *why) {
  diag_error(c->diag, "bad-run", (Place){0}, "`%s` is no run: %s", path, why);
  return false;
}

static void show_files(const json_t *files, Text *out) {
  const char *name;
  json_t *f;
  json_object_foreach((json_t *)files, name, f)
    text_printf(out, "data      %s = %s, %lld bytes, digest %s\n", name, text_of(f, "path"), number_of(f, "bytes"), text_of(f, "digest"));
}

static void show_figures(const RunEntry *e, Text *out) {
  const char *task, *key;
  json_t *figures, *v;
  json_object_foreach(run_figures(e), task, figures) {
    text_printf(out, "%s    %s:", text_of(e->metrics, "held_out"), task);
    json_object_foreach(figures, key, v)
      if (json_is_number(v)) text_printf(out, " %s %.5g", key, json_number_value(v));
    text_char(out, '\n');
  }
}

static void show_text(mtl_context *c, const RunEntry *e, const char *tags, Text *out) {
  const json_t *r = e->run, *rows = json_object_get(r, "rows");
  char full[PATH_MAX];
  text_printf(out, "run       %s\n", realpath(e->path, full) ? full : e->path);
  if (*tags) text_printf(out, "tags      %s\n", tags);
  text_printf(out, "model     %s", text_of(r, "model"));
  if (json_object_get(r, "version")) text_printf(out, ", version %lld", number_of(r, "version"));
  text_printf(out, "\nstatus    %s, seed %lld, %lld epochs, the best %lld\n", text_of(r, "status"), number_of(r, "seed"), number_of(r, "epochs"),
              number_of(r, "best_epoch"));
  text_printf(out, "rows      %lld train, %lld valid, %lld test\n", number_of(rows, "train"), number_of(rows, "valid"), number_of(rows, "test"));
  show_files(json_object_get(r, "files"), out);
  show_figures(e, out);
  for (int i = 0; i < N_SCOPES; i++) text_printf(out, "%-8s  %s\n", scope_names[i], text_of(json_object_get(r, "hashes"), scope_names[i]));
  const char *build = text_of(r, "build");
  while (*build) {
    size_t n = strcspn(build, "\n"), k = strcspn(build, ":");
    if (k < n) text_printf(out, "%-8.*s  %.*s\n", (int)k, build, (int)(n - k - 2), build + k + 2);
    build += n + (build[n] == '\n');
  }
  (void)c;
}

static char *folder_of(Arena *a, const char *path) {
  char *s = arena_strdup(a, path), *slash;
  size_t n = strlen(s);
  while (n > 1 && s[n - 1] == '/') s[--n] = 0;
  slash = strrchr(s, '/');
  if (!slash) return arena_strdup(a, ".");
  slash[slash == s] = 0;
  return s;
}

int mtl_show(mtl_context *c, const char *run, bool json, char **report) {
  RunEntry e;
  const char *why, *path = run_path(c, run);
  *report = NULL;
  if (!run_entry_read(c->arena, path, &e, &why)) return no_run(c, run, why), 2;
  const char *tags = tags_of(c->arena, folder_of(c->arena, path), path);
  if (json) {
    json_t *j = json_deep_copy(e.run), *figures = run_figures(&e);
    json_object_set_new(j, "tags", json_string(tags));
    json_object_set(j, "figures", figures ? figures : json_null());
    *report = json_text(j);
  } else {
    Text t = {0};
    show_text(c, &e, tags, &t);
    *report = t.data;
  }
  run_entry_free(&e);
  return 0;
}

// ---------------------------------------------------------------- names
const char *run_path(mtl_context *c, const char *word) {
  const char *below = arena_printf(c->arena, "runs/%s/run.json", word);
  bool plain = !strchr(word, '/') && access(word, F_OK) != 0;
  return plain && access(below, F_OK) == 0 ? arena_printf(c->arena, "runs/%s", word) : word;
}

static bool is_tag_name(const char *s) {
  bool fine = *s && *s != '.' && *s != '-';
  for (; *s; s++) fine &= (unsigned char)*s > ' ' && !strchr("/@\\:*?[", *s);
  return fine;
}

int mtl_tag(mtl_context *c, const char *run, const char *name, bool json, char **report) {
  RunEntry e;
  const char *why, *path = run_path(c, run);
  char full[PATH_MAX], was[PATH_MAX] = "";
  struct stat st;
  *report = NULL;
  if (!run_entry_read(c->arena, path, &e, &why)) return no_run(c, run, why), 2;
  run_entry_free(&e);
  if (!is_tag_name(name)) {
    diag_error(c->diag, "bad-name", (Place){0}, "`%s` cannot be a name of a run: letters, digits, `_`, `-`, `.`", name);
    return 2;
  }
  if (!realpath(path, full)) return no_run(c, run, strerror(errno)), 2;
  const char *link = arena_printf(c->arena, "%s/%s", folder_of(c->arena, path), name), *slash = strrchr(full, '/');
  if (lstat(link, &st) == 0 && !S_ISLNK(st.st_mode)) {
    diag_error(c->diag, "run-exists", (Place){0}, "`%s` is there already, and is no name of a run", link);
    return 2;
  }
  if (!realpath(link, was)) was[0] = 0;
  char *near = realpath(folder_of(c->arena, path), NULL);      // beside the run: the link stays right where the folder of runs moves
  bool beside_it = near && !strncmp(near, full, (size_t)(slash - full)) && !near[slash - full];
  free(near);
  const char *tmp = arena_printf(c->arena, "%s.part-%ld", link, (long)getpid());
  unlink(tmp);
  if (symlink(beside_it ? slash + 1 : full, tmp) || rename(tmp, link)) {
    diag_machine(c->diag, "cannot-write", "cannot name the run `%s`: %s", link, strerror(errno));
    unlink(tmp);
    return 4;
  }
  if (json) *report = json_text(json_pack("{s:s, s:s, s:s?}", "tag", link, "run", full, "before", *was ? was : NULL));
  else {
    Text t = {0};
    text_printf(&t, "%s → %s", link, full);
    if (*was && strcmp(was, full)) text_printf(&t, ", before: %s", was);
    text_char(&t, '\n');
    *report = t.data;
  }
  return 0;
}
