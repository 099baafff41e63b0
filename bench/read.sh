#!/bin/sh
# read.sh: how fast a CSV file becomes prepared rows, in memory and with a limit that it does not fit into. See README.md.
#   bench/read.sh [SPEC [ROWS]]          default: specs/hillstrom.mtl, 1 million rows that mtlc makes
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
spec=${1-$top/specs/hillstrom.mtl} rows=${2-1000000}
make -s -C "$top" bench/read mtlc
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$top/mtlc" synth "$spec" --rows "$rows" -o "$tmp/rows.csv" -q
echo "load $(cut -d' ' -f1 /proc/loadavg), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo "in memory"
"$top/bench/read" "$spec" "$tmp/rows.csv" 100000 "$tmp/kept"
echo "in 16 MiB, the rest on disk"
"$top/bench/read" "$spec" "$tmp/rows.csv" 16 "$tmp/kept"
