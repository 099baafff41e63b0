// parse.y: the grammar of .mtl. It sees the mended tokens of feed.c and builds the tree through tree.c.
// Errors: every bracket has its partner here, so a wrong part is skipped up to a known place (skip_…), and reading goes
// on there with a fresh start: each further error is reported too. No layer, loss, op or metric is known here.
%code requires {
#include "src/front/tree.h"
}
%code {
#include "src/front/expected.h"

// The place of a rule: from its first to its last part.
#define YYLLOC_DEFAULT(current, rhs, n)                                                        \
  ((current) = (n) ? place_join((rhs)[1], (rhs)[n]) : place_after((rhs)[0]))
#define YYMAXDEPTH 20000           // MAX_NESTING brackets, some 25 symbols each, and room
#define YYMALLOC xmalloc
#define YYFREE free

static int  mtlc_yylex(MTLC_YYSTYPE *value, Place *at, Feed *f);
static void mtlc_yyerror(Place *at, Feed *f, const char *text);
}

%require "3.8"
%define api.pure full
%define api.prefix {mtlc_yy}
%define api.token.prefix {TOK_}
%define api.location.type {Place}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param {Feed *feed}
%initial-action { @$ = (Place){feed->file, 0, 0}; }

%union {
  Token token;
  Expr *expr;
  Arg arg;
  Args args;
  Each each;
  Eaches eaches;
  Clause clause;
  Block block;
  Names names;
}

%token <token> NAME "a name" NUMBER "a number" STRING "a text" SHA256 "sha256:…" BAD "?"
%token MODEL "model" EDITION "edition" IMPORT "import" SOURCE "source" FROM "from" INPUT "input" LABEL "label" LET "let"
%token SHARED "shared" LAYER "layer" TASK "task" TRAIN "train" OUTPUT "output" REQUIRE "require" ACCEPT "accept"
%token AS "as" IN "in" WHERE "where" UNTIL "until" REPEAT "repeat" FOLD "fold" INSTANCE "instance"
%token AND "and" OR "or" NOT "not"
%token PIPE "|>" EQ "==" NE "!=" LE "<=" GE ">=" RANGE ".."

%left OR
%left AND
%precedence NOT
%left EQ NE '<' LE '>' GE
%left RANGE
%left '+' '-'
%left '*' '/' '%'
%precedence NEGATIVE
%right '^'

%type <expr> expr arith postfix primary value last_value type optional_value optional_where
%type <arg> arg field param
%type <args> args some_args fields params some_params
%type <each> each
%type <eaches> eaches
%type <clause> clause
%type <block> block optional_block clauses
%type <names> names path optional_as
%type <token> optional_text optional_hash
%%

file:
  %empty
| file decl
| file skip_declaration
;

// ---- declarations
decl:
  "model" NAME optional_block {
    Decl d = {.kind = DECL_MODEL, .at = @$, .word_at = @1};
    decl_name(feed, &d, $2); decl_block(&d, $3); decl_add(feed, d);
  }
| "edition" NUMBER {
    Expr *year = tree_leaf(feed, EX_NUMBER, $2);
    decl_add(feed, (Decl){.kind = DECL_EDITION, .at = @$, .word_at = @1, .value = year});
  }
| "import" STRING optional_hash optional_as {
    Decl d = {.kind = DECL_IMPORT, .at = @$, .word_at = @1, .value = tree_leaf(feed, EX_STRING, $2),
              .text = $3.text, .text_at = $3.at};
    decl_names(&d, $4); decl_add(feed, d);
  }
| "source" NAME optional_block {
    Decl d = {.kind = DECL_SOURCE, .at = @$, .word_at = @1};
    decl_name(feed, &d, $2); decl_block(&d, $3); decl_add(feed, d);
  }
| "from" NAME optional_block {
    Decl d = {.kind = DECL_FROM, .at = @$, .word_at = @1};
    decl_name(feed, &d, $2); decl_block(&d, $3); decl_add(feed, d);
  }
