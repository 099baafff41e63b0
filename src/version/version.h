// version.h: a model definition as something that has versions. What a resolved model says is brought into a canonical form:
// lines `SCOPE KIND NAME KEY = VALUE`, sorted, that do not depend on how it was written: not on white space, comments, order of
// declarations, local names that hold no parameters, spelled-out defaults, spellings of numbers, imports or the file's place.
//
// A field belongs to one scope:
//   contract  what is sent and served: inputs (name, type, where it is read, nullability, default), outputs (name, width, meaning)
//   weights   the parameter tree (path, shape, dtype), and what gives an index or a number its meaning (vocabulary, buckets,
//             seed of the hash, policy of the normaliser)
//   train     losses, labels, weights, balancing, optimizer, split, stopping, initial values, seed
//   spec      the rest: the computation itself (`structure`, by hashes of formulas), metrics, requirements, names of data files
// A hash is SHA-256 over the sorted lines of its scope, that of spec over all lines with their scopes in front, so that
//   mtlc hash SPEC --explain | sha256sum                           is the spec's hash, and
//   mtlc hash SPEC --explain | sed -n 's/^weights //p' | sha256sum  that of the weights.
// It is written `mtl1:sha256:…`; the 1 is the encoding's version, outside of the digest.
//
// For a clause that the language gains later: its field is written only where the clause says something else than what a model
// without it has always done. So the hashes of specs that do not use it stay as they are.
#ifndef MTLC_VERSION_H
#define MTLC_VERSION_H
#include "../model/model_text.h"

typedef enum { SCOPE_CONTRACT, SCOPE_WEIGHTS, SCOPE_TRAIN, SCOPE_SPEC, N_SCOPES } Scope;
extern const char *const scope_names[N_SCOPES];

typedef struct { const char *key, *value; Scope scope; Place at; } Field;      // at: its clause, else the declaration
typedef struct Structure Structure;
typedef struct {
  const char *kind, *name; Place at;
  VEC(Field) fields;                                                             // by key
  FormulaId formula;                                                             // of a `structure`
} Entry;
typedef struct {
  Arena *arena;
  VEC(Entry) entries;                                                            // by kind, then name
  const Model *m; const Graph *g; const Structure *structure;                    // g: for its slots
} Canon;
static inline const Formula *canon_formula(const Canon *c, FormulaId id) { return &c->m->formulas->all.data[id]; }

// Needs a model and its forward graph without errors. prep: of a run, whose vocabularies count in place of those of a file that
// is named; NULL: the file is read. NULL after an error in d (a vocabulary that cannot be read).
Canon *canon_of(const Model *m, const Graph *g, const PrepState *prep, Diag *d);
const Entry *canon_find(const Canon *c, const char *kind, const char *name);    // NULL: none
const Field *entry_field(const Entry *e, const char *key);                      // NULL: none

// The lines that are hashed. scope SPEC: all, each with its scope in front.
void canon_text(const Canon *c, Scope scope, Text *out);
typedef struct { char text[N_SCOPES][SHA256_DIGITS + 20]; } Hashes;             // "mtl1:sha256:…"
void canon_hash(const Canon *c, Hashes *out);

// ---- structure.c: the computation of a value as a Merkle hash: functions of the language, their options and operands; parameters by
// their paths, inputs by their names, labels by what they are made of. in_use: of what is served, not of training.
Structure *structure_new(const Model *m, bool in_use);                          // of a model that was built; in its arena
const char *structure_of(const Structure *s, FormulaId id);                     // 32 hex digits

// ---- tables.c: the input whose values number the rows of the parameter at `path`: of the ids that it is gathered by, or the one that
// these are `like`. NULL: it is no such table.
const DataInput *table_owner(const Model *m, const Graph *g, const char *path);
#endif
