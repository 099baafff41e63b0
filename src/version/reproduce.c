// reproduce.c: mtl_reproduce: a run is trained again, from its own spec, seed and files, and the bits are compared. What differs is
// said by name: a data file, the compiler, LLVM, the processor's kernels, BLAS; then the tensors.
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>
#include "registry.h"

typedef struct { VEC(const char *) data, setting, kept; } Differences;  // data: files that are not what they were; kept: told, and no matter

static const char *json_text_of(const json_t *j, const char *key) {
  const char *s = json_string_value(json_object_get(j, key));
  return s ? s : "";
}

// ---------------------------------------------------------------- before: files and versions
static const char *how_changed(Arena *a, const char *path, const json_t *was) {      // NULL: it is what it was
  const char *digest = json_text_of(was, "digest"), *why = NULL;
  long long bytes = (long long)json_integer_value(json_object_get(was, "bytes"));
  Fingerprint f;
  char digits[17];
  if (access(path, R_OK) && !strchr(path, ':')) why = arena_printf(a, "it cannot be read: %s", strerror(errno));
  else if (!fingerprint_of(fingerprint_file(a, path), &f)) why = arena_printf(a, "it cannot be read: %s", strerror(errno));
  else {
    snprintf(digits, sizeof digits, "%016" PRIx64, f.digest);
    if ((long long)f.bytes != bytes) why = arena_printf(a, "it has %llu bytes, and had %lld", (unsigned long long)f.bytes, bytes);
    else if (strcmp(digits, digest)) why = arena_printf(a, "its %lld bytes are others: digest %s, and was %s", bytes, digits, digest);
  }
  return why;
}

static const char *database_changed(Arena *a, const char *path, const json_t *rows) {   // NULL: its rows are what they were
  if (access(fingerprint_file(a, path), R_OK)) return arena_printf(a, "it cannot be read: %s", strerror(errno));
  return rows_are_same(a, path, rows) ? NULL : arena_printf(a, "its rows are others%s", row_changes(a, path, rows));
}

static const char *text_changed(Arena *a, const char *path, const json_t *was) {
  const char *why = how_changed(a, path, was);
  return why && !access(path, R_OK) ? arena_printf(a, "%s%s", why, row_changes(a, path, json_object_get(was, "rows"))) : why;
}

static void compare_file(Arena *a, const char *name, const json_t *was, Differences *d) {
  const json_t *rows = json_object_get(was, "rows");
  const char *path = json_text_of(was, "path"), *why = rows_of_database(rows) ? database_changed(a, path, rows) : text_changed(a, path, was);
  if (!why) return;
  const char *text = arena_printf(a, "%s (%s): %s", strcmp(name, "--test") ? name : "held-out rows", path, why);
  vec_push(a, &d->data, text);
}

// The run that it started from: where it was or, both having moved, beside this one. NULL: it started from none.
static const char *start_path(Arena *a, const RunEntry *e) {
  const char *path = json_string_value(json_object_get(json_object_get(e->run, "from"), "path")), *name = path ? strrchr(path, '/') : NULL;
  if (!path || !access(path, F_OK) || !name) return path;
  const char *beside = arena_printf(a, "%s/..%s", e->path, name);
  return access(beside, F_OK) ? path : beside;
}

static void compare_start(Arena *a, const RunEntry *e, Differences *d) {
  const char *path = start_path(a, e), *file, *gone = path && access(path, F_OK) ? arena_printf(a, "it cannot be read: %s", strerror(errno)) : NULL;
  json_t *was;
  if (gone) vec_push(a, &d->data, arena_printf(a, "the run that it started from (%s): %s", path, gone));
  json_object_foreach(json_object_get(json_object_get(e->run, "from"), "files"), file, was) {
    const char *why = gone ? NULL : how_changed(a, arena_printf(a, "%s/%s", path, file), was);
    if (why) vec_push(a, &d->data, arena_printf(a, "the run that it started from (%s): %s: %s", path, file, why));
  }
}

// A vocabulary of a file: the run trains on the values that it keeps, whatever has become of the file.
static void compare_vocabulary(Arena *a, const char *run, const char *input, const json_t *v, Differences *d) {
  const json_t *from = json_object_get(v, "from"), *kept = json_object_get(v, "kept");
  const char *path = json_text_of(from, "path"), *own = arena_printf(a, "%s/%s", run, json_text_of(kept, "path"));
  const char *changed = how_changed(a, path, from), *broken = how_changed(a, own, kept);
  if (changed && !broken) {
    const char *text = arena_printf(a, "%s, the vocabulary of `%s`, in place of %s: %s", own, input, path, changed);
    vec_push(a, &d->kept, text);
  }
  if (!broken) return;
  const char *text = arena_printf(a, "the vocabulary of `%s` (%s): %s", input, own, broken);
  vec_push(a, &d->data, text);
}

