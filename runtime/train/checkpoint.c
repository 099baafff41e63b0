// checkpoint.c: a training on disk, to go on with to the same bits: checkpoint.safetensors (all slots, and those of the best
// epoch as "best/…") and state.json (the host's part). state.json is written last and names the digest of its checkpoint;
// until then the checkpoint before stands beside it as checkpoint.previous.safetensors. So a machine that stops at any
// moment leaves a pair that fits. Room for the next pair is kept all the time: claimed before the first step, and then that
// of the one before, so that a disk that fills up meanwhile does not matter.
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>
#include "train_int.h"

enum { FORMAT = 1 };
typedef struct { char *state, *slots, *previous, *spare; } Paths;    // spare: what the next slots are written over

static Paths paths_in(const char *run_dir, Arena *a) {
  return (Paths){ arena_printf(a, "%s/state.json", run_dir), arena_printf(a, "%s/checkpoint.safetensors", run_dir),
                  arena_printf(a, "%s/checkpoint.previous.safetensors", run_dir), arena_printf(a, "%s/checkpoint.safetensors.tmp", run_dir) };
}

void checkpoint_release(const char *run_dir) {
  Arena *a = arena_new();
  Paths p = paths_in(run_dir, a);
  file_release(p.slots);
  file_release(p.state);
  arena_free(a);
}

void checkpoint_remove(const char *run_dir) {
  Arena *a = arena_new();
  Paths p = paths_in(run_dir, a);
  unlink(p.state);
  unlink(p.slots);
  unlink(p.previous);
  arena_free(a);
  checkpoint_release(run_dir);
}

bool checkpoint_stands(const char *run_dir) {
  Arena *a = arena_new();
  bool stands = access(paths_in(run_dir, a).state, F_OK) == 0;
  arena_free(a);
  return stands;
}

// The slots to save or load: the engine's, and the best epoch's where there are any.
static int slot_sets(const Trainer *t, bool with_best, SlotSet sets[2]) {
  sets[0] = (SlotSet){ "", t->e->slots.at };
  sets[1] = (SlotSet){ "best/", t->best_slots.at };          // no name has a slash
  return with_best ? 2 : 1;
}

static size_t state_bytes(const TrainPlan *tp) { return 4096 + (size_t)(5 * tp->n_tasks + tp->n_terms) * 40 + reports_bytes(tp); }

static bool claim_slots(Trainer *t, const Paths *p, Diag *d) {
  SlotSet sets[2];
  return tensors_claim(p->slots, t->e->plan, sets, slot_sets(t, t->best_slots.at != NULL, sets), SLOTS_ALL, d);
}

bool checkpoint_claim(Trainer *t) {
  Paths p = paths_in(t->hooks->run_dir, t->arena);
  return claim_slots(t, &p, t->diag) && file_claim(p.state, state_bytes(t->tp), t->diag);
}

// After a save. Without room now, the next one may still find some.
static void claim_next(Trainer *t, const Paths *p) {
  if (rename(p->previous, p->spare)) claim_slots(t, p, NULL);
  file_claim(p->state, state_bytes(t->tp), NULL);
}

// Of the rows trained on: going on with other data would be another training.
static char *data_digest(Trainer *t) {
  const Rows *r = t->rows;
  if (t->data_digest) return t->data_digest;
  size_t n = (size_t)r->n, labels = (size_t)t->dp->n_labels;
  uint64_t h = hash_bytes(r->dense, sizeof *r->dense * n * (size_t)t->dp->dense_width, n);
  h = hash_bytes(r->ids, sizeof *r->ids * n * (size_t)t->dp->n_ids, h);
  h = hash_bytes(r->y, sizeof *r->y * n * labels, h);
  h = hash_bytes(r->w, sizeof *r->w * n * labels, h);
  rows_touch(r, INT64_MAX / 2);
  return t->data_digest = arena_printf(t->arena, "%016" PRIx64, h);
}

