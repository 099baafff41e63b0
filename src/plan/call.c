// call.c: a cluster → a Call: its dims, its little program of vals, operands with strides per dim, outputs.
#include "plan_int.h"

// A map says, for each dim of the domain at hand, which axis of a node runs along it; −1: none.
typedef struct { int axis[MAX_DIMS + 1]; } Map;
typedef struct { NodeId node; Map map; uint8_t prologue; int val; } Known;
typedef struct {
  Planner *p;
  int cluster;
  Call call;
  VEC(Val) vals;
  VEC(Input) inputs;
  VEC(Output) outputs;
  VEC(Known) known;
  int rank[2];                                       // dims of the result's domain, of the prologue's
  int named;                                         // 0, or 1 + the input that has the ids of the rows named, along dims[0]
} Maker;

static Arena *arena_of(Maker *k) { return k->p->s->arena; }

static Dim dim_of(Planner *p, AxisId a) {
  Dim d = { .is_rows = a == AXIS_OF_ROWS, .size = axis_size(p->g, a), .expected = axis_expected(p->g, a) };
  if (p->g->axes.data[a].kind != AXIS_NAMED) return d;
  Loc l = loc_of(p, p->sorted[a]);
  CHECK(l.offset == 0);
  d.named = 1 + l.buffer;
  return d;
}

// ---------------------------------------------------------------- maps
static Map map_operand(const Graph *g, NodeId u, NodeId x, const Map *m, int rank) {
  Map r;
  for (int d = 0; d < rank; d++) r.axis[d] = m->axis[d] < 0 ? -1 : operand_axis(g, u, x, m->axis[d]);
  return r;
}

static Map map_unit_move(const Graph *g, NodeId n, const Map *m, int rank) {      // n's axes → its operand's
  Map r;
  for (int d = 0; d < rank; d++) r.axis[d] = axis_under_unit_move(g, n, m->axis[d]);
  return r;
}

// ---------------------------------------------------------------- vals
static int add_val(Maker *k, Val v, NodeId n, const Map *m) {
  v.node = n;
  vec_push(arena_of(k), &k->vals, v);
  vec_push(arena_of(k), &k->known, ((Known){ n, *m, v.prologue, k->vals.n - 1 }));
  return k->vals.n - 1;
}

static int known_val(const Maker *k, NodeId n, const Map *m, uint8_t prologue) {
  int rank = k->rank[prologue];
  for (int i = 0; i < k->known.n; i++) {
    const Known *x = &k->known.data[i];
    if (x->node == n && x->prologue == prologue && !memcmp(x->map.axis, m->axis, sizeof(int) * (size_t)rank)) return x->val;
  }
  return -1;
}

static int add_input(Maker *k, NodeId n, const Map *m, uint8_t prologue) {
  Loc l = loc_of(k->p, n);
  Input in = { .buffer = l.buffer, .offset = l.offset, .dtype = (DType)node(k->p->g, n)->dtype, .index = -1, .node = n };
  for (int d = 0; d < k->rank[prologue]; d++) in.stride[d] = m->axis[d] < 0 ? 0 : l.stride[m->axis[d]];
  vec_push(arena_of(k), &k->inputs, in);
  return k->inputs.n - 1;
}

static int input_val(Maker *k, NodeId n, const Map *m, uint8_t prologue) {
  int in = add_input(k, n, m, prologue);
  return add_val(k, (Val){ .kind = VAL_INPUT, .dtype = (DType)node(k->p->g, n)->dtype, .prologue = prologue, .input = in },
                 n, m);
}

static int named_input(Maker *k, NodeId ids) {       // one for all rows that are read and written
  Map m = { { 0 } };
  for (int d = 1; d < MAX_DIMS + 1; d++) m.axis[d] = -1;
  if (!k->named) k->named = 1 + add_input(k, ids, &m, 0);
  return k->named - 1;
}

