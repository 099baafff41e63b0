// gemm.c: the gradient of a matrix of weights, dW[k, n] = Σ_r x[r, k]·dy[r, n], with Adam's update: our kernel, that applies the
// update to the sums in registers, against a call of OpenBLAS and the update after it. Both are compiled as a step is, and
// take turns; of each the least time of a few rounds counts.
//   bench/gemm.sh, which builds it and says what it runs on
#include "src/compile.h"
#include "runtime/host/blas.h"
#include "runtime/train.h"

typedef struct { StepPlan plan; StepCode code; Engine *engine; } Step;

// Adam on w by the dot of two pieces of the dense input.
static Graph *graph_of(Arena *a, Diag *d, int64_t rows, int64_t k, int64_t n) {
  static const double adam[] = { 0.001, 0.9, 0.999, 1e-8 };
  Graph *g = graph_new(a, F32, rows, d);
  AxisId axis[2] = { axis_fixed(g, k), axis_fixed(g, n) };
  int w = graph_slot(g, "w", SLOT_PARAM, F32, 2, axis, (Init){ INIT_NORMAL, 0, 0.1 }, (Place){0}), row = 0;
  while (strcmp(optim_rows[row].name, "adam")) row++;
  NodeId x = g_dense(g, 0, k), dy = g_dense(g, k, n), dw = g_dot(g, x, dy, "rk,rn>kn");
  optim(g, row, adam, &w, &dw, 1);
  return g;
}

static bool make_step(Arena *a, Diag *d, int64_t rows, int64_t k, int64_t n, const GemmRule *rule, Step *s) {
  Graph *g = graph_of(a, d, rows, k, n);
  const Graph *programs[N_PROGRAMS] = { [PROG_TRAIN] = g };
  JitInfo info;
  g->gemm = rule;
  Schedule *plan = schedule(a, programs, (int)(k + n), 0, 0);
  if (!plan) return false;
  schedule_check(plan);
  schedule_plan(plan, &s->plan);
  if (!jit(plan, target_detect(), a, &s->code, &info, d)) return false;
  s->engine = engine_new(&s->plan, &s->code);
  engine_init(s->engine, 1);
  float *in = s->engine->buf[s->engine->dense];
  int64_t ld = s->plan.buffers[s->engine->dense].ld;
  for (int64_t i = 0; i < rows * ld; i++) in[i] = (float)(i * 2654435761u % 1000) / 500 - 1;
  return true;
}

static double seconds(Step *s, int64_t rows, int times) {
  double start = monotonic_seconds();
  for (int i = 0; i < times; i++) engine_run(s->engine, PROG_TRAIN, rows, 0.001);
  return (monotonic_seconds() - start) / times;
}

static bool compare(int64_t rows, int64_t k, int64_t n) {
  static const GemmRule always = {0};
  Arena *a = arena_new();
  Diag *d = diag_new(a, sources_new(a));
  Step own, blas;
  double work = 2.0 * (double)(rows * k * n), best[2] = { 1e9, 1e9 };
  bool fine = make_step(a, d, rows, k, n, NULL, &own) && make_step(a, d, rows, k, n, &always, &blas);
  int times = fine ? (int)(2e8 / work) + 1 : 0;
  for (int i = 0; i < 15 && fine; i++) {
    double x = seconds(&own, rows, times), y = seconds(&blas, rows, times);
    if (i && x < best[0]) best[0] = x;                               // the first warms up
    if (i && y < best[1]) best[1] = y;
  }
  if (fine) {
    printf("%6lld %6lld %6lld %10.1f %10.1f %8.1f %8.1f %7.2f\n", (long long)rows, (long long)k, (long long)n, best[0] * 1e6,
           best[1] * 1e6, work / best[0] / 1e9, work / best[1] / 1e9, best[0] / best[1]);
    fflush(stdout);
    engine_free(own.engine), engine_free(blas.engine);
    jit_free(&own.code), jit_free(&blas.code);
  } else {
    Text t = {0};
    diag_print(d, &t, false);
    fputs(t.data ? t.data : "cannot compile\n", stderr);
    text_free(&t);
  }
  arena_free(a);
  return fine;
}

int main(int argc, char **argv) {                                    // rows, width (k = n) or k x n, …
  static const char *const core[N_TARGETS] = { [TARGET_AVX512] = "SkylakeX", [TARGET_AVX2] = "Haswell" };
  TargetId t = target_detect();
  const Blas *b = t < N_TARGETS ? blas_open(core[t]) : NULL;
  if (!b || argc < 3) {
    fprintf(stderr, b ? "gemm ROWS K[xN] …\n" : "no OpenBLAS\n");
    return 2;
  }
  printf("kernels for %s; OpenBLAS %s, core %s, one thread; dW and Adam's update\n", targets[t].name, b->version, b->core);
  printf("%6s %6s %6s %10s %10s %8s %8s %7s\n", "rows", "k", "n", "own us", "BLAS us", "own GF/s", "BLAS", "ratio");
  bool fine = true;
  for (int i = 2; i < argc; i++) {
    char *end;
    int64_t k = strtoll(argv[i], &end, 10), n = *end == 'x' ? strtoll(end + 1, NULL, 10) : k;
    fine &= k > 0 && n > 0 && compare(strtoll(argv[1], NULL, 10), k, n);
  }
  return fine ? 0 : 1;
}
