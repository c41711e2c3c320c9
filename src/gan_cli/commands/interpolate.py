"""`gan interpolate`: images along paths through z-space (Figure 3)."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Interval
from omegaconf import DictConfig, ListConfig
from torch import Tensor

from gan_cli.config.settings import TrainedSettings
from gan_cli.errors import UserError
from gan_cli.figures.interpolation import save_interpolation
from gan_cli.files import relative
from gan_cli.game.priors import Uniform
from gan_cli.ranges import Count
from gan_cli.runs.load import Trained, load_trained
from gan_cli.sampling import paths
from gan_cli.sampling.arrays import read_points
from gan_cli.sampling.samples import draw_z

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
    images = (_across if isinstance(cfg.label, ListConfig) else _through_z)(cfg, trained)
    origin = trained.origin(cfg.seed)
    save_interpolation(shown, images, trained.source, cfg.steps, origin, cfg.scale)
    log.info("Picture, with the points of each path marked: %s", relative(shown))


def _through_z(cfg: DictConfig, trained: Trained) -> Tensor:
    """Return the images (frames, rows, C, H, W) on paths through z-space, each of one class."""
    if cfg.path == "slerp" and isinstance(trained.prior, Uniform):
        raise UserError(
            "path is slerp, but this run's prior is uniform on a cube, which has no arcs; use "
            "path=linear, or a run that was trained with prior=gaussian or prior=spherical."
        )
    if cfg.z is None:
        points = paths.random_points(trained.prior, cfg.points, cfg.rows, cfg.seed)
    else:
        points = read_points(Path(cfg.z), trained.prior.dim)[:, None]
        if cfg.path == "slerp" and not points.norm(dim=-1).all():
            raise UserError(f"z is {cfg.z}, where a point is 0, which has no direction for slerp.")
    between = {"linear": paths.linear, "slerp": paths.slerp}[cfg.path]
    z = paths.path(points, cfg.steps, between, cfg.loop)
    return trained.images(z, cfg.seed, cfg.label)


def _across(cfg: DictConfig, trained: Trained) -> Tensor:
    """Return the images (frames, rows, C, H, W) from class to class, with a z for each row."""
    if cfg.z is not None or cfg.path != "linear":
        raise UserError(
            f"label is {cfg.label}, from class to class in straight lines with z fixed; z must be "
            "null and path linear."
        )
    if len(cfg.label) < 2:
        raise UserError(f"label is {cfg.label}; a way from class to class takes two or more.")
    corners = torch.stack([trained.classes.weights(label) for label in cfg.label])
    weights = paths.path(corners, cfg.steps, loop=cfg.loop)
    return trained.mixtures(draw_z(trained.prior, cfg.rows, cfg.seed), weights, cfg.seed)
