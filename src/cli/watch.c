// watch.c: Ctrl-C lets the step end; a second one ends at once. Progress and messages go to standard error.
#include "watch.h"
#include "term.h"
#include <signal.h>
#include <unistd.h>

static volatile int stop;
static const char *said;
static size_t n_said;

static void on_stop(int signal_number) {
  (void)signal_number;
  if (stop) _exit(130);
  stop = 1;
  if (write(STDERR_FILENO, "\n", 1) < 0 || write(STDERR_FILENO, said, n_said) < 0 || write(STDERR_FILENO, "\n", 1) < 0) return;
}

volatile int *stop_on_signal(const char *text) {
  struct sigaction action = { .sa_handler = on_stop, .sa_flags = SA_RESTART }, ignore = { .sa_handler = SIG_IGN };
  said = text;
  n_said = strlen(text);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGPIPE, &ignore, NULL);               // a reader that goes away must not end the training
  return &stop;
}

void show_progress(void *ctx, const char *line, double done) {
  (void)ctx;
  bar_draw(line, done);
}

void show_message(void *ctx, const char *text) {
  (void)ctx;
  bar_clear();
  size_t n = strlen(text);
  fprintf(stderr, "%s%s", text, n && text[n - 1] == '\n' ? "" : "\n");
}
