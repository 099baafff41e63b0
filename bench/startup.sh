#!/bin/sh
# startup.sh: from the start of a process to the first training step done, of W1 and W4 (workloads.py), the object cache warm and empty; all of a run
# of W1 on 1,000 rows, and the peak memory. Medians of REPEATS against the targets; exit 1 where one is missed.
#   bench/startup.sh [REPEATS]                  MTLC: the program; default: the one built in this tree
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mtlc=${MTLC-$here/../mtlc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 "$here/workloads.py" spec w1 32 time >"$tmp/w1.mtl"
python3 "$here/workloads.py" spec w4 1024 time >"$tmp/w4.mtl"
"$mtlc" synth "$tmp/w1.mtl" --rows 1000 --seed 1 -o "$tmp/w1.csv" -q
"$mtlc" synth "$tmp/w4.mtl" --rows 1024 --seed 1 -o "$tmp/w4.csv" -q
python3 - "$mtlc" "$tmp" "${1-10}" <<'END'
import json, os, shutil, statistics, subprocess, sys, time
mtlc, tmp, repeats = *sys.argv[1:3], int(sys.argv[3])
KINDS = ["W1, warm cache", "W1, empty cache", "W4, warm cache", "W4, empty cache"]
TARGETS = {("W1, warm cache", "first step, ms"): 10, ("W1, empty cache", "first step, ms"): 200, ("W4, empty cache", "first step, ms"): 800,
           ("W1, warm cache", "whole run, ms"): 50, ("W1, warm cache", "peak, MB"): 40}


def timed(*command):                                       # ms from start to end; the peak in MB; what it wrote
    begin = time.perf_counter()
    child = subprocess.Popen([mtlc, *command], stdout=subprocess.PIPE, env=os.environ | {"XDG_CACHE_HOME": tmp + "/cache"})
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)              # of this child alone, unlike getrusage
    if status:
        sys.exit(f"mtlc {command[0]} ended with {os.waitstatus_to_exitcode(status)}")
    return (time.perf_counter() - begin) * 1e3, usage.ru_maxrss / 1024, text


def measure(kind):
    name, cache = kind[:2].lower(), kind.split()[1]
    shutil.rmtree(tmp + "/run", ignore_errors=True)
    if cache == "empty":
        shutil.rmtree(tmp + "/cache", ignore_errors=True)
    start, _, _ = timed("--help")                          # of a process; with its end, so a little more than counts
    ms, mb, text = timed("run", f"{tmp}/{name}.mtl", "--data", f"{tmp}/{name}.csv", "-q", "--json", "-o", tmp + "/run")
    report = json.loads(text)
    if report["cached"] != (cache == "warm"):
        sys.exit(f"{kind}: the report says otherwise")
    return {"first step, ms": start + report["first_step_ms"], "whole run, ms": ms, "peak, MB": mb}


seen = {kind: [] for kind in KINDS}
for i in range(repeats):
    for name in ("W1", "W4"):                              # empty first: it fills the cache
        for cache in ("empty", "warm"):
            seen[f"{name}, {cache} cache"].append(measure(f"{name}, {cache} cache"))
print(f"from process start, {repeats} times each; load {os.getloadavg()[0]:.1f}")
missed = False
for kind in KINDS:
    for what in seen[kind][0]:
        values = [x[what] for x in seen[kind]]
        target = TARGETS.get((kind, what))
        median = statistics.median(values)
        missed |= target is not None and median > target
        print(f"{kind:16} {what:15} least {min(values):7.1f}  median {median:7.1f}" + (f"  target {target}" if target else ""))
sys.exit(missed)
END
