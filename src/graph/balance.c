// balance.c: task balancing as nodes, one lowering for all methods:
//   losses alone     c = method(L);        gradients of Σ c_k L_k
//   with M           K adjoints of what two or more losses reach → M = G Gᵀ → c = method(M, L) → Σ c_k g_k; what one task
//                    owns goes along its own loss
//   at the shared representation   K adjoints of the values that leave the shared part → M → c → gradients of Σ c_k L_k
// The method itself is a C routine, op BALANCE: its memory is a slot that it reads, and its result the weights and
// the memory afterwards. Losses, M, memory and weights are float64.
// Needs: roots task:*, known:*. Gives: gradients; assigns of the memory.
#include <math.h>
#include "balance.h"
#include "graph_int.h"

#define BALANCE(id, flags, per_task, per_pair, again, args) {#id, flags, per_task, per_pair, again, args},
const BalanceRow balance_rows[] = {
#include "../../runtime/balance/balance.def"
};
#undef BALANCE
const int n_balance_rows = COUNT_OF(balance_rows);

// ---------------------------------------------------------------- the op
// losses, known [K]; lr, epoch, key [3]; memory [S]; M [K, K] or none → weights and memory [K + S]. i0 the method, i1 … i3
// the bits of its arguments.
bool shape_balance(Graph *g, Node *out, const NodeId *in, int n_in) {
  CHECK(n_in == 4 || n_in == 5);
  for (int i = 0; i < n_in; i++) CHECK(node(g, in[i])->dtype == F64);
  out->dtype = F64;
  out->rank = 1;
  out->axis[0] = axis_fixed(g, item_elements(g, in[0]) + item_elements(g, in[3]));
  return true;
}

// ---------------------------------------------------------------- tasks
int balance_tasks(const Graph *g, TaskLoss *out) {
  int n = 0, known = 0;
  for (int i = 0; i < g->roots.n; i++) {
    const Root *r = &g->roots.data[i];
    bool is_loss = !strncmp(r->name, "task:", 5), is_known = !strncmp(r->name, "known:", 6);
    if (is_loss && n < BALANCE_TASKS) out[n] = (TaskLoss){.name = r->name + 5, .loss = r->value};
    if (is_known && known < BALANCE_TASKS) out[known].known = r->value;
    n += is_loss, known += is_known;
  }
  CHECK(n == known);
  return n <= BALANCE_TASKS ? n : 0;
}

// By node: bit k: a gradient of task k's loss flows to it.
static uint64_t *reached_by(const Graph *g, const TaskLoss *t, int n, Arena *a) {
  uint64_t *by = NEW_ARRAY(a, uint64_t, g->nodes.n);
  for (int k = 0; k < n; k++) by[t[k].loss] |= (uint64_t)1 << k;
  for (NodeId id = (NodeId)g->nodes.n - 1; id > 0; id--)
    for (int i = 0; by[id] && op_rows[node(g, id)->op].grad && i < node(g, id)->n_in; i++) by[node_in(g, id, i)] |= by[id];
  return by;
}

static bool is_shared(uint64_t by) { return (by & (by - 1)) != 0; }          // two bits or more

bool *shared_slots(const Graph *g, Arena *a) {
  TaskLoss t[BALANCE_TASKS];
  uint64_t *by = reached_by(g, t, balance_tasks(g, t), a);
  bool *shared = NEW_ARRAY(a, bool, g->slots.n + 1);
  for (int i = 0; i < g->slots.n; i++)
    shared[i] = g->slots.data[i].role == SLOT_PARAM && g->slots.data[i].read && is_shared(by[g->slots.data[i].read]);
  return shared;
}

typedef struct {
  Graph *g; const struct BalanceSpec *spec; const BalanceRow *row;
  int n_tasks; TaskLoss task[BALANCE_TASKS];
  const int *slots; const NodeId *reads; int n;            // parameters
  NodeId *of;                                              // [K, n] adjoints of each loss
  bool *shared;                                            // [n] balanced
} Balance;

static NodeId *grads_of(const Balance *b, int task) { return b->of + task * b->n; }

// The loss that belongs to no task: penalties. 0: none.
static NodeId penalty_of(const Graph *g) {
  for (int i = 0; i < g->roots.n; i++)
    if (!strcmp(g->roots.data[i].name, "penalty")) return g->roots.data[i].value;
  return 0;
}

