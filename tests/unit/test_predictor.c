// test_predictor.c: predictions of rows in memory have the bits of `mtlc predict` on the same rows in a file, for all kinds of inputs, in calls of any
// length, from several threads; and what is refused, is told.
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>
#include "src/mtl.h"
#include "runtime/data/data_int.h"

enum { ROWS = 200 };
static char folder[] = "/tmp/mtlc-predictor-XXXXXX";

static const char all_kinds[] =
    "model serving\nedition 2026\n"
    "input a    : real { missing = mean, indicator = true, scale = zscore }\n"
    "input b    : real\n"
    "input v    : vector(3) { scale = zscore }\n"
    "input c    : real { clip = 0..5, map = log1p, scale = minmax }\n"
    "input at   : time { missing = own }\n"
    "input age  : category { map = bucketize([18, 25, 65]) }\n"
    "input kind : category\n"
    "input city : category { missing = mode }\n"
    "input user : id { buckets = 50 }\n"
    "input tags : list(category) { separator = \"|\", max = 3 }\n"
    "input more : list(id) { buckets = 20, max = 4 }\n"
    "input paid : list(real) { map = log1p, scale = zscore, max = 3 }\n"
    "input text : text { buckets = 40, max = 4, ngrams = 2 }\n"
    "label y : binary\nlabel k : class(3)\nlabel amount : real { map = log1p, scale = zscore }\n"
    "shared h = concat(a, b, v, c, at, repeat(x in [age, kind, city, user], embed(x, 3)), mean(tags |> embed(2)), mean(more |> embed(2)),\n"
    "  sum(paid), mean(text |> embed(3))) |> dense(20, relu) as wide |> dense(9, relu) as narrow\n"
    "task one   { head = h |> dense(1) |> sigmoid, loss = bce(y) }\n"
    "task three { head = h |> dense(3) |> softmax, loss = cross_entropy(k) }\n"
    "task paying { head = h |> dense(1), loss = mse(amount) }\n"
    "output both = concat(one, paying)\n"
    "output same = paying { unit = amount }\n"
    "train { optimizer = adam(0.01), batch = 16, epochs = 2, split = fraction(train = 0.8, valid = 0.2), seed = 3 }\n";

static const char strict[] =
    "model strict\nedition 2026\n"
    "input n    : real\ninput root : real { map = sqrt }\ninput kind : category { missing = error, unseen = error }\n"
    "input tags : list(category) { max = 3, missing = error }\n"
    "label y : binary\n"
    "task t { head = concat(n, root, embed(kind, 2), mean(embed(tags, 2))) |> dense(1) |> sigmoid, loss = bce(y) }\n"
    "train { optimizer = sgd(0.1), batch = 8, epochs = 1, split = fraction(train = 1) }\n";

// ---------------------------------------------------------------- rows, runs
static const char *in_folder(const char *name) {
  static char path[4][256];
  static int at;
  char *p = path[at++ % 4];
  snprintf(p, sizeof path[0], "%s/%s", folder, name);
  return p;
}

static void write_text(const char *name, const char *text) {
  FILE *f = fopen(in_folder(name), "w");
  assert_non_null(f);
  fputs(text, f);
  assert_int_equal(fclose(f), 0);
}

static uint64_t state = 1;
static int below(int n) { return (int)((state = mix64(state + 1)) >> 33) % n; }
static const char *one_of(const char *const *words, int n) { return words[below(n)]; }
#define ONE_OF(...) one_of((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void write_all_kinds(void) {
  FILE *f = fopen(in_folder("all.csv"), "w");
  assert_non_null(f);
  fputs("a,b,v_0,v_1,v_2,c,at,age,kind,city,user,tags,more,paid,text,y,k,amount\n", f);
  for (int i = 0; i < ROWS; i++) {
    if (below(5)) fprintf(f, "%d.%03d", below(100), below(1000));
    fprintf(f, ",%d,%d.5,-0.%d,%d,%d.25,", below(9), below(9), below(999), below(7), below(8));
    if (below(6)) fprintf(f, "%d", 1700000000 + below(10000000));
    if (below(6)) fprintf(f, ",%d", below(80));
    else fputc(',', f);
    fprintf(f, ",%s,%s,user%d", ONE_OF("", "red", "green", "blue"), ONE_OF("", "Bonn", "Köln", "Kiel"), below(99));
    fprintf(f, ",%s,\"%s\",%s", ONE_OF("", "a", "a|b", "c|b|a", "c|c|b|a"), ONE_OF("", "[7, 8]", "[\"\"x\"\", 9, 10, 11, 12]"), ONE_OF("", "1", "2 0.5", "4 3 2 1"));
    fprintf(f, ",%s,%d,%d,%d\n", ONE_OF("", "Ein Haus", "Das GROSSE Haus am See", "see"), below(2), below(3), below(1000));
  }
  assert_int_equal(fclose(f), 0);
}

