#!/usr/bin/env python3
"""A workload of workloads.py in a framework that mtlc is compared with.

    peers.py jax|torch NAME BATCH --start WEIGHTS.safetensors --threads N --steps N

One JSON line: µs per step (median), and `check`: the mean loss of the first 20 steps from the weights given, on the first rows of the
workload in their order. Only steps are timed; data are in memory, cut into batches before the clock starts. JAX: jit, many steps a call
by lax.scan, optax's Adam. PyTorch: eager, fused Adam; tables with sparse gradients, SparseAdam. One thread also means one core.
"""
import argparse
import json
import os
import statistics
import time

import workloads

CHECK_STEPS = 20


def batches(name, batch, steps):
    """x [steps, batch, k], ids [steps, batch, f], y [steps, batch, 2]; from the beginning again where rows run out."""
    import numpy
    n = max(CHECK_STEPS, min(steps, 40))
    x, codes, y = workloads.rows(name, CHECK_STEPS * batch)
    if name in workloads.LAZY:
        codes = workloads_buckets(codes)
    ids = codes + numpy.array(workloads.offsets(name), dtype=int)[None, :]
    order = [s % CHECK_STEPS for s in range(n)]
    return [part.reshape((CHECK_STEPS, batch) + part.shape[1:])[order] for part in (x, ids.astype(numpy.int32), y)]


def workloads_buckets(codes):
    """The bucket of an id's text, as mtlc hashes it: see hash_bytes() in src/base/names.c."""
    import numpy
    with numpy.errstate(over="ignore"):
        flat, h = codes.reshape(-1).astype(str), None
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


# ---------------------------------------------------------------- JAX
def run_jax(a):
    import jax
    import jax.numpy as jnp
    import optax

    class B:
        matmul, einsum, relu, sigmoid = jnp.matmul, jnp.einsum, jax.nn.relu, jax.nn.sigmoid
        softmax = staticmethod(lambda z: jax.nn.softmax(z, axis=-1))
        concat, stack = (staticmethod(lambda parts: jnp.concatenate(parts, axis=1)), staticmethod(lambda parts: jnp.concatenate(parts, axis=0)))
        swap = staticmethod(lambda z: jnp.swapaxes(z, 0, 1))
        rows = staticmethod(lambda table, ids: jnp.take(table, ids, axis=0))
        bce = staticmethod(lambda z, y: optax.sigmoid_binary_cross_entropy(z, y).mean())
        cross_entropy = staticmethod(lambda z, y: optax.softmax_cross_entropy_with_integer_labels(z, y.astype(jnp.int32)).mean())

    adam = optax.adam(1e-3, eps=1e-8)

    def step(state, part):
        w, opt = state
        value, grads = jax.value_and_grad(lambda w: workloads.loss(a.name, B, w, *part))(w)
        update, opt = adam.update(grads, opt)
        return (optax.apply_updates(w, update), opt), value

    many = jax.jit(lambda state, parts: jax.lax.scan(step, state, parts), donate_argnums=0)
    w = {k: jnp.asarray(v) for k, v in workloads.start(a.name, a.start).items()}
    parts = tuple(map(jax.device_put, batches(a.name, a.batch, 100 if a.batch <= 256 else CHECK_STEPS)))
    state, losses = many((w, adam.init(w)), tuple(p[:CHECK_STEPS] for p in parts))
    check = float(losses.mean())
    a_call = len(parts[0])
    state, losses = many(state, parts)                         # compiles for this many
    jax.block_until_ready(losses)
    micros = []
    for _ in range(max(3, a.steps // a_call)):
        begin = time.perf_counter()
        state, losses = many(state, parts)
        jax.block_until_ready((state, losses))
        micros.append((time.perf_counter() - begin) / a_call * 1e6)
    return micros, check, {"jax": jax.__version__, "optax": optax.__version__}


# ---------------------------------------------------------------- PyTorch
def run_torch(a):
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(a.threads)

    class B:
        matmul, einsum, relu, sigmoid = torch.matmul, torch.einsum, torch.relu, torch.sigmoid
        softmax = staticmethod(lambda z: torch.softmax(z, dim=-1))
        concat, stack = staticmethod(lambda parts: torch.cat(parts, dim=1)), staticmethod(lambda parts: torch.cat(parts, dim=0))
        swap = staticmethod(lambda z: z.transpose(0, 1))
        rows = staticmethod(lambda table, ids: F.embedding(ids, table, sparse=a.name in workloads.LAZY))
        bce = staticmethod(F.binary_cross_entropy_with_logits)
        cross_entropy = staticmethod(lambda z, y: F.cross_entropy(z, y.long()))

    w = {k: torch.tensor(v, requires_grad=True) for k, v in workloads.start(a.name, a.start).items()}
    lazy = [v for k, v in w.items() if k == "table" and a.name in workloads.LAZY]
    optimizers = [torch.optim.Adam([v for k, v in w.items() if not any(v is t for t in lazy)], lr=1e-3, eps=1e-8, fused=True)]
    if lazy:
        optimizers.append(torch.optim.SparseAdam(lazy, lr=1e-3, eps=1e-8))
    parts = [torch.from_numpy(p) for p in batches(a.name, a.batch, a.steps)]

    def step(i):
        value = workloads.loss(a.name, B, w, *(p[i] for p in parts))
        for o in optimizers:
            o.zero_grad(set_to_none=True)
        value.backward()
        for o in optimizers:
            o.step()
        return value.detach()

    check = float(torch.stack([step(i) for i in range(CHECK_STEPS)]).mean())
    micros = []
    for s in range(a.steps):
        begin = time.perf_counter()
        step(s % len(parts[0]))
        micros.append((time.perf_counter() - begin) * 1e6)
    return micros, check, {"torch": torch.__version__}


def limit_threads(n):
    if n == 1:
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(n)
    os.environ["JAX_PLATFORMS"] = "cpu"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("peer", choices=["jax", "torch"])
    p.add_argument("name", choices=list(workloads.SHAPES))
    p.add_argument("batch", type=int)
    p.add_argument("--start", required=True)
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("--steps", type=int, default=60)
    a = p.parse_args()
    limit_threads(a.threads)
    micros, check, versions = {"jax": run_jax, "torch": run_torch}[a.peer](a)
    print(json.dumps({"who": a.peer, "name": a.name, "batch": a.batch, "threads": a.threads, "us": statistics.median(micros), "check": check,
                      "versions": versions}), flush=True)


if __name__ == "__main__":
    main()
