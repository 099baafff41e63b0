// push.c: products of matrices pushed through gathers, before gradients are taken.
//   concat(…, E_i[c_i], …, x) · W = Σ_i (E_i W_i)[c_i] + x · W_x,   W_i the rows of W that meet E_i
// A row then costs an addition of a row of E_i W_i where it cost a product with W_i; each E_i W_i is computed once a step. All E_i W_i
// stand one below the other in one table, of which a row of the batch sums those rows that its ids name: a bag. The
// gradients follow by themselves: S_i = Σ dy over the rows with an id, dW_i = E_iᵀ S_i, dE_i = S_i W_iᵀ. Products that share their left
// operand (experts, gates) are pushed as one, W being their weights side by side. A table that is larger than the batch, or a list's, is
// pushed with the rows alone that the batch's distinct ids name (distinct.c), where these are few; then a row reads one row of (R W) by number.
#include "graph_int.h"

typedef enum { STAYS, WHOLE, DISTINCT } How;                         // a part: not pushed; with its table; with the rows of the distinct ids
typedef struct { NodeId value; int64_t from, to; How how; } Part;    // columns from … to−1 of the left operand
typedef struct {
  NodeId left;
  VEC(Part) parts;
  VEC(NodeId) dots;
  int64_t width;                          // of all weights together
  NodeId sum;                             // [rows, width] or of a list [rows, m, width], in the new graph, once it is made
} Group;

typedef struct {
  const Graph *g;
  Graph *t;
  NodeId *now;                            // node of g → node of t
  VEC(Group) groups;
  bool *is_distinct;                      // by node of g: a gather that reads its table by distinct ids
  Distincts distinct;                     // of t
  const PushRule *rule;
  PushReport *report;
} Push;

// ---------------------------------------------------------------- what can be pushed
static int last_axis(const Graph *g, NodeId n) { return node(g, n)->rank - 1; }

// [rows, k] or [rows, m, k] · a slot [k, n]
static bool is_plain_product(const Push *p, NodeId n) {
  const Graph *g = p->g;
  const Node *x = node(g, n);
  if (x->op != OP_DOT || x->rank < 2 || x->rank > 3 || !has_rows(g, n)) return false;
  const char *l = x->attr.label[0], *r = x->attr.label[1], *to = x->attr.label[2];
  NodeId left = node_in(g, n, 0);
  const Node *a = node(g, left), *b = node(g, node_in(g, n, 1));
  int last = x->rank - 1;
  if (a->rank != x->rank || !has_rows(g, left) || b->rank != 2 || b->op != OP_READ || l[last] != r[0] || to[last] != r[1]) return false;
  return !memcmp(l, to, (size_t)last) && (a->op == OP_CONCAT || (a->op == OP_GATHER && p->rule->distinct));
}

// The operands of a concat along the last axis, those of concats in it too; or what is no concat.
static void collect(const Graph *g, NodeId n, int64_t *at, Group *group) {
  const Node *x = node(g, n);
  if (x->op == OP_CONCAT && x->attr.i[0] == last_axis(g, n)) {
    for (int i = 0; i < x->n_in; i++) collect(g, node_in(g, n, i), at, group);
    return;
  }
  int64_t width = axis_size(g, x->axis[x->rank - 1]);
  vec_push(g->arena, &group->parts, ((Part){ n, *at, *at + width, STAYS }));
  *at += width;
}

static double vocabulary(const Push *p, const Group *group, const Part *part) {   // −1: no gather of a table that can be multiplied
  const Graph *g = p->g;
  const Node *x = node(g, part->value);
  if (p->rule->never || x->op != OP_GATHER || x->rank != 2 || group->left == part->value) return -1;
  const Node *table = node(g, node_in(g, part->value, 0));
  bool lazy = table->op == OP_READ && g->slots.data[table->attr.i[0]].lazy;   // the rows of a batch alone get a gradient
  return table->rank != 2 || lazy ? -1 : (double)axis_size(g, table->axis[0]);
}

enum { MOST_ROWS = 1 << 24 };             // of the tables one below the other: a float32 counts them

