// test_train.c: engine, initialisers and training loop on a model of plain C functions: two linear heads (a click by sigmoid
// and bce, an amount by mse), SGD with momentum, a running mean as STATE, an Adam-like power and a balance that scales the
// second task.
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "runtime/train/train_int.h"

// ---------------------------------------------------------------- the model
enum { D = 5, CAPACITY = 32, BATCH = 20, CLICK = 0, AMOUNT = 1, TASKS = 2 };
enum { B_INT, B_REAL, B_DENSE, B_IDS, B_Y, B_W, S_W, S_V, S_MEAN, S_POWER, S_BALANCE, R_GRAD, O_HEAD0, O_HEAD1, O_SUM0,
       O_SUM1, O_WEIGHT0, O_WEIGHT1, O_TWICE, N_BUFFERS };
static const Buffer buffers[N_BUFFERS] = {
  [B_INT] = { "rt.int", BUF_RT_INT, I64, 1, 0, RT_INTS, RT_INTS, 0 },
  [B_REAL] = { "rt.real", BUF_RT_REAL, F64, 1, 0, RT_REALS, RT_REALS, 0 },
  [B_DENSE] = { "dense", BUF_DENSE, F32, 0, 1, D, 16, 0 },
  [B_IDS] = { "ids", BUF_IDS, U32, 0, 1, 0, 1, 0 },
  [B_Y] = { "y", BUF_Y, F32, TASKS, 0, CAPACITY, CAPACITY, 0 },
  [B_W] = { "w", BUF_W, F32, TASKS, 0, CAPACITY, CAPACITY, 0 },
  [S_W] = { "head.w", BUF_SLOT, F32, D + 1, 0, TASKS, 4, 0 },          // the last row: biases; gaps between rows
  [S_V] = { "head.w:momentum", BUF_SLOT, F32, D + 1, 0, TASKS, 4, 128 },
  [S_MEAN] = { "norm.mean", BUF_SLOT, F32, 1, 0, D, D, 256 },
  [S_POWER] = { "power", BUF_SLOT, F64, 1, 0, 1, 1, 320 },
  [S_BALANCE] = { "balance", BUF_SLOT, F64, 1, 0, 1, 1, 384 },
  [R_GRAD] = { "grad", BUF_ROWS, F32, 0, 1, TASKS, TASKS, 0 },
  [O_HEAD0] = { "head:click", BUF_OUT, F32, 0, 1, 1, 1, 0 },
  [O_HEAD1] = { "head:amount", BUF_OUT, F32, 0, 1, 1, 4, 0 },
  [O_SUM0] = { "sum:click", BUF_OUT, F32, 1, 0, 1, 1, 0 },
  [O_SUM1] = { "sum:amount", BUF_OUT, F32, 1, 0, 1, 1, 0 },
  [O_WEIGHT0] = { "weight:click", BUF_OUT, F32, 1, 0, 1, 1, 0 },
  [O_WEIGHT1] = { "weight:amount", BUF_OUT, F32, 1, 0, 1, 1, 0 },
  [O_TWICE] = { "output:twice", BUF_OUT, F32, 0, 1, 2, 2, 0 },
};
static const PlanSlot slots[] = {
  { .path = "norm.mean", .role = SLOT_STATE, .rank = 1, .shape = { D }, .buffer = S_MEAN },
  { .path = "head.w", .role = SLOT_PARAM, .rank = 2, .shape = { D + 1, TASKS }, .init = { INIT_GLOROT_UNIFORM, 0, 0 },
    .buffer = S_W },
  { .path = "head.w:momentum", .role = SLOT_OPT, .rank = 2, .shape = { D + 1, TASKS }, .buffer = S_V },
  { .path = "power", .role = SLOT_OPT, .dtype = F64, .rank = 0, .init = { INIT_ONES, 0, 0 }, .buffer = S_POWER },
  { .path = "balance", .role = SLOT_BALANCE, .dtype = F64, .rank = 0, .init = { INIT_CONSTANT, 1, 0 }, .buffer = S_BALANCE },
};

// What the steps saw, and what they are to do.
static struct {
  int64_t steps, rows, short_batches, last_n;
  double sum[TASKS], weight[TASKS];
  int64_t stop_at;
  int stop;
} seen;
#define F(b) ((float *)buf[b])

static void forward(void *const *buf, int64_t lo, int64_t hi, bool grad) {   // items: groups of 8 rows
  int64_t n = ((const int64_t *)buf[B_INT])[RT_N];
  for (int64_t r = lo * 8; r < hi * 8 && r < n; r++)
    for (int t = 0; t < TASKS; t++) {
      float z = F(S_W)[D * 4 + t];
      for (int j = 0; j < D; j++) z += F(B_DENSE)[r * 16 + j] * F(S_W)[j * 4 + t];
      float p = t == CLICK ? 1 / (1 + expf(-z)) : z, w = F(B_W)[t * CAPACITY + r];
      if (grad) F(R_GRAD)[r * TASKS + t] = w != 0 ? (p - F(B_Y)[t * CAPACITY + r]) * (t == CLICK ? 1 : 2) : 0;
      *(t == CLICK ? &F(O_HEAD0)[r] : &F(O_HEAD1)[r * 4]) = p;
      if (t == CLICK) F(O_TWICE)[r * 2] = p, F(O_TWICE)[r * 2 + 1] = 2 * p;
    }
}
static void train_0(void *const *buf, int64_t lo, int64_t hi, int64_t worker) {
  (void)worker;
  forward(buf, lo, hi, true);
}
static void eval_0(void *const *buf, int64_t lo, int64_t hi, int64_t worker) {
  (void)worker;
  forward(buf, lo, hi, false);
}

static void sums(void *const *buf, int64_t lo, int64_t hi, int64_t worker) {
  int64_t n = ((const int64_t *)buf[B_INT])[RT_N];
  (void)worker;
  for (int t = (int)lo; t < hi; t++) {
    float sum = 0, weight = 0;
    for (int64_t r = 0; r < n; r++) {
      float y = F(B_Y)[t * CAPACITY + r], p = t == CLICK ? F(O_HEAD0)[r] : F(O_HEAD1)[r * 4];
      if (F(B_W)[t * CAPACITY + r] == 0) continue;
      sum += t == CLICK ? -logf(y > 0 ? p : 1 - p) : (p - y) * (p - y);
      weight += 1;
    }
    F(O_SUM0 + t)[0] = sum;
    F(O_WEIGHT0 + t)[0] = weight;
  }
}

