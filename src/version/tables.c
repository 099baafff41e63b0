// tables.c: which input a table belongs to.
#include "version.h"

const DataInput *table_owner(const Model *m, const Graph *g, const char *path) {
  for (NodeId n = 1; n < (NodeId)g->nodes.n; n++) {
    if (node(g, n)->op != OP_GATHER) continue;
    const Node *table = node(g, node_in(g, n, 0)), *ids = node(g, node_in(g, n, 1));
    if (table->op != OP_READ || ids->op != OP_IDS || strcmp(g->slots.data[table->attr.i[0]].path, path)) continue;
    for (int i = 0; i < m->data.n_inputs; i++) {
      const DataInput *in = &m->data.inputs[i];
      if (in->id_at == ids->attr.i[0]) return in->like ? &m->data.inputs[in->like - 1] : in;
    }
  }
  return NULL;
}
