// emit.c: Schedule → module → object, assembly or text. All errors come back as text; nothing is printed.
#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Support.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <llvm/Config/llvm-config.h>
#include <pthread.h>
#include "emit_int.h"

static const char passes[] = "function(early-cse)";       // a wrong pipeline aborts: constant, and run by the tests

void emit_error(Emit *e, const char *fmt, ...) {
  if (e->error) return;
  Text t = {0};
  va_list ap;
  va_start(ap, fmt);
  text_vprintf(&t, fmt, ap);
  va_end(ap);
  e->error = t.data;
}

Type emit_type(Emit *e, DType t) {
  LL *l = &e->l;
  return (Type[]){[F32] = l->f32, [F64] = l->f64, [U32] = l->i32, [I64] = l->i64}[t];
}

const char *emit_llvm_version(void) { return LLVM_VERSION_STRING; }

// ---------------------------------------------------------------- target machine
static void on_diagnostic(LLVMDiagnosticInfoRef d, void *ctx) {
  if (LLVMGetDiagInfoSeverity(d) != LLVMDSError) return;
  char *text = LLVMGetDiagInfoDescription(d);
  emit_error(ctx, "LLVM: %s", text);
  LLVMDisposeMessage(text);
}

// The kernels' addresses are already in the form wanted; strength reduction would undo it (it makes an induction
// variable of every row pointer of a tile, and spills) and takes a quarter of the time of code generation.
static void start_llvm(void) {
  static const char *const args[] = {"mtlc", "-disable-lsr"};
  LLVMParseCommandLineOptions(COUNT_OF(args), args, NULL);
  LLVMInitializeAArch64TargetInfo();
  LLVMInitializeAArch64Target();
  LLVMInitializeAArch64TargetMC();
  LLVMInitializeAArch64AsmPrinter();
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
}

static LLVMTargetMachineRef target_machine(Emit *e) {
  const Target *t = e->target;
  LLVMTargetRef ref;
  char *text = NULL;
  static pthread_once_t started = PTHREAD_ONCE_INIT;
  pthread_once(&started, start_llvm);
  if (LLVMGetTargetFromTriple(t->triple, &ref, &text)) {
    emit_error(e, "LLVM: %s", text);
    LLVMDisposeMessage(text);
    return NULL;
  }
  return LLVMCreateTargetMachine(ref, t->triple, t->cpu, t->features ? t->features : "", LLVMCodeGenLevelDefault,
                                 LLVMRelocPIC, LLVMCodeModelSmall);
}

