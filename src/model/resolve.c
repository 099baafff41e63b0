// resolve.c: tree → Spec: the one name space, the model's own declarations, and the order of all that follows.
#include "model_int.h"

// ---------------------------------------------------------------- messages
void help_nearest(Diag *d, const char *word, const Words *words) {
  const char *near = nearest(word, words->data, words->n);
  if (near) diag_help(d, "did you mean `%s`?", near);
}

void help_list(Diag *d, const char *intro, const Words *words) {
  enum { MOST = 20 };
  Text t = {0};
  for (int i = 0; i < words->n && i < MOST; i++) text_printf(&t, "%s`%s`", i ? ", " : "", words->data[i]);
  if (words->n > MOST) text_add(&t, " …");
  if (words->n) diag_help(d, "%s: %s", intro, t.data);
  text_free(&t);
}

bool error_unsupported(Diag *d, Place at, const char *what) {
  diag_error(d, "unsupported", at, "%s is not supported yet", what);
  return false;
}

const char *expr_spelling(Arena *a, const Expr *e) {
  Text t = {0};
  expr_print(e, &t);
  char *s = arena_strdup(a, t.data ? t.data : "");
  text_free(&t);
  return s;
}

const char *expr_text(Arena *a, const Expr *e) {
  enum { LONGEST = 60 };               // characters
  const char *s = expr_spelling(a, e), *end = s;
  for (int n = 0; *end && n < LONGEST; n++)
    for (end++; ((unsigned char)*end & 0xC0) == 0x80;) end++;
  return *end ? arena_printf(a, "%.*s…", (int)(end - s), s) : s;
}

void add_default(Spec *s, Place at, const char *what, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *value = arena_vprintf(s->m.arena, fmt, ap);
  va_end(ap);
  vec_push(s->m.arena, &s->defaults, ((__typeof__(s->defaults.data[0])){what, value, at}));
}

// ---------------------------------------------------------------- names
static const char *const kind_texts[] = {
  [SYM_SOURCE] = "a source", [SYM_INPUT] = "an input",  [SYM_LABEL] = "a label",    [SYM_BINDING] = "a binding",
  [SYM_LAYER] = "a layer",   [SYM_TASK] = "a task",     [SYM_OUTPUT] = "an output", [SYM_MODULE] = "an import's name",
  [SYM_RUN] = "a trained run",
};
const char *symbol_kind_text(SymbolKind k) { return kind_texts[k]; }

// Where a name stands in the table, or would.
static int *symbol_slot(const Spec *s, const char *name) {
  uint64_t mask = (uint64_t)s->symbol_slots - 1, i = hash_bytes(name, strlen(name), 0) & mask;
  while (s->symbol_table[i] && strcmp(s->symbols.data[s->symbol_table[i] - 1].name, name) != 0) i = (i + 1) & mask;
  return &s->symbol_table[i];
}

const Symbol *find_symbol(const Spec *s, const char *name) {
  int found = s->symbol_slots ? *symbol_slot(s, name) : 0;
  return found ? &s->symbols.data[found - 1] : NULL;
}

static void add_symbol(Spec *s, Symbol y) {
  vec_push(s->m.arena, &s->symbols, y);
  if (2 * s->symbols.n < s->symbol_slots) {
    *symbol_slot(s, y.name) = s->symbols.n;
    return;
  }
  s->symbol_slots = s->symbol_slots ? 2 * s->symbol_slots : 64;
  s->symbol_table = NEW_ARRAY(s->m.arena, int, s->symbol_slots);
  for (int i = 0; i < s->symbols.n; i++) *symbol_slot(s, s->symbols.data[i].name) = i + 1;
}

