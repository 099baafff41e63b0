// test_version_random.c: random specs and random edits of them. What a spec looks like changes no hash: the same declarations in another
// order, with other white space, comments, spellings and local names, and after fmt. Of an edit, `diff` must say what really happens:
// the old weights are loaded by path into the new model, both are computed by the interpreter on the same rows, and inputs and outputs
// are compared as the loader knows them. MTLC_FUZZ: how many of each (default 300).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include "diag_text.h"
#include "src/front/format.h"
#include "src/version/diff.h"

// ---------------------------------------------------------------- a spec as data
enum { MOST = 8, ROWS = 3, VOCABULARY = 5 };
typedef enum { KIND_REAL, KIND_WIDE, KIND_CATEGORY, KIND_GIVEN, KIND_HASHED, N_KINDS } InputSort;
typedef struct { char name[16]; InputSort sort; int missing, scale, buckets, seed, values; bool clipped, needed; } RandomInput;
typedef struct { char name[16]; int width, act, from; bool deep; } RandomLayer;      // from: the layer before, −1: the inputs
typedef struct { char name[16]; int layer, loss; double weight; } RandomTask;
typedef struct {
  RandomInput in[MOST]; int n_in;
  RandomLayer layer[MOST]; int n_layers;
  RandomTask task[MOST]; int n_tasks;
  int batch, epochs, seed, rate;
} RandomSpec;
typedef struct { uint64_t state; } Dice;

static int roll(Dice *d, int n) {
  d->state += 0x9E3779B97F4A7C15u;
  return (int)(mix64(d->state) % (uint64_t)n);
}

static const char *const acts[] = {"relu", "tanh", "sigmoid", "softplus"}, *const scales[] = {"none", "zscore", "minmax"},
                  *const missings[] = {"mean", "median", "0"}, *const rates[] = {"0.001", "0.01", "0.1"};

static RandomInput random_input(Dice *d, int i) {
  RandomInput in = {.sort = (InputSort)roll(d, N_KINDS), .missing = roll(d, 3), .scale = roll(d, 3), .buckets = 5 + roll(d, 4), .seed = roll(d, 2),
                    .values = 2 + roll(d, 3), .clipped = roll(d, 3) == 0, .needed = roll(d, 4) == 0};
  snprintf(in.name, sizeof in.name, "in%d", i);
  return in;
}

static RandomLayer random_layer(Dice *d, int i) {
  RandomLayer l = {.width = 2 + roll(d, 3), .act = roll(d, 4), .from = i ? roll(d, i + 1) - 1 : -1, .deep = roll(d, 4) == 0};
  snprintf(l.name, sizeof l.name, "h%d", i);
  return l;
}

static RandomTask random_task(Dice *d, int i, int n_layers) {
  RandomTask t = {.layer = roll(d, n_layers), .loss = roll(d, 2), .weight = 1 + roll(d, 3)};
  snprintf(t.name, sizeof t.name, "k%d", i);
  return t;
}

static RandomSpec random_spec(Dice *d) {
  RandomSpec s = {.n_in = 1 + roll(d, 4), .n_layers = 1 + roll(d, 3), .n_tasks = 1 + roll(d, 3), .batch = 32, .epochs = 2, .seed = roll(d, 9), .rate = roll(d, 3)};
  for (int i = 0; i < s.n_in; i++) s.in[i] = random_input(d, i);
  for (int i = 0; i < s.n_layers; i++) s.layer[i] = random_layer(d, i);
  for (int i = 0; i < s.n_tasks; i++) s.task[i] = random_task(d, i, s.n_layers);
  return s;
}

// ---------------------------------------------------------------- as text: plain, or dressed in what must not count
typedef struct { Dice dice; bool dressed; Text out; } Writer_;

static void space(Writer_ *w) {
  static const char *const gaps[] = {" ", "  ", " "};
  text_add(&w->out, w->dressed ? gaps[roll(&w->dice, 3)] : " ");
}

