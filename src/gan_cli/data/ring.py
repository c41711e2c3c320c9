"""Points in the plane, to see which modes of a distribution are found."""

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from gan_cli.data.source import Data, Source, Split, hold_out
from gan_cli.ranges import Count, NonNegative, Seed
from gan_cli.rng import stream


class Ring(Source):
    """Gaussians of standard deviation `std` around points on a circle of the given `radius`.

    The usual test for missing modes; `x` is float32 (N, 2, 1, 1), `y` the mode.
    """

    def __init__(
        self,
        shape: Sequence[Count] = (2, 1, 1),
        modes: Count = 8,
        radius: NonNegative = 2.0,
        std: NonNegative = 0.05,
        n: Annotated[int, Interval(ge=1, le=100_000_000)] = 50000,
        seed: Seed = 0,
    ) -> None:
        super().__init__(shape)
        self.low, self.high = float("-inf"), float("inf")
        self.modes, self.radius, self.std, self.n, self.seed = modes, radius, std, n, seed

    def centers(self) -> Tensor:
        """Return the modes' centers (modes, 2)."""
        angle = torch.arange(self.modes) * (2 * torch.pi / self.modes)
        return self.radius * torch.stack([angle.cos(), angle.sin()], dim=1)

    def load(self) -> Data:
        """Draw the points: `n` for training, a fifth of that for each of validation and test."""
        self.refuse_other_than((2, 1, 1))
        rng, fifth = stream(self.seed, "ring"), max(self.n // 5, 1)
        y = torch.randint(self.modes, (self.n + 2 * fifth,), generator=rng)
        x = self.centers()[y] + self.std * torch.randn(len(y), 2, generator=rng)
        rest, test = hold_out(Split(x.view(-1, *self.shape), y), fifth)
        return Data(*hold_out(rest, fifth), test)

    def to_model(self, x: Tensor) -> Tensor:
        """Return the points as they are: there are no pixels."""
        return x

    to_pixels = to_unit = to_measure = to_model
