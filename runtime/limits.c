// limits.c: what a container may use is not what sysconf says, but what stands in files of its control groups. /proc/self/cgroup names
// the process's group in each hierarchy, /proc/self/mountinfo where that hierarchy is mounted, and which group of it is the one seen
// there; a limit of any group from the process's up to that one counts.
#define _GNU_SOURCE                                          // sched_getaffinity
#include "limits.h"
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

// ---------------------------------------------------------------- one group
typedef struct { const char *folder; GroupLimits *g; } Level;

// The first two words of a file as numbers; false, and 0: no such file or no number there, as in `max 100000`.
static bool numbers_in(const char *folder, const char *name, int64_t *v, int n) {
  char path[PATH_MAX + 64], word[2][32] = { "", "" };
  memset(v, 0, sizeof *v * (size_t)n);
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "re");
  if (!f) return false;
  int got = fscanf(f, "%31s %31s", word[0], word[1]);
  fclose(f);
  for (int i = 0; i < n; i++) {
    char *end;
    v[i] = got > i ? strtoll(word[i], &end, 10) : 0;
    if (got <= i || *end) return v[i] = 0, false;
  }
  return true;
}

static void take_bytes(const Level *l, const char *name) {
  int64_t bytes;
  if (!numbers_in(l->folder, name, &bytes, 1) || bytes <= 0 || bytes >= l->g->bytes) return;
  l->g->bytes = bytes;
  snprintf(l->g->bytes_by, LIMIT_BY, "%s/%s", l->folder, name);
}

static void take_time(const Level *l, const char *name, int64_t quota, int64_t period) {
  if (quota <= 0 || period <= 0 || (double)quota / (double)period >= l->g->cores) return;
  l->g->cores = (double)quota / (double)period;
  snprintf(l->g->cores_by, LIMIT_BY, "%s/%s", l->folder, name);
}

static void unified(const Level *l) {
  int64_t v[2];
  take_bytes(l, "memory.max");
  if (numbers_in(l->folder, "cpu.max", v, 2)) take_time(l, "cpu.max", v[0], v[1]);
}

static void v1_memory(const Level *l) { take_bytes(l, "memory.limit_in_bytes"); }

static void v1_cpu(const Level *l) {
  int64_t quota, period;
  if (numbers_in(l->folder, "cpu.cfs_quota_us", &quota, 1) && numbers_in(l->folder, "cpu.cfs_period_us", &period, 1))
    take_time(l, "cpu.cfs_quota_us", quota, period);
}

// controller "": the one hierarchy of version 2. usual: where it is mounted if nothing says it.
typedef struct { const char *controller, *type, *usual; void (*look)(const Level *); } Hierarchy;
static const Hierarchy hierarchies[] = { { "",       "cgroup2", "/sys/fs/cgroup",        unified   },
                                         { "memory", "cgroup",  "/sys/fs/cgroup/memory", v1_memory },
                                         { "cpu",    "cgroup",  "/sys/fs/cgroup/cpu",    v1_cpu    } };

// ---------------------------------------------------------------- where it is
static bool has_word(const char *list, const char *word) {   // of a list with commas; "": an empty list
  size_t n = strlen(word);
  for (const char *s = list;; s++) {
    if (!strncmp(s, word, n) && (s[n] == ',' || !s[n])) return true;
    if (!(s = strchr(s, ','))) return false;
  }
}

static void unescape(char *s) {                              // \040 is a blank
  char *to = s;
  for (; *s; s++) {
    unsigned c;
    if (*s == '\\' && sscanf(s + 1, "%3o", &c) == 1 && s[1] && s[2] && s[3]) *to++ = (char)c, s += 3;
    else *to++ = *s;
  }
  *to = 0;
}

typedef struct { char group[PATH_MAX], at[PATH_MAX]; } Mount;   // which group is seen where

// A line of mountinfo: `36 25 0:30 GROUP AT rw … - TYPE SOURCE OPTIONS`.
static bool is_mount(const char *line, const Hierarchy *h, Mount *m) {
  char type[32] = "", options[256] = "";
  const char *dash = strstr(line, " - ");
  _Static_assert(PATH_MAX >= 4096, "of the widths below");
  if (!dash || sscanf(dash, " - %31s %*s %255s", type, options) < 1 || strcmp(type, h->type)) return false;
  if (*h->controller && !has_word(options, h->controller)) return false;
  if (sscanf(line, "%*s %*s %*s %4095s %4095s", m->group, m->at) != 2) return false;
  unescape(m->group);
  unescape(m->at);
  return true;
}

