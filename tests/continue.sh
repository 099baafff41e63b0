#!/bin/sh
# run --from goes on where the optimizer of the run was: two runs of one epoch are one of two, to the bit.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99

# spec OPTIMIZER [CLAUSE]: a spec of two tasks; its rows come in the same order in every epoch
spec() {
  cat <<EOF
model shop
edition 2026
input age  : real { missing = mean, scale = zscore }
input plan : category { vocab = ["basic", "free"] }
input city : category
label click, buy : binary
shared trunk = concat(age, plan |> embed(4), city |> embed(4)) |> dense(8, relu)
task ctr { head = trunk |> dense(1) |> sigmoid, loss = bce(click) }
task cvr { head = trunk |> dense(1) |> sigmoid, loss = bce(buy) }
train { optimizer = $1, batch = 64, epochs = 1, seed = 7, shuffle = false${2:+, $2} }
EOF
}
run() { "$mtlc" run "$@" --data rows.csv -q >run.out 2>run.err || note run.err; }
same() {
  check "$1: the weights"   cmp "$2/weights.safetensors" "$3/weights.safetensors"
  check "$1: the optimizer" cmp "$2/optimizer.safetensors" "$3/optimizer.safetensors"
}
third() {                               # and a third, from the second
  run "$1.mtl" -o "$1.third" --from "$1.more"
  run "$1.mtl" -o "$1.three" --epochs 3
}
spec "sgd(0.1)" >rows.mtl
"$mtlc" synth rows.mtl --rows 400 --seed 1 -o rows.csv -q

# goes_on NAME OPTIMIZER [CLAUSE]
goes_on() {
  spec "$2" "$3" >"$1.mtl"
  run "$1.mtl" -o "$1.one"
  run "$1.mtl" -o "$1.two" --epochs 2
  run "$1.mtl" -o "$1.more" --from "$1.one"
  check "$2: one epoch and one more are two: the weights" cmp "$1.two/weights.safetensors" "$1.more/weights.safetensors"
}
goes_on adam     'adam(0.01)'
goes_on adamw    'adamw(0.01)'
goes_on amsgrad  'amsgrad(0.01)'
goes_on lamb     'lamb(0.01)'
goes_on momentum 'momentum(0.05)'
goes_on nesterov 'nesterov(0.05)'
goes_on adagrad  'adagrad(0.1)'
goes_on rowwise  'rowwise_adagrad(0.1)'
goes_on rmsprop  'rmsprop(0.01, momentum = 0.9)'
goes_on ftrl     'ftrl(0.1)'
same "adam, its state" adam.two adam.more
goes_on balance  'adam(0.01)' 'balance = uncertainty'
goes_on dwa      'adam(0.01)' 'balance = dwa'
third dwa
check "what balancing counts by epochs goes on" cmp dwa.three/weights.safetensors dwa.third/weights.safetensors

# Steps are counted from run to run, and what goes on is said before.
expect 0 "plan"                               "$mtlc" plan adam.one adam.mtl
has out "it goes on"                          "optimizer   goes on for 8 tensors, after 5 steps"
third adam
same "a third run, from the second" adam.three adam.third
expect 0 "plan of the third"                  "$mtlc" plan adam.third adam.mtl
has out "all steps count"                     "after 15 steps"
expect 0 "plan --json"                        "$mtlc" plan adam.one adam.mtl --json
has out "tensor by tensor"                    '"optimizer": "goes on"'
expect 0 "it can be reproduced"               "$mtlc" reproduce adam.third

# The state goes with its parameter: by value, under a new name, in part. Predictions are those of two epochs.
moved() {                               # NAME TEXT [RUNS]
  run "$1.mtl" --from "${3-adam}.one" -o "$1"
  "$mtlc" predict "${3-adam}.two" --data rows.csv -o two.csv -q
  "$mtlc" predict "$1" --data rows.csv -o moved.csv -q
  check "$2" cmp two.csv moved.csv
}
for name in adam rowwise; do
  sed 's/\["basic", "free"\]/["annual", "basic", "free", "gold"]/' $name.mtl >values-$name.mtl
  moved values-$name "a vocabulary that grew: rows of the state by their values: $name" $name
done
sed 's/shared trunk/shared body/; s/trunk |>/body |>/; s/dense(8, relu)/& { renamed_from = trunk }/' adam.mtl >name.mtl
moved name "another name"
sed 's/dense(8, relu)/dense(11, relu) |> slice(0, 8)/' adam.mtl >wide.mtl
moved wide "a wider layer: what both have"

