#!/bin/sh
# Runs as plain files: listed, shown, named, trained again to the same bits.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
spec=$top/specs/article_shared.mtl
"$mtlc" synth "$spec" --rows 300 --seed 1 -o rows.csv -q
"$mtlc" synth "$spec" --rows 60 --seed 2 -o more.csv -q
expect 0 "no runs yet: an empty folder"       sh -c 'mkdir runs && "$0" runs' "$mtlc"
has out "it says so"                          "no runs in runs"
for seed in 1 2 10; do
  expect 0 "run $seed"                        "$mtlc" run "$spec" --data rows.csv --epochs 2 --seed $seed -q -o runs/s$seed
done
expect 0 "runs"                               "$mtlc" runs
check "runs: all, by number"                  sh -c '[ "$(sed "s/ .*//" "$0" | tr "\n" " ")" = "s1 s2 s10 " ]' "$tmp/out"
has out "runs: figures"                       "auc(rec_output) 0."
expect 0 "runs --best"                        "$mtlc" runs --best 'auc(rec_output)'
cp out best
sed 's/.*auc(rec_output) //' best >figures
check "runs --best: the best first"           sort -c -g -r figures
expect 0 "runs --best of a loss"              "$mtlc" runs --best 'loss(rec_output)'
sed 's/.*loss(rec_output) //' out >figures
check "a loss: the least first"               sort -c -g figures
expect 0 "runs --best of what none has"       "$mtlc" runs --best 'ndcg(rec_output)'
has out "it says so"                          "no ndcg(rec_output)"
expect 2 "runs --best of no figure"           "$mtlc" runs --best auc
expect 2 "runs of a folder that is none"      "$mtlc" runs nowhere
expect 0 "runs --json"                        "$mtlc" runs --json
has out "runs --json: hashes"                 '"contract": "mtl1:sha256:'
mkdir runs/broken
echo '{' >runs/broken/run.json
expect 0 "a broken folder is no run"          "$mtlc" runs
check "it is not listed"                      sh -c '! grep -q broken "$0"' "$tmp/out"

expect 0 "show"                               "$mtlc" show runs/s2
has out "show: the model"                     "model     article_shared, version 1"
has out "show: data"                          "rows.csv, "
has out "show: hashes"                        "weights   mtl1:sha256:"
expect 0 "show --json"                        "$mtlc" show runs/s2 --json
has out "show --json: figures"                '"figures"'
expect 2 "show of no run"                     "$mtlc" show runs/broken
expect 2 "show of what is not there"          "$mtlc" show nowhere

# ---------------------------------------------------------------- names
expect 0 "tag"                                "$mtlc" tag runs/s2 prod
expect 0 "show by the name"                   "$mtlc" show prod
has out "it is the run"                       "runs/s2"
has out "and has the name"                    "tags      prod"
expect 0 "diff by the name"                   "$mtlc" diff prod "$spec"
expect 0 "eval by the name"                   "$mtlc" eval prod
expect 0 "eval by the link"                   "$mtlc" eval runs/prod
expect 0 "tag again"                          "$mtlc" tag runs/s10 prod
has out "what it was"                         "before: "
expect 0 "tag by another name"                "$mtlc" tag prod old
expect 0 "runs: names"                        "$mtlc" runs
has out "both"                                "(old, prod)"
expect 2 "a name that is a run"               "$mtlc" tag runs/s2 s1
check "the run is there still"                test -f runs/s1/run.json
expect 2 "a name that is none"                "$mtlc" tag runs/s2 ../x
expect 2 "a tag of no run"                    "$mtlc" tag runs/broken x
i=0
while [ $i -lt 20 ]; do
  "$mtlc" tag runs/s1 race -q & "$mtlc" tag runs/s2 race -q &
  i=$((i + 1))
done
wait
check "many at once: one of them, whole"      sh -c 'case $(readlink runs/race) in s1 | s2) ;; *) exit 1 ;; esac'
check "nothing is left behind"                sh -c '! ls runs | grep -q part'
mv runs moved
check "the folder may move"                   test -f moved/prod/run.json
mv moved runs

