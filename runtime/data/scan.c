// scan.c: where a text has delimiters, line ends and quotes: a bit a byte, 64 bytes at a time; by AVX2 where the processor has it.
#include "data_int.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

typedef void Scan(const char *s, size_t n, char delimiter, uint64_t *mark);

// ---------------------------------------------------------------- in plain C
// The top bit of each byte of x that is zero: no carry leaves a byte.
static uint64_t zeros(uint64_t x) {
  const uint64_t low = 0x7f7f7f7f7f7f7f7fu;
  return ~(((x & low) + low) | x | low);
}

void scan_plain(const char *s, size_t n, char delimiter, uint64_t *mark) {
  const uint64_t ones = 0x0101010101010101u;
  const uint64_t d = ones * (unsigned char)delimiter, line_end = ones * '\n', quote = ones * '"';
  memset(mark, 0, sizeof *mark * ((n + 63) / 64));
  for (size_t i = 0; i < n; i += 8) {
    uint64_t x = load8(s + i), found = zeros(x ^ d) | zeros(x ^ line_end) | zeros(x ^ quote);
    mark[i / 64] |= ((found >> 7) * 0x0102040810204080u >> 56) << i % 64;      // the lowest bits of the bytes, side by side
  }
}

// ---------------------------------------------------------------- by AVX2
#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t marks_of_32(__m256i x, __m256i d, __m256i line_end, __m256i quote) {
  __m256i found = _mm256_or_si256(_mm256_cmpeq_epi8(x, d), _mm256_cmpeq_epi8(x, line_end));
  return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(found, _mm256_cmpeq_epi8(x, quote)));
}

__attribute__((target("avx2"))) static void scan_avx2(const char *s, size_t n, char delimiter, uint64_t *mark) {
  const __m256i d = _mm256_set1_epi8(delimiter), line_end = _mm256_set1_epi8('\n'), quote = _mm256_set1_epi8('"');
  for (size_t i = 0; i < n; i += 64) {
    __m256i low = _mm256_loadu_si256((const __m256i *)(s + i)), high = _mm256_loadu_si256((const __m256i *)(s + i + 32));
    mark[i / 64] = marks_of_32(low, d, line_end, quote) | marks_of_32(high, d, line_end, quote) << 32;
  }
}
#endif

// ---------------------------------------------------------------- the choice
static Scan *scan = scan_plain;

#if defined(__x86_64__)
__attribute__((constructor)) static void choose(void) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) scan = scan_avx2;
}
#endif

void scan_marks(const char *s, size_t n, char delimiter, uint64_t *mark) { scan(s, n, delimiter, mark); }
