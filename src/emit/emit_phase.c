// emit_phase.c: phase functions: void fn(void *const *buf, i64 lo, i64 hi, i64 worker). Each calls kernels on the rows
// of its items. Over rows: item i is rows i·group … min(n, (i+1)·group) − 1, all calls on them, one after the other.
// Otherwise each call has a range of items, blocks of item_rows of its dims[0]; the items that the caller asks for are
// consecutive, so that one kernel call does them. Calls of one kernel that follow one another are a loop over a table of their
// arguments: what is generated grows with the kernels, not with the calls; items are numbered so that such calls do.
#include "emit_int.h"

// base: buffer → its pointer, loaded in the entry; from: the group's first row, NULL in a phase that is not over rows
typedef struct { Emit *e; Value buf, n, from; Value *base; } PhaseState;

static Value buffer_pointer(PhaseState *s, int buffer) {
  LL *l = &s->e->l;
  if (s->base[buffer]) return s->base[buffer];
  const Buffer *b = &s->e->s->buffers.data[buffer];
  Value slot = ll_at(l, l->ptr, s->buf, ll_i64(l, buffer));
  return s->base[buffer] = ll_load(l, l->ptr, slot, 8, b->name ? b->name : "buf");
}

// ---------------------------------------------------------------- what one call is given
// Constants in straight-line code; in a loop, words of the table.
typedef struct { Value *args; Value first, items, item_rows, size; } Given;   // args but for lo, hi; the others: fixed calls

static Value pointer(PhaseState *s, const Param *p, Value base, Value offset) {
  return ll_at(&s->e->l, emit_type(s->e, p->dtype), base, offset);
}

// Of a buffer of a group's rows alone the first is the group's: how far apart rows are there, else 0.
static int64_t local_stride(const Emit *e, int buffer) {
  const Buffer *b = &e->s->buffers.data[buffer];
  return b->role == BUF_LOCAL ? b->ld : 0;
}

// Where row 0 would be.
static Value offset_of_rows(PhaseState *s, Value offset, Value stride) {
  LL *l = &s->e->l;
  return s->from ? ll_sub(l, offset, ll_mul(l, s->from, stride)) : offset;
}

static Dim rows_of(const Call *c) { return c->n_dims == 0 ? (Dim){.size = 1} : c->dims[0]; }   // where the call's items count

static Value first_word(PhaseState *s, Value p) {          // of what sort_ids made: how many distinct ids there are
  LL *l = &s->e->l;
  return LLVMBuildZExt(l->b, ll_load(l, l->i32, p, 4, "distinct"), l->i64, "");
}

static Value groups_of(PhaseState *s, int64_t rows) {      // of n rows
  LL *l = &s->e->l;
  return LLVMBuildUDiv(l->b, ll_add(l, s->n, ll_i64(l, rows - 1)), ll_i64(l, rows), "groups");
}

static Value extent_of(PhaseState *s, Dim d) {
  return d.groups_of ? groups_of(s, d.groups_of) : d.is_rows ? s->n : d.named ? first_word(s, s->base[d.named - 1]) : ll_i64(&s->e->l, d.size);
}

static Value constant_pointer(PhaseState *s, const Param *p) {
  LL *l = &s->e->l;
  Value offset = ll_i64(l, p->offset);
  int64_t stride = local_stride(s->e, p->buffer);
  return pointer(s, p, s->base[p->buffer], stride ? offset_of_rows(s, offset, ll_i64(l, stride)) : offset);
}

static Given constants(PhaseState *s, const KernelFn *k, const Call *c, int64_t first) {
  Emit *e = s->e;
  LL *l = &e->l;
  Params ps = {0};
  kernel_params(e, k, c, NULL, &ps);
  Given g = {.args = NEW_ARRAY(e->arena, Value, ps.n + 2), .first = ll_i64(l, first), .items = ll_i64(l, c->items)};
  for (int i = 0; i < ps.n; i++) {
    const Param *p = &ps.data[i];
    g.args[i] = p->kind == PARAM_PTR ? constant_pointer(s, p)
              : p->kind == PARAM_EXTENT ? extent_of(s, p->dim) : ll_i64(l, p->value);
  }
  g.item_rows = ll_i64(l, c->n_dims ? c->item_rows : 1);
  g.size = extent_of(s, rows_of(c));
  return g;
}