static int gather_val(Maker *k, NodeId n, const Map *m, uint8_t prologue) {       // table [V, d] by ids [rows] or [rows, m]
  const Graph *g = k->p->g;
  NodeId table = node_in(g, n, 0), ids = node_in(g, n, 1);
  int of_ids = node(g, ids)->rank;
  Loc t = loc_of(k->p, table);
  Map rows, cols;
  for (int d = 0; d < k->rank[prologue]; d++) {
    rows.axis[d] = m->axis[d] < of_ids ? m->axis[d] : -1;
    cols.axis[d] = m->axis[d] >= of_ids ? m->axis[d] - of_ids + 1 : -1;
  }
  bool named = names_rows(g, ids) && !prologue;
  int index = named ? named_input(k, ids) : add_input(k, ids, &rows, prologue);
  int in = add_input(k, table, &cols, prologue);
  k->inputs.data[in].index = index;
  k->inputs.data[in].index_stride = t.stride[0];
  return add_val(k, (Val){ .kind = VAL_INPUT, .dtype = (DType)node(g, n)->dtype, .prologue = prologue, .input = in }, n, m);
}

static int value(Maker *k, NodeId n, Map m, uint8_t prologue);

static int op_val(Maker *k, NodeId n, const Map *m, uint8_t prologue) {
  const Graph *g = k->p->g;
  Val v = { .kind = VAL_OP,
            .op = (OpId)node(g, n)->op,
            .dtype = (DType)node(g, n)->dtype,
            .prologue = prologue,
            .n_in = node(g, n)->n_in };
  for (int i = 0; i < v.n_in; i++) {
    NodeId x = node_in(g, n, i);
    v.in[i] = value(k, x, map_operand(g, n, x, m, k->rank[prologue]), prologue);
  }
  return add_val(k, v, n, m);
}

static bool evaluated_here(const Maker *k, NodeId n) {
  const Info *x = &k->p->info[n];
  if (!is_pointwise(k->p->g, n)) return false;
  return x->cluster == k->cluster || (x->cluster < 0 && !x->stored);   // its own, a prologue's, or a free value
}

static int value(Maker *k, NodeId n, Map m, uint8_t prologue) {
  const Graph *g = k->p->g;
  while (is_unit_move(g, n) || node(g, n)->op == OP_BROADCAST) {
    NodeId x = node_in(g, n, 0);
    m = is_unit_move(g, n) ? map_unit_move(g, n, &m, k->rank[prologue]) : map_operand(g, n, x, &m, k->rank[prologue]);
    n = x;
  }
  int v = known_val(k, n, &m, prologue);
  if (v >= 0) return v;
  const Node *x = node(g, n);
  if (x->op == OP_CONST)
    return add_val(k, (Val){ .kind = VAL_CONST, .dtype = (DType)x->dtype, .prologue = prologue, .f = x->attr.f }, n, &m);
  if (x->op == OP_IOTA) {
    int dim = -1;
    for (int d = 0; d < k->rank[prologue]; d++)
      if (m.axis[d] == 0) dim = d;
    return add_val(k, (Val){ .kind = VAL_IOTA, .dtype = (DType)x->dtype, .prologue = prologue, .dim = dim }, n, &m);
  }
  if (!evaluated_here(k, n)) return input_val(k, n, &m, prologue);
  return x->op == OP_GATHER ? gather_val(k, n, &m, prologue) : op_val(k, n, &m, prologue);
}

// ---------------------------------------------------------------- domains
// The node's own axes along the cluster's dims. A dot has dims [m, n] even where one is of size 1.
static Map own_map(const Maker *k, NodeId n) {
  const Graph *g = k->p->g;
  Map m;
  int d = 0;
  for (int i = 0; i < MAX_DIMS + 1; i++) m.axis[i] = -1;
  int axes[MAX_RANK], n_axes = 0;
  for (int i = 0; i < node(g, n)->rank; i++)
    if (!is_unit(g, node(g, n)->axis[i])) axes[n_axes++] = i;
  if (k->call.kind == CALL_DOT && n_axes == 1)
    m.axis[k->call.dims[1].size == 1 && !at_run_time(k->call.dims[1]) ? 0 : 1] = axes[0];
  else
    for (; d < n_axes; d++) m.axis[d] = axes[d];
  return m;
}

static void set_dims(Maker *k) {
  const Cluster *c = &k->p->clusters.data[k->cluster];
  for (int i = 0; i < c->n_domain; i++) k->call.dims[k->call.n_dims++] = dim_of(k->p, c->domain[i]);
  k->rank[0] = k->call.n_dims;
}

