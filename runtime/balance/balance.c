// balance.c: one step of a method: the tasks that count are taken out of the K, the method weighs them, the rest get 0.
#include <math.h>
#include "../balance.h"
#include "../host.h"

static const struct { BalanceFn *weigh; int per_task, per_pair; } methods[] = {
#define BALANCE(id, flags, per_task, per_pair, again, args) {balance_##id, per_task, per_pair},
#include "balance.def"
#undef BALANCE
};

typedef struct { int task[BALANCE_TASKS], n; double loss[BALANCE_TASKS], gram[BALANCE_TASKS * BALANCE_TASKS]; } Present;

// With M, a task counts only where its gradient is not zero: what has no direction cannot be weighed.
static void find_present(const BalanceStep *s, Present *p) {
  int k = s->n_tasks;
  double largest = 0;
  for (int i = 0; s->gram && i < k; i++) largest = fmax(largest, s->gram[i * k + i]);
  for (int i = 0; i < k; i++) {
    bool moves = !s->gram || !(s->gram[i * k + i] <= 1e-24 * largest);    // NaN counts: it is to be seen
    if (s->known[i] > 0 && moves) p->task[p->n++] = i;
  }
  for (int i = 0; i < p->n; i++) {
    p->loss[i] = s->loss[p->task[i]];
    for (int j = 0; s->gram && j < p->n; j++) p->gram[i * p->n + j] = s->gram[p->task[i] * k + p->task[j]];
  }
}

static BalanceInput input_of(const BalanceStep *s, const Present *p, double *memory) {
  double *of_task = memory + BALANCE_HEAD;
  int per_task = methods[s->id].per_task;
  return (BalanceInput){ .n = p->n, .task = p->task, .loss = p->loss, .gram = s->gram ? p->gram : NULL,
                         .arg = s->arg, .lr = s->lr,
                         .epoch = s->epoch, .new_epoch = (int64_t)memory[BALANCE_EPOCH] != s->epoch,
                         .key = mix64((uint64_t)s->key), .n_tasks = s->n_tasks, .per_task = per_task,
                         .of_task = of_task, .of_pair = of_task + (int64_t)s->n_tasks * per_task };
}

void balance_step(const BalanceStep *s, double *memory, double *c) {
  Present p = { .n = 0 };
  double of_present[BALANCE_TASKS];
  CHECK(s->n_tasks <= BALANCE_TASKS);
  find_present(s, &p);
  BalanceInput in = input_of(s, &p, memory);
  if (p.n > 0) methods[s->id].weigh(&in, of_present), memory[BALANCE_EPOCH] = (double)s->epoch;
  for (int i = 0; i < s->n_tasks; i++) c[i] = 0;
  for (int i = 0; i < p.n; i++) c[p.task[i]] = of_present[i];
}

void balance_again(const BalanceStep *s, double *memory) {
  Present p = { .n = 0 };
  double unused[BALANCE_TASKS];
  find_present(s, &p);
  BalanceInput in = input_of(s, &p, memory);
  if (p.n > 0) balance_famo_again(&in, unused);
}

// ---------------------------------------------------------------- the op
static void read_vector(void *const *buf, const HostOperand *o, int64_t from, int64_t n, double *to) {
  for (int64_t i = 0; i < n; i++) to[i] = host_get(buf, o, (int64_t[]){ from + i });
}

// Operands: losses, known [K]; lr, epoch, key [3]; memory [S]; M [K, K] or none. i0 the method, i1 … i3 the bits of its
// arguments. Result: the weights and the memory after the step [K + S].
void host_balance(void *const *buf, const HostArgs *a, int64_t n, int64_t lo, int64_t hi) {
  int k = (int)a->in[0].extent[0];
  int64_t size = a->in[3].extent[0];
  double loss[BALANCE_TASKS], known[BALANCE_TASKS], control[3], arg[BALANCE_ARGS], c[BALANCE_TASKS];
  double gram[BALANCE_TASKS * BALANCE_TASKS], *memory = xmalloc(sizeof *memory * (size_t)size);
  (void)n;
  CHECK(k <= BALANCE_TASKS && lo == 0 && hi == k + size);
  read_vector(buf, &a->in[0], 0, k, loss);
  read_vector(buf, &a->in[1], 0, k, known);
  read_vector(buf, &a->in[2], 0, 3, control);
  read_vector(buf, &a->in[3], 0, size, memory);
  for (int i = 0; a->n_in > 4 && i < k; i++)
    for (int j = 0; j < k; j++) gram[i * k + j] = host_get(buf, &a->in[4], (int64_t[]){ i, j });
  memcpy(arg, a->i + 1, sizeof arg);
  BalanceStep s = { .id = (int)a->i[0], .n_tasks = k, .arg = arg, .loss = loss, .known = known, .lr = control[0],
                    .epoch = (int64_t)control[1], .key = control[2], .gram = a->n_in > 4 ? gram : NULL };
  balance_step(&s, memory, c);
  for (int64_t i = 0; i < k + size; i++) host_put(buf, &a->out, &i, i < k ? c[i] : memory[i - k]);
  free(memory);
}
