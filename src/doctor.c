// doctor.c: mtl_doctor: what this machine and this installation have, in the order in which a run needs it: processor, kernels,
// memory, shipped layers, compiler module, BLAS, cache, the folder for runs, parts of the build, and last a self-test.
#include "config.h"
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "doctor.h"
#include "../runtime/limits.h"
#include "jit/module.h"

#ifndef LLVM_VERSION_TEXT
#define LLVM_VERSION_TEXT BUILD_LLVM
#endif

typedef struct { mtl_context *c; Arena *a; VEC(Finding) list; } Visit;

static Finding *add(Visit *v, const char *name, Health health, const char *found, const char *help) {
  vec_push(v->a, &v->list, ((Finding){ name, health, found, help, NULL }));
  return &v->list.data[v->list.n - 1];
}

static char *bytes_text(Arena *a, double n) {
  static const char *const unit[] = { "B", "KB", "MB", "GB", "TB" };
  int u = 0;
  while (n >= 1024 && u < COUNT_OF(unit) - 1) n /= 1024, u++;
  return arena_printf(a, u && n < 10 ? "%.1f %s" : "%.0f %s", n, unit[u]);
}

// ---------------------------------------------------------------- the machine
// The value of the first line `key : value` of a file of the system; NULL: none.
static char *system_value(Arena *a, const char *path, const char *key) {
  FILE *f = fopen(path, "re");
  char line[1024], *value = NULL;
  size_t n = strlen(key);
  while (f && !value && fgets(line, sizeof line, f)) {
    char *colon = strchr(line, ':');
    if (!colon || strncmp(line, key, n) || (line[n] != ' ' && line[n] != '\t' && line[n] != ':')) continue;
    colon += 1 + strspn(colon + 1, " \t");
    value = arena_strndup(a, colon, strcspn(colon, "\n"));
  }
  if (f) fclose(f);
  return value;
}

// NULL: the system does not say. AArch64 has numbers in place of a name.
static const char *processor_model(Arena *a) {
  const char *model = system_value(a, "/proc/cpuinfo", "model name");
  const char *maker = system_value(a, "/proc/cpuinfo", "CPU implementer"), *part = system_value(a, "/proc/cpuinfo", "CPU part");
  return model || !maker || !part ? model : arena_printf(a, "part %s of implementer %s", part, maker);
}

static void visit_processor(Visit *v) {
  const char *model = processor_model(v->a);
  CoreLimit limit = usable_cores();
  Text t = {0};
  text_printf(&t, "%s, %d of %d cores", model ? model : "unknown model", limit.allowed, limit.machine);
  if (*limit.by) text_printf(&t, ", limited to the time of %.1f by %s: %d thread%s", limit.time, limit.by, limit.cores, limit.cores == 1 ? "" : "s");
  Finding *f = add(v, "processor", HEALTH_OK, arena_strdup(v->a, t.data), NULL);
  f->detail = json_pack("{s:s, s:i, s:i, s:i, s:s?}", "model", model ? model : "", "cores", limit.allowed, "cores_of_machine", limit.machine, "threads",
                        limit.cores, "limited_by", *limit.by ? limit.by : NULL);
  text_free(&t);
}

static void visit_kernels(Visit *v) {
  TargetId t = target_detect();
  const char *forced = getenv("MTLC_TARGET");
  bool is_forced = forced && *forced;
  Text usable = {0};
  json_t *list = json_array();
  for (int i = 0; i < N_TARGETS; i++) {
    if (!target_usable((TargetId)i)) continue;
    text_printf(&usable, "%s%s", usable.n ? ", " : "", targets[i].name);
    json_array_append_new(list, json_string(targets[i].name));
  }
  Finding *f;
  if (t >= N_TARGETS)
    f = add(v, "kernels", HEALTH_BROKEN, arena_printf(v->a, "MTLC_TARGET=%s is not for this processor, which runs %s", forced, usable.data),
            "unset MTLC_TARGET, or set it to one of these");
  else if (is_forced)
    f = add(v, "kernels", HEALTH_OK, arena_printf(v->a, "%s, by MTLC_TARGET; this processor runs %s", targets[t].name, usable.data), NULL);
  else
    f = add(v, "kernels", HEALTH_OK, arena_printf(v->a, "%s, %d floats a vector; this processor runs %s", targets[t].name,
                                                  targets[t].lanes_f32, usable.data), NULL);
  f->detail = json_pack("{s:s?, s:o, s:b}", "chosen", t < N_TARGETS ? targets[t].name : NULL, "usable", list, "forced", is_forced);
  text_free(&usable);
}

