// run_folder.c: a run on disk. It is written under a temporary name and renamed when it is whole. What is known before the first step is
// written then, and room for the rest claimed; so the temporary folder with a checkpoint in it is a run to go on with, whatever ended it.
//   spec.mtl             the spec, imports inlined         prep.json      what was learned from the training rows
//   weights.safetensors  the kept weights                  metrics.json   the report of the run
//   spec.lock            imports, vocabularies, statistics, data as digests
//   vocab.INPUT.txt      values that the spec has of a file (run_vocabularies.c)
//   optimizer.safetensors  what the optimizer and balancing know, for a training that goes on from this one (warm_state.c)
//   run.json             data, seed, versions, status      checkpoint.safetensors, state.json: only when interrupted
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "session.h"
#include "version/registry.h"

static char *path_in(Arena *a, const char *dir, const char *name) { return arena_printf(a, "%s/%s", dir, name); }

static bool machine(mtl_context *c, const char *what, const char *path) {
  diag_machine(c->diag, "cannot-write", "%s `%s`: %s", what, path, strerror(errno));
  return false;
}

static bool make_parents(Arena *a, const char *path) {
  char *p = arena_strdup(a, path);
  for (char *s = p + 1; *s; s++) {
    if (*s != '/') continue;
    *s = 0;
    if (mkdir(p, 0777) && errno != EEXIST) return false;
    *s = '/';
  }
  return true;
}

static void empty_folder(int fd) {
  DIR *d = fdopendir(dup(fd));
  if (!d) return;
  rewinddir(d);
  for (struct dirent *e; (e = readdir(d));)
    if (e->d_name[0] != '.' && unlinkat(fd, e->d_name, 0)) continue;
  closedir(d);
}

// The folder, new or left by a process that was cut off, with a lock that ends with this process. −1: EWOULDBLOCK where another works in it,
// EEXIST where it holds a training to go on with.
static int take_folder(const char *path) {
  struct stat there, ours;
  bool fresh = mkdir(path, 0777) == 0;
  if (!fresh && errno != EEXIST) return -1;
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0, unknown = fd >= 0 && !locked && errno != EWOULDBLOCK;      // no locks here
  bool same = fd >= 0 && !fstat(fd, &ours) && !stat(path, &there) && ours.st_ino == there.st_ino;                         // else it has its name by now
  bool ready = same && (locked || (unknown && fresh)), stands = ready && checkpoint_stands(path);
  if (ready && !stands) {
    empty_folder(fd);
    return fd;
  }
  if (fd >= 0) close(fd);
  errno = stands ? EEXIST : EWOULDBLOCK;
  return -1;
}

#define PART ".part"
static char *part_of(Arena *a, const char *final_name) { return arena_printf(a, "%s" PART, final_name); }

bool is_unfinished(const char *dir) {
  size_t n = strlen(dir), part = strlen(PART);
  return n > part && !strcmp(dir + n - part, PART);
}

// runs/MODEL-N, N the next number that no run has and no process works on.
static int take_free(Arena *a, const char *model, char **final_name) {
  for (int n = 1;; n++) {
    *final_name = arena_printf(a, "runs/%s-%d", model, n);
    if (access(*final_name, F_OK) == 0) continue;
    int fd = make_parents(a, *final_name) ? take_folder(part_of(a, *final_name)) : -1;
    if (fd >= 0 || (errno != EWOULDBLOCK && errno != EEXIST)) return fd;
  }
}

static bool is_free(mtl_context *c, const char *final_name) {
  if (access(final_name, F_OK)) return true;
  diag_error(c->diag, "run-exists", (Place){0}, "the run folder `%s` exists already", final_name);
  diag_help(c->diag, "name another with -o, or go on with it: mtlc run --resume %s", final_name);
  return false;
}

static char *trimmed(Arena *a, const char *path) {           // without a slash at its end
  size_t n = strlen(path);
  while (n > 1 && path[n - 1] == '/') n--;
  return arena_strndup(a, path, n);
}

static int take_wanted(mtl_context *c, const char *wanted, char **final_name) {
  char *name = *final_name = trimmed(c->arena, wanted);
  return make_parents(c->arena, name) ? take_folder(part_of(c->arena, name)) : -1;
}

static void unfinished_there(mtl_context *c, const char *part) {
  diag_error(c->diag, "run-exists", (Place){0}, "`%s` holds an unfinished training", part);
  diag_help(c->diag, "go on with it: mtlc run --resume %s; or remove the folder, or name another with -o", part);
}

