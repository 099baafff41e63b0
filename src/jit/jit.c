// jit.c: schedule → callable code. The key is the schedule's canonical text, the target, the LLVM version and the sources of the
// compiler that made it (build_id.h, by make: an object of another emitter is never run);
// on a hit the object is loaded as it is, and LLVM never enters the process.
#include "module.h"
#include "src/jit/build_id.h"
#ifndef LLVM_VERSION_TEXT
#define LLVM_VERSION_TEXT "unknown"
#endif

static const Target *target_or_error(TargetId t, Diag *d) {
  if (t < N_TARGETS) return &targets[t];
  diag_machine(d, "bad-target", "MTLC_TARGET=%s names no instruction set that this processor runs", getenv("MTLC_TARGET"));
  return NULL;
}

static void key_text(const Schedule *s, const Target *t, Text *key) {
  text_printf(key, "mtlc object %s llvm %s target %s %s %s %d %d %d\n", OBJECT_BUILD, LLVM_VERSION_TEXT, t->name, t->cpu,
              t->features, t->lanes_f32, t->mr, t->nv);
  schedule_key(s, key);
}

static char *emitted(char *bytes, char *error, Diag *d) {
  if (!bytes) diag_machine(d, "emit-failed", "LLVM: %s", error ? error : "no message");
  free(error);
  return bytes;
}

char *jit_emit(const Schedule *s, TargetId t, EmitWhat what, size_t *size, Diag *d) {
  char *error = NULL;
  EmitFn *emit = target_or_error(t, d) ? module_emit(d) : NULL;
  if (!emit) return NULL;
  char *bytes = emit(s, t, what, (Part){ 0, 1 }, size, &error);
  return emitted(bytes, error, d);
}

static char *make_object(const Schedule *s, TargetId t, size_t *size, Diag *d) {
  char *error = NULL;
  EmitFn *emit = module_emit(d);
  if (!emit) return NULL;
  char *bytes = parts_emit(emit, s, t, size, &error);
  return emitted(bytes, error, d);
}

static bool resolve_symbols(const Schedule *s, const Image *im, Arena *a, StepCode *code, Diag *d) {
  for (int p = 0; p < N_PROGRAMS; p++) {
    const SchedProgram *prog = &s->programs[p];
    code->phase[p] = NEW_ARRAY(a, PhaseFn *, prog->n_phases + 1);
    for (int i = 0; i < prog->n_phases; i++) {
      if (prog->phases[i].is_host) continue;                 // a C routine of this program
      *(void **)&code->phase[p][i] = image_symbol(im, prog->phases[i].symbol);
      if (code->phase[p][i]) continue;
      diag_machine(d, "bad-object", "the compiled object lacks the function `%s`", prog->phases[i].symbol);
      return false;
    }
  }
  return true;
}

bool jit_load(const Schedule *s, const char *object, size_t n, Arena *a, StepCode *code, Diag *d) {
  Image *im = NEW(a, Image);
  *code = (StepCode){0};
  bool ok = image_load(object, n, im, d) && resolve_symbols(s, im, a, code, d);
  code->image = im;
  code->image_bytes = im->bytes;
  if (!ok) jit_free(code);
  return ok;
}

bool jit(const Schedule *s, TargetId t, Arena *a, StepCode *code, JitInfo *info, Diag *d) {
  const Target *target = target_or_error(t, d);
  if (!target) return false;
  *info = (JitInfo){ .target = target->name };
  *code = (StepCode){0};
  double start = monotonic_seconds();
  Text key = {0};
  key_text(s, target, &key);
  char *object = NULL;
  size_t n = 0;
  info->cached = cache_get(key.data, key.n, &object, &n);
  if (!object) object = make_object(s, t, &n, d);
  if (object && !info->cached) cache_put(key.data, key.n, object, n);
  text_free(&key);
  if (!object) return false;
  double compiled = monotonic_seconds();
  bool ok = jit_load(s, object, n, a, code, d);
  free(object);
  info->compile_ms = info->cached ? 0 : 1e3 * (compiled - start);
  info->load_ms = 1e3 * (monotonic_seconds() - (info->cached ? start : compiled));
  info->object_bytes = n;
  return ok;
}

void jit_free(StepCode *code) {
  if (code->image) image_free(code->image);
  code->image = NULL;
}