static void fine(mtl_context *c, int code) {
  if (code) fail_msg("%s", mtl_errors(c, false));
}

static void train(const char *spec, const char *data, const char *run) {
  mtl_context *c = mtl_new();
  char *report = NULL;
  mtl_run_options o = {.spec = spec, .data = (const char *const[]){data, NULL}, .out = run};
  fine(c, mtl_run(c, &o, &report));
  mtl_text_free(report);
  mtl_free(c);
}

static int make_runs(void **unused) {
  (void)unused;
  if (!mkdtemp(folder)) return -1;
  write_text("all.mtl", all_kinds);
  write_all_kinds();
  train(in_folder("all.mtl"), in_folder("all.csv"), in_folder("all"));
  write_text("strict.mtl", strict);
  write_text("strict.csv", "n,root,kind,tags,y\n1,4,red,a,1\n2,9,blue,a b,0\n3,16,red,b,1\n");
  train(in_folder("strict.mtl"), in_folder("strict.csv"), in_folder("strict"));
  return 0;
}

static int remove_runs(void **unused) {
  (void)unused;
  char command[300];
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return system(command);
}

// ---------------------------------------------------------------- the same rows, for the predictor and for mtl_predict
typedef struct { mtl_context *c; mtl_predictor *p; const mtl_row *row; } Opened;

static Opened open_run(const char *run) {
  Opened o = {.c = mtl_new()};
  o.p = mtl_predictor_open(o.c, run);
  if (!o.p) fail_msg("%s", mtl_errors(o.c, false));
  o.row = mtl_predictor_row(o.p);
  return o;
}

static void close_run(Opened *o) {
  mtl_predictor_close(o->p);
  mtl_free(o->c);
}

static int column_of(const Table *t, const char *input) {
  for (int i = 0; i < t->n_columns; i++)
    if (!strncmp(t->names[i], input, strlen(input)) && strchr("_", t->names[i][strlen(input)])) return i;
  fail_msg("no column for %s", input);
  return -1;
}

static double number_of(const char *s) { return *s ? strtod(s, NULL) : NAN; }

// A list of numbers stands in one cell, a vector in columns.
static void put_cells(const mtl_input *in, char *const *cell, double *x) {
  char *s = cell[0];
  bool list = !strcmp(in->name, "paid");
  double all[16];
  int n = 0;
  for (char *end; list && *s; s = end) {
    all[n++] = strtod(s, &end);
    if (end == s) break;
  }
  int first = n > in->width ? n - in->width : 0;              // the last ones are kept
  for (int k = 0; k < in->width; k++) x[in->at + k] = !list ? number_of(cell[k]) : first + k < n ? all[first + k] : NAN;
}

typedef struct { double *numbers; uint32_t *ids; float *want; int64_t n; } Rows200;

static Rows200 rows_of(Opened *o, const char *data) {
  Diag *d = diag_new(arena_new(), NULL);
  Table *t = csv_read(data, &(DataSource){.name = "data"}, d);
  assert_non_null(t);
  Rows200 r = {.n = t->n_rows};
  r.numbers = xcalloc((size_t)(r.n * o->row->numbers + 1), sizeof *r.numbers);
  r.ids = xcalloc((size_t)(r.n * o->row->ids + 1), sizeof *r.ids);
  for (int64_t k = 0; k < r.n; k++)
    for (int i = 0; i < o->row->n_inputs; i++) {
      const mtl_input *in = &o->row->inputs[i];
      char *const *cell = t->cell + k * t->width + column_of(t, in->name);
      if (!in->is_id) put_cells(in, cell, r.numbers + k * o->row->numbers);
      else assert_true(mtl_predictor_ids(o->p, i, *cell, r.ids + k * o->row->ids + in->at));
    }
  table_free(t);
  return r;
}

