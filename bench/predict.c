// predict.c: ns that a prediction in memory takes (mtl_predictor_run), in calls of 1, 32 and 1,024 rows, preparation included; one thread.
//   bench/predict RUN …
#include <stdio.h>
#include <stdlib.h>
#include "src/mtl.h"
#include "src/base/base.h"

enum { ROWS = 1024, SAMPLES = 101 };
static const double SAMPLE_S = 2e-3;                          // a sample is as many calls as take about so long
static const int calls_of[] = {1, 32, ROWS};

typedef struct { mtl_predictor *p; const mtl_row *row; double *numbers; uint32_t *ids; float *results; } Bench;

// Numbers between -1 and 1; of an id input the second of the values "00", "01" …, or the bucket of that text.
static void fill_rows(Bench *b) {
  b->numbers = xcalloc((size_t)(ROWS * b->row->numbers + 1), sizeof *b->numbers);
  b->ids = xcalloc((size_t)(ROWS * b->row->ids + 1), sizeof *b->ids);
  b->results = xcalloc((size_t)(ROWS * b->row->results), sizeof *b->results);
  for (int64_t i = 0; i < (int64_t)ROWS * b->row->numbers; i++) b->numbers[i] = (double)(mix64((uint64_t)i) >> 11) * 0x1p-52 - 1;
  for (int64_t r = 0; r < ROWS; r++)
    for (int i = 0; i < b->row->n_inputs; i++)
      if (b->row->inputs[i].is_id) mtl_predictor_ids(b->p, i, "01", b->ids + r * b->row->ids + b->row->inputs[i].at);
}

static double seconds(const Bench *b, int rows, int64_t calls) {
  double start = monotonic_seconds();
  for (int64_t i = 0; i < calls; i++)
    if (mtl_predictor_run(b->p, rows, b->numbers, b->ids, b->results) != rows) {
      fprintf(stderr, "predict: %s\n", mtl_predictor_error(b->p));
      exit(1);
    }
  return monotonic_seconds() - start;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void measure(const Bench *b, const char *run, int rows) {
  double sample[SAMPLES];
  int64_t calls = 1;
  while (seconds(b, rows, calls) < SAMPLE_S) calls *= 2;
  for (int i = 0; i < SAMPLES; i++) sample[i] = 1e9 * seconds(b, rows, calls) / (double)calls;
  qsort(sample, SAMPLES, sizeof *sample, by_size);
  double least = sample[0], median = sample[SAMPLES / 2];
  printf("%-24s %5d rows a call: least %9.0f ns, median %9.0f; a row %7.1f ns\n", run, rows, least, median, median / rows);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    mtl_context *c = mtl_new();
    Bench b = {.p = mtl_predictor_open(c, argv[i])};
    if (!b.p) {
      fputs(mtl_errors(c, false), stderr);
      return 1;
    }
    b.row = mtl_predictor_row(b.p);
    fill_rows(&b);
    for (int k = 0; k < (int)(sizeof calls_of / sizeof *calls_of); k++) measure(&b, argv[i], calls_of[k]);
    free(b.numbers), free(b.ids), free(b.results);
    mtl_predictor_close(b.p);
    mtl_free(c);
  }
  return 0;
}
