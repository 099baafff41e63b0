#!/bin/sh
# Commands, options, exit codes, what goes to which stream. No data but rows that mtlc makes.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
spec=$top/specs/article_shared.mtl

expect 2 "no command: usage"                    "$mtlc"
has err "usage lists the commands"              "predict"
expect 0 "--help"                               "$mtlc" --help
has out "help lists the commands"               "synth"
expect 0 "--version"                            "$mtlc" --version
has out "version"                               "mtlc 0."
for c in check explain run eval predict compile synth doctor init hash diff runs show tag reproduce plan freeze; do
  expect 0 "$c --help"                          "$mtlc" $c --help
  has out "$c --help has examples"              "  mtlc $c"
done

expect 2 "unknown command"                      "$mtlc" chekc
has err "unknown command: did you mean"         'did you mean `check`?'
expect 2 "unknown option"                       "$mtlc" run "$spec" --epoch 3
has err "unknown option: did you mean"          'did you mean `--epochs`?'
expect 2 "option of another command"            "$mtlc" check "$spec" --rows 3
expect 2 "option without its value"             "$mtlc" run "$spec" --data
expect 2 "option twice"                         "$mtlc" run "$spec" --data a --data b
expect 2 "number that is none"                  "$mtlc" synth "$spec" --rows many
expect 2 "zero epochs"                          "$mtlc" run "$spec" --epochs 0
expect 2 "number that does not fit"             "$mtlc" synth "$spec" --rows 99999999999999999999
expect 2 "spec is missing"                      "$mtlc" explain
expect 2 "one spec too many"                    "$mtlc" explain a b
expect 2 "unknown stage"                        "$mtlc" compile "$spec" --emit grap
has err "unknown stage: did you mean"           'did you mean `graph`?'
has err "unknown stage: the choices"            "sched llvm asm obj"
expect 2 "object to nowhere"                    "$mtlc" compile "$spec"
expect 2 "predict without rows"                 "$mtlc" predict runs/none
expect 2 "spec that is not there"               "$mtlc" check none.mtl
has err "spec that is not there is named"       "none.mtl"
expect 2 "folder as a spec"                     "$mtlc" check .
expect 2 "run that is not there"                "$mtlc" eval runs/none
expect 3 "data that are not there"              "$mtlc" run "$spec" --data none.csv
has err "data that are not there are named"     "none.csv"
check "no run folder is left"                   test ! -e runs

expect 0 "check"                                "$mtlc" check "$spec"
expect 0 "check -q"                             "$mtlc" check -q "$spec"
empty out "check -q says nothing"
expect 0 "check --json"                         "$mtlc" check --json "$spec"
check "check --json: an object"                 grep -q '^{' out
expect 2 "check of several: the worst counts"   "$mtlc" check "$spec" none.mtl
expect 2 "check --json of what is wrong"        "$mtlc" check --json none.mtl
has out "errors as JSON"                        '"code"'

expect 0 "explain"                              "$mtlc" explain "$spec"
expect 0 "explain into a closed pipe is quiet"  sh -c '"$0" explain "$1" | head -n 1' "$mtlc" "$spec"
empty err "explain into a closed pipe: no message"
for stage in ast model graph grad sched llvm asm; do
  expect 0 "compile --emit $stage"              "$mtlc" compile "$spec" --emit $stage
  check "compile --emit $stage: there is text"  test -s out
done
expect 0 "compile to an object"                 "$mtlc" compile "$spec" --emit obj -o model.o
check "the object is ELF"                       sh -c 'head -c 4 model.o | grep -q ELF'
expect 4 "compile to where none can write"      "$mtlc" compile "$spec" --emit ast -o none/there
if [ -w /dev/full ]; then
  expect 4 "a full disk"                        sh -c '"$0" explain "$1" >/dev/full' "$mtlc" "$spec"
fi

expect 0 "synth to a file"                      "$mtlc" synth "$spec" --rows 100 --seed 3 -o a.csv
empty out "synth to a file: nothing on standard output"
expect 0 "synth to standard output"             "$mtlc" synth "$spec" --rows 100 --seed 3
check "the same seed, the same rows"            cmp out a.csv
check "synth makes as many rows as asked"       test "$(wc -l <a.csv)" -eq 101
expect 0 "synth with another seed"              "$mtlc" synth "$spec" --rows 100 --seed 4
check "another seed, other rows"                sh -c '! cmp -s out a.csv'
done_testing
