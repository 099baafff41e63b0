// loader.c: relocatable ELF64 objects → executable memory. Sections that occupy memory are laid out one after the
// other in one mapping, those of each object followed by a global offset table and stubs for the few outside functions that
// generated code may call; relocations are applied, then the pages become read-and-execute. The objects may come from a cache
// on disk: every offset, index and size is checked before it is used.
#include <elf.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include "module.h"

static const struct { const char *name; void *address; } outside[] = {
  { "memset", (void *)memset }, { "memcpy", (void *)memcpy }, { "memmove", (void *)memmove },
  { "exp", (void *)exp }, { "log", (void *)log }, { "tanh", (void *)tanh }, { "sqrt", (void *)sqrt },
  { "log1p", (void *)log1p }, { "expm1", (void *)expm1 }, { "fma", (void *)fma }, { "fmaf", (void *)fmaf },
  { "fmin", (void *)fmin }, { "fmax", (void *)fmax },
};
enum { STUB_BYTES = 32, MAX_SYMBOLS = 1 << 16 };

typedef struct Loader Loader;
struct Loader {                           // of one object
  const unsigned char *file; size_t n;
  const Elf64_Ehdr *eh; const Elf64_Shdr *sh;
  const Elf64_Sym *sym; size_t n_sym;
  const char *str; size_t n_str;
  unsigned char *base;                    // the mapping, of all objects
  size_t *at;                             // offset of each section in it, SIZE_MAX: none
  size_t got, stubs;                      // offsets; one entry per symbol
  const Loader *all; int n_all;           // the objects
};

static bool fail(Diag *d, const char *what) {
  diag_machine(d, "bad-object", "the compiled object cannot be loaded: %s", what);
  return false;
}
static bool inside(const Loader *l, uint64_t off, uint64_t size) { return off <= l->n && size <= l->n - off; }

static bool read_headers(Loader *l, Diag *d) {
  if (l->n < sizeof(Elf64_Ehdr)) return fail(d, "it is too short");
  l->eh = (const Elf64_Ehdr *)l->file;
  if (memcmp(l->eh->e_ident, ELFMAG, SELFMAG) || l->eh->e_ident[EI_CLASS] != ELFCLASS64 || l->eh->e_type != ET_REL)
    return fail(d, "it is no relocatable ELF64 object");
#if defined(__x86_64__)
  if (l->eh->e_machine != EM_X86_64) return fail(d, "it is for another processor");
#elif defined(__aarch64__)
  if (l->eh->e_machine != EM_AARCH64) return fail(d, "it is for another processor");
#endif
  if (l->eh->e_shentsize != sizeof(Elf64_Shdr) || l->eh->e_shoff % 8 ||
      !inside(l, l->eh->e_shoff, (uint64_t)l->eh->e_shnum * sizeof(Elf64_Shdr)))
    return fail(d, "its section table is broken");
  l->sh = (const Elf64_Shdr *)(l->file + l->eh->e_shoff);
  for (int i = 0; i < l->eh->e_shnum; i++)
    if (l->sh[i].sh_type != SHT_NOBITS && !inside(l, l->sh[i].sh_offset, l->sh[i].sh_size)) return fail(d, "a section is out of bounds");
  return true;
}

static bool read_symbols(Loader *l, Diag *d) {
  for (int i = 0; i < l->eh->e_shnum; i++) {
    if (l->sh[i].sh_type != SHT_SYMTAB) continue;
    uint32_t link = l->sh[i].sh_link;
    if (link >= l->eh->e_shnum || l->sh[link].sh_type != SHT_STRTAB || l->sh[i].sh_offset % 8) return fail(d, "its symbol table is broken");
    l->sym = (const Elf64_Sym *)(l->file + l->sh[i].sh_offset);
    l->n_sym = l->sh[i].sh_size / sizeof(Elf64_Sym);
    l->str = (const char *)l->file + l->sh[link].sh_offset;
    l->n_str = l->sh[link].sh_size;
  }
  if (!l->sym || l->n_sym > MAX_SYMBOLS || !l->n_str || l->str[l->n_str - 1]) return fail(d, "its symbol table is broken");
  for (size_t i = 0; i < l->n_sym; i++)
    if (l->sym[i].st_name >= l->n_str) return fail(d, "a symbol's name is out of bounds");
  return true;
}

