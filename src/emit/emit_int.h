// emit_int.h: what the files of the emitter share.
//
// One kernel function serves all calls of equal structure (kernel_key). Its arguments, in the order of
// kernel_params: pointers to the first point of every operand, strides that are neither 0 nor 1, extents, then the
// range lo … hi−1 of dims[0], which is never empty. A kernel is emitted by walking its loop nest; `State` says where
// in the nest the builder stands: a pointer per operand, advanced loop by loop, and the values already known.
//
// Axes of a kernel are numbered as dims; AXIS_REDUCED is the reduced one, in whatever place its domain has it.
#ifndef MTLC_EMIT_INT_H
#define MTLC_EMIT_INT_H
#include "emit.h"
#include "ll.h"

enum { AXIS_REDUCED = MAX_DIMS, N_AXES = MAX_DIMS + 1, MAX_TILE = 64 };
enum { CANONICAL_LANES = 16, MOST_LANES = 16 };   // lanes of a sum, whatever the target's width; of the widest target, in f32

typedef struct {
  LL l;
  const Schedule *s;
  const Target *target;
  Arena *arena;
  bool has_fma, has_mask;                   // of the target: fused multiply-add, masked loads and stores
  int tree_levels;                          // depth of the stack of partial sums: covers the longest reduced extent
  Part part;                                // that is made
  VEC(struct KernelFn *) kernels;           // of all parts: emit_plan
  struct PhaseCode *phase[N_PROGRAMS];
  struct Lines *lines;                      // NULL: none are wanted
  char *error;                              // malloc'd, first error; NULL: none
} Emit;

typedef struct KernelFn {
  const char *key, *loose, *name;           // loose: the key but for the values of constants
  struct KernelFn *into;                    // the kernel that serves in its place, NULL: none
  bool constants;                           // the values of constants are arguments
  const Call *call;                         // the first that it serves
  bool predicts;                            // a call of PREDICT, where a row may come alone
  double cost; int part;                    // what its code takes to generate, about; the part that has it
  Value fn; Type type;                      // NULL: not declared in this part so far
  Text serves;                              // names of the calls, for the printed text
  const char *last_served;
} KernelFn;
typedef struct PhaseCode { KernelFn **kernel; int part; } PhaseCode;    // of each call

// ---- parameters of a kernel, and the arguments of one call of it
typedef enum { PARAM_PTR, PARAM_I64, PARAM_EXTENT } ParamKind;
typedef struct {
  ParamKind kind;
  char name[64];
  int buffer; int64_t offset; DType dtype;  // PTR
  int64_t value;                            // I64
  Dim dim;                                  // EXTENT
  Value *dest;                              // where the kernel under construction wants the parameter
} Param;
typedef VEC(Param) Params;

// ---- state of a kernel under construction
typedef struct {
  Value *in, *out;                          // pointer per input, output
  bool *resolved, *out_resolved;            // input, output: its index has been added to the pointer
  Value *known;                             // val → scalar computed once outside of inner loops, or NULL
  Value idx[N_AXES];                        // position along each axis entered
  unsigned entered;                         // bit per axis
} State;

typedef struct {
  Emit *e;
  const Call *c;
  bool predicts;                            // KernelFn.predicts
  int width;                                // lanes of a vector of the schedule's dtype
  int side_by_side;                         // vectors that `lanes` gives its body at once, where there are as many; 0: one
  State st;
  Block entry;                              // allocas go here
  Value lo, hi;
  Value from, to;                           // of the reduced axis
  Value group, group_stride;                // by_group: rows of a whole group
  Value extent[N_AXES];
  Value left, right, left_mn, left_k, right_k;   // DOT
  Value sorted;                                  // ROWS
  Value distinct, ids, item_stride[SORT_SOURCES];   // ROWS
  Value lists, list_rows, list_words;            // SPREAD_BAG
  Value (*in_stride)[N_AXES], (*out_stride)[N_AXES];   // NULL: 0
  Value *index_stride, *row_stride;         // of inputs, outputs
  uint8_t *in_prologue;                     // domain of each input
  unsigned *deps;                           // val → axes that it varies along
} Kernel;

