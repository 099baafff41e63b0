#!/usr/bin/env python3
"""Makes tests/parity/layers.json, which tests/unit/test_layers.c compares the layers of specs/std with: each as a spec in mtlc's language
and, here, as PyTorch code from the papers' formulas. Weights are named as mtlc names them: binding, layer, key, parameter.

    python tests/parity/make_layers.py             # needs PyTorch; the test needs the file alone
"""
import json
import math
import pathlib
import random
import torch
import torch.nn.functional as F
import make_reference as ref

WIDTH, SIZES = 5, [12, 7]
HEAD = """model parity
edition 2026
import "std/moe.mtl"
import "std/sharing.mtl"
import "std/funnel.mtl"
import "std/interaction.mtl"
import "std/personal.mtl"
input x : vector(5)
input a : id { buckets = 7 }
input b : id { buckets = 5 }
label y, z : binary
"""
TASKS = """task one { head = %s |> dense(1) |> sigmoid, loss = bce(y) }
task two { head = %s |> dense(1) |> sigmoid, loss = bce(z) }
"""


class Weights:
    """Made when first asked for, from the path alone; then trained."""
    def __init__(self, dtype, values=None):
        self.dtype, self.values, self.tensors = dtype, values if values is not None else {}, {}

    def __call__(self, path, *shape, start=None):
        if path not in self.values:
            rng = random.Random(path)
            half = math.sqrt(3 / shape[0]) if len(shape) > 1 else 0.3
            n = math.prod(shape)
            self.values[path] = (list(shape), [ref.f32(x) for x in start] if start else [ref.f32(rng.uniform(-half, half)) for _ in range(n)])
        if path not in self.tensors:
            size, value = self.values[path]
            self.tensors[path] = torch.tensor(value, dtype=self.dtype).reshape(size).requires_grad_()
        return self.tensors[path]


def dense(w, x, path, width, act=lambda v: v, bias=True):
    y = x @ w(path + ".w", x.shape[-1], width)
    return act(y + w(path + ".b", width)) if bias else act(y)


def mlp(w, x, path, widths, act=torch.relu):
    for i, width in enumerate(widths):
        x = dense(w, x, f"{path}[{i}].dense", width, act)
    return x


def gate(w, x, experts, path, widths=()):
    g = torch.softmax(dense(w, mlp(w, x, path + ".mlp", widths), path + ".dense", len(experts)), -1)
    return sum(g[..., i:i + 1] * e for i, e in enumerate(experts))


def two_heads(w, one, two):
    heads = [(name, dense(w, h, name + ".dense", 1)) for name, h in (("one", one), ("two", two))]
    return [(name, torch.sigmoid(z), z) for name, z in heads]


# ---------------------------------------------------------------- the layers: (spec behind HEAD, forward(w, x, ids))
CASES = {}
LAZY = {}                                                    # case → {path of a table: the column of its ids}
RUNS = {}                                                    # case → [(optimizer, args), …]; else one that suits its ids
GROUPS = {}                                                  # case → [(how paths begin, {weight_decay, l1, rate})]; the first that fits
LIST_HEAD = """model parity
edition 2026
import "std/attention.mtl"
input x : vector(5)
input item : id { buckets = 7 }
input past : list(id) { like = item, max = 4 }
label y, z : binary
"""
LIST_IDS = [7, 5, 7, 7, 7, 7]                                # item; of the list its length, 0 to 4, and its items


def case(name, spec, tasks=None, head=HEAD, ids=(7, 5)):
    def add(f):
        CASES[name] = (head + spec + (TASKS % tasks if tasks else ""), f, list(ids))
        return f
    return add


@case("omoe", 'let h = x |> omoe(experts = 3, widths = [4], gate_widths = [3])\n', ("h", "h"))
def omoe(w, x, ids):
    pool = [mlp(w, x, f"h.omoe.pool[{i}].mlp", [4]) for i in range(3)]
    h = gate(w, x, pool, "h.omoe.gate", [3])
    return two_heads(w, h, h)


