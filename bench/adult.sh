#!/bin/sh
# adult.sh: from the command to the result: specs/adult_shared_bottom.mtl by `mtlc run` and the same by pandas and PyTorch (adult_torch.py), 5 epochs,
# warm cache, in turns; whole processes and their training loops, medians. PyTorch with each number of threads, with its default Adam and the fused
# one. Exit 1 below 10 times the best with the default Adam, or where the AUC differ. See README.md.
#   bench/adult.sh [-n REPEATS] [-d DATA_FOLDER] [-t "1 2"]
#   DATA_FOLDER   has adult.data and adult.test; without it, rows of the same shape that mtlc makes
#   MTLC: the program; default: the one built in this tree. PEERS, PEERS_TORCH: peers.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repeats=5 data= threads="1 2"
while getopts n:d:t: option; do
  case $option in
    n) repeats=$OPTARG ;; d) data=$OPTARG ;; t) threads=$OPTARG ;;
    *) sed -n 5p "$0" >&2; exit 2 ;;
  esac
done
mtlc=${MTLC-$here/../mtlc}
spec=$here/../specs/adult_shared_bottom.mtl
[ -x "$mtlc" ] || mtlc=$(command -v mtlc) || { echo "adult.sh: no mtlc: build first, or set MTLC" >&2; exit 1; }
python=$("$here/peers.sh" torch)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
train=$data/adult.data test=$data/adult.test rows=real
if [ -z "$data" ]; then
  train=$tmp/adult.data test=$tmp/adult.test rows="made by mtlc synth"
  "$mtlc" synth "$spec" --rows 32561 --seed 1 -o "$train" -q
  "$mtlc" synth "$spec" --rows 16281 --seed 2 -o "$test" -q
fi
unset OPENBLAS_CORETYPE
"$python" - "$mtlc" "$spec" "$train" "$test" "$tmp" "$here/adult_torch.py" "$repeats" "$rows" $threads <<'END'
import json, os, shutil, statistics, subprocess, sys, time
mtlc, spec, train, test, tmp, script = sys.argv[1:7]
repeats, rows, threads = int(sys.argv[7]), sys.argv[8], sys.argv[9:]


def timed(command):                                        # seconds from start to end, what it wrote
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode not in (0, 1):                      # 1: a `require` is not met, as on rows that are made
        sys.exit(done.stderr)
    return seconds, json.loads(done.stdout)


def by_mtlc():
    shutil.rmtree(tmp + "/run", ignore_errors=True)
    seconds, report = timed([mtlc, "run", spec, "--data", train, "--test", test, "--epochs", "5", "-q", "--json", "-o", tmp + "/run"])
    return seconds, report["rows_per_s"], [report["test"][t]["auc"] for t in ("income", "never_married")]


def by_torch(n, adam):
    seconds, report = timed([sys.executable, script, train, test, n, adam])
    return seconds, report["rows_per_s"], report["auc"]


by_mtlc()                                                  # fills the caches
peers = [(n, adam) for n in threads for adam in ("default", "fused")]
seen = {"mtlc": []} | {k: [] for k in peers}
print(f"Adult, {rows}, 5 epochs; load before {os.getloadavg()[0]:.1f}", flush=True)
for i in range(repeats):
    seen["mtlc"].append(by_mtlc())
    for k in peers:
        seen[k].append(by_torch(*k))
whole = {k: statistics.median(x[0] for x in v) for k, v in seen.items()}
loop = {k: statistics.median(x[1] for x in v) for k, v in seen.items()}
auc = {k: [statistics.median(x[2][t] for x in v) for t in (0, 1)] for k, v in seen.items()}
for k in seen:
    name = k if k == "mtlc" else f"PyTorch, {k[0]} thread{'s' * (k[0] != '1')}, {k[1]} Adam"
    print(f"{name:32} whole {whole[k]:6.3f} s  loop {loop[k]:9.0f} rows/s  AUC {auc[k][0]:.4f} {auc[k][1]:.4f}")
ratio = {}
for adam in ("default", "fused"):                          # of the better number of threads
    of = [k for k in peers if k[1] == adam]
    ratio[adam] = min(whole[k] for k in of) / whole["mtlc"], loop["mtlc"] / max(loop[k] for k in of)
    print(f"{adam} Adam: mtlc is {ratio[adam][0]:.1f} times as fast as a whole, {ratio[adam][1]:.1f} times in the loop (target 10 of default)")
off = max(abs(auc["mtlc"][t] - auc[k][t]) for k in peers for t in (0, 1))
print(f"medians of {repeats}; AUC differ by {off:.4f} (at most 0.005)")
sys.exit(min(ratio["default"]) < 10 or off > 0.005)
END
