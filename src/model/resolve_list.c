// resolve_list.c: inputs that hold several items in one cell, and inputs that share another one's vocabulary (`like`).
#include "model_int.h"

// ---------------------------------------------------------------- lists
enum { MAX_ITEMS = 4096, DEFAULT_ITEMS = 50 };
static const char *const item_types[] = {[INPUT_REAL] = "real", [INPUT_CATEGORY] = "category", [INPUT_ID] = "id"};
#define ITEM_KEYS {"max", false}, {"keep", false}, {"separator", false}, {"missing", false}
static const Key ids_keys[] = {ITEM_KEYS, {"buckets", false}, {"seed", false}, {"like", false}};
static const Key categories_keys[] = {ITEM_KEYS, {"vocab", false}, {"min_count", false}, {"unseen", false}, {"like", false}};
static const Key reals_keys[] = {ITEM_KEYS, {"clip", false}, {"map", false}, {"scale", false}};
static const struct { const Key *keys; int n; const char *what; } list_blocks[] = {
  [INPUT_REAL] = {reals_keys, COUNT_OF(reals_keys), "an input of type `list(real)`"},
  [INPUT_CATEGORY] = {categories_keys, COUNT_OF(categories_keys), "an input of type `list(category)`"},
  [INPUT_ID] = {ids_keys, COUNT_OF(ids_keys), "an input of type `list(id)`"},
};

// list(id): the kind of its items; −1: error.
static int item_kind(Spec *s, const Expr *type) {
  static const Key keys[] = {{"items", false}};
  const Expr *arg;
  if (!match_args(s, type, "`list`", keys, 1, &arg)) return -1;
  if (arg) return choose(s, arg, "an item of a list", item_types, COUNT_OF(item_types));
  diag_error(s->diag, "missing-argument", type->at, "`list` needs the type of its items: `list(id)`");
  return -1;
}

static void list_separator(Spec *s, const Decl *d, DataInput *x) {
  const Clause *c = find_clause(d, "separator");
  const char *text;
  if (!c) {
    add_default(s, d->at, arena_printf(s->m.arena, "%s.separator", x->name), "any of blank | ; ,");
  } else if (need_text(s, c->value, "`separator`", &text)) {
    if (*text && !strpbrk(text, "\"\r\n")) x->separator = text;
    else diag_error(s->diag, "bad-value", c->value->at, "a separator is a text without quotes and line ends, and not empty");
  }
}

static void list_missing(Spec *s, const Decl *d, DataInput *x) {
  static const char *const names[] = {"empty", "error", "drop"};
  static const MissingPolicy policies[] = {MISSING_CONSTANT, MISSING_ERROR, MISSING_DROP};
  const Clause *c = find_clause(d, "missing");
  int row = c ? choose(s, c->value, "`missing` of a list", names, COUNT_OF(names)) : 0;
  x->prep.missing = policies[row > 0 ? row : 0];
  if (!c) add_default(s, d->at, arena_printf(s->m.arena, "%s.missing", x->name), "empty");
}

static void list_items(Spec *s, const Decl *d, DataInput *x, bool first) {
  static const char *const ends[] = {"last", "first"};
  const Clause *c = find_clause(d, "max");
  x->max = DEFAULT_ITEMS;
  if (c) need_int(s, c->value, "`max`", 1, MAX_ITEMS, &x->max);
  else add_default(s, d->at, arena_printf(s->m.arena, "%s.max", x->name), "%d", DEFAULT_ITEMS);
  if ((c = find_clause(d, "keep"))) x->keep_first = choose(s, c->value, "`keep`", ends, 2) == 1;
  else {
    x->keep_first = first;
    add_default(s, d->at, arena_printf(s->m.arena, "%s.keep", x->name), first ? "first" : "last");
  }
}

bool list_input(Spec *s, const Decl *d, DataInput *x) {
  bool bad = false;
  int kind = item_kind(s, d->type);
  if (kind < 0) return false;
  x->item = (InputKind)kind;
  check_clauses(s, d, list_blocks[kind].keys, list_blocks[kind].n, list_blocks[kind].what);
  list_items(s, d, x, false);
  list_separator(s, d, x);
  list_missing(s, d, x);
  if (x->item == INPUT_ID) id_buckets(s, d, x, &bad);
  if (x->item == INPUT_CATEGORY) category_vocabulary(s, d, x);
  if (x->n_vocab) x->cardinality = x->n_vocab + 1;
  if (x->item != INPUT_REAL) return !bad;
  prep_clip(s, d, &x->prep);
  prep_map(s, d, &x->prep, true);
  x->prep.scale = prep_scale(s, d, x->name);
  return true;
}

