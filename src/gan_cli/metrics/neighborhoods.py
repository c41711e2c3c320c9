"""Precision, recall, density and coverage: whether each set lies where the other has neighbours."""

from typing import NamedTuple

import torch
from torch import Tensor

from gan_cli.metrics.neighbors import half_squared

# Neighbours that a neighbourhood reaches to, as in Naeem et al. (2020).
K = 5
# Rows of the matrix of distances at a time.
CHUNK = 256


class Neighborhoods(NamedTuple):
    """Shares, each 1 at best; only density may be larger.

    precision: of samples in a neighbourhood of the reference, recall: of the reference in one of
    the samples (Kynkäänniemi et al., 2019). density: neighbourhoods of the reference that a sample
    lies in, over k; coverage: neighbourhoods of the reference with a sample in them (Naeem et al.,
    2020).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def neighborhoods(
    samples: Tensor,
    reference: Tensor,
    k: int = K,
    radii: tuple[Tensor, Tensor] | None = None,
) -> Neighborhoods:
    """Compare features (n, d) and (m, d), n and m > k, in float64.

    A point's neighbourhood is the open ball that ends at its k-th nearest other point of its set;
    `radii` (n,) and (m,) are those of both sets, where they are known already.
    """
    x, y = samples.double(), reference.double()
    x_radius, y_radius = radii or (own_distances(x, k)[:, -1], own_distances(y, k)[:, -1])
    # Half the squared distances and radii are compared: that takes fewest passes over the matrix.
    x_reach, y_reach = 0.5 * x_radius.square(), 0.5 * y_radius.square()
    recalled, covered = y.new_zeros(2, len(y), dtype=torch.uint8)
    precise = dense = 0
    parts = half_squared(x, y, CHUNK), _half(x).split(CHUNK), x_reach.split(CHUNK)
    for part, half, reach in zip(*parts, strict=True):
        distance = part.add_(half)
        inside = distance < y_reach
        counts = inside.sum(1)
        precise += int((counts > 0).sum())
        dense += int(counts.sum())
        # The largest byte of a column, as `any` is many times slower.
        covered = covered.maximum(inside.view(torch.uint8).amax(0))
        recalled = recalled.maximum((distance < reach[:, None]).view(torch.uint8).amax(0))
    return Neighborhoods(
        precise / len(x),
        recalled.double().mean().item(),
        dense / (k * len(x)),
        covered.double().mean().item(),
    )


def own_distances(x: Tensor, k: int = K) -> Tensor:
    """Return the distances of each row of x (n, d) to its k nearest others, (n, k), rising."""
    x = x.double()
    # The nearest of all is the row itself.
    least = [part.topk(k + 1, largest=False).values[:, 1:] for part in half_squared(x, x, CHUNK)]
    return (2 * (torch.cat(least) + _half(x))).clamp(min=0).sqrt()


def _half(x: Tensor) -> Tensor:
    return 0.5 * x.square().sum(1, keepdim=True)