// Per column of the products, forward and backward together, in multiply-adds: 3 · rows · d as it stands; pushed 3 · v · d and, for each
// row, what it costs to add one and to spread its gradient; more where the multiplied tables do not stay in the caches.
static void decide_whole(const Push *p, Group *x) {
  const Graph *g = p->g;
  double rows = (double)axis_size(g, AXIS_OF_ROWS), bytes = 0, row = p->rule->row, above = 0;
  for (int i = 0; i < x->parts.n; i++)
    if (vocabulary(p, x, &x->parts.data[i]) > 0) bytes += vocabulary(p, x, &x->parts.data[i]) * (double)x->width * (g->dtype == F64 ? 8 : 4);
  row *= bytes > 8e6 ? 4 : bytes > 2e6 ? 2 : 1;
  for (int i = 0; i < x->parts.n; i++) {
    Part *part = &x->parts.data[i];
    double v = vocabulary(p, x, part), d = (double)(part->to - part->from);
    if (v <= 0 || above + v > MOST_ROWS || !(p->rule->always || 3 * rows * d > 3 * v * d + row * rows)) continue;
    part->how = WHOLE;
    above += v;
  }
}

static void decide(Push *p, Group *x) {
  decide_whole(p, x);
  for (int i = 0; i < x->parts.n; i++) {
    Part *part = &x->parts.data[i];
    if (part->how == WHOLE || !pays_distinct(p->g, part->value, (double)x->width, p->rule->distinct)) continue;
    part->how = DISTINCT;
    p->is_distinct[part->value] = true;
  }
}

static Group *group_of(Push *p, NodeId left) {
  for (int i = 0; i < p->groups.n; i++)
    if (p->groups.data[i].left == left) return &p->groups.data[i];
  Group x = { .left = left };
  int64_t at = 0;
  collect(p->g, left, &at, &x);
  vec_push(p->g->arena, &p->groups, x);
  return &p->groups.data[p->groups.n - 1];
}

static void find_groups(Push *p) {
  for (NodeId n = 1; n < (NodeId)p->g->nodes.n; n++) {
    if (!is_plain_product(p, n)) continue;
    Group *x = group_of(p, node_in(p->g, n, 0));
    vec_push(p->g->arena, &x->dots, n);
    x->width += axis_size(p->g, node(p->g, n)->axis[last_axis(p->g, n)]);
  }
  for (int i = 0; i < p->groups.n; i++) decide(p, &p->groups.data[i]);
}

static int how_many(const Group *x, How how) {
  int n = 0;
  for (int i = 0; i < x->parts.n; i++) n += x->parts.data[i].how == how;
  return n;
}

static bool any_pushed(const Group *x) { return how_many(x, STAYS) < x->parts.n; }

// ---------------------------------------------------------------- the products anew
static NodeId all_weights(Push *p, const Group *x) {
  NodeId *w = NEW_ARRAY(p->t->arena, NodeId, x->dots.n);
  for (int i = 0; i < x->dots.n; i++) {
    const Node *read = node(p->g, node_in(p->g, x->dots.data[i], 1));
    w[i] = graph_read(p->t, (int)read->attr.i[0], read->at);
  }
  return x->dots.n > 1 ? g_concat(p->t, w, x->dots.n, 1) : w[0];
}

typedef struct { NodeId left, right; } Rest;                        // what is not pushed, and its rows of the weights; 0, 0: there is nothing

static Rest rest_of(Push *p, const Group *x, NodeId w) {
  Graph *t = p->t;
  NodeId *values = NEW_ARRAY(t->arena, NodeId, x->parts.n), *rows = NEW_ARRAY(t->arena, NodeId, x->parts.n);
  int n = 0, n_rows = 0;
  int64_t from = 0;
  for (int i = 0; i < x->parts.n; i++) {
    const Part *part = &x->parts.data[i];
    if (part->how != STAYS) continue;
    values[n++] = p->now[part->value];
    if (n == 1 || x->parts.data[i - 1].how != STAYS) from = part->from;
    bool last = i + 1 == x->parts.n || x->parts.data[i + 1].how != STAYS;
    if (last) rows[n_rows++] = g_slice(t, w, 0, from, part->to);
  }
  if (!n) return (Rest){0};
  NodeId left = n > 1 ? g_concat(t, values, n, last_axis(t, values[0])) : values[0];
  return (Rest){ left, n_rows > 1 ? g_concat(t, rows, n_rows, 0) : rows[0] };
}

// A table of products, [v, width], and which of its rows a row of the batch adds: a real, [rows, 1].
typedef struct { NodeId product, row; int64_t v; int place; } Table;
typedef VEC(Table) Tables;

static int largest_first(const void *a, const void *b) {
  const Table *x = a, *y = b;
  return x->v != y->v ? (x->v < y->v) - (x->v > y->v) : x->place - y->place;
}

