// diag_text.h: what was reported, as text, for the unit tests.
#ifndef MTLC_TEST_DIAG_TEXT_H
#define MTLC_TEST_DIAG_TEXT_H
#include "src/base/diag.h"

char *diag_text(const Diag *d, Arena *a);                              // all errors and warnings; "" where there are none
#endif
