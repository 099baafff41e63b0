// compare.h: what the files of `mtlc compare` share: arrangements of one spec's tasks, trained over seeds, and how they are judged.
#ifndef MTLC_COMPARE_H
#define MTLC_COMPARE_H
#include "../session.h"

// ---- paired.c: is one series of figures better than another? Two things of chance are in their difference: the training (the
// seed), seen in the differences of pairs with the same seed: e₁² = s²/n, n − 1 degrees of freedom; and which rows are held out, seen by
// leaving out a block of them at a time: e₂² = (B − 1)/B Σ_b (d̄₍b₎ − d̄₍·₎)², B − 1 of them (the delete-a-group jackknife: Quenouille
// 1956; Kott 2001). Half of the interval at 1 − α is √(t₁²e₁² + t₂²e₂²), t₁ and t₂ being Student's quantiles at α/2 of each (the modified
// large-sample interval: Graybill, Wang 1980). Simulated at 2 to 10 seeds and any ratio of e₁ to e₂ it never errs more often than α;
// one t with Satterthwaite's degrees of freedom errs up to 30 times as often at 2 or 3 seeds and small α.
enum { BLOCKS = 20 };                    // of held-out rows, side by side in the file
typedef struct { double value; double without[BLOCKS]; } Score;      // of a seed; without a block of rows; NAN: undefined
typedef struct {
  int n;                                 // pairs with a figure on both sides
  double mean, sd;                       // of the differences over seeds; above 0: better
  double by_seeds, by_rows;              // e₁, e₂; NAN: cannot be told (fewer than two seeds, a figure undefined without a block)
} Difference;
Difference paired_difference(const Score *a, const Score *b, int n_seeds, bool minimise);
double difference_half(const Difference *d, double alpha);           // half of the interval at 1 − alpha
double difference_p(const Difference *d);                            // the alpha at which the interval ends at 0
double student_p(double t, double df);                               // P(|T| > |t|), df ≥ 1 rounded down
double student_t(double p, double df);                               // where student_p is p; 0 < p < 1

// ---- what is compared
typedef struct {
  const char *name;                      // "alone", "together", or a method as it was written
  const char *balance;                   // what stands behind `balance =`; NULL: the spec's own
  bool alone;                            // a model for each task
} Arrangement;
// task −1: the mean over the tasks of the gain of their first figures over `alone`, in % of these (Maninis, Radosavovic, Kokkinos 2019).
// metric −1: the loss. first: the figure of its task that the verdict looks at.
typedef struct { int task, metric; const char *name; bool minimise, first; } Measure;
enum { ALONE, TOGETHER };                // the first two arrangements
typedef struct {
  const Model *m;
  int n_seeds; uint64_t *seed;
  Arrangement *arrangement; int n_arrangements;
  Measure *measure; int n_measures;
  Score *score;                          // [arrangement][measure][seed]
  const char **failed;                   // [arrangement][seed]: why it did not stay finite; NULL: it did
  double *epochs, *seconds;              // [arrangement][seed]: best epoch (of `alone` the mean), time of training
  double *cosine;                        // [seed][task][task] of `together`, mean over epochs; NULL: nothing is shared
  int held_out; int64_t rows[3];         // split that judges: 1 valid, 2 test; rows of each
  double wall_seconds;
} Comparison;
static inline Score *score_at(const Comparison *x, int a, int k) { return &x->score[((size_t)a * (size_t)x->n_measures + (size_t)k) * (size_t)x->n_seeds]; }
static inline const char **failed_at(const Comparison *x, int a) { return &x->failed[(size_t)a * (size_t)x->n_seeds]; }

// ---- verdict.c. A difference counts where |mean| > half: half the width of its interval, at 95 % for all comparisons of a
// column together (Bonferroni): each at 1 − 0.05 / comparisons.
typedef enum { NOT_KNOWN, NO_DIFFERENCE, BETTER, WORSE } Mark;
typedef struct { Difference d; double half; Mark mark; } Judged;
int    n_comparisons(const Comparison *x);                           // figures × (arrangements − 1)
int    n_failed(const Comparison *x, int a);
Judged judge(const Comparison *x, int a, int over, int measure);     // of arrangement a over another
typedef struct {
  int choice;                            // arrangement to use; −1: none can be named
  bool wins;                             // it is better than `together`; else the spec is kept as it is
  char *text;                            // a sentence or two, malloc'd
} Verdict;
Verdict comparison_verdict(const Comparison *x);

// ---- compare_report.c
void    comparison_text(const Comparison *x, Text *out);
json_t *comparison_json(const Comparison *x);
#endif