# ---------------------------------------------------------------- reproduce
expect 0 "reproduce"                          "$mtlc" reproduce runs/s1
has out "bit by bit"                          "runs/s1 is reproduced: the same weights, bit by bit"
check "nothing is left behind"                sh -c '! ls runs | grep -q again'
expect 0 "reproduce --json"                   "$mtlc" reproduce prod --json
has out "the same"                            '"same": true'
cp rows.csv kept.csv
cat more.csv >>rows.csv
expect 1 "a data file that grew"              "$mtlc" reproduce runs/s1
has out "it is named"                         "changed since: data ("
has out "what changed"                        "bytes, and had"
sed '5s/[0-9]/7/; 6s/[0-9]/8/' kept.csv >rows.csv
expect 1 "a data file of the same length"     "$mtlc" reproduce runs/s1
has out "its digest"                          "its $(wc -c <kept.csv) bytes are others: digest"
mv rows.csv away.csv
expect 1 "a data file that is gone"           "$mtlc" reproduce runs/s1
has out "it is named"                         "it cannot be read"
cp kept.csv rows.csv
cp -r runs/s1 runs/forged
printf '\001' | dd of=runs/forged/weights.safetensors bs=1 seek=$(($(wc -c <runs/forged/weights.safetensors) - 1)) conv=notrunc 2>dd.err
expect 1 "other weights"                      "$mtlc" reproduce runs/forged
has out "it says so"                          "NOT reproduced"
if "$mtlc" doctor | grep -q 'avx2\|neon'; then
  MTLC_TARGET=portable "$mtlc" run "$spec" --data rows.csv --epochs 2 --seed 1 -q -o runs/portable >out
  expect 0 "kernels of another target: the same bits" "$mtlc" reproduce runs/portable
  has out "it is told all the same"           "other now: target: "
fi
"$mtlc" run "$spec" --data rows.csv --epochs 4000 -q -o runs/long >out
"$mtlc" reproduce runs/long -q >out 2>err &
pid=$!
i=0
until [ -d "$(echo runs/long.again-*)" ] || [ $i -gt 100 ]; do sleep 0.05; i=$((i + 1)); done
kill -INT $pid 2>/dev/null
got=0
wait $pid || got=$?
check "Ctrl-C ends it: 130, or it was done"   test $got -eq 130 -o $got -eq 0
check "nothing is left behind"                sh -c '! ls runs | grep -q again'

# Several at once: each has a number of its own from the start; a name has one.
mkdir many && cd many || exit 99
for i in 1 2 3 4 5; do "$mtlc" run "$spec" --data ../rows.csv --epochs 40 --seed $i -q >out$i 2>err$i & done
wait
check "five runs at once: five folders"       sh -c '[ "$(ls runs | wc -l)" -eq 5 ] && ! ls runs | grep -q part'
check "each says its own"                     sh -c '[ "$(cat out? | grep "^run: " | sort -u | wc -l)" -eq 5 ]'
check "each has its seed"                     sh -c '[ "$(cat runs/*/run.json | grep "\"seed\"" | sort -u | wc -l)" -eq 5 ]'
"$mtlc" run "$spec" --data ../rows.csv --epochs 100000 -o one -q >out 2>err &
pid=$!
i=0
until [ -d one.part ] || [ $i -gt 200 ]; do sleep 0.02; i=$((i + 1)); done
expect 2 "a name that a process works on"     "$mtlc" run "$spec" --data ../rows.csv --epochs 1 -o one -q
has err "it says so"                          'another process is training into `one`'
expect 0 "it is no run yet"                   "$mtlc" runs .
check "it is not listed"                      sh -c '! grep -q part "$0"' "$tmp/out"
kill -KILL $pid
wait $pid 2>killed
check "cut off: its folder is left"           test -d one.part
touch one.part/odd
expect 0 "the name again"                     "$mtlc" run "$spec" --data ../rows.csv --epochs 1 -o one -q
check "nothing of before is in it"            sh -c 'test -d one && test ! -e one/odd && test ! -e one.part'
cd ..

# A run of every format that there was is kept in tests/data/version: what it says of rows stays, to the bit.
old=$top/tests/data/version/format1
expect 0 "a run of format 1"                  "$mtlc" predict "$old" --data "$old/rows.csv" -o kept_predictions.csv -q
check "its predictions"                       cmp "$old/predictions.csv" kept_predictions.csv
expect 0 "its hashes"                         "$mtlc" hash "$old"
for scope in contract weights train; do
  check "$scope: as it was written then"      grep -q "\"$scope\": \"$(sed -n "s/^$scope *//p" "$tmp/out")\"" "$old/run.json"
done
expect 2 "reproduce of no run"                "$mtlc" reproduce runs/broken
expect 2 "reproduce takes one"                "$mtlc" reproduce runs/s1 runs/s2
done_testing
