// warm_state.c: what a run's optimizer and balancing knew, for a training that goes on from it. The state of a parameter has its shape, or
// that of its first axes, and takes its way: element by element as the parameter itself. Steps are counted by parameter: what begins anew
// is corrected for as in its first steps, what goes on is not.
#include "warm_start.h"
#include <unistd.h>
#include "../runtime/balance.h"

// ---------------------------------------------------------------- the run's
// "trunk.w:adam.m": the parameter's path; NULL: it is no parameter's.
static const char *parameter_of(Arena *a, const char *path) {
  const char *colon = strrchr(path, ':');
  return colon ? arena_strndup(a, path, (size_t)(colon - path)) : NULL;
}

static bool is_state_of(const StoredTensor *x, const StoredTensor *p) {
  return p && x->dtype == p->dtype && x->rank <= p->rank && !memcmp(x->shape, p->shape, sizeof *x->shape * (size_t)x->rank);
}

bool warm_state_read(mtl_context *c, WarmRun *r) {
  const char *file = arena_printf(c->arena, "%s/" OPTIMIZER_FILE, r->folder);
  if (access(file, F_OK)) return true;
  r->state = weights_read(file, c->arena, c->diag);
  for (int i = 0; r->state && i < r->state->n; i++) {
    const StoredTensor *x = &r->state->tensors[i];
    const char *of = parameter_of(c->arena, x->path);
    if (!of || is_state_of(x, stored_at(r->weights, of))) continue;
    diag_data(c->diag, "bad-weights", file, 0, 0, NULL, "`%s` does not fit the run's weights", x->path);
    return false;
  }
  return r->state != NULL;
}

static int by_begun(const void *key, const void *x) { return strcmp(key, ((const Begun *)x)->path); }

static int64_t steps_behind(const WarmRun *old, const char *path) {
  const Begun *b = bsearch(path, old->info.begun, (size_t)old->info.n_begun, sizeof *b, by_begun);
  return old->info.steps + (b ? b->steps : 0);
}

// ---------------------------------------------------------------- the plan
static const Slot *slot_named(Graph *g, const char *path) {
  int i = graph_slot_named(g, path);
  return i < 0 ? NULL : &g->slots.data[i];
}

static int optimizer_row(const Model *m, const Slot *s) { return s->rule.optimizer ? s->rule.optimizer->row : m->optimizer.of.row; }

static bool has_state(const WarmRun *old, const char *path) {
  size_t n = strlen(path);
  for (int i = 0; i < old->state->n; i++)
    if (!strncmp(old->state->tensors[i].path, path, n) && old->state->tensors[i].path[n] == ':' && !strchr(old->state->tensors[i].path + n + 1, ':'))
      return true;
  return false;
}

static void plan_one(const Model *m, const WarmPlan *p, const WarmRun *old, WarmTensor *t) {
  const Slot *s = &p->g->slots.data[t->slot], *was = t->old_path ? slot_named(old->g, t->old_path) : NULL;
  int now = optimizer_row(m, s), before = was ? optimizer_row(old->m, was) : -1;
  if (t->action > WARM_PAD || !was) return;
  if (!old->state) t->state_why = "the run keeps none";
  else if (now != before) t->state_why = arena_printf(m->arena, "it is %s, and was %s in the run", optim_rows[now].name, optim_rows[before].name);
  else if (was->frozen) t->state_why = "the run did not train it";
  else t->goes_on = has_state(old, t->old_path);
}

static bool same_tasks(const Model *m, const Model *old) {
  bool same = m->n_tasks == old->n_tasks;
  for (int i = 0; same && i < m->n_tasks; i++) same = !strcmp(m->tasks[i].name, old->tasks[i].name);
  return same;
}

static const char *balance_path(const Model *m) {
  return m->balance.spec.row < 0 ? NULL : arena_printf(m->arena, "balance.%s", balance_rows[m->balance.spec.row].name);
}

