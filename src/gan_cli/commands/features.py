"""`gan features`: train the classifier in whose features `gan evaluate` compares samples."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from gan_cli.config.build import build_source
from gan_cli.config.settings import CommandSettings, Node
from gan_cli.errors import UserError
from gan_cli.files import relative
from gan_cli.metrics.features import is_labelled, save_classifier, train_classifier
from gan_cli.ranges import Count, Seed

log = logging.getLogger(__name__)


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan features`."""

    dataset: Node
    data_dir: str
    steps: Count
    seed: Seed


def run(cfg: DictConfig, out: Path) -> None:
    """Train a classifier of a data set's training images and write its weights to `out`."""
    source = build_source(cfg)
    data = source.load()
    if not (is_labelled(data.train) and is_labelled(data.test)):
        raise UserError("dataset has images without a class; a classifier needs a class of each.")
    network = train_classifier(data.train, cfg.seed, cfg.steps)
    path = out / f"{source.name or 'features'}.safetensors"
    save_classifier(path, network, data.test)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    log.info("Weights: %s, SHA-256 %s.", relative(path), digest)
