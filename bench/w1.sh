#!/bin/sh
# w1.sh: workload W1 (30 → 64 → 32 → two sigmoid heads, Adam; batch 32, 256, 2048) by mtlc, JAX and PyTorch in one run on one
# machine: µs per step, interleaved, medians. Prints a table and writes a JSON file. See README.md.
#   bench/w1.sh [-n REPEATS] [-o FILE.json] [-p "jax torch"] [-t "1 2"]
#   MTLC          the program; default: the one built in this tree, else that of the path
#   PEERS         where the frameworks are installed; default ${XDG_CACHE_HOME:-~/.cache}/mtlc-peers. Outside the tree
#   PEERS_JAX, PEERS_TORCH   a Python that has jax and optax, or torch: nothing is installed for it
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repeats=5 out=w1.json peers="jax torch" threads="1 2"
while getopts n:o:p:t: option; do
  case $option in
    n) repeats=$OPTARG ;; o) out=$OPTARG ;; p) peers=$OPTARG ;; t) threads=$OPTARG ;;
    *) sed -n 4p "$0" >&2; exit 2 ;;
  esac
done
jobs="32:5 256:5 2048:25"                          # batch:epochs; with 40,960 rows to train on 6400, 800 and 500 steps
limit=300                                          # seconds a peer's process may take
spec=$here/../specs/article_shared.mtl
mtlc=${MTLC-$here/../mtlc}
[ -x "$mtlc" ] || mtlc=$(command -v mtlc) || { echo "w1.sh: no mtlc: build first, or set MTLC" >&2; exit 1; }
. "$here/peers.sh"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
coretype=${OPENBLAS_CORETYPE-}                     # a forced core halves OpenBLAS: nobody gets it
unset OPENBLAS_CORETYPE
"$mtlc" synth "$spec" --rows 51200 --seed 1 -o "$tmp/rows.csv" -q

run_mtlc() {
  for job in $jobs; do
    sed "s/^\( *batch *= *\).*/\1${job%:*}/" "$spec" >"$tmp/w1.mtl"
    rm -rf "$tmp/run"
    "$mtlc" run "$tmp/w1.mtl" --data "$tmp/rows.csv" --epochs "${job#*:}" --json -q -o "$tmp/run" >"$tmp/report.json"
    "$python" "$here/report_w1.py" line "${job%:*}" "$tmp/report.json" >>"$tmp/lines"
  done
}

run_mtlc && : >"$tmp/lines"                        # fills the object cache
i=0
while [ "$i" -lt "$repeats" ]; do
  i=$((i + 1))
  echo "repeat $i of $repeats, load $(cut -d' ' -f1 /proc/loadavg)" >&2
  run_mtlc
  for n in $threads; do
    for peer in $peers; do
      eval "python=\$python_$peer"
      timeout "$limit" "$python" "$here/peers_w1.py" "$peer" --rows "$tmp/rows.csv" --threads "$n" $jobs >>"$tmp/lines" ||
        echo "w1.sh: $peer with $n threads did not end well (rc $?)" >&2
    done
  done
done
"$mtlc" --version >"$tmp/version"
"$python" "$here/report_w1.py" table "$tmp/lines" "$tmp/version" "$coretype" "$out"
