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

static bool read_options(mtl_context *c, const mtl_diff_options *o, Category *asked, DiffFormat *format) {
  int category = word_of(c, o->category, "category", category_names, CATEGORY_NOTE);
  int form = word_of(c, o->format, "format", format_names, N_FORMATS);
  *asked = (Category)category;
  *format = o->json ? FORMAT_JSON : (DiffFormat)form;
  return category >= 0 && form >= 0;
}

int mtl_diff(mtl_context *c, const mtl_diff_options *o, char **report) {
  *report = NULL;
  DiffReport r = {.before = o->before, .after = o->after};
  DiffFormat format;
  Text t = {0};
  if (!read_options(c, o, &r.asked, &format)) return diag_exit_code(c->diag);
  const Canon *before = origin_open(c, o->before, o->after);
  const Canon *after = before ? origin_open(c, o->after, o->before) : NULL;
  if (!after) return diag_exit_code(c->diag);
  Diff *d = diff_of(c->arena, before, after);
  diff_accept(d, c->diag);
  if (diag_errors(c->diag)) return diag_exit_code(c->diag);
  r.diff = d;
  report_diffs(&r, 1, format, o->quiet, &t);
  *report = t.data ? t.data : strdup("");
  return diff_breaks(d, r.asked) ? 1 : 0;
}
