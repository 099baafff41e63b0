// emit_lines.c: debug information (DWARF 4): each function has the place in the spec of what it computes, each call of a kernel its own. A kernel
// that serves several calls has the place of the first.
#include <llvm-c/DebugInfo.h>
#include <unistd.h>
#include "emit_int.h"

typedef LLVMMetadataRef Meta;
typedef struct Lines {
  LLVMDIBuilderRef b;
  Meta type;                                // of all functions
  Meta scope;                               // the function under construction
  VEC(Meta) files;                          // by Place.file; NULL: not met yet
  char folder[4096];
} Lines;

static Meta file_of(Emit *e, uint32_t file) {
  Lines *x = e->lines;
  while (x->files.n <= (int)file) vec_push(e->arena, &x->files, NULL);
  if (x->files.data[file]) return x->files.data[file];
  const char *name = file ? source_name(e->s->sources, file) : "none";
  return x->files.data[file] = LLVMDIBuilderCreateFile(x->b, name, strlen(name), x->folder, strlen(x->folder));
}

static void flag(Emit *e, const char *name, unsigned value) {
  Value v = LLVMConstInt(e->l.i32, value, 0);
  LLVMAddModuleFlag(e->l.m, LLVMModuleFlagBehaviorWarning, name, strlen(name), LLVMValueAsMetadata(v));
}

void lines_open(Emit *e) {
  if (!e->s->sources) return;
  Lines *x = e->lines = NEW(e->arena, Lines);
  if (!getcwd(x->folder, sizeof x->folder)) x->folder[0] = 0;
  x->b = LLVMCreateDIBuilder(e->l.m);
  flag(e, "Debug Info Version", LLVMDebugMetadataVersion());
  flag(e, "Dwarf Version", 4);
  // The language that is named decides how a debugger prints values, and there are none: C as any.
  LLVMDIBuilderCreateCompileUnit(x->b, LLVMDWARFSourceLanguageC, file_of(e, 1), "mtlc", 4, 1, "", 0, 0, "", 0, LLVMDWARFEmissionFull, 0, 0, 0, "",
                                 0, "", 0);
  x->type = LLVMDIBuilderCreateSubroutineType(x->b, file_of(e, 1), NULL, 0, LLVMDIFlagZero);
}

void lines_close(Emit *e) {
  if (!e->lines) return;
  LLVMDIBuilderFinalize(e->lines->b);
  LLVMDisposeDIBuilder(e->lines->b);
  e->lines = NULL;
}

static int line_of(const Emit *e, Place at, int *col) {
  int line = *col = 0;
  if (at.file) source_line_col(e->s->sources, at, &line, col);
  return line;
}

void lines_at(Emit *e, Place at) {
  Lines *x = e->lines;
  int col;
  if (!x || !at.file) return;
  int line = line_of(e, at, &col);
  Meta scope = LLVMDIBuilderCreateLexicalBlockFile(x->b, x->scope, file_of(e, at.file), 0);
  LLVMSetCurrentDebugLocation2(e->l.b, LLVMDIBuilderCreateDebugLocation(e->l.cx, (unsigned)line, (unsigned)col, scope, NULL));
}

void lines_function(Emit *e, Value fn, Place at) {
  Lines *x = e->lines;
  size_t n;
  int col;
  if (!x) return;
  const char *name = LLVMGetValueName2(fn, &n);
  int line = line_of(e, at, &col);
  Meta file = file_of(e, at.file);
  x->scope = LLVMDIBuilderCreateFunction(x->b, file, name, n, name, n, file, (unsigned)line, x->type, 0, 1, (unsigned)line, LLVMDIFlagZero, 1);
  LLVMSetSubprogram(fn, x->scope);
  LLVMSetCurrentDebugLocation2(e->l.b, LLVMDIBuilderCreateDebugLocation(e->l.cx, (unsigned)line, (unsigned)col, x->scope, NULL));
}
