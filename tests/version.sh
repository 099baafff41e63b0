#!/bin/sh
# Versions of model definitions: hash, diff.
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
has out "hash --explain: an input"            'contract input age from = .age'
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

# Paths of imports are relative to the file that imports, and may go up within the project: the folder with a .git.
mkdir -p tree1/.git tree1/models/a tree1/common/parts tree2/models
printf 'import "parts/all.mtl"\n' >tree1/common/shop.mtl
cp sub/parts/all.mtl tree1/common/parts
printf 'import "all.mtl"\n' >tree1/common/parts/again.mtl
{ echo 'model shop'; echo 'edition 2026'; echo 'import "../../common/shop.mtl"'; echo 'import "../../common/parts/again.mtl"'; } >tree1/models/a/shop.mtl
same "imports of the whole project" tree1/models/a/shop.mtl
expect 0 "seen from its folder"               sh -c 'cd tree1/models/a && "$0" hash shop.mtl' "$mtlc"
check "the same hashes"                       cmp hashes out
expect 0 "freeze of all of them"              sh -c 'cd tree1/models/a && "$0" freeze shop.mtl && "$0" freeze --verify shop.mtl' "$mtlc"
check "the lock: paths as the spec sees them" grep -q '^import ../../common/parts/all.mtl sha256:' tree1/models/a/shop.lock
same "with pins" tree1/models/a/shop.mtl
cp tree1/models/a/shop.mtl tree2/models
expect 2 "no project: not above the spec"     "$mtlc" check tree2/models/shop.mtl
has err "it says so"                          "an import stays within the project"
mkdir tree1/models/.git
expect 2 "another project above"              "$mtlc" check tree1/models/a/shop.mtl
rmdir tree1/models/.git
printf 'import "common/parts/all.mtl"\n' >tree1/common/shop.mtl
{ echo 'model shop'; echo 'edition 2026'; echo 'import "common/shop.mtl"'; } >tree1/shop.mtl
expect 2 "a path as the spec would say it"    "$mtlc" check tree1/shop.mtl
has err "it is told"                          "a path is relative to the file that imports, not to the spec"

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

