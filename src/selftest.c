// selftest.c: compiles a small spec, trains one step and compares it with the interpreter.
#include <math.h>
#include "doctor.h"

static const char spec[] =
  "model selftest\n"
  "edition 2026\n"
  "input x : vector(6)\n"
  "input k : id { buckets = 8 }\n"
  "label a : binary\n"
  "label b : real\n"
  "shared trunk = concat(x, embed(k, 3)) |> dense(16, relu)\n"
  "task one { head = trunk |> dense(1) |> sigmoid, loss = bce(a) }\n"
  "task two { head = trunk |> dense(1), loss = mse(b) }\n"
  "train { optimizer = momentum(0.1), batch = 64 }\n";

enum { N = 37, DENSE = 6, LABELS = 2 };            // a short batch: what lies past its rows must not count
static const double TOLERANCE = 1e-4;              // float against double, relative to 1 + |value|

typedef struct { float dense[N * DENSE], y[LABELS * N], w[LABELS * N]; uint32_t ids[N]; int64_t row[N]; } Batch;

static double noise(uint64_t i) { return (double)(mix64(i + 1) >> 11) * 0x1p-52 - 1; }        // -1 … 1

static Rows fill(Batch *b) {
  for (int r = 0; r < N; r++) {
    double sum = 0;
    for (int j = 0; j < DENSE; j++) sum += b->dense[r * DENSE + j] = (float)noise((uint64_t)(r * DENSE + j));
    b->ids[r] = (uint32_t)(r * 5 % 8);
    b->row[r] = r + 1;
    b->y[r] = sum > 0;
    b->y[N + r] = (float)sum;
    b->w[r] = b->w[N + r] = r % 7 != 3;
  }
  return (Rows){ .n = N, .dense = b->dense, .ids = b->ids, .y = b->y, .w = b->w, .row = b->row };
}

static double *doubles(const float *v, int64_t n, Arena *a) {
  double *d = NEW_ARRAY(a, double, n + 1);
  for (int64_t i = 0; i < n; i++) d[i] = v[i];
  return d;
}

static double **slot_values(const Engine *e, Arena *a) {
  const StepPlan *p = e->plan;
  double **s = NEW_ARRAY(a, double *, p->n_slots + 1);
  for (int i = 0; i < p->n_slots; i++) {
    const Buffer *b = &p->buffers[p->slots[i].buffer];
    s[i] = NEW_ARRAY(a, double, b->rows_a * b->cols + 1);
    for (int64_t k = 0; k < b->rows_a * b->cols; k++) s[i][k] = engine_out(e, p->slots[i].buffer, k / b->cols, k % b->cols);
  }
  return s;
}

typedef struct { double worst; uint64_t digest; } Result;      // largest difference; hash of all slots after the step

static void compare(double got, double want, Result *r) {
  double gap = fabs(got - want) / (1 + fabs(want));
  if (!(gap <= r->worst)) r->worst = isnan(gap) ? INFINITY : gap;
}

static int out_named(const StepPlan *p, const char *name) {
  for (int i = 0; i < p->n_buffers; i++)
    if (p->buffers[i].role == BUF_OUT && !strcmp(p->buffers[i].name, name)) return i;
  return -1;
}

// After one step by both, from the same weights: every slot, and every scalar that the step gives (sums of losses and weights).
static Result after_step(const Engine *e, const Graph *g, double *const *slots, double *const *outs, Arena *a) {
  Result r = {0};
  double **now = slot_values(e, a);
  for (int i = 0; i < e->plan->n_slots; i++) {
    const Buffer *b = &e->plan->buffers[e->plan->slots[i].buffer];
    for (int64_t j = 0; j < b->rows_a * b->cols; j++) compare(now[i][j], slots[i][j], &r);
    r.digest = hash_bytes(now[i], sizeof(double) * (size_t)(b->rows_a * b->cols), r.digest);
  }
  for (int i = 0; i < g->roots.n; i++) {
    int out = g->roots.data[i].slot < 0 ? out_named(e->plan, g->roots.data[i].name) : -1;
    if (out >= 0) compare(engine_out(e, out, 0, 0), outs[i][0], &r);
  }
  return r;
}

