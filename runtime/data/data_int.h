// data_int.h: what the files of the data side share. A file becomes blocks of cells (reader.c, csv.c), then Raw: typed
// columns (raw.c, join.c), split (split.c), with a learned preparation (prep.c), and last prepared rows (apply.c).
#ifndef MTLC_DATA_INT_H
#define MTLC_DATA_INT_H
#include "../data.h"
#include "../scratch.h"

// 8 bytes as a number, the first the lowest.
static inline uint64_t load8(const char *s) {
  uint64_t x;
  memcpy(&x, s, sizeof x);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  x = __builtin_bswap64(x);
#endif
  return x;
}

// ---- scan.c
// Which of n bytes are `delimiter`, a line end or a quote: bit i % 64 of mark[i / 64]. s is read, and mark set, up to a multiple of 64.
void scan_marks(const char *s, size_t n, char delimiter, uint64_t *mark);
void scan_plain(const char *s, size_t n, char delimiter, uint64_t *mark);   // the same on any processor; for tests

// ---- number.c
// The whole text is one finite number: digits, one dot, an exponent. Correctly rounded, whatever the locale.
bool parse_number(const char *s, double *v);
bool parse_cell(const char *s, double *v);                // the same of a cell, behind which READ_AHEAD bytes may be read
int  parse_truth(const char *s);                          // 1: 1, true, yes; 0: 0, false, no (any case); −1: neither
void print_number(Text *t, double v, int digits);         // as %.*g, with a dot whatever the locale

// ---- reader.c: a file as blocks of rows, in one pass. What kind of file it is tells its content.
typedef struct Reader Reader;
struct Reader {
  Table table;                 // the block at hand; its cells go with the next
  const int *want; int n_want; // columns of the file whose cells are kept, in this order; NULL: all
  int64_t rows;                // rows of a block at most; 0: all of the file in one block
  double share;                // of the file, that was read so far; 0: unknown
  bool (*next)(Reader *);      // false: no more rows, or `failed`
  void (*close)(Reader *);     // frees the reader, and the table's parts
  bool failed;                 // errors are in diag
  Diag *diag;
};
// rows: of a block at most; 0: all. The names are there, `want` may be set; NULL: errors in d.
Reader *reader_open(const char *path, const DataSource *format, int64_t rows, Diag *d);
const char *reader_file(const char *path, Arena *a);      // of `shop.db:events` the file
bool    reader_is_database(const char *path);             // `shop.db:events`, or the file itself
Reader *sqlite_open(const char *path, const char *what, const DataSource *format, int64_t rows, Diag *d);   // what: sqlite.c
Reader *csv_open(const char *path, const DataSource *format, int64_t rows, Diag *d);
Table  *reader_table(Reader *r);                          // all rows; closes r. NULL: errors in diag

// ---- distinct.c: the distinct texts of a column, numbered as they appear
enum { RECENT = 256, RECENT_WORDS = 3 };                     // slots; a text of up to 23 bytes is compared as words
typedef struct { uint64_t word[RECENT_WORDS]; int64_t number; } Recent;      // the text, zeros behind it; number + 1, 0: none
typedef struct {
  int32_t *code;               // [rows]: number of the row's text; −1: missing
  const char **value;          // [n]; borrowed, or of the arena
  uint64_t *key;               // [n]: by which a text is found
  int64_t n, cap;
  int32_t *slot;               // hash table of cap · 2 slots: number + 1
  Recent *recent;              // [RECENT]: of texts of cells that were there lately, in a core's nearest cache
  Arena *copies;               // new texts are copied to it; NULL: they live as long as this
} Distinct;
void    distinct_init(Distinct *d, Arena *a, int64_t rows);
int32_t distinct_add(Distinct *d, const char *s);
int32_t distinct_add_cell(Distinct *d, const char *s);     // where READ_AHEAD bytes may be read behind s
int32_t distinct_find(const Distinct *d, const char *s);  // −1: not there
void    distinct_free(Distinct *d);

