// cache.c: compiled objects on disk: $XDG_CACHE_HOME/mtlc (else ~/.cache/mtlc) / KEY.o.
// A file is a header, the key's full text, the object; both are compared or digested before the object is used, so a
// collision, a truncation or a flipped bit is a miss. Written to a temporary name and renamed: whole or not at all.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "jit.h"

typedef struct { char magic[8]; uint64_t key_bytes, object_bytes, digest[2]; } Header;
static const char MAGIC[8] = "mtlcobj1";

static void digest(const char *object, size_t n, uint64_t out[2]) {
  out[0] = hash_bytes(object, n, 1);
  out[1] = hash_bytes(object, n, 2);
}

static bool make_folders(char *path) {                         // every folder above the last /
  for (char *p = path + 1; *p; p++) {
    if (*p != '/') continue;
    *p = 0;
    bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
    *p = '/';
    if (!ok) return false;
  }
  return true;
}

char *cache_folder(void) {
  const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  Text t = {0};
  if (xdg && xdg[0] == '/') text_printf(&t, "%s/mtlc", xdg);
  else if (home && home[0] == '/') text_printf(&t, "%s/.cache/mtlc", home);
  return t.data;
}

static char *entry_path(const char *key, size_t n) {           // malloc'd, or NULL: no place for a cache
  char *folder = cache_folder();
  Text t = {0};
  if (!folder) return NULL;
  text_printf(&t, "%s/%016llx%016llx.o", folder, (unsigned long long)hash_bytes(key, n, 11), (unsigned long long)hash_bytes(key, n, 12));
  free(folder);
  return t.data;
}

static char *read_file(const char *path, size_t *size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) || st.st_size < (off_t)sizeof(Header) || st.st_size > (off_t)1 << 30) {
    if (fd >= 0) close(fd);
    return NULL;
  }
  size_t n = (size_t)st.st_size, got = 0;
  char *data = xmalloc(n);
  for (ssize_t r; got < n && (r = read(fd, data + got, n - got)) > 0;) got += (size_t)r;
  close(fd);
  *size = got;
  return data;
}

static bool entry_holds(const char *data, size_t n, const char *key, size_t key_bytes) {
  Header h;
  if (n < sizeof h) return false;
  memcpy(&h, data, sizeof h);
  if (memcmp(h.magic, MAGIC, 8) || h.key_bytes != key_bytes || h.object_bytes > n) return false;
  if (n != sizeof h + key_bytes + h.object_bytes || memcmp(data + sizeof h, key, key_bytes)) return false;
  uint64_t d[2];
  digest(data + sizeof h + key_bytes, h.object_bytes, d);
  return !memcmp(d, h.digest, sizeof d);
}

bool cache_get(const char *key, size_t n, char **object, size_t *size) {
  char *path = entry_path(key, n);
  if (!path) return false;
  size_t bytes = 0;
  char *data = read_file(path, &bytes);
  bool ok = data && entry_holds(data, bytes, key, n);
  if (ok) {
    *size = bytes - sizeof(Header) - n;
    *object = xmalloc(*size);
    memcpy(*object, data + sizeof(Header) + n, *size);
  } else if (data) {
    unlink(path);                                              // broken: make room for a good one
  }
  free(data);
  free(path);
  return ok;
}

static bool write_all(int fd, const void *p, size_t n) {
  for (const char *s = p; n;) {
    ssize_t w = write(fd, s, n);
    if (w < 0 && errno == EINTR) continue;
    if (w <= 0) return false;
    s += w;
    n -= (size_t)w;
  }
  return true;
}

void cache_put(const char *key, size_t n, const char *object, size_t size) {
  char *path = entry_path(key, n);
  if (!path) return;
  Text tmp = {0};
  text_printf(&tmp, "%s.XXXXXX", path);
  int fd = make_folders(path) ? mkstemp(tmp.data) : -1;
  if (fd >= 0) {
    Header h = { .key_bytes = n, .object_bytes = size };
    memcpy(h.magic, MAGIC, 8);
    digest(object, size, h.digest);
    bool ok = write_all(fd, &h, sizeof h) && write_all(fd, key, n) && write_all(fd, object, size);
    if (close(fd) || !ok || rename(tmp.data, path)) unlink(tmp.data);
  }
  text_free(&tmp);
  free(path);
}
