// row_cache.c: prepared rows that lie in files are kept in the folder of the cache, so that the next run on the same files
// with the same preparation need not read them again. An entry is named by a digest of all that its rows depend on: the plan
// of the data (not the layers), the files (by device, number, size and times of the last change), and the program itself.
//   KEY.0, KEY.1, KEY.2   the rows of each split, as rows.c lays them out
//   KEY.info              written last: counts for the summary, and the preparation as in prep.json
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../train/train_int.h"
#include "data_int.h"

// ---------------------------------------------------------------- the key
typedef struct { uint64_t h[2]; bool fails; } Digest;

static void add(Digest *g, const void *data, size_t n) {
  g->h[0] = hash_bytes(data, n, g->h[0] + n);
  g->h[1] = hash_bytes(data, n, g->h[1] ^ n);
}
static void add_int(Digest *g, int64_t v) { add(g, &v, sizeof v); }
static void add_real(Digest *g, double v) { add(g, &v, sizeof v); }
static void add_text(Digest *g, const char *s) { add(g, s ? s : "", s ? strlen(s) + 1 : 0); }

static void add_ints(Digest *g, const int *v, int n) {
  add_int(g, n);
  for (int i = 0; i < n; i++) add_int(g, v[i]);
}

static void add_texts(Digest *g, const char *const *s, int n) {
  add_int(g, n);
  for (int i = 0; i < n; i++) add_text(g, s[i]);
}

static void add_file(Digest *g, const char *path) {
  struct stat st;
  add_text(g, path);
  if (!path) return;
  if (stat(path, &st) || !S_ISREG(st.st_mode)) {
    g->fails = true;                                         // what it holds cannot be known before it is read
    return;
  }
  const int64_t identity[] = {(int64_t)st.st_dev, (int64_t)st.st_ino, (int64_t)st.st_size, st.st_mtim.tv_sec,
                              st.st_mtim.tv_nsec, st.st_ctim.tv_sec, st.st_ctim.tv_nsec};
  add(g, identity, sizeof identity);
}

// Of a database the log, too, in which the latest changes may stand.
static void add_source(Digest *g, const char *path, Arena *a) {
  const char *file = path ? reader_file(path, a) : NULL;
  add_text(g, path);
  add_file(g, file);
  const char *log = file ? arena_printf(a, "%s-wal", file) : NULL;
  if (log && access(log, F_OK) == 0) add_file(g, log);
}

// A field that is added to one of these structs is added to its function below, and then its size here.
#if defined(__LP64__)
_Static_assert(sizeof(RowExpr) == 64 && sizeof(RawColumn) == 16, "add the new field to the key");
_Static_assert(sizeof(DataSource) == 104, "add the new field to the key");
_Static_assert(sizeof(Prep) == 88 && sizeof(DataInput) == 288 && sizeof(DataLabel) == 160, "add the new field to the key");
_Static_assert(sizeof(Split) == 136 && sizeof(DataPlan) == 248, "add the new field to the key");
#endif

static void add_expr(Digest *g, const RowExpr *e) {
  add_int(g, e != NULL);
  if (!e) return;
  add_int(g, e->op);
  add_int(g, e->time);
  add_text(g, e->format);
  add_int(g, e->numeric);
  add_real(g, e->number);
  add_text(g, e->text);
  add_int(g, e->index);
  add_expr(g, e->a);
  add_expr(g, e->b);
}

static void add_format(Digest *g, const DataSource *s) {
  add_text(g, s->name);
  add_texts(g, s->header, s->n_header);
  add_int(g, s->trim);
  add_texts(g, s->na, s->n_na);
  add_int(g, s->delimiter);
  add_ints(g, s->key, s->n_key);
  add_ints(g, s->match, s->n_key);
  add_int(g, s->absent);
  add_int(g, s->repeated);
  add_int(g, s->dedupe_rows);
  add_ints(g, s->dedupe, s->n_dedupe);
}

static void add_prep(Digest *g, const Prep *p) {
  add_int(g, p->missing);
  add_real(g, p->missing_value);
  add_int(g, p->has_clip);
  add_real(g, p->clip_lo);
  add_real(g, p->clip_hi);
  add_int(g, p->clip_at_lo);
  add_int(g, p->clip_at_hi);
  add_int(g, p->map);
  add_int(g, p->n_bounds);
  for (int i = 0; i < p->n_bounds; i++) add_real(g, p->bounds[i]);
  add_int(g, p->buckets);
  add_int(g, p->indicator);
  add_int(g, p->scale);
}

static void add_input(Digest *g, const DataInput *in) {
  const int64_t numbers[] = {in->kind, in->first_column, in->packed, in->width, in->buckets, (int64_t)in->hash_seed,
                             in->cardinality, in->min_count, in->unknown, in->dense_at, in->id_at, in->like, in->item,
                             in->max, in->keep_first, in->length_at, in->tokens, in->ngrams, in->n_parts};
  add_text(g, in->name);
  add(g, numbers, sizeof numbers);
  add_expr(g, in->from);
  add_prep(g, &in->prep);
  add_file(g, in->vocab_file);
  add_texts(g, in->vocab, in->n_vocab);
  add_text(g, in->separator);
  add_text(g, in->time_format);
  for (int i = 0; i < in->n_parts; i++) add_int(g, in->part[i]);
}

