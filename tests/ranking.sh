#!/bin/sh
# Losses over pairs of rows, and batches that cut no group: the same bits for any threads and target, from a checkpoint too; groups that
# are too large; what is learned.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
unset MTLC_TARGET
spec=$top/specs/ranking.mtl
expect 0 "rows"                                   "$mtlc" synth "$spec" --rows 900 --seed 4 -o rows.csv
expect 0 "run"                                    "$mtlc" run "$spec" --data rows.csv -o one -q
expect 0 "run on two threads"                     "$mtlc" run "$spec" --data rows.csv -o two -q --threads 2
check "the same weights"                          cmp one/weights.safetensors two/weights.safetensors
expect 0 "run with portable kernels"              env MTLC_TARGET=portable "$mtlc" run "$spec" --data rows.csv -o portable -q
check "the same weights from portable kernels"    cmp one/weights.safetensors portable/weights.safetensors

# ---- predictions stand where their rows do, whatever order an evaluation took
expect 0 "predict"                                "$mtlc" predict one --data rows.csv -o all.csv -q
(sed -n 1p rows.csv; sed -n '402,901p' rows.csv) >half.csv
expect 0 "predict the second half"                "$mtlc" predict one --data half.csv -o half_p.csv -q
sed -n '402,901p' all.csv >want
sed 1d half_p.csv >got
cut -d, -f2- want >want_values
cut -d, -f2- got >got_values
check "a row's prediction is its own"             cmp want_values got_values

# ---- a group that fits in no batch
sed 's/groups(64/groups(3/' "$spec" >small.mtl
expect 3 "a group larger than a batch"            "$mtlc" run small.mtl --data rows.csv -o small -q
has err "it says so"                              'large-group'
has err "and names the column"                    'column "session"'
check "and leaves no run folder"                  test ! -e small

# ---- two sessions apart by far in what they pay: pairs within sessions learn the order, and nothing of the sessions
cat >order.mtl <<'X'
model order
edition 2026
input x : real { scale = none }
label y : real
task t { head = x |> dense(1, bias = false), loss = bpr(y, by = data.s), metric = [rmse] }
train { batch = groups(8, by = data.s), optimizer = sgd(0.5), epochs = 60, split = fraction(train = 1, valid = 0, test = 0) }
X
awk 'BEGIN { print "x,y,s"; for (i = 0; i < 64; i++) { s = int(i / 4); x = (i % 4) / 4; print x + s * 3 "," x - s * 3 "," s } }' >order.csv
expect 0 "run on sessions"                        "$mtlc" run order.mtl --data order.csv -o order -q
expect 0 "predict their rows"                     "$mtlc" predict order --data order.csv -o order_p.csv
check "within each session the order is right"    awk -F, 'NR > 1 { p = $NF; if ((NR - 2) % 4 && !(p > last)) bad = 1; last = p } END { exit bad }' order_p.csv

# ---- Ctrl-C, and going on to the same bits
sed 's/epochs    = 4/epochs    = 300/' "$spec" >long.mtl
expect 0 "a long run"                             "$mtlc" run long.mtl --data rows.csv -o long -q
"$mtlc" run long.mtl --data rows.csv -o cut >out 2>err &
pid=$!
n=0
while [ $n -lt 200 ] && ! grep -q 'epoch 3/' err; do sleep 0.02; n=$((n + 1)); done
kill -TERM $pid
wait $pid
code=$?
if [ $code -eq 130 ]; then
  expect 0 "resume"                               "$mtlc" run --resume cut -q
  check "resumed: equal weights"                  cmp cut/weights.safetensors long/weights.safetensors
else
  fail "interrupted: exit 130, not $code"
fi
done_testing
