"""Precision, recall, density and coverage: whether each set lies where the other has neighbours."""

from typing import NamedTuple

import torch
from torch import Tensor

# Neighbours that a neighbourhood reaches to, as in Naeem et al. (2020).
K = 5
# Rows of the matrix of distances at a time.
CHUNK = 1000


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
    recalled = torch.zeros(len(y), dtype=torch.bool, device=y.device)
    nearest = torch.full_like(y_radius, torch.inf)
    precise = dense = 0
    for rows, radius in zip(x.split(CHUNK), x_radius.split(CHUNK), strict=True):
        distance = torch.cdist(rows, y)
        inside = distance < y_radius
        precise += int(inside.any(1).sum())
        dense += int(inside.sum())
        recalled |= (distance < radius[:, None]).any(0)
        nearest = torch.minimum(nearest, distance.amin(0))
    return Neighborhoods(
        precise / len(x),
        recalled.double().mean().item(),
        dense / (k * len(x)),
        (nearest < y_radius).double().mean().item(),
    )


def own_distances(x: Tensor, k: int = K) -> Tensor:
    """Return the distances of each row of x (n, d) to its k nearest others, (n, k), rising."""
    x = x.double()
    # The nearest of all is the row itself.
    return torch.cat(
        [torch.cdist(rows, x).topk(k + 1, largest=False).values[:, 1:] for rows in x.split(CHUNK)]
    )
