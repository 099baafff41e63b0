// digest.c: SHA-256 as text, by libmd.
#include <sha2.h>
#include "model_text.h"

void sha256_text(const void *data, size_t n, char out[SHA256_DIGITS + 1]) {
  _Static_assert(SHA256_DIGEST_STRING_LENGTH == SHA256_DIGITS + 1, "64 hex digits and a NUL");
  SHA256Data(data, n, out);
}

void sha256_lines(const char *text, size_t n, char out[SHA256_DIGITS + 1]) {
  Text t = {0};
  for (const char *end = text + n, *cr; (cr = memchr(text, '\r', (size_t)(end - text))) != NULL || text < end; text = cr ? cr + 1 : end) {
    text_addn(&t, text, (size_t)((cr ? cr : end) - text));
    if (cr && (cr + 1 == end || cr[1] != '\n')) text_char(&t, '\r');
  }
  sha256_text(t.data ? t.data : "", t.n, out);
  text_free(&t);
}
