// term.c: terminal and output. The bar is drawn as: 30 columns of bar, per cent, the state of the run, cut to the width in
// terminal columns (a wide character counts two).
#include "term.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool dumb(void) {
  const char *term = getenv("TERM");
  return !term || !*term || !strcmp(term, "dumb");
}

bool term_is_live(void) { return isatty(STDERR_FILENO) && !dumb(); }

bool term_colour(void) {
  const char *no = getenv("NO_COLOR");
  return term_is_live() && (!no || !*no);
}

static bool locale_is_utf8(void) {
  static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
  for (int i = 0; i < COUNT_OF(names); i++) {
    const char *v = getenv(names[i]);
    if (v && *v) return strstr(v, "UTF-8") || strstr(v, "utf8") || strstr(v, "UTF8") || strstr(v, "utf-8");
  }
  return false;
}

int term_columns(void) {
  struct winsize w;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 80;
}

// Bytes of the character at s (1 where it is broken).
static size_t character(const char *s) {
  size_t n = 1;
  while (n < 4 && ((unsigned char)s[n] & 0xC0) == 0x80) n++;
  return n;
}

// The longest part of s from its start that fits in `width` columns.
static void add_clipped(Text *out, const char *s, int width) {
  int used = 0;
  while (*s && (unsigned char)*s >= ' ') {
    size_t n = character(s);
    used += display_width(s, n);
    if (used > width) return;
    text_addn(out, s, n);
    s += n;
  }
}

void bar_text(Text *out, const char *line, double done, int width, bool utf8) {
  enum { BAR = 24 };
  done = isfinite(done) ? fmin(fmax(done, 0), 1) : 0;
  int full = (int)(done * BAR + 0.5);
  if (width >= 2 * BAR) {
    for (int i = 0; i < BAR; i++) text_add(out, i < full ? (utf8 ? "█" : "#") : (utf8 ? "░" : "."));
    text_printf(out, " %3d%%  ", (int)(done * 100));
    width -= BAR + 7;
  }
  add_clipped(out, line, width);
}

static bool bar_is_there;

static void error_write(const char *s, size_t n) {
  while (n) {
    ssize_t w = write(STDERR_FILENO, s, n);
    if (w < 0 && errno == EINTR) continue;
    if (w <= 0) return;                            // nobody reads: nothing to do about it
    s += w;
    n -= (size_t)w;
  }
}

void bar_draw(const char *line, double done) {
  if (!term_is_live()) return;
  Text t = {0};
  text_add(&t, "\r");
  bar_text(&t, line, done, term_columns() - 1, locale_is_utf8());
  text_add(&t, "\x1b[K");
  error_write(t.data, t.n);
  text_free(&t);
  bar_is_there = true;
}

void bar_clear(void) {
  if (bar_is_there) error_write("\r\x1b[K", 4);
  bar_is_there = false;
}

static bool write_all(int fd, const char *data, size_t n) {
  while (n) {
    ssize_t w = write(fd, data, n < (1u << 30) ? n : 1u << 30);
    if (w < 0 && errno == EINTR) continue;
    if (w < 0) return false;
    data += w;
    n -= (size_t)w;
  }
  return true;
}

bool out_write(const char *data, size_t n) {
  bar_clear();
  if (write_all(STDOUT_FILENO, data, n) || errno == EPIPE) return true;
  fprintf(stderr, "error: cannot write to standard output: %s\n", strerror(errno));
  return false;
}

bool out_text(const char *s) { return out_write(s, strlen(s)); }

static bool close_whole(int fd, bool ok, bool sync) {
  if (ok && sync) ok = fsync(fd) == 0;
  int why = errno;
  if (close(fd) && ok) return false;
  errno = why;
  return ok;
}

static bool put_in_place(const char *path, const char *data, size_t n) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  return fd >= 0 && close_whole(fd, write_all(fd, data, n), false);
}

bool file_put(const char *path, const char *data, size_t n) {
  struct stat st;
  if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) return put_in_place(path, data, n);
  Text tmp = {0};
  text_printf(&tmp, "%s.part-%ld", path, (long)getpid());
  int fd = open(tmp.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  bool ok = fd >= 0 && close_whole(fd, write_all(fd, data, n), true) && rename(tmp.data, path) == 0;
  int why = errno;
  if (!ok && fd >= 0) unlink(tmp.data);
  text_free(&tmp);
  errno = why;
  return ok;
}
