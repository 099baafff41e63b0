#!/bin/sh
# What differs between training and use: dropout, batch norm. The same bits by every instruction set, after a resume, and from the
# weights alone; the state that no gradient trains is saved with them.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
cat >model.mtl <<'END'
model state
edition 2026
input x : vector(12)
label l : binary
let h = x |> dense(32, relu) |> batch_norm(decay = 0.9) |> dropout(0.5) |> dense(16, relu) as second |> dropout(0.2)
task k { head = h |> dense(1) |> sigmoid, loss = bce(l) }
train { batch = 48, epochs = 3, split = fraction(train = 0.8, valid = 0.2), seed = 4 }
END
expect 0 "rows" "$mtlc" synth model.mtl --rows 500 --seed 2 -o rows.csv
expect 0 "run" "$mtlc" run model.mtl --data rows.csv -o one -q
check "the running mean is saved" grep -q 'h.batch_norm.old_mu' one/weights.safetensors
check "the running variance is saved" grep -q 'h.batch_norm.old_var' one/weights.safetensors
expect 0 "run again" "$mtlc" run model.mtl --data rows.csv -o two -q
check "equal weights of two runs" cmp one/weights.safetensors two/weights.safetensors
expect 0 "another seed" "$mtlc" run model.mtl --data rows.csv -o three -q --seed 5
check "other weights" sh -c '! cmp -s one/weights.safetensors three/weights.safetensors'
for target in portable avx2; do
  if MTLC_TARGET=$target "$mtlc" run model.mtl --data rows.csv -o $target -q >/dev/null 2>err; then
    check "equal weights by $target" cmp one/weights.safetensors $target/weights.safetensors
  else
    check "$target is not for this processor" grep -q bad-target err
  fi
done

# ---- a prediction knows no neighbours: rows one by one, and all at once
expect 0 "predict" "$mtlc" predict one --data rows.csv -o all.csv -q
{ head -n 1 rows.csv; sed -n 8p rows.csv; } >row.csv
expect 0 "predict one row" "$mtlc" predict one --data row.csv -o single.csv -q
sed -n 8p all.csv | cut -d, -f2- >want
sed -n 2p single.csv | cut -d, -f2- >got
check "the same prediction" cmp want got

# ---- Ctrl-C, and going on to the same bits
expect 0 "a long run" "$mtlc" run model.mtl --data rows.csv -o long --epochs 300 -q
"$mtlc" run model.mtl --data rows.csv -o cut --epochs 300 >out 2>err &
pid=$!
n=0
while [ $n -lt 200 ] && ! grep -q 'epoch 3/' err; do sleep 0.02; n=$((n + 1)); done
kill -TERM $pid
got=0
wait $pid || got=$?
if [ $got -eq 0 ]; then
  pass "it was faster than the signal"
else
  check "interrupted: exit code 130 or 143" sh -c "[ $got -eq 130 ] || [ $got -eq 143 ]"
  expect 0 "resume" "$mtlc" run --resume cut -q
  check "resumed: equal weights" cmp cut/weights.safetensors long/weights.safetensors
fi
done_testing
