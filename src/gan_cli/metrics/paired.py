"""Two settings compared over the seeds that both have: the signed-rank test of Wilcoxon (1945)."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# A difference is significant where its p-value is less.
ALPHA = 0.05


class Paired(NamedTuple):
    """What n differences of pairs show of their centre.

    `difference` is the Hodges-Lehmann estimate: the median of all averages of two of the
    differences, each with itself too (Walsh, 1949). The true one lies in [low, high] with a
    probability of at least `level`: 0.95, or what n differences reach. `p` is two-sided and exact.
    """

    n: int
    difference: float
    low: float
    high: float
    level: float
    p: float

    @property
    def sign(self) -> int:
        """1 or -1 for a significant difference: p < ALPHA, 0 not in the interval; otherwise 0."""
        if self.p >= ALPHA or self.low <= 0 <= self.high:
            return 0
        return 1 if self.difference > 0 else -1


def compare(differences: Sequence[float]) -> Paired:
    """Return the Paired of at least one difference, of independent pairs.

    The distribution is that of the signed ranks if each sign is + or - with probability 1/2. For
    the p-value differences of 0 are left out, and equal ones have the mean of their ranks.
    """
    n = len(differences)
    averages = sorted((a + b) / 2 for i, a in enumerate(differences) for b in differences[: i + 1])
    below = np.cumsum(_distribution(range(1, n + 1)))
    # How many averages are left out at either end: none, where even that is less than 95 %.
    left_out = max(0, int((below <= ALPHA / 2).sum()) - 1)
    return Paired(
        n,
        statistics.median(averages),
        averages[left_out],
        averages[-1 - left_out],
        1 - 2 * below[left_out],
        _p_value([x for x in differences if x != 0]),
    )


def can_differ(n: int) -> bool:
    """Return whether n differences can be significant: if all have one sign, p is 2 / 2^n."""
    return 2.0 ** (1 - n) < ALPHA


def _p_value(differences: Sequence[float]) -> float:
    size = np.abs(np.array(differences))
    # Twice the ranks, which are whole even where they are means.
    ranks = [int((size < x).sum() + (size <= x).sum()) + 1 for x in size]
    positive = sum(rank for rank, x in zip(ranks, differences, strict=True) if x > 0)
    least = min(positive, sum(ranks) - positive)
    return min(1.0, 2 * _distribution(ranks)[: least + 1].sum())


def _distribution(ranks: Sequence[int]) -> NDArray[np.float64]:
    """Return the probability of each sum 0, 1, ... of the ranks whose signs are positive."""
    probabilities = np.array([1.0])
    for rank in ranks:
        without = np.pad(probabilities, (0, rank))
        probabilities = (without + np.pad(probabilities, (rank, 0))) / 2
    return probabilities
