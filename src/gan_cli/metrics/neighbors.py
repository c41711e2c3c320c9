"""Nearest neighbours, exact, over a whole training set."""

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
    half = 0.5 * points.square().sum(1)
    indices = [torch.addmm(half, rows, points.T, alpha=-1).argmin(1) for rows in x.split(chunk)]
    index = torch.cat(indices)
    return (x - points[index]).norm(dim=1), index


def distance_quantiles(x: Tensor, points: Tensor) -> dict[str, float]:
    """Return the QUANTILES, by name, of the first COMPARED rows' distances to their nearest point.

    x and points are as in `nearest`.
    """
    distances, _ = nearest(x[:COMPARED], points)
    values = distances.quantile(distances.new_tensor(QUANTILES)).tolist()
    return {f"{q:.0%}": value for q, value in zip(QUANTILES, values, strict=True)}
