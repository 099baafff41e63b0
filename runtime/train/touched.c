// touched.c: which rows of tables steps have changed, so that what looks at slots or copies them now and then does so for these rows alone: its
// cost follows the rows that batches name, as a step's does. Where a table is updated by rows, sort_ids (host.h) says which: a bit for a block of
// BLOCK rows. Who asks has a view, the blocks that changed since it last looked; the engine gathers for all views together.
#include "../host.h"
#include "train_int.h"

enum { BLOCK = 16, WORD = 64, PIECE = 1 << 20 };

typedef struct { int buffer; int64_t rows, word; } Named;    // of the ids that sort_ids made; of the table; where its bits begin
struct Touched { Named *named; int n; int64_t words; uint64_t *recent; };

static int64_t words_of(int64_t rows) { return (rows + (int64_t)BLOCK * WORD - 1) / ((int64_t)BLOCK * WORD); }

static const Named *named_by(const Touched *t, int buffer) {
  for (int i = 0; i < t->n; i++)
    if (t->named[i].buffer == buffer) return &t->named[i];
  return NULL;
}

void touched_start(Engine *e) {
  const StepPlan *p = e->plan;
  Touched *t = xcalloc(1, sizeof *t);
  t->named = xcalloc((size_t)p->n_slots + 1, sizeof *t->named);
  for (int i = 0; i < p->n_slots; i++) {
    const PlanSlot *s = &p->slots[i];
    if (!s->named || named_by(t, s->named - 1)) continue;
    t->named[t->n++] = (Named){ s->named - 1, s->shape[0], t->words };
    t->words += words_of(s->shape[0]);
  }
  t->recent = xcalloc((size_t)t->words, sizeof *t->recent);
  e->touched = t;
}

void touched_free(Engine *e) {
  if (!e->touched) return;
  free(e->touched->named);
  free(e->touched->recent);
  free(e->touched);
  e->touched = NULL;
}

void touched_note(Engine *e, const PlanPhase *ph) {
  for (int i = 0; i < ph->n_host; i++) {
    const HostArgs *a = &ph->host[i];
    const Named *x = a->id == HOST_SORT_IDS ? named_by(e->touched, a->out.buffer) : NULL;
    if (!x) continue;
    const uint32_t *sorted = (const uint32_t *)e->buf[a->out.buffer] + a->out.offset, *id = sorted + SORTED_IDS;
    uint64_t *bits = e->touched->recent + x->word;
    for (uint32_t k = 0; k < sorted[0]; k++) bits[id[k] / (BLOCK * WORD)] |= (uint64_t)1 << id[k] / BLOCK % WORD;
  }
}

// ---------------------------------------------------------------- views
uint64_t *view_new(const Engine *e) {
  if (!e->touched) return NULL;
  size_t bytes = sizeof(uint64_t) * (size_t)e->touched->words;
  return memset(xmalloc(bytes), 0xff, bytes);
}

void view_clear(const Engine *e, uint64_t *view) {
  if (view) memset(view, 0, sizeof *view * (size_t)e->touched->words);
}

void touched_gather(Engine *e, uint64_t *const *views, int n) {
  const Touched *t = e->touched;
  if (!t) return;
  for (int i = 0; i < n; i++)
    for (int64_t k = 0; views[i] && k < t->words; k++) views[i][k] |= t->recent[k];
  view_clear(e, t->recent);
}

// ---------------------------------------------------------------- pieces of a slot
// The first run of blocks from block k on that a view has, of at most `most`; false: there is none.
static bool next_run(const Named *x, const uint64_t *view, int64_t most, int64_t *k, int64_t *end) {
  int64_t blocks = (x->rows + BLOCK - 1) / BLOCK;
  const uint64_t *bits = view + x->word;
  while (*k < blocks && !(bits[*k / WORD] >> *k % WORD & 1)) *k += bits[*k / WORD] >> *k % WORD ? 1 : WORD - *k % WORD;
  for (*end = *k; *end < blocks && *end - *k < most && bits[*end / WORD] >> *end % WORD & 1;) ++*end;
  return *k < *end;
}

bool slot_piece(const Engine *e, const PlanSlot *s, const uint64_t *view, size_t *at, size_t *n) {
  const Buffer *b = &e->plan->buffers[s->buffer];
  const Named *x = view && s->named ? named_by(e->touched, s->named - 1) : NULL;
  size_t width = b->dtype == F64 ? sizeof(double) : sizeof(float), line = s->rank > 1 ? (size_t)b->ld * width : width;
  size_t bytes = (size_t)((b->rows_a - 1) * b->ld + b->cols) * width, from = *at + *n, to = from + (line < PIECE ? PIECE / line * line : line);
  if (x) {
    size_t block = BLOCK * (s->rank > 1 ? (size_t)(b->rows_a / s->shape[0]) * line : line);
    int64_t k = (int64_t)((from + block - 1) / block), end;
    if (!next_run(x, view, block < PIECE ? (int64_t)(PIECE / block) : 1, &k, &end)) return false;
    from = (size_t)k * block, to = (size_t)end * block;
  }
  if (from >= bytes) return false;
  *at = from;
  *n = (to < bytes ? to : bytes) - from;
  return true;
}
