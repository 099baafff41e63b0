// emit_kernel.c: one function per structure of calls: its key, its parameters, and the state of its loop nest.
// The key says everything that decides the kernel's code and nothing that does not: sizes, offsets and strides are
// arguments, only whether a stride is 0, 1 along the lanes, or something else, is part of the key; and the length of short rows of
// large tables, which are too short to be a loop. So are the values of constants, unless three kernels or more differ by nothing else
// (emit_plan.c): then they are arguments, too.
#include "emit_int.h"

// ---------------------------------------------------------------- domains
int domain_axis(const Call *c, bool prologue, int i) {
  if (!prologue) return i;
  if (c->kind == CALL_REDUCE_LANES) return i == c->n_dims ? AXIS_REDUCED : i;   // dims, reduced
  return i == 0 ? AXIS_REDUCED : i - 1;                                         // reduced, dims
}

static int domain_rank(const Call *c, bool prologue) { return c->n_dims + (prologue ? 1 : 0); }

int64_t input_stride(const Call *c, bool prologue, int input, int axis) {
  for (int i = 0; i < domain_rank(c, prologue); i++)
    if (domain_axis(c, prologue, i) == axis) return c->inputs[input].stride[i];
  return 0;
}

static int lane_axis_of(const Call *c, bool prologue) {
  bool lanes_reduced = c->kind == CALL_REDUCE_LANES || (c->kind == CALL_REDUCE_ROWS && c->n_dims == 0);
  if (lanes_reduced) return prologue ? AXIS_REDUCED : -1;
  if (c->kind == CALL_BAG || c->kind == CALL_SPREAD_BAG || dot_is_column(c)) return 0;
  return c->kind == CALL_SPREAD && c->n_dims == 3 ? 1 : c->n_dims - 1;
}

// Rows of at most half a vector of 512 bits are done by vectors of 256, of which a processor does two at once.
int call_width(const Emit *e, const Call *c) {
  int width = kernel_width(e), last = c->n_dims - 1;
  bool by_lanes = c->kind == CALL_MAP || c->kind == CALL_DOT || c->kind == CALL_REDUCE_ROWS;
  if (e->target->lanes_f32 < 16 || !by_lanes || last < 1 || lane_axis_of(c, false) != last || at_run_time(c->dims[last])) return width;
  return c->dims[last].size <= width / 2 ? width / 2 : width;
}

// Elements of a row, where the call is about single rows of a large table; 0: of any number.
static int64_t short_row(const Emit *e, const Call *c) {
  enum { SHORT = 64 };
  bool far = c->kind == CALL_ROWS;
  for (int i = 0; i < c->n_inputs; i++) far |= is_far(e, &c->inputs[i]);
  bool is_short = c->n_dims == 2 && !at_run_time(c->dims[1]) && c->dims[1].size <= SHORT;
  return far && is_short && (c->kind == CALL_ROWS || c->kind == CALL_MAP) ? c->dims[1].size : 0;
}

// The input that an output is the new value of, element by element; −1: none.
static int read_at(const Call *c, const Output *o) {
  for (int i = 0; i < c->n_inputs; i++) {
    const Input *in = &c->inputs[i];
    bool same = in->buffer == o->buffer && in->offset == o->offset && in->index == o->by - 1 && in->index_stride == o->row_stride;
    for (int d = 0; d < c->n_dims; d++) same &= in->stride[d] == o->stride[d];
    if (same && !input_prologue(c, i)) return i;
  }
  return -1;
}

// An earlier input with the same strides, both being slots, as a weight and its optimizer's state: one place in the row serves all of
// them; −1: none.
static int strides_as(const Emit *e, const Call *c, int input) {
  const Buffer *b = e->s->buffers.data;
  const Input *in = &c->inputs[input];
  for (int i = 0; i < input && b[in->buffer].role == BUF_SLOT; i++) {
    const Input *x = &c->inputs[i];
    bool alike = b[x->buffer].role == BUF_SLOT && input_prologue(c, i) == input_prologue(c, input);
    if (alike && !memcmp(x->stride, in->stride, sizeof x->stride)) return i;
  }
  return -1;
}