static void find_mount(const char *root, const Hierarchy *h, Mount *m) {
  char path[PATH_MAX], *line = NULL;
  size_t room = 0;
  snprintf(path, sizeof path, "%s/proc/self/mountinfo", root);
  FILE *f = fopen(path, "re");
  bool found = false;
  while (f && !found && getline(&line, &room, f) > 0) found = is_mount(line, h, m);
  if (f) fclose(f);
  free(line);
  if (found) return;
  strcpy(m->group, "/");
  strcpy(m->at, h->usual);
}

// The part of the group's name that is below the mounted one: of a/b/c in a/b it is /c. Of a group that is not seen there, "".
static const char *below(const char *group, const Mount *m) {
  size_t n = strcmp(m->group, "/") ? strlen(m->group) : 0;
  if (strncmp(group, m->group, n) || (group[n] && group[n] != '/') || strstr(group, "/..")) return "";
  return strcmp(group + n, "/") ? group + n : "";
}

static void look(const char *root, const Hierarchy *h, const char *group, GroupLimits *g) {
  Mount m;
  char folder[3 * PATH_MAX];
  find_mount(root, h, &m);
  size_t top = strlen(root) + strlen(m.at);
  if (snprintf(folder, sizeof folder, "%s%s%s", root, m.at, below(group, &m)) >= PATH_MAX) return;
  for (;;) {
    h->look(&(Level){ folder, g });
    char *slash = strrchr(folder, '/');
    if (strlen(folder) <= top || !slash) return;
    *slash = 0;
  }
}

GroupLimits group_limits(const char *root) {
  GroupLimits g = { .bytes = INT64_MAX, .cores = INFINITY };
  char path[PATH_MAX], *line = NULL;
  size_t room = 0;
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE *f = fopen(path, "re");
  while (f && getline(&line, &room, f) > 0) {                // `4:memory,…:GROUP`
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) continue;
    *controllers++ = 0, *group++ = 0;
    group[strcspn(group, "\n")] = 0;
    for (size_t i = 0; i < sizeof hierarchies / sizeof *hierarchies; i++) {
      const Hierarchy *h = &hierarchies[i];
      if (*h->controller ? has_word(controllers, h->controller) : !*controllers) look(root, h, group, &g);
    }
  }
  if (f) fclose(f);
  free(line);
  return g;
}

// ---------------------------------------------------------------- all together
static void take_own(MemoryLimit *m, int which, const char *by) {
  struct rlimit r;
  if (getrlimit(which, &r) || r.rlim_cur == RLIM_INFINITY || r.rlim_cur >= (rlim_t)m->bytes) return;
  m->bytes = (int64_t)r.rlim_cur;
  snprintf(m->by, sizeof m->by, "%s", by);
}

MemoryLimit usable_memory(void) {
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  int64_t machine = pages > 0 && size > 0 ? (int64_t)pages * size : (int64_t)1 << 32;
  MemoryLimit m = { .bytes = machine, .machine = machine };
  GroupLimits g = group_limits("");
  if (g.bytes < m.bytes) {
    m.bytes = g.bytes;
    snprintf(m.by, sizeof m.by, "%s", g.bytes_by);
  }
  take_own(&m, RLIMIT_AS, "ulimit -v");
  take_own(&m, RLIMIT_DATA, "ulimit -d");
  return m;
}

int cores_for(double time, int allowed) {
  if (!(time < allowed)) return allowed < 1 ? 1 : allowed;
  return time <= 1 ? 1 : (int)ceil(time);
}

CoreLimit usable_cores(void) {
  cpu_set_t set;
  long machine = sysconf(_SC_NPROCESSORS_ONLN);
  int allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  GroupLimits g = group_limits("");
  CoreLimit c = { .cores = cores_for(g.cores, allowed), .allowed = allowed < 1 ? 1 : allowed, .machine = machine > 0 ? (int)machine : 1, .time = g.cores };
  if (g.cores < c.allowed) snprintf(c.by, sizeof c.by, "%s", g.cores_by);
  return c;
}
