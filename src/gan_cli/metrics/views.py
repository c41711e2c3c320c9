"""Images as a feature space shows them."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Classes(NamedTuple):
    """Each image's most probable class (n,) out of `of`, and the probabilities (n,) of these."""

    most_probable: Tensor
    confidence: Tensor
    of: int

    def shares(self) -> Tensor:
        """Return the share of images of each class, (of,)."""
        return torch.bincount(self.most_probable, minlength=self.of) / len(self.most_probable)

    def confusion(self, labels: Tensor) -> Tensor:
        """Return how many images of each of `labels` (n,) are of which class, (of, of)."""
        pairs = torch.bincount(labels * self.of + self.most_probable, minlength=self.of**2)
        return pairs.view(self.of, self.of)


class View(NamedTuple):
    """Images as a feature space shows them: features (n, d), and classes where the space has any.

    The features are float32. `labels` (n,) are those that images have or were drawn for, if any.
    """

    features: Tensor
    classes: Classes | None
    labels: Tensor | None = None

    def rows(self, index: Tensor) -> "View":
        """Return the view of the images at `index` (k,)."""
        classes = self.classes
        if classes is not None:
            most_probable, confidence = classes.most_probable[index], classes.confidence[index]
            classes = Classes(most_probable, confidence, classes.of)
        labels = None if self.labels is None else self.labels[index]
        return View(self.features[index], classes, labels)


class Space(Protocol):
    """What a feature space must offer."""

    @property
    def name(self) -> str:
        """What the space is, for tables."""
        ...

    @property
    def key(self) -> str:
        """What distinguishes it from other spaces, as part of a file's name."""
        ...

    @property
    def accuracy(self) -> float | None:
        """The share of test images that its classifier assigns to their class; None without one."""
        ...

    def __call__(self, pixels: Tensor) -> View:
        """Return the view of uint8 images (n, C, H, W), or of points (n, ...)."""
        ...