// false: the name is taken.
static bool declare(Spec *s, const Decl *d, Name n, SymbolKind kind, int index) {
  static const char *const reserved[] = {"true", "false", "inf", "last", "row", "training", "loss"};
  const Symbol *before = find_symbol(s, n.name);
  if (before) {
    diag_error(s->diag, "duplicate-name", n.at, "`%s` is declared twice", n.name);
    diag_note(s->diag, before->at, "first here, as %s", symbol_kind_text(before->kind));
    return false;
  }
  for (int i = 0; i < COUNT_OF(reserved); i++) {
    if (strcmp(reserved[i], n.name) != 0) continue;
    diag_error(s->diag, "duplicate-name", n.at, "`%s` has a meaning of its own and cannot be %s", n.name,
               symbol_kind_text(kind));
    return false;
  }
  add_symbol(s, (Symbol){n.name, kind, index, n.at, d});
  return true;
}

static const Key binding_keys[] = {{"freeze", false}, {"l2", false}, {"l1", false}, {"rate", false}, {"optimizer", false}, {"lazy", false},
                                   {"renamed_from", false}};

static bool clause_flag(Spec *s, const Decl *d, const char *key) {
  const Clause *c = find_clause(d, key);
  bool on = false;
  if (c) need_bool(s, c->value, arena_printf(s->m.arena, "`%s`", key), &on);
  return on;
}

void clause_renamed(Spec *s, const Decl *d) {
  const Clause *c = find_clause(d, "renamed_from");
  if (!c) return;
  if (c->value->kind != EX_NAME && c->value->kind != EX_STRING) {
    diag_error(s->diag, "bad-value", c->value->at, "`renamed_from` is the name that this had in the run");
    return;
  }
  for (int i = 0; i < s->renames.n; i++)
    if (strcmp(s->renames.data[i].old, c->value->name) == 0) {
      diag_error(s->diag, "duplicate-name", c->value->at, "two declarations cannot both have been `%s`", c->value->name);
      diag_note(s->diag, s->renames.data[i].at, "the first is here");
      return;
    }
  vec_push(s->m.arena, &s->renames, ((Rename){d->names[0].name, c->value->name, c->value->at}));
}

static void declare_binding(Spec *s, const Decl *d) {
  bool shared = d->kind == DECL_SHARED;
  if (!declare(s, d, d->names[0], SYM_BINDING, s->bindings.n)) return;
  check_clauses(s, d, binding_keys, COUNT_OF(binding_keys), "a binding");
  clause_renamed(s, d);
  Binding x = {.name = d->names[0].name, .decl = d, .shared = shared, .freeze = clause_flag(s, d, "freeze"), .lazy = clause_flag(s, d, "lazy")};
  x.rule = STEP_RULE_UNSAID;
  clause_rule(s, d, &x.rule);
  vec_push(s->m.arena, &s->bindings, x);
}

static void declare_one(Spec *s, const Decl *d) {
  Arena *a = s->m.arena;
  switch (d->kind) {
  case DECL_LABEL:
    for (int i = 0; i < d->n_names; i++)
      if (declare(s, d, d->names[i], SYM_LABEL, s->label_decls.n))
        vec_push(a, &s->label_decls, ((LabelDecl){d, d->names[i], LABEL_TODO, -1}));
    return;
  case DECL_LET:
  case DECL_SHARED: declare_binding(s, d); return;
  case DECL_LAYER: declare(s, d, d->names[0], SYM_LAYER, 0); return;
  case DECL_TASK:
    if (!declare(s, d, d->names[0], SYM_TASK, s->task_decls.n)) return;
    vec_push(a, &s->task_decls, d);
    return;
  case DECL_OUTPUT:
    if (!declare(s, d, d->names[0], SYM_OUTPUT, s->outputs.n)) return;
    vec_push(a, &s->outputs, ((ModelOutput){d->names[0].name, d->names[0].at, d->value, 0}));
    return;
  case DECL_FROM: declare(s, d, d->names[0], SYM_RUN, 0); return;
  default: return;
  }
}

// Sources and inputs declare their own names (resolve_source.c, resolve_data.c), through these two.
static void declare_data_names(Spec *s) {
  int inputs = 0, sources = 0;
  for (int i = 0; i < s->decls.n; i++) {
    const Decl *d = s->decls.data[i];
    if (d->kind == DECL_SOURCE && d->n_names) declare(s, d, d->names[0], SYM_SOURCE, sources++);
    for (int k = 0; d->kind == DECL_INPUT && k < d->n_names; k++) declare(s, d, d->names[k], SYM_INPUT, inputs++);
  }
}

