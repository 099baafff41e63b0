// tree.h: what the parser's actions call to build nodes. Everything lives in the feed's arena.
#ifndef MTLC_TREE_H
#define MTLC_TREE_H
#include "feed.h"

typedef VEC(Arg) Args;
typedef VEC(Each) Eaches;
typedef VEC(Clause) Clauses;
typedef VEC(Name) Names;
typedef struct { Clauses clauses; bool there; } Block;

Expr *tree_bad(Feed *f, Place at);
Expr *tree_leaf(Feed *f, ExprKind kind, Token t);
Expr *tree_group(Place at, Expr *e);                            // `( e )`
Expr *tree_unary(Feed *f, AstOp op, Place op_at, Place at, Expr *a);
Expr *tree_binary(Feed *f, AstOp op, Place op_at, Place at, Expr *a, Expr *b);   // reports chains of comparisons
Expr *tree_pipe(Feed *f, Place op_at, Place at, Expr *left, Expr *right);        // reports mixing, and what takes no value
Expr *tree_call(Feed *f, Place at, Expr *a, Args args);
Expr *tree_index(Feed *f, Place at, Expr *a, Args args);
Expr *tree_member(Feed *f, ExprKind kind, Place at, Expr *a, Token name);        // EX_MEMBER, EX_AS
Expr *tree_args(Feed *f, ExprKind kind, Place at, Args args);                    // EX_LIST, EX_RECORD
Expr *tree_loop(Feed *f, Place at, Eaches each, Expr *body);                     // EX_REPEAT
Expr *tree_fold(Feed *f, Place at, Token name, Expr *start, Eaches each, Expr *body);
Expr *tree_instance(Feed *f, Place at, Expr *a, Args args);
void  decl_add(Feed *f, Decl d);
void  decl_block(Decl *d, Block b);
void  decl_names(Decl *d, Names names);
void  decl_name(Feed *f, Decl *d, Token name);
#endif
