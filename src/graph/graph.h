// graph.h: the one IR of arithmetic. Forward, gradients, optimizer updates: all are nodes of one append-only array.
// Inputs of a node lie below it. Equal nodes are one (hash-consing). Ids, not pointers.
//
// Axes. The batch axis AXIS_ROWS, where a node has it, is axis 0; the others are the item's shape.
// Broadcasting (MAP nodes): after the batch axis is set aside, operands are aligned at their last axis; an axis of
// size 1 or a missing one repeats. The batch axis broadcasts against none ([ROWS,n] + [n]).
#ifndef MTLC_GRAPH_H
#define MTLC_GRAPH_H
#include "../../runtime/host.h"
#include "../base/diag.h"

typedef uint32_t NodeId;                  // 0: none
typedef uint32_t AxisId;                  // 0: none
enum { MAX_RANK = 6 };
typedef enum { AXIS_FIXED, AXIS_ROWS, AXIS_SYMBOL, AXIS_NAMED } AxisKind;   // later: ELEMS of a list
typedef struct {
  AxisKind kind;
  int64_t size;                           // FIXED; SYMBOL: −1 until bound; ROWS: capacity (extent n at run time); NAMED: ids at most
  const char *name;                       // SYMBOL: the input whose vocabulary it is. FIXED: NULL
  double expected;                        // NAMED: ids in a full batch, about
} Axis;

typedef enum { KIND_LEAF, KIND_MAP, KIND_REDUCE, KIND_DOT, KIND_INDEX, KIND_MOVE, KIND_ROOT,
               KIND_CALL } OpKind;   // CALL: the value is computed by a C routine, a row of runtime/host.def with the op's id
typedef enum {
#define OP(id, name, arity, kind, shape, grad, fold) OP_##id,
#include "ops.def"
#undef OP
  N_OPS
} OpId;

// Attributes by op; unused fields are zero (they are hashed and compared).
typedef struct {
  int64_t i[4];                           // see ops.def for each op's meaning
  double f;
  char label[3][8];                       // DOT: "rk" "kn" "rn": one letter per axis of left, right, result
} Attr;
typedef struct {
  uint16_t op; uint8_t dtype, rank;
  uint16_t n_in; uint16_t flags;
  uint32_t in_at;                         // graph.ins[in_at … + n_in − 1]
  AxisId axis[MAX_RANK];
  Attr attr;
  Place at;                               // the spec's expression it came from
} Node;

typedef struct { int row; double args[8]; } Optim;   // row of optim.def
// How a step treats a parameter. l2·p + l1·sign(p) is added to its gradient where it has two axes or more (weights, tables), not to biases
// and gains; rate: a factor of the learning rate. optimizer: its own, NULL: that of
// the others; its learning rate is then args[0] where that of the others is theirs, and goes the same way from there. Of a lazy table all of it
// is about the rows that the batch names.
typedef struct { double l2, l1, rate; const Optim *optimizer; } StepRule;
#define STEP_RULE_PLAIN ((StepRule){0, 0, 1, NULL})

typedef struct {                          // all that survives a step
  const char *path; SlotRole role; DType dtype;
  int rank; AxisId axis[MAX_RANK];
  Init init;
  bool frozen;
  bool lazy;                              // of a table, and of its OPT: a step changes the rows (and their optimizer state) whose ids its batch has, no other
  StepRule rule;                          // of a PARAM
  int64_t begun;                          // of a PARAM: steps that its optimizer has behind it when the training begins
  NodeId read;                            // the LEAF that reads it
  Place at;
} Slot;
// out(name, v): slot −1; assign(slot, v): its path. rows: of a lowered graph: 0, or the ids that say which rows of the slot v has
typedef struct { const char *name; NodeId value; int slot; NodeId rows; } Root;

// Which gradients of weights Σ_r x[r, k] · y[r, n] (r: rows) are computed by a matrix product of BLAS (op GEMM): those with at
// least so many rows in a full batch, so many k and n each, and so much work 2·r·k·n. All 0: every one.
typedef struct { int64_t rows, side; double work; } GemmRule;
typedef enum { BLAS_AUTO, BLAS_OFF, BLAS_ON } BlasUse;     // what a spec or MTLC_BLAS asks for; ON is for tests