static void update(void *const *buf, int64_t lo, int64_t hi, int64_t worker) {
  int64_t n = ((const int64_t *)buf[B_INT])[RT_N];
  float lr = (float)((const double *)buf[B_REAL])[RT_LR];
  double *power = buf[S_POWER], *balance = buf[S_BALANCE];
  (void)worker;
  assert_true(lo == 0 && hi == 1);
  *power *= 0.9;
  for (int t = 0; t < TASKS; t++)
    for (int j = 0; j <= D; j++) {
      float g = 0, weight = F(O_WEIGHT0 + t)[0] > 0 ? F(O_WEIGHT0 + t)[0] : 1;
      for (int64_t r = 0; r < n; r++) g += F(R_GRAD)[r * TASKS + t] * (j < D ? F(B_DENSE)[r * 16 + j] : 1);
      float *v = &F(S_V)[j * 4 + t];
      *v = 0.8f * *v + g / weight * (t == AMOUNT ? (float)*balance : 1);
      F(S_W)[j * 4 + t] -= lr * *v * (float)(1 - 0.5 * *power);
      if (t == 0 && j < D) F(S_MEAN)[j] += 0.1f * (F(B_DENSE)[j] - F(S_MEAN)[j]);
    }
  *balance += 0.01 * (1 / (1 + (double)F(O_SUM1)[0]) - *balance);
  seen.steps++;
  seen.rows += n;
  seen.short_batches += n < BATCH;
  seen.last_n = n;
  for (int t = 0; t < TASKS; t++) seen.sum[t] += (double)F(O_SUM0 + t)[0], seen.weight[t] += (double)F(O_WEIGHT0 + t)[0];
  if (seen.stop_at && ((const int64_t *)buf[B_INT])[RT_STEP] == seen.stop_at) seen.stop = 1;
}

static const PlanPhase train_phases[] = { { .symbol = "train_0", .items_g = 8, .over_rows = true },
                                          { .symbol = "sums", .items_a = TASKS },
                                          { .symbol = "update", .items_a = 1 } };
static const PlanPhase eval_phases[] = { { .symbol = "eval_0", .items_g = 8, .over_rows = true },
                                         { .symbol = "sums", .items_a = TASKS } };
static PhaseFn *train_code[] = { train_0, sums, update }, *eval_code[] = { eval_0, sums }, *predict_code[] = { eval_0 };
static const StepPlan plan = {
  .capacity = CAPACITY,
  .buffers = buffers,
  .n_buffers = N_BUFFERS,
  .slots = slots,
  .n_slots = COUNT_OF(slots),
  .slot_bytes = 448,
  .rows_bytes = CAPACITY * TASKS * 4,
  .programs = { { train_phases, 3, NULL, 0 }, { eval_phases, 2, NULL, 0 }, { eval_phases, 1, NULL, 0 } }
};
static const StepCode code = { .phase = { train_code, eval_code, predict_code } };

// ---------------------------------------------------------------- the data
static const DataLabel labels[TASKS] = {
  { .name = "click", .kind = LABEL_BINARY },
  { .name = "amount", .kind = LABEL_REAL, .scale = SCALE_ZSCORE, .prep = { .map = MAP_LOG1P } }
};
static const DataPlan dp = { .labels = labels, .n_labels = TASKS, .dense_width = D };
static Affine label_units[TASKS] = { { .factor = 1 }, { .shift = 1.5, .factor = 0.25 } };      // amount' = (log(1 + v) − 1.5) · 0.25

static uint64_t noise_state;
static float noise(void) {                                    // −1 … 1
  noise_state = noise_state * 6364136223846793005u + 1442695040888963407u;
  return (float)((double)(noise_state >> 11) * 0x1p-52 - 1);
}

static Rows make_rows(Arena *a, int64_t n, int64_t first_row) {
  Rows r = { n,
             NEW_ARRAY(a, float, n * D + 1),
             NEW_ARRAY(a, uint32_t, 1),
             NEW_ARRAY(a, float, TASKS * n + 1),
             NEW_ARRAY(a, float, TASKS * n + 1),
             NULL,
             NEW_ARRAY(a, int64_t, n + 1),
             NULL };
  for (int64_t i = 0; i < n; i++) {
    float *x = r.dense + i * D;
    for (int j = 0; j < D; j++) x[j] = noise();
    r.y[i] = 2 * x[0] - x[1] + 0.5f * noise() > 0;
    r.y[n + i] = 0.3f * x[2] + 0.2f * x[3] + 0.1f + 0.05f * noise();
    r.w[i] = noise() > -0.8f;
    r.w[n + i] = noise() > -0.5f;
    if (r.w[i] == 0) r.y[i] = 0;
    if (r.w[n + i] == 0) r.y[n + i] = 0;
    r.row[i] = first_row + i;
  }
  return r;
}

static Dataset make_data(Arena *a, int64_t train, int64_t valid, int64_t test) {
  noise_state = 42;
  Dataset s = { .arena = a, .prep = { .label = label_units, .rows = { train, valid, test } } };
  s.split[0] = make_rows(a, train, 1);
  s.split[1] = make_rows(a, valid, 1001);
  s.split[2] = make_rows(a, test, 2001);
  return s;
}

// ---------------------------------------------------------------- the plan
static const PlanMetric click_metrics[] = { { METRIC_AUC, 0, -1, "auc" }, { METRIC_ACCURACY, 0.5, -1, "accuracy" } },
                        amount_metrics[] = { { METRIC_RMSE, 0, -1, "rmse" } };
static const PlanTask tasks[TASKS] = { { "click", 0, click_metrics, 2, NULL, 0, 1, 1, true, O_HEAD0, O_SUM0, O_WEIGHT0 },
                                       { "amount", 1, amount_metrics, 1, NULL, 0, 0.5, 1, false, O_HEAD1, O_SUM1, O_WEIGHT1 } };
static const PlanOutput outputs[] = { { "twice", 2, O_TWICE, 0 } };
static const FigureTerm all_losses = { true, -1, -1, 1 }, auc_of_click = { false, CLICK, 0, 1 };
static const Figure by_loss = { &all_losses, 1, true, "loss" }, by_auc = { &auc_of_click, 1, false, "auc(click)" };
static const Require requires[] = { { CLICK, 0, RX_GE, 0.7, "auc(click) >= 0.7", NULL, "shop.mtl:9:9", -1 },
                                    { CLICK, 1, RX_GT, 1, "accuracy(click) > 1", "never", "shop.mtl:10:9", -1 },
                                    { CLICK, -1, RX_LE, 0, "always(click <= click)", NULL, "shop.mtl:11:9", CLICK },
                                    { CLICK, -1, RX_LT, 0, "always(click < click)", NULL, "shop.mtl:12:9", CLICK } };

static TrainPlan make_plan(int64_t epochs) {
  return (TrainPlan){ .batch = BATCH, .epochs = epochs, .learning_rate = 0.1, .optimizer = "momentum", .shuffle = true,
                      .seed = 5, .tasks = tasks, .n_tasks = TASKS, .outputs = outputs, .n_outputs = 1 };
}

typedef struct { Arena *a; Diag *d; Engine *e; Dataset data; TrainPlan tp; TrainHooks hooks; TrainReport *r; } Run;

