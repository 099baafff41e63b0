// canon.c: the canonical form: entries and their fields, sorted; as lines; their hashes.
#include "canon_int.h"
#include <math.h>

const char *const scope_names[N_SCOPES] = {"contract", "weights", "train", "spec"};

void begin_entry(Writer *w, const char *kind, const char *name, const Decl *decl, Place at) {
  vec_push(w->arena, &w->canon->entries, ((Entry){.kind = kind, .name = name, .at = at}));
  w->entry = &w->canon->entries.data[w->canon->entries.n - 1];
  w->decl = decl;
}

static void push_field(Writer *w, Scope scope, const char *key, const char *clause, const char *value) {
  const Clause *c = w->decl ? find_clause(w->decl, clause ? clause : key) : NULL;
  vec_push(w->arena, &w->entry->fields, ((Field){key, value, scope, c ? c->value->at : w->entry->at}));
}

void add_field(Writer *w, Scope scope, const char *key, const char *clause, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  push_field(w, scope, key, clause, arena_vprintf(w->arena, fmt, ap));
  va_end(ap);
}

void add_text(Writer *w, Scope scope, const char *key, const char *clause, Text *value) {
  push_field(w, scope, key, clause, arena_strdup(w->arena, value->data ? value->data : ""));
  text_free(value);
}

void add_bool(Writer *w, Scope scope, const char *key, bool value) { add_field(w, scope, key, NULL, value ? "true" : "false"); }

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

void add_words(Writer *w, Scope scope, const char *key, const char *const *words, int n, bool sorted) {
  const char **list = NEW_ARRAY(w->arena, const char *, n + 1);
  Text t = {0};
  for (int i = 0; i < n; i++) list[i] = words[i];
  if (sorted) qsort(list, (size_t)n, sizeof *list, by_text);
  text_char(&t, '[');
  for (int i = 0; i < n; i++) {
    if (i) text_add(&t, ", ");
    quote_print(list[i], &t);
  }
  text_char(&t, ']');
  add_text(w, scope, key, NULL, &t);
}

void call_text(const char *name, const char *given, const CallArg *arg, int n, Text *out) {
  bool open = given != NULL;
  text_add(out, name);
  if (given) text_printf(out, "(%s", given);
  for (int i = 0; i < n; i++) {
    if (arg[i].value == arg[i].def || (isnan(arg[i].value) && isnan(arg[i].def))) continue;
    text_printf(out, "%s%s = ", open ? ", " : "(", arg[i].name);
    number_print(arg[i].value, out);
    open = true;
  }
  if (open) text_char(out, ')');
}

const char *number_text(Arena *a, double x) {
  Text t = {0};
  number_print(x, &t);
  const char *s = arena_strdup(a, t.data);
  text_free(&t);
  return s;
}

// ---------------------------------------------------------------- the whole
static int by_key(const void *a, const void *b) { return strcmp(((const Field *)a)->key, ((const Field *)b)->key); }

static int by_name(const void *x, const void *y) {
  const Entry *a = x, *b = y;
  int kinds = strcmp(a->kind, b->kind);
  return kinds ? kinds : strcmp(a->name, b->name);
}

Canon *canon_of(const Model *m, const Graph *g, const PrepState *prep, Diag *d) {
  Canon *c = NEW(m->arena, Canon);
  *c = (Canon){.arena = m->arena, .m = m, .g = g, .structure = structure_new(m, false)};
  Writer w = {.canon = c, .arena = m->arena, .m = m, .g = g, .prep = prep, .diag = d, .structure = c->structure};
  write_data(&w);
  write_model(&w);
  for (int i = 0; i < c->entries.n; i++) {
    Entry *e = &c->entries.data[i];
    if (e->fields.n) qsort(e->fields.data, (size_t)e->fields.n, sizeof *e->fields.data, by_key);
  }
  qsort(c->entries.data, (size_t)c->entries.n, sizeof *c->entries.data, by_name);
  return w.failed ? NULL : c;
}

const Entry *canon_find(const Canon *c, const char *kind, const char *name) {
  Entry key = {.kind = kind, .name = name};
  return bsearch(&key, c->entries.data, (size_t)c->entries.n, sizeof key, by_name);
}

const Field *entry_field(const Entry *e, const char *key) {
  for (int i = 0; e && i < e->fields.n; i++)
    if (!strcmp(e->fields.data[i].key, key)) return &e->fields.data[i];
  return NULL;
}

// A name as it would be written; what would break a line, by its code.
static void name_text(const char *name, Text *out) {
  bool plain = *name != 0;
  for (const char *s = name; *s; s++) plain &= (unsigned char)*s > ' ' && *s != '`' && *s != '"';
  if (plain) text_add(out, name);
  else quote_print(name, out);
}

static void line_text(const Entry *e, const Field *f, bool with_scope, Text *out) {
  if (with_scope) text_printf(out, "%s ", scope_names[f->scope]);
  text_printf(out, "%s ", e->kind);
  name_text(e->name, out);
  text_printf(out, " %s = ", f->key);
  for (const char *s = f->value; *s; s++) {
    if (*s == '\n') text_add(out, "\\n");
    else text_char(out, *s);
  }
}

void canon_text(const Canon *c, Scope scope, Text *out) {
  VEC(const char *) lines = {0};
  Text t = {0};
  for (int i = 0; i < c->entries.n; i++)
    for (int k = 0; k < c->entries.data[i].fields.n; k++) {
      const Field *f = &c->entries.data[i].fields.data[k];
      if (scope != SCOPE_SPEC && f->scope != scope) continue;
      t.n = 0;
      line_text(&c->entries.data[i], f, scope == SCOPE_SPEC, &t);
      const char *line = arena_strdup(c->arena, t.data);
      vec_push(c->arena, &lines, line);
    }
  text_free(&t);
  if (lines.n) qsort(lines.data, (size_t)lines.n, sizeof *lines.data, by_text);
  for (int i = 0; i < lines.n; i++) text_printf(out, "%s\n", lines.data[i]);
}

void canon_hash(const Canon *c, Hashes *out) {
  for (int i = 0; i < N_SCOPES; i++) {
    Text t = {0};
    char digits[SHA256_DIGITS + 1];
    text_add(&t, "");
    canon_text(c, (Scope)i, &t);
    sha256_text(t.data, t.n, digits);
    snprintf(out->text[i], sizeof out->text[i], "mtl1:sha256:%s", digits);
    text_free(&t);
  }
}
