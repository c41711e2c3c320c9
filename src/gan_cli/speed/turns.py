"""Timing in turns: what is compared alternates, so that whatever else a machine does slows all."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch


class Rate(NamedTuple):
    """Calls a second: the median of the turns, and their quartiles."""

    low: float
    median: float
    high: float


def rates(
    players: Sequence[Callable[[], object]], turns: int, seconds: float, device: torch.device
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return calls a second of each player in each turn, (turns, players).

    In a turn each is called for about `seconds`, once at least; a turn before them warms up, and
    shows how many calls that takes.
    """
    calls = []
    for player in players:
        player()
        calls.append(max(1, round(seconds / _seconds(player, 1, device))))
    for i, player in enumerate(players):
        calls[i] = max(1, round(seconds * calls[i] / _seconds(player, calls[i], device)))
    return np.array(
        [
            [n / _seconds(player, n, device) for player, n in zip(players, calls, strict=True)]
            for _ in range(turns)
        ]
    )


def summary(rates_of_one: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Rate:
    """Return median and quartiles over the turns."""
    return Rate(*np.quantile(rates_of_one, [0.25, 0.5, 0.75]).tolist())


def _seconds(player: Callable[[], object], n: int, device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    for _ in range(n):
        player()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
