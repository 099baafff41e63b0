#!/bin/sh
# Tables whose rows are updated where a batch names them: `sgd` gives the bits of the whole update; every target gives the same bits; rows that
# no batch names stay; the cost does not know the table's size. So, too, for a table that several inputs and lists name.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
unset MTLC_TARGET
cat >whole.mtl <<'END'
model shop
input user  : id       { buckets = 5_000 }
input item  : id       { buckets = 300 }
input bag   : list(id) { buckets = 4_000, max = 5 }
input gift, wish : id  { buckets = 4_000 }
input x     : vector(4)
label click : binary
label buy   : binary
let u = embed(user, 8)
let i = embed(item, 1)
let b = mean(embed(bag, 6))
let s = instance embed(7)
let t = concat(gift |> s, sum(bag |> s), wish |> s)
task ctr { head = concat(u, i, b, t, x) |> dense(16, relu) as h |> dense(1) |> sigmoid, loss = bce(click), metric = [logloss] }
task cvr { head = concat(u, x)       |> dense(16, relu) as h |> dense(1) |> sigmoid, loss = bce(buy),   metric = [logloss] }
train { optimizer = adam(0.01), batch = 200, epochs = 2, seed = 3 }
END
sed 's/^\(let [uibs].*\)$/\1 { lazy = true }/' whole.mtl >lazy.mtl
for spec in whole lazy; do
  sed 's/adam(0.01)/sgd(0.1)/' $spec.mtl >$spec-sgd.mtl
  sed 's/adam(0.01)/adagrad(0.1)/' $spec.mtl >$spec-adagrad.mtl
  sed 's/adam(0.01)/rowwise_adagrad(0.1)/' $spec.mtl >$spec-rowwise.mtl
done
sed 's/adam(0.01)/momentum(0.1, momentum = 0)/' whole.mtl >whole-momentum.mtl           # a whole update; that of sgd is by rows anyway
"$mtlc" synth whole.mtl --rows 1500 --seed 4 -o rows.csv -q

expect 0 "the schedule"                     "$mtlc" compile lazy.mtl --emit sched
check "four tables are updated by rows"     test "$(grep -c '^    rows ' out)" -eq 4
check "the ids of each are sorted"          test "$(grep -c host_sort_ids out)" -eq 4
sed 's/train {/train { lazy = true,/' whole.mtl >all.mtl
expect 0 "lazy for all"                     "$mtlc" compile all.mtl --emit sched
check "updates them by rows, too"           test "$(grep -c '^    rows ' out)" -eq 4
sed 's/train {/train { clip = norm(0.05),/' lazy.mtl >clip.mtl
expect 0 "clipped by the norm"              "$mtlc" compile clip.mtl --emit sched
check "no call is as long as a table"       sh -c '! grep -E "^    (map|sum_[a-z]*|spread) .*(\[| over )(5000|300|4000)[],]" out'
expect 0 "explain"                          "$mtlc" explain lazy.mtl
has out "explain says it"                   "40,000, lazy"
for spec in whole lazy whole-sgd whole-momentum lazy-sgd whole-adagrad lazy-adagrad whole-rowwise lazy-rowwise; do
  expect 0 "run $spec"                      "$mtlc" run $spec.mtl --data rows.csv -o $spec -q
done
check "sgd: the bits of the whole update"   cmp whole-momentum/weights.safetensors lazy-sgd/weights.safetensors
check "lazy or not"                         cmp whole-sgd/weights.safetensors lazy-sgd/weights.safetensors
check "adagrad, too"                        cmp whole-adagrad/weights.safetensors lazy-adagrad/weights.safetensors
check "rowwise_adagrad, too"                cmp whole-rowwise/weights.safetensors lazy-rowwise/weights.safetensors
check "adam: other weights"                 sh -c '! cmp -s whole/weights.safetensors lazy/weights.safetensors'
expect 0 "run clip"                         "$mtlc" run clip.mtl --data rows.csv -o clip -q
check "it clips"                            sh -c '! cmp -s clip/weights.safetensors lazy/weights.safetensors'
for target in portable avx2; do
  for spec in lazy clip; do
    MTLC_TARGET=$target "$mtlc" run $spec.mtl --data rows.csv -o $spec-$target -q >/dev/null 2>err || continue
    check "$spec: equal weights by $target" cmp $spec/weights.safetensors $spec-$target/weights.safetensors
  done
done
expect 0 "run whole, from the cache"        env MTLC_MODULE=none "$mtlc" run lazy.mtl --data rows.csv -o again -q
check "equal weights"                       cmp lazy/weights.safetensors again/weights.safetensors
sed 's/let s .*/let s = instance embed(7) { lazy = true, optimizer = lamb(0.01) }/' lazy.mtl >lamb.mtl
expect 0 "lamb"                             "$mtlc" compile lamb.mtl --emit sched
check "is not by rows"                      test "$(grep -c '^    rows ' out)" -eq 3

# a table a hundred times as large: not ten times the time (of the whole update it would be)
cat >big.mtl <<'END'
model big
input user, other : id { buckets = 20_000 }
input seen        : list(id) { buckets = 20_000, max = 3 }
label click       : binary
let u = instance embed(16) { lazy = true }
task ctr { head = concat(user |> u, other |> u, mean(seen |> u)) |> dense(1) |> sigmoid, loss = bce(click) }
train { optimizer = adam(0.01), batch = 256, epochs = 4, clip = norm(1) }
END
sed 's/20_000/2_000_000/' big.mtl >bigger.mtl
"$mtlc" synth big.mtl --rows 5000 --seed 4 -o big.csv -q
step_us() { sed -n 's/^ *"step_us": \([0-9]*\)[.,].*/\1/p' "$1"; }
sed 's/lazy = true/lazy = true, l2 = 0.001, l1 = 1e-6, rate = 2/' bigger.mtl >drawn.mtl
for spec in big bigger drawn; do expect 0 "run $spec" "$mtlc" run $spec.mtl --data big.csv -o $spec --json -q; cp out $spec.json; done
check "the step's time was found"           test -n "$(step_us big.json)" -a -n "$(step_us bigger.json)"
check "a hundred times the table"           test "$(step_us bigger.json)" -lt $((10 * $(step_us big.json) + 500))
check "drawn to zero, no dearer"            test "$(step_us drawn.json)" -lt $((10 * $(step_us big.json) + 500))

done_testing
