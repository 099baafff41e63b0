// time.c: text → seconds since 1970-01-01 UTC, without locale or time zone of the machine.
#include <math.h>
#include "data_int.h"

// Days from 1970-01-01 of a date of the Gregorian calendar (Hinnant, "chrono-compatible low-level date algorithms").
static int64_t days_of(int64_t y, int m, int d) {
  y -= m <= 2;
  int64_t era = (y >= 0 ? y : y - 399) / 400, year = y - era * 400;
  int64_t day = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  return era * 146097 + year * 365 + year / 4 - year / 100 + day - 719468;
}

static int days_in(int y, int m) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  return m == 2 && leap ? 29 : days[m - 1];
}

// n digits at *s, from lo to hi; moves behind them.
static bool digits(const char **s, int n, int lo, int hi, int *v) {
  *v = 0;
  for (int i = 0; i < n; i++, (*s)++) {
    if (**s < '0' || **s > '9') return false;
    *v = *v * 10 + (**s - '0');
  }
  return *v >= lo && *v <= hi;
}

static bool after(const char **s, char c) { return **s == c && (*s)++; }

// 13:30, 13:30:15, 13:30:15.25
static bool clock_time(const char **s, double *seconds) {
  int h, m, sec = 0;
  if (!digits(s, 2, 0, 23, &h) || !after(s, ':') || !digits(s, 2, 0, 59, &m)) return false;
  if (after(s, ':') && !digits(s, 2, 0, 60, &sec)) return false;
  *seconds += h * 3600 + m * 60 + sec;
  if (!after(s, '.')) return true;
  double unit = 0.1;
  if (**s < '0' || **s > '9') return false;
  for (; **s >= '0' && **s <= '9'; (*s)++, unit /= 10) *seconds += (**s - '0') * unit;
  return true;
}

// Z, +02:00, -0530, +02; none: UTC
static bool zone(const char **s, double *seconds) {
  int h, m = 0;
  if (!**s || after(s, 'Z')) return true;
  int sign = **s == '-' ? -1 : 1;
  if (!after(s, '+') && !after(s, '-')) return false;
  if (!digits(s, 2, 0, 15, &h)) return false;
  if (after(s, ':') || **s) {
    if (!digits(s, 2, 0, 59, &m)) return false;
  }
  *seconds -= sign * (h * 3600 + m * 60);
  return true;
}

static bool date_time(const char *s, double *seconds) {
  int y, m, d;
  if (!digits(&s, 4, 0, 9999, &y) || !after(&s, '-') || !digits(&s, 2, 1, 12, &m) || !after(&s, '-')) return false;
  if (!digits(&s, 2, 1, days_in(y, m), &d)) return false;
  *seconds = (double)days_of(y, m, d) * 86400;
  if (!*s) return true;
  if (!after(&s, 'T') && !after(&s, ' ')) return false;
  return clock_time(&s, seconds) && zone(&s, seconds) && !*s;
}

bool parse_time(const char *s, double *seconds) {
  if (date_time(s, seconds)) return true;
  if (!parse_number(s, seconds)) return false;
  if (fabs(*seconds) >= 1e11) *seconds /= 1000;
  return true;
}
