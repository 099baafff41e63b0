// against.c: mtl_check_against: the specs of a tree compared with what they were in a commit, or in every tagged one.
//   A spec is a file with a `model`; parts that specs import count with them. A spec that is not where it was is looked for by the
//   name of its model (a moved file), else it is gone. since: what was found between the commit and that one is left out.
#include <sys/stat.h>
#include "diff.h"
#include "origin.h"

typedef struct { const char *path, *name; Canon *canon; bool moved; } NewSpec;      // name: of its model
typedef struct {
  mtl_context *c;
  const mtl_against_options *o;
  Category asked; DiffFormat format;
  VEC(NewSpec) specs;
  VEC(DiffReport) reports;
  int same, added;
  Text ended;                          // a line for each model that is gone, and may be
} Review;

// ---------------------------------------------------------------- one spec
// Errors of one spec do not silence those of the next: each is opened with a list of its own, taken over when it has any.
static Canon *open_apart(mtl_context *c, Canon *(*open)(mtl_context *, const char *, void *), const char *path, void *ctx) {
  Diag *all = c->diag;
  c->diag = diag_new(c->arena, c->sources);
  Canon *k = open(c, path, ctx);
  if (diag_errors(c->diag)) diag_take(all, c->diag);
  c->diag = all;
  return k;
}

typedef struct { GitTree *tree; const char *ref; } Commit;
static Canon *open_new(mtl_context *c, const char *path, void *ctx) { (void)ctx; return origin_open(c, path, NULL); }
static Canon *open_old(mtl_context *c, const char *path, void *ctx) {
  const Commit *k = ctx;
  return origin_in_commit(c, k->tree, path, k->ref);
}

static bool same_finding(const Finding *a, const Finding *b) {
  return a->rule == b->rule && !strcmp(a->kind, b->kind) && !strcmp(a->name, b->name) && !strcmp(a->text, b->text);
}

// Takes out what `before` had already.
static void leave_out(Diff *d, const Diff *before) {
  int n = 0;
  for (int i = 0; i < d->all.n; i++) {
    bool old = false;
    for (int k = 0; k < before->all.n; k++) old |= same_finding(&d->all.data[i], &before->all.data[k]);
    if (!old) d->all.data[n++] = d->all.data[i];
  }
  d->all.n = n;
}

static void compare_spec(Review *r, NewSpec *s, const char *old_path, Commit *old, Commit *since) {
  mtl_context *c = r->c;
  Canon *before = open_apart(c, open_old, old_path, old);
  if (!before || !s->canon) return;
  Diff *d = diff_of(c->arena, before, s->canon);
  if (since && git_has(since->tree, s->path)) {
    Canon *middle = open_apart(c, open_old, s->path, since);
    if (middle) leave_out(d, diff_of(c->arena, before, middle));
  }
  diff_accept(d, c->diag);
  if (!d->all.n) r->same++;
  const char *name = arena_printf(c->arena, "%s@%s", old_path, old->ref);
  if (d->all.n) vec_push(c->arena, &r->reports, ((DiffReport){name, s->path, d, r->asked}));
}

// ---------------------------------------------------------------- against a commit
// A spec of this path is gone: is it here under another path, new there, with the model's name?
static NewSpec *moved_to(Review *r, const char *name, Commit *old) {
  for (int i = 0; i < r->specs.n; i++) {
    NewSpec *s = &r->specs.data[i];
    if (!s->moved && !strcmp(s->name, name) && !git_has(old->tree, s->path)) return s;
  }
  return NULL;
}

static void spec_is_gone(Review *r, const char *path, Commit *old, Commit *since) {
  size_t n;
  char *text = git_read(old->tree, path, &n);
  const char *name = text ? spec_model_name(r->c, path, text, n) : NULL;
  free(text);
  if (!name) return;
  NewSpec *s = moved_to(r, name, old);
  if (s) {
    s->moved = true;
    compare_spec(r, s, path, old, since);
    return;
  }
  const Canon *before = open_apart(r->c, open_old, path, old);
  const char *why = before ? accepted_end(before->m) : NULL;
  if (why) {
    text_printf(&r->ended, "%s@%s: the model `%s` is gone, accepted: %s\n", path, old->ref, name, why);
    return;
  }
  diag_error(r->c->diag, "no-spec", (Place){0}, "the model `%s` of `%s@%s` is gone", name, path, old->ref);
  diag_help(r->c->diag, "what serves it finds no newer version; where that is meant, a version of it says so first: accept %s \"why\" until VERSION", end_rule);
}

