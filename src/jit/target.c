// target.c: the kernels' instruction sets, and which of them this CPU runs. No LLVM here.
#include "jit.h"
#include "../base/diag.h"

// Portable: what every processor of the machine's kind runs.
const Target targets[N_TARGETS] = {
  // name       triple                       cpu          features lanes mr nv wide_mr
#if defined(__aarch64__)
  { "portable", "aarch64-unknown-linux-gnu", "generic",   "",       4,   4, 2, 0 },
#else
  { "portable", "x86_64-unknown-linux-gnu",  "x86-64",    "",       4,   4, 2, 0 },
#endif
  { "avx2",     "x86_64-unknown-linux-gnu",  "x86-64-v3", "",       8,   6, 2, 0 },
  { "avx512",   "x86_64-unknown-linux-gnu",  "x86-64-v4", "",      16,   8, 2, 6 },
  { "neon",     "aarch64-unknown-linux-gnu", "generic",   "+neon",  4,   8, 2, 0 },
};

bool target_usable(TargetId t) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  switch (t) {
  case TARGET_PORTABLE: return true;
  case TARGET_AVX2: return v3;
  case TARGET_AVX512:
    return v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd");
  default: return false;
  }
#elif defined(__aarch64__)
  return t == TARGET_PORTABLE || t == TARGET_NEON;
#else
  (void)t;
  return false;
#endif
}

TargetId target_detect(void) {
  static const TargetId best_first[] = { TARGET_AVX512, TARGET_AVX2, TARGET_NEON, TARGET_PORTABLE };
  const char *forced = getenv("MTLC_TARGET");
  for (int i = 0; i < COUNT_OF(best_first); i++) {
    TargetId t = best_first[i];
    if (forced && *forced && strcmp(forced, targets[t].name)) continue;
    if (target_usable(t)) return t;
  }
  return forced && *forced ? N_TARGETS : TARGET_PORTABLE;      // N_TARGETS: a name that this machine does not run
}
