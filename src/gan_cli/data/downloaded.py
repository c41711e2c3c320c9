"""Published data sets that torchvision downloads and reads."""

import contextlib
from pathlib import Path

import torch

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

    def _read(self, train: bool) -> Split:
        import torchvision

        reader = getattr(torchvision.datasets, self.reader)
        try:
            dataset = reader(self.data_dir, train=train, download=True)
            x, y = torch.as_tensor(dataset.data), torch.as_tensor(dataset.targets)
            if len(x) != len(y):
                raise ValueError(f"{len(x)} images and {len(y)} labels")
        except (AssertionError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
            # A failed download leaves empty directories behind.
            for path in (self.folder, *self.folder.parents):
                if path.is_relative_to(self.data_dir):
                    with contextlib.suppress(OSError):
                        path.rmdir()
            reason = " ".join(str(error).split()) or type(error).__name__
            raise MissingDataError(
                f"{self.name} can't be read or downloaded ({reason}): it needs {self.files} in "
                f"{self.folder.absolute()}, whole. Put them there, delete damaged ones to download "
                "them anew, or name another directory, laid out alike, with data_dir=... or the "
                "environment variable GAN_DATA."
            ) from error
        x = x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2).contiguous()
        return Split(x, y)
