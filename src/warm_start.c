// warm_start.c: a run's weights for another model: which tensor becomes what, and the copying. Elements are taken axis by axis: an axis
// keeps its indices, or has a list of where each index was. A tensor is then one walk over its elements.
#include "warm_start.h"
#include <limits.h>
#include <unistd.h>
#include "version/version.h"

// ---------------------------------------------------------------- the run

static bool read_run(mtl_context *c, WarmRun *r, bool with_state) {
  if (!run_folder_read(c, r->folder, &r->info)) return false;
  r->m = run_folder_model(c, r->folder, &r->prep);
  r->g = check_graph(c, r->m);
  if (r->g) r->weights = weights_read(arena_printf(c->arena, "%s/weights.safetensors", r->folder), c->arena, c->diag);
  return r->weights && (!with_state || warm_state_read(c, r));
}

WarmRun *warm_open(mtl_context *c, const char *folder, bool with_state, Place at) {
  WarmRun *r = NEW(c->arena, WarmRun);
  r->folder = arena_strdup(c->arena, folder);
  if (!mtl_is_run(folder)) {
    diag_error(c->diag, "no-run", at, "there is no run in `%s`: it has no run.json", folder);
    return NULL;
  }
  Diag *all = c->diag;
  c->diag = diag_new(c->arena, c->sources);                  // warnings of the run's spec were told when it was trained
  bool fine = read_run(c, r, with_state);
  if (!fine) diag_take(all, c->diag);
  c->diag = all;
  return fine ? r : NULL;
}

void warm_close(WarmRun *r) {
  if (!r) return;
  weights_unread(r->weights);
  weights_unread(r->state);
}

// ---------------------------------------------------------------- inputs and labels
static int input_named(const DataPlan *p, const char *name) {
  for (int i = 0; i < p->n_inputs; i++)
    if (!strcmp(p->inputs[i].name, name)) return i;
  return -1;
}

static int label_named(const DataPlan *p, const char *name) {
  for (int i = 0; i < p->n_labels; i++)
    if (!strcmp(p->labels[i].name, name)) return i;
  return -1;
}

// Two inputs mean the same where their canonical forms agree, clause by clause. Where the cells come from may change with the files, and
// what happens to a cell that is missing or unknown may become stricter or milder without a number changing its meaning.
static const char *const may_change[] = {"from", "separator", "format", "unseen", "missing", "min_count", "packed"};

static bool counts(const Field *f) {
  for (int i = 0; i < COUNT_OF(may_change); i++)
    if (!strcmp(f->key, may_change[i])) return false;
  return f->scope == SCOPE_CONTRACT || f->scope == SCOPE_WEIGHTS;
}

static const char *field_differs(Arena *a, const Field *f, const Field *was) {
  if (!counts(f) || (was && !strcmp(was->value, f->value))) return NULL;
  return was ? arena_printf(a, "its `%s` is %s, and was %s in the run", f->key, f->value, was->value)
             : arena_printf(a, "it has `%s` = %s, and had none in the run", f->key, f->value);
}

static const char *entry_differs(Arena *a, const Entry *now, const Entry *old, Place *at) {
  const Field *first = entry_field(now, "type");             // another type has other clauses
  for (int i = -1; i < now->fields.n; i++) {
    const Field *f = i < 0 ? first : &now->fields.data[i];
    const char *why = f ? field_differs(a, f, entry_field(old, f->key)) : NULL;
    if (!why) continue;
    *at = f->at;
    return why;
  }
  for (int i = 0; i < old->fields.n; i++) {
    const Field *f = &old->fields.data[i];
    if (counts(f) && !entry_field(now, f->key)) return arena_printf(a, "it had `%s` = %s in the run", f->key, f->value);
  }
  return NULL;
}

