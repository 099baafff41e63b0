// data.h: files → raw table → learned preparation → prepared rows of each split.
#ifndef MTLC_DATA_H
#define MTLC_DATA_H
#include "plan.h"
#include "../src/base/diag.h"

// ---- csv.c: RFC 4180 and its relatives: quotes, embedded delimiters and newlines, CRLF, CR, BOM, gzip (by content), blank
// lines skipped, a last line without newline. Rows with a wrong number of fields are errors with row and line.
typedef struct {
  const char *path;
  int n_columns; const char **names;        // header, or plan's names
  int64_t first, n_rows;                    // rows first … first + n_rows − 1 of the file, from 0: all, or a block of them
  int width;                                // cells of a row: all n_columns, or those asked for
  char **cell;                              // [n_rows × width], NUL-terminated (and READ_AHEAD), trimmed if asked; quoted empty = empty
  int64_t *line;                            // line of the file on which a row starts
  char *text;                               // what the cells point into
  Arena *arena;                             // the names
} Table;
Table *csv_read(const char *path, const DataSource *format, Diag *d);     // all of a file; NULL: errors in d
void   table_free(Table *t);
char   csv_delimiter(const char *path, const DataSource *format);

// ---- row_digest.c: rows of a text file as they are written, of a database's table or query cell by cell; sum: in any order; order: of the
// same rows, their order. columns: of the header, where there is one. false: it cannot be read, or is no text of lines.
typedef struct { int64_t rows; uint64_t sum[2], order; VEC(const char *) columns; bool database; } RowDigest;
bool row_digest(const char *path, char delimiter, bool trim, bool header, RowDigest *d, Arena *a);

// ---- what the user sees of a preparation
typedef struct {
  int64_t rows[3], unused;                  // per split
  int64_t duplicates;
  int64_t dropped;                          // by missing = drop, or by absent = drop of a joined source
  struct { const char *source; int64_t absent, repeated, keyless, duplicates; } *source;   // [n_sources]: of the joined ones
  struct { const char *input; int64_t missing, clipped, cut, unknown[3]; int64_t vocabulary; } *input;   // [n_inputs]; cut: rows
                                            // whose list was longer than `max`; of a list, clipped and unknown count items
  struct { const char *label; int64_t unknown[3]; double mean[3]; } *label;                         // [n_labels]
  double seconds;
  bool cached;                              // the rows were prepared by an earlier run
} DataSummary;
typedef struct {
  Arena *arena;
  PrepState prep;
  Rows split[3];
  DataSummary summary;
  const char *path;                         // of the first source; may be NULL
  int64_t memory;                           // bytes that its rows may take
} Dataset;

// The file of each source of the plan, NULL where there is none; test: held-out rows of the first source, or NULL.
// memory: bytes that rows may take; 0: half of what the process may use. What does not fit lies in files in `folder` (made if need be);
// folder NULL: all stays in memory.
typedef struct { const char *const *source; const char *test; int64_t memory; const char *folder; } DataFiles;

// Reads the files (`test` when split is by files alone), splits, learns from the training rows, prepares all. NULL when d
// has errors: at most 20 data errors are reported, the rest counted; nothing is half-prepared.
Dataset *data_prepare(const DataPlan *p, const DataFiles *f, Diag *d);
// The same, but what an earlier run has learned is not learned again. input[i], label[i]: the number in that run's plan of what inputs[i],
// labels[i] is, declared alike; −1: learned from the training rows.
typedef struct { const DataPlan *plan; const PrepState *prep; const int *input, *label; } GivenPrep;
Dataset *data_prepare_given(const DataPlan *p, const GivenPrep *given, const DataFiles *f, Diag *d);
// New rows under a learned preparation (eval, predict), in split[2]. Without need_labels, a label whose column is absent, or
// whose value is missing or wrong, is unknown (w = 0), and a source that labels alone read needs no file.
Dataset *data_apply(const DataPlan *p, const PrepState *prep, const DataFiles *f, bool need_labels, Diag *d);
// The same file(s) as a run was trained on, split as then; used by resume and eval of a run's own splits.
Dataset *data_split_again(const DataPlan *p, const PrepState *prep, const DataFiles *f, Diag *d);
void     data_free(Dataset *s);
// So many bytes of rows were looked at: where they lie in a file, memory is given back from time to time.
void     rows_touch(const Rows *r, int64_t bytes);
// prep.json: exact (doubles as %.17g); readable by a person. Load checks against the plan.
bool prep_save(const DataPlan *p, const PrepState *s, Text *json);
bool prep_load(const DataPlan *p, PrepState *s, const char *json, size_t n, Arena *a, Diag *d);
// Lines of what was counted, an input or label each: of all rows, or (split ≥ 0) what is known of those of one part.
void summary_counts(const DataPlan *p, const DataSummary *s, int split, Text *out);
void summary_print(const DataPlan *p, const DataSummary *s, Text *out);

