#!/bin/sh
# A run whose spec has vocabularies of files is complete in itself: it keeps their values.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
mkdir -p models/parts away
cat >models/parts/plans.mtl <<'END'
input plan, prior : category { vocab = file("plans.txt"), missing = own }  # ä: places are of bytes
END
cat >models/shop.mtl <<'END'
model shop
edition 2026
import "parts/plans.mtl"
input age : real
input tags : list(category) { vocab = "lists/tags.txt" }
label bought : binary
let x = concat(age, embed(plan, 4), embed(prior, 4), mean(embed(tags, 4)))
task buy { head = x |> dense(1) |> sigmoid, loss = bce(bought) }
train { optimizer = adam(lr = 0.01), batch = 32 }
END
mkdir models/lists
printf 'free\r\nbasic\n\ngold plus\n' >models/plans.txt
printf 'red\ngreen\nviolet\nblue\n' >models/lists/tags.txt
awk 'BEGIN {
  split("free,basic,gold plus,other,", plan, ","); split("red green,blue,,red blue green,black", tags, ",")
  print "age,plan,prior,tags,bought"
  for (i = 0; i < 300; i++) printf "%d,%s,%s,%s,%d\n", i % 37, plan[i % 5 + 1], plan[i % 3 + 1], tags[i * 7 % 5 + 1], i % 3 == 0 }' >rows.csv

expect 0 "run"                                "$mtlc" run models/shop.mtl --data rows.csv --epochs 2 -o runs/one -q
printf 'basic\nfree\ngold plus\n' >want
check "the values are kept, sorted"           cmp want runs/one/vocab.plan.txt
check "those of another input too"            grep -qx green runs/one/vocab.tags.txt
check "the run's spec names them"             grep -qF 'category { vocab = "vocab.plan.txt", missing = own }  # ä' runs/one/spec.mtl
"$mtlc" hash models/shop.mtl >hashes
for scope in contract weights; do
  check "run.json: $scope is the spec's"      grep -q "\"$scope\": \"$(sed -n "s/^$scope *//p" hashes)\"" runs/one/run.json
done
"$mtlc" hash runs/one >got
check "hash of the run: as the spec's"        sh -c 'grep "^[cw]" hashes >a; grep "^[cw]" got >b; cmp a b'
"$mtlc" hash runs/one/spec.mtl >got
check "of its spec alone too"                 sh -c 'grep "^[cw]" got >b; cmp a b'
check "the lock has their digests"            grep -q '^vocabulary plan file .*sha256:' runs/one/spec.lock
expect 0 "diff with the spec"                 "$mtlc" diff models/shop.mtl runs/one/spec.mtl
has out "it is the same model"                "are the same model"
expect 0 "reproduce"                          "$mtlc" reproduce runs/one
has out "bit by bit"                          "runs/one is reproduced: the same weights, bit by bit"
check "nothing else is said"                  test "$(wc -l <out)" -eq 1
expect 0 "freeze"                             "$mtlc" freeze runs/one/spec.mtl
expect 0 "freeze --verify"                    "$mtlc" freeze --verify runs/one/spec.mtl

# Another folder, and a spec that starts from the run.
run=$tmp/runs/one rows=$tmp/rows.csv
cd away || exit 99
expect 0 "eval from elsewhere"                "$mtlc" eval "$run" --data "$rows"
expect 0 "predict from elsewhere"             "$mtlc" predict "$run" --data "$rows" -o was.csv -q
expect 0 "reproduce from elsewhere"           "$mtlc" reproduce "$run"
expect 0 "plan from elsewhere"                "$mtlc" plan "$run" "$tmp/models/shop.mtl"
expect 0 "diff from elsewhere"                "$mtlc" diff "$run" "$tmp/models/shop.mtl"
expect 0 "run --from"                         "$mtlc" run "$tmp/models/shop.mtl" --from "$run" --data "$rows" --epochs 1 -o "$tmp/runs/two" -q
expect 0 "it is reproduced"                   "$mtlc" reproduce "$tmp/runs/two"
expect 0 "the run's spec is a spec"           "$mtlc" run "$run/spec.mtl" --data "$rows" --epochs 2 -o "$tmp/runs/three" -q
check "the same weights"                      cmp "$run/weights.safetensors" "$tmp/runs/three/weights.safetensors"
check "a value of the file that no row has is kept" grep -qx violet "$tmp/runs/three/vocab.tags.txt"
cd "$tmp" || exit 99

# The file changed, or gone: the run goes by what it has, and says so.
echo trial >>models/plans.txt
expect 0 "a file that changed: reproduce"     "$mtlc" reproduce runs/one
has out "what it used"                        "of the run itself: runs/one/vocab.plan.txt, the vocabulary of \`plan\`, in place of"
has out "what changed"                        "bytes, and had"
has out "the same bits"                       "is reproduced"
expect 0 "plan: a value more"                 "$mtlc" plan runs/one models/shop.mtl
has out "it is named"                         "its \`vocab\` is [\"basic\", \"free\", \"gold plus\", \"trial\"], and was"
rm -r models
expect 0 "no file, no spec: reproduce"        "$mtlc" reproduce runs/one --json
has out "--json: what it used"                "runs/one/vocab.tags.txt, the vocabulary of \`tags\`"
has out "--json: why"                         "it cannot be read"
mv runs/one moved
expect 0 "a run that was moved: predict"      "$mtlc" predict moved --data rows.csv -o is.csv -q
check "the same predictions"                  cmp away/was.csv is.csv
expect 0 "eval"                               "$mtlc" eval moved
expect 0 "hash"                               "$mtlc" hash moved
expect 0 "diff of runs"                       "$mtlc" diff moved runs/three

# What the run keeps was changed: nothing is trained.
echo trial >>moved/vocab.plan.txt
expect 1 "a kept file that changed"           "$mtlc" reproduce moved
has out "it is named"                         "changed since: the vocabulary of \`plan\` (moved/vocab.plan.txt)"
rm moved/vocab.plan.txt
expect 1 "a kept file that is gone"           "$mtlc" reproduce moved
has out "it says so"                          "it cannot be read"

# A run that is gone on with tells of the file that it was begun with.
"$mtlc" run runs/three/spec.mtl --data rows.csv --epochs 2000 -o runs/long >out 2>err &
pid=$!
n=0
while [ $n -lt 200 ] && ! grep -q 'epoch 3/' err; do sleep 0.02; n=$((n + 1)); done
kill -TERM $pid
wait $pid
check "interrupted: exit 130"                 test $? -eq 130
cp runs/long/vocab.plan.txt want
expect 0 "run --resume"                       "$mtlc" run --resume runs/long -q
check "the values are there"                  cmp want runs/long/vocab.plan.txt
has runs/long/run.json "run.json: of which file" "runs/three/vocab.plan.txt"
expect 0 "it is reproduced"                   "$mtlc" reproduce runs/long
done_testing
