#!/usr/bin/env python3
"""Makes the reference numbers that tests/unit/test_tensors.c compares with: tests/parity/tensors.json.

A case is a few lines of a spec, one of them `output y = …`, and the same in PyTorch: y [rows, width] and the gradients of
Σ_rj weight(r, j) · y_rj by every parameter, (the file has them as the body of a layer, so that one spec can hold them all) in float64, from inputs and parameters that are float32 numbers. Numbers are hex
floats apart by blanks.

    python tests/parity/make_tensors.py            # needs PyTorch; the test needs the file alone
"""
import json
import pathlib
import random
import struct
import torch
import torch.nn.functional as F

ROWS, WIDTH, VOCAB = 11, 12, 5


def number(lo, hi):                             # a float32
    return struct.unpack("f", struct.pack("f", random.uniform(lo, hi)))[0]


def numbers(shape, lo, hi):
    n = 1
    for size in shape:
        n *= size
    return torch.tensor([number(lo, hi) for _ in range(n)], dtype=torch.float64).reshape(shape)


def weights(rows, width):                       # as the test computes them
    r, j = torch.arange(rows, dtype=torch.float64), torch.arange(width, dtype=torch.float64)
    return ((r % 7) / 4 + 0.5)[:, None] * (j / 8 + 0.5)[None, :]


def flat(y):                                    # [rows, …] → [rows, width]
    return y.reshape(y.shape[0], -1)


CASES = []


def case(name, params, spec, function, lo=-1.5, hi=1.5):
    CASES.append((name, params, spec, function, lo, hi))


def each(name, expression, function, lo=-1.5, hi=1.5):      # of x · w
    case(name, {"w": [12]}, f"let w = param([12], zeros)\noutput y = {expression}", lambda x, i, p: function(x * p["w"]), lo, hi)


V = "x * w"
each("abs", f"abs({V})", torch.abs)
each("sign", f"sign({V}) * {V}", lambda v: torch.sign(v).detach() * v)
each("floor", f"floor(3 * ({V})) + {V}", lambda v: torch.floor(3 * v) + v)
each("clip", f"clip({V}, -0.5, 0.7)", lambda v: torch.clamp(v, -0.5, 0.7))
each("pow 3", f"({V})^3 + pow({V}, 0)", lambda v: v ** 3 + 1)
each("pow -2", f"pow({V}, -2)", lambda v: v ** -2, 0.7, 1.5)
each("pow 1.7", f"({V})^1.7", lambda v: v ** 1.7, 0.7, 1.5)
case("pow of tensors", {"w": [12]}, "let w = param([12], zeros)\noutput y = (x * w)^(1 + w)",
     lambda x, i, p: (x * p["w"]) ** (1 + p["w"]), 0.7, 1.5)
case("maximum", {"w": [12], "u": [12]}, "let w = param([12], zeros)\nlet u = param([12], zeros)\n"
     "output y = maximum(x * w, u) + minimum(x, u) * w",
     lambda x, i, p: torch.maximum(x * p["w"], p["u"]) + torch.minimum(x, p["u"]) * p["w"])
each("gelu, silu", f"gelu({V}) + silu({V})", lambda v: F.gelu(v, approximate="tanh") + F.silu(v))
each("comparisons", f"select({V} < 0, {V}, select({V} >= 0.5 and {V} != 1, 2 * ({V}), 0 * ({V})))",
     lambda v: torch.where(v < 0, v, torch.where(v >= 0.5, 2 * v, 0 * v)))
each("stop_gradient", f"stop_gradient({V}) * ({V})", lambda v: v.detach() * v)
each("softplus", f"softplus({V}) + sqrt(abs({V}) + 1)", lambda v: F.softplus(v) + torch.sqrt(v.abs() + 1))

# ---- reductions over any axis of [rows, 3, 2, 2]
for name, function in [("sum", lambda v, a: v.sum(a)), ("mean", lambda v, a: v.mean(a)), ("max", lambda v, a: v.amax(a)),
                       ("min", lambda v, a: v.amin(a)), ("prod", lambda v, a: v.prod(a)),
                       ("var", lambda v, a: v.var(a, unbiased=False))]:
    for axis in ["0", "1", "last"]:
        at = -1 if axis == "last" else int(axis) + 1
        case(f"{name} axis {axis}", {"w": [3, 2, 2]},
             "let w = param([3, 2, 2], zeros)\nlet v = reshape(x, [3, 2, 2]) * w\n"
             f"output y = reshape({name}(v, axis = {axis}), [-1])",
             lambda x, i, p, f=function, a=at: f(x.reshape(-1, 3, 2, 2) * p["w"], a))
