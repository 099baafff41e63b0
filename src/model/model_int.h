// model_int.h: what the files of model/ share and nobody else sees.
//   resolve: imports.c resolve.c clause.c rowexpr.c resolve_*.c     tree → Spec
//   build:   value.c builtins.c reduce.c moves.c products.c random.c running.c trees.c gradient.c label_value.c
//            build.c build_call.c build_task.c build_terms.c formula.c                                              Spec → graph
//   reports: explain.c model_print.c
#ifndef MTLC_MODEL_INT_H
#define MTLC_MODEL_INT_H
#include "model_text.h"

// ======================================================================= the spec, while it is resolved and built
// A file of layers: std/base.mtl (in scope everywhere), other std files, or the spec itself with its own imports.
typedef struct Module Module;
typedef struct { const char *alias; Place at; const Module *module; } ModuleRef;       // alias NULL: its names are in scope
struct Module {
  const char *name;                    // "std/moe.mtl"; "" for the spec
  uint32_t file;
  bool is_std;
  const Module *base;                  // std/base.mtl; NULL in itself
  VEC(LayerDef) layers;
  VEC(ModuleRef) refs;
};

typedef enum { SYM_SOURCE, SYM_INPUT, SYM_LABEL, SYM_BINDING, SYM_LAYER, SYM_TASK, SYM_OUTPUT, SYM_MODULE, SYM_RUN } SymbolKind;
typedef struct { const char *name; SymbolKind kind; int index; Place at; const Decl *decl; } Symbol;   // index: in the list of its kind; decl NULL: a module

typedef enum { LABEL_TODO, LABEL_BUSY, LABEL_DONE, LABEL_BAD } LabelState;
typedef struct { const Decl *decl; Name name; LabelState state; int index; } LabelDecl; // index: in labels, or −1

typedef struct { int input; const Expr *name; } Like;                  // `like = name` of an input

typedef struct {
  Model m;                             // first: a Model * is a Spec *
  Diag *diag;                          // of resolve()
  VEC(ModelImport) imports;
  VEC(Module *) modules;               // [0] std/base.mtl, [1] the spec
  VEC(const Decl *) decls;             // of the spec and its own imports, in order
  VEC(Symbol) symbols;
  int *symbol_table; int symbol_slots; // open addressing by name; 1 + index in symbols
  VEC(LabelDecl) label_decls;
  VEC(Like) likes;
  VEC(bool) input_bad;                 // parallel to data.inputs: its declaration has an error
  VEC(DataSource) sources; VEC(Place) source_at;
  VEC(RawColumn) columns;
  VEC(int) groups;                     // DataPlan.groups
  VEC(DataInput) inputs; VEC(Place) input_at;
  VEC(DataLabel) labels; VEC(Place) label_at;
  VEC(ModelTask) tasks; VEC(PlanTask) plan_tasks;
  VEC(ModelOutput) outputs;
  VEC(Binding) bindings;
  VEC(const Decl *) task_decls;
  VEC(Require) requires;
  VEC(Rename) renames;
  const char *folder;                  // of the spec
  const char **binding_shape;          // parallel to bindings, set by build(): "[rows, 64]", "a list of 8"
  VEC(__typeof__(*((Model *)0)->defaults)) defaults;
} Spec;

static inline Spec *spec_of(Model *m) { return (Spec *)m; }

// ---- imports.c: reads what a spec imports; fills modules, decls, Model.resolved.
const char *beside_spec(Spec *s, const char *name);                    // `name` relative to the folder of the spec
bool load_modules(Spec *s, const Ast *main, const char *spec_path, const char *std_dir);   // false: std/base.mtl is missing
const LayerDef *module_layer(const Module *m, const char *name);                           // its own; NULL: none

// ---- resolve.c
const Symbol *find_symbol(const Spec *s, const char *name);
typedef VEC(const char *) Words;
// "did you mean `x`?" from the words, where one is near. Attaches to the latest error.
void help_nearest(Diag *d, const char *word, const Words *words);
void help_list(Diag *d, const char *intro, const Words *words);        // "INTRO: `a`, `b`, `c`"
void add_default(Spec *s, Place at, const char *what, const char *fmt, ...) PRINTF_LIKE(4, 5);
void clause_rule(Spec *s, const Decl *d, StepRule *r);                  // `l2`, `l1`, `rate`, `optimizer`, where they stand: resolve_group.c
const Optim *group_optimizer(Spec *s, const Expr *e, const char *group);   // in the arena; NULL: an error
StepRule rule_within(StepRule outer, StepRule said);                    // what is unsaid is as in outer
void clause_renamed(Spec *s, const Decl *d);                            // `renamed_from` of a binding or a task
const Decl *only_decl(Spec *s, DeclKind kind, const char *word);       // the one declaration of this kind, or NULL
const char *symbol_kind_text(SymbolKind k);                            // "an input", "a label" …
bool error_unsupported(Diag *d, Place at, const char *what);           // false, always
const char *expr_spelling(Arena *a, const Expr *e);                    // canonical
const char *expr_text(Arena *a, const Expr *e);                        // the same, cut to what a message can hold

