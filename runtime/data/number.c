// number.c: text → double and back, without a locale; text → truth.
#define _GNU_SOURCE
#include <locale.h>
#include <math.h>
#include "data_int.h"

static locale_t c_locale;

__attribute__((constructor)) static void open_locale(void) { c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

static bool slow_number(const char *s, double *v) {
  for (const char *q = s; *q; q++)                         // no inf, nan, hexadecimal, blanks
    if (!strchr("0123456789+-.eE", *q)) return false;
  char *end;
  *v = c_locale ? strtod_l(s, &end, c_locale) : strtod(s, &end);
  return end != s && !*end && isfinite(*v);
}

// ---------------------------------------------------------------- digits, eight at a time
typedef struct { uint64_t value, other; } Eight;             // bytes: as values of digits; the top bit of those that are none

// Exact up to the first byte that is no digit, and up to the second where that is a dot.
static inline Eight load_digits(const char *s) {
  uint64_t x = load8(s) ^ 0x3030303030303030u;
  return (Eight){x, (x | (x + 0x7676767676767676u)) & 0x8080808080808080u};
}

static inline int first_of(uint64_t tops) { return tops ? __builtin_ctzll(tops) / 8 : 8; }

// Of the first n digits, 0 < n ≤ 8: three multiplications, of pairs, of fours, of eights (Lemire 2018, "Quickly parsing eight digits").
static inline uint64_t number_of(uint64_t digits, int n) {
  uint64_t x = digits << (64 - 8 * n);                       // zeros in front
  x = (x * (1 + (10 << 8)) >> 8) & 0x00ff00ff00ff00ffu;
  x = (x * (1 + (100 << 16)) >> 16) & 0x0000ffff0000ffffu;
  return x * (1 + ((uint64_t)10000 << 32)) >> 32;
}

// Adds the digits at s to *m; returns what is behind them.
static const char *add_digits(const char *s, uint64_t *m) {
  static const uint64_t ten[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
  for (int n = 8; n == 8; s += n) {
    Eight x = load_digits(s);
    n = first_of(x.other);
    if (n) *m = *m * ten[n] + number_of(x.value, n);
  }
  return s;
}

// ---------------------------------------------------------------- m · 10^e, rounded once
enum { MOST_DIGITS = 19, MOST_POWER = 27 };                  // 10^19 < 2^64, 5^27 < 2^63
static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static uint64_t fives[MOST_POWER + 1];

__attribute__((constructor)) static void make_fives(void) {
  fives[0] = 1;
  for (int i = 1; i <= MOST_POWER; i++) fives[i] = 5 * fives[i - 1];
}

static double power_of_two(int e) {
  uint64_t bits = (uint64_t)(1023 + e) << 52;
  double v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

// m > 0, |e| ≤ MOST_POWER. m and a power of ten up to 22 that are exact in double have a product or quotient that is rounded once (Clinger
// 1990, "How to read floating point numbers accurately"). Beyond, the same in whole numbers: the product with 5^e has less than 128 bits;
// the quotient by 5^-e has 62 bits or more, and one more below them tells whether something is left, so that rounding sees it.
static double scaled(uint64_t m, int e) {
  if (m <= (uint64_t)1 << 53 && e <= 0 && e >= -22) return (double)m / tens[-e];
  if (m <= (uint64_t)1 << 53 && e > 0 && e <= 22) return (double)m * tens[e];
  if (e >= 0) return (double)((unsigned __int128)m * fives[e]) * power_of_two(e);
  int a = __builtin_clzll(m), b = __builtin_clzll(fives[-e]);
  unsigned __int128 n = (unsigned __int128)(m << a) << 63;
  uint64_t divisor = fives[-e] << b, q = (uint64_t)(n / divisor);
  return (double)(q | ((unsigned __int128)q * divisor != n)) * power_of_two(e + b - a - 63);
}

// ---------------------------------------------------------------- the number
// The exponent behind `e`; false: none, or a large one.
static bool exponent(const char *s, int *e) {
  uint64_t v = 0;
  bool negative = *s == '-';
  const char *from = s + (negative || *s == '+'), *end = add_digits(from, &v);
  if (end == from || end - from > 4 || *end) return false;
  *e += negative ? -(int)v : (int)v;
  return true;
}

// Of any length, behind its sign. A function of its own: the short ones then need no room on the stack.
__attribute__((noinline)) static bool long_number(const char *s, double *v) {
  uint64_t m = 0;
  const char *p = add_digits(s, &m);
  int64_t whole = p - s, decimals = 0;
  if (*p == '.') {
    const char *from = p + 1;
    p = add_digits(from, &m);
    decimals = p - from;
  }
  if (!whole && !decimals) return false;
  if (whole + decimals - (*s == '0') > MOST_DIGITS) return slow_number(s, v);
  int e = -(int)decimals;
  if (*p && ((*p | 32) != 'e' || !exponent(p + 1, &e))) return slow_number(s, v);
  if (m && (e > MOST_POWER || e < -MOST_POWER)) return slow_number(s, v);
  *v = m ? scaled(m, e) : 0;
  return true;
}

// Digits, or digits around a dot, that fit into 8 bytes, as most do: the dot goes, and all become a number at once. false: there is more.
static inline bool short_number(const char *s, double *v) {
  Eight x = load_digits(s);
  int dot = first_of(x.other), end = dot, decimals = 0;
  if (dot < 8 && s[dot] == '.') {
    uint64_t before = ((uint64_t)1 << 8 * dot) - 1;
    x.value = (x.value & before) | (x.value >> 8 & ~before);
    end = first_of(x.other & (x.other - 1));
    decimals = end - dot - 1;
  }
  int digits = dot + decimals;
  if (s[end] || !digits) return false;
  *v = (double)(int64_t)number_of(x.value, digits) / tens[decimals];
  return true;
}

static inline double signed_by(bool negative, double v) {    // −0 is one, too
  uint64_t bits;
  memcpy(&bits, &v, sizeof bits);
  bits ^= (uint64_t)negative << 63;
  memcpy(&v, &bits, sizeof v);
  return v;
}

__attribute__((noinline)) static bool long_cell(const char *s, bool negative, double *v) {
  double x;
  if (!long_number(s, &x)) return false;
  *v = signed_by(negative, x);
  return true;
}

bool parse_cell(const char *s, double *v) {
  bool negative = *s == '-';
  double x;
  s += negative | (*s == '+');
  if (!short_number(s, &x)) return long_cell(s, negative, v);
  *v = signed_by(negative, x);
  return true;
}

bool parse_number(const char *s, double *v) {
  char room[32 + READ_AHEAD] = {0};
  size_t n = strnlen(s, 32);
  if (n == 32) return slow_number(s, v);
  memcpy(room, s, n);
  return parse_cell(room, v);
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
