// run.c: mtl_run: data → compiled step → training → a run folder, or nothing.
#include <limits.h>
#include <math.h>
#include <unistd.h>
#include "warm_start.h"
#include "version/registry.h"

typedef struct {
  Model *m; Dataset *data; Ready ready; RunInfo info; char *tmp, *final_name; int lock; PrepState prep; double start; RunSeconds seconds;
  WarmRun *old; WarmInputs inputs; WarmPlan warm;          // a start from an earlier run; old NULL: none
} Run;
typedef struct { mtl_context *c; const mtl_run_options *o; Run *r; } Hooks;

static void say(const mtl_run_options *o, const char *text) {
  if (o->message) o->message(o->ctx, text);
}

static void on_progress(void *ctx, const Progress *p) {
  const Hooks *k = ctx;
  if (!k->o->progress) return;
  Text t = {0};
  text_printf(&t, "epoch %lld/%lld  loss %.4f", (long long)p->epoch, (long long)p->epochs, p->loss);
  for (int i = 0; i < p->n_tasks; i++) text_printf(&t, "  %s %.4f", p->task[i], p->task_loss[i]);
  double done = p->steps ? (double)p->step / (double)p->steps : 0, whole = ((double)p->epoch - 1 + done) / (double)p->epochs;
  text_printf(&t, "  %.0f rows/s", p->rows_per_s);
  if (done > 0) text_printf(&t, "  %.0f s left", p->seconds / done * ((double)(p->epochs - p->epoch) + 1 - done));
  k->o->progress(k->o->ctx, t.data, whole);
  text_free(&t);
}

static void on_epoch(void *ctx, const EpochReport *e) {
  const Hooks *k = ctx;
  Text t = {0};
  report_epoch(k->r->m, e, k->r->m->train.epochs, &t);
  say(k->o, t.data);
  text_free(&t);
}

static void take_options(Model *m, const mtl_run_options *o) {
  if (o->epochs > 0) m->train.epochs = o->epochs;
  if (o->has_seed) m->train.seed = m->data.seed = (uint64_t)o->seed;
}

// The folder itself: a name may mean another run later.
static const char *real_run(mtl_context *c, const char *word) {
  char full[PATH_MAX];
  const char *path = run_path(c, word);
  return realpath(path, full) ? arena_strdup(c->arena, full) : path;
}

// --from takes what fits: what is left behind is a choice that somebody has to make.
static bool may_drop(mtl_context *c, const mtl_run_options *o, const Run *r) {
  Text t = {0};
  if (!r->warm.count[WARM_DROP] || o->allow_drop) return true;
  for (int i = 0; i < r->warm.n; i++)
    if (r->warm.tensors[i].action == WARM_DROP) text_printf(&t, "%s`%s`", t.n ? ", " : "", r->warm.tensors[i].old_path);
  diag_error(c->diag, "would-drop", (Place){0}, "%d tensor%s of `%s` would be left behind: %s", r->warm.count[WARM_DROP],
             r->warm.count[WARM_DROP] == 1 ? "" : "s", o->from, t.data);
  diag_help(c->diag, "`mtlc plan %s %s` shows all; --allow-drop agrees; where a layer has only another name, say `renamed_from`", o->from, o->spec);
  text_free(&t);
  return false;
}

// The run that the spec starts from is opened and compared before any row is read.
static bool open_old(mtl_context *c, const mtl_run_options *o, Run *r, const Graph *g) {
  r->info.no_state = o->no_state;
  if (!o->from && !r->m->from.name) return true;
  r->old = o->from ? warm_open(c, real_run(c, o->from), !o->no_state, (Place){0})
                   : warm_open(c, beside(c->arena, o->spec, r->m->from.file), !o->no_state, r->m->from.file_at);
  if (!r->old) return false;
  r->inputs = warm_inputs(c, r->m, g, r->old);
  r->warm = warm_plan(r->m, g, NULL, &r->inputs, r->old);
  r->m->begun = r->info.begun = r->warm.begun, r->m->n_begun = r->info.n_begun = r->warm.n_begun;
  return o->from ? may_drop(c, o, r) : warm_check(c, r->m, g, &r->warm, &r->inputs, r->old);
}

