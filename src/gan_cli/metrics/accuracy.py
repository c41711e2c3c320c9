"""The accuracy of a classifier trained on samples alone (Ravuri and Vinyals, 2019)."""

import logging
from pathlib import Path

import torch
from torch import Tensor

from gan_cli.data.source import Split
from gan_cli.metrics.cache import cached
from gan_cli.metrics.features import accuracy_of, train_classifier

log = logging.getLogger(__name__)

# How long the classifier is trained, whatever the number of samples: 40 s on one core for MNIST. In
# minibatches of 128, as for `features`, as many images make a worse one.
STEPS, BATCH, LEARNING_RATE = 1800, 32, 8e-3


def accuracy_from(samples: Split, test: Split, cache: Path) -> float:
    """Return the share of test images that a classifier trained on labelled samples gets right.

    Both are uint8 images (n, C, H, W). The classifier is the one of `features`, trained with seed 0
    for STEPS minibatches. The share is kept in the directory `cache`. Raises UserError for a
    damaged file there.
    """
    assert samples.y is not None
    assert test.y is not None
    how = STEPS, BATCH, LEARNING_RATE
    return cached(accuracy, samples.x, samples.y, test.x, test.y, *how, cache=cache).item()


def accuracy(
    x: Tensor, y: Tensor, test_x: Tensor, test_y: Tensor, steps: int, batch: int, lr: float
) -> Tensor:
    """Return, as a number, the accuracy on test images of a classifier trained on (x, y)."""
    log.info("Training a classifier on %d labelled images alone.", len(x))
    network = train_classifier(Split(x, y), 0, steps, batch, lr)
    return torch.tensor(accuracy_of(network, Split(test_x, test_y)), dtype=torch.float64)