case("sum over two axes", {"w": [3, 4]}, "let w = param([3, 4], zeros)\noutput y = reshape(sum(reshape(x, [3, 4, 1]) * "
     "reshape(w, [3, 4, 1]), axis = [0, -1]), [-1])", lambda x, i, p: (x.reshape(-1, 3, 4) * p["w"]).sum(1))
case("prod of 12", {"w": [12]}, "let w = param([12], zeros)\noutput y = expand(prod(x * w))",
     lambda x, i, p: (x * p["w"]).prod(1, keepdim=True))
case("sum_sq", {"w": [12], "u": [2, 3]}, "let w = param([12], zeros)\nlet u = param([2, 3], zeros)\n"
     "output y = expand(sum_sq(x * w) + sum_sq([u, w]))",
     lambda x, i, p: ((x * p["w"]) ** 2).sum(1, keepdim=True) + (p["u"] ** 2).sum() + (p["w"] ** 2).sum())
case("lists", {"w": [12], "u": [12]}, "let w = param([12], zeros)\nlet u = param([12], zeros)\n"
     "output y = sum([x, w]) + mean([x * w, u, 1]) + max([x, w, u]) + prod([x, w, 2])",
     lambda x, i, p: x + p["w"] + (x * p["w"] + p["u"] + 1) / 3 + torch.maximum(torch.maximum(x, p["w"]), p["u"]) + 2 * x * p["w"])

# ---- softmax
case("softmax axis 0", {"w": [3, 4]}, "let w = param([3, 4], zeros)\noutput y = reshape(softmax(reshape(x, [3, 4]) * w, "
     "axis = 0), [-1])", lambda x, i, p: F.softmax(x.reshape(-1, 3, 4) * p["w"], 1))
case("softmax axis last", {"w": [3, 4]}, "let w = param([3, 4], zeros)\noutput y = reshape(softmax(reshape(x, [3, 4]) * w), "
     "[-1])", lambda x, i, p: F.softmax(x.reshape(-1, 3, 4) * p["w"], 2))
case("softmax with a mask", {"w": [3, 4]}, "let w = param([3, 4], zeros)\nlet v = reshape(x, [3, 4])\n"
     "output y = reshape(softmax(v * w, mask = v > 0), [-1])",
     lambda x, i, p: torch.where((x > 0).reshape(-1, 3, 4).any(2, keepdim=True), F.softmax(torch.where(
         x.reshape(-1, 3, 4) > 0, x.reshape(-1, 3, 4) * p["w"], -1e30), 2), 0.0) * (x > 0).reshape(-1, 3, 4))
case("log_softmax", {"w": [12]}, "let w = param([12], zeros)\noutput y = log_softmax(x * w)",
     lambda x, i, p: F.log_softmax(x * p["w"], 1))

# ---- products
case("matmul [3, 4] [4, 5]", {"w": [4, 5]}, "let w = param([4, 5], zeros)\noutput y = reshape(matmul(reshape(x, [3, 4]), w), "
     "[-1])", lambda x, i, p: x.reshape(-1, 3, 4) @ p["w"])
case("matmul of three axes", {"w": [3, 5], "u": [2, 2, 3]}, "let w = param([3, 5], zeros)\nlet u = param([2, 2, 3], zeros)\n"
     "output y = reshape(matmul(reshape(x, [2, 2, 3]) * u, w), [-1])",
     lambda x, i, p: (x.reshape(-1, 2, 2, 3) * p["u"]) @ p["w"])
case("matmul batched", {"w": [2, 2, 3], "u": [2, 2, 3]}, "let w = param([2, 2, 3], zeros)\nlet u = param([2, 2, 3], zeros)\n"
     "let v = reshape(x, [2, 2, 3])\noutput y = reshape(matmul(v * w, transpose(v * u)), [-1])",
     lambda x, i, p: (x.reshape(-1, 2, 2, 3) * p["w"]) @ (x.reshape(-1, 2, 2, 3) * p["u"]).transpose(2, 3))
case("matmul by a vector", {"w": [4], "u": [3]}, "let w = param([4], zeros)\nlet u = param([3], zeros)\nlet v = reshape(x, [3, 4])\n"
     "output y = concat(matmul(v, w), matmul(u, v), expand(matmul(matmul(u, v), w)))",
     lambda x, i, p: torch.cat([x.reshape(-1, 3, 4) @ p["w"], p["u"] @ x.reshape(-1, 3, 4),
                                (p["u"] @ x.reshape(-1, 3, 4) @ p["w"])[:, None]], 1))
