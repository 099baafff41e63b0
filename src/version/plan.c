// plan.c: mtl_plan: what a run would give a spec to start from, tensor by tensor, before anything is trained. `run --from` does
// precisely this plan (warm_start.h makes both).
#include "../warm_start.h"
#include "registry.h"

typedef struct { Model *m; Graph *g; WarmRun *old; WarmInputs in; WarmPlan plan; Dataset *data; } Start;

// With data: the plan is exact. Without: tables of vocabularies that the rows will say are shown with an unknown size.
static bool plan_start(mtl_context *c, const mtl_plan_options *o, Start *s) {
  s->m = open_spec(c, o->spec);
  s->g = check_graph(c, s->m);
  s->old = s->g ? warm_open(c, run_path(c, o->run), !o->no_state, (Place){0}) : NULL;
  if (!s->old) return false;
  s->in = warm_inputs(c, s->m, s->g, s->old);
  if (o->data) {
    DataFiles files;
    GivenPrep given = warm_given(s->old, &s->in);
    if (!find_files(c, s->m, o->data, NULL, NULL, o->spec, &files)) return false;
    s->data = data_prepare_given(&s->m->data, &given, &files, c->diag);
    if (!s->data) return false;
    model_bind(s->m, &s->data->prep);
    s->g = build(s->m, F32, c->diag);
  }
  s->plan = warm_plan(s->m, s->g, s->data ? &s->data->prep : NULL, &s->in, s->old);
  return !diag_errors(c->diag);
}

static void plan_shape(const int64_t *shape, int rank, Text *out) {
  text_char(out, '[');
  for (int i = 0; i < rank; i++) {
    if (i) text_add(out, ", ");
    if (shape[i] < 0) text_char(out, '?');
    else text_printf(out, "%lld", (long long)shape[i]);
  }
  text_char(out, ']');
}

static void plan_text(const Start *s, bool allow_drop, Text *out) {
  int width = 0;
  for (int i = 0; i < s->plan.n; i++) {
    const WarmTensor *t = &s->plan.tensors[i];
    const char *path = t->path ? t->path : t->old_path;
    int w = display_width(path, strlen(path));
    if (w > width) width = w;
  }
  for (int i = 0; i < s->plan.n; i++) {
    const WarmTensor *t = &s->plan.tensors[i];
    const char *path = t->path ? t->path : t->old_path;
    text_printf(out, "%-10s  %s", warm_action_names[t->action], path);
    for (int w = display_width(path, strlen(path)); w < width + 2; w++) text_char(out, ' ');
    plan_shape(t->path ? t->shape : t->old_shape, t->path ? t->rank : t->old_rank, out);
    if (t->why) text_printf(out, "  %s", t->why);
    text_char(out, '\n');
  }
  for (int i = 0; i < s->m->data.n_inputs; i++) {
    const char *why = s->in.input_differs[i];
    text_printf(out, "%-10s  %s%s%s\n", s->in.input[i] >= 0 ? "prepared" : "learned", s->m->data.inputs[i].name, s->in.input[i] >= 0 ? " as in the run" : " from the rows",
                why ? arena_printf(s->m->arena, ": %s", why) : "");
  }
  warm_state_text(&s->plan, out);
  text_printf(out, "%s\n", warm_line(s->m->arena, &s->plan, s->old));
  if (s->plan.count[WARM_DROP] && !allow_drop) text_add(out, "weights would be dropped: `mtlc run --from` asks for --allow-drop\n");
}

int mtl_plan(mtl_context *c, const mtl_plan_options *o, char **report) {
  Start s = {0};
  *report = NULL;
  bool fine = plan_start(c, o, &s);
  bool dropped = fine && s.plan.count[WARM_DROP] && !o->allow_drop;
  if (fine && o->json) *report = json_text(warm_json(s.m, &s.plan, &s.in, s.old));
  else if (fine) {
    Text t = {0};
    plan_text(&s, o->allow_drop, &t);
    *report = t.data;
  }
  data_free(s.data);
  warm_close(s.old);
  return fine ? dropped : diag_exit_code(c->diag);
}
