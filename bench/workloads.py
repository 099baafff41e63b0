#!/usr/bin/env python3
"""The workloads of bench/steps.sh: the spec of each, rows for it, its useful arithmetic, and the same model for a framework.

    workloads.py spec NAME BATCH time|start|check [N]    the spec; N: of a table's rows, in place of its own. start: a step moves nothing, so the run's
                                                         weights are those that training starts from; check: rows in the order of the file
    workloads.py rows NAME ROWS                          CSV on standard output (needs numpy)

W1 30 → 64 → 32 → two sigmoid heads        W4 PLE, 2 levels of 8 shared + 4 + 4 experts of (64, 64), inputs and towers of W3
W2 30 → 64 → softmax(5) and sigmoid        W5 26 tables of 384,615 rows of 16, 13 numbers → 256 → 128 → two heads; tables updated by rows
W3 MMoE: 33 categories of 16 and 7 numbers, 8 experts of (64, 64), two gates, two towers of 32      W6 512 → 1024 → 512 → two heads
W5R is W5 with row-wise Adagrad for its tables; the rest of all is updated by Adam
"""
import json
import math
import struct
import sys
from typing import NamedTuple

CENSUS = [9, 52, 47, 17, 3, 7, 24, 15, 5, 10, 3, 6, 8, 6, 6, 51, 38, 8, 10, 9, 10, 3, 4, 7, 5, 43, 43, 43, 5, 3, 3, 3, 2]
BUCKETS = 384_615
WIDTH = 16                                                     # of a row of a table
ROWWISE = (0.01, 1e-8)                                         # rate and eps of row-wise Adagrad
TOWERS = """task ta { head = views.ta |> dense(32, relu) as hidden |> dense(1) as last |> sigmoid, loss = bce(a) }
task tb { head = views.tb |> dense(32, relu) as hidden |> dense(1) as last |> sigmoid, loss = bce(b) }"""
DENSE = """shared h = {from_} |> dense({wide}, relu) as wide |> dense({narrow}, relu) as narrow
task ta {{ head = h |> dense(1) as last{act}, loss = {loss}(a) }}
task tb {{ head = h |> dense(1) as last{act}, loss = {other}(b) }}"""


class Workload(NamedTuple):
    numbers: int
    sizes: list                                                # of the vocabularies of categories, or of the tables of ids
    labels: list
    batches: list
    body: str                                                  # of the spec, behind n and x = concat(all embeddings, n)
    products: list                                             # (how many, k, n) of a row: all but the first, where nothing is embedded, have a dX
    tables: str = ""                                           # the optimizer of tables that are updated by the rows that a batch names


IDS = Workload(13, [BUCKETS] * 26, ["binary", "binary"], [2048],
               DENSE.format(from_="x", wide=256, narrow=128, act=" |> sigmoid", loss="bce", other="bce"),
               [(1, 429, 256), (1, 256, 128), (2, 128, 1)])
WORKLOADS = {
    "w1": Workload(30, [], ["binary", "real"], [32, 256, 2048],
                   DENSE.format(from_="n", wide=64, narrow=32, act=" |> sigmoid", loss="bce", other="mse"), [(1, 30, 64), (1, 64, 32), (2, 32, 1)]),
    "w2": Workload(30, [], ["class(5)", "binary"], [32], """shared h = n |> dense(64, relu) as wide
task ta { head = h |> dense(5) as last |> softmax, loss = cross_entropy(a) }
task tb { head = h |> dense(1) as last |> sigmoid, loss = bce(b) }""", [(1, 30, 64), (1, 64, 6)]),
    "w3": Workload(7, CENSUS, ["binary", "binary"], [256, 1024, 4096],
                   'shared views = x |> mmoe(["ta", "tb"], experts = 8, widths = [64, 64], gate_widths = [])\n' + TOWERS,
                   [(1, 535, 8 * 64 + 16), (8, 64, 64), (2, 8, 64), (2, 64, 32), (2, 32, 1)]),
    "w4": Workload(7, CENSUS, ["binary", "binary"], [1024],
                   'shared views = x |> ple(["ta", "tb"], levels = 2, own = 4, common = 8, widths = [64, 64], gate_widths = [])\n' + TOWERS,
                   [(1, 535, 16 * 64 + 12 + 12 + 16), (16, 64, 64), (2, 12, 64), (1, 16, 64),
                    (1, 64, 16 * 64 + 12 + 12), (16, 64, 64), (2, 12, 64), (2, 64, 32), (2, 32, 1)]),
    "w5": IDS._replace(tables="adam(0.001)"),
    "w5r": IDS._replace(tables="rowwise_adagrad({}, eps = {})".format(*ROWWISE)),
    "w6": Workload(512, [], ["real", "real"], [1024], DENSE.format(from_="n", wide=1024, narrow=512, act="", loss="mse", other="mse"),
                   [(1, 512, 1024), (1, 1024, 512), (2, 512, 1)]),
}
STACKS = ("w1", "w2", "w5", "w5r", "w6")                            # dense layers one behind the other, and a head for each task


