// blas.c: finds OpenBLAS with dlopen, with one thread and the kernels asked for. Both have to stand in the environment while
// it loads: it reads them in its constructor, where it also starts threads.
#include <dlfcn.h>
#include <pthread.h>
#include "blas.h"

static Blas blas;
static bool there;
static const char *wanted_core;

typedef struct { const char *name; char *before; bool set; } Setting;

static void set_for_now(Setting *s, const char *value, bool over) {
  const char *is = getenv(s->name);
  if (!value || (is && *is && !over)) return;
  if (is) s->before = memcpy(xmalloc(strlen(is) + 1), is, strlen(is) + 1);
  s->set = true;
  setenv(s->name, value, 1);
}

static void set_back(Setting *s) {
  if (!s->set) return;
  if (s->before) setenv(s->name, s->before, 1);
  else unsetenv(s->name);
  free(s->before);
}

static void *load(void) {
  static const char *const names[] = { "libopenblas.so.0", "libopenblas.so", "libopenblas.0.dylib" };
  Setting core = { .name = "OPENBLAS_CORETYPE" }, threads = { .name = "OPENBLAS_NUM_THREADS" };
  void *h = NULL;
  set_for_now(&core, wanted_core, false);
  set_for_now(&threads, "1", true);
  for (int i = 0; i < COUNT_OF(names) && !h; i++) h = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
  set_back(&core);
  set_back(&threads);
  return h;
}

static void describe(void *h) {                              // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …"
  char *(*config)(void), *(*core)(void);
  *(void **)&config = dlsym(h, "openblas_get_config");
  *(void **)&core = dlsym(h, "openblas_get_corename");
  snprintf(blas.version, sizeof blas.version, "unknown");
  snprintf(blas.core, sizeof blas.core, "%s", core ? core() : "unknown");
  const char *text = config ? config() : NULL, *at = text ? strchr(text, ' ') : NULL;
  if (at) snprintf(blas.version, sizeof blas.version, "%.*s", (int)strcspn(at + 1, " "), at + 1);
}

static void open_once(void) {
  void *h = load();
  if (!h) return;
  void (*set_threads)(int);
  *(void **)&blas.sgemm = dlsym(h, "cblas_sgemm");
  *(void **)&blas.dgemm = dlsym(h, "cblas_dgemm");
  *(void **)&set_threads = dlsym(h, "openblas_set_num_threads");
  if (!blas.sgemm || !blas.dgemm || !set_threads) { dlclose(h); return; }
  set_threads(1);
  describe(h);
  there = true;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

const Blas *blas_open(const char *core) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  wanted_core = core;
  pthread_once(&once, open_once);
  pthread_mutex_unlock(&lock);
  return blas_opened();
}

const Blas *blas_opened(void) { return there ? &blas : NULL; }