// From *bytes of the mapping on, which it moves.
static bool lay_out(Loader *l, size_t *bytes, Arena *a, Diag *d) {
  l->at = NEW_ARRAY(a, size_t, l->eh->e_shnum);
  size_t end = *bytes;
  for (int i = 0; i < l->eh->e_shnum; i++) {
    l->at[i] = SIZE_MAX;
    const Elf64_Shdr *s = &l->sh[i];
    if (!(s->sh_flags & SHF_ALLOC)) continue;
    size_t align = s->sh_addralign ? s->sh_addralign : 1;
    if (align > 4096 || (align & (align - 1)) || s->sh_size > (size_t)1 << 30) return fail(d, "a section's size or alignment is absurd");
    end = (end + align - 1) & ~(align - 1);
    l->at[i] = end;
    end += s->sh_size;
    if (end > (size_t)1 << 30) return fail(d, "it is larger than 1 GiB");
  }
  l->got = (end + 15) & ~(size_t)15;
  l->stubs = l->got + l->n_sym * 8;
  *bytes = (l->stubs + l->n_sym * STUB_BYTES + 4095) & ~(size_t)4095;
  return true;
}

static unsigned char *map_pages(size_t bytes, Diag *d) {
  void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base != MAP_FAILED) return base;
  diag_machine(d, "out-of-memory", "no memory for %zu bytes of code", bytes);
  return NULL;
}

static void copy_sections(Loader *l, unsigned char *base) {
  l->base = base;
  for (int i = 0; i < l->eh->e_shnum; i++)
    if (l->at[i] != SIZE_MAX && l->sh[i].sh_type != SHT_NOBITS)
      memcpy(l->base + l->at[i], l->file + l->sh[i].sh_offset, l->sh[i].sh_size);
}

// A jump through an absolute address, for functions farther than the instruction reaches.
static void write_stub(unsigned char *p, uint64_t target) {
#if defined(__x86_64__)
  static const unsigned char jump[] = { 0xff, 0x25, 0, 0, 0, 0 };              // jmp [rip + 0]
  memcpy(p, jump, sizeof jump);
  memcpy(p + sizeof jump, &target, 8);
#elif defined(__aarch64__)
  static const uint32_t jump[] = { 0x58000050, 0xd61f0200 };                   // ldr x16, #8; br x16
  memcpy(p, jump, sizeof jump);
  memcpy(p + sizeof jump, &target, 8);
#endif
}

// Where the object has it, in the mapping.
static bool defined_at(const Loader *l, const Elf64_Sym *s, uint64_t *address, Diag *d) {
  if (s->st_shndx >= l->eh->e_shnum || l->at[s->st_shndx] == SIZE_MAX || s->st_value > l->sh[s->st_shndx].sh_size)
    return fail(d, "a symbol lies outside its section");
  *address = (uint64_t)(uintptr_t)(l->base + l->at[s->st_shndx]) + s->st_value;
  return true;
}

static const Elf64_Sym *global_symbol(const Loader *l, const char *name) {
  for (size_t i = 0; i < l->n_sym; i++)
    if (ELF64_ST_BIND(l->sym[i].st_info) == STB_GLOBAL && l->sym[i].st_shndx != SHN_UNDEF && !strcmp(l->str + l->sym[i].st_name, name))
      return &l->sym[i];
  return NULL;
}

static bool symbol_address(Loader *l, size_t i, uint64_t *address, bool *is_outside, Diag *d) {
  const Elf64_Sym *s = &l->sym[i];
  *is_outside = false;
  if (s->st_shndx == SHN_ABS) { *address = s->st_value; return true; }
  if (s->st_shndx != SHN_UNDEF) return defined_at(l, s, address, d);
  const char *name = l->str + s->st_name;
  for (int k = 0; k < l->n_all; k++) {
    const Elf64_Sym *other = &l->all[k] == l ? NULL : global_symbol(&l->all[k], name);
    if (other) return defined_at(&l->all[k], other, address, d);
  }
  for (int k = 0; k < COUNT_OF(outside); k++)
    if (!strcmp(outside[k].name, name)) {
      *address = (uint64_t)(uintptr_t)outside[k].address;
      *is_outside = true;
      return true;
    }
  diag_machine(d, "bad-object", "the compiled object calls the unknown function `%s`", name);
  return false;
}

static bool fits32(int64_t v) { return v >= INT32_MIN && v <= INT32_MAX; }
static void put32(unsigned char *p, uint32_t v) { memcpy(p, &v, 4); }

