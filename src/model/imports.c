// imports.c: what a spec imports. "std/…" are layers from the shipped folder; a relative path, from the file that imports, is more of the
// spec itself, and stands in the resolved text in place of its import. It stays within the project: the nearest folder above that has
// a `.git`, else the spec's own.
#include "model_int.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <strings.h>
#include <unistd.h>

typedef struct { const char *path; Place at; uint32_t file; } OpenFile;      // relative imports that are being read: from the root of the disk
typedef struct {
  Spec *s;
  const char *std_dir, *folder;        // folder of the spec, "" or ending in '/'
  const char *here;                    // of the file that is being read, from that folder: "", "common/", "../common/"
  VEC(OpenFile) open;
  VEC(const char *) done;              // relative imports that are in already
  Text text;                           // resolved
} Loader;

static bool starts_with(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

// Below its folder: not absolute, no `..`.
static bool stays_below(const char *path) {
  if (path[0] == '/' || path[0] == 0) return false;
  for (const char *p = path; p; p = strchr(p, '/')) {
    if (*p == '/') p++;
    if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == 0)) return false;
  }
  return true;
}

// ---------------------------------------------------------------- pins
// What the import's text is; an error where it is pinned and another one.
static void note_import(Loader *l, const Decl *d, const char *name, const char *text, size_t n, bool is_std) {
  Spec *s = l->s;
  char digits[SHA256_DIGITS + 1];
  sha256_lines(text, n, digits);
  const char *sha256 = arena_printf(s->m.arena, "sha256:%s", digits);
  bool known = false;
  for (int i = 0; i < s->imports.n; i++) known |= strcmp(s->imports.data[i].name, name) == 0;
  if (!known) vec_push(s->m.arena, &s->imports, ((ModelImport){name, sha256, is_std}));
  if (!d || !d->text || strcasecmp(d->text, sha256) == 0) return;
  diag_error(s->diag, "import-changed", d->text_at, "`%s` is not the text that is pinned here: it is %s", name, sha256);
  diag_help(s->diag, "look at what changed in it; `mtlc freeze` pins what is there");
}

// The pin of a file that was read before.
static void check_pin_again(Loader *l, const Decl *d, const char *name) {
  for (int i = 0; d->text && i < l->s->imports.n; i++)
    if (strcmp(l->s->imports.data[i].name, name) == 0 && strcasecmp(d->text, l->s->imports.data[i].sha256) != 0) {
      diag_error(l->s->diag, "import-changed", d->text_at, "`%s` is not the text that is pinned here: it is %s", name, l->s->imports.data[i].sha256);
      diag_help(l->s->diag, "look at what changed in it; `mtlc freeze` pins what is there");
    }
}

// ---------------------------------------------------------------- std
static void add_layers(Spec *s, Module *m, const Ast *t) {
  for (int i = 0; i < t->n; i++) {
    const Decl *d = &t->decls[i];
    if (d->kind == DECL_LAYER && d->n_names) vec_push(s->m.arena, &m->layers, ((LayerDef){d->names[0].name, d, t->file}));
  }
}

static void help_std(Loader *l, const char *name) {
  Words found = {0};
  DIR *dir = opendir(l->std_dir);
  struct dirent *entry;
  while (dir && (entry = readdir(dir)) != NULL) {
    size_t n = strlen(entry->d_name);
    if (n > 4 && strcmp(entry->d_name + n - 4, ".mtl") == 0)
      vec_push(l->s->m.arena, &found, arena_printf(l->s->m.arena, "std/%s", entry->d_name));
  }
  if (dir) closedir(dir);
  help_nearest(l->s->diag, name, &found);
}

static Module *std_module(Loader *l, const Decl *d, const char *name, Place at) {
  Spec *s = l->s;
  for (int i = 0; i < s->modules.n; i++)
    if (s->modules.data[i]->is_std && strcmp(s->modules.data[i]->name, name) == 0) {
      if (d) check_pin_again(l, d, name);
      return s->modules.data[i];
    }
  size_t n;
  char *text = stays_below(name) ? source_read_disk(arena_printf(s->m.arena, "%s/%s", l->std_dir, name + 4), &n) : NULL;
  if (!text) {
    diag_error(s->diag, "import", at, "there is no `%s` in the library", name);
    help_std(l, name);
    return NULL;
  }
  Module *m = NEW(s->m.arena, Module);
  *m = (Module){.name = name, .is_std = true, .file = source_add(s->m.sources, name, text, n),
                .base = s->modules.n ? s->modules.data[0] : NULL};
  if (d) note_import(l, d, name, text, n, true);
  free(text);
  vec_push(s->m.arena, &s->modules, m);
  add_layers(s, m, parse(s->m.arena, s->m.sources, m->file, s->diag));
  return m;
}