// ---------------------------------------------------------------- writing
static json_t *number(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static json_t *numbers(const double *v, int n) {             // v NULL: null
  if (!v) return json_null();
  json_t *j = json_array();
  for (int i = 0; i < n; i++) json_array_append_new(j, number(v[i]));
  return j;
}

static json_t *watch_json(const Watch *w) {
  return json_pack("{s:o, s:I, s:I}", "best", number(w->best), "epoch", (json_int_t)w->epoch, "bad", (json_int_t)w->bad);
}

static json_t *report_json(const TrainPlan *tp, const EpochReport *r) {
  json_t *metrics = json_null();
  if (r->valid_metric) metrics = json_array();
  for (int i = 0; r->valid_metric && i < tp->n_tasks; i++)
    json_array_append_new(metrics, numbers(r->valid_metric[i], tp->tasks[i].n_metrics));
  return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "epoch", (json_int_t)r->epoch, "seconds", number(r->seconds),
                   "loss", number(r->loss), "task_loss", numbers(r->task_loss, tp->n_tasks), "task_weight",
                   numbers(r->task_weight, tp->n_tasks), "term", numbers(r->term, tp->n_terms), "valid_loss",
                   numbers(r->valid_loss, tp->n_tasks), "valid_metric", metrics, "stop_figure", number(r->stop_figure), "rate", number(r->rate));
}

static json_t *state_json(Trainer *t, uint64_t digest) {
  const TrainPlan *tp = t->tp;
  json_t *reports = json_array();
  for (int i = 0; i < t->reports.n; i++) json_array_append_new(reports, report_json(tp, &t->reports.data[i]));
  return json_pack("{s:i, s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "format",
                   FORMAT, "checkpoint", json_string(arena_printf(t->arena, "%016" PRIx64, digest)), "data", data_digest(t),
                   "seed", json_string(arena_printf(t->arena, "%" PRIu64, tp->seed)), "rows", (json_int_t)t->rows->n,
                   "batch_rows", (json_int_t)tp->batch, "epoch", (json_int_t)t->epoch, "batch", (json_int_t)t->batch, "step",
                   (json_int_t)t->e->step, "seconds", number(t->seconds), "total_seconds", number(t->total_seconds),
                   "total_rows", (json_int_t)t->total_rows, "sum", numbers(t->sum, tp->n_tasks), "weight",
                   numbers(t->weight, tp->n_tasks), "term", numbers(t->term, tp->n_terms), "balance", numbers(t->balance, tp->n_tasks), "balanced",
                   numbers(t->balanced, tp->n_tasks), "stop", watch_json(&t->stop), "best", watch_json(&t->best),
                   "has_best_slots", has_best(t), "epochs", reports);
}

// Of a state without its own digest. Numbers come back from a file as they were, so this is the same before and after.
static char *state_digest(json_t *j, Arena *a) {
  char *s = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
  if (!s) BUG("the state of the training is no JSON");
  char *out = arena_printf(a, "%016" PRIx64, hash_bytes(s, strlen(s), 0));
  free(s);
  return out;
}

static bool write_state(Trainer *t, const char *path, uint64_t digest, Diag *d) {
  json_t *j = state_json(t, digest);
  json_object_set_new(j, "digest", json_string(state_digest(j, t->arena)));
  char *s = json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
  if (!s) BUG("the state of the training is no JSON");
  bool fine = file_write_whole(path, s, strlen(s), d);
  free(s);
  json_decref(j);
  return fine;
}

bool checkpoint_save(Trainer *t, Diag *d) {
  Paths p = paths_in(t->hooks->run_dir, t->arena);
  SlotSet sets[2];
  uint64_t digest;
  if (access(p.state, F_OK) == 0) {                          // a pair that fits stands there: keep its half
    if (access(p.previous, F_OK) != 0 && link(p.slots, p.previous) && errno != ENOENT) unlink(p.state);   // no links here
  }
  if (!tensors_save(p.slots, t->e->plan, sets, slot_sets(t, has_best(t), sets), SLOTS_ALL, &digest, d)) return false;
  if (!write_state(t, p.state, digest, d)) return false;
  claim_next(t, &p);
  return true;
}

// ---------------------------------------------------------------- reading
// Fields are taken one after the other; the first that is wrong is named, and the rest read as 0.
typedef struct { Trainer *t; const char *path; bool bad; } Reader;

static void broken(Reader *r, const char *key, const char *why) {
  if (r->bad) return;
  r->bad = true;
  diag_data(r->t->diag, "bad-checkpoint", r->path, 0, 0, NULL, "this training cannot go on: `%s` %s", key, why);
}

static int64_t take_int(Reader *r, const json_t *from, const char *key, int64_t lo, int64_t hi) {
  const json_t *j = json_object_get(from, key);
  int64_t v = json_integer_value(j);
  if (json_is_integer(j) && v >= lo && v <= hi) return v;
  broken(r, key, json_is_integer(j) ? "is out of its range" : "is no whole number");
  return 0;
}