@case("mmoe", 'let h = x |> mmoe(["one", "two"], experts = 3, widths = [4])\n', ("h.one", "h.two"))
def mmoe(w, x, ids):
    pool = [mlp(w, x, f"h.mmoe.pool[{i}].mlp", [4]) for i in range(3)]
    return two_heads(w, *[gate(w, x, pool, f"h.mmoe.{k}.gate") for k in ("one", "two")])


def ple_levels(w, x, path, keys, levels, own, common, widths, gates):
    """Tang et al. 2020: experts of each key and shared ones; a gate reads its own state; the shared state's gate sees all."""
    task, shared = {k: x for k in keys}, x
    for level in range(levels):
        at = f"{path}[{level}].cgc"
        mine = {k: [mlp(w, task[k], f"{at}.mine.{k}[{i}].mlp", widths) for i in range(own)] for k in keys}
        ours = [mlp(w, shared, f"{at}.ours[{i}].mlp", widths) for i in range(common)]
        new = {k: gate(w, task[k], mine[k] + ours, f"{at}.task.{k}.gate", gates) for k in keys}
        if level < levels - 1:
            shared = gate(w, shared, sum(mine.values(), []) + ours, f"{at}.common.gate", gates)
        task = new
    return task


@case("cgc", 'let h = x |> ple(["one", "two"], levels = 1, own = 2, common = 1, widths = [4], gate_widths = [3])\n', ("h.one", "h.two"))
def cgc(w, x, ids):
    h = ple_levels(w, x, "h.ple", ["one", "two"], 1, 2, 1, [4], [3])
    return two_heads(w, h["one"], h["two"])


@case("ple", 'let h = x |> ple(["one", "two"], levels = 2, own = 2, common = 1, widths = [4], gate_widths = [])\n', ("h.one", "h.two"))
def ple(w, x, ids):
    h = ple_levels(w, x, "h.ple", ["one", "two"], 2, 2, 1, [4], [])
    return two_heads(w, h["one"], h["two"])


@case("dselect", 'let pool = repeat(4, x |> dense(4, relu))\nlet h = dselect(pool, k = 2, gamma = 1)\n', ("h.value", "h.value"))
def dselect(w, x, ids):
    pool = [dense(w, x, f"pool[{i}].dense", 4, torch.relu) for i in range(4)]
    codes = torch.tensor([[i & 1, i >> 1] for i in range(4)], dtype=x.dtype)

    def smooth(z):
        return torch.where(z <= -0.5, torch.zeros_like(z), torch.where(z >= 0.5, torch.ones_like(z), -2 * z ** 3 + 1.5 * z + 0.5))
    picks = []
    for i in range(2):
        s = smooth(w(f"h.dselect.picks[{i}]._selector.z", 2))
        p = torch.prod(codes * s + (1 - codes) * (1 - s), 1)
        picks.append(p / (p.sum() + 1e-9))
    alpha = torch.softmax(w("h.dselect.alpha", 2), 0)
    weights = alpha @ torch.stack(picks)
    h = sum(weights[i] * e for i, e in enumerate(pool))
    return two_heads(w, h, h)


@case("cross_stitch", 'let h = x |> stitched(["one", "two"], widths = [4, 3])\n', ("h.one", "h.two"))
def cross_stitch(w, x, ids):
    s = [x, x]
    for i, width in enumerate([4, 3]):
        hs = [dense(w, v, f"h.stitched[{i}].{k}.dense", width, torch.relu) for k, v in zip(("one", "two"), s)]
        a = w(f"h.stitched[{i}].cross_stitch.a", 2, 2)
        s = [sum(a[k, j] * hs[j] for j in range(2)) for k in range(2)]
    return two_heads(w, *s)


