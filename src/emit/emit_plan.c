// emit_plan.c: which kernels a schedule needs, and which part of the code each of them, and each phase, belongs to. Parts are modules of their
// own, so that they can be made side by side; every part comes to the same plan.
#include "emit_int.h"

// What code takes to generate, about, in lines of IR: those of a call in a phase.
static double kernel_cost(const Call *c) {
  static const double fixed[] = {[CALL_MAP] = 100, [CALL_REDUCE_LANES] = 230, [CALL_REDUCE_ROWS] = 370, [CALL_DOT] = 330, [CALL_SPREAD] = 170,
                                 [CALL_ROWS] = 400, [CALL_BAG] = 250, [CALL_SPREAD_BAG] = 350};
  return fixed[c->kind] + 3 * (c->n_vals + c->n_inputs + c->n_outputs);
}

static bool in_a_loop(const Phase *p, const PhaseCode *code, int call) {     // with an earlier call: emit_phase.c
  bool found = call > 0 && code->kernel[call] == code->kernel[call - 1];
  for (int i = 0; i < call && !p->over_rows && !found; i++) found = code->kernel[i] == code->kernel[call];
  return found;
}

static double phase_cost(const Phase *p, const PhaseCode *code) {
  double cost = 50;
  for (int i = 0; i < p->n_calls; i++)
    if (!in_a_loop(p, code, i)) cost += 10 + 3 * (p->calls[i].n_inputs + p->calls[i].n_outputs);
  return cost;
}

// ---------------------------------------------------------------- kernels
static bool name_taken(const Emit *e, const char *name) {
  for (int i = 0; i < e->kernels.n; i++)
    if (!strcmp(e->kernels.data[i]->name, name)) return true;
  return false;
}

// Of the first call that it serves; with a number where another kernel has that name.
static const char *kernel_name(const Emit *e, const Call *c) {
  const char *plain = arena_printf(e->arena, "%s.%s", call_kind_name(c->kind), c->name ? c->name : "unnamed"), *name = plain;
  for (int n = e->kernels.n; name_taken(e, name); n++) name = arena_printf(e->arena, "%s.%d", plain, n);
  return name;
}

static const char *key_of(Emit *e, const Call *c, bool constants) {
  Text key = {0};
  kernel_key(e, c, constants, &key);
  const char *kept = arena_strdup(e->arena, key.data);
  text_free(&key);
  return kept;
}

static void add_served(KernelFn *f, const char *name) {
  if (f->last_served && strcmp(f->last_served, name) == 0) return;
  text_printf(&f->serves, "%s%s", f->serves.n ? ", " : "", name);
  f->last_served = name;
}

static KernelFn *kernel_for(Emit *e, const Call *c) {
  const char *key = key_of(e, c, true);
  KernelFn *found = NULL;
  for (int i = 0; i < e->kernels.n && !found; i++)
    if (strcmp(e->kernels.data[i]->key, key) == 0) found = e->kernels.data[i];
  if (!found) {
    found = NEW(e->arena, KernelFn);
    *found = (KernelFn){ .key = key, .loose = key_of(e, c, false), .name = kernel_name(e, c), .call = c, .cost = kernel_cost(c) };
    vec_push(e->arena, &e->kernels, found);
  }
  add_served(found, c->name ? c->name : "unnamed");
  return found;
}

// Kernels that differ by the values of constants alone, where there are so many: the first serves all, and takes them as arguments.
enum { VARIANTS = 3 };

static void unite(Emit *e, KernelFn *f) {
  KernelFn *const *all = e->kernels.data;
  int n = 0;
  for (int i = 0; i < e->kernels.n; i++) n += !strcmp(all[i]->loose, f->loose);
  if (n < VARIANTS) return;
  f->constants = true;
  for (int i = 0; i < e->kernels.n; i++) {
    if (all[i] == f || strcmp(all[i]->loose, f->loose)) continue;
    all[i]->into = f;
    f->predicts |= all[i]->predicts;
    text_printf(&f->serves, ", %s", all[i]->serves.data);
  }
}

static void unite_kernels(Emit *e) {
  int n = 0;
  for (int i = 0; i < e->kernels.n; i++)
    if (!e->kernels.data[i]->into) unite(e, e->kernels.data[i]);
  for (int p = 0; p < N_PROGRAMS; p++)
    for (int i = 0; i < e->s->programs[p].n_phases; i++)
      for (int k = 0; e->phase[p][i].kernel && k < e->s->programs[p].phases[i].n_calls; k++)
        if (e->phase[p][i].kernel[k]->into) e->phase[p][i].kernel[k] = e->phase[p][i].kernel[k]->into;
  for (int i = 0; i < e->kernels.n; i++)
    if (!e->kernels.data[i]->into) e->kernels.data[n++] = e->kernels.data[i];
    else text_free(&e->kernels.data[i]->serves);
  e->kernels.n = n;
}

static void plan_phase(Emit *e, const Phase *ph, bool predicts, PhaseCode *code) {
  if (ph->is_host) return;
  code->kernel = NEW_ARRAY(e->arena, KernelFn *, ph->n_calls + 1);
  for (int i = 0; i < ph->n_calls; i++) {
    code->kernel[i] = kernel_for(e, &ph->calls[i]);
    code->kernel[i]->predicts |= predicts;
  }
}

// ---------------------------------------------------------------- parts
typedef struct { double cost; int at; int *part; } Piece;

static int by_cost(const void *a, const void *b) {                         // of equal ones the first: the same order in each part
  const Piece *x = a, *y = b;
  if (x->cost != y->cost) return x->cost < y->cost ? 1 : -1;
  return (x->at > y->at) - (x->at < y->at);
}

// Each piece, the dearest first, to the part that has least to do so far.
static void share_out(Piece *pieces, int n, int parts) {
  double load[MAX_PARTS] = {0};
  CHECK(parts >= 1 && parts <= MAX_PARTS);
  qsort(pieces, (size_t)n, sizeof *pieces, by_cost);
  for (int i = 0; i < n; i++) {
    int least = 0;
    for (int k = 1; k < parts; k++)
      if (load[k] < load[least]) least = k;
    *pieces[i].part = least;
    load[least] += pieces[i].cost;
  }
}

void emit_plan(Emit *e) {
  VEC(Piece) pieces = {0};
  for (int p = 0; p < N_PROGRAMS; p++) {
    const SchedProgram *prog = &e->s->programs[p];
    e->phase[p] = NEW_ARRAY(e->arena, PhaseCode, prog->n_phases + 1);
    for (int i = 0; i < prog->n_phases; i++) plan_phase(e, &prog->phases[i], p == PROG_PREDICT, &e->phase[p][i]);
  }
  unite_kernels(e);
  for (int p = 0; p < N_PROGRAMS; p++)
    for (int i = 0; i < e->s->programs[p].n_phases; i++) {
      PhaseCode *code = &e->phase[p][i];
      if (code->kernel) vec_push(e->arena, &pieces, ((Piece){phase_cost(&e->s->programs[p].phases[i], code), pieces.n, &code->part}));
    }
  for (int i = 0; i < e->kernels.n; i++)
    vec_push(e->arena, &pieces, ((Piece){e->kernels.data[i]->cost, pieces.n, &e->kernels.data[i]->part}));
  share_out(pieces.data, pieces.n, e->part.of);
}
