// diff.h: what a change of a model definition does: the canonical forms of two models compared, rule by rule.
#ifndef MTLC_DIFF_H
#define MTLC_DIFF_H
#include "version.h"

// Categories nest: what breaks the contract breaks the weights' use and the training. NOTE breaks nothing.
typedef enum { CATEGORY_CONTRACT, CATEGORY_WEIGHTS, CATEGORY_TRAINING, CATEGORY_NOTE, N_CATEGORIES } Category;
typedef enum { SERVING_OK, SERVING_BREAK } Serving;
typedef enum { REUSE_FULL, REUSE_REMAP, REUSE_RESET, REUSE_WARN, REUSE_HEAD, REUSE_INPUT, REUSE_PARTIAL } WarmStart;   // from best to worst
typedef enum { TRAINING_NO, TRAINING_OPTIONAL, TRAINING_ADVISED, TRAINING_TASK, TRAINING_AGAIN } Training;
extern const char *const category_names[N_CATEGORIES], *const serving_names[], *const warm_names[], *const training_names[];

typedef enum {
#define RULE(id, ...) RULE_##id,
#include "rules.def"
#undef RULE
  N_RULES
} RuleId;
typedef struct { const char *id; Category category; Serving serving; WarmStart warm; Training training; const char *breaks, *instead; } RuleRow;
extern const RuleRow rule_rows[N_RULES];

typedef struct {
  RuleId rule;
  const char *kind, *name, *field;     // of the canonical form; field NULL: the whole entry
  const char *text;                    // "input `age`: type real → category"
  Place before, after;                 // in the old and the new spec; file 0: it has none
  WarmStart warm;                      // the rule's, or what the change itself says
  const char *accepted;                // the reason of an `accept` of the new spec that holds; NULL: none
} Finding;
typedef struct { Arena *arena; VEC(Finding) all; const Canon *before, *after; } Diff;

Diff *diff_of(Arena *a, const Canon *before, const Canon *after);    // findings by category, then by place in the new spec
// Applies `accept RULE NAME "why" until N` of the new spec. What is accepted in vain, no more, or does not exist is reported to d.
void diff_accept(Diff *f, Diag *d);
void accept_check(const Model *m, Diag *d);                          // errors: an `accept` of a rule that there is not
extern const char end_rule[];                                         // MODEL_NO_DELETE: no spec is left that diff could compare
const char *accepted_end(const Model *m);                            // why the model may be gone after this version; NULL: it may not
bool finding_breaks(const Finding *f, Category asked);               // is it a break in this category, not accepted?
int  diff_breaks(const Diff *f, Category asked);

// ---- mismatch.c: where the computations of two values part. Each pair of formulas that differ by themselves, not by their operands.
typedef enum { MISMATCH_ACTIVATION, MISMATCH_CONSTANT, MISMATCH_INPUT, MISMATCH_OTHER } MismatchKind;
typedef struct { MismatchKind kind; FormulaId before, after; } Mismatch;
typedef struct Walk Walk;
Walk *walk_new(Arena *a, const Canon *before, const Canon *after);
void  walk_pair(Walk *w, FormulaId before, FormulaId after);               // pairs that were met before are passed over
const Mismatch *walk_found(const Walk *w, int *n);

// ---- report.c: how findings are written.
typedef enum { FORMAT_TEXT, FORMAT_JSON, FORMAT_SARIF, FORMAT_GITHUB, N_FORMATS } DiffFormat;
extern const char *const format_names[N_FORMATS];
typedef struct { const char *before, *after; const Diff *diff; Category asked; } DiffReport;    // names of the operands
void report_diffs(const DiffReport *r, int n, bool list, DiffFormat format, bool quiet, Text *out);   // list: of any n; else one

// ---- mtl_diff.c: words of options; NULL: the first of their kind. false: an error was reported.
struct mtl_context;
bool diff_options(struct mtl_context *c, const char *category, const char *format, Category *asked, DiffFormat *form);
#endif