# ---------------------------------------------------------------- diff
git_quiet() { GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b git -c init.defaultBranch=main "$@" >git.out 2>&1; }
mkdir -p repo/models/common
cd repo || exit 99
cp "$top/tests/data/version/base.mtl" models/shop.mtl
expect 0 "diff: the same model"               "$mtlc" diff models/shop.mtl models/shop.mtl
has "out" "it says so"                        "are the same model"
expect 2 "diff: git without a repository"     env GIT_CEILING_DIRECTORIES="$tmp" "$mtlc" diff models/shop.mtl@v1 models/shop.mtl
has err "it says so"                          "no git repository"
git_quiet init .
cat >models/user.mtl <<'EOF'
model user
edition 2026
import "common/inputs.mtl"
label click : binary
task ctr { head = x |> dense(1) |> sigmoid, loss = bce(click) }
EOF
cat >models/common/inputs.mtl <<'EOF'
input age : real { missing = mean }
input plan : category { vocab = "plans.txt" }
let x = concat(age, embed(plan, 4))
EOF
printf 'basic\nfree\n' >models/plans.txt
git_quiet add .
git_quiet commit -m first
git_quiet tag v1
expect 0 "diff: a commit, and what is there"  "$mtlc" diff models/shop.mtl@v1 models/shop.mtl
sed -i 's/ { missing = mean }/ { missing = mean, scale = zscore }/' models/common/inputs.mtl
expect 1 "an import that changed"             "$mtlc" diff models/user.mtl@v1 models/user.mtl
has out "its rule"                            "break[INPUT_SAME_TRANSFORM]"
has out "where it is"                         "models/common/inputs.mtl:1:44"
has out "where it was"                        "models/common/inputs.mtl@v1:1:7"
expect 0 "the same without the folder"        sh -c 'cd models/common && "$0" diff ../user.mtl@v1 ../user.mtl@HEAD' "$mtlc"
expect 1 "a path from elsewhere"              sh -c 'cd / && "$0" diff "$1/models/user.mtl@v1" "$1/models/user.mtl"' "$mtlc" "$PWD"
expect 1 "a commit alone: of the other file"  "$mtlc" diff HEAD models/user.mtl
expect 1 "and on the other side"              "$mtlc" diff models/user.mtl HEAD
git_quiet checkout models
printf 'gold\n' >>models/plans.txt
expect 0 "a vocabulary's file that grew"      "$mtlc" diff v1 models/user.mtl
has out "its rule"                            "note[VOCAB_APPENDED]"
has out "what is new"                         'gains "gold"'
git_quiet checkout models
expect 2 "a commit that is not there"         "$mtlc" diff models/user.mtl@v7 models/user.mtl
has err "it is named"                         'git knows no commit `v7`'
expect 2 "a file that the commit lacks"       "$mtlc" diff models/other.mtl@v1 models/user.mtl
has err "it is named"                         'no file `models/other.mtl`'
expect 2 "an option that is none: a commit"   "$mtlc" diff models/user.mtl@--all models/user.mtl
expect 2 "what is not there"                  "$mtlc" diff none.mtl models/user.mtl
echo 'model user2' >>models/user.mtl
git_quiet commit -am broken
git_quiet checkout v1 -- models/user.mtl
expect 2 "an old version with errors"         "$mtlc" diff HEAD models/user.mtl
has err "the place in it"                     "models/user.mtl@HEAD:6"
git_quiet clone --depth 1 "file://$PWD" ../shallow
expect 2 "a shallow clone"                    sh -c 'cd ../shallow && "$0" diff v1 models/user.mtl' "$mtlc"
has err "it says what it is"                  "this is a shallow clone"
has err "and what to do"                      "git fetch --depth=1 origin tag v1"

sed 's/as first/as begin/; s/^output deep.*//' models/shop.mtl >new.mtl
expect 1 "diff --json"                        "$mtlc" diff models/shop.mtl new.mtl --json
has out "its breaks"                          '"breaks": 1'
has out "its rules"                           '"rule": "LAYER_NO_DELETE"'
expect 1 "diff --format sarif"                "$mtlc" diff models/shop.mtl new.mtl --format sarif
has out "its version"                         '"version": "2.1.0"'
has out "its errors"                          '"level": "error"'
cp new.mtl 'neu er.mtl'
expect 1 "a name with a blank"                "$mtlc" diff models/shop.mtl 'neu er.mtl' --format sarif
has out "its URI"                             '"uri": "neu%20er.mtl"'
expect 1 "diff --format github"               "$mtlc" diff models/shop.mtl new.mtl --format github
has out "an annotation"                       '::error file=new.mtl,line=2,col=1,title=OUTPUT_NO_DELETE::output `deep` is gone'
expect 1 "diff -q"                            "$mtlc" diff models/shop.mtl new.mtl -q
check "diff -q: breaks alone"                 sh -c '! grep -q note "$0"' "$tmp/out"
sed 's/as first/as begin/' models/shop.mtl >name.mtl
expect 0 "categories: contract"               "$mtlc" diff models/shop.mtl name.mtl
expect 1 "categories: weights"                "$mtlc" diff models/shop.mtl name.mtl --category weights
expect 1 "categories: training"               "$mtlc" diff models/shop.mtl name.mtl --category training
expect 2 "a category that is none"            "$mtlc" diff models/shop.mtl name.mtl --category weight
has err "it is guessed"                       'did you mean `weights`?'
expect 2 "a format that is none"              "$mtlc" diff models/shop.mtl name.mtl --format xml
expect 2 "one operand"                        "$mtlc" diff models/shop.mtl
expect 2 "three operands"                     "$mtlc" diff a b c

