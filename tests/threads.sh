#!/bin/sh
# Threads: the same weights and predictions, to the bit, for any number of them, whether kernels come from the cache or not; what --threads takes.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
cat >dense.mtl <<'END'
model dense
input features     : vector(30)
label liked, acted : binary
shared trunk = features |> dense(64, relu) as wide |> dense(32, relu) as narrow
task like { head = trunk |> dense(1) |> sigmoid, loss = bce(liked), metric = [auc] }
task act  { head = trunk |> dense(1) |> sigmoid, loss = mse(acted) }
train { batch = 2048, epochs = 4, optimizer = adam(0.003) }
END
cat >experts.mtl <<'END'
model experts
import "std/moe.mtl"
input a, b, c, d   : category { vocab = ["p", "q", "r", "s", "t"] }
input size, weight : real { scale = zscore }
label liked, acted : binary
let x = concat(repeat(k in [a, b, c, d], embed(k, 16)), size, weight)
shared views = x |> mmoe(["like", "act"], experts = 8, widths = [64, 64])
task like { head = views.like |> mlp([32]) |> dense(1) |> sigmoid, loss = bce(liked), metric = [auc] }
task act  { head = views.act |> mlp([32]) |> dense(1) |> sigmoid,  loss = bce(acted), metric = [auc] }
train { batch = 1024, epochs = 3, optimizer = adam(0.003) }
END
cat >tables.mtl <<'END'
model tables
input user, item, shop : id { buckets = 30_000 }
input seen             : list(id) { buckets = 30_000, max = 4 }
input price            : real { scale = zscore }
label liked, acted     : binary
let items = instance embed(16) { lazy = true }
shared x = concat(embed(user, 16), item |> items, sum(seen |> items), embed(shop, 16), price) |> mlp([256, 128]) { lazy = true }
task like { head = x |> dense(1) |> sigmoid, loss = bce(liked), metric = [auc] }
task act  { head = x |> dense(1) |> sigmoid, loss = bce(acted), metric = [auc] }
train { batch = 2048, epochs = 3, optimizer = adam(0.003) }
END
sed 's/train {/train { clip = norm(0.1),/' tables.mtl >clipped.mtl
cat >ids.mtl <<'END'
model ids
input n            : vector(13)
input c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12 : id { buckets = 38_461 }
input d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12 : id { buckets = 38_461 }
label liked, acted : binary
shared x = concat(repeat(c in [c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12], embed(c, 16)),
                  repeat(c in [d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12], embed(c, 16)), n) { lazy = true, optimizer = rowwise_adagrad(0.01) }
shared h = x |> mlp([256, 128])
task like { head = h |> dense(1) |> sigmoid, loss = bce(liked) }
task act  { head = h |> dense(1) |> sigmoid, loss = bce(acted) }
train { batch = 2048, epochs = 2, optimizer = adam(0.003) }
END
for spec in dense experts tables clipped ids; do
  "$mtlc" synth $spec.mtl --rows 7000 --seed 3 -o $spec.csv -q         # the last batch is short
  for cache in cold warm; do
    for n in 1 2 3 4; do
      [ $cache = warm ] || rm -rf cache
      expect 0 "$spec, $n threads, $cache cache"  env XDG_CACHE_HOME="$tmp/cache" "$mtlc" run $spec.mtl --data $spec.csv --threads $n \
        -o $spec-$n-$cache --json -q
      has out "it had as many"                    "\"threads\": $n"
      check "the weights of one thread"           cmp $spec-1-cold/weights.safetensors $spec-$n-$cache/weights.safetensors
    done
  done
  for n in 1 3; do
    expect 0 "predict with $n threads"            "$mtlc" predict $spec-2-warm --data $spec.csv --threads $n -o $spec-$n.csv -q
    expect 0 "eval with $n threads"               "$mtlc" eval $spec-2-warm --threads $n
    mv out $spec-$n.eval
  done
  check "predictions are equal"                   cmp $spec-1.csv $spec-3.csv
  check "metrics are equal"                       cmp $spec-1.eval $spec-3.eval
done

sed 's/batch = 2048/batch = 32/' dense.mtl >small.mtl
expect 0 "small steps"                            "$mtlc" run small.mtl --data dense.csv --threads 2 -o small --epochs 1 --json -q
has out "stay on one thread"                      '"threads": 1'

for n in 0 -1 two 1.5 5000; do
  expect 2 "--threads $n"                         "$mtlc" run dense.mtl --data dense.csv --threads $n -o no
  has err "what it takes"                         "\`--threads\` takes a whole number from 1 to 1024, not \`$n\`"
done
expect 2 "check has no threads"                   "$mtlc" check dense.mtl --threads 2
has err "says so"                                 "unknown option \`--threads\`"
done_testing
