// kinds.c: columns whose cells are more than a number or a category: points in time, lists of items, words.
#include <math.h>
#include "init.h"

// ---------------------------------------------------------------- times
// How a column may spell them; NULL: ISO 8601. Where two fit, the first is taken and the other told.
static const char *const time_formats[] = {
  NULL, "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y", "%m/%d/%Y %H:%M",
  "%m/%d/%Y %H:%M:%S", "%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S"
};
enum { N_FORMATS = COUNT_OF(time_formats) };

typedef struct { double first, last; bool has_hours; } Span;

static bool fits_format(const Profile *p, const char *format, Span *s) {
  *s = (Span){ INFINITY, -INFINITY, false };
  for (int64_t i = 0; i < p->distinct; i++) {
    double t;
    if (!parse_time(p->value[i].value, format, &t)) return false;
    s->first = fmin(s->first, t);
    s->last = fmax(s->last, t);
    s->has_hours |= time_part(PART_HOUR, t) != 0 || time_part(PART_MINUTE, t) != 0;
  }
  return true;
}

static char *day_text(Arena *a, double t) {
  Text x = {0};
  print_time(&x, t, "%F");
  char *s = arena_strdup(a, x.data ? x.data : "");
  text_free(&x);
  return s;
}

bool make_time(Arena *a, Choice *c) {
  const Profile *p = c->p;
  const char *also = "";
  Span s, other;
  int at = 0;
  while (at < N_FORMATS && !fits_format(p, time_formats[at], &s)) at++;
  if (at == N_FORMATS) return false;
  for (int i = at + 1; i < N_FORMATS; i++)
    if (fits_format(p, time_formats[i], &other)) also = arena_printf(a, "; or is it %s?", time_formats[i]);
  bool months = s.last - s.first > 60 * 86400.0;
  c->type = "time";
  c->clauses = arena_printf(a, "%s%s%s%s", time_formats[at] ? arena_printf(a, "format = \"%s\", ", time_formats[at]) : "",
                            p->missing ? "missing = own, " : "", s.has_hours ? "parts = [hour, weekday" : "parts = [weekday", months ? ", month]" : "]");
  c->note = arena_printf(a, "%s … %s%s", day_text(a, s.first), day_text(a, s.last), also);
  return true;
}

// ---------------------------------------------------------------- lists
typedef struct { int64_t rows, most; VEC(const char *) items; } Items;   // rows with several; the most in one

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void split_value(Arena *a, const Frequency *v, char separator, Items *out) {
  int64_t n = 0;
  for (const char *s = v->value; *s;) {
    size_t len = strcspn(s, (char[]){ separator, 0 });
    const char *from = s, *to = s + len;
    while (from < to && *from == ' ') from++;
    while (to > from && to[-1] == ' ') to--;
    if (to > from) {
      vec_push(a, &out->items, arena_strndup(a, from, (size_t)(to - from)));
      n++;
    }
    s += len + (s[len] != 0);
  }
  if (n > 1) out->rows += v->count;
  if (n > out->most) out->most = n;
}

static int64_t distinct_items(Items *x) {
  int64_t n = 0;
  if (x->items.n) qsort(x->items.data, (size_t)x->items.n, sizeof *x->items.data, by_text);
  for (int i = 0; i < x->items.n; i++) n += i == 0 || strcmp(x->items.data[i], x->items.data[i - 1]);
  return n;
}

// A list where many cells hold several items and the items recur: there are fewer of them than of cells.
bool make_list(Arena *a, Choice *c, int64_t rows) {
  enum { FEW_ITEMS = 1000, USUAL_MOST = 50 };
  static const char separators[] = "|;,";
  const Profile *p = c->p;
  for (const char *s = separators; *s; s++) {
    Items x = {0};
    for (int64_t i = 0; i < p->distinct; i++) split_value(a, &p->value[i], *s, &x);
    int64_t n = distinct_items(&x);
    if (x.rows * 5 < rows || n * 2 > p->distinct) continue;
    char *most = x.most > USUAL_MOST ? arena_printf(a, ", max = %lld", (long long)x.most) : "";
    c->type = n <= FEW_ITEMS ? "list(category)" : "list(id)";
    c->clauses = arena_printf(a, "%sseparator = \"%c\"%s", n <= FEW_ITEMS ? "" : arena_printf(a, "buckets = %s, ", bucket_text(a, n)), *s, most);
    c->note = arena_printf(a, "%s, as in %s; up to %lld in a cell", count_text(a, n, "item"), shown_value(a, p->value[0].value), (long long)x.most);
    return true;
  }
  return false;
}

// ---------------------------------------------------------------- words
void make_text(Arena *a, Choice *c, int64_t rows) {
  enum { FEW_ROWS = 20000, USUAL_MOST = 50 };
  c->type = "text";
  c->clauses = arena_printf(a, "%s%s", rows < FEW_ROWS ? "vocab = learned, min_count = 2" : "buckets = 20_000", c->p->words > USUAL_MOST / 2 ? ", max = 200" : "");
  c->note = arena_printf(a, "free text, %.0f words a cell", c->p->words);
}
