#!/bin/sh
# Lazy tables in a file: the bits of those in memory, whatever happens on the way: threads, interruptions, a start from another run. A training runs
# whose tables are larger than the memory that it may have. Disks that are full, not there, or fail are errors, and nothing is left.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
XDG_CACHE_HOME=$tmp/cache
export XDG_CACHE_HOME
cat >spec.mtl <<'END_OF_SPEC'
model shop
input user, other : id { buckets = 20_000 }
input seen        : list(id) { buckets = 20_000, max = 3 }
input x           : vector(4)
label click, buy  : binary
let u = instance embed(24) { lazy = true }
let v = embed(user, 5) { lazy = true, optimizer = rowwise_adagrad(0.05, initial = 0.1) }
let w = embed(other, 16) { lazy = true, freeze = true }
shared t = concat(user |> u, other |> u, mean(seen |> u), v, w, x) |> dense(16, relu)
task ctr { head = t |> dense(1) |> sigmoid, loss = bce(click), metric = [auc] }
task cvr { head = t |> dense(1) |> sigmoid, loss = bce(buy) }
train { optimizer = adam(0.01), batch = 100, epochs = 4, clip = norm(1), seed = 3, split = fraction(train = 0.8, valid = 0.1, test = 0.1), best = auc(ctr) }
END_OF_SPEC
"$mtlc" synth spec.mtl --rows 2000 --seed 4 -o rows.csv -q
run() { "$mtlc" run spec.mtl --data rows.csv -q "$@"; }
same() { cmp "$1/weights.safetensors" "$2/weights.safetensors" && cmp "$1/optimizer.safetensors" "$2/optimizer.safetensors"; }
bytes() { sed -n 's/^ *"bytes": \([0-9]*\)[},]*$/\1/p' "$tmp/out"; }
is_empty() { test -d "$1" && test -z "$(ls -A "$1")"; }

