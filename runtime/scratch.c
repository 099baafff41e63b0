// scratch.c: files without a name.
#define _GNU_SOURCE
#include "scratch.h"
#include "limits.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void make_folders(const char *folder) {               // what fails shows when the file is made
  char path[4096];
  if (snprintf(path, sizeof path, "%s/", folder) >= (int)sizeof path) return;
  for (char *p = path + 1; *p; p++) {
    if (*p != '/') continue;
    *p = 0;
    mkdir(path, 0700);
    *p = '/';
  }
}

int nameless_file(const char *folder) {
  char path[4096];
  make_folders(folder);
  int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
  if (snprintf(path, sizeof path, "%s/scratch-XXXXXX", folder) >= (int)sizeof path) return -1;
  fd = mkostemp(path, O_CLOEXEC);
  if (fd >= 0) unlink(path);
  return fd;
}

bool claim_file(int fd, int64_t at, size_t bytes) {
  int why;
  while ((why = posix_fallocate(fd, (off_t)at, (off_t)bytes)) == EINTR) continue;
  errno = why;
  return why == 0;
}

bool is_full(int why) { return why == ENOSPC || why == EDQUOT || why == EFBIG; }

int64_t memory_limit(int64_t wanted) {
  if (wanted > 0) return wanted;
  return usable_memory().bytes / 2;
}
