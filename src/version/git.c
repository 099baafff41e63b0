// git.c: files as they are in a commit. Nothing is checked out: one `git cat-file --batch` answers for all files of it.
#define _GNU_SOURCE                        // pipe2
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "origin.h"

extern char **environ;

struct GitTree { mtl_context *c; const char *ref, *commit, *top; pid_t pid; FILE *to, *from; };

// ---------------------------------------------------------------- processes
typedef struct { pid_t pid; int in, out; } Child;

// The environment less what a hook of git says of its own repository: ours is found from the path that is asked about.
static char **environment(void) {
  static const char *const hidden[] = {"GIT_DIR=", "GIT_WORK_TREE=", "GIT_INDEX_FILE=", "GIT_PREFIX="};
  int n = 0, kept = 0;
  while (environ[n]) n++;
  char **all = xmalloc(sizeof *all * (size_t)(n + 1));
  for (int i = 0; i < n; i++) {
    bool hide = false;
    for (int k = 0; k < COUNT_OF(hidden); k++) hide |= !strncmp(environ[i], hidden[k], strlen(hidden[k]));
    if (!hide) all[kept++] = environ[i];
  }
  all[kept] = NULL;
  return all;
}

// in: −1 where nothing is sent to it. Standard error is dropped: what git says is said better here.
static bool start(const char *folder, const char *const *words, bool talks, Child *child) {
  int to[2] = {-1, -1}, from[2];
  const char *argv[16] = {"git", "-C", folder};
  for (int i = 0; words[i]; i++) argv[3 + i] = words[i];
  if (pipe2(from, O_CLOEXEC)) return false;
  if (talks && pipe2(to, O_CLOEXEC)) return close(from[0]), close(from[1]), false;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (talks) posix_spawn_file_actions_adddup2(&actions, to[0], 0);
  else posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, from[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  char **env = environment();
  int why = posix_spawnp(&child->pid, "git", &actions, NULL, (char *const *)argv, env);
  free(env);
  posix_spawn_file_actions_destroy(&actions);
  close(from[1]);
  if (talks) close(to[0]);
  *child = (Child){why ? 0 : child->pid, to[1], from[0]};
  if (!why) return true;
  close(from[0]);
  if (talks) close(to[1]);
  errno = why;
  return false;
}

static int finish_child(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

// Standard output of a git command, a last line end taken off; NULL: it failed.
static char *git_bytes(Arena *a, const char *folder, const char *const *words, size_t *n) {
  Child child;
  Text t = {0};
  char piece[4096];
  if (!start(folder, words, false, &child)) return NULL;
  text_add(&t, "");
  for (ssize_t got; (got = read(child.out, piece, sizeof piece)) > 0 || (got < 0 && errno == EINTR);)
    if (got > 0) text_addn(&t, piece, (size_t)got);
  close(child.out);
  char *s = finish_child(child.pid) == 0 ? arena_strndup(a, t.data, t.n) : NULL;
  *n = t.n;
  text_free(&t);
  if (s && *n && s[*n - 1] == '\n') s[--*n] = 0;
  return s;
}

static char *git_output(Arena *a, const char *folder, const char *const *words) { return git_bytes(a, folder, words, &(size_t){0}); }

// ---------------------------------------------------------------- a commit
// The nearest folder above `path` that is there: the file itself may be gone.
static char *folder_near(Arena *a, const char *path) {
  char *p = arena_strdup(a, *path ? path : ".");
  struct stat st;
  while (stat(p, &st) || !S_ISDIR(st.st_mode)) {
    char *slash = strrchr(p, '/');
    if (!slash) return arena_strdup(a, ".");
    if (slash == p) return arena_strdup(a, "/");
    *slash = 0;
  }
  return p;
}

// wanted: a commit that would do, fetched alone; NULL: the way to it is asked for, too.
static void help_fetch(mtl_context *c, const char *folder, const char *wanted) {
  const char *shallow = git_output(c->arena, folder, (const char *[]){"rev-parse", "--is-shallow-repository", NULL});
  if (!shallow || strcmp(shallow, "true")) {
    diag_help(c->diag, "tags of a remote are fetched by: git fetch --tags");
    return;
  }
  diag_help(c->diag, "this is a shallow clone: it lacks older commits and tags");
  if (wanted) diag_help(c->diag, "get the commit: git fetch --depth=1 origin tag %s; or all of them: git fetch --unshallow --tags", wanted);
  else diag_help(c->diag, "get them: git fetch --unshallow --tags");
  diag_help(c->diag, "in a workflow, check out with `fetch-depth: 0`");
}

static const char *commit_of(Arena *a, const char *folder, const char *ref) {       // NULL, "": there is none
  if (*ref == '-') return NULL;                              // it would be an option
  return git_output(a, folder, (const char *[]){"rev-parse", "--verify", "--quiet", "--end-of-options", arena_printf(a, "%s^{commit}", ref), NULL});
}

// `main...`: where HEAD left it, as git diff has it.
static const char *find_commit(mtl_context *c, const char *folder, const char *ref) {
  Arena *a = c->arena;
  size_t n = strlen(ref);
  bool fork = n > 3 && !strcmp(ref + n - 3, "...");
  const char *name = fork ? arena_strndup(a, ref, n - 3) : ref, *commit = commit_of(a, folder, name);
  if (!commit || !*commit) {
    diag_error(c->diag, "no-commit", (Place){0}, "git knows no commit `%s`", name);
    help_fetch(c, folder, name);
    return NULL;
  }
  if (!fork) return commit;
  const char *base = git_output(a, folder, (const char *[]){"merge-base", commit, "HEAD", NULL});
  if (base && *base) return base;
  diag_error(c->diag, "no-commit", (Place){0}, "`%s` and HEAD have no commit in common", name);
  help_fetch(c, folder, NULL);
  return NULL;
}

GitTree *git_open(mtl_context *c, const char *ref, const char *near) {
  const char *folder = folder_near(c->arena, near);
  const char *top = git_output(c->arena, folder, (const char *[]){"rev-parse", "--show-toplevel", NULL});
  if (!top || !*top) {
    diag_error(c->diag, "no-repository", (Place){0}, "`%s` lies in no git repository: there is no `%s` to read it from", near, ref);
    return NULL;
  }
  const char *commit = find_commit(c, folder, ref);
  if (!commit) return NULL;
  Child child;
  GitTree *t = NEW(c->arena, GitTree);
  *t = (GitTree){.c = c, .ref = ref, .commit = commit, .top = top};
  if (!start(top, (const char *[]){"cat-file", "--batch", NULL}, true, &child)) {
    diag_machine(c->diag, "no-git", "cannot start git: %s", strerror(errno));
    return NULL;
  }
  t->pid = child.pid;
  t->to = fdopen(child.in, "w");
  t->from = fdopen(child.out, "r");
  return t;
}

void git_close(GitTree *t) {
  if (!t || !t->pid) return;
  fclose(t->to);
  fclose(t->from);
  finish_child(t->pid);
  t->pid = 0;
}

// A path of this machine as one below the repository's top; NULL: it is outside. The file need not be there.
static const char *path_in_tree(const GitTree *t, const char *said) {
  Arena *a = t->c->arena;
  const char *path = path_joined(a, "", said), *folder = folder_near(a, path), *rest = strcmp(folder, ".") ? path + strlen(folder) : path;
  char full[PATH_MAX];
  size_t n = strlen(t->top);
  if (!realpath(folder, full) || strncmp(full, t->top, n) || (full[n] && full[n] != '/')) return NULL;
  while (*rest == '/') rest++;
  const char *above = full[n] ? full + n + 1 : "";
  return arena_printf(a, "%s%s%s", above, *above && *rest ? "/" : "", rest);
}

static bool ends_in(const char *s, const char *end) {
  size_t n = strlen(s), k = strlen(end);
  return n >= k && !strcmp(s + n - k, end);
}

char *git_read(GitTree *t, const char *path, size_t *n) {
  const char *below = path_in_tree(t, path);
  char line[PATH_MAX + 256], kind[32];
  uint64_t size;
  errno = ENOENT;
  if (!below || !*below || strchr(below, '\n')) return NULL;
  fprintf(t->to, "%s:%s\n", t->commit, below);
  if (fflush(t->to) || !fgets(line, sizeof line, t->from)) {
    errno = EIO;
    return NULL;
  }
  if (ends_in(line, " missing\n") || sscanf(line, "%*s %31s %" SCNu64, kind, &size) != 2 || size > (uint64_t)INT32_MAX) {
    errno = ENOENT;
    return NULL;
  }
  char *text = xmalloc(size + 1);
  bool whole = fread(text, 1, size, t->from) == size && fgetc(t->from) == '\n';
  if (!whole || strcmp(kind, "blob")) {
    free(text);
    errno = whole ? EISDIR : EIO;
    return NULL;
  }
  text[size] = 0;
  *n = size;
  return text;
}


bool git_has(GitTree *t, const char *path) {
  size_t n;
  char *text = git_read(t, path, &n);
  free(text);
  return text != NULL;
}

const char **git_files(GitTree *t, const char *said, int *n) {
  Arena *a = t->c->arena;
  const char *folder = path_joined(a, "", said);
  const char *below = path_in_tree(t, folder);
  size_t bytes = 0;
  VEC(const char *) all = {0};
  *n = 0;
  if (!below) return NULL;
  const char *words[] = {"ls-tree", "-r", "-z", "--name-only", "--full-tree", t->commit, *below ? "--" : NULL, below, NULL};
  char *list = git_bytes(a, t->top, words, &bytes);
  size_t skip = strlen(below);
  for (char *s = list; s && s < list + bytes; s += strlen(s) + 1) {
    const char *rest = s + skip + (skip && s[skip] == '/');
    const char *path = path_joined(a, folder, rest);
    vec_push(a, &all, path);
  }
  *n = all.n;
  return all.data;
}

const char **git_tags(mtl_context *c, const char *near, int *n) {
  const char *folder = folder_near(c->arena, near);
  char *list = git_output(c->arena, folder, (const char *[]){"tag", "--merged", "HEAD", "--sort=creatordate", NULL});
  VEC(const char *) all = {0};
  if (!list) {
    diag_error(c->diag, "no-repository", (Place){0}, "`%s` lies in no git repository", near);
    return NULL;
  }
  char *rest;
  for (char *s = strtok_r(list, "\n", &rest); s; s = strtok_r(NULL, "\n", &rest)) vec_push(c->arena, &all, s);
  if (!all.n) {
    diag_error(c->diag, "no-tags", (Place){0}, "no tag leads to this commit");
    help_fetch(c, folder, NULL);
    return NULL;
  }
  *n = all.n;
  vec_push(c->arena, &all, NULL);
  return all.data;
}
