"""Points in the plane, to see which modes of a distribution are found."""

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from gan_cli.data.source import Data, Source, Split, hold_out
from gan_cli.ranges import Count, NonNegative, Seed
from gan_cli.rng import stream

Size = Annotated[int, Interval(ge=1, le=100_000_000)]


class Gaussians(Source):
    """Equal shares of Gaussians of standard deviation `std` around the points of `centers`.

    The usual test for missing modes; `x` is float32 (N, 2, 1, 1), `y` the mode.
    """

    std: float

    def __init__(self, shape: Sequence[int], std: float, n: int, seed: int) -> None:
        super().__init__(shape)
        self.low, self.high = float("-inf"), float("inf")
        self.std, self.n, self.seed = std, n, seed

    def centers(self) -> Tensor:
        """Return the modes' centers (modes, 2)."""
        raise NotImplementedError

    def load(self) -> Data:
        """Draw the points: `n` for training, a fifth of that for each of validation and test."""
        self.refuse_other_than((2, 1, 1))
        centers = self.centers()
        rng, fifth = stream(self.seed, "ring"), max(self.n // 5, 1)
        y = torch.randint(len(centers), (self.n + 2 * fifth,), generator=rng)
        x = centers[y] + self.std * torch.randn(len(y), 2, generator=rng)
        rest, test = hold_out(Split(x.view(-1, *self.shape), y), fifth)
        return Data(*hold_out(rest, fifth), test)

    def to_model(self, x: Tensor) -> Tensor:
        """Return the points as they are: there are no pixels."""
        return x

    to_pixels = to_unit = to_measure = to_model


class Ring(Gaussians):
    """`modes` Gaussians around points on a circle of the given `radius`."""

    def __init__(
        self,
        shape: Sequence[Count] = (2, 1, 1),
        modes: Count = 8,
        radius: NonNegative = 2.0,
        std: NonNegative = 0.05,
        n: Size = 50000,
        seed: Seed = 0,
    ) -> None:
        super().__init__(shape, std, n, seed)
        self.modes, self.radius = modes, radius

    def centers(self) -> Tensor:
        """Return the modes' centers (modes, 2)."""
        angle = torch.arange(self.modes) * (2 * torch.pi / self.modes)
        return self.radius * torch.stack([angle.cos(), angle.sin()], dim=1)


class Grid(Gaussians):
    """`side` times `side` Gaussians around the points of a square grid, `spacing` apart."""

    def __init__(
        self,
        shape: Sequence[Count] = (2, 1, 1),
        side: Count = 5,
        spacing: NonNegative = 2.0,
        std: NonNegative = 0.05,
        n: Size = 50000,
        seed: Seed = 0,
    ) -> None:
        super().__init__(shape, std, n, seed)
        self.side, self.spacing = side, spacing

    def centers(self) -> Tensor:
        """Return the modes' centers (side^2, 2), around 0."""
        along = self.spacing * (torch.arange(self.side) - (self.side - 1) / 2)
        return torch.cartesian_prod(along, along)
