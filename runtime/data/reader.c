// reader.c: opens a source by what its file is, and takes whole sources into memory.
#include "data_int.h"

Reader *reader_open(const char *path, const DataSource *format, int64_t rows, Diag *d) {
  return csv_open(path, format, rows, d);
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
