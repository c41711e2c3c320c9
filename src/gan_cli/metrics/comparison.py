"""Samples beside the data: distances to training images, and the classes they fall into."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gan_cli.data.source import Data, Source
from gan_cli.metrics.classifier import classify, histogram, total_variation, train_classifier
from gan_cli.metrics.neighbors import distance_quantiles


def compare(
    samples: Mapping[str, Tensor], source: Source, data: Data, seed: int, device: torch.device
) -> dict[str, Any]:
    """Return the distances of samples to training images, and the classes they fall into, for JSON.

    samples: by name, (n, C, H, W) in model space. `neighbors` has quantiles of the Euclidean
    distance in model space, for the test images too. `classes`, where all training and test images
    have one, has the shares in [0, 1] of each class, by a classifier trained with `seed` on
    `device`, its accuracy on the test images, and each total variation distance from them.
    """
    train, test = (source.to_model(part.x).to(device) for part in (data.train, data.test))
    drawn = {name: x.to(device) for name, x in samples.items()}
    compared = {"test images": test, **drawn}
    near = {name: distance_quantiles(x, train) for name, x in compared.items()}
    # TFD has unlabelled images, of class -1.
    known = [y for y in (data.train.y, data.test.y) if y is not None and y.min() >= 0]
    if len(known) < 2:
        return {"neighbors": near}
    train_y, test_y = (y.to(device) for y in known)
    classes = int(max(train_y.max(), test_y.max())) + 1
    classifier = train_classifier(train, train_y, seed)
    truth = histogram(test_y, classes)
    shares = {name: histogram(classify(classifier, x), classes) for name, x in drawn.items()}
    return {
        "neighbors": near,
        "classes": {
            "accuracy": (classify(classifier, test) == test_y).float().mean().item(),
            "test images": truth,
            "samples": {
                name: {"shares": share, "total_variation": total_variation(share, truth)}
                for name, share in shares.items()
            },
        },
    }