static Balance balance_of(Graph *g, const int *slots, const NodeId *reads, int n) {
  Balance b = {.g = g, .spec = g->balance, .slots = slots, .reads = reads, .n = n};
  b.n_tasks = balance_tasks(g, b.task);
  b.row = b.spec ? &balance_rows[b.spec->row] : NULL;
  b.shared = NEW_ARRAY(g->arena, bool, n + 1);
  bool *shared = shared_slots(g, g->arena);
  for (int i = 0; i < n; i++) {
    bool asked = !b.spec || !b.spec->over || (slots[i] < b.spec->n_over && b.spec->over[slots[i]]);
    b.shared[i] = shared[slots[i]] && asked;
  }
  return b;
}

static void differentiate_tasks(Balance *b) {
  b->of = NEW_ARRAY(b->g->arena, NodeId, b->n_tasks * b->n + 1);
  for (int k = 0; k < b->n_tasks; k++) grad(b->g, b->task[k].loss, b->reads, b->n, grads_of(b, k));
}

// ---------------------------------------------------------------- M
static NodeId zeros_like(Graph *g, NodeId like) {
  AxisId axis[MAX_RANK];
  memcpy(axis, node(g, like)->axis, sizeof axis);
  return g_broadcast(g, g_const_like(g, 0, like), node(g, like)->rank, axis);
}

// x with room for two axes more: of six or five the last ones become one.
static NodeId few_axes(Graph *g, NodeId x) {
  int rows = has_rows(g, x), rank = node(g, x)->rank - rows, most = MAX_RANK - 2 - rows;
  AxisId axis[MAX_RANK];
  int64_t rest = 1;
  if (rank <= most) return x;
  memcpy(axis, node(g, x)->axis + rows, sizeof *axis * (size_t)rank);
  for (int i = most - 1; i < rank; i++) rest *= axis_size(g, axis[i]);
  axis[most - 1] = axis_fixed(g, rest);
  return g_reshape(g, x, most, axis);
}

// Σ over all elements of the products of every two of K tensors of one shape: f64 [K, K]. They are laid side by side, as
// [K, …] or [rows, K, …], so that there is one product of [K, 1, …] and [1, K, …].
static NodeId products(Graph *g, const NodeId *of, int n_tasks, NodeId like) {
  NodeId side[BALANCE_TASKS];
  int at = has_rows(g, like);
  for (int k = 0; k < n_tasks; k++) side[k] = g_expand(g, few_axes(g, of[k] ? of[k] : zeros_like(g, like)), at);
  NodeId all = g_cast(g, g_concat(g, side, n_tasks, at), F64), left = g_expand(g, all, at + 1), right = g_expand(g, all, at);
  NodeId m = g_map2(g, OP_MUL, left, right);
  while (m && node(g, m)->rank > at + 2) m = g_sum(g, m, -1);
  return at ? g_sum(g, m, 0) : m;
}

static NodeId add_to(Graph *g, NodeId sum, NodeId x) { return sum && x ? g_map2(g, OP_ADD, sum, x) : x; }

// Over the balanced parameters, in their order.
static NodeId gram_of_parameters(const Balance *b) {
  NodeId m = 0, of[BALANCE_TASKS];
  for (int i = 0; i < b->n; i++) {
    if (!b->shared[i]) continue;
    for (int k = 0; k < b->n_tasks; k++) of[k] = grads_of(b, k)[i];
    g_at(b->g, b->g->slots.data[b->slots[i]].at);
    m = add_to(b->g, m, products(b->g, of, b->n_tasks, b->reads[i]));
  }
  return m;
}

// Values that leave the shared part: two or more losses reach them, they depend on a balanced parameter, and a node that one
// loss alone reaches reads them. In ascending order; gives how many.
static int leaving(const Balance *b, NodeId *out) {
  const Graph *g = b->g;
  NodeId last = 0;
  uint64_t *by = reached_by(g, b->task, b->n_tasks, g->arena);
  bool *depends = NEW_ARRAY(g->arena, bool, g->nodes.n), *left = NEW_ARRAY(g->arena, bool, g->nodes.n);
  for (int k = 0; k < b->n_tasks; k++)
    if (b->task[k].loss > last) last = b->task[k].loss;
  for (int i = 0; i < b->n; i++) depends[b->reads[i]] = b->shared[i];
  for (NodeId id = 1; id <= last; id++)
    for (int i = 0; i < node(g, id)->n_in; i++) {
      NodeId x = node_in(g, id, i);
      depends[id] |= depends[x];
      left[x] |= by[id] && !is_shared(by[id]) && op_rows[node(g, id)->op].grad;
    }
  int n = 0;
  for (NodeId id = 1; id <= last; id++)
    if (left[id] && depends[id] && is_shared(by[id])) out[n++] = id;
  return n;
}

