"""A workload in PyTorch: eager or torch.compile, fused Adam; tables that are updated by rows have sparse gradients and SparseAdam. See peers.py."""
import torch
import torch.nn.functional as F

import workloads


class B:
    einsum, relu, sigmoid, mean, reshape = torch.einsum, torch.relu, torch.sigmoid, torch.mean, torch.reshape
    dense = staticmethod(lambda h, w, b: torch.addmm(b, h, w) if h.dim() == 2 else torch.baddbmm(b, h, w))
    softmax = staticmethod(lambda z: torch.softmax(z, dim=-1))
    concat, stack = staticmethod(lambda parts: torch.cat(parts, dim=1)), staticmethod(lambda parts: torch.cat(parts, dim=0))
    swap = staticmethod(lambda z: z.transpose(0, 1))
    rows = staticmethod(lambda table, ids: F.embedding(ids, table))
    bce = staticmethod(F.binary_cross_entropy_with_logits)
    cross_entropy = staticmethod(lambda z, y: F.cross_entropy(z, y.long()))


class SparseB(B):
    rows = staticmethod(lambda table, ids: F.embedding(ids, table, sparse=True))


def adam(w):
    return torch.optim.Adam(w.values(), lr=1e-3, eps=1e-8, fused=True)


def parameters(job):
    torch.set_num_threads(job.threads)
    torch.set_flush_denormal(True)
    return {k: torch.from_numpy(v).requires_grad_() for k, v in job.start.items()}


def trained(loss, optimizers, parts):
    """(the mean loss of a step on each part, a function that does one step) of loss(*part)."""
    def step(part):
        value = loss(*part)
        for o in optimizers:
            o.zero_grad(set_to_none=True)
        value.backward()
        for o in optimizers:
            o.step()
        return value.detach()

    check = float(torch.stack([step(part) for part in parts]).mean())
    done = 0

    def run():
        nonlocal done
        step(parts[done % len(parts)])
        done += 1
        return 1

    return check, run


def prepare(job, compiled=False):
    w = parameters(job)
    lazy = bool(workloads.WORKLOADS[job.name].tables)
    optimizers = [adam({k: v for k, v in w.items() if not (lazy and k == "table")})]
    if lazy:
        optimizers.append(torch.optim.SparseAdam([w["table"]], lr=1e-3, eps=1e-8))

    def loss(x, ids, y):
        return workloads.loss(job.name, SparseB if lazy else B, w, x, ids, y)

    parts = list(zip(*(torch.from_numpy(p).unbind() for p in job.parts)))
    return *trained(torch.compile(loss, dynamic=False) if compiled else loss, optimizers, parts), {"torch": torch.__version__}