// By column of ids: their values and counts in `rows` training rows; NULL: they are not known.
typedef struct { const Vocabulary *const *of; int n; int64_t rows; } KnownIds;

typedef enum { CLIP_NONE, CLIP_NORM, CLIP_VALUE } ClipKind;
typedef struct { ClipKind kind; double bound; } Clip;   // of the gradients of a step: their norm together, or each element

typedef struct {
  Arena *arena;
  DType dtype;                            // F32, or F64 for gradient checks
  VEC(Node) nodes;                        // nodes.data[0] is unused
  VEC(NodeId) ins;
  VEC(Axis) axes;                         // [0] unused, [1] ROWS, [2] size 1
  VEC(Slot) slots;
  VEC(Root) roots;
  VEC(uint64_t) sites;                    // where random numbers are drawn: each has its key, a hash of its place in the spec
  NodeId loss;                            // total loss, scalar
  const struct BalanceSpec *balance;      // how the tasks' losses are balanced (balance.h); NULL: their sum
  Clip clip;                              // before the optimizer
  bool wants_gram;                        // a program for the Gram matrix of the tasks' gradients is to be made
  uint32_t *table; int table_size;        // hash-consing
  int *slot_table; int slot_table_size, slots_in_table;      // 1 + slot, by path: graph_slot_named
  Diag *diag;                             // shape errors go here; may be NULL in tests (then BUG)
  Place at;                               // of the nodes that the shorthand adds
  BlasUse blas;                           // of a forward graph: what its spec asks for
  const GemmRule *gemm;                   // NULL: none. Set before scheduling
  bool by_call;                           // each call a phase of its own, so that it can be timed. Set before scheduling
  const KnownIds *known_ids;              // of a forward graph: how often the training rows have each id; NULL: it is not known
} Graph;
enum { AXIS_OF_ROWS = 1, AXIS_OF_ONE = 2 };

// At most this many elements in a tensor without its batch axis; more is an error "size-overflow".
#define MAX_ELEMENTS ((int64_t)1 << 40)

Graph *graph_new(Arena *a, DType dtype, int64_t capacity, Diag *d);
Graph *graph_empty_like(const Graph *g);                  // the same axes and slots at the same indices, no nodes
// Into such a graph: node `id`, and all roots and the loss, where now[] says what each node of g is there.
NodeId graph_copy_node(Graph *t, const Graph *g, NodeId id, const NodeId *now);
void   graph_copy_roots(Graph *t, const Graph *g, const NodeId *now);
AxisId axis_fixed(Graph *g, int64_t size);
// Of the distinct ids of a batch, at most `size`, and equal to no other. A step computes what is there for those that the batch has; where
// something is summed along it, what lies behind them is 0.
AxisId axis_named(Graph *g, int64_t size, double expected);
AxisId axis_symbol(Graph *g, const char *name, int64_t size_or_minus_1);   // one per name
int64_t axis_size(const Graph *g, AxisId a);
double  axis_expected(const Graph *g, AxisId a);          // its size, or of a named one what is expected: for estimates
static inline Node *node(const Graph *g, NodeId n) { return &g->nodes.data[n]; }
static inline NodeId node_in(const Graph *g, NodeId n, int i) { return g->ins.data[g->nodes.data[n].in_at + i]; }
bool has_rows(const Graph *g, NodeId n);
bool same_shape(const Graph *g, NodeId a, NodeId b);
int64_t item_elements(const Graph *g, NodeId n);          // without the batch axis
// Adds a node (or finds the equal one). The op's shape rule gives rank, axes, dtype; on a mismatch an error
// "shape-mismatch" with both shapes goes to g->diag at `at` and 0 is returned. A 0 among the inputs gives 0, silently.
NodeId graph_add(Graph *g, OpId op, const NodeId *in, int n_in, Attr attr, Place at);
int    graph_slot(Graph *g, const char *path, SlotRole role, DType dtype, int rank, const AxisId *axis, Init init, Place at);
int    graph_slot_named(Graph *g, const char *path);          // −1: there is none
NodeId graph_read(Graph *g, int slot, Place at);
void   graph_out(Graph *g, const char *name, NodeId v);
void   graph_assign(Graph *g, int slot, NodeId v);
char  *shape_text(const Graph *g, NodeId n, Arena *a);    // "[rows, 64]", a symbol by name
void   graph_print(const Graph *g, Text *out);            // one node a line: %12 = relu %11 : [rows, 64]   # trunk.wide
void   graph_check(const Graph *g);                       // BUG on a broken invariant; run between passes