static const char *build_line(Arena *a, const char *build, const char *key) {     // "LLVM: 19.1.7\n…" → "19.1.7"
  size_t k = strlen(key);
  for (const char *s = build; s && *s; s = strchr(s, '\n') ? strchr(s, '\n') + 1 : NULL)
    if (!strncmp(s, key, k) && s[k] == ':') return arena_strndup(a, s + k + 2, strcspn(s + k + 2, "\n"));
  return NULL;
}

static void compare_setting(Arena *a, const json_t *was, const json_t *now, Differences *d) {
  static const char *const keys[] = {"mtlc", "LLVM", "target", "BLAS"};
  for (int i = 0; i < COUNT_OF(keys); i++) {
    const char *x = build_line(a, json_text_of(was, "build"), keys[i]), *y = build_line(a, json_text_of(now, "build"), keys[i]);
    if ((!x && !y) || (x && y && !strcmp(x, y))) continue;
    const char *text = arena_printf(a, "%s: %s, and was %s", keys[i], y ? y : "none", x ? x : "none");
    vec_push(a, &d->setting, text);
  }
}

// ---------------------------------------------------------------- after: tensors
static json_t *weights_header(const char *path) {             // the metadata of a file that was just written or trusted to be whole
  uint64_t n;
  FILE *f = fopen(path, "rb");
  json_t *j = f && fread(&n, sizeof n, 1, f) == 1 ? json_loadf(f, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL) : NULL;
  if (f) fclose(f);
  json_t *meta = json_incref(json_object_get(j, "__metadata__"));
  json_decref(j);
  return meta;
}

static bool same_rest(FILE *x, FILE *y) {
  enum { PIECE = 1 << 16 };
  char a[PIECE], b[PIECE];
  for (size_t n = 1; n;) {
    n = fread(a, 1, PIECE, x);
    if (fread(b, 1, PIECE, y) != n || memcmp(a, b, n)) return false;
  }
  return !ferror(x) && !ferror(y);
}

static bool same_bytes(const char *x, const char *y) {
  FILE *a = fopen(x, "rb"), *b = fopen(y, "rb");
  bool same = a && b && same_rest(a, b);
  if (a) fclose(a);
  if (b) fclose(b);
  return same;
}

// Names of tensors whose digests differ, `digest:NAME` in the metadata.
static json_t *other_tensors(Arena *a, const char *old, const char *new) {
  json_t *list = json_array(), *x = weights_header(arena_printf(a, "%s/weights.safetensors", old)),
         *y = weights_header(arena_printf(a, "%s/weights.safetensors", new)), *v;
  const char *key;
  json_object_foreach(x, key, v) {
    const char *again = json_text_of(y, key);
    if (!strncmp(key, "digest:", 7) && strcmp(json_string_value(v) ? json_string_value(v) : "", again)) json_array_append_new(list, json_string(key + 7));
  }
  json_decref(x), json_decref(y);
  return list;
}

// ---------------------------------------------------------------- the whole
static json_t *words_json(const char *const *words, int n) {
  json_t *list = json_array();
  for (int i = 0; i < n; i++) json_array_append_new(list, json_string(words[i]));
  return list;
}

static void words_text(const char *what, const char *const *words, int n, Text *out) {
  for (int i = 0; i < n; i++) text_printf(out, "%s%s\n", what, words[i]);
}

static void answer(const char *run, bool trained, bool same, json_t *tensors, const Differences *d, bool json, char **report) {
  Text t = {0};
  if (json) {
    *report = json_text(json_pack("{s:s, s:b, s:b, s:O, s:o, s:o, s:o}", "run", run, "trained", trained, "same", same, "tensors", tensors, "data",
                                  words_json(d->data.data, d->data.n), "setting", words_json(d->setting.data, d->setting.n), "kept",
                                  words_json(d->kept.data, d->kept.n)));
    return;
  }
  words_text("changed since: ", d->data.data, d->data.n, &t);
  words_text("of the run itself: ", d->kept.data, d->kept.n, &t);
  words_text("other now: ", d->setting.data, d->setting.n, &t);
  if (!trained) text_printf(&t, "%s cannot be reproduced: its data have changed\n", run);
  else if (same) text_printf(&t, "%s is reproduced: the same weights, bit by bit\n", run);
  else {
    text_printf(&t, "%s is NOT reproduced: %zu tensors differ:", run, json_array_size(tensors));
    for (size_t i = 0; i < json_array_size(tensors) && i < 5; i++) text_printf(&t, " %s", json_string_value(json_array_get(tensors, i)));
    text_add(&t, json_array_size(tensors) > 5 ? " …\n" : "\n");
  }
  *report = t.data;
}