// ---------------------------------------------------------------- module
static void open_module(Emit *e, LLVMTargetMachineRef tm) {
  LL *l = &e->l;
  l->cx = LLVMContextCreate();
  LLVMContextSetDiagnosticHandler(l->cx, on_diagnostic, e);
  l->m = LLVMModuleCreateWithNameInContext("mtlc", l->cx);
  l->b = LLVMCreateBuilderInContext(l->cx);
  l->i1 = LLVMInt1TypeInContext(l->cx);
  l->i32 = LLVMInt32TypeInContext(l->cx);
  l->i64 = LLVMInt64TypeInContext(l->cx);
  l->f32 = LLVMFloatTypeInContext(l->cx);
  l->f64 = LLVMDoubleTypeInContext(l->cx);
  l->ptr = LLVMPointerTypeInContext(l->cx, 0);
  l->none = LLVMVoidTypeInContext(l->cx);
  LLVMSetTarget(l->m, e->target->triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(tm);
  LLVMSetModuleDataLayout(l->m, layout);
  LLVMDisposeTargetData(layout);
  Value level = LLVMConstInt(l->i32, 2, 0);
  LLVMAddModuleFlag(l->m, LLVMModuleFlagBehaviorWarning, "PIC Level", 9, LLVMValueAsMetadata(level));
}

static int tree_levels(const Schedule *s) {                // blocks of the longest sum over rows, as a binary number
  int64_t longest = s->capacity;
  for (int p = 0; p < N_PROGRAMS; p++)
    for (int i = 0; i < s->programs[p].n_phases; i++) {
      const Phase *ph = &s->programs[p].phases[i];
      if (ph->is_host) continue;
      for (int c = 0; c < ph->n_calls; c++)
        if (ph->calls[c].reduced.size > longest) longest = ph->calls[c].reduced.size;
    }
  int levels = 1;
  for (int64_t blocks = longest / s->block + 1; blocks > 0; blocks /= 2) levels++;
  return levels;
}

static void build_module(Emit *e) {
  const Schedule *s = e->s;
  emit_plan(e);
  lines_open(e);
  for (int i = 0; i < e->kernels.n && !e->error; i++)
    if (e->kernels.data[i]->part == e->part.at) kernel_define(e, e->kernels.data[i]);
  for (int p = 0; p < N_PROGRAMS && !e->error; p++)
    for (int i = 0; i < s->programs[p].n_phases && !e->error; i++)
      if (!s->programs[p].phases[i].is_host && e->phase[p][i].part == e->part.at) emit_phase(e, &s->programs[p].phases[i], &e->phase[p][i]);
  lines_close(e);
  if (e->error) return;
  char *text = NULL;
  if (LLVMVerifyModule(e->l.m, LLVMReturnStatusAction, &text)) emit_error(e, "LLVM: broken module: %s", text);
  LLVMDisposeMessage(text);
}

static void run_passes(Emit *e, LLVMTargetMachineRef tm) {
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMErrorRef err = LLVMRunPasses(e->l.m, passes, tm, options);
  LLVMDisposePassBuilderOptions(options);
  if (!err) return;
  char *text = LLVMGetErrorMessage(err);
  emit_error(e, "LLVM: %s", text);
  LLVMDisposeErrorMessage(text);
}

// ---------------------------------------------------------------- result
// The module's text, with the calls that each kernel serves as a comment before it.
static char *module_text(Emit *e, size_t *size) {
  char *ir = LLVMPrintModuleToString(e->l.m);
  Text out = {0};
  for (char *line = ir; *line;) {
    char *end = strchr(line, '\n');
    size_t n = end ? (size_t)(end - line) + 1 : strlen(line);
    if (strncmp(line, "define internal", 15) == 0)
      for (int i = 0; i < e->kernels.n; i++) {
        const char *name = e->kernels.data[i]->name;
        size_t len = strlen(name);
        char *at = memchr(line, '@', n);
        if (at && at[1] == '"') at++;                       // the name is quoted
        if (at && strncmp(at + 1, name, len) == 0 && strchr("(\"", at[1 + len]))
          text_printf(&out, "; serves: %s\n", e->kernels.data[i]->serves.data);
      }
    text_addn(&out, line, n);
    line += n;
  }
  LLVMDisposeMessage(ir);
  *size = out.n;
  return out.data;
}

static char *machine_code(Emit *e, LLVMTargetMachineRef tm, LLVMCodeGenFileType type, size_t *size) {
  LLVMMemoryBufferRef mem = NULL;
  char *text = NULL;
  if (LLVMTargetMachineEmitToMemoryBuffer(tm, e->l.m, type, &text, &mem)) {
    emit_error(e, "LLVM: %s", text);
    LLVMDisposeMessage(text);
    return NULL;
  }
  *size = LLVMGetBufferSize(mem);
  char *out = xmalloc(*size + 1);
  memcpy(out, LLVMGetBufferStart(mem), *size);
  out[*size] = 0;
  LLVMDisposeMemoryBuffer(mem);
  return out;
}

static char *emit_all(Emit *e, LLVMTargetMachineRef tm, EmitWhat what, size_t *size) {
  build_module(e);
  if (!e->error) run_passes(e, tm);
  if (e->error) return NULL;
  if (what == EMIT_LLVM) return module_text(e, size);
  return machine_code(e, tm, what == EMIT_ASM ? LLVMAssemblyFile : LLVMObjectFile, size);
}

char *mtlc_emit(const Schedule *s, TargetId t, EmitWhat what, Part part, size_t *size, char **error) {
  Emit e = {.s = s, .target = &targets[t], .part = part, .arena = arena_new()};
  e.has_fma = t != TARGET_PORTABLE;
  e.has_mask = t == TARGET_AVX2 || t == TARGET_AVX512;
  e.tree_levels = tree_levels(s);
  char *out = NULL;
  LLVMTargetMachineRef tm = target_machine(&e);
  if (tm) {
    open_module(&e, tm);
    out = emit_all(&e, tm, what, size);
    LLVMDisposeBuilder(e.l.b);
    LLVMDisposeModule(e.l.m);
    LLVMContextDispose(e.l.cx);
    LLVMDisposeTargetMachine(tm);
  }
  if (e.error) {
    free(out);
    out = NULL;
  }
  for (int i = 0; i < e.kernels.n; i++) text_free(&e.kernels.data[i]->serves);
  if (error) *error = e.error;
  else free(e.error);
  arena_free(e.arena);
  return out;
}
