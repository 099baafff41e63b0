#!/bin/sh
# Products of embeddings pushed through their gathers: what switches it, that it changes no result but by rounding, and that bits depend on
# neither the target nor the batch a row is in. And the names that `perf` finds for the kernels.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
unset MTLC_PUSH MTLC_TARGET MTLC_PERF_MAP
cat >shop.mtl <<'END'
model shop
input city, kind, tag : category { vocab = ["a", "b", "c", "d", "e", "f"] }
input price           : real { scale = zscore }
label click, buy      : binary
let x = concat(embed(city, 16), price, embed(kind, 16), embed(tag, 16))
task ctr { head = x |> dense(24, relu) as one |> dense(1) |> sigmoid, loss = bce(click), metric = [logloss] }
task cvr { head = x |> dense(16, relu) as two |> dense(1) |> sigmoid, loss = bce(buy), metric = [logloss] }
train { batch = 1024, epochs = 4, optimizer = adam(0.003) }
END
"$mtlc" synth shop.mtl --rows 3000 --seed 2 -o rows.csv -q

expect 4 "a word that MTLC_PUSH does not know" env MTLC_PUSH=maybe "$mtlc" run shop.mtl --data rows.csv -o no -q
has err "what it knows"                        "off, auto, on"
check "and no run"                             test ! -e no
expect 0 "explain"                             "$mtlc" explain shop.mtl
has out "what is saved"                        "tables           3 multiplied by the weights of 2 products before their rows are gathered"
has out "two are one table of sums"            "; 1 pair of them as tables of sums"
sed 's/batch = 1024/batch = 512/' shop.mtl >small.mtl
expect 0 "explain for a smaller batch"         "$mtlc" explain small.mtl
check "the sums would cost more"               sh -c 'grep "^tables  *3" out && ! grep "of sums" out'
expect 0 "explain without"                     env MTLC_PUSH=off "$mtlc" explain shop.mtl
check "nothing is saved"                       sh -c '! grep "^tables" out'

for way in off on auto; do
  expect 0 "run with $way"                     env MTLC_PUSH=$way "$mtlc" run shop.mtl --data rows.csv -o $way --json -q
  cp out $way.json
  expect 0 "predict with $way"                 env MTLC_PUSH=$way "$mtlc" predict $way --data rows.csv -o $way.csv -q
done
check "auto pushes here"                       cmp on/weights.safetensors auto/weights.safetensors
check "the bits are others"                    sh -c '! cmp -s on/weights.safetensors off/weights.safetensors'
paste -d, on.csv off.csv >both.csv
check "predictions differ by rounding"         awk -F, 'NR > 1 { for (i = 1; i <= NF / 2; i++) { d = $i - $(i + NF / 2); if (d < 0) d = -d; if (d > 1e-4) exit 1 } n++ } END { exit n == 3000 ? 0 : 1 }' both.csv

head -n 6 rows.csv >few.csv
expect 0 "a few rows alone"                    env MTLC_PUSH=on "$mtlc" predict on --data few.csv -o few_out.csv -q
head -n 6 on.csv >few_want.csv
check "have the bits that they have among all" cmp few_out.csv few_want.csv
for target in portable avx2; do
  MTLC_PUSH=on MTLC_TARGET=$target "$mtlc" run shop.mtl --data rows.csv -o on-$target -q >/dev/null 2>err || continue
  check "equal weights by $target"             cmp on/weights.safetensors on-$target/weights.safetensors
done

expect 0 "names for perf"                      sh -c 'echo $$ >pid; MTLC_PERF_MAP=1 exec "$0" run shop.mtl --data rows.csv -o mapped -q' "$mtlc"
map=/tmp/perf-$(cat pid).map
check "a line for each kernel and phase"       grep -Eq '^[0-9a-f]+ [0-9a-f]+ train_0$' "$map"
check "kernels have the names of the spec"     grep -Eq '^[0-9a-f]+ [0-9a-f]+ dot\.x\.city\.table' "$map"
check "nothing else"                           sh -c '! grep -Evq "^[0-9a-f]+ [0-9a-f]+ [^ ]+$" "$0"' "$map"
rm -f "$map"
done_testing
