// resolve_prep.c: how numbers, categories and ids are prepared: clauses → Prep and the fields of a DataInput.
#include "model_int.h"
#include <math.h>

// ---------------------------------------------------------------- numbers
void prep_missing(Spec *s, const Decl *d, Prep *p, const char *name) {
  static const char *const names[] = {"error", "mean", "median", "mode", "drop"};
  static const MissingPolicy policies[] = {MISSING_ERROR, MISSING_MEAN, MISSING_MEDIAN, MISSING_MODE, MISSING_DROP};
  const Clause *c = find_clause(d, "missing");
  if (!c) {
    add_default(s, d->at, arena_printf(s->m.arena, "%s.missing", name), "error");
    return;
  }
  if (const_number(s, c->value, &p->missing_value) && isfinite(p->missing_value)) {
    p->missing = MISSING_CONSTANT;
    return;
  }
  int row = choose(s, c->value, "`missing` (a number, or one of these)", names, COUNT_OF(names));
  if (row >= 0) p->missing = policies[row];
}

// An end of a range: a number, or quantile(p) of the training values.
static bool clip_end(Spec *s, const Expr *e, const char *what, double *value, ClipEnd *at) {
  static const Key keys[] = {{"p", false}};
  const Expr *p;
  const char *name = callee_name(e);
  if (!name || strcmp(name, "quantile") != 0) return need_number(s, e, what, -INFINITY, INFINITY, value);
  *at = CLIP_AT_QUANTILE;
  if (!match_args(s, e, "`quantile`", keys, 1, &p)) return false;
  if (p) return need_number(s, p, "the quantile", 0, 1, value);
  diag_error(s->diag, "missing-argument", e->at, "`quantile` needs which one: `quantile(0.99)`");
  return false;
}

// sigmas(n): the mean less and plus n deviations.
static void clip_sigmas(Spec *s, const Expr *e, Prep *p) {
  static const Key keys[] = {{"n", false}};
  const Expr *n;
  if (!match_args(s, e, "`sigmas`", keys, 1, &n)) return;
  if (!n) {
    diag_error(s->diag, "missing-argument", e->at, "`sigmas` needs how many deviations: `sigmas(3)`");
  } else if (need_number(s, n, "the number of deviations", 0, INFINITY, &p->clip_hi)) {
    p->has_clip = true;
    p->clip_lo = -p->clip_hi;
    p->clip_at_lo = p->clip_at_hi = CLIP_AT_SIGMAS;
  }
}

void prep_clip(Spec *s, const Decl *d, Prep *p) {
  const Clause *c = find_clause(d, "clip");
  if (!c) return;
  const Expr *e = c->value;
  const char *name = callee_name(e);
  if (name && strcmp(name, "sigmas") == 0) {
    clip_sigmas(s, e, p);
    return;
  }
  if (e->kind != EX_BINARY || e->op != AST_RANGE) {
    diag_error(s->diag, "bad-value", e->at, "`clip` is a range, as `0..100`");
    diag_help(s->diag, "an end may be `quantile(0.99)` of the training rows; `sigmas(3)` are deviations from their mean");
    return;
  }
  if (!clip_end(s, e->a, "the lower end", &p->clip_lo, &p->clip_at_lo) ||
      !clip_end(s, e->b, "the upper end", &p->clip_hi, &p->clip_at_hi))
    return;
  p->has_clip = p->clip_at_lo != p->clip_at_hi || p->clip_lo < p->clip_hi;
  if (!p->has_clip)
    diag_error(s->diag, "bad-value", e->at, "the lower end %g is not below the upper end %g", p->clip_lo, p->clip_hi);
}

