// test_inputs.c: inputs from the spec to prepared rows: a few lines of a spec and a file give numbers and ids, or an error.
// Every preparation is also written to JSON, read again and applied to the same file: the same rows must come out.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>
#include "diag_text.h"
#include "runtime/data/data_int.h"
#include "src/model/model.h"
#ifndef SOURCE_STD
#define SOURCE_STD "specs/std"
#endif

static char folder[] = "/tmp/mtlc-inputs-XXXXXX";
static Arena *scratch;                                        // texts of the cases
typedef struct { Arena *arena; Sources *sources; Diag *diag; Model *model; Dataset *data; char *path; int line; } Test;

#define FILES(path) (DataFiles){.source = (const char *const[]){path}}

static char *messages(Test *t) { return diag_text(t->diag, t->arena); }

static char *file(Test *t, const char *name, const char *text) {
  char *path = arena_printf(t->arena, "%s/%s", folder, name);
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
  fclose(f);
  return path;
}

// lines: inputs, and what else belongs to the model; split: the first `train` rows of the file train, the others test.
static Test begin(int line, const char *lines, int train) {
  Test t = {.arena = arena_new(), .line = line};
  t.sources = sources_new(t.arena);
  t.diag = diag_new(t.arena, t.sources);
  char *spec = arena_printf(t.arena,
            "model m\nedition 2026\n%s\nlabel y : binary = row >= 0\ntask k { head = param([1], zeros), loss = bce(y) }\n"
                            "train { split = rule(train = row < %d, test = true) }\n", lines, train);
  char *path = arena_printf(t.arena, "%s/m.mtl", folder);
  uint32_t source = source_add(t.sources, path, spec, strlen(spec));
  t.model = resolve(t.arena, t.sources, parse(t.arena, t.sources, source, t.diag), path, SOURCE_STD, t.diag);
  return t;
}

static void end(Test *t) {
  data_free(t->data);
  arena_free(t->arena);
}

static void check_again(Test *t, const Rows *want) {
  Text json = {0};
  PrepState prep = {0};
  const DataPlan *p = &t->model->data;
  assert_true(prep_save(p, &t->data->prep, &json));
  if (!prep_load(p, &prep, json.data, json.n, t->arena, t->diag)) fail_msg("line %d: %s\n%s", t->line, messages(t),
      json.data);
  Dataset *d = data_apply(p, &prep, &FILES(t->path), false, t->diag);
  if (!d) fail_msg("line %d: %s", t->line, messages(t));
  int64_t from = d->split[2].n - want->n;                    // the test rows are the last of the file
  assert_true(from >= 0);
  assert_memory_equal(d->split[2].dense + from * p->dense_width, want->dense,
            sizeof(float) * (size_t)(want->n * p->dense_width));
  assert_memory_equal(d->split[2].ids + from * p->n_ids, want->ids, sizeof(uint32_t) * (size_t)(want->n * p->n_ids));
  data_free(d);
  text_free(&json);
}

static Test prepared(int line, const char *lines, int train, const char *csv) {
  Test t = begin(line, lines, train);
  if (diag_errors(t.diag)) fail_msg("line %d: %s", line, messages(&t));
  t.path = file(&t, "rows.csv", csv);
  t.data = data_prepare(&t.model->data, &FILES(t.path), t.diag);
  if (!t.data) fail_msg("line %d: %s", line, messages(&t));
  check_again(&t, &t.data->split[2]);
  return t;
}
#define PREPARED(lines, train, csv) prepared(__LINE__, lines, train, csv)

// Of the test rows, as text: "ids | dense" of each, rows apart by " / "; numbers with 6 digits.
static void expect_rows(Test *t, const char *want) {
  const Rows *r = &t->data->split[2];
  const DataPlan *p = &t->model->data;
  Text got = {0};
  for (int64_t i = 0; i < r->n; i++) {
    if (i) text_add(&got, " / ");
    for (int k = 0; k < p->n_ids; k++) text_printf(&got, "%u ", r->ids[i * p->n_ids + k]);
    text_char(&got, '|');
    for (int k = 0; k < p->dense_width; k++) text_printf(&got, " %.6g", (double)r->dense[i * p->dense_width + k]);
  }
  if (strcmp(got.data ? got.data : "", want)) fail_msg("line %d: got\n%s\nnot\n%s", t->line, got.data ? got.data : "", want);
  text_free(&got);
}

