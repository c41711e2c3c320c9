"""CIFAR-10 (Krizhevsky, 2009)."""

import os
from collections.abc import Sequence
from pathlib import Path

from gan_cli.data.downloaded import Downloaded
from gan_cli.data.spaces import Range
from gan_cli.ranges import Count


class CIFAR10(Downloaded):
    """60000 colour photographs, 32 x 32: the training set's last `valid` are for validation.

    torchvision compares the files with their published checksums before it unpickles them.
    """

    name, reader = "CIFAR-10", "CIFAR10"
    files = "cifar-10-batches-py or cifar-10-python.tar.gz"

    def __init__(
        self,
        data_dir: str | os.PathLike[str],
        shape: Sequence[Count] = (3, 32, 32),
        range: Range = "gcn",  # noqa: A002
        valid: Count = 10000,
    ) -> None:
        super().__init__(shape, range)
        self.folder = self.data_dir = Path(data_dir)
        self.valid = valid
