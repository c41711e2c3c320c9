"""The digits that scikit-learn ships."""

import numpy as np
import torch
from sklearn.datasets import load_digits

from gan_cli.data.source import Data, Source, Split, hold_out


class Digits(Source):
    """The 1797 handwritten digits (8 x 8) that scikit-learn ships: 1397, 200 and 200 of them."""

    name = "digits"

    def load(self) -> Data:
        """Read the digits from the installed scikit-learn; grey levels 0..16 become 0..255."""
        images, labels = load_digits(return_X_y=True)
        x = torch.from_numpy(np.rint(images * (255 / 16)).astype(np.uint8)).view(-1, 1, 8, 8)
        self.refuse_other_than((1, 8, 8))
        y = torch.from_numpy(labels.astype(np.int64))
        # The file is ordered by writer, so the split is of a fixed shuffle.
        order = torch.from_numpy(np.random.default_rng(0).permutation(len(x)))
        rest, test = hold_out(Split(x[order], y[order]), 200)
        return Data(*hold_out(rest, 200), test)
