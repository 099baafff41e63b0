#!/bin/sh
# mtlc compare: what is trained is what `run` trains; a difference counts where there is one and else none does; what goes wrong.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
spec=$top/specs/article_shared.mtl

# json EXPRESSION: of the document in out, as Python sees it, must be true
json() { check "$1" python3 -c "import json, sys; d = json.load(open('out')); sys.exit(not ($2))"; }

expect 0 "rows"                                 "$mtlc" synth "$spec" --rows 600 --seed 1 -o rows.csv
expect 0 "compare --json"                       "$mtlc" compare "$spec" --data rows.csv --epochs 3 --seeds 2 --seed 4 --json
has err "progress is told for each training"    "seed 5  pcgrad"
cp out compare.json
if command -v python3 >/dev/null 2>&1; then
  json "seeds as asked for"                     "d['seeds'] == [4, 5]"
  json "alone, together, two methods"           "[a['name'] for a in d['arrangements']] == ['alone', 'together', 'uncertainty', 'pcgrad']"
  for seed in 4 5; do
    "$mtlc" run "$spec" --data rows.csv --epochs 3 --seed $seed -o run-$seed -q --json >run-$seed.json
    check "together with seed $seed is what run trains, to the bit" python3 -c "
import json, sys
c, r = json.load(open('compare.json')), json.load(open('run-$seed.json'))
got = {t: {m: v['values'][$seed - 4] for m, v in f.items()} for t, f in c['arrangements'][1]['tasks'].items()}
want = {t: {m: v for m, v in f.items() if m != 'loss'} for t, f in r['test'].items()}
sys.exit(got != want or c['arrangements'][1]['best_epoch'][$seed - 4] != r['best_epoch'])"
  done
fi
expect 0 "the table"                            "$mtlc" compare "$spec" --data rows.csv --epochs 3 --seeds 2 --with none -q
empty err "-q: nothing else"
check "no line of the table wraps at 80"        sh -c '! sed "s/±/+/g" out | grep -E "^.{81}"'
check "no control characters"                   sh -c '! LC_ALL=C tr -d "\n" <out | LC_ALL=C grep -q "[[:cntrl:]]"'
check "nothing is written"                      sh -c '[ "$(ls | grep -vcE "^(out|err|check|rows.csv|compare.json|run-.*)$")" -eq 0 ]'

# ---- one number cannot carry two tasks that have nothing in common: alone is better, and the verdict says so
awk 'BEGIN { srand(3); print "x_0,x_1,p,q"; for (i = 0; i < 3000; i++) { a = rand(); b = rand(); print a "," b "," (a > .5) "," (b > .5) } }' >two.csv
cat >two.mtl <<'S'
model two
edition 2026
input x : vector(2) { scale = zscore }
label p, q : binary
shared narrow = x |> dense(1)
task one { head = narrow |> dense(1) |> sigmoid, loss = bce(p), metric = [auc] }
task two { head = narrow |> dense(1) |> sigmoid, loss = bce(q), metric = [auc] }
train { epochs = 10, optimizer = adam(0.01), split = rule(train = row % 10 < 7, test = true) }
S
expect 0 "a difference that is there"           "$mtlc" compare two.mtl --data two.csv --seeds 4 --with none -q
has out "is found"                              'verdict: `alone` wins: worse than `together` in no task, better in'
has out "in what"                               'the mean over the tasks.'
check "and marked"                              grep -qE '^  together +-2[0-9.]+ ± .* -2[0-9.]+ ± [0-9.]+ \*' out
# ---- two tasks that are one: nothing differs
sed 's/bce(q)/bce(p)/' two.mtl >same.mtl
expect 0 "no difference"                        "$mtlc" compare same.mtl --data two.csv --seeds 3 --with rlw -q
has out "is said plainly"                       'verdict: No arrangement differs: keep `together`, the spec as it is'
check "and nothing is marked"                   sh -c '! grep -qE "± .*[0-9] [*]" out'
expect 0 "one seed"                             "$mtlc" compare two.mtl --data two.csv --seeds 1 --with none -q
has out "gives no verdict"                      "One seed tells nothing of chance"

# ---- a method that does not stay finite is said to be so; the others are compared
expect 0 "a method that diverges"               "$mtlc" compare two.mtl --data two.csv --seeds 2 --with 'uncertainty(lr = 1000000), rlw' -q
has out "is named with its seeds"               '`uncertainty(lr = 1000000)` did not stay finite with 2 of 2 seeds'
check "the others have figures"                 grep -qE '  rlw +[0-9]' out

# ---- run says in which file and row, at which step
awk 'BEGIN { print "x,y"; for (i = 0; i < 100; i++) print (i == 40 ? "3e38" : i) "," i % 2 }' >huge.csv
printf 'model huge\nedition 2026\ninput x : real\nlabel y : real\ntask t { head = x |> dense(1), loss = mse(y) }\ntrain { split = rule(train = true) }\n' >huge.mtl
expect 3 "a training that is not finite"        "$mtlc" run huge.mtl --data huge.csv -q -o huge
has err "names file and row"                    "huge.csv:row 41: error[not-finite]"
has err "and the step"                          "(epoch 1, batch"

# ---- heads that read each other; what only another task needs is left out of a task alone
cat >funnel.mtl <<'S'
model funnel
edition 2026
input x : vector(2) { scale = zscore }
label p, q : binary
shared trunk = x |> mlp([4])
let tower = trunk |> dense(3) |> dense(1)
output second = trunk |> dense(1) |> sigmoid
task one { head = tower |> sigmoid, loss = bce(p) }
task two { head = one * second, loss = bce(p and q), metric = [auc] }
train { epochs = 3, balance = famo, stop = patience(2, auc(one)), split = fraction(train = 0.7, valid = 0.3) }
require auc(one) > 0.1
S
expect 0 "a funnel"                             "$mtlc" compare funnel.mtl --data two.csv --seeds 2 -q
has out "a spec that balances: static is tried" "  static"
has out "judged on the validation rows"         "900 validation rows"

# ---- what is wrong
expect 2 "a method that is none"                "$mtlc" compare two.mtl --data two.csv --with cagrd
has err "at its place in --with"                "--with:1:"
has err "with the nearest"                      'did you mean `cagrad`?'
expect 2 "a method that does not fit"           "$mtlc" compare "$top/specs/article_towers.mtl" --data rows.csv --with pcgrad
has err "says why"                              "nothing-shared"
sed -e '/^task two/d' -e 's/^shared/let/' two.mtl >single.mtl
expect 2 "one task"                             "$mtlc" compare single.mtl --data two.csv
has err "cannot be compared"                    "nothing-to-compare"
expect 2 "no seeds"                             "$mtlc" compare two.mtl --data two.csv --seeds 0
expect 2 "no data"                              "$mtlc" compare two.mtl
head -n 20 two.csv >few.csv
expect 3 "too few rows"                         "$mtlc" compare two.mtl --data few.csv
has err "says how many"                         "held-out rows to compare on"
expect 130 "Ctrl-C"                             timeout --foreground --preserve-status -s INT 2 "$mtlc" compare two.mtl --data two.csv --epochs 1000000
empty out "gives no half answer"
has err "and says so"                           "interrupted: nothing is compared"
done_testing
