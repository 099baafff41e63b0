// report.c: findings as text for people, as JSON, as SARIF 2.1.0 (OASIS), and as the workflow commands by which a hosted review
// annotates lines.
#include <jansson.h>
#include "../mtl.h"
#include "diff.h"

const char *const format_names[N_FORMATS] = {"text", "json", "sarif", "github"};

typedef struct { const char *file; int line, column; } Spot;

static Spot spot_of(const Canon *c, Place at) {
  Spot s = {source_name(c->m->sources, at.file), 0, 0};
  if (s.file) source_line_col(c->m->sources, at, &s.line, &s.column);
  return s;
}

// ---------------------------------------------------------------- one finding of many specs
// What specs share is told once, with the number of specs, of report k and those behind it.
typedef struct { const DiffReport *r; int n, k; } Reports;

static bool same_spot(Spot x, Spot y) {
  return (!x.file || !y.file) ? x.file == y.file : x.line == y.line && x.column == y.column && !strcmp(x.file, y.file);
}

static bool has_finding(const DiffReport *r, const DiffReport *other, const Finding *f) {
  for (int i = 0; i < other->diff->all.n; i++) {
    const Finding *g = &other->diff->all.data[i];
    if (g->rule == f->rule && !g->accepted == !f->accepted && !strcmp(g->text, f->text) &&
        same_spot(spot_of(other->diff->after, g->after), spot_of(r->diff->after, f->after)) &&
        same_spot(spot_of(other->diff->before, g->before), spot_of(r->diff->before, f->before)))
      return true;
  }
  return false;
}

static bool is_told(const Reports *all, const Finding *f) {
  for (int i = 0; i < all->k; i++)
    if (has_finding(&all->r[all->k], &all->r[i], f)) return true;
  return false;
}

// "3: a.mtl, b.mtl, c.mtl"; "" where it is one alone.
static void specs_text(const Reports *all, const Finding *f, Text *out) {
  enum { SHOWN = 4 };
  Text names = {0};
  int n = 0;
  for (int i = all->k; i < all->n; i++) {
    if (!has_finding(&all->r[all->k], &all->r[i], f)) continue;
    if (n < SHOWN) text_printf(&names, "%s%s", n ? ", " : "", all->r[i].after);
    n++;
  }
  text_add(out, "");
  if (n > 1) text_printf(out, "%d: %s", n, names.data);
  if (n > SHOWN) text_printf(out, " and %d more", n - SHOWN);
  text_free(&names);
}

// ---------------------------------------------------------------- the verdict on all of them
typedef struct { Serving serving; WarmStart warm; Training training; int breaks, accepted; } Verdict;

static Verdict verdict_of(const DiffReport *r) {
  Verdict v = {0};
  v.breaks = diff_breaks(r->diff, r->asked);
  for (int i = 0; i < r->diff->all.n; i++) {
    const Finding *f = &r->diff->all.data[i];
    const RuleRow *row = &rule_rows[f->rule];
    if (row->serving > v.serving) v.serving = row->serving;
    if (f->warm > v.warm) v.warm = f->warm;
    if (row->training > v.training) v.training = row->training;
    v.accepted += f->accepted != NULL;
  }
  return v;
}

// ---------------------------------------------------------------- text
static void spot_text(Spot s, Text *out) {
  if (s.file) text_printf(out, "%s:%d:%d: ", s.file, s.line, s.column);
}

static void finding_text(const Reports *all, const Finding *f, Text *out) {
  const DiffReport *r = &all->r[all->k];
  const RuleRow *row = &rule_rows[f->rule];
  Text specs = {0};
  Spot before = spot_of(r->diff->before, f->before), after = spot_of(r->diff->after, f->after);
  spot_text(after.file ? after : before, out);
  text_printf(out, "%s[%s]: %s\n", finding_breaks(f, r->asked) ? "break" : f->accepted ? "accepted" : "note", row->id, f->text);
  if (before.file) text_printf(out, "  before   %s:%d:%d\n", before.file, before.line, before.column);
  text_printf(out, "  serving  %s; weights: %s; training: %s\n", serving_names[row->serving], warm_names[f->warm], training_names[row->training]);
  text_printf(out, "  breaks   %s\n", row->breaks);
  if (f->accepted) text_printf(out, "  accepted %s\n", f->accepted);
  else if (*row->instead) text_printf(out, "  instead  %s\n", row->instead);
  specs_text(all, f, &specs);
  if (*specs.data) text_printf(out, "  specs    %s\n", specs.data);
  text_free(&specs);
}

