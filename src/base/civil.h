// civil.h: points in time as text, and their parts: the proleptic Gregorian calendar in UTC, years 0 … 9999. A point is a
// number of seconds since 1970-01-01 00:00 UTC, leap seconds not counted; a double holds it to a microsecond.
#ifndef MTLC_CIVIL_H
#define MTLC_CIVIL_H
#include "base.h"

typedef enum {
  PART_SECOND, PART_MINUTE, PART_HOUR, PART_WEEKDAY, PART_DAY, PART_YEARDAY, PART_MONTH, PART_YEAR, N_TIME_PARTS
} TimePart;
extern const char *const time_part_names[N_TIME_PARTS];

// Reads all of s. format NULL: ISO 8601, `2026-11-24`, with `T` or a blank and `13:45`, `13:45:10`, `13:45:10.5`, then
// nothing (UTC), `Z` or `+01:00`; or a number that has not 8 digits: seconds since 1970,
// milliseconds from 10¹¹ on. Else, after strptime: %Y %m %d %H %M %S %y %b %B %e %j %I %p %z %f (a fraction) %s
// (seconds since 1970) %F %T %R %D %%; a blank stands for any blanks, the rest for itself. Names of months are English.
// false: s is none, or impossible (February 30, 24:00, second 60).
bool   parse_time(const char *s, const char *format, double *seconds);
const char *time_format_error(const char *format);                     // NULL: fine; else the %… that is unknown, or the end:
                                                                       // it reads nothing
void   print_time(Text *t, double seconds, const char *format);        // NULL: 2026-11-24 13:45:10
// Whole numbers: second, minute, hour from 0, weekday from 0 (Monday), day of the month, of the year and month from 1.
double time_part(TimePart part, double seconds);
// Where in its round, 0 … below 1: of MINUTE the hour, of HOUR the day, of WEEKDAY the week, of DAY the month, of YEARDAY and
// MONTH the year.
double time_position(TimePart part, double seconds);
#endif