static void expect_summary(Test *t, const char *want) {
  Text got = {0};
  summary_print(&t->model->data, &t->data->summary, &got);
  if (!strstr(got.data, want)) fail_msg("line %d: no `%s` in\n%s", t->line, want, got.data);
  text_free(&got);
}

static void rejects_at(int line, const char *lines, int train, const char *csv, const char *says) {
  Test t = begin(line, lines, train);
  if (diag_errors(t.diag)) fail_msg("line %d: %s", line, messages(&t));
  t.path = file(&t, "rows.csv", csv);
  assert_null(data_prepare(&t.model->data, &FILES(t.path), t.diag));
  char *s = messages(&t);
  if (!strstr(s, says)) fail_msg("line %d: no `%s` in\n%s", line, says, s);
  assert_int_equal(diag_exit_code(t.diag), DIAG_DATA);
  end(&t);
}
#define REJECTS(lines, train, csv, says) rejects_at(__LINE__, lines, train, csv, says)

// ---------------------------------------------------------------- lists
// Vocabulary of the training row: a b c d e → 1 … 5; what is not there is 0. At most 4 items, the last ones.
static void items_of_a_cell(void **state) {
  static const struct { const char *clauses, *cell, *want; } cases[] = {
    {"", "a b", "1 2 0 0 | 2"},
    {"", "a|b;c,d", "1 2 3 4 | 4"},
    {"", "  a |  b ||", "1 2 0 0 | 2"},
    {"", "a b c d e", "2 3 4 5 | 4"},
    {"keep = first", "a b c d e", "1 2 3 4 | 4"},
    {"", "x a", "0 1 0 0 | 2"},
    {"", "", "0 0 0 0 | 0"},
    {"", "[]", "0 0 0 0 | 0"},
    {"", "[ ]", "0 0 0 0 | 0"},
    {"", "[a, b]", "1 2 0 0 | 2"},
    {"", " [\"a\", 'b' ,\"\\u0063\", null, d] ", "1 2 3 4 | 4"},
    {"", "[\"a,b\"]", "0 0 0 0 | 1"},
    {"separator = \"|\"", "a|b | c", "1 2 3 0 | 3"},
    {"separator = \"|\"", "a b|c", "0 3 0 0 | 2"},
    {"separator = \"|\"", "[a|b", "0 2 0 0 | 2"},
    {"separator = \"->\"", "a->b->->c", "1 2 3 0 | 3"},
  };
  (void)state;
  for (int i = 0; i < COUNT_OF(cases); i++) {
    Test t = begin(__LINE__, arena_printf(scratch, "input h : list(category) { max = 4, %s }", cases[i].clauses), 2);
    Text csv = {0};
    const char *apart = strstr(cases[i].clauses, "->") ? "->" : "|";
    text_printf(&csv, "h\na%sb%sc\nd%se%sd\n\"", apart, apart, apart, apart);
    for (const char *s = cases[i].cell; *s; s++) text_printf(&csv, *s == '"' ? "\"\"" : "%c", *s);
    text_add(&csv, "\"\n");
    t.path = file(&t, "rows.csv", csv.data);
    t.data = data_prepare(&t.model->data, &FILES(t.path), t.diag);
    if (!t.data) fail_msg("`%s`: %s", cases[i].cell, messages(&t));
    check_again(&t, &t.data->split[2]);
    expect_rows(&t, cases[i].want);
    text_free(&csv);
    end(&t);
  }
}

