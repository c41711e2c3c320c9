"""Published data sets that torchvision downloads and reads."""

import contextlib
import re
from pathlib import Path

import torch
from torch import Tensor

from gan_cli.data.source import Data, Source, Split, hold_out
from gan_cli.errors import MissingDataError


class Downloaded(Source):
    """A data set of torchvision's: `reader` below `data_dir`, where it wants `files` in `folder`.

    The last `valid` training images are the validation set.
    """

    data_dir: Path
    valid: int
    reader: str
    files: str
    folder: Path

    def load(self) -> Data:
        """Read the files, downloaded where they are missing.

        Raises MissingDataError where that fails or a file is damaged.
        """
        train, test = self._read(train=True), self._read(train=False)
        self.refuse_other_than(tuple(train.x.shape[1:]))
        return Data(*hold_out(train, self.valid), test)

    def arrays(self, train: bool) -> tuple[Tensor, Tensor]:
        """Return images and labels as they are in the files, downloaded where they are missing."""
        import torchvision

        reader = getattr(torchvision.datasets, self.reader)
        dataset = reader(self.data_dir, train=train, download=True)
        return torch.as_tensor(dataset.data), torch.as_tensor(dataset.targets)

    def needed(self) -> str:
        """Return which files are wanted where."""
        return f"{self.files} in {self.folder.absolute()}, whole"

    def _read(self, train: bool) -> Split:
        missing = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
        try:
            x, y = self.arrays(train)
            if len(x) != len(y):
                raise ValueError(f"{len(x)} images and {len(y)} labels")
        except (AssertionError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
            for path in missing:  # which a failed download may have made, and left empty
                with contextlib.suppress(OSError):
                    path.rmdir()
            reason = " ".join(str(error).split()) or type(error).__name__
            if refused := re.search(r"<urlopen error (.*?)>", reason):  # which each mirror repeats
                reason = refused[1]
            raise MissingDataError(
                f"{self.name} can't be read or downloaded ({reason}). Set data_dir=... or GAN_DATA "
                "to the directory that has it, delete damaged files to download them anew, or put "
                f"{self.needed()}."
            ) from error
        x = x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2).contiguous()
        return Split(x, y)