static void end_line(Writer_ *w) {
  static const char *const ends[] = {"\n", "  # why\n", "\n\n# a line\n", "\n"};
  text_add(&w->out, w->dressed ? ends[roll(&w->dice, 4)] : "\n");
}

static bool says_default(Writer_ *w) { return w->dressed && roll(&w->dice, 2); }

static void write_random_input(Writer_ *w, const RandomInput *in) {
  static const char *const types[] = {"real", "vector(2)", "category", "category", "id"};
  text_printf(&w->out, "input %s :", in->name);
  space(w);
  text_add(&w->out, types[in->sort]);
  if (says_default(w) && in->sort == KIND_REAL) text_printf(&w->out, " = data.%s", in->name);
  text_add(&w->out, " {");
  space(w);
  if (in->sort <= KIND_WIDE) {
    text_printf(&w->out, "scale = %s", scales[in->scale]);
    if (in->clipped) text_add(&w->out, w->dressed ? ", clip = 0..1e2" : ", clip = 0..100");
    if (!in->needed) text_printf(&w->out, ", missing = %s", missings[in->missing]);
    else if (says_default(w)) text_add(&w->out, ", missing = error");
  } else {
    if (in->sort == KIND_HASHED) text_printf(&w->out, "buckets = %d, seed = %d, ", in->buckets, in->seed);
    if (in->sort == KIND_GIVEN) {
      text_add(&w->out, "vocab = [");
      for (int i = 0; i < in->values; i++) {                 // dressed: backwards
        if (i) text_add(&w->out, ", ");
        text_printf(&w->out, "\"v%d\"", w->dressed ? in->values - 1 - i : i);
      }
      text_add(&w->out, "], ");
    }
    if (in->sort == KIND_CATEGORY && says_default(w)) text_add(&w->out, "min_count = 1, unseen = own, ");
    text_printf(&w->out, "missing = %s", in->needed ? "error" : "own");
  }
  text_add(&w->out, " }");
  end_line(w);
}

static void write_all_inputs(Writer_ *w, const RandomSpec *s) {
  text_add(&w->out, "let all = concat(");
  for (int i = 0; i < s->n_in; i++) {
    if (i) text_add(&w->out, ", ");
    bool table = s->in[i].sort > KIND_WIDE;
    text_printf(&w->out, table ? "embed(%s, 2)" : "%s", s->in[i].name);
  }
  text_char(&w->out, ')');
  end_line(w);
}

static void write_random_layer(Writer_ *w, const RandomSpec *s, int i) {
  const RandomLayer *l = &s->layer[i];
  const char *from = l->from < 0 ? "all" : s->layer[l->from].name;
  if (w->dressed && roll(&w->dice, 3) == 0) {                // a local name, or a layer that only passes on
    text_printf(&w->out, "let spare%d = %s\n", i, from);
    text_printf(&w->out, "let %s = spare%d", l->name, i);
  } else text_printf(&w->out, "let %s = %s", l->name, from);
  if (l->deep) text_printf(&w->out, " |> dense(3, %s) as under", acts[(l->act + 1) % 4]);
  text_printf(&w->out, says_default(w) ? " |> dense(width = %d, act = %s)" : " |> dense(%d, %s)", l->width, acts[l->act]);
  end_line(w);
}

static void write_random_task(Writer_ *w, const RandomSpec *s, int i) {
  const RandomTask *t = &s->task[i];
  text_printf(&w->out, "task %s {", t->name);
  space(w);
  text_printf(&w->out, "head = %s |> dense(1)%s, loss = %s(%s)", s->layer[t->layer].name, t->loss ? "" : " |> sigmoid", t->loss ? "mse" : "bce",
              t->loss ? "spent" : "click");
  if (t->weight != 1 || says_default(w)) text_printf(&w->out, w->dressed ? ", weight = %.1f" : ", weight = %g", t->weight);
  text_add(&w->out, " }");
  end_line(w);
}