static Dataset *prepare_rows(mtl_context *c, Run *r) {
  if (!r->old) return data_prepare(&r->m->data, &r->info.files, c->diag);
  GivenPrep given = warm_given(r->old, &r->inputs);
  return data_prepare_given(&r->m->data, &given, &r->info.files, c->diag);
}

static void set_slots(const Run *r) {
  engine_init(r->ready.engine, r->m->train.seed);
  if (r->old) warm_apply(&r->warm, r->old, r->ready.engine);
}

static void start_slots(Run *r) {
  if (r->old) r->warm = warm_plan(r->m, r->ready.compiled.forward, &r->data->prep, &r->inputs, r->old);
  set_slots(r);
  if (r->old) r->info.from = warm_json(r->m, &r->warm, &r->inputs, r->old);
}

static void start_again(void *ctx) { set_slots(((const Hooks *)ctx)->r); }

static bool open_new(mtl_context *c, const mtl_run_options *o, Run *r) {
  r->m = open_spec(c, o->spec);
  Graph *g = check_graph(c, r->m);
  if (!g) return false;
  take_options(r->m, o);
  if (!open_old(c, o, r, g)) return false;
  if (!find_files(c, r->m, o->data, o->test, NULL, o->spec, &r->info.files)) return false;
  r->data = prepare_rows(c, r);
  r->m->by_call = o->profile;
  if (!r->data || !make_ready(c, r->m, &r->data->prep, true, &r->ready)) return false;
  start_slots(r);
  r->tmp = run_folder_create(c, o->out, r->m->name, &r->final_name, &r->lock);
  r->info.seed = r->m->train.seed;
  r->info.epochs = r->m->train.epochs;
  r->info.status = "interrupted";
  return r->tmp && run_folder_begin(c, r->tmp, r->m, r->data, &r->ready, &r->info) && run_folder_claim(c, r->tmp, r->m, &r->ready, &r->info);
}

static bool open_interrupted(mtl_context *c, const mtl_run_options *o, Run *r) {
  const char *dir = r->tmp = run_folder_resume(c, o->resume, &r->final_name, &r->lock);
  if (!dir || !run_folder_read(c, dir, &r->info)) return false;
  if (strcmp(r->info.status, "interrupted") && !checkpoint_stands(dir)) {
    diag_error(c->diag, "nothing-to-resume", (Place){0}, "the run `%s` is %s: there is nothing to go on with", dir, r->info.status);
    return false;
  }
  r->m = run_folder_model(c, dir, &r->prep);
  if (!r->m) return false;
  r->m->train.epochs = o->epochs > 0 ? o->epochs : r->info.epochs;
  r->m->train.seed = r->m->data.seed = r->info.seed;
  r->m->begun = r->info.begun, r->m->n_begun = r->info.n_begun;
  if (r->tmp == r->final_name)                               // an older mtlc did not say it
    r->info.no_state |= access(arena_printf(c->arena, "%s/" OPTIMIZER_FILE, dir), F_OK) != 0;
  r->info.vocabularies = run_vocabularies_kept(c, dir);
  if (!find_files(c, r->m, NULL, r->info.files.test, &r->info, NULL, &r->info.files)) return false;
  r->data = data_split_again(&r->m->data, &r->prep, &r->info.files, c->diag);
  r->m->by_call = o->profile;
  if (!r->data || !make_ready(c, r->m, &r->data->prep, true, &r->ready)) return false;
  engine_init(r->ready.engine, r->info.seed);
  return run_folder_claim(c, dir, r->m, &r->ready, &r->info);
}

static void say_start(mtl_context *c, const mtl_run_options *o, const Run *r) {
  Text t = {0};
  (void)c;
  summary_print(&r->m->data, &r->data->summary, &t);
  if (t.n && t.data[t.n - 1] == '\n') t.data[--t.n] = 0;
  say(o, t.data);
  text_free(&t);
  if (r->old) {
    warm_text(r->m, &r->warm, &r->inputs, r->old, &t);
    text_char(&t, '\n');
    warm_state_text(&r->warm, &t);
    if (t.data[t.n - 1] == '\n') t.data[--t.n] = 0;
    say(o, t.data);
    text_free(&t);
  }
  const SlotHome *tables = &r->ready.engine->home;
  if (tables->n) {
    text_printf(&t, "tables      %lld MiB in a file in %s, with what the optimizer keeps of them", (long long)(tables->bytes >> 20), tables->folder);
    say(o, t.data);
    text_free(&t);
  }
  if (r->ready.jit.cached) text_printf(&t, "compiled step for %s from the cache in %.1f ms", r->ready.jit.target, r->ready.jit.load_ms);
  else text_printf(&t, "compiled for %s in %.0f ms", r->ready.jit.target, r->ready.jit.compile_ms);
  say(o, t.data);
  text_free(&t);
}

