#!/usr/bin/env python3
"""Two tasks whose relation is chosen (Ma et al. 2018, 3.2): does the loss fall as the tasks' correlation p rises, and does MMoE lose
less than a shared bottom where they disagree? Prints a table of test losses (mse, mean over tasks), mean ± sample deviation over seeds.

usage: bench/task_pair.py [--mtlc PROGRAM] [--seeds N] [--rows N]
u1 ⊥ u2 unit vectors; w1 = c·u1, w2 = c·(p·u1 + √(1 − p²)·u2); x ~ N(0, I_100); y_k = w_kᵀx + Σ_i sin(α_i w_kᵀx + β_i) + N(0, 0.01).
The shared bottom has 113 hidden units, MMoE 8 experts of 16: about as many parameters; towers of 8 units.
"""
import argparse, json, math, os, random, statistics, subprocess, sys, tempfile

top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
correlations = [0.0, 0.5, 0.9, 1.0]
WIDTH, C, WAVES = 100, 1.0, [(1.0, 0.3), (2.0, 1.1), (3.0, 2.0), (4.0, 0.7)]

head = """model pair
edition 2026
import "std/moe.mtl"
input x : vector(100)
label y1, y2 : real
%s
task first  { head = %s |> dense(8, relu) as tower |> dense(1), loss = mse(y1), metric = [rmse] }
task second { head = %s |> dense(8, relu) as tower |> dense(1), loss = mse(y2), metric = [rmse] }
train { optimizer = adam(0.002), batch = 64, epochs = 30, split = fraction(train = 0.8, valid = 0.1, test = 0.1), seed = 1, best = loss }
"""
models = {
    "shared bottom": head % ("shared h = x |> dense(113, relu)", "h", "h"),
    "MMoE": head % ('shared h = x |> mmoe(["first", "second"], experts = 8, widths = [16])', "h.first", "h.second"),
}

def unit(v):
    n = math.sqrt(sum(a * a for a in v))
    return [a / n for a in v]

def write_rows(path, p, rows, rng):
    u1 = unit([rng.gauss(0, 1) for _ in range(WIDTH)])
    v = [rng.gauss(0, 1) for _ in range(WIDTH)]
    dot = sum(a * b for a, b in zip(u1, v))
    u2 = unit([b - dot * a for a, b in zip(u1, v)])
    weights = [[C * a for a in u1], [C * (p * a + math.sqrt(1 - p * p) * b) for a, b in zip(u1, u2)]]
    with open(path, "w") as f:
        f.write(",".join(f"x_{i}" for i in range(WIDTH)) + ",y1,y2\n")
        for _ in range(rows):
            x = [rng.gauss(0, 1) for _ in range(WIDTH)]
            y = []
            for w in weights:
                t = sum(a * b for a, b in zip(w, x))
                y.append(t + sum(math.sin(a * t + b) for a, b in WAVES) + rng.gauss(0, 0.1))
            f.write(",".join(f"{v:.6g}" for v in x + y) + "\n")

def loss(o, folder, name, seed):
    spec = os.path.join(folder, name.split()[0] + ".mtl")
    open(spec, "w").write(models[name])
    out = os.path.join(folder, "run")
    subprocess.run(["rm", "-rf", out])
    done = subprocess.run([o.mtlc, "run", spec, "--data", os.path.join(folder, "rows.csv"), "--seed", str(seed), "-o", out, "--json", "-q"],
                          capture_output=True, text=True)
    if done.returncode: sys.exit(done.stderr)
    test = json.loads(done.stdout)["test"]
    return statistics.mean(test[t]["rmse"] ** 2 for t in ("first", "second"))

def main():
    a = argparse.ArgumentParser()
    a.add_argument("--mtlc", default=os.path.join(top, "mtlc")); a.add_argument("--seeds", type=int, default=5)
    a.add_argument("--rows", type=int, default=10000)
    o = a.parse_args()
    losses = {name: {p: [] for p in correlations} for name in models}
    for seed in range(1, o.seeds + 1):
        for p in correlations:
            with tempfile.TemporaryDirectory() as folder:
                write_rows(os.path.join(folder, "rows.csv"), p, o.rows, random.Random(seed))
                for name in models: losses[name][p].append(loss(o, folder, name, seed))
        print(f"seed {seed} done", file=sys.stderr)
    print(f"Test mse, mean of both tasks, {o.seeds} seeds, {o.rows} rows:\n")
    print("| model | " + " | ".join(f"p = {p}" for p in correlations) + " | gap p = 0 to 1 |\n|---" * 1 + "|---" * (len(correlations) + 1) + "|")
    gaps = {}
    for name, by_p in losses.items():
        cells = [f"{statistics.mean(v):.4f} ± {statistics.stdev(v) if len(v) > 1 else 0:.4f}" for v in by_p.values()]
        gaps[name] = [a - b for a, b in zip(by_p[0.0], by_p[1.0])]
        print(f"| {name} | " + " | ".join(cells) + f" | {statistics.mean(gaps[name]):.4f} |")
    falls = all(statistics.mean(by_p[a]) >= statistics.mean(by_p[b]) for by_p in losses.values() for a, b in zip(correlations, correlations[1:]))
    smaller = statistics.mean(gaps["MMoE"]) < statistics.mean(gaps["shared bottom"])
    print(f"\nThe loss falls as p rises: {'yes' if falls else 'no'}. MMoE's gap is the smaller: {'yes' if smaller else 'no'}.")
    return 0 if falls and smaller else 1

sys.exit(main())
