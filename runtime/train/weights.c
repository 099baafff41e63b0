// weights.c: slots as safetensors: u64 little-endian length of the header, JSON header padded with blanks to 8, data contiguous
// from 0 to the end of the file. Names sorted, so equal weights give equal bytes; a 64-bit digest of each tensor stands in the
// metadata. The reader checks every bound before it uses it.
#include <jansson.h>
#include "../train.h"

enum { MAX_HEADER = 100 << 20 };

static size_t width_of(const PlanSlot *s) { return s->dtype == F64 || s->dtype == I64 ? 8 : 4; }
static size_t bytes_of(const PlanSlot *s) {
  size_t n = width_of(s);
  for (int i = 0; i < s->rank; i++) n *= (size_t)s->shape[i];
  return n;
}
static const char *dtype_name(DType t) { return t == F64 ? "F64" : t == F32 ? "F32" : t == I64 ? "I64" : "U32"; }

static bool wanted(const PlanSlot *s, bool with_state) { return with_state || s->role == SLOT_PARAM || s->role == SLOT_STATE; }

// Between the arena's rows (ld apart) and a dense run of elements.
static void copy_rows(const StepPlan *p, const PlanSlot *s, void *slots, char *dense, bool out) {
  const Buffer *b = &p->buffers[s->buffer];
  size_t w = width_of(s), row = (size_t)b->cols * w;
  for (int64_t r = 0; r < b->rows_a; r++) {
    char *at = (char *)slots + b->offset + (size_t)r * (size_t)b->ld * w;
    if (out) memcpy(dense + (size_t)r * row, at, row);
    else memcpy(at, dense + (size_t)r * row, row);
  }
}

static int by_path(const void *a, const void *b) { return strcmp((*(const PlanSlot *const *)a)->path, (*(const PlanSlot *const *)b)->path); }

static const PlanSlot **sorted_slots(const StepPlan *p, bool with_state, int *n) {
  const PlanSlot **s = xcalloc((size_t)p->n_slots + 1, sizeof *s);
  *n = 0;
  for (int i = 0; i < p->n_slots; i++)
    if (wanted(&p->slots[i], with_state)) s[(*n)++] = &p->slots[i];
  qsort(s, (size_t)*n, sizeof *s, by_path);
  return s;
}

static void digest_text(const void *data, size_t n, char out[24]) { snprintf(out, 24, "%016llx", (unsigned long long)hash_bytes(data, n, 7)); }

static json_t *tensor_json(const PlanSlot *s, size_t at) {
  json_t *shape = json_array();
  for (int i = 0; i < s->rank; i++) json_array_append_new(shape, json_integer(s->shape[i]));
  return json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtype_name(s->dtype), "shape", shape, "data_offsets", (json_int_t)at, (json_int_t)(at + bytes_of(s)));
}

bool weights_save(const char *path, const StepPlan *p, const void *slots, bool with_state, Diag *d) {
  int n;
  const PlanSlot **s = sorted_slots(p, with_state, &n);
  json_t *header = json_object(), *meta = json_object();
  Text data = {0}, file = {0};
  text_add(&data, "");
  for (int i = 0; i < n; i++) {
    size_t at = data.n, size = bytes_of(s[i]);
    char *dense = xmalloc(size), digest[24];
    copy_rows(p, s[i], (void *)slots, dense, true);
    digest_text(dense, size, digest);
    json_object_set_new(meta, s[i]->path, json_string(digest));
    json_object_set_new(header, s[i]->path, tensor_json(s[i], at));
    text_addn(&data, dense, size);
    free(dense);
  }
  json_object_set_new(header, "__metadata__", meta);
  char *json = json_dumps(header, JSON_COMPACT | JSON_SORT_KEYS);
  uint64_t length = (strlen(json) + 7) / 8 * 8;
  unsigned char le[8];
  for (int i = 0; i < 8; i++) le[i] = (unsigned char)(length >> (8 * i));
  text_addn(&file, (char *)le, 8);
  text_add(&file, json);
  while (file.n < 8 + length) text_char(&file, ' ');
  text_addn(&file, data.data, data.n);
  bool ok = file_write_whole(path, file.data, file.n, d);
  free(json);
  json_decref(header);
  text_free(&data);
  text_free(&file);
  free(s);
  return ok;
}

