#!/usr/bin/env python3
"""Workload W1 in the frameworks that mtlc is compared with: 30 → 64 → 32 (relu) → two sigmoid heads, binary cross entropy on
`liked` and squared error on `acted`, Adam 1e-3 (eps 1e-7); weights Glorot uniform, biases 0, as the spec's layers have them.

    peers_w1.py jax|torch --rows CSV --threads N --train FRACTION BATCH:EPOCHS …

One JSON line per batch: µs per step (median), steps, and the mean training loss over the last epoch. Only steps are timed: the
data are in memory, shuffled before each epoch outside the clock. JAX: jit, 100 steps per call by lax.scan. PyTorch: eager, fused
Adam where it exists. The number of threads is set before the framework is imported; one thread also means one core.
"""
import argparse
import csv
import json
import math
import os
import statistics
import time

SHAPES = {"wide": (30, 64), "narrow": (64, 32), "liked": (32, 1), "acted": (32, 1)}
STEPS_A_CALL = 100


def read_rows(path, fraction):
    """x [n, 30], y [n, 2] of the first `fraction` of the rows."""
    import numpy
    with open(path, newline="") as f:
        rows = list(csv.reader(f))
    column = {name: i for i, name in enumerate(rows[0])}
    wanted = [column[f"features_{i}"] for i in range(30)] + [column["liked"], column["acted"]]
    table = numpy.array([[row[i] for i in wanted] for row in rows[1:]], dtype=numpy.float32)
    n = round(len(table) * fraction)
    return table[:n, :30].copy(), table[:n, 30:].copy()


def epochs_of_batches(x, y, batch, epochs):
    """Yields x [steps, batch, 30] and y [steps, batch, 2] of each epoch, shuffled; a last short batch is left out."""
    import numpy
    rng = numpy.random.default_rng(7)
    steps = len(x) // batch
    for _ in range(epochs):
        order = rng.permutation(len(x))[:steps * batch]
        yield x[order].reshape(steps, batch, 30), y[order].reshape(steps, batch, 2)


def initial():
    import numpy
    rng = numpy.random.default_rng(3)

    def glorot(k, n):
        half = math.sqrt(6 / (k + n))
        return rng.uniform(-half, half, (k, n)).astype(numpy.float32)
    return {name: (glorot(k, n), numpy.zeros(n, numpy.float32)) for name, (k, n) in SHAPES.items()}


# ---------------------------------------------------------------- JAX
def jax_versions():
    import jax
    import optax
    return {"jax": jax.__version__, "optax": optax.__version__}


def jax_steps(x, y, batch, epochs):
    import jax
    import jax.numpy as jnp
    import numpy
    import optax

    def loss_of(w, x, y):                                      # x [batch, 30], y [batch, 2]
        h = jax.nn.relu(x @ w["wide"][0] + w["wide"][1])
        h = jax.nn.relu(h @ w["narrow"][0] + w["narrow"][1])
        liked, acted = ((h @ w[name][0] + w[name][1])[:, 0] for name in ("liked", "acted"))
        bce = optax.sigmoid_binary_cross_entropy(liked, y[:, 0]).mean()
        return bce + ((jax.nn.sigmoid(acted) - y[:, 1]) ** 2).mean()

    adam = optax.adam(1e-3, eps=1e-7)

    def step(state, xy):
        w, opt = state
        loss, grads = jax.value_and_grad(loss_of)(w, *xy)
        update, opt = adam.update(grads, opt)
        return (optax.apply_updates(w, update), opt), loss

    many = jax.jit(lambda state, xs, ys: jax.lax.scan(step, state, (xs, ys)), donate_argnums=0)
    weights = jax.tree.map(jnp.asarray, initial())
    state = (weights, adam.init(weights))
    parts = list(epochs_of_batches(x, y, batch, epochs))
    xs, ys = (numpy.concatenate(side) for side in zip(*parts))
    micros, losses = [], []
    for at in range(0, len(xs) // STEPS_A_CALL * STEPS_A_CALL, STEPS_A_CALL):
        chunk = [jax.device_put(side[at:at + STEPS_A_CALL]) for side in (xs, ys)]
        jax.block_until_ready((chunk, state))
        begin = time.perf_counter()
        state, loss = many(state, *chunk)
        jax.block_until_ready((state, loss))
        micros.append((time.perf_counter() - begin) / STEPS_A_CALL * 1e6)
        losses += loss.tolist()
    return micros[1:], losses                                  # the first call compiles


# ---------------------------------------------------------------- PyTorch
def torch_versions():
    import torch
    return {"torch": torch.__version__}


def torch_adam(parameters):
    import torch
    try:
        return torch.optim.Adam(parameters, lr=1e-3, eps=1e-7, fused=True)
    except (RuntimeError, TypeError):
        return torch.optim.Adam(parameters, lr=1e-3, eps=1e-7)


def torch_steps(x, y, batch, epochs):
    import torch
    import torch.nn.functional as F
    w = {name: [torch.tensor(part, requires_grad=True) for part in pair] for name, pair in initial().items()}
    adam = torch_adam([part for pair in w.values() for part in pair])

    def step(x, y):                                            # x [batch, 30], y [batch, 2]
        h = torch.relu(torch.addmm(w["wide"][1], x, w["wide"][0]))
        h = torch.relu(torch.addmm(w["narrow"][1], h, w["narrow"][0]))
        liked, acted = (torch.addmm(w[name][1], h, w[name][0])[:, 0] for name in ("liked", "acted"))
        loss = F.binary_cross_entropy_with_logits(liked, y[:, 0]) + F.mse_loss(torch.sigmoid(acted), y[:, 1])
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        return loss.detach()

    micros, losses = [], []
    for xs, ys in epochs_of_batches(x, y, batch, epochs):
        xs, ys = torch.from_numpy(xs), torch.from_numpy(ys)
        for i in range(len(xs)):
            begin = time.perf_counter()
            losses.append(step(xs[i], ys[i]))
            micros.append((time.perf_counter() - begin) * 1e6)
    return micros[20:], [float(loss) for loss in losses]


# ---------------------------------------------------------------- one process: all batches
def limit_threads(n):
    if n == 1:
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(n)
    os.environ["JAX_PLATFORMS"] = "cpu"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("peer", choices=["jax", "torch"])
    p.add_argument("--rows", required=True)
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("--train", type=float, default=0.8)
    p.add_argument("job", nargs="+", metavar="BATCH:EPOCHS")
    a = p.parse_args()
    limit_threads(a.threads)
    steps, versions = (jax_steps, jax_versions) if a.peer == "jax" else (torch_steps, torch_versions)
    if a.peer == "torch":
        import torch
        torch.set_num_threads(a.threads)
    x, y = read_rows(a.rows, a.train)
    for job in a.job:
        batch, epochs = map(int, job.split(":"))
        micros, losses = steps(x, y, batch, epochs)
        last = losses[-(len(x) // batch):]
        print(json.dumps({"who": a.peer, "threads": a.threads, "batch": batch, "us": statistics.median(micros),
                          "steps": len(losses), "loss": sum(last) / len(last), "versions": versions()}), flush=True)


if __name__ == "__main__":
    main()