static NodeId gram_of_representation(const Balance *b) {
  Graph *g = b->g;
  NodeId *at = NEW_ARRAY(g->arena, NodeId, g->nodes.n), m = 0, of[BALANCE_TASKS];
  int n = leaving(b, at);
  NodeId *grads = NEW_ARRAY(g->arena, NodeId, b->n_tasks * n + 1);
  for (int k = 0; k < b->n_tasks; k++) grad(g, b->task[k].loss, at, n, grads + k * n);
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < b->n_tasks; k++) of[k] = grads[k * n + i];
    m = add_to(g, m, products(g, of, b->n_tasks, at[i]));
  }
  return m;
}

// ---------------------------------------------------------------- weights
static NodeId vector(Graph *g, const NodeId *scalar, int n) {            // f64 [n]
  NodeId *in = NEW_ARRAY(g->arena, NodeId, n);
  for (int i = 0; i < n; i++) in[i] = g_expand(g, g_cast(g, scalar[i], F64), 0);
  return g_concat(g, in, n, 0);
}

static NodeId losses_vector(const Balance *b, bool known) {
  NodeId x[BALANCE_TASKS];
  for (int k = 0; k < b->n_tasks; k++) x[k] = known ? b->task[k].known : b->task[k].loss;
  return vector(b->g, x, b->n_tasks);
}

static NodeId random_key_of(Graph *g) {                                  // another one each step, by the seed
  vec_push(g->arena, &g->sites, hash_bytes("balance", 7, 0));
  return g_rt(g, RT_REALS + g->sites.n - 1);
}

// The method's weights as scalars of the graph's dtype in c [K]. m: 0 where it reads the losses alone.
static void weights(const Balance *b, NodeId m, NodeId *c) {
  Graph *g = b->g;
  int64_t k = b->n_tasks, size = balance_memory(b->row->per_task, b->row->per_pair, b->n_tasks);
  AxisId axis = axis_fixed(g, size);
  int memory = graph_slot(g, arena_printf(g->arena, "balance.%s", b->row->name), SLOT_BALANCE, F64, 1, &axis,
                          (Init){.kind = INIT_ZEROS}, (Place){0});
  Attr attr = {.i = {b->spec->row}};
  memcpy(attr.i + 1, b->spec->arg, sizeof b->spec->arg);
  g_at(g, (Place){0});
  NodeId control[] = {g_rt(g, RT_LR), g_rt(g, RT_EPOCH), random_key_of(g)};
  NodeId in[5] = {losses_vector(b, false), losses_vector(b, true), vector(g, control, 3), g_read(g, memory), m};
  NodeId all = graph_add(g, OP_BALANCE, in, m ? 5 : 4, attr, g->at), of_tasks = g_slice(g, all, 0, 0, k);
  graph_assign(g, memory, g_slice(g, all, 0, k, k + size));
  graph_out(g, "balance", of_tasks);
  for (int i = 0; i < b->n_tasks; i++) c[i] = g_cast(g, g_drop(g, g_slice(g, of_tasks, 0, i, i + 1), 0), g->dtype);
}

static NodeId weighted_sum(Graph *g, const NodeId *c, const NodeId *x, int n) {   // Σ c_k x_k over the x that are there
  NodeId sum = 0;
  for (int k = 0; k < n; k++)
    if (x[k]) sum = sum ? g_map3(g, OP_FMA, x[k], c[k], sum) : g_map2(g, OP_MUL, x[k], c[k]);
  return sum;
}

// ---------------------------------------------------------------- gradients of a step
static void of_weighted_loss(const Balance *b, const NodeId *c, NodeId *grads) {
  NodeId loss[BALANCE_TASKS];
  for (int k = 0; k < b->n_tasks; k++) loss[k] = b->task[k].loss;
  grad(b->g, weighted_sum(b->g, c, loss, b->n_tasks), b->reads, b->n, grads);
}

