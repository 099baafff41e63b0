// blas_use.c: which gradients of weights OpenBLAS computes. Measured with bench/gemm.sh, Adam's update included, which our
// kernel applies to sums in registers and BLAS leaves to a pass of its own: with both AVX-512 and AVX2, from 256 rows a batch,
// BLAS is faster where there is more work than 120 MFLOP; 1.1 to 3 times. Below, our kernel wins or it makes no difference.
// Those figures hold for kernels made for the same instructions, so others are not used. AVX-512 on Zen 4, whose units are half as wide,
// gains nothing: from 0.88 to 1.05 times, for 256 to 4,096 rows and sides of 256 to 1,024.
#include "compile.h"
#include "../runtime/host/blas.h"

static const GemmRule measured = { .rows = 256, .side = 64, .work = 1.2e8 }, every_one = {0};
static const struct { const char *cores[4]; } made_for[N_TARGETS] = {
  [TARGET_AVX512] = { { "SkylakeX", "Cooperlake", "Sapphirerapids" } },
  [TARGET_AVX2] = { { "Haswell", "Zen" } },
};

static bool core_fits(const Blas *b, TargetId t) {
  for (int i = 0; i < COUNT_OF(made_for[t].cores) && made_for[t].cores[i]; i++)
    if (!strcasecmp(b->core, made_for[t].cores[i])) return true;
  return false;
}

const Blas *blas_for(TargetId t) { return blas_open(t < N_TARGETS ? made_for[t].cores[0] : NULL); }

static bool gains(TargetId t) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (t == TARGET_AVX512 && __builtin_cpu_is("amdfam19h")) return false;
#endif
  (void)t;
  return true;
}

// MTLC_BLAS=off|auto|on, else what the spec says.
static BlasUse use_of(BlasUse spec, Diag *d) {
  static const char *const names[] = { [BLAS_AUTO] = "auto", [BLAS_OFF] = "off", [BLAS_ON] = "on" };
  const char *forced = getenv("MTLC_BLAS");
  if (!forced || !*forced) return spec;
  for (int i = 0; i < COUNT_OF(names); i++)
    if (!strcmp(forced, names[i])) return (BlasUse)i;
  diag_machine(d, "bad-blas", "MTLC_BLAS=%s is none of off, auto, on", forced);
  return BLAS_OFF;
}

GemmChoice gemm_candidates(BlasUse spec, TargetId t, DType dtype, Diag *d) {
  GemmChoice c = { .use = use_of(spec, d) };
  if (c.use == BLAS_ON) c.rule = &every_one;
  if (c.use == BLAS_AUTO && dtype == F32 && t < N_TARGETS && made_for[t].cores[0] && gains(t)) c.rule = &measured;
  return c;
}

bool gemm_choose(GemmChoice *c, TargetId t) {
  const Blas *b = blas_for(t);
  if (!b) c->why_not = "OpenBLAS is not installed";
  else if (c->use == BLAS_AUTO && !core_fits(b, t)) c->why_not = "OpenBLAS runs kernels made for older processors";
  c->blas = c->why_not ? NULL : b;
  return c->blas;
}

static bool any_suits(const Graph *g, const GemmRule *rule) {
  for (NodeId n = 1; n < (NodeId)g->nodes.n; n++)
    if (suits_gemm(g, n, rule)) return true;
  return false;
}

void gemm_set(Graph *const *graphs, int n, BlasUse spec, Diag *d) {
  TargetId t = target_detect();
  GemmChoice c = {0};
  for (int i = 0; i < n; i++) {
    if (!graphs[i]) continue;
    if (!c.rule) c = gemm_candidates(spec, t, graphs[i]->dtype, d);
    if (c.rule && any_suits(graphs[i], c.rule) && gemm_choose(&c, t)) graphs[i]->gemm = c.rule;
  }
}