// Declarations in an order of their own where dressed.
static char *spec_text(const RandomSpec *s, bool dressed, uint64_t seed) {
  Writer_ w = {.dice = {seed}, .dressed = dressed};
  int parts = s->n_in + 1 + s->n_layers + s->n_tasks + 2, order[64];
  text_add(&w.out, "model random\nedition 2026\n");
  for (int i = 0; i < parts; i++) order[i] = i;
  for (int i = parts - 1; dressed && i > 0; i--) {
    int k = roll(&w.dice, i + 1), t = order[i];
    order[i] = order[k], order[k] = t;
  }
  for (int p = 0; p < parts; p++) {
    int i = order[p];
    if (i < s->n_in) write_random_input(&w, &s->in[i]);
    else if ((i -= s->n_in) == 0) write_all_inputs(&w, s);
    else if (--i < s->n_layers) write_random_layer(&w, s, i);
    else if ((i -= s->n_layers) < s->n_tasks) write_random_task(&w, s, i);
    else if ((i -= s->n_tasks) == 0) text_add(&w.out, "label click : binary\nlabel spent : real\n");
    else {
      text_printf(&w.out, "train { batch = %d, epochs = %d, seed = %d, optimizer = adam(%s)", s->batch, s->epochs, s->seed, rates[s->rate]);
      if (says_default(&w)) text_add(&w.out, ", shuffle = true, balance = static");
      text_add(&w.out, " }\n");
    }
  }
  return w.out.data;
}

// ---------------------------------------------------------------- models
typedef struct { Canon *canon; Graph *g; Model *m; } Opened;

static Opened open_text(Arena *a, const char *text) {
  Sources *src = sources_new(a);
  Diag *d = diag_new(a, src);
  Opened o = {0};
  o.m = resolve(a, src, parse(a, src, source_add(src, "spec.mtl", text, strlen(text)), d), "spec.mtl", SOURCE_TOP "/specs/std", d);
  if (o.m) {
    PrepState *p = NEW(a, PrepState);
    p->vocab = NEW_ARRAY(a, Vocabulary, o.m->data.n_ids + 1);
    for (int i = 0; i < o.m->data.n_ids; i++) p->vocab[i].n = VOCABULARY - 1;
    model_bind(o.m, p);
    o.g = build(o.m, F64, d);
  }
  if (!o.g || diag_errors(d)) fail_msg("%s\n%s", diag_text(d, a), text);
  o.canon = canon_of(o.m, o.g, NULL, d);
  assert_non_null(o.canon);
  return o;
}

static Hashes hashes_of(const char *text) {
  Arena *a = arena_new();
  Hashes h;
  canon_hash(open_text(a, text).canon, &h);
  arena_free(a);
  return h;
}

static char *formatted(const char *text) {
  Arena *a = arena_new();
  Sources *s = sources_new(a);
  Text t = {0};
  assert_true(format_source(a, s, source_add(s, "spec.mtl", text, strlen(text)), diag_new(a, s), &t));
  arena_free(a);
  return t.data;
}

static int how_many(void) { return getenv("MTLC_FUZZ") ? atoi(getenv("MTLC_FUZZ")) : 300; }

static void test_looks_do_not_count(void **state) {
  (void)state;
  for (int i = 0; i < how_many(); i++) {
    Dice d = {(uint64_t)i + 1};
    RandomSpec s = random_spec(&d);
    char *plain = spec_text(&s, false, 0), *dressed = spec_text(&s, true, (uint64_t)i * 7 + 3), *styled = formatted(dressed);
    Hashes x = hashes_of(plain), y = hashes_of(dressed), z = hashes_of(styled);
    for (int k = 0; k < N_SCOPES; k++) {
      if (strcmp(x.text[k], y.text[k])) fail_msg("%d, %s:\n%s\n---\n%s", i, scope_names[k], plain, dressed);
      if (strcmp(y.text[k], z.text[k])) fail_msg("%d, %s, fmt:\n%s\n---\n%s", i, scope_names[k], dressed, styled);
    }
    free(plain), free(dressed), free(styled);
  }
}