#if defined(__x86_64__)
static bool apply(Loader *l, unsigned char *p, size_t room, uint32_t type, size_t sym, int64_t addend, Diag *d) {
  uint64_t S = 0;
  bool out = false;
  if (!symbol_address(l, sym, &S, &out, d)) return false;
  size_t need = type == R_X86_64_64 || type == R_X86_64_PC64 ? 8 : 4;
  if (room < need) return fail(d, "a relocation is out of bounds");
  uint64_t P = (uint64_t)(uintptr_t)p;
  int64_t v;
  switch (type) {
  case R_X86_64_NONE: return true;
  case R_X86_64_64: v = (int64_t)S + addend; memcpy(p, &v, 8); return true;
  case R_X86_64_PC64: v = (int64_t)(S - P) + addend; memcpy(p, &v, 8); return true;
  case R_X86_64_PC32: case R_X86_64_PLT32:
    if (out) {
      unsigned char *stub = l->base + l->stubs + sym * STUB_BYTES;
      write_stub(stub, S);
      S = (uint64_t)(uintptr_t)stub;
    }
    v = (int64_t)(S - P) + addend;
    break;
  case R_X86_64_GOTPCREL: case R_X86_64_GOTPCRELX: case R_X86_64_REX_GOTPCRELX:
    memcpy(l->base + l->got + sym * 8, &S, 8);
    v = (int64_t)((uint64_t)(uintptr_t)(l->base + l->got + sym * 8) - P) + addend;
    break;
  default:
    diag_machine(d, "bad-object", "the compiled object has a relocation of unknown type %u", type);
    return false;
  }
  if (!fits32(v)) return fail(d, "a relocation does not reach");
  put32(p, (uint32_t)v);
  return true;
}
#elif defined(__aarch64__)
static uint32_t get32(const unsigned char *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static uint32_t adrp(uint32_t insn, int64_t pages) {
  return (insn & 0x9f00001fu) | ((uint32_t)(pages & 3) << 29) | ((uint32_t)((pages >> 2) & 0x7ffff) << 5);
}
static bool apply(Loader *l, unsigned char *p, size_t room, uint32_t type, size_t sym, int64_t addend, Diag *d) {
  uint64_t S = 0;
  bool out = false;
  if (!symbol_address(l, sym, &S, &out, d)) return false;
  if (room < (type == R_AARCH64_ABS64 || type == R_AARCH64_PREL64 ? 8 : 4)) return fail(d, "a relocation is out of bounds");
  uint64_t P = (uint64_t)(uintptr_t)p;
  unsigned char *got = l->base + l->got + sym * 8;
  int64_t v = (int64_t)S + addend;
  uint64_t low = (uint64_t)v & 0xfff, got_low = (uint64_t)(uintptr_t)got & 0xfff;
  switch (type) {
  case R_AARCH64_NONE: return true;
  case R_AARCH64_ABS64: memcpy(p, &v, 8); return true;
  case R_AARCH64_PREL64: v -= (int64_t)P; memcpy(p, &v, 8); return true;
  case R_AARCH64_PREL32: v -= (int64_t)P; put32(p, (uint32_t)v); return fits32(v) || fail(d, "a relocation does not reach");
  case R_AARCH64_CALL26: case R_AARCH64_JUMP26:
    if (out) {
      unsigned char *stub = l->base + l->stubs + sym * STUB_BYTES;
      write_stub(stub, S);
      v = (int64_t)(uintptr_t)stub;
    }
    v -= (int64_t)P;
    put32(p, (get32(p) & 0xfc000000u) | ((uint32_t)(v >> 2) & 0x03ffffffu));
    return (v >= -(1 << 27) && v < 1 << 27) || fail(d, "a relocation does not reach");
  case R_AARCH64_ADR_PREL_PG_HI21:
    put32(p, adrp(get32(p), (v >> 12) - (int64_t)(P >> 12)));
    return true;
  case R_AARCH64_ADD_ABS_LO12_NC: case R_AARCH64_LDST8_ABS_LO12_NC:
    put32(p, get32(p) | (uint32_t)low << 10);
    return true;
  case R_AARCH64_LDST16_ABS_LO12_NC: put32(p, get32(p) | (uint32_t)(low >> 1) << 10); return true;
  case R_AARCH64_LDST32_ABS_LO12_NC: put32(p, get32(p) | (uint32_t)(low >> 2) << 10); return true;
  case R_AARCH64_LDST64_ABS_LO12_NC: put32(p, get32(p) | (uint32_t)(low >> 3) << 10); return true;
  case R_AARCH64_LDST128_ABS_LO12_NC: put32(p, get32(p) | (uint32_t)(low >> 4) << 10); return true;
  case R_AARCH64_ADR_GOT_PAGE:
    memcpy(got, &S, 8);
    put32(p, adrp(get32(p), (int64_t)((uint64_t)(uintptr_t)got >> 12) - (int64_t)(P >> 12)));
    return true;
  case R_AARCH64_LD64_GOT_LO12_NC:
    memcpy(got, &S, 8);
    put32(p, get32(p) | (uint32_t)(got_low >> 3) << 10);
    return true;
  default:
    diag_machine(d, "bad-object", "the compiled object has a relocation of unknown type %u", type);
    return false;
  }
}
#else
static bool apply(Loader *l, unsigned char *p, size_t room, uint32_t type, size_t sym, int64_t addend, Diag *d) {
  (void)l; (void)p; (void)room; (void)type; (void)sym; (void)addend;
  return fail(d, "this processor has no loader");
}
#endif

static bool relocate(Loader *l, Diag *d) {
  for (int i = 0; i < l->eh->e_shnum; i++) {
    const Elf64_Shdr *s = &l->sh[i];
    if (s->sh_type != SHT_RELA) continue;
    if (s->sh_info >= l->eh->e_shnum || s->sh_offset % 8) return fail(d, "a relocation table is broken");
    if (l->at[s->sh_info] == SIZE_MAX) continue;                     // of a section that is not loaded
    const Elf64_Rela *r = (const Elf64_Rela *)(l->file + s->sh_offset);
    size_t size = l->sh[s->sh_info].sh_size;
    for (size_t k = 0; k < s->sh_size / sizeof *r; k++) {
      if (r[k].r_offset > size || ELF64_R_SYM(r[k].r_info) >= l->n_sym) return fail(d, "a relocation is out of bounds");
      if (!apply(l, l->base + l->at[s->sh_info] + r[k].r_offset, size - r[k].r_offset, (uint32_t)ELF64_R_TYPE(r[k].r_info),
                 ELF64_R_SYM(r[k].r_info), r[k].r_addend, d))
        return false;
    }
  }
  return true;
}

// The image begins with what image_symbol needs: the table of global functions, kept beside the mapping.
typedef struct { const char *name; void *address; } Symbol;
typedef struct { Arena *arena; Symbol *symbols; int n; unsigned char *code; size_t code_bytes; struct JitEntry *gdb[MAX_PARTS]; } Loaded;

static void collect_symbols(const Loader *l, Loaded *out) {
  for (size_t i = 0; i < l->n_sym; i++) {
    const Elf64_Sym *s = &l->sym[i];
    if (ELF64_ST_BIND(s->st_info) != STB_GLOBAL || s->st_shndx == SHN_UNDEF || s->st_shndx >= l->eh->e_shnum) continue;
    if (l->at[s->st_shndx] == SIZE_MAX || s->st_value >= l->sh[s->st_shndx].sh_size) continue;
    out->symbols[out->n++] = (Symbol){ arena_strdup(out->arena, l->str + s->st_name), l->base + l->at[s->st_shndx] + s->st_value };
  }
}

// MTLC_PERF_MAP=1: /tmp/perf-PID.map, where `perf report` finds the names of code that no file holds: a line "start size name" for
// each kernel and phase. Only a help for looking: that it cannot be written is no error.
static void write_perf_map(const Loader *l) {
  char name[64];
  if (!env_is_on("MTLC_PERF_MAP")) return;
  snprintf(name, sizeof name, "/tmp/perf-%d.map", (int)getpid());
  int fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
  FILE *f = fd >= 0 ? fdopen(fd, "a") : NULL;
  if (!f) { if (fd >= 0) close(fd); return; }
  for (size_t i = 0; i < l->n_sym; i++) {
    const Elf64_Sym *s = &l->sym[i];
    if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || s->st_shndx >= l->eh->e_shnum || l->at[s->st_shndx] == SIZE_MAX) continue;
    fprintf(f, "%llx %llx %s\n", (unsigned long long)(uintptr_t)(l->base + l->at[s->st_shndx] + s->st_value), (unsigned long long)s->st_size,
            l->str + s->st_name);
  }
  fclose(f);
}

