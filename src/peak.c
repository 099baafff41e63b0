// peak.c: what one core can do at best: f32 fused multiply-adds in registers, by the widest instructions that the target's kernels
// have; bytes read from memory. Each the best of a few tries of some ms.
#include <math.h>
#include "session.h"
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

enum { CHAINS = 12, ROUNDS = 1 << 18, TRIES = 8 };                   // chains enough to hide a latency of 6 in two units
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define MAKE(i) acc##i = SET((float)i),
#define STEP(i) acc##i = FMA(acc##i, vm, va);
#define ADD(i) + FIRST(acc##i)
// ROUNDS · CHAINS multiply-adds of vectors in registers, fused where the target has it.
#define BODY                                                          \
  {                                                                   \
    VECTOR vm = SET(m), EACH(MAKE) va = SET(a);                       \
    for (int i = 0; i < ROUNDS; i++) { EACH(STEP) }                   \
    return 0 EACH(ADD);                                               \
  }

#if defined(__x86_64__)
#define VECTOR __m128
#define SET _mm_set1_ps
#define FMA(a, m, b) _mm_add_ps(_mm_mul_ps(a, m), b)
#define FIRST _mm_cvtss_f32
static float chain_sse(float m, float a) BODY
#undef VECTOR
#undef SET
#undef FMA
#undef FIRST
#define VECTOR __m256
#define SET _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define FIRST _mm256_cvtss_f32
__attribute__((target("avx2,fma"))) static float chain_avx2(float m, float a) BODY
#undef VECTOR
#undef SET
#undef FMA
#undef FIRST
#define VECTOR __m512
#define SET _mm512_set1_ps
#define FMA _mm512_fmadd_ps
#define FIRST _mm512_cvtss_f32
__attribute__((target("avx512f"))) static float chain_avx512(float m, float a) BODY
#elif defined(__aarch64__)
#define VECTOR float32x4_t
#define SET vdupq_n_f32
#define FMA(a, m, b) vfmaq_f32(b, a, m)
#define FIRST(v) vgetq_lane_f32(v, 0)
static float chain_neon(float m, float a) BODY
#endif

typedef float ChainFn(float m, float a);
static ChainFn *const chains[N_TARGETS] = {
#if defined(__x86_64__)
  [TARGET_PORTABLE] = chain_sse, [TARGET_AVX2] = chain_avx2, [TARGET_AVX512] = chain_avx512,
#elif defined(__aarch64__)
  [TARGET_PORTABLE] = chain_neon, [TARGET_NEON] = chain_neon,
#endif
};

double peak_flops(TargetId t) {
  static volatile float keep;
  double best = 0;
  if (t >= N_TARGETS || !chains[t]) return NAN;
  for (int i = 0; i < TRIES; i++) {
    double start = monotonic_seconds();
    keep = chains[t](0.5f, 1);
    double flops = 2.0 * CHAINS * ROUNDS * targets[t].lanes_f32 / (monotonic_seconds() - start);
    if (flops > best) best = flops;
  }
  (void)keep;
  return best;
}

double peak_bytes(void) {
  enum { BYTES = 64 << 20 };
  typedef uint64_t Lanes __attribute__((vector_size(32), aligned(8)));
  static volatile uint64_t keep;
  char *data = xmalloc(BYTES);
  double best = 0;
  memset(data, 1, BYTES);
  for (int i = 0; i < TRIES; i++) {
    const Lanes *at = (const Lanes *)data;
    Lanes sum[4] = {0};
    double start = monotonic_seconds();
    for (size_t k = 0; k < BYTES / sizeof *at; k += 4)
      for (int j = 0; j < 4; j++) sum[j] += at[k + (size_t)j];
    sum[0] += sum[1] + sum[2] + sum[3];
    keep = sum[0][0] + sum[0][1] + sum[0][2] + sum[0][3];
    double bytes = BYTES / (monotonic_seconds() - start);
    if (bytes > best) best = bytes;
  }
  (void)keep;
  free(data);
  return best;
}
