// init.h: from a data file to a first spec: what each column is taken for, and the text that says so.
#ifndef MTLC_INIT_H
#define MTLC_INIT_H
#include "../session.h"
#include "../../runtime/profile.h"

typedef enum { ROLE_INPUT, ROLE_LABEL, ROLE_SPLIT, ROLE_OUT } Role;
typedef struct {
  const Profile *p;
  Role role;
  const char *column;                  // as a spec writes it: `native-country` in back quotes; NULL: a spec cannot name it
  const char *name;                    // what the spec calls it: the column, or another where that name is taken (`row`: row_)
  const char *type;                    // INPUT: "real", "category", "id", "time", "text", "list(category)", "list(id)"; LABEL: "binary", "class(4)", "real"
  const char *clauses;                 // INPUT, LABEL: "map = log1p, scale = zscore"; "": none
  const char *value;                   // LABEL: what is read, behind `data.NAME`: " == \">50K\""; "": the cell itself
  const char *note;                    // figures and guesses, for the comment
  const char *why;                     // OUT: the reason
  bool leaks;                          // OUT because it tells a label alone: its line stays, as a comment
  LabelKind kind; int64_t classes;     // LABEL
  int32_t true_code;                   // BINARY: the code of its true value
  bool logs;                           // INPUT: map = log1p
  int group, group_size;               // INPUT: columns GROUP_0 … GROUP_n−1, one vector: group_size at the first, −1 at the others
} Choice;
typedef struct {
  Arena *a;
  const Profiles *p;
  const DataSource *format;
  Choice *c;                           // [p->n]
  int n_inputs, n_labels, split;       // split: the column, or −1
} Guess;

// spec_text.c
const char *spec_name(Arena *a, const char *s);                    // NULL: no spec can name it
bool is_predeclared(const char *s);                                // `row`, `loss`: no declaration may have this name
bool is_utf8(const char *s);
const char *spec_string(Arena *a, const char *s);                  // "…" with escapes
const char *shown_value(Arena *a, const char *s);                  // for a comment: one line, about 20 columns, quoted
const char *count_text(Arena *a, int64_t n, const char *one);      // "1 row", "64,000 rows"

int split_part(const char *value);                                   // 0 train, 1 valid, 2 test, −1: none
const char *own_name(const Guess *g, const char *wanted);          // `wanted`, or with _ behind it: no column has it
// roles.c: what each column is. labels: the names that the user gave, n 0: guessed. false: errors in d.
bool guess_roles(Guess *g, const char *const *labels, int n, Diag *d);
bool has_word(const char *name, const char *const *words, int n);  // words of a name: user_id, OperatingSystems
char *bucket_text(Arena *a, int64_t n);                             // buckets for so many values: "50_000"
// kinds.c
bool make_time(Arena *a, Choice *c);                               // false: spelled in several ways
bool make_list(Arena *a, Choice *c, int64_t rows);                 // false: it is none
void make_text(Arena *a, Choice *c, int64_t rows);
// labels.c
int  label_score(const Profiles *p, int column);                   // 3 and more: looks like an outcome; −1: cannot be one
void choose_label(Guess *g, int column);
// leaks.c: inputs that tell a label (almost) alone: out, or with a note; which labels are true only where others are.
void find_leaks(Guess *g);

// write_spec.c
void write_spec(const Guess *g, const char *data, const char *model, const char *spec, Text *out);
#endif