static void diff_text(const Reports *all, bool quiet, Text *out) {
  const DiffReport *r = &all->r[all->k];
  Verdict v = verdict_of(r);
  int n = r->diff->all.n;
  for (int i = 0; i < n; i++)
    if ((!quiet || finding_breaks(&r->diff->all.data[i], r->asked)) && !is_told(all, &r->diff->all.data[i])) finding_text(all, &r->diff->all.data[i], out);
  if (quiet) return;
  if (n == 0) {
    text_printf(out, "%s and %s are the same model\n", r->before, r->after);
    return;
  }
  text_printf(out, "%s → %s: %d change%s, %d break%s of the %s%s", r->before, r->after, n, n == 1 ? "" : "s", v.breaks, v.breaks == 1 ? "" : "s",
              category_names[r->asked], v.accepted ? "" : "\n");
  if (v.accepted) text_printf(out, ", %d accepted\n", v.accepted);
  text_printf(out, "  serving  %s; weights: %s; training: %s\n", serving_names[v.serving], warm_names[v.warm], training_names[v.training]);
}

// ---------------------------------------------------------------- JSON
static json_t *spot_json(Spot s) {
  return s.file ? json_pack("{s:s, s:i, s:i}", "file", s.file, "line", s.line, "column", s.column) : json_null();
}

static json_t *finding_json(const DiffReport *r, const Finding *f) {
  const RuleRow *row = &rule_rows[f->rule];
  json_t *j = json_pack("{s:s, s:s, s:b, s:s?, s:s}", "rule", row->id, "category", category_names[row->category], "break",
                        finding_breaks(f, r->asked), "accepted", f->accepted, "text", f->text);
  json_object_set_new(j, "kind", json_string(f->kind));
  json_object_set_new(j, "name", json_string(f->name));
  json_object_set_new(j, "field", f->field ? json_string(f->field) : json_null());
  json_object_set_new(j, "before", spot_json(spot_of(r->diff->before, f->before)));
  json_object_set_new(j, "after", spot_json(spot_of(r->diff->after, f->after)));
  json_object_set_new(j, "serving", json_string(serving_names[row->serving]));
  json_object_set_new(j, "weights", json_string(warm_names[f->warm]));
  json_object_set_new(j, "training", json_string(training_names[row->training]));
  json_object_set_new(j, "breaks", json_string(row->breaks));
  json_object_set_new(j, "instead", json_string(row->instead));
  return j;
}

static json_t *hashes_json(const Canon *c) {
  Hashes h;
  json_t *j = json_object();
  canon_hash(c, &h);
  for (int i = 0; i < N_SCOPES; i++) json_object_set_new(j, scope_names[i], json_string(h.text[i]));
  return j;
}

static json_t *diff_json(const DiffReport *r) {
  Verdict v = verdict_of(r);
  json_t *findings = json_array();
  for (int i = 0; i < r->diff->all.n; i++) json_array_append_new(findings, finding_json(r, &r->diff->all.data[i]));
  return json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:s, s:{s:o, s:o}, s:o}", "before", r->before, "after", r->after, "category",
                   category_names[r->asked], "breaks", v.breaks, "accepted", v.accepted, "serving", serving_names[v.serving], "weights",
                   warm_names[v.warm], "training", training_names[v.training], "hashes", "before", hashes_json(r->diff->before), "after",
                   hashes_json(r->diff->after), "changes", findings);
}

static void add_json(json_t *j, Text *out) {
  char *s = json_dumps(j, JSON_INDENT(2));
  text_printf(out, "%s\n", s ? s : "null");
  free(s);
  json_decref(j);
}

static void json_report(const DiffReport *r, int n, bool list, Text *out) {
  if (!list) {
    add_json(diff_json(r), out);
    return;
  }
  json_t *all = json_array();
  for (int i = 0; i < n; i++) json_array_append_new(all, diff_json(&r[i]));
  add_json(all, out);
}

// ---------------------------------------------------------------- SARIF
static json_t *sarif_rules(void) {
  json_t *rules = json_array();
  for (int i = 0; i < N_RULES; i++) {
    const RuleRow *row = &rule_rows[i];
    json_t *j = json_pack("{s:s, s:{s:s}, s:{s:s}}", "id", row->id, "shortDescription", "text", row->breaks, "properties", "category",
                          category_names[row->category]);
    if (*row->instead) json_object_set_new(j, "help", json_pack("{s:s}", "text", row->instead));
    json_array_append_new(rules, j);
  }
  return rules;
}