// ---- clause.c: blocks and calls as tables of keys
typedef struct { const char *key; bool later; } Key;                   // later: of the language, but not supported yet
// Reports unknown, repeated and unsupported clauses of a block. what: "a task", "an input of type real".
void check_clauses(Spec *s, const Decl *d, const Key *keys, int n, const char *what);
// One name out of a table, `e` being a plain name: its row, or −1 with an error "bad-value".
int  choose(Spec *s, const Expr *e, const char *what, const char *const *names, int n);
bool const_number(Spec *s, const Expr *e, double *v);                  // numbers, arithmetic, lets that are such; silent
bool need_number(Spec *s, const Expr *e, const char *what, double lo, double hi, double *v);
bool need_int(Spec *s, const Expr *e, const char *what, int64_t lo, int64_t hi, int64_t *v);
bool need_bool(Spec *s, const Expr *e, const char *what, bool *v);
bool need_text(Spec *s, const Expr *e, const char *what, const char **v);
// Arguments of a call by position or name: out[i] is argument i or NULL. Unknown, repeated, too many: errors, false.
bool match_args(Spec *s, const Expr *call, const char *what, const Key *keys, int n, const Expr **out);
const char *callee_name(const Expr *e);                                // of a NAME or a call of a NAME; else NULL

// ---- rowexpr.c: expressions over a row of the raw table
// CELL: a raw column, not read yet; TIME: seconds
typedef enum { ROW_BAD, ROW_CELL, ROW_NUMBER, ROW_TEXT, ROW_TRUTH, ROW_CLASS, ROW_TIME } RowType;
RowExpr *row_expr(Spec *s, const Expr *e, RowType *type);              // NULL and ROW_BAD after an error
RowExpr *row_number(Spec *s, const Expr *e);                           // e read as a number; NULL after an error
RowExpr *row_truth(Spec *s, const Expr *e, const char *what);          // e as a condition
RowExpr *row_column(Spec *s, int source, const char *name, Place at);  // a cell; checked against the source's `columns`
bool     check_column(Spec *s, int source, const char *name, Place at);
int      row_label(Spec *s, const Expr *e,
                   Place *declared);           // index of the label e, made (anonymous) if need be; −1: error

// ---- resolve_source.c
void declare_sources(Spec *s);

// ---- resolve_source.c
const char *const *text_list(Spec *s, const Clause *c, int *n);        // of texts or names: ["a", "b"]; NULL: an error
void check_repeats(Spec *s, const Clause *c, const char *const *list, int n, const char *what);

// ---- resolve_prep.c
void prep_missing(Spec *s, const Decl *d, Prep *p, const char *name);
void prep_clip(Spec *s, const Decl *d, Prep *p);
void prep_map(Spec *s, const Decl *d, Prep *p, bool with_buckets);
void prep_indicator(Spec *s, const Decl *d, DataInput *x);
ScaleKind prep_scale(Spec *s, const Decl *d, const char *name);
void missing_value(Spec *s, const Decl *d, DataInput *x, bool with_mode);   // of a category or id: own, unless told
void category_vocabulary(Spec *s, const Decl *d, DataInput *x);
bool category_buckets(Spec *s, const Decl *d, DataInput *x);             // true: it is one of numbers
void id_buckets(Spec *s, const Decl *d, DataInput *x, bool *bad);

// ---- resolve_time.c
RowExpr *row_cell_time(RowExpr *cell, const char *format);    // a cell as a time
RowExpr *row_call(Spec *s, const Expr *e, RowType *type);              // hour(…), days(…), time(…); NULL, ROW_BAD: an error
void time_input(Spec *s, const Decl *d, DataInput *x);

// ---- resolve_list.c
bool list_input(Spec *s, const Decl *d, DataInput *x);                 // false: an error
bool text_input(Spec *s, const Decl *d, DataInput *x);
void add_like(Spec *s, const Decl *d, const DataInput *x);             // x: the input about to be added
void resolve_likes(Spec *s);                                           // when all inputs are declared