char *run_folder_create(mtl_context *c, const char *wanted, const char *model, char **final_name, int *lock) {
  *lock = -1;
  if (wanted && !is_free(c, wanted)) return NULL;
  int fd = wanted ? take_wanted(c, wanted, final_name) : take_free(c->arena, model, final_name);
  if (fd < 0 && errno == EWOULDBLOCK) {
    diag_error(c->diag, "run-exists", (Place){0}, "another process is training into `%s`", *final_name);
    return NULL;
  }
  if (fd < 0 && errno == EEXIST) return unfinished_there(c, part_of(c->arena, *final_name)), NULL;
  if (fd < 0) return machine(c, "cannot make the run folder", part_of(c->arena, *final_name)), NULL;
  *lock = fd;
  return part_of(c->arena, *final_name);
}

static int lock_folder(mtl_context *c, const char *dir) {
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || !flock(fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK) return fd;
  close(fd);
  diag_error(c->diag, "run-exists", (Place){0}, "another process is training into `%s`", dir);
  return -1;
}

char *run_folder_resume(mtl_context *c, const char *name, char **final_name, int *lock) {
  char *dir = trimmed(c->arena, name);
  if (access(dir, F_OK) && access(part_of(c->arena, dir), F_OK) == 0) dir = part_of(c->arena, dir);
  *final_name = is_unfinished(dir) ? arena_strndup(c->arena, dir, strlen(dir) - strlen(PART)) : dir;
  *lock = lock_folder(c, dir);
  if (diag_errors(c->diag)) return NULL;
  if (*final_name == dir || access(*final_name, F_OK)) return dir;
  diag_error(c->diag, "run-exists", (Place){0}, "`%s` would become `%s`, and there is such a folder already", dir, *final_name);
  diag_help(c->diag, "give that one another name first");
  return NULL;
}

void run_folder_remove(const char *dir) {
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  empty_folder(fd);
  close(fd);
  rmdir(dir);
}

bool run_folder_finish(mtl_context *c, const char *tmp, const char *final_name) {
  if (rename(tmp, final_name)) return machine(c, "cannot name the run folder", final_name);
  char *up = arena_strdup(c->arena, final_name), *slash = strrchr(up, '/');
  if (slash) *slash = 0;
  int fd = open(slash ? up : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    fsync(fd);
    close(fd);
  }
  return true;
}

static json_t *sources_json(const Model *m, const DataFiles *f) {   // {name: path}
  json_t *j = json_object();
  for (int i = 0; i < m->data.n_sources; i++)
    json_object_set_new(j, m->data.sources[i].name, f->source[i] ? json_string(f->source[i]) : json_null());
  return j;
}

// What it started from; tensor by tensor in metrics.json.
static json_t *from_json(Arena *a, const RunInfo *info) {
  static const char *const keys[] = {"run", "path", "model", "weights"};
  json_t *j = json_object();
  for (int i = 0; i < COUNT_OF(keys); i++) json_object_set(j, keys[i], json_object_get(info->from, keys[i]));
  const char *path = json_string_value(json_object_get(info->from, "path"));
  json_object_set_new(j, "files", run_fingerprints_json(a, path, !info->no_state));
  return j;
}

static json_t *begun_json(const RunInfo *info) {
  json_t *j = json_object();
  for (int i = 0; i < info->n_begun; i++) json_object_set_new(j, info->begun[i].path, json_integer(info->begun[i].steps));
  return j;
}

static int by_path(const void *x, const void *y) { return strcmp(((const Begun *)x)->path, ((const Begun *)y)->path); }

static void read_begun(Arena *a, json_t *j, RunInfo *info) {
  json_t *all = json_object_get(j, "begun"), *value;
  Begun *begun = NEW_ARRAY(a, Begun, json_object_size(all) + 1);
  const char *path;
  json_object_foreach(all, path, value) begun[info->n_begun++] = (Begun){arena_strdup(a, path), json_integer_value(value)};
  qsort(begun, (size_t)info->n_begun, sizeof *begun, by_path);
  info->begun = begun;
}

