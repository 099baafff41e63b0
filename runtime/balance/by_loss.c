// by_loss.c: the methods that weigh tasks by their losses, and GradNorm, which looks at the norms of their gradients too.
// A method that minimises F(L_1 … L_K) has the weights c_k = ∂F/∂L_k.
#include <math.h>
#include "../balance.h"

#define LEAST_LOSS 1e-8                  // where a logarithm or quotient of a loss is taken, it is held at this or more

static double held(double loss) { return fmax(loss, LEAST_LOSS); }

// Adam on one number (Kingma, Ba 2015; β 0.9 and 0.999, ε 1e-8; decay as an addition to the gradient, as torch.optim.Adam).
typedef struct { double value, m, v, steps; } Trained;
static void adam(Trained *x, double gradient, double lr, double decay) {
  gradient += decay * x->value;
  x->steps++;
  x->m += (1 - 0.9) * (gradient - x->m);
  x->v = 0.999 * x->v + (1 - 0.999) * gradient * gradient;
  double root = sqrt(x->v) / sqrt(1 - pow(0.999, x->steps)) + 1e-8;
  x->value -= lr / (1 - pow(0.9, x->steps)) * x->m / root;
}

static void softmax(int n, const double *z, double *p) {
  double most = -INFINITY, sum = 0;
  for (int i = 0; i < n; i++) most = fmax(most, z[i]);
  for (int i = 0; i < n; i++) sum += p[i] = exp(z[i] - most);
  for (int i = 0; i < n; i++) p[i] /= sum;
}

// ---------------------------------------------------------------- uncertainty: F = Σ L_k/(2·e^s_k) + s_k/2, s trained
void balance_uncertainty(const BalanceInput *in, double *c) {
  for (int i = 0; i < in->n; i++) {
    Trained *s = (Trained *)balance_task(in, i);             // s less its start
    c[i] = 0.5 * exp(-in->arg[0] - s->value);
    adam(s, 0.5 - in->loss[i] * c[i], isnan(in->arg[1]) ? in->lr : in->arg[1], 0);
  }
}

// ---------------------------------------------------------------- IMTL-L: F = Σ e^s_k·L_k − s_k, s trained
void balance_imtl_l(const BalanceInput *in, double *c) {
  for (int i = 0; i < in->n; i++) {
    Trained *s = (Trained *)balance_task(in, i);
    c[i] = exp(in->arg[0] + s->value);
    adam(s, in->loss[i] * c[i] - 1, isnan(in->arg[1]) ? in->lr : in->arg[1], 0);
  }
}

// ---------------------------------------------------------------- GLS: F = (Π L_k)^(1/K)
void balance_gls(const BalanceInput *in, double *c) {
  double log_mean = 0;
  for (int i = 0; i < in->n; i++) log_mean += log(held(in->loss[i])) / in->n;
  for (int i = 0; i < in->n; i++) c[i] = exp(log_mean) / (in->n * held(in->loss[i]));
}

// ---------------------------------------------------------------- DWA: c = K·softmax(r/T), r_k = L̄_k(e−1)/L̄_k(e−2)
// L̄_k(e): mean over the batches of an epoch. r is 1 until two epochs are known: c is 1 then.
typedef struct { double sum, batches, last, before; } Epochs;
void balance_dwa(const BalanceInput *in, double *c) {
  double z[BALANCE_TASKS] = {0};
  for (int k = 0; k < in->n_tasks && in->new_epoch; k++) {
    Epochs *e = (Epochs *)(in->of_task + k * in->per_task);
    if (e->batches > 0) *e = (Epochs){ 0, 0, e->sum / e->batches, e->last };
  }
  for (int i = 0; i < in->n; i++) {
    Epochs *e = (Epochs *)balance_task(in, i);
    z[i] = (e->before != 0 ? e->last / e->before : 1) / in->arg[0];
    e->sum += in->loss[i];
    e->batches++;
  }
  softmax(in->n, z, c);
  for (int i = 0; i < in->n; i++) c[i] *= in->n;
}

// ---------------------------------------------------------------- RLW: c = softmax of K normal numbers, new ones each step
static double uniform01(uint64_t key, uint64_t i) {          // (0, 1), 53 bits
  return ((double)(mix64(key + (i + 1) * 0x9e3779b97f4a7c15u) >> 11) + 0.5) * 0x1p-53;
}
void balance_rlw(const BalanceInput *in, double *c) {
  double z[BALANCE_TASKS];
  for (int i = 0; i < in->n; i++) {                          // Box, Muller 1958
    uint64_t at = 2 * (uint64_t)in->task[i];
    z[i] = sqrt(-2 * log(uniform01(in->key, at))) * cos(2 * M_PI * uniform01(in->key, at + 1));
  }
  softmax(in->n, z, c);
}