// ---- resolve_data.c
void declare_inputs(Spec *s);
int  resolve_label(Spec *s, int decl, Place used_at);                  // index in labels, −1: error
void resolve_labels(Spec *s);

// ---- resolve_split.c
void resolve_split(Spec *s, const Clause *c, Place at);                  // c NULL: left out
void resolve_weight(Spec *s, const Clause *c, Place at);                 // of a row: `weight` of `train`

int  group_column(Spec *s, const Expr *e);                               // `by = events.user`, or an input that is a raw column:
                                                                         // the column; −1: error
int  group_index(Spec *s, int column);                                   // resolve_task.c: in DataPlan.groups, added if need be
// ---- resolve_loss.c
void task_losses(Spec *s, const Decl *d, ModelTask *t);               // terms and values of t
void publish_terms(Model *m);                                           // resolve.c
void resolve_penalty(Spec *s, const Clause *c);                       // c NULL: left out

// ---- resolve_task.c, resolve_train.c
void resolve_tasks(Spec *s);
void resolve_outputs(Spec *s);
void resolve_train(Spec *s);
void resolve_requires(Spec *s);
// ---- resolve_balance.c
void resolve_balance(Spec *s, const Clause *c, Place at);
// `auc(task, at = …)`: finds (adds, if it is not in the task's list) the metric; false after an error.
bool task_metric(Spec *s, const Expr *e, int *task, int *metric);
int  task_index(Spec *s, const Expr *e);                               // of the task named; −1: error
void add_metric_words(Spec *s, Words *w);
bool is_metric_name(const char *name);
bool metric_is_minimised(MetricKind k);
bool add_metric(Spec *s, int task, const Expr *e, int *index);         // e: `auc`, `f1(at = 0.3)`

// ======================================================================= build
typedef struct Value Value;
typedef struct Builtin Builtin;
typedef struct Frame Frame;
typedef struct Env Env;
typedef enum { V_BAD, V_TENSOR, V_IDS, V_NUMBER, V_BOOL, V_STRING, V_LIST, V_RECORD, V_LAYER, V_OP, V_INSTANCE, V_SIZE,
              V_INIT,
               V_LAST } ValueKind;

// A layer with its own arguments; all calls of it use the same parameters.
typedef struct Instance Instance;
struct Instance {
  const LayerDef *layer; const Module *module;
  const Expr *expr; Env *env;          // its own arguments, evaluated where it was made
  Value **args; const char **arg_names; int n_args;
  Frame *frame;
  VEC(int) slots;
  Instance *up;                        // of the layer call that made it, if that is an instance's
};

struct Value {
  ValueKind kind;
  Place at;                            // where it was written
  double number;                       // NUMBER; BOOL: 0 or 1
  const char *text;                    // STRING
  NodeId node;                         // TENSOR; IDS: u32 [rows]
  int input;                           // 1 + index in DataPlan.inputs where the value is an input itself; else 0
  Value **items; const char **keys; int n;   // LIST, RECORD (keys)
  bool tree;                           // LIST, RECORD: of parameters or gradients, with arithmetic; see trees.c
  const LayerDef *layer; const Module *module;   // LAYER
  const Builtin *op;                   // OP
  Instance *instance;
  AxisId axis;                         // SIZE: the size of a learned vocabulary
  Init init;
  NodeId mask;                         // TENSOR, IDS of a list: [rows, m], 1 where the row has the item; see masked.c
  FormulaId formula;                   // of a TENSOR or IDS; of others, once one is made of it
};

// Where parameters made by an expression get their names. A frame's path is settled when its first parameter is made.
struct Frame {
  Frame *up;
  const char *name;                    // "dense"; "[0]" for an index
  const char *path;                    // NULL: not settled
  bool own;                            // a binding, key or index: one `param` or instance may carry the path itself
  bool taken;
  bool frozen, lazy;                   // of the parameters made below
  StepRule rule;
  Instance *instance;
  Place at;                            // of the call, for the warning about twins
  VEC(struct { const char *name; int count; }) names;
};

typedef enum { LAZY_TODO, LAZY_BUSY, LAZY_DONE } LazyState;
typedef struct { const Expr *expr; Env *env; Value *value; LazyState state; Place at; } Lazy;   // evaluated once
typedef struct Local Local;
struct Local { const char *name; Value *value; Lazy *lazy; Local *up; };        // one of value, lazy

struct Env {
  const Module *module;
  Local *locals;
  Frame *frame;
  const Decl *layer;                   // NULL: the spec's top level
  Place call_at;                       // in a std layer: the call in the spec that led here
  const Env *caller;
  int calls;                           // layer calls around this
};