static void add_label(Digest *g, const DataLabel *l) {
  add_text(g, l->name);
  add_int(g, l->kind);
  add_int(g, l->classes);
  add_expr(g, l->from);
  add_expr(g, l->where);
  add_int(g, l->anonymous);
  add_int(g, l->missing);
  add_int(g, l->scale);
  add_text(g, l->positive);
  add_prep(g, &l->prep);
  add_text(g, l->not_below_0);
}

static void add_split(Digest *g, const Split *s) {
  const int64_t numbers[] = {s->kind, s->file_order, s->column, s->group, s->time, s->at_times};
  add(g, numbers, sizeof numbers);
  for (int i = 0; i < 3; i++) {
    add_real(g, s->fraction[i]);
    add_expr(g, s->rule[i]);
    add_text(g, s->value[i]);
  }
  add_real(g, s->valid_fraction);
  add_real(g, s->edge[0]);
  add_real(g, s->edge[1]);
}

static void add_plan(Digest *g, const DataPlan *p) {
  add_ints(g, p->join_order, p->n_sources - 1);
  for (int i = 0; i < p->n_sources; i++) add_format(g, &p->sources[i]);
  for (int i = 0; i < p->n_columns; i++) add_text(g, p->columns[i].name), add_int(g, p->columns[i].source);
  add_int(g, p->n_inputs);
  for (int i = 0; i < p->n_inputs; i++) add_input(g, &p->inputs[i]);
  add_int(g, p->n_labels);
  for (int i = 0; i < p->n_labels; i++) add_label(g, &p->labels[i]);
  add_split(g, &p->split);
  add_expr(g, p->weight);
  add_ints(g, p->groups, p->n_groups);
  add_int(g, p->dense_width);
  add_int(g, p->n_ids);
  add_int(g, (int64_t)p->seed);
}

// The path of an entry without its ending; NULL: nothing can be kept.
static char *entry_of(const DataPlan *p, uint64_t given, const DataFiles *f, Arena *a) {
  Digest g = {{1, 2}, false};
  if (!f->folder) return NULL;
  add_file(&g, "/proc/self/exe");
  add_plan(&g, p);
  add_int(&g, (int64_t)given);
  for (int i = 0; i < p->n_sources; i++) add_source(&g, f->source[i], a);
  if (p->split.kind == SPLIT_FILES) add_source(&g, f->test, a);
  if (g.fails) return NULL;
  return arena_printf(a, "%s/%016llx%016llx", f->folder, (unsigned long long)g.h[0], (unsigned long long)g.h[1]);
}

// ---------------------------------------------------------------- counts and preparation
static const char MAGIC[] = "mtlc rows 1";
typedef struct { char magic[16]; int64_t n[3], unused, duplicates, dropped; uint64_t prep_bytes, digest; } Info;

static size_t counts_bytes(const DataPlan *p, const DataSummary *s) {
  return sizeof *s->source * (size_t)p->n_sources + sizeof *s->input * (size_t)p->n_inputs +
         sizeof *s->label * (size_t)p->n_labels;
}

static void write_info(const DataPlan *p, const Dataset *s, const char *path, Diag *d) {
  Text prep = {0}, out = {0};
  const DataSummary *sum = &s->summary;
  Info info = {.unused = sum->unused, .duplicates = sum->duplicates, .dropped = sum->dropped};
  if (prep_save(p, &s->prep, &prep)) {
    memcpy(info.magic, MAGIC, sizeof MAGIC);
    for (int k = 0; k < 3; k++) info.n[k] = s->split[k].n;
    info.prep_bytes = prep.n;
    info.digest = hash_bytes(prep.data, prep.n, 7);
    text_addn(&out, (const char *)&info, sizeof info);
    text_addn(&out, (const char *)sum->source, sizeof *sum->source * (size_t)p->n_sources);
    text_addn(&out, (const char *)sum->input, sizeof *sum->input * (size_t)p->n_inputs);
    text_addn(&out, (const char *)sum->label, sizeof *sum->label * (size_t)p->n_labels);
    text_addn(&out, prep.data, prep.n);
    file_write_whole(path, out.data, out.n, d);
  }
  text_free(&prep);
  text_free(&out);
}

// Names come from the plan: what was written of pointers means nothing.
static void take_counts(const DataPlan *p, DataSummary *s, const Info *info, const char *at) {
  memcpy(s->source, at, sizeof *s->source * (size_t)p->n_sources);
  at += sizeof *s->source * (size_t)p->n_sources;
  memcpy(s->input, at, sizeof *s->input * (size_t)p->n_inputs);
  at += sizeof *s->input * (size_t)p->n_inputs;
  memcpy(s->label, at, sizeof *s->label * (size_t)p->n_labels);
  for (int i = 0; i < p->n_sources; i++) s->source[i].source = p->sources[i].name;
  for (int i = 0; i < p->n_inputs; i++) s->input[i].input = p->inputs[i].name;
  for (int i = 0; i < p->n_labels; i++) s->label[i].label = p->labels[i].name;
  s->unused = info->unused;
  s->duplicates = info->duplicates;
  s->dropped = info->dropped;
  s->cached = true;
}

