// data_int.h: what the files of the data side share. A file becomes a Table of cells (csv.c), then Raw: typed columns
// (raw.c), split (split.c), with a learned preparation (prep.c), and last prepared rows (apply.c).
#ifndef MTLC_DATA_INT_H
#define MTLC_DATA_INT_H
#include "../data.h"

// ---- number.c
// The whole text is one finite number: digits, one dot, an exponent. Correctly rounded, whatever the locale.
bool parse_number(const char *s, double *v);
int  parse_truth(const char *s);                          // 1: 1, true, yes; 0: 0, false, no (any case); −1: neither
void print_number(Text *t, double v, int digits);         // as %.*g, with a dot whatever the locale

// ---- csv.c
char csv_delimiter(const char *path, const DataSource *format);

// ---- distinct.c: the distinct texts of a column, numbered as they appear
typedef struct {
  int32_t *code;               // [rows]: number of the row's text; −1: missing
  const char **value;          // [n]; borrowed
  int64_t n, cap;
  int32_t *slot;               // hash table of cap · 2 slots: number + 1
} Distinct;
void    distinct_init(Distinct *d, Arena *a, int64_t rows);
int32_t distinct_add(Distinct *d, const char *s);         // s lives as long as d
void    distinct_free(Distinct *d);

// ---- raw.c: the cells of a table as typed columns
typedef struct Raw Raw;
struct Raw {
  const DataPlan *plan;
  Table *table; Arena *arena;
  int *column;                 // plan column → table column, −1: absent
  int64_t n;
  int8_t *split;               // [n]: 0 train, 1 valid, 2 test, SPLIT_UNUSED, SPLIT_DROPPED
  double **dense;              // [dense_width][n]; NaN: missing
  Distinct *id;                // [n_ids]
  double **label;              // [n_labels][n], unscaled; NaN: a class that is a text
  uint8_t **known;             // [n_labels][n]
  Distinct *classes;           // [n_labels]: texts of a CLASS label
  Diag *diag;
  int64_t errors, shown;       // cells that are wrong; those that a report tells of
  int reports;                 // at most MAX_DATA_ERRORS
  bool mute;                   // errors are neither reported nor counted: the value is unknown
};
enum { SPLIT_UNUSED = -1, SPLIT_DROPPED = -2, MAX_DATA_ERRORS = 20 };
// What a file must hold. INPUTS: a label that is absent or wrong is unknown. LABELS: these too. ALL: the split's, too.
typedef enum { NEED_INPUTS, NEED_LABELS, NEED_ALL } RawNeed;
Raw *raw_read(const DataPlan *p, const char *path, RawNeed need, Diag *d);      // NULL: errors in d
void raw_label(Raw *r, int at);                           // fills label `at`; those that it reads are filled
void raw_free(Raw *r);
void raw_drop(Raw *r);         // rows that `missing = drop` takes out
bool raw_finish(Raw *r);       // counts the errors that were not reported; true: there was none

// ---- row_value.c: RowExpr over one row
typedef enum { VALUE_UNKNOWN, VALUE_NUMBER, VALUE_TEXT, VALUE_BOOL } ValueKind;
typedef struct { ValueKind kind; double number; const char *text; } Value;    // BOOL: number 0 or 1
Value row_value(Raw *r, int64_t row, const RowExpr *e);
const char *row_cell(const Raw *r, int64_t row, int column, bool *missing);   // text of a plan column
// An error of a cell (row from 0) that stands for `count` rows. true: it was reported, so a help may follow.
bool row_error(Raw *r, int64_t row, int64_t count, const char *code, const char *column, const char *fmt, ...)
  PRINTF_LIKE(6, 7);
const char *shown(Raw *r, const char *s);                 // a cell for a message, shortened
const char *label_column(const DataPlan *p, const DataLabel *l);
const char *input_column(const DataPlan *p, const DataInput *in, int k);      // of number k

// ---- split.c
void split_rows(Raw *r);       // by the plan's rule; FILES: all rows train, or a part valid

// ---- prep.c: learning
void prep_new(const DataPlan *p, PrepState *s, Arena *a); // room for all, zeroed
bool prep_learn(Raw *r, PrepState *s, Arena *a);          // from rows with split 0; false: errors
double clip_and_map(const Prep *p, double v);             // not finite: outside of the map's domain
int64_t vocabulary_find(const Vocabulary *v, const char *s);   // −1: not in it

// ---- apply.c
// Rows of one split, prepared. Class labels are numbered first (classes_apply), once a file.
void classes_apply(Raw *r, const PrepState *s);
void prep_apply(Raw *r, const PrepState *s, int split, Rows *out, DataSummary *sum, Arena *a);
#endif
