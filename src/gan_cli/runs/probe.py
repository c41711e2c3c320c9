"""What `gan probe` takes of a run: features of its data; and the files it writes."""

import logging
import sys
from collections.abc import Iterator
from typing import NamedTuple

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from gan_cli.config.build import build_discriminator, build_source
from gan_cli.data.labels import count_classes
from gan_cli.data.source import Data, Source
from gan_cli.errors import UserError
from gan_cli.files import relative
from gan_cli.metrics.hidden_layers import hidden_layers
from gan_cli.metrics.probe import Features, References, principal_components
from gan_cli.runs import directory as runs
from gan_cli.runs import own_modules
from gan_cli.runs.load import load_data, load_discriminator

log = logging.getLogger(__name__)

# Images at a time through D.
CHUNK = 1000


class Discriminators(NamedTuple):
    """D of a run, trained and with its initial weights, in eval mode on `device`; and its data.

    `y` and `y_test` are the labels of the training images and of the test images, int64.
    """

    trained: nn.Module
    untrained: nn.Module
    source: Source
    data: Data
    y: Tensor
    y_test: Tensor
    device: torch.device
    origin: dict[str, object]


def load_discriminators(cfg: DictConfig, device: torch.device) -> Discriminators:
    """Return the D of `cfg.run`, trained and untrained, with the data that it was trained on.

    Raises UserError for a conditional run, and for data without a label for each image.
    """
    run = runs.find(cfg.run, cfg.outputs)
    config, name = run.config(), f"run is {relative(run.path)}"
    if config.get("condition") is not None:
        raise UserError(
            f"{name}, whose D is given the label as well (condition={config.condition}); it must "
            "be a run with condition=null, whose D finds features in the image alone."
        )
    own_modules.look_where_trained(run)
    source, data = build_source(config), load_data(cfg.data_dir, config)[0]
    count_classes(data.train, name)
    y, y_test = data.train.y, data.test.y
    if y is None or y_test is None or y_test.min() < 0:
        raise UserError(f"{name}, but not all test images of its data have a label; all must.")
    images = source.to_model(data.train.x[:8])
    trained, step = load_discriminator(run, images, device, cfg.checkpoint)
    untrained = build_discriminator(config, images).to(device).eval()
    log.info("Run %s, %s, step %d.", relative(run.path), run.status(), step)
    origin = {
        "run": relative(run.path),
        "step": step,
        "seed": cfg.seed,
        "command": " ".join(sys.argv),
    }
    return Discriminators(trained, untrained, source, data, y.long(), y_test.long(), device, origin)


def find_features(
    found: Discriminators, seed: int
) -> tuple[dict[str, Features], dict[str, References]]:
    """Return features of the data by their names, and what those of the trained D compare with.

    They are those of D's hidden layers, trained and not, as many principal components of the
    training images, and the pixels as D takes them. With as many components as pixels or training
    images there would be nothing to choose, and no PCA is made. Raises UserError where D has no
    hidden layer, or gives NaN or infinity.
    """
    pixels = Features(*(torch.cat([x.flatten(1) for x in part]) for part in _parts(found)))
    layers = [_hidden_layers(found, d) for d in (found.trained, found.untrained)]
    if not layers[0]:
        raise UserError(
            f"run is {found.origin['run']}, whose D has no hidden layer to take features from; it "
            "must have two linear layers or convolutions at least."
        )
    features: dict[str, Features] = {}
    references: dict[str, References] = {}
    sizes = {layer.size for layer in layers[0] if layer.size < min(pixels.train.shape)}
    for i, (trained, untrained) in enumerate(zip(*layers, strict=True), start=1):
        n = trained.size
        name, other = (f"{d}, hidden layer {i} ({n})" for d in ("D", "untrained D"))
        features |= {name: trained, other: untrained}
        pca = f"PCA ({n})" if n in sizes else None
        references[name] = References(other, pca, f"pixels ({pixels.size})")
    if sizes:
        components = principal_components(pixels, max(sizes), seed)
        features |= {f"PCA ({n})": components.first(n) for n in sorted(sizes)}
    features[f"pixels ({pixels.size})"] = pixels
    for name, given in features.items():
        if not all(x.isfinite().all() for x in given):
            raise UserError(f"run is {found.origin['run']}, whose {name} has NaN or infinity.")
    return features, references


def _hidden_layers(found: Discriminators, discriminator: nn.Module) -> list[Features]:
    train, test = (hidden_layers(discriminator, parts) for parts in _parts(found))
    return [Features(*both) for both in zip(train, test, strict=True)]


def _parts(found: Discriminators) -> Iterator[Iterator[Tensor]]:
    """Yield the training images and the test images, in minibatches in model space."""
    for images in (found.data.train.x, found.data.test.x):
        yield (found.source.to_model(x).to(found.device) for x in images.split(CHUNK))
