#!/usr/bin/env python3
"""Two tasks whose relation is chosen (Ma et al. 2018, 3.2): does the loss fall as the tasks' correlation p rises, and does MMoE lose
less than a shared bottom where they disagree? Prints a table of test losses (mse, mean over both tasks and over the starts), mean ± sample
deviation over seeds, and for each model the slope of its loss over p by least squares, seed by seed.

usage: bench/task_pair.py [--mtlc PROGRAM] [--seeds N] [--starts N] [--rows N]
u1 ⊥ u2 unit vectors; w1 = u1, w2 = p·u1 + √(1 − p²)·u2; x ~ N(0, I_100); y_k = w_kᵀx + Σ_i sin(α_i w_kᵀx + β_i) + N(0, 0.01). A seed draws
the vectors and the rows; all p share x. The shared bottom has 113 hidden units, MMoE 8 experts of 16: about as many parameters; towers of 8
units. Where a training ends differs much from start to start (the paper averages 200), so each seed has several.
Exit 1 where the figures do not show both.
"""
import argparse, json, math, os, random, shutil, statistics, subprocess, sys, tempfile

top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
correlations = [0.0, 0.5, 0.9, 1.0]
WIDTH, WAVES = 100, [(1.0, 0.3), (2.0, 1.1), (3.0, 2.0), (4.0, 0.7)]

spec = """model pair
edition 2026
import "std/moe.mtl"
input x : vector(100)
label y1 : real = data.y1_%(column)d
label y2 : real = data.y2_%(column)d
%(shared)s
task first  { head = %(one)s |> dense(8, relu) as tower |> dense(1), loss = mse(y1), metric = [rmse] }
task second { head = %(two)s |> dense(8, relu) as tower |> dense(1), loss = mse(y2), metric = [rmse] }
train { optimizer = adam(cosine(0.005)), batch = 256, epochs = 10, split = fraction(train = 0.8, valid = 0.1, test = 0.1), seed = 1, best = loss }
"""
models = {
    "shared bottom": dict(shared="shared h = x |> dense(113, relu)", one="h", two="h"),
    "MMoE": dict(shared='shared h = x |> mmoe(["first", "second"], experts = 8, widths = [16])', one="h.first", two="h.second"),
}

def unit(v):
    n = math.sqrt(sum(a * a for a in v))
    return [a / n for a in v]

def write_rows(path, rows, rng):
    u1 = unit([rng.gauss(0, 1) for _ in range(WIDTH)])
    v = [rng.gauss(0, 1) for _ in range(WIDTH)]
    dot = sum(a * b for a, b in zip(u1, v))
    u2 = unit([b - dot * a for a, b in zip(u1, v)])
    def label(t):
        return t + sum(math.sin(a * t + b) for a, b in WAVES) + rng.gauss(0, 0.1)
    with open(path, "w") as f:
        names = [f"x_{i}" for i in range(WIDTH)] + [f"y{k}_{i}" for i in range(len(correlations)) for k in (1, 2)]
        f.write(",".join(names) + "\n")
        for _ in range(rows):
            x = [rng.gauss(0, 1) for _ in range(WIDTH)]
            s, t = sum(a * b for a, b in zip(u1, x)), sum(a * b for a, b in zip(u2, x))
            y = []
            for p in correlations: y += [label(s), label(p * s + math.sqrt(1 - p * p) * t)]
            f.write(",".join(["%.5g" % v for v in x] + ["%.5g" % v for v in y]) + "\n")

def loss(o, folder, name, column, seed):
    file, out = os.path.join(folder, "pair.mtl"), os.path.join(folder, "run")
    with open(file, "w") as f: f.write(spec % dict(models[name], column=column))
    shutil.rmtree(out, ignore_errors=True)
    done = subprocess.run([o.mtlc, "run", file, "--data", os.path.join(folder, "rows.csv"), "--seed", str(seed), "-o", out, "--json", "-q"],
                          capture_output=True, text=True)
    if done.returncode: sys.exit(done.stderr)
    test = json.loads(done.stdout)["test"]
    return statistics.mean(test[t]["rmse"] ** 2 for t in ("first", "second"))

def slope(losses):
    mx, my = statistics.mean(correlations), statistics.mean(losses)
    return sum((x - mx) * (y - my) for x, y in zip(correlations, losses)) / sum((x - mx) ** 2 for x in correlations)

def spread(v): return f"{statistics.mean(v):.4f} ± {statistics.stdev(v) if len(v) > 1 else 0:.4f}"

def main():
    a = argparse.ArgumentParser()
    a.add_argument("--mtlc", default=os.path.join(top, "mtlc")); a.add_argument("--seeds", type=int, default=5)
    a.add_argument("--starts", type=int, default=8); a.add_argument("--rows", type=int, default=100000)
    o = a.parse_args()
    losses = {name: [] for name in models}                   # [seed][p]
    for seed in range(1, o.seeds + 1):
        with tempfile.TemporaryDirectory() as folder:
            write_rows(os.path.join(folder, "rows.csv"), o.rows, random.Random(seed))
            for name in models:
                losses[name].append([statistics.mean(loss(o, folder, name, i, 1000 * seed + k) for k in range(o.starts)) for i in range(len(correlations))])
        print(f"seed {seed} done: " + "; ".join(f"{n} " + " ".join("%.4f" % v for v in by[-1]) for n, by in losses.items()), file=sys.stderr)
    print(f"Test mse, mean of both tasks and of {o.starts} starts, {o.seeds} seeds, {o.rows} rows:\n")
    print("| model | " + " | ".join(f"p = {p:g}" for p in correlations) + " | p = 0 less p = 1 | slope over p |")
    print("|---" * (len(correlations) + 3) + "|")
    slopes = {name: [slope(v) for v in by] for name, by in losses.items()}
    for name, by in losses.items():
        cells = [spread([v[i] for v in by]) for i in range(len(correlations))]
        print(f"| {name} | " + " | ".join(cells) + f" | {spread([v[0] - v[-1] for v in by])} | {spread(slopes[name])} |")
    falls = all(statistics.mean(s) < 0 for s in slopes.values())
    flatter = statistics.mean(slopes["MMoE"]) > statistics.mean(slopes["shared bottom"])
    seeds = sum(m > s for m, s in zip(slopes["MMoE"], slopes["shared bottom"]))
    print(f"\nThe loss falls as p rises, by both models: {'yes' if falls else 'no'}. MMoE's falls less: {'yes' if flatter else 'no'}, with {seeds} of {o.seeds} seeds.")
    return 0 if falls and flatter else 1

sys.exit(main())
