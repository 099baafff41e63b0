// compile.c: the list of passes on a forward graph: gradients and updates join it, each program keeps what its roots reach,
// and all programs are scheduled over one set of slots and buffers.
#include "compile.h"
#include "graph/balance.h"

static const char *const eval_roots[] = { "head:*", "output:*", "sum:*", "weight:*" };
static const char *const predict_roots[] = { "head:*", "output:*" };
static const char *const train_roots[] = { "sum:*", "weight:*", "term:*", "balance", TIDY_ASSIGNS };
static const char *const losses_roots[] = { "task:*", "known:*" };
static const char *const gram_roots_of[] = { "gram", "gram.known" };
static const char *const grads_roots[] = { "grad:*", "sum:*", "weight:*" };

// The parameters that train: unfrozen PARAM slots.
static int trainable(const Graph *g, Arena *a, int **slots) {
  *slots = NEW_ARRAY(a, int, g->slots.n + 1);
  int n = 0;
  for (int i = 0; i < g->slots.n; i++)
    if (g->slots.data[i].role == SLOT_PARAM && !g->slots.data[i].frozen) (*slots)[n++] = i;
  return n;
}

// Needs: g->loss. Gives: adjoints of the trainable slots, as updates by optim_row or (−1) as roots "grad:PATH".
static void differentiate(Graph *g, int optim_row, const double *optim_args, bool grads_out) {
  int *slots, n = trainable(g, g->arena, &slots);
  NodeId *reads = NEW_ARRAY(g->arena, NodeId, n + 1), *grads = NEW_ARRAY(g->arena, NodeId, n + 1);
  for (int i = 0; i < n; i++) reads[i] = graph_read(g, slots[i], g->slots.data[slots[i]].at);
  step_gradients(g, slots, reads, n, grads);
  if (g->wants_gram) g->wants_gram = gram_roots(g, slots, reads, n);
  graph_check(g);
  for (int i = 0; grads_out && i < n; i++)
    if (grads[i]) graph_out(g, arena_printf(g->arena, "grad:%s", g->slots.data[slots[i]].path), grads[i]);
  if (optim_row >= 0) optim(g, optim_row, optim_args, slots, grads, n);
  graph_check(g);
}

static void fill_programs(Graph *g, bool train, bool grads_out, int dense_width, const KeepRule *keep, Compiled *out) {
  out->program[PROG_EVAL] = tidy_for(g, eval_roots, COUNT_OF(eval_roots), false);
  out->program[PROG_PREDICT] = tidy_for(g, predict_roots, COUNT_OF(predict_roots), false);
  if (train) out->program[PROG_TRAIN] = tidy_for(g, train_roots, COUNT_OF(train_roots), true);
  if (grads_out) out->program[PROG_GRADS] = tidy_for(g, grads_roots, COUNT_OF(grads_roots), true);
  if (train) out->program[PROG_TRAIN] = keep_fixed(out->program[PROG_TRAIN], kept_first(dense_width), keep, &out->kept);
  out->program[PROG_KEEP] = out->kept.once;
  if (train && balance_looks_again(g)) out->program[PROG_LOSSES] = tidy_for(g, losses_roots, COUNT_OF(losses_roots), true);
  if (train && g->wants_gram) out->program[PROG_GRAM] = tidy_for(g, gram_roots_of, COUNT_OF(gram_roots_of), false);
  for (int p = 0; p < N_PROGRAMS; p++)
    if (out->program[p]) graph_check(out->program[p]);
}

// What the environment says of a rewrite: VARIABLE=off|auto|on.
typedef enum { REWRITE_AUTO, REWRITE_OFF, REWRITE_ON } Rewrite;

static Rewrite forced(Diag *d, const char *variable, const char *code) {
  const char *said = getenv(variable);
  if (!said || !*said || !strcmp(said, "auto")) return REWRITE_AUTO;
  if (!strcmp(said, "on")) return REWRITE_ON;
  if (strcmp(said, "off")) diag_machine(d, code, "%s=%s is none of off, auto, on", variable, said);
  return REWRITE_OFF;
}

