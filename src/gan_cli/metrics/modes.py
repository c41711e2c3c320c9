"""Which modes of the data samples fall into, where the modes are known."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Modes(NamedTuple):
    """`covered`: modes with a sample; `high_quality`: the share of samples that lie in one.

    `reverse_kl` is KL(q || uniform) in nats, q the shares of the modes among the samples.
    """

    covered: int
    high_quality: float
    reverse_kl: float


def modes_of_points(points: Tensor, centers: Tensor, std: float) -> Modes:
    """Return the modes of points (n, 2), of normal densities around `centers` (k, 2).

    A point belongs to its nearest center, and is of high quality within 3 standard deviations of
    it; modes are covered by such points (Srivastava et al., 2017; Lin et al., 2018).
    """
    distance, mode = torch.cdist(points.double(), centers.double()).min(1)
    good = distance <= 3 * std
    counts = torch.bincount(mode, minlength=len(centers))
    covered = len(mode[good].unique())
    return Modes(covered, good.double().mean().item(), _reverse_kl(counts))


def modes_of_classes(index: Tensor, of: int) -> Modes:
    """Return the modes of images of the classes `index` (n,) out of `of`: of Stacked MNIST, 1000.

    Every image counts for its most probable class (Metz et al., 2017), and none as a bad one.
    """
    counts = torch.bincount(index, minlength=of)
    return Modes(int((counts > 0).sum()), 1.0, _reverse_kl(counts))


def _reverse_kl(counts: Tensor) -> float:
    q = counts.double() / counts.sum()
    return math.log(len(q)) - torch.special.entr(q).sum().item()