static void visit_memory(Visit *v) {
  MemoryLimit limit = usable_memory();
  struct rlimit file;
  bool file_limit = getrlimit(RLIMIT_FSIZE, &file) == 0 && file.rlim_cur != RLIM_INFINITY;
  Text t = {0};
  text_printf(&t, "%s", bytes_text(v->a, (double)limit.machine));
  if (*limit.by) text_printf(&t, ", of which this process may use %s (%s)", bytes_text(v->a, (double)limit.bytes), limit.by);
  if (file_limit) text_printf(&t, "; files of at most %s", bytes_text(v->a, (double)file.rlim_cur));
  Finding *f = add(v, "memory", file_limit ? HEALTH_WEAK : HEALTH_OK, arena_strdup(v->a, t.data),
                   file_limit ? "weights larger than that cannot be saved: ulimit -f unlimited" : NULL);
  f->detail = json_pack("{s:f, s:f, s:s?}", "bytes", (double)limit.machine, "usable_bytes", (double)limit.bytes, "limited_by", *limit.by ? limit.by : NULL);
  text_free(&t);
}

// ---------------------------------------------------------------- the installation
static int count_files(const char *dir, const char *ending, double *bytes) {
  DIR *d = opendir(dir);
  int n = 0;
  *bytes = 0;
  if (!d) return 0;
  for (struct dirent *e; (e = readdir(d));) {
    size_t len = strlen(e->d_name), m = strlen(ending);
    struct stat st;
    if (len < m || strcmp(e->d_name + len - m, ending) || fstatat(dirfd(d), e->d_name, &st, 0) || !S_ISREG(st.st_mode)) continue;
    n++;
    *bytes += (double)st.st_size;
  }
  closedir(d);
  return n;
}

static bool visit_layers(Visit *v) {
  const char *std = std_folder(v->a), *forced = getenv("MTLC_STD");
  double bytes;
  if (!std) {
    bool is_forced = forced && *forced;
    add(v, "layers", HEALTH_BROKEN, is_forced ? arena_printf(v->a, "MTLC_STD=%s has no base.mtl", forced) : "std/base.mtl is not found",
        is_forced ? "unset MTLC_STD, or set it to the folder specs/std" : "set MTLC_STD to the folder specs/std, or install mtlc again: make install");
    return false;
  }
  char full[4096];
  const char *path = realpath(std, full) ? arena_strdup(v->a, full) : std;
  int n = count_files(path, ".mtl", &bytes);
  Finding *f = add(v, "layers", HEALTH_OK, arena_printf(v->a, "%s: %d files", path, n), NULL);
  f->detail = json_pack("{s:s, s:i}", "folder", path, "files", n);
  return true;
}

static bool visit_compiler(Visit *v) {
  Diag *own = diag_new(v->a, NULL);
  double start = monotonic_seconds();
  if (!module_emit(own)) {
    add(v, "compiler", HEALTH_BROKEN, first_error(own, v->a),
        "specs compiled before still run from the cache; set MTLC_MODULE to mtlc-llvm.so, or install mtlc and LLVM again");
    return false;
  }
  double ms = 1e3 * (monotonic_seconds() - start);
  const char *version = module_llvm_version();
  bool same = version && !strcmp(version, LLVM_VERSION_TEXT);
  Finding *f = add(v, "compiler", same ? HEALTH_OK : HEALTH_WEAK,
                   same ? arena_printf(v->a, "LLVM %s in %s, opened in %.0f ms", version, module_path(), ms)
                        : arena_printf(v->a, "the module %s has LLVM %s, and mtlc was built for %s", module_path(), version ? version : "unknown",
                                       LLVM_VERSION_TEXT),
                   same ? NULL : "build or install both again: they belong together");
  f->detail = json_pack("{s:s?, s:s, s:s, s:f}", "llvm", version, "built_for", LLVM_VERSION_TEXT, "module", module_path(), "open_ms", ms);
  return true;
}

