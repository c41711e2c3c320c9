"""`gan probe`: what features of D are worth to a classifier when labels are few."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import MinLen
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.settings import CommandSettings
from gan_cli.figures.probe import draw_probe, report
from gan_cli.files import relative
from gan_cli.metrics.probe import draw_labelled, probe
from gan_cli.ranges import Count, Seed
from gan_cli.runs.probe import find_features, load_discriminators
from gan_cli.runs.results import write_results
from gan_cli.training.device import pick_device

log = logging.getLogger(__name__)


@dataclass
class Settings(CommandSettings):
    """Types and ranges of `gan probe`."""

    run: str
    labels: Annotated[list[Count | Literal["all"]], MinLen(1)]
    draws: Count
    seed: Seed
    checkpoint: Literal["newest", "best"]
    data_dir: str


def run(cfg: DictConfig, out: Path) -> None:
    """Classify test images by features of a run's D and by references, with few labels and all."""
    found = load_discriminators(cfg, pick_device(cfg.device))
    drawn = draw_labelled(found.y, list(cfg.labels), cfg.draws, cfg.seed)
    features, references = find_features(found, cfg.seed)
    result = probe(features, found.y, found.y_test, drawn, references)
    lines = list(report(result))
    for line in lines:
        log.info("%s", line)
    settings: Any = OmegaConf.to_container(cfg, resolve=True)
    write_results(
        out / "probe.json", result.content(), draw_probe(result), found.origin, settings, lines
    )
    log.info("Results: %s, with probe.json and probe.md beside it.", relative(out / "probe.png"))