# ---------------------------------------------------------------- check --against
mkdir ../tree
cd ../tree || exit 99
git_quiet init .
mkdir -p models/common models/other
sed 's/^model shop.*/model shop { version = 1 }/' "$top/tests/data/version/base.mtl" >models/shop.mtl
cp ../repo/models/common/inputs.mtl models/common
cp ../repo/models/plans.txt models
cat >models/user.mtl <<'EOF'
model user
edition 2026
import "common/inputs.mtl"
label click : binary
task ctr { head = x |> dense(1) |> sigmoid, loss = bce(click) }
EOF
git_quiet add .
git_quiet commit -m one
git_quiet tag v1
expect 0 "nothing changed"                    "$mtlc" check models --against v1
has out "parts are no specs"                  "2 specs: 2 unchanged, 0 new, 0 breaks of the contract"
sed -i 's/missing = mean/missing = median/' models/common/inputs.mtl
expect 1 "a part changed"                     "$mtlc" check models --against v1
has out "where"                               "models/common/inputs.mtl:1:30: break[INPUT_SAME_TRANSFORM]"
expect 1 "of one spec"                        "$mtlc" check models/user.mtl --against v1
expect 0 "of the other"                       "$mtlc" check models/shop.mtl --against v1
expect 1 "from within"                        sh -c 'cd models/common && "$0" check .. --against v1' "$mtlc"
expect 1 "with annotations"                   "$mtlc" check models --against v1 --format github
has out "of the part"                         "::error file=models/common/inputs.mtl,line=1,col=30,title=INPUT_SAME_TRANSFORM"
expect 1 "as JSON"                            "$mtlc" check models --against v1 --json
has out "a list, as of any number"            '"after": "models/user.mtl"'
git_quiet commit -am two
expect 1 "still there against v1"             "$mtlc" check models --against v1
expect 0 "nothing since the last commit"      "$mtlc" check models --against v1 --since HEAD
sed -i 's/^output deep.*//' models/shop.mtl
expect 1 "one more since the last commit"     "$mtlc" check models --against v1 --since HEAD -q
check "that one alone"                        sh -c 'grep -q "break.OUTPUT_NO_DELETE" "$0" && ! grep -q INPUT_SAME_TRANSFORM "$0"' "$tmp/out"

# accepted, until it ends
echo 'accept OUTPUT_NO_DELETE deep "nobody reads it" until 3' >>models/shop.mtl
expect 0 "accepted"                           "$mtlc" check models/shop.mtl --against v1
has out "the reason"                          "accepted nobody reads it"
expect 0 "a check of the spec alone"          "$mtlc" check models/shop.mtl
sed -i 's/version = 1/version = 3/' models/shop.mtl
expect 1 "version 3: no more"                 "$mtlc" check models/shop.mtl --against v1
has err "why"                                 "this held in versions below 3"
sed -i 's/^accept OUTPUT_NO_DELETE/accept OUTPUT_NO_DELTE/' models/shop.mtl
expect 2 "a rule that is none"                "$mtlc" check models/shop.mtl
has err "where"                               "models/shop.mtl:"
expect 2 "a rule that is none, against"       "$mtlc" check models/shop.mtl --against v1
has err "it is guessed"                       'did you mean `OUTPUT_NO_DELETE`?'
git_quiet checkout models

