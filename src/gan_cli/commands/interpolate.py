"""`gan interpolate`: images along paths through z-space (Figure 3)."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Interval
from omegaconf import DictConfig, ListConfig

from gan_cli.config.settings import TrainedSettings
from gan_cli.figures.interpolation import save_interpolation
from gan_cli.files import relative
from gan_cli.ranges import Count
from gan_cli.runs.load import load_trained
from gan_cli.runs.pictures import images_across_classes, images_through_z

log = logging.getLogger(__name__)


@dataclass
class Settings(TrainedSettings):
    """Types and ranges of `gan interpolate`."""

    rows: Annotated[int, Interval(ge=1, le=1000)]
    points: Annotated[int, Interval(ge=2, le=1000)]
    steps: Annotated[int, Interval(ge=1, le=1000)]
    path: Literal["linear", "slerp"]
    loop: bool
    z: str | None
    label: int | str | list[int | str] | None
    format: Literal["png", "gif"]
    scale: Count | None


def run(cfg: DictConfig, out: Path) -> None:
    """Draw `cfg.rows` paths, or the one through the points of `cfg.z`, into `out`."""
    trained = load_trained(cfg)
    shown = out / f"interpolation.{cfg.format}"
    draw = images_across_classes if isinstance(cfg.label, ListConfig) else images_through_z
    images = draw(cfg, trained)
    origin = trained.origin(cfg.seed)
    save_interpolation(shown, images, trained.source, cfg.steps, origin, cfg.scale)
    log.info("Picture, with the points of each path marked: %s", relative(shown))