static void lists_of_each_kind(void **state) {
  (void)state;
  Test t = PREPARED("input n : list(real) { max = 3, scale = zscore }", 2, "n\n1 2\n3\n1 2 3 5\n\"\"\n");
  expect_rows(&t, "| 0 1.22474 3.67423 3 / | 0 0 0 0");      // mean 2, deviation √(2/3)
  expect_summary(&t, "n: 1 missing, 1 cut to the last items");
  end(&t);
  t = PREPARED("input n : list(real) { max = 2, map = log1p, clip = 0..3 }", 1, "n\n1\n-1 7\n");
  expect_rows(&t, "| 0 1.38629 2");
  expect_summary(&t, "n: 2 clipped");
  end(&t);
  t = PREPARED("input item : id { buckets = 1000 }\ninput h : list(id) { like = item, max = 2 }", 1,
               "item,h\na,b\nx,x y\ny,y\n");
  const uint32_t *ids = t.data->split[2].ids;                // [2, 3]
  assert_int_equal(ids[0], ids[1]);
  assert_int_equal(ids[2], ids[3]);
  assert_int_equal(ids[3], ids[4]);
  assert_int_equal(ids[5], 0);
  end(&t);
  t = PREPARED("input h : list(category) { like = item, max = 2 }\ninput item : category { min_count = 2 }", 4,
               "item,h\na,c\nb,c\na,c\nb,c\nb,b c\n");
  expect_rows(&t, "2 0 2 | 2");                              // c is no item
  expect_summary(&t, "h: 4 rare (out of vocabulary) in training rows, 1 unknown");
  end(&t);
}

static void missing_lists(void **state) {
  static const char csv[] = "h\na\n\"\"\nb a\n[]\n\"\"\n";
  (void)state;
  Test t = PREPARED("input h : list(category) { max = 2, missing = drop }", 3, csv);
  expect_rows(&t, "0 0 | 0");                                // an empty list is no missing cell
  assert_int_equal(t.data->summary.dropped, 2);
  end(&t);
  REJECTS("input h : list(category) { max = 2, missing = error }", 3, csv,
          "row 2, line 3, column \"h\": error[missing-value]: `h` is missing");
  REJECTS("input h : list(category) { max = 2, missing = error }", 3, csv, "`missing =` empty or drop");
}

static void wrong_lists(void **state) {
  (void)state;
  REJECTS("input h : list(real)", 1, "h\n1 2\n3 x\n", "row 2, line 3, column \"h\": error[not-a-number]: `x` is no number");
  REJECTS("input h : list(real) { map = log1p }", 1, "h\n1 2\n-7\n",
          "column \"h\": error[out-of-domain]: -7 has no log(1 + x)");
  REJECTS("input h : list(id) { buckets = 9 }", 1, "h\n[a]\n[a\n",
          "row 2, line 3, column \"h\": error[bad-list]: `[a` is no list");
  static const char *const bad[] = {"[a,]", "[,a]", "[a] b", "['a]", "[a b'c]", "['a' b]", "[[a]]", "['\\x']",
  "['\\ud800']", "[a"};
  for (int i = 0; i < COUNT_OF(bad); i++)
    REJECTS("input h : list(id) { buckets = 9 }", 1, arena_printf(scratch, "h\na\n\"%s\"\n", bad[i]), "error[bad-list]");
  REJECTS("input h : list(id) { buckets = 9 }", 2, "h\n[]\n\"\"\na\n",
          "error[all-missing]: `h` has no item in any training row");
  REJECTS("input h : list(category) { unseen = error }", 1, "h\na\na q\n",
          "row 2, line 3, column \"h\": error[unknown-category]: `q` does not occur in the training rows");
}

