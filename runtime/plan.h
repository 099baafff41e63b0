// plan.h: the contract between compiler, generated code and runtime. Plain structs; no LLVM, no AST.
// Part 1: what the data are (filled by the model, read by the loader).
// Part 2: the compiled step: buffers, programs, phases (filled by the scheduler; kernels by the emitter).
// Part 3: how to train and what to report.
// All pointers live in the arena of the spec that made them.
#ifndef MTLC_PLAN_H
#define MTLC_PLAN_H
#include "../src/base/civil.h"

// ======================================================================= 1. data
// ---- expressions over one row of the raw table: derived columns, labels, split rules.
// A value is a number, a text, a truth value or unknown (missing cell). Arithmetic and comparison keep unknown;
// and, or are three-valued (Kleene): false and unknown = false, true or unknown = true.
typedef enum {
  RX_COLUMN,     // the cell: text, or a number where `numeric` (a cell that is no number is a data error)
  RX_LABEL,      // value of labels[index] of the same row (unscaled)
  RX_ROW,        // data row number in its file, from 0, header not counted, before any row is dropped
  RX_NUMBER, RX_TEXT, RX_BOOL,
  RX_NEG, RX_NOT, RX_ADD, RX_SUB, RX_MUL, RX_DIV, RX_MOD,
  RX_EQ, RX_NE, RX_LT, RX_LE, RX_GT, RX_GE, RX_AND, RX_OR,
  RX_PART        // part `index` (TimePart) of the time a
} RowOp;
typedef struct RowExpr RowExpr;
struct RowExpr {
  RowOp op;
  bool time;                 // COLUMN: read as a time: seconds since 1970
  const char *format;        // of the time; NULL: ISO 8601
  bool numeric;              // COLUMN: read as number; EQ…GE: compare as numbers (else as text)
  double number;             // NUMBER, BOOL
  const char *text;          // TEXT; COLUMN: the column's name
  int index;                 // COLUMN: index in DataPlan.columns; LABEL: index in DataPlan.labels
  const RowExpr *a, *b;
};

typedef struct {             // a raw column that the spec needs, from `source.column`
  const char *name;          // as in the header, or in `columns`
  int source;                // index in DataPlan.sources
} RawColumn;

typedef enum { ABSENT_ERROR, ABSENT_MISSING, ABSENT_DROP } AbsentPolicy;       // a row whose key the source does not have
typedef enum { REPEATED_ERROR, REPEATED_FIRST, REPEATED_LAST } RepeatedPolicy; // a key in several rows of the source
typedef struct {             // source NAME { … }
  const char *name;
  const char *file, *test_file;        // defaults from the spec, or NULL; relative to the spec's folder
  const char *const *header; int n_header;   // columns = [...]: the file has no header row; n_header 0: it has
  bool trim;                           // strip blanks around fields
  const char *const *na; int n_na;     // spellings of a missing value; default: only the empty field
  char delimiter;                      // ',' by default, '\t' for TSV; 0: by the file's ending
  // A source but the first is joined to the rows of the first, many to one: by the texts of its `key` columns, which equal
  // those of the `match` columns of sources before it in DataPlan.join_order. Both: columns of the plan.
  const int *key, *match; int n_key;
  AbsentPolicy absent; RepeatedPolicy repeated;
  // Of rows that are alike, the first is kept: in all columns of the file, or in these columns of the plan.
  bool dedupe_rows; const int *dedupe; int n_dedupe;
} DataSource;

