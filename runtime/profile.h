// profile.h: what a data file holds, before there is a spec: how it is written, and what each column looks like.
#ifndef MTLC_PROFILE_H
#define MTLC_PROFILE_H
#include "data.h"

// sniff.c: guesses delimiter, header row and blanks around fields from the first 256 KiB. name, file and na of `out` are left
// alone; a file without a header gets the names column_1 … column_n. false: the file cannot be read; error in d.
bool sniff(const char *path, Arena *a, DataSource *out, Diag *d);

typedef enum { SHAPE_EMPTY, SHAPE_CONSTANT, SHAPE_NUMBER, SHAPE_TEXT, SHAPE_TIME } Shape;
typedef struct { const char *value; int64_t count; } Frequency;
typedef struct {
  const char *name;
  Shape shape;
  int64_t missing, distinct;               // distinct: of what is not missing
  bool whole;                              // NUMBER: all are whole
  bool counts_rows;                        // NUMBER: every row's is the one before + 1
  double lo, hi, mean, skew;               // NUMBER; skew: third standardised moment (population), 0 where constant
  double words;                            // TEXT: mean number of words
  Frequency *value;                        // [distinct], the most frequent first, then by text
  int32_t *code;                           // [rows]: index in `value`; −1: missing
  double *number;                          // NUMBER: [distinct], parallel to `value`
} Profile;
typedef struct {
  Arena *arena;
  Table *table;
  int64_t rows; int n;
  Profile *column;                         // [n]
  const char **na; int n_na;               // spellings of a missing value that occur, "" first
} Profiles;

// profile.c: reads the file by `format` (its na are not used: they are guessed). A spelling counts as missing where it stands in
// a column that is all numbers otherwise, or where nobody would call a category so. NULL: errors in d.
Profiles *profile_read(const char *path, const DataSource *format, Diag *d);
void profile_free(Profiles *p);
#endif
