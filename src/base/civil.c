// civil.c: text → seconds since 1970 and back, by the calendar's rules alone: no locale, no time zone of the machine.
#include "civil.h"
#include <math.h>

const char *const time_part_names[N_TIME_PARTS] = {"second", "minute", "hour", "weekday", "day", "yearday", "month", "year"};
static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
enum { DAY = 86400, MIN_YEAR = 0, MAX_YEAR = 9999 };

// ---------------------------------------------------------------- the calendar
static bool is_leap(int64_t y) { return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0); }

static int days_in_month(int64_t y, int m) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days[m - 1] + (m == 2 && is_leap(y));
}

static int64_t days_before_year(int64_t y) {               // since January 1 of year 1
  enum { ROUND = 400, DAYS_OF_ROUND = 146097 };            // of years: so that y is not below 0 in divisions
  y += ROUND - 1;
  return y * 365 + y / 4 - y / 100 + y / 400 - DAYS_OF_ROUND;
}

static int64_t days_of(int64_t y, int m, int d) {           // since 1970
  int64_t n = days_before_year(y) - days_before_year(1970) + d - 1;
  for (int k = 1; k < m; k++) n += days_in_month(y, k);
  return n;
}

typedef struct { int64_t year, day; int month, mday, yday; double second; } Civil;     // day: since 1970; second: of the day

static Civil civil_of(double t) {
  Civil c = {.month = 1};
  c.day = (int64_t)floor(t / DAY);
  c.second = t - (double)c.day * DAY;
  int64_t since = c.day + days_before_year(1970);
  c.year = (int64_t)floor((double)since / 365.2425) + 1;
  while (days_before_year(c.year) > since) c.year--;
  while (days_before_year(c.year + 1) <= since) c.year++;
  int left = c.yday = (int)(since - days_before_year(c.year));
  while (left >= days_in_month(c.year, c.month)) left -= days_in_month(c.year, c.month++);
  c.mday = left + 1;
  return c;
}

static int weekday_of(int64_t day) { return (int)(((day + 3) % 7 + 7) % 7); }          // 1970-01-01 was a Thursday

double time_part(TimePart part, double t) {
  Civil c = civil_of(t);
  int64_t second = (int64_t)c.second;
  switch (part) {
  case PART_SECOND: return (double)(second % 60);
  case PART_MINUTE: return (double)(second / 60 % 60);
  case PART_HOUR: return (double)(second / 3600);
  case PART_WEEKDAY: return weekday_of(c.day);
  case PART_DAY: return c.mday;
  case PART_YEARDAY: return c.yday + 1;
  case PART_MONTH: return c.month;
  default: return (double)c.year;
  }
}

double time_position(TimePart part, double t) {
  Civil c = civil_of(t);
  double of_day = c.second / DAY;
  switch (part) {
  case PART_SECOND: return fmod(c.second, 60) / 60;
  case PART_MINUTE: return fmod(c.second, 3600) / 3600;
  case PART_HOUR: return of_day;
  case PART_WEEKDAY: return (weekday_of(c.day) + of_day) / 7;
  case PART_DAY: return (c.mday - 1 + of_day) / days_in_month(c.year, c.month);
  default: return (c.yday + of_day) / (365 + is_leap(c.year));
  }
}

// ---------------------------------------------------------------- reading
typedef struct {
  const char *s;
  int64_t year; int month, day, yday, hour, minute, second;              // yday 0: not given
  int half;                                                              // 1 am, 2 pm; 0: 24 hours
  double fraction;
  int64_t offset;                                                        // seconds east of UTC
  bool is_count; double count;                                           // %s
  bool strict;                                                           // two digits, as ISO has them
} Scan;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

// `least` to `most` digits.
static bool digits(Scan *k, int least, int most, int *v) {
  int n = 0;
  *v = 0;
  while (n < most && is_digit(k->s[n])) *v = *v * 10 + (k->s[n++] - '0');
  k->s += n;
  return n >= least;
}

static bool fraction(Scan *k) {
  double unit = 1, v = 0;
  int n = 0;
  for (; is_digit(k->s[n]); n++)
    if (n < 15) v = v * 10 + (k->s[n] - '0'), unit *= 10;
  k->s += n;
  k->fraction = v / unit;
  return n > 0;
}