typedef enum { MISSING_ERROR, MISSING_MEAN, MISSING_MEDIAN, MISSING_MODE, MISSING_CONSTANT, MISSING_DROP } MissingPolicy;
typedef enum { MAP_NONE, MAP_LOG1P, MAP_SQRT, MAP_ABS, MAP_BUCKETIZE } MapKind;
typedef enum { SCALE_NONE, SCALE_ZSCORE, SCALE_MINMAX, SCALE_ROBUST } ScaleKind;
typedef enum { CLIP_AT_NUMBER, CLIP_AT_QUANTILE, CLIP_AT_SIGMAS } ClipEnd;     // SIGMAS: mean + value · deviation
typedef enum { UNKNOWN_OOV, UNKNOWN_ERROR } UnknownPolicy;
// Order, however written: missing, clip, map, scale. Statistics come from the training split alone.
typedef struct {
  MissingPolicy missing; double missing_value;   // reals; categories: a missing cell is the category "" unless ERROR/DROP/MODE
  bool has_clip; double clip_lo, clip_hi;        // numbers, quantiles 0 … 1, or deviations from the mean, as the ends say
  ClipEnd clip_at_lo, clip_at_hi;
  MapKind map;
  const double *bounds; int n_bounds;            // BUCKETIZE: ascending; n_bounds 0: quantiles, for `buckets` of equal counts
  int64_t buckets;
  bool indicator;                                // REAL, VECTOR: columns dense_at + width …: 1 where the value was missing
  ScaleKind scale;
} Prep;

typedef enum { TOKENS_NONE, TOKENS_WORD, TOKENS_CHARACTER } TokenKind;
typedef enum { INPUT_REAL, INPUT_CATEGORY, INPUT_ID, INPUT_VECTOR, INPUT_LIST, INPUT_TIME } InputKind;
typedef struct {
  const char *name;
  InputKind kind;
  const RowExpr *from;       // REAL, CATEGORY, ID; VECTOR: NULL
  int first_column;          // VECTOR: columns[first_column … + width − 1], or one column of n numbers when packed
  bool packed;               // VECTOR in one column: numbers apart by blanks, `;` or `,`
  int width;                 // numbers per row in the dense group, without indicators: 1 for REAL, n for VECTOR, 0 for ids
  Prep prep;                 // VECTOR: applied per element, statistics per element
  int64_t buckets;           // ID: hash of the text (FNV-1a 64, finaliser of splitmix64) mod buckets
  uint64_t hash_seed;        // ID
  const char *vocab_file;    // CATEGORY: a value a line, read when the preparation is learned; NULL: none
  const char *const *vocab; int n_vocab;         // CATEGORY: the values, NULL: learned or from the file
  int64_t cardinality;       // CATEGORY: rows of its tables where the spec alone says it; 0: learned. `vocab` has "" too, where a
                             // missing cell is a value of its own
  int64_t min_count;         // CATEGORY: rarer training values are out of vocabulary; default 1
  UnknownPolicy unknown;     // CATEGORY at evaluation: out-of-vocabulary row, counted; or an error
  int dense_at;              // first column in the dense group, or −1
  int id_at;                 // column in the id group, or −1
  int like;                  // ID, CATEGORY, a LIST of these: 1 + the input whose vocabulary or buckets it has; 0: its own
  // LIST: columns id_at … + max − 1 hold the items (REAL: dense_at …), dense column length_at their number; the rest is 0
  InputKind item;            // REAL, CATEGORY or ID; min_count, unknown, buckets, prep are those of the items
  int64_t max; bool keep_first;          // of a longer list the last `max` items are kept, or the first
  const char *separator;     // between items; NULL: blanks, `|`, `;`, `,`, or a list in brackets as in JSON
  int length_at;             // or −1
  TokenKind tokens;          // of a text: its items are its words or characters, and n-grams of up to so many of them
  int ngrams;
  // TIME: `from` gives seconds since 1970; columns dense_at … are sin and cos of 2π · time_position(part) of each part.
  // Missing: 0, 0
  TimePart part[N_TIME_PARTS]; int n_parts;
  const char *time_format;   // NULL: ISO 8601
} DataInput;

