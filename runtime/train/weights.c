// weights.c: slots on disk as safetensors: u64 length of the header, the header (JSON, padded with blanks to 8), the tensors
// one after the other. Names and metadata are sorted, so equal weights give equal bytes. Tensors lie by width of their
// elements, then by name: each is aligned. The metadata hold "digest:NAME" of every tensor (hash_bytes of its bytes, seed 0,
// 16 hex digits). A reader believes nothing: the plan says what must be there, and sizes are checked before anything is read
// or allocated. Tensors go piece by piece: they may be larger than memory.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "train_int.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors are little-endian; the targets are, too");

enum { PREAMBLE = 8, LONGEST_HEADER = 100000000, DIGEST_DIGITS = 16, PIECE = 1 << 20 };
static const struct { const char *name; size_t bytes; } dtypes[] = {
  [F32] = { "F32", 4 }, [F64] = { "F64", 8 }, [U32] = { "U32", 4 }, [I64] = { "I64", 8 } };

typedef struct {
  char *name;
  const PlanSlot *slot;
  int64_t rows, cols, ld;
  char *at;                  // in the slot arena
  size_t width, bytes;       // of an element; of the tensor
  int64_t offset;            // in the data part
  uint64_t digest;
} Tensor;
typedef struct { Tensor *data; int n; size_t bytes, piece; } Tensors;     // piece: bytes of the largest

// ---------------------------------------------------------------- what the plan says
static bool is_kept(const PlanSlot *s, SlotPart part) {
  bool of_model = s->role == SLOT_PARAM || s->role == SLOT_STATE;
  return part == SLOTS_ALL || of_model == (part == SLOTS_OF_MODEL);
}

static Tensor tensor_of(const StepPlan *p, const PlanSlot *s, const SlotSet *set) {
  const Buffer *b = &p->buffers[s->buffer];
  Tensor t = { .slot = s,
               .rows = b->rows_a,
               .cols = b->cols,
               .ld = b->ld,
               .at = (char *)set->slots + b->offset,
               .width = dtypes[b->dtype].bytes };
  int64_t elements = 1;
  for (int i = 0; i < s->rank; i++) elements *= s->shape[i];
  CHECK(b->role == BUF_SLOT && b->rows_b == 0 && elements == b->rows_a * b->cols);
  t.bytes = (size_t)elements * t.width;
  t.name = xmalloc(strlen(set->prefix) + strlen(s->path) + 1);
  strcpy(t.name, set->prefix);
  strcat(t.name, s->path);
  return t;
}

// ---------------------------------------------------------------- pieces: bytes at … at + n − 1 of a tensor without gaps between its rows
static size_t row_bytes(const Tensor *t) { return (size_t)t->cols * t->width; }
static bool has_gaps(const Tensor *t) { return t->rows > 1 && t->ld != t->cols; }
static char *row_at(const Tensor *t, size_t at) { return t->at + at / row_bytes(t) * (size_t)t->ld * t->width; }

static size_t piece_bytes(const Tensor *t) {                 // whole rows, where there are gaps
  size_t row = row_bytes(t);
  if (!has_gaps(t)) return t->bytes < PIECE ? t->bytes : PIECE;
  return row < PIECE ? PIECE / row * row : row;
}

static size_t piece_at(const Tensor *t, size_t at) {
  size_t piece = piece_bytes(t);
  return t->bytes - at < piece ? t->bytes - at : piece;
}

// In the arena, where it lies so already, else in `room`.
static const void *packed(const Tensor *t, size_t at, size_t n, char *room) {
  if (!has_gaps(t)) return t->at + at;
  for (size_t i = 0, row = row_bytes(t); i < n; i += row) memcpy(room + i, row_at(t, at + i), row);
  return room;
}

static void unpack(const Tensor *t, size_t at, size_t n, const char *from) {
  if (!has_gaps(t)) memcpy(t->at + at, from, n);
  else for (size_t i = 0, row = row_bytes(t); i < n; i += row) memcpy(row_at(t, at + i), from + i, row);
}

