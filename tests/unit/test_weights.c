// test_weights.c: weights on disk: round trips, equal bytes, files that are cut, flipped or forged; files that cannot be
// written.
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "runtime/train.h"

// ---------------------------------------------------------------- a small plan: gaps between rows, scalars, states, two
// widths
enum { N_SLOTS = 6, ARENA = 512 };
static const Buffer buffers[N_SLOTS] = {
  { "trunk.w", BUF_SLOT, F32, 3, 0, 2, 4, 0 },     { "层.w", BUF_SLOT, F32, 2, 0, 3, 3, 64 },
  { "norm.mean", BUF_SLOT, F32, 1, 0, 3, 3, 128 }, { "trunk.w:adam.m", BUF_SLOT, F32, 3, 0, 2, 4, 192 },
  { "power", BUF_SLOT, F64, 1, 0, 1, 1, 256 },     { "empty", BUF_SLOT, F32, 0, 0, 4, 4, 320 }
};
static const PlanSlot slots[N_SLOTS] = {
  { .path = "trunk.w", .role = SLOT_PARAM, .rank = 2, .shape = { 3, 2 }, .buffer = 0 },
  { .path = "层.w", .role = SLOT_PARAM, .rank = 3, .shape = { 2, 1, 3 }, .buffer = 1 },
  { .path = "norm.mean", .role = SLOT_STATE, .rank = 1, .shape = { 3 }, .buffer = 2 },
  { .path = "trunk.w:adam.m", .role = SLOT_OPT, .rank = 2, .shape = { 3, 2 }, .buffer = 3 },
  { .path = "power", .role = SLOT_OPT, .dtype = F64, .rank = 0, .buffer = 4 },
  { .path = "empty", .role = SLOT_PARAM, .rank = 2, .shape = { 0, 4 }, .buffer = 5 } };
static const StepPlan plan = {
  .capacity = 1, .buffers = buffers, .n_buffers = N_SLOTS, .slots = slots, .n_slots = N_SLOTS, .slot_bytes = ARENA
};

static char dir[] = "/tmp/mtlc-weights-XXXXXX", path[64], other[64];
static Arena *arena;
static Diag *diag;
static int setup(void **s) {
  (void)s;
  if (!mkdtemp(dir)) return -1;
  snprintf(path, sizeof path, "%s/w.safetensors", dir);
  snprintf(other, sizeof other, "%s/x.safetensors", dir);
  arena = arena_new();
  diag = diag_new(arena, NULL);
  return 0;
}
static int teardown(void **s) {
  (void)s;
  unlink(path);
  unlink(other);
  arena_free(arena);
  return rmdir(dir);                                          // fails where a temporary file was left
}

static void fill(unsigned char *v, unsigned seed) {
  for (int i = 0; i < ARENA; i++) {
    seed = seed * 1103515245u + 12345u;
    v[i] = (unsigned char)(seed >> 16);
  }
}

static bool same(const void *x, const void *y, bool with_state) {   // true extents alone
  for (int i = 0; i < N_SLOTS; i++) {
    const Buffer *b = &buffers[i];
    size_t width = b->dtype == F64 ? 8 : 4;
    if (!with_state && slots[i].role == SLOT_OPT) continue;
    for (int64_t r = 0; r < b->rows_a; r++) {
      size_t at = (size_t)b->offset + (size_t)(r * b->ld) * width;
      if (memcmp((const char *)x + at, (const char *)y + at, (size_t)b->cols * width)) return false;
    }
  }
  return true;
}

static char *slurp(const char *from, size_t *n) {
  FILE *f = fopen(from, "rb");
  assert_non_null(f);
  char *s = malloc(1 << 20);
  *n = fread(s, 1, 1 << 20, f);
  fclose(f);
  return s;
}
static void spit(const char *to, const void *data, size_t n) {
  FILE *f = fopen(to, "wb");
  assert_non_null(f);
  assert_true(fwrite(data, 1, n, f) == n && fclose(f) == 0);
}

static void says(const char *code, const char *what) {       // one error, of this code, that names this; then forgets it
  Text t = {0};
  diag_print(diag, &t, false);
  int n = diag_errors(diag);
  diag_clear(diag);
  if (n != 1 || !strstr(t.data, code) || !strstr(t.data, what))
    fail_msg("expected [%s] %s, got %d: %s", code, what, n, t.data);
  text_free(&t);
}

