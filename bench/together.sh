#!/bin/sh
# together.sh: what two trainings at once leave each other: rows a second of each, of the same training alone, in turns; W1 at batch 32, W3 at 1,024
# (workloads.py). All are stopped after as many seconds, so that both of a pair have company all the time. Exit 1 where one keeps less than 45 %.
#   bench/together.sh [-n REPEATS] [-s SECONDS] [OPTIONS of mtlc run…]     MTLC: the program; default: the one built in this tree
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mtlc=${MTLC-$here/../mtlc}
repeats=5 seconds=3
while getopts n:s: option; do
  case $option in
    n) repeats=$OPTARG ;; s) seconds=$OPTARG ;;
    *) sed -n 4p "$0" >&2; exit 2 ;;
  esac
done
shift $((OPTIND - 1))
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for job in w1:32 w3:1024; do
  python3 "$here/workloads.py" spec "${job%:*}" "${job#*:}" time >"$tmp/${job%:*}.mtl"
  "$mtlc" synth "$tmp/${job%:*}.mtl" --rows 40960 --seed 1 -o "$tmp/${job%:*}.csv" -q
  "$mtlc" run "$tmp/${job%:*}.mtl" --data "$tmp/${job%:*}.csv" -q -o "$tmp/${job%:*}" >/dev/null      # fills the cache
done
python3 - "$mtlc" "$tmp" "$repeats" "$seconds" "$@" <<'END'
import json, os, shutil, signal, statistics, subprocess, sys, time
mtlc, tmp, repeats, seconds, options = *sys.argv[1:3], int(sys.argv[3]), float(sys.argv[4]), sys.argv[5:]


def speeds(name, n):                                       # rows a second of each of n trainings at once, the slowest first
    children = []
    for i in range(n):
        shutil.rmtree(f"{tmp}/run{i}", ignore_errors=True)
        command = [mtlc, "run", f"{tmp}/{name}.mtl", "--data", f"{tmp}/{name}.csv", "--epochs", "1000000", "-q", "--json", "-o", f"{tmp}/run{i}"]
        children.append(subprocess.Popen(command + options, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    time.sleep(seconds)
    for child in children:
        child.send_signal(signal.SIGINT)
    texts = [child.communicate() for child in children]
    for child, (_, error) in zip(children, texts):
        if child.returncode != 130:                        # interrupted
            sys.exit(error.decode() or f"mtlc run ended with {child.returncode}")
    return sorted(json.loads(text)["rows_per_s"] for text, _ in texts)


kept = {"w1": [], "w3": []}
print(f"load before {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
for i in range(repeats):
    for name in kept:
        (alone,), pair = speeds(name, 1), speeds(name, 2)
        kept[name].append(pair[0] / alone)
        print(f"{name}: alone {alone:9.0f} rows/s, at once {pair[0]:9.0f} and {pair[1]:9.0f}: {100 * pair[0] / alone:.0f} %", flush=True)
for name, shares in kept.items():
    print(f"{name}: the slower of two keeps {100 * statistics.median(shares):.0f} % of its speed alone, median of {repeats} (target 45)")
sys.exit(any(statistics.median(shares) < 0.45 for shares in kept.values()))
END
