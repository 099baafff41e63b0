// compare.c: mtl_compare: from one spec, every task alone, all together, and together with other ways of balancing, over seeds. Rows
// are prepared once, or once a seed where the seed draws the split; each arrangement is compiled once for the rows it is trained on.
#include <math.h>
#include "compare.h"

enum { COSINE_BATCHES = 16 };            // of an epoch, to look at the gradients of

typedef struct {
  mtl_context *c; const mtl_compare_options *o;
  Comparison x;
  Model *m; DataFiles files; Dataset *data;
  int trainings, done;                   // in all
  bool interrupted;
} Compare;

// One model under way: an arrangement, or one task of `alone`.
typedef struct {
  Compare *k; Arena *arena;
  int arrangement, first_task, seed;     // first_task: where its tasks begin in the spec
  Model *v; Ready ready;
  double *cosine, *looked; int64_t epochs;
} Job;

static bool stopped(const Compare *k) { return k->o->stop && *k->o->stop; }

// ---------------------------------------------------------------- the arrangements
static void add_arrangement(Compare *k, const char *name, const char *balance) {
  Comparison *x = &k->x;
  Arrangement *all = NEW_ARRAY(k->c->arena, Arrangement, x->n_arrangements + 1);
  if (x->n_arrangements) memcpy(all, x->arrangement, sizeof *all * (size_t)x->n_arrangements);
  all[x->n_arrangements] = (Arrangement){name, balance, x->n_arrangements == ALONE};
  x->n_arrangements++;
  x->arrangement = all;
}

// Builds it, so that what is wrong with it is said before any row is read.
static bool method_fits(Compare *k, const char *method, Diag *d) {
  Arena *a = arena_new();
  Model *v = model_variant(k->m, a, NULL);
  bool fits = variant_balance(v, method, d) && build(v, F32, d) && diag_errors(d) == 0;
  arena_free(a);
  return fits;
}

static bool is_there(const Compare *k, const char *method) {
  for (int i = 0; i < k->x.n_arrangements; i++)
    if (!strcmp(k->x.arrangement[i].name, method)) return true;
  return false;
}

static const char *next_method(Arena *a, const char **list) {        // up to a comma outside of brackets, less blanks around it
  const char *s = *list + strspn(*list, " "), *end = s;
  for (int depth = 0; *end && (depth > 0 || *end != ','); end++) depth += (*end == '(') - (*end == ')');
  *list = *end ? end + 1 : end;
  while (end > s && end[-1] == ' ') end--;
  return arena_strndup(a, s, (size_t)(end - s));
}

static bool add_methods(Compare *k) {
  static const char *const usual[] = {"static", "uncertainty", "pcgrad"};
  const char *list = k->o->with;
  int balanced = k->m->balance.spec.row;
  if (list && !strcmp(list, "none")) return true;
  if (list) {
    while (*list) {
      const char *method = next_method(k->c->arena, &list);
      if (is_there(k, method)) continue;
      if (method_fits(k, method, k->c->diag)) add_arrangement(k, method, method);
    }
    return diag_errors(k->c->diag) == 0;
  }
  for (int i = balanced < 0; i < COUNT_OF(usual); i++) {   // what the spec does itself is `together`
    if (i && balanced >= 0 && !strcmp(balance_rows[balanced].name, usual[i])) continue;
    Diag *quiet = diag_new(k->c->arena, k->c->sources);
    if (method_fits(k, usual[i], quiet)) add_arrangement(k, usual[i], usual[i]);
  }
  return true;
}

static void list_measures(Compare *k) {
  const TrainPlan *tp = &k->m->train;
  int n = 0;
  for (int i = 0; i < tp->n_tasks; i++) n += tp->tasks[i].n_metrics ? tp->tasks[i].n_metrics : 1;
  Measure *all = NEW_ARRAY(k->c->arena, Measure, n + 2);
  n = 0;
  for (int i = 0; i < tp->n_tasks; i++) {
    const PlanTask *t = &tp->tasks[i];
    int before = n;
    for (int j = 0; j < t->n_metrics; j++) {
      MetricKind kind = t->metrics[j].kind;
      if (kind == METRIC_CALIBRATION) continue;            // best at 1: neither more nor less of it is better
      all[n] = (Measure){i, j, t->metrics[j].name, metric_rows[kind].flags & METRIC_LOWER, n == before};
      n++;
    }
    if (n == before) all[n++] = (Measure){i, -1, "loss", true, true};
  }
  all[n++] = (Measure){-1, -1, "gain", false, true};
  k->x.measure = all;
  k->x.n_measures = n;
}