// Cores of OpenBLAS for x86-64 that came before AVX2.
static bool is_old_core(const char *core) {
  static const char *const old[] = { "Prescott", "Core2", "Penryn", "Dunnington", "Nehalem", "Sandybridge", "Atom", "Nano", "Opteron",
                                     "Opteron_SSE3", "Barcelona", "Bobcat", "Bulldozer", "Piledriver", "Steamroller", "Generic" };
  for (int i = 0; i < COUNT_OF(old); i++)
    if (!strcasecmp(core, old[i])) return true;
  return false;
}

// Opened as a step would open it: with kernels for this processor, unless OPENBLAS_CORETYPE says otherwise.
static void visit_blas(Visit *v) {
  const Blas *b = blas_for(target_detect());
  if (!b) {
    add(v, "BLAS", HEALTH_WEAK, arena_printf(v->a, "OpenBLAS cannot be opened; mtlc was built with %s", BUILD_OPENBLAS),
        "install it (Debian: libopenblas0): large gradients are faster with it");
    return;
  }
  const char *forced = getenv("OPENBLAS_CORETYPE");
  bool old = target_usable(TARGET_AVX2) && is_old_core(b->core);
  Finding *f = add(v, "BLAS", old ? HEALTH_WEAK : HEALTH_OK, arena_printf(v->a, "OpenBLAS %s, kernels for %s%s", b->version, b->core,
                                                                          old ? ", which know no AVX2" : ""),
                   !old ? NULL : forced && *forced ? "take OPENBLAS_CORETYPE out of the environment" : "install a newer OpenBLAS");
  f->detail = json_pack("{s:s, s:s, s:s}", "version", b->version, "core", b->core, "built_with", BUILD_OPENBLAS);
}

// The nearest folder above path that exists.
static char *existing_parent(Arena *a, const char *path) {
  char *p = arena_strdup(a, path);
  while (access(p, F_OK)) {
    char *slash = strrchr(p, '/');
    if (!slash) return arena_strdup(a, ".");
    if (slash == p) return arena_strdup(a, "/");
    *slash = 0;
  }
  return p;
}

// Whether a file can be made in the folder, tried: permissions say less than the try. 0, or errno.
static int try_writing(Arena *a, const char *dir) {
  char *path = arena_printf(a, "%s/.mtlc-doctor-XXXXXX", dir);
  int fd = mkstemp(path);
  if (fd < 0) return errno;
  int why = write(fd, "x", 1) == 1 ? 0 : errno;
  if (close(fd) && !why) why = errno;
  unlink(path);
  return why;
}

static void visit_cache(Visit *v) {
  char *folder = cache_folder();
  if (!folder) {
    add(v, "cache", HEALTH_WEAK, "neither XDG_CACHE_HOME nor HOME names a folder: every run compiles anew", "set XDG_CACHE_HOME to a folder");
    return;
  }
  char *path = arena_strdup(v->a, folder);
  free(folder);
  bool there = access(path, F_OK) == 0;
  double bytes;
  int n = count_files(path, ".o", &bytes), why = try_writing(v->a, there ? path : existing_parent(v->a, path));
  char *found = there ? arena_printf(v->a, "%s: %d compiled models, %s", path, n, bytes_text(v->a, bytes))
                      : arena_printf(v->a, "%s: not there yet", path);
  if (why) found = arena_printf(v->a, "%s; cannot be written: %s", found, strerror(why));
  Finding *f = add(v, "cache", why ? HEALTH_WEAK : HEALTH_OK, found,
                   why ? "every run compiles anew: make the folder writable, or set XDG_CACHE_HOME to another" : NULL);
  f->detail = json_pack("{s:s, s:i, s:f, s:b}", "folder", path, "entries", n, "bytes", bytes, "writable", !why);
}

