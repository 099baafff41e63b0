"""The work of steps.sh: for each workload and batch, starts mtlc and the peers, lets them take turns, and has report_steps.py print what came out."""
import argparse
import contextlib
import importlib.util
import json
import os
import select
import shutil
import statistics
import subprocess
import sys
import tempfile

import report_steps
from peers import CHECK_STEPS, PEERS
from workloads import WORKLOADS, flops, spec

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 180                                                    # seconds until a peer has compiled and done its first steps, or is done timing


class Failed(Exception):
    pass


class Mtlc:
    """The program, and what it is run on; all files in `tmp`."""
    def __init__(self, path, tmp, python):
        self.path, self.tmp, self.python = path, tmp, python

    def rows(self, name, batch):
        path = f"{self.tmp}/{name}-{batch}.csv"
        if not os.path.exists(path):
            with open(path, "w") as out:
                subprocess.run([self.python, f"{HERE}/workloads.py", "rows", name, str(CHECK_STEPS * batch)], stdout=out, check=True)
        return path

    def run(self, name, batch, mode, *options):
        """The report of a run of the spec on 20 batches of rows; its folder is tmp/run."""
        with open(f"{self.tmp}/{name}.mtl", "w") as out:
            out.write(spec(name, batch, mode))
        shutil.rmtree(f"{self.tmp}/run", ignore_errors=True)
        done = subprocess.run([self.path, "run", out.name, "--data", self.rows(name, batch), "--json", "-q", "--no-state",
                               "-o", f"{self.tmp}/run", *options], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(done.stdout)

    def start(self, name, batch):
        """A file of the weights that all begin with, and the mean loss of the first 20 steps."""
        self.run(name, batch, "start")
        path = f"{self.tmp}/{name}-{batch}.start"
        os.replace(f"{self.tmp}/run/weights.safetensors", path)
        return path, self.run(name, batch, "check")["epochs"][0]["loss"]

    def version(self):
        return subprocess.run([self.path, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")


class Ours:
    """mtlc as a program that is timed: a run each time, whose median step counts."""
    who = "mtlc"

    def __init__(self, mtlc, name, batch, threads, seconds, check):
        self.mtlc, self.name, self.batch, self.threads, self.first = mtlc, name, batch, threads, {"check": check}
        wanted = seconds / (flops(name, batch) / 50e9 + 3e-6)
        self.epochs = max(1, int(min(20000, wanted)) // CHECK_STEPS)

    def micros(self):
        report = self.mtlc.run(self.name, self.batch, "time", "--threads", str(self.threads), "--epochs", str(self.epochs))
        self.threads = report["threads"]                       # a small step stays on one
        return report["step_us"]

    def end(self):
        pass


class Theirs:
    """A peer's process, which stays between its turns: it compiles once."""
    def __init__(self, who, python, name, batch, threads, start, seconds):
        self.who, self.threads, self.seconds = who, threads, seconds
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [python, f"{HERE}/peers.py", who, name, str(batch), "--start", start, "--threads", str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.first = self.answer()

    def answer(self):
        if not select.select([self.process.stdout], [], [], LIMIT)[0]:
            self.process.kill()
            raise Failed(f"more than {LIMIT} s")
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise Failed("".join(self.errors.readlines()[-3:]).strip() or f"exit code {self.process.wait()}")
        return json.loads(line)

    def micros(self):
        self.process.stdin.write(f"{self.seconds}\n")
        self.process.stdin.flush()
        return self.answer()["us"]

    def end(self):
        self.process.kill()
        self.process.wait()


def or_none(what, of, *args):
    """What the function gives, or None where a peer fails, which is said."""
    try:
        return what(*args)
    except Failed as why:
        print(f"{of} left out: {why}", file=sys.stderr)
        return None


def jobs(words):
    """[(name, batch)] of words NAME[:BATCH], of all where there are none."""
    out = []
    for word in words or WORKLOADS:
        name, _, batch = word.partition(":")
        if name not in WORKLOADS or (batch and not batch.isdigit()):
            sys.exit(f"steps.sh: no workload {word}: {' '.join(WORKLOADS)}, each with a :BATCH if wanted")
        out += [(name, b) for b in ([int(batch)] if batch else WORKLOADS[name].batches)]
    return out


def started(a, mtlc, pythons, name, batch):
    """All programs of a job, each compiled, with its check."""
    start, check = mtlc.start(name, batch)
    out = [Ours(mtlc, name, batch, n, a.seconds, check) for n in a.threads]
    for who in a.peers:
        for n in a.threads if name in PEERS[who].workloads else []:
            out.append(or_none(Theirs, f"{who} with {n} threads", who, pythons[who], name, batch, n, start, a.seconds))
    os.remove(start)
    return [p for p in out if p]


def measure(a, mtlc, pythons, name, batch):
    """One line for each program and number of threads."""
    print(f"{name}:{batch}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    with contextlib.ExitStack() as ends:
        turns = {p: [] for p in started(a, mtlc, pythons, name, batch)}
        for p in turns:
            ends.callback(p.end)
        for _ in range(a.repeats):
            for p, us in turns.items():
                if None not in us:
                    us.append(or_none(p.micros, f"{p.who} with {p.threads} threads"))
    return [{"name": name, "batch": batch, "who": p.who, "threads": p.threads, "us": statistics.median(us), "all_us": us, **p.first}
            for p, us in turns.items() if None not in us]


def peak(mtlc, name, batch):
    profile = mtlc.run(name, batch, "time", "--profile")["profile"]
    return profile["peak_gflops"], profile["peak_gbytes"]


def arguments():
    p = argparse.ArgumentParser(prog="steps.sh", description="µs per training step by mtlc and its peers: bench/README.md")
    p.add_argument("-n", dest="repeats", type=int, default=3, help="turns of each program")
    p.add_argument("-s", dest="seconds", type=float, default=1, help="of a turn, about")
    p.add_argument("-o", dest="out", default="steps.json")
    p.add_argument("-p", dest="peers", type=str.split, default=list(PEERS), help=f'of "{" ".join(PEERS)}"')
    p.add_argument("-t", dest="threads", type=lambda text: [int(n) for n in text.split()], default=[1, 2])
    p.add_argument("jobs", nargs="*", metavar="NAME[:BATCH]")
    a = p.parse_args()
    for who in a.peers:
        if who not in PEERS:
            p.error(f"no peer {who}")
    a.jobs = jobs(a.jobs)
    return a


def with_numpy():
    """The interpreter that makes the rows where no peer's does."""
    if importlib.util.find_spec("numpy") is None:
        sys.exit("steps.sh: the rows are made with numpy: install it, or name a peer (-p jax), whose interpreter has it")
    return sys.executable


def program():
    built = f"{HERE}/../mtlc"
    path = os.environ.get("MTLC") or (built if os.access(built, os.X_OK) else shutil.which("mtlc"))
    return path or sys.exit("steps.sh: no mtlc: build first, or set MTLC")


def main():
    a = arguments()
    coretype = os.environ.pop("OPENBLAS_CORETYPE", None)       # a forced core halves OpenBLAS: nobody gets it
    homes = {PEERS[who].home: None for who in a.peers}
    for home in homes:
        homes[home] = subprocess.run([f"{HERE}/peers.sh", home], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    pythons = {who: homes[PEERS[who].home] for who in a.peers}
    with tempfile.TemporaryDirectory() as tmp:
        mtlc = Mtlc(program(), tmp, next(iter(pythons.values()), None) or with_numpy())
        peaks = [peak(mtlc, *a.jobs[0])]
        lines = [line for job in a.jobs for line in measure(a, mtlc, pythons, *job)]
        peaks.append(peak(mtlc, *a.jobs[0]))
        machine = {"peak_gflops": max(p[0] for p in peaks), "peak_gbytes": max(p[1] for p in peaks), "openblas_coretype_was": coretype}
        return report_steps.write(lines, machine, mtlc.version(), a.out)


if __name__ == "__main__":
    sys.exit(main())
