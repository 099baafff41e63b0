// origin.h: where a model definition comes from: a file, a run folder, or a file as it is in a commit of git.
#ifndef MTLC_ORIGIN_H
#define MTLC_ORIGIN_H
#include "../session.h"
#include "version.h"

// The operand `word` of a command, as its canonical form. `shop.mtl`, `runs/first`, `shop.mtl@v3` (the file in that commit), or,
// where `beside` is a spec's file, `v3`, `HEAD~1`: that file in the commit. Errors go to c, warnings of specs are dropped.
Canon *origin_open(mtl_context *c, const char *word, const char *beside);
bool origin_is_run(const char *path);
struct GitTree;
Canon *origin_in_commit(mtl_context *c, struct GitTree *t, const char *path, const char *ref);

// ---- specs.c: in the order of names; errors to c. model: the model's name as the text has it.
typedef struct { const char *path, *model; } SpecFile;
typedef VEC(SpecFile) SpecFiles;
void specs_below(mtl_context *c, const char *path, SpecFiles *out);
bool spec_is_named_so(const char *path);                               // NAME.mtl
const char *spec_model_name(mtl_context *c, const char *path, const char *text, size_t n);   // without resolving; NULL: no spec, a part perhaps

// ---- git.c: files of a commit, through one `git cat-file --batch` a repository.
typedef struct GitTree GitTree;
GitTree *git_open(mtl_context *c, const char *ref, const char *near);  // near: a path in the repository; `main...`: where HEAD left it. NULL: an error
void  git_close(GitTree *t);
bool  git_has(GitTree *t, const char *path);                           // a file of the commit
// Files of the commit below a folder, as paths from where `folder` is seen; NULL: none.
const char **git_files(GitTree *t, const char *folder, int *n);
const char **git_tags(mtl_context *c, const char *near, int *n);       // those that lead to HEAD, the oldest first; NULL: an error, none included
char *git_read(GitTree *t, const char *path, size_t *n);             // malloc'd; NULL, errno ENOENT: the commit has no such file
#endif