// A path as a URI: what is not unreserved there, by its bytes (RFC 3986).
static json_t *uri(const char *path) {
  Text t = {0};
  text_add(&t, "");
  for (; *path; path++) {
    bool plain = (*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z') || (*path >= '0' && *path <= '9') || strchr("-._~/@", *path);
    if (plain) text_char(&t, *path);
    else text_printf(&t, "%%%02X", (unsigned char)*path);
  }
  json_t *j = json_string(t.data);
  text_free(&t);
  return j;
}

static json_t *sarif_location(Spot s) {
  return json_pack("{s:{s:{s:o}, s:{s:i, s:i}}}", "physicalLocation", "artifactLocation", "uri", uri(s.file), "region", "startLine", s.line,
                   "startColumn", s.column);
}

static json_t *sarif_result(const Reports *all, const Finding *f) {
  const DiffReport *r = &all->r[all->k];
  const RuleRow *row = &rule_rows[f->rule];
  Text specs = {0};
  specs_text(all, f, &specs);
  Spot before = spot_of(r->diff->before, f->before), after = spot_of(r->diff->after, f->after);
  json_t *text = json_sprintf("%s: %s. Serving: %s; weights: %s; training: %s.%s%s%s%s", f->text, row->breaks, serving_names[row->serving],
                              warm_names[f->warm], training_names[row->training], *row->instead ? " Instead: " : "", row->instead,
                              *specs.data ? ". Specs: " : "", specs.data);
  text_free(&specs);
  json_t *j = json_pack("{s:s, s:i, s:s, s:{s:o}, s:[]}", "ruleId", row->id, "ruleIndex", (int)f->rule, "level",
                        finding_breaks(f, r->asked) ? "error" : "note", "message", "text", text, "locations");
  if (after.file) json_array_append_new(json_object_get(j, "locations"), sarif_location(after));
  if (before.file) {
    json_t *old = sarif_location(before);
    json_object_set_new(old, "message", json_pack("{s:s}", "text", "before"));
    json_object_set_new(j, "relatedLocations", json_pack("[o]", old));
  }
  if (f->accepted)
    json_object_set_new(j, "suppressions", json_pack("[{s:s, s:s}]", "kind", "inSource", "justification", f->accepted));
  return j;
}

static void sarif_report(const DiffReport *r, int n, Text *out) {
  json_t *results = json_array();
  for (int k = 0; k < n; k++)
    for (int i = 0; i < r[k].diff->all.n; i++) {
      Reports all = {r, n, k};
      if (!is_told(&all, &r[k].diff->all.data[i])) json_array_append_new(results, sarif_result(&all, &r[k].diff->all.data[i]));
    }
  json_t *driver = json_pack("{s:s, s:s, s:o}", "name", "mtlc", "version", mtl_version(), "rules", sarif_rules());
  add_json(json_pack("{s:s, s:s, s:[{s:{s:o}, s:s, s:o}]}", "$schema", "https://json.schemastore.org/sarif-2.1.0.json", "version", "2.1.0",
                     "runs", "tool", "driver", driver, "columnKind", "unicodeCodePoints", "results", results), out);
}

// ---------------------------------------------------------------- annotations
static void escaped(const char *s, bool property, Text *out) {
  for (; *s; s++) {
    if (*s == '%' || *s == '\r' || *s == '\n' || (property && (*s == ':' || *s == ','))) text_printf(out, "%%%02X", (unsigned char)*s);
    else text_char(out, *s);
  }
}

static void annotation(const Reports *all, const Finding *f, Text *out) {
  const DiffReport *r = &all->r[all->k];
  const RuleRow *row = &rule_rows[f->rule];
  Spot at = spot_of(r->diff->after, f->after);
  Text specs = {0};
  text_add(out, finding_breaks(f, r->asked) ? "::error " : "::notice ");
  if (at.file) text_add(out, "file="), escaped(at.file, true, out), text_printf(out, ",line=%d,col=%d,", at.line, at.column);
  text_printf(out, "title=%s::", row->id);
  escaped(f->text, false, out);
  text_add(out, ": "), escaped(f->accepted ? f->accepted : row->breaks, false, out);
  if (*row->instead && !f->accepted) text_add(out, "%0AInstead: "), escaped(row->instead, false, out);
  specs_text(all, f, &specs);
  if (*specs.data) text_add(out, "%0ASpecs: "), escaped(specs.data, false, out);
  text_free(&specs);
  text_char(out, '\n');
}

static void github_report(const Reports *all, Text *out) {
  const Diff *d = all->r[all->k].diff;
  for (int i = 0; i < d->all.n; i++)
    if (!is_told(all, &d->all.data[i])) annotation(all, &d->all.data[i], out);
}

void report_diffs(const DiffReport *r, int n, bool list, DiffFormat format, bool quiet, Text *out) {
  if (format == FORMAT_JSON) json_report(r, n, list, out);
  else if (format == FORMAT_SARIF) sarif_report(r, n, out);
  else
    for (int k = 0; k < n; k++) {
      Reports all = {r, n, k};
      if (format == FORMAT_GITHUB) github_report(&all, out);
      else diff_text(&all, quiet, out);
    }
}
