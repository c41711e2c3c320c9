"""The signed-rank test: against all signs in turn, scipy, and a simulation."""

import itertools
import statistics

import numpy as np
import pytest
from scipy.stats import rankdata, wilcoxon

from gan_cli.metrics.paired import Paired, can_differ, compare

TIED = [1.0, -1.0, 2.0, 2.0, 0.0, 3.0, -0.5]


def by_enumeration(differences: list[float]) -> float:
    """Return the p-value from the sums of ranks for each way of giving them signs."""
    some = [x for x in differences if x != 0]
    ranks = rankdata(np.abs(some))
    centre = ranks.sum() / 2
    seen = abs(sum(r for r, x in zip(ranks, some, strict=True) if x > 0) - centre)
    sums = [np.dot(ranks, signs) for signs in itertools.product((0, 1), repeat=len(some))]
    return sum(abs(s - centre) >= seen - 1e-9 for s in sums) / len(sums)


@pytest.mark.parametrize("n", range(1, 11))
def test_p_values_are_those_of_all_signs(n: int) -> None:
    rng = np.random.default_rng(n)
    for shift in (0.0, 0.5, 2.0):
        differences = (rng.normal(size=n) + shift).tolist()
        p = compare(differences).p
        assert p == pytest.approx(by_enumeration(differences), abs=1e-12)
        assert p == pytest.approx(wilcoxon(differences, method="exact").pvalue, abs=1e-12)


@pytest.mark.parametrize("differences", [TIED, [0.0, 0.0], [0.0, 1.0, 1.0, 1.0], [-1.0] * 6])
def test_p_values_of_equal_differences(differences: list[float]) -> None:
    assert compare(differences).p == pytest.approx(by_enumeration(differences), abs=1e-12)


def test_known_values() -> None:
    """Hollander and Wolfe, Nonparametric Statistical Methods, example 3.1: nine depressives."""
    before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    found = compare([x - y for x, y in zip(before, after, strict=True)])
    assert found.n == 9
    assert found.difference == pytest.approx(0.46)
    assert (found.low, found.high) == (pytest.approx(0.01), pytest.approx(0.786))
    assert found.level == pytest.approx(1 - 2 * 10 / 512)
    assert found.p == pytest.approx(2 * 10 / 512)


@pytest.mark.parametrize(("n", "level"), [(1, 0), (2, 0.5), (4, 0.875), (5, 0.9375), (6, 0.96875)])
def test_few_differences_have_their_whole_range(n: int, level: float) -> None:
    differences = [2.0**i for i in range(n)]
    found = compare(differences)
    assert (found.low, found.high, found.level) == (1, 2 ** (n - 1), level)
    assert found.p == 2.0 ** (1 - n)
    assert can_differ(n) == (found.p < 0.05) == (n == 6)


def test_swapping_the_two_changes_signs_alone() -> None:
    differences = np.random.default_rng(0).normal(0.3, size=12).round(1).tolist()
    found, swapped = compare(differences), compare([-x for x in differences])
    difference, low, high = -found.difference, -found.high, -found.low
    assert swapped == Paired(12, difference, low, high, found.level, found.p)


@pytest.mark.parametrize("n", [5, 7, 12])
def test_the_interval_has_the_true_difference_as_often_as_it_says(n: int) -> None:
    """Of a heavy-tailed density, as for any symmetric one."""
    samples = 2 + np.random.default_rng(n).standard_t(2, size=(1000, n))
    found = [compare(row) for row in samples.tolist()]
    level = found[0].level
    assert level >= 0.95 or n == 5
    share = statistics.fmean(one.low <= 2 <= one.high for one in found)
    assert share == pytest.approx(level, abs=4 * (level * (1 - level) / len(found)) ** 0.5)