// ---- shorthand that builders, gradients, losses and optimizers use (place: g_at(g, place) sets it for all that follow).
// Never two calls that add nodes as arguments of one call: C leaves their order open, so ids, and with them the order of
// sums of adjoints, would depend on the compiler. Name the first.
void   g_at(Graph *g, Place at);
NodeId g_const(Graph *g, double v);                       // a scalar of the graph's dtype
NodeId g_const_of(Graph *g, double v, DType t);
NodeId g_const_like(Graph *g, double v, NodeId like);     // of like's dtype
NodeId g_map1(Graph *g, OpId op, NodeId a);
NodeId g_map2(Graph *g, OpId op, NodeId a, NodeId b);
NodeId g_select(Graph *g, NodeId cond, NodeId a, NodeId b);
NodeId g_sum(Graph *g, NodeId a, int axis);               // axis counts the batch axis; negative: from the last; dropped
NodeId g_max(Graph *g, NodeId a, int axis);
NodeId g_dot(Graph *g, NodeId a, NodeId b, const char *spec);   // "rk,kn>rn"
NodeId g_slice(Graph *g, NodeId a, int axis, int64_t from, int64_t to);
NodeId g_concat(Graph *g, const NodeId *in, int n, int axis);
NodeId g_transpose(Graph *g, NodeId a, const int *perm);
NodeId g_expand(Graph *g, NodeId a, int axis);            // inserts an axis of size 1 (a view)
NodeId g_read(Graph *g, int slot);
NodeId g_cast(Graph *g, NodeId a, DType t);
NodeId g_stop(Graph *g, NodeId a);
NodeId g_map3(Graph *g, OpId op, NodeId a, NodeId b, NodeId c);
NodeId g_dense(Graph *g, int64_t first, int64_t width);   // [rows, width]
NodeId g_column(Graph *g, OpId op, int64_t i);            // IDS, LABEL, KNOWN: column i, [rows]
NodeId g_ids(Graph *g, int64_t first, int64_t n, int64_t length);   // a list of at most n ids: [rows, n]; length: dense column
NodeId g_list_mask(Graph *g, int64_t n, int64_t length);  // [rows, n]: 1 where the row has item j, that is j < dense[length]
bool   match_list_mask(const Graph *g, NodeId n, NodeId *length);   // is n such a mask? length: [rows, 1]
NodeId g_rt(Graph *g, int i);                             // rt_real[i], f64 scalar
NodeId g_training(Graph *g);                              // 1 in the programs that train, else 0: a scalar
// Uniform on [0, 1), [rows, item]: by site, step, place of the row in the batch and element alone. No gradient.
NodeId g_random(Graph *g, uint64_t site, int item_rank, const AxisId *item);
NodeId g_iota(Graph *g, int64_t n);
NodeId g_count(Graph *g, AxisId axis);                    // 0, 1, 2 … along any axis, the rows too
NodeId g_gather(Graph *g, NodeId table, NodeId ids);      // [V, d], [rows] → [rows, d]; a list [rows, m] → [rows, m, d]
NodeId g_spread(Graph *g, NodeId a, NodeId ids, AxisId v);
NodeId g_bag(Graph *g, NodeId table, NodeId ids);         // [V, d], u32 [rows, m] → [rows, d]: the sum of a row's m rows of the table
NodeId g_bag_and_product(Graph *g, NodeId table, NodeId ids, NodeId x, NodeId w);   // the same, and then + x [rows, k] · w [k, d]
NodeId g_spread_bag(Graph *g, NodeId a, NodeId ids, AxisId v);
NodeId g_distinct(Graph *g, NodeId ids, int64_t v, double expected);   // the ids that a batch has, all below v; on an axis of its own
NodeId g_number(Graph *g, NodeId distinct);               // the batch's ids as which of these they are
NodeId ids_of_batch(const Graph *g, NodeId ids);          // that distinct ids or numbers are of; ids themselves
int64_t most_places(const Graph *g, NodeId ids);          // ids in a full batch, items that are not there too
int64_t most_distinct(const Graph *g, const NodeId *ids, int n, int64_t v);   // of n ids of the batch together, all below v
NodeId sorted_ids(const Graph *g, NodeId sorted, int source);       // of a SORT_IDS: its ids number `source`, from 0; 0: it has not so many
NodeId g_touched(Graph *g, const NodeId *ids, int n, AxisId v);   // [V]: 1 where a row of the batch has that id in one of them
NodeId g_pad(Graph *g, NodeId a, int axis, int64_t before, int64_t after);
NodeId g_reshape(Graph *g, NodeId a, int item_rank, const AxisId *item);   // the batch axis stays
NodeId g_drop(Graph *g, NodeId a, int axis);              // takes an axis of size 1 away (a view)
NodeId g_broadcast(Graph *g, NodeId a, int rank, const AxisId *axis);      // a view
NodeId g_softmax(Graph *g, NodeId z);                     // over the last axis; max, stop_gradient, sub, exp, sum, div
bool   match_softmax(const Graph *g, NodeId n, NodeId *z);                 // is n what g_softmax(z) gives?
NodeId g_like(Graph *g, NodeId v, NodeId like);           // v broadcast or summed so that its shape is like's

