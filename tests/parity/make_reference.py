#!/usr/bin/env python3
"""Makes the reference numbers that tests/unit/test_parity.c compares with: tests/parity/*.json.

A file is one model: initial weights, batches (inputs, ids, labels, masks), what PyTorch computes for each batch before
training, and its weights after STEPS steps of each optimizer, the batches in turn. All in float64 and in float32, on one CPU
thread. Inputs and initial weights are float32 numbers, so both start from equal values. Numbers are hex floats apart by
blanks: nothing is lost in decimal.

    python tests/parity/make_reference.py          # needs PyTorch; the test needs the files alone
"""
import json
import math
import pathlib
import random
import struct
import torch
import torch.nn.functional as F

STEPS = 20
SIZES = [24, 24, 17, 24, 1]                     # rows of the batches
EPS = 1e-7                                      # clamp of bce on a p that is no plain sigmoid: src/graph/losses.c
ADAM = ["adam", [0.001, 0.9, 0.999, 1e-8]]      # arguments in the order of src/graph/optim.def
SGD = ["sgd", [0.05]]
FTRL = ["ftrl", [0.1, 1, 0.05, 0.01]]
NEW = [["nesterov", [0.02, 0.9]], ["adagrad", [0.05, 1e-10, 0]], ["adagrad", [0.05, 1e-10, 0.1]],
       ["rowwise_adagrad", [0.02, 1e-10, 0]], ["rowwise_adagrad", [0.02, 1e-8, 0.1]], ["rmsprop", [0.002, 0.9, 1e-4, 0]],
       ["rmsprop", [0.002, 0.9, 1e-4, 0.9]], ["amsgrad", [0.001, 0.9, 0.9, 1e-8]], ["lamb", [0.01, 0.9, 0.999, 1e-6, 0.01]], FTRL]
ALL = [ADAM, ["adamw", [0.001, 0.9, 0.999, 1e-8, 0.01]], SGD, ["momentum", [0.02, 0.9, 0]], ["momentum", [0.02, 0.9, 1]]] + NEW


# ---------------------------------------------------------------- models: x [rows, width], ids [rows, n] → tasks
# A task is (name, loss, head [rows, n], logits or None); task k is trained on label k.
def dense(w, x, name):
    return x @ w[name + ".w"] + w[name + ".b"]


def binary(w, x, name):
    z = dense(w, x, name)
    return name, "bce", torch.sigmoid(z), z


def mlp(w, x, ids):
    h = torch.relu(dense(w, torch.relu(dense(w, x, "wide")), "narrow"))
    return [binary(w, h, "click"), ("spend", "mse", dense(w, h, "spend"), None)]


def softmax(w, x, ids):
    h = torch.tanh(dense(w, x, "h"))
    z = dense(w, h, "grade")
    return [("grade", "cross_entropy", torch.softmax(z, 1), z), binary(w, h, "click")]


def esmm(w, x, ids):
    h = torch.relu(dense(w, x, "h"))
    visit = binary(w, h, "visit")
    return [visit, ("both", "bce", visit[2] * torch.sigmoid(dense(w, h, "buy")), None)]


def mmoe(w, x, ids):
    experts = [torch.relu(dense(w, x, f"expert{i}")) for i in range(3)]
    tasks = []
    for k, name in enumerate(["one", "two"]):
        gate = torch.softmax(dense(w, x, f"gate{k}"), 1)
        tasks.append(binary(w, sum(gate[:, i:i + 1] * experts[i] for i in range(3)), name))
    return tasks


def embeddings(w, x, ids):
    h = torch.relu(dense(w, torch.cat([w["a.table"][ids[:, 0]], w["b.table"][ids[:, 1]], x], 1), "h"))
    return [binary(w, h, "click"), ("spend", "mse", dense(w, h, "spend"), None)]


def layers(**shapes):
    return {name + part: shape for name, (k, n) in shapes.items() for part, shape in ((".w", [k, n]), (".b", [n]))}


CASES = [   # model, weights, width of x, vocabularies, kinds of labels, with a mask, optimizers
    (mlp, layers(wide=(6, 8), narrow=(8, 4), click=(4, 1), spend=(4, 1)), 6, [], ["binary", "real"], False, ALL),
    (softmax, layers(h=(6, 8), grade=(8, 5), click=(8, 1)), 6, [], ["class", "binary"], True, [ADAM, SGD]),
    (esmm, layers(h=(6, 8), visit=(8, 1), buy=(8, 1)), 6, [], ["binary", "binary"], False, [ADAM, SGD]),
    (mmoe, layers(expert0=(6, 5), expert1=(6, 5), expert2=(6, 5), gate0=(6, 3), gate1=(6, 3), one=(5, 1), two=(5, 1)),
     6, [], ["binary", "binary"], False, [ADAM, SGD]),
    (embeddings, {"a.table": [7, 3], "b.table": [5, 3], **layers(h=(8, 6), click=(6, 1), spend=(6, 1))},
     2, [7, 5], ["binary", "real"], False, [ADAM, SGD, FTRL, ["adagrad", [0.05, 1e-10, 0]], ["rowwise_adagrad", [0.02, 1e-10, 0]],
                                             ["lamb", [0.01, 0.9, 0.999, 1e-6, 0.01]]]),
]