typedef enum { LABEL_BINARY, LABEL_CLASS, LABEL_REAL, LABEL_COUNT, LABEL_RANK } LabelKind;   // COUNT, RANK: 0, 1, 2 …
typedef struct {
  const char *name;          // anonymous (a loss's own expression): the expression's text, in canonical spelling
  LabelKind kind;
  int64_t classes;           // CLASS: values 0 … classes−1 where numeric, else sorted distinct texts of the training split
  const RowExpr *from, *where;   // where: known only in rows where it is true; NULL: everywhere
  bool anonymous;
  MissingPolicy missing;     // ERROR (default): a missing cell where the label should be known is an error; DROP: unknown
  ScaleKind scale;           // REAL: learned from training rows where it is known
  const char *positive;      // BINARY: text of the true value, or NULL: 0/1, true/false, yes/no in any case
  Prep prep;                 // REAL: clip and map of the label (scale above)
  const char *not_below_0;   // REAL: the loss that cannot judge a value below 0, or "rows" of a task: it is then a data error; or NULL
} DataLabel;

typedef enum { SPLIT_NONE, SPLIT_FRACTION, SPLIT_RULE, SPLIT_COLUMN, SPLIT_FILES, SPLIT_TIME } SplitKind;
typedef struct {
  SplitKind kind;
  double fraction[3];              // train, valid, test; sum ≤ 1 (the rest unused)
  bool file_order;                 // FRACTION in file order (last rows held out), else a seeded permutation
  const RowExpr *rule[3];          // RULE: the first that is true takes the row; NULL: never; none true: unused
  int column; const char *value[3];  // COLUMN: the cell equals value[i]
  double valid_fraction;           // FILES: part of the training file held out for validation; 0: none
  int group;                       // FRACTION: 1 + the column whose value holds rows together; 0: none
  // TIME: column of times. In their order by `fraction`, or where `at_times`: valid from edge[0], test from edge[1] on
  int time; bool at_times; double edge[2];   // INFINITY: no such part
} Split;

typedef struct {
  const DataSource *sources; int n_sources;   // [0]: the rows that are trained on; the others are joined to them
  const int *join_order;                   // [n_sources − 1]: each behind those that its `match` reads
  const RawColumn *columns; int n_columns;
  const DataInput *inputs; int n_inputs;
  const DataLabel *labels; int n_labels;   // anonymous ones after those they refer to
  Split split;
  const RowExpr *weight;           // of a row, ≥ 0, in all losses and metrics; NULL: 1
  const int *groups; int n_groups; // columns whose texts part the rows into groups, for metrics by group
  int batch_groups;                // the first so many are numbered in each batch, in rows n_labels, n_labels + 1 … of y: for losses over pairs
  int dense_width;                 // D: sum of widths
  int n_ids;                       // F
  uint64_t seed;
} DataPlan;

// ---- what is learned from the training split: the preparation of a run (prep.json)
typedef struct {
  double missing; double shift, factor;          // value' = (map(clip(v)) − shift) · factor
  double lo, hi;                                 // of clip
  const double *bounds; int n_bounds;            // BUCKETIZE: map(v) = how many of them are ≤ v
} Affine;
typedef struct {
  int64_t n; const char **values;  // CATEGORY: id i+1 is values[i]; id 0 is out-of-vocabulary. cardinality = n + 1
  int64_t *counts;
  Affine number;                   // CATEGORY by BUCKETIZE: id 1 + map(v), 0 where missing; n buckets, values NULL
} Vocabulary;
typedef struct {
  Affine *dense;                   // [dense_width]
  Vocabulary *vocab;               // [n_ids], at an input's id_at; n = 0 and values NULL for ids and `like`
  Affine *label;                   // [n_labels]; identity where not scaled
  Vocabulary *label_class;         // [n_labels]; CLASS by text: class i is values[i]
  int64_t rows[3];
  uint64_t given;                  // digest of what was taken from an earlier run (GivenPrep); 0: all was learned from the rows
} PrepState;

// ---- prepared rows of one split, in file order
typedef struct {
  int64_t n;
  float    *dense;                 // [n, dense_width]
  uint32_t *ids;                   // [n, n_ids]
  float    *y;                     // [n_labels, n]: scaled value, class number or 0/1; 0 where unknown
  float    *w;                     // [n_labels, n]: the row's weight where known, else 0
  uint64_t *group;                 // [n_groups, n]: a hash of the row's text; 0: it is missing, and the row in no group
  int64_t  *row;                   // [n]: data row in its file, from 1
  struct RowFile *file;            // where they lie; NULL: in memory
} Rows;