static int by_layout(const void *x, const void *y) {
  const Tensor *a = x, *b = y;
  if (a->width != b->width) return a->width > b->width ? -1 : 1;
  return strcmp(a->name, b->name);
}

static Tensors tensors_of(const StepPlan *p, const SlotSet *sets, int n_sets, SlotPart part) {
  Tensors t = { .data = xcalloc((size_t)p->n_slots * (size_t)n_sets, sizeof(Tensor)) };
  for (int k = 0; k < n_sets; k++)
    for (int i = 0; i < p->n_slots; i++)
      if (is_kept(&p->slots[i], part)) t.data[t.n++] = tensor_of(p, &p->slots[i], &sets[k]);
  qsort(t.data, (size_t)t.n, sizeof *t.data, by_layout);
  for (int i = 0; i < t.n; i++) {
    t.data[i].offset = (int64_t)t.bytes;
    t.bytes += t.data[i].bytes;
    if (piece_bytes(&t.data[i]) > t.piece) t.piece = piece_bytes(&t.data[i]);
  }
  return t;
}

static void tensors_free(Tensors *t) {
  for (int i = 0; i < t->n; i++) free(t->data[i].name);
  free(t->data);
}

// ---------------------------------------------------------------- writing
static void digest_text(uint64_t v, char out[DIGEST_DIGITS + 1]) { snprintf(out, DIGEST_DIGITS + 1, "%016" PRIx64, v); }

static char *digest_key(const Tensor *t) {
  char *s = xmalloc(strlen(t->name) + sizeof "digest:");
  strcpy(s, "digest:");
  return strcat(s, t->name);
}

static json_t *tensor_json(const Tensor *t) {
  json_t *shape = json_array();
  for (int i = 0; i < t->slot->rank; i++) json_array_append_new(shape, json_integer(t->slot->shape[i]));
  return json_pack("{s:s, s:o, s:[I,I]}", "dtype", dtypes[t->slot->dtype].name, "shape", shape, "data_offsets",
                   (json_int_t)t->offset, (json_int_t)t->offset + (json_int_t)t->bytes);
}

static Text header_text(const Tensors *t) {
  json_t *all = json_object(), *meta = json_object();
  json_object_set_new(meta, "format", json_string("mtlc"));
  json_object_set_new(meta, "version", json_string("1"));
  for (int i = 0; i < t->n; i++) {
    char digits[DIGEST_DIGITS + 1], *key = digest_key(&t->data[i]);
    digest_text(t->data[i].digest, digits);
    json_object_set_new(meta, key, json_string(digits));
    json_object_set_new(all, t->data[i].name, tensor_json(&t->data[i]));
    free(key);
  }
  json_object_set_new(all, "__metadata__", meta);
  char *s = json_dumps(all, JSON_SORT_KEYS | JSON_COMPACT);
  json_decref(all);
  if (!s) BUG("a tensor's name is not UTF-8");
  Text out = {0};
  text_add(&out, s);
  while (out.n % 8) text_char(&out, ' ');
  free(s);
  return out;
}

static uint64_t digest_of(const Tensor *t, char *room) {
  uint64_t h = hash_begin(0);
  for (size_t at = 0, n; at < t->bytes; at += n) n = piece_at(t, at), h = hash_more(h, packed(t, at, n, room), n);
  return hash_end(h);
}

static void add_all(WholeFile *f, const Text *header, const Tensors *t, char *room) {
  uint64_t bytes = header->n;
  whole_add(f, &bytes, sizeof bytes);
  whole_add(f, header->data, header->n);
  for (const Tensor *x = t->data; x < t->data + t->n; x++)
    for (size_t at = 0, n; at < x->bytes; at += n) n = piece_at(x, at), whole_add(f, packed(x, at, n, room), n);
}

static bool save(const char *path, const StepPlan *p, const SlotSet *sets, int n_sets, SlotPart part, bool durable,
                 uint64_t *digest, Diag *d) {
  Tensors t = tensors_of(p, sets, n_sets, part);
  char *room = xmalloc(t.piece);
  for (int i = 0; i < t.n; i++) t.data[i].digest = digest_of(&t.data[i], room);
  Text header = header_text(&t);
  *digest = hash_bytes(header.data, header.n, 0);
  WholeFile *f = whole_open(path, d);
  if (f) add_all(f, &header, &t, room);
  bool fine = f && whole_close(f, durable);
  text_free(&header);
  free(room);
  tensors_free(&t);
  return fine;
}