static void make_room(Compare *k) {
  Comparison *x = &k->x;
  Arena *a = k->c->arena;
  int n = x->n_arrangements, scores = n * x->n_measures * x->n_seeds;
  x->score = NEW_ARRAY(a, Score, scores);
  for (int i = 0; i < scores; i++) {
    x->score[i].value = NAN;
    for (int b = 0; b < BLOCKS; b++) x->score[i].without[b] = NAN;
  }
  x->failed = NEW_ARRAY(a, const char *, n * x->n_seeds);
  x->epochs = NEW_ARRAY(a, double, n * x->n_seeds);
  x->seconds = NEW_ARRAY(a, double, n * x->n_seeds);
}

// ---------------------------------------------------------------- one training
static void on_progress(void *ctx, const Progress *p) {
  const Job *j = ctx;
  const Compare *k = j->k;
  Text t = {0};
  double done = p->steps ? (double)p->step / (double)p->steps : 0, part = ((double)p->epoch - 1 + done) / (double)p->epochs;
  text_printf(&t, "%d/%d  %s", k->done + 1, k->trainings, k->x.arrangement[j->arrangement].name);
  if (j->arrangement == ALONE) text_printf(&t, ": %s", k->m->train.tasks[j->first_task].name);
  text_printf(&t, "  seed %lld  epoch %lld  loss %.4f", (long long)k->x.seed[j->seed], (long long)p->epoch, p->loss);
  k->o->progress(k->o->ctx, t.data, (k->done + part) / k->trainings);
  text_free(&t);
}

static void on_epoch(void *ctx, const EpochReport *e) {
  Job *j = ctx;
  (void)e;
  int n = j->v->train.n_tasks;
  double *now = NEW_ARRAY(j->arena, double, n * n + 1);
  if (!j->cosine || !gradient_cosines(j->ready.engine, &j->v->data, &j->v->train, &j->k->data->split[0], COSINE_BATCHES, now)) return;
  for (int i = 0; i < n * n; i++)
    if (isfinite(now[i])) j->cosine[i] += now[i], j->looked[i]++;
}

// The part first … first + n − 1 of rows; labels are copied, since each has its rows side by side.
static Rows part_of(const Rows *r, const DataPlan *p, int64_t first, int64_t n, Arena *a) {
  Rows part = *r;
  part.n = n;
  part.dense = r->dense ? r->dense + first * p->dense_width : NULL;
  part.ids = r->ids ? r->ids + first * p->n_ids : NULL;
  part.row = r->row + first;
  part.y = NEW_ARRAY(a, float, n * p->n_labels + 1);
  part.w = NEW_ARRAY(a, float, n * p->n_labels + 1);
  for (int i = 0; i < p->n_labels; i++) {
    memcpy(part.y + i * n, r->y + i * r->n + first, sizeof *part.y * (size_t)n);
    memcpy(part.w + i * n, r->w + i * r->n + first, sizeof *part.w * (size_t)n);
  }
  part.group = NEW_ARRAY(a, uint64_t, n * p->n_groups + 1);
  for (int i = 0; i < p->n_groups; i++) memcpy(part.group + i * n, r->group + i * r->n + first, sizeof *part.group * (size_t)n);
  return part;
}

static double **table_of(const TrainPlan *tp, Arena *a) {
  double **t = NEW_ARRAY(a, double *, tp->n_tasks + 1);
  for (int i = 0; i < tp->n_tasks; i++) t[i] = NEW_ARRAY(a, double, tp->tasks[i].n_metrics + 1);
  return t;
}

typedef struct { int64_t first, n; Predictions *p; } Block;

static double loss_without(const Block *block, int without, int task) {
  double sum = 0, weight = 0;
  for (int b = 0; b < BLOCKS; b++)
    if (b != without) sum += block[b].p->sum[task], weight += block[b].p->weight[task];
  return weight > 0 ? sum / weight : NAN;
}