// ---------------------------------------------------------------- texts
// Vocabulary of the training rows: each word once, so that ids tell the words; 0: another.
static void words_of_a_text(void **state) {
  static const struct { const char *clauses, *training, *cell, *want; } cases[] = {
    {"", "a b c d e", "a B, c!", "1 2 3 0 | 3"},
    {"", "don t x1 2", "don't X1-2", "2 3 4 1 | 4"},                      // in the order of bytes: 2 don t x1
    {"keep = last", "b c d e", "a b c d e", "1 2 3 4 | 4"},
    {"", "b c d e", "a b c d e", "0 1 2 3 | 4"},
    {"", "a b c d e", " -- ", "0 0 0 0 | 0"},
    {"", "stra\u00dfe caf\u00e9 x", "STRASSE cafe\u0301 CAF\u00c9", "2 1 1 0 | 3"},           // ß folds to ss; NFC
    {"", "\u884c\u4e3a 2024 x", "\u884c\u4e3a\uff0c2024\u3002", "3 1 0 0 | 2"},
    {"tokens = character", "a b \u884c \u4e3a", "\u884c\u4e3aB\u0301b", "4 3 0 2 | 4"},
    {"ngrams = 2", "a b c", "a b c", "1 3 2 5 | 4"},                      // of a, a b, b, b c, c: a, b, a b, c in this order
  };
  (void)state;
  for (int i = 0; i < COUNT_OF(cases); i++) {
    Test t = PREPARED(arena_printf(scratch, "input h : text { vocab = learned, max = 4, %s }", cases[i].clauses), 2,
                      arena_printf(scratch, "h\n%s\n%s\n\"%s\"\n", cases[i].training, cases[i].training, cases[i].cell));
    t.line = i;
    Text got = {0};
    const Rows *r = &t.data->split[2];
    for (int k = 0; k < 4; k++) text_printf(&got, "%u ", r->ids[k]);
    text_printf(&got, "| %g", (double)r->dense[0]);
    if (i < COUNT_OF(cases) - 1) assert_string_equal(got.data, cases[i].want);
    else assert_string_equal(t.data->prep.vocab[0].values[1], "a b");
    text_free(&got);
    end(&t);
  }
  Test t = PREPARED("input h : text { buckets = 100, max = 2 }\ninput w : text = data.h { like = h, max = 1, keep = last }",
            1, "h\nx\nSay Hi\n");
  const uint32_t *ids = t.data->split[2].ids;
  assert_int_equal(ids[0], hash_bytes("say", 3, 0) % 100);
  assert_int_equal(ids[1], hash_bytes("hi", 2, 0) % 100);
  assert_int_equal(ids[2], ids[1]);
  end(&t);
  REJECTS("input h : text { buckets = 9 }", 1, "h\na\n\xff\n", "row 2, line 3, column \"h\": error[not-utf8]");
}

// ---------------------------------------------------------------- preparation of numbers
// Numbers by numpy 2.4: quantile (its default, linear), mean, std, median, clip, digitize, of the first ten values.
#define TEN "v\n3\n-1\n4\n1.5\n-9\n2\n6\n5.25\n3\n50\n"
static void numbers_by_numpy(void **state) {
  static const struct { const char *clauses, *want; } cases[] = {
    {"clip = quantile(0.1)..quantile(0.9)", "| 10.4 / | -1.8 / | 3.3 / | 5.6"},
    {"clip = quantile(0.1)..quantile(0.9), scale = zscore", "| 2.14517 / | -1.50746 / | 0.0194607 / | 0.70807"},
    {"clip = quantile(0.01)..quantile(0.99)", "| 46.04 / | -8.28 / | 3.3 / | 5.6"},
    {"clip = sigmas(1)", "| 21.5301 / | -8.58009 / | 3.3 / | 5.6"},
    {"clip = -0.5..quantile(0.5), map = log1p", "| 1.38629 / | -0.693147 / | 1.38629 / | 1.38629"},
    {"scale = robust", "| 29.283 / | -31.0943 / | 0.090566 / | 0.784906"},
    {"map = bucketize(4)", "| 3 / | 0 / | 2 / | 3"},
    {"map = bucketize(8)", "| 7 / | 0 / | 4 / | 6"},
    {"map = bucketize([-100, 3.3, 5])", "| 3 / | 1 / | 2 / | 3"},
    {"clip = 0..quantile(0.99), map = bucketize([-1, 1, 46])", "| 3 / | 1 / | 2 / | 2"},
  };
  (void)state;
  for (int i = 0; i < COUNT_OF(cases); i++) {
    Test t = PREPARED(arena_printf(scratch, "input v : real { %s }", cases[i].clauses), 10, TEN "100\n-100\n3.3\n5.6\n");
    t.line = i;
    expect_rows(&t, cases[i].want);
    end(&t);
  }
  Test t = PREPARED("input v : real { clip = quantile(0.1)..quantile(0.9) }", 10, TEN "100\n-100\n3.3\n5.6\n");
  expect_summary(&t, "v: 4 clipped");                        // two of the training rows, two others
  end(&t);
  t = PREPARED("input v : vector(2) { clip = 0..quantile(1), scale = robust }", 4,
               "v_0,v_1\n1,10\n2,20\n3,30\n5,50\n9,9\n");
  expect_rows(&t, "| 1.42857 -0.914286");                    // (5 − 2.5) / 1.75; (9 − 25) / 17.5
  end(&t);
  t = PREPARED("input v : list(real) { max = 3, clip = quantile(0)..quantile(0.5), map = bucketize(2) }", 2,
            "v\n1 2\n3 4\n0 2.4 9\n");
  expect_rows(&t, "| 0 1 1 3");                              // limits 1 and 2.5, the bound 2.25
  end(&t);
}

