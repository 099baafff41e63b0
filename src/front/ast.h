// ast.h: the tree of a file, as parsed. Names are interned and in NFC; nothing is resolved.
#ifndef MTLC_AST_H
#define MTLC_AST_H
#include "../base/diag.h"

typedef struct Expr Expr;
typedef struct { const char *name; Place name_at; Expr *value; } Arg;      // name NULL: positional
typedef struct { const char *name; Place at; Expr *over; } Each;           // name NULL: `repeat(8, …)`

typedef enum {
  EX_NAME,      // name                      x
  EX_NUMBER,    // number                    1_000, 1e-3
  EX_STRING,    // name = the text           "a"
  EX_CALL,      // a(args); piped: the first argument came through |>
  EX_INDEX,     // a[args]
  EX_MEMBER,    // a.name
  EX_AS,        // a as name
  EX_UNARY,     // op a                      - not
  EX_BINARY,    // a op b                    + - * / % ^ == != < <= > >= and or ..
  EX_LIST,      // [args]
  EX_RECORD,    // (name = value, …)
  EX_REPEAT,    // repeat(each…, a)
  EX_FOLD,      // fold(name = b, each…, a)
  EX_INSTANCE,  // instance a(args)
  EX_BAD        // what could not be parsed; silent everywhere
} ExprKind;
typedef enum { AST_NEG, AST_NOT, AST_ADD, AST_SUB, AST_MUL, AST_DIV, AST_MOD, AST_POW, AST_EQ, AST_NE, AST_LT, AST_LE,
               AST_GT, AST_GE, AST_AND, AST_OR, AST_RANGE } AstOp;

struct Expr {
  ExprKind kind; Place at;         // the whole expression
  AstOp op; Place op_at;           // operator, or the name after . and as
  bool piped, quoted;              // quoted: a NAME that can only be written in back quotes
  bool grouped;                    // stood in round brackets of its own; `at` includes them
  double number; bool is_int;
  const char *name;
  Expr *a, *b;
  Arg *args; int n_args;
  Each *each; int n_each;
  int height;                      // of this tree, at most MAX_HEIGHT: it is safe to recurse over it
};
enum { MAX_NESTING = 200, MAX_HEIGHT = 1000 };

typedef struct { const char *key; Place at; Expr *value; } Clause;
typedef struct { const char *name; Place at; } Name;

typedef enum { DECL_MODEL, DECL_EDITION, DECL_IMPORT, DECL_SOURCE, DECL_FROM, DECL_INPUT, DECL_LABEL, DECL_LET, DECL_SHARED,
               DECL_LAYER, DECL_TASK, DECL_TRAIN, DECL_OUTPUT, DECL_REQUIRE, DECL_ACCEPT } DeclKind;
typedef struct {
  DeclKind kind; Place at;         // word to end
  Place word_at;
  Name *names; int n_names;        // input, label: several; others: one or none. IMPORT: the `as` name. ACCEPT: rule
  Expr *type;                      // input, label: NAME or CALL
  Expr *value;                     // = expr; REQUIRE: the condition; EDITION: number; IMPORT: the string
  Expr *where;                     // label
  Arg  *params; int n_params;      // layer: name, default value or NULL
  Clause *clauses; int n_clauses; bool has_block;
  const char *text; Place text_at; // REQUIRE, ACCEPT: reason; IMPORT: sha256 or NULL
  Name *path; int n_path;          // ACCEPT
  double number;                   // ACCEPT until
} Decl;
typedef struct { uint32_t file; Decl *decls; int n; } Ast;

// Parses one source. Errors go to d; what could be read is returned all the same (never NULL).
Ast *parse(Arena *a, Sources *s, uint32_t file, Diag *d);
void ast_print(const Ast *t, Text *out);                         // indented tree, one node a line, for golden tests
void expr_print(const Expr *e, Text *out);                       // one line, canonical spelling
const char *ast_op_text(AstOp op);
#endif
