"""The kernel distance between two sets of features, KID (Binkowski et al., 2018)."""

import math

import torch
from torch import Tensor

# Features of each of the disjoint subsets whose estimates are averaged.
SUBSET = 1000


def kernel_distance(
    samples: Tensor, reference: Tensor, subset: int = SUBSET
) -> tuple[float, float]:
    """Return the squared MMD of features (n, d) and (m, d) by a cubic kernel, and its error.

    The kernel is (x y / d + 1)^3. The estimate is unbiased, hence may be negative: the mean over
    disjoint subsets of `subset` features each, or of all where there are fewer, in float64. The
    standard error is that of this mean, NaN for a single subset.
    """
    size = min(subset, len(samples), len(reference))
    pairs = zip(_subsets(samples, size), _subsets(reference, size), strict=False)
    values = torch.stack([_unbiased(x, y) for x, y in pairs])
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return values.mean().item(), error


def _subsets(features: Tensor, size: int) -> tuple[Tensor, ...]:
    return features[: len(features) // size * size].double().split(size)


def _unbiased(x: Tensor, y: Tensor) -> Tensor:
    n = len(x)
    same = sum(k.sum() - k.diagonal().sum() for k in (_kernel(x, x), _kernel(y, y)))
    return same / (n * (n - 1)) - 2 * _kernel(x, y).mean()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3