// prep: what the rows must have been prepared by; NULL: whatever was learned.
static bool take_prep(const DataPlan *p, const PrepState *prep, Dataset *s, const char *text, size_t n) {
  Diag *quiet = diag_new(s->arena, NULL);
  Text wanted = {0};
  bool same = !prep || (prep_save(p, prep, &wanted) && wanted.n == n && !memcmp(wanted.data, text, n));
  text_free(&wanted);
  if (prep) s->prep = *prep;
  return same && (prep || prep_load(p, &s->prep, text, n, s->arena, quiet));
}

static bool take_info(const DataPlan *p, const PrepState *prep, Dataset *s, const char *text, size_t n, Info *info) {
  size_t counts = counts_bytes(p, &s->summary);
  if (n < sizeof *info) return false;
  memcpy(info, text, sizeof *info);
  const char *prep_text = text + sizeof *info + counts;
  if (memcmp(info->magic, MAGIC, sizeof MAGIC) != 0 || n - sizeof *info < counts) return false;
  if (n - sizeof *info - counts != info->prep_bytes) return false;
  if (hash_bytes(prep_text, info->prep_bytes, 7) != info->digest) return false;
  take_counts(p, &s->summary, info, text + sizeof *info);
  return take_prep(p, prep, s, prep_text, info->prep_bytes);
}

// ---------------------------------------------------------------- entries
static char *whole_file(const char *path, size_t *n) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  char *data = NULL;
  if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < (off_t)1 << 36) {
    data = xmalloc((size_t)st.st_size + 1);
    *n = 0;
    for (ssize_t got = 1; got > 0 && *n < (size_t)st.st_size; *n += got > 0 ? (size_t)got : 0)
      got = read(fd, data + *n, (size_t)st.st_size - *n);
    futimens(fd, NULL);                                      // it is used now: see keep_few
  }
  if (fd >= 0) close(fd);
  return data;
}

bool row_cache_load(const DataPlan *p, const PrepState *prep, uint64_t given, const DataFiles *f, Dataset *s) {
  char *entry = entry_of(p, given, f, s->arena);
  size_t n = 0;
  Info info;
  char *text = entry ? whole_file(arena_printf(s->arena, "%s.info", entry), &n) : NULL;
  bool ok = text && take_info(p, prep, s, text, n, &info);
  for (int k = 0; ok && k < 3; k++)
    ok = rows_map(p, info.n[k], arena_printf(s->arena, "%s.%d", entry, k), memory_limit(f->memory), &s->split[k], s->arena);
  for (int k = 0; ok && k < 3; k++) s->summary.rows[k] = s->split[k].n;
  free(text);
  return ok;
}

static void remove_entry(const char *folder, const char *info) {
  static const char *const endings[] = {"info", "0", "1", "2"};
  char path[4096];
  for (int i = 0; i < COUNT_OF(endings); i++) {
    snprintf(path, sizeof path, "%s/%.*s.%s", folder, (int)(strlen(info) - strlen(".info")), info, endings[i]);
    unlink(path);
  }
}

// Removes the entries that were not used for the longest time. Who has one open keeps its rows.
static void keep_few(const char *folder) {
  enum { KEPT = 4 };
  for (;;) {
    char oldest[256] = "", path[4096];
    struct timespec at = {0};
    int n = 0;
    DIR *d = opendir(folder);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
      struct stat st;
      size_t len = strlen(e->d_name);
      if (len < 6 || len >= sizeof oldest || strcmp(e->d_name + len - 5, ".info") != 0) continue;
      snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
      if (stat(path, &st)) continue;
      bool older = !n++ || st.st_mtim.tv_sec < at.tv_sec ||
                   (st.st_mtim.tv_sec == at.tv_sec && st.st_mtim.tv_nsec < at.tv_nsec);
      if (!older) continue;
      at = st.st_mtim;
      memcpy(oldest, e->d_name, len + 1);
    }
    closedir(d);
    if (n <= KEPT) return;
    remove_entry(folder, oldest);
  }
}

// What cannot be kept is no error: the rows are there.
void row_cache_save(const DataPlan *p, const DataFiles *f, Dataset *s) {
  bool on_disk = false;
  for (int k = 0; k < 3; k++) on_disk |= s->split[k].file != NULL;
  char *entry = on_disk ? entry_of(p, s->prep.given, f, s->arena) : NULL;
  Diag *quiet = diag_new(s->arena, NULL);
  if (!entry) return;
  for (int k = 0; k < 3; k++)
    if (!rows_keep(p, &s->split[k], f->folder, arena_printf(s->arena, "%s.%d", entry, k), s->arena))
      return;
  write_info(p, s, arena_printf(s->arena, "%s.info", entry), quiet);
  keep_few(f->folder);
}