case("matmul of parameters", {"w": [4], "u": [4, 12]}, "let w = param([4], zeros)\nlet u = param([4, 12], zeros)\n"
     "output y = x * matmul(w, u)", lambda x, i, p: x * (p["w"] @ p["u"]))
case("dot, outer", {"w": [12], "u": [3]}, "let w = param([12], zeros)\nlet u = param([3], zeros)\n"
     "output y = concat(reshape(outer(x * w, u), [-1]), dot(x, w))",
     lambda x, i, p: torch.cat([flat((x * p["w"])[:, :, None] * p["u"]), (x @ p["w"])[:, None]], 1))
case("contract", {"w": [3, 4, 2], "u": [4]}, "let w = param([3, 4, 2], zeros)\nlet u = param([4], zeros)\n"
     "let v = reshape(x, [3, 4])\noutput y = concat(reshape(contract(\"ij,ijk->ki\", v, w), [-1]), contract(\"ij,jk->k\", v, "
     "contract(\"i,ijk->jk\", reshape(slice(x, 0, 3), [3]), w)), contract(\"ij,j->i\", v, u))",
     lambda x, i, p: torch.cat([flat(torch.einsum("rij,ijk->rki", x.reshape(-1, 3, 4), p["w"])),
                                torch.einsum("rij,rjk->rk", x.reshape(-1, 3, 4), torch.einsum("ri,ijk->rjk", x[:, :3], p["w"])),
                                torch.einsum("rij,j->ri", x.reshape(-1, 3, 4), p["u"])], 1))
for stride, same in [(1, False), (2, False), (1, True), (2, True), (3, False)]:
    def conv(x, i, p, stride=stride, same=same):
        v = x.reshape(-1, 6, 2).transpose(1, 2)
        v = F.pad(v, (1, 1)) if same else v
        return F.conv1d(v, p["w"].permute(2, 1, 0), stride=stride).transpose(1, 2)
    case(f"conv1d stride {stride} same {same}", {"w": [3, 2, 4]}, "let w = param([3, 2, 4], zeros)\noutput y = reshape("
         f"conv1d(reshape(x, [6, 2]), w, stride = {stride}, same = {'true' if same else 'false'}), [-1])", conv)
case("max pooling", {"w": [6, 2]}, "let w = param([6, 2], zeros)\n"
     "output y = reshape(max(unfold(reshape(x, [6, 2]) * w, 2, stride = 2), axis = 1), [-1])",
     lambda x, i, p: F.max_pool1d((x.reshape(-1, 6, 2) * p["w"]).transpose(1, 2), 2).transpose(1, 2))

# ---- shapes
case("slice, pad", {"w": [3, 4]}, "let w = param([3, 4], zeros)\nlet v = reshape(x, [3, 4]) * w\n"
     "output y = concat(reshape(slice(v, 1, 3), [-1]), reshape(pad(slice(v, -2, 3, axis = last), 1, 2, axis = 1), [-1]), v[2])",
     lambda x, i, p: (lambda v: torch.cat([flat(v[:, 1:3]), flat(F.pad(v[:, :, 2:3], (1, 2))), v[:, 2]], 1))(
         x.reshape(-1, 3, 4) * p["w"]))
case("stack", {"w": [12], "u": [12]}, "let w = param([12], zeros)\nlet u = param([12], zeros)\n"
     "output y = concat(reshape(stack([x, w, x * u]), [-1]), reshape(stack(x * u, u, axis = last), [-1]))",
     lambda x, i, p: torch.cat([flat(torch.stack([x, p["w"].expand_as(x), x * p["u"]], 1)),
                                flat(torch.stack([x * p["u"], p["u"].expand_as(x)], 2))], 1))
case("concat axis 0", {"w": [2, 4]}, "let w = param([2, 4], zeros)\n"
     "output y = reshape(concat(reshape(x, [3, 4]), w, axis = 0) * concat(w, w, slice(w, 1, 2), axis = 0), [-1])",
     lambda x, i, p: torch.cat([x.reshape(-1, 3, 4), p["w"].expand(x.shape[0], 2, 4)], 1) *
     torch.cat([p["w"], p["w"], p["w"][1:]], 0))
case("transpose", {"w": [2, 2, 3]}, "let w = param([2, 2, 3], zeros)\nlet v = reshape(x, [2, 2, 3]) * w\n"
     "output y = reshape(transpose(v, [2, 0, 1]), [-1]) * reshape(transpose(v), [-1])",
     lambda x, i, p: (lambda v: flat(v.permute(0, 3, 1, 2)) * flat(v.transpose(2, 3)))(x.reshape(-1, 2, 2, 3) * p["w"]))
