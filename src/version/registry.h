// registry.h: runs as plain files: a folder each, listed and named. An alias is a symbolic link beside the runs, replaced in one step, so
// two processes never see half of one; every command that takes a run takes the alias.
#ifndef MTLC_REGISTRY_H
#define MTLC_REGISTRY_H
#include "../session.h"
#include "version.h"

typedef struct { const char *path, *name; json_t *run, *metrics; } RunEntry;     // path: of the folder; metrics: may be NULL

// The run of a folder, its files read; false: it is none, or broken, with why in *why (in a).
bool run_entry_read(Arena *a, const char *path, RunEntry *e, const char **why);
void run_entry_free(RunEntry *e);
// `metrics.json`: the figures of held-out rows by task, else of the best epoch on the validation rows; NULL: none.
json_t *run_figures(const RunEntry *e);

// The folder that a word means: itself, or `runs/WORD` where that is a run and there is nothing of the name.
const char *run_path(mtl_context *c, const char *word);

// ---- fingerprint.c: what a file holds: its length and a digest of 64 bits, order and all. false: errno.
typedef struct { uint64_t bytes, digest; } Fingerprint;
char *fingerprint_file(Arena *a, const char *path);                              // less a table or query behind a database: `shop.db:events`
bool fingerprint_of(const char *path, Fingerprint *f);
json_t *fingerprints_json(const Model *m, const DataFiles *f);                   // {source: {path, bytes, digest, rows}}; "test" for held-out rows
// Of what another run takes of a run that it starts from: {file: {bytes, digest}}.
json_t *run_fingerprints_json(Arena *a, const char *folder, bool with_state);

// ---- row_changes.c: {n, digest, order, columns, …} of a file's rows; NULL: they cannot be told. What a file has otherwise, to stand
// behind a sentence: "; 3 rows more: …"; "": no more is known.
json_t *rows_json(Arena *a, const char *path, const DataSource *s);
const char *row_changes(Arena *a, const char *path, const json_t *was);
bool rows_are_same(Arena *a, const char *path, const json_t *was);       // of a database: rows, their order and columns are what they were
bool rows_of_database(const json_t *rows);                               // of these the file's bytes say nothing: other tables, free pages

// ---- lock.c: what a model is made of besides its text; any of canon, prep, files may be NULL.
void lock_text(const Model *m, const Canon *c, const PrepState *prep, json_t *files, Text *out);
#endif