bool tensors_save(const char *path, const StepPlan *p, const SlotSet *sets, int n_sets, SlotPart part, uint64_t *digest,
                  Diag *d) {
  return save(path, p, sets, n_sets, part, true, digest, d);
}

bool weights_save(const char *path, const StepPlan *p, const void *slots, SlotPart part, Diag *d) {
  uint64_t digest;
  return save(path, p, &(SlotSet){ "", (void *)slots }, 1, part, true, &digest, d);
}

bool weights_save_soon(const char *path, const StepPlan *p, const void *slots, SlotPart part, Diag *d) {
  uint64_t digest;
  return save(path, p, &(SlotSet){ "", (void *)slots }, 1, part, false, &digest, d);
}

bool tensors_claim(const char *path, const StepPlan *p, const SlotSet *sets, int n_sets, SlotPart part, Diag *d) {
  Tensors t = tensors_of(p, sets, n_sets, part);
  Text header = header_text(&t);                             // as long with the digests
  bool fine = file_claim(path, PREAMBLE + header.n + t.bytes, d);
  text_free(&header);
  tensors_free(&t);
  return fine;
}

bool weights_claim(const char *path, const StepPlan *p, const void *slots, SlotPart part, Diag *d) {
  return tensors_claim(path, p, &(SlotSet){ "", (void *)slots }, 1, part, d);
}

// ---------------------------------------------------------------- reading
typedef struct { const char *path; int fd; int64_t size; json_t *header; Diag *diag; } Reader;

PRINTF_LIKE(2, 3) static bool bad(const Reader *r, const char *fmt, ...) {
  char why[512];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(why, sizeof why, fmt, ap);
  va_end(ap);
  diag_data(r->diag, "bad-weights", r->path, 0, 0, NULL, "these weights cannot be used: %s", why);
  return false;
}

