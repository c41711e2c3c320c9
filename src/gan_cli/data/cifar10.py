"""CIFAR-10 (Krizhevsky, 2009)."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from gan_cli.data.source import Data, Source, Split, remove_empty
from gan_cli.data.spaces import Range
from gan_cli.errors import MissingDataError, UserError
from gan_cli.ranges import Count

ARCHIVE = "cifar-10-python.tar.gz"
FOLDER = "cifar-10-batches-py"


class CIFAR10(Source):
    """60000 colour photographs, 32 x 32: the training set's last `valid` are for validation."""

    name = "CIFAR-10"

    def __init__(
        self,
        data_dir: str | os.PathLike[str],
        shape: Sequence[Count] = (3, 32, 32),
        range: Range = "gcn",  # noqa: A002
        valid: Count = 10000,
    ) -> None:
        super().__init__(shape, range)
        self.data_dir, self.valid = Path(data_dir), valid

    def load(self) -> Data:
        """Read `data_dir`/cifar-10-batches-py, downloaded where it is missing.

        Raises MissingDataError where that fails or a file is damaged: torchvision checks the files'
        published checksums before it reads them.
        """
        x, y = self._read(train=True)
        self.refuse_other_than(tuple(x.shape[1:]))
        if self.valid >= len(x):
            raise UserError(
                f"dataset.valid is {self.valid}; it must be less than {len(x)}, the number of "
                "training images."
            )
        cut = len(x) - self.valid
        return Data(Split(x[:cut], y[:cut]), Split(x[cut:], y[cut:]), Split(*self._read(False)))

    def _read(self, train: bool) -> tuple[Tensor, Tensor]:
        import torchvision

        read = torchvision.datasets.CIFAR10
        try:
            try:
                reader = read(self.data_dir, train=train)
            except RuntimeError:  # not there, or not whole
                reader = read(self.data_dir, train=train, download=True)
        except (OSError, RuntimeError) as error:
            remove_empty(self.data_dir / FOLDER / "nothing")
            reason = " ".join(str(error).split())
            raise MissingDataError(
                f"CIFAR-10 needs {FOLDER}, whole, or {ARCHIVE} in {self.data_dir.absolute()}, and "
                f"it could not be downloaded ({reason}); put it there, or name the directory that "
                "has it with data_dir=... or the environment variable GAN_DATA."
            ) from error
        x = torch.from_numpy(reader.data).permute(0, 3, 1, 2).contiguous()
        return x, torch.tensor(reader.targets)
