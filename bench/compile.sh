#!/bin/sh
# compile.sh: how long the compiler takes: `check` and, with an empty object cache, `compile` of W1, W3 and W4 (workloads.py) and of a spec with 1,000
# inputs and 100 tasks. Least of REPEATS, against the targets; exit 1 where one is missed.
#   bench/compile.sh [REPEATS]                  MTLC: the program; default: the one built in this tree
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mtlc=${MTLC-$here/../mtlc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for name in w1:32 w3:1024 w4:1024; do python3 "$here/workloads.py" spec ${name%:*} ${name#*:} time >"$tmp/${name%:*}.mtl"; done
python3 - "$mtlc" "$tmp" "${1-5}" <<'END'
import os, subprocess, sys, time
mtlc, tmp, repeats = *sys.argv[1:3], int(sys.argv[3])
TARGETS = {("wide", "check"): 100, ("wide", "compile"): 5000}
WORDS = ", ".join(f'"v{i}"' for i in range(40))
KINDS = ["real { scale = zscore }", "category { vocab = [" + WORDS + "] }", "id { buckets = 2_000 }"]

with open(f"{tmp}/wide.mtl", "w") as out:                  # a third of the inputs numbers, a third categories, a third ids
    out.write("model wide\nedition 2026\n")
    for i in range(1000):
        out.write(f"input f{i} : {KINDS[i % 3]}\n")
    out.write("".join(f"label y{i} : binary\n" for i in range(100)))
    parts = ", ".join(f"f{i}" if i % 3 == 0 else f"f{i} |> embed(8)" for i in range(1000))
    out.write(f"shared trunk = concat({parts}) |> mlp([128, 64])\n")
    for i in range(100):
        out.write(f"task t{i} {{ head = trunk |> dense(16, relu) as own |> dense(1) as last |> sigmoid, loss = bce(y{i}) }}\n")
    out.write("train { optimizer = adam(0.001), batch = 256, epochs = 1 }\n")


def ms(*command):
    begin = time.perf_counter()
    subprocess.run([mtlc, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"XDG_CACHE_HOME": tmp})
    return (time.perf_counter() - begin) * 1e3


print(f"{repeats} times each; load {os.getloadavg()[0]:.1f}")
missed = False
for name in ("w1", "w3", "w4", "wide"):
    for what, command in (("check", ("check",)), ("compile", ("compile", "--emit", "obj", "-o", f"{tmp}/out.o"))):
        least = min(ms(command[0], f"{tmp}/{name}.mtl", *command[1:]) for _ in range(repeats))
        target = TARGETS.get((name, what))
        missed |= target is not None and least > target
        print(f"{name:5} {what:8} {least:8.1f} ms" + (f"  target {target}" if target else ""))
sys.exit(missed)
END
