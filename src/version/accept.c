// accept.c: `accept RULE NAME "why" until N`: an intended break, said in the spec itself; it holds in versions of the model below N. That a
// model ends is said by its last version: there is no spec any more that could.
#include "diff.h"

static int rule_named(const char *id) {
  for (int i = 0; i < N_RULES; i++)
    if (!strcmp(rule_rows[i].id, id)) return i;
  return -1;
}

static void unknown_rule(const Decl *d, Diag *diag) {
  const char *ids[N_RULES];
  for (int i = 0; i < N_RULES; i++) ids[i] = rule_rows[i].id;
  const char *near = nearest(d->names[0].name, ids, N_RULES);
  diag_error(diag, "unknown-rule", d->names[0].at, "there is no rule `%s`", d->names[0].name);
  if (near) diag_help(diag, "did you mean `%s`?", near);
  diag_help(diag, "`mtlc diff` names the rule of each change");
}

static const char *path_text(Arena *a, const Decl *d) {       // "trunk.wide"; NULL: all of the rule
  Text t = {0};
  if (!d->n_path) return NULL;
  for (int i = 0; i < d->n_path; i++) text_printf(&t, "%s%s", i ? "." : "", d->path[i].name);
  const char *s = arena_strdup(a, t.data);
  text_free(&t);
  return s;
}

// The name itself, or what lies under it: `trunk` is `trunk.wide.w`, too.
static bool is_about(const Finding *f, const char *path) {
  size_t n = path ? strlen(path) : 0;
  return !path || (!strncmp(f->name, path, n) && (!f->name[n] || f->name[n] == '.' || f->name[n] == '['));
}

const char end_rule[] = "MODEL_NO_DELETE";

static bool is_change_rule(const char *id) { return !is_check_rule(id) && strcmp(id, end_rule) != 0; }

const char *accepted_end(const Model *m) {
  const Decl *const *decls;
  int n = model_decls(m, &decls);
  for (int i = 0; i < n; i++)
    if (decls[i]->kind == DECL_ACCEPT && !strcmp(decls[i]->names[0].name, end_rule) && (double)m->version < decls[i]->number) return decls[i]->text;
  return NULL;
}

static void accept_one(Diff *f, const Decl *d, Diag *diag) {
  const Model *m = f->after->m;
  int rule = rule_named(d->names[0].name), n = 0;
  const char *path = path_text(f->arena, d);
  if (!is_change_rule(d->names[0].name)) return;
  if (rule < 0) {
    unknown_rule(d, diag);
    return;
  }
  bool holds = (double)m->version < d->number;
  for (int i = 0; i < f->all.n; i++) {
    if (f->all.data[i].rule != (RuleId)rule || !is_about(&f->all.data[i], path)) continue;
    n++;
    if (holds) f->all.data[i].accepted = d->text;
  }
  if (n && !holds) {
    diag_warn(diag, "accept-expired", d->at, "this held in versions below %g, and this is version %lld", d->number, (long long)m->version);
    diag_help(diag, "say a later version, or undo the change");
  }
}

void accept_check(const Model *m, Diag *d) {
  const Decl *const *decls;
  int n = model_decls(m, &decls);
  for (int i = 0; i < n; i++)
    if (decls[i]->kind == DECL_ACCEPT && is_change_rule(decls[i]->names[0].name) && rule_named(decls[i]->names[0].name) < 0) unknown_rule(decls[i], d);
}

void diff_accept(Diff *f, Diag *d) {
  const Decl *const *decls;
  int n = model_decls(f->after->m, &decls);
  for (int i = 0; i < n; i++)
    if (decls[i]->kind == DECL_ACCEPT) accept_one(f, decls[i], d);
}