// The sums of a row of a and a row of b, of all such pairs.
static Table sums_of_pairs(Graph *t, const Table *a, const Table *b) {
  NodeId first = g_expand(t, a->product, 1), second = g_expand(t, b->product, 0), sums = g_map2(t, OP_ADD, first, second);
  AxisId axis[] = { axis_fixed(t, a->v * b->v), node(t, a->product)->axis[1] };
  NodeId product = g_reshape(t, sums, 2, axis), size = g_const(t, (double)b->v);
  return (Table){ product, g_map3(t, OP_FMA, a->row, size, b->row), a->v * b->v, a->place };
}

// Two small tables are one of their sums: it saves each row of the batch an addition and a sum by id, and costs some work for each of its
// own rows. Each table, the largest first, takes the largest other that fits; not so many rows in all that they would leave the caches.
static void pair_up(Push *p, Tables *x) {
  enum { WORK = 16, MOST = 128, ALL = 2048 };
  int64_t most = p->rule->always ? MOST : axis_size(p->g, AXIS_OF_ROWS) / WORK, all = 0;
  if (most > MOST) most = MOST;
  qsort(x->data, (size_t)x->n, sizeof *x->data, largest_first);
  for (int i = 0; i < x->n; i++)
    for (int k = i + 1; k < x->n; k++) {
      Table *a = &x->data[i], *b = &x->data[k];
      if (a->v * b->v > most || all + a->v * b->v > ALL) continue;
      *a = sums_of_pairs(p->t, a, b);
      all += a->v;
      memmove(b, b + 1, sizeof *b * (size_t)(--x->n - k));
      p->report->pairs++;
      break;
    }
}

static void tables_of(Push *p, const Group *x, NodeId w, Tables *out) {
  Graph *t = p->t;
  for (int i = 0; i < x->parts.n; i++) {
    const Part *part = &x->parts.data[i];
    if (part->how != WHOLE) continue;
    NodeId rows = g_slice(t, w, 0, part->from, part->to), table = p->now[node_in(p->g, part->value, 0)];
    Table one = { .product = g_dot(t, table, rows, "vk,kn>vn"), .v = axis_size(t, node(t, table)->axis[0]), .place = i };
    one.row = g_cast(t, g_expand(t, p->now[node_in(p->g, part->value, 1)], 1), t->dtype);
    vec_push(t->arena, out, one);
  }
}

// The tables one below the other, of which a row of the batch sums those rows that its ids name; what is not pushed comes last.
static NodeId sum_of_tables(Push *p, const Group *x, NodeId w, const Rest *rest) {
  enum { FEW = 16 };                      // columns that the bag multiplies on its way
  Graph *t = p->t;
  Tables tables = {0};
  tables_of(p, x, w, &tables);
  pair_up(p, &tables);
  NodeId *stack = NEW_ARRAY(t->arena, NodeId, tables.n), *row = NEW_ARRAY(t->arena, NodeId, tables.n);
  int64_t above = 0;
  for (int i = 0; i < tables.n; i++) {
    const Table *one = &tables.data[i];
    stack[i] = one->product;
    row[i] = g_cast(t, g_map2(t, OP_ADD, one->row, g_const(t, (double)above)), U32);
    above += one->v;
  }
  NodeId table = g_concat(t, stack, tables.n, 0), rows = g_concat(t, row, tables.n, 1);
  if (!rest->left) return g_bag(t, table, rows);
  if (axis_size(t, node(t, rest->left)->axis[1]) <= FEW) return g_bag_and_product(t, table, rows, rest->left, rest->right);
  NodeId product = g_dot(t, rest->left, rest->right, "rk,kn>rn"), sum = g_bag(t, table, rows);
  return g_map2(t, OP_ADD, sum, product);
}

// ---------------------------------------------------------------- by distinct ids
static DistinctRows rows_of(Push *p, NodeId gather) { return distinct_rows(&p->distinct, p->t, p->now, p->g, gather); }

// The sum of the products of tables with the same ids, a row for each distinct one of part `first`; those parts are then done.
static NodeId product_of_rows(Push *p, const Group *x, int first, NodeId w, bool *done) {
  Graph *t = p->t;
  NodeId sum = 0, ids = rows_of(p, x->parts.data[first].value).ids;
  for (int i = first; i < x->parts.n; i++) {
    const Part *part = &x->parts.data[i];
    if (part->how != DISTINCT || done[i] || rows_of(p, part->value).ids != ids) continue;
    NodeId weights = g_slice(t, w, 0, part->from, part->to), product = g_dot(t, rows_of(p, part->value).rows, weights, "uk,kn>un");
    sum = sum ? g_map2(t, OP_ADD, sum, product) : product;
    done[i] = true;
  }
  return sum;
}

