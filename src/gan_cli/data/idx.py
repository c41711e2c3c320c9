"""Data sets in MNIST's file format."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from gan_cli.data.downloaded import Downloaded
from gan_cli.data.spaces import Range
from gan_cli.ranges import Count


class IDX(Downloaded):
    """A data set in MNIST's file format, through torchvision's reader of the same name."""

    files = (
        "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
        "t10k-labels-idx1-ubyte"
    )

    def __init__(
        self,
        name: Literal["MNIST", "FashionMNIST"],
        data_dir: str | os.PathLike[str],
        shape: Sequence[Count] = (1, 28, 28),
        range: Range = "unit",  # noqa: A002
        valid: Count = 10000,
    ) -> None:
        super().__init__(shape, range)
        self.name = self.reader = name
        self.data_dir, self.valid = Path(data_dir), valid
        if self.data_dir.name == name and (self.data_dir / "raw").is_dir():
            self.data_dir = self.data_dir.parent  # as data_dir=.../MNIST
        self.folder = self.data_dir / name / "raw"
