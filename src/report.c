// report.c: what a run says: one line an epoch, a table per task, one JSON document.
#include <math.h>
#include <sys/resource.h>
#include "session.h"

static json_t *number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static double peak_rss_mb(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)u.ru_maxrss / 1024;
}

json_t *metrics_json(const Model *m, double **metric, const double *loss) {
  json_t *tasks = json_object();
  for (int i = 0; i < m->train.n_tasks; i++) {
    const PlanTask *t = &m->train.tasks[i];
    json_t *j = json_object();
    if (loss) json_object_set_new(j, "loss", number(loss[i]));
    for (int k = 0; metric && k < t->n_metrics; k++) json_object_set_new(j, t->metrics[k].name, number(metric[i][k]));
    json_object_set_new(tasks, t->name, j);
  }
  return tasks;
}

static json_t *epoch_json(const Model *m, const EpochReport *e) {
  json_t *j = json_pack("{s:I, s:o, s:o, s:o}", "epoch", (json_int_t)e->epoch, "seconds", number(e->seconds), "loss", number(e->loss), "tasks",
                        metrics_json(m, NULL, e->task_loss));
  for (int i = 0; e->task_weight && i < m->train.n_tasks; i++) {
    json_t *task = json_object_get(json_object_get(j, "tasks"), m->train.tasks[i].name);
    json_object_set_new(task, "weight", number(e->task_weight[i]));
  }
  json_t *terms = json_array();
  for (int i = 0; e->term && i < m->train.n_terms; i++) {
    const PlanTerm *x = &m->train.terms[i];
    const char *task = x->task < 0 ? NULL : m->train.tasks[x->task].name;
    json_array_append_new(terms, json_pack("{s:s?, s:s, s:o}", "task", task, "term", x->text, "value", number(e->term[i])));
  }
  json_object_set_new(j, "terms", terms);
  json_object_set_new(j, "rate", number(e->rate));
  if (e->valid_loss) json_object_set_new(j, "valid", metrics_json(m, e->valid_metric, e->valid_loss));
  return j;
}

json_t *requires_json(const Model *m, const double *value, const bool *met) {
  json_t *all = json_array();
  for (int i = 0; i < m->train.n_requires; i++) {
    const Require *q = &m->train.requires[i];
    const char *task = m->train.tasks[q->task].name, *metric = q->metric < 0 ? NULL : m->train.tasks[q->task].metrics[q->metric].name;
    json_array_append_new(all, json_pack("{s:s, s:s, s:s?, s:o, s:o, s:b, s:s?, s:s}", "require", q->text, "task", task, "metric", metric, "value",
                                         number(value[i]), "bound", metric ? number(q->bound) : json_null(), "met", met[i], "reason", q->reason,
                                         "place", q->place));
  }
  return all;
}

json_t *report_json(const Model *m, const Dataset *data, const Ready *r, const TrainReport *t, const RunInfo *info, const char *run,
                    RunSeconds seconds) {
  json_t *epochs = json_array(), *j = json_object();
  for (int i = 0; i < t->n_epochs; i++) json_array_append_new(epochs, epoch_json(m, &t->epochs[i]));
  json_object_set_new(j, "model", json_string(m->name));
  json_object_set_new(j, "rows", json_pack("{s:I, s:I, s:I}", "train", (json_int_t)data->split[0].n, "valid", (json_int_t)data->split[1].n, "test",
                                           (json_int_t)data->split[2].n));
  json_object_set_new(j, "epochs", epochs);
  json_object_set_new(j, "test", t->test_metric ? metrics_json(m, t->test_metric, t->test_loss) : json_null());
  confusions_json(m, t->test_confusion, json_object_get(j, "test"));
  json_object_set_new(j, "held_out", json_string(t->held_out == 2 ? "test" : t->held_out == 1 ? "valid" : "none"));
  json_object_set_new(j, "best_epoch", json_integer(t->best_epoch));
  json_object_set_new(j, "interrupted", json_boolean(t->interrupted));
  json_object_set_new(j, "require", t->interrupted ? json_array() : requires_json(m, t->require_value, t->require_met));
  json_object_set_new(j, "step_us", number(t->step_us));
  json_object_set_new(j, "rows_per_s", number(t->rows_per_s));
  json_object_set_new(j, "threads", json_integer(engine_threads_used(r->engine)));
  json_object_set_new(j, "seconds", number(seconds.all));
  json_object_set_new(j, "first_step_ms", number(1e3 * seconds.first_step));
  json_object_set_new(j, "compile_ms", number(r->jit.compile_ms));
  json_object_set_new(j, "load_ms", number(r->jit.load_ms));
  json_object_set_new(j, "cached", json_boolean(r->jit.cached));
  json_object_set_new(j, "target", json_string(r->jit.target));
  json_object_set_new(j, "peak_rss_mb", number(peak_rss_mb()));
  const SlotHome *tables = &r->engine->home;
  json_object_set_new(j, "tables", tables->n ? json_pack("{s:s, s:I}", "folder", tables->folder, "bytes", (json_int_t)tables->bytes) : json_null());
  json_object_set(j, "hashes", info->hashes);
  json_object_set(j, "from", info->from ? info->from : json_null());
  json_object_set_new(j, "run", run ? json_string(run) : json_null());
  return j;
}

