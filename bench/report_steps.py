#!/usr/bin/env python3
"""The report of steps.sh.

    report_steps.py jobs [NAME[:BATCH] …]                     the jobs that are meant, one NAME:BATCH a word
    report_steps.py steps NAME BATCH                          how many steps to time
    report_steps.py check|line …                              a line of mtlc's figures, from `mtlc run --json`
    report_steps.py table LINES PROFILE VERSION CORETYPE OUT  the table; all figures to OUT

Of each program the number of threads with the lower median counts. Exit 1 where a loss after 20 steps is off by more than TOLERANCE: then
the programs did not do the same work, and times say nothing.
"""
import json
import os
import statistics
import sys

from report_w1 import cpu
from workloads import BATCHES, SHAPES

TOLERANCE = 1e-4
STEP_US = {"w1": 0.3, "w2": 0.3, "w3": 6, "w4": 15, "w5": 6, "w6": 30}   # about, for a row of a batch; W1 to W4 and W6 by their batch
SECONDS = 2


def jobs(words):
    out = []
    for word in words or list(SHAPES):
        name, _, batch = word.partition(":")
        if name not in SHAPES or (batch and not batch.isdigit()):
            sys.exit(f"steps.sh: no workload {word}: {' '.join(SHAPES)}, each with a :BATCH if wanted")
        out += [f"{name}:{b}" for b in ([int(batch)] if batch else BATCHES[name])]
    print(" ".join(out))


def steps(name, batch):
    print(int(min(4000, max(40, SECONDS * 1e6 / (STEP_US[name] * batch + 5))) // 20 * 20))


def report(path):
    with open(path) as f:
        return json.load(f)


def medians(lines):
    groups = {}
    for x in lines:
        groups.setdefault((x["name"], x["batch"], x["who"], x["threads"]), []).append(x)
    return {key: {"us": statistics.median(x["us"] for x in g), "us_min": min(x["us"] for x in g), "us_max": max(x["us"] for x in g),
                  "repeats": len(g), "check": g[0]["check"]} for key, g in groups.items()}


def table(lines_path, profile_path, version_path, coretype, out):
    with open(lines_path) as f:
        lines = [json.loads(text) for text in f]
    with open(version_path) as f:
        versions = {"mtlc": [text.strip() for text in f if text.strip()]}
    checks = {(x["name"], x["batch"]): x["check"] for x in lines if x["who"] == "check"}
    timed = [x | {"check": checks[x["name"], x["batch"]]} if x["who"] == "mtlc" else x for x in lines if x["who"] != "check"]
    for x in timed:
        versions.update(x.get("versions", {}))
    found, machine, wrong, rows = medians(timed), cpu(), [], []
    profile = report(profile_path)["profile"]
    machine |= {"peak_gflops": profile["peak_gflops"], "peak_gbytes": profile["peak_gbytes"], "load": os.getloadavg(), "openblas_coretype_was": coretype or None}
    print(f"{machine['cpu']}, family {machine['family']} model {machine['model']}, {machine['best_instructions']}, {machine['cores']} cores, "
          f"load {machine['load'][0]:.1f}; a core: {machine['peak_gflops']:.0f} GFLOP/s, {machine['peak_gbytes']:.0f} GB/s from memory")
    print("versions:", "; ".join(f"{k} {v if isinstance(v, str) else ', '.join(v)}" for k, v in versions.items()))
    print(f"{'workload':9} {'batch':>5} {'program':8} {'threads':>7} {'µs/step':>10} {'min … max':>21} {'ratio':>7} {'loss of 20':>11} {'off':>9}")
    for name, batch in checks:
        best = {}
        for (n, b, who, threads), x in found.items():
            if (n, b) == (name, batch) and (who not in best or x["us"] < best[who]["us"]):
                best[who] = {"name": n, "batch": b, "who": who, "threads": threads, **x}
        for who, x in sorted(best.items(), key=lambda item: item[0] != "mtlc"):
            x["ratio"], x["off"] = x["us"] / best["mtlc"]["us"], x["check"] / checks[name, batch] - 1
            rows.append(x)
            spread = f"{x['us_min']:.1f} … {x['us_max']:.1f}"
            print(f"{name:9} {batch:5} {who:8} {x['threads']:7} {x['us']:10.1f} {spread:>21} {x['ratio']:7.2f} {x['check']:11.6f} {x['off']:+9.2e}")
            if not abs(x["off"]) <= TOLERANCE:
                wrong.append(x)
    with open(out, "w") as f:
        json.dump({"machine": machine, "versions": versions, "rows": rows, "lines": lines}, f, indent=1)
    for x in wrong:
        print(f"losses differ: {x['who']}, {x['name']}, batch {x['batch']}: {x['check']:.6f}", file=sys.stderr)
    return 1 if wrong else 0


def main(argv):
    if argv[0] == "jobs":
        return jobs(argv[1:])
    if argv[0] == "steps":
        return steps(argv[1], int(argv[2]))
    if argv[0] == "check":
        print(json.dumps({"who": "check", "name": argv[1], "batch": int(argv[2]), "check": report(argv[3])["epochs"][0]["loss"]}))
        return 0
    if argv[0] == "line":
        r = report(argv[4])
        print(json.dumps({"who": "mtlc", "name": argv[1], "batch": int(argv[2]), "threads": int(argv[3]), "used": r["threads"], "us": r["step_us"]}))
        return 0
    return table(*argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
