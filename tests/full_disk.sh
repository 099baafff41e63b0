#!/bin/sh
# A disk that fills up, and files that cannot be written: what is missing is told before the first step; later nothing that was trained is
# lost, and goes on to the same bits.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
spec=$top/specs/article_shared.mtl epochs=2500

n_runs=0
await() { i=0; while [ $i -lt 500 ] && ! "$@" 2>/dev/null; do sleep 0.02; i=$((i + 1)); done; }
start() {  # ARGUMENT…: in the background, stopped after its third epoch
  "$mtlc" run "$spec" --data rows.csv --epochs $epochs "$@" >out.$n_runs 2>err.$n_runs &
  pid=$!
  await grep -q 'epoch 3/' err.$n_runs
  kill -STOP $pid
}
finish() {  # [SIGNAL]: lets it go on; its exit code is $got, what it said in out and err
  kill -CONT $pid
  [ -z "$1" ] || kill -"$1" $pid
  got=0
  wait $pid 2>/dev/null || got=$?
  mv out.$n_runs out; mv err.$n_runs err
}
same() { cmp "$1/weights.safetensors" whole/weights.safetensors && cmp "$1/optimizer.safetensors" whole/optimizer.safetensors; }
block() { rm -f "$1"; mkdir "$1"; }               # no file can be written there
names() { ls -A "$1" | sort | tr '\n' ' '; }

expect 0 "rows"                               "$mtlc" synth "$spec" --rows 600 --seed 1 -o rows.csv
expect 0 "a run to its end"                   "$mtlc" run "$spec" --data rows.csv --epochs $epochs -q -o whole
files=$(names whole)

# ---- each file of the end in turn
for file in weights.safetensors optimizer.safetensors metrics.json spec.lock run.json; do
  start -o end
  block end.part/$file.tmp
  finish
  check "no $file: exit 4"                    test $got -eq 4
  has err "it is said"                        "error[cannot-write]: cannot write"
  has err "and how to go on"                  'help: the training is kept in `end.part`; once that is mended, go on with it: mtlc run --resume end.part'
  check "no run folder appears"               test ! -e end
  expect 4 "no $file: still"                  "$mtlc" run --resume end.part -q
  has err "and how to go on"                  "mtlc run --resume end.part"
  rmdir end.part/$file.tmp
  expect 0 "no $file: mended"                 "$mtlc" run --resume end.part -q
  check "the same bits"                       same end
  check "its files are those of any run"      test "$(names end)" = "$files"
  check "nothing else is left"                test ! -e end.part
  rm -r end
done

# ---- the name is taken meanwhile
start -o taken
mkdir taken taken/odd
finish
check "a name that is taken: exit 4"          test $got -eq 4
has err "it is said"                          'error[cannot-write]: cannot name the run folder `taken`: '
has err "and how to go on"                    "mtlc run --resume taken.part"
expect 0 "the run is whole"                   "$mtlc" eval taken.part
expect 2 "still taken"                        "$mtlc" run --resume taken.part
has err "it is said"                          'error[run-exists]: `taken.part` would become `taken`, and there is such a folder already'
rm -r taken
expect 2 "its name for another run"           "$mtlc" run "$spec" --data rows.csv --epochs 1 -q -o taken
has err "it is said"                          'error[run-exists]: `taken.part` holds an unfinished training'
has err "and how to go on"                    "go on with it: mtlc run --resume taken.part"
expect 0 "by the run's name"                  "$mtlc" run --resume taken -q
check "the same bits"                         same taken
check "nothing else is left"                  test ! -e taken.part

# ---- checkpoints as time passes: one process has room for them and is killed, one has none
start -o runs/killed
first=$pid
n_runs=1
start -o unsaved
block unsaved.part/checkpoint.safetensors.tmp
sleep 5.2
kill -CONT $first
await test -e runs/killed.part/state.json
kill -KILL $first
wait $first 2>/dev/null
finish
check "no checkpoint: the run ends all the same" test $got -eq 0
has err "it is said"                          'warning[no-checkpoint]: in epoch '
has err "and why"                             'no checkpoint could be written, and the training went on: cannot write `unsaved.part/checkpoint.safetensors`: Is a directory'
check "the same bits"                         same unsaved
expect 2 "killed: its name"                   "$mtlc" run "$spec" --data rows.csv --epochs 1 -q -o runs/killed/
expect 0 "killed: goes on"                    "$mtlc" run --resume runs/killed/ -q
check "the same bits"                         same runs/killed
check "its files are those of any run"        test "$(names runs/killed)" = "$files"
check "nothing else is left"                  test ! -e runs/killed.part

# ---- a run without the optimizer's state that was left remembers that it has none
start -o bare --no-state
block bare.part/metrics.json.tmp
finish
rmdir bare.part/metrics.json.tmp
expect 0 "without a state"                    "$mtlc" run --resume bare -q
check "there is none"                         sh -c 'test -e bare/weights.safetensors && test ! -e bare/optimizer.safetensors'

# ---- a disk that is full
if ! unshare -Urm sh -c 'mount -t tmpfs none /tmp' 2>/dev/null; then
  pass "a full disk # SKIP no file system can be mounted"
  done_testing
  exit
fi
mkdir small
cat >full.sh <<'S'
mount -t tmpfs -o size=$1 none small || exit 99
shift
exec "$@"
S
on_disk() { unshare -Urm sh full.sh "$@"; }
expect 4 "no room for the result"             on_disk 40k "$mtlc" run "$spec" --data rows.csv --epochs 3 -o small/none
has err "it is said"                          'error[disk-full]: cannot keep 35 KiB free for `small/none.part/optimizer.safetensors`: No space left on device'
has err "what to do"                          "-o names a folder of another disk"
check "before the first epoch"                sh -c '! grep -q "epoch 1/" err'
# $1: a signal, or none. The disk is filled to the last page once the training is under way.
cat >filled.sh <<'S'
"$mtlc" run "$spec" --data rows.csv --epochs $epochs -o small/run >small.out 2>small.err & pid=$!
i=0; while [ $i -lt 500 ] && ! grep -q 'epoch 3/' small.err; do sleep 0.02; i=$((i + 1)); done
kill -STOP $pid
cat /dev/zero >small/filler 2>/dev/null
kill -CONT $pid
[ -z "$1" ] || kill -$1 $pid
wait $pid
echo "ended: $?"
if [ "$1" ]; then
  "$mtlc" run --resume small/run -q 2>small.err; echo "full: $?"; cat small.err
  rm small/filler
  "$mtlc" run --resume small/run -q; echo "mended: $?"
fi
cp -R small/run "$2"
S
export mtlc spec epochs
expect 0 "a disk that fills up"               on_disk 8m sh filled.sh "" full
has out "the run ends all the same"           "ended: 0"
check "the same bits"                         same full
expect 0 "and a run that is interrupted then" on_disk 8m sh filled.sh INT cut
has out "it is kept"                          "ended: 130"
has out "goes not on without room"            "full: 4"
has out "it is said"                          'error[disk-full]: cannot keep '
has out "and how to go on"                    'the training is kept in `small/run`; once that is mended, go on with it: mtlc run --resume small/run'
has out "goes on"                             "mended: 0"
check "the same bits"                         same cut
check "its files are those of any run"        test "$(names cut)" = "$files"
done_testing