static bool read_at(const Reader *r, void *to, size_t n, int64_t at) {
  for (char *p = to; n;) {
    ssize_t got = pread(r->fd, p, n < (size_t)1 << 30 ? n : (size_t)1 << 30, (off_t)at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return bad(r, "they cannot be read: %s", strerror(errno));
    if (got == 0) return bad(r, "the file ends too early");
    p += got, n -= (size_t)got, at += got;
  }
  return true;
}

// More bytes than any header of these tensors needs: escapes take six for one, and every name stands in it twice.
static uint64_t longest_header(const Tensors *t) {
  uint64_t n = 65536;
  for (int i = 0; i < t->n; i++) n += 12 * (uint64_t)strlen(t->data[i].name) + 1024;
  return n < LONGEST_HEADER ? n : LONGEST_HEADER;
}

// t NULL: of a file of any tensors.
static bool read_header(Reader *r, const Tensors *t, uint64_t *digest) {
  uint64_t n;
  struct stat st;
  if (fstat(r->fd, &st) || !S_ISREG(st.st_mode)) return bad(r, "this is no file");
  r->size = st.st_size;
  if (r->size < PREAMBLE) return bad(r, "the file has %lld bytes, too few for the length of a header", (long long)r->size);
  if (!read_at(r, &n, sizeof n, 0)) return false;
  if (n > (uint64_t)r->size - PREAMBLE) return bad(r, "a header of %" PRIu64 " bytes does not fit the file", n);
  if (n > (t ? longest_header(t) : LONGEST_HEADER)) return bad(r, "a header of %" PRIu64 " bytes is longer than this model's can be", n);
  uint64_t rest = (uint64_t)r->size - PREAMBLE - n;
  if (t && rest != t->bytes) return bad(r, "%" PRIu64 " bytes of tensors, and the model has %zu", rest, t->bytes);
  char *s = xmalloc(n + 1);
  bool fine = read_at(r, s, n, PREAMBLE);
  json_error_t e = {0};
  if (fine && (n == 0 || s[0] != '{')) fine = bad(r, "the header does not start with `{`");
  if (fine && !(r->header = json_loadb(s, n, JSON_REJECT_DUPLICATES, &e)))
    fine = bad(r, "the header is broken at byte %d: %s", e.position, e.text);
  if (fine) *digest = hash_bytes(s, n, 0);
  free(s);
  return fine;
}

static bool whole_number(const json_t *j, int64_t *v) {
  *v = json_is_integer(j) ? json_integer_value(j) : -1;
  return *v >= 0;
}

static bool check_shape(const Reader *r, const Tensor *t, const json_t *j) {
  const json_t *shape = json_object_get(j, "shape");
  const char *dtype = json_string_value(json_object_get(j, "dtype")), *want = dtypes[t->slot->dtype].name;
  if (!dtype || strcmp(dtype, want))
    return bad(r, "the dtype of `%s` is %.20s, and %s in the model", t->name, dtype ? dtype : "missing", want);
  if (!json_is_array(shape) || (int)json_array_size(shape) != t->slot->rank)
    return bad(r, "`%s` has not the model's %d axes", t->name, t->slot->rank);
  for (int i = 0; i < t->slot->rank; i++) {
    int64_t v;
    if (!whole_number(json_array_get(shape, (size_t)i), &v) || v != t->slot->shape[i])
      return bad(r, "axis %d of `%s` is not of the model's size %lld", i, t->name, (long long)t->slot->shape[i]);
  }
  return true;
}

// One tensor's entry against the plan; its place in the file and its digest go to t.
static bool check_entry(const Reader *r, Tensor *t, const json_t *meta) {
  const json_t *j = json_object_get(r->header, t->name), *span = json_object_get(j, "data_offsets");
  int64_t from, to;
  if (!j) return bad(r, "`%s` is not in the file", t->name);
  if (!json_is_object(j) || json_object_size(j) != 3)
    return bad(r, "`%s` is not described by dtype, shape, data_offsets", t->name);
  if (!check_shape(r, t, j)) return false;
  if (json_array_size(span) != 2 || !whole_number(json_array_get(span, 0), &from) ||
      !whole_number(json_array_get(span, 1), &to))
    return bad(r, "`%s` has no data_offsets", t->name);
  if (to < from || (uint64_t)(to - from) != t->bytes)
    return bad(r, "the data_offsets of `%s` do not hold its %zu bytes", t->name, t->bytes);
  t->offset = from;
  char *key = digest_key(t), *end = NULL;
  const char *digits = json_string_value(json_object_get(meta, key));
  free(key);
  if (!digits) return bad(r, "the digest of `%s` is missing", t->name);
  errno = 0;
  t->digest = strtoull(digits, &end, 16);
  char again[DIGEST_DIGITS + 1];
  digest_text(t->digest, again);
  return strcmp(again, digits) == 0 || bad(r, "the digest of `%s` is no number", t->name);
}

static int by_offset(const void *x, const void *y) {         // empty tensors first: they share their place with the next
  const Tensor *a = x, *b = y;
  if (a->offset != b->offset) return a->offset < b->offset ? -1 : 1;
  return a->bytes != b->bytes ? (a->bytes < b->bytes ? -1 : 1) : strcmp(a->name, b->name);
}

static bool check_layout(const Reader *r, Tensors *t) {
  int64_t at = 0;
  qsort(t->data, (size_t)t->n, sizeof *t->data, by_offset);
  for (int i = 0; i < t->n; i++) {
    if (t->data[i].offset != at)
      return bad(r, t->data[i].offset < at ? "`%s` overlaps another tensor" : "there is a hole before `%s`",
                 t->data[i].name);
    at += (int64_t)t->data[i].bytes;
  }
  return (uint64_t)at == t->bytes || bad(r, "the tensors do not fill the file");
}

static int by_name(const void *x, const void *y) { return strcmp(((const Tensor *)x)->name, ((const Tensor *)y)->name); }

static bool check_names(const Reader *r, const Tensors *t) {      // t by name
  const char *name;
  json_t *j;
  json_object_foreach(r->header, name, j) {
    if (strcmp(name, "__metadata__") == 0) continue;
    if (!bsearch(&(Tensor){ .name = (char *)name }, t->data, (size_t)t->n, sizeof *t->data, by_name))
      return bad(r, "the model has no `%.200s`", name);
  }
  json_object_foreach(json_object_get(r->header, "__metadata__"), name, j)
    if (!json_is_string(j)) return bad(r, "the metadata `%.200s` are no text", name);
  return true;
}

static bool check_header(const Reader *r, Tensors *t) {
  const json_t *meta = json_object_get(r->header, "__metadata__");
  const char *format = json_string_value(json_object_get(meta, "format")),
             *version = json_string_value(json_object_get(meta, "version"));
  if (!format || strcmp(format, "mtlc")) return bad(r, "they were not written by mtlc");
  if (!version || strcmp(version, "1")) return bad(r, "their version is not 1, the only one that this mtlc knows");
  qsort(t->data, (size_t)t->n, sizeof *t->data, by_name);
  if (!check_names(r, t)) return false;
  for (int i = 0; i < t->n; i++)
    if (!check_entry(r, &t->data[i], meta)) return false;
  return check_layout(r, t);
}

static bool changed(const Reader *r, const Tensor *t) { return bad(r, "the bytes of `%s` have changed since they were written", t->name); }

// All tensors once more after they were found whole: only then may the slots change. The second time they mostly come from memory.
static bool read_data(const Reader *r, const Tensors *t, bool into_slots) {
  int64_t data = r->size - (int64_t)t->bytes;
  char *room = xmalloc(t->piece);
  bool fine = true;
  for (const Tensor *x = t->data; fine && x < t->data + t->n; x++) {
    uint64_t h = hash_begin(0);
    for (size_t at = 0, n; fine && at < x->bytes; at += n) {
      n = piece_at(x, at);
      fine = read_at(r, room, n, data + x->offset + (int64_t)at);
      if (fine && into_slots) unpack(x, at, n, room);
      else if (fine) h = hash_more(h, room, n);
    }
    if (fine && !into_slots && hash_end(h) != x->digest) fine = changed(r, x);
  }
  free(room);
  return fine;
}

bool tensors_load(const char *path, const StepPlan *p, const SlotSet *sets, int n_sets, SlotPart part, uint64_t *digest,
                  Diag *d) {
  Reader r = { .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), .diag = d };
  if (r.fd < 0) return bad(&r, "they cannot be opened: %s", strerror(errno));
  Tensors t = tensors_of(p, sets, n_sets, part);
  bool fine = read_header(&r, &t, digest) && check_header(&r, &t) && read_data(&r, &t, false) && read_data(&r, &t, true);
  json_decref(r.header);
  tensors_free(&t);
  close(r.fd);
  return fine;
}