typedef struct {
  Spec *s; Model *m; Graph *g; Diag *d; Arena *a;
  Lazy *bindings, *tasks, *outputs;    // parallel to the Model's lists
  Frame *root;
  Value **inputs;
  int depth;                           // of eval
  int64_t loops, calls;                // so far
  bool too_large;
  bool all_called;                     // bindings, heads and outputs are evaluated: every instance has its parameters
} Build;
void settle_lazy(Build *b);            // the flag is the tables' alone
void check_lazy(Build *b);             // after it: warns of `lazy` that does nothing, or not what it is for
void check_rules(Build *b);            // warns of `l2`, `l1`, `rate` that reach no parameter

// ---- value.c
extern Value bad_value;
Value *v_new(Build *b, ValueKind k, Place at);
Value *v_number(Build *b, double x, Place at);
Value *v_bool(Build *b, bool x, Place at);
Value *v_tensor(Build *b, NodeId n, Place at);       // bad where n is 0
Value *v_list(Build *b, int n, Place at);            // items to be filled
Value *v_record(Build *b, int n, Place at);
Value *record_get(const Value *r, const char *key);  // NULL: none
const char *value_text(Build *b, const Value *v);    // for messages: "a tensor [rows, 64]", "the number 3", "a list of 4"
// Adds all items of lists in lists, in order; false where they are too many (an error, unless e is NULL).
typedef VEC(Value *) Flat;
bool   flatten(Build *b, const Env *e, Value *v, Flat *out, Place at);
bool   is_scalar(const Value *v);                    // NUMBER, BOOL
NodeId v_node(Build *b, const Value *v);             // TENSOR, or a constant of NUMBER, BOOL; else 0
bool   path_under(const char *path, const char *name);   // "a.dense.w", "a[0].w" under "a"
Frame *frame_child(Build *b, Frame *up, const char *name, bool own, Place at);
const char *frame_path(Build *b, Frame *f);
// The path of a `param` or an instance made in f: f's own (once, where no `as` names it), or a child `as` or `otherwise`.
const char *frame_claim(Build *b, Frame *f, const char *as, const char *otherwise, Place at);

// ---- build.c
Value *eval(Build *b, Env *e, const Expr *x);
Value *force(Build *b, Lazy *l, const char *name, Place used_at);
Value *lookup_callee(Build *b, Env *e, const Expr *x);
Place  place_of(const Env *e, Place at);             // at; inside a std layer the call in the spec
Place  blame(const Build *b, const Env *e, const Value *v,
             Place at);   // a literal's own place, where the user wrote it; else place_of
// An error at `at`, with the calls that led there as notes.
void   build_error(Build *b, const Env *e, const char *code, Place at, const char *fmt, ...) PRINTF_LIKE(5, 6);
Value *tensor_result(Build *b, Env *e, NodeId n, Place at, int errors_before, Value *const *operands, int n_operands);
Value *binary(Build *b, Env *e, AstOp op, Value *l, Value *r, Place at);
Value *member_of(Build *b, Env *e, const Value *v, const Expr *x);     // x: v.name
Value *item_of(Build *b, Env *e, Value *v, const Expr *x);             // x: v[item]
void   note_calls(Build *b, const Env *e);

// ---- build_call.c
Value *eval_call(Build *b, Env *e, const Expr *x, const char *as);
Value *eval_instance(Build *b, Env *e, const Expr *x, const char *as);
Value *eval_repeat(Build *b, Env *e, const Expr *x, const char *as);
Value *eval_fold(Build *b, Env *e, const Expr *x, const char *as);
const LayerDef *find_layer(const Env *e, const char *name, const Module **module);
void   words_in_scope(Build *b, const Env *e, Words *w, bool callables_only);

// ---- builtins.c
enum { MAX_BUILTIN_ARGS = 6 };
typedef struct {
  Build *b; Env *env; const Builtin *f;
  Value **arg; int n_args;             // by position; variadic: all values
  Value *named[MAX_BUILTIN_ARGS];      // variadic: options by name
  const char *as; Place at;
  const char *how;                     // fn_how(): its options, resolved; NULL: it has none
} BuiltinCall;
struct Builtin {
  const char *name;
  Value *(*fn)(BuiltinCall *c);        // NULL: later, or `lazy`
  int min_args;
  bool variadic;
  const char *args[MAX_BUILTIN_ARGS];  // variadic: names of its options
  OpId op;                             // of elementwise functions
  Value *(*lazy)(Build *b, Env *e, const Expr *x);   // not NULL: takes the call itself, its arguments not evaluated
};
const Builtin *find_builtin(const char *name);
extern const Builtin builtins[]; extern const int n_builtins;
bool   find_init(const char *name, Init *init);      // initialisers that take no argument
Value *call_builtin(Build *b, Env *e, const Builtin *f, Value **args, const char **names, int n, const char *as, Place at);

