"""Where training data come from: each source reads its files into uint8 tensors, split in three."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from gan_cli.data.spaces import GCN, SPACES, Affine, Range
from gan_cli.errors import UserError
from gan_cli.ranges import Count


class Split(NamedTuple):
    """Part of a data set: `x` (N, C, H, W), uint8 for images; `y` int64 (N,), or None."""

    x: Tensor
    y: Tensor | None

    def take(self, rows: slice | Tensor) -> "Split":
        """Return the examples of these rows."""
        return Split(self.x[rows], None if self.y is None else self.y[rows])


class Data(NamedTuple):
    """A whole data set."""

    train: Split
    valid: Split
    test: Split

    def fingerprint(self, labelled: bool = False) -> str:
        """Return the SHA-256 of every split's `x`, so that two runs can be seen to share data.

        Where `labelled`, of the training set's `y` as well.
        """
        digest = hashlib.sha256()
        for split in self:
            digest.update(split.x.contiguous().numpy().data)
        if labelled and self.train.y is not None:
            digest.update(self.train.y.long().contiguous().numpy().data)
        return digest.hexdigest()


class Source(Protocol):
    """A data set's shape and range, known before any file is read, and the way to read it.

    `shape` is (C, H, W). `range` names the model space that pixels are mapped to: `unit`, [0, 1],
    `signed`, [-1, 1], or `gcn`, contrast-normalised. `name` is the data set's in the literature,
    `class_names` are those of classes 0, 1, ..., if they have other names than these.
    """

    name: str = ""
    class_names: Sequence[str] = ()
    shape: tuple[int, ...]
    space: Affine | GCN
    low: float
    high: float

    def __init__(self, shape: Sequence[Count], range: Range = "unit") -> None:  # noqa: A002
        self.shape = tuple(shape)
        self.space = SPACES[range]
        self.low, self.high = self.space.low, self.space.high

    def load(self) -> Data:
        """Read the files. Raises MissingDataError without them, UserError for damaged ones."""
        raise NotImplementedError

    def refuse_other_than(self, shape: tuple[int, ...]) -> None:
        """Raise UserError where the data's `shape` is not the one in the config."""
        if self.shape != shape:
            raise UserError(
                f"dataset.shape is {self.shape}; it must be {shape}, which these data have."
            )

    def folds(self) -> list[Data]:
        """Return each fold for evaluation; most data sets have but one."""
        return [self.load()]

    def centers(self) -> Tensor | None:
        """Return the true modes of points (modes, 2), where they are known; images have none."""
        return None

    def to_model(self, x: Tensor) -> Tensor:
        """Map uint8 pixels (N, C, H, W) to float32 model space."""
        return self.space.to_model(x)

    def to_pixels(self, x: Tensor) -> Tensor:
        """Map model space to uint8 pixels for display; for affine spaces the way back."""
        return (255 * self.to_unit(x)).round_().to(torch.uint8)

    def to_unit(self, x: Tensor) -> Tensor:
        """Map model space to [0, 1] for display, unrounded."""
        return self.space.to_unit(x)

    def to_measure(self, x: Tensor) -> Tensor:
        """Map model space to the one in which log-likelihoods are measured: images to [0, 1]."""
        return self.space.to_measure(x)


def hold_out(examples: Split, n: int) -> tuple[Split, Split]:
    """Return all but the last `n` examples, and those. Raises UserError where none are left."""
    rest = len(examples.x) - n
    if rest <= 0:
        raise UserError(
            f"dataset.valid is {n}; it must be less than {len(examples.x)}, the number of "
            "training images."
        )
    return examples.take(slice(rest)), examples.take(slice(rest, None))