// ======================================================================= 2. the compiled step
typedef enum { F32, F64, U32, I64 } DType;
// Every buffer is a matrix of `rows` × `cols` elements with `ld` elements from row to row, 64-byte aligned.
// rows = rows_a + rows_b · capacity. What lies past cols or past the extent n may hold anything.
typedef enum {
  BUF_RT_INT,      // i64[RT_INTS]
  BUF_RT_REAL,     // f64[RT_REALS + n_sites]
  BUF_DENSE,       // IN: f32 (f64 in f64 mode) [capacity × dense_width]
  BUF_IDS,         // IN: u32 [capacity × n_ids]
  BUF_Y, BUF_W,    // IN: [n_labels × capacity]: one contiguous run of rows per label
  BUF_SLOT,        // all that survives a step; one arena
  BUF_ROWS,        // of a step's work; one arena, shared by liveness
  BUF_LOCAL,       // of the rows of one group, as long as a phase works on them: rows_a are those of a group. One arena for each worker
  BUF_OUT          // results of a program, read by the host
} BufferRole;
enum { RT_N, RT_STEP, RT_INTS };           // rows in this batch; step from 1
enum { RT_LR, RT_EPOCH, RT_REALS };        // learning rate of this step; epoch, from 1

// ---- random numbers of the step: counter-based, the same bits on any target and number of threads, and after --resume.
// A site's key for a step: a whole number below 2^52. (mix64 of a counter: Steele, Lea, Flood 2014.)
static inline double random_key(uint64_t seed, int64_t step, uint64_t site) {
  return (double)(mix64(mix64(site ^ mix64(seed)) + (uint64_t)step * 0x9e3779b97f4a7c15u) >> 12);
}
static inline uint32_t random_mix32(uint32_t h) {          // finaliser of MurmurHash3 (Appleby, public domain)
  h = (h ^ h >> 16) * 0x85ebca6bu;
  h = (h ^ h >> 13) * 0xc2b2ae35u;
  return h ^ h >> 16;
}
// Uniform on [0, 1): a multiple of 2^-24, by the row's place in the batch, the element of its item and the key.
static inline double random_uniform01(uint32_t row, uint32_t element, double key) {
  uint32_t high = (uint32_t)(key * 0x1p-26), low = (uint32_t)(key - high * 0x1p26);
  uint32_t h = random_mix32(row * 0x9e3779b1u ^ low);
  h = random_mix32(element * 0x85ebca77u ^ h ^ high * 0xc2b2ae3du);
  return (double)(h >> 8) * 0x1p-24;
}

typedef struct {
  const char *name;                        // slot path, output name, or a node's name
  BufferRole role; DType dtype;
  int64_t rows_a, rows_b, cols, ld;
  int64_t offset;                          // bytes in the arena of its role (SLOT, ROWS, LOCAL); OUT, IN: 0, own memory
} Buffer;

typedef enum { SLOT_PARAM, SLOT_STATE, SLOT_OPT, SLOT_BALANCE } SlotRole;
typedef enum { INIT_ZEROS, INIT_ONES, INIT_CONSTANT, INIT_GLOROT_UNIFORM, INIT_GLOROT_NORMAL, INIT_HE_UNIFORM, INIT_HE_NORMAL,
               INIT_UNIFORM, INIT_NORMAL, INIT_DIAGONAL } InitKind;
