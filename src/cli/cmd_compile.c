// cmd_compile.c: mtlc compile SPEC [--emit STAGE] [-o OUT]. Without --emit: the object file.
#include "command.h"
#include "term.h"
#include <errno.h>
#include <unistd.h>

static int save(const Args *a, const char *data, size_t size) {
  if (a->out && strcmp(a->out, "-")) {
    if (!file_put(a->out, data, size)) {
      fprintf(stderr, "error: cannot write `%s`: %s\n", a->out, strerror(errno));
      return 4;
    }
    if (!a->quiet) fprintf(stderr, "%s: %zu bytes\n", a->out, size);
    return 0;
  }
  return out_write(data, size) ? 0 : 4;
}

int cmd_compile(const Args *a) {
  const char *stage = a->emit ? a->emit : "obj";
  bool to_stdout = !a->out || !strcmp(a->out, "-");
  if (!strcmp(stage, "obj") && to_stdout && (!a->out || isatty(STDOUT_FILENO)))
    return wrong_usage("compile", "an object is no text: name a file with -o, or another stage with --emit");
  if (a->json && to_stdout) return wrong_usage("compile", "with --json, standard output is the report's: name a file with -o");
  mtl_context *c = mtl_new();
  char *data = NULL, *report = NULL;
  size_t size = 0;
  int code = mtl_compile(c, a->operand[0], stage, a->data, &data, &size);
  if (code == 0) code = save(a, data, size);
  Text t = {0};
  if (a->json && code == 0) {
    text_printf(&t, "{\"exit\": 0, \"stage\": \"%s\", \"bytes\": %zu}\n", stage, size);
    report = strdup(t.data);
    text_free(&t);
  }
  code = finish(c, a, code, report);
  mtl_text_free(data);
  mtl_free(c);
  return code;
}