// ---------------------------------------------------------------- texts: lists of words
bool text_input(Spec *s, const Decl *d, DataInput *x) {
  enum { MAX_NGRAMS = 5 };
  static const Key keys[] = {{"tokens", false}, {"ngrams", false}, {"max", false}, {"keep", false}, {"missing", false},
                             {"buckets", false}, {"seed", false}, {"vocab", false}, {"min_count", false}, {"unseen", false},
                             {"like", false}};
  static const char *const tokens[] = {"word", "character"};
  const Clause *c, *vocab = find_clause(d, "vocab"), *buckets = find_clause(d, "buckets");
  int64_t ngrams = 1;
  bool bad = false;
  x->kind = INPUT_LIST;
  x->item = vocab || find_clause(d, "min_count") ? INPUT_CATEGORY : INPUT_ID;
  x->tokens = TOKENS_WORD;
  check_clauses(s, d, keys, COUNT_OF(keys), "an input of type `text`");
  c = find_clause(d, "tokens");
  if (c && choose(s, c->value, "`tokens`", tokens, 2) == 1) x->tokens = TOKENS_CHARACTER;
  if (!c) add_default(s, d->at, arena_printf(s->m.arena, "%s.tokens", x->name), "word");
  if ((c = find_clause(d, "ngrams"))) need_int(s, c->value, "`ngrams`", 1, MAX_NGRAMS, &ngrams);
  else add_default(s, d->at, arena_printf(s->m.arena, "%s.ngrams", x->name), "1");
  x->ngrams = (int)ngrams;
  list_items(s, d, x, true);
  list_missing(s, d, x);
  if (x->item == INPUT_CATEGORY) category_vocabulary(s, d, x);
  if (x->n_vocab) x->cardinality = x->n_vocab + 1;
  if (x->item == INPUT_ID) id_buckets(s, d, x, &bad);
  if (!vocab || !buckets) return !bad;
  diag_error(s->diag, "bad-value", buckets->at, "words have buckets, or a vocabulary");
  diag_note(s->diag, vocab->at, "`vocab` stands here");
  return false;
}

// ---------------------------------------------------------------- like
static InputKind id_kind(const DataInput *x) { return x->kind == INPUT_LIST ? x->item : x->kind; }

void add_like(Spec *s, const Decl *d, const DataInput *x) {
  static const char *const own[] = {"buckets", "seed", "vocab", "min_count", "unseen", "map"};
  const Clause *like = find_clause(d, "like");
  if (!like) return;
  for (int i = 0; i < COUNT_OF(own); i++) {
    const Clause *c = find_clause(d, own[i]);
    if (!c) continue;
    diag_error(s->diag, "bad-value", c->at, "`%s` is that of the input that `%s` is like", own[i], x->name);
    diag_note(s->diag, like->at, "`like` stands here");
  }
  vec_push(s->m.arena, &s->likes, ((Like){s->inputs.n, like->value}));
}

// The input that a `like` names; −1: error.
static int like_target(Spec *s, const Like *l) {
  const DataInput *x = &s->inputs.data[l->input];
  const Symbol *y = l->name->kind == EX_NAME ? find_symbol(s, l->name->name) : NULL;
  Words w = {0};
  if (y && y->kind == SYM_INPUT && id_kind(&s->inputs.data[y->index]) == id_kind(x)) return y->index;
  if (l->name->kind == EX_BAD) return -1;
  for (int i = 0; i < s->inputs.n; i++)
    if (i != l->input && id_kind(&s->inputs.data[i]) == id_kind(x)) vec_push(s->m.arena, &w, s->inputs.data[i].name);
  diag_error(s->diag, "bad-value", l->name->at, "`%s` can be like another input of %ss alone, not like `%s`", x->name,
             item_types[id_kind(x)], expr_text(s->m.arena, l->name));
  if (y) diag_note(s->diag, y->at, "declared here");
  if (l->name->kind == EX_NAME && !y) help_nearest(s->diag, l->name->name, &w);
  if (w.n) help_list(s->diag, "it can be like", &w);
  return -1;
}

// An input that is like one that is like a third has the third's.
void resolve_likes(Spec *s) {
  for (int i = 0; i < s->likes.n; i++) s->inputs.data[s->likes.data[i].input].like = 1 + like_target(s, &s->likes.data[i]);
  for (int i = 0; i < s->likes.n; i++) {
    DataInput *x = &s->inputs.data[s->likes.data[i].input], *of = x;
    int steps = 0;
    while (of->like && steps++ <= s->likes.n) of = &s->inputs.data[of->like - 1];
    if (of->like) {
      diag_error(s->diag, "cycle", s->likes.data[i].name->at, "`%s` is like itself in the end", x->name);
      s->input_bad.data[s->likes.data[i].input] = true;
      continue;
    }
    s->input_bad.data[s->likes.data[i].input] |= !x->like || s->input_bad.data[of - s->inputs.data];
    if (of == x) continue;
    x->like = 1 + (int)(of - s->inputs.data);
    x->buckets = of->buckets;
    x->hash_seed = of->hash_seed;
    x->unknown = of->unknown;
    x->min_count = of->min_count;
    x->cardinality = of->cardinality;
  }
}
