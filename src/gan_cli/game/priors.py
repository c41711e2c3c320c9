"""Distributions p_z of the noise. A prior has a dimension and gives (n, dim) float32 draws."""

import math
from typing import Annotated, Protocol

import torch
from annotated_types import Interval
from torch import Tensor

from gan_cli.errors import UserError
from gan_cli.ranges import Number

SQRT3 = math.sqrt(3)
Dimension = Annotated[int, Interval(ge=1, le=1_000_000)]


class Prior(Protocol):
    """A distribution over z of dimension `dim`."""

    dim: int

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw (n, dim) on the device of `rng`."""
        ...


class Uniform:
    """U(low, high) in each dimension; U(-sqrt 3, sqrt 3) has mean 0 and variance 1.

    Raises UserError where `high` is not above `low`.
    """

    def __init__(self, dim: Dimension, low: Number = -SQRT3, high: Number = SQRT3) -> None:
        if not low < high:
            raise UserError(f"low is {low:g} and high is {high:g}; high must be more than low.")
        self.dim, self.low, self.high = dim, low, high

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw (n, dim)."""
        z = torch.rand(n, self.dim, generator=rng, device=rng.device)
        return z.mul_(self.high - self.low).add_(self.low)


class Gaussian:
    """N(0, I)."""

    def __init__(self, dim: Dimension) -> None:
        self.dim = dim

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw (n, dim)."""
        return torch.randn(n, self.dim, generator=rng, device=rng.device)


class Spherical(Gaussian):
    """Uniform on the unit sphere: N(0, I) scaled to unit length."""

    def __call__(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw (n, dim)."""
        return torch.nn.functional.normalize(super().__call__(n, rng))
