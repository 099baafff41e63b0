#!/usr/bin/env python3
"""The report of w1.sh.

    report_w1.py line BATCH REPORT.json                  one line of mtlc's figures, from `mtlc run --json`
    report_w1.py table LINES VERSION CORETYPE OUT.json   the table; all figures to OUT.json

Of a peer the number of threads with the lower median counts. Exit 1 where the losses differ by more than LOSS_TOLERANCE: then
the programs did not do the same work, and times say nothing.
"""
import json
import os
import platform
import statistics
import sys

LOSS_TOLERANCE = 0.05


def line(batch, path):
    with open(path) as f:
        report = json.load(f)
    print(json.dumps({"who": "mtlc", "threads": 1, "batch": int(batch), "us": report["step_us"],
                      "steps": report["rows"]["train"] // int(batch) * len(report["epochs"]),
                      "loss": report["epochs"][-1]["loss"]}))


def cpu():
    info = {}
    with open("/proc/cpuinfo") as f:
        for text in f:
            key, _, value = text.partition(":")
            info.setdefault(key.strip(), value.strip())
    flags = info.get("flags", "").split()
    best = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), platform.machine())
    return {"cpu": info.get("model name", platform.processor()), "family": info.get("cpu family"), "model": info.get("model"),
            "best_instructions": best, "cores": len(os.sched_getaffinity(0))}


def medians(lines):
    """{(who, batch, threads): figures}"""
    groups = {}
    for x in lines:
        groups.setdefault((x["who"], x["batch"], x["threads"]), []).append(x)
    return {key: {"us": statistics.median(x["us"] for x in group), "us_min": min(x["us"] for x in group),
                  "us_max": max(x["us"] for x in group), "repeats": len(group), "steps": group[0]["steps"],
                  "loss": statistics.median(x["loss"] for x in group)} for key, group in groups.items()}


def summary(lines):
    found, rows = medians(lines), []
    for batch in sorted({key[1] for key in found}):
        own = found[("mtlc", batch, 1)]
        for who in sorted({key[0] for key in found}, key=["mtlc", "jax", "torch"].index):
            runs = [{"threads": key[2], **x} for key, x in found.items() if key[:2] == (who, batch)]
            if not runs:
                continue
            best = min(runs, key=lambda x: x["us"])
            rows.append({"who": who, "batch": batch, **best, "ratio": best["us"] / own["us"],
                         "loss_off": best["loss"] / own["loss"] - 1, "all": runs})
    return rows


def table(lines_path, version_path, coretype, out):
    with open(lines_path) as f:
        lines = [json.loads(text) for text in f]
    with open(version_path) as f:
        version = f.read().split("\n")
    machine, rows = cpu(), summary(lines)
    machine["openblas_coretype_was"] = coretype or None          # unset for every process that is measured
    machine["load"] = os.getloadavg()
    versions = {"mtlc": [text for text in version if text]}
    for x in lines:
        versions.update(x.get("versions", {}))
    print(f"{machine['cpu']}, family {machine['family']} model {machine['model']}, {machine['best_instructions']}, "
          f"{machine['cores']} cores, load {machine['load'][0]:.1f}")
    print("versions:", "; ".join(f"{k} {v if isinstance(v, str) else ', '.join(v)}" for k, v in versions.items()))
    print("OPENBLAS_CORETYPE:", f"was {coretype}; unset here" if coretype else "not set")
    print(f"{'batch':>5} {'program':8} {'threads':>7} {'µs/step':>9} {'min … max':>19} {'ratio':>7} {'loss':>8} {'off':>7}")
    for x in rows:
        spread = f"{x['us_min']:.1f} … {x['us_max']:.1f}"
        print(f"{x['batch']:5} {x['who']:8} {x['threads']:7} {x['us']:9.1f} {spread:>19} {x['ratio']:7.2f} {x['loss']:8.5f} "
              f"{x['loss_off']:+7.1%}")
    with open(out, "w") as f:
        json.dump({"machine": machine, "versions": versions, "rows": rows, "lines": lines}, f, indent=1)
    wrong = [x for x in rows if not abs(x["loss_off"]) <= LOSS_TOLERANCE]
    for x in wrong:
        print(f"losses differ: {x['who']}, batch {x['batch']}: {x['loss']:.5f}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit({"line": line, "table": table}[sys.argv[1]](*sys.argv[2:]))
