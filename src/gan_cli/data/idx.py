"""Data sets in MNIST's file format."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
import torchvision
from torch import Tensor

from gan_cli.data.source import Data, Source, Split, remove_empty
from gan_cli.data.spaces import Range
from gan_cli.errors import MissingDataError, UserError
from gan_cli.ranges import Count


class IDX(Source):
    """A data set in MNIST's file format, through torchvision's reader of the same name."""

    def __init__(
        self,
        name: Literal["MNIST", "FashionMNIST"],
        data_dir: str | os.PathLike[str],
        shape: Sequence[Count] = (1, 28, 28),
        range: Range = "unit",  # noqa: A002
        valid: Count = 10000,
    ) -> None:
        super().__init__(shape, range)
        self.name, self.data_dir, self.valid = name, Path(data_dir), valid

    def load(self) -> Data:
        """Read `data_dir`/`name`/raw; the last `valid` training images are the validation set.

        Missing files are downloaded. Raises MissingDataError where that fails, and UserError where
        a file is damaged.
        """
        x, y = self._read(train=True)
        test = Split(*self._read(train=False))
        if self.valid >= len(x):
            raise UserError(
                f"dataset.valid is {self.valid}; it must be less than {len(x)}, the number of "
                "training images."
            )
        cut = len(x) - self.valid
        return Data(Split(x[:cut], y[:cut]), Split(x[cut:], y[cut:]), test)

    def _read(self, train: bool) -> tuple[Tensor, Tensor]:
        reader = getattr(torchvision.datasets, self.name)
        raw = self.data_dir / self.name / "raw"
        part = "train" if train else "t10k"
        files = f"{part}-images-idx3-ubyte and {part}-labels-idx1-ubyte"
        if not all((raw / name).exists() for name in files.split(" and ")):
            try:
                reader(self.data_dir, train=train, download=True)
            except (OSError, RuntimeError) as error:
                remove_empty(raw)
                reason = " ".join(str(error).split())
                raise MissingDataError(
                    f"{self.name} needs {files} in {raw.absolute()}, and they could not be "
                    f"downloaded ({reason}); put the files there, or name the directory that has "
                    f"{self.name}/raw in it with data_dir=... or the environment variable GAN_DATA."
                ) from error
        try:
            # torchvision's reader wants labels beside images, and checks neither against the other.
            dataset = reader(self.data_dir, train=train)
        except (AssertionError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.name}: {files} in {raw.absolute()} are truncated or not IDX files "
                f"({error or type(error).__name__}); delete them to download them anew."
            ) from error
        x, y = dataset.data.unsqueeze(1), dataset.targets
        if x.shape[1:] != self.shape or x.dtype != torch.uint8 or len(x) != len(y):
            raise UserError(
                f"{self.name}: {files} in {raw.absolute()} hold {x.dtype} images of shape "
                f"{tuple(x.shape)} and {len(y)} labels; wanted are uint8 images of shape "
                f"{self.shape} and as many labels."
            )
        return x, y
