#!/bin/sh
# Versions of model definitions: hash.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
cp "$top"/tests/data/version/*.mtl "$top"/tests/data/version/plans.txt .
digest() { sha256sum | sed 's/ .*//'; }

# ---------------------------------------------------------------- hash
expect 0 "hash"                               "$mtlc" hash base.mtl
cp out hashes
for scope in contract weights train spec; do has out "hash: $scope" "$scope"; done
expect 0 "hash --explain"                     "$mtlc" hash base.mtl --explain
cp out canonical
has out "hash --explain: an input"            'contract input age from = events.age'
check "the lines are sorted"                  env LC_ALL=C sort -c canonical
check "the spec's hash is that of the lines"  grep -q "^spec *mtl1:sha256:$(digest <canonical)$" hashes
for scope in contract weights train; do
  check "$scope: the hash of its lines"       grep -q "^$scope *mtl1:sha256:$(sed -n "s/^$scope //p" canonical | digest)$" hashes
done
expect 0 "hash --json"                        "$mtlc" hash base.mtl --json
has out "hash --json: as in the text"         "$(sed -n 's/^train *//p' hashes)"
expect 0 "hash --json --explain"              "$mtlc" hash base.mtl --json --explain
has out "hash --json --explain: fields"       '"field": "optimizer"'
expect 2 "hash of a spec with errors"         "$mtlc" hash "$top/tests/golden/sema_types.mtl"
expect 2 "hash of what is not there"          "$mtlc" hash none.mtl
mkdir empty
expect 2 "hash of a folder that is no run"    "$mtlc" hash empty
has err "it says so"                          "no run folder"

# What changes nothing: the style, another place, parts in files of their own, the order of declarations.
same() { "$mtlc" hash "$2" >got 2>err; check "$1: the same hashes" cmp hashes got; }
cp base.mtl styled.mtl
"$mtlc" fmt -q styled.mtl
same "fmt" styled.mtl
mkdir -p sub/parts
cp base.mtl sub/moved.mtl
same "another folder" sub/moved.mtl
{ echo 'model shop'; echo 'edition 2026'; echo 'import "parts/all.mtl"'; } >sub/split.mtl
grep -vE '^(model|edition)' base.mtl >sub/parts/all.mtl
same "parts in a file that is imported" sub/split.mtl
{ grep -E '^(model|edition)' base.mtl; grep -E '^(task|output|require)' base.mtl; grep -vE '^(model|edition|task|output|require)' base.mtl; } >order.mtl
same "another order" order.mtl
{ grep -vE '^input' base.mtl; grep -E '^input' base.mtl | sort -r; } >inputs.mtl
same "another order of inputs" inputs.mtl

# The values of a vocabulary in a file count, not the file.
sed 's/vocab = \["basic", "free"\]/vocab = "plans.txt"/' base.mtl >file.mtl
"$mtlc" hash file.mtl >hashes 2>err
{ echo; echo trial; echo free; } >plans.txt
same "a vocabulary's file in another order" file.mtl
echo gold >>plans.txt
"$mtlc" hash file.mtl >got 2>err
check "a value more: the weights' hash"       sh -c '! cmp -s hashes got && grep -q "$(grep train hashes)" got && grep -q "$(grep contract hashes)" got'
rm plans.txt
expect 3 "a vocabulary that is not there"     "$mtlc" hash file.mtl
has err "it is named"                         "plans.txt"

# A run has the hashes of its spec, in run.json and in the report.
spec=$top/specs/article_shared.mtl
"$mtlc" synth "$spec" --rows 200 --seed 1 -o rows.csv -q
expect 0 "run --json"                         "$mtlc" run "$spec" --data rows.csv --epochs 1 --seed 9 -o run --json -q
cp out report
"$mtlc" hash run >hashes
for scope in contract weights train spec; do
  hash=$(sed -n "s/^$scope *//p" hashes)
  check "run.json: $scope"                    grep -q "\"$scope\": \"$hash\"" run/run.json
  check "the report: $scope"                  grep -q "\"$scope\": \"$hash\"" report
done
"$mtlc" hash "$spec" >got
check "a run with another seed: train alone differs" sh -c 'grep "^[cw]" hashes >a; grep "^[cw]" got >b; cmp a b && ! cmp -s hashes got'
done_testing