def flops(name, batch):
    """Of a step's useful arithmetic: the products of layers, experts and gates, forward and backward, as the model is written."""
    w = WORKLOADS[name]
    forward = [2 * batch * count * k * n for count, k, n in w.products]
    return 3 * sum(forward) - (0 if w.sizes else forward[0])


def spec(name, batch, mode, table_rows=None):
    w, still = WORKLOADS[name], "sgd(1e-30)" if mode == "start" else ""
    lines = [f"model {name}", "edition 2026", 'import "std/moe.mtl"', f"input n : vector({w.numbers})"]
    for i, size in enumerate(w.sizes):
        if w.tables:
            lines.append(f"input c{i} : id {{ buckets = {table_rows or size} }}")
        else:
            values = ", ".join(f'"{v:02}"' for v in range(size))
            lines.append(f"input c{i} : category {{ vocab = [{values}] }}")
    lines += [f"label {key} : {kind}" for key, kind in zip("ab", w.labels)]
    if w.sizes:
        ids = ", ".join(f"c{i}" for i in range(len(w.sizes)))
        own = f" {{ lazy = true, optimizer = {still or w.tables} }}" if w.tables else ""
        lines.append(f"shared x = concat(repeat(c in [{ids}], embed(c, {WIDTH})), n){own}")
    lines.append(w.body)
    optimizer = still or "adam(0.001)"
    order = "true" if mode == "time" else "false"
    lines.append(f"train {{ optimizer = {optimizer}, batch = {batch}, epochs = 1, split = fraction(train = 1), shuffle = {order}, seed = 7 }}")
    return "\n".join(lines) + "\n"


def rows(name, n):
    """numbers [n, k] f32, codes [n, f], labels [n, 2]: with a signal, the same for the same name and n."""
    import numpy
    numbers, sizes, labels = WORKLOADS[name][:3]
    rng = numpy.random.default_rng(5)
    x = rng.standard_normal((n, numbers)).astype(numpy.float32).round(4)
    codes = numpy.stack([rng.integers(0, size, n) for size in sizes], axis=1) if sizes else numpy.zeros((n, 0), int)
    score = x[:, :8].sum(axis=1) / math.sqrt(8) + sum((codes[:, i] % 5 - 2) / 8 for i in range(min(8, len(sizes))))
    y = []
    for kind in labels:
        s = score + 0.5 * rng.standard_normal(n)
        y.append({"b": lambda: s > 0, "r": lambda: (1 / (1 + numpy.exp(-s))).round(4), "c": lambda: numpy.clip(s * 2 + 2.5, 0, 4).astype(int)}[kind[0]]())
    return x, codes, numpy.stack(y, axis=1).astype(numpy.float32)


def write_rows(name, n, out):
    numbers, sizes, labels = WORKLOADS[name][:3]
    x, codes, y = rows(name, n)
    digits = "" if WORKLOADS[name].tables else "02"
    head = [f"n_{i}" for i in range(numbers)] + [f"c{i}" for i in range(len(sizes))] + ["a", "b"]
    out.write(",".join(head) + "\n")
    whole = [kind[0] != "r" for kind in labels]
    for i in range(n):
        cells = [f"{v:.4f}" for v in x[i]] + [format(v, digits) for v in codes[i]]
        cells += [f"{v:.0f}" if w else f"{v:.4f}" for v, w in zip(y[i], whole)]
        out.write(",".join(cells) + "\n")


