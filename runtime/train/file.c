// file.c: a file written whole or not at all: temporary name in the same folder, fsync, rename, fsync of the folder.
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "../train.h"

static bool write_all(int fd, const char *p, size_t n) {
  while (n) {
    ssize_t w = write(fd, p, n);
    if (w < 0 && errno == EINTR) continue;
    if (w <= 0) return false;
    p += w;
    n -= (size_t)w;
  }
  return true;
}

static void sync_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  char *dir = slash ? strndup(path, (size_t)(slash - path + (slash == path))) : strdup(".");
  int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (fd >= 0) {
    fsync(fd);
    close(fd);
  }
  free(dir);
}

bool file_write_whole(const char *path, const void *data, size_t n, Diag *d) {
  Text tmp = {0};
  text_printf(&tmp, "%s.tmp-%ld", path, (long)getpid());
  int fd = open(tmp.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  bool ok = fd >= 0 && write_all(fd, data, n) && fsync(fd) == 0;
  int why = errno;
  if (fd >= 0 && close(fd) && ok) ok = false, why = errno;
  if (ok && rename(tmp.data, path)) ok = false, why = errno;
  if (ok) sync_folder(path);
  else {
    unlink(tmp.data);
    diag_machine(d, why == ENOSPC ? "disk-full" : "cannot-write", "cannot write `%s`: %s; nothing was replaced", path, strerror(why));
  }
  text_free(&tmp);
  return ok;
}