@case("mtan", 'let h = x |> mtan(["one", "two"], widths = [4, 3], squeeze = 3)\n', ("h.one", "h.two"))
def mtan(w, x, ids):
    task, common = {"one": x, "two": x}, x
    for i, width in enumerate([4, 3]):
        at = f"h.mtan[{i}].mtan_level"
        p = dense(w, common, at + ".p.common", width, torch.relu)
        for k in task:
            u = dense(w, torch.cat([common, task[k]], -1), f"{at}.task.{k}.squeeze", 3, torch.relu)
            task[k] = dense(w, u, f"{at}.task.{k}.mask", width, torch.sigmoid) * p
        common = p
    return two_heads(w, task["one"], task["two"])


@case("dbmtl", 'let p = x |> mlp([4])\nlet q = x |> mlp([4]) |> dbmtl([p], widths = [3])\n', ("p", "q"))
def dbmtl(w, x, ids):
    p = mlp(w, x, "p.mlp", [4])
    q = mlp(w, torch.cat([mlp(w, x, "q.mlp", [4]), p], -1), "q.dbmtl.mlp", [3])
    return two_heads(w, p, q)


@case("aitm", 'let p = x |> mlp([4])\nlet q = p |> aitm(x |> mlp([4]))\n', ("p", "q"))
def aitm(w, x, ids):
    p, own = mlp(w, x, "p.mlp", [4]), mlp(w, x, "q.mlp", [4])
    both = torch.stack([own, dense(w, p, "q.aitm.both.pass", 4, torch.relu)], 1)
    query, key, value = (dense(w, both, f"q.aitm.{n}.dense", 4) for n in ("query", "key", "value"))
    score = torch.softmax((query * key).sum(-1) / math.sqrt(4), -1)
    return two_heads(w, p, (score.unsqueeze(-1) * value).sum(1))


@case("esmm", 'let p = esmm(x |> dense(1) as click, x |> dense(1) as buy)\n'
      'task one { head = p.click, loss = bce(y) }\ntask two { head = p.both, loss = bce(z) }\n')
def esmm(w, x, ids):
    click, buy = dense(w, x, "p.click", 1), dense(w, x, "p.buy", 1)
    return [("one", torch.sigmoid(click), click), ("two", torch.sigmoid(click) * torch.sigmoid(buy), None)]


@case("sequential", 'let h = x |> dense(4, relu)\ntask one { head = h |> dense(1) |> sigmoid, loss = bce(y) }\n'
      'task two { head = concat(h, one, stop_gradient(one * 2)) |> dense(1) |> sigmoid, loss = bce(z) }\n')
def sequential(w, x, ids):
    h = dense(w, x, "h.dense", 4, torch.relu)
    first = dense(w, h, "one.dense", 1)
    p = torch.sigmoid(first)
    second = dense(w, torch.cat([h, p, (p * 2).detach()], -1), "two.dense", 1)
    return [("one", p, first), ("two", torch.sigmoid(second), second)]


def fm(v):
    total, squares = sum(v), sum(e * e for e in v)
    return 0.5 * (total * total - squares).sum(-1, keepdim=True)


@case("deepfm", 'let logit = [a, b] |> deepfm(width = 3, widths = [4])\nlet h = concat(logit, x)\n', ("h", "h"))
def deepfm(w, x, ids):
    at, sizes = "logit.deepfm", {"a": (0, 7), "b": (1, 5)}
    v = [w(f"{at}.v.{k}.embed.table", n, 3)[ids[:, i]] for k, (i, n) in sizes.items()]
    first = sum(w(f"{at}.linear.{k}.embed.table", n, 1)[ids[:, i]] for k, (i, n) in sizes.items()) + w(f"{at}.linear.bias", 1)
    deep = dense(w, mlp(w, torch.cat(v, -1), f"{at}.deep.mlp", [4]), f"{at}.deep.dense", 1)
    h = torch.cat([deep + first + fm(v), x], -1)
    return two_heads(w, h, h)


