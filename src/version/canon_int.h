// canon_int.h: how the files of version/ write the canonical form.
#ifndef MTLC_CANON_INT_H
#define MTLC_CANON_INT_H
#include "version.h"

typedef struct {
  Canon *canon; Arena *arena;
  const Model *m; const Graph *g; const PrepState *prep; Diag *diag;
  const Structure *structure;
  Entry *entry; const Decl *decl;      // being written; the declaration that it comes from, or NULL
  bool failed;
} Writer;

// Begins an entry. decl NULL: it has no declaration of its own, and its place is `at`.
void begin_entry(Writer *w, const char *kind, const char *name, const Decl *decl, Place at);
// A field of it. clause: where it is said; NULL: the clause of the name `key`. Left out there: the place is the entry's.
void add_field(Writer *w, Scope scope, const char *key, const char *clause, const char *fmt, ...) PRINTF_LIKE(5, 6);
void add_text(Writer *w, Scope scope, const char *key, const char *clause, Text *value);   // frees it
void add_bool(Writer *w, Scope scope, const char *key, bool value);
void add_words(Writer *w, Scope scope, const char *key, const char *const *words, int n, bool sorted);   // in quotes
// `name(arg = value, …)`: the arguments that are not at their defaults, which are those of edition 2026 for ever: so an argument
// that a row gains later changes no hash. Without any: the name alone. given: text that stands first in the brackets, or NULL.
typedef struct { const char *name; double value, def; } CallArg;
void call_text(const char *name, const char *given, const CallArg *arg, int n, Text *out);
const char *number_text(Arena *a, double x);
// All that it says, without its name. prepared: for training, with what is undone where its task is served.
const char *label_definition(const Model *m, const DataLabel *l, bool prepared);

void write_data(Writer *w);            // canon_data.c
void write_model(Writer *w);           // canon_model.c
#endif