static void predicted(Opened *o, const char *run, const char *data, Rows200 *r) {      // mtl_predict's CSV as numbers
  mtl_context *c = mtl_new();
  char *csv = NULL;
  fine(c, mtl_predict(c, run, (const char *const[]){data, NULL}, "-", false, &csv));
  r->want = xcalloc((size_t)(r->n * o->row->results), sizeof *r->want);
  char *s = strchr(csv, '\n') + 1;
  for (int64_t k = 0; k < r->n; k++) {
    s = strchr(s, ',');
    for (int j = 0; j < o->row->results; j++) r->want[k * o->row->results + j] = strtof(s + 1, &s);
    assert_int_equal(*s++, '\n');
  }
  assert_int_equal(*s, 0);
  mtl_text_free(csv);
  mtl_free(c);
}

static void free_rows(Rows200 *r) { free(r->numbers), free(r->ids), free(r->want); }

// In calls of `step` rows.
static int wrong_results(mtl_predictor *p, const mtl_row *row, const Rows200 *r, int64_t step) {
  float got[ROWS * 16];
  int wrong = 0;
  for (int64_t k = 0; k < r->n; k += step) {
    int64_t n = r->n - k < step ? r->n - k : step;
    wrong += mtl_predictor_run(p, n, r->numbers + k * row->numbers, r->ids + k * row->ids, got + k * row->results) != n;
  }
  for (int64_t i = 0; i < r->n * row->results; i++) wrong += memcmp(&got[i], &r->want[i], sizeof *got) != 0;
  return wrong;
}

static void bits_of_predict(void **unused) {
  (void)unused;
  const char *run = in_folder("all"), *data = in_folder("all.csv");
  Opened o = open_run(run);
  assert_int_equal(o.row->n_inputs, 13);
  assert_int_equal(o.row->numbers, 1 + 1 + 3 + 1 + 1 + 1 + 3);
  assert_int_equal(o.row->ids, 1 + 1 + 1 + 3 + 4 + 4);
  assert_int_equal(o.row->n_outputs, 5);
  assert_int_equal(o.row->results, 1 + 3 + 1 + 2 + 1);
  assert_string_equal(o.row->outputs[1].name, "three");
  assert_int_equal(o.row->outputs[1].at, 1);
  assert_int_equal(o.row->outputs[1].width, 3);
  Rows200 r = rows_of(&o, data);
  predicted(&o, run, data, &r);
  static const int64_t steps[] = {1, 5, 16, 17, ROWS};
  for (int i = 0; i < COUNT_OF(steps); i++) assert_int_equal(wrong_results(o.p, o.row, &r, steps[i]), 0);
  free_rows(&r);
  close_run(&o);
}

// ---------------------------------------------------------------- threads
typedef struct { mtl_predictor *p; const mtl_row *row; const Rows200 *r; int wrong; } Job;

static void *work(void *ctx) {
  Job *j = ctx;
  for (int i = 0; i < 20; i++) j->wrong += wrong_results(j->p, j->row, j->r, 1 + i);
  return NULL;
}

static void threads_share_the_weights(void **unused) {
  (void)unused;
  const char *run = in_folder("all"), *data = in_folder("all.csv");
  Opened o = open_run(run);
  Rows200 r = rows_of(&o, data);
  predicted(&o, run, data, &r);
  Job jobs[3];
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) {
    jobs[i] = (Job){i ? mtl_predictor_share(o.p) : o.p, o.row, &r, 0};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &jobs[i]), 0);
  }
  for (int i = 0; i < 3; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(jobs[i].wrong, 0);
    if (i) mtl_predictor_close(jobs[i].p);
  }
  assert_int_equal(wrong_results(o.p, o.row, &r, 3), 0);      // the weights are still there
  free_rows(&r);
  close_run(&o);
}