| "input" names ':' type optional_value optional_block {
    Decl d = {.kind = DECL_INPUT, .at = @$, .word_at = @1, .type = $4, .value = $5};
    decl_names(&d, $2); decl_block(&d, $6); decl_add(feed, d);
  }
| "label" names ':' type optional_value optional_where optional_block {
    Decl d = {.kind = DECL_LABEL, .at = @$, .word_at = @1, .type = $4, .value = $5, .where = $6};
    decl_names(&d, $2); decl_block(&d, $7); decl_add(feed, d);
  }
| "let" NAME '=' value optional_block {
    Decl d = {.kind = DECL_LET, .at = @$, .word_at = @1, .value = $4};
    decl_name(feed, &d, $2); decl_block(&d, $5); decl_add(feed, d);
  }
| "shared" NAME '=' value optional_block {
    Decl d = {.kind = DECL_SHARED, .at = @$, .word_at = @1, .value = $4};
    decl_name(feed, &d, $2); decl_block(&d, $5); decl_add(feed, d);
  }
| "layer" NAME '(' params ')' '=' last_value {
    Decl d = {.kind = DECL_LAYER, .at = @$, .word_at = @1, .value = $7, .params = $4.data, .n_params = $4.n};
    decl_name(feed, &d, $2); decl_add(feed, d);
  }
| "layer" NAME '(' params ')' block {
    Decl d = {.kind = DECL_LAYER, .at = @$, .word_at = @1, .params = $4.data, .n_params = $4.n};
    decl_name(feed, &d, $2); decl_block(&d, $6); decl_add(feed, d);
  }
| "task" NAME block {
    Decl d = {.kind = DECL_TASK, .at = @$, .word_at = @1};
    decl_name(feed, &d, $2); decl_block(&d, $3); decl_add(feed, d);
  }
| "train" block {
    Decl d = {.kind = DECL_TRAIN, .at = @$, .word_at = @1};
    decl_block(&d, $2); decl_add(feed, d);
  }
| "output" NAME optional_value optional_block {
    Decl d = {.kind = DECL_OUTPUT, .at = @$, .word_at = @1, .value = $3};
    decl_name(feed, &d, $2); decl_block(&d, $4); decl_add(feed, d);
  }
| "require" last_value optional_text {
    decl_add(feed, (Decl){.kind = DECL_REQUIRE, .at = @$, .word_at = @1, .value = $2, .text = $3.text, .text_at = $3.at});
  }
| "accept" NAME path STRING "until" NUMBER {
    Decl d = {.kind = DECL_ACCEPT, .at = @$, .word_at = @1, .path = $3.data, .n_path = $3.n,
              .text = $4.text, .text_at = $4.at, .number = $6.number};
    decl_name(feed, &d, $2); decl_add(feed, d);
  }
| broken
;

// What is wrong before a block: the block is read all the same, for its own errors. The name stays known.
broken:
  "model" skip_to_block optional_block
| "edition" skip_declaration
| "import" skip_declaration
| "source" skip_to_block optional_block
| "from" skip_to_block optional_block
| "input" skip_to_block optional_block
| "input" names skip_to_block optional_block {
    Decl d = {.kind = DECL_INPUT, .at = @$, .word_at = @1, .type = tree_bad(feed, @3)};
    decl_names(&d, $2); decl_block(&d, $4); decl_add(feed, d);
  }
| "label" skip_to_block optional_block
| "label" names skip_to_block optional_block {
    Decl d = {.kind = DECL_LABEL, .at = @$, .word_at = @1, .type = tree_bad(feed, @3)};
    decl_names(&d, $2); decl_block(&d, $4); decl_add(feed, d);
  }
| "let" skip_to_block optional_block
| "let" NAME skip_to_block optional_block {
    Decl d = {.kind = DECL_LET, .at = @$, .word_at = @1, .value = tree_bad(feed, @3)};
    decl_name(feed, &d, $2); decl_block(&d, $4); decl_add(feed, d);
  }