// ---------------------------------------------------------------- gdb
// The interface by which gdb learns of code that no file holds ("JIT Compilation Interface" in its manual): a list of objects in memory, and
// a function that is called when it changes, where gdb has a breakpoint. These names and layouts are gdb's.
typedef struct JitEntry { struct JitEntry *next, *prev; const char *symfile; uint64_t size; } JitEntry;
enum { JIT_NOTHING, JIT_REGISTER, JIT_UNREGISTER };
struct JitDescriptor { uint32_t version, action; JitEntry *relevant, *first; };
extern struct JitDescriptor __jit_debug_descriptor;
extern void __jit_debug_register_code(void);
struct JitDescriptor __jit_debug_descriptor = { .version = 1 };
void __attribute__((noinline)) __jit_debug_register_code(void) { __asm__ volatile("" ::: "memory"); }

static pthread_mutex_t jit_list = PTHREAD_MUTEX_INITIALIZER;

// Where DEBUG_INFO is on: gdb is given a copy of the object that says where its sections lie.
static JitEntry *tell_gdb(const Loader *l) {
  if (!env_is_on(DEBUG_INFO)) return NULL;
  unsigned char *copy = xmalloc(l->n);
  memcpy(copy, l->file, l->n);
  Elf64_Shdr *sh = (Elf64_Shdr *)(copy + l->eh->e_shoff);
  for (int i = 0; i < l->eh->e_shnum; i++)
    if (l->at[i] != SIZE_MAX) sh[i].sh_addr = (uint64_t)(uintptr_t)(l->base + l->at[i]);
  JitEntry *e = xmalloc(sizeof *e);
  pthread_mutex_lock(&jit_list);
  *e = (JitEntry){ .next = __jit_debug_descriptor.first, .symfile = (const char *)copy, .size = l->n };
  if (e->next) e->next->prev = e;
  __jit_debug_descriptor.first = __jit_debug_descriptor.relevant = e;
  __jit_debug_descriptor.action = JIT_REGISTER;
  __jit_debug_register_code();
  pthread_mutex_unlock(&jit_list);
  return e;
}