// ---------------------------------------------------------------- what loading really does
// Any value by name: the same in both models.
static double value_of(const char *name, int64_t at, int row) {
  uint64_t h = mix64(hash_bytes(name, strlen(name), (uint64_t)row * 977 + 5) + (uint64_t)at);
  return (double)(h >> 11) * 0x1p-53 * 2 - 1;
}

static int64_t slot_elements(const Graph *g, const Slot *s) {
  int64_t n = 1;
  for (int i = 0; i < s->rank; i++) n *= g->axes.data[s->axis[i]].size;
  return n;
}

static bool same_slot(const Graph *g, const Slot *s, const Graph *h, const Slot *t) {
  if (s->rank != t->rank || s->dtype != t->dtype) return false;
  for (int i = 0; i < s->rank; i++)
    if (g->axes.data[s->axis[i]].size != h->axes.data[t->axis[i]].size) return false;
  return true;
}

static const Slot *slot_named(const Graph *g, const char *path) {
  for (int i = 0; i < g->slots.n; i++)
    if (!strcmp(g->slots.data[i].path, path)) return &g->slots.data[i];
  return NULL;
}

static InterpInput rows_of(const Opened *o, Arena *a) {
  const DataPlan *p = &o->m->data;
  double *dense = NEW_ARRAY(a, double, ROWS * (p->dense_width + 1)), **slots = NEW_ARRAY(a, double *, o->g->slots.n + 1);
  uint32_t *ids = NEW_ARRAY(a, uint32_t, ROWS * (p->n_ids + 1));
  for (int r = 0; r < ROWS; r++)
    for (int i = 0; i < p->n_inputs; i++) {
      const DataInput *in = &p->inputs[i];
      for (int k = 0; in->dense_at >= 0 && k < in->width; k++) dense[r * p->dense_width + in->dense_at + k] = value_of(in->name, k, r);
      if (in->id_at >= 0) ids[r * p->n_ids + in->id_at] = (uint32_t)(mix64((uint64_t)r + hash_bytes(in->name, strlen(in->name), 1)) % 3);
    }
  for (int i = 0; i < o->g->slots.n; i++) {
    const Slot *s = &o->g->slots.data[i];
    int64_t n = slot_elements(o->g, s);
    slots[i] = NEW_ARRAY(a, double, n + 1);
    for (int64_t k = 0; k < n; k++) slots[i][k] = value_of(s->path, k, -1);
  }
  return (InterpInput){.n = ROWS, .dense = dense, .ids = ids, .dense_width = p->dense_width, .n_ids = p->n_ids, .slots = slots};
}

static NodeId head_of(const Opened *o, const char *task) {
  char name[64];
  snprintf(name, sizeof name, "head:%s", task);
  for (int i = 0; i < o->g->roots.n; i++)
    if (!strcmp(o->g->roots.data[i].name, name)) return o->g->roots.data[i].value;
  return 0;
}

typedef struct { bool fits, same, required, gone; } Truth;
// fits: of the tasks that both have, every tensor is loaded. same: and they say the same of the same rows. required: the new model needs
// an input, or refuses a cell, that the old one did without. gone: an input or a task of the old one is not there.
static bool of_task(const Opened *o, const char *path) {
  for (int i = 0; i < o->m->n_tasks; i++) {
    size_t n = strlen(o->m->tasks[i].name);
    if (!strncmp(path, o->m->tasks[i].name, n) && path[n] == '.') return true;
  }
  return false;
}