| "shared" skip_to_block optional_block
| "shared" NAME skip_to_block optional_block {
    Decl d = {.kind = DECL_SHARED, .at = @$, .word_at = @1, .value = tree_bad(feed, @3)};
    decl_name(feed, &d, $2); decl_block(&d, $4); decl_add(feed, d);
  }
| "layer" skip_to_block optional_block
| "layer" NAME skip_to_block optional_block {
    Decl d = {.kind = DECL_LAYER, .at = @$, .word_at = @1, .value = tree_bad(feed, @3)};
    decl_name(feed, &d, $2); decl_block(&d, $4); decl_add(feed, d);
  }
| "layer" NAME '(' params ')' skip_to_block optional_block {
    Decl d = {.kind = DECL_LAYER, .at = @$, .word_at = @1, .params = $4.data, .n_params = $4.n,
              .value = tree_bad(feed, @6)};
    decl_name(feed, &d, $2); decl_block(&d, $7); decl_add(feed, d);
  }
| "task" skip_to_block optional_block
| "task" NAME skip_to_block optional_block {
    Decl d = {.kind = DECL_TASK, .at = @$, .word_at = @1};
    decl_name(feed, &d, $2); decl_block(&d, $4); decl_add(feed, d);
  }
| "train" skip_to_block optional_block {
    Decl d = {.kind = DECL_TRAIN, .at = @$, .word_at = @1};
    decl_block(&d, $3); decl_add(feed, d);
  }
| "output" skip_to_block optional_block
| "accept" skip_declaration
;

names:
  NAME            { $$ = (Names){0}; vec_push(feed->arena, &$$, ((Name){$1.text, @1})); }
| names ',' NAME  { $$ = $1; vec_push(feed->arena, &$$, ((Name){$3.text, @3})); }
;
path:
  %empty          { $$ = (Names){0}; }
| NAME            { $$ = (Names){0}; vec_push(feed->arena, &$$, ((Name){$1.text, @1})); }
| path '.' NAME   { $$ = $1; vec_push(feed->arena, &$$, ((Name){$3.text, @3})); }
;
optional_as:
  %empty          { $$ = (Names){0}; }
| "as" NAME       { $$ = (Names){0}; vec_push(feed->arena, &$$, ((Name){$2.text, @2})); }
;
optional_hash:
  %empty          { $$ = (Token){0}; }
| SHA256
;
optional_text:
  %empty          { $$ = (Token){0}; }
| STRING
;
optional_value:
  %empty          { $$ = NULL; }
| '=' value       { $$ = $2; }
;
optional_where:
  %empty          { $$ = NULL; }
| "where" value   { $$ = $2; }
;
type:
  NAME            { $$ = tree_leaf(feed, EX_NAME, $1); }
| NAME '(' args ')'         { $$ = tree_call(feed, @$, tree_leaf(feed, EX_NAME, $1), $3); }
| NAME '(' skip_to_closer ')' { $$ = tree_bad(feed, @$); }
| skip_value      { $$ = tree_bad(feed, @$); }
;

params:
  %empty          { $$ = (Args){0}; }
| some_params optional_comma
| skip_to_closer  { $$ = (Args){0}; }
;
some_params:
  param                 { $$ = (Args){0}; vec_push(feed->arena, &$$, $1); }
| some_params ',' param { $$ = $1; vec_push(feed->arena, &$$, $3); }
;
param:
  NAME            { $$ = (Arg){$1.text, @1, NULL}; }
| NAME '=' expr   { $$ = (Arg){$1.text, @1, $3}; }
;
optional_comma: %empty | ',' ;

// ---- blocks
optional_block:
  %empty          { $$ = (Block){0}; }
| block
;
block: '{' clauses '}'  { $$ = $2; $$.there = true; } ;
clauses:
  %empty          { $$ = (Block){0}; }