static Run new_run(int64_t epochs, int64_t train, int64_t valid, int64_t test) {
  Run x = { .a = arena_new(), .e = engine_new(&plan, &code), .tp = make_plan(epochs), .hooks = { .stop = &seen.stop } };
  x.d = diag_new(x.a, NULL);
  x.data = make_data(x.a, train, valid, test);
  engine_init(x.e, x.tp.seed);
  memset(&seen, 0, sizeof seen);
  return x;
}
static void go(Run *x) { x->r = train(x->e, &dp, &x->tp, &x->data, &x->hooks, x->a, x->d); }
static void free_run(Run *x) {
  engine_free(x->e);
  arena_free(x->a);
}
static char *said(Run *x) {                                   // all errors as text, in the run's arena
  Text t = {0};
  diag_print(x->d, &t, false);
  char *s = arena_strdup(x->a, t.data ? t.data : "");
  text_free(&t);
  return s;
}
static void says(Run *x, const char *what) {
  if (!strstr(said(x), what)) fail_msg("expected \"%s\", got \"%s\"", what, said(x));
}
static void no_errors(Run *x) {
  if (diag_errors(x->d)) fail_msg("%s", said(x));
}

static bool same_slots(const Engine *x, const Engine *y) {   // every bit of their true extents
  for (int i = 0; i < COUNT_OF(slots); i++) {
    const Buffer *b = &buffers[slots[i].buffer];
    size_t width = b->dtype == F64 ? 8 : 4;
    for (int64_t r = 0; r < b->rows_a; r++) {
      size_t at = (size_t)(r * b->ld) * width;
      if (memcmp((char *)x->buf[slots[i].buffer] + at, (char *)y->buf[slots[i].buffer] + at, (size_t)b->cols * width))
        return false;
    }
  }
  return true;
}
static bool same_number(double a, double b) { return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)); }

// ---------------------------------------------------------------- engine
static double tiny = 1e-310;
static struct { int64_t lo, hi, worker, calls; double halved; } probe;
static void probe_fn(void *const *buf, int64_t lo, int64_t hi, int64_t worker) {
  (void)buf;
  probe.lo = lo, probe.hi = hi, probe.worker = worker, probe.calls++;
  volatile double x = tiny;
  probe.halved = x / 2;
}

static void engine_runs_phases(void **s) {
  (void)s;
  const PlanPhase phases[] = { { .symbol = "p", .items_a = 3, .items_g = 8, .over_rows = true } };
  StepPlan p = plan;
  p.programs[PROG_EVAL] = (Program){ phases, 1, NULL, 0 };
  p.programs[PROG_TRAIN] = (Program){0};
  PhaseFn *fn[] = { probe_fn };
  StepCode c = { .phase = { [PROG_EVAL] = fn } };
  Engine *e = engine_new(&p, &c);
  for (int i = 0; i < N_BUFFERS; i++)
    if (buffers[i].role != BUF_OUT) assert_int_equal((uintptr_t)e->buf[i] % 64, 0);
  const struct { int64_t n, items; } cases[] = { { 0, 3 }, { 1, 4 }, { 8, 4 }, { 9, 5 }, { 32, 7 } };
  for (int i = 0; i < COUNT_OF(cases); i++) {
    engine_run(e, PROG_EVAL, cases[i].n, 0.25);
    assert_true(probe.lo == 0 && probe.hi == cases[i].items && probe.worker == 0);
    assert_true(e->rt_int[RT_N] == cases[i].n && e->rt_real[RT_LR] == 0.25);
  }
#if defined(__x86_64__) || defined(__aarch64__)
  assert_true(probe.halved == 0);                             // flushed inside
#endif
  volatile double x = tiny;
  assert_true(x / 2 > 0);                                     // and not outside
  assert_int_equal(e->step, 0);                               // only a training step counts
  engine_run(e, PROG_TRAIN, 0, 0);                            // no phases: nothing is called
  assert_int_equal(e->step, 1);
  engine_run(e, PROG_EVAL, 4, 0);
  assert_int_equal(e->rt_int[RT_STEP], 1);
  engine_free(e);
  engine_free(NULL);
}

// ---------------------------------------------------------------- initialisers
typedef struct { Buffer b; PlanSlot s; StepPlan p; Engine *e; } One;   // a plan of one slot [rows, cols]
static void init_one(One *o, const char *path, Init init, int64_t rows, int64_t cols, int rank, uint64_t seed) {
  o->b = (Buffer){ path, BUF_SLOT, F32, rows, 0, cols, cols + 3, 0 };
  o->s = (PlanSlot){ .path = path, .role = SLOT_PARAM, .rank = rank, .shape = { rows, cols }, .init = init };
  if (rank == 1) o->s.shape[0] = cols;
  o->p = (StepPlan){
    .capacity = 1, .buffers = &o->b, .n_buffers = 1, .slots = &o->s, .n_slots = 1, .slot_bytes = rows * (cols + 3) * 4
  };
  o->e = engine_new(&o->p, &code);
  engine_init(o->e, seed);
}
static void moments(const One *o, double *mean, double *sd, double *least, double *most) {
  double n = (double)(o->b.rows_a * o->b.cols), sum = 0, square = 0;
  *least = INFINITY, *most = -INFINITY;
  for (int64_t r = 0; r < o->b.rows_a; r++)
    for (int64_t c = 0; c < o->b.cols; c++) {
      double v = engine_out(o->e, 0, r, c);
      sum += v, square += v * v;
      *least = fmin(*least, v), *most = fmax(*most, v);
    }
  *mean = sum / n;
  *sd = sqrt(square / n - *mean * *mean);
}

static void initialisers(void **s) {
  (void)s;
  double g = sqrt(6.0 / (200 + 301)), h = sqrt(6.0 / 200), three = sqrt(3);
  const struct { Init init; double mean, sd, least, most; } cases[] = {
    { { INIT_ZEROS, 0, 0 }, 0, 0, 0, 0 },
    { { INIT_ONES, 0, 0 }, 1, 0, 1, 1 },
    { { INIT_CONSTANT, -2.5, 0 }, -2.5, 0, -2.5, -2.5 },
    { { INIT_GLOROT_UNIFORM, 0, 0 }, 0, g / three, -g, g },
    { { INIT_HE_UNIFORM, 0, 0 }, 0, h / three, -h, h },
    { { INIT_GLOROT_NORMAL, 0, 0 }, 0, g / three, -6 * g, 6 * g },
    { { INIT_HE_NORMAL, 0, 0 }, 0, h / three, -6 * h, 6 * h },
    { { INIT_UNIFORM, 2, 5 }, 3.5, three / 2, 2, 5 },
    { { INIT_NORMAL, 1, 0.05 }, 1, 0.05, 0.7, 1.3 } };
  for (int i = 0; i < COUNT_OF(cases); i++) {
    One o;
    double mean, sd, least, most;
    init_one(&o, "trunk.wide.w", cases[i].init, 200, 301, 2, 7);
    moments(&o, &mean, &sd, &least, &most);
    assert_true(fabs(mean - cases[i].mean) <= 5 * cases[i].sd / sqrt(60200));
    assert_true(fabs(sd - cases[i].sd) <= 0.02 * cases[i].sd + 1e-6);
    assert_true(least >= cases[i].least - 1e-6 && most <= cases[i].most + 1e-6);
    engine_free(o.e);
  }
}

