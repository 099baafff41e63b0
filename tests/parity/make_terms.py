#!/usr/bin/env python3
"""Makes tests/parity/terms.json: models with values in their losses, for tests/unit/test_terms.c: soft sharing in pairs and towards the
mean, gradients in the loss (by parameters and by an input), ESCM² by inverse propensity and doubly robust, distillation.

A case is a spec, initial weights, batches, and what PyTorch computes: each batch's heads, Σ w·ℓ and Σ w before training, and all weights
after STEPS steps. The form of make_reference.json, whose helpers are used; gradients in losses are torch.autograd.grad's, with a graph.

    python tests/parity/make_terms.py              # needs PyTorch; the test needs the file alone
"""
import json
import pathlib
import random
import torch
import torch.nn.functional as F
import make_reference as ref

SIZES, STEPS = ref.SIZES, ref.STEPS
WIDTH = 5


def batch_tensors(batch, dtype):
    return [torch.tensor(batch[k], dtype=dtype) for k in "xyw"]


def mean(w, value):                             # Σ w·v / Σ w, 0 where no row counts
    return (w * value).sum() / (w.sum() if w.sum() > 0 else 1)


def log_loss(p, y):
    eps = torch.tensor(1e-7, dtype=p.dtype)
    return -(y * torch.log(torch.maximum(p, eps)) + (1 - y) * torch.log(torch.maximum(1 - p, eps)))


def logits_loss(z, y):
    return F.binary_cross_entropy_with_logits(z, y, reduction="none")


def dense(w, x, name):
    return x @ w[name + ".w"] + w[name + ".b"]


def sq(tensors):
    return sum((t * t).sum() for t in tensors)


def tree(w, name):                              # in a fixed order
    return [w[k] for k in sorted(w) if k.startswith(name + ".")]


def outs(tasks):                                # name → (head, loss of the task, Σ w)
    return {f"{k}:{n}": v for n, (head, loss, weight) in tasks.items() for k, v in (("head", head), ("sum", loss * weight), ("weight", weight))}


# ---------------------------------------------------------------- soft sharing, gradients by parameters
SOFT = """model soft
edition 2026
import "std/penalty.mtl"
input features : vector(5)
label one : binary
label two : real
label three : binary
let a = features |> mlp([4], tanh)
let b = features |> mlp([4], tanh)
let c = features |> mlp([4], tanh)
task first  { head = a |> dense(1) |> sigmoid, loss = bce(one) }
task second { head = b |> dense(1), loss = mse(two), weight = 0.5 }
task third  { head = c |> dense(1) |> sigmoid, loss = bce(three) - 0.02 * sum_sq(params(third).dense.w) }
train {
  batch   = 24
  penalty = 0.05 * apart([params(a), params(b), params(c)]) + 0.1 * from_mean([params(a), params(b), params(c)])
          + 0.3 * gradient_sum(first, params(a)) + 0.2 * gradient_norm(third, params(c)) + 0.01 * sum(abs(params(b)))
}
"""


def soft(w, batch, dtype):
    x, y, known = batch_tensors(batch, dtype)
    z = {n: dense(w, torch.tanh(dense(w, x, f"{n}.mlp[0].dense")), t + ".dense")[:, 0] for n, t in (("a", "first"), ("b", "second"), ("c", "third"))}
    p = {n: torch.sigmoid(z[n]) for n in "ac"}
    one, two = mean(known[0], logits_loss(z["a"], y[0])), mean(known[1], (z["b"] - y[1]) ** 2)
    three = mean(known[2], logits_loss(z["c"], y[2])) - 0.02 * sq([w["third.dense.w"]])
    trees = {n: tree(w, n) for n in "abc"}
    pairs = sum(sq([s - t for s, t in zip(trees[i], trees[j])]) for i, j in ("ab", "ac", "bc"))
    centre = [sum(t) / 3 for t in zip(*trees.values())]
    apart = sum(sq([s - t for s, t in zip(trees[i], centre)]) for i in "abc")
    by_a = torch.autograd.grad(p["a"].mean(), trees["a"], create_graph=True)
    by_c = torch.autograd.grad(p["c"].mean(), trees["c"], create_graph=True)
    penalty = 0.05 * pairs + 0.1 * apart + 0.3 * sum(g.sum() for g in by_a) + 0.2 * sq(by_c) + 0.01 * sum(t.abs().sum() for t in trees["b"])
    return one + 0.5 * two + three + penalty, outs({
        "first": (p["a"], one, known[0].sum()), "second": (z["b"], two, known[1].sum()), "third": (p["c"], three, known[2].sum())})


# ---------------------------------------------------------------- ESCM², with row weights; a gradient by an input, row by row
FUNNEL = """model funnel
edition 2026
import "std/funnel.mtl"
import "std/penalty.mtl"
input features : vector(4)
input price    : real
label click    : binary
label buy      : binary where click
label worth    : real
let x     = concat(features, price) |> mlp([6], tanh)
let guess = x |> dense(1) |> softplus
output cvr = x |> dense(1) |> sigmoid
task ctr   { head = x |> dense(1) |> sigmoid, loss = bce(click) }
task ctcvr {
  head = ctr * cvr
  loss = bce(click and buy) + 0.5 * %s + 0.2 * maximum(grad(batch_sum(cvr), price), -0.01) + 0.6 * in_order(0.3 * ctr, ctcvr)
}
task small { head = concat(features, price) |> dense(1) |> sigmoid, loss = 0.3 * distill(small, ctr), target = buy, rows = worth }
train { batch = 24, weight = data.worth }
"""
IPS = FUNNEL % "escm_ips(ctr, known(buy), log_loss(cvr, value(buy)), least = 0.5)"
DR = FUNNEL % "escm_dr(ctr, known(buy), log_loss(cvr, value(buy)), guess, least = 0.5)"


