// diag.h: what is wrong, and where. Errors are collected, sorted by place and printed together.
// A spec error has a span of a source text; a data error has file, row and column; a machine error has neither.
#ifndef MTLC_DIAG_H
#define MTLC_DIAG_H
#include "base.h"

typedef struct { uint32_t file, off, len; } Place;   // byte span in a source; file 0: nowhere
typedef struct Sources Sources;                      // all texts of a compilation

Sources    *sources_new(Arena *a);
uint32_t    source_add(Sources *s, const char *name, const char *text, size_t n);   // copies; ids from 1
// How the files that a text names are read: from the disk, unless a reader is set (version/git.c reads them out of a commit).
// Malloc'd; NULL: errno. suffix stands behind the names of what it reads, as in `common.mtl@v3`.
typedef char *SourceReader(void *ctx, const char *path, size_t *n);
void        source_reader(Sources *s, SourceReader *read, void *ctx, const char *suffix);   // read NULL: from the disk
char       *source_read_disk(const char *path, size_t *n);
char       *source_read(const Sources *s, const char *path, size_t *n);
const char *source_suffix(const Sources *s);                                        // "" from the disk
bool        source_is_disk(const Sources *s);
const char *source_name(const Sources *s, uint32_t file);
const char *source_text(const Sources *s, uint32_t file, size_t *n);
void        source_line_col(const Sources *s, Place p, int *line, int *col);  // from 1; col in characters (code points)
Place       place_join(Place a, Place b);            // from a's start to b's end (same file)

typedef enum { DIAG_SPEC = 2, DIAG_DATA = 3, DIAG_MACHINE = 4 } DiagClass;    // also the exit code
typedef struct Diag Diag;

Diag *diag_new(Arena *a, const Sources *s);          // s may be NULL
const Sources *diag_sources(const Diag *d);
// `code` is a stable kebab-case id, a string literal ("unknown-name"). Each call adds one error;
// at most 50 are kept, the rest counted. Two errors with the same code and place are one.
void  diag_error(Diag *d, const char *code, Place at, const char *fmt, ...) PRINTF_LIKE(4, 5);
void  diag_warn (Diag *d, const char *code, Place at, const char *fmt, ...) PRINTF_LIKE(4, 5);
// Attach to the latest error or warning: another place ("declared here"), and a hint ("did you mean `x`?").
void  diag_note (Diag *d, Place at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void  diag_help (Diag *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
// row: data row from 1, header not counted, 0: none. line: line of the file, 0: none. column: may be NULL.
void  diag_data (Diag *d, const char *code, const char *file, int64_t row, int64_t line, const char *column,
                 const char *fmt, ...) PRINTF_LIKE(7, 8);
void  diag_machine(Diag *d, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int   diag_errors(const Diag *d);                    // number of errors so far, warnings not counted
const char *diag_first_code(const Diag *d);          // of the first error that came; NULL: none
const char *diag_first_text(const Diag *d);          // its message, without place; NULL: none
int   diag_warnings(const Diag *d);
int   diag_exit_code(const Diag *d);                 // 0, or the class of the first error: 2, 3, 4
// Prints all in order of place: `file:line:col: error[code]: text`, the line, a caret under the span,
// notes and helps in the same form. colour: ANSI. The caret line is right under wide characters and tabs too.
void  diag_print(const Diag *d, Text *out, bool colour);
// The same as a JSON array: [{severity, code, message, file, line, column, end_column, row, notes[], help[]}];
// a data error has row, line and data_column (its name) instead of column and end_column.
void  diag_json(const Diag *d, Text *out);
void  diag_width(Diag *d, int columns);              // of the terminal: longer source lines are cut around their caret
void  diag_clear(Diag *d);
void  diag_take(Diag *to, const Diag *from);         // all of `from` behind those of `to`; of the same sources
#endif