| clauses clause optional_comma { $$ = $1; vec_push(feed->arena, &$$.clauses, $2); }
| clauses skip_clause
;
clause: NAME '=' value  { $$ = (Clause){$1.text, @1, $3}; } ;

// A value that is the last but for a block, or the very last, of its declaration or clause.
value:
  expr
| skip_value      { $$ = tree_bad(feed, @$); }
;
last_value:
  expr
| skip_declaration { $$ = tree_bad(feed, @$); }
;

// ---- expressions
expr:
  arith
| expr "|>" arith { $$ = tree_pipe(feed, @2, @$, $1, $3); }
;
arith:
  postfix
| arith "or" arith  { $$ = tree_binary(feed, AST_OR, @2, @$, $1, $3); }
| arith "and" arith { $$ = tree_binary(feed, AST_AND, @2, @$, $1, $3); }
| "not" arith       { $$ = tree_unary(feed, AST_NOT, @1, @$, $2); }
| arith "==" arith  { $$ = tree_binary(feed, AST_EQ, @2, @$, $1, $3); }
| arith "!=" arith  { $$ = tree_binary(feed, AST_NE, @2, @$, $1, $3); }
| arith '<' arith   { $$ = tree_binary(feed, AST_LT, @2, @$, $1, $3); }
| arith "<=" arith  { $$ = tree_binary(feed, AST_LE, @2, @$, $1, $3); }
| arith '>' arith   { $$ = tree_binary(feed, AST_GT, @2, @$, $1, $3); }
| arith ">=" arith  { $$ = tree_binary(feed, AST_GE, @2, @$, $1, $3); }
| arith ".." arith  { $$ = tree_binary(feed, AST_RANGE, @2, @$, $1, $3); }
| arith '+' arith   { $$ = tree_binary(feed, AST_ADD, @2, @$, $1, $3); }
| arith '-' arith   { $$ = tree_binary(feed, AST_SUB, @2, @$, $1, $3); }
| arith '*' arith   { $$ = tree_binary(feed, AST_MUL, @2, @$, $1, $3); }
| arith '/' arith   { $$ = tree_binary(feed, AST_DIV, @2, @$, $1, $3); }
| arith '%' arith   { $$ = tree_binary(feed, AST_MOD, @2, @$, $1, $3); }
| '-' arith %prec NEGATIVE { $$ = tree_unary(feed, AST_NEG, @1, @$, $2); }
| arith '^' arith   { $$ = tree_binary(feed, AST_POW, @2, @$, $1, $3); }
;
postfix:
  primary
| postfix '(' args ')'            { $$ = tree_call(feed, @$, $1, $3); }
| postfix '(' skip_to_closer ')'  { $$ = tree_bad(feed, @$); }
| postfix '[' args ']'            { $$ = tree_index(feed, @$, $1, $3); }
| postfix '[' skip_to_closer ']'  { $$ = tree_bad(feed, @$); }
| postfix '.' NAME                { $$ = tree_member(feed, EX_MEMBER, @$, $1, $3); }
| postfix "as" NAME               { $$ = tree_member(feed, EX_AS, @$, $1, $3); }
;
primary:
  NAME                            { $$ = tree_leaf(feed, EX_NAME, $1); }
| NUMBER                          { $$ = tree_leaf(feed, EX_NUMBER, $1); }
| STRING                          { $$ = tree_leaf(feed, EX_STRING, $1); }
| BAD                             { $$ = tree_bad(feed, @$); }
| '(' expr ')'                    { $$ = tree_group(@$, $2); }
| '(' fields optional_comma ')'   { $$ = tree_args(feed, EX_RECORD, @$, $2); }
| '(' skip_to_closer ')'          { $$ = tree_bad(feed, @$); }
| '[' args ']'                    { $$ = tree_args(feed, EX_LIST, @$, $2); }
| '[' skip_to_closer ']'          { $$ = tree_bad(feed, @$); }
| "repeat" '(' expr ',' expr optional_comma ')' {
    Eaches times = {0};
    vec_push(feed->arena, &times, ((Each){NULL, @3, $3}));
    $$ = tree_loop(feed, @$, times, $5);
  }