static bool keep(void *ctx, const TrainReport *t) {
  const Hooks *k = ctx;
  Run *r = k->r;
  mtl_context *c = k->c;
  r->seconds = (RunSeconds){ t->first_step ? t->first_step - r->start : NAN, monotonic_seconds() - r->start };
  r->info.epochs = r->m->train.epochs;
  r->info.best_epoch = t->best_epoch;
  r->info.steps = t->steps;
  r->info.status = t->interrupted ? "interrupted" : "complete";
  r->info.hashes = run_hashes(c, r->m, &r->ready, &r->data->prep);
  json_t *metrics = report_json(r->m, r->data, &r->ready, t, &r->info, r->final_name, r->seconds);
  bool ok = run_folder_write(c, r->tmp, r->m, r->data, &r->ready, &r->info, metrics);
  json_decref(metrics);
  if (!ok) run_folder_unwrite(c, r->tmp);
  if (!ok || r->tmp == r->final_name) return ok;
  return run_folder_finish(c, r->tmp, r->final_name);
}

static int run_to_end(mtl_context *c, const mtl_run_options *o, Run *r, char **report) {
  Hooks k = { c, o, r };
  TrainHooks h = { on_progress, on_epoch, &k, o->stop, r->tmp, o->resume != NULL, start_again, keep };
  say_start(c, o, r);
  if (o->profile) engine_profile(r->ready.engine);
  TrainReport *t = train(r->ready.engine, &r->m->data, &r->m->train, r->data, &h, c->arena, c->diag);
  if (!t) return diag_exit_code(c->diag);
  Text text = {0};
  if (o->json) {
    json_t *j = report_json(r->m, r->data, &r->ready, t, &r->info, r->final_name, r->seconds);
    if (o->profile) json_object_set_new(j, "profile", profile_json(c, &r->ready));
    *report = json_text(j);
  }
  else {
    if (t->interrupted) text_printf(&text, "interrupted; to go on: mtlc run --resume %s\n", r->final_name);
    if (r->old) text_printf(&text, "%s\n", warm_line(c->arena, &r->warm, r->old));
    if (o->profile) profile_text(c, &r->ready, &text);
    report_text(r->m, t, r->final_name, r->seconds, &text);
    *report = text.data;
  }
  if (t->interrupted) return checkpoint_release(r->final_name), 130;
  checkpoint_remove(r->final_name);
  return requires_unmet(r->m, t->require_met);
}

// What a run that failed leaves: a training that can go on stays, and how is said; else a folder of its own goes.
static void leave(mtl_context *c, const mtl_run_options *o, const Run *r, int code) {
  bool goes_on = code == DIAG_MACHINE && checkpoint_stands(r->tmp) && !o->forget;
  run_folder_release(c, r->tmp);
  checkpoint_release(r->tmp);
  if (goes_on) diag_help(c->diag, "the training is kept in `%s`; once that is mended, go on with it: mtlc run --resume %s", r->tmp, r->tmp);
  else if (!o->resume) run_folder_remove(r->tmp);
}

int mtl_run(mtl_context *c, const mtl_run_options *o, char **report) {
  Run r = { .start = monotonic_seconds(), .lock = -1 };
  *report = NULL;
  bool ok = o->resume ? open_interrupted(c, o, &r) : open_new(c, o, &r);
  int code = ok ? run_to_end(c, o, &r, report) : diag_exit_code(c->diag);
  if (r.tmp && code != 0 && code != 1 && code != 130) leave(c, o, &r, code);
  if (r.lock >= 0) close(r.lock);
  json_decref(r.info.hashes);
  json_decref(r.info.from);
  json_decref(r.info.vocabularies);
  ready_free(&r.ready);
  data_free(r.data);
  warm_close(r.old);
  return code;
}