// ---------------------------------------------------------------- anchors
static int label_at(const char *labels, char c) {
  const char *p = c ? strchr(labels, c) : NULL;
  return p ? (int)(p - labels) : -1;
}

static int64_t stride_of(const Loc *l, const char *labels, char c) {
  int at = label_at(labels, c);
  return at < 0 ? 0 : l->stride[at];
}

static void dot_labels(const Graph *g, NodeId n, char *m, char *lane, char *kk) {   // 0: of size 1
  const Attr *at = &node(g, n)->attr;
  *m = *lane = *kk = 0;
  for (int side = 0; side < 2; side++)
    for (int i = 0; at->label[side][i]; i++) {
      char c = at->label[side][i];
      if (is_unit(g, node(g, node_in(g, n, side))->axis[i])) continue;
      char *kind = label_at(at->label[2], c) < 0 ? kk : side == 0 ? m : lane;
      CHECK(!*kind || *kind == c);                                       // lower.c leaves products of matrices alone
      *kind = c;
    }
}

static Dim label_dim(Maker *k, NodeId n, char c) {
  const Graph *g = k->p->g;
  const Node *x = node(g, n);
  for (int side = 0; c && side < 2; side++) {
    int at = label_at(x->attr.label[side], c);
    if (at >= 0) return dim_of(k->p, node(g, node_in(g, n, side))->axis[at]);
  }
  return (Dim){ .size = 1 };
}

static void dot_anchor(Maker *k, NodeId n) {
  const Graph *g = k->p->g;
  const Node *x = node(g, n);
  char m, lane, kk;
  dot_labels(g, n, &m, &lane, &kk);
  Call *c = &k->call;
  Loc l = loc_of(k->p, node_in(g, n, 0)), r = loc_of(k->p, node_in(g, n, 1));
  c->n_dims = k->rank[0] = 2;
  c->dims[0] = label_dim(k, n, m);
  c->dims[1] = label_dim(k, n, lane);
  c->reduced = label_dim(k, n, kk);
  c->left.buffer = l.buffer, c->left.offset = l.offset, c->left.dtype = (DType)x->dtype;
  c->left.stride_mn = stride_of(&l, x->attr.label[0], m);
  c->left.stride_k = stride_of(&l, x->attr.label[0], kk);
  c->right.buffer = r.buffer, c->right.offset = r.offset, c->right.dtype = (DType)x->dtype;
  c->right.stride_mn = lane ? stride_of(&r, x->attr.label[1], lane) : 1;
  c->right.stride_k = stride_of(&r, x->attr.label[1], kk);
  if (c->right.stride_mn != 1) BUG("dot %%%u: the right operand does not run over lanes", n);
}

static int reduce_anchor(Maker *k, NodeId n) {                          // gives the prologue's last val
  const Graph *g = k->p->g;
  Call *c = &k->call;
  NodeId x = node_in(g, n, 0);
  int axis = (int)node(g, n)->attr.i[0], d = 0;
  c->reduced = dim_of(k->p, node(g, x)->axis[axis]);
  c->reduce_op = (OpId)node(g, n)->op;
  k->rank[1] = k->rank[0] + 1;
  Map m;
  for (int i = 0; i < MAX_DIMS + 1; i++) m.axis[i] = -1;
  if (c->kind == CALL_REDUCE_ROWS) m.axis[d++] = axis;
  for (int i = 0; i < node(g, x)->rank; i++)
    if (i != axis && !is_unit(g, node(g, x)->axis[i])) m.axis[d++] = i;
  if (c->kind == CALL_REDUCE_LANES) m.axis[d] = axis;
  return value(k, x, m, 1);
}