// ---------------------------------------------------------------- round trips
static void round_trip(void **s) {
  (void)s;
  for (int with_state = 0; with_state < 2; with_state++) {
    unsigned char a[ARENA], b[ARENA];
    fill(a, 7);
    fill(b, 8);
    assert_true(weights_save(path, &plan, a, (SlotPart)with_state, diag));
    assert_true(weights_load(path, &plan, b, (SlotPart)with_state, diag));
    assert_true(same(a, b, with_state));
    assert_int_equal(same(a, b, true), with_state);
    assert_int_equal(diag_errors(diag), 0);
  }
}

static void equal_weights_give_equal_bytes(void **s) {
  (void)s;
  unsigned char a[ARENA], b[ARENA];
  fill(a, 7);
  fill(b, 8);                                                 // other bytes between the rows
  assert_true(weights_save(path, &plan, a, SLOTS_ALL, diag) && weights_load(path, &plan, b, SLOTS_ALL, diag));
  assert_true(weights_save(other, &plan, b, SLOTS_ALL, diag));
  size_t n, m;
  char *x = slurp(path, &n), *y = slurp(other, &m);
  assert_int_equal(n, m);
  assert_memory_equal(x, y, n);
  free(x);
  free(y);
}

static void format(void **s) {
  (void)s;
  unsigned char a[ARENA];
  fill(a, 7);
  assert_true(weights_save(path, &plan, a, SLOTS_ALL, diag));
  size_t n;
  char *x = slurp(path, &n);
  uint64_t header;
  memcpy(&header, x, 8);
  assert_int_equal(header % 8, 0);
  assert_int_equal(n, 8 + header + 8 + 4 * (6 + 6 + 3 + 6));
  assert_int_equal(x[8], '{');
  x[8 + header] = 0;
  assert_non_null(
      strstr(x + 8, "\"power\":{\"data_offsets\":[0,8],\"dtype\":\"F64\",\"shape\":[]}"));  // the wide ones first
  assert_non_null(strstr(x + 8, "\"trunk.w\":{\"data_offsets\":[20,44],\"dtype\":\"F32\",\"shape\":[3,2]}"));
  assert_true(strstr(x + 8, "\"empty\":") < strstr(x + 8, "\"norm.mean\":"));                            // sorted
  free(x);
}

// ---------------------------------------------------------------- cut and flipped
static void every_cut_is_found(void **s) {
  (void)s;
  unsigned char a[ARENA], b[ARENA], c[ARENA];
  fill(a, 7);
  fill(b, 8);
  memcpy(c, b, ARENA);
  assert_true(weights_save(path, &plan, a, SLOTS_ALL, diag));
  size_t n;
  char *x = slurp(path, &n);
  for (size_t k = 0; k < n; k++) {
    spit(other, x, k);
    assert_false(weights_load(other, &plan, b, SLOTS_ALL, diag));
    assert_memory_equal(b, c, ARENA);                         // the slots are as they were
    says("bad-weights", other);
  }
  memcpy(x + n, "xxxxxxxx", 8);
  spit(other, x, n + 8);
  assert_false(weights_load(other, &plan, b, SLOTS_ALL, diag));
  says("bad-weights", "bytes of tensors");
  free(x);
}

static void no_flipped_bit_is_loaded(void **s) {
  (void)s;
  unsigned char a[ARENA], b[ARENA];
  fill(a, 7);
  assert_true(weights_save(path, &plan, a, SLOTS_ALL, diag));
  size_t n;
  char *x = slurp(path, &n);
  uint64_t seed = 3;
  int loaded = 0;
  for (int k = 0; k < 2000; k++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    size_t bit = (size_t)(seed >> 20) % (8 * n);
    x[bit / 8] ^= (char)(1 << bit % 8);
    spit(other, x, n);
    fill(b, 8);
    if (weights_load(other, &plan, b, SLOTS_ALL, diag)) {          // nothing that matters: what was loaded is right
      assert_true(same(a, b, true));
      loaded++;
    } else says("bad-weights", other);
    x[bit / 8] ^= (char)(1 << bit % 8);
  }
  assert_int_equal(loaded, 0);
  free(x);
}

// ---------------------------------------------------------------- forged: one text of the header for another
static void forge(const char *from, const char *to, const char *what) {
  unsigned char a[ARENA], b[ARENA];
  fill(a, 7);
  memcpy(b, a, ARENA);
  assert_true(weights_save(path, &plan, a, SLOTS_ALL, diag));
  size_t n;
  char *x = slurp(path, &n);
  uint64_t length;
  memcpy(&length, x, 8);
  char *header = arena_strndup(arena, x + 8, length), *at = strstr(header, from);
  assert_non_null(at);
  Text t = {0};
  text_addn(&t, header, (size_t)(at - header));
  text_add(&t, to);
  text_add(&t, at + strlen(from));
  while (t.n % 8) text_char(&t, ' ');
  Text file = {0};
  uint64_t m = t.n;
  text_addn(&file, (char *)&m, 8);
  text_addn(&file, t.data, t.n);
  text_addn(&file, x + 8 + length, n - 8 - length);
  spit(other, file.data, file.n);
  assert_false(weights_load(other, &plan, b, SLOTS_ALL, diag));
  assert_memory_equal(a, b, ARENA);
  says("bad-weights", what);
  text_free(&t);
  text_free(&file);
  free(x);
}

