#!/bin/sh
# Every spec of specs/, and one of six axes: it is checked, trains an epoch on rows that mtlc makes for it, and predicts them.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
for spec in "$top"/specs/*.mtl "$top"/tests/golden/six_axes.mtl; do
  if grep -q "^from " "$spec"; then continue; fi                    # incremental.sh
  it=$(basename "$spec" .mtl)
  names=$(sed -n 's/^source \([a-z]*\).*/\1/p' "$spec")
  case $names in
  *[!a-z]*)                                            # several files: a folder of them, the first source's being the rows
    expect 0 "$it: rows" "$mtlc" synth "$spec" --rows 160 --seed 3 -o rows
    set --
    for name in $names; do set -- "$@" --data "$name=rows/$name.csv"; done ;;
  *)
    expect 0 "$it: rows" "$mtlc" synth "$spec" --rows 160 --seed 3 -o rows.csv
    set -- --data rows.csv ;;
  esac
  if grep -qE '^train .*split *= *files|^ *split *= *files' "$spec"; then test='--test rows.csv'; else test=; fi
  # 1: the figures that a spec requires are those of its real rows
  got=0
  "$mtlc" run "$spec" "$@" $test -o "$it" --epochs 1 -q >out 2>err </dev/null || got=$?
  check "$it: run" test $got -le 1
  [ $got -le 1 ] || note err
  check "$it: a run folder" test -s "$it/weights.safetensors"
  expect 0 "$it: predict" "$mtlc" predict "$it" "$@" -o predicted.csv -q
  check "$it: a prediction for each row" test "$(wc -l <predicted.csv)" -eq 161
  rm -rf "$it"
done
done_testing
