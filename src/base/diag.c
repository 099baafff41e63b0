// diag.c: the list of errors and warnings, and its two printers: text with the source line and a caret, and JSON.
// Errors come in any order, from any pass; they are sorted by place when they are printed.
#include "diag.h"
#include <utf8proc.h>

enum { MAX_KEPT = 50, MAX_EXTRAS = 8, TAB = 4, WIDEST = 150, NARROWEST = 30 };   // WIDEST: columns of a source line shown

typedef enum { SEVERITY_ERROR, SEVERITY_WARNING } Severity;
typedef struct { Place at; const char *text; } Note;

typedef struct {
  Severity severity;
  DiagClass kind;
  const char *code, *text;
  Place at;                        // spec
  const char *file, *column;       // data
  int64_t row, line;
  Note notes[MAX_EXTRAS];
  const char *helps[MAX_EXTRAS];
  int n_notes, n_helps;
  int order;                       // of arrival
} Item;

struct Diag {
  Arena *arena;
  const Sources *sources;
  VEC(Item *) items;
  Item *latest;                    // where notes and helps go; NULL after a repeated or an uncounted one
  int n_errors, n_warnings;        // all, kept or not
  DiagClass first;
  int widest;                      // columns of a source line shown
};

Diag *diag_new(Arena *a, const Sources *s) {
  Diag *d = NEW(a, Diag);
  d->arena = a;
  d->sources = s;
  d->widest = WIDEST;
  return d;
}

void diag_clear(Diag *d) {
  d->items.n = 0;
  d->latest = NULL;
  d->n_errors = d->n_warnings = 0;
  d->first = 0;
}

void diag_width(Diag *d, int columns) {
  enum { BESIDE = 10 };            // the line's number, the bar, and marks of what is cut
  int w = columns - BESIDE;
  d->widest = w < NARROWEST ? NARROWEST : w > WIDEST ? WIDEST : w;
}

int diag_errors(const Diag *d) { return d->n_errors; }
int diag_warnings(const Diag *d) { return d->n_warnings; }
int diag_exit_code(const Diag *d) { return d->n_errors ? (int)d->first : 0; }

static const Item *first_error(const Diag *d) {
  for (int i = 0; i < d->items.n; i++)
    if (d->items.data[i]->severity == SEVERITY_ERROR) return d->items.data[i];
  return NULL;
}
const char *diag_first_code(const Diag *d) { return d->n_errors ? first_error(d)->code : NULL; }
const char *diag_first_text(const Diag *d) { return d->n_errors ? first_error(d)->text : NULL; }

// ---- adding
void diag_take(Diag *to, const Diag *from) {
  if (!to->n_errors && from->n_errors) to->first = from->first;
  to->n_errors += from->n_errors, to->n_warnings += from->n_warnings;
  for (int i = 0; i < from->items.n; i++) {
    from->items.data[i]->order = to->items.n;
    vec_push(to->arena, &to->items, from->items.data[i]);
  }
  to->latest = NULL;
}

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

// One mistake, met twice: equal code and place; where there is no place, the words and the row must agree as well.
static bool is_repeat(const Item *a, const Item *b) {
  if (a->severity != b->severity || a->kind != b->kind || strcmp(a->code, b->code) != 0) return false;
  if (a->at.file != b->at.file) return false;
  if (a->at.file) return a->at.off == b->at.off && a->at.len == b->at.len;
  return a->row == b->row && a->line == b->line && same_text(a->file, b->file) && same_text(a->column, b->column) &&
         strcmp(a->text, b->text) == 0;
}

static void add(Diag *d, Item item) {
  d->latest = NULL;
  for (int i = 0; i < d->items.n; i++)
    if (is_repeat(d->items.data[i], &item)) return;
  int *count = item.severity == SEVERITY_ERROR ? &d->n_errors : &d->n_warnings;
  if (item.severity == SEVERITY_ERROR && d->n_errors == 0) d->first = item.kind;
  if (++*count > MAX_KEPT) return;
  item.order = d->items.n;
  d->latest = NEW(d->arena, Item);
  *d->latest = item;
  vec_push(d->arena, &d->items, d->latest);
}

static char *vformat(Diag *d, const char *fmt, va_list ap) { return arena_vprintf(d->arena, fmt, ap); }

#define FORMAT(d, fmt, out)                                                                    \
  va_list ap;                                                                                  \
  va_start(ap, fmt);                                                                           \
  const char *out = vformat(d, fmt, ap);                                                       \
  va_end(ap)

const Sources *diag_sources(const Diag *d) { return d->sources; }

