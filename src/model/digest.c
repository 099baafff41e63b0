// digest.c: SHA-256 as text, by libmd.
#include <sha2.h>
#include "model_text.h"

void sha256_text(const void *data, size_t n, char out[SHA256_DIGITS + 1]) {
  _Static_assert(SHA256_DIGEST_STRING_LENGTH == SHA256_DIGITS + 1, "64 hex digits and a NUL");
  SHA256Data(data, n, out);
}
