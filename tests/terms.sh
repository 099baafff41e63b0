#!/bin/sh
# Values in losses in a run: what reports show of them, resuming, equal bits by every instruction set; a penalty that pulls together.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
# spec PENALTY: two towers that see the same
spec() {
  cat <<END
model terms
edition 2026
import "std/penalty.mtl"
input x     : vector(8)
label click : binary
label buy   : binary where click
let a = x |> mlp([16], tanh)
let b = x |> mlp([16], tanh)
task ctr { head = a |> dense(1) |> sigmoid, loss = bce(click) }
task cvr { head = b |> dense(1) |> sigmoid, loss = bce(buy) + 0.5 * maximum(cvr - ctr, 0) - 0.1 * batch_mean(ctr), weight = 2 }
train { epochs = ${epochs:-4}, batch = 64, optimizer = adam(0.01), balance = ${balance:-static}, penalty = $1 }
END
}
spec '0.1 * apart([params(a), params(b)]) + 1e-3 * gradient_norm(ctr, params(a))' >spec.mtl
expect 0 "rows"                                 "$mtlc" synth spec.mtl --rows 1500 --seed 3 -o rows.csv
expect 0 "a run"                                "$mtlc" run spec.mtl --data rows.csv -o one
check "each epoch's line has the penalty"       test "$(grep -c '^epoch .*  penalty [0-9.e-]*  ' "$tmp/err")" -eq 4
expect 0 "as JSON"                              "$mtlc" run spec.mtl --data rows.csv -o two --json -q
check "four terms an epoch"                     test "$(grep -c '"term": ' "$tmp/out")" -eq 16
has out "a task's"                              '"term": "0.5 * maximum(cvr - ctr, 0)"'
has out "subtracted"                            '"term": "-0.1 * batch_mean(ctr)"'
has out "the penalty's"                         '"term": "0.001 * gradient_norm(ctr, params(a))"'
check "equal weights"                           cmp one/weights.safetensors two/weights.safetensors
for target in portable avx2 avx512; do
  if MTLC_TARGET=$target "$mtlc" run spec.mtl --data rows.csv -o "$target" -q >out 2>err; then
    check "$target: equal weights"              cmp one/weights.safetensors "$target/weights.safetensors"
  fi
done

# A strong penalty brings the towers together.
spec '10 * apart([params(a), params(b)])' >near.mtl
expect 0 "a strong penalty"                     "$mtlc" run near.mtl --data rows.csv -o near --json -q
check "what the towers' gap costs falls"        awk '
  /"term": "10 / { on = 1 }
  on && /"value":/ { last = $2 + 0; if (!first) first = last; on = 0 }
  END { exit !(first > 100 && last < first / 100) }' out

# What is no finite number is named: a penalty's term, though the gradient be finite; a task's.
spec '1e-3 * sum_sq(params(a)) + log(-1 - sum_sq(params(b)))' >nan.mtl
expect 3 "a penalty that is no number"          "$mtlc" run nan.mtl --data rows.csv -o nan -q
has err "it is named"                           '`log(-1 - sum_sq(params(b)))` in `penalty` is no finite number at step 1 (epoch 1, batch 1)'
spec '1e-3 * sum_sq(params(a))' | sed 's/batch_mean(ctr)/log(ctr - 2)/' >nan.mtl
expect 3 "a task's value that is no number"     "$mtlc" run nan.mtl --data rows.csv -o nan -q
has err "it is named, with its task"            '`-0.1 * log(ctr - 2)` in the loss of task `cvr` is no finite number at step 1 (epoch 1, batch 1)'

# `rows`: a weight of each row, from 0; a row without one does not count.
spec '1e-3 * sum_sq(params(a))' | sed 's/^label buy/label worth : real { missing = drop }\nlabel buy/; s/bce(click) }/bce(click), rows = worth }/' >rows.mtl
sed '1s/$/,worth/; 2,$s/$/,1/' rows.csv >ones.csv
sed '1s/$/,worth/; 2,800s/$/,2.5/; 801,$s/$/,/' rows.csv >some.csv
sed '1s/$/,worth/; 2,9s/$/,1/; 10s/$/,-1/; 11,$s/$/,1/' rows.csv >below.csv
spec '1e-3 * sum_sq(params(a))' >plain.mtl
expect 0 "a run without row weights"            "$mtlc" run plain.mtl --data rows.csv -o plain -q
expect 0 "row weights of 1"                     "$mtlc" run rows.mtl --data ones.csv -o ones -q
check "they change nothing"                     cmp ones/weights.safetensors plain/weights.safetensors
expect 0 "row weights, some missing"            "$mtlc" run rows.mtl --data some.csv -o some -q
check "they change the weights"                 sh -c '! cmp -s some/weights.safetensors plain/weights.safetensors'
expect 3 "a row weight below 0"                 "$mtlc" run rows.mtl --data below.csv -o below -q
has err "it is named"                           'below.csv:row 9, line 10, column "worth": error[negative-weight]: the weight -1 of this row is below 0'

# Balancing sees the tasks' losses, their values included; the penalty is added to what it makes of them.
balance='cagrad(c = 0.4)' spec '0.1 * apart([params(a), params(b)])' | sed 's/^let b = .*/let b = a |> mlp([16], tanh)/; s/0.1 \* apart.*]) }/0.1 * sum_sq(params(a)) }/' >balanced.mtl
expect 0 "balanced"                             "$mtlc" run balanced.mtl --data rows.csv -o balanced -q

# Ctrl-C, and going on to the same bits and the same figures
epochs=400 spec '0.1 * apart([params(a), params(b)])' >long.mtl
expect 0 "a long run"                           "$mtlc" run long.mtl --data rows.csv -o long -q
"$mtlc" run long.mtl --data rows.csv -o cut >out 2>err </dev/null &
pid=$!
n=0
while [ $n -lt 200 ] && ! grep -q '^epoch 3/' err; do sleep 0.02; n=$((n + 1)); done
kill -TERM $pid
got=0
wait $pid || got=$?
if [ $got -eq 130 ]; then
  pass "interrupted: exit 130"
  expect 0 "resume"                             "$mtlc" run --resume cut -q
  check "resumed: equal weights"                cmp cut/weights.safetensors long/weights.safetensors
  terms() { awk '/"terms":/ { on = 1 } /"valid":/ { on = 0 } on' "$1/metrics.json"; }
  terms cut >cut.terms
  terms long >long.terms
  check "resumed: the terms' means"             test "$(grep -c '"value"' cut.terms)" -eq 1200
  check "resumed: equal terms"                  cmp cut.terms long.terms
else
  check "it was faster than the signal"         test $got -eq 0
fi
done_testing
