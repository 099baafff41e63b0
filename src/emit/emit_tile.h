// emit_tile.h: a tile of a product: what the files of CALL_DOT share.
#ifndef MTLC_EMIT_TILE_H
#define MTLC_EMIT_TILE_H
#include "emit_int.h"

typedef struct {
  Kernel *k;
  int mr, nv, width;                        // rows, vectors, lanes of a vector
  bool narrow, flat;                        // flat: as many rows as lanes, one behind the other in memory
  Value mask[MAX_TILE];                     // per vector; NULL: all lanes
  Value row, col;                           // first row and column of the tile
  Value left, right, stride;                // &left[row, 0], &right[0, col]; of left, from row to row
  Value next;                               // elements from what is read of right to this tile's part of what is read next; NULL: nothing is fetched
} Tile;

static inline Type acc_elem(Kernel *k) { return emit_type(k->e, k->c->vals[k->c->anchor].dtype); }
static inline Type acc_type(Tile *t) { return ll_vec(acc_elem(t->k), t->width); }

static inline Value left_row(Kernel *k, Value row) {              // &left[row, 0]
  LL *l = &k->e->l;
  return ll_at(l, emit_type(k->e, k->c->left.dtype), k->left, ll_mul(l, row, k->left_mn));
}

// ---- emit_tile.c
void tile_chain(Kernel *k, Value from, Value to, Value *acc, void *tile);        // Σ over k = from … to−1 into acc; a PartialFn
void tile_finish(Tile *t, Value *acc, Value from, Value to);                     // the program on rows from … to−1 of the tile

// ---- emit_column.c: a single column
void emit_column(Kernel *k);
#endif