static void declare_names(Spec *s) {
  declare_data_names(s);
  for (int i = 0; i < s->decls.n; i++)
    if (s->decls.data[i]->n_names) declare_one(s, s->decls.data[i]);
  Module *spec = s->modules.data[1];
  for (int i = 0; i < spec->refs.n; i++)
    if (spec->refs.data[i].alias) declare(s, NULL, (Name){spec->refs.data[i].alias, spec->refs.data[i].at}, SYM_MODULE, i);
}

// ---------------------------------------------------------------- model, edition, accept
const Decl *only_decl(Spec *s, DeclKind kind, const char *word) {
  const Decl *first = NULL;
  for (int i = 0; i < s->decls.n; i++) {
    const Decl *d = s->decls.data[i];
    if (d->kind != kind) continue;
    if (first) {
      diag_error(s->diag, "duplicate-name", d->word_at, "a spec has one `%s`", word);
      diag_note(s->diag, first->word_at, "the first is here");
    } else {
      first = d;
    }
  }
  return first;
}

static void resolve_model(Spec *s) {
  static const Key keys[] = {{"version", false}};
  const Decl *d = only_decl(s, DECL_MODEL, "model");
  s->m.name = d && d->n_names ? d->names[0].name : "model";
  s->m.version = 1;
  if (!d) {
    diag_error(s->diag, "no-model", (Place){s->modules.data[1]->file, 0, 0}, "a spec begins with `model NAME`");
    return;
  }
  check_clauses(s, d, keys, COUNT_OF(keys), "a model");
  const Clause *version = find_clause(d, "version");
  if (version) need_int(s, version->value, "a version", 1, INT32_MAX, &s->m.version);
  else add_default(s, d->at, "version", "1");
}

static void resolve_edition(Spec *s) {
  enum { EDITION = 2026 };
  const Decl *d = only_decl(s, DECL_EDITION, "edition");
  s->m.edition = EDITION;
  if (!d) {
    add_default(s, (Place){0}, "edition", "%d", EDITION);
    s->m.resolved = arena_printf(s->m.arena, "%s\nedition %d\n", s->m.resolved, EDITION);
  } else if (d->value && d->value->kind == EX_NUMBER && d->value->number != EDITION) {
    diag_error(s->diag, "edition", d->value->at, "this compiler knows edition %d, not %g", EDITION, d->value->number);
  }
}

// from v4 { file = "runs/v4" }
static void resolve_from(Spec *s) {
  static const Key from_keys[] = {{"file", false}};
  const Decl *d = only_decl(s, DECL_FROM, "from");
  if (!d || !d->n_names) return;
  FromRun *f = &s->m.from;
  f->name = d->names[0].name;
  f->at = f->file_at = d->names[0].at;
  check_clauses(s, d, from_keys, COUNT_OF(from_keys), "`from`");
  const Clause *c = find_clause(d, "file");
  bool broken = false;
  for (int i = 0; i < d->n_clauses; i++) broken |= strcmp(d->clauses[i].key, "file") == 0;
  if (c) f->file_at = c->value->at;
  if (c) need_text(s, c->value, "a run's folder", &f->file);
  else if (!broken) {
    diag_error(s->diag, "missing-clause", f->at, "which run is `%s`?", f->name);
    diag_help(s->diag, "write `from %s { file = \"runs/%s\" }`", f->name, f->name);
  }
}

// `accept` is read by `plan`; here it must only make sense.
static void check_accepts(Spec *s) {
  for (int i = 0; i < s->decls.n; i++) {
    const Decl *d = s->decls.data[i];
    if (d->kind == DECL_ACCEPT && (d->number < 1 || d->number != (double)(int64_t)d->number))
      diag_error(s->diag, "bad-value", d->at, "`until` names a version: a whole number from 1");
  }
}