typedef struct { InitKind kind; double a, b; } Init;   // CONSTANT a; UNIFORM a..b; NORMAL mean a, sd b; DIAGONAL a on it, else b
typedef struct {
  const char *path;                        // "trunk.wide.w"; OPT: "trunk.wide.w:adam.m"
  SlotRole role; DType dtype;
  int rank; int64_t shape[6];              // true extents; the buffer is the matrix [product of all but last, last]
  Init init;                               // keyed by path and seed alone
  int buffer;
  bool frozen;
  bool lazy;                               // a table, or what an optimizer keeps of one, of which a step reads and changes the rows that its batch names
  int named;                               // 1 + the buffer in which sort_ids (host.h) says which indices of axis 0 a step changes; 0: maybe all
} PlanSlot;

// A call of a C routine (host.h): operands and result are values in the step's buffers.
enum { HOST_RANK = 6 };
typedef struct {
  int buffer; DType dtype;
  int64_t offset;                          // of the first element, in elements
  int rank; bool rows;                     // rows: axis 0 is the batch axis; its extent at run time is n
  int64_t extent[HOST_RANK], stride[HOST_RANK];   // per axis, elements; stride 0: it repeats
} HostOperand;
typedef struct {
  int id;                                  // HostId: the routine
  const char *name;                        // for profiles
  const HostOperand *in; int n_in;
  HostOperand out;
  int64_t i[4]; double f;                  // the op's attributes
  int64_t items, item_rows;                // items of item_rows rows of out's axis 0
} HostArgs;

// Generated code: runs items lo … hi−1 of one phase. buf: one pointer per Buffer of the plan, LOCAL ones into the worker's arena.
typedef void PhaseFn(void *const *buf, int64_t lo, int64_t hi, int64_t worker);
typedef struct {
  const char *symbol;                      // "train_1"
  int64_t items_a, items_g;                // items = items_a + (items_g ? ceil(n / items_g) : 0)
  bool over_rows, goes_on;                 // goes_on: in turns with the phase before it, item by item
  bool of_slots;                           // makes the same as for the batch before, if no slot and no other program's work lies between
  double flops, bytes;                     // of a full batch; bytes: what is read and written, each element once
  double ns;                               // about how long a full batch takes one core
  const HostArgs *host; int n_host;        // a phase of C routines: no generated function; else NULL
} PlanPhase;
// TRAIN: a step. EVAL: heads, outputs and loss sums. PREDICT: heads and outputs. GRADS: gradients as outputs (checks).
// LOSSES: the tasks' losses as balancing sees them. GRAM: products of the tasks' gradients. KEEP: what TRAIN reads as columns kept_first …
// of the numbers; its outs lie there side by side.
typedef enum { PROG_TRAIN, PROG_EVAL, PROG_PREDICT, PROG_GRADS, PROG_LOSSES, PROG_GRAM, PROG_KEEP, N_PROGRAMS } ProgramId;
typedef struct { const PlanPhase *phases; int n_phases; const int *outs; int n_outs; } Program;   // outs: buffers

typedef struct {
  DType dtype;                             // of the arithmetic
  int64_t capacity;                        // rows of a batch at most
  const Buffer *buffers; int n_buffers;
  const PlanSlot *slots; int n_slots;
  int64_t slot_bytes, rows_bytes, local_bytes;   // arenas; local_bytes: of one worker
  int kept_first, kept_width;              // columns of BUF_DENSE behind the rows' own; width 0: none
  const uint64_t *sites; int n_sites;      // random numbers: rt_real[RT_REALS + i] is the step's key of site i
  Program programs[N_PROGRAMS];            // n_phases 0: not compiled
} StepPlan;

// A loaded object: symbols resolved in the order of programs and phases.
typedef struct { PhaseFn **phase[N_PROGRAMS]; void *image; size_t image_bytes; } StepCode;   // phase: NULL where host