static void missing_numbers(void **state) {
  static const struct { const char *clauses, *want; } cases[] = {
    {"missing = mean", "| 2.75 / | 7"},
    {"missing = median", "| 2.5 / | 7"},
    {"missing = mode", "| 2 / | 7"},
    {"missing = -3", "| -3 / | 7"},
    {"missing = -3, clip = 0..5, map = sqrt", "| 0 / | 2.23607"},
    {"missing = mean, scale = minmax", "| 0.375 / | 2.5"},
    {"missing = drop", "| 7"},
    {"missing = mean, indicator = true", "| 2.75 1 / | 7 0"},
    {"missing = 0, scale = zscore, indicator = true", "| -1.65831 1 / | 3.61814 0"},
  };
  (void)state;
  for (int i = 0; i < COUNT_OF(cases); i++) {
    Test t = PREPARED(arena_printf(scratch, "input v : real { %s }\ninput w : category", cases[i].clauses), 5,
                      "v,w\n2,\n\"\",\n2,a\n3,\n4,\n\"\",\n7,\n");
    Text got = {0};
    const Rows *r = &t.data->split[2];
    for (int64_t k = 0; k < r->n; k++) {
      text_add(&got, k ? " / |" : "|");
      for (int j = 0; j < t.model->data.dense_width; j++)
        text_printf(&got, " %.6g", (double)r->dense[k * t.model->data.dense_width + j]);
    }
    assert_string_equal(got.data, cases[i].want);
    text_free(&got);
    end(&t);
  }
  Test t = PREPARED("input v : vector(2) { missing = mean, indicator = true }", 2, "v_0,v_1\n1,\n3,4\n,6\n");
  expect_rows(&t, "| 2 6 1 0");
  end(&t);
  REJECTS("input v : real", 1, "v,w\n1,0\n\"\",0\n", "row 2, line 3, column \"v\": error[missing-value]: `v` is missing");
  REJECTS("input v : real { clip = 10..quantile(0.5) }", 3, "v\n1\n2\n3\n",
          "error[no-range]: `clip` of `v` would go from 10 to 2");
  REJECTS("input v : real { map = bucketize([1]), missing = drop }", 1, "v\nx\n", "`x` is no number");
}

static void categories_of_numbers(void **state) {
  (void)state;
  Test t = PREPARED("input v : category { map = bucketize([2, 3]) }", 2, "v\n1\n2\n1.9\n2\n3\n77\n\"\"\n");
  expect_rows(&t, "1 | / 2 | / 3 | / 3 | / 0 |");
  assert_int_equal(t.data->prep.vocab[0].n, 3);
  end(&t);
  t = PREPARED("input v : category = data.a / data.b { map = bucketize(4), missing = mode }", 4,
               "a,b\n1,1\n2,1\n2,1\n4,1\n6,2\n9,0\n");       // 9 / 0 is missing; the bounds are 1.75, 2, 2.5
  expect_rows(&t, "4 | / 3 |");
  end(&t);
  REJECTS("input v : category { map = bucketize([2, 3]), missing = error }", 1, "v\n1\n\"\"\n", "error[missing-value]");
  REJECTS("input v : category { map = bucketize(2) }", 1, "v\n1\nb\n",
          "row 2, line 3, column \"v\": error[not-a-number]: `b`");
}