static void spread_list(Maker *k, NodeId n) {                           // domain [rows, V, d, m]; lengths input 2
  const Graph *g = k->p->g;
  const Node *ids = node(g, node_in(g, n, 1));
  int width = node(g, n)->rank - 1;
  Loc x = loc_of(k->p, node_in(g, n, 0)), id = loc_of(k->p, node_in(g, n, 1)), out = loc_of(k->p, n);
  Call *c = &k->call;
  c->n_dims = 3;
  c->dims[0] = dim_of(k->p, node(g, n)->axis[0]);
  c->dims[1] = width ? dim_of(k->p, node(g, n)->axis[1]) : (Dim){ .size = 1 };
  c->dims[2] = dim_of(k->p, ids->axis[1]);
  c->reduced = dim_of(k->p, AXIS_OF_ROWS);
  DType t = (DType)node(g, n)->dtype;
  Buffer *dense = &k->p->s->buffers.data[k->p->dense];
  vec_push(arena_of(k), &k->inputs,
           ((Input){ id.buffer, id.offset, { id.stride[0], 0, 0, id.stride[1] }, U32, -1, 0, node_in(g, n, 1) }));
  vec_push(arena_of(k), &k->inputs,
           ((Input){ x.buffer, x.offset, { x.stride[0], 0, width ? x.stride[2] : 0, x.stride[1] }, t, -1, 0,
                     node_in(g, n, 0) }));
  vec_push(arena_of(k), &k->inputs,
           ((Input){ k->p->dense, ids->attr.i[2], { dense->ld }, dense->dtype, -1, 0, node_in(g, n, 1) }));
  vec_push(arena_of(k), &k->outputs,
           ((Output){ -1, out.buffer, out.offset, { out.stride[0], width ? out.stride[1] : 0 }, t, n, 0, 0 }));
}

static void spread_call(Maker *k, NodeId n) {                           // ids input 0, values input 1, domain [rows, V, d]
  const Graph *g = k->p->g;
  Loc x = loc_of(k->p, node_in(g, n, 0)), ids = loc_of(k->p, node_in(g, n, 1)), out = loc_of(k->p, n);
  Call *c = &k->call;
  if (node(g, node_in(g, n, 1))->rank == 2) {
    spread_list(k, n);
    return;
  }
  c->n_dims = node(g, n)->rank;
  for (int i = 0; i < c->n_dims; i++) c->dims[i] = dim_of(k->p, node(g, n)->axis[i]);
  c->reduced = dim_of(k->p, node(g, node_in(g, n, 1))->axis[0]);      // of rows, or of their distinct ids
  DType t = (DType)node(g, n)->dtype;
  vec_push(arena_of(k), &k->inputs, ((Input){ ids.buffer, ids.offset, { ids.stride[0] }, U32, -1, 0, node_in(g, n, 1) }));
  vec_push(arena_of(k), &k->inputs,
           ((Input){ x.buffer, x.offset, { x.stride[0], 0, x.stride[1] }, t, -1, 0, node_in(g, n, 0) }));
  vec_push(arena_of(k), &k->outputs, ((Output){ -1, out.buffer, out.offset, { out.stride[0], out.stride[1] }, t, n, 0, 0 }));
}

// An input of a call with dims [d, …], with its strides along what is reduced and along the dims, each an axis of its own or −1.
static void columns_input(Maker *k, NodeId n, int reduced, int first, int second, int third) {
  Loc l = loc_of(k->p, n);
  const int axis[] = { reduced, first, second, third };
  Input in = { .buffer = l.buffer, .offset = l.offset, .dtype = (DType)node(k->p->g, n)->dtype, .index = -1, .node = n };
  for (int i = 0; i < COUNT_OF(axis); i++) in.stride[i] = axis[i] < 0 ? 0 : l.stride[axis[i]];
  vec_push(arena_of(k), &k->inputs, in);
}

// dims [d, …]: what owns an item is a piece of the columns
static void columns_call(Maker *k, NodeId n, Dim second, Dim reduced) {
  const Node *x = node(k->p->g, n);
  Loc out = loc_of(k->p, n);
  Call *c = &k->call;
  c->n_dims = 2;
  c->dims[0] = dim_of(k->p, x->axis[1]);
  c->dims[1] = second;
  c->reduced = reduced;
  vec_push(arena_of(k), &k->outputs, ((Output){ -1, out.buffer, out.offset, { out.stride[1], out.stride[0] }, (DType)x->dtype, n, 0, 0 }));
}

