// gemm.c: out[k, n] = Σ_r left[r, k] · right[r, n], the gradient of a matrix of weights, by OpenBLAS on one thread. Its bits
// depend on the version and the kernels of OpenBLAS and on the extents, not on the number of workers: items are of a fixed
// size. Where OpenBLAS is not open (the interpreter of graphs in tests): plain loops, r ascending, fma.
#include <limits.h>
#include <math.h>
#include "../host.h"
#include "blas.h"

static void by_loops(void *const *buf, const HostArgs *a, int64_t rows, int64_t lo, int64_t hi) {
  for (int64_t k = lo; k < hi; k++)
    for (int64_t j = 0; j < a->out.extent[1]; j++) {
      double sum = 0;
      for (int64_t r = 0; r < rows; r++)
        sum = fma(host_get(buf, &a->in[0], (int64_t[]){ r, k }), host_get(buf, &a->in[1], (int64_t[]){ r, j }), sum);
      host_put(buf, &a->out, (int64_t[]){ k, j }, sum);
    }
}

static bool is_small(int64_t n) { return n <= INT_MAX; }

static bool fits(const HostArgs *a, int64_t rows) {          // BLAS counts in ints, and wants stride 1 along the last axis
  const HostOperand *x = &a->in[0], *y = &a->in[1], *z = &a->out;
  bool dense = x->stride[1] == 1 && y->stride[1] == 1 && z->stride[1] == 1;
  bool same = x->dtype == z->dtype && y->dtype == z->dtype;
  return dense && same && is_small(rows) && is_small(x->stride[0]) && is_small(y->stride[0]) && is_small(z->stride[0]) &&
         x->stride[0] >= x->extent[1] && y->stride[0] >= y->extent[1] && z->stride[0] >= z->extent[1];
}

void host_gemm(void *const *buf, const HostArgs *a, int64_t n, int64_t lo, int64_t hi) {
  const HostOperand *x = &a->in[0], *y = &a->in[1], *z = &a->out;
  const Blas *b = blas_opened();
  int64_t rows = host_extent(x, 0, n);
  if (!b || rows == 0 || !fits(a, rows)) { by_loops(buf, a, rows, lo, hi); return; }
  int m = (int)(hi - lo), cols = (int)z->extent[1], k = (int)rows;
  int lda = (int)x->stride[0], ldb = (int)y->stride[0], ldc = (int)z->stride[0];
  int64_t from = x->offset + lo, to = z->offset + lo * z->stride[0];
  if (z->dtype == F32)
    b->sgemm(BLAS_ROW_MAJOR, BLAS_TRANS, BLAS_NO_TRANS, m, cols, k, 1, (const float *)buf[x->buffer] + from, lda,
             (const float *)buf[y->buffer] + y->offset, ldb, 0, (float *)buf[z->buffer] + to, ldc);
  else
    b->dgemm(BLAS_ROW_MAJOR, BLAS_TRANS, BLAS_NO_TRANS, m, cols, k, 1, (const double *)buf[x->buffer] + from, lda,
             (const double *)buf[y->buffer] + y->offset, ldb, 0, (double *)buf[z->buffer] + to, ldc);
}
