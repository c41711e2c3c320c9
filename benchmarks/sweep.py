"""What a sweep gains from running its jobs at once: n single-threaded jobs on n cores.

    python benchmarks/sweep.py [ROUNDS [EPOCHS]]

The same n runs on digits, `threads=1` each, one after the other and by hydra/launcher=joblib,
interleaved: whole commands, start and end included. The gain is the ratio of medians, n at best.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from timeit import timeit

import torch

from gan_cli.runs.environment import git_commit

GAN = str(Path(sys.executable).with_name("gan"))
LAUNCHERS = ("basic", "joblib")


def seconds(launcher: str, n: int, epochs: int) -> float:
    """Return how long a sweep of `n` jobs takes."""
    command = [
        GAN, "train", "-m", f"hydra/launcher={launcher}", f"seed=range({n})", "threads=1",
        f"schedule.epochs={epochs}",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as directory:
        run = partial(subprocess.run, command, cwd=directory, check=True, stdout=subprocess.DEVNULL)
        return timeit(run, number=1)


def main(rounds: int = 3, epochs: int = 150) -> None:
    """Print the medians, and their ratio."""
    n = len(os.sched_getaffinity(0))
    print(
        f"commit {git_commit()}, torch {torch.__version__}, "
        f"{torch.cpu.get_capabilities().get('cpu_name', '')}; {n} cores, {n} runs of {epochs} "
        f"epochs on digits, medians of {rounds} rounds"
    )
    times: dict[str, list[float]] = {launcher: [] for launcher in LAUNCHERS}
    for _ in range(rounds):
        for launcher in LAUNCHERS:
            times[launcher].append(seconds(launcher, n, epochs))
    for launcher, some in times.items():
        values = ", ".join(f"{t:.1f}" for t in sorted(some))
        print(f"{launcher}: {statistics.median(some):.1f} s ({values})")
    one, together = (statistics.median(times[launcher]) for launcher in LAUNCHERS)
    print(f"gain: {one / together:.2f}, which is {one / together / n:.2f} n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