@case("dcn", 'let c = x |> cross(2)\nlet l = x |> cross_low_rank(2, depth = 1)\n', ("c", "l"))
def dcn(w, x, ids):
    c = x
    for i in range(2):
        c = x * dense(w, c, f"c.cross[{i}].dense", WIDTH) + c
    low = x * dense(w, dense(w, x, "l.cross_low_rank[0].down", 2, bias=False), "l.cross_low_rank[0].up", WIDTH) + x
    return two_heads(w, c, low)


@case("norms", 'let n = x |> layer_norm |> dense(4, gelu)\nlet s = x |> dense(4, silu)\n', ("n", "s"))
def norms(w, x, ids):
    n = F.layer_norm(x, [WIDTH], w("n.layer_norm.gain", WIDTH), w("n.layer_norm.shift", WIDTH), 1e-5)
    return two_heads(w, dense(w, n, "n.dense", 4, lambda v: F.gelu(v, approximate="tanh")), dense(w, x, "s.dense", 4, F.silu))


# ---------------------------------------------------------------- over lists: ids[:, 2:] behind the length ids[:, 1]
def there(ids, dtype):
    return (torch.arange(4)[None, :] < ids[:, 1:2]).to(dtype)


def masked_softmax(score, mask):
    """Over the last axis; 0 where the mask is, and everywhere in an empty list."""
    e = torch.exp(score - score.max(-1, keepdim=True).values) * mask
    total = e.sum(-1, keepdim=True)
    return e / torch.where(total == 0, torch.ones_like(total), total)


