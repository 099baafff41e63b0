// model_text.h: what a model says, in words and as it would be written: for `--emit model`, explain, and the canonical form
// that is hashed (version/).
#ifndef MTLC_MODEL_TEXT_H
#define MTLC_MODEL_TEXT_H
#include "model.h"

// ---- model_print.c
void number_print(double x, Text *out);                                // the shortest digits that read back as x
void quote_print(const char *s, Text *out);                            // "s", as the language writes it
void row_print(const DataPlan *p, const RowExpr *r, Text *out);        // as it would be written
void row_define(const DataPlan *p, const RowExpr *r, Text *out);       // the same, without the spec's own names: see there
void value_print(const ValueTerm *x, const char *before, Text *out);     // before NULL: " + " or " - "
void time_print(const DataInput *in, Text *out);
void vocabulary_print(const DataInput *in, Text *out);
void prep_print(const Prep *p, ScaleKind scale, Text *out);            // "clip 0..100, log1p, zscore, missing: error"
void rule_print(StepRule said, const char *before, Text *out);          // ", l2 0.01, rate 0.5" of what is said
StepRule train_rule_said(const Model *m);                             // UNSAID where it is as without the clause
void clip_text(const Prep *p, Text *out);                              // "0..quantile(0.99)"
void map_text(const Prep *p, Text *out);                               // "log1p", "bucketize([18, 25])"
void split_text(const DataPlan *p, Text *out);                         // "fraction 0.8 0.1 0.1 by shop.user"
void figure_text(const TrainPlan *t, const Figure *f, Text *out);      // "maximise 1 * auc(ctr) + 0.5 * auc(cvr)"
void list_print(const DataPlan *p, const DataInput *in, Text *out);    // "the last 50 items, apart by \"|\", …"
const char *input_type_text(const DataInput *in, Arena *a);            // "list(id)", "vector(30)"
extern const char *const input_kind_names[], *const missing_names[], *const scale_names[];   // scale_names[SCALE_NONE]: NULL
const char *init_text(Init init, Arena *a);                            // "uniform(-1, 1)"

// ---- resolve_data.c
const char *label_kind_text(const DataLabel *l, Arena *a);             // "binary", "class(10)", "real"
enum { N_LABEL_KINDS = LABEL_RANK + 1 };
extern const char *const label_kind_names[N_LABEL_KINDS];

// ---- clause.c, resolve.c: where it stands
const Clause *find_clause(const Decl *d, const char *key);             // NULL: left out, or its value could not be parsed
int model_decls(const Model *m, const Decl *const **decls);               // how many: of the spec and its own imports, in order
const Decl *model_decl(const Model *m, DeclKind kind, const char *name);   // name NULL: the first of its kind; NULL: none

// ---- imports.c: `name` seen from `folder` ("" or with a `/` at its end, or without), less `.` and `..` in its middle.
const char *path_joined(Arena *a, const char *folder, const char *name);
const char *path_folder(Arena *a, const char *path);                     // of a file, with its `/`; "": none is named

// ---- digest.c: SHA-256
enum { SHA256_DIGITS = 64 };
void sha256_text(const void *data, size_t n, char out[SHA256_DIGITS + 1]);
void sha256_lines(const char *text, size_t n, char out[SHA256_DIGITS + 1]);     // CRLF as LF: git may check a file out with either

// ---- checks.c
bool is_check_rule(const char *id);                                    // of an `accept` that is about the spec itself, not a change
#endif
