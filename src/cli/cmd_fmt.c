// cmd_fmt.c: mtlc fmt PATH…: specs in the one style. A file is replaced whole, and only where it changes; one with errors stays as it is.
// Folders are walked in the order of names; what begins with a dot is passed over, and run folders.
#include "command.h"
#include "term.h"
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <sys/stat.h>

typedef struct {
  const Args *args;
  int code;                                        // the worst so far: 2 and 4 before 1
  int changed, seen;
  json_t *files;                                   // with --json: an object a file
} Job;

static void worsen(Job *j, int code) {
  if (code > j->code) j->code = code;
}

static char *read_stream(FILE *f, size_t *n) {     // malloc'd; NULL: errno
  Text t = {0};
  char buffer[65536];
  size_t got;
  while ((got = fread(buffer, 1, sizeof buffer, f)) > 0) text_addn(&t, buffer, got);
  if (ferror(f)) {
    text_free(&t);
    return NULL;
  }
  text_add(&t, "");
  *n = t.n;
  return t.data;
}

static char *read_path(const char *path, size_t *n) {
  if (!strcmp(path, "-")) return read_stream(stdin, n);
  FILE *f = fopen(path, "rb");
  char *text = f ? read_stream(f, n) : NULL;
  if (f) fclose(f);
  return text;
}

static void failed(Job *j, const char *path, const char *what) {
  fprintf(stderr, "mtlc fmt: cannot %s `%s`: %s\n", what, path, strerror(errno));
  worsen(j, errno == ENOENT || errno == EISDIR || errno == EACCES ? 2 : 4);
}

static void note_json(Job *j, const char *path, bool changed, const char *errors) {
  json_error_t ignored;
  if (j->files)
    json_array_append_new(j->files, json_pack("{s:s, s:b, s:o}", "file", path, "changed", changed, "errors", json_loads(errors, 0, &ignored)));
}

// What is formatted goes where it came from. same: it was in the style before.
static void deliver(Job *j, const char *path, const char *text, size_t n, bool same) {
  if (!same) j->changed++;
  if (j->args->check) {
    if (same) return;
    worsen(j, 1);
    if (!j->args->json && !j->args->quiet) out_text(path), out_text("\n");
  } else if (!strcmp(path, "-")) {
    if (!j->args->json && !out_write(text, n)) worsen(j, 4);
  } else if (!same && !file_put(path, text, n)) {
    failed(j, path, "write");
  }
}

static void format_file(Job *j, const char *path) {
  size_t n = 0, size = 0;
  char *text = read_path(path, &n), *out = NULL;
  if (!text) {
    failed(j, path, "read");
    return;
  }
  mtl_context *c = mtl_new();
  int code = mtl_fmt(c, strcmp(path, "-") ? path : "standard input", text, n, &out, &size);
  bool same = !code && n == size && memcmp(text, out, n) == 0;
  j->seen++;
  note_json(j, path, !code && !same, mtl_errors_json(c));
  if (code) {
    fputs(mtl_errors(c, term_colour()), stderr);
    worsen(j, code);
  } else {
    deliver(j, path, out, size, same);
  }
  mtl_text_free(out);
  mtl_free(c);
  free(text);
}

static int is_visible(const struct dirent *e) { return e->d_name[0] != '.'; }

static bool is_spec(const char *name) {
  size_t n = strlen(name);
  return n > 4 && !strcmp(name + n - 4, ".mtl");
}

static void format_path(Job *j, const char *path, bool named);

static void format_folder(Job *j, const char *path) {
  struct dirent **entry;
  int n = scandir(path, &entry, is_visible, alphasort);
  if (n < 0) {
    failed(j, path, "read");
    return;
  }
  for (int i = 0; i < n; i++) {
    Text below = {0};
    text_printf(&below, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", entry[i]->d_name);
    format_path(j, below.data, false);
    text_free(&below);
    free(entry[i]);
  }
  free(entry);
}

// named: by the user; below a folder, links to folders are not followed, and only .mtl files count.
static void format_path(Job *j, const char *path, bool named) {
  struct stat st;
  bool there = (named ? stat(path, &st) : lstat(path, &st)) == 0;
  if (there && S_ISDIR(st.st_mode)) {
    if (named || !mtl_is_run(path)) format_folder(j, path);
  } else if (named || is_spec(path)) format_file(j, path);
}

int cmd_fmt(const Args *a) {
  Job j = {.args = a, .files = a->json ? json_array() : NULL};
  for (int i = 0; i < a->n_operands; i++) format_path(&j, a->operand[i], true);
  if (a->json) {
    json_t *all = json_pack("{s:i, s:o}", "exit", j.code, "files", j.files);
    char *text = json_dumps(all, JSON_INDENT(2));
    if (!out_text(text) || !out_text("\n")) worsen(&j, 4);
    free(text);
    json_decref(all);
  } else if (!a->quiet && !j.code && strcmp(a->operand[0], "-")) {
    fprintf(stderr, "%d file%s, %d %s\n", j.seen, j.seen == 1 ? "" : "s", j.changed, a->check ? "to change" : "changed");
  }
  return j.code;
}
