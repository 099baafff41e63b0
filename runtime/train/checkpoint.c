// checkpoint.c: an interrupted training on disk: all slots, the best epoch's slots, and the host's state; state.json is
// written last and names the digests of both files, so that a torn pair is found. Going on gives the same bits.
#include <jansson.h>
#include "train_int.h"

static char *in_run(Training *t, const char *name) { return arena_printf(t->a, "%s/%s", t->h->run_dir, name); }

static json_t *reals(const double *v, int n) {
  json_t *j = json_array();
  for (int i = 0; i < n; i++) json_array_append_new(j, json_real(v[i]));
  return j;
}

static json_t *report_json(const Training *t, const EpochReport *r) {
  int n = t->tp->n_tasks;
  json_t *j = json_pack("{s:I, s:f, s:f, s:f, s:o}", "epoch", (json_int_t)r->epoch, "seconds", r->seconds, "loss", r->loss, "figure", r->stop_figure,
                        "task_loss", reals(r->task_loss, n));
  if (r->valid_loss) {
    json_t *m = json_array();
    for (int i = 0; i < n; i++) {
      json_t *row = json_array();
      for (int k = 0; k < t->tp->tasks[i].n_metrics; k++) json_array_append_new(row, r->valid_metric[i][k] == r->valid_metric[i][k] ? json_real(r->valid_metric[i][k]) : json_null());
      json_array_append_new(m, row);
    }
    json_object_set_new(j, "valid_loss", reals(r->valid_loss, n));
    json_object_set_new(j, "valid_metric", m);
  }
  return j;
}

bool checkpoint_save(Training *t) {
  const Host *h = &t->host;
  const StepPlan *p = t->e->plan;
  if (!weights_save(in_run(t, "checkpoint.safetensors"), p, t->e->slots, true, t->d)) return false;
  if (h->has_best && !weights_save(in_run(t, "checkpoint-best.safetensors"), p, h->best_slots, true, t->d)) return false;
  json_t *epochs = json_array();
  for (int i = 0; i < t->reports.n; i++) json_array_append_new(epochs, report_json(t, &t->reports.data[i]));
  json_t *j = json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:f, s:b, s:o, s:o, s:o}", "format", 1, "epoch", (json_int_t)h->epoch, "batch", (json_int_t)h->batch,
                        "step", (json_int_t)t->e->step, "best_epoch", (json_int_t)h->best_epoch, "waited", (json_int_t)h->waited, "best_figure",
                        h->best_figure, "has_best", h->has_best, "sum", reals(h->sum, t->tp->n_tasks), "weight", reals(h->weight, t->tp->n_tasks), "epochs",
                        epochs);
  char *s = json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
  bool ok = file_write_whole(in_run(t, "state.json"), s, strlen(s), t->d);
  free(s);
  json_decref(j);
  return ok;
}

static bool read_reals(json_t *j, double *out, int n) {
  if (!json_is_array(j) || (int)json_array_size(j) != n) return false;
  for (int i = 0; i < n; i++) out[i] = json_is_null(json_array_get(j, (size_t)i)) ? 0.0 / 0.0 : json_number_value(json_array_get(j, (size_t)i));
  return true;
}

static bool read_report(Training *t, json_t *j) {
  int n = t->tp->n_tasks;
  EpochReport r = { .epoch = json_integer_value(json_object_get(j, "epoch")), .seconds = json_number_value(json_object_get(j, "seconds")),
                    .loss = json_number_value(json_object_get(j, "loss")), .stop_figure = json_number_value(json_object_get(j, "figure")),
                    .task_loss = NEW_ARRAY(t->a, double, n + 1) };
  bool ok = read_reals(json_object_get(j, "task_loss"), r.task_loss, n);
  json_t *valid = json_object_get(j, "valid_loss"), *metric = json_object_get(j, "valid_metric");
  if (ok && valid) {
    r.valid_loss = NEW_ARRAY(t->a, double, n + 1);
    r.valid_metric = NEW_ARRAY(t->a, double *, n + 1);
    ok = read_reals(valid, r.valid_loss, n);
    for (int i = 0; ok && i < n; i++) {
      r.valid_metric[i] = NEW_ARRAY(t->a, double, t->tp->tasks[i].n_metrics + 1);
      ok = read_reals(json_array_get(metric, (size_t)i), r.valid_metric[i], t->tp->tasks[i].n_metrics);
    }
  }
  if (ok) vec_push(t->a, &t->reports, r);
  return ok;
}

bool checkpoint_load(Training *t) {
  Host *h = &t->host;
  json_t *j = json_load_file(in_run(t, "state.json"), JSON_REJECT_DUPLICATES, NULL), *e;
  json_int_t epoch = 0, batch = 0, step = 0, best = 0, waited = 0;
  int has_best = 0;
  bool ok = j && json_unpack(j, "{s:I, s:I, s:I, s:I, s:I, s:F, s:b}", "epoch", &epoch, "batch", &batch, "step", &step, "best_epoch", &best, "waited", &waited,
                             "best_figure", &h->best_figure, "has_best", &has_best) == 0;
  h->epoch = epoch, h->batch = batch, h->best_epoch = best, h->waited = waited, h->has_best = has_best;
  t->e->step = step;
  ok = ok && read_reals(json_object_get(j, "sum"), h->sum, t->tp->n_tasks) && read_reals(json_object_get(j, "weight"), h->weight, t->tp->n_tasks);
  size_t i;
  json_array_foreach(json_object_get(j, "epochs"), i, e) ok = ok && read_report(t, e);
  json_decref(j);
  if (!ok) {
    diag_data(t->d, "bad-checkpoint", in_run(t, "state.json"), 0, 0, NULL, "the state of the interrupted run is missing or broken");
    return false;
  }
  if (!weights_load(in_run(t, "checkpoint.safetensors"), t->e->plan, t->e->slots, true, t->d)) return false;
  return !h->has_best || weights_load(in_run(t, "checkpoint-best.safetensors"), t->e->plan, h->best_slots, true, t->d);
}
