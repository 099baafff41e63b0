#!/bin/sh
# steps.sh: µs per training step of workloads W1 to W6 (workloads.py) by mtlc, JAX and PyTorch in one run on one machine: interleaved, medians, the
# best of 1 and 2 threads each, from the same weights and checked to reach the same loss. Prints a table and writes a JSON file. See README.md.
#   bench/steps.sh [-n REPEATS] [-o FILE.json] [-p "jax torch"] [-t "1 2"] [NAME[:BATCH] …]
#   MTLC          the program; default: the one built in this tree, else that of the path
#   PEERS         where the frameworks are installed; default ${XDG_CACHE_HOME:-~/.cache}/mtlc-peers. Outside the tree
#   PEERS_JAX, PEERS_TORCH   a Python that has jax and optax, or torch: nothing is installed for it
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repeats=5 out=steps.json peers="jax torch" threads="1 2"
while getopts n:o:p:t: option; do
  case $option in
    n) repeats=$OPTARG ;; o) out=$OPTARG ;; p) peers=$OPTARG ;; t) threads=$OPTARG ;;
    *) sed -n 4p "$0" >&2; exit 2 ;;
  esac
done
shift $((OPTIND - 1))
limit=300                                          # seconds a peer's process may take
mtlc=${MTLC-$here/../mtlc}
[ -x "$mtlc" ] || mtlc=$(command -v mtlc) || { echo "steps.sh: no mtlc: build first, or set MTLC" >&2; exit 1; }
. "$here/peers.sh"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
coretype=${OPENBLAS_CORETYPE-}                     # a forced core halves OpenBLAS: nobody gets it
unset OPENBLAS_CORETYPE
jobs=$("$python" "$here/report_steps.py" jobs "$@")
: >"$tmp/lines"

# mtlc_run NAME BATCH MODE ROWS OPTIONS…: into $tmp/run and $tmp/report.json
mtlc_run() {
  name=$1 batch=$2 mode=$3 rows=$4
  shift 4
  "$python" "$here/workloads.py" spec "$name" "$batch" "$mode" >"$tmp/$name-$batch-$mode.mtl"
  [ -f "$tmp/$name-$rows.csv" ] || "$python" "$here/workloads.py" rows "$name" "$rows" >"$tmp/$name-$rows.csv"
  rm -rf "$tmp/run"
  "$mtlc" run "$tmp/$name-$batch-$mode.mtl" --data "$tmp/$name-$rows.csv" --json -q -o "$tmp/run" "$@" >"$tmp/report.json" 2>"$tmp/errors" ||
    { cat "$tmp/errors" >&2; exit 1; }
}

for job in $jobs; do                               # the weights that all start from; mtlc's loss of the first 20 steps
  name=${job%%:*} batch=${job##*:}
  echo "$job: start and check" >&2
  mtlc_run "$name" "$batch" start $((20 * batch))
  mv "$tmp/run/weights.safetensors" "$tmp/$name-$batch.start"
  mtlc_run "$name" "$batch" check $((20 * batch))
  "$python" "$here/report_steps.py" check "$name" "$batch" "$tmp/report.json" >>"$tmp/lines"
done
i=0
while [ "$i" -lt "$repeats" ]; do
  i=$((i + 1))
  echo "repeat $i of $repeats, load $(cut -d' ' -f1 /proc/loadavg)" >&2
  for job in $jobs; do
    name=${job%%:*} batch=${job##*:}
    for n in $threads; do
      steps=$("$python" "$here/report_steps.py" steps "$name" "$batch")
      mtlc_run "$name" "$batch" time $((20 * batch)) --threads "$n" --epochs $((steps / 20))
      "$python" "$here/report_steps.py" line "$name" "$batch" "$n" "$tmp/report.json" >>"$tmp/lines"
      for peer in $peers; do
        eval "peer_python=\$python_$peer"
        timeout "$limit" "$peer_python" "$here/peers.py" "$peer" "$name" "$batch" --start "$tmp/$name-$batch.start" --threads "$n" \
          --steps "$steps" >>"$tmp/lines" 2>"$tmp/errors" ||
          { echo "steps.sh: $job: $peer with $n threads did not end well (rc $?)" >&2; tail -n 3 "$tmp/errors" >&2; }
      done
    done
  done
done
set -- $jobs                                       # this machine's peak, as mtlc measures it
mtlc_run "${1%%:*}" "${1##*:}" time $((20 * ${1##*:})) --profile
"$mtlc" --version >"$tmp/version"
"$python" "$here/report_steps.py" table "$tmp/lines" "$tmp/report.json" "$tmp/version" "$coretype" "$out"