# Files that move, come and go; errors of one do not hide another.
git_quiet mv models/user.mtl models/visitor.mtl
mkdir models/deep
expect 0 "a moved file"                       "$mtlc" check models --against HEAD
has out "it is the same"                      "2 specs: 2 unchanged, 0 new"
rm models/visitor.mtl
expect 2 "a spec that is gone"                "$mtlc" check models --against v1
has err "it is named"                         'the model `user` of `models/user.mtl@v1` is gone'
git_quiet reset --hard
sed 's/^model user/model newer/' models/user.mtl >models/newer.mtl
expect 0 "a new spec"                         "$mtlc" check models --against HEAD
has out "it is counted"                       "3 specs: 2 unchanged, 1 new"
echo 'task' >>models/newer.mtl
sed -i 's/^output deep.*//' models/shop.mtl
expect 2 "errors in one"                      "$mtlc" check models --against HEAD
has err "they are told"                       "models/newer.mtl:6"
has out "and the others are compared"         "break[OUTPUT_NO_DELETE]"
rm models/newer.mtl
git_quiet checkout models
git_quiet tag v2
expect 1 "all tags"                           "$mtlc" check models --tags
has out "one of them"                         "models/user.mtl@v1 → models/user.mtl"
expect 2 "a tag and all tags"                 "$mtlc" check models --tags --against v1
expect 2 "a category without a commit"        "$mtlc" check models/shop.mtl --category weights
expect 2 "no spec"                            "$mtlc" check models/common --against v1
expect 2 "a commit that is not there"         "$mtlc" check models --against v9
git_quiet clone --depth 1 "file://$PWD" ../thin
expect 2 "a shallow clone"                    sh -c 'cd ../thin && "$0" check models --against v1' "$mtlc"
has err "what to do in a workflow"            "fetch-depth: 0"

# A repository of teams: names with blanks and in any script, a part that all share, folders seen from anywhere.
mkdir -p ../teams/common "../teams/big team/größe" && cd ../teams || exit 99
git_quiet init .
printf 'input age : real { missing = mean }\n' >common/user.mtl
i=1
for path in 'big team/m 1.mtl' 'big team/größe/новый ✓.mtl' one.mtl; do
  up=; case $path in */*/*) up=../../ ;; */*) up=../ ;; esac
  printf 'model m%s\nedition 2026\nimport "%scommon/user.mtl"\nlabel y : binary\ntask ctr { head = age |> dense(1) |> sigmoid, loss = bce(y) }\n' $i "$up" >"$path"
  i=$((i + 1))
done
git_quiet add .
git_quiet commit -m one
git_quiet tag v1
expect 0 "check of a folder"                  "$mtlc" check .
check "all specs, no parts"                   test "$(grep -c ': ok: model m' "$tmp/out")" -eq 3
expect 0 "check of a folder --json"           "$mtlc" check . --json
check "a list"                                test "$(grep -c '"spec":' "$tmp/out")" -eq 3
cp -r ../run runs
printf 'odd=  1\n' >>runs/spec.mtl
cp runs/spec.mtl kept
expect 0 "check passes runs by"               "$mtlc" check . -q
expect 0 "fmt does, too"                      "$mtlc" fmt -q .
check "the run's spec is as it was"           cmp runs/spec.mtl kept
rm -r runs kept
expect 2 "a folder without a spec"            "$mtlc" check common
has err "it says so"                          'there is no spec in `common`'
for folder in . "$PWD" 'big team/..' ./; do
  expect 0 "the folder $folder"               "$mtlc" check "$folder" --against v1
  has out "the folder $folder: all of it"     "3 specs: 3 unchanged, 0 new"
