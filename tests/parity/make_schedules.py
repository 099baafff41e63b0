#!/usr/bin/env python3
"""Makes tests/parity/schedules.json: the learning rate of every step by PyTorch's schedulers, for tests/unit/test_schedule.c.

A case is a schedule of schedule.def with its arguments, the steps of an epoch, the epochs, and the rates. Plateau: the loss of
each epoch, and one step an epoch. Numbers are hex floats apart by blanks.

    python tests/parity/make_schedules.py          # needs PyTorch; the test needs the file alone
"""
import json
import pathlib
import torch
from torch.optim import lr_scheduler as s

RATE = 0.02
PLATEAU = [5, 4, 4.5, 4.2, 3.9, 3.8999, 3.95, 4, float("nan"), 3.8998, 3.5, 3.6, 3.7, 3.4999, 3.8, 3.9, 1, 1, 1, 1, 1, 1]


def rates(make, steps, per_epoch=1, losses=None):
    """make: of an optimizer the scheduler; it is stepped once per_epoch steps."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    scheduler, out = make(optimizer), []
    for k in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if losses:
            scheduler.step(losses[k])
        elif scheduler and (k + 1) % per_epoch == 0:
            scheduler.step()
    return out


def warm(n, then):
    return lambda o: s.SequentialLR(o, [s.LinearLR(o, 1 / n, 1, n - 1), then(o)], [n])


def case(name, args, warmup, per_epoch, epochs, values, losses=None):
    out = {"schedule": name, "args": args, "warmup": warmup, "steps": per_epoch, "epochs": epochs, "rate": " ".join(v.hex() for v in values)}
    if losses:
        out["loss"] = [None if v != v else v for v in losses]
    return out


E, S = 6, 10
T = E * S
CASES = [
    case("constant", [], 0, S, E, rates(lambda o: None, T)),
    case("constant", [], 15, S, E, rates(lambda o: s.LinearLR(o, 1 / 15, 1, 14), T)),
    case("step", [2, 0.3], 0, S, E, rates(lambda o: s.StepLR(o, 2, 0.3), T, S)),
    case("exponential", [0.8], 0, S, E, rates(lambda o: s.ExponentialLR(o, 0.8 ** (1 / S)), T)),
    case("cosine", [0.001], 0, S, E, rates(lambda o: s.CosineAnnealingLR(o, T, 0.001), T)),
    case("cosine", [0], 12, S, E, rates(warm(12, lambda o: s.CosineAnnealingLR(o, T - 12, 0)), T)),
    case("one_cycle", [25, 1e4, 0.3], 0, S, E, rates(lambda o: s.OneCycleLR(o, RATE, total_steps=T, cycle_momentum=False), T)),
    case("one_cycle", [10, 100, 0.5], 0, S, E,
         rates(lambda o: s.OneCycleLR(o, RATE, total_steps=T, pct_start=0.5, div_factor=10, final_div_factor=100, cycle_momentum=False), T)),
] + [case("plateau", [0.5, patience, least], 0, 1, len(PLATEAU),
          rates(lambda o: s.ReduceLROnPlateau(o, factor=0.5, patience=patience, min_lr=least), len(PLATEAU), 1, PLATEAU), PLATEAU)
     for patience, least in ((0, 0), (1, 0.004), (2, 0))]
pathlib.Path(__file__).with_name("schedules.json").write_text(json.dumps({"rate": RATE, "cases": CASES}, indent=1) + "\n")
