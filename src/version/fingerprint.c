// fingerprint.c: digests of data files, at the speed of memory: four lanes of 64-bit words, each multiplied and folded. Not for
// security: it tells whether a file is the one that a run was trained on.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>
#include "registry.h"

enum { LANES = 4, PIECE = 1 << 20 };

static uint64_t fold(uint64_t h, uint64_t word) {
  unsigned __int128 p = (unsigned __int128)(h ^ word) * 0x9E3779B97F4A7C15u;
  return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static void take(uint64_t lane[LANES], const char *data, size_t n) {      // n: a multiple of 32
  for (size_t i = 0; i < n; i += 8 * LANES)
    for (int k = 0; k < LANES; k++) {
      uint64_t word;
      memcpy(&word, data + i + 8 * k, 8);
      lane[k] = fold(lane[k], word + 0x632BE59BD9B4E019u);
    }
}

bool fingerprint_of(const char *path, Fingerprint *f) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  char *piece = xmalloc(PIECE);
  uint64_t lane[LANES] = {1, 2, 3, 4};
  size_t have = 0;
  ssize_t got = -1;
  *f = (Fingerprint){0};
  while (fd >= 0 && ((got = read(fd, piece + have, PIECE - have)) > 0 || (got < 0 && errno == EINTR))) {
    if (got < 0) continue;
    have += (size_t)got, f->bytes += (uint64_t)got;
    if (have < PIECE) continue;
    take(lane, piece, PIECE);
    have = 0;
  }
  size_t whole = have / (8 * LANES) * (8 * LANES);
  take(lane, piece, whole);
  f->digest = hash_bytes(piece + whole, have - whole, f->bytes);
  for (int k = 0; k < LANES; k++) f->digest = mix64(f->digest ^ lane[k]);
  int why = errno;
  free(piece);
  if (fd >= 0) close(fd);
  errno = why;
  return fd >= 0 && got == 0;
}

// The file of a path, which may have a table or query of a database behind it: `shop.db:events`.
char *fingerprint_file(Arena *a, const char *path) {
  struct stat st;
  for (const char *colon = path; stat(path, &st) && (colon = strchr(colon, ':')); colon++) {
    char *file = arena_strndup(a, path, (size_t)(colon - path));
    if (stat(file, &st) == 0) return file;
  }
  return arena_strdup(a, path);
}

static json_t *fingerprint_json(const char *path) {          // NULL: it cannot be read
  Fingerprint f;
  char digits[17];
  if (!fingerprint_of(path, &f)) return NULL;
  snprintf(digits, sizeof digits, "%016" PRIx64, f.digest);
  return json_pack("{s:I, s:s}", "bytes", (json_int_t)f.bytes, "digest", digits);
}

json_t *run_fingerprints_json(Arena *a, const char *folder, bool with_state) {
  static const char *const names[] = {"spec.mtl", "prep.json", "weights.safetensors", OPTIMIZER_FILE};
  json_t *all = json_object();
  for (int i = 0; i < COUNT_OF(names) - !with_state; i++) {
    json_t *j = fingerprint_json(arena_printf(a, "%s/%s", folder, names[i]));
    if (j) json_object_set_new(all, names[i], j);
  }
  return all;
}

static void add_file(Arena *a, json_t *all, const char *name, const char *path, const DataSource *s) {
  json_t *j = path ? fingerprint_json(fingerprint_file(a, path)) : NULL, *rows = j ? rows_json(a, path, s) : NULL;
  if (!j) return;
  json_object_set_new(j, "path", json_string(path));
  if (rows) json_object_set_new(j, "rows", rows);
  json_object_set_new(all, name, j);
}

json_t *fingerprints_json(const Model *m, const DataFiles *f) {
  json_t *all = json_object();
  for (int i = 0; i < m->data.n_sources; i++) add_file(m->arena, all, m->data.sources[i].name, f->source[i], &m->data.sources[i]);
  add_file(m->arena, all, "--test", f->test, &m->data.sources[0]);
  return all;
}