// ---- store.c: columns that grow together: in memory, beyond a limit in a file
typedef struct { int64_t at; size_t bytes; } Extent;
typedef struct {
  void **data; size_t item;    // *data: where it is now
  VEC(Extent) extents;         // on disk: its parts of the file
  size_t mapped;
} StoreColumn;
typedef struct {
  Arena *arena;
  const char *folder;          // of such files; NULL: there is none, all stays in memory
  int64_t limit;               // bytes of memory
  int64_t cap, row_bytes;      // rows that have room; bytes of a row in all columns
  VEC(StoreColumn) columns;
  int fd; int64_t end;         // −1: in memory; its length
  int64_t touched;             // bytes since the last release
  bool failed;
  Diag *diag;
} Store;
void store_open(Store *s, Arena *a, const char *folder, int64_t limit, Diag *d);
void store_add(Store *s, void *data, size_t item);        // data: address of the pointer that store_reserve sets
bool store_reserve(Store *s, int64_t rows, int64_t likely);   // likely: how many it may be in the end, 0: unknown; false: error in diag
void store_touch(Store *s, int64_t bytes);                // this much of a column was read or written
void store_release(Store *s);                             // what is in the file need not stay in memory
void store_close(Store *s);

// ---- rows.c
// Room for n rows: in arena memory or, where `folder` is not NULL, in a file, whose pages are given back when half of `limit`
// was looked at. The kernel maps more around each access, so more may be resident, which it takes back when it must. false:
// error in d.
bool rows_open(const DataPlan *p, int64_t n, const char *folder, int64_t limit, Rows *out, Arena *a, Diag *d);
int64_t rows_bytes(const DataPlan *p, int64_t n);
bool rows_map(const DataPlan *p, int64_t n, const char *path, int64_t limit, Rows *out, Arena *a);   // false: not of n rows
bool rows_keep(const DataPlan *p, Rows *r, const char *folder, const char *path, Arena *a);          // its file gets a name
void rows_clear(const DataPlan *p, Rows *r);               // of memory: all zero, as they were
void rows_write(const DataPlan *p, const Rows *r, int64_t at, const Rows *piece, int64_t n);   // n of the piece, which lies in memory, into a file's, at row `at`
void rows_close(Rows *r);

// ---- row_cache.c
// given: PrepState.given of the rows that are wanted. false: they are not there.
bool row_cache_load(const DataPlan *p, const PrepState *prep, uint64_t given, const DataFiles *f, Dataset *s);
void row_cache_save(const DataPlan *p, const DataFiles *f, Dataset *s);    // where the rows lie in files

// ---- list.c: cells of several items
enum { ITEMS_MISSING = 1, ITEMS_CUT = 2 };
typedef struct {
  int64_t *end;                // [rows]: index behind the row's last item; its first is behind the row before
  uint8_t *flag;               // [rows]: ITEMS_…
  int32_t *code; double *value;   // of all items, one after the other: as text_code, REAL values
  int64_t n;
  Store items;                 // of code or value
} ItemList;
static inline int64_t items_from(const ItemList *l, int64_t row) { return row ? l->end[row - 1] : 0; }

// ---- dedupe.c: which rows were there before, by digests of 128 bits
typedef struct { uint64_t (*slot)[2]; size_t n, cap; } RowSet;
typedef struct Raw Raw;
// Marks the rows of the block that are like one before; of a joined source's table, one row: is it?
void dedupe_block(Raw *r);
bool is_duplicate(const Raw *r, int source, const Table *t, int64_t at, RowSet *seen);