// ---------------------------------------------------------------- vocabularies
static void given_vocabularies(void **state) {
  (void)state;
  Test t = PREPARED("input v : category { vocab = [\"b\", a, \"c d\"] }", 1, "v\nb\na\nc d\nx\n\"\"\n");
  expect_rows(&t, "2 | / 4 | / 0 | / 1 |");                  // by the order of the texts, a missing cell first
  expect_summary(&t, "v: 1 missing, 1 unknown");
  assert_int_equal(t.model->data.inputs[0].cardinality, 5);
  end(&t);
  Test scrap = begin(__LINE__, "", 1);
  file(&scrap, "v.txt", "\xef\xbb\xbfOslo\r\n\r\nBonn\n Rome");
  t = PREPARED("input v : list(category) { vocab = file(\"v.txt\"), separator = \",\", max = 4 }\n"
               "input w : category { vocab = \"v.txt\", missing = error }", 1,
               "v,w\nBonn,Bonn\n\"Oslo,Bonn,Rome,Rom\",Oslo\n");
  expect_rows(&t, "3 2 0 0 3 | 4");                          // " Rome" keeps its blank, and comes first
  end(&t);
  REJECTS("input w : category { vocab = \"v.txt\", unseen = error }", 1, "w\nBonn\nBon\n", "error[unknown-category]: `Bon`");
  REJECTS("input w : category { vocab = \"none.txt\" }", 1, "w\nBonn\nBon\n",
          "error[cannot-read]: the vocabulary of `w`: No such file");
  file(&scrap, "v.txt", "a\nb\na\n");
  REJECTS("input w : category { vocab = \"v.txt\" }", 1, "w\na\n",
          "error[duplicate-value]: `a` stands twice in the vocabulary of `w`");
  file(&scrap, "v.txt", "\n\n");
  REJECTS("input w : category { vocab = \"v.txt\" }", 1, "w\na\n", "error[empty-file]: the vocabulary of `w` has no value");
  file(&scrap, "v.txt", "a\nb\xff\n");
  REJECTS("input w : category { vocab = \"v.txt\" }", 1, "w\na\n", "line 2: error[not-utf8]");
  end(&scrap);
}

static void hashes(void **state) {
  (void)state;
  Test t = PREPARED("input v : id { buckets = 1000 }\ninput w : id = data.v { buckets = 1000, seed = 7 }\n"
                    "input x : list(id) = data.v { like = w, max = 1 }", 1, "v\na\nb\n");
  const uint32_t *ids = t.data->split[2].ids;
  assert_int_equal(ids[0], hash_bytes("b", 1, 0) % 1000);
  assert_int_equal(ids[1], hash_bytes("b", 1, 7) % 1000);
  assert_int_equal(ids[2], ids[1]);
  end(&t);
}

// ---------------------------------------------------------------- times
static void times_as_text(void **state) {
  static const struct { const char *text, *format; double seconds; } good[] = {
    {"1970-01-01", NULL, 0}, {"2026-11-24", NULL, 1795478400}, {"2026-11-24T13:45:10Z", NULL, 1795527910},
    {"2026-11-24 13:45", NULL, 1795527900}, {"2026-11-24 13:45:10.25", NULL, 1795527910.25},
    {"2026-11-24T13:45:10+01:00", NULL, 1795524310}, {"2026-11-24 13:45:10 -0230", NULL, 1795536910},
    {"2024-02-29", NULL, 1709164800}, {"2000-02-29", NULL, 951782400}, {"1969-12-31 23:59:59", NULL, -1},
    {"0001-01-01", NULL, -62135596800.0}, {"9999-12-31 23:59:59", NULL, 253402300799.0}, {"1900-03-01", NULL, -2203891200.0},
    {"1795527910", NULL, 1795527910}, {"-1", NULL, -1}, {"1795527910.5", NULL, 1795527910.5}, {"0", NULL, 0},
    {"1795527910000", NULL, 1795527910}, {"0000-03-01", NULL, -62162035200.0},
    {"24.11.2026", "%d.%m.%Y", 1795478400}, {"11/24/26  1:45 PM", "%D %I:%M %p", 1795527900}, {"12:05 am 1 Jan 1970",
    "%I:%M %p %e %b %Y", 300},
    {"24-november-2026", "%d-%B-%Y", 1795478400}, {"20261124134510", "%Y%m%d%H%M%S", 1795527910}, {"2026 328", "%Y %j",
    1795478400},
    {"1795527910", "%s", 1795527910}, {"100%", "%S0%%", 10}, {"69", "%y", -31536000}, {"68", "%y", 3092601600.0},
    {"2026-11-24 10:00 +09:00", "%F %R %z", 1795482000}, {"2026-11-24T10:00:00.000250", "%FT%T.%f", 1795514400.00025},
  };
  static const struct { const char *text, *format; } bad[] = {
    {"", NULL}, {"2026-13-01", NULL}, {"2026-02-30", NULL}, {"2025-02-29", NULL}, {"1900-02-29", NULL}, {"2026-11-24 24:00",
    NULL},
    {"2026-11-24 23:60", NULL}, {"2026-11-24 23:59:60", NULL}, {"2026-11-24x", NULL}, {"2026-11-24 ", NULL}, {"24.11.2026",
    NULL},
    {"2026-11-24 10:00 +25:00", NULL}, {"20261124", NULL}, {"yesterday", NULL},
    {"2026-1", "%Y-%m-%d"}, {"31.04.2026", "%d.%m.%Y"}, {"13 PM", "%I %p"}, {"0 PM", "%I %p"}, {"2026 366", "%Y %j"},
    {"Nov", "%d"},
  };
  (void)state;
  for (int i = 0; i < COUNT_OF(good); i++) {
    double v = 0;
    bool ok = parse_time(good[i].text, good[i].format, &v);
    if (!ok || v != good[i].seconds) fail_msg("`%s`: %.6f", good[i].text, v);
  }
  for (int i = 0; i < COUNT_OF(bad); i++) {
    double v;
    if (parse_time(bad[i].text, bad[i].format, &v)) fail_msg("`%s` is taken for %.6f", bad[i].text, v);
  }
  assert_null(time_format_error("%Y-%m %s%%"));
  assert_string_equal(time_format_error("%Y %Q"), "%Q");
  assert_string_equal(time_format_error("%Y%"), "%");
  assert_string_equal(time_format_error("abc%%"), "");
}