void diag_error(Diag *d, const char *code, Place at, const char *fmt, ...) {
  FORMAT(d, fmt, text);
  add(d, (Item){.severity = SEVERITY_ERROR, .kind = DIAG_SPEC, .code = code, .at = at, .text = text});
}

void diag_warn(Diag *d, const char *code, Place at, const char *fmt, ...) {
  FORMAT(d, fmt, text);
  add(d, (Item){.severity = SEVERITY_WARNING, .kind = DIAG_SPEC, .code = code, .at = at, .text = text});
}

void diag_data(Diag *d, const char *code, const char *file, int64_t row, int64_t line, const char *column,
               const char *fmt, ...) {
  FORMAT(d, fmt, text);
  add(d, (Item){.severity = SEVERITY_ERROR, .kind = DIAG_DATA, .code = code, .text = text, .row = row, .line = line,
                .file = arena_strdup(d->arena, file ? file : "data"),
                .column = column ? arena_strdup(d->arena, column) : NULL});
}

void diag_machine(Diag *d, const char *code, const char *fmt, ...) {
  FORMAT(d, fmt, text);
  add(d, (Item){.severity = SEVERITY_ERROR, .kind = DIAG_MACHINE, .code = code, .text = text});
}

void diag_note(Diag *d, Place at, const char *fmt, ...) {
  if (!d->latest || d->latest->n_notes == MAX_EXTRAS) return;
  FORMAT(d, fmt, text);
  d->latest->notes[d->latest->n_notes++] = (Note){at, text};
}

void diag_help(Diag *d, const char *fmt, ...) {
  if (!d->latest || d->latest->n_helps == MAX_EXTRAS) return;
  FORMAT(d, fmt, text);
  d->latest->helps[d->latest->n_helps++] = text;
}

// ---- order: the spec by place, then data by file and row, then the machine; equal places as they came
static int compare(const void *x, const void *y) {
  const Item *a = *(Item *const *)x, *b = *(Item *const *)y;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if (a->at.file != b->at.file) return a->at.file < b->at.file ? -1 : 1;
  if (a->at.off != b->at.off) return a->at.off < b->at.off ? -1 : 1;
  int by_file = a->file && b->file ? strcmp(a->file, b->file) : 0;
  if (by_file) return by_file;
  if (a->row != b->row) return a->row < b->row ? -1 : 1;
  return a->order < b->order ? -1 : a->order > b->order;
}

// The items in order, malloc'd; the caller frees.
static Item **sorted(const Diag *d) {
  size_t n = (size_t)d->items.n;
  Item **all = xmalloc(sizeof *all * (n ? n : 1));
  if (n) memcpy(all, d->items.data, sizeof *all * n);
  qsort(all, n, sizeof *all, compare);
  return all;
}

// ---- text that is safe on a terminal: no control characters, no broken UTF-8
static const char replacement[] = "\xEF\xBF\xBD";

// The length of the character at s (n bytes left); 0 where it is no printable character.
static size_t printable(const char *s, size_t n) {
  utf8proc_int32_t point;
  utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &point);
  if (used <= 0) return 0;
  utf8proc_category_t category = utf8proc_category(point);
  bool bidi = (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
  return category == UTF8PROC_CATEGORY_CC || bidi ? 0 : (size_t)used;
}

// A message; further lines of it are indented.
static void print_message(Text *out, const char *s) {
  for (size_t n = strlen(s); n > 0;) {
    size_t used = printable(s, n);
    if (used) text_addn(out, s, used);
    else if (*s == '\n') text_add(out, "\n      ");
    else if (*s == '\t') text_char(out, ' ');
    else text_add(out, replacement);
    s += used ? used : 1;
    n -= used ? used : 1;
  }
}

// ---- the source line and its carets
// A cell of the line as shown: what is printed for one character, and how wide it is.
typedef struct { const char *text; size_t n; int width; } Cell;

static Cell cell_at(const char *s, size_t n, int column, size_t *used) {
  static const char spaces[TAB + 1] = "    ";
  *used = printable(s, n);
  if (*used) return (Cell){s, *used, display_width(s, *used)};
  *used = 1;
  if (*s != '\t') return (Cell){replacement, sizeof replacement - 1, 1};
  int width = TAB - column % TAB;
  return (Cell){spaces, (size_t)width, width};
}

// One source line with its span [from, to) in bytes, reduced to what fits the terminal.
typedef struct { const char *text; size_t n, from, to; int number; } Line;

