#!/bin/sh
# tables.sh: a step of W5 (workloads.py) with tables of 1, 10 and 30 million rows in all, on the same batches: what it costs follows the rows that a
# batch names, not the size of the tables. Medians of the steps of REPEATS runs, in turns. The largest takes 6 GB of memory and 2 GB of disk.
#   bench/tables.sh [-n REPEATS] [-t THREADS] [-f FOLDER] [MILLIONS …]          MTLC: the program; default: the one built in this tree
#   bench/tables.sh -b [MILLIONS …]    of 10 million rows, or as many: 1, 2, 3 and 4 threads train the same weights, to the byte; exit 1 where not
# -f: beside it with the tables in a mapped file in FOLDER, whose disk has twice their size free.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mtlc=${MTLC-$here/../mtlc}
repeats=2 threads='' sizes='1 10 30' work=time folder=''
while getopts n:t:f:b option; do
  case $option in
    n) repeats=$OPTARG ;; t) threads="--threads $OPTARG" ;; f) folder=$OPTARG ;; b) work=bits sizes=10 ;;
    *) sed -n '4,6p' "$0" >&2; exit 2 ;;
  esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- $sizes
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for name in w5 w5r; do
  for millions; do
    python3 "$here/workloads.py" spec $name 2048 time "$(awk "BEGIN { printf \"%d\", $millions * 1e6 / 26 }")" >"$tmp/$name-$millions.mtl"
  done
done
python3 - "$mtlc" "$tmp" $work "$repeats" "$threads" "$folder" "$@" <<'END'
import filecmp, json, os, random, shutil, statistics, subprocess, sys
mtlc, tmp, work, repeats, threads, folder, sizes = *sys.argv[1:4], int(sys.argv[4]), sys.argv[5].split(), sys.argv[6], sys.argv[7:]
BATCHES, BATCH, EPOCHS = 20, 2048, 5
OPTIMIZERS = {"w5": "lazy Adam", "w5r": "row-wise Adagrad"}
PLACES = {"memory": [], "file": ["--tables-in", folder]} if folder else {"memory": []}
STATE = {"w5": 3 * 16 * 4, "w5r": 16 * 4 + 4}                # bytes of a row with its state


def write_rows(path):                                      # ids of 30 bits: in their buckets they are spread over tables of any size
    draw = random.Random(1)
    with open(path, "w") as out:
        out.write(",".join([f"n_{i}" for i in range(13)] + [f"c{i}" for i in range(26)] + ["a", "b"]) + "\n")
        for _ in range(BATCHES * BATCH):
            numbers, bits = [draw.gauss(0, 1) for _ in range(13)], draw.getrandbits(30 * 26 + 2)
            cells = [f"{v:.4f}" for v in numbers] + [str(bits >> 30 * i & (1 << 30) - 1) for i in range(26)]
            out.write(",".join(cells + [str(bits >> 780 & 1), str(bits >> 781)]) + "\n")


def run(name, size, *options):                             # its report; its folder is tmp/run
    command = [mtlc, "run", f"{tmp}/{name}-{size}.mtl", "--data", tmp + "/rows.csv", "--epochs", str(EPOCHS), "--no-state", "-q", "--json", "-o", tmp + "/run"]
    shutil.rmtree(tmp + "/run", ignore_errors=True)
    done = subprocess.run(command + list(options), capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def compare_times():
    print(f"W5, {BATCH} rows of 26 ids a step; medians of {BATCHES * EPOCHS} steps, {repeats} times")
    seen = {(name, size, place): [] for name in OPTIMIZERS for size in sizes for place in PLACES}
    for _ in range(repeats):
        for (name, size, place), runs in seen.items():
            runs.append(run(name, size, *threads, *PLACES[place]))
    print(f"{'tables':17} {'rows, millions':>14} {'with state, MB':>14} {'in':>6} {'threads':>7} {'µs/step':>9} {'least … most':>19} {'ratio':>6}")
    for (name, size, place), runs in seen.items():
        micros = [r["step_us"] for r in runs]
        first = statistics.median(r["step_us"] for r in seen[name, sizes[0], "memory"])
        spread = f"{min(micros):.0f} … {max(micros):.0f}"
        print(f"{OPTIMIZERS[name]:17} {size:>14} {float(size) * STATE[name]:14.0f} {place:>6} {runs[0]['threads']:7} {statistics.median(micros):9.0f} {spread:>19} "
              f"{statistics.median(micros) / first:6.2f}")


def same_weights(name, size):
    first, fine = tmp + "/of-one", True
    for n in range(1, 5):
        report = run(name, size, "--threads", str(n))
        if n == 1:
            os.replace(tmp + "/run/weights.safetensors", first)
        same = n == 1 or filecmp.cmp(first, tmp + "/run/weights.safetensors", shallow=False)
        fine &= same and report["threads"] == n
        print(f"{OPTIMIZERS[name]:17} {size} million rows, {report['threads']} threads, {BATCHES * EPOCHS} steps: "
              + (f"{os.path.getsize(first)} bytes of weights" if n == 1 else "the same" if same else "OTHER WEIGHTS"), flush=True)
    return fine


write_rows(tmp + "/rows.csv")
cpu = next((text.split(":")[1].strip() for text in open("/proc/cpuinfo") if text.startswith("model name")), "?")
version = subprocess.run([mtlc, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")
print(f"{cpu}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}; {', '.join(text.strip() for text in version if text.strip())}")
if work == "time":
    compare_times()
else:
    sys.exit(not all([same_weights(name, size) for name in OPTIMIZERS for size in sizes]))
END