bool weights_load(const char *path, const StepPlan *p, void *slots, SlotPart part, Diag *d) {
  uint64_t digest;
  return tensors_load(path, p, &(SlotSet){ "", slots }, 1, part, &digest, d);
}

// ---------------------------------------------------------------- a file of any tensors
// What the header says of a tensor, as the slot of a plan; false: it is no tensor that weights_save writes.
static bool slot_of(const Reader *r, const char *name, const json_t *j, PlanSlot *s, size_t *elements) {
  const char *dtype = json_string_value(json_object_get(j, "dtype"));
  const json_t *shape = json_object_get(j, "shape");
  *s = (PlanSlot){ .path = name, .rank = (int)json_array_size(shape), .dtype = F32 };
  bool known = false;
  for (int i = 0; i < COUNT_OF(dtypes); i++)
    if (dtype && !strcmp(dtype, dtypes[i].name)) s->dtype = (DType)i, known = true;
  if (!known) return bad(r, "the dtype of `%.200s` is %.20s", name, dtype ? dtype : "missing");
  if (!json_is_array(shape) || json_array_size(shape) > COUNT_OF(s->shape)) return bad(r, "`%.200s` has no shape that can be", name);
  *elements = 1;
  for (int i = 0; i < s->rank; i++)
    if (!whole_number(json_array_get(shape, (size_t)i), &s->shape[i]) || __builtin_mul_overflow(*elements, (size_t)s->shape[i], elements) ||
        *elements > (size_t)r->size)
      return bad(r, "axis %d of `%.200s` does not fit the file", i, name);
  return true;
}

