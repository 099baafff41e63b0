// infer.c: a trained run on rows: mtl_eval and mtl_predict.
#include <math.h>
#include "session.h"
#include "version/registry.h"

typedef struct { RunInfo info; Model *m; PrepState prep; Dataset *data; int split; Ready ready; } Trained;

// Rows: the file's, or the run's own held-out ones.
static bool open_run(mtl_context *c, const char *run, const char *const *data, bool need_labels, Trained *t) {
  run = run_path(c, run);
  if (!run_folder_read(c, run, &t->info)) return false;
  t->m = run_folder_model(c, run, &t->prep);
  if (!t->m) return false;
  t->m->train.seed = t->m->data.seed = t->info.seed;
  t->split = 2;
  DataFiles files;
  if (!find_files(c, t->m, data, t->info.files.test, &t->info, NULL, &files)) return false;
  if (data) t->data = data_apply(&t->m->data, &t->prep, &files, need_labels, c->diag);
  else t->data = data_split_again(&t->m->data, &t->prep, &files, c->diag);
  if (!t->data) return false;
  if (!t->data->split[2].n) t->split = 1;
  return make_ready(c, t->m, &t->prep, false, &t->ready) && run_folder_weights(c, run, &t->ready);
}

static void close_run(Trained *t) {
  ready_free(&t->ready);
  data_free(t->data);
}

// What was counted while these rows were prepared: of rows of their own file all of it, of a part of the run's what is known by part.
static void add_counts(const Trained *t, bool own_file, Text *out) {
  summary_counts(&t->m->data, &t->data->summary, own_file ? -1 : t->split, out);
}

static json_t *unknown_json(const Trained *t) {                      // {input: items out of its vocabulary}
  json_t *j = json_object();
  const DataSummary *s = &t->data->summary;
  for (int i = 0; i < t->m->data.n_inputs; i++)
    if (s->input[i].unknown[t->split]) json_object_set_new(j, s->input[i].input, json_integer(s->input[i].unknown[t->split]));
  return j;
}

int mtl_eval(mtl_context *c, const char *run, const char *const *data, bool json, char **report) {
  Trained t = {0};
  bool unmet = false;
  *report = NULL;
  if (open_run(c, run, data, true, &t)) {
    const TrainPlan *tp = &t.m->train;
    const Rows *r = &t.data->split[t.split];
    double **metric = NEW_ARRAY(c->arena, double *, tp->n_tasks + 1), *loss = NEW_ARRAY(c->arena, double, tp->n_tasks + 1);
    for (int i = 0; i < tp->n_tasks; i++) metric[i] = NEW_ARRAY(c->arena, double, tp->tasks[i].n_metrics + 1);
    Predictions *p = predict_rows(t.ready.engine, PROG_EVAL, &t.m->data, tp, &t.prep, r, c->arena);
    task_metrics(&t.m->data, tp, &t.prep, r, p, metric, loss);
    Confusion **confusion = task_confusions(tp, r, p, c->arena);
    double *figure = NEW_ARRAY(c->arena, double, tp->n_requires + 1);
    bool *met = NEW_ARRAY(c->arena, bool, tp->n_requires + 1);
    judge_requires(tp, p, metric, figure, met);
    unmet = requires_unmet(t.m, met);
    if (json) {
      json_t *tasks = metrics_json(t.m, metric, loss);
      confusions_json(t.m, confusion, tasks);
      *report = json_text(json_pack("{s:s, s:s, s:I, s:o, s:o, s:o}", "run", run, "model", t.m->name, "rows", (json_int_t)r->n, "unknown",
                                    unknown_json(&t), "tasks", tasks, "require", requires_json(t.m, figure, met)));
    } else {
      Text text = {0};
      text_printf(&text, "%lld rows\n", (long long)r->n);
      add_counts(&t, data != NULL, &text);
      report_metrics(t.m, (const char *[]){ data ? "given rows" : "held out" }, (double **[]){ metric }, (const double *[]){ loss }, 1, &text);
      confusions_text(t.m, data ? "given rows" : "held out", confusion, &text);
      requires_text(t.m, figure, met, &text);
      *report = text.data;
    }
  }
  close_run(&t);
  return diag_errors(c->diag) ? diag_exit_code(c->diag) : unmet;
}

// ---------------------------------------------------------------- predictions as CSV
static void csv_name(Text *out, const char *name) {
  bool quote = strpbrk(name, ",\"\n") != NULL;
  text_char(out, ',');
  if (quote) text_char(out, '"');
  for (; *name; name++) {
    if (*name == '"') text_char(out, '"');
    text_char(out, *name);
  }
  if (quote) text_char(out, '"');
}

static void csv_columns(Text *out, const char *name, int width) {
  char full[1024];
  if (width == 1) csv_name(out, name);
  for (int j = 0; width > 1 && j < width; j++) {
    snprintf(full, sizeof full, "%s_%d", name, j);
    csv_name(out, full);
  }
}

static void predictions_csv(const TrainPlan *tp, const Rows *r, const Predictions *p, Text *out) {
  text_add(out, "row");
  for (int i = 0; i < tp->n_tasks; i++) csv_columns(out, tp->tasks[i].name, tp->tasks[i].width);
  for (int i = 0; i < tp->n_outputs; i++) csv_columns(out, tp->outputs[i].name, tp->outputs[i].width);
  text_char(out, '\n');
  for (int64_t k = 0; k < r->n; k++) {
    text_printf(out, "%lld", (long long)r->row[k]);
    for (int i = 0; i < tp->n_tasks + tp->n_outputs; i++) {
      int width = i < tp->n_tasks ? tp->tasks[i].width : tp->outputs[i - tp->n_tasks].width;
      for (int j = 0; j < width; j++) text_printf(out, ",%.9g", p->values[i][k * width + j]);
    }
    text_char(out, '\n');
  }
}

int mtl_predict(mtl_context *c, const char *run, const char *const *data, const char *out, bool json, char **report) {
  Trained t = {0};
  *report = NULL;
  if (open_run(c, run, data, false, &t)) {
    const Rows *r = &t.data->split[t.split];
    Predictions *p = predict_rows(t.ready.engine, PROG_PREDICT, &t.m->data, &t.m->train, &t.prep, r, c->arena);
    Text csv = {0};
    predictions_csv(&t.m->train, r, p, &csv);
    if (!out || !strcmp(out, "-")) *report = csv.data;
    else {
      if (file_write_whole(out, csv.data, csv.n, c->diag)) {
        Text text = {0};
        if (json) *report = json_text(json_pack("{s:s, s:s, s:I}", "run", run, "out", out, "rows", (json_int_t)r->n));
        else {
          text_printf(&text, "%lld rows: %s\n", (long long)r->n, out);
          add_counts(&t, data != NULL, &text);
          *report = text.data;
        }
      }
      text_free(&csv);
    }
  }
  close_run(&t);
  return diag_exit_code(c->diag);
}