case("spread, expand", {"w": [4], "u": [3]}, "let w = param([4], zeros)\nlet u = param([3], zeros)\nlet v = reshape(x, [3, 4])\n"
     "output y = reshape(concat(v, spread(w, v), spread(expand(u), v) * v), [-1])",
     lambda x, i, p: torch.cat([x.reshape(-1, 3, 4), p["w"].expand(x.shape[0], 3, 4), p["u"][:, None] * x.reshape(-1, 3, 4)], 2))
case("one_hot, iota, codes", {"w": [5, 3], "u": [6, 3]}, "let w = param([5, 3], zeros)\nlet u = param([6, 3], zeros)\n"
     "output y = concat(matmul(one_hot(a), w), one_hot(floor(abs(x[0])), 4), reshape(binary_codes(6) * u * expand(iota(6)), [-1]))",
     lambda x, i, p: torch.cat([p["w"][i], F.one_hot(torch.floor(x[:, 0].abs()).long(), 4).double(), flat(
         torch.tensor([[k >> b & 1 for b in range(3)] for k in range(6)]) * p["u"] * torch.arange(6)[:, None] + 0 * x[:, :1, None])], 1))
case("one table, gathered and dense", {"table": [5, 3], "u": [12, 3]}, "let table = param([cardinality(a), 3], zeros)\n"
     "let u = param([12, 3], zeros)\noutput y = matmul(gather(table, a) * matmul(x, u), transpose(table)) + sum(table, axis = 1)",
     lambda x, i, p: (p["table"][i] * (x @ p["u"])) @ p["table"].T + p["table"].sum(1))

# ---- what layers are made of
case("attention, two heads", {"q": [4, 4], "k": [4, 4], "v": [4, 4]}, "let q = param([4, 4], zeros)\nlet k = param([4, 4], zeros)\n"
     "let v = param([4, 4], zeros)\nlet s = reshape(x, [3, 4])\n"
     "layer heads(z) = z |> reshape([3, 2, 2]) |> transpose([1, 0, 2])\n"
     "let score = matmul(heads(matmul(s, q)), transpose(heads(matmul(s, k)))) / sqrt(2)\n"
     "output y = reshape(transpose(matmul(softmax(score), heads(matmul(s, v))), [1, 0, 2]), [-1])",
     lambda x, i, p: (lambda s, h: (F.softmax(h(s @ p["q"]) @ h(s @ p["k"]).transpose(2, 3) / 2 ** 0.5, 3) @ h(s @ p["v"]))
                      .transpose(1, 2))(x.reshape(-1, 3, 4), lambda z: z.reshape(-1, 3, 2, 2).transpose(1, 2)))
case("layer_norm over a list", {"gain": [4], "shift": [4]}, "let gain = param([4], zeros)\nlet shift = param([4], zeros)\n"
     "let s = reshape(x, [3, 4])\nlet gap = s - expand(mean(s, axis = last))\n"
     "output y = reshape(gain * gap / sqrt(expand(mean(gap * gap, axis = last)) + 1e-5) + shift, [-1])",
     lambda x, i, p: F.layer_norm(x.reshape(-1, 3, 4), [4], p["gain"], p["shift"]))

# ---- lists: items that a row does not have change nothing, by values or by gradients; h is [rows, MAX], the first LENGTHS[r] count
def bag(mode):                                  # PyTorch's own, which gives 0 for an empty bag
    def function(x, i, p):
        flat_ids = torch.cat([H[r, :LENGTHS[r]] for r in range(ROWS)])
        offsets = torch.tensor([0] + LENGTHS).cumsum(0)[:-1]
        return F.embedding_bag(flat_ids, p["t"], offsets, mode=mode)
    return function


def over_items(function):                       # row by row, over the items that are there; 0 where there are none
    def rows(x, i, p):
        return torch.stack([function(p["t"][H[r, :n]], x[r], p) if n else 0 * p["t"][0] for r, n in enumerate(LENGTHS)])
    return rows


T = {"t": [VOCAB, 3]}
GATHER = "let t = param([cardinality(h), 3], zeros)\nlet e = gather(t, h)\n"
for mode in ("sum", "mean", "max"):
    case(f"embedding bag, {mode}", T, GATHER + f"output y = {mode}(e)", bag(mode))
case("min over items", T, GATHER + "output y = min(e)", over_items(lambda e, x, p: e.min(0).values))
case("prod over items", T, GATHER + "output y = prod(e) * minimum(sum(mask(h)), 1)", over_items(lambda e, x, p: e.prod(0)))
case("var over items", T, GATHER + "output y = var(e)", over_items(lambda e, x, p: e.var(0, correction=0)))
case("a layer with a bias, then the mean", {**T, "w": [3, 3], "b": [3]}, GATHER + "let w = param([3, 3], zeros)\n"
     "let b = param([3], zeros)\noutput y = mean(exp(matmul(e, w) + b))",
     over_items(lambda e, x, p: torch.exp(e @ p["w"] + p["b"]).mean(0)))