// ---- raw.c: the rows of the first source, with what is joined to them, as typed columns. They are read in blocks: cells
// are there for the rows of the block at hand alone.
typedef struct LabelCheck LabelCheck;
typedef struct Joined Joined;
typedef struct { int64_t row, line; } RowLine;
struct Raw {
  const DataPlan *plan;
  Store store;                 // of all that has an item a row
  Reader *reader; Arena *arena;
  Table *table;                // of the reader: the block at hand of the first source
  int *column;                 // plan column → column of its source's table, −1: absent
  bool *needed;                // [n_columns]
  Joined *joined;              // [n_sources]: of each but the first. NULL: all cells stand in `table`
  int64_t from, n;             // rows from … n−1 are the block's
  int8_t *split;               // [n]: 0 train, 1 valid, 2 test, SPLIT_UNUSED, SPLIT_DROPPED
  uint8_t *gone;               // [n]: taken out before its cells are looked at
  double *time;                // [n]: SPLIT_TIME alone
  int32_t *group; Distinct groups;   // [n]: number of the row's group, −1: a group of its own; a split by groups alone
  double *weight;              // [n]; NULL: the plan has none
  uint64_t **group_key;        // [n_groups][n]: Rows.group
  RowSet rows;                 // those that were there, of a source with `dedupe`
  double **dense;              // [dense_width][n]; NaN: missing
  Distinct *id;                // [n_ids], at the inputs' id_at; of a list: code unused
  ItemList *list;              // [n_inputs]; LIST alone
  double **number;             // [n_inputs][n]: of a TIME, or a CATEGORY by bucketize; NaN: missing
  double **label;              // [n_labels][n], unscaled; NaN: a class that is a text. NULL: of a BINARY one, which stands in `known`
  uint8_t **known;             // [n_labels][n]: LABEL_KNOWN, and LABEL_TRUE of a BINARY one
  Distinct *classes;           // [n_labels]: texts of a CLASS label
  double *room;                // [n + 1]: for the values of a column, while it is learned
  LabelCheck *check;           // [n_labels]: values that do not fit, so far
  VEC(RowLine) lines;          // from this row on line − row is the same, up to the next
  struct { uint64_t *slot; size_t n, cap; } told;          // cells of joined sources that have an error
  Diag *diag;
  int64_t errors, shown;       // cells that are wrong; those that a report tells of
  int64_t faults;              // each time that a wrong cell was read: one of a joined source is read by many rows
  int reports;                 // at most MAX_DATA_ERRORS
  bool failed;                 // errors that are not counted here
  bool mute;                   // errors are neither reported nor counted: the value is unknown
};
enum { SPLIT_UNUSED = -1, SPLIT_DROPPED = -2, SPLIT_DUPLICATE = -3, MAX_DATA_ERRORS = 20 };
enum { GONE_ABSENT = 1, GONE_DUPLICATE };      // Raw.gone
enum { LABEL_KNOWN = 1, LABEL_TRUE = 2 };      // Raw.known
static inline void set_label(Raw *r, int at, int64_t row, bool known, double x) {        // x: 0 or 1 of a BINARY one
  bool binary = !r->label[at];
  r->known[at][row] = (uint8_t)(known * LABEL_KNOWN + (known && binary && x != 0) * LABEL_TRUE);
  if (!binary) r->label[at][row] = known ? x : 0;
}
// What a file must hold. INPUTS: a label that is absent or wrong is unknown. LABELS: these too. ALL: the split's, too.
typedef enum { NEED_INPUTS, NEED_LABELS, NEED_ALL } RawNeed;
Raw *raw_read(const DataPlan *p, const DataFiles *f, RawNeed need, Diag *d);   // NULL: errors in d
void read_inputs(Raw *r);                                 // read_inputs.c: of the block
// What the plan reads of a source's file: sets Raw.column and Reader.want. A needed column that is missing is an error.
void raw_columns(Raw *r, int source, Reader *f);
void raw_label(Raw *r, int at);                           // fills label `at` in the block; those that it reads are filled
LabelCheck *raw_checks(const DataPlan *p, Arena *a);      // for Raw.check: none seen yet
void raw_free(Raw *r);
void raw_drop(Raw *r);         // rows that `missing = drop` takes out
bool raw_finish(Raw *r);       // counts the errors that were not reported; true: there was none

// ---- join.c: sources that are joined to the rows of the first
typedef struct { int64_t row, count; } LostKey;           // the first row with it; how many there are
struct Joined {
  Table *table;                // all of it, in memory; NULL: nothing of it is needed
  Distinct keys;               // of one text a row: the key's cells
  int32_t *row_of;             // [keys.n]: row of the table
  int32_t *match;              // [n]: its row for a row of the first source; −1: none
  int64_t absent, repeated, keyless, duplicates;
  Distinct lost;               // keys that it does not have, as messages show them, where that is an error
  VEC(LostKey) lost_rows;      // parallel to lost.value
};
void join_open(Raw *r, const char *const *files);         // reads the sources that are needed; errors are counted in r
void join_rows(Raw *r);        // finds the rows of the block; sets `gone`
void join_report(Raw *r);      // the keys that were not found, where that is an error
void join_free(Raw *r);
typedef struct { Text text; size_t *end; int64_t n, cap; } CellItems;   // of a cell, each NUL-terminated
void items_start(CellItems *w);                           // none
void items_finish(CellItems *w);                          // what was added to w->text is an item
void items_free(CellItems *w);
static inline const char *items_at(const CellItems *w, int64_t i) { return w->text.data + (i ? w->end[i - 1] : 0); }
bool split_tokens(CellItems *w, const char *s, TokenKind kind, int ngrams);   // tokens.c; false: s is not in UTF-8
typedef enum { CELL_FINE, CELL_NOT_UTF8, CELL_NO_LIST } CellFit;
CellFit cell_items(const DataInput *in, const char *s, CellItems *w);        // of a LIST
int64_t kept_items(const DataInput *in, const CellItems *w, int64_t *from);  // how many, and the first
void read_list(Raw *r, int input);

