// reference.h: the files of numbers that other programs made (tests/parity/*.json), as the unit tests read them. What a file lacks fails the
// test.
#ifndef MTLC_TEST_REFERENCE_H
#define MTLC_TEST_REFERENCE_H
#include <jansson.h>
#include "src/base/base.h"

json_t *reference_file(const char *name);                              // tests/parity/NAME.json
json_t *field(const json_t *j, const char *key);
int64_t integer(const json_t *j, const char *key);
double *numbers(const json_t *text, int64_t n, Arena *a);              // n hex floats apart by blanks, no more and no fewer
int     row_named(const char *name, bool is_loss);                     // row of loss_rows or optim_rows
#endif
