#!/bin/sh
# startup.sh: `mtlc run` on 1,000 rows with a warm object cache, from start to end: wall time (least and median of 10) and peak
# memory. Targets: 50 ms, 60 MB. Exit 1 where the median or the memory is above.
#   bench/startup.sh [REPEATS]                  MTLC: the program; default: the one built in this tree
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mtlc=${MTLC-$here/../mtlc}
spec=$here/../specs/article_shared.mtl
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$mtlc" synth "$spec" --rows 1000 --seed 1 -o "$tmp/rows.csv" -q
"$mtlc" run "$spec" --data "$tmp/rows.csv" -q -o "$tmp/first" >/dev/null        # fills the cache
python3 - "$mtlc" "$spec" "$tmp" "${1-10}" <<'END'
import os, statistics, subprocess, sys, time
mtlc, spec, tmp, repeats = *sys.argv[1:4], int(sys.argv[4])
ms, mb = [], []
for i in range(repeats):
    with open(os.devnull, "w") as null:
        begin = time.perf_counter()
        child = subprocess.Popen([mtlc, "run", spec, "--data", tmp + "/rows.csv", "-q", "-o", f"{tmp}/run{i}"], stdout=null)
        _, status, usage = os.wait4(child.pid, 0)          # of this child alone, unlike getrusage
        ms.append((time.perf_counter() - begin) * 1e3)
        mb.append(usage.ru_maxrss / 1024)
    if status:
        sys.exit(f"mtlc run ended with {os.waitstatus_to_exitcode(status)}")
print(f"mtlc run, 1,000 rows, warm cache: {min(ms):.1f} ms least, {statistics.median(ms):.1f} ms median of {repeats} (target 50); "
      f"{max(mb):.1f} MB at most (target 60); load {os.getloadavg()[0]:.1f}")
sys.exit(statistics.median(ms) > 50 or max(mb) > 60)
END
