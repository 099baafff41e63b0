// expected.h: the message for a token that the grammar does not allow where it stands.
#ifndef MTLC_EXPECTED_H
#define MTLC_EXPECTED_H
#include "feed.h"

// expected: the names (as in parse.y) of all n tokens that could stand there. The token is the last that was handed out.
void report_unexpected(Feed *f, const char *const *expected, int n);
#endif
