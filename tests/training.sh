#!/bin/sh
# From a spec to predictions on rows that mtlc makes: run, eval, predict, resume; equal bytes; data that are wrong.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
spec=$top/specs/article_shared.mtl

expect 0 "rows to train on"                     "$mtlc" synth "$spec" --rows 600 --seed 1 -o rows.csv
expect 0 "run"                                  "$mtlc" run "$spec" --data rows.csv -o one --epochs 3
has err "a line per epoch"                      "epoch 3/3"
has out "the first task's name in the table"    "rec_output"
has out "the second task's name in the table"   "行为_output"
for f in spec.mtl prep.json weights.safetensors metrics.json run.json; do
  check "run folder has $f"                     test -s one/$f
done
expect 0 "run again, quiet"                     "$mtlc" run "$spec" --data rows.csv -o two --epochs 3 -q
empty err "run -q: no progress"
check "equal weights of two runs"               cmp one/weights.safetensors two/weights.safetensors
expect 0 "run with another seed"                "$mtlc" run "$spec" --data rows.csv -o three --epochs 3 -q --seed 99
check "another seed, other weights"             sh -c '! cmp -s one/weights.safetensors three/weights.safetensors'
expect 0 "run --json"                           "$mtlc" run "$spec" --data rows.csv -o four --epochs 2 --json
for key in model rows epochs test best_epoch step_us rows_per_s first_step_ms compile_ms peak_rss_mb run; do
  has out "run --json has $key"                 "\"$key\""
done
expect 0 "run numbers its folders"              "$mtlc" run "$spec" --data rows.csv --epochs 1 -q
check "runs/MODEL-1"                            sh -c 'ls -d runs/*-1'
expect 2 "a run folder that exists"             "$mtlc" run "$spec" --data rows.csv -o one
expect 0 "eval on the held-out rows"            "$mtlc" eval one
expect 0 "eval on other rows"                   "$mtlc" eval one --data rows.csv --json
has out "eval names the task"                   "行为_output"
expect 0 "predict to standard output"           "$mtlc" predict one --data rows.csv
check "predict: a line per row and a header"    test "$(wc -l <out)" -eq 601
cp out predictions.csv
expect 0 "predict to a file"                    "$mtlc" predict one --data rows.csv -o p.csv -q
check "predict: the same to a file"             cmp p.csv predictions.csv

# ---- what is unknown to the run's vocabularies is told by eval and predict, as by run
printf 'model odd\nedition 2026\ninput kind : category\nlabel y : binary\ntask t { head = kind |> embed(2) |> dense(1) |> sigmoid, loss = bce(y) }\n' >odd.mtl
awk 'BEGIN { print "kind,y"; for (i = 0; i < 60; i++) print (i % 3 ? "a" : "b") "," i % 2 }' >odd.csv
printf 'kind,y\na,1\nc,0\nd,0\nb,1\n' >new.csv
expect 0 "run with a category"                  "$mtlc" run odd.mtl --data odd.csv -o odd --epochs 1 -q
expect 0 "eval on unknown categories"           "$mtlc" eval odd --data new.csv
has out "eval counts them"                      "kind: 2 unknown (out of vocabulary)"
expect 0 "eval --json"                          "$mtlc" eval odd --data new.csv --json
has out "eval --json counts them"               '"kind": 2'
expect 0 "predict on unknown categories"        "$mtlc" predict odd --data new.csv -o odd-predictions.csv
has out "predict counts them"                   "kind: 2 unknown (out of vocabulary)"

# ---- an output in the unit of a label that is mapped and scaled: as the task's own head
cat >unit.mtl <<'S'
model unit
edition 2026
input x : real { scale = zscore }
label amount : real { map = log1p, scale = zscore }
task pay { head = x |> dense(1), loss = mse(amount) }
output scaled = pay
output same = pay { unit = amount }
S
awk 'BEGIN { print "x,amount"; for (i = 0; i < 200; i++) print i "," i * i }' >unit.csv
expect 0 "run with an output's unit"            "$mtlc" run unit.mtl --data unit.csv -o unit --epochs 5 -q
expect 0 "predict with it"                      "$mtlc" predict unit --data unit.csv
check "the output is the head, in its unit"     awk -F, 'NR > 1 && $2 != $4 { exit 1 }' out
check "and was on another scale"                awk -F, 'NR == 200 { exit !($2 > 100 && $3 < 5) }' out