done
expect 0 "from within"                        sh -c 'cd "big team" && "$0" check . .. --against v1' "$mtlc"
git_quiet mv 'big team' 'larger team'
git_quiet mv 'larger team/m 1.mtl' 'larger team/m 11 missing.mtl'
expect 0 "a folder that was renamed"          "$mtlc" check . --against v1
has out "all are found"                       "3 specs: 3 unchanged, 0 new"
expect 2 "the file under its new name"        "$mtlc" diff 'larger team/m 11 missing.mtl@v1' 'larger team/m 11 missing.mtl'
has err "it is found by its model"            'there, the model `m1` is in `big team/m 1.mtl@v1`'
git_quiet commit -am moved
sed -i 's/mean/median/' common/user.mtl
expect 1 "a part that all share"              "$mtlc" check . --against v1
check "it is told once"                       test "$(grep -c 'INPUT_SAME_TRANSFORM' "$tmp/out")" -eq 1
has out "with the specs"                      '  specs    3: larger team/größe/новый ✓.mtl, larger team/m 11 missing.mtl, one.mtl'
expect 1 "as annotations"                     "$mtlc" check . --against v1 --format github
check "one line of the part"                  test "$(grep -c '^::error file=common/user.mtl' "$tmp/out")" -eq 1
has out "with the specs"                      '%0ASpecs: 3: '
expect 1 "as SARIF"                           "$mtlc" check . --against v1 --format sarif
check "one result"                            test "$(grep -c '"ruleId"' "$tmp/out")" -eq 1
git_quiet checkout common
# By way of a link: the folder that it leads to.
ln -s 'larger team/größe' link
expect 0 "a folder by way of a link"          "$mtlc" check link/*.mtl --against HEAD
has out "it is the same"                      "1 spec: 1 unchanged, 0 new"
expect 0 "the link among others"              "$mtlc" check . --against HEAD
has out "it is not followed"                  "3 specs: 3 unchanged, 0 new"
rm link
# A model that ends: its last version says that it may.
sed '/^model/d' one.mtl >part && mv part one.mtl
expect 2 "a spec that is a part now"          "$mtlc" check . --against HEAD
has err "its model is gone"                   'the model `m3` of `one.mtl@HEAD` is gone'
has err "how it may"                          'accept MODEL_NO_DELETE "why" until VERSION'
git_quiet checkout one.mtl
echo 'accept MODEL_NO_DELETE "nobody asks it" until 2' >>one.mtl
expect 0 "the last version"                   "$mtlc" check . --against HEAD
git_quiet commit -am end
git_quiet rm one.mtl
expect 0 "gone, as it said"                   "$mtlc" check . --against HEAD
has out "why"                                 'one.mtl@HEAD: the model `m3` is gone, accepted: nobody asks it'
expect 2 "against a version before"           "$mtlc" check . --against v1
git_quiet reset --hard HEAD~1
# What another branch has done meanwhile is not this one's.
git_quiet branch main2
sed -i 's/age : real { missing = mean }/&\ninput more : real/' common/user.mtl
git_quiet commit -am more
git_quiet checkout -b side main2
sed -i 's/edition 2026/&\n# a remark/' one.mtl
git_quiet commit -am side
git_quiet branch -f ahead main
expect 1 "the other branch, as it is now"     "$mtlc" check . --against ahead
expect 0 "where this one left it"             "$mtlc" check . --against ahead...
has out "all as it was"                       "3 unchanged"
expect 2 "no such branch"                     "$mtlc" check . --against none...
has err "it is named"                         'git knows no commit `none`'
git_quiet clone --depth 1 "file://$PWD" ../slim
expect 2 "all tags of a shallow clone"        sh -c 'cd ../slim && "$0" check . --tags' "$mtlc"
has err "it says what it is"                  "this is a shallow clone"
expect 2 "a fork that a shallow clone lacks"  sh -c 'cd ../slim && git fetch -q --depth=1 origin tag v1 && "$0" check . --against v1...' "$mtlc"
has err "it says so"                          '`v1` and HEAD have no commit in common'
# Line ends as git checks files out: the same model, the same pins.
expect 0 "freeze"                             "$mtlc" freeze one.mtl
"$mtlc" hash one.mtl >hashes
for f in one.mtl common/user.mtl; do sed 's/$/\r/' "$f" >crlf && mv crlf "$f"; done
expect 0 "CRLF: the pins hold"                "$mtlc" freeze --verify one.mtl
expect 0 "CRLF: the same hashes"              "$mtlc" hash one.mtl
check "to the digit"                          cmp hashes "$tmp/out"
printf 'input age : real { missing = mean }\r' >common/user.mtl
expect 1 "another text"                       "$mtlc" freeze --verify one.mtl

# the hook of docs/
cd ../tree || exit 99
git_quiet reset --hard
mkdir ../bin
ln -s "$mtlc" ../bin/mtlc
cp "$top/docs/pre-commit" .git/hooks/pre-commit
chmod +x .git/hooks/pre-commit
commit() { env PATH="$tmp/bin:$PATH" MTLC_MODELS=models GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b git commit -qam "$1"; }
echo '# a remark' >>models/user.mtl
expect 1 "the hook: not in the style"         commit one
"$mtlc" fmt -q models
expect 0 "the hook: in the style"             commit two
sed -i 's/^output deep.*//' models/shop.mtl
"$mtlc" fmt -q models
expect 1 "the hook: a break"                  commit three
has err "which"                               "break[OUTPUT_NO_DELETE]"
git_quiet reset --hard
git_quiet worktree add ../linked
cd ../linked || exit 99
sed -i 's/^output deep.*//' models/shop.mtl
"$mtlc" fmt -q models
expect 1 "the hook in a linked worktree"      commit four
has err "the place of before"                 "  before   models/shop.mtl@HEAD:"
cd ..
expect 0 "a run and its spec: contract"       "$mtlc" diff run "$spec"
has out "what the command line changed"       "SCHEDULE_CHANGED"
expect 1 "a run and its spec: training"       "$mtlc" diff run "$spec" --category training

