"""Samples beside the data: distances to training images, and the classes they fall into."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gan_cli.data.source import Data, Source
from gan_cli.metrics.features import as_shown, feature_space, is_labelled
from gan_cli.metrics.neighbors import distance_quantiles
from gan_cli.metrics.registry import total_variation
from gan_cli.metrics.views import Classes, Space


def compare(
    samples: Mapping[str, Tensor], source: Source, data: Data, device: torch.device, cache: Path
) -> dict[str, Any]:
    """Return the distances of samples to training images, and the classes they fall into, for JSON.

    samples: by name, (n, C, H, W) in model space. `neighbors` has quantiles of the Euclidean
    distance in model space, for the test images too. `classes`, where all training and test images
    have one, has the shares in [0, 1] of each class, by a classifier of the data, its accuracy on
    the test images, and each total variation distance from them. The classifier is cached in the
    directory `cache`.
    """
    train, test = (source.to_model(part.x).to(device) for part in (data.train, data.test))
    compared = {"test images": test, **{name: x.to(device) for name, x in samples.items()}}
    near = {name: distance_quantiles(x, train) for name, x in compared.items()}
    # TFD has unlabelled images, of class -1.
    if not (is_labelled(data.train) and is_labelled(data.test)):
        return {"neighbors": near}
    shown = as_shown(source, data)
    space, y = feature_space(source, data, cache), data.test.y
    assert y is not None
    found = _classes(space, shown.test.x)
    of = max(found.of, int(y.max()) + 1)
    shares = {
        name: _shares(_classes(space, source.to_pixels(x)).most_probable, of)
        for name, x in samples.items()
    }
    truth = _shares(y, of)
    return {
        "neighbors": near,
        "classes": {
            "accuracy": (found.most_probable == y).double().mean().item(),
            "test images": truth.tolist(),
            "samples": {
                name: {"shares": share.tolist(), "total_variation": total_variation(share, truth)}
                for name, share in shares.items()
            },
        },
    }


def _classes(space: Space, pixels: Tensor) -> Classes:
    classes = space(pixels).classes
    assert classes is not None
    return classes


def _shares(y: Tensor, of: int) -> Tensor:
    return torch.bincount(y, minlength=of) / len(y)
