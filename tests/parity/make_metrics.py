#!/usr/bin/env python3
"""Makes tests/parity/metrics.json: figures of random splits by scikit-learn, for tests/unit/test_metric.c.

A case is labels y, weights w (0: the row does not count), scores p (few levels in some: ties), groups (0: none), and figures
by name and argument. Where scikit-learn has no such metric, it is put together from what it has, or written out from its
definition. Numbers are hex floats apart by blanks; y, w, p are 32-bit floats. null: undefined.

    python tests/parity/make_metrics.py             # needs scikit-learn; the test needs the file alone
"""
import json
import math
import pathlib
import numpy as np
from sklearn import metrics as m

rng = np.random.default_rng(5)


def hexes(v):
    return " ".join(float(x).hex() for x in v)


def by_group(y, w, p, g, fn, rows):
    """Mean of fn over groups where it is defined."""
    values, weights = [], []
    for k in np.unique(g[g > 0]):
        i = g == k
        v = fn(y[i], w[i], p[i])
        if v is not None:
            values.append(v)
            weights.append(w[i].sum() if rows else 1)
    return np.average(values, weights=weights) if values else None


def auc(y, w, p):
    return m.roc_auc_score(y, p, sample_weight=w) if len(set(y)) == 2 else None


def ndcg(k):
    def one(y, w, p):
        if y.max() <= 0:
            return None
        if len(y) == 1:                                   # which scikit-learn refuses
            return 1.0
        return m.ndcg_score([y], [p], k=k)
    return one


def recall_at(k):
    """Of each positive, the chance to be among the first k when ties stand in any order."""
    def one(y, w, p):
        if not y.any():
            return None
        chance = [min(1, max(0, k - (p > q).sum()) / (p == q).sum()) for q in p[y == 1]]
        return sum(chance) / y.sum()
    return one


def max_f1(y, w, p):
    precision, recall, _ = m.precision_recall_curve(y, p, sample_weight=w)
    with np.errstate(invalid="ignore"):
        return np.nanmax(2 * precision * recall / (precision + recall))


def ece(y, w, p, bins):
    at = np.digitize(p, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    return sum(abs((w * (y - p))[at == b].sum()) for b in range(bins)) / w.sum()


def binary(y, w, p, g):
    yes = p > 0.3
    base = np.average(y, weights=w)
    out = [("auc", 0, auc(y, w, p)), ("pr_auc", 0, m.average_precision_score(y, p, sample_weight=w)),
           ("logloss", 0, m.log_loss(y, p, sample_weight=w, labels=[0, 1])),
           ("normalised_entropy", 0, m.log_loss(y, p, sample_weight=w) / m.log_loss(y, np.full(len(y), base), sample_weight=w)),
           ("accuracy", 0.3, m.accuracy_score(y, yes, sample_weight=w)),
           ("precision", 0.3, m.precision_score(y, yes, sample_weight=w)), ("recall", 0.3, m.recall_score(y, yes, sample_weight=w)),
           ("f1", 0.3, m.f1_score(y, yes, sample_weight=w)), ("max_f1", 0, max_f1(y, w, p)),
           ("brier", 0, m.brier_score_loss(y, p, sample_weight=w)), ("calibration", 0, (w * p).sum() / (w * y).sum()),
           ("ece", 10, ece(y, w, p, 10)), ("ece", 7, ece(y, w, p, 7)), ("gauc", 0, by_group(y, w, p, g, auc, True))]
    for k in (1, 3, 100):
        out += [("recall_at", k, by_group(y, w, p, g, recall_at(k), False)), ("ndcg", k, by_group(y, w, p, g, ndcg(k), False))]
    return out


def amounts(y, w, p, g):
    out = [("mae", 0, m.mean_absolute_error(y, p, sample_weight=w)), ("rmse", 0, math.sqrt(m.mean_squared_error(y, p, sample_weight=w))),
           ("r2", 0, m.r2_score(y, p, sample_weight=w)), ("poisson_deviance", 0, m.mean_poisson_deviance(y, p, sample_weight=w)),
           ("tweedie_deviance", 1.3, m.mean_tweedie_deviance(y, p, power=1.3, sample_weight=w)),
           ("tweedie_deviance", 1, m.mean_poisson_deviance(y, p, sample_weight=w)),
           ("calibration", 0, (w * p).sum() / (w * y).sum())]
    if y.min() > 0:
        out += [("gamma_deviance", 0, m.mean_gamma_deviance(y, p, sample_weight=w)),
                ("tweedie_deviance", 2, m.mean_gamma_deviance(y, p, sample_weight=w))]
    else:
        out += [("ndcg", k, by_group(y, w, p, g, ndcg(k), False)) for k in (1, 4)] + [("gamma_deviance", 0, None)]
    return out


def matrix(y, said, w, classes):
    return m.confusion_matrix(y, said, sample_weight=w.astype(float), labels=range(classes))


def of_classes(n, classes):
    """Another generator: the numbers of the cases above stay."""
    rng = np.random.default_rng(11)
    y, w = rng.integers(0, classes, n), rng.choice([0, 0.5, 1, 3.25], n).astype(np.float32)
    p = rng.random((n, classes)).astype(np.float32)
    p[np.arange(n), y] += np.float32(0.4)
    on = w > 0
    return {"rows": n, "classes": classes, "y": hexes(y), "w": hexes(w), "p": hexes(p.ravel()),
            "confusion": hexes(matrix(y[on], p[on].argmax(1), w[on], classes).ravel())}


def case(kind, n, levels, groups, weighted):
    w = rng.choice([0, 0.5, 1, 2, 3.25] if weighted else [0, 1, 1, 1], n).astype(np.float32)
    g = rng.integers(0, groups + 1, n)
    z = rng.normal(size=n)
    if kind == "binary":
        y, p = (z + rng.normal(size=n) > 0.8).astype(float), 1 / (1 + np.exp(-z))
        p = np.round(p * levels) / levels if levels else p
        p = np.clip(p, 1e-6, 1 - 1e-6)
    else:
        p = np.exp(0.5 * z)
        y = rng.poisson(p).astype(float) if kind == "count" else rng.gamma(2, p / 2) + 0.01
        p = np.ceil(p * levels) / levels if levels else p
    y, p = y.astype(np.float32).astype(float), p.astype(np.float32).astype(float)
    on = w > 0
    figures = (binary if kind == "binary" else amounts)(y[on], w[on].astype(float), p[on], g[on])
    return {"rows": n, "y": hexes(y), "w": hexes(w), "p": hexes(p), "group": [int(v) for v in g],
            "confusion": {} if kind != "binary" else {at: hexes(matrix(y[on], p[on] > float(at), w[on], 2).ravel()) for at in ("0.3", "0.5")},
            "figures": [{"name": name, "arg": arg, "value": None if v is None else float(v).hex()} for name, arg, v in figures]}


cases = [case(kind, n, levels, groups, weighted) for kind in ("binary", "count", "amount") for n, groups in ((40, 4), (90, 25))
         for levels in (0, 9) for weighted in (False, True)]
out = pathlib.Path(__file__).with_name("metrics.json")
out.write_text(json.dumps({"made_by": "make_metrics.py", "cases": cases, "classes": [of_classes(60, 4), of_classes(200, 13)]}, indent=1) + "\n")