// ---------------------------------------------------------------- reading
static bool bad(Diag *d, const char *path, const char *fmt, ...) PRINTF_LIKE(3, 4);
static bool bad(Diag *d, const char *path, const char *fmt, ...) {
  Text t = {0};
  va_list ap;
  va_start(ap, fmt);
  text_vprintf(&t, fmt, ap);
  va_end(ap);
  diag_data(d, "bad-weights", path, 0, 0, NULL, "%s", t.data);
  text_free(&t);
  return false;
}

static bool slurp(const char *path, char **data, size_t *n, Diag *d) {
  FILE *f = fopen(path, "rb");
  if (!f) return bad(d, path, "the weights cannot be opened");
  Text t = {0};
  char piece[65536];
  text_add(&t, "");
  for (size_t r; (r = fread(piece, 1, sizeof piece, f)) > 0;) text_addn(&t, piece, r);
  bool ok = !ferror(f);
  fclose(f);
  *data = t.data;
  *n = t.n;
  return ok || bad(d, path, "the weights cannot be read");
}

static bool tensor_fits(const char *path, const PlanSlot *s, json_t *t, size_t data_bytes, size_t *at, Diag *d) {
  json_t *shape = json_object_get(t, "shape"), *range = json_object_get(t, "data_offsets");
  const char *dtype = json_string_value(json_object_get(t, "dtype"));
  if (!json_is_array(shape) || !json_is_array(range) || json_array_size(range) != 2 || !dtype) return bad(d, path, "the entry of `%s` is broken", s->path);
  bool same = !strcmp(dtype, dtype_name(s->dtype)) && json_array_size(shape) == (size_t)s->rank;
  for (int i = 0; same && i < s->rank; i++) same = json_integer_value(json_array_get(shape, (size_t)i)) == s->shape[i];
  if (!same) return bad(d, path, "`%s` has another shape or type than the model's", s->path);
  json_int_t from = json_integer_value(json_array_get(range, 0)), to = json_integer_value(json_array_get(range, 1));
  if (from < 0 || to < from || (uint64_t)to > data_bytes || (uint64_t)(to - from) != bytes_of(s))
    return bad(d, path, "`%s` lies outside of the file", s->path);
  *at = (size_t)from;
  return true;
}

static bool load_tensors(const char *path, const StepPlan *p, void *slots, bool with_state, json_t *header, char *data, size_t n, Diag *d) {
  int count;
  const PlanSlot **s = sorted_slots(p, with_state, &count);
  json_t *meta = json_object_get(header, "__metadata__");
  size_t total = 0, *at = xcalloc((size_t)count + 1, sizeof *at);
  bool ok = json_object_size(header) == (size_t)count + (meta != NULL) || bad(d, path, "it holds other tensors than the model");
  for (int i = 0; ok && i < count; i++) {
    json_t *t = json_object_get(header, s[i]->path);
    ok = t ? tensor_fits(path, s[i], t, n, &at[i], d) : bad(d, path, "`%s` is not in it", s[i]->path);
    if (ok && at[i] != total) ok = bad(d, path, "a hole or an overlap before `%s`", s[i]->path);
    total += bytes_of(s[i]);
  }
  if (ok && total != n) ok = bad(d, path, "%zu bytes of data, expected %zu", n, total);
  for (int i = 0; ok && i < count; i++) {
    char digest[24];
    const char *want = json_string_value(json_object_get(meta, s[i]->path));
    digest_text(data + at[i], bytes_of(s[i]), digest);
    ok = (want && !strcmp(want, digest)) || bad(d, path, "the data of `%s` do not match their digest", s[i]->path);
  }
  for (int i = 0; ok && i < count; i++) copy_rows(p, s[i], slots, data + at[i], false);
  free(at);
  free(s);
  return ok;
}

bool weights_load(const char *path, const StepPlan *p, void *slots, bool with_state, Diag *d) {
  char *file = NULL;
  size_t n = 0;
  uint64_t length = 0;
  bool ok = slurp(path, &file, &n, d);
  if (ok && n < 8) ok = bad(d, path, "it is too short");
  for (int i = 0; ok && i < 8; i++) length |= (uint64_t)(unsigned char)file[i] << (8 * i);
  if (ok && (length > MAX_HEADER || length > n - 8 || length % 8)) ok = bad(d, path, "its header's length is wrong");
  json_t *header = ok ? json_loadb(file + 8, length, JSON_REJECT_DUPLICATES, NULL) : NULL;
  if (ok && !json_is_object(header)) ok = bad(d, path, "its header is no JSON object");
  ok = ok && load_tensors(path, p, slots, with_state, header, file + 8 + length, n - 8 - length, d);
  json_decref(header);
  free(file);
  return ok;
}
