// init.c: mtl_init: a data file → sniffed, profiled, guessed, written as a spec, which is checked before it is given away.
#include <errno.h>
#include <limits.h>
#include <unistd.h>
#include "init.h"

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

// hillstrom.csv.gz → hillstrom, as a spec may name a model.
static const char *model_name(Arena *a, const char *data) {
  const char *base = base_name(data);
  size_t n = strcspn(base[0] == '.' ? base + 1 : base, ".") + (base[0] == '.');
  const char *name = n ? spec_name(a, arena_strndup(a, base, n)) : NULL;
  return name ? name : "first";
}

// The data file as the spec names it: relative to the spec's folder, or from the root.
static const char *data_path(Arena *a, const char *data, const char *out) {
  char full[PATH_MAX];
  if (!out || !strchr(out, '/') || data[0] == '/' || !realpath(data, full)) return data;
  return arena_strdup(a, full);
}

// "visit,conversion" → names; one that is a column's whole name may hold commas.
static int label_list(Arena *a, const Profiles *p, const char *text, const char ***labels) {
  int n = 0;
  *labels = NEW_ARRAY(a, const char *, strlen(text) + 2);
  for (int i = 0; i < p->n; i++)
    if (!strcmp(p->column[i].name, text)) return (*labels)[0] = text, 1;
  while (*text) {
    size_t len = strcspn(text, ",");
    const char *s = text, *e = text + len;
    while (s < e && *s == ' ') s++;
    while (e > s && e[-1] == ' ') e--;
    if (e > s) (*labels)[n++] = arena_strndup(a, s, (size_t)(e - s));
    text += len + (text[len] == ',');
  }
  return n;
}

static json_t *number_or_null(const Profile *p, double v) { return p->number ? json_real(v) : json_null(); }

static json_t *text_json(const char *s) {                    // a cell may be no UTF-8
  json_t *j = json_string(s);
  return j ? j : json_null();
}

static json_t *column_json(const Choice *c) {
  static const char *const roles[] = { "input", "label", "split", "left out" };
  static const char *const shapes[] = { "empty", "constant", "number", "text", "time" };
  const Profile *p = c->p;
  json_t *top = json_array();
  for (int i = 0; i < 5 && i < p->distinct; i++)
    json_array_append_new(top, json_pack("{s:o, s:I}", "value", text_json(p->value[i].value), "count", (json_int_t)p->value[i].count));
  json_t *j = json_pack("{s:o, s:s, s:s, s:I, s:I, s:o}", "name", text_json(p->name), "role", roles[c->role], "shape", shapes[p->shape], "missing",
                        (json_int_t)p->missing, "distinct", (json_int_t)p->distinct, "most_frequent", top);
  json_object_set_new(j, "type", c->type && c->role != ROLE_OUT ? json_string(c->type) : json_null());
  json_object_set_new(j, "why", c->role == ROLE_OUT ? text_json(c->why) : json_null());
  json_object_set_new(j, "min", number_or_null(p, p->lo));
  json_object_set_new(j, "max", number_or_null(p, p->hi));
  json_object_set_new(j, "mean", number_or_null(p, p->mean));
  json_object_set_new(j, "skew", number_or_null(p, p->skew));
  return j;
}

static char *init_json(const Guess *g, const mtl_init_options *o, const char *spec) {
  json_t *columns = json_array(), *na = json_array();
  for (int i = 0; i < g->p->n; i++) json_array_append_new(columns, column_json(&g->c[i]));
  for (int i = 0; i < g->p->n_na; i++) json_array_append_new(na, json_string(g->p->na[i]));
  return json_text(json_pack("{s:o, s:s?, s:I, s:b, s:s, s:b, s:o, s:o, s:o}", "data", text_json(o->data), "out", o->out, "rows", (json_int_t)g->p->rows,
                             "header", g->format->n_header == 0, "delimiter", (char[]){ g->format->delimiter ? g->format->delimiter : ',', 0 }, "trim",
                             g->format->trim, "missing_spellings", na, "columns", columns, "spec", text_json(spec)));
}