def masked_mean(x, mask):
    return (x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def masked_max(x, mask):
    low = torch.where(mask.unsqueeze(-1) > 0, x, torch.full_like(x, -1e30)).max(1).values
    return torch.where(mask.sum(1, keepdim=True) > 0, low, torch.zeros_like(low))


@case("din", 'let items = instance embed(4)\nlet shown = item |> items\nlet seen = past |> items\n'
      'let p = concat(seen |> din(shown, widths = [3]), x)\nlet q = concat(seen |> din(shown, widths = [3], normal = true), seen |> attention_pool(3))\n',
      ("p", "q"), LIST_HEAD, LIST_IDS)
def din(w, x, ids):
    table, mask = w("items.table", 7, 4), there(ids, x.dtype)
    shown, seen = table[ids[:, 0]], table[ids[:, 2:]]

    def pooled(path, normal):
        t = shown.unsqueeze(1).expand_as(seen)
        h = mlp(w, torch.cat([seen, t, seen - t, seen * t], -1), path + ".score.mlp", [3], torch.sigmoid)
        score = dense(w, h, path + ".score.dense", 1)[..., 0]
        weights = masked_softmax(score, mask) if normal else score * mask
        return (weights.unsqueeze(-1) * seen).sum(1)
    add = dense(w, dense(w, seen, "q.attention_pool.hidden", 3, torch.tanh), "q.attention_pool.score", 1, bias=False)[..., 0]
    extra = (masked_softmax(add, mask).unsqueeze(-1) * seen).sum(1)
    return two_heads(w, torch.cat([pooled("p.din", False), x], -1), torch.cat([pooled("q.din", True), extra], -1))


@case("transformer", 'let seen = past |> embed(4)\nlet p = mean(seen |> encoder(depth = 2, heads = 2, width = 6, rate = 0))\n'
      'let q = seen |> conv_pool(sizes = [2, 3], width = 3)\n', ("concat(p, x)", "q"), LIST_HEAD, LIST_IDS)
def transformer(w, x, ids):
    mask = there(ids, x.dtype)
    seen = w("seen.past.table", 7, 4)[ids[:, 2:]]

    def norm(h, path):
        return F.layer_norm(h, [4], w(path + ".gain", 4), w(path + ".shift", 4), 1e-5)

    def attend(h, path):
        q, k, v = (dense(w, h, f"{path}.{n}.dense", 4).reshape(-1, 4, 2, 2).transpose(1, 2) for n in "qkv")
        weights = masked_softmax(q @ k.transpose(2, 3) / math.sqrt(2), mask[:, None, None, :])
        return dense(w, (weights @ v).transpose(1, 2).reshape(-1, 4, 4), path + ".dense", 4)
    h = seen + w("p.encoder.place", 4, 4)
    for i in range(2):
        at = f"p.encoder[{i}].block"
        a = h + attend(norm(h, at + ".a.layer_norm"), at + ".a.attention")
        wide = dense(w, norm(a, at + ".layer_norm"), at + ".feed_forward.wide", 6, lambda v: F.gelu(v, approximate="tanh"))
        h = a + dense(w, wide, at + ".feed_forward.narrow", 4)
    zeroed, parts = seen * mask.unsqueeze(-1), []
    for i, size in enumerate([2, 3]):
        before = (size - 1) // 2
        padded = F.pad(zeroed, (0, 0, before, size - 1 - before))
        kernel = w(f"q.conv_pool[{i}].w", size, 4, 3)
        conv = sum(padded[:, k:k + 4] @ kernel[k] for k in range(size))
        parts.append(masked_max(torch.relu(conv), mask))
    return two_heads(w, torch.cat([masked_mean(h, mask), x], -1), torch.cat(parts, -1))


def gated(w, h, seen, path):
    """h ⊙ 2 σ(W' relu(W seen)): the gate unit of PEPNet, Chang et al. 2023."""
    width = h.shape[-1]
    return h * 2 * dense(w, dense(w, seen, path + ".gated.gate_unit.hidden", width, torch.relu), path + ".gated.gate_unit.gate", width, torch.sigmoid)


@case("pepnet", 'let who = embed(a, 3)\nlet e = x |> epnet(embed(b, 2))\nlet h = e |> ppnet(who, ["one", "two"], widths = [4, 3])\n', ("h.one", "h.two"))
def pepnet(w, x, ids):
    who, where = w("who.a.table", 7, 3)[ids[:, 0]], w("e.b.table", 5, 2)[ids[:, 1]]
    e = gated(w, x, torch.cat([where, x.detach()], -1), "e.epnet")
    seen, towers = torch.cat([who, e.detach()], -1), []
    for k in ("one", "two"):
        at = f"h.ppnet.{k}"
        h = gated(w, e, seen, at)
        for i, width in enumerate([4, 3]):
            h = gated(w, dense(w, h, f"{at}[{i}].dense", width, torch.relu), seen, f"{at}[{i}]")
        towers.append(h)
    return two_heads(w, *towers)


LAZY["lazy"] = {"u.a.table": 0, "v.b.table": 1}


@case("lazy", 'let u = embed(a, 3) { lazy = true }\nlet v = embed(b, 1) { lazy = true }\nlet t = embed(a, 2)\nlet h = concat(u, v, t, x)\n', ("h", "h"))
def lazy(w, x, ids):
    h = torch.cat([w("u.a.table", 7, 3)[ids[:, 0]], w("v.b.table", 5, 1)[ids[:, 1]], w("t.a.table", 7, 2)[ids[:, 0]], x], -1)
    return two_heads(w, h, h)


RUNS["lazy"] = [ref.ADAM] + [a for a in ref.NEW if a[0] != "lamb"]

GROUPED = 'let u = embed(a, 3) { lazy = true, l2 = 0.2, l1 = 0.05 }\nlet v = embed(b, 1) { lazy = true, l2 = 0, rate = 3 }\n' \
          'let t = embed(a, 2)\nshared h = concat(u, v, t, x) |> mlp([4]) { l2 = 0.3, rate = 0.5 }\ntrain { l1 = 0.02, l2 = 0.1 }\n'
# Not rmsprop: with l1 its steps go to and fro across 0, and what is left of a weight there has few right digits in float32, ours or PyTorch's.
RUNS["groups"] = [ref.ADAM, ref.SGD, ["momentum", [0.02, 0.9, 1]], ["amsgrad", [0.001, 0.9, 0.9, 1e-8]], ["adagrad", [0.05, 1e-10, 0.1]]]
LAZY["groups"] = LAZY["lazy"]
GROUPS["groups"] = [("u.", {"weight_decay": 0.2, "l1": 0.05}), ("v.", {"l1": 0.02, "rate": 3}),
                    ("h.", {"weight_decay": 0.3, "l1": 0.02, "rate": 0.5}), ("", {"weight_decay": 0.1, "l1": 0.02})]


@case("groups", GROUPED, ("h", "h"))
def groups(w, x, ids):
    h = torch.cat([w("u.a.table", 7, 3)[ids[:, 0]], w("v.b.table", 5, 1)[ids[:, 1]], w("t.a.table", 7, 2)[ids[:, 0]], x], -1)
    h = mlp(w, h, "h.mlp", [4])
    return two_heads(w, h, h)


def grouped(tensors, rules, lr):
    """Parameter groups of PyTorch; what has one axis (biases, gains) does not decay. → (groups, [(tensor, l1)])"""
    made, l1 = [], []
    for path, p in tensors.items():
        rule = next(r for begin, r in rules if path.startswith(begin))
        made.append({"params": [p], "lr": lr * rule.get("rate", 1), "weight_decay": rule.get("weight_decay", 0) if p.dim() > 1 else 0})
        l1.append((p, rule.get("l1", 0) if p.dim() > 1 else 0))
    return made, l1


# Optimizers of their own, each at its own learning rate; `rate` times it.
OWN = {"optimizers": [("u.", "sgd", [0.5]), ("one.", "adam", [0.02, 0.5, 0.999, 1e-8]), ("h.", "adam", [0.002, 0.9, 0.999, 1e-8])]}


@case("optimizers", 'let u = embed(a, 3) { optimizer = sgd(0.5) }\nshared h = concat(u, x) |> mlp([4]) { optimizer = adam(0.001), rate = 2 }\n'
      'task one { head = h |> dense(1) |> sigmoid, loss = bce(y), optimizer = adam(0.02, beta1 = 0.5) }\n'
      'task two { head = h |> dense(1) |> sigmoid, loss = bce(z) }\n')
def optimizers(w, x, ids):
    h = mlp(w, torch.cat([w("u.a.table", 7, 3)[ids[:, 0]], x], -1), "h.mlp", [4])
    return two_heads(w, h, h)


class Several:
    def __init__(self, steps):
        self.steps = steps

    def zero_grad(self):
        for s in self.steps:
            s.zero_grad()

    def step(self):
        for s in self.steps:
            s.step()


def optimizers_of(tensors, own, optimizer, args):
    groups = {}
    for path, p in tensors.items():
        at = next((i for i, (begin, _, _) in enumerate(own) if path.startswith(begin)), len(own))
        groups.setdefault(at, []).append(p)
    return Several([ref.OPTIMIZERS[name](groups[i], of) for i, (_, name, of) in enumerate(own + [("", optimizer, args)]) if i in groups])


def step_lazily(step, w, rows):
    """A step of any optimizer; then rows of a table that the batch does not name, and their state, are as they were."""
    old = {p: (p.detach().clone(), {k: v.clone() for k, v in step.state[p].items()}) for p in rows}
    step.step()
    for p, named in rows.items():
        rest = [v for v in range(p.shape[0]) if v not in named]
        with torch.no_grad():
            p[rest] = old[p][0][rest]
            for k, v in step.state[p].items():
                if v.shape == p.shape:
                    v[rest] = old[p][1][k][rest] if old[p][1] else torch.zeros_like(v[rest])


# ---------------------------------------------------------------- the file
def forward(f, w, batch):
    ids = torch.tensor(batch["ids"], dtype=torch.long)
    total, outs = 0, {}
    for k, (name, head, z) in enumerate(f(w, torch.tensor(batch["x"], dtype=w.dtype), ids)):
        y = torch.tensor(batch["y"][k], dtype=w.dtype)
        loss = ref.row_loss("bce", head, z, y).sum()
        total = total + loss / len(y)
        outs.update({"head:" + name: head, "sum:" + name: loss})
    return total, outs


def trained(f, values, batches, dtype, optimizer, args, lazy=(), rules=None, own=None):
    w = Weights(dtype, values)
    forward(f, w, batches[0])                                # makes the tensors
    params, l1 = grouped(w.tensors, rules, args[0]) if rules else (list(w.tensors.values()), [])
    step = optimizers_of(w.tensors, own, optimizer, args) if own else ref.OPTIMIZERS[optimizer](params, args)
    for i in range(ref.STEPS):
        step.zero_grad()
        batch = batches[i % len(batches)]
        forward(f, w, batch)[0].backward()
        for p, factor in l1:
            p.grad += factor * p.detach().sign()
        step_lazily(step, w, {w.tensors[path]: {row[lazy[path]] for row in batch["ids"]} for path in lazy})
    return {path: ref.hexes(v) for path, v in w.tensors.items()}


def case_json(seed, name, spec, f, ids):
    rng = random.Random(seed)
    ref.SIZES = SIZES
    batches = [ref.make_batch(rng, i, WIDTH, ids, ["binary", "binary"], False) for i in range(len(SIZES))]
    start = Weights(torch.float64)
    forward(f, start, batches[0])
    values = start.values

    # A bias before a softmax has a gradient of 0: Adam would make noise into steps of full size.
    runs = RUNS.get(name, [ref.SGD if len(ids) > 2 else ref.ADAM])

    def outputs(dtype):
        return [{k: ref.hexes(v) for k, v in forward(f, Weights(dtype, values), b)[1].items()} for b in batches]
    for b in batches:                                        # a list's length lies behind the numbers
        b["numbers"] = [row + [float(i[1])] if len(ids) > 2 else row for row, i in zip(b["x"], b["ids"])]
        b["columns"] = [i[:1] + i[2:] if len(ids) > 2 else i for i in b["ids"]]
    return {
        "model": name, "spec": spec, "dense": len(batches[0]["numbers"][0]), "ids": len(batches[0]["columns"][0]), "labels": 2, "capacity": max(SIZES),
        "weights": {path: {"shape": shape, "value": ref.hexes(v)} for path, (shape, v) in values.items()},
        "batches": [{"n": len(b["x"]), "dense": ref.hexes(sum(b["numbers"], [])), "ids": sum(b["columns"], []),
                     "y": ref.hexes(sum(b["y"], [])), "w": ref.hexes(sum(b["w"], []))} for b in batches],
        "forward": ref.in_both(outputs),
        "runs": [{"optimizer": optimizer, "args": args, "steps": ref.STEPS,
                  "weights": ref.in_both(lambda t: trained(f, values, batches, t, optimizer, args, LAZY.get(name, ()), GROUPS.get(name), OWN.get(name)))}
                 for optimizer, args in runs],
    }


def main():
    torch.set_num_threads(1)
    cases = [case_json(40 + i, name, spec, f, ids) for i, (name, (spec, f, ids)) in enumerate(CASES.items())]
    about = f"made by make_layers.py with PyTorch {torch.__version__}; hex floats, row-major"
    path = pathlib.Path(__file__).parent / "layers.json"
    path.write_text(json.dumps({"about": about, "cases": cases}, indent=1) + "\n")
    print(path, path.stat().st_size, len(cases))


if __name__ == "__main__":
    main()
