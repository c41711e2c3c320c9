"""Stacked MNIST: three digits as the channels of an image, a thousand modes (Metz et al., 2017)."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Interval

from gan_cli.data.idx import IDX
from gan_cli.data.source import Data, Source, Split
from gan_cli.data.spaces import Range
from gan_cli.ranges import Count, Seed
from gan_cli.rng import stream


class StackedMNIST(Source):
    """`n` training images (3, 28, 28) of three digits drawn from MNIST's training set by `seed`.

    The others are as many as MNIST has, of its validation and test images. The class is the number
    that the three digits make, 0 to 999.
    """

    name = "StackedMNIST"

    def __init__(
        self,
        data_dir: str | os.PathLike[str],
        shape: Sequence[Count] = (3, 28, 28),
        range: Range = "unit",  # noqa: A002
        n: Annotated[int, Interval(ge=1, le=10_000_000)] = 128_000,
        seed: Seed = 0,
    ) -> None:
        super().__init__(shape, range)
        self.digits, self.n, self.seed = IDX("MNIST", Path(data_dir)), n, seed

    def load(self) -> Data:
        """Read MNIST, and draw the digits. Raises MissingDataError as MNIST does."""
        self.refuse_other_than((3, 28, 28))
        train, valid, test = self.digits.load()
        rng = stream(self.seed, "stacked_mnist")
        sizes = (self.n, len(valid.x), len(test.x))
        parts = zip((train, valid, test), sizes, strict=True)
        return Data(*(_stack(part, size, rng) for part, size in parts))


def _stack(part: Split, n: int, rng: torch.Generator) -> Split:
    assert part.y is not None
    rows = torch.randint(len(part.x), (n, 3), generator=rng)
    x = part.x.squeeze(1)[rows]
    return Split(x, (part.y[rows] * torch.tensor([100, 10, 1])).sum(1))
