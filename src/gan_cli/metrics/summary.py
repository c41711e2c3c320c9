"""A handful of values, one a seed, in the numbers that are reported of them."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Summary(NamedTuple):
    """Of n values: mean with its standard error (NaN for one value), median, least and most."""

    n: int
    mean: float
    standard_error: float
    median: float
    least: float
    most: float


def summarise(values: Sequence[float]) -> Summary:
    """Return the Summary of at least one value; the standard error is s / sqrt(n)."""
    n = len(values)
    error = statistics.stdev(values) / math.sqrt(n) if n > 1 else math.nan
    return Summary(
        n, statistics.fmean(values), error, statistics.median(values), min(values), max(values)
    )
