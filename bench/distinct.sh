#!/bin/sh
# distinct.sh: steps whose batches repeat their ids, with products for the distinct ids alone and for each row or item (MTLC_DISTINCT=on, off):
# two lazy tables of 100,000 rows whose ids follow Zipf's law, batch 2,048, under a dense layer of 256; and lists of up to 50 items of 5,000,
# each item under a dense layer of 64. The least of REPEATS turns; a turn's time is the median over its steps.
#   bench/distinct.sh [REPEATS [THREADS]]       MTLC: the program; default: the one built in this tree
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mtlc=${MTLC-$here/../mtlc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 - "$mtlc" "$tmp" "${1-5}" "${2-1}" <<'END_OF_PYTHON'
import bisect, itertools, json, os, random, shutil, subprocess, sys
mtlc, tmp, repeats, threads = *sys.argv[1:3], int(sys.argv[3]), sys.argv[4]
IDS = """model ids
input user, merchant : id {{ buckets = 100_000 }}
input amount : real
label click : binary
let x = concat(user |> embed({width}) as users, merchant |> embed({width}) as merchants, amount)
task ctr {{ head = x |> dense(256, relu) as wide |> dense(64, relu) as narrow |> dense(1) |> sigmoid, loss = bce(click) }}
train {{ batch = 2048, epochs = 6, optimizer = adam(0.001), lazy = true }}
"""
LISTS = """model lists
input seen : list(category) {{ max = 50, separator = "|" }}
input amount : real
label click : binary
let items = mean(seen |> embed({width}) as items |> dense(64, relu) as layer, axis = 0)
task ctr {{ head = concat(items, amount) |> dense(64, relu) as wide |> dense(1) |> sigmoid, loss = bce(click) }}
train {{ batch = 2048, epochs = 4, optimizer = adam(0.001) }}
"""


def zipf(draw, n, exponent):                               # numbers below n
    sums = list(itertools.accumulate(k ** -exponent for k in range(1, n + 1)))
    return lambda: bisect.bisect(sums, draw.random() * sums[-1])


def write_ids(path, exponent, rows=40_000):
    draw = random.Random(1)
    one = zipf(draw, 100_000, exponent)
    with open(path, "w") as f:
        f.write("user,merchant,amount,click\n")
        f.writelines(f"{one()},{one()},{draw.random():.4f},{int(draw.random() < 0.3)}\n" for _ in range(rows))


def write_lists(path, exponent, rows=10_000):
    draw = random.Random(1)
    one = zipf(draw, 5_000, exponent)
    with open(path, "w") as f:
        f.write("seen,amount,click\n")
        for _ in range(rows):
            f.write("|".join(str(one()) for _ in range(draw.randrange(1, 51))) + f",{draw.random():.4f},{int(draw.random() < 0.3)}\n")


def step_us(spec, data, way):
    shutil.rmtree(tmp + "/run", ignore_errors=True)
    out = subprocess.run([mtlc, "run", spec, "--data", data, "-o", tmp + "/run", "--threads", threads, "--json", "-q"], check=True,
                         stdout=subprocess.PIPE, env=os.environ | {"MTLC_DISTINCT": way, "XDG_CACHE_HOME": tmp + "/cache"}).stdout
    return json.loads(out)["step_us"]


print(f"us a step, {threads} threads, the least of {repeats} turns; load {os.getloadavg()[0]:.1f}")
for name, text, write in (("ids", IDS, write_ids), ("lists", LISTS, write_lists)):
    for exponent in (1.0, 1.2):
        data = f"{tmp}/{name}-{exponent}.csv"
        write(data, exponent)
        for width in (16, 32, 64):
            spec = f"{tmp}/{name}-{width}.mtl"
            with open(spec, "w") as f:
                f.write(text.format(width=width))
            turns = {way: [] for way in ("off", "on")}
            for _ in range(repeats):
                for way in turns:
                    turns[way].append(step_us(spec, data, way))
            off, on = min(turns["off"]), min(turns["on"])
            print(f"{name:5} width {width:2}  exponent {exponent}  off {off:8.1f}  on {on:8.1f}  {off / on:.2f} times as fast", flush=True)
END_OF_PYTHON
