// host.c: the table of C routines, made from host.def, and access to operands of any type.
#include "../host.h"

HostFn *const host_rows[N_HOST] = {
#define HOST(id, fn, item_rows) [HOST_##id] = fn,
#include "../host.def"
#undef HOST
};

static int64_t place_of(const HostOperand *o, const int64_t *at) {
  int64_t p = o->offset;
  for (int i = 0; i < o->rank; i++) p += at[i] * o->stride[i];
  return p;
}

double host_get(void *const *buf, const HostOperand *o, const int64_t *at) {
  const void *p = buf[o->buffer];
  int64_t i = place_of(o, at);
  switch (o->dtype) {
  case F32: return (double)((const float *)p)[i];
  case F64: return ((const double *)p)[i];
  case U32: return (double)((const uint32_t *)p)[i];
  case I64: return (double)((const int64_t *)p)[i];
  }
  BUG("an operand of no type");
}

void host_put(void *const *buf, const HostOperand *o, const int64_t *at, double v) {
  void *p = buf[o->buffer];
  int64_t i = place_of(o, at);
  CHECK(o->dtype == F32 || o->dtype == F64);
  if (o->dtype == F32) ((float *)p)[i] = (float)v;
  else ((double *)p)[i] = v;
}
