// term.h: what the command line writes: answers on standard output, progress and errors on standard error, files whole.
#ifndef MTLC_TERM_H
#define MTLC_TERM_H
#include "../base/base.h"

bool term_colour(void);                            // standard error is a terminal that shows colours, and NO_COLOR is unset
bool term_is_live(void);                           // standard error is a terminal on which a line can be drawn again

int  term_columns(void);                           // 80 where it cannot be told

// A bar on the last line of the terminal, `line` behind it, cut to the terminal's width. done: 0 … 1.
void bar_draw(const char *line, double done);
void bar_clear(void);
void bar_text(Text *out, const char *line, double done, int columns, bool utf8);   // the bar without control characters

// Standard output. A reader that has gone (EPIPE) is no error: the rest is dropped. false: it could not be written.
bool out_write(const char *data, size_t n);
bool out_text(const char *s);
// The whole file or nothing: a temporary name, then a rename; what is no plain file is written in place. false: errno says why.
bool file_put(const char *path, const char *data, size_t n);
#endif