const PushRule *push_rule(Diag *d) {
  static const DistinctRule distinct[] = { [REWRITE_AUTO] = { .row = 24, .id = 750 }, [REWRITE_ON] = { .always = true } };
  static const PushRule rules[][3] = {
    [REWRITE_AUTO] = { { .row = 12, .distinct = &distinct[REWRITE_AUTO] }, { .row = 12 }, { .row = 12, .distinct = &distinct[REWRITE_ON] } },
    [REWRITE_OFF] = { { .never = true, .distinct = &distinct[REWRITE_AUTO] }, { .never = true }, { .never = true, .distinct = &distinct[REWRITE_ON] } },
    [REWRITE_ON] = { { .always = true, .distinct = &distinct[REWRITE_AUTO] }, { .always = true }, { .always = true, .distinct = &distinct[REWRITE_ON] } },
  };
  Rewrite whole = forced(d, "MTLC_PUSH", "bad-push"), by_distinct = forced(d, "MTLC_DISTINCT", "bad-distinct");
  return &rules[whole][by_distinct];
}

const KeepRule *keep_rule(Diag *d) {
  static const KeepRule rules[] = { [REWRITE_AUTO] = { .column = 16, .least = 1000 }, [REWRITE_ON] = { .always = true } };
  Rewrite said = forced(d, "MTLC_KEEP", "bad-keep");
  return said == REWRITE_OFF ? NULL : &rules[said];
}

// ---------------------------------------------------------------- where the runtime finds what balancing makes
static int buffer_named(const Schedule *s, BufferRole role, const char *name) {
  for (int i = 0; i < s->buffers.n; i++)
    if (s->buffers.data[i].role == role && !strcmp(s->buffers.data[i].name, name)) return i;
  return -1;
}

static PlanBalance balance_plan(const Graph *g, const Schedule *s) {
  TaskLoss task[BALANCE_TASKS];
  PlanBalance b = { .method = -1, .weights = buffer_named(s, BUF_OUT, "balance"), .memory = -1,
                    .gram = buffer_named(s, BUF_OUT, "gram"), .gram_known = buffer_named(s, BUF_OUT, "gram.known") };
  if (b.weights < 0) return b;
  b.method = g->balance->row;
  memcpy(b.arg, g->balance->arg, sizeof b.arg);
  b.memory = buffer_named(s, BUF_SLOT, arena_printf(g->arena, "balance.%s", balance_rows[b.method].name));
  if (!balance_looks_again(g)) return b;
  int n = balance_tasks(g, task), *loss = NEW_ARRAY(g->arena, int, n), *known = NEW_ARRAY(g->arena, int, n);
  for (int k = 0; k < n; k++) {
    loss[k] = buffer_named(s, BUF_OUT, arena_printf(g->arena, "task:%s", task[k].name));
    known[k] = buffer_named(s, BUF_OUT, arena_printf(g->arena, "known:%s", task[k].name));
  }
  b.loss = loss, b.known = known;
  return b;
}

static bool plan(Graph *g, int dense_width, int n_ids, int n_labels, Compiled *out, Diag *d) {
  const Graph *programs[N_PROGRAMS];
  for (int p = 0; p < N_PROGRAMS; p++) programs[p] = out->program[p];
  if (out->kept.width) dense_width = out->kept.first + out->kept.width;
  out->schedule = schedule(g->arena, programs, dense_width, n_ids, n_labels);
  if (!out->schedule || diag_errors(d)) return false;
  schedule_check(out->schedule);
  if (env_is_on(DEBUG_INFO)) out->schedule->sources = diag_sources(d);
  schedule_plan(out->schedule, &out->plan);
  out->plan.kept_first = out->kept.first, out->plan.kept_width = out->kept.width;
  out->balance = balance_plan(g, out->schedule);
  return true;
}

bool compile_graph(Graph *g, int optim_row, const double *optim_args, int dense_width, int n_ids, int n_labels, Compiled *out, Diag *d) {
  *out = (Compiled){ .forward = g };
  g = push_gathers(g, push_rule(d), NULL);
  differentiate(g, optim_row, optim_args, optim_row < 0 || g->dtype == F64);
  fill_programs(g, optim_row >= 0, optim_row < 0 || g->dtype == F64, dense_width, keep_rule(d), out);
  for (int p = 0; p < N_PROGRAMS; p++)
    if (out->program[p]) out->program[p]->by_call = out->forward->by_call;
  gemm_set(out->program, N_PROGRAMS, g->blas, d);
  return plan(g, dense_width, n_ids, n_labels, out, d);
}