# ---------------------------------------------------------------- freeze
mkdir -p frozen/common
cd frozen || exit 99
cat >shop.mtl <<'EOF'
model shop
edition 2026
import "std/moe.mtl"
import "common/x.mtl"  # what all read
label click : binary
task ctr { head = x |> dense(1) |> sigmoid, loss = bce(click) }
EOF
printf 'import "inputs.mtl"\nlet x = concat(age, embed(plan, 4))\n' >common/x.mtl
printf 'input age : real\ninput plan : category { vocab = "plans.txt" }\n' >common/inputs.mtl
printf 'basic\nfree\n' >plans.txt
"$mtlc" fmt -q shop.mtl common
"$mtlc" hash shop.mtl >hashes
expect 1 "freeze --verify: nothing is pinned" "$mtlc" freeze --verify shop.mtl
has out "where"                               'shop.mtl:4:8: `common/x.mtl` is not pinned'
has out "in what is imported, too"            'common/x.mtl:1:8: `inputs.mtl` is not pinned'
check "nothing is written"                    test ! -e shop.lock
expect 0 "freeze"                             "$mtlc" freeze shop.mtl
check "the hash of the text"                  grep -q "^import \"common/x.mtl\" sha256:$(digest <common/x.mtl)  # what all read$" shop.mtl
check "and of what that imports"              grep -q "sha256:$(digest <common/inputs.mtl)" common/x.mtl
check "the lock: imports"                     grep -q "^import common/x.mtl sha256:$(digest <common/x.mtl)$" shop.lock
check "the lock: a vocabulary of a file"      grep -q "^vocabulary plan file sha256:" shop.lock
check "the lock is sorted"                    env LC_ALL=C sort -c shop.lock
expect 0 "the spec is fine"                   "$mtlc" check shop.mtl
expect 0 "freeze --verify"                    "$mtlc" freeze --verify shop.mtl
expect 0 "fmt keeps it"                       "$mtlc" fmt shop.mtl common
expect 0 "freeze --verify again"              "$mtlc" freeze --verify shop.mtl
"$mtlc" hash shop.mtl >got
check "a pin counts in no hash"               cmp hashes got
cp shop.mtl kept.mtl
echo '# a remark' >>common/inputs.mtl
expect 2 "an import that changed"             "$mtlc" check shop.mtl
has err "its error"                           "[import-changed]"
has err "where"                               "common/x.mtl:1:"
expect 1 "freeze --verify: it differs"        "$mtlc" freeze --verify shop.mtl
has out "which"                               '`inputs.mtl` is pinned as sha256:'
expect 0 "freeze pins what is there"          "$mtlc" freeze shop.mtl
expect 0 "and it is fine again"               "$mtlc" check shop.mtl
check "the chain is pinned anew"              sh -c '! cmp -s shop.mtl kept.mtl'
echo gold >>plans.txt
expect 1 "a vocabulary's file that changed"   "$mtlc" freeze --verify shop.mtl
has out "the lock says so"                    'shop.lock: `vocabulary plan file sha256:'
expect 0 "freeze --json"                      "$mtlc" freeze shop.mtl --json
has out "what was done"                       '"same": false'
expect 2 "freeze of nothing"                  "$mtlc" freeze none.mtl
printf 'import "x.mtl"\n' >>common/inputs.mtl
expect 2 "a cycle"                            "$mtlc" freeze shop.mtl
cd ..
check "a run has its lock"                    grep -q '^statistics features 30 numbers sha256:' run/spec.lock
check "with its data"                         grep -q '^data data ' run/spec.lock