// `sum` (0: nothing so far) and the rows of products that the batch's ids name.
static NodeId with_distinct(Push *p, const Group *x, NodeId w, NodeId sum) {
  Graph *t = p->t;
  bool *done = NEW_ARRAY(t->arena, bool, x->parts.n);
  for (int i = 0; i < x->parts.n; i++) {
    if (x->parts.data[i].how != DISTINCT || done[i]) continue;
    NodeId product = product_of_rows(p, x, i, w, done), row = g_gather(t, product, rows_of(p, x->parts.data[i].value).number);
    sum = sum ? g_map2(t, OP_ADD, sum, row) : row;
  }
  return sum;
}

static NodeId pushed_sum(Push *p, const Group *x) {
  NodeId w = all_weights(p, x), sum = 0;
  Rest rest = rest_of(p, x, w);
  if (how_many(x, WHOLE)) sum = sum_of_tables(p, x, w, &rest);
  else if (rest.left) sum = g_dot(p->t, rest.left, rest.right, node(p->t, rest.left)->rank == 2 ? "rk,kn>rn" : "rmk,kn>rmn");
  return with_distinct(p, x, w, sum);
}

static NodeId pushed_dot(Push *p, NodeId n, Group *x) {
  int axis = last_axis(p->g, n);
  int64_t from = 0, width = axis_size(p->g, node(p->g, n)->axis[axis]);
  if (!x->sum) x->sum = pushed_sum(p, x);
  for (int i = 0; x->dots.data[i] != n; i++) from += axis_size(p->g, node(p->g, x->dots.data[i])->axis[axis]);
  return x->dots.n > 1 ? g_slice(p->t, x->sum, axis, from, from + width) : x->sum;
}

// ---------------------------------------------------------------- what it saves
static void count_whole(Push *p, const Group *x) {
  double rows = (double)axis_size(p->g, AXIS_OF_ROWS), n = (double)x->width;
  for (int i = 0; i < x->parts.n; i++) {
    const Part *part = &x->parts.data[i];
    double d = (double)(part->to - part->from);
    p->report->before += rows * d * n;
    p->report->after += (part->how == WHOLE ? (double)axis_size(p->g, node(p->g, node_in(p->g, part->value, 0))->axis[0]) : rows) * d * n;
    p->report->tables += part->how == WHOLE;
  }
  p->report->products += x->dots.n;
}

static void count_distinct(Push *p, const Group *x) {
  PushCount *c = &p->report->distinct;
  for (int i = 0; i < x->parts.n; i++) {
    const Part *part = &x->parts.data[i];
    if (part->how != DISTINCT) continue;
    double work = (double)(part->to - part->from) * (double)x->width, places = (double)most_places(p->g, node_in(p->g, part->value, 1));
    double distinct = expected_rows(p->g, part->value);
    c->before += places * work, c->after += distinct * work;
    p->report->ids += places, p->report->distinct_ids += distinct;
    c->tables++;
  }
  c->products += x->dots.n;
}

static void count(Push *p, const Group *x) {
  if (how_many(x, WHOLE)) count_whole(p, x);
  if (how_many(x, DISTINCT)) count_distinct(p, x);
}

// ---------------------------------------------------------------- the pass
static NodeId rebuilt(Push *p, NodeId id) {
  g_at(p->t, node(p->g, id)->at);
  Group *x = is_plain_product(p, id) ? group_of(p, node_in(p->g, id, 0)) : NULL;
  if (x && any_pushed(x)) return pushed_dot(p, id, x);
  if (!p->is_distinct[id]) return graph_copy_node(p->t, p->g, id, p->now);
  DistinctRows rows = rows_of(p, id);
  return g_gather(p->t, rows.rows, rows.number);
}

Graph *push_gathers(Graph *g, const PushRule *rule, PushReport *report) {
  PushReport unread;
  Push p = { .g = g, .rule = rule, .report = report ? report : &unread };
  bool any = false;
  *p.report = (PushReport){0};
  if (!rule) return g;
  p.is_distinct = NEW_ARRAY(g->arena, bool, g->nodes.n);
  find_groups(&p);
  for (int i = 0; i < p.groups.n; i++)
    if (any_pushed(&p.groups.data[i])) count(&p, &p.groups.data[i]), any = true;
  if (!any) return g;
  p.t = graph_empty_like(g);
  p.t->blas = g->blas, p.t->clip = g->clip, p.t->wants_gram = g->wants_gram;
  p.now = NEW_ARRAY(g->arena, NodeId, g->nodes.n);
  for (NodeId id = 1; id < (NodeId)g->nodes.n; id++) {
    p.now[id] = rebuilt(&p, id);
    CHECK(p.now[id]);
  }
  graph_copy_roots(p.t, g, p.now);
  graph_check(p.t);
  return p.t;
}