static void visit_runs(Visit *v) {
  char here[4096];
  if (!getcwd(here, sizeof here)) snprintf(here, sizeof here, ".");
  int why = try_writing(v->a, ".");
  Finding *f = add(v, "runs", why ? HEALTH_WEAK : HEALTH_OK,
                   why ? arena_printf(v->a, "run folders cannot be made in %s: %s", here, strerror(why))
                       : arena_printf(v->a, "run folders go to %s/runs", here),
                   why ? "go to a folder that you may write, or name one: mtlc run … -o FOLDER" : NULL);
  f->detail = json_pack("{s:s, s:b}", "folder", here, "writable", !why);
}

static const struct { const char *name; bool there; } parts[] = {
  { "gzip input (zlib " ZLIB_VERSION ")", true },
#ifdef HAVE_SQLITE
  { "SQLite sources", true },
#else
  { "SQLite sources", false },
#endif
#ifdef __SANITIZE_ADDRESS__
  { "sanitizers (slow)", true },
#endif
#ifndef __OPTIMIZE__
  { "not optimised (slow)", true },
#endif
};

static void visit_build(Visit *v) {
  Text t = {0};
  json_t *list = json_object();
  text_printf(&t, "mtlc %s", mtl_version());
  for (int i = 0; i < COUNT_OF(parts); i++) {
    text_printf(&t, ", %s%s", parts[i].there ? "" : "no ", parts[i].name);
    json_object_set_new(list, parts[i].name, json_boolean(parts[i].there));
  }
  add(v, "build", HEALTH_OK, arena_strdup(v->a, t.data), NULL)->detail = list;
  text_free(&t);
}

// ---------------------------------------------------------------- the report
static const char *const health_names[] = { "ok", "weak", "broken" };

static Health worst_of(const Visit *v) {
  Health h = HEALTH_OK;
  for (int i = 0; i < v->list.n; i++)
    if (v->list.data[i].health > h) h = v->list.data[i].health;
  return h;
}

static char *visit_text(const Visit *v) {
  static const char *const verdict[] = { "all is well", "it works; what is marked weak could be better", "something is broken: see above" };
  Text t = {0};
  for (int i = 0; i < v->list.n; i++) {
    const Finding *f = &v->list.data[i];
    text_printf(&t, "%-6s  %-9s  %s\n", health_names[f->health], f->name, f->found);
    if (f->help) text_printf(&t, "%-6s  %-9s  → %s\n", "", "", f->help);
  }
  text_printf(&t, "%s\n", verdict[worst_of(v)]);
  return t.data;
}

static char *visit_json(const Visit *v) {
  json_t *checks = json_array();
  for (int i = 0; i < v->list.n; i++) {
    Finding *f = &v->list.data[i];
    json_t *j = json_pack("{s:s, s:s, s:s, s:s?}", "name", f->name, "health", health_names[f->health], "found", f->found, "help", f->help);
    json_object_set(j, "detail", f->detail ? f->detail : json_null());
    json_array_append_new(checks, j);
  }
  return json_text(json_pack("{s:b, s:s, s:s, s:o}", "ok", worst_of(v) < HEALTH_BROKEN, "health", health_names[worst_of(v)], "version", mtl_version(),
                             "checks", checks));
}

int mtl_doctor(mtl_context *c, bool json, char **report) {
  Visit v = { .c = c, .a = c->arena };
  visit_processor(&v);
  visit_kernels(&v);
  visit_memory(&v);
  bool layers = visit_layers(&v), compiler = visit_compiler(&v);
  visit_blas(&v);
  visit_cache(&v);
  visit_runs(&v);
  visit_build(&v);
  if (layers && compiler) {
    Finding f = selftest(c, v.a);
    vec_push(v.a, &v.list, f);
  }
  diag_clear(c->diag);                              // what went wrong stands in the report
  *report = json ? visit_json(&v) : visit_text(&v);
  for (int i = 0; i < v.list.n; i++) json_decref(v.list.data[i].detail);
  return worst_of(&v) == HEALTH_BROKEN ? 4 : 0;
}
