#!/bin/sh
# predict.sh: ns of a prediction from C, in calls of 1, 32 and 1,024 rows, of W1's and W3's models (workloads.py). See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/.." && pwd)
make -s -C "$top" bench/predict mtlc
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for job in w1:32 w3:1024; do
  name=${job%:*}
  python3 "$here/workloads.py" spec "$name" "${job#*:}" time >"$tmp/$name.mtl"
  "$top/mtlc" synth "$tmp/$name.mtl" --rows 2048 --seed 1 -o "$tmp/$name.csv" -q
  "$top/mtlc" run "$tmp/$name.mtl" --data "$tmp/$name.csv" -q -o "$tmp/$name" >/dev/null
done
echo "load $(cut -d' ' -f1 /proc/loadavg), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
cd "$tmp" && "$top/bench/predict" w1 w3