# ---------------------------------------------------------------- the same model for a framework
def safetensors(path):
    """Views of the file: tables are copied once, when they become one."""
    import numpy
    with open(path, "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        head = json.loads(f.read(size))
    data = numpy.memmap(path, numpy.uint8, "c", 8 + size)
    head.pop("__metadata__", None)
    return {k: data[v["data_offsets"][0]:v["data_offsets"][1]].view(numpy.float32).reshape(v["shape"]) for k, v in head.items()}


def start(name, path):
    """The weights as a careful user of a framework would hold them: experts that share an input side by side, others stacked."""
    import numpy
    w, out = safetensors(path), {}

    def dense(to, path):
        out[to + ".w"], out[to + ".b"] = w[path + ".w"], w[path + ".b"]

    def wide(to, paths):                                       # [k, e·n], [e·n]
        out[to + ".w"] = numpy.concatenate([w[p + ".w"] for p in paths], axis=1)
        out[to + ".b"] = numpy.concatenate([w[p + ".b"] for p in paths])

    def stacked(to, paths):                                    # [e, k, n], [e, 1, n]
        out[to + ".w"] = numpy.stack([w[p + ".w"] for p in paths])
        out[to + ".b"] = numpy.stack([w[p + ".b"] for p in paths])[:, None]

    tables = [f"x.c{i}.embed.table" for i in range(len(WORKLOADS[name].sizes))]
    if tables:
        out["table"] = numpy.concatenate([w[t] for t in tables])
    if name in STACKS:
        for layer in ("wide", "narrow"):
            if f"h.{layer}.w" in w:
                dense(layer, f"h.{layer}")
        dense("ta.last", "ta.last"), dense("tb.last", "tb.last")
        return out
    for task in ("ta", "tb"):
        dense(task + ".hidden", task + ".hidden"), dense(task + ".last", task + ".last")
    if name == "w3":
        experts = [f"views.mmoe.pool[{e}]" for e in range(8)]
        wide("one", [e + ".mlp[0].dense" for e in experts] + [f"views.mmoe.{t}.gate.dense" for t in ("ta", "tb")])
        stacked("two", [e + ".mlp[1].dense" for e in experts])
        return out
    for level in (0, 1):
        at = f"views.ple[{level}].cgc"
        own = {t: [f"{at}.mine.{t}[{e}]" for e in range(4)] for t in ("ta", "tb")}
        ours = [f"{at}.ours[{e}]" for e in range(8)]
        for t in own:
            wide(f"{level}.{t}.one", [e + ".mlp[0].dense" for e in own[t]] + [f"{at}.task.{t}.gate.dense"])
        common = [f"{at}.common.gate.dense"] if level == 0 else []
        wide(f"{level}.common.one", [e + ".mlp[0].dense" for e in ours] + common)
        stacked(f"{level}.two", [e + ".mlp[1].dense" for e in own["ta"] + own["tb"] + ours])
    return out


def offsets(name):
    """Where each table begins in the one of all; of a category rows 0 and 1 are for what is missing or unseen."""
    w = WORKLOADS[name]
    apart = 0 if w.tables else 2
    return [sum(w.sizes[:i]) + apart * (i + 1) for i in range(len(w.sizes))]


def loss(name, B, w, x, ids, y):
    """B: the framework's functions; its dense(h, w, b) also of [e, b, k], [e, k, n], [e, 1, n]. x [b, k], ids [b, f] rows of the one table, y [b, 2]."""
    def dense(h, at):
        return B.dense(h, w[at + ".w"], w[at + ".b"])

    def head(h, at):
        return dense(B.relu(dense(h, at + ".hidden")), at + ".last")[:, 0]

    def experts(h, at, n):                                     # relu of n experts side by side, as [n, b, 64], and what stands behind them
        z = dense(h, at)
        hidden = B.relu(z[:, :n * 64])
        return B.swap(B.reshape(hidden, (x.shape[0], n, 64))), z[:, n * 64:]

    def mixed(gate, pool):                                     # gate [b, e] logits, pool [e, b, 64]
        return B.einsum("be,ebn->bn", B.softmax(gate), pool)

    if WORKLOADS[name].sizes:
        x = B.concat([B.reshape(B.rows(w["table"], ids), (x.shape[0], -1)), x])
    if name in STACKS:
        h = x
        for layer in ("wide", "narrow"):
            if layer + ".w" in w:
                h = B.relu(dense(h, layer))
        a, b = dense(h, "ta.last"), dense(h, "tb.last")[:, 0]
        if name == "w2":
            return B.cross_entropy(a, y[:, 0]) + B.bce(b, y[:, 1])
        if name == "w6":
            return B.mean((a[:, 0] - y[:, 0]) ** 2) + B.mean((b - y[:, 1]) ** 2)
        second = B.mean((B.sigmoid(b) - y[:, 1]) ** 2) if name == "w1" else B.bce(b, y[:, 1])
        return B.bce(a[:, 0], y[:, 0]) + second
    if name == "w3":
        hidden, gates = experts(x, "one", 8)
        pool = B.relu(dense(hidden, "two"))
        a, b = mixed(gates[:, :8], pool), mixed(gates[:, 8:], pool)
        return B.bce(head(a, "ta"), y[:, 0]) + B.bce(head(b, "tb"), y[:, 1])
    a = b = common = x
    for level in (0, 1):
        (ha, ga), (hb, gb), (hc, gc) = (experts(h, f"{level}.{k}.one", n) for h, k, n in ((a, "ta", 4), (b, "tb", 4), (common, "common", 8)))
        pool = B.relu(dense(B.stack([ha, hb, hc]), f"{level}.two"))
        pa, pb, pc = pool[:4], pool[4:8], pool[8:]
        a, b = mixed(ga, B.stack([pa, pc])), mixed(gb, B.stack([pb, pc]))
        if level == 0:
            common = mixed(gc, pool)
    return B.bce(head(a, "ta"), y[:, 0]) + B.bce(head(b, "tb"), y[:, 1])


if __name__ == "__main__":
    if len(sys.argv) in (5, 6) and sys.argv[1] == "spec" and sys.argv[2] in WORKLOADS and sys.argv[4] in ("time", "start", "check"):
        sys.stdout.write(spec(sys.argv[2], int(sys.argv[3]), *sys.argv[4:]))
    elif len(sys.argv) == 4 and sys.argv[1] == "rows" and sys.argv[2] in WORKLOADS:
        write_rows(sys.argv[2], int(sys.argv[3]), sys.stdout)
    else:
        sys.exit(__doc__)