expect 0 "in memory"                          run -o memory --json
has out "the report says so"                  '"tables": null'
expect 0 "in a file"                          run -o file --tables-in disk/tables --json --threads 1
has out "where"                               '"folder": "disk/tables"'
check "how much"                              test "$(bytes)" -gt $((12 << 20)) -a "$(bytes)" -lt $((13 << 20))
check "the same bits"                         same memory file
expect 0 "in a file, two threads"             run -o two --tables-in disk/tables --threads 2
check "the same bits"                         same memory two
check "the file has no name"                  is_empty disk/tables
expect 0 "it is said at the start"            "$mtlc" run spec.mtl --data rows.csv -o said --epochs 1 --tables-in disk/tables
has err "how much lies where"                 "MiB in a file in disk/tables, with what the optimizer keeps of them"
expect 0 "more than --memory"                 run -o more --memory 1M --json
has out "lies in the cache folder"            "\"folder\": \"$tmp/cache/mtlc/tables\""
check "the same bits"                         same memory more
check "nothing is left there"                 is_empty cache/mtlc/tables
expect 0 "less than --memory"                 run -o less --memory 1G --epochs 1 --json
has out "lies in memory"                      '"tables": null'
sed 's/, lazy = true//; s/lazy = true, //; s/{ lazy = true }//' spec.mtl >whole.mtl
expect 0 "tables that are not lazy"           "$mtlc" run whole.mtl --data rows.csv -o whole --epochs 1 -q --json --tables-in disk/tables
has out "lie in memory"                       '"tables": null'
for optimizer in "adagrad(0.05, initial = 0.1)" "ftrl(0.1)" "amsgrad(0.01)" "momentum(0.1)"; do
  o=${optimizer%%(*}
  sed "s/adam(0.01)/$optimizer/" spec.mtl >$o.mtl
  expect 0 "$o in memory"                  "$mtlc" run $o.mtl --data rows.csv -o $o --epochs 2 -q
  expect 0 "$o in a file"                  "$mtlc" run $o.mtl --data rows.csv -o $o.file --epochs 2 -q --tables-in disk/tables
  check "$o: the same bits"                same $o $o.file
done

# eval, predict, reproduce, a start from another run
expect 0 "eval"                               "$mtlc" eval memory
cp out eval.txt
expect 0 "eval of tables in a file"           "$mtlc" eval file --tables-in disk/tables
check "the same answer"                       cmp out eval.txt
expect 0 "predict"                            "$mtlc" predict memory --data rows.csv -o memory.csv
expect 0 "predict by tables in a file"        "$mtlc" predict file --data rows.csv -o file.csv --tables-in disk/tables
check "the same predictions"                  cmp memory.csv file.csv
expect 0 "reproduce"                          "$mtlc" reproduce memory --tables-in disk/tables
expect 0 "from a run"                         run --from memory -o on --epochs 2
expect 0 "from a run, in a file"              run --from file -o on.file --epochs 2 --tables-in disk/tables
check "the same bits"                         same on on.file

# interrupted and resumed, in a file or in memory
start() {  # EPOCHS ARGUMENT…: in the background, until its third epoch is done
  "$mtlc" run spec.mtl --data rows.csv --epochs "$@" >out 2>err &
  pid=$! n=0
  while [ $n -lt 500 ] && ! grep -q 'epoch 3/' err; do sleep 0.02; n=$((n + 1)); done
}
stop() {
  kill -"$1" $pid 2>/dev/null
  got=0
  wait $pid 2>/dev/null || got=$?
}
expect 0 "a longer run"                       run -o long --epochs 600
for how in "file file" "file memory" "memory file"; do
  set -- $how
  first=--memory=1G second=--memory=1G
  [ "$1" = file ] && first=--tables-in=disk/tables
  [ "$2" = file ] && second=--tables-in=disk/tables
  rm -rf cut
  start 600 -o cut $first
  stop INT
  check "interrupted: $how"                   test $got -eq 130
  expect 0 "resume: $how"                     "$mtlc" run --resume cut $second
  check "the same bits: $how"                 same long cut
done
start 100_000 -o killed --tables-in disk/tables
stop KILL
check "killed: nothing is left"               is_empty disk/tables
rm -rf killed.part

# rows that steps changed are all that is copied for the best epoch, and looked at: as if all were
expect 0 "the best of twelve epochs"          run -o best --epochs 12 --json
best=$(sed -n 's/^ *"best_epoch": \([0-9]*\),$/\1/p' out)
check "it is neither the first nor the last"  test "$best" -gt 1 -a "$best" -lt 12
sed 's/, best = auc(ctr)//' spec.mtl >last.mtl
expect 0 "the last of as many"                "$mtlc" run last.mtl --data rows.csv -q -o last --epochs "$best"
check "the same bits"                         same best last
sed 's/rowwise_adagrad([^)]*)/sgd(1e300)/' spec.mtl >steep.mtl
head -n 21 rows.csv >few.csv
expect 3 "a table that is not finite"         "$mtlc" run steep.mtl --data few.csv -q -o steep
has err "it is named, and the step"           'the gradient of `v.user.table` is no finite number at step 1 (epoch 1, batch 1)'
expect 3 "one in a file"                      "$mtlc" run steep.mtl --data few.csv -q -o steep --tables-in disk/tables
has err "it is named, and the step"           'the gradient of `v.user.table` is no finite number at step 1 (epoch 1, batch 1)'

# a step that is not finite is found again
sed 's/metric = \[auc\] }/metric = [auc] }\ninput far : real/; s/, x) |> dense/, x, 1000000 * exp(far)) |> dense/' spec.mtl >far.mtl
awk -F, 'NR == 1 { print $0 ",far"; next } { print $0 "," (NR == 1203 ? 500 : 0) }' rows.csv >far.csv
expect 3 "not finite"                         "$mtlc" run far.mtl --data far.csv -q -o far
cp err far.txt
expect 3 "not finite, in a file"              "$mtlc" run far.mtl --data far.csv -q -o far --tables-in disk/tables
check "the same is said"                      cmp err far.txt

# what a disk may do
expect 4 "no folder"                          run -o none --tables-in rows.csv/tables
has err "it is said"                          "error[cannot-write]: cannot lay 12 MiB of tables into a file in rows.csv/tables: Not a directory"
expect 4 "no room"                            sh -c 'ulimit -f 100; exec "$@"' sh "$mtlc" run spec.mtl --data rows.csv -q -o none --tables-in disk/tables
has err "it is said"                          "error[disk-full]: cannot lay 12 MiB of tables into a file in disk/tables: File too large"
has err "what to do"                          "--tables-in names a folder of another disk"
expect 4 "no room for eval"                   sh -c 'ulimit -f 100; exec "$@"' sh "$mtlc" eval file --tables-in disk/tables
check "no run is left"                        sh -c '! ls -d none*'
if unshare -Urm true 2>/dev/null; then
  mkdir small
  small() { size=$1; shift; unshare -Urm sh -c 'mount -t tmpfs -o size='$size' none small && exec "$@"' sh "$@" --tables-in small; }
  expect 4 "a full disk"                      small 8m "$mtlc" run spec.mtl --data rows.csv -q -o none
  has err "it is said"                        "error[disk-full]: cannot lay 12 MiB of tables into a file in small: No space left on device"
  expect 4 "full with the copy of the best"   small 20m "$mtlc" run spec.mtl --data rows.csv -q -o none
  has err "it is said"                        "error[disk-full]"
  check "no run is left"                      sh -c '! ls -d none*'
  expect 0 "room for both"                    small 32m "$mtlc" run spec.mtl --data rows.csv -q -o fits
  check "the same bits"                       same memory fits
else
  pass "a full disk # SKIP no file system can be mounted"
fi
start 5_000 -o lost --tables-in disk/tables
for fd in /proc/$pid/fd/*; do
  case $(readlink "$fd") in "$tmp/disk/tables/"*) (: >"$fd") 2>/dev/null ;; esac
done
stop CONT
check "a disk that fails: exit 4"             test $got -eq 4
has err "it is said"                          "error[lost-file]: a file that is mapped into memory cannot be read or written"

# tables larger than the memory that the process may have
limit=100000
limited() { code=$1 name=$2; shift 2; expect "$code" "$name" sh -c 'ulimit -d '$limit'; exec "$@"' sh "$@"; }
if (ulimit -d $limit && "$mtlc" --version) >/dev/null 2>&1; then
  sed 's/20_000/400_000/; s/epochs = 4/epochs = 3/' spec.mtl >large.mtl
  expect 0 "large tables"                     "$mtlc" run large.mtl --data rows.csv -o large -q
  limited 4 "too large for memory"            "$mtlc" run large.mtl --data rows.csv -o none -q --memory 1G
  has err "it is said"                        "out of memory"
  limited 0 "in a file"                       "$mtlc" run large.mtl --data rows.csv -o large.file -q --tables-in disk/tables --json
  check "larger than that"                    test "$(bytes)" -gt $((2 * 1024 * limit))
  check "the same bits"                       same large large.file
  limited 0 "more than --memory"              "$mtlc" run large.mtl --data rows.csv -o large.more -q --memory 50M
  check "the same bits"                       same large large.more
  limited 0 "a start from it"                 "$mtlc" run large.mtl --data rows.csv --from large.file -o large.on -q --epochs 1 --tables-in disk/tables
  limited 0 "eval"                            "$mtlc" eval large.file --tables-in disk/tables
  limited 0 "predict"                         "$mtlc" predict large.file --data rows.csv -o large.csv --memory 50M
  limited 0 "reproduce"                       "$mtlc" reproduce large.file --tables-in disk/tables
else
  pass "tables larger than memory # SKIP this build needs more by itself"
fi
done_testing
