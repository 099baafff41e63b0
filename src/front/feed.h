// feed.h: the tokens of one file on their way from the scanner to the parser.
// scan.l fills the list, feed.c and mend.c tell declaration words from names and mend what is plainly missing or too much
// (each time with a message), then parse.y takes one token after the other. After a syntax error the parser asks the feed
// to jump to where reading makes sense again. tree.c builds the nodes.
#ifndef MTLC_FEED_H
#define MTLC_FEED_H
#include "ast.h"

typedef struct {
  int kind;                        // TOK_… of parse.h or a character; 0: the end
  Place at;
  const char *text;                // NAME: interned, NFC; STRING: its text; SHA256: as written
  double number;
  bool is_int, quoted, opens_line;
  bool mended;                     // put there by mend.c
} Token;
typedef VEC(Token) Tokens;

typedef struct {
  Arena *arena;
  const Sources *sources;
  Diag *diag;
  uint32_t file;
  const char *text; size_t n;      // valid UTF-8: what was not is reported and replaced, byte by byte
  uint32_t off, end;               // scanner: span of the lexeme at hand
  bool line_open;                  // scanner: no token on this line yet
  Tokens tokens;                   // ends with one token of kind 0
  int *enclosing;                  // [tokens.n] index of the innermost bracket around a token, -1: none
  int *partner;                    // [tokens.n] opening bracket → closing one
  int next;                        // the token that the parser gets next
  int last_report;                 // token of the latest report of the parser
  int last_high;                   // declaration in which a tree was too high
  int last_sync;                   // token of the last jump: none may end where it began twice
  VEC(Decl) decls;
} Feed;

// ---- scan.l
void feed_scan(Feed *f);           // text → tokens
// ---- feed.c
int  feed_next(Feed *f, Token *t); // kind of the next token
bool is_declaration(int kind);     // a declaration's word, or the end
bool is_reserved(const char *name);
bool is_plain_name(const char *name);          // can be written without back quotes
bool ends_operand(int kind);       // an expression may end with it
bool starts_operand(int kind);     // an expression may start with it, and it cannot go on an expression
const char *token_text(const Feed *f, const Token *t);          // as a message shows it, in the arena
Place place_after(Place p);        // the empty place behind p
// Jumps of the parser, from the token at which it met an error.
void feed_to_clause(Feed *f);      // next clause or the end of this block
void feed_to_block(Feed *f);       // block of this declaration, or the next declaration
void feed_to_value_end(Feed *f);   // in a block the former, outside the latter
void feed_to_declaration(Feed *f);
void feed_to_closer(Feed *f);      // end of the bracket around the token
// ---- mend.c
void mend_words(Feed *f);          // declaration words, misspelt ones too
void mend_brackets(Feed *f);
void mend_commas(Feed *f);
void mend_depth(Feed *f);          // nesting deeper than MAX_NESTING; sets enclosing and partner
#endif