// Pieces that threads share, and memory that is given back: the same values.
static void large_slots(void **s) {
  (void)s;
  const Init inits[] = { { INIT_NORMAL, 0, 1 }, { INIT_ZEROS, 0, 0 }, { INIT_DIAGONAL, 2, 0 } };
  for (int i = 0; i < COUNT_OF(inits); i++) {
    One one, three;
    init_one(&one, "t.table", inits[i], 700001, 3, 2, 7);
    init_one(&three, "t.table", inits[i], 700001, 3, 2, 7);
    engine_threads(three.e, 3);
    memset(three.e->slots.at, 0xff, (size_t)three.p.slot_bytes);
    engine_init(three.e, 7);
    for (int64_t r = 0; r < one.b.rows_a; r++)
      assert_memory_equal((float *)one.e->slots.at + r * one.b.ld, (float *)three.e->slots.at + r * one.b.ld, sizeof(float) * (size_t)one.b.cols);
    engine_free(one.e);
    engine_free(three.e);
  }
}

// In a file, on a disk and in memory that looks like one: the same values, twice, and what nobody needs is zeros.
static void slots_in_a_file(void **s) {
  (void)s;
  const Init inits[] = { { INIT_NORMAL, 0, 1 }, { INIT_ZEROS, 0, 0 }, { INIT_CONSTANT, 0.1, 0 } };
  char folder[] = "/tmp/mtlc-slots-XXXXXX";
  assert_non_null(mkdtemp(folder));
  const char *const folders[] = { folder, access("/dev/shm", W_OK) ? folder : "/dev/shm" };
  for (int i = 0; i < COUNT_OF(inits) * COUNT_OF(folders); i++) {
    One one, file;
    init_one(&one, "t.table", inits[i % COUNT_OF(inits)], 70001, 3, 2, 7);
    init_one(&file, "t.table", inits[i % COUNT_OF(inits)], 70001, 3, 2, 7);
    engine_free(file.e);
    file.s.lazy = true;
    size_t bytes = (size_t)file.p.slot_bytes;
    TablePlace where = { .folder = folders[i / COUNT_OF(inits)], .memory = (int64_t)bytes - 1, .trains = true };
    file.e = engine_new_in(&file.p, &code, &where, NULL);
    assert_non_null(file.e);
    assert_true(file.e->home.n == 1 && file.e->home.bytes <= bytes && file.e->home.bytes > bytes - 8192);
    for (int again = 0; again < 2; again++) {
      engine_init(file.e, 7);
      for (int64_t r = 0; r < one.b.rows_a; r++)
        assert_memory_equal((float *)one.e->slots.at + r * one.b.ld, (float *)file.e->slots.at + r * one.b.ld, sizeof(float) * (size_t)one.b.cols);
      memset(file.e->slots.at, 0xff, bytes);
    }
    engine_free(file.e);
    where.memory++;
    file.e = engine_new_in(&file.p, &code, &where, NULL);      // it fits
    assert_int_equal(file.e->home.n, 0);
    engine_free(file.e);
    where.memory = 1, where.trains = false, file.s.role = SLOT_OPT;
    file.e = engine_new_in(&file.p, &code, &where, NULL);
    assert_int_equal(file.e->home.bytes, 0);
    for (size_t k = 0; k < bytes; k++) assert_true(file.e->slots.at[k] == 0);
    engine_free(file.e);
    engine_free(one.e);
  }
  assert_int_equal(rmdir(folder), 0);
}

static double correlation(const One *x, const One *y) {
  double n = 0, sum = 0;
  for (int64_t r = 0; r < x->b.rows_a; r++)
    for (int64_t c = 0; c < x->b.cols; c++) sum += engine_out(x->e, 0, r, c) * engine_out(y->e, 0, r, c), n++;
  return sum / n;
}

static void initial_values_depend_on_path_and_seed_alone(void **s) {
  (void)s;
  const Init normal = { INIT_NORMAL, 0, 1 };
  One a, again, seed, path, wide;
  init_one(&a, "a.w", normal, 100, 101, 2, 7);
  init_one(&again, "a.w", normal, 100, 101, 2, 7);
  init_one(&seed, "a.w", normal, 100, 101, 2, 8);
  init_one(&path, "b.w", normal, 100, 101, 2, 7);
  init_one(&wide, "a.w", (Init){ INIT_GLOROT_UNIFORM, 0, 0 }, 1, 600, 1, 7);
  assert_memory_equal(a.e->slots.at, again.e->slots.at, (size_t)a.p.slot_bytes);
  assert_true(fabs(correlation(&a, &seed)) < 0.05 && fabs(correlation(&a, &path)) < 0.05);
  for (int64_t c = 0; c < 600; c++)
    assert_true(fabs(engine_out(wide.e, 0, 0, c)) <= sqrt(6.0 / 1200));  // a vector: both fans are n
  One *all[] = { &a, &again, &seed, &path, &wide };
  for (int i = 0; i < COUNT_OF(all); i++) engine_free(all[i]->e);
}

// ---------------------------------------------------------------- the loop
static int64_t n_epochs_seen, n_progress;
static Progress last_progress;
static void on_epoch(void *ctx, const EpochReport *e) {
  n_epochs_seen += e->epoch == n_epochs_seen + 1;
  (void)ctx;
}
static void on_progress(void *ctx, const Progress *p) {
  n_progress++;
  last_progress = *p;
  assert_string_equal(p->task[AMOUNT], "amount");
  assert_true(p->step >= 1 && p->step <= p->steps && isfinite(p->loss) && p->seconds > 0);
  (void)ctx;
}

static void it_learns(void **s) {
  (void)s;
  Run x = new_run(12, 210, 60, 90);
  x.tp.requires = requires, x.tp.n_requires = COUNT_OF(requires);
  x.hooks.epoch = on_epoch, x.hooks.progress = on_progress;
  n_epochs_seen = n_progress = 0;
  go(&x);
  no_errors(&x);
  assert_int_equal(n_epochs_seen, 12);
  assert_true(n_progress >= 1 && last_progress.steps == 11 && last_progress.epochs == 12);   // one at once, then 20 a second
  assert_true(x.r->n_epochs == 12 && x.r->best_epoch == 12 && !x.r->interrupted && x.r->held_out == 2);
  assert_int_equal(seen.steps, 12 * 11);                      // 210 rows: 10 batches of 20, one of 10
  assert_int_equal(seen.rows, 12 * 210);
  assert_int_equal(seen.short_batches, 12);
  assert_int_equal(seen.last_n, 10);
  assert_int_equal(x.e->step, 12 * 11);
  for (int t = 0; t < TASKS; t++) assert_true(x.r->epochs[11].task_loss[t] < 0.7 * x.r->epochs[0].task_loss[t]);
  assert_true(x.r->test_metric[CLICK][0] > 0.9 && x.r->test_metric[CLICK][1] > 0.8);
  assert_true(x.r->step_us > 0 && x.r->rows_per_s > 0);
  assert_true(x.r->require_met[0] && x.r->require_value[0] == x.r->test_metric[CLICK][0]);
  assert_true(!x.r->require_met[1]);
  assert_true(x.r->require_met[2] && x.r->require_value[2] == 0);
  assert_true(!x.r->require_met[3] && x.r->require_value[3] == 90);
  free_run(&x);
}