static void plan_balance(const Model *m, const WarmRun *old, WarmPlan *p) {
  const char *path = balance_path(m);
  if (!path) return;
  if (!old->state) p->balance_why = "the run keeps none";
  else if (!stored_at(old->state, path)) p->balance_why = "the run balanced in another way";
  else if (!same_tasks(m, old->m)) p->balance_why = "the run had other tasks";
  else p->balance_goes_on = true;
}

void warm_state_plan(const Model *m, const WarmRun *old, WarmPlan *p) {
  p->begun = NEW_ARRAY(m->arena, Begun, p->n + 1);
  for (int i = 0; i < p->n; i++) {                                   // by path, as they are
    WarmTensor *t = &p->tensors[i];
    if (t->path && !t->state && !t->frozen) plan_one(m, p, old, t);
    if (t->goes_on) p->begun[p->n_begun++] = (Begun){t->path, steps_behind(old, t->old_path)};
  }
  plan_balance(m, old, p);
}

// ---------------------------------------------------------------- what it says
static void apply_one(const WarmPlan *p, const WarmRun *old, const PlanSlot *s, Engine *e) {
  for (int i = 0; i < p->n; i++) {
    const WarmTensor *t = &p->tensors[i];
    size_t n = t->goes_on ? strlen(t->path) : 0;
    if (!n || strncmp(s->path, t->path, n) || s->path[n] != ':') continue;
    const StoredTensor *x = stored_at(old->state, arena_printf(old->m->arena, "%s%s", t->old_path, s->path + n));
    if (x) warm_copy(t, x, s, e);
  }
}

static void apply_balance(const StoredTensor *x, const PlanSlot *s, Engine *e) {
  if (x->rank != 1 || x->dtype != F64 || s->dtype != F64 || x->shape[0] != s->shape[0]) return;
  double *memory = e->buf[s->buffer];
  memcpy(memory, x->data, sizeof *memory * (size_t)x->elements);
  memory[BALANCE_EPOCH] = 0;                                         // epochs are counted from 1 again
}

void warm_state_apply(const WarmPlan *p, const WarmRun *old, Engine *e) {
  for (int i = 0; i < e->plan->n_slots; i++) {
    const PlanSlot *s = &e->plan->slots[i];
    if (s->role == SLOT_OPT) apply_one(p, old, s, e);
    if (s->role == SLOT_BALANCE && p->balance_goes_on) apply_balance(stored_at(old->state, s->path), s, e);
  }
}

// Those that begin anew for the same reason on one line.
static void anew_text(const WarmPlan *p, Text *out) {
  for (int i = 0; i < p->n; i++) {
    const WarmTensor *t = &p->tensors[i];
    bool first = t->state_why != NULL;
    int n = 0;
    for (int k = 0; k < p->n && t->state_why; k++) {
      bool same = p->tensors[k].state_why && !strcmp(p->tensors[k].state_why, t->state_why);
      first &= !same || k >= i;
      n += same;
    }
    if (first) text_printf(out, "optimizer   begins anew for %d tensor%s: %s\n", n, n == 1 ? "" : "s", t->state_why);
  }
}

// How many steps are behind those that go on: the least and the most.
static void on_text(const WarmPlan *p, Text *out) {
  int64_t least = INT64_MAX, most = 0;
  for (int i = 0; i < p->n_begun; i++) {
    if (p->begun[i].steps < least) least = p->begun[i].steps;
    if (p->begun[i].steps > most) most = p->begun[i].steps;
  }
  if (!p->n_begun) return;
  text_printf(out, "optimizer   goes on for %d tensor%s, after %lld", p->n_begun, p->n_begun == 1 ? "" : "s", (long long)least);
  text_printf(out, least < most ? " to %lld steps\n" : " steps\n", (long long)most);
}

void warm_state_text(const WarmPlan *p, Text *out) {
  on_text(p, out);
  anew_text(p, out);
  if (p->balance_goes_on) text_add(out, "balance     goes on\n");
  if (p->balance_why) text_printf(out, "balance     begins anew: %s\n", p->balance_why);
}
