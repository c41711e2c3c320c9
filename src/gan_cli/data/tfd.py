"""The Toronto Face Database (Susskind et al., 2010), which its owners hand out on request."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from gan_cli.data.source import Data, Source, Split
from gan_cli.data.spaces import Range
from gan_cli.errors import MissingDataError, UserError
from gan_cli.ranges import Count

FILE = "TFD/TFD_48x48.mat"
FOLDS = 5

# What the column of a fold says of an image.
UNLABELLED, TRAIN, VALID, TEST = 0, 1, 2, 3


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
        """Return unlabelled, validation and test images of the fold, labels being expressions."""
        return self._of_fold(*self._read(), self.fold)

    def folds(self) -> list[Data]:
        """Return all five."""
        fields = self._read()
        return [self._of_fold(*fields, fold) for fold in range(FOLDS)]

    def _of_fold(
        self, images: np.ndarray, folds: np.ndarray, expressions: np.ndarray, fold: int
    ) -> Data:
        def part(kind: int) -> Split:
            rows = folds[:, fold] == kind
            if not rows.any():
                raise UserError(
                    f"{self.path} has no images of kind {kind} in fold {fold}; it must have some "
                    "of 0 (unlabelled), 2 (validation) and 3 (test)."
                )
            x = torch.from_numpy(images[rows]).unsqueeze(1)
            return Split(x, torch.from_numpy(expressions[rows]))

        return Data(part(UNLABELLED), part(VALID), part(TEST))

    def _read(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
        except Exception as error:  # whatever a damaged file makes of scipy's parser
            raise UserError(f"{self.path} can't be read as a .mat file ({error}).") from error
        missing = [name for name in wanted if name not in fields]
        if missing:
            raise UserError(f"{self.path} lacks {', '.join(missing)}; it needs {wanted}.")
        images, folds, expressions = (np.asarray(fields[name]) for name in wanted)
        _, height, width = self.shape
        n = len(folds)
        if images.shape == (height, width, n) and images.shape != (n, height, width):
            images = np.moveaxis(images, -1, 0)
        if (
            images.shape != (n, height, width)
            or images.dtype != np.uint8
            or folds.shape != (n, FOLDS)
            or expressions.size != n
        ):
            raise UserError(
                f"{self.path} has images {images.shape} of {images.dtype}, folds {folds.shape} and "
                f"labs_ex {expressions.shape}; wanted are uint8 images (N, {height}, {width}) or "
                f"({height}, {width}, N), folds (N, {FOLDS}) and N labels."
            )
        return np.ascontiguousarray(images), folds, expressions.reshape(-1).astype(np.int64)