// ======================================================================= 3. training and reports
#define METRIC(id, name, labels, flags, arg, format) METRIC_##id,
typedef enum {
#include "train/metric.def"
  N_METRICS
} MetricKind;
#undef METRIC
enum { METRIC_LOWER = 1, METRIC_BY = 2 };
typedef struct { const char *name; double def, lo, hi; bool whole; } TableArg;
typedef struct { const char *name; unsigned labels, flags; TableArg arg; const char *format; } MetricRow;
extern const MetricRow metric_rows[N_METRICS];   // metric.c
// arg: its number, such as a threshold; group: index in DataPlan.groups, −1: none; name: "ndcg(k = 10, by = user)"
typedef struct { MetricKind kind; double arg; int group; const char *name; } PlanMetric;
// A confusion matrix of a task. at: binary: yes where p > at; name: "confusion(at = 0.3)"
typedef struct { double at; const char *name; } PlanMatrix;
enum { MAX_MATRIX = 500 };                        // classes
// OUT buffers by name: "head:TASK" [n × width], "output:NAME", "sum:TASK" (Σ w·loss), "weight:TASK" (Σ w).
typedef struct {
  const char *name;                        // as written
  int label;                               // index in DataPlan.labels of what metrics judge
  const PlanMetric *metrics; int n_metrics;
  const PlanMatrix *matrices; int n_matrices;
  double weight;
  int width;                               // of the head
  bool is_probability;                     // head ends in sigmoid or softmax
  int head, sum, weight_sum;               // buffers
} PlanTask;
typedef struct { const char *name; int width; int buffer; int unit; } PlanOutput;   // unit: 1 + the label in whose original unit it is served; 0: as computed
typedef struct { int task; const char *text; int buffer; } PlanTerm;   // a value in a loss: of a task, or −1: of the penalty. OUT scalar of TRAIN

// How the tasks' losses are balanced (balance.h); buffers are −1 or NULL where there are none.
typedef struct {
  const char *text;                        // "cagrad(c = 0.5)"; NULL: the losses are added
  int method; double arg[3];               // row of balance.def
  int weights, memory;                     // OUT [1, n_tasks] f64: the weights of a step; SLOT: what the method remembers
  const int *loss, *known;                 // [n_tasks] OUT of LOSSES: weighted loss, Σ w; NULL: the method does not look again
  int gram, gram_known;                    // OUT of GRAM: [n_tasks, n_tasks], [1, n_tasks], f64
} PlanBalance;

// A figure after an epoch: Σ of terms a·loss, or metric of a task on valid. Lower is better where `minimise`.
typedef struct { bool is_loss; int task; int metric; double factor; } FigureTerm;   // is_loss: task −1 = all, weighted
typedef struct { const FigureTerm *terms; int n_terms; bool minimise; const char *text; } Figure;
typedef struct { int task; int metric; int op; double bound; const char *text, *reason, *place; int other_task; } Require;
// Require.place: "shop.mtl:12:9". Require.op: RX_LT … RX_GE on metric of task on the held-out split; metric −1: always(task op other_task) in every row

// A schedule of the learning rate: a row of schedule.def.
#define SCHEDULE(id, args) SCHEDULE_##id,
typedef enum {
#include "train/schedule.def"
  N_SCHEDULES
} ScheduleKind;
#undef SCHEDULE
enum { SCHEDULE_ARGS = 3 };
typedef struct { const char *name; TableArg arg[SCHEDULE_ARGS]; } ScheduleRow;
extern const ScheduleRow schedule_rows[N_SCHEDULES];   // schedule.c
typedef struct { ScheduleKind kind; double arg[SCHEDULE_ARGS]; int64_t warmup; } PlanSchedule;   // warmup: steps

typedef struct {
  int64_t batch, epochs;
  int batch_by;                            // 1 + DataPlan.groups: no batch cuts a group of it; 0: batches of any rows
  double learning_rate;
  PlanSchedule schedule;                   // of the rate
  const char *optimizer;                   // for reports: "adam(0.001)"
  bool shuffle;
  uint64_t seed;
  int64_t patience;                        // 0: no early stopping
  Figure stop, best;                       // best.n_terms 0: the last epoch's weights are kept
  const PlanTask *tasks; int n_tasks;
  const PlanOutput *outputs; int n_outputs;
  const PlanTerm *terms; int n_terms;      // tasks' in order, then the penalty's
  const Require *requires; int n_requires;
  PlanBalance balance;
} TrainPlan;
#endif