static bool offset(Scan *k) {                                            // Z, +01, +0130, +01:30
  if (*k->s == 'Z' || *k->s == 'z') return k->s++, true;
  int sign = *k->s == '-' ? -1 : 1, h, m = 0;
  if (*k->s != '+' && *k->s != '-') return false;
  k->s++;
  if (!digits(k, 2, 2, &h)) return false;
  bool colon = *k->s == ':';
  if (colon) k->s++;
  if ((colon || is_digit(*k->s)) && !digits(k, 2, 2, &m)) return false;
  k->offset = sign * (h * 3600 + m * 60);
  return h <= 23 && m <= 59;
}

static bool count_of_seconds(Scan *k) {
  int64_t whole = 0;
  bool negative = *k->s == '-';
  int n = 0;
  if (*k->s == '-' || *k->s == '+') k->s++;
  for (; is_digit(k->s[n]) && n < 15; n++) whole = whole * 10 + (k->s[n] - '0');
  k->s += n;
  k->fraction = 0;
  if (n == 0 || (*k->s == '.' && (k->s++, !fraction(k)))) return false;
  k->is_count = true;
  k->count = (double)whole + k->fraction;
  if (negative) k->count = -k->count;
  return true;
}

static bool equal_letters(const char *s, const char *word, size_t n) {
  for (size_t i = 0; i < n; i++)
    if ((s[i] | 32) != (word[i] | 32)) return false;
  return true;
}

static bool month_name(Scan *k) {                                        // whole, or its first three letters
  for (int m = 0; m < 12; m++)
    for (int whole = 1; whole >= 0; whole--) {
      size_t n = whole ? strlen(months[m]) : 3;
      if (!equal_letters(k->s, months[m], n)) continue;
      k->s += n;
      k->month = m + 1;
      return true;
    }
  return false;
}

static bool half_of_day(Scan *k) {
  bool am = equal_letters(k->s, "am", 2);
  if (!am && !equal_letters(k->s, "pm", 2)) return false;
  k->s += 2;
  k->half = am ? 1 : 2;
  return true;
}

static bool short_year(Scan *k) {                                        // 69 … 99: 1969 … 1999, as POSIX has it
  int v;
  if (!digits(k, 2, 2, &v)) return false;
  k->year = v >= 69 ? 1900 + v : 2000 + v;
  return true;
}

static bool by_format(Scan *k, const char *format);

