"""Interleaved timing: what is compared alternates, so that whatever slows the machine slows all."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

Runner = Callable[[int], object]  # runs that many iterations


class Quartiles(NamedTuple):
    """Iterations a second: the median of the rounds, and their quartiles."""

    low: float
    median: float
    high: float


def repeat(step: Callable[[], object]) -> Runner:
    """Return the runner whose iterations are calls of `step`."""

    def run(n: int) -> None:
        for _ in range(n):
            step()

    return run


def updates_a_second(
    runners: Sequence[Runner], rounds: int, seconds: float, device: torch.device
) -> NDArray[np.float64]:
    """Return iterations a second of each runner in each round, (rounds, runners).

    In a round each runs for about `seconds`, an iteration at least. Three rounds before them warm
    up, and show how many iterations that takes.
    """
    counts = [1] * len(runners)
    for _ in range(3):
        for i, run in enumerate(runners):
            counts[i] = max(1, round(seconds * counts[i] / _seconds(run, counts[i], device)))
    return np.array(
        [
            [n / _seconds(run, n, device) for run, n in zip(runners, counts, strict=True)]
            for _ in range(rounds)
        ]
    )


def quartiles(rates: NDArray[np.float64]) -> Quartiles:
    """Return median and quartiles over the rounds."""
    return Quartiles(*np.quantile(rates, [0.25, 0.5, 0.75]).tolist())


def _seconds(run: Runner, n: int, device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    run(n)
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
