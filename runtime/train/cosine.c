// cosine.c: how much the tasks' gradients agree: cosines out of their Gram matrix M, M_ij/√(M_ii·M_jj), batch by batch.
#include <math.h>
#include "../train.h"

bool gradient_cosines(Engine *e, const DataPlan *dp, const TrainPlan *tp, const Rows *r, int64_t max_batches,
                      double *cosine) {
  const PlanBalance *b = &tp->balance;
  int64_t batch = tp->batch < e->plan->capacity ? tp->batch : e->plan->capacity, done = 0;
  int k = tp->n_tasks;
  if (b->gram < 0 || e->plan->programs[PROG_GRAM].n_phases == 0) return false;
  double *seen = xcalloc((size_t)(k * k), sizeof *seen);
  memset(cosine, 0, sizeof *cosine * (size_t)(k * k));
  for (int64_t first = 0; first < r->n && (max_batches <= 0 || done < max_batches); first += batch, done++) {
    int64_t n = r->n - first < batch ? r->n - first : batch;
    engine_batch(e, dp, r, NULL, first, n);
    engine_run(e, PROG_GRAM, n, 0);
    for (int i = 0; i < k; i++)
      for (int j = 0; j < k; j++) {
        double norms = sqrt(engine_out(e, b->gram, i, i)) * sqrt(engine_out(e, b->gram, j, j));
        bool both = engine_out(e, b->gram_known, 0, i) > 0 && engine_out(e, b->gram_known, 0, j) > 0;
        if (!both || !(norms > 0)) continue;
        cosine[i * k + j] += i == j ? 1 : fmin(fmax(engine_out(e, b->gram, i, j) / norms, -1), 1);
        seen[i * k + j]++;
      }
  }
  for (int i = 0; i < k * k; i++) cosine[i] = seen[i] > 0 ? cosine[i] / seen[i] : NAN;
  free(seen);
  return true;
}
