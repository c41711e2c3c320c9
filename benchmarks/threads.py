"""What OpenMP's waiting threads cost: images/s of `gan train` alone, and of two at once.

    python benchmarks/threads.py [ROUNDS [SECONDS]]  # 3 and 20; GAN_DATA names MNIST

The settings alternate. Alone: `experiment=mnist` has the machine. At once: two of it, or two runs
on digits, beside a third process that computes all the time. Each run is stopped after SECONDS,
and its speed is that of its last row of metrics.
"""

import csv
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import torch

from gan_cli.runs.environment import git_commit

GAN = str(Path(sys.executable).with_name("gan"))
SPIN = {
    "PyTorch's own": {"GOMP_SPINCOUNT": ""},
    "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
}
BUSY = "while True: sum(range(1000))"
MNIST = ["experiment=mnist", "schedule.epochs=null", "schedule.steps=1000000", "log.every_steps=20"]
DIGITS = ["schedule.epochs=null", "schedule.steps=1000000", "log.every_steps=20"]
CASES = {
    "mnist, alone": (MNIST, 1, False),
    "two of mnist": (MNIST, 2, False),
    "two on digits, beside a third process": (DIGITS, 2, True),
}


def speed(settings: list[str], n: int, busy: bool, environ: dict[str, str], limit: float) -> float:
    """Return the mean images/s of `n` runs at once, over their last row of metrics."""
    env = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        if busy:
            third = subprocess.Popen([sys.executable, "-c", BUSY])
            stack.callback(third.kill)
        runs = []
        for i in range(n):
            out = Path(directory) / str(i)
            command = [GAN, "train", *settings, f"hydra.run.dir={out}", "monitor.every_epochs=null"]
            runs.append((out, subprocess.Popen(command, env=env | environ, stdout=-3, stderr=-3)))
        time.sleep(limit)
        for _, process in runs:
            process.send_signal(signal.SIGINT)
        for _, process in runs:
            process.wait()
        return statistics.mean(last_speed(out / "metrics.csv") for out, _ in runs)


def last_speed(metrics: Path) -> float:
    """Return the last row's images/s, or 0 of a run that came to no row."""
    rows = list(csv.DictReader(metrics.open())) if metrics.is_file() else []
    return float(rows[-1]["images_per_second"]) if rows else 0.0


def main(rounds: int = 3, limit: float = 20) -> None:
    """Print the median images/s of every case and setting, with the least and the most."""
    print(
        f"commit {git_commit()}, torch {torch.__version__}, "
        f"{torch.cpu.get_capabilities().get('cpu_name', '')}, "
        f"{len(os.sched_getaffinity(0))} cores, {rounds} rounds of {limit:.0f} s"
    )
    for case, (settings, n, busy) in CASES.items():
        speeds: dict[str, list[float]] = {name: [] for name in SPIN}
        for _ in range(rounds):
            for name, environ in SPIN.items():
                speeds[name].append(speed(settings, n, busy, environ, limit))
        for name, some in speeds.items():
            print(
                f"{case:<38} {name:<24} {statistics.median(some):6.0f} images/s each "
                f"({min(some):.0f} to {max(some):.0f})",
                flush=True,
            )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