// A point of the domain under evaluation: `width` lanes along `lane_axis` (width 1: a scalar), `mask` NULL: all lanes on. Of a body
// of `lanes`: the first of `vectors` of them, one behind the other.
typedef struct { int width; int lane_axis; Value mask; Value *memo; int vectors; } Point;

// ---- emit.c
void emit_error(Emit *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
Type emit_type(Emit *e, DType t);
static inline int kernel_width(const Emit *e) { return e->target->lanes_f32 / (e->s->dtype == F64 ? 2 : 1); }
static inline bool dot_is_column(const Call *c) {
  return c->kind == CALL_DOT && !at_run_time(c->dims[1]) && c->dims[1].size == 1;
}
static inline unsigned dtype_bytes(DType t) { return t == F32 || t == U32 ? 4 : 8; }

// ---- emit_plan.c: sets kernels and phase; all but Emit.l is there
void emit_plan(Emit *e);

// ---- emit_lines.c: the spec's lines for debuggers. All do nothing where the schedule has no sources.
void lines_open(Emit *e);                                               // before the first function
void lines_close(Emit *e);                                              // after the last
void lines_function(Emit *e, Value fn, Place at);                       // what is built from now on is of fn, at this place
void lines_at(Emit *e, Place at);                                       // at another place of the same function

// ---- emit_phase.c
void emit_phase(Emit *e, const Phase *p, const PhaseCode *code);

// ---- emit_kernel.c: key, parameters, state
void kernel_params(Emit *e, const KernelFn *f, const Call *c, Kernel *k, Params *out);   // k NULL: only what the caller passes
int  call_width(const Emit *e, const Call *c);                          // lanes of a vector of its kernel: part of the key
void kernel_key(const Emit *e, const Call *c, bool constants, Text *out);   // constants: with their values
void kernel_declare(Emit *e, KernelFn *f);                              // if need be
void kernel_define(Emit *e, KernelFn *f);
int  domain_axis(const Call *c, bool prologue, int i);                  // position in a domain → axis
int64_t input_stride(const Call *c, bool prologue, int input, int axis);
Value kernel_alloca(Kernel *k, Type t, int64_t n, const char *name);
State kernel_keep(Kernel *k);                                           // returns the state to go back to
State kernel_enter(Kernel *k, int axis, Value idx);                     // does so, then goes idx further along the axis
static inline void kernel_leave(Kernel *k, State back) { k->st = back; }
// Both: what depends on entered axes only, lane_axis aside. hoist computes vals, resolve adds row indices to pointers.
void kernel_hoist(Kernel *k, int lane_axis);
void kernel_resolve(Kernel *k, int lane_axis);
void function_attributes(Emit *e, Value fn);

// ---- emit_ahead.c: rows of large tables that a loop along an axis selects by ids, before the loop and at its position i
bool is_far(const Emit *e, const Input *in);                            // rows of a large table: part of the key
void fetch_first(Kernel *k, int axis, Value from, Value to);
void fetch_next(Kernel *k, int axis, Value i, Value to);
Value position_ahead(Kernel *k, Value i, Value to);                     // where a loop to `to` will be when what is fetched at i is there
void fetch_elements(Kernel *k, DType t, Value p, Value elements);      // from p on, to be read soon

// ---- emit_map.c: evaluation of a program at a point
Point point_new(Kernel *k, int width, int lane_axis, Value mask);
Value eval(Kernel *k, Point *p, int val);                               // in the val's dtype, p->width lanes
void  eval_outputs(Kernel *k, Point *p);                                // evaluates and stores all outputs
Value load_input(Kernel *k, const Point *p, int input);                // in the input's dtype
bool  has_room(const Emit *e, const Call *c, int output);              // behind a row, for whole vectors where masks are dear: part of the key
Value load_output(Kernel *k, const Point *p, int output);
void  store_output(Kernel *k, const Point *p, int output, Value v);    // v in the output's dtype
Value convert(Emit *e, Value v, DType from, DType to);
Value emit_fma(Emit *e, Value a, Value b, Value c);                     // rounded once, on every target
int   program_cost(const Call *c, bool prologue);                       // about: instructions per vector
void  map_body(Kernel *k, Point *p, void *unused);                      // a BodyFn: the program at the point
void  emit_map(Kernel *k);

// ---- emit_transpose.c
int  transposed_input(const Emit *e, const Call *c);                    // the one input that a map reads by squares, −1: none; part of the key
void emit_transpose(Kernel *k, int input);
void turn_square(LL *l, Value *row, int width);                         // width vectors of as many f32: rows → columns; 4, 8 or 16

// ---- emit_math.c: f32 by polynomials, f64 by libm
Value math_exp(Emit *e, Value x);
Value math_log(Emit *e, Value x);
Value math_tanh(Emit *e, Value x);
Value math_sigmoid(Emit *e, Value x);
Value math_softplus(Emit *e, Value x);

// ---- emit_loop.c
typedef struct { Value i, to, step; Block pre, body, exit; int n; Value *init, *carried; } Loop;
// for (i = from; i < to; i += step), bottom-tested, with n carried values: carried[] inside, and the results after loop_end.
void loop_begin(Emit *e, Loop *l, Value from, Value to, int64_t step, const char *name, int n, const Value *init);
void loop_end(Emit *e, Loop *l, const Value *next);
typedef void BodyFn(Kernel *k, Point *p, void *ctx);
void nest(Kernel *k, int n_scalar, BodyFn *body, void *ctx);            // scalar loops, then lanes over the dim left
void lanes(Kernel *k, int axis, Value from, Value to, BodyFn *body, void *ctx);
Value lane_mask(Emit *e, int width, Value left);                        // lane < left
enum { MAX_ROW_VECTORS = 4 };
int   whole_row(const Kernel *k, Value to);                             // vectors of 0 … to−1 where these are so few that no loop is made; else 0
Value row_mask(Kernel *k, int vector, Value to);                        // of that vector of them; NULL: all lanes are on
// Sum over from … to−1 by blocks, combined by the aligned binary tree (see emit_reduce.c).
typedef struct { Kernel *k; Type t; int n; Value mem; int64_t level; } Partials;    // n vectors; level: vectors from one level to the next
// acc, the partial sum of block b, and what it completes: in acc, where no `more` blocks follow, and the builder stands there; else
// put away at the end of the block returned, which still has to go on to the next.
Block tree_step(const Partials *p, Value b, Value more, Value *acc);
typedef void PartialFn(Kernel *k, Value from, Value to, Value *acc, void *ctx);
void tree_sum(Kernel *k, Value from, Value to, Type t, int n, PartialFn *partial, void *ctx, Value *acc);

static inline bool is_block(const Kernel *k) { return k->c->by_group == k->e->s->block; }      // by_group, of one block each

// ---- the other kinds
void emit_reduce_lanes(Kernel *k);
void emit_reduce_rows(Kernel *k);
void emit_dot(Kernel *k);
// Rows and vectors of the wide tile; columns '1': one column; 'w': whole wide tiles, no masks; 'n': narrow tiles alone; 'f': flat
// ones alone; 'm': wide and narrow ones.
typedef struct { int mr, nv; char columns; } DotTiles;
DotTiles dot_tiles(const Emit *e, const Call *c);        // part of the key
void emit_spread(Kernel *k);
Value word(Kernel *k, Value list, Value i);              // list[i], u32, as i64
void emit_rows(Kernel *k);
void emit_bag(Kernel *k);
void emit_spread_bag(Kernel *k);
#endif