// bucketize([18, 25, 35]): boundaries; bucketize(10): so many buckets of equal counts.
static void map_bucketize(Spec *s, const Expr *e, Prep *p) {
  enum { MAX_BUCKETS = 1 << 16 };
  static const Key keys[] = {{"bounds", false}};
  const Expr *x;
  if (!match_args(s, e, "`bucketize`", keys, 1, &x)) return;
  if (!x) {
    diag_error(s->diag, "missing-argument", e->at,
               "`bucketize` needs boundaries, `bucketize([18, 65])`, or how many buckets");
    return;
  }
  p->map = MAP_BUCKETIZE;
  if (x->kind != EX_LIST) {
    need_int(s, x, "the number of buckets", 2, MAX_BUCKETS, &p->buckets);
    return;
  }
  double *bounds = NEW_ARRAY(s->m.arena, double, x->n_args + 1);
  p->bounds = bounds;
  for (int i = 0; i < x->n_args; i++) {
    const Expr *v = x->args[i].value;
    if (!need_number(s, v, "a boundary", -INFINITY, INFINITY, &bounds[i])) return;
    if (i && bounds[i] <= bounds[i - 1]) {
      diag_error(s->diag, "bad-value", v->at, "boundaries ascend: %g stands behind %g", bounds[i], bounds[i - 1]);
      return;
    }
    p->n_bounds = i + 1;
  }
  if (!x->n_args) diag_error(s->diag, "bad-value", x->at, "`bucketize` needs a boundary at least");
}

void prep_map(Spec *s, const Decl *d, Prep *p, bool with_buckets) {
  static const char *const names[] = {"log1p", "sqrt", "abs", "bucketize"};
  static const MapKind kinds[] = {MAP_LOG1P, MAP_SQRT, MAP_ABS};
  const Clause *c = find_clause(d, "map");
  const char *name = c ? callee_name(c->value) : NULL;
  if (!c) return;
  if (with_buckets && name && strcmp(name, "bucketize") == 0) {
    map_bucketize(s, c->value, p);
    return;
  }
  int row = choose(s, c->value, "`map`", names, 3 + with_buckets);
  if (row >= 0) p->map = kinds[row];
}

void prep_indicator(Spec *s, const Decl *d, DataInput *x) {
  const Clause *c = find_clause(d, "indicator");
  if (!c || !need_bool(s, c->value, "`indicator`", &x->prep.indicator) || !x->prep.indicator) return;
  if (x->prep.missing != MISSING_ERROR && x->prep.missing != MISSING_DROP) return;
  diag_error(s->diag, "bad-value", c->at, "`indicator` marks values that were missing, and `%s` has none of them left",
             x->name);
  diag_help(s->diag, "say what stands for them: `missing =` mean, median, mode or a number");
}

ScaleKind prep_scale(Spec *s, const Decl *d, const char *name) {
  static const char *const names[] = {"none", "zscore", "minmax", "robust"};
  static const ScaleKind kinds[] = {SCALE_NONE, SCALE_ZSCORE, SCALE_MINMAX, SCALE_ROBUST};
  const Clause *c = find_clause(d, "scale");
  if (!c) {
    add_default(s, d->at, arena_printf(s->m.arena, "%s.scale", name), "none");
    return SCALE_NONE;
  }
  int row = choose(s, c->value, "`scale`", names, COUNT_OF(names));
  return row >= 0 ? kinds[row] : SCALE_NONE;
}

// ---------------------------------------------------------------- categories, ids
void missing_value(Spec *s, const Decl *d, DataInput *x, bool with_mode) {
  static const char *const names[] = {"own", "error", "drop", "mode"};
  static const MissingPolicy policies[] = {MISSING_CONSTANT, MISSING_ERROR, MISSING_DROP, MISSING_MODE};
  const Clause *c = find_clause(d, "missing");
  int row = c ? choose(s, c->value, "`missing`", names, with_mode ? 4 : 3) : 0;
  x->prep.missing = policies[row >= 0 ? row : 0];
  if (!c) add_default(s, d->at, arena_printf(s->m.arena, "%s.missing", x->name), "own");
}

// learned; ["a", "b"]; "cities.txt" or file("cities.txt"), relative to the spec.
static void vocabulary_values(Spec *s, const Clause *c, DataInput *x) {
  static const char *const words[] = {"learned"};
  static const Key keys[] = {{"name", false}};
  const Expr *e = c->value, *arg = e;
  const char *name = callee_name(e);
  if (e->kind == EX_LIST) {
    x->vocab = text_list(s, c, &x->n_vocab);
    check_repeats(s, c, x->vocab, x->n_vocab, "the value");
    if (x->vocab && !e->n_args) diag_error(s->diag, "bad-value", e->at, "a vocabulary needs a value at least");
    return;
  }
  bool file = name && strcmp(name, "file") == 0;
  if (!file && e->kind != EX_STRING) {
    if (choose(s, e, "`vocab`", words, 1) < 0 && e->kind != EX_BAD)
      diag_help(s->diag, "or a list of values, `[\"a\", \"b\"]`, or a file with one a line, `\"values.txt\"`");
    return;
  }
  if (file && !match_args(s, e, "`file`", keys, 1, &arg)) return;
  if (!arg) diag_error(s->diag, "missing-argument", e->at, "`file` needs its name: `file(\"cities.txt\")`");
  else if (need_text(s, arg, "the name of the file", &name)) x->vocab_file = beside_spec(s, name);
}

