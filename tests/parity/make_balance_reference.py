#!/usr/bin/env python3
"""Makes the reference numbers that tests/unit/test_balance.c compares with: tests/parity/balance.json.

Every method of runtime/balance/balance.def is written here anew, from its paper: what minimises a function of the losses by
PyTorch's own gradients and optimizers of that function; what combines gradients on the gradients themselves, not on their
Gram matrix; optimisation problems by other algorithms than ours. Three tasks share two layers: h, which all losses reach, and
mid, which the first two reach; the third is much larger than the others. Rows of some batches lack labels, in batch 3 no row
knows label 1. All in float64.

    python tests/parity/make_balance_reference.py      # needs PyTorch; the test needs the file alone
"""
import itertools
import json
import math
import pathlib
import random
import torch
import torch.nn.functional as F
from make_reference import f32, hexes, initial

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
STEPS, EPOCH = 20, 5                            # steps; steps of an epoch
SIZES = [24, 24, 17, 24, 7]
SHAPES = {"h.w": [6, 8], "h.b": [8], "mid.w": [8, 5], "mid.b": [5], "a.w": [5, 1], "a.b": [1], "b.w": [5, 1], "b.b": [1],
          "c.w": [8, 1], "c.b": [1]}
SHARED = ["h.w", "h.b", "mid.w", "mid.b"]
LR = {"sgd": 0.01, "adam": 0.001}


# ---------------------------------------------------------------- the model
def forward(w, batch, tasks):
    """Losses of the tasks, 0 where no row is known; whether any is; the values that leave the shared layers."""
    h = torch.relu(batch["x"] @ w["h.w"] + w["h.b"])
    mid = torch.relu(h @ w["mid.w"] + w["mid.b"])
    z = [mid @ w["a.w"] + w["a.b"], mid @ w["b.w"] + w["b.b"], h @ w["c.w"] + w["c.b"]][:tasks]
    losses, known = [], []
    for k in range(tasks):
        y, m = batch["y"][k].unsqueeze(1), batch["w"][k].unsqueeze(1)
        each = F.binary_cross_entropy_with_logits(z[k], y, reduction="none") if k < 2 else (z[k] - y) ** 2
        known.append(m.sum().item() > 0)
        losses.append((each * m).sum() / m.sum() if known[-1] else torch.zeros(()))
    return losses, known, [h, mid]


def flat_gradients(losses, of):
    """[K, P]: of each loss."""
    rows = []
    for loss in losses:
        grads = torch.autograd.grad(loss, of, retain_graph=True, allow_unused=True)
        rows.append(torch.cat([(torch.zeros_like(p) if g is None else g).reshape(-1) for g, p in zip(grads, of)]))
    return torch.stack(rows)


# ---------------------------------------------------------------- methods: losses [n], gradients [n, P] → weights c [n]
def mgda(G, args):
    """Every face of the simplex: the point nearest 0 of the affine hull of its corners, if it lies within."""
    n, best, least = len(G), None, math.inf
    for size in range(1, n + 1):
        for face in itertools.combinations(range(n), size):
            A = torch.zeros(size + 1, size + 1)
            A[:size, :size] = G[list(face)] @ G[list(face)].T
            A[:size, size] = A[size, :size] = 1
            right = torch.zeros(size + 1)
            right[size] = 1
            w = torch.linalg.lstsq(A, right, driver="gelsd").solution[:size]
            if (w < -1e-12).any():
                continue
            norm = (w @ G[list(face)]).norm().item()
            if norm < least - 1e-14:
                least, best = norm, torch.zeros(n)
                best[list(face)] = w
    return best


def to_simplex(v):
    """Its nearest point (Held, Wolfe, Crowder 1974)."""
    u = v.sort(descending=True).values
    excess = (u.cumsum(0) - 1) / torch.arange(1, len(v) + 1)
    return (v - excess[(u > excess).nonzero()[-1]]).clamp(min=0)


