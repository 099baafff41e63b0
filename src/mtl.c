// mtl.c: the public functions that need no data: check, explain, compile; and synth.
#include "session.h"
#include "version/diff.h"
#include "front/format.h"
#include "warm_start.h"

#ifndef MTLC_BUILD_ID
#define MTLC_BUILD_ID "unversioned"
#endif
#ifndef LLVM_VERSION_TEXT
#define LLVM_VERSION_TEXT "unknown"
#endif

const char *mtl_version(void) { return MTLC_BUILD_ID; }

const char *build_text(void) {
  static char text[256];
  TargetId t = target_detect();
  const Blas *b = blas_opened();
  int n = snprintf(text, sizeof text, "mtlc: %s\nLLVM: %s\ntarget: %s\n", MTLC_BUILD_ID, LLVM_VERSION_TEXT,
                   t < N_TARGETS ? targets[t].name : "none");
  if (b) snprintf(text + n, sizeof text - (size_t)n, "BLAS: OpenBLAS %s, kernels for %s\n", b->version, b->core);
  return text;
}

const char *mtl_build_info(void) {
  blas_for(target_detect());
  return build_text();
}

static int code_of(const mtl_context *c) { return diag_exit_code(c->diag); }

static char *take(Text *t) {                             // the text, malloc'd; never NULL
  if (!t->data) text_add(t, "");
  return t->data;
}

int mtl_check(mtl_context *c, const char *spec, bool strict, bool json, char **report) {
  *report = NULL;
  Model *m = open_spec(c, spec);
  Graph *g = check_graph(c, m);
  if (g) accept_check(m, c->diag);
  bool right = g && warm_check_spec(c, m, g, spec) && !diag_errors(c->diag), ok = right && !(strict && diag_warnings(c->diag));
  Text t = {0};
  if (json) {
    Text errors = {0};
    diag_json(c->diag, &errors);
    json_t *list = json_loads(errors.data ? errors.data : "[]", 0, NULL);
    *report = json_text(json_pack("{s:s, s:b, s:o}", "spec", spec, "ok", ok, "errors", list ? list : json_array()));
    text_free(&errors);
  } else if (ok) {
    text_printf(&t, "%s: ok: model %s, %d inputs, %d tasks\n", spec, m->name, m->data.n_inputs, m->train.n_tasks);
    *report = take(&t);
  }
  return right && !ok ? 1 : code_of(c);
}

static const char *blas_text(const Blas *b, Arena *a) {
  return arena_printf(a, "OpenBLAS %s, kernels for %s", b->version, b->core);
}

static void explain_blas(mtl_context *c, Model *m) {
  TargetId t = target_detect();
  GemmChoice choice = gemm_candidates(m->blas, t, F32, c->diag);
  m->gemm = choice.rule;
  if (choice.rule && gemm_choose(&choice, t)) m->gemm_by = blas_text(choice.blas, m->arena);
  m->gemm_why_not = choice.why_not;
}

int mtl_explain(mtl_context *c, const char *spec, bool json, char **report) {
  *report = NULL;
  Model *m = open_spec(c, spec);
  Graph *g = m ? build(m, F32, c->diag) : NULL;
  if (!g || diag_errors(c->diag)) return code_of(c);
  Text t = {0};
  explain_blas(c, m);
  m->push = push_rule(c->diag);
  m->keep = keep_rule(c->diag);
  if (diag_errors(c->diag)) return code_of(c);
  model_explain(m, g, &t, json);
  *report = take(&t);
  return 0;
}

int mtl_fmt(mtl_context *c, const char *name, const char *text, size_t n, char **out, size_t *size) {
  Text t = {0};
  bool ok = format_source(c->arena, c->sources, source_add(c->sources, name, text, n), c->diag, &t);
  *out = ok ? take(&t) : NULL;
  *size = t.n;
  return ok ? 0 : code_of(c);
}

// ---------------------------------------------------------------- compile
typedef enum { STAGE_AST, STAGE_MODEL, STAGE_GRAPH, STAGE_GRAD, STAGE_SCHED, STAGE_LLVM, STAGE_ASM, STAGE_OBJ, N_STAGES } Stage;
static const char *const stages[N_STAGES] = { "ast", "model", "graph", "grad", "sched", "llvm", "asm", "obj" };

static Stage stage_of(mtl_context *c, const char *name) {
  for (int i = 0; i < N_STAGES; i++)
    if (!strcmp(stages[i], name)) return (Stage)i;
  diag_error(c->diag, "unknown-stage", (Place){0}, "there is no stage `%s`", name);
  const char *near = nearest(name, stages, N_STAGES);
  if (near) diag_help(c->diag, "did you mean `%s`?", near);
  else diag_help(c->diag, "one of ast, model, graph, grad, sched, llvm, asm, obj");
  return N_STAGES;
}

static void emit_ast(mtl_context *c, const char *spec, Text *t) {
  size_t n;
  char *text = read_whole(spec, &n);
  if (!text) {
    diag_error(c->diag, "no-spec", (Place){0}, "cannot read the spec `%s`", spec);
    return;
  }
  Ast *ast = parse(c->arena, c->sources, source_add(c->sources, spec, text, n), c->diag);
  free(text);
  if (!diag_errors(c->diag)) ast_print(ast, t);
}

static void emit_code(mtl_context *c, Model *m, Stage s, Text *t) {
  Compiled k;
  if (!compile(m, F32, &k, c->diag)) return;
  if (s == STAGE_GRAD) graph_print(k.program[PROG_TRAIN], t);
  else if (s == STAGE_SCHED) schedule_print(k.schedule, t);
  else {
    size_t n = 0;
    char *bytes = jit_emit(k.schedule, target_detect(), s == STAGE_LLVM ? EMIT_LLVM : s == STAGE_ASM ? EMIT_ASM : EMIT_OBJECT, &n, c->diag);
    if (bytes) text_addn(t, bytes, n);
    free(bytes);
  }
}

int mtl_compile(mtl_context *c, const char *spec, const char *stage, const char *const *data, char **out, size_t *size) {
  Text t = {0};
  Stage s = stage_of(c, stage);
  *out = NULL;
  *size = 0;
  if (s == STAGE_AST) emit_ast(c, spec, &t);
  else if (s < N_STAGES) {
    Model *m = open_spec(c, spec);
    Graph *g = m ? build(m, F32, c->diag) : NULL;
    if (g && !diag_errors(c->diag)) {
      DataFiles files;
      bool wanted = data && s >= STAGE_GRAD && find_files(c, m, data, NULL, NULL, spec, &files);
      Dataset *d = wanted ? data_prepare(&m->data, &files, c->diag) : NULL;
      if (d) model_bind(m, &d->prep);
      else if (!data) assume_vocabularies(m, 100);
      if (s == STAGE_MODEL) model_print(m, &t);
      else if (s == STAGE_GRAPH) graph_print(g, &t);
      else if (!diag_errors(c->diag)) emit_code(c, m, s, &t);
      data_free(d);
    }
  }
  if (diag_errors(c->diag)) {
    text_free(&t);
    return code_of(c);
  }
  *size = t.n;
  *out = take(&t);
  return 0;
}

int mtl_synth(mtl_context *c, const char *spec, int64_t rows, uint64_t seed, const char *out) {
  Model *m = open_spec(c, spec);
  if (check_spec(c, m)) synth_write(&m->data, rows, seed, out, c->diag);
  return code_of(c);
}