static bool is_there(const Review *r, const char *path) {
  for (int i = 0; i < r->specs.n; i++)
    if (!strcmp(r->specs.data[i].path, path)) return true;
  size_t n;                                                  // a spec, in a folder that is passed over; without a model it is a part, now
  char *text = source_read_disk(path, &n);
  bool is_spec = text && spec_model_name(r->c, path, text, n);
  free(text);
  return is_spec;
}

static void compare_tree(Review *r, Commit *old, Commit *since) {
  for (int i = 0; i < r->specs.n; i++) r->specs.data[i].moved = false;
  for (int i = 0; i < r->o->n_specs; i++) {
    struct stat st;
    const char *folder = r->o->specs[i];
    int n = 0;
    const char **was = stat(folder, &st) || S_ISDIR(st.st_mode) ? git_files(old->tree, folder, &n) : NULL;
    for (int k = 0; k < n; k++)
      if (spec_is_named_so(was[k]) && !is_there(r, was[k])) spec_is_gone(r, was[k], old, since);
  }
  for (int i = 0; i < r->specs.n; i++) {
    NewSpec *s = &r->specs.data[i];
    if (s->moved) continue;
    if (git_has(old->tree, s->path)) compare_spec(r, s, s->path, old, since);
    else r->added++;
  }
}

static bool against_one(Review *r, const char *ref) {
  const char *near = r->o->specs[0];
  Commit old = {git_open(r->c, ref, near), ref}, since = {r->o->since && old.tree ? git_open(r->c, r->o->since, near) : NULL, r->o->since};
  bool ok = old.tree && (!r->o->since || since.tree);
  if (ok) compare_tree(r, &old, r->o->since ? &since : NULL);
  git_close(old.tree);
  git_close(since.tree);
  return ok;
}

static bool against_all(Review *r) {
  if (!r->o->tags) return against_one(r, r->o->against);
  int n;
  const char **tags = git_tags(r->c, r->o->specs[0], &n);
  if (!tags) return false;
  for (int i = 0; i < n; i++)
    if (!against_one(r, tags[i])) return false;
  return true;
}

int mtl_check_against(mtl_context *c, const mtl_against_options *o, char **report) {
  *report = NULL;
  Review r = {.c = c, .o = o};
  if (!diff_options(c, o->category, o->format, &r.asked, &r.format)) return diag_exit_code(c->diag);
  if (o->json) r.format = FORMAT_JSON;
  SpecFiles found = {0};
  for (int i = 0; i < o->n_specs; i++) specs_below(c, o->specs[i], &found);
  if (!found.n && !diag_errors(c->diag)) diag_error(c->diag, "no-spec", (Place){0}, "there is no spec in what is named");
  if (diag_errors(c->diag)) return diag_exit_code(c->diag);
  for (int i = 0; i < found.n; i++) {
    SpecFile f = found.data[i];
    vec_push(c->arena, &r.specs, ((NewSpec){.path = f.path, .name = f.model, .canon = open_apart(c, open_new, f.path, NULL)}));
  }
  if (!against_all(&r)) return diag_exit_code(c->diag);
  Text t = {0};
  int breaks = 0;
  for (int i = 0; i < r.reports.n; i++) breaks += diff_breaks(r.reports.data[i].diff, r.asked);
  if (r.format == FORMAT_TEXT && !o->quiet && r.ended.n) text_add(&t, r.ended.data);
  text_free(&r.ended);
  report_diffs(r.reports.data, r.reports.n, true, r.format, o->quiet, &t);
  if (r.format == FORMAT_TEXT && !o->quiet)
    text_printf(&t, "%d spec%s: %d unchanged, %d new, %d break%s of the %s\n", r.specs.n, r.specs.n == 1 ? "" : "s", r.same, r.added, breaks,
                breaks == 1 ? "" : "s", category_names[r.asked]);
  *report = t.data ? t.data : strdup("");
  return diag_errors(c->diag) ? diag_exit_code(c->diag) : breaks ? 1 : 0;
}
