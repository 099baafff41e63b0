// freeze.c: mtl_freeze: the imports of a spec are pinned by the SHA-256 of their texts, those of the imported files first, as their pins
// are part of their texts. Beside the spec stands NAME.lock (lock.c).
#include <errno.h>
#include <strings.h>
#include <unistd.h>
#include "origin.h"
#include "registry.h"

typedef struct { const char *path, *sha256; bool open; } Frozen;
typedef struct {
  mtl_context *c;
  const char *std;                     // folder of the shipped layers
  bool verify;
  VEC(Frozen) done;
  VEC(const char *) said;              // what was changed, or (verify) is not as it is pinned
} Freezer;

PRINTF_LIKE(2, 3) static void say(Freezer *f, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *line = arena_vprintf(f->c->arena, fmt, ap);
  va_end(ap);
  vec_push(f->c->arena, &f->said, line);
}

static const char *sha256_of(Arena *a, const char *text, size_t n) {
  char digits[SHA256_DIGITS + 1];
  sha256_lines(text, n, digits);
  return arena_printf(a, "sha256:%s", digits);
}

static const char *freeze_file(Freezer *f, const char *path);

static const char *pin_of(Freezer *f, const char *file, const Decl *d) {     // NULL: an error was reported
  Arena *a = f->c->arena;
  const char *name = d->value->name;
  if (strncmp(name, "std/", 4)) return freeze_file(f, path_joined(a, path_folder(a, file), name));
  size_t n;
  char *text = source_read_disk(arena_printf(a, "%s/%s", f->std, name + 4), &n);
  const char *pin = text ? sha256_of(a, text, n) : NULL;
  free(text);
  return pin;
}

static void compare_pin(Freezer *f, const Decl *d, const char *pin) {
  int line, column;
  const char *name = d->value->name;
  if (!f->verify || (d->text && !strcasecmp(d->text, pin))) return;
  source_line_col(f->c->sources, d->text ? d->text_at : d->value->at, &line, &column);
  const char *file = source_name(f->c->sources, d->at.file);
  if (d->text) say(f, "%s:%d:%d: `%s` is pinned as %.19s…, and is %.19s…", file, line, column, name, d->text, pin);
  else say(f, "%s:%d:%d: `%s` is not pinned", file, line, column, name);
}

// The file's text with the pins of its imports, written where it changed; its hash. NULL: an error was reported.
static const char *freeze_file(Freezer *f, const char *path) {
  Arena *a = f->c->arena;
  size_t n;
  for (int i = 0; i < f->done.n; i++)
    if (!strcmp(f->done.data[i].path, path)) return f->done.data[i].sha256;       // of one that is open: a cycle, which resolve() has told
  char *text = source_read_disk(path, &n);
  if (!text) {
    diag_error(f->c->diag, "import", (Place){0}, "cannot read `%s`: %s", path, strerror(errno));
    return NULL;
  }
  int at_done = f->done.n;
  vec_push(a, &f->done, ((Frozen){path, NULL, true}));
  uint32_t file = source_add(f->c->sources, path, text, n);
  const Ast *t = parse(a, f->c->sources, file, f->c->diag);
  Text out = {0};
  size_t from = 0;
  for (int i = 0; i < t->n; i++) {
    const Decl *d = &t->decls[i];
    const char *pin = d->kind == DECL_IMPORT ? pin_of(f, path, d) : NULL;
    if (!pin) continue;
    compare_pin(f, d, pin);
    size_t end = d->value->at.off + d->value->at.len;
    text_addn(&out, text + from, end - from);
    text_printf(&out, " %s", pin);
    from = d->text ? d->text_at.off + d->text_at.len : end;
  }
  text_addn(&out, text + from, n - from);
  bool same = out.n == n && !memcmp(out.data, text, n);
  const char *sha256 = f->verify ? sha256_of(a, text, n) : sha256_of(a, out.data ? out.data : "", out.n);
  if (!same && !f->verify) {
    file_write_whole(path, out.data, out.n, f->c->diag);
    say(f, "%s: pinned", path);
  }
  text_free(&out);
  free(text);
  f->done.data[at_done].sha256 = sha256;
  return diag_errors(f->c->diag) ? NULL : sha256;
}

// ---------------------------------------------------------------- the lock
static const char *lock_path(Arena *a, const char *spec) {
  size_t n = strlen(spec);
  bool mtl = n > 4 && !strcmp(spec + n - 4, ".mtl");
  return arena_printf(a, "%.*s.lock", (int)(mtl ? n - 4 : n), spec);
}

static void other_lines(Freezer *f, const char *path, const char *have, const char *want) {
  const char *what[] = {"is not in", "is in"}, *from[] = {want, have}, *in[] = {have, want};
  for (int k = 0; k < 2; k++)
    for (const char *s = from[k], *end; *s; s = end) {
      end = strchr(s, '\n') ? strchr(s, '\n') + 1 : s + strlen(s);
      const char *line = arena_strndup(f->c->arena, s, (size_t)(end - s)), *hit = strstr(in[k], line);
      if (!hit || (hit != in[k] && hit[-1] != '\n')) say(f, "%s: `%.*s` %s it%s", path, (int)(end - s - (end[-1] == '\n')), s, what[k], k ? ", and is so no more" : "");
    }
}

static void freeze_lock(Freezer *f, const char *spec) {
  const char *path = lock_path(f->c->arena, spec);
  size_t n;
  Text want = {0};
  const Canon *c = origin_open(f->c, spec, NULL);
  if (!c) return;
  lock_text(c->m, c, NULL, NULL, &want);
  char *have = source_read_disk(path, &n);
  bool same = have ? !strcmp(have, want.data) : want.n == 0;
  if (!same && f->verify) {
    if (have) other_lines(f, path, have, want.data);
    else say(f, "%s: it is not there", path);
  } else if (!same) {
    file_write_whole(path, want.data, want.n, f->c->diag);
    say(f, "%s: written", path);
  }
  free(have);
  text_free(&want);
}

int mtl_freeze(mtl_context *c, const char *spec, bool verify, bool json, char **report) {
  Freezer f = {.c = c, .std = std_folder(c->arena), .verify = verify};
  *report = NULL;
  if (access(spec, R_OK)) {
    diag_error(c->diag, "no-spec", (Place){0}, "cannot read the spec `%s`: %s", spec, strerror(errno));
    return 2;
  }
  if (f.std && freeze_file(&f, spec) && (!verify || !f.said.n)) freeze_lock(&f, spec);
  if (diag_errors(c->diag)) return diag_exit_code(c->diag);
  Text t = {0};
  json_t *lines = json_array();
  for (int i = 0; i < f.said.n; i++) {
    text_printf(&t, "%s\n", f.said.data[i]);
    json_array_append_new(lines, json_string(f.said.data[i]));
  }
  if (!f.said.n) text_printf(&t, "%s: %s\n", spec, verify ? "all is as it is pinned" : "all was pinned");
  if (json) *report = json_text(json_pack("{s:s, s:b, s:O}", "spec", spec, "same", f.said.n == 0, "changes", lines));
  else *report = t.data ? strdup(t.data) : NULL;
  json_decref(lines);
  text_free(&t);
  return verify && f.said.n ? 1 : 0;
}