// ---------------------------------------------------------------- tables
typedef VEC(int64_t) Words;

// An extent as a word: itself; −1: n; below: −2 − the buffer whose first word it is.
static int64_t extent_word(Dim d) { return d.is_rows ? -1 : d.named ? -1 - d.named : d.size; }

// One row: first, items, item_rows, size; then for each parameter its buffer, offset and local_stride(), its extent or its value.
static void put_words(Emit *e, const KernelFn *k, const Call *c, int64_t first, Words *w) {
  Params ps = {0};
  kernel_params(e, k, c, NULL, &ps);
  const int64_t items[] = {first, c->items, c->n_dims ? c->item_rows : 1, extent_word(rows_of(c))};
  for (int i = 0; i < COUNT_OF(items); i++) vec_push(e->arena, w, items[i]);
  for (int i = 0; i < ps.n; i++) {
    const Param *p = &ps.data[i];
    vec_push(e->arena, w, p->kind == PARAM_PTR ? p->buffer : p->kind == PARAM_EXTENT ? extent_word(p->dim) : p->value);
    if (p->kind != PARAM_PTR) continue;
    vec_push(e->arena, w, p->offset);
    vec_push(e->arena, w, local_stride(e, p->buffer));
  }
}

static Value table_of(Emit *e, const Words *w) {
  LL *l = &e->l;
  Value *words = NEW_ARRAY(e->arena, Value, w->n);
  for (int i = 0; i < w->n; i++) words[i] = ll_i64(l, w->data[i]);
  Value t = LLVMAddGlobal(l->m, LLVMArrayType2(l->i64, (uint64_t)w->n), "calls");
  LLVMSetInitializer(t, LLVMConstArray2(l->i64, words, (uint64_t)w->n));
  LLVMSetGlobalConstant(t, 1);
  LLVMSetLinkage(t, LLVMPrivateLinkage);
  LLVMSetAlignment(t, 8);
  return t;
}

typedef struct { PhaseState *s; Value row; int at; } Reader;

static Value next_word(Reader *r) {
  LL *l = &r->s->e->l;
  return ll_load(l, l->i64, ll_at(l, l->i64, r->row, ll_i64(l, r->at++)), 8, "");
}

static Value loaded_extent(PhaseState *s, Dim d, Value word) {
  LL *l = &s->e->l;
  if (d.groups_of) return groups_of(s, d.groups_of);       // part of the key
  if (!d.named) return ll_select(l, ll_icmp(l, LLVMIntSLT, word, ll_i64(l, 0)), s->n, word);
  return first_word(s, ll_load(l, l->ptr, ll_at(l, l->ptr, s->buf, ll_sub(l, ll_i64(l, -2), word)), 8, "sorted"));
}

static Value loaded_pointer(Reader *r, const Param *p, Value buffer) {
  PhaseState *s = r->s;
  LL *l = &s->e->l;
  Value base = ll_load(l, l->ptr, ll_at(l, l->ptr, s->buf, buffer), 8, "base"), offset = next_word(r);
  return pointer(s, p, base, offset_of_rows(s, offset, next_word(r)));
}

static Given loaded(PhaseState *s, const KernelFn *k, const Call *c, Value row) {
  Emit *e = s->e;
  Params ps = {0};
  Reader r = {s, row, 0};
  kernel_params(e, k, c, NULL, &ps);
  Given g = {.args = NEW_ARRAY(e->arena, Value, ps.n + 2)};
  g.first = next_word(&r), g.items = next_word(&r), g.item_rows = next_word(&r), g.size = loaded_extent(s, rows_of(c), next_word(&r));
  for (int i = 0; i < ps.n; i++) {
    const Param *p = &ps.data[i];
    Value v = next_word(&r);
    g.args[i] = p->kind == PARAM_PTR ? loaded_pointer(&r, p, v) : p->kind == PARAM_EXTENT ? loaded_extent(s, p->dim, v) : v;
  }
  return g;
}

