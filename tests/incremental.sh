#!/bin/sh
# A task added to a trained run (`from`): what is loaded, what starts anew; the old tasks' predictions stay, byte for byte; what does not fit.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
cp "$top"/specs/incremental_base.mtl base.mtl
cp "$top"/specs/incremental.mtl new.mtl
"$mtlc" synth base.mtl --rows 400 --seed 4 -o old.csv || exit 99
"$mtlc" synth new.mtl --rows 600 --seed 3 -o new.csv || exit 99

expect 0 "check without the run"                "$mtlc" check new.mtl
has err "it says what it could not check"       "warning[run-not-here]: there is no run in \`runs/v4\`"
expect 1 "check --strict without the run"       "$mtlc" check --strict new.mtl
expect 2 "run without the run"                  "$mtlc" run new.mtl --data new.csv -o runs/v5
has err "it names the place"                    "new.mtl:6:18: error[no-run]"
check "nothing is left"                         test ! -e runs/v5
expect 0 "the run to start from"                "$mtlc" run base.mtl --data old.csv -o runs/v4 -q
expect 0 "check with the run"                   "$mtlc" check --strict new.mtl
expect 0 "run"                                  "$mtlc" run new.mtl --data new.csv -o runs/v5
has out "the report says what was loaded"       "from runs/v4: 9 tensors loaded, 4 anew, 0 left"
has err "what is loaded, by name"               "9 tensors loaded: ctr (2), cvr (2), trunk (5)"
has err "what starts anew, by name"             "4 tensors starting anew: returns (4)"
has err "what was learned of the inputs"        "what it learned of 2 of 3 inputs"

# The old tasks, on rows that neither run has seen all of, with categories that are new.
"$mtlc" predict runs/v4 --data new.csv -o before.csv -q
"$mtlc" predict runs/v5 --data new.csv -o after.csv -q
cut -d, -f2,3 before.csv | sed 1d >before
cut -d, -f2,3 after.csv | sed 1d >after
check "the old tasks predict as before"         cmp before after
check "the predictions are not all the same"    test "$(sort -u before | wc -l)" -gt 500
expect 0 "without starting from it"             "$mtlc" run base.mtl --data new.csv -o runs/other --epochs 1 -q
"$mtlc" predict runs/other --data new.csv -o other.csv -q
cut -d, -f2,3 other.csv | sed 1d >other
check "another run predicts otherwise"          sh -c '! cmp -s before other'
check "the new task learns"                     sh -c '"$0" eval runs/v5 --data new.csv | grep -E "^returns +auc +0\.([6-9]|5[5-9])"' "$mtlc"

# Batches of another size, and other rows first: still.
sed 's/epochs = 3/epochs = 2, batch = 256/' new.mtl >batch.mtl
expect 0 "another batch"                        "$mtlc" run batch.mtl --data new.csv -o runs/batch -q
"$mtlc" predict runs/batch --data new.csv -o after.csv -q
cut -d, -f2,3 after.csv | sed 1d >after
check "the old tasks predict as before"         cmp before after

expect 0 "run --json"                           "$mtlc" run new.mtl --data new.csv -o runs/v6 --json -q
for text in '"run": "runs/v4"' '"action": "keep"' '"action": "initialise"' '"old_path": "conversion.dense.w"' '"frozen": true' \
  'renamed from `conversion`'; do has out "run --json has $text" "$text"; done
check "the same run again: the same weights"    cmp runs/v5/weights.safetensors runs/v6/weights.safetensors
has out "model of the run"                      '"model": "shop"'
check "run.json says what it started from"      grep -q '"run": "runs/v4"' runs/v5/run.json
check "a run from a run from a run"             sh -c 'sed "s,runs/v4,runs/v5,; s/, renamed_from = conversion//; s/version = 5/version = 6/" new.mtl >third.mtl &&
  "$0" check third.mtl && "$0" run third.mtl --data new.csv -o runs/v7 --epochs 1 -q' "$mtlc"
