// file.c: files that appear whole or not at all, also when the machine stops: a temporary file beside it, fsync, rename,
// fsync of the folder. A link is followed. What is no file (a pipe, /dev/null) is written to as it is. A temporary file that
// is there already is written over, so that space that was claimed for it counts.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE                                          // syncfs, fallocate
#endif
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "train_int.h"

struct WholeFile { char *path, *tmp; int fd, error; off_t bytes; Diag *diag; };   // tmp NULL: written to as it is; bytes: so far

static char *joined(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  char *s = xmalloc(n + m + 1);
  memcpy(s, a, n);
  memcpy(s + n, b, m + 1);
  return s;
}

static void report(const WholeFile *f) {
  diag_machine(f->diag, is_full(f->error) ? "disk-full" : "cannot-write", "cannot write `%s`: %s", f->path, strerror(f->error));
  if (f->tmp && access(f->path, F_OK) == 0) diag_help(f->diag, "the file of that name still stands");
}

static void release(WholeFile *f) {
  free(f->path);
  free(f->tmp);
  free(f);
}

static bool is_device(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

WholeFile *whole_open(const char *path, Diag *d) {
  WholeFile *f = xcalloc(1, sizeof *f);
  char *real = realpath(path, NULL);                         // NULL: there is none yet
  *f = (WholeFile){ .path = joined(real ? real : path, ""), .diag = d };
  free(real);
  if (!is_device(path)) f->tmp = joined(f->path, ".tmp");
  f->fd = f->tmp ? open(f->tmp, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : open(path, O_WRONLY | O_CLOEXEC);
  if (f->fd >= 0) return f;
  f->error = errno;
  report(f);
  release(f);
  return NULL;
}

bool whole_add(WholeFile *f, const void *data, size_t n) {
  const char *p = data;
  while (n && !f->error) {
    ssize_t done = write(f->fd, p, n < (size_t)1 << 30 ? n : (size_t)1 << 30);
    if (done < 0 && errno != EINTR) f->error = errno;
    if (done <= 0) continue;
    p += done;
    n -= (size_t)done;
    f->bytes += done;
  }
  return !f->error;
}

static int sync_fd(int fd) {                                 // errno; a file system that cannot sync is no error
  if (fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP) return 0;
  return errno;
}

static int sync_folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  char *dir = slash ? joined(path, "") : joined(".", "");
  if (slash) dir[slash == path ? 1 : slash - path] = 0;
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
  free(dir);
  if (fd < 0) return errno == EACCES ? 0 : errno;            // a folder that may be written, not read
  error = sync_fd(fd);
  close(fd);
  return error;
}

static int cut_fd(int fd, off_t bytes) {                     // errno; what stood behind them is gone
  struct stat st;
  if (fstat(fd, &st)) return errno;
  return st.st_size > bytes && ftruncate(fd, bytes) ? errno : 0;
}

bool whole_close(WholeFile *f, bool durable) {
  if (!f->error && f->tmp) f->error = cut_fd(f->fd, f->bytes);
  if (!f->error && durable) f->error = sync_fd(f->fd);
  if (close(f->fd) && !f->error) f->error = errno;
  if (!f->error && f->tmp && rename(f->tmp, f->path)) f->error = errno;
  if (f->tmp && f->error) unlink(f->tmp);
  else if (f->tmp && durable) f->error = sync_folder_of(f->path);
  bool fine = !f->error;
  if (!fine) report(f);
  release(f);
  return fine;
}

static bool write_file(const char *path, const void *data, size_t n, bool durable, Diag *d) {
  WholeFile *f = whole_open(path, d);
  if (!f) return false;
  whole_add(f, data, n);
  return whole_close(f, durable);
}

bool file_write_whole(const char *path, const void *data, size_t n, Diag *d) { return write_file(path, data, n, true, d); }
bool file_write_soon(const char *path, const void *data, size_t n, Diag *d) { return write_file(path, data, n, false, d); }

static int claim_fd(int fd, size_t bytes) {                  // errno; a file system that cannot promise space is no error
#ifdef __linux__
  while (fallocate(fd, 0, 0, (off_t)bytes))
    if (errno != EINTR) return errno == EOPNOTSUPP || errno == ENOSYS ? 0 : errno;
#endif
  return 0;
}

bool file_claim(const char *path, size_t bytes, Diag *d) {
  char *tmp = joined(path, ".tmp");
  int fd = open(tmp, O_WRONLY | O_CREAT | O_CLOEXEC, 0666), error = fd < 0 ? errno : claim_fd(fd, bytes);
  if (fd >= 0) close(fd);
  if (error && fd >= 0) unlink(tmp);
  free(tmp);
  if (!error || !d) return !error;
  diag_machine(d, is_full(error) ? "disk-full" : "cannot-write", "cannot keep %zu KiB free for `%s`: %s", (bytes + 1023) / 1024, path,
               strerror(error));
  if (is_full(error)) diag_help(d, "what a run will write at its end is claimed before its first step; -o names a folder of another disk");
  return false;
}

void file_release(const char *path) {
  char *tmp = joined(path, ".tmp");
  unlink(tmp);
  free(tmp);
}

static int sync_all(int fd) {                                // the file system that the folder is on
#ifdef __linux__
  return syncfs(fd) ? errno : 0;
#else
  sync();
  return sync_fd(fd);
#endif
}

bool folder_sync(const char *dir, Diag *d) {
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = fd < 0 ? errno : sync_all(fd);
  if (fd >= 0) close(fd);
  if (error) report(&(WholeFile){ .path = (char *)dir, .error = error, .diag = d });
  return !error;
}