// ---------------------------------------------------------------- calls
static void call_kernel(PhaseState *s, const Call *c, const KernelFn *k, const Given *g, Value lo, Value hi) {
  Emit *e = s->e;
  Params ps = {0};
  kernel_params(e, k, c, NULL, &ps);
  g->args[ps.n] = lo;
  g->args[ps.n + 1] = hi;
  LLVMBuildCall2(e->l.b, k->type, k->fn, g->args, (unsigned)ps.n + 2, "");
}

// The call's part of the phase's items lo … hi−1.
static void fixed_call(PhaseState *s, const Call *c, const KernelFn *k, const Given *g, Value lo, Value hi) {
  LL *l = &s->e->l;
  Value a = ll_max(l, ll_sub(l, lo, g->first), ll_i64(l, 0)), b = ll_min(l, ll_sub(l, hi, g->first), g->items);
  a = LLVMBuildMul(l->b, a, g->item_rows, "lo");
  b = ll_min(l, LLVMBuildMul(l->b, b, g->item_rows, "hi"), g->size);
  Block some = ll_block(l, "call"), next = ll_block(l, "next");
  ll_if(l, ll_icmp(l, LLVMIntSLT, a, b), some, next);
  ll_go(l, some);
  call_kernel(s, c, k, g, a, b);
  ll_br(l, next);
  ll_go(l, next);
}

static void one_call(PhaseState *s, const Phase *p, const Call *c, const KernelFn *k, const Given *g, Value lo, Value hi) {
  if (p->over_rows) call_kernel(s, c, k, g, lo, hi);
  else fixed_call(s, c, k, g, lo, hi);
}

// ---------------------------------------------------------------- runs of one kernel
typedef struct { const Call **calls; KernelFn **kernel; int64_t *first; int n; } Ordered;         // the phase's calls as they are emitted

enum { SHORTEST_LOOP = 3 };

static int run_length(const Ordered *o, int from) {
  int n = 1;
  while (from + n < o->n && o->kernel[from + n] == o->kernel[from]) n++;
  return n < SHORTEST_LOOP ? 1 : n;
}

static void emit_run(PhaseState *s, const Phase *p, const Ordered *o, int from, int n, Value lo, Value hi) {
  Emit *e = s->e;
  LL *l = &e->l;
  lines_at(e, o->calls[from]->at);
  if (n == 1) {
    Given g = constants(s, o->kernel[from], o->calls[from], o->first[from]);
    one_call(s, p, o->calls[from], o->kernel[from], &g, lo, hi);
    return;
  }
  Words w = {0};
  for (int i = 0; i < n; i++) put_words(e, o->kernel[from], o->calls[from + i], o->first[from + i], &w);
  Value table = table_of(e, &w);
  Loop call;
  loop_begin(e, &call, ll_i64(l, 0), ll_i64(l, n), 1, "call", 0, NULL);
  Given g = loaded(s, o->kernel[from], o->calls[from], ll_at(l, l->i64, table, ll_mul(l, call.i, ll_i64(l, w.n / n))));
  one_call(s, p, o->calls[from], o->kernel[from], &g, lo, hi);
  loop_end(e, &call, NULL);
}

static void emit_calls(PhaseState *s, const Phase *p, const Ordered *o, Value lo, Value hi) {
  for (int i = 0, n; i < o->n; i += n) {
    n = run_length(o, i);
    emit_run(s, p, o, i, n, lo, hi);
  }
}

