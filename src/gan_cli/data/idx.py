"""Data sets in MNIST's file format."""

import os
from collections.abc import Sequence
from pathlib import Path

from gan_cli.data.downloaded import Downloaded


class IDX(Downloaded):
    """A data set in MNIST's file format, through torchvision's reader of the same name."""

    files = (
        "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
        "t10k-labels-idx1-ubyte"
    )

    def __init__(
        self,
        name: str,
        data_dir: str | os.PathLike[str],
        shape: Sequence[int] = (1, 28, 28),
        range: str = "unit",  # noqa: A002
        valid: int = 10000,
    ) -> None:
        super().__init__(shape, range)
        self.name = self.reader = name
        self.data_dir, self.valid = Path(data_dir), valid
        self.folder = self.data_dir / name / "raw"