// Gradients of one table by the same ids are added row by row before they are spread: one of the table's size, not two.
static NodeId add_gradients(Graph *g, NodeId a, NodeId b) {
  bool spread = a && b && node(g, a)->op == OP_SPREAD && node(g, b)->op == OP_SPREAD && node_in(g, a, 1) == node_in(g, b, 1);
  if (!spread) return add_to(g, a, b);
  NodeId in[] = {g_map2(g, OP_ADD, node_in(g, a, 0), node_in(g, b, 0)), node_in(g, a, 1)};
  return graph_add(g, OP_SPREAD, in, 2, node(g, a)->attr, g->at);
}

static NodeId scaled_gradient(Graph *g, NodeId x, NodeId c) {
  if (node(g, x)->op != OP_SPREAD) return g_map2(g, OP_MUL, x, c);
  NodeId in[] = {g_map2(g, OP_MUL, node_in(g, x, 0), c), node_in(g, x, 1)};
  return graph_add(g, OP_SPREAD, in, 2, node(g, x)->attr, g->at);
}

// A parameter that is not balanced: the sum of its losses' gradients, each scaled where the method scales all.
static NodeId own_gradient(const Balance *b, const NodeId *c, int i) {
  NodeId sum = 0;
  for (int k = 0; k < b->n_tasks; k++) {
    NodeId x = grads_of(b, k)[i];
    if (x && b->row->flags & BALANCE_OWN) x = scaled_gradient(b->g, x, c[k]);
    if (x) sum = add_gradients(b->g, sum, x);
  }
  return sum;
}

static void by_gram(Balance *b, NodeId *grads) {
  NodeId c[BALANCE_TASKS], of[BALANCE_TASKS];
  differentiate_tasks(b);
  weights(b, b->spec->on_representation ? gram_of_representation(b) : gram_of_parameters(b), c);
  if (b->spec->on_representation) of_weighted_loss(b, c, grads);
  for (int i = 0; i < b->n; i++) {
    for (int k = 0; k < b->n_tasks; k++) of[k] = grads_of(b, k)[i];
    g_at(b->g, b->g->slots.data[b->slots[i]].at);
    if (!b->shared[i]) grads[i] = own_gradient(b, c, i);
    else if (!b->spec->on_representation) grads[i] = weighted_sum(b->g, c, of, b->n_tasks);
  }
}

static void add_penalty(const Balance *b, NodeId *grads) {
  NodeId *of = NEW_ARRAY(b->g->arena, NodeId, b->n + 1);
  grad(b->g, penalty_of(b->g), b->reads, b->n, of);
  for (int i = 0; i < b->n; i++)
    if (of[i]) grads[i] = add_to(b->g, grads[i], of[i]);
}

static bool any_shared(const Balance *b) {
  for (int i = 0; i < b->n; i++)
    if (b->shared[i]) return true;
  return false;
}

bool balance_looks_again(const Graph *g) {
  TaskLoss t[BALANCE_TASKS];
  return g->balance && balance_rows[g->balance->row].again && balance_tasks(g, t) > 1;
}

void step_gradients(Graph *g, const int *slots, const NodeId *reads, int n, NodeId *grads) {
  Place at = g->at;
  NodeId c[BALANCE_TASKS];
  Balance b = balance_of(g, slots, reads, n);
  if (!b.spec || b.n_tasks < 2 || (b.row->flags & BALANCE_GRAM && !any_shared(&b))) {
    grad(g, g->loss, reads, n, grads);
  } else {
    if (b.row->flags & BALANCE_GRAM) by_gram(&b, grads);
    else weights(&b, 0, c), of_weighted_loss(&b, c, grads);
    add_penalty(&b, grads);
  }
  g->at = at;
}

bool gram_roots(Graph *g, const int *slots, const NodeId *reads, int n) {
  Place at = g->at;
  Balance b = balance_of(g, slots, reads, n);
  bool *shared = shared_slots(g, g->arena);
  for (int i = 0; i < n; i++) b.shared[i] = shared[slots[i]];            // whatever the spec balances
  if (b.n_tasks < 2 || !any_shared(&b)) return false;
  differentiate_tasks(&b);
  graph_out(g, "gram", gram_of_parameters(&b));
  graph_out(g, "gram.known", losses_vector(&b, true));
  g->at = at;
  return true;
}