// Every day of 800 years, and every hour of some, there and back.
static void times_there_and_back(void **state) {
  (void)state;
  Text t = {0};
  for (int64_t day = -146097; day < 146097; day += 7) {
    double second = (double)(day * 86400 + (day % 86399 + 86399) % 86399), back = 0;
    t.n = 0;
    print_time(&t, second, day % 2 ? "%Y %j %I:%M:%S %p" : NULL);
    if (!parse_time(t.data, day % 2 ? "%Y %j %I:%M:%S %p" : NULL, &back) || back != second)
      fail_msg("%.0f: %s: %.0f", second, t.data, back);
    assert_true(time_part(PART_WEEKDAY, second) == (double)(((day + 3) % 7 + 7) % 7));
  }
  text_free(&t);
  double t0 = 1795527910;                                    // Tuesday, 2026-11-24 13:45:10
  static const double parts[] = {10, 45, 13, 1, 24, 328, 11, 2026};
  for (int i = 0; i < N_TIME_PARTS; i++) assert_true(time_part((TimePart)i, t0) == parts[i]);
  assert_true(fabs(time_position(PART_HOUR, t0) - 49510.0 / 86400) < 1e-12);
  assert_true(fabs(time_position(PART_WEEKDAY, t0) - (1 + 49510.0 / 86400) / 7) < 1e-12);
  assert_true(fabs(time_position(PART_DAY, t0) - (23 + 49510.0 / 86400) / 30) < 1e-12);
  assert_true(fabs(time_position(PART_MONTH, t0) - (327 + 49510.0 / 86400) / 365) < 1e-12);
  assert_true(fabs(time_position(PART_MINUTE, t0) - 2710.0 / 3600) < 1e-12);
}