static void keep_score(Job *j, double *const *metric, const double *loss, int block) {     // block −1: all rows
  Comparison *x = &j->k->x;
  for (int k = 0; k < x->n_measures; k++) {
    const Measure *q = &x->measure[k];
    int task = q->task - j->first_task;
    if (q->task < 0 || task < 0 || task >= j->v->train.n_tasks) continue;
    Score *s = &score_at(x, j->arrangement, k)[j->seed];
    *(block < 0 ? &s->value : &s->without[block]) = q->metric < 0 ? loss[task] : metric[task][q->metric];
  }
}

// The figures without each block of the held-out rows: predictions by blocks, then metrics with a block's weights at 0.
static void score_blocks(Job *j) {
  const TrainPlan *tp = &j->v->train;
  const DataPlan *dp = &j->v->data;
  const Dataset *data = j->k->data;
  const Rows *r = &data->split[j->k->x.held_out];
  Arena *a = arena_new();
  Block block[BLOCKS];
  Predictions *all = NEW(a, Predictions);
  *all = (Predictions){.n = r->n, .values = NEW_ARRAY(a, float *, tp->n_tasks + 1)};
  for (int i = 0; i < tp->n_tasks; i++) all->values[i] = NEW_ARRAY(a, float, r->n * tp->tasks[i].width + 1);
  for (int b = 0; b < BLOCKS; b++) {
    int64_t first = r->n * b / BLOCKS, n = r->n * (b + 1) / BLOCKS - first;
    Rows part = part_of(r, dp, first, n, a);
    block[b] = (Block){first, n, predict_rows(j->ready.engine, PROG_EVAL, dp, tp, &data->prep, &part, a)};
    for (int i = 0; i < tp->n_tasks; i++) {
      int64_t width = tp->tasks[i].width;
      memcpy(all->values[i] + first * width, block[b].p->values[i], sizeof(float) * (size_t)(n * width));
    }
  }
  Rows left = part_of(r, dp, 0, r->n, a);
  double **metric = table_of(tp, a), *loss = NEW_ARRAY(a, double, tp->n_tasks + 1);
  for (int b = 0; b < BLOCKS; b++) {
    for (int i = 0; i < dp->n_labels; i++) memset(left.w + i * r->n + block[b].first, 0, sizeof *left.w * (size_t)block[b].n);
    task_metrics(dp, tp, &data->prep, &left, all, metric, NULL);
    for (int i = 0; i < tp->n_tasks; i++) loss[i] = loss_without(block, b, i);
    keep_score(j, metric, loss, b);
    for (int i = 0; i < dp->n_labels; i++)
      memcpy(left.w + i * r->n + block[b].first, r->w + i * r->n + block[b].first, sizeof *left.w * (size_t)block[b].n);
  }
  arena_free(a);
}

static bool other_failure(Compare *k, const Diag *d) {     // not of this arrangement: the end of the comparison
  const char *code = diag_first_code(d), *text = diag_first_text(d);
  if (diag_exit_code(d) == DIAG_MACHINE) diag_machine(k->c->diag, code, "%s", text);
  else if (diag_exit_code(d) == DIAG_DATA) diag_data(k->c->diag, code, NULL, 0, 0, NULL, "%s", text);
  else diag_error(k->c->diag, code, (Place){0}, "%s", text);
  return false;
}

static void say_done(const Job *j, const TrainReport *r, const char *failed, double seconds) {
  const Compare *k = j->k;
  Text t = {0};
  if (!k->o->message) return;
  text_printf(&t, "seed %lld  %s", (long long)k->x.seed[j->seed], k->x.arrangement[j->arrangement].name);
  if (j->arrangement == ALONE) text_printf(&t, ": %s", k->m->train.tasks[j->first_task].name);
  if (r) text_printf(&t, "  %d epochs, best %lld", r->n_epochs, (long long)r->best_epoch);
  else text_printf(&t, "  %s", failed);
  text_printf(&t, "  %.2f s", seconds);
  k->o->message(k->o->ctx, t.data);
  text_free(&t);
}

