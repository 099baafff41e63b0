// sched.h: graph → calls of kernels in phases, over buffers. What the emitter needs to know, and nothing else.
//
// Every stored value has a Loc: a buffer, an offset and a stride per axis, all in elements. Views (slice, reshape,
// expand, broadcast; transpose where strides do) are Locs into another value's buffer: no code. A concat is a
// destination: its operands are written into it where they are made, or copied by a MAP call.
//
// A Call is one loop nest over `dims` (unit axes dropped, contiguous axes merged, the LAST dim runs over lanes),
// evaluating a little program of scalar steps per point.
#ifndef MTLC_SCHED_H
#define MTLC_SCHED_H
#include "../graph/graph.h"

typedef struct { int buffer; int64_t offset; int64_t stride[MAX_RANK]; } Loc;   // stride per axis of the node

enum { MAX_DIMS = MAX_RANK };             // a kernel loops over any value that the graph can have
// Extent at run time: is_rows: n (size = capacity). named: the first word of buffer named − 1, which sort_ids made: how many distinct ids the
// batch has (size: at most; expected: about, in a full batch). groups_of: groups of so many rows (size: those of a full batch). Else size.
typedef struct { bool is_rows; int64_t size; int named; double expected; int64_t groups_of; } Dim;
static inline bool at_run_time(Dim d) { return d.is_rows || d.named || d.groups_of; }

typedef enum { VAL_INPUT, VAL_OP, VAL_CONST, VAL_IOTA, VAL_ANCHOR } ValKind;
typedef struct {
  ValKind kind;
  OpId op; DType dtype;      // OP: MAP op
  uint8_t prologue;          // 1: evaluated on the anchor's operand domain (REDUCE only), 0: on the result's
  int in[3]; int n_in;       // earlier values; the ANCHOR of a REDUCE has one: the prologue's value that is reduced
  int input;                 // INPUT: Call.inputs
  int dim;                   // IOTA: which of the domain's dims counts (in its domain), −1: constant 0
  double f;                  // CONST
  NodeId node;               // for names in printed IR
} Val;

typedef struct {             // an operand read per point
  int buffer; int64_t offset;              // element offset of the first point
  int64_t stride[MAX_DIMS + 1];            // per dim of its domain (0: repeats); a prologue's has one more, the reduced one
  DType dtype;
  int index;                 // −1, or the input (u32 ids, same domain) whose value selects the row:
  int64_t index_stride;      //   address += value · index_stride (a gather)
  NodeId node;
} Input;
typedef struct {
  int val; int buffer; int64_t offset; int64_t stride[MAX_DIMS]; DType dtype; NodeId node;
  int by; int64_t row_stride;              // by: 0, or 1 + the input (u32 ids) whose value selects the row: address += value · row_stride
} Output;

typedef enum {
  CALL_MAP,                  // outputs = program over dims
  CALL_REDUCE_LANES,         // anchor: program's prologue over dims + one more (reduced, the lanes), summed or maximised
                             //   over it into one value per point of dims; 16 canonical lanes, halves 8 4 2 1. No epilogue
                             //   but plain MAP steps on dims
  CALL_REDUCE_ROWS,          // anchor: prologue over [reduced] + dims; sum over the reduced dim (any but the last) by blocks
                             //   and tree (max: plain), then epilogue on dims, lanes along dims' last; dims may be empty:
                             //   a scalar (then inside a block 16 canonical lanes run along the reduced dim). reduced.groups_of: by the tree alone
  CALL_DOT,                  // anchor[m, n] = Σ_k left · right, dims = [m, n], k ascending fma chain (blocked + tree when
                             //   k is rows); n runs over lanes: right has stride 1 along n. Then epilogue on dims
  CALL_SPREAD,               // out[v, j] = Σ over rows r ascending with ids[r] = v of in[r, j]; zeroed first; no program. Of
                             //   lists: over r ascending, then i ascending below the row's length, with ids[r, i] = v of
                             //   in[r, j, i]
  CALL_ROWS,                 // dims [C] or [C, d], of the ids that the batch names (`sorted`): anchor[u, j] = Σ over the first inputs s, as many
                             //   as `sorted` has lists of places, of (Σ of input s over the u-th id's places in list s, rows and then
                             //   items ascending); then the program. Their domain is [rows] + dims
  CALL_BAG,                  // dims [d, rows]: out[r, j] = Σ_i table[ids[r, i], j], i ascending: reduced is i. No program. Input 0 the ids,
                             //   input 1 the table; items are of columns. dims [d, rows, k]: and from there on + Σ_k x[r, k]·w[k, j], an fma
                             //   chain; inputs 2 and 3
  CALL_SPREAD_BAG,           // dims [d, V]: out[v, j] = Σ over the rows r that `lists` has for v of in[r, j]: reduced is rows. No program
  CALL_HOST                  // a C routine of the runtime (host.h): `host` says all; dims are those of its result
} CallKind;

