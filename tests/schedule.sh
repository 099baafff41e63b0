#!/bin/sh
# Schedules of a run: the rate of each epoch in its line and in the report; a training that goes on has the same rates.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
spec() {
  cat <<END
model schedule
edition 2026
input x     : vector(4)
label click : binary
task ctr { head = x |> dense(8, tanh) |> dense(1) |> sigmoid, loss = bce(click) }
train { optimizer = $1, batch = 10, epochs = 4, split = rule(train = row < 80, valid = row < 110, test = true) }
END
}
spec 'sgd(step(0.1, every = 2, factor = 0.5, warmup = 10))' >step.mtl
expect 0 "rows"                                "$mtlc" synth step.mtl --rows 130 --seed 2 -o rows.csv
expect 0 "steps"                               "$mtlc" run step.mtl --data rows.csv -o one --json
check "8 of 10 steps of warm-up; then the fall" sh -c 'test "$(grep "\"rate\"" out | grep -o "[0-9.]*" | tr "\n" " ")" = "0.080000000000000016 0.10000000000000001 0.050000000000000003 0.050000000000000003 "'
has err "the line of an epoch has it"          "rate 0.05"
expect 0 "explain"                             "$mtlc" explain step.mtl
has out "has the schedule"                     "sgd(step(0.1, every = 2, factor = 0.5, warmup = 10))"
spec 'adam(plateau(0.5, patience = 0, factor = 0.1))' >plateau.mtl
expect 0 "plateau"                             "$mtlc" run plateau.mtl --data rows.csv -o two -q --json
check "it falls where valid does not"          sh -c 'grep "\"rate\"" out | grep -q "0.05"'
spec 'adam(0.01)' >plain.mtl
spec 'adam(constant(0.01))' >constant.mtl
expect 0 "a number"                            "$mtlc" run plain.mtl --data rows.csv -o plain
check "no schedule, no rate in the line"       sh -c '! grep -q " rate " err'
expect 0 "a constant"                          "$mtlc" run constant.mtl --data rows.csv -o constant -q
check "is the same to the bit"                 cmp plain/weights.safetensors constant/weights.safetensors
for o in 'cosine(0.01)' 'one_cycle(0.01)' 'exponential(0.01)'; do
  spec "ftrl($o)" >any.mtl
  expect 0 "ftrl by $o"                        "$mtlc" run any.mtl --data rows.csv -o "any_$o" -q
done
# ---- Ctrl-C, and going on to the same rates
spec 'sgd(plateau(0.5, patience = 3, factor = 0.7))' | sed 's/epochs = 4/epochs = 20_000/' >long.mtl
"$mtlc" run long.mtl --data rows.csv -o cut >out 2>err &
pid=$!
n=0
while [ $n -lt 200 ] && ! grep -q 'epoch 40/' err; do sleep 0.02; n=$((n + 1)); done
kill -TERM $pid
wait $pid
code=$?
check "interrupted: exit 130"                  test $code -eq 130
before=$(grep -c '^epoch ' err)
expect 0 "resume"                              "$mtlc" run --resume cut -q
expect 0 "the same without a stop"             "$mtlc" run long.mtl --data rows.csv -o whole -q
check "equal weights"                          cmp cut/weights.safetensors whole/weights.safetensors
check "after some epochs, not all"             test "$before" -gt 30 -a "$before" -lt 20000
done_testing