static void forged_headers(void **s) {
  (void)s;
  forge("\"dtype\":\"F64\"", "\"dtype\":\"F32\"", "dtype of `power` is F32");
  forge("\"dtype\":\"F64\"", "\"dtype\":64", "dtype of `power` is missing");
  forge("\"shape\":[3,2]", "\"shape\":[2,3]", "axis 0 of `trunk.w` is not of the model's size 3");
  forge("\"shape\":[3,2]", "\"shape\":[6]", "has not the model's 2 axes");
  forge("\"shape\":[3,2]", "\"shape\":[3.0,2]", "axis 0");
  forge("\"shape\":[3,2]", "\"shape\":[-3,-2]", "axis 0");
  forge("\"shape\":[3,2]", "\"shape\":[9223372036854775807,2]", "axis 0");
  forge("\"shape\":[3,2]", "\"shape\":[9223372036854775808,2]", "header is broken");
  forge("[20,44]", "[44,20]", "do not hold its 24 bytes");
  forge("[20,44]", "[-4,20]", "no data_offsets");
  forge("[20,44]", "[9223372036854775800,9223372036854775807]", "do not hold");
  forge("[20,44]", "[0,24]", "overlaps");
  forge("[20,44]", "[92,116]", "hole");
  forge("[20,44]", "[24,48]", "");
  forge("[20,44]", "[20,44,44]", "no data_offsets");
  forge("\"trunk.w\":", "\"trunk.v\":", "the model has no `trunk.v`");
  forge("\"norm.mean\":{", "\"trunk.w\":{", "header is broken");                        // a key that stands there twice
  forge("\"power\":{", "\"more\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,0]},\"power\":{", "no `more`");
  forge("\"power\":{", "\"power\":{\"x\":1,", "not described by");
  forge("\"digest:power\"", "\"digest:pow\"", "digest of `power` is missing");
  forge("\"format\":\"mtlc\"", "\"format\":\"pt\"", "not written by mtlc");
  forge("\"version\":\"1\"", "\"version\":\"2\"", "version");
  forge("\"format\":\"mtlc\"", "\"format\":\"mtlc\",\"more\":1", "`more` are no text");
  forge("{\"__metadata__\"", "[{\"__metadata__\"", "does not start with");
  forge("\"shape\":[]", "\"shape\":[", "header is broken");
}

static void forged_lengths(void **s) {
  (void)s;
  const uint64_t lengths[] = { 0, 1, 7, 100, UINT64_MAX, UINT64_MAX - 7, INT64_MAX, 100000001, 1u << 20 };
  unsigned char a[ARENA];
  fill(a, 7);
  assert_true(weights_save(path, &plan, a, SLOTS_ALL, diag));
  size_t n;
  char *x = slurp(path, &n);
  for (int i = 0; i < COUNT_OF(lengths); i++) {
    memcpy(x, &lengths[i], 8);
    spit(other, x, n);
    assert_false(weights_load(other, &plan, a, SLOTS_ALL, diag));
    says("bad-weights", other);
  }
  int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC, 0666);   // 1 TB, none of it written: found before any of it is read
  uint64_t big = 90000000;
  if (ftruncate(fd, (off_t)1 << 40) == 0 && pwrite(fd, &big, 8, 0) == 8) {
    assert_false(weights_load(other, &plan, a, SLOTS_ALL, diag));
    says("bad-weights", "longer than this model's");
  }
  close(fd);
  free(x);
}

static void other_models(void **s) {
  (void)s;
  unsigned char a[ARENA];
  fill(a, 7);
  assert_true(weights_save(path, &plan, a, SLOTS_OF_MODEL, diag));
  assert_false(weights_load(path, &plan, a, SLOTS_ALL, diag));     // it wants the optimizer's state, too
  says("bad-weights", "bytes of tensors");
  assert_false(weights_load("/nonexistent/w", &plan, a, SLOTS_ALL, diag));
  says("bad-weights", "cannot be opened");
  assert_false(weights_load(dir, &plan, a, SLOTS_ALL, diag));
  says("bad-weights", "no file");
}

