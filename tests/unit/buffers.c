// buffers.c: see buffers.h.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "buffers.h"

void put(Engine *e, int buffer, int64_t at, double v) {
  if (e->plan->buffers[buffer].dtype == F64) ((double *)e->buf[buffer])[at] = v;
  else ((float *)e->buf[buffer])[at] = (float)v;
}

void put_matrix(Engine *e, int buffer, const double *x, int64_t rows, int64_t cols) {
  int64_t ld = buffer < 0 ? 0 : e->plan->buffers[buffer].ld;
  for (int64_t k = 0; buffer >= 0 && k < rows * cols; k++) put(e, buffer, k / cols * ld + k % cols, x[k]);
}

int out_named(const StepPlan *p, const char *name) {
  for (int i = 0; i < p->n_buffers; i++)
    if (p->buffers[i].role == BUF_OUT && !strcmp(p->buffers[i].name, name)) return i;
  fail_msg("no output %s", name);
  return -1;
}
