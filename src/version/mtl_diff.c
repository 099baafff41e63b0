// mtl_diff.c: mtl_diff: what one definition does to those who use another.
#include "diff.h"
#include "origin.h"

static int word_of(mtl_context *c, const char *word, const char *what, const char *const *names, int n) {
  if (!word) return 0;
  for (int i = 0; i < n; i++)
    if (!strcmp(names[i], word)) return i;
  const char *near = nearest(word, names, n);
  Text all = {0};
  for (int i = 0; i < n; i++) text_printf(&all, "%s`%s`", i ? ", " : "", names[i]);
  diag_error(c->diag, "bad-option", (Place){0}, "there is no %s `%s`", what, word);
  if (near) diag_help(c->diag, "did you mean `%s`?", near);
  diag_help(c->diag, "it can be: %s", all.data);
  text_free(&all);
  return -1;
}

bool diff_options(mtl_context *c, const char *category, const char *format, Category *asked, DiffFormat *form) {
  int a = word_of(c, category, "category", category_names, CATEGORY_NOTE), f = word_of(c, format, "format", format_names, N_FORMATS);
  *asked = (Category)a;
  *form = (DiffFormat)f;
  return a >= 0 && f >= 0;
}

int mtl_diff(mtl_context *c, const mtl_diff_options *o, char **report) {
  *report = NULL;
  DiffReport r = {.before = o->before, .after = o->after};
  DiffFormat format;
  Text t = {0};
  if (!diff_options(c, o->category, o->format, &r.asked, &format)) return diag_exit_code(c->diag);
  if (o->json) format = FORMAT_JSON;
  const Canon *before = origin_open(c, o->before, o->after);
  const Canon *after = before ? origin_open(c, o->after, o->before) : NULL;
  if (!after) return diag_exit_code(c->diag);
  Diff *d = diff_of(c->arena, before, after);
  diff_accept(d, c->diag);
  if (diag_errors(c->diag)) return diag_exit_code(c->diag);
  r.diff = d;
  report_diffs(&r, 1, false, format, o->quiet, &t);
  *report = t.data ? t.data : strdup("");
  return diff_breaks(d, r.asked) ? 1 : 0;
}