static void gdb_forgets(JitEntry *e) {
  if (!e) return;
  pthread_mutex_lock(&jit_list);
  if (e->prev) e->prev->next = e->next;
  else __jit_debug_descriptor.first = e->next;
  if (e->next) e->next->prev = e->prev;
  __jit_debug_descriptor.relevant = e;
  __jit_debug_descriptor.action = JIT_UNREGISTER;
  __jit_debug_register_code();
  pthread_mutex_unlock(&jit_list);
  free((char *)e->symfile);
  free(e);
}

// ---------------------------------------------------------------- an image
static bool load_objects(Loader *l, int n, Loaded *out, Diag *d) {
  size_t n_sym = 0;
  for (int i = 0; i < n; i++) {
    if (!read_headers(&l[i], d) || !read_symbols(&l[i], d) || !lay_out(&l[i], &out->code_bytes, out->arena, d)) return false;
    n_sym += l[i].n_sym;
  }
  out->code = map_pages(out->code_bytes, d);
  if (!out->code) return false;
  for (int i = 0; i < n; i++) copy_sections(&l[i], out->code);
  out->symbols = NEW_ARRAY(out->arena, Symbol, n_sym + 1);
  for (int i = 0; i < n; i++) {
    if (!relocate(&l[i], d)) return false;
    collect_symbols(&l[i], out);
    write_perf_map(&l[i]);
    out->gdb[i] = tell_gdb(&l[i]);
  }
  if (mprotect(out->code, out->code_bytes, PROT_READ | PROT_EXEC)) return fail(d, "the system allows no executable memory");
#if defined(__aarch64__)
  __builtin___clear_cache((char *)out->code, (char *)out->code + out->code_bytes);
#endif
  return true;
}

bool image_load(const void *object, size_t n, Image *im, Diag *d) {
  const char *file[MAX_PARTS];
  size_t bytes[MAX_PARTS];
  Loader l[MAX_PARTS];
  int n_objects = parts_of(object, n, file, bytes);
  Loaded *out = xcalloc(1, sizeof *out);
  out->arena = arena_new();
  for (int i = 0; i < n_objects; i++) l[i] = (Loader){ .file = (const unsigned char *)file[i], .n = bytes[i], .all = l, .n_all = n_objects };
  bool ok = (uintptr_t)object % 8 == 0 || fail(d, "it is not aligned");
  ok = ok && (n_objects > 0 || fail(d, "its parts are broken")) && load_objects(l, n_objects, out, d);
  *im = (Image){ .base = out, .bytes = out->code_bytes };
  if (!ok) image_free(im);
  return ok;
}

void *image_symbol(const Image *im, const char *name) {
  const Loaded *l = im->base;
  for (int i = 0; i < l->n; i++)
    if (!strcmp(l->symbols[i].name, name)) return l->symbols[i].address;
  return NULL;
}

void image_free(Image *im) {
  Loaded *l = im->base;
  if (!l) return;
  for (int i = 0; i < MAX_PARTS; i++) gdb_forgets(l->gdb[i]);
  if (l->code) munmap(l->code, l->code_bytes);
  arena_free(l->arena);
  free(l);
  *im = (Image){0};
}