| "repeat" '(' eaches ',' expr optional_comma ')' { $$ = tree_loop(feed, @$, $3, $5); }
| "repeat" '(' skip_to_closer ')' { $$ = tree_bad(feed, @$); }
| "fold" '(' NAME '=' expr ',' eaches ',' expr optional_comma ')' { $$ = tree_fold(feed, @$, $3, $5, $7, $9); }
| "fold" '(' skip_to_closer ')'   { $$ = tree_bad(feed, @$); }
| "instance" NAME '(' args ')'    { $$ = tree_instance(feed, @$, tree_leaf(feed, EX_NAME, $2), $4); }
| "instance" NAME '.' NAME '(' args ')' {
    Expr *module = tree_leaf(feed, EX_NAME, $2);
    $$ = tree_instance(feed, @$, tree_member(feed, EX_MEMBER, place_join(@2, @4), module, $4), $6);
  }
| "instance" NAME '(' skip_to_closer ')'          { $$ = tree_bad(feed, @$); }
| "instance" NAME '.' NAME '(' skip_to_closer ')' { $$ = tree_bad(feed, @$); }
;
each: NAME "in" expr    { $$ = (Each){$1.text, @1, $3}; } ;
eaches:
  each            { $$ = (Eaches){0}; vec_push(feed->arena, &$$, $1); }
| eaches ',' each { $$ = $1; vec_push(feed->arena, &$$, $3); }
;
field: NAME '=' expr    { $$ = (Arg){$1.text, @1, $3}; } ;
fields:
  field           { $$ = (Args){0}; vec_push(feed->arena, &$$, $1); }
| fields ',' field { $$ = $1; vec_push(feed->arena, &$$, $3); }
;
arg:
  expr            { $$ = (Arg){NULL, @1, $1}; }
| NAME '=' expr   { $$ = (Arg){$1.text, @1, $3}; }
;
args:
  %empty          { $$ = (Args){0}; }
| some_args optional_comma
;
some_args:
  arg               { $$ = (Args){0}; vec_push(feed->arena, &$$, $1); }
| some_args ',' arg { $$ = $1; vec_push(feed->arena, &$$, $3); }
;

// ---- recovery: the feed jumps, the token at hand is given up, and errors count again
skip_declaration: error { feed_to_declaration(feed); yyerrok; yyclearin; } ;
skip_to_block:    error { feed_to_block(feed);       yyerrok; yyclearin; } ;
skip_value:       error { feed_to_value_end(feed);   yyerrok; yyclearin; } ;
skip_clause:      error { feed_to_clause(feed);      yyerrok; yyclearin; } ;
skip_to_closer:   error { feed_to_closer(feed);      yyerrok; yyclearin; } ;

%%

static int mtlc_yylex(MTLC_YYSTYPE *value, Place *at, Feed *f) {
  int kind = feed_next(f, &value->token);
  *at = value->token.at;
  return kind;
}

// Called by bison itself only where its stack ends.
static void mtlc_yyerror(Place *at, Feed *f, const char *text) {
  (void)text;
  diag_error(f->diag, "too-deep", *at, "this is nested too deeply to be read");
}

static int yyreport_syntax_error(const yypcontext_t *context, Feed *f) {
  enum { MOST = 80 };
  yysymbol_kind_t kinds[MOST];
  const char *names[MOST];
  int n = yypcontext_expected_tokens(context, kinds, MOST);
  for (int i = 0; i < n; i++) names[i] = yysymbol_name(kinds[i]);
  report_unexpected(f, names, n > 0 ? n : 0);
  return 0;
}
