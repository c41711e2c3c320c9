"""Timing in turns: what is compared alternates, so that whatever else a machine does slows all."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch


class Rate(NamedTuple):
    """Steps a second: the median of the turns, and their quartiles."""

    low: float
    median: float
    high: float


Player = Callable[[int], object]  # runs that many iterations


def each(step: Callable[[], object]) -> Player:
    """Return the player whose steps are calls of `step`."""

    def run(n: int) -> None:
        for _ in range(n):
            step()

    return run


def rates(
    players: Sequence[Player], turns: int, seconds: float, device: torch.device
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return steps a second of each player in each turn, (turns, players).

    In a turn each runs for about `seconds`, a step at least; a turn before them warms up, and
    shows how many steps that takes.
    """
    steps = []
    for run in players:
        run(1)
        steps.append(max(1, round(seconds / _seconds(run, 1, device))))
    for i, run in enumerate(players):
        steps[i] = max(1, round(seconds * steps[i] / _seconds(run, steps[i], device)))
    return np.array(
        [
            [n / _seconds(run, n, device) for run, n in zip(players, steps, strict=True)]
            for _ in range(turns)
        ]
    )


def summary(rates_of_one: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Rate:
    """Return median and quartiles over the turns."""
    return Rate(*np.quantile(rates_of_one, [0.25, 0.5, 0.75]).tolist())


def _seconds(run: Player, n: int, device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    run(n)
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