// ---------------------------------------------------------------- the spec and its own imports
static void load_file(Loader *l, const Ast *t, bool is_main);

const char *path_folder(Arena *a, const char *path) {
  const char *slash = path ? strrchr(path, '/') : NULL;
  return slash ? arena_strndup(a, path, (size_t)(slash - path) + 1) : "";
}

static bool is_open(Loader *l, const char *key, const char *path, Place at) {
  for (int i = 0; i < l->open.n; i++) {
    if (strcmp(l->open.data[i].path, key) != 0) continue;
    diag_error(l->s->diag, "import-cycle", at, "`%s` imports itself", path);
    for (int k = i + 1; k < l->open.n; k++) diag_note(l->s->diag, l->open.data[k].at, "by way of this import");
    return true;
  }
  return false;
}

static bool is_done(Loader *l, const char *path) {
  for (int i = 0; i < l->done.n; i++)
    if (strcmp(l->done.data[i], path) == 0) return true;
  return false;
}

// "a/../b/./c" → "b/c"; `..` stays at the front alone.
const char *path_joined(Arena *a, const char *folder, const char *name) {
  const char *path = *folder && *name != '/' ? arena_printf(a, "%s/%s", folder, name) : name;
  Text t = {0};
  text_add(&t, *path == '/' ? "/" : "");
  for (size_t n; *path; path += n + (path[n] == '/')) {
    n = strcspn(path, "/");
    const char *slash = t.n ? strrchr(t.data, '/') : NULL, *last = !t.n ? "" : slash ? slash + 1 : t.data;
    bool up = n == 2 && !memcmp(path, "..", 2), root = !strcmp(t.data, "/");
    if (!n || (n == 1 && *path == '.') || (up && root)) continue;
    if (up && *last && strcmp(last, "..")) {
      t.n = !slash ? 0 : slash == t.data ? 1 : (size_t)(slash - t.data);
      t.data[t.n] = 0;
    } else text_printf(&t, "%s%.*s", t.n && !root ? "/" : "", (int)n, path);
  }
  char *s = arena_strdup(a, t.data);
  text_free(&t);
  return s;
}

static int levels(const char *path) {                       // how far above its folder it goes
  int n = 0;
  for (; !strncmp(path, "../", 3); path += 3) n++;
  return n;
}

static bool within_project(const Loader *l, const char *path) {
  enum { HIGHEST = 64 };
  Arena *a = l->s->m.arena;
  int most = 0, wanted = levels(path);
  const char *git = ".git";                                 // of a commit, the spec's folder may be gone: paths are joined as texts
  for (int i = 0; i < HIGHEST && wanted; i++, git = arena_printf(a, "../%s", git)) {
    if (access(path_joined(a, l->folder, git), F_OK)) continue;
    most = i;
    break;
  }
  return *path && *path != '/' && strcmp(path, "..") && wanted <= most;
}

static const char *from_root(Arena *a, const char *path) {
  char here[PATH_MAX];
  return *path != '/' && getcwd(here, sizeof here) ? path_joined(a, here, path) : path;
}

static void cannot_read(Loader *l, const Decl *d, const char *path, int why) {
  Spec *s = l->s;
  size_t n;
  diag_error(s->diag, "import", d->value->at, "cannot read `%s`: %s", path, strerror(why));
  char *text = *l->here ? source_read(s->m.sources, path_joined(s->m.arena, l->folder, d->value->name), &n) : NULL;
  if (text) diag_help(s->diag, "a path is relative to the file that imports, not to the spec");
  free(text);
}