def cagrad(G, args):
    """Projected gradient descent on w."""
    c, n = args[0], len(G)
    g0 = G.mean(0)
    value = lambda w: (w @ G) @ g0 + c * g0.norm() * (w @ G).norm()
    w = torch.full((n,), 1 / n)
    step = 1 / (G @ G.T).trace()
    for _ in range(20000):
        gw = w @ G
        slope = G @ g0 + c * g0.norm() * (G @ gw) / gw.norm()
        while True:
            new = to_simplex(w - step * slope)
            if value(new) <= value(w) + slope @ (new - w) + (new - w) @ (new - w) / (2 * step) + 1e-16:
                break
            step /= 2
        if (new - w).abs().max() < 1e-14:
            break
        w, step = new, step * 1.1
    d = (g0 + c * g0.norm() * (w @ G) / (w @ G).norm()) / (1 + c * c)
    return torch.linalg.lstsq(G.T, d).solution


def power(G, p):
    """M w = w^-p, by Newton on log w, for powers that go from 1 to p."""
    M = G @ G.T
    x = -torch.log(M.diagonal()) / 2
    for q in torch.linspace(1, p, 1 if p == 1 else 9).tolist():
        norm = lambda x: ((M @ x.exp()) * (q * x).exp() - 1).norm()
        for _ in range(200):
            w = x.exp()
            J = ((M * w) + torch.diag(q * (M @ w))) * (w ** q)[:, None]
            d = torch.linalg.solve(J, 1 - (M @ w) * w ** q)
            t = 1.0
            while not norm(x + t * d) < norm(x) and t > 1e-9:
                t /= 2
            if t <= 1e-9:
                break
            x = x + t * d
    assert norm(x) < 1e-9, norm(x)
    return x.exp()


def pcgrad(G, args):
    d = G.clone()
    for i in range(len(G)):
        for j in range(len(G)):
            if j != i and d[i] @ G[j] < 0:
                d[i] -= (d[i] @ G[j]) / (G[j] @ G[j]) * G[j]
    return torch.linalg.lstsq(G.T, d.sum(0)).solution


def gradvac(G, args, target={}):
    d, beta = G.clone(), args[0]
    for i in range(len(G)):
        for j in range(len(G)):
            if j == i:
                continue
            phi, goal = d[i] @ G[j] / (d[i].norm() * G[j].norm()), target.get((i, j), torch.zeros(()))
            if phi < goal:
                root = lambda x: (1 - x * x).sqrt()
                d[i] = d[i] + d[i].norm() * (goal * root(phi) - phi * root(goal)) / (G[j].norm() * root(goal)) * G[j]
            target[i, j] = (1 - beta) * goal + beta * phi
    return torch.linalg.lstsq(G.T, d.sum(0)).solution


def imtl_g(G, args):
    """The closed form of the paper: α_2… = g_1 Uᵀ (D Uᵀ)⁻¹."""
    if len(G) == 1:
        return torch.ones(1)
    u = G / G.norm(dim=1, keepdim=True)
    D, U = G[:1] - G[1:], u[:1] - u[1:]
    rest = torch.linalg.solve((D @ U.T).T, U @ G[0])
    return torch.cat([1 - rest.sum().reshape(1), rest])


def aligned_mtl(G, args):
    values, vectors = torch.linalg.eigh(G @ G.T)
    return values[0].sqrt() * vectors @ torch.diag(values ** -0.5) @ vectors.T @ torch.ones(len(G))


def upgrad(G, args):
    """Each gradient's nearest point of the cone {d: G d >= 0}, by projections on its half-spaces (Dykstra 1983)."""
    d = torch.zeros(G.shape[1])
    for g in G:
        x, y = g.clone(), torch.zeros_like(G)
        for _ in range(20000):
            before = x.clone()
            for j in range(len(G)):
                z = x + y[j]
                x = z - min(0.0, (z @ G[j]).item()) / (G[j] @ G[j]) * G[j]
                y[j] = z - x
            if (x - before).norm() < 1e-15 * g.norm():
                break
        d += x / len(G)
    return torch.linalg.lstsq(G.T, d).solution


GRAM = {"mgda": mgda, "cagrad": cagrad, "nash_mtl": lambda G, a: power(G, 1.0), "fairgrad": lambda G, a: power(G, 1 / a[0]),
        "pcgrad": pcgrad, "gradvac": gradvac, "imtl_g": imtl_g, "aligned_mtl": aligned_mtl, "upgrad": upgrad}


