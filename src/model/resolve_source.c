// resolve_source.c: the sources of a spec: files and how they are read → DataPlan.sources. Each clause that was left out is
// recorded.
#include "model_int.h"

static const Key source_keys[] = {
  {"file", false}, {"test", false},  {"columns", false}, {"trim", false},     {"na", false},       {"delimiter", false},
      {"header", false},
  {"key", true},   {"match", true},  {"absent", true},   {"repeated", true},  {"dedupe", true},
};

// A list of texts or names: ["a", "b"].
static const char *const *text_list(Spec *s, const Clause *c, int *n) {
  const Expr *e = c->value;
  if (e->kind != EX_LIST) {
    diag_error(s->diag, "bad-value", e->at, "`%s` must be a list of texts, not `%s`", c->key, expr_text(s->m.arena, e));
    return NULL;
  }
  const char **list = NEW_ARRAY(s->m.arena, const char *, e->n_args + 1);
  for (int i = 0; i < e->n_args; i++) {
    const Expr *x = e->args[i].value;
    if (x->kind == EX_STRING || x->kind == EX_NAME) list[(*n)++] = x->name;
    else if (x->kind != EX_BAD)
      diag_error(s->diag, "bad-value", x->at, "`%s` lists texts, not `%s`", c->key, expr_text(s->m.arena, x));
  }
  return list;
}

static void check_repeats(Spec *s, const Clause *c, const char *const *list, int n) {
  for (int i = 0; i < n; i++)
    for (int k = 0; k < i && n <= 4096; k++)
      if (strcmp(list[i], list[k]) == 0) {
        diag_error(s->diag, "duplicate-name", c->value->args[i].value->at, "the column `%s` is listed twice", list[i]);
        diag_note(s->diag, c->value->args[k].value->at, "first here");
        return;
      }
}

static void source_header(Spec *s, const Decl *d, DataSource *x) {
  const Clause *columns = find_clause(d, "columns"), *header = find_clause(d, "header");
  bool has_header = columns == NULL;
  if (columns && (x->header = text_list(s, columns, &x->n_header)) != NULL)
    check_repeats(s, columns, x->header, x->n_header);
  if (!header || !need_bool(s, header->value, "`header`", &has_header)) return;
  if (has_header && columns) {
    diag_error(s->diag, "bad-value", header->at, "`columns` are for a file without a header row");
    diag_note(s->diag, columns->at, "`columns` stand here");
  } else if (!has_header && !columns) {
    diag_error(s->diag, "missing-clause", header->at, "a file without a header row needs its columns' names");
    diag_help(s->diag, "add `columns = [\"…\", …]`");
  }
}

static void source_delimiter(Spec *s, const Decl *d, DataSource *x) {
  const Clause *c = find_clause(d, "delimiter");
  const char *text;
  if (!c || !need_text(s, c->value, "`delimiter`", &text)) return;
  if (strlen(text) == 1 && !strchr("\"\n\r", *text)) x->delimiter = *text;
  else diag_error(s->diag, "bad-value", c->value->at, "a delimiter is one character of ASCII, and no quote or line end");
}

static DataSource source_of(Spec *s, const Decl *d) {
  DataSource x = {.name = d->names[0].name};
  const Clause *c;
  check_clauses(s, d, source_keys, COUNT_OF(source_keys), "a source");
  if ((c = find_clause(d, "file"))) need_text(s, c->value, "`file`", &x.file);
  if ((c = find_clause(d, "test"))) need_text(s, c->value, "`test`", &x.test_file);
  if ((c = find_clause(d, "trim"))) need_bool(s, c->value, "`trim`", &x.trim);
  else add_default(s, d->at, arena_printf(s->m.arena, "%s.trim", x.name), "false");
  source_header(s, d, &x);
  source_delimiter(s, d, &x);
  if ((c = find_clause(d, "na"))) {
    x.na = text_list(s, c, &x.n_na);
    return x;
  }
  static const char *const empty[] = {""};
  x.na = empty;
  x.n_na = 1;
  add_default(s, d->at, arena_printf(s->m.arena, "%s.na", x.name), "[\"\"]");
  return x;
}

void declare_sources(Spec *s) {
  for (int i = 0; i < s->decls.n; i++) {
    const Decl *d = s->decls.data[i];
    if (d->kind != DECL_SOURCE || !d->n_names) continue;
    if (s->sources.n == 1) {
      error_unsupported(s->diag, d->names[0].at, "a second source");
      diag_note(s->diag, s->source_at.data[0], "the first is here");
    }
    DataSource x = source_of(s, d);
    vec_push(s->m.arena, &s->sources, x);
    vec_push(s->m.arena, &s->source_at, d->names[0].at);
  }
  if (s->sources.n) return;
  static const char *const empty[] = {""};
  vec_push(s->m.arena, &s->sources, ((DataSource){.name = "data", .na = empty, .n_na = 1}));
  vec_push(s->m.arena, &s->source_at, (Place){0});
  add_default(s, (Place){0}, "source", "data");
}
