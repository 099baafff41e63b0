// reader.c: opens a source by what its file is, and takes whole sources into memory.
#include <fcntl.h>
#include <unistd.h>
#include "data_int.h"

static bool is_database(const char *path) {
  static const char magic[] = "SQLite format 3";             // with its NUL
  char start[sizeof magic];
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  bool is = pread(fd, start, sizeof start, 0) == (ssize_t)sizeof start && !memcmp(start, magic, sizeof start);
  close(fd);
  return is;
}

// `shop.db:events`: the length of the file's name; 0: the whole is a file's name, or none is there.
static size_t database_part(const char *path) {
  if (access(path, F_OK) == 0) return 0;
  for (const char *colon = path; (colon = strchr(colon, ':')) != NULL; colon++) {
    char *file = strndup(path, (size_t)(colon - path));
    bool is = file && is_database(file);
    free(file);
    if (is) return (size_t)(colon - path);
  }
  return 0;
}

const char *reader_file(const char *path, Arena *a) {
  size_t n = database_part(path);
  return n ? arena_strndup(a, path, n) : path;
}

bool reader_is_database(const char *path) { return database_part(path) || is_database(path); }

Reader *reader_open(const char *path, const DataSource *format, int64_t rows, Diag *d) {
  size_t n = database_part(path);
  if (!n && !is_database(path)) return csv_open(path, format, rows, d);
  char *file = strndup(path, n ? n : strlen(path));
  if (!file) base_oom(n);
  Reader *r = sqlite_open(file, n ? path + n + 1 : NULL, format, rows, d);
  free(file);
  return r;
}

Table *reader_table(Reader *r) {
  bool there = r->next(r);
  if (!there || r->failed) {
    r->close(r);
    return NULL;
  }
  return &r->table;                                          // the first member: table_free finds the reader
}

Table *csv_read(const char *path, const DataSource *format, Diag *d) {
  Reader *r = csv_open(path, format, 0, d);
  return r ? reader_table(r) : NULL;
}

void table_free(Table *t) {
  if (t) ((Reader *)t)->close((Reader *)t);
}