static Line line_at(const Sources *s, Place at) {
  size_t n;
  const char *text = source_text(s, at.file, &n);
  size_t off = at.off < n ? at.off : n, start = off, end = off;
  while (start > 0 && text[start - 1] != '\n') start--;
  while (end < n && text[end] != '\n') end++;
  if (end > start && text[end - 1] == '\r') end--;
  Line line = {.text = text + start, .n = end - start, .from = off - start};
  if (line.from > line.n) line.from = line.n;
  line.to = line.from + at.len < line.n ? line.from + at.len : line.n;
  int col;
  source_line_col(s, at, &line.number, &col);
  return line;
}

// Columns before the span, and of the whole line.
static void measure(const Line *l, int *before, int *whole) {
  int column = 0;
  *before = 0;
  for (size_t i = 0, used; i < l->n; i += used) {
    if (i <= l->from) *before = column;
    column += cell_at(l->text + i, l->n - i, column, &used).width;
  }
  *whole = column;
  if (l->from >= l->n) *before = column;
}

static const char *paint(bool colour, const char *code) { return colour ? code : ""; }
#define BOLD "\033[1m"
#define RED "\033[1;31m"
#define YELLOW "\033[1;33m"
#define CYAN "\033[1;36m"
#define GREEN "\033[1;32m"
#define PLAIN "\033[0m"

// Prints the line, and below it the carets. Of a line that is too wide, the part around the span is shown.
static void print_cells(Text *out, const Line *l, int widest, int gutter, const char *mark_colour, bool colour) {
  int before, whole;
  measure(l, &before, &whole);
  int first = whole > widest && before > widest / 2 ? before - widest / 2 : 0;
  Text marks = {0};
  text_printf(out, " %*d | %s", gutter, l->number, first ? "…" : "");
  if (first) text_char(&marks, ' ');
  int column = 0;
  bool cut = false;
  for (size_t i = 0, used; i < l->n && !cut; i += used) {
    Cell c = cell_at(l->text + i, l->n - i, column, &used);
    column += c.width;
    if (column <= first) continue;
    text_addn(out, c.text, c.n);
    if (i < l->to)
      for (int k = 0; k < c.width; k++) text_char(&marks, i >= l->from ? '^' : ' ');
    cut = column - first >= widest && i + used < l->n;
  }
  if (l->from >= l->to) text_char(&marks, '^');           // an empty span: where something is missing
  if (cut) text_add(out, "…");
  text_printf(out, "\n %*s | %s%s%s\n", gutter, "", paint(colour, mark_colour), marks.data ? marks.data : "",
              paint(colour, PLAIN));
  text_free(&marks);
}

static void print_line(const Diag *d, Text *out, Place at, int gutter, const char *mark_colour, bool colour) {
  if (!source_name(d->sources, at.file)) return;
  Line l = line_at(d->sources, at);
  print_cells(out, &l, d->widest, gutter, mark_colour, colour);
}

static int digits(int n) {
  int count = 1;
  while (n >= 10) n /= 10, count++;
  return count;
}

// The width of the line numbers of an item and its notes.
static int gutter_of(const Diag *d, const Item *it) {
  int line, col, widest = 1;
  source_line_col(d->sources, it->at, &line, &col);
  widest = digits(line);
  for (int i = 0; i < it->n_notes; i++) {
    source_line_col(d->sources, it->notes[i].at, &line, &col);
    if (digits(line) > widest) widest = digits(line);
  }
  return widest;
}

static void print_place(const Diag *d, Text *out, Place at, bool colour) {
  const char *name = source_name(d->sources, at.file);
  if (!name) return;
  int line, col;
  source_line_col(d->sources, at, &line, &col);
  text_add(out, paint(colour, BOLD));
  print_message(out, name);
  text_printf(out, ":%d:%d: %s", line, col, paint(colour, PLAIN));
}

static void print_data_place(Text *out, const Item *it, bool colour) {
  const char *before = ":";
  text_add(out, paint(colour, BOLD));
  print_message(out, it->file);
  if (it->row > 0) text_printf(out, "%srow %lld", before, (long long)it->row), before = ", ";
  if (it->line > 0) text_printf(out, "%sline %lld", before, (long long)it->line), before = ", ";
  if (it->column) {
    text_printf(out, "%scolumn \"", before);
    print_message(out, it->column);
    text_char(out, '"');
  }
  text_printf(out, ": %s", paint(colour, PLAIN));
}

