// number.c: text → double and back, without a locale; text → truth.
#define _GNU_SOURCE
#include <locale.h>
#include <math.h>
#include "data_int.h"

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static locale_t c_locale;

__attribute__((constructor)) static void open_locale(void) { c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

static bool slow_number(const char *s, double *v) {
  for (const char *q = s; *q; q++)                         // no inf, nan, hexadecimal, blanks
    if (!strchr("0123456789+-.eE", *q)) return false;
  char *end;
  *v = c_locale ? strtod_l(s, &end, c_locale) : strtod(s, &end);
  return end != s && !*end && isfinite(*v);
}

// Fast: up to 15 digits and a power of ten up to 22 are both exact in double, so their quotient is rounded once
// (Clinger 1990, "How to read floating point numbers accurately"). Everything else: strtod.
bool parse_number(const char *s, double *v) {
  const char *p = s;
  bool negative = *p == '-';
  if (*p == '-' || *p == '+') p++;
  uint64_t m = 0;
  int digits = 0, scale = 0;
  bool seen = false;
  for (; *p >= '0' && *p <= '9' && digits <= 15; p++) {
    m = m * 10 + (uint64_t)(*p - '0');
    digits += m > 0;
    seen = true;
  }
  if (*p == '.')
    for (p++; *p >= '0' && *p <= '9' && digits <= 15; p++) {
      m = m * 10 + (uint64_t)(*p - '0');
      digits += m > 0;
      if (++scale > 22) break;
      seen = true;
    }
  if (!seen) return false;
  if (*p || digits > 15 || scale > 22) return slow_number(s, v);
  *v = (double)m / powers[scale];
  if (negative) *v = -*v;
  return true;
}

void print_number(Text *t, double v, int digits) {
  locale_t old = c_locale ? uselocale(c_locale) : (locale_t)0;
  text_printf(t, "%.*g", digits, v);
  if (old) uselocale(old);
}

static bool equal_fold(const char *a, const char *b) {       // b in small letters
  for (; *a && *b; a++, b++)
    if ((*a >= 'A' && *a <= 'Z' ? *a + 32 : *a) != *b) return false;
  return *a == *b;
}

int parse_truth(const char *s) {
  double v;
  if ((*s == '0' || *s == '1') && !s[1]) return *s == '1';
  if (equal_fold(s, "true") || equal_fold(s, "yes")) return 1;
  if (equal_fold(s, "false") || equal_fold(s, "no")) return 0;
  return parse_number(s, &v) && (v == 0 || v == 1) ? v == 1 : -1;
}
