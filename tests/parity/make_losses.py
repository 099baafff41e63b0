#!/usr/bin/env python3
"""Makes tests/parity/losses.json: per-row losses and their gradients by PyTorch in float64, for tests/unit/test_losses.c.

A case is a loss of losses.def with its arguments, the function at the head's end, the numbers z [rows, width] before it, the
labels y, and PyTorch's loss per row and d Σ loss / d z. Where PyTorch has the loss, its own function is called; else it is
written out from its paper. Numbers are hex floats apart by blanks.

    python tests/parity/make_losses.py             # needs PyTorch; the test needs the file alone
"""
import json
import pathlib
import random
import torch
import torch.nn.functional as F

ROWS = 23
HEADS = {"sigmoid": torch.sigmoid, "softmax": lambda z: F.softmax(z, 1), "exp": torch.exp, "softplus": F.softplus, "": lambda z: z}


def bce(z, p, y, smoothing, positive_weight):
    y = y * (1 - smoothing) + smoothing / 2
    return F.binary_cross_entropy_with_logits(z, y, pos_weight=torch.tensor([positive_weight], dtype=z.dtype), reduction="none")


def focal(z, p, y, gamma, alpha):
    """Lin et al. 2017, equation 5, as torchvision.ops.sigmoid_focal_loss has it."""
    ce = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    p_t, alpha_t = p * y + (1 - p) * (1 - y), alpha * y + (1 - alpha) * (1 - y)
    return alpha_t * (1 - p_t) ** gamma * ce


def tweedie(z, p, y, power):
    return p ** (2 - power) / (2 - power) - y * p ** (1 - power) / (1 - power)


def ziln(z, p, y):
    """Wang, Liu, Miao 2019: −log likelihood of a Bernoulli times a log-normal."""
    sigma = torch.clamp(F.softplus(z[:, 2]), min=1e-3)
    paid = (y > 0).to(z.dtype)
    amount = torch.distributions.LogNormal(z[:, 1], sigma).log_prob(torch.where(y > 0, y, torch.ones_like(y)))
    return F.binary_cross_entropy_with_logits(z[:, 0], paid, reduction="none") - paid * amount


def over_pairs(cost):
    """A row's sum over the rows with a lower label: all rows are one group."""
    def loss(z, p, y, *args):
        first = (y[:, None] > y[None, :]).to(z.dtype)
        return (first * cost(z[:, None] - z[None, :], *args)).sum(1)
    return loss


def hinge(d, margin):
    one = torch.ones_like(d)
    return F.margin_ranking_loss(d, torch.zeros_like(d), one, margin=margin, reduction="none")


LOSSES = {
    "bpr": over_pairs(lambda d: -F.logsigmoid(d)), "pairwise": over_pairs(hinge),
    "bce": bce, "focal": focal, "tweedie": tweedie,
    "mse": lambda z, p, y: F.mse_loss(p, y, reduction="none"),
    "mae": lambda z, p, y: F.l1_loss(p, y, reduction="none"),
    "huber": lambda z, p, y, delta: F.huber_loss(p, y, delta=delta, reduction="none"),
    "quantile": lambda z, p, y, q: torch.maximum(q * (y - p), (q - 1) * (y - p)),
    "log_cosh": lambda z, p, y: torch.log(torch.cosh(p - y)),
    "poisson": lambda z, p, y: F.poisson_nll_loss(p.log(), y, log_input=True, reduction="none"),
}
# loss, head, arguments, label, class weights
CASES = [
    ("bce", "sigmoid", [0, 1], "binary", None), ("bce", "sigmoid", [0.1, 1], "binary", None),
    ("bce", "sigmoid", [0, 7], "binary", None), ("bce", "sigmoid", [0.2, 0.3], "binary", None),
    ("focal", "sigmoid", [2, 0.25], "binary", None), ("focal", "sigmoid", [0.5, 0.6], "binary", None),
    ("cross_entropy", "softmax", [0], "class", None), ("cross_entropy", "softmax", [0.1], "class", None),
    ("cross_entropy", "softmax", [0], "class", [1, 0.5, 2, 0]), ("cross_entropy", "softmax", [0.3], "class", [1, 0.5, 2, 3]),
    ("mse", "", [], "real", None), ("mae", "", [], "real", None), ("mse", "sigmoid", [], "binary", None),
    ("huber", "", [1], "real", None), ("huber", "", [0.25], "real", None), ("quantile", "", [0.9], "real", None),
    ("poisson", "exp", [], "count", None), ("poisson", "softplus", [], "count", None),
    ("tweedie", "exp", [1.5], "count", None), ("tweedie", "softplus", [1.2], "amount", None),
    ("ziln", "", [], "amount", None),
    ("bpr", "", [], "real", None), ("bpr", "sigmoid", [], "binary", None), ("bpr", "", [], "count", None),
    ("pairwise", "", [1], "real", None), ("pairwise", "sigmoid", [0.25], "binary", None),
    ("log_cosh", "", [], "real", None), ("log_cosh", "sigmoid", [], "binary", None),
]


def hexes(t):
    return " ".join(float(v).hex() for v in t.detach().reshape(-1))


def labels(kind, rng):
    if kind == "binary":
        y = [float(rng.random() < 0.4) for _ in range(ROWS)]
    elif kind == "class":
        y = [float(rng.randrange(4)) for _ in range(ROWS)]
    elif kind == "count":
        y = [float(min(rng.randrange(7), rng.randrange(7))) for _ in range(ROWS)]
    elif kind == "amount":
        y = [0.0 if rng.random() < 0.5 else rng.lognormvariate(1, 1) for _ in range(ROWS)]
    else:
        y = [rng.uniform(-2, 2) for _ in range(ROWS)]
    return torch.tensor(y, dtype=torch.float64)


def case_json(seed, loss, head, args, kind, weights):
    rng = random.Random(seed)
    width = 4 if kind == "class" else 3 if loss == "ziln" else 1
    z = torch.tensor([[rng.uniform(-3, 3) for _ in range(width)] for _ in range(ROWS)], dtype=torch.float64, requires_grad=True)
    y, p = labels(kind, rng), HEADS[head](z)
    if loss == "cross_entropy":
        w = None if weights is None else torch.tensor(weights, dtype=torch.float64)
        l = F.cross_entropy(z, y.long(), weight=w, label_smoothing=args[0], reduction="none")
    elif loss == "ziln":
        l = ziln(z, p, y)
    else:
        l = LOSSES[loss](z[:, 0], p[:, 0], y, *args)
    l.sum().backward()
    case = {"loss": loss, "head": head, "args": args, "width": width, "z": hexes(z), "y": hexes(y), "value": hexes(l), "dz": hexes(z.grad)}
    if weights is not None:
        case["weights"] = weights
    return case


def main():
    out = {"rows": ROWS, "cases": [case_json(i, *case) for i, case in enumerate(CASES)]}
    path = pathlib.Path(__file__).parent / "losses.json"
    path.write_text(json.dumps(out, indent=1) + "\n")
    print(path, len(out["cases"]))


if __name__ == "__main__":
    main()
