// module.c: finds and opens the module that holds the emitter and, with it, LLVM. Only when there is something to compile:
// loading libLLVM alone costs tens of milliseconds.
#include <dlfcn.h>
#include <unistd.h>
#include "module.h"
#ifndef PKGLIBDIR
#define PKGLIBDIR "/usr/local/lib/mtlc"
#endif

static char opened[4352];                          // the module's file
static void *handle;

static void *open_module(const char *path, Text *tried) {
  if (access(path, R_OK)) {
    text_printf(tried, "%s%s", tried->n ? ", " : "", path);
    return NULL;
  }
  void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!h) text_printf(tried, "%s%s (%s)", tried->n ? ", " : "", path, dlerror());
  else snprintf(opened, sizeof opened, "%s", path);
  return h;
}

static void *search(Text *tried) {
  const char *forced = getenv("MTLC_MODULE");
  if (forced && *forced) return open_module(forced, tried);
  char exe[4096], path[4352];
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  char *slash = NULL;
  if (n > 0) {
    exe[n] = 0;
    slash = strrchr(exe, '/');
  }
  if (slash) {                                     // a build tree: beside the program, or one folder up
    *slash = 0;
    static const char *const beside[] = { "%s/.libs/mtlc-llvm.so", "%s/mtlc-llvm.so", "%s/../.libs/mtlc-llvm.so",
                                          "%s/../../.libs/mtlc-llvm.so", "%s/../../../.libs/mtlc-llvm.so" };
    for (int i = 0; i < COUNT_OF(beside); i++) {
      snprintf(path, sizeof path, beside[i], exe);
      if (!access(path, R_OK)) return open_module(path, tried);
    }
  }
  return open_module(PKGLIBDIR "/mtlc-llvm.so", tried);
}

EmitFn *module_emit(Diag *d) {
  static EmitFn *emit;
  if (emit) return emit;
  Text tried = {0};
  void *h = search(&tried);
  if (h) *(void **)&emit = dlsym(h, "mtlc_emit");
  if (emit) handle = h;
  if (!emit)
    diag_machine(d, "no-compiler", "the compiler module cannot be opened; tried: %s", tried.n ? tried.data : "a file without `mtlc_emit`");
  text_free(&tried);
  return emit;
}

const char *module_path(void) { return handle ? opened : NULL; }

const char *module_llvm_version(void) {
  const char *(*version)(void) = NULL;
  if (handle) *(void **)&version = dlsym(handle, "emit_llvm_version");
  return version ? version() : NULL;
}
