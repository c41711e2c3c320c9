"""The accuracy of a classifier trained on samples alone (Ravuri and Vinyals, 2019)."""

import hashlib
import logging
from pathlib import Path

from gan_cli.data.source import Split
from gan_cli.errors import UserError
from gan_cli.files import write_atomically
from gan_cli.metrics.features import accuracy_of, train_classifier

log = logging.getLogger(__name__)

# How long the classifier is trained, whatever the number of samples: 40 s on one core for MNIST. In
# minibatches of 128, as for `features`, as many images make a worse one.
STEPS, BATCH, LEARNING_RATE = 1800, 32, 8e-3


def accuracy_from(samples: Split, test: Split, cache: Path) -> float:
    """Return the share of test images that a classifier trained on labelled samples gets right.

    Both are uint8 images (n, C, H, W). The classifier is the one of `features`, trained with seed 0
    for STEPS minibatches. The share is cached in the directory `cache`, under a name that both
    determine. Raises UserError for a damaged file there.
    """
    digest = hashlib.sha256(repr((STEPS, BATCH, LEARNING_RATE)).encode())
    for x in (*samples, *test):
        assert x is not None
        digest.update(x.contiguous().numpy().data)
    path = cache / f"accuracy-{digest.hexdigest()[:16]}.txt"
    if not path.is_file():
        log.info("Training a classifier on %d labelled images alone.", len(samples.x))
        network = train_classifier(samples, 0, STEPS, BATCH, LEARNING_RATE)
        accuracy = accuracy_of(network, test)
        cache.mkdir(parents=True, exist_ok=True)
        write_atomically(path, f"{accuracy!r}\n".encode())
    try:
        return float(path.read_text())
    except ValueError as error:
        raise UserError(f"{path} is damaged; delete it, and it is made anew.") from error
