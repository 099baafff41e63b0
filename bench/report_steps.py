"""The report of steps.py: a table, and all figures as JSON. Of each program the number of threads with the lower median counts. A program whose loss
after 20 steps is off by more than TOLERANCE did not do the same work, and its times say nothing: that is an error."""
import json
import os
import platform
import sys

from workloads import flops

TOLERANCE = 1e-4


def cpu():
    info = {}
    with open("/proc/cpuinfo") as f:
        for text in f:
            key, _, value = text.partition(":")
            info.setdefault(key.strip(), value.strip())
    flags = info.get("flags", "").split()
    best = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), platform.machine())
    return {"cpu": info.get("model name", platform.processor()), "family": info.get("cpu family"), "model": info.get("model"),
            "best_instructions": best, "cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()}


def rows_of(lines, peak):
    """The best line of each program, mtlc's first of each job, with ratio, share of the peak of the threads it had, and `off`."""
    best = {}
    for x in lines:
        key = x["name"], x["batch"], x["who"]
        if key not in best or x["us"] < best[key]["us"]:
            best[key] = x
    for (name, batch, _), x in best.items():
        own = best[name, batch, "mtlc"]
        gflops = flops(name, batch) / x["us"] / 1e3
        x |= {"ratio": x["us"] / own["us"], "gflops": gflops, "share": gflops / (peak * x["threads"]), "off": x["check"] / own["check"] - 1}
    return list(best.values())


def versions_of(lines, mtlc):
    versions = {"mtlc": ", ".join(text.strip() for text in mtlc if text.strip())}
    for x in lines:
        versions.update(x.get("versions", {}))
    return versions


def write(lines, machine, mtlc_version, out):
    """Exit code: 1 where losses differ."""
    machine = cpu() | machine
    rows, versions = rows_of(lines, machine["peak_gflops"]), versions_of(lines, mtlc_version)
    print(f"{machine['cpu']}, family {machine['family']} model {machine['model']}, {machine['best_instructions']}, {machine['cores']} cores, "
          f"load {machine['load'][0]:.1f}; a core: {machine['peak_gflops']:.0f} GFLOP/s, {machine['peak_gbytes']:.0f} GB/s from memory")
    print("versions:", "; ".join(f"{name} {version}" for name, version in versions.items()))
    print(f"{'workload':9} {'batch':>5} {'program':8} {'threads':>7} {'µs/step':>10} {'min … max':>21} {'ratio':>7} {'of peak':>7} {'loss of 20':>11} {'off':>9}")
    for x in rows:
        spread = f"{min(x['all_us']):.1f} … {max(x['all_us']):.1f}"
        print(f"{x['name']:9} {x['batch']:5} {x['who']:8} {x['threads']:7} {x['us']:10.1f} {spread:>21} {x['ratio']:7.2f} {x['share']:7.1%} "
              f"{x['check']:11.6f} {x['off']:+9.2e}")
    with open(out, "w") as f:
        json.dump({"machine": machine, "versions": versions, "rows": rows, "lines": lines}, f, indent=1)
    wrong = [x for x in rows if not abs(x["off"]) <= TOLERANCE]
    for x in wrong:
        print(f"losses differ: {x['who']}, {x['name']}, batch {x['batch']}: {x['check']:.6f}", file=sys.stderr)
    return 1 if wrong else 0