# ---------------------------------------------------------------- plan, run --from
mkdir start
cd start || exit 99
cat >v1.mtl <<'EOF'
model shop { version = 1 }
edition 2026
input age  : real     { missing = mean, scale = zscore }
input plan : category { vocab = ["basic", "free"] }
input city : category
label click : binary
label buy   : binary where click
label late  : binary
shared trunk = concat(age, plan |> embed(4), city |> embed(4)) |> mlp([16, 8])
task ctr { head = trunk |> dense(1) |> sigmoid, loss = bce(click), metric = [auc, logloss] }
task cvr { head = trunk |> dense(1) |> sigmoid, loss = bce(buy), metric = [auc] }
train { optimizer = adam(0.01), batch = 64, epochs = 3, seed = 7 }
EOF
"$mtlc" synth v1.mtl --rows 600 --seed 1 -o rows.csv -q
expect 0 "a first run"                        "$mtlc" run v1.mtl --data rows.csv -o runs/v1 -q
# v2: a task, three values of a vocabulary, one of them before the old ones in order of the text
sed 's/version = 1/version = 2/; s/"basic", "free"/"basic", "free", "annual", "gold", "trial"/
  s/^train/task arrives_late { head = trunk |> dense(1) |> sigmoid, loss = bce(late) }\ntrain/' v1.mtl >v2.mtl
