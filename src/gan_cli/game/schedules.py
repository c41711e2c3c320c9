"""Schedules: a run's length, and each update's learning rate and momentum, as pure functions."""

import math
from dataclasses import dataclass
from typing import Literal

from gan_cli.ranges import Count, Positive


@dataclass
class ScheduleSettings:
    """How long a run is, and what its updates are (Algorithm 1)."""

    updates: Literal["alternating", "simultaneous", "feature_matching"]
    k: Count
    batch_size: Count
    epochs: Positive | None
    steps: Count | None


def iterations(steps: int | None, epochs: float | None, per_epoch: float) -> int | None:
    """Return how many iterations a run has: `steps`, or else `epochs` of `per_epoch` iterations."""
    if steps is not None or epochs is None:
        return steps
    # 0.07 epochs of 100 iterations are 7, though 0.07 * 100 > 7.
    return max(math.ceil(round(epochs * per_epoch, 6)), 1)


def learning_rate(n: int, lr: float, decay: float, floor: float) -> float:
    """Return max(lr / decay**n, floor), the released code's learning rate after n minibatches."""
    return max(lr * decay**-n, floor)


def momentum(epoch: int, start: float, end: float, epochs: int) -> float:
    """Return the momentum in `epoch`, counted from 1: a ramp from start to end over `epochs`."""
    return start + (end - start) * min((epoch - 1) / max(epochs - 1, 1), 1)