static void print_item(const Diag *d, Text *out, const Item *it, bool colour) {
  int gutter = gutter_of(d, it);
  bool is_error = it->severity == SEVERITY_ERROR;
  const char *mark = is_error ? RED : YELLOW;
  if (it->kind == DIAG_DATA) print_data_place(out, it, colour);
  else print_place(d, out, it->at, colour);
  text_printf(out, "%s%s[%s]:%s ", paint(colour, mark), is_error ? "error" : "warning", it->code, paint(colour, PLAIN));
  print_message(out, it->text);
  text_char(out, '\n');
  print_line(d, out, it->at, gutter, mark, colour);
  for (int i = 0; i < it->n_notes; i++) {
    print_place(d, out, it->notes[i].at, colour);
    text_printf(out, "%snote:%s ", paint(colour, CYAN), paint(colour, PLAIN));
    print_message(out, it->notes[i].text);
    text_char(out, '\n');
    print_line(d, out, it->notes[i].at, gutter, CYAN, colour);
  }
  for (int i = 0; i < it->n_helps; i++) {
    text_printf(out, "%shelp:%s ", paint(colour, GREEN), paint(colour, PLAIN));
    print_message(out, it->helps[i]);
    text_char(out, '\n');
  }
}

void diag_print(const Diag *d, Text *out, bool colour) {
  Item **all = sorted(d);
  for (int i = 0; i < d->items.n; i++) print_item(d, out, all[i], colour);
  free(all);
}

// ---- JSON
static void json_string(Text *out, const char *s) {
  if (!s) {
    text_add(out, "null");
    return;
  }
  text_char(out, '"');
  for (size_t n = strlen(s); n > 0;) {
    size_t used = printable(s, n);
    unsigned char c = (unsigned char)*s;
    if (*s == '"' || *s == '\\') text_printf(out, "\\%c", *s);
    else if (used) text_addn(out, s, used);
    else if (c < 0x20) text_printf(out, "\\u%04x", c);
    else text_add(out, replacement);
    s += used ? used : 1;
    n -= used ? used : 1;
  }
  text_char(out, '"');
}

// "file": …, "line": …, "column": …, "end_column": … of a place; end_column is one past the last on the first line.
static void json_place(const Diag *d, Text *out, Place at) {
  const char *name = source_name(d->sources, at.file);
  if (!name) {
    text_add(out, "\"file\": null, \"line\": null, \"column\": null, \"end_column\": null");
    return;
  }
  int line, col, end_line, end_col;
  Line l = line_at(d->sources, at);
  source_line_col(d->sources, at, &line, &col);
  Place end = {at.file, at.off + (uint32_t)(l.to - l.from), 0};
  source_line_col(d->sources, end, &end_line, &end_col);
  text_add(out, "\"file\": ");
  json_string(out, name);
  text_printf(out, ", \"line\": %d, \"column\": %d, \"end_column\": %d", line, col, end_col);
}

static void json_data_place(Text *out, const Item *it) {
  text_add(out, "\"file\": ");
  json_string(out, it->file);
  if (it->line > 0) text_printf(out, ", \"line\": %lld", (long long)it->line);
  else text_add(out, ", \"line\": null");
  text_add(out, ", \"column\": null, \"end_column\": null, \"data_column\": ");
  json_string(out, it->column);
}

static void json_item(const Diag *d, Text *out, const Item *it) {
  text_printf(out, "{\"severity\": \"%s\", \"code\": ", it->severity == SEVERITY_ERROR ? "error" : "warning");
  json_string(out, it->code);
  text_add(out, ", \"message\": ");
  json_string(out, it->text);
  text_add(out, ", ");
  if (it->kind == DIAG_DATA) json_data_place(out, it);
  else json_place(d, out, it->at);
  if (it->row > 0) text_printf(out, ", \"row\": %lld", (long long)it->row);
  else text_add(out, ", \"row\": null");
  text_add(out, ", \"notes\": [");
  for (int i = 0; i < it->n_notes; i++) {
    text_add(out, i ? ", {\"message\": " : "{\"message\": ");
    json_string(out, it->notes[i].text);
    text_add(out, ", ");
    json_place(d, out, it->notes[i].at);
    text_char(out, '}');
  }
  text_add(out, "], \"help\": [");
  for (int i = 0; i < it->n_helps; i++) {
    if (i) text_add(out, ", ");
    json_string(out, it->helps[i]);
  }
  text_add(out, "]}");
}

void diag_json(const Diag *d, Text *out) {
  Item **all = sorted(d);
  text_char(out, '[');
  for (int i = 0; i < d->items.n; i++) {
    if (i) text_add(out, ",\n ");
    json_item(d, out, all[i]);
  }
  text_char(out, ']');
  free(all);
}