static void bag_call(Maker *k, NodeId n) {                              // ids input 0, table input 1, and of a product its sides
  const Graph *g = k->p->g;
  NodeId table = node_in(g, n, 0), ids = node_in(g, n, 1);
  columns_call(k, n, dim_of(k->p, AXIS_OF_ROWS), dim_of(k->p, node(g, ids)->axis[1]));
  columns_input(k, ids, 1, -1, 0, -1);
  columns_input(k, table, -1, 1, -1, -1);
  k->inputs.data[1].index = 0, k->inputs.data[1].index_stride = loc_of(k->p, table).stride[0];
  if (node(g, n)->n_in == 2) return;
  NodeId x = node_in(g, n, 2), w = node_in(g, n, 3);
  k->call.dims[k->call.n_dims++] = dim_of(k->p, node(g, w)->axis[0]);
  columns_input(k, x, -1, -1, 0, 1);
  columns_input(k, w, -1, 1, -1, 0);
}

static void spread_bag_call(Maker *k, NodeId n) {                       // values input 0
  const Graph *g = k->p->g;
  NodeId values = node_in(g, n, 0), lists = node_in(g, n, 1);
  Loc l = loc_of(k->p, lists);
  columns_call(k, n, dim_of(k->p, node(g, n)->axis[0]), dim_of(k->p, AXIS_OF_ROWS));
  columns_input(k, values, 0, 1, -1, -1);
  k->call.lists.buffer = l.buffer, k->call.lists.offset = l.offset;
  k->call.lists.rows = node(g, lists)->attr.i[1], k->call.lists.words = l.stride[0];
}

static void set_sorted(Maker *k, NodeId sorted) {
  Loc l = loc_of(k->p, sorted);
  k->call.sorted.buffer = l.buffer, k->call.sorted.offset = l.offset;
  k->call.sorted.distinct = node(k->p->g, sorted)->attr.i[1];
}

static void rows_anchor(Maker *k, NodeId n) {                           // values inputs 0 …, domain [rows, C, d]; of lists [rows, m, d]
  const Graph *g = k->p->g;
  Call *c = &k->call;
  c->reduced = dim_of(k->p, AXIS_OF_ROWS);
  set_sorted(k, node_in(g, n, 0));
  c->sorted.sources = node(g, n)->n_in - 1;
  for (int s = 0; s < c->sorted.sources; s++) {
    NodeId values = node_in(g, n, s + 1);
    const Node *ids = node(g, sorted_ids(g, node_in(g, n, 0), s));
    bool list = ids->rank == 2;
    int lane = list ? 2 : 1;                                            // the values' axis that runs along d, where there is one
    Loc x = loc_of(k->p, values);
    c->sorted.ids += axis_size(g, AXIS_OF_ROWS) * (list ? axis_size(g, ids->axis[1]) : 1);
    c->sorted.item_stride[s] = list ? x.stride[1] : 0;
    vec_push(arena_of(k), &k->inputs,
             ((Input){ x.buffer, x.offset, { x.stride[0], 0, c->n_dims > 1 ? x.stride[lane] : 0 }, (DType)node(g, n)->dtype, -1, 0, values }));
  }
}

static HostOperand host_operand(const Planner *p, NodeId n, const Loc *l) {
  const Node *x = node(p->g, n);
  HostOperand o = { .buffer = l->buffer, .dtype = (DType)x->dtype, .offset = l->offset, .rank = x->rank,
                    .rows = has_rows(p->g, n) };
  for (int i = 0; i < x->rank; i++) o.extent[i] = axis_size(p->g, x->axis[i]), o.stride[i] = l->stride[i];
  return o;
}

static void host_call(Maker *k, NodeId n) {
  const Node *x = node(k->p->g, n);
  HostOperand *in = NEW_ARRAY(arena_of(k), HostOperand, x->n_in + 1);
  for (int i = 0; i < x->n_in; i++) {
    Loc l = loc_of(k->p, node_in(k->p->g, n, i));
    in[i] = host_operand(k->p, node_in(k->p->g, n, i), &l);
  }
  Loc l = loc_of(k->p, n);
  k->call.host = (HostArgs){ .id = host_of_op((OpId)x->op), .in = in, .n_in = x->n_in, .f = x->attr.f,
                             .out = host_operand(k->p, n, &l) };
  memcpy(k->call.host.i, x->attr.i, sizeof x->attr.i);
  k->call.reduced = x->n_in && in[0].rows ? dim_of(k->p, AXIS_OF_ROWS) : (Dim){ .size = 1 };
}

