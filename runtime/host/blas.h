// blas.h: OpenBLAS, opened when a step wants it: loading it costs milliseconds, and a program that needs none must not pay.
#ifndef MTLC_BLAS_H
#define MTLC_BLAS_H
#include "../../src/base/base.h"

// cblas.h's functions, with its enums as ints.
typedef struct {
  void (*sgemm)(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                float beta, float *c, int ldc);
  void (*dgemm)(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a, int lda, const double *b,
                int ldb, double beta, double *c, int ldc);
  char version[32], core[32];              // "0.3.21", "SkylakeX": the kernels that it chose
} Blas;
enum { BLAS_ROW_MAJOR = 101, BLAS_NO_TRANS = 111, BLAS_TRANS = 112 };

// Once per process, safe from any thread; sets it to one thread. core: the kernels to use ("Haswell") unless the environment
// has OPENBLAS_CORETYPE, for older versions do not know newer processors and fall back to slow kernels; NULL: OpenBLAS
// chooses. Who opens first decides. NULL: there is no OpenBLAS.
const Blas *blas_open(const char *core);
const Blas *blas_opened(void);             // NULL: not opened, or not there
#endif
