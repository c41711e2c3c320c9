"""The Toronto Face Database (Susskind et al., 2010), which its owners hand out on request."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_cli.data.source import Data, Source, Split
from gan_cli.errors import MissingDataError, UserError

FILE = "TFD/TFD_48x48.mat"
FOLDS = 5

# What the column of a fold says of an image.
UNLABELLED, VALID, TEST = 0, 2, 3


class TFD(Source):
    """Faces, 48 x 48, in five folds: trained on are the unlabelled images of `fold`."""

    name = "TFD"

    def __init__(
        self,
        data_dir: str | os.PathLike[str],
        fold: int = 0,
        shape: Sequence[int] = (1, 48, 48),
        range: str = "unit",  # noqa: A002
    ) -> None:
        super().__init__(shape, range)
        self.path, self.fold = Path(data_dir) / FILE, fold

    def load(self) -> Data:
        """Return unlabelled, validation and test images of the fold, labels being expressions.

        Raises MissingDataError without the file, UserError where it is damaged or another.
        """
        return _fold(*self._read(), self.fold)

    def folds(self) -> list[Data]:
        """Return all five, as `load` returns one."""
        faces, kinds = self._read()
        return [_fold(faces, kinds, fold) for fold in range(FOLDS)]

    def _read(self) -> tuple[Split, Tensor]:
        """Return all images with their expressions, and what each is in each fold (N, FOLDS)."""
        # Imported here: it costs a fifth of a second.
        from scipy.io import loadmat

        if not self.path.is_file():
            raise MissingDataError(
                f"TFD needs {self.path.absolute()}, which its owners hand out on request; put it "
                "there, or name the directory that has TFD/ in it with data_dir=... or GAN_DATA."
            )
        wanted = ("images", "folds", "labs_ex")
        try:
            fields = loadmat(self.path, variable_names=wanted)
            images, kinds, expressions = (np.asarray(fields[name]) for name in wanted)
        except Exception as error:  # whatever a damaged file makes of scipy's parser
            raise UserError(
                f"{self.path} can't be read as a .mat file with {', '.join(wanted)} ({error})."
            ) from error
        n, size = len(images), self.shape[1:]
        if (
            images.shape != (n, *size)
            or images.dtype != np.uint8
            or kinds.shape != (n, FOLDS)
            or expressions.size != n
        ):
            raise UserError(
                f"{self.path} has images {images.shape} of {images.dtype}, folds {kinds.shape} and "
                f"labs_ex {expressions.shape}; wanted are uint8 images (N, {size[0]}, {size[1]}), "
                f"folds (N, {FOLDS}) and N labels."
            )
        x = torch.from_numpy(np.ascontiguousarray(images)).unsqueeze(1)
        y = torch.from_numpy(expressions.reshape(-1).astype(np.int64))
        return Split(x, y), torch.from_numpy(kinds)


def _fold(faces: Split, kinds: Tensor, fold: int) -> Data:
    return Data(*(faces.take(kinds[:, fold] == kind) for kind in (UNLABELLED, VALID, TEST)))
