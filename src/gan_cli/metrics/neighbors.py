"""Nearest neighbours, exact, over a whole training set."""

from collections.abc import Iterator

import torch
from torch import Tensor

# How many samples, or test images, have their distances to the training set compared.
COMPARED = 1000
# The quantiles in which distances are reported.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def nearest(x: Tensor, points: Tensor, chunk: int = 128) -> tuple[Tensor, Tensor]:
    """Return the Euclidean distance to, and the index of, each row's nearest point.

    x (N, ...) and points (n, ...) have equal dimension and share a device; the distances are
    float64 (N,), the indices int64 (N,). The matrix products are in float64, so that no rounding
    decides between neighbours.
    """
    x, points = x.flatten(1).double(), points.flatten(1).double()
    index = torch.cat([part.argmin(1) for part in half_squared(x, points, chunk)])
    return (x - points[index]).norm(dim=1), index


def nearest_distances(x: Tensor, points: Tensor) -> Tensor:
    """Return the first of what `nearest` returns, float64 (N,)."""
    return nearest(x, points)[0]


def half_squared(x: Tensor, points: Tensor, chunk: int) -> Iterator[Tensor]:
    """Yield |x - p|^2 / 2 - |x|^2 / 2 of `chunk` rows of x (N, d) at a time, p all points (n, d).

    Each block (chunk, n) takes the memory of the one before: to get such blocks from the system
    costs half as much as the product.
    """
    half = 0.5 * points.square().sum(1)
    block = x.new_empty(min(chunk, len(x)), len(points))
    for rows in x.split(chunk):
        yield torch.addmm(half, rows, points.T, alpha=-1, out=block[: len(rows)])


def distance_quantiles(x: Tensor, points: Tensor) -> dict[str, float]:
    """Return the QUANTILES, by name, of the first COMPARED rows' distances to their nearest point.

    x and points are as in `nearest`.
    """
    distances = nearest_distances(x[:COMPARED], points)
    values = distances.quantile(distances.new_tensor(QUANTILES)).tolist()
    return {f"{q:.0%}": value for q, value in zip(QUANTILES, values, strict=True)}
