"""How diverse samples are, against the paper's Helvetica scenario (section 6).

There "G collapses too many values of z to the same value of x to have enough diversity to model
p_data". Two numbers show it, each 1 for samples as diverse as the data.
"""

import torch
from torch import Tensor

from gan_cli.metrics.neighbors import nearest


def spread(samples: Tensor, data: Tensor) -> float:
    """Return the mean distance between two samples over that between two points of the data.

    Both are (n, ...) with n >= 2 points of equal dimension.
    """
    return (_mean_distance(samples) / _mean_distance(data)).item()


def _mean_distance(points: Tensor) -> Tensor:
    return torch.nn.functional.pdist(points.flatten(1)).mean()


def reached(samples: Tensor, points: Tensor) -> int:
    """Return how many of the points are the nearest one to at least one of the samples."""
    _, index = nearest(samples, points)
    return len(index.unique())
