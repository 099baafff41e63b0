// paths.c: where things lie: the shipped layers, files beside a file, whole files in memory.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "session.h"
#ifndef PKGDATADIR
#define PKGDATADIR "/usr/local/share/mtlc"
#endif

static bool has_base(const char *dir) {
  char path[4352];
  snprintf(path, sizeof path, "%s/base.mtl", dir);
  return access(path, R_OK) == 0;
}

const char *std_folder(Arena *a) {
  const char *forced = getenv("MTLC_STD");
  if (forced && *forced) return has_base(forced) ? forced : NULL;
  char exe[4096];
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (n > 0) {                                     // a build tree: beside the program, or above .libs and tests/unit
    exe[n] = 0;
    char *slash = strrchr(exe, '/');
    if (slash) *slash = 0;
    static const char *const beside_exe[] = { "%s/specs/std", "%s/../specs/std", "%s/../../specs/std", "%s/../../../specs/std" };
    for (int i = 0; slash && i < COUNT_OF(beside_exe); i++) {
      char *dir = arena_printf(a, beside_exe[i], exe);
      if (has_base(dir)) return dir;
    }
  }
  return has_base(PKGDATADIR "/std") ? PKGDATADIR "/std" : NULL;
}

char *beside(Arena *a, const char *file, const char *name) {
  const char *slash = strrchr(file, '/');
  if (name[0] == '/' || !slash) return arena_strdup(a, name);
  return arena_printf(a, "%.*s/%s", (int)(slash - file), file, name);
}

bool mtl_is_run(const char *folder) {
  Text run = {0};
  text_printf(&run, "%s/run.json", folder);
  bool is = access(run.data, F_OK) == 0;
  text_free(&run);
  return is;
}

char *read_whole(const char *path, size_t *n) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return NULL;
  struct stat st;
  if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
    close(fd);
    errno = EISDIR;
    return NULL;
  }
  Text t = {0};
  char piece[65536];
  ssize_t r;
  text_add(&t, "");
  while ((r = read(fd, piece, sizeof piece)) > 0) text_addn(&t, piece, (size_t)r);
  int why = errno;
  close(fd);
  if (r < 0) {
    text_free(&t);
    errno = why;
    return NULL;
  }
  *n = t.n;
  return t.data;
}
