// watch.h: what commands that train share: Ctrl-C, the bar, messages.
#ifndef MTLC_WATCH_H
#define MTLC_WATCH_H
// From now on SIGINT and SIGTERM set what is returned, and say `text`; a second one ends the process with 130.
volatile int *stop_on_signal(const char *text);
void show_progress(void *ctx, const char *line, double done);
void show_message(void *ctx, const char *text);
#endif