// ---------------------------------------------------------------- key
static char stride_class(int64_t stride, bool is_lane) { return stride == 0 ? '0' : is_lane && stride == 1 ? '1' : 's'; }

static void key_operands(const Emit *e, const Call *c, Text *out) {
  for (int i = 0; i < c->n_inputs; i++) {
    const Input *in = &c->inputs[i];
    bool pro = input_prologue(c, i);
    text_printf(out, " i%d:%d:%d:%d:%d:", in->dtype, in->index, is_far(e, in), pro, strides_as(e, c, i));
    for (int d = 0; d < domain_rank(c, pro); d++)
      text_char(out, stride_class(in->stride[d], domain_axis(c, pro, d) == lane_axis_of(c, pro)));
  }
  for (int i = 0; i < c->n_outputs; i++) {
    const Output *o = &c->outputs[i];
    text_printf(out, " o%d:%d:%d:%d:%d:", o->val, o->dtype, o->by, read_at(c, o), has_room(e, c, i));
    for (int d = 0; d < c->n_dims; d++) text_char(out, stride_class(o->stride[d], d == lane_axis_of(c, false)));
  }
}

void kernel_key(const Emit *e, const Call *c, bool constants, Text *out) {
  text_printf(out, "%d %d %d %d %d %lld", c->kind, c->n_dims, c->reduce_op, c->anchor, c->sorted.sources, (long long)short_row(e, c));
  for (int i = 0; i < c->n_dims; i++)
    if (c->dims[i].named) text_printf(out, " distinct%d", i);
  if (c->reduced.named) text_add(out, " distinct");
  if (c->reduced.groups_of) text_printf(out, " groups of %lld", (long long)c->reduced.groups_of);
  if (c->by_group) text_add(out, c->by_group == e->s->block ? " by block" : " by group");
  if (c->kind == CALL_DOT) {
    DotTiles t = dot_tiles(e, c);
    text_printf(out, " dot%d:%d:%d:%d:%dx%d%c:%c%c", at_run_time(c->dims[0]), at_run_time(c->reduced), c->left.dtype, c->right.dtype, t.mr, t.nv,
                t.columns, stride_class(c->left.stride_mn, true), stride_class(c->left.stride_k, true));
  }
  text_printf(out, " t%d w%d", transposed_input(e, c), call_width(e, c));
  for (int v = 0; v < c->n_vals; v++) {
    const Val *x = &c->vals[v];
    text_printf(out, " v%d:%d:%d:%d", x->kind, x->kind == VAL_OP ? (int)x->op : 0, x->dtype, x->prologue);
    if (x->kind == VAL_INPUT) text_printf(out, ":%d", x->input);
    if (x->kind == VAL_IOTA) text_printf(out, ":%d", x->dim);
    if (x->kind == VAL_CONST && constants) text_printf(out, ":%a", x->f);
    for (int i = 0; i < x->n_in; i++) text_printf(out, ",%d", x->in[i]);
  }
  key_operands(e, c, out);
}

// ---------------------------------------------------------------- parameters
static Param *param(Emit *e, Params *out, ParamKind kind, Value *dest, const char *fmt, ...) PRINTF_LIKE(5, 6);
static Param *param(Emit *e, Params *out, ParamKind kind, Value *dest, const char *fmt, ...) {
  Param p = {.kind = kind, .dest = dest};
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(p.name, sizeof p.name, fmt, ap);
  va_end(ap);
  vec_push(e->arena, out, p);
  return &out->data[out->n - 1];
}

