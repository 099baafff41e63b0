// resolve_source.c: the sources of a spec: files and how they are read → DataPlan.sources. Each clause that was left out is
// recorded.
#include "model_int.h"

static const Key source_keys[] = {
  {"file", false}, {"test", false},  {"columns", false}, {"trim", false},     {"na", false},       {"delimiter", false},
      {"header", false},
  {"key", false},  {"match", false}, {"absent", false},  {"repeated", false}, {"dedupe", false},
};

const char *const *text_list(Spec *s, const Clause *c, int *n) {
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

void check_repeats(Spec *s, const Clause *c, const char *const *list, int n, const char *what) {
  for (int i = 0; i < n; i++)
    for (int k = 0; k < i && n <= 4096; k++)
      if (strcmp(list[i], list[k]) == 0) {
        diag_error(s->diag, "duplicate-name", c->value->args[i].value->at, "%s `%s` is listed twice", what, list[i]);
        diag_note(s->diag, c->value->args[k].value->at, "first here");
        return;
      }
}

static void source_header(Spec *s, const Decl *d, DataSource *x) {
  const Clause *columns = find_clause(d, "columns"), *header = find_clause(d, "header");
  bool has_header = columns == NULL;
  if (columns && (x->header = text_list(s, columns, &x->n_header)) != NULL)
    check_repeats(s, columns, x->header, x->n_header, "the column");
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

// ---------------------------------------------------------------- joins
// One expression, or a list of them.
static int items_of(const Expr *e, const Expr **item, int most) {
  if (e->kind != EX_LIST) return item[0] = e, 1;
  int n = 0;
  for (int i = 0; i < e->n_args && n < most; i++) item[n++] = e->args[i].value;
  return n;
}

// `key = id`, `key = [shop, "the id"]`: columns of the source itself, as columns of the plan. false: error.
static bool key_column(Spec *s, const char *clause, const Expr *e, int source, int *column) {
  bool own = e->kind == EX_MEMBER && e->a->kind == EX_NAME && strcmp(e->a->name, s->sources.data[source].name) == 0;
  if (e->kind == EX_NAME || e->kind == EX_STRING || own) {
    RowExpr *r = row_column(s, source, e->name, e->at);
    if (r) *column = r->index;
    return r != NULL;
  }
  if (e->kind != EX_BAD)
    diag_error(s->diag, "bad-value", e->at, "`%s` names columns of `%s`, which `%s` is not", clause,
               s->sources.data[source].name, expr_text(s->m.arena, e));
  return false;
}

// `dedupe = true`: rows alike in all columns of the file; `dedupe = [session, at]`: in these.
static void source_dedupe(Spec *s, const Decl *d, int source) {
  enum { MOST = 64 };
  const Clause *c = find_clause(d, "dedupe");
  const Expr *item[MOST];
  if (!c) return;
  const Expr *e = c->value;
  bool yes = e->kind == EX_NAME && strcmp(e->name, "true") == 0, no = e->kind == EX_NAME && strcmp(e->name, "false") == 0;
  s->sources.data[source].dedupe_rows = yes;
  if (yes || no) return;
  int n = items_of(e, item, MOST), *columns = NEW_ARRAY(s->m.arena, int, n + 1);
  bool fine = n > 0;
  if (!fine) diag_error(s->diag, "bad-value", e->at, "`dedupe` is `true`, or names the columns in which rows are alike");
  for (int i = 0; i < n; i++) fine &= key_column(s, "dedupe", item[i], source, &columns[i]);
  if (!fine) return;
  s->sources.data[source].dedupe = columns;
  s->sources.data[source].n_dedupe = n;
}

// `match = events.product_id`: a column of another source.
static bool match_column(Spec *s, const Expr *e, int source, int *column) {
  RowType type;
  RowExpr *r = row_expr(s, e, &type);
  if (!r) return false;
  const char *name = s->sources.data[source].name;
  if (r->op != RX_COLUMN) {
    diag_error(s->diag, "type-mismatch", e->at, "`match` needs a raw column, as `%s.id`", s->sources.data[0].name);
    return false;
  }
  if (s->columns.data[r->index].source == source) {
    diag_error(s->diag, "bad-value", e->at, "`match` is a column of another source: `%s` is the one that is joined", name);
    return false;
  }
  *column = r->index;
  return true;
}

static void source_keys_match(Spec *s, const Clause *key, const Clause *match, int source) {
  enum { MOST = 16 };
  const Expr *keys[MOST], *matches[MOST];
  int n = items_of(key->value, keys, MOST), m = items_of(match->value, matches, MOST);
  DataSource *x = &s->sources.data[source];
  int *k = NEW_ARRAY(s->m.arena, int, n + 1), *c = NEW_ARRAY(s->m.arena, int, m + 1);
  bool fine = n > 0 && m > 0;
  for (int i = 0; i < n; i++) fine &= key_column(s, "key", keys[i], source, &k[i]);
  for (int i = 0; i < m; i++) fine &= match_column(s, matches[i], source, &c[i]);
  if (n != m || n == 0) {
    diag_error(s->diag, "bad-value", match->value->at, "`key` has %d column%s, `match` %d", n, n == 1 ? "" : "s", m);
    diag_note(s->diag, key->value->at, "the key is here");
    fine = false;
  }
  if (!fine) return;
  x = &s->sources.data[source];
  x->key = k;
  x->match = c;
  x->n_key = n;
}

static void join_policies(Spec *s, const Decl *d, DataSource *x) {
  static const char *const absents[] = {"error", "missing", "drop"}, *const repeats[] = {"error", "first", "last"};
  const Clause *absent = find_clause(d, "absent"), *repeated = find_clause(d, "repeated");
  int a = absent ? choose(s, absent->value, "`absent`", absents, 3) : 0;
  int r = repeated ? choose(s, repeated->value, "`repeated`", repeats, 3) : 0;
  x->absent = (AbsentPolicy)(a < 0 ? 0 : a);
  x->repeated = (RepeatedPolicy)(r < 0 ? 0 : r);
  if (!absent) add_default(s, d->at, arena_printf(s->m.arena, "%s.absent", x->name), "error");
  if (!repeated) add_default(s, d->at, arena_printf(s->m.arena, "%s.repeated", x->name), "error");
}

static void join_source(Spec *s, const Decl *d, int source) {
  const Clause *key = find_clause(d, "key"), *match = find_clause(d, "match"), *test = find_clause(d, "test");
  DataSource *x = &s->sources.data[source];
  join_policies(s, d, x);
  if (test) {
    diag_error(s->diag, "bad-value", test->at, "`test` names held-out rows, which are rows of the first source");
    diag_note(s->diag, s->source_at.data[0], "the first is here");
  }
  if (key && match) {
    source_keys_match(s, key, match, source);
    return;
  }
  diag_error(s->diag, "missing-clause", d->names[0].at, "the source `%s` is joined to the first: it needs `%s`", x->name,
             key ? "match" : match ? "key" : "key` and `match");
  diag_note(s->diag, s->source_at.data[0], "the first is here");
  diag_help(s->diag, "write `source %s { key = id, match = %s.%s_id }`", x->name, s->sources.data[0].name, x->name);
}

static void first_source(Spec *s, const Decl *d) {
  static const char *const joins[] = {"key", "match", "absent", "repeated"};
  for (int i = 0; i < COUNT_OF(joins); i++) {
    const Clause *c = find_clause(d, joins[i]);
    if (!c) continue;
    diag_error(s->diag, "bad-value", c->at,
               "`%s` is for a source that is joined, and `%s` is the first: its rows are the rows", joins[i],
               d->names[0].name);
    return;
  }
}

// Sources in an order in which each stands behind those that its `match` reads.
static void order_joins(Spec *s) {
  int n = s->sources.n, done = 0, *order = NEW_ARRAY(s->m.arena, int, n + 1);
  bool *placed = NEW_ARRAY(s->m.arena, bool, n + 1), more = true;
  for (placed[0] = true; more;) {
    more = false;
    for (int i = 1; i < n; i++) {
      const DataSource *x = &s->sources.data[i];
      bool ready = !placed[i];
      for (int k = 0; k < x->n_key; k++) ready &= placed[s->columns.data[x->match[k]].source];
      if (!ready) continue;
      placed[i] = more = true;
      order[done++] = i;
    }
  }
  s->m.data.join_order = order;
  for (int i = 1; i < n; i++) {
    if (placed[i]) continue;
    const DataSource *x = &s->sources.data[i];
    diag_error(s->diag, "cycle", s->source_at.data[i], "the source `%s` is joined to itself", x->name);
    diag_note(s->diag, s->source_at.data[s->columns.data[x->match[0]].source], "by way of this one");
    order[done++] = i;
  }
}

void declare_sources(Spec *s) {
  VEC(const Decl *) decls = {0};
  for (int i = 0; i < s->decls.n; i++) {
    const Decl *d = s->decls.data[i];
    if (d->kind != DECL_SOURCE || !d->n_names) continue;
    DataSource x = source_of(s, d);
    vec_push(s->m.arena, &decls, d);
    vec_push(s->m.arena, &s->sources, x);
    vec_push(s->m.arena, &s->source_at, d->names[0].at);
  }
  if (!s->sources.n) {
    static const char *const empty[] = {""};
    vec_push(s->m.arena, &s->sources, ((DataSource){.name = "data", .na = empty, .n_na = 1}));
    vec_push(s->m.arena, &s->source_at, (Place){0});
    add_default(s, (Place){0}, "source", "data");
    return;
  }
  for (int i = 0; i < decls.n; i++) source_dedupe(s, decls.data[i], i);
  first_source(s, decls.data[0]);
  for (int i = 1; i < decls.n; i++) join_source(s, decls.data[i], i);
  order_joins(s);
}
