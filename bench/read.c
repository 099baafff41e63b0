// read.c: how fast rows are read: MB of the file a second of processor time on one core, the least of a few rounds, for
//   cells      the file cut into cells, all columns
//   columns    the columns that the spec reads, as numbers and codes
//   prepared   that, split, statistics and vocabularies learned, and the rows prepared
//   bench/read.sh, which makes a file and says what it runs on
#include <sys/resource.h>
#include <sys/stat.h>
#include "runtime/data/data_int.h"
#include "src/session.h"

static double cpu_seconds(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static bool cells(const DataPlan *p, const DataFiles *f, Diag *d) {
  Reader *r = reader_open(f->source[0], &p->sources[0], 2048, d);
  while (r && r->next(r)) continue;
  bool ok = r && !r->failed;
  if (r) r->close(r);
  return ok;
}

static bool columns(const DataPlan *p, const DataFiles *f, Diag *d) {
  Raw *r = raw_read(p, f, NEED_ALL, d);
  raw_free(r);
  return r != NULL;
}

static bool prepared(const DataPlan *p, const DataFiles *f, Diag *d) {
  Dataset *s = data_prepare(p, f, d);
  data_free(s);
  return s != NULL;
}

int main(int argc, char **argv) {
  static const struct { const char *name; bool (*run)(const DataPlan *, const DataFiles *, Diag *); } stages[] = {
    {"cells", cells}, {"columns", columns}, {"prepared", prepared}};
  if (argc != 5) return fprintf(stderr, "usage: read SPEC FILE MEMORY_MIB FOLDER\n"), 2;
  mtl_context *c = mtl_new();
  Model *m = open_spec(c, argv[1]);
  struct stat st;
  bool ok = m && stat(argv[2], &st) == 0;
  DataFiles f = {.source = (const char *const[]){argv[2]}, .memory = atoll(argv[3]) << 20, .folder = argv[4]};
  for (int i = 0; ok && i < COUNT_OF(stages); i++) {
    double least = 1e9;
    for (int k = 0; ok && k < 3; k++) {
      m->data.seed++;                                        // nothing that was kept fits
      double start = cpu_seconds();
      ok = stages[i].run(&m->data, &f, c->diag);
      double took = cpu_seconds() - start;
      if (took < least) least = took;
    }
    printf("%-9s %7.1f MB/s\n", stages[i].name, (double)st.st_size / 1e6 / least);
  }
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  if (ok) printf("%-9s %7.1f MB, of a file of %.1f MB\n", "peak", (double)u.ru_maxrss / 1024, (double)st.st_size / 1e6);
  fputs(mtl_errors(c, false), stderr);
  mtl_free(c);
  return ok ? 0 : 1;
}