# What begins anew is corrected for as in its first steps: as if nothing else went on.
spec 'adam(0.01)' | sed 's/^shared/let/; s/relu)/relu) { freeze = true }/' >late.mtl
grep -v '^task cvr' late.mtl >alone.mtl
run alone.mtl -o alone
expect 0 "plan: a task more"                  "$mtlc" plan alone late.mtl
has out "the kept task goes on"               "optimizer   goes on for 2 tensors, after 5 steps"
run late.mtl --from alone -o late
run late.mtl --from alone -o fresh --no-state
"$mtlc" predict late --data rows.csv -o late.csv -q
"$mtlc" predict fresh --data rows.csv -o fresh.csv -q
check "the new task: as without a state"      sh -c 'cut -d, -f3 late.csv >a; cut -d, -f3 fresh.csv >b; cmp a b'
check "the kept one: another training"        sh -c 'cut -d, -f2 late.csv >a; cut -d, -f2 fresh.csv >b; ! cmp -s a b'
check "run.json counts what went on alone"    sh -c 'grep -q "\"ctr.dense.w\": 5" late/run.json && ! grep -q "\"cvr.dense.w\": " late/run.json'

# Where it begins anew, and why.
spec 'momentum(0.01)' >other.mtl
expect 0 "plan: another optimizer"            "$mtlc" plan adam.one other.mtl
has out "why"                                 "optimizer   begins anew for 8 tensors: it is momentum, and was adam in the run"
spec 'adam(0.002, beta1 = 0.8)' >rate.mtl
expect 0 "plan: other numbers"                "$mtlc" plan adam.one rate.mtl
has out "it goes on"                          "optimizer   goes on for 8 tensors"
expect 0 "plan: what was frozen"              "$mtlc" plan late adam.mtl
has out "why"                                 "begins anew for 4 tensors: the run did not train it"
expect 0 "plan: another balancing"            "$mtlc" plan balance.one dwa.mtl
has out "why"                                 "balance     begins anew: the run balanced in another way"

# Without a state: lean run folders, and a start from the weights alone.
check "--no-state: none is kept"              test ! -e fresh/optimizer.safetensors
expect 0 "plan of a run that keeps none"      "$mtlc" plan fresh late.mtl
has out "it is said"                          "begins anew for 4 tensors: the run keeps none"
expect 0 "plan --no-state"                    "$mtlc" plan adam.one adam.mtl --no-state
has out "so it is"                            "begins anew for 8 tensors"
expect 0 "such a run can be reproduced"       "$mtlc" reproduce fresh
expect 0 "it serves"                          "$mtlc" eval fresh
expect 2 "--no-state beside --resume"         "$mtlc" run --resume adam.one --no-state

# A file that was damaged, or is of other weights, is named; nothing is trained.
cp -r adam.one bad
printf '\001' | dd of=bad/optimizer.safetensors bs=1 seek=$(($(wc -c <bad/optimizer.safetensors) - 1)) conv=notrunc 2>dd.err
expect 3 "a damaged state"                    "$mtlc" run adam.mtl --from bad --data rows.csv -o none -q
has err "it is named"                         "bad/optimizer.safetensors"
check "nothing is kept"                       test ! -e none
cp wide/optimizer.safetensors bad
expect 3 "the state of another run"           "$mtlc" plan bad adam.mtl
has err "it is named"                         "does not fit the run's weights"

# A run that started from another is reproduced from that one, wherever both are; where it is another now, it is named.
mkdir specs
sed 's/^edition.*/&\nfrom base { file = "..\/adam.one" }/' adam.mtl >specs/from.mtl
run specs/from.mtl -o folder
check "from of a spec: as --from"             cmp folder/weights.safetensors adam.two/weights.safetensors
expect 0 "it can be reproduced"               "$mtlc" reproduce folder
mkdir -p elsewhere
cp -r adam.one elsewhere/first
run adam.mtl --from elsewhere/first -o elsewhere/second
mv elsewhere moved.on
expect 0 "both have moved"                    "$mtlc" reproduce moved.on/second
rm -r moved.on/first
run adam.mtl --seed 8 -o moved.on/first
expect 1 "it is another run now"              "$mtlc" reproduce moved.on/second
has out "it is named"                         "changed since: the run that it started from (moved.on/second/../first): weights.safetensors: its"
rm moved.on/first/optimizer.safetensors
expect 1 "without its state"                  "$mtlc" reproduce moved.on/second
has out "the file is named"                   "optimizer.safetensors: it cannot be read"
rm -r moved.on/first
expect 1 "it is gone"                         "$mtlc" reproduce moved.on/second
has out "it is named"                         "elsewhere/first): it cannot be read"

# Interrupted, and gone on with: the same bits.
run adam.mtl --from adam.one --epochs 1000 -o long
"$mtlc" run adam.mtl --from adam.one --data rows.csv --epochs 1000 -o cut >out 2>err &
pid=$!
i=0
while [ $i -lt 200 ] && ! grep -q 'epoch 3/' err; do sleep 0.02; i=$((i + 1)); done
kill -INT $pid
got=0
wait $pid || got=$?
if [ $got -eq 130 ]; then expect 0 "resume" "$mtlc" run --resume cut -q; fi
same "interrupted, and gone on with" long cut
done_testing