expect 0 "diff: ok for serving"               "$mtlc" diff runs/v1 v2.mtl
has out "warm start: all but the new part"    "serving  ok; weights: all but the new part; training: that task"
expect 0 "plan"                               "$mtlc" plan runs/v1 v2.mtl
has out "what is kept"                        "keep        trunk.mlp[0].dense.w"
has out "what is found by its key"            "remap       trunk.plan.table"
has out "how"                                 "by value; 3 of 6 values of"
has out "what begins"                         "initialise  arrives_late.dense.w"
has out "in all"                              "10 tensors loaded, 2 anew, 0 left"
# what is printed is what happens: the same tensors in the report; and the kept tasks start where they were
sed 's/adam(0.01)/sgd(1e-12)/; s/epochs = 3/epochs = 1/' v2.mtl >still.mtl
expect 0 "plan --data --json"                 "$mtlc" plan runs/v1 still.mtl --data rows.csv --json
cp "$tmp/out" planned
check "the plan has tensors"                  grep -q '"action": "remap"' planned
check "and their optimizer's state"           grep -q '"optimizer_why": "it is sgd, and was adam in the run"' planned
expect 0 "run --from"                         "$mtlc" run still.mtl --from runs/v1 --data rows.csv -o runs/v2 -q --json
check "the report has the plan"               sh -c 'tr -d " \n" <"$1" | grep -qF "$(tr -d " \n" <"$0" | sed "s/.*\"tensors\":\[//; s/\],\"inputs\".*//")"' planned "$tmp/out"
"$mtlc" eval runs/v1 >was
"$mtlc" eval runs/v2 >is
grep -E '^(ctr|cvr) ' was | tr -s ' ' >a
grep -E '^(ctr|cvr) ' is | tr -s ' ' >b
check "the kept tasks have their figures"     sh -c 'test -s a && cmp a b'
expect 0 "it can be reproduced"               "$mtlc" reproduce runs/v2
# a row of the table is where its value is
expect 0 "predictions of before"              "$mtlc" predict runs/v1 --data rows.csv -o was.csv -q
expect 0 "predictions after"                  "$mtlc" predict runs/v2 --data rows.csv -o is.csv -q
check "the same, row by row"                  sh -c 'cut -d, -f1-3 was.csv >a; cut -d, -f1-3 is.csv >b; paste -d, a b | awk -F, "NR > 1 && (\$2 - \$5 > 1e-6 || \$5 - \$2 > 1e-6 || \$3 - \$6 > 1e-6 || \$6 - \$3 > 1e-6) { bad = 1 } END { exit bad }"'
# what has no place is left only where somebody says so
sed 's/^task cvr.*//; s/^label buy.*//; s/^shared/let/' v1.mtl >less.mtl
expect 1 "plan: weights would be dropped"     "$mtlc" plan runs/v1 less.mtl
has out "which"                               "drop        cvr.dense.w"
expect 2 "run: it asks"                       "$mtlc" run less.mtl --from runs/v1 --data rows.csv -o runs/less -q
has err "for what"                            "--allow-drop"
has err "of which"                            'cvr.dense.b`, `cvr.dense.w`'
expect 0 "plan --allow-drop"                  "$mtlc" plan runs/v1 less.mtl --allow-drop
expect 0 "run --allow-drop"                   "$mtlc" run less.mtl --from runs/v1 --allow-drop --data rows.csv -o runs/less -q
sed 's/mlp(\[16, 8\])/mlp([24, 8])/' v1.mtl >wide.mtl
expect 0 "plan: wider"                        "$mtlc" plan runs/v1 wide.mtl
has out "it is padded"                        "pad         trunk.mlp[0].dense.w"
expect 0 "a wider run"                        "$mtlc" run wide.mtl --from runs/v1 --data rows.csv -o runs/wide -q --epochs 1
sed 's/shared trunk/shared body/; s/trunk |>/body |>/; s/mlp(\[16, 8\])/& { renamed_from = trunk }/' v1.mtl >name.mtl
expect 0 "plan: another name"                 "$mtlc" plan runs/v1 name.mtl
has out "it is found"                         "renamed from"
expect 0 "diff: another name"                 "$mtlc" diff runs/v1 name.mtl --category training
has out "it is told"                          "note[LAYER_RENAMED]"
expect 2 "plan of no run"                     "$mtlc" plan runs/none v1.mtl
expect 2 "run --from of no run"               "$mtlc" run v1.mtl --from runs/none --data rows.csv -q
expect 2 "--allow-drop alone"                 "$mtlc" run v1.mtl --allow-drop --data rows.csv -q
expect 2 "--from beside --resume"             "$mtlc" run --resume runs/v1 --from runs/v1
# v3 removes an input: found, accepted, and found again when that has ended
git_quiet init .
git_quiet add v2.mtl
git_quiet commit -m v2
git_quiet tag v2
sed 's/version = 2/version = 3/; s/^input city.*//; s/, city |> embed(4)//' v2.mtl >v3.mtl && mv v3.mtl v2.mtl
expect 1 "an input less"                      "$mtlc" check v2.mtl --against v2
has out "its rule"                            "break[INPUT_NO_DELETE]: input \`city\` is gone"
echo 'accept INPUT_NO_DELETE city "no longer asked for" until 4' >>v2.mtl
expect 0 "accepted"                           "$mtlc" check v2.mtl --against v2
sed -i 's/version = 3/version = 4/' v2.mtl
expect 1 "version 4: found again"             "$mtlc" check v2.mtl --against v2
done_testing
