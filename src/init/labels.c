// labels.c: which columns look like outcomes, and how a label reads them.
#include <math.h>
#include <strings.h>
#include "init.h"
#include "../../runtime/data/data_int.h"

enum { MOST_CLASSES = 30, LEAST_OF_A_CLASS = 10 };

// Names that stand for an outcome, whole; and words that make a name one.
static const char *const whole_names[] = { "y", "label", "target", "class", "outcome", "response", "result", "click", "conversion", "convert", "visit",
  "purchase", "buy", "order", "spend", "revenue", "sale", "income", "churn", "default", "fraud", "like", "rating", "survived", "subscribed", "quality" };
static const char *const outcome_words[] = { "label", "target", "outcome", "clicked", "converted", "conversion", "purchased", "bought", "ordered", "spent",
  "visited", "churned", "churn", "fraud", "liked", "survived", "subscribed", "defaulted" };

static bool is_outcome(const char *name) {
  for (int i = 0; i < COUNT_OF(whole_names); i++) {
    size_t n = strlen(whole_names[i]);
    if (!strncasecmp(name, whole_names[i], n) && (!name[n] || !strcasecmp(name + n, "s"))) return true;
  }
  return has_word(name, outcome_words, COUNT_OF(outcome_words));
}

int label_score(const Profiles *p, int column) {
  const Profile *c = &p->column[column];
  bool usable = c->distinct >= 2 && (c->number || (c->shape == SHAPE_TEXT && c->distinct <= MOST_CLASSES)) && !c->counts_rows;
  if (!usable) return -1;
  int last = column == p->n - 1, near_end = column >= p->n - 3;
  return 3 * is_outcome(c->name) + 2 * last + (near_end && c->distinct == 2);
}

// ---------------------------------------------------------------- how it is read
static void binary_label(Guess *g, Choice *c) {
  const Profile *p = c->p;
  const Frequency *rare = &p->value[p->value[1].count <= p->value[0].count];
  int truth[2] = { parse_truth(p->value[0].value), parse_truth(p->value[1].value) };
  double rows = (double)(g->p->rows - p->missing);
  c->kind = LABEL_BINARY;
  c->type = "binary";
  if (truth[0] >= 0 && truth[1] >= 0 && truth[0] != truth[1]) {
    c->true_code = truth[1] == 1;
    c->note = arena_printf(g->a, "true in %.3g %% of the rows", 100 * (double)p->value[c->true_code].count / rows);
    return;
  }
  if (p->number) {
    rare = &p->value[p->number[1] > p->number[0]];           // of two numbers, the larger is true
    c->value = arena_printf(g->a, " == %s", rare->value);
  } else {
    c->value = arena_printf(g->a, " == %s", spec_string(g->a, rare->value));
  }
  c->true_code = (int32_t)(rare - p->value);
  const Frequency *other = &p->value[rare == &p->value[0]];
  c->note = arena_printf(g->a, "taken as true: %s, %.3g %% of the rows; as false: %s", shown_value(g->a, rare->value),
                         100 * (double)rare->count / rows, shown_value(g->a, other->value));
}

static void class_label(Guess *g, Choice *c) {
  const Profile *p = c->p;
  if (p->value[p->distinct - 1].count >= LEAST_OF_A_CLASS) {
    c->kind = LABEL_CLASS;
    c->classes = p->distinct;
    c->type = arena_printf(g->a, "class(%lld)", (long long)p->distinct);
    c->note = arena_printf(g->a, "the most frequent: %s, %.3g %%", shown_value(g->a, p->value[0].value), 100 * (double)p->value[0].count / (double)g->p->rows);
    return;
  }
  c->true_code = 0;
  c->kind = LABEL_BINARY;                                    // a class that no training row has could not be learned
  c->type = "binary";
  c->value = arena_printf(g->a, " == %s", spec_string(g->a, p->value[0].value));
  c->note = arena_printf(g->a, "%s, %s in too few rows for a class each: the most frequent against the rest",
                         count_text(g->a, p->distinct, "value"), shown_value(g->a, p->value[p->distinct - 1].value));
}

static void real_label(Guess *g, Choice *c) {
  const Profile *p = c->p;
  int64_t zeros = 0;
  for (int64_t i = 0; i < p->distinct; i++)
    if (p->number[i] == 0) zeros = p->value[i].count;
  c->kind = LABEL_REAL;
  c->type = "real";
  c->clauses = "scale = zscore";
  c->note = arena_printf(g->a, "%s, %.6g … %.6g, mean %.4g", count_text(g->a, p->distinct, p->whole ? "whole number" : "number"), p->lo, p->hi, p->mean);
  if (zeros * 2 > g->p->rows) c->note = arena_printf(g->a, "%s; 0 in %.3g %% of the rows", c->note, 100 * (double)zeros / (double)g->p->rows);
  if (p->whole && p->distinct > 2 && p->distinct <= 12 && p->hi - p->lo + 1 == (double)p->distinct)
    c->note = arena_printf(g->a, "%s; if these are kinds: class(%lld)%s", c->note, (long long)p->distinct,
                           p->lo == 0 ? "" : arena_printf(g->a, " of the number - %.0f", p->lo));
}

void choose_label(Guess *g, int column) {
  Choice *c = &g->c[column];
  if (c->role == ROLE_SPLIT) g->split = -1;
  c->role = ROLE_LABEL;
  if (c->p->distinct == 2) binary_label(g, c);
  else if (!c->p->number) class_label(g, c);
  else real_label(g, c);
  if (!c->p->missing) return;
  c->clauses = *c->clauses ? arena_printf(g->a, "missing = drop, %s", c->clauses) : "missing = drop";
  c->note = arena_printf(g->a, "%s; %s missing: the task skips these rows", c->note, count_text(g->a, c->p->missing, "cell"));
}