// What stands for a text of a category or id: the bucket of an id, else its number among the distinct texts.
int32_t  text_code(Raw *r, const DataInput *in, const char *s);
uint32_t bucket_of(const DataInput *in, const char *s);

// ---- row_value.c: RowExpr over one row
typedef enum { VALUE_UNKNOWN, VALUE_NUMBER, VALUE_TEXT, VALUE_BOOL } ValueKind;
typedef struct { ValueKind kind; double number; const char *text; } Value;    // BOOL: number 0 or 1
Value row_value(Raw *r, int64_t row, const RowExpr *e);
const char *row_cell(const Raw *r, int64_t row, int column, bool *missing);   // text of a plan column
// The same for many rows: the cells of a plan column, where those of the rows' table are, or of what is joined to it.
typedef struct {
  char *const *cell; int64_t width, first;   // of the table; cell NULL: no file has the column
  const int32_t *match;        // [n]: row of the joined table; NULL: the rows' own
  const DataSource *source;
} Cells;
Cells cells_of(const Raw *r, int column);
static inline bool is_missing(const DataSource *f, const char *s) {      // an empty cell is, whatever `na` lists
  bool missing = !*s;
  for (int i = 0; i < f->n_na && !missing; i++) missing = *f->na[i] == *s && !strcmp(s, f->na[i]);
  return missing;
}
static inline const char *cell_text(const Cells *c, int64_t row) {       // NULL: none is there
  int64_t k = c->match ? c->match[row] : row - c->first;
  return c->cell && k >= 0 ? c->cell[k * c->width] : NULL;
}
static inline const char *cell_at(const Cells *c, int64_t row) {         // NULL: missing
  const char *s = cell_text(c, row);
  return s && !is_missing(c->source, s) ? s : NULL;
}
// The value of an expression in one row after the other, of several rows at once where that meets no error: so errors come row by row.
enum { VALUE_ROWS = 64 };
typedef struct { uint8_t kind[VALUE_ROWS]; double number[VALUE_ROWS]; const char *text[VALUE_ROWS]; } ValueBlock;   // text: of VALUE_TEXT alone
typedef struct { const RowExpr *e; int64_t from, to; bool clean; ValueBlock value; } Ahead;   // from, to: 0
static inline Value value_of(const ValueBlock *v, int64_t i) {
  return (Value){(ValueKind)v->kind[i], v->number[i], v->kind[i] == VALUE_TEXT ? v->text[i] : NULL};
}
bool look_ahead(Raw *r, Ahead *a, int64_t row);          // rows from … to − 1 from this one on. false: not `clean`, some have an error
static inline Value value_ahead(Raw *r, Ahead *a, int64_t row) {
  if (row < a->from || row >= a->to) look_ahead(r, a, row);
  return a->clean ? value_of(&a->value, row - a->from) : row_value(r, row, a->e);
}
// An error of a row (from 0) of the first source that stands for `count` rows. true: it was reported, so a help may follow.
bool row_error(Raw *r, int64_t row, int64_t count, const char *code, const char *column, const char *fmt, ...)
  PRINTF_LIKE(6, 7);
// An error of the cell of a plan column: in a joined source it has that one's file and row, and is told once. column −1: a
// row_error of `name`.
bool cell_error(Raw *r, int64_t row, int64_t count, const char *code, int column, const char *name, const char *fmt, ...)
  PRINTF_LIKE(7, 8);
void time_error(Raw *r, int64_t row, int column, const char *s, const char *format);   // NULL: ISO 8601
int expr_column(const RowExpr *e);                        // the plan column that it is; −1: more than a column
int input_cell(const DataInput *in, int k);               // of number k; −1: an expression
int64_t row_line(const Raw *r, int64_t row);              // line of the file on which a row of the first source starts
const char *shown(Raw *r, const char *s);                 // a cell for a message, shortened
const char *label_column(const DataPlan *p, const DataLabel *l);
const char *input_column(const DataPlan *p, const DataInput *in, int k);      // of number k