static bool train_one(Job *j) {
  Compare *k = j->k;
  Comparison *x = &k->x;
  double start = monotonic_seconds();
  Diag *d = diag_new(k->c->arena, k->c->sources);
  TrainHooks hooks = {.progress = k->o->progress ? on_progress : NULL, .epoch = on_epoch, .ctx = j, .stop = k->o->stop};
  int at = j->arrangement * x->n_seeds + j->seed;
  j->v->train.seed = x->seed[j->seed];
  engine_init(j->ready.engine, x->seed[j->seed]);
  TrainReport *r = train(j->ready.engine, &j->v->data, &j->v->train, k->data, &hooks, j->arena, d);
  double seconds = monotonic_seconds() - start;
  x->seconds[at] += seconds;
  k->done++;
  if (!r) {
    if (strcmp(diag_first_code(d), "not-finite") != 0) return other_failure(k, d);
    if (!x->failed[at]) x->failed[at] = diag_first_text(d);
    say_done(j, NULL, diag_first_text(d), seconds);
    return true;
  }
  k->interrupted |= r->interrupted || stopped(k);
  if (k->interrupted) return true;
  x->epochs[at] += (double)r->best_epoch / (x->arrangement[j->arrangement].alone ? k->m->n_tasks : 1);
  keep_score(j, r->test_metric, r->test_loss, -1);
  score_blocks(j);
  say_done(j, r, NULL, seconds);
  return true;
}

// ---------------------------------------------------------------- a model for some seeds
static void keep_cosines(Job *j) {
  Comparison *x = &j->k->x;
  int n = j->k->m->n_tasks;
  if (!j->cosine) return;
  if (!x->cosine) x->cosine = NEW_ARRAY(j->k->c->arena, double, x->n_seeds * n * n + 1);
  double *to = x->cosine + (size_t)j->seed * (size_t)(n * n);
  for (int i = 0; i < n * n; i++) to[i] = j->looked[i] > 0 ? j->cosine[i] / j->looked[i] : NAN;
}

static bool run_job(Compare *k, int arrangement, int task, int from, int to) {
  const Arrangement *g = &k->x.arrangement[arrangement];
  int n = k->m->n_tasks;
  Job j = {.k = k, .arena = arena_new(), .arrangement = arrangement, .first_task = g->alone ? task : 0};
  bool *keep = NEW_ARRAY(j.arena, bool, n + 1), ok;
  keep[task] = true;
  j.v = model_variant(k->m, j.arena, g->alone ? keep : NULL);
  j.v->wants_gram = arrangement == TOGETHER;
  ok = (!g->balance || variant_balance(j.v, g->balance, k->c->diag)) && make_ready(k->c, j.v, &k->data->prep, true, &j.ready);
  for (int s = from; ok && s < to && !k->interrupted; s++) {
    j.seed = s;
    if (j.v->train.balance.gram >= 0 && arrangement == TOGETHER) {
      j.cosine = NEW_ARRAY(j.arena, double, n * n + 1);
      j.looked = NEW_ARRAY(j.arena, double, n * n + 1);
    }
    ok = train_one(&j);
    if (ok && !k->interrupted) keep_cosines(&j);
  }
  ready_free(&j.ready);
  arena_free(j.arena);
  return ok;
}

// The seeds from … to − 1, on the same rows.
static bool run_seeds(Compare *k, int from, int to) {
  Comparison *x = &k->x;
  for (int a = 0; a < x->n_arrangements; a++)
    for (int t = 0; t < (x->arrangement[a].alone ? k->m->n_tasks : 1); t++)
      if (!run_job(k, a, t, from, to)) return false;
      else if (k->interrupted) return true;
  return true;
}

// ---------------------------------------------------------------- the rows
static bool split_by_chance(const Split *s) {
  return (s->kind == SPLIT_FRACTION || (s->kind == SPLIT_FILES && s->valid_fraction > 0)) && !s->file_order;
}

static void say_rows(const Compare *k) {
  Text t = {0};
  if (!k->o->message) return;
  summary_print(&k->m->data, &k->data->summary, &t);
  if (t.n && t.data[t.n - 1] == '\n') t.data[--t.n] = 0;
  k->o->message(k->o->ctx, t.data);
  text_free(&t);
}

static bool prepare(Compare *k, int seed) {
  Comparison *x = &k->x;
  data_free(k->data);
  k->m->data.seed = x->seed[seed];
  k->data = data_prepare(&k->m->data, &k->files, k->c->diag);
  if (!k->data) return false;
  for (int i = 0; i < 3; i++) x->rows[i] = k->data->split[i].n;
  x->held_out = x->rows[2] ? 2 : 1;
  if (seed == 0) say_rows(k);
  if (x->rows[x->held_out] >= BLOCKS) return true;
  diag_data(k->c->diag, "no-rows", NULL, 0, 0, NULL, "there are %lld held-out rows to compare on, and %d are needed",
            (long long)x->rows[x->held_out], BLOCKS);
  diag_help(k->c->diag, "give `split` a part `test`, or `valid`");
  return false;
}