// ---- losses: rows of losses.def
typedef enum { HEAD_NUMBER, HEAD_PROBABILITY, HEAD_CLASSES, HEAD_POSITIVE, HEAD_ZILN, HEAD_SCORE, N_LOSS_HEADS } LossHead;
typedef enum { LOSS_CLASS_WEIGHTS = 1, LOSS_PAIRS = 2, LOSS_UNSCALED = 4 } LossFlag;
enum { MAX_LOSS_ARGS = 2, OPEN_LOW = 1, OPEN_HIGH = 2 };
typedef struct { const char *name; double def, lo, hi; int open; } LossArg;
typedef struct {
  const char *name; LossHead head;
  unsigned labels;                        // bit k: LabelKind k
  unsigned flags;
  LossArg arg[MAX_LOSS_ARGS];             // up to the first without a name
} LossRow;
typedef struct {
  double number[MAX_LOSS_ARGS];
  const double *class_weight;             // [classes], NULL: all 1
  NodeId known, group;                    // of LOSS_PAIRS, [rows]: rows that count, numbers of their groups (below 0: none); 0: all, one group
} LossArgs;
extern const LossRow loss_rows[]; extern const int n_loss_rows;
extern const char *const loss_head_texts[N_LOSS_HEADS];   // "one number", for messages
int loss_arg_count(int loss);