// ---------------------------------------------------------------- STCH: F = K·μ·log Σ exp(log(L_k/nadir_k)/μ)
// Before, for `warmup` epochs, F = Σ log L_k; the nadir is the mean of L_k over the last of them.
typedef struct { double sum, batches; } Nadir;
void balance_stch(const BalanceInput *in, double *c) {
  double z[BALANCE_TASKS] = {0}, mu = in->arg[0];
  for (int i = 0; i < in->n; i++) {
    Nadir *nadir = (Nadir *)balance_task(in, i);
    double loss = held(in->loss[i]);
    if (in->epoch == (int64_t)in->arg[1]) nadir->sum += in->loss[i], nadir->batches++;
    z[i] = log(loss / (nadir->batches > 0 ? held(nadir->sum / nadir->batches) : 1)) / mu;
  }
  softmax(in->n, z, c);
  for (int i = 0; i < in->n; i++) c[i] = (in->epoch > (int64_t)in->arg[1] ? in->n * c[i] : 1) / held(in->loss[i]);
}

// ---------------------------------------------------------------- FAMO
// F = Σ z_k·log D_k / sg(Σ z/D), z = softmax(w), D = L + 1e-8 (all losses here are at least 0). After the step, on the same
// batch, Adam on w by Jᵀ(log D − log D'), J = ∂z/∂w.
typedef struct { Trained w; double before; } Famo;
static double famo_d(double loss) { return fmax(loss, 0) + 1e-8; }
static void famo_z(const BalanceInput *in, double *z) {
  double w[BALANCE_TASKS];
  for (int i = 0; i < in->n; i++) w[i] = ((Famo *)balance_task(in, i))->w.value;
  softmax(in->n, w, z);
}
void balance_famo(const BalanceInput *in, double *c) {
  double z[BALANCE_TASKS], sum = 0;
  famo_z(in, z);
  for (int i = 0; i < in->n; i++) sum += c[i] = z[i] / famo_d(in->loss[i]);
  for (int i = 0; i < in->n; i++) c[i] /= sum;
  for (int i = 0; i < in->n; i++) ((Famo *)balance_task(in, i))->before = in->loss[i];
}
void balance_famo_again(const BalanceInput *in, double *c) {
  double z[BALANCE_TASKS], delta[BALANCE_TASKS], mean = 0;
  (void)c;
  famo_z(in, z);
  for (int i = 0; i < in->n; i++) {
    delta[i] = log(famo_d(((Famo *)balance_task(in, i))->before)) - log(famo_d(in->loss[i]));
    mean += z[i] * delta[i];
  }
  for (int i = 0; i < in->n; i++) adam(&((Famo *)balance_task(in, i))->w, z[i] * (delta[i] - mean), in->arg[0], in->arg[1]);
}

// ---------------------------------------------------------------- GradNorm
// w = K·softmax(s); s minimises Σ |w_k·‖g_k‖ − Ḡ·r_k^α|, Ḡ the mean of w_k·‖g_k‖, r_k = (L_k/L_k(0)) / their mean, both
// held fixed. L_k(0): the first loss of the task.
typedef struct { Trained s; double first, seen; } Norms;
static double relative_rates(const BalanceInput *in, double *r) {         // L_k/L_k(0); gives their mean
  double mean = 0;
  for (int i = 0; i < in->n; i++) {
    Norms *x = (Norms *)balance_task(in, i);
    if (!x->seen) x->first = in->loss[i], x->seen = 1;
    r[i] = held(in->loss[i]) / held(x->first);
    mean += r[i] / in->n;
  }
  return mean;
}
void balance_gradnorm(const BalanceInput *in, double *c) {
  int n = in->n;
  double s[BALANCE_TASKS] = {0}, r[BALANCE_TASKS], slope[BALANCE_TASKS], norm = 0, mean_slope = 0;
  double mean_rate = relative_rates(in, r);
  for (int i = 0; i < n; i++) s[i] = ((Norms *)balance_task(in, i))->s.value;
  softmax(n, s, c);
  for (int i = 0; i < n; i++) c[i] *= n;
  for (int i = 0; i < n; i++) norm += c[i] * sqrt(in->gram[i * n + i]) / n;
  for (int i = 0; i < n; i++) {                              // ∂/∂w_i
    double own = sqrt(in->gram[i * n + i]), miss = c[i] * own - norm * pow(r[i] / mean_rate, in->arg[0]);
    slope[i] = (miss > 0) - (miss < 0);
    slope[i] *= own;
    mean_slope += slope[i] * c[i] / n;
  }
  for (int i = 0; i < n; i++)                                // ∂w_i/∂s_j = w_i·([i = j] − w_j/K)
    adam(&((Norms *)balance_task(in, i))->s, c[i] * (slope[i] - mean_slope), in->arg[1], 0);
}