case("attention pooling", {**T, "w": [6, 1]}, GATHER + "let w = param([6, 1], zeros)\nlet q = spread(slice(x, 0, 3), e)\n"
     "let score = matmul(concat(e * q, 5 * e), w)\noutput y = sum(softmax(score, axis = 0) * e)",
     over_items(lambda e, x, p: (F.softmax(torch.cat([e * x[:3], 5 * e], 1) @ p["w"], 0) * e).sum(0)))
case("attention among items", {**T, "w": [3, 3]}, GATHER + "let w = param([3, 3], zeros)\n"
     "let seen = softmax(matmul(matmul(e, w), transpose(e)), mask = mask(e))\noutput y = mean(matmul(seen, e) + 1)",
     over_items(lambda e, x, p: (F.softmax(e @ p["w"] @ e.T, 1) @ e + 1).mean(0)))
case("log_softmax of scores", T, GATHER + "let z = log_softmax(sum(e, axis = last), axis = 0)\n"
     "output y = matmul(z, exp(e))", over_items(lambda e, x, p: F.log_softmax(e.sum(1), 0) @ torch.exp(e)))
case("convolution over items", {**T, "w": [3, 3, 3]}, GATHER + "let w = param([3, 3, 3], zeros)\n"
     "output y = max(conv1d(e + 1, w, same = true)) + sum(conv1d(e + 1, w, same = true, stride = 2))",
     over_items(lambda e, x, p: (lambda c: c.max(0).values + c[::2].sum(0))(F.conv1d(
         (e + 1).T[None], p["w"].permute(2, 1, 0), padding=1)[0].T)))
case("one table for an id and a list", T, "let t = param([cardinality(a), 3], zeros)\noutput y = gather(t, a) * sum(gather(t, h))",
     lambda x, i, p: p["t"][i] * bag("sum")(x, i, p))
case("items cut and joined", T, GATHER + "output y = mean(concat(slice(e, 0, 2), expand(slice(x, 0, 3), 0), axis = 0)) + sum_sq(e + 1)",
     lambda x, i, p: torch.stack([torch.cat([p["t"][H[r, :min(n, 2)]], x[r:r + 1, :3]]).mean(0) + ((p["t"][H[r, :n]] + 1) ** 2).sum()
                                  for r, n in enumerate(LENGTHS)]))


def text(values):
    return " ".join(float(v).hex() for v in values.detach().flatten().tolist())


def run(name, params, spec, function, lo, hi):
    random.seed(name)
    positive = lo > 0
    x = XS["positive" if positive else "signed"]
    p = {k: numbers(shape, lo, hi).requires_grad_() for k, shape in params.items()}
    y = flat(function(x, IDS, p))
    (y * weights(*y.shape)).sum().backward()
    layers = "\n".join(line for line in spec.split("\n") if line.startswith("layer "))
    body = "\n".join(line.replace("let ", "", 1).replace("output y =", "out =", 1) for line in spec.split("\n")
                     if not line.startswith("layer "))
    return {"name": name, "layers": layers, "body": body, "x": "positive" if positive else "signed", "width": y.shape[1],
            "y": text(y), "params": {k: {"shape": params[k], "value": text(v), "grad": text(
                v.grad if v.grad is not None else 0 * v)} for k, v in p.items()}}


torch.set_num_threads(1)
random.seed("inputs")
XS = {"signed": numbers([ROWS, WIDTH], -1.5, 1.5), "positive": numbers([ROWS, WIDTH], 0.5, 1.5)}
IDS = torch.tensor([random.randrange(VOCAB) for _ in range(ROWS)])
MAX = 4
LENGTHS = [r * 3 % (MAX + 1) for r in range(ROWS)]
H = torch.tensor([random.randrange(VOCAB) for _ in range(ROWS * MAX)]).reshape(ROWS, MAX)
out = {"list": {"max": MAX, "lengths": LENGTHS, "ids": H.flatten().tolist()}, "rows": ROWS, "width": WIDTH, "vocabulary": VOCAB, "x": {k: text(v) for k, v in XS.items()}, "ids": IDS.tolist(), "cases": [run(*c) for c in CASES]}
path = pathlib.Path(__file__).with_name("tensors.json")
path.write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n")
print(path, len(CASES), "cases")
