// format.h: the one style of .mtl files (`mtlc fmt`).
#ifndef MTLC_FORMAT_H
#define MTLC_FORMAT_H
#include "ast.h"

// The file in the one style, comments kept: 2-space indent, lines up to FORMAT_WIDTH columns, blocks on one line where they were
// written so and fit, neighbours aligned, at most one blank line in a row. What is written on a line changes in nothing but white
// space, commas behind a last item and between clauses, and the ends of lines. The result has the tree of the original, and
// formatted again it is itself.
// false: the file has errors (in d), and out is untouched.
enum { FORMAT_WIDTH = 120 };
bool format_source(Arena *a, Sources *s, uint32_t file, Diag *d, Text *out);

// ---- words.c: a file without errors as words and comments, as they are written
typedef enum { WORD_NAME, WORD_NUMBER, WORD_STRING, WORD_SIGN, WORD_COMMENT } WordKind;
typedef struct {
  WordKind kind;
  const char *text; uint32_t n;         // bytes, not NUL-terminated
  uint32_t off;                         // in the source
  int lines_before;                     // line ends between the word before it and this one
} Word;
typedef VEC(Word) WordList;
void read_words(Arena *a, const char *text, size_t n, WordList *out);
bool word_is(const Word *w, const char *text);

// ---- layout.c: words → lines
typedef struct {
  int indent;
  Text code, comment;                   // comment: behind the code, or alone where there is none; both empty: a blank line
} FormatLine;
typedef struct {
  Arena *arena;
  VEC(FormatLine) lines;                // the last one is being written
  int width;                            // columns of the last one's indent and code
  bool open;                            // the last one may be added to
} Layout;
void layout_line(Layout *l, int indent);                           // begins a line
void layout_blank(Layout *l);                                      // one blank line, however often it is said; none at the top
void layout_comment(Layout *l, const Word *w, int indent);         // behind the code where it stood so; else on a line of its own
// n words, comments among them, with the white space between them that belongs there; lines are broken behind commas, before pipes and
// operators, where they grow too long. indent: of lines that go on outside of brackets. column (may be NULL): [n] where a word begins
// at least, on the line that the first one is on; 0: nothing said.
void layout_words(Layout *l, const Word *w, int n, int indent, const int *column);
int  words_width(const Word *w, int n);                            // on one line, comments aside
void layout_print(Layout *l, Text *out);                           // aligns comments of neighbouring lines; frees all
#endif