static void param_ptr(Emit *e, Params *out, Value *dest, const char *name, int i, int buffer, int64_t offset, DType t) {
  Param *p = i < 0 ? param(e, out, PARAM_PTR, dest, "%s", name) : param(e, out, PARAM_PTR, dest, "%s%d", name, i);
  p->buffer = buffer;
  p->offset = offset;
  p->dtype = t;
}

static void param_i64(Emit *e, Params *out, Value *dest, int64_t v, const char *name, int i, int axis) {
  if (axis == AXIS_REDUCED) param(e, out, PARAM_I64, dest, "%s%d.sr", name, i)->value = v;
  else param(e, out, PARAM_I64, dest, "%s%d.s%d", name, i, axis)->value = v;
}

static void input_params(Emit *e, const Call *c, Kernel *k, Params *out) {
  for (int i = 0; i < c->n_inputs; i++) {
    const Input *in = &c->inputs[i];
    bool pro = input_prologue(c, i);
    param_ptr(e, out, k ? &k->st.in[i] : NULL, "in", i, in->buffer, in->offset, in->dtype);
    for (int d = 0; d < domain_rank(c, pro) && strides_as(e, c, i) < 0; d++) {
      int axis = domain_axis(c, pro, d);
      if (stride_class(in->stride[d], axis == lane_axis_of(c, pro)) == 's')
        param_i64(e, out, k ? &k->in_stride[i][axis] : NULL, in->stride[d], "in", i, axis);
      else if (k && in->stride[d] == 1) k->in_stride[i][axis] = ll_i64(&e->l, 1);
    }
    if (in->index >= 0) param(e, out, PARAM_I64, k ? &k->index_stride[i] : NULL, "in%d.row", i)->value = in->index_stride;
  }
}

static void output_params(Emit *e, const Call *c, Kernel *k, Params *out) {
  for (int i = 0; i < c->n_outputs; i++) {
    const Output *o = &c->outputs[i];
    if (read_at(c, o) >= 0) continue;
    param_ptr(e, out, k ? &k->st.out[i] : NULL, "out", i, o->buffer, o->offset, o->dtype);
    for (int d = 0; d < c->n_dims; d++)
      if (stride_class(o->stride[d], d == lane_axis_of(c, false)) == 's')
        param_i64(e, out, k ? &k->out_stride[i][d] : NULL, o->stride[d], "out", i, d);
      else if (k && o->stride[d] == 1) k->out_stride[i][d] = ll_i64(&e->l, 1);
    if (o->by) param(e, out, PARAM_I64, k ? &k->row_stride[i] : NULL, "out%d.row", i)->value = o->row_stride;
  }
}

static void dot_params(Emit *e, const Call *c, Kernel *k, Params *out) {
  Value one = ll_i64(&e->l, 1), zero = ll_i64(&e->l, 0);
  param_ptr(e, out, k ? &k->left : NULL, "left", -1, c->left.buffer, c->left.offset, c->left.dtype);
  if (k) k->left_mn = c->left.stride_mn == 1 ? one : zero;
  if (k) k->left_k = c->left.stride_k == 1 ? one : zero;
  if (c->left.stride_mn > 1 || c->left.stride_mn < 0)
    param(e, out, PARAM_I64, k ? &k->left_mn : NULL, "left.sm")->value = c->left.stride_mn;
  if (c->left.stride_k > 1 || c->left.stride_k < 0)
    param(e, out, PARAM_I64, k ? &k->left_k : NULL, "left.sk")->value = c->left.stride_k;
  param_ptr(e, out, k ? &k->right : NULL, "right", -1, c->right.buffer, c->right.offset, c->right.dtype);
  param(e, out, PARAM_I64, k ? &k->right_k : NULL, "right.sk")->value = c->right.stride_k;
}

static void extent_param(Emit *e, Params *out, Value *dest, Dim d, const char *name, int i) {
  Param *p = i < 0 ? param(e, out, PARAM_EXTENT, dest, "%s", name) : param(e, out, PARAM_EXTENT, dest, "%s%d", name, i);
  p->dim = d;
}

