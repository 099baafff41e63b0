#!/bin/sh
# Products of rows that a batch's distinct ids name: what switches it, that it changes no result but by rounding, and that bits depend on
# neither the target, the number of threads nor the batch a row is in.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
unset MTLC_PUSH MTLC_DISTINCT MTLC_TARGET
cat >shop.mtl <<'SPEC'
model shop
input user, item : id { buckets = 20_000 }
input seen       : list(id) { like = item, max = 12, separator = "|" }
input kind       : category { vocab = ["a", "b", "c", "d", "e", "f"] }
input price      : real { scale = zscore }
label click, buy : binary
let mine = user |> embed(32)
let past = seen |> embed(24) as items |> dense(32, relu) as layer
let x    = concat(mine, item |> embed(32) as items, price, kind |> embed(3) as kinds, mean(past, axis = 0))
task ctr { head = x |> dense(64, relu) as one |> dense(1) |> sigmoid, loss = bce(click), metric = [logloss] }
task cvr { head = mine |> dense(16, relu) as two |> dense(1) as three |> sigmoid, loss = bce(buy), metric = [logloss] }
train { batch = 1024, epochs = 1, optimizer = sgd(0.1), lazy = true }
SPEC
# Heavy-tailed: a few ids are in most rows. Lists are of any length, many of none. The last of an epoch's three batches is short.
awk 'BEGIN { srand(5); print "user,item,seen,kind,price,click,buy"
  for (i = 0; i < 3000; i++) {
    seen = ""; n = int(13 * rand())
    for (k = 0; k < n; k++) seen = seen (k ? "|" : "") int(exp(7 * rand()))
    printf "u%d,%d,%s,%s,%.4f,%d,%d\n", int(exp(9 * rand())), int(exp(7 * rand())), seen, substr("abcdef", 1 + int(6 * rand()), 1), rand(), rand() < 0.3, rand() < 0.1
  } }' >rows.csv

expect 4 "a word that MTLC_DISTINCT does not know" env MTLC_DISTINCT=maybe "$mtlc" run shop.mtl --data rows.csv -o no -q
has err "what it knows"                        "MTLC_DISTINCT=maybe is none of off, auto, on"
check "and no run"                             test ! -e no
expect 0 "explain"                             "$mtlc" explain shop.mtl
has out "what is saved"                        "distinct ids     4 tables multiplied by the weights of 3 products for the distinct ids of a batch alone, about "
expect 0 "explain without"                     env MTLC_DISTINCT=off "$mtlc" explain shop.mtl
check "nothing is saved"                       sh -c '! grep "^distinct" out'
MTLC_DISTINCT=on
export MTLC_DISTINCT
expect 0 "the schedule"                        "$mtlc" compile shop.mtl --emit sched
check "the ids of each input are sorted once"  test "$(sed -n '/phase train_0/,/phase eval_0/p' out | grep -c host_sort_ids)" -eq 4
check "no call is as long as a table"          sh -c '! grep -E "^    (map|sum_[a-z]*|spread|dot) .*(\[| over )20000[],]" out'
unset MTLC_DISTINCT

# Numbers of two files of predictions, side by side: equal to 1e-5 of their size.
alike() { paste -d, "$1" "$2" | awk -F, 'NR > 1 { for (i = 2; i <= NF / 2; i++) { d = $i - $(i + NF / 2); if (d < 0) d = -d; if (d > 1e-5 * $i) exit 1; n++ } } END { exit n == 6000 ? 0 : 1 }'; }
run() {                                        # run WAY SPEC FOLDER [OPTION…]
  way=$1 spec=$2 to=$3
  shift 3
  expect 0 "run $to"                           env MTLC_DISTINCT="$way" "$mtlc" run "$spec" --data rows.csv -o "$to" -q "$@"
  expect 0 "predict $to"                       env MTLC_DISTINCT="$way" "$mtlc" predict "$to" --data rows.csv -o "$to.csv" -q
}
for clip in none 'norm(0.02)'; do
  for lazy in true false; do
    sed "s/lazy = true/lazy = $lazy, clip = $clip/" shop.mtl >now.mtl
    run off now.mtl "off-$lazy-$clip"
    run on now.mtl "on-$lazy-$clip"
    check "predictions differ by rounding"     alike "off-$lazy-$clip.csv" "on-$lazy-$clip.csv"
    check "and the bits are others"            sh -c '! cmp -s "off-$1/weights.safetensors" "on-$1/weights.safetensors"' sh "$lazy-$clip"
  done
  check "lazy or not"                          cmp "on-true-$clip/weights.safetensors" "on-false-$clip/weights.safetensors"
done
check "it clips"                               sh -c '! cmp -s "on-true-none/weights.safetensors" "on-true-norm(0.02)/weights.safetensors"'

sed 's/epochs = 1, optimizer = sgd(0.1)/epochs = 3, optimizer = adam(0.01)/' shop.mtl >long.mtl
run on long.mtl long
for threads in 1 2 3 4; do
  run on long.mtl "long-$threads" --threads $threads
  check "equal weights by $threads threads"    cmp long/weights.safetensors "long-$threads/weights.safetensors"
done
for target in portable avx2; do
  MTLC_DISTINCT=on MTLC_TARGET=$target "$mtlc" run long.mtl --data rows.csv -o "long-$target" -q >/dev/null 2>err || continue
  check "equal weights by $target"             cmp long/weights.safetensors "long-$target/weights.safetensors"
done
expect 0 "from the cache"                      env MTLC_DISTINCT=on MTLC_MODULE=none "$mtlc" run long.mtl --data rows.csv -o again -q
check "equal weights"                          cmp long/weights.safetensors again/weights.safetensors
head -n 6 rows.csv >few.csv
expect 0 "a few rows alone"                    env MTLC_DISTINCT=on "$mtlc" predict long --data few.csv -o few_out.csv -q
head -n 6 long.csv >few_want.csv
check "have the bits that they have among all" cmp few_out.csv few_want.csv

# what the training rows have of each value decides, where a vocabulary is learned
sed 's/id { buckets = 20_000 }/category/; s/list(id)/list(category)/' shop.mtl >learned.mtl
expect 0 "few ids, often"                      "$mtlc" compile learned.mtl --data rows.csv --emit sched
has out "are multiplied once each"             "dot ctr.one.w [distinct "
awk -F, -v OFS=, 'NR > 1 { $1 = "u" NR; $2 = NR; $3 = NR } 1' rows.csv >once.csv
expect 0 "each id in one row"                  "$mtlc" compile learned.mtl --data once.csv --emit sched
check "is left in its row"                     sh -c '! grep -F "dot ctr.one.w [distinct " out'
done_testing
