// against.c: mtl_check_against: the specs of a tree compared with what they were in a commit, or in every tagged one.
//   A spec is a file with a `model`; parts that specs import count with them. A spec that is not where it was is looked for by the
//   name of its model (a moved file), else it is gone. since: what was found between the commit and that one is left out.
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include "diff.h"
#include "origin.h"

typedef VEC(const char *) Paths;
typedef struct { const char *path, *name; Canon *canon; bool broken, moved; } NewSpec;      // name: of its model
typedef struct {
  mtl_context *c;
  const mtl_against_options *o;
  Category asked; DiffFormat format;
  VEC(NewSpec) specs;
  VEC(DiffReport) reports;
  int same, added;
} Review;

// ---------------------------------------------------------------- the specs that are there
static int is_visible(const struct dirent *e) { return e->d_name[0] != '.'; }

static bool ends_in_mtl(const char *path) {
  size_t n = strlen(path);
  return n > 4 && !strcmp(path + n - 4, ".mtl");
}

// The model's name as the text has it, without resolving; NULL: a part of other specs, or no spec at all.
static const char *model_name(mtl_context *c, const char *path, const char *text, size_t n) {
  Diag *quiet = diag_new(c->arena, c->sources);
  const Ast *t = parse(c->arena, c->sources, source_add(c->sources, path, text, n), quiet);
  for (int i = 0; i < t->n; i++)
    if (t->decls[i].kind == DECL_MODEL) return t->decls[i].n_names ? t->decls[i].names[0].name : "";
  return NULL;
}

static void add_spec(Review *r, const char *path, bool named) {
  size_t n;
  char *text = source_read_disk(path, &n);
  if (!text && named) diag_error(r->c->diag, "no-spec", (Place){0}, "cannot read the spec `%s`: %s", path, strerror(errno));
  const char *name = text ? model_name(r->c, path, text, n) : NULL;
  free(text);
  if (!name && !(named && text)) return;                     // one that was named and has no model is an error of its own
  vec_push(r->c->arena, &r->specs, ((NewSpec){.path = arena_strdup(r->c->arena, path), .name = name ? name : ""}));
}

static void add_path(Review *r, const char *path, bool named) {
  struct stat st;
  struct dirent **entry;
  bool there = (named ? stat(path, &st) : lstat(path, &st)) == 0;
  if (!there || !S_ISDIR(st.st_mode)) {
    if (named || ends_in_mtl(path)) add_spec(r, path, named);
    return;
  }
  int n = scandir(path, &entry, is_visible, alphasort);
  for (int i = 0; i < n; i++) {
    bool slash = path[strlen(path) - 1] == '/';
    add_path(r, arena_printf(r->c->arena, "%s%s%s", strcmp(path, ".") ? path : "", strcmp(path, ".") && !slash ? "/" : "", entry[i]->d_name), false);
    free(entry[i]);
  }
  if (n >= 0) free(entry);
}

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
  const char *name = text ? model_name(r->c, path, text, n) : NULL;
  free(text);
  if (!name) return;
  NewSpec *s = moved_to(r, name, old);
  if (s) {
    s->moved = true;
    compare_spec(r, s, path, old, since);
    return;
  }
  diag_error(r->c->diag, "no-spec", (Place){0}, "the model `%s` of `%s@%s` is gone", name, path, old->ref);
  diag_help(r->c->diag, "what serves it finds no newer version; keep the spec until nothing does, then compare with a commit that lacks it");
}

static bool is_there(const Review *r, const char *path) {
  for (int i = 0; i < r->specs.n; i++)
    if (!strcmp(r->specs.data[i].path, path)) return true;
  struct stat st;
  return stat(path, &st) == 0;                               // a part, now
}

static void compare_tree(Review *r, Commit *old, Commit *since) {
  for (int i = 0; i < r->specs.n; i++) r->specs.data[i].moved = false;
  for (int i = 0; i < r->o->n_specs; i++) {
    struct stat st;
    const char *folder = r->o->specs[i];
    int n = 0;
    const char **was = stat(folder, &st) || S_ISDIR(st.st_mode) ? git_files(old->tree, folder, &n) : NULL;
    for (int k = 0; k < n; k++)
      if (ends_in_mtl(was[k]) && !is_there(r, was[k])) spec_is_gone(r, was[k], old, since);
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
  if (n == 0) {
    diag_error(r->c->diag, "no-tags", (Place){0}, "no tag leads to this commit");
    diag_help(r->c->diag, "tags of a remote are fetched by: git fetch --tags");
  }
  for (int i = 0; i < n; i++)
    if (!against_one(r, tags[i])) return false;
  return n > 0;
}

int mtl_check_against(mtl_context *c, const mtl_against_options *o, char **report) {
  *report = NULL;
  Review r = {.c = c, .o = o};
  if (!diff_options(c, o->category, o->format, &r.asked, &r.format)) return diag_exit_code(c->diag);
  if (o->json) r.format = FORMAT_JSON;
  for (int i = 0; i < o->n_specs; i++) add_path(&r, o->specs[i], true);
  if (!r.specs.n && !diag_errors(c->diag)) diag_error(c->diag, "no-spec", (Place){0}, "there is no spec in what is named");
  if (diag_errors(c->diag)) return diag_exit_code(c->diag);
  for (int i = 0; i < r.specs.n; i++) r.specs.data[i].canon = open_apart(c, open_new, r.specs.data[i].path, NULL);
  if (!against_all(&r)) return diag_exit_code(c->diag);
  Text t = {0};
  int breaks = 0;
  for (int i = 0; i < r.reports.n; i++) breaks += diff_breaks(r.reports.data[i].diff, r.asked);
  report_diffs(r.reports.data, r.reports.n, true, r.format, o->quiet, &t);
  if (r.format == FORMAT_TEXT && !o->quiet)
    text_printf(&t, "%d spec%s: %d unchanged, %d new, %d break%s of the %s\n", r.specs.n, r.specs.n == 1 ? "" : "s", r.same, r.added, breaks,
                breaks == 1 ? "" : "s", category_names[r.asked]);
  *report = t.data ? t.data : strdup("");
  return diag_errors(c->diag) ? diag_exit_code(c->diag) : breaks ? 1 : 0;
}