void category_vocabulary(Spec *s, const Decl *d, DataInput *x) {
  static const char *const unseens[] = {"own", "error"};
  const Clause *c, *count = find_clause(d, "min_count");
  x->min_count = 1;
  if (find_clause(d, "like")) return;
  if ((c = find_clause(d, "vocab"))) vocabulary_values(s, c, x);
  else add_default(s, d->at, arena_printf(s->m.arena, "%s.vocab", x->name), "learned");
  if (count && (x->vocab_file || x->vocab)) {
    diag_error(s->diag, "bad-value", count->at, "`min_count` is for a vocabulary that is learned");
    diag_note(s->diag, c->at, "this one is given");
  }
  if (count) need_int(s, count->value, "`min_count`", 1, INT32_MAX, &x->min_count);
  else if (!x->vocab_file && !x->vocab) add_default(s, d->at, arena_printf(s->m.arena, "%s.min_count", x->name), "1");
  c = find_clause(d, "unseen");
  if (c && choose(s, c->value, "`unseen`", unseens, 2) == 1) x->unknown = UNKNOWN_ERROR;
  if (!c) add_default(s, d->at, arena_printf(s->m.arena, "%s.unseen", x->name), "own");
}

// Of a category: `map = bucketize(…)` makes it one of a number.
bool category_buckets(Spec *s, const Decl *d, DataInput *x) {
  static const char *const others[] = {"vocab", "min_count", "unseen"};
  const Clause *map = find_clause(d, "map"), *c;
  const char *name = map ? callee_name(map->value) : NULL;
  if (!map) {
    if ((c = find_clause(d, "clip")))
      diag_error(s->diag, "bad-value", c->at, "`clip` is for numbers: here, for `map = bucketize(…)`");
    return false;
  }
  if (!name || strcmp(name, "bucketize") != 0) {
    diag_error(s->diag, "bad-value", map->value->at, "`map` of a category is `bucketize`");
    return true;
  }
  map_bucketize(s, map->value, &x->prep);
  prep_clip(s, d, &x->prep);
  for (int i = 0; i < COUNT_OF(others); i++)
    if ((c = find_clause(d, others[i]))) {
      diag_error(s->diag, "bad-value", c->at, "`%s` is for values that are texts", others[i]);
      diag_note(s->diag, map->at, "this category is made of numbers");
    }
  return true;
}

void id_buckets(Spec *s, const Decl *d, DataInput *x, bool *bad) {
  const Clause *c = find_clause(d, "buckets");
  const char *type = x->tokens ? "text" : x->kind == INPUT_LIST ? "list(id)" : "id";
  const Clause *seed = find_clause(d, "seed");
  int64_t number = 0;
  x->buckets = 1;
  if (seed && need_int(s, seed->value, "`seed`", 0, INT64_MAX, &number)) x->hash_seed = (uint64_t)number;
  if (c) *bad |= !need_int(s, c->value, "`buckets`", 1, INT32_MAX, &x->buckets);
  if (find_clause(d, "like")) return;
  for (int i = 0; !c && i < d->n_clauses; i++)                              // could not be parsed
    *bad |= strcmp(d->clauses[i].key, "buckets") == 0 || strcmp(d->clauses[i].key, "like") == 0;
  if (c || *bad) return;
  diag_error(s->diag, "missing-clause", d->type->at, "an input of type `%s` needs `buckets`", type);
  if (x->tokens) diag_help(s->diag, "write `text { buckets = 20_000 }`, or `text { vocab = learned, min_count = 2 }`");
  else if (x->kind == INPUT_LIST)
    diag_help(s->diag, "write `list(id) { buckets = 100_000 }`, `like = ITEM` to share those of an id, or `list(category)`");
  else diag_help(s->diag, "write `id { buckets = 100_000 }`, or `category` where the values are few");
  *bad = true;
}