static void epoch_losses_are_sums_over_weights(void **s) {
  (void)s;
  Run x = new_run(1, 75, 0, 0);
  go(&x);
  no_errors(&x);
  const EpochReport *e = &x.r->epochs[0];
  double a = seen.sum[0] / seen.weight[0], b = seen.sum[1] / seen.weight[1];
  assert_true(e->task_loss[0] == a && e->task_loss[1] == b && e->loss == 1 * a + 0.5 * b);
  assert_true(seen.weight[1] < 75 && seen.weight[1] > 30);
  assert_null(e->valid_loss);
  assert_int_equal(x.r->held_out, -1);
  assert_null(x.r->test_metric);
  free_run(&x);
}

static void order_of_rows(void **s) {
  (void)s;
  Run a = new_run(2, 100, 0, 0), b = new_run(2, 100, 0, 0), c = new_run(2, 100, 0, 0);
  b.tp.shuffle = c.tp.shuffle = false;
  go(&a);
  go(&b);
  go(&c);
  assert_false(same_slots(a.e, b.e));
  assert_true(same_slots(b.e, c.e));
  Engine *e = engine_new(&plan, &code);                       // in the order of the file, by hand
  engine_init(e, b.tp.seed);
  for (int64_t k = 0; k < 10; k++) {
    engine_batch(e, &dp, &b.data.split[0], NULL, k % 5 * BATCH, BATCH);
    engine_run(e, PROG_TRAIN, BATCH, b.tp.learning_rate);
  }
  assert_true(same_slots(b.e, e));
  engine_free(e);
  free_run(&a);
  free_run(&b);
  free_run(&c);
}

static void validation_is_over_the_whole_split(void **s) {
  (void)s;
  Run x = new_run(1, 40, 70, 0);                              // 70: three batches of at most 32
  go(&x);
  no_errors(&x);
  double loss = 0, weight = 0;
  const Rows *r = &x.data.split[1];
  for (int64_t i = 0; i < r->n; i++) {
    engine_batch(x.e, &dp, r, NULL, i, 1);
    engine_run(x.e, PROG_EVAL, 1, 0);
    loss += engine_out(x.e, O_SUM0, 0, 0), weight += engine_out(x.e, O_WEIGHT0, 0, 0);
  }
  assert_true(fabs(x.r->epochs[0].valid_loss[0] - loss / weight) < 1e-6);
  assert_int_equal(x.r->held_out, 1);
  for (int t = 0; t < TASKS; t++)
    for (int k = 0; k < tasks[t].n_metrics; k++)
      assert_true(same_number(x.r->test_metric[t][k], x.r->epochs[0].valid_metric[t][k]));
  free_run(&x);
}

static void predictions_speak_the_original_unit(void **s) {
  (void)s;
  Run x = new_run(3, 60, 0, 45);
  go(&x);
  no_errors(&x);
  const Rows *r = &x.data.split[2];
  Predictions *p = predict_rows(x.e, PROG_PREDICT, &dp, &x.tp, &x.data.prep, r, x.a);
  double square = 0, n = 0;
  assert_null(p->sum);
  for (int64_t i = 0; i < r->n; i++) {
    engine_batch(x.e, &dp, r, NULL, i, 1);
    engine_run(x.e, PROG_PREDICT, 1, 0);
    float scaled = (float)engine_out(x.e, O_HEAD1, 0, 0), want = (float)expm1((double)scaled / 0.25 + 1.5);
    assert_true(p->values[AMOUNT][i] == want);
    assert_true(p->values[CLICK][i] == (float)engine_out(x.e, O_HEAD0, 0, 0));
    assert_true(p->values[2][2 * i + 1] == 2 * p->values[CLICK][i]);
    if (r->w[r->n + i] == 0) continue;
    double y = (float)expm1((double)r->y[r->n + i] / 0.25 + 1.5);
    square += ((double)want - y) * ((double)want - y), n++;
  }
  assert_true(fabs(x.r->test_metric[AMOUNT][0] - sqrt(square / n)) < 1e-12 * sqrt(square / n));
  // predictions of a run's own rows give the run's metrics, to the last digit
  double **metric = metric_table(&x.tp, x.a), loss[TASKS];
  task_metrics(&dp, &x.tp, &x.data.prep, r, p, metric, loss);
  for (int t = 0; t < TASKS; t++)
    for (int k = 0; k < tasks[t].n_metrics; k++) assert_true(metric[t][k] == x.r->test_metric[t][k]);
  assert_true(isnan(loss[0]));
  task_metrics(&dp, &x.tp, &x.data.prep, r, predict_rows(x.e, PROG_EVAL, &dp, &x.tp, &x.data.prep, r, x.a), NULL, loss);
  assert_true(loss[0] == x.r->test_loss[0] && loss[1] == x.r->test_loss[1]);
  free_run(&x);
}

static void no_rows(void **s) {
  (void)s;
  Run x = new_run(1, 0, 0, 0);
  go(&x);
  assert_null(x.r);
  says(&x, "no row to train on");
  assert_int_equal(diag_exit_code(x.d), DIAG_DATA);
  free_run(&x);
  x = new_run(1, 10, 0, 0);
  x.tp.stop = by_loss, x.tp.patience = 1;
  go(&x);
  assert_null(x.r);
  says(&x, "`loss` judges the rows for validation, and there is none");
  free_run(&x);
}

static void a_task_without_labels(void **s) {
  (void)s;
  Run x = new_run(2, 40, 20, 0);
  for (int k = 0; k < 2; k++) memset(x.data.split[k].w + x.data.split[k].n, 0, sizeof(float) * (size_t)x.data.split[k].n);
  x.tp.best = by_loss;
  go(&x);
  no_errors(&x);
  assert_true(isnan(x.r->epochs[0].task_loss[AMOUNT]) && isnan(x.r->epochs[0].valid_loss[AMOUNT]) &&
              isnan(x.r->test_metric[AMOUNT][0]));
  assert_true(x.r->epochs[0].loss == x.r->epochs[0].task_loss[CLICK] &&
              x.r->epochs[0].stop_figure == x.r->epochs[0].valid_loss[CLICK]);
  free_run(&x);
}