// What a head that was trained on it speaks of: its kind, classes, unit. Which rows know it may change.
static const char *label_differs(Arena *a, const DataLabel *now, const DataLabel *old) {
  Text x = {0}, y = {0};
  text_printf(&x, "%s%s%s", label_kind_text(now, a), now->scale ? ", scale " : "", now->scale ? scale_names[now->scale] : "");
  text_printf(&y, "%s%s%s", label_kind_text(old, a), old->scale ? ", scale " : "", old->scale ? scale_names[old->scale] : "");
  if (now->prep.has_clip) text_add(&x, ", clip "), clip_text(&now->prep, &x);
  if (old->prep.has_clip) text_add(&y, ", clip "), clip_text(&old->prep, &y);
  if (now->prep.map) text_add(&x, ", map "), map_text(&now->prep, &x);
  if (old->prep.map) text_add(&y, ", map "), map_text(&old->prep, &y);
  const char *why = strcmp(x.data, y.data) ? arena_printf(a, "it is %s, and was %s in the run", x.data, y.data) : NULL;
  text_free(&x);
  text_free(&y);
  return why;
}

WarmInputs warm_inputs(mtl_context *c, const Model *m, const Graph *g, const WarmRun *old) {
  const DataPlan *p = &m->data, *q = &old->m->data;
  Arena *a = c->arena;
  WarmInputs w = { NEW_ARRAY(a, int, p->n_inputs + 1), NEW_ARRAY(a, int, p->n_labels + 1), NEW_ARRAY(a, const char *, p->n_inputs + 1),
                   NEW_ARRAY(a, const char *, p->n_labels + 1), NEW_ARRAY(a, Place, p->n_inputs + 1), NEW_ARRAY(a, Place, p->n_labels + 1) };
  const Canon *now = canon_of(m, g, NULL, c->diag), *was = canon_of(old->m, old->g, &old->prep, c->diag);
  for (int i = 0; i < p->n_inputs; i++) {
    int k = input_named(q, p->inputs[i].name);
    w.input_at[i] = m->input_at[i];
    if (k >= 0 && now && was)
      w.input_differs[i] = entry_differs(a, canon_find(now, "input", p->inputs[i].name), canon_find(was, "input", p->inputs[i].name), &w.input_at[i]);
    w.input[i] = w.input_differs[i] || !now || !was ? -1 : k;
  }
  for (int i = 0; i < p->n_labels; i++) {
    int k = label_named(q, p->labels[i].name);
    w.label_at[i] = m->label_at[i];
    if (k >= 0) w.label_differs[i] = label_differs(a, &p->labels[i], &q->labels[k]);
    w.label[i] = w.label_differs[i] ? -1 : k;
  }
  return w;
}

GivenPrep warm_given(const WarmRun *old, const WarmInputs *in) { return (GivenPrep){ &old->m->data, &old->prep, in->input, in->label }; }

// ---------------------------------------------------------------- tensors
const char *const warm_action_names[] = { "keep", "remap", "pad", "initialise", "drop" };

// What stands behind `name` in a path that lies under it; NULL: it does not.
static const char *rest_of(const char *path, const char *name) {
  size_t n = strlen(name);
  bool under = strncmp(path, name, n) == 0 && (path[n] == '.' || path[n] == '[' || !path[n]);
  return under ? path + n : NULL;
}

static const Rename *rename_of(const Model *m, const char *path, bool by_old) {
  for (int i = 0; i < m->n_renames; i++)
    if (rest_of(path, by_old ? m->renames[i].old : m->renames[i].name)) return &m->renames[i];
  return NULL;
}

static const char *path_in_run(Arena *a, const Model *m, const char *path) {
  const Rename *r = rename_of(m, path, false);
  return r ? arena_printf(a, "%s%s", r->old, rest_of(path, r->name)) : path;
}

static int by_path(const void *key, const void *x) { return strcmp(key, ((const StoredTensor *)x)->path); }

const StoredTensor *stored_at(const StoredWeights *w, const char *path) {
  return w ? bsearch(path, w->tensors, (size_t)w->n, sizeof *w->tensors, by_path) : NULL;
}

// A name that another declaration took over is not found again under its old meaning: `let b { renamed_from = a }` beside a new `a`.
static bool is_taken(const Model *m, const char *path) { return rename_of(m, path, true) && !rename_of(m, path, false); }

static int64_t vocabulary_index(const Vocabulary *v, const char *value) {
  int64_t lo = 0, hi = v->n - 1;
  while (lo <= hi) {
    int64_t mid = lo + (hi - lo) / 2;
    int order = strcmp(value, v->values[mid]);
    if (!order) return mid;
    if (order < 0) hi = mid - 1;
    else lo = mid + 1;
  }
  return -1;
}

