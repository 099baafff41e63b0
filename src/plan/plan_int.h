// plan_int.h: what the files of the scheduler share.
#ifndef MTLC_PLAN_INT_H
#define MTLC_PLAN_INT_H
#include "sched.h"

// A cluster: one call in the making. At most one anchor (DOT, REDUCE, SPREAD) and MAP nodes on its result's domain.
typedef struct {
  CallKind kind;
  NodeId anchor;                          // 0: MAP
  int n_domain; AxisId domain[MAX_RANK];  // axes of the result that are not of size 1
  bool rows;                              // domain[0] is the batch axis
  bool free;                              // reads leaves alone
  bool apart;                             // takes no further nodes
  bool of_slots;                          // computed from slots alone, in a program that changes none
  VEC(NodeId) nodes;                      // MAP and GATHER nodes evaluated here, ascending; the anchor is not among them
  VEC(int) deps;   // clusters whose values it reads, and (order only) whose reads of a slot it must follow
  VEC(int) reads;                         // slots it reads
  int phase;                              // T
} Cluster;

typedef struct {                          // what the scheduler knows of a node
  int cluster;                            // that makes it, or −1: leaf, view, concat
  bool live, prologue;
  bool stored;                            // read outside of its cluster
  bool root;
  bool waits;                             // a gather that joins the cluster of its only reader
  bool told;                              // a comparison or a product that each reader makes anew of the one value in it: see fuse.c
  int n_users;                            // distinct readers; a root counts as two
  NodeId only_user;
  bool placed; Loc loc;
} Info;

typedef struct {
  Schedule *s;
  Graph *g;                               // lowered: see lower.c
  ProgramId program;
  bool by_call;                           // Graph.by_call
  Info *info;
  VEC(Cluster) clusters;
  uint64_t *reach; int reach_words;       // bit j of row i: cluster i comes after cluster j
  int *slot_buffer;                       // by slot
  NodeId *sorted;                         // by axis: of NAMED ones, the SORT_IDS that finds the ids
  bool *copy_slot;                        // by slot: its new value is stored first and copied when all reads are done
  bool again;                             // a slot was added to copy_slot: plan the program anew
  int dense, ids, y, w, rt_int, rt_real;  // buffers
} Planner;

// lower.c: a copy of the graph in which every concat operand is a value of its own, pads are concats, roots are computed
// values, dots are products of matrices, and copies are explicit (STOP). copy_slot: by slot, its assign is a copy apart.
// NULL: something cannot be scheduled; the error is in the graph's diag.
enum { COPY_PACKED = 1, COPY_APART = 1 };                             // attributes i1, i2 of a STOP
Graph *lower(const Graph *g, const bool *copy_slot);
static inline bool is_packed(const Graph *g, NodeId n) {
  return node(g, n)->op == OP_STOP && node(g, n)->attr.i[1] == COPY_PACKED;
}
static inline bool is_apart(const Graph *g, NodeId n) {
  return node(g, n)->op == OP_STOP && node(g, n)->attr.i[2] == COPY_APART;
}
// rows.c: update[n] = the sum of spreads that n is computed from, or part of, where it is evaluated for the rows named alone; 0 elsewhere.
void   row_updates(const Graph *g, NodeId *update);
NodeId spread_of(const Graph *g, NodeId top, int i);                 // the i-th that such a sum adds, from 0; 0: there are not so many
bool   is_row_assign(const Graph *g, NodeId n);                       // SELECT(touched(…), x, as it was)
// Is x, an operand of n, the same for all rows of the table that n has? Axes are aligned from the right.
bool   repeats_by_row(const Graph *g, NodeId n, NodeId x);
// Axis of a unit move's operand that is axis i of its result; −1: that is of size 1.
int    axis_under_unit_move(const Graph *g, NodeId n, int axis);
// Same value, other unit axes: RESHAPE that only adds or drops axes of size 1, sums over one. Gives the value underneath.
NodeId see_through(const Graph *g, NodeId n);
bool   is_unit_move(const Graph *g, NodeId n);
bool   reshapes_rows(const Graph *g, NodeId n);                       // of a value without the batch axis: all axes but the last
bool   is_unit(const Graph *g, AxisId a);
int    domain_of(const Graph *g, NodeId n, AxisId *out);              // axes that are not of size 1
static inline bool is_view(const Graph *g, NodeId n) {
  OpId op = node(g, n)->op;
  return op == OP_SLICE || op == OP_RESHAPE || op == OP_BROADCAST || op == OP_TRANSPOSE || op == OP_NUMBER || is_unit_move(g, n);
}
// Are ids, of a gather, those that the batch names, each once? Else they are of its rows.
static inline bool names_rows(const Graph *g, NodeId ids) { return node(g, ids)->op != OP_IDS && node(g, ids)->op != OP_NUMBER; }
static inline bool is_leaf(const Graph *g, NodeId n) { return op_rows[node(g, n)->op].kind == KIND_LEAF; }
static inline bool is_pointwise(const Graph *g, NodeId n) {
  return op_rows[node(g, n)->op].kind == KIND_MAP || node(g, n)->op == OP_GATHER;
}
// Position in operand x's axes of axis i of its MAP user u, by the rule of broadcasting; −1: it repeats along it.
int    operand_axis(const Graph *g, NodeId u, NodeId x, int i);

void fuse(Planner *p);                                                // clusters
void phases(Planner *p);                                              // T of every cluster
void place(Planner *p);                                               // buffers and Locs of stored values
void share_memory(Planner *p, const Phase *ph, int n_ph, int first);  // share.c: offsets of ROWS buffers from index first on
Loc  loc_of(Planner *p, NodeId n);                                    // of a leaf, view or stored value
int  add_buffer(Schedule *s, const char *name, BufferRole role, DType t, int64_t rows_a, int64_t rows_b, int64_t cols);
int  out_buffer(Planner *p, const Root *r);
Call make_call(Planner *p, int cluster);
void set_items(Call *c);                                              // of a fixed call: by its kind and dims
void split_sums(Planner *p, Phase *ph, int n);                         // blocks.c: sums over rows in two parts, where that pays
int64_t leading_dimension(int64_t cols);

// cost.c
double   call_ns(const Call *c);                                      // about how long one core takes
double   calls_ns(const Call *calls, int n);
// A phase of less than this is not shared among threads, and one that is gets about so many items at least.
enum { SHARED_NS = 15000, SHARED_ITEMS = 16 };
#endif
