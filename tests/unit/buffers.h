// buffers.h: numbers into and out of a compiled step, for the unit tests.
#ifndef MTLC_TEST_BUFFERS_H
#define MTLC_TEST_BUFFERS_H
#include "runtime/train.h"

void put(Engine *e, int buffer, int64_t at, double v);                 // element `at` of a buffer of F32 or F64
void put_matrix(Engine *e, int buffer, const double *x, int64_t rows, int64_t cols);   // buffer −1: an input that nothing reads
int  out_named(const StepPlan *p, const char *name);                   // the OUT buffer; none fails the test
#endif