void report_epoch(const Model *m, const EpochReport *e, int64_t epochs, Text *out) {
  text_printf(out, "epoch %lld/%lld  loss %.5f", (long long)e->epoch, (long long)epochs, e->loss);
  for (int i = 0; i < m->train.n_tasks; i++) {
    text_printf(out, "  %s %.5f", m->train.tasks[i].name, e->task_loss[i]);
    if (e->valid_loss) text_printf(out, " (valid %.5f)", e->valid_loss[i]);
  }
  double penalty = 0;
  bool has_penalty = false;
  for (int i = 0; e->term && i < m->train.n_terms; i++)
    if (m->train.terms[i].task < 0) penalty += e->term[i], has_penalty = true;
  if (has_penalty) text_printf(out, "  penalty %.5g", penalty);
  for (int i = 0; e->task_weight && i < m->train.n_tasks; i++) {
    text_add(out, i ? " : " : "  weights ");
    if (isfinite(e->task_weight[i])) text_printf(out, "%.3g", e->task_weight[i]);
    else text_add(out, "n/a");
  }
  if (m->train.schedule.kind != SCHEDULE_constant || m->train.schedule.warmup) text_printf(out, "  rate %.3g", e->rate);
  text_printf(out, "  %.2f s", e->seconds);
}

static void pad(Text *out, const char *s, int width) {
  text_add(out, s);
  for (int n = display_width(s, strlen(s)); n < width; n++) text_char(out, ' ');
}

static void figure(Text *out, const char *format, double v) {
  char cell[64];
  if (isfinite(v)) snprintf(cell, sizeof cell, format, v);
  else snprintf(cell, sizeof cell, "n/a");
  text_printf(out, "  %12s", cell);
}

static int widest_task(const Model *m) {
  int w = 4;
  for (int i = 0; i < m->train.n_tasks; i++) {
    int n = display_width(m->train.tasks[i].name, strlen(m->train.tasks[i].name));
    if (n > w) w = n;
  }
  return w;
}

static int widest_metric(const Model *m) {
  int w = 10;
  for (int i = 0; i < m->train.n_tasks; i++)
    for (int k = 0; k < m->train.tasks[i].n_metrics; k++) {
      const char *name = m->train.tasks[i].metrics[k].name;
      int n = display_width(name, strlen(name));
      if (n > w) w = n;
    }
  return w;
}

void report_metrics(const Model *m, const char *const *columns, double **const *values, const double *const *losses, int n, Text *out) {
  int w = widest_task(m), wide = widest_metric(m);
  pad(out, "task", w + 2);
  pad(out, "metric", wide);
  for (int c = 0; c < n; c++) text_printf(out, "  %12s", columns[c]);
  text_char(out, '\n');
  for (int i = 0; i < m->train.n_tasks; i++) {
    const PlanTask *t = &m->train.tasks[i];
    pad(out, t->name, w + 2);
    pad(out, "loss", wide);
    for (int c = 0; c < n; c++) figure(out, "%.5f", losses[c] ? losses[c][i] : NAN);
    text_char(out, '\n');
    for (int k = 0; k < t->n_metrics; k++) {
      pad(out, t->name, w + 2);
      pad(out, t->metrics[k].name, wide);
      for (int c = 0; c < n; c++) figure(out, metric_rows[t->metrics[k].kind].format, values[c] ? values[c][i][k] : NAN);
      text_char(out, '\n');
    }
  }
}

bool requires_unmet(const Model *m, const bool *met) {
  for (int i = 0; i < m->train.n_requires; i++)
    if (!met[i]) return true;
  return false;
}

void requires_text(const Model *m, const double *value, const bool *met, Text *out) {
  for (int i = 0; i < m->train.n_requires; i++) {
    const Require *q = &m->train.requires[i];
    text_printf(out, "require %s: %s", q->text, met[i] ? "met" : "NOT MET");
    if (isnan(value[i])) text_add(out, " (undefined)");
    else if (q->metric >= 0) text_printf(out, " (%.5g)", value[i]);
    else if (!met[i]) text_printf(out, " (in %.0f rows)", value[i]);
    if (!met[i] && q->reason) text_printf(out, ": %s", q->reason);
    if (!met[i]) text_printf(out, "  [%s]", q->place);
    text_char(out, '\n');
  }
}

void report_text(const Model *m, const TrainReport *t, const char *run, RunSeconds seconds, Text *out) {
  const EpochReport *best = t->best_epoch >= 1 && t->best_epoch <= t->n_epochs ? &t->epochs[t->best_epoch - 1] : NULL;
  const char *columns[2];
  double **values[2];
  const double *losses[2];
  int n = 0;
  if (best && best->valid_loss) {
    columns[n] = "valid";
    values[n] = best->valid_metric;
    losses[n++] = best->valid_loss;
  }
  if (t->test_metric && t->held_out == 2) {
    columns[n] = "test";
    values[n] = t->test_metric;
    losses[n++] = t->test_loss;
  }
  if (n && !t->interrupted) report_metrics(m, columns, values, losses, n, out);
  if (!t->interrupted) confusions_text(m, t->held_out == 2 ? "test" : "valid", t->test_confusion, out);
  if (!t->interrupted) requires_text(m, t->require_value, t->require_met, out);
  text_printf(out, "%lld epochs, best %lld; %.1f us a step, %.0f rows/s, %.2f s in all\n", (long long)t->n_epochs, (long long)t->best_epoch,
              t->step_us, t->rows_per_s, seconds.all);
  if (run) text_printf(out, "run: %s\n", run);
}