def funnel(w, batch, dtype, robust):
    x, y, known = batch_tensors(batch, dtype)
    x.requires_grad_()
    h = torch.tanh(dense(w, x, "x.mlp[0].dense"))
    z, p_small = dense(w, h, "ctr.dense")[:, 0], torch.sigmoid(dense(w, x, "small.dense")[:, 0])
    ctr, cvr = torch.sigmoid(z), torch.sigmoid(dense(w, h, "cvr.dense")[:, 0])
    both = ctr * cvr
    o, ell = (known[1] > 0).to(dtype), log_loss(cvr, y[1])
    each = o / torch.clamp(ctr, min=0.5).detach()
    if robust:
        guess = F.softplus(dense(w, h, "guess.dense")[:, 0])
        term = guess + each * (ell - guess) + each * (ell - guess) ** 2
    else:
        term = each * ell
    by_price = torch.autograd.grad(cvr.sum(), x, create_graph=True)[0][:, 4]
    first, last = mean(known[0], logits_loss(z, y[0])), mean(known[3], log_loss(both, y[3]))
    last = last + mean(known[3], 0.5 * term + 0.2 * torch.clamp(by_price, min=-0.01) + 0.6 * torch.relu(both - 0.3 * ctr))
    counts = torch.where(known[2] > 0, known[1] * y[2], torch.zeros_like(y[2]))
    learn = mean(counts, 0.3 * log_loss(p_small, ctr.detach()))
    return first + last + learn, outs({
        "ctr": (ctr, first, known[0].sum()), "ctcvr": (both, last, known[3].sum()), "small": (p_small, learn, counts.sum())})


def ips(w, batch, dtype):
    return funnel(w, batch, dtype, False)


def dr(w, batch, dtype):
    return funnel(w, batch, dtype, True)


# ---------------------------------------------------------------- batches
def soft_batch(rng, at):
    return ref.make_batch(rng, at, WIDTH, [], ["binary", "real", "binary"], True)


def funnel_batch(rng, at):                      # labels click, buy where click, worth, click and buy; w: the row's weight where known
    b = {"x": [[ref.f32(rng.uniform(-1.5, 1.5)) for _ in range(WIDTH)] for _ in range(SIZES[at])], "ids": [[]]}
    b.update({k: [[], [], [], []] for k in "yw"})
    for _ in range(SIZES[at]):
        worth, known, click, buy = rng.choice([0.5, 1.0, 2.0]), rng.random() > 0.1, rng.random() < 0.5, rng.random() < 0.4
        seen = [known, known and click, rng.random() > 0.2, known]
        for k, v in enumerate((click, buy, ref.f32(rng.uniform(0, 3)), click and buy)):
            b["y"][k].append(float(v) * seen[k])
            b["w"][k].append(worth * seen[k])
    return b


TOWERS = {f"{n}.mlp[0].dense": (5, 4) for n in "abc"}
HEADS = {f"{t}.dense": (4, 1) for t in ("first", "second", "third")}
LAYERS = {"x.mlp[0].dense": (5, 6), "guess.dense": (6, 1), "cvr.dense": (6, 1), "ctr.dense": (6, 1), "small.dense": (5, 1)}
CASES = [   # name, spec, forward, weights, batch
    ("soft", SOFT, soft, ref.layers(**TOWERS, **HEADS), soft_batch),
    ("escm_ips", IPS, ips, ref.layers(**LAYERS), funnel_batch),
    ("escm_dr", DR, dr, ref.layers(**LAYERS), funnel_batch),
]


def train(forward, weights, batches, optimizer, args, dtype):
    step = ref.OPTIMIZERS[optimizer](list(weights.values()), args)
    for i in range(STEPS):
        step.zero_grad()
        forward(weights, batches[i % len(batches)], dtype)[0].backward()
        step.step()
    return {path: ref.hexes(v) for path, v in weights.items()}


def case_json(seed, name, spec, forward, shapes, make_batch):
    rng = random.Random(seed)
    weights = {path: ref.initial(rng, shape) for path, shape in shapes.items()}
    batches = [make_batch(rng, i) for i in range(len(SIZES))]

    def outputs(dtype):
        start = ref.tensors(weights, shapes, dtype)
        return [{k: ref.hexes(v) for k, v in forward(start, b, dtype)[1].items()} for b in batches]

    def trained(optimizer, args):
        return ref.in_both(lambda t: train(forward, ref.tensors(weights, shapes, t), batches, optimizer, args, t))
    return {
        "name": name, "spec": spec, "dense": WIDTH, "ids": 0, "labels": len(batches[0]["y"]),
        "weights": {path: {"shape": shapes[path], "value": ref.hexes(v)} for path, v in weights.items()},
        "batches": [{"n": len(b["x"]), "dense": ref.hexes(sum(b["x"], [])), "ids": [],
                     "y": ref.hexes(sum(b["y"], [])), "w": ref.hexes(sum(b["w"], []))} for b in batches],
        "forward": ref.in_both(outputs),
        "runs": [{"optimizer": o, "args": args, "steps": STEPS, "weights": trained(o, args)} for o, args in (ref.ADAM, ref.SGD)],
    }


def main():
    torch.set_num_threads(1)
    out = {"about": f"made by make_terms.py with PyTorch {torch.__version__}", "cases": [case_json(40 + i, *c) for i, c in enumerate(CASES)]}
    path = pathlib.Path(__file__).parent / "terms.json"
    path.write_text(json.dumps(out, indent=1) + "\n")
    print(path, len(out["cases"]))


if __name__ == "__main__":
    main()