# ---------------------------------------------------------------- methods that minimise a function of the losses
class Trained:
    """One number a task, each with an Adam of its own: a task that is absent takes no step."""
    def __init__(self, tasks, start, lr, decay=0.0):
        self.s = [torch.full((), float(start), requires_grad=True) for _ in range(tasks)]
        self.adam = [torch.optim.Adam([s], lr=lr, weight_decay=decay) for s in self.s]

    def step(self, present):
        for k in present:
            self.adam[k].step()
        for a in self.adam:
            a.zero_grad()


class Method:
    def __init__(self, name, args, tasks, lr):
        self.name, self.args, self.tasks = name, args, tasks
        start = args[0] if name in ("uncertainty", "imtl_l") else 0
        rate = {"famo": args[0] if args else 0, "gradnorm": args[1] if len(args) > 1 else 0}.get(name, lr)
        self.trained = Trained(tasks, start, rate, args[1] if name == "famo" else 0)
        self.history, self.first, self.target = {}, {}, {}

    def softmax(self, present):
        return torch.softmax(torch.stack([self.trained.s[k] for k in present]), 0)

    def total(self, losses, present, epoch, norms):
        """F of the losses that are known, to be minimised in one; trains what the method trains."""
        name, args, n = self.name, self.args, len(present)
        L = torch.stack([losses[k] for k in present])
        for k in present:
            self.history.setdefault((epoch, k), []).append(losses[k].item())
        mean = lambda e, k: sum(self.history[e, k]) / len(self.history[e, k])
        s = [self.trained.s[k] for k in present]
        if name == "static":
            return L.sum()
        if name == "uncertainty":
            return sum(L[i] / (2 * s[i].exp()) + s[i] / 2 for i in range(n))
        if name == "imtl_l":
            return sum(s[i].exp() * L[i] - s[i] for i in range(n))
        if name == "gls":
            return L.prod() ** (1 / n)
        if name == "dwa":
            r = [mean(epoch - 1, k) / mean(epoch - 2, k) if epoch > 2 else 1.0 for k in present]
            return (n * torch.softmax(torch.tensor(r) / args[0], 0) * L).sum()
        if name == "stch":
            mu, warmup = args
            if epoch <= warmup:
                return L.log().sum()
            nadir = torch.tensor([mean(warmup, k) for k in present])
            return n * mu * torch.log(torch.exp((L / nadir).log() / mu).sum())
        if name == "famo":
            D, z = L + 1e-8, self.softmax(present).detach()
            return (z * D.log()).sum() / (z / D).sum().detach()
        assert name == "gradnorm"
        w = n * self.softmax(present)
        for i, k in enumerate(present):
            self.first.setdefault(k, L[i].item())
        r = L.detach() / torch.tensor([self.first[k] for k in present])
        G = w * norms
        (G - (G.mean() * (r / r.mean()) ** args[0]).detach()).abs().sum().backward()
        return (w.detach() * L).sum()

    def after(self, before, losses, present):
        if self.name != "famo":
            return
        z = self.softmax(present)
        delta = torch.stack([(before[k] + 1e-8).log() - (losses[k] + 1e-8).log() for k in present]).detach()
        grads = torch.autograd.grad(z, [self.trained.s[k] for k in present], grad_outputs=delta)
        for k, g in zip(present, grads):
            self.trained.s[k].grad = g
        self.trained.step(present)