static void import_own(Loader *l, const Decl *d) {
  Spec *s = l->s;
  Arena *a = s->m.arena;
  Place at = d->value->at;
  const char *path = path_joined(a, l->here, d->value->name);
  if (!within_project(l, path)) {
    diag_error(s->diag, "import", at, "an import stays within the project: the folder above that has a `.git`, else the spec's own");
    diag_help(s->diag, "the library's layers are imported as `import \"std/moe.mtl\"`");
    return;
  }
  if (d->n_names) {
    error_unsupported(s->diag, d->names[0].at, "`as` for an import of your own");
    return;
  }
  const char *full = path_joined(a, l->folder, path), *key = from_root(a, full);
  if (is_open(l, key, path, at)) return;
  if (is_done(l, key)) {
    check_pin_again(l, d, path);
    return;
  }
  size_t n;
  char *text = source_read(s->m.sources, full, &n);
  if (!text) {
    cannot_read(l, d, path, errno);
    return;
  }
  uint32_t file = source_add(s->m.sources, arena_printf(s->m.arena, "%s%s", full, source_suffix(s->m.sources)), text, n);
  note_import(l, d, path, text, n, false);
  free(text);
  const char *before = l->here;
  l->here = path_folder(a, path);
  vec_push(a, &l->open, ((OpenFile){key, at, file}));
  load_file(l, parse(a, s->m.sources, file, s->diag), false);
  l->open.n--;
  l->here = before;
  vec_push(a, &l->done, key);
}

static void import_std(Loader *l, const Decl *d) {
  Module *m = std_module(l, d, d->value->name, d->value->at);
  if (!m) return;
  const char *alias = d->n_names ? d->names[0].name : NULL;
  vec_push(l->s->m.arena, &l->s->modules.data[1]->refs, ((ModuleRef){alias, alias ? d->names[0].at : d->at, m}));
}

static void import(Loader *l, const Decl *d) {
  if (starts_with(d->value->name, "std/")) import_std(l, d);
  else import_own(l, d);
}

// Declarations in order, an own import's in its place; the text likewise.
static void load_file(Loader *l, const Ast *t, bool is_main) {
  Spec *s = l->s;
  size_t n, at = 0;
  const char *text = source_text(s->m.sources, t->file, &n);
  for (int i = 0; i < t->n; i++) {
    const Decl *d = &t->decls[i];
    bool own_import = d->kind == DECL_IMPORT && !starts_with(d->value->name, "std/");
    bool skipped = own_import || (!is_main && (d->kind == DECL_EDITION || d->kind == DECL_MODEL));
    if (skipped) text_addn(&l->text, text + at, d->at.off - at);
    if (!is_main && d->kind == DECL_MODEL)
      diag_error(s->diag, "import", d->at, "an imported file declares no model of its own");
    else if (d->kind == DECL_IMPORT) import(l, d);
    else if (is_main || d->kind != DECL_EDITION) vec_push(s->m.arena, &s->decls, d);
    if (skipped) at = d->at.off + d->at.len;
  }
  text_addn(&l->text, text + at, n - at);
  if (l->text.n && l->text.data[l->text.n - 1] != '\n') text_char(&l->text, '\n');
}

const char *beside_spec(Spec *s, const char *name) {
  return *name == '/' ? name : arena_printf(s->m.arena, "%s%s", s->folder, name);
}

// Behind a link, `..` is of the folder that it leads to.
static const char *real_folder(Arena *a, const char *folder) {
  char full[PATH_MAX];
  bool linked = realpath(*folder ? folder : ".", full) && strcmp(full, from_root(a, *folder ? folder : "."));
  return linked ? arena_printf(a, "%s/", full) : folder;
}

bool load_modules(Spec *s, const Ast *main, const char *spec_path, const char *std_dir) {
  Loader l = {.s = s, .std_dir = std_dir, .folder = path_folder(s->m.arena, spec_path), .here = ""};
  s->folder = l.folder;
  l.folder = real_folder(s->m.arena, l.folder);
  if (!std_module(&l, NULL, "std/base.mtl", (Place){0})) return false;
  Module *spec = NEW(s->m.arena, Module);
  *spec = (Module){.name = "", .file = main->file, .base = s->modules.data[0]};
  vec_push(s->m.arena, &s->modules, spec);
  load_file(&l, main, true);
  for (int i = 0; i < s->decls.n; i++) {
    const Decl *d = s->decls.data[i];
    if (d->kind == DECL_LAYER && d->n_names)
      vec_push(s->m.arena, &spec->layers, ((LayerDef){d->names[0].name, d, d->at.file}));
  }
  s->m.resolved = arena_strdup(s->m.arena, l.text.data ? l.text.data : "");
  text_free(&l.text);
  return true;
}

const LayerDef *module_layer(const Module *m, const char *name) {
  for (int i = 0; i < m->layers.n; i++)
    if (strcmp(m->layers.data[i].name, name) == 0) return &m->layers.data[i];
  return NULL;
}