// ---------------------------------------------------------------- what is refused
static void refused_rows(void **unused) {
  (void)unused;
  Opened o = open_run(in_folder("strict"));
  enum { N = 12 };
  double x[2 * N];
  uint32_t ids[4 * N];
  float first[N], got[N];
  assert_int_equal(o.row->numbers, 2);
  assert_int_equal(o.row->ids, 4);
  for (int i = 0; i < N; i++) {
    x[2 * i] = i, x[2 * i + 1] = i;
    assert_true(mtl_predictor_ids(o.p, 2, i % 2 ? "red" : "blue", &ids[4 * i]));
    assert_true(mtl_predictor_ids(o.p, 3, "a b", &ids[4 * i + 1]));
  }
  assert_int_equal(ids[3], MTL_END);
  assert_int_equal(mtl_predictor_run(o.p, N, x, ids, first), N);
  assert_string_equal(mtl_predictor_error(o.p), "");
  static const struct { int at; double number; const char *says; } numbers[] = {
    {0, NAN, "`n` is missing"}, {0, INFINITY, "`n` is inf, which is no number"}, {0, 1e300, "`n` is 1e+300 and becomes 1e+300, which is too large for a 32-bit number"},
    {1, -4, "`root` is -4, which has no square root"}, {1, NAN, "`root` is missing"},
  };
  static const struct { int at; uint32_t id; const char *says; } changes[] = {
    {0, 3, "`kind` has the id 3; they are below 3"}, {0, MTL_NO_ID, "`kind` is missing, or new"}, {1, MTL_NO_ID, "`tags` is missing, or new"},
    {2, 77, "`tags` has the id 77; they are below 3"},
  };
  enum { BAD = 10 };                                          // in the second batch of 8
  for (int i = 0; i < COUNT_OF(numbers) + COUNT_OF(changes); i++) {
    int k = i - COUNT_OF(numbers);
    double *number = &x[2 * BAD + (k < 0 ? numbers[i].at : 0)], kept = *number;
    uint32_t *id = &ids[4 * BAD + (k < 0 ? 0 : changes[k].at)], kept_id = *id;
    if (k < 0) *number = numbers[i].number;
    else *id = changes[k].id;
    memset(got, 0, sizeof got);
    assert_int_equal(mtl_predictor_run(o.p, N, x, ids, got), BAD);
    assert_string_equal(mtl_predictor_error(o.p), k < 0 ? numbers[i].says : changes[k].says);
    assert_memory_equal(got, first, sizeof *got * BAD);
    assert_true(got[BAD] == 0);
    *number = kept, *id = kept_id;
  }
  assert_int_equal(mtl_predictor_run(o.p, 0, NULL, NULL, NULL), 0);
  close_run(&o);
}

static void refused_cells(void **unused) {
  (void)unused;
  Opened o = open_run(in_folder("strict")), all = open_run(in_folder("all"));
  static const struct { const char *cell; uint32_t id; } kinds[] = {{"blue", 1}, {"red", 2}, {"green", MTL_NO_ID}, {"", MTL_NO_ID}, {NULL, MTL_NO_ID}};
  uint32_t ids[4];
  for (int i = 0; i < COUNT_OF(kinds); i++) {
    assert_true(mtl_predictor_ids(o.p, 2, kinds[i].cell, ids));
    assert_int_equal(ids[0], kinds[i].id);
  }
  assert_true(mtl_predictor_ids(o.p, 3, NULL, ids));
  assert_int_equal(ids[0], MTL_NO_ID);
  assert_true(mtl_predictor_ids(o.p, 3, "b new", ids));        // new, and nothing is said of it: out of the vocabulary
  assert_int_equal(ids[0], 2);
  assert_int_equal(ids[1], 0);
  assert_int_equal(ids[2], MTL_END);
  assert_false(mtl_predictor_ids(o.p, 3, "[\"a", ids));
  assert_false(mtl_predictor_ids(all.p, 12, "\xff", ids));
  assert_true(mtl_predictor_ids(all.p, 10, NULL, ids));        // an empty list
  assert_int_equal(ids[0], MTL_END);
  close_run(&o);
  close_run(&all);
}

static void no_run(void **unused) {
  (void)unused;
  mtl_context *c = mtl_new();
  assert_null(mtl_predictor_open(c, in_folder("nothing")));
  assert_non_null(strstr(mtl_errors(c, false), "nothing"));
  mtl_predictor_close(NULL);
  mtl_free(c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(bits_of_predict), cmocka_unit_test(threads_share_the_weights), cmocka_unit_test(refused_rows),
    cmocka_unit_test(refused_cells),   cmocka_unit_test(no_run),
  };
  return cmocka_run_group_tests(tests, make_runs, remove_runs);
}