static inline const char *call_kind_name(CallKind k) {
  static const char *const names[] = {
    [CALL_MAP] = "map", [CALL_REDUCE_LANES] = "sum_lanes", [CALL_REDUCE_ROWS] = "sum_rows", [CALL_DOT] = "dot", [CALL_SPREAD] = "spread",
    [CALL_ROWS] = "rows", [CALL_BAG] = "bag", [CALL_SPREAD_BAG] = "spread_bag", [CALL_HOST] = "host",
  };
  return names[k];
}

typedef struct {
  CallKind kind;
  const char *name;          // of the anchor or last node, for symbols and profiles: "trunk.wide"
  Place at;                  // of the same in the spec
  Dim dims[MAX_DIMS]; int n_dims;
  Dim reduced;               // REDUCE_*, DOT: k
  OpId reduce_op;            // OP_SUM, OP_AMAX
  Val *vals; int n_vals;     // topological
  Input *inputs; int n_inputs;
  Output *outputs; int n_outputs;
  int anchor;                // index in vals, or −1
  // DOT: addresses of the operands, elements
  // stride_mn: left along m, right along n (1)
  struct { int buffer; int64_t offset, stride_mn, stride_k; DType dtype; } left, right;
  // SPREAD: ids input 0, values input 1, output 0; dims = [V, d]; reduced = rows. Of lists: their lengths (reals) input 2,
  // dims = [V, d, m], d being 1 where there is no such axis
  // ROWS: what sort_ids made (host.h): C, N and S of it; of lists: how far apart an input has the items of a row
  struct { int buffer; int64_t offset, distinct, ids; int sources; int64_t item_stride[SORT_SOURCES]; } sorted;
  // SPREAD_BAG: what by_id made (host.h): each `rows` rows of the batch have `words`
  struct { int buffer; int64_t offset, rows, words; } lists;
  // REDUCE_ROWS, DOT: in a phase over rows, the sums of each group's rows by themselves, which are so many (0: all rows'): some blocks, a power of
  // two; they stand group_stride elements behind those of the group before it. The rows are those of the reduced dim
  int64_t by_group, group_stride;
  int64_t items;             // fixed calls: how many items (blocks of the first dim); row calls: unused
  int64_t item_rows;         // fixed calls: rows of dims[0] per item
  HostArgs host;             // HOST; inputs, outputs, vals are then empty
} Call;

// Calls without a program: rows of a value are summed by ids.
static inline bool moves_rows(CallKind k) { return k == CALL_SPREAD || k == CALL_BAG || k == CALL_SPREAD_BAG; }

// Is an input read on the anchor's operand domain? An index is where what it selects rows of is.
static inline bool input_prologue(const Call *c, int input) {
  if (moves_rows(c->kind) || (c->kind == CALL_ROWS && input < c->sorted.sources)) return true;
  for (int v = 0; v < c->n_vals; v++)
    if (c->vals[v].kind == VAL_INPUT && c->vals[v].input == input) return c->vals[v].prologue;
  for (int i = 0; i < c->n_inputs; i++)
    if (c->inputs[i].index == input) return input_prologue(c, i);
  return false;
}

// A phase: calls in order. over_rows: every call has dims[0].is_rows, or is by_group; items are groups of `group` rows, each item runs all
// calls on its rows. Otherwise items of the calls one after the other: call 0 has items 0 … calls[0].items−1, and so on.
// is_host: all calls are CALL_HOST, and no function is generated; else none is. goes_on: over rows, in turns with the phase before it,
// group by group (Graph.by_call).
// of_slots: from slots alone, in a program that changes none: what it writes stays until the program's end, and need not be made again.
typedef struct { const char *symbol; bool over_rows, goes_on, of_slots; int64_t group; Call *calls; int n_calls; bool is_host; } Phase;
typedef struct { Phase *phases; int n_phases; int *outs; int n_outs; } SchedProgram;

typedef struct {
  Arena *arena;
  const Graph *graph[N_PROGRAMS];                // as scheduled: plan/lower.c made it from the graph given
  DType dtype; int64_t capacity;
  VEC(Buffer) buffers;
  VEC(PlanSlot) slots;
  const uint64_t *sites; int n_sites;            // of random numbers
  int64_t slot_bytes, rows_bytes, local_bytes;   // local_bytes: of one worker
  int64_t block;             // CB: rows of a block of cross-row sums: 64 if capacity < 1024, else 128
  SchedProgram programs[N_PROGRAMS];
  const Sources *sources;    // of the calls' places, for debuggers (DEBUG_INFO): the object then has lines; NULL: it has none
} Schedule;

// data: dense_width, n_ids, n_labels for the IN buffers. All graphs share slots (same table, same order) and IN, RT, SLOT
// buffers. NULL: something cannot be scheduled; the errors (code "unsupported") are in the graphs' diag.
Schedule *schedule(Arena *a, const Graph *const graphs[N_PROGRAMS], int dense_width, int n_ids, int n_labels);
// cost.c: of a call on a full batch. bytes: of what it reads and writes, each element once.
typedef struct { double flops, bytes; } CallCost;
CallCost call_cost(const Call *c);
void schedule_check(const Schedule *s);          // BUG on a broken invariant: see sched_check.c
void schedule_print(const Schedule *s, Text *out);
void schedule_plan(const Schedule *s, StepPlan *out);   // the runtime's view
#endif