static const DataInput *owner(const DataPlan *p, int i) { return &p->inputs[p->inputs[i].like ? p->inputs[i].like - 1 : i]; }

// Row 0 is for what is not in the vocabulary, row i + 1 for value i. NULL: every value is where it was.
static const int64_t *by_value(Arena *a, const Vocabulary *now, const Vocabulary *old, int64_t *fresh) {
  int64_t *from = NEW_ARRAY(a, int64_t, now->n + 1);
  bool same = now->n == old->n;
  *fresh = 0;
  for (int64_t i = 0; i < now->n; i++) {
    int64_t k = now->values && old->values ? vocabulary_index(old, now->values[i]) : i < old->n ? i : -1;   // values NULL: buckets of numbers
    from[i + 1] = k < 0 ? -1 : k + 1;
    *fresh += k < 0;
    same &= k == i;
  }
  return same ? NULL : from;
}

typedef struct { Arena *a; const Model *m; const Graph *g; const PrepState *prep; const WarmInputs *in; const WarmRun *old; } Planner;

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

// A vocabulary that the spec itself gives, as the loader numbers it: in order of the text, "" among them where a missing cell is a value.
static const Vocabulary *declared(Arena *a, const DataInput *in) {
  if (!in->n_vocab) return NULL;
  Vocabulary *v = NEW(a, Vocabulary);
  const char **values = NEW_ARRAY(a, const char *, in->n_vocab + 1);
  for (int i = 0; i < in->n_vocab; i++) values[v->n++] = in->vocab[i];
  if (in->cardinality == in->n_vocab + 2) values[v->n++] = "";
  qsort(values, (size_t)v->n, sizeof *values, by_text);
  v->values = values;
  return v;
}

static void remap_axis(const Planner *p, WarmTensor *t, int axis, const char *input) {
  int i = input_named(&p->m->data, input), k = input_named(&p->old->m->data, input);
  if (i < 0 || k < 0) return;
  const DataInput *now = owner(&p->m->data, i), *was = owner(&p->old->m->data, k);
  const Vocabulary *v = p->prep ? &p->prep->vocab[now->id_at] : declared(p->a, now), *old = was->id_at >= 0 ? &p->old->prep.vocab[was->id_at] : NULL;
  if (!v) {
    if (p->in->input[i] >= 0 && t->shape[axis] < 0) t->shape[axis] = t->old_shape[axis];
    return;
  }
  int64_t fresh;
  if (!old || t->old_shape[axis] != old->n + 1) return;
  t->from[axis] = by_value(p->a, v, old, &fresh);
  if (!t->from[axis]) return;
  t->action = WARM_REMAP;
  t->why = fresh ? arena_printf(p->a, "by value; %lld of %lld values of `%s` are new", (long long)fresh, (long long)v->n, input)
                 : arena_printf(p->a, "by value of `%s`", input);
}

static const char *shape_words(Arena *a, const int64_t *shape, int rank) {
  Text t = {0};
  text_char(&t, '[');
  for (int i = 0; i < rank; i++) {
    text_add(&t, i ? ", " : "");
    if (shape[i] < 0) text_char(&t, '?');
    else text_printf(&t, "%lld", (long long)shape[i]);
  }
  text_char(&t, ']');
  const char *s = arena_strdup(a, t.data);
  text_free(&t);
  return s;
}

