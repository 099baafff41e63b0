#!/bin/bash
# How long it takes to compare model definitions: two specs of 2,000 lines, and 200 specs with imports against a tag of git. Prints seconds
# of the processor and of the clock, the best of five. usage: bench/version.sh    (mtlc at the top of the tree, or $MTLC)
set -e
TIMEFORMAT="%3R %3U %3S"
mtlc=${MTLC:-$(cd "$(dirname "$0")/.." && pwd)/mtlc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

# spec WIDTH CLIP: 600 inputs with remarks, 200 groups of them, 30 tasks
spec() {
  awk -v width="$1" -v clip="$2" 'BEGIN {
    print "model big { version = 3 }\nedition 2026"
    for (i = 0; i < 400; i++) {
      print "# what a" i " means, and where it comes from"
      print "input a" i (i % 2 ? " : real { missing = mean, clip = 0.." clip ", scale = zscore }" : " : category { min_count = 2 }")
    }
    for (i = 0; i < 200; i++) print "input u" i " : id { buckets = 1_000 }"
    print "label click : binary\nlabel buy : binary where click"
    for (g = 0; g < 200; g++) print "let g" g " = concat(a" 2 * g + 1 ", a" 2 * g " |> embed(4), u" g " |> embed(8))\n  |> dense(" width ", relu)"
    print "shared trunk = concat("
    for (g = 0; g < 200; g++) print "  g" g (g < 199 ? "," : "")
    print ") |> mlp([64, 32])"
    for (t = 0; t < 30; t++)
      print "task k" t " {\n  head = trunk |> mlp([16, 8])\n    |> dense(1)\n    |> sigmoid\n  loss = bce(" (t % 2 ? "click" : "buy") ")\n  weight = 0.5\n}\n"
    for (i = 0; i < 153; i++) print "# the end is near: " i
    print "train { batch = 64, epochs = 3 }"
  }'
}

best() {
  name=$1
  shift
  for i in 1 2 3 4 5; do
    { time "$@" >/dev/null 2>&1 || true; } 2>times
    awk '{ print $2 + $3, $1 }' times
  done | sort -n | awk -v name="$name" 'NR == 1 { printf "%-44s %5.3f s of the processor, %5.3f s in all\n", name, $1, $2 }'
}

spec 8 100 >old.mtl
spec 9 99 >new.mtl
echo "$(wc -l <old.mtl) lines"
best "diff: every group wider, every clip moved" "$mtlc" diff old.mtl new.mtl
best "hash" "$mtlc" hash old.mtl

mkdir -p tree
cd tree
git init -q .
for d in 1 2 3 4 5 6 7 8 9 10; do
  mkdir -p "t$d/common"
  printf 'input age : real { missing = mean }\ninput plan : category { vocab = ["a", "b"] }\nlet x = concat(age, embed(plan, 4))\n' >"t$d/common/inputs.mtl"
  for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    awk -v d="$d" -v i="$i" 'BEGIN {
      print "model m" d "_" i "\nedition 2026\nimport \"common/inputs.mtl\""
      for (k = 1; k <= 60; k++) print "input a" k " : real { missing = mean, scale = zscore }"
      print "label click, buy : binary"
      printf "shared trunk = concat(x"
      for (k = 1; k <= 60; k++) printf ", a%d", k
      print ") |> mlp([64, 32])\ntask ctr { head = trunk |> dense(1) |> sigmoid, loss = bce(click) }"
      print "task cvr { head = trunk |> dense(1) |> sigmoid, loss = bce(buy) }"
    }' >"t$d/m$i.mtl"
  done
done
git add -A
git -c user.name=a -c user.email=a@b commit -qm one
git tag v1
sed -i 's/mlp(\[64, 32\])/mlp([64, 33])/; s/a5 : real { missing = mean/a5 : real { missing = median/' t1/m*.mtl t2/m*.mtl t3/m*.mtl
best "check --against v1: 200 specs, 60 changed" "$mtlc" check . --against v1
