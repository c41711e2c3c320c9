"""Distributions p_z of the noise. A prior has a dimension and gives (n, dim) float32 draws."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Prior(ABC):
    """A distribution over z of dimension `dim`."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    @abstractmethod
    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw (n, dim) on `rng`'s device."""


class Uniform(Prior):
    """U(-sqrt 3, sqrt 3) in each dimension: mean 0, variance 1."""

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw (n, dim)."""
        z = torch.rand(n, self.dim, generator=rng, device=rng.device)
        return z.mul_(2 * math.sqrt(3)).sub_(math.sqrt(3))


class Gaussian(Prior):
    """N(0, I)."""

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw (n, dim)."""
        return torch.randn(n, self.dim, generator=rng, device=rng.device)


class Spherical(Gaussian):
    """Uniform on the unit sphere: N(0, I) scaled to unit length."""

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw (n, dim)."""
        return torch.nn.functional.normalize(super().__call__(n, rng))