// ---------------------------------------------------------------- outputs
static void add_output(Maker *k, int val, NodeId n, Loc l) {
  Map m = own_map(k, n);
  Output o = { .val = val, .buffer = l.buffer, .offset = l.offset, .dtype = (DType)node(k->p->g, n)->dtype, .node = n };
  for (int d = 0; d < k->call.n_dims; d++) o.stride[d] = m.axis[d] < 0 ? 0 : l.stride[m.axis[d]];
  if (k->call.kind == CALL_DOT && m.axis[1] < 0) o.stride[1] = 1;       // one column: one lane
  vec_push(arena_of(k), &k->outputs, o);
}

static Loc whole_buffer(const Planner *p, NodeId n, int buffer) {
  const Graph *g = p->g;
  const Node *x = node(g, n);
  int64_t ld = p->s->buffers.data[buffer].ld, stride = 1;
  Loc l = { .buffer = buffer };
  for (int i = x->rank - 1; i >= 0; i--) {
    l.stride[i] = i == 0 && has_rows(g, n) ? ld : stride;
    stride = i == x->rank - 1 && !has_rows(g, n) ? ld : stride * axis_size(g, x->axis[i]);
  }
  return l;
}

static void to_rows(Maker *k, NodeId ids) {                             // the output added last goes to the rows that ids name
  Output *o = &k->outputs.data[k->outputs.n - 1];
  o->row_stride = o->stride[0], o->stride[0] = 0;
  o->by = 1 + named_input(k, ids);
}

static void outputs_of(Maker *k, NodeId n, int val) {
  Planner *p = k->p;
  if (p->info[n].stored) add_output(k, val, n, loc_of(p, n));
  for (int i = 0; i < p->g->roots.n; i++) {
    const Root *r = &p->g->roots.data[i];
    if (see_through(p->g, r->value) != n) continue;
    add_output(k, val, n, whole_buffer(p, n, r->slot >= 0 ? p->slot_buffer[r->slot] : out_buffer(p, r)));
    if (r->rows) to_rows(k, r->rows);
  }
}

// ---------------------------------------------------------------- items
// As few items of at most the routine's item_rows as can be, of nearly one size; but some for each of a few threads, where they are not too small.
static int64_t host_item_rows(const Call *c, int64_t rows) {
  enum { SHARED = 4, LEAST_ROWS = 96 };
  static const int64_t most[N_HOST] = {
#define HOST(id, fn, item_rows) [HOST_##id] = item_rows,
#include "../../runtime/host.def"
#undef HOST
  };
  if (!most[c->host.id] || rows < 1) return rows;
  int64_t items = (rows + most[c->host.id] - 1) / most[c->host.id], more = rows / LEAST_ROWS;
  if (items < SHARED && more > items) items = more < SHARED ? more : SHARED;
  int64_t each = (rows + items - 1) / items;
  return each < 16 ? each : (each + 15) / 16 * 16;
}

// Items of a product are whole tiles of every target (8, 6, 4 rows), as many as threads can share evenly.
static int64_t dot_item_rows(int64_t rows) {
  int64_t item = 96;
  while (item > 24 && rows / item < SHARED_ITEMS) item /= 2;
  return item;
}

static int64_t spread_item_rows(int64_t rows, int64_t row) {         // every item looks at all ids: few of them
  enum { ITEMS = 8, CELLS = 1 << 16 };
  int64_t item = (rows + ITEMS - 1) / ITEMS;
  return item * row > CELLS ? item : CELLS / row + 1;
}

static int64_t item_rows_of(const Call *c, int64_t rows, int64_t row) {
  enum { POINTS = 4096, TERMS = 1 << 18, COLUMNS = 32 };
  int64_t points = (POINTS + row - 1) / row, sums = TERMS / ((c->reduced.size > 0 ? c->reduced.size : 1) * row) / 64 * 64;
  switch (c->kind) {
  case CALL_DOT: return dot_item_rows(rows);
  case CALL_SPREAD: return spread_item_rows(rows, row);
  case CALL_BAG: case CALL_SPREAD_BAG: return COLUMNS;
  case CALL_HOST: return host_item_rows(c, rows);
  case CALL_REDUCE_ROWS: return sums < points ? (sums < 64 && row == 1 ? 64 : sums < 1 ? 1 : sums) : points;
  default: return points;
  }
}