static double take_number(Reader *r, const json_t *j, const char *key) {   // null: NAN
  if (!json_is_real(j) && !json_is_null(j)) broken(r, key, "is no number");
  return json_is_real(j) ? json_real_value(j) : NAN;
}

static double *take_numbers(Reader *r, const json_t *j, const char *key, int n) {   // null: NULL
  if (json_is_null(j)) return NULL;
  double *v = NEW_ARRAY(r->t->arena, double, n + 1);
  if (!json_is_array(j) || json_array_size(j) != (size_t)n) broken(r, key, "is no list of the right length");
  for (int i = 0; !r->bad && i < n; i++) v[i] = take_number(r, json_array_get(j, (size_t)i), key);
  return v;
}

static void take_same(Reader *r, const json_t *from, const char *key, const char *ours, const char *why) {
  const char *s = json_string_value(json_object_get(from, key));
  if (!s || strcmp(s, ours)) broken(r, key, s ? why : "is no text");
}

static Watch take_watch(Reader *r, const json_t *from, const char *key, int64_t epochs) {
  const json_t *j = json_object_get(from, key);
  return (Watch){ take_number(r, json_object_get(j, "best"), key), take_int(r, j, "epoch", 0, epochs),
                  take_int(r, j, "bad", 0, epochs) };
}

// Left out by versions that knew no terms.
static double *take_terms(Reader *r, const json_t *from) {
  const json_t *j = json_object_get(from, "term");
  int n = r->t->tp->n_terms;
  double *v = j || n ? take_numbers(r, j, "term", n) : NULL;
  if (!v && n) broken(r, "term", "is missing");
  return v ? v : NEW_ARRAY(r->t->arena, double, n + 1);
}

static EpochReport take_report(Reader *r, const json_t *j, int64_t epoch) {
  const TrainPlan *tp = r->t->tp;
  EpochReport e = { .epoch = take_int(r, j, "epoch", epoch, epoch) };
  e.seconds = take_number(r, json_object_get(j, "seconds"), "seconds");
  e.loss = take_number(r, json_object_get(j, "loss"), "loss");
  e.stop_figure = take_number(r, json_object_get(j, "stop_figure"), "stop_figure");
  const json_t *rate = json_object_get(j, "rate");                 // left out by versions that knew no schedules
  e.rate = rate ? take_number(r, rate, "rate") : NAN;
  e.task_loss = take_numbers(r, json_object_get(j, "task_loss"), "task_loss", tp->n_tasks);
  e.task_weight = take_numbers(r, json_object_get(j, "task_weight"), "task_weight", tp->n_tasks);
  e.term = take_terms(r, j);
  e.valid_loss = take_numbers(r, json_object_get(j, "valid_loss"), "valid_loss", tp->n_tasks);
  const json_t *metrics = json_object_get(j, "valid_metric");
  if (!e.task_loss) broken(r, "task_loss", "is missing");
  if (r->bad || json_is_null(metrics)) return e;
  if (!json_is_array(metrics) || json_array_size(metrics) != (size_t)tp->n_tasks)
    broken(r, "valid_metric", "is not of this model");
  e.valid_metric = metric_table(tp, r->t->arena);
  for (int i = 0; !r->bad && i < tp->n_tasks; i++) {
    double *m = take_numbers(r, json_array_get(metrics, (size_t)i), "valid_metric", tp->tasks[i].n_metrics);
    if (m) e.valid_metric[i] = m;
  }
  return e;
}

static void take_sums(Reader *r, const json_t *j) {
  Trainer *t = r->t;
  double *sum = take_numbers(r, json_object_get(j, "sum"), "sum", t->tp->n_tasks);
  double *weight = take_numbers(r, json_object_get(j, "weight"), "weight", t->tp->n_tasks);
  double *balance = take_numbers(r, json_object_get(j, "balance"), "balance", t->tp->n_tasks);
  double *balanced = take_numbers(r, json_object_get(j, "balanced"), "balanced", t->tp->n_tasks);
  double *term = take_terms(r, j);
  if (!sum || !weight || !balance || !balanced) broken(r, "sum", "is missing");
  if (!r->bad) t->sum = sum, t->weight = weight, t->term = term, t->balance = balance, t->balanced = balanced;
}