// ---------------------------------------------------------------- early stopping
static void watching(void **s) {
  (void)s;
  const double values[] = { 5, 4, 4, 3.9999, NAN, 7 };
  const int64_t bad[] = { 0, 0, 1, 0, 1, 2 };
  Watch w = {0};
  for (int i = 0; i < COUNT_OF(values); i++) {
    assert_int_equal(watch_epoch(&w, &by_loss, values[i], i + 1), bad[i] == 0);
    assert_int_equal(w.bad, bad[i]);
  }
  assert_true(w.epoch == 4 && w.best == 3.9999);
  Watch up = {0};
  assert_true(watch_epoch(&up, &by_auc, 0.5, 1) && !watch_epoch(&up, &by_auc, 0.5, 2) && watch_epoch(&up, &by_auc, 0.6, 3));
  const FigureTerm terms[] = { { true, -1, -1, 1 }, { true, 1, -1, 0.5 }, { false, 0, 1, -2 } };
  const double loss[] = { 2, 3 }, m0[] = { 0.1, 0.2 }, m1[] = { 0 };
  double *const metric[] = { (double *)m0, (double *)m1 };
  assert_true(figure_value(&(Figure){ terms, 3, true, "" }, &(ValidFigures){ 10, loss, metric }) == 10 + 1.5 - 0.4);
}

static void stops_and_goes_back_to_the_best(void **s) {
  (void)s;
  Run x = new_run(200, 120, 40, 30);
  x.tp.learning_rate = 0.6;
  x.tp.stop = x.tp.best = by_loss, x.tp.patience = 4;
  go(&x);
  no_errors(&x);
  int64_t best = 1;
  for (int i = 0; i < x.r->n_epochs; i++)
    if (x.r->epochs[i].stop_figure < x.r->epochs[best - 1].stop_figure) best = x.r->epochs[i].epoch;
  assert_int_equal(x.r->best_epoch, best);
  assert_int_equal(x.r->n_epochs, best + 4);
  assert_true(x.r->n_epochs < 200);
  Run y = new_run(best, 120, 40, 30);                         // trained for just so long
  y.tp.learning_rate = 0.6;
  go(&y);
  assert_true(same_slots(x.e, y.e));
  assert_true(x.r->test_loss[0] == y.r->test_loss[0]);
  Run z = new_run(200, 120, 40, 30);                          // no `best`: the last epoch's weights stay
  z.tp.learning_rate = 0.6;
  z.tp.stop = by_loss, z.tp.patience = 4;
  go(&z);
  assert_int_equal(z.r->n_epochs, x.r->n_epochs);
  assert_int_equal(z.r->best_epoch, z.r->n_epochs);
  assert_false(same_slots(x.e, z.e));
  free_run(&x);
  free_run(&y);
  free_run(&z);
}

static void an_undefined_figure(void **s) {
  (void)s;
  Run x = new_run(50, 40, 10, 0);
  for (int i = 0; i < 10; i++) x.data.split[1].y[i] = 1;      // one class only
  x.tp.stop = x.tp.best = by_auc, x.tp.patience = 3;
  go(&x);
  no_errors(&x);
  assert_true(x.r->n_epochs == 3 && x.r->best_epoch == 3);
  says(&x, "`auc(click)` was undefined");
  free_run(&x);
}

// ---------------------------------------------------------------- interruption
static char dir[] = "/tmp/mtlc-train-XXXXXX";
static const char *const checkpoint_files[] = { "state.json", "checkpoint.safetensors", "checkpoint.previous.safetensors" };
static int make_dir(void **s) {
  (void)s;
  return mkdtemp(dir) ? 0 : -1;
}
static int remove_dir(void **s) {
  (void)s;
  checkpoint_remove(dir);
  return rmdir(dir);                                          // fails where something else was left
}
static char *in_dir(int file) {
  static char path[3][96];
  snprintf(path[file], sizeof path[file], "%s/%s", dir, checkpoint_files[file]);
  return path[file];
}
static bool exists(int file) { return access(in_dir(file), F_OK) == 0; }

static char *slurp(const char *from, size_t *n) {
  FILE *f = fopen(from, "rb");
  assert_non_null(f);
  char *s = malloc(1 << 20);
  *n = fread(s, 1, 1 << 20, f);
  fclose(f);
  return s;
}
static void spit(const char *to, const void *data, size_t n) {
  FILE *f = fopen(to, "wb");
  assert_non_null(f);
  assert_true(fwrite(data, 1, n, f) == n && fclose(f) == 0);
}

static Run stopping_run(void) {                               // 7 epochs of 6 batches, the best one not the last
  Run x = new_run(7, 110, 40, 30);
  x.tp.learning_rate = 0.9;
  x.tp.stop = x.tp.best = by_loss, x.tp.patience = 30;
  x.hooks.run_dir = dir;
  return x;
}

static void same_reports(const Run *x, const Run *y) {
  assert_int_equal(x->r->n_epochs, y->r->n_epochs);
  assert_int_equal(x->r->best_epoch, y->r->best_epoch);
  for (int i = 0; i < x->r->n_epochs; i++) {
    const EpochReport *a = &x->r->epochs[i], *b = &y->r->epochs[i];
    assert_true(a->epoch == b->epoch && same_number(a->loss, b->loss) && same_number(a->stop_figure, b->stop_figure));
    for (int t = 0; t < TASKS; t++) {
      assert_true(same_number(a->task_loss[t], b->task_loss[t]) && same_number(a->valid_loss[t], b->valid_loss[t]));
      for (int k = 0; k < tasks[t].n_metrics; k++) assert_true(same_number(a->valid_metric[t][k], b->valid_metric[t][k]));
    }
  }
  for (int t = 0; t < TASKS; t++) assert_true(same_number(x->r->test_loss[t], y->r->test_loss[t]));
}

static void resumes_to_the_same_bits(void **s) {
  (void)s;
  Run whole = stopping_run();
  go(&whole);
  no_errors(&whole);
  assert_true(whole.r->best_epoch < 7 && whole.r->n_epochs == 7);
  for (int64_t stop = 1; stop < 42; stop++) {
    Run x = stopping_run();
    seen.stop_at = stop;
    go(&x);
    no_errors(&x);
    assert_true(x.r->interrupted && x.e->step == stop && seen.steps == stop && !x.r->test_metric);
    assert_true(exists(0) && exists(1) && !exists(2));
    Run y = stopping_run();                                   // its slots are fresh, its engine at step 0
    y.hooks.resume = true;
    go(&y);
    no_errors(&y);
    assert_int_equal(seen.steps, 42 - stop);
    assert_true(same_slots(whole.e, y.e));
    same_reports(&whole, &y);
    free_run(&x);
    free_run(&y);
  }
  free_run(&whole);
}

static void resumes_more_than_once(void **s) {
  (void)s;
  Run whole = stopping_run();
  go(&whole);
  Run x = stopping_run();
  seen.stop = 1;                                              // after every single step
  go(&x);
  while (x.r && x.r->interrupted) {
    free_run(&x);
    x = stopping_run();
    x.hooks.resume = true;
    seen.stop = 1;
    go(&x);
  }
  no_errors(&x);
  assert_true(same_slots(whole.e, x.e));
  same_reports(&whole, &x);
  free_run(&x);
  free_run(&whole);
}

static void interrupt_at(int64_t step) {
  Run x = stopping_run();
  seen.stop_at = step;
  go(&x);
  no_errors(&x);
  free_run(&x);
}