# ---------------------------------------------------------------- numbers
def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def hex_of(x):
    mantissa, exponent = float(x).hex().split("p")
    return (mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa) + "p" + exponent


def hexes(values):
    if isinstance(values, torch.Tensor):
        values = values.detach().double().reshape(-1).tolist()
    return " ".join(hex_of(x) for x in values)


def initial(rng, shape):
    half = math.sqrt(6 / sum(shape)) if len(shape) == 2 else 0.3
    return [f32(rng.uniform(-half, half)) for _ in range(math.prod(shape))]


def make_label(rng, kind):
    return {"binary": float(rng.random() < 0.4), "real": f32(rng.uniform(-1, 1)), "class": float(rng.randrange(5))}[kind]


def make_batch(rng, at, width, vocabularies, kinds, masked):
    """masked: a fifth of the labels are unknown (y and w are 0); in batch 3 no row knows label 1."""
    rows = range(SIZES[at])
    x = [[f32(rng.uniform(-1.5, 1.5)) for _ in range(width)] for _ in rows]
    ids = [[rng.randrange(v) for v in vocabularies] for _ in rows]
    w = [[float(not masked or (rng.random() > 0.2 and (at, k) != (3, 1))) for _ in rows] for k in range(len(kinds))]
    y = [[make_label(rng, kind) * known for known in w[k]] for k, kind in enumerate(kinds)]
    return {"x": x, "ids": ids, "y": y, "w": w}


def saturate(weights, batches):
    """esmm: x5 is 0, but ±1 in every sixth row, and drives both logits to ±40 through two hidden units of its own: there p,
    or 1 − p, lies below EPS and the clamp holds."""
    for unit in range(8):
        weights["h.w"][5 * 8 + unit] = {0: 8.0, 1: -8.0}.get(unit, 0.0)
    for k in range(5):
        weights["h.w"][k * 8] = weights["h.w"][k * 8 + 1] = 0.0
    weights["h.b"][:2] = [0.0, 0.0]
    for head in ("visit.w", "buy.w"):
        weights[head][:2] = [5.0, -5.0]
    for batch in batches:
        for r, row in enumerate(batch["x"]):
            row[5] = (1.0 if r // 6 % 2 else -1.0) if r % 6 == 2 else 0.0


# ---------------------------------------------------------------- losses: per row, then Σ w·ℓ / Σ w, 0 where Σ w = 0
def row_loss(kind, head, z, y):
    if kind == "cross_entropy":
        return F.cross_entropy(z, y.long(), reduction="none")
    if kind == "mse":
        return (head[:, 0] - y) ** 2
    if z is not None:
        return F.binary_cross_entropy_with_logits(z[:, 0], y, reduction="none")
    p, eps = head[:, 0], torch.tensor(EPS, dtype=head.dtype)
    return -(y * torch.log(torch.maximum(p, eps)) + (1 - y) * torch.log(torch.maximum(1 - p, eps)))


def forward(model, weights, batch, dtype):
    """The batch's total loss, and what is compared: head, Σ w·ℓ and Σ w of each task."""
    ids = torch.tensor(batch["ids"], dtype=torch.long)
    total, outs = 0, {}
    for k, (name, kind, head, z) in enumerate(model(weights, torch.tensor(batch["x"], dtype=dtype), ids)):
        y, w = (torch.tensor(batch[v][k], dtype=dtype) for v in "yw")
        weight, loss = w.sum(), (row_loss(kind, head, z, y) * w).sum()
        total = total + loss / weight.clamp(min=1)
        outs.update({"head:" + name: head, "sum:" + name: loss, "weight:" + name: weight})
    return total, outs


class Lamb:
    """You et al. 2020, algorithm 2, with bias correction and φ(x) = x: PyTorch has none."""
    def __init__(self, params, args):
        self.params, self.args, self.t = params, args, 0
        self.m, self.v = [torch.zeros_like(p) for p in params], [torch.zeros_like(p) for p in params]

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self):
        lr, beta1, beta2, eps, decay = self.args
        self.t += 1
        for p, m, v in zip(self.params, self.m, self.v):
            m.mul_(beta1).add_(p.grad, alpha=1 - beta1)
            v.mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
            u = (m / (1 - beta1 ** self.t)) / ((v / (1 - beta2 ** self.t)).sqrt() + eps) + decay * p
            of_p, of_u = p.norm(), u.norm()
            p -= lr * (of_p / of_u if of_p > 0 and of_u > 0 else 1) * u