// Calls over rows stay in order; fixed calls, which do not touch what others write, by kernel, in order of its first call.
static Ordered in_order(Emit *e, const Phase *p, KernelFn *const *k) {
  int n = p->n_calls;
  Ordered o = {NEW_ARRAY(e->arena, const Call *, n + 1), NEW_ARRAY(e->arena, KernelFn *, n + 1), NEW_ARRAY(e->arena, int64_t, n + 1), 0};
  bool *taken = NEW_ARRAY(e->arena, bool, n + 1);
  for (int i = 0; i < n; i++) kernel_declare(e, k[i]);
  for (int i = 0; i < n; i++)
    for (int j = i; j < n && !taken[i]; j++) {
      if (taken[j] || (j > i && (p->over_rows || k[j] != k[i]))) continue;
      o.kernel[o.n] = k[j];
      o.calls[o.n++] = &p->calls[j];
      if (j > i) taken[j] = true;
    }
  for (int i = 1; i < n; i++) o.first[i] = o.first[i - 1] + o.calls[i - 1]->items;
  return o;
}

static void load_buffers(PhaseState *s, const Ordered *o) {        // of what stands in straight-line code, once
  for (int i = 0, n; i < o->n; i += n) {
    n = run_length(o, i);
    if (n > 1) continue;
    Params ps = {0};
    kernel_params(s->e, o->kernel[i], o->calls[i], NULL, &ps);
    for (int j = 0; j < ps.n; j++)
      if (ps.data[j].kind == PARAM_PTR) buffer_pointer(s, ps.data[j].buffer);
      else if (ps.data[j].dim.named) buffer_pointer(s, ps.data[j].dim.named - 1);
    if (rows_of(o->calls[i]).named) buffer_pointer(s, rows_of(o->calls[i]).named - 1);
  }
}

static void rows_body(PhaseState *s, const Phase *p, const Ordered *o, Value lo, Value hi) {
  Emit *e = s->e;
  LL *l = &e->l;
  Loop item;
  loop_begin(e, &item, lo, hi, 1, "item", 0, NULL);
  Value from = LLVMBuildMul(l->b, item.i, ll_i64(l, p->group), "row.lo");
  Value to = ll_min(l, ll_add(l, from, ll_i64(l, p->group)), s->n);
  Block some = ll_block(l, "rows"), next = ll_block(l, "next");
  ll_if(l, ll_icmp(l, LLVMIntSLT, from, to), some, next);
  ll_go(l, some);
  s->from = from;
  emit_calls(s, p, o, from, to);
  ll_br(l, next);
  ll_go(l, next);
  loop_end(e, &item, NULL);
}

void emit_phase(Emit *e, const Phase *p, const PhaseCode *code) {
  LL *l = &e->l;
  Type t = LLVMFunctionType(l->none, (Type[]){l->ptr, l->i64, l->i64, l->i64}, 4, 0);
  l->fn = LLVMAddFunction(l->m, p->symbol, t);
  function_attributes(e, l->fn);
  static const char *const names[] = {"buf", "lo", "hi", "worker"};
  for (unsigned i = 0; i < 4; i++) LLVMSetValueName2(LLVMGetParam(l->fn, i), names[i], strlen(names[i]));
  ll_go(l, ll_block(l, "entry"));
  lines_function(e, l->fn, p->calls[0].at);
  PhaseState s = {.e = e, .buf = LLVMGetParam(l->fn, 0), .base = NEW_ARRAY(e->arena, Value, e->s->buffers.n + 1)};
  Value lo = LLVMGetParam(l->fn, 1), hi = LLVMGetParam(l->fn, 2);
  for (int b = 0; b < e->s->buffers.n; b++)
    if (e->s->buffers.data[b].role == BUF_RT_INT && !s.n) {
      Value rt = ll_load(l, l->ptr, ll_at(l, l->ptr, s.buf, ll_i64(l, b)), 8, "rt");
      s.n = ll_load(l, l->i64, ll_at(l, l->i64, rt, ll_i64(l, RT_N)), 8, "n");
    }
  if (!s.n) { emit_error(e, "the schedule has no buffer of run-time integers"); s.n = ll_i64(l, 0); }
  Ordered o = in_order(e, p, code->kernel);
  load_buffers(&s, &o);
  if (p->over_rows) rows_body(&s, p, &o, lo, hi);
  else emit_calls(&s, p, &o, lo, hi);
  LLVMBuildRetVoid(l->b);
}