static char *summary(const Guess *g, const char *out) {
  Text t = {0};
  int n_out = 0, n_inputs = 0;
  for (int i = 0; i < g->p->n; i++) {
    n_out += g->c[i].role == ROLE_OUT;
    n_inputs += g->c[i].role == ROLE_INPUT && g->c[i].group_size >= 0;
  }
  text_printf(&t, "%s: %s, %s; %s left out\nnext: mtlc check %s, then mtlc run %s\n", out, count_text(g->a, n_inputs, "input"),
              count_text(g->a, g->n_labels, "task"), count_text(g->a, n_out, "column"), out, out);
  return t.data;
}

// In the one style, and checked. A spec that its own compiler refuses is our mistake; better a spec with a warning than none.
static void format_and_check(mtl_context *c, Text *spec) {
  mtl_context *own = mtl_new();
  char *formatted = NULL;
  size_t n = 0;
  if (mtl_fmt(own, "first.mtl", spec->data, spec->n, &formatted, &n) == 0) {
    text_free(spec);
    text_addn(spec, formatted, n);
  }
  free(formatted);
  if (!check_spec(own, open_spec_text(own, "first.mtl", "first.mtl", spec->data, spec->n)))
    diag_warn(c->diag, "init-unsure", (Place){0}, "this spec needs mending before it checks: %s", mtl_errors(own, false));
  mtl_free(own);
}

static bool is_file(const char *out) { return out && strcmp(out, "-"); }

static bool write_out(mtl_context *c, const mtl_init_options *o, const Guess *g, Text *spec, char **report) {
  bool ok = !is_file(o->out) || file_write_whole(o->out, spec->data, spec->n, c->diag);
  if (!ok) return false;
  if (o->json) *report = init_json(g, o, spec->data);
  else if (is_file(o->out)) *report = summary(g, o->out);
  else {
    *report = spec->data;
    *spec = (Text){0};
  }
  return true;
}

static bool init(mtl_context *c, const mtl_init_options *o, const DataSource *format, const Profiles *p, char **report) {
  Guess g = { .a = c->arena, .p = p, .format = format, .c = NEW_ARRAY(c->arena, Choice, p->n + 1) };
  const char **labels = NULL, *name = is_file(o->out) ? o->out : "SPEC";
  int n = o->labels ? label_list(c->arena, p, o->labels, &labels) : 0;
  if (!guess_roles(&g, labels, n, c->diag)) return false;
  Text spec = {0};
  write_spec(&g, data_path(c->arena, o->data, is_file(o->out) ? o->out : NULL), model_name(c->arena, o->data), name, &spec);
  format_and_check(c, &spec);
  bool ok = write_out(c, o, &g, &spec, report);
  text_free(&spec);
  return ok;
}

static int64_t first_row(const Profile *c, int64_t code) {
  int64_t row = 0;
  while (c->code[row] != code) row++;
  return row;
}

// Names and texts go into the spec and into what a run keeps: a file in another encoding is refused as run does.
static bool all_utf8(const Profiles *p, Diag *d) {
  for (int i = 0; i < p->n; i++) {
    const Profile *c = &p->column[i];
    int64_t k = 0;
    while (c->shape == SHAPE_TEXT && k < c->distinct && is_utf8(c->value[k].value)) k++;
    bool name = is_utf8(c->name), cells = c->shape != SHAPE_TEXT || k == c->distinct;
    if (name && cells) continue;
    int64_t row = name ? first_row(c, k) : -1;
    diag_data(d, "not-utf8", p->table->path, row + 1, name ? p->table->line[row] : 0, name ? c->name : NULL, "%s is not in UTF-8",
              name ? "a text" : "the name of a column");
    diag_help(d, "if it is in Latin-1: iconv -f latin1 -t utf-8 %s >utf8.csv", base_name(p->table->path));
    return false;
  }
  return true;
}

int mtl_init(mtl_context *c, const mtl_init_options *o, char **report) {
  *report = NULL;
  if (is_file(o->out) && access(o->out, F_OK) == 0) {
    diag_error(c->diag, "file-exists", (Place){0}, "`%s` exists already, and init never writes over a spec", o->out);
    diag_help(c->diag, "name another file with -o, or see what it would say: mtlc init --data %s", o->data);
    return diag_exit_code(c->diag);
  }
  DataSource format = {0};
  Profiles *p = sniff(o->data, c->arena, &format, c->diag) ? profile_read(o->data, &format, c->diag) : NULL;
  if (p && all_utf8(p, c->diag)) init(c, o, &format, p, report);
  profile_free(p);
  return diag_exit_code(c->diag);
}