"$mtlc" predict runs/v7 --data new.csv -o after.csv -q
cut -d, -f2,3 after.csv | sed 1d >after
check "the old tasks predict as before"         cmp before after
expect 0 "reproduce: from where it started"     "$mtlc" reproduce runs/v5
has out "the same weights"                      "runs/v5 is reproduced"
mv runs/v4 runs/away
expect 0 "a run stands alone: eval"             "$mtlc" eval runs/v5
expect 0 "and predict"                          "$mtlc" predict runs/v5 --data new.csv
mv runs/away runs/v4

# More rows than memory: the rows of a run that learned anew are not taken for those of one that did not.
sed '/^from/d; s/, freeze = true//; s/freeze = true//; s/, renamed_from = conversion//' new.mtl >plain.mtl
expect 0 "rows on disk: anew"                   "$mtlc" run plain.mtl --data new.csv -o runs/plain --epochs 1 --memory 1K -q
expect 0 "rows on disk: from the run"           "$mtlc" run new.mtl --data new.csv -o runs/disk --memory 1K -q
check "the same weights as in memory"           cmp runs/v5/weights.safetensors runs/disk/weights.safetensors
expect 0 "rows on disk: anew, again"            "$mtlc" run plain.mtl --data new.csv -o runs/plain2 --epochs 1 --memory 1K -q
check "the same preparation as the first"       cmp runs/plain/prep.json runs/plain2/prep.json

expect 2 "compare starts from nothing"          "$mtlc" compare new.mtl --data new.csv --seeds 2 --epochs 1
has err "it says so"                            "new.mtl:6:6: error[unsupported]"

# What does not fit.
wrong() {      # NAME EDIT TEXT…: the spec with EDIT is wrong, and the message has the texts
  name=$1
  sed "$2" new.mtl >wrong.mtl
  shift 2
  expect 2 "$name" "$mtlc" check wrong.mtl
  for text; do has err "$name: $text" "$text"; done
  expect 2 "$name: run" "$mtlc" run wrong.mtl --data new.csv -o runs/wrong
}
wrong "another shape"             's/mlp(\[64, 32\]/mlp([48, 32]/' "warm-shape" "\`trunk.mlp[0].dense.b\` does not fit the run" "it is [48], and was [64]" "wrong.mtl:15:54"
wrong "another scale"             '0,/scale = zscore/s//scale = minmax/' "wrong.mtl:8:" "warm-input" "its \`scale\` is minmax, and was zscore in the run"
wrong "a clip more"               '0,/scale = zscore/s//scale = zscore, clip = 0..1/' "it has \`clip\` = 0..1, and had none"
wrong "a scale less"              '0,/{ scale = zscore }/s///' "it had \`scale\` = zscore in the run"
wrong "another type"              's/city     : category/city : id { buckets = 50 }/' "its \`type\` is id, and was category"
wrong "frozen, and not there"     's/, renamed_from = conversion//' "warm-frozen" "\`cvr.dense.b\` is frozen" "say what it was called there"
wrong "renamed from nothing"      's/= conversion/= convertion/' "has no \`convertion\`" "did you mean \`conversion\`?"
wrong "nothing to train"          's/  loss = bce(refund)/  loss = bce(refund), freeze = true/' "nothing-to-train"
expect 0 "a frozen task over a trunk that trains" sh -c 'sed "/^shared/s/ { freeze = true }//" new.mtl >drift.mtl; "$0" check drift.mtl' "$mtlc"
has err "it will drift"                         "warning[frozen-drifts]: the task \`ctr\` is frozen, and its head is made of \`trunk."
expect 0 "a frozen task computed otherwise"     sh -c 'sed "s/, relu) { freeze/, tanh) { freeze/; /renamed_from/d; s/, cvr)/)/" new.mtl >changed.mtl; "$0" check changed.mtl' "$mtlc"
has err "it changes"                            "warning[frozen-changed]: the task \`ctr\`"
cp -r runs/v4 runs/broken
printf x >>runs/broken/weights.safetensors
sed 's,runs/v4,runs/broken,' new.mtl >broken.mtl
expect 3 "weights that are broken"              "$mtlc" check broken.mtl
has err "it names the file"                     "runs/broken/weights.safetensors"
done_testing