static bool all_loaded(const Opened *from, const Opened *to) {
  for (int i = 0; i < from->g->slots.n; i++) {
    const Slot *s = &from->g->slots.data[i], *t = slot_named(to->g, s->path);
    if (t ? !same_slot(from->g, s, to->g, t) : !of_task(from, s->path)) return false;
  }
  for (int i = 0; i < to->g->slots.n; i++)
    if (!slot_named(from->g, to->g->slots.data[i].path) && !of_task(to, to->g->slots.data[i].path)) return false;
  return true;
}

static Truth truth_of(const Opened *x, const Opened *y, Arena *a) {
  Truth t = {.fits = all_loaded(x, y), .same = true};
  InterpInput rx = rows_of(x, a), ry = rows_of(y, a);
  for (int i = 0; i < x->m->n_tasks; i++) {
    NodeId p = head_of(x, x->m->tasks[i].name), q = head_of(y, x->m->tasks[i].name);
    if (!q) t.gone = true;
    if (!q || !t.fits) continue;
    const double *u = interp(x->g, p, &rx, a), *v = interp(y->g, q, &ry, a);
    for (int r = 0; r < ROWS; r++) t.same &= u[r] == v[r];
  }
  for (int i = 0; i < y->m->data.n_inputs; i++) {
    const DataInput *in = &y->m->data.inputs[i], *was = NULL;
    for (int k = 0; k < x->m->data.n_inputs; k++)
      if (!strcmp(x->m->data.inputs[k].name, in->name)) was = &x->m->data.inputs[k];
    t.required |= in->prep.missing == MISSING_ERROR && !(was && was->prep.missing == MISSING_ERROR);
  }
  for (int k = 0; k < x->m->data.n_inputs; k++) {
    bool there = false;
    for (int i = 0; i < y->m->data.n_inputs; i++) there |= !strcmp(x->m->data.inputs[k].name, y->m->data.inputs[i].name);
    t.gone |= !there;
  }
  return t;
}

// ---------------------------------------------------------------- edits
static void edit_input(RandomSpec *s, Dice *d) {
  RandomInput *in = &s->in[roll(d, s->n_in)];
  switch (roll(d, 6)) {
  case 0: in->scale = roll(d, 3); break;
  case 1: in->buckets = 5 + roll(d, 4); break;
  case 2: in->seed = roll(d, 2); break;
  case 3: in->values = 2 + roll(d, 3); break;
  case 4: in->needed = !in->needed; break;
  case 5: in->missing = roll(d, 3); break;
  }
}

static void remove_input(RandomSpec *s, Dice *d) {
  if (s->n_in < 2) return;
  int k = roll(d, s->n_in--);
  memmove(&s->in[k], &s->in[k + 1], sizeof s->in[0] * (size_t)(s->n_in - k));
}

static void add_input(RandomSpec *s, Dice *d) {
  if (s->n_in < MOST) s->in[s->n_in] = random_input(d, s->n_in + 20), s->n_in++;
}

static void edit_layer(RandomSpec *s, Dice *d) {
  int i = roll(d, s->n_layers);
  RandomLayer *l = &s->layer[i];
  switch (roll(d, 4)) {
  case 0: l->width = 2 + roll(d, 3); break;
  case 1: l->act = roll(d, 4); break;
  case 2: l->deep = !l->deep; break;
  case 3: snprintf(l->name, sizeof l->name, "g%d_%d", i, roll(d, 9)); break;
  }
}

static void edit_task(RandomSpec *s, Dice *d) {
  int k = roll(d, s->n_tasks);
  switch (roll(d, 5)) {
  case 0: s->task[k].weight = 1 + roll(d, 3); break;
  case 1: s->task[k].layer = roll(d, s->n_layers); break;
  case 2: s->task[k].loss = roll(d, 2); break;
  case 3: if (s->n_tasks < MOST) s->task[s->n_tasks] = random_task(d, s->n_tasks + 20, s->n_layers), s->n_tasks++; break;
  case 4: if (s->n_tasks > 1) s->task[k] = s->task[--s->n_tasks]; break;
  }
}

