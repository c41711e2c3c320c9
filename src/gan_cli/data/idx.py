"""Data sets in MNIST's file format."""

import gzip
import logging
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from gan_cli.data.downloaded import Downloaded
from gan_cli.data.spaces import Range
from gan_cli.ranges import Count

log = logging.getLogger(__name__)

FILES = (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
)  # fmt: skip
# The type of their numbers, as such files write it.
UINT8 = 8


class IDX(Downloaded):
    """A data set in MNIST's file format, downloaded by torchvision.

    Files that others have packed, as Kaggle has, are found in `data_dir` itself too: under names
    with a dot (`train-images.idx3-ubyte`), in folders of their own name, compressed by gzip.
    """

    files = f"{', '.join(FILES[:3])} and {FILES[3]}"

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

    def find(self) -> dict[str, Path]:
        """Return where each of FILES is, by its name; those that are nowhere are left out."""
        found: dict[str, Path] = {}
        outside = (self.folder.parent, self.data_dir)
        for name in FILES:
            spelled = (name, name.replace("-idx", ".idx"))
            packed = [file for one in spelled for file in (one, f"{one}/{one}", f"{one}.gz")]
            # What is compressed in torchvision's own folder is torchvision's to unpack.
            places = [self.folder / name]
            places += [place / file for place in outside for file in packed]
            if files := [place for place in places if place.is_file()]:
                found[name] = files[0]
        return found

    def arrays(self, train: bool) -> tuple[Tensor, Tensor]:
        """Return images and labels, downloaded where not all files are there."""
        found, part = self.find(), "train" if train else "t10k"
        if len(found) < len(FILES):
            return super().arrays(train)
        images, labels = found[f"{part}-images-idx3-ubyte"], found[f"{part}-labels-idx1-ubyte"]
        if train and self.folder not in images.parents:
            log.info("%s is read from %s.", self.name, images.parent)
        return _read(images, 3), _read(labels, 1).long()

    def needed(self) -> str:
        """Return which files are wanted where, and which of them are there."""
        found = self.find()
        missing = ", ".join(name for name in FILES if name not in found)
        if not found or not missing:
            return super().needed()
        there = ", ".join(map(str, found.values()))
        return f"{super().needed()}; found are {there}; missing are {missing}"


def _read(path: Path, dimensions: int) -> Tensor:
    """Return a file's numbers, uint8. Raises ValueError, naming it, for any but such a file."""
    # By torchvision's own reader it takes two seconds: those of importing torchvision.
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = bytearray(file.read())
        zeros, kind, n = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{n}I", content, 4)
        if (zeros, kind, n) != (0, UINT8, dimensions):
            raise ValueError(
                f"its numbers are of type {kind} and shape {shape}; they must be of type {UINT8}, "
                f"bytes, in {dimensions} dimensions"
            )
        return torch.frombuffer(content, dtype=torch.uint8, offset=4 + 4 * n).view(shape)
    except MemoryError:
        raise
    except Exception as error:  # whatever a damaged file makes of its parser
        reason = str(error) or type(error).__name__
        raise ValueError(f"{path}, of {path.stat().st_size} bytes: {reason}") from error