// ---- split.c
void split_block(Raw *r);      // what the cells decide: by rule or column, for the rows of the block
void split_all(Raw *r, int split);   // all rows into one
void split_rows(Raw *r);       // by the plan's rule; FILES: all rows train, or a part valid

// ---- statistics.c
int    by_value(const void *a, const void *b);            // doubles ascending, for qsort
double quantile(const double *sorted, int64_t n, double p);   // n > 0; linear between neighbours: numpy's default
// Limits of `clip`, from n > 0 values that may be sorted; false: they are not in order.
bool   learn_limits(const Prep *p, double *v, int64_t n, Affine *f);
void   learn_bounds(const Prep *p, double *v, int64_t n, Affine *f, Arena *a);   // of `bucketize`; may sort v
// A constant column has no scale: it becomes 0 (factor 1), and *constant is set. n > 0; v may be sorted.
void   learn_scale(ScaleKind kind, double *v, int64_t n, Affine *f, bool *constant);

// ---- vocabulary_file.c: ValueBlock of `vocab`: the spec's, or one a line of a file. Sorted, in a; false: an error was given.
bool   given_vocabulary(const DataInput *in, const char ***values, int64_t *n, Arena *a, Diag *d);
bool   vocabulary_text(const DataInput *in, char *text, size_t bytes, const char ***values, int64_t *n, Arena *a,
                       Diag *d);                               // the same, the file (NULL: none) being read already
bool   valid_utf8(const char *s);

// ---- prep.c: learning
void prep_new(const DataPlan *p, PrepState *s, Arena *a); // room for all, zeroed
bool prep_learn(Raw *r, const GivenPrep *given, PrepState *s, Arena *a);   // from rows with split 0, what is not given (NULL: all); false: errors
double clip_and_map(const Prep *p, const Affine *f, double v);   // by f's lo, hi, bounds. Not finite: outside of the domain
// (map(clip(v)) − shift) · factor; what is not FINE is 0 in *out. *large: the result that is too large.
typedef enum { NUMBER_FINE, NUMBER_OUTSIDE, NUMBER_LARGE } NumberFit;
NumberFit prepared_number(const Prep *p, const Affine *f, double v, float *out, double *large);
const char *map_name(const Prep *p);                             // "square root": of a map that not all numbers have
static inline bool refuses_missing(const Prep *p) { return p->missing == MISSING_ERROR || p->missing == MISSING_DROP; }
static inline InputKind item_kind(const DataInput *in) { return in->kind == INPUT_LIST ? in->item : in->kind; }
// The vocabulary of a CATEGORY, or of a LIST of such: its own, or that of the input that it is like.
static inline const Vocabulary *vocabulary_of(const DataPlan *p, const PrepState *s, const DataInput *in) {
  return &s->vocab[in->like ? p->inputs[in->like - 1].id_at : in->id_at];
}
static inline bool is_bucketized(const DataInput *in) { return in->kind == INPUT_CATEGORY && in->prep.map == MAP_BUCKETIZE; }
static inline bool has_number(const DataInput *in) { return in->kind == INPUT_TIME || is_bucketized(in); }   // in Raw.number
int64_t vocabulary_find(const Vocabulary *v, const char *s);   // −1: not in it

// ---- given.c: what an earlier run learned
bool     given_input(const GivenPrep *g, const DataPlan *p, int at, PrepState *s);   // false: it is to be learned
bool     given_label(const GivenPrep *g, int at, PrepState *s);
uint64_t given_digest(const GivenPrep *g);                                  // never 0

// ---- apply.c
// Rows of one split, prepared; false: no room for them. Class labels are numbered first (classes_apply), once a file.
void classes_apply(Raw *r, const PrepState *s);
bool prep_apply(Raw *r, const PrepState *s, int split, Rows *out, DataSummary *sum, Arena *a);
uint32_t mode_id(const Vocabulary *v);                     // of the most frequent value; the first of several
uint32_t id_of(const DataInput *in, const Vocabulary *v, const char *s);
uint32_t bucket_id(const DataInput *in, const Affine *f, double v);   // 1 + the bucket; NaN: 0
void time_points(const DataInput *in, double t, float *out);   // sin, cos of each part; NaN: missing, 0
#endif