static bool run_all(Compare *k) {
  int n = k->x.n_seeds, step = split_by_chance(&k->m->data.split) ? 1 : n;
  for (int s = 0; s < n && !k->interrupted; s += step)
    if (!prepare(k, s) || !run_seeds(k, s, s + step)) return false;
  return true;
}

// ---------------------------------------------------------------- the mean over the tasks
static double relative(double v, double alone, bool minimise) { return 100 * (minimise ? alone - v : v - alone) / fabs(alone); }

static void add_relative(Comparison *x, int a, int k, Score *mean) {
  const Score *v = score_at(x, a, k), *alone = score_at(x, ALONE, k);
  bool minimise = x->measure[k].minimise;
  for (int s = 0; s < x->n_seeds; s++) {
    mean[s].value += relative(v[s].value, alone[s].value, minimise) / x->m->n_tasks;
    for (int b = 0; b < BLOCKS; b++) mean[s].without[b] += relative(v[s].without[b], alone[s].without[b], minimise) / x->m->n_tasks;
  }
}

static void mean_gains(Comparison *x) {
  for (int a = 0; a < x->n_arrangements; a++) {
    Score *mean = score_at(x, a, x->n_measures - 1);
    memset(mean, 0, sizeof *mean * (size_t)x->n_seeds);
    for (int k = 0; k < x->n_measures - 1; k++)
      if (x->measure[k].first) add_relative(x, a, k, mean);
  }
}

// ---------------------------------------------------------------- the whole
static bool open_all(Compare *k) {
  const mtl_compare_options *o = k->o;
  mtl_context *c = k->c;
  Comparison *x = &k->x;
  enum { USUAL_SEEDS = 5 };
  k->m = open_spec(c, o->spec);
  if (!check_spec(c, k->m)) return false;
  if (k->m->from.name) {                           // a task alone would not be alone: its start has learned from the others
    diag_error(c->diag, "unsupported", k->m->from.at, "`compare` trains everything from the start, and this spec starts from a run");
    diag_help(c->diag, "compare the spec without `from`, `freeze` and `renamed_from`");
    return false;
  }
  if (k->m->n_tasks < 2) {
    diag_error(c->diag, "nothing-to-compare", (Place){0}, "the spec has one task, `%s`: there is nothing to train it together with",
               k->m->tasks[0].name);
    return false;
  }
  if (o->epochs > 0) k->m->train.epochs = o->epochs;
  x->m = k->m;
  x->n_seeds = o->seeds > 0 ? (int)o->seeds : USUAL_SEEDS;
  x->seed = NEW_ARRAY(c->arena, uint64_t, x->n_seeds);
  for (int i = 0; i < x->n_seeds; i++) x->seed[i] = (o->has_seed ? (uint64_t)o->seed : k->m->train.seed) + (uint64_t)i;
  add_arrangement(k, "alone", NULL);
  add_arrangement(k, "together", NULL);
  if (!add_methods(k)) return false;
  list_measures(k);
  make_room(k);
  k->trainings = x->n_seeds * (k->m->n_tasks + x->n_arrangements - 1);
  return find_files(c, k->m, o->data, o->test, NULL, o->spec, &k->files);
}

int mtl_compare(mtl_context *c, const mtl_compare_options *o, char **report) {
  Compare k = {.c = c, .o = o};
  double start = monotonic_seconds();
  *report = NULL;
  bool ok = open_all(&k) && run_all(&k);
  k.x.wall_seconds = monotonic_seconds() - start;
  if (ok && !k.interrupted) {
    Text text = {0};
    mean_gains(&k.x);
    if (o->json) *report = json_text(comparison_json(&k.x));
    else comparison_text(&k.x, &text);
    if (!o->json) *report = text.data;
  }
  data_free(k.data);
  if (ok && k.interrupted && o->message) o->message(o->ctx, "interrupted: nothing is compared");
  return ok && k.interrupted ? 130 : diag_exit_code(c->diag);
}