static void take_place(Reader *r, const json_t *j) {
  Trainer *t = r->t;
  take_int(r, j, "rows", t->rows->n, t->rows->n);
  take_int(r, j, "batch_rows", t->tp->batch, t->tp->batch);
  take_same(r, j, "seed", arena_printf(t->arena, "%" PRIu64, t->tp->seed), "is another seed");
  take_same(r, j, "data", data_digest(t), "is of other rows: the data have changed since");
  t->epoch = take_int(r, j, "epoch", 1, INT32_MAX);
  int64_t step = 0, before = r->bad || (t->first && t->epoch > t->tp->epochs + 1) ? -1 : steps_before(t);
  t->batch = take_int(r, j, "batch", 0, t->n_batches);
  if (!r->bad && (before < 0 || __builtin_add_overflow(before, t->batch, &step))) broken(r, "epoch", "is out of its range");
  t->e->step = take_int(r, j, "step", step, step);
  t->seconds = take_number(r, json_object_get(j, "seconds"), "seconds");
  t->total_seconds = take_number(r, json_object_get(j, "total_seconds"), "total_seconds");
  t->total_rows = take_int(r, j, "total_rows", 0, INT64_MAX);
}

static void take_digest(Reader *r, json_t *j) {
  json_t *own = json_incref(json_object_get(j, "digest"));
  json_object_del(j, "digest");
  const char *s = json_string_value(own);
  if (!s || strcmp(s, state_digest(j, r->t->arena)))
    broken(r, "digest", "does not fit: the file has changed since it was written");
  json_decref(own);
}

static void take_state(Reader *r, json_t *j) {
  Trainer *t = r->t;
  take_int(r, j, "format", FORMAT, FORMAT);
  take_digest(r, j);
  take_place(r, j);
  take_sums(r, j);
  t->stop = take_watch(r, j, "stop", t->epoch - 1);
  t->best = take_watch(r, j, "best", t->epoch - 1);
  const json_t *reports = json_object_get(j, "epochs");
  if (!json_is_array(reports) || (int64_t)json_array_size(reports) != t->epoch - 1)
    broken(r, "epochs", "is not the list of the epochs done");
  for (int64_t i = 0; !r->bad && i < t->epoch - 1; i++) {
    EpochReport e = take_report(r, json_array_get(reports, (size_t)i), i + 1);
    vec_push(t->arena, &t->reports, e);
  }
  if (!json_is_boolean(json_object_get(j, "has_best_slots"))) broken(r, "has_best_slots", "is neither true nor false");
  if (json_is_true(json_object_get(j, "has_best_slots")) != (t->best.epoch > 0)) broken(r, "has_best_slots", "does not fit `best`");
}

// The checkpoint that the state names: the file of that name or, where that one is newer than the state, the one before.
static bool load_slots(Reader *r, const Paths *p, const json_t *j) {
  Trainer *t = r->t;
  const char *files[] = { p->slots, p->previous };
  for (int i = 0; i < COUNT_OF(files); i++) {
    SlotSet sets[2];
    uint64_t digest;
    char text[17];
    if (i && access(files[i], F_OK) != 0) break;
    if (!tensors_load(files[i], t->e->plan, sets, slot_sets(t, has_best(t), sets), SLOTS_ALL, &digest, t->diag)) return false;
    snprintf(text, sizeof text, "%016" PRIx64, digest);
    const char *named = json_string_value(json_object_get(j, "checkpoint"));
    if (!named || strcmp(named, text)) continue;
    t->best_slots.fresh = false;
    if (i == 0) unlink(p->previous);                         // left by a save that was cut short after state.json
    return true;
  }
  broken(r, "checkpoint", "is not the digest of checkpoint.safetensors");
  return false;
}

bool checkpoint_load(Trainer *t) {
  Paths p = paths_in(t->hooks->run_dir, t->arena);
  Reader r = { t, p.state, false };
  json_error_t e;
  json_t *j = json_load_file(p.state, JSON_REJECT_DUPLICATES, &e);
  if (!j) {
    bool there = access(p.state, F_OK) == 0;
    diag_data(t->diag, "bad-checkpoint", p.state, 0, 0, NULL,
              there ? "this training cannot go on: its state is broken at line %d: %s"
                    : "there is no interrupted training here",
              e.line, e.text);
    return false;
  }
  take_state(&r, j);
  bool fine = !r.bad && load_slots(&r, &p, j);
  json_decref(j);
  return fine;
}