static void edit_train(RandomSpec *s, Dice *d) {
  if (roll(d, 2)) s->batch = 32 << roll(d, 2);
  else s->rate = roll(d, 3);
}

static void edit(RandomSpec *s, Dice *d) {
  void (*const edits[])(RandomSpec *, Dice *) = {edit_input, edit_layer, edit_task, edit_train, add_input, remove_input, edit_layer, edit_task};
  for (int n = 1 + roll(d, 2); n > 0; n--) edits[roll(d, COUNT_OF(edits))](s, d);
}

static bool has(const Diff *d, const char *const *ids) {
  for (int i = 0; i < d->all.n; i++)
    for (int k = 0; ids[k]; k++)
      if (!strncmp(rule_rows[d->all.data[i].rule].id, ids[k], strlen(ids[k]))) return true;
  return false;
}

static const char *disagreement(const Diff *d, const Truth *t) {
  static const char *const shapes[] = {"LAYER_SAME_SHAPE", "LAYER_NO_DELETE", "LAYER_ADDED", "VOCAB_APPEND", NULL};
  static const char *const computed[] = {"LAYER_SAME_", "INPUT_", "OUTPUT_", "LAYER_", "VOCAB_", NULL};
  static const char *const required[] = {"INPUT_NO_ADD_REQUIRED", "INPUT_SAME_TYPE", NULL}, *const gone[] = {"INPUT_NO_DELETE", "OUTPUT_NO_DELETE", NULL};
  static const char *const functions[] = {"LAYER_SAME_ACTIVATION", "LAYER_SAME_COMPUTATION", NULL};
  if (t->fits == has(d, shapes)) return t->fits ? "every tensor loads, and a shape is said to differ" : "a tensor does not load, and no rule says so";
  if (t->fits && !t->same && !has(d, computed)) return "predictions differ, and no rule says so";
  if (t->fits && t->same && has(d, functions)) return "predictions are the same, and another computation is reported";
  if (t->required != has(d, required)) return t->required ? "rows are refused, and no rule says so" : "no row is refused, and a rule says so";
  if (t->gone != has(d, gone)) return t->gone ? "something is gone, and no rule says so" : "nothing is gone, and a rule says so";
  return NULL;
}

static void test_edits_do_what_diff_says(void **state) {
  int differ = 0, fit = 0;
  (void)state;
  for (int i = 0; i < how_many(); i++) {
    Dice d = {(uint64_t)i * 31 + 17};
    RandomSpec s = random_spec(&d), e = s;
    edit(&e, &d);
    char *old = spec_text(&s, false, 0), *new = spec_text(&e, roll(&d, 2), (uint64_t)i);
    Arena *a = arena_new();
    Opened x = open_text(a, old), y = open_text(a, new);
    const Diff *f = diff_of(a, x.canon, y.canon);
    Truth t = truth_of(&x, &y, a);
    const char *why = disagreement(f, &t);
    Hashes hx, hy;
    canon_hash(x.canon, &hx), canon_hash(y.canon, &hy);
    if ((f->all.n == 0) != !strcmp(hx.text[SCOPE_SPEC], hy.text[SCOPE_SPEC])) why = "the hash of the spec and the findings disagree";
    if (why) {
      Text all = {0};
      report_diffs(&(DiffReport){"old", "new", f, CATEGORY_CONTRACT}, 1, false, FORMAT_TEXT, false, &all);
      fail_msg("%d: %s\n%s---\n%s---\n%s", i, why, old, new, all.data);
    }
    differ += !t.same, fit += t.fits;
    arena_free(a);
    free(old), free(new);
  }
  assert_true(fit > how_many() / 4 && fit < how_many());     // both happen
  assert_true(differ > how_many() / 50);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_looks_do_not_count), cmocka_unit_test(test_edits_do_what_diff_says)};
  return cmocka_run_group_tests_name("version, random", tests, NULL, NULL);
}
