// host.h: host calls: values of a step that a C routine of the program computes instead of generated code. The scheduler
// fills HostArgs from an op of KIND_CALL; a phase of such calls is run by host_run.
//
// A routine reads its operands in the step's buffers and writes all of `out`. It has no memory of its own between steps: what
// must survive is a slot, given as an operand, its new value a part of the result. Same operands, same bits: what a routine
// does may depend on neither time, threads nor addresses. Denormals are flushed while it runs, as in generated code.
#ifndef MTLC_HOST_H
#define MTLC_HOST_H
#include "plan.h"

typedef enum {
  HOST_NONE,
#define HOST(id, fn, item_rows) HOST_##id,
#include "host.def"
#undef HOST
  N_HOST
} HostId;

// n: rows of the batch. lo … hi−1: rows of out's axis 0 to compute (its whole where out is a scalar or has one item).
typedef void HostFn(void *const *buf, const HostArgs *a, int64_t n, int64_t lo, int64_t hi);
#define HOST(id, fn, item_rows) HostFn fn;
#include "host.def"
#undef HOST
extern HostFn *const host_rows[N_HOST];

// sort_ids: in0 ids u32 [rows] or [rows, m], in1 of a list its lengths; then the next ids, and so on: S of them. i[0], i[2] unused, i[1] =
// C distinct ids at most, i[3]: ids are below it; N = Σ capacity · m ids. out, u32: how many distinct ids there are, n; those, ascending,
// and anything behind them [C]; where the places of each begin in the two lists that follow, those in each of the S apart [C · S + 1]; for each
// place, by id, then by which of the S, then by row, then by item: its row [N], its item [N]; 3 N words that the routine alone uses; for each
// place, by which of the S, then by row, then by item, which of the distinct ids it has [N], 0 for an item that is not there.
enum { SORT_SOURCES = 64 };                                       // S at most
enum { SORTED_IDS = 1 };                                          // where they lie in out
static inline int64_t sorted_starts(int64_t c) { return SORTED_IDS + c; }
static inline int64_t sorted_rows(int64_t c, int64_t s) { return sorted_starts(c) + c * s + 1; }
static inline int64_t sorted_items(int64_t c, int64_t s, int64_t n) { return sorted_rows(c, s) + n; }
static inline int64_t sorted_numbers(int64_t c, int64_t s, int64_t n) { return sorted_items(c, s, n) + 4 * n; }
static inline int64_t sorted_words(int64_t c, int64_t s, int64_t n) { return sorted_numbers(c, s, n) + n; }

// by_id: in0 u32 [rows, m], numbers below V; i[1] = R. Row c of out, u32, is about rows c·R … (c+1)·R−1 of the batch: for each v where it
// begins in the list that follows, and the end [V + 1]; a word that the routine alone uses; the rows that have v, ascending, v after v [R ·
// m].
static inline int64_t by_id_rows(int64_t v) { return v + 2; }     // where the list lies
static inline int64_t by_id_words(int64_t v, int64_t ids) { return by_id_rows(v) + ids; }

// pairs: in0 … in3 scores s, labels y, known (0: the row is in no pair) and groups (numbers; below 0: none), each [rows]. A pair (i, j) is two rows of
// one group with y_i > y_j, and costs φ(s_i − s_j). i[0] = PairKind, f = margin; i[1] = order. out [rows, 2]:
//   0   ℓ_i = Σ_j φ(s_i − s_j) and how many j there are: a pair belongs to the row that should come first
//   1   ∂/∂s of Σ u_i·ℓ_i, and 0; in4: u [rows]
//   2   with D = Σ_i v_i·(1)_i: ∂D/∂s and ∂D/∂u; in4: u, in5: v [rows]
// Sums run over a group's rows in the batch's order, in double; exp and log are the routine's own, so that bits are the same anywhere.
typedef enum { PAIR_LOGISTIC, PAIR_HINGE } PairKind;              // φ(d) = log(1 + exp(−d)); max(0, margin − d)

static inline int64_t host_extent(const HostOperand *o, int axis, int64_t n) {
  return axis == 0 && o->rows ? n : o->extent[axis];
}
// Element [i, j, …] of an operand, at[] having one index per axis, as a double. at may be NULL where the rank is 0.
double host_get(void *const *buf, const HostOperand *o, const int64_t *at);
void   host_put(void *const *buf, const HostOperand *o, const int64_t *at, double v);

// Items lo … hi−1 of a phase of `n_calls` calls, numbered call after call.
static inline void host_run(HostFn *const *rows, void *const *buf, const HostArgs *calls, int n_calls, int64_t n, int64_t lo,
                            int64_t hi) {
  for (int c = 0; c < n_calls; lo -= calls[c].items, hi -= calls[c++].items)
    for (int64_t i = lo < 0 ? 0 : lo; i < hi && i < calls[c].items; i++) {
      const HostArgs *a = &calls[c];
      int64_t all = a->out.rank ? a->out.extent[0] : 1, to = (i + 1) * a->item_rows;
      rows[a->id](buf, a, n, i * a->item_rows, to < all ? to : all);
    }
}
#endif
