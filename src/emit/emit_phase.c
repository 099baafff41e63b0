// emit_phase.c: phase functions: void fn(void *const *buf, i64 lo, i64 hi, i64 worker). Each calls kernels on the rows
// of its items. Over rows: item i is rows i·group … min(n, (i+1)·group) − 1, all calls on them, one after the other.
// Otherwise each call has a range of items, blocks of item_rows of its dims[0]; the items that the caller asks for are
// consecutive, so that one kernel call does them.
#include "emit_int.h"

typedef struct { Emit *e; Value buf, n; Value *base; } PhaseState;      // base: buffer → its pointer, loaded in the entry

static Value buffer_pointer(PhaseState *s, int buffer) {
  LL *l = &s->e->l;
  if (s->base[buffer]) return s->base[buffer];
  const Buffer *b = &s->e->s->buffers.data[buffer];
  Value slot = ll_at(l, l->ptr, s->buf, ll_i64(l, buffer));
  return s->base[buffer] = ll_load(l, l->ptr, slot, 8, b->name ? b->name : "buf");
}

static Value argument(PhaseState *s, const Param *p) {
  LL *l = &s->e->l;
  if (p->kind == PARAM_PTR)
    return ll_at(l, emit_type(s->e, p->dtype), s->base[p->buffer], ll_i64(l, p->offset));
  if (p->kind == PARAM_EXTENT && p->is_rows) return s->n;
  return ll_i64(l, p->value);
}

static void call_kernel(PhaseState *s, const Call *c, Value lo, Value hi) {
  Emit *e = s->e;
  LL *l = &e->l;
  KernelFn *k = kernel_for(e, c);
  Params ps = {0};
  kernel_params(e, c, NULL, &ps);
  Value *args = NEW_ARRAY(e->arena, Value, ps.n + 2);
  for (int i = 0; i < ps.n; i++) args[i] = argument(s, &ps.data[i]);
  args[ps.n] = lo;
  args[ps.n + 1] = hi;
  LLVMBuildCall2(l->b, k->type, k->fn, args, (unsigned)ps.n + 2, "");
}

static void load_buffers(PhaseState *s, const Phase *p) {
  for (int i = 0; i < p->n_calls; i++) {
    Params ps = {0};
    kernel_params(s->e, &p->calls[i], NULL, &ps);
    for (int j = 0; j < ps.n; j++)
      if (ps.data[j].kind == PARAM_PTR) buffer_pointer(s, ps.data[j].buffer);
  }
}

static void rows_body(PhaseState *s, const Phase *p, Value lo, Value hi) {
  Emit *e = s->e;
  LL *l = &e->l;
  Loop item;
  loop_begin(e, &item, lo, hi, 1, "item", 0, NULL);
  Value from = LLVMBuildMul(l->b, item.i, ll_i64(l, p->group), "row.lo");
  Value to = ll_min(l, ll_add(l, from, ll_i64(l, p->group)), s->n);
  Block some = ll_block(l, "rows"), next = ll_block(l, "next");
  ll_if(l, ll_icmp(l, LLVMIntSLT, from, to), some, next);
  ll_go(l, some);
  for (int i = 0; i < p->n_calls; i++) call_kernel(s, &p->calls[i], from, to);
  ll_br(l, next);
  ll_go(l, next);
  loop_end(e, &item, NULL);
}

// Items first … first + items − 1 of the phase are call c's.
static void fixed_call(PhaseState *s, const Call *c, int64_t first, Value lo, Value hi) {
  LL *l = &s->e->l;
  Value zero = ll_i64(l, 0);
  Value a = ll_max(l, ll_sub(l, lo, ll_i64(l, first)), zero);
  Value b = ll_min(l, ll_sub(l, hi, ll_i64(l, first)), ll_i64(l, c->items));
  if (c->n_dims > 0) {
    Value size = c->dims[0].is_rows ? s->n : ll_i64(l, c->kind == CALL_ROWS ? c->sorted.distinct : c->dims[0].size);
    a = LLVMBuildMul(l->b, a, ll_i64(l, c->item_rows), "lo");
    b = ll_min(l, ll_mul(l, b, ll_i64(l, c->item_rows)), size);
  }
  Block some = ll_block(l, "call"), next = ll_block(l, "next");
  ll_if(l, ll_icmp(l, LLVMIntSLT, a, b), some, next);
  ll_go(l, some);
  call_kernel(s, c, a, b);
  ll_br(l, next);
  ll_go(l, next);
}

void emit_phase(Emit *e, const Phase *p) {
  LL *l = &e->l;
  Type t = LLVMFunctionType(l->none, (Type[]){l->ptr, l->i64, l->i64, l->i64}, 4, 0);
  l->fn = LLVMAddFunction(l->m, p->symbol, t);
  function_attributes(e, l->fn);
  static const char *const names[] = {"buf", "lo", "hi", "worker"};
  for (unsigned i = 0; i < 4; i++) LLVMSetValueName2(LLVMGetParam(l->fn, i), names[i], strlen(names[i]));
  ll_go(l, ll_block(l, "entry"));
  PhaseState s = {.e = e, .buf = LLVMGetParam(l->fn, 0), .base = NEW_ARRAY(e->arena, Value, e->s->buffers.n + 1)};
  Value lo = LLVMGetParam(l->fn, 1), hi = LLVMGetParam(l->fn, 2);
  for (int b = 0; b < e->s->buffers.n; b++)
    if (e->s->buffers.data[b].role == BUF_RT_INT && !s.n) {
      Value rt = ll_load(l, l->ptr, ll_at(l, l->ptr, s.buf, ll_i64(l, b)), 8, "rt");
      s.n = ll_load(l, l->i64, ll_at(l, l->i64, rt, ll_i64(l, RT_N)), 8, "n");
    }
  if (!s.n) { emit_error(e, "the schedule has no buffer of run-time integers"); s.n = ll_i64(l, 0); }
  load_buffers(&s, p);
  if (p->over_rows) rows_body(&s, p, lo, hi);
  else {
    int64_t first = 0;
    for (int i = 0; i < p->n_calls; first += p->calls[i++].items) fixed_call(&s, &p->calls[i], first, lo, hi);
  }
  LLVMBuildRetVoid(l->b);
}
