// profile.c: mtlc run --profile: the calls of a step, longest first, each with the spec's line that it came from, its share of the
// step, and its arithmetic and traffic against the peaks of one core. Bytes count each element that a call reads or writes once:
// what it finds in a cache may come faster than memory gives.
#include <math.h>
#include "session.h"

typedef struct { const Call *call; double seconds; CallCost cost; } Line;     // of one step
typedef struct { Line *line; int n; double seconds, flops_peak, bytes_peak; int64_t steps, rows; } Profile;

static const char *const kinds[] = {
  [CALL_MAP] = "elementwise", [CALL_REDUCE_LANES] = "sum along", [CALL_REDUCE_ROWS] = "sum across", [CALL_DOT] = "product",
  [CALL_SPREAD] = "sum by id", [CALL_ROWS] = "rows named", [CALL_BAG] = "rows added", [CALL_SPREAD_BAG] = "sum by id",
  [CALL_HOST] = "routine",
};

static int longest_first(const void *a, const void *b) {
  const Line *x = a, *y = b;
  return (y->seconds > x->seconds) - (y->seconds < x->seconds);
}

static Profile collect(mtl_context *c, const Ready *r) {
  const Schedule *s = r->compiled.schedule;
  const SchedProgram *g = &s->programs[PROG_TRAIN];
  const Engine *e = r->engine;
  Profile p = { .steps = e->profile->steps, .rows = e->profile->rows };
  p.line = NEW_ARRAY(c->arena, Line, g->n_phases + 1);
  for (int i = 0; i < g->n_phases && p.steps > 0; i++) {
    const Call *x = g->phases[i].calls;                              // Graph.by_call: one
    Line l = { x, e->profile->seconds[i] / (double)p.steps, call_cost(x) };
    double part = g->phases[i].over_rows || x->reduced.is_rows ? (double)p.rows / (double)s->capacity : 1;
    l.cost.flops *= part, l.cost.bytes *= part;
    p.seconds += l.seconds;
    p.line[p.n++] = l;
  }
  qsort(p.line, (size_t)p.n, sizeof *p.line, longest_first);
  p.flops_peak = peak_flops(target_detect());
  p.bytes_peak = peak_bytes();
  return p;
}

static const char *place(mtl_context *c, Place at, Arena *a) {
  int line, col;
  if (!at.file) return "";
  source_line_col(c->sources, at, &line, &col);
  const char *name = source_name(c->sources, at.file), *slash = strrchr(name, '/');
  return arena_printf(a, "%s:%d", slash ? slash + 1 : name, line);
}

static double rate(double amount, double seconds) { return seconds > 0 ? amount / seconds : 0; }

json_t *profile_json(mtl_context *c, const Ready *r) {
  Profile p = collect(c, r);
  json_t *calls = json_array();
  for (int i = 0; i < p.n; i++) {
    const Line *l = &p.line[i];
    json_array_append_new(calls, json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f}", "name", l->call->name, "kind", kinds[l->call->kind], "place",
                                           place(c, l->call->at, c->arena), "us", 1e6 * l->seconds, "share", rate(l->seconds, p.seconds), "flops",
                                           l->cost.flops, "bytes", l->cost.bytes));
  }
  return json_pack("{s:I, s:I, s:f, s:f, s:f, s:o}", "steps", (json_int_t)p.steps, "rows", (json_int_t)p.rows, "us", 1e6 * p.seconds,
                   "peak_gflops", isfinite(p.flops_peak) ? 1e-9 * p.flops_peak : 0, "peak_gbytes", 1e-9 * p.bytes_peak, "calls", calls);
}

void profile_text(mtl_context *c, const Ready *r, Text *out) {
  Profile p = collect(c, r);
  double rest = 0;
  int shown = 0;
  text_printf(out, "profile of %lld steps of %lld rows on one thread: %.1f us in kernels; this core: %.0f GFLOP/s, %.0f GB/s from memory\n",
              (long long)p.steps, (long long)p.rows, 1e6 * p.seconds, 1e-9 * p.flops_peak, 1e-9 * p.bytes_peak);
  text_printf(out, "%9s %6s %8s %6s %7s %6s  %-11s %-24s %s\n", "us", "share", "GFLOP/s", "peak", "GB/s", "peak", "kernel", "of", "line");
  for (int i = 0; i < p.n; i++) {
    const Line *l = &p.line[i];
    if (l->seconds < 0.005 * p.seconds) { rest += l->seconds; continue; }
    double flops = rate(l->cost.flops, l->seconds), bytes = rate(l->cost.bytes, l->seconds);
    text_printf(out, "%9.2f %5.1f%% %8.1f %5.0f%% %7.1f %5.0f%%  %-11s %-24s %s\n", 1e6 * l->seconds, 100 * rate(l->seconds, p.seconds), 1e-9 * flops,
                100 * flops / p.flops_peak, 1e-9 * bytes, 100 * bytes / p.bytes_peak, kinds[l->call->kind], l->call->name,
                place(c, l->call->at, c->arena));
    shown++;
  }
  if (shown < p.n) text_printf(out, "%9.2f %5.1f%%  %d more, each below 0.5%%\n", 1e6 * rest, 100 * rate(rest, p.seconds), p.n - shown);
}
