// diff.c: two canonical forms → findings. Entries are paired by kind and name, fields by key; changes.def says which rule a field
// falls under, the functions here what needs judgement: what was narrowed, which values a vocabulary lost, which layers came and
// went, where the computation itself parts.
#include <math.h>
#include "diff.h"

const char *const category_names[N_CATEGORIES] = {"contract", "weights", "training", "note"};
const char *const serving_names[] = {"ok", "break"};
const char *const warm_names[] = {"full", "remap by key", "full, the optimizer begins anew", "loads, with a warning", "all but the new part",
                                  "all but this input's", "partial"};
const char *const training_names[] = {"no", "optional", "advised", "that task", "again"};

const RuleRow rule_rows[N_RULES] = {
#define RULE(id, category, serving, warm, training, breaks, instead) \
  {#id, CATEGORY_##category, SERVING_##serving, REUSE_##warm, TRAINING_##training, breaks, instead},
#include "rules.def"
#undef RULE
};

static const struct { const char *kind, *field; RuleId rule; } changes[] = {
#define CHANGED(kind, field, rule) {kind, field, RULE_##rule},
#include "changes.def"
#undef CHANGED
};

typedef struct {
  Diff *out; Arena *arena;
  const Canon *before, *after;
  bool computation_explained;          // inputs, layers or shapes changed: other computation follows from that
} Comparison;

static bool is(const char *a, const char *b) { return !strcmp(a, b); }

static int order(const Entry *a, const Entry *b) {
  int kinds = strcmp(a->kind, b->kind);
  return kinds ? kinds : strcmp(a->name, b->name);
}

// ---------------------------------------------------------------- findings
static Place model_place(const Canon *c) {
  const Entry *e = canon_find(c, "clause", "model");
  return e ? e->at : (Place){0};
}

PRINTF_LIKE(6, 7) static Finding *add(Comparison *c, RuleId rule, const Entry *x, const Entry *y, const Field *f, const char *fmt, ...) {
  const Entry *e = y ? y : x;
  Finding found = {.rule = rule, .kind = e->kind, .name = e->name, .field = f ? f->key : NULL, .warm = rule_rows[rule].warm};
  const Field *fx = f ? entry_field(x, f->key) : NULL, *fy = f ? entry_field(y, f->key) : NULL;
  va_list ap;
  va_start(ap, fmt);
  found.text = arena_vprintf(c->arena, fmt, ap);
  va_end(ap);
  found.before = fx ? fx->at : x ? x->at : (Place){0};
  found.after = fy ? fy->at : y ? y->at : (Place){0};
  if (x && !found.before.file) found.before = model_place(c->before);
  if (!found.after.file) found.after = model_place(c->after);
  vec_push(c->arena, &c->out->all, found);
  return &c->out->all.data[c->out->all.n - 1];
}

static const char *value_or(const Field *f, const char *otherwise) { return f ? f->value : otherwise; }

// "`age`", "task `ctr`": what a person calls it.
static const char *title(const Comparison *c, const Entry *e) {
  if (is(e->kind, "clause")) return arena_printf(c->arena, "%s", e->name);
  return arena_printf(c->arena, "%s `%s`", e->kind, e->name);
}

static RuleId rule_of(const Entry *e, const Field *f) {
  static const RuleId others[] = {[SCOPE_CONTRACT] = RULE_OTHER_CONTRACT, [SCOPE_WEIGHTS] = RULE_OTHER_WEIGHTS,
                                  [SCOPE_TRAIN] = RULE_OTHER_TRAINING, [SCOPE_SPEC] = RULE_OTHER};
  for (int i = 0; i < COUNT_OF(changes); i++)
    if (is(changes[i].kind, e->kind) && is(changes[i].field, f->key)) return changes[i].rule;
  return is(e->kind, "task") && !strncmp(f->key, "term ", 5) ? RULE_LOSS_CHANGED : others[f->scope];
}

// ---------------------------------------------------------------- fields that need judgement
// What happens where nothing is sent, from the most that is accepted to the least.
static int strictness(const char *missing) { return is(missing, "allowed") ? 0 : is(missing, "drop") ? 1 : 2; }

static void judge_missing(Comparison *c, const Entry *x, const Entry *y, const Field *fx, const Field *fy) {
  bool narrowed = strictness(fy->value) > strictness(fx->value);
  add(c, narrowed ? RULE_INPUT_SAME_TYPE : RULE_INPUT_WIDENED, x, y, fy, "%s: a missing value: %s → %s", title(c, y), fx->value, fy->value);
}

static void judge_unseen(Comparison *c, const Entry *x, const Entry *y, const Field *fx, const Field *fy) {
  const char *from = value_or(fx, "own"), *to = value_or(fy, "own");
  if (is(from, to)) return;
  add(c, is(to, "error") ? RULE_INPUT_SAME_TYPE : RULE_INPUT_WIDENED, x, y, fy ? fy : fx, "%s: an unseen value: %s → %s", title(c, y), from, to);
}

typedef VEC(const char *) Words;

static Words quoted_words(Arena *a, const char *list) {      // ["a", "b"]: as they are written, in order
  Words w = {0};
  for (const char *s = list; (s = strchr(s, '"'));) {
    const char *end = ++s;
    while (*end && *end != '"') end += *end == '\\' && end[1] ? 2 : 1;
    const char *word = arena_strndup(a, s, (size_t)(end - s));
    vec_push(a, &w, word);
    s = *end ? end + 1 : end;
  }
  return w;
}

static const char *words_text(Arena *a, const Words *w) {
  enum { MOST = 5 };
  Text t = {0};
  for (int i = 0; i < w->n && i < MOST; i++) text_printf(&t, "%s\"%s\"", i ? ", " : "", w->data[i]);
  if (w->n > MOST) text_printf(&t, " and %d more", w->n - MOST);
  const char *s = arena_strdup(a, t.data ? t.data : "");
  text_free(&t);
  return s;
}

static void without(Arena *a, const Words *all, const Words *less, Words *out) {   // both sorted
  for (int i = 0, k = 0; i < all->n; i++) {
    while (k < less->n && strcmp(less->data[k], all->data[i]) < 0) k++;
    if (k == less->n || strcmp(less->data[k], all->data[i])) vec_push(a, out, all->data[i]);
  }
}

static void judge_vocab(Comparison *c, const Entry *x, const Entry *y, const Field *fx, const Field *fy) {
  bool given = fx && fy && fx->value[0] == '[' && fy->value[0] == '[';
  if (!given) {
    add(c, RULE_INPUT_SAME_TRANSFORM, x, y, fy ? fy : fx, "%s: vocabulary %s → %s", title(c, y), value_or(fx, "none"), value_or(fy, "none"));
    return;
  }
  Words from = quoted_words(c->arena, fx->value), to = quoted_words(c->arena, fy->value), gone = {0}, come = {0};
  without(c->arena, &from, &to, &gone);
  without(c->arena, &to, &from, &come);
  if (gone.n) add(c, RULE_VOCAB_APPEND_ONLY, x, y, fy, "%s: its vocabulary loses %s", title(c, y), words_text(c->arena, &gone));
  if (come.n) add(c, RULE_VOCAB_APPENDED, x, y, fy, "%s: its vocabulary gains %s", title(c, y), words_text(c->arena, &come));
}

// What stands for a missing value follows from whether one is allowed; that is told already.
static void judge_filled(Comparison *c, const Entry *x, const Entry *y, const Field *fx, const Field *fy) {
  const Field *mx = entry_field(x, "missing"), *my = entry_field(y, "missing"), *f = fy ? fy : fx;
  if (!mx || !my || !is(mx->value, my->value)) return;
  add(c, RULE_INPUT_SAME_TRANSFORM, x, y, f, "%s: a missing value becomes %s → %s", title(c, y), value_or(fx, "another number"),
      value_or(fy, "another number"));
}

static void judge_bound(Comparison *c, const Entry *x, const Entry *y, const Field *fx, const Field *fy) {
  double from = strtod(fx->value, NULL), to = strtod(fy->value, NULL);
  bool least = y->name[strcspn(y->name, "<>")] == '>';
  add(c, (to < from) == least ? RULE_REQUIRE_LOOSENED : RULE_REQUIRE_TIGHTENED, x, y, fy, "`require %s`: %s → %s", y->name, fx->value,
      fy->value);
}

static void judge_optimizer(Comparison *c, const Entry *x, const Entry *y, const Field *fx, const Field *fy) {
  size_t n = strcspn(fx->value, "("), m = strcspn(fy->value, "(");
  Finding *f = add(c, RULE_OPTIMIZER_CHANGED, x, y, fy, "train: optimizer %s → %s", fx->value, fy->value);
  if (n != m || strncmp(fx->value, fy->value, n)) f->warm = REUSE_RESET;
}

typedef void Judge(Comparison *c, const Entry *x, const Entry *y, const Field *fx, const Field *fy);
static const struct { const char *kind, *field; bool both; Judge *judge; } judges[] = {     // both: only where both have the field
  {"input", "missing", true, judge_missing}, {"input", "unseen", false, judge_unseen}, {"input", "vocab", false, judge_vocab},
  {"input", "filled", false, judge_filled},  {"input", "default", false, judge_filled},
  {"require", "bound", true, judge_bound},   {"clause", "optimizer", true, judge_optimizer}};

// "FROM → TO"; of long ones the words around what differs.
static const char *change_text(Arena *a, const char *from, const char *to) {
  enum { LONG = 40 };
  size_t n = strlen(from), m = strlen(to), head = 0, tail = 0, cut = 0;
  if (n + m < 2 * LONG) return arena_printf(a, "%s → %s", from, to);
  while (from[head] && from[head] == to[head]) head++;
  while (tail < n - head && tail < m - head && from[n - 1 - tail] == to[m - 1 - tail]) tail++;
  for (size_t i = 0; i < head; i++)                          // a word begins behind a blank or a bracket
    if (from[i] == ',' || from[i] == '(' || from[i] == '[') cut = i + 1;
  while (tail && from[n - tail] != ',' && from[n - tail] != ')' && from[n - tail] != ']') tail--;
  while (from[cut] == ' ' && cut < head) cut++;
  const char *before = cut ? "… " : "", *after = tail ? " …" : "", *none = "nothing";
  const char *old = n - tail > cut ? arena_printf(a, "%s%.*s%s", before, (int)(n - tail - cut), from + cut, after) : none;
  const char *new = m - tail > cut ? arena_printf(a, "%s%.*s%s", before, (int)(m - tail - cut), to + cut, after) : none;
  return arena_printf(a, "%s → %s", old, new);
}

static bool is_told(const Comparison *c, RuleId rule) {
  for (int i = 0; i < c->out->all.n; i++)
    if (c->out->all.data[i].rule == rule) return true;
  return false;
}

static void compare_field(Comparison *c, const Entry *x, const Entry *y, const Field *fx, const Field *fy) {
  const Field *f = fy ? fy : fx;
  if (fx && fy && is(fx->value, fy->value)) return;
  if (rule_of(y, f) == RULE_LAYER_RENAMED && is_told(c, RULE_LAYER_RENAMED)) return;
  for (int i = 0; i < COUNT_OF(judges); i++)
    if (is(judges[i].kind, y->kind) && is(judges[i].field, f->key) && ((fx && fy) || !judges[i].both)) {
      judges[i].judge(c, x, y, fx, fy);
      return;
    }
  bool value = is(f->key, "penalty") || !strncmp(f->key, "term ", 5);      // hashes say nothing to people
  if (value) add(c, rule_of(y, f), x, y, f, "%s: %s %s", title(c, y), f->key, !fx ? "is new" : !fy ? "is gone" : "is another value");
  else add(c, rule_of(y, f), x, y, f, "%s: %s %s", title(c, y), f->key, change_text(c->arena, value_or(fx, "none"), value_or(fy, "none")));
}

// ---------------------------------------------------------------- entries that both have
static bool same_field(const Entry *x, const Entry *y, const char *key) {
  const Field *a = entry_field(x, key), *b = entry_field(y, key);
  return a && b ? is(a->value, b->value) : a == b;
}

static bool same_fields(const Entry *x, const Entry *y) {
  if (x->fields.n != y->fields.n) return false;
  for (int i = 0; i < x->fields.n; i++)
    if (!is(x->fields.data[i].key, y->fields.data[i].key) || !is(x->fields.data[i].value, y->fields.data[i].value)) return false;
  return true;
}

static void compare_fields(Comparison *c, const Entry *x, const Entry *y) {
  if (is(x->kind, "input") && !same_field(x, y, "type")) {      // of another type, all else differs
    compare_field(c, x, y, entry_field(x, "type"), entry_field(y, "type"));
    return;
  }
  for (int i = 0; i < x->fields.n; i++) compare_field(c, x, y, &x->fields.data[i], entry_field(y, x->fields.data[i].key));
  for (int i = 0; i < y->fields.n; i++)
    if (!entry_field(x, y->fields.data[i].key)) compare_field(c, x, y, NULL, &y->fields.data[i]);
}

// ---------------------------------------------------------------- layers: parameters by the path above them
static bool is_slot(const Entry *e) { return is(e->kind, "parameter") || is(e->kind, "state"); }

static size_t layer_length(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot ? (size_t)(dot - path) : strlen(path);
}

static bool same_layer(const char *a, const char *b) {
  size_t n = layer_length(a);
  return n == layer_length(b) && !strncmp(a, b, n);
}

static const char *last_name(const char *path) {
  const char *dot = strrchr(path, '.');
  return dot ? dot + 1 : path;
}

// Does a parameter belong to a task or output that the other model lacks? Then that says it all.
static bool of_one_sided(const Canon *own, const Canon *other, const char *path) {
  const char *name = arena_strndup(own->arena, path, strcspn(path, ".["));
  return canon_find(own, "output", name) && !canon_find(other, "output", name);
}

// Parameters of one layer with the same fate are one finding: parts "w [30, 64], b [64]".

static const char *slot_part(const Comparison *c, const Entry *x, const Entry *y, const char *key) {
  const Entry *e = y ? y : x;
  const Field *fx = entry_field(x, key), *fy = entry_field(y, key);
  if (x && y) return arena_printf(c->arena, "%s %s → %s", last_name(e->name), value_or(fx, "false"), value_or(fy, "false"));
  return arena_printf(c->arena, "%s %s", last_name(e->name), value_or(fx ? fx : fy, ""));
}

static void add_slot(Comparison *c, RuleId rule, const Entry *x, const Entry *y, const char *key, const char *verb) {
  const Entry *e = y ? y : x;
  const char *part = slot_part(c, x, y, key);
  for (int i = c->out->all.n - 1; i >= 0; i--) {
    Finding *f = &c->out->all.data[i];
    if (f->rule != rule || !is(f->field ? f->field : "", key) || !same_layer(f->name, e->name)) continue;
    f->text = arena_printf(c->arena, "%s, %s", f->text, part);
    return;
  }
  const Field *field = entry_field(e, key);
  add(c, rule, x, y, field, "layer `%.*s`%s: %s", (int)layer_length(e->name), e->name, verb, part);
}

// Another number of rows alone, of a table whose vocabulary is given and changed: rows are found by their keys.
static bool is_remapped(const Comparison *c, const Entry *x, const Entry *y) {
  const char *from = entry_field(x, "shape")->value, *to = entry_field(y, "shape")->value;
  if (!is(from + strcspn(from, ","), to + strcspn(to, ","))) return false;
  const DataInput *in = table_owner(c->after->m, c->after->g, y->name);
  const Entry *before = in ? canon_find(c->before, "input", in->name) : NULL, *after = in ? canon_find(c->after, "input", in->name) : NULL;
  const Field *fx = before ? entry_field(before, "vocab") : NULL, *fy = after ? entry_field(after, "vocab") : NULL;
  return fx && fy && fx->value[0] == '[' && fy->value[0] == '[' && !is(fx->value, fy->value);
}

static void compare_slot_field(Comparison *c, const Entry *x, const Entry *y, const Field *f) {
  bool shape = is(f->key, "shape") || is(f->key, "dtype");
  c->computation_explained |= shape;
  if (is(f->key, "shape") && is_remapped(c, x, y)) return;
  add_slot(c, rule_of(y, f), x, y, f->key, shape ? "" : arena_printf(c->arena, " %s", f->key));
}

static void compare_slots(Comparison *c, const Entry *x, const Entry *y) {
  for (int i = 0; i < x->fields.n; i++)
    if (!same_field(x, y, x->fields.data[i].key)) compare_slot_field(c, x, y, &x->fields.data[i]);
  for (int i = 0; i < y->fields.n; i++)
    if (!entry_field(x, y->fields.data[i].key)) compare_slot_field(c, x, y, &y->fields.data[i]);
}

// ---------------------------------------------------------------- entries that one has
static void removed(Comparison *c, const Entry *x) {
  if (is(x->kind, "input")) {
    c->computation_explained = true;
    add(c, RULE_INPUT_NO_DELETE, x, NULL, NULL, "%s is gone", title(c, x));
  } else if (is(x->kind, "output")) add(c, RULE_OUTPUT_NO_DELETE, x, NULL, NULL, "%s is gone", title(c, x));
  else if (is(x->kind, "source")) add(c, RULE_SOURCE_NO_DELETE, x, NULL, NULL, "%s is gone", title(c, x));
  else if (is(x->kind, "task")) {
    if (canon_find(c->after, "output", x->name)) add(c, RULE_TASK_REMOVED, x, NULL, NULL, "%s is an output alone", title(c, x));
  } else if (is_slot(x)) {
    c->computation_explained |= !of_one_sided(c->before, c->after, x->name);
    if (!of_one_sided(c->before, c->after, x->name)) add_slot(c, RULE_LAYER_NO_DELETE, x, NULL, "shape", " is gone");
  } else if (is(x->kind, "require")) add(c, RULE_REQUIRE_LOOSENED, x, NULL, NULL, "`require %s %s` is gone", x->name, value_or(entry_field(x, "bound"), ""));
  else if (!is(x->kind, "structure"))
    for (int i = 0; i < x->fields.n; i++) add(c, rule_of(x, &x->fields.data[i]), x, NULL, &x->fields.data[i], "%s is gone", title(c, x));
}

static void new_input(Comparison *c, const Entry *y) {
  const Field *missing = entry_field(y, "missing");
  bool required = missing && is(missing->value, "error");
  c->computation_explained = true;
  add(c, required ? RULE_INPUT_NO_ADD_REQUIRED : RULE_INPUT_ADDED, NULL, y, NULL, required ? "%s is new, and required" : "%s is new",
      title(c, y));
}

static void added(Comparison *c, const Entry *y) {
  if (is(y->kind, "input")) new_input(c, y);
  else if (is(y->kind, "task")) add(c, RULE_TASK_ADD, NULL, y, NULL, "%s is new", title(c, y));
  else if (is(y->kind, "output")) {
    if (!canon_find(c->after, "task", y->name)) add(c, RULE_OUTPUT_ADDED, NULL, y, NULL, "%s is new", title(c, y));
  } else if (is(y->kind, "source")) add(c, RULE_SOURCE_NO_ADD, NULL, y, NULL, "%s is new", title(c, y));
  else if (is_slot(y)) {
    c->computation_explained |= !of_one_sided(c->after, c->before, y->name);
    if (!of_one_sided(c->after, c->before, y->name)) add_slot(c, RULE_LAYER_ADDED, NULL, y, "shape", " is new");
  } else if (is(y->kind, "require")) add(c, RULE_REQUIRE_TIGHTENED, NULL, y, NULL, "`require %s %s` is new", y->name, value_or(entry_field(y, "bound"), ""));
  else if (!is(y->kind, "structure"))
    for (int i = 0; i < y->fields.n; i++) add(c, rule_of(y, &y->fields.data[i]), NULL, y, &y->fields.data[i], "%s is new", title(c, y));
}

// ---------------------------------------------------------------- `renamed_from`
static const char *renamed(const Comparison *c, const Rename *r, const char *path) {     // NULL: it does not lie under the old name
  size_t n = strlen(r->old);
  bool under = !strncmp(path, r->old, n) && (!path[n] || path[n] == '.' || path[n] == '[');
  return under ? arena_printf(c->arena, "%s%s", r->name, path + n) : NULL;
}

static int by_entry(const void *x, const void *y) { return order(x, y); }

// The old model, its parameters by their new names; a name that the new model has for something else stays.
static void apply_renames(Comparison *c) {
  const Model *m = c->after->m;
  if (!m->n_renames) return;
  Canon *k = NEW(c->arena, Canon);
  *k = *c->before;
  k->entries.data = NEW_ARRAY(c->arena, Entry, k->entries.n + 1);
  memcpy(k->entries.data, c->before->entries.data, sizeof(Entry) * (size_t)k->entries.n);
  for (int r = 0; r < m->n_renames; r++) {
    int n = 0;
    for (int i = 0; i < k->entries.n; i++) {
      Entry *e = &k->entries.data[i];
      const char *now = is_slot(e) && !canon_find(c->after, e->kind, e->name) ? renamed(c, &m->renames[r], e->name) : NULL;
      if (!now || !canon_find(c->after, e->kind, now)) continue;
      e->name = now;
      n++;
    }
    if (!n) continue;
    Entry of = {.kind = "layer", .name = m->renames[r].name, .at = m->renames[r].at};
    add(c, RULE_LAYER_RENAMED, NULL, &of, NULL, "layers of `%s` are now `%s`", m->renames[r].old, m->renames[r].name);
  }
  qsort(k->entries.data, (size_t)k->entries.n, sizeof(Entry), by_entry);
  c->before = k;
}

// ---------------------------------------------------------------- the computation
static const char *place_text(Arena *a, const Canon *c, Place at) {      // what stands there, on one line and not too long
  enum { LONGEST = 48 };
  size_t n = 0;
  const char *s = at.file ? source_text(c->m->sources, at.file, &n) : NULL;
  if (!s || at.off + at.len > n || at.len == 0 || at.len > LONGEST) return NULL;
  for (uint32_t i = 0; i < at.len; i++)
    if (s[at.off + i] == '\n') return NULL;
  return arena_strndup(a, s + at.off, at.len);
}

static const char *mismatch_text(Comparison *c, const char *of, const Mismatch *m) {
  const Formula *x = canon_formula(c->before, m->before), *y = canon_formula(c->after, m->after);
  const char *from = place_text(c->arena, c->before, x->at), *to = place_text(c->arena, c->after, y->at);
  if (from && to && strcmp(from, to)) return arena_printf(c->arena, "`%s` → `%s`", from, to);
  if (m->kind == MISMATCH_CONSTANT) return arena_printf(c->arena, "%.9g → %.9g", x->number, y->number);
  if (m->kind == MISMATCH_ACTIVATION) return arena_printf(c->arena, "`%s` → `%s`", x->op, y->op);
  return to ? arena_printf(c->arena, "`%s` is computed in another way", to) : arena_printf(c->arena, "%s is computed in another way", of);
}

static void add_mismatch(Comparison *c, RuleId rule, const Entry *x, const Entry *y, const Mismatch *m) {
  const char *of = arena_printf(c->arena, "what leads to `%s`", strchr(y->name, ':') + 1), *text = mismatch_text(c, of, m);
  for (int i = 0; i < c->out->all.n; i++)
    if (c->out->all.data[i].rule == rule && is(c->out->all.data[i].text, text)) return;
  Finding *f = add(c, rule, x, y, NULL, "%s", text);
  Place from = canon_formula(c->before, m->before)->at, to = canon_formula(c->after, m->after)->at;
  if (from.file) f->before = from;
  if (to.file) f->after = to;
}

// A parameter by its new name, or a random number that is keyed by a name.
static bool is_renamed(const Comparison *c, const Mismatch *m) {
  const Formula *x = canon_formula(c->before, m->before), *y = canon_formula(c->after, m->after);
  if (!is(x->op, y->op)) return false;
  bool drawn = !strncmp(x->op, "random_", 7), slot = is(x->op, "parameter") || is(x->op, "state");
  for (int r = 0; r < c->after->m->n_renames; r++) {
    const char *now = slot ? renamed(c, &c->after->m->renames[r], x->how) : NULL;
    if (drawn || (now && is(now, y->how))) return true;
  }
  return false;
}

// Heads, outputs and states that both have; losses where the task's own words did not change.
static void compare_structure(Comparison *c, Walk *w, const Entry *x, const Entry *y) {
  const char *task = strchr(y->name, ':') + 1;
  bool loss = !strncmp(y->name, "loss:", 5);
  const Entry *tx = canon_find(c->before, "task", task), *ty = canon_find(c->after, "task", task);
  if (loss && !(tx && ty && same_fields(tx, ty))) return;
  int before, after;
  walk_found(w, &before);
  walk_pair(w, x->formula, y->formula);
  const Mismatch *found = walk_found(w, &after);
  for (int i = before; i < after; i++) {
    const Mismatch *m = &found[i];
    if (is_renamed(c, m)) continue;
    if (c->computation_explained && m->kind != MISMATCH_ACTIVATION && m->kind != MISMATCH_CONSTANT) continue;
    add_mismatch(c, m->kind == MISMATCH_ACTIVATION ? RULE_LAYER_SAME_ACTIVATION : loss ? RULE_LOSS_CHANGED : RULE_LAYER_SAME_COMPUTATION, x, y, m);
  }
}

static bool layers_changed(const Comparison *c) {
  for (int i = 0; i < c->out->all.n; i++)
    if (c->out->all.data[i].rule == RULE_LAYER_ADDED || c->out->all.data[i].rule == RULE_LAYER_NO_DELETE) return true;
  return false;
}

// ---------------------------------------------------------------- the whole
static void compare_entry(Comparison *c, const Entry *x, const Entry *y) {
  if (is(y->kind, "structure") || same_fields(x, y)) return;
  if (is_slot(y)) compare_slots(c, x, y);
  else compare_fields(c, x, y);
}

typedef void Pair(Comparison *c, const Entry *x, const Entry *y);

static void compare_all(Comparison *c) {                     // both sorted: one pass
  int i = 0, k = 0;
  while (i < c->before->entries.n || k < c->after->entries.n) {
    const Entry *x = i < c->before->entries.n ? &c->before->entries.data[i] : NULL, *y = k < c->after->entries.n ? &c->after->entries.data[k] : NULL;
    int which = !x ? 1 : !y ? -1 : order(x, y);
    if (which < 0) removed(c, x), i++;
    else if (which > 0) added(c, y), k++;
    else compare_entry(c, x, y), i++, k++;
  }
}

static void compare_structures(Comparison *c) {
  Walk *w = walk_new(c->arena, c->before, c->after);
  if (layers_changed(c)) return;                             // what is computed follows from what came and went
  for (int losses = 0; losses < 2; losses++)                 // a loss is walked past the heads
    for (int k = 0; k < c->after->entries.n; k++) {
      const Entry *y = &c->after->entries.data[k], *x = is(y->kind, "structure") ? canon_find(c->before, y->kind, y->name) : NULL;
      if (x && (!strncmp(y->name, "loss:", 5)) == (losses == 1)) compare_structure(c, w, x, y);
    }
}

static int by_weight(const void *x, const void *y) {
  const Finding *a = x, *b = y;
  Category p = rule_rows[a->rule].category, q = rule_rows[b->rule].category;
  if (p != q) return p < q ? -1 : 1;
  if (a->after.file != b->after.file) return a->after.file < b->after.file ? -1 : 1;
  if (a->after.off != b->after.off) return a->after.off < b->after.off ? -1 : 1;
  if (a->rule != b->rule) return a->rule < b->rule ? -1 : 1;
  return strcmp(a->text, b->text);
}

Diff *diff_of(Arena *a, const Canon *before, const Canon *after) {
  Comparison c = {.out = NEW(a, Diff), .arena = a, .before = before, .after = after};
  *c.out = (Diff){.arena = a, .before = before, .after = after};
  apply_renames(&c);
  compare_all(&c);
  compare_structures(&c);
  if (c.out->all.n) qsort(c.out->all.data, (size_t)c.out->all.n, sizeof *c.out->all.data, by_weight);
  return c.out;
}

bool finding_breaks(const Finding *f, Category asked) { return !f->accepted && rule_rows[f->rule].category <= asked; }

int diff_breaks(const Diff *f, Category asked) {
  int n = 0;
  for (int i = 0; i < f->all.n; i++) n += finding_breaks(&f->all.data[i], asked);
  return n;
}