// ---------------------------------------------------------------- whole files
static void space_that_is_claimed(void **s) {
  (void)s;
  char tmp[600], text[] = "in its place";
  size_t n, huge = (size_t)1 << 62;
  struct stat st;
  snprintf(tmp, sizeof tmp, "%s.tmp", path);
  unlink(path);
  assert_true(file_claim(path, 100000, diag) && stat(tmp, &st) == 0 && access(path, F_OK) != 0);
  assert_true(st.st_size == 0 || st.st_blocks * 512 >= 100000);        // 0: a file system that promises nothing
  ino_t claimed = st.st_ino;
  assert_true(file_write_whole(path, text, sizeof text, diag) && access(tmp, F_OK) != 0);
  assert_true(stat(path, &st) == 0 && st.st_ino == claimed);
  char *x = slurp(path, &n);
  assert_true(n == sizeof text && memcmp(x, text, n) == 0);           // and no byte of what was claimed behind it
  free(x);
  assert_true(file_claim(path, 10, diag));
  file_release(path);
  assert_true(access(tmp, F_OK) != 0 && access(path, F_OK) == 0);
  if (!file_claim(path, huge, NULL)) {                                // unsaid
    assert_int_equal(diag_errors(diag), 0);
    assert_false(file_claim(path, huge, diag));
    says("disk-full", "KiB free for");
  }
  assert_true(access(tmp, F_OK) != 0 || file_claim(path, huge, NULL));
  file_release(path);
  assert_false(file_claim("/nonexistent/dir/file", 10, diag));
  says("cannot-write", "/nonexistent/dir/file");
  unlink(path);
}

static void whole_or_not(void **s) {
  (void)s;
  char old[] = "old";
  assert_true(file_write_whole(path, old, 3, diag));
  pid_t child = fork();
  if (child == 0) {                                           // a disk that is full after 4 KB
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4096, 4096 });
    char *big = calloc(1, 100000);
    bool wrote = file_write_whole(path, big, 100000, diag);
    Text t = {0};
    diag_print(diag, &t, false);
    bool told = strstr(t.data, "disk-full") && strstr(t.data, path) && strstr(t.data, "still stands");
    free(big);
    text_free(&t);
    _exit(wrote || !told || diag_exit_code(diag) != DIAG_MACHINE);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  size_t n;
  char *x = slurp(path, &n);
  assert_int_equal(n, 3);
  assert_memory_equal(x, old, 3);
  free(x);
  assert_false(file_write_whole("/nonexistent/dir/file", old, 3, diag));
  says("cannot-write", "/nonexistent/dir/file");
  assert_false(file_write_whole(dir, old, 3, diag));          // a folder of that name
  Text t = {0};
  diag_print(diag, &t, false);
  assert_non_null(strstr(t.data, "cannot-write"));
  text_free(&t);
  diag_clear(diag);
  char gone[80];
  snprintf(gone, sizeof gone, "%s.tmp", dir);
  assert_int_not_equal(access(gone, F_OK), 0);
}

static void links_and_devices(void **s) {
  (void)s;
  struct stat st;
  assert_true(file_write_whole(path, "old", 3, diag));
  unlink(other);
  assert_int_equal(symlink(path, other), 0);
  assert_true(file_write_whole(other, "newer", 5, diag));     // the file that the link names, and the link stays one
  assert_true(lstat(other, &st) == 0 && S_ISLNK(st.st_mode));
  assert_true(stat(path, &st) == 0 && st.st_size == 5);
  assert_true(file_write_soon(other, "newest!", 7, diag) && folder_sync(dir, diag));
  assert_true(stat(path, &st) == 0 && st.st_size == 7);
  assert_true(file_write_whole("/dev/null", "x", 1, diag));
  assert_true(lstat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
  assert_int_equal(diag_errors(diag), 0);
  assert_false(folder_sync("/nonexistent", diag));
  says("cannot-write", "/nonexistent");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(round_trip), cmocka_unit_test(equal_weights_give_equal_bytes), cmocka_unit_test(format),
    cmocka_unit_test(every_cut_is_found), cmocka_unit_test(no_flipped_bit_is_loaded), cmocka_unit_test(forged_headers),
    cmocka_unit_test(forged_lengths), cmocka_unit_test(other_models), cmocka_unit_test(space_that_is_claimed),
    cmocka_unit_test(whole_or_not),
    cmocka_unit_test(links_and_devices)
  };
  return cmocka_run_group_tests_name("weights", tests, setup, teardown);
}
