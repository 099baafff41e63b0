// rows.c: room for prepared rows: in memory or, where they do not fit, in a file that is mapped; it has no name unless it is
// kept (row_cache.c). The machine keeps of it what it has room for; what was looked at is given back from time to time, so
// that the process stays small.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "data_int.h"

enum { PAGE = 4096, PARTS = 6 };
struct RowFile { char *base; size_t bytes; int fd; int64_t touched, limit; };

// Bytes of dense, ids, y, w, row, group.
static void part_bytes(const DataPlan *p, int64_t n, size_t bytes[PARTS]) {
  size_t rows = (size_t)n;
  bytes[0] = rows * (size_t)p->dense_width * sizeof(float);
  bytes[1] = rows * (size_t)p->n_ids * sizeof(uint32_t);
  bytes[2] = bytes[3] = rows * (size_t)p->n_labels * sizeof(float);
  bytes[4] = rows * sizeof(int64_t);
  bytes[5] = rows * (size_t)p->n_groups * sizeof(uint64_t);
}

int64_t rows_bytes(const DataPlan *p, int64_t n) {
  size_t bytes[PARTS], sum = 0;
  part_bytes(p, n, bytes);
  for (int i = 0; i < PARTS; i++) sum += bytes[i];
  return (int64_t)sum;
}

static struct RowFile *map_file(const char *folder, size_t bytes, int64_t limit, Arena *a, Diag *d) {
  int fd = nameless_file(folder);
  void *base = MAP_FAILED;
  if (fd >= 0 && claim_file(fd, 0, bytes)) base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  int why = errno;
  if (base == MAP_FAILED) {
    if (fd >= 0) close(fd);
    diag_machine(d, is_full(why) ? "disk-full" : "cannot-write", "cannot write %lld MiB of rows to %s: %s",
                 (long long)(bytes >> 20), folder, strerror(why));
    return NULL;
  }
  struct RowFile *f = NEW(a, struct RowFile);
  *f = (struct RowFile){base, bytes, fd, 0, limit};
  return f;
}

// Offsets of the parts in a file, and its length.
static void part_offsets(const DataPlan *p, int64_t n, size_t at[PARTS + 1]) {
  size_t bytes[PARTS];
  part_bytes(p, n, bytes);
  at[0] = 0;
  for (int i = 0; i < PARTS; i++) at[i + 1] = (at[i] + bytes[i] + PAGE) / PAGE * PAGE;
}

static void set_parts(Rows *r, char *const part[PARTS]) {
  r->dense = (float *)part[0];
  r->ids = (uint32_t *)part[1];
  r->y = (float *)part[2];
  r->w = (float *)part[3];
  r->row = (int64_t *)part[4];
  r->group = (uint64_t *)part[5];
}

bool rows_open(const DataPlan *p, int64_t n, const char *folder, int64_t limit, Rows *out, Arena *a, Diag *d) {
  size_t bytes[PARTS], at[PARTS + 1];
  char *part[PARTS];
  part_bytes(p, n, bytes);
  part_offsets(p, n, at);
  *out = (Rows){.n = n};
  if (folder) {
    out->file = map_file(folder, at[PARTS], limit, a, d);
    if (!out->file) return false;
  }
  for (int i = 0; i < PARTS; i++) part[i] = out->file ? out->file->base + at[i] : arena_alloc(a, bytes[i] + 1);
  set_parts(out, part);
  return true;
}

// ---------------------------------------------------------------- pieces of a file
void rows_clear(const DataPlan *p, Rows *r) {
  size_t bytes[PARTS];
  void *const part[PARTS] = {r->dense, r->ids, r->y, r->w, r->row, r->group};
  part_bytes(p, r->n, bytes);
  for (int i = 0; i < PARTS; i++) memset(part[i], 0, bytes[i]);
}

// Pages of a file are made in half the time by writing as by touching each. Where that fails, touching them is left: their space was claimed.
static void write_part(struct RowFile *f, void *to, const void *from, size_t bytes) {
  off_t at = (char *)to - f->base;
  for (ssize_t put; bytes; at += put, from = (const char *)from + put, bytes -= (size_t)put) {
    put = pwrite(f->fd, from, bytes, at);
    if (put > 0) continue;
    memcpy(f->base + at, from, bytes);
    return;
  }
}

void rows_write(const DataPlan *p, const Rows *r, int64_t at, const Rows *piece, int64_t n) {
  struct RowFile *f = r->file;
  size_t rows = (size_t)n;
  write_part(f, r->dense + at * p->dense_width, piece->dense, rows * (size_t)p->dense_width * sizeof *r->dense);
  write_part(f, r->ids + at * p->n_ids, piece->ids, rows * (size_t)p->n_ids * sizeof *r->ids);
  for (int i = 0; i < p->n_labels; i++) {
    write_part(f, r->y + i * r->n + at, piece->y + i * piece->n, rows * sizeof *r->y);
    write_part(f, r->w + i * r->n + at, piece->w + i * piece->n, rows * sizeof *r->w);
  }
  for (int i = 0; i < p->n_groups; i++) write_part(f, r->group + i * r->n + at, piece->group + i * piece->n, rows * sizeof *r->group);
  write_part(f, r->row + at, piece->row, rows * sizeof *r->row);
}

// ---------------------------------------------------------------- files with a name
bool rows_map(const DataPlan *p, int64_t n, const char *path, int64_t limit, Rows *out, Arena *a) {
  size_t at[PARTS + 1];
  char *part[PARTS];
  struct stat st;
  int fd = n >= 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  part_offsets(p, n, at);
  bool fits = fd >= 0 && fstat(fd, &st) == 0 && (size_t)st.st_size == at[PARTS];
  char *base = fits ? mmap(NULL, at[PARTS], PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (fd >= 0) close(fd);
  if (base == MAP_FAILED) return false;
  *out = (Rows){.n = n, .file = NEW(a, struct RowFile)};
  *out->file = (struct RowFile){base, at[PARTS], -1, 0, limit};
  for (int i = 0; i < PARTS; i++) part[i] = base + at[i];
  set_parts(out, part);
  return true;
}

// Rows in memory become rows in a file.
static bool move_to_file(const DataPlan *p, Rows *r, const char *folder, Arena *a) {
  size_t bytes[PARTS];
  Rows copy;
  if (!rows_open(p, r->n, folder, INT64_MAX, &copy, a, diag_new(a, NULL))) return false;
  void *const from[PARTS] = {r->dense, r->ids, r->y, r->w, r->row, r->group};
  void *const to[PARTS] = {copy.dense, copy.ids, copy.y, copy.w, copy.row, copy.group};
  part_bytes(p, r->n, bytes);
  for (int i = 0; i < PARTS; i++) memcpy(to[i], from[i], bytes[i]);
  *r = copy;
  return true;
}

bool rows_keep(const DataPlan *p, Rows *r, const char *folder, const char *path, Arena *a) {
  char self[64];
  if (!r->file && !move_to_file(p, r, folder, a)) return false;
  if (r->file->fd < 0 || fdatasync(r->file->fd)) return false;
  snprintf(self, sizeof self, "/proc/self/fd/%d", r->file->fd);
  unlink(path);
  return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0;
}

void rows_touch(const Rows *r, int64_t bytes) {
  struct RowFile *f = r->file;
  if (!f || (f->touched += bytes) < f->limit / 2) return;
  madvise(f->base, f->bytes, MADV_DONTNEED);
  f->touched = 0;
}

void rows_close(Rows *r) {
  if (!r->file) return;
  munmap(r->file->base, r->file->bytes);
  if (r->file->fd >= 0) close(r->file->fd);
  r->file = NULL;
}
