#!/bin/sh
# What no step changes of a row (frozen layers) is computed once and kept: what switches it, and that it changes no bit of the weights, whatever
# else a step does; with no room for it, after an interruption, for any number of threads.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
unset MTLC_KEEP
cat >base.mtl <<'END'
model shop
input features : vector(20) { scale = zscore }
input city     : category { vocab = ["a", "b", "c", "d", "e", "f"] }
input seen     : list(category) { max = 5 }
label click    : binary
let trunk = concat(features, embed(city, 8), mean(embed(seen, 4))) |> dense(48, relu) as wide |> batch_norm() |> dropout(0.2) |> dense(16, relu) as narrow
task ctr { head = trunk |> dense(1) |> sigmoid, loss = bce(click), metric = [logloss] }
train { batch = 32, epochs = 1, optimizer = adam(0.003) }
END
cat >next.mtl <<'END'
model shop
from base { file = "base" }
input features : vector(20) { scale = zscore }
input city     : category { vocab = ["a", "b", "c", "d", "e", "f"] }
input seen     : list(category) { max = 5 }
label click, buy : binary
shared trunk = concat(features, embed(city, 8), mean(embed(seen, 4))) |> dense(48, relu) as wide |> batch_norm() |> dropout(0.2) |> dense(16, relu) as narrow { freeze = true }
task ctr { head = trunk |> dense(1) |> sigmoid, loss = bce(click), freeze = true, metric = [logloss] }
task cvr { head = concat(trunk, features) |> dense(8, relu) as one |> dropout(0.1) |> dense(1) |> sigmoid, loss = bce(buy), metric = [logloss] }
train { batch = 32, epochs = 5, optimizer = adam(0.003) }
END
"$mtlc" synth base.mtl --rows 600 --seed 2 -o old.csv -q
"$mtlc" synth next.mtl --rows 1300 --seed 4 -o rows.csv -q
expect 0 "the run to start from"               "$mtlc" run base.mtl --data old.csv -o base -q

expect 4 "a word that MTLC_KEEP does not know" env MTLC_KEEP=maybe "$mtlc" run next.mtl --data rows.csv -o no -q
has err "what it knows"                        "MTLC_KEEP=maybe is none of off, auto, on"
check "and no run"                             test ! -e no
expect 0 "explain"                             "$mtlc" explain next.mtl
has out "what is saved"                        "frozen           38 numbers of a row are computed once, then kept: "
expect 0 "explain --json"                      "$mtlc" explain next.mtl --json
has out "the same"                             '"numbers": 38'
expect 0 "explain without"                     env MTLC_KEEP=off "$mtlc" explain next.mtl
check "nothing is saved"                       sh -c '! grep "are computed once" out'
expect 0 "explain where nothing is frozen"     "$mtlc" explain base.mtl
check "nothing is saved"                       sh -c '! grep "are computed once" out'
expect 0 "a program of its own"                "$mtlc" compile next.mtl --data rows.csv --emit sched
has out "it comes before the step"             "phase keep_0"

same() { check "$1" cmp off/weights.safetensors "$2"/weights.safetensors; }
MTLC_KEEP=off "$mtlc" run next.mtl --data rows.csv -o off -q >/dev/null || exit 99
for way in auto on; do
  expect 0 "run with $way"                     env MTLC_KEEP=$way "$mtlc" run next.mtl --data rows.csv -o $way -q
  same "the same weights"                      $way
done
expect 0 "no room to keep anything"            "$mtlc" run next.mtl --data rows.csv -o tight -q --memory 100K
same "the same weights"                        tight
expect 0 "three threads"                       "$mtlc" run next.mtl --data rows.csv -o three -q --threads 3
same "the same weights"                        three
(cd / && exec "$mtlc" run "$tmp/next.mtl" --data "$tmp/rows.csv" -o "$tmp/cut" -q --epochs 5 >/dev/null 2>&1) &
wait
same "from another folder"                     cut

# Groups of rows in a batch, a product pushed through a gather, balancing that looks at the batch again.
balanced() {
  sed 's/^label click, buy.*/&\ninput user : id { buckets = 50 }/; s/batch = 32/batch = groups(128, by = user), balance = famo/' next.mtl >other.mtl
}
balanced
expect 0 "rows that go on from it"             "$mtlc" check other.mtl
"$mtlc" synth other.mtl --rows 1300 --seed 4 -o other.csv -q
for way in off auto; do
  expect 0 "groups, balancing, $way"           env MTLC_KEEP=$way "$mtlc" run other.mtl --data other.csv -o other-$way -q
done
check "the same weights"                       cmp other-off/weights.safetensors other-auto/weights.safetensors
done_testing