static void match(const Planner *p, WarmTensor *t) {
  const Slot *s = &p->g->slots.data[t->slot];
  const Rename *r = rename_of(p->m, t->path, false);
  t->action = WARM_KEEP;
  t->old_path = t->old->path;
  t->old_rank = t->old->rank;
  memcpy(t->old_shape, t->old->shape, sizeof t->old_shape);
  if (r) t->why = arena_printf(p->a, "renamed from `%s`", r->old);
  for (int i = 0; i < t->rank && t->rank == t->old_rank; i++)
    if (p->g->axes.data[s->axis[i]].kind == AXIS_SYMBOL) remap_axis(p, t, i, p->g->axes.data[s->axis[i]].name);
  const DataInput *in = t->rank == t->old_rank && t->rank ? table_owner(p->m, p->g, t->path) : NULL;
  if (in && in->n_vocab) remap_axis(p, t, 0, in->name);        // given in the spec: its axis is a number
  bool other = t->rank != t->old_rank;
  for (int i = 0; i < t->rank && !other; i++) other = t->shape[i] >= 0 && !t->from[i] && t->shape[i] != t->old_shape[i];
  if (!other && t->old->dtype == s->dtype) return;
  t->action = t->rank == t->old_rank && t->old->dtype == s->dtype ? WARM_PAD : WARM_INITIALISE;
  t->why = arena_printf(p->a, "it is %s, and was %s in the run", shape_words(p->a, t->shape, t->rank), shape_words(p->a, t->old_shape, t->old_rank));
}

static WarmTensor tensor_of(const Planner *p, int slot) {
  const Slot *s = &p->g->slots.data[slot];
  WarmTensor t = { .action = WARM_INITIALISE, .path = s->path, .at = s->at, .frozen = s->frozen, .state = s->role == SLOT_STATE, .rank = s->rank,
                   .slot = slot };
  for (int i = 0; i < s->rank; i++) t.shape[i] = p->g->axes.data[s->axis[i]].size;
  t.old = is_taken(p->m, s->path) ? NULL : stored_at(p->old->weights, path_in_run(p->a, p->m, s->path));
  if (t.old) match(p, &t);
  else t.why = "the run has none of this name";
  return t;
}

static int by_action_and_path(const void *x, const void *y) {
  const WarmTensor *a = x, *b = y;
  if ((a->action == WARM_DROP) != (b->action == WARM_DROP)) return a->action == WARM_DROP ? 1 : -1;
  return strcmp(a->path ? a->path : a->old_path, b->path ? b->path : b->old_path);
}

static void add_dropped(const Planner *p, WarmPlan *w, int n_kept) {
  for (int i = 0; i < p->old->weights->n; i++) {
    const StoredTensor *x = &p->old->weights->tensors[i];
    bool used = false;
    for (int k = 0; k < n_kept; k++) used |= w->tensors[k].old == x;
    if (used) continue;
    WarmTensor t = { .action = WARM_DROP, .old_path = x->path, .old_rank = x->rank, .old = x, .slot = -1, .why = "the model has none of this name" };
    memcpy(t.old_shape, x->shape, sizeof t.old_shape);
    w->tensors[w->n++] = t;
  }
}

WarmPlan warm_plan(const Model *m, const Graph *g, const PrepState *prep, const WarmInputs *in, const WarmRun *old) {
  Planner p = { m->arena, m, g, prep, in, old };
  WarmPlan w = { .g = g, .tensors = NEW_ARRAY(m->arena, WarmTensor, g->slots.n + old->weights->n + 1) };
  for (int i = 0; i < g->slots.n; i++)
    if (g->slots.data[i].role == SLOT_PARAM || g->slots.data[i].role == SLOT_STATE) w.tensors[w.n++] = tensor_of(&p, i);
  add_dropped(&p, &w, w.n);
  qsort(w.tensors, (size_t)w.n, sizeof *w.tensors, by_action_and_path);
  for (int i = 0; i < w.n; i++) w.count[w.tensors[i].action]++;
  warm_state_plan(m, old, &w);
  return w;
}

// ---------------------------------------------------------------- copying
static const PlanSlot *slot_at(const StepPlan *p, const char *path) {
  for (int i = 0; i < p->n_slots; i++)
    if (!strcmp(p->slots[i].path, path)) return &p->slots[i];
  return NULL;
}

// The run's element for the model's element `at`, both row-major over the first `rank` axes; −1: it has none.
static int64_t element_in_run(const WarmTensor *t, int rank, int64_t at) {
  int64_t old = 0, index[WARM_RANK] = {0};
  for (int i = rank - 1; i >= 0; i--) index[i] = at % t->shape[i], at /= t->shape[i];
  for (int i = 0; i < rank; i++) {
    int64_t k = t->from[i] ? t->from[i][index[i]] : index[i] < t->old_shape[i] ? index[i] : -1;
    if (k < 0) return -1;
    old = old * t->old_shape[i] + k;
  }
  return old;
}

