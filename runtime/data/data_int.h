// data_int.h: what the files of the data side share.
#ifndef MTLC_DATA_INT_H
#define MTLC_DATA_INT_H
#include "../data.h"

// ---- number.c
bool parse_number(const char *s, double *v);              // the whole text is one finite number; no locale

// ---- row_value.c: RowExpr over one row
typedef enum { VALUE_UNKNOWN, VALUE_NUMBER, VALUE_TEXT, VALUE_BOOL } ValueKind;
typedef struct { ValueKind kind; double number; const char *text; } Value;    // BOOL: number 0 or 1
typedef struct {
  const DataPlan *plan;
  const Table *table;
  const int *column;                                      // plan column → table column, −1: absent
  int64_t row;                                            // from 0
  const double *label; const bool *label_known;           // of this row, for RX_LABEL
  Diag *diag;
  int *errors;                                            // data errors so far; at most MAX_DATA_ERRORS are reported
} RowContext;
enum { MAX_DATA_ERRORS = 20 };
Value row_value(const RowContext *c, const RowExpr *e);
const char *row_cell(const RowContext *c, int column, bool *missing);         // text of a plan column
void row_error(const RowContext *c, const char *code, const char *column, const char *fmt, ...) PRINTF_LIKE(4, 5);

// ---- raw.c: the cells of a table as typed columns
typedef struct {
  const DataPlan *plan;
  Table *table; Arena *arena;
  int *column;                                            // plan column → table column, −1: absent
  int64_t n;
  int8_t *split;                                          // [n] 0 train 1 valid 2 test −1 unused
  double **dense;                                         // [dense_width][n]; NaN: missing
  const char ***id;                                       // [n_ids][n]; NULL: missing
  double **label; uint8_t **known;                        // [n_labels][n], unscaled; class by text: see label_text
  const char ***label_text;                               // [n_labels]: NULL, or [n] texts of a class label
  Diag *diag; int errors;
} Raw;
// Reads and types a file. need_labels: absent label columns are errors. NULL: errors in d.
Raw *raw_read(const DataPlan *p, const char *path, bool need_labels, Diag *d);
void raw_free(Raw *r);
RowContext raw_context(Raw *r, int64_t row);
// ---- split.c
void split_rows(Raw *r);                                  // by the plan's rule; FILES: all rows train, or a part valid
// ---- prep.c
bool prep_learn(const DataPlan *p, Raw *r, PrepState *s, Arena *a, Diag *d);     // from rows with split 0
bool prep_apply(const DataPlan *p, const PrepState *s, Raw *r, int split, Rows *out, DataSummary *sum, Arena *a, Diag *d);
#endif