// ---- batch.c: rows in the order of a permutation → the IN buffers of a batch
typedef struct { uint64_t seed; int64_t n; } Shuffle;
// Fisher–Yates by a counter-based generator: the same bits anywhere.
void shuffle_epoch(uint64_t seed, int64_t epoch, int64_t n, int64_t *order);
// The IN buffers of a batch; dense, y and w of `dtype`; leading dimensions in elements.
typedef struct {
  DType dtype;
  int dense_width, n_ids, n_labels;
  void *dense; int64_t dense_ld;
  uint32_t *ids; int64_t ids_ld;
  void *y, *w; int64_t label_ld;
} BatchBuffers;
// Copies rows order[first + from … first + end−1] (order NULL: in place; else of all rows) to rows from … end−1 of the buffers. Parts of a
// batch may be filled by several threads; batch_filled once it is whole.
void batch_fill(const Rows *r, const int64_t *order, int64_t first, int64_t from, int64_t end, const BatchBuffers *to);
void batch_filled(const Rows *r, const int64_t *order, int64_t n, const BatchBuffers *b);

// ---- values.c: rows of values in memory → the dense and id buffers of a batch, prepared as the rows of files. A row is `numbers` numbers and
// `ids` ids; each input has its place among one of them:
//   real its number · vector its numbers · time seconds since 1970 · category by bucketize its number · list(real) its items: NaN is missing or,
//   of a list, the end; category, id one id · list of those, text its items' ids, VALUE_END behind them where they are fewer.
// A value is that of the input, as its `from` gives it.
#define VALUE_NO_ID UINT32_MAX              // a row that has it is refused
#define VALUE_END (UINT32_MAX - 1)
typedef struct { const char *name; bool is_id; int at, width; } ValueField;     // its place among the ids, or the numbers
typedef struct { const DataPlan *plan; const PrepState *prep; ValueField *field; int numbers, ids; struct ValuesPlan *how; } RowValues;
RowValues *values_new(const DataPlan *p, const PrepState *s, Arena *a);            // field [n_inputs]; p and s are borrowed
// The ids of a cell as a file would have it into ids [width]; NULL or "": missing. VALUE_NO_ID for what the spec calls an error. false: the cell is no
// list, or not in UTF-8.
bool    values_ids(const RowValues *v, int input, const char *cell, uint32_t *ids);
typedef struct { float *dense; int64_t dense_ld; uint32_t *ids; int64_t ids_ld; } BatchInputs;
typedef struct { char text[256]; } ValueError;
// numbers [n × v->numbers], ids [n × v->ids]. Returns n or, with an error, the row that is refused; those before it are there. Allocates nothing.
int64_t values_fill(const RowValues *v, int64_t n, const double *numbers, const uint32_t *ids, const BatchInputs *to, ValueError *error);

// ---- synth.c: rows that fit the plan, with a signal that the labels share. Header as the spec names it. A file appears
// whole or not at all.
// path "-": standard output. A plan of several sources: `path` is a folder, made if need be, and gets a file SOURCE.csv for
// each.
bool synth_write(const DataPlan *p, int64_t rows, uint64_t seed, const char *path, Diag *d);
#endif