void warm_copy(const WarmTensor *t, const StoredTensor *stored, const PlanSlot *s, Engine *e) {
  CHECK(s && s->rank <= t->rank && t->rank == t->old_rank && s->dtype == stored->dtype && stored->rank == s->rank);
  for (int i = 0; i < s->rank; i++) CHECK(s->shape[i] == t->shape[i]);
  const Buffer *b = &e->plan->buffers[s->buffer];
  size_t width = s->dtype == F64 || s->dtype == I64 ? 8 : 4;
  char *to = e->buf[s->buffer];
  const char *from = stored->data;
  for (int64_t r = 0; r < b->rows_a; r++)
    for (int64_t col = 0; col < b->cols; col++) {
      int64_t k = element_in_run(t, s->rank, r * b->cols + col);
      if (k >= 0) memcpy(to + (size_t)(r * b->ld + col) * width, from + (size_t)k * width, width);
    }
}

void warm_apply(const WarmPlan *p, const WarmRun *old, Engine *e) {
  for (int i = 0; i < p->n; i++)
    if (p->tensors[i].action <= WARM_PAD) warm_copy(&p->tensors[i], p->tensors[i].old, slot_at(e->plan, p->tensors[i].path), e);
  warm_state_apply(p, old, e);
}

// ---------------------------------------------------------------- what `from` promises
static bool is_in_run(const WarmRun *old, const char *name) {
  for (int i = 0; i < old->weights->n; i++)
    if (rest_of(old->weights->tensors[i].path, name)) return true;
  for (int i = 0; i < old->m->n_tasks; i++)
    if (!strcmp(old->m->tasks[i].name, name)) return true;
  return false;
}

static void check_renames(mtl_context *c, const Model *m, const WarmRun *old) {
  for (int i = 0; i < m->n_renames; i++) {
    const Rename *r = &m->renames[i];
    if (is_in_run(old, r->old)) continue;
    diag_error(c->diag, "unknown-name", r->at, "the run `%s` has no `%s`", old->folder, r->old);
    const char *names[128];
    int n = 0;
    for (int k = 0; k < old->m->n_tasks && n < 128; k++) names[n++] = old->m->tasks[k].name;
    for (int k = 0; k < old->m->n_bindings && n < 128; k++) names[n++] = old->m->bindings[k].name;
    const char *near = nearest(r->old, names, n);
    if (near) diag_help(c->diag, "did you mean `%s`?", near);
  }
}

static void check_tensors(mtl_context *c, const WarmPlan *p, const WarmRun *old) {
  for (int i = 0; i < p->n; i++) {
    const WarmTensor *t = &p->tensors[i];
    if (t->action == WARM_PAD || (t->action == WARM_INITIALISE && t->old)) {
      diag_error(c->diag, "warm-shape", t->at, "`%s` does not fit the run `%s`: %s", t->path, old->folder, t->why);
      diag_help(c->diag, "give it the run's shape, or another name: then it starts anew");
    } else if (t->action == WARM_INITIALISE && t->frozen) {
      diag_error(c->diag, "warm-frozen", t->at, "`%s` is frozen, and the run `%s` has no such: it would stay as it starts", t->path, old->folder);
      diag_help(c->diag, "say what it was called there, `renamed_from = NAME`, or let it train");
    }
  }
}

static void check_preparation(mtl_context *c, const Model *m, const WarmInputs *in, const WarmRun *old) {
  for (int i = 0; i < m->data.n_inputs; i++) {
    if (!in->input_differs[i]) continue;
    diag_error(c->diag, "warm-input", in->input_at[i], "the input `%s` is not what it was in the run `%s`: %s", m->data.inputs[i].name, old->folder,
               in->input_differs[i]);
    diag_help(c->diag, "declare it as it was; what is new needs a name of its own: `input NAME : TYPE = SOURCE.COLUMN`");
  }
  for (int i = 0; i < m->data.n_labels; i++) {
    if (!in->label_differs[i]) continue;
    diag_error(c->diag, "warm-label", in->label_at[i], "the label `%s` is not what it was in the run `%s`: %s", m->data.labels[i].name, old->folder,
               in->label_differs[i]);
    diag_help(c->diag, "declare it as it was; what is new needs a name of its own");
  }
}