static void resume_fails(const char *code, const char *why) {
  Run x = stopping_run();
  x.hooks.resume = true;
  go(&x);
  assert_null(x.r);
  assert_int_equal(diag_exit_code(x.d), DIAG_DATA);
  says(&x, code);
  says(&x, why);
  free_run(&x);
}

static void a_torn_pair(void **s) {                           // the machine stopped between the two files
  (void)s;
  size_t n_state, n_old, n_new;
  interrupt_at(10);
  char *state = slurp(in_dir(0), &n_state), *old = slurp(in_dir(1), &n_old);
  interrupt_at(20);
  char *new = slurp(in_dir(1), &n_new);
  spit(in_dir(0), state, n_state);
  resume_fails("bad-checkpoint", "`checkpoint` is not the digest");
  spit(in_dir(2), old, n_old);                                // as checkpoint_save leaves it then
  Run whole = stopping_run(), x = stopping_run();
  go(&whole);
  x.hooks.resume = true;
  go(&x);
  no_errors(&x);
  assert_true(same_slots(whole.e, x.e));
  free_run(&whole);
  free_run(&x);
  checkpoint_remove(dir);
  assert_true(!exists(0) && !exists(1) && !exists(2));
  free(state);
  free(old);
  free(new);
}

static void other_trainings(void **s) {
  (void)s;
  checkpoint_remove(dir);
  resume_fails("bad-checkpoint", "no interrupted training here");
  interrupt_at(15);
  Run x = stopping_run();
  x.hooks.resume = true;
  x.data.split[0].dense[17] += 0.5f;
  go(&x);
  assert_null(x.r);
  says(&x, "`data` is of other rows");
  free_run(&x);
  x = stopping_run();
  x.hooks.resume = true;
  x.tp.seed++;
  go(&x);
  says(&x, "`seed` is another seed");
  free_run(&x);
  x = stopping_run();
  x.hooks.resume = true;
  x.tp.batch = 10;
  go(&x);
  says(&x, "`batch_rows` is out of its range");
  free_run(&x);
}

static void broken_states(void **s) {                         // never a crash, never a silent change
  (void)s;
  size_t n;
  interrupt_at(15);
  char *state = slurp(in_dir(0), &n);
  Run whole = stopping_run();
  go(&whole);
  uint64_t seed = 9;
  for (int k = 0; k < 600; k++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    size_t bit = (size_t)(seed >> 20) % (8 * n), cut = k % 3 ? n : (size_t)(seed >> 24) % n;
    state[bit / 8] ^= (char)(1 << bit % 8);
    spit(in_dir(0), state, cut);
    state[bit / 8] ^= (char)(1 << bit % 8);
    Run x = stopping_run();
    x.hooks.resume = true;
    go(&x);
    if (x.r) assert_true(same_slots(whole.e, x.e));           // a bit that does not matter: none or another blank
    else assert_int_equal(diag_exit_code(x.d), DIAG_DATA);
    free_run(&x);
  }
  free_run(&whole);
  free(state);
}

// An end that cannot be written: the training is saved as it is after its last step, and its result comes without another one.
static bool no_end(void *ctx, const TrainReport *r) {
  Run *x = ctx;
  assert_true(r->best_epoch < r->n_epochs && !exists(0));
  diag_machine(x->d, "disk-full", "this disk is full");
  return false;
}

static void an_end_that_cannot_be_written(void **s) {
  (void)s;
  checkpoint_remove(dir);
  Run whole = stopping_run(), x = stopping_run(), y = stopping_run();
  go(&whole);
  x.hooks.keep = no_end, x.hooks.ctx = &x;
  go(&x);
  assert_null(x.r);
  says(&x, "disk-full");
  assert_true(exists(0) && exists(1));
  y.hooks.resume = true;
  seen.steps = 0;
  go(&y);
  no_errors(&y);
  assert_int_equal(seen.steps, 0);
  assert_true(y.r->steps == whole.r->steps && same_slots(whole.e, y.e));
  same_reports(&whole, &y);
  free_run(&whole);
  free_run(&x);
  free_run(&y);
  checkpoint_remove(dir);
}

static int files_in(const char *folder) {
  int n = 0;
  DIR *d = opendir(folder);
  assert_non_null(d);
  for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

static void room_for_a_checkpoint(void **s) {                 // is there from the beginning, and after each save
  (void)s;
  struct stat claimed, written;
  Run x = stopping_run();
  char spare[600];
  snprintf(spare, sizeof spare, "%s.tmp", in_dir(1));
  checkpoint_remove(dir);
  int before = files_in(dir);
  for (int i = 0; i < 3; i++) {
    free_run(&x);
    x = stopping_run();
    x.hooks.resume = i > 0;
    seen.stop_at = 10 + 5 * i;
    go(&x);
    no_errors(&x);
    assert_true(stat(spare, &claimed) == 0 && stat(in_dir(1), &written) == 0);
    assert_true(claimed.st_size >= written.st_size && claimed.st_blocks >= written.st_blocks && !exists(2));
  }
  free_run(&x);
  checkpoint_release(dir);
  assert_int_equal(files_in(dir), before + 2);
  checkpoint_remove(dir);
  assert_int_equal(files_in(dir), before);
}

static void a_full_disk(void **s) {
  (void)s;
  interrupt_at(10);
  size_t n, m;
  char *before = slurp(in_dir(0), &n);
  pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1024, 1024 });
    Run x = stopping_run();
    x.hooks.resume = true;
    seen.stop_at = 20;
    go(&x);
    _exit(!(x.r == NULL && diag_exit_code(x.d) == DIAG_MACHINE && strstr(said(&x), "disk-full")));
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  char *after = slurp(in_dir(0), &m);
  assert_true(n == m && memcmp(before, after, n) == 0);       // the checkpoint before still stands, and can be used
  Run whole = stopping_run(), x = stopping_run();
  go(&whole);
  x.hooks.resume = true;
  go(&x);
  no_errors(&x);
  assert_true(same_slots(whole.e, x.e));
  free_run(&whole);
  free_run(&x);
  free(before);
  free(after);
}

// ---------------------------------------------------------------- what is not finite
static void put_bad(Run *x, int64_t row, float v) { x->data.split[0].dense[(row - 1) * D + 2] = v; }

static void check_not_finite(Run *x, int64_t step, int64_t epoch, int64_t batch) {
  go(x);
  assert_null(x->r);
  assert_int_equal(diag_errors(x->d), 1);
  assert_int_equal(diag_exit_code(x->d), DIAG_DATA);
  says(x, "not-finite");
  says(x, arena_printf(x->a, "at step %lld (epoch %lld, batch %lld)", (long long)step, (long long)epoch, (long long)batch));
}

static void a_loss_that_is_not_finite(void **s) {
  (void)s;
  Run x = new_run(3, 210, 0, 0);
  x.tp.shuffle = false;
  put_bad(&x, 87, 1e30f);                                     // (z − y)² overflows; row 87 is in batch 5
  x.data.split[0].w[210 + 86] = 1, x.data.split[0].w[86] = 0;
  check_not_finite(&x, 5, 1, 5);
  says(&x, "the loss of task `amount` is no finite number");
  says(&x, ": row 87\n");
  says(&x, "row 87");
  free_run(&x);
}

