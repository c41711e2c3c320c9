"""`gan sample`: draw samples from a trained generator."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Interval
from omegaconf import DictConfig

from gan_cli.config.settings import TrainedSettings
from gan_cli.errors import UserError
from gan_cli.figures.grid import SHOWN, enlargement, picture, save_png
from gan_cli.figures.neighbors import figure2, layout
from gan_cli.figures.titles import beside_rows, side_by_side
from gan_cli.files import relative
from gan_cli.metrics.neighbors import COMPARED
from gan_cli.ranges import Count
from gan_cli.runs.load import Trained, load_data, load_trained

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
        _by_class(cfg, out, trained)
    elif cfg.neighbors:
        _figure2(cfg, out, trained)
    else:
        _grid(cfg, out, trained)


def _grid(cfg: DictConfig, out: Path, trained: Trained) -> None:
    """Write a grid of samples, beside one of training images if `cfg.real`."""
    n, source = cfg.n or 100, trained.source
    real = trained.training_images(n, cfg.seed, cfg.data_dir, cfg.label) if cfg.real else None
    # First what may be refused: `save` may name a file that is there.
    if real is not None and len(real) < n:
        if cfg.n is not None:
            raise UserError(
                f"n is {n}; with real=true it can be {len(real)} at most, the number of training "
                f"images{'' if cfg.label is None else ' of the class'}."
            )
        n = len(real)
    shown = min(n, SHOWN)
    enlargement(shown, cfg.columns, source.shape, cfg.scale)
    if cfg.save is not None:
        trained.save(cfg.save, n, cfg.seed, [cfg.label])
    samples = trained.samples(shown, cfg.seed, cfg.label)
    image = picture(samples, source, cfg.columns, cfg.scale)
    if real is not None:
        beside = picture(real[:shown], source, cfg.columns, cfg.scale)
        image = side_by_side({"samples": image, "training data": beside})
    save_png(out / "samples.png", image, trained.origin(cfg.seed))
    of = "" if shown == n else f" of the first {shown} of {n} samples"
    log.info("Picture%s: %s", of, relative(out / "samples.png"))


def _by_class(cfg: DictConfig, out: Path, trained: Trained) -> None:
    """Write a row of samples for each class, the same z in each, with the class's name."""
    if cfg.real or cfg.neighbors or cfg.columns is not None:
        raise UserError(
            "label is all, which draws a row of n samples for each class, without real=true, "
            "neighbors=true or columns=...; those go with label=CLASS."
        )
    names = trained.classes.names
    if not names:
        trained.classes.number(cfg.label)  # which raises UserError
    most, source = max(1, SHOWN // len(names)), trained.source
    n = cfg.n or min(10, most)
    shown = min(n, most)
    enlargement(shown * len(names), shown, source.shape, cfg.scale)
    if cfg.save is not None:
        trained.save(cfg.save, n, cfg.seed, names)
    samples = torch.cat([trained.samples(shown, cfg.seed, name) for name in names])
    image = picture(samples, source, shown, cfg.scale)
    if source.centers() is None:  # Points make one plot of all.
        image = beside_rows(image, names)
    save_png(out / "samples.png", image, trained.origin(cfg.seed))
    log.info("Rows of the picture, from the top: %s", ", ".join(names))
    log.info("Picture: %s", relative(out / "samples.png"))


def _figure2(cfg: DictConfig, out: Path, trained: Trained) -> None:
    """Write rows of samples beside their nearest training images to `out`, and the distances."""
    data = load_data(cfg.data_dir, trained.config)[0]
    rows, columns = layout(cfg.n, cfg.columns, cfg.scale, data)
    if cfg.save is not None:
        trained.save(cfg.save, rows * columns, cfg.seed, [cfg.label])
    samples = trained.samples(max(rows * columns, COMPARED), cfg.seed, cfg.label)
    figure = figure2(samples, rows, columns, trained.source, data, cfg.scale)
    figure.save(out, trained.origin(cfg.seed))
    for line in figure.table():
        log.info("%s", line)
    log.info("Picture: %s", relative(out / "figure2.png"))
