#!/usr/bin/env python3
"""A workload of workloads.py in a framework that mtlc is compared with.

    peers.py PEER NAME BATCH --start WEIGHTS.safetensors --threads N

When all is compiled, one JSON line: `check`, the mean loss of the first 20 steps from the weights given, on the first rows of the workload in
their order, and the versions. Then, for each line of standard input, a number of seconds, it trains for about so long and prints {"us": …}: µs
per step, the median of its calls. Data are in memory, cut into batches before any clock starts. One thread also means one core.
"""
import argparse
import importlib
import json
import os
import statistics
import sys
import time
from typing import NamedTuple

import workloads

CHECK_STEPS = 20


class Peer(NamedTuple):
    home: str                                                  # which installation of peers.sh has it
    module: str
    workloads: tuple
    options: dict = {}


MADE_OF_LAYERS = ("w1", "w2", "w3", "w4", "w6")
PEERS = {
    "jax": Peer("jax", "peer_jax", MADE_OF_LAYERS + ("w5",)),
    "torch": Peer("torch", "peer_torch", MADE_OF_LAYERS + ("w5",)),
    "compile": Peer("torch", "peer_torch", MADE_OF_LAYERS, {"compiled": True}),
    "tf": Peer("tf", "peer_tf", MADE_OF_LAYERS),
    "keras": Peer("tf", "peer_keras", ("w1", "w2")),
    "fbgemm": Peer("fbgemm", "peer_fbgemm", ("w5r",)),
}


class Job(NamedTuple):
    name: str
    batch: int
    threads: int
    start: dict                                                # name → weights, as workloads.start() gives them
    parts: list                                                # x [20, batch, k], ids [20, batch, f] rows of the one table, y [20, batch, 2]


def buckets(codes):
    """The bucket of an id's text, as mtlc hashes it: see hash_bytes() in src/base/names.c."""
    import numpy
    with numpy.errstate(over="ignore"):
        flat = codes.reshape(-1).astype(str)
        width = max(map(len, flat))
        text = numpy.frombuffer("".join(t.ljust(width, "\0") for t in flat).encode(), numpy.uint8).reshape(len(flat), width)
        h = numpy.full(len(flat), 0xcbf29ce484222325, numpy.uint64)
        for k in range(width):
            c = text[:, k].astype(numpy.uint64)
            h = numpy.where(c > 0, (h ^ c) * numpy.uint64(0x100000001b3), h)
        h ^= h >> numpy.uint64(30)
        h *= numpy.uint64(0xbf58476d1ce4e5b9)
        h ^= h >> numpy.uint64(27)
        h *= numpy.uint64(0x94d049bb133111eb)
        h ^= h >> numpy.uint64(31)
    return (h % numpy.uint64(workloads.BUCKETS)).astype(int).reshape(codes.shape)


def batches(name, batch):
    import numpy
    x, codes, y = workloads.rows(name, CHECK_STEPS * batch)
    if workloads.WORKLOADS[name].tables:
        codes = buckets(codes)
    ids = codes + numpy.array(workloads.offsets(name), dtype=int)[None, :]
    return [part.reshape((CHECK_STEPS, batch) + part.shape[1:]) for part in (x, ids.astype(numpy.int32), y)]


def micros_a_step(run, seconds):
    micros, begin = [], time.perf_counter()
    while not micros or time.perf_counter() - begin < seconds:
        at = time.perf_counter()
        steps = run()
        micros.append((time.perf_counter() - at) / steps * 1e6)
    return statistics.median(micros)


def limit_threads(n):
    if n == 1:
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(n)
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("peer", choices=list(PEERS))
    p.add_argument("name", choices=list(workloads.WORKLOADS))
    p.add_argument("batch", type=int)
    p.add_argument("--start", required=True)
    p.add_argument("--threads", type=int, required=True)
    a = p.parse_args()
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)                                              # what a framework prints is not our answer
    limit_threads(a.threads)
    peer = PEERS[a.peer]
    job = Job(a.name, a.batch, a.threads, workloads.start(a.name, a.start), batches(a.name, a.batch))
    check, run, versions = importlib.import_module(peer.module).prepare(job, **peer.options)
    print(json.dumps({"check": check, "versions": versions}), file=out)
    for line in sys.stdin:
        print(json.dumps({"us": micros_a_step(run, float(line))}), file=out)


if __name__ == "__main__":
    main()
