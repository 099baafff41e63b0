// predictor.c: a trained run that predicts rows of values in memory. What a call needs is made when the run is opened.
#include "session.h"
#include "version/registry.h"

_Static_assert(MTL_NO_ID == VALUE_NO_ID && MTL_END == VALUE_END, "what ids mean is said in mtl.h and in data.h");

struct mtl_predictor {
  Engine *engine;
  const Model *m; const PrepState *prep; const RowValues *values;      // the opened one's, as `row`
  const mtl_row *row;
  ValueError error;
  Ready *ready;                                                     // NULL: of a shared one
};

static const mtl_row *row_of(Arena *a, const TrainPlan *tp, const RowValues *v) {
  int n = v->plan->n_inputs, at = 0;
  mtl_input *inputs = NEW_ARRAY(a, mtl_input, n + 1);
  for (int i = 0; i < n; i++) inputs[i] = (mtl_input){ v->field[i].name, v->field[i].is_id, v->field[i].at, v->field[i].width };
  mtl_output *outputs = NEW_ARRAY(a, mtl_output, tp->n_tasks + tp->n_outputs + 1);
  for (int i = 0; i < tp->n_tasks + tp->n_outputs; i++) {
    bool task = i < tp->n_tasks;
    const PlanOutput *o = task ? NULL : &tp->outputs[i - tp->n_tasks];
    outputs[i] = (mtl_output){ task ? tp->tasks[i].name : o->name, at, task ? tp->tasks[i].width : o->width };
    at += outputs[i].width;
  }
  mtl_row *row = NEW(a, mtl_row);
  *row = (mtl_row){ inputs, n, outputs, tp->n_tasks + tp->n_outputs, v->numbers, v->ids, results_width(tp) };
  return row;
}

mtl_predictor *mtl_predictor_open(mtl_context *c, const char *run) {
  RunInfo info;
  run = run_path(c, run);
  PrepState *prep = NEW(c->arena, PrepState);
  Model *m = run_folder_read(c, run, &info) ? run_folder_model(c, run, prep) : NULL;
  if (!m) return NULL;
  mtl_predictor *p = xcalloc(1, sizeof *p);
  p->ready = xcalloc(1, sizeof *p->ready);
  if (!make_ready(c, m, prep, false, p->ready) || !run_folder_weights(c, run, p->ready)) {
    mtl_predictor_close(p);
    return NULL;
  }
  p->engine = p->ready->engine;
  engine_threads(p->engine, 1);
  engine_slots_stay(p->engine, true);
  p->m = m, p->prep = prep;
  p->values = values_new(&m->data, prep, c->arena);
  p->row = row_of(c->arena, &m->train, p->values);
  return p;
}

mtl_predictor *mtl_predictor_share(const mtl_predictor *p) {
  mtl_predictor *other = xcalloc(1, sizeof *other);
  *other = (mtl_predictor){ .engine = engine_share(p->engine), .m = p->m, .prep = p->prep, .values = p->values, .row = p->row };
  engine_slots_stay(other->engine, true);
  return other;
}

void mtl_predictor_close(mtl_predictor *p) {
  if (!p) return;
  if (p->ready) ready_free(p->ready);
  else engine_free(p->engine);
  free(p->ready);
  free(p);
}

const mtl_row *mtl_predictor_row(const mtl_predictor *p) { return p->row; }
const char *mtl_predictor_error(const mtl_predictor *p) { return p->error.text; }

bool mtl_predictor_ids(const mtl_predictor *p, int input, const char *cell, uint32_t *ids) {
  return values_ids(p->values, input, cell, ids);
}

int64_t mtl_predictor_run(mtl_predictor *p, int64_t n, const double *numbers, const uint32_t *ids, float *results) {
  Engine *e = p->engine;
  const Buffer *b = e->plan->buffers;
  BatchInputs to = { e->buf[e->dense], b[e->dense].ld, e->buf[e->ids], b[e->ids].ld };
  const double no_number = 0;
  const uint32_t no_id = 0;
  if (!numbers) numbers = &no_number;
  if (!ids) ids = &no_id;
  p->error.text[0] = 0;
  for (int64_t done = 0; done < n;) {
    int64_t left = n - done, most = left < e->plan->capacity ? left : e->plan->capacity;
    int64_t rows = values_fill(p->values, most, numbers + done * p->values->numbers, ids + done * p->values->ids, &to, &p->error);
    if (rows) engine_run(e, PROG_PREDICT, rows, 0);
    results_copy(e, &p->m->data, &p->m->train, p->prep, rows, results + done * p->row->results);
    done += rows;
    if (rows < most) return done;
  }
  return n;
}