static void rows_params(Emit *e, const Call *c, Kernel *k, Params *out) {
  param(e, out, PARAM_I64, k ? &k->distinct : NULL, "distinct")->value = c->sorted.distinct;
  param(e, out, PARAM_I64, k ? &k->ids : NULL, "ids")->value = c->sorted.ids;
  for (int i = 0; i < c->sorted.sources; i++)
    param(e, out, PARAM_I64, k ? &k->item_stride[i] : NULL, "item%d.s", i)->value = c->sorted.item_stride[i];
}

static void lists_params(Emit *e, const Call *c, Kernel *k, Params *out) {
  param_ptr(e, out, k ? &k->lists : NULL, "lists", -1, c->lists.buffer, c->lists.offset, U32);
  param(e, out, PARAM_I64, k ? &k->list_rows : NULL, "lists.rows")->value = c->lists.rows;
  param(e, out, PARAM_I64, k ? &k->list_words : NULL, "lists.words")->value = c->lists.words;
}

// A constant as the word that a call of a kernel with `constants` passes, and back.
static int64_t constant_word(const Val *x) {
  uint64_t word = 0;
  float single = (float)x->f;
  if (x->dtype == F32) memcpy(&word, &single, sizeof single);
  else if (x->dtype == F64) memcpy(&word, &x->f, sizeof word);
  else word = (uint64_t)(int64_t)x->f;
  return (int64_t)word;
}

static Value constant_value(Emit *e, const Val *x, Value word) {
  LL *l = &e->l;
  bool wide = x->dtype == F64 || x->dtype == I64, real = x->dtype == F32 || x->dtype == F64;
  Value bits = wide ? word : LLVMBuildTrunc(l->b, word, l->i32, "");
  return real ? ll_bits(l, bits, emit_type(e, x->dtype)) : bits;
}

static void constant_params(Emit *e, const Call *c, Kernel *k, Params *out) {
  for (int v = 0; v < c->n_vals; v++)
    if (c->vals[v].kind == VAL_CONST) param(e, out, PARAM_I64, k ? &k->st.known[v] : NULL, "const%d", v)->value = constant_word(&c->vals[v]);
}

void kernel_params(Emit *e, const KernelFn *f, const Call *c, Kernel *k, Params *out) {
  if (f->constants) constant_params(e, c, k, out);
  if (c->kind == CALL_ROWS) param_ptr(e, out, k ? &k->sorted : NULL, "sorted", -1, c->sorted.buffer, c->sorted.offset, U32);
  if (c->kind == CALL_ROWS) rows_params(e, c, k, out);
  if (c->kind == CALL_SPREAD_BAG) lists_params(e, c, k, out);
  if (c->kind == CALL_DOT) dot_params(e, c, k, out);
  input_params(e, c, k, out);
  output_params(e, c, k, out);
  int64_t row = short_row(e, c);
  if (row && k) k->extent[1] = ll_i64(&e->l, row);
  if (c->by_group) {
    param(e, out, PARAM_I64, k ? &k->group : NULL, "group")->value = c->by_group;
    param(e, out, PARAM_I64, k ? &k->group_stride : NULL, "group.s")->value = c->group_stride;
  }
  for (int d = c->by_group ? 0 : row ? 2 : 1; d < c->n_dims; d++) extent_param(e, out, k ? &k->extent[d] : NULL, c->dims[d], "size", d);
  if (c->kind != CALL_MAP) extent_param(e, out, k ? &k->extent[AXIS_REDUCED] : NULL, c->reduced, "reduced", -1);
}

// ---------------------------------------------------------------- state
Value kernel_alloca(Kernel *k, Type t, int64_t n, const char *name) {
  LL *l = &k->e->l;
  Block here = ll_here(l);
  ll_go(l, k->entry);
  Value a = LLVMBuildArrayAlloca(l->b, t, ll_i64(l, n), name);
  LLVMSetAlignment(a, 64);
  ll_go(l, here);
  return a;
}