static Result step(const Model *m, const Compiled *k, Engine *e, const Rows *rows, Arena *a) {
  const Graph *g = k->program[PROG_TRAIN];
  double **slots = slot_values(e, a), **outs = NEW_ARRAY(a, double *, g->roots.n + 1);
  InterpInput in = { .n = rows->n, .dense = doubles(rows->dense, N * DENSE, a), .ids = rows->ids, .y = doubles(rows->y, LABELS * N, a),
                     .w = doubles(rows->w, LABELS * N, a), .dense_width = DENSE, .n_ids = 1, .n_labels = LABELS, .step = 1,
                     .lr = m->train.learning_rate, .slots = slots };
  interp_roots(g, &in, outs, a);
  engine_batch(e, &m->data, rows, NULL, 0, rows->n);
  engine_run(e, PROG_TRAIN, rows->n, m->train.learning_rate);
  return after_step(e, g, slots, outs, a);
}

// Compiles for t past the cache, loads, runs a step.
static bool try_target(const Model *m, const Compiled *k, TargetId t, const Rows *rows, Arena *a, Result *r, Diag *d) {
  size_t n = 0;
  StepCode code;
  char *object = jit_emit(k->schedule, t, EMIT_OBJECT, &n, d);
  bool ok = object && jit_load(k->schedule, object, n, a, &code, d);
  free(object);
  if (!ok) return false;
  Engine *e = engine_new(&k->plan, &code);
  engine_init(e, 1);
  *r = step(m, k, e, rows, a);
  engine_free(e);
  jit_free(&code);
  return true;
}

char *first_error(const Diag *d, Arena *a) {
  Text t = {0};
  diag_print(d, &t, false);
  const char *text = t.data ? t.data : "", *message = strstr(text, "]: ");
  message = message ? message + 3 : text;
  char *line = arena_strndup(a, message, strcspn(message, "\n"));
  text_free(&t);
  return line;
}

static Finding broken(const char *found) {
  return (Finding){ .name = "self-test", .health = HEALTH_BROKEN, .found = found,
                    .help = "a model compiled here cannot be trusted: build mtlc again on this machine, and run its tests: make check" };
}

Finding selftest(mtl_context *c, Arena *a) {
  double start = monotonic_seconds(), worst = 0;
  Model *m = open_spec_text(c, "self-test", "self-test.mtl", spec, sizeof spec - 1);
  Compiled k;
  if (!m || diag_errors(c->diag) || !compile(m, F32, &k, c->diag)) return broken(first_error(c->diag, a));
  Rows rows = fill(NEW(a, Batch));
  uint64_t digest = 0;
  const char *first = NULL;
  Text by = {0};
  json_t *targets_json = json_array();
  char *wrong = NULL;
  for (int t = 0; t < N_TARGETS && !wrong; t++) {
    if (!target_usable((TargetId)t)) continue;
    Result r = {0};
    if (!try_target(m, &k, (TargetId)t, &rows, a, &r, c->diag)) wrong = first_error(c->diag, a);
    else if (!(r.worst <= TOLERANCE)) wrong = arena_printf(a, "a training step by %s differs from the interpreter by %.3g", targets[t].name, r.worst);
    else if (first && r.digest != digest) wrong = arena_printf(a, "a training step by %s and by %s gives different bits", first, targets[t].name);
    if (wrong) break;
    if (!first) first = targets[t].name;
    digest = r.digest;
    worst = fmax(worst, r.worst);
    text_printf(&by, "%s%s", by.n ? ", " : "", targets[t].name);
    json_array_append_new(targets_json, json_string(targets[t].name));
  }
  double ms = 1e3 * (monotonic_seconds() - start);
  Finding f = wrong ? broken(wrong) : (Finding){ .name = "self-test", .health = HEALTH_OK };
  if (!wrong)
    f.found = arena_printf(a, "a training step by %s: the same bits, within %.1g of the interpreter (%.0f ms)", by.data ? by.data : "none", worst, ms);
  f.detail = json_pack("{s:o, s:f, s:f, s:f}", "targets", targets_json, "difference", worst, "tolerance", TOLERANCE, "ms", ms);
  text_free(&by);
  return f;
}
