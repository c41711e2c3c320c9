"""`gan sample`: draw samples from a trained generator."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Interval
from omegaconf import DictConfig

from gan_cli.config.settings import TrainedSettings
from gan_cli.errors import UserError
from gan_cli.figures.grid import save_png
from gan_cli.files import relative
from gan_cli.ranges import Count
from gan_cli.runs.load import load_trained
from gan_cli.runs.pictures import draw_classes, draw_neighbors, draw_samples

log = logging.getLogger(__name__)


@dataclass
class Settings(TrainedSettings):
    """Types and ranges of `gan sample`."""

    n: Annotated[int, Interval(ge=1, le=10_000_000)] | None
    label: int | str | None
    columns: Annotated[int, Interval(ge=1, le=10_000)] | None
    scale: Count | None
    save: str | None
    neighbors: bool
    real: bool


def run(cfg: DictConfig, out: Path) -> None:
    """Write a grid of `cfg.n` samples to `out`, and the samples themselves to `cfg.save`."""
    if cfg.neighbors and cfg.real:
        raise UserError("real is true with neighbors=true; a picture shows one of them at a time.")
    if cfg.save is not None and (not cfg.save or cfg.save.endswith("/")):
        raise UserError(f"save is {cfg.save!r}; it must be the path of a .npy file.")
    trained = load_trained(cfg)
    if cfg.label == "all":
        drawn = draw_classes(cfg, trained)
    else:
        drawn = (draw_neighbors if cfg.neighbors else draw_samples)(cfg, trained)
    # Only now that nothing can be refused any more: it may replace a file.
    if cfg.save is not None:
        trained.save(cfg.save, drawn.n, cfg.seed, drawn.labels)
    origin = trained.origin(cfg.seed)
    if drawn.figure2 is None:
        path = out / "samples.png"
        save_png(path, drawn.image, origin)
    else:
        path = out / "figure2.png"
        drawn.figure2.save(out, origin)
    for line in drawn.lines:
        log.info("%s", line)
    of = f" of the first {drawn.shown} of {drawn.n} samples" if drawn.shown < drawn.n else ""
    each = " of each class" if of and cfg.label == "all" else ""
    log.info("Picture%s%s: %s", of, each, relative(path))
