// parts.c: the objects of a step's code, made side by side and kept as one run of bytes: a header, then each object at a multiple of 8.
#include "module.h"
#include "../../runtime/limits.h"
#include "../../runtime/pool.h"

typedef struct { char magic[8]; uint64_t n, bytes[MAX_PARTS]; } Header;
static const char MAGIC[8] = "mtlcpart";

static size_t padded(size_t n) { return (n + 7) / 8 * 8; }

char *parts_join(char *const *object, const size_t *bytes, int n, size_t *size) {
  Header h = { .n = (uint64_t)n };
  size_t at = sizeof h;
  memcpy(h.magic, MAGIC, sizeof h.magic);
  for (int i = 0; i < n; i++) {
    h.bytes[i] = bytes[i];
    at += padded(bytes[i]);
  }
  char *all = xcalloc(1, at);
  memcpy(all, &h, sizeof h);
  at = sizeof h;
  for (int i = 0; i < n; i++) {
    memcpy(all + at, object[i], bytes[i]);
    at += padded(bytes[i]);
  }
  *size = at;
  return all;
}

int parts_of(const char *all, size_t n, const char **object, size_t *bytes) {
  Header h;
  if (n < sizeof h || memcmp(all, MAGIC, sizeof MAGIC)) {
    object[0] = all;
    bytes[0] = n;
    return 1;
  }
  memcpy(&h, all, sizeof h);
  if (h.n < 1 || h.n > MAX_PARTS) return 0;
  size_t at = sizeof h;
  for (int i = 0; i < (int)h.n; i++) {
    if (h.bytes[i] > n - at || padded(h.bytes[i]) > n - at) return 0;
    object[i] = all + at;
    bytes[i] = h.bytes[i];
    at += padded(h.bytes[i]);
  }
  return (int)h.n;
}

// ---------------------------------------------------------------- made side by side
typedef struct { EmitFn *emit; const Schedule *s; TargetId target; int n; char *object[MAX_PARTS], *error[MAX_PARTS]; size_t bytes[MAX_PARTS]; } Job;

static void make_part(void *ctx, int64_t unit, int worker) {
  Job *j = ctx;
  (void)worker;
  j->object[unit] = j->emit(j->s, j->target, EMIT_OBJECT, (Part){ (int)unit, j->n }, &j->bytes[unit], &j->error[unit]);
}

// A thread, a module and its passes cost a few ms: what so many calls come to.
enum { PART_CALLS = 8 };

static int part_count(const Schedule *s) {
  int calls = 0, cores = usable_cores().cores;
  for (int p = 0; p < N_PROGRAMS; p++)
    for (int i = 0; i < s->programs[p].n_phases; i++) calls += s->programs[p].phases[i].n_calls;
  int n = calls / PART_CALLS < cores ? calls / PART_CALLS : cores;
  return n < 1 ? 1 : n > MAX_PARTS ? MAX_PARTS : n;
}

char *parts_emit(EmitFn *emit, const Schedule *s, TargetId t, size_t *size, char **error) {
  Job j = { .emit = emit, .s = s, .target = t, .n = part_count(s) };
  char *all = NULL;
  if (j.n == 1) make_part(&j, 0, 0);
  else {
    Pool *p = pool_new(j.n);
    pool_run(p, make_part, &j, j.n, POOL_STRETCHES);
    pool_free(p);
  }
  for (int i = 0; i < j.n; i++)
    if (!j.object[i] && !*error) *error = j.error[i], j.error[i] = NULL;
  if (!*error) all = parts_join(j.object, j.bytes, j.n, size);
  for (int i = 0; i < j.n; i++) free(j.object[i]), free(j.error[i]);
  return all;
}
