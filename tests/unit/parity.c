// parity.c: see parity.h.
#include "parity.h"

const Precision precisions[] = { { F32, "f32", 1e-6, 1e-5 }, { F64, "f64", 1e-10, 1e-10 } };

// ---------------------------------------------------------------- an engine with the file's numbers
// The optimizer's slots by their initialisers, the parameters from the file.
static void load_weights(Engine *e, const json_t *file, Arena *a) {
  engine_init(e, 1);
  for (int i = 0; i < e->plan->n_slots; i++) {
    const PlanSlot *s = &e->plan->slots[i];
    const Buffer *b = &e->plan->buffers[s->buffer];
    if (s->role != SLOT_PARAM) continue;
    const double *x = numbers(field(field(field(file, "weights"), s->path), "value"), b->rows_a * b->cols, a);
    for (int64_t k = 0; k < b->rows_a * b->cols; k++) put(e, s->buffer, k / b->cols * b->ld + k % b->cols, x[k]);
  }
}

static int64_t load_batch(Engine *e, const json_t *file, size_t at, Arena *a) {
  const json_t *batch = json_array_get(field(file, "batches"), at), *ids = field(batch, "ids");
  int64_t n = integer(batch, "n"), width = integer(file, "dense");
  int64_t labels = integer(file, "labels"), n_ids = integer(file, "ids");
  put_matrix(e, e->dense, numbers(field(batch, "dense"), n * width, a), n, width);
  put_matrix(e, e->y, numbers(field(batch, "y"), labels * n, a), labels, n);
  put_matrix(e, e->w, numbers(field(batch, "w"), labels * n, a), labels, n);
  assert_int_equal(json_array_size(ids), n * n_ids);
  for (int64_t k = 0; k < n * n_ids; k++) {
    uint32_t *to = e->buf[e->ids];
    to[k / n_ids * e->plan->buffers[e->ids].ld + k % n_ids] = (uint32_t)json_integer_value(json_array_get(ids, (size_t)k));
  }
  return n;
}

// ---------------------------------------------------------------- comparison
typedef struct { double bound, small, worst; const char *what; } Comparison;   // worst: the largest error seen

static void compare(Comparison *c, Engine *e, int buffer, const json_t *want, int64_t rows, Arena *a) {
  const Buffer *b = &e->plan->buffers[buffer];
  const double *x = numbers(want, rows * b->cols, a);
  for (int64_t k = 0; k < rows * b->cols; k++) {
    double got = engine_out(e, buffer, k / b->cols, k % b->cols), error = fabs(got - x[k]) / fmax(fabs(x[k]), c->small);
    if (!(error <= c->bound)) fail_msg("%s, %s[%lld]: %.17g, PyTorch %.17g", c->what, b->name, (long long)k, got, x[k]);
    c->worst = fmax(c->worst, error);
  }
}

static void check_forward(Comparison *c, Engine *e, const json_t *file, const char *precision, Arena *a) {
  const json_t *all = field(field(file, "forward"), precision);
  for (size_t i = 0; i < json_array_size(all); i++) {
    const char *name;
    json_t *want;
    int64_t n = load_batch(e, file, i, a);
    engine_run(e, PROG_EVAL, n, 0);
    json_object_foreach(json_array_get(all, i), name, want) {
      compare(c, e, out_named(e->plan, name), want, strncmp(name, "head:", 5) ? 1 : n, a);
    }
  }
}

// ---------------------------------------------------------------- runs
static void train_20(Engine *e, const Run *r, double rate, Arena *a) {
  size_t batches = json_array_size(field(r->file, "batches"));
  for (size_t i = 0; i < (size_t)integer(r->run, "steps"); i++) {
    int64_t n = load_batch(e, r->file, i % batches, a);
    engine_run(e, PROG_TRAIN, n, rate);
  }
}

static void check_weights(Comparison *c, Engine *e, const Run *r, Arena *a) {
  const json_t *want = field(field(r->run, "weights"), r->p->name);
  size_t found = 0;
  for (int i = 0; i < e->plan->n_slots; i++) {
    const PlanSlot *s = &e->plan->slots[i];
    if (s->role != SLOT_PARAM) continue;
    compare(c, e, s->buffer, field(want, s->path), e->plan->buffers[s->buffer].rows_a, a);
    found++;
  }
  assert_int_equal(found, json_object_size(want));
}

static double compile_run(const Run *r, GraphOf *graph, Arena *a, Compiled *out, StepCode *code) {   // gives the learning rate
  Diag *d = diag_new(a, NULL);
  Text text = {0};
  JitInfo info;
  double args[8] = {0};
  int row = row_named(json_string_value(field(r->run, "optimizer")), false), width = (int)integer(r->file, "dense");
  const json_t *given = field(r->run, "args");
  assert_int_equal(json_array_size(given), optim_rows[row].n_args);
  for (int i = 0; i < optim_rows[row].n_args; i++) args[i] = json_number_value(json_array_get(given, (size_t)i));
  Graph *g = graph(r, a, d);
  bool ok = g && compile_graph(g, row, args, width, (int)integer(r->file, "ids"), (int)integer(r->file, "labels"), out, d);
  ok = ok && jit(out->schedule, r->target, a, code, &info, d);
  diag_print(d, &text, false);
  if (!ok) fail_msg("%s", text.data);
  text_free(&text);
  return args[0];
}

void check_run(Run r, GraphOf *graph, bool host) {
  Arena *a = arena_new();
  Compiled out;
  StepCode code;
  char what[128];
  double rate = compile_run(&r, graph, a, &out, &code);
  snprintf(what, sizeof what, "%s, %s(%g), %s, %s", r.name, json_string_value(field(r.run, "optimizer")), rate, r.p->name,
           targets[r.target].name);
  int n_host = 0;
  for (int i = 0; i < out.plan.programs[PROG_TRAIN].n_phases; i++)
    for (int k = 0; k < out.plan.programs[PROG_TRAIN].phases[i].n_host; k++) n_host += out.plan.programs[PROG_TRAIN].phases[i].host[k].id != HOST_BY_ID;
  assert_true(host ? n_host > 0 : n_host == 0);
  Engine *e = engine_new(&out.plan, &code);
  load_weights(e, r.file, a);
  Comparison forward = { r.p->forward, 1, 0, what }, weights = { r.p->weights, SMALL, 0, what };
  check_forward(&forward, e, r.file, r.p->name, a);
  train_20(e, &r, rate, a);
  check_weights(&weights, e, &r, a);
  print_message("%-44s forward %.1e, weights %.1e\n", what, forward.worst, weights.worst);
  engine_free(e);
  jit_free(&code);
  arena_free(a);
}

void check_case(const json_t *file, const char *name, GraphOf *graph, void *ctx, bool host) {
  const json_t *runs = field(file, "runs");
  for (size_t r = 0; r < json_array_size(runs); r++)
    for (int p = 0; p < N_PRECISIONS; p++)
      for (TargetId t = 0; t < N_TARGETS; t++)
        if (target_usable(t)) check_run((Run){ file, json_array_get(runs, r), &precisions[p], t, name, ctx }, graph, host);
}