static NodeId head_of(const Graph *g, const char *task) {
  for (int i = 0; i < g->roots.n; i++)
    if (!strncmp(g->roots.data[i].name, "head:", 5) && !strcmp(g->roots.data[i].name + 5, task)) return g->roots.data[i].value;
  return 0;
}

// The first parameter under n that trains; NULL: none.
static const Slot *trains_under(Arena *a, const Graph *g, NodeId n) {
  bool *needed = NEW_ARRAY(a, bool, n + 1);
  needed[n] = true;
  for (NodeId k = n; k > 0; k--)
    for (int i = 0; needed[k] && i < node(g, k)->n_in; i++) needed[node_in(g, k, i)] = true;
  for (int i = 0; i < g->slots.n; i++) {
    const Slot *s = &g->slots.data[i];
    if ((s->role == SLOT_PARAM || s->role == SLOT_STATE) && !s->frozen && s->read && s->read <= n && needed[s->read]) return s;
  }
  return NULL;
}

// A frozen task of the run: it says of a row what it said, unless it is computed otherwise, or something below it trains.
static void check_frozen(mtl_context *c, const Model *m, const Graph *g, const WarmRun *old) {
  static const char *const heads[] = { "head:*" };
  const Graph *used = tidy_for(g, heads, 1, false);
  const Structure *now = structure_new(m, true), *was = structure_new(old->m, true);
  for (int i = 0; i < m->n_tasks; i++) {
    const ModelTask *t = &m->tasks[i];
    const char *head = arena_printf(c->arena, "head:%s", t->name);
    FormulaId a = formula_root(m->formulas, head), b = formula_root(old->m->formulas, head);
    if (!t->freeze || !a || !b || rename_of(m, t->name, false)) continue;
    const Slot *s = trains_under(c->arena, used, head_of(used, t->name));
    if (s) {
      diag_warn(c->diag, "frozen-drifts", t->at, "the task `%s` is frozen, and its head is made of `%s`, which trains: its predictions will change", t->name,
                s->path);
      diag_help(c->diag, "freeze that, too");
    } else if (!m->n_renames && strcmp(structure_of(now, a), structure_of(was, b))) {
      diag_warn(c->diag, "frozen-changed", t->at, "the task `%s` is frozen, and its head is computed otherwise than in the run `%s`: its predictions change",
                t->name, old->folder);
    }
  }
}

bool warm_check(mtl_context *c, const Model *m, const Graph *g, const WarmPlan *p, const WarmInputs *in, const WarmRun *old) {
  int before = diag_errors(c->diag);
  check_renames(c, m, old);
  check_preparation(c, m, in, old);
  if (diag_errors(c->diag) == before) check_tensors(c, p, old);   // another input has another table: one error is enough
  if (p->count[WARM_KEEP] + p->count[WARM_REMAP] == 0 && diag_errors(c->diag) == before)
    diag_error(c->diag, "warm-nothing", m->from.at, "the run `%s` has no parameter of this model: nothing would be loaded", old->folder);
  if (diag_errors(c->diag) == before) check_frozen(c, m, g, old);
  return diag_errors(c->diag) == before;
}

bool warm_check_spec(mtl_context *c, const Model *m, const Graph *g, const char *spec) {
  if (!m->from.name) return true;
  const char *folder = beside(c->arena, spec, m->from.file);
  if (!mtl_is_run(folder)) {
    diag_warn(c->diag, "run-not-here", m->from.file_at, "there is no run in `%s`: what is loaded from it is not checked", folder);
    diag_help(c->diag, "names, shapes and preparations are compared with it by `mtlc run`, or here once it is there");
    return true;
  }
  WarmRun *old = warm_open(c, folder, true, m->from.file_at);
  if (!old) return false;
  WarmInputs in = warm_inputs(c, m, g, old);
  WarmPlan p = warm_plan(m, g, NULL, &in, old);
  bool fine = warm_check(c, m, g, &p, &in, old);
  warm_close(old);
  return fine;
}