static void *copy(Emit *e, const void *from, size_t bytes) {
  void *to = arena_alloc(e->arena, bytes + 1);
  if (bytes) memcpy(to, from, bytes);
  return to;
}

static State state_copy(Kernel *k) {
  const Call *c = k->c;
  State s = k->st;
  s.in = copy(k->e, s.in, sizeof(Value) * (size_t)c->n_inputs);
  s.out = copy(k->e, s.out, sizeof(Value) * (size_t)c->n_outputs);
  s.resolved = copy(k->e, s.resolved, sizeof(bool) * (size_t)c->n_inputs);
  s.out_resolved = copy(k->e, s.out_resolved, sizeof(bool) * (size_t)c->n_outputs);
  s.known = copy(k->e, s.known, sizeof(Value) * (size_t)c->n_vals);
  return s;
}

State kernel_keep(Kernel *k) {
  State back = k->st;
  k->st = state_copy(k);
  return back;
}

State kernel_enter(Kernel *k, int axis, Value idx) {
  LL *l = &k->e->l;
  State back = kernel_keep(k);
  for (int i = 0; i < k->c->n_inputs; i++)
    if (k->in_stride[i][axis])
      k->st.in[i] = ll_at(l, emit_type(k->e, k->c->inputs[i].dtype), k->st.in[i], ll_mul(l, idx, k->in_stride[i][axis]));
  for (int i = 0; i < k->c->n_outputs; i++)
    if (k->out_stride[i][axis])
      k->st.out[i] = ll_at(l, emit_type(k->e, k->c->outputs[i].dtype), k->st.out[i], ll_mul(l, idx, k->out_stride[i][axis]));
  k->st.idx[axis] = k->st.idx[axis] ? ll_add(l, k->st.idx[axis], idx) : idx;
  k->st.entered |= 1u << axis;
  return back;
}

static unsigned input_axes(const Kernel *k, int input) {
  unsigned m = 0;
  for (int a = 0; a < N_AXES; a++)
    if (k->in_stride[input][a]) m |= 1u << a;
  return m;
}

// Axes along which val v varies, itself or through its operands.
static unsigned val_deps(const Kernel *k, int v) {
  const Call *c = k->c;
  const Val *x = &c->vals[v];
  unsigned m = 0;
  if (x->kind == VAL_ANCHOR) return 1u << 31;                 // known only where it is made
  if (x->kind == VAL_IOTA && x->dim >= 0) return 1u << domain_axis(c, x->prologue, x->dim);
  if (x->kind == VAL_INPUT)
    for (int i = x->input; i >= 0; i = c->inputs[i].index) m |= input_axes(k, i);
  for (int i = 0; i < x->n_in; i++) m |= k->deps[x->in[i]];
  return m;
}

static unsigned settled(const Kernel *k, int lane_axis) {      // axes entered, but not as lanes
  return lane_axis < 0 ? k->st.entered : k->st.entered & ~(1u << lane_axis);
}

// p, moved on to the row that input ix selects.
static Value to_row(Kernel *k, int ix, DType t, Value p, Value stride) {
  LL *l = &k->e->l;
  DType id_type = k->c->inputs[ix].dtype;
  Value id = ll_load(l, emit_type(k->e, id_type), k->st.in[ix], dtype_bytes(id_type), "id");
  return ll_at(l, emit_type(k->e, t), p, ll_mul(l, LLVMBuildZExt(l->b, id, l->i64, ""), stride));
}

