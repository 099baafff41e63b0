// given.c: a preparation that starts from that of an earlier run. An input's numbers and vocabulary are taken as they are, so that a part of the
// model that is kept reads the same values of a row as before, to the bit.
#include "data_int.h"

bool given_input(const GivenPrep *g, const DataPlan *p, int at, PrepState *s) {
  if (!g || g->input[at] < 0) return false;
  const DataInput *in = &p->inputs[at], *old = &g->plan->inputs[g->input[at]];
  int n = in->kind == INPUT_LIST ? in->item == INPUT_REAL : in->width;
  for (int k = 0; k < n; k++) s->dense[in->dense_at + k] = g->prep->dense[old->dense_at + k];
  if (in->id_at >= 0) s->vocab[in->id_at] = g->prep->vocab[old->id_at];
  return true;
}

bool given_label(const GivenPrep *g, int at, PrepState *s) {
  if (!g || g->label[at] < 0) return false;
  s->label[at] = g->prep->label[g->label[at]];
  s->label_class[at] = g->prep->label_class[g->label[at]];
  return true;
}

uint64_t given_digest(const GivenPrep *g) {
  Text t = {0};
  prep_save(g->plan, g->prep, &t);
  uint64_t h = hash_bytes(t.data, t.n, 11);
  text_free(&t);
  return h ? h : 1;
}