class Ftrl:
    """McMahan et al. 2013, algorithm 1, from the weights as they were initialised; a weight without a gradient so far stays."""
    def __init__(self, params, args):
        self.params, self.args = params, args
        self.z, self.n = [torch.zeros_like(p) for p in params], [torch.zeros_like(p) for p in params]
        self.state = {p: {"z": z, "n": n} for p, z, n in zip(params, self.z, self.n)}

    zero_grad = Lamb.zero_grad

    @torch.no_grad()
    def step(self):
        lr, beta, l1, l2 = self.args
        for p, z, n in zip(self.params, self.z, self.n):
            z.copy_(torch.where(n > 0, z, -(p * (beta / lr + l2) + p.sign() * l1)))
            more = n + p.grad ** 2
            z += p.grad - (more.sqrt() - n.sqrt()) / lr * p
            n.copy_(more)
            new = torch.where(z.abs() <= l1, torch.zeros_like(p), -(z - z.sign() * l1) / ((beta + n.sqrt()) / lr + l2))
            p.copy_(torch.where(n > 0, new, p))


class RowwiseAdagrad:
    """Adagrad with one accumulator a row, of the mean of g² over it, as FBGEMM's tables have it (EXACT_ROWWISE_ADAGRAD)."""
    def __init__(self, params, args):
        self.params, self.args = params, args
        self.v = [torch.full(p.shape[:1], args[2], dtype=p.dtype) for p in params]
        self.state = {p: {"v": v} for p, v in zip(params, self.v)}

    zero_grad = Lamb.zero_grad

    @torch.no_grad()
    def step(self):
        lr, eps, _ = self.args
        for p, v in zip(self.params, self.v):
            g = p.grad.reshape(p.shape[0], -1)
            v += (g ** 2).mean(1)
            p -= (lr * g / (v.sqrt() + eps)[:, None]).reshape(p.shape)


OPTIMIZERS = {
    "adam": lambda p, a: torch.optim.Adam(p, lr=a[0], betas=(a[1], a[2]), eps=a[3]),
    "adamw": lambda p, a: torch.optim.AdamW(p, lr=a[0], betas=(a[1], a[2]), eps=a[3], weight_decay=a[4]),
    "sgd": lambda p, a: torch.optim.SGD(p, lr=a[0]),
    "momentum": lambda p, a: torch.optim.SGD(p, lr=a[0], momentum=a[1], nesterov=bool(a[2])),
    "nesterov": lambda p, a: torch.optim.SGD(p, lr=a[0], momentum=a[1], nesterov=True),
    "adagrad": lambda p, a: torch.optim.Adagrad(p, lr=a[0], eps=a[1], initial_accumulator_value=a[2]),
    "rowwise_adagrad": RowwiseAdagrad,
    "rmsprop": lambda p, a: torch.optim.RMSprop(p, lr=a[0], alpha=a[1], eps=a[2], momentum=a[3]),
    "amsgrad": lambda p, a: torch.optim.Adam(p, lr=a[0], betas=(a[1], a[2]), eps=a[3], amsgrad=True),
    "lamb": Lamb,
    "ftrl": Ftrl,
}


def tensors(weights, shapes, dtype):
    return {path: torch.tensor(v, dtype=dtype).reshape(shapes[path]).requires_grad_() for path, v in weights.items()}


def train(model, weights, batches, optimizer, args, dtype):
    step = OPTIMIZERS[optimizer](list(weights.values()), args)
    for i in range(STEPS):
        step.zero_grad()
        forward(model, weights, batches[i % len(batches)], dtype)[0].backward()
        step.step()
    return {path: hexes(v) for path, v in weights.items()}


# ---------------------------------------------------------------- files
def in_both(f):
    return {name: f(dtype) for name, dtype in (("f32", torch.float32), ("f64", torch.float64))}


def case_json(seed, model, shapes, width, vocabularies, kinds, masked, optimizers):
    rng = random.Random(seed)
    weights = {path: initial(rng, shape) for path, shape in shapes.items()}
    batches = [make_batch(rng, i, width, vocabularies, kinds, masked) for i in range(len(SIZES))]
    if model is esmm:
        saturate(weights, batches)

    def outputs(dtype):
        start = tensors(weights, shapes, dtype)
        return [{name: hexes(v) for name, v in forward(model, start, b, dtype)[1].items()} for b in batches]

    def trained(optimizer, args):
        return in_both(lambda t: train(model, tensors(weights, shapes, t), batches, optimizer, args, t))
    return {
        "about": f"made by make_reference.py with PyTorch {torch.__version__}; hex floats, row-major",
        "model": model.__name__, "dense": width, "ids": len(vocabularies), "labels": len(kinds), "capacity": max(SIZES),
        "weights": {path: {"shape": shapes[path], "value": hexes(v)} for path, v in weights.items()},
        "batches": [{"n": len(b["x"]), "dense": hexes(sum(b["x"], [])), "ids": sum(b["ids"], []),
                     "y": hexes(sum(b["y"], [])), "w": hexes(sum(b["w"], []))} for b in batches],
        "forward": in_both(outputs),
        "runs": [{"optimizer": name, "args": args, "steps": STEPS, "weights": trained(name, args)}
                 for name, args in optimizers],
    }


def main():
    torch.set_num_threads(1)
    folder = pathlib.Path(__file__).parent
    for i, case in enumerate(CASES):
        text = json.dumps(case_json(20 + i, *case), indent=1)
        path = folder / (case[0].__name__ + ".json")
        path.write_text(text + "\n")
        print(path, len(text))


if __name__ == "__main__":
    main()