void kernel_resolve(Kernel *k, int lane_axis) {
  const Call *c = k->c;
  for (int i = 0; i < c->n_inputs; i++) {
    int ix = c->inputs[i].index;
    if (ix < 0 || k->st.resolved[i] || (input_axes(k, ix) & ~settled(k, lane_axis))) continue;
    k->st.in[i] = to_row(k, ix, c->inputs[i].dtype, k->st.in[i], k->index_stride[i]);
    k->st.resolved[i] = true;
  }
  for (int i = 0; i < c->n_outputs; i++) {
    int ix = c->outputs[i].by - 1;
    if (ix < 0 || k->st.out_resolved[i] || (input_axes(k, ix) & ~settled(k, lane_axis))) continue;
    k->st.out[i] = to_row(k, ix, c->outputs[i].dtype, k->st.out[i], k->row_stride[i]);
    k->st.out_resolved[i] = true;
  }
}

static bool input_ready(const Kernel *k, int v) {
  const Val *x = &k->c->vals[v];
  if (x->kind == VAL_INPUT && k->c->inputs[x->input].index >= 0 && !k->st.resolved[x->input]) return false;
  for (int i = 0; i < x->n_in; i++)
    if (!k->st.known[x->in[i]] && !input_ready(k, x->in[i])) return false;
  return true;
}

void kernel_hoist(Kernel *k, int lane_axis) {
  Point p = point_new(k, 1, -1, NULL);
  for (int v = 0; v < k->c->n_vals; v++)
    if (!k->st.known[v] && k->c->vals[v].kind != VAL_CONST && !(k->deps[v] & ~settled(k, lane_axis)) && input_ready(k, v))
      k->st.known[v] = eval(k, &p, v);
}

// ---------------------------------------------------------------- the function
static void (*const emitters[])(Kernel *) = {[CALL_MAP] = emit_map, [CALL_REDUCE_LANES] = emit_reduce_lanes,
                                             [CALL_REDUCE_ROWS] = emit_reduce_rows, [CALL_DOT] = emit_dot,
                                             [CALL_SPREAD] = emit_spread, [CALL_ROWS] = emit_rows,
                                             [CALL_BAG] = emit_bag, [CALL_SPREAD_BAG] = emit_spread_bag};

// The rows lo … hi−1 are a group, each with all of dims.
static void emit_group(Kernel *k) {
  LL *l = &k->e->l;
  Value number = LLVMBuildUDiv(l->b, k->lo, k->group, "number");
  k->st.out[0] = ll_at(l, emit_type(k->e, k->c->outputs[0].dtype), k->st.out[0], ll_mul(l, number, k->group_stride));
  k->from = k->lo, k->to = k->hi;
  k->lo = ll_i64(l, 0), k->hi = k->extent[0];
  emitters[k->c->kind](k);
}

static void attribute(Emit *e, Value fn, const char *key, const char *value) {
  LLVMAttributeRef a = LLVMCreateStringAttribute(e->l.cx, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
  LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, a);
}

void function_attributes(Emit *e, Value fn) {
  unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
  LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(e->l.cx, nounwind, 0));
  attribute(e, fn, "target-cpu", e->target->cpu);
  if (e->target->features && *e->target->features) attribute(e, fn, "target-features", e->target->features);
  if (e->target->lanes_f32 < 16) return;
  attribute(e, fn, "prefer-vector-width", "512");
  attribute(e, fn, "min-legal-vector-width", "512");
}

static Kernel kernel_state(Emit *e, const Call *c) {
  Arena *a = e->arena;
  Kernel k = {.e = e, .c = c};
  k.width = call_width(e, c);
  k.st.in = NEW_ARRAY(a, Value, c->n_inputs + 1);
  k.st.out = NEW_ARRAY(a, Value, c->n_outputs + 1);
  k.st.resolved = NEW_ARRAY(a, bool, c->n_inputs + 1);
  k.st.out_resolved = NEW_ARRAY(a, bool, c->n_outputs + 1);
  k.st.known = NEW_ARRAY(a, Value, c->n_vals + 1);
  k.in_stride = arena_alloc(a, sizeof *k.in_stride * (size_t)(c->n_inputs + 1));
  k.out_stride = arena_alloc(a, sizeof *k.out_stride * (size_t)(c->n_outputs + 1));
  k.index_stride = NEW_ARRAY(a, Value, c->n_inputs + 1);
  k.row_stride = NEW_ARRAY(a, Value, c->n_outputs + 1);
  k.in_prologue = NEW_ARRAY(a, uint8_t, c->n_inputs + 1);
  k.deps = NEW_ARRAY(a, unsigned, c->n_vals + 1);
  for (int i = 0; i < c->n_inputs; i++) k.in_prologue[i] = input_prologue(c, i);
  return k;
}

