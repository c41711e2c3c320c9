"""Where training data come from: each source reads its files into uint8 tensors, split in three."""

import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gan_cli import interrupts
from gan_cli.data.spaces import SPACES
from gan_cli.errors import MissingDataError, UserError


class Split(NamedTuple):
    """Part of a data set: `x` (N, C, H, W), uint8 for images; `y` int64 (N,), or None."""

    x: Tensor
    y: Tensor | None


class Data(NamedTuple):
    """A whole data set."""

    train: Split
    valid: Split
    test: Split

    def fingerprint(self) -> str:
        """Return the SHA-256 of every split's `x`, so that two runs can be seen to share data."""
        digest = hashlib.sha256()
        for split in self:
            digest.update(split.x.contiguous().numpy().data)
        return digest.hexdigest()


class Source:
    """A data set's shape and range, known before any file is read, and the way to read it.

    `shape` is (C, H, W). `range` names the model space that pixels are mapped to: `unit`, [0, 1],
    `signed`, [-1, 1], or `gcn`, contrast-normalised. `name` is the data set's in the literature.
    """

    name = ""

    def __init__(self, shape: Sequence[int], range: str = "unit") -> None:  # noqa: A002
        self.shape = tuple(shape)
        self.space = SPACES[range]
        self.low, self.high = self.space.low, self.space.high

    @property
    def dimension(self) -> int:
        """Return how many numbers an example has."""
        return math.prod(self.shape)

    def load(self) -> Data:
        """Read the files. Raises MissingDataError without them, UserError for damaged ones."""
        raise NotImplementedError

    def refuse_other_than(self, shape: tuple[int, ...]) -> None:
        """Raise UserError where the data's `shape` is not the one that was told."""
        if self.shape != shape:
            raise UserError(
                f"dataset.shape is {self.shape}; it must be {shape}, which these data have."
            )

    def folds(self) -> list[Data]:
        """Return each fold for evaluation; most data sets have but one."""
        return [self.load()]

    def to_model(self, x: Tensor) -> Tensor:
        """Map uint8 pixels (N, C, H, W) to float32 model space."""
        return self.space.to_model(x)

    def to_pixels(self, x: Tensor) -> Tensor:
        """Map model space to uint8 pixels for display; for affine spaces the way back."""
        return self.space.to_pixels(x)

    def to_measure(self, x: Tensor) -> Tensor:
        """Map model space to the one in which log-likelihoods are told: images to [0, 1]."""
        return self.space.to_measure(x)


class Digits(Source):
    """The 1797 handwritten digits (8 x 8) that scikit-learn ships: 1397, 200 and 200 of them."""

    def load(self) -> Data:
        """Read the digits from the installed scikit-learn; grey levels 0..16 become 0..255."""
        with interrupts.importing():
            from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        x = torch.from_numpy(np.rint(images * (255 / 16)).astype(np.uint8)).view(-1, 1, 8, 8)
        self.refuse_other_than((1, 8, 8))
        y = torch.from_numpy(labels.astype(np.int64))
        # The file is ordered by writer, so the split is of a fixed shuffle.
        order = torch.from_numpy(np.random.default_rng(0).permutation(len(x)))
        return split(x[order], y[order], valid=200, test=200)


class IDX(Source):
    """A data set in MNIST's file format, through torchvision's reader of the same name."""

    def __init__(
        self,
        name: str,
        data_dir: str | os.PathLike[str],
        shape: Sequence[int] = (1, 28, 28),
        range: str = "unit",  # noqa: A002
        valid: int = 10000,
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
        with interrupts.importing():
            import torchvision

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


def remove_empty(directory: Path) -> None:
    """Remove `directory` and the two above it, as far as they are empty."""
    for path in (directory, directory.parent, directory.parent.parent):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def split(x: Tensor, y: Tensor | None, valid: int, test: int) -> Data:
    """Cut (N, C, H, W) and labels (N,) in order: training first, then `valid`, then `test` rows."""
    sizes = [len(x) - valid - test, valid, test]
    labels = y.split(sizes) if y is not None else (None, None, None)
    return Data(*map(Split, x.split(sizes), labels))