// ---- passes (each: what it needs → what it gives, in compile.c)
// Stable losses: bce over sigmoid → logits; cross entropy over softmax → log-softmax. See losses.def.
// args NULL: the row's defaults. LOSS_PAIRS: a row's value is the sum over the pairs in which it is the one that should come first.
NodeId loss_build(Graph *g, int loss, NodeId head, NodeId y, const LossArgs *args);    // per row [rows]; y: [rows]
NodeId loss_pair_counts(Graph *g, NodeId loss);           // of what loss_build gave for LOSS_PAIRS: how many pairs are in each row's value, [rows]
// What a head judged by this loss predicts: itself, or (HEAD_ZILN) the mean of its distribution, [rows, 1].
NodeId loss_prediction(Graph *g, int loss, NodeId head);
bool   loss_from_logits(const Graph *g, int loss, NodeId head);   // does its stable form apply to this head?
// push.c: products with gathered rows → gathered rows of products, where that is less work; g itself where nothing is. rule NULL:
// nothing. Before gradients are taken: they are factored by it, too. report: NULL, or filled.
// A row of a product that is read and whose gradient is summed costs as much as `row` multiply-adds a column; an id to be found among the
// distinct ones, as `id` multiply-adds.
typedef struct { bool always; double row, id; } DistinctRule;
// Of whole tables, unless `never`, and with a rule for them, of the rows that distinct ids name (distinct.c).
typedef struct { bool always, never; double row; const DistinctRule *distinct; } PushRule;
// multiply-adds of a step's forward; pairs: of tables that became one
typedef struct { int tables, products; double before, after; } PushCount;
typedef struct { int tables, products, pairs; double before, after; PushCount distinct; double ids, distinct_ids; } PushReport;
Graph *push_gathers(Graph *g, const PushRule *rule, PushReport *report);
// work.c: of one row of the batch; a vocabulary that is not known yet has size 0.
double row_elements(const Graph *g, NodeId n);
double row_work(const Graph *g, NodeId n);                 // FLOPs of this node alone; moving and fetching are none
// keep.c: values that each row has anew in every step, though no step changes them (of frozen layers): computed once, and from then on read
// as columns first, first + 1 … of the row's numbers. g: the tidied program of a step; gives what is left of it, g itself where nothing is
// kept. rule NULL: nothing. Roots of `once`: "kept:C", from column first + C on.
// To keep and read a number costs as much as `column` FLOPs; less than `least` of them a row, all in all, are not worth a program.
typedef struct { bool always; double column, least; } KeepRule;
typedef struct { int first, width; Graph *once; } Kept;     // width 0, once NULL: nothing
Graph *keep_fixed(Graph *g, int first, const KeepRule *rule, Kept *out);
// Adjoints of `wrt` nodes for scalar `of`: grad_of[i] (0 where none reaches). Uses the rule column of ops.def.
void   grad(Graph *g, NodeId of, const NodeId *wrt, int n, NodeId *grad_of);
// Updates: for each unfrozen PARAM slot that a gradient reaches, optimizer state slots and assigns. row: optim.def.
void   optim(Graph *g, int row, const double *args, const int *slots, const NodeId *grads, int n);
// A new graph: only what those roots (NULL: all, and the loss) reach, folded. TIDY_ASSIGNS names all assigns, "x*" all roots
// whose name starts so. Slots and axes keep their indices. Takes stop_gradient away, so it comes after grad().
#define TIDY_ASSIGNS ":assigns"
Graph *tidy(const Graph *g, const char *const *root_names, int n);
Graph *tidy_for(const Graph *g, const char *const *root_names, int n, bool training);   // the same; TRAINING becomes a constant
typedef struct { const char *name; const char *arg[8]; double def[8]; int n_args; bool rests; } OptimRow;   // arg 0: learning rate
extern const OptimRow optim_rows[]; extern const int n_optim_rows;

// ---- the table of ops
typedef struct {
  const char *name; int arity; OpKind kind;               // arity −1: any
  bool (*shape)(Graph *g, Node *out, const NodeId *in, int n_in);       // false: message given
  // sets, for output adjoint dy, the adjoint of each input with want[i] in din[i] (0: none); shape and dtype are the input's
  void (*grad)(Graph *g, NodeId n, NodeId dy, const bool *want, NodeId *din);   // NULL: no gradient flows
  double (*fold)(const double *x, const Attr *attr);                    // MAP: the scalar function, for all emitters
} OpRow;
extern const OpRow op_rows[N_OPS];
bool   suits_gemm(const Graph *g, NodeId n, const GemmRule *rule);   // is n a dot that the rule (not NULL) gives to BLAS?
HostId host_of_op(OpId op);                               // KIND_CALL: its routine

// ---- slow reference interpreter in double, for tests and constant folding (graph/interp.c)
// dense [n, dense_width], ids [n, n_ids], y and w [n_labels, n]
typedef struct { int64_t n; const double *dense; const uint32_t *ids; const double *y, *w; int dense_width, n_ids, n_labels;
                 int64_t step; double lr; double **slots; uint64_t seed; int64_t epoch; } InterpInput;    // slots[i]: row-major true extents
double *interp(const Graph *g, NodeId n, const InterpInput *in, Arena *a);  // row-major values of node n
// All roots: outs[i] (outs may be NULL) gets the value of root i; assigns are written to in->slots after all reads.
void interp_roots(const Graph *g, InterpInput *in, double **outs, Arena *a);
#endif