// Other parts see a kernel, nobody else does.
void kernel_declare(Emit *e, KernelFn *f) {
  LL *l = &e->l;
  Params ps = {0};
  if (f->fn) return;
  kernel_params(e, f, f->call, NULL, &ps);
  Type *types = NEW_ARRAY(e->arena, Type, ps.n + 2);
  for (int i = 0; i < ps.n; i++) types[i] = ps.data[i].kind == PARAM_PTR ? l->ptr : l->i64;
  types[ps.n] = types[ps.n + 1] = l->i64;
  f->type = LLVMFunctionType(l->none, types, (unsigned)ps.n + 2, 0);
  f->fn = LLVMAddFunction(l->m, f->name, f->type);
  if (e->part.of == 1) LLVMSetLinkage(f->fn, LLVMInternalLinkage);
  else LLVMSetVisibility(f->fn, LLVMHiddenVisibility);
  function_attributes(e, f->fn);
}

static void bind_params(Kernel *k, const Params *ps) {
  Value fn = k->e->l.fn;
  for (int i = 0; i <= ps->n + 1; i++) {
    Value p = LLVMGetParam(fn, (unsigned)i);
    const char *name = i < ps->n ? ps->data[i].name : i == ps->n ? "lo" : "hi";
    LLVMSetValueName2(p, name, strlen(name));
    if (i < ps->n) *ps->data[i].dest = p;
  }
  k->lo = LLVMGetParam(fn, (unsigned)ps->n);
  k->hi = LLVMGetParam(fn, (unsigned)ps->n + 1);
  for (int i = 0; i < k->c->n_inputs; i++) {
    int as = strides_as(k->e, k->c, i);
    if (as >= 0) memcpy(k->in_stride[i], k->in_stride[as], sizeof k->in_stride[i]);
  }
  for (int i = 0; i < k->c->n_outputs; i++) {
    int in = read_at(k->c, &k->c->outputs[i]);
    if (in < 0) continue;
    k->st.out[i] = k->st.in[in], k->row_stride[i] = k->index_stride[in];
    memcpy(k->out_stride[i], k->in_stride[in], sizeof k->out_stride[i]);
  }
}

void kernel_define(Emit *e, KernelFn *f) {
  LL *l = &e->l;
  const Call *c = f->call;
  Kernel k = kernel_state(e, c);
  k.predicts = f->predicts;
  Params ps = {0};
  kernel_params(e, f, c, &k, &ps);
  kernel_declare(e, f);
  l->fn = f->fn;
  lines_function(e, f->fn, c->at);
  bind_params(&k, &ps);
  for (int v = 0; v < c->n_vals; v++) k.deps[v] = val_deps(&k, v);
  k.entry = ll_block(l, "entry");
  Block start = ll_block(l, "start");
  ll_go(l, start);
  for (int v = 0; v < c->n_vals && f->constants; v++)
    if (c->vals[v].kind == VAL_CONST) k.st.known[v] = constant_value(e, &c->vals[v], k.st.known[v]);
  kernel_resolve(&k, -1);
  kernel_hoist(&k, -1);
  k.from = ll_i64(l, 0), k.to = k.extent[AXIS_REDUCED];
  if (c->by_group) emit_group(&k);
  else emitters[c->kind](&k);
  LLVMBuildRetVoid(l->b);
  ll_go(l, k.entry);
  ll_br(l, start);
}