# ---- paths that are something else
expect 2 "a data file for a spec"               "$mtlc" run odd.csv
has err "is told what makes a spec"             "mtlc init --data odd.csv"
expect 2 "a spec that is not there"             "$mtlc" check od.mtl
has err "did you mean"                          'did you mean `odd.mtl`?'
expect 2 "a run folder for a spec"              "$mtlc" check odd
has err "its spec"                              "odd/spec.mtl"
expect 2 "a spec for a run folder"              "$mtlc" eval odd.mtl
has err "mtlc run makes one"                    'mtlc run odd.mtl'
expect 2 "a run folder that is not there"       "$mtlc" eval odf
has err "the nearest"                           'did you mean `odd`?'
expect 2 "init with a name"                     "$mtlc" init odd.csv
has err "says how"                              "--data odd.csv"

# ---- the same bits by every instruction set; no LLVM for a model that was compiled before
for target in portable avx2; do
  if MTLC_TARGET=$target "$mtlc" run "$spec" --data rows.csv -o $target --epochs 3 -q >/dev/null 2>err; then
    check "equal weights by $target"            cmp one/weights.safetensors $target/weights.safetensors
  else
    check "$target is not for this processor"   sh -c 'cat err; grep -q bad-target err'
  fi
done
expect 0 "run from the cache, without a module" env MTLC_MODULE=none "$mtlc" run "$spec" --data rows.csv -o cached --epochs 3 -q
check "equal weights from the cache"            cmp one/weights.safetensors cached/weights.safetensors
expect 4 "an empty cache, no module"            env MTLC_MODULE=none XDG_CACHE_HOME="$tmp/no-cache" "$mtlc" run "$spec" --data rows.csv -o none -q
has err "it names the module"                   "none"
check "and leaves no run folder"                sh -c '! ls -d none none.part* 2>/dev/null'

gzip -c rows.csv >rows.csv.gz
expect 0 "run on a compressed file"             "$mtlc" run "$spec" --data rows.csv.gz -o packed --epochs 3 -q
check "equal weights from a compressed file"    cmp one/weights.safetensors packed/weights.safetensors

# ---- Ctrl-C, and going on to the same bits
expect 0 "a long run"                           "$mtlc" run "$spec" --data rows.csv -o long --epochs 400 -q
"$mtlc" run "$spec" --data rows.csv -o cut --epochs 400 >out 2>err &
pid=$!
n=0
while [ $n -lt 200 ] && ! grep -q 'epoch 3/' err; do sleep 0.02; n=$((n + 1)); done
kill -TERM $pid
wait $pid
code=$?
if [ $code -eq 130 ]; then
  pass "interrupted: exit 130"
  check "it says how to go on"                  grep -q -- "--resume cut" out err
  expect 0 "resume"                             "$mtlc" run --resume cut -q
  check "resumed: equal weights"                cmp cut/weights.safetensors long/weights.safetensors
  check "resumed: no checkpoint is left"        sh -c '! ls cut/state.json cut/checkpoint* 2>/dev/null'
else
  fail "interrupted: exit 130, not $code"
  note err
fi

# ---- data that are wrong: exit 3, the row and the column, no run folder
wrong() {
  expect 3 "$1"                                 "$mtlc" run "$spec" --data bad.csv -o bad
  has err "$1: where"                           "$2"
  check "$1: no run folder"                     sh -c '! ls -d bad bad.part* 2>/dev/null'
}
awk -F, -v OFS=, 'NR == 8 { $2 = "abc" } 1' rows.csv >bad.csv
wrong "text in a number column" "8"
awk -F, -v OFS=, 'NR == 8 { $0 = $1 OFS $2 } 1' rows.csv >bad.csv
wrong "a broken row" "8"
awk -F, -v OFS=, '{ $1 = ""; sub(/^,/, ""); print }' rows.csv >bad.csv
wrong "a missing column" "$(head -n 1 rows.csv | cut -d, -f1)"
: >bad.csv
wrong "an empty file" "bad.csv"
head -n 1 rows.csv >bad.csv
wrong "no rows" "bad.csv"

# ---- a file that may not grow: exit 4, no run folder
expect 4 "no room for the weights"              sh -c "ulimit -f 8; exec '$mtlc' run '$spec' --data rows.csv -o full --epochs 1 -q"
has err "no room for the weights: said"         'error[disk-full]: cannot keep 18 KiB free for `full.part/weights.safetensors`: File too large'
check "no room for the weights: no run folder"  sh -c '! ls -d full full.part* 2>/dev/null'
done_testing