typedef struct { mtl_context *c; const char *tmp; } Again;

// Trains again into o->tmp. The words of --data name all sources by name.
static int train_again(Again *again, const RunEntry *e, const mtl_reproduce_options *o, char **errors) {
  Arena *a = again->c->arena;
  const json_t *files = json_object_get(e->run, "files");
  const char **words = NEW_ARRAY(a, const char *, json_object_size(files) + 2), *name, *test = NULL;
  json_t *f;
  int n = 0;
  json_object_foreach((json_t *)files, name, f) {
    if (!strcmp(name, "--test")) test = json_text_of(f, "path");
    else words[n++] = arena_printf(a, "%s=%s", name, json_text_of(f, "path"));
  }
  bool no_state = access(arena_printf(a, "%s/" OPTIMIZER_FILE, e->path), F_OK) != 0;       // it took and kept none
  mtl_run_options run = {.from = start_path(a, e), .spec = arena_printf(a, "%s/spec.mtl", e->path), .data = n ? words : NULL, .test = test, .out = again->tmp,
                         .epochs = json_integer_value(json_object_get(e->run, "epochs")), .seed = json_integer_value(json_object_get(e->run, "seed")),
                         .has_seed = true, .allow_drop = true, .no_state = no_state, .json = true, .stop = o->stop, .progress = o->progress, .ctx = o->ctx,
                         .forget = true};
  mtl_context *inner = mtl_new();
  char *report = NULL;
  mtl_memory(inner, again->c->memory);
  mtl_tables(inner, again->c->tables);
  int code = mtl_run(inner, &run, &report);
  if (code != 0 && code != 1) *errors = arena_strdup(a, mtl_errors(inner, false));
  mtl_text_free(report);
  mtl_free(inner);
  return code;
}

int mtl_reproduce(mtl_context *c, const mtl_reproduce_options *o, char **report) {
  RunEntry e, now;
  const char *why, *path = run_path(c, o->run), *name;
  Differences d = {0};
  json_t *f, *tensors = NULL;
  char *errors = NULL;
  *report = NULL;
  if (!run_entry_read(c->arena, path, &e, &why)) {
    diag_error(c->diag, "bad-run", (Place){0}, "`%s` is no run: %s", o->run, why);
    return 2;
  }
  json_t *files = json_object_get(e.run, "files");
  bool complete = !strcmp(json_text_of(e.run, "status"), "complete");
  if (!complete || !files) {
    diag_error(c->diag, "bad-run", (Place){0}, complete ? "`%s` says nothing of its files: an older mtlc made it" : "`%s` was interrupted: there is no end to compare",
               o->run);
    run_entry_free(&e);
    return 2;
  }
  json_object_foreach(files, name, f) compare_file(c->arena, name, f, &d);
  json_object_foreach(json_object_get(e.run, "vocabularies"), name, f) compare_vocabulary(c->arena, path, name, f, &d);
  compare_start(c->arena, &e, &d);
  Again again = {c, arena_printf(c->arena, "%s.again-%ld", path, (long)getpid())};
  int code = d.data.n ? 1 : train_again(&again, &e, o, &errors);
  bool trained = !d.data.n && (code == 0 || code == 1), same = false;
  if (trained && run_entry_read(c->arena, again.tmp, &now, &why)) {
    compare_setting(c->arena, e.run, now.run, &d);
    run_entry_free(&now);
    same = same_bytes(arena_printf(c->arena, "%s/weights.safetensors", path), arena_printf(c->arena, "%s/weights.safetensors", again.tmp));
    tensors = other_tensors(c->arena, path, again.tmp);
  }
  run_folder_remove(again.tmp);
  run_entry_free(&e);
  if (trained || d.data.n) answer(o->run, trained, same, tensors ? tensors : json_array(), &d, o->json, report);
  json_decref(tensors);
  if (trained || d.data.n) return same ? 0 : 1;
  if (code == 130) return 130;
  diag_error(c->diag, "not-reproduced", (Place){0}, "training `%s` again failed:\n%s", o->run, errors ? errors : "");
  return code;
}