static bool tensors_in(const Reader *r, Tensors *t, PlanSlot *slots) {
  const char *name;
  json_t *j;
  json_object_foreach(r->header, name, j) {
    size_t elements = 0;
    if (strcmp(name, "__metadata__") == 0) continue;
    PlanSlot *s = &slots[t->n];
    if (!slot_of(r, name, j, s, &elements)) return false;
    t->data[t->n] = (Tensor){ .name = xmalloc(strlen(name) + 1), .slot = s, .width = dtypes[s->dtype].bytes, .bytes = elements * dtypes[s->dtype].bytes };
    strcpy(t->data[t->n].name, name);
    if (__builtin_add_overflow(t->bytes, t->data[t->n++].bytes, &t->bytes)) return bad(r, "the tensors do not fill the file");
  }
  size_t held = (size_t)r->size;
  return t->bytes <= held || bad(r, "the tensors do not fit the file");
}

// The file as memory: the machine keeps of it what is looked at and what it has room for.
static char *map_data(const Reader *r, const Tensors *t) {
  char *file = mmap(NULL, (size_t)r->size, PROT_READ, MAP_PRIVATE, r->fd, 0), *data = file + ((size_t)r->size - t->bytes);
  bool fine = file != MAP_FAILED || bad(r, "they cannot be read: %s", strerror(errno));
  for (const Tensor *x = t->data; fine && x < t->data + t->n; x++)
    if (hash_bytes(data + x->offset, x->bytes, 0) != x->digest) fine = changed(r, x);
  if (!fine && file != MAP_FAILED) munmap(file, (size_t)r->size);
  return fine ? file : NULL;
}

static StoredWeights *stored(const Reader *r, const Tensors *t, uint64_t digest, Arena *a) {
  char *file = map_data(r, t);
  if (!file) return NULL;
  StoredWeights *w = NEW(a, StoredWeights);
  StoredTensor *all = NEW_ARRAY(a, StoredTensor, t->n + 1);
  for (int i = 0; i < t->n; i++) {
    const Tensor *x = &t->data[i];
    all[i] = (StoredTensor){ .path = arena_strdup(a, x->name), .dtype = x->slot->dtype, .rank = x->slot->rank,
                             .elements = (int64_t)(x->bytes / x->width), .data = file + ((size_t)r->size - t->bytes) + x->offset };
    memcpy(all[i].shape, x->slot->shape, sizeof all[i].shape);
  }
  *w = (StoredWeights){ all, t->n, digest, file, (size_t)r->size };
  return w;
}

static int by_path(const void *x, const void *y) { return strcmp(((const StoredTensor *)x)->path, ((const StoredTensor *)y)->path); }

StoredWeights *weights_read(const char *path, Arena *a, Diag *d) {
  Reader r = { .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), .diag = d };
  StoredWeights *w = NULL;
  uint64_t digest;
  if (r.fd < 0) {
    bad(&r, "they cannot be opened: %s", strerror(errno));
    return NULL;
  }
  if (read_header(&r, NULL, &digest)) {
    size_t n = json_object_size(r.header);
    Tensors t = { .data = xcalloc(n + 1, sizeof(Tensor)) };
    PlanSlot *slots = xcalloc(n + 1, sizeof *slots);
    if (tensors_in(&r, &t, slots) && check_header(&r, &t)) w = stored(&r, &t, digest, a);
    if (w) qsort((void *)w->tensors, (size_t)w->n, sizeof *w->tensors, by_path);
    tensors_free(&t);
    free(slots);
  }
  json_decref(r.header);
  close(r.fd);
  return w;
}

void weights_unread(StoredWeights *w) {
  if (!w || !w->mapped) return;
  munmap(w->mapped, w->bytes);
  w->mapped = NULL;
}