// ---- formula.c: what values are made of. A formula is given to a tensor once, by the function or name that makes it.
FormulaId formula_add(Build *b, Formula f, const FormulaId *in, int n);    // copies its operands
FormulaId formula_of(Build *b, Value *v);            // of any value that can be an operand
Value *formula_leaf(Build *b, Value *v, const char *op, const char *how);                         // v is a name of the model
Value *formula_apply(Build *b, Value *v, Formula f, Value *const *operands, int n);               // v is f of these; gives v
Value *formula_call(BuiltinCall *c, Value *v, bool map);                                          // v is what this call gave
void formula_out(Build *b, const char *root, FormulaId of);             // what the root was before is gone
void formula_append(Build *b, const char *root, FormulaId of);          // the root is a list of these, the latest first

// ---- trees.c
bool   is_tree(const Value *v);
typedef Value *LeafFn(void *ctx, Value **args);
// fn on each leaf of trees of one structure (args that are one number go with every leaf): a tree, or bad after an error.
Value *tree_map(Build *b, Env *e, Value **args, int n, LeafFn *fn, void *ctx, Place at);
Value *eval_params(Build *b, Env *e, const Expr *x);
NodeId without_units(Graph *g, NodeId x);            // x, its axes of size 1 dropped: views

// ---- label_value.c
void   resolve_label_values(Spec *s);                // makes the labels that `value` and `known` name by an expression
Value *eval_label(Build *b, Env *e, const Expr *x);
void   check_label_leaks(Build *b);

// ---- checks.c: what is well typed and yet no sound model
void check_inputs(Build *b);                         // no head reads what its label is made of
void check_training(Build *b, bool *const *live);    // live[k][n]: a gradient of task k flows to node n; the last: the penalty's
// `accept RULE NAME "why" until VERSION` of the spec, or NULL; accepted: one that holds in the model's version.
const Decl *find_accept(const Spec *s, const char *rule, const char *name);
bool   accepted(const Spec *s, const char *rule, const char *name);

// ---- masked.c
// The mask of a result: that of the operands with a list's axis 0 in the same place. Values that lose it set mask = 0.
void   keep_mask(Build *b, Value *v, Value *const *operands, int n);
Value *with_mask(Value *v, NodeId mask);             // v, a result, as a list's value with this mask, or with none
NodeId items_mask(const Value *v, int axis);         // [rows, m] of the node's axis, where it is that of a list; else 0
NodeId items_beside(Graph *g, const Value *v, int axis);   // the same as it broadcasts against v: [rows, m, 1 …]
NodeId only_items(Graph *g, const Value *v);         // v's node, 0 where no item is
NodeId mask_of_windows(Graph *g, NodeId mask, int64_t n, int64_t stride);     // of n windows: is the first item there?
// Of the nodes of n parts along axis 1; 0: no part is a list.
NodeId concat_masks(Graph *g, Value *const *parts, const NodeId *nodes, int n);
void   help_list_of_items(Build *b, const Value *v);  // where v is a list: how it becomes one vector a row

// ---- build_terms.c
// How much each row counts where the label judges it: 0 where it is not known, [rows].
NodeId counted_rows(Build *b, const ModelTask *t, int label);
typedef struct { NodeId sum, weight, mean; } Counted;         // Σ w·v, Σ w, their quotient or 0
Counted count_rows(Build *b, const ModelTask *t, NodeId w, NodeId v);   // w: counted_rows; v [rows]
Counted count_pairs(Build *b, const ModelTask *t, NodeId w, NodeId v);   // of a loss over pairs
// A term as a scalar, its factor included. t NULL: of the penalty, it has no rows. 0: an error was reported.
// index: in TrainPlan.terms, where it is reported.
NodeId build_value(Build *b, Env *e, const ValueTerm *x, const ModelTask *t, int index);
void   build_penalty(Build *b);

// ---- build_task.c
void build_tasks(Build *b);
void check_sharing(Build *b);
// ---- explain_balance.c
void balance_text(const Model *m, const Graph *g, Text *out);
struct json_t *balance_json(const Model *m, const Graph *g);
// ---- build_balance.c: what `balance` needs of the graph; sets graph.balance.
void build_balance(Build *b);
#endif