// ---------------------------------------------------------------- reports
static json_t *shape_json(const int64_t *shape, int rank) {
  json_t *j = json_array();
  for (int i = 0; i < rank; i++) json_array_append_new(j, shape[i] < 0 ? json_null() : json_integer(shape[i]));
  return j;
}

json_t *warm_json(const Model *m, const WarmPlan *p, const WarmInputs *in, const WarmRun *old) {
  json_t *tensors = json_array(), *inputs = json_array(), *labels = json_array();
  for (int i = 0; i < p->n; i++) {
    const WarmTensor *t = &p->tensors[i];
    json_t *j = json_pack("{s:s, s:s?, s:s?, s:s?, s:b, s:b}", "action", warm_action_names[t->action], "path", t->path, "old_path", t->old_path, "why",
                          t->why, "frozen", t->frozen, "state", t->state);
    json_object_set_new(j, "shape", t->path ? shape_json(t->shape, t->rank) : json_null());
    json_object_set_new(j, "old_shape", t->old ? shape_json(t->old_shape, t->old_rank) : json_null());
    json_object_set_new(j, "optimizer", t->goes_on ? json_string("goes on") : t->path && !t->state && !t->frozen ? json_string("begins anew") : json_null());
    if (t->state_why) json_object_set_new(j, "optimizer_why", json_string(t->state_why));
    json_array_append_new(tensors, j);
  }
  for (int i = 0; i < m->data.n_inputs; i++)
    if (in->input[i] >= 0) json_array_append_new(inputs, json_string(m->data.inputs[i].name));
  for (int i = 0; i < m->data.n_labels; i++)
    if (in->label[i] >= 0) json_array_append_new(labels, json_string(m->data.labels[i].name));
  char digest[17], path[PATH_MAX];
  snprintf(digest, sizeof digest, "%016llx", (unsigned long long)old->weights->digest);
  return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s?}", "run", old->folder, "path", realpath(old->folder, path) ? path : old->folder, "model",
                   old->m->name, "weights", digest, "tensors", tensors, "inputs", inputs, "labels", labels, "balance",
                   p->balance_goes_on ? "goes on" : p->balance_why ? "begins anew" : NULL);
}

// The bindings and tasks that the tensors of an action belong to, each with how many: "trunk (4), ctr (2)".
static void owners_text(const WarmPlan *p, WarmAction action, Text *out) {
  for (int i = 0, n = 0; i < p->n; i++) {
    const char *path = p->tensors[i].path ? p->tensors[i].path : p->tensors[i].old_path;
    if (p->tensors[i].action != action) continue;
    size_t len = strcspn(path, ".[");
    int of_it = 0;
    bool first = true;
    for (int k = 0; k < p->n; k++) {
      const char *other = p->tensors[k].path ? p->tensors[k].path : p->tensors[k].old_path;
      if (p->tensors[k].action != action || strcspn(other, ".[") != len || strncmp(other, path, len)) continue;
      first &= k >= i;
      of_it++;
    }
    if (first) text_printf(out, "%s%.*s (%d)", n++ ? ", " : "", (int)len, path, of_it);
  }
}

const char *warm_line(Arena *a, const WarmPlan *p, const WarmRun *old) {
  int loaded = p->count[WARM_KEEP] + p->count[WARM_REMAP] + p->count[WARM_PAD];
  return arena_printf(a, "from %s: %d tensors loaded, %d anew, %d left", old->folder, loaded, p->count[WARM_INITIALISE], p->count[WARM_DROP]);
}

void warm_text(const Model *m, const WarmPlan *p, const WarmInputs *in, const WarmRun *old, Text *out) {
  static const char *const said[] = { "loaded", "loaded by value", "loaded in part", "starting anew", "left in the run" };
  int inputs = 0;
  for (int i = 0; i < m->data.n_inputs; i++) inputs += in->input[i] >= 0;
  text_printf(out, "from %s: what it learned of %d of %d inputs", old->folder, inputs, m->data.n_inputs);
  for (int k = 0; k <= WARM_DROP; k++) {
    if (!p->count[k]) continue;
    text_printf(out, "\n  %d tensor%s %s: ", p->count[k], p->count[k] == 1 ? "" : "s", said[k]);
    owners_text(p, (WarmAction)k, out);
  }
}
