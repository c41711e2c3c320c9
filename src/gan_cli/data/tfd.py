"""The Toronto Face Database (Susskind et al., 2010), which its owners hand out on request."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from gan_cli.data.source import Data, Source, Split
from gan_cli.data.spaces import Range
from gan_cli.errors import MissingDataError, UserError
from gan_cli.ranges import Count

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
        fold: Literal[0, 1, 2, 3, 4] = 0,
        shape: Sequence[Count] = (1, 48, 48),
        range: Range = "unit",  # noqa: A002
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
        try:
            fields = loadmat(self.path, variable_names=("images", "folds", "labs_ex"))
            x = torch.from_numpy(np.ascontiguousarray(fields["images"])).unsqueeze(1)
            if x.dtype != torch.uint8:
                raise TypeError(f"images are {x.dtype} and not uint8")
            kinds = torch.from_numpy(fields["folds"]).reshape(len(x), FOLDS)
            y = torch.from_numpy(fields["labs_ex"].astype(np.int64)).reshape(len(x))
        except Exception as error:  # whatever a damaged file makes of scipy's parser
            raise UserError(
                f"{self.path} can't be read as a .mat file with images (N, H, W), folds "
                f"(N, {FOLDS}) and N labs_ex ({error})."
            ) from error
        self.refuse_other_than(tuple(x.shape[1:]))
        return Split(x, y), kinds


def _fold(faces: Split, kinds: Tensor, fold: int) -> Data:
    return Data(*(faces.take(kinds[:, fold] == kind) for kind in (UNLABELLED, VALID, TEST)))