void set_items(Call *c) {
  int64_t rows = c->n_dims ? c->dims[0].size : 1, row = 1;
  for (int i = 1; i < c->n_dims; i++) row *= c->dims[i].size;
  if (c->kind == CALL_HOST) rows = c->host.out.rank ? c->host.out.extent[0] : 1;
  c->item_rows = item_rows_of(c, rows, row);
  if (c->item_rows > rows) c->item_rows = rows > 0 ? rows : 1;
  c->items = (rows + c->item_rows - 1) / c->item_rows;
  if (c->items < 1) c->items = 1;
}

static const char *call_name(const Planner *p, const Call *c, NodeId anchor) {   // the slot it serves, else the op
  for (int i = 0; i < p->g->slots.n; i++) {
    int b = p->slot_buffer[i];
    bool hit = c->kind == CALL_DOT && (c->left.buffer == b || c->right.buffer == b);
    for (int o = 0; o < c->n_outputs; o++) hit |= c->outputs[o].buffer == b;
    if (hit && p->g->slots.data[i].role == SLOT_PARAM) return p->g->slots.data[i].path;
  }
  if (anchor) return op_rows[node(p->g, anchor)->op].name;
  return c->n_outputs ? op_rows[node(p->g, c->outputs[c->n_outputs - 1].node)->op].name : "map";
}

// The first parameter whose update reads what the cluster computes; NULL: none does directly.
static const char *updated_by(const Planner *p, int cluster) {
  for (int i = 0; i < p->g->roots.n; i++) {
    const Root *r = &p->g->roots.data[i];
    if (r->slot < 0 || p->g->slots.data[r->slot].role != SLOT_PARAM) continue;
    int c = p->info[see_through(p->g, r->value)].cluster;
    for (int k = 0; c >= 0 && k < p->clusters.data[c].deps.n; k++)
      if (p->clusters.data[c].deps.data[k] == cluster) return p->g->slots.data[r->slot].path;
  }
  return NULL;
}

Call make_call(Planner *p, int cluster) {
  const Cluster *c = &p->clusters.data[cluster];
  Maker k = { .p = p, .cluster = cluster, .call = { .kind = c->kind, .anchor = -1, .reduce_op = OP_SUM } };
  set_dims(&k);
  Val anchor = { .kind = VAL_ANCHOR };
  if (c->kind == CALL_SPREAD) spread_call(&k, c->anchor);
  else if (c->kind == CALL_BAG) bag_call(&k, c->anchor);
  else if (c->kind == CALL_SPREAD_BAG) spread_bag_call(&k, c->anchor);
  else if (c->kind == CALL_HOST) host_call(&k, c->anchor);
  else if (c->kind == CALL_DOT) dot_anchor(&k, c->anchor);
  else if (c->kind == CALL_ROWS) rows_anchor(&k, c->anchor);
  else if (c->anchor) anchor.in[anchor.n_in++] = reduce_anchor(&k, c->anchor);
  if (c->anchor && !moves_rows(c->kind) && c->kind != CALL_HOST) {
    Map m = own_map(&k, c->anchor);
    anchor.dtype = (DType)node(p->g, c->anchor)->dtype;
    k.call.anchor = add_val(&k, anchor, c->anchor, &m);
    outputs_of(&k, c->anchor, k.call.anchor);
  }
  for (int i = 0; i < c->nodes.n; i++) {
    int v = value(&k, c->nodes.data[i], own_map(&k, c->nodes.data[i]), 0);
    outputs_of(&k, c->nodes.data[i], v);
  }
  Call out = k.call;
  out.vals = k.vals.data, out.n_vals = k.vals.n;
  out.inputs = k.inputs.data, out.n_inputs = k.inputs.n;
  out.outputs = k.outputs.data, out.n_outputs = k.outputs.n;
  out.name = c->kind == CALL_HOST ? updated_by(p, cluster) : NULL;
  if (!out.name) out.name = call_name(p, &out, c->anchor);
  out.at = node(p->g, c->anchor ? c->anchor : c->nodes.data[c->nodes.n - 1])->at;
  set_items(&out);
  out.host.name = out.name, out.host.items = out.items, out.host.item_rows = out.item_rows;
  return out;
}