# ---------------------------------------------------------------- training
def train(name, args, tasks, optimizer, on, start, batches):
    w = {path: torch.tensor(v).reshape(SHAPES[path]).requires_grad_() for path, v in start.items()}
    lr = LR[optimizer]
    opt = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](list(w.values()), lr=lr)
    m, weights = Method(name, args, tasks, lr), []
    gradvac.__defaults__[0].clear()
    shared = [w[p] for p in SHARED]
    for step in range(STEPS):
        batch, epoch = batches[step % len(batches)], step // EPOCH + 1
        opt.zero_grad()
        losses, known, leaving = forward(w, batch, tasks)
        present = [k for k in range(tasks) if known[k]]
        mine = [losses[k] for k in present]
        c = [0.0] * tasks
        if name in GRAM:
            G = flat_gradients(mine, leaving if on == "representation" else shared)
            alive = [i for i in range(len(mine)) if G[i].norm() > 0]
            found = GRAM[name](G[alive], args)
            sum(mine).backward(retain_graph=True)                # what one task owns: its own loss
            weighed = sum(x * mine[i] for x, i in zip(found, alive))
            for p, g in zip(shared, torch.autograd.grad(weighed, shared, allow_unused=True)):
                p.grad = torch.zeros_like(p) if g is None else g
            for x, i in zip(found, alive):
                c[present[i]] = x.item()
        else:
            norms = flat_gradients(mine, leaving if on == "representation" else shared).norm(dim=1) if name == "gradnorm" else None
            total = m.total(losses, present, epoch, norms)
            for k, x in zip(present, torch.autograd.grad(total, mine, retain_graph=True)):
                c[k] = x.item()
            total.backward()
            if name != "famo":
                m.trained.step(present)
        for p in w.values():                                     # a task that is absent has the gradient 0
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        opt.step()
        if name == "famo":
            m.after([x.detach() for x in losses], forward(w, batch, tasks)[0], present)
        weights.append(hexes(torch.tensor(c)))
    return {"method": name, "arguments": args, "tasks": tasks, "optimizer": optimizer, "on": on, "c": weights,
            "after": {path: hexes(x) for path, x in w.items()}}


RUNS = [("static", [], 3), ("uncertainty", [-0.5], 3), ("dwa", [2.0], 3), ("gls", [], 3), ("imtl_l", [0.0], 3),
        ("stch", [1.0, 2], 3), ("stch", [0.5, 1], 3), ("famo", [0.025, 1e-3], 3), ("gradnorm", [1.5, 0.025], 3), ("mgda", [], 3),
        ("pcgrad", [], 2), ("gradvac", [0.5], 2), ("imtl_g", [], 3), ("cagrad", [0.5], 3), ("cagrad", [2.0], 3),
        ("nash_mtl", [20], 3), ("fairgrad", [1.0], 3), ("fairgrad", [2.0], 3), ("fairgrad", [0.5], 3), ("aligned_mtl", [], 3), ("upgrad", [], 3)]
ON_REPRESENTATION = ["gradnorm", "mgda", "imtl_g", "aligned_mtl"]


def make_batch(rng, at):
    rows = range(SIZES[at])
    x = [[f32(rng.uniform(-1.5, 1.5)) for _ in range(6)] for _ in rows]
    w = [[float(rng.random() > 0.2 and (at, k) != (3, 1)) for _ in rows] for k in range(3)]
    y = [[(f32(rng.uniform(-6, 6)) if k == 2 else float(rng.random() < 0.4)) * known for known in w[k]] for k in range(3)]
    for r in rows:                              # a and b disagree in most rows: their gradients conflict
        if w[0][r] and w[1][r] and rng.random() < 0.8:
            y[1][r] = 1 - y[0][r]
    return {"x": torch.tensor(x), "y": torch.tensor(y), "w": torch.tensor(w)}


def main():
    rng = random.Random(11)
    start = {path: initial(rng, shape) for path, shape in SHAPES.items()}
    start["b.w"] = [f32(0.7 * a + rng.uniform(-0.1, 0.1)) for a in start["a.w"]]
    batches = [make_batch(rng, i) for i in range(len(SIZES))]
    runs = []
    for name, args, tasks in RUNS:
        for optimizer in LR:
            runs.append(train(name, args, tasks, optimizer, "parameters", start, batches))
        if name in ON_REPRESENTATION:
            runs.append(train(name, args, tasks, "sgd", "representation", start, batches))
    out = {"steps": STEPS, "epoch": EPOCH, "lr": LR,
           "weights": {path: {"shape": SHAPES[path], "values": hexes(torch.tensor(v))} for path, v in start.items()},
           "batches": [{"rows": len(b["x"]), "x": hexes(b["x"]), "y": hexes(b["y"]), "w": hexes(b["w"])} for b in batches],
           "runs": runs}
    path = pathlib.Path(__file__).with_name("balance.json")
    path.write_text(json.dumps(out, indent=1) + "\n")
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
