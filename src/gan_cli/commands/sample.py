"""`gan sample`: draw samples from a trained generator."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Interval
from omegaconf import DictConfig
from torch import Tensor

from gan_cli.config.settings import TrainedSettings
from gan_cli.errors import UserError
from gan_cli.figures.grid import picture, save_png, side_by_side
from gan_cli.figures.neighbors import figure2
from gan_cli.files import relative
from gan_cli.metrics.neighbors import COMPARED
from gan_cli.rng import stream
from gan_cli.runs.load import Trained, load_data, load_trained
from gan_cli.sampling.arrays import write_samples

log = logging.getLogger(__name__)

# The samples that a picture shows at most.
SHOWN = 1024


@dataclass
class Settings(TrainedSettings):
    """Types and ranges of `gan sample`."""

    n: Annotated[int, Interval(ge=1, le=10_000_000)] | None
    columns: Annotated[int, Interval(ge=1, le=10_000)] | None
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
    if cfg.neighbors:
        _figure2(cfg, out, trained)
    else:
        _grid(cfg, out, trained)


def _grid(cfg: DictConfig, out: Path, trained: Trained) -> None:
    """Write a grid of samples, beside one of training images if `cfg.real`."""
    n = cfg.n or 100
    shown = min(n, SHOWN)
    # First what may be refused: `save` may name a file that is there.
    real = _real(cfg, trained, n)[:shown] if cfg.real else None
    _save(cfg, n, trained)
    image = picture(trained.source.to_pixels(trained.samples(shown, cfg.seed)), cfg.columns)
    if real is not None:
        image = side_by_side(image, picture(real, cfg.columns))
    save_png(out / "samples.png", image, trained.origin(cfg.seed))
    of = "" if shown == n else f" of the first {shown} of {n} samples"
    log.info("Picture%s: %s", of, relative(out / "samples.png"))


def _save(cfg: DictConfig, n: int, trained: Trained) -> None:
    """Write n samples to `cfg.save`, where that is given."""
    if cfg.save is not None:
        path = Path(f"{cfg.save.removesuffix('.npy')}.npy")
        shape = (n, *trained.source.shape)
        write_samples(path, trained.blocks(n, cfg.seed), shape)
        log.info("Samples %s of float32: %s", shape, relative(path))


def _real(cfg: DictConfig, trained: Trained, n: int) -> Tensor:
    """Return n training images, none twice, as samples are shown."""
    source, x = trained.source, load_data(cfg.data_dir, trained)[0].train.x
    if n > len(x):
        raise UserError(f"n is {n}; with real=true it can be {len(x)} at most, the training set.")
    index = torch.randperm(len(x), generator=stream(cfg.seed, "real"))[:n]
    return source.to_pixels(source.to_model(x[index]))


def _figure2(cfg: DictConfig, out: Path, trained: Trained) -> None:
    """Write rows of samples beside their nearest training images to `out`, and the distances."""
    columns = cfg.columns or 5
    n = cfg.n or 4 * columns
    if n % columns:
        raise UserError(
            f"n is {n}; with neighbors=true it must be a multiple of columns, {columns}."
        )
    if n > SHOWN:
        raise UserError(
            f"n is {n}; with neighbors=true, which draws them all, it can be {SHOWN} at most."
        )
    data = load_data(cfg.data_dir, trained)[0]
    if data.train.x.dtype != torch.uint8:
        raise UserError("neighbors is true, but this run was trained on points, not on images.")
    _save(cfg, n, trained)
    samples = trained.samples(max(n, COMPARED), cfg.seed)
    figure = figure2(samples, n // columns, columns, trained.source, data)
    figure.save(out, trained.origin(cfg.seed))
    for line in figure.table():
        log.info("%s", line)
    log.info("Picture: %s", relative(out / "figure2.png"))