static json_t *run_json(const Model *m, const Dataset *data, const Ready *r, const RunInfo *info, json_t *files) {
  json_t *rows = json_pack("{s:I, s:I, s:I}", "train", (json_int_t)data->prep.rows[0], "valid", (json_int_t)data->prep.rows[1], "test",
                           (json_int_t)data->prep.rows[2]);
  const DataFiles *f = &info->files;
  json_t *j = json_pack("{s:i, s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "format", 1, "model", m->name, "status", info->status, "data", f->source[0],
                        "seed", (json_int_t)info->seed, "epochs", (json_int_t)info->epochs, "best_epoch", (json_int_t)info->best_epoch, "rows",
                        rows);
  json_object_set_new(j, "test", f->test ? json_string(f->test) : json_null());
  json_object_set_new(j, "sources", sources_json(m, f));
  json_object_set_new(j, "version", json_integer(m->version));
  json_object_set_new(j, "steps", json_integer(info->steps));
  if (info->no_state) json_object_set_new(j, "no_state", json_true());
  if (info->n_begun) json_object_set_new(j, "begun", begun_json(info));
  json_object_set(j, "files", files);
  if (json_object_size(info->vocabularies)) json_object_set(j, "vocabularies", info->vocabularies);
  if (info->hashes) json_object_set(j, "hashes", info->hashes);
  if (info->from) json_object_set_new(j, "from", from_json(m->arena, info));
  json_object_set_new(j, "mtlc", json_string(mtl_version()));
  json_object_set_new(j, "build", json_string(build_text()));
  json_object_set_new(j, "target", json_string(r->jit.target));
  return j;
}

static bool write_json(mtl_context *c, const char *path, json_t *j) {
  char *s = json_text(j);
  Text t = {0};
  text_printf(&t, "%s\n", s);
  bool ok = file_write_soon(path, t.data, t.n, c->diag);
  text_free(&t);
  free(s);
  return ok;
}

// What stands in the folder from the beginning.
bool run_folder_begin(mtl_context *c, const char *dir, const Model *m, const Dataset *data, const Ready *r, RunInfo *info) {
  Text prep = {0}, spec = {0};
  info->vocabularies = json_object();
  bool ok = prep_save(&m->data, &data->prep, &prep) && file_write_soon(path_in(c->arena, dir, "prep.json"), prep.data, prep.n, c->diag);
  ok = ok && run_vocabularies_keep(c, dir, m, &data->prep, &spec, info->vocabularies);
  ok = ok && file_write_soon(path_in(c->arena, dir, "spec.mtl"), spec.data, spec.n, c->diag);
  ok = ok && write_json(c, path_in(c->arena, dir, "run.json"), run_json(m, data, r, info, NULL));
  text_free(&prep);
  text_free(&spec);
  return ok;
}

static const char *const late_files[] = {"weights.safetensors", OPTIMIZER_FILE, "metrics.json", "spec.lock", "run.json"};

bool run_folder_claim(mtl_context *c, const char *dir, const Model *m, const Ready *r, const RunInfo *info) {
  enum { SMALL = 1 << 16 };
  const StepPlan *p = &r->compiled.plan;
  const void *slots = r->engine->slots.at;
  Diag *d = c->diag;
  bool ok = weights_claim(path_in(c->arena, dir, "weights.safetensors"), p, slots, SLOTS_OF_MODEL, d);
  ok = ok && (info->no_state || weights_claim(path_in(c->arena, dir, OPTIMIZER_FILE), p, slots, SLOTS_OF_TRAINING, d));
  ok = ok && file_claim(path_in(c->arena, dir, "metrics.json"), SMALL + reports_bytes(&m->train), d);
  return ok && file_claim(path_in(c->arena, dir, "spec.lock"), SMALL, d) && file_claim(path_in(c->arena, dir, "run.json"), SMALL, d);
}

void run_folder_release(mtl_context *c, const char *dir) {
  for (int i = 0; i < COUNT_OF(late_files); i++) file_release(path_in(c->arena, dir, late_files[i]));
}

void run_folder_unwrite(mtl_context *c, const char *dir) {
  run_folder_release(c, dir);
  if (!is_unfinished(dir)) return;                           // of an interrupted run: a whole file, of now or of before
  unlink(path_in(c->arena, dir, "weights.safetensors"));
  unlink(path_in(c->arena, dir, OPTIMIZER_FILE));
}