static bool item(Scan *k, char c) {
  int v, least = k->strict ? 2 : 1;
  switch (c) {
  case 'Y':
    if (!digits(k, 4, 4, &v)) return false;
    k->year = v;
    return true;
  case 'y': return short_year(k);
  case 'm': return digits(k, least, 2, &k->month);
  case 'b':
  case 'B': return month_name(k);
  case 'e':
  case 'd': return digits(k, least, 2, &k->day);
  case 'j': return digits(k, 1, 3, &k->yday) && k->yday > 0;
  case 'I':
  case 'H': return digits(k, least, 2, &k->hour);
  case 'M': return digits(k, least, 2, &k->minute);
  case 'S': return digits(k, least, 2, &k->second);
  case 'p': return half_of_day(k);
  case 'f': return fraction(k);
  case 'z': return offset(k);
  case 's': return count_of_seconds(k);
  case 'F': return by_format(k, "%Y-%m-%d");
  case 'T': return by_format(k, "%H:%M:%S");
  case 'R': return by_format(k, "%H:%M");
  case 'D': return by_format(k, "%m/%d/%y");
  default: return *k->s == '%' && k->s++;
  }
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static bool by_format(Scan *k, const char *format) {
  for (const char *f = format; *f; f++) {
    if (is_blank(*f)) {
      while (is_blank(*k->s)) k->s++;
    } else if (*f == '%') {
      if (!item(k, *++f)) return false;
    } else if (*k->s++ != *f) {
      return false;
    }
  }
  return true;
}

static bool by_iso(Scan *k) {
  const char *s = k->s;
  size_t n = strspn(s, "+-.0123456789");
  bool number = *s && !s[n] && !strchr(s + 1, '-');
  k->strict = true;
  if (number) {
    if (n == 8 || !count_of_seconds(k)) return false;                    // 8 digits could be a date as well
    if (fabs(k->count) >= 1e11) k->count /= 1000;
    return true;
  }
  if (!by_format(k, "%Y-%m-%d")) return false;
  if (!*k->s) return true;
  if (*k->s != 'T' && *k->s != 't' && *k->s != ' ') return false;
  k->s++;
  if (!by_format(k, "%H:%M")) return false;
  if (*k->s == ':' && (k->s++, !item(k, 'S'))) return false;
  if (*k->s == '.' && (k->s++, !fraction(k))) return false;
  if (*k->s == ' ') k->s++;
  return !*k->s || offset(k);
}

static bool is_possible(Scan *k) {
  if (k->year < MIN_YEAR || k->year > MAX_YEAR || k->minute > 59 || k->second > 59) return false;
  if (k->half && (k->hour < 1 || k->hour > 12)) return false;
  if (k->half) k->hour = k->hour % 12 + (k->half == 2 ? 12 : 0);
  if (k->hour > 23) return false;
  if (k->yday) return k->yday <= 365 + is_leap(k->year);
  return k->month >= 1 && k->month <= 12 && k->day >= 1 && k->day <= days_in_month(k->year, k->month);
}

bool parse_time(const char *s, const char *format, double *seconds) {
  Scan k = {.s = s, .year = 1970, .month = 1, .day = 1};
  if (!(format ? by_format(&k, format) : by_iso(&k)) || *k.s) return false;
  if (!k.is_count && !is_possible(&k)) return false;
  int64_t day = k.yday ? days_of(k.year, 1, 1) + k.yday - 1 : days_of(k.year, k.month, k.day);
  *seconds = (double)(day * DAY + k.hour * 3600 + k.minute * 60 + k.second - k.offset) + k.fraction;
  if (k.is_count) *seconds = k.count;
  return *seconds >= (double)days_of(MIN_YEAR, 1, 1) * DAY && *seconds < (double)days_of(MAX_YEAR + 1, 1, 1) * DAY;
}

const char *time_format_error(const char *format) {
  static const char known[] = "YymbBedjIHMSpfzsFTRD%";
  bool any = false;
  for (const char *f = format; *f; f++) {
    if (*f != '%') continue;
    if (!f[1] || !strchr(known, f[1])) return f;
    any |= *++f != '%';
  }
  return any ? NULL : format + strlen(format);
}

// ---------------------------------------------------------------- writing
static void print_item(Text *t, const Civil *c, double seconds, char what) {
  int64_t s = (int64_t)c->second;
  int h = (int)(s / 3600), fit = h % 12 ? h % 12 : 12;
  switch (what) {
  case 'Y': text_printf(t, "%04lld", (long long)c->year); return;
  case 'y': text_printf(t, "%02lld", (long long)c->year % 100); return;
  case 'm': text_printf(t, "%02d", c->month); return;
  case 'b': text_addn(t, months[c->month - 1], 3); return;
  case 'B': text_add(t, months[c->month - 1]); return;
  case 'e':
  case 'd': text_printf(t, "%02d", c->mday); return;
  case 'j': text_printf(t, "%03d", c->yday + 1); return;
  case 'H': text_printf(t, "%02d", h); return;
  case 'I': text_printf(t, "%02d", fit); return;
  case 'M': text_printf(t, "%02d", (int)(s / 60 % 60)); return;
  case 'S': text_printf(t, "%02d", (int)(s % 60)); return;
  case 'p': text_add(t, h < 12 ? "AM" : "PM"); return;
  case 'f': text_printf(t, "%06d", (int)((c->second - floor(c->second)) * 1e6)); return;
  case 'z': text_add(t, "+0000"); return;
  case 's': text_printf(t, "%lld", (long long)floor(seconds)); return;
  case 'F': print_time(t, seconds, "%Y-%m-%d"); return;
  case 'T': print_time(t, seconds, "%H:%M:%S"); return;
  case 'R': print_time(t, seconds, "%H:%M"); return;
  case 'D': print_time(t, seconds, "%m/%d/%y"); return;
  default: text_char(t, '%'); return;
  }
}

void print_time(Text *t, double seconds, const char *format) {
  Civil c = civil_of(seconds);
  for (const char *f = format ? format : "%F %T"; *f; f++) {
    if (*f == '%' && f[1]) print_item(t, &c, seconds, *++f);
    else text_char(t, *f);
  }
}