static void a_gradient_that_is_not_finite(void **s) {
  (void)s;
  for (int64_t rows = 100; rows <= 3000; rows += 2900) {  // found at the end of the epoch; after 64 steps, and then again
    Run x = new_run(3, rows, 0, 0);
    x.tp.shuffle = false;
    for (int64_t i = 80; i < 83; i++) put_bad(&x, i + 1, 1e20f);   // the loss is finite, its gradient times the input is not
    for (int64_t i = 80; i < 100; i++) x.data.split[0].w[i] = 0, x.data.split[0].w[rows + i] = i < 83;
    for (int j = 0; j < D; j++) ((float *)x.e->buf[S_W])[j * 4 + AMOUNT] = 1e-2f, ((float *)x.e->buf[S_W])[j * 4] = 0;
    x.tp.learning_rate = 1e-9;
    check_not_finite(&x, 5, 1, 5);
    says(&x, "the gradient of `head.w` is no finite number at");
    says(&x, "the batch is rows 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, … (20 in all)");
    free_run(&x);
  }
}

static void it_is_found_late_and_named_right(void **s) {      // row numbers of a shuffled epoch, far from the start
  (void)s;
  Run x = new_run(9, 2000, 0, 0);
  put_bad(&x, 1234, NAN);
  x.data.split[0].w[2000 + 1233] = x.data.split[0].w[1233] = 1;
  go(&x);
  assert_null(x.r);
  says(&x, "row 1234");
  says(&x, "the loss of task `click` is no finite number");
  free_run(&x);
}

// Epochs after the slots that are gone back to, by many steps at a time, whether these were kept or are made anew.
static int64_t step_that_overflows(Run *x, int64_t rows) {
  for (int64_t step = 1; step < 5000; step++) {
    engine_batch(x->e, &dp, &x->data.split[0], NULL, (step - 1) * x->tp.batch % rows, x->tp.batch);
    engine_run(x->e, PROG_TRAIN, x->tp.batch, x->tp.learning_rate);
    for (int i = 0; i < x->tp.n_tasks; i++)
      if (!isfinite(engine_out(x->e, x->tp.tasks[i].sum, 0, 0))) return step;
    for (int i = 0; i < 4 * D; i++)
      if (!isfinite(((float *)x->e->buf[S_W])[i]) || !isfinite(((float *)x->e->buf[S_V])[i])) return step;
  }
  return -1;
}

static void from_the_start(void *run) { engine_init(((Run *)run)->e, ((Run *)run)->tp.seed); }

static void it_is_found_epochs_later(void **s) {
  (void)s;
  enum { ROWS = 100 };
  for (int anew = 0; anew < 2; anew++) {
    Run x = new_run(1000, ROWS, 0, 0), y = new_run(1000, ROWS, 0, 0);
    x.tp.shuffle = y.tp.shuffle = false;
    x.tp.learning_rate = y.tp.learning_rate = 10;
    int64_t step = step_that_overflows(&y, ROWS), per_epoch = ROWS / x.tp.batch;
    if (step <= 3 * per_epoch) fail_msg("step %lld", (long long)step);
    x.hooks.ctx = &x;
    if (anew) x.hooks.start = from_the_start;
    check_not_finite(&x, step, (step - 1) / per_epoch + 1, (step - 1) % per_epoch + 1);
    free_run(&x);
    free_run(&y);
  }
}

static void validation_that_is_not_finite(void **s) {
  (void)s;
  Run x = new_run(2, 40, 70, 0);
  x.data.split[1].dense[50 * D] = INFINITY;
  x.data.split[1].w[50] = x.data.split[1].w[70 + 50] = 1;
  go(&x);
  assert_null(x.r);
  says(&x, "on the validation rows after epoch 1: row 1051");
  free_run(&x);
}

static void every_place_of_a_slot_is_looked_at(void **s) {
  (void)s;
  const float bad[] = { NAN, -NAN, INFINITY, -INFINITY }, fine[] = { 0, 3.4028234e38f, -3.4028234e38f, 1e-45f };
  for (int64_t cols = 1; cols < 40; cols++) {
    One o;
    Arena *a = arena_new();
    init_one(&o, "w", (Init){ INIT_ONES, 0, 0 }, 3, cols, 2, 1);
    memset(o.e->slots.at, 0xff, (size_t)o.p.slot_bytes);         // NaN everywhere, so between the rows, too
    engine_init(o.e, 1);
    Trainer t = { .e = o.e, .arena = a, .diag = diag_new(a, NULL) };
    assert_true(guard_start(&t));
    for (int64_t i = 0; i < 3 * cols; i++) {
      float *at = (float *)o.e->slots.at + i / cols * (cols + 3) + i % cols;
      *at = fine[i % 4];
      assert_true(guard_start(&t));
      *at = bad[i % 4];
      assert_false(guard_start(&t));
      *at = 1;
    }
    guard_free(&t);
    engine_free(o.e);
    arena_free(a);
  }
}

static void slots_that_start_not_finite(void **s) {
  (void)s;
  Run x = new_run(2, 40, 0, 0);
  *(double *)x.e->buf[S_POWER] = INFINITY;
  go(&x);
  assert_null(x.r);
  says(&x, "`power` is not finite before the first step");
  free_run(&x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(engine_runs_phases), cmocka_unit_test(initialisers),
    cmocka_unit_test(initial_values_depend_on_path_and_seed_alone), cmocka_unit_test(it_learns),
    cmocka_unit_test(epoch_losses_are_sums_over_weights), cmocka_unit_test(order_of_rows),
    cmocka_unit_test(validation_is_over_the_whole_split), cmocka_unit_test(predictions_speak_the_original_unit),
    cmocka_unit_test(no_rows), cmocka_unit_test(a_task_without_labels), cmocka_unit_test(watching),
    cmocka_unit_test(stops_and_goes_back_to_the_best), cmocka_unit_test(an_undefined_figure),
    cmocka_unit_test(resumes_to_the_same_bits), cmocka_unit_test(resumes_more_than_once), cmocka_unit_test(a_torn_pair),
    cmocka_unit_test(an_end_that_cannot_be_written), cmocka_unit_test(room_for_a_checkpoint),
    cmocka_unit_test(other_trainings), cmocka_unit_test(broken_states), cmocka_unit_test(a_full_disk),
    cmocka_unit_test(a_loss_that_is_not_finite), cmocka_unit_test(a_gradient_that_is_not_finite),
    cmocka_unit_test(it_is_found_late_and_named_right), cmocka_unit_test(it_is_found_epochs_later), cmocka_unit_test(large_slots), cmocka_unit_test(slots_in_a_file),
    cmocka_unit_test(validation_that_is_not_finite),
    cmocka_unit_test(every_place_of_a_slot_is_looked_at), cmocka_unit_test(slots_that_start_not_finite)
  };
  return cmocka_run_group_tests_name("train", tests, make_dir, remove_dir);
}