static void times_as_inputs(void **state) {
  (void)state;
  Test t = PREPARED("input at : time", 1, "at\n2026-11-24\n2026-11-23 06:00\n2026-11-26 12:00:00Z\n");
  expect_rows(&t, "| 1 6.12323e-17 0.222521 0.974928 / | 1.22465e-16 -1 1.22465e-16 -1");   // Monday, 6 h; Thursday noon
  end(&t);
  t = PREPARED("input at : time = data.t { format = \"%d.%m.%Y\", parts = [month, day], missing = own }", 1,
            "t\n1.7.2026\n1.1.2026\n\"\"\n");
  expect_rows(&t, "| 0 1 0 1 / | 0 0 0 0");
  expect_summary(&t, "at: 1 missing");
  end(&t);
  t = PREPARED("input h : real = hour(data.at)\ninput w : category = weekday(data.at)\ninput age : real = days(time(\"2026-12-01\") - data.at)\n"
               "input gap : real = days(data.b - data.at)\ninput late : real = days(data.at)", 2,
               "at,b\n2026-11-23,2026-11-24\n2026-11-24 13:00,2026-11-25\n2026-11-23 18:30,1795478400\n");
  expect_rows(&t, "1 | 18 7.22917 0.229167 20780.8");
  end(&t);
  REJECTS("input at : time", 1, "at\n2026-11-24\n2026-02-30\n",
          "row 2, line 3, column \"at\": error[not-a-time]: `2026-02-30` is no time");
  REJECTS("input at : time", 1, "at\n2026-11-24\n24.12.2026\n", "`format = \"%d.%m.%Y\"`");
  REJECTS("input at : time { format = \"%H:%M\" }", 1, "at\n12:30\n25:00\n",
          "column \"at\": error[not-a-time]: `25:00` is no time as \"%H:%M\"");
  REJECTS("input at : time", 1, "at,b\n2026-11-24,\n\"\",\n", "error[missing-value]: `at` is missing");
}

// Any cells: rows or an error, never a crash (run it with sanitizers).
static void any_cells(void **state) {
  static const char alphabet[] = "[]'\\\\uuDd8 8cC00  a|;:-T1Z+.%nN,\t\xc3\xa9\xcc\x81\xff";
  static const char *const formats[] = {"%Y-%m-%d", "%s", "%d %B %y %I %p", "%j %f %z %%", "%D %T"};
  uint64_t x = 11;
  (void)state;
  for (int i = 0; i < 400; i++) {
    Text csv = {0};
    Test t = begin(__LINE__, arena_printf(scratch,
              "input a : list(id) { buckets = 9, max = 3 }\ninput b : list(real) = data.a { max = 2 }\n"
                   "input c : text = data.a { vocab = learned, ngrams = 3, max = 5, tokens = %s }\ninput d : time = data.a\n"
                   "input e : time = data.a { format = \"%s\" }\ninput f : category = hour(data.a)",
                             i % 2 ? "word" : "character", formats[i % 5]), 2);
    text_add(&csv, "a\n");
    for (int row = 0; row < 4; row++) {
      for (int k = 0; k < i % 24; k++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        char c = alphabet[(x >> 33) % (sizeof alphabet - 1)];
        if (c != ',') text_char(&csv, c);
      }
      text_add(&csv, "z\n");
    }
    t.path = file(&t, "rows.csv", csv.data);
    t.data = data_prepare(&t.model->data, &FILES(t.path), t.diag);
    assert_true((t.data != NULL) == (diag_errors(t.diag) == 0));
    for (char *cell = csv.data, *next; cell; cell = next) {
      double v;
      if ((next = strchr(cell, '\n'))) *next++ = 0;
      for (int k = 0; k < COUNT_OF(formats); k++)
        if (parse_time(cell, formats[k], &v)) assert_true(isfinite(v));
      if (parse_time(cell, NULL, &v)) assert_true(isfinite(v));
    }
    text_free(&csv);
    end(&t);
  }
}

static int make_folder(void **state) {
  (void)state;
  scratch = arena_new();
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  char path[64];
  arena_free(scratch);
  static const char *const names[] = {"rows.csv", "v.txt"};
  for (int i = 0; i < COUNT_OF(names); i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    unlink(path);
  }
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(items_of_a_cell), cmocka_unit_test(lists_of_each_kind), cmocka_unit_test(missing_lists),
    cmocka_unit_test(wrong_lists), cmocka_unit_test(words_of_a_text), cmocka_unit_test(numbers_by_numpy),
    cmocka_unit_test(missing_numbers),
    cmocka_unit_test(categories_of_numbers), cmocka_unit_test(given_vocabularies), cmocka_unit_test(hashes),
    cmocka_unit_test(times_as_text), cmocka_unit_test(times_there_and_back), cmocka_unit_test(times_as_inputs),
    cmocka_unit_test(any_cells),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
