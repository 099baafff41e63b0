// lock.c: what a model is made of besides its own text, as lines that git merges one by one: sorted, a line an entry, no times, no
// platforms. A spec's has its imports and the vocabularies of files; a run's what was learned, and the data, too.
//   import common/user.mtl sha256:…
//   vocabulary plan file 3 values sha256:…          of the values, in order
//   vocabulary city learned 9 values sha256:…
//   statistics age 1 numbers sha256:…
//   data events 12345 bytes 0123456789abcdef
#include <inttypes.h>
#include "registry.h"
#include "version.h"

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

typedef struct { const Model *m; Arena *a; VEC(const char *) lines; } Lock;

PRINTF_LIKE(2, 3) static void add_line(Lock *l, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *line = arena_vprintf(l->a, fmt, ap);
  va_end(ap);
  vec_push(l->a, &l->lines, line);
}

static void add_vocabulary(Lock *l, const DataInput *in, const Vocabulary *v, const char *how) {
  Text t = {0};
  char digits[SHA256_DIGITS + 1];
  text_add(&t, "");
  for (int64_t i = 0; i < v->n; i++) quote_print(v->values[i], &t), text_char(&t, '\n');
  sha256_text(t.data, t.n, digits);
  add_line(l, "vocabulary %s %s %lld values sha256:%s", in->name, how, (long long)v->n, digits);
  text_free(&t);
}

static void add_statistics(Lock *l, const DataInput *in, const Affine *x, int n) {
  Text t = {0};
  char digits[SHA256_DIGITS + 1];
  for (int i = 0; i < n; i++) text_printf(&t, "%.17g %.17g %.17g %.17g %.17g\n", x[i].missing, x[i].shift, x[i].factor, x[i].lo, x[i].hi);
  sha256_text(t.data, t.n, digits);
  add_line(l, "statistics %s %d numbers sha256:%s", in->name, n, digits);
  text_free(&t);
}

static void add_learned(Lock *l, const PrepState *prep) {
  for (int i = 0; i < l->m->data.n_inputs; i++) {
    const DataInput *in = &l->m->data.inputs[i];
    const Vocabulary *v = in->id_at >= 0 ? &prep->vocab[in->id_at] : NULL;
    if (v && v->values && !in->like && !in->n_vocab) add_vocabulary(l, in, v, in->vocab_file ? "file" : "learned");
    if (in->dense_at >= 0 && in->width) add_statistics(l, in, &prep->dense[in->dense_at], in->width);
  }
}

static void add_files(Lock *l, json_t *files) {
  const char *name;
  json_t *f;
  json_object_foreach(files, name, f)
    add_line(l, "data %s %lld bytes %s", name, (long long)json_integer_value(json_object_get(f, "bytes")), json_string_value(json_object_get(f, "digest")));
}

// A file's vocabulary, where no run says it: the field of the canonical form has its values.
static void add_vocabulary_files(Lock *l, const Canon *c) {
  for (int i = 0; i < l->m->data.n_inputs; i++) {
    const DataInput *in = &l->m->data.inputs[i];
    const Entry *e = in->vocab_file ? canon_find(c, "input", in->name) : NULL;
    const Field *f = e ? entry_field(e, "vocab") : NULL;
    char digits[SHA256_DIGITS + 1];
    if (!f) continue;
    sha256_text(f->value, strlen(f->value), digits);
    add_line(l, "vocabulary %s file sha256:%s", in->name, digits);
  }
}

void lock_text(const Model *m, const Canon *c, const PrepState *prep, json_t *files, Text *out) {
  Lock l = {.m = m, .a = m->arena};
  for (int i = 0; i < m->n_imports; i++) add_line(&l, "import %s %s", m->imports[i].name, m->imports[i].sha256);
  if (c) add_vocabulary_files(&l, c);
  if (prep) add_learned(&l, prep);
  if (files) add_files(&l, files);
  if (l.lines.n) qsort(l.lines.data, (size_t)l.lines.n, sizeof *l.lines.data, by_text);
  text_add(out, "");
  for (int i = 0; i < l.lines.n; i++) text_printf(out, "%s\n", l.lines.data[i]);
}