// ---------------------------------------------------------------- the whole
// What reports show beside the losses: the values of tasks, then the penalty's.
void publish_terms(Model *m) {
  VEC(PlanTerm) all = {0};
  for (int i = 0; i < m->n_tasks; i++)
    for (int k = 0; k < m->tasks[i].n_values; k++) vec_push(m->arena, &all, ((PlanTerm){i, m->tasks[i].values[k].text, -1}));
  for (int k = 0; k < m->n_penalty; k++) vec_push(m->arena, &all, ((PlanTerm){-1, m->penalty[k].text, -1}));
  m->train.terms = all.data;
  m->train.n_terms = all.n;
}

static void publish(Spec *s) {
  Model *m = &s->m;
  m->data.sources = s->sources.data; m->data.n_sources = s->sources.n;
  m->data.columns = s->columns.data; m->data.n_columns = s->columns.n;
  m->data.inputs = s->inputs.data;   m->data.n_inputs = s->inputs.n;
  m->data.labels = s->labels.data;   m->data.n_labels = s->labels.n;
  m->data.groups = s->groups.data;   m->data.n_groups = s->groups.n;
  m->input_at = s->input_at.data;    m->label_at = s->label_at.data;
  m->imports = s->imports.data;      m->n_imports = s->imports.n;
  m->bindings = s->bindings.data;    m->n_bindings = s->bindings.n;
  m->tasks = s->tasks.data;          m->n_tasks = s->tasks.n;
  m->outputs = s->outputs.data;      m->n_outputs = s->outputs.n;
  m->train.tasks = s->plan_tasks.data;   m->train.n_tasks = s->plan_tasks.n;
  m->renames = s->renames.data;       m->n_renames = s->renames.n;
  m->train.requires = s->requires.data;  m->train.n_requires = s->requires.n;
  PlanOutput *outputs = NEW_ARRAY(m->arena, PlanOutput, s->outputs.n + 1);
  for (int i = 0; i < s->outputs.n; i++) outputs[i] = (PlanOutput){.name = s->outputs.data[i].name, .unit = s->outputs.data[i].unit};
  m->train.outputs = outputs;        m->train.n_outputs = s->outputs.n;
  publish_terms(m);
  m->defaults = s->defaults.data;     m->n_defaults = s->defaults.n;
  VEC(LayerDef) layers = {0};
  for (int k = 0; k < s->modules.n; k++)
    for (int i = 0; i < s->modules.data[k]->layers.n; i++) vec_push(m->arena, &layers, s->modules.data[k]->layers.data[i]);
  m->layers = layers.data;           m->n_layers = layers.n;
}

Model *resolve(Arena *a, Sources *sources, const Ast *main, const char *spec_path, const char *std_dir, Diag *d) {
  Spec *s = NEW(a, Spec);
  s->diag = d;
  s->m.arena = a;
  s->m.sources = sources;
  if (!load_modules(s, main, spec_path, std_dir)) return NULL;
  if (s->decls.n == 0) {
    if (diag_errors(d) == 0) diag_error(d, "no-model", (Place){main->file, 0, 0}, "this spec declares nothing");
    return NULL;
  }
  declare_names(s);
  resolve_model(s);
  resolve_edition(s);
  resolve_from(s);
  declare_sources(s);
  declare_inputs(s);
  resolve_labels(s);
  resolve_tasks(s);
  resolve_outputs(s);
  resolve_train(s);
  resolve_requires(s);
  resolve_label_values(s);
  check_accepts(s);
  publish(s);
  return &s->m;
}

int model_decls(const Model *m, const Decl *const **decls) {
  *decls = ((const Spec *)m)->decls.data;
  return ((const Spec *)m)->decls.n;
}

const Decl *model_decl(const Model *m, DeclKind kind, const char *name) {
  const Spec *s = (const Spec *)m;
  const Symbol *y = name ? find_symbol(s, name) : NULL;
  if (name) return y && y->decl && y->decl->kind == kind ? y->decl : NULL;
  for (int i = 0; i < s->decls.n; i++)
    if (s->decls.data[i]->kind == kind) return s->decls.data[i];
  return NULL;
}

void model_bind(Model *m, const PrepState *prep) { m->prep = prep; }