bool run_folder_write(mtl_context *c, const char *dir, const Model *m, const Dataset *data, const Ready *r, const RunInfo *info,
                      json_t *metrics) {
  Text lock = {0};
  json_t *files = fingerprints_json(m, &info->files);
  lock_text(m, NULL, &data->prep, files, &lock);
  bool ok = file_write_soon(path_in(c->arena, dir, "spec.lock"), lock.data, lock.n, c->diag);
  text_free(&lock);
  ok = ok && weights_save_soon(path_in(c->arena, dir, "weights.safetensors"), &r->compiled.plan, r->engine->slots.at, SLOTS_OF_MODEL, c->diag);
  if (ok && !info->no_state) ok = weights_save_soon(path_in(c->arena, dir, OPTIMIZER_FILE), &r->compiled.plan, r->engine->slots.at, SLOTS_OF_TRAINING, c->diag);
  if (metrics && ok) ok = write_json(c, path_in(c->arena, dir, "metrics.json"), json_incref(metrics));
  json_t *run = run_json(m, data, r, info, files);
  json_decref(files);
  if (ok) ok = write_json(c, path_in(c->arena, dir, "run.json"), run);
  else json_decref(run);
  ok = ok && folder_sync(dir, c->diag);
  return ok;
}

static bool bad_run(mtl_context *c, const char *dir, const char *why) {
  diag_error(c->diag, "bad-run", (Place){0}, "`%s` is no run folder that can be used: %s", dir, why);
  return false;
}

// The files of the sources; of a run that names none, `data` is that of its only one.
static void read_files(Arena *a, json_t *j, const char *data, RunInfo *info) {
  json_t *sources = json_object_get(j, "sources"), *value;
  size_t n = json_object_size(sources);
  const char **path = NEW_ARRAY(a, const char *, n + 2), **names = NEW_ARRAY(a, const char *, n + 2), *name;
  path[0] = arena_strdup(a, data);
  names[0] = "";
  info->n_files = 1;
  json_object_foreach(sources, name, value) {
    if (!json_is_string(value)) continue;
    names[info->n_files] = arena_strdup(a, name);
    path[info->n_files++] = arena_strdup(a, json_string_value(value));
  }
  const char *test = json_string_value(json_object_get(j, "test"));
  info->files = (DataFiles){.source = path, .test = test ? arena_strdup(a, test) : NULL};
  info->file_names = names;
}

bool run_folder_read(mtl_context *c, const char *dir, RunInfo *info) {
  size_t n;
  if (is_no_run(c, dir)) return false;
  char *text = read_whole(path_in(c->arena, dir, "run.json"), &n);
  if (!text) return bad_run(c, dir, "its run.json cannot be read");
  json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
  free(text);
  const char *data = NULL, *status = NULL;
  json_int_t seed = 0, epochs = 0, best = 0, format = 0;
  bool ok = j && json_unpack(j, "{s:I, s:s, s:s, s:I, s:I, s:I}", "format", &format, "data", &data, "status", &status, "seed", &seed, "epochs",
                             &epochs, "best_epoch", &best) == 0;
  if (ok && format == 1) {
    *info = (RunInfo){ .folder = arena_strdup(c->arena, dir), .status = arena_strdup(c->arena, status), .seed = (uint64_t)seed,
                       .epochs = epochs, .best_epoch = best };
    info->steps = json_integer_value(json_object_get(j, "steps"));           // of an older run: 0, and it keeps no state
    info->no_state = json_is_true(json_object_get(j, "no_state"));
    read_begun(c->arena, j, info);
    read_files(c->arena, j, data, info);
  }
  json_decref(j);
  if (!ok) return bad_run(c, dir, "its run.json is broken");
  return format == 1 || bad_run(c, dir, "its format is newer than this mtlc");
}

Model *run_folder_model(mtl_context *c, const char *dir, PrepState *prep) {
  char *spec = path_in(c->arena, dir, "spec.mtl");
  Model *m = open_spec(c, spec);
  if (!m || diag_errors(c->diag)) return NULL;
  size_t n;
  char *text = read_whole(path_in(c->arena, dir, "prep.json"), &n);
  if (!text) return bad_run(c, dir, "its prep.json cannot be read"), NULL;
  bool ok = prep_load(&m->data, prep, text, n, c->arena, c->diag);
  free(text);
  return ok ? m : NULL;
}

bool run_folder_weights(mtl_context *c, const char *dir, const Ready *r) {
  return weights_load(path_in(c->arena, dir, "weights.safetensors"), &r->compiled.plan, r->engine->slots.at, SLOTS_OF_MODEL, c->diag);
}
